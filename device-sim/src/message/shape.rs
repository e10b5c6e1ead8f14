//! What an operation gives. Its shape is the same for all algorithms, and says what faults can corrupt and
//! what has to be kept; its length is the algorithm's.

/// What a result is made of. [`OutputLen`] says how long it is.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum OutputShape {
    /// A text, in the place of the input or in the destination, of any length.
    Text,
    /// A text, and a tag where the algorithm has one.
    TextAndTag,
    /// No text: a tag, a MAC or a digest.
    Tag,
    /// No bytes: a value of a type that the caller chose.
    Value,
    /// No bytes: the status says all.
    Nothing,
}

impl OutputShape {
    /// Whether there is a text.
    pub const fn has_text(self) -> bool {
        matches!(self, Self::Text | Self::TextAndTag)
    }

    /// Whether there are bytes at all, which a fault can corrupt.
    pub const fn has_bytes(self) -> bool {
        self.has_text() || self.has_tag()
    }

    /// Whether there is, or may be, a tag, a MAC or a digest.
    pub const fn has_tag(self) -> bool {
        matches!(self, Self::TextAndTag | Self::Tag)
    }
}

/// The length of an operation's output. [`OutputShape`] says what it is made of, text or tag.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum OutputLen {
    /// A text as long as the message.
    Same,
    /// A text. Encrypting adds 1 to 16 bytes of padding (PKCS#7) up to whole blocks; decrypting removes as
    /// many.
    Padded,
    /// This many bytes for any message. As a tag, MAC or digest at most [`Tag::MAX`](crate::Tag::MAX), and
    /// the message is unchanged; a text may be longer.
    Fixed(usize),
    /// A text as long as the message, and a tag of this many bytes.
    Tagged(usize),
    /// A text of at most this many bytes; the number depends on the message.
    Variable(usize),
}
