//! What an operation gives, whatever the algorithm: what faults can corrupt, and what has to be kept.

/// What a result is made of. (How long it is, the [algorithm](crate::Shape) says.)
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
