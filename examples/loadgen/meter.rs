//! Measurements while a row runs: operations, their latencies, the thread's processor time, and failures.

use std::time::{Duration, Instant, SystemTime};

use nix::time::{ClockId, clock_gettime};
use simaccel::Error;

use crate::answer::bars::{self, Bin};
use crate::clock::Clock;
use crate::failure::Failure;
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
    /// The thread's processor time at the start.
    cpu_at_start: Duration,
    ended: Instant,
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
    pub(crate) fn new(is_open: bool, clock: Clock) -> Result<Self, Failure> {
        let empty = || Latencies::new().map_err(|error| Failure::Run(error.to_string()));
        let (latencies, services) = (empty()?, is_open.then(empty).transpose()?);
        let now = clock.now();
        Ok(Self {
            clock,
            latencies,
            services,
            began: SystemTime::now(),
            done: Counts::new(),
            intended: is_open.then(Counts::new),
            started: now,
            cpu_at_start: Duration::ZERO,
            ended: now,
            cpu: Duration::ZERO,
            ops: 0,
            bytes: 0,
            errors: 0,
            mismatches: 0,
            concurrency: Concurrency { in_flight: 0, since: now, area: 0.0 },
            timeline: None,
            first_error: None,
        })
    }

    /// The clock runs from here, or from a moment that threads have agreed on, which may not have come yet.
    pub(crate) fn start(&mut self, agreed: Option<Instant>) -> Instant {
        if let Some(agreed) = agreed {
            std::thread::sleep(agreed.saturating_duration_since(Instant::now()));
        }
        self.cpu_at_start = thread_cpu();
        self.began = SystemTime::now();
        self.started = agreed.unwrap_or_else(|| self.clock.now());
        self.concurrency.since = self.started;
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

    /// Starts an operation. Returns the time.
    pub(crate) fn ask(&mut self) -> Instant {
        let now = self.clock.now();
        self.ask_at(now);
        now
    }

    /// Starts an operation, at this time.
    pub(crate) fn ask_at(&mut self, now: Instant) {
        self.concurrency.change(1, now);
    }

    /// Counts an operation that is to be sent so long after the start.
    pub(crate) fn intend(&mut self, at: Duration) {
        if let Some(intended) = &mut self.intended {
            intended.record(at);
        }
    }

    /// `None`: too little was done to tell.
    pub(crate) fn steadiness(&self) -> Option<Steadiness> {
        Steadiness::of(&self.done, self.intended.as_ref(), self.elapsed())
    }

    /// Whether less than `time` had passed at `now`.
    pub(crate) fn is_before(&self, now: Instant, time: Duration) -> bool {
        now.duration_since(self.started) < time
    }

    /// Records the end of an operation on `bytes` of input, at this time.
    pub(crate) fn record(&mut self, asked: Asked, now: Instant, bytes: usize, result: Result<(), Error>) {
        self.ended = now;
        self.ops += 1;
        self.bytes += bytes as u64;
        self.concurrency.change(-1, now);
        self.done.record(self.ended.duration_since(self.started));
        self.latencies.record(self.ended.duration_since(asked.intended));
        if let Some(services) = &mut self.services {
            services.record(self.ended.duration_since(asked.sent));
        }
        if let Some(timeline) = &mut self.timeline {
            let (at, took) =
                (self.ended.duration_since(self.started), self.ended.duration_since(asked.intended));
            timeline.record(at, took, result.is_err(), self.concurrency.area);
        }
        if let Err(error) = result {
            self.errors += 1;
            self.first_error.get_or_insert(error);
        }
    }

    /// From the start to the end of the last operation.
    pub(crate) fn elapsed(&self) -> Duration {
        self.ended.duration_since(self.started)
    }

    /// Little's law: the average number of operations in flight, which is counted and integrated over time;
    /// and their rate times their mean time from sending to end, each measured by itself. The two agree when
    /// no operation was lost, counted twice or timed from another's sending.
    pub(crate) fn littles_law(&self) -> (f64, f64) {
        let elapsed = self.elapsed().as_secs_f64().max(1e-9);
        (
            self.concurrency.area / elapsed,
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

/// The processor time of the calling thread, in user code and in the kernel. A thread can always read it.
fn thread_cpu() -> Duration {
    clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID).map_or(Duration::ZERO, Duration::from)
}

/// The number in flight over time: the area under it, in seconds. It knows no operation's latency.
struct Concurrency {
    in_flight: i32,
    since: Instant,
    area: f64,
}

impl Concurrency {
    fn change(&mut self, by: i32, now: Instant) {
        // Operations that share a reading change it at once.
        if now != self.since {
            self.area += f64::from(self.in_flight) * now.duration_since(self.since).as_secs_f64();
            self.since = now;
        }
        self.in_flight += by;
    }
}
