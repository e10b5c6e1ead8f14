/*
 * Random sequences of calls, for comparing two libraries call by call: random FIRST COUNT runs COUNT seeds and prints
 * a line per call. It makes only calls that libcrypto survives (docs/semantics.md lists the others).
 */
#include "check.h"

#include <stdint.h>
#include <string.h>

enum { JOBS = 6, CONTEXTS = 3, KEYS = 4, CALLS = 60 };

static uint64_t state;
static ASYNC_WAIT_CTX *contexts[CONTEXTS];
static int keys[KEYS];
static struct {
    ASYNC_JOB *job;
    int ctx; /* that it was started with */
} slots[JOBS];
static int blocks;

/* xorshift64*, the same everywhere. */
static unsigned below(unsigned limit)
{
    state ^= state >> 12;
    state ^= state << 25;
    state ^= state >> 27;
    return (unsigned)((state * 2685821657736338717ull) >> 33) % limit;
}

static void cleanup(ASYNC_WAIT_CTX *ctx, const void *key, OSSL_ASYNC_FD fd, void *data)
{
    int i, of = -1;

    for (i = 0; i < CONTEXTS; i++)
        if (contexts[i] == ctx)
            of = i;
    printf("  cleanup %d %d %d %d\n", of, (int)((const int *)key - keys), fd, data == &state);
}

static int call_back(void *arg)
{
    return arg != NULL;
}

static void show(int at)
{
    OSSL_ASYNC_FD fds[256], gone[256];
    size_t count, added, deleted, i;

    CHECK(ASYNC_WAIT_CTX_get_all_fds(contexts[at], NULL, &count) == 1 && count < 256);
    printf("  fds %d:", ASYNC_WAIT_CTX_get_all_fds(contexts[at], fds, &count));
    for (i = 0; i < count; i++)
        printf(" %d", fds[i]);
    CHECK(ASYNC_WAIT_CTX_get_changed_fds(contexts[at], NULL, &added, NULL, &deleted) == 1 && added + deleted < 256);
    printf(" changed %d:", ASYNC_WAIT_CTX_get_changed_fds(contexts[at], fds, &added, gone, &deleted));
    for (i = 0; i < added; i++)
        printf(" +%d", fds[i]);
    for (i = 0; i < deleted; i++)
        printf(" -%d", gone[i]);
    printf("\n");
}

/* One call on a wait context. */
static void on_context(int at)
{
    ASYNC_WAIT_CTX *ctx = contexts[at];
    ASYNC_callback_fn got = NULL;
    OSSL_ASYNC_FD fd = -9;
    void *data = &fd;
    int key = (int)below(KEYS), number = (int)below(40) - 2;

    switch (below(9)) {
    case 0:
    case 1:
    case 2:
        printf(" set %d %d %d = %d\n", at, key, number,
               ASYNC_WAIT_CTX_set_wait_fd(ctx, &keys[key], number, below(2) ? &state : NULL, below(2) ? cleanup : NULL));
        break;
    case 3:
    case 4:
        printf(" clear %d %d = %d\n", at, key, ASYNC_WAIT_CTX_clear_fd(ctx, &keys[key]));
        break;
    case 5:
        printf(" get %d %d = %d", at, key, ASYNC_WAIT_CTX_get_fd(ctx, &keys[key], &fd, &data));
        printf(" %d %d\n", fd, data == &fd ? 2 : data == &state);
        break;
    case 6:
        printf(" status %d %d = %d", at, number, ASYNC_WAIT_CTX_set_status(ctx, number));
        printf(" %d\n", ASYNC_WAIT_CTX_get_status(ctx));
        break;
    case 7:
        printf(" callback %d = %d\n", at,
               ASYNC_WAIT_CTX_set_callback(ctx, below(3) ? call_back : NULL, below(2) ? &state : NULL));
        break;
    default:
        printf(" callback? %d = %d", at, ASYNC_WAIT_CTX_get_callback(ctx, &got, &data));
        printf(" %d %d\n", got == call_back, data == &fd ? 2 : data == &state);
    }
    show(at);
}

/* A job: random calls, pauses in between. */
static int body(void *arg)
{
    int steps = (int)below(5), at = *(int *)arg, mine = 0, i;
    ASYNC_JOB *me = ASYNC_get_current_job();

    CHECK(me != NULL && ASYNC_get_wait_ctx(me) == contexts[at]);
    for (i = 0; i < steps; i++) {
        switch (below(5)) {
        case 0:
            ASYNC_block_pause();
            mine++;
            blocks++;
            printf(" block\n");
            break;
        case 1:
            if (mine > 0) {
                ASYNC_unblock_pause();
                mine--;
                blocks--;
            }
            printf(" unblock\n");
            break;
        case 2:
            on_context(at);
            break;
        default:
            /* libcrypto counts blocks per thread, this library per job: leave none in force during a pause. */
            printf(" pause %d", blocks);
            printf(" = %d\n", ASYNC_pause_job());
            CHECK(ASYNC_get_current_job() == me);
        }
    }
    while (mine-- > 0) {
        ASYNC_unblock_pause();
        blocks--;
    }
    return (int)below(1000);
}

static void on_job(int slot)
{
    int ret = -5, at = (int)below(CONTEXTS), step;

    if (slots[slot].job == NULL)
        slots[slot].ctx = at;
    printf(" job %d %s with %d\n", slot, slots[slot].job ? "resume" : "start", at);
    step = ASYNC_start_job(&slots[slot].job, contexts[at], &ret, body, &at, sizeof at);
    printf("  = %d ret %d null %d outside %d\n", step, ret, slots[slot].job == NULL, ASYNC_get_current_job() == NULL);
}

static void run(uint64_t seed)
{
    unsigned max = 0;
    int i, calls, unfinished = JOBS;

    state = seed * 0x9E3779B97F4A7C15ull + 1;
    for (i = 0; i < CONTEXTS; i++)
        contexts[i] = ASYNC_WAIT_CTX_new();
    if (below(3) == 0) {
        max = below(JOBS + 1);
        i = (int)below(JOBS + 1);
        printf(" init %u %d", max, i);
        /* A second one would leak in libcrypto, so only a refused one is made. */
        printf(" = %d\n", ASYNC_init_thread(max, (size_t)i));
    }
    for (calls = 0; calls < CALLS; calls++) {
        if (below(2))
            on_job((int)below(JOBS));
        else if (below(20) == 0)
            printf(" pause outside = %d\n", ASYNC_pause_job());
        else
            on_context((int)below(CONTEXTS));
    }
    while (unfinished > 0) {
        unfinished = 0;
        for (i = 0; i < JOBS; i++)
            if (slots[i].job != NULL) {
                on_job(i);
                unfinished++;
            }
    }
    for (i = 0; i < CONTEXTS; i++) {
        show(i);
        printf(" free %d\n", i);
        ASYNC_WAIT_CTX_free(contexts[i]);
    }
    ASYNC_cleanup_thread();
}

int main(int argc, char **argv)
{
    uint64_t seed, first, count;

    CHECK(argc == 3);
    first = strtoull(argv[1], NULL, 10);
    count = strtoull(argv[2], NULL, 10);
    for (seed = first; seed < first + count; seed++) {
        printf("seed %llu\n", (unsigned long long)seed);
        run(seed);
    }
    return 0;
}
