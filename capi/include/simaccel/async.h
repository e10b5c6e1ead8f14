/*
 * simaccel/async.h: jobs that pause and resume, and wait contexts.
 *
 * The 22 functions of OpenSSL's <openssl/async.h>, as libsimaccel_async implements them: the same names, types, return
 * codes and behaviour. Each deliberate difference is documented at its function. Both headers may be included, in any
 * order.
 *
 * Link this library ahead of libcrypto, or preload it: handles of one library mean nothing to the other.
 * simaccel_async_active() tells whether it is ahead.
 *
 *     ASYNC_JOB *job = NULL;
 *     for (;;) {
 *         switch (ASYNC_start_job(&job, ctx, &result, func, args, sizeof args)) {
 *         case ASYNC_PAUSE:   wait for the fds of ctx, then repeat
 *         case ASYNC_FINISH:  result is func's return value
 *         case ASYNC_NO_JOBS: try again when another job has finished
 *         case ASYNC_ERR:     simaccel_last_error() says why (engine.h); with libcrypto, ERR_get_error() too
 *         }
 *     }
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0
 */
#ifndef SIMACCEL_ASYNC_H
#define SIMACCEL_ASYNC_H

#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

/* An fd to wait for, and an invalid one. */
#define OSSL_ASYNC_FD int
#define OSSL_BAD_ASYNC_FD -1

/* A job. Handles are valid while the job is unfinished, and in its own thread only, except for ASYNC_get_wait_ctx. */
typedef struct async_job_st ASYNC_JOB;
/* Where the wakes of jobs are announced; one for each connection. */
typedef struct async_wait_ctx_st ASYNC_WAIT_CTX;

/* Called when a job should be resumed, perhaps on another thread and before ASYNC_start_job has returned. */
typedef int (*ASYNC_callback_fn)(void *arg);
/* Allocates a stack of *num bytes, and stores the real size in *num if it differs; NULL when there is no memory. */
typedef void *(*ASYNC_stack_alloc_fn)(size_t *num);
/* Frees a stack; called with NULL when there was no memory. */
typedef void (*ASYNC_stack_free_fn)(void *addr);

/* What ASYNC_start_job returns. */
#define ASYNC_ERR 0
#define ASYNC_NO_JOBS 1
#define ASYNC_PAUSE 2
#define ASYNC_FINISH 3

/* The outcome of an engine's last attempt to work asynchronously. */
#define ASYNC_STATUS_UNSUPPORTED 0
#define ASYNC_STATUS_ERR 1
#define ASYNC_STATUS_OK 2
#define ASYNC_STATUS_EAGAIN 3

/* ---- The jobs of a thread ---- */

/*
 * Limits the thread's jobs to max_size (0: no limit), and creates init_size of them. Returns 1, or 0 when init_size is
 * more than max_size or max_size does not fit an int. Optional. A later call replaces the limit at once, and all jobs
 * count.
 */
int ASYNC_init_thread(size_t max_size, size_t init_size);

/*
 * Frees the thread's idle jobs and discards its paused ones: their requests are taken back, their stacks and copies of
 * arguments are freed, their handles are refused from then on. They are not unwound: memory that C code on such a stack
 * has allocated is not freed. The end of the thread does the same, after the first round of destructors of its keys.
 */
void ASYNC_cleanup_thread(void);

/*
 * Returns 1 when jobs are possible. They are for as long as a thread runs any code, including destructors of keys and
 * C++ thread-locals, atexit handlers and destructors of C++ statics. There, under "delivery=poll", operations of the
 * engine do not pause.
 */
int ASYNC_is_capable(void);

/* ---- Jobs ---- */

/*
 * With *job == NULL: runs func(copy of size bytes at args) on its own stack, until it pauses or returns. func gets NULL
 * when args is NULL or size is 0. With another *job: resumes that job; ctx, func, args and size are ignored.
 *
 * ASYNC_FINISH   *ret is func's result (ret may be NULL), *job is NULL
 * ASYNC_PAUSE    *job is the job's handle
 * ASYNC_NO_JOBS  the limit is reached, or there is no memory for a stack
 * ASYNC_ERR      *job is finished or discarded, of another thread, or running; job or func is NULL; ctx has unfinished
 *                jobs in another thread; no memory for the arguments
 *
 * A job may start and resume other jobs. ctx may be NULL. A stack is 64 KiB with a guard of 64 KiB below it, or as
 * large as SIMACCEL_STACK_SIZE and SIMACCEL_GUARD_SIZE in the environment (bytes) or simaccel_set_stack_size (engine.h)
 * say. A job that overflows its stack is named in one line on standard error, then the process gets SIGSEGV (unless
 * there are memory functions: their stacks have no guard of this library's). For that line the first job installs a
 * handler of SIGSEGV and SIGBUS in front of the existing one, which is always called too. A thread without an alternate
 * signal stack gets one.
 *
 * Each job has its own C++ exceptions, and the floating-point modes that <fenv.h> sets (on x86-64); errno, the signal
 * mask and thread-locals belong to the thread.
 *
 * A job may end its thread, by pthread_exit or by a cancellation. Its own frames are unwound and its stack is freed;
 * the frames of its ASYNC_start_job's caller are not unwound (on x86-64; elsewhere the process ends). Operations of the
 * engine are no cancellation points. A C++ exception that leaves func calls std::terminate.
 */
int ASYNC_start_job(ASYNC_JOB **job, ASYNC_WAIT_CTX *ctx, int *ret, int (*func)(void *), void *args, size_t size);

/*
 * Pauses the running job: its ASYNC_start_job returns ASYNC_PAUSE, and this returns when the job is resumed, for
 * whatever reason. Outside a job, and while pausing is blocked, returns at once. Always returns 1 (in a job of Rust
 * code that is being dropped: 0).
 */
int ASYNC_pause_job(void);

/* The running job, or NULL. */
ASYNC_JOB *ASYNC_get_current_job(void);

/*
 * The context that the job was started with; NULL without one, when it was freed, and when the job is not unfinished.
 * Callable for jobs of any thread, at any time, because engines wake jobs from their own threads.
 */
ASYNC_WAIT_CTX *ASYNC_get_wait_ctx(ASYNC_JOB *job);

/*
 * Forbid pausing in the running job, and allow it again. Blocks add up. Each job has its own count, which ends with it.
 */
void ASYNC_block_pause(void);
void ASYNC_unblock_pause(void);

/* ---- Memory ---- */

/*
 * Set the functions that supply all stacks of the process, until the first stack is asked for; NULL leaves that
 * function as it is. Returns 1, or 0 when it is too late. Guarding such stacks is up to these functions.
 */
int ASYNC_set_mem_functions(ASYNC_stack_alloc_fn alloc_fn, ASYNC_stack_free_fn free_fn);
void ASYNC_get_mem_functions(ASYNC_stack_alloc_fn *alloc_fn, ASYNC_stack_free_fn *free_fn);

/*
 * ---- Wait contexts ----
 *
 * All but new and free return 0 for a NULL context. Any thread may call get_fd, get_callback, get_status and set_status
 * at any time. The others are for one thread at a time: any thread while the jobs on the context are paused, and the
 * job's thread while one runs; in other threads they return 0 then. As long as one job of a context is unfinished, only
 * its thread starts jobs on the context.
 */

ASYNC_WAIT_CTX *ASYNC_WAIT_CTX_new(void);

/*
 * Discards the jobs that are paused on it (see ASYNC_cleanup_thread), then calls the cleanups of all registrations that
 * were not cleared, newest first. Any thread may call it: another thread's jobs are discarded by that thread, at its
 * next ASYNC_start_job, ASYNC_init_thread or ASYNC_cleanup_thread, or at its end. Where a job runs on the context in
 * another thread, the cleanups are called there when it has paused or finished. A cleanup may use the context. NULL is
 * ignored. The callback is never called after this returns (see ASYNC_WAIT_CTX_set_callback).
 */
void ASYNC_WAIT_CTX_free(ASYNC_WAIT_CTX *ctx);

/*
 * Registers fd under key, ahead of earlier ones. Any fd is accepted, and any key, which is only compared as an address.
 */
int ASYNC_WAIT_CTX_set_wait_fd(ASYNC_WAIT_CTX *ctx, const void *key, OSSL_ASYNC_FD fd, void *custom_data,
                               void (*cleanup)(ASYNC_WAIT_CTX *, const void *, OSSL_ASYNC_FD, void *));

/* Finds the newest registration under key, or returns 0; fd and custom_data may be NULL. */
int ASYNC_WAIT_CTX_get_fd(ASYNC_WAIT_CTX *ctx, const void *key, OSSL_ASYNC_FD *fd, void **custom_data);

/* Lists all fds, newest first, in fd unless it is NULL; stores their number in *numfds. */
int ASYNC_WAIT_CTX_get_all_fds(ASYNC_WAIT_CTX *ctx, OSSL_ASYNC_FD *fd, size_t *numfds);

/* Lists what was added and cleared since the job was last resumed; either array may be NULL. Remove before you add. */
int ASYNC_WAIT_CTX_get_changed_fds(ASYNC_WAIT_CTX *ctx, OSSL_ASYNC_FD *addfd, size_t *numaddfds, OSSL_ASYNC_FD *delfd,
                                   size_t *numdelfds);

/* Clears the newest registration under key, or returns 0. Its cleanup is not called. */
int ASYNC_WAIT_CTX_clear_fd(ASYNC_WAIT_CTX *ctx, const void *key);

/*
 * Sets the callback that engines call, from their own threads, instead of registering an fd. NULL removes it.
 *
 * It is looked up when a job is woken. When set_callback returns, the old callback is not called any more: set_callback
 * waits for a call that runs in another thread. So do ASYNC_WAIT_CTX_free, ASYNC_cleanup_thread and, for its own calls,
 * the resume that ends an operation. What callback_arg points to may be freed then. Inside a callback, of whatever
 * context, none of them waits. A callback that waits for a lock that is held around such a call waits for ever.
 *
 * Without a callback at the time of the wake, nothing is called. An application that removes a callback while a job is
 * paused resumes that job once; the resume finds the operation done or registers an fd for the rest of it. An operation
 * that began with an fd keeps it.
 */
int ASYNC_WAIT_CTX_set_callback(ASYNC_WAIT_CTX *ctx, ASYNC_callback_fn callback, void *callback_arg);
int ASYNC_WAIT_CTX_get_callback(ASYNC_WAIT_CTX *ctx, ASYNC_callback_fn *callback, void **callback_arg);

/*
 * The status of an operation: OK, it is in the ring, and its callback or fd announces its end; EAGAIN, it waits for a
 * slot, and becomes OK by itself; ERR, it was refused; UNSUPPORTED, a callback is set and delivery=poll calls none.
 */
int ASYNC_WAIT_CTX_set_status(ASYNC_WAIT_CTX *ctx, int status);
int ASYNC_WAIT_CTX_get_status(ASYNC_WAIT_CTX *ctx);

/* ---- Whose functions these are ---- */

/*
 * Whether the ASYNC functions that the caller reaches are this library's: 1, or 0 where libcrypto's come first. The
 * macro answers for the program or library that uses it. The function, (simaccel_async_active)(), answers for what the
 * process finds first; a program that is built without this library gets it from dlsym.
 */
int simaccel_async_active(void);
int simaccel_async_reached(int (*is_capable)(void)); /* ASYNC_is_capable, as the caller has it */
#define simaccel_async_active() simaccel_async_reached(ASYNC_is_capable)

/*
 * A static libcrypto starts its own jobs, by async_init, from the object that has its ASYNC functions.
 * libsimaccel_async.a, ahead of libcrypto.a, has an async_init, so that this object is not linked. The shared library
 * has none, because the name is a common one; ahead of libcrypto.a it would silently not be used. Define
 * SIMACCEL_STATIC_LIBCRYPTO in one of the program's files: that file then defines both functions.
 */
#ifdef SIMACCEL_STATIC_LIBCRYPTO
int async_init(void);
void async_deinit(void);
int async_init(void)
{
    return 1;
}
void async_deinit(void)
{
}
#endif

#ifdef __cplusplus
}
#endif

#endif
