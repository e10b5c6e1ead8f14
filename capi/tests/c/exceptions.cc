/*
 * C++ exceptions of jobs, each of which has its own: thrown and caught over pauses and nested jobs, handled while the
 * job is paused, in flight while a destructor pauses. As a program, or with PLUGIN as a library that `plugin.c` loads.
 */
#include "check.h"

#include <exception>
#include <stdexcept>
#include <string>

enum { JOBS = 5 };

static std::string name_of(int job)
{
    return "exception of job " + std::to_string(job) + std::string(60, '.');
}

static int throws(void *arg)
{
    int depth = *static_cast<int *>(arg), sum = 0;

    for (int i = 0; i < 3; i++) {
        try {
            std::string owned(100, 'x');
            ASYNC_pause_job();
            throw std::runtime_error(owned + std::to_string(depth));
        } catch (const std::exception &error) {
            CHECK(std::string(error.what()).size() == 101);
            ASYNC_pause_job();
            sum += depth;
        }
    }
    return sum;
}

/* Pauses while it handles an exception, then throws the same again. */
static int rethrows(void *arg)
{
    int job = *static_cast<int *>(arg);

    try {
        try {
            throw std::runtime_error(name_of(job));
        } catch (const std::exception &) {
            ASYNC_pause_job();
            CHECK(std::uncaught_exceptions() == 0);
            throw;
        }
    } catch (const std::exception &error) {
        ASYNC_pause_job();
        CHECK(error.what() == name_of(job));
        try {
            std::rethrow_exception(std::current_exception());
        } catch (const std::exception &again) {
            CHECK(again.what() == name_of(job));
        }
    }
    CHECK(std::current_exception() == nullptr);
    return 3 * job;
}

struct Pauses {
    ~Pauses()
    {
        CHECK(std::uncaught_exceptions() == 1);
        ASYNC_pause_job();
        CHECK(std::uncaught_exceptions() == 1);
    }
};

static int unwinds(void *arg)
{
    int job = *static_cast<int *>(arg);

    try {
        Pauses pauses;
        throw job;
    } catch (int thrown) {
        CHECK(thrown == job);
    }
    return 3 * job;
}

static int (*const functions[])(void *) = {rethrows, unwinds, throws};

static int nests(void *arg);

static int (*mixed(int job))(void *)
{
    return job == 0 ? nests : functions[job % 3];
}

/* Runs five jobs in turns until all have finished. */
static void run(int (*(*function_of)(int))(void *))
{
    ASYNC_JOB *jobs[JOBS] = {};
    bool finished[JOBS] = {};
    int left = JOBS, ret = 0;

    while (left > 0)
        for (int i = 0; i < JOBS; i++) {
            if (finished[i])
                continue;
            if (ASYNC_start_job(&jobs[i], nullptr, &ret, function_of(i), &i, sizeof i) == ASYNC_FINISH) {
                CHECK(ret == 3 * i);
                finished[i] = true;
                left--;
            }
            CHECK(std::uncaught_exceptions() == 0);
        }
}

/* Handles an exception while other jobs run in this one. */
static int nests(void *)
{
    try {
        throw std::runtime_error(name_of(99));
    } catch (const std::exception &error) {
        ASYNC_pause_job();
        run([](int job) { return functions[job % 3]; });
        ASYNC_pause_job();
        CHECK(error.what() == name_of(99));
        CHECK(std::current_exception() != nullptr);
    }
    return 0;
}

extern "C" void all_exceptions(void)
{
    run([](int) { return functions[0]; });
    run([](int) { return functions[1]; });
    run([](int) { return functions[2]; });
    run(mixed);
    /* The application's own is not the jobs'. */
    try {
        throw std::runtime_error("the application's");
    } catch (const std::exception &error) {
        run(mixed);
        CHECK(error.what() == std::string("the application's"));
        CHECK(std::current_exception() != nullptr);
    }
}

#ifndef PLUGIN
int main()
{
    all_exceptions();
    std::printf("ok\n");
}
#endif
