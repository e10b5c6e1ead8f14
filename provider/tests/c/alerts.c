/*
 * A handshake that fails while its job is paused, without any provider of ours: a callback of libssl pauses the job
 * in which the server sends its alert. Prints whether calls on the connection resume the job, as they have to:
 * nothing else can end it.
 *
 *     alerts
 */
#include <openssl/async.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>

#include <stdio.h>
#include <stdlib.h>

#define CHECK(condition) \
    do { \
        if (!(condition)) { \
            fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition); \
            ERR_print_errors_fp(stderr); \
            exit(1); \
        } \
    } while (0)

static int resumed;

static void on_event(const SSL *ssl, int where, int value)
{
    (void)ssl;
    (void)value;
    if ((where & SSL_CB_WRITE_ALERT) == SSL_CB_WRITE_ALERT && ASYNC_get_current_job() != NULL) {
        CHECK(ASYNC_pause_job());
        resumed = 1;
    }
}

static void use_certificate(SSL_CTX *ctx)
{
    EVP_PKEY *key = EVP_EC_gen("P-256");
    X509 *certificate = X509_new();

    CHECK(key != NULL && certificate != NULL);
    CHECK(X509_gmtime_adj(X509_getm_notBefore(certificate), 0) != NULL);
    CHECK(X509_gmtime_adj(X509_getm_notAfter(certificate), 3600) != NULL);
    CHECK(X509_set_pubkey(certificate, key) && X509_sign(certificate, key, EVP_sha256()));
    CHECK(SSL_CTX_use_certificate(ctx, certificate) == 1 && SSL_CTX_use_PrivateKey(ctx, key) == 1);
    X509_free(certificate);
    EVP_PKEY_free(key);
}

int main(void)
{
    SSL_CTX *of_server = SSL_CTX_new(TLS_server_method()), *of_client = SSL_CTX_new(TLS_client_method());
    BIO *one, *other;
    int calls = 0;

    CHECK(of_server != NULL && of_client != NULL);
    use_certificate(of_server);
    SSL_CTX_set_mode(of_server, SSL_MODE_ASYNC);
    SSL_CTX_set_verify(of_server, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
    SSL *server = SSL_new(of_server), *client = SSL_new(of_client);
    CHECK(server != NULL && client != NULL && BIO_new_bio_pair(&one, 0, &other, 0));
    SSL_set_info_callback(server, on_event);
    SSL_set_bio(server, one, one);
    SSL_set_bio(client, other, other);
    SSL_set_accept_state(server);
    SSL_set_connect_state(client);
    while (!SSL_waiting_for_async(server)) {
        CHECK(calls++ < 100);
        SSL_do_handshake(client);
        SSL_do_handshake(server);
    }
    for (calls = 0; calls < 100 && SSL_waiting_for_async(server); calls++) {
        ERR_clear_error();
        SSL_do_handshake(server);
    }
    printf("resumed %d waiting %d calls %d\n", resumed, SSL_waiting_for_async(server), calls);
    SSL_free(server);
    SSL_free(client);
    SSL_CTX_free(of_server);
    SSL_CTX_free(of_client);
    return 0;
}
