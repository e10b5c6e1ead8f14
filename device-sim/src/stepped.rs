//! The stepped device: the same core and the same signals, with a virtual clock that its user moves.
//!
//! Nothing happens but inside a call, on the caller's thread, in an order that depends on the calls alone. The lock
//! covers an event and not its signals, so a waker may submit, step and drop as it likes.

use std::time::Duration;

use crate::clock::Clock;
use crate::driver::Driver;
use crate::pair::Pair;
use crate::port::Signals;
use crate::sync::{Mutex, lock};
use std::sync::Arc;

/// A driver, its clock, and the pairs that it signals.
#[derive(Debug)]
pub(crate) struct Stepped {
    state: Mutex<State>,
    pairs: Vec<Arc<Pair>>,
}

#[derive(Debug)]
struct State {
    driver: Driver,
    clock: Clock,
    /// Kept for its memory between events.
    signals: Signals,
}

impl Stepped {
    /// `pairs` are all those of the device.
    pub(crate) fn new(driver: Driver, pairs: Vec<Arc<Pair>>, clock: Clock) -> Self {
        Self { state: Mutex::new(State { driver, clock, signals: Signals::default() }), pairs }
    }

    /// One event: a batch of what was submitted, or else the clock goes on to the next request that is due.
    pub(crate) fn step(&self) -> bool {
        self.event(|state, signals| state.admit(signals) || state.deliver_before(u64::MAX, signals))
    }

    /// Moves the clock by `duration`, with everything that happens on the way.
    pub(crate) fn advance(&self, duration: Duration) {
        let nsec = u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX);
        let until = lock(&self.state).clock.now().saturating_add(nsec);
        while self.event(|state, signals| state.admit(signals) || state.deliver_before(until, signals)) {}
        lock(&self.state).go_to(until);
    }

    /// Carries out the commands that were sent.
    pub(crate) fn obey(&self) {
        self.event(|state, signals| state.driver.obey(signals));
    }

    fn event(&self, f: impl FnOnce(&mut State, &mut Signals) -> bool) -> bool {
        let mut state = lock(&self.state);
        let mut signals = std::mem::take(&mut state.signals);
        let happened = f(&mut state, &mut signals);
        drop(state);
        signals.send(&self.pairs);
        lock(&self.state).signals = signals;
        happened
    }
}

impl State {
    fn admit(&mut self, signals: &mut Signals) -> bool {
        let now = self.clock.now();
        self.driver.fenced(signals, |driver, signals| driver.admit(now, signals))
    }

    /// The clock never goes back.
    fn go_to(&mut self, nsec: u64) {
        self.clock.set(self.clock.now().max(nsec));
    }

    /// Goes on to the next due time if it is not after `until`.
    fn deliver_before(&mut self, until: u64, signals: &mut Signals) -> bool {
        let Some(due) = self.driver.next_due().filter(|due| *due <= until) else { return false };
        self.go_to(due);
        let now = self.clock.now();
        self.driver.fenced(signals, |driver, signals| driver.deliver(now, signals));
        true
    }
}
