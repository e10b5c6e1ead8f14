/*
 * A job that ends its thread: by pthread_exit, or cancelled. Cleanup handlers in the job run, the thread is joined with
 * its value, and everything of the thread's jobs is freed. Run on libcrypto too.
 */
#include "check.h"

#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <unistd.h>

static atomic_int cleaned, waits;
/* Set when the thread has ended: no job runs then, and pausing does nothing. */
static atomic_int ended_quietly;
static pthread_key_t key;
#ifdef AGAINST_LIBCRYPTO
enum { SAYS_SO = 0 }; /* Its current job is still the one that has ended. */
#else
enum { SAYS_SO = 1 };
#endif

static void count(void *argument)
{
    cleaned += *(int *)argument;
}

static void at_the_end(void *argument)
{
    (void)argument;
    ended_quietly = !SAYS_SO || (ASYNC_get_current_job() == NULL && ASYNC_pause_job() == 1);
}

static int exits(void *argument)
{
    int one = 1;

    (void)argument;
    pthread_cleanup_push(count, &one);
    ASYNC_pause_job();
    pthread_exit((void *)5);
    pthread_cleanup_pop(0);
    return 0;
}

static int waits_for_ever(void *argument)
{
    int one = 1;

    (void)argument;
    pthread_cleanup_push(count, &one);
    ASYNC_pause_job();
    waits = 1;
    for (;;)
        pause();
    pthread_cleanup_pop(0);
    return 0;
}

static int pauses(void *argument)
{
    ASYNC_pause_job();
    return argument == NULL;
}

/* The context of the job that ends its thread, freed after the thread has ended. */
static ASYNC_WAIT_CTX *ctx;
static int freed;

static void cleanup(ASYNC_WAIT_CTX *freed_ctx, const void *k, OSSL_ASYNC_FD fd, void *data)
{
    (void)k, (void)fd, (void)data;
    freed += freed_ctx == ctx;
}

/* Its thread ends in one job while another is paused. */
static void *run(void *func)
{
    ASYNC_JOB *job = NULL, *other = NULL;
    int (*function)(void *) = *(int (**)(void *))func;
    int ret;

    pthread_setspecific(key, ctx);
    CHECK(go(&other, ctx, &ret, pauses) == ASYNC_PAUSE);
    CHECK(ASYNC_start_job(&job, ctx, &ret, function, "arguments", 10) == ASYNC_PAUSE);
    go(&job, ctx, &ret, NULL);
    return (void *)7;
}

/* Starts a job in a job, which libcrypto cannot do. */
static int nests(void *argument)
{
    ASYNC_JOB *job = NULL;
    int ret;

    (void)argument;
    ASYNC_pause_job();
    CHECK(go(&job, NULL, &ret, exits) == ASYNC_PAUSE);
    go(&job, NULL, &ret, NULL);
    return 1;
}

#ifndef AGAINST_LIBCRYPTO
static simaccel_session *session;

static int digests(void *argument)
{
    unsigned char digest[32];
    size_t length;

    (void)argument;
    for (int i = 0; i < 3; i++) {
        CHECK(simaccel_digest(session, "abc", 3, digest, sizeof digest, &length) == SIMACCEL_OK && length == 32);
        waits = 1;
    }
    return 1;
}

static void closes(ASYNC_WAIT_CTX *freed_ctx, const void *k, OSSL_ASYNC_FD fd, void *data)
{
    (void)freed_ctx, (void)k, (void)data;
    CHECK(close(fd) == 0);
}

/* Cancelled in the middle of operations, in a job and outside: they are finished first. */
static void *works(void *how)
{
    ASYNC_JOB *job = NULL;
    int ret = 0, state;

    (void)how;
    pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &state);
    CHECK(pthread_cancel(pthread_self()) == 0);
    pthread_setcancelstate(state, NULL);
    CHECK(ASYNC_WAIT_CTX_set_wait_fd(ctx, &key, dup(STDERR_FILENO), NULL, closes) == 1);
    CHECK(digests(NULL) == 1);
    while ((state = go(&job, ctx, &ret, digests)) == ASYNC_PAUSE)
        continue;
    CHECK(state == ASYNC_FINISH && ret == 1);
    /* With a paused job on it, which strict mode reports. */
    CHECK(go(&job, ctx, &ret, pauses) == ASYNC_PAUSE);
    ASYNC_WAIT_CTX_free(ctx);
    cleaned = 1;
    pthread_testcancel();
    return NULL;
}

/* Cancelled before it opens and closes an engine: neither is a cancellation point. */
static void *opens_and_closes(void *configuration)
{
    simaccel_engine *engine = NULL;
    int state;

    pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &state);
    CHECK(pthread_cancel(pthread_self()) == 0);
    pthread_setcancelstate(state, NULL);
    CHECK(simaccel_engine_open(configuration, &engine) == SIMACCEL_OK);
    CHECK(simaccel_session_new(engine, "sha256", NULL, 0, NULL, &session) == SIMACCEL_OK);
    simaccel_session_free(session);
    simaccel_engine_free(engine);
    cleaned = 1;
    pthread_testcancel();
    return NULL;
}

static int writes(void *to)
{
    return write(*(int *)to, "x", 1) == 1;
}

/* Cancelled before a callback runs in it, which is no cancellation point either. */
static void *calls_back(void *unused)
{
    simaccel_engine *engine = NULL;
    ASYNC_JOB *job = NULL;
    int ends[2], ret = 0, state;

    CHECK(pipe(ends) == 0);
    CHECK(simaccel_engine_open_stepped(NULL, &engine) == SIMACCEL_OK);
    CHECK(simaccel_session_new(engine, "sha256", NULL, 0, NULL, &session) == SIMACCEL_OK);
    ctx = ASYNC_WAIT_CTX_new();
    CHECK(ASYNC_WAIT_CTX_set_callback(ctx, writes, &ends[1]) == 1);
    CHECK(go(&job, ctx, &ret, digests) == ASYNC_PAUSE);
    pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &state);
    CHECK(pthread_cancel(pthread_self()) == 0);
    pthread_setcancelstate(state, NULL);
    do
        CHECK(digests(NULL) == 1);
    while (go(&job, ctx, &ret, digests) == ASYNC_PAUSE);
    CHECK(ret == 1);
    ASYNC_WAIT_CTX_free(ctx);
    simaccel_session_free(session);
    simaccel_engine_free(engine);
    cleaned = 1;
    pthread_testcancel();
    return unused;
}

static void cancels(void *(*thread_function)(void *), char *configuration)
{
    pthread_t thread;
    void *value = NULL;

    cleaned = 0;
    CHECK(pthread_create(&thread, NULL, thread_function, configuration) == 0);
    CHECK(pthread_join(thread, &value) == 0);
    CHECK(value == PTHREAD_CANCELED && cleaned == 1);
}

static void cancels_operations(const char *configuration)
{
    simaccel_engine *engine = NULL;
    pthread_t thread;
    void *value = NULL;

    cleaned = 0;
    CHECK(simaccel_engine_open(configuration, &engine) == SIMACCEL_OK);
    CHECK(simaccel_session_new(engine, "sha256", NULL, 0, NULL, &session) == SIMACCEL_OK);
    ctx = ASYNC_WAIT_CTX_new();
    CHECK(pthread_create(&thread, NULL, works, NULL) == 0);
    CHECK(pthread_join(thread, &value) == 0);
    CHECK(value == PTHREAD_CANCELED && cleaned == 1);
    simaccel_session_free(session);
    simaccel_engine_free(engine);
}
#endif

static long mapped_kib(void)
{
    FILE *status = fopen("/proc/self/status", "r");
    char line[128];
    long kib = -1;

    while (fgets(line, sizeof line, status) != NULL)
        if (sscanf(line, "VmSize: %ld kB", &kib) == 1)
            break;
    fclose(status);
    return kib;
}

static void *ends_with(int (*func)(void *), int cancel)
{
    pthread_t thread;
    void *value = NULL;

    waits = cleaned = ended_quietly = freed = 0;
    ctx = ASYNC_WAIT_CTX_new();
    CHECK(ASYNC_WAIT_CTX_set_wait_fd(ctx, &key, 7, NULL, cleanup) == 1);
    CHECK(pthread_create(&thread, NULL, run, &func) == 0);
    if (cancel) {
        while (!waits)
            usleep(1000);
        CHECK(pthread_cancel(thread) == 0);
    }
    CHECK(pthread_join(thread, &value) == 0);
    CHECK(cleaned == 1);
    CHECK(ended_quietly);
    ASYNC_WAIT_CTX_free(ctx);
    CHECK(freed == 1);
    return value;
}

int main(int count_of_arguments, char **arguments)
{
    const char *how = count_of_arguments > 1 ? arguments[1] : "";

    CHECK(pthread_key_create(&key, at_the_end) == 0);
    if (strcmp(how, "pthread_exit") == 0)
        CHECK(ends_with(exits, 0) == (void *)5);
    else if (strcmp(how, "pthread_cancel") == 0)
        CHECK(ends_with(waits_for_ever, 1) == PTHREAD_CANCELED);
    else if (strcmp(how, "nested") == 0)
        CHECK(ends_with(nests, 0) == (void *)5);
#ifndef AGAINST_LIBCRYPTO
    else if (strcmp(how, "operations") == 0) {
        cancels_operations("completion_nsec=200000");
        /* Outside a job the thread sleeps on its interrupt. */
        cancels_operations("completion_nsec=200000;delivery=poll");
        cancels(opens_and_closes, "compute_units=4");
        cancels(opens_and_closes, "timeout_msec=3600000");
        cancels(calls_back, NULL);
    }
#endif
    else if (strcmp(how, "many") == 0) {
        long before = 0;
        for (int i = 0; i < 1000; i++) {
            if (i == 100)
                before = mapped_kib();
            CHECK(ends_with(exits, 0) == (void *)5);
        }
        /* 900 stacks of 64 KiB would need more. */
        CHECK(mapped_kib() - before < 900 * 64 / 4);
    } else
        CHECK(!"a known way to end");
    printf("ok\n");
}
