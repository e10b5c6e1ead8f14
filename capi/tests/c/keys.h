/*
 * The key that most tests of keys have, and its signature: RFC 6979, A.2.5, "sample" with SHA-256.
 */
#ifndef KEYS_H
#define KEYS_H

#include "engines.h"

#include <simaccel/keys.h>

static const char scalar[] = "\xc9\xaf\xa9\xd8\x45\xba\x75\x16\x6b\x5c\x21\x57\x67\xb1\xd6\x93"
                             "\x4e\x50\xc3\xdb\x36\xe8\x9b\x12\x7b\x8a\x62\x2b\x12\x0f\x67\x21";
static const char digest[] = "\xaf\x2b\xdb\xe1\xaa\x9b\x6e\xc1\xe2\xad\xe1\xd6\x94\xf4\x1f\xc7"
                             "\x1a\x83\x1d\x02\x68\xe9\x89\x15\x62\x11\x3d\x8a\x62\xad\xd1\xbf";
static const char signature[] = "\xef\xd4\x8b\x2a\xac\xb6\xa8\xfd\x11\x40\xdd\x9c\xd4\x5e\x81\xd6"
                                "\x9d\x2c\x87\x7b\x56\xaa\xf9\x91\xc3\x4d\x0e\xa8\x4e\xaf\x37\x16"
                                "\xf7\xcb\x1c\x94\x2d\x65\x7c\x41\xd4\x36\xc7\xa1\xb6\xe2\x9f\x65"
                                "\xf3\xe9\x00\xdb\xb9\xaf\xf4\x06\x4d\xc4\xab\x2f\x84\x3a\xcd\xa8";
static const char scheme[] = "nonce=deterministic;hash=sha256;form=raw";

static inline simaccel_key *key_of(simaccel_engine *engine)
{
    simaccel_key *key = NULL;

    OK(simaccel_key_from_private(engine, "p-256", scalar, 32, &key));
    CHECK(key != NULL);
    return key;
}

static inline simaccel_key *generated(simaccel_engine *engine, const char *algorithm)
{
    simaccel_key *key = NULL;

    OK(simaccel_key_generate(engine, algorithm, 0, &key));
    CHECK(key != NULL && simaccel_key_is_private(key) == 1);
    return key;
}

#endif
