//! The device's side of a cell: claimed, computed, finished. The picture is at the head of `cell.rs`.
#![expect(unsafe_code, reason = "the word beside the payload names its owner")]

use super::{
    Cell, Executing, SHORT, SPENT, Slab, Ticket, claim, generation_of, state_of, timing, with_status, word,
};
use crate::message::request::Request;
use crate::message::status::Status;
use crate::queue::note::note;
use crate::queue::ring::Note;
use crate::sync::Ordering;

impl Slab {
    /// The ticket that an entry of the submission ring stands for.
    #[inline]
    pub(crate) fn ticket(&self, index: u32, generation: u64) -> Ticket {
        Ticket::new(index, self.tag(), generation)
    }

    /// QUEUED to EXECUTING: the payload is the device's. `None`: it was revoked.
    pub(crate) fn claim(&self, ticket: Ticket) -> Option<Executing> {
        self.swap(ticket, claim::QUEUED, claim::EXECUTING)?;
        Some(Executing { ticket, slab: self.id() })
    }

    /// When a request was submitted, in nanoseconds; on a device that models time.
    #[inline]
    pub(crate) fn submitted(&self, ticket: Ticket) -> u64 {
        self.cell_at(ticket.index()).submitted.load(Ordering::Relaxed)
    }

    /// The same, if the request is timed; on a device that stamps requests.
    #[inline]
    pub(crate) fn timed(&self, ticket: Ticket) -> Option<u64> {
        let cell = self.cell_at(ticket.index());
        let is_timed = cell.timing.load(Ordering::Relaxed) != timing::UNTIMED;
        is_timed.then(|| cell.submitted.load(Ordering::Relaxed))
    }

    /// What the submitting side tells the device beside a request's entry, on a device that stamps requests.
    #[inline]
    pub(crate) fn note(&self, ticket: Ticket) -> Note {
        let cell = self.cell_at(ticket.index());
        let is_timed = cell.timing.load(Ordering::Relaxed) != timing::UNTIMED;
        note(cell.submitted.load(Ordering::Relaxed), is_timed, cell.text.load(Ordering::Relaxed))
    }

    /// Notes when the service of a timed request ended: beside its text, where there is room, because the
    /// host will read that anyway.
    #[inline]
    pub(crate) fn note_served(&self, claimed: &mut Executing, submitted: u64, ended: u64) {
        let after = ended.saturating_sub(submitted);
        if !self.execute(claimed, |request| request.note_served(after)) {
            self.note_served_late(claimed, ended);
        }
    }

    #[cold]
    fn note_served_late(&self, claimed: &Executing, ended: u64) {
        let cell = self.executing_cell(claimed);
        cell.served.store(ended, Ordering::Relaxed);
        cell.timing.store(timing::SERVED_LATE, Ordering::Relaxed);
    }

    /// Computes on the payload.
    #[inline]
    pub(crate) fn execute<R>(&self, claimed: &mut Executing, f: impl FnOnce(&mut Request) -> R) -> R {
        let cell = self.executing_cell(claimed);
        cell.payload.with_mut(|payload| {
            // SAFETY: the state is EXECUTING, and `claimed`, borrowed mutably, is the only key to it.
            f(unsafe { &mut *payload })
        })
    }

    /// EXECUTING to DONE: the payload belongs to the host, and the key is used up. A result that is
    /// incomplete is not taken as a plain one.
    #[inline]
    pub(crate) fn finish(&self, claimed: &mut Executing, status: Status, is_short: bool) -> Ticket {
        self.leave(claimed, if is_short { claim::DONE | SHORT } else { claim::DONE }, status)
    }

    /// EXECUTING to EXECUTED: computed, and not yet due. The host may revoke it, and the key is used up.
    #[inline]
    pub(crate) fn postpone(&self, claimed: &mut Executing, status: Status) -> Ticket {
        self.leave(claimed, claim::EXECUTED, status)
    }

    /// EXECUTED to EXECUTING, to be finished at once. `None`: it was revoked, and its slot is free already.
    pub(crate) fn resume(&self, ticket: Ticket) -> Option<(Executing, Status)> {
        let status = self.swap(ticket, claim::EXECUTED, claim::EXECUTING)?;
        Some((Executing { ticket, slab: self.id() }, status))
    }

    /// EXECUTING to HANDED: scheduled, and to be computed by another worker. The host may revoke it, and the
    /// key is used up.
    pub(crate) fn hand_over(&self, claimed: &mut Executing) -> Ticket {
        self.leave(claimed, claim::HANDED, Status::DeviceDead)
    }

    /// HANDED to EXECUTING. `None`: it was revoked, and its slot is free already; or the device has ended it.
    pub(crate) fn resume_handed(&self, ticket: Ticket) -> Option<Executing> {
        self.swap(ticket, claim::HANDED, claim::EXECUTING)?;
        Some(Executing { ticket, slab: self.id() })
    }

    /// Whether a request still waits for another worker.
    pub(crate) fn is_handed(&self, ticket: Ticket) -> bool {
        self.state_in(ticket) == Some(claim::HANDED)
    }

    /// Whether a scheduled request is not computed: it waits for another worker, or is being computed there.
    pub(crate) fn is_out(&self, ticket: Ticket) -> bool {
        matches!(self.state_in(ticket), Some(claim::HANDED | claim::EXECUTING))
    }

    /// Whether a scheduled request is still there, computed or not.
    pub(crate) fn is_scheduled(&self, ticket: Ticket) -> bool {
        matches!(self.state_in(ticket), Some(claim::HANDED | claim::EXECUTING | claim::EXECUTED))
    }

    /// `None`: the ticket is stale.
    fn state_in(&self, ticket: Ticket) -> Option<u64> {
        let claim = self.cell(ticket)?.claim.load(Ordering::Acquire);
        (generation_of(claim) == ticket.generation()).then_some(state_of(claim))
    }

    #[inline]
    fn leave(&self, claimed: &mut Executing, state: u64, status: Status) -> Ticket {
        let cell = self.executing_cell(claimed);
        claimed.slab = SPENT;
        let claim = with_status(word(claimed.ticket.generation(), state), status);
        cell.claim.store(claim, Ordering::Release);
        claimed.ticket
    }

    #[inline]
    fn executing_cell(&self, claimed: &Executing) -> &Cell {
        assert_eq!(claimed.slab, self.id(), "a request is finished in its own slab");
        self.cell_at(claimed.ticket.index())
    }
}
