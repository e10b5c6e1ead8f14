/*
 * A profiler that interrupts every instruction: unwinds the stack in a signal handler while C jobs start, pause,
 * resume, finish and are discarded. Each address has to be code, and each walk has to end where the stack begins.
 * raise(SIGTRAP) -> the handler sets the trap flag -> one instruction -> the handler walks the stack -> ...
 */
#include "check.h"

#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <string.h>
#include <ucontext.h>
#include <unwind.h>

#define TRAP_FLAG 0x100
#define MOST_FRAMES 500

struct range {
    uintptr_t low, high;
};

static struct range code[256], own_stack, unwinder;
static int code_ranges;
static volatile int stepping;
static long steps, changes;
static int was_in_job;
/* The outermost functions: of the thread's stack, and of a job's. */
static uintptr_t outermost[2];

struct dwarf_eh_bases {
    void *tbase, *dbase, *func;
};
extern const void *_Unwind_Find_FDE(const void *address, struct dwarf_eh_bases *bases);

struct walk {
    uintptr_t from, last;
    int met, frames;
};

static int within(struct range range, uintptr_t address)
{
    return address >= range.low && address < range.high;
}

static int is_code(uintptr_t address)
{
    for (int i = 0; i < code_ranges; i++)
        if (within(code[i], address))
            return 1;
    return 0;
}

static _Unwind_Reason_Code visit(struct _Unwind_Context *context, void *argument)
{
    struct walk *walk = argument;
    uintptr_t address = _Unwind_GetIP(context);

    walk->met |= address == walk->from;
    if (!walk->met || address == 0)
        return _URC_NO_REASON;
    walk->last = _Unwind_GetRegionStart(context);
    CHECK(is_code(address));
    CHECK(++walk->frames < MOST_FRAMES);
    return _URC_NO_REASON;
}

/* The unwinder overwrites its own frames when it ends, and a linker's jump to another library may have no call-frame
   information. */
static int is_others(uintptr_t address)
{
    static const unsigned char jump[] = {0xff, 0x25};
    struct dwarf_eh_bases bases;

    return within(unwinder, address) ||
           (_Unwind_Find_FDE((void *)address, &bases) == NULL && memcmp((void *)address, jump, sizeof jump) == 0);
}

static void on_trap(int number, siginfo_t *info, void *argument)
{
    greg_t *registers = ((ucontext_t *)argument)->uc_mcontext.gregs;
    struct walk walk = {.from = (uintptr_t)registers[REG_RIP]};
    int in_job = !within(own_stack, (uintptr_t)registers[REG_RSP]);

    (void)number, (void)info;
    if (!stepping) {
        registers[REG_EFL] &= ~TRAP_FLAG;
        return;
    }
    registers[REG_EFL] |= TRAP_FLAG;
    steps++;
    changes += in_job != was_in_job;
    was_in_job = in_job;
    if (is_others(walk.from))
        return;
    CHECK(_Unwind_Backtrace(visit, &walk) == _URC_END_OF_STACK);
    CHECK(walk.met);
    if (outermost[in_job] == 0)
        outermost[in_job] = walk.last;
    CHECK(outermost[in_job] == walk.last);
}

static void read_maps(void)
{
    FILE *maps = fopen("/proc/self/maps", "r");
    char line[512], mode[5];

    CHECK(maps != NULL);
    while (fgets(line, sizeof line, maps) != NULL) {
        struct range range;
        CHECK(sscanf(line, "%lx-%lx %4s", &range.low, &range.high, mode) == 3);
        if (mode[2] != 'x')
            continue;
        CHECK(code_ranges < 256);
        code[code_ranges++] = range;
        if (within(range, (uintptr_t)_Unwind_Backtrace))
            unwinder = range;
    }
    fclose(maps);
}

static void prepare(void)
{
    static char alternate[1 << 17];
    stack_t stack = {.ss_sp = alternate, .ss_size = sizeof alternate};
    struct sigaction action = {.sa_sigaction = on_trap, .sa_flags = SA_SIGINFO | SA_ONSTACK};
    pthread_attr_t attributes;
    void *low;
    size_t size;

    CHECK(pthread_getattr_np(pthread_self(), &attributes) == 0);
    CHECK(pthread_attr_getstack(&attributes, &low, &size) == 0);
    pthread_attr_destroy(&attributes);
    own_stack = (struct range){(uintptr_t)low, (uintptr_t)low + size};
    CHECK(sigaltstack(&stack, NULL) == 0);
    CHECK(sigaction(SIGTRAP, &action, NULL) == 0);
}

static int pauses(void *argument)
{
    ASYNC_block_pause();
    CHECK(ASYNC_pause_job() == 1);
    ASYNC_unblock_pause();
    CHECK(ASYNC_pause_job() == 1);
    CHECK(ASYNC_pause_job() == 1);
    return *(int *)argument;
}

static int returns(void *argument)
{
    (void)argument;
    return 3;
}

static int starts_another(void *argument)
{
    ASYNC_JOB *job = NULL;
    int number = 5, ret = 0;

    CHECK(ASYNC_start_job(&job, NULL, &ret, pauses, &number, sizeof number) == ASYNC_PAUSE);
    CHECK(ASYNC_pause_job() == 1);
    CHECK(go(&job, NULL, &ret, NULL) == ASYNC_PAUSE);
    CHECK(go(&job, NULL, &ret, NULL) == ASYNC_FINISH && ret == 5);
    return argument == NULL;
}

static simaccel_session *session;

static int digests(void *argument)
{
    unsigned char digest[32];
    size_t length = 0;

    (void)argument;
    return simaccel_digest(session, "abc", 3, digest, sizeof digest, &length) == SIMACCEL_OK && length == 32;
}

/* The predictable changes of stacks: two for each start and each resume. */
static long lives(void)
{
    ASYNC_WAIT_CTX *ctx = ASYNC_WAIT_CTX_new();
    ASYNC_JOB *job = NULL;
    int number = 4, ret = 0;

    for (int i = 0; i < 2; i++) {
        CHECK(ASYNC_start_job(&job, ctx, &ret, pauses, &number, sizeof number) == ASYNC_PAUSE);
        CHECK(go(&job, ctx, &ret, NULL) == ASYNC_PAUSE);
        CHECK(go(&job, ctx, &ret, NULL) == ASYNC_FINISH && ret == 4);
    }
    CHECK(go(&job, ctx, &ret, returns) == ASYNC_FINISH && ret == 3);
    CHECK(go(&job, ctx, &ret, starts_another) == ASYNC_PAUSE);
    CHECK(go(&job, ctx, &ret, NULL) == ASYNC_FINISH && ret == 1);
    CHECK(ASYNC_pause_job() == 1);
    /* Discarded, with the context and by the end of the thread's jobs. */
    CHECK(ASYNC_start_job(&job, ctx, &ret, pauses, &number, sizeof number) == ASYNC_PAUSE);
    ASYNC_WAIT_CTX_free(ctx);
    job = NULL;
    CHECK(ASYNC_start_job(&job, NULL, &ret, pauses, &number, sizeof number) == ASYNC_PAUSE);
    ASYNC_cleanup_thread();
    return 2 * (2 * 3 + 1 + 2 + 2);
}

int main(void)
{
    ASYNC_WAIT_CTX *ctx;
    ASYNC_JOB *job = NULL;
    simaccel_engine *engine = NULL;
    long foretold;
    int ret = 0, state;

    CHECK(simaccel_engine_open(NULL, &engine) == SIMACCEL_OK);
    CHECK(simaccel_session_new(engine, "sha256", NULL, 0, NULL, &session) == SIMACCEL_OK);
    prepare();
    read_maps();
    stepping = 1;
    raise(SIGTRAP);
    foretold = lives();
    stepping = 0;
    raise(SIGTRAP);
    CHECK(changes == foretold);
    CHECK(outermost[0] != 0 && outermost[1] != 0 && outermost[0] != outermost[1]);

    stepping = 1;
    raise(SIGTRAP);
    ctx = ASYNC_WAIT_CTX_new();
    while ((state = go(&job, ctx, &ret, digests)) == ASYNC_PAUSE)
        continue;
    ASYNC_WAIT_CTX_free(ctx);
    stepping = 0;
    raise(SIGTRAP);
    CHECK(state == ASYNC_FINISH && ret == 1);
    CHECK(steps > 10000);
    simaccel_session_free(session);
    simaccel_engine_free(engine);
    printf("ok\n");
}
