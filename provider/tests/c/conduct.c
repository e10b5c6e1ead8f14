/* An application that does one thing with its jobs, right or wrong: its name is the argument. */

#include <openssl/async.h>
#include <openssl/evp.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define BYTES 1024

#define CHECK(condition) \
    do { \
        if (!(condition)) { \
            fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition); \
            exit(3); \
        } \
    } while (0)

static const unsigned char KEY[32] = {1};
static EVP_CIPHER *cipher;

struct task {
    ASYNC_JOB *job;
    ASYNC_WAIT_CTX *ctx;
    EVP_CIPHER_CTX *evp;
    int result;
    unsigned char text[BYTES];
};

static int encrypt(void *argument)
{
    struct task *task = *(struct task **)argument;
    int written = 0;
    return EVP_EncryptUpdate(task->evp, task->text, &written, task->text, BYTES) && written == BYTES;
}

static struct task *new_task(void)
{
    struct task *task = calloc(1, sizeof *task);
    task->ctx = ASYNC_WAIT_CTX_new();
    task->evp = EVP_CIPHER_CTX_new();
    CHECK(EVP_EncryptInit_ex2(task->evp, cipher, KEY, KEY, NULL));
    return task;
}

/* Starts or resumes the job. Returns what ASYNC_start_job does. */
static int resume(struct task *task)
{
    int state = ASYNC_start_job(&task->job, task->ctx, &task->result, encrypt, &task, sizeof task);
    CHECK(state == ASYNC_PAUSE || state == ASYNC_FINISH);
    return state;
}

static int wait_fd(struct task *task)
{
    int fd = -1;
    size_t count = 0;
    CHECK(ASYNC_WAIT_CTX_get_all_fds(task->ctx, NULL, &count) && count == 1);
    CHECK(ASYNC_WAIT_CTX_get_all_fds(task->ctx, &fd, &count));
    return fd;
}

/* Waits until the device has ended the operation. */
static void wait_for(struct task *task)
{
    struct pollfd fd = {.fd = wait_fd(task), .events = POLLIN};
    CHECK(poll(&fd, 1, -1) == 1);
}

static void free_task(struct task *task)
{
    ASYNC_WAIT_CTX_free(task->ctx);
    EVP_CIPHER_CTX_free(task->evp);
    free(task);
}

/* Runs the job to its end. Returns whether it has worked. */
static int ends_well(struct task *task)
{
    while (resume(task) == ASYNC_PAUSE)
        wait_for(task);
    int result = task->result;
    free_task(task);
    return result;
}

static void finish(struct task *task)
{
    CHECK(ends_well(task));
}

static void finish_many(int count)
{
    struct task *tasks[64];
    for (int index = 0; index < count; index++)
        CHECK(resume(tasks[index] = new_task()) == ASYNC_PAUSE);
    for (int index = 0; index < count; index++) {
        wait_for(tasks[index]);
        finish(tasks[index]);
    }
}

static void *finish_elsewhere(void *task)
{
    CHECK(ASYNC_init_thread(0, 0));
    while (resume(task) == ASYNC_PAUSE)
        ;
    return NULL;
}

static int called;

static int callback(void *argument)
{
    __atomic_add_fetch((int *)argument, 1, __ATOMIC_SEQ_CST);
    return 1;
}

static int is_over;

/* As many operations outside of jobs as in jobs. */
static void *work(void *nothing)
{
    CHECK(ASYNC_init_thread(0, 0));
    while (!__atomic_load_n(&is_over, __ATOMIC_SEQ_CST)) {
        struct task *task = new_task(), *same = task;
        CHECK(encrypt(&same));
        finish(task);
    }
    return nothing;
}

int main(int count, char **arguments)
{
    const char *scene = count > 1 ? arguments[1] : "";
    CHECK((cipher = EVP_CIPHER_fetch(NULL, "AES-128-CBC", NULL)) != NULL);
    CHECK(ASYNC_init_thread(0, 0));
    if (!strcmp(scene, "many")) {
        finish_many(64);
    } else if (!strcmp(scene, "free")) {
        struct task *task = new_task();
        CHECK(resume(task) == ASYNC_PAUSE);
        free_task(task);
        finish(new_task());
    } else if (!strcmp(scene, "free-woken")) {
        struct task *task = new_task();
        CHECK(resume(task) == ASYNC_PAUSE);
        wait_for(task);
        free_task(task);
    } else if (!strcmp(scene, "free-with-callback")) {
        struct task *task = new_task();
        CHECK(ASYNC_WAIT_CTX_set_callback(task->ctx, callback, &called));
        CHECK(resume(task) == ASYNC_PAUSE);
        free_task(task);
        /* The device works in order: when this has ended, the first has, too. */
        finish(new_task());
        CHECK(called == 0);
    } else if (!strcmp(scene, "forget") || !strcmp(scene, "leave") || !strcmp(scene, "crash")) {
        struct task *task = new_task();
        CHECK(resume(task) == ASYNC_PAUSE);
        wait_for(task);
        if (!strcmp(scene, "crash"))
            raise(SIGKILL);
        if (!strcmp(scene, "forget"))
            nanosleep(&(struct timespec){.tv_sec = 1, .tv_nsec = 100000000}, NULL);
    } else if (!strcmp(scene, "spin")) {
        struct task *task = new_task();
        while (resume(task) == ASYNC_PAUSE)
            ;
        CHECK(task->result);
        free_task(task);
    } else if (!strcmp(scene, "thread")) {
        struct task *task = new_task();
        pthread_t thread;
        CHECK(resume(task) == ASYNC_PAUSE);
        wait_for(task);
        CHECK(pthread_create(&thread, NULL, finish_elsewhere, task) == 0);
        CHECK(pthread_join(thread, NULL) == 0);
        free_task(task);
    } else if (!strcmp(scene, "threads")) {
        pthread_t threads[4];
        for (int index = 0; index < 4; index++)
            CHECK(pthread_create(&threads[index], NULL, work, NULL) == 0);
        /* Until the input ends. */
        while (getchar() != EOF)
            ;
        __atomic_store_n(&is_over, 1, __ATOMIC_SEQ_CST);
        for (int index = 0; index < 4; index++)
            CHECK(pthread_join(threads[index], NULL) == 0);
    } else if (!strcmp(scene, "fork") || !strcmp(scene, "fork-idle")) {
        finish(new_task());
        CHECK(count < 4 || rename(arguments[2], arguments[3]) == 0);
        pid_t child = fork();
        if (child == 0) {
            if (!strcmp(scene, "fork"))
                finish_many(3);
            exit(0);
        }
        int status = 0;
        CHECK(waitpid(child, &status, 0) == child && status == 0);
        printf("%d\n", (int)child);
        finish(new_task());
    } else if (!strcmp(scene, "serve")) {
        /* One operation for each line of the input; "synchronous" does it outside of a job. */
        char line[32];
        while (fgets(line, sizeof line, stdin)) {
            struct task *task = new_task(), *same = task;
            int result;
            if (!strcmp(line, "synchronous\n")) {
                result = encrypt(&same);
                free_task(task);
            } else {
                result = ends_well(task);
            }
            puts(result ? "done" : "failed");
            fflush(stdout);
        }
    } else {
        fprintf(stderr, "no scene is called \"%s\"\n", scene);
        return 2;
    }
    EVP_CIPHER_free(cipher);
    return 0;
}
