/*
 * Everything that waits, on the main thread: blocking operations, woken and polled, with a watchdog and on a stepped
 * device; a reset, which waits for the device's threads; engines that end. None of it may leave memory that only the
 * end of a thread frees, because the main thread ends with the process.
 */
#include "check.h"

#include <simaccel/engine.h>

static void block(const char *config, int stepped)
{
    static const unsigned char key[16] = {1}, iv[16] = {2};
    unsigned char text[64] = {3};
    simaccel_engine *engine;
    simaccel_session *session;
    int i;

    CHECK((stepped ? simaccel_engine_open_stepped : simaccel_engine_open)(config, &engine) == SIMACCEL_OK);
    CHECK(simaccel_session_new(engine, "aes-128-ctr", key, sizeof key, NULL, &session) == SIMACCEL_OK);
    for (i = 0; i < 20; i++)
        CHECK(simaccel_encrypt(session, iv, 16, text, 64, text, 64, NULL) == SIMACCEL_OK);
    CHECK(simaccel_device_reset(engine) == SIMACCEL_OK);
    CHECK(simaccel_encrypt(session, iv, 16, text, 64, text, 64, NULL) == SIMACCEL_OK);
    simaccel_session_free(session);
    simaccel_engine_free(engine);
}

int main(void)
{
    block("completion_nsec=100000", 0);
    block("completion_nsec=100000;delivery=poll", 0);
    block("completion_nsec=1000;timeout_msec=60000", 0);
    block("completion_nsec=1000;timeout_msec=60000;delivery=poll", 0);
    block("completion_nsec=1000", 1);
    return 0;
}
