/* load: a paced generator of datagrams, and the sink that counts them. Two processes, so that each shows its own CPU time.

     load send HOST PORT KIND RATE COUNT FIRST [gso]
     load sink HOST PORT FIRST [FILE]

   KIND is `rtp` (1,200 bytes, a valid RTP header in front), `mavlink` (one ATTITUDE frame of 40 bytes, checksum right) or
   `pictures:FILE`: RATE and COUNT are those of pictures then, FILE has their sizes in bytes, one a line, and each picture is
   sent at once in `rtp` datagrams of which the last is shorter, as an encoder does.
   Each datagram carries its number and the monotonic nanoseconds of its sending. Numbers count on from FIRST, because
   SRTP treats a sequence that begins again as a replay. `send` keeps its pace by the clock: after a late wake-up it sends
   at once what was due. It sends separate datagrams with sendmmsg(2); with `gso`, many as one.

   The sink says `ready`, then counts until SIGTERM and 200 ms of silence. FILE gets the latencies as int64 nanoseconds.
   Both print one line of JSON. */

#define _GNU_SOURCE
#include <arpa/inet.h>
#include <endian.h>
#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>

#ifndef UDP_SEGMENT
#define UDP_SEGMENT 103
#endif

enum { BURST = 64, ROOM = 2048, RTP_SIZE = 1200, RTP_HEADER = 12, MAVLINK_HEADER = 10, MAVLINK_PAYLOAD = 28 };
enum { AS_ONE = 54, QUIET_MS = 200, BUFFER = 8 << 20 };
enum { RTP_MIN = RTP_HEADER + 16, PICTURES_MAX = 1 << 16 };
static const char PICTURES[] = "pictures:";
static const uint64_t TICK_NS = 200000; /* the shortest pause: what becomes due in it is sent by one call */
static const uint8_t ATTITUDE = 30, ATTITUDE_CRC_EXTRA = 39;

static volatile sig_atomic_t stopping;

static void stop(int signal_number) { (void)signal_number; stopping = 1; }

static void die(const char *what) { perror(what); exit(1); }

static uint64_t now_ns(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static double cpu_s(void) {
    struct rusage r;
    getrusage(RUSAGE_SELF, &r);
    return r.ru_utime.tv_sec + r.ru_stime.tv_sec + (r.ru_utime.tv_usec + r.ru_stime.tv_usec) / 1e6;
}

static struct sockaddr_in address(const char *host, const char *port) {
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(port))};
    if (inet_pton(AF_INET, host, &a.sin_addr) != 1) { fprintf(stderr, "%s is no address\n", host); exit(2); }
    return a;
}

static int udp_socket(void) {
    int fd = socket(AF_INET, SOCK_DGRAM, 0), size = BUFFER;
    if (fd < 0) die("socket");
    if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof size)) /* needs CAP_NET_ADMIN */
        setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof size);
    if (setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &size, sizeof size))
        setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof size);
    return fd;
}

static void put64(uint8_t *at, uint64_t value) { value = htobe64(value); memcpy(at, &value, 8); }

static uint64_t get64(const uint8_t *at) { uint64_t value; memcpy(&value, at, 8); return be64toh(value); }

static uint16_t crc_x25(const uint8_t *at, size_t size, uint16_t crc) {
    while (size--) {
        uint8_t byte = (uint8_t)(*at++ ^ (crc & 0xff));
        byte ^= (uint8_t)(byte << 4);
        crc = (uint16_t)((crc >> 8) ^ (byte << 8) ^ (byte << 3) ^ (byte >> 4));
    }
    return crc;
}

static size_t rtp(uint8_t *out, uint64_t number, uint64_t stamp) {
    static const uint8_t head[RTP_HEADER] = {0x80, 96, 0, 0, 0, 0, 0, 0, 0x5a, 0x45, 0x47, 0x4c};
    memcpy(out, head, sizeof head);
    out[2] = (uint8_t)(number >> 8), out[3] = (uint8_t)number;
    put64(out + RTP_HEADER, number);
    put64(out + RTP_HEADER + 8, stamp);
    return RTP_SIZE;
}

static size_t mavlink(uint8_t *out, uint64_t number, uint64_t stamp) {
    uint8_t head[MAVLINK_HEADER] = {0xfd, MAVLINK_PAYLOAD, 0, 0, (uint8_t)number, 1, 1, ATTITUDE, 0, 0};
    memcpy(out, head, sizeof head);
    memset(out + MAVLINK_HEADER, 0x5a, MAVLINK_PAYLOAD);
    put64(out + MAVLINK_HEADER, number);
    put64(out + MAVLINK_HEADER + 8, stamp);
    uint16_t crc = crc_x25(out + 1, MAVLINK_HEADER - 1 + MAVLINK_PAYLOAD, 0xffff);
    crc = crc_x25(&ATTITUDE_CRC_EXTRA, 1, crc);
    out[MAVLINK_HEADER + MAVLINK_PAYLOAD] = (uint8_t)crc, out[MAVLINK_HEADER + MAVLINK_PAYLOAD + 1] = (uint8_t)(crc >> 8);
    return MAVLINK_HEADER + MAVLINK_PAYLOAD + 2;
}

typedef size_t (*maker)(uint8_t *, uint64_t, uint64_t);

/* `last` cuts the last datagram to so many bytes; 0 leaves it whole. */
static void send_burst(int fd, struct sockaddr_in *to, maker make, uint64_t number, unsigned count, int gso, size_t last) {
    static uint8_t room[BURST * ROOM];
    static struct iovec iov[BURST];
    static struct mmsghdr message[BURST];
    uint64_t stamp = now_ns();
    uint8_t *at = room;
    for (unsigned i = 0; i < count; i++) {
        size_t size = make(at, number + i, stamp);
        if (last && i + 1 == count) size = last;
        iov[i] = (struct iovec){at, size};
        message[i].msg_hdr = (struct msghdr){.msg_name = to, .msg_namelen = sizeof *to, .msg_iov = &iov[i], .msg_iovlen = 1};
        at += size;
    }
    if (gso) {
        struct iovec whole = {room, (size_t)(at - room)};
        struct msghdr one = {.msg_name = to, .msg_namelen = sizeof *to, .msg_iov = &whole, .msg_iovlen = 1};
        if (sendmsg(fd, &one, 0) < 0) die("sendmsg");
        return;
    }
    for (unsigned done = 0; done < count;) {
        int went = sendmmsg(fd, message + done, count - done, 0);
        if (went < 0 && errno != EINTR) die("sendmmsg");
        done += went > 0 ? (unsigned)went : 0;
    }
}

static void sleep_until(uint64_t wake) {
    struct timespec until = {(time_t)(wake / 1000000000u), (long)(wake % 1000000000u)};
    clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, NULL);
}

static int send_all(char **word, int words) {
    struct sockaddr_in to = address(word[0], word[1]);
    maker make = strcmp(word[2], "mavlink") ? rtp : mavlink;
    double rate = atof(word[3]);
    uint64_t count = strtoull(word[4], NULL, 10), first = strtoull(word[5], NULL, 10), sent = 0;
    int gso = words > 6 && !strcmp(word[6], "gso"), fd = udp_socket();
    uint64_t most = gso ? AS_ONE : BURST, step = (uint64_t)(1e9 / rate) > TICK_NS ? (uint64_t)(1e9 / rate) : TICK_NS;
    uint8_t probe[ROOM];
    int segment = (int)make(probe, 0, 0);
    if (gso && setsockopt(fd, IPPROTO_UDP, UDP_SEGMENT, &segment, sizeof segment)) die("UDP_SEGMENT");
    prctl(PR_SET_TIMERSLACK, 1000);
    uint64_t begin = now_ns(), wake = begin;
    while (sent < count && !stopping) {
        uint64_t due = 1 + (uint64_t)((double)(now_ns() - begin) * rate / 1e9);
        for (due = due < count ? due : count; sent < due;) {
            unsigned burst = (unsigned)(due - sent < most ? due - sent : most);
            send_burst(fd, &to, make, first + sent, burst, gso, 0);
            sent += burst;
        }
        sleep_until(wake += step);
    }
    printf("{\"sent\": %" PRIu64 ", \"seconds\": %.6f, \"cpu_s\": %.6f}\n", sent, (double)(now_ns() - begin) / 1e9, cpu_s());
    return 0;
}

static int send_pictures(char **word) {
    struct sockaddr_in to = address(word[0], word[1]);
    static uint64_t sizes[PICTURES_MAX];
    size_t known = 0;
    FILE *trace = fopen(word[2] + strlen(PICTURES), "r");
    if (!trace) die(word[2]);
    while (known < PICTURES_MAX && fscanf(trace, "%" SCNu64, &sizes[known]) == 1) known++;
    fclose(trace);
    if (!known) { fprintf(stderr, "%s has no sizes\n", word[2]); exit(2); }
    double rate = atof(word[3]);
    uint64_t count = strtoull(word[4], NULL, 10), first = strtoull(word[5], NULL, 10), sent = 0;
    int fd = udp_socket();
    prctl(PR_SET_TIMERSLACK, 1000);
    uint64_t begin = now_ns();
    for (uint64_t picture = 0; picture < count && !stopping; picture++) {
        sleep_until(begin + (uint64_t)((double)picture * 1e9 / rate));
        uint64_t size = sizes[picture % known], left = (size + RTP_SIZE - 1) / RTP_SIZE;
        size_t last = size % RTP_SIZE < RTP_MIN ? RTP_MIN : size % RTP_SIZE;
        for (unsigned burst; left; left -= burst, sent += burst) {
            burst = (unsigned)(left < BURST ? left : BURST);
            send_burst(fd, &to, rtp, first + sent, burst, 0, burst == left ? last : 0);
        }
    }
    printf("{\"sent\": %" PRIu64 ", \"seconds\": %.6f, \"cpu_s\": %.6f}\n", sent, (double)(now_ns() - begin) / 1e9, cpu_s());
    return 0;
}

struct tally {
    uint64_t first, next, received, duplicates, out_of_order, foreign, begin, end;
    uint8_t *seen;      /* a bit for each number from `first` on */
    int64_t *latencies; /* NULL unless asked for */
    size_t room;
};

enum { NUMBERS = 1 << 27 };

static void take(struct tally *t, const uint8_t *data, size_t size, uint64_t stamp) {
    size_t at = size && data[0] == 0xfd ? MAVLINK_HEADER : RTP_HEADER;
    uint64_t place = size >= at + 16 ? get64(data + at) - t->first : NUMBERS;
    if (place >= NUMBERS) { t->foreign++; return; }
    uint8_t bit = (uint8_t)(1 << (place & 7));
    if (t->seen[place >> 3] & bit) { t->duplicates++; return; }
    t->seen[place >> 3] |= bit;
    t->out_of_order += place < t->next;
    t->next = place + 1;
    if (t->latencies) {
        if (t->received == t->room && !(t->latencies = realloc(t->latencies, (t->room *= 2) * sizeof(int64_t)))) die("realloc");
        t->latencies[t->received] = (int64_t)(stamp - get64(data + at + 8));
    }
    if (!t->received++) t->begin = stamp;
    t->end = stamp;
}

static int sink(char **word, int words) {
    static uint8_t room[BURST][ROOM];
    struct iovec iov[BURST];
    struct mmsghdr message[BURST];
    struct sockaddr_in here = address(word[0], word[1]);
    struct tally t = {.first = strtoull(word[2], NULL, 10), .seen = calloc(NUMBERS / 8, 1), .room = 1 << 16};
    const char *file = words > 3 ? word[3] : NULL;
    int fd = udp_socket();
    if (!t.seen || (file && !(t.latencies = malloc(t.room * sizeof(int64_t))))) die("malloc");
    if (bind(fd, (struct sockaddr *)&here, sizeof here)) die("bind");
    for (int i = 0; i < BURST; i++) {
        iov[i] = (struct iovec){room[i], ROOM};
        message[i].msg_hdr = (struct msghdr){.msg_iov = &iov[i], .msg_iovlen = 1};
    }
    puts("ready");
    fflush(stdout);
    for (struct pollfd p = {fd, POLLIN, 0};;) {
        int count = recvmmsg(fd, message, BURST, MSG_DONTWAIT, NULL);
        uint64_t stamp = now_ns();
        for (int i = 0; i < count; i++) take(&t, room[i], message[i].msg_len, stamp);
        if (count < 0 && errno == EAGAIN && !poll(&p, 1, QUIET_MS) && stopping) break;
    }
    if (file) {
        FILE *out = fopen(file, "wb");
        if (!out || fwrite(t.latencies, sizeof(int64_t), t.received, out) != t.received || fclose(out)) die(file);
    }
    printf("{\"received\": %" PRIu64 ", \"duplicates\": %" PRIu64 ", \"out_of_order\": %" PRIu64 ", \"foreign\": %" PRIu64
           ", \"seconds\": %.6f, \"cpu_s\": %.6f}\n", t.received, t.duplicates, t.out_of_order, t.foreign, (double)(t.end - t.begin) / 1e9, cpu_s());
    return 0;
}

int main(int count, char **word) {
    struct sigaction on_term = {.sa_handler = stop};
    sigaction(SIGTERM, &on_term, NULL);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (count >= 8 && !strcmp(word[1], "send") && !strncmp(word[4], PICTURES, strlen(PICTURES))) return send_pictures(word + 2);
    if (count >= 8 && !strcmp(word[1], "send")) return send_all(word + 2, count - 2);
    if (count >= 5 && !strcmp(word[1], "sink")) return sink(word + 2, count - 2);
    fputs("usage: load send HOST PORT KIND RATE COUNT FIRST [gso] | load sink HOST PORT FIRST [FILE]\n", stderr);
    return 2;
}
