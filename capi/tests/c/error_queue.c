/*
 * ASYNC_ERR leaves an entry on libcrypto's error queue, where libcrypto is in the process, and NO_JOBS leaves none.
 * Built in three ways: with libcrypto; without it; and with functions of libcrypto 1.1 in its place (-DONE), which note
 * what they get.
 */
#include "check.h"

#include <string.h>

enum reason { NONE, POOL_SIZE, MEMORY, NULL_ARGUMENT, ARGUMENT };

#if defined(AGAINST_LIBCRYPTO)
#include <openssl/err.h>

/* The only entry, or none. */
static void queued(const char *function, enum reason reason, const char *words)
{
    static const int reasons[] = {0, ASYNC_R_INVALID_POOL_SIZE, ERR_R_MALLOC_FAILURE, ERR_R_PASSED_NULL_PARAMETER,
                                  ERR_R_PASSED_INVALID_ARGUMENT};
    const char *file, *in, *data;
    int line, flags;
    unsigned long code = ERR_get_error_all(&file, &line, &in, &data, &flags);

    if (reason == NONE) {
        CHECK(code == 0);
        return;
    }
    CHECK(ERR_GET_LIB(code) == ERR_LIB_ASYNC && ERR_GET_REASON(code) == reasons[reason]);
    CHECK(strcmp(in, function) == 0);
    /* libcrypto's own entries have no data. */
    CHECK(words[0] == '\0' || ((flags & ERR_TXT_STRING) != 0 && strstr(data, words) != NULL));
    CHECK(ERR_reason_error_string(code) != NULL);
    printf("%s: %s\n", function, ERR_reason_error_string(code));
    CHECK(ERR_get_error() == 0);
}
#elif defined(ONE)
#include <stdarg.h>

static int entries, got_reason;
static char got_data[256];

void ERR_put_error(int library, int function, int reason, const char *file, int line);
void ERR_add_error_data(int count, ...);

void ERR_put_error(int library, int function, int reason, const char *file, int line)
{
    CHECK(library == 51 && function == 0 && file != NULL && line == 0);
    entries++;
    got_reason = reason;
}

void ERR_add_error_data(int count, ...)
{
    va_list args;

    CHECK(count == 1);
    va_start(args, count);
    snprintf(got_data, sizeof got_data, "%s", va_arg(args, const char *));
    va_end(args);
}

static void queued(const char *function, enum reason reason, const char *words)
{
    /* As openssl/err.h of 1.1.1 has them. */
    static const int reasons[] = {0, 103, 65, 67, 7};

    (void)function;
    CHECK(entries == (reason != NONE));
    if (reason != NONE)
        CHECK(got_reason == reasons[reason] && strstr(got_data, words) != NULL);
    entries = 0;
}
#else
static void queued(const char *function, enum reason reason, const char *words)
{
    (void)function;
    CHECK(reason == NONE || strstr(simaccel_last_error(), words) != NULL);
}
#endif

static int returns(void *arg)
{
    return arg == NULL;
}

static int pauses(void *arg)
{
    (void)arg;
    ASYNC_pause_job();
    return 2;
}

int main(int argc, char **argv)
{
    ASYNC_WAIT_CTX *ctx = ASYNC_WAIT_CTX_new();
    ASYNC_JOB *job = NULL, *stale, *other = NULL;
    int ret = 0;

    CHECK(ASYNC_init_thread(1, 2) == 0);
    queued("ASYNC_init_thread", POOL_SIZE, "");
    /* In the other cases libcrypto alone would crash. */
    if (argc > 1 && strcmp(argv[1], "what-libcrypto-has") == 0)
        return 0;
    CHECK(ASYNC_init_thread(1, 0) == 1);
    CHECK(go(&job, ctx, &ret, returns) == ASYNC_FINISH && ret == 1);
    CHECK(go(&job, ctx, &ret, pauses) == ASYNC_PAUSE);
    CHECK(go(&other, ctx, &ret, returns) == ASYNC_NO_JOBS);
    queued("", NONE, "");
    stale = job;
    CHECK(go(&job, ctx, &ret, NULL) == ASYNC_FINISH && ret == 2);
    queued("", NONE, "");

    CHECK(go(&stale, ctx, &ret, NULL) == ASYNC_ERR);
    queued("ASYNC_start_job", ARGUMENT, "names no unfinished");
    CHECK(go(NULL, ctx, &ret, returns) == ASYNC_ERR);
    queued("ASYNC_start_job", NULL_ARGUMENT, "job is NULL");
    CHECK(go(&job, ctx, &ret, NULL) == ASYNC_ERR);
    queued("ASYNC_start_job", NULL_ARGUMENT, "func is NULL");
    CHECK(ASYNC_start_job(&job, ctx, &ret, returns, &ret, (size_t)-1) == ASYNC_ERR);
    queued("ASYNC_start_job", MEMORY, "no memory");
    ASYNC_WAIT_CTX_free(ctx);
    ASYNC_cleanup_thread();
    queued("", NONE, "");
    printf("ok\n");
    return 0;
}
