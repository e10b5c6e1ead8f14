/*
 * Where libcrypto crashes, corrupts memory or loses track, this library returns an error or simply works: the
 * statements that docs/semantics.md marks as changed, and the null and nonsense arguments of C.
 */
#include "check.h"

#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

static int keys[8];
static int cleanups;

static int at_once(void *arg)
{
    return arg == NULL ? 5 : *(int *)arg;
}

static int pauses(void *arg)
{
    (void)arg;
    CHECK(ASYNC_pause_job() == 1);
    return 6;
}

/* Whether the last error contains this text. */
static int said(const char *words)
{
    if (strstr(simaccel_last_error(), words) != NULL)
        return 1;
    fprintf(stderr, "the last error: %s\n", simaccel_last_error());
    return 0;
}

static void none(ASYNC_WAIT_CTX *ctx, const void *key, OSSL_ASYNC_FD fd, void *data)
{
    (void)ctx, (void)key, (void)fd, (void)data;
    cleanups++;
}

/* 5: sees the remaining entries, its own included; clears one and adds one, and both have an effect. */
static void busy(ASYNC_WAIT_CTX *ctx, const void *key, OSSL_ASYNC_FD fd, void *data)
{
    OSSL_ASYNC_FD all[8], found = -1;
    size_t count = 0;
    void *found_data = NULL;

    cleanups++;
    CHECK(key == &keys[2] && fd == 12 && data == &cleanups);
    CHECK(ASYNC_WAIT_CTX_get_all_fds(ctx, all, &count) == 1 && count == 3);
    CHECK(all[0] == 12 && all[1] == 11 && all[2] == 10);
    CHECK(ASYNC_WAIT_CTX_get_fd(ctx, &keys[2], &found, &found_data) == 1 && found == 12 && found_data == data);
    CHECK(ASYNC_WAIT_CTX_clear_fd(ctx, &keys[1]) == 1);
    CHECK(ASYNC_WAIT_CTX_set_wait_fd(ctx, &keys[3], 13, NULL, none) == 1);
    /* Freeing a context that is being freed does nothing. */
    ASYNC_WAIT_CTX_free(ctx);
}

static void s05_a_cleanup_may_use_its_context(void)
{
    ASYNC_WAIT_CTX *ctx = ASYNC_WAIT_CTX_new();

    CHECK(ASYNC_WAIT_CTX_set_wait_fd(ctx, &keys[0], 10, NULL, none) == 1);
    CHECK(ASYNC_WAIT_CTX_set_wait_fd(ctx, &keys[1], 11, NULL, none) == 1);
    CHECK(ASYNC_WAIT_CTX_set_wait_fd(ctx, &keys[2], 12, &cleanups, busy) == 1);
    cleanups = 0;
    ASYNC_WAIT_CTX_free(ctx);
    CHECK(cleanups == 3);
}

static void s06_a_freed_context_discards_its_paused_jobs(void)
{
    ASYNC_WAIT_CTX *ctx = ASYNC_WAIT_CTX_new(), *other = ASYNC_WAIT_CTX_new();
    ASYNC_JOB *job = NULL, *stale, *bystander = NULL;
    int ret = -7, i;

    CHECK(ASYNC_init_thread(3, 0) == 1);
    CHECK(go(&bystander, other, &ret, pauses) == ASYNC_PAUSE);
    for (i = 0; i < 10; i++) {
        job = NULL;
        /* Only two jobs are left, so the discarded ones must be reused. */
        CHECK(go(&job, ctx, &ret, pauses) == ASYNC_PAUSE);
        stale = job;
        job = NULL;
        CHECK(go(&job, ctx, &ret, pauses) == ASYNC_PAUSE);
        ASYNC_WAIT_CTX_free(ctx);
        CHECK(go(&stale, other, &ret, pauses) == ASYNC_ERR && stale != NULL && ret == -7);
        CHECK(said("no unfinished raw job"));
        CHECK(ASYNC_get_wait_ctx(stale) == NULL);
        ctx = ASYNC_WAIT_CTX_new();
    }
    CHECK(go(&bystander, other, &ret, pauses) == ASYNC_FINISH && ret == 6);
    ASYNC_WAIT_CTX_free(ctx);
    ASYNC_WAIT_CTX_free(other);
    ASYNC_cleanup_thread();
}

static ASYNC_WAIT_CTX *own;

static int frees_its_context(void *arg)
{
    (void)arg;
    CHECK(ASYNC_get_wait_ctx(ASYNC_get_current_job()) == own);
    ASYNC_WAIT_CTX_free(own);
    CHECK(ASYNC_get_wait_ctx(ASYNC_get_current_job()) == NULL);
    CHECK(ASYNC_pause_job() == 1);
    return 9;
}

static void s06_a_running_job_goes_on_without_its_context(void)
{
    ASYNC_JOB *job = NULL;
    int ret = 0;

    own = ASYNC_WAIT_CTX_new();
    CHECK(go(&job, own, &ret, frees_its_context) == ASYNC_PAUSE);
    CHECK(go(&job, NULL, &ret, NULL) == ASYNC_FINISH && ret == 9);
}

static void null_arguments(void)
{
    ASYNC_WAIT_CTX *ctx = ASYNC_WAIT_CTX_new();
    ASYNC_callback_fn callback = NULL;
    OSSL_ASYNC_FD fd = 3;
    ASYNC_JOB *job = NULL;
    size_t count = 0;
    void *data = NULL;
    int ret = 0;

    CHECK(ASYNC_WAIT_CTX_set_wait_fd(NULL, keys, 1, NULL, NULL) == 0 && said("ctx is NULL"));
    CHECK(ASYNC_WAIT_CTX_get_fd(NULL, keys, &fd, &data) == 0);
    CHECK(ASYNC_WAIT_CTX_get_all_fds(NULL, &fd, &count) == 0);
    CHECK(ASYNC_WAIT_CTX_get_all_fds(ctx, &fd, NULL) == 0 && said("numfds is NULL"));
    CHECK(ASYNC_WAIT_CTX_get_changed_fds(NULL, &fd, &count, &fd, &count) == 0);
    CHECK(ASYNC_WAIT_CTX_get_changed_fds(ctx, &fd, NULL, &fd, &count) == 0);
    CHECK(ASYNC_WAIT_CTX_get_changed_fds(ctx, &fd, &count, &fd, NULL) == 0);
    CHECK(ASYNC_WAIT_CTX_clear_fd(NULL, keys) == 0);
    CHECK(ASYNC_WAIT_CTX_set_callback(NULL, NULL, NULL) == 0);
    CHECK(ASYNC_WAIT_CTX_get_callback(NULL, &callback, &data) == 0);
    CHECK(ASYNC_WAIT_CTX_set_status(NULL, 1) == 0);
    CHECK(ASYNC_WAIT_CTX_get_status(NULL) == ASYNC_STATUS_UNSUPPORTED);
    CHECK(ASYNC_WAIT_CTX_set_wait_fd(ctx, keys, 17, keys, NULL) == 1);
    CHECK(ASYNC_WAIT_CTX_get_fd(ctx, keys, NULL, NULL) == 1);
    CHECK(ASYNC_WAIT_CTX_get_fd(ctx, keys, &fd, NULL) == 1 && fd == 17);
    CHECK(ASYNC_WAIT_CTX_get_fd(ctx, keys, NULL, &data) == 1 && data == keys);
    CHECK(go(NULL, ctx, &ret, at_once) == ASYNC_ERR && said("job is NULL"));
    CHECK(go(&job, ctx, &ret, NULL) == ASYNC_ERR && said("func is NULL") && job == NULL);
    CHECK(go(&job, ctx, NULL, at_once) == ASYNC_FINISH);
    CHECK(go(&job, ctx, NULL, pauses) == ASYNC_PAUSE && go(&job, ctx, NULL, pauses) == ASYNC_FINISH);
    CHECK(ASYNC_get_wait_ctx(NULL) == NULL);
    job = (ASYNC_JOB *)(uintptr_t)0x123456789abcdef0;
    CHECK(go(&job, ctx, &ret, at_once) == ASYNC_ERR && ASYNC_get_wait_ctx(job) == NULL);
    CHECK(ASYNC_start_job(&job, ctx, &ret, at_once, keys, SIZE_MAX) == ASYNC_ERR);
    job = NULL;
    CHECK(ASYNC_start_job(&job, ctx, &ret, at_once, keys, SIZE_MAX) == ASYNC_ERR && said("no memory"));
    ASYNC_get_mem_functions(NULL, NULL);
    ASYNC_WAIT_CTX_free(ctx);
}

static void s29_a_job_without_context_pauses(void)
{
    ASYNC_JOB *job = NULL;
    int ret = 0;

    CHECK(go(&job, NULL, &ret, pauses) == ASYNC_PAUSE && ASYNC_get_wait_ctx(job) == NULL);
    CHECK(go(&job, NULL, &ret, pauses) == ASYNC_FINISH && ret == 6);
}

static int starts_others(void *arg)
{
    ASYNC_JOB *me = ASYNC_get_current_job(), *inner = NULL, *again = me;
    int ret = 0;

    (void)arg;
    CHECK(go(&inner, NULL, &ret, at_once) == ASYNC_FINISH && ret == 5);
    CHECK(ASYNC_get_current_job() == me);
    CHECK(go(&inner, NULL, &ret, pauses) == ASYNC_PAUSE);
    CHECK(ASYNC_pause_job() == 1);
    CHECK(go(&inner, NULL, &ret, pauses) == ASYNC_FINISH && ret == 6);
    /* 35: not the job itself. */
    CHECK(go(&again, NULL, &ret, at_once) == ASYNC_ERR && again == me && said("running"));
    return 34;
}

static int resumes(void *arg)
{
    ASYNC_JOB **other = *(ASYNC_JOB ***)arg;
    int ret = 0;

    CHECK(go(other, NULL, &ret, NULL) == ASYNC_PAUSE);
    CHECK(ASYNC_get_current_job() != NULL);
    CHECK(go(other, NULL, &ret, NULL) == ASYNC_FINISH && ret == 7);
    return 35;
}

static int pauses_twice(void *arg)
{
    (void)arg;
    CHECK(ASYNC_pause_job() == 1 && ASYNC_pause_job() == 1);
    return 7;
}

static void s34_s35_jobs_nest(void)
{
    ASYNC_JOB *job = NULL, *other = NULL, **of = &other;
    int ret = 0;

    CHECK(go(&job, NULL, &ret, starts_others) == ASYNC_PAUSE);
    CHECK(go(&job, NULL, &ret, starts_others) == ASYNC_FINISH && ret == 34);
    CHECK(go(&other, NULL, &ret, pauses_twice) == ASYNC_PAUSE);
    CHECK(ASYNC_start_job(&job, NULL, &ret, resumes, &of, sizeof of) == ASYNC_FINISH && ret == 35);
}

static void s36_a_stale_handle_is_refused(void)
{
    ASYNC_JOB *job = NULL, *stale, *reused = NULL;
    int ret = -7;

    CHECK(go(&job, NULL, &ret, pauses) == ASYNC_PAUSE);
    stale = job;
    CHECK(go(&job, NULL, &ret, pauses) == ASYNC_FINISH);
    ret = -7;
    CHECK(go(&stale, NULL, &ret, pauses) == ASYNC_ERR && ret == -7);
    CHECK(go(&reused, NULL, &ret, pauses) == ASYNC_PAUSE && reused != stale);
    CHECK(go(&stale, NULL, &ret, pauses) == ASYNC_ERR);
    CHECK(go(&reused, NULL, &ret, pauses) == ASYNC_FINISH);
}

static int forgets_a_block(void *arg)
{
    (void)arg;
    ASYNC_block_pause();
    CHECK(ASYNC_pause_job() == 1);
    return 1;
}

static void s45_blocks_end_with_their_job(void)
{
    ASYNC_JOB *job = NULL;
    int ret = 0;

    CHECK(go(&job, NULL, &ret, forgets_a_block) == ASYNC_FINISH);
    CHECK(go(&job, NULL, &ret, pauses) == ASYNC_PAUSE);
    CHECK(go(&job, NULL, &ret, pauses) == ASYNC_FINISH);
}

static void s49_a_second_init_counts_all_jobs(void)
{
    ASYNC_JOB *one = NULL, *two = NULL, *three = NULL;
    int ret = 0;

    CHECK(ASYNC_init_thread(2, 2) == 1);
    CHECK(go(&one, NULL, &ret, pauses) == ASYNC_PAUSE && go(&two, NULL, &ret, pauses) == ASYNC_PAUSE);
    CHECK(ASYNC_init_thread(2, 0) == 1);
    CHECK(go(&three, NULL, &ret, pauses) == ASYNC_NO_JOBS && three == NULL);
    CHECK(ASYNC_init_thread(3, 0) == 1);
    CHECK(go(&three, NULL, &ret, pauses) == ASYNC_PAUSE);
    CHECK(go(&one, NULL, &ret, NULL) == ASYNC_FINISH && go(&two, NULL, &ret, NULL) == ASYNC_FINISH);
    CHECK(go(&three, NULL, &ret, NULL) == ASYNC_FINISH);
    CHECK(ASYNC_init_thread((size_t)1 << 40, 0) == 0 && said("too large"));
    ASYNC_cleanup_thread();
}

static void s51_cleanup_reclaims_paused_jobs(void)
{
    ASYNC_JOB *jobs[20] = {NULL};
    ASYNC_WAIT_CTX *ctx = ASYNC_WAIT_CTX_new();
    char args[100000] = {0};
    int ret = -7, round, i;

    for (round = 0; round < 3; round++) {
        CHECK(ASYNC_init_thread(20, 0) == 1);
        for (i = 0; i < 20; i++) {
            jobs[i] = NULL;
            CHECK(ASYNC_start_job(&jobs[i], i % 2 ? ctx : NULL, &ret, pauses, args, sizeof args) == ASYNC_PAUSE);
        }
        ASYNC_cleanup_thread();
        for (i = 0; i < 20; i++)
            CHECK(go(&jobs[i], ctx, &ret, pauses) == ASYNC_ERR && ret == -7);
    }
    ASYNC_WAIT_CTX_free(ctx);
}

static int cleans_up(void *arg)
{
    ASYNC_JOB *paused = NULL, *me = ASYNC_get_current_job();
    int ret = 0;

    (void)arg;
    CHECK(go(&paused, NULL, &ret, pauses) == ASYNC_PAUSE);
    ASYNC_cleanup_thread();
    CHECK(ASYNC_get_current_job() == me);
    CHECK(go(&paused, NULL, &ret, pauses) == ASYNC_ERR);
    CHECK(ASYNC_pause_job() == 1);
    return 51;
}

static void s51_cleanup_in_a_job_spares_that_job(void)
{
    ASYNC_JOB *job = NULL;
    int ret = 0;

    CHECK(go(&job, NULL, &ret, cleans_up) == ASYNC_PAUSE);
    CHECK(go(&job, NULL, &ret, cleans_up) == ASYNC_FINISH && ret == 51);
}

static ASYNC_JOB *shared_job;
static ASYNC_WAIT_CTX *shared_ctx;

static void *uses_a_foreign_job(void *arg)
{
    ASYNC_JOB *job = shared_job, *fresh = NULL;
    ASYNC_callback_fn callback = NULL;
    OSSL_ASYNC_FD fd = -1, fds[2] = {-1, -1};
    void *data = NULL;
    size_t count = 0, added = 0;
    int ret = -7;

    (void)arg;
    /* 53: a job stays on its thread. */
    CHECK(go(&job, shared_ctx, &ret, pauses) == ASYNC_ERR && ret == -7 && job == shared_job);
    /* 23, 43: a device's thread may look up, and set the status. */
    CHECK(ASYNC_get_wait_ctx(job) == shared_ctx);
    CHECK(ASYNC_WAIT_CTX_get_fd(shared_ctx, keys, &fd, &data) == 1 && fd == 77 && data == keys);
    CHECK(ASYNC_WAIT_CTX_get_callback(shared_ctx, &callback, &data) == 1 && callback == at_once && data == NULL);
    CHECK(ASYNC_WAIT_CTX_get_status(shared_ctx) == ASYNC_STATUS_OK);
    CHECK(ASYNC_WAIT_CTX_set_status(shared_ctx, ASYNC_STATUS_EAGAIN) == 1);
    /* While the job is paused, any thread may list the context and change it. */
    CHECK(ASYNC_WAIT_CTX_set_wait_fd(shared_ctx, &keys[2], 79, NULL, NULL) == 1);
    CHECK(ASYNC_WAIT_CTX_get_all_fds(shared_ctx, fds, &count) == 1 && count == 2 && fds[0] == 79 && fds[1] == 77);
    CHECK(ASYNC_WAIT_CTX_get_changed_fds(shared_ctx, NULL, &added, NULL, &count) == 1 && added == 2 && count == 0);
    CHECK(ASYNC_WAIT_CTX_clear_fd(shared_ctx, &keys[2]) == 1);
    CHECK(ASYNC_WAIT_CTX_set_callback(shared_ctx, at_once, keys) == 1);
    /* But all jobs on it belong to one thread. */
    CHECK(go(&fresh, shared_ctx, &ret, at_once) == ASYNC_ERR && said("another thread"));
    return NULL;
}

/* While it runs, other threads may look up. */
static void *uses_the_context_of_a_running_job(void *arg)
{
    ASYNC_callback_fn callback = NULL;
    OSSL_ASYNC_FD fd = -1;
    void *data = NULL;
    size_t count = 0;

    CHECK(ASYNC_get_wait_ctx((ASYNC_JOB *)arg) == shared_ctx);
    CHECK(ASYNC_WAIT_CTX_get_fd(shared_ctx, keys, &fd, &data) == 1 && fd == 77 && data == keys);
    CHECK(ASYNC_WAIT_CTX_get_callback(shared_ctx, &callback, &data) == 1 && callback == at_once && data == keys);
    CHECK(ASYNC_WAIT_CTX_get_status(shared_ctx) == ASYNC_STATUS_EAGAIN);
    CHECK(ASYNC_WAIT_CTX_set_status(shared_ctx, ASYNC_STATUS_EAGAIN) == 1);
    /* Changes are refused. */
    CHECK(ASYNC_WAIT_CTX_set_wait_fd(shared_ctx, keys, 1, NULL, NULL) == 0 && said("another thread"));
    CHECK(ASYNC_WAIT_CTX_clear_fd(shared_ctx, keys) == 0);
    CHECK(ASYNC_WAIT_CTX_set_callback(shared_ctx, NULL, NULL) == 0);
    CHECK(ASYNC_WAIT_CTX_get_all_fds(shared_ctx, NULL, &count) == 0);
    CHECK(ASYNC_WAIT_CTX_get_changed_fds(shared_ctx, NULL, &count, NULL, &count) == 0);
    return NULL;
}

static void in_thread(void *(*body)(void *), void *arg);

static int runs_while_others_look(void *arg)
{
    (void)arg;
    in_thread(uses_the_context_of_a_running_job, ASYNC_get_current_job());
    CHECK(ASYNC_pause_job() == 1);
    in_thread(uses_the_context_of_a_running_job, ASYNC_get_current_job());
    return 6;
}

static void *uses_an_idle_context(void *arg)
{
    ASYNC_JOB *job = NULL;
    int ret = 0;

    (void)arg;
    CHECK(ASYNC_WAIT_CTX_set_wait_fd(shared_ctx, &keys[1], 78, NULL, none) == 1);
    CHECK(go(&job, shared_ctx, &ret, pauses) == ASYNC_PAUSE && go(&job, shared_ctx, &ret, pauses) == ASYNC_FINISH);
    return NULL;
}

static void *frees_it(void *arg)
{
    (void)arg;
    ASYNC_WAIT_CTX_free(shared_ctx);
    return NULL;
}

static int is_freed_while_it_runs(void *arg)
{
    (void)arg;
    in_thread(frees_it, NULL);
    CHECK(cleanups == 2);
    return 6;
}

static void in_thread(void *(*body)(void *), void *arg)
{
    pthread_t thread;

    CHECK(pthread_create(&thread, NULL, body, arg) == 0 && pthread_join(thread, NULL) == 0);
}

static void s23_s53_other_threads(void)
{
    int ret = 0;

    shared_job = NULL;
    shared_ctx = ASYNC_WAIT_CTX_new();
    CHECK(ASYNC_WAIT_CTX_set_wait_fd(shared_ctx, keys, 77, keys, none) == 1);
    CHECK(ASYNC_WAIT_CTX_set_callback(shared_ctx, at_once, NULL) == 1);
    CHECK(ASYNC_WAIT_CTX_set_status(shared_ctx, ASYNC_STATUS_OK) == 1);
    CHECK(go(&shared_job, shared_ctx, &ret, pauses) == ASYNC_PAUSE);
    in_thread(uses_a_foreign_job, NULL);
    CHECK(ASYNC_WAIT_CTX_get_status(shared_ctx) == ASYNC_STATUS_EAGAIN);
    CHECK(go(&shared_job, shared_ctx, &ret, pauses) == ASYNC_FINISH && ret == 6);
    CHECK(go(&shared_job, shared_ctx, &ret, runs_while_others_look) == ASYNC_PAUSE);
    CHECK(go(&shared_job, shared_ctx, &ret, NULL) == ASYNC_FINISH && ret == 6);
    /* Without a job on it, any thread may use it. */
    in_thread(uses_an_idle_context, NULL);
    CHECK(ASYNC_WAIT_CTX_clear_fd(shared_ctx, &keys[1]) == 1);
    /* Freed by another thread while a job is paused: at once. The job's thread discards the job at its next call. */
    cleanups = 0;
    CHECK(go(&shared_job, shared_ctx, &ret, pauses) == ASYNC_PAUSE);
    in_thread(frees_it, NULL);
    CHECK(cleanups == 1 && ASYNC_get_wait_ctx(shared_job) == NULL);
    CHECK(go(&shared_job, NULL, &ret, pauses) == ASYNC_ERR);
    /* Freed by another thread with no job on it: at once. */
    shared_ctx = ASYNC_WAIT_CTX_new();
    CHECK(ASYNC_WAIT_CTX_set_wait_fd(shared_ctx, keys, 77, keys, none) == 1);
    in_thread(frees_it, NULL);
    CHECK(cleanups == 2);
    /* While a job runs on it: when the job has paused or finished. */
    shared_ctx = ASYNC_WAIT_CTX_new();
    CHECK(ASYNC_WAIT_CTX_set_wait_fd(shared_ctx, keys, 77, keys, none) == 1);
    shared_job = NULL;
    CHECK(go(&shared_job, shared_ctx, &ret, is_freed_while_it_runs) == ASYNC_FINISH && cleanups == 3);
}

static void *ends_with_paused_jobs(void *arg)
{
    ASYNC_JOB *jobs[5] = {NULL};
    int ret = 0, i;

    (void)arg;
    for (i = 0; i < 5; i++)
        CHECK(go(&jobs[i], NULL, &ret, pauses) == ASYNC_PAUSE);
    return NULL;
}

static int overflows(void *arg)
{
    volatile char frame[100 * 1024];

    (void)arg;
    frame[0] = 1;
    return frame[0];
}

/* 57: a frame that jumps over a page, and half of the guard. */
static void s57_an_overflow_is_a_clean_fault(void)
{
    struct rlimit no_core = {0, 0};
    ASYNC_JOB *job = NULL, *neighbour = NULL;
    pid_t child;
    int status = 0, ret = 0;

    child = fork();
    CHECK(child >= 0);
    if (child == 0) {
        setrlimit(RLIMIT_CORE, &no_core);
        CHECK(go(&neighbour, NULL, &ret, pauses) == ASYNC_PAUSE);
        go(&job, NULL, &ret, overflows);
        _exit(0);
    }
    CHECK(waitpid(child, &status, 0) == child && WIFSIGNALED(status));
    CHECK(WTERMSIG(status) == SIGSEGV || WTERMSIG(status) == SIGBUS);
}

int main(int argc, char **argv)
{
    (void)argv;
    s05_a_cleanup_may_use_its_context();
    s06_a_freed_context_discards_its_paused_jobs();
    s06_a_running_job_goes_on_without_its_context();
    null_arguments();
    s29_a_job_without_context_pauses();
    s34_s35_jobs_nest();
    s36_a_stale_handle_is_refused();
    s45_blocks_end_with_their_job();
    s49_a_second_init_counts_all_jobs();
    s51_cleanup_reclaims_paused_jobs();
    s51_cleanup_in_a_job_spares_that_job();
    s23_s53_other_threads();
    in_thread(ends_with_paused_jobs, NULL);
    /* valgrind would report the fault, which is deliberate. */
    if (argc == 1)
        s57_an_overflow_is_a_clean_fault();
    ASYNC_cleanup_thread();
    printf("ok\n");
    return 0;
}
