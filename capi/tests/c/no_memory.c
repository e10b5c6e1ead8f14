/*
 * Without memory for a copy of the input every function reports that, wherever in the operation memory runs out; and
 * the same call succeeds once there is memory.
 */
#include "check.h"

#include <malloc.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

enum { SIZE = 4 << 20, STEP = 1 << 20 };

static simaccel_session *ctr, *cbc, *gcm, *sha, *hmac, *made;
static simaccel_stream *stream, *streamed;
static simaccel_engine *engine;
static unsigned char *text, *out, tag[16];
static size_t len;

static simaccel_result encrypts(void)
{
    return simaccel_encrypt(ctr, text, 16, text, SIZE, out, SIZE, &len);
}

static simaccel_result pads(void)
{
    return simaccel_encrypt(cbc, text, 16, text, SIZE, out, SIZE + 16, &len);
}

static simaccel_result seals(void)
{
    return simaccel_seal(gcm, text, 12, NULL, 0, text, SIZE, out, SIZE, &len, tag, 16, NULL);
}

static simaccel_result authenticates(void)
{
    return simaccel_seal(gcm, text, 12, text, SIZE, text, 1, out, 1, &len, tag, 16, NULL);
}

static simaccel_result with_a_long_nonce(void)
{
    return simaccel_seal(gcm, text, SIZE, NULL, 0, text, 1, out, 1, &len, tag, 16, NULL);
}

/* Of zeros under zeros, by the session: seals() has left its tag. */
static simaccel_result opens(void)
{
    return simaccel_open(gcm, text, 12, NULL, 0, out, SIZE, tag, 16, out, SIZE, &len);
}

static simaccel_result digests(void)
{
    return simaccel_digest(sha, text, SIZE, out, 64, &len);
}

static simaccel_result macs(void)
{
    return simaccel_hmac(hmac, text, SIZE, out, 64, &len);
}

static simaccel_result verifies(void)
{
    return simaccel_hmac_verify(hmac, text, SIZE, out, 32);
}

static simaccel_result updates(void)
{
    simaccel_result result;

    /* A failure on the device ends the stream. */
    OK(simaccel_stream_new(ctr, SIMACCEL_ENCRYPT, text, 16, NULL, 0, &stream));
    result = simaccel_stream_update(stream, text, SIZE, out, SIZE + SIMACCEL_STREAM_OVERHEAD, &len);
    simaccel_stream_free(stream);
    return result;
}

static simaccel_result streams(void)
{
    simaccel_result result = simaccel_stream_new(gcm, SIMACCEL_ENCRYPT, text, SIZE, text, SIZE, &streamed);

    simaccel_stream_free(streamed);
    return result;
}

static simaccel_result takes_a_long_key(void)
{
    simaccel_result result = simaccel_session_new(engine, "hmac-sha256", text, SIZE, NULL, &made);

    simaccel_session_free(made);
    return result;
}

static int returns(void *arg)
{
    (void)arg;
    return 1;
}

static simaccel_result starts_a_job(void)
{
    ASYNC_JOB *job = NULL;
    int ret, did = ASYNC_start_job(&job, NULL, &ret, returns, text, SIZE);

    CHECK(did == ASYNC_FINISH || (did == ASYNC_ERR && strstr(simaccel_last_error(), "no memory") != NULL));
    return did == ASYNC_FINISH ? SIMACCEL_OK : SIMACCEL_ERR_NO_MEMORY;
}

static void limit_to(rlim_t bytes)
{
    struct rlimit limit = {bytes, RLIM_INFINITY};

    CHECK(setrlimit(RLIMIT_AS, &limit) == 0);
}

static rlim_t used(void)
{
    unsigned long pages = 0;
    FILE *file = fopen("/proc/self/statm", "r");

    CHECK(file != NULL && fscanf(file, "%lu", &pages) == 1);
    fclose(file);
    return (rlim_t)pages * (rlim_t)sysconf(_SC_PAGESIZE);
}

/* With more and more memory, until it succeeds. Returns how often it failed. */
static int until_it_succeeds(const char *name, simaccel_result (*operation)(void))
{
    rlim_t before = used(), more;
    int failures = 0;

    for (more = STEP;; more += STEP) {
        simaccel_result result;

        limit_to(before + more);
        result = operation();
        limit_to(RLIM_INFINITY);
        if (result == SIMACCEL_OK)
            break;
        if (result != SIMACCEL_ERR_NO_MEMORY || more > 32 * (rlim_t)STEP) {
            fprintf(stderr, "%s: %s: %s\n", name, simaccel_result_name(result), simaccel_last_error());
            exit(1);
        }
        CHECK(simaccel_is_retryable(result));
        failures++;
    }
    CHECK(failures >= SIZE / STEP - 1);
    return failures;
}

static void on(const char *config)
{
    static const struct {
        const char *name;
        simaccel_result (*operation)(void);
    } all[] = {
        {"encrypt", encrypts}, {"encrypt with padding", pads}, {"seal", seals}, {"open", opens},
        {"seal, additional data", authenticates}, {"seal, long nonce", with_a_long_nonce}, {"digest", digests},
        {"hmac", macs}, {"hmac_verify", verifies}, {"stream_update", updates}, {"stream_new", streams},
        {"session_new", takes_a_long_key}, {"ASYNC_start_job", starts_a_job},
    };
    size_t i;

    OK(simaccel_engine_open_stepped(config, &engine));
    OK(simaccel_session_new(engine, "aes-256-ctr", text, 32, NULL, &ctr));
    OK(simaccel_session_new(engine, "aes-128-cbc", text, 16, NULL, &cbc));
    OK(simaccel_session_new(engine, "aes-128-gcm", text, 16, NULL, &gcm));
    OK(simaccel_session_new(engine, "sha256", NULL, 0, NULL, &sha));
    OK(simaccel_session_new(engine, "hmac-sha256", text, 16, NULL, &hmac));
    /* Everything that is created once, with memory. */
    OK(simaccel_encrypt(ctr, text, 16, text, 16, out, 16, &len));
    for (i = 0; i < sizeof all / sizeof all[0]; i++)
        until_it_succeeds(all[i].name, all[i].operation);
    simaccel_session_free(ctr);
    simaccel_session_free(cbc);
    simaccel_session_free(gcm);
    simaccel_session_free(sha);
    simaccel_session_free(hmac);
    simaccel_engine_free(engine);
}

/* As many as memory allows, and no failure, as in libcrypto. */
static void asks_for_a_million_jobs(void)
{
    ASYNC_JOB *job = NULL;
    int ret = 0;

    limit_to(used() + (64 << 20));
    CHECK(ASYNC_init_thread(1000000, 1000000) == 1);
    CHECK(ASYNC_start_job(&job, NULL, &ret, returns, NULL, 0) == ASYNC_FINISH && ret == 1);
    ASYNC_cleanup_thread();
    limit_to(RLIM_INFINITY);
}

int main(void)
{
    /* Large blocks are mapped, and unmapped when they are freed. */
    CHECK(mallopt(M_MMAP_THRESHOLD, 256 << 10) == 1);
    text = (unsigned char *)calloc(1, SIZE + 64);
    out = (unsigned char *)calloc(1, SIZE + 64);
    CHECK(text != NULL && out != NULL);
    on("");
    /* The device keeps the input until the end: one more copy. */
    on("completion_nsec=1000");
    /* An impossible size, of memory that is not read. */
    OK(simaccel_engine_open_stepped(NULL, &engine));
    OK(simaccel_session_new(engine, "aes-256-ctr", text, 32, NULL, &ctr));
    FAILS(SIMACCEL_ERR_NO_MEMORY, "no memory for a copy of in: 9223372036854775807 bytes",
          simaccel_encrypt(ctr, text, 16, text, SIZE_MAX / 2, out, SIZE_MAX / 2, &len));
    simaccel_session_free(ctr);
    simaccel_engine_free(engine);
    asks_for_a_million_jobs();
    free(text);
    free(out);
    ASYNC_cleanup_thread();
    printf("ok\n");
    return 0;
}
