/* Fuzzing of open_turn with libFuzzer, without sockets: the input says which messages come and what is wrong with them.

   A message is a head of 6 bytes: kind, flags, size(2), part(2), and bytes that spoil it. Genuine datagrams are sealed here,
   and their plaintext tells their counter, so that whatever goes to a player is known to be right. */
#define recvmmsg fake_recvmmsg
#define sendmmsg fake_sendmmsg
#include "turn.c"
#include <stdio.h>
#include <stdlib.h>

enum { ROW = ROOM + 65535, SLOT = 2048, HEADROOM = 32, WINDOW = 1024, BELOW = 70000 };
static const uint8_t KEY[32] = {1}, NAMES[2][16] = {{2}, {3}};
static uint8_t slots[CAPACITY * SLOT], rows[CAPACITY * ROW], names[CAPACITY][16], whole[ROW];
static uint64_t controls[CAPACITY][3];
static struct iovec iov[CAPACITY][2];
static struct mmsghdr messages[CAPACITY];
static struct open turn;
static int64_t tops[2];
static uint64_t expected[2]; /* the counter that the next genuine datagram of each lane has */
static uint8_t seen[2][WINDOW];
static EVP_CIPHER_CTX *sealing;
static const uint8_t *input;
static size_t left;

static uint8_t next(void) { return left ? (left--, *input++) : 0; }

static void check(bool right, const char *what) {
    if (!right) fprintf(stderr, "%s\n", what), abort();
}

/* Whether all are the same. The checks of each access would take half of all the time. */
__attribute__((no_sanitize("address", "undefined", "coverage"))) static bool is_one_byte(const uint8_t *at, size_t length) {
    uint8_t differs = 0;
    for (size_t i = 1; i < length; i++) differs |= at[i] ^ at[0];
    return !differs;
}

/* A genuine datagram of `plain` bytes, each of which is the lowest of its counter. */
static size_t seal(uint8_t *at, int lane, uint64_t ctr, int plain) {
    struct cipher c = turn.lanes[lane].cipher;
    int size = header(at, c.kid, ctr), done;
    uint8_t head[HEADER_MAX];
    memcpy(head, at, (size_t)size);
    memset(at + size, (int)(uint8_t)ctr, (size_t)plain);
    c.context = sealing;
    begin(&c, head, size, ctr);
    EVP_EncryptUpdate(sealing, at + size, &done, at + size, plain);
    EVP_EncryptFinal_ex(sealing, at + size + plain, &done);
    EVP_CIPHER_CTX_ctrl(sealing, EVP_CTRL_GCM_GET_TAG, TAG, at + size + plain);
    return (size_t)(size + plain + TAG);
}

static size_t message(int *part) {
    uint8_t kind = next(), flags = next();
    size_t size = next(), all = 0;
    size = size << 8 | next();
    *part = next() << 8;
    *part |= next();
    if (kind & 1) { /* as a link brings them */
        size_t count = 1 + size % (size >> 12 & 3 ? 4 : 64), plain = (size_t)*part % 1200;
        uint64_t *ctr = &expected[kind >> 1 & 1];
        *ctr += (flags & 3) == 3; /* a gap */
        for (size_t i = 0; i < count && all + plain + 64 < 65535; i++) {
            size_t one = seal(whole + all, kind >> 1 & 1, (*ctr)++, (int)plain);
            if (i == 0) *part = count > 1 || flags & 4 ? (int)one : 0;
            all += one;
        }
    } else {
        all = size;
        memset(whole, flags, all);
        *part = flags & 8 ? *part : 0;
    }
    for (int spoiled = (flags >> 5) - 5; spoiled > 0 && all; spoiled--) {
        size_t at = next();
        whole[(at << 8 | next()) % all] ^= next();
    }
    if ((flags & 24) == 24) all = all * next() / 255;
    return all;
}

int fake_recvmmsg(int fd, struct mmsghdr *m, unsigned most, int flags, struct timespec *timeout) {
    (void)fd, (void)flags, (void)timeout;
    unsigned got = 0;
    for (int i = 0; i < 2; i++) expected[i] = (uint64_t)(tops[i] + 1);
    for (; got < most && left; got++) {
        int part = 0;
        size_t all = message(&part), first = all < ROOM ? all : ROOM;
        memcpy(iov[got][0].iov_base, whole, first);
        memcpy(iov[got][1].iov_base, whole + first, all - first);
        m[got].msg_len = (unsigned)all;
        memcpy(names[got], NAMES[left % 13 == 12], 16);
        struct msghdr *h = &m[got].msg_hdr;
        struct cmsghdr *c = (struct cmsghdr *)(void *)controls[got];
        check(h->msg_controllen == sizeof controls[0] && !controls[got][2], "the room for control data");
        h->msg_controllen = part ? sizeof controls[0] : 0;
        c->cmsg_len = CMSG_LEN(sizeof part), c->cmsg_level = SOL_UDP_LEVEL, c->cmsg_type = UDP_GRO_TYPE;
        memcpy(CMSG_DATA(c), &part, sizeof part);
    }
    if (!got) errno = EAGAIN;
    return got ? (int)got : -1;
}

int fake_sendmmsg(int fd, struct mmsghdr *m, unsigned count, int flags) {
    (void)fd, (void)flags;
    for (unsigned i = 0; i < count; i++)
        for (size_t part = 0; part < m[i].msg_hdr.msg_iovlen; part++) {
            const struct iovec *v = &m[i].msg_hdr.msg_iov[part];
            const uint8_t *at = v->iov_base;
            check(is_one_byte(at, v->iov_len), "a player gets what is not genuine");
        }
    unsigned choice = next();
    if (choice < 200) return (int)count;
    errno = choice < 220 ? EAGAIN : choice < 230 ? EINVAL : choice < 240 ? EMSGSIZE : EIO;
    return choice & 1 && count > 1 ? 1 : -1;
}

int LLVMFuzzerInitialize(int *argc, char ***argv) {
    (void)argc, (void)argv;
    for (int i = 0; i < CAPACITY; i++) {
        iov[i][0] = (struct iovec){slots + i * SLOT + HEADROOM, ROOM};
        iov[i][1] = (struct iovec){rows + i * ROW + ROOM, 65535};
        messages[i].msg_hdr = (struct msghdr){.msg_name = names[i], .msg_namelen = 16, .msg_iov = iov[i], .msg_iovlen = 2,
                                              .msg_control = controls[i], .msg_controllen = sizeof controls[i]};
    }
    turn.from = (struct source){.messages = messages, .name = NAMES[0], .name_size = 16, .until = 1e18,
                                .most = CAPACITY, .capacity = CAPACITY, .control = sizeof controls[0]};
    turn.rows = rows, turn.row_size = ROW, turn.lanes_count = 2;
    sealing = EVP_CIPHER_CTX_new();
    EVP_EncryptInit_ex(sealing, EVP_aes_256_gcm(), NULL, KEY, NULL);
    for (int i = 0; i < 2; i++) {
        turn.lanes[i] = (struct lane){.top = &tops[i], .seen = seen[i], .mask = WINDOW - 1, .below = BELOW, .player = i};
        turn.lanes[i].cipher = (struct cipher){.context = cipher_new(), .kid = 0x2A4 + 0x100 * i};
        check(cipher_key(&turn.lanes[i].cipher, KEY) == 1, "a key");
        turn.to[i].targets_count = 1;
        turn.to[i].targets[0] = (struct target){.longest = AS_ONE_MAX, .name_size = 16};
    }
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    input = data, left = size;
    static const int64_t STARTS[4] = {-1, 250, 65530, BELOW - 5};
    for (int i = 0; i < 2; i++) tops[i] = STARTS[next() & 3], turn.to[i].targets[0].longest = AS_ONE_MAX;
    turn.from.split = 0;
    turn.rows = next() & 1 ? rows : NULL; /* where the system joins no datagrams, there are none */
    for (int rounds = 0; rounds < 3 && left; rounds++) {
        turn.from.since = now();
        int64_t before[2] = {tops[0], tops[1]};
        memset(seen, 0, sizeof seen);
        int done = open_turn(&turn);
        for (int i = 0; i < 2; i++) {
            check(tops[i] < BELOW && tops[i] >= before[i], "a window beyond its bound");
            check(tops[i] == before[i] || seen[i][tops[i] & (WINDOW - 1)], "a counter that its window has not seen");
            check(turn.to[i].count <= SPARE, "too many parts");
        }
        check(done >= UNSENT && done <= CAPACITY, "the answer");
        if (done == READ) check(turn.from.row < turn.from.count, "nothing is left");
        if (done == READ) check((unsigned)turn.from.at <= messages[turn.from.row].msg_len, "a place behind the end");
    }
    return 0;
}
