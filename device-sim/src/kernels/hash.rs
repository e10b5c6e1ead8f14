//! SHA-2 (FIPS 180-4).

use std::marker::PhantomData;

use sha2::Digest;

use super::{BadKey, InStream, Kernel, Options, check_hash, is_last};
use crate::message::operation::Operation;
use crate::message::request::Request;
use crate::message::status::Status;
use crate::message::tag::Tag;

/// A hash function; it has no key.
pub(crate) struct Hashing<D>(PhantomData<fn() -> D>);

impl<D: Digest + InStream> Kernel for Hashing<D> {
    type Stream = D;

    fn prepare(_: &[u8], _: Options) -> Result<Self, BadKey> {
        Ok(Self(PhantomData))
    }

    fn begin(&self, request: &Request) -> Result<D, Status> {
        check_hash(request, Operation::Digest)?;
        Ok(D::new())
    }

    fn piece(&self, stream: &mut D, request: &mut Request) -> Result<(), Status> {
        stream.update(&request.buffer);
        if is_last(request) {
            let digest = std::mem::replace(stream, D::new()).finalize();
            request.set_tag(Tag::new(&digest).ok_or(Status::DeviceError)?);
        }
        Ok(())
    }
}
