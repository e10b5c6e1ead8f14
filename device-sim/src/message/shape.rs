//! What an operation gives, and what its work costs: all that the model and the engine have to know of it.

/// What a result is made of.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum OutputShape {
    /// A text, in the place of the input or in the destination. It has the length of the input, or differs from it by
    /// padding.
    Text,
    /// A text, and beside it a tag where the algorithm has one.
    TextAndTag,
    /// No text: a tag, a MAC or a digest.
    Tag,
}

impl OutputShape {
    /// Whether there is a text.
    pub const fn has_text(self) -> bool {
        matches!(self, Self::Text | Self::TextAndTag)
    }

    /// Whether there is, or may be, a tag, a MAC or a digest.
    pub const fn has_tag(self) -> bool {
        matches!(self, Self::TextAndTag | Self::Tag)
    }
}

/// What the time that the work takes depends on. Operations of one class are alike in that.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CostClass {
    /// Each byte is encrypted or decrypted.
    Cipher,
    /// Each byte is hashed.
    Hash,
}
