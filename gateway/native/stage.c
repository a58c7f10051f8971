/* Stage: what came is copied as it came, before it is sealed or opened in place: of a camera for the recorder, of a link for
   the thread that writes it (gateway/recording/link/stage.py).

   Python is the reference (gateway/recording/stage.py), which fills the other groups in the same memory; all state is there.
   Nothing waits, and nothing is allocated: what finds no room is counted. SPEC.md section 8.

   The flow, and the functions in its order:
     1  `stage_record`     one datagram into the open message of its group; if that is full, into the next one
        `stage_has_room`   for all that a turn of a link can read
     2  `stage_hand_over`  what waits, of all groups, at most 50 times a second; what the socket does not take stays */
#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>

#ifndef PLANTED_BUG
#define PLANTED_BUG 0
#endif
enum {
    GROUPS = 5, MESSAGES = 64, TURN_MESSAGES = 16,
    MESSAGE_MAX = 65536, HEAD = 8, DATA = 1, /* gateway/recording/handover.py */
    OVERHEAD = 44, IP_UDP = 28, UDP = 8,     /* gateway/recording/pcap.py */
    WORDS_SUM = 0x24914       /* of an IPv4 header's 16-bit words that are constant */
};
#define HAND_OVER_EVERY_S 0.02
#define SECOND_NS 1000000000

/* Both structures are 64-bit words, as stage.py numbers them. */
struct stage {                /* of one group: messages in turn, of which the last is open */
    uint8_t *memory;          /* `room` messages of MESSAGE_MAX bytes */
    int64_t group, wanted, room;
    int64_t first, count;     /* the next to send, and how many there are */
    int64_t lost;             /* datagrams that found no room since the last message began */
    int64_t sizes[MESSAGES];
};

struct stages {
    double began, handed_at;  /* the session; the last time that the socket took data */
    int64_t fd, error;        /* of the recorder's socket: -1 if there is none; why it takes nothing more */
    int64_t said;             /* structures that wait: they are Python's, and go first */
    struct stage each[GROUPS];
};

uint64_t size_of_stages(void) { return sizeof(struct stages); }

static void little(uint8_t *at, uint32_t value) {
    for (int i = 0; i < 4; i++) at[i] = (uint8_t)(value >> 8 * i);
}

static void big(uint8_t *at, uint32_t value) { at[0] = (uint8_t)(value >> 8), at[1] = (uint8_t)value; }

static int64_t last(const struct stage *s) { return (s->first + s->count - 1) % s->room; }

/* --- 1: a datagram --- */

/* Open the next message, whose head says how many were lost before it; whether there is one. */
static bool open_message(struct stage *s) {
    if (s->count == s->room) return false;
    s->count++;
    uint32_t lost = s->lost < UINT32_MAX ? (uint32_t)s->lost : UINT32_MAX;
    uint8_t *at = s->memory + last(s) * MESSAGE_MAX;
    at[0] = DATA, at[1] = (uint8_t)s->group, at[2] = at[3] = 0;
    little(at + 4, lost);
    s->lost -= lost;
    s->sizes[last(s)] = HEAD;
    return true;
}

/* The 44 bytes before a content. */
static void head(uint8_t *at, uint64_t time_ns, uint32_t port, uint32_t size) {
    static const uint8_t ip[20] = {0x45, 0, 0, 0, 0, 0, 0x40, 0, 64, 17, 0, 0, 192, 0, 2, 1, 192, 0, 2, 2};
    uint32_t total = IP_UDP + size, sum = WORDS_SUM + total;
    sum = (sum & 0xFFFF) + (sum >> 16);
    little(at, (uint32_t)(time_ns / SECOND_NS)), little(at + 4, (uint32_t)(time_ns % SECOND_NS));
    little(at + 8, total), little(at + 12, total);
    memcpy(at + 16, ip, sizeof ip);
    big(at + 18, total), big(at + 26, ~((sum & 0xFFFF) + (sum >> 16)));
    big(at + 36, port), big(at + 38, port), big(at + 40, UDP + size), big(at + 42, 0);
}

/* What was read at the time `now`, by gateway/clock.py; `size` is at most that of a slot. */
void stage_record(struct stages *all, int group, int port, double now, const uint8_t *content, int size) {
    struct stage *s = &all->each[group];
    int64_t more = OVERHEAD * (PLANTED_BUG != 10) + size;
    if (!s->wanted) return;
    if ((!s->count || s->sizes[last(s)] + more > MESSAGE_MAX) && !open_message(s)) {
        s->lost += PLANTED_BUG != 8;
        return;
    }
    double since = now - all->began;
    uint8_t *at = s->memory + last(s) * MESSAGE_MAX + s->sizes[last(s)];
    head(at, since > 0.0 ? (uint64_t)(since * SECOND_NS) : 0, (uint32_t)port, (uint32_t)size);
    memcpy(at + OVERHEAD, content, (size_t)size);
    s->sizes[last(s)] += OVERHEAD + size;
}

/* Whether there is room for what one turn reads, at most 256 KiB with the head of each datagram. */
bool stage_has_room(const struct stages *all, int group) {
    return all->each[group].room - all->each[group].count >= TURN_MESSAGES;
}

/* --- 2: to the recorder --- */

/* Whether there is a message; one without records if some were lost and nothing came after them. */
static bool waits(struct stage *s) { return s->count || (s->lost && open_message(s)); }

/* Whether the socket took it. */
static bool give(struct stages *all, struct stage *s) {
    ssize_t sent = send((int)all->fd, s->memory + s->first * MESSAGE_MAX, (size_t)s->sizes[s->first], MSG_DONTWAIT | MSG_NOSIGNAL);
    if (sent < 0) {
        if (errno != EAGAIN && errno != ENOBUFS && errno != ENOMEM && errno != EINTR) all->error = errno;
        return false;
    }
    s->count--;
    s->first = s->count ? (s->first + 1) % s->room : 0; /* the same memory again, as long as the recorder keeps up */
    return true;
}

void stage_hand_over(struct stages *all, double now) {
    if (now - all->handed_at < HAND_OVER_EVERY_S || all->fd < 0 || all->error || all->said) return;
    for (int group = 0; group < GROUPS; group++)
        while (waits(&all->each[group])) {
            if (!give(all, &all->each[group])) return;
            all->handed_at = now;
        }
}
