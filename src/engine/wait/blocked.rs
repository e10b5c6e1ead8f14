//! Waits in the calling thread.
//!
//! ```text
//!   delivery=wake   spin ─► sleep until the thread's waker is called
//!   delivery=poll   spin ─► reap ─► sleep on the thread's interrupt, which announces what there is to reap, too
//!   stepped         let one thing happen
//! ```

use std::sync::Arc;
use std::sync::atomic::{Ordering, fence};
use std::task::Waker;
use std::thread;

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use simaccel_device::{Delivery, Interrupt, WakeState};

use super::{Armed, Pause, Submission, Waiter, Wake};
use crate::engine::config::DeliveryMode;
use crate::engine::instance::Instance;
use crate::engine::offload::{Flight, Hold};
use crate::engine::{Inner, table};
use crate::error::Error;
use crate::process::cancel::uncancelled;

/// How often a blocked caller looks before it sleeps: about the cost of waking a sleeping thread.
const SPINS: u32 = 2_000;

/// Waits in the calling thread.
#[derive(Debug)]
pub(crate) struct Blocked;

/// Wakes this thread; needs nothing of the flight.
#[derive(Debug, Default)]
pub(crate) struct ThreadWake;

impl Waiter for Blocked {
    type Wake = ThreadWake;

    fn arm(&mut self, engine: &Arc<Inner>, instance: &Instance) -> Result<Armed<ThreadWake>, Error> {
        Ok(Armed { wake: ThreadWake, delivery: arm(engine, instance)?, user_data: 0 })
    }

    fn take_wake<E: Hold>(&mut self, flight: &Flight<E, ThreadWake>) -> bool {
        take_wake(flight)
    }

    fn set_status<E: Hold>(&mut self, _status: Submission<'_, E, ThreadWake>) {}
}

impl Pause for Blocked {
    fn pause<E: Hold>(&mut self, flight: &Flight<E, ThreadWake>) -> bool {
        pause(flight)
    }
}

impl Wake for ThreadWake {
    fn ended(self, engine: &Arc<Inner>, _late: bool) {
        if engine.config.delivery() == DeliveryMode::Poll {
            // The sleep may have consumed the interrupt that the application waits for: raise it again.
            table::with(engine, Instance::announce);
        }
    }

    fn give_up(self, _state: &dyn Fn() -> WakeState) {}
}

/// Arms a delivery to this thread, and counts the call as blocked.
pub(super) fn arm(engine: &Arc<Inner>, instance: &Instance) -> Result<Delivery, Error> {
    instance.counters.blocked.add(1);
    Ok(waker(engine, instance)?.map_or(Delivery::Silent, Delivery::Wake))
}

/// This thread's waker. Under polling the thread sleeps on its interrupt, because it has to reap while it
/// waits.
fn waker(engine: &Arc<Inner>, instance: &Instance) -> Result<Option<Waker>, Error> {
    if engine.device.is_stepped() {
        return Ok(None);
    }
    match engine.config.delivery() {
        DeliveryMode::Wake => Ok(Some(Waker::from(Arc::clone(&instance.thread_waker)))),
        DeliveryMode::Poll => {
            // Created at first use, which is deep.
            let poller = engine.outside(|| instance.poller(engine))?;
            let interrupt = Arc::clone(poller.interrupt());
            Ok(Some(Waker::from(Arc::new(InterruptWaker(interrupt)))))
        }
    }
}

/// Moves a wake that was armed for another waiter to this thread. `false`: it was sent, it is being sent, or
/// it cannot be moved (under polling there is none, and this thread's interrupt ends its sleep; a stepped
/// device is stepped).
pub(super) fn redirect<E: Hold, W: Wake>(flight: &Flight<E, W>) -> bool {
    let engine = flight.engine();
    if engine.config.delivery() != DeliveryMode::Wake {
        return false;
    }
    match table::with(engine, |instance| waker(engine, instance)) {
        Ok(Some(waker)) => flight.replace_waker(waker),
        _ => false,
    }
}

pub(super) fn pause<E: Hold, W: Wake>(flight: &Flight<E, W>) -> bool {
    let engine = flight.engine();
    // For as long as the caller is blocked, whatever a step runs.
    let instance = table::of_thread(engine);
    instance.flush();
    if engine.device.is_stepped() {
        return step(engine, &instance);
    }
    for _ in 0..SPINS {
        if !flight.is_waiting() {
            return true;
        }
        std::hint::spin_loop();
    }
    // A waker that the reaping calls may fork: in the child the lock of the sleep may have been inherited
    // locked, and nothing would end the sleep.
    if reap(engine, &instance) == 0 && !engine.is_inherited() {
        sleep(flight, &instance);
    }
    true
}

/// Runs one event on a stepped device. Returns `false` when there is none, even after reaping frees slots.
fn step(engine: &Inner, instance: &Instance) -> bool {
    engine.device.step() || reap(engine, instance) > 0 || engine.device.step()
}

/// Under polling, and for futures with a reaper, only reaping frees slots, and this thread may be the only
/// one to reap.
fn reap(engine: &Inner, instance: &Instance) -> usize {
    if engine.config.delivery() != DeliveryMode::Poll && instance.group().is_none() {
        return 0;
    }
    instance.reap(engine)
}

/// Before this thread sleeps: its reaper has no turn, and what is queued for a slot may wait for it. `false`:
/// there is something to reap.
fn arm_for_slots<E: Hold, W: Wake>(flight: &Flight<E, W>, instance: &Instance) -> bool {
    match instance.group().filter(|_| flight.queued().is_waiting()) {
        Some(group) => group.arm_thread(Waker::from(Arc::clone(&instance.thread_waker))),
        None => true,
    }
}

fn sleep<E: Hold, W: Wake>(flight: &Flight<E, W>, instance: &Instance) {
    let engine = flight.engine();
    if instance.is_temporary() {
        return thread::yield_now();
    }
    if engine.config.delivery() == DeliveryMode::Wake {
        if arm_for_slots(flight, instance) {
            instance.thread_waker.sleep();
        }
        return;
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
    instance.disarm_and_clear(poller);
}

pub(super) fn take_wake<E: Hold, W: Wake>(flight: &Flight<E, W>) -> bool {
    // A late wake ends the thread's next sleep early, and that sleep looks again.
    flight.cancel_wake();
    true
}

/// Ends the sleep of a thread that waits on its interrupt.
#[derive(Debug)]
struct InterruptWaker(Arc<Interrupt>);

impl std::task::Wake for InterruptWaker {
    fn wake(self: Arc<Self>) {
        // Pairs with the fence of the sleeper, which arms the interrupt and then looks whether the request is
        // done.
        fence(Ordering::SeqCst);
        self.0.raise();
    }
}
