/* Shared by the C tests: the interface under test, and a check that reports where it failed. */
#ifndef CHECK_H
#define CHECK_H

#ifdef AGAINST_LIBCRYPTO
#include <openssl/async.h>
#else
#include <simaccel/async.h>
#include <simaccel/engine.h>
#endif

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CHECK(condition)                                                                          \
    do {                                                                                          \
        if (!(condition)) {                                                                       \
            fprintf(stderr, "%s:%d: %s: not so: %s\n", __FILE__, __LINE__, __func__, #condition); \
            exit(1);                                                                              \
        }                                                                                         \
    } while (0)

#ifndef AGAINST_LIBCRYPTO
#define OK(call)                                                                                                       \
    do {                                                                                                               \
        simaccel_result result_ = (call);                                                                              \
        if (result_ != SIMACCEL_OK) {                                                                                  \
            fprintf(stderr, "%s:%d: %s: %s: %s\n", __FILE__, __LINE__, #call, simaccel_result_name(result_),           \
                    simaccel_last_error());                                                                            \
            exit(1);                                                                                                   \
        }                                                                                                              \
    } while (0)

#define FAILS(code, words, call)                                                                                       \
    do {                                                                                                               \
        simaccel_result result_ = (call);                                                                              \
        if (result_ != (code) || strstr(simaccel_last_error(), (words)) == NULL) {                                     \
            fprintf(stderr, "%s:%d: %s: %s: %s\n", __FILE__, __LINE__, #call, simaccel_result_name(result_),           \
                    simaccel_last_error());                                                                            \
            exit(1);                                                                                                   \
        }                                                                                                              \
    } while (0)
#endif

/* Starts or resumes a job without arguments. */
static inline int go(ASYNC_JOB **job, ASYNC_WAIT_CTX *ctx, int *ret, int (*func)(void *))
{
    return ASYNC_start_job(job, ctx, ret, func, NULL, 0);
}

#endif
