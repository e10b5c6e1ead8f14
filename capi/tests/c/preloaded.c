/*
 * A program that is built without this library finds out whether it was preloaded: 1 or 0, or - where there is no
 * answer.
 */
#define _GNU_SOURCE 1
#include <dlfcn.h>
#include <stdio.h>

#include <openssl/async.h>

int main(void)
{
    int (*active)(void);

    *(void **)&active = dlsym(RTLD_DEFAULT, "simaccel_async_active");
    printf("%s %d\n", active == NULL ? "-" : active() ? "1" : "0", ASYNC_is_capable());
    return 0;
}
