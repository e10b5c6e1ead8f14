//! A simulated look-aside crypto accelerator.

mod kernels;
mod request;
mod session;

pub use kernels::StreamState;
pub use request::{Iv, Operation, Part, Request, Status, Tag};
pub use session::SessionId;
