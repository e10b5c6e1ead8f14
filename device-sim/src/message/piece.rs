//! Messages in pieces.

/// Which piece of its message a request carries.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Part {
    /// The whole message in one request.
    #[default]
    Whole,
    /// A piece of a multi-part message with more to come. [`Request::state`](crate::Request::state) is `None` on the first piece.
    Update,
    /// The last piece, which may be empty.
    Final,
}
