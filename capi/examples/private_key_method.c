/*
 * The private keys of a TLS library on the device: BoringSSL's SSL_PRIVATE_KEY_METHOD over simaccel/keys.h. C11 or C++17.
 *
 *   TLS library ---- sign, decrypt ----> simaccel_key_start ------> simaccel_operation
 *       |      <---- retry ------------- simaccel_operation_take: SIMACCEL_ERR_PENDING
 *       |                                    ... the device works, the loop serves other connections ...
 *       |                                ready: the connection's address into a pipe
 *   loop reads the pipe, goes on with the handshake
 *       `----------- complete ---------> simaccel_operation_take ---> the signature, or retry again
 *
 * The first half is the adapter. The second half stands in for the library and its event loop: a handshake here is one
 * signature, which is compared. With BoringSSL, include its header in place of the declarations below.
 */

#include <simaccel/keys.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* ---- What BoringSSL's <openssl/ssl.h> declares ---- */

typedef struct ssl_st SSL;

enum ssl_private_key_result_t { ssl_private_key_success, ssl_private_key_retry, ssl_private_key_failure };

typedef struct ssl_private_key_method_st {
    enum ssl_private_key_result_t (*sign)(SSL *ssl, uint8_t *out, size_t *out_len, size_t max_out,
                                          uint16_t signature_algorithm, const uint8_t *in, size_t in_len);
    enum ssl_private_key_result_t (*decrypt)(SSL *ssl, uint8_t *out, size_t *out_len, size_t max_out, const uint8_t *in,
                                             size_t in_len);
    enum ssl_private_key_result_t (*complete)(SSL *ssl, uint8_t *out, size_t *out_len, size_t max_out);
} SSL_PRIVATE_KEY_METHOD;

/* A connection, with what an adapter keeps in the library's ex_data. */
struct ssl_st {
    simaccel_key *key;
    simaccel_operation *operation;
    uint16_t signature_algorithm;
    uint8_t message[100], signature[512];
    size_t signature_len;
    int is_done, retries;
};

/* ---- The adapter ---- */

static int wakes[2]; /* a pipe: addresses of connections that may go on */

/* SSL_SIGN_*: how to sign, and what hashes the message first (NULL: nothing does). */
static const struct {
    uint16_t signature_algorithm;
    const char *scheme, *hash;
} schemes[] = {
    {0x0401, "padding=pkcs1;hash=sha256", "sha256"},
    {0x0501, "padding=pkcs1;hash=sha384", "sha384"},
    {0x0601, "padding=pkcs1;hash=sha512", "sha512"},
    {0x0804, "padding=pss;hash=sha256", "sha256"},
    {0x0805, "padding=pss;hash=sha384", "sha384"},
    {0x0806, "padding=pss;hash=sha512", "sha512"},
    {0x0403, "", "sha256"},
    {0x0503, "", "sha384"},
    {0x0603, "", "sha512"},
    {0x0807, "", NULL},
};

/*
 * On a thread of the device: it only says which connection may go on. A loop that frees connections keeps a name that does
 * not come back, in place of an address: the pipe may still hold one.
 */
static void ready(void *arg)
{
    SSL *ssl = (SSL *)arg;

    if (write(wakes[1], &ssl, sizeof ssl) != sizeof ssl)
        abort();
}

/* Gives the result, or says that there is none yet. What ends an operation ends its calls of ready, too. */
static enum ssl_private_key_result_t complete(SSL *ssl, uint8_t *out, size_t *out_len, size_t max_out)
{
    simaccel_result result = simaccel_operation_take(ssl->operation, out, max_out, out_len);

    if (result == SIMACCEL_ERR_PENDING)
        return ssl_private_key_retry;
    if (result != SIMACCEL_OK)
        fprintf(stderr, "%s: %s\n", simaccel_result_name(result), simaccel_last_error());
    simaccel_operation_free(ssl->operation);
    ssl->operation = NULL;
    return result == SIMACCEL_OK ? ssl_private_key_success : ssl_private_key_failure;
}

static enum ssl_private_key_result_t start(SSL *ssl, simaccel_key_operation operation, const char *scheme,
                                           const uint8_t *in, size_t in_len, uint8_t *out, size_t *out_len,
                                           size_t max_out)
{
    if (simaccel_key_start(ssl->key, operation, scheme, in, in_len, ready, ssl, &ssl->operation) != SIMACCEL_OK) {
        fprintf(stderr, "%s\n", simaccel_last_error());
        return ssl_private_key_failure;
    }
    return complete(ssl, out, out_len, max_out);
}

/* Hashes in this thread, without the device: an engine with a threshold above every length. */
static simaccel_engine *software;

static int digest(const char *hash, const uint8_t *in, size_t in_len, uint8_t *out, size_t *out_len)
{
    simaccel_session *session;
    int is_done;

    if (simaccel_session_new(software, hash, NULL, 0, NULL, &session) != SIMACCEL_OK)
        return 0;
    is_done = simaccel_digest(session, in, in_len, out, SIMACCEL_MAX_DIGEST, out_len) == SIMACCEL_OK;
    simaccel_session_free(session);
    return is_done;
}

static enum ssl_private_key_result_t sign(SSL *ssl, uint8_t *out, size_t *out_len, size_t max_out,
                                          uint16_t signature_algorithm, const uint8_t *in, size_t in_len)
{
    uint8_t hashed[SIMACCEL_MAX_DIGEST];
    size_t i;

    for (i = 0; i < sizeof schemes / sizeof schemes[0]; i++) {
        if (schemes[i].signature_algorithm != signature_algorithm)
            continue;
        if (schemes[i].hash != NULL) {
            if (!digest(schemes[i].hash, in, in_len, hashed, &in_len))
                return ssl_private_key_failure;
            in = hashed;
        }
        return start(ssl, SIMACCEL_KEY_SIGN, schemes[i].scheme, in, in_len, out, out_len, max_out);
    }
    return ssl_private_key_failure;
}

/* BoringSSL removes the padding itself, in constant time. */
static enum ssl_private_key_result_t decrypt(SSL *ssl, uint8_t *out, size_t *out_len, size_t max_out, const uint8_t *in,
                                             size_t in_len)
{
    return start(ssl, SIMACCEL_KEY_DECRYPT, "padding=none", in, in_len, out, out_len, max_out);
}

static const SSL_PRIVATE_KEY_METHOD method = {sign, decrypt, complete};

/* For the end of a connection, in the library's free function: whatever is under way is given up. */
static void end_connection(SSL *ssl)
{
    simaccel_operation_free(ssl->operation);
    ssl->operation = NULL;
}

/* ---- In place of the library and its loop ---- */

enum { CONNECTIONS = 40 };

/* 1: the handshake is over; 0: it goes on after a wake. */
static int handshake(SSL *ssl)
{
    enum ssl_private_key_result_t result;

    if (ssl->is_done) /* a wake without need */
        return 0;
    if (ssl->operation == NULL)
        result = method.sign(ssl, ssl->signature, &ssl->signature_len, sizeof ssl->signature, ssl->signature_algorithm,
                             ssl->message, sizeof ssl->message);
    else
        result = method.complete(ssl, ssl->signature, &ssl->signature_len, sizeof ssl->signature);
    if (result == ssl_private_key_failure)
        exit(1);
    ssl->retries += result == ssl_private_key_retry;
    return ssl->is_done = result == ssl_private_key_success;
}

/* RSA's raw decryption: a number that is encrypted comes back. */
static void decrypts(SSL *ssl)
{
    uint8_t text[256] = {0}, encrypted[256], out[256];
    size_t len = 0, out_len = 0;
    enum ssl_private_key_result_t result;
    SSL *woken;

    memcpy(text + 100, "premaster", 9);
    if (simaccel_key_encrypt(ssl->key, "padding=none", text, sizeof text, encrypted, sizeof encrypted, &len) != 0)
        exit(1);
    result = method.decrypt(ssl, out, &out_len, sizeof out, encrypted, len);
    while (result == ssl_private_key_retry) {
        if (read(wakes[0], &woken, sizeof woken) != sizeof woken)
            exit(1);
        result = method.complete(ssl, out, &out_len, sizeof out);
    }
    if (result != ssl_private_key_success || out_len != sizeof text || memcmp(out, text, sizeof text) != 0)
        exit(1);
}

static void verify(const SSL *ssl)
{
    uint8_t hashed[SIMACCEL_MAX_DIGEST];
    const uint8_t *in = ssl->message;
    size_t i, in_len = sizeof ssl->message;

    for (i = 0; schemes[i].signature_algorithm != ssl->signature_algorithm; i++)
        ;
    if (schemes[i].hash != NULL) {
        if (!digest(schemes[i].hash, in, in_len, hashed, &in_len))
            exit(1);
        in = hashed;
    }
    if (simaccel_key_verify(ssl->key, schemes[i].scheme, in, in_len, ssl->signature, ssl->signature_len) != 0) {
        fprintf(stderr, "%s\n", simaccel_last_error());
        exit(1);
    }
}

int main(void)
{
    static SSL connections[CONNECTIONS];
    static const char *const algorithms[] = {"rsa-2048", "p-256", "p-384", "ed25519"};
    static const uint16_t signature_algorithms[] = {0x0804, 0x0403, 0x0503, 0x0807};
    simaccel_engine *engine;
    simaccel_key *keys[4];
    int i, left = CONNECTIONS, retries = 0;

    if (pipe(wakes) != 0 || simaccel_engine_open("compute_units=4;completion_nsec=200000", &engine) != SIMACCEL_OK ||
        simaccel_engine_open_stepped("offload_threshold=4294967295", &software) != SIMACCEL_OK)
        return 1;
    for (i = 0; i < 4; i++) {
        if (simaccel_key_generate(engine, algorithms[i], 0, &keys[i]) != SIMACCEL_OK) {
            fprintf(stderr, "%s: %s\n", algorithms[i], simaccel_last_error());
            return 1;
        }
    }
    for (i = 0; i < CONNECTIONS; i++) {
        connections[i].key = keys[i % 4];
        connections[i].signature_algorithm = signature_algorithms[i % 4];
        memset(connections[i].message, i, sizeof connections[i].message);
        left -= handshake(&connections[i]);
    }
    while (left > 0) {
        SSL *ssl;

        if (read(wakes[0], &ssl, sizeof ssl) != sizeof ssl)
            return 1;
        left -= handshake(ssl);
    }
    for (i = 0; i < CONNECTIONS; i++) {
        verify(&connections[i]);
        retries += connections[i].retries;
    }
    decrypts(&connections[0]);
    /* A peer that goes away in the middle. */
    connections[1].is_done = 0;
    handshake(&connections[1]);
    end_connection(&connections[1]);
    printf("%d handshakes, %d of them answered with retry\n", CONNECTIONS, retries);
    for (i = 0; i < 4; i++)
        simaccel_key_free(keys[i]);
    simaccel_engine_free(engine);
    simaccel_engine_free(software);
    return 0;
}
