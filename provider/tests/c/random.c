/*
 * Random sequences of EVP calls, made on two contexts: one of the default provider, one of the provider under test.
 * What they return, write and show has to be the same.
 *
 *   random FIRST COUNT [FOLDER PROVIDER]      without a provider: the default provider against itself
 *
 * Every seed is run outside of a job, and again in one, while other jobs of the thread are paused. It makes only calls
 * that the default provider defines: none that uses a key that was never set, or a state that an error left behind.
 */
#include "sequences.h"

enum { CALLS = 24, BLOCK = 16 };

enum mode { ECB, CBC, CTR, XTS, GCM };

static const struct algorithm {
    const char *name;
    enum mode mode;
    int key_len;
} ciphers[] = {
    { "AES-128-ECB", ECB, 16 }, { "AES-192-ECB", ECB, 24 }, { "AES-256-ECB", ECB, 32 },
    { "AES-128-CBC", CBC, 16 }, { "AES-192-CBC", CBC, 24 }, { "AES-256-CBC", CBC, 32 },
    { "AES-128-CTR", CTR, 16 }, { "AES-192-CTR", CTR, 24 }, { "AES-256-CTR", CTR, 32 },
    { "AES-128-XTS", XTS, 32 }, { "AES-256-XTS", XTS, 64 },
    { "AES-128-GCM", GCM, 16 }, { "AES-192-GCM", GCM, 24 }, { "AES-256-GCM", GCM, 32 },
};

static const char *digests[] = { "SHA2-224", "SHA2-256", "SHA2-384", "SHA2-512" };

enum { CIPHERS = sizeof(ciphers) / sizeof(*ciphers), DIGESTS = sizeof(digests) / sizeof(*digests) };

static EVP_CIPHER *fetched[CIPHERS][2];
static EVP_MD *fetched_md[DIGESTS][2];
/* The default provider of OpenSSL 3.0 copies no context of an AEAD. */
static int copies_of_gcm;

/* A pair of contexts, and what the program has to know of their state to stay within what is defined. */
struct pair {
    const struct algorithm *algorithm;
    EVP_CIPHER **cipher;
    EVP_CIPHER_CTX *ctx[2];
    int keyed, iv_set, encrypt, started, finished, broken, iv_len;
    size_t total;    /* bytes since the last init */
    int part_of_tag; /* the rest of the tag is not initialised */
};

static void compare_ctx_params(struct sequence *s, struct pair *p)
{
    unsigned char iv[2][128], updated[2][128];
    size_t key_len[2] = { 1, 1 }, iv_len[2] = { 1, 1 }, tag_len[2] = { 1, 1 }, pad_len[2] = { 1, 1 };
    unsigned padding[2] = { 7, 7 }, num[2] = { 7, 7 };
    OSSL_PARAM params[2][10];

    note(s, "get parameters\n");
    memset(iv, 0, sizeof(iv));
    memset(updated, 0, sizeof(updated));
    for (int i = 0; i < 2; i++) {
        OSSL_PARAM *at = params[i];

        *at++ = OSSL_PARAM_construct_size_t(OSSL_CIPHER_PARAM_KEYLEN, &key_len[i]);
        *at++ = OSSL_PARAM_construct_size_t(OSSL_CIPHER_PARAM_IVLEN, &iv_len[i]);
        *at++ = OSSL_PARAM_construct_size_t(OSSL_CIPHER_PARAM_AEAD_TAGLEN, &tag_len[i]);
        *at++ = OSSL_PARAM_construct_uint(OSSL_CIPHER_PARAM_PADDING, &padding[i]);
        *at++ = OSSL_PARAM_construct_uint(OSSL_CIPHER_PARAM_NUM, &num[i]);
        if (p->algorithm->mode == GCM)
            *at++ = OSSL_PARAM_construct_size_t(OSSL_CIPHER_PARAM_AEAD_TLS1_AAD_PAD, &pad_len[i]);
        if (p->algorithm->mode != GCM || p->iv_set) {
            *at++ = OSSL_PARAM_construct_octet_string(OSSL_CIPHER_PARAM_IV, iv[i], sizeof(iv[i]));
            *at++ = OSSL_PARAM_construct_octet_string(OSSL_CIPHER_PARAM_UPDATED_IV, updated[i], sizeof(updated[i]));
        }
        *at = OSSL_PARAM_construct_end();
    }
    BOTH(s, "get_params", EVP_CIPHER_CTX_get_params(p->ctx[i], params[i]));
    for (int at = 0; params[0][at].key != NULL; at++)
        same(s, params[0][at].key, (long)params[0][at].return_size, (long)params[1][at].return_size);
    same(s, "keylen", (long)key_len[0], (long)key_len[1]);
    same(s, "ivlen", (long)iv_len[0], (long)iv_len[1]);
    same(s, "taglen", (long)tag_len[0], (long)tag_len[1]);
    same(s, "tlsaadpad", (long)pad_len[0], (long)pad_len[1]);
    same(s, "padding", padding[0], padding[1]);
    same(s, "num", num[0], num[1]);
    same_bytes(s, "iv", iv[0], iv[1], sizeof(iv[0]));
    same_bytes(s, "updated-iv", updated[0], updated[1], sizeof(updated[0]));
}

/* Single values, buffers that are too small, pointers instead of copies. */
static void compare_some_param(struct sequence *s, struct pair *p)
{
    unsigned char iv[2][128];
    void *at[2] = { NULL, NULL };
    const char *key = chance(s, 50) ? OSSL_CIPHER_PARAM_IV : OSSL_CIPHER_PARAM_UPDATED_IV;
    size_t size = below(s, 40);
    int ok;

    /* OpenSSL 4.0 makes up an IV that is asked for before there is one. */
    if (p->algorithm->mode == ECB || (p->algorithm->mode == GCM && !p->iv_set))
        return;
    memset(iv, 0, sizeof(iv));
    if (chance(s, 50)) {
        note(s, "get %s into %zu bytes\n", key, size);
        for (int i = 0; i < 2; i++) {
            OSSL_PARAM params[2] = { OSSL_PARAM_construct_octet_string(key, iv[i], size), OSSL_PARAM_construct_end() };

            at[i] = EVP_CIPHER_CTX_get_params(p->ctx[i], params) > 0 ? iv[i] : NULL;
        }
        same(s, key, at[0] != NULL, at[1] != NULL);
        same_bytes(s, key, iv[0], iv[1], sizeof(iv[0]));
        ERR_clear_error();
        return;
    }
    note(s, "get %s as a pointer\n", key);
    for (int i = 0; i < 2; i++) {
        OSSL_PARAM params[2] = { OSSL_PARAM_construct_octet_ptr(key, &at[i], 128), OSSL_PARAM_construct_end() };

        if (EVP_CIPHER_CTX_get_params(p->ctx[i], params) <= 0)
            at[i] = NULL;
    }
    ok = at[0] != NULL;
    same(s, key, ok, at[1] != NULL);
    if (ok)
        same_bytes(s, key, at[0], at[1], (size_t)EVP_CIPHER_CTX_get_iv_length(p->ctx[0]));
    ERR_clear_error();
}

static void compare_ctx_getters(struct sequence *s, struct pair *p)
{
    note(s, "getters\n");
    for (int which = 0; which < 8; which++)
        BOTH(s, "a getter", which == 0   ? EVP_CIPHER_CTX_get_key_length(p->ctx[i])
                            : which == 1 ? EVP_CIPHER_CTX_get_iv_length(p->ctx[i])
                            : which == 2 ? EVP_CIPHER_CTX_get_block_size(p->ctx[i])
                            : which == 3 ? EVP_CIPHER_CTX_get_num(p->ctx[i])
                            : which == 4 ? EVP_CIPHER_CTX_get_tag_length(p->ctx[i])
                            : which == 5 ? EVP_CIPHER_CTX_is_encrypting(p->ctx[i])
                            : which == 6 ? EVP_CIPHER_CTX_get_nid(p->ctx[i])
                                         : (int)EVP_CIPHER_get_flags(EVP_CIPHER_CTX_get0_cipher(p->ctx[i])));
}

static void init(struct sequence *s, struct pair *p)
{
    unsigned char key[64], iv[128];
    const struct algorithm *a = p->algorithm;
    int fresh = p->keyed == 0 && p->iv_set == 0 && !p->started;
    int with_cipher = fresh || chance(s, 20);
    int enc = chance(s, 20) && !fresh ? -1 : (int)below(s, 2);
    int encrypt = enc == -1 ? p->encrypt : enc;
    int with_key = chance(s, 75), with_iv = chance(s, 75);
    int equal_keys = a->mode == XTS && chance(s, 10), ok;

    if (with_cipher) {
        p->keyed = p->iv_set = p->part_of_tag = 0;
        p->iv_len = a->mode == ECB ? 0 : a->mode == GCM ? 12 : 16;
    }
    /* The default provider uses the round keys of the one direction for the other. */
    if ((a->mode == ECB || a->mode == CBC || a->mode == XTS) && encrypt != p->encrypt)
        with_key = 1;
    /* A new key, or the other direction, in the middle of a GCM message leaves a state that nothing defines. */
    if (a->mode == GCM && (with_key || encrypt != p->encrypt) && p->started && !p->finished && !with_cipher)
        with_iv = 1;
    if (p->broken)
        with_key = with_iv = 1;
    fill(s, key, sizeof(key));
    fill(s, iv, sizeof(iv));
    if (equal_keys)
        memcpy(key + a->key_len / 2, key, (size_t)a->key_len / 2);
    note(s, "init%s%s%s enc %d\n", with_cipher ? " cipher" : "", with_key ? " key" : "", with_iv ? " iv" : "", enc);
    ok = BOTH(s, "init", EVP_CipherInit_ex(p->ctx[i], with_cipher ? p->cipher[i] : NULL, NULL, with_key ? key : NULL,
                                           with_iv ? iv : NULL, enc));
    p->encrypt = encrypt;
    /* An init without an IV does not begin another message of GCM. */
    if (a->mode != GCM || with_iv || with_cipher)
        p->started = p->finished = 0;
    p->total = 0;
    p->keyed |= with_key && ok;
    p->iv_set |= with_iv;
    p->broken = !ok;
}

/* For GCM: another length of the IV, and then an IV of that length. */
static void set_iv_len(struct sequence *s, struct pair *p)
{
    unsigned char iv[128];
    int len = chance(s, 80) ? 1 + (int)below(s, 32) : (int)below(s, 132);
    int ok;

    note(s, "set ivlen %d\n", len);
    ok = BOTH(s, "set ivlen", EVP_CIPHER_CTX_ctrl(p->ctx[i], EVP_CTRL_AEAD_SET_IVLEN, len, NULL));
    if (ok > 0)
        p->iv_len = len;
    fill(s, iv, sizeof(iv));
    note(s, "init iv\n");
    ok = BOTH(s, "init", EVP_CipherInit_ex(p->ctx[i], NULL, NULL, NULL, iv, -1));
    p->started = p->finished = 0;
    p->iv_set = 1;
    p->broken = !ok;
}

static void update(struct sequence *s, struct pair *p)
{
    size_t len = some_length(s, 20000);
    int in_place = chance(s, 30);
    int out_len[2] = { -1, -1 };
    int ok;

    /* Where a part of a block is held back, the output is behind the input, and overwrites it. */
    if (p->algorithm->mode <= CBC && p->total > 0)
        in_place = 0;
    if (p->algorithm->mode == XTS && chance(s, 5))
        len = below(s, 20);
    fill(s, s->in, len);
    memset(s->out[0], 0x5a, len + 2 * BLOCK);
    memset(s->out[1], 0x5a, len + 2 * BLOCK);
    if (in_place)
        for (int i = 0; i < 2; i++)
            memcpy(s->out[i], s->in, len);
    note(s, "update %zu%s\n", len, in_place ? " in place" : "");
    ok = BOTH(s, "update",
              EVP_CipherUpdate(p->ctx[i], s->out[i], &out_len[i], in_place ? s->out[i] : s->in, (int)len));
    same(s, "length of the update", out_len[0], out_len[1]);
    if (ok)
        same_bytes(s, "output", s->out[0], s->out[1], len + 2 * BLOCK);
    p->total += len;
    p->started = 1;
    p->broken = !ok;
}

static void aad(struct sequence *s, struct pair *p)
{
    size_t len = below(s, 80);
    int out_len[2] = { -1, -1 };
    int ok;

    fill(s, s->in, len);
    note(s, "aad %zu\n", len);
    ok = BOTH(s, "aad", EVP_CipherUpdate(p->ctx[i], NULL, &out_len[i], s->in, (int)len));
    same(s, "length of the aad", out_len[0], out_len[1]);
    p->started = 1;
    p->broken = !ok && !p->started;
}

static void set_tag(struct sequence *s, struct pair *p)
{
    unsigned char tag[20];
    int len = chance(s, 80) ? 1 + (int)below(s, 16) : (int)below(s, 20);

    fill(s, tag, sizeof(tag));
    note(s, "set tag %d\n", len);
    BOTH(s, "set tag", EVP_CIPHER_CTX_ctrl(p->ctx[i], EVP_CTRL_AEAD_SET_TAG, len, tag));
    /* Where an encryption refuses it, the default provider shows it as the tag until the message has ended. */
    p->part_of_tag |= len < 16 || p->encrypt;
}

static void get_tag(struct sequence *s, struct pair *p)
{
    unsigned char tags[2][20];
    int len = chance(s, 80) ? 16 : (int)below(s, 20);

    memset(tags, 0, sizeof(tags));
    note(s, "get tag %d\n", len);
    BOTH(s, "get tag", EVP_CIPHER_CTX_ctrl(p->ctx[i], EVP_CTRL_AEAD_GET_TAG, len, tags[i]));
    same_bytes(s, "tag", tags[0], tags[1], sizeof(tags[0]));
}

static void final(struct sequence *s, struct pair *p)
{
    int out_len[2] = { -1, -1 };
    int ok;

    memset(s->out[0], 0x5a, 2 * BLOCK);
    memset(s->out[1], 0x5a, 2 * BLOCK);
    note(s, "final\n");
    ok = BOTH(s, "final", EVP_CipherFinal_ex(p->ctx[i], s->out[i], &out_len[i]));
    same(s, "length of the final", out_len[0], out_len[1]);
    if (ok)
        same_bytes(s, "rest", s->out[0], s->out[1], 2 * BLOCK);
    p->started = 1;
    p->finished = ok;
    if (ok && p->encrypt)
        p->part_of_tag = 0;
    p->broken = !ok || p->algorithm->mode == ECB || p->algorithm->mode == CBC;
}

static void copy(struct sequence *s, struct pair *p)
{
    EVP_CIPHER_CTX *copies[2] = { EVP_CIPHER_CTX_new(), EVP_CIPHER_CTX_new() };
    int keep = (int)below(s, 2);

    CHECK(copies[0] != NULL && copies[1] != NULL);
    note(s, "copy, go on with the %s\n", keep ? "copy" : "original");
    if (!copies_of_gcm && p->algorithm->mode == GCM) {
        /* Then the copy of the other one goes on beside an original. */
        int ok = EVP_CIPHER_CTX_copy(copies[1], p->ctx[1]);

        same(s, "copying", strcmp(queries[0], queries[1]) != 0, ok);
        EVP_CIPHER_CTX_free(copies[0]);
        EVP_CIPHER_CTX_free(ok ? p->ctx[1] : copies[1]);
        if (ok)
            p->ctx[1] = copies[1];
        ERR_clear_error();
        return;
    }
    if (BOTH(s, "copy", EVP_CIPHER_CTX_copy(copies[i], p->ctx[i])) == 1 && keep)
        for (int i = 0; i < 2; i++) {
            EVP_CIPHER_CTX *original = p->ctx[i];

            p->ctx[i] = copies[i];
            copies[i] = original;
        }
    EVP_CIPHER_CTX_free(copies[0]);
    EVP_CIPHER_CTX_free(copies[1]);
    /* The copy of an XTS context without a key believes that it has one. */
    p->broken |= p->algorithm->mode == XTS && !p->keyed;
}

static void set_padding(struct sequence *s, struct pair *p)
{
    int padding = (int)below(s, 2);

    note(s, "padding %d\n", padding);
    BOTH(s, "set_padding", EVP_CIPHER_CTX_set_padding(p->ctx[i], padding));
}

static void set_key_len(struct sequence *s, struct pair *p)
{
    int len = 8 * (int)below(s, 9);

    note(s, "key length %d\n", len);
    BOTH(s, "set_key_length", EVP_CIPHER_CTX_set_key_length(p->ctx[i], len));
}

/* The other direction: what one context made, the other one opens. */
static void round_trip(struct sequence *s, struct pair *p)
{
    unsigned char key[64], iv[16], tag[16];
    size_t len = some_length(s, 17000), aad_len = below(s, 40);
    int maker = (int)below(s, 2), made = 0, more = 0;
    int gcm = p->algorithm->mode == GCM, bad = gcm && chance(s, 25);
    EVP_CIPHER_CTX *by = EVP_CIPHER_CTX_new(), *opens = EVP_CIPHER_CTX_new();

    if (p->algorithm->mode == XTS && len < BLOCK)
        len = BLOCK;
    note(s, "round trip of %zu, made by %s\n", len, queries[maker]);
    fill(s, key, sizeof(key));
    fill(s, iv, sizeof(iv));
    fill(s, s->in, len);
    CHECK(EVP_CipherInit_ex(by, p->cipher[maker], NULL, key, iv, 1) == 1);
    if (gcm)
        CHECK(EVP_CipherUpdate(by, NULL, &made, key, (int)aad_len) == 1);
    same(s, "making", 1, EVP_CipherUpdate(by, s->out[0], &made, s->in, (int)len));
    same(s, "its end", 1, EVP_CipherFinal_ex(by, s->out[0] + made, &more));
    made += more;
    if (gcm)
        same(s, "its tag", 1, EVP_CIPHER_CTX_ctrl(by, EVP_CTRL_AEAD_GET_TAG, 16, tag));
    if (bad)
        tag[below(s, 16)] ^= 1;
    CHECK(EVP_CipherInit_ex(opens, p->cipher[1 - maker], NULL, key, iv, 0) == 1);
    if (gcm) {
        CHECK(EVP_CipherUpdate(opens, NULL, &more, key, (int)aad_len) == 1);
        CHECK(EVP_CIPHER_CTX_ctrl(opens, EVP_CTRL_AEAD_SET_TAG, 16, tag) == 1);
    }
    same(s, "opening", 1, EVP_CipherUpdate(opens, s->out[1], &more, s->out[0], made));
    made = more;
    same(s, "the end of opening", !bad, EVP_CipherFinal_ex(opens, s->out[1] + made, &more));
    if (!bad) {
        same(s, "the length", (long)len, made + more);
        same_bytes(s, "text", s->in, s->out[1], len);
    }
    ERR_clear_error();
    EVP_CIPHER_CTX_free(by);
    EVP_CIPHER_CTX_free(opens);
}

/* Encrypting without an IV makes one. */
static void random_iv(struct sequence *s, struct pair *p)
{
    unsigned char key[32], iv[12], tag[16];
    size_t len = some_length(s, 3000);
    int made, more, maker = (int)below(s, 2);
    EVP_CIPHER_CTX *by = EVP_CIPHER_CTX_new(), *opens = EVP_CIPHER_CTX_new();

    note(s, "random iv of %s, %zu\n", queries[maker], len);
    fill(s, key, sizeof(key));
    fill(s, s->in, len);
    CHECK(EVP_CipherInit_ex(by, p->cipher[maker], NULL, key, NULL, 1) == 1);
    same(s, "making", 1, EVP_CipherUpdate(by, s->out[0], &made, s->in, (int)len));
    same(s, "its end", 1, EVP_CipherFinal_ex(by, s->out[0] + made, &more));
    same(s, "the iv", 1, EVP_CIPHER_CTX_get_updated_iv(by, iv, sizeof(iv)));
    same(s, "the tag", 1, EVP_CIPHER_CTX_ctrl(by, EVP_CTRL_AEAD_GET_TAG, 16, tag));
    CHECK(EVP_CipherInit_ex(opens, p->cipher[1 - maker], NULL, key, iv, 0) == 1);
    CHECK(EVP_CIPHER_CTX_ctrl(opens, EVP_CTRL_AEAD_SET_TAG, 16, tag) == 1);
    same(s, "opening", 1, EVP_CipherUpdate(opens, s->out[1], &made, s->out[0], (int)len));
    same(s, "the end of opening", 1, EVP_CipherFinal_ex(opens, s->out[1] + made, &more));
    same_bytes(s, "text", s->in, s->out[1], len);
    ERR_clear_error();
    EVP_CIPHER_CTX_free(by);
    EVP_CIPHER_CTX_free(opens);
}

/* EVP_Cipher, as libssl calls it. */
static void direct(struct sequence *s, struct pair *p)
{
    size_t len = some_length(s, 17000) & ~(size_t)15;
    unsigned char *text[2] = { s->out[0], s->out[1] };
    int ok;

    if (len == 0)
        len = 64;
    for (int i = 0; i < 2; i++) {
        memset(text[i], 0x5a, len + BLOCK);
        for (size_t at = 0; at < len; at++)
            text[i][at] = (unsigned char)(at * 7 + s->seed);
    }
    note(s, "EVP_Cipher %zu\n", len);
    ok = BOTH(s, "EVP_Cipher", EVP_Cipher(p->ctx[i], text[i], text[i], (unsigned)len));
    same_bytes(s, "output", text[0], text[1], ok > 0 ? len : 0);
    p->started = 1;
    p->broken = ok <= 0;
}

static int may_work(const struct pair *p)
{
    return !p->broken && (p->keyed || p->algorithm->mode == XTS || p->algorithm->mode == GCM)
           /* An IV that is made up differs; `random_iv` has it. */
           && !(p->algorithm->mode == GCM && p->keyed && !p->iv_set && p->encrypt);
}

static void call(struct sequence *s, struct pair *p)
{
    enum mode mode = p->algorithm->mode;
    unsigned which = below(s, 100);

    if (which < 20 || p->broken)
        init(s, p);
    else if (which < 55 && may_work(p))
        update(s, p);
    else if (which < 65 && may_work(p))
        final(s, p);
    else if (which < 70)
        copy(s, p);
    else if (which < 74)
        compare_ctx_params(s, p);
    else if (which < 77)
        compare_some_param(s, p);
    else if (which < 80)
        compare_ctx_getters(s, p);
    else if (which < 83)
        set_key_len(s, p);
    else if (which < 86)
        round_trip(s, p);
    else if (which < 88 && may_work(p) && p->iv_set && (mode == CTR || mode == XTS))
        direct(s, p);
    else if (mode == GCM && which < 93 && may_work(p))
        aad(s, p);
    else if (mode == GCM && which < 95)
        set_tag(s, p);
    else if (mode == GCM && which < 97 && !p->part_of_tag)
        get_tag(s, p);
    else if (mode == GCM && which < 98)
        set_iv_len(s, p);
    else if (mode == GCM && which < 99)
        random_iv(s, p);
    else if (mode != GCM)
        set_padding(s, p);
}

static void run_cipher(struct sequence *s)
{
    unsigned which = below(s, CIPHERS);
    struct pair p = { .algorithm = &ciphers[which], .cipher = fetched[which] };

    note(s, "%s\n", p.algorithm->name);
    for (int i = 0; i < 2; i++)
        CHECK((p.ctx[i] = EVP_CIPHER_CTX_new()) != NULL);
    init(s, &p);
    for (unsigned left = CALLS; left > 0; left--)
        call(s, &p);
    for (int i = 0; i < 2; i++)
        EVP_CIPHER_CTX_free(p.ctx[i]);
}

static void digest_params(struct sequence *s, EVP_MD_CTX **ctx)
{
    note(s, "digest: getters\n");
    BOTH(s, "size", EVP_MD_CTX_get_size(ctx[i]));
    BOTH(s, "block size", EVP_MD_CTX_get_block_size(ctx[i]));
    BOTH(s, "type", EVP_MD_CTX_get_type(ctx[i]));
}

static void digest_copy(struct sequence *s, EVP_MD_CTX **ctx)
{
    int keep = (int)below(s, 2), fresh = chance(s, 50);
    EVP_MD_CTX *copies[2] = { EVP_MD_CTX_new(), EVP_MD_CTX_new() };

    note(s, "copy%s, go on with the %s\n", fresh ? "" : " onto another", keep ? "copy" : "original");
    if (!fresh)
        for (int i = 0; i < 2; i++) {
            CHECK(EVP_DigestInit_ex(copies[i], fetched_md[s->seed % DIGESTS][i], NULL) == 1);
            CHECK(EVP_DigestUpdate(copies[i], "before", 6) == 1);
        }
    BOTH(s, "copy", EVP_MD_CTX_copy_ex(copies[i], ctx[i]));
    for (int i = 0; i < 2; i++) {
        EVP_MD_CTX *original = ctx[i];

        if (keep) {
            ctx[i] = copies[i];
            copies[i] = original;
        }
        EVP_MD_CTX_free(copies[i]);
    }
}

static void run_digest(struct sequence *s)
{
    unsigned which = below(s, DIGESTS), size[2];
    EVP_MD_CTX *ctx[2] = { EVP_MD_CTX_new(), EVP_MD_CTX_new() };
    int open = 0;

    note(s, "%s\n", digests[which]);
    for (unsigned left = CALLS; left > 0; left--) {
        unsigned what = below(s, 100);
        size_t len = some_length(s, 20000);

        if (!open || what < 8) {
            if (chance(s, 20))
                which = below(s, DIGESTS);
            note(s, "init %s\n", digests[which]);
            BOTH(s, "init", EVP_DigestInit_ex(ctx[i], fetched_md[which][i], NULL));
            open = 1;
        } else if (what < 60) {
            fill(s, s->in, len);
            note(s, "update %zu\n", len);
            BOTH(s, "update", EVP_DigestUpdate(ctx[i], s->in, len));
        } else if (what < 75) {
            note(s, "final\n");
            size[0] = size[1] = 1000;
            memset(s->out[0], 0x5a, EVP_MAX_MD_SIZE);
            memset(s->out[1], 0x5a, EVP_MAX_MD_SIZE);
            BOTH(s, "final", EVP_DigestFinal_ex(ctx[i], s->out[i], &size[i]));
            same(s, "size of the digest", (long)size[0], (long)size[1]);
            same_bytes(s, "digest", s->out[0], s->out[1], EVP_MAX_MD_SIZE);
            open = 0;
        } else if (what < 85) {
            digest_copy(s, ctx);
        } else if (what < 90) {
            digest_params(s, ctx);
        } else {
            fill(s, s->in, len);
            note(s, "whole %zu\n", len);
            BOTH(s, "EVP_Digest", EVP_Digest(s->in, len, s->out[i], NULL, fetched_md[which][i], NULL));
            same_bytes(s, "digest", s->out[0], s->out[1], (size_t)EVP_MD_get_size(fetched_md[which][0]));
        }
    }
    EVP_MD_CTX_free(ctx[0]);
    EVP_MD_CTX_free(ctx[1]);
}

static void run(struct sequence *s)
{
    if (chance(s, 25))
        run_digest(s);
    else
        run_cipher(s);
}

/* Each key of the first list has to be in the second one. */
static void same_keys(struct sequence *s, const OSSL_PARAM *expected, const OSSL_PARAM *got)
{
    for (; expected != NULL && expected->key != NULL; expected++) {
        note(s, "  parameter %s\n", expected->key);
        same(s, "being listed", 1, OSSL_PARAM_locate_const(got, expected->key) != NULL);
    }
}

static void names_of(const char *name, void *data)
{
    char *all = data;

    strcat(strcat(all, name), ":");
}

static void fetch_cipher(struct sequence *s, unsigned which)
{
    EVP_CIPHER **pair = fetched[which];
    char names[2][300] = { "", "" };
    int tls_multi[2], rand_key[2];

    note(s, "fetch %s\n", ciphers[which].name);
    for (int i = 0; i < 2; i++) {
        OSSL_PARAM params[] = { OSSL_PARAM_construct_int(OSSL_CIPHER_PARAM_TLS1_MULTIBLOCK, &tls_multi[i]),
                                OSSL_PARAM_construct_int(OSSL_CIPHER_PARAM_HAS_RAND_KEY, &rand_key[i]),
                                OSSL_PARAM_construct_end() };

        CHECK((pair[i] = EVP_CIPHER_fetch(NULL, ciphers[which].name, queries[i])) != NULL);
        CHECK(EVP_CIPHER_names_do_all(pair[i], names_of, names[i]) == 1);
        CHECK(EVP_CIPHER_get_params(pair[i], params) == 1);
    }
    same(s, "the list of names", 0, strcmp(names[0], names[1]));
    same(s, "tls-multi", tls_multi[0], tls_multi[1]);
    same(s, "has-randkey", rand_key[0], rand_key[1]);
    same(s, "nid", EVP_CIPHER_get_nid(pair[0]), EVP_CIPHER_get_nid(pair[1]));
    same(s, "mode", EVP_CIPHER_get_mode(pair[0]), EVP_CIPHER_get_mode(pair[1]));
    same(s, "flags", (long)EVP_CIPHER_get_flags(pair[0]), (long)EVP_CIPHER_get_flags(pair[1]));
    same(s, "block size", EVP_CIPHER_get_block_size(pair[0]), EVP_CIPHER_get_block_size(pair[1]));
    same(s, "key length", EVP_CIPHER_get_key_length(pair[0]), EVP_CIPHER_get_key_length(pair[1]));
    same(s, "iv length", EVP_CIPHER_get_iv_length(pair[0]), EVP_CIPHER_get_iv_length(pair[1]));
    same_keys(s, EVP_CIPHER_gettable_params(pair[0]), EVP_CIPHER_gettable_params(pair[1]));
    same_keys(s, EVP_CIPHER_gettable_ctx_params(pair[0]), EVP_CIPHER_gettable_ctx_params(pair[1]));
    same_keys(s, EVP_CIPHER_settable_ctx_params(pair[0]), EVP_CIPHER_settable_ctx_params(pair[1]));
}

static int copies(const EVP_CIPHER *cipher)
{
    EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new(), *copy = EVP_CIPHER_CTX_new();
    int ok;

    CHECK(EVP_CipherInit_ex(ctx, cipher, NULL, NULL, NULL, 1) == 1);
    ok = EVP_CIPHER_CTX_copy(copy, ctx);
    ERR_clear_error();
    EVP_CIPHER_CTX_free(ctx);
    EVP_CIPHER_CTX_free(copy);
    return ok;
}

static void fetch_digest(struct sequence *s, unsigned which)
{
    EVP_MD **pair = fetched_md[which];
    char names[2][300] = { "", "" };

    note(s, "fetch %s\n", digests[which]);
    for (int i = 0; i < 2; i++) {
        CHECK((pair[i] = EVP_MD_fetch(NULL, digests[which], queries[i])) != NULL);
        CHECK(EVP_MD_names_do_all(pair[i], names_of, names[i]) == 1);
    }
    same(s, "the list of names", 0, strcmp(names[0], names[1]));
    same(s, "type", EVP_MD_get_type(pair[0]), EVP_MD_get_type(pair[1]));
    same(s, "flags", (long)EVP_MD_get_flags(pair[0]), (long)EVP_MD_get_flags(pair[1]));
    same(s, "size", EVP_MD_get_size(pair[0]), EVP_MD_get_size(pair[1]));
    same(s, "block size", EVP_MD_get_block_size(pair[0]), EVP_MD_get_block_size(pair[1]));
    same_keys(s, EVP_MD_gettable_params(pair[0]), EVP_MD_gettable_params(pair[1]));
}

int main(int argc, char **argv)
{
    uint64_t first = argc > 1 ? strtoull(argv[1], NULL, 10) : 0;
    uint64_t count = argc > 2 ? strtoull(argv[2], NULL, 10) : 10000;
    struct sequence *s = malloc(sizeof(*s));

    CHECK(s != NULL && ASYNC_is_capable());
    load(argc > 4 ? argv[3] : NULL, argc > 4 ? argv[4] : NULL);
    begin(s, first);
    for (unsigned which = 0; which < CIPHERS; which++)
        fetch_cipher(s, which);
    for (unsigned which = 0; which < DIGESTS; which++)
        fetch_digest(s, which);
    copies_of_gcm = copies(fetched[CIPHERS - 1][0]);
    run_outside(run, first, count);
    run_in_jobs(run, first, count, 8);
    printf("sequences %lu pauses %lu resumes %lu\n", finished, pauses, resumes);
    for (unsigned which = 0; which < CIPHERS; which++)
        for (int i = 0; i < 2; i++)
            EVP_CIPHER_free(fetched[which][i]);
    for (unsigned which = 0; which < DIGESTS; which++)
        for (int i = 0; i < 2; i++)
            EVP_MD_free(fetched_md[which][i]);
    free(s);
    return 0;
}
