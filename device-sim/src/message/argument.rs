//! Arguments whose lengths are checked, and how a wrong one is described.

use std::fmt;

use crate::message::algorithm::Algorithm;
use crate::message::key_error::Unfit;
use crate::message::lengths::Allowed;

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
    /// The MAC that a message's MAC is compared with.
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

/// Why a session refuses an operation's arguments.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ArgumentError {
    /// An argument has a length that is not allowed.
    #[error("{argument} of {given} bytes: {algorithm} takes {allowed}")]
    Length {
        /// The argument.
        argument: Argument,
        /// Its length, in bytes.
        given: u64,
        /// The algorithm of the session.
        algorithm: Algorithm,
        /// The allowed lengths.
        allowed: Allowed,
    },
    /// An operation with a private or a public key does not fit it.
    #[error("{algorithm}: {reason}")]
    Key {
        /// The algorithm of the session.
        algorithm: Algorithm,
        /// What does not fit.
        reason: Unfit,
    },
    /// The session has no such operation.
    #[error("the operation does not fit the session")]
    Operation,
    /// The device has refused valid arguments: an injected fault.
    #[error("the device refused the arguments")]
    Refused,
}
