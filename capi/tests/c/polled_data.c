/* The data that a program attaches to its jobs, and that polling and reaping return. */
#include "check.h"

#include <poll.h>
#include <pthread.h>
#include <stdint.h>

enum { JOBS = 64 };

static simaccel_session *session;
static const unsigned char key[32] = {1}, iv[16] = {2}, text[64] = {3};
static unsigned char expected[64];

struct connection {
    ASYNC_JOB *job;
    unsigned char out[64];
    int attaches_itself, resumed;
};

static int encrypts(void *arg)
{
    struct connection *connection = *(struct connection **)arg;

    if (connection->attaches_itself)
        OK(simaccel_job_set_data(ASYNC_get_current_job(), connection));
    OK(simaccel_encrypt(session, iv, 16, text, 64, connection->out, 64, NULL));
    return 1;
}

static int start(struct connection *connection, ASYNC_WAIT_CTX *ctx)
{
    int ret;

    return ASYNC_start_job(&connection->job, ctx, &ret, encrypts, &connection, sizeof connection);
}

/* No lookup: data is the connection. */
static void resume(ASYNC_JOB *job, void *data, void *arg)
{
    struct connection *connection = (struct connection *)data;
    int ret = 0;

    CHECK(connection->job == job);
    CHECK(ASYNC_start_job(&connection->job, NULL, &ret, NULL, NULL, 0) == ASYNC_FINISH && ret == 1);
    CHECK(memcmp(connection->out, expected, 64) == 0);
    connection->resumed++;
    ++*(int *)arg;
}

static void resume_without_data(ASYNC_JOB *job, void *data, void *arg)
{
    int ret;

    CHECK(data == NULL && arg == NULL);
    CHECK(ASYNC_start_job(&job, NULL, &ret, NULL, NULL, 0) == ASYNC_FINISH);
}

static void *in_another_thread(void *job)
{
    void *data = &data;

    FAILS(SIMACCEL_ERR_ARGUMENT, "names no unfinished job of this thread", simaccel_job_set_data((ASYNC_JOB *)job, NULL));
    FAILS(SIMACCEL_ERR_ARGUMENT, "names no unfinished job of this thread", simaccel_job_data((ASYNC_JOB *)job, &data));
    return NULL;
}

static void misuse(ASYNC_JOB *job)
{
    pthread_t thread;
    void *data = NULL;

    FAILS(SIMACCEL_ERR_ARGUMENT, "job is NULL", simaccel_job_set_data(NULL, NULL));
    FAILS(SIMACCEL_ERR_ARGUMENT, "job is NULL", simaccel_job_data(NULL, &data));
    FAILS(SIMACCEL_ERR_ARGUMENT, "data is NULL", simaccel_job_data(job, NULL));
    FAILS(SIMACCEL_ERR_ARGUMENT, "engine is NULL", simaccel_reap(NULL, 1, resume, NULL, NULL));
    CHECK(pthread_create(&thread, NULL, in_another_thread, job) == 0 && pthread_join(thread, NULL) == 0);
}

int main(void)
{
    static struct connection connections[JOBS];
    ASYNC_WAIT_CTX *ctx = ASYNC_WAIT_CTX_new();
    simaccel_engine *engine;
    struct pollfd fds = {-1, POLLIN, 0};
    ASYNC_JOB *stale;
    void *data;
    size_t count = 0;
    int round, i, resumed;

    OK(simaccel_engine_open_stepped("delivery=poll;queue_pairs=1;depth=64", &engine));
    OK(simaccel_session_new(engine, "aes-256-ctr", key, 32, NULL, &session));
    OK(simaccel_encrypt(session, iv, 16, text, 64, expected, 64, NULL));
    OK(simaccel_interrupt_fd(engine, &fds.fd));
    FAILS(SIMACCEL_ERR_ARGUMENT, "resume is NULL", simaccel_reap(engine, 1, NULL, NULL, NULL));
    FAILS(SIMACCEL_ERR_ARGUMENT, "resume is NULL", simaccel_poll_data(engine, 1, NULL, NULL, NULL));
    for (round = 0; round < 4; round++) {
        resumed = 0;
        for (i = 0; i < JOBS; i++) {
            connections[i].attaches_itself = i % 2;
            CHECK(start(&connections[i], ctx) == ASYNC_PAUSE);
            OK(simaccel_job_data(connections[i].job, &data));
            CHECK(data == (i % 2 ? &connections[i] : NULL));
            OK(simaccel_job_set_data(connections[i].job, &connections[i]));
        }
        if (round == 0)
            misuse(connections[0].job);
        /* Nothing yet. A poll arms the fd, and reaping disarms it. */
        OK(simaccel_poll_data(engine, JOBS, resume, &resumed, &count));
        CHECK(count == 0);
        OK((round % 2 ? simaccel_reap : simaccel_poll_data)(engine, JOBS, resume, &resumed, &count));
        CHECK(count == 0 && resumed == 0);
        OK(simaccel_device_run_until_idle(engine));
        CHECK(poll(&fds, 1, 0) == (round % 2 ? 0 : 1));
        stale = connections[0].job;
        OK((round % 2 ? simaccel_reap : simaccel_poll_data)(engine, 10, resume, &resumed, &count));
        CHECK(count == 10 && resumed == 10);
        OK((round % 2 ? simaccel_reap : simaccel_poll_data)(engine, JOBS, resume, &resumed, &count));
        CHECK(count == JOBS - 10 && resumed == JOBS);
        for (i = 0; i < JOBS; i++)
            CHECK(connections[i].job == NULL && connections[i].resumed == round + 1);
        FAILS(SIMACCEL_ERR_ARGUMENT, "names no unfinished job", simaccel_job_data(stale, &data));
    }
    CHECK(start(&connections[0], ctx) == ASYNC_PAUSE);
    OK(simaccel_device_run_until_idle(engine));
    OK(simaccel_reap(engine, JOBS, resume_without_data, NULL, &count));
    CHECK(count == 1);
    ASYNC_WAIT_CTX_free(ctx);
    simaccel_session_free(session);
    simaccel_engine_free(engine);
    ASYNC_cleanup_thread();
    printf("ok\n");
    return 0;
}
