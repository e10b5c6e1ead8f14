//! A simulated look-aside crypto accelerator: queue pairs, rings, doorbells, sessions, and real AES and SHA
//! behind them.
//!
//! It is for testing without such hardware. Everything that an accelerator does to the software in front of
//! it (requests that complete later, full rings, resets, a device that dies) is here, on worker threads or on
//! a virtual clock that a test moves step by step. It is no faster than the processor it runs on, and it
//! knows nothing of jobs, futures or event loops; crate `simaccel` puts those in front of it.
//!
//! ```text
//!   host, any number of threads                              device
//!
//!   QueuePair::submit ─► cell ─► submission ring ══════════► Worker (threads, real clock)
//!        (one thread                   doorbell ──────────►  or Stepped (caller, virtual clock)
//!         at a time)                                            │ Driver: accounts, signals
//!                                                               ▼
//!   Remote: state, revoke, take, cancel                      Core: admit ─► execute ─► schedule ─► deliver
//!        │                                                      │      (Session, kernels)   (stations, due)   
//!        ▼                                                      ▼
//!   the cell's claim and wake words ◄═══════════════════════ DONE ─► waker, or completion ring and Interrupt
//!
//!   Device: sessions, reset, drain, close ─── admin queue ─► every driver
//! ```
//!
//! | folder | what |
//! |---|---|
//! | `message` | requests, and the names of what the device can do |
//! | `keys` | private and public keys: imported, exported, made into sessions |
//! | `kernels` | sessions (keys, prepared once) and the work itself |
//! | `model` | the device without threads and clocks: faults, service times, stations, order of completion |
//! | `queue` | cells, rings, slots, doorbell and interrupt, and both ends of a queue pair |
//! | `run` | worker threads or the stepped device, the admin queue, the device's life |
//! | `config`, `stats` | what is set, and what is counted and timed |
//! | `sync` | the standard library or loom; fences, prefetches, the processor's counter as a clock |
//! | `process` | forks, and cancellations of threads |
//! | `loom` | the interleavings that loom checks |
//!
//! ```
//! use simaccel_device::{Cipher, Config, Delivery, Device, Operation, Padding, Request, Session, Status};
//!
//! let device = Device::stepped(&Config::parse("compute_units=2;completion_nsec=50_000")?)?;
//! let session = device.create_session(Session::cipher(Cipher::Aes128Ctr, &[0; 16], Padding::None)?);
//! let mut pair = device.take_queue_pairs().remove(0);
//!
//! let mut request = Request::new(session, Operation::Encrypt, b"attack at dawn".to_vec());
//! request.set_iv(&[0; 16]);
//! let ticket = pair.submit(request, Delivery::Silent)?;
//! assert!(pair.take(ticket).is_none(), "nothing happens before the clock moves");
//!
//! device.run_until_idle();
//! let (request, status) = pair.take(ticket).expect("it is done");
//! assert_eq!((status, device.now().as_micros()), (Status::Ok, 50));
//! assert_ne!(request.buffer, b"attack at dawn");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! The interface is small: [`QueuePair::submit`], [`QueuePair::park`], [`QueuePair::take`] and
//! [`QueuePair::reap`] for the thread that has the queue pair, [`Remote`] for all others.
//!
//! A request that finds the ring full can be [parked](QueuePair::park): it waits in a FIFO, and the device
//! takes it when a slot is free. No caller has to come back for the slot, so a request that is abandoned
//! while it waits cannot keep one.

#![cfg_attr(docsrs, feature(doc_cfg))]

/// The README's code is code that runs.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

#[cfg(not(target_os = "linux"))]
compile_error!("device-sim runs on Linux only");

/// As files of the engine name it, which the models of loom contain.
#[cfg(all(test, loom))]
extern crate self as simaccel_device;

mod config;
mod kernels;
#[cfg(feature = "private-keys")]
mod keys;
#[cfg(all(test, loom))]
mod loom;
mod message;
mod model;
#[doc(hidden)]
pub mod process;
mod queue;
mod run;
mod stats;
mod sync;
mod trace;

pub use config::{
    ChangeError, Config, ConfigBuilder, ConfigError, Mbps, ModelMode, Preset, Served, ServiceTime, WarmUp,
    grammar,
};
#[cfg(feature = "private-keys")]
pub use kernels::keys::parts::{PrivateParts, PublicParts, RsaNumbers};
pub use kernels::session::{Session, SessionError};
#[cfg(feature = "private-keys")]
pub use keys::{PrivateKey, PublicKey};
pub use message::algorithm::{Aead, Algorithm, Cipher, Hash, Kind};
pub use message::argument::{Argument, ArgumentError};
pub use message::call::Call;
pub use message::cost::Cost;
pub use message::key_algorithm::{Family, KeyAlgorithm};
pub use message::key_arguments::{
    EcdsaForm, KeyArguments, KeyHash, Nonce, RsaPadding, Salt, SignatureScheme,
};
pub use message::key_error::{KeyError, KeyForm, KeyPart, Unfit};
pub use message::lengths::Allowed;
pub use message::mode::Mode;
pub use message::names::UnknownName;
pub use message::operation::Operation;
pub use message::parameters::{Padding, Parameter, Parameters};
pub use message::piece::{Part, StreamState};
pub use message::request::Request;
pub use message::session_id::SessionId;
pub use message::shape::{OutputLen, OutputShape};
pub use message::status::Status;
pub use message::tag::Tag;
pub use message::view::Message;
pub use model::fault::{Fault, FaultCounts, FaultKind, Occasion, Selection, Selector, Target};
pub use model::latency::LatencyDist;
pub use model::network::arbitration::Arbitration;
pub use model::network::limit_mode::LimitMode;
pub use model::order::CompletionOrder;
pub use queue::alert::Alert;
pub use queue::arrivals::Completion;
pub use queue::cell::{Ticket, TicketState, WakeState};
pub use queue::delivery::{Delivery, Refused, RefusedReason};
pub use queue::interrupt::Interrupt;
pub use queue::queue_pair::QueuePair;
pub use queue::remote::Remote;
pub use run::alarm::Alarm;
pub use run::device::{Device, OpenError};
pub use run::stepped::Apart;
pub use stats::histogram::Histogram;
pub use stats::timing::{Timing, Timings};
pub use stats::{CallStats, DeviceStats, OperationStats, QueuePairStats, UnitStats, WorkerStats};

// For `simaccel`: tuned variants of what is above, and what the two crates share. Hidden, and exempt from
// semantic versioning.
#[doc(hidden)]
pub use kernels::wipe::with_wiped_stack;
#[doc(hidden)]
pub use message::algorithm::Trial;
#[doc(hidden)]
pub use message::request::{Elsewhere, Plain, Rest, Tagged, TaggedText};
#[doc(hidden)]
pub use message::words;
#[doc(hidden)]
pub use model::sabotage::Sabotage;
#[doc(hidden)]
pub use queue::arrivals::{Arrival, Arrivals};
#[doc(hidden)]
pub use stats::services::Service;
#[doc(hidden)]
pub use sync::gate;
#[doc(hidden)]
pub use sync::marks::{Looks, Marks};
#[doc(hidden)]
pub use sync::uses::{GivenUp, Used, Uses};
