/*
 * What the engine returns to C: known answers, the same in parts of every size, and an error for every misuse. On the
 * stepped device and with worker threads.
 */
#include "engines.h"

static unsigned char key[64], iv[16];

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
    ASYNC_cleanup_thread();
    printf("ok\n");
    return 0;
}
