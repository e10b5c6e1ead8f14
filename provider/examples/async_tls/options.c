/* The command line of either program. A mistake costs one line that names the option, and exit code 2. */

#include "options.h"

#include <errno.h>
#include <getopt.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

/* Of the process itself: standard streams, the loop's fds, the listener, what providers keep open. */
enum { OTHER_FDS = 32 };

enum {
    CALLBACK = 1, SYNC, CONNECTIONS, JOBS, HOST, PORT, TLS, CIPHERS, CERT, KEY, SERVE, CA, BYTES, ROUNDS, SECONDS, DROP, HELP
};

#define COMMON                                                                                                    \
    {"callback", no_argument, NULL, CALLBACK}, {"sync", no_argument, NULL, SYNC},                                 \
    {"connections", required_argument, NULL, CONNECTIONS}, {"jobs", required_argument, NULL, JOBS},               \
    {"host", required_argument, NULL, HOST}, {"port", required_argument, NULL, PORT},                             \
    {"tls", required_argument, NULL, TLS}, {"ciphers", required_argument, NULL, CIPHERS},                         \
    {"help", no_argument, NULL, HELP}

static const struct option OF_SERVER[] = {COMMON,
                                          {"cert", required_argument, NULL, CERT},
                                          {"key", required_argument, NULL, KEY},
                                          {"serve", required_argument, NULL, SERVE},
                                          {NULL, 0, NULL, 0}};

static const struct option OF_CLIENT[] = {COMMON,
                                          {"ca", required_argument, NULL, CA},
                                          {"bytes", required_argument, NULL, BYTES},
                                          {"rounds", required_argument, NULL, ROUNDS},
                                          {"seconds", required_argument, NULL, SECONDS},
                                          {"drop", required_argument, NULL, DROP},
                                          {NULL, 0, NULL, 0}};

static const char COMMON_HELP[] =
    "  --connections N  at the same time (default 100)\n"
    "  --callback       engines wake the loop by a callback; without it they do by a file descriptor\n"
    "  --sync           no call pauses, for comparison\n"
    "  --jobs N         at most N calls are under way or paused at once (default 0: no limit)\n"
    "  --host ADDRESS   an IPv4 address (default 127.0.0.1)\n"
    "  --tls VERSION    1.2 or 1.3 (default 1.3)\n"
    "  --ciphers LIST   as openssl ciphers has it; for 1.3 a list of cipher suites\n"
    "  --help           prints this\n";

static const char SERVER_HELP[] =
    "usage: async_tls_server [OPTION]...\n"
    "Sends back what clients send.\n\n"
    "  --port N         0 takes a free one (default 4433)\n"
    "  --cert FILE      a chain in PEM; without it the server makes a certificate for itself\n"
    "  --key FILE       its key in PEM\n"
    "  --serve N        ends after N connections (default 0: at SIGINT or SIGTERM)\n";

static const char CLIENT_HELP[] =
    "usage: async_tls_client [OPTION]...\n"
    "Opens connections to async_tls_server, sends bytes and compares what comes back.\n\n"
    "  --port N         of the server (default 4433)\n"
    "  --bytes N        in each direction of a connection (default 65536)\n"
    "  --rounds N       a connection that has ended is followed by the next, N times in all (default 1)\n"
    "  --seconds N      or for so many seconds (default 0: as often as --rounds says)\n"
    "  --drop N         every Nth connection is dropped in the middle (default 0: none)\n"
    "  --ca FILE        the server's certificate is verified; without it none is\n";

static const char *program;

__attribute__((noreturn, format(printf, 1, 2))) static void refuse(const char *format, ...)
{
    va_list args;

    fprintf(stderr, "%s: ", program);
    va_start(args, format);
    vfprintf(stderr, format, args);
    va_end(args);
    fputc('\n', stderr);
    exit(2);
}

static uint64_t number(const char *option, const char *text, uint64_t least, uint64_t most)
{
    char *end;

    errno = 0;
    unsigned long long value = strtoull(text, &end, 10);
    if (*text < '0' || *text > '9' || *end || errno || value < least || value > most)
        refuse("--%s: '%s' is not a number from %llu to %llu", option, text, (unsigned long long)least,
               (unsigned long long)most);
    return value;
}

static bool is_1_2(const char *text)
{
    if (strcmp(text, "1.2") && strcmp(text, "1.3"))
        refuse("--tls: '%s' is neither 1.2 nor 1.3", text);
    return strcmp(text, "1.2") == 0;
}

static void take(struct options *o, int option, const char *name, const char *value)
{
    switch (option) {
    case CALLBACK: o->callback = true; break;
    case SYNC: o->sync = true; break;
    case CONNECTIONS: o->connections = (unsigned)number(name, value, 1, 1000000); break;
    case JOBS: o->max_jobs = (unsigned)number(name, value, 0, 1000000); break;
    case HOST: o->host = value; break;
    case PORT: o->port = (uint16_t)number(name, value, 0, 65535); break;
    case TLS: o->tls_1_2 = is_1_2(value); break;
    case CIPHERS: o->ciphers = value; break;
    case CERT: o->cert = value; break;
    case KEY: o->key = value; break;
    case SERVE: o->serve = (unsigned)number(name, value, 0, UINT32_MAX); break;
    case CA: o->ca = value; break;
    case BYTES: o->bytes = number(name, value, 0, UINT64_C(1) << 50); break;
    case ROUNDS: o->rounds = (unsigned)number(name, value, 1, 1000000); break;
    case SECONDS: o->seconds = (unsigned)number(name, value, 0, 86400); break;
    case DROP: o->drop = (unsigned)number(name, value, 0, 1000000); break;
    }
}

static struct options parse(int argc, char **argv, const struct option *known, const char *help)
{
    struct options o = {.host = "127.0.0.1", .port = 4433, .connections = 100, .bytes = 65536};
    int option, index = 0;

    opterr = 0;
    while ((option = getopt_long(argc, argv, ":", known, &index)) != -1) {
        if (option == HELP) {
            printf("%s%s", help, COMMON_HELP);
            exit(0);
        }
        if (option == ':')
            refuse("%s needs a value", argv[optind - 1]);
        if (option == '?')
            refuse("%s is no option; --help lists them", argv[optind - 1]);
        take(&o, option, known[index].name, optarg);
    }
    if (optind < argc)
        refuse("'%s' is no option; --help lists them", argv[optind]);
    if (o.callback && o.sync)
        refuse("--callback and --sync exclude each other");
    if (o.rounds && o.seconds)
        refuse("--rounds and --seconds exclude each other");
    if (o.rounds == 0)
        o.rounds = 1;
    return o;
}

struct options options_of_server(int argc, char **argv)
{
    program = "async_tls_server";
    struct options o = parse(argc, argv, OF_SERVER, SERVER_HELP);

    if ((o.cert == NULL) != (o.key == NULL))
        refuse("--cert and --key go together");
    return o;
}

struct options options_of_client(int argc, char **argv)
{
    program = "async_tls_client";
    struct options o = parse(argc, argv, OF_CLIENT, CLIENT_HELP);

    if (o.port == 0)
        refuse("--port: '0' is not a number from 1 to 65535");
    return o;
}

void options_check_fds(const char *who, const struct options *options)
{
    /* A wait context has one fd of an engine, unless that calls back. */
    unsigned each = options->callback || options->sync ? 1 : 2;
    uint64_t needed = (uint64_t)options->connections * each + OTHER_FDS;
    struct rlimit limit;

    program = who;
    if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
        refuse("getrlimit: %s", strerror(errno));
    if (limit.rlim_cur >= needed)
        return;
    if (limit.rlim_max < needed)
        refuse("--connections: %u need %llu file descriptors, %llu are allowed (ulimit -Hn)", options->connections,
               (unsigned long long)needed, (unsigned long long)limit.rlim_max);
    limit.rlim_cur = needed;
    if (setrlimit(RLIMIT_NOFILE, &limit) < 0)
        refuse("setrlimit: %s", strerror(errno));
}
