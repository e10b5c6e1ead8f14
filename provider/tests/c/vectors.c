/*
 * Runs files of test vectors in the format of OpenSSL's own evp_test: ciphers and digests, each outside of a job and
 * in one, in one piece and in several, in place and not.
 *
 *   vectors FILE [FOLDER PROVIDER]     prints how many were run, and names what the provider does not have
 */
#include "sequences.h"

#include <ctype.h>
#include <strings.h>

enum { MOST_INPUTS = 8, MOST_BYTES = 100000 };

struct bytes {
    unsigned char *data;
    size_t len;
};

/* One stanza of a file. */
struct vector {
    int line, is_digest, count[MOST_INPUTS], inputs;
    char name[64], operation[16], result[32], available[32];
    int has_iv, has_aad, has_tag, has_next_iv;
    struct bytes key, iv, next_iv, plain, sealed, aad, tag, output, input[MOST_INPUTS];
};

static unsigned long ran, skipped;

static unsigned digit(char c)
{
    return (unsigned)(isdigit((unsigned char)c) ? c - '0' : tolower((unsigned char)c) - 'a' + 10);
}

/* Hexadecimal digits, or a text in quotes. */
static struct bytes value(const char *text)
{
    struct bytes bytes = { malloc(strlen(text) + 1), 0 };

    CHECK(bytes.data != NULL);
    if (*text == '"') {
        bytes.len = strlen(text) - 2;
        memcpy(bytes.data, text + 1, bytes.len);
        return bytes;
    }
    CHECK(strlen(text) % 2 == 0);
    for (; text[2 * bytes.len] != '\0'; bytes.len++)
        bytes.data[bytes.len] = (unsigned char)(digit(text[2 * bytes.len]) << 4 | digit(text[2 * bytes.len + 1]));
    return bytes;
}

static void copies(struct bytes *bytes, size_t count)
{
    unsigned char *all = malloc(bytes->len * count + 1);

    CHECK(all != NULL);
    for (size_t i = 0; i < count; i++)
        memcpy(all + i * bytes->len, bytes->data, bytes->len);
    free(bytes->data);
    bytes->data = all;
    bytes->len *= count;
}

static void fail(const struct vector *v, const char *what)
{
    fprintf(stderr, "%s in line %d: %s\n", v->name, v->line, what);
    ERR_print_errors_fp(stderr);
    exit(1);
}

static void set(struct vector *v, const char *key, const char *text)
{
    if (strcmp(key, "Cipher") == 0 || strcmp(key, "Digest") == 0) {
        snprintf(v->name, sizeof(v->name), "%s", text);
        v->is_digest = *key == 'D';
    } else if (strcmp(key, "Operation") == 0)
        snprintf(v->operation, sizeof(v->operation), "%s", text);
    else if (strcmp(key, "Result") == 0)
        snprintf(v->result, sizeof(v->result), "%s", text);
    else if (strcmp(key, "Availablein") == 0)
        snprintf(v->available, sizeof(v->available), "%s", text);
    else if (strcmp(key, "Key") == 0)
        v->key = value(text);
    else if (strcmp(key, "IV") == 0)
        v->iv = value(text), v->has_iv = 1;
    else if (strcmp(key, "NextIV") == 0)
        v->next_iv = value(text), v->has_next_iv = 1;
    else if (strcmp(key, "Plaintext") == 0)
        v->plain = value(text);
    else if (strcmp(key, "Ciphertext") == 0)
        v->sealed = value(text);
    else if (strcmp(key, "AAD") == 0)
        v->aad = value(text), v->has_aad = 1;
    else if (strcmp(key, "Tag") == 0)
        v->tag = value(text), v->has_tag = 1;
    else if (strcmp(key, "Output") == 0)
        v->output = value(text);
    else if (strcmp(key, "Input") == 0) {
        CHECK(v->inputs < MOST_INPUTS);
        v->count[v->inputs] = 1;
        v->input[v->inputs++] = value(text);
    } else if (strcmp(key, "Count") == 0)
        v->count[v->inputs - 1] = atoi(text);
    else if (strcmp(key, "Ncopy") == 0)
        copies(&v->input[v->inputs - 1], (size_t)atoi(text));
    else if (strcmp(key, "Title") != 0 && strcmp(key, "SetTagLate") != 0) /* CCM's */
        fail(v, key);
}

static void release(struct vector *v)
{
    free(v->key.data), free(v->iv.data), free(v->next_iv.data), free(v->plain.data), free(v->sealed.data);
    free(v->aad.data), free(v->tag.data), free(v->output.data);
    for (int i = 0; i < v->inputs; i++)
        free(v->input[i].data);
}

/* Where evp_test expects a failure: the step's name. */
static int expected(const struct vector *v, int ok, const char *step)
{
    if (ok > 0)
        return 1;
    if (strcmp(v->result, step) != 0)
        fail(v, step);
    ERR_clear_error();
    return 0;
}

static void run_cipher(const struct vector *v, const EVP_CIPHER *cipher, int encrypt, size_t piece, int in_place)
{
    static unsigned char out[MOST_BYTES];
    const struct bytes *from = encrypt ? &v->plain : &v->sealed, *to = encrypt ? &v->sealed : &v->plain;
    EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
    unsigned char tag[16], iv[128];
    int len, made = 0, is_gcm = EVP_CIPHER_get_mode(cipher) == EVP_CIPH_GCM_MODE;
    struct bytes key = v->key;

    CHECK(EVP_CipherInit_ex(ctx, cipher, NULL, NULL, NULL, encrypt) == 1);
    if (is_gcm && v->has_iv)
        CHECK(EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_SET_IVLEN, (int)v->iv.len, NULL) == 1);
    if (!expected(v, EVP_CipherInit_ex(ctx, NULL, NULL, key.data, v->has_iv ? v->iv.data : NULL, -1), "KEY_SET_ERROR"))
        goto end;
    if (is_gcm && v->has_tag && !encrypt)
        CHECK(EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_SET_TAG, (int)v->tag.len, v->tag.data) == 1);
    CHECK(EVP_CIPHER_CTX_set_padding(ctx, 0) == 1);
    if (v->has_aad)
        CHECK(EVP_CipherUpdate(ctx, NULL, &len, v->aad.data, (int)v->aad.len) == 1);
    if (in_place && from->len > 0)
        memcpy(out, from->data, from->len);
    for (size_t at = 0; at < from->len; at += piece) {
        size_t now = from->len - at < piece ? from->len - at : piece;

        if (!expected(v, EVP_CipherUpdate(ctx, out + made, &len, (in_place ? out : from->data) + at, (int)now),
                      "CIPHERUPDATE_ERROR"))
            goto end;
        made += len;
    }
    if (!expected(v, EVP_CipherFinal_ex(ctx, out + made, &len), "CIPHERFINAL_ERROR"))
        goto end;
    made += len;
    if (v->result[0] != '\0')
        fail(v, "no failure");
    if ((size_t)made != to->len || (made > 0 && memcmp(out, to->data, to->len) != 0))
        fail(v, "another text");
    if (encrypt && v->has_tag) {
        CHECK(EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_GET_TAG, (int)v->tag.len, tag) == 1);
        if (memcmp(tag, v->tag.data, v->tag.len) != 0)
            fail(v, "another tag");
    }
    if (v->has_next_iv) {
        CHECK(EVP_CIPHER_CTX_get_updated_iv(ctx, iv, sizeof(iv)) == 1);
        if (memcmp(iv, v->next_iv.data, v->next_iv.len) != 0)
            fail(v, "another next iv");
    }
end:
    EVP_CIPHER_CTX_free(ctx);
}

static void run_digest(const struct vector *v, const EVP_MD *md)
{
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    unsigned char out[EVP_MAX_MD_SIZE];
    unsigned len;

    CHECK(EVP_DigestInit_ex(ctx, md, NULL) == 1);
    for (int i = 0; i < v->inputs; i++)
        for (int left = v->count[i]; left > 0; left--)
            CHECK(EVP_DigestUpdate(ctx, v->input[i].data, v->input[i].len) == 1);
    CHECK(EVP_DigestFinal_ex(ctx, out, &len) == 1);
    if (len != v->output.len || memcmp(out, v->output.data, len) != 0)
        fail(v, "another digest");
    EVP_MD_CTX_free(ctx);
}

/* In every way. 0: the provider has no such algorithm. */
static int run_vector(const struct vector *v)
{
    EVP_CIPHER *cipher = v->is_digest ? NULL : EVP_CIPHER_fetch(NULL, v->name, queries[1]);
    EVP_MD *md = v->is_digest ? EVP_MD_fetch(NULL, v->name, queries[1]) : NULL;

    ERR_clear_error();
    if (cipher == NULL && md == NULL)
        return 0;
    if (md != NULL)
        run_digest(v, md);
    for (int encrypt = 0; cipher != NULL && encrypt < 2; encrypt++) {
        int in_pieces = EVP_CIPHER_get_mode(cipher) != EVP_CIPH_XTS_MODE;

        if (v->operation[0] != '\0' && encrypt != (strcasecmp(v->operation, "ENCRYPT") == 0))
            continue;
        for (int in_place = 0; in_place < 2; in_place++)
            run_cipher(v, cipher, encrypt, MOST_BYTES, in_place);
        if (in_pieces) {
            run_cipher(v, cipher, encrypt, 16, 0);
            run_cipher(v, cipher, encrypt, 7, 0);
            run_cipher(v, cipher, encrypt, 1, 0);
        }
    }
    EVP_CIPHER_free(cipher);
    EVP_MD_free(md);
    return 1;
}

static int vector_in_job(void *argument)
{
    return run_vector(*(struct vector **)argument);
}

static void in_a_job(struct vector *v)
{
    static ASYNC_WAIT_CTX *ctx;
    struct slot slot = { 0 };
    struct pollfd polled = { .events = POLLIN };
    int ret;

    if (ctx == NULL)
        CHECK((ctx = ASYNC_WAIT_CTX_new()) != NULL);
    slot.ctx = ctx;
    while (ASYNC_start_job(&slot.job, ctx, &ret, vector_in_job, &v, sizeof(v)) == ASYNC_PAUSE) {
        pauses++;
        CHECK(fd_of(&slot, &polled.fd));
        CHECK(poll(&polled, 1, -1) == 1);
    }
    CHECK(ret == 1);
}

static void run_both(struct vector *v)
{
    /* What the FIPS provider does otherwise is not asked of this one. */
    if (strcmp(v->available, "fips") == 0 || !run_vector(v)) {
        printf("skipped %s\n", v->name);
        skipped++;
        return;
    }
    in_a_job(v);
    ran++;
}

int main(int argc, char **argv)
{
    char line[8192];
    struct vector v;
    FILE *file;
    int number = 0;

    CHECK(argc > 1 && (file = fopen(argv[1], "r")) != NULL);
    load(argc > 3 ? argv[2] : NULL, argc > 3 ? argv[3] : NULL);
    memset(&v, 0, sizeof(v));
    for (;;) {
        char *end = fgets(line, sizeof(line), file), *text;

        number++;
        if (end != NULL)
            line[strcspn(line, "\r\n")] = '\0';
        if (end == NULL || line[0] == '\0') {
            if (v.name[0] != '\0')
                run_both(&v);
            release(&v);
            memset(&v, 0, sizeof(v));
            if (end == NULL)
                break;
            continue;
        }
        if (line[0] == '#')
            continue;
        CHECK((text = strchr(line, '=')) != NULL);
        end = text++;
        while (end > line && isspace((unsigned char)end[-1]))
            end--;
        *end = '\0';
        text += strspn(text, " \t");
        if (v.line == 0)
            v.line = number;
        set(&v, line, text);
    }
    fclose(file);
    printf("ran %lu skipped %lu pauses %lu\n", ran, skipped, pauses);
    return 0;
}
