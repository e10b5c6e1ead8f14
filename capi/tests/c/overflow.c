/*
 * A job that overflows its stack, in C: by steps or by one large frame, in the main thread or another. The line that
 * names it goes to standard error; the test that runs this checks it. "ok" is printed where nothing overflows.
 */
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include <simaccel/async.h>
#include <simaccel/engine.h>

#include "check.h"

#define KIB 1024

/* One frame of 100 KiB, of which the lowest byte is touched first. */
static int one_large_frame(void *arg)
{
    volatile char frame[100 * KIB];

    (void)arg;
    frame[0] = 1;
    return frame[0];
}

static int by_steps(int bytes)
{
    volatile char frame[512];

    frame[0] = 1;
    return bytes < 0 ? 0 : by_steps(bytes - (int)sizeof frame) + frame[0];
}

static int many_frames(void *arg)
{
    (void)arg;
    return by_steps(1000 * KIB);
}

static int (*func)(void *) = one_large_frame;

static void *runs_a_job(void *arg)
{
    ASYNC_JOB *job = NULL;
    int ret = 0;

    (void)arg;
    CHECK(ASYNC_start_job(&job, NULL, &ret, func, NULL, 0) == ASYNC_FINISH);
    return NULL;
}

static void own_handler(int signal)
{
    static const char text[] = "the program's own handler\n";

    (void)signal;
    if (write(1, text, sizeof text - 1) < 0)
        _exit(9);
    _exit(7);
}

int main(int argc, char **argv)
{
    struct rlimit no_core = {0, 0};
    pthread_t thread;
    int i, in_thread = 0;

    setrlimit(RLIMIT_CORE, &no_core);
    for (i = 1; i < argc; i++) {
        if (strcmp(argv[i], "many-frames") == 0)
            func = many_frames;
        else if (strcmp(argv[i], "own-handler") == 0)
            CHECK(signal(SIGSEGV, own_handler) == SIG_DFL);
        else if (strcmp(argv[i], "in-a-thread") == 0)
            in_thread = 1;
        else if (strcmp(argv[i], "larger-stack") == 0)
            CHECK(simaccel_set_stack_size(1100 * KIB, 0) == SIMACCEL_OK);
        else if (strcmp(argv[i], "sizes") == 0) {
            CHECK(simaccel_set_stack_size(1, 0) == SIMACCEL_ERR_ARGUMENT);
            CHECK(strstr(simaccel_last_error(), "a stack of 1 bytes is not possible") != NULL);
            CHECK(simaccel_set_stack_size(0, (size_t)1 << 40) == SIMACCEL_ERR_ARGUMENT);
            CHECK(simaccel_set_stack_size(0, 0) == SIMACCEL_OK);
            CHECK(simaccel_set_stack_size(256 * KIB, 128 * KIB) == SIMACCEL_OK);
        } else
            CHECK(0 && "no such case");
    }
    if (in_thread) {
        CHECK(pthread_create(&thread, NULL, runs_a_job, NULL) == 0);
        CHECK(pthread_join(thread, NULL) == 0);
    } else
        runs_a_job(NULL);
    printf("ok\n");
    return 0;
}
