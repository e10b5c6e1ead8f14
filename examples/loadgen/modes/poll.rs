//! By polling: the engine returns the tokens of jobs that may go on; its interrupt fd ends the sleep.

use std::time::Duration;

use simaccel::{Engine, WaitCtx, wait_readable, wait_readable_timeout};

use super::{Wakes, event_loop};
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
    fn attach(&mut self, _slot: usize, _ctx: &WaitCtx) {}

    fn paused(&mut self, _slot: usize, _ctx: Option<&WaitCtx>) -> Result<(), Failure> {
        Ok(())
    }

    fn wait(&mut self, ready: &mut Vec<usize>, most: Option<Duration>) -> Result<(), Failure> {
        loop {
            let slot = |token| usize::try_from(token).ok();
            let polled = self.engine.poll(TOKENS, |token| ready.extend(slot(token)));
            let does_not_sleep = most.is_some_and(|most| most.is_zero());
            if polled.map_err(Failure::engine)? > 0 || does_not_sleep {
                return Ok(());
            }
            // Fewer than the maximum: the interrupt is armed, and nothing is missed between the two calls.
            let fd = self.engine.interrupt_fd().map_err(Failure::engine)?;
            let failed = |error| event_loop("poll", error);
            let Some(most) = most else {
                wait_readable(&[fd]).map_err(failed)?;
                continue;
            };
            if !wait_readable_timeout(&[fd], most).map_err(failed)? {
                return Ok(());
            }
        }
    }
}
