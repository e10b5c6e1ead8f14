/*
 * Statement 55: a job and its application each keep their own default library context of libcrypto. Prints what it
 * sees, for comparison between this library (ahead of libcrypto) and libcrypto alone. lib_ctx CASE; each case is a
 * process, because the first call that sets a default is special.
 */
#include "check.h"

#include <openssl/crypto.h>
#include <string.h>

static OSSL_LIB_CTX *contexts[4];

/* 0 for the global one. */
static int now(void)
{
    OSSL_LIB_CTX *ctx = OSSL_LIB_CTX_set0_default(NULL);
    int i;

    for (i = 0; i < 4; i++)
        if (ctx == contexts[i])
            return i + 1;
    return ctx == OSSL_LIB_CTX_get0_global_default() ? 0 : -1;
}

static void use(int i)
{
    CHECK(OSSL_LIB_CTX_set0_default(i ? contexts[i - 1] : OSSL_LIB_CTX_get0_global_default()) != NULL);
}

static int body(void *arg)
{
    int own = *(int *)arg;

    printf("job %d begins with %d\n", own, now());
    if (own)
        use(own);
    ASYNC_pause_job();
    printf("job %d has %d\n", own, now());
    if (own)
        use(0);
    ASYNC_pause_job();
    printf("job %d has %d in the end\n", own, now());
    if (own)
        use(own);
    return own;
}

static void step(ASYNC_JOB **job, int own)
{
    int ret = -1, did = ASYNC_start_job(job, NULL, &ret, body, &own, sizeof own);

    printf("step of %d: %d ret %d, outside %d\n", own, did, ret, now());
}

/* libcrypto crashes on a job without a context that pauses. */
static ASYNC_WAIT_CTX *wait_ctx;

static void with_ctx(ASYNC_JOB **job, int own)
{
    int ret = -1, did = ASYNC_start_job(job, wait_ctx, &ret, body, &own, sizeof own);

    printf("step of %d: %d ret %d, outside %d\n", own, did, ret, now());
}

static void first_in_a_job(void)
{
    ASYNC_JOB *one = NULL, *two = NULL, *none = NULL;

    with_ctx(&none, 0);
    with_ctx(&one, 1);
    with_ctx(&two, 2);
    with_ctx(&none, 0);
    with_ctx(&one, 1);
    use(3);
    with_ctx(&two, 2);
    with_ctx(&none, 0);
    with_ctx(&one, 1);
    with_ctx(&two, 2);
    use(0);
    with_ctx(&none, 0);
}

static void first_outside(void)
{
    ASYNC_JOB *one = NULL, *none = NULL;

    use(4);
    with_ctx(&one, 1);
    with_ctx(&none, 0);
    use(3);
    with_ctx(&one, 1);
    with_ctx(&none, 0);
    with_ctx(&one, 1);
    with_ctx(&one, 1);
    use(0);
    with_ctx(&one, 1);
    with_ctx(&one, 1);
}

#ifndef AGAINST_LIBCRYPTO
static int nests(void *arg)
{
    ASYNC_JOB *inner = NULL;

    (void)arg;
    step(&inner, 1);
    CHECK(now() == 0);
    use(2);
    step(&inner, 1);
    CHECK(now() == 2);
    ASYNC_pause_job();
    CHECK(now() == 2);
    step(&inner, 1);
    return now();
}

/* Nested jobs, which only this library has; the first default is set in the innermost one. */
static void nested(void)
{
    ASYNC_JOB *job = NULL;
    int ret = -1;

    CHECK(go(&job, NULL, &ret, nests) == ASYNC_PAUSE && now() == 0);
    use(3);
    CHECK(go(&job, NULL, &ret, nests) == ASYNC_FINISH && ret == 2 && now() == 3);
}
#endif

int main(int argc, char **argv)
{
    int i;

    CHECK(argc == 2);
    wait_ctx = ASYNC_WAIT_CTX_new();
    for (i = 0; i < 4; i++)
        CHECK((contexts[i] = OSSL_LIB_CTX_new()) != NULL);
    if (strcmp(argv[1], "first-in-a-job") == 0)
        first_in_a_job();
    else if (strcmp(argv[1], "first-outside") == 0)
        first_outside();
#ifndef AGAINST_LIBCRYPTO
    else if (strcmp(argv[1], "nested") == 0)
        nested();
#endif
    else
        CHECK(!"no such case");
    (void)step;
    use(0);
    ASYNC_WAIT_CTX_free(wait_ctx);
    ASYNC_cleanup_thread();
    for (i = 0; i < 4; i++)
        OSSL_LIB_CTX_free(contexts[i]);
    printf("ok\n");
    return 0;
}
