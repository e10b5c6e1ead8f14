//! A worker: the thread that runs a driver with the real clock.
//!
//! ```text
//!   ┌─► pass ─► signals ─► something happened? ─ yes ───────────────────────────────┐
//!   │                          │ no                                                  │
//!   │                          ▼                                                     │
//!   │                     is a request due?                                          │
//!   │                          ├─ none        look a little ─► sleep until rung ─────┤
//!   │                          ├─ far ahead   sleep until rung, or until it is near ─┤
//!   │                          └─ near        watch the clock, and the rings ────────┤
//!   └────────────────────────────────────────────────────────────────────────────────┘
//! ```
//!
//! Looks read no clock, so the worker looks only while nothing is due: a look ahead of a due request could
//! run past its time. It is also no use, because the time to sleep is known.

use std::sync::Arc;
use std::time::{Duration, Instant};

use nix::unistd::{SysconfVar, sysconf};

use crate::config::Config;
use crate::kernels::wipe::{set_apart_deep, wipe_worker_stack};
use crate::queue::doorbell::Doorbell;
use crate::queue::pair::Pair;
use crate::run::clock::Clock;
use crate::run::driver::Driver;
use crate::run::signals::Signals;
use crate::sync::spin_loop;

/// Looks at the rings before going to sleep; the maximum takes about as long as being woken again (50 to 100
/// µs, also for the waking side).
const MAX_SPIN: u32 = 4_096;
const MIN_SPIN: u32 = 8;
/// A sleep that was hardly worth it: some four wakes long. One wake would be too short a limit, because every
/// sleep ends with one.
const SHORT_SLEEP: Duration = Duration::from_micros(200);
/// How many maximal series of looks in a row may find nothing, before they are considered useless.
const IN_VAIN: u32 = 8;
/// For how many sleeps it is then not tried again: the first time, and the maximum.
const REST: u32 = 32;
const LONGEST_REST: u32 = 4_096;

/// Interrupts wait for the next pass after one that took less than this, in nanoseconds: they need a fence,
/// which waits until the results have reached the cache. They are raised before something is begun that may
/// take longer than that.
const QUICK_NSEC: u64 = 2_000;
/// For how many passes they wait.
const MOST_HOLDS: u32 = 3;

/// Everything that a worker's thread owns.
#[derive(Debug)]
pub(crate) struct Worker {
    driver: Driver,
    pairs: Vec<Arc<Pair>>,
    doorbell: Arc<Doorbell>,
    clock: Clock,
    spin: Spin,
    /// How long before a request is due the worker stops trusting the timer and watches the clock, in
    /// nanoseconds.
    watch_nsec: u64,
}

impl Worker {
    /// `pairs` are all those of the device.
    pub(crate) fn new(
        driver: Driver,
        pairs: Vec<Arc<Pair>>,
        doorbell: Arc<Doorbell>,
        clock: Clock,
        config: &Config,
    ) -> Self {
        Self { driver, pairs, doorbell, clock, spin: Spin::new(), watch_nsec: config.spin_nsec }
    }

    /// Runs until told to stop.
    pub(crate) fn run(mut self) {
        self.doorbell.answer();
        if self.driver.is_modelled() && !cfg!(miri) {
            // Sharper timers than the default of 50 µs; without them, as in miri, a model is only coarser.
            let _ = nix::sys::prctl::set_timerslack(1);
        }
        let mut signals = Signals::default();
        let (mut reading, mut holds) = (None, 0);
        while !self.driver.is_closed() {
            let now = reading.take().unwrap_or_else(|| self.now());
            let pass = || self.driver.catch_panic(&mut signals, |driver, signals| driver.pass(now, signals));
            let happened = set_apart_deep(pass);
            reading = self.driver.take_reading();
            let was_quick = reading.is_some_and(|end| end.saturating_sub(now) < QUICK_NSEC);
            if happened && was_quick && holds < MOST_HOLDS && signals.can_wait() {
                holds += 1;
            } else {
                // To send wakes takes time.
                reading = reading.filter(|_| signals.can_wait());
                signals.send(&self.pairs);
                holds = 0;
            }
            if !happened && !self.driver.is_closed() {
                reading = None;
                self.idle();
            }
        }
        // Of the last passes.
        signals.send(&self.pairs);
        wipe_worker_stack();
    }

    /// Nanoseconds since the device was opened; an ideal device never reads the clock.
    fn now(&self) -> u64 {
        if self.driver.is_modelled() { self.clock.now() } else { 0 }
    }

    fn idle(&mut self) {
        let Self { driver, doorbell, clock, spin, watch_nsec, .. } = self;
        idle(&mut Real { driver, clock, doorbell }, spin, *watch_nsec);
    }
}

/// The environment of an idle worker.
trait World {
    /// Nanoseconds.
    fn now(&self) -> u64;
    /// When the next request is due.
    fn next_due(&self) -> Option<u64>;
    fn has_work(&self) -> bool;
    /// Sleeps until rung, at most for `timeout`.
    fn sleep(&mut self, timeout: Option<Duration>);
}

struct Real<'a> {
    driver: &'a Driver,
    clock: &'a Clock,
    doorbell: &'a Doorbell,
}

impl World for Real<'_> {
    fn now(&self) -> u64 {
        self.clock.now()
    }

    fn next_due(&self) -> Option<u64> {
        self.driver.next_due()
    }

    fn has_work(&self) -> bool {
        self.driver.has_work()
    }

    fn sleep(&mut self, timeout: Option<Duration>) {
        wipe_worker_stack();
        self.doorbell.sleep(timeout, || self.driver.has_work());
    }
}

/// Waits, once, for the next event.
fn idle(world: &mut impl World, spin: &mut Spin, watch_nsec: u64) {
    let Some(due) = world.next_due() else { return idle_without_end(world, spin) };
    let ahead = due.saturating_sub(world.now());
    if ahead > watch_nsec {
        world.sleep(Some(Duration::from_nanos(ahead - watch_nsec)));
    } else {
        watch(world, due);
    }
}

fn idle_without_end(world: &mut impl World, spin: &mut Spin) {
    if !spin.found(|| world.has_work()) {
        let asleep = Instant::now();
        world.sleep(None);
        spin.adapt(asleep.elapsed());
    }
}

/// Watches the clock for the last stretch before a request is due.
fn watch(world: &impl World, due: u64) {
    while world.now() < due && !world.has_work() {
        spin_loop();
    }
}

/// How long to look before going to sleep: longer if work came soon after, shorter if it did not.
///
/// ```text
///             a short sleep             ... in vain, 8 times in a row: the submitter waits for this processor
///   MIN ─────────────────────► 2·looks ─────► max ──────────────────────────────► MIN, at rest for 32 sleeps,
///    ▲   ◄───────────────────             ◄──                                     then 64, .. unless a look found work
///    │        a long sleep      looks / 2
/// ```
#[derive(Debug)]
struct Spin {
    looks: u32,
    max: u32,
    in_vain: u32,
    /// Sleeps until longer looks are tried again.
    resting: u32,
    next_rest: u32,
}

impl Spin {
    fn new() -> Self {
        // The machine's processors, not those of this thread: a thread that is bound to one gets its work
        // from another. If not, looking is soon found useless.
        let processors = sysconf(SysconfVar::_NPROCESSORS_ONLN);
        let alone = matches!(processors, Ok(Some(1)));
        let max = if alone { MIN_SPIN } else { MAX_SPIN };
        Self { looks: MIN_SPIN, max, in_vain: 0, resting: 0, next_rest: REST }
    }

    fn found(&mut self, has_work: impl Fn() -> bool) -> bool {
        for look in 0..self.looks {
            if has_work() {
                self.in_vain = 0;
                if look > MIN_SPIN {
                    self.next_rest = REST;
                }
                return true;
            }
            spin_loop();
        }
        false
    }

    fn adapt(&mut self, slept: Duration) {
        if self.resting > 0 {
            self.resting -= 1;
        } else if slept > SHORT_SLEEP {
            self.in_vain = 0;
            self.looks = (self.looks / 2).max(MIN_SPIN);
        } else if self.looks < self.max {
            self.looks = (2 * self.looks).min(self.max);
        } else {
            self.in_vain += 1;
            if self.in_vain >= IN_VAIN {
                self.rest();
            }
        }
    }

    fn rest(&mut self) {
        self.in_vain = 0;
        self.looks = MIN_SPIN;
        self.resting = self.next_rest;
        self.next_rest = (2 * self.next_rest).min(LONGEST_REST);
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use std::cell::Cell;

    use super::*;

    const SHORT: Duration = Duration::from_micros(50);
    const LONG: Duration = Duration::from_millis(5);

    fn spin() -> Spin {
        Spin { max: MAX_SPIN, ..Spin::new() }
    }

    /// Sleeps until looking has its maximum.
    fn at_its_longest() -> Spin {
        let mut spin = spin();
        while spin.looks < MAX_SPIN {
            spin.adapt(SHORT);
        }
        spin
    }

    /// A world whose time passes by the worker's actions, and that pays the cost of each look.
    struct Fake {
        now: Cell<u64>,
        due: Option<u64>,
        looks: Cell<u64>,
        sleeps: Vec<Option<Duration>>,
    }

    /// Nanoseconds that a look takes, and a wake.
    const LOOK: u64 = 20;
    const WAKE: u64 = 30_000;

    impl World for Fake {
        fn now(&self) -> u64 {
            self.now.get()
        }

        fn next_due(&self) -> Option<u64> {
            self.due
        }

        fn has_work(&self) -> bool {
            self.now.set(self.now.get() + LOOK);
            self.looks.set(self.looks.get() + 1);
            false
        }

        fn sleep(&mut self, timeout: Option<Duration>) {
            let nsec = timeout.map_or(0, |timeout| u64::try_from(timeout.as_nanos()).unwrap());
            self.now.set(self.now.get() + nsec + WAKE);
            self.sleeps.push(timeout);
        }
    }

    fn fake(due: Option<u64>) -> Fake {
        Fake { now: Cell::new(0), due, looks: Cell::new(0), sleeps: Vec::new() }
    }

    #[test]
    fn no_service_time_is_late_because_the_worker_looked() {
        let watch_nsec = 50_000;
        for service in (10..=400).chain([1_000, 10_000]).map(|micros| 1_000 * micros) {
            let (mut world, mut spin) = (fake(Some(service)), at_its_longest());
            while world.now() < service {
                idle(&mut world, &mut spin, watch_nsec);
            }
            assert!(world.now() <= service + LOOK, "{service} ns took {}", world.now());
            assert_eq!(world.sleeps.len(), usize::from(service > watch_nsec), "{service}");
        }
    }

    #[test]
    fn without_a_watch_the_worker_sleeps_until_the_request_is_due_and_looks_never() {
        let (mut world, mut spin) = (fake(Some(60_000)), at_its_longest());
        while world.now() < 60_000 {
            idle(&mut world, &mut spin, 0);
        }
        assert_eq!((world.looks.get(), world.sleeps), (0, vec![Some(Duration::from_micros(60))]));
    }

    #[test]
    fn where_nothing_is_due_the_worker_looks_and_sleeps_without_end() {
        let (mut world, mut spin) = (fake(None), at_its_longest());
        idle(&mut world, &mut spin, 50_000);
        assert_eq!((world.looks.get(), world.sleeps), (u64::from(MAX_SPIN), vec![None]));
    }

    #[test]
    fn looks_are_longer_after_short_sleeps_and_shorter_after_long_ones() {
        let mut spin = at_its_longest();
        assert!(!spin.found(|| false));
        for _ in 0..20 {
            spin.adapt(LONG);
        }
        assert_eq!(spin.looks, MIN_SPIN);
    }

    #[test]
    fn what_is_in_vain_is_given_up_for_longer_each_time() {
        let mut spin = at_its_longest();
        let mut rests = Vec::new();
        for _ in 0..3 {
            (0..IN_VAIN).for_each(|_| spin.adapt(SHORT));
            assert_eq!(spin.looks, MIN_SPIN);
            let mut rest = 0;
            while spin.looks < MAX_SPIN {
                rest += u32::from(spin.looks == MIN_SPIN);
                spin.adapt(SHORT);
            }
            rests.push(rest);
        }
        assert_eq!(rests, [REST + 1, 2 * REST + 1, 4 * REST + 1], "the last look is the one that grows");
    }

    #[test]
    fn work_that_is_found_ends_the_doubt() {
        let mut spin = at_its_longest();
        (0..IN_VAIN - 1).for_each(|_| spin.adapt(SHORT));
        let looks = Cell::new(0);
        assert!(spin.found(|| looks.replace(looks.get() + 1) > 100));
        (0..IN_VAIN - 1).for_each(|_| spin.adapt(SHORT));
        assert_eq!(spin.looks, MAX_SPIN, "counted from the beginning");
    }
}
