/*
 * simaccel/engine.h: the engine of simaccel for C.
 *
 * A device that computes AES and SHA from submission rings, and sessions whose operations pause a job while the device
 * works (in a job with a wait context) or block (anywhere else). Works with <simaccel/async.h> and with
 * <openssl/async.h>, included before or after. Private keys: <simaccel/keys.h>.
 *
 * Every function that can fail returns a simaccel_result; simaccel_last_error() describes the failure. A handle has one
 * owner, which frees it once; NULL may always be freed. Any thread may use engines and sessions; one thread at a time
 * may use a stream.
 *
 * Memory is borrowed for the call only, and copied: input may be freed or changed while the job is paused. All of the
 * input is copied before the operation begins; output is written when the function returns, and only with SIMACCEL_OK.
 * So output may overlap the input in any way. Two outputs of one call must not overlap each other.
 *
 * Lengths, and room for output of a known length, are checked before anything is copied or computed. A wrong length is
 * SIMACCEL_ERR_ARGUMENT, with a message that names the parameter, its value and what is allowed. Too little room is
 * SIMACCEL_ERR_OUTPUT_TOO_SMALL, with enough room in *out_len or *tag_len. Without memory for a copy the result is
 * SIMACCEL_ERR_NO_MEMORY.
 *
 * A job that is discarded in an operation (see ASYNC_cleanup_thread) takes its request back; nothing is leaked. A
 * handle that is freed while an operation uses it stays until the operation has ended.
 *
 * After a fork the child's operations fail with SIMACCEL_ERR_FORKED; jobs that were paused in one get that result when
 * they are resumed there. A child opens its own engine.
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
    SIMACCEL_ERR_SESSION = 3,          /* no such algorithm, or not with that key or those options; a bad key */
    SIMACCEL_ERR_AUTH_FAILED = 4,      /* the tag, the signature or the padding is wrong; no output */
    SIMACCEL_ERR_OUTPUT_TOO_SMALL = 5, /* *out_len, if not NULL, is set to enough room */
    SIMACCEL_ERR_BUSY = 6,             /* another call uses the stream */
    SIMACCEL_ERR_STREAM = 7,           /* the stream is finished, or a part of it failed or was given up */
    SIMACCEL_ERR_DEVICE_FAILED = 8,    /* the device failed the request */
    SIMACCEL_ERR_DEVICE_DEAD = 9,      /* until simaccel_device_reset */
    SIMACCEL_ERR_RESET = 10,           /* the device was reset during the operation */
    SIMACCEL_ERR_CLOSED = 11,          /* the engine was closed during the operation */
    SIMACCEL_ERR_FORKED = 12,          /* the engine belongs to the parent process */
    SIMACCEL_ERR_NO_MEMORY = 13,       /* for a copy of the input, or at submission */
    SIMACCEL_ERR_WAKE_FD = 14,         /* no eventfd: too many open files */
    SIMACCEL_ERR_THREAD = 15,          /* no thread for a worker of the device */
    SIMACCEL_ERR_INTERNAL = 16,        /* a bug in this library */
    SIMACCEL_ERR_TIMEOUT = 17,         /* the device did not end the request within timeout_msec */
    SIMACCEL_ERR_SHORT_OUTPUT = 18,    /* the device returned too little output */
    SIMACCEL_ERR_NEVER_ENDS = 19,      /* the call blocked on a stepped device with nothing left to happen */
    SIMACCEL_ERR_PENDING = 20,         /* the operation that was started is not over (<simaccel/keys.h>) */
    SIMACCEL_ERR_TAKEN = 21,           /* its result was taken before, or it was cancelled */
    SIMACCEL_ERR_RANDOM = 22           /* the system has no random bytes */
} simaccel_result;

/* Describes the last failure in this thread, ASYNC_ERR included; never NULL. Valid until the next failure. */
const char *simaccel_last_error(void);
/* "SIMACCEL_ERR_RESET" for SIMACCEL_ERR_RESET; "unknown" for other numbers. */
const char *simaccel_result_name(int result);
/* Returns 1 when the same call may succeed later without any other change. */
int simaccel_is_retryable(int result);
/* "0.1.0" */
const char *simaccel_version(void);

/*
 * Sets the sizes, in bytes, of the stacks of jobs and of the guards below them, for threads that create their first
 * job, or call ASYNC_init_thread, after this; 0 leaves that size as it is. The defaults are 64 KiB each, or
 * SIMACCEL_STACK_SIZE and SIMACCEL_GUARD_SIZE in the environment. An impossible size is SIMACCEL_ERR_ARGUMENT. See
 * <simaccel/async.h>.
 */
simaccel_result simaccel_set_stack_size(size_t stack_size, size_t guard_size);

/* ---- Engines ---- */

typedef struct simaccel_engine simaccel_engine;

/*
 * Opens the built-in device with a configuration of key=value pairs separated by ';' or new lines, for example
 * "compute_units=4;completion_nsec=50_000;delivery=poll"; NULL or "" is the default. simaccel_engine(3) lists the keys.
 * The rings take 32 bytes for each of queue_pairs * depth places here, 512 MiB at the most, without which the process
 * ends.
 */
simaccel_result simaccel_engine_open(const char *config, simaccel_engine **engine);

/*
 * The same without threads, on a virtual clock that only simaccel_device_* and blocking operations move. A blocking
 * operation there whose request can never end (fault=timeout without timeout_msec) returns SIMACCEL_ERR_NEVER_ENDS.
 */
simaccel_result simaccel_engine_open_stepped(const char *config, simaccel_engine **engine);

/*
 * Change an engine while it runs. Its device has to be a modelled one, or opened with model=on: an ideal one is
 * SIMACCEL_ERR_CONFIG. When they return, the device works by the change; called on a thread of the device (by a callback
 * of a wait context), they do not wait. On a stepped device the change happens at once, between two events. Requests that
 * are scheduled keep their times and their faults.
 *
 * set_faults: the whole fault plan, "fault=fail:every=100;fault=nomem:nth=3"; NULL or "" is none. Its rules count from
 * the beginning, also those that have stayed the same.
 * reconfigure: keys of the model, and the fault plan if the text has any fault (fault=none: none), for example
 * "completion_nsec=500_000". simaccel_engine(3) lists the keys; any other, and a value that does not fit, is
 * SIMACCEL_ERR_CONFIG, and nothing has changed.
 */
simaccel_result simaccel_engine_set_faults(simaccel_engine *engine, const char *faults);
simaccel_result simaccel_engine_reconfigure(simaccel_engine *engine, const char *changes);

/* Sessions and paused operations keep the device open until they end. */
void simaccel_engine_free(simaccel_engine *engine);

/*
 * With delivery=poll: calls resume(job, arg) for jobs of this thread that may go on, at most max times; *count (may be
 * NULL) gets the number of calls. resume may call ASYNC_start_job, and must not pause. Fewer calls than max mean that
 * there is nothing more now, and that the fd of simaccel_interrupt_fd becomes readable when there is. Requests that
 * jobs submit in resume reach the device several at a time, at the latest when this returns: do no long work there.
 */
simaccel_result simaccel_poll(simaccel_engine *engine, size_t max, void (*resume)(struct async_job_st *job, void *arg),
                              void *arg, size_t *count);
simaccel_result simaccel_interrupt_fd(simaccel_engine *engine, int *fd);

/*
 * Writes all counters as a JSON object. *len (may be NULL) gets its length without the final 0, whether it fits or not.
 */
simaccel_result simaccel_stats_json(simaccel_engine *engine, char *json, size_t size, size_t *len);

/* Ends everything in flight with SIMACCEL_ERR_RESET, and revives a dead device. */
simaccel_result simaccel_device_reset(simaccel_engine *engine);
/* For stepped devices: run one event (*happened, may be NULL, is 0 without one); advance the clock; run until idle. */
simaccel_result simaccel_device_step(simaccel_engine *engine, int *happened);
simaccel_result simaccel_device_advance(simaccel_engine *engine, uint64_t nsec);
simaccel_result simaccel_device_run_until_idle(simaccel_engine *engine);

/*
 * A pointer that the caller attaches to an unfinished job of the calling thread: paused, or running
 * (ASYNC_get_current_job). A job starts with NULL. SIMACCEL_ERR_ARGUMENT when job names no such job.
 */
simaccel_result simaccel_job_set_data(struct async_job_st *job, void *data);
simaccel_result simaccel_job_data(struct async_job_st *job, void **data);

/* simaccel_poll, with the pointer attached to each job: for example its connection, which then needs no lookup. */
simaccel_result simaccel_poll_data(simaccel_engine *engine, size_t max,
                                   void (*resume)(struct async_job_st *job, void *data, void *arg), void *arg,
                                   size_t *count);
/*
 * The same for a thread that will look again soon: fewer calls than max say nothing about the fd of
 * simaccel_interrupt_fd, and the device spends no system call on it. Before the thread sleeps it calls simaccel_poll or
 * simaccel_poll_data, and sleeps if that finds nothing either.
 */
simaccel_result simaccel_reap(simaccel_engine *engine, size_t max,
                              void (*resume)(struct async_job_st *job, void *data, void *arg), void *arg, size_t *count);

/* ---- Sessions: an algorithm with its key ---- */

typedef struct simaccel_session simaccel_session;

/*
 * algorithm: aes-{128,192,256}-{ecb,cbc,ctr}, aes-{128,256}-xts, aes-{128,192,256}-gcm, sha224, sha256, sha384, sha512,
 * sha512-256, hmac-sha{224,256,384,512,512-256}; in any case, and OpenSSL's other names and object identifiers, too.
 * Digests take no key.
 * options: "padding=none" or "padding=pkcs7" (the default) for ECB and CBC, "tag_len=BYTES" (16) for GCM, written as a
 * configuration is; NULL for none.
 */
simaccel_result simaccel_session_new(simaccel_engine *engine, const char *algorithm, const void *key, size_t key_len,
                                     const char *options, simaccel_session **session);
void simaccel_session_free(simaccel_session *session);

/* ---- One request each ---- */

/*
 * Ciphers. Encrypting with padding returns 1 to 16 bytes more than the input, decrypting as many fewer: there, room for
 * the length of the input is always enough. An IV has 16 bytes; ECB has none. Without padding ECB and CBC take whole
 * blocks of 16 bytes; XTS takes 16 bytes to 16 MiB.
 */
simaccel_result simaccel_encrypt(simaccel_session *session, const void *iv, size_t iv_len, const void *in, size_t in_len,
                                 void *out, size_t out_size, size_t *out_len);
simaccel_result simaccel_decrypt(simaccel_session *session, const void *iv, size_t iv_len, const void *in, size_t in_len,
                                 void *out, size_t out_size, size_t *out_len);

/*
 * AEADs. A nonce has 1 byte or more; input and output tags have the session's length. Both outputs are written, or
 * none.
 */
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
/*
 * How many bytes more than its input a part, or the end, may return (earlier parts hold bytes back). Provide this room.
 */
#define SIMACCEL_STREAM_OVERHEAD 32

/*
 * iv is the nonce of an AEAD. Digests and MACs have neither direction nor iv; only AEADs have aad. An iv of a wrong
 * length is refused here. The session may be freed before the stream.
 */
simaccel_result simaccel_stream_new(simaccel_session *session, int direction, const void *iv, size_t iv_len,
                                    const void *aad, size_t aad_len, simaccel_stream **stream);
void simaccel_stream_free(simaccel_stream *stream);

/*
 * Ciphers and AEADs: out_size is at least in_len + SIMACCEL_STREAM_OVERHEAD. Digests and MACs return nothing: NULL, 0.
 */
simaccel_result simaccel_stream_update(simaccel_stream *stream, const void *in, size_t in_len, void *out,
                                       size_t out_size, size_t *out_len);

/*
 * The end: the rest of a cipher's text (room: SIMACCEL_STREAM_OVERHEAD), or a digest or MAC (room:
 * SIMACCEL_MAX_DIGEST); an AEAD's tag (room: SIMACCEL_MAX_TAG); or whether the decrypted text of an AEAD is authentic.
 * Do not use it before.
 */
simaccel_result simaccel_stream_finish(simaccel_stream *stream, void *out, size_t out_size, size_t *out_len);
simaccel_result simaccel_stream_finish_seal(simaccel_stream *stream, void *tag, size_t tag_size, size_t *tag_len);
simaccel_result simaccel_stream_finish_open(simaccel_stream *stream, const void *tag, size_t tag_len);

#ifdef __cplusplus
}
#endif

#endif
