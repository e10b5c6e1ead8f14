//! An operation with a key that is ready to be run or started.

use std::mem;

use simaccel::foreign::{self, StartedKey};
use simaccel::{KeyArguments, KeySession, Operation, Zeroizing};

use crate::last_error::Failure;

/// An operation, and all that it takes.
pub(super) struct Prepared {
    pub(super) operation: Operation,
    pub(super) arguments: KeyArguments,
    pub(super) input: Zeroizing<Vec<u8>>,
}

impl Prepared {
    /// Pauses or blocks.
    pub(super) fn run(mut self, session: &KeySession) -> Result<Zeroizing<Vec<u8>>, Failure> {
        Ok(session.run_owned(self.operation, self.arguments, mem::take(&mut *self.input))?)
    }

    /// Does neither.
    pub(super) fn start(mut self, session: &KeySession) -> StartedKey {
        foreign::start_key(session, self.operation, self.arguments, mem::take(&mut *self.input))
    }
}
