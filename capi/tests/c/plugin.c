/* A C program whose jobs have run for a while when it loads a plugin in C++ (its argument), for itself alone, and the C++
   runtime with it: jobs that begin in the plugin have their own exceptions. */
#include "check.h"

#include <dlfcn.h>

static int pauses(void *argument)
{
    CHECK(ASYNC_pause_job() == 1);
    return argument == NULL;
}

int main(int count, char **arguments)
{
    void *plugin, (*all_exceptions)(void);
    ASYNC_JOB *job = NULL;
    int ret = 0;

    CHECK(count == 2);
    CHECK(dlsym(RTLD_DEFAULT, "__cxa_get_globals") == NULL);
    for (int i = 0; i < 3; i++) {
        CHECK(go(&job, NULL, &ret, pauses) == ASYNC_PAUSE);
        CHECK(go(&job, NULL, &ret, pauses) == ASYNC_FINISH && ret == 1);
    }
    plugin = dlopen(arguments[1], RTLD_NOW | RTLD_LOCAL);
    CHECK(plugin != NULL);
    CHECK(dlsym(RTLD_DEFAULT, "__cxa_get_globals") == NULL);
    *(void **)&all_exceptions = dlsym(plugin, "all_exceptions");
    CHECK(all_exceptions != NULL);
    all_exceptions();
    CHECK(dlclose(plugin) == 0);
    CHECK(go(&job, NULL, &ret, pauses) == ASYNC_PAUSE);
    CHECK(go(&job, NULL, &ret, pauses) == ASYNC_FINISH && ret == 1);
    printf("ok\n");
}
