/*
 * Wait contexts with the application's callback: no fd is spent on them, and the callback announces every end.
 *
 *   callbacks COUNT FOLDER PROVIDER
 */
#include "sequences.h"

#include <pthread.h>

enum { AT_ONCE = 40 };

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static unsigned long calls;
static EVP_CIPHER *ctr, *gcm;

struct connection {
    ASYNC_JOB *job;
    ASYNC_WAIT_CTX *ctx;
    unsigned char buffer[3000];
    int number, woken, done;
};

static struct connection all[AT_ONCE];

static int wake(void *argument)
{
    struct connection *c = argument;

    pthread_mutex_lock(&lock);
    c->woken = 1;
    calls++;
    pthread_cond_signal(&changed);
    pthread_mutex_unlock(&lock);
    return 1;
}

static int work(void *argument)
{
    struct connection *c = *(struct connection **)argument;
    EVP_CIPHER_CTX *cipher = EVP_CIPHER_CTX_new();
    unsigned char key[32] = { 1 }, iv[16] = { (unsigned char)c->number }, tag[16];
    int len;

    CHECK(EVP_CipherInit_ex(cipher, ctr, NULL, key, iv, 1) == 1);
    CHECK(EVP_CipherUpdate(cipher, c->buffer, &len, c->buffer, sizeof(c->buffer)) == 1);
    CHECK(EVP_CipherInit_ex(cipher, gcm, NULL, key, iv, 1) == 1);
    CHECK(EVP_CipherUpdate(cipher, c->buffer, &len, c->buffer, sizeof(c->buffer)) == 1);
    CHECK(EVP_CipherFinal_ex(cipher, tag, &len) == 1);
    CHECK(EVP_CIPHER_CTX_ctrl(cipher, EVP_CTRL_AEAD_GET_TAG, 16, tag) == 1);
    EVP_CIPHER_CTX_free(cipher);
    c->done = 1;
    return 1;
}

static void go(struct connection *c)
{
    int ret = 0, state = ASYNC_start_job(&c->job, c->ctx, &ret, work, &c, sizeof(c));

    CHECK(state == ASYNC_PAUSE || (state == ASYNC_FINISH && ret == 1));
    pauses += state == ASYNC_PAUSE;
    if (state == ASYNC_FINISH)
        c->job = NULL;
    else
        CHECK(ASYNC_WAIT_CTX_get_status(c->ctx) == ASYNC_STATUS_OK || ASYNC_WAIT_CTX_get_status(c->ctx) == ASYNC_STATUS_EAGAIN);
}

/* The next connection that its callback has named. */
static struct connection *next_woken(void)
{
    struct connection *found = NULL;

    pthread_mutex_lock(&lock);
    while (found == NULL) {
        for (int i = 0; i < AT_ONCE && found == NULL; i++)
            if (all[i].woken && !all[i].done)
                found = &all[i];
        if (found == NULL)
            pthread_cond_wait(&changed, &lock);
    }
    found->woken = 0;
    pthread_mutex_unlock(&lock);
    return found;
}

/* An fd that a context with a callback shows is the same in all of them, and is never readable. */
static void no_fds_spent(int before)
{
    OSSL_ASYNC_FD shared = -1, fd;
    size_t count;

    for (int i = 0; i < AT_ONCE; i++) {
        CHECK(ASYNC_WAIT_CTX_get_all_fds(all[i].ctx, NULL, &count) == 1 && count <= 1);
        if (count == 0)
            continue;
        CHECK(ASYNC_WAIT_CTX_get_all_fds(all[i].ctx, &fd, &count) == 1);
        CHECK(shared == -1 || shared == fd);
        shared = fd;
    }
    if (shared != -1) {
        struct pollfd polled = { .fd = shared, .events = POLLIN };

        CHECK(poll(&polled, 1, 0) == 0);
    }
    CHECK(fds_open() <= before + 1);
}

static void round_of(int before)
{
    unsigned long running = AT_ONCE;

    for (int i = 0; i < AT_ONCE; i++) {
        memset(&all[i], 0, sizeof(all[i]));
        all[i].number = i;
        CHECK((all[i].ctx = ASYNC_WAIT_CTX_new()) != NULL);
        CHECK(ASYNC_WAIT_CTX_set_callback(all[i].ctx, wake, &all[i]) == 1);
        go(&all[i]);
    }
    no_fds_spent(before);
    while (running > 0) {
        struct connection *c = next_woken();

        go(c);
        running -= (unsigned long)c->done;
    }
    no_fds_spent(before);
    for (int i = 0; i < AT_ONCE; i++)
        ASYNC_WAIT_CTX_free(all[i].ctx);
}

/* Contexts that end while their job is paused: their callback is not called any more. */
static void abandoned(int before)
{
    unsigned long calls_then;

    for (int i = 0; i < AT_ONCE; i++) {
        memset(&all[i], 0, sizeof(all[i]));
        CHECK((all[i].ctx = ASYNC_WAIT_CTX_new()) != NULL);
        CHECK(ASYNC_WAIT_CTX_set_callback(all[i].ctx, wake, &all[i]) == 1);
        go(&all[i]);
    }
    for (int i = 0; i < AT_ONCE; i++)
        ASYNC_WAIT_CTX_free(all[i].ctx);
    pthread_mutex_lock(&lock);
    calls_then = calls;
    pthread_mutex_unlock(&lock);
    /* What begins later ends later. */
    {
        EVP_CIPHER_CTX *cipher = EVP_CIPHER_CTX_new();
        unsigned char key[32] = { 0 }, text[64];
        int len;

        CHECK(EVP_CipherInit_ex(cipher, ctr, NULL, key, key, 1) == 1);
        for (int i = 0; i < 4; i++)
            CHECK(EVP_CipherUpdate(cipher, text, &len, key, 32) == 1);
        EVP_CIPHER_CTX_free(cipher);
    }
    pthread_mutex_lock(&lock);
    CHECK(calls == calls_then);
    pthread_mutex_unlock(&lock);
    CHECK(fds_open() <= before + 1);
}

int main(int argc, char **argv)
{
    int count = argc > 1 ? atoi(argv[1]) : 20, before;

    CHECK(argc > 3);
    load(argv[2], argv[3]);
    CHECK((ctr = EVP_CIPHER_fetch(NULL, "AES-128-CTR", queries[1])) != NULL);
    CHECK((gcm = EVP_CIPHER_fetch(NULL, "AES-128-GCM", queries[1])) != NULL);
    {
        /* The device's own fds are there before they are counted. */
        EVP_CIPHER_CTX *cipher = EVP_CIPHER_CTX_new();
        unsigned char key[32] = { 0 }, text[64];
        int len;

        CHECK(EVP_CipherInit_ex(cipher, ctr, NULL, key, key, 1) == 1);
        CHECK(EVP_CipherUpdate(cipher, text, &len, key, 32) == 1);
        EVP_CIPHER_CTX_free(cipher);
    }
    before = fds_open();
    for (int round = 0; round < count; round++)
        round_of(before);
    CHECK(calls >= pauses);
    printf("rounds %d pauses %lu calls %lu\n", count, pauses, calls);
    abandoned(before);
    EVP_CIPHER_free(ctr);
    EVP_CIPHER_free(gcm);
    return 0;
}
