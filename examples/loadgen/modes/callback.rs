//! By callback: each wait context's callback sends its slot to a channel, and the loop sleeps on the
//! channel.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;

use simaccel::WaitCtx;

use super::{Wakes, event_loop};
use crate::failure::Failure;

pub(super) struct Callback {
    pub(super) sender: Sender<usize>,
    woken: Receiver<usize>,
}

impl Callback {
    pub(super) fn new() -> Self {
        let (sender, woken) = channel();
        Self { sender, woken }
    }
}

impl Wakes for Callback {
    fn attach(&mut self, slot: usize, ctx: &WaitCtx) {
        let sender = self.sender.clone();
        ctx.set_callback(Some(Arc::new(move || {
            // When the run is over the receiver is gone, and no job waits for this wake.
            let _ = sender.send(slot);
        })));
    }

    fn paused(&mut self, _slot: usize, _ctx: Option<&WaitCtx>) -> Result<(), Failure> {
        Ok(())
    }

    fn wait(&mut self, ready: &mut Vec<usize>, most: Option<Duration>) -> Result<(), Failure> {
        let first = match most {
            None => Some(self.woken.recv().map_err(|error| event_loop("callback channel", error))?),
            Some(Duration::ZERO) => None,
            Some(most) => self.woken.recv_timeout(most).ok(),
        };
        ready.extend(first.into_iter().chain(self.woken.try_iter()));
        Ok(())
    }
}
