//! A plain request of a future whose thread has a reaper: straight code, as `offload::plain` is for jobs.
//!
//! ```text
//!   submit ──► pending ── the reaper wakes ──► take ──► the result
//!     └─ anything else: the state machine      └─ not done, not well, another thread: the slow look
//! ```
//!
//! It knows no policy: an engine that has any takes the state machine, and so does a modelled device, which
//! computes in place before a request is due.

use std::marker::PhantomData;
use std::mem;
use std::sync::Arc;
use std::task::{Poll, Waker};

use simaccel_device::{Delivery, Plain, Request, Rest, Status, Ticket, TicketState};
use zeroize::Zeroize;

use super::instance::Instance;
use super::offload::{Failed, finished, plain};
use super::table::{self, Visit};
use super::{Inner, call, trace};
use crate::error::Error;

/// A request in flight. It is given up by [`Aloft::give_up`], and not by a drop.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Aloft {
    ticket: Ticket,
    /// Owner (32) | the pair's index (32). In one word, because it is copied as one directly after it was
    /// made: a load across two stores waits for both.
    of: u64,
}

/// A request that is aloft, and whether its place has its waker.
pub(crate) struct Lifted {
    pub(crate) aloft: Aloft,
    pub(crate) is_noted: bool,
}

/// How a cancelled request has ended; `None`: it was taken back.
pub(crate) type End = Option<Result<(), Failed>>;

/// Whether requests of this engine may go this way, if no more than that concerns them.
#[inline]
fn is_plain(engine: &Inner, iv: &[u8]) -> bool {
    // A span follows an operation through the state machine, and not here.
    if trace::is_on() {
        return false;
    }
    let by = engine.route.by();
    by.is_straight() && !by.keeps_input() && iv.len() <= plain::MOST_IV && !engine.is_inherited()
}

impl Aloft {
    /// Submits a request that no policy concerns, where this thread has a reaper.
    ///
    /// # Errors
    /// What was given: nothing has changed.
    #[cfg_attr(not(debug_assertions), inline(always))]
    pub(crate) fn submit<R: Rest>(
        engine: &Arc<Inner>,
        plain: Plain<'_, R>,
        waker: &Waker,
    ) -> Result<Lifted, (Vec<u8>, R)> {
        if !is_plain(engine, plain.iv) {
            return Err((plain.buffer, plain.rest));
        }
        table::visit(engine, Submit { plain, waker })
    }

    /// Notes the waker of a request whose place has another one. The waker is foreign code.
    #[cold]
    pub(crate) fn note(self, engine: &Arc<Inner>, waker: &Waker) {
        table::with(engine, |instance| instance.places().note(self.ticket, waker));
    }

    /// Takes the result of a successful request, on the thread that has submitted it. `None`: nothing has
    /// changed.
    #[cfg_attr(not(debug_assertions), inline(always))]
    pub(crate) fn take<R: Rest>(self, engine: &Arc<Inner>) -> Option<R::Taken> {
        if engine.is_inherited() {
            return None;
        }
        let (taken, is_left) = table::visit(engine, Take::<R>(self, PhantomData))?;
        if is_left {
            Self::reap_left(engine);
        }
        Some(taken)
    }

    /// Where no reaper comes, the thread that takes a result frees its slot, if it is the one that submits.
    #[cold]
    fn reap_left(engine: &Arc<Inner>) {
        let instance = table::of_thread(engine);
        if instance.group().is_some() && !instance.places().is_open() {
            instance.reap(engine);
        }
    }

    /// The slow look: it is not done, or not well, or this is another thread. The request then has its result
    /// in `request`, or its buffers.
    #[cold]
    pub(crate) fn look(
        self,
        engine: &Arc<Inner>,
        request: &mut Request,
        waker: &Waker,
    ) -> Poll<Result<(), Failed>> {
        if engine.is_inherited() {
            return Poll::Ready(Err(Failed::lost(Error::Forked)));
        }
        let remote = &engine.remotes[self.pair_index()];
        // Counted afterwards: where a waker panics here, the operation is given up as it waited.
        let counters = &table::of_thread(engine).counters;
        for is_armed in [false, true] {
            match remote.state(self.ticket) {
                TicketState::Done(_) => {
                    if let Some((done, status)) = remote.take(self.ticket) {
                        *request = done;
                        counters.pauses.add(1);
                        counters.resumes.add(1);
                        Self::reap_left(engine);
                        return Poll::Ready(Self::ended(request, status));
                    }
                }
                TicketState::Stale => {
                    counters.pauses.add(1);
                    counters.resumes.add(1);
                    return Poll::Ready(Err(Failed::lost(Error::Closed)));
                }
                TicketState::Parked | TicketState::InFlight if !is_armed => self.rearm(engine, waker),
                TicketState::Parked | TicketState::InFlight => {}
            }
        }
        counters.pauses.add(1);
        counters.resumes.add(1);
        counters.spurious_resumes.add(1);
        table::with(engine, Instance::flush);
        Poll::Pending
    }

    /// Makes this the waker of the request.
    fn rearm(self, engine: &Arc<Inner>, waker: &Waker) {
        let instance = table::of_thread(engine);
        match instance.group().filter(|group| group.owner() == self.owner() && group.is_open()) {
            Some(group) => {
                instance.places().note(self.ticket, waker);
                group.forget_moved(self.ticket);
            }
            None => match engine.pollers.group(self.owner()) {
                Some(group) => group.rearm(self.ticket, waker),
                // It has gone with its thread, which did not know of this request.
                None => waker.wake_by_ref(),
            },
        }
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
                mem::replace(&mut request.buffer, input).zeroize();
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
        self.forget_waker(engine);
        let (back, status) = call::end(engine, &engine.remotes[self.pair_index()], self.ticket)?;
        *request = back;
        let counters = &table::of_thread(engine).counters;
        counters.pauses.add(1);
        let Some(status) = status else {
            counters.abandoned.add(1);
            return Ok(None);
        };
        counters.resumes.add(1);
        Ok(Some(Self::ended(request, status)))
    }

    /// Nothing wakes a future that is over. (What its own thread has, another one cannot drop: that goes when
    /// the reaper sleeps.)
    fn forget_waker(self, engine: &Arc<Inner>) {
        let instance = table::of_thread(engine);
        if instance.group().is_some_and(|group| group.owner() == self.owner()) {
            instance.places().forget(self.ticket);
        }
        if let Some(group) = engine.pollers.group(self.owner()) {
            group.forget_moved(self.ticket);
        }
    }

    /// Takes it back, and wipes it.
    #[cold]
    pub(crate) fn give_up(self, engine: &Arc<Inner>) {
        if engine.is_inherited() {
            return;
        }
        self.forget_waker(engine);
        let counters = &table::of_thread(engine).counters;
        counters.pauses.add(1);
        counters.abandoned.add(1);
        if let Some(mut request) = call::take_back(engine, &engine.remotes[self.pair_index()], self.ticket) {
            request.wipe();
        }
    }

    #[inline]
    const fn pair_index(self) -> usize {
        (self.of & 0xffff_ffff) as usize
    }

    #[inline]
    const fn owner(self) -> u32 {
        (self.of >> 32) as u32
    }
}

struct Submit<'p, 'w, R> {
    plain: Plain<'p, R>,
    waker: &'w Waker,
}

impl<R: Rest> Visit for Submit<'_, '_, R> {
    type Output = Result<Lifted, (Vec<u8>, R)>;

    /// In a function of a call there is no instance.
    #[cfg_attr(not(debug_assertions), inline(always))]
    fn visit(self, instance: Option<&Instance>) -> Self::Output {
        let Self { plain, waker } = self;
        let found = instance.and_then(|instance| {
            let (places, owner) = instance.places_for_reaper()?;
            Some((instance, places, owner, instance.own_pair()?))
        });
        let Some((instance, places, owner, mut pair)) = found else {
            return Err((plain.buffer, plain.rest));
        };
        let ticket = match pair.submit_plain(plain, Delivery::Reap { owner }) {
            Ok(ticket) => ticket,
            Err((_, given)) => return Err(given),
        };
        instance.counters.operations.add(1);
        let is_noted = places.note_known(ticket, waker);
        let of = u64::from(owner) << 32 | instance.pair_index() as u64;
        Ok(Lifted { aloft: Aloft { ticket, of }, is_noted })
    }
}

struct Take<R>(Aloft, PhantomData<R>);

impl<R: Rest> Visit for Take<R> {
    /// And whether its completion is left in the ring, because no reaper comes.
    type Output = Option<(R::Taken, bool)>;

    #[cfg_attr(not(debug_assertions), inline(always))]
    fn visit(self, instance: Option<&Instance>) -> Self::Output {
        let instance = instance.filter(|instance| instance.pair_index() == self.0.pair_index())?;
        let taken = instance.own_pair()?.take_plain::<R>(self.0.ticket)?;
        instance.counters.pauses.add(1);
        instance.counters.resumes.add(1);
        Some((taken, !instance.places().is_open()))
    }
}
