//! A clock that costs a fraction of the system's: the processor's counter, set by the system's clock now and
//! then.
//!
//! ```text
//!   system   o─────────────o─────────────o─────────────o       read once an interval, together with the counter
//!             \             \             \             \
//!   reader     base, rate    base, rate    base, rate    ..     nsec = base + (counter − its first) · rate
//! ```
//!
//! A reader that finds the interval over reads the system's clock, and sets base and rate for the next one.
//! The rate is what the interval before has shown, so an interval adds what two readings of the system's
//! clock err by, some 100 ns. Where this clock is ahead, it goes slower for an interval, and not back.
//!
//! Of two places for intervals the one in force is read while the next one is written, by one thread at a
//! time. Nobody waits for that thread: the others take the system's clock meanwhile, and what they take is a
//! bound from below for all later readings. So the clock goes back for no thread, and from thread to thread
//! by what the processor reads its counter early, some 10 ns.
//!
//! The system's clock is read every time until a first interval has given a rate, again when the counter has
//! gone astray, and always where the kernel does not use the counter for its own clock.
#![cfg_attr(
    all(target_arch = "x86_64", not(miri)),
    expect(unsafe_code, reason = "an intrinsic reads the counter")
)]

use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering, fence};
use std::time::Instant;

/// How long it takes until there is a rate, and how long an interval is at most, in nanoseconds.
const FIRST: u64 = 1_000_000;
const LONGEST: u64 = 50_000_000;
/// A reading of both clocks that takes more ticks than this was interrupted.
const TOGETHER: u64 = 2_000;
/// By which part of it a rate may differ from the one before.
const ASTRAY: u64 = 1_000;
/// Rates are in units of 2^-32 ns a tick.
const POINT: u32 = 32;

/// Nanoseconds since it was made.
#[derive(Debug)]
pub(crate) struct Ticks {
    made: Instant,
    /// How many intervals have begun. The place of the last one is its number modulo 2.
    number: AtomicU64,
    /// Each has the values of an [`Interval`], in its order.
    intervals: [[AtomicU64; 6]; 2],
    /// The most that was returned and is not an interval's.
    least: AtomicU64,
    /// Whether a thread begins an interval.
    begins: AtomicBool,
}

/// From one reading of the system's clock to the next.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Interval {
    /// What the counter was at its beginning.
    counter: u64,
    /// What this clock was then.
    base: u64,
    /// What the system's clock was then.
    system: u64,
    /// How fast this clock goes. 0: it does not yet.
    rate: u64,
    /// How fast the system's clock goes.
    pace: u64,
    /// How many ticks the interval has.
    ticks: u64,
}

impl Ticks {
    /// `None`: the counter is no clock here.
    pub(crate) fn new() -> Option<Self> {
        is_a_clock().then(|| {
            let first = Interval { counter: read_counter(), ..Interval::default() };
            Self {
                made: Instant::now(),
                number: AtomicU64::new(0),
                intervals: [first, first].map(|interval| interval.values().map(AtomicU64::new)),
                least: AtomicU64::new(0),
                begins: AtomicBool::new(false),
            }
        })
    }

    #[inline]
    pub(crate) fn now(&self) -> u64 {
        let interval = self.interval();
        let passed = interval.passed(read_counter());
        if passed < interval.ticks {
            return interval.after(passed).max(self.least.load(Ordering::Relaxed));
        }
        self.begin_interval()
    }

    /// The interval in force.
    #[inline]
    fn interval(&self) -> Interval {
        loop {
            let number = self.number.load(Ordering::Acquire);
            let place = &self.intervals[usize::from(number & 1 == 1)];
            let interval = Interval::of(place.each_ref().map(|value| value.load(Ordering::Relaxed)));
            fence(Ordering::Acquire);
            // Its place is written again only when another interval is in force.
            if self.number.load(Ordering::Relaxed) == number {
                return interval;
            }
        }
    }

    /// Reads the system's clock. The next interval begins there, unless another thread begins one.
    #[cold]
    fn begin_interval(&self) -> u64 {
        let begins = self.begins.compare_exchange(false, true, Ordering::Acquire, Ordering::Relaxed).is_ok();
        let last = self.interval();
        let before = read_counter();
        let system = self.system();
        let together = read_counter().wrapping_sub(before);
        let counter = before.wrapping_add(together / 2);
        let now = system.max(last.after(last.passed(counter)));
        let now = now.max(self.least.fetch_max(now, Ordering::Relaxed));
        if begins {
            if together <= TOGETHER {
                last.next(counter, system).into_iter().for_each(|next| self.set(next));
            }
            self.begins.store(false, Ordering::Release);
        }
        now
    }

    fn system(&self) -> u64 {
        let since = self.made.elapsed();
        since.as_secs().saturating_mul(1_000_000_000).saturating_add(since.subsec_nanos().into())
    }

    /// From here on this interval is in force. Called by the thread that begins it.
    fn set(&self, interval: Interval) {
        let number = self.number.load(Ordering::Relaxed).wrapping_add(1);
        fence(Ordering::Release);
        let places = self.intervals[usize::from(number & 1 == 1)].iter().zip(interval.values());
        places.for_each(|(place, value)| place.store(value, Ordering::Relaxed));
        self.number.store(number, Ordering::Release);
    }
}

impl Interval {
    #[inline]
    const fn of([counter, base, system, rate, pace, ticks]: [u64; 6]) -> Self {
        Self { counter, base, system, rate, pace, ticks }
    }

    const fn values(self) -> [u64; 6] {
        let Self { counter, base, system, rate, pace, ticks } = self;
        [counter, base, system, rate, pace, ticks]
    }

    /// How many ticks after the beginning this counter is. The processor may have read it earlier.
    #[inline]
    const fn passed(self, counter: u64) -> u64 {
        let passed = counter.wrapping_sub(self.counter);
        if passed.cast_signed() < 0 { 0 } else { passed }
    }

    /// This clock, this many ticks after the beginning; when the interval is over, it stands still.
    #[inline]
    fn after(self, ticks: u64) -> u64 {
        // An interval has fewer than 2^26 ns, so this is less than 2^58.
        self.base + ((ticks.min(self.ticks) * self.rate) >> POINT)
    }

    /// The interval that begins with these readings. `None`: it is too early to tell a rate.
    fn next(self, counter: u64, system: u64) -> Option<Self> {
        let (ticks, nsec) = (self.passed(counter), system.saturating_sub(self.system));
        if nsec < FIRST {
            return None;
        }
        let pace = part(nsec, 1 << POINT, ticks);
        if pace == 0 || self.pace > 0 && pace.abs_diff(self.pace) > self.pace / ASTRAY {
            return Some(Self { counter, base: system.max(self.after(ticks)), system, ..Self::default() });
        }
        let length = nsec.saturating_mul(2).min(LONGEST);
        let ahead = self.after(ticks).saturating_sub(system);
        // It may take the whole interval to be right again.
        let slower = part(pace, ahead.min(length / 2), length);
        let ticks = part(length, 1 << POINT, pace);
        Some(Self { counter, base: system + ahead, system, rate: pace - slower, pace, ticks })
    }
}

/// `value` · `number` / `of`; 0 if that is nothing or too much.
fn part(value: u64, number: u64, of: u64) -> u64 {
    let product = u128::from(value) * u128::from(number);
    product.checked_div(of.into()).and_then(|part| part.try_into().ok()).unwrap_or(0)
}

/// Whether the kernel uses the counter for its own clock: then it goes on at one rate, on all processors
/// alike.
fn is_a_clock() -> bool {
    cfg!(all(target_arch = "x86_64", not(miri), not(loom))) && is_tsc()
}

fn is_tsc() -> bool {
    const CURRENT: &str = "/sys/devices/system/clocksource/clocksource0/current_clocksource";
    const UNKNOWN: u8 = 2;
    // Threads that are here at once read it once each: a forked child would wait for a thread of its parent.
    static IS_TSC: AtomicU8 = AtomicU8::new(UNKNOWN);
    let known = IS_TSC.load(Ordering::Relaxed);
    if known != UNKNOWN {
        return known != 0;
    }
    let is_tsc = std::fs::read_to_string(CURRENT).is_ok_and(|name| name.trim_end() == "tsc");
    IS_TSC.store(is_tsc.into(), Ordering::Relaxed);
    is_tsc
}

#[inline]
fn read_counter() -> u64 {
    #[cfg(all(target_arch = "x86_64", not(miri)))]
    // SAFETY: every x86-64 processor has the instruction, which reads a register and touches no memory.
    return unsafe { std::arch::x86_64::_rdtsc() };
    #[cfg(not(all(target_arch = "x86_64", not(miri))))]
    0
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    /// Nanoseconds that a reading of the system's clock errs by, at most.
    const ERROR: u64 = 50;

    /// What comes after is not begun before.
    #[allow(unused_unsafe, reason = "older compilers ask for it")]
    fn serialize() {
        #[cfg(all(target_arch = "x86_64", not(miri)))]
        // SAFETY: every x86-64 processor has the instruction, which touches no memory.
        let _ = unsafe { std::arch::x86_64::__cpuid(0) };
    }

    /// A counter of 2.5 ticks a nanosecond, and the intervals of readers that come every so many nanoseconds.
    /// Returns by how much the clock is off, at most, once it goes; it must not go back.
    fn simulate(every: u64, readings: u64, drift: fn(u64) -> u64) -> u64 {
        let (mut interval, mut last, mut worst) = (Interval::default(), 0, 0);
        for nsec in (1..=readings).map(|reading| reading * every) {
            let counter = 2 * nsec + nsec / 2 + drift(nsec);
            let passed = counter - interval.counter;
            let mut now = interval.after(passed);
            if passed >= interval.ticks {
                let system = nsec - (nsec * 7_919) % ERROR;
                match interval.next(counter, system) {
                    Some(next) => (interval, now) = (next, next.base),
                    None => now = now.max(system),
                }
            }
            assert!(now >= last, "{every}: {now} after {last}");
            worst = worst.max(now.abs_diff(nsec));
            last = now;
        }
        assert!(interval.rate > 0, "{every}: it goes");
        worst
    }

    #[test]
    fn the_clock_keeps_to_the_systems_and_does_not_go_back() {
        for (every, readings) in
            [(100, 3_000_000), (999_999, 2_000), (40_000_000, 500), (3_600_000_000_000, 50)]
        {
            let worst = simulate(every, readings, |_| 0);
            assert!(worst <= 5 * ERROR, "every {every} ns: {worst} ns off");
            // Twenty millionths, as a clock that is disciplined from outside.
            let worst = simulate(every, readings, |nsec| nsec / 20_000);
            assert!(worst <= 5 * ERROR, "every {every} ns, with a drift: {worst} ns off");
        }
    }

    #[test]
    fn a_counter_that_has_gone_astray_is_measured_anew() {
        let first = Interval::default().next(2_500_000, 1_000_000).unwrap();
        assert_eq!((first.base, first.rate > 0, first.ticks > 0), (1_000_000, true, true));
        let astray = first.next(9_000_000_000, 3_000_000).unwrap();
        assert_eq!(astray, Interval { counter: 9_000_000_000, base: 3_000_000, system: 3_000_000, ..astray });
        assert_eq!((astray.rate, astray.ticks), (0, 0), "until then the system's clock is read");
        assert_eq!(astray.next(9_000_000_010, 3_000_004), None);
        let again = astray.next(9_002_500_000, 4_000_000).unwrap();
        assert_eq!((again.base, again.pace.abs_diff(first.pace)), (4_000_000, 0));
        assert_eq!(first.next(2_500_000, 3_000_000).unwrap().rate, 0, "it stands still");
    }

    #[test]
    fn what_is_read_lies_between_two_readings_of_the_systems_clock() {
        let Some(ticks) = Ticks::new() else { return };
        let (mut last, mut rated) = (0, 0);
        for _ in 0..300_000 {
            let before = ticks.system();
            let now = ticks.now();
            let after = ticks.system();
            // Each may err a little; a clock of a wrong rate is soon off by more.
            let allowed = 20_000;
            assert!(before <= now + allowed && now <= after + allowed, "{before} {now} {after}");
            assert!(now >= last, "{now} after {last}");
            last = now;
            rated += u32::from(ticks.interval().rate > 0);
        }
        assert!(rated > 0, "the counter was in use");
    }

    #[test]
    fn no_thread_sees_the_clock_go_back_where_several_begin_intervals() {
        for _ in 0..40 {
            let Some(ticks) = Ticks::new() else { return };
            // What all threads have read so far.
            let seen = AtomicU64::new(0);
            std::thread::scope(|scope| {
                for _ in 0..4 {
                    scope.spawn(|| {
                        let mut last = 0;
                        while last < 10_000_000 {
                            let before = seen.load(Ordering::Acquire);
                            serialize();
                            let now = ticks.now();
                            assert!(now >= last, "{now} after {last}");
                            assert!(now >= before, "{now} after another thread's {before}");
                            last = now;
                            seen.fetch_max(now, Ordering::AcqRel);
                        }
                    });
                }
            });
        }
    }
}
