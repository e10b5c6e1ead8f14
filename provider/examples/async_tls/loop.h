/* The event loop: one epoll, one thread, and the connections that can run. loop.c has the picture. */

#ifndef LOOP_H
#define LOOP_H

#include <stdint.h>
#include <time.h>

#include "connection.h"

struct loop {
    int epoll;
    bool stopping;              /* SIGINT or SIGTERM came */
    bool finished;              /* the application is through */
    void (*on_stop)(struct loop *loop);    /* new connections are not wanted any more */

    TAILQ_HEAD(, connection) runnable;
    TAILQ_HEAD(, connection) starved;       /* without a job, or without room in the device */
    LIST_HEAD(, connection) connections;
    size_t num_runnable;

    bool callback;              /* engines wake by loop_wake */
    int event_fd;
    _Atomic(struct connection *) woken;
    struct watch event_watch;

    int signal_fd;
    struct watch signal_watch;

    /* What is printed at the end. */
    uint64_t pauses, resumes, wakes, no_job, fds, failures, closed_paused;
    unsigned paused, most_paused;
    struct timespec since, busy_since;     /* the wall clock, and this thread's processor time */
};

/* Exits with a message if the process lacks something. */
void loop_init(struct loop *loop, bool callback, unsigned max_jobs);

/* Runs until it is finished, and no connection is left. */
void loop_run(struct loop *loop);
void loop_end(struct loop *loop);

void loop_watch(struct loop *loop, int fd, struct watch *watch, uint32_t events);
void loop_forget(struct loop *loop, int fd);

/* For connection.c. */
void loop_enter(struct loop *loop, struct connection *c);
void loop_leave(struct loop *loop, struct connection *c);
void loop_run_later(struct loop *loop, struct connection *c);
void loop_retry_later(struct loop *loop, struct connection *c);
void loop_call_paused(struct loop *loop, bool first);
void loop_job_ended(struct loop *loop);
void loop_failure(struct loop *loop, enum call call, int error);
int loop_wake(SSL *ssl, void *connection);

/* What is printed counts from here on; loop_init is the first such moment. */
void loop_start_clock(struct loop *loop);

/* Prints a line each about pauses, fds and the loop's processor time. */
void loop_print(const struct loop *loop);
double loop_seconds(const struct loop *loop);

#endif
