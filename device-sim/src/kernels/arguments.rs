//! The arguments that a session accepts: the lengths of a request's arguments, checked before the device is
//! used, and described where they do not fit.
//!
//! The kernels hold these rules, too: they are the device, and refuse with [`Status::InvalidArgs`], without a
//! reason. A test checks that the two agree, for every algorithm and every length.
//!
//! [`Status::InvalidArgs`]: crate::Status::InvalidArgs

use std::ops::RangeInclusive;

use crate::kernels::session::Session;
use crate::message::algorithm::Algorithm;
use crate::message::argument::{Argument, ArgumentError};
use crate::message::lengths::{Allowed, BLOCK};
use crate::message::operation::Operation;
use crate::message::parameters::Padding;
use crate::message::shape::OutputLen;

impl Session {
    /// Checks whether a whole message of `len` bytes, with an initialisation vector or nonce of `iv_len`, is
    /// accepted.
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
        let fits = self.algorithm().operations().contains(&operation);
        if fits { Ok(()) } else { Err(ArgumentError::Operation) }
    }

    /// Checks whether an initialisation vector or nonce of this many bytes is accepted.
    ///
    /// # Errors
    ///
    /// [`ArgumentError::Length`].
    pub fn check_iv(&self, iv_len: usize) -> Result<(), ArgumentError> {
        let allowed = self.algorithm().iv_lens();
        if allowed.contains(iv_len as u64) {
            return Ok(());
        }
        let is_aead = matches!(self.algorithm(), Algorithm::Aead(_));
        let argument = if is_aead { Argument::Nonce } else { Argument::Iv };
        Err(self.length(argument, iv_len as u64, allowed))
    }

    /// Checks whether a message may have `len` bytes so far, or as a whole if they are the `last`.
    ///
    /// # Errors
    ///
    /// [`ArgumentError::Length`].
    pub fn check_message(&self, operation: Operation, len: u64, last: bool) -> Result<(), ArgumentError> {
        let algorithm = self.algorithm();
        let allowed = if algorithm.pads() { self.blocks(operation) } else { algorithm.message_lens() };
        let fits = if last { allowed.contains(len) } else { allowed.reaches(len) };
        if fits { Ok(()) } else { Err(self.length(Argument::Message, len, allowed)) }
    }

    /// The lengths that a mode of whole blocks accepts, with or without padding.
    fn blocks(&self, operation: Operation) -> Allowed {
        match (self.padding(), operation) {
            (Padding::None, _) => Allowed::Blocks,
            (Padding::Pkcs7, Operation::Decrypt) => Allowed::SomeBlocks,
            (Padding::Pkcs7, _) => Allowed::AtLeast(0),
        }
    }

    /// The error for an argument whose length is not allowed.
    pub const fn length(&self, argument: Argument, given: u64, allowed: Allowed) -> ArgumentError {
        ArgumentError::Length { argument, given, algorithm: self.algorithm(), allowed }
    }

    /// The fewest and the most bytes of text that a whole message of `len` bytes produces, if it is accepted.
    /// They differ where padding is removed.
    pub fn output_len(&self, operation: Operation, len: usize) -> RangeInclusive<usize> {
        match self.output(operation) {
            Some(OutputLen::Padded) if operation == Operation::Encrypt => {
                let padded = len.saturating_add(BLOCK - len % BLOCK);
                padded..=padded
            }
            Some(OutputLen::Padded) => len.saturating_sub(BLOCK)..=len.saturating_sub(1),
            Some(OutputLen::Same | OutputLen::Tagged(_)) => len..=len,
            Some(OutputLen::Fixed(bytes)) if operation.output().has_text() => bytes..=bytes,
            Some(OutputLen::Variable(most)) if operation.output().has_text() => 0..=most,
            Some(OutputLen::Fixed(_) | OutputLen::Variable(_)) | None => 0..=0,
        }
    }

    /// The output of an operation in this session; `None`: it has no such operation.
    pub fn output(&self, operation: Operation) -> Option<OutputLen> {
        match self.algorithm().output(operation)? {
            OutputLen::Padded if self.padding() == Padding::None => Some(OutputLen::Same),
            OutputLen::Tagged(_) => Some(OutputLen::Tagged(self.tag_len())),
            len => Some(len),
        }
    }
}
