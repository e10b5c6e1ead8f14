//! Operations and engines for `tracing`, with the feature of that name. Without it nothing is here.
//!
//! ```text
//!   begin ──► Traced: the span ── submit ──► in its flight ── ends ──► end: outcome, error, retries, wait_ns
//!                ▲                               ├── taken back ──► cancelled
//!                └───────────── another try ─────┴── given up (a dropped job or future) ──► abandoned
//! ```
//!
//! The span of an operation is not entered while a job waits, because what is entered belongs to the
//! thread. A future's is entered in its polls, which do not pause. It lies where the request lies: a raw job
//! that is discarded runs no destructors, and its flight ends all the same. A subscriber is foreign code, and
//! runs outside of jobs, whose stacks are small; but for a job that is dropped, which nothing leaves.
//!
//! An operation that is traced goes through the state machine, and not the straight ways past it.

#[cfg(feature = "tracing")]
pub(crate) use spans::*;

#[cfg(not(feature = "tracing"))]
pub(crate) use nothing::*;

#[cfg(feature = "tracing")]
mod spans {
    use std::fmt::Display;
    use std::time::Duration;

    use simaccel_device::{Algorithm, Request};
    use tracing::field::{Empty, display};
    use tracing::span::EnteredSpan;
    use tracing::{Level, Span};

    use crate::engine::Inner;
    use crate::error::Error;

    /// Whether a subscriber takes operations: one load where there is none.
    #[inline(always)]
    pub(crate) fn is_on() -> bool {
        tracing::span_enabled!(target: "simaccel::operation", Level::TRACE)
    }

    /// The guard of an entered span.
    pub(crate) type Entered = Option<EnteredSpan>;

    /// The span of an operation, if it is traced.
    #[derive(Default)]
    pub(crate) struct Traced(Option<Box<Open>>);

    struct Open {
        span: Span,
        began: Duration,
        way: Option<&'static str>,
        outcome: &'static str,
    }

    impl Traced {
        pub(crate) const fn none() -> Self {
            Self(None)
        }

        pub(crate) fn begin(
            engine: &Inner,
            request: &Request,
            algorithm: impl FnOnce() -> Option<Algorithm>,
        ) -> Self {
            if !is_on() {
                return Self(None);
            }
            Self(Some(engine.outside(|| Box::new(Open::new(engine, request, algorithm())))))
        }

        /// Names the way in which the operation waits.
        pub(crate) fn waits_in(&mut self, way: &'static str) {
            if let Some(open) = &mut self.0 {
                open.way = Some(way);
            }
        }

        pub(crate) fn enter(&self) -> Entered {
            Some(self.0.as_ref()?.span.clone().entered())
        }

        pub(crate) fn retried(&self, engine: &Inner, error: &Error, retries: u32) {
            engine.outside(|| match self.0.as_deref() {
                Some(Open { span, .. }) => {
                    tracing::debug!(target: "simaccel::operation", parent: span, %error, retries, "retried");
                }
                None => tracing::debug!(target: "simaccel::operation", %error, retries, "retried"),
            });
        }

        pub(crate) fn falls_back(&self, engine: &Inner, error: &Error) {
            const WHAT: &str = "falls back to software";
            engine.outside(|| match self.0.as_deref() {
                Some(Open { span, .. }) => {
                    span.record("fell_back", true);
                    tracing::debug!(target: "simaccel::operation", parent: span, %error, "{WHAT}");
                }
                None => tracing::debug!(target: "simaccel::operation", %error, "{WHAT}"),
            });
        }

        /// The operation is over. `retries`: how often another try was made.
        pub(crate) fn end(&mut self, engine: &Inner, outcome: Result<(), &Error>, retries: u32) {
            if let Some(mut open) = self.0.take() {
                engine.outside(|| {
                    open.end(engine, outcome, retries);
                    drop(open);
                });
            }
        }

        /// Its request was taken back by its caller.
        pub(crate) fn cancelled(&mut self) {
            if let Some(mut open) = self.0.take() {
                open.outcome = "cancelled";
            }
        }
    }

    impl Open {
        fn new(engine: &Inner, request: &Request, algorithm: Option<Algorithm>) -> Self {
            let algorithm = algorithm.map(display);
            let call = request.call.as_ref().map(|call| call.name());
            let operation = call.unwrap_or_else(|| request.operation.name());
            let span = tracing::trace_span!(
                target: "simaccel::operation",
                "operation",
                algorithm,
                operation,
                bytes = request.size(),
                way = Empty,
                outcome = Empty,
                error = Empty,
                retries = Empty,
                fell_back = Empty,
                wait_ns = Empty,
            );
            Self { span, began: engine.device.now(), way: None, outcome: "abandoned" }
        }

        fn end(&mut self, engine: &Inner, outcome: Result<(), &Error>, retries: u32) {
            self.outcome = match outcome {
                Ok(()) => "ok",
                Err(error) => {
                    self.span.record("error", display(error));
                    "failed"
                }
            };
            let waited = engine.device.now().saturating_sub(self.began);
            self.span.record("retries", retries);
            self.span.record("wait_ns", u64::try_from(waited.as_nanos()).unwrap_or(u64::MAX));
        }
    }

    impl Drop for Open {
        fn drop(&mut self) {
            if let Some(way) = self.way {
                self.span.record("way", way);
            }
            self.span.record("outcome", self.outcome);
        }
    }

    pub(crate) fn opened(id: u64, config: &impl Display, stepped: bool) {
        tracing::debug!(target: "simaccel::engine", engine = id, %config, stepped, "opened");
    }

    pub(crate) fn closed(id: u64) {
        tracing::debug!(target: "simaccel::engine", engine = id, "closed");
    }

    pub(crate) fn changed(id: u64, change: &str) {
        tracing::debug!(target: "simaccel::engine", engine = id, change, "changed");
    }

    pub(crate) fn fault(engine: &Inner, kind: &'static str) {
        engine.outside(|| tracing::debug!(target: "simaccel::fault", kind, "injected"));
    }

    #[cfg(feature = "rustcrypto")]
    pub(crate) fn stood_in(operation: &'static str) {
        tracing::debug!(target: "simaccel::operation", operation, "software stands in");
    }
}

#[cfg(not(feature = "tracing"))]
mod nothing {
    use std::fmt::Display;

    use simaccel_device::{Algorithm, Request};

    use crate::engine::Inner;
    use crate::error::Error;

    #[inline(always)]
    pub(crate) const fn is_on() -> bool {
        false
    }

    pub(crate) struct Entered;

    #[derive(Default)]
    pub(crate) struct Traced;

    impl Traced {
        #[inline(always)]
        pub(crate) const fn none() -> Self {
            Self
        }

        #[inline(always)]
        pub(crate) fn begin(_: &Inner, _: &Request, _: impl FnOnce() -> Option<Algorithm>) -> Self {
            Self
        }

        #[inline(always)]
        pub(crate) const fn waits_in(&mut self, _: &'static str) {}

        #[inline(always)]
        pub(crate) const fn enter(&self) -> Entered {
            Entered
        }

        #[inline(always)]
        pub(crate) const fn retried(&self, _: &Inner, _: &Error, _: u32) {}

        #[inline(always)]
        pub(crate) const fn falls_back(&self, _: &Inner, _: &Error) {}

        #[inline(always)]
        pub(crate) const fn end(&mut self, _: &Inner, _: Result<(), &Error>, _: u32) {}

        #[inline(always)]
        pub(crate) const fn cancelled(&mut self) {}
    }

    #[inline(always)]
    pub(crate) fn opened(_: u64, _: &impl Display, _: bool) {}

    #[inline(always)]
    pub(crate) const fn closed(_: u64) {}

    #[inline(always)]
    pub(crate) const fn changed(_: u64, _: &str) {}

    #[inline(always)]
    pub(crate) const fn fault(_: &Inner, _: &'static str) {}

    #[cfg(feature = "rustcrypto")]
    #[inline(always)]
    pub(crate) const fn stood_in(_: &'static str) {}
}
