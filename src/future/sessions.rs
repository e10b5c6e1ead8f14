//! The operations of every kind of session, as futures. Each is the session's blocking operation of the same
//! name, with the same errors.

use simaccel_device::{Operation, Tag};

use super::buffer::Buffer;
use super::operation::{Apart, Compared, InPlace, OpFuture, Tagged};
use crate::engine::future::{EXPANSION, SessionCore, Spare, expected_mac, make_room, set_iv};
use crate::engine::{AeadSession, CipherSession, HashSession, MacSession, OtherSession};
use crate::error::Error;
use std::sync::Arc;

/// An operation whose output takes the input's place.
fn in_place<B: Buffer>(
    core: &Arc<SessionCore>,
    operation: Operation,
    iv: &[u8],
    buffer: B,
) -> OpFuture<InPlace, B> {
    let (request, prepared) = prepared(core, operation, iv, buffer);
    OpFuture::new(core, request, InPlace(()), prepared)
}

fn apart<B: Buffer>(
    core: &Arc<SessionCore>,
    operation: Operation,
    iv: &[u8],
    source: B,
    destination: B,
) -> OpFuture<Apart, B> {
    let mut request = core.spare_request(operation, source.into_vec());
    let mut room = destination.into_vec();
    room.clear();
    let reserved = room.try_reserve(request.buffer.len().saturating_add(EXPANSION));
    request.destination = Some(room);
    let prepared = reserved.map_err(|_| Error::NoMemory).and_then(|()| set_iv(&mut request, iv));
    OpFuture::new(core, request, Apart(()), prepared)
}

/// An AEAD's operation.
fn with_aad<B: Buffer>(
    core: &Arc<SessionCore>,
    operation: Operation,
    (nonce, aad): (&[u8], &[u8]),
    buffer: B,
) -> (Spare, Result<(), Error>) {
    let (mut request, prepared) = prepared(core, operation, nonce, buffer);
    let prepared = prepared.and_then(|()| core.copy_of(aad, 0)).map(|aad| request.aad = aad);
    (request, prepared)
}

/// A request in place, with room for what padding adds: the device does not allocate.
fn prepared<B: Buffer>(
    core: &Arc<SessionCore>,
    operation: Operation,
    iv: &[u8],
    buffer: B,
) -> (Spare, Result<(), Error>) {
    let mut request = core.spare_request(operation, buffer.into_vec());
    let grows = operation == Operation::Encrypt && core.growth() > 0;
    let room = if grows { make_room(&mut request.buffer, core.growth()) } else { Ok(()) };
    let prepared = room.and_then(|()| set_iv(&mut request, iv));
    (request, prepared)
}

impl CipherSession {
    /// [`CipherSession::encrypt`] as a future. ECB and CBC with padding make the buffer up to 16 bytes
    /// longer.
    pub fn encrypt_async<B: Buffer>(&self, iv: &[u8], buffer: B) -> OpFuture<InPlace, B> {
        in_place(self.core(), Operation::Encrypt, iv, buffer)
    }

    /// [`CipherSession::decrypt`] as a future.
    pub fn decrypt_async<B: Buffer>(&self, iv: &[u8], buffer: B) -> OpFuture<InPlace, B> {
        in_place(self.core(), Operation::Decrypt, iv, buffer)
    }

    /// [`CipherSession::encrypt_to`] as a future.
    pub fn encrypt_to_async<B: Buffer>(&self, iv: &[u8], source: B, destination: B) -> OpFuture<Apart, B> {
        apart(self.core(), Operation::Encrypt, iv, source, destination)
    }

    /// [`CipherSession::decrypt_to`] as a future.
    pub fn decrypt_to_async<B: Buffer>(&self, iv: &[u8], source: B, destination: B) -> OpFuture<Apart, B> {
        apart(self.core(), Operation::Decrypt, iv, source, destination)
    }
}

impl AeadSession {
    /// [`AeadSession::seal`] as a future. Nonce and additional data are copied.
    pub fn seal_async<B: Buffer>(&self, nonce: &[u8], aad: &[u8], buffer: B) -> OpFuture<Tagged, B> {
        let (request, prepared) = with_aad(self.core(), Operation::Encrypt, (nonce, aad), buffer);
        OpFuture::new(self.core(), request, Tagged(()), prepared)
    }

    /// [`AeadSession::open`] as a future. Nonce, additional data and tag are copied. After
    /// [`Error::AuthFailed`] the buffer comes back empty: its content was wiped.
    pub fn open_async<B: Buffer>(
        &self,
        nonce: &[u8],
        aad: &[u8],
        buffer: B,
        tag: &[u8],
    ) -> OpFuture<InPlace, B> {
        let (mut request, prepared) = with_aad(self.core(), Operation::Decrypt, (nonce, aad), buffer);
        let prepared = prepared.and_then(|()| self.core().tag(tag)).map(|tag| request.tag = tag);
        OpFuture::new(self.core(), request, InPlace(()), prepared)
    }
}

impl HashSession {
    /// [`HashSession::digest_owned`] as a future: the message, unchanged, and its digest.
    pub fn digest_async<B: Buffer>(&self, data: B) -> OpFuture<Tagged, B> {
        let (request, prepared) = prepared(self.core(), Operation::Digest, &[], data);
        OpFuture::new(self.core(), request, Tagged(()), prepared)
    }
}

impl MacSession {
    /// [`MacSession::mac_owned`] as a future: the message, unchanged, and its MAC.
    pub fn mac_async<B: Buffer>(&self, data: B) -> OpFuture<Tagged, B> {
        let (request, prepared) = prepared(self.core(), Operation::Mac, &[], data);
        OpFuture::new(self.core(), request, Tagged(()), prepared)
    }

    /// [`MacSession::verify_owned`] as a future: the message, unchanged, where the MAC is right.
    pub fn verify_async<B: Buffer>(&self, data: B, expected: &[u8]) -> OpFuture<Compared, B> {
        let (request, prepared) = prepared(self.core(), Operation::Mac, &[], data);
        let prepared = prepared.and_then(|()| expected_mac(self, expected));
        // One that is longer than any MAC equals none.
        OpFuture::new(self.core(), request, Compared(Tag::new(expected)), prepared)
    }
}

impl OtherSession {
    /// [`OtherSession::run`] as a future.
    pub fn run_async<B: Buffer>(&self, operation: Operation, buffer: B) -> OpFuture<InPlace, B> {
        let request = self.core().spare_request(operation, buffer.into_vec());
        OpFuture::new(self.core(), request, InPlace(()), Ok(()))
    }

    /// [`OtherSession::run_to`] as a future.
    pub fn run_to_async<B: Buffer>(
        &self,
        operation: Operation,
        source: B,
        destination: B,
    ) -> OpFuture<Apart, B> {
        let mut request = self.core().spare_request(operation, source.into_vec());
        request.destination = Some(destination.into_vec());
        OpFuture::new(self.core(), request, Apart(()), Ok(()))
    }
}
