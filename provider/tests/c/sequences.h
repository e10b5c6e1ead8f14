/* Shared by the programs that compare two providers: a generator, a log that a difference prints, and jobs. */
#ifndef SEQUENCES_H
#define SEQUENCES_H

#include <dirent.h>
#include <openssl/async.h>
#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/params.h>
#include <openssl/provider.h>

#include <poll.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CHECK(condition)                                                                          \
    do {                                                                                          \
        if (!(condition)) {                                                                       \
            fprintf(stderr, "%s:%d: %s: not so: %s\n", __FILE__, __LINE__, __func__, #condition); \
            ERR_print_errors_fp(stderr);                                                          \
            exit(1);                                                                              \
        }                                                                                         \
    } while (0)

enum { ROOM = 40000, LOG = 1 << 16 };

/* One run of random calls. Nothing of it is global, so that many may be in paused jobs. */
struct sequence {
    uint64_t seed, state;
    size_t logged;
    unsigned char in[ROOM], out[2][ROOM];
    char log[LOG];
};

/* The two property queries: the reference, and what is compared with it. */
static const char *queries[2] = { "provider=default", "provider=default" };

/* xorshift64*, the same everywhere. */
static inline uint64_t number(struct sequence *s)
{
    s->state ^= s->state >> 12;
    s->state ^= s->state << 25;
    s->state ^= s->state >> 27;
    return s->state * 2685821657736338717ull;
}

static inline unsigned below(struct sequence *s, unsigned limit)
{
    return (unsigned)(number(s) >> 33) % limit;
}

static inline int chance(struct sequence *s, unsigned percent)
{
    return below(s, 100) < percent;
}

static inline void fill(struct sequence *s, unsigned char *bytes, size_t len)
{
    for (size_t i = 0; i < len; i++)
        bytes[i] = (unsigned char)(number(s) >> 40);
}

/* Lengths around blocks and records, and now and then a long one. */
static inline size_t some_length(struct sequence *s, size_t most)
{
    size_t len;

    switch (below(s, 6)) {
    case 0:
        len = below(s, 4);
        break;
    case 1:
        len = 16 * below(s, 20);
        break;
    case 2:
        len = 16 * below(s, 20) + 1 + below(s, 15);
        break;
    case 3:
        len = below(s, 300);
        break;
    case 4:
        len = below(s, 3000);
        break;
    default:
        len = chance(s, 10) ? below(s, 17000) : below(s, 70);
        break;
    }
    return len < most ? len : most;
}

static inline void begin(struct sequence *s, uint64_t seed)
{
    s->seed = seed;
    s->state = (seed + 1) * 0x9e3779b97f4a7c15ull;
    s->logged = 0;
    s->log[0] = '\0';
    for (int i = 0; i < 4; i++)
        number(s);
}

__attribute__((format(printf, 2, 3))) static inline void note(struct sequence *s, const char *format, ...)
{
    va_list list;
    int len;

    va_start(list, format);
    len = vsnprintf(s->log + s->logged, LOG - s->logged, format, list);
    va_end(list);
    if (len > 0)
        s->logged += (size_t)len < LOG - s->logged ? (size_t)len : LOG - s->logged - 1;
}

static inline void differs(struct sequence *s, const char *what, long expected, long got)
{
    fprintf(stderr, "seed %llu: %s differs: %s has %ld, %s has %ld. The calls:\n%s", (unsigned long long)s->seed, what,
            queries[0], expected, queries[1], got, s->log);
    ERR_print_errors_fp(stderr);
    exit(1);
}

static inline void same(struct sequence *s, const char *what, long expected, long got)
{
    if (expected != got)
        differs(s, what, expected, got);
}

static inline void same_bytes(struct sequence *s, const char *what, const unsigned char *expected,
                              const unsigned char *got, size_t len)
{
    for (size_t i = 0; i < len; i++)
        if (expected[i] != got[i]) {
            note(s, "-- byte %zu of %zu of %s\n", i, len, what);
            differs(s, what, expected[i], got[i]);
        }
}

/* Jobs: a slot runs one sequence after the other, each in a job of its own. */
struct slot {
    ASYNC_JOB *job;
    ASYNC_WAIT_CTX *ctx;
    struct sequence *sequence;
    int running;
};

static unsigned long pauses, resumes, finished;

typedef void run_fn(struct sequence *);

struct argument {
    run_fn *run;
    struct sequence *sequence;
};

static inline int in_job(void *argument)
{
    struct argument *a = argument;

    a->run(a->sequence);
    return 1;
}

static inline int fd_of(struct slot *slot, OSSL_ASYNC_FD *fd)
{
    OSSL_ASYNC_FD fds[8];
    size_t count = 0;

    CHECK(ASYNC_WAIT_CTX_get_all_fds(slot->ctx, NULL, &count) == 1 && count <= 8);
    CHECK(ASYNC_WAIT_CTX_get_all_fds(slot->ctx, fds, &count) == 1);
    CHECK(count <= 1);
    *fd = count == 1 ? fds[0] : -1;
    return count == 1;
}

/* Starts or resumes the slot's job. */
static inline void step(struct slot *slot, run_fn *run)
{
    struct argument a = { run, slot->sequence };
    int ret = 0;

    switch (ASYNC_start_job(&slot->job, slot->ctx, &ret, in_job, &a, sizeof(a))) {
    case ASYNC_PAUSE:
        slot->running = 1;
        pauses++;
        break;
    case ASYNC_FINISH:
        CHECK(ret == 1);
        slot->running = 0;
        slot->job = NULL;
        finished++;
        break;
    default:
        CHECK(!"a job could not be started");
    }
}

/* Runs the sequences FIRST to FIRST + COUNT - 1 in up to WIDTH jobs at once, some of them resumed too early. */
static inline void run_in_jobs(run_fn *run, uint64_t first, uint64_t count, unsigned width)
{
    struct slot *slots = calloc(width, sizeof(*slots));
    struct pollfd *polled = calloc(width, sizeof(*polled));
    struct sequence early;
    uint64_t next = first;
    unsigned i, running;

    CHECK(slots != NULL && polled != NULL);
    begin(&early, first);
    for (i = 0; i < width; i++) {
        slots[i].ctx = ASYNC_WAIT_CTX_new();
        slots[i].sequence = malloc(sizeof(struct sequence));
        CHECK(slots[i].ctx != NULL && slots[i].sequence != NULL);
    }
    do {
        for (i = 0, running = 0; i < width; i++) {
            while (!slots[i].running && next < first + count) {
                begin(slots[i].sequence, next++);
                step(&slots[i], run);
            }
            polled[i].fd = -1;
            polled[i].events = POLLIN;
            polled[i].revents = 0;
            if (slots[i].running) {
                running++;
                CHECK(fd_of(&slots[i], &polled[i].fd));
            }
        }
        if (running == 0)
            break;
        CHECK(poll(polled, width, -1) > 0);
        for (i = 0; i < width; i++)
            if (slots[i].running && (polled[i].revents != 0 || chance(&early, 3))) {
                resumes++;
                step(&slots[i], run);
            }
    } while (1);
    for (i = 0; i < width; i++) {
        ASYNC_WAIT_CTX_free(slots[i].ctx);
        free(slots[i].sequence);
    }
    free(slots);
    free(polled);
}

static inline void run_outside(run_fn *run, uint64_t first, uint64_t count)
{
    struct sequence *s = malloc(sizeof(*s));

    CHECK(s != NULL);
    for (uint64_t seed = first; seed < first + count; seed++) {
        begin(s, seed);
        run(s);
        finished++;
    }
    free(s);
}

/* Loads the default provider, and one more if it is named: its folder and its name. */
static inline void load(const char *folder, const char *name)
{
    CHECK(OSSL_PROVIDER_load(NULL, "default") != NULL);
    if (name == NULL)
        return;
    CHECK(OSSL_PROVIDER_set_default_search_path(NULL, folder) == 1);
    CHECK(OSSL_PROVIDER_load(NULL, name) != NULL);
    queries[1] = "provider=simaccel";
}

/* Makes a call on both contexts, number i of which it names, compares what they return, and returns that. */
#define BOTH(s, what, call)                               \
    __extension__({                                       \
        int ret_[2];                                      \
        for (int i = 0; i < 2; i++)                       \
            ret_[i] = (call);                             \
        same((s), what " returns", ret_[0], ret_[1]);     \
        note((s), "   -> %d\n", ret_[0]);                 \
        ERR_clear_error();                                \
        ret_[0];                                          \
    })

/* How many fds the process has, and one that counts them. */
static inline int fds_open(void)
{
    DIR *dir = opendir("/proc/self/fd");
    int count = 0;

    CHECK(dir != NULL);
    while (readdir(dir) != NULL)
        count++;
    closedir(dir);
    return count;
}

#endif
