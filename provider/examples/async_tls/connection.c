/* One TLS connection whose calls may pause.

     ┌──────────────────── the loop runs the connection ◄────────────────────────────────────┐
     ▼                                                                                       │
   the paused call, else one that the application wants:                                     │
   SSL_do_handshake, SSL_read, SSL_write, SSL_shutdown                                       │
     │                                                                                       │
     ├─ a result ─────────► the application has its bytes ───────────────────────────────────┤
     ├─ WANT_READ ────────► waits for the socket ............ EPOLLIN ───────────────────────┤
     ├─ WANT_WRITE ───────► waits for the socket ............ EPOLLOUT ──────────────────────┤
     ├─ WANT_ASYNC ───────► paused .......................... the engine's fd or callback ───┤
     ├─ WANT_ASYNC_JOB ───► all jobs are in use ............. another connection's has ended ┘
     └─ anything else ────► closed

   An "engine" is what has paused the job: a provider, or an ENGINE of OpenSSL 3.

   What an application has to know:

   1. A connection has one job. While it is paused, *every* call on the SSL resumes that job, and returns that
      job's result: an SSL_read after a paused SSL_write returns the number of bytes written. So the call that
      has paused is remembered, and only that call is made. A connection cannot read while it writes.
   2. The job has taken the call's arguments when it started; a repeated call's are ignored. So the buffer stays
      where it is, and as it is, until the call has ended. SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER does not help:
      it is about a call that has *ended* with WANT_READ or WANT_WRITE.
   3. Events of the socket do not resume a job. They are remembered until the call has ended.
   4. A wake is a hint. The call may pause again, for its next operation, or because it was resumed too early.
   5. A wake may come before the call that pauses has returned, and the callback comes in any thread.
   6. SSL_free while the job is paused leaks the job: its stack and all that the call holds. libcrypto cannot
      cancel a job. So the connection is closed in two steps: the socket is shut down, which lets the call end
      soon, and the job is resumed until it has ended.
   7. The fds belong to the engine. They are polled, never read or closed, and they leave epoll before SSL_free.
   8. A job is resumed in the thread that started it: a connection does not move to another thread.
   9. The error queue is the thread's. It is emptied before each call: another connection's job may have left
      errors there. SSL_get_error comes right after the call.
  10. A call that fails may pause after that: it encrypts its alert. SSL_get_error then reads the error queue, and
      says SSL_ERROR_SSL, not WANT_ASYNC. SSL_waiting_for_async is what tells whether a job is paused; who goes by
      SSL_get_error alone leaks this job (rule 6).
  11. OpenSSL 4.0 never ends that job: it refuses every call on a connection that has failed before it would resume
      one. So there the connection is closed at once, and the job leaks. An engine that does not pause for an alert's
      few bytes avoids it (this provider: async_min_bytes=16). */

#define _GNU_SOURCE
#include "connection.h"

#include <openssl/async.h>
#include <openssl/err.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "loop.h"

/* A connection that never has to wait lets the others run after this number of calls. */
enum { CALLS_IN_A_TURN = 16 };

#define OWNER(watch, member) ((struct connection *)((char *)(watch) - offsetof(struct connection, member)))

static void socket_ready(struct watch *watch, uint32_t events);
static void async_ready(struct watch *watch, uint32_t events);
static void free_connection(struct connection *c);

void connection_begin(struct connection *c, struct loop *loop, const struct application *application, SSL *ssl,
                      int socket)
{
    c->ssl = ssl;
    c->socket = socket;
    c->loop = loop;
    c->application = application;
    c->socket_watch.ready = socket_ready;
    c->async_watch.ready = async_ready;
    loop_enter(loop, c);
    if (!SSL_set_fd(ssl, socket)) {
        connection_close(c, END_FAILED);
        return;
    }
    if (loop->callback) {
        /* Before the first call: libssl hands the callback to the wait context when it makes that. */
        SSL_set_async_callback(ssl, loop_wake);
        SSL_set_async_callback_arg(ssl, c);
    }
    /* Edges, so that nothing has to be switched off while the job is paused and the socket is not read. */
    loop_watch(loop, socket, &c->socket_watch, EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET);
    loop_run_later(loop, c);
}

/* ---- A call, and its result ---- */

static enum call next_call(const struct connection *c)
{
    if (c->paused)
        return c->paused; /* rule 1 */
    if (c->closing)
        return NO_CALL;
    unsigned calls = c->application->wants((struct connection *)c) & ~(c->waiting_to_read | c->waiting_to_write);
    if (c->last == READ && (calls & WRITE))
        return WRITE;
    return (enum call)(calls & -calls); /* the lowest bit */
}

static int make_call(struct connection *c, enum call call, size_t *bytes)
{
    switch (call) {
    case HANDSHAKE:
        return SSL_do_handshake(c->ssl);
    case READ:
        return SSL_read_ex(c->ssl, c->in, c->in_size, bytes);
    case WRITE:
        return SSL_write_ex(c->ssl, c->out, c->out_size, bytes);
    case SHUTDOWN:
        return SSL_shutdown(c->ssl);
    case NO_CALL:
        break;
    }
    abort();
}

static void call_paused(struct connection *c, enum call call);
static void call_ended(struct connection *c, enum call call, int error, size_t bytes);

static void fails(struct connection *c, enum call call, int error)
{
    if (!c->closing && !c->failed)
        loop_failure(c->loop, call, error);
    c->failed = true;
}

/* Rule 11. */
static bool resumes_after_failure(void)
{
    return OpenSSL_version_num() < 0x40000000UL;
}

static void abandon_job(struct connection *c)
{
    if (c->paused)
        loop_job_ended(c->loop);
    c->paused = NO_CALL;
    connection_close(c, END_FAILED);
}

/* False when the connection has to wait. */
static bool step(struct connection *c, enum call call)
{
    size_t bytes = 0;

    ERR_clear_error(); /* rule 9 */
    int result = make_call(c, call, &bytes);
    int error = SSL_get_error(c->ssl, result);
    if (call == SHUTDOWN && result == 0)
        error = SSL_ERROR_NONE; /* half of the shutdown is done */
    else if (call == SHUTDOWN && result == 1)
        bytes = 1;

    c->loop->resumes += c->paused != NO_CALL;
    if (SSL_waiting_for_async(c->ssl)) { /* rule 10 */
        if (error != SSL_ERROR_WANT_ASYNC)
            fails(c, call, error);
        if (error == SSL_ERROR_SSL && !resumes_after_failure())
            abandon_job(c);
        else
            call_paused(c, call);
        return false;
    }
    if (c->paused) {
        c->paused = NO_CALL;
        loop_job_ended(c->loop);
    }
    c->last = call;
    call_ended(c, call, error, bytes);
    return error != SSL_ERROR_WANT_ASYNC_JOB;
}

static void call_ended(struct connection *c, enum call call, int error, size_t bytes)
{
    switch (error) {
    case SSL_ERROR_NONE:
        c->application->done(c, call, bytes);
        break;
    case SSL_ERROR_ZERO_RETURN:
        if (call == READ)
            c->application->done(c, READ, 0);
        else
            connection_close(c, END_FAILED);
        break;
    case SSL_ERROR_WANT_READ:
        c->waiting_to_read |= call;
        break;
    case SSL_ERROR_WANT_WRITE:
        c->waiting_to_write |= call;
        break;
    case SSL_ERROR_WANT_ASYNC_JOB: /* no job has started: the call is made again when one is free */
        loop_retry_later(c->loop, c);
        break;
    default:
        fails(c, call, error);
        connection_close(c, END_FAILED);
    }
}

void connection_run(struct connection *c)
{
    for (int calls = 0; calls < CALLS_IN_A_TURN; calls++) {
        if (c->closing && !c->paused) {
            free_connection(c);
            return;
        }
        enum call call = next_call(c);
        if (call == NO_CALL || !step(c, call))
            return;
    }
    loop_run_later(c->loop, c);
}

void connection_continue(struct connection *c)
{
    loop_run_later(c->loop, c);
}

/* ---- Events ---- */

static void socket_ready(struct watch *watch, uint32_t events)
{
    struct connection *c = OWNER(watch, socket_watch);

    if (events & (EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR))
        c->waiting_to_read = 0;
    if (events & (EPOLLOUT | EPOLLHUP | EPOLLERR))
        c->waiting_to_write = 0;
    if (!c->paused) /* rule 3 */
        loop_run_later(c->loop, c);
}

static void async_ready(struct watch *watch, uint32_t events)
{
    struct connection *c = OWNER(watch, async_watch);

    (void)events;
    c->loop->wakes++;
    if (c->paused)
        loop_run_later(c->loop, c);
}

/* ---- A paused call ---- */

static OSSL_ASYNC_FD *room_for_fds(size_t count)
{
    OSSL_ASYNC_FD *fds = calloc(count + 1, sizeof *fds);

    if (fds == NULL)
        abort();
    return fds;
}

/* Asked after every pause: an engine registers its fd when it pauses first, and may exchange it. What is told
   is what has changed since the job was resumed. */
static void follow_fds(struct connection *c)
{
    size_t added, deleted;

    if (!SSL_get_changed_async_fds(c->ssl, NULL, &added, NULL, &deleted) || added + deleted == 0)
        return;
    OSSL_ASYNC_FD *add = room_for_fds(added), *delete = room_for_fds(deleted);
    SSL_get_changed_async_fds(c->ssl, add, &added, delete, &deleted);
    /* The deleted ones first: a new fd may have the number of an old one. */
    for (size_t i = 0; i < deleted; i++)
        loop_forget(c->loop, delete[i]);
    for (size_t i = 0; i < added; i++)
        loop_watch(c->loop, add[i], &c->async_watch, EPOLLIN | EPOLLET);
    c->loop->fds += added;
    free(add);
    free(delete);
}

/* All fds of the engines that have paused this connection. They may be freed. */
static OSSL_ASYNC_FD *all_fds(struct connection *c, size_t *count)
{
    if (!SSL_get_all_async_fds(c->ssl, NULL, count))
        *count = 0;
    OSSL_ASYNC_FD *fds = room_for_fds(*count);
    if (*count > 0)
        SSL_get_all_async_fds(c->ssl, fds, count);
    return fds;
}

/* The engine says whether it is going to call the callback. */
static void expect_callback(struct connection *c)
{
    int status = ASYNC_STATUS_UNSUPPORTED;
    size_t count;

    SSL_get_async_status(c->ssl, &status);
    if (status == ASYNC_STATUS_OK)
        return;
    if (status == ASYNC_STATUS_EAGAIN) { /* its device is full */
        loop_retry_later(c->loop, c);
        return;
    }
    /* It knows no callbacks, or says nothing. */
    OSSL_ASYNC_FD *fds = all_fds(c, &count);
    for (size_t i = 0; i < count; i++)
        loop_watch(c->loop, fds[i], &c->async_watch, EPOLLIN | EPOLLET);
    free(fds);
    if (count == 0)
        loop_retry_later(c->loop, c);
}

static void call_paused(struct connection *c, enum call call)
{
    loop_call_paused(c->loop, c->paused == NO_CALL);
    c->paused = call;
    if (c->loop->callback)
        expect_callback(c);
    else
        follow_fds(c);
    if (c->application->paused)
        c->application->paused(c);
}

/* ---- The end ---- */

void connection_close(struct connection *c, enum end end)
{
    if (c->closing)
        return;
    c->closing = true;
    c->end = end;
    if (c->paused) {
        shutdown(c->socket, SHUT_RDWR); /* rule 6 */
        c->loop->closed_paused++;
    } else {
        loop_run_later(c->loop, c);
    }
}

static void forget_fds(struct connection *c)
{
    size_t count;
    OSSL_ASYNC_FD *fds = all_fds(c, &count);

    for (size_t i = 0; i < count; i++)
        loop_forget(c->loop, fds[i]);
    free(fds);
}

static void reset_on_close(int socket)
{
    struct linger linger = {.l_onoff = 1, .l_linger = 0};

    setsockopt(socket, SOL_SOCKET, SO_LINGER, &linger, sizeof linger);
}

static void free_connection(struct connection *c)
{
    forget_fds(c); /* rule 7 */
    if (c->end == END_DROPPED)
        reset_on_close(c->socket);
    close(c->socket);
    SSL_free(c->ssl);
    /* Only now: the callback comes until the wait context has gone with the SSL. */
    loop_leave(c->loop, c);
    c->application->ended(c, c->end);
}
