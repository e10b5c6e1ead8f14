//! The engine of the process, which all instances of the provider share.
//!
//! ```text
//!   Use::begin ──► one user more, and the configuration        nothing is opened yet
//!   engine() ────► Place of this process ──► opened once ────► Engine: threads of the device
//!   fork ────────► in the child another Place, at its first operation; the parent's stays untouched
//!   last Use ────► the engine is given up; sessions keep it as long as they live
//! ```
//!
//! A server forks its workers after it has loaded the provider: a device that was opened before would have
//! its threads in the parent. So it is opened at the first operation. A child looks at nothing that a thread
//! of its parent may have locked.

mod buffers;
mod key;
mod keys;
mod pass;
pub(crate) mod place;
mod served;
mod signals;
mod work;

use simaccel::{Hash, HashSession, OpError};

pub(crate) use buffers::{Buffer, Room, Text};
pub(crate) use key::Keyed;
pub(crate) use keys::{elsewhere, generate, key_session, run_key};
pub(crate) use pass::Pass;
pub(crate) use served::Served;
pub(crate) use work::Work;

use crate::error::Failure;
use crate::instance::Instance;
use crate::pausing;

use place::{Opened, engine, not_opened, with_engine};

/// The session of a hash function, which has no key.
pub(crate) fn hash(instance: &Instance, hash: Hash) -> Result<HashSession, Failure> {
    let session = pausing::apart(instance.jobs(), || {
        let known = |opened: &mut Opened| {
            opened.hashes.iter().find(|(known, _)| *known == hash).map(|(_, session)| session.clone())
        };
        if let Some(session) = with_engine(known)? {
            return Ok(session);
        }
        let session = engine()?.hash(hash)?;
        with_engine(|opened| opened.hashes.push((hash, session.clone())))?;
        Ok(session)
    });
    session.map_err(not_opened)
}

/// Runs one operation of the engine, with what it refers to. It pauses the job that runs here, if there is
/// one and the settings allow it.
///
/// What frames own besides stays where it is for ever if the job is never resumed: see [`pausing`].
pub(crate) fn run<H, R>(
    pass: Pass,
    held: H,
    body: impl FnOnce(&mut H) -> Result<R, OpError>,
) -> (H, Result<R, Failure>) {
    let (held, result) = pausing::run(pass.jobs, pass.allowed, (pass.row, pass.bytes), held, body);
    (held, result.map_err(failed))
}

/// The failure, after its text was wiped.
#[cold]
fn failed(error: OpError) -> Failure {
    let (error, text) = error.into_parts();
    Buffer::recycle(text);
    error.into()
}
