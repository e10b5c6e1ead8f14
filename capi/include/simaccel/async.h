/*
 * simaccel/async.h: jobs that pause and resume, and wait contexts.
 *
 * The 22 functions of OpenSSL's <openssl/async.h>, as libsimaccel_async has them: the same names, types, return codes
 * and behaviour. What is different on purpose is said at each function. Both headers may be included, in any order.
 *
 * Link this library ahead of libcrypto, or preload it: handles of one library mean nothing to the other. Whether it is
 * ahead, simaccel_async_active() tells.
 *
 *     ASYNC_JOB *job = NULL;
 *     for (;;) {
 *         switch (ASYNC_start_job(&job, ctx, &result, func, args, sizeof args)) {
 *         case ASYNC_PAUSE:   wait for the fds of ctx, then go round again
 *         case ASYNC_FINISH:  result is what func has returned
 *         case ASYNC_NO_JOBS: try again when another job has finished
 *         case ASYNC_ERR:     simaccel_last_error() says why (engine.h), and so does ERR_get_error() with libcrypto
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

/* An fd that one can wait for, and one that is none. */
#define OSSL_ASYNC_FD int
#define OSSL_BAD_ASYNC_FD -1

/* A job; unfinished ones only, and in their own thread only, but for ASYNC_get_wait_ctx. */
typedef struct async_job_st ASYNC_JOB;
/* Where the wake-ups of jobs are announced; one for each connection. */
typedef struct async_wait_ctx_st ASYNC_WAIT_CTX;

/* Called when a job should be resumed, perhaps on another thread and before ASYNC_start_job has returned. */
typedef int (*ASYNC_callback_fn)(void *arg);
/* Allocates a stack of *num bytes, and may say in *num that it gave more or less; NULL when there is no memory. */
typedef void *(*ASYNC_stack_alloc_fn)(size_t *num);
/* Frees it; called with NULL when there was no memory. */
typedef void (*ASYNC_stack_free_fn)(void *addr);

/* What ASYNC_start_job returns. */
#define ASYNC_ERR 0
#define ASYNC_NO_JOBS 1
#define ASYNC_PAUSE 2
#define ASYNC_FINISH 3

/* What an engine says of its last attempt to work asynchronously. */
#define ASYNC_STATUS_UNSUPPORTED 0
#define ASYNC_STATUS_ERR 1
#define ASYNC_STATUS_OK 2
#define ASYNC_STATUS_EAGAIN 3

/* ---- The jobs of a thread ---- */

/*
 * Limits the thread's jobs to max_size (0: no limit), and makes init_size of them. 1, or 0 when init_size is more than
 * max_size or max_size does not fit an int. Optional. May be repeated: the new limit holds at once, and all jobs count.
 */
int ASYNC_init_thread(size_t max_size, size_t init_size);

/*
 * Frees the thread's idle jobs and discards its paused ones: their requests are taken back, their stacks and copies of
 * arguments are freed, their handles are refused from then on. They are not unwound: memory that C code on such a stack
 * has allocated is that code's own. The end of the thread does the same, after the first round of destructors of its keys.
 */
void ASYNC_cleanup_thread(void);

/*
 * 1: jobs are possible. They are for as long as a thread runs any code, destructors of keys and C++ thread-locals, atexit
 * handlers and destructors of C++ statics included. There, under "delivery=poll", operations of the engine do not pause.
 */
int ASYNC_is_capable(void);

/* ---- Jobs ---- */

/*
 * With *job == NULL: runs func(copy of size bytes at args) on a stack of its own, until it pauses or returns. func gets
 * NULL when args is NULL or size is 0. With another *job: goes on with that job; ctx, func, args and size are ignored.
 *
 * ASYNC_FINISH   *ret is func's result (ret may be NULL), *job is NULL
 * ASYNC_PAUSE    *job is the job's handle
 * ASYNC_NO_JOBS  the limit is reached, or there is no memory for a stack
 * ASYNC_ERR      *job is finished or discarded, of another thread, or running; job or func is NULL; ctx has unfinished
 *                jobs in another thread; no memory for the arguments
 *
 * A job may start and resume other jobs. ctx may be NULL. A stack is 64 KiB with a guard of 64 KiB below it, or as
 * large as SIMACCEL_STACK_SIZE and SIMACCEL_GUARD_SIZE in the environment (bytes) or simaccel_set_stack_size (engine.h) say.
 * A job that overflows its stack is named in one line on standard error, then the process gets SIGSEGV (unless there are
 * memory functions: such stacks have no guard of this library's). For that line a handler of SIGSEGV and SIGBUS is
 * installed with the first job, in front of the one that is there, which is called in any case; and a thread without an
 * alternate signal stack gets one.
 *
 * Each job has its own C++ exceptions, and the floating-point modes that <fenv.h> sets (on x86-64); errno, the signal mask
 * and thread-locals are the thread's.
 *
 * A job may end its thread, by pthread_exit or because it is cancelled where it waits: its own frames are unwound and its
 * stack is given back; the frames of its ASYNC_start_job's caller are not unwound (on x86-64; elsewhere the process ends).
 * Operations of the engine are no cancellation points.
 * A C++ exception that leaves func calls std::terminate.
 */
int ASYNC_start_job(ASYNC_JOB **job, ASYNC_WAIT_CTX *ctx, int *ret, int (*func)(void *), void *args, size_t size);

/*
 * Leaves the running job; its ASYNC_start_job returns ASYNC_PAUSE, and this returns when the job is resumed, for whatever
 * reason. Outside a job, and while pausing is blocked, returns at once. Always 1 (in a job of Rust code that is being
 * dropped: 0).
 */
int ASYNC_pause_job(void);

/* The running job, or NULL. */
ASYNC_JOB *ASYNC_get_current_job(void);

/*
 * The context that the job was started with; NULL without one, when it was freed, and when the job is not unfinished. For
 * jobs of any thread, at any time: engines wake jobs from threads of their own.
 */
ASYNC_WAIT_CTX *ASYNC_get_wait_ctx(ASYNC_JOB *job);

/* Keep the running job from pausing. Blocks add up and are counted for each job, so they end with it. */
void ASYNC_block_pause(void);
void ASYNC_unblock_pause(void);

/* ---- Memory ---- */

/*
 * Where all stacks of the process come from, until the first is asked for; NULL leaves that function as it is. 1, or 0
 * when it is too late. Guarding such stacks is up to these functions.
 */
int ASYNC_set_mem_functions(ASYNC_stack_alloc_fn alloc_fn, ASYNC_stack_free_fn free_fn);
void ASYNC_get_mem_functions(ASYNC_stack_alloc_fn *alloc_fn, ASYNC_stack_free_fn *free_fn);

/*
 * ---- Wait contexts ----
 *
 * All but new and free return 0 for a NULL context. Any thread may call get_fd, get_callback, get_status and set_status
 * at any time. The others are for one thread at a time: for any, while the jobs on the context are paused, and for the
 * job's while one runs; elsewhere they return 0 then. Jobs on a context are of one thread as long as one is unfinished.
 */

ASYNC_WAIT_CTX *ASYNC_WAIT_CTX_new(void);

/*
 * Discards the jobs that are paused on it (see ASYNC_cleanup_thread), then calls the cleanups of what was not cleared,
 * newest first. Any thread may call it: jobs of another are discarded by that, with its next ASYNC_start_job,
 * ASYNC_init_thread or ASYNC_cleanup_thread, or at its end; and where a job runs on the context in another thread, the
 * cleanups are called there when it has paused or finished. A cleanup may use the context. NULL is nothing. In every case
 * the callback is not called any more when this returns (see ASYNC_WAIT_CTX_set_callback).
 */
void ASYNC_WAIT_CTX_free(ASYNC_WAIT_CTX *ctx);

/* Registers fd under key, in front of what is there. Any fd and any key, which is an address and nothing more. */
int ASYNC_WAIT_CTX_set_wait_fd(ASYNC_WAIT_CTX *ctx, const void *key, OSSL_ASYNC_FD fd, void *custom_data,
                               void (*cleanup)(ASYNC_WAIT_CTX *, const void *, OSSL_ASYNC_FD, void *));

/* The newest under key, or 0; fd and custom_data may be NULL. */
int ASYNC_WAIT_CTX_get_fd(ASYNC_WAIT_CTX *ctx, const void *key, OSSL_ASYNC_FD *fd, void **custom_data);

/* All of them, newest first, into fd unless it is NULL; how many they are into *numfds. */
int ASYNC_WAIT_CTX_get_all_fds(ASYNC_WAIT_CTX *ctx, OSSL_ASYNC_FD *fd, size_t *numfds);

/* What was added and cleared since the job was last resumed; either array may be NULL. Take away before you add. */
int ASYNC_WAIT_CTX_get_changed_fds(ASYNC_WAIT_CTX *ctx, OSSL_ASYNC_FD *addfd, size_t *numaddfds, OSSL_ASYNC_FD *delfd,
                                   size_t *numdelfds);

/* Clears the newest under key, or 0. Its cleanup is not called. */
int ASYNC_WAIT_CTX_clear_fd(ASYNC_WAIT_CTX *ctx, const void *key);

/*
 * The callback that engines call, from a thread of theirs, in place of registering an fd. NULL removes it.
 *
 * It is looked up when a job is to be woken: what was replaced or removed is not called any more when set_callback
 * returns, which waits for a call that runs in another thread. So do ASYNC_WAIT_CTX_free, ASYNC_cleanup_thread and, for
 * its own calls, the resume that ends an operation: what callback_arg points to may be freed then. Inside a callback, of
 * whatever context, none of them waits. A callback that waits for a lock that is held around such a call waits for ever.
 *
 * Where none is left by the time of the wake, nothing is called. An application that removes a callback under a paused
 * job resumes that job once; the resume finds the operation done or registers an fd for the rest of it. An operation
 * that has begun with an fd keeps to it.
 */
int ASYNC_WAIT_CTX_set_callback(ASYNC_WAIT_CTX *ctx, ASYNC_callback_fn callback, void *callback_arg);
int ASYNC_WAIT_CTX_get_callback(ASYNC_WAIT_CTX *ctx, ASYNC_callback_fn *callback, void **callback_arg);

/*
 * How the engine took an operation: OK, it is in the ring, and its callback or fd will tell; EAGAIN, it waits for a
 * slot, and becomes OK by itself; ERR, it was refused; UNSUPPORTED, a callback is set and delivery=poll calls none.
 */
int ASYNC_WAIT_CTX_set_status(ASYNC_WAIT_CTX *ctx, int status);
int ASYNC_WAIT_CTX_get_status(ASYNC_WAIT_CTX *ctx);

/* ---- Whose functions these are ---- */

/*
 * Whether the ASYNC functions that the caller reaches are this library's: 1, or 0 where libcrypto's stand ahead of them.
 * The macro tells of the program or library that it is used in. The function, (simaccel_async_active)(), tells of what the
 * process finds first; a program that knows nothing of this library asks dlsym for it.
 */
int simaccel_async_active(void);
int simaccel_async_reached(int (*is_capable)(void)); /* ASYNC_is_capable, as the caller has it */
#define simaccel_async_active() simaccel_async_reached(ASYNC_is_capable)

/*
 * A static libcrypto starts its own jobs, by async_init, from the object that has its ASYNC functions. libsimaccel_async.a,
 * ahead of libcrypto.a, has an async_init, so that this object stays out. The shared library has none, for the name is a
 * common one, so ahead of libcrypto.a it would silently not be used. Define SIMACCEL_STATIC_LIBCRYPTO in one of the
 * program's files, and that file has both functions that are asked for.
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
