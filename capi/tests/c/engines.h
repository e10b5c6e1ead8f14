/*
 * Engines and sessions of the tests, and the known answer that most of them compute.
 */
#ifndef ENGINES_H
#define ENGINES_H

#include "check.h"

#include <string.h>

/* SP 800-38A, F.5.5: AES-256 in CTR, the first block. */
static const char ctr_key[] = "\x60\x3d\xeb\x10\x15\xca\x71\xbe\x2b\x73\xae\xf0\x85\x7d\x77\x81"
                              "\x1f\x35\x2c\x07\x3b\x61\x08\xd7\x2d\x98\x10\xa3\x09\x14\xdf\xf4";
static const char ctr_iv[] = "\xf0\xf1\xf2\xf3\xf4\xf5\xf6\xf7\xf8\xf9\xfa\xfb\xfc\xfd\xfe\xff";
static const char ctr_plain[] = "\x6b\xc1\xbe\xe2\x2e\x40\x9f\x96\xe9\x3d\x7e\x11\x73\x93\x17\x2a";
static const char ctr_cipher[] = "\x60\x1e\xc3\x13\x77\x57\x89\xa5\xb7\xa7\xf5\x04\xbb\xf3\xd2\x28";

static inline simaccel_engine *open_engine(const char *config, int stepped)
{
    simaccel_engine *engine = NULL;

    OK(stepped ? simaccel_engine_open_stepped(config, &engine) : simaccel_engine_open(config, &engine));
    CHECK(engine != NULL);
    return engine;
}

static inline simaccel_session *session_of(simaccel_engine *engine, const char *algorithm, const void *with, size_t len,
                                           const char *options)
{
    simaccel_session *session = NULL;

    OK(simaccel_session_new(engine, algorithm, with, len, options, &session));
    CHECK(session != NULL);
    return session;
}

/* One number of the statistics. */
static inline long stat_of(simaccel_engine *engine, const char *name)
{
    char json[16384], quoted[64];
    const char *at;
    size_t len = 0;

    OK(simaccel_stats_json(engine, json, sizeof json, &len));
    CHECK(strlen(json) == len && json[0] == '{' && json[len - 1] == '}');
    snprintf(quoted, sizeof quoted, "\"%s\":", name);
    at = strstr(json, quoted);
    CHECK(at != NULL);
    return strtol(at + strlen(quoted), NULL, 10);
}

#endif
