/*
 * Operations of the engine in the last jobs of a thread and a process: in the destructor of a key, and in an atexit
 * handler. The argument is the engine's configuration.
 */
#include "check.h"

#include <poll.h>
#include <pthread.h>
#include <string.h>

static simaccel_engine *engine;
static simaccel_session *session;
static int is_polled;

static int digests(void *arg)
{
    unsigned char out[32];
    size_t len = 0;

    (void)arg;
    return simaccel_digest(session, "x", 1, out, sizeof out, &len) == SIMACCEL_OK && len == 32 && out[0] == 0x2d;
}

struct scene {
    ASYNC_WAIT_CTX *ctx;
    ASYNC_JOB *paused;
};

static void goes_on(ASYNC_JOB *job, void *arg)
{
    if (job == *(ASYNC_JOB **)arg)
        *(ASYNC_JOB **)arg = NULL;
}

/* Waits like an application: for the job's token, or its fd. */
static void waits(struct scene *scene, ASYNC_JOB *job)
{
    struct pollfd fds[4];
    OSSL_ASYNC_FD all[4];
    size_t count = 0, i;

    while (is_polled && job != NULL)
        CHECK(simaccel_poll(engine, 8, goes_on, &job, NULL) == SIMACCEL_OK);
    if (is_polled)
        return;
    CHECK(ASYNC_WAIT_CTX_get_all_fds(scene->ctx, NULL, &count) == 1 && count <= 4);
    CHECK(ASYNC_WAIT_CTX_get_all_fds(scene->ctx, all, &count) == 1);
    for (i = 0; i < count; i++)
        fds[i] = (struct pollfd){all[i], POLLIN, 0};
    CHECK(poll(fds, (nfds_t)count, -1) > 0);
}

static struct scene *begin(void)
{
    struct scene *scene = (struct scene *)calloc(1, sizeof *scene);
    int ret = 0;

    scene->ctx = ASYNC_WAIT_CTX_new();
    CHECK(go(&scene->paused, scene->ctx, &ret, digests) == ASYNC_PAUSE);
    return scene;
}

/* A poll returns no tokens any more for a job that was paused before; resume it until it has finished. */
static void ends(void *arg)
{
    struct scene *scene = (struct scene *)arg;
    ASYNC_JOB *job = NULL;
    int ret = 0, result;

    while ((result = go(&scene->paused, scene->ctx, &ret, NULL)) == ASYNC_PAUSE)
        waits(scene, is_polled ? NULL : scene->paused);
    CHECK(result == ASYNC_FINISH && ret == 1);
    while ((result = go(&job, scene->ctx, &ret, digests)) == ASYNC_PAUSE)
        waits(scene, job);
    CHECK(result == ASYNC_FINISH && ret == 1);
    CHECK(digests(NULL) == 1);
    ASYNC_WAIT_CTX_free(scene->ctx);
    free(scene);
}

static pthread_key_t key;

static void *in_thread(void *arg)
{
    CHECK(pthread_setspecific(key, begin()) == 0);
    return arg;
}

/* The process's mapped memory, which includes the stacks of jobs. */
static long mapped(void)
{
    FILE *file = fopen("/proc/self/statm", "r");
    long pages = 0;

    CHECK(file != NULL && fscanf(file, "%ld", &pages) == 1);
    fclose(file);
    return pages;
}

static struct scene *for_exit;

static void at_exit(void)
{
    ends(for_exit);
    printf("ok\n");
    fflush(stdout);
}

int main(int argc, char **argv)
{
    pthread_t thread;
    long before = 0;
    int i;

    CHECK(argc > 1 && pthread_key_create(&key, ends) == 0);
    is_polled = strstr(argv[1], "poll") != NULL;
    CHECK(simaccel_engine_open(argv[1], &engine) == SIMACCEL_OK);
    CHECK(simaccel_session_new(engine, "sha256", NULL, 0, NULL, &session) == SIMACCEL_OK);
    for (i = 0; i < 100; i++) {
        CHECK(pthread_create(&thread, NULL, in_thread, NULL) == 0 && pthread_join(thread, NULL) == 0);
        if (i == 20)
            before = mapped();
    }
    /* A pool has more than a megabyte of stacks. */
    CHECK(mapped() < before + 20 * 256);
    for_exit = begin();
    CHECK(atexit(at_exit) == 0);
    return 0;
}
