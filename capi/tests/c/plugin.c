/*
 * A C program that loads a C++ plugin (its argument) with local scope, and the C++ runtime with it, after its jobs have
 * run for a while: jobs that begin in the plugin have their own exceptions, also the first ones of several threads at
 * once.
 */
#include "check.h"

#include <dlfcn.h>
#include <pthread.h>
#include <stdatomic.h>

enum { THREADS = 3 };

static atomic_int ready, loaded;
static void (*all_exceptions)(void);

static void *begins_in_the_plugin(void *argument)
{
    CHECK(ASYNC_init_thread(100, 10) == 1);
    ready++;
    while (!loaded)
        continue;
    all_exceptions();
    return argument;
}

static int pauses(void *argument)
{
    CHECK(ASYNC_pause_job() == 1);
    return argument == NULL;
}

int main(int count, char **arguments)
{
    pthread_t threads[THREADS];
    ASYNC_JOB *job = NULL;
    void *plugin;
    int ret = 0;

    CHECK(count == 2);
    CHECK(dlsym(RTLD_DEFAULT, "__cxa_get_globals") == NULL);
    for (int i = 0; i < 3; i++) {
        CHECK(go(&job, NULL, &ret, pauses) == ASYNC_PAUSE);
        CHECK(go(&job, NULL, &ret, pauses) == ASYNC_FINISH && ret == 1);
    }
    for (int i = 0; i < THREADS; i++)
        CHECK(pthread_create(&threads[i], NULL, begins_in_the_plugin, NULL) == 0);
    while (ready < THREADS)
        continue;
    plugin = dlopen(arguments[1], RTLD_NOW | RTLD_LOCAL);
    CHECK(plugin != NULL);
    CHECK(dlsym(RTLD_DEFAULT, "__cxa_get_globals") == NULL);
    *(void **)&all_exceptions = dlsym(plugin, "all_exceptions");
    CHECK(all_exceptions != NULL);
    loaded = 1;
    all_exceptions();
    for (int i = 0; i < THREADS; i++)
        CHECK(pthread_join(threads[i], NULL) == 0);
    CHECK(dlclose(plugin) == 0);
    CHECK(go(&job, NULL, &ret, pauses) == ASYNC_PAUSE);
    CHECK(go(&job, NULL, &ret, pauses) == ASYNC_FINISH && ret == 1);
    printf("ok\n");
}
