/* Sessions at a station, SPEC.md sections 5.5, 6 and 7: an aircraft starts again and again, who has its device key makes
 * starts too, an attacker plays back what earlier ones said, the station itself may restart with what it stored.
 *
 * Property S1: while a later session is heard, and once a later one has lasted, no session with a lower boot counter begins
 *              to open; that one has lasted holds at a station that was restarted since, too.
 * Property S2: what a station knows after a restart has lasted: some messages of a start that was not kept up change nothing.
 *
 * -DBROKEN_BOOT admits every counter; -DBROKEN_STORE forgets what was heard at a restart; -DBROKEN_BESIDE lets a session
 * begin beside any other; -DBROKEN_LAST remembers a session at its first beat. Each must be found.
 */
#define STARTS 3

byte boot = 0;                  /* the newest start */
bool kept[STARTS + 1];          /* it goes on for a while; of others there are some messages */

byte known = 0;                 /* the highest boot counter that counts, in memory */
byte stored = 0;                /* and on the station's disk */
bool session[STARTS + 1];       /* sessions that the station has a statement of */
bool beating[STARTS + 1];       /* and a beat */
bool fresh[STARTS + 1];         /* the newest of them in the last 10 s */
bool open[STARTS + 1];
bool lasted[STARTS + 1];
bool ever_lasted[STARTS + 1];   /* the properties', not the station's */

#ifdef BROKEN_BOOT
#define ADMITTED(i) true
#else
#define ADMITTED(i) (i >= known)
#endif
#ifdef BROKEN_BESIDE
#define HEARD(j) false
#else
#define HEARD(j) (beating[j] && fresh[j])
#endif

active proctype starts()
{
    do
    :: boot < STARTS -> atomic { boot++; if :: kept[boot] = true :: kept[boot] = false fi }
    :: boot == STARTS -> break
    od
}

active proctype station()
{
    byte i;
    byte j;
    bool may;
    do
    :: atomic { /* a statement */
           select (i : 1 .. STARTS);
           if :: i <= boot && ADMITTED(i) -> session[i] = true :: else fi;
           i = 0
       }
    :: atomic { /* a first beat, a later one, a grant */
           select (i : 1 .. STARTS);
           may = ADMITTED(i);
           for (j : 1 .. STARTS) { if :: j > i && HEARD(j) -> may = false :: else fi };
           if
           :: session[i] && !beating[i] && may ->
              beating[i] = true;
              fresh[i] = true;
#ifdef BROKEN_LAST
              if :: i > known -> known = i; stored = i :: else fi
#endif
           :: beating[i] && kept[i] -> fresh[i] = true
           :: beating[i] && !open[i] && may ->
              for (j : 1 .. STARTS) {
                  assert(!(j > i && (ever_lasted[j] || (beating[j] && fresh[j]))))   /* S1 */
              };
              open[i] = true
           :: else
           fi;
           i = 0; j = 0; may = false
       }
    :: atomic { /* it has lasted */
           select (i : 1 .. STARTS);
           if
           :: open[i] && kept[i] && fresh[i] ->
              lasted[i] = true;
              ever_lasted[i] = true;
              if :: i > known -> known = i; stored = i :: else fi
           :: else
           fi;
           i = 0
       }
    :: atomic { /* 10 s without a beat; beside a later one that has lasted it is over */
           select (i : 1 .. STARTS);
           fresh[i] = false;
           for (j : 1 .. STARTS) {
               if
               :: j > i && lasted[j] -> session[i] = false; beating[i] = false; open[i] = false; lasted[i] = false
               :: else
               fi
           };
           i = 0; j = 0
       }
    :: atomic { /* kill -9, and again */
#ifdef BROKEN_STORE
           known = 0;
#else
           known = stored;
#endif
           assert(known == 0 || ever_lasted[known]);   /* S2 */
           for (i : 0 .. STARTS) { session[i] = false; beating[i] = false; fresh[i] = false; open[i] = false; lasted[i] = false };
           i = 0
       }
    od
}
