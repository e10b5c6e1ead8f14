//! Sessions of hash functions and HMACs: a digest or a MAC, and the message unchanged.

use std::sync::Arc;

use simaccel_device::{Allowed, Argument, Operation, Tag, Tagged, TaggedText};

use super::{HashSession, MacSession};
use crate::engine::stream::{HashStream, MacStream};
use crate::error::{Error, OpError};

/// Bytes of the shortest MAC that a message is compared with.
const MIN_MAC: usize = 4;

/// Whether a message may be compared with such a MAC.
pub(crate) fn expected_mac(session: &MacSession, expected: &[u8]) -> Result<(), Error> {
    session.check_expected(expected)
}

fn text_and_tag(TaggedText { buffer, tag, .. }: TaggedText) -> (Vec<u8>, Tag) {
    (buffer, tag)
}

impl HashSession {
    /// The digest of a borrowed slice (copied).
    ///
    /// # Errors
    /// The device's failures.
    pub fn digest(&self, data: &[u8]) -> Result<Tag, Error> {
        self.core.run_copied(data, |buffer| self.digest_owned(buffer), |_, digest| Ok(digest))
    }

    /// The digest of an owned buffer, which is returned unchanged, with an error too.
    ///
    /// # Errors
    /// The device's failures.
    pub fn digest_owned(&self, data: Vec<u8>) -> Result<(Vec<u8>, Tag), OpError> {
        self.core.run_whole(Operation::Digest, &[], data, Tagged::default()).map(text_and_tag)
    }

    /// Starts a multi-part digest.
    pub fn stream(&self) -> HashStream {
        HashStream::new(Arc::clone(&self.core))
    }
}

impl MacSession {
    /// The MAC of a borrowed slice (copied).
    ///
    /// # Errors
    /// The device's failures.
    pub fn mac(&self, data: &[u8]) -> Result<Tag, Error> {
        self.core.run_copied(data, |buffer| self.mac_owned(buffer), |_, mac| Ok(mac))
    }

    /// The MAC of an owned buffer, which comes back unchanged, with an error too.
    ///
    /// # Errors
    /// The device's failures.
    pub fn mac_owned(&self, data: Vec<u8>) -> Result<(Vec<u8>, Tag), OpError> {
        self.core.run_whole(Operation::Mac, &[], data, Tagged::default()).map(text_and_tag)
    }

    /// Compares the MAC of `data` with `expected` in constant time. A truncated MAC is compared in the length
    /// it has, which must be at least 4 bytes (RFC 2104, 5 recommends half the digest or more).
    ///
    /// # Errors
    /// [`Error::AuthFailed`] when they differ, [`Error::InvalidArgument`] for fewer than 4 bytes, the
    /// device's failures.
    pub fn verify(&self, data: &[u8], expected: &[u8]) -> Result<(), Error> {
        self.check_expected(expected)?;
        Self::compare(self.mac(data)?, expected)
    }

    /// [`MacSession::verify`] of an owned buffer, which is returned unchanged, with an error too.
    ///
    /// # Errors
    /// As [`MacSession::verify`].
    pub fn verify_owned(&self, data: Vec<u8>, expected: &[u8]) -> Result<Vec<u8>, OpError> {
        if let Err(error) = self.check_expected(expected) {
            return Err(OpError::new(error, data, None));
        }
        let (data, mac) = self.mac_owned(data)?;
        match Self::compare(mac, expected) {
            Ok(()) => Ok(data),
            Err(error) => Err(OpError::new(error, data, None)),
        }
    }

    fn check_expected(&self, expected: &[u8]) -> Result<(), Error> {
        if expected.len() >= MIN_MAC {
            return Ok(());
        }
        Err(self.core.wrong_length(Argument::Mac, expected.len(), Allowed::AtLeast(MIN_MAC)))
    }

    fn compare(mac: Tag, expected: &[u8]) -> Result<(), Error> {
        let head = mac.as_bytes().get(..expected.len()).and_then(Tag::new);
        if head.is_some() && head == Tag::new(expected) { Ok(()) } else { Err(Error::AuthFailed) }
    }

    /// Starts a multi-part MAC.
    pub fn stream(&self) -> MacStream {
        MacStream::new(Arc::clone(&self.core))
    }
}
