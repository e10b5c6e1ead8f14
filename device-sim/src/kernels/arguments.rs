//! What a session takes: the lengths of a request's arguments, said in numbers before anything is asked of
//! the device, and in words where something does not fit.
//!
//! The kernels hold these rules, too: they are the device, and refuse with [`Status::InvalidArgs`], which
//! says no more. A test holds the two together, for every algorithm and every length.
//!
//! [`Status::InvalidArgs`]: crate::Status::InvalidArgs

use std::fmt;
use std::ops::RangeInclusive;

use crate::kernels::session::{Padding, Session};
use crate::kernels::{BLOCK, gcm, xts};
use crate::message::algorithm::{Algorithm, Cipher};
use crate::message::operation::Operation;

/// An argument whose length is checked.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Argument {
    /// The initialisation vector of a cipher.
    Iv,
    /// The nonce of an AEAD.
    Nonce,
    /// The message, all parts of it.
    Message,
    /// The tag that a message is compared with.
    Tag,
    /// The MAC that a message's is compared with.
    Mac,
}

impl fmt::Display for Argument {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Iv => "initialisation vector",
            Self::Nonce => "nonce",
            Self::Message => "message",
            Self::Tag => "tag",
            Self::Mac => "MAC",
        })
    }
}

/// The lengths that are allowed, in bytes.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Allowed {
    /// None at all.
    Nothing,
    /// This one.
    Exactly(usize),
    /// This one and all above.
    AtLeast(usize),
    /// This one and all below.
    AtMost(u64),
    /// From the first to the second.
    Between(usize, usize),
    /// Multiples of a block, where nothing is padded.
    Blocks,
    /// The same but for 0: what is padded is never empty.
    SomeBlocks,
}

impl fmt::Display for Allowed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Nothing => f.write_str("none"),
            Self::Exactly(len) => write!(f, "{len} bytes"),
            Self::AtLeast(1) => f.write_str("1 byte or more"),
            Self::AtLeast(len) => write!(f, "{len} bytes or more"),
            Self::AtMost(len) => write!(f, "at most {len} bytes"),
            Self::Between(least, most) => write!(f, "{least} to {most} bytes"),
            Self::Blocks => write!(f, "whole blocks of {BLOCK} bytes without padding"),
            Self::SomeBlocks => write!(f, "one or more whole blocks of {BLOCK} bytes"),
        }
    }
}

/// Why a session does not take an operation's arguments.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ArgumentError {
    /// An argument has a length that is not allowed.
    #[error("{argument} of {given} bytes: {algorithm} takes {allowed}")]
    Length {
        /// Which argument.
        argument: Argument,
        /// Bytes that it has.
        given: u64,
        /// What the session computes.
        algorithm: Algorithm,
        /// Bytes that it may have.
        allowed: Allowed,
    },
    /// The session computes something else.
    #[error("the operation does not fit the session")]
    Operation,
    /// The device has refused arguments that fit: a fault that was asked for.
    #[error("the device refused the arguments")]
    Refused,
}

impl Session {
    /// Whether a whole message of `len` bytes, with an initialisation vector or nonce of `iv_len`, is taken.
    ///
    /// # Errors
    ///
    /// [`ArgumentError::Operation`], [`ArgumentError::Length`].
    #[inline]
    pub fn check(&self, operation: Operation, iv_len: usize, len: u64) -> Result<(), ArgumentError> {
        self.check_operation(operation)?;
        self.check_iv(iv_len)?;
        self.check_message(operation, len, true)
    }

    fn check_operation(&self, operation: Operation) -> Result<(), ArgumentError> {
        let fits = match self.algorithm() {
            Algorithm::Cipher(_) | Algorithm::Aead(_) => {
                matches!(operation, Operation::Encrypt | Operation::Decrypt)
            }
            Algorithm::Hash(_) => operation == Operation::Digest,
            Algorithm::Hmac(_) => operation == Operation::Mac,
        };
        if fits { Ok(()) } else { Err(ArgumentError::Operation) }
    }

    /// Whether an initialisation vector or nonce of so many bytes is taken.
    ///
    /// # Errors
    ///
    /// [`ArgumentError::Length`].
    pub fn check_iv(&self, iv_len: usize) -> Result<(), ArgumentError> {
        let (argument, allowed, fits) = match self.algorithm() {
            Algorithm::Cipher(cipher) if cipher.iv_len() > 0 => {
                (Argument::Iv, Allowed::Exactly(cipher.iv_len()), iv_len == cipher.iv_len())
            }
            Algorithm::Aead(_) => (Argument::Nonce, Allowed::AtLeast(1), iv_len > 0),
            _ => (Argument::Iv, Allowed::Nothing, iv_len == 0),
        };
        if fits { Ok(()) } else { Err(self.length(argument, iv_len as u64, allowed)) }
    }

    /// Whether a message may have these `len` bytes: so far, or, where they are the `last`, as a whole.
    ///
    /// # Errors
    ///
    /// [`ArgumentError::Length`].
    pub fn check_message(&self, operation: Operation, len: u64, last: bool) -> Result<(), ArgumentError> {
        let (allowed, fits) = match self.algorithm() {
            Algorithm::Cipher(Cipher::Aes128Xts | Cipher::Aes256Xts) => {
                let fits = len <= xts::MAX_UNIT as u64 && (len >= BLOCK as u64 || !last);
                (Allowed::Between(BLOCK, xts::MAX_UNIT), fits)
            }
            Algorithm::Cipher(cipher) if cipher.pads() && last => self.check_blocks(operation, len),
            Algorithm::Aead(_) => (Allowed::AtMost(gcm::MAX_TEXT), len <= gcm::MAX_TEXT),
            _ => return Ok(()),
        };
        if fits { Ok(()) } else { Err(self.length(Argument::Message, len, allowed)) }
    }

    fn check_blocks(&self, operation: Operation, len: u64) -> (Allowed, bool) {
        let whole = len.is_multiple_of(BLOCK as u64);
        match (self.padding(), operation) {
            (Padding::None, _) => (Allowed::Blocks, whole),
            (Padding::Pkcs7, Operation::Decrypt) => (Allowed::SomeBlocks, whole && len > 0),
            (Padding::Pkcs7, _) => (Allowed::Blocks, true),
        }
    }

    /// The error for an argument whose length is not allowed.
    pub const fn length(&self, argument: Argument, given: u64, allowed: Allowed) -> ArgumentError {
        ArgumentError::Length { argument, given, algorithm: self.algorithm(), allowed }
    }

    /// The fewest and the most bytes of text that a whole message of `len` bytes gives, if it is taken. They
    /// differ where padding is removed.
    pub fn output_len(&self, operation: Operation, len: usize) -> RangeInclusive<usize> {
        match (self.algorithm(), operation) {
            (Algorithm::Hash(_) | Algorithm::Hmac(_), _) => 0..=0,
            (Algorithm::Cipher(cipher), _) if cipher.pads() && self.padding() == Padding::Pkcs7 => {
                if operation == Operation::Encrypt {
                    let padded = len.saturating_add(BLOCK - len % BLOCK);
                    padded..=padded
                } else {
                    len.saturating_sub(BLOCK)..=len.saturating_sub(1)
                }
            }
            _ => len..=len,
        }
    }
}
