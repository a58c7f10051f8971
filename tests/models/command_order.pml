/* The order of commands, SPEC.md section 4.7, over an attacker who holds back and reorders what was said, both ways. A
 * beat is said in each tick. The ground may restart once; a start commands only after a beat that answers its own
 * challenge (section 6, F3), which was said later than all that the start before it heard. The aircraft reads when it
 * can: some of what has arrived, by one link or another, with stamps of arrival or without.
 *
 * Property C3: no command is carried out more than BEHIND after one that was sealed later, nor behind one that it arrived
 *              more than BEHIND after, also by the next start of the ground. The aircraft sees no times of sealing: it has
 *              the echoed beats, and counters within an instance.
 *
 * -DBROKEN_ORDER takes commands in any order, -DBROKEN_NEWEST looks only at the newest one that was taken,
 * -DBROKEN_BEATS compares counters within an instance alone, -DBROKEN_COUNTERS the echoed beats alone, -DBROKEN_ANSWER lets
 * a new start command behind any beat, -DBROKEN_READING goes by the times of reading, -DBROKEN_GRACE gives what waited the
 * time of swaps behind an earlier read. Each must be found.
 */
#define T 4       /* ticks that are looked at */
#define FRESH 2   /* ticks: fresh_ms */
#define BEHIND 0  /* ticks: how long after a later command an earlier one may be carried out */
#define N 3       /* commands, numbered as they were sealed */

#define TAKEN(j) (taken_at[j] > 0)
#define LONG_AGO(i, j) (TAKEN(j) && came_at[i] - came_at[j] > BEHIND)
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
#define TOO_LATE(i, j) (j == newest && LONG_AGO(i, j) && BEFORE(i, j))
#else
#define TOO_LATE(i, j) (LONG_AGO(i, j) && BEFORE(i, j))
#endif
#ifdef BROKEN_ORDER
#define IN_ORDER(i) true
#else
#define IN_ORDER(i) (!TOO_LATE(i, 0) && !TOO_LATE(i, 1) && !TOO_LATE(i, 2))
#endif
#ifdef BROKEN_GRACE
#define BEHIND_EARLIER(i, j) false
#else
#define BEHIND_EARLIER(i, j) (waited && READ_BEFORE(j) && BEFORE(i, j))
#endif
#define READ_BEFORE(j) (TAKEN(j) && !in_read[j])
#define NO_GRACE(i) (BEHIND_EARLIER(i, 0) || BEHIND_EARLIER(i, 1) || BEHIND_EARLIER(i, 2))
#define BEHIND_ONE(i, j) (TAKEN(j) && (arrived_at[i] - arrived_at[j] > BEHIND || \
                                       (READ_BEFORE(j) && now + 1 - taken_at[j] > BEHIND)))

byte now = 0;
byte commands = 0;       /* how many were sealed */
byte echoes[N];          /* the tick of the beat whose nonce it carries */
byte arrived_at[N];      /* 1 + the tick; 0 never */
byte came_at[N];         /* the same, as the aircraft knows it once it has read it */
byte taken_at[N];        /* 1 + the tick in which it was carried out; 0 never. The window takes none twice */
bool in_read[N];         /* of the read at hand */
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

active proctype link()
{
    byte i;
    do
    :: atomic { /* a command arrives, when the attacker lets it */
           select (i : 0 .. N - 1);
           if
           :: i < commands && arrived_at[i] == 0 -> arrived_at[i] = now + 1
           :: else
           fi;
           i = 0
       }
    :: now == T - 1 && commands == N -> break
    od
}

active proctype aircraft()
{
    byte i;
    byte tick;
    byte first;
    bool stamps;
    bool waited;
    if
    :: stamps = true
    :: stamps = false
    fi;
    do
    :: atomic { /* one read: of what has arrived and was not read, any part */
           first = now + 1;
           for (i : 0 .. N - 1) {
               if
               :: arrived_at[i] > 0 && came_at[i] == 0 ->
                  in_read[i] = true;
                  if
                  :: arrived_at[i] < first -> first = arrived_at[i]
                  :: else
                  fi
               :: true
               fi
           }
           waited = first < now + 1;
           for (i : 0 .. N - 1) {
               if
               :: in_read[i] ->
                  came_at[i] = (stamps -> arrived_at[i] : first);
#ifdef BROKEN_READING
                  came_at[i] = now + 1;
                  waited = false;
#endif
               :: else
               fi
           }
           for (tick : 1 .. T) { /* in the order of arrival; what is taken is carried out in the order of sealing */
               for (i : 0 .. N - 1) {
                   if
                   :: in_read[i] && came_at[i] == tick && now - echoes[i] <= FRESH && !NO_GRACE(i) && IN_ORDER(i) ->
                      assert(!(i < 1 && (stamps || READ_BEFORE(1)) && BEHIND_ONE(i, 1))); /* C3 */
                      assert(!(i < 2 && (stamps || READ_BEFORE(2)) && BEHIND_ONE(i, 2))); /* C3 */
                      taken_at[i] = now + 1;
                      if
                      :: i > newest -> newest = i
                      :: else
                      fi
                   :: else
                   fi
               }
           }
           for (i : 0 .. N - 1) {
               in_read[i] = false
           }
           i = 0; tick = 0; first = 0; waited = false
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
