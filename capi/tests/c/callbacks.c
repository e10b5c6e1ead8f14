/*
 * The callback of a wait context on worker threads: its removal waits, it is looked up when it is called, and it needs
 * no fds.
 */
#include "check.h"

#include <poll.h>
#include <sched.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/resource.h>

static simaccel_engine *engine;
static simaccel_session *session;

static void open_both(const char *config, simaccel_result open(const char *, simaccel_engine **))
{
    CHECK(open(config, &engine) == SIMACCEL_OK);
    CHECK(simaccel_session_new(engine, "sha256", NULL, 0, NULL, &session) == SIMACCEL_OK);
}

static void close_both(void)
{
    simaccel_session_free(session);
    simaccel_engine_free(engine);
}

static int digests(void *unused)
{
    unsigned char out[64];

    (void)unused;
    return simaccel_digest(session, "abc", 3, out, sizeof out, NULL);
}

static void finish(ASYNC_JOB *job, ASYNC_WAIT_CTX *ctx)
{
    int ret = -1;

    CHECK(go(&job, ctx, &ret, digests) == ASYNC_FINISH && ret == SIMACCEL_OK);
}

static int idle(void *unused)
{
    (void)unused;
    return 1;
}

/* A slow call. Its argument is freed as soon as it cannot be called any more. */
static atomic_int begun, has_returned;

struct connection {
    int woken;
};

static int takes_its_time(void *arg)
{
    struct connection *connection = (struct connection *)arg;
    int turn;

    atomic_store(&begun, 1);
    for (turn = 0; turn < 2000; turn++)
        sched_yield();
    connection->woken = 1;
    atomic_store(&has_returned, 1);
    return 1;
}

enum end { END_FREE, END_CLEANUP, END_REMOVE, END_REPLACE, END_FINISH };

static void over_after(enum end end)
{
    struct connection *connection = (struct connection *)calloc(1, sizeof *connection);
    ASYNC_WAIT_CTX *ctx = ASYNC_WAIT_CTX_new();
    ASYNC_JOB *job = NULL;
    int ret = -1;

    atomic_store(&begun, 0);
    atomic_store(&has_returned, 0);
    CHECK(connection != NULL && ASYNC_WAIT_CTX_set_callback(ctx, takes_its_time, connection) == 1);
    CHECK(go(&job, ctx, &ret, digests) == ASYNC_PAUSE);
    while (!atomic_load(&begun))
        sched_yield();
    switch (end) {
    case END_FREE:
        ASYNC_WAIT_CTX_free(ctx);
        break;
    case END_CLEANUP:
        ASYNC_cleanup_thread();
        break;
    case END_REMOVE:
        CHECK(ASYNC_WAIT_CTX_set_callback(ctx, NULL, NULL) == 1);
        break;
    case END_REPLACE:
        CHECK(ASYNC_WAIT_CTX_set_callback(ctx, idle, NULL) == 1);
        break;
    case END_FINISH:
        finish(job, ctx);
        break;
    }
    CHECK(atomic_load(&has_returned) && connection->woken);
    free(connection);
    if (end == END_REMOVE || end == END_REPLACE)
        finish(job, ctx);
    if (end != END_FREE)
        ASYNC_WAIT_CTX_free(ctx);
}

/* Counts its calls, and records the status that they find. */
static atomic_int calls, calls_with_ok;

static int counts(void *ctx)
{
    if (ASYNC_WAIT_CTX_get_status((ASYNC_WAIT_CTX *)ctx) == ASYNC_STATUS_OK)
        atomic_fetch_add(&calls_with_ok, 1);
    atomic_fetch_add(&calls, 1);
    return 1;
}

static void counted(int expected)
{
    while (atomic_load(&calls) < expected)
        sched_yield();
    CHECK(atomic_load(&calls) == expected);
}

static size_t fds_of(ASYNC_WAIT_CTX *ctx, int *fd)
{
    size_t count = 99;

    CHECK(ASYNC_WAIT_CTX_get_all_fds(ctx, NULL, &count) == 1);
    if (count == 1)
        CHECK(ASYNC_WAIT_CTX_get_all_fds(ctx, fd, &count) == 1);
    return count;
}

static void without_fds(void)
{
    enum { JOBS = 400 };
    struct rlimit before, small;
    ASYNC_WAIT_CTX *ctx[JOBS];
    ASYNC_JOB *job[JOBS] = {NULL};
    int at, ret = -1;

    CHECK(getrlimit(RLIMIT_NOFILE, &before) == 0);
    small = before;
    small.rlim_cur = 64;
    CHECK(setrlimit(RLIMIT_NOFILE, &small) == 0);
    atomic_store(&calls, 0);
    atomic_store(&calls_with_ok, 0);
    for (at = 0; at < JOBS; at++) {
        ctx[at] = ASYNC_WAIT_CTX_new();
        CHECK(ASYNC_WAIT_CTX_set_callback(ctx[at], counts, ctx[at]) == 1);
        CHECK(go(&job[at], ctx[at], &ret, digests) == ASYNC_PAUSE);
        CHECK(fds_of(ctx[at], NULL) == 0);
    }
    counted(JOBS);
    /* Most of them had to wait for a slot. */
    CHECK(atomic_load(&calls_with_ok) == JOBS);
    for (at = 0; at < JOBS; at++) {
        CHECK(ASYNC_WAIT_CTX_get_status(ctx[at]) == ASYNC_STATUS_OK);
        finish(job[at], ctx[at]);
        ASYNC_WAIT_CTX_free(ctx[at]);
    }
    CHECK(setrlimit(RLIMIT_NOFILE, &before) == 0);
}

/* EAGAIN while it waits for a slot, as any thread may see; OK from then on. */
static void parked(void)
{
    ASYNC_WAIT_CTX *ctx[3];
    ASYNC_JOB *job[3] = {NULL};
    int at, ret = -1;

    for (at = 0; at < 3; at++) {
        ctx[at] = ASYNC_WAIT_CTX_new();
        CHECK(ASYNC_WAIT_CTX_set_callback(ctx[at], counts, ctx[at]) == 1);
        CHECK(go(&job[at], ctx[at], &ret, digests) == ASYNC_PAUSE);
        CHECK(ASYNC_WAIT_CTX_get_status(ctx[at]) == (at < 2 ? ASYNC_STATUS_OK : ASYNC_STATUS_EAGAIN));
    }
    /* The requests ahead of it end, and it gets a slot. */
    ASYNC_WAIT_CTX_free(ctx[0]);
    while (ASYNC_WAIT_CTX_get_status(ctx[2]) == ASYNC_STATUS_EAGAIN)
        sched_yield();
    CHECK(ASYNC_WAIT_CTX_get_status(ctx[2]) == ASYNC_STATUS_OK);
    ASYNC_WAIT_CTX_free(ctx[2]);
    ASYNC_WAIT_CTX_free(ctx[1]);
}

/* Removed during a request: nothing is called, and the next resume creates an fd for the rest of the wait. */
static void removed(void)
{
    ASYNC_WAIT_CTX *ctx = ASYNC_WAIT_CTX_new();
    ASYNC_JOB *job = NULL;
    struct pollfd fds = {-1, POLLIN, 0};
    int ret = -1;

    atomic_store(&calls, 0);
    CHECK(ASYNC_WAIT_CTX_set_callback(ctx, counts, ctx) == 1);
    CHECK(go(&job, ctx, &ret, digests) == ASYNC_PAUSE);
    CHECK(ASYNC_WAIT_CTX_set_callback(ctx, NULL, NULL) == 1);
    CHECK(go(&job, ctx, &ret, digests) == ASYNC_PAUSE && fds_of(ctx, &fds.fd) == 1);
    CHECK(simaccel_device_advance(engine, 1000) == SIMACCEL_OK);
    CHECK(poll(&fds, 1, -1) == 1);
    finish(job, ctx);
    CHECK(atomic_load(&calls) == 0);
    ASYNC_WAIT_CTX_free(ctx);
}

static void polled(void)
{
    ASYNC_WAIT_CTX *ctx = ASYNC_WAIT_CTX_new();
    ASYNC_JOB *job = NULL;
    int ret = -1, step;

    atomic_store(&calls, 0);
    CHECK(ASYNC_WAIT_CTX_set_callback(ctx, counts, ctx) == 1);
    step = go(&job, ctx, &ret, digests);
    CHECK(step == ASYNC_PAUSE && ASYNC_WAIT_CTX_get_status(ctx) == ASYNC_STATUS_UNSUPPORTED);
    while (step == ASYNC_PAUSE)
        step = go(&job, ctx, &ret, digests);
    CHECK(step == ASYNC_FINISH && ret == SIMACCEL_OK && atomic_load(&calls) == 0);
    ASYNC_WAIT_CTX_free(ctx);
}

int main(void)
{
    int end;

    open_both("workers=2", simaccel_engine_open);
    for (end = END_FREE; end <= END_FINISH; end++)
        over_after((enum end)end);
    without_fds();
    close_both();
    open_both("queue_pairs=1;depth=2;compute_units=1;completion_nsec=3600000000000", simaccel_engine_open);
    parked();
    close_both();
    open_both("completion_nsec=1000", simaccel_engine_open_stepped);
    removed();
    close_both();
    open_both("delivery=poll", simaccel_engine_open);
    polled();
    close_both();
    ASYNC_cleanup_thread();
    printf("ok\n");
    return 0;
}
