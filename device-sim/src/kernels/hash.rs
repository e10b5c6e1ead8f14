//! SHA-2 (FIPS 180-4).

use std::marker::PhantomData;

use sha2::Digest;

use super::kernel::{BadKey, Kernel, Options, check_hash};
use crate::message::operation::Operation;
use crate::message::status::Status;
use crate::message::tag::Tag;
use crate::message::view::Message;

/// A hash function; it has no key.
pub(crate) struct Hashing<D>(PhantomData<fn() -> D>);

impl<D: Digest + Clone + Send + Sync + 'static> Kernel for Hashing<D> {
    type Stream = D;

    fn prepare(_: &[u8], _: Options) -> Result<Self, BadKey> {
        Ok(Self(PhantomData))
    }

    fn begin(&self, message: &Message<'_>) -> Result<D, Status> {
        check_hash(message, Operation::Digest)?;
        Ok(D::new())
    }

    fn piece(&self, stream: &mut D, message: &mut Message<'_>) -> Result<(), Status> {
        stream.update(message.input());
        if message.is_last() {
            let digest = std::mem::replace(stream, D::new()).finalize();
            message.set_tag(Tag::new(&digest).ok_or(Status::DeviceError)?);
        }
        Ok(())
    }
}
