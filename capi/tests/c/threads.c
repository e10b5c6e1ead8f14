/*
 * Wait contexts and several threads, as engines and servers use them: another thread than the job's may wake it, list
 * its fds and free its context. The first argument names a case; the second is how much of it.
 */
#include "check.h"

#include <dirent.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <stdint.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#define LOAD(place) __atomic_load_n(&(place), __ATOMIC_ACQUIRE)
#define STORE(place, value) __atomic_store_n(&(place), value, __ATOMIC_RELEASE)
#define TAKE(place) __atomic_exchange_n(&(place), NULL, __ATOMIC_ACQ_REL)
#define ADD(place, more) __atomic_add_fetch(&(place), more, __ATOMIC_RELAXED)

static const char engine_id[] = "an engine";

static void closes(ASYNC_WAIT_CTX *ctx, const void *key, OSSL_ASYNC_FD fd, void *data)
{
    (void)ctx, (void)key;
    CHECK(close(fd) == 0);
    ADD(*(long *)data, 1);
}

/* ---- A polling thread wakes jobs: what hardware engines do ---- */

enum { JOBS = 16 };

static long closed, wakes_wanted;
static ASYNC_JOB *waiting[JOBS];
static int called_back[JOBS], over;
/* Readable when a callback was called. */
static int callback_fd;

static int calls_back(void *arg)
{
    uint64_t one = 1;

    STORE(*(int *)arg, 1);
    CHECK(write(callback_fd, &one, sizeof one) == sizeof one);
    return 1;
}

/* Waits for this many wakes, by fd or by callback; returns how often it was woken. */
static int waits(void *arg)
{
    int index = *(int *)arg, count;
    ASYNC_JOB *me = ASYNC_get_current_job();
    ASYNC_WAIT_CTX *ctx = ASYNC_get_wait_ctx(me);
    int fd = eventfd(0, EFD_NONBLOCK);
    uint64_t tokens;

    CHECK(ASYNC_WAIT_CTX_set_wait_fd(ctx, engine_id, fd, &closed, closes) == 1);
    if (index % 2)
        CHECK(ASYNC_WAIT_CTX_set_callback(ctx, calls_back, &called_back[index]) == 1);
    for (count = 0; count < wakes_wanted; count++) {
        STORE(waiting[index], me);
        if (index % 2) {
            while (__atomic_exchange_n(&called_back[index], 0, __ATOMIC_ACQ_REL) == 0)
                CHECK(ASYNC_pause_job() == 1);
        } else {
            while (read(fd, &tokens, sizeof tokens) != sizeof tokens)
                CHECK(ASYNC_pause_job() == 1);
            CHECK(tokens == 1);
        }
    }
    return count;
}

static void *wakes(void *arg)
{
    uint64_t one = 1;
    long *woken = (long *)arg;
    int index, idle = 0;

    while (!LOAD(over)) {
        for (index = 0, idle++; index < JOBS; index++) {
            ASYNC_JOB *job = LOAD(waiting[index]) == NULL ? NULL : TAKE(waiting[index]);
            ASYNC_callback_fn callback;
            ASYNC_WAIT_CTX *ctx;
            void *data;
            int fd;

            if (job == NULL)
                continue;
            ctx = ASYNC_get_wait_ctx(job);
            CHECK(ctx != NULL);
            CHECK(ASYNC_WAIT_CTX_set_status(ctx, ASYNC_STATUS_OK) == 1);
            if (ASYNC_WAIT_CTX_get_callback(ctx, &callback, &data))
                CHECK(callback == calls_back && callback(data) == 1);
            else
                CHECK(ASYNC_WAIT_CTX_get_fd(ctx, engine_id, &fd, &data) == 1 && write(fd, &one, sizeof one) == sizeof one);
            ++*woken;
            idle = 0;
        }
        if (idle)
            sched_yield();
    }
    return NULL;
}

static void wakes_from_a_polling_thread(long wakes_in_all)
{
    ASYNC_WAIT_CTX *ctxs[JOBS];
    ASYNC_JOB *jobs[JOBS] = {NULL}, *stale;
    struct pollfd fds[JOBS + 1];
    int finished = 0, index, ret, result;
    uint64_t called;
    pthread_t poller;
    size_t count;
    long woken = 0;

    wakes_wanted = wakes_in_all / JOBS;
    callback_fd = eventfd(0, EFD_NONBLOCK);
    CHECK(pthread_create(&poller, NULL, wakes, &woken) == 0);
    for (index = 0; index < JOBS; index++) {
        ctxs[index] = ASYNC_WAIT_CTX_new();
        fds[index].fd = -1;
        fds[index].events = POLLIN;
        result = ASYNC_start_job(&jobs[index], ctxs[index], &ret, waits, &index, sizeof index);
        CHECK(result == ASYNC_PAUSE || (result == ASYNC_FINISH && ret == wakes_wanted));
        if (result == ASYNC_FINISH)
            finished++;
        else if (index % 2 == 0)
            CHECK(ASYNC_WAIT_CTX_get_all_fds(ctxs[index], &fds[index].fd, &count) == 1 && count == 1);
    }
    fds[JOBS].fd = callback_fd;
    fds[JOBS].events = POLLIN;
    while (finished < JOBS) {
        CHECK(poll(fds, JOBS + 1, -1) > 0);
        if (fds[JOBS].revents)
            (void)!read(callback_fd, &called, sizeof called);
        for (index = 0; index < JOBS; index++) {
            if (jobs[index] == NULL || !(index % 2 ? LOAD(called_back[index]) : fds[index].revents))
                continue;
            stale = jobs[index];
            result = go(&jobs[index], ctxs[index], &ret, NULL);
            CHECK(result == ASYNC_PAUSE || (result == ASYNC_FINISH && ret == wakes_wanted));
            if (result == ASYNC_FINISH) {
                CHECK(ASYNC_get_wait_ctx(stale) == NULL);
                fds[index].fd = -1;
                finished++;
            }
        }
    }
    STORE(over, 1);
    CHECK(pthread_join(poller, NULL) == 0);
    CHECK(woken == wakes_wanted * JOBS);
    for (index = 0; index < JOBS; index++)
        ASYNC_WAIT_CTX_free(ctxs[index]);
    CHECK(closed == JOBS);
    close(callback_fd);
}

/* ---- Contexts that are freed by another thread than that of their jobs ---- */

static int open_fds(void)
{
    DIR *dir = opendir("/proc/self/fd");
    int count = 0;

    while (readdir(dir) != NULL)
        count++;
    closedir(dir);
    return count;
}

static long freed_fds;

static int registers_and_pauses(void *arg)
{
    ASYNC_WAIT_CTX *ctx = ASYNC_get_wait_ctx(ASYNC_get_current_job());
    int index = arg == NULL ? 0 : *(int *)arg;

    for (; index >= 0; index--)
        CHECK(ASYNC_WAIT_CTX_set_wait_fd(ctx, engine_id, eventfd(0, 0), &freed_fds, closes) == 1);
    CHECK(ASYNC_pause_job() == 1);
    return 7;
}

struct worker {
    pthread_t thread;
    ASYNC_WAIT_CTX *ctx;
    int index, works_on;
};

static pthread_barrier_t barrier;

static void *pauses_a_job(void *arg)
{
    struct worker *worker = (struct worker *)arg;
    ASYNC_JOB *job = NULL, *another = NULL;
    ASYNC_WAIT_CTX *own = ASYNC_WAIT_CTX_new();
    int ret = -7;

    CHECK(ASYNC_start_job(&job, worker->ctx, &ret, registers_and_pauses, &worker->index, sizeof(int)) == ASYNC_PAUSE);
    pthread_barrier_wait(&barrier);
    /* After that the contexts are freed. */
    pthread_barrier_wait(&barrier);
    CHECK(ASYNC_get_wait_ctx(job) == NULL);
    if (worker->works_on) {
        CHECK(go(&another, own, &ret, registers_and_pauses) == ASYNC_PAUSE);
        CHECK(go(&job, NULL, &ret, NULL) == ASYNC_ERR && ret == -7);
        CHECK(go(&another, NULL, &ret, NULL) == ASYNC_FINISH && ret == 7);
    }
    ASYNC_WAIT_CTX_free(own);
    return NULL;
}

static void contexts_freed_elsewhere_end_at_once(long count)
{
    struct worker *workers = (struct worker *)calloc((size_t)count, sizeof *workers);
    int before = open_fds();
    long i, registered = 0;

    CHECK(pthread_barrier_init(&barrier, NULL, (unsigned)count + 1) == 0);
    for (i = 0; i < count; i++) {
        workers[i].ctx = ASYNC_WAIT_CTX_new();
        workers[i].index = (int)(i % 3);
        workers[i].works_on = i % 2;
        registered += i % 3 + 1;
        CHECK(pthread_create(&workers[i].thread, NULL, pauses_a_job, &workers[i]) == 0);
    }
    pthread_barrier_wait(&barrier);
    CHECK(open_fds() == before + registered);
    for (i = 0; i < count; i++)
        ASYNC_WAIT_CTX_free(workers[i].ctx);
    CHECK(freed_fds == registered && open_fds() == before);
    pthread_barrier_wait(&barrier);
    for (i = 0; i < count; i++)
        CHECK(pthread_join(workers[i].thread, NULL) == 0);
    CHECK(freed_fds == registered + count / 2 && open_fds() == before);
    free(workers);
    pthread_barrier_destroy(&barrier);
}

/* ---- Races ---- */

static ASYNC_WAIT_CTX *handed_over;
static long rounds, refused, allowed;

static void *frees(void *arg)
{
    long round;

    (void)arg;
    for (round = 0; round < rounds; round++) {
        ASYNC_WAIT_CTX *ctx;

        while ((ctx = LOAD(handed_over) == NULL ? NULL : TAKE(handed_over)) == NULL)
            sched_yield();
        ASYNC_WAIT_CTX_free(ctx);
    }
    return NULL;
}

struct handing {
    ASYNC_WAIT_CTX *ctx;
    int pauses_before, pauses_after;
};

static int hands_over(void *arg)
{
    struct handing handing = *(struct handing *)arg;

    CHECK(ASYNC_WAIT_CTX_set_wait_fd(handing.ctx, engine_id, eventfd(0, 0), &freed_fds, closes) == 1);
    if (handing.pauses_before)
        CHECK(ASYNC_pause_job() == 1);
    while (LOAD(handed_over) != NULL)
        sched_yield();
    STORE(handed_over, handing.ctx);
    if (handing.pauses_after)
        CHECK(ASYNC_pause_job() == 1);
    return 8;
}

static void a_context_is_freed_as_its_job_ends(long count)
{
    int before = open_fds(), ret;
    pthread_t thread;
    long round;

    freed_fds = 0;
    rounds = count;
    CHECK(pthread_create(&thread, NULL, frees, NULL) == 0);
    for (round = 0; round < count; round++) {
        struct handing handing = {ASYNC_WAIT_CTX_new(), round % 2, round % 3 == 0};
        ASYNC_JOB *job = NULL;
        int result = ASYNC_start_job(&job, handing.ctx, &ret, hands_over, &handing, sizeof handing);

        while (result == ASYNC_PAUSE) {
            if (round % 5 == 0)
                sched_yield();
            result = go(&job, NULL, &ret, NULL);
        }
        /* Freed while it is paused, a job is discarded. */
        CHECK((result == ASYNC_FINISH && ret == 8) || (handing.pauses_after && result == ASYNC_ERR));
    }
    CHECK(pthread_join(thread, NULL) == 0);
    /* A context that was freed while its job ran ends after the job, at the latest with the next call. */
    ASYNC_cleanup_thread();
    CHECK(freed_fds == count && open_fds() == before);
}

static ASYNC_WAIT_CTX *disputed;

static int pauses_often(void *arg)
{
    long pauses = *(long *)arg;

    while (pauses-- > 0) {
        CHECK(ASYNC_WAIT_CTX_set_wait_fd(disputed, engine_id, 5, NULL, NULL) == 1);
        CHECK(ASYNC_pause_job() == 1);
        CHECK(ASYNC_WAIT_CTX_clear_fd(disputed, engine_id) == 1);
    }
    return 9;
}

/* Calls that an application would have to serialise: each is admitted or refused, and nothing breaks. */
static void *interferes(void *arg)
{
    ASYNC_callback_fn callback;
    OSSL_ASYNC_FD fds[8];
    size_t added, deleted;
    void *data;

    (void)arg;
    while (!LOAD(over)) {
        int in = ASYNC_WAIT_CTX_set_wait_fd(disputed, &over, 6, NULL, NULL);

        if (in)
            while (ASYNC_WAIT_CTX_clear_fd(disputed, &over) == 0)
                sched_yield();
        ADD(*(in ? &allowed : &refused), 1);
        ASYNC_WAIT_CTX_get_fd(disputed, engine_id, fds, &data);
        if (ASYNC_WAIT_CTX_get_callback(disputed, &callback, &data))
            CHECK(callback == calls_back && data == &over);
        ASYNC_WAIT_CTX_set_callback(disputed, calls_back, &over);
        added = 0;
        if (ASYNC_WAIT_CTX_get_all_fds(disputed, NULL, &added))
            CHECK(added <= 3);
        ASYNC_WAIT_CTX_get_changed_fds(disputed, NULL, &added, NULL, &deleted);
        ASYNC_WAIT_CTX_set_callback(disputed, NULL, NULL);
    }
    return NULL;
}

static void others_interfere(long count)
{
    pthread_t threads[2];
    ASYNC_JOB *job = NULL;
    int ret = 0, i, result;
    long times = 0;

    disputed = ASYNC_WAIT_CTX_new();
    STORE(over, 0);
    for (i = 0; i < 2; i++)
        CHECK(pthread_create(&threads[i], NULL, interferes, NULL) == 0);
    result = ASYNC_start_job(&job, disputed, &ret, pauses_often, &count, sizeof count);
    for (; result == ASYNC_PAUSE; times++)
        result = go(&job, NULL, &ret, NULL);
    CHECK(result == ASYNC_FINISH && ret == 9 && times == count);
    /* All are admitted where no job runs. */
    for (times = LOAD(allowed); LOAD(allowed) == times;)
        sched_yield();
    STORE(over, 1);
    for (i = 0; i < 2; i++)
        CHECK(pthread_join(threads[i], NULL) == 0);
    ASYNC_WAIT_CTX_free(disputed);
}

/* ---- Two threads work on one context, whenever the other does not ---- */

enum { VISITS = 500, WORKERS = 2 };

static ASYNC_WAIT_CTX *shared;
/* Not atomic: it is for the thread whose job runs on the context. */
static long visits;
static long done_visits;

static int visits_once(void *arg)
{
    long before = visits;

    if (before % 3 == 0)
        CHECK(ASYNC_WAIT_CTX_set_wait_fd(shared, arg, 7, NULL, NULL) == 1);
    visits = before + 1;
    if (before % 3 == 0)
        CHECK(ASYNC_WAIT_CTX_clear_fd(shared, arg) == 1);
    return 9;
}

static void *visits_often(void *arg)
{
    long times = 0;

    while (times < VISITS) {
        ASYNC_JOB *job = NULL;
        int ret = 0, result = go(&job, shared, &ret, visits_once);

        CHECK(result == ASYNC_FINISH || result == ASYNC_ERR);
        if (result == ASYNC_FINISH)
            times++;
        else
            sched_yield();
    }
    ADD(done_visits, times);
    ASYNC_cleanup_thread();
    return arg;
}

/* Each pair of threads may get the numbers of the pair before, whose first worker the context was kept for. */
static void threads_alternate(long count)
{
    pthread_t threads[WORKERS];
    long round;
    int i;

    for (round = 0; round < count; round++) {
        if (round % 4 == 0) {
            if (shared)
                ASYNC_WAIT_CTX_free(shared);
            shared = ASYNC_WAIT_CTX_new();
        }
        /* Every other time, one after the other. */
        for (i = 0; i < WORKERS; i++) {
            CHECK(pthread_create(&threads[i], NULL, visits_often, NULL) == 0);
            if (round % 2)
                CHECK(pthread_join(threads[i], NULL) == 0);
        }
        for (i = 0; i < WORKERS && round % 2 == 0; i++)
            CHECK(pthread_join(threads[i], NULL) == 0);
    }
    ASYNC_WAIT_CTX_free(shared);
    CHECK(visits == LOAD(done_visits) && visits == count * WORKERS * VISITS);
}

int main(int argc, char **argv)
{
    long count = argc > 2 ? atol(argv[2]) : 1;

    CHECK(argc > 1);
    if (strcmp(argv[1], "wakes") == 0)
        wakes_from_a_polling_thread(count);
    else if (strcmp(argv[1], "frees") == 0)
        contexts_freed_elsewhere_end_at_once(count);
    else if (strcmp(argv[1], "ends") == 0)
        a_context_is_freed_as_its_job_ends(count);
    else if (strcmp(argv[1], "interferes") == 0)
        others_interfere(count);
    else if (strcmp(argv[1], "alternates") == 0)
        threads_alternate(count);
    else
        CHECK(!"a case");
    ASYNC_cleanup_thread();
    printf("ok\n");
    return 0;
}
