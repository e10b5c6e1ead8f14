//! The engine of constructors that name none.

use std::sync::OnceLock;

use crate::engine::{Config, Engine};
use crate::error::Error;

static DEFAULT: OnceLock<Engine> = OnceLock::new();

/// Makes `engine` the one that RustCrypto's own constructors use (`KeyInit::new`, `Digest::new`). Once in a
/// process, before anything was constructed by them.
///
/// # Errors
/// The engine, where there is a default already: one that was set, or was opened when it was needed.
pub fn set_default_engine(engine: Engine) -> Result<(), Engine> {
    DEFAULT.set(engine)
}

/// The engine that RustCrypto's own constructors use. Where none was set it is opened here, with
/// [`Config::default`]: an ideal device, and one worker thread, which stays until the process ends.
///
/// A child of a `fork` inherits it, and it does not work there: AEADs return errors, and software computes
/// the rest. Such a child opens an engine of its own, and uses `on`.
///
/// # Errors
/// [`Error::Thread`] when the worker cannot be started. The next call tries again. What was constructed
/// without an engine meanwhile has none for good: software computes it.
pub fn default_engine() -> Result<&'static Engine, Error> {
    if let Some(engine) = DEFAULT.get() {
        return Ok(engine);
    }
    // Of two threads that are here at once, one drops its own again.
    let engine = Engine::open(Config::default())?;
    Ok(DEFAULT.get_or_init(|| engine))
}
