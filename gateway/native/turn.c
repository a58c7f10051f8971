/* Turn: one turn of the data path in one call, as long as it is plain: receive, seal or open, send.

   Python is the reference (gateway/core/sealer.py, core/ground/opener.py) and does all that is not plain. This is built
   twice, so that `zegel air` maps no opener: with -DSEAL and with -DOPEN. All state is Python's memory (the structures
   below, the send key's counter, the replay window), so there is no second copy of it.

   The flow, and the functions in its order:
     1  `receive`     one batch into the slots of a Batch; NOT_READ if data may have waited, or Python is due
     2  `header`      what the next header of a lane must be; a datagram that begins with it needs no other check
     3  `seal_one`, `open_one`   AES-256-GCM by OpenSSL, in place; what fails is wiped in the same breath
     4  `send_all`    to each target, runs of one size as one (UDP_SEGMENT); what is late after a standstill is dropped
     5  `seal_turn`   does this with a batch of one sender if each datagram fits the link and has a counter left, and first
                      stages what is recorded (stage.c). Otherwise the whole batch is READ, and Python does it all
        `open_turn`   does this while each datagram is the next of its lane; the window moves after the tag verified.
                      The first other one is READ, and Python takes it and all that follow, in order.
                      What it opens is staged first, as it came

   Nothing is allocated after `cipher_new`. A key is in its context alone: `cipher_key` overwrites, `cipher_free` wipes it.
   SPEC.md sections 4.2 to 4.5. PLANTED_BUG is for tests/unit/gateway/native and system/test_budget.py: each is found. */
#define _GNU_SOURCE
#include <errno.h>
#include <netinet/in.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#ifndef PLANTED_BUG
#define PLANTED_BUG 0
#endif
enum {
    SOL_UDP_LEVEL = 17, UDP_SEGMENT_TYPE = 103, UDP_GRO_TYPE = 104, /* udp(7) */
    CAPACITY = 64,            /* of a Batch, and messages of one read */
    ROOM = 1984,              /* the largest datagram that fits a slot */
    SPARE = 256,              /* datagrams that one turn can send to a target */
    PIECES = 4,               /* messages of one read, if they hold several datagrams: 256 kB */
    TARGETS = 4, LANES = 4, PLAYERS = 2,
    TAG = 16, NONCE = 12, SESSION_ID = 16, HEADER_MAX = 7,
    NAME = 32,                /* room for struct sockaddr_in or sockaddr_in6 */
    AS_ONE_MAX = 65507,       /* bytes: what fits a datagram of IPv4 */
    SEGMENTS_MAX = 64,
    NOT_READ = -1, READ = -2, FAILED = -3, /* of a turn that is not plain; else it is the number of datagrams */
    UNSENT = -4               /* it was plain, and a target has an error */
};
#define AGED_S 0.15           /* gateway/batch.py */
#define DROP_AFTER_S 1.0      /* gateway/core/bundle.py */

/* The same structures are in gateway/native/structures.py, which compares their sizes. */
struct source {               /* one socket, and the place for one batch of its datagrams */
    struct mmsghdr *messages; /* their iovecs lead into the slots, of a link from ROOM bytes on into `rows` */
    const uint8_t *name;      /* the one sender whose datagrams are plain */
    double since;             /* nothing that waits arrived before this time */
    double until;             /* from this time on Python is due */
    uint64_t received, received_bytes, late, failed;
    int32_t fd, name_size, most, count; /* `count`: messages of the last read */
    int32_t capacity, error;  /* `capacity`: of the batch */
    int32_t row, at;          /* the first part that Python has to take: its message, and the byte in it */
    int32_t control, split;   /* bytes of room for control data; whether messages of the last read had several datagrams */
};

struct target {               /* one socket and one address */
    uint64_t sent, sent_bytes, dropped;
    uint64_t longest;         /* larger ones are not sent as one: the interface does not take them */
    int32_t fd, name_size, error, opening; /* `opening`: Python's, to know a later socket that has the same number */
    uint8_t name[NAME];
};

struct out {                  /* what goes to some targets in this turn */
    struct target targets[TARGETS];
    int32_t targets_count, count;
    struct iovec parts[SPARE];
    struct mmsghdr messages[SPARE];
    uint8_t lanes[SPARE];     /* of the parts */
    struct { size_t size; int level, type; uint16_t segment; uint8_t pad[6]; } controls[SPARE];
};

struct cipher {               /* of one key */
    EVP_CIPHER_CTX *context;
    int32_t kid, spare;
    uint8_t salt[NONCE], session_id[SESSION_ID], pad[4];
};

const char *built_from(void) { return BUILT_FROM; } /* the hash of the sources: Python uses no library of another version */

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_BOOTTIME, &t); /* as gateway/clock.py */
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

EVP_CIPHER_CTX *cipher_new(void) { return EVP_CIPHER_CTX_new(); }
void cipher_free(EVP_CIPHER_CTX *context) { EVP_CIPHER_CTX_free(context); }

/* Take a key of 32 bytes over the one before. Zeros wipe it. */
int cipher_key(struct cipher *c, const uint8_t *key) {
    if (!c->context) return 0;
    const EVP_CIPHER *type = EVP_CIPHER_CTX_cipher(c->context) ? NULL : EVP_aes_256_gcm();
#ifdef SEAL
    return EVP_EncryptInit_ex(c->context, type, NULL, key, NULL);
#else
    return EVP_DecryptInit_ex(c->context, type, NULL, key, NULL);
#endif
}

/* --- 1: receive --- */

/* Whether Python is due, because time has passed meanwhile: the process stood still. */
static bool is_due(const struct source *s, double at) { return at - s->since >= AGED_S || at >= s->until; }

/* How many messages; NOT_READ if this turn is Python's. */
static int receive(struct source *s, double began) {
    if (is_due(s, began)) return NOT_READ;
    s->count = s->row = s->at = 0;
    int got = recvmmsg(s->fd, s->messages, (unsigned)s->most, MSG_DONTWAIT | MSG_TRUNC, NULL);
    if (got >= 0) return s->count = got;
    if (errno == EAGAIN || errno == EINTR) return 0;
    s->error = errno;
    return FAILED;
}

static bool is_from(const struct source *s, const struct mmsghdr *m) {
    return m->msg_hdr.msg_namelen == (socklen_t)s->name_size && !memcmp(m->msg_hdr.msg_name, s->name, (size_t)s->name_size);
}

/* --- 2: header --- */

/* Its size; `out` has room for HEADER_MAX bytes. */
static int header(uint8_t *out, int kid, uint64_t ctr) {
    int width = ctr < 8 ? 0 : ctr < 1 << 8 ? 1 : ctr < 1 << 16 ? 2 : ctr < 1 << 24 ? 3 : 4;
    if (PLANTED_BUG == 1 && ctr == 1 << 16) width = 2;
    out[0] = (uint8_t)(0x90 | (width ? 8 | (width - 1) : (int)ctr));
    out[1] = (uint8_t)(kid >> 8);
    out[2] = (uint8_t)kid;
    for (int i = 0; i < width; i++) out[3 + i] = (uint8_t)(ctr >> 8 * (width - 1 - i));
    return 3 + width;
}

/* --- 3: AES-256-GCM --- */

/* Begin a datagram: its nonce, salt xor CTR, and additional data, header || session_id. */
static bool begin(struct cipher *c, const uint8_t *head, int size, uint64_t ctr) {
    uint8_t nonce[NONCE], aad[HEADER_MAX + SESSION_ID];
    int done;
    memcpy(nonce, c->salt, NONCE);
    for (int i = 0; i < 4; i++) nonce[NONCE - 1 - i] ^= (uint8_t)(ctr >> 8 * i);
    memcpy(aad, head, (size_t)size);
    memcpy(aad + size, c->session_id, SESSION_ID);
    return EVP_CipherInit_ex(c->context, NULL, NULL, NULL, nonce, -1) == 1 &&
           EVP_CipherUpdate(c->context, NULL, &done, aad, size + SESSION_ID) == 1;
}

#ifdef SEAL
/* The header before `plain`, and the tag after it. */
static bool seal_one(struct cipher *c, uint8_t *plain, int length, const uint8_t *head, int size, uint64_t ctr) {
    int done, rest;
    if (begin(c, head, size, ctr) && EVP_CipherUpdate(c->context, plain, &done, plain, length) == 1 && done == length &&
        EVP_CipherFinal_ex(c->context, plain + length, &rest) == 1 && rest == 0 &&
        EVP_CIPHER_CTX_ctrl(c->context, EVP_CTRL_GCM_GET_TAG, TAG, plain + length) == 1) {
        memcpy(plain - size, head, (size_t)size);
        return true;
    }
    OPENSSL_cleanse(plain, (size_t)length + TAG);
    return false;
}
#else
/* The plaintext stands where the ciphertext stood. */
static bool open_one(struct cipher *c, uint8_t *sealed, int length, const uint8_t *head, int size, uint64_t ctr) {
    int done, rest;
    if (begin(c, head, size, ctr) && EVP_CIPHER_CTX_ctrl(c->context, EVP_CTRL_GCM_SET_TAG, TAG, sealed + length) == 1 &&
        EVP_CipherUpdate(c->context, sealed, &done, sealed, length) == 1 && done == length &&
        EVP_CipherFinal_ex(c->context, sealed + length, &rest) == 1 && rest == 0)
        return true;
    if (PLANTED_BUG != 2) OPENSSL_cleanse(sealed, (size_t)length + TAG);
    return false;
}
#endif

/* --- 4: send --- */

static void put(struct out *o, uint8_t *at, size_t length) { o->parts[o->count++] = (struct iovec){at, length}; }

/* Make the messages of all parts from `first` on, as Python's mmsg.py does; how many. */
static int lay(struct out *o, struct target *t, int first) {
    int messages = 0;
    size_t size = 0, more = 0;
    for (int i = first; i < o->count; i++) {
        size_t length = o->parts[i].iov_len;
        struct msghdr *h = &o->messages[messages ? messages - 1 : 0].msg_hdr;
        if (more && length && length <= size) {
            if (h->msg_iovlen++ == 1) {
                h->msg_control = &o->controls[messages - 1];
                h->msg_controllen = sizeof o->controls[0];
                o->controls[messages - 1].size = CMSG_LEN(sizeof(uint16_t));
                o->controls[messages - 1].level = SOL_UDP_LEVEL;
                o->controls[messages - 1].type = UDP_SEGMENT_TYPE;
                o->controls[messages - 1].segment = (uint16_t)size;
            }
            more = length == size ? more - 1 : 0;
            continue;
        }
        o->messages[messages++].msg_hdr = (struct msghdr){
            .msg_name = t->name, .msg_namelen = (socklen_t)t->name_size, .msg_iov = &o->parts[i], .msg_iovlen = 1};
        size = length;
        more = length && length <= t->longest ? AS_ONE_MAX / length : 1;
        more = (more < SEGMENTS_MAX ? more : SEGMENTS_MAX) - 1;
    }
    return messages;
}

/* What stops only the messages it is about: they go alone if they went as one, or are dropped. Else all the rest is. */
static bool may_go_on(struct out *o, struct target *t, int *done, int error) {
    int parts = (int)o->messages[0].msg_hdr.msg_iovlen;
    size_t size = o->messages[0].msg_hdr.msg_iov->iov_len;
    if (parts > 1 && (error == EINVAL || error == EMSGSIZE || error == EIO || error == ENOPROTOOPT)) {
        t->longest = error == EIO || error == ENOPROTOOPT ? 0 : size - 1;
        return true;
    }
    t->error = error;
    if (error != EMSGSIZE && error != EPERM && error != ECONNREFUSED) return false;
    t->dropped += (uint64_t)parts;
    *done += parts;
    return true;
}

static void send_to(struct out *o, struct target *t) {
    for (int done = 0; done < o->count;) {
        int went = sendmmsg(t->fd, o->messages, (unsigned)lay(o, t, done), MSG_DONTWAIT);
        if (went <= 0 && !may_go_on(o, t, &done, errno)) {
            t->dropped += (uint64_t)(o->count - done);
            return;
        }
        for (int i = 0; i < went; i++) {
            for (size_t part = o->messages[i].msg_hdr.msg_iovlen; part; part--) t->sent_bytes += o->parts[done++].iov_len;
            t->sent += o->messages[i].msg_hdr.msg_iovlen;
        }
    }
}

/* What was ready at `began`; if the process has stood still since then, it is late. Whether no target has an error. */
static bool send_all(struct out *o, struct source *s, double began) {
    bool good = true;
    if (o->count && now() - began > DROP_AFTER_S) {
        s->late += (uint64_t)o->count;
        o->count = 0;
    }
    for (int i = 0; o->count && i < o->targets_count; i++) send_to(o, &o->targets[i]), good &= !o->targets[i].error;
    return good;
}

/* --- 5: the turn --- */

struct stages;                /* stage.c */
void stage_record(struct stages *, int group, int port, double now, const uint8_t *content, int size);
bool stage_has_room(const struct stages *, int group);

#ifdef SEAL
void stage_hand_over(struct stages *, double now);

struct seal {                 /* one camera and its lane */
    struct source from;
    struct cipher cipher;
    uint64_t *counter;        /* of the send key */
    uint64_t reject_after;    /* REJECT_AFTER_PACKETS */
    uint64_t largest;         /* the plaintext that the link carries */
    struct stages *stages;    /* where what came is recorded; NULL if nowhere */
    int32_t group, port;      /* the camera's place in it, and the port of its records */
    struct out to;
};

uint64_t size_of_turn(void) { return sizeof(struct seal); }

static bool is_plain(const struct seal *s, int got) {
    if (*s->counter + (uint64_t)got > s->reject_after + (PLANTED_BUG == 3)) return false;
    for (int i = 0; i < got; i++)
        if (s->from.messages[i].msg_len > s->largest || !is_from(&s->from, &s->from.messages[i])) return false;
    return true;
}

/* How many datagrams were sealed and sent, or why this turn is Python's. */
int seal_turn(struct seal *s) {
    double began = now();
    int got = receive(&s->from, began);
    if (got < 0) return got;
    s->to.count = 0;
    if (got && (is_due(&s->from, now()) || !is_plain(s, got))) return READ;
    for (int i = 0; i < got; i++) {
        uint8_t *plain = s->from.messages[i].msg_hdr.msg_iov->iov_base, head[HEADER_MAX];
        int length = (int)s->from.messages[i].msg_len;
        uint64_t ctr = (*s->counter)++;
        int size = header(head, s->cipher.kid, ctr);
        if (s->stages && PLANTED_BUG != 9) stage_record(s->stages, s->group, s->port, began, plain, length);
        if (PLANTED_BUG == 7) memcpy(s->to.controls, plain, (size_t)length); /* a needless copy */
        s->from.received++;
        s->from.received_bytes += (uint64_t)length;
        if (seal_one(&s->cipher, plain, length, head, size, ctr)) put(&s->to, plain - size, (size_t)(size + length + TAG));
        else s->from.failed++;
        if (s->stages && PLANTED_BUG == 9) stage_record(s->stages, s->group, s->port, began, plain, length);
    }
    bool drained = got < s->from.most, sent = send_all(&s->to, &s->from, began);
    if (drained) s->from.since = began;
    if (drained && s->stages) stage_hand_over(s->stages, began); /* else the rest of the picture goes to the link first */
    return sent ? got : UNSENT;
}
#else
struct lane {                 /* one that one session may open */
    struct cipher cipher;
    int64_t *top;             /* of the replay window: the highest counter accepted */
    uint8_t *seen;            /* the window's slots, a power of two of them */
    uint64_t mask;
    uint64_t below;           /* the first counter that is too far beyond the beat */
    uint64_t opened, bad_tag;
    int32_t player, spare;    /* which of the `to` */
};

struct open {                 /* one link, and the players of its lanes */
    struct source from;
    uint8_t *rows;            /* where a message goes on that is larger than a slot, one row for each message of a read */
    uint64_t row_size;
    struct stages *stages;    /* where what came is recorded; NULL if nowhere */
    int32_t group, port;      /* its place in it, and the port of its records */
    int32_t lanes_count, spare;
    int32_t sizes[CAPACITY];  /* of the datagrams in each message that Python has to take; 0 if it is one */
    struct lane lanes[LANES];
    struct out to[PLAYERS];
};

uint64_t size_of_turn(void) { return sizeof(struct open); }

/* The size of the datagrams in a message that the system has joined; 0 if it is one. */
static size_t part_size(struct msghdr *h) {
    int32_t size = 0;
    for (struct cmsghdr *c = CMSG_FIRSTHDR(h); c; c = CMSG_NXTHDR(h, c))
        if (c->cmsg_level == SOL_UDP_LEVEL && c->cmsg_type == UDP_GRO_TYPE && c->cmsg_len >= CMSG_LEN(sizeof size))
            memcpy(&size, CMSG_DATA(c), sizeof size);
    return size > 0 ? (size_t)size : 0;
}

/* Open a datagram if it is the next of its lane, and first record it. False, and nothing is done, if it is not. */
static bool open_next(struct open *o, double began, uint8_t *at, size_t length) {
    for (int i = 0; i < o->lanes_count; i++) {
        struct lane *l = &o->lanes[i];
        struct out *to = &o->to[l->player];
        uint8_t head[HEADER_MAX];
        uint64_t ctr = (uint64_t)(*l->top + 1);
        int size = header(head, l->cipher.kid, ctr);
        if (ctr >= l->below + (PLANTED_BUG == 4) || length < (size_t)size + TAG || length > ROOM) continue;
        if (memcmp(at, head, (size_t)size)) continue;
        int plain = (int)length - size - TAG;
        if (to->count == SPARE + (PLANTED_BUG == 5)) return false;
        if (o->stages && PLANTED_BUG < 11) stage_record(o->stages, o->group, o->port, began, at, (int)length);
        if (!open_one(&l->cipher, at + size, plain, head, size, ctr)) {
            l->bad_tag++;
            return true;
        }
        if (o->stages && PLANTED_BUG == 12) stage_record(o->stages, o->group, o->port, began, at, (int)length);
        memset(&l->seen[ctr & l->mask], 1, PLANTED_BUG == 6 ? 3 : 1);
        *l->top = (int64_t)ctr;
        l->opened++;
        to->lanes[to->count] = (uint8_t)i;
        put(to, at + size, (size_t)plain);
        return true;
    }
    return false;
}

/* Each part of a message, until one is Python's; whether none was. */
static bool open_message(struct open *o, double began, int row) {
    struct msghdr *h = &o->from.messages[row].msg_hdr;
    uint8_t *at = h->msg_iov[0].iov_base;
    size_t all = o->from.messages[row].msg_len, part = part_size(h), done = 0;
    if (!all || (all > ROOM && !o->rows) || !is_from(&o->from, &o->from.messages[row])) return false;
    o->from.split |= part > 0;
    if (!part) part = all;
    if (all > ROOM) {
        uint8_t *whole = o->rows + (size_t)row * o->row_size;
        memcpy(whole, at, ROOM);
        at = whole;
    }
    for (size_t length; done < all; done += length) {
        length = all - done < part ? all - done : part;
        if (!open_next(o, began, at + done, length)) break;
        o->from.received++;
        o->from.received_bytes += length;
    }
    o->from.at = (int32_t)done;
    return done == all;
}

/* End a read: the messages from `row` on, and the rest of that one, are Python's; the room for control data is as before. */
static void leave(struct open *o, int row) {
    o->from.row = row;
    for (int i = 0; i < o->from.count; i++) {
        struct msghdr *h = &o->from.messages[i].msg_hdr;
        o->sizes[i] = i < row ? 0 : (int32_t)part_size(h);
        h->msg_controllen = (size_t)o->from.control;
        memset(h->msg_control, 0, (size_t)o->from.control);
    }
}

/* How many messages were read, and all their datagrams opened and sent; READ if some are left to Python. */
int open_turn(struct open *o) {
    double began = now();
    o->from.most = o->from.split && PIECES < o->from.capacity ? PIECES : o->from.capacity;
    o->to[0].count = o->to[1].count = o->from.split = 0;
    if (o->stages && !stage_has_room(o->stages, o->group)) return NOT_READ;
    int got = receive(&o->from, began), row = 0;
    if (got < 0) return got;
    if (got && is_due(&o->from, now())) return leave(o, 0), READ;
    for (; row < got && open_message(o, began, row); row++) o->from.at = 0;
    leave(o, row);
    bool sent = send_all(&o->to[0], &o->from, began) & send_all(&o->to[1], &o->from, began);
    if (row < got) return READ;
    if (got < o->from.most) o->from.since = began;
    return sent ? got : UNSENT;
}
#endif
