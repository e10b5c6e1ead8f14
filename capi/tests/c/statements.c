/*
 * The statements of docs/semantics.md that hold for libcrypto too, as a program that prints what it sees. It runs on
 * this library and on libcrypto; both must print the same, line by line. Lines begin with the statement's number.
 */
#include "check.h"

#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static ASYNC_WAIT_CTX *ctx;
static int keys[4];

/* Prints what a context lists. */
static void say_fds(const char *line)
{
    OSSL_ASYNC_FD all[16], added[16], deleted[16];
    size_t num_all = 77, num_added = 77, num_deleted = 77, i;

    CHECK(ASYNC_WAIT_CTX_get_all_fds(ctx, NULL, &num_all) == 1 && num_all <= 16);
    CHECK(ASYNC_WAIT_CTX_get_all_fds(ctx, all, &num_all) == 1);
    CHECK(ASYNC_WAIT_CTX_get_changed_fds(ctx, NULL, &num_added, NULL, &num_deleted) == 1);
    CHECK(num_added <= 16 && num_deleted <= 16);
    CHECK(ASYNC_WAIT_CTX_get_changed_fds(ctx, added, &num_added, deleted, &num_deleted) == 1);
    printf("%s: all", line);
    for (i = 0; i < num_all; i++)
        printf(" %d", all[i]);
    printf(", added");
    for (i = 0; i < num_added; i++)
        printf(" %d", added[i]);
    printf(", deleted");
    for (i = 0; i < num_deleted; i++)
        printf(" %d", deleted[i]);
    printf("\n");
}

static void cleanup(ASYNC_WAIT_CTX *of, const void *key, OSSL_ASYNC_FD fd, void *data)
{
    printf("    cleanup: context %d, key %ld, fd %d, data %s\n", of == ctx, key ? (long)((const int *)key - keys) : -1L,
           fd, data ? (const char *)data : "none");
}

static void fresh(void)
{
    ASYNC_WAIT_CTX_free(ctx);
    ctx = ASYNC_WAIT_CTX_new();
    CHECK(ctx != NULL);
}

static int set(int key, int fd)
{
    return ASYNC_WAIT_CTX_set_wait_fd(ctx, &keys[key], fd, NULL, NULL);
}

static int clear(int key)
{
    return ASYNC_WAIT_CTX_clear_fd(ctx, &keys[key]);
}

static void contexts(void)
{
    OSSL_ASYNC_FD fd = 55;
    char text[] = "text";
    void *data = text;
    size_t count;

    fresh();
    say_fds("1 a new context");
    printf("1 status %d\n", ASYNC_WAIT_CTX_get_status(ctx));
    ASYNC_WAIT_CTX_free(NULL);
    printf("2 freeing null\n");

    ASYNC_WAIT_CTX_set_wait_fd(ctx, &keys[0], 10, text, cleanup);
    ASYNC_WAIT_CTX_set_wait_fd(ctx, &keys[1], 11, NULL, cleanup);
    ASYNC_WAIT_CTX_set_wait_fd(ctx, &keys[2], 12, NULL, NULL);
    ASYNC_WAIT_CTX_set_wait_fd(ctx, &keys[3], 13, text, cleanup);
    ASYNC_WAIT_CTX_set_wait_fd(ctx, NULL, 14, text, cleanup);
    printf("4 clear %d\n", clear(1));
    printf("3 free:\n");
    fresh();

    printf("7 set %d %d\n", set(0, 20), set(1, 21));
    say_fds("7 newest first");
    printf("8 set the same key %d\n", set(0, 22));
    say_fds("8 both");
    printf("8 get %d", ASYNC_WAIT_CTX_get_fd(ctx, &keys[0], &fd, &data));
    printf(" fd %d data %d\n", fd, data == NULL);
    printf("8 clear %d", clear(0));
    printf(" get %d", ASYNC_WAIT_CTX_get_fd(ctx, &keys[0], &fd, &data));
    printf(" fd %d\n", fd);
    say_fds("8 the older one is back");

    fresh();
    printf("9 odd ones %d %d %d\n", ASYNC_WAIT_CTX_set_wait_fd(ctx, NULL, -1, NULL, NULL),
           ASYNC_WAIT_CTX_set_wait_fd(ctx, NULL, 12345, text, NULL), set(0, -7));
    say_fds("9 are listed");
    printf("9 get the null key %d", ASYNC_WAIT_CTX_get_fd(ctx, NULL, &fd, &data));
    printf(" fd %d data %d\n", fd, data == text);
    keys[0] = keys[1] = 4;
    printf("10 keys with the same content %d\n", ASYNC_WAIT_CTX_get_fd(ctx, &keys[1], &fd, &data));
    fd = 99;
    data = text;
    printf("11 not found %d", ASYNC_WAIT_CTX_get_fd(ctx, &keys[3], &fd, &data));
    printf(" fd %d data %d\n", fd, data == text);

    fresh();
    set(0, 30);
    say_fds("15 added");
    printf("15 clear %d\n", clear(0));
    say_fds("15 without a trace");
    printf("17 clear again %d, unknown %d\n", clear(0), clear(3));
    count = 0;
    set(0, 31);
    set(1, 32);
    printf("12 only count %d", ASYNC_WAIT_CTX_get_all_fds(ctx, NULL, &count));
    printf(" %d\n", (int)count);
    say_fds("13 asking once");
    say_fds("13 asking twice");
}

static int callback(void *arg)
{
    return *(int *)arg;
}

static int other_callback(void *arg)
{
    return arg == NULL;
}

static void callbacks(void)
{
    ASYNC_callback_fn got = other_callback;
    int arg = 5, other;
    void *got_arg = &other;

    fresh();
    printf("20 null context %d\n", ASYNC_WAIT_CTX_set_callback(NULL, callback, &arg));
    printf("21 none %d", ASYNC_WAIT_CTX_get_callback(ctx, &got, &got_arg));
    printf(" untouched %d %d\n", got == other_callback, got_arg == &other);
    printf("20 set %d", ASYNC_WAIT_CTX_set_callback(ctx, callback, &arg));
    printf(" get %d", ASYNC_WAIT_CTX_get_callback(ctx, &got, &got_arg));
    printf(" %d %d, called %d\n", got == callback, got_arg == &arg, got(got_arg));
    printf("20 replace %d", ASYNC_WAIT_CTX_set_callback(ctx, other_callback, NULL));
    printf(" get %d", ASYNC_WAIT_CTX_get_callback(ctx, &got, &got_arg));
    printf(" %d %d\n", got == other_callback, got_arg == NULL);
    printf("20 take away %d", ASYNC_WAIT_CTX_set_callback(ctx, NULL, &arg));
    printf(" get %d\n", ASYNC_WAIT_CTX_get_callback(ctx, &got, &got_arg));
    printf("22 set %d", ASYNC_WAIT_CTX_set_status(ctx, ASYNC_STATUS_EAGAIN));
    printf(" get %d", ASYNC_WAIT_CTX_get_status(ctx));
    printf(" odd %d", ASYNC_WAIT_CTX_set_status(ctx, -12345));
    printf(" get %d\n", ASYNC_WAIT_CTX_get_status(ctx));
}

static int changes(void *arg)
{
    (void)arg;
    set(0, 40);
    ASYNC_pause_job();
    say_fds("18a after the resume, in the job");
    set(1, 41);
    clear(0);
    say_fds("16 cleared, in the job");
    printf("16 get the cleared %d\n", clear(0));
    ASYNC_pause_job();
    set(2, 42);
    set(2, 43);
    clear(2);
    clear(1);
    ASYNC_block_pause();
    ASYNC_pause_job();
    ASYNC_unblock_pause();
    say_fds("18c after a pause that did not pause");
    return 18;
}

static int adds(void *arg)
{
    (void)arg;
    set(3, 44);
    ASYNC_pause_job();
    return 19;
}

static void resets(void)
{
    ASYNC_JOB *job = NULL;
    ASYNC_WAIT_CTX *other = ASYNC_WAIT_CTX_new();
    int ret = -1;

    fresh();
    printf("18 start %d\n", go(&job, ctx, &ret, changes));
    say_fds("18a paused");
    say_fds("18a asked again");
    printf("18 resume %d\n", go(&job, ctx, &ret, changes));
    say_fds("18a paused again");
    printf("18 finish %d ret %d\n", go(&job, ctx, &ret, changes), ret);
    say_fds("18b finished");
    printf("18 the next job %d\n", go(&job, ctx, &ret, adds));
    say_fds("18b with what was left over");
    printf("18d resume with another context %d", go(&job, other, &ret, adds));
    printf(" ret %d\n", ret);
    say_fds("18d the first is reset");
    ASYNC_WAIT_CTX_free(other);

    fresh();
    set(0, 50);
    printf("19 start %d\n", go(&job, ctx, &ret, adds));
    printf("19 finish %d\n", go(&job, ctx, &ret, adds));
    clear(0);
    set(0, 50);
    say_fds("19 the same number in both lists");
    ASYNC_pause_job();
    say_fds("18c pausing outside");
}

struct args {
    int numbers[10];
    char *shared;
};

static int sums(void *arg)
{
    struct args *args = (struct args *)arg;
    int i, sum = 0;

    ASYNC_pause_job();
    for (i = 0; i < 10; i++)
        sum += args->numbers[i];
    args->shared[0]++;
    return sum;
}

static int is_null(void *arg)
{
    return arg == NULL;
}

static int twice(void *arg)
{
    ASYNC_JOB *me = ASYNC_get_current_job();

    (void)arg;
    ASYNC_pause_job();
    if (ASYNC_get_current_job() != me)
        return -1;
    ASYNC_pause_job();
    return 7;
}

static int at_once(void *arg)
{
    (void)arg;
    return 8;
}

static void *asks_for_the_context(void *job)
{
    return ASYNC_get_wait_ctx((ASYNC_JOB *)job);
}

static void jobs(void)
{
    ASYNC_JOB *job = NULL, *second = NULL, *third = NULL;
    char shared[] = "a";
    struct args args = {{1, 2, 3, 4, 5, 6, 7, 8, 9, 10}, shared};
    int ret = -7, ret2 = -7;
    pthread_t poller;
    void *found;

    printf("24 capable %d\n", ASYNC_is_capable());
    ASYNC_cleanup_thread();
    printf("39 pausing before the first job %d\n", ASYNC_pause_job());
    printf("42 no job %d\n", ASYNC_get_current_job() == NULL);
    ASYNC_unblock_pause();
    ASYNC_block_pause();
    fresh();
    printf("25 start %d", go(&job, ctx, &ret, twice));
    printf(" a handle %d ret untouched %d\n", job != NULL, ret);
    printf("31 no current job %d\n", ASYNC_get_current_job() == NULL);
    printf("37 another %d\n", go(&second, ctx, &ret2, twice));
    printf("37 different %d\n", job != second);
    printf("43 context %d\n", ASYNC_get_wait_ctx(job) == ctx);
    CHECK(pthread_create(&poller, NULL, asks_for_the_context, job) == 0 && pthread_join(poller, &found) == 0);
    printf("43 in another thread %d\n", found == ctx);
    printf("30 resume without anything %d", ASYNC_start_job(&job, NULL, &ret, NULL, NULL, 0));
    printf(" ret %d\n", ret);
    printf("32 finish %d", go(&job, ctx, &ret, twice));
    printf(" ret %d null %d\n", ret, job == NULL);
    printf("32 at once %d", go(&job, ctx, &ret, at_once));
    printf(" ret %d null %d\n", ret, job == NULL);
    printf("29 without a context %d ret %d\n", go(&job, NULL, &ret, at_once), ret);
    printf("41 any resume %d", go(&second, ctx, &ret2, twice));
    printf(" %d ret %d\n", go(&second, ctx, &ret2, twice), ret2);

    printf("28 start %d\n", ASYNC_start_job(&job, ctx, &ret, sums, &args, sizeof args));
    memset(args.numbers, 0, sizeof args.numbers);
    printf("28 finish %d", ASYNC_start_job(&job, ctx, &ret, sums, &args, sizeof args));
    printf(" the sum of before %d, what is pointed to is shared %s\n", ret, shared);
    printf("28 no arguments %d", ASYNC_start_job(&job, ctx, &ret, is_null, NULL, 8));
    printf(" null %d\n", ret);
    printf("28 none of any size %d", ASYNC_start_job(&job, ctx, &ret, is_null, &args, 0));
    printf(" null %d\n", ret);
    ret = -7;
    printf("38 no memory for the arguments %d", ASYNC_start_job(&job, ctx, &ret, sums, &args, SIZE_MAX / 4));
    printf(" ret %d null %d\n", ret, job == NULL);
    printf("38 afterwards %d\n", go(&job, ctx, &ret, at_once));

    ASYNC_cleanup_thread();
    printf("47 more in advance than the maximum %d, without a maximum %d\n", ASYNC_init_thread(2, 3),
           ASYNC_init_thread(0, 1));
    printf("47 init %d\n", ASYNC_init_thread(2, 1));
    job = second = third = NULL;
    printf("26 start %d %d", go(&job, ctx, &ret, twice), go(&second, ctx, &ret, twice));
    ret = -7;
    printf(" limit %d null %d ret %d\n", go(&third, ctx, &ret, twice), third == NULL, ret);
    printf("27 again %d\n", go(&third, ctx, &ret, twice));
    go(&job, ctx, &ret, twice);
    printf("27 one finishes %d", go(&job, ctx, &ret, twice));
    printf(" room %d\n", go(&third, ctx, &ret, twice));
    go(&second, ctx, &ret, twice);
    go(&second, ctx, &ret, twice);
    go(&third, ctx, &ret, twice);
    printf("27 all finish %d %d\n", go(&third, ctx, &ret, twice), second == NULL && third == NULL);
    ASYNC_cleanup_thread();
    ASYNC_cleanup_thread();
    printf("50 without a limit after cleanup %d", go(&job, ctx, &ret, twice));
    printf(" %d", go(&second, ctx, &ret, twice));
    printf(" %d\n", go(&third, ctx, &ret, twice));
    while (job || second || third) {
        if (job)
            go(&job, ctx, &ret, twice);
        if (second)
            go(&second, ctx, &ret, twice);
        if (third)
            go(&third, ctx, &ret, twice);
    }
    printf("48 a few in advance %d\n", ASYNC_init_thread(10, 10));
    ASYNC_cleanup_thread();
}

static int blocks(void *arg)
{
    ASYNC_JOB *me = ASYNC_get_current_job();

    (void)arg;
    ASYNC_unblock_pause();
    ASYNC_block_pause();
    ASYNC_block_pause();
    printf("44 blocked %d, current %d\n", ASYNC_pause_job(), ASYNC_get_current_job() == me);
    ASYNC_unblock_pause();
    printf("44 still blocked %d\n", ASYNC_pause_job());
    ASYNC_unblock_pause();
    printf("44 paused %d\n", ASYNC_pause_job());
    ASYNC_unblock_pause();
    printf("40 paused again %d\n", ASYNC_pause_job());
    return 3;
}

static void blocking(void)
{
    ASYNC_JOB *job = NULL;
    int ret = -1, step;

    fresh();
    do {
        step = go(&job, ctx, &ret, blocks);
        printf("44 step %d ret %d\n", step, ret);
    } while (step == ASYNC_PAUSE);
}

/* Statement 26: the job that finished last is taken first, so a stack address repeats. */
static uintptr_t stack_of_job;

static int where(void *arg)
{
    int here;

    (void)arg;
    stack_of_job = (uintptr_t)&here;
    ASYNC_pause_job();
    return 1;
}

static void newest_first(void)
{
    ASYNC_JOB *first = NULL, *second = NULL, *next = NULL;
    uintptr_t of_first, of_second;
    int ret;

    fresh();
    ASYNC_init_thread(0, 0);
    go(&first, ctx, &ret, where);
    of_first = stack_of_job;
    go(&second, ctx, &ret, where);
    of_second = stack_of_job;
    printf("26 stacks of their own %d\n", of_first != of_second);
    go(&second, ctx, &ret, where);
    go(&first, ctx, &ret, where);
    go(&next, ctx, &ret, where);
    printf("26 the newest first %d", stack_of_job == of_first);
    go(&second, ctx, &ret, where);
    printf(" then the other %d\n", stack_of_job == of_second);
    go(&next, ctx, &ret, where);
    go(&second, ctx, &ret, where);
    ASYNC_cleanup_thread();
}

static int uses_stack(void *arg)
{
    volatile char large[24000];

    (void)arg;
    memset((char *)large, 5, sizeof large);
    ASYNC_pause_job();
    return large[100] + large[23999];
}

static void *in_thread(void *arg)
{
    ASYNC_JOB *job = NULL;
    ASYNC_WAIT_CTX *own = ASYNC_WAIT_CTX_new();
    int ret = -1, i;

    (void)arg;
    for (i = 0; i < 100; i++) {
        CHECK(go(&job, own, &ret, uses_stack) == ASYNC_PAUSE);
        CHECK(go(&job, own, &ret, uses_stack) == ASYNC_FINISH && ret == 10);
    }
    ASYNC_WAIT_CTX_free(own);
    return NULL;
}

static void threads(void)
{
    ASYNC_JOB *job = NULL;
    pthread_t other[4];
    int ret = -1, i;

    fresh();
    printf("57 a large frame %d", go(&job, ctx, &ret, uses_stack));
    for (i = 0; i < 4; i++)
        CHECK(pthread_create(&other[i], NULL, in_thread, NULL) == 0);
    for (i = 0; i < 4; i++)
        CHECK(pthread_join(other[i], NULL) == 0);
    printf(" %d ret %d\n", go(&job, ctx, &ret, uses_stack), ret);
    printf("52 54 each thread has its own, and ends\n");
}

static int masks(void *arg)
{
    sigset_t mask;

    (void)arg;
    sigemptyset(&mask);
    sigaddset(&mask, SIGUSR1);
    pthread_sigmask(SIG_BLOCK, &mask, NULL);
    ASYNC_pause_job();
    pthread_sigmask(SIG_SETMASK, NULL, &mask);
    return sigismember(&mask, SIGUSR2);
}

static void shared_state(void)
{
    ASYNC_JOB *job = NULL;
    sigset_t mask;
    int ret = -1;

    fresh();
    go(&job, ctx, &ret, masks);
    pthread_sigmask(SIG_SETMASK, NULL, &mask);
    printf("56 the signal mask is the thread's %d", sigismember(&mask, SIGUSR1));
    sigaddset(&mask, SIGUSR2);
    pthread_sigmask(SIG_SETMASK, &mask, NULL);
    go(&job, ctx, &ret, masks);
    printf(" %d\n", ret);
}

static void forks(void)
{
    ASYNC_JOB *job = NULL;
    int ret = -1, status = -1;
    pid_t child;

    fresh();
    printf("62 start %d\n", go(&job, ctx, &ret, twice));
    fflush(stdout);
    child = fork();
    CHECK(child >= 0);
    if (child == 0) {
        CHECK(go(&job, ctx, &ret, twice) == ASYNC_PAUSE);
        CHECK(go(&job, ctx, &ret, twice) == ASYNC_FINISH);
        _exit(ret);
    }
    CHECK(waitpid(child, &status, 0) == child);
    printf("62 the child's %d", WEXITSTATUS(status));
    go(&job, ctx, &ret, twice);
    go(&job, ctx, &ret, twice);
    printf(" the parent's %d\n", ret);
}

int main(void)
{
    contexts();
    callbacks();
    resets();
    jobs();
    blocking();
    newest_first();
    threads();
    shared_state();
    forks();
    ASYNC_WAIT_CTX_free(ctx);
    ASYNC_cleanup_thread();
    return 0;
}
