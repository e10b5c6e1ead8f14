//! Waits by pausing a job that has a wait context: ours ([`OurJobs`](super::job::OurJobs)), or those of
//! another framework ([`ForeignJobs`](super::foreign::ForeignJobs)).
//!
//! ```text
//!   arm ──► the context has a callback ──► Announcement::Callback
//!       ──► it has none ─────────────────► Announcement::WakeFd, registered once for each engine and context
//!       ──► delivery=poll ───────────────► Announcement::Reaping: the completion ring
//!       ──► no job that could pause ─────► Announcement::Thread: blocked from here on
//! ```

use std::mem;
use std::rc::Rc;
use std::sync::Arc;
use std::task::Waker;
use std::thread;

use simaccel_device::{Delivery, WakeState};

use super::blocked::{self, ThreadWake};
use super::job::{CallbackWaker, Release};
use super::{Armed, Pause, Submission, Waiter, Wake};
use crate::engine::fault::FaultKind;
use crate::engine::instance::Instance;
use crate::engine::offload::{Flight, Hold, Queued};
use crate::engine::sabotage::{self, Sabotage};
use crate::engine::wake_fd::{Registration, WaitFds};
use crate::engine::{Inner, table};
use crate::error::{Error, OsError};

/// Jobs with wait contexts, as a waiter sees them; all functions are about the running job.
pub(crate) trait Jobs {
    /// What makes the status of a context follow a request that has queued for a slot.
    type Following: Following;

    /// The job's number, if there is a job that can pause and has a context. Sets the status of a submitted
    /// request; where a callback is set and `calls_back` is false, the status says that callbacks are not
    /// supported.
    fn offer(&self, calls_back: bool) -> Option<u64>;

    /// Passes the context of the job, if it has one.
    fn with_fds<R>(&self, body: impl FnOnce(&dyn WaitFds) -> R) -> Option<R>;

    /// A waker for one request that calls the callback of the context, if one is set.
    fn callback(&self) -> Option<Arc<CallbackWaker>>;

    fn has_callback(&self) -> bool;

    fn refused(&self);

    /// Whether an operation waits in its thread where its fd cannot be made.
    fn blocks_without_fd(&self) -> bool {
        false
    }

    fn follow(&self, queued: Queued) -> Option<Self::Following>;

    /// Pauses the job until it is resumed. `release` is for a job that is discarded, and whose frames are not
    /// dropped.
    fn pause(&self, release: &dyn Release) -> Paused;
}

/// See [`Jobs::Following`]. Dropping it freezes the status.
pub(crate) trait Following {
    /// Called when the job was resumed.
    fn update(&self);

    /// Called when the request was taken. `late`: from the watchdog.
    fn finish(self, late: bool);
}

/// The outcome of a pause.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Paused {
    /// The job has paused, and was resumed.
    Resumed,
    /// The same, and it has no wait context any more.
    WithoutCtx,
    /// Either the job has paused and was resumed, or it cannot pause at this moment: the framework does not
    /// tell.
    Perhaps,
    /// The job cannot pause at this moment.
    Refused,
}

/// How many fruitless pauses in a row, each of which may have been none, count as none.
const DOUBTFUL_PAUSES: u32 = 16;

/// How often a waiter yields the processor for a token that is being written, before it goes on without the
/// token.
const PATIENCE: u32 = 16;

/// Waits by pausing the current job; in the thread, if there is no job or it cannot pause.
#[derive(Debug)]
pub(crate) struct CtxWait<J> {
    jobs: J,
    /// Whether the job's thread polls the completion ring, and no fd is written.
    polled: bool,
    /// The user data for a job that was offered already.
    offered: Option<u64>,
    /// Whether the context was freed, or pausing became impossible: wait in the thread from here on.
    blocked: bool,
    /// Whether the job has paused for this request, and was resumed.
    has_paused: bool,
    /// Tokens that were read from the wake fd since the last resume, and are not yet assigned to a request.
    in_hand: u64,
    /// Pauses that may have been none, since the last certain one.
    doubtful: u32,
}

/// What announces the end of a request in the job's context.
pub(crate) struct CtxWake<F> {
    announcement: Announcement,
    /// Present while the status of the job's context follows the request.
    status: Option<Box<F>>,
}

impl<F> Default for CtxWake<F> {
    fn default() -> Self {
        Self { announcement: Announcement::Reaping, status: None }
    }
}

#[derive(Default)]
enum Announcement {
    /// Reaping does.
    #[default]
    Reaping,
    WakeFd(Rc<Registration>),
    Callback(Arc<CallbackWaker>),
    Thread,
}

impl<J: Jobs> CtxWait<J> {
    /// A wait of the running job, which was [offered](Jobs::offer), with this number for its completions.
    pub(crate) const fn new(jobs: J, polled: bool, user_data: u64) -> Self {
        Self {
            jobs,
            polled,
            offered: Some(user_data),
            blocked: false,
            has_paused: false,
            in_hand: 0,
            doubtful: 0,
        }
    }

    /// A wait of a job that has paused for this flight already and was resumed, with the tokens read since
    /// then.
    pub(crate) fn resumed<E: Hold>(
        jobs: J,
        flight: &Flight<E, CtxWake<J::Following>>,
        paused: Paused,
        in_hand: u64,
    ) -> Self {
        let polled = flight.engine().polled;
        let mut wait = Self { has_paused: true, in_hand, ..Self::new(jobs, polled, 0) };
        wait.goes_on(flight, paused);
        wait
    }

    /// Handles the end of a pause.
    fn goes_on<E: Hold>(&mut self, flight: &Flight<E, CtxWake<J::Following>>, paused: Paused) {
        let engine = flight.engine();
        if engine.is_inherited() {
            return;
        }
        table::with(engine, |instance| instance.counters.resumes.add(1));
        flight.update_status();
        let is_over = match paused {
            Paused::Resumed => false,
            Paused::WithoutCtx => !self.polled,
            Paused::Perhaps => {
                self.doubtful += 1;
                self.doubtful > DOUBTFUL_PAUSES
            }
            Paused::Refused => true,
        };
        if is_over {
            self.block_from_here(flight);
        }
    }

    /// No wake could be sent to the job any more: moves the wake to this thread, and waits for it. A wake
    /// that was sent, or cannot be moved, stays where it is and is taken from there.
    #[cold]
    fn block_from_here<E: Hold>(&mut self, flight: &Flight<E, CtxWake<J::Following>>) {
        self.blocked = true;
        if self.polled || blocked::redirect(flight) {
            flight.announce_by(Announcement::Thread);
        }
    }

    /// Arms what is to announce the end, in a job that can pause or in the thread.
    #[inline]
    fn announce(
        &mut self,
        engine: &Arc<Inner>,
        instance: &Instance,
        is_offered: bool,
    ) -> Result<(Announcement, Delivery), Error> {
        // Where the thread is ending no poll would announce the end.
        if is_offered && self.polled && !instance.is_temporary() {
            return owner(engine, instance).map(|owner| (Announcement::Reaping, Delivery::Reap { owner }));
        }
        if is_offered
            && !self.polled
            && let Some(armed) = self.arm_context(engine).transpose()
            && !(matches!(armed, Err(Error::WakeFd(_))) && self.jobs.blocks_without_fd())
        {
            return armed;
        }
        self.arm_thread(engine, instance)
    }

    /// Arms what the context of the job has: its callback if one is set, the wake fd otherwise.
    fn arm_context(&self, engine: &Arc<Inner>) -> Result<Option<(Announcement, Delivery)>, Error> {
        if let Some(callback) = self.jobs.callback() {
            let waker = Waker::from(Arc::clone(&callback));
            return Ok(Some((Announcement::Callback(callback), Delivery::Wake(waker))));
        }
        self.jobs.with_fds(|fds| registration(engine, fds)).transpose().map(|found| {
            found.map(|registration| {
                let waker = registration.waker();
                (Announcement::WakeFd(registration), Delivery::Wake(waker))
            })
        })
    }

    fn arm_thread(
        &mut self,
        engine: &Arc<Inner>,
        instance: &Instance,
    ) -> Result<(Announcement, Delivery), Error> {
        self.blocked = true;
        Ok((Announcement::Thread, blocked::arm(engine, instance)?))
    }

    /// The callback was removed from a request that has nothing else: gives it the wake fd. Returns `true`
    /// when it is too late, because the wake was sent or is being sent. If no fd can be created, the next
    /// resume tries again.
    #[cold]
    fn go_over_to_wake_fd<E: Hold>(&self, flight: &Flight<E, CtxWake<J::Following>>) -> bool {
        if self.jobs.has_callback() {
            return false;
        }
        let Some(Ok(registration)) = self.jobs.with_fds(|fds| registration(flight.engine(), fds)) else {
            return false;
        };
        if !flight.replace_waker(registration.waker()) {
            return true;
        }
        flight.announce_by(Announcement::WakeFd(registration));
        false
    }

    /// A pause ended and the request was not done. Returns whether it may be by now, so that a new look is
    /// worth it.
    fn is_to_look_again<E: Hold>(&mut self, flight: &Flight<E, CtxWake<J::Following>>) -> bool {
        if flight.has_callback() && self.go_over_to_wake_fd(flight) {
            return true;
        }
        if self.in_hand == 0 && self.has_wake_tokens(flight) {
            // It may be this request's token, sent a moment ago.
            return true;
        }
        flight.give_back(mem::take(&mut self.in_hand));
        table::with(flight.engine(), |instance| {
            instance.counters.spurious_resumes.add(1);
            // An application that resumes in a loop inside a poll waits for completions of held-back
            // requests.
            instance.flush();
        });
        false
    }

    #[inline(never)]
    fn take_unsent_wake<E: Hold>(&mut self, flight: &Flight<E, CtxWake<J::Following>>) -> bool {
        match flight.wake_state() {
            // Resumed before its wake: by chance, or by a spurious one.
            WakeState::Armed if flight.cancel_wake() => {
                flight.give_back(mem::take(&mut self.in_hand));
                flight.read_spurious();
                true
            }
            WakeState::Armed | WakeState::Sent => self.take_wake(flight),
            WakeState::Sending if flight.has_wake_fd() => self.take_wake_of_sender(flight),
            WakeState::Sending => {
                flight.await_callback();
                true
            }
            WakeState::Cancelled | WakeState::Idle | WakeState::Stale => {
                flight.give_back(mem::take(&mut self.in_hand));
                true
            }
        }
    }

    /// The sender is in its write. If the token can be read, the waiter does not wait for the sender. On a
    /// shared fd the token may be another request's, which would then wait for this one; so the sender is
    /// given time to return. Returns `false` when the fd will be readable once more, or still is.
    fn take_wake_of_sender<E: Hold>(&mut self, flight: &Flight<E, CtxWake<J::Following>>) -> bool {
        for _ in 0..PATIENCE {
            if !flight.shares_wake_fd() && self.has_wake_tokens(flight) {
                flight.take_own(mem::take(&mut self.in_hand));
                return true;
            }
            thread::yield_now();
            if flight.wake_state() != WakeState::Sending {
                return self.take_wake(flight);
            }
        }
        false
    }

    /// Whether there are tokens in hand or on the fd; reads those on the fd.
    fn has_wake_tokens<E: Hold>(&mut self, flight: &Flight<E, CtxWake<J::Following>>) -> bool {
        if self.in_hand == 0 {
            self.in_hand = flight.read_wake_tokens();
        }
        self.in_hand > 0
    }
}

impl<J: Jobs> Waiter for CtxWait<J> {
    type Wake = CtxWake<J::Following>;

    fn arm(&mut self, engine: &Arc<Inner>, instance: &Instance) -> Result<Armed<Self::Wake>, Error> {
        let offered = self.offered.take().or_else(|| self.jobs.offer(!self.polled));
        (self.blocked, self.has_paused, self.doubtful) = (false, false, 0);
        self.announce(engine, instance, offered.is_some()).map(|(announcement, delivery)| {
            let wake = CtxWake { announcement, status: None };
            Armed { wake, delivery, user_data: offered.unwrap_or(0) }
        })
    }

    #[inline]
    fn take_wake<E: Hold>(&mut self, flight: &Flight<E, Self::Wake>) -> bool {
        if self.blocked && flight.is_for_thread() {
            return blocked::take_wake(flight);
        }
        if self.polled {
            // No other side announces it that would have to be waited for.
            return true;
        }
        // Nearly always.
        if flight.wake_state() == WakeState::Sent {
            flight.take_own(mem::take(&mut self.in_hand));
            return true;
        }
        self.take_unsent_wake(flight)
    }

    #[cold]
    fn set_status<E: Hold>(&mut self, status: Submission<'_, E, Self::Wake>) {
        match status {
            Submission::Refused => self.jobs.refused(),
            // A callback that is set and will not be called decides the status, which then does not follow
            // the request.
            Submission::Queued(_) if self.polled && self.jobs.has_callback() => {}
            Submission::Queued(flight) => {
                let followed = self.jobs.follow(flight.queued()).map(Box::new);
                flight.with_wake(|wake| wake.status = followed);
            }
        }
    }
}

impl<J: Jobs> Pause for CtxWait<J> {
    #[cfg_attr(not(debug_assertions), inline(always))]
    fn pause<E: Hold>(&mut self, flight: &Flight<E, Self::Wake>) -> bool {
        if self.blocked {
            return blocked::pause(flight);
        }
        if mem::replace(&mut self.has_paused, true) && self.is_to_look_again(flight) {
            return true;
        }
        table::with(flight.engine(), |instance| instance.counters.pauses.add(1));
        let paused = self.jobs.pause(flight);
        if !self.polled {
            flight.prefetch();
        }
        self.goes_on(flight, paused);
        true
    }
}

impl<F: Following> Wake for CtxWake<F> {
    fn ended(self, engine: &Arc<Inner>, late: bool) {
        if let Some(status) = self.status {
            status.finish(late);
        }
        match self.announcement {
            // A spurious wake may be calling it, or be about to.
            Announcement::Callback(callback) => callback.retire(),
            Announcement::Thread => ThreadWake.ended(engine, late),
            Announcement::Reaping | Announcement::WakeFd(_) => {}
        }
    }

    fn give_up(self, state: &dyn Fn() -> WakeState) {
        // The status stays as it was before the request.
        drop(self.status);
        match self.announcement {
            Announcement::Callback(callback) => callback.retire(),
            Announcement::WakeFd(wake_fd) => {
                take_unread_token(&wake_fd, state);
                // A spurious wake is not left to the next operation either.
                wake_fd.read_spurious();
            }
            Announcement::Reaping | Announcement::Thread => {}
        }
    }
}

/// Takes the token of a request that is given up, if one was sent, so that none is left to the next request.
/// A token that is being written arrives, however long its writer is preempted.
#[cold]
fn take_unread_token(wake_fd: &Rc<Registration>, state: &dyn Fn() -> WakeState) {
    let mut turns = 0;
    while state() == WakeState::Sending {
        if !wake_fd.is_shared() {
            let in_hand = wake_fd.read();
            if in_hand > 0 {
                return wake_fd.take_own(in_hand);
            }
        }
        turns += 1;
        if turns < PATIENCE { thread::yield_now() } else { wake_fd.nap() }
    }
    if state() == WakeState::Sent && !sabotage::is(Sabotage::StaleWake) {
        wake_fd.take_own(0);
    }
}

/// What a job's waiter does with the wake of its flight.
impl<E: Hold, F: Following> Flight<E, CtxWake<F>> {
    fn is_for_thread(&self) -> bool {
        self.with_wake(|wake| matches!(wake.announcement, Announcement::Thread))
    }

    fn has_callback(&self) -> bool {
        self.with_wake(|wake| matches!(wake.announcement, Announcement::Callback(_)))
    }

    /// Waits until the callback, whose wake is being sent, has returned.
    fn await_callback(&self) {
        let callback = self.with_wake(|wake| match &wake.announcement {
            Announcement::Callback(callback) => Some(Arc::clone(callback)),
            _ => None,
        });
        if let Some(callback) = callback {
            callback.await_sent();
        }
    }

    /// Another framework's code may run here, so the flight lends nothing meanwhile.
    fn update_status(&self) {
        if let Some(status) = self.with_wake(|wake| wake.status.take()) {
            status.update();
            self.with_wake(|wake| wake.status = Some(status));
        }
    }

    /// Replaces what announces the end.
    fn announce_by(&self, announcement: Announcement) {
        let before = self.with_wake(|wake| mem::replace(&mut wake.announcement, announcement));
        if let Announcement::Callback(callback) = before {
            callback.retire();
        }
    }

    #[inline]
    fn with_wake_fd<R>(&self, body: impl FnOnce(&Rc<Registration>) -> R) -> Option<R> {
        self.with_wake(|wake| match &wake.announcement {
            Announcement::WakeFd(wake_fd) => Some(body(wake_fd)),
            _ => None,
        })
    }

    fn has_wake_fd(&self) -> bool {
        self.with_wake_fd(|_| ()).is_some()
    }

    /// Whether other requests may have tokens on this request's wake fd.
    fn shares_wake_fd(&self) -> bool {
        self.with_wake_fd(Registration::is_shared).unwrap_or(false)
    }

    /// Reads the tokens on the wake fd, if there is one. The caller finds out which requests they belong to.
    fn read_wake_tokens(&self) -> u64 {
        self.with_wake_fd(|wake_fd| wake_fd.read()).unwrap_or(0)
    }

    /// Takes this request's token, which was sent, from those in hand.
    #[inline]
    fn take_own(&self, in_hand: u64) {
        self.with_wake_fd(|wake_fd| wake_fd.take_own(in_hand));
    }

    /// Leaves the tokens in hand to the requests that they belong to.
    fn give_back(&self, in_hand: u64) {
        self.with_wake_fd(|wake_fd| wake_fd.give_back(in_hand));
    }

    fn read_spurious(&self) {
        self.with_wake_fd(Registration::read_spurious);
    }
}

/// Takes a flight back from a raw job that is discarded, because its frames are never dropped.
impl<E: Hold, F: Following> Release for Flight<E, CtxWake<F>> {
    fn release(&self) {
        self.give_up();
    }
}

/// This thread's number. The first look for one is deep.
fn owner(engine: &Inner, instance: &Instance) -> Result<u32, Error> {
    match instance.known_owner() {
        Some(owner) => Ok(owner),
        None => engine.outside(|| instance.owner(engine)),
    }
}

fn registration(engine: &Arc<Inner>, fds: &dyn WaitFds) -> Result<Rc<Registration>, Error> {
    match Registration::find(fds, engine.wait_key()) {
        Some(registration) => Ok(registration),
        // Once for a context, and deep.
        None => engine.outside(|| register(engine, fds)),
    }
}

#[cold]
fn register(engine: &Arc<Inner>, fds: &dyn WaitFds) -> Result<Rc<Registration>, Error> {
    if engine.fails(FaultKind::FdFail, None) {
        return Err(Error::WakeFd(OsError::from_raw_os_error(libc::EMFILE)));
    }
    Registration::make(fds, engine.wait_key(), &engine.identity).map_err(|error| Error::WakeFd(error.into()))
}

impl<F> CtxWake<F> {
    /// The wake of a request that the straight path has submitted.
    pub(crate) fn of(wake_fd: Option<Rc<Registration>>) -> Self {
        let announcement = match wake_fd {
            Some(wake_fd) => Announcement::WakeFd(wake_fd),
            None => Announcement::Reaping,
        };
        Self { announcement, status: None }
    }
}
