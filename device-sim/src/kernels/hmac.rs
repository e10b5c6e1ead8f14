//! HMAC (FIPS 198-1, RFC 2104) over SHA-2.

use hmac::{KeyInit, Mac};

use super::{BadKey, InStream, Kernel, Options, check_hash, is_last};
use crate::message::operation::Operation;
use crate::message::request::Request;
use crate::message::status::Status;
use crate::message::tag::Tag;

/// The hash states after the two padded keys, from which every message starts.
pub(crate) struct Keyed<M>(M);

impl<M: Mac + KeyInit + Clone + InStream> Kernel for Keyed<M> {
    type Stream = M;

    fn prepare(key: &[u8], _: Options) -> Result<Self, BadKey> {
        M::new_from_slice(key).map(Self).map_err(|_| BadKey::Length)
    }

    fn begin(&self, request: &Request) -> Result<M, Status> {
        check_hash(request, Operation::Mac)?;
        Ok(self.0.clone())
    }

    fn piece(&self, stream: &mut M, request: &mut Request) -> Result<(), Status> {
        stream.update(&request.buffer);
        if is_last(request) {
            let mac = std::mem::replace(stream, self.0.clone()).finalize().into_bytes();
            request.set_tag(Tag::new(&mac).ok_or(Status::DeviceError)?);
        }
        Ok(())
    }
}
