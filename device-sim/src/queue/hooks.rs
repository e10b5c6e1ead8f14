//! What a device may plug into a queue pair: the part of a fault plan that concerns submissions, and the
//! timing of requests.
//!
//! A queue pair without hooks inspects no request more than it needs to move it.

use std::fmt;

use crate::message::operation::Operation;
use crate::message::request::Request;
use crate::queue::ready::Times;

/// When a request was submitted, in nanoseconds, and whether it is timed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Stamp {
    pub(crate) submitted: u64,
    pub(crate) is_timed: bool,
}

/// When a timed request was submitted, and when its service ended, in nanoseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Served {
    pub(crate) submitted: u64,
    pub(crate) served: u64,
}

/// The side that takes a result.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Taker {
    /// The one that has the queue pair to itself.
    Submitter,
    /// Any thread.
    Other,
}

/// Called by both ends of a queue pair, from any thread.
pub(crate) trait Hooks: fmt::Debug + Send + Sync {
    /// Whether there is a rule that makes submissions find the ring full.
    fn may_be_busy(&self) -> bool;

    /// Whether this submission is to find the ring full, though it may not be. Asked once for each. `call` is
    /// the name of its call, if it has one.
    fn is_busy(&self, operation: Operation, call: Option<&str>, size: u64) -> bool;

    /// Called when that was the only reason for a refusal.
    fn note_busy(&self);

    /// Whether the device limits how many requests come in (`limit=busy`).
    fn limits(&self) -> bool;

    /// Lets a request of this many bytes in, which has waited since `at`: when, unless that is after `now`.
    /// It takes its tokens if `enter`, which is called then, returns `true`.
    fn let_in(&self, bytes: u64, at: u64, now: u64, enter: &mut dyn FnMut() -> bool) -> Option<u64>;

    /// When a request of this many bytes is let in. `None`: now.
    fn lets_in_at(&self, bytes: u64) -> Option<u64>;

    /// The time.
    fn now(&self) -> u64;

    /// The stamp of submission number `number`: the time of a request begins here.
    fn stamp(&self, number: u64) -> Stamp;

    /// The stamp of a submission that no rule can refuse, and whether the device limits how many come in.
    /// `None`: a rule may refuse it.
    fn stamp_unruled(&self, number: u64) -> Option<(Stamp, bool)> {
        (!self.may_be_busy()).then(|| (self.stamp(number), self.limits()))
    }

    /// Called when the device has served a timed request: `times.submitted` is present.
    fn note_service(&self, operation: Operation, times: Times);

    /// Called when the host takes a timed request that was served: its timing ends.
    fn note_taken(&self, request: &Request, served: Served, taker: Taker);
}
