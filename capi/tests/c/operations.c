/*
 * What an operation checks before it begins, and where it reads and writes: wrong lengths are reported with what is
 * allowed, room for the output is checked first, and input and output may overlap in any way.
 */
#include "check.h"

#include <stdint.h>

/* The halves of an XTS key must differ. */
static const unsigned char key[64] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10}, iv[32] = {7};

static simaccel_session *session_of(simaccel_engine *engine, const char *algorithm, size_t len, const char *options)
{
    simaccel_session *session = NULL;

    OK(simaccel_session_new(engine, algorithm, key, len, options, &session));
    return session;
}

#define ARGUMENT(words, call) FAILS(SIMACCEL_ERR_ARGUMENT, words, call)
#define TOO_SMALL(words, call) FAILS(SIMACCEL_ERR_OUTPUT_TOO_SMALL, words, call)

static void lengths(simaccel_engine *engine)
{
    simaccel_session *ctr = session_of(engine, "aes-256-ctr", 32, NULL);
    simaccel_session *ecb = session_of(engine, "aes-128-ecb", 16, NULL);
    simaccel_session *bare = session_of(engine, "aes-192-cbc", 24, "padding=none");
    simaccel_session *xts = session_of(engine, "aes-128-xts", 32, NULL);
    simaccel_session *gcm = session_of(engine, "aes-128-gcm", 16, "tag_len=12");
    simaccel_session *hmac = session_of(engine, "hmac-sha256", 5, NULL), *none = NULL;
    simaccel_stream *stream = (simaccel_stream *)&stream;
    unsigned char out[128] = {0}, tag[80] = {0};
    size_t len;

    ARGUMENT("iv_len is 15: aes-256-ctr takes 16 bytes", simaccel_encrypt(ctr, iv, 15, "a", 1, out, 99, &len));
    ARGUMENT("iv_len is 17: aes-256-ctr takes 16 bytes", simaccel_decrypt(ctr, iv, 17, "a", 1, out, 99, &len));
    ARGUMENT("iv_len is 16: aes-128-ecb takes none", simaccel_encrypt(ecb, iv, 16, "a", 1, out, 99, &len));
    ARGUMENT("in_len is 5: aes-192-cbc takes whole blocks of 16 bytes without padding",
             simaccel_encrypt(bare, iv, 16, "hello", 5, out, 99, &len));
    ARGUMENT("in_len is 0: aes-128-ecb takes one or more whole blocks of 16 bytes",
             simaccel_decrypt(ecb, NULL, 0, NULL, 0, out, 99, &len));
    ARGUMENT("in_len is 15: aes-128-xts takes 16 to 16777216 bytes", simaccel_encrypt(xts, iv, 16, out, 15, out, 99, &len));
    ARGUMENT("nonce_len is 0: aes-128-gcm takes 1 byte or more",
             simaccel_seal(gcm, NULL, 0, NULL, 0, "a", 1, out, 99, &len, tag, 16, &len));
    ARGUMENT("nonce_len is 0", simaccel_open(gcm, NULL, 0, NULL, 0, "a", 1, tag, 12, out, 99, &len));
    ARGUMENT("in_len is 68719476705: aes-128-gcm takes at most 68719476704 bytes",
             simaccel_seal(gcm, iv, 12, NULL, 0, "a", ((size_t)1 << 36) - 31, out, SIZE_MAX / 2, &len, tag, 16, &len));
    ARGUMENT("tag_len is 16: the session's tags have 12 bytes",
             simaccel_open(gcm, iv, 12, NULL, 0, "a", 1, tag, 16, out, 99, &len));
    ARGUMENT("expected_len is 3: hmac-sha256 takes 4 bytes or more", simaccel_hmac_verify(hmac, "a", 1, tag, 3));
    ARGUMENT("expected_len is 33: the session's MACs have 32 bytes", simaccel_hmac_verify(hmac, "a", 1, tag, 33));
    ARGUMENT("expected_len is 3000", simaccel_hmac_verify(hmac, "a", 1, tag, 3000));
    ARGUMENT("in is NULL, and in_len is 1", simaccel_hmac(hmac, NULL, 1, out, 99, &len));
    ARGUMENT("aad is NULL, and aad_len is 2", simaccel_seal(gcm, iv, 12, NULL, 2, "a", 1, out, 99, &len, tag, 16, &len));
    ARGUMENT("in_len is 18446744073709551615: no memory is that large",
             simaccel_hmac(hmac, "a", SIZE_MAX, out, 99, &len));

    FAILS(SIMACCEL_ERR_SESSION, "aes-256-ctr takes a key of 32 bytes, not 16",
          simaccel_session_new(engine, "aes-256-ctr", key, 16, NULL, &none));
    FAILS(SIMACCEL_ERR_SESSION, "key_len is 3: sha256 takes no key",
          simaccel_session_new(engine, "sha256", key, 3, NULL, &none));
    ARGUMENT("key is NULL, and key_len is 32", simaccel_session_new(engine, "aes-256-ctr", NULL, 32, NULL, &none));
    CHECK(none == NULL);

    /* A stream is refused at its creation, not at its first part. */
    ARGUMENT("iv_len is 3: aes-256-ctr takes 16 bytes",
             simaccel_stream_new(ctr, SIMACCEL_ENCRYPT, iv, 3, NULL, 0, &stream));
    CHECK(stream == NULL);
    ARGUMENT("iv_len is 0: aes-128-gcm takes 1 byte or more",
             simaccel_stream_new(gcm, SIMACCEL_DECRYPT, NULL, 0, NULL, 0, &stream));
    ARGUMENT("iv_len is 1: hmac-sha256 takes none", simaccel_stream_new(hmac, 0, iv, 1, NULL, 0, &stream));
    ARGUMENT("aad_len is 4: only AEADs", simaccel_stream_new(ctr, SIMACCEL_ENCRYPT, iv, 16, iv, 4, &stream));
    ARGUMENT("direction is 2", simaccel_stream_new(ctr, 2, iv, 16, NULL, 0, &stream));
    OK(simaccel_stream_new(bare, SIMACCEL_ENCRYPT, iv, 16, NULL, 0, &stream));
    OK(simaccel_stream_update(stream, "hello", 5, out, sizeof out, &len));
    ARGUMENT("message of 5 bytes: aes-192-cbc takes whole blocks of 16 bytes without padding",
             simaccel_stream_finish(stream, out, sizeof out, &len));
    FAILS(SIMACCEL_ERR_STREAM, "an earlier part of this stream failed",
          simaccel_stream_finish(stream, out, sizeof out, &len));
    simaccel_stream_free(stream);
    OK(simaccel_stream_new(gcm, SIMACCEL_DECRYPT, iv, 12, NULL, 0, &stream));
    ARGUMENT("tag_len is 16: the session's tags have 12 bytes", simaccel_stream_finish_open(stream, tag, 16));
    FAILS(SIMACCEL_ERR_AUTH_FAILED, "", simaccel_stream_finish_open(stream, tag, 12));
    simaccel_stream_free(stream);

    simaccel_session_free(ctr);
    simaccel_session_free(ecb);
    simaccel_session_free(bare);
    simaccel_session_free(xts);
    simaccel_session_free(gcm);
    simaccel_session_free(hmac);
}

/* A finished stream of any kind reports that, every time. */
static void finished(simaccel_engine *engine)
{
    static const struct {
        const char *algorithm;
        size_t key_len, iv_len;
    } kinds[] = {{"aes-256-cbc", 32, 16}, {"sha256", 0, 0}, {"hmac-sha512", 9, 0}, {"aes-256-gcm", 32, 12}};
    unsigned char out[128];
    size_t i, len;

    for (i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        simaccel_session *session = session_of(engine, kinds[i].algorithm, kinds[i].key_len, NULL);
        simaccel_stream *stream;
        int aead = i == 3, again;

        OK(simaccel_stream_new(session, SIMACCEL_ENCRYPT, iv, kinds[i].iv_len, NULL, 0, &stream));
        OK(simaccel_stream_update(stream, "hello", 5, out, sizeof out, &len));
        OK(aead ? simaccel_stream_finish_seal(stream, out, 16, &len) : simaccel_stream_finish(stream, out, sizeof out, &len));
        for (again = 0; again < 2; again++) {
            FAILS(SIMACCEL_ERR_STREAM, "is finished", simaccel_stream_update(stream, "a", 1, out, sizeof out, &len));
            FAILS(SIMACCEL_ERR_STREAM, "is finished",
                  aead ? simaccel_stream_finish_seal(stream, out, 16, &len)
                       : simaccel_stream_finish(stream, out, sizeof out, &len));
        }
        simaccel_stream_free(stream);
        simaccel_session_free(session);
    }
}

static long submitted(simaccel_engine *engine)
{
    char json[32768];
    const char *at;

    OK(simaccel_stats_json(engine, json, sizeof json, NULL));
    at = strstr(json, "\"submitted\":");
    CHECK(at != NULL);
    return strtol(at + strlen("\"submitted\":"), NULL, 10);
}

/* Too little room is reported with enough room, nothing is submitted, and neither output of a call is written. */
static void room(simaccel_engine *engine)
{
    simaccel_session *cbc = session_of(engine, "aes-128-cbc", 16, NULL);
    simaccel_session *ctr = session_of(engine, "aes-256-ctr", 32, NULL);
    simaccel_session *gcm = session_of(engine, "aes-128-gcm", 16, NULL);
    simaccel_session *sha = session_of(engine, "sha384", 0, NULL);
    simaccel_session *hmac = session_of(engine, "hmac-sha224", 5, NULL);
    simaccel_stream *stream;
    unsigned char text[48], out[64], tag[16], untouched[64];
    size_t len = 0, tag_len = 0;
    long before;

    memset(text, 3, sizeof text);
    memset(out, 9, sizeof out);
    memset(untouched, 9, sizeof untouched);
    memset(tag, 9, sizeof tag);
    OK(simaccel_stream_new(cbc, SIMACCEL_ENCRYPT, iv, 16, NULL, 0, &stream));
    before = submitted(engine);
    TOO_SMALL("out_size is 47: the output needs 48 bytes", simaccel_encrypt(cbc, iv, 16, text, 40, out, 47, &len));
    CHECK(len == 48);
    TOO_SMALL("out is NULL: the output needs 40 bytes", simaccel_decrypt(ctr, iv, 16, text, 40, NULL, 99, &len));
    CHECK(len == 40);
    TOO_SMALL("out_size is 31: the output needs 32 to 47 bytes", simaccel_decrypt(cbc, iv, 16, text, 48, out, 31, &len));
    CHECK(len == 47);
    TOO_SMALL("out_size is 39", simaccel_seal(gcm, iv, 12, NULL, 0, text, 40, out, 39, &len, tag, 16, &tag_len));
    CHECK(len == 40);
    TOO_SMALL("tag_size is 15: the output needs 16 bytes",
              simaccel_seal(gcm, iv, 12, NULL, 0, text, 40, out, 40, &len, tag, 15, &tag_len));
    CHECK(tag_len == 16);
    TOO_SMALL("out_size is 39", simaccel_open(gcm, iv, 12, NULL, 0, text, 40, tag, 16, out, 39, &len));
    TOO_SMALL("out_size is 47", simaccel_digest(sha, text, 40, out, 47, &len));
    CHECK(len == 48);
    TOO_SMALL("out_size is 27", simaccel_hmac(hmac, text, 40, out, 27, &len));
    CHECK(len == 28);
    TOO_SMALL("out_size is 71: the output needs 72 bytes", simaccel_stream_update(stream, text, 40, out, 71, &len));
    CHECK(len == 72);
    TOO_SMALL("out_size is 31", simaccel_stream_finish(stream, out, 31, &len));
    CHECK(len == SIMACCEL_STREAM_OVERHEAD);
    CHECK(submitted(engine) == before);
    CHECK(memcmp(out, untouched, sizeof out) == 0 && memcmp(tag, untouched, sizeof tag) == 0);

    /* Where padding is removed, too little room may show only at the end. */
    OK(simaccel_encrypt(cbc, iv, 16, text, 40, text, 48, &len));
    TOO_SMALL("out_size is 39: the output needs 40 bytes", simaccel_decrypt(cbc, iv, 16, text, 48, out, 39, &len));
    CHECK(len == 40 && memcmp(out, untouched, sizeof out) == 0);
    OK(simaccel_decrypt(cbc, iv, 16, text, 48, out, len, &len));
    CHECK(len == 40 && out[39] == 3 && out[40] == 9);
    simaccel_stream_free(stream);
    simaccel_session_free(cbc);
    simaccel_session_free(ctr);
    simaccel_session_free(gcm);
    simaccel_session_free(sha);
    simaccel_session_free(hmac);
}

/* Every distance between input and output, including in place; also a nonce and a tag that the output overwrites. */
static void overlaps(simaccel_engine *engine)
{
    enum { LEN = 48, MOST = 2 * LEN };
    simaccel_session *ctr = session_of(engine, "aes-256-ctr", 32, NULL);
    simaccel_session *cbc = session_of(engine, "aes-256-cbc", 32, "padding=none");
    simaccel_session *gcm = session_of(engine, "aes-256-gcm", 32, NULL);
    unsigned char text[LEN], ciphered[3][LEN], tag[16], memory[3 * LEN + 32];
    size_t i, at, len, tag_len;

    for (i = 0; i < LEN; i++)
        text[i] = (unsigned char)(i * 7);
    OK(simaccel_encrypt(ctr, iv, 16, text, LEN, ciphered[0], LEN, NULL));
    OK(simaccel_encrypt(cbc, iv, 16, text, LEN, ciphered[1], LEN, NULL));
    OK(simaccel_seal(gcm, iv, 12, iv, 9, text, LEN, ciphered[2], LEN, NULL, tag, 16, NULL));
    for (at = 0; at <= MOST; at++) {
        unsigned char *in = memory + LEN, *out = memory + at;

        memcpy(in, text, LEN);
        OK(simaccel_encrypt(ctr, iv, 16, in, LEN, out, LEN, &len));
        CHECK(len == LEN && memcmp(out, ciphered[0], LEN) == 0);
        memcpy(in, ciphered[1], LEN);
        OK(simaccel_decrypt(cbc, iv, 16, in, LEN, out, LEN, &len));
        CHECK(len == LEN && memcmp(out, text, LEN) == 0);
        /* The output overwrites the initialisation vector. */
        memcpy(in, text, LEN);
        if (at + 16 <= LEN || at == MOST) {
            memcpy(out, iv, 16);
            OK(simaccel_encrypt(cbc, out, 16, in, LEN, out, LEN, &len));
            CHECK(len == LEN && memcmp(out, ciphered[1], LEN) == 0);
        }
        memcpy(in, text, LEN);
        OK(simaccel_seal(gcm, iv, 12, iv, 9, in, LEN, out, LEN, &len, memory + 3 * LEN, 16, &tag_len));
        CHECK(memcmp(out, ciphered[2], LEN) == 0 && memcmp(memory + 3 * LEN, tag, 16) == 0);
        memcpy(in, ciphered[2], LEN);
        OK(simaccel_open(gcm, iv, 12, iv, 9, in, LEN, memory + 3 * LEN, 16, out, LEN, &len));
        CHECK(memcmp(out, text, LEN) == 0);
    }
    /* Everything at one place: nonce, additional data, tag, text. */
    memcpy(memory, ciphered[2], LEN);
    OK(simaccel_seal(gcm, memory, 12, memory, 20, memory, LEN, memory, LEN, NULL, memory + LEN, 16, NULL));
    memcpy(memory + LEN + 16, ciphered[2], 20);
    OK(simaccel_open(gcm, memory + LEN + 16, 12, memory + LEN + 16, 20, memory, LEN, memory + LEN, 16, memory + LEN, LEN, NULL));
    CHECK(memcmp(memory + LEN, ciphered[2], LEN) == 0);
    /* A digest that overwrites its own message. */
    {
        simaccel_session *sha = session_of(engine, "sha256", 0, NULL);
        unsigned char apart[32];

        OK(simaccel_digest(sha, text, LEN, apart, 32, NULL));
        OK(simaccel_digest(sha, text, LEN, text + 8, 32, NULL));
        CHECK(memcmp(text + 8, apart, 32) == 0);
        simaccel_session_free(sha);
    }
    simaccel_session_free(ctr);
    simaccel_session_free(cbc);
    simaccel_session_free(gcm);
}

struct work {
    int which;
    simaccel_session *ctr, *gcm, *sha, *hmac;
};

/* A request that waits for the device owns copies of everything. */
static int begins(void *arg)
{
    const struct work *work = (const struct work *)arg;
    unsigned char out[300], tag[16], long_nonce[100] = {1};

    switch (work->which) {
    case 0:
        return simaccel_encrypt(work->ctr, iv, 16, long_nonce, 100, out, 300, NULL);
    case 1:
        return simaccel_seal(work->gcm, long_nonce, 100, long_nonce, 90, long_nonce, 80, out, 300, NULL, tag, 16, NULL);
    case 2:
        return simaccel_open(work->gcm, long_nonce, 100, long_nonce, 90, long_nonce, 80, iv, 16, out, 300, NULL);
    case 3:
        return simaccel_digest(work->sha, long_nonce, 100, out, 300, NULL);
    default:
        return simaccel_hmac_verify(work->hmac, long_nonce, 100, long_nonce, 20);
    }
}

/* Jobs that are discarded in an operation leave nothing behind; valgrind checks. */
static void discarded(simaccel_engine *engine)
{
    struct work work = {0, session_of(engine, "aes-256-ctr", 32, NULL), session_of(engine, "aes-256-gcm", 32, NULL),
                        session_of(engine, "sha256", 0, NULL), session_of(engine, "hmac-sha256", 9, NULL)};
    ASYNC_WAIT_CTX *ctx = ASYNC_WAIT_CTX_new();
    int ret;

    for (work.which = 0; work.which < 5; work.which++) {
        ASYNC_JOB *job = NULL;

        CHECK(ASYNC_start_job(&job, ctx, &ret, begins, &work, sizeof work) == ASYNC_PAUSE);
    }
    simaccel_session_free(work.ctr);
    simaccel_session_free(work.gcm);
    simaccel_session_free(work.sha);
    simaccel_session_free(work.hmac);
    ASYNC_WAIT_CTX_free(ctx);
}

static void on(simaccel_result (*open)(const char *, simaccel_engine **), const char *config, int pauses)
{
    simaccel_engine *engine = NULL;

    OK(open(config, &engine));
    lengths(engine);
    finished(engine);
    room(engine);
    overlaps(engine);
    if (pauses)
        discarded(engine);
    simaccel_engine_free(engine);
}

int main(void)
{
    on(simaccel_engine_open, NULL, 1);
    on(simaccel_engine_open_stepped, "completion_nsec=1000", 1);
    on(simaccel_engine_open_stepped, "delivery=poll", 1);
    on(simaccel_engine_open_stepped, "offload_threshold=4294967295", 0);
    printf("ok\n");
    return 0;
}
