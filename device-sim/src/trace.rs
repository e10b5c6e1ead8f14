//! Events for `tracing`, with the feature of that name: resets, deaths and faults. Without it nothing is
//! here.
//!
//! They are written where they happen, on a worker for most, so a subscriber's code runs there. A panic of it
//! ends there, too.

#[cfg(feature = "tracing")]
mod events {
    use std::mem;
    use std::panic::{AssertUnwindSafe, catch_unwind};

    /// Runs a subscriber's code.
    fn fenced(event: impl FnOnce()) {
        if let Err(payload) = catch_unwind(AssertUnwindSafe(event)) {
            // Dropping a foreign payload could panic again.
            mem::forget(payload);
        }
    }

    pub(crate) fn reset() {
        fenced(|| tracing::warn!(target: "simaccel::device", "reset"));
    }

    pub(crate) fn died() {
        fenced(|| tracing::error!(target: "simaccel::device", "dead: a worker has panicked"));
    }

    pub(crate) fn fault(kind: &'static str) {
        fenced(|| tracing::debug!(target: "simaccel::fault", kind, "injected"));
    }
}

#[cfg(not(feature = "tracing"))]
mod events {
    pub(crate) const fn reset() {}

    pub(crate) const fn died() {}

    #[inline(always)]
    pub(crate) const fn fault(_: &'static str) {}
}

pub(crate) use events::{died, fault, reset};
