/*
 * Random calls for signatures and RSA encryption, made on keys of two providers at once: what one signs or encrypts
 * the other verifies or decrypts, and whatever is set, asked or wrong has the same result.
 *
 *     signatures FIRST COUNT [FOLDER NAME]
 *
 * Each sequence runs outside of a job and in one, while other jobs of the thread are paused.
 */
#include "sequences.h"

#include <openssl/ec.h>
#include <openssl/param_build.h>
#include <openssl/rsa.h>

enum { MOST = 8192, KINDS = 16 };

enum family { RSA_KEY, PSS_KEY, EC_KEY_, ED_KEY, ML_DSA_KEY };

/* A key, as an object of each provider. */
struct key {
    enum family family;
    const char *name;
    EVP_PKEY *pkey[2];
};

static struct key keys[KINDS];
static unsigned count_of_keys;
/* OpenSSL 3.2: wrong padding of PKCS#1 v1.5 gives a text. */
static int rejects_implicitly;

static const char *const digests[] = { "SHA1",       "SHA2-224", "SHA2-256", "SHA2-384", "SHA2-512", "SHA2-512/224",
                                       "SHA2-512/256", "SHA3-256", "SHA3-512", "MD5",      "MD5-SHA1", "RIPEMD160",
                                       "BLAKE2S-256", "sha256",   "SHAKE128", "nonsense" };

/* Room for an output of each, which the small stack of a job does not have. */
static unsigned char *room_of(struct sequence *s, int i)
{
    return s->in + ROOM - (2 - i) * MOST;
}

static const char *some_digest(struct sequence *s)
{
    /* Those that every scheme has are the most interesting. */
    return chance(s, 70) ? digests[below(s, 5)] : digests[below(s, sizeof(digests) / sizeof(*digests))];
}

static const struct key *some_key(struct sequence *s)
{
    return &keys[below(s, count_of_keys)];
}

/* Parameters, the same for both. */
struct settings {
    OSSL_PARAM list[6];
    int number[6];
    int count;
};

static void set_text(struct settings *t, const char *key, const char *value)
{
    t->list[t->count++] = OSSL_PARAM_construct_utf8_string(key, (char *)value, 0);
}

static void set_int(struct settings *t, const char *key, int value)
{
    t->number[t->count] = value;
    t->list[t->count] = OSSL_PARAM_construct_int(key, &t->number[t->count]);
    t->count++;
}

static void note_settings(struct sequence *s, const struct settings *t)
{
    for (int i = 0; i < t->count; i++)
        if (t->list[i].data_type == OSSL_PARAM_UTF8_STRING)
            note(s, " %s=%s", t->list[i].key, (char *)t->list[i].data);
        else
            note(s, " %s=%d", t->list[i].key, t->number[i]);
    note(s, "\n");
}

static void some_settings(struct sequence *s, const struct key *key, int with_digest, struct settings *t)
{
    static const char *const paddings[] = { "pkcs1", "pss", "pss", "none", "x931", "oaep" };
    static const char *const salts[] = { "digest", "max", "auto", "0", "20", "32", "64", "222", "-5", "rubbish" };

    t->count = 0;
    if (key->family == RSA_KEY || key->family == PSS_KEY) {
        int padding = below(s, 6), is_pss = padding == 1 || padding == 2;

        if (chance(s, 60)) {
            static const int numbers[] = { 1, 6, 6, 3, 5, 4 };

            if (chance(s, 30))
                set_int(t, OSSL_SIGNATURE_PARAM_PAD_MODE, numbers[padding]);
            else
                set_text(t, OSSL_SIGNATURE_PARAM_PAD_MODE, paddings[padding]);
        }
        if (with_digest && chance(s, 50))
            set_text(t, OSSL_SIGNATURE_PARAM_DIGEST, some_digest(s));
        if (chance(s, is_pss || key->family == PSS_KEY ? 50 : 5))
            set_text(t, OSSL_SIGNATURE_PARAM_MGF1_DIGEST, some_digest(s));
        if (chance(s, is_pss || key->family == PSS_KEY ? 70 : 5)) {
            if (chance(s, 40))
                set_int(t, OSSL_SIGNATURE_PARAM_PSS_SALTLEN, (int)below(s, 40) - 4);
            else
                set_text(t, OSSL_SIGNATURE_PARAM_PSS_SALTLEN, salts[below(s, 10)]);
        }
    } else if (key->family == EC_KEY_ && with_digest && chance(s, 40)) {
        set_text(t, OSSL_SIGNATURE_PARAM_DIGEST, some_digest(s));
    }
    t->list[t->count] = OSSL_PARAM_construct_end();
}

/* What both say of a context. */
static void compare_params(struct sequence *s, EVP_PKEY_CTX *ctx[2], const struct key *key)
{
    unsigned char id[2][256];
    char text[2][4][64];
    int number[2] = { 77, 77 }, salt[2] = { 77, 77 }, is_rsa = key->family == RSA_KEY || key->family == PSS_KEY;
    OSSL_PARAM params[2][8];
    int asked[2];

    memset(id, 0, sizeof(id));
    memset(text, 0, sizeof(text));
    for (int i = 0; i < 2; i++) {
        OSSL_PARAM *at = params[i];

        if (is_rsa) {
            *at++ = OSSL_PARAM_construct_utf8_string(OSSL_SIGNATURE_PARAM_DIGEST, text[i][0], 64);
            *at++ = OSSL_PARAM_construct_utf8_string(OSSL_SIGNATURE_PARAM_MGF1_DIGEST, text[i][1], 64);
            *at++ = OSSL_PARAM_construct_utf8_string(OSSL_SIGNATURE_PARAM_PAD_MODE, text[i][2], 64);
            *at++ = OSSL_PARAM_construct_utf8_string(OSSL_SIGNATURE_PARAM_PSS_SALTLEN, text[i][3], 64);
        } else if (key->family == EC_KEY_) {
            *at++ = OSSL_PARAM_construct_utf8_string(OSSL_SIGNATURE_PARAM_DIGEST, text[i][0], 64);
        }
        *at = OSSL_PARAM_construct_end();
        asked[i] = at == params[i] ? 1 : EVP_PKEY_CTX_get_params(ctx[i], params[i]);
    }
    same(s, "get_params", asked[0], asked[1]);
    for (int which = 0; which < 4; which++) {
        /* An RSA-PSS key's is named otherwise by some releases. */
        if (strcmp(text[0][which], text[1][which]) != 0)
            note(s, "   -- %s, %s\n", text[0][which], text[1][which]);
        same(s, "a name", 0, strcmp(text[0][which], text[1][which]));
    }
    if (is_rsa) {
        for (int i = 0; i < 2; i++) {
            OSSL_PARAM list[] = { OSSL_PARAM_construct_int(OSSL_SIGNATURE_PARAM_PAD_MODE, &number[i]),
                                  OSSL_PARAM_construct_int(OSSL_SIGNATURE_PARAM_PSS_SALTLEN, &salt[i]),
                                  OSSL_PARAM_construct_end() };

            asked[i] = EVP_PKEY_CTX_get_params(ctx[i], list);
        }
        same(s, "get numbers", asked[0], asked[1]);
        same(s, "pad-mode", number[0], number[1]);
        same(s, "saltlen", salt[0], salt[1]);
    }
    for (int i = 0; i < 2; i++) {
        OSSL_PARAM list[] = { OSSL_PARAM_construct_octet_string(OSSL_SIGNATURE_PARAM_ALGORITHM_ID, id[i], 256),
                              OSSL_PARAM_construct_end() };

        asked[i] = EVP_PKEY_CTX_get_params(ctx[i], list);
        params[i][0] = list[0];
    }
    same(s, "get algorithm-id", asked[0], asked[1]);
    if (asked[0] > 0) {
        same(s, "length of algorithm-id", (long)params[0][0].return_size, (long)params[1][0].return_size);
        same_bytes(s, "algorithm-id", id[0], id[1], 256);
    }
    ERR_clear_error();
}

/* Whose signature is verified: the other's as it is; a changed one is the same for both. */
#define OF(i) (changed ? 0 : 1 - (i))

static const char *const says[] = { "as it is", "changed", "cut", "in another form" };

/* Changes a bit. That of an ECDSA signature lies in its second number, so that it is still written as one. */
static void change(struct sequence *s, const struct key *key, unsigned char *signature, size_t len)
{
    unsigned at = key->family == EC_KEY_ ? (unsigned)len - 1 - below(s, 20) : below(s, (unsigned)len);

    signature[at] ^= 1 << below(s, 8);
}

/* Forms of two numbers that are no signature, some of them not even DER. */
static size_t other_form(struct sequence *s, unsigned char *signature)
{
    static const unsigned char forms[][12] = {
        { 8, 0x30, 6, 2, 1, 0, 2, 1, 1 },          { 8, 0x30, 6, 2, 1, 1, 2, 1, 0 },
        { 8, 0x30, 6, 2, 1, 0x81, 2, 1, 1 },       { 9, 0x30, 7, 2, 2, 0, 1, 2, 1, 1 },
        { 9, 0x30, 0x81, 6, 2, 1, 1, 2, 1, 1 },    { 9, 0x30, 6, 2, 1, 1, 2, 1, 1, 0 },
        { 10, 0x30, 0x80, 2, 1, 1, 2, 1, 1, 0, 0 }, { 8, 0x31, 6, 2, 1, 1, 2, 1, 1 },
        { 2, 0x30, 0 },                            { 0 },
    };
    const unsigned char *form = forms[below(s, sizeof(forms) / sizeof(*forms))];

    memcpy(signature, form + 1, form[0]);
    return form[0];
}

/* One signature of a message in parts, with copies in between. */
static void sign_message(struct sequence *s)
{
    const struct key *key = some_key(s);
    int in_parts = key->family != ED_KEY && key->family != ML_DSA_KEY;
    const char *digest = in_parts ? (chance(s, 95) ? some_digest(s) : NULL) : (chance(s, 95) ? NULL : "SHA2-256");
    EVP_MD_CTX *ctx[2] = { EVP_MD_CTX_new(), EVP_MD_CTX_new() };
    EVP_PKEY_CTX *pctx[2] = { NULL, NULL };
    struct settings settings = { .count = 0 };
    size_t total = 0, len[2];
    int ok, deterministic, is_set;

    note(s, "digest sign with %s, %s\n", key->name, digest == NULL ? "no digest" : digest);
    ok = BOTH(s, "DigestSignInit", EVP_DigestSignInit_ex(ctx[i], &pctx[i], digest, NULL, queries[i], key->pkey[i], NULL));
    if (ok != 1)
        goto end;
    if (chance(s, 60)) {
        some_settings(s, key, 0, &settings);
        note(s, "set");
        note_settings(s, &settings);
        if (settings.count > 0 && BOTH(s, "set_params", EVP_PKEY_CTX_set_params(pctx[i], settings.list)) <= 0)
            goto end;
    }
    if (chance(s, 30))
        compare_params(s, pctx, key);
    while (in_parts && chance(s, 70)) {
        size_t part = some_length(s, 4000);

        fill(s, s->in + total, part);
        note(s, "update of %zu\n", part);
        BOTH(s, "DigestSignUpdate", EVP_DigestSignUpdate(ctx[i], s->in + total, part));
        total += part;
        if (total > 20000)
            break;
        if (chance(s, 25)) {
            note(s, "copy\n");
            for (int i = 0; i < 2; i++) {
                EVP_MD_CTX *copy = EVP_MD_CTX_new();

                CHECK(EVP_MD_CTX_copy_ex(copy, ctx[i]) == 1);
                /* The original ends with something else. */
                CHECK(EVP_DigestSignUpdate(ctx[i], "else", 4) == 1);
                EVP_MD_CTX_free(ctx[i]);
                ctx[i] = copy;
            }
        }
    }
    if (!in_parts) {
        total = some_length(s, 4000);
        fill(s, s->in, total);
    }
    if (chance(s, 50)) {
        note(s, "size\n");
        BOTH(s, "size", (len[i] = 0, in_parts ? EVP_DigestSignFinal(ctx[i], NULL, &len[i])
                                              : EVP_DigestSign(ctx[i], NULL, &len[i], s->in, total)));
        same(s, "the size", (long)len[0], (long)len[1]);
    }
    len[0] = len[1] = chance(s, 90) ? MOST : below(s, 300);
    note(s, "final of %zu, room for %zu\n", total, len[0]);
    ok = BOTH(s, "DigestSignFinal", in_parts ? EVP_DigestSignFinal(ctx[i], s->out[i], &len[i])
                                             : EVP_DigestSign(ctx[i], s->out[i], &len[i], s->in, total));
    if (ok != 1)
        goto end;
    deterministic = key->family == ED_KEY;
    if (key->family != EC_KEY_)
        same(s, "length of the signature", (long)len[0], (long)len[1]);
    if (deterministic)
        same_bytes(s, "the signature", s->out[0], s->out[1], len[0]);
    /* What one has signed the other verifies, as it was and changed. */
    for (int changed = 0; changed < 3 + (key->family == EC_KEY_); changed++) {
        EVP_MD_CTX *verifies[2] = { EVP_MD_CTX_new(), EVP_MD_CTX_new() };
        size_t cut = changed == 2 ? below(s, 3) : 0;

        if (changed == 1)
            change(s, key, s->out[0], len[0]);
        if (changed == 3)
            len[0] = other_form(s, s->out[0]);
        note(s, "verify, %s\n", says[changed]);
        ok = BOTH(s, "DigestVerifyInit",
                  EVP_DigestVerifyInit_ex(verifies[i], &pctx[i], digest, NULL, queries[i], key->pkey[i], NULL));
        if (ok == 1 && settings.count > 0)
            ok = BOTH(s, "set_params", EVP_PKEY_CTX_set_params(pctx[i], settings.list));
        is_set = ok == 1;
        if (is_set && in_parts) {
            size_t half = below(s, (unsigned)total + 1);

            BOTH(s, "DigestVerifyUpdate", EVP_DigestVerifyUpdate(verifies[i], s->in, half));
            BOTH(s, "DigestVerifyUpdate", EVP_DigestVerifyUpdate(verifies[i], s->in + half, total - half));
            ok = BOTH(s, "DigestVerifyFinal", EVP_DigestVerifyFinal(verifies[i], s->out[OF(i)], len[OF(i)] - cut));
        } else if (is_set) {
            ok = BOTH(s, "DigestVerify",
                      EVP_DigestVerify(verifies[i], s->out[OF(i)], len[OF(i)] - cut, s->in, total));
        }
        if (changed == 0 && is_set && ok != 1)
            differs(s, "a signature of the other", 1, ok);
        for (int i = 0; i < 2; i++)
            EVP_MD_CTX_free(verifies[i]);
        ERR_clear_error();
    }
end:
    for (int i = 0; i < 2; i++)
        EVP_MD_CTX_free(ctx[i]);
    ERR_clear_error();
}

/* Signs bytes that are a digest, or what they like to be. */
static void sign_digest(struct sequence *s)
{
    const struct key *key = some_key(s);
    EVP_PKEY_CTX *ctx[2], *copy[2];
    struct settings settings = { .count = 0 };
    size_t len[2], in_len = 0;
    int ok, is_set;

    if (key->family == ED_KEY || key->family == ML_DSA_KEY)
        return;
    for (int i = 0; i < 2; i++)
        CHECK((ctx[i] = EVP_PKEY_CTX_new_from_pkey(NULL, key->pkey[i], queries[i])) != NULL);
    note(s, "sign with %s\n", key->name);
    ok = BOTH(s, "sign_init", EVP_PKEY_sign_init(ctx[i]));
    if (ok != 1)
        goto end;
    some_settings(s, key, 1, &settings);
    note(s, "set");
    note_settings(s, &settings);
    if (settings.count > 0 && BOTH(s, "set_params", EVP_PKEY_CTX_set_params(ctx[i], settings.list)) <= 0)
        goto end;
    if (chance(s, 30))
        compare_params(s, ctx, key);
    if (chance(s, 20)) {
        note(s, "copy\n");
        for (int i = 0; i < 2; i++) {
            CHECK((copy[i] = EVP_PKEY_CTX_dup(ctx[i])) != NULL);
            EVP_PKEY_CTX_free(ctx[i]);
            ctx[i] = copy[i];
        }
    }
    switch (below(s, 4)) {
    case 0:
        in_len = (size_t)EVP_PKEY_get_size(key->pkey[0]);
        break;
    case 1:
        in_len = below(s, 100);
        break;
    default: {
        const OSSL_PARAM *digest = OSSL_PARAM_locate_const(settings.list, OSSL_SIGNATURE_PARAM_DIGEST);
        const EVP_MD *md = digest == NULL ? EVP_sha1() : EVP_get_digestbyname(digest->data);

        in_len = md == NULL ? 32 : (size_t)EVP_MD_get_size(md);
        break;
    }
    }
    fill(s, s->in, in_len);
    /* As a number, it is below any modulus of this length. */
    s->in[0] = 0;
    len[0] = len[1] = chance(s, 90) ? MOST : below(s, 300);
    note(s, "sign %zu bytes, room for %zu\n", in_len, len[0]);
    ok = BOTH(s, "sign", EVP_PKEY_sign(ctx[i], s->out[i], &len[i], s->in, in_len));
    if (ok != 1)
        goto end;
    for (int changed = 0; changed < 3; changed++) {
        size_t cut = changed == 2;

        if (changed == 1)
            change(s, key, s->out[0], len[0]);
        note(s, "verify, %s\n", says[changed]);
        ok = BOTH(s, "verify_init", EVP_PKEY_verify_init(ctx[i]));
        if (ok == 1 && settings.count > 0)
            ok = BOTH(s, "set_params", EVP_PKEY_CTX_set_params(ctx[i], settings.list));
        is_set = ok == 1;
        if (is_set)
            ok = BOTH(s, "verify", EVP_PKEY_verify(ctx[i], s->out[OF(i)], len[OF(i)] - cut, s->in, in_len));
        if (changed == 0 && is_set && ok != 1)
            differs(s, "a signature of the other", 1, ok);
    }
    if (key->family == RSA_KEY) {
        unsigned char *digest[2] = { room_of(s, 0), room_of(s, 1) };
        size_t room = chance(s, 80) ? MOST : below(s, 64);
        int which = below(s, 2);
        size_t digest_len[2] = { room, room };

        note(s, "recover, room for %zu\n", room);
        ok = BOTH(s, "verify_recover_init", EVP_PKEY_verify_recover_init(ctx[i]));
        if (ok == 1 && settings.count > 0)
            ok = BOTH(s, "set_params", EVP_PKEY_CTX_set_params(ctx[i], settings.list));
        /* OpenSSL 3.0 does not look at the room. */
        if (ok == 1 && room == MOST) {
            ok = BOTH(s, "verify_recover",
                      EVP_PKEY_verify_recover(ctx[i], digest[i], &digest_len[i], s->out[which], len[which]));
            if (ok == 1) {
                same(s, "length of the digest", (long)digest_len[0], (long)digest_len[1]);
                same_bytes(s, "the digest", digest[0], digest[1], digest_len[0]);
            }
        }
    }
end:
    for (int i = 0; i < 2; i++)
        EVP_PKEY_CTX_free(ctx[i]);
    ERR_clear_error();
}

static void set_padding(struct sequence *s, struct settings *t, int *is_tls)
{
    static const char *const paddings[] = { "pkcs1", "oaep", "oaep", "oeap", "none", "pss", "x931", "nonsense" };
    unsigned padding = below(s, 8);

    *is_tls = 0;
    t->count = 0;
    if (padding >= 1 && padding <= 3) {
        if (chance(s, 60))
            set_text(t, OSSL_ASYM_CIPHER_PARAM_OAEP_DIGEST, some_digest(s));
        if (chance(s, 40))
            set_text(t, OSSL_ASYM_CIPHER_PARAM_MGF1_DIGEST, some_digest(s));
        if (chance(s, 40))
            t->list[t->count++] = OSSL_PARAM_construct_octet_string(OSSL_ASYM_CIPHER_PARAM_OAEP_LABEL, "a label", 7);
    }
    if (padding != 0 || chance(s, 50))
        set_text(t, OSSL_ASYM_CIPHER_PARAM_PAD_MODE, paddings[padding]);
    t->list[t->count] = OSSL_PARAM_construct_end();
}

static int is_padding(const struct settings *t, const char *name)
{
    const OSSL_PARAM *padding = OSSL_PARAM_locate_const(t->list, OSSL_ASYM_CIPHER_PARAM_PAD_MODE);

    return padding == NULL ? strcmp(name, "pkcs1") == 0 : strcmp(padding->data, name) == 0;
}

static void encrypt(struct sequence *s)
{
    const struct key *key = some_key(s);
    EVP_PKEY_CTX *ctx[2];
    struct settings settings = { .count = 0 };
    unsigned char *text[2] = { room_of(s, 0), room_of(s, 1) };
    size_t len[2], text_len[2], in_len;
    int ok, is_tls;

    if (key->family != RSA_KEY)
        return;
    for (int i = 0; i < 2; i++)
        CHECK((ctx[i] = EVP_PKEY_CTX_new_from_pkey(NULL, key->pkey[i], queries[i])) != NULL);
    note(s, "encrypt with %s\n", key->name);
    CHECK(BOTH(s, "encrypt_init", EVP_PKEY_encrypt_init(ctx[i])) == 1);
    set_padding(s, &settings, &is_tls);
    note(s, "set");
    note_settings(s, &settings);
    if (settings.count > 0 && BOTH(s, "set_params", EVP_PKEY_CTX_set_params(ctx[i], settings.list)) <= 0)
        goto end;
    in_len = chance(s, 30) ? (size_t)EVP_PKEY_get_size(key->pkey[0]) - below(s, 70) : below(s, 70);
    fill(s, s->in, in_len);
    s->in[0] = 0;
    len[0] = len[1] = chance(s, 90) ? MOST : below(s, 300);
    note(s, "encrypt %zu bytes, room for %zu\n", in_len, len[0]);
    ok = BOTH(s, "encrypt", EVP_PKEY_encrypt(ctx[i], s->out[i], &len[i], s->in, in_len));
    if (ok != 1)
        goto end;
    same(s, "length of the ciphertext", (long)len[0], (long)len[1]);
    for (int changed = 0; changed < 2; changed++) {
        if (changed)
            s->out[0][len[0] / 2] ^= 1;
        /* The same for both now. */
        if (changed)
            memcpy(s->out[1], s->out[0], len[0]);
        note(s, "decrypt%s\n", changed ? ", changed" : "");
        CHECK(BOTH(s, "decrypt_init", EVP_PKEY_decrypt_init(ctx[i])) == 1);
        if (settings.count > 0)
            CHECK(BOTH(s, "set_params", EVP_PKEY_CTX_set_params(ctx[i], settings.list)) == 1);
        if (changed && is_padding(&settings, "pkcs1") && !rejects_implicitly)
            break;
        for (int i = 0; i < 2; i++)
            text_len[i] = MOST;
        ok = BOTH(s, "decrypt", EVP_PKEY_decrypt(ctx[i], text[i], &text_len[i], s->out[1 - i], len[1 - i]));
        if (!changed)
            same(s, "a ciphertext of the other", 1, ok);
        if (ok == 1) {
            same(s, "length of the text", (long)text_len[0], (long)text_len[1]);
            same_bytes(s, "the text", text[0], text[1], text_len[0]);
        }
    }
end:
    for (int i = 0; i < 2; i++)
        EVP_PKEY_CTX_free(ctx[i]);
    ERR_clear_error();
}

/* The premaster secret of TLS: right, of another version, and with wrong padding. */
static void premaster(struct sequence *s)
{
    const struct key *key = some_key(s);
    EVP_PKEY_CTX *ctx[2];
    unsigned char secret[48], *got[2] = { room_of(s, 0), room_of(s, 1) };
    size_t len[2] = { MOST, MOST }, got_len[2] = { MOST, MOST };
    unsigned client = 0x0300 + below(s, 4), sent = chance(s, 70) ? client : 0x0300 + below(s, 5), alt = 0;
    int is_right, wrong_padding = chance(s, 20);

    if (key->family != RSA_KEY)
        return;
    if (chance(s, 30))
        alt = 0x0300 + below(s, 4);
    is_right = !wrong_padding && (sent == client || (alt != 0 && sent == alt));
    fill(s, secret, 48);
    secret[0] = sent >> 8;
    secret[1] = sent & 0xff;
    note(s, "premaster secret with %s: client %x, sent %x, negotiated %x%s\n", key->name, client, sent, alt,
         wrong_padding ? ", padding for something else" : "");
    for (int i = 0; i < 2; i++) {
        CHECK((ctx[i] = EVP_PKEY_CTX_new_from_pkey(NULL, key->pkey[i], queries[i])) != NULL);
        CHECK(EVP_PKEY_encrypt_init(ctx[i]) == 1);
        CHECK(EVP_PKEY_CTX_set_rsa_padding(ctx[i], RSA_PKCS1_PADDING) == 1);
        CHECK(EVP_PKEY_encrypt(ctx[i], s->out[i], &len[i], secret, wrong_padding ? 47 : 48) == 1);
    }
    for (int i = 0; i < 2; i++) {
        OSSL_PARAM list[] = { OSSL_PARAM_construct_uint(OSSL_ASYM_CIPHER_PARAM_TLS_CLIENT_VERSION, &client),
                              OSSL_PARAM_construct_uint(OSSL_ASYM_CIPHER_PARAM_TLS_NEGOTIATED_VERSION, &alt),
                              OSSL_PARAM_construct_end() };

        if (alt == 0)
            list[1] = OSSL_PARAM_construct_end();
        CHECK(EVP_PKEY_decrypt_init(ctx[i]) == 1);
        CHECK(EVP_PKEY_CTX_set_rsa_padding(ctx[i], RSA_PKCS1_WITH_TLS_PADDING) == 1);
        CHECK(EVP_PKEY_CTX_set_params(ctx[i], list) == 1);
        CHECK(EVP_PKEY_decrypt(ctx[i], NULL, &got_len[i], s->out[1 - i], len[1 - i]) == 1);
        same(s, "the size", 48, (long)got_len[i]);
        CHECK(EVP_PKEY_decrypt(ctx[i], got[i], &got_len[i], s->out[1 - i], len[1 - i]) == 1);
        same(s, "the length", 48, (long)got_len[i]);
        same(s, "the secret is the right one", is_right, memcmp(got[i], secret, 48) == 0);
        EVP_PKEY_CTX_free(ctx[i]);
    }
}

static void run(struct sequence *s)
{
    switch (below(s, 8)) {
    case 0:
    case 1:
    case 2:
        sign_message(s);
        break;
    case 3:
    case 4:
    case 5:
        sign_digest(s);
        break;
    case 6:
        encrypt(s);
        break;
    default:
        premaster(s);
    }
}

/* The same key of the other provider. */
static EVP_PKEY *imported(EVP_PKEY *pkey, const char *query)
{
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, EVP_PKEY_get0_type_name(pkey), query);
    OSSL_PARAM *params = NULL;
    EVP_PKEY *other = NULL;

    CHECK(ctx != NULL);
    CHECK(EVP_PKEY_todata(pkey, EVP_PKEY_KEYPAIR, &params) == 1);
    CHECK(EVP_PKEY_fromdata_init(ctx) == 1);
    CHECK(EVP_PKEY_fromdata(ctx, &other, EVP_PKEY_KEYPAIR, params) == 1);
    OSSL_PARAM_free(params);
    EVP_PKEY_CTX_free(ctx);
    return other;
}

static void add_key(enum family family, const char *name, const char *algorithm, const OSSL_PARAM *params)
{
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, algorithm, queries[0]);
    EVP_PKEY_CTX *other = EVP_PKEY_CTX_new_from_name(NULL, algorithm, queries[1]);
    struct key *key = &keys[count_of_keys];
    int both = ctx != NULL && other != NULL;

    EVP_PKEY_CTX_free(other);
    if (!both) {
        printf("no keys: %s\n", name);
        EVP_PKEY_CTX_free(ctx);
        ERR_clear_error();
        return;
    }
    CHECK(count_of_keys < KINDS);
    count_of_keys++;
    *key = (struct key){ .family = family, .name = name };
    CHECK(EVP_PKEY_keygen_init(ctx) == 1);
    CHECK(params == NULL || EVP_PKEY_CTX_set_params(ctx, params) == 1);
    CHECK(EVP_PKEY_generate(ctx, &key->pkey[0]) == 1);
    key->pkey[1] = imported(key->pkey[0], queries[1]);
    EVP_PKEY_CTX_free(ctx);
}

static void add_rsa(enum family family, const char *name, size_t bits, const char *md, const char *mgf1, int salt)
{
    OSSL_PARAM params[5], *at = params;

    *at++ = OSSL_PARAM_construct_size_t(OSSL_PKEY_PARAM_RSA_BITS, &bits);
    if (md != NULL) {
        *at++ = OSSL_PARAM_construct_utf8_string(OSSL_PKEY_PARAM_RSA_DIGEST, (char *)md, 0);
        *at++ = OSSL_PARAM_construct_utf8_string(OSSL_PKEY_PARAM_RSA_MGF1_DIGEST, (char *)mgf1, 0);
        *at++ = OSSL_PARAM_construct_int(OSSL_PKEY_PARAM_RSA_PSS_SALTLEN, &salt);
    }
    *at = OSSL_PARAM_construct_end();
    add_key(family, name, family == PSS_KEY ? "RSA-PSS" : "RSA", params);
}

static void add_ec(const char *group)
{
    OSSL_PARAM params[] = { OSSL_PARAM_construct_utf8_string(OSSL_PKEY_PARAM_GROUP_NAME, (char *)group, 0),
                            OSSL_PARAM_construct_end() };

    add_key(EC_KEY_, group, "EC", params);
}

static void make_keys(void)
{
    add_rsa(RSA_KEY, "RSA-1024", 1024, NULL, NULL, 0);
    add_rsa(RSA_KEY, "RSA-1025", 1025, NULL, NULL, 0);
    add_rsa(RSA_KEY, "RSA-1031", 1031, NULL, NULL, 0);
    add_rsa(RSA_KEY, "RSA-2048", 2048, NULL, NULL, 0);
    add_rsa(PSS_KEY, "RSA-PSS", 1024, NULL, NULL, 0);
    add_rsa(PSS_KEY, "RSA-PSS for SHA-256", 1024, "SHA2-256", "SHA2-256", 32);
    add_rsa(PSS_KEY, "RSA-PSS for SHA-1 and SHA-512", 1040, "SHA2-512", "SHA1", 10);
    add_ec("P-256");
    add_ec("P-384");
    add_ec("P-521");
    add_ec("secp256k1");
    add_key(ED_KEY, "ED25519", "ED25519", NULL);
    add_key(ML_DSA_KEY, "ML-DSA-44", "ML-DSA-44", NULL);
    add_key(ML_DSA_KEY, "ML-DSA-65", "ML-DSA-65", NULL);
}

int main(int argc, char **argv)
{
    uint64_t first = argc > 1 ? strtoull(argv[1], NULL, 10) : 0;
    uint64_t count = argc > 2 ? strtoull(argv[2], NULL, 10) : 1000;

    CHECK(ASYNC_is_capable());
    rejects_implicitly = OpenSSL_version_num() >= 0x30200000;
    load(argc > 4 ? argv[3] : NULL, argc > 4 ? argv[4] : NULL);
    make_keys();
    run_outside(run, first, count);
    run_in_jobs(run, first, count, 8);
    printf("sequences %lu pauses %lu resumes %lu\n", finished, pauses, resumes);
    for (unsigned which = 0; which < count_of_keys; which++)
        for (int i = 0; i < 2; i++)
            EVP_PKEY_free(keys[which].pkey[i]);
    return 0;
}
