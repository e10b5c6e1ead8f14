/*
 * Sessions that are freed while operations use them: by the thread that made them or another, of which either uses
 * them; while a job is paused in one, while a call blocks in one, from a callback, and before a fork. A session keeps
 * its device open, so the device's thread shows whether the session has gone.
 */
#include "engines.h"

#include <dirent.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

/* Threads of devices. */
static int workers(void)
{
    DIR *tasks = opendir("/proc/self/task");
    struct dirent *task;
    int count = 0;

    CHECK(tasks != NULL);
    while ((task = readdir(tasks)) != NULL) {
        char path[64], name[32] = "";
        FILE *file;

        if (task->d_name[0] == '.')
            continue;
        snprintf(path, sizeof path, "/proc/self/task/%.20s/comm", task->d_name);
        file = fopen(path, "r");
        if (file == NULL)
            continue;
        count += fgets(name, sizeof name, file) != NULL && strncmp(name, "device-sim", 10) == 0;
        fclose(file);
    }
    closedir(tasks);
    return count;
}

/* A thread that has ended may be listed a moment longer. */
static void device_ends(void)
{
    while (workers() > 0)
        sched_yield();
}

struct work {
    simaccel_engine *engine;
    simaccel_session *session;
    unsigned char out[16];
    int is_blocked;
    ASYNC_WAIT_CTX *ctx;
    ASYNC_JOB *job;
};

static void *makes(void *arg)
{
    struct work *work = (struct work *)arg;

    work->session = session_of(work->engine, "aes-256-ctr", ctr_key, 32, NULL);
    return NULL;
}

static void *frees(void *arg)
{
    simaccel_session_free((simaccel_session *)arg);
    return NULL;
}

static void in_thread(void *(*function)(void *), void *arg)
{
    pthread_t thread;

    CHECK(pthread_create(&thread, NULL, function, arg) == 0 && pthread_join(thread, NULL) == 0);
}

static int encrypts(void *arg)
{
    struct work *work = *(struct work **)arg;

    OK(simaccel_encrypt(work->session, ctr_iv, 16, ctr_plain, 16, work->out, 16, NULL));
    return 1;
}

static int go_on(struct work *work)
{
    int ret;

    return ASYNC_start_job(&work->job, work->ctx, &ret, encrypts, &work, sizeof work);
}

static void finish(struct work *work)
{
    struct pollfd fds = {-1, POLLIN, 0};
    size_t count = 0;

    do
        CHECK(ASYNC_WAIT_CTX_get_all_fds(work->ctx, &fds.fd, &count) == 1 && poll(&fds, 1, -1) == 1);
    while (go_on(work) == ASYNC_PAUSE);
    CHECK(memcmp(work->out, ctr_cipher, 16) == 0);
}

enum { MADE_ELSEWHERE = 1, FREED_ELSEWHERE = 2, DISCARDED = 4, CASES = 8 };

static void in_paused_jobs(int which)
{
    struct work work = {open_engine("completion_nsec=1000", 0), NULL, {0}, 0, ASYNC_WAIT_CTX_new(), NULL};
    struct work second = {NULL, NULL, {0}, 0, ASYNC_WAIT_CTX_new(), NULL};

    if (which & MADE_ELSEWHERE)
        in_thread(makes, &work);
    else
        makes(&work);
    second.session = work.session;
    CHECK(go_on(&work) == ASYNC_PAUSE && go_on(&second) == ASYNC_PAUSE);
    if (which & FREED_ELSEWHERE)
        in_thread(frees, work.session);
    else
        frees(work.session);
    simaccel_engine_free(work.engine);
    finish(&second);
    CHECK(workers() == 1);
    if (which & DISCARDED)
        ASYNC_cleanup_thread();
    else
        finish(&work);
    device_ends();
    ASYNC_WAIT_CTX_free(work.ctx);
    ASYNC_WAIT_CTX_free(second.ctx);
}

static void *blocks(void *arg)
{
    struct work *work = (struct work *)arg;

    makes(work);
    __atomic_store_n(&work->is_blocked, 1, __ATOMIC_RELEASE);
    OK(simaccel_encrypt(work->session, ctr_iv, 16, ctr_plain, 16, work->out, 16, NULL));
    CHECK(memcmp(work->out, ctr_cipher, 16) == 0);
    return NULL;
}

/* As the call blocks, about when it returns, or afterwards. */
static void in_a_call_that_blocks(int rounds)
{
    int round;

    for (round = 0; round < rounds; round++) {
        struct work work = {open_engine("completion_nsec=20000", 0), NULL, {0}, 0, NULL, NULL};
        pthread_t thread;
        volatile int wait;

        CHECK(pthread_create(&thread, NULL, blocks, &work) == 0);
        while (!__atomic_load_n(&work.is_blocked, __ATOMIC_ACQUIRE) || stat_of(work.engine, "operations") == 0)
            sched_yield();
        for (wait = 0; wait < round * 200 % 40000; wait++)
            ;
        simaccel_session_free(work.session);
        simaccel_engine_free(work.engine);
        CHECK(pthread_join(thread, NULL) == 0);
        device_ends();
    }
}

static void frees_from_a_poll(struct async_job_st *job, void *arg)
{
    struct work *work = (struct work *)arg;

    CHECK(job == work->job);
    simaccel_session_free(work->session);
    CHECK(go_on(work) == ASYNC_FINISH && memcmp(work->out, ctr_cipher, 16) == 0);
    CHECK(workers() == 1);
}

static void from_a_callback(void)
{
    struct work work = {open_engine("delivery=poll", 0), NULL, {0}, 0, ASYNC_WAIT_CTX_new(), NULL};
    size_t count = 0;

    makes(&work);
    CHECK(go_on(&work) == ASYNC_PAUSE);
    while (count == 0)
        OK(simaccel_poll(work.engine, 1, frees_from_a_poll, &work, &count));
    simaccel_engine_free(work.engine);
    device_ends();
    ASYNC_WAIT_CTX_free(work.ctx);
}

/* A child begins with what was freed in use, and frees sessions of its own in use. */
static void before_a_fork(void)
{
    struct work work = {open_engine("completion_nsec=1000000", 0), NULL, {0}, 0, ASYNC_WAIT_CTX_new(), NULL};
    pid_t child;
    int status = -1;

    makes(&work);
    CHECK(go_on(&work) == ASYNC_PAUSE);
    frees(work.session);
    child = fork();
    CHECK(child >= 0);
    if (child == 0) {
        ASYNC_WAIT_CTX_free(work.ctx);
        in_paused_jobs(0);
        in_paused_jobs(FREED_ELSEWHERE);
        /* Success. With exit, valgrind would report what the parent's threads own, which do not exist here. */
        raise(SIGKILL);
    }
    CHECK(waitpid(child, &status, 0) == child && WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
    finish(&work);
    simaccel_engine_free(work.engine);
    device_ends();
    ASYNC_WAIT_CTX_free(work.ctx);
}

int main(int argc, char **argv)
{
    int which;

    for (which = 0; which < CASES; which++)
        in_paused_jobs(which);
    in_a_call_that_blocks(argc > 1 ? atoi(argv[1]) : 200);
    from_a_callback();
    before_a_fork();
    puts("ok");
    return 0;
}
