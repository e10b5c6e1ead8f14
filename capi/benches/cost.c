/*
 * What a job costs through the C functions: this library's and libcrypto's, in turns, in one process. The best of
 * several rounds; prints nanoseconds of both, and theirs divided by ours.
 *
 * This library is linked. libcrypto is loaded so that its internal calls stay within it.
 */
#include <simaccel/async.h>

#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { ROUNDS = 15, OPS = 200000 };

struct library {
    int (*start)(ASYNC_JOB **, ASYNC_WAIT_CTX *, int *, int (*)(void *), void *, size_t);
    int (*pause)(void);
    ASYNC_WAIT_CTX *(*ctx_new)(void);
    ASYNC_WAIT_CTX *ctx;
};

static const struct library *current;

static void require(int condition, const char *what)
{
    if (!condition) {
        fprintf(stderr, "not so: %s\n", what);
        exit(1);
    }
}

static int pauses_once(void *arg)
{
    current->pause();
    return *(int *)arg;
}

static int returns(void *arg)
{
    return *(int *)arg;
}

static int pauses_for_ever(void *arg)
{
    (void)arg;
    while (current->pause() == 1)
        ;
    return 0;
}

static double cycle(const struct library *of)
{
    int i, ret = 0;

    for (i = 0; i < OPS; i++) {
        ASYNC_JOB *job = NULL;
        require(of->start(&job, of->ctx, &ret, pauses_once, &i, sizeof i) == ASYNC_PAUSE, "it pauses");
        require(of->start(&job, of->ctx, &ret, pauses_once, &i, sizeof i) == ASYNC_FINISH && ret == i, "it finishes");
    }
    return 0;
}

static double run_through(const struct library *of)
{
    int i, ret = 0;

    for (i = 0; i < OPS; i++) {
        ASYNC_JOB *job = NULL;
        require(of->start(&job, of->ctx, &ret, returns, &i, sizeof i) == ASYNC_FINISH && ret == i, "it finishes");
    }
    return 0;
}

/* The job is left paused, once per round. */
static double trip(const struct library *of)
{
    ASYNC_JOB *job = NULL;
    int i, ret = 0;

    for (i = 0; i < OPS; i++)
        require(of->start(&job, of->ctx, &ret, pauses_for_ever, NULL, 0) == ASYNC_PAUSE, "it pauses");
    return 0;
}

static double nanoseconds(double (*work)(const struct library *), const struct library *of)
{
    struct timespec before, after;

    current = of;
    clock_gettime(CLOCK_MONOTONIC, &before);
    work(of);
    clock_gettime(CLOCK_MONOTONIC, &after);
    return ((double)(after.tv_sec - before.tv_sec) * 1e9 + (double)(after.tv_nsec - before.tv_nsec)) / OPS;
}

int main(void)
{
    static const struct {
        const char *name;
        double (*work)(const struct library *);
    } works[] = {
        {"start, pause, resume, finish", cycle},
        {"start, finish", run_through},
        {"pause, resume", trip},
    };
    struct library ours = {ASYNC_start_job, ASYNC_pause_job, ASYNC_WAIT_CTX_new, NULL}, theirs;
    void *libcrypto = dlopen("libcrypto.so.3", RTLD_NOW | RTLD_LOCAL | RTLD_DEEPBIND);
    size_t i;
    int round;

    require(libcrypto != NULL, "libcrypto.so.3 is there");
    *(void **)&theirs.start = dlsym(libcrypto, "ASYNC_start_job");
    *(void **)&theirs.pause = dlsym(libcrypto, "ASYNC_pause_job");
    *(void **)&theirs.ctx_new = dlsym(libcrypto, "ASYNC_WAIT_CTX_new");
    require(theirs.start != NULL && theirs.pause != NULL && theirs.ctx_new != NULL, "libcrypto has jobs");
    require(theirs.start != ours.start, "these are two libraries");
    ours.ctx = ours.ctx_new();
    theirs.ctx = theirs.ctx_new();
    for (i = 0; i < sizeof works / sizeof works[0]; i++) {
        double best_of_ours = 1e9, best_of_theirs = 1e9;
        for (round = 0; round < ROUNDS; round++) {
            double one = nanoseconds(works[i].work, &ours), other = nanoseconds(works[i].work, &theirs);
            best_of_ours = one < best_of_ours ? one : best_of_ours;
            best_of_theirs = other < best_of_theirs ? other : best_of_theirs;
        }
        printf("%-30s %7.1f ns  libcrypto %7.1f ns  %5.2f times\n", works[i].name, best_of_ours, best_of_theirs,
               best_of_theirs / best_of_ours);
    }
    return 0;
}
