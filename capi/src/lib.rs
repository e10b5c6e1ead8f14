//! The C interface: OpenSSL's `ASYNC_*` functions over simaccel's jobs, and the engine for C programs.
//!
//! ```text
//!    C program, libssl                                     include/simaccel/
//!      ASYNC_start_job, _pause_job ... ──► jobs ───────┐   async.h
//!      ASYNC_WAIT_CTX_* ─────────────────► wait_ctx ───┼─► simaccel::job::raw, WaitCtx
//!      OSSL_LIB_CTX_set0_default ────────► lib_ctx ────┘     ▲
//!          └──► libcrypto's own, if there is one             │ pauses
//!      simaccel_async_active ────────────► linked: whose ASYNC_* a program reaches
//!      simaccel_* ───────────────────────► engine, session, stream ──► simaccel::Engine          engine.h
//!      simaccel_key_*, _operation_* ─────► keys ───────────────────────────┘                     keys.h
//!
//!    around every function: guard (no panic leaves), last_error (why it was refused), error_queue (the same for libcrypto)
//!    for every operation: copies (what is read and written of the program's memory)
//!    for every operation in a job: held (what its frames refer to, kept while the frames may vanish)
//! ```
//!
//! The 22 `ASYNC_*` functions have libcrypto's names, signatures, return codes and visible behaviour, so that
//! the library can be linked ahead of libcrypto, or preloaded. They replace all of them or none: handles of
//! one library mean nothing to the other. `docs/semantics.md` marks the deliberate differences as changed:
//! what crashes there is an error here.
//!
//! Rust programs may call these functions too, like C: the crate is also an `rlib`.

#[cfg(not(target_pointer_width = "64"))]
compile_error!("the C interface needs pointers of 64 bits: the handle of a job is one");

mod copies;
mod engine;
mod error_queue;
mod guard;
mod held;
mod jobs;
mod keys;
mod last_error;
mod lib_ctx;
mod linked;
mod options;
mod session;
mod stacks;
mod stream;
mod uses;
mod wait_ctx;

pub use engine::*;
pub use jobs::*;
pub use keys::*;
pub use last_error::{
    SimaccelResult, simaccel_is_retryable, simaccel_last_error, simaccel_result_name, simaccel_version,
};
pub use lib_ctx::OSSL_LIB_CTX_set0_default;
pub use linked::{simaccel_async_active, simaccel_async_reached};
pub use session::*;
pub use stacks::simaccel_set_stack_size;
pub use stream::*;
pub use wait_ctx::*;
