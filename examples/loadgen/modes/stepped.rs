//! In virtual time: another way of waking, and a stepped device that moves on while nothing is ready.
//!
//! ```text
//!   wait ──► ready by the other way? ── yes ──────────────────────────────────► resumed, at this virtual time
//!                 ▲        └── no ──► step: to the next event, or to the next send if that comes first ──┐
//!                 └──────────────────────────────────────────────────────────────────────────────────────┘
//! ```
//!
//! An alarm of the device stands for the next send, so no event is passed over and no time is late.

use std::task::Waker;
use std::time::Duration;

use simaccel::simaccel_device::Alarm;
use simaccel::{Engine, WaitCtx};

use super::{Wakes, event_loop};
use crate::failure::Failure;

/// After so many waits in a row without any time the row would hardly end by itself.
const TOO_STILL: u32 = 1_000_000;

pub(super) struct Stepped {
    inner: Box<dyn Wakes>,
    engine: Engine,
    alarm: Alarm,
    /// The time of the last wait, and how many there were at it.
    still: (Duration, u32),
}

impl Stepped {
    pub(super) fn new(inner: Box<dyn Wakes>, engine: Engine) -> Self {
        let alarm = engine.device().alarm();
        Self { inner, engine, alarm, still: (Duration::ZERO, 0) }
    }

    /// Fails where nothing on the device takes any time, as with a fault plan alone.
    fn check_that_time_passes(&mut self, now: Duration) -> Result<(), Failure> {
        let (last, waits) = self.still;
        self.still = if now == last { (now, waits + 1) } else { (now, 0) };
        if waits < TOO_STILL {
            return Ok(());
        }
        Err(event_loop("virtual time", "it stands still: nothing on this device takes any (see --device)"))
    }

    /// Steps until something is ready or the time is `until`.
    fn step_until(&mut self, ready: &mut Vec<usize>, until: Option<Duration>) -> Result<(), Failure> {
        loop {
            self.inner.wait(ready, Some(Duration::ZERO))?;
            let device = self.engine.device();
            if !ready.is_empty() || until.is_some_and(|until| device.now() >= until) {
                return Ok(());
            }
            if !device.step() {
                return Err(event_loop("virtual time", "jobs wait, and nothing is left to happen"));
            }
        }
    }
}

impl Wakes for Stepped {
    fn attach(&mut self, slot: usize, ctx: &WaitCtx) {
        self.inner.attach(slot, ctx);
    }

    fn waker(&mut self, slot: usize) -> Option<Waker> {
        self.inner.waker(slot)
    }

    fn paused(&mut self, slot: usize, ctx: Option<&WaitCtx>) -> Result<(), Failure> {
        self.inner.paused(slot, ctx)
    }

    /// Unlike on the real clock, the time counts to the nanosecond.
    fn wait(&mut self, ready: &mut Vec<usize>, most: Option<Duration>) -> Result<(), Failure> {
        let now = self.engine.device().now();
        self.check_that_time_passes(now)?;
        let until = most.map(|most| now + most);
        if let Some(until) = until {
            self.alarm.set(until, Waker::noop().clone());
        }
        let waited = self.step_until(ready, until);
        self.alarm.clear();
        waited
    }
}
