//! libcrypto's jobs as a framework of the engine: an operation in one pauses it.
//!
//! ```text
//!   cipher, digest ── run(held, body) ──► Operation ── CURRENT ──► body: an operation of the engine
//!                                            │                         │ offer: the job and its wait context
//!                                            │                         │ find, register: its Registration
//!                                            │                         ▼
//!   application ◄── ASYNC_pause_job ◄────────┼──────────────── Framework::pause
//!        │                                   │ paused: the Registration has the operation, CURRENT is empty
//!        ├── resumes ────────────────────────┼──────────────► goes on: CURRENT is the operation again
//!        └── frees the wait context ──► cleanup ──► the request is given up, and what it refers to is dropped
//! ```
//!
//! # Why an operation lies on the heap
//!
//! libcrypto has no call that cancels a job. An application that closes a connection frees its objects and
//! then the wait context, and never resumes the job: its frames stay as they are, and nothing in them is
//! dropped. So frames own nothing: what they refer to (a session with its key, a stream) is in the
//! [`Operation`], and the end of the wait context, which is the only sign, gives the request up and drops
//! that.
//!
//! # Which operation runs here
//!
//! A thread interleaves many jobs. `CURRENT` names the operation of the code that runs: it is set when an
//! operation begins, empty while its job is paused, and set again when it goes on.
//!
//! # Whether a job has paused
//!
//! `ASYNC_pause_job` returns 1 at once where pausing is blocked (`ASYNC_block_pause`), and so it does not
//! tell. What does is the number of fds that were added to the wait context: a pause sets it to 0. See
//! [`framework`].
//!
//! # The end of a context with a callback
//!
//! With a callback an operation needs no fd. The context's end is learnt by a registration of an fd that
//! never becomes readable, one for the whole process.

mod callback;
mod deep;
mod framework;
mod operation;
mod registration;

pub(crate) use framework::LibcryptoJobs;
pub(crate) use operation::{apart, on_deep_stack, on_own_stack, run};
