//! simaccel: a simulated hardware crypto accelerator and the engine in front of it.
//!
//! **It is** a *device* of worker threads that does real AES and SHA work from submission rings; an *engine*
//! that offloads to it; *jobs* that pause while the device works and resume when it is done, or *futures*;
//! and *wait contexts* that tell an application, by file descriptor, callback or polling, which job can go
//! on. Jobs and wait contexts follow OpenSSL's `ASYNC_*` interface statement by statement
//! (`docs/semantics.md`). It is for testing asynchronous crypto code without an accelerator: in CI,
//! reproducibly, with every pause, wake, spurious wake and full ring on demand.
//!
//! **It is not** a way to make crypto faster on one machine, a TLS library, or a vetted crypto
//! implementation: RustCrypto does the arithmetic; use it with test keys and test data only. Linux only.
//!
//! ```text
//!      application                  engine                              device (device-sim)
//!  ┌─────────────────┐   ┌─────────────────────────────┐   ┌──────────────────────────────────────┐
//!  │ Job::resume ────┼──►│ session.encrypt(iv, buffer) │   │                                      │
//!  │                 │   │   set_wait_fd, once         │   │                                      │
//!  │                 │   │   request ──────────────────┼──►│ submission ring ──► worker: AES, SHA │
//!  │ Step::Paused ◄──┼───┤   pause      doorbell ──────┼──►│                       │ (compute     │
//!  │                 │   │                             │   │                       │  units, time)│
//!  │ poll / epoll ◄──┼───┼──── wake: eventfd, callback ┼◄──┤◄──────────────────── done            │
//!  │ Engine::poll ◄──┼───┼──── completion ring ────────┼◄──┤                                      │
//!  │ Job::resume ────┼──►│   clear the fd, take result │   │                                      │
//!  │ Step::Finished ◄┼───┤                             │   │                                      │
//!  └─────────────────┘   └─────────────────────────────┘   └──────────────────────────────────────┘
//! ```
//!
//! # The shortest whole cycle
//!
//! ```
//! use simaccel::{Cipher, Config, Engine, Job, Step, WaitCtx, wait_readable};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let engine = Engine::open(Config::default())?;
//! let session = engine.cipher(Cipher::Aes256Ctr, &[0x42; 32])?;
//! let (iv, message) = ([0x24; 16], b"attack at dawn".to_vec());
//!
//! let ctx = WaitCtx::new();
//! let in_job = session.clone();
//! let mut job = Job::new(&ctx, move || in_job.encrypt(&iv, message))?;
//! let sealed = loop {
//!     match job.resume()? {
//!         Step::Paused => wait_readable(&ctx.all_fds())?,
//!         Step::Finished(result) => break result?,
//!     };
//! };
//! assert_eq!(session.decrypt(&iv, sealed)?, b"attack at dawn");
//! # Ok(())
//! # }
//! ```
//!
//! In async code the operation itself is the future, on any runtime or none. [`future`] says which to choose.
//!
//! ```
//! # use simaccel::{CipherSession, OpError};
//! # async fn seal(session: CipherSession, iv: [u8; 16], message: Vec<u8>) -> Result<Vec<u8>, OpError> {
//! let sealed = session.encrypt_async(&iv, message).await?;
//! # Ok(sealed)
//! # }
//! ```
//!
//! # Where things are
//!
//! | module | what it holds | what it does not know |
//! |---|---|---|
//! | [`job`] | fibers, jobs, pausing, wait contexts | crypto, devices |
//! | [`future`] | operations and jobs to await, many at once, streams of bytes | how an operation is submitted |
//! | `rustcrypto` | RustCrypto's traits, with the feature of that name | the same |
//! | `engine` | sessions, the one state machine of an operation, ways of waiting, queue pairs in use | the two above |
//! | [`simaccel_device`] | rings, cells, doorbells, workers, the stepped clock, kernels | jobs, engines, any fd but its interrupt |
//!
//! # Ways to wait
//!
//! | the caller | what an operation does |
//! |---|---|
//! | in a job with a wait context | pauses at least once; woken by the context's callback if one is set, else by its wake fd |
//! | the same, `delivery=poll` | pauses at least once; [`Engine::poll`] hands out its token |
//! | outside a job, without a context, or with pausing blocked | blocks; on a stepped device it advances the clock, and is an error where it could never end |
//! | anywhere, by the form with `_async` | returns a future; the device calls its waker |
//!
//! # Determinism
//!
//! [`Engine::stepped`] has no threads and a virtual clock: [`Device::step`] runs one event. A test that
//! drives it sees the same history on every machine.
//!
//! # Features
//!
//! All are off by default.
//!
//! | feature | what it adds |
//! |---|---|
//! | `private-keys` | signatures, key exchange, key encapsulation, RSA encryption |
//! | `rustcrypto` | a module `rustcrypto`: RustCrypto's traits, on the device |
//! | `tracing` | spans of operations and jobs, events of engines and devices, for the `tracing` crate |
//! | `bytes` | `BytesMut` as a buffer of futures |
//! | `futures` | many operations as a `Stream`, and between streams and sinks |
//! | `futures-io` | streams of bytes that are sealed in frames, with the traits of futures-io |
//! | `tokio` | the same with tokio's traits; fds of a job's own, watched by tokio's reactor |
//! | `async-io` | fds of a job's own, watched by async-io's reactor |
//!
//! # Limits
//!
//! A job's code runs on its own stack: 64 KiB by default, see [`job::PoolConfig`]. While it is paused other
//! code of the thread runs, so a lock guard or a scoped thread-local held across an operation is held by the
//! thread, not by the job. With thread-locals that is a matter of soundness: an operation in the initialiser
//! of one, or inside `LocalKey::with`, can end in freed memory; the rules are at [`Job`](Job#soundness). A
//! dropped job unwinds: foreign frames on its stack must allow that.

#![cfg_attr(docsrs, feature(doc_cfg))]

#[cfg(not(target_os = "linux"))]
compile_error!("simaccel needs Linux: eventfd, epoll and guarded fiber stacks");

mod engine;
mod error;
#[doc(hidden)]
pub mod foreign;
pub mod future;
pub mod job;
mod process;
#[cfg(feature = "rustcrypto")]
pub mod rustcrypto;
mod sync;
mod wait_readable;
mod words;

pub use engine::{
    AeadOpener, AeadSealer, AeadSession, AnySession, CipherSession, CipherStream, Config, ConfigBuilder,
    DeliveryMode, Engine, EngineStats, Faults, HashSession, HashStream, KeySession, MacSession, MacStream,
    OtherSession,
};
#[doc(hidden)]
pub use engine::{Sabotage, free_spares, sabotage};
pub use error::{Error, OpError, OsError};
pub use job::{Job, Step, WaitCtx, WaitFd};
pub use simaccel_device;
pub use simaccel_device::grammar;
pub use simaccel_device::{
    Aead, Algorithm, Allowed, Arbitration, Argument, ArgumentError, CallStats, ChangeError, Cipher,
    CompletionOrder, ConfigError, Device, DeviceStats, EcdsaForm, Family, Fault, FaultCounts, FaultKind,
    Hash, Histogram, KeyAlgorithm, KeyArguments, KeyError, KeyForm, KeyHash, KeyPart, LatencyDist, LimitMode,
    Mbps, ModelMode, Nonce, Operation, OperationStats, OutputLen, Padding, Parameter, Parameters, Preset,
    QueuePairStats, RsaPadding, Salt, Selection, Served, ServiceTime, SessionError, SignatureScheme, Tag,
    Timing, Timings, Unfit, UnitStats, UnknownName, WarmUp, WorkerStats,
};
#[doc(hidden)]
pub use simaccel_device::{GivenUp, Used, Uses};
#[cfg(feature = "private-keys")]
pub use simaccel_device::{PrivateKey, PrivateParts, PublicKey, PublicParts, RsaNumbers};
pub use wait_readable::{WaitError, wait_readable, wait_readable_timeout};
pub use zeroize::Zeroizing;
