//! The ways in which a paused job is woken. One file each, with the same three functions.

mod callback;
mod poll;
mod stepped;
mod wake_fd;

use std::time::Duration;

use simaccel::{Engine, WaitCtx};

use crate::args::Mode;
use crate::failure::Failure;

/// Which job may go on.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Ready {
    /// Any job on the wait context with this index.
    Context(usize),
    /// The job on this slot.
    Slot(usize),
}

/// One way of waking jobs.
pub(crate) trait Wakes {
    /// Whether every wait context costs a file descriptor.
    fn needs_fds(&self) -> bool;

    /// Prepares a wait context that is about to be used.
    fn attach(&mut self, index: usize, ctx: &WaitCtx);

    /// Called when a job on the wait context has paused.
    fn paused(&mut self, index: usize, ctx: &WaitCtx) -> Result<(), Failure>;

    /// Sleeps until some job may go on, or at most for a time; adds what may go on to `ready`.
    fn wait(&mut self, ready: &mut Vec<Ready>, most: Option<Duration>) -> Result<(), Failure>;
}

/// The way of waking for `mode`; `None` where there are no jobs. A stepped device moves on in its waits.
pub(crate) fn wakes(mode: Mode, engine: &Engine) -> Result<Option<Box<dyn Wakes>>, Failure> {
    let wakes: Box<dyn Wakes> = match mode {
        Mode::Software | Mode::Sync => return Ok(None),
        Mode::WakeFd => Box::new(wake_fd::WakeFd::new()?),
        Mode::Callback => Box::new(callback::Callback::new()),
        Mode::Poll => Box::new(poll::Poll::new(engine.clone())),
    };
    let is_stepped = engine.device().is_stepped();
    Ok(Some(if is_stepped { Box::new(stepped::Stepped::new(wakes, engine.clone())) } else { wakes }))
}

/// A failure of the event loop's own calls.
fn event_loop(call: &str, error: impl std::fmt::Display) -> Failure {
    Failure::Run(format!("{call}: {error}"))
}
