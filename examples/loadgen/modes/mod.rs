//! The ways in which a paused job, or an awaited operation, is woken. One file each, with the same functions.

mod callback;
mod futures;
mod poll;
mod stepped;
mod wake_fd;

use std::task::Waker;
use std::time::Duration;

use simaccel::{Engine, WaitCtx};

use crate::args::Mode;
use crate::failure::Failure;

/// One way of waking.
pub(crate) trait Wakes {
    /// Prepares the wait context of a slot.
    fn attach(&mut self, slot: usize, ctx: &WaitCtx);

    /// The waker of a slot, called for the slots in their order; `None`: jobs run there, not futures.
    fn waker(&mut self, _slot: usize) -> Option<Waker> {
        None
    }

    /// Called when what runs on a slot waits; a job has a context.
    fn paused(&mut self, slot: usize, ctx: Option<&WaitCtx>) -> Result<(), Failure>;

    /// Sleeps until something may go on, or at most for a time; adds the slots of those to `ready`.
    fn wait(&mut self, ready: &mut Vec<usize>, most: Option<Duration>) -> Result<(), Failure>;
}

/// The way of waking for `mode`; `None` where one is in flight at a time. A stepped device moves on in its
/// waits.
pub(crate) fn wakes(mode: Mode, engine: &Engine) -> Result<Option<Box<dyn Wakes>>, Failure> {
    let wakes: Box<dyn Wakes> = match mode {
        Mode::Software | Mode::Sync => return Ok(None),
        Mode::WakeFd => Box::new(wake_fd::WakeFd::new()?),
        Mode::Callback => Box::new(callback::Callback::new()),
        Mode::Futures => Box::new(futures::Futures::new()),
        Mode::Poll => Box::new(poll::Poll::new(engine.clone())),
    };
    let is_stepped = engine.device().is_stepped();
    Ok(Some(if is_stepped { Box::new(stepped::Stepped::new(wakes, engine.clone())) } else { wakes }))
}

/// A failure of the event loop's own calls.
fn event_loop(call: &str, error: impl std::fmt::Display) -> Failure {
    Failure::Run(format!("{call}: {error}"))
}
