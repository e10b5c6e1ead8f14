//! Measurements while a row runs: operations, their latencies, the thread's processor time, and failures.

use std::time::{Duration, Instant, SystemTime};

use nix::time::{ClockId, clock_gettime};
use simaccel::Error;

use crate::answer::bars::{self, Bin};
use crate::clock::Clock;
use crate::latency::{Latencies, Summary};
use crate::steady::{Counts, Steadiness};
use crate::timeline::{Samples, Timeline};

/// When an operation was to be sent, and when it was.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Asked {
    pub(crate) intended: Instant,
    pub(crate) sent: Instant,
}

impl From<Instant> for Asked {
    fn from(sent: Instant) -> Self {
        Self { intended: sent, sent }
    }
}

/// The same in nanoseconds since the row's start, as the meter has taken it down.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Sent {
    intended: u64,
    sent: u64,
}

/// What a row leaves for the files that are written of it.
#[derive(Clone, Debug)]
pub(crate) struct Recorded {
    pub(crate) began: SystemTime,
    pub(crate) elapsed: Duration,
    /// From the intended time of sending, as in the report.
    pub(crate) latencies: Latencies,
}

pub(crate) struct Meter {
    pub(crate) clock: Clock,
    /// From the intended time of sending; in a closed loop that is the sending.
    latencies: Latencies,
    /// From the sending, where that is not the same.
    services: Option<Latencies>,
    began: SystemTime,
    /// When operations ended.
    done: Counts,
    /// When they were to be sent, where a schedule says so.
    intended: Option<Counts>,
    started: Instant,
    /// The last reading of the clock, and how many nanoseconds since the start that is.
    last: (Instant, u64),
    /// The thread's processor time at the start.
    cpu_at_start: Duration,
    /// When the last operation ended, in nanoseconds since the start.
    ended: u64,
    /// Of the threads that have ended.
    cpu: Duration,
    pub(crate) ops: u64,
    pub(crate) bytes: u64,
    pub(crate) errors: u64,
    pub(crate) mismatches: u64,
    concurrency: Concurrency,
    /// The row over time, where something asks for it.
    pub(crate) timeline: Option<Timeline>,
    pub(crate) first_error: Option<Error>,
}

impl Meter {
    /// In an open loop service times are kept beside latencies.
    pub(crate) fn new(is_open: bool, clock: Clock) -> Self {
        let (latencies, services) = (Latencies::new(), is_open.then(Latencies::new));
        let now = clock.now();
        Self {
            clock,
            latencies,
            services,
            began: SystemTime::now(),
            done: Counts::new(),
            intended: is_open.then(Counts::new),
            started: now,
            last: (now, 0),
            cpu_at_start: Duration::ZERO,
            ended: 0,
            cpu: Duration::ZERO,
            ops: 0,
            bytes: 0,
            errors: 0,
            mismatches: 0,
            concurrency: Concurrency::default(),
            timeline: None,
            first_error: None,
        }
    }

    /// The clock runs from here, or from a moment that threads have agreed on, which may not have come yet.
    pub(crate) fn start(&mut self, agreed: Option<Instant>) -> Instant {
        if let Some(agreed) = agreed {
            std::thread::sleep(agreed.saturating_duration_since(Instant::now()));
        }
        self.cpu_at_start = thread_cpu();
        self.began = SystemTime::now();
        self.started = agreed.unwrap_or_else(|| self.clock.now());
        self.last = (self.started, 0);
        self.started
    }

    /// The thread has ended its part: its processor time counts up to here.
    pub(crate) fn stop(&mut self) {
        self.cpu = thread_cpu().saturating_sub(self.cpu_at_start);
    }

    /// Adds what another thread has measured that started at the same moment, when both have stopped.
    pub(crate) fn add(&mut self, other: Self) {
        self.latencies.add(&other.latencies);
        if let Some((services, others)) = self.services.as_mut().zip(other.services) {
            services.add(&others);
        }
        self.done.add(other.done);
        if let Some((intended, others)) = self.intended.as_mut().zip(other.intended) {
            intended.add(others);
        }
        if let Some((timeline, others)) = self.timeline.as_mut().zip(other.timeline) {
            timeline.add(&others);
        }
        self.began = self.began.min(other.began);
        self.ended = self.ended.max(other.ended);
        self.cpu += other.cpu;
        self.ops += other.ops;
        self.bytes += other.bytes;
        self.errors += other.errors;
        self.mismatches += other.mismatches;
        self.concurrency.area += other.concurrency.area;
        self.first_error = self.first_error.take().or(other.first_error);
    }

    /// Nanoseconds since the start. Operations that share a reading have it converted once.
    fn at(&mut self, now: Instant) -> u64 {
        if now != self.last.0 {
            self.last = (now, nanoseconds(now.saturating_duration_since(self.started)));
        }
        self.last.1
    }

    /// Starts an operation now.
    pub(crate) fn ask_now(&mut self) -> Sent {
        self.ask(self.clock.now().into())
    }

    /// Starts an operation.
    pub(crate) fn ask(&mut self, Asked { intended, sent }: Asked) -> Sent {
        let at = self.at(sent);
        self.concurrency.change(1, at);
        let ahead = if intended == sent { 0 } else { nanoseconds(sent.saturating_duration_since(intended)) };
        Sent { intended: at.saturating_sub(ahead), sent: at }
    }

    /// Counts an operation that is to be sent so long after the start.
    pub(crate) fn intend(&mut self, at: Duration) {
        if let Some(intended) = &mut self.intended {
            intended.record(nanoseconds(at));
        }
    }

    /// `None`: too little was done to tell.
    pub(crate) fn steadiness(&self) -> Option<Steadiness> {
        Steadiness::of(&self.done, self.intended.as_ref(), self.elapsed())
    }

    /// Whether less than `time` had passed at `now`.
    pub(crate) fn is_before(&mut self, now: Instant, time: Duration) -> bool {
        self.at(now) < nanoseconds(time)
    }

    /// Records the end of an operation on `bytes` of input, at this time.
    pub(crate) fn record(&mut self, asked: Sent, now: Instant, bytes: usize, failed: Option<Error>) {
        let at = self.at(now);
        self.ended = at;
        self.ops += 1;
        self.bytes += bytes as u64;
        self.concurrency.change(-1, at);
        self.done.record(at);
        let latency = at.saturating_sub(asked.intended);
        self.latencies.record(latency);
        if let Some(services) = &mut self.services {
            services.record(at.saturating_sub(asked.sent));
        }
        if let Some(timeline) = &mut self.timeline {
            let (at, took) = (Duration::from_nanos(at), Duration::from_nanos(latency));
            timeline.record(at, took, failed.is_some(), self.concurrency.seconds());
        }
        if let Some(error) = failed {
            self.errors += 1;
            self.first_error.get_or_insert(error);
        }
    }

    /// From the start to the end of the last operation.
    pub(crate) const fn elapsed(&self) -> Duration {
        Duration::from_nanos(self.ended)
    }

    /// Little's law: the average number of operations in flight, which is counted and integrated over time;
    /// and their rate times their mean time from sending to end, each measured by itself. The two agree when
    /// no operation was lost, counted twice or timed from another's sending.
    pub(crate) fn littles_law(&self) -> (f64, f64) {
        let elapsed = self.elapsed().as_secs_f64().max(1e-9);
        (
            self.concurrency.seconds() / elapsed,
            self.services.as_ref().unwrap_or(&self.latencies).total().as_secs_f64() / elapsed,
        )
    }

    pub(crate) fn samples(&self) -> Option<Samples> {
        self.timeline.as_ref().map(Timeline::samples)
    }

    /// Shares of the operations, and the latency in microseconds that they did not exceed.
    pub(crate) fn percentiles(&self) -> Vec<(f64, f64)> {
        self.latencies.percentiles()
    }

    pub(crate) fn recorded(&self) -> Recorded {
        Recorded { began: self.began, elapsed: self.elapsed(), latencies: self.latencies.clone() }
    }

    pub(crate) const fn latencies(&self) -> &Latencies {
        &self.latencies
    }

    pub(crate) fn latency(&self) -> Summary {
        self.latencies.summary()
    }

    /// The latencies in a few bins.
    pub(crate) fn bins(&self) -> Vec<Bin> {
        let (min, max, count) = self.latencies.extent();
        bars::bins(min, max, count, |nanos| self.latencies.count_up_to(nanos))
    }

    /// From the sending itself.
    pub(crate) fn service(&self) -> Summary {
        self.services.as_ref().unwrap_or(&self.latencies).summary()
    }

    /// The processor time from the start to [`Meter::stop`], of all threads. In virtual time the thread is
    /// the device, too, so there is none that is the application's.
    pub(crate) fn cpu(&self) -> Option<Duration> {
        (!self.clock.is_virtual()).then_some(self.cpu)
    }
}

fn nanoseconds(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

/// The processor time of the calling thread, in user code and in the kernel. A thread can always read it.
pub(crate) fn thread_cpu() -> Duration {
    clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID).map_or(Duration::ZERO, Duration::from)
}

/// The number in flight over time, and the area under it, in nanoseconds. It knows no operation's latency.
#[derive(Default)]
struct Concurrency {
    in_flight: u64,
    since: u64,
    area: u128,
}

impl Concurrency {
    fn change(&mut self, by: i64, at: u64) {
        // Operations that share a reading change it at once.
        if at != self.since {
            self.area += u128::from(self.in_flight) * u128::from(at.saturating_sub(self.since));
            self.since = at;
        }
        self.in_flight = self.in_flight.saturating_add_signed(by);
    }

    #[expect(clippy::cast_precision_loss, reason = "a mean does not need the last digits of a sum")]
    fn seconds(&self) -> f64 {
        self.area as f64 / 1e9
    }
}
