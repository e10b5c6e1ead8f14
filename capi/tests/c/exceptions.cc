/* C++ exceptions that are thrown and caught in one job, over pauses and nested jobs. */
#include "check.h"

#include <stdexcept>
#include <string>

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

int main()
{
    ASYNC_JOB *jobs[5] = {nullptr, nullptr, nullptr, nullptr, nullptr};
    bool finished[5] = {false, false, false, false, false};
    int left = 5, ret = 0;

    while (left > 0)
        for (int i = 0; i < 5; i++)
            if (!finished[i] && ASYNC_start_job(&jobs[i], nullptr, &ret, throws, &i, sizeof i) == ASYNC_FINISH) {
                CHECK(ret == 3 * i);
                finished[i] = true;
                left--;
            }
    std::printf("ok\n");
}
