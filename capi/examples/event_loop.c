/* Many jobs on one thread, with epoll: the program of the README's section "From C". C11 or C++17. */

#include <simaccel/async.h>
#include <simaccel/engine.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>

enum { CONNECTIONS = 100 };

static simaccel_session *session;
static int epoll_fd;

struct connection {
    ASYNC_WAIT_CTX *ctx;
    ASYNC_JOB *job;
    unsigned char text[32], sealed[32], opened[32];
};

static void check(simaccel_result result)
{
    if (result != SIMACCEL_OK) {
        fprintf(stderr, "%s: %s\n", simaccel_result_name(result), simaccel_last_error());
        exit(1);
    }
}

/* Runs on a stack of its own, and pauses in both calls. Outside a job they would block. */
static int serve(void *arg)
{
    struct connection *c = *(struct connection **)arg;
    const unsigned char iv[16] = {1};

    check(simaccel_encrypt(session, iv, 16, c->text, 32, c->sealed, 32, NULL));
    check(simaccel_decrypt(session, iv, 16, c->sealed, 32, c->opened, 32, NULL));
    return c->opened[5] == c->text[5];
}

/* Starts or resumes the connection's job. 1 when it has finished. */
static int go(struct connection *c)
{
    int ret = 0, step = ASYNC_start_job(&c->job, c->ctx, &ret, serve, &c, sizeof c);
    OSSL_ASYNC_FD added[1], deleted[1];
    size_t num_added, num_deleted;

    if (step == ASYNC_PAUSE) {
        ASYNC_WAIT_CTX_get_changed_fds(c->ctx, added, &num_added, deleted, &num_deleted);
        if (num_added > 0) { /* the first time: the engine keeps its fd for the life of the context */
            struct epoll_event event;
            event.events = EPOLLIN;
            event.data.ptr = c;
            epoll_ctl(epoll_fd, EPOLL_CTL_ADD, added[0], &event);
        }
        return 0;
    }
    if (step != ASYNC_FINISH || ret != 1)
        exit(1);
    return 1;
}

int main(void)
{
    static struct connection connections[CONNECTIONS];
    simaccel_engine *engine;
    const unsigned char key[32] = {2};
    char json[16384];
    int i, left = CONNECTIONS;

    epoll_fd = epoll_create1(0);
    check(simaccel_engine_open("compute_units=4;completion_nsec=50000", &engine));
    check(simaccel_session_new(engine, "aes-256-ctr", key, sizeof key, NULL, &session));
    for (i = 0; i < CONNECTIONS; i++) {
        connections[i].ctx = ASYNC_WAIT_CTX_new();
        connections[i].text[5] = (unsigned char)i;
        left -= go(&connections[i]);
    }
    while (left > 0) {
        struct epoll_event events[16];
        int ready = epoll_wait(epoll_fd, events, 16, -1);
        for (i = 0; i < ready; i++)
            left -= go((struct connection *)events[i].data.ptr);
    }
    check(simaccel_stats_json(engine, json, sizeof json, NULL));
    printf("%s\n", json);
    for (i = 0; i < CONNECTIONS; i++)
        ASYNC_WAIT_CTX_free(connections[i].ctx);
    simaccel_session_free(session);
    simaccel_engine_free(engine);
    ASYNC_cleanup_thread();
    return 0;
}
