//! One operation of a private or a public key, ready to be run: it owns all that the device and a paused job
//! need.

use std::mem;

use simaccel::{KeyArguments, KeySession, Operation};
use zeroize::Zeroizing;

use super::Pass;
use super::keys::run_key;
use crate::error::{Failure, Reason};
use crate::instance::Instance;
use crate::kinds::Kind;

/// An operation of a key.
#[derive(Debug)]
pub(crate) struct Work {
    pub(crate) kind: Kind,
    pub(crate) session: KeySession,
    pub(crate) operation: Operation,
    pub(crate) arguments: KeyArguments,
    pub(crate) input: Zeroizing<Vec<u8>>,
}

impl Work {
    /// What it has to know of the instance that it is called in.
    pub(crate) fn pass(&self, instance: &Instance) -> Pass {
        Pass::of_key(instance, self.kind, self.input.len())
    }

    /// Its output, which is empty for a signature that was right.
    pub(crate) fn run(self, pass: Pass) -> Result<Zeroizing<Vec<u8>>, Failure> {
        let compares = self.operation == Operation::Verify;
        let output = run_key(pass, self, |work| {
            let arguments = mem::take(&mut work.arguments);
            work.session.run(work.operation, arguments, &work.input)
        });
        match output {
            Err(failure) if compares && failure.reason == Reason::BadDecrypt => {
                Err(Reason::BadSignature.into())
            }
            output => output,
        }
    }
}
