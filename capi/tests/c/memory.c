/*
 * Stacks from the program's own functions: statements 57, 58, 59, 60, 61. One process per case, because the functions
 * belong to the process: memory CASE.
 */
#include "check.h"

#include <pthread.h>
#include <stdint.h>
#include <string.h>

static int allocated, freed, freed_null, failing;
static size_t asked, give;

static void *alloc_stack(size_t *num)
{
    allocated++;
    asked = *num;
    if (failing)
        return NULL;
    if (give)
        *num = give;
    return malloc(*num);
}

static void free_stack(void *addr)
{
    if (addr == NULL)
        freed_null++;
    else
        freed++;
    free(addr);
}

static int deep(void *arg)
{
    volatile char large[200 * 1024];

    (void)arg;
    memset((char *)large, 3, sizeof large);
    CHECK(ASYNC_pause_job() == 1);
    return large[0] + large[sizeof large - 1];
}

static int shallow(void *arg)
{
    (void)arg;
    CHECK(ASYNC_pause_job() == 1);
    return 4;
}

/* 58, 59, 61: set before the first stack, used, freed, and fixed from then on. */
static void own_functions(void)
{
    ASYNC_stack_alloc_fn alloc_fn = NULL, alloc_default = NULL;
    ASYNC_stack_free_fn free_fn = NULL, free_default = NULL;
    ASYNC_JOB *job = NULL, *paused = NULL;
    size_t size = 1000;
    void *memory;
    int ret = 0;

    ASYNC_get_mem_functions(&alloc_default, &free_default);
    CHECK(alloc_default != NULL && free_default != NULL);
    memory = alloc_default(&size);
    CHECK(memory != NULL && size == 1000);
    memset(memory, 1, 1000);
    free_default(memory);
    CHECK(ASYNC_set_mem_functions(alloc_stack, NULL) == 1);
    ASYNC_get_mem_functions(&alloc_fn, &free_fn);
    CHECK(alloc_fn == alloc_stack && free_fn == free_default);
    CHECK(ASYNC_set_mem_functions(NULL, free_stack) == 1 && ASYNC_set_mem_functions(NULL, NULL) == 1);
    ASYNC_get_mem_functions(&alloc_fn, NULL);
    ASYNC_get_mem_functions(NULL, &free_fn);
    CHECK(alloc_fn == alloc_stack && free_fn == free_stack);

    CHECK(ASYNC_init_thread(3, 2) == 1 && allocated == 2 && asked == 32768);
    CHECK(ASYNC_set_mem_functions(alloc_stack, free_stack) == 0);
    CHECK(go(&job, NULL, &ret, shallow) == ASYNC_PAUSE && go(&job, NULL, &ret, shallow) == ASYNC_FINISH && ret == 4);
    CHECK(allocated == 2);
    CHECK(go(&paused, NULL, &ret, shallow) == ASYNC_PAUSE);
    ASYNC_cleanup_thread();
    CHECK(freed == 2 && freed_null == 0);
    CHECK(ASYNC_set_mem_functions(alloc_stack, free_stack) == 0);
    give = 512 * 1024;
    CHECK(go(&job, NULL, &ret, deep) == ASYNC_PAUSE && go(&job, NULL, &ret, deep) == ASYNC_FINISH && ret == 6);
    ASYNC_cleanup_thread();
    CHECK(allocated == 3 && freed == 3);
}

/* 27, 48, 60: without memory there are no jobs, and the free function is called. */
static void no_memory(void)
{
    ASYNC_JOB *job = NULL;
    int ret = -7;

    failing = 1;
    CHECK(ASYNC_set_mem_functions(alloc_stack, free_stack) == 1);
    CHECK(ASYNC_init_thread(2, 2) == 1);
    CHECK(go(&job, NULL, &ret, shallow) == ASYNC_NO_JOBS && job == NULL && ret == -7);
    CHECK(freed_null >= 2 && freed == 0);
    CHECK(ASYNC_set_mem_functions(alloc_stack, free_stack) == 0);
    failing = 0;
    CHECK(go(&job, NULL, &ret, shallow) == ASYNC_PAUSE && go(&job, NULL, &ret, shallow) == ASYNC_FINISH);
    ASYNC_cleanup_thread();
    CHECK(freed == 1);
}

/* 58: without custom functions the first stack ends the choice, too. */
static void too_late(void)
{
    ASYNC_JOB *job = NULL;
    int ret = 0;

    CHECK(go(&job, NULL, &ret, shallow) == ASYNC_PAUSE);
    CHECK(ASYNC_set_mem_functions(alloc_stack, free_stack) == 0);
    CHECK(go(&job, NULL, &ret, shallow) == ASYNC_FINISH && allocated == 0);
    ASYNC_cleanup_thread();
}

static void *in_thread(void *arg)
{
    ASYNC_JOB *job = NULL;
    int ret;

    (void)arg;
    CHECK(go(&job, NULL, &ret, shallow) == ASYNC_PAUSE);
    return NULL;
}

/* 52: the end of a thread frees the stacks of its paused jobs. */
static void thread_end(void)
{
    pthread_t thread;

    CHECK(ASYNC_set_mem_functions(alloc_stack, free_stack) == 1);
    CHECK(pthread_create(&thread, NULL, in_thread, NULL) == 0 && pthread_join(thread, NULL) == 0);
    CHECK(allocated == 1 && freed == 1);
}

int main(int argc, char **argv)
{
    CHECK(argc >= 2);
    if (strcmp(argv[1], "own-functions") == 0)
        own_functions();
    else if (strcmp(argv[1], "no-memory") == 0)
        no_memory();
    else if (strcmp(argv[1], "too-late") == 0)
        too_late();
    else if (strcmp(argv[1], "thread-end") == 0)
        thread_end();
    else
        CHECK(!"no such case");
    printf("ok\n");
    return 0;
}
