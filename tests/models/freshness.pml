/* Freshness, SPEC.md section 6: beats with nonces, echoes, challenges and answers, over an attacker who holds back,
 * repeats and reorders all that was ever said, both ways, and a station that may stand still for any time between the
 * moment in which a command comes to it and the one in which it is sealed.
 *
 * Property C1: a command is carried out only if the aircraft sent the beat that it echoes at most FRESH ago: whatever the
 *              attacker holds back and however long the station stands still, a command that is carried out came to the
 *              station within FRESH.
 * Property C2: a station commands only if the aircraft took a challenge that this station drew at most ANSWER ago; so it
 *              never commands an aircraft that was last alive before that.
 *
 * -DBROKEN_ECHO lets an aircraft take any echo; -DBROKEN_CHALLENGE lets a station take any answer; with -DBROKEN_ARRIVAL it
 * echoes the beat that is the newest when the command is sealed, not when it came. Each must be found.
 */
#define T 4       /* ticks that are looked at */
#define FRESH 1   /* ticks: fresh_ms */
#define ANSWER 2  /* ticks: how long a challenge serves */

byte now = 0;
bool beat[T];           /* a beat with the nonce of this tick was said */
bool challenge[T];      /* a challenge drawn in this tick was said */
byte answered[T];       /* 1 + the newest challenge in the beat of this tick; 0 none */
bool command = false;   /* one of the commands that were ever said; any of them, so that what holds for it holds for all */
byte came_at = 0;       /* when it came to the station */
byte echoes = 0;        /* the tick of the beat whose nonce it carries */
bool waiting = false;   /* one waits at the station, since `since`, when `newest` was the newest beat there */
byte since = 0;
byte newest = 0;
short station_beat = -1;
byte held = 0;          /* 1 + the newest challenge that the aircraft took */
byte taken_at = 0;
short back = -1;        /* the newest challenge of the station that came back */
bool alive = true;      /* the aircraft; it may vanish, and only its recordings remain */
byte vanished_at = 0;

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
    :: atomic {
           alive && !beat[now] ->
           beat[now] = true;
           if
           :: held > 0 && now - taken_at <= ANSWER -> answered[now] = held
           :: else -> answered[now] = 0
           fi
       }
    :: atomic { /* a challenge arrives, when the attacker lets it */
           select (i : 0 .. T - 1);
           if
           :: alive && challenge[i] -> held = i + 1; taken_at = now
           :: else
           fi;
           i = 0
       }
    :: atomic { /* the command arrives, when the attacker lets it */
#ifdef BROKEN_ECHO
           alive && command && beat[echoes] ->
#else
           alive && command && beat[echoes] && now - echoes <= FRESH ->
#endif
           assert(now - came_at <= FRESH) /* C1 */
       }
    :: atomic { alive -> alive = false; vanished_at = now; break }
    od
}

active proctype station()
{
    byte i;
    do
    :: atomic { !challenge[now] -> challenge[now] = true }
    :: atomic { /* a beat arrives, when the attacker lets it */
           select (i : 0 .. T - 1);
           if
           :: beat[i] && i > station_beat ->
              station_beat = i;
              if
              :: answered[i] > 0 && answered[i] - 1 > back -> back = answered[i] - 1
              :: else
              fi
           :: else
           fi;
           i = 0
       }
    :: atomic { /* a command comes */
           !waiting && station_beat >= 0 ->
           waiting = true; since = now; newest = station_beat
       }
    :: atomic { /* and is sealed, behind the echo of the beat that was the newest then */
#ifdef BROKEN_CHALLENGE
           waiting && back >= 0 ->
#else
           waiting && back >= 0 && now - back <= ANSWER ->
#endif
           waiting = false;
           if
           :: command = true; came_at = since;
#ifdef BROKEN_ARRIVAL
              echoes = station_beat
#else
              echoes = newest
#endif
           :: true /* the attacker keeps another one */
           fi;
           assert(alive || now - vanished_at <= ANSWER) /* C2 */
       }
    :: now == T - 1 -> break
    od
}
