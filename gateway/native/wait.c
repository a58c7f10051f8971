/* Wait: what a loop waits for, in one call, as long as all that comes is plain: wait, and take the turns of turn.c.

   Most wake-ups of a flight are pictures. Here none of them wakes Python, whose code and data are cold by then and cost more
   than a picture's datagrams. Nothing is decided here: as soon as another descriptor is ready (the timer of the next deadline
   and Python's signals are among them), more than one is, or a turn is not plain, Python goes on.

   It is linked into both libraries, and knows nothing of a turn but that it returns a number of messages, or less than 0. */
#define _GNU_SOURCE
#include <poll.h>
#include <stdint.h>
#include <string.h>
#include <time.h>

enum { DESCRIPTORS = 64, ENDS = 4 };
#define APART_S 0.003         /* gateway/loop/pacing.py */
#define SECOND_NS 1000000000

/* The same structures are in gateway/native/structures.py. */
struct end {                  /* a descriptor that has turns */
    int (*take)(void *);
    void *turn;
    double rest_s;            /* its data may accumulate for this time after a turn that left nothing */
    double rest_until;
    double began;             /* when its last turn began */
    double came_at;           /* when the last messages came */
    double cluster_at;        /* when the last cluster of turns began */
    uint64_t messages, clusters;
    int32_t place, capacity;  /* which of the descriptors; how many messages a turn takes */
};

struct wait {
    const struct pollfd *descriptors;
    struct end *ends[ENDS];
    int32_t descriptors_count, ends_count;
    int32_t ended_by, spare;  /* the end whose turn was not plain */
};

uint64_t size_of_wait(void) { return sizeof(struct wait); }

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_BOOTTIME, &t); /* as gateway/clock.py */
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

/* Leave out the descriptors that rest; the time until the first of them does not, or NULL if none does. */
static const struct timespec *rest(const struct wait *w, struct pollfd *fds, struct timespec *left) {
    double first = 0.0;
    for (int i = 0; i < w->ends_count; i++) {
        const struct end *e = w->ends[i];
        double rests = e->rest_s > 0.0 ? e->rest_until - now() : 0.0;
        fds[e->place].fd = rests > 0.0 ? -1 : w->descriptors[e->place].fd;
        if (rests > 0.0 && (first <= 0.0 || rests < first)) first = rests;
    }
    if (first <= 0.0) return NULL;
    long ns = (long)(first * SECOND_NS) + 1;
    *left = (struct timespec){ns / SECOND_NS, ns % SECOND_NS};
    return left;
}

/* The one that is ready and has a turn; -1 if there is none, or another descriptor is ready. */
static int only(const struct wait *w, const struct pollfd *fds, int ready) {
    for (int i = 0; ready == 1 && i < w->ends_count; i++)
        if (fds[w->ends[i]->place].revents == POLLIN) return i;
    return -1;
}

/* So many messages came in the turn that has `began`. Python notes those that a target did not take. */
void note_turn(struct end *e, int messages) {
    e->messages += (uint64_t)messages;
    e->came_at = e->began;
    if (e->began - e->cluster_at >= APART_S) e->clusters++, e->cluster_at = e->began;
    if (messages < e->capacity) e->rest_until = e->began + e->rest_s;
}

/* Until it is Python's turn; what the turn of `ended_by` returned, or 0 if all turns were plain. */
int wait_turns(struct wait *w) {
    struct pollfd fds[DESCRIPTORS];
    struct timespec left;
    if (w->descriptors_count > DESCRIPTORS) return 0;
    memcpy(fds, w->descriptors, (size_t)w->descriptors_count * sizeof *fds);
    for (;;) {
        int ready = ppoll(fds, (nfds_t)w->descriptors_count, rest(w, fds, &left), NULL);
        if (ready == 0) continue; /* a rest is over */
        int number = only(w, fds, ready);
        if (number < 0) return 0;
        struct end *e = w->ends[number];
        e->began = now();
        int done = e->take(e->turn);
        if (done < 0) return w->ended_by = number, done;
        if (done) note_turn(e, done);
    }
}
