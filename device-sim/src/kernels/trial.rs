//! Kernels for tests of what comes back: an output longer than a tag, and one whose length depends on the
//! message.
//!
//! They are what the others are, kernels of the table; only no name stands for them.

use sha2::{Digest, Sha256};

use super::kernel::{BadKey, Kernel, Options};
use crate::message::operation::Operation;
use crate::message::piece::Part;
use crate::message::status::Status;
use crate::message::view::Message;

/// Bytes that [`Mask`] gives.
const MASK: usize = 600;
/// Bytes that [`Runs`] takes at the most.
const MOST: usize = 65_536;

/// A whole message of an allowed length, for one of these operations, with nothing beside it.
fn check(message: &Message<'_>, operations: &[Operation], most: usize) -> Result<(), Status> {
    let fits = operations.contains(&message.operation())
        && message.part() == Part::Whole
        && message.input().len() <= most
        && message.iv().is_empty()
        && message.aad().is_empty();
    fits.then_some(()).ok_or(Status::InvalidArgs)
}

/// MGF1 over SHA-256 (RFC 8017, B.2.1): the hashes of the message and a counter, one behind the other.
pub(crate) struct Mask;

impl Kernel for Mask {
    type Stream = ();

    fn prepare(_: &[u8], _: Options) -> Result<Self, BadKey> {
        Ok(Self)
    }

    fn begin(&self, message: &Message<'_>) -> Result<(), Status> {
        check(message, &[Operation::Encrypt], usize::MAX)
    }

    fn piece(&self, (): &mut (), message: &mut Message<'_>) -> Result<(), Status> {
        let mut mask = Vec::with_capacity(MASK.next_multiple_of(32));
        for counter in 0..=u32::MAX {
            let hash = Sha256::new().chain_update(message.input()).chain_update(counter.to_be_bytes());
            mask.extend_from_slice(&hash.finalize());
            if mask.len() >= MASK {
                break;
            }
        }
        mask.truncate(MASK);
        message.set_text(mask);
        Ok(())
    }
}

/// Runs of equal bytes: encrypting, as pairs of length and byte; decrypting, the way back.
pub(crate) struct Runs;

impl Kernel for Runs {
    type Stream = ();

    fn prepare(_: &[u8], _: Options) -> Result<Self, BadKey> {
        Ok(Self)
    }

    fn begin(&self, message: &Message<'_>) -> Result<(), Status> {
        check(message, &[Operation::Encrypt, Operation::Decrypt], MOST)
    }

    fn piece(&self, (): &mut (), message: &mut Message<'_>) -> Result<(), Status> {
        let text = match message.operation() {
            Operation::Encrypt => paired(message.input()),
            _ => repeated(message.input())?,
        };
        message.set_text(text);
        Ok(())
    }
}

fn paired(text: &[u8]) -> Vec<u8> {
    let runs = || text.chunk_by(|byte, next| byte == next).flat_map(|run| run.chunks(255));
    // A vector that grows would leave copies behind.
    let mut pairs = Vec::with_capacity(2 * runs().count());
    for run in runs() {
        if let (Ok(len), Some(&byte)) = (u8::try_from(run.len()), run.first()) {
            pairs.extend([len, byte]);
        }
    }
    pairs
}

fn repeated(pairs: &[u8]) -> Result<Vec<u8>, Status> {
    let (pairs, []) = pairs.as_chunks::<2>() else { return Err(Status::InvalidArgs) };
    if pairs.iter().any(|[len, _]| *len == 0) {
        return Err(Status::InvalidArgs);
    }
    let mut text = Vec::with_capacity(pairs.iter().map(|[len, _]| usize::from(*len)).sum());
    for &[len, byte] in pairs {
        text.resize(text.len() + usize::from(len), byte);
    }
    Ok(text)
}
