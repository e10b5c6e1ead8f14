/*
 * simaccel/engine.h: the engine of simaccel for C.
 *
 * A device that computes AES and SHA out of submission rings, and sessions whose operations pause a job while the device
 * works (in a job with a wait context) or block (anywhere else). Works with <simaccel/async.h> and with
 * <openssl/async.h>; include either before or after.
 *
 * Every function that can fail returns a simaccel_result; simaccel_last_error() has the words. A handle has one owner,
 * which frees it once; NULL may always be freed. Engines and sessions may be used by any thread; a stream by one at a
 * time.
 *
 * Memory is borrowed for the call only, and copied: input may be freed or changed while the job is paused. All of the input
 * is copied before the operation begins; output is written when the function returns, and only with SIMACCEL_OK. So output
 * may lie where input lies, or overlap any of it in any way. Two outputs of one call do not overlap each other.
 *
 * Lengths are checked, and room for the output where its length is known, before anything is copied or computed:
 * SIMACCEL_ERR_ARGUMENT, and words that name the parameter, what it was given and what is allowed;
 * SIMACCEL_ERR_OUTPUT_TOO_SMALL, and in *out_len or *tag_len how much is enough. Where there is no memory for a copy the
 * result is SIMACCEL_ERR_NO_MEMORY.
 *
 * A job that is discarded in an operation (see ASYNC_cleanup_thread) takes its request back; nothing is leaked. What is
 * freed while an operation uses it stays until that has ended.
 *
 * After a fork the child's operations fail with SIMACCEL_ERR_FORKED; jobs that were paused in one get that result when
 * they are resumed there. A child opens an engine of its own.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0
 */
#ifndef SIMACCEL_ENGINE_H
#define SIMACCEL_ENGINE_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

struct async_job_st; /* ASYNC_JOB */

typedef enum simaccel_result {
    SIMACCEL_OK = 0,
    SIMACCEL_ERR_ARGUMENT = 1,         /* NULL, a length that does not fit, a handle of the wrong kind */
    SIMACCEL_ERR_CONFIG = 2,           /* a mistake in the configuration text */
    SIMACCEL_ERR_SESSION = 3,          /* no such algorithm, or not with that key or those options */
    SIMACCEL_ERR_AUTH_FAILED = 4,      /* the tag or the padding is wrong; nothing is given out */
    SIMACCEL_ERR_OUTPUT_TOO_SMALL = 5, /* *out_len, where it is not NULL, says how much is enough */
    SIMACCEL_ERR_BUSY = 6,             /* another call uses the stream */
    SIMACCEL_ERR_STREAM = 7,           /* the stream is finished, or a part of it failed or was given up; the words say which */
    SIMACCEL_ERR_DEVICE_FAILED = 8,    /* the device failed the request */
    SIMACCEL_ERR_DEVICE_DEAD = 9,      /* until simaccel_device_reset */
    SIMACCEL_ERR_RESET = 10,           /* the device was reset meanwhile */
    SIMACCEL_ERR_CLOSED = 11,          /* the engine was closed meanwhile */
    SIMACCEL_ERR_FORKED = 12,          /* the engine is the parent process's */
    SIMACCEL_ERR_NO_MEMORY = 13,       /* for a copy of the input, or at submission */
    SIMACCEL_ERR_WAKE_FD = 14,         /* no eventfd: too many open files */
    SIMACCEL_ERR_THREAD = 15,          /* no thread for a worker of the device */
    SIMACCEL_ERR_INTERNAL = 16,        /* a mistake in this library */
    SIMACCEL_ERR_TIMEOUT = 17,         /* the device did not end the request within timeout_msec */
    SIMACCEL_ERR_SHORT_OUTPUT = 18,    /* the device gave less output than the request has */
    SIMACCEL_ERR_NEVER_ENDS = 19       /* the call blocked on a stepped device where nothing was left to happen */
} simaccel_result;

/* Why the last function that failed in this thread did; never NULL. Valid until the next failure. ASYNC_ERR is told, too. */
const char *simaccel_last_error(void);
/* "SIMACCEL_ERR_RESET" for SIMACCEL_ERR_RESET; "unknown" for other numbers. */
const char *simaccel_result_name(int result);
/* 1 when the same call may succeed later without any other change. */
int simaccel_is_retryable(int result);
/* "0.1.0" */
const char *simaccel_version(void);

/*
 * The sizes, in bytes, of the stacks of jobs and of the guards below them, for threads whose first job is made, or that call
 * ASYNC_init_thread, after this; 0 leaves that size as it is. 64 KiB each, or what SIMACCEL_STACK_SIZE and
 * SIMACCEL_GUARD_SIZE in the environment say. SIMACCEL_ERR_ARGUMENT for a size that cannot be. See <simaccel/async.h>.
 */
simaccel_result simaccel_set_stack_size(size_t stack_size, size_t guard_size);

/* ---- Engines ---- */

typedef struct simaccel_engine simaccel_engine;

/*
 * Opens the built-in device with a configuration of key=value pairs separated by ';', for example
 * "compute_units=4;completion_nsec=50000;delivery=poll"; NULL or "" is the default. simaccel_engine(3) lists the keys.
 * The rings take 32 bytes for each of queue_pairs * depth places here, 512 MiB at the most, without which the process ends.
 */
simaccel_result simaccel_engine_open(const char *config, simaccel_engine **engine);

/*
 * The same without threads, on a virtual clock that moves by simaccel_device_* and by blocking operations only. A blocking
 * operation there whose request can never end (fault=timeout without timeout_msec) gives SIMACCEL_ERR_NEVER_ENDS.
 */
simaccel_result simaccel_engine_open_stepped(const char *config, simaccel_engine **engine);

/* Sessions and paused operations keep the device open until they end. */
void simaccel_engine_free(simaccel_engine *engine);

/*
 * With delivery=poll: calls resume(job, arg) for jobs of this thread that may go on, at most max times; *count (may be
 * NULL) gets how often. resume may call ASYNC_start_job, and is not itself to be paused in. Fewer than max means that
 * there is nothing more now, and that the fd of simaccel_interrupt_fd becomes readable when there is. What jobs submit in
 * resume is shown to the device several requests at a time, at the latest when this returns: do no long work there.
 */
simaccel_result simaccel_poll(simaccel_engine *engine, size_t max, void (*resume)(struct async_job_st *job, void *arg),
                              void *arg, size_t *count);
simaccel_result simaccel_interrupt_fd(simaccel_engine *engine, int *fd);

/* All counters as a JSON object. *len (may be NULL) gets its bytes without the final 0, if it fits or not. */
simaccel_result simaccel_stats_json(simaccel_engine *engine, char *json, size_t size, size_t *len);

/* Ends what is in flight with SIMACCEL_ERR_RESET, and brings a dead device back to work. */
simaccel_result simaccel_device_reset(simaccel_engine *engine);
/* For stepped devices: one event (*happened, may be NULL, is 0 without any); some time; until nothing is left to do. */
simaccel_result simaccel_device_step(simaccel_engine *engine, int *happened);
simaccel_result simaccel_device_advance(simaccel_engine *engine, uint64_t nsec);
simaccel_result simaccel_device_run_until_idle(simaccel_engine *engine);

/*
 * A pointer of the caller's for a job that has not finished, of the calling thread: paused, or running
 * (ASYNC_get_current_job). A job starts with NULL. SIMACCEL_ERR_ARGUMENT where job names no such job.
 */
simaccel_result simaccel_job_set_data(struct async_job_st *job, void *data);
simaccel_result simaccel_job_data(struct async_job_st *job, void **data);

/* simaccel_poll, with what is attached to each job: the connection, say, so that the caller need not look it up. */
simaccel_result simaccel_poll_data(simaccel_engine *engine, size_t max,
                                   void (*resume)(struct async_job_st *job, void *data, void *arg), void *arg,
                                   size_t *count);
/*
 * The same for a thread that will look again soon, and does not ask to be told: fewer than max says nothing about the fd of
 * simaccel_interrupt_fd, and the device spends no system call on it. Before the thread sleeps it calls simaccel_poll or
 * simaccel_poll_data, and sleeps if that finds nothing either.
 */
simaccel_result simaccel_reap(simaccel_engine *engine, size_t max,
                              void (*resume)(struct async_job_st *job, void *data, void *arg), void *arg, size_t *count);

/* ---- Sessions: an algorithm with its key ---- */

typedef struct simaccel_session simaccel_session;

/*
 * algorithm: aes-{128,192,256}-{ecb,cbc,ctr}, aes-{128,256}-xts, aes-{128,192,256}-gcm, sha224, sha256, sha384, sha512,
 * sha512-256, hmac-sha{224,256,384,512,512-256}; in any case, and OpenSSL's other names and object identifiers, too. Digests
 * take no key.
 * options: "padding=none" or "padding=pkcs7" (the default) for ECB and CBC, "tag_len=BYTES" (16) for GCM; NULL for none.
 */
simaccel_result simaccel_session_new(simaccel_engine *engine, const char *algorithm, const void *key, size_t key_len,
                                     const char *options, simaccel_session **session);
void simaccel_session_free(simaccel_session *session);

/* ---- One request each ---- */

/*
 * Ciphers. Encrypting with padding gives 1 to 16 bytes more than the input, decrypting as many fewer: room for as much as the
 * input is always enough there. An IV has 16 bytes; ECB has none. Without padding ECB and CBC take whole blocks of 16 bytes;
 * XTS takes 16 bytes to 16 MiB.
 */
simaccel_result simaccel_encrypt(simaccel_session *session, const void *iv, size_t iv_len, const void *in, size_t in_len,
                                 void *out, size_t out_size, size_t *out_len);
simaccel_result simaccel_decrypt(simaccel_session *session, const void *iv, size_t iv_len, const void *in, size_t in_len,
                                 void *out, size_t out_size, size_t *out_len);

/* AEADs. A nonce has 1 byte or more; tags have the session's length, given ones too. Both outputs are written, or neither. */
simaccel_result simaccel_seal(simaccel_session *session, const void *nonce, size_t nonce_len, const void *aad,
                              size_t aad_len, const void *in, size_t in_len, void *out, size_t out_size, size_t *out_len,
                              void *tag, size_t tag_size, size_t *tag_len);
simaccel_result simaccel_open(simaccel_session *session, const void *nonce, size_t nonce_len, const void *aad,
                              size_t aad_len, const void *in, size_t in_len, const void *tag, size_t tag_len, void *out,
                              size_t out_size, size_t *out_len);

/* Digests and MACs: at most SIMACCEL_MAX_DIGEST bytes. simaccel_hmac_verify compares in constant time. */
#define SIMACCEL_MAX_DIGEST 64
simaccel_result simaccel_digest(simaccel_session *session, const void *in, size_t in_len, void *out, size_t out_size,
                                size_t *out_len);
simaccel_result simaccel_hmac(simaccel_session *session, const void *in, size_t in_len, void *out, size_t out_size,
                              size_t *out_len);
simaccel_result simaccel_hmac_verify(simaccel_session *session, const void *in, size_t in_len, const void *expected,
                                     size_t expected_len);

/* ---- Messages in parts: any number of updates, one finish ---- */

typedef struct simaccel_stream simaccel_stream;

#define SIMACCEL_DECRYPT 0
#define SIMACCEL_ENCRYPT 1
#define SIMACCEL_MAX_TAG 16
/* Bytes that a part, or the end, may give more than its input: what earlier parts held back. Ask for so much room. */
#define SIMACCEL_STREAM_OVERHEAD 32

/*
 * iv is the nonce of an AEAD. Digests and MACs have neither direction nor iv; only AEADs have aad. An iv that does not fit is
 * refused here. The session may be freed before the stream.
 */
simaccel_result simaccel_stream_new(simaccel_session *session, int direction, const void *iv, size_t iv_len,
                                    const void *aad, size_t aad_len, simaccel_stream **stream);
void simaccel_stream_free(simaccel_stream *stream);

/* Ciphers and AEADs: out_size is at least in_len + SIMACCEL_STREAM_OVERHEAD. Digests and MACs give nothing: NULL, 0. */
simaccel_result simaccel_stream_update(simaccel_stream *stream, const void *in, size_t in_len, void *out,
                                       size_t out_size, size_t *out_len);

/*
 * The end: the rest of a cipher's text (room: SIMACCEL_STREAM_OVERHEAD), or a digest or MAC (room: SIMACCEL_MAX_DIGEST);
 * an AEAD's tag (room: SIMACCEL_MAX_TAG); or whether what an AEAD has decrypted is authentic, which it is not before.
 */
simaccel_result simaccel_stream_finish(simaccel_stream *stream, void *out, size_t out_size, size_t *out_len);
simaccel_result simaccel_stream_finish_seal(simaccel_stream *stream, void *tag, size_t tag_size, size_t *tag_len);
simaccel_result simaccel_stream_finish_open(simaccel_stream *stream, const void *tag, size_t tag_len);

#ifdef __cplusplus
}
#endif

#endif
