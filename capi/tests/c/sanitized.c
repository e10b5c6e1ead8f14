/*
 * What a sanitizer has to understand about jobs: abandoned frames, jumps within a job, switches, and mistakes of a
 * program in a job. Compiled with -fsanitize=address or =thread. "ok" is printed where the program makes no mistake.
 */
#include <pthread.h>
#include <setjmp.h>
#include <string.h>

#include "check.h"

#define ROUNDS 300

__attribute__((noinline)) static void fill(volatile char *place, int size)
{
    int i;

    for (i = 0; i < size; i++)
        place[i] = (char)i;
}

static int many_small_variables(void *arg)
{
    volatile char one[40], two[40], three[40], four[40], five[40];

    (void)arg;
    fill(one, 40), fill(two, 40), fill(three, 40), fill(four, 40), fill(five, 40);
    ASYNC_pause_job();
    return one[3] + two[3] + three[3] + four[3] + five[1];
}

__attribute__((noinline)) static int deep(int levels)
{
    volatile char frame[48];

    fill(frame, 48);
    return levels == 0 ? many_small_variables(NULL) + frame[1] : deep(levels - 1) + frame[0];
}

static int pauses_deep_down(void *arg)
{
    (void)arg;
    return deep(40);
}

static int one_large_variable(void *arg)
{
    volatile char large[12000];

    (void)arg;
    fill(large, 12000);
    return large[17];
}

static void large_ones_are_right(void)
{
    ASYNC_JOB *job = NULL;
    int ret = 0;

    CHECK(go(&job, NULL, &ret, one_large_variable) == ASYNC_FINISH && ret == 17);
}

/* Jobs are discarded in all ways; later jobs use their stacks. */
static void discarded(void)
{
    ASYNC_JOB *job;
    ASYNC_WAIT_CTX *ctx;
    int i, ret = 0;

    for (i = 0; i < ROUNDS; i++) {
        ctx = ASYNC_WAIT_CTX_new();
        job = NULL;
        CHECK(go(&job, ctx, &ret, i % 2 ? many_small_variables : pauses_deep_down) == ASYNC_PAUSE);
        ASYNC_WAIT_CTX_free(ctx);
        large_ones_are_right();
        job = NULL;
        CHECK(go(&job, NULL, &ret, pauses_deep_down) == ASYNC_PAUSE);
        if (i % 10 == 0)
            ASYNC_cleanup_thread();
        else
            CHECK(go(&job, NULL, &ret, NULL) == ASYNC_FINISH);
        large_ones_are_right();
    }
}

static void *ends_with_a_paused_job(void *arg)
{
    ASYNC_JOB *job = NULL;
    int ret = 0;

    (void)arg;
    CHECK(go(&job, NULL, &ret, pauses_deep_down) == ASYNC_PAUSE);
    large_ones_are_right();
    return NULL;
}

static void *does_the_same(void *arg)
{
    (void)arg;
    discarded();
    return ends_with_a_paused_job(NULL);
}

static void in_threads(void)
{
    pthread_t threads[4];
    int i, round;

    for (round = 0; round < 10; round++) {
        for (i = 0; i < 4; i++)
            CHECK(pthread_create(&threads[i], NULL, round ? ends_with_a_paused_job : does_the_same, NULL) == 0);
        for (i = 0; i < 4; i++)
            CHECK(pthread_join(threads[i], NULL) == 0);
    }
}

static jmp_buf before;
static volatile int jump = 1;

__attribute__((noinline)) static void jumps_back(int levels)
{
    volatile char frame[64];

    fill(frame, 64);
    if (levels > 0)
        jumps_back(levels - 1);
    else if (jump)
        longjmp(before, 1);
    fill(frame, 64);
}

/* A jump within the job's frames, which makes a sanitizer look at the bounds of the stack. */
static int jumps(void *arg)
{
    volatile int paused = 0;

    (void)arg;
    if (setjmp(before) == 0)
        jumps_back(20);
    if (!paused++)
        ASYNC_pause_job();
    return one_large_variable(NULL);
}

static int resumes_another(void *arg)
{
    ASYNC_JOB *inner = NULL;
    int ret = 0;

    CHECK(go(&inner, NULL, &ret, jumps) == ASYNC_PAUSE);
    CHECK(setjmp(before) != 0 || (jumps_back(5), 0));
    ASYNC_pause_job();
    CHECK(go(&inner, NULL, &ret, jumps) == ASYNC_FINISH && ret == 17);
    return jumps(arg);
}

static void jumping(void)
{
    ASYNC_JOB *job = NULL;
    int i, ret = 0;

    for (i = 0; i < ROUNDS; i++) {
        CHECK(go(&job, NULL, &ret, resumes_another) == ASYNC_PAUSE);
        if (setjmp(before) == 0)
            jumps_back(10);
        CHECK(go(&job, NULL, &ret, NULL) == ASYNC_PAUSE);
        CHECK(go(&job, NULL, &ret, NULL) == ASYNC_FINISH && ret == 17);
    }
}

__attribute__((noinline)) static int writes_beyond_its_variable(void *arg)
{
    volatile char small[40], other[40];

    (void)arg;
    ASYNC_pause_job();
    fill(other, 40);
    fill(small, 41);
    return small[1] + other[1];
}

static void mistake_in_memory(void)
{
    ASYNC_JOB *job = NULL;
    int ret = 0;

    CHECK(go(&job, NULL, &ret, writes_beyond_its_variable) == ASYNC_PAUSE);
    go(&job, NULL, &ret, NULL);
}

static int shared;

__attribute__((noinline)) static void counts(void)
{
    shared++;
}

/* Many times: the sanitizer misses a race whose two accesses meet in the same moment. */
__attribute__((noinline)) static int counts_without_a_lock(void *arg)
{
    int i;

    (void)arg;
    ASYNC_pause_job();
    for (i = 0; i < 1000; i++)
        counts();
    return 1;
}

/* The frames of the job that was discarded before are not part of the report. */
static void *runs_it(void *arg)
{
    ASYNC_WAIT_CTX *ctx = ASYNC_WAIT_CTX_new();
    ASYNC_JOB *job = NULL;
    int ret = 0;

    (void)arg;
    CHECK(go(&job, ctx, &ret, pauses_deep_down) == ASYNC_PAUSE);
    ASYNC_WAIT_CTX_free(ctx);
    job = NULL;
    CHECK(go(&job, NULL, &ret, counts_without_a_lock) == ASYNC_PAUSE);
    CHECK(go(&job, NULL, &ret, NULL) == ASYNC_FINISH);
    return NULL;
}

static void mistake_of_threads(void)
{
    pthread_t threads[2];
    int i;

    for (i = 0; i < 2; i++)
        CHECK(pthread_create(&threads[i], NULL, runs_it, NULL) == 0);
    for (i = 0; i < 2; i++)
        CHECK(pthread_join(threads[i], NULL) == 0);
}

int main(int argc, char **argv)
{
    const char *name = argc > 1 ? argv[1] : "";

    if (strcmp(name, "discarded") == 0)
        discarded();
    else if (strcmp(name, "in-threads") == 0)
        in_threads();
    else if (strcmp(name, "jumping") == 0)
        jumping();
    else if (strcmp(name, "mistake-in-memory") == 0)
        mistake_in_memory();
    else if (strcmp(name, "mistake-of-threads") == 0)
        mistake_of_threads();
    else
        CHECK(0 && "no such case");
    ASYNC_cleanup_thread();
    printf("ok\n");
    return 0;
}
