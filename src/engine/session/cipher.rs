//! Sessions of ciphers without authentication.

use std::sync::Arc;

use simaccel_device::{Elsewhere, Operation};

use super::{CipherSession, copy_out, make_room};
use crate::engine::offload::plain;
use crate::engine::software;
use crate::engine::stream::CipherStream;
use crate::error::{Error, OpError};
use crate::words;

impl CipherSession {
    /// Encrypts `buffer` in place. ECB and CBC with padding make it up to 16 bytes longer.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] for a length or IV that does not fit; the device's failures. Every error
    /// returns the buffer.
    #[cfg_attr(not(debug_assertions), inline(always))] // see `offload::plain`
    pub fn encrypt(&self, iv: &[u8], buffer: Vec<u8>) -> Result<Vec<u8>, OpError> {
        self.in_place(Operation::Encrypt, iv, buffer)
    }

    /// Decrypts `buffer` in place.
    ///
    /// # Errors
    /// [`Error::AuthFailed`] for wrong padding, else as [`CipherSession::encrypt`].
    #[cfg_attr(not(debug_assertions), inline(always))] // see `offload::plain`
    pub fn decrypt(&self, iv: &[u8], buffer: Vec<u8>) -> Result<Vec<u8>, OpError> {
        self.in_place(Operation::Decrypt, iv, buffer)
    }

    #[cfg_attr(not(debug_assertions), inline(always))]
    fn in_place(&self, operation: Operation, iv: &[u8], mut buffer: Vec<u8>) -> Result<Vec<u8>, OpError> {
        // Padding grows the buffer, and the device does not allocate.
        if operation == Operation::Encrypt
            && let Err(error) = make_room(&mut buffer, self.core.growth)
        {
            return Err(OpError::new(error, buffer, None));
        }
        match plain::run(&self.core.engine, self.core.id, operation, iv, (buffer, ())) {
            Ok(done) => done.map_err(|error| self.core.named(error, operation, iv.len())),
            Err((buffer, ())) => words::in_registers(self.core.run_with_policy(operation, iv, buffer, ())),
        }
    }

    /// Whether an output is exactly as long as its input, and a message may have any length: a stream cipher
    /// (CTR), whose initialisation vector has 16 bytes.
    #[doc(hidden)]
    #[inline]
    pub fn keeps_len(&self) -> bool {
        self.core.growth == 0
    }

    /// Encrypts `source` into `destination`, whose content is replaced; returns both.
    ///
    /// # Errors
    /// As [`CipherSession::encrypt`]; [`OpError::into_buffers`] returns both buffers.
    pub fn encrypt_to(
        &self,
        iv: &[u8],
        source: Vec<u8>,
        destination: Vec<u8>,
    ) -> Result<(Vec<u8>, Vec<u8>), OpError> {
        self.out_of_place(Operation::Encrypt, iv, source, destination)
    }

    /// Decrypts `source` into `destination`, whose content is replaced; returns both.
    ///
    /// # Errors
    /// As [`CipherSession::decrypt`]; [`OpError::into_buffers`] returns both buffers.
    pub fn decrypt_to(
        &self,
        iv: &[u8],
        source: Vec<u8>,
        destination: Vec<u8>,
    ) -> Result<(Vec<u8>, Vec<u8>), OpError> {
        self.out_of_place(Operation::Decrypt, iv, source, destination)
    }

    fn out_of_place(
        &self,
        operation: Operation,
        iv: &[u8],
        source: Vec<u8>,
        mut destination: Vec<u8>,
    ) -> Result<(Vec<u8>, Vec<u8>), OpError> {
        destination.clear();
        if destination.try_reserve(source.len().saturating_add(software::EXPANSION)).is_err() {
            return Err(OpError::new(Error::NoMemory, source, Some(destination)));
        }
        self.core.run_whole(operation, iv, source, Elsewhere { destination })
    }

    /// Encrypts a borrowed slice (copied) into another; returns the number of bytes written. `into` may be
    /// longer than the output.
    ///
    /// # Errors
    /// [`Error::OutputTooSmall`], else as [`CipherSession::encrypt`].
    pub fn encrypt_slice(&self, iv: &[u8], source: &[u8], into: &mut [u8]) -> Result<usize, Error> {
        self.slices(Operation::Encrypt, iv, source, into)
    }

    /// Decrypts a borrowed slice (copied) into another; returns the number of bytes written.
    ///
    /// # Errors
    /// [`Error::OutputTooSmall`], else as [`CipherSession::decrypt`].
    pub fn decrypt_slice(&self, iv: &[u8], source: &[u8], into: &mut [u8]) -> Result<usize, Error> {
        self.slices(Operation::Decrypt, iv, source, into)
    }

    fn slices(
        &self,
        operation: Operation,
        iv: &[u8],
        source: &[u8],
        into: &mut [u8],
    ) -> Result<usize, Error> {
        let run = |buffer| Ok((self.core.run_whole(operation, iv, buffer, ())?, ()));
        self.core.run_copied(source, run, |text, ()| copy_out(text, into))
    }

    /// Starts a multi-part encryption.
    pub fn encryptor(&self, iv: &[u8]) -> CipherStream {
        CipherStream::new(Arc::clone(&self.core), Operation::Encrypt, iv.to_vec())
    }

    /// Starts a multi-part decryption.
    pub fn decryptor(&self, iv: &[u8]) -> CipherStream {
        CipherStream::new(Arc::clone(&self.core), Operation::Decrypt, iv.to_vec())
    }
}
