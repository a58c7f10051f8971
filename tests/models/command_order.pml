/* The order of commands, SPEC.md section 4.7, over an attacker who holds back and reorders what was said, both ways. A
 * beat is said in each tick. The ground may restart once; a start commands only after a beat that answers its own
 * challenge (section 6, F3), which was said later than all that the start before it heard.
 *
 * Property C3: no command is carried out more than BEHIND after one that was sealed later, also by the next start of the
 *              ground. The aircraft sees no times of sealing: it has the echoed beats, and counters within an instance.
 *
 * -DBROKEN_ORDER takes commands in any order, -DBROKEN_NEWEST looks only at the newest one that was taken,
 * -DBROKEN_BEATS compares counters within an instance alone, -DBROKEN_COUNTERS the echoed beats alone, -DBROKEN_ANSWER lets
 * a new start command behind any beat. Each must be found.
 */
#define T 4       /* ticks that are looked at */
#define FRESH 2   /* ticks: fresh_ms */
#define BEHIND 0  /* ticks: how long after a later command an earlier one may be carried out */
#define N 3       /* commands, numbered as they were sealed */

#define TAKEN(j) (taken_at[j] > 0)
#define LONG_AGO(j) (TAKEN(j) && now - (taken_at[j] - 1) > BEHIND)
#define LOWER_BEAT(i, j) (echoes[i] < echoes[j])
#define LOWER_COUNTER(i, j) (i < j && (i < restarted_with) == (j < restarted_with))
#ifdef BROKEN_BEATS
#define BEFORE(i, j) LOWER_COUNTER(i, j)
#else
#ifdef BROKEN_COUNTERS
#define BEFORE(i, j) LOWER_BEAT(i, j)
#else
#define BEFORE(i, j) (LOWER_BEAT(i, j) || LOWER_COUNTER(i, j))
#endif
#endif
#ifdef BROKEN_NEWEST
#define TOO_LATE(i, j) (j == newest && LONG_AGO(j) && BEFORE(i, j))
#else
#define TOO_LATE(i, j) (LONG_AGO(j) && BEFORE(i, j))
#endif
#ifdef BROKEN_ORDER
#define IN_ORDER(i) true
#else
#define IN_ORDER(i) (!TOO_LATE(i, 0) && !TOO_LATE(i, 1) && !TOO_LATE(i, 2))
#endif

byte now = 0;
byte commands = 0;       /* how many were sealed */
byte echoes[N];          /* the tick of the beat whose nonce it carries */
byte taken_at[N];        /* 1 + the tick in which it was carried out; 0 never. The window takes none twice */
byte newest = 0;         /* that was taken */
byte restarted_with = N; /* the first command of the ground's second start */
byte born = 0;           /* the first tick whose beat answers this start */
short station_beat = -1;

active proctype clock()
{
    do
    :: now < T - 1 -> now++
    :: now == T - 1 -> break
    od
}

active proctype aircraft()
{
    byte i;
    do
    :: atomic { /* a command arrives, when the attacker lets it */
           select (i : 0 .. N - 1);
           if
           :: i < commands && !TAKEN(i) && now - echoes[i] <= FRESH && IN_ORDER(i) ->
              assert(!(i < 1 && LONG_AGO(1))); /* C3 */
              assert(!(i < 2 && LONG_AGO(2))); /* C3 */
              taken_at[i] = now + 1;
              if
              :: i > newest -> newest = i
              :: else
              fi
           :: else
           fi;
           i = 0
       }
    :: now == T - 1 && commands == N -> break
    od
}

active proctype station()
{
    byte i;
    do
    :: atomic { /* a beat arrives, when the attacker lets it */
           select (i : 0 .. T - 1);
           if
           :: i <= now && i > station_beat -> station_beat = i
           :: else
           fi;
           i = 0
       }
    :: atomic { /* a command, sealed behind the echo of the newest beat */
           commands < N && station_beat >= born ->
           echoes[commands] = station_beat;
           commands++
       }
    :: atomic { /* the ground restarts: it has heard nothing, and its challenges are its own */
           restarted_with == N && commands > 0 && commands < N ->
           restarted_with = commands;
#ifndef BROKEN_ANSWER
           born = now + 1;
#endif
           station_beat = -1
       }
    :: now == T - 1 && commands == N -> break
    od
}
