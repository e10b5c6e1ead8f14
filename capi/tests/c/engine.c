/*
 * The engine for C: every function, known answers, every error that can be provoked, and jobs that pause, are
 * discarded, and lose their memory and handles while they are paused. Most of it runs on the stepped device, where
 * nothing happens without a call.
 */
#include "check.h"

#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static unsigned char key[64], iv[16];

/* SP 800-38A, F.5.5: AES-256 in CTR, the first block. */
static const char ctr_key[] = "\x60\x3d\xeb\x10\x15\xca\x71\xbe\x2b\x73\xae\xf0\x85\x7d\x77\x81"
                              "\x1f\x35\x2c\x07\x3b\x61\x08\xd7\x2d\x98\x10\xa3\x09\x14\xdf\xf4";
static const char ctr_iv[] = "\xf0\xf1\xf2\xf3\xf4\xf5\xf6\xf7\xf8\xf9\xfa\xfb\xfc\xfd\xfe\xff";
static const char ctr_plain[] = "\x6b\xc1\xbe\xe2\x2e\x40\x9f\x96\xe9\x3d\x7e\x11\x73\x93\x17\x2a";
static const char ctr_cipher[] = "\x60\x1e\xc3\x13\x77\x57\x89\xa5\xb7\xa7\xf5\x04\xbb\xf3\xd2\x28";
/* FIPS 180-4: SHA-256 of "abc". */
static const char sha_abc[] = "\xba\x78\x16\xbf\x8f\x01\xcf\xea\x41\x41\x40\xde\x5d\xae\x22\x23"
                              "\xb0\x03\x61\xa3\x96\x17\x7a\x9c\xb4\x10\xff\x61\xf2\x00\x15\xad";
/* RFC 4231, test case 2: HMAC-SHA-256. */
static const char hmac_text[] = "what do ya want for nothing?";
static const char hmac_mac[] = "\x5b\xdc\xc1\x46\xbf\x60\x75\x4e\x6a\x04\x24\x26\x08\x95\x75\xc7"
                               "\x5a\x00\x3f\x08\x9d\x27\x39\x83\x9d\xec\x58\xb9\x64\xec\x38\x43";
/* The GCM specification, test case 4: AES-128, 60 bytes of text, 20 of additional data. */
static const char gcm_key[] = "\xfe\xff\xe9\x92\x86\x65\x73\x1c\x6d\x6a\x8f\x94\x67\x30\x83\x08";
static const char gcm_nonce[] = "\xca\xfe\xba\xbe\xfa\xce\xdb\xad\xde\xca\xf8\x88";
static const char gcm_aad[] = "\xfe\xed\xfa\xce\xde\xad\xbe\xef\xfe\xed\xfa\xce\xde\xad\xbe\xef\xab\xad\xda\xd2";
static const char gcm_plain[] = "\xd9\x31\x32\x25\xf8\x84\x06\xe5\xa5\x59\x09\xc5\xaf\xf5\x26\x9a"
                                "\x86\xa7\xa9\x53\x15\x34\xf7\xda\x2e\x4c\x30\x3d\x8a\x31\x8a\x72"
                                "\x1c\x3c\x0c\x95\x95\x68\x09\x53\x2f\xcf\x0e\x24\x49\xa6\xb5\x25"
                                "\xb1\x6a\xed\xf5\xaa\x0d\xe6\x57\xba\x63\x7b\x39";
static const char gcm_cipher[] = "\x42\x83\x1e\xc2\x21\x77\x74\x24\x4b\x72\x21\xb7\x84\xd0\xd4\x9c"
                                 "\xe3\xaa\x21\x2f\x2c\x02\xa4\xe0\x35\xc1\x7e\x23\x29\xac\xa1\x2e"
                                 "\x21\xd5\x14\xb2\x54\x66\x93\x1c\x7d\x8f\x6a\x5a\xac\x84\xaa\x05"
                                 "\x1b\xa3\x0b\x39\x6a\x0a\xac\x97\x3d\x58\xe0\x91";
static const char gcm_tag[] = "\x5b\xc9\x4f\xbc\x32\x21\xa5\xdb\x94\xfa\xe9\x5a\xe7\x12\x1a\x47";

static simaccel_engine *open_engine(const char *config, int stepped)
{
    simaccel_engine *engine = NULL;

    OK(stepped ? simaccel_engine_open_stepped(config, &engine) : simaccel_engine_open(config, &engine));
    CHECK(engine != NULL);
    return engine;
}

static simaccel_session *session_of(simaccel_engine *engine, const char *algorithm, const void *with, size_t len,
                                    const char *options)
{
    simaccel_session *session = NULL;

    OK(simaccel_session_new(engine, algorithm, with, len, options, &session));
    CHECK(session != NULL);
    return session;
}

/* One number of the statistics. */
static long stat_of(simaccel_engine *engine, const char *name)
{
    char json[16384], quoted[64];
    const char *at;
    size_t len = 0;

    OK(simaccel_stats_json(engine, json, sizeof json, &len));
    CHECK(strlen(json) == len && json[0] == '{' && json[len - 1] == '}');
    snprintf(quoted, sizeof quoted, "\"%s\":", name);
    at = strstr(json, quoted);
    CHECK(at != NULL);
    return strtol(at + strlen(quoted), NULL, 10);
}

static void known_answers(simaccel_engine *engine)
{
    simaccel_session *ctr = session_of(engine, "AES-256-CTR", ctr_key, 32, NULL);
    simaccel_session *cbc = session_of(engine, "aes-128-cbc", key, 16, "padding=pkcs7");
    simaccel_session *bare = session_of(engine, "aes-192-cbc", key, 24, " padding = none ;");
    simaccel_session *sha = session_of(engine, "SHA2-256", NULL, 0, "");
    simaccel_session *hmac = session_of(engine, "HMAC-sha256", "Jefe", 4, NULL);
    simaccel_session *gcm = session_of(engine, "id-aes128-GCM", gcm_key, 16, NULL);
    simaccel_session *gcm_short = session_of(engine, "aes-128-gcm", gcm_key, 16, "tag_len=12");
    unsigned char out[100], back[100], tag[16];
    size_t len = 0, tag_len = 0;

    OK(simaccel_encrypt(ctr, ctr_iv, 16, ctr_plain, 16, out, sizeof out, &len));
    CHECK(len == 16 && memcmp(out, ctr_cipher, 16) == 0);
    OK(simaccel_decrypt(ctr, ctr_iv, 16, out, 16, out, sizeof out, &len));
    CHECK(len == 16 && memcmp(out, ctr_plain, 16) == 0);

    OK(simaccel_encrypt(cbc, iv, 16, "hello", 5, out, 16, &len));
    CHECK(len == 16);
    OK(simaccel_decrypt(cbc, iv, 16, out, 16, back, sizeof back, &len));
    CHECK(len == 5 && memcmp(back, "hello", 5) == 0);
    OK(simaccel_encrypt(cbc, iv, 16, NULL, 0, out, sizeof out, NULL));
    FAILS(SIMACCEL_ERR_OUTPUT_TOO_SMALL, "needs 16", simaccel_encrypt(cbc, iv, 16, "hello", 5, out, 15, &len));
    CHECK(len == 16);
    FAILS(SIMACCEL_ERR_OUTPUT_TOO_SMALL, "needs 16", simaccel_encrypt(cbc, iv, 16, "hello", 5, NULL, 100, &len));
    out[15] ^= 1;
    FAILS(SIMACCEL_ERR_AUTH_FAILED, "", simaccel_decrypt(cbc, iv, 16, out, 16, back, sizeof back, &len));
    FAILS(SIMACCEL_ERR_ARGUMENT, "", simaccel_encrypt(bare, iv, 16, "hello", 5, out, sizeof out, &len));
    FAILS(SIMACCEL_ERR_ARGUMENT, "", simaccel_encrypt(ctr, iv, 15, "hello", 5, out, sizeof out, &len));

    OK(simaccel_digest(sha, "abc", 3, out, sizeof out, &len));
    CHECK(len == 32 && memcmp(out, sha_abc, 32) == 0);
    FAILS(SIMACCEL_ERR_OUTPUT_TOO_SMALL, "needs 32", simaccel_digest(sha, "abc", 3, out, 31, &len));
    CHECK(len == 32);

    OK(simaccel_hmac(hmac, hmac_text, strlen(hmac_text), out, sizeof out, &len));
    CHECK(len == 32 && memcmp(out, hmac_mac, 32) == 0);
    OK(simaccel_hmac_verify(hmac, hmac_text, strlen(hmac_text), hmac_mac, 32));
    OK(simaccel_hmac_verify(hmac, hmac_text, strlen(hmac_text), hmac_mac, 4));
    FAILS(SIMACCEL_ERR_ARGUMENT, "4 bytes or more", simaccel_hmac_verify(hmac, "", 0, hmac_mac, 3));
    FAILS(SIMACCEL_ERR_AUTH_FAILED, "", simaccel_hmac_verify(hmac, "x", 1, hmac_mac, 32));

    OK(simaccel_seal(gcm, gcm_nonce, 12, gcm_aad, 20, gcm_plain, 60, out, 60, &len, tag, 16, &tag_len));
    CHECK(len == 60 && tag_len == 16 && memcmp(out, gcm_cipher, 60) == 0 && memcmp(tag, gcm_tag, 16) == 0);
    OK(simaccel_open(gcm, gcm_nonce, 12, gcm_aad, 20, out, 60, tag, 16, back, 60, &len));
    CHECK(len == 60 && memcmp(back, gcm_plain, 60) == 0);
    tag[3] ^= 1;
    memset(back, 7, sizeof back);
    FAILS(SIMACCEL_ERR_AUTH_FAILED, "",
          simaccel_open(gcm, gcm_nonce, 12, gcm_aad, 20, out, 60, tag, 16, back, sizeof back, &len));
    CHECK(back[0] == 7 && back[59] == 7);
    FAILS(SIMACCEL_ERR_OUTPUT_TOO_SMALL, "needs 16",
          simaccel_seal(gcm, gcm_nonce, 12, NULL, 0, "a", 1, out, 1, &len, tag, 15, &tag_len));
    OK(simaccel_seal(gcm_short, gcm_nonce, 12, gcm_aad, 20, gcm_plain, 60, out, 60, &len, tag, 12, &tag_len));
    CHECK(tag_len == 12 && memcmp(tag, gcm_tag, 12) == 0);

    FAILS(SIMACCEL_ERR_ARGUMENT, "kind of session", simaccel_encrypt(gcm, iv, 16, "a", 1, out, 100, &len));
    FAILS(SIMACCEL_ERR_ARGUMENT, "kind of session", simaccel_decrypt(sha, iv, 16, "a", 1, out, 100, &len));
    FAILS(SIMACCEL_ERR_ARGUMENT, "kind of session", simaccel_digest(hmac, "a", 1, out, 100, &len));
    FAILS(SIMACCEL_ERR_ARGUMENT, "kind of session", simaccel_hmac(sha, "a", 1, out, 100, &len));
    FAILS(SIMACCEL_ERR_ARGUMENT, "kind of session", simaccel_hmac_verify(sha, "a", 1, out, 32));
    FAILS(SIMACCEL_ERR_ARGUMENT, "kind of session",
          simaccel_seal(ctr, iv, 16, NULL, 0, "a", 1, out, 100, &len, tag, 16, &tag_len));
    FAILS(SIMACCEL_ERR_ARGUMENT, "kind of session",
          simaccel_open(ctr, iv, 16, NULL, 0, "a", 1, tag, 16, out, 100, &len));
    simaccel_session_free(ctr);
    simaccel_session_free(cbc);
    simaccel_session_free(bare);
    simaccel_session_free(sha);
    simaccel_session_free(hmac);
    simaccel_session_free(gcm);
    simaccel_session_free(gcm_short);
}

/* The same in parts of every size, compared with one request. */
static void parts(simaccel_engine *engine)
{
    simaccel_session *cbc = session_of(engine, "aes-256-cbc", key, 32, NULL);
    simaccel_session *sha = session_of(engine, "sha512", NULL, 0, NULL);
    simaccel_session *hmac = session_of(engine, "hmac-sha256", "Jefe", 4, NULL);
    simaccel_session *gcm = session_of(engine, "aes-128-gcm", gcm_key, 16, NULL);
    simaccel_stream *stream, *other;
    unsigned char whole[128], out[128], part[200], digest[64];
    size_t whole_len, len, total, size, at;

    OK(simaccel_encrypt(cbc, iv, 16, gcm_plain, 60, whole, sizeof whole, &whole_len));
    for (size = 1; size <= 60; size++) {
        OK(simaccel_stream_new(cbc, SIMACCEL_ENCRYPT, iv, 16, NULL, 0, &stream));
        for (at = total = 0; at < 60; at += size) {
            size_t now = at + size > 60 ? 60 - at : size;
            OK(simaccel_stream_update(stream, gcm_plain + at, now, part, now + SIMACCEL_STREAM_OVERHEAD, &len));
            memcpy(out + total, part, len);
            total += len;
        }
        OK(simaccel_stream_finish(stream, part, SIMACCEL_STREAM_OVERHEAD, &len));
        memcpy(out + total, part, len);
        CHECK(total + len == whole_len && memcmp(out, whole, whole_len) == 0);
        FAILS(SIMACCEL_ERR_STREAM, "is finished", simaccel_stream_finish(stream, part, sizeof part, &len));
        FAILS(SIMACCEL_ERR_STREAM, "is finished", simaccel_stream_update(stream, "a", 1, part, sizeof part, &len));
        simaccel_stream_free(stream);
    }

    OK(simaccel_stream_new(cbc, SIMACCEL_DECRYPT, iv, 16, NULL, 0, &stream));
    OK(simaccel_stream_update(stream, whole, 30, part, sizeof part, &len));
    memcpy(out, part, len);
    total = len;
    OK(simaccel_stream_update(stream, whole + 30, whole_len - 30, part, sizeof part, &len));
    memcpy(out + total, part, len);
    total += len;
    FAILS(SIMACCEL_ERR_OUTPUT_TOO_SMALL, "needs 32", simaccel_stream_finish(stream, part, 31, &len));
    OK(simaccel_stream_finish(stream, part, 32, &len));
    memcpy(out + total, part, len);
    CHECK(total + len == 60 && memcmp(out, gcm_plain, 60) == 0);
    simaccel_stream_free(stream);

    OK(simaccel_stream_new(sha, 0, NULL, 0, NULL, 0, &stream));
    OK(simaccel_stream_new(hmac, 0, NULL, 0, NULL, 0, &other));
    /* A stream outlives its session. */
    simaccel_session_free(hmac);
    OK(simaccel_stream_update(stream, "ab", 2, NULL, 0, &len));
    CHECK(len == 0);
    OK(simaccel_stream_update(other, hmac_text, 10, NULL, 0, NULL));
    OK(simaccel_stream_update(stream, "c", 1, NULL, 0, NULL));
    OK(simaccel_stream_update(other, hmac_text + 10, strlen(hmac_text) - 10, NULL, 0, NULL));
    OK(simaccel_digest(sha, "abc", 3, digest, sizeof digest, &len));
    FAILS(SIMACCEL_ERR_OUTPUT_TOO_SMALL, "needs 64", simaccel_stream_finish(stream, part, 63, &len));
    OK(simaccel_stream_finish(stream, part, SIMACCEL_MAX_DIGEST, &len));
    CHECK(len == 64 && memcmp(part, digest, 64) == 0);
    OK(simaccel_stream_finish(other, part, sizeof part, &len));
    CHECK(len == 32 && memcmp(part, hmac_mac, 32) == 0);
    simaccel_stream_free(stream);
    simaccel_stream_free(other);

    OK(simaccel_stream_new(gcm, SIMACCEL_ENCRYPT, gcm_nonce, 12, gcm_aad, 20, &stream));
    OK(simaccel_stream_update(stream, gcm_plain, 33, out, 33 + 32, &len));
    CHECK(len == 33);
    OK(simaccel_stream_update(stream, gcm_plain + 33, 27, out + 33, 27 + 32, &len));
    CHECK(len == 27 && memcmp(out, gcm_cipher, 60) == 0);
    FAILS(SIMACCEL_ERR_ARGUMENT, "finish_seal", simaccel_stream_finish(stream, part, sizeof part, &len));
    FAILS(SIMACCEL_ERR_ARGUMENT, "does not decrypt", simaccel_stream_finish_open(stream, gcm_tag, 16));
    OK(simaccel_stream_finish_seal(stream, part, SIMACCEL_MAX_TAG, &len));
    CHECK(len == 16 && memcmp(part, gcm_tag, 16) == 0);
    simaccel_stream_free(stream);
    for (at = 0; at < 2; at++) {
        OK(simaccel_stream_new(gcm, SIMACCEL_DECRYPT, gcm_nonce, 12, gcm_aad, 20, &stream));
        OK(simaccel_stream_update(stream, gcm_cipher, 60, out, sizeof out, &len));
        CHECK(len == 60 && memcmp(out, gcm_plain, 60) == 0);
        FAILS(SIMACCEL_ERR_ARGUMENT, "does not encrypt", simaccel_stream_finish_seal(stream, part, 16, &len));
        if (at == 0)
            OK(simaccel_stream_finish_open(stream, gcm_tag, 16));
        else
            FAILS(SIMACCEL_ERR_AUTH_FAILED, "", simaccel_stream_finish_open(stream, gcm_cipher, 16));
        simaccel_stream_free(stream);
    }
    FAILS(SIMACCEL_ERR_ARGUMENT, "direction", simaccel_stream_new(gcm, 2, gcm_nonce, 12, NULL, 0, &stream));
    CHECK(stream == NULL);
    FAILS(SIMACCEL_ERR_ARGUMENT, "additional data", simaccel_stream_new(cbc, 1, iv, 16, "a", 1, &stream));
    FAILS(SIMACCEL_ERR_ARGUMENT, "takes none", simaccel_stream_new(sha, 1, iv, 16, NULL, 0, &stream));
    simaccel_session_free(cbc);
    simaccel_session_free(sha);
    simaccel_session_free(gcm);
}

static void nonsense(void)
{
    simaccel_engine *engine = (simaccel_engine *)(void *)key, *real;
    simaccel_session *session = (simaccel_session *)(void *)key;
    unsigned char out[64];
    char json[8];
    size_t len = 0;
    int number;

    FAILS(SIMACCEL_ERR_CONFIG, "nonsense", simaccel_engine_open("nonsense=1", &engine));
    CHECK(engine == NULL);
    FAILS(SIMACCEL_ERR_CONFIG, "depth", simaccel_engine_open_stepped("depth=3", &engine));
    FAILS(SIMACCEL_ERR_ARGUMENT, "not UTF-8", simaccel_engine_open("\xff", &engine));
    FAILS(SIMACCEL_ERR_ARGUMENT, "engine is NULL", simaccel_engine_open(NULL, NULL));
    real = open_engine(NULL, 0);
    FAILS(SIMACCEL_ERR_ARGUMENT, "engine is NULL", simaccel_session_new(NULL, "sha256", NULL, 0, NULL, &session));
    CHECK(session == NULL);
    FAILS(SIMACCEL_ERR_ARGUMENT, "session is NULL", simaccel_session_new(real, "sha256", NULL, 0, NULL, NULL));
    FAILS(SIMACCEL_ERR_SESSION, "rot13", simaccel_session_new(real, "rot13", NULL, 0, NULL, &session));
    FAILS(SIMACCEL_ERR_SESSION, "none of", simaccel_session_new(real, NULL, NULL, 0, NULL, &session));
    FAILS(SIMACCEL_ERR_SESSION, "takes no key", simaccel_session_new(real, "sha256", "a", 1, NULL, &session));
    FAILS(SIMACCEL_ERR_SESSION, "32 bytes", simaccel_session_new(real, "aes-256-ctr", key, 16, NULL, &session));
    FAILS(SIMACCEL_ERR_SESSION, "halves", simaccel_session_new(real, "aes-256-xts", key, 64, NULL, &session));
    FAILS(SIMACCEL_ERR_SESSION, "tags have", simaccel_session_new(real, "aes-128-gcm", key, 16, "tag_len=5", &session));
    FAILS(SIMACCEL_ERR_SESSION, "padding=x", simaccel_session_new(real, "aes-128-cbc", key, 16, "padding=x", &session));
    FAILS(SIMACCEL_ERR_SESSION, "padding does not fit aes-128-gcm", simaccel_session_new(real, "aes-128-gcm", key, 16, "padding=none", &session));
    FAILS(SIMACCEL_ERR_SESSION, "padding does not fit aes-128-ctr", simaccel_session_new(real, "aes-128-ctr", key, 16, "padding=none", &session));
    FAILS(SIMACCEL_ERR_SESSION, "tag_len does not fit", simaccel_session_new(real, "sha256", NULL, 0, "tag_len=12", &session));
    FAILS(SIMACCEL_ERR_SESSION, "is given twice", simaccel_session_new(real, "aes-128-cbc", key, 16, "padding=none; padding=pkcs7", &session));
    FAILS(SIMACCEL_ERR_CONFIG, "depth is given twice", simaccel_engine_open("depth=4;depth=8", &engine));
    FAILS(SIMACCEL_ERR_ARGUMENT, "key is NULL", simaccel_session_new(real, "aes-128-cbc", NULL, 16, NULL, &session));
    FAILS(SIMACCEL_ERR_ARGUMENT, "session is NULL", simaccel_encrypt(NULL, iv, 16, "a", 1, out, 64, &len));
    FAILS(SIMACCEL_ERR_ARGUMENT, "session is NULL", simaccel_digest(NULL, "a", 1, out, 64, &len));
    FAILS(SIMACCEL_ERR_ARGUMENT, "stream is NULL", simaccel_stream_update(NULL, "a", 1, out, 64, &len));
    FAILS(SIMACCEL_ERR_ARGUMENT, "stream is NULL", simaccel_stream_finish(NULL, out, 64, &len));
    FAILS(SIMACCEL_ERR_ARGUMENT, "session is NULL", simaccel_stream_new(NULL, 0, iv, 16, NULL, 0, (simaccel_stream **)&session));
    OK(simaccel_session_new(real, "sha256", NULL, 0, NULL, &session));
    FAILS(SIMACCEL_ERR_ARGUMENT, "in is NULL", simaccel_digest(session, NULL, 1, out, 64, &len));
    FAILS(SIMACCEL_ERR_ARGUMENT, "no memory is that large", simaccel_digest(session, out, (size_t)-1, out, 64, &len));
    FAILS(SIMACCEL_ERR_ARGUMENT, "stream is NULL", simaccel_stream_new(session, 0, NULL, 0, NULL, 0, NULL));
    simaccel_session_free(session);
    FAILS(SIMACCEL_ERR_ARGUMENT, "engine is NULL", simaccel_stats_json(NULL, json, 8, &len));
    FAILS(SIMACCEL_ERR_OUTPUT_TOO_SMALL, "", simaccel_stats_json(real, json, 8, &len));
    CHECK(len > 100);
    FAILS(SIMACCEL_ERR_OUTPUT_TOO_SMALL, "", simaccel_stats_json(real, NULL, 100000, NULL));
    FAILS(SIMACCEL_ERR_ARGUMENT, "engine is NULL", simaccel_poll(NULL, 1, NULL, NULL, &len));
    FAILS(SIMACCEL_ERR_ARGUMENT, "resume is NULL", simaccel_poll(real, 1, NULL, NULL, &len));
    FAILS(SIMACCEL_ERR_ARGUMENT, "engine is NULL", simaccel_interrupt_fd(NULL, &number));
    FAILS(SIMACCEL_ERR_ARGUMENT, "fd is NULL", simaccel_interrupt_fd(real, NULL));
    FAILS(SIMACCEL_ERR_ARGUMENT, "not a stepped", simaccel_device_step(real, &number));
    FAILS(SIMACCEL_ERR_ARGUMENT, "not a stepped", simaccel_device_advance(real, 1));
    FAILS(SIMACCEL_ERR_ARGUMENT, "not a stepped", simaccel_device_run_until_idle(real));
    FAILS(SIMACCEL_ERR_ARGUMENT, "engine is NULL", simaccel_device_reset(NULL));
    OK(simaccel_device_reset(real));
    simaccel_engine_free(real);
    simaccel_engine_free(NULL);
    simaccel_session_free(NULL);
    simaccel_stream_free(NULL);
    CHECK(strcmp(simaccel_result_name(10), "SIMACCEL_ERR_RESET") == 0 && strcmp(simaccel_result_name(99), "unknown") == 0);
    CHECK(simaccel_is_retryable(SIMACCEL_ERR_RESET) == 1 && simaccel_is_retryable(SIMACCEL_ERR_DEVICE_DEAD) == 0);
    CHECK(simaccel_is_retryable(-1) == 0 && strlen(simaccel_version()) >= 5);
}

struct work {
    simaccel_session *session;
    simaccel_stream *stream;
    unsigned char *in, *out; /* in is on the heap, and is freed while the job is paused */
    size_t len;
    simaccel_result result;
};

static int encrypts(void *arg)
{
    struct work *work = *(struct work **)arg;

    work->result = simaccel_encrypt(work->session, ctr_iv, 16, work->in, 16, work->out, 16, &work->len);
    return 1;
}

static int updates(void *arg)
{
    struct work *work = *(struct work **)arg;

    work->result = simaccel_stream_update(work->stream, work->in, 16, work->out, 64, &work->len);
    return 2;
}

static struct work work_on(simaccel_session *session, unsigned char *out)
{
    struct work work = {session, NULL, (unsigned char *)malloc(16), out, 0, SIMACCEL_ERR_INTERNAL};

    memcpy(work.in, ctr_plain, 16);
    return work;
}

static int begin(ASYNC_JOB **job, ASYNC_WAIT_CTX *ctx, struct work *work, int (*func)(void *))
{
    int ret;

    return ASYNC_start_job(job, ctx, &ret, func, &work, sizeof work);
}

static int readable(ASYNC_WAIT_CTX *ctx)
{
    struct pollfd fds = {-1, POLLIN, 0};
    size_t count = 0;

    CHECK(ASYNC_WAIT_CTX_get_all_fds(ctx, NULL, &count) == 1 && count == 1);
    CHECK(ASYNC_WAIT_CTX_get_all_fds(ctx, &fds.fd, &count) == 1);
    return poll(&fds, 1, 0);
}

/* Input, session and engine are freed while the job is paused; the operation succeeds. */
static void pausing(void)
{
    simaccel_engine *engine = open_engine("queue_pairs=1;completion_nsec=1000", 1);
    ASYNC_WAIT_CTX *ctx = ASYNC_WAIT_CTX_new();
    ASYNC_JOB *job = NULL;
    unsigned char out[16] = {0};
    struct work work = work_on(session_of(engine, "aes-256-ctr", ctr_key, 32, NULL), out);
    int happened = 0, ret = 0;

    CHECK(begin(&job, ctx, &work, encrypts) == ASYNC_PAUSE && readable(ctx) == 0);
    memset(work.in, 0xff, 16);
    free(work.in);
    simaccel_session_free(work.session);
    CHECK(ASYNC_WAIT_CTX_get_status(ctx) == ASYNC_STATUS_OK);
    CHECK(go(&job, NULL, &ret, NULL) == ASYNC_PAUSE && out[0] == 0);
    OK(simaccel_device_step(engine, &happened));
    CHECK(happened == 1);
    OK(simaccel_device_advance(engine, 999));
    CHECK(readable(ctx) == 0);
    OK(simaccel_device_advance(engine, 1));
    CHECK(readable(ctx) == 1);
    CHECK(stat_of(engine, "pauses") == 2 && stat_of(engine, "spurious_resumes") == 1);
    simaccel_engine_free(engine);
    CHECK(go(&job, NULL, &ret, NULL) == ASYNC_FINISH && ret == 1);
    CHECK(work.result == SIMACCEL_OK && work.len == 16 && memcmp(out, ctr_cipher, 16) == 0);
    ASYNC_WAIT_CTX_free(ctx);
}

/* Jobs discarded in an operation: by their context, by cleanup, by the end of their thread. */
static void *discards_in_thread(void *arg)
{
    ASYNC_WAIT_CTX *ctx = ASYNC_WAIT_CTX_new();
    struct work *work = (struct work *)arg;
    ASYNC_JOB *job = NULL;

    CHECK(begin(&job, ctx, work, encrypts) == ASYNC_PAUSE);
    return ctx;
}

static void discarding(const char *config)
{
    simaccel_engine *engine = open_engine(config, 1);
    simaccel_session *session = session_of(engine, "aes-256-ctr", ctr_key, 32, NULL);
    int round, ret, abandoned = 0;
    pthread_t thread;
    void *thread_ctx;

    for (round = 0; round < 6; round++) {
        ASYNC_WAIT_CTX *ctx = ASYNC_WAIT_CTX_new();
        ASYNC_JOB *jobs[4] = {NULL}, *last = NULL;
        unsigned char out[4][64] = {{0}};
        struct work work[4];
        int i;

        for (i = 0; i < 4; i++)
            work[i] = work_on(session, out[i]);
        OK(simaccel_stream_new(session, SIMACCEL_ENCRYPT, ctr_iv, 16, NULL, 0, &work[1].stream));
        CHECK(begin(&jobs[0], ctx, &work[0], encrypts) == ASYNC_PAUSE);
        CHECK(begin(&jobs[1], ctx, &work[1], updates) == ASYNC_PAUSE);
        /* A stream in use refuses a second call, from another job and from outside a job. */
        FAILS(SIMACCEL_ERR_BUSY, "in use", simaccel_stream_update(work[1].stream, "a", 1, out[2], 64, NULL));
        CHECK(begin(&jobs[2], ctx, &work[1], updates) == ASYNC_FINISH && work[1].result == SIMACCEL_ERR_BUSY);
        CHECK(begin(&jobs[2], ctx, &work[2], encrypts) == ASYNC_PAUSE);
        if (round % 3 == 1)
            OK(simaccel_device_step(engine, NULL));
        if (round % 3 == 2)
            OK(simaccel_device_run_until_idle(engine));
        /* A handle that is freed during its use stays until its end. */
        if (round == 5) {
            simaccel_stream_free(work[1].stream);
            simaccel_session_free(session);
        }
        if (round % 2) {
            ASYNC_WAIT_CTX_free(ctx);
            ctx = ASYNC_WAIT_CTX_new();
        } else {
            ASYNC_cleanup_thread();
        }
        abandoned += 3;
        CHECK(stat_of(engine, "abandoned") == abandoned && stat_of(engine, "in_flight") == 0);
        for (i = 0; i < 3; i++)
            CHECK(go(&jobs[i], ctx, &ret, NULL) == ASYNC_ERR && out[i][0] == 0);
        if (round < 5) {
            FAILS(SIMACCEL_ERR_STREAM, "", simaccel_stream_update(work[1].stream, "a", 1, out[1], 64, NULL));
            simaccel_stream_free(work[1].stream);
            CHECK(begin(&last, ctx, &work[3], encrypts) == ASYNC_PAUSE);
            OK(simaccel_device_run_until_idle(engine));
            CHECK(begin(&last, ctx, &work[3], encrypts) == ASYNC_FINISH && memcmp(out[3], ctr_cipher, 16) == 0);
            CHECK(pthread_create(&thread, NULL, discards_in_thread, &work[3]) == 0);
            CHECK(pthread_join(thread, &thread_ctx) == 0);
            abandoned++;
            CHECK(stat_of(engine, "abandoned") == abandoned && stat_of(engine, "in_flight") == 0);
            ASYNC_WAIT_CTX_free((ASYNC_WAIT_CTX *)thread_ctx);
        }
        for (i = 0; i < 4; i++)
            free(work[i].in);
        ASYNC_WAIT_CTX_free(ctx);
    }
    simaccel_engine_free(engine);
}

static void resume(struct async_job_st *job, void *arg)
{
    ASYNC_JOB **jobs = (ASYNC_JOB **)arg;
    int i, ret;

    for (i = 0; i < 5; i++)
        if (jobs[i] == job) {
            CHECK(go(&jobs[i], NULL, &ret, NULL) == ASYNC_FINISH);
            return;
        }
    CHECK(!"a token of no job");
}

static void polling(void)
{
    simaccel_engine *engine = open_engine("delivery=poll;queue_pairs=1", 1);
    simaccel_session *session = session_of(engine, "aes-256-ctr", ctr_key, 32, NULL);
    ASYNC_WAIT_CTX *ctx = ASYNC_WAIT_CTX_new();
    ASYNC_JOB *jobs[5] = {NULL};
    unsigned char out[5][16];
    struct work work[5];
    struct pollfd fds = {-1, POLLIN, 0};
    size_t count = 99;
    int i;

    for (i = 0; i < 5; i++) {
        work[i] = work_on(session, out[i]);
        CHECK(begin(&jobs[i], ctx, &work[i], encrypts) == ASYNC_PAUSE);
        free(work[i].in);
    }
    OK(simaccel_poll(engine, 10, resume, jobs, &count));
    CHECK(count == 0);
    OK(simaccel_interrupt_fd(engine, &fds.fd));
    CHECK(poll(&fds, 1, 0) == 0);
    OK(simaccel_device_run_until_idle(engine));
    CHECK(poll(&fds, 1, 0) == 1);
    OK(simaccel_poll(engine, 2, resume, jobs, &count));
    CHECK(count == 2);
    OK(simaccel_poll(engine, 10, resume, jobs, NULL));
    for (i = 0; i < 5; i++)
        CHECK(jobs[i] == NULL && work[i].result == SIMACCEL_OK && memcmp(out[i], ctr_cipher, 16) == 0);
    CHECK(stat_of(engine, "polled") == 5);
    ASYNC_WAIT_CTX_free(ctx);
    simaccel_session_free(session);
    simaccel_engine_free(engine);
}

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t called = PTHREAD_COND_INITIALIZER;
static int calls;

static int wakes(void *arg)
{
    CHECK(arg == key);
    pthread_mutex_lock(&lock);
    calls++;
    pthread_cond_signal(&called);
    pthread_mutex_unlock(&lock);
    return 0;
}

/* Worker threads: wake fd and callback. */
static void waking(void)
{
    simaccel_engine *engine = open_engine("", 0);
    simaccel_session *session = session_of(engine, "aes-256-ctr", ctr_key, 32, NULL);
    ASYNC_WAIT_CTX *ctx = ASYNC_WAIT_CTX_new();
    ASYNC_JOB *job = NULL;
    unsigned char out[16];
    int round;

    for (round = 0; round < 200; round++) {
        struct work work = work_on(session, out);
        struct pollfd fds = {-1, POLLIN, 0};
        size_t count = 0;
        int step;

        if (round == 100)
            CHECK(ASYNC_WAIT_CTX_set_callback(ctx, wakes, key) == 1);
        memset(out, 0, 16);
        calls = 0;
        step = begin(&job, ctx, &work, encrypts);
        CHECK(step == ASYNC_PAUSE);
        free(work.in);
        while (step == ASYNC_PAUSE) {
            if (round < 100) {
                CHECK(ASYNC_WAIT_CTX_get_all_fds(ctx, &fds.fd, &count) == 1 && count == 1);
                CHECK(poll(&fds, 1, -1) == 1);
            } else {
                pthread_mutex_lock(&lock);
                while (calls == 0)
                    pthread_cond_wait(&called, &lock);
                pthread_mutex_unlock(&lock);
            }
            step = begin(&job, ctx, &work, encrypts);
        }
        CHECK(step == ASYNC_FINISH && work.result == SIMACCEL_OK && memcmp(out, ctr_cipher, 16) == 0);
    }
    /* Outside a job it blocks, and also without a context. */
    OK(simaccel_encrypt(session, ctr_iv, 16, ctr_plain, 16, out, 16, NULL));
    {
        struct work work = work_on(session, out);
        CHECK(begin(&job, NULL, &work, encrypts) == ASYNC_FINISH && work.result == SIMACCEL_OK);
        free(work.in);
    }
    CHECK(stat_of(engine, "blocked") == 2);
    ASYNC_WAIT_CTX_free(ctx);
    simaccel_session_free(session);
    simaccel_engine_free(engine);
}

/* A child: operations fail, a paused job's too, its own engine works, inherited fds stay open. */
static void forking(void)
{
    simaccel_engine *engine = open_engine("completion_nsec=1000000", 0), *own;
    simaccel_session *session = session_of(engine, "aes-256-ctr", ctr_key, 32, NULL), *of_own;
    ASYNC_WAIT_CTX *ctx = ASYNC_WAIT_CTX_new();
    ASYNC_JOB *job = NULL, *discarded = NULL;
    unsigned char out[16] = {0}, out2[16] = {0};
    struct work work = work_on(session, out), work2 = work_on(session, out2);
    struct pollfd fds = {-1, POLLIN, 0};
    size_t count = 0;
    int status = -1, step = ASYNC_PAUSE;
    pid_t child;

    CHECK(begin(&job, ctx, &work, encrypts) == ASYNC_PAUSE);
    CHECK(begin(&discarded, ctx, &work2, encrypts) == ASYNC_PAUSE);
    child = fork();
    CHECK(child >= 0);
    if (child == 0) {
        FAILS(SIMACCEL_ERR_FORKED, "", simaccel_encrypt(session, ctr_iv, 16, ctr_plain, 16, out, 16, NULL));
        CHECK(begin(&job, ctx, &work, encrypts) == ASYNC_FINISH && work.result == SIMACCEL_ERR_FORKED);
        ASYNC_WAIT_CTX_free(ctx);
        own = open_engine("", 0);
        of_own = session_of(own, "aes-256-ctr", ctr_key, 32, NULL);
        OK(simaccel_encrypt(of_own, ctr_iv, 16, ctr_plain, 16, out, 16, NULL));
        CHECK(memcmp(out, ctr_cipher, 16) == 0);
        /* Success. With exit, valgrind would report what the parent's threads own, which do not exist here. */
        raise(SIGKILL);
    }
    CHECK(waitpid(child, &status, 0) == child && WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
    while (step == ASYNC_PAUSE) {
        CHECK(ASYNC_WAIT_CTX_get_all_fds(ctx, &fds.fd, &count) == 1 && count == 1 && poll(&fds, 1, -1) == 1);
        step = begin(&job, ctx, &work, encrypts);
    }
    CHECK(step == ASYNC_FINISH && work.result == SIMACCEL_OK && memcmp(out, ctr_cipher, 16) == 0);
    free(work.in);
    free(work2.in);
    ASYNC_WAIT_CTX_free(ctx);
    simaccel_session_free(session);
    simaccel_engine_free(engine);
}

static void failing(void)
{
    simaccel_engine *engine = open_engine("fault=nomem:nth=1;fault=fd_fail:nth=1;fault=fail:nth=1;fault=timeout:nth=2;timeout_msec=5", 1);
    simaccel_session *session = session_of(engine, "aes-256-ctr", ctr_key, 32, NULL);
    ASYNC_WAIT_CTX *ctx = ASYNC_WAIT_CTX_new();
    ASYNC_JOB *job = NULL;
    unsigned char out[16];
    struct work work = work_on(session, out);

    CHECK(begin(&job, ctx, &work, encrypts) == ASYNC_FINISH && work.result == SIMACCEL_ERR_NO_MEMORY);
    CHECK(simaccel_is_retryable(work.result) == 1 && ASYNC_WAIT_CTX_get_status(ctx) == ASYNC_STATUS_ERR);
    CHECK(begin(&job, ctx, &work, encrypts) == ASYNC_FINISH && work.result == SIMACCEL_ERR_WAKE_FD);
    CHECK(begin(&job, ctx, &work, encrypts) == ASYNC_PAUSE);
    OK(simaccel_device_reset(engine));
    CHECK(begin(&job, ctx, &work, encrypts) == ASYNC_FINISH && work.result == SIMACCEL_ERR_RESET);
    CHECK(begin(&job, ctx, &work, encrypts) == ASYNC_PAUSE);
    OK(simaccel_device_run_until_idle(engine));
    CHECK(begin(&job, ctx, &work, encrypts) == ASYNC_FINISH && work.result == SIMACCEL_ERR_DEVICE_FAILED);
    CHECK(begin(&job, ctx, &work, encrypts) == ASYNC_PAUSE);
    OK(simaccel_device_advance(engine, 5000000));
    CHECK(readable(ctx) == 1);
    CHECK(begin(&job, ctx, &work, encrypts) == ASYNC_FINISH && work.result == SIMACCEL_ERR_TIMEOUT);
    free(work.in);
    ASYNC_WAIT_CTX_free(ctx);
    simaccel_session_free(session);
    simaccel_engine_free(engine);
}

/* On a stepped device a blocking call returns, whatever its request does. */
static void blocking_for_nothing(void)
{
    simaccel_engine *engine = open_engine("fault=timeout:nth=1", 1);
    simaccel_session *session = session_of(engine, "aes-256-ctr", ctr_key, 32, NULL);
    unsigned char out[16] = {0};

    FAILS(SIMACCEL_ERR_NEVER_ENDS, "timeout_msec", simaccel_encrypt(session, ctr_iv, 16, ctr_plain, 16, out, 16, NULL));
    CHECK(simaccel_is_retryable(SIMACCEL_ERR_NEVER_ENDS) == 0 && stat_of(engine, "never_ended") == 1);
    OK(simaccel_encrypt(session, ctr_iv, 16, ctr_plain, 16, out, 16, NULL));
    CHECK(memcmp(out, ctr_cipher, 16) == 0);
    simaccel_session_free(session);
    simaccel_engine_free(engine);
}

int main(void)
{
    simaccel_engine *engine;

    memset(key, 7, sizeof key);
    engine = open_engine("compute_units=4", 0);
    known_answers(engine);
    parts(engine);
    simaccel_engine_free(engine);
    engine = open_engine("completion_nsec=1000;fallback=on", 1);
    known_answers(engine);
    parts(engine);
    simaccel_engine_free(engine);
    nonsense();
    pausing();
    discarding("queue_pairs=1;depth=2");
    discarding("completion_nsec=1000");
    discarding("delivery=poll;fallback=on");
    polling();
    waking();
    forking();
    failing();
    blocking_for_nothing();
    ASYNC_cleanup_thread();
    printf("ok\n");
    return 0;
}
