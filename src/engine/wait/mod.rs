//! How a caller waits: the seam between an operation and its caller.
//!
//! ```text
//!                     arm            pause                 take_wake
//!   JobWait     callback, or else    leaves the job        reads its token, or cancels the wake, or
//!               wake fd;                                   waits for the callback's return;
//!               POLLED: completion                         POLLED: takes it with the result
//!               ring
//!   BlockWait   this thread's waker  spins, then sleeps;   cancels the wake
//!               (nothing, stepped)   stepped: steps, and
//!                                    gives up where that
//!                                    can end nothing
//! ```
//!
//! An operation is one state machine (see `offload`); a way of waiting is a [`Wait`]. Another job framework fills
//! the same trait with its own four functions.

use std::mem;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{Ordering, fence};
use std::task::{Wake, Waker};
use std::thread;

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use simaccel_device::cancel::uncancelled;
use simaccel_device::{Delivery, Interrupt, Remote, Ticket, TicketState, WakeState};

use super::config::DeliveryMode;
use super::fault::FaultKind;
use super::instance::Instance;
use super::offload::{Flight, Held, PATIENCE, Told};
use super::wake_fd::Registration;
use super::{Inner, table};
use crate::error::{Error, OsError};
use crate::job::{self, Pause, WaitCtx, WaitStatus};

/// How often a blocked caller looks before it sleeps: about what one wake of a sleeping thread costs.
const SPINS: u32 = 2_000;

/// One way of waiting for the device.
pub(crate) trait Wait {
    /// Says how the device is to announce that the request is done, and puts what announces it in `held`. Called once,
    /// before the submission.
    fn arm(
        &mut self,
        engine: &Arc<Inner>,
        instance: &Instance,
        held: &mut Held,
        delivery: &mut Delivery,
    ) -> Result<(), Error>;

    /// A pause is next.
    fn will_pause(&mut self, instance: &Instance);

    /// Gives control away until it may be worth looking; returning early is always allowed. `false`: nothing is left to
    /// happen on a stepped device, so a request that still waits after that will wait for ever.
    fn pause(&mut self, flight: &Flight<'_>) -> bool;

    /// The pause is over.
    fn has_paused(&mut self, flight: &Flight<'_>, instance: &Instance);

    /// Whether a request that is done can be taken at once, with its wake: nobody else is told of it who would have to
    /// be waited for.
    fn takes_at_once(&self) -> bool;

    /// Takes the wake of a request that is done, or cancels it. `false`: it is on its way, so pause once more.
    fn take_wake(&mut self, flight: &Flight<'_>) -> bool;

    /// The request has queued for a slot.
    fn has_parked(&mut self, remote: &Remote, ticket: Ticket, held: &mut Held);

    /// A pause ended and nothing was done. `true`: something may be by now, so look again.
    fn spurious(&mut self, flight: &Flight<'_>) -> bool;

    /// Tells the application why it waits.
    fn set_status(&mut self, status: WaitStatus);

    /// What reaping hands out for this caller.
    fn token(&self) -> u64;

    /// The request was taken.
    fn done(&mut self, flight: &Flight<'_>);
}

/// Waits by pausing the current job, whose thread polls the completion ring if it is `POLLED`.
#[derive(Debug)]
pub(crate) struct JobWait<const POLLED: bool> {
    token: u64,
    /// The context was freed, or pausing became impossible: wait in the thread from here on.
    blocked: bool,
    /// How the last pause went, and whether the job has lost its context meanwhile.
    pause: Pause,
    without_ctx: bool,
    /// Tokens that were read off the wake fd since the last resume, and are not yet assigned to a request.
    in_hand: u64,
}

impl<const POLLED: bool> JobWait<POLLED> {
    /// A wait for the job that runs here and has this token.
    #[inline]
    pub(crate) const fn new(token: u64) -> Self {
        Self { token, blocked: false, pause: Pause::Resumed, without_ctx: false, in_hand: 0 }
    }

    /// The same, of a job that has paused and was resumed.
    pub(super) const fn paused(token: u64, without_ctx: bool) -> Self {
        Self { token, blocked: false, pause: Pause::Resumed, without_ctx, in_hand: 0 }
    }

    /// The same, when tokens were read already.
    pub(super) const fn with_tokens(self, in_hand: u64) -> Self {
        Self { in_hand, ..self }
    }

    /// Delivery to this job's context: to its callback if one is set, to the wake fd otherwise. `false` without a context.
    #[inline]
    fn arm_context(engine: &Arc<Inner>, held: &mut Held, delivery: &mut Delivery) -> Result<bool, Error> {
        let Some(ctx) = job::current_ctx() else { return Ok(false) };
        if ctx.has_callback()
            && let Some(callback) = ctx.callback_waker()
        {
            *delivery = Delivery::Wake(Waker::from(Arc::clone(&callback)));
            held.told = Told::Callback(callback);
            return Ok(true);
        }
        let registration = Self::registration(engine, &ctx)?;
        *delivery = Delivery::Wake(registration.waker());
        held.told = Told::WakeFd(registration);
        Ok(true)
    }

    fn registration(engine: &Arc<Inner>, ctx: &WaitCtx) -> Result<Rc<Registration>, Error> {
        match Registration::find(ctx, engine.wait_key()) {
            Some(registration) => Ok(registration),
            None => Self::register(engine, ctx),
        }
    }

    #[cold]
    fn register(engine: &Arc<Inner>, ctx: &WaitCtx) -> Result<Rc<Registration>, Error> {
        if engine.fails(FaultKind::FdFail, None) {
            return Err(Error::WakeFd(OsError::from_raw_os_error(libc::EMFILE)));
        }
        Registration::make(ctx, engine.wait_key(), &engine.identity)
            .map_err(|error| Error::WakeFd(error.into()))
    }

    /// The callback was removed under a request that has nothing else: it gets the wake fd. `true`: too late, the wake was sent
    /// or is being sent. If no fd can be made, the next resume tries again.
    #[cold]
    fn go_over_to_wake_fd(flight: &Flight<'_>) -> bool {
        let Some(ctx) = job::current_ctx().filter(|ctx| !ctx.has_callback()) else { return false };
        let Ok(registration) = Self::registration(flight.engine(), &ctx) else { return false };
        if !flight.replace_waker(registration.waker()) {
            return true;
        }
        flight.tell(Told::WakeFd(registration));
        false
    }

    /// No waiter could be woken any more: the wake goes to this thread, which waits for it.
    #[cold]
    fn block_from_here(&mut self, flight: &Flight<'_>) {
        self.blocked = true;
        flight.tell(Told::Nobody);
        BlockWait.redirect(flight);
    }
}

impl<const POLLED: bool> Wait for JobWait<POLLED> {
    #[inline]
    fn arm(
        &mut self,
        engine: &Arc<Inner>,
        instance: &Instance,
        held: &mut Held,
        delivery: &mut Delivery,
    ) -> Result<(), Error> {
        if POLLED && instance.is_passing() {
            // The thread is ending: no poll would announce the end.
            self.blocked = true;
            return BlockWait.arm(engine, instance, held, delivery);
        }
        if POLLED {
            *delivery = Delivery::Reap { owner: instance.owner(engine)? };
            return Ok(());
        }
        if Self::arm_context(engine, held, delivery)? {
            return Ok(());
        }
        self.blocked = true;
        BlockWait.arm(engine, instance, held, delivery)
    }

    fn will_pause(&mut self, instance: &Instance) {
        if self.blocked {
            BlockWait.will_pause(instance);
        } else {
            instance.counters.pauses.add(1);
        }
    }

    #[inline(always)]
    fn pause(&mut self, flight: &Flight<'_>) -> bool {
        if self.blocked {
            return BlockWait.pause(flight);
        }
        (self.pause, self.without_ctx) = job::pause_in_flight(flight);
        if !POLLED {
            flight.expect();
        }
        true
    }

    #[inline]
    fn has_paused(&mut self, flight: &Flight<'_>, instance: &Instance) {
        if self.blocked {
            return;
        }
        instance.counters.resumes.add(1);
        if self.pause != Pause::Resumed || (!POLLED && self.without_ctx) {
            self.block_from_here(flight);
        }
    }

    fn takes_at_once(&self) -> bool {
        POLLED && !self.blocked
    }

    #[inline]
    fn take_wake(&mut self, flight: &Flight<'_>) -> bool {
        if self.blocked {
            return BlockWait.take_wake(flight);
        }
        // Nearly always.
        if flight.wake_state() == WakeState::Sent {
            flight.settle(mem::take(&mut self.in_hand));
            return true;
        }
        self.take_unsent_wake(flight)
    }

    fn has_parked(&mut self, remote: &Remote, ticket: Ticket, held: &mut Held) {
        // A callback that is set and will not be called decides the status, which then does not follow the
        // request.
        if POLLED && job::current_ctx().is_some_and(|ctx| ctx.has_callback()) {
            return;
        }
        let (remote, watch) = (remote.clone(), held.watch());
        let is_timed_out = move || watch.as_ref().is_some_and(|watch| watch.is_unclaimed());
        held.status = job::follow_status(move || match remote.state(ticket) {
            TicketState::InFlight | TicketState::Done(_) => WaitStatus::Ok,
            TicketState::Stale if !is_timed_out() => WaitStatus::Ok,
            TicketState::Parked | TicketState::Stale => WaitStatus::Eagain,
        })
        .map(Box::new);
    }

    fn spurious(&mut self, flight: &Flight<'_>) -> bool {
        if self.blocked {
            return false;
        }
        if flight.has_callback() && Self::go_over_to_wake_fd(flight) {
            return true;
        }
        if self.in_hand == 0 && self.has_tokens(flight) {
            // It may be this request's token, sent a moment ago.
            return true;
        }
        flight.give_back(mem::take(&mut self.in_hand));
        let instance = table::of_thread(flight.engine());
        instance.counters.spurious_resumes.add(1);
        // An application that resumes in a loop inside a poll waits for completions that are held back.
        instance.flush();
        false
    }

    fn set_status(&mut self, status: WaitStatus) {
        job::set_status(status);
    }

    fn token(&self) -> u64 {
        self.token
    }

    fn done(&mut self, flight: &Flight<'_>) {
        if self.blocked {
            return BlockWait.done(flight);
        }
        // A spurious wake may be calling it, or be about to.
        flight.retire_callback();
    }
}

impl<const POLLED: bool> JobWait<POLLED> {
    #[inline(never)]
    fn take_unsent_wake(&mut self, flight: &Flight<'_>) -> bool {
        match flight.wake_state() {
            // Resumed before its wake: by chance, or by a spurious one.
            WakeState::Armed if flight.cancel_wake() => {
                flight.give_back(mem::take(&mut self.in_hand));
                flight.calm();
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

    /// The sender is in its write. If the token can be read, the sender is not waited for. On a shared fd the token may be
    /// another request's, which would then wait for this one; so the sender is given the time to leave. `false`: the fd is
    /// going to be readable once more, or still is.
    fn take_wake_of_sender(&mut self, flight: &Flight<'_>) -> bool {
        for _ in 0..PATIENCE {
            if !flight.shares_wake_fd() && self.has_tokens(flight) {
                flight.settle(mem::take(&mut self.in_hand));
                return true;
            }
            thread::yield_now();
            if flight.wake_state() != WakeState::Sending {
                return self.take_wake(flight);
            }
        }
        false
    }

    /// Whether there are tokens in hand, or on the fd; those are then taken from there.
    fn has_tokens(&mut self, flight: &Flight<'_>) -> bool {
        if self.in_hand == 0 {
            self.in_hand = flight.read_tokens();
        }
        self.in_hand > 0
    }
}

/// Waits in the calling thread.
#[derive(Debug)]
pub(crate) struct BlockWait;

impl BlockWait {
    /// This thread's waker; under polling the thread sleeps on its interrupt, for it has to reap meanwhile.
    fn waker(engine: &Arc<Inner>, instance: &Instance) -> Result<Option<Waker>, Error> {
        if engine.device.is_stepped() {
            return Ok(None);
        }
        match engine.config.delivery() {
            DeliveryMode::Wake => Ok(Some(Waker::from(Arc::clone(&instance.thread_waker)))),
            DeliveryMode::Poll => {
                let interrupt = Arc::clone(instance.poller(engine)?.interrupt());
                Ok(Some(Waker::from(Arc::new(InterruptWaker(interrupt)))))
            }
        }
    }

    /// Moves a wake that was armed for another waiter to this thread. Where it is being sent already, the request
    /// is done; under polling there is none, and this thread's interrupt ends its sleep.
    fn redirect(self, flight: &Flight<'_>) {
        if flight.engine().config.delivery() == DeliveryMode::Wake
            && let Ok(Some(waker)) = Self::waker(flight.engine(), &table::of_thread(flight.engine()))
        {
            flight.replace_waker(waker);
        }
    }

    /// Lets one thing happen on a stepped device. `false`: there is nothing, not even after reaping frees slots.
    fn step(engine: &Arc<Inner>) -> bool {
        engine.device.step() || Self::reap(engine) > 0 || engine.device.step()
    }

    /// Under polling, slots become free by reaping, and this thread may be the only one to do it.
    fn reap(engine: &Arc<Inner>) -> usize {
        if engine.config.delivery() != DeliveryMode::Poll {
            return 0;
        }
        table::of_thread(engine).reap(engine)
    }

    fn sleep(flight: &Flight<'_>) {
        let engine = flight.engine();
        let instance = table::of_thread(engine);
        if instance.is_passing() {
            return thread::yield_now();
        }
        if engine.config.delivery() == DeliveryMode::Wake {
            return instance.thread_waker.sleep();
        }
        let Ok(poller) = instance.poller(engine) else { return thread::yield_now() };
        poller.interrupt().arm();
        let pending = instance.remote().completions_pending();
        if !pending
            && flight.is_waiting()
            && let Some(fd) = poller.interrupt().fd()
        {
            // An interrupted sleep is a short one; the waiter looks again.
            let _ = uncancelled(|| poll(&mut [PollFd::new(fd, PollFlags::POLLIN)], PollTimeout::NONE));
        }
        instance.quiet(&poller);
    }
}

impl Wait for BlockWait {
    fn arm(
        &mut self,
        engine: &Arc<Inner>,
        instance: &Instance,
        _held: &mut Held,
        delivery: &mut Delivery,
    ) -> Result<(), Error> {
        let waker = Self::waker(engine, instance)?;
        *delivery = waker.map_or(Delivery::Silent, Delivery::Wake);
        Ok(())
    }

    fn will_pause(&mut self, instance: &Instance) {
        instance.flush();
    }

    fn has_paused(&mut self, _flight: &Flight<'_>, _instance: &Instance) {}

    fn takes_at_once(&self) -> bool {
        false
    }

    fn pause(&mut self, flight: &Flight<'_>) -> bool {
        if flight.engine().device.is_stepped() {
            return Self::step(flight.engine());
        }
        for _ in 0..SPINS {
            if !flight.is_waiting() {
                return true;
            }
            std::hint::spin_loop();
        }
        if Self::reap(flight.engine()) == 0 {
            Self::sleep(flight);
        }
        true
    }

    fn take_wake(&mut self, flight: &Flight<'_>) -> bool {
        // A wake that comes late ends the thread's next sleep early, and that sleep looks again.
        flight.cancel_wake();
        true
    }

    fn has_parked(&mut self, _remote: &Remote, _ticket: Ticket, _held: &mut Held) {}

    fn spurious(&mut self, _flight: &Flight<'_>) -> bool {
        false
    }

    fn set_status(&mut self, _status: WaitStatus) {}

    fn token(&self) -> u64 {
        0
    }

    fn done(&mut self, flight: &Flight<'_>) {
        let engine = flight.engine();
        if engine.config.delivery() != DeliveryMode::Poll {
            return;
        }
        // The sleep may have taken the interrupt that the application waits for: tell it again.
        table::of_thread(engine).announce();
    }
}

/// Ends the sleep of a thread that waits on its interrupt.
#[derive(Debug)]
struct InterruptWaker(Arc<Interrupt>);

impl Wake for InterruptWaker {
    fn wake(self: Arc<Self>) {
        // Pairs with the fence of the sleeper, which arms the interrupt and then looks whether the request is
        // done.
        fence(Ordering::SeqCst);
        self.0.raise();
    }
}

/// Whether a ticket in this state still waits for the device.
pub(crate) const fn is_waiting(state: TicketState) -> bool {
    matches!(state, TicketState::Parked | TicketState::InFlight)
}
