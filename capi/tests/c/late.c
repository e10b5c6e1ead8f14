/*
 * Libraries that are loaded while the program runs. late CASE LIBRARY
 *
 * libcrypto   this library is linked, LIBRARY (libcrypto) is loaded later with local scope: a call of
 *             OSSL_LIB_CTX_set0_default still reaches it, and defaults are kept for each job
 * simaccel    nothing is linked; libcrypto is loaded, then LIBRARY (this one): the program's calls do not come through it
 */
#define _GNU_SOURCE 1
#include <dlfcn.h>
#include <string.h>

#include "check.h"

typedef void *(*set_default_fn)(void *);
typedef void *(*new_ctx_fn)(void);
typedef void (*free_ctx_fn)(void *);
typedef int (*start_fn)(ASYNC_JOB **, ASYNC_WAIT_CTX *, int *, int (*)(void *), void *, size_t);
typedef int (*pause_fn)(void);

static set_default_fn set_default;
static pause_fn pause_job;
static void *of_job;

static void *function(void *library, const char *name)
{
    void *found = dlsym(library, name);

    if (found == NULL)
        fprintf(stderr, "%s: %s\n", name, dlerror());
    CHECK(found != NULL);
    return found;
}

static int body(void *arg)
{
    (void)arg;
    set_default(of_job);
    pause_job();
    return set_default(NULL) == of_job;
}

#ifdef LINKED
void *OSSL_LIB_CTX_set0_default(void *ctx);
#endif

int main(int argc, char **argv)
{
    void *libcrypto, *before;
    ASYNC_JOB *job = NULL;
    start_fn start;
    int ret = 0;

    CHECK(argc == 3);
#ifdef LINKED
    /* A job before libcrypto is loaded. */
    pause_job = ASYNC_pause_job;
    start = ASYNC_start_job;
    CHECK(OSSL_LIB_CTX_set0_default(NULL) == NULL);
    set_default = OSSL_LIB_CTX_set0_default;
    CHECK(start(&job, NULL, &ret, body, NULL, 0) == ASYNC_PAUSE && start(&job, NULL, &ret, body, NULL, 0) == ASYNC_FINISH);
    CHECK(ret == 1);
    libcrypto = dlopen(argv[2], RTLD_NOW | RTLD_LOCAL);
    CHECK(libcrypto != NULL);
#else
    void *library;
    libcrypto = dlopen("libcrypto.so.3", RTLD_NOW | RTLD_GLOBAL);
    CHECK(libcrypto != NULL);
    library = dlopen(argv[2], RTLD_NOW | RTLD_LOCAL);
    CHECK(library != NULL);
    *(void **)&start = function(library, "ASYNC_start_job");
    *(void **)&pause_job = function(library, "ASYNC_pause_job");
    *(void **)&set_default = function(libcrypto, "OSSL_LIB_CTX_set0_default");
#endif
    {
        new_ctx_fn new_ctx;
        free_ctx_fn free_ctx;

        *(void **)&new_ctx = function(libcrypto, "OSSL_LIB_CTX_new");
        *(void **)&free_ctx = function(libcrypto, "OSSL_LIB_CTX_free");
        before = set_default(NULL);
        CHECK(before != NULL);
        of_job = new_ctx();
        CHECK(start(&job, NULL, &ret, body, NULL, 0) == ASYNC_PAUSE);
        CHECK(set_default(NULL) == before);
        CHECK(start(&job, NULL, &ret, body, NULL, 0) == ASYNC_FINISH && ret == 1);
        CHECK(set_default(NULL) == before);
        free_ctx(of_job);
    }
    printf("ok\n");
    return 0;
}
