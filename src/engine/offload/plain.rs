//! The usual way, in a straight line: a whole message that is worked on in place, for a job whose thread polls, and that is
//! done when the job goes on.
//!
//! ```text
//!   submit ──► pause ──► take ──► the buffer
//!     │                   └─► not done, not well, not paused: the state machine goes on with it
//!     └──► anything else: the state machine, from its beginning
//! ```
//!
//! All policy is the state machine's. This does the same for requests that no policy concerns, without a [`Request`] (some
//! two hundred bytes that they have no use for) and without what else an operation may hold while it waits. A paused job's
//! frames are small so, too: those of many jobs do not fit into the nearest cache.

use device_sim::{Plain, SessionId};

use super::*;
use crate::error::OpError;
use crate::words;

/// A plain request in flight. Dropping it gives the request up.
struct Aloft<'e> {
    engine: &'e Arc<Inner>,
    pair_index: usize,
    ticket: Ticket,
}

/// Runs a request that is plain, on an engine that is; else hands the buffer back.
#[inline(always)] // see `run_inlined`
pub(crate) fn run(
    engine: &Arc<Inner>,
    session: SessionId,
    operation: Operation,
    iv: &[u8],
    buffer: Vec<u8>,
) -> Result<Result<Vec<u8>, OpError>, Vec<u8>> {
    if !engine.is_plain {
        return Err(buffer);
    }
    let Some(offer) = job::offer() else { return Err(buffer) };
    let user_data = offer.token();
    let aloft = submit(engine, Plain { session, operation, iv, buffer, user_data })?;
    let without_ctx = offer.take(&aloft);
    match aloft.take() {
        Some(buffer) => {
            mem::forget(aloft);
            Ok(Ok(buffer))
        }
        None => Ok(words::in_registers(aloft.go_on(operation, JobWait::paused(user_data, without_ctx)))),
    }
}

#[inline(always)]
fn submit<'e>(engine: &'e Arc<Inner>, plain: Plain<'_>) -> Result<Aloft<'e>, Vec<u8>> {
    table::with(engine, |instance| {
        let Some(instance) = instance else { return Err(plain.buffer) };
        let Some(owner) = instance.known_owner() else { return Err(plain.buffer) };
        let ticket = instance.with_own_pair(|pair| {
            let Some(pair) = pair else { return Err(plain.buffer) };
            pair.submit_plain(plain, owner).map_err(|(_, buffer)| buffer)
        })?;
        instance.counters.operations.add(1);
        instance.counters.pauses.add(1);
        Ok(Aloft { engine, pair_index: instance.pair_index(), ticket })
    })
}

impl<'e> Aloft<'e> {
    /// The buffer of a request that has gone well. `None`: nothing has changed.
    #[inline(always)]
    fn take(&self) -> Option<Vec<u8>> {
        if self.engine.is_foreign() {
            return None;
        }
        table::with(self.engine, |instance| {
            let instance = instance.filter(|instance| instance.pair_index() == self.pair_index)?;
            let (buffer, _) = instance.with_own_pair(|pair| pair?.take_buffer(self.ticket))?;
            instance.counters.resumes.add(1);
            Some(buffer)
        })
    }

    /// The pause is over, and the rest is the state machine's.
    #[cold]
    fn go_on(self, operation: Operation, mut wait: JobWait<true>) -> Result<Vec<u8>, OpError> {
        let flight = self.into_flight();
        let mut request = Request::new(SessionId::NONE, operation, Vec::new());
        let ended = match look(&flight, &mut wait, &mut request) {
            Look::Ended(ended) => ended,
            Look::Waits(instance) => wait_for(&flight, instance, wait, &mut request),
        };
        match ended {
            Ok(()) => Ok(request.buffer),
            Err(failed) => Err(OpError::new(failed.into_error(), request.buffer, None)),
        }
    }

    fn into_flight(self) -> Flight<'e> {
        let Self { engine, pair_index, ticket } = self;
        mem::forget(self);
        Flight::new(engine, pair_index, ticket, Held::default())
    }

    #[cold]
    fn give_up(&self) {
        drop(Flight::new(self.engine, self.pair_index, self.ticket, Held::default()));
    }
}

impl Release for Aloft<'_> {
    fn release(&self) {
        self.give_up();
    }
}

impl Drop for Aloft<'_> {
    fn drop(&mut self) {
        self.give_up();
    }
}
