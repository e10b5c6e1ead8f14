//! Messages in pieces: which piece a request carries, and the state between pieces.

use std::any::Any;
use std::fmt;

use crate::message::algorithm::Algorithm;
use crate::message::operation::Operation;

/// Which piece of its message a request carries.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Part {
    /// The whole message in one request.
    #[default]
    Whole,
    /// A piece of a multi-part message with more to come. [`Request::state`](crate::Request::state) is `None`
    /// on the first piece.
    Update,
    /// The last piece, which may be empty.
    Final,
}

/// The state of a kernel between pieces. It wipes itself on drop.
pub(crate) trait Stream: Any + Send + Sync {
    /// A copy that leaves nothing else behind.
    fn copied(&self) -> Box<dyn Stream>;
}

/// The state of a multi-part message between its pieces: chaining value, counter, running hash, and the bytes
/// that wait for the rest of their block. It holds no key, and is wiped on drop.
///
/// It belongs to the algorithm and the operation that began it; others refuse it with
/// [`Status::InvalidArgs`](crate::Status::InvalidArgs).
pub struct StreamState {
    algorithm: Algorithm,
    operation: Operation,
    // In its own box: in a place for the largest stream, the part that a smaller one does not use would hold
    // whatever lay on the stack, plaintext too, and nothing would wipe it.
    stream: Box<dyn Stream>,
}

impl StreamState {
    pub(crate) fn new(algorithm: Algorithm, operation: Operation, stream: Box<dyn Stream>) -> Self {
        Self { algorithm, operation, stream }
    }

    /// The stream, if this algorithm and operation have begun it.
    pub(crate) fn stream<S: Stream>(&mut self, algorithm: Algorithm, operation: Operation) -> Option<&mut S> {
        let stream: &mut dyn Any = &mut *self.stream;
        let fits = self.algorithm == algorithm && self.operation == operation;
        if fits { stream.downcast_mut() } else { None }
    }
}

impl Clone for StreamState {
    fn clone(&self) -> Self {
        Self { stream: self.stream.copied(), ..*self }
    }
}

impl fmt::Debug for StreamState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "StreamState({} {})", self.algorithm, self.operation.name())
    }
}
