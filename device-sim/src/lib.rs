//! A simulated look-aside crypto accelerator.

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
pub use queue_pair::{Completion, Delivery, QueuePair, Refused, RefusedReason, Remote};
pub use request::{Iv, Operation, Part, Request, Status, Tag};
pub use session::{Aead, Algorithm, Cipher, Hash, Padding, Session, SessionError, SessionId, UnknownName};
pub use stats::{DeviceStats, QueuePairStats};
