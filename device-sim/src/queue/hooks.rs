//! What a device may plug into a queue pair: the part of a fault plan that submissions meet, and the timing of requests.
//!
//! A queue pair without hooks looks at no request more closely than it needs to be moved.

use std::fmt;

use crate::message::operation::Operation;
use crate::message::request::Request;
use crate::queue::ready::Times;

/// Called by both ends of a queue pair, from any thread.
pub(crate) trait Hooks: fmt::Debug + Send + Sync {
    /// Whether this submission is told that the ring is full. `call` is the name of its call, if it has one.
    fn is_busy(&self, operation: Operation, call: Option<&str>, size: u64) -> bool;

    /// Begins to time submission number `number`, if it is to be timed.
    fn stamp(&self, request: &mut Request, number: u64);

    /// The device has served a request that is timed: `times.submitted` is there.
    fn note_service(&self, operation: Operation, times: Times);

    /// The host takes a request that is done: its timing ends.
    fn note_taken(&self, request: &mut Request);

    /// Whether a request may end with [`Status::Ok`](crate::Status::Ok) and a result that is not all there.
    fn may_fall_short(&self) -> bool;
}
