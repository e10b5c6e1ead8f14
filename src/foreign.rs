//! For our own crates: jobs of another framework, and operations that are polled. Exempt from semantic
//! versioning.

use std::sync::Arc;

pub use crate::engine::foreign::{Ctx, Framework, OpenFd, Paused, WaitFds};
pub use crate::engine::{Message, Started};
pub use crate::job::{Callback, Release, WaitStatus};
use crate::{AnySession, Config, Engine, Error, OpError};

/// [`Engine::open`], for jobs of this framework.
///
/// # Errors
/// As [`Engine::open`].
pub fn open(config: Config, framework: Arc<dyn Framework>) -> Result<Engine, Error> {
    Engine::for_framework(config, framework, false)
}

/// [`Engine::stepped`], for jobs of this framework.
///
/// # Errors
/// As [`Engine::stepped`].
pub fn stepped(config: Config, framework: Arc<dyn Framework>) -> Result<Engine, Error> {
    Engine::for_framework(config, framework, true)
}

/// Makes an operation that is polled. It does not begin before its first poll.
///
/// # Errors
/// [`Error::NoMemory`], with the buffer.
pub fn start(session: &AnySession, message: Message) -> Result<Started, OpError> {
    session.start(message)
}
