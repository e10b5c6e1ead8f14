/*
 * Connections that end while their job is paused, as servers end them: the contexts are freed, and the job is never
 * resumed. Neither what the device still has to do nor its wake may reach anything that was freed, and no fd stays.
 *
 *   teardown ROUNDS FOLDER PROVIDER           the provider's operations have to take long
 */
#include "sequences.h"

#include <sys/eventfd.h>
#include <unistd.h>

enum { AT_ONCE = 12 };

static EVP_CIPHER *cbc, *gcm;
static EVP_MD *sha;

struct connection {
    ASYNC_JOB *job;
    ASYNC_WAIT_CTX *ctx;
    EVP_CIPHER_CTX *cipher;
    EVP_MD_CTX *digest;
    unsigned char *buffer;
    int kind, done;
};

static int work(void *argument)
{
    struct connection *c = *(struct connection **)argument;
    unsigned char key[32] = { 1 }, iv[16] = { 2 };
    int len;

    if (c->kind == 0) {
        CHECK(EVP_CipherInit_ex(c->cipher, cbc, NULL, key, iv, 1) == 1);
        CHECK(EVP_CipherUpdate(c->cipher, c->buffer, &len, c->buffer, 4096) == 1);
    } else if (c->kind == 1) {
        CHECK(EVP_CipherInit_ex(c->cipher, gcm, NULL, key, iv, 1) == 1);
        CHECK(EVP_CipherUpdate(c->cipher, c->buffer, &len, c->buffer, 4096) == 1);
        CHECK(EVP_CipherFinal_ex(c->cipher, c->buffer + len, &len) == 1);
    } else {
        CHECK(EVP_DigestInit_ex(c->digest, sha, NULL) == 1);
        CHECK(EVP_DigestUpdate(c->digest, c->buffer, 4096) == 1);
        CHECK(EVP_DigestFinal_ex(c->digest, c->buffer, NULL) == 1);
    }
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
}

static void begin_connection(struct connection *c, int kind)
{
    memset(c, 0, sizeof(*c));
    c->kind = kind;
    CHECK((c->ctx = ASYNC_WAIT_CTX_new()) != NULL);
    CHECK((c->cipher = EVP_CIPHER_CTX_new()) != NULL);
    CHECK((c->digest = EVP_MD_CTX_new()) != NULL);
    CHECK((c->buffer = malloc(5000)) != NULL);
    memset(c->buffer, kind, 5000);
    go(c);
}

/* In the order of SSL_free: buffers, ciphers, wait context. */
static void end_connection(struct connection *c)
{
    memset(c->buffer, 0xdd, 5000);
    free(c->buffer);
    EVP_CIPHER_CTX_free(c->cipher);
    EVP_MD_CTX_free(c->digest);
    ASYNC_WAIT_CTX_free(c->ctx);
}

static OSSL_ASYNC_FD fd_to_wait_for(struct connection *c)
{
    OSSL_ASYNC_FD fd;
    size_t count = 1;

    CHECK(ASYNC_WAIT_CTX_get_all_fds(c->ctx, NULL, &count) == 1 && count == 1);
    CHECK(ASYNC_WAIT_CTX_get_all_fds(c->ctx, &fd, &count) == 1);
    return fd;
}

/* A connection that lives: it is resumed until its end, many times too early. */
static void live(int kind)
{
    struct connection c;
    struct pollfd polled = { .events = POLLIN };

    begin_connection(&c, kind);
    for (int early = 0; early < 3 && !c.done; early++)
        go(&c);
    while (!c.done) {
        polled.fd = fd_to_wait_for(&c);
        CHECK(poll(&polled, 1, -1) == 1);
        go(&c);
    }
    end_connection(&c);
}

/*
 * The numbers of the fds that the freed contexts had are given to other files. When an operation that began later has
 * ended, the device has ended those of the freed contexts, and has written none of these files.
 */
static void abandon(void)
{
    struct connection all[AT_ONCE];
    int others[AT_ONCE];
    uint64_t count;

    for (int i = 0; i < AT_ONCE; i++)
        begin_connection(&all[i], i % 3);
    for (int i = 0; i < AT_ONCE; i++) {
        CHECK(!all[i].done);
        end_connection(&all[i]);
        CHECK((others[i] = eventfd(0, EFD_NONBLOCK)) >= 0);
    }
    live(0);
    live(1);
    for (int i = 0; i < AT_ONCE; i++) {
        CHECK(read(others[i], &count, sizeof(count)) == -1);
        close(others[i]);
    }
}

/* The job's own thread of control goes on after its wait context has shown its fd to nobody for a while. */
static void resumed_late(void)
{
    struct connection all[AT_ONCE];

    for (int i = 0; i < AT_ONCE; i++)
        begin_connection(&all[i], i % 3);
    live(2);
    for (int i = AT_ONCE - 1; i >= 0; i--) {
        struct pollfd polled = { .events = POLLIN };

        while (!all[i].done) {
            polled.fd = fd_to_wait_for(&all[i]);
            CHECK(poll(&polled, 1, -1) == 1);
            go(&all[i]);
        }
        end_connection(&all[i]);
    }
}

int main(int argc, char **argv)
{
    int rounds = argc > 1 ? atoi(argv[1]) : 20, before;

    CHECK(argc > 3);
    load(argv[2], argv[3]);
    CHECK((cbc = EVP_CIPHER_fetch(NULL, "AES-128-CBC", queries[1])) != NULL);
    CHECK((gcm = EVP_CIPHER_fetch(NULL, "AES-256-GCM", queries[1])) != NULL);
    CHECK((sha = EVP_MD_fetch(NULL, "SHA2-256", queries[1])) != NULL);
    live(0);
    before = fds_open();
    for (int round = 0; round < rounds; round++) {
        abandon();
        resumed_late();
        CHECK(fds_open() == before);
    }
    printf("rounds %d pauses %lu abandoned %d\n", rounds, pauses, rounds * AT_ONCE);
    EVP_CIPHER_free(cbc);
    EVP_CIPHER_free(gcm);
    EVP_MD_free(sha);
    return 0;
}
