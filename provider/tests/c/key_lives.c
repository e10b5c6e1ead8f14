/*
 * What keys live through: a fork, several library contexts, threads that share one, and jobs that are never resumed.
 *
 *   key_lives SCENE FOLDER PROVIDER
 */
#include "sequences.h"

#include <pthread.h>
#include <sys/wait.h>
#include <unistd.h>

static const char *const NAMES[] = { "X25519", "P-256", "P-384", "secp256k1" };
enum { KEYS = sizeof(NAMES) / sizeof(*NAMES), THREADS = 4, ROUNDS = 50 };

static const char *folder, *name;

static void load_into(OSSL_LIB_CTX *lib)
{
    CHECK(OSSL_PROVIDER_set_default_search_path(lib, folder));
    CHECK(OSSL_PROVIDER_load(lib, name) != NULL);
    CHECK(OSSL_PROVIDER_load(lib, "default") != NULL);
}

static EVP_PKEY *new_key(OSSL_LIB_CTX *lib, const char *of)
{
    EVP_PKEY *key = strcmp(of, "X25519") == 0 ? EVP_PKEY_Q_keygen(lib, "provider=simaccel", of)
                                              : EVP_PKEY_Q_keygen(lib, "provider=simaccel", "EC", of);

    CHECK(key != NULL);
    return key;
}

/* The same key in another library context, and of another provider. */
static EVP_PKEY *moved(OSSL_LIB_CTX *lib, EVP_PKEY *key, const char *query)
{
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(lib, EVP_PKEY_get0_type_name(key), query);
    OSSL_PARAM *params = NULL;
    EVP_PKEY *same = NULL;

    CHECK(EVP_PKEY_todata(key, EVP_PKEY_KEYPAIR, &params) == 1);
    CHECK(EVP_PKEY_fromdata_init(ctx) == 1 && EVP_PKEY_fromdata(ctx, &same, EVP_PKEY_KEYPAIR, params) == 1);
    OSSL_PARAM_free(params);
    EVP_PKEY_CTX_free(ctx);
    return same;
}

struct work {
    OSSL_LIB_CTX *lib;
    EVP_PKEY *key, *peer;
    const char *query;
    unsigned char secret[66];
    size_t len;
};

static int derive(void *argument)
{
    struct work *work = *(struct work **)argument;
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_pkey(work->lib, work->key, work->query);

    work->len = sizeof(work->secret);
    CHECK(EVP_PKEY_derive_init(ctx) == 1 && EVP_PKEY_derive_set_peer(ctx, work->peer) == 1);
    CHECK(EVP_PKEY_derive(ctx, work->secret, &work->len) == 1);
    EVP_PKEY_CTX_free(ctx);
    return 1;
}

/* Derives in a job, which is resumed when its fd is readable. Returns how often it was paused. */
static int derive_in_a_job(struct work *work)
{
    ASYNC_JOB *job = NULL;
    ASYNC_WAIT_CTX *ctx = ASYNC_WAIT_CTX_new();
    int result = 0, count = 0, state;

    while ((state = ASYNC_start_job(&job, ctx, &result, derive, &work, sizeof(work))) == ASYNC_PAUSE) {
        struct pollfd fd = { .fd = -1, .events = POLLIN };
        size_t fds = 0;

        count++;
        CHECK(ASYNC_WAIT_CTX_get_all_fds(ctx, NULL, &fds) && fds == 1);
        CHECK(ASYNC_WAIT_CTX_get_all_fds(ctx, &fd.fd, &fds));
        CHECK(poll(&fd, 1, -1) == 1);
    }
    CHECK(state == ASYNC_FINISH && result == 1);
    ASYNC_WAIT_CTX_free(ctx);
    return count;
}

/* The secret is what the default provider derives with the same keys. */
static void check(const struct work *work)
{
    struct work theirs = { NULL, moved(NULL, work->key, "provider=default"), NULL, "provider=default", { 0 }, 0 };
    struct work *expected = &theirs;

    theirs.peer = moved(NULL, work->peer, "provider=default");
    CHECK(derive(&expected));
    CHECK(theirs.len == work->len && memcmp(theirs.secret, work->secret, work->len) == 0);
    EVP_PKEY_free(theirs.key);
    EVP_PKEY_free(theirs.peer);
}

/* A key that has been used is used on by parent and child, each on its own device. */
static void forks(void)
{
    for (int i = 0; i < KEYS; i++)
        for (int used = 0; used < 2; used++) {
            struct work work = { NULL, new_key(NULL, NAMES[i]), new_key(NULL, NAMES[i]), "provider=simaccel", { 0 }, 0 };
            int expected = strcmp(NAMES[i], "secp256k1") != 0, status = 0;
            pid_t child;

            if (used)
                CHECK(derive_in_a_job(&work) == expected);
            child = fork();
            CHECK(child >= 0);
            CHECK(derive_in_a_job(&work) == expected);
            check(&work);
            EVP_PKEY_free(work.key);
            EVP_PKEY_free(work.peer);
            if (child == 0)
                exit(0);
            CHECK(waitpid(child, &status, 0) == child && status == 0);
        }
}

/* Keys go from one library context to another, and outlive the one that they were made in. */
static void contexts(void)
{
    for (int i = 0; i < KEYS; i++)
        for (int round = 0; round < 3; round++) {
            OSSL_LIB_CTX *first = OSSL_LIB_CTX_new(), *second = OSSL_LIB_CTX_new();
            struct work work = { second, NULL, NULL, "provider=simaccel", { 0 }, 0 };
            EVP_PKEY *made;

            load_into(first);
            load_into(second);
            made = new_key(first, NAMES[i]);
            work.key = moved(second, made, "provider=simaccel");
            work.peer = new_key(second, NAMES[i]);
            EVP_PKEY_free(made);
            OSSL_LIB_CTX_free(first);
            CHECK(derive_in_a_job(&work) == (strcmp(NAMES[i], "secp256k1") != 0));
            check(&work);
            EVP_PKEY_free(work.key);
            EVP_PKEY_free(work.peer);
            OSSL_LIB_CTX_free(second);
        }
}

static void *use(void *argument)
{
    struct work mine = *(struct work *)argument;

    for (int i = 0; i < ROUNDS; i++) {
        CHECK(derive_in_a_job(&mine) == 1);
        check(&mine);
    }
    ASYNC_cleanup_thread();
    OPENSSL_thread_stop();
    return NULL;
}

/* One key for several threads at once. */
static void threads(void)
{
    for (int i = 0; i < 2; i++) {
        struct work work = { NULL, new_key(NULL, NAMES[i]), new_key(NULL, NAMES[i]), "provider=simaccel", { 0 }, 0 };
        pthread_t all[THREADS];

        for (int t = 0; t < THREADS; t++)
            CHECK(pthread_create(&all[t], NULL, use, &work) == 0);
        for (int t = 0; t < THREADS; t++)
            CHECK(pthread_join(all[t], NULL) == 0);
        EVP_PKEY_free(work.key);
        EVP_PKEY_free(work.peer);
    }
}

static int generate(void *argument)
{
    struct work *work = *(struct work **)argument;
    EVP_PKEY *key = EVP_PKEY_Q_keygen(NULL, "provider=simaccel", "X25519");

    CHECK(work != NULL && key != NULL);
    EVP_PKEY_free(key);
    return 1;
}

/* A connection that ends frees its keys and the wait context while the device works, and never resumes the job. */
static void abandoned(void)
{
    for (int i = 0; i < ROUNDS; i++) {
        struct work *work = calloc(1, sizeof(*work));
        ASYNC_WAIT_CTX *ctx = ASYNC_WAIT_CTX_new();
        ASYNC_JOB *job = NULL;
        int result = 0;

        CHECK(work != NULL && ctx != NULL);
        work->key = new_key(NULL, NAMES[i % 2]);
        work->peer = new_key(NULL, NAMES[i % 2]);
        work->query = "provider=simaccel";
        CHECK(ASYNC_start_job(&job, ctx, &result, i % 3 == 0 ? generate : derive, &work, sizeof(work)) == ASYNC_PAUSE);
        EVP_PKEY_free(work->key);
        EVP_PKEY_free(work->peer);
        ASYNC_WAIT_CTX_free(ctx);
        free(work);
    }
}

int main(int argc, char **argv)
{
    CHECK(argc == 4);
    folder = argv[2];
    name = argv[3];
    load_into(NULL);
    if (strcmp(argv[1], "forks") == 0)
        forks();
    else if (strcmp(argv[1], "contexts") == 0)
        contexts();
    else if (strcmp(argv[1], "threads") == 0)
        threads();
    else if (strcmp(argv[1], "abandoned") == 0)
        abandoned();
    else
        return 2;
    printf("done\n");
    return 0;
}
