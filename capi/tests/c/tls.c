/*
 * TLS handshakes of libssl on this library's jobs. Both ends work in jobs (SSL_MODE_ASYNC) and pause in the middle of
 * their handshakes, on wait fds, like those of an asynchronous engine. Linked to libssl and libcrypto alone and run
 * with this library preloaded: libssl must bind to it, or nothing would pause.
 *
 * tls HANDSHAKES
 */
#define _GNU_SOURCE 1
#include <dlfcn.h>
#include <poll.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <openssl/async.h>
#include <openssl/evp.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>

#include <stdio.h>
#include <stdlib.h>

#define CHECK(condition)                                                                                               \
    do {                                                                                                               \
        if (!(condition)) {                                                                                            \
            fprintf(stderr, "%s:%d: not so: %s\n", __FILE__, __LINE__, #condition);                                    \
            exit(1);                                                                                                   \
        }                                                                                                              \
    } while (0)

static int key, pauses, waits, closed;

static void close_fd(ASYNC_WAIT_CTX *ctx, const void *of, OSSL_ASYNC_FD fd, void *data)
{
    (void)ctx, (void)data;
    CHECK(of == &key && close(fd) == 0);
    closed++;
}

/* Acts like an asynchronous engine in an operation. */
static void works_elsewhere(void)
{
    ASYNC_JOB *job = ASYNC_get_current_job();
    ASYNC_WAIT_CTX *ctx;
    OSSL_ASYNC_FD fd = -1;
    void *data;
    unsigned long long token = 1;

    CHECK(job != NULL);
    ctx = ASYNC_get_wait_ctx(job);
    CHECK(ctx != NULL);
    if (!ASYNC_WAIT_CTX_get_fd(ctx, &key, &fd, &data)) {
        fd = eventfd(0, EFD_NONBLOCK);
        CHECK(fd >= 0 && ASYNC_WAIT_CTX_set_wait_fd(ctx, &key, fd, NULL, close_fd));
    }
    CHECK(write(fd, &token, sizeof token) == (ssize_t)sizeof token);
    CHECK(ASYNC_pause_job() == 1);
    CHECK(read(fd, &token, sizeof token) == (ssize_t)sizeof token);
    pauses++;
}

static int cert_callback(SSL *ssl, void *arg)
{
    (void)ssl, (void)arg;
    works_elsewhere();
    works_elsewhere();
    return 1;
}

static int verify_callback(int ok, X509_STORE_CTX *store)
{
    (void)ok, (void)store;
    works_elsewhere();
    return 1;
}

static X509 *certificate(EVP_PKEY *pkey)
{
    X509 *x509 = X509_new();
    X509_NAME *name;

    CHECK(x509 != NULL && X509_set_version(x509, 2) && ASN1_INTEGER_set(X509_get_serialNumber(x509), 1));
    CHECK(X509_gmtime_adj(X509_getm_notBefore(x509), 0) && X509_gmtime_adj(X509_getm_notAfter(x509), 86400));
    name = X509_get_subject_name(x509);
    CHECK(X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, (const unsigned char *)"test", -1, -1, 0));
    CHECK(X509_set_issuer_name(x509, name) && X509_set_pubkey(x509, pkey) && X509_sign(x509, pkey, EVP_sha256()));
    return x509;
}

/* After a call that did not end: whether its job has paused; waits for it. */
static int waited(SSL *ssl, int result)
{
    OSSL_ASYNC_FD fds[4];
    struct pollfd ready = {-1, POLLIN, 0};
    size_t count = 0;

    switch (SSL_get_error(ssl, result)) {
    case SSL_ERROR_WANT_ASYNC:
        CHECK(SSL_waiting_for_async(ssl) == 1);
        CHECK(SSL_get_all_async_fds(ssl, NULL, &count) == 1 && count == 1);
        CHECK(SSL_get_all_async_fds(ssl, fds, &count) == 1);
        ready.fd = fds[0];
        CHECK(poll(&ready, 1, -1) == 1);
        waits++;
        return 1;
    case SSL_ERROR_WANT_READ:
    case SSL_ERROR_WANT_WRITE:
        return 0;
    default:
        CHECK(!"an error of TLS");
        return 0;
    }
}

static SSL *end(SSL_CTX *ctx, BIO *reads, BIO *writes, int server)
{
    SSL *ssl = SSL_new(ctx);

    CHECK(ssl != NULL && BIO_up_ref(reads) && BIO_up_ref(writes));
    SSL_set_bio(ssl, reads, writes);
    SSL_set_mode(ssl, SSL_MODE_ASYNC);
    if (server)
        SSL_set_accept_state(ssl);
    else
        SSL_set_connect_state(ssl);
    return ssl;
}

static int done(SSL *ssl)
{
    int result;

    do
        result = SSL_do_handshake(ssl);
    while (result != 1 && waited(ssl, result));
    return result == 1;
}

static void transfer(SSL *from, SSL *to)
{
    char text[] = "over the wire", got[64];
    int result;

    do
        result = SSL_write(from, text, sizeof text);
    while (result <= 0 && waited(from, result));
    do
        result = SSL_read(to, got, sizeof got);
    while (result <= 0 && waited(to, result));
    CHECK(result == (int)sizeof text && strcmp(text, got) == 0);
}

/* rounds: how often each end may move; few leave the handshake, and its paused job, in the middle. */
static void handshake(SSL_CTX *server_ctx, SSL_CTX *client_ctx, int abandon)
{
    BIO *up = BIO_new(BIO_s_mem()), *down = BIO_new(BIO_s_mem());
    SSL *server = end(server_ctx, up, down, 1), *client = end(client_ctx, down, up, 0);
    int server_done = 0, client_done = 0, rounds = 0;

    CHECK(up != NULL && down != NULL);
    if (abandon) {
        CHECK(!done(client));
        CHECK(SSL_get_error(server, SSL_do_handshake(server)) == SSL_ERROR_WANT_ASYNC);
    } else {
        while (!(server_done && client_done)) {
            client_done = client_done || done(client);
            server_done = server_done || done(server);
            CHECK(++rounds < 10);
        }
        transfer(client, server);
        transfer(server, client);
    }
    SSL_free(server);
    SSL_free(client);
    BIO_free(up);
    BIO_free(down);
}

int main(int argc, char **argv)
{
    static const int versions[] = {TLS1_2_VERSION, TLS1_3_VERSION};
    EVP_PKEY *pkey = EVP_EC_gen("P-256");
    X509 *x509 = certificate(pkey);
    SSL_CTX *server, *client;
    Dl_info info;
    void *start = dlsym(RTLD_DEFAULT, "ASYNC_start_job");
    int handshakes = argc == 2 ? atoi(argv[1]) : 0, version, i;

    CHECK(handshakes > 0 && pkey != NULL && start != NULL && dladdr(start, &info) != 0);
    for (version = 0; version < 2; version++) {
        server = SSL_CTX_new(TLS_server_method());
        client = SSL_CTX_new(TLS_client_method());
        CHECK(SSL_CTX_set_max_proto_version(server, versions[version]));
        CHECK(SSL_CTX_use_certificate(server, x509) == 1 && SSL_CTX_use_PrivateKey(server, pkey) == 1);
        SSL_CTX_set_cert_cb(server, cert_callback, NULL);
        SSL_CTX_set_verify(client, SSL_VERIFY_PEER, verify_callback);
        pauses = waits = closed = 0;
        for (i = 0; i < handshakes; i++)
            handshake(server, client, 0);
        /* The server's certificate twice, the client's verification once or more (once for each error). */
        CHECK(pauses >= 3 * handshakes && waits == pauses && closed == 2 * handshakes);
        for (i = 0; i < handshakes; i++)
            handshake(server, client, 1);
        CHECK(closed == 3 * handshakes);
        SSL_CTX_free(server);
        SSL_CTX_free(client);
    }
    X509_free(x509);
    EVP_PKEY_free(pkey);
    ASYNC_cleanup_thread();
    printf("%s\n", info.dli_fname);
    return 0;
}
