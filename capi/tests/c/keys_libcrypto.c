/*
 * Keys of this library beside libcrypto's: each imports what the other has written, in every form, and each verifies,
 * decrypts and derives what the other has signed, encrypted and derived. Keys are made anew in every run.
 */
#include "check.h"

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/param_build.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>
#include <simaccel/keys.h>

static simaccel_engine *engine;

/* ---- Keys in every form ---- */

static simaccel_key *imported(const char *form, const void *data, size_t len)
{
    simaccel_key *key = NULL;

    OK(simaccel_key_import(engine, form, data, len, &key));
    CHECK(key != NULL);
    return key;
}

static simaccel_key *of_der(EVP_PKEY *key, const char *form)
{
    unsigned char *der = NULL;
    simaccel_key *made;
    int len;

    if (strcmp(form, "spki") == 0) {
        len = i2d_PUBKEY(key, &der);
    } else if (strcmp(form, "pkcs8") == 0) {
        PKCS8_PRIV_KEY_INFO *info = EVP_PKEY2PKCS8(key);

        CHECK(info != NULL);
        len = i2d_PKCS8_PRIV_KEY_INFO(info, &der);
        PKCS8_PRIV_KEY_INFO_free(info);
    } else {
        len = i2d_PrivateKey(key, &der); /* pkcs1 and sec1 */
    }
    CHECK(len > 0);
    made = imported(form, der, (size_t)len);
    OPENSSL_free(der);
    return made;
}

static simaccel_key *of_pem(EVP_PKEY *key, const char *label)
{
    BIO *bio = BIO_new(BIO_s_mem());
    simaccel_key *made;
    char *text;
    long len;

    if (strcmp(label, "PUBLIC KEY") == 0)
        CHECK(PEM_write_bio_PUBKEY(bio, key) == 1);
    else if (strcmp(label, "PRIVATE KEY") == 0)
        CHECK(PEM_write_bio_PKCS8PrivateKey(bio, key, NULL, NULL, 0, NULL, NULL) == 1);
    else
        CHECK(PEM_write_bio_PrivateKey_traditional(bio, key, NULL, NULL, 0, NULL, NULL) == 1);
    len = BIO_get_mem_data(bio, &text);
    CHECK(len > 0 && strstr(text, label) != NULL);
    made = imported("pem", text, (size_t)len);
    BIO_free(bio);
    return made;
}

/* What this library has exported, as a key of libcrypto's. */
static EVP_PKEY *theirs(simaccel_key *key, const char *form)
{
    unsigned char der[8192];
    const unsigned char *at = der;
    EVP_PKEY *made;
    size_t len = 0;

    OK(simaccel_key_export(key, form, der, sizeof der, &len));
    made = strcmp(form, "spki") == 0 ? d2i_PUBKEY(NULL, &at, (long)len) : d2i_AutoPrivateKey(NULL, &at, (long)len);
    CHECK(made != NULL);
    OPENSSL_cleanse(der, sizeof der);
    return made;
}

static void are_equal(simaccel_key *one, simaccel_key *other)
{
    CHECK(simaccel_key_equal(one, other) == 1);
    CHECK(strcmp(simaccel_key_algorithm(one), simaccel_key_algorithm(other)) == 0);
    CHECK(simaccel_key_bits(one) == simaccel_key_bits(other));
}

/* own: the form of that algorithm alone; NULL if it has none. */
static void forms(EVP_PKEY *key, const char *algorithm, const char *own)
{
    simaccel_key *pkcs8 = of_der(key, "pkcs8"), *spki = of_der(key, "spki"), *pem = of_pem(key, "PRIVATE KEY");
    simaccel_key *public_pem = of_pem(key, "PUBLIC KEY"), *public_key = NULL;
    EVP_PKEY *back;

    CHECK(simaccel_key_is_private(pkcs8) == 1 && simaccel_key_is_private(pem) == 1);
    CHECK(simaccel_key_is_private(spki) == 0 && simaccel_key_is_private(public_pem) == 0);
    CHECK(strcmp(simaccel_key_algorithm(pkcs8), algorithm) == 0);
    CHECK(simaccel_key_bits(pkcs8) == (size_t)EVP_PKEY_get_bits(key));
    are_equal(pkcs8, spki);
    are_equal(pkcs8, pem);
    are_equal(pkcs8, public_pem);
    OK(simaccel_key_public(pkcs8, &public_key));
    CHECK(simaccel_key_is_private(public_key) == 0);
    are_equal(public_key, spki);
    if (own != NULL) {
        simaccel_key *der = of_der(key, own);
        simaccel_key *traditional = of_pem(key, strcmp(own, "pkcs1") == 0 ? "RSA PRIVATE KEY" : "EC PRIVATE KEY");

        CHECK(simaccel_key_is_private(der) == 1 && simaccel_key_is_private(traditional) == 1);
        are_equal(der, pkcs8);
        are_equal(traditional, pkcs8);
        simaccel_key_free(der);
        simaccel_key_free(traditional);
    }
    back = theirs(pkcs8, "pkcs8");
    CHECK(EVP_PKEY_eq(back, key) == 1);
    EVP_PKEY_free(back);
    back = theirs(spki, "spki");
    CHECK(EVP_PKEY_eq(back, key) == 1);
    EVP_PKEY_free(back);
    simaccel_key_free(pkcs8);
    simaccel_key_free(spki);
    simaccel_key_free(pem);
    simaccel_key_free(public_pem);
    simaccel_key_free(public_key);
}

/* ---- Signatures ---- */

/* How both sides are told to sign. */
struct signing {
    const char *hash, *scheme;
    int padding, salt_len; /* RSA */
};

static void message_of(unsigned char *message, size_t len)
{
    CHECK(RAND_bytes(message, (int)len) == 1);
}

static EVP_MD_CTX *context_of(EVP_PKEY *key, const struct signing *how, int signs)
{
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    EVP_PKEY_CTX *pkey = NULL;

    CHECK((signs ? EVP_DigestSignInit_ex : EVP_DigestVerifyInit_ex)(ctx, &pkey, how->hash, NULL, NULL, key, NULL) == 1);
    if (how->padding != 0)
        CHECK(EVP_PKEY_CTX_set_rsa_padding(pkey, how->padding) == 1);
    if (how->padding == RSA_PKCS1_PSS_PADDING)
        CHECK(EVP_PKEY_CTX_set_rsa_pss_saltlen(pkey, how->salt_len) == 1);
    return ctx;
}

/* What simaccel_key_sign takes: the digest, or for Ed25519 the message. */
static size_t input_of(const struct signing *how, const unsigned char *message, size_t len, unsigned char *in)
{
    size_t in_len = len;

    if (how->hash == NULL)
        memcpy(in, message, len);
    else
        CHECK(EVP_Q_digest(NULL, how->hash, NULL, message, len, in, &in_len) == 1);
    return in_len;
}

static void signs(EVP_PKEY *key, const struct signing *how)
{
    simaccel_key *ours = of_der(key, "pkcs8"), *public_key = of_der(key, "spki");
    unsigned char message[300], in[300], signature[1024];
    size_t in_len, len = 0, most = 0;
    EVP_MD_CTX *ctx;

    message_of(message, sizeof message);
    in_len = input_of(how, message, sizeof message, in);
    OK(simaccel_key_output_size(ours, SIMACCEL_KEY_SIGN, how->scheme, &most));
    CHECK(most == (size_t)EVP_PKEY_get_size(key));
    OK(simaccel_key_sign(ours, how->scheme, in, in_len, signature, most, &len));
    CHECK(len > 0 && len <= most);
    ctx = context_of(key, how, 0);
    CHECK(EVP_DigestVerify(ctx, signature, len, message, sizeof message) == 1);
    EVP_MD_CTX_free(ctx);
    OK(simaccel_key_verify(public_key, how->scheme, in, in_len, signature, len));
    OK(simaccel_key_verify(ours, how->scheme, in, in_len, signature, len));
    signature[len / 2] ^= 4;
    FAILS(SIMACCEL_ERR_AUTH_FAILED, "", simaccel_key_verify(public_key, how->scheme, in, in_len, signature, len));
    ctx = context_of(key, how, 0);
    CHECK(EVP_DigestVerify(ctx, signature, len, message, sizeof message) != 1);
    EVP_MD_CTX_free(ctx);

    ctx = context_of(key, how, 1);
    len = sizeof signature;
    CHECK(EVP_DigestSign(ctx, signature, &len, message, sizeof message) == 1);
    EVP_MD_CTX_free(ctx);
    OK(simaccel_key_verify(public_key, how->scheme, in, in_len, signature, len));
    in[0] ^= 1; /* ECDSA cuts the end of a digest off */
    FAILS(SIMACCEL_ERR_AUTH_FAILED, "", simaccel_key_verify(public_key, how->scheme, in, in_len, signature, len));
    FAILS(SIMACCEL_ERR_AUTH_FAILED, "", simaccel_key_verify(public_key, how->scheme, in, in_len, signature, len - 1));
    FAILS(SIMACCEL_ERR_AUTH_FAILED, "", simaccel_key_verify(public_key, how->scheme, in, in_len, NULL, 0));
    FAILS(SIMACCEL_ERR_ARGUMENT, "private",
          simaccel_key_sign(public_key, how->scheme, in, in_len, signature, sizeof signature, &len));
    simaccel_key_free(ours);
    simaccel_key_free(public_key);
}

/* ---- RSA decryption ---- */

static EVP_PKEY_CTX *encryption(EVP_PKEY *key, int padding, const char *hash, const char *mgf_hash, const char *label,
                                int encrypts)
{
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_pkey(NULL, key, NULL);

    CHECK((encrypts ? EVP_PKEY_encrypt_init : EVP_PKEY_decrypt_init)(ctx) == 1);
    CHECK(EVP_PKEY_CTX_set_rsa_padding(ctx, padding) == 1);
    if (hash != NULL)
        CHECK(EVP_PKEY_CTX_set_rsa_oaep_md_name(ctx, hash, NULL) == 1);
    if (mgf_hash != NULL)
        CHECK(EVP_PKEY_CTX_set_rsa_mgf1_md_name(ctx, mgf_hash, NULL) == 1);
    if (label != NULL)
        CHECK(EVP_PKEY_CTX_set0_rsa_oaep_label(ctx, OPENSSL_strdup(label), (int)strlen(label)) == 1);
    return ctx;
}

static void encrypts(EVP_PKEY *key, const char *scheme, int padding, const char *hash, const char *mgf_hash,
                     const char *label, size_t text_len)
{
    simaccel_key *ours = of_der(key, "pkcs8"), *public_key = of_der(key, "spki");
    unsigned char text[1024] = {0}, encrypted[1024], out[1024];
    size_t len = sizeof encrypted, out_len = sizeof out, most = 0;
    EVP_PKEY_CTX *ctx;

    message_of(text + (padding == RSA_NO_PADDING), text_len - (padding == RSA_NO_PADDING));
    ctx = encryption(key, padding, hash, mgf_hash, label, 1);
    CHECK(EVP_PKEY_encrypt(ctx, encrypted, &len, text, text_len) == 1);
    EVP_PKEY_CTX_free(ctx);
    OK(simaccel_key_output_size(ours, SIMACCEL_KEY_DECRYPT, scheme, &most));
    CHECK(most >= text_len && most <= len);
    OK(simaccel_key_decrypt(ours, scheme, encrypted, len, out, most, &out_len));
    CHECK(out_len == text_len && memcmp(out, text, text_len) == 0);
    FAILS(SIMACCEL_ERR_ARGUMENT, "private",
          simaccel_key_decrypt(public_key, scheme, encrypted, len, out, sizeof out, &out_len));

    OK(simaccel_key_encrypt(public_key, scheme, text, text_len, encrypted, sizeof encrypted, &len));
    CHECK(len == (size_t)EVP_PKEY_get_size(key));
    ctx = encryption(key, padding, hash, mgf_hash, label, 0);
    out_len = sizeof out;
    CHECK(EVP_PKEY_decrypt(ctx, out, &out_len, encrypted, len) == 1);
    CHECK(out_len == text_len && memcmp(out, text, text_len) == 0);
    EVP_PKEY_CTX_free(ctx);
    if (padding == RSA_PKCS1_OAEP_PADDING) {
        encrypted[7] ^= 1;
        FAILS(SIMACCEL_ERR_AUTH_FAILED, "",
              simaccel_key_decrypt(ours, scheme, encrypted, len, out, sizeof out, &out_len));
    }
    simaccel_key_free(ours);
    simaccel_key_free(public_key);
}

/* A premaster secret of TLS 1.2, and what replaces it where the version is wrong. */
static void premaster(EVP_PKEY *key)
{
    simaccel_key *ours = of_der(key, "pkcs8");
    unsigned char secret[48] = {3, 3}, encrypted[512], out[48], other[48];
    size_t len = sizeof encrypted, out_len = 0;
    EVP_PKEY_CTX *ctx = encryption(key, RSA_PKCS1_PADDING, NULL, NULL, NULL, 1);

    message_of(secret + 2, sizeof secret - 2);
    CHECK(EVP_PKEY_encrypt(ctx, encrypted, &len, secret, sizeof secret) == 1);
    EVP_PKEY_CTX_free(ctx);
    OK(simaccel_key_decrypt(ours, "padding=tls;client_version=771", encrypted, len, out, 48, &out_len));
    CHECK(out_len == 48 && memcmp(out, secret, 48) == 0);
    OK(simaccel_key_decrypt(ours, "padding=tls;client_version=770", encrypted, len, out, 48, &out_len));
    OK(simaccel_key_decrypt(ours, "padding=tls;client_version=770", encrypted, len, other, 48, &out_len));
    CHECK(out_len == 48 && memcmp(out, secret, 48) != 0 && memcmp(out, other, 48) != 0);
    OK(simaccel_key_decrypt(ours, "padding=tls;client_version=770;alt_version=771", encrypted, len, out, 48, &out_len));
    CHECK(memcmp(out, secret, 48) == 0);
    encrypted[40] ^= 1;
    OK(simaccel_key_decrypt(ours, "padding=tls;client_version=771", encrypted, len, out, 48, &out_len));
    CHECK(out_len == 48 && memcmp(out, secret, 48) != 0);
    FAILS(SIMACCEL_ERR_OUTPUT_TOO_SMALL, "48",
          simaccel_key_decrypt(ours, "padding=tls;client_version=771", encrypted, len, out, 47, &out_len));
    simaccel_key_free(ours);
}

/* ---- Key agreement ---- */

static size_t public_of(EVP_PKEY *key, unsigned char *value, size_t size)
{
    unsigned char *encoded = NULL;
    size_t len = EVP_PKEY_get1_encoded_public_key(key, &encoded);

    CHECK(len > 0 && len <= size);
    memcpy(value, encoded, len);
    OPENSSL_free(encoded);
    return len;
}

static void derives(const char *algorithm, EVP_PKEY *one, EVP_PKEY *other)
{
    simaccel_key *ours = of_der(one, "pkcs8"), *peer = NULL;
    unsigned char value[200], secret[80], expected[80], exported[200];
    size_t value_len = public_of(other, value, sizeof value), len = 0, expected_len = sizeof expected, most = 0;
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_pkey(NULL, other, NULL);

    CHECK(EVP_PKEY_derive_init(ctx) == 1 && EVP_PKEY_derive_set_peer(ctx, one) == 1);
    CHECK(EVP_PKEY_derive(ctx, expected, &expected_len) == 1);
    EVP_PKEY_CTX_free(ctx);
    OK(simaccel_key_output_size(ours, SIMACCEL_KEY_DERIVE, NULL, &most));
    CHECK(most == expected_len);
    OK(simaccel_key_derive(ours, value, value_len, secret, most, &len));
    CHECK(len == expected_len && memcmp(secret, expected, len) == 0);
    /* The peer's value is what a key is made of, and what it is written as. */
    OK(simaccel_key_from_public(engine, algorithm, value, value_len, &peer));
    OK(simaccel_key_export(peer, "public", exported, sizeof exported, &len));
    CHECK(len == value_len && memcmp(exported, value, len) == 0);
    value[value_len - 1] ^= 1;
    if (value_len > 32) {
        FAILS(SIMACCEL_ERR_ARGUMENT, "", simaccel_key_derive(ours, value, value_len, secret, sizeof secret, &len));
        simaccel_key_free(peer);
        FAILS(SIMACCEL_ERR_SESSION, "", simaccel_key_from_public(engine, algorithm, value, value_len, &peer));
        CHECK(peer == NULL);
    }
    simaccel_key_free(ours);
    simaccel_key_free(peer);
}

/* ---- Keys of numbers ---- */

static size_t number_of(EVP_PKEY *key, const char *name, unsigned char *number)
{
    BIGNUM *value = NULL;
    int len;

    CHECK(EVP_PKEY_get_bn_param(key, name, &value) == 1);
    len = BN_bn2bin(value, number);
    BN_clear_free(value);
    return (size_t)len;
}

static void rsa_of_numbers(EVP_PKEY *key)
{
    static const char *const names[] = {OSSL_PKEY_PARAM_RSA_N, OSSL_PKEY_PARAM_RSA_E, OSSL_PKEY_PARAM_RSA_D,
                                        OSSL_PKEY_PARAM_RSA_FACTOR1, OSSL_PKEY_PARAM_RSA_FACTOR2,
                                        OSSL_PKEY_PARAM_RSA_EXPONENT1, OSSL_PKEY_PARAM_RSA_EXPONENT2,
                                        OSSL_PKEY_PARAM_RSA_COEFFICIENT1};
    static unsigned char values[8][512];
    simaccel_rsa_numbers numbers = {sizeof numbers, {0, 0}, {0, 0}, {0, 0}, {0, 0}, {0, 0}, {0, 0}, {0, 0}, {0, 0}};
    simaccel_number *all = &numbers.n;
    simaccel_key *expected = of_der(key, "pkcs8"), *made = NULL;
    int i;

    for (i = 0; i < 8; i++)
        all[i].data = values[i], all[i].len = number_of(key, names[i], values[i]);
    OK(simaccel_key_from_rsa(engine, &numbers, &made));
    are_equal(made, expected);
    CHECK(simaccel_key_is_private(made) == 1);
    simaccel_key_free(made);
    /* Without what the Chinese remainder theorem needs, and without the primes. */
    numbers.dp.len = numbers.dq.len = numbers.qi.len = 0;
    OK(simaccel_key_from_rsa(engine, &numbers, &made));
    are_equal(made, expected);
    simaccel_key_free(made);
    numbers.p.len = numbers.q.len = 0;
    OK(simaccel_key_from_rsa(engine, &numbers, &made));
    are_equal(made, expected);
    simaccel_key_free(made);
    /* What does not fit. */
    values[2][3] ^= 1;
    FAILS(SIMACCEL_ERR_SESSION, "private exponent", simaccel_key_from_rsa(engine, &numbers, &made));
    CHECK(made == NULL);
    numbers.d.len = 0;
    OK(simaccel_key_from_rsa(engine, &numbers, &made));
    are_equal(made, expected);
    CHECK(simaccel_key_is_private(made) == 0);
    simaccel_key_free(made);
    numbers.size -= 1;
    FAILS(SIMACCEL_ERR_ARGUMENT, "size", simaccel_key_from_rsa(engine, &numbers, &made));
    numbers.size += 1;
    values[0][numbers.n.len - 1] ^= 1;
    FAILS(SIMACCEL_ERR_SESSION, "even", simaccel_key_from_rsa(engine, &numbers, &made));
    simaccel_key_free(expected);
}

/* The private bytes of libcrypto's key make the same key. */
static void of_private_bytes(EVP_PKEY *key, const char *algorithm)
{
    simaccel_key *expected = of_der(key, "pkcs8"), *made = NULL;
    unsigned char bytes[80], exported[80];
    size_t len = sizeof bytes, exported_len = 0;

    if (EVP_PKEY_get_raw_private_key(key, bytes, &len) != 1) {
        unsigned char scalar[80];
        size_t scalar_len = number_of(key, OSSL_PKEY_PARAM_PRIV_KEY, scalar);

        len = ((size_t)EVP_PKEY_get_bits(key) + 7) / 8;
        memset(bytes, 0, len);
        memcpy(bytes + len - scalar_len, scalar, scalar_len);
    }
    OK(simaccel_key_from_private(engine, algorithm, bytes, len, &made));
    CHECK(simaccel_key_is_private(made) == 1);
    are_equal(made, expected);
    OK(simaccel_key_export(expected, "private", exported, sizeof exported, &exported_len));
    CHECK(exported_len == len && memcmp(exported, bytes, len) == 0);
    simaccel_key_free(made);
    simaccel_key_free(expected);
}

/* What the device has generated is a key of libcrypto's, too. */
static void generated(const char *algorithm, size_t bits, int is_checked)
{
    simaccel_key *key = NULL;
    EVP_PKEY *back;
    EVP_PKEY_CTX *ctx;

    OK(simaccel_key_generate(engine, algorithm, bits, &key));
    CHECK(simaccel_key_is_private(key) == 1 && (bits == 0 || simaccel_key_bits(key) == bits));
    back = theirs(key, "pkcs8");
    ctx = EVP_PKEY_CTX_new_from_pkey(NULL, back, NULL);
    CHECK(!is_checked || EVP_PKEY_check(ctx) == 1);
    EVP_PKEY_CTX_free(ctx);
    EVP_PKEY_free(back);
    simaccel_key_free(key);
}

static void encrypted_keys_are_refused(EVP_PKEY *key)
{
    BIO *bio = BIO_new(BIO_s_mem());
    simaccel_key *made = NULL;
    char *text;
    long len;

    CHECK(PEM_write_bio_PKCS8PrivateKey(bio, key, EVP_aes_128_cbc(), "password", 8, NULL, NULL) == 1);
    len = BIO_get_mem_data(bio, &text);
    FAILS(SIMACCEL_ERR_SESSION, "encrypted", simaccel_key_import(engine, "pem", text, (size_t)len, &made));
    CHECK(made == NULL);
    BIO_free(bio);
    bio = BIO_new(BIO_s_mem());
    CHECK(PEM_write_bio_PrivateKey_traditional(bio, key, EVP_aes_128_cbc(), (const unsigned char *)"password", 8, NULL,
                                               NULL) == 1);
    len = BIO_get_mem_data(bio, &text);
    FAILS(SIMACCEL_ERR_SESSION, "encrypted", simaccel_key_import(engine, "pem", text, (size_t)len, &made));
    BIO_free(bio);
}

static void curves_without_a_kernel_are_refused(void)
{
    EVP_PKEY *key = EVP_PKEY_Q_keygen(NULL, NULL, "EC", "secp256k1");
    unsigned char *der = NULL;
    simaccel_key *made = NULL;
    int len = i2d_PUBKEY(key, &der);

    FAILS(SIMACCEL_ERR_SESSION, "curve", simaccel_key_import(engine, "spki", der, (size_t)len, &made));
    OPENSSL_free(der);
    len = i2d_PrivateKey(key, (der = NULL, &der));
    FAILS(SIMACCEL_ERR_SESSION, "curve", simaccel_key_import(engine, "sec1", der, (size_t)len, &made));
    OPENSSL_free(der);
    EVP_PKEY_free(key);
}

static void rsa(void)
{
    static const struct signing all[] = {
        {"SHA256", "padding=pkcs1;hash=sha256", RSA_PKCS1_PADDING, 0},
        {"SHA1", "padding=pkcs1;hash=sha1", RSA_PKCS1_PADDING, 0},
        {"SHA512", "padding=pkcs1;hash=sha512", RSA_PKCS1_PADDING, 0},
        {"SHA3-256", "padding=pkcs1;hash=sha3-256", RSA_PKCS1_PADDING, 0},
        {"SHA256", "padding=pss;hash=sha256", RSA_PKCS1_PSS_PADDING, RSA_PSS_SALTLEN_DIGEST},
        {"SHA384", "padding=pss;hash=sha384;salt_len=0", RSA_PKCS1_PSS_PADDING, 0},
        {"SHA512", "padding=pss;hash=sha512;salt_len=auto", RSA_PKCS1_PSS_PADDING, RSA_PSS_SALTLEN_AUTO},
    };
    static const unsigned int sizes[] = {2048, 3072, 4096, 1536};
    static const char *const names[] = {"rsa-2048", "rsa-3072", "rsa-4096", "rsa"};
    size_t i, size;

    for (i = 0; i < 4; i++) {
        EVP_PKEY *key = EVP_PKEY_Q_keygen(NULL, NULL, "RSA", (size_t)sizes[i]);
        size_t how;

        CHECK(key != NULL);
        size = sizes[i] / 8;
        forms(key, names[i], "pkcs1");
        rsa_of_numbers(key);
        for (how = 0; how < sizeof all / sizeof all[0]; how++)
            signs(key, &all[how]);
        encrypts(key, "padding=pkcs1", RSA_PKCS1_PADDING, NULL, NULL, NULL, 48);
        encrypts(key, "padding=pkcs1;implicit_rejection=off", RSA_PKCS1_PADDING, NULL, NULL, NULL, size - 11);
        encrypts(key, "padding=oaep;hash=sha1", RSA_PKCS1_OAEP_PADDING, "SHA1", NULL, NULL, 48);
        encrypts(key, "padding=oaep;hash=sha256;mgf_hash=sha1;label=6c6162656c", RSA_PKCS1_OAEP_PADDING, "SHA256", "SHA1",
                 "label", size - 66);
        encrypts(key, "padding=none", RSA_NO_PADDING, NULL, NULL, NULL, size);
        premaster(key);
        if (i == 0)
            encrypted_keys_are_refused(key);
        EVP_PKEY_free(key);
    }
    generated("rsa-2048", 0, 1);
    generated("RSA", 1024, 1);
}

static void curves(void)
{
    static const struct {
        const char *group, *name;
        struct signing how[2];
    } all[] = {
        {"P-256", "p-256", {{"SHA256", "", 0, 0}, {"SHA512", "nonce=deterministic;hash=sha512", 0, 0}}},
        {"P-384", "p-384", {{"SHA384", NULL, 0, 0}, {"SHA256", "nonce=deterministic;hash=sha256", 0, 0}}},
        {"P-521", "p-521", {{"SHA512", "hash=sha512", 0, 0}, {"SHA1", "nonce=deterministic;hash=sha1", 0, 0}}},
    };
    size_t i, round;

    for (i = 0; i < 3; i++) {
        for (round = 0; round < 8; round++) {
            EVP_PKEY *key = EVP_PKEY_Q_keygen(NULL, NULL, "EC", all[i].group);
            EVP_PKEY *other = EVP_PKEY_Q_keygen(NULL, NULL, "EC", all[i].group);

            CHECK(key != NULL && other != NULL);
            if (round == 0)
                forms(key, all[i].name, "sec1");
            of_private_bytes(key, all[i].name);
            signs(key, &all[i].how[round % 2]);
            derives(all[i].name, key, other);
            EVP_PKEY_free(key);
            EVP_PKEY_free(other);
        }
        generated(all[i].group, 0, 1);
    }
    curves_without_a_kernel_are_refused();
}

static void edwards_and_montgomery(void)
{
    static const struct signing how = {NULL, NULL, 0, 0};
    EVP_PKEY *key = EVP_PKEY_Q_keygen(NULL, NULL, "ED25519"), *other;

    forms(key, "ed25519", NULL);
    of_private_bytes(key, "ED25519");
    signs(key, &how);
    EVP_PKEY_free(key);
    key = EVP_PKEY_Q_keygen(NULL, NULL, "X25519");
    other = EVP_PKEY_Q_keygen(NULL, NULL, "X25519");
    forms(key, "x25519", NULL);
    of_private_bytes(key, "x25519");
    derives("x25519", key, other);
    EVP_PKEY_free(key);
    EVP_PKEY_free(other);
    generated("ed25519", 0, 0);
    generated("x25519", 0, 0);
}

int main(int argc, char **argv)
{
    const char *which = argc > 1 ? argv[1] : "";

    OK(simaccel_engine_open("compute_units=4", &engine));
    if (strcmp(which, "rsa") == 0)
        rsa();
    else if (strcmp(which, "curves") == 0)
        curves();
    else if (strcmp(which, "edwards") == 0)
        edwards_and_montgomery();
    else
        CHECK(!"no such case");
    simaccel_engine_free(engine);
    printf("ok\n");
    return 0;
}
