/* A TLS server that sends back what it reads: thousands of connections in one thread, none of which blocks it.

     wants: HANDSHAKE ──► READ ──► WRITE ──► READ ... ──► the peer has closed ──► SHUTDOWN
*/

#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "connection.h"
#include "loop.h"
#include "options.h"
#include "tls.h"

struct server {
    struct loop loop;
    struct watch listener_watch;
    struct options options;
    SSL_CTX *ctx;
    int listener;
    unsigned open;
    unsigned long long accepted, handshakes, ends[3], bytes;
};

struct client {
    struct connection connection;
    struct server *server;
    enum { GREETING, SERVING, LEAVING } stage;
    size_t written, to_write; /* of the buffer */
    unsigned char buffer[16384];
};

/* ---- A connection ---- */

static unsigned wants(struct connection *c)
{
    struct client *client = (struct client *)c;

    if (client->stage == GREETING)
        return HANDSHAKE;
    if (client->to_write > client->written) {
        /* A write that is repeated has the same bytes, as it has to: nothing is read before all is written. */
        c->out = client->buffer + client->written;
        c->out_size = client->to_write - client->written;
        return WRITE;
    }
    if (client->stage == LEAVING)
        return SHUTDOWN;
    c->in = client->buffer;
    c->in_size = sizeof client->buffer;
    return READ;
}

static void done(struct connection *c, enum call call, size_t bytes)
{
    struct client *client = (struct client *)c;

    switch (call) {
    case HANDSHAKE:
        client->stage = SERVING;
        client->server->handshakes++;
        break;
    case READ:
        if (bytes == 0)
            client->stage = LEAVING;
        client->written = 0;
        client->to_write = bytes;
        break;
    case WRITE:
        client->written += bytes;
        client->server->bytes += bytes;
        break;
    case SHUTDOWN: /* the peer's close_notify has come before */
        connection_close(c, END_OK);
        break;
    case NO_CALL:
        break;
    }
}

static void accept_all(struct server *server);

static void ended(struct connection *c, enum end end)
{
    struct client *client = (struct client *)c;
    struct server *server = client->server;
    bool was_full = server->open-- == server->options.connections;

    server->ends[end]++;
    free(client);
    if (server->options.serve && server->ends[0] + server->ends[1] + server->ends[2] >= server->options.serve)
        server->loop.finished = true;
    else if (was_full)
        accept_all(server);
}

static const struct application APPLICATION = {.wants = wants, .done = done, .ended = ended};

/* ---- The listener ---- */

static bool accept_one(struct server *server)
{
    int socket = accept4(server->listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC), on = 1;

    if (socket < 0)
        return errno == EINTR || errno == ECONNABORTED;
    if (server->accepted++ == 0)
        loop_start_clock(&server->loop);
    setsockopt(socket, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    struct client *client = calloc(1, sizeof *client);
    SSL *ssl = SSL_new(server->ctx);
    if (client == NULL || ssl == NULL) {
        free(client);
        SSL_free(ssl);
        close(socket);
        return false;
    }
    SSL_set_accept_state(ssl);
    client->server = server;
    server->open++;
    connection_begin(&client->connection, &server->loop, &APPLICATION, ssl, socket);
    return true;
}

/* At the limit, or without fds, the others wait in the kernel's queue; the end of a connection looks again. A
   listener that has left epoll may still be in the batch of events that told the server to stop. */
static void accept_all(struct server *server)
{
    while (!server->loop.stopping && server->open < server->options.connections && accept_one(server))
        ;
}

static void listener_ready(struct watch *watch, uint32_t events)
{
    (void)events;
    accept_all((struct server *)((char *)watch - offsetof(struct server, listener_watch)));
}

static void stop_listening(struct loop *loop)
{
    struct server *server = (struct server *)loop;

    loop_forget(loop, server->listener);
}

static void listen_on(struct server *server)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(server->options.port)};
    socklen_t length = sizeof address;
    int on = 1;

    if (inet_pton(AF_INET, server->options.host, &address.sin_addr) != 1) {
        fprintf(stderr, "async_tls_server: --host: '%s' is no IPv4 address\n", server->options.host);
        exit(2);
    }
    server->listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    setsockopt(server->listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (server->listener < 0 || bind(server->listener, (struct sockaddr *)&address, length) < 0
        || listen(server->listener, SOMAXCONN) < 0
        || getsockname(server->listener, (struct sockaddr *)&address, &length) < 0) {
        fprintf(stderr, "async_tls_server: port %u: %s\n", server->options.port, strerror(errno));
        exit(1);
    }
    printf("listening on %s:%u\n", server->options.host, ntohs(address.sin_port));
    fflush(stdout);
}

int main(int argc, char **argv)
{
    static struct server server;

    server.options = options_of_server(argc, argv);
    options_check_fds("async_tls_server", &server.options);
    server.ctx = tls_server(&server.options);
    loop_init(&server.loop, server.options.callback, server.options.max_jobs);
    server.loop.on_stop = stop_listening;
    listen_on(&server);
    server.listener_watch.ready = listener_ready;
    loop_watch(&server.loop, server.listener, &server.listener_watch, EPOLLIN | EPOLLET);
    loop_run(&server.loop);

    double seconds = loop_seconds(&server.loop);
    printf("connections   %llu ended well, %llu failed, %llu dropped\n", server.ends[END_OK],
           server.ends[END_FAILED], server.ends[END_DROPPED]);
    printf("handshakes    %llu, %.0f/s\n", server.handshakes, (double)server.handshakes / seconds);
    printf("bytes         %llu in each direction, %.0f/s\n", server.bytes, (double)server.bytes / seconds);
    loop_print(&server.loop);
    close(server.listener);
    SSL_CTX_free(server.ctx);
    loop_end(&server.loop);
    return 0;
}
