//! Operations with private and public keys, as the rooms of keys use them.

use simaccel::{Engine, Error, KeyArguments, KeySession, PrivateKey};

use super::pass::Pass;
use super::place::{engine, not_opened};
use crate::counters::{self, Synchronous};
use crate::error::Failure;
use crate::instance::Instance;
use crate::pausing;

/// A session of the process's engine.
pub(crate) fn key_session(
    instance: &Instance,
    make: impl FnOnce(&Engine) -> Result<KeySession, Error>,
) -> Result<KeySession, Failure> {
    pausing::apart(instance.jobs(), || make(&engine()?)).map_err(not_opened)
}

/// Runs one operation with what it refers to, which may pause.
pub(crate) fn run_key<H, R>(
    pass: Pass,
    held: H,
    body: impl FnOnce(&mut H) -> Result<R, Error>,
) -> Result<R, Failure> {
    let (held, result) = pausing::run(pass.jobs, pass.allowed, (pass.row, pass.bytes), held, body);
    drop(held);
    result.map_err(Failure::from)
}

/// Runs one operation that the default provider does in the device's place: at once, and counted as one that
/// the device does not do.
pub(crate) fn elsewhere<R>(pass: Pass, body: impl FnOnce() -> Result<R, Failure>) -> Result<R, Failure> {
    let mut counted = counters::Operation::begin(pass.row, pass.bytes);
    counted.not_pausing(Synchronous::Elsewhere);
    body()
}

/// A new private key, which the device makes of these random bytes.
pub(crate) fn generate(
    pass: Pass,
    session: KeySession,
    arguments: KeyArguments,
) -> Result<PrivateKey, Failure> {
    run_key(pass, session, |session| session.generate_with(arguments))
}
