/*
 * The library is opened, used in a thread, and closed again; its process-wide registrations must stay valid.
 * Then the program faults, and its own handler, which was there before, is called.
 */
#include <dlfcn.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "check.h"

static int (*start_job)(ASYNC_JOB **, ASYNC_WAIT_CTX *, int *, int (*)(void *), void *, size_t);

static int returns_3(void *arg)
{
    (void)arg;
    return 3;
}

static void *runs_a_job(void *arg)
{
    ASYNC_JOB *job = NULL;
    int ret = 0;

    (void)arg;
    CHECK(start_job(&job, NULL, &ret, returns_3, NULL, 0) == ASYNC_FINISH && ret == 3);
    return NULL;
}

static void leaves_with_7(int signal)
{
    (void)signal;
    _exit(7);
}

int main(int argc, char **argv)
{
    pthread_t thread;
    void *library;
    int i;

    CHECK(argc == 2 && signal(SIGSEGV, leaves_with_7) == SIG_DFL);
    for (i = 0; i < 3; i++) {
        library = dlopen(argv[1], RTLD_NOW | RTLD_LOCAL);
        CHECK(library != NULL);
        *(void **)&start_job = dlsym(library, "ASYNC_start_job");
        CHECK(start_job != NULL);
        CHECK(pthread_create(&thread, NULL, runs_a_job, NULL) == 0 && pthread_join(thread, NULL) == 0);
        CHECK(dlclose(library) == 0);
    }
    *(volatile int *)16 = 1;
    return 0;
}
