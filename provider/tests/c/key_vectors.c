/*
 * OpenSSL's test vectors of keys (evppkey_*.txt of evp_test), through EVP: signatures, decryptions, recovered digests,
 * shared secrets.
 *
 *     key_vectors FILE [FOLDER NAME]
 *
 * Each runs outside of a job and in one. Where a failure is expected the operation has to fail, at whatever call.
 */
#include "sequences.h"

#include <openssl/pem.h>

#include <strings.h>

enum { MOST_KEYS = 1000, MOST_CTRLS = 8, LINE = 1 << 16 };

static struct {
    char name[64];
    EVP_PKEY *pkey;
} keys[MOST_KEYS];
static int count_of_keys, ran, skipped;

struct bytes {
    unsigned char *data;
    size_t len;
};

struct vector {
    char operation[32], digest[32], key[64], peer[64], result[64];
    char ctrls[MOST_CTRLS][2][64];
    int count_of_ctrls, is_of_fips;
    struct bytes input, output;
};

static void fail(const struct vector *v, const char *what)
{
    fprintf(stderr, "%s with %s: %s, expected: %s\n", v->operation, v->key, what,
            v->result[0] == '\0' ? "success" : v->result);
    ERR_print_errors_fp(stderr);
    exit(1);
}

static EVP_PKEY *key_of(const char *name)
{
    for (int i = 0; i < count_of_keys; i++)
        if (strcmp(keys[i].name, name) == 0)
            return keys[i].pkey;
    return NULL;
}

/* A text in quotes, or hexadecimal digits. */
static struct bytes parsed(const char *value)
{
    struct bytes bytes = { malloc(strlen(value) + 1), 0 };
    long len;

    CHECK(bytes.data != NULL);
    if (value[0] == '"') {
        bytes.len = strlen(value) - 2;
        memcpy(bytes.data, value + 1, bytes.len);
    } else if (value[0] != '\0') {
        free(bytes.data);
        CHECK((bytes.data = OPENSSL_hexstr2buf(value, &len)) != NULL);
        bytes.len = (size_t)len;
    }
    return bytes;
}

/* A message may come in several lines. */
static void append(struct bytes *bytes, struct bytes more)
{
    CHECK((bytes->data = realloc(bytes->data, bytes->len + more.len + 1)) != NULL);
    if (more.len > 0)
        memcpy(bytes->data + bytes->len, more.data, more.len);
    bytes->len += more.len;
    free(more.data);
}

static int set(const struct vector *v, EVP_PKEY_CTX *ctx)
{
    for (int i = 0; i < v->count_of_ctrls; i++)
        if (EVP_PKEY_CTX_ctrl_str(ctx, v->ctrls[i][0], v->ctrls[i][1]) <= 0)
            return 0;
    return 1;
}

static int is(const struct vector *v, const char *operation)
{
    return strcmp(v->operation, operation) == 0;
}

static int same_as_expected(const struct vector *v, const unsigned char *out, size_t len)
{
    return len == v->output.len && memcmp(out, v->output.data, len) == 0;
}

/* Whether a digest or a ciphertext gives what it shall. */
static int run_pkey(const struct vector *v, EVP_PKEY *pkey)
{
    typedef int transform(EVP_PKEY_CTX *, unsigned char *, size_t *, const unsigned char *, size_t);
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_pkey(NULL, pkey, queries[1]);
    transform *function = is(v, "Sign") ? EVP_PKEY_sign : is(v, "Decrypt") ? EVP_PKEY_decrypt : EVP_PKEY_verify_recover;
    int (*init)(EVP_PKEY_CTX *) = is(v, "Sign")      ? EVP_PKEY_sign_init
                                  : is(v, "Decrypt") ? EVP_PKEY_decrypt_init
                                  : is(v, "Verify")  ? EVP_PKEY_verify_init
                                                     : EVP_PKEY_verify_recover_init;
    unsigned char *out = malloc(LINE);
    size_t len = 0;
    int ok;

    CHECK(ctx != NULL && out != NULL);
    ok = init(ctx) > 0 && set(v, ctx);
    if (ok && is(v, "Verify"))
        ok = EVP_PKEY_verify(ctx, v->output.data, v->output.len, v->input.data, v->input.len) == 1;
    else if (ok)
        ok = function(ctx, NULL, &len, v->input.data, v->input.len) == 1 && len <= LINE
             && function(ctx, out, &len, v->input.data, v->input.len) == 1 && same_as_expected(v, out, len);
    free(out);
    EVP_PKEY_CTX_free(ctx);
    return ok;
}

/* Whether a message gives what it shall. */
static int run_message(const struct vector *v, EVP_PKEY *pkey)
{
    const char *digest = strcmp(v->digest, "NULL") == 0 ? NULL : v->digest;
    int at_once = strncmp(v->operation, "OneShot", 7) == 0, verifies = strstr(v->operation, "Verify") != NULL;
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    EVP_PKEY_CTX *pctx = NULL;
    unsigned char *out = malloc(LINE);
    size_t len = 0;
    int ok;

    CHECK(ctx != NULL && out != NULL);
    ok = verifies ? EVP_DigestVerifyInit_ex(ctx, &pctx, digest, NULL, queries[1], pkey, NULL)
                  : EVP_DigestSignInit_ex(ctx, &pctx, digest, NULL, queries[1], pkey, NULL);
    ok = ok == 1 && set(v, pctx);
    if (ok && !at_once)
        ok = (verifies ? EVP_DigestVerifyUpdate(ctx, v->input.data, v->input.len)
                       : EVP_DigestSignUpdate(ctx, v->input.data, v->input.len))
             == 1;
    if (ok && verifies)
        ok = (at_once ? EVP_DigestVerify(ctx, v->output.data, v->output.len, v->input.data, v->input.len)
                      : EVP_DigestVerifyFinal(ctx, v->output.data, v->output.len))
             == 1;
    else if (ok)
        ok = (at_once ? EVP_DigestSign(ctx, NULL, &len, v->input.data, v->input.len)
                      : EVP_DigestSignFinal(ctx, NULL, &len))
                 == 1
             && (at_once ? EVP_DigestSign(ctx, out, &len, v->input.data, v->input.len)
                         : EVP_DigestSignFinal(ctx, out, &len))
                    == 1
             && same_as_expected(v, out, len);
    free(out);
    EVP_MD_CTX_free(ctx);
    return ok;
}

/* Whether two keys give the secret that they shall. */
static int run_exchange(const struct vector *v, EVP_PKEY *pkey)
{
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_pkey(NULL, pkey, queries[1]);
    unsigned char *out = malloc(LINE);
    size_t len = 0;
    int ok;

    CHECK(ctx != NULL && out != NULL);
    ok = EVP_PKEY_derive_init(ctx) > 0 && set(v, ctx) && EVP_PKEY_derive_set_peer(ctx, key_of(v->peer)) > 0
         && EVP_PKEY_derive(ctx, NULL, &len) > 0 && len <= LINE && EVP_PKEY_derive(ctx, out, &len) > 0
         && same_as_expected(v, out, len);
    free(out);
    EVP_PKEY_CTX_free(ctx);
    return ok;
}

static int run_vector(const struct vector *v)
{
    EVP_PKEY *pkey = key_of(v->key);
    int ok = strstr(v->operation, "Digest") != NULL ? run_message(v, pkey)
             : is(v, "Derive")                      ? run_exchange(v, pkey)
                                                    : run_pkey(v, pkey);

    if (ok != (v->result[0] == '\0'))
        fail(v, ok ? "success" : "failure");
    ERR_clear_error();
    return 1;
}

static int vector_in_job(void *argument)
{
    return run_vector(*(struct vector **)argument);
}

static void in_a_job(struct vector *v)
{
    struct slot slot = { .ctx = ASYNC_WAIT_CTX_new() };
    struct pollfd polled = { .events = POLLIN };
    int ret;

    while (ASYNC_start_job(&slot.job, slot.ctx, &ret, vector_in_job, &v, sizeof(v)) == ASYNC_PAUSE) {
        pauses++;
        CHECK(fd_of(&slot, &polled.fd));
        CHECK(poll(&polled, 1, -1) == 1);
    }
    CHECK(ret == 1);
    ASYNC_WAIT_CTX_free(slot.ctx);
}

/* Whether this libcrypto has the hash functions that are named: MDC2 may be left out of it. */
static int has_digests(const struct vector *v)
{
    int all = 1;

    for (int i = 0; i < v->count_of_ctrls; i++)
        if (strcmp(v->ctrls[i][0], "digest") == 0) {
            EVP_MD *md = EVP_MD_fetch(NULL, v->ctrls[i][1], NULL);

            all &= md != NULL;
            EVP_MD_free(md);
        }
    ERR_clear_error();
    return all;
}

/* Whether the provider has keys of this kind. */
static int has(EVP_PKEY *pkey)
{
    const char *type = pkey == NULL ? NULL : EVP_PKEY_get0_type_name(pkey);
    EVP_PKEY_CTX *ctx = type == NULL ? NULL : EVP_PKEY_CTX_new_from_name(NULL, type, queries[1]);

    EVP_PKEY_CTX_free(ctx);
    ERR_clear_error();
    return ctx != NULL;
}

static void run_both(struct vector *v)
{
    static const char *const known[] = { "Sign",         "Verify",           "VerifyRecover",    "Decrypt", "DigestSign",
                                         "DigestVerify", "OneShotDigestSign", "OneShotDigestVerify", "Derive" };
    int is_known = 0;

    for (size_t i = 0; i < sizeof(known) / sizeof(*known); i++)
        is_known |= is(v, known[i]);
    if (is_known && !v->is_of_fips && has(key_of(v->key)) && (!is(v, "Derive") || has(key_of(v->peer)))
        && has_digests(v)) {
        run_vector(v);
        in_a_job(v);
        ran++;
    } else if (is_known) {
        skipped++;
    }
    free(v->input.data);
    free(v->output.data);
    memset(v, 0, sizeof(*v));
}

static void read_key(FILE *file, const char *kind, const char *name)
{
    EVP_PKEY *pkey = strcmp(kind, "PrivateKey") == 0 ? PEM_read_PrivateKey(file, NULL, NULL, NULL)
                                                     : PEM_read_PUBKEY(file, NULL, NULL, NULL);

    ERR_clear_error();
    if (pkey == NULL)
        return;
    CHECK(count_of_keys < MOST_KEYS && strlen(name) < sizeof(keys[0].name));
    strcpy(keys[count_of_keys].name, name);
    keys[count_of_keys++].pkey = pkey;
}

/* NAME:ALGORITHM:HEX */
static void read_raw_key(int is_private, char *text)
{
    char *algorithm = strchr(text, ':'), *hex = algorithm == NULL ? NULL : strchr(algorithm + 1, ':');
    struct bytes bytes;
    EVP_PKEY *pkey;

    CHECK(hex != NULL);
    *algorithm++ = '\0';
    *hex++ = '\0';
    bytes = parsed(hex);
    pkey = is_private ? EVP_PKEY_new_raw_private_key_ex(NULL, algorithm, NULL, bytes.data, bytes.len)
                      : EVP_PKEY_new_raw_public_key_ex(NULL, algorithm, NULL, bytes.data, bytes.len);
    free(bytes.data);
    ERR_clear_error();
    if (pkey == NULL)
        return;
    CHECK(count_of_keys < MOST_KEYS && strlen(text) < sizeof(keys[0].name));
    strcpy(keys[count_of_keys].name, text);
    keys[count_of_keys++].pkey = pkey;
}

static void copy(char *to, size_t size, const char *from)
{
    CHECK(strlen(from) < size);
    strcpy(to, from);
}

static void take(struct vector *v, FILE *file, const char *name, char *value)
{
    if (strcmp(name, "PrivateKey") == 0 || strcmp(name, "PublicKey") == 0) {
        read_key(file, name, value);
    } else if (strcmp(name, "PrivateKeyRaw") == 0 || strcmp(name, "PublicKeyRaw") == 0) {
        read_raw_key(strcmp(name, "PrivateKeyRaw") == 0, value);
    } else if (strcmp(name, "PeerKey") == 0) {
        copy(v->peer, sizeof(v->peer), value);
    } else if (strcmp(name, "SharedSecret") == 0) {
        v->output = parsed(value);
    } else if (strcmp(name, "Availablein") == 0) {
        v->is_of_fips = strcmp(value, "fips") == 0;
    } else if (strcmp(name, "FIPSversion") == 0 || strcmp(name, "Securitycheck") == 0) {
        v->is_of_fips = 1;
    } else if (strcmp(name, "Ctrl") == 0) {
        char *second = strchr(value, ':');

        CHECK(second != NULL && v->count_of_ctrls < MOST_CTRLS);
        *second++ = '\0';
        copy(v->ctrls[v->count_of_ctrls][0], 64, value);
        copy(v->ctrls[v->count_of_ctrls++][1], 64, second);
    } else if (strcmp(name, "Input") == 0) {
        append(&v->input, parsed(value));
    } else if (strcmp(name, "Output") == 0) {
        v->output = parsed(value);
    } else if (strcmp(name, "Result") == 0) {
        copy(v->result, sizeof(v->result), value);
    } else if (strcmp(name, "Key") == 0) {
        copy(v->key, sizeof(v->key), value);
    } else if (v->operation[0] == '\0' && strlen(name) < sizeof(v->operation)) {
        copy(v->operation, sizeof(v->operation), name);
        /* The key, or the digest of a message. */
        if (strstr(name, "Digest") != NULL)
            copy(v->digest, sizeof(v->digest), value);
        else if (strlen(value) < sizeof(v->key))
            copy(v->key, sizeof(v->key), value);
    }
}

int main(int argc, char **argv)
{
    char *line = malloc(LINE);
    struct vector v = { .count_of_ctrls = 0 };
    FILE *file = fopen(argc > 1 ? argv[1] : "", "r");

    CHECK(line != NULL && file != NULL && ASYNC_is_capable());
    load(argc > 3 ? argv[2] : NULL, argc > 3 ? argv[3] : NULL);
    while (fgets(line, LINE, file) != NULL) {
        size_t len = strcspn(line, "\r\n");
        char *value = strchr(line, '='), *end;

        line[len] = '\0';
        if (line[0] == '#')
            continue;
        if (len == 0)
            run_both(&v);
        if (value == NULL)
            continue;
        for (end = value; end > line && end[-1] == ' '; end--)
            ;
        *end = '\0';
        for (value++; *value == ' '; value++)
            ;
        for (len = strlen(value); len > 0 && value[len - 1] == ' '; len--)
            value[len - 1] = '\0';
        take(&v, file, line, value);
    }
    run_both(&v);
    printf("ran %d skipped %d pauses %lu\n", ran, skipped, pauses);
    for (int i = 0; i < count_of_keys; i++)
        EVP_PKEY_free(keys[i].pkey);
    fclose(file);
    free(line);
    return 0;
}
