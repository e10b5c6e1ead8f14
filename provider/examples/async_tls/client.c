/* A TLS client that sends and receives at the same time over many connections, and compares what comes back.

     wants: HANDSHAKE ──► READ and WRITE, whichever can go on ──► SHUTDOWN ──► the next connection

   A connection that is to be dropped counts its calls, and closes in the middle of one: perhaps while it is
   paused. */

#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "connection.h"
#include "loop.h"
#include "options.h"
#include "tls.h"

/* Connections that are dropped end after 1, 2, ... calls and pauses, and from here on after 1 again. */
enum { DROP_POINTS = 400 };

struct client {
    struct loop loop;
    struct options options;
    struct sockaddr_in server;
    SSL_CTX *ctx;
    uint64_t begun, wanted;
    unsigned long long handshakes, ends[3], bytes;
};

struct session {
    struct connection connection;
    struct client *client;
    uint64_t number;
    bool greeted;
    uint64_t sent, received;
    uint64_t out_begin, out_end;    /* the part of the data that `out` holds */
    unsigned calls_left;            /* until the connection is dropped; 0: never */
    unsigned char out[16384], in[16384];
};

/* The byte at a place of a connection's data. */
static unsigned char pattern(uint64_t connection, uint64_t place)
{
    return (unsigned char)(place * 167 + (place >> 8) + connection * 31);
}

/* ---- A connection ---- */

static void prepare_output(struct session *s)
{
    uint64_t left = s->client->options.bytes - s->sent;
    size_t size = left < sizeof s->out ? (size_t)left : sizeof s->out;

    for (size_t i = 0; i < size; i++)
        s->out[i] = pattern(s->number, s->sent + i);
    s->out_begin = s->sent;
    s->out_end = s->sent + size;
}

static bool compare_input(const struct session *s, size_t bytes)
{
    for (size_t i = 0; i < bytes; i++)
        if (s->in[i] != pattern(s->number, s->received + i))
            return false;
    return true;
}

static void count_down(struct session *s)
{
    if (s->calls_left && --s->calls_left == 0)
        connection_close(&s->connection, END_DROPPED);
}

static void paused(struct connection *c)
{
    count_down((struct session *)c);
}

static unsigned wants(struct connection *c)
{
    struct session *s = (struct session *)c;
    uint64_t bytes = s->client->options.bytes;
    unsigned calls = 0;

    if (!s->greeted)
        return HANDSHAKE;
    if (s->sent < bytes) {
        if (s->out_end == s->sent)
            prepare_output(s);
        c->out = s->out + (s->sent - s->out_begin);
        c->out_size = (size_t)(s->out_end - s->sent);
        calls |= WRITE;
    }
    if (s->received < bytes) {
        c->in = s->in;
        c->in_size = sizeof s->in;
        calls |= READ;
    }
    return calls ? calls : SHUTDOWN;
}

static void received(struct session *s, size_t bytes)
{
    if (bytes == 0 || !compare_input(s, bytes)) {
        fprintf(stderr, "connection %llu: %s after %llu bytes\n", (unsigned long long)s->number,
                bytes ? "other bytes" : "closed", (unsigned long long)s->received);
        connection_close(&s->connection, END_FAILED);
        return;
    }
    s->received += bytes;
    s->client->bytes += bytes;
}

static void done(struct connection *c, enum call call, size_t bytes)
{
    struct session *s = (struct session *)c;

    count_down(s);
    switch (call) {
    case HANDSHAKE:
        s->greeted = true;
        s->client->handshakes++;
        break;
    case READ:
        received(s, bytes);
        break;
    case WRITE:
        s->sent += bytes;
        break;
    case SHUTDOWN: /* first ours goes out, then the peer's comes in */
        if (bytes)
            connection_close(c, END_OK);
        break;
    case NO_CALL:
        break;
    }
}

static void begin(struct client *client);

/* Whether a connection that has ended is followed by another. */
static bool goes_on(const struct client *client)
{
    if (client->loop.stopping)
        return false;
    if (client->options.seconds)
        return loop_seconds(&client->loop) < client->options.seconds;
    return client->begun < client->wanted;
}

static void ended(struct connection *c, enum end end)
{
    struct session *s = (struct session *)c;
    struct client *client = s->client;

    client->ends[end]++;
    free(s);
    if (goes_on(client))
        begin(client);
    else if (client->ends[0] + client->ends[1] + client->ends[2] == client->begun)
        client->loop.finished = true;
}

static const struct application APPLICATION = {.wants = wants, .done = done, .paused = paused, .ended = ended};

/* ---- The connections ---- */

static void give_up(const char *what)
{
    fprintf(stderr, "async_tls_client: %s: %s\n", what, strerror(errno));
    exit(1);
}

/* A connection that is being made refuses reads and writes with EAGAIN, so the handshake waits for it. */
static int connect_to(const struct sockaddr_in *server)
{
    int socket_ = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), on = 1;

    if (socket_ < 0)
        give_up("socket");
    setsockopt(socket_, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    if (connect(socket_, (const struct sockaddr *)server, sizeof *server) < 0 && errno != EINPROGRESS)
        give_up("connect");
    return socket_;
}

static void begin(struct client *client)
{
    struct session *s = calloc(1, sizeof *s);
    SSL *ssl = SSL_new(client->ctx);

    if (s == NULL || ssl == NULL)
        give_up("a connection");
    SSL_set_connect_state(ssl);
    s->client = client;
    s->number = client->begun++;
    if (client->options.drop && s->number % client->options.drop == client->options.drop - 1)
        s->calls_left = 1 + (unsigned)(s->number / client->options.drop % DROP_POINTS);
    connection_begin(&s->connection, &client->loop, &APPLICATION, ssl, connect_to(&client->server));
}

static void find_server(struct client *client)
{
    client->server.sin_family = AF_INET;
    client->server.sin_port = htons(client->options.port);
    if (inet_pton(AF_INET, client->options.host, &client->server.sin_addr) != 1) {
        fprintf(stderr, "async_tls_client: --host: '%s' is no IPv4 address\n", client->options.host);
        exit(2);
    }
}

int main(int argc, char **argv)
{
    static struct client client;

    client.options = options_of_client(argc, argv);
    options_check_fds("async_tls_client", &client.options);
    find_server(&client);
    client.ctx = tls_client(&client.options);
    client.wanted = (uint64_t)client.options.connections * client.options.rounds;
    loop_init(&client.loop, client.options.callback, client.options.max_jobs);
    for (unsigned i = 0; i < client.options.connections; i++)
        begin(&client);
    loop_run(&client.loop);

    double seconds = loop_seconds(&client.loop);
    printf("connections   %llu ended well, %llu failed, %llu dropped\n", client.ends[END_OK],
           client.ends[END_FAILED], client.ends[END_DROPPED]);
    printf("handshakes    %llu, %.0f/s\n", client.handshakes, (double)client.handshakes / seconds);
    printf("bytes         %llu in each direction, %.0f/s\n", client.bytes, (double)client.bytes / seconds);
    loop_print(&client.loop);
    SSL_CTX_free(client.ctx);
    loop_end(&client.loop);
    return client.ends[END_FAILED] != 0;
}
