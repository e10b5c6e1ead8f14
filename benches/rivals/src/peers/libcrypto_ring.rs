//! libcrypto's jobs, and results polled from a ring: no fds at all.

use std::hint::spin_loop;

use super::ring::{Shared, run};
use crate::harness::{Outcome, by_wall};
use crate::lanes::{Drive, Lanes};
use crate::libcrypto::{self, WaitCtx};
use crate::placement::Placement;

pub(crate) struct LibcryptoRing {
    contexts: Vec<WaitCtx>,
    placement: Placement,
}

impl LibcryptoRing {
    pub(crate) fn new(slots: usize, placement: Placement) -> Outcome<Self> {
        let contexts = (0..slots).map(|_| WaitCtx::new()).collect::<Outcome<_>>()?;
        Ok(Self { contexts, placement })
    }
}

fn body<'a>((shared, slot): (&'a Shared<'a>, usize)) {
    shared.submit(slot);
    libcrypto::pause();
}

impl Drive for LibcryptoRing {
    fn drive(&mut self, lanes: &mut Lanes, ops: u64) -> Outcome<f64> {
        run(&self.placement, &self.contexts, lanes, ops, body, None, |slots, from_worker| {
            by_wall(ops, || {
                slots.start_all()?;
                while slots.to_finish > 0 {
                    let chunk = from_worker.read_chunk(from_worker.slots())?;
                    if chunk.is_empty() {
                        spin_loop();
                    }
                    for work in chunk {
                        let slot = work.slot;
                        slots.complete(work);
                        slots.go_on(slot)?;
                    }
                }
                Ok(())
            })
        })
    }
}
