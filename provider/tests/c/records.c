/*
 * TLS records as libssl has them made and opened: AES-GCM with tlsaad and tlsivfixed, AES-CBC with tls-version and
 * tls-mac-size. Two contexts, one of the default provider and one of the provider under test, have to agree.
 *
 *   records FIRST COUNT [FOLDER PROVIDER]     without a provider: the default provider against itself
 */
#include "sequences.h"

enum { RECORDS = 8, EXPLICIT = 8, TAG = 16, FIXED = 4, AAD = 13, BLOCK = 16, MOST = 16384 };

static const char *const gcm_names[] = { "AES-128-GCM", "AES-192-GCM", "AES-256-GCM" };
static const char *const cbc_names[] = { "AES-128-CBC", "AES-192-CBC", "AES-256-CBC" };
static EVP_CIPHER *gcm[3][2], *cbc[3][2];

static size_t record_length(struct sequence *s)
{
    return chance(s, 20) ? below(s, MOST + 1) : below(s, 600);
}

static void header(struct sequence *s, unsigned char *aad, size_t len)
{
    fill(s, aad, AAD);
    aad[AAD - 2] = (unsigned char)(len >> 8);
    aad[AAD - 1] = (unsigned char)len;
}

/* Parameters that libssl sets for every cipher, and that an AEAD ignores. */
static void announce(struct sequence *s, EVP_CIPHER_CTX **ctx, unsigned version, size_t mac_size)
{
    OSSL_PARAM params[] = { OSSL_PARAM_construct_uint(OSSL_CIPHER_PARAM_TLS_VERSION, &version),
                            OSSL_PARAM_construct_size_t(OSSL_CIPHER_PARAM_TLS_MAC_SIZE, &mac_size),
                            OSSL_PARAM_construct_end() };

    note(s, "tls-version %x, tls-mac-size %zu\n", version, mac_size);
    BOTH(s, "set_params", EVP_CIPHER_CTX_set_params(ctx[i], params));
}

/* Seals text in place: room for the explicit IV before it and for the tag after it. */
static size_t seal_gcm(EVP_CIPHER_CTX *by, unsigned char *record, size_t len, const unsigned char *aad)
{
    unsigned char copy[AAD];
    int out_len;

    memcpy(copy, aad, AAD);
    copy[AAD - 2] = (unsigned char)((len + EXPLICIT) >> 8);
    copy[AAD - 1] = (unsigned char)(len + EXPLICIT);
    CHECK(EVP_CIPHER_CTX_ctrl(by, EVP_CTRL_AEAD_TLS1_AAD, AAD, copy) == TAG);
    CHECK(EVP_CipherUpdate(by, record, &out_len, record, (int)(EXPLICIT + len + TAG)) == 1);
    CHECK(out_len == (int)(EXPLICIT + len + TAG));
    return EXPLICIT + len + TAG;
}

static void one_gcm_record(struct sequence *s, EVP_CIPHER_CTX **ctx, EVP_CIPHER_CTX *maker, int encrypt)
{
    size_t len = record_length(s), whole = EXPLICIT + len + TAG;
    int damage = encrypt ? 0 : chance(s, 15) ? 1 + (int)below(s, 3) : 0;
    unsigned char aad[AAD];
    int out_len[2] = { -1, -1 }, ok, aad_len = AAD;

    header(s, aad, len + EXPLICIT + (encrypt ? 0 : TAG));
    fill(s, s->in, whole + BLOCK);
    if (maker != NULL) {
        unsigned char sealed[AAD];

        memcpy(sealed, aad, AAD);
        seal_gcm(maker, s->in, len, sealed);
    }
    if (damage == 1)
        s->in[below(s, (unsigned)whole)] ^= 1;
    if (damage == 2)
        aad[below(s, AAD - 2)] ^= 1;
    if (chance(s, 4))
        whole = below(s, EXPLICIT + TAG + 4);
    if (chance(s, 3))
        aad_len = (int)below(s, 16);
    if (chance(s, 3))
        aad[AAD - 2] = 0, aad[AAD - 1] = (unsigned char)below(s, 30);
    note(s, "%s a record of %zu (text %zu, damage %d)\n", encrypt ? "seal" : "open", whole, len, damage);
    ok = BOTH(s, "tlsaad", EVP_CIPHER_CTX_ctrl(ctx[i], EVP_CTRL_AEAD_TLS1_AAD, aad_len, aad));
    if (ok <= 0)
        return;
    memcpy(s->out[0], s->in, whole + BLOCK);
    memcpy(s->out[1], s->in, whole + BLOCK);
    ok = BOTH(s, "record", EVP_CipherUpdate(ctx[i], s->out[i], &out_len[i],
                                            damage == 3 && s->seed % 4 == 0 ? s->in : s->out[i], (int)whole));
    same(s, "length of the record", out_len[0], out_len[1]);
    same_bytes(s, "record", s->out[0], s->out[1], whole + BLOCK);
    if (chance(s, 10))
        BOTH(s, "a record without tlsaad",
             EVP_CipherUpdate(ctx[i], s->out[i], &out_len[i], s->out[i], ok > 0 ? 40 : 0));
}

/* The IV's invocation field asked for and set by hand, as DTLS and old applications do. */
static void by_hand(struct sequence *s, EVP_CIPHER_CTX **ctx, int encrypt)
{
    unsigned char iv[2][16];
    int len = chance(s, 70) ? 8 : (int)below(s, 13) - 1;

    memset(iv, 0, sizeof(iv));
    if (encrypt || chance(s, 20)) {
        note(s, "tlsivgen %d\n", len);
        BOTH(s, "tlsivgen", EVP_CIPHER_CTX_ctrl(ctx[i], EVP_CTRL_GCM_IV_GEN, len, iv[i]));
        same_bytes(s, "generated iv", iv[0], iv[1], sizeof(iv[0]));
    } else {
        fill(s, iv[0], sizeof(iv[0]));
        note(s, "tlsivinv %d\n", len);
        BOTH(s, "tlsivinv", EVP_CIPHER_CTX_ctrl(ctx[i], EVP_CTRL_GCM_SET_IV_INV, len, iv[0]));
    }
}

static void run_gcm(struct sequence *s)
{
    unsigned which = below(s, 3);
    int encrypt = (int)below(s, 2), keyed = !chance(s, 4);
    EVP_CIPHER_CTX *ctx[2] = { EVP_CIPHER_CTX_new(), EVP_CIPHER_CTX_new() }, *maker = EVP_CIPHER_CTX_new();
    unsigned char key[32], iv[12];

    fill(s, key, sizeof(key));
    fill(s, iv, sizeof(iv));
    note(s, "%s encrypt %d%s\n", gcm_names[which], encrypt, keyed ? "" : " without key");
    BOTH(s, "init", EVP_CipherInit_ex(ctx[i], gcm[which][i], NULL, keyed ? key : NULL, NULL, encrypt));
    if (chance(s, 90)) {
        /* An encrypting context fills the rest with random bytes; -1 sets the whole IV. */
        note(s, "tlsivfixed\n");
        BOTH(s, "tlsivfixed", EVP_CIPHER_CTX_ctrl(ctx[i], EVP_CTRL_AEAD_SET_IV_FIXED, encrypt ? -1 : FIXED, iv));
    }
    CHECK(EVP_CipherInit_ex(maker, gcm[which][s->seed % 2], NULL, key, NULL, 1) == 1);
    CHECK(EVP_CIPHER_CTX_ctrl(maker, EVP_CTRL_AEAD_SET_IV_FIXED, FIXED, iv) == 1);
    announce(s, ctx, 0x0303, below(s, 2) * 20);
    for (unsigned left = 1 + below(s, RECORDS); left > 0; left--) {
        if (chance(s, 8))
            by_hand(s, ctx, encrypt);
        else
            one_gcm_record(s, ctx, encrypt ? NULL : maker, encrypt);
        if (chance(s, 10) && !encrypt) {
            int len = (int)below(s, 13);

            note(s, "tlsivfixed %d\n", len);
            BOTH(s, "tlsivfixed", EVP_CIPHER_CTX_ctrl(ctx[i], EVP_CTRL_AEAD_SET_IV_FIXED, len, iv));
        }
    }
    EVP_CIPHER_CTX_free(ctx[0]);
    EVP_CIPHER_CTX_free(ctx[1]);
    EVP_CIPHER_CTX_free(maker);
}

/* What an encrypting context of the one makes up (the IV) is right for the other. */
static void run_gcm_between(struct sequence *s)
{
    unsigned which = below(s, 3), sealer = below(s, 2);
    EVP_CIPHER_CTX *seals = EVP_CIPHER_CTX_new(), *opens = EVP_CIPHER_CTX_new();
    unsigned char key[32], iv[FIXED], aad[AAD];

    fill(s, key, sizeof(key));
    fill(s, iv, sizeof(iv));
    note(s, "%s sealed by %s\n", gcm_names[which], queries[sealer]);
    CHECK(EVP_CipherInit_ex(seals, gcm[which][sealer], NULL, key, NULL, 1) == 1);
    CHECK(EVP_CipherInit_ex(opens, gcm[which][1 - sealer], NULL, key, NULL, 0) == 1);
    CHECK(EVP_CIPHER_CTX_ctrl(seals, EVP_CTRL_AEAD_SET_IV_FIXED, FIXED, iv) == 1);
    CHECK(EVP_CIPHER_CTX_ctrl(opens, EVP_CTRL_AEAD_SET_IV_FIXED, FIXED, iv) == 1);
    for (unsigned left = 1 + below(s, RECORDS); left > 0; left--) {
        size_t len = record_length(s), whole;
        int out_len;

        fill(s, s->in, EXPLICIT + len + TAG);
        memcpy(s->out[0], s->in, EXPLICIT + len + TAG);
        header(s, aad, len + EXPLICIT + TAG);
        whole = seal_gcm(seals, s->out[0], len, aad);
        same(s, "tlsaad", TAG, EVP_CIPHER_CTX_ctrl(opens, EVP_CTRL_AEAD_TLS1_AAD, AAD, aad));
        same(s, "opening", 1, EVP_CipherUpdate(opens, s->out[0], &out_len, s->out[0], (int)whole));
        same(s, "length", (long)len, out_len);
        same_bytes(s, "text", s->in + EXPLICIT, s->out[0] + EXPLICIT, len);
    }
    EVP_CIPHER_CTX_free(seals);
    EVP_CIPHER_CTX_free(opens);
}

/* A padded text, encrypted with plain CBC: explicit IV, text, MAC, padding. Returns its length. */
static size_t make_cbc(struct sequence *s, EVP_CIPHER_CTX *plain, size_t text, int damage, int *padding)
{
    size_t len = text, whole, pad;
    int out_len;

    pad = BLOCK - len % BLOCK;
    if (chance(s, 30))
        pad += BLOCK * (size_t)below(s, 15);
    fill(s, s->in, len + pad);
    memset(s->in + len, (int)pad - 1, pad);
    whole = len + pad;
    if (damage == 1)
        s->in[whole - 1 - below(s, (unsigned)pad)] ^= (unsigned char)(1 + below(s, 255));
    if (damage == 2)
        s->in[whole - 1] = (unsigned char)below(s, 256);
    *padding = s->in[whole - 1];
    CHECK(EVP_CipherUpdate(plain, s->in, &out_len, s->in, (int)whole) == 1 && out_len == (int)whole);
    return whole;
}

static void compare_mac(struct sequence *s, EVP_CIPHER_CTX **ctx, size_t mac_size, int known)
{
    void *mac[2] = { NULL, NULL };
    OSSL_PARAM params[2][2];

    for (int i = 0; i < 2; i++) {
        params[i][0] = OSSL_PARAM_construct_octet_ptr(OSSL_CIPHER_PARAM_TLS_MAC, &mac[i], mac_size);
        params[i][1] = OSSL_PARAM_construct_end();
    }
    note(s, "tls-mac\n");
    BOTH(s, "get tls-mac", EVP_CIPHER_CTX_get_params(ctx[i], params[i]));
    same(s, "size of the mac", (long)params[0][0].return_size, (long)params[1][0].return_size);
    same(s, "having a mac", mac[0] != NULL, mac[1] != NULL);
    if (known && mac[0] != NULL)
        same_bytes(s, "mac", mac[0], mac[1], mac_size);
}

static void one_cbc_record(struct sequence *s, EVP_CIPHER_CTX **ctx, EVP_CIPHER_CTX *plain, int encrypt,
                           unsigned version, size_t mac_size)
{
    size_t least = (version >= 0x0302 ? BLOCK : 0) + mac_size, len = least + record_length(s), whole = len;
    int damage = encrypt ? 0 : chance(s, 25) ? 1 + (int)below(s, 2) : 0;
    int out_len[2] = { -1, -1 }, ok, padding = 0, elsewhere = chance(s, 3);

    if (encrypt) {
        fill(s, s->in, len + 2 * BLOCK);
    } else {
        if (chance(s, 5))
            len = below(s, (unsigned)least + 20);
        whole = make_cbc(s, plain, len, damage, &padding);
        fill(s, s->in + whole, 2 * BLOCK);
        if (chance(s, 3))
            whole -= below(s, BLOCK);
    }
    memcpy(s->out[0], s->in, whole + 2 * BLOCK);
    memcpy(s->out[1], s->in, whole + 2 * BLOCK);
    note(s, "%s a record of %zu (text %zu, damage %d, padding %d)%s\n", encrypt ? "seal" : "open", whole, len, damage,
         padding, elsewhere ? " elsewhere" : "");
    ok = BOTH(s, "record",
              EVP_CipherUpdate(ctx[i], s->out[i], &out_len[i], elsewhere ? s->in : s->out[i], (int)whole));
    /* Wrong padding shows in the MAC alone, which is then random; the length is that of the whole record. */
    same(s, "length of the record", out_len[0], out_len[1]);
    if (ok > 0)
        same_bytes(s, "record", s->out[0], s->out[1], encrypt ? (size_t)out_len[0] : whole);
    if (ok > 0 && !encrypt && mac_size > 0)
        compare_mac(s, ctx, mac_size, damage == 0 && len >= least && (version != 0x0300 || padding < BLOCK));
}

static void run_cbc(struct sequence *s)
{
    static const unsigned versions[] = { 0x0303, 0x0303, 0x0303, 0x0302, 0x0301, 0xfefd, 0xfeff, 0x0300, 0x0304 };
    static const size_t mac_sizes[] = { 0, 0, 20, 32, 48 };
    unsigned which = below(s, 3), version = versions[below(s, sizeof(versions) / sizeof(*versions))];
    int encrypt = (int)below(s, 2);
    size_t mac_size = encrypt ? 0 : mac_sizes[below(s, sizeof(mac_sizes) / sizeof(*mac_sizes))];
    EVP_CIPHER_CTX *ctx[2] = { EVP_CIPHER_CTX_new(), EVP_CIPHER_CTX_new() }, *plain = EVP_CIPHER_CTX_new();
    unsigned char key[32], iv[16];
    int out_len[2];

    fill(s, key, sizeof(key));
    fill(s, iv, sizeof(iv));
    note(s, "%s encrypt %d\n", cbc_names[which], encrypt);
    BOTH(s, "init", EVP_CipherInit_ex(ctx[i], cbc[which][i], NULL, key, iv, encrypt));
    CHECK(EVP_CipherInit_ex(plain, cbc[which][s->seed % 2], NULL, key, iv, 1) == 1);
    CHECK(EVP_CIPHER_CTX_set_padding(plain, 0) == 1);
    announce(s, ctx, version, mac_size);
    if (chance(s, 3)) {
        note(s, "no padding\n");
        BOTH(s, "set_padding", EVP_CIPHER_CTX_set_padding(ctx[i], 0));
    }
    for (unsigned left = 1 + below(s, RECORDS); left > 0; left--)
        one_cbc_record(s, ctx, plain, encrypt, version, mac_size);
    note(s, "final\n");
    BOTH(s, "final", EVP_CipherFinal_ex(ctx[i], s->out[i], &out_len[i]));
    EVP_CIPHER_CTX_free(ctx[0]);
    EVP_CIPHER_CTX_free(ctx[1]);
    EVP_CIPHER_CTX_free(plain);
}

static void run(struct sequence *s)
{
    unsigned which = below(s, 5);

    if (which < 2)
        run_gcm(s);
    else if (which < 3)
        run_gcm_between(s);
    else
        run_cbc(s);
}

int main(int argc, char **argv)
{
    uint64_t first = argc > 1 ? strtoull(argv[1], NULL, 10) : 0;
    uint64_t count = argc > 2 ? strtoull(argv[2], NULL, 10) : 10000;

    CHECK(ASYNC_is_capable());
    load(argc > 4 ? argv[3] : NULL, argc > 4 ? argv[4] : NULL);
    for (int which = 0; which < 3; which++)
        for (int i = 0; i < 2; i++) {
            CHECK((gcm[which][i] = EVP_CIPHER_fetch(NULL, gcm_names[which], queries[i])) != NULL);
            CHECK((cbc[which][i] = EVP_CIPHER_fetch(NULL, cbc_names[which], queries[i])) != NULL);
        }
    run_outside(run, first, count);
    run_in_jobs(run, first, count, 8);
    printf("sequences %lu pauses %lu resumes %lu\n", finished, pauses, resumes);
    for (int which = 0; which < 3; which++)
        for (int i = 0; i < 2; i++) {
            EVP_CIPHER_free(gcm[which][i]);
            EVP_CIPHER_free(cbc[which][i]);
        }
    return 0;
}
