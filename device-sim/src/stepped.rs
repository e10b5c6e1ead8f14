//! The stepped device: the same core and the same signals, with a virtual clock that its user moves.
//!
//! Nothing happens but inside a call, on the caller's thread, in an order that depends on the calls alone. The lock
//! covers an event and not its signals, so a waker may submit, step and drop as it likes.
//!
//! ```text
//!   event:  what was submitted  ─►  else the earlier of: the next request that is due, the alarm   (same time: the request)
//! ```

use std::sync::Arc;
use std::task::Waker;
use std::time::Duration;

use crate::clock::Clock;
use crate::driver::Driver;
use crate::pair::{self, Pair};
use crate::port::Signals;
use crate::sync::{Mutex, lock};

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
    alarm: Option<Alarm>,
    /// An alarm that went off in this event.
    ringing: Option<Waker>,
}

#[derive(Debug)]
struct Alarm {
    /// Nanoseconds.
    at: u64,
    waker: Waker,
}

impl Stepped {
    /// `pairs` are all those of the device.
    pub(crate) fn new(driver: Driver, pairs: Vec<Arc<Pair>>, clock: Clock) -> Self {
        let state = State { driver, clock, signals: Signals::default(), alarm: None, ringing: None };
        Self { state: Mutex::new(state), pairs }
    }

    /// One event: a batch of what was submitted, or else the clock goes on to the next request that is due, or to
    /// the alarm.
    pub(crate) fn step(&self) -> bool {
        self.event(|state, signals| state.admit(signals) || state.go_on(u64::MAX, signals))
    }

    /// Moves the clock by `duration`, with everything that happens on the way.
    pub(crate) fn advance(&self, duration: Duration) {
        let until = lock(&self.state).clock.now().saturating_add(nanoseconds(duration));
        while self.event(|state, signals| state.admit(signals) || state.go_on(until, signals)) {}
        lock(&self.state).go_to(until);
    }

    /// Sets the one alarm, or takes it back.
    pub(crate) fn set_alarm(&self, at: Option<Duration>, waker: Waker) {
        let alarm = at.map(|at| Alarm { at: nanoseconds(at), waker });
        let replaced = std::mem::replace(&mut lock(&self.state).alarm, alarm);
        // Dropping a waker may run anybody's code, so it goes when the lock is free.
        drop(replaced);
    }

    /// Carries out the commands that were sent.
    pub(crate) fn obey(&self) {
        self.event(|state, signals| state.driver.obey(signals));
    }

    fn event(&self, f: impl FnOnce(&mut State, &mut Signals) -> bool) -> bool {
        let mut state = lock(&self.state);
        let mut signals = std::mem::take(&mut state.signals);
        let happened = f(&mut state, &mut signals);
        let ringing = state.ringing.take();
        drop(state);
        signals.send(&self.pairs);
        ringing.map(pair::call);
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

    /// Goes on to what comes next, if it does not come after `until`.
    fn go_on(&mut self, until: u64, signals: &mut Signals) -> bool {
        let alarm = self.alarm.as_ref().map(|alarm| alarm.at);
        match self.driver.next_due() {
            Some(due) if due <= until && alarm.is_none_or(|at| due <= at) => self.deliver(due, signals),
            _ if alarm.is_some_and(|at| at <= until) => self.ring(),
            _ => return false,
        }
        true
    }

    fn deliver(&mut self, due: u64, signals: &mut Signals) {
        self.go_to(due);
        let now = self.clock.now();
        self.driver.fenced(signals, |driver, signals| driver.deliver(now, signals));
    }

    fn ring(&mut self) {
        if let Some(Alarm { at, waker }) = self.alarm.take() {
            self.go_to(at);
            self.ringing = Some(waker);
        }
    }
}

fn nanoseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}
