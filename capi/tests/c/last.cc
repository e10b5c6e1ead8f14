/*
 * The last that a thread and a process run: destructors of keys and of C++ thread-locals, atexit handlers, destructors of
 * C++ statics. Jobs run in all of them, and paused ones go on. Prints what happens: the same on both libraries, and one
 * line more on this one.
 */
#include "check.h"

#include <pthread.h>
#include <string.h>

static int key_of_fd;

static void cleans(ASYNC_WAIT_CTX *ctx, const void *key, OSSL_ASYNC_FD fd, void *data)
{
    (void)ctx, (void)key, (void)data;
    printf(" cleanup %d", fd);
}

static int pauses_twice(void *arg)
{
    (void)arg;
    CHECK(ASYNC_pause_job() == 1 && ASYNC_pause_job() == 1);
    return 7;
}

/* A job that was paused in good time, and its context. */
struct scene {
    ASYNC_WAIT_CTX *ctx;
    ASYNC_JOB *paused;
};

static struct scene *begin(void)
{
    struct scene *scene = (struct scene *)calloc(1, sizeof *scene);
    int ret = 0;

    scene->ctx = ASYNC_WAIT_CTX_new();
    CHECK(ASYNC_WAIT_CTX_set_wait_fd(scene->ctx, &key_of_fd, 42, NULL, cleans) == 1);
    CHECK(go(&scene->paused, scene->ctx, &ret, pauses_twice) == ASYNC_PAUSE);
    return scene;
}

static void runs_jobs(const char *where, struct scene *scene)
{
    ASYNC_JOB *job = NULL;
    int ret = -7, result, pauses = 0;

    printf("%s: capable %d", where, ASYNC_is_capable());
    while ((result = go(&job, scene->ctx, &ret, pauses_twice)) == ASYNC_PAUSE)
        pauses++;
    printf(" started %d ret %d pauses %d", result, ret, pauses);
    for (pauses = 0; (result = go(&scene->paused, scene->ctx, &ret, NULL)) == ASYNC_PAUSE;)
        pauses++;
    printf(" resumed %d ret %d pauses %d", result, ret, pauses);
    printf(" init %d", ASYNC_init_thread(0, 0));
    ASYNC_WAIT_CTX_free(scene->ctx);
    printf("\n");
    fflush(stdout);
    free(scene);
}

static pthread_key_t early_key, late_key;

static void early_key_ends(void *scene)
{
    runs_jobs("a key", (struct scene *)scene);
}

static void late_key_ends(void *scene)
{
    runs_jobs("a later key", (struct scene *)scene);
}

struct ends {
    const char *where;
    struct scene *scene;
    explicit ends(const char *where) : where(where), scene(NULL) {}
    ~ends()
    {
        if (scene != NULL)
            runs_jobs(where, scene);
    }
};

#ifndef AGAINST_LIBCRYPTO
/* Made before anything else, and destroyed after all: libcrypto has cleaned itself up by then. */
static ends at_the_very_end("the first static's destructor");
#endif
static thread_local ends older_than_the_jobs("an older thread-local");
static thread_local ends younger_than_the_jobs("a younger thread-local");

static void at_exit(void)
{
    static int calls;

    runs_jobs(calls++ == 0 ? "atexit" : "atexit, once more", begin());
}

static struct scene *for_exit;

static void at_exit_with_a_paused_job(void)
{
    runs_jobs("atexit, paused before", for_exit);
}

static void *in_thread(void *arg)
{
    int which = *(int *)arg;

    if (which == 0)
        CHECK(pthread_setspecific(early_key, begin()) == 0);
    if (which == 1)
        CHECK(pthread_setspecific(late_key, begin()) == 0);
    if (which == 2) {
        older_than_the_jobs.where = "an older thread-local";
        older_than_the_jobs.scene = begin();
    }
    if (which == 3) {
        struct scene *scene = begin();
        younger_than_the_jobs.scene = scene;
    }
    return NULL;
}

int main(void)
{
    pthread_t thread;
    int which;

    CHECK(pthread_key_create(&early_key, early_key_ends) == 0);
    /* The library has made what it needs by then. */
    runs_jobs("main", begin());
    CHECK(pthread_key_create(&late_key, late_key_ends) == 0);
    for (which = 0; which < 4; which++)
        CHECK(pthread_create(&thread, NULL, in_thread, &which) == 0 && pthread_join(thread, NULL) == 0);
    CHECK(atexit(at_exit) == 0);
    for_exit = begin();
    CHECK(atexit(at_exit_with_a_paused_job) == 0);
    CHECK(atexit(at_exit) == 0);
    static ends at_static_destruction("a static's destructor");
    at_static_destruction.scene = begin();
#ifndef AGAINST_LIBCRYPTO
    at_the_very_end.scene = begin();
#endif
    return 0;
}
