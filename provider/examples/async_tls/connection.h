/* One TLS connection whose calls may pause. connection.c has the picture, and the rules. */

#ifndef CONNECTION_H
#define CONNECTION_H

#include <openssl/ssl.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

struct loop;
struct connection;

/* The calls of libssl that run in a job. Bits, so that an application can want several. */
enum call { NO_CALL = 0, HANDSHAKE = 1, READ = 2, WRITE = 4, SHUTDOWN = 8 };

enum end { END_OK, END_FAILED, END_DROPPED };

/* What a program does with its connections. None of these calls libssl, or frees the connection. */
struct application {
    /* The calls that are to be made now. 0 leaves the connection alone until connection_continue. */
    unsigned (*wants)(struct connection *c);
    /* A call has succeeded. READ with 0 bytes: the peer has closed its side. SHUTDOWN with 0 bytes: our
       close_notify is sent, the peer's has not come. */
    void (*done)(struct connection *c, enum call call, size_t bytes);
    /* A call has paused, or paused again. May be NULL. */
    void (*paused)(struct connection *c);
    /* The connection is over, and about to be freed. No call of libssl is under way. */
    void (*ended)(struct connection *c, enum end end);
};

/* What epoll's event data points to. */
struct watch {
    void (*ready)(struct watch *watch, uint32_t events);
};

struct connection {
    SSL *ssl;
    int socket;
    struct loop *loop;
    const struct application *application;

    /* Where the next SSL_read and SSL_write work. They belong to libssl while that call is paused. */
    unsigned char *in;
    size_t in_size;
    const unsigned char *out;
    size_t out_size;

    enum call paused;           /* the call whose job is paused */
    enum call last;             /* the latest call: reading and writing take turns */
    unsigned waiting_to_read;   /* calls that wait until the socket is readable */
    unsigned waiting_to_write;  /* calls that wait until it is writable */
    bool closing;
    bool failed;                /* an error was reported */
    enum end end;

    struct watch socket_watch;
    struct watch async_watch;   /* all fds of the engines */

    /* Of the loop. */
    enum { NOWHERE, RUNNABLE, STARVED } queue;
    TAILQ_ENTRY(connection) queued;
    LIST_ENTRY(connection) all;
    atomic_bool woken;              /* the callback has put it into the loop's list */
    struct connection *next_woken;
};

/* Begins a connection in memory of zeros that the application has allocated. The connection owns the SSL and the
   socket; it ends by a call of ended, and by nothing else. */
void connection_begin(struct connection *c, struct loop *loop, const struct application *application, SSL *ssl,
                      int socket);

/* Makes the calls that the application wants until none can go on. The loop calls it. */
void connection_run(struct connection *c);

/* The application wants something new. */
void connection_continue(struct connection *c);

/* Ends the connection: at once, or when its paused call has ended. */
void connection_close(struct connection *c, enum end end);

#endif
