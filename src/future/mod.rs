//! Operations and jobs to `.await`, on any runtime or none.
//!
//! ```text
//!                  session.encrypt_async(iv, buffer)            JobFuture::new(|| ..)
//!                               │                                        │
//!                               ▼                                        ▼
//!   any executor ── poll ─► OpFuture ── Kept ─► offload        its Job, its WaitCtx ── resume ─► pauses
//!         ▲                     │ in flight                              │ paused
//!         └──── Waker ◄─── the device ◄──────────────────────────────────┘ (its fds: FdWatch)
//! ```
//!
//! An operation takes its buffer ([`Buffer`]) and gives it back, with the result, with every error, and when
//! it is cancelled. It needs no runtime: the device calls the waker of the latest poll. Where the ring is
//! full, the request waits in line for a slot, first come, first served; the future does not spin.
//!
//! # Cancellation
//!
//! | | the request | the buffer |
//! |---|---|---|
//! | the future is dropped before its first poll | was never made | is wiped and freed |
//! | the future is dropped later | is taken back; waits at most for one batch's computation | is wiped and freed |
//! | [`OpFuture::cancel`] and the like | is taken back, or its result is taken | is returned; a function or a stream too |
//! | [`OpFuture::with_timeout`] | is taken back when its time is over ([`Error::Timeout`](crate::Error::Timeout)) | is returned, unchanged |
//! | [`mem::forget`](std::mem::forget) | ends | stays with the device until that is closed |
//!
//! So every future here may be dropped at any point, by `select!` or a timeout of a runtime, and nothing but
//! its own buffer is lost. A completion that comes late meets no later operation: tickets have generations.
//!
//! # Await, or a job?
//!
//! An operation's future suits code that is async already: nothing but the operation is kept while it waits.
//! A job suits code that is not: it pauses in the middle of ordinary calls. A [`JobFuture`] awaits a job.

#[cfg(feature = "async-io")]
mod async_io;
mod buffer;
#[cfg(feature = "futures")]
mod buffered;
mod call;
mod driver;
mod fd_watch;
#[cfg(any(feature = "tokio", feature = "futures-io"))]
mod frames;
mod in_flight;
mod job;
mod keys;
mod operation;
mod part;
mod reactor;
mod reaper;
mod sessions;
#[cfg(feature = "tokio")]
mod tokio;

#[cfg(feature = "async-io")]
pub use async_io::AsyncIoFds;
pub use buffer::Buffer;
#[cfg(feature = "futures")]
pub use buffered::{Buffered, BufferedSink};
pub use call::{CallFuture, Unrun};
pub use driver::{DrivenJob, JobDriver};
pub use fd_watch::FdWatch;
#[cfg(any(feature = "tokio", feature = "futures-io"))]
pub use frames::{FrameError, Frames, OpenReader, SealWriter};
pub use in_flight::InFlight;
pub use job::JobFuture;
pub use keys::KeyFuture;
pub use operation::{Apart, Cancelled, Compared, InPlace, Kind, OpFuture, Tagged};
pub use part::{Finish, FinishFuture, UpdateFuture};
pub use reactor::OwnThread;
pub use reaper::Reaper;
#[cfg(feature = "tokio")]
pub use tokio::TokioFds;
