//! A simulated look-aside crypto accelerator.

mod algorithm;
mod config;
mod kernels;
mod request;
mod session;

pub use config::{Config, ConfigError};
pub use kernels::StreamState;
pub use request::{Iv, Operation, Part, Request, Status, Tag};
pub use session::{Aead, Algorithm, Cipher, Hash, Padding, Session, SessionError, SessionId, UnknownName};
