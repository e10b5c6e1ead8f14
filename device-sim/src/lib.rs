//! A simulated look-aside crypto accelerator: queue pairs, rings, doorbells, sessions, and real AES and SHA behind them.
//!
//! It is for those who have no such hardware at hand: what an accelerator does to the software in front of it (requests
//! that come back later, full rings, resets, a device that dies) is all here, on worker threads or on a virtual clock
//! that a test moves step by step. It is no faster than the processor it runs on, and it knows nothing of jobs, futures
//! or event loops; crate `simaccel` puts those in front of it.
//!
//! ```text
//!   host, any number of threads                              device
//!
//!   QueuePair::submit ─► cell ─► submission ring ══════════► Worker (threads, real clock)
//!        (one thread                   doorbell ──────────►  or Stepped (caller, virtual clock)
//!         at a time)                                            │ Driver: accounts, signals
//!                                                               ▼
//!   Remote: state, revoke, take, cancel                      Core: admit ─► execute ─► schedule ─► deliver
//!        │                                                      │      (Session, kernels)   (units, due queue)
//!        ▼                                                      ▼
//!   the cell's claim and wake words ◄═══════════════════════ DONE ─► waker, or completion ring and Interrupt
//!
//!   Device: sessions, reset, drain, close ─── admin queue ─► every driver
//! ```
//!
//! | file | what |
//! |---|---|
//! | `device` | life cycle: open, reset, drain, close; sessions |
//! | `queue_pair`, `queue_pair/reap`, `queue_pair/arrivals`, `pair` | the two ends of the host, and what they share with the device |
//! | `cell`, `cell/{host,device,waking,slab}` | where a request lives; who owns it: the host's side, the device's, the wake, the free ones |
//! | `ring`, `entry` | the rings and what is in them |
//! | `slots` | how many may be in flight, and the line of those who wait |
//! | `doorbell`, `interrupt`, `admin` | the signals between the two sides |
//! | `barrier`, `prefetch` | a fence that one side pays for both; hints to the processor |
//! | `core`, `driver`, `port` | the device without threads; its accounts and signals |
//! | `worker`, `stepped` | the two ways to run it |
//! | `session`, `algorithm`, `kernels/` | keys, names, and the work itself |
//! | `model` | what makes it a modelled device: |
//! | `latency`, `order`, `fault` | how long a request occupies a compute unit; in which order they complete; what goes wrong |
//! | `clock`, `timing` | the device's time; where the time of requests goes |
//! | `config`, `stats`, `request` | what goes in and comes out |
//! | `sabotage` | a device that is wrong and does not say so, for tests of those who are to find out |
//! | `sync`, `models` | the standard library or loom; the interleavings that loom checks |
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
//! A request that finds the ring full can be [parked](QueuePair::park): the device takes it out of the line by itself
//! when a slot is free. That nobody has to come back for the slot is deliberate: a caller who was abandoned in the line
//! would keep it for ever.

#[cfg(not(target_os = "linux"))]
compile_error!("device-sim runs on Linux only");

mod admin;
mod alarm;
mod algorithm;
mod arguments;
mod barrier;
pub mod cancel;
mod cell;
mod clock;
mod config;
mod core;
mod device;
mod doorbell;
mod driver;
mod entry;
mod fault;
pub mod fork;
mod interrupt;
mod kernels;
mod latency;
mod model;
#[cfg(all(test, loom))]
mod models;
mod order;
mod pair;
mod port;
mod prefetch;
mod queue_pair;
mod ready;
mod remote;
mod request;
mod ring;
mod sabotage;
mod session;
mod slots;
mod stats;
mod stepped;
mod sync;
mod timing;
mod wipe;
mod worker;

pub use alarm::Alarm;
pub use arguments::{Allowed, Argument, ArgumentError};
pub use cell::{Ticket, TicketState, WakeState};
pub use config::{Config, ConfigError, Preset};
pub use device::{Device, OpenError};
pub use fault::{Fault, FaultCounts, FaultKind, Occasion, Selection, Selector, Target};
pub use interrupt::Interrupt;
pub use kernels::StreamState;
pub use latency::{LatencyDist, UnknownDist};
pub use order::CompletionOrder;
pub use queue_pair::{Arrival, Arrivals, Completion, Delivery, QueuePair, Refused, RefusedReason};
pub use remote::Remote;
pub use request::{Operation, Part, Plain, Request, Status, Tag};
pub use sabotage::Sabotage;
pub use session::{Aead, Algorithm, Cipher, Hash, Padding, Session, SessionError, SessionId, UnknownName};
pub use stats::{DeviceStats, OperationStats, QueuePairStats, UnitStats};
pub use timing::{Histogram, Timing, Timings};
pub use wipe::with_wiped_stack;
