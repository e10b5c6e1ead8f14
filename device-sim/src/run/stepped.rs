//! The stepped device: the same core and the same signals, with a virtual clock that its user moves.
//!
//! Nothing happens but inside a call, on the caller's thread, in an order that depends on the calls alone.
//! The lock covers an event and not its signals, so a waker may submit, step and drop as it likes. A function
//! of the user's own ([`Call`](crate::Call)) is run in the middle of an event: there, nothing happens on this
//! device.
//!
//! ```text
//!   event:  what was submitted  ─►  else the earlier of: the next request that is due, the next alarm
//!                                   (same time: the request)
//!           on the way there, requests go on from station to station
//! ```
//!
//! An event needs some stack: the kernels do, and so may functions and wakers. Callers on small stacks have
//! their device run its events elsewhere ([`Apart`]).
//!
//! The clock ends after 2^64 − 1 ns, some 584 years. It stands still there, and later times are due at once.

use std::cell::Cell;
use std::fmt;
use std::sync::Arc;
use std::task::Waker;
use std::time::Duration;

use crate::kernels::wipe::{set_apart, wipe_stack};
use crate::queue::pair::{self, Pair};
use crate::run::alarm::{Alarm, Alarms};
use crate::run::clock::{Clock, nanoseconds};
use crate::run::driver::Driver;
use crate::run::signals::Signals;
use crate::sync::{Mutex, lock};

/// A call's function may step another device, whose calls may step another one, and so on; so deep.
const DEEPEST: usize = 8;

thread_local! {
    /// The stepped devices in the middle of whose events this thread is; 0 for none. It has no destructor, so
    /// that there can be events as long as there is the thread.
    static INSIDE: Cell<[usize; DEEPEST]> = const { Cell::new([0; DEEPEST]) };
}

/// Runs an event somewhere else than on the caller's stack, on the same thread, and returns when it is over.
/// The panic of an event has to go on in the caller.
pub type Apart = Box<dyn Fn(&mut dyn FnMut()) + Send + Sync>;

/// While it lives, its thread is in the middle of an event.
struct Inside {
    before: [usize; DEEPEST],
}

impl Inside {
    /// `None`: the thread is in the middle of an event of this device, or of too many others.
    fn enter(stepped: &Stepped) -> Option<Self> {
        let before = INSIDE.get();
        let mut inside = before;
        let free = inside.iter_mut().find(|other| **other == 0 || **other == stepped.address())?;
        if *free != 0 {
            return None;
        }
        *free = stepped.address();
        INSIDE.set(inside);
        Some(Self { before })
    }
}

impl Drop for Inside {
    fn drop(&mut self) {
        INSIDE.set(self.before);
    }
}

/// A driver, its clock, and the pairs that it signals.
pub(crate) struct Stepped {
    state: Mutex<State>,
    alarms: Arc<Alarms>,
    pairs: Vec<Arc<Pair>>,
    apart: Apart,
}

impl fmt::Debug for Stepped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Stepped").field("state", &self.state).finish_non_exhaustive()
    }
}

#[derive(Debug)]
struct State {
    driver: Driver,
    clock: Clock,
    /// Kept for its memory between events.
    signals: Signals,
    alarms: Arc<Alarms>,
    /// An alarm that went off in this event.
    ringing: Option<Waker>,
}

impl Stepped {
    /// `pairs` are all those of the device.
    pub(crate) fn new(driver: Driver, pairs: Vec<Arc<Pair>>, clock: Clock, apart: Apart) -> Self {
        let alarms = Alarms::new();
        let signals = Signals::default();
        let state = State { driver, clock, signals, alarms: Arc::clone(&alarms), ringing: None };
        Self { state: Mutex::new(state), alarms, pairs, apart }
    }

    /// One event: a batch of submissions, or else the clock advances to the next due request, or to the next
    /// alarm.
    pub(crate) fn step(&self) -> bool {
        self.event(|state, signals| state.admit(signals) || state.go_on(u64::MAX, signals))
    }

    /// Moves the clock by `duration`, with everything that happens on the way.
    pub(crate) fn advance(&self, duration: Duration) {
        if self.is_inside() {
            return;
        }
        let until = lock(&self.state).clock.now().saturating_add(nanoseconds(duration));
        while self.event(|state, signals| state.admit(signals) || state.go_on(until, signals)) {}
        lock(&self.state).go_to(until);
    }

    /// Another alarm, which is not set.
    pub(crate) fn alarm(&self) -> Alarm {
        self.alarms.alarm()
    }

    /// Carries out pending commands.
    pub(crate) fn run_commands(&self) {
        self.event(|state, signals| {
            let now = state.clock.now();
            state.driver.run_commands_at(now, signals)
        });
    }

    /// Whether this thread is in the middle of an event of this device: then there is no other.
    pub(crate) fn is_inside(&self) -> bool {
        INSIDE.get().contains(&self.address())
    }

    fn address(&self) -> usize {
        std::ptr::from_ref(self).addr()
    }

    fn event(&self, f: impl FnOnce(&mut State, &mut Signals) -> bool) -> bool {
        let (mut f, mut happened) = (Some(f), false);
        (self.apart)(&mut || happened = f.take().is_some_and(|f| self.event_here(f)));
        happened
    }

    fn event_here(&self, f: impl FnOnce(&mut State, &mut Signals) -> bool) -> bool {
        let Some(inside) = Inside::enter(self) else { return false };
        let mut state = lock(&self.state);
        let mut signals = std::mem::take(&mut state.signals);
        let happened = set_apart(|| f(&mut state, &mut signals));
        let ringing = state.ringing.take();
        drop(state);
        drop(inside);
        if happened {
            // The work was done on this stack.
            wipe_stack();
        }
        signals.send(&self.pairs);
        ringing.map(pair::call);
        lock(&self.state).signals = signals;
        happened
    }
}

impl State {
    fn admit(&mut self, signals: &mut Signals) -> bool {
        let now = self.clock.now();
        self.driver.catch_panic(signals, |driver, signals| driver.admit(now, signals))
    }

    /// The clock never goes back.
    fn go_to(&mut self, nsec: u64) {
        self.clock.set(self.clock.now().max(nsec));
    }

    /// Advances to the next event, if it does not come after `until`. Requests that only go on to their next
    /// stations are none.
    fn go_on(&mut self, until: u64, signals: &mut Signals) -> bool {
        let mut has_moved = false;
        loop {
            let alarm = self.alarms.next();
            match self.driver.next_due() {
                Some(due) if due <= until && alarm.is_none_or(|at| due <= at) => {
                    has_moved = true;
                    if self.deliver(due, signals) || self.driver.has_work() {
                        return true;
                    }
                }
                _ => return self.ring(until) || has_moved,
            }
        }
    }

    fn deliver(&mut self, due: u64, signals: &mut Signals) -> bool {
        self.go_to(due);
        let now = self.clock.now();
        self.driver.catch_panic(signals, |driver, signals| driver.deliver(now, signals))
    }

    /// Takes an alarm; `false`: none goes off at `until` or before.
    fn ring(&mut self, until: u64) -> bool {
        let Some((at, waker)) = self.alarms.take_next(until) else { return false };
        self.go_to(at);
        self.ringing = Some(waker);
        true
    }
}

impl Drop for Stepped {
    fn drop(&mut self) {
        self.alarms.close();
    }
}
