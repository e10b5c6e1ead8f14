//! HMAC (FIPS 198-1, RFC 2104) over SHA-2.

use hmac::{KeyInit, Mac};

use super::kernel::{BadKey, Kernel, Options, check_hash};
use crate::message::operation::Operation;
use crate::message::status::Status;
use crate::message::tag::Tag;
use crate::message::view::Message;

/// The hash states after the two padded keys, from which every message starts.
pub(crate) struct Keyed<M>(M);

impl<M: Mac + KeyInit + Clone + Send + Sync + 'static> Kernel for Keyed<M> {
    type Stream = M;

    fn prepare(key: &[u8], _: Options) -> Result<Self, BadKey> {
        M::new_from_slice(key).map(Self).map_err(|_| BadKey::Length)
    }

    fn begin(&self, message: &Message<'_>) -> Result<M, Status> {
        check_hash(message, Operation::Mac)?;
        Ok(self.0.clone())
    }

    fn piece(&self, stream: &mut M, message: &mut Message<'_>) -> Result<(), Status> {
        stream.update(message.input());
        if message.is_last() {
            let mac = std::mem::replace(stream, self.0.clone()).finalize().into_bytes();
            message.set_tag(Tag::new(&mac).ok_or(Status::DeviceError)?);
        }
        Ok(())
    }
}
