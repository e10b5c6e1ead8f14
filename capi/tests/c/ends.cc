/*
 * A job that ends its thread, in C++: destructors on the job's stack run, and so do those of the thread, which find no
 * job. With `throws`: an exception that leaves a job, which ends the process as one that leaves `main` does.
 */
#include "check.h"

#include <cstring>
#include <pthread.h>
#include <stdexcept>

static int destroyed, found_no_job;

struct OnTheStack {
    ~OnTheStack() { destroyed++; }
};

struct OfTheThread {
    /* Runs before the library's own end of the thread: it was made later. */
    ~OfTheThread() { found_no_job = ASYNC_get_current_job() == nullptr && ASYNC_pause_job() == 1; }
    int touched = 0;
};

static thread_local OfTheThread of_the_thread;

static void ends()
{
    OnTheStack here[10];

    CHECK(destroyed == 0 && here != nullptr);
    of_the_thread.touched = 1;
    ASYNC_pause_job();
    pthread_exit(reinterpret_cast<void *>(5));
}

static int job(void *)
{
    ends();
    return 0;
}

static int throws(void *)
{
    ASYNC_pause_job();
    throw std::runtime_error("too much");
}

static void *run(void *func)
{
    ASYNC_JOB *started = nullptr;
    int ret;

    CHECK(go(&started, nullptr, &ret, reinterpret_cast<int (*)(void *)>(func)) == ASYNC_PAUSE);
    go(&started, nullptr, &ret, nullptr);
    return nullptr;
}

int main(int count, char **arguments)
{
    pthread_t thread;
    void *value = nullptr;
    bool throwing = count > 1 && std::strcmp(arguments[1], "throws") == 0;

    CHECK(pthread_create(&thread, nullptr, run, reinterpret_cast<void *>(throwing ? throws : job)) == 0);
    CHECK(pthread_join(thread, &value) == 0);
    CHECK(value == reinterpret_cast<void *>(5));
    CHECK(destroyed == 10);
    CHECK(found_no_job == 1);
    std::printf("ok\n");
}
