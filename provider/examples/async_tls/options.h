/* The command line of either program. */

#ifndef OPTIONS_H
#define OPTIONS_H

#include <stdbool.h>
#include <stdint.h>

struct options {
    const char *host;
    uint16_t port;
    unsigned connections;
    unsigned max_jobs;
    bool callback, sync, tls_1_2;
    const char *ciphers;

    /* Of the server. */
    const char *cert, *key;
    unsigned serve;

    /* Of the client. */
    const char *ca;
    uint64_t bytes;
    unsigned rounds, seconds, drop;
};

/* Exits with 2 and one line on stderr when an option is wrong. */
struct options options_of_server(int argc, char **argv);
struct options options_of_client(int argc, char **argv);

/* Raises the soft limit of file descriptors. Exits with 2 when the hard one is too low for the connections. */
void options_check_fds(const char *program, const struct options *options);

#endif
