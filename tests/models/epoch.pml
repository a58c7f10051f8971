/* Epochs, SPEC.md sections 5.4 to 5.6: an aircraft that turns through them, a lossy and reordering air, a station.
 *
 * Property E1: whatever the air loses, repeats or reorders, the station opens a datagram only under the key that sealed it
 *              - a slot is of one whole epoch, though the link carries it modulo M - and installs no epoch but the beat's
 *              and the next of lead time.
 * Property E2: the station's newest beat never goes back.
 *
 * The air is a set: what was ever said may be heard at any time after, any number of times.
 * -DBROKEN_SLOT keys the slots by the epoch modulo M; -DBROKEN_BEAT believes every beat. Both must be found.
 */
#define EPOCHS 4
#define M 2 /* 16 on the wire; 2 here, so that they come round */
#define NONE 255

byte epoch = 0;               /* the one that seals */
bool lead = false;            /* epoch + 1 is drawn and announced */
byte seq = 0;
bool beat_said[EPOCHS * 2];   /* by seq: beats are numbered 2 * epoch, and 2 * epoch + 1 in lead time */
bool key_said[EPOCHS];        /* announcements */
bool sealed[EPOCHS];          /* a datagram of this epoch was sent */

short newest = -1;            /* the station's newest beat, by seq */
byte slot[EPOCHS];            /* what key stands in a slot: an epoch, or NONE */

#ifdef BROKEN_SLOT
#define SLOT(e) ((e) % M)
#else
#define SLOT(e) (e)
#endif
#define BEAT_EPOCH (newest / 2)
#define BEAT_LEADS (newest % 2)

active proctype aircraft()
{
    do
    :: beat_said[2 * epoch + lead] = true
    :: key_said[epoch + lead] = true
    :: sealed[epoch] = true
    :: atomic { !lead && epoch + 1 < EPOCHS -> lead = true }
    :: atomic { lead -> epoch++; lead = false }
    :: epoch + 1 == EPOCHS -> break
    od
}

active proctype station()
{
    byte i;
    for (i : 0 .. EPOCHS - 1) { slot[i] = NONE }
    do
    :: /* a beat */
       atomic {
           select (i : 0 .. 2 * EPOCHS - 1);
           if
#ifdef BROKEN_BEAT
           :: beat_said[i] ->
#else
           :: beat_said[i] && i > newest ->
#endif
              assert(i >= newest); /* E2 */
              newest = i
           :: else
           fi;
           i = 0
       }
    :: /* an announcement */
       atomic {
           select (i : 0 .. EPOCHS - 1);
           if
           :: key_said[i] && newest >= 0 && (i == BEAT_EPOCH || (BEAT_LEADS && i == BEAT_EPOCH + 1)) ->
              if
              :: slot[SLOT(i)] == NONE -> slot[SLOT(i)] = i
              :: else /* installing what is installed changes nothing */
              fi
           :: else
           fi;
           i = 0
       }
    :: /* a datagram: its KID names the epoch modulo M; the newest beat says which whole one that is */
       atomic {
           select (i : 0 .. EPOCHS - 1);
           if
           :: sealed[i] && newest >= 0 && slot[SLOT(BEAT_EPOCH)] != NONE && i % M == BEAT_EPOCH % M ->
              assert(slot[SLOT(BEAT_EPOCH)] == BEAT_EPOCH) /* E1: else it would be tried under a wrong key for ever */
           :: else
           fi;
           i = 0
       }
    od
}
