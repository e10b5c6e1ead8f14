/*
 * What keys return to C: a known answer, every operation of every algorithm, an error for every misuse; in jobs that
 * pause, are resumed, are discarded and forked. tests/c/keys_libcrypto.c has libcrypto beside it.
 */
#include "keys.h"

#include <poll.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

static const char *const algorithms[] = {"rsa-2048", "p-256",      "p-384",          "p-521",     "x25519",
                                         "ed25519",  "ml-kem-768", "x25519mlkem768", "ml-dsa-44", "ml-dsa-65"};
enum { ALGORITHMS = sizeof algorithms / sizeof algorithms[0] };

static void known_answer(simaccel_engine *engine)
{
    simaccel_key *key = key_of(engine), *other = NULL;
    unsigned char out[64];
    size_t len = 0;

    CHECK(strcmp(simaccel_key_algorithm(key), "p-256") == 0 && simaccel_key_bits(key) == 256);
    OK(simaccel_key_sign(key, scheme, digest, 32, out, sizeof out, &len));
    CHECK(len == 64 && memcmp(out, signature, 64) == 0);
    OK(simaccel_key_verify(key, scheme, digest, 32, signature, 64));
    OK(simaccel_key_verify(key, "form=raw", digest, 32, signature, 64));
    FAILS(SIMACCEL_ERR_AUTH_FAILED, "", simaccel_key_verify(key, "", digest, 32, signature, 64));
    FAILS(SIMACCEL_ERR_AUTH_FAILED, "", simaccel_key_verify(key, scheme, digest, 31, signature, 64));
    /* Input and output may overlap. */
    memcpy(out, digest, 32);
    OK(simaccel_key_sign(key, scheme, out, 32, out, sizeof out, NULL));
    CHECK(memcmp(out, signature, 64) == 0);
    OK(simaccel_key_from_private(engine, "prime256v1", scalar, 32, &other));
    CHECK(simaccel_key_equal(key, other) == 1);
    simaccel_key_free(other);
    simaccel_key_free(key);
}

/* Signs what it is, in a scheme that fits. */
static const char *scheme_of(simaccel_key *key)
{
    return strncmp(simaccel_key_algorithm(key), "rsa", 3) == 0 ? "padding=pss;hash=sha256" : NULL;
}

static void signs(simaccel_key *key, simaccel_key *public_key)
{
    unsigned char out[4096];
    size_t len = 0, most = 0;

    OK(simaccel_key_output_size(key, SIMACCEL_KEY_SIGN, scheme_of(key), &most));
    CHECK(most > 0 && most <= sizeof out);
    FAILS(SIMACCEL_ERR_OUTPUT_TOO_SMALL, "needs",
          simaccel_key_sign(key, scheme_of(key), digest, 32, out, most - 1, &len));
    CHECK(len == most);
    FAILS(SIMACCEL_ERR_OUTPUT_TOO_SMALL, "needs", simaccel_key_sign(key, scheme_of(key), digest, 32, NULL, 0, &len));
    OK(simaccel_key_sign(key, scheme_of(key), digest, 32, out, most, &len));
    OK(simaccel_key_verify(public_key, scheme_of(key), digest, 32, out, len));
    out[len - 1] ^= 1;
    FAILS(SIMACCEL_ERR_AUTH_FAILED, "", simaccel_key_verify(public_key, scheme_of(key), digest, 32, out, len));
    OK(simaccel_key_output_size(key, SIMACCEL_KEY_VERIFY, scheme_of(key), &most));
    CHECK(most == 0);
}

static void encapsulates(simaccel_key *key, simaccel_key *public_key)
{
    unsigned char out[2048], secret[64], other[64];
    size_t out_size = 0, secret_size = 0, len = 0, secret_len = 0, other_len = 0;

    OK(simaccel_key_output_size(key, SIMACCEL_KEY_ENCAPSULATE, NULL, &out_size));
    OK(simaccel_key_output_size(key, SIMACCEL_KEY_DECAPSULATE, NULL, &secret_size));
    CHECK(out_size >= 1088 && secret_size >= 32);
    OK(simaccel_key_encapsulate(public_key, out, out_size, &len, secret, secret_size, &secret_len));
    CHECK(len == out_size && secret_len == secret_size);
    OK(simaccel_key_decapsulate(key, out, len, other, secret_size, &other_len));
    CHECK(other_len == secret_len && memcmp(other, secret, secret_len) == 0);
    /* Both outputs, or none. */
    memset(out, 7, sizeof out);
    FAILS(SIMACCEL_ERR_OUTPUT_TOO_SMALL, "secret_size",
          simaccel_key_encapsulate(public_key, out, out_size, &len, secret, secret_size - 1, &secret_len));
    CHECK(out[0] == 7 && out[out_size - 1] == 7 && secret_len == secret_size);
    FAILS(SIMACCEL_ERR_OUTPUT_TOO_SMALL, "out_size",
          simaccel_key_encapsulate(public_key, out, 1, &len, secret, secret_size, &secret_len));
    CHECK(len == out_size);
    FAILS(SIMACCEL_ERR_ARGUMENT, "", simaccel_key_decapsulate(key, out, 3, other, secret_size, &other_len));
    FAILS(SIMACCEL_ERR_ARGUMENT, "private", simaccel_key_decapsulate(public_key, out, 3, other, 64, &other_len));
}

static void derives(simaccel_engine *engine, simaccel_key *key)
{
    simaccel_key *other = generated(engine, simaccel_key_algorithm(key));
    unsigned char value[200], value2[200], secret[80], secret2[80];
    size_t value_len = 0, value_len2 = 0, len = 0, len2 = 0;

    OK(simaccel_key_export(key, "public", value, sizeof value, &value_len));
    OK(simaccel_key_export(other, "public", value2, sizeof value2, &value_len2));
    CHECK(simaccel_key_equal(key, other) == 0);
    OK(simaccel_key_derive(key, value2, value_len2, secret, sizeof secret, &len));
    OK(simaccel_key_derive(other, value, value_len, secret2, sizeof secret2, &len2));
    CHECK(len == len2 && len >= 32 && memcmp(secret, secret2, len) == 0);
    FAILS(SIMACCEL_ERR_ARGUMENT, "", simaccel_key_derive(key, value, value_len - 1, secret, sizeof secret, &len));
    FAILS(SIMACCEL_ERR_OUTPUT_TOO_SMALL, "needs", simaccel_key_derive(key, value2, value_len2, secret, 31, &len));
    simaccel_key_free(other);
}

/* Written, and read again. */
static void is_written(simaccel_engine *engine, simaccel_key *key)
{
    static const char *const forms[] = {"pkcs8", "spki", "private", "public"};
    static unsigned char data[16384];
    int i;

    for (i = 0; i < 4; i++) {
        simaccel_key *again = NULL;
        size_t len = 0, needed = 0;

        if (i >= 2 && strncmp(simaccel_key_algorithm(key), "rsa", 3) == 0) {
            FAILS(SIMACCEL_ERR_ARGUMENT, "rsa", simaccel_key_export(key, forms[i], data, sizeof data, &len));
            continue;
        }
        if (i < 2 && strcmp(simaccel_key_algorithm(key), "x25519mlkem768") == 0) {
            /* TLS has given it no object identifier. */
            FAILS(SIMACCEL_ERR_ARGUMENT, "x25519mlkem768", simaccel_key_export(key, forms[i], data, sizeof data, &len));
            continue;
        }
        FAILS(SIMACCEL_ERR_OUTPUT_TOO_SMALL, "needs", simaccel_key_export(key, forms[i], NULL, 0, &needed));
        OK(simaccel_key_export(key, forms[i], data, needed, &len));
        CHECK(len == needed);
        if (i < 2)
            OK(simaccel_key_import(engine, forms[i], data, len, &again));
        else if (i == 2)
            OK(simaccel_key_from_private(engine, simaccel_key_algorithm(key), data, len, &again));
        else
            OK(simaccel_key_from_public(engine, simaccel_key_algorithm(key), data, len, &again));
        CHECK(simaccel_key_equal(key, again) == 1 && simaccel_key_is_private(again) == (i % 2 == 0));
        if (i % 2 == 1)
            FAILS(SIMACCEL_ERR_ARGUMENT, "private", simaccel_key_export(again, "pkcs8", data, sizeof data, &len));
        simaccel_key_free(again);
    }
}

/* Which operations an algorithm has, by the size of their output. */
static int has(simaccel_key *key, simaccel_key_operation operation)
{
    const char *with = scheme_of(key);
    size_t size;

    if (with != NULL && (operation == SIMACCEL_KEY_ENCRYPT || operation == SIMACCEL_KEY_DECRYPT))
        with = "padding=pkcs1";
    return simaccel_key_output_size(key, operation, with, &size) == SIMACCEL_OK;
}

static void every_operation(simaccel_engine *engine)
{
    int i, count = 0;

    for (i = 0; i < ALGORITHMS; i++) {
        simaccel_key *key = generated(engine, algorithms[i]), *public_key = NULL;
        unsigned char out[4096];
        size_t len = 0;

        OK(simaccel_key_public(key, &public_key));
        CHECK(simaccel_key_is_private(public_key) == 0 && simaccel_key_equal(key, public_key) == 1);
        is_written(engine, key);
        if (has(key, SIMACCEL_KEY_SIGN))
            count++, signs(key, public_key);
        else
            FAILS(SIMACCEL_ERR_ARGUMENT, "no operation sign",
                  simaccel_key_sign(key, NULL, digest, 32, out, sizeof out, &len));
        if (has(key, SIMACCEL_KEY_ENCAPSULATE))
            count++, encapsulates(key, public_key);
        else
            FAILS(SIMACCEL_ERR_ARGUMENT, "no operation encapsulate",
                  simaccel_key_encapsulate(key, out, sizeof out, &len, out + 2000, 64, &len));
        if (has(key, SIMACCEL_KEY_DERIVE))
            count++, derives(engine, key);
        else
            FAILS(SIMACCEL_ERR_ARGUMENT, "no operation derive",
                  simaccel_key_derive(key, digest, 32, out, sizeof out, &len));
        CHECK(has(key, SIMACCEL_KEY_DECRYPT) == (i == 0) && has(key, SIMACCEL_KEY_ENCRYPT) == (i == 0));
        simaccel_key_free(key);
        simaccel_key_free(public_key);
    }
    CHECK(count == 7 + 2 + 4);
}

/* Size queries and refused calls are no operations of the device. */
static void nothing_refused_reaches_the_device(void)
{
    simaccel_engine *engine = open_engine(NULL, 1);
    simaccel_key *key = key_of(engine);
    unsigned char out[100];
    size_t len;

    OK(simaccel_key_output_size(key, SIMACCEL_KEY_SIGN, NULL, &len));
    CHECK(len == 72);
    OK(simaccel_key_output_size(key, SIMACCEL_KEY_SIGN, "form=raw", &len));
    CHECK(len == 64);
    OK(simaccel_key_output_size(key, SIMACCEL_KEY_DERIVE, NULL, &len));
    CHECK(len == 32);
    FAILS(SIMACCEL_ERR_OUTPUT_TOO_SMALL, "72", simaccel_key_sign(key, NULL, digest, 32, out, 71, &len));
    FAILS(SIMACCEL_ERR_OUTPUT_TOO_SMALL, "72", simaccel_key_sign(key, NULL, digest, 32, NULL, 0, &len));
    FAILS(SIMACCEL_ERR_ARGUMENT, "padding does not fit", simaccel_key_sign(key, "padding=pss", digest, 32, out, 99, &len));
    CHECK(stat_of(engine, "operations") == 0 && stat_of(engine, "submitted") == 0);
    OK(simaccel_key_sign(key, NULL, digest, 32, out, 72, &len));
    CHECK(stat_of(engine, "operations") == 1 && stat_of(engine, "submitted") == 1);
    simaccel_key_free(key);
    simaccel_engine_free(engine);
}

static void nonsense(void)
{
    simaccel_engine *engine = open_engine(NULL, 0);
    simaccel_key *key = (simaccel_key *)(void *)&engine, *real = key_of(engine);
    simaccel_rsa_numbers numbers;
    unsigned char out[100], zero[66] = {0};
    size_t len = 0;

    FAILS(SIMACCEL_ERR_ARGUMENT, "engine is NULL", simaccel_key_from_private(NULL, "p-256", scalar, 32, &key));
    CHECK(key == NULL);
    FAILS(SIMACCEL_ERR_ARGUMENT, "key is NULL", simaccel_key_from_private(engine, "p-256", scalar, 32, NULL));
    FAILS(SIMACCEL_ERR_ARGUMENT, "data is NULL", simaccel_key_from_private(engine, "p-256", NULL, 32, &key));
    FAILS(SIMACCEL_ERR_SESSION, "none of", simaccel_key_from_private(engine, "p-257", scalar, 32, &key));
    FAILS(SIMACCEL_ERR_SESSION, "none of", simaccel_key_from_private(engine, NULL, scalar, 32, &key));
    FAILS(SIMACCEL_ERR_SESSION, "none of", simaccel_key_from_private(engine, "aes-128-ctr", scalar, 16, &key));
    memset(out, 0xff, sizeof out);
    FAILS(SIMACCEL_ERR_SESSION, "", simaccel_key_from_private(engine, "p-256", out, 32, &key));
    FAILS(SIMACCEL_ERR_SESSION, "", simaccel_key_from_private(engine, "p-256", out, 40, &key));
    FAILS(SIMACCEL_ERR_SESSION, "", simaccel_key_from_private(engine, "p-256", zero, 32, &key));
    FAILS(SIMACCEL_ERR_SESSION, "", simaccel_key_from_private(engine, "p-256", NULL, 0, &key));
    FAILS(SIMACCEL_ERR_SESSION, "", simaccel_key_from_public(engine, "p-256", zero, 65, &key));
    FAILS(SIMACCEL_ERR_SESSION, "", simaccel_key_from_public(engine, "x25519", zero, 31, &key));
    FAILS(SIMACCEL_ERR_SESSION, "", simaccel_key_from_private(engine, "rsa-2048", scalar, 32, &key));
    FAILS(SIMACCEL_ERR_ARGUMENT, "form", simaccel_key_import(engine, "pkcs12", scalar, 32, &key));
    FAILS(SIMACCEL_ERR_ARGUMENT, "form", simaccel_key_import(engine, NULL, scalar, 32, &key));
    FAILS(SIMACCEL_ERR_SESSION, "DER", simaccel_key_import(engine, "pkcs8", scalar, 32, &key));
    FAILS(SIMACCEL_ERR_SESSION, "DER", simaccel_key_import(engine, "sec1", NULL, 0, &key));
    FAILS(SIMACCEL_ERR_SESSION, "PEM", simaccel_key_import(engine, "pem", "-----BEGIN", 10, &key));
    FAILS(SIMACCEL_ERR_SESSION, "PEM", simaccel_key_import(engine, "pem", "\xff\xfe", 2, &key));
    memset(&numbers, 0, sizeof numbers);
    FAILS(SIMACCEL_ERR_ARGUMENT, "numbers is NULL", simaccel_key_from_rsa(engine, NULL, &key));
    FAILS(SIMACCEL_ERR_ARGUMENT, "size", simaccel_key_from_rsa(engine, &numbers, &key));
    numbers.size = sizeof numbers;
    FAILS(SIMACCEL_ERR_SESSION, "", simaccel_key_from_rsa(engine, &numbers, &key));
    numbers.n.len = 3;
    FAILS(SIMACCEL_ERR_ARGUMENT, "n is NULL", simaccel_key_from_rsa(engine, &numbers, &key));
    FAILS(SIMACCEL_ERR_SESSION, "none of", simaccel_key_generate(engine, "rot13", 0, &key));
    FAILS(SIMACCEL_ERR_ARGUMENT, "bits", simaccel_key_generate(engine, "p-256", 255, &key));
    FAILS(SIMACCEL_ERR_ARGUMENT, "bits", simaccel_key_generate(engine, "rsa", 0, &key));
    FAILS(SIMACCEL_ERR_ARGUMENT, "512", simaccel_key_generate(engine, "rsa", 511, &key));
    FAILS(SIMACCEL_ERR_ARGUMENT, "engine is NULL", simaccel_key_generate(NULL, "p-256", 0, &key));
    CHECK(key == NULL);

    FAILS(SIMACCEL_ERR_ARGUMENT, "key is NULL", simaccel_key_sign(NULL, NULL, digest, 32, out, 99, &len));
    FAILS(SIMACCEL_ERR_ARGUMENT, "in is NULL", simaccel_key_sign(real, NULL, NULL, 32, out, 99, &len));
    FAILS(SIMACCEL_ERR_ARGUMENT, "not UTF-8", simaccel_key_sign(real, "\xff", digest, 32, out, 99, &len));
    FAILS(SIMACCEL_ERR_ARGUMENT, "unknown key", simaccel_key_sign(real, "a=b", digest, 32, out, 99, &len));
    FAILS(SIMACCEL_ERR_ARGUMENT, "key is NULL", simaccel_key_verify(NULL, NULL, digest, 32, signature, 64));
    FAILS(SIMACCEL_ERR_ARGUMENT, "signature is NULL", simaccel_key_verify(real, NULL, digest, 32, NULL, 64));
    FAILS(SIMACCEL_ERR_ARGUMENT, "key is NULL", simaccel_key_encrypt(NULL, NULL, digest, 32, out, 99, &len));
    FAILS(SIMACCEL_ERR_ARGUMENT, "no operation encrypt", simaccel_key_encrypt(real, NULL, digest, 32, out, 99, &len));
    FAILS(SIMACCEL_ERR_ARGUMENT, "key is NULL", simaccel_key_decrypt(NULL, NULL, digest, 32, out, 99, &len));
    FAILS(SIMACCEL_ERR_ARGUMENT, "key is NULL", simaccel_key_derive(NULL, digest, 32, out, 99, &len));
    FAILS(SIMACCEL_ERR_ARGUMENT, "peer is NULL", simaccel_key_derive(real, NULL, 32, out, 99, &len));
    FAILS(SIMACCEL_ERR_ARGUMENT, "key is NULL", simaccel_key_encapsulate(NULL, out, 9, &len, out, 9, &len));
    FAILS(SIMACCEL_ERR_ARGUMENT, "key is NULL", simaccel_key_decapsulate(NULL, out, 9, out, 9, &len));
    FAILS(SIMACCEL_ERR_ARGUMENT, "size is NULL", simaccel_key_output_size(real, SIMACCEL_KEY_SIGN, NULL, NULL));
    FAILS(SIMACCEL_ERR_ARGUMENT, "key is NULL", simaccel_key_output_size(NULL, SIMACCEL_KEY_SIGN, NULL, &len));
    FAILS(SIMACCEL_ERR_ARGUMENT, "operation is 77", simaccel_key_output_size(real, (simaccel_key_operation)77, NULL, &len));
    FAILS(SIMACCEL_ERR_ARGUMENT, "key is NULL", simaccel_key_public(NULL, &key));
    FAILS(SIMACCEL_ERR_ARGUMENT, "public_key is NULL", simaccel_key_public(real, NULL));
    FAILS(SIMACCEL_ERR_ARGUMENT, "key is NULL", simaccel_key_export(NULL, "spki", out, 99, &len));
    FAILS(SIMACCEL_ERR_ARGUMENT, "form", simaccel_key_export(real, "pem", out, 99, &len));
    CHECK(simaccel_key_algorithm(NULL) == NULL && simaccel_key_bits(NULL) == 0 && simaccel_key_is_private(NULL) == 0);
    CHECK(simaccel_key_equal(NULL, real) == 0 && simaccel_key_equal(real, NULL) == 0 && simaccel_key_equal(NULL, NULL) == 0);
    CHECK(strcmp(simaccel_result_name(SIMACCEL_ERR_PENDING), "SIMACCEL_ERR_PENDING") == 0);
    CHECK(simaccel_is_retryable(SIMACCEL_ERR_PENDING) == 1 && simaccel_is_retryable(SIMACCEL_ERR_TAKEN) == 0);
    simaccel_key_free(NULL);
    simaccel_key_free(real);
    simaccel_engine_free(engine);
}

/* ---- Jobs ---- */

struct work {
    simaccel_key *key;
    const char *with;
    unsigned char in[32], out[64];
    size_t len;
    simaccel_result result;
};

static int in_job(void *arg)
{
    struct work *work = *(struct work **)arg;

    work->result = simaccel_key_sign(work->key, work->with, work->in, 32, work->out, 64, &work->len);
    return 1;
}

static struct work work_on(simaccel_key *key)
{
    struct work work = {key, scheme, {0}, {0}, 0, SIMACCEL_ERR_INTERNAL};

    memcpy(work.in, digest, 32);
    return work;
}

static int go_on(ASYNC_JOB **job, ASYNC_WAIT_CTX *ctx, struct work *work)
{
    int ret = 0;

    return ASYNC_start_job(job, ctx, &ret, in_job, &work, sizeof work);
}

/* The input may change and the key may be freed while the job is paused. */
static void pausing(void)
{
    simaccel_engine *engine = open_engine("completion_nsec=1000", 1);
    struct work work = work_on(key_of(engine)), other = work_on(work.key);
    char own_scheme[sizeof scheme];
    ASYNC_WAIT_CTX *ctx = ASYNC_WAIT_CTX_new();
    ASYNC_JOB *job = NULL, *given_up = NULL;

    memcpy(own_scheme, scheme, sizeof scheme);
    work.with = own_scheme;
    CHECK(go_on(&job, ctx, &work) == ASYNC_PAUSE);
    memset(work.in, 0, 32);
    memset(own_scheme, 'x', sizeof own_scheme - 1);
    CHECK(go_on(&given_up, ctx, &other) == ASYNC_PAUSE);
    simaccel_key_free(work.key);
    CHECK(go_on(&job, ctx, &work) == ASYNC_PAUSE); /* spurious */
    OK(simaccel_device_run_until_idle(engine));
    CHECK(go_on(&job, ctx, &work) == ASYNC_FINISH && work.result == SIMACCEL_OK);
    CHECK(work.len == 64 && memcmp(work.out, signature, 64) == 0);
    ASYNC_cleanup_thread();
    CHECK(stat_of(engine, "operations") == 2 && stat_of(engine, "abandoned") == 1 && stat_of(engine, "pauses") == 3);
    ASYNC_WAIT_CTX_free(ctx);
    simaccel_engine_free(engine);
}

/* Every algorithm and operation in a job that is discarded in it: nothing is lost (under valgrind). */
struct discarded {
    simaccel_key *key;
    simaccel_engine *engine;
    int operation;
};

static int is_discarded(void *arg)
{
    struct discarded *d = *(struct discarded **)arg;
    unsigned char out[4096], secret[64];
    int is_rsa = strncmp(simaccel_key_algorithm(d->key), "rsa", 3) == 0;
    simaccel_key *made;
    size_t len = 0;

    memset(out, 1, sizeof out);
    switch (d->operation) {
    case SIMACCEL_KEY_SIGN:
        simaccel_key_sign(d->key, is_rsa ? "padding=pss;hash=sha256" : NULL, digest, 32, out, sizeof out, &len);
        break;
    case SIMACCEL_KEY_VERIFY:
        simaccel_key_verify(d->key, is_rsa ? "padding=pss;hash=sha256" : NULL, digest, 32, signature, 64);
        break;
    case SIMACCEL_KEY_ENCRYPT:
        simaccel_key_encrypt(d->key, "padding=oaep;hash=sha1;label=41", digest, 32, out, sizeof out, &len);
        break;
    case SIMACCEL_KEY_DECRYPT:
        simaccel_key_decrypt(d->key, "padding=oaep;hash=sha1;label=41", out, 256, out, sizeof out, &len);
        break;
    case SIMACCEL_KEY_DERIVE:
        if (simaccel_key_export(d->key, "public", out, sizeof out, &len) == SIMACCEL_OK)
            simaccel_key_derive(d->key, out, len, out, sizeof out, &len);
        break;
    case SIMACCEL_KEY_ENCAPSULATE:
        simaccel_key_encapsulate(d->key, out, sizeof out, &len, secret, sizeof secret, &len);
        break;
    case SIMACCEL_KEY_DECAPSULATE:
        if (simaccel_key_output_size(d->key, SIMACCEL_KEY_ENCAPSULATE, NULL, &len) == SIMACCEL_OK)
            simaccel_key_decapsulate(d->key, out, len, secret, sizeof secret, &len);
        break;
    default:
        simaccel_key_generate(d->engine, simaccel_key_algorithm(d->key), 0, &made);
    }
    return 1;
}

static void discarding(void)
{
    simaccel_engine *engine = open_engine("completion_nsec=1000", 1);
    int i, operation, paused = 0;

    for (i = 0; i < ALGORITHMS; i++) {
        simaccel_key *key = generated(engine, algorithms[i]);

        for (operation = SIMACCEL_KEY_SIGN; operation <= SIMACCEL_KEY_GENERATE; operation++) {
            struct discarded work = {key, engine, operation}, *arg = &work;
            ASYNC_WAIT_CTX *ctx = ASYNC_WAIT_CTX_new();
            ASYNC_JOB *job = NULL;
            int ret = 0, step = ASYNC_start_job(&job, ctx, &ret, is_discarded, &arg, sizeof arg);

            paused += step == ASYNC_PAUSE;
            CHECK(step == ASYNC_PAUSE || step == ASYNC_FINISH);
            ASYNC_WAIT_CTX_free(ctx);
        }
        simaccel_key_free(key);
    }
    CHECK(paused == 7 * 2 + 2 + 4 + 2 * 2 + ALGORITHMS);
    CHECK(stat_of(engine, "abandoned") == paused);
    simaccel_engine_free(engine);
}

static void waking(const char *config)
{
    simaccel_engine *engine = open_engine(config, 0);
    struct work work = work_on(key_of(engine));
    ASYNC_WAIT_CTX *ctx = ASYNC_WAIT_CTX_new();
    struct pollfd fds = {-1, POLLIN, 0};
    ASYNC_JOB *job = NULL;
    size_t count = 0;
    int i;

    for (i = 0; i < 20; i++) {
        memset(work.out, 0, 64);
        while (go_on(&job, ctx, &work) == ASYNC_PAUSE)
            CHECK(ASYNC_WAIT_CTX_get_all_fds(ctx, &fds.fd, &count) == 1 && count == 1 && poll(&fds, 1, -1) == 1);
        CHECK(work.result == SIMACCEL_OK && memcmp(work.out, signature, 64) == 0);
    }
    CHECK(stat_of(engine, "pauses") == 20 && stat_of(engine, "operations") == 20);
    ASYNC_WAIT_CTX_free(ctx);
    simaccel_key_free(work.key);
    simaccel_engine_free(engine);
}

static void failing(void)
{
    simaccel_engine *engine = open_engine("fault=fail:op=sign,nth=1;fault=corrupt:op=sign,nth=2;fault=short:op=sign,nth=3", 1);
    simaccel_key *key = key_of(engine);
    unsigned char out[64];
    size_t len = 77;

    FAILS(SIMACCEL_ERR_DEVICE_FAILED, "", simaccel_key_sign(key, scheme, digest, 32, out, 64, NULL));
    OK(simaccel_key_sign(key, scheme, digest, 32, out, 64, &len));
    FAILS(SIMACCEL_ERR_AUTH_FAILED, "", simaccel_key_verify(key, scheme, digest, 32, out, 64));
    memset(out, 7, sizeof out);
    FAILS(SIMACCEL_ERR_SHORT_OUTPUT, "", simaccel_key_sign(key, scheme, digest, 32, out, 64, &len));
    CHECK(out[0] == 7 && out[63] == 7);
    OK(simaccel_key_sign(key, scheme, digest, 32, out, 64, &len));
    CHECK(memcmp(out, signature, 64) == 0);
    simaccel_key_free(key);
    simaccel_engine_free(engine);
}

static void forking(void)
{
    simaccel_engine *engine = open_engine("completion_nsec=1000000", 0);
    struct work work = work_on(key_of(engine));
    ASYNC_WAIT_CTX *ctx = ASYNC_WAIT_CTX_new();
    ASYNC_JOB *job = NULL;
    struct pollfd fds = {-1, POLLIN, 0};
    size_t count = 0;
    int status = -1;
    pid_t child;

    CHECK(go_on(&job, ctx, &work) == ASYNC_PAUSE);
    child = fork();
    CHECK(child >= 0);
    if (child == 0) {
        simaccel_key *key = NULL, *own;
        simaccel_engine *own_engine;
        unsigned char out[64];

        FAILS(SIMACCEL_ERR_FORKED, "", simaccel_key_sign(work.key, scheme, digest, 32, out, 64, NULL));
        FAILS(SIMACCEL_ERR_FORKED, "", simaccel_key_generate(engine, "p-256", 0, &key));
        CHECK(key == NULL && go_on(&job, ctx, &work) == ASYNC_FINISH && work.result == SIMACCEL_ERR_FORKED);
        own_engine = open_engine(NULL, 0);
        own = key_of(own_engine);
        CHECK(simaccel_key_equal(own, work.key) == 1);
        OK(simaccel_key_sign(own, scheme, digest, 32, out, 64, NULL));
        CHECK(memcmp(out, signature, 64) == 0);
        simaccel_key_free(work.key);
        /* Success. With exit, valgrind would report what the parent's threads own, which do not exist here. */
        raise(SIGKILL);
    }
    CHECK(waitpid(child, &status, 0) == child && WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
    while (go_on(&job, ctx, &work) == ASYNC_PAUSE)
        CHECK(ASYNC_WAIT_CTX_get_all_fds(ctx, &fds.fd, &count) == 1 && count == 1 && poll(&fds, 1, -1) == 1);
    CHECK(work.result == SIMACCEL_OK && memcmp(work.out, signature, 64) == 0);
    ASYNC_WAIT_CTX_free(ctx);
    simaccel_key_free(work.key);
    simaccel_engine_free(engine);
}

int main(void)
{
    static const char *const configs[] = {"compute_units=4", "completion_nsec=1000;fallback=on", "delivery=poll",
                                          "fallback=on;fault=fail"};
    int i;

    for (i = 0; i < 4; i++) {
        simaccel_engine *engine = open_engine(configs[i], i % 2);

        known_answer(engine);
        every_operation(engine);
        simaccel_engine_free(engine);
    }
    nothing_refused_reaches_the_device();
    nonsense();
    pausing();
    discarding();
    waking("completion_nsec=100000");
    waking("completion_nsec=100000;timeout_msec=60000");
    failing();
    forking();
    ASYNC_cleanup_thread();
    printf("ok\n");
    return 0;
}
