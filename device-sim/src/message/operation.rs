//! What the device can do: the operations, with their names and numbers.

/// What to do. More operations will join (private-key operations among them).
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Operation {
    /// Encrypt [`Request::buffer`] (cipher and AEAD sessions; an AEAD leaves its tag in [`Request::tag`]).
    Encrypt,
    /// Decrypt [`Request::buffer`] (an AEAD compares against [`Request::tag`]).
    Decrypt,
    /// Hash [`Request::buffer`] into [`Request::tag`].
    Digest,
    /// Compute the HMAC of [`Request::buffer`] into [`Request::tag`].
    Mac,
}

impl Operation {
    /// All there are, in the order of [`Operation::number`].
    pub const ALL: [Self; 4] = [Self::Encrypt, Self::Decrypt, Self::Digest, Self::Mac];

    /// The operation's place in [`Operation::ALL`].
    pub const fn number(self) -> usize {
        match self {
            Self::Encrypt => 0,
            Self::Decrypt => 1,
            Self::Digest => 2,
            Self::Mac => 3,
        }
    }

    /// The name used in statistics, configuration and reports.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Encrypt => "encrypt",
            Self::Decrypt => "decrypt",
            Self::Digest => "digest",
            Self::Mac => "mac",
        }
    }
}
