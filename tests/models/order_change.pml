/* Order change in flight, SPEC.md section 7: the aircraft persists a newer order, closes its session and opens another;
 * power may fail between any two steps.
 *
 * Property O1: no session runs under an order that is older than one under which a session ran before, whatever fails when.
 * Property O2: no session begins under an order that is not on the disk.
 * Property O3: two sessions never run at once, so what they seal does not overlap.
 * Property O4: a command for the session before is carried out only within FRESH of that one's closing beat, only from a
 *              station that the order of the session now lets command, and not once one of that station's was carried out in the
 *              session now.
 *
 * -DBROKEN_PERSIST opens the new session before the order is stored; -DBROKEN_RANK takes any valid order; -DBROKEN_DROPPED
 * hears in the session before whoever commanded there; -DBROKEN_MOVED hears one there who has commanded in the session now;
 * -DBROKEN_FRESH hears it for ever. All must be found.
 */
#define NEWEST 3 /* orders 1, 2, 3 by rank; a valid one of any rank may arrive at any time, and again */
#define FAILURES 3
#define FRESH 1          /* ticks: fresh_ms */
#define LATE 2           /* ticks since the closing beat that are looked at */
#define COMMANDS(order) (order != 2) /* one station, which stands for any: order 2 does not let it command */

byte disk = 1;           /* the order in force, as stored */
byte running = 0;        /* the order of the session that runs; 0 none */
byte sessions = 0;       /* how many run */
byte ran = 0;            /* the newest under which one ever ran */
byte pending = 0;        /* a newer order that arrived, in memory */
byte failures = 0;
byte former = 0;         /* the order of the session that was closed last, while its uplink keys are in memory; 0 none */
byte since = 0;          /* ticks since its closing beat */
bool hears = false;      /* whether the station is heard in it */
bool moved = false;      /* a command of the station was carried out in the session now */

inline opens(order)
{
    atomic {
        assert(order >= ran);      /* O1 */
        assert(order <= disk);     /* O2: what is on the disk is this or a later one */
        sessions++;
        assert(sessions == 1);     /* O3 */
        running = order;
        ran = order;
#ifdef BROKEN_DROPPED
        hears = former != 0 && COMMANDS(former);
#else
        hears = former != 0 && COMMANDS(former) && COMMANDS(running);
#endif
        moved = false
    }
}

inline closes() /* its last beat says closed, and its send keys are gone */
{
    atomic { sessions--; former = running; since = 0; hears = false; running = 0 }
}

active proctype clock()
{
    do
    :: atomic { since < LATE -> since++ }
    od
}

active proctype uplink() /* commands of the station arrive when the attacker lets them */
{
    do
    :: atomic {
           running != 0 && COMMANDS(running) ->
           moved = true;
#ifndef BROKEN_MOVED
           hears = false
#endif
       }
#ifdef BROKEN_FRESH
    :: atomic { running != 0 && hears ->
#else
    :: atomic { running != 0 && hears && since <= FRESH ->
#endif
           assert(since <= FRESH && COMMANDS(running) && !moved) /* O4 */
       }
    od
}

active proctype aircraft()
{
    byte order;
    byte next;
power_on:
    pending = 0;
    order = disk;
    opens(order);
    do
    :: select (next : 1 .. NEWEST);  /* an order arrives, by file or over the link */
       if
#ifdef BROKEN_RANK
       :: next != disk -> pending = next
#else
       :: next > disk -> pending = next
#endif
       :: else
       fi
    :: pending != 0 ->
#ifdef BROKEN_PERSIST
       closes();
       opens(pending);
       if :: failures < FAILURES -> goto fails :: true fi;
       disk = pending;
#else
       disk = pending;              /* verified, stored, fsynced */
       if :: failures < FAILURES -> goto fails :: true fi;
       closes();
       if :: failures < FAILURES -> goto fails :: true fi;
       opens(pending);
#endif
       pending = 0
    :: failures < FAILURES -> goto fails
    :: break
    od;
    goto done;
fails:
    atomic { failures++; sessions = 0; running = 0; former = 0; hears = false };
    goto power_on;
done:
    skip
}
