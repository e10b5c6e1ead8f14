/*
 * Operations that block in jobs, and in jobs of jobs, on a stepped device: the device and the callbacks that it calls
 * use the thread's stack. For sanitizers, which have to follow each switch. "ok" is printed at the end.
 */
#include <string.h>

#include <simaccel/async.h>
#include <simaccel/engine.h>

#include "check.h"

#define ROUNDS 20

static simaccel_engine *engine;
static simaccel_session *session;
static int called;

static int calls_back(void *arg)
{
    volatile char deep[100 * 1024];

    (void)arg;
    memset((void *)deep, 1, sizeof deep);
    CHECK(ASYNC_get_current_job() == NULL);
    called += deep[17];
    return 1;
}

static int encrypts(void *arg)
{
    unsigned char iv[16] = {0}, text[64] = {0}, out[64];
    size_t len = 0;

    (void)arg;
    CHECK(simaccel_encrypt(session, iv, 16, text, 64, out, 64, &len) == SIMACCEL_OK && len == 64);
    return out[0];
}

static int blocks(void *arg)
{
    int first;

    ASYNC_block_pause();
    first = encrypts(arg);
    ASYNC_unblock_pause();
    CHECK(ASYNC_get_current_job() != NULL);
    return first;
}

static int runs_another(void *arg)
{
    ASYNC_JOB *job = NULL;
    int ret = 0;

    (void)arg;
    CHECK(ASYNC_start_job(&job, NULL, &ret, blocks, NULL, 0) == ASYNC_FINISH);
    return ret;
}

int main(void)
{
    unsigned char key[32] = {1};
    int i;

    CHECK(simaccel_engine_open_stepped("", &engine) == SIMACCEL_OK);
    CHECK(simaccel_session_new(engine, "aes-256-ctr", key, 32, NULL, &session) == SIMACCEL_OK);
    for (i = 0; i < ROUNDS; i++) {
        ASYNC_WAIT_CTX *ctx = ASYNC_WAIT_CTX_new();
        ASYNC_JOB *waits = NULL, *job = NULL;
        int first = 0, ret = 0;

        CHECK(ASYNC_WAIT_CTX_set_callback(ctx, calls_back, NULL) == 1);
        CHECK(ASYNC_start_job(&waits, ctx, &first, encrypts, NULL, 0) == ASYNC_PAUSE);
        CHECK(ASYNC_start_job(&job, NULL, &ret, i % 2 ? blocks : runs_another, NULL, 0) == ASYNC_FINISH);
        CHECK(called == i + 1);
        CHECK(ASYNC_start_job(&waits, ctx, &first, encrypts, NULL, 0) == ASYNC_FINISH && first == ret);
        ASYNC_WAIT_CTX_free(ctx);
    }
    simaccel_session_free(session);
    simaccel_engine_free(engine);
    ASYNC_cleanup_thread();
    printf("ok\n");
    return 0;
}
