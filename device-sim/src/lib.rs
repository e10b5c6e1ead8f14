//! A simulated look-aside crypto accelerator: queue pairs in front, real AES and SHA behind, and a model of time.
//!
//! ```text
//!   host                                        device
//!   QueuePair::submit ──► submission ring ─┬──► worker (real clock), or Device::step (virtual clock)
//!                          doorbell ───────┘      │
//!   Device::create_session, reset, drain ──────►  admin queue
//!                                                 ▼
//!                                               core:  admit ──► execute ──► schedule ──► deliver
//!                                                      claim     AES, SHA    compute      when due
//!   QueuePair::take  ◄── cell (claim, wake) ◄──────────────────  units ──────────┤
//!   std::task::Waker ◄── wake ◄──────────────────────────────────────────────────┤
//!   QueuePair::reap  ◄── completion ring, interrupt ◄────────────────────────────┘
//! ```
//!
//! It knows no jobs, no event loop, and no file descriptor but its interrupt; the `simaccel` crate puts an engine and
//! pausing jobs in front of it. A request owns every byte that the device touches, and can be taken back at any time:
//! the two words of its cell say whose it is.
//!
//! ```
//! use device_sim::{Cipher, Config, Delivery, Device, Iv, Operation, Padding, Request, Session, Status};
//!
//! let device = Device::stepped(&Config::parse("completion_nsec=50000").unwrap()).unwrap();
//! let mut pair = device.take_queue_pairs().remove(0);
//! let session = device.create_session(Session::cipher(Cipher::Aes128Ctr, &[1; 16], Padding::None).unwrap());
//!
//! let mut request = Request::new(session, Operation::Encrypt, b"sixteen and more".to_vec());
//! request.iv = Iv::new(&[0; 16]);
//! let ticket = pair.submit(request, Delivery::Silent).unwrap();
//! device.run_until_idle();
//! let (request, status) = pair.take(ticket).unwrap();
//! assert_eq!((status, request.buffer.len()), (Status::Ok, 16));
//! assert_eq!(device.now().as_micros(), 50);
//! ```
//!
//! A request that finds the ring full can be [parked](QueuePair::park): the device takes it out of the line by itself
//! when a slot is free. That nobody has to come back for the slot is deliberate: a caller who was abandoned in the line
//! would keep it for ever.

#[cfg(not(target_os = "linux"))]
compile_error!("device-sim runs on Linux only");

mod admin;
mod algorithm;
mod cell;
mod config;
mod core;
mod device;
mod doorbell;
mod driver;
mod entry;
pub mod fork;
mod interrupt;
mod kernels;
mod latency;
#[cfg(all(test, loom))]
mod models;
mod pair;
mod queue_pair;
mod request;
mod ring;
mod session;
mod slots;
mod stats;
mod stepped;
mod sync;
mod worker;

pub use cell::{Ticket, TicketState, WakeState};
pub use config::{Config, ConfigError};
pub use device::{Device, OpenError};
pub use interrupt::Interrupt;
pub use kernels::StreamState;
pub use latency::{LatencyDist, UnknownDist};
pub use queue_pair::{Completion, Delivery, QueuePair, Refused, RefusedReason, Remote};
pub use request::{Iv, Operation, Part, Request, Status, Tag};
pub use session::{Aead, Algorithm, Cipher, Hash, Padding, Session, SessionError, SessionId, UnknownName};
pub use stats::{DeviceStats, QueuePairStats};
