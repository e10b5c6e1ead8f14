/* The event loop: one epoll, one thread.

     epoll_wait ──► events of sockets and of engines' fds ──┐
         ▲                                                  ├──► runnable ──► connection_run, each once
         │    another thread: loop_wake ──► woken list ─────┘        │
         │                        └── one eventfd ──► epoll          ├── has paused, or waits: an event brings it back
         │                                                           └── has no job: the end of another's job does      
         └───────────────────────────────────────────────────────────────────┘

   Events only put connections into the queue, and connections run, and are freed, when all events are taken: one
   event of a batch never meets a connection that another one has freed.

   A program with several threads has a loop in each. Jobs belong to their thread (rule 8 in connection.c). */

#define _GNU_SOURCE
#include "loop.h"

#include <errno.h>
#include <openssl/async.h>
#include <openssl/err.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <unistd.h>

/* How soon a connection without a job tries again when no other connection's job can end. */
enum { RETRY_MSEC = 1, EVENTS = 256 };

static void die(const char *what)
{
    perror(what);
    exit(1);
}

/* ---- Beginning and end ---- */

static void woken_ready(struct watch *watch, uint32_t events);
static void signal_ready(struct watch *watch, uint32_t events);

static int signals_as_fd(void)
{
    sigset_t signals;

    sigemptyset(&signals);
    sigaddset(&signals, SIGINT);
    sigaddset(&signals, SIGTERM);
    sigprocmask(SIG_BLOCK, &signals, NULL);
    signal(SIGPIPE, SIG_IGN); /* a write to a socket that the peer has closed */
    return signalfd(-1, &signals, SFD_NONBLOCK | SFD_CLOEXEC);
}

void loop_init(struct loop *loop, bool callback, unsigned max_jobs)
{
    memset(loop, 0, sizeof *loop);
    loop->callback = callback;
    TAILQ_INIT(&loop->runnable);
    TAILQ_INIT(&loop->starved);
    LIST_INIT(&loop->connections);
    loop->epoll = epoll_create1(EPOLL_CLOEXEC);
    loop->event_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    loop->signal_fd = signals_as_fd();
    if (loop->epoll < 0 || loop->event_fd < 0 || loop->signal_fd < 0)
        die("loop");
    loop->event_watch.ready = woken_ready;
    loop->signal_watch.ready = signal_ready;
    loop_watch(loop, loop->event_fd, &loop->event_watch, EPOLLIN);
    loop_watch(loop, loop->signal_fd, &loop->signal_watch, EPOLLIN);
    /* The pool of this thread's jobs. A job has a stack of 32 KiB and is used again; 0 sets no limit. */
    if (!ASYNC_init_thread(max_jobs, 0))
        die("ASYNC_init_thread");
    loop_start_clock(loop);
}

void loop_end(struct loop *loop)
{
    close(loop->epoll);
    close(loop->event_fd);
    close(loop->signal_fd);
    ASYNC_cleanup_thread(); /* frees the pool; a job that is paused would be leaked here */
}

/* Every connection is closed, and the loop goes on until the last paused call has ended. */
static void stop(struct loop *loop)
{
    struct connection *c;

    loop->stopping = true;
    loop->finished = true;
    if (loop->on_stop)
        loop->on_stop(loop);
    LIST_FOREACH(c, &loop->connections, all)
        connection_close(c, END_DROPPED);
}

static void signal_ready(struct watch *watch, uint32_t events)
{
    struct loop *loop = (struct loop *)((char *)watch - offsetof(struct loop, signal_watch));
    struct signalfd_siginfo info;

    (void)events;
    while (read(loop->signal_fd, &info, sizeof info) == sizeof info) {
        if (loop->stopping) {
            fprintf(stderr, "stopped with %u jobs paused\n", loop->paused);
            _exit(1);
        }
        stop(loop);
    }
}

/* ---- Connections that can run ---- */

static void unqueue(struct loop *loop, struct connection *c)
{
    if (c->queue == RUNNABLE) {
        TAILQ_REMOVE(&loop->runnable, c, queued);
        loop->num_runnable--;
    } else if (c->queue == STARVED) {
        TAILQ_REMOVE(&loop->starved, c, queued);
    }
    c->queue = NOWHERE;
}

void loop_run_later(struct loop *loop, struct connection *c)
{
    if (c->queue == RUNNABLE)
        return;
    unqueue(loop, c);
    TAILQ_INSERT_TAIL(&loop->runnable, c, queued);
    loop->num_runnable++;
    c->queue = RUNNABLE;
}

void loop_retry_later(struct loop *loop, struct connection *c)
{
    loop->no_job += c->paused == NO_CALL;
    if (c->queue != NOWHERE)
        return;
    TAILQ_INSERT_TAIL(&loop->starved, c, queued);
    c->queue = STARVED;
}

void loop_call_paused(struct loop *loop, bool first)
{
    loop->pauses++;
    loop->paused += first;
    if (loop->paused > loop->most_paused)
        loop->most_paused = loop->paused;
}

void loop_job_ended(struct loop *loop)
{
    struct connection *next = TAILQ_FIRST(&loop->starved);

    loop->paused--;
    if (next)
        loop_run_later(loop, next);
}

/* What becomes runnable meanwhile has its turn after the next look at epoll. */
static void run_turn(struct loop *loop)
{
    for (size_t left = loop->num_runnable; left > 0 && loop->num_runnable > 0; left--) {
        struct connection *c = TAILQ_FIRST(&loop->runnable);
        unqueue(loop, c);
        connection_run(c);
    }
}

void loop_enter(struct loop *loop, struct connection *c)
{
    LIST_INSERT_HEAD(&loop->connections, c, all);
}

/* ---- Wakes by callback ---- */

/* The engine calls it, in whatever thread, and perhaps before the call that pauses has returned. It takes no
   lock and calls nothing of libssl. */
int loop_wake(SSL *ssl, void *connection)
{
    struct connection *c = connection, *first;
    struct loop *loop = c->loop;
    const uint64_t one = 1;

    (void)ssl;
    if (atomic_exchange(&c->woken, true))
        return 1; /* is in the list */
    first = atomic_load(&loop->woken);
    do
        c->next_woken = first;
    while (!atomic_compare_exchange_weak(&loop->woken, &first, c));
    /* The first in the list wakes the loop, which takes the whole list. */
    if (first == NULL && write(loop->event_fd, &one, sizeof one) < 0 && errno != EAGAIN)
        abort();
    return 1;
}

static void woken_ready(struct watch *watch, uint32_t events)
{
    struct loop *loop = (struct loop *)((char *)watch - offsetof(struct loop, event_watch));
    uint64_t count;

    (void)events;
    if (read(loop->event_fd, &count, sizeof count) < 0 && errno != EAGAIN)
        die("eventfd");
}

static void take_woken(struct loop *loop)
{
    struct connection *c = atomic_exchange(&loop->woken, NULL), *next;

    for (; c; c = next) {
        next = c->next_woken; /* before it may be put into the list again */
        atomic_store(&c->woken, false);
        loop->wakes++;
        if (c->paused)
            loop_run_later(loop, c);
    }
}

void loop_leave(struct loop *loop, struct connection *c)
{
    take_woken(loop);
    unqueue(loop, c);
    LIST_REMOVE(c, all);
}

/* ---- epoll ---- */

void loop_watch(struct loop *loop, int fd, struct watch *watch, uint32_t events)
{
    struct epoll_event event = {.events = events, .data.ptr = watch};

    if (epoll_ctl(loop->epoll, EPOLL_CTL_ADD, fd, &event) < 0
        && (errno != EEXIST || epoll_ctl(loop->epoll, EPOLL_CTL_MOD, fd, &event) < 0))
        die("epoll_ctl");
}

void loop_forget(struct loop *loop, int fd)
{
    /* An fd that its owner has closed has left epoll already. */
    if (epoll_ctl(loop->epoll, EPOLL_CTL_DEL, fd, NULL) < 0 && errno != ENOENT && errno != EBADF)
        die("epoll_ctl");
}

static int patience(const struct loop *loop)
{
    if (!TAILQ_EMPTY(&loop->runnable))
        return 0;
    return TAILQ_EMPTY(&loop->starved) ? -1 : RETRY_MSEC;
}

static void wait_for_events(struct loop *loop)
{
    struct epoll_event events[EVENTS];
    int count = epoll_wait(loop->epoll, events, EVENTS, patience(loop));

    if (count < 0 && errno != EINTR)
        die("epoll_wait");
    for (int i = 0; i < count; i++) {
        struct watch *watch = events[i].data.ptr;
        watch->ready(watch, events[i].events);
    }
    /* Nobody's job has ended: another user of jobs may have given one back, or the device has room again. */
    if (count == 0 && !TAILQ_EMPTY(&loop->starved))
        loop_run_later(loop, TAILQ_FIRST(&loop->starved));
}

void loop_run(struct loop *loop)
{
    while (!loop->finished || !LIST_EMPTY(&loop->connections)) {
        wait_for_events(loop);
        take_woken(loop);
        run_turn(loop);
    }
}

/* ---- Output ---- */

void loop_failure(struct loop *loop, enum call call, int error)
{
    const char *name = call == HANDSHAKE ? "SSL_do_handshake" : call == READ ? "SSL_read"
                     : call == WRITE ? "SSL_write" : "SSL_shutdown";
    unsigned long code = ERR_peek_error();
    char reason[256];

    if (loop->failures++ > 4)
        return; /* the first ones tell */
    if (code)
        ERR_error_string_n(code, reason, sizeof reason);
    else
        snprintf(reason, sizeof reason, "%s", error == SSL_ERROR_SYSCALL && errno ? strerror(errno) : "closed");
    fprintf(stderr, "%s: %s\n", name, reason);
}

void loop_start_clock(struct loop *loop)
{
    clock_gettime(CLOCK_MONOTONIC, &loop->since);
    /* Of this thread: a device has threads of its own. */
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &loop->busy_since);
}

static double seconds_since(const struct timespec *before, clockid_t clock)
{
    struct timespec now;

    clock_gettime(clock, &now);
    return (double)(now.tv_sec - before->tv_sec) + (double)(now.tv_nsec - before->tv_nsec) / 1e9;
}

double loop_seconds(const struct loop *loop)
{
    return seconds_since(&loop->since, CLOCK_MONOTONIC);
}

void loop_print(const struct loop *loop)
{
    printf("pauses        %llu, %llu resumes, %u at once, %llu wakes\n", (unsigned long long)loop->pauses,
           (unsigned long long)loop->resumes, loop->most_paused, (unsigned long long)loop->wakes);
    printf("closed paused %llu\n", (unsigned long long)loop->closed_paused);
    printf("without a job %llu\n", (unsigned long long)loop->no_job);
    printf("async fds     %llu\n", (unsigned long long)loop->fds);
    printf("loop          %.6f s of processor time in %.6f s\n",
           seconds_since(&loop->busy_since, CLOCK_THREAD_CPUTIME_ID), loop_seconds(loop));
}
