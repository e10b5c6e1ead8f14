//! Sessions of AEADs: a text, and a tag over it and additional data.

use std::sync::Arc;

use simaccel_device::{Operation, Rest, Tag, Tagged, TaggedText};

use super::{AeadSession, copy_out};
use crate::engine::stream::{AeadOpener, AeadSealer};
use crate::error::{Error, OpError};

impl AeadSession {
    /// Encrypts `buffer` in place and computes the tag over `aad` and the ciphertext.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] for an empty nonce or too long a message; the device's failures. Every
    /// error returns the buffer.
    pub fn seal(&self, nonce: &[u8], aad: &[u8], buffer: Vec<u8>) -> Result<(Vec<u8>, Tag), OpError> {
        self.whole(Operation::Encrypt, nonce, aad, buffer, None)
    }

    /// Decrypts `buffer` in place if `tag` is right.
    ///
    /// # Errors
    /// [`Error::AuthFailed`], whatever was wrong; the buffer is then returned empty, and no plaintext is ever
    /// returned. Else as [`AeadSession::seal`].
    pub fn open(&self, nonce: &[u8], aad: &[u8], buffer: Vec<u8>, tag: &[u8]) -> Result<Vec<u8>, OpError> {
        let tag = match self.core.tag(tag) {
            Ok(tag) => tag,
            Err(error) => return Err(OpError::new(error, buffer, None)),
        };
        Ok(self.whole(Operation::Decrypt, nonce, aad, buffer, Some(&tag))?.0)
    }

    /// Encrypts a borrowed slice (copied) into another; returns the number of bytes written and the tag.
    ///
    /// # Errors
    /// [`Error::OutputTooSmall`], else as [`AeadSession::seal`].
    pub fn seal_slice(
        &self,
        nonce: &[u8],
        aad: &[u8],
        source: &[u8],
        into: &mut [u8],
    ) -> Result<(usize, Tag), Error> {
        let run = |buffer| self.whole(Operation::Encrypt, nonce, aad, buffer, None);
        self.core.run_copied(source, run, |text, tag| Ok((copy_out(text, into)?, tag)))
    }

    /// Decrypts a borrowed slice (copied) into another if `tag` is right; returns the number of bytes
    /// written.
    ///
    /// # Errors
    /// [`Error::OutputTooSmall`], else as [`AeadSession::open`]; `into` is then untouched.
    pub fn open_slice(
        &self,
        nonce: &[u8],
        aad: &[u8],
        source: &[u8],
        tag: &[u8],
        into: &mut [u8],
    ) -> Result<usize, Error> {
        let tag = self.core.tag(tag)?;
        let run = |buffer| self.whole(Operation::Decrypt, nonce, aad, buffer, Some(&tag));
        self.core.run_copied(source, run, |text, _| copy_out(text, into))
    }

    /// [`AeadSession::seal`] of a copy of `text`, which is handed back to [`recycle`](Self::recycle).
    #[cfg(feature = "rustcrypto")]
    pub(crate) fn seal_copied(&self, nonce: &[u8], aad: &[u8], text: &[u8]) -> Result<(Vec<u8>, Tag), Error> {
        self.copied(Operation::Encrypt, nonce, aad, text, None)
    }

    /// [`AeadSession::open`] of a copy of `text`, which is handed back to [`recycle`](Self::recycle).
    #[cfg(feature = "rustcrypto")]
    pub(crate) fn open_copied(
        &self,
        nonce: &[u8],
        aad: &[u8],
        text: &[u8],
        tag: &[u8],
    ) -> Result<Vec<u8>, Error> {
        let tag = self.core.tag(tag)?;
        Ok(self.copied(Operation::Decrypt, nonce, aad, text, Some(&tag))?.0)
    }

    #[cfg(feature = "rustcrypto")]
    fn copied(
        &self,
        operation: Operation,
        nonce: &[u8],
        aad: &[u8],
        text: &[u8],
        tag: Option<&Tag>,
    ) -> Result<(Vec<u8>, Tag), Error> {
        self.whole(operation, nonce, aad, self.core.copy_of(text, 0)?, tag).map_err(|error| {
            let (error, buffer) = error.into_parts();
            self.core.recycle(buffer);
            error
        })
    }

    /// Wipes a buffer of the thread, and keeps it for another copy.
    #[cfg(feature = "rustcrypto")]
    pub(crate) fn recycle(&self, buffer: Vec<u8>) {
        self.core.recycle(buffer);
    }

    /// A whole message, with copies of nonce and additional data.
    #[inline]
    fn whole(
        &self,
        operation: Operation,
        nonce: &[u8],
        aad: &[u8],
        buffer: Vec<u8>,
        tag: Option<&Tag>,
    ) -> Result<(Vec<u8>, Tag), OpError> {
        let aad = match self.core.copy_of(aad, 0) {
            Ok(aad) => aad,
            Err(error) => return Err(OpError::new(error, buffer, None)),
        };
        self.core.run_whole(operation, nonce, buffer, Tagged { aad, tag }).map(|done| self.without_aad(done))
    }

    fn without_aad(&self, TaggedText { buffer, tag, aad }: TaggedText) -> (Vec<u8>, Tag) {
        self.core.recycle(aad);
        (buffer, tag)
    }

    /// A whole message whose nonce and tag are copied before the job pauses, while the rest is owned: for
    /// callers whose memory may be freed during the pause. Decrypting needs a tag. The additional data are
    /// returned, too.
    ///
    /// # Errors
    /// As [`AeadSession::seal`] and [`AeadSession::open`].
    #[doc(hidden)]
    #[inline]
    pub fn whole_owned(
        &self,
        operation: Operation,
        nonce: &[u8],
        aad: Vec<u8>,
        buffer: Vec<u8>,
        tag: Option<&Tag>,
    ) -> Result<TaggedText, OpError> {
        self.core.run_whole(operation, nonce, buffer, Tagged { aad, tag })
    }

    /// The same with a nonce of any length, which is moved.
    ///
    /// # Errors
    /// As [`AeadSession::seal`] and [`AeadSession::open`].
    #[doc(hidden)]
    pub fn whole_with_long_nonce(
        &self,
        operation: Operation,
        nonce: Vec<u8>,
        aad: Vec<u8>,
        buffer: Vec<u8>,
        tag: Option<&Tag>,
    ) -> Result<TaggedText, OpError> {
        let mut request = self.core.request(operation, buffer);
        request.set_iv_owned(nonce);
        Tagged { aad, tag }.load_into(&mut request);
        self.core.run(&mut request)?;
        Ok(Tagged::take_from(&mut request))
    }

    /// [`AeadSession::sealer`] with owned arguments.
    #[doc(hidden)]
    pub fn sealer_owned(&self, nonce: Vec<u8>, aad: Vec<u8>) -> AeadSealer {
        AeadSealer::new(Arc::clone(&self.core), nonce, aad)
    }

    /// [`AeadSession::opener`] with owned arguments.
    #[doc(hidden)]
    pub fn opener_owned(&self, nonce: Vec<u8>, aad: Vec<u8>) -> AeadOpener {
        AeadOpener::new(Arc::clone(&self.core), nonce, aad)
    }

    /// Starts a multi-part encryption.
    pub fn sealer(&self, nonce: &[u8], aad: &[u8]) -> AeadSealer {
        self.sealer_owned(nonce.to_vec(), aad.to_vec())
    }

    /// Starts a multi-part decryption. The output of `update` is *not authenticated* until `finish` has
    /// succeeded: do not act on it before.
    pub fn opener(&self, nonce: &[u8], aad: &[u8]) -> AeadOpener {
        self.opener_owned(nonce.to_vec(), aad.to_vec())
    }
}
