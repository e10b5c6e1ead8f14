//! A worker: the thread that runs a driver with the real clock.
//!
//! ```text
//!   ┌─► pass ─► signals ─► something happened? ─ yes ─┐
//!   │                          │ no                   │
//!   │                          ▼                      │
//!   │           spin a little ─► sleep until rung, or until the next request is due
//!   └──────────────────────────┴──────────────────────┘
//! ```

use std::sync::Arc;
use std::thread::available_parallelism;
use std::time::{Duration, Instant};

use crate::doorbell::Doorbell;
use crate::driver::{Driver, Signals};
use crate::pair::Pair;
use crate::sync::spin_loop;

/// How long before a request is due the worker stops trusting the timer and watches the clock, in nanoseconds.
const WATCH_NSEC: u64 = 20_000;
/// Looks at the rings before going to sleep: about what it costs to be woken again.
const MAX_SPIN: u32 = 256;
const MIN_SPIN: u32 = 8;

/// Everything that a worker's thread owns.
#[derive(Debug)]
pub(crate) struct Worker {
    driver: Driver,
    pairs: Vec<Arc<Pair>>,
    doorbell: Arc<Doorbell>,
    opened: Instant,
    spin: Spin,
}

impl Worker {
    /// `pairs` are all those of the device; `opened` is the zero of its clock.
    pub(crate) fn new(
        driver: Driver,
        pairs: Vec<Arc<Pair>>,
        doorbell: Arc<Doorbell>,
        opened: Instant,
    ) -> Self {
        Self { driver, pairs, doorbell, opened, spin: Spin::new() }
    }

    /// Runs until told to stop.
    pub(crate) fn run(mut self) {
        self.doorbell.answer();
        if self.driver.is_modelled() {
            // Sharper timers than the 50 µs that threads get by default; without them a model is merely coarser.
            let _ = nix::sys::prctl::set_timerslack(1);
        }
        let mut signals = Signals::default();
        while !self.driver.is_closed() {
            let now = self.now();
            let happened = self.driver.fenced(&mut signals, |driver, signals| driver.pass(now, signals));
            signals.send(&self.pairs);
            if !happened && !self.driver.is_closed() {
                self.idle();
            }
        }
    }

    /// Nanoseconds since the device was opened; an ideal device never asks the clock.
    fn now(&self) -> u64 {
        if self.driver.is_modelled() {
            u64::try_from(self.opened.elapsed().as_nanos()).unwrap_or(u64::MAX)
        } else {
            0
        }
    }

    fn idle(&mut self) {
        let timeout = self.driver.next_due().map(|due| due.saturating_sub(self.now()));
        match timeout {
            Some(nsec) if nsec <= WATCH_NSEC => self.watch(nsec),
            _ if self.spin.found(|| self.driver.has_work()) => {}
            _ => {
                let timeout = timeout.map(|nsec| Duration::from_nanos(nsec - WATCH_NSEC));
                self.doorbell.sleep(timeout, || self.driver.has_work());
            }
        }
    }

    /// Watches the clock for the last stretch before a request is due.
    fn watch(&self, nsec: u64) {
        let until = self.now() + nsec;
        while self.now() < until && !self.driver.has_work() {
            spin_loop();
        }
    }
}

/// How long to look before going to sleep: longer while that pays, shorter while it does not.
#[derive(Debug)]
struct Spin {
    looks: u32,
    max: u32,
}

impl Spin {
    fn new() -> Self {
        let alone = available_parallelism().is_ok_and(|processors| processors.get() == 1);
        let max = if alone { 0 } else { MAX_SPIN };
        Self { looks: max, max }
    }

    fn found(&mut self, has_work: impl Fn() -> bool) -> bool {
        for _ in 0..self.looks {
            if has_work() {
                self.looks = (2 * self.looks).min(self.max);
                return true;
            }
            spin_loop();
        }
        self.looks = (self.looks / 2).max(MIN_SPIN.min(self.max));
        false
    }
}
