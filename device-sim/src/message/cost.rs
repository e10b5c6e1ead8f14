//! Cost classes: what work is like, for a model of service times.

/// The cost class of an algorithm: requests of one class take about the same time for the same length, those
/// of another class do not. Data for a model of service times; the device's own model uses one service time
/// for all.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Cost {
    /// Grows with the text, by whole blocks.
    Cipher,
    /// Grows with text and additional data, and has the tag to compute.
    Aead,
    /// Grows with the message.
    Hash,
    /// Grows with the message, and hashes twice more for the key.
    Mac,
    /// Depends on the key and the operation, and hardly on the length.
    Key,
    /// Like none of the others.
    Other,
    /// A function of the user's own ([`Operation::Call`](crate::Operation::Call)): as long as that takes.
    Call,
}
