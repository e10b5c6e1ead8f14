//! Measurements while a row runs: operations, their latencies, and failures.

use std::time::{Duration, Instant};

use hdrhistogram::Histogram;
use simaccel::Error;

use crate::failure::Failure;

/// The longest latency that is distinguished: an hour, in nanoseconds.
const LONGEST: u64 = 3_600_000_000_000;

pub(crate) struct Meter {
    latencies: Histogram<u64>,
    started: Instant,
    ended: Instant,
    pub(crate) ops: u64,
    pub(crate) bytes: u64,
    pub(crate) errors: u64,
    pub(crate) mismatches: u64,
    /// The sum of all latencies.
    waited: Duration,
    concurrency: Concurrency,
    pub(crate) first_error: Option<Error>,
}

impl Meter {
    pub(crate) fn new() -> Result<Self, Failure> {
        let latencies =
            Histogram::new_with_bounds(1, LONGEST, 3).map_err(|error| Failure::Run(error.to_string()))?;
        let now = Instant::now();
        Ok(Self {
            latencies,
            started: now,
            ended: now,
            ops: 0,
            bytes: 0,
            errors: 0,
            mismatches: 0,
            waited: Duration::ZERO,
            concurrency: Concurrency { in_flight: 0, since: now, area: 0.0 },
            first_error: None,
        })
    }

    /// The clock runs from here.
    pub(crate) fn start(&mut self) -> Instant {
        self.started = Instant::now();
        self.concurrency.since = self.started;
        self.started
    }

    /// Starts an operation. Returns the time.
    pub(crate) fn ask(&mut self) -> Instant {
        self.concurrency.change(1);
        Instant::now()
    }

    /// Whether less than `time` had passed at `now`.
    pub(crate) fn is_before(&self, now: Instant, time: Duration) -> bool {
        now.duration_since(self.started) < time
    }

    /// Records the end of an operation on `bytes` of input that was started at `asked`. Returns the time.
    pub(crate) fn record(&mut self, asked: Instant, bytes: usize, result: Result<(), Error>) -> Instant {
        self.ended = Instant::now();
        self.ops += 1;
        self.bytes += bytes as u64;
        self.concurrency.change(-1);
        self.waited += self.ended.duration_since(asked);
        let nanos = self.ended.duration_since(asked).as_nanos();
        self.latencies.saturating_record(u64::try_from(nanos).unwrap_or(LONGEST));
        if let Err(error) = result {
            self.errors += 1;
            self.first_error.get_or_insert(error);
        }
        self.ended
    }

    /// From the start to the end of the last operation.
    pub(crate) fn elapsed(&self) -> Duration {
        self.ended.duration_since(self.started)
    }

    /// Little's law: the average number of operations in flight, which is counted and integrated by a clock
    /// of its own; and their rate times their mean latency, each measured from its start to its end. The two
    /// agree when no operation was lost, counted twice or timed wrongly.
    pub(crate) fn littles_law(&self) -> (f64, f64) {
        let elapsed = self.elapsed().as_secs_f64().max(1e-9);
        (self.concurrency.area / elapsed, self.waited.as_secs_f64() / elapsed)
    }

    /// The latency that this share of the operations did not exceed, in microseconds.
    pub(crate) fn latency_us(&self, quantile: f64) -> f64 {
        #[expect(clippy::cast_precision_loss, reason = "an hour in nanoseconds is below 2^53")]
        let nanos = self.latencies.value_at_quantile(quantile) as f64;
        nanos / 1000.0
    }
}

/// The number in flight over time: the area under it, in seconds. It knows no operation's latency.
struct Concurrency {
    in_flight: i32,
    since: Instant,
    area: f64,
}

impl Concurrency {
    fn change(&mut self, by: i32) {
        let now = Instant::now();
        self.area += f64::from(self.in_flight) * now.duration_since(self.since).as_secs_f64();
        self.in_flight += by;
        self.since = now;
    }
}
