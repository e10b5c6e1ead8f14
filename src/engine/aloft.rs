//! A plain request of a future whose thread has a reaper: straight code, as `offload::plain` is for jobs.
//!
//! ```text
//!   submit ──► pending ── the reaper wakes ──► take ──► the result
//!     └─ anything else: the state machine      └─ not done, not well, another thread: the slow look
//! ```
//!
//! It knows no policy: an engine that has any takes the state machine, and so does a modelled device, which
//! computes in place before a request is due.

use std::sync::Arc;
use std::task::{Poll, Waker};

use simaccel_device::{Delivery, Plain, Request, Status, Tagged, TaggedText, Ticket, TicketState};
use zeroize::Zeroize;

use super::instance::Instance;
use super::offload::{Failed, finished, plain};
use super::table::{self, Visit};
use super::{Inner, call, function};
use crate::error::Error;

/// A request in flight. It is given up by [`Aloft::give_up`], and not by a drop.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Aloft {
    pair_index: usize,
    ticket: Ticket,
    owner: u32,
    /// Whether it has additional data, or a tag.
    is_tagged: bool,
}

/// How a cancelled request has ended; `None`: it was taken back.
pub(crate) type End = Option<Result<(), Failed>>;

impl Aloft {
    /// Submits a request that no policy concerns, where this thread has a reaper. `None`: nothing has
    /// changed.
    #[inline]
    pub(crate) fn submit(
        engine: &Arc<Inner>,
        request: &mut Request,
        gives_tag: bool,
        waker: &Waker,
    ) -> Option<Self> {
        let by = engine.route.by();
        let is_plain = by.is_straight()
            && request.destination.is_none()
            && !by.keeps_input()
            && request.iv().len() <= plain::MOST_IV;
        if !is_plain || engine.is_inherited() || function::runs_here() {
            return None;
        }
        table::visit(engine, Submit { request, gives_tag, waker })
    }

    /// Looks whether it is done. A request that is leaves its result in `request`, or its buffers.
    #[inline]
    pub(crate) fn poll(
        self,
        engine: &Arc<Inner>,
        request: &mut Request,
        waker: &Waker,
    ) -> Poll<Result<(), Failed>> {
        if !engine.is_inherited() && table::visit(engine, Take { aloft: self, request }) {
            return Poll::Ready(Ok(()));
        }
        self.look(engine, request, waker)
    }

    /// The slow look: it is not done, or not well, or this is another thread.
    #[cold]
    fn look(self, engine: &Arc<Inner>, request: &mut Request, waker: &Waker) -> Poll<Result<(), Failed>> {
        if engine.is_inherited() {
            return Poll::Ready(Err(Failed::lost(Error::Forked)));
        }
        let remote = &engine.remotes[self.pair_index];
        let counters = &table::of_thread(engine).counters;
        counters.resumes.add(1);
        for is_armed in [false, true] {
            match remote.state(self.ticket) {
                TicketState::Done(_) => {
                    if let Some((done, status)) = remote.take(self.ticket) {
                        *request = done;
                        return Poll::Ready(Self::ended(request, status));
                    }
                }
                TicketState::Stale => return Poll::Ready(Err(Failed::lost(Error::Closed))),
                TicketState::Parked | TicketState::InFlight if !is_armed => {
                    match engine.pollers.group(self.owner) {
                        Some(group) => group.rearm(self.ticket, waker),
                        // It ends with its engine alone, and that is here.
                        None => waker.wake_by_ref(),
                    }
                }
                TicketState::Parked | TicketState::InFlight => {}
            }
        }
        counters.pauses.add(1);
        counters.spurious_resumes.add(1);
        table::with(engine, Instance::flush);
        Poll::Pending
    }

    /// The end of a request, with its input where it has failed.
    #[cold]
    fn ended(request: &mut Request, status: Status) -> Result<(), Failed> {
        let outcome = finished(status, request);
        if let Err(failed) = &outcome {
            // Kept by the device where the result is incomplete.
            if *failed.error() != Error::AuthFailed
                && let Some(input) = request.take_input()
            {
                std::mem::replace(&mut request.buffer, input).zeroize();
            }
        }
        outcome
    }

    /// Takes its result, or takes it back with its input. Waits at most for one batch's computation.
    ///
    /// # Errors
    /// The request is out of reach.
    #[cold]
    pub(crate) fn cancel(self, engine: &Arc<Inner>, request: &mut Request) -> Result<End, Error> {
        if engine.is_inherited() {
            return Err(Error::Forked);
        }
        let (back, status) = call::end(engine, &engine.remotes[self.pair_index], self.ticket)?;
        *request = back;
        let counters = &table::of_thread(engine).counters;
        let Some(status) = status else {
            counters.abandoned.add(1);
            return Ok(None);
        };
        counters.resumes.add(1);
        Ok(Some(Self::ended(request, status)))
    }

    /// Takes it back, and wipes it.
    #[cold]
    pub(crate) fn give_up(self, engine: &Arc<Inner>) {
        if engine.is_inherited() {
            return;
        }
        table::of_thread(engine).counters.abandoned.add(1);
        if let Some(mut request) = call::take_back(engine, &engine.remotes[self.pair_index], self.ticket) {
            request.wipe();
        }
    }
}

struct Submit<'r, 'w> {
    request: &'r mut Request,
    gives_tag: bool,
    waker: &'w Waker,
}

impl Visit for Submit<'_, '_> {
    type Output = Option<Aloft>;

    #[inline]
    fn visit(self, instance: Option<&Instance>) -> Option<Aloft> {
        let instance = instance?;
        let group = instance.group().filter(|group| group.is_open())?;
        let mut pair = instance.own_pair()?;
        let (request, owner) = (self.request, group.owner());
        let buffer = std::mem::take(&mut request.buffer);
        let (session, operation) = (request.session, request.operation);
        let is_tagged = self.gives_tag || request.aad.capacity() > 0 || !request.tag.as_bytes().is_empty();
        let delivery = Delivery::Reap { owner };
        let submitted = if is_tagged {
            let (aad, tag) = (std::mem::take(&mut request.aad), request.tag);
            let rest = Tagged { aad, tag: (!tag.as_bytes().is_empty()).then_some(&tag) };
            let plain = Plain { session, operation, iv: request.iv(), buffer, user_data: 0, rest };
            pair.submit_plain(plain, delivery).map_err(|(_, (buffer, rest))| (buffer, Some(rest.aad)))
        } else {
            let plain = Plain { session, operation, iv: request.iv(), buffer, user_data: 0, rest: () };
            pair.submit_plain(plain, delivery).map_err(|(_, (buffer, ()))| (buffer, None))
        };
        drop(pair);
        let ticket = match submitted {
            Ok(ticket) => ticket,
            Err((buffer, aad)) => {
                request.buffer = buffer;
                if let Some(aad) = aad {
                    request.aad = aad;
                }
                return None;
            }
        };
        instance.counters.operations.add(1);
        instance.counters.pauses.add(1);
        group.insert(ticket, self.waker);
        Some(Aloft { pair_index: instance.pair_index(), ticket, owner, is_tagged })
    }
}

/// Takes the result of a successful request.
struct Take<'r> {
    aloft: Aloft,
    request: &'r mut Request,
}

impl Visit for Take<'_> {
    type Output = bool;

    #[inline]
    fn visit(self, instance: Option<&Instance>) -> bool {
        let Self { aloft, request } = self;
        let Some(instance) = instance.filter(|instance| instance.pair_index() == aloft.pair_index) else {
            return false;
        };
        let Some(mut pair) = instance.own_pair() else { return false };
        if aloft.is_tagged {
            let Some(TaggedText { buffer, tag, aad }) = pair.take_plain::<Tagged<'_>>(aloft.ticket) else {
                return false;
            };
            (request.buffer, request.tag, request.aad) = (buffer, tag, aad);
        } else {
            let Some(buffer) = pair.take_plain::<()>(aloft.ticket) else { return false };
            request.buffer = buffer;
        }
        instance.counters.resumes.add(1);
        true
    }
}
