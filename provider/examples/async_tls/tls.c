/* The SSL_CTX of either program. Nothing here names a provider: which one is loaded, and which algorithms it is
   asked for first, is the business of openssl.cnf. */

#include "tls.h"

#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/x509.h>
#include <stdlib.h>
#include <string.h>

static void die(const char *what)
{
    fprintf(stderr, "%s\n", what);
    ERR_print_errors_fp(stderr);
    exit(1);
}

static SSL_CTX *new_ctx(const SSL_METHOD *method, const struct options *options)
{
    SSL_CTX *ctx = SSL_CTX_new(method);
    int version = options->tls_1_2 ? TLS1_2_VERSION : TLS1_3_VERSION;

    if (ctx == NULL)
        die("SSL_CTX_new");
    if (!SSL_CTX_set_min_proto_version(ctx, version) || !SSL_CTX_set_max_proto_version(ctx, version))
        die("the TLS version");
    if (options->ciphers
        && !(options->tls_1_2 ? SSL_CTX_set_cipher_list(ctx, options->ciphers)
                              : SSL_CTX_set_ciphersuites(ctx, options->ciphers)))
        die("--ciphers");
    /* This is what makes calls pause. Without it, or where no engine pauses, all is the same but never
       SSL_ERROR_WANT_ASYNC. */
    if (!options->sync)
        SSL_CTX_set_mode(ctx, SSL_MODE_ASYNC);
    /* A write ends with what has gone out, and may be repeated from another place. */
    SSL_CTX_set_mode(ctx, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    return ctx;
}

/* A key and a certificate for these two programs, which ends with the process. */
static void use_own_certificate(SSL_CTX *ctx)
{
    EVP_PKEY *key = EVP_EC_gen("P-256");
    X509 *certificate = X509_new();

    if (key == NULL || certificate == NULL)
        die("no key");
    X509_NAME *name = X509_get_subject_name(certificate);
    if (!X509_set_version(certificate, X509_VERSION_3)
        || !ASN1_INTEGER_set(X509_get_serialNumber(certificate), 1)
        || !X509_gmtime_adj(X509_getm_notBefore(certificate), -3600)
        || !X509_gmtime_adj(X509_getm_notAfter(certificate), 24 * 3600)
        || !X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, (const unsigned char *)"localhost", -1, -1, 0)
        || !X509_set_issuer_name(certificate, name) || !X509_set_pubkey(certificate, key)
        || !X509_sign(certificate, key, EVP_sha256()))
        die("no certificate");
    if (SSL_CTX_use_certificate(ctx, certificate) != 1 || SSL_CTX_use_PrivateKey(ctx, key) != 1)
        die("the certificate is refused");
    X509_free(certificate);
    EVP_PKEY_free(key);
}

SSL_CTX *tls_server(const struct options *options)
{
    SSL_CTX *ctx = new_ctx(TLS_server_method(), options);

    if (options->cert == NULL)
        use_own_certificate(ctx);
    else if (SSL_CTX_use_certificate_chain_file(ctx, options->cert) != 1)
        die("--cert");
    else if (SSL_CTX_use_PrivateKey_file(ctx, options->key, SSL_FILETYPE_PEM) != 1)
        die("--key");
    return ctx;
}

SSL_CTX *tls_client(const struct options *options)
{
    SSL_CTX *ctx = new_ctx(TLS_client_method(), options);

    if (options->ca) {
        if (!SSL_CTX_load_verify_file(ctx, options->ca))
            die("--ca");
        SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER, NULL);
    }
    return ctx;
}
