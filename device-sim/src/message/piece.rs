//! Messages in pieces: which one a request carries, and what is kept between them.

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
    /// A piece of a multi-part message with more to come. [`Request::state`](crate::Request::state) is `None` on the first piece.
    Update,
    /// The last piece, which may be empty.
    Final,
}

/// What a kernel keeps between pieces. It wipes itself when it is dropped.
pub(crate) trait Stream: Any + Send + Sync {
    /// A copy, of which nothing else is left.
    fn copied(&self) -> Box<dyn Stream>;
}

/// The state of a multi-part message between its pieces: chaining value, counter, running hash, and the bytes
/// that wait for the rest of their block. It holds no key, and is wiped when it is dropped.
///
/// It belongs to the algorithm and the operation that began it; others refuse it with
/// [`Status::InvalidArgs`](crate::Status::InvalidArgs).
pub struct StreamState {
    algorithm: Algorithm,
    operation: Operation,
    // In a box of its own: what a smaller stream would not use of a place for the largest would be filled with what
    // happened to lie on the stack, plaintext too, and is wiped by nobody.
    stream: Box<dyn Stream>,
}

impl StreamState {
    pub(crate) fn new(algorithm: Algorithm, operation: Operation, stream: Box<dyn Stream>) -> Self {
        Self { algorithm, operation, stream }
    }

    /// The stream, if it is what this algorithm and operation have begun.
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
