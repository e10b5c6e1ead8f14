/*
 * Whose ASYNC functions a program has, linked to both this library and libcrypto. linked EXPECTED, which is 1 where
 * they are this library's. Checks simaccel_async_active, and the behaviour: a pause leaves the job, a job keeps its
 * default library context, and only this library survives a NULL.
 */
#include <openssl/async.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/err.h>

#include <simaccel/async.h>
#include <simaccel/engine.h>

#include <stdio.h>
#include <stdlib.h>

#define CHECK(condition)                                                               \
    do {                                                                               \
        if (!(condition)) {                                                            \
            fprintf(stderr, "%s:%d: not so: %s\n", __FILE__, __LINE__, #condition);    \
            exit(1);                                                                   \
        }                                                                              \
    } while (0)

static OSSL_LIB_CTX *own;

static OSSL_LIB_CTX *now(void)
{
    return OSSL_LIB_CTX_set0_default(NULL);
}

static int body(void *arg)
{
    (void)arg;
    CHECK(now() == OSSL_LIB_CTX_get0_global_default());
    OSSL_LIB_CTX_set0_default(own);
    CHECK(ASYNC_get_current_job() != NULL);
    ASYNC_pause_job();
    CHECK(now() == own);
    return 7;
}

/* In a job, an operation pauses where the ASYNC functions are this library's, and blocks where they are not. */
static int operate(void *arg)
{
    simaccel_session *session = *(simaccel_session **)arg;
    unsigned char digest[32];

    CHECK(simaccel_digest(session, "abc", 3, digest, sizeof digest, NULL) == SIMACCEL_OK);
    return digest[0];
}

int main(int argc, char **argv)
{
    int expected = atoi(argv[argc - 1]), ret = 0;
    ASYNC_WAIT_CTX *ctx;
    ASYNC_JOB *job = NULL;
    simaccel_engine *engine;
    simaccel_session *session;
    unsigned char digest[EVP_MAX_MD_SIZE];

    CHECK(argc == 2);
    CHECK(simaccel_async_active() == expected);
    CHECK((simaccel_async_active)() == expected);
    CHECK(simaccel_async_reached(ASYNC_is_capable) == expected && simaccel_async_reached(NULL) == 0);

    /* Initialises libcrypto, its jobs included. */
    CHECK(EVP_Digest("abc", 3, digest, NULL, EVP_sha256(), NULL) == 1 && digest[0] == 0xba);
    CHECK((own = OSSL_LIB_CTX_new()) != NULL);

    ctx = ASYNC_WAIT_CTX_new();
    CHECK(ASYNC_start_job(&job, ctx, &ret, body, NULL, 0) == ASYNC_PAUSE);
    CHECK(now() == OSSL_LIB_CTX_get0_global_default());
    CHECK(ASYNC_start_job(&job, ctx, &ret, body, NULL, 0) == ASYNC_FINISH && ret == 7);
    CHECK(now() == OSSL_LIB_CTX_get0_global_default());

    CHECK(simaccel_engine_open("", &engine) == SIMACCEL_OK);
    CHECK(simaccel_session_new(engine, "sha256", NULL, 0, NULL, &session) == SIMACCEL_OK);
    if (expected) {
        int pauses = 0;

        while (ASYNC_start_job(&job, ctx, &ret, operate, &session, sizeof session) == ASYNC_PAUSE)
            pauses++;
        CHECK(pauses > 0);
        CHECK(ASYNC_start_job(NULL, ctx, &ret, operate, NULL, 0) == ASYNC_ERR);
        ERR_clear_error();
        CHECK(ASYNC_init_thread(1, 2) == 0 && ERR_GET_LIB(ERR_peek_error()) == ERR_LIB_ASYNC);
    } else {
        CHECK(ASYNC_start_job(&job, ctx, &ret, operate, &session, sizeof session) == ASYNC_FINISH);
    }
    CHECK(ret == 0xba);
    simaccel_session_free(session);
    simaccel_engine_free(engine);
    ASYNC_WAIT_CTX_free(ctx);
    ASYNC_cleanup_thread();
    OSSL_LIB_CTX_free(own);
    printf("ok\n");
    return 0;
}
