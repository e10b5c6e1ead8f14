/*
 * Floating-point modes that <fenv.h> sets belong to the job: rounding, and which exceptions are masked, in MXCSR and in
 * the x87's control word. Flags, and what is in MXCSR alone, belong to the thread.
 */
#include "check.h"

#include <string.h>
#include <xmmintrin.h>

/* Bits of MXCSR; the x87's control word has roundings and masks too, at other places. */
#define FLAGS 0x3fu
#define INEXACT 0x20u
#define ROUNDING 0x6000u
#define DOWNWARD 0x2000u
#define UPWARD 0x4000u
#define FLUSH 0x8000u
#define MASK_ZERO_DIVIDE 0x200u
#define X87_MASK_ZERO_DIVIDE 0x4u
#define X87_ROUNDING_SHIFT 3

struct modes {
    unsigned mxcsr;
    unsigned short x87;
};

static simaccel_session *session;

static struct modes modes(void)
{
    struct modes now;

    memset(&now, 0, sizeof now);
    now.mxcsr = _mm_getcsr() & ~FLAGS;
    __asm__ volatile("fnstcw %0" : "=m"(now.x87));
    return now;
}

static int same(struct modes one, struct modes other)
{
    return one.mxcsr == other.mxcsr && one.x87 == other.x87;
}

static struct modes set(struct modes wanted)
{
    _mm_setcsr((_mm_getcsr() & FLAGS) | wanted.mxcsr);
    __asm__ volatile("fldcw %0" : : "m"(wanted.x87));
    CHECK(same(modes(), wanted));
    return wanted;
}

static struct modes rounding(struct modes wanted, unsigned mode)
{
    wanted.mxcsr = (wanted.mxcsr & ~ROUNDING) | mode;
    wanted.x87 = (unsigned short)((wanted.x87 & ~(ROUNDING >> X87_ROUNDING_SHIFT)) | mode >> X87_ROUNDING_SHIFT);
    return wanted;
}

static int is_rounding(unsigned mode)
{
    return same(modes(), rounding(modes(), mode));
}

static void digest(void)
{
    unsigned char out[32];
    size_t length;

    CHECK(simaccel_digest(session, "abc", 3, out, sizeof out, &length) == SIMACCEL_OK && length == 32);
}

/* Begins with the modes of its starter, and keeps its own across every kind of pause. */
static int rounds_upward(void *argument)
{
    struct modes own = modes();

    (void)argument;
    CHECK(is_rounding(DOWNWARD));
    own = set(rounding(own, UPWARD));
    CHECK(ASYNC_pause_job() == 1);
    own.mxcsr |= FLUSH; /* Set by the application. */
    CHECK(same(modes(), own));
    digest();
    CHECK(same(modes(), own));
    _mm_setcsr(own.mxcsr);
    CHECK(ASYNC_pause_job() == 1);
    CHECK((_mm_getcsr() & FLAGS) == INEXACT);
    CHECK(same(modes(), own));
    return 1;
}

/* Ends with its own modes. */
static int unmasks(void *argument)
{
    struct modes own = modes();

    (void)argument;
    own.mxcsr &= ~MASK_ZERO_DIVIDE;
    own.x87 &= (unsigned short)~X87_MASK_ZERO_DIVIDE;
    set(own);
    return 1;
}

int main(void)
{
    simaccel_engine *engine = NULL;
    ASYNC_WAIT_CTX *ctx = ASYNC_WAIT_CTX_new();
    ASYNC_JOB *job = NULL;
    struct modes own;
    int ret = 0, state;

    CHECK(simaccel_engine_open(NULL, &engine) == SIMACCEL_OK);
    CHECK(simaccel_session_new(engine, "sha256", NULL, 0, NULL, &session) == SIMACCEL_OK);
    own = set(rounding(modes(), DOWNWARD));
    do {
        state = go(&job, ctx, &ret, rounds_upward);
        CHECK(same(modes(), own));
        own.mxcsr |= FLUSH;
        _mm_setcsr(own.mxcsr | INEXACT);
    } while (state == ASYNC_PAUSE);
    CHECK(state == ASYNC_FINISH && ret == 1);

    CHECK(go(&job, ctx, &ret, unmasks) == ASYNC_FINISH);
    CHECK(same(modes(), own));
    ASYNC_WAIT_CTX_free(ctx);
    simaccel_session_free(session);
    simaccel_engine_free(engine);
    printf("ok\n");
}
