/* batched: the floor. One recvmmsg(2) reads all that waits, each run of datagrams of one size is sent by one call (UDP_SEGMENT).

     batched seal|open IN_PORT OUT_PORT [gro]

   With `gro` it also reads as one what was sent as one (UDP_GRO), as the opening side of Zegel does. */

#include "relay.h"

#ifndef UDP_SEGMENT
#define UDP_SEGMENT 103
#endif
#ifndef UDP_GRO
#define UDP_GRO 104
#endif

enum { BATCH = 64, PIECES = 4, WHOLE = 65536, AS_ONE_MAX = 65507 };

static int sealing, out;
static struct sockaddr_in to;
static EVP_CIPHER_CTX *cipher;
static uint64_t counter;

/* A run of datagrams of `segment` bytes that follow one another in memory; the last may be shorter. */
static uint8_t run[WHOLE + ROOM];
static size_t filled, segment;
static int held;

static void flush(void) {
    char control[CMSG_SPACE(sizeof(uint16_t))] = {0};
    struct iovec iov = {run, filled};
    struct msghdr message = {.msg_name = &to, .msg_namelen = sizeof to, .msg_iov = &iov, .msg_iovlen = 1};
    if (held > 1) {
        uint16_t size = (uint16_t)segment;
        message.msg_control = control, message.msg_controllen = sizeof control;
        struct cmsghdr *c = CMSG_FIRSTHDR(&message);
        c->cmsg_level = IPPROTO_UDP, c->cmsg_type = UDP_SEGMENT, c->cmsg_len = CMSG_LEN(sizeof size);
        memcpy(CMSG_DATA(c), &size, sizeof size);
    }
    if (held) sendmsg(out, &message, 0);
    filled = 0, held = 0;
}

static void relay(uint8_t *data, size_t length) {
    if (!sealing && length < HEADER + TAG) return;
    size_t size = sealing ? length + HEADER + TAG : length - HEADER - TAG;
    if (held && (size > segment || filled + size > AS_ONE_MAX || held == BATCH)) flush();
    if (sealing) seal_one(cipher, counter++, data, length, run + filled);
    else if (open_one(cipher, data, length, run + filled) < 0) return;
    if (!held++) segment = size;
    filled += size;
    if (size < segment) flush();
}

static size_t piece_size(struct msghdr *message, size_t length) {
    struct cmsghdr *c = CMSG_FIRSTHDR(message);
    int size = 0;
    if (c && c->cmsg_level == IPPROTO_UDP && c->cmsg_type == UDP_GRO) memcpy(&size, CMSG_DATA(c), sizeof size);
    return size > 0 ? (size_t)size : length;
}

int main(int count, char **word) {
    static struct iovec iov[BATCH];
    static struct mmsghdr message[BATCH];
    static char control[BATCH][CMSG_SPACE(sizeof(int))];
    if (count < 4) { fputs("usage: batched seal|open IN_PORT OUT_PORT [gro]\n", stderr); return 2; }
    int in = udp_socket(word[2]), gro = count > 4 && !strcmp(word[4], "gro"), one = 1;
    int most = gro ? PIECES : BATCH;
    size_t room = gro ? WHOLE : ROOM;
    uint8_t *from = malloc((size_t)most * room);
    sealing = !strcmp(word[1], "seal"), out = udp_socket("0"), to = loopback(word[3]), cipher = new_cipher(sealing);
    if (!from || (gro && setsockopt(in, IPPROTO_UDP, UDP_GRO, &one, sizeof one))) die("UDP_GRO");
    for (;;) {
        for (int i = 0; i < most; i++) {
            iov[i] = (struct iovec){from + (size_t)i * room, room};
            message[i].msg_hdr = (struct msghdr){
                .msg_iov = &iov[i], .msg_iovlen = 1, .msg_control = control[i], .msg_controllen = gro ? sizeof control[i] : 0};
        }
        int got = recvmmsg(in, message, (unsigned)most, MSG_WAITFORONE, NULL);
        for (int i = 0; i < got; i++) {
            uint8_t *at = from + (size_t)i * room;
            size_t left = message[i].msg_len, size = piece_size(&message[i].msg_hdr, left);
            for (; left > size; at += size, left -= size) relay(at, size);
            if (left) relay(at, left);
        }
        flush();
    }
}
