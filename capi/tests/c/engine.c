/*
 * The engine and the jobs of C: jobs that pause, are discarded, and lose their memory and handles while they are
 * paused; wakes, forks, and failures. Most of it runs on the stepped device, where nothing happens without a call.
 */
#include "engines.h"

#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

struct work {
    simaccel_session *session;
    simaccel_stream *stream;
    unsigned char *in, *out; /* in is on the heap, and is freed while the job is paused */
    size_t len;
    simaccel_result result;
};

static int encrypts(void *arg)
{
    struct work *work = *(struct work **)arg;

    work->result = simaccel_encrypt(work->session, ctr_iv, 16, work->in, 16, work->out, 16, &work->len);
    return 1;
}

static int updates(void *arg)
{
    struct work *work = *(struct work **)arg;

    work->result = simaccel_stream_update(work->stream, work->in, 16, work->out, 64, &work->len);
    return 2;
}

static struct work work_on(simaccel_session *session, unsigned char *out)
{
    struct work work = {session, NULL, (unsigned char *)malloc(16), out, 0, SIMACCEL_ERR_INTERNAL};

    memcpy(work.in, ctr_plain, 16);
    return work;
}

static int begin(ASYNC_JOB **job, ASYNC_WAIT_CTX *ctx, struct work *work, int (*func)(void *))
{
    int ret;

    return ASYNC_start_job(job, ctx, &ret, func, &work, sizeof work);
}

static int readable(ASYNC_WAIT_CTX *ctx)
{
    struct pollfd fds = {-1, POLLIN, 0};
    size_t count = 0;

    CHECK(ASYNC_WAIT_CTX_get_all_fds(ctx, NULL, &count) == 1 && count == 1);
    CHECK(ASYNC_WAIT_CTX_get_all_fds(ctx, &fds.fd, &count) == 1);
    return poll(&fds, 1, 0);
}

/* Input, session and engine are freed while the job is paused; the operation succeeds. */
static void pausing(void)
{
    simaccel_engine *engine = open_engine("queue_pairs=1;completion_nsec=1000", 1);
    ASYNC_WAIT_CTX *ctx = ASYNC_WAIT_CTX_new();
    ASYNC_JOB *job = NULL;
    unsigned char out[16] = {0};
    struct work work = work_on(session_of(engine, "aes-256-ctr", ctr_key, 32, NULL), out);
    int happened = 0, ret = 0;

    CHECK(begin(&job, ctx, &work, encrypts) == ASYNC_PAUSE && readable(ctx) == 0);
    memset(work.in, 0xff, 16);
    free(work.in);
    simaccel_session_free(work.session);
    CHECK(ASYNC_WAIT_CTX_get_status(ctx) == ASYNC_STATUS_OK);
    CHECK(go(&job, NULL, &ret, NULL) == ASYNC_PAUSE && out[0] == 0);
    OK(simaccel_device_step(engine, &happened));
    CHECK(happened == 1);
    OK(simaccel_device_advance(engine, 999));
    CHECK(readable(ctx) == 0);
    OK(simaccel_device_advance(engine, 1));
    CHECK(readable(ctx) == 1);
    CHECK(stat_of(engine, "pauses") == 2 && stat_of(engine, "spurious_resumes") == 1);
    simaccel_engine_free(engine);
    CHECK(go(&job, NULL, &ret, NULL) == ASYNC_FINISH && ret == 1);
    CHECK(work.result == SIMACCEL_OK && work.len == 16 && memcmp(out, ctr_cipher, 16) == 0);
    ASYNC_WAIT_CTX_free(ctx);
}

/* Jobs discarded in an operation: by their context, by cleanup, by the end of their thread. */
static void *discards_in_thread(void *arg)
{
    ASYNC_WAIT_CTX *ctx = ASYNC_WAIT_CTX_new();
    struct work *work = (struct work *)arg;
    ASYNC_JOB *job = NULL;

    CHECK(begin(&job, ctx, work, encrypts) == ASYNC_PAUSE);
    return ctx;
}

static void discarding(const char *config)
{
    simaccel_engine *engine = open_engine(config, 1);
    simaccel_session *session = session_of(engine, "aes-256-ctr", ctr_key, 32, NULL);
    int round, ret, abandoned = 0;
    pthread_t thread;
    void *thread_ctx;

    for (round = 0; round < 6; round++) {
        ASYNC_WAIT_CTX *ctx = ASYNC_WAIT_CTX_new();
        ASYNC_JOB *jobs[4] = {NULL}, *last = NULL;
        unsigned char out[4][64] = {{0}};
        struct work work[4];
        int i;

        for (i = 0; i < 4; i++)
            work[i] = work_on(session, out[i]);
        OK(simaccel_stream_new(session, SIMACCEL_ENCRYPT, ctr_iv, 16, NULL, 0, &work[1].stream));
        CHECK(begin(&jobs[0], ctx, &work[0], encrypts) == ASYNC_PAUSE);
        CHECK(begin(&jobs[1], ctx, &work[1], updates) == ASYNC_PAUSE);
        /* A stream in use refuses a second call, from another job and from outside a job. */
        FAILS(SIMACCEL_ERR_BUSY, "in use", simaccel_stream_update(work[1].stream, "a", 1, out[2], 64, NULL));
        CHECK(begin(&jobs[2], ctx, &work[1], updates) == ASYNC_FINISH && work[1].result == SIMACCEL_ERR_BUSY);
        CHECK(begin(&jobs[2], ctx, &work[2], encrypts) == ASYNC_PAUSE);
        if (round % 3 == 1)
            OK(simaccel_device_step(engine, NULL));
        if (round % 3 == 2)
            OK(simaccel_device_run_until_idle(engine));
        /* A handle that is freed during its use stays until its end. */
        if (round == 5) {
            simaccel_stream_free(work[1].stream);
            simaccel_session_free(session);
        }
        if (round % 2) {
            ASYNC_WAIT_CTX_free(ctx);
            ctx = ASYNC_WAIT_CTX_new();
        } else {
            ASYNC_cleanup_thread();
        }
        abandoned += 3;
        CHECK(stat_of(engine, "abandoned") == abandoned && stat_of(engine, "in_flight") == 0);
        for (i = 0; i < 3; i++)
            CHECK(go(&jobs[i], ctx, &ret, NULL) == ASYNC_ERR && out[i][0] == 0);
        if (round < 5) {
            FAILS(SIMACCEL_ERR_STREAM, "", simaccel_stream_update(work[1].stream, "a", 1, out[1], 64, NULL));
            simaccel_stream_free(work[1].stream);
            CHECK(begin(&last, ctx, &work[3], encrypts) == ASYNC_PAUSE);
            OK(simaccel_device_run_until_idle(engine));
            CHECK(begin(&last, ctx, &work[3], encrypts) == ASYNC_FINISH && memcmp(out[3], ctr_cipher, 16) == 0);
            CHECK(pthread_create(&thread, NULL, discards_in_thread, &work[3]) == 0);
            CHECK(pthread_join(thread, &thread_ctx) == 0);
            abandoned++;
            CHECK(stat_of(engine, "abandoned") == abandoned && stat_of(engine, "in_flight") == 0);
            ASYNC_WAIT_CTX_free((ASYNC_WAIT_CTX *)thread_ctx);
        }
        for (i = 0; i < 4; i++)
            free(work[i].in);
        ASYNC_WAIT_CTX_free(ctx);
    }
    simaccel_engine_free(engine);
}

static void resume(struct async_job_st *job, void *arg)
{
    ASYNC_JOB **jobs = (ASYNC_JOB **)arg;
    int i, ret;

    for (i = 0; i < 5; i++)
        if (jobs[i] == job) {
            CHECK(go(&jobs[i], NULL, &ret, NULL) == ASYNC_FINISH);
            return;
        }
    CHECK(!"a token of no job");
}

static void polling(void)
{
    simaccel_engine *engine = open_engine("delivery=poll;queue_pairs=1", 1);
    simaccel_session *session = session_of(engine, "aes-256-ctr", ctr_key, 32, NULL);
    ASYNC_WAIT_CTX *ctx = ASYNC_WAIT_CTX_new();
    ASYNC_JOB *jobs[5] = {NULL};
    unsigned char out[5][16];
    struct work work[5];
    struct pollfd fds = {-1, POLLIN, 0};
    size_t count = 99;
    int i;

    for (i = 0; i < 5; i++) {
        work[i] = work_on(session, out[i]);
        CHECK(begin(&jobs[i], ctx, &work[i], encrypts) == ASYNC_PAUSE);
        free(work[i].in);
    }
    OK(simaccel_poll(engine, 10, resume, jobs, &count));
    CHECK(count == 0);
    OK(simaccel_interrupt_fd(engine, &fds.fd));
    CHECK(poll(&fds, 1, 0) == 0);
    OK(simaccel_device_run_until_idle(engine));
    CHECK(poll(&fds, 1, 0) == 1);
    OK(simaccel_poll(engine, 2, resume, jobs, &count));
    CHECK(count == 2);
    OK(simaccel_poll(engine, 10, resume, jobs, NULL));
    for (i = 0; i < 5; i++)
        CHECK(jobs[i] == NULL && work[i].result == SIMACCEL_OK && memcmp(out[i], ctr_cipher, 16) == 0);
    CHECK(stat_of(engine, "polled") == 5);
    ASYNC_WAIT_CTX_free(ctx);
    simaccel_session_free(session);
    simaccel_engine_free(engine);
}

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t called = PTHREAD_COND_INITIALIZER;
static int calls;

static int wakes(void *arg)
{
    CHECK(arg == &called);
    pthread_mutex_lock(&lock);
    calls++;
    pthread_cond_signal(&called);
    pthread_mutex_unlock(&lock);
    return 0;
}

/* Worker threads: wake fd and callback. */
static void waking(void)
{
    simaccel_engine *engine = open_engine("", 0);
    simaccel_session *session = session_of(engine, "aes-256-ctr", ctr_key, 32, NULL);
    ASYNC_WAIT_CTX *ctx = ASYNC_WAIT_CTX_new();
    ASYNC_JOB *job = NULL;
    unsigned char out[16];
    int round;

    for (round = 0; round < 200; round++) {
        struct work work = work_on(session, out);
        struct pollfd fds = {-1, POLLIN, 0};
        size_t count = 0;
        int step;

        if (round == 100)
            CHECK(ASYNC_WAIT_CTX_set_callback(ctx, wakes, &called) == 1);
        memset(out, 0, 16);
        calls = 0;
        step = begin(&job, ctx, &work, encrypts);
        CHECK(step == ASYNC_PAUSE);
        free(work.in);
        while (step == ASYNC_PAUSE) {
            if (round < 100) {
                CHECK(ASYNC_WAIT_CTX_get_all_fds(ctx, &fds.fd, &count) == 1 && count == 1);
                CHECK(poll(&fds, 1, -1) == 1);
            } else {
                pthread_mutex_lock(&lock);
                while (calls == 0)
                    pthread_cond_wait(&called, &lock);
                pthread_mutex_unlock(&lock);
            }
            step = begin(&job, ctx, &work, encrypts);
        }
        CHECK(step == ASYNC_FINISH && work.result == SIMACCEL_OK && memcmp(out, ctr_cipher, 16) == 0);
    }
    /* Outside a job it blocks, and also without a context. */
    OK(simaccel_encrypt(session, ctr_iv, 16, ctr_plain, 16, out, 16, NULL));
    {
        struct work work = work_on(session, out);
        CHECK(begin(&job, NULL, &work, encrypts) == ASYNC_FINISH && work.result == SIMACCEL_OK);
        free(work.in);
    }
    CHECK(stat_of(engine, "blocked") == 2);
    ASYNC_WAIT_CTX_free(ctx);
    simaccel_session_free(session);
    simaccel_engine_free(engine);
}

/* A child: operations fail, a paused job's too, its own engine works, inherited fds stay open. */
static void forking(void)
{
    simaccel_engine *engine = open_engine("completion_nsec=1000000", 0), *own;
    simaccel_session *session = session_of(engine, "aes-256-ctr", ctr_key, 32, NULL), *of_own;
    ASYNC_WAIT_CTX *ctx = ASYNC_WAIT_CTX_new();
    ASYNC_JOB *job = NULL, *discarded = NULL;
    unsigned char out[16] = {0}, out2[16] = {0};
    struct work work = work_on(session, out), work2 = work_on(session, out2);
    struct pollfd fds = {-1, POLLIN, 0};
    size_t count = 0;
    int status = -1, step = ASYNC_PAUSE;
    pid_t child;

    CHECK(begin(&job, ctx, &work, encrypts) == ASYNC_PAUSE);
    CHECK(begin(&discarded, ctx, &work2, encrypts) == ASYNC_PAUSE);
    child = fork();
    CHECK(child >= 0);
    if (child == 0) {
        FAILS(SIMACCEL_ERR_FORKED, "", simaccel_encrypt(session, ctr_iv, 16, ctr_plain, 16, out, 16, NULL));
        CHECK(begin(&job, ctx, &work, encrypts) == ASYNC_FINISH && work.result == SIMACCEL_ERR_FORKED);
        ASYNC_WAIT_CTX_free(ctx);
        own = open_engine("", 0);
        of_own = session_of(own, "aes-256-ctr", ctr_key, 32, NULL);
        OK(simaccel_encrypt(of_own, ctr_iv, 16, ctr_plain, 16, out, 16, NULL));
        CHECK(memcmp(out, ctr_cipher, 16) == 0);
        /* Success. With exit, valgrind would report what the parent's threads own, which do not exist here. */
        raise(SIGKILL);
    }
    CHECK(waitpid(child, &status, 0) == child && WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
    while (step == ASYNC_PAUSE) {
        CHECK(ASYNC_WAIT_CTX_get_all_fds(ctx, &fds.fd, &count) == 1 && count == 1 && poll(&fds, 1, -1) == 1);
        step = begin(&job, ctx, &work, encrypts);
    }
    CHECK(step == ASYNC_FINISH && work.result == SIMACCEL_OK && memcmp(out, ctr_cipher, 16) == 0);
    free(work.in);
    free(work2.in);
    ASYNC_WAIT_CTX_free(ctx);
    simaccel_session_free(session);
    simaccel_engine_free(engine);
}

static void failing(void)
{
    simaccel_engine *engine = open_engine("fault=nomem:nth=1;fault=fd_fail:nth=1;fault=fail:nth=2;fault=timeout:nth=3;timeout_msec=5", 1);
    simaccel_session *session = session_of(engine, "aes-256-ctr", ctr_key, 32, NULL);
    ASYNC_WAIT_CTX *ctx = ASYNC_WAIT_CTX_new();
    ASYNC_JOB *job = NULL;
    unsigned char out[16];
    struct work work = work_on(session, out);

    CHECK(begin(&job, ctx, &work, encrypts) == ASYNC_FINISH && work.result == SIMACCEL_ERR_NO_MEMORY);
    CHECK(simaccel_is_retryable(work.result) == 1 && ASYNC_WAIT_CTX_get_status(ctx) == ASYNC_STATUS_ERR);
    CHECK(begin(&job, ctx, &work, encrypts) == ASYNC_FINISH && work.result == SIMACCEL_ERR_WAKE_FD);
    CHECK(begin(&job, ctx, &work, encrypts) == ASYNC_PAUSE);
    OK(simaccel_device_reset(engine));
    CHECK(begin(&job, ctx, &work, encrypts) == ASYNC_FINISH && work.result == SIMACCEL_ERR_RESET);
    CHECK(begin(&job, ctx, &work, encrypts) == ASYNC_PAUSE);
    OK(simaccel_device_run_until_idle(engine));
    CHECK(begin(&job, ctx, &work, encrypts) == ASYNC_FINISH && work.result == SIMACCEL_ERR_DEVICE_FAILED);
    CHECK(begin(&job, ctx, &work, encrypts) == ASYNC_PAUSE);
    OK(simaccel_device_advance(engine, 5000000));
    CHECK(readable(ctx) == 1);
    CHECK(begin(&job, ctx, &work, encrypts) == ASYNC_FINISH && work.result == SIMACCEL_ERR_TIMEOUT);
    free(work.in);
    ASYNC_WAIT_CTX_free(ctx);
    simaccel_session_free(session);
    simaccel_engine_free(engine);
}

/* Faults and the model change between two operations. */
static void changing(void)
{
    simaccel_engine *engine = open_engine("model=on;depth=2", 1);
    simaccel_engine *ideal = open_engine("", 1);
    simaccel_session *session = session_of(engine, "aes-256-ctr", ctr_key, 32, NULL);
    unsigned char out[16] = {0};

    OK(simaccel_encrypt(session, ctr_iv, 16, ctr_plain, 16, out, 16, NULL));
    OK(simaccel_engine_set_faults(engine, "fault=fail:nth=1; fault=nomem:nth=2"));
    FAILS(SIMACCEL_ERR_DEVICE_FAILED, "", simaccel_encrypt(session, ctr_iv, 16, ctr_plain, 16, out, 16, NULL));
    FAILS(SIMACCEL_ERR_NO_MEMORY, "", simaccel_encrypt(session, ctr_iv, 16, ctr_plain, 16, out, 16, NULL));
    OK(simaccel_engine_reconfigure(engine, "completion_nsec=5_000\nfault=timeout"));
    FAILS(SIMACCEL_ERR_NEVER_ENDS, "", simaccel_encrypt(session, ctr_iv, 16, ctr_plain, 16, out, 16, NULL));
    OK(simaccel_engine_set_faults(engine, NULL));
    OK(simaccel_encrypt(session, ctr_iv, 16, ctr_plain, 16, out, 16, NULL));
    CHECK(memcmp(out, ctr_cipher, 16) == 0);
    FAILS(SIMACCEL_ERR_CONFIG, "depth is decided when", simaccel_engine_reconfigure(engine, "depth=4"));
    FAILS(SIMACCEL_ERR_CONFIG, "delivery is decided when", simaccel_engine_reconfigure(engine, "delivery=poll"));
    FAILS(SIMACCEL_ERR_CONFIG, "unknown key mbps", simaccel_engine_set_faults(engine, "mbps=4"));
    FAILS(SIMACCEL_ERR_CONFIG, "model=on", simaccel_engine_set_faults(ideal, "fault=fail"));
    FAILS(SIMACCEL_ERR_ARGUMENT, "engine is NULL", simaccel_engine_set_faults(NULL, ""));
    FAILS(SIMACCEL_ERR_ARGUMENT, "engine is NULL", simaccel_engine_reconfigure(NULL, ""));
    simaccel_session_free(session);
    simaccel_engine_free(engine);
    simaccel_engine_free(ideal);
}

/* On a stepped device a blocking call returns, whatever its request does. */
static void blocking_for_nothing(void)
{
    simaccel_engine *engine = open_engine("fault=timeout:nth=1", 1);
    simaccel_session *session = session_of(engine, "aes-256-ctr", ctr_key, 32, NULL);
    unsigned char out[16] = {0};

    FAILS(SIMACCEL_ERR_NEVER_ENDS, "timeout_msec", simaccel_encrypt(session, ctr_iv, 16, ctr_plain, 16, out, 16, NULL));
    CHECK(simaccel_is_retryable(SIMACCEL_ERR_NEVER_ENDS) == 0 && stat_of(engine, "never_ended") == 1);
    OK(simaccel_encrypt(session, ctr_iv, 16, ctr_plain, 16, out, 16, NULL));
    CHECK(memcmp(out, ctr_cipher, 16) == 0);
    simaccel_session_free(session);
    simaccel_engine_free(engine);
}

int main(void)
{
    pausing();
    changing();
    discarding("queue_pairs=1;depth=2");
    discarding("completion_nsec=1000");
    discarding("delivery=poll;fallback=on");
    polling();
    waking();
    forking();
    failing();
    blocking_for_nothing();
    ASYNC_cleanup_thread();
    printf("ok\n");
    return 0;
}
