/* The past, SPEC.md section 5.7: an aircraft that sends a beat and then a frame in each tick, and an attacker who lets any of
 * them through at any time after, in any order and as often as he likes; or none. Once the station draws a challenge, which
 * some of the later beats answer; and once a clock runs wrong, so that all beats seem to come later than they do.
 *
 * Property P1: after one beat that came without delay no frame is opened that is older than 2 x LATE + LEASE ticks.
 * Property P2: at a station that was restarted after it had stored the last beat of an aircraft that is gone, none is.
 * Property P3: a beat that answers a challenge drawn at most LATE ticks ago is taken, whatever the clocks did.
 *
 * -DBROKEN_LATE believes late beats; -DBROKEN_OLD keeps what an old beat is past; -DBROKEN_LEASE ends no lease;
 * -DBROKEN_BEGIN begins no windows after a lease was over; -DBROKEN_LEAST begins none when a beat shows that the one before
 * was late; -DBROKEN_STORE forgets at a restart which beat was the newest; -DBROKEN_BACK learns nothing from an answer;
 * -DBROKEN_ANSWER believes that a beat which answers was made just now. Each must be found.
 */
#define T 10      /* ticks that are looked at */
#define LATE 1
#define LEASE 2
#define BOUND (2 * LATE + LEASE)
#define NEVER 100

byte now = 0;
bool gone = false;      /* the aircraft; what it sent until then remains */
byte said = 0;          /* the tick of its last beat */

short newest = -1;      /* the newest beat that the station took, by its tick */
byte came = 0;          /* and when it came */
short least = NEVER;    /* of what beats were on their way */
byte drawn = NEVER;     /* the tick of the challenge */
byte from = NEVER;      /* the tick of the first beat that answers it */
bool wrong = false;     /* a clock ran wrong */
byte floor = 0;         /* frames of earlier ticks are too old */
bool young[T];          /* beats that were taken, and are not late by now */
short stored = -1;
bool live = false;      /* the property's: a beat came in its own tick */
bool over = false;      /* the property's: restarted after the last beat of an aircraft that is gone */

#ifdef BROKEN_LEASE
#define LEASED true
#else
#define LEASED (now - came <= LEASE)
#endif

active proctype clock()
{
    do
    :: atomic { now < T - 1 -> now++; if :: !gone -> said = now :: else fi }
    :: atomic { !gone -> gone = true }
    :: atomic { drawn == NEVER -> drawn = now }
    :: atomic { drawn != NEVER && from == NEVER -> from = now + 1 }
    :: atomic { !wrong && least != NEVER -> wrong = true; least = least - LATE - 1 }
    :: now == T - 1 -> break
    od
}

active proctype station()
{
    byte i;
    byte j;
    bool begins;
    bool answers;
    do
    :: atomic { /* a beat */
           select (i : 0 .. T - 1);
           answers = i <= said && i > newest && i > stored && i >= from && least != NEVER;
#ifndef BROKEN_BACK
           if
#ifdef BROKEN_ANSWER
           :: answers && now - i > least -> least = now - i
#else
           :: answers && drawn - i > least -> least = drawn - i
#endif
           :: else
           fi;
#endif
           if
#ifdef BROKEN_LATE
           :: i <= said && i > newest && i > stored ->
#else
           :: i <= said && i > newest && i > stored && (least == NEVER || now - i <= least + LATE) ->
#endif
              begins = newest < 0;
#ifndef BROKEN_BEGIN
              if :: newest >= 0 && !LEASED -> begins = true :: else fi;
#endif
              if :: now - i < least -> least = now - i :: else fi;
#ifndef BROKEN_LEAST
              if :: newest >= 0 && came - newest > least + LATE -> begins = true :: else fi;
#endif
              newest = i;
              came = now;
              if
              :: begins -> floor = i; for (j : 0 .. T - 1) { young[j] = false }
              :: else -> young[i] = true
              fi;
              if :: i == now -> live = true :: else fi
           :: else -> assert(!(answers && now - drawn <= LATE))   /* P3 */
           fi;
           i = 0; j = 0; begins = false; answers = false
       }
    :: atomic { /* a frame, which is sent behind the beat of its tick */
#ifndef BROKEN_OLD
           for (j : 0 .. T - 1) {
               if
               :: young[j] && least + j + LATE < now -> young[j] = false; if :: j > floor -> floor = j :: else fi
               :: else
               fi
           };
#endif
           select (i : 0 .. T - 1);
           if
           :: i <= said && newest >= 0 && LEASED && i >= floor ->
              assert(!live || now - i <= BOUND);   /* P1 */
              assert(!over)                        /* P2 */
           :: else
           fi;
           i = 0; j = 0
       }
    :: atomic { /* kill -9, and again; what it stored is the newest beat */
           over = over || (gone && newest == said);
#ifdef BROKEN_STORE
           stored = -1;
#else
           if :: newest > stored -> stored = newest :: else fi;
#endif
           newest = -1; came = 0; least = NEVER; floor = 0; live = false; from = NEVER;
           for (j : 0 .. T - 1) { young[j] = false };
           j = 0
       }
    od
}
