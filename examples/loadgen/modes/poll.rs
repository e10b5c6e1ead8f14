//! By polling: the engine returns the tokens of jobs that may go on; its interrupt fd ends the sleep.

use simaccel::{Engine, WaitCtx, wait_readable};

use super::{Ready, Wakes, event_loop};
use crate::failure::Failure;

/// Tokens taken per poll.
const TOKENS: usize = 256;

pub(super) struct Poll {
    engine: Engine,
}

impl Poll {
    pub(super) fn new(engine: Engine) -> Self {
        Self { engine }
    }
}

impl Wakes for Poll {
    fn needs_fds(&self) -> bool {
        false
    }

    fn attach(&mut self, _index: usize, _ctx: &WaitCtx) {}

    fn paused(&mut self, _index: usize, _ctx: &WaitCtx) -> Result<(), Failure> {
        Ok(())
    }

    fn wait(&mut self, ready: &mut Vec<Ready>) -> Result<(), Failure> {
        loop {
            let slot = |token| usize::try_from(token).ok().map(Ready::Slot);
            let polled = self.engine.poll(TOKENS, |token| ready.extend(slot(token)));
            if polled.map_err(Failure::engine)? > 0 {
                return Ok(());
            }
            // Fewer than the maximum: the interrupt is armed, and nothing is missed between the two calls.
            let fd = self.engine.interrupt_fd().map_err(Failure::engine)?;
            wait_readable(&[fd]).map_err(|error| event_loop("poll", error))?;
        }
    }
}
