/*
 * Loads the provider, encrypts in jobs, unloads it, and does it again: in library contexts of its own and in the default
 * one. Prints the fds and threads of the process after each round.
 *
 *     reload FOLDER ROUNDS
 */
#include <dirent.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/async.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/provider.h>

#define CHECK(what) \
    do { \
        if (!(what)) { \
            fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #what); \
            ERR_print_errors_fp(stderr); \
            exit(1); \
        } \
    } while (0)

enum { LENGTH = 1024, JOBS = 4 };

static const unsigned char KEY[16] = "0123456789abcde";
static unsigned char message[LENGTH], expected[LENGTH];

struct work {
    OSSL_LIB_CTX *lib_ctx;
    const char *properties;
    unsigned char output[LENGTH];
};

static void encrypt(struct work *work)
{
    EVP_CIPHER *cipher = EVP_CIPHER_fetch(work->lib_ctx, "AES-128-CBC", work->properties);
    EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
    int length = 0;

    CHECK(cipher != NULL && ctx != NULL);
    CHECK(EVP_EncryptInit_ex2(ctx, cipher, KEY, KEY, NULL));
    CHECK(EVP_EncryptUpdate(ctx, work->output, &length, message, LENGTH));
    CHECK(length == LENGTH);
    EVP_CIPHER_CTX_free(ctx);
    EVP_CIPHER_free(cipher);
}

static int job(void *argument)
{
    encrypt(*(struct work **)argument);
    return 1;
}

/* Several jobs at a time, each resumed when its fd says so. */
static void encrypt_in_jobs(OSSL_LIB_CTX *lib_ctx)
{
    ASYNC_JOB *jobs[JOBS] = { NULL };
    ASYNC_WAIT_CTX *waits[JOBS];
    static struct work works[JOBS];
    int left = JOBS, done[JOBS] = { 0 }, ended;

    for (int i = 0; i < JOBS; i++) {
        works[i] = (struct work){ .lib_ctx = lib_ctx, .properties = "simaccel.hw=yes" };
        CHECK((waits[i] = ASYNC_WAIT_CTX_new()) != NULL);
    }
    while (left > 0) {
        for (int i = 0; i < JOBS; i++) {
            struct work *work = &works[i];
            if (done[i])
                continue;
            if (jobs[i] != NULL) {
                OSSL_ASYNC_FD fd;
                size_t fds = 0;
                CHECK(ASYNC_WAIT_CTX_get_all_fds(waits[i], NULL, &fds) && fds == 1);
                CHECK(ASYNC_WAIT_CTX_get_all_fds(waits[i], &fd, &fds));
                CHECK(poll(&(struct pollfd){ .fd = fd, .events = POLLIN }, 1, -1) == 1);
            }
            switch (ASYNC_start_job(&jobs[i], waits[i], &ended, job, &work, sizeof(work))) {
            case ASYNC_PAUSE:
                break;
            case ASYNC_FINISH:
                done[i] = 1;
                left--;
                break;
            default:
                CHECK(!"the job can be started");
            }
        }
    }
    for (int i = 0; i < JOBS; i++) {
        CHECK(memcmp(works[i].output, expected, LENGTH) == 0);
        ASYNC_WAIT_CTX_free(waits[i]);
    }
}

static int entries(const char *folder)
{
    DIR *dir = opendir(folder);
    int count = 0;

    CHECK(dir != NULL);
    while (readdir(dir) != NULL)
        count++;
    closedir(dir);
    return count;
}

/* Loads, uses and unloads the provider in a context; NULL is the default one. */
static void round_in(OSSL_LIB_CTX *lib_ctx, const char *folder)
{
    OSSL_PROVIDER *ours, *theirs;

    CHECK(OSSL_PROVIDER_set_default_search_path(lib_ctx, folder));
    CHECK((ours = OSSL_PROVIDER_load(lib_ctx, "libsimaccel_provider")) != NULL);
    CHECK((theirs = OSSL_PROVIDER_load(lib_ctx, "default")) != NULL);
    encrypt_in_jobs(lib_ctx);
    CHECK(OSSL_PROVIDER_unload(ours));
    CHECK(OSSL_PROVIDER_unload(theirs));
}

int main(int argc, char **argv)
{
    struct work by_default = { .properties = "provider=default" };
    OSSL_PROVIDER *theirs;

    CHECK(argc == 3);
    for (int i = 0; i < LENGTH; i++)
        message[i] = (unsigned char)(i * 7);
    CHECK((theirs = OSSL_PROVIDER_load(NULL, "default")) != NULL);
    encrypt(&by_default);
    memcpy(expected, by_default.output, LENGTH);

    for (int i = 0; i < atoi(argv[2]); i++) {
        /* Two contexts at once, so that the last to go is not the first that came. */
        OSSL_LIB_CTX *one = OSSL_LIB_CTX_new(), *two = OSSL_LIB_CTX_new();
        CHECK(one != NULL && two != NULL);
        round_in(NULL, argv[1]);
        round_in(one, argv[1]);
        round_in(two, argv[1]);
        OSSL_LIB_CTX_free(one);
        round_in(two, argv[1]);
        OSSL_LIB_CTX_free(two);
        printf("%d fds, %d threads\n", entries("/proc/self/fd"), entries("/proc/self/task"));
    }
    OSSL_PROVIDER_unload(theirs);
    return 0;
}
