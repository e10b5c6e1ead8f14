//! Ways of learning that a paused job may go on. One file each, the same three functions in each.

mod callback;
mod poll;
mod wake_fd;

use simaccel::{Engine, WaitCtx};

use crate::args::Mode;
use crate::failure::Failure;

/// Who may go on.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Ready {
    /// Any job on the wait context with this index.
    Context(usize),
    /// The job on this slot.
    Slot(usize),
}

/// One way of being woken.
pub(crate) trait Wakes {
    /// Whether every wait context costs a file descriptor.
    fn needs_fds(&self) -> bool;

    /// A wait context is about to be used.
    fn attach(&mut self, index: usize, ctx: &WaitCtx);

    /// A job on the wait context has paused.
    fn paused(&mut self, index: usize, ctx: &WaitCtx) -> Result<(), Failure>;

    /// Sleeps until somebody may go on, and adds who to `ready`.
    fn wait(&mut self, ready: &mut Vec<Ready>) -> Result<(), Failure>;
}

/// The way of `mode`; `None` where there are no jobs.
pub(crate) fn wakes(mode: Mode, engine: &Engine) -> Result<Option<Box<dyn Wakes>>, Failure> {
    Ok(match mode {
        Mode::Software | Mode::Sync => None,
        Mode::WakeFd => Some(Box::new(wake_fd::WakeFd::new()?)),
        Mode::Callback => Some(Box::new(callback::Callback::new())),
        Mode::Poll => Some(Box::new(poll::Poll::new(engine.clone()))),
    })
}

/// A failure of the event loop's own calls.
fn event_loop(call: &str, error: impl std::fmt::Display) -> Failure {
    Failure::Run(format!("{call}: {error}"))
}
