//! How a submission's end is announced, and what is returned when it is refused.

use std::mem;
use std::task::Waker;

use crate::message::request::Request;
use crate::queue::cell::Arm;
use crate::queue::entry::Announce;

/// How the end of a request is announced.
#[derive(Clone, Debug)]
pub enum Delivery {
    /// Not at all: the caller asks [`Remote::state`](crate::Remote::state). The slot is free when the request
    /// is done.
    Silent,
    /// The waker is called once ([`Waker::wake`], which consumes it), after the request is done, on the
    /// thread that finishes it. The slot is free when the request is done. A device with a fault
    /// [`SpuriousWake`](crate::FaultKind::SpuriousWake) also calls it before that, by [`Waker::wake_by_ref`]
    /// on a clone. Cloning it must then neither wait for the request nor take it back, because each would
    /// wait for the other.
    Wake(Waker),
    /// A [`Completion`](crate::Completion) is left for [`QueuePair::reap`](crate::QueuePair::reap). The slot
    /// is free when it was reaped.
    Reap {
        /// Opaque; tells threads that share a pair whose completion it is.
        owner: u32,
    },
}

impl Delivery {
    #[inline]
    pub(super) const fn take(&mut self) -> Self {
        mem::replace(self, Self::Silent)
    }

    #[inline]
    pub(super) fn split(self) -> (Arm, Announce) {
        match self {
            Self::Silent => (Arm::Silent, Announce::Silent),
            Self::Wake(waker) => (Arm::Waker(waker), Announce::Wake),
            Self::Reap { owner } => (Arm::Reap, Announce::Reap { owner }),
        }
    }

    #[inline]
    pub(super) fn split_for_plain(self) -> (Arm, Announce) {
        match self {
            Self::Reap { owner } => (Arm::ReapPlain, Announce::Reap { owner }),
            other => other.split(),
        }
    }

    pub(super) fn join(announce: Announce, waker: Option<Waker>) -> Self {
        match (announce, waker) {
            (Announce::Reap { owner } | Announce::Again { owner }, _) => Self::Reap { owner },
            (_, Some(waker)) => Self::Wake(waker),
            _ => Self::Silent,
        }
    }
}

/// Why a submission was refused.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RefusedReason {
    /// No slot is free, or a request waits for one. Park the request, or try again after a completion.
    Full,
    /// The device is dead until it is reset.
    DeviceDead,
    /// The device was closed, or this process is a forked child of the one that opened it.
    Closed,
}

/// A submission that did not happen, with everything that was passed.
#[derive(Debug, thiserror::Error)]
#[error("the device took no request: {}", match .reason {
    RefusedReason::Full => "no slot is free",
    RefusedReason::DeviceDead => "it is dead until it is reset",
    RefusedReason::Closed => "it is closed",
})]
pub struct Refused {
    /// Why.
    pub reason: RefusedReason,
    /// As it was given.
    pub request: Request,
    /// As it was given.
    pub delivery: Delivery,
}
