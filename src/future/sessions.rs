//! The operations of every kind of session, as futures. Each is the session's blocking operation of the same
//! name, with the same errors.

use std::mem;
use std::sync::Arc;

use simaccel_device::{Operation, Tag};

use super::buffer::Buffer;
use super::operation::{Apart, Compared, InPlace, Kind, OpFuture, Tagged};
use crate::engine::future::{Awaited, EXPANSION, SessionCore, Spare, expected_mac, make_room, set_iv};
use crate::engine::{AeadSession, CipherSession, HashSession, MacSession, OtherSession};
use crate::error::Error;

/// An operation whose output takes the input's place.
#[cfg_attr(not(debug_assertions), inline(always))]
fn in_place<B: Buffer>(
    core: &Arc<SessionCore>,
    operation: Operation,
    iv: &[u8],
    buffer: B,
) -> OpFuture<InPlace, B> {
    let mut text = buffer.into_vec();
    // Padding grows the text, and the device does not allocate. Only a copy has its address taken: the text
    // itself stays in registers (see `Awaited::short`).
    if operation == Operation::Encrypt && core.growth() > 0 {
        let mut longer = mem::take(&mut text);
        if let Err(error) = make_room(&mut longer, core.growth()) {
            return with_request(core, (core.spare_request(operation, longer), Err(error)), InPlace(()));
        }
        text = longer;
    }
    OpFuture::new(Awaited::short(core, operation, iv, text), InPlace(()))
}

/// A digest or a MAC.
fn tagged<B: Buffer>(core: &Arc<SessionCore>, operation: Operation, message: B) -> Awaited {
    Awaited::message(core, operation, message.into_vec())
}

/// One with a request.
#[cfg_attr(not(debug_assertions), inline(always))]
fn with_request<K: Kind, B: Buffer>(
    core: &Arc<SessionCore>,
    (request, prepared): (Spare, Result<(), Error>),
    kind: K,
) -> OpFuture<K, B> {
    OpFuture::new(Awaited::whole(core, request, K::GIVES_TAG, prepared.err().map(Box::new)), kind)
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
    with_request(core, (request, prepared), Apart(()))
}

/// An AEAD's operation.
fn with_aad<B: Buffer>(
    core: &Arc<SessionCore>,
    operation: Operation,
    (nonce, aad): (&[u8], &[u8]),
    buffer: B,
) -> (Spare, Result<(), Error>) {
    let mut request = core.spare_request(operation, buffer.into_vec());
    let copied = set_iv(&mut request, nonce).and_then(|()| core.copy_of(aad, 0));
    let prepared = copied.map(|aad| request.aad = aad);
    (request, prepared)
}

impl CipherSession {
    /// [`CipherSession::encrypt`] as a future. ECB and CBC with padding make the buffer up to 16 bytes
    /// longer.
    #[cfg_attr(not(debug_assertions), inline(always))]
    pub fn encrypt_async<B: Buffer>(&self, iv: &[u8], buffer: B) -> OpFuture<InPlace, B> {
        in_place(self.core(), Operation::Encrypt, iv, buffer)
    }

    /// [`CipherSession::decrypt`] as a future.
    #[cfg_attr(not(debug_assertions), inline(always))]
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
        let request = with_aad(self.core(), Operation::Encrypt, (nonce, aad), buffer);
        with_request(self.core(), request, Tagged(()))
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
        with_request(self.core(), (request, prepared), InPlace(()))
    }
}

impl HashSession {
    /// [`HashSession::digest_owned`] as a future: the message, unchanged, and its digest.
    pub fn digest_async<B: Buffer>(&self, data: B) -> OpFuture<Tagged, B> {
        OpFuture::new(tagged(self.core(), Operation::Digest, data), Tagged(()))
    }
}

impl MacSession {
    /// [`MacSession::mac_owned`] as a future: the message, unchanged, and its MAC.
    pub fn mac_async<B: Buffer>(&self, data: B) -> OpFuture<Tagged, B> {
        OpFuture::new(tagged(self.core(), Operation::Mac, data), Tagged(()))
    }

    /// [`MacSession::verify_owned`] as a future: the message, unchanged, where the MAC is right.
    pub fn verify_async<B: Buffer>(&self, data: B, expected: &[u8]) -> OpFuture<Compared, B> {
        // One that is longer than any MAC equals none.
        let compared = Compared(Tag::new(expected));
        match expected_mac(self, expected) {
            Ok(()) => OpFuture::new(tagged(self.core(), Operation::Mac, data), compared),
            Err(error) => {
                let request = self.core().spare_request(Operation::Mac, data.into_vec());
                with_request(self.core(), (request, Err(error)), compared)
            }
        }
    }
}

impl OtherSession {
    /// [`OtherSession::run`] as a future.
    pub fn run_async<B: Buffer>(&self, operation: Operation, buffer: B) -> OpFuture<InPlace, B> {
        let request = self.core().spare_request(operation, buffer.into_vec());
        with_request(self.core(), (request, Ok(())), InPlace(()))
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
        with_request(self.core(), (request, Ok(())), Apart(()))
    }
}
