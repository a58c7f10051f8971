/* Sessions at a station, SPEC.md sections 5.5, 6 and 7: an aircraft starts again and again, an attacker plays back what
 * earlier sessions said, the station itself may restart with what it stored.
 *
 * Property S1: once a beat of a later session was believed, no session with a lower boot counter is opened any more, not
 *              even by a station that was restarted since.
 *
 * -DBROKEN_BOOT admits every counter; -DBROKEN_STORE forgets what was heard at a restart; -DBROKEN_RETIRE keeps earlier
 * sessions that never beat. Each must be found.
 */
#define STARTS 4

byte boot = 0;              /* the aircraft's newest start */
bool stated[STARTS + 1];    /* its statements and beats, as the attacker recorded them */
bool beaten[STARTS + 1];

byte known = 0;             /* the highest boot counter heard, in memory */
byte stored = 0;            /* and on the station's disk */
bool session[STARTS + 1];   /* sessions that the station has a statement of */
bool open[STARTS + 1];
byte believed = 0;          /* the highest boot counter whose beat was ever believed; the property's, not the station's */

active proctype aircraft()
{
    do
    :: boot < STARTS -> boot++; stated[boot] = true
    :: boot > 0 -> beaten[boot] = true
    :: boot == STARTS -> break
    od
}

active proctype station()
{
    byte i;
    byte j;
    do
    :: atomic { /* a statement */
           select (i : 1 .. STARTS);
           if
#ifdef BROKEN_BOOT
           :: stated[i] ->
#else
           :: stated[i] && i >= known ->
#endif
              session[i] = true
           :: else
           fi;
           i = 0
       }
    :: atomic { /* a first beat: sessions before it that have none are over */
           select (i : 1 .. STARTS);
           if
           :: beaten[i] && session[i] && !open[i] ->
              assert(i >= believed);           /* S1 */
              open[i] = true;
              if :: i > known -> known = i; stored = i; believed = i :: else fi;
#ifndef BROKEN_RETIRE
              for (j : 0 .. STARTS) { if :: j < i && !open[j] -> session[j] = false :: else fi }
#endif
              j = 0
           :: else
           fi;
           i = 0
       }
    :: atomic { /* kill -9, and again */
#ifdef BROKEN_STORE
           known = 0;
#else
           known = stored;
#endif
           for (i : 0 .. STARTS) { session[i] = false; open[i] = false }
       }
    od
}
