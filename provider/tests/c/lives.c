/*
 * What a process does with the provider in its life: forks, opens several library contexts, blocks pauses, has threads,
 * and has little stack.
 *
 *   lives SCENE FOLDER PROVIDER [FILE]        FILE declares simaccel with another device, and activates nothing
 */
#include <openssl/async.h>
#include <openssl/conf.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/provider.h>

#include <alloca.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define CHECK(condition)                                                                      \
    do {                                                                                      \
        if (!(condition)) {                                                                   \
            fprintf(stderr, "%d: %s: not so: %s\n", (int)getpid(), __func__, #condition);     \
            ERR_print_errors_fp(stderr);                                                      \
            exit(1);                                                                          \
        }                                                                                     \
    } while (0)

enum { TEXT = 1000 };

static const unsigned char KEY[32] = { 1, 2, 3 }, IV[16] = { 4, 5, 6 };
static const char *folder, *name;

/* A text, encrypted and hashed in two parts each. */
struct work {
    EVP_CIPHER_CTX *cipher;
    EVP_MD_CTX *digest;
    unsigned char text[TEXT], out[TEXT + 16], md[EVP_MAX_MD_SIZE];
    int len, blocked;
};

static void load(OSSL_LIB_CTX *lib)
{
    CHECK(OSSL_PROVIDER_set_default_search_path(lib, folder));
    CHECK(OSSL_PROVIDER_load(lib, name) != NULL);
    CHECK(OSSL_PROVIDER_load(lib, "default") != NULL);
}

static struct work *new_work(OSSL_LIB_CTX *lib, const char *algorithm, const char *query)
{
    struct work *work = calloc(1, sizeof(*work));
    EVP_CIPHER *cipher = EVP_CIPHER_fetch(lib, algorithm, query);
    EVP_MD *md = EVP_MD_fetch(lib, "SHA2-256", query);

    CHECK(work != NULL && cipher != NULL && md != NULL);
    for (int i = 0; i < TEXT; i++)
        work->text[i] = (unsigned char)i;
    work->cipher = EVP_CIPHER_CTX_new();
    work->digest = EVP_MD_CTX_new();
    CHECK(EVP_EncryptInit_ex2(work->cipher, cipher, KEY, IV, NULL));
    CHECK(EVP_DigestInit_ex2(work->digest, md, NULL));
    EVP_CIPHER_free(cipher);
    EVP_MD_free(md);
    return work;
}

static void free_work(struct work *work)
{
    EVP_CIPHER_CTX_free(work->cipher);
    EVP_MD_CTX_free(work->digest);
    free(work);
}

static int first_part(void *argument)
{
    struct work *work = *(struct work **)argument;
    int len = 0;

    if (work->blocked)
        ASYNC_block_pause();
    CHECK(EVP_EncryptUpdate(work->cipher, work->out, &len, work->text, 333));
    work->len = len;
    CHECK(EVP_DigestUpdate(work->digest, work->text, 333));
    if (work->blocked)
        ASYNC_unblock_pause();
    return 1;
}

static int second_part(void *argument)
{
    struct work *work = *(struct work **)argument;
    int len = 0;

    CHECK(EVP_EncryptUpdate(work->cipher, work->out + work->len, &len, work->text + 333, TEXT - 333));
    work->len += len;
    CHECK(EVP_EncryptFinal_ex(work->cipher, work->out + work->len, &len));
    work->len += len;
    CHECK(EVP_DigestUpdate(work->digest, work->text + 333, TEXT - 333));
    CHECK(EVP_DigestFinal_ex(work->digest, work->md, NULL));
    return 1;
}

/* Runs a part in a job, which is resumed when its fd is readable. Returns how often it was paused. */
static int in_a_job(int (*part)(void *), struct work *work)
{
    ASYNC_JOB *job = NULL;
    ASYNC_WAIT_CTX *ctx = ASYNC_WAIT_CTX_new();
    int result = 0, pauses = 0, state;

    while ((state = ASYNC_start_job(&job, ctx, &result, part, &work, sizeof(work))) == ASYNC_PAUSE) {
        struct pollfd fd = { .fd = -1, .events = POLLIN };
        size_t count = 0;
        pauses++;
        CHECK(ASYNC_WAIT_CTX_get_all_fds(ctx, NULL, &count) && count == 1);
        CHECK(ASYNC_WAIT_CTX_get_all_fds(ctx, &fd.fd, &count));
        CHECK(poll(&fd, 1, -1) == 1);
    }
    CHECK(state == ASYNC_FINISH && result == 1);
    ASYNC_WAIT_CTX_free(ctx);
    return pauses;
}

/* The result is that of the default provider. */
static void check(struct work *work, const char *algorithm)
{
    struct work *expected = new_work(NULL, algorithm, "provider=default");

    CHECK(first_part(&expected) && second_part(&expected));
    CHECK(work->len == expected->len && memcmp(work->out, expected->out, work->len) == 0);
    CHECK(memcmp(work->md, expected->md, 32) == 0);
    free_work(expected);
}

static const char *const ALGORITHMS[] = { "AES-128-CBC", "AES-256-CTR", "AES-192-ECB" };

/* What a parent has begun, it and its child end, each on its own device. */
static void forks(void)
{
    for (int outside = 0; outside < 2; outside++)
        for (size_t i = 0; i < sizeof(ALGORITHMS) / sizeof(*ALGORITHMS); i++) {
            struct work *work = new_work(NULL, ALGORITHMS[i], "provider=simaccel");
            int status = 0;
            pid_t child;

            CHECK(in_a_job(first_part, work) == 2);
            child = fork();
            CHECK(child >= 0);
            if (outside)
                CHECK(second_part(&work));
            else
                CHECK(in_a_job(second_part, work) >= 3);
            check(work, ALGORITHMS[i]);
            free_work(work);
            if (child == 0)
                exit(0);
            CHECK(waitpid(child, &status, 0) == child && status == 0);
        }
}

/* A child of a child, without a parent that has used the device. */
static void workers(void)
{
    for (int i = 0; i < 3; i++) {
        int status = 0;
        pid_t child = fork();

        CHECK(child >= 0);
        if (child == 0) {
            struct work *work = new_work(NULL, "AES-128-CBC", "provider=simaccel");
            CHECK(in_a_job(first_part, work) == 2);
            if (i == 2)
                forks();
            CHECK(in_a_job(second_part, work) == 4);
            check(work, "AES-128-CBC");
            free_work(work);
            exit(0);
        }
        CHECK(waitpid(child, &status, 0) == child && status == 0);
    }
}

/* Several library contexts, with one device: it serves all, and one that wants another is told so. */
static void contexts(const char *file)
{
    OSSL_LIB_CTX *libs[3];
    struct work *works[3];
    const char *data = NULL;
    int flags = 0;

    for (int i = 0; i < 3; i++) {
        libs[i] = OSSL_LIB_CTX_new();
        load(libs[i]);
        works[i] = new_work(libs[i], "AES-128-CBC", "provider=simaccel");
        CHECK(in_a_job(first_part, works[i]) == 2);
    }
    for (int i = 0; i < 3; i++) {
        CHECK(in_a_job(second_part, works[i]) == 4);
        check(works[i], "AES-128-CBC");
        free_work(works[i]);
        OSSL_LIB_CTX_free(libs[i]);
    }
    libs[0] = OSSL_LIB_CTX_new();
    CHECK(OSSL_LIB_CTX_load_config(libs[0], file));
    CHECK(OSSL_PROVIDER_load(libs[0], "simaccel") == NULL);
    while (ERR_get_error_all(NULL, NULL, NULL, &data, &flags) != 0)
        if ((flags & ERR_TXT_STRING) && strstr(data, "another library context"))
            printf("refused: %s\n", data);
    OSSL_LIB_CTX_free(libs[0]);
}

/* Where pausing is blocked an operation waits in its thread: the first of a context, and a later one. */
static void blocked(void)
{
    struct work *work = new_work(NULL, "AES-128-CBC", "provider=simaccel");

    work->blocked = 1;
    CHECK(in_a_job(first_part, work) == 0);
    CHECK(in_a_job(second_part, work) == 4);
    check(work, "AES-128-CBC");
    free_work(work);
}

static int blocked_after_a_pause(void *argument)
{
    struct work *work = *(struct work **)argument;

    work->blocked = 0;
    first_part(argument);
    ASYNC_block_pause();
    second_part(argument);
    ASYNC_unblock_pause();
    return 1;
}

static void blocked_later(void)
{
    struct work *work = new_work(NULL, "AES-128-CBC", "provider=simaccel");

    CHECK(in_a_job(blocked_after_a_pause, work) == 2);
    check(work, "AES-128-CBC");
    free_work(work);
}

/* Resumes in a loop, without a look at the fd: many more than a probe needs. */
static void busy(void)
{
    struct work *work = new_work(NULL, "AES-128-CBC", "provider=simaccel");
    ASYNC_JOB *job = NULL;
    ASYNC_WAIT_CTX *ctx = ASYNC_WAIT_CTX_new();
    int result = 0, state;
    unsigned long pauses = 0;

    while ((state = ASYNC_start_job(&job, ctx, &result, first_part, &work, sizeof(work))) == ASYNC_PAUSE)
        pauses++;
    CHECK(state == ASYNC_FINISH && result == 1);
    ASYNC_WAIT_CTX_free(ctx);
    printf("resumes %lu\n", pauses);
    CHECK(in_a_job(second_part, work) == 4);
    check(work, "AES-128-CBC");
    free_work(work);
}

/* How often each operation is paused. */
static void count(void)
{
    struct work *work = new_work(NULL, "AES-128-CBC", "provider=simaccel");
    int pauses = in_a_job(first_part, work);

    printf("pauses %d %d\n", pauses, in_a_job(second_part, work));
    check(work, "AES-128-CBC");
    free_work(work);
}

static void *a_thread(void *unused)
{
    (void)unused;
    for (int i = 0; i < 200; i++) {
        struct work *work = new_work(NULL, "AES-128-CBC", "provider=simaccel");
        CHECK(in_a_job(first_part, work) == 2);
        CHECK(in_a_job(second_part, work) == 4);
        check(work, "AES-128-CBC");
        free_work(work);
    }
    return NULL;
}

static void threads(void)
{
    pthread_t all[4];

    for (int i = 0; i < 4; i++)
        CHECK(pthread_create(&all[i], NULL, a_thread, NULL) == 0);
    for (int i = 0; i < 4; i++)
        CHECK(pthread_join(all[i], NULL) == 0);
}

/* How much of a job's stack each kind of call takes: what it has overwritten below its caller's frame. */
enum { PAINTED = 20 * 1024, PAINT = 0xa5 };

static const char *measured = "AES-128-CBC";
static EVP_CIPHER *measured_cipher;
static EVP_MD *measured_md;

__attribute__((noinline)) static void paint(void)
{
    volatile unsigned char *area = alloca(PAINTED);

    for (size_t i = 0; i < PAINTED; i++)
        area[i] = PAINT;
}

__attribute__((noinline)) static size_t used(void)
{
    volatile unsigned char *area = alloca(PAINTED);
    size_t i = 0;

    while (i < PAINTED && area[i] == PAINT)
        i++;
    return PAINTED - i;
}

#define MEASURE(what, call)                                      \
    do {                                                         \
        int done_;                                               \
        size_t used_;                                            \
        paint();                                                 \
        done_ = (call);                                          \
        used_ = used();                                          \
        CHECK(done_ > 0);                                        \
        printf("%s %s: %zu\n", measured, what, used_);           \
    } while (0)

static int measure(void *unused)
{
    EVP_CIPHER_CTX *cipher = EVP_CIPHER_CTX_new();
    EVP_MD_CTX *md = EVP_MD_CTX_new(), *copy = EVP_MD_CTX_new();
    unsigned char text[64] = { 0 }, out[96], key[64] = { 1 };
    int len = 0;

    (void)unused;
    if (measured_cipher != NULL) {
        /* The first operation of a context makes its fd, the second does not. */
        for (int round = 0; round < 2; round++) {
            MEASURE("init", EVP_EncryptInit_ex2(cipher, measured_cipher, key, IV, NULL));
            MEASURE("update", EVP_EncryptUpdate(cipher, out, &len, text, sizeof(text)));
            MEASURE("final", EVP_EncryptFinal_ex(cipher, out, &len));
        }
    } else {
        for (int round = 0; round < 2; round++) {
            MEASURE("init", EVP_DigestInit_ex2(md, measured_md, NULL));
            MEASURE("update", EVP_DigestUpdate(md, text, sizeof(text)));
            MEASURE("copy", EVP_MD_CTX_copy_ex(copy, md));
            MEASURE("final", EVP_DigestFinal_ex(md, out, NULL));
        }
    }
    EVP_CIPHER_CTX_free(cipher);
    EVP_MD_CTX_free(md);
    EVP_MD_CTX_free(copy);
    return 1;
}

static void stack(void)
{
    static const char *const ciphers[] = { "AES-128-ECB", "AES-256-CBC", "AES-128-CTR", "AES-256-GCM", "AES-256-XTS" };
    static const char *const digests[] = { "SHA2-256", "SHA2-512" };

    for (size_t i = 0; i < sizeof(ciphers) / sizeof(*ciphers); i++) {
        measured = ciphers[i];
        CHECK((measured_cipher = EVP_CIPHER_fetch(NULL, measured, "provider=simaccel")) != NULL);
        in_a_job(measure, NULL);
        EVP_CIPHER_free(measured_cipher);
    }
    measured_cipher = NULL;
    for (size_t i = 0; i < sizeof(digests) / sizeof(*digests); i++) {
        measured = digests[i];
        CHECK((measured_md = EVP_MD_fetch(NULL, measured, "provider=simaccel")) != NULL);
        in_a_job(measure, NULL);
        EVP_MD_free(measured_md);
    }
}

int main(int argc, char **argv)
{
    const char *scene = argc > 3 ? argv[1] : "";

    folder = argc > 3 ? argv[2] : "";
    name = argc > 3 ? argv[3] : "";
    load(NULL);
    if (strcmp(scene, "forks") == 0)
        forks();
    else if (strcmp(scene, "workers") == 0)
        workers();
    else if (strcmp(scene, "contexts") == 0 && argc > 4)
        contexts(argv[4]);
    else if (strcmp(scene, "blocked") == 0)
        blocked();
    else if (strcmp(scene, "blocked-later") == 0)
        blocked_later();
    else if (strcmp(scene, "busy") == 0)
        busy();
    else if (strcmp(scene, "count") == 0)
        count();
    else if (strcmp(scene, "threads") == 0)
        threads();
    else if (strcmp(scene, "stack") == 0)
        stack();
    else
        return 2;
    printf("done\n");
    return 0;
}
