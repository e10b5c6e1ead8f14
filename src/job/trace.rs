//! Jobs for `tracing`, with the feature of that name: a span for each, and events where it is entered and
//! left. Without it nothing is here.
//!
//! ```text
//!                    thread's stack of entered spans            the job's record
//!   outside          outer                                      --
//!   resume: enter    outer, job, a, b                           --           a, b: what the job's code has entered
//!   pause:  leave    outer                                      job; a, b
//!   resume: enter    outer, job, a, b                           --
//! ```
//!
//! What is entered belongs to a thread, and its jobs take turns there. A guard of `Span::enter` that a job
//! holds while it is paused would make what it entered the parent of all that follows on the thread, and be
//! left in the middle of another job's. So a switch takes the job's entered spans along, those of its user's
//! guards included: exits them when it leaves, and enters them again when it goes on. They are found by
//! asking the subscriber which span is current, until that is the resumer's; a subscriber that does not know
//! (`Subscriber::current_span`) keeps them where they are.

#[cfg(feature = "tracing")]
pub(super) use spans::{Spans, is_on};

#[cfg(not(feature = "tracing"))]
pub(super) use nothing::{Spans, is_on};

/// How a job has left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Left {
    Paused,
    /// To run something outside, and go on at once.
    Outside,
    Returned,
    Panicked,
}

#[cfg(feature = "tracing")]
mod spans {
    use std::cell::Cell;
    use std::panic::{AssertUnwindSafe, catch_unwind};
    use std::{fmt, mem};

    use tracing::dispatcher::{self, Dispatch};
    use tracing::level_filters::LevelFilter;
    use tracing::span::{Id, Span};
    use tracing::subscriber::NoSubscriber;

    use super::Left;

    /// More are left where they are: a subscriber may not know what is current after an exit.
    const MOST: usize = 1_000;

    /// Whether there is a subscriber: one load.
    #[inline(always)]
    pub(in crate::job) fn is_on() -> bool {
        LevelFilter::current() != LevelFilter::OFF
    }

    /// The spans of a job.
    pub(in crate::job) struct Spans(Cell<Option<Box<OfJob>>>);

    struct OfJob {
        span: Span,
        dispatch: Dispatch,
        /// What the job has entered in its own span, in order; while it is out.
        entered: Vec<Id>,
        /// What was current where it was resumed.
        outer: Option<Id>,
        is_in: bool,
        unwinds: bool,
    }

    impl Spans {
        pub(in crate::job) const fn none() -> Self {
            Self(Cell::new(None))
        }

        /// Called before a switch into the job.
        #[cold]
        pub(in crate::job) fn enter(&self, token: u64, name: fn() -> &'static str, unwinds: bool) {
            fenced(|| {
                let known = self.0.take().filter(|this| this.is_of_use());
                let (mut this, is_new) = match known {
                    Some(this) => (this, false),
                    // The subscriber is one of other threads.
                    None if dispatcher::get_default(Dispatch::is::<NoSubscriber>) => return,
                    None => (Box::new(OfJob::new(token, name())), true),
                };
                if !this.is_in {
                    this.enter(is_new, unwinds);
                }
                self.0.set(Some(this));
            });
        }

        /// Called after the switch.
        #[cold]
        pub(in crate::job) fn leave(&self, left: Left) {
            // Without one, the subscriber came while the job ran.
            let Some(mut this) = self.0.take() else { return };
            if left == Left::Outside {
                return self.0.set(Some(this));
            }
            fenced(|| {
                this.leave();
                match left {
                    Left::Paused => {
                        tracing::trace!(target: "simaccel::job", parent: &this.span, "paused");
                        self.0.set(Some(this));
                    }
                    _ => this.end(if left == Left::Panicked { "panicked" } else { "returned" }),
                }
            });
        }

        /// The job has ended; one that was discarded has not left.
        #[inline]
        pub(in crate::job) fn end(&self) {
            if let Some(this) = self.0.take() {
                fenced(|| this.end("discarded"));
            }
        }
    }

    /// Runs a subscriber's code, in the middle of a switch, where nothing may unwind.
    fn fenced(spans: impl FnOnce()) {
        if let Err(payload) = catch_unwind(AssertUnwindSafe(spans)) {
            // Dropping a foreign payload could panic again.
            mem::forget(payload);
        }
    }

    impl OfJob {
        fn new(token: u64, name: &'static str) -> Self {
            let span = tracing::trace_span!(
                target: "simaccel::job", "job", token, name, outcome = tracing::field::Empty
            );
            let dispatch = dispatcher::get_default(Dispatch::clone);
            Self { span, dispatch, entered: Vec::new(), outer: None, is_in: false, unwinds: false }
        }

        /// Whether there is something to enter; otherwise the subscriber may be another one by now.
        fn is_of_use(&self) -> bool {
            !self.span.is_disabled() || !self.entered.is_empty() || self.is_in
        }

        fn enter(&mut self, is_new: bool, unwinds: bool) {
            self.unwinds |= unwinds;
            let what = if is_new {
                "started"
            } else if unwinds {
                "dropped"
            } else {
                "resumed"
            };
            tracing::trace!(target: "simaccel::job", parent: &self.span, "{what}");
            self.outer = self.current();
            if let Some(id) = self.span.id() {
                self.dispatch.enter(&id);
            }
            for id in self.entered.drain(..) {
                self.dispatch.enter(&id);
            }
            self.is_in = true;
        }

        fn leave(&mut self) {
            self.is_in = false;
            let own = self.span.id();
            while let Some(id) = self.current().filter(|id| Some(id) != self.outer.as_ref()) {
                self.dispatch.exit(&id);
                if own.as_ref() == Some(&id) {
                    break;
                }
                self.entered.push(id);
                if self.entered.len() == MOST {
                    break;
                }
            }
            self.entered.reverse();
        }

        fn current(&self) -> Option<Id> {
            self.dispatch.current_span().id().cloned()
        }

        fn end(&self, outcome: &'static str) {
            let outcome = if self.unwinds { "dropped" } else { outcome };
            self.span.record("outcome", outcome);
            tracing::trace!(target: "simaccel::job", parent: &self.span, outcome, "finished");
        }
    }

    impl fmt::Debug for Spans {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.debug_struct("Spans").finish_non_exhaustive()
        }
    }
}

#[cfg(not(feature = "tracing"))]
mod nothing {
    use super::Left;

    #[inline(always)]
    pub(in crate::job) const fn is_on() -> bool {
        false
    }

    #[derive(Debug)]
    pub(in crate::job) struct Spans;

    impl Spans {
        pub(in crate::job) const fn none() -> Self {
            Self
        }

        #[inline(always)]
        pub(in crate::job) const fn enter(&self, _: u64, _: fn() -> &'static str, _: bool) {}

        #[inline(always)]
        pub(in crate::job) const fn leave(&self, _: Left) {}

        #[inline(always)]
        pub(in crate::job) const fn end(&self) {}
    }
}
