/* Order change in flight, SPEC.md section 7: the aircraft persists a newer order, closes its session and opens another;
 * power may fail between any two steps.
 *
 * Property O1: no session runs under an order that is older than one under which a session ran before, whatever fails when.
 * Property O2: no session begins under an order that is not on the disk.
 * Property O3: two sessions never run at once.
 *
 * -DBROKEN_PERSIST opens the new session before the order is stored; -DBROKEN_RANK takes any valid order. Both must be found.
 */
#define NEWEST 3 /* orders 1, 2, 3 by rank; a valid one of any rank may arrive at any time, and again */
#define FAILURES 3

byte disk = 1;           /* the order in force, as stored */
byte running = 0;        /* the order of the session that runs; 0 none */
byte sessions = 0;       /* how many run */
byte ran = 0;            /* the newest under which one ever ran */
byte pending = 0;        /* a newer order that arrived, in memory */
byte failures = 0;

inline opens(order)
{
    atomic {
        assert(order >= ran);      /* O1 */
        assert(order <= disk);     /* O2: what is on the disk is this or a later one */
        sessions++;
        assert(sessions == 1);     /* O3 */
        running = order;
        ran = order
    }
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
       atomic { sessions--; running = 0 };
       opens(pending);
       if :: failures < FAILURES -> goto fails :: true fi;
       disk = pending;
#else
       disk = pending;              /* verified, stored, fsynced */
       if :: failures < FAILURES -> goto fails :: true fi;
       atomic { sessions--; running = 0 };  /* its last beat says closed, its keys are gone */
       if :: failures < FAILURES -> goto fails :: true fi;
       opens(pending);
#endif
       pending = 0
    :: failures < FAILURES -> goto fails
    :: break
    od;
    goto done;
fails:
    atomic { failures++; sessions = 0; running = 0 };
    goto power_on;
done:
    skip
}
