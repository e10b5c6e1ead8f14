/*
 * Operations that are started and taken: called back, polled, from callbacks, cancelled at every time and from every
 * thread, freed in the middle, on full rings, with every failure, in jobs and across a fork.
 */
#include "keys.h"

#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/wait.h>
#include <unistd.h>

static simaccel_operation *started(simaccel_key *key, simaccel_ready_fn ready, void *arg)
{
    simaccel_operation *operation = NULL;

    OK(simaccel_key_start(key, SIMACCEL_KEY_SIGN, scheme, digest, 32, ready, arg, &operation));
    CHECK(operation != NULL);
    return operation;
}

static void is_pending(simaccel_operation *operation)
{
    unsigned char out[64];

    FAILS(SIMACCEL_ERR_PENDING, "not over", simaccel_operation_take(operation, out, sizeof out, NULL));
}

static void is_signed(simaccel_operation *operation)
{
    unsigned char out[64] = {0};
    size_t len = 0;

    OK(simaccel_operation_take(operation, out, sizeof out, &len));
    CHECK(len == 64 && memcmp(out, signature, 64) == 0);
    FAILS(SIMACCEL_ERR_TAKEN, "taken before", simaccel_operation_take(operation, out, sizeof out, &len));
}

static void counts(void *arg)
{
    atomic_fetch_add((atomic_int *)arg, 1);
}

static void adds_up(simaccel_engine *engine, long operations, long abandoned)
{
    CHECK(stat_of(engine, "operations") == operations && stat_of(engine, "abandoned") == abandoned);
    CHECK(stat_of(engine, "pauses") >= stat_of(engine, "resumes"));
    CHECK(stat_of(engine, "blocked") == 0);
}

/* On a stepped device: nothing comes before its time, and the room is checked without losing the result. */
static void one_by_one(const char *config)
{
    simaccel_engine *engine = open_engine(config, 1);
    simaccel_key *key = key_of(engine);
    atomic_int calls = 0;
    simaccel_operation *operation = started(key, counts, &calls);
    unsigned char out[64];
    size_t len = 0;

    is_pending(operation);
    CHECK(calls == 0);
    OK(simaccel_device_run_until_idle(engine));
    CHECK(calls == 1);
    FAILS(SIMACCEL_ERR_OUTPUT_TOO_SMALL, "needs 64", simaccel_operation_take(operation, out, 63, &len));
    CHECK(len == 64);
    FAILS(SIMACCEL_ERR_OUTPUT_TOO_SMALL, "needs 64", simaccel_operation_take(operation, NULL, 0, &len));
    is_signed(operation);
    OK(simaccel_operation_cancel(operation));
    simaccel_operation_free(operation);
    CHECK(calls == 1);

    /* Polled, without a callback; the key and the engine's handle are not needed any more. */
    operation = started(key, NULL, NULL);
    simaccel_key_free(key);
    is_pending(operation);
    OK(simaccel_device_run_until_idle(engine));
    is_signed(operation);
    simaccel_operation_free(operation);
    adds_up(engine, 2, 0);
    simaccel_engine_free(engine);
}

/* Every operation. */
static void every_kind(const char *config)
{
    simaccel_engine *engine = open_engine(config, 1);
    simaccel_key *ec = key_of(engine), *rsa = NULL, *kem = NULL;
    simaccel_operation *operation = NULL;
    unsigned char out[2048], secret[64], encrypted[256];
    size_t len = 0, secret_len = 0;

    OK(simaccel_key_start_verify(ec, scheme, digest, 32, signature, 64, NULL, NULL, &operation));
    is_pending(operation);
    OK(simaccel_device_run_until_idle(engine));
    len = 7;
    OK(simaccel_operation_take(operation, NULL, 0, &len));
    CHECK(len == 0);
    simaccel_operation_free(operation);
    OK(simaccel_key_start_verify(ec, scheme, digest, 31, signature, 64, NULL, NULL, &operation));
    OK(simaccel_device_run_until_idle(engine));
    FAILS(SIMACCEL_ERR_AUTH_FAILED, "", simaccel_operation_take(operation, NULL, 0, NULL));
    FAILS(SIMACCEL_ERR_TAKEN, "", simaccel_operation_take(operation, NULL, 0, NULL));
    simaccel_operation_free(operation);

    OK(simaccel_key_start_generate(engine, "rsa", 1024, NULL, NULL, &operation));
    FAILS(SIMACCEL_ERR_PENDING, "", simaccel_operation_take_key(operation, &rsa));
    CHECK(rsa == NULL);
    OK(simaccel_device_run_until_idle(engine));
    FAILS(SIMACCEL_ERR_ARGUMENT, "take_key", simaccel_operation_take(operation, out, sizeof out, &len));
    FAILS(SIMACCEL_ERR_ARGUMENT, "key is NULL", simaccel_operation_take_key(operation, NULL));
    OK(simaccel_operation_take_key(operation, &rsa));
    CHECK(rsa != NULL && simaccel_key_bits(rsa) == 1024);
    simaccel_operation_free(operation);
    OK(simaccel_key_start(rsa, SIMACCEL_KEY_ENCRYPT, "padding=oaep;hash=sha1", digest, 32, NULL, NULL, &operation));
    OK(simaccel_device_run_until_idle(engine));
    OK(simaccel_operation_take(operation, encrypted, sizeof encrypted, &len));
    CHECK(len == 128);
    simaccel_operation_free(operation);
    OK(simaccel_key_start(rsa, SIMACCEL_KEY_DECRYPT, "padding=oaep;hash=sha1", encrypted, len, NULL, NULL, &operation));
    OK(simaccel_device_run_until_idle(engine));
    OK(simaccel_operation_take(operation, out, sizeof out, &len));
    CHECK(len == 32 && memcmp(out, digest, 32) == 0);
    simaccel_operation_free(operation);

    OK(simaccel_key_start_generate(engine, "x25519mlkem768", 0, NULL, NULL, &operation));
    OK(simaccel_device_run_until_idle(engine));
    OK(simaccel_operation_take_key(operation, &kem));
    simaccel_operation_free(operation);
    OK(simaccel_key_start(kem, SIMACCEL_KEY_ENCAPSULATE, NULL, NULL, 0, NULL, NULL, &operation));
    OK(simaccel_device_run_until_idle(engine));
    FAILS(SIMACCEL_ERR_ARGUMENT, "take_encapsulated", simaccel_operation_take(operation, out, sizeof out, &len));
    simaccel_key_free(rsa);
    FAILS(SIMACCEL_ERR_ARGUMENT, "generates no key", simaccel_operation_take_key(operation, &rsa));
    CHECK(rsa == NULL);
    FAILS(SIMACCEL_ERR_OUTPUT_TOO_SMALL, "secret_size",
          simaccel_operation_take_encapsulated(operation, out, sizeof out, &len, secret, 63, &secret_len));
    FAILS(SIMACCEL_ERR_OUTPUT_TOO_SMALL, "out_size",
          simaccel_operation_take_encapsulated(operation, out, 1119, &len, secret, 64, &secret_len));
    OK(simaccel_operation_take_encapsulated(operation, out, sizeof out, &len, secret, sizeof secret, &secret_len));
    CHECK(len == 1120 && secret_len == 64);
    simaccel_operation_free(operation);
    OK(simaccel_key_start(kem, SIMACCEL_KEY_DECAPSULATE, NULL, out, len, NULL, NULL, &operation));
    OK(simaccel_device_run_until_idle(engine));
    FAILS(SIMACCEL_ERR_ARGUMENT, "no encapsulation",
          simaccel_operation_take_encapsulated(operation, out, sizeof out, &len, secret, sizeof secret, &secret_len));
    OK(simaccel_operation_take(operation, out, sizeof out, &len));
    CHECK(len == 64 && memcmp(out, secret, 64) == 0);
    simaccel_operation_free(operation);

    OK(simaccel_key_export(ec, "public", out, sizeof out, &len));
    OK(simaccel_key_start(ec, SIMACCEL_KEY_DERIVE, NULL, out, len, NULL, NULL, &operation));
    OK(simaccel_device_run_until_idle(engine));
    OK(simaccel_operation_take(operation, secret, sizeof secret, &len));
    CHECK(len == 32);
    simaccel_operation_free(operation);
    simaccel_key_free(ec);
    simaccel_key_free(kem);
    simaccel_engine_free(engine);
}

static void nonsense(void)
{
    simaccel_engine *engine = open_engine(NULL, 1);
    simaccel_key *key = key_of(engine), *public_key = NULL, *none = key;
    simaccel_operation *operation = (simaccel_operation *)(void *)&engine;
    unsigned char out[64];
    size_t len;

    OK(simaccel_key_public(key, &public_key));
    FAILS(SIMACCEL_ERR_ARGUMENT, "key is NULL", simaccel_key_start(NULL, SIMACCEL_KEY_SIGN, NULL, digest, 32, NULL, NULL, &operation));
    CHECK(operation == NULL);
    FAILS(SIMACCEL_ERR_ARGUMENT, "started is NULL", simaccel_key_start(key, SIMACCEL_KEY_SIGN, NULL, digest, 32, NULL, NULL, NULL));
    FAILS(SIMACCEL_ERR_ARGUMENT, "in is NULL", simaccel_key_start(key, SIMACCEL_KEY_SIGN, NULL, NULL, 32, NULL, NULL, &operation));
    FAILS(SIMACCEL_ERR_ARGUMENT, "operation is 0", simaccel_key_start(key, (simaccel_key_operation)0, NULL, digest, 32, NULL, NULL, &operation));
    FAILS(SIMACCEL_ERR_ARGUMENT, "start_verify", simaccel_key_start(key, SIMACCEL_KEY_VERIFY, NULL, digest, 32, NULL, NULL, &operation));
    FAILS(SIMACCEL_ERR_ARGUMENT, "start_generate", simaccel_key_start(key, SIMACCEL_KEY_GENERATE, NULL, digest, 32, NULL, NULL, &operation));
    FAILS(SIMACCEL_ERR_ARGUMENT, "padding", simaccel_key_start(key, SIMACCEL_KEY_SIGN, "padding=pss", digest, 32, NULL, NULL, &operation));
    FAILS(SIMACCEL_ERR_ARGUMENT, "private", simaccel_key_start(public_key, SIMACCEL_KEY_SIGN, NULL, digest, 32, NULL, NULL, &operation));
    FAILS(SIMACCEL_ERR_ARGUMENT, "no operation decrypt", simaccel_key_start(key, SIMACCEL_KEY_DECRYPT, NULL, digest, 32, NULL, NULL, &operation));
    FAILS(SIMACCEL_ERR_ARGUMENT, "signature is NULL", simaccel_key_start_verify(key, NULL, digest, 32, NULL, 3, NULL, NULL, &operation));
    FAILS(SIMACCEL_ERR_ARGUMENT, "engine is NULL", simaccel_key_start_generate(NULL, "p-256", 0, NULL, NULL, &operation));
    FAILS(SIMACCEL_ERR_SESSION, "none of", simaccel_key_start_generate(engine, "p-255", 0, NULL, NULL, &operation));
    FAILS(SIMACCEL_ERR_ARGUMENT, "bits", simaccel_key_start_generate(engine, "rsa-2048", 1024, NULL, NULL, &operation));
    CHECK(operation == NULL);
    FAILS(SIMACCEL_ERR_ARGUMENT, "operation is NULL", simaccel_operation_take(NULL, out, 64, &len));
    FAILS(SIMACCEL_ERR_ARGUMENT, "operation is NULL", simaccel_operation_take_key(NULL, &none));
    FAILS(SIMACCEL_ERR_ARGUMENT, "operation is NULL", simaccel_operation_take_encapsulated(NULL, out, 64, &len, out, 64, &len));
    FAILS(SIMACCEL_ERR_ARGUMENT, "operation is NULL", simaccel_operation_cancel(NULL));
    simaccel_operation_free(NULL);
    /* An input that the key refuses is found out about by the device. */
    OK(simaccel_key_start(key, SIMACCEL_KEY_DERIVE, NULL, digest, 5, NULL, NULL, &operation));
    OK(simaccel_device_run_until_idle(engine));
    FAILS(SIMACCEL_ERR_ARGUMENT, "p-256", simaccel_operation_take(operation, out, 64, &len));
    simaccel_operation_free(operation);
    simaccel_key_free(key);
    simaccel_key_free(public_key);
    simaccel_engine_free(engine);
}

/* Failures come with the result, after as many tries as the configuration has; software may stand in. */
static void failing(void)
{
    static const struct {
        const char *config;
        simaccel_result result;
        int calls;
    } cases[] = {
        {"fault=fail", SIMACCEL_ERR_DEVICE_FAILED, 1},
        {"fault=fail;max_retries=2", SIMACCEL_ERR_DEVICE_FAILED, 3},
        {"fault=fail:nth=1;max_retries=1", SIMACCEL_OK, 2},
        {"fault=fail;fallback=on", SIMACCEL_OK, 1},
        {"fault=fail;fallback=on;max_retries=1", SIMACCEL_OK, 2},
        {"fault=timeout;timeout_msec=5", SIMACCEL_ERR_TIMEOUT, 1},
        {"fault=timeout;timeout_msec=5;fallback=on", SIMACCEL_OK, 1},
        {"fault=late;timeout_msec=5", SIMACCEL_ERR_TIMEOUT, 1},
        {"fault=drop_wake;timeout_msec=5", SIMACCEL_ERR_TIMEOUT, 1},
        {"fault=short", SIMACCEL_ERR_SHORT_OUTPUT, 1},
        {"fault=nomem", SIMACCEL_ERR_NO_MEMORY, 1}, /* in the start */
        {"fault=nomem;fallback=on", SIMACCEL_OK, 1},
        {"fault=reset", SIMACCEL_ERR_RESET, 1},
        {"fault=dead", SIMACCEL_ERR_DEVICE_DEAD, 1},
        {"fault=dead;fallback=on", SIMACCEL_OK, 1},
        {"fault=delay", SIMACCEL_OK, 1},
        {"fault=stall", SIMACCEL_OK, 1},
        {"fault=busy:times=1", SIMACCEL_OK, 1},
        {"fault=duplicate", SIMACCEL_OK, 1},
        {"fault=fd_fail", SIMACCEL_OK, 1}, /* no descriptor is used */
    };
    size_t i;

    for (i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        simaccel_engine *engine = open_engine(cases[i].config, 1);
        simaccel_key *key = key_of(engine);
        atomic_int calls = 0;
        simaccel_operation *operation = started(key, counts, &calls);
        unsigned char out[64];
        simaccel_result result;
        int rounds = 0;

        do {
            OK(simaccel_device_run_until_idle(engine));
            result = simaccel_operation_take(operation, out, sizeof out, NULL);
        } while (result == SIMACCEL_ERR_PENDING && ++rounds < 10);
        if (result != cases[i].result || calls != cases[i].calls) {
            fprintf(stderr, "%s: %s after %d calls\n", cases[i].config, simaccel_result_name(result), calls);
            exit(1);
        }
        CHECK(result != SIMACCEL_OK || memcmp(out, signature, 64) == 0);
        FAILS(SIMACCEL_ERR_TAKEN, "", simaccel_operation_take(operation, out, sizeof out, NULL));
        simaccel_operation_free(operation);
        adds_up(engine, 1, 0);
        simaccel_key_free(key);
        simaccel_engine_free(engine);
    }
}

/* ---- Given up ---- */

static void cancelling(const char *config)
{
    simaccel_engine *engine = open_engine(config, 1);
    simaccel_key *key = key_of(engine);
    atomic_int calls = 0;
    simaccel_operation *waiting = started(key, counts, &calls), *ended = started(key, counts, &calls), *freed;
    unsigned char out[64];

    /* While it is in flight, twice; nothing of it comes. */
    OK(simaccel_operation_cancel(waiting));
    OK(simaccel_operation_cancel(waiting));
    FAILS(SIMACCEL_ERR_TAKEN, "cancelled", simaccel_operation_take(waiting, out, 64, NULL));
    OK(simaccel_device_run_until_idle(engine));
    CHECK(calls == 1);
    /* When it is over, and was not looked at. */
    OK(simaccel_operation_cancel(ended));
    FAILS(SIMACCEL_ERR_TAKEN, "cancelled", simaccel_operation_take(ended, out, 64, NULL));
    freed = started(key, counts, &calls);
    simaccel_operation_free(freed);
    OK(simaccel_device_run_until_idle(engine));
    CHECK(calls == 1);
    simaccel_operation_free(waiting);
    simaccel_operation_free(ended);
    adds_up(engine, 3, 3);
    /* An engine that is freed in the middle ends nothing. */
    waiting = started(key, counts, &calls);
    simaccel_key_free(key);
    simaccel_engine_free(engine);
    is_pending(waiting);
    simaccel_operation_free(waiting);
}

/* ---- In callbacks ---- */

struct chain {
    simaccel_key *key;
    simaccel_operation *operation;
    int left, taken;
};

/* Takes its own result, frees it, starts the next: below the step of the device. */
static void goes_on(void *arg)
{
    struct chain *chain = (struct chain *)arg;
    unsigned char out[64];
    simaccel_result result = simaccel_operation_take(chain->operation, out, sizeof out, NULL);

    if (result == SIMACCEL_ERR_PENDING)
        return;
    CHECK(result == SIMACCEL_OK && memcmp(out, signature, 64) == 0);
    chain->taken++;
    simaccel_operation_free(chain->operation);
    chain->operation = NULL;
    if (--chain->left > 0)
        chain->operation = started(chain->key, goes_on, chain);
}

static void chained(const char *config)
{
    simaccel_engine *engine = open_engine(config, 1);
    struct chain chain = {key_of(engine), NULL, 20, 0};
    int happened = 1;

    chain.operation = started(chain.key, goes_on, &chain);
    while (happened)
        OK(simaccel_device_step(engine, &happened));
    CHECK(chain.left == 0 && chain.taken == 20 && chain.operation == NULL);
    adds_up(engine, 20, 0);
    simaccel_key_free(chain.key);
    simaccel_engine_free(engine);
}

/* The same on a worker, with software that stands in for a device that fails. */
struct worker_chain {
    simaccel_key *key;
    simaccel_operation *operation;
    int left;
    atomic_int taken;
};

static void goes_on_there(void *arg)
{
    struct worker_chain *chain = (struct worker_chain *)arg;
    unsigned char out[64];
    simaccel_result result = simaccel_operation_take(chain->operation, out, sizeof out, NULL);

    if (result == SIMACCEL_ERR_PENDING || result == SIMACCEL_ERR_BUSY)
        return;
    CHECK(result == SIMACCEL_OK && memcmp(out, signature, 64) == 0);
    simaccel_operation_free(chain->operation);
    if (--chain->left > 0)
        OK(simaccel_key_start(chain->key, SIMACCEL_KEY_SIGN, scheme, digest, 32, goes_on_there, chain, &chain->operation));
    atomic_fetch_add(&chain->taken, 1);
}

static void on_a_worker(const char *config)
{
    simaccel_engine *engine = open_engine(config, 0);
    struct worker_chain chain = {key_of(engine), NULL, 50, 0};

    OK(simaccel_key_start(chain.key, SIMACCEL_KEY_SIGN, scheme, digest, 32, goes_on_there, &chain, &chain.operation));
    while (atomic_load(&chain.taken) < 50)
        sched_yield();
    adds_up(engine, 50, 0);
    simaccel_key_free(chain.key);
    simaccel_engine_free(engine);
}

/* ---- Threads ---- */

/* An argument that is freed as soon as nothing can call any more, while the call may run. */
struct called {
    atomic_int begun;
    int woken;
};

static void takes_its_time(void *arg)
{
    struct called *called = (struct called *)arg;
    int turn;

    atomic_store(&called->begun, 1);
    for (turn = 0; turn < 300; turn++)
        sched_yield();
    called->woken++;
}

static void calls_are_over_afterwards(void)
{
    simaccel_engine *engine = open_engine("completion_nsec=1000", 0);
    simaccel_key *key = key_of(engine);
    int round;

    for (round = 0; round < 60; round++) {
        struct called *called = (struct called *)calloc(1, sizeof *called);
        simaccel_operation *operation;
        unsigned char out[64];

        CHECK(called != NULL);
        operation = started(key, takes_its_time, called);
        while (round % 2 && !atomic_load(&called->begun))
            sched_yield();
        switch (round % 3) {
        case 0:
            OK(simaccel_operation_cancel(operation));
            break;
        case 1:
            while (simaccel_operation_take(operation, out, sizeof out, NULL) == SIMACCEL_ERR_PENDING)
                sched_yield();
            break;
        default:
            simaccel_operation_free(operation);
            operation = NULL;
        }
        CHECK(!atomic_load(&called->begun) || called->woken == 1);
        free(called);
        simaccel_operation_free(operation);
    }
    simaccel_key_free(key);
    simaccel_engine_free(engine);
}

/* One starts, another takes, a third cancels. */
struct shared {
    simaccel_operation *operation;
    atomic_int go, taken, given_up;
};

static void *takes(void *arg)
{
    struct shared *shared = (struct shared *)arg;
    unsigned char out[64];
    simaccel_result result;

    while (!atomic_load(&shared->go))
        ;
    do
        result = simaccel_operation_take(shared->operation, out, sizeof out, NULL);
    while (result == SIMACCEL_ERR_PENDING || result == SIMACCEL_ERR_BUSY);
    CHECK(result == SIMACCEL_OK || result == SIMACCEL_ERR_TAKEN);
    if (result == SIMACCEL_OK) {
        CHECK(memcmp(out, signature, 64) == 0);
        atomic_fetch_add(&shared->taken, 1);
    }
    return NULL;
}

static void *cancels(void *arg)
{
    struct shared *shared = (struct shared *)arg;
    unsigned char out[64];
    simaccel_result result;

    while (!atomic_load(&shared->go))
        ;
    OK(simaccel_operation_cancel(shared->operation));
    do
        result = simaccel_operation_take(shared->operation, out, sizeof out, NULL);
    while (result == SIMACCEL_ERR_BUSY);
    /* The other may have been about to take it: no result comes later than that. */
    if (result == SIMACCEL_OK)
        atomic_fetch_add(&shared->taken, 1);
    else
        CHECK(result == SIMACCEL_ERR_TAKEN);
    return NULL;
}

static void from_every_thread(const char *config, int rounds)
{
    simaccel_engine *engine = open_engine(config, 0);
    simaccel_key *key = key_of(engine);
    atomic_int calls = 0;
    int round;

    for (round = 0; round < rounds; round++) {
        struct shared shared = {started(key, round % 2 ? counts : NULL, &calls), 0, 0, 0};
        pthread_t threads[3];
        int i;

        CHECK(pthread_create(&threads[0], NULL, takes, &shared) == 0);
        CHECK(pthread_create(&threads[1], NULL, takes, &shared) == 0);
        CHECK(round % 4 == 0 || pthread_create(&threads[2], NULL, cancels, &shared) == 0);
        atomic_store(&shared.go, 1);
        for (i = 0; i < (round % 4 == 0 ? 2 : 3); i++)
            CHECK(pthread_join(threads[i], NULL) == 0);
        CHECK(round % 4 == 0 ? shared.taken == 1 : shared.taken <= 1);
        simaccel_operation_free(shared.operation);
    }
    CHECK(stat_of(engine, "operations") == rounds);
    simaccel_key_free(key);
    simaccel_engine_free(engine);
}

/* More than the rings have, from a loop that is called back. */
enum { MANY = 60 };

static void full_rings(const char *config)
{
    simaccel_engine *engine = open_engine(config, 0);
    simaccel_key *key = key_of(engine);
    simaccel_operation *operations[MANY];
    atomic_int calls = 0;
    int i, left = MANY, is_over[MANY] = {0};

    for (i = 0; i < MANY; i++)
        operations[i] = started(key, counts, &calls);
    while (left > 0) {
        int seen = atomic_load(&calls), waits = 1;

        for (i = 0; i < MANY; i++) {
            unsigned char out[64];
            simaccel_result result;

            if (is_over[i])
                continue;
            result = simaccel_operation_take(operations[i], out, sizeof out, NULL);
            if (result == SIMACCEL_ERR_PENDING)
                continue;
            CHECK(result == SIMACCEL_OK && memcmp(out, signature, 64) == 0);
            is_over[i] = 1;
            waits = 0, left--;
        }
        /* Only a call ends this wait. */
        while (waits && left > 0 && atomic_load(&calls) == seen)
            sched_yield();
    }
    for (i = 0; i < MANY; i++)
        simaccel_operation_free(operations[i]);
    CHECK(stat_of(engine, "parked") > 0);
    adds_up(engine, MANY, 0);
    simaccel_key_free(key);
    simaccel_engine_free(engine);
}

/* ---- Jobs, forks ---- */

/* In a job nothing pauses, and a discarded job leaves what it has started to others. */
static simaccel_operation *of_job;

static int starts_in_a_job(void *arg)
{
    of_job = started(*(simaccel_key **)arg, NULL, NULL);
    is_pending(of_job);
    ASYNC_pause_job();
    return 1;
}

static void in_jobs(void)
{
    simaccel_engine *engine = open_engine("fallback=on;fault=fail", 1);
    simaccel_key *key = key_of(engine);
    ASYNC_WAIT_CTX *ctx = ASYNC_WAIT_CTX_new();
    ASYNC_JOB *job = NULL;
    int ret = 0;

    CHECK(ASYNC_start_job(&job, ctx, &ret, starts_in_a_job, &key, sizeof key) == ASYNC_PAUSE);
    ASYNC_WAIT_CTX_free(ctx);
    OK(simaccel_device_run_until_idle(engine));
    is_signed(of_job);
    simaccel_operation_free(of_job);
    simaccel_key_free(key);
    simaccel_engine_free(engine);
}

static void forking(void)
{
    simaccel_engine *engine = open_engine("completion_nsec=1000000", 0);
    simaccel_key *key = key_of(engine);
    atomic_int calls = 0;
    simaccel_operation *operation = started(key, counts, &calls), *none = NULL;
    unsigned char out[64];
    simaccel_result result;
    int status = -1;
    pid_t child = fork();

    CHECK(child >= 0);
    if (child == 0) {
        FAILS(SIMACCEL_ERR_FORKED, "", simaccel_operation_take(operation, out, sizeof out, NULL));
        OK(simaccel_operation_cancel(operation));
        FAILS(SIMACCEL_ERR_FORKED, "", simaccel_operation_take(operation, out, sizeof out, NULL));
        simaccel_operation_free(operation);
        FAILS(SIMACCEL_ERR_FORKED, "", simaccel_key_start_generate(engine, "p-256", 0, counts, &calls, &none));
        CHECK(none == NULL);
        OK(simaccel_key_start(key, SIMACCEL_KEY_SIGN, scheme, digest, 32, counts, &calls, &none));
        FAILS(SIMACCEL_ERR_FORKED, "", simaccel_operation_take(none, out, sizeof out, NULL));
        simaccel_operation_free(none);
        /* Success. With exit, valgrind would report what the parent's threads own, which do not exist here. */
        raise(SIGKILL);
    }
    CHECK(waitpid(child, &status, 0) == child && WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
    do {
        result = simaccel_operation_take(operation, out, sizeof out, NULL);
        sched_yield();
    } while (result == SIMACCEL_ERR_PENDING);
    CHECK(result == SIMACCEL_OK && memcmp(out, signature, 64) == 0);
    simaccel_operation_free(operation);
    simaccel_key_free(key);
    simaccel_engine_free(engine);
}

int main(int argc, char **argv)
{
    static const char *const configs[] = {"", "completion_nsec=1000", "delivery=poll", "timeout_msec=60000"};
    int i;

    for (i = 0; i < 4; i++) {
        one_by_one(configs[i]);
        every_kind(configs[i]);
        cancelling(configs[i]);
        chained(configs[i]);
        on_a_worker(configs[i]);
        from_every_thread(configs[i], argc > 1 ? atoi(argv[1]) : 200);
    }
    on_a_worker("fallback=on;fault=fail:every=2");
    on_a_worker("max_retries=1;fault=fail:every=2");
    on_a_worker("offload_threshold=1000");
    nonsense();
    failing();
    calls_are_over_afterwards();
    full_rings("depth=4;queue_pairs=2;workers=2");
    full_rings("depth=4;queue_pairs=1;completion_nsec=5000");
    in_jobs();
    forking();
    ASYNC_cleanup_thread();
    printf("ok\n");
    return 0;
}
