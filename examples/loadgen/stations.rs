//! What each station of a modelled device can do, and how long an operation is on its way when it waits for
//! no other: the two numbers from which a ceiling follows.
//!
//! ```text
//!              token bucket ──► firmware ──► link ──► units ──► link         a rate each: the lowest limits
//!   jobs ─►   └──────────────── alone: the time of one that waits for no other ────────────────┘
//!                at most jobs / alone, and rings / alone, operations a second (Little's law)
//! ```
//!
//! Times come from the counters of the run, so they hold for whatever sizes and distributions it had.

use simaccel_device::{Config, DeviceStats};

/// The most operations a second that one thing allows.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Ceiling {
    pub(crate) of: &'static str,
    pub(crate) ops_per_second: f64,
}

/// The lowest of them; what has no rate limits nothing.
pub(crate) fn lowest(ceilings: &[Ceiling]) -> Option<Ceiling> {
    let real = ceilings.iter().filter(|ceiling| is_rate(ceiling.ops_per_second));
    real.copied().min_by(|one, other| one.ops_per_second.total_cmp(&other.ops_per_second))
}

fn is_rate(rate: f64) -> bool {
    rate.is_finite() && rate > 0.0
}

/// How long one operation takes.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Alone {
    /// Where it waits for no other, in nanoseconds.
    pub(crate) nsec: f64,
    /// While fewer than so many are in flight, each waits for company (a batch, an interrupt for several) ...
    pub(crate) company: u32,
    /// ... for so much longer, in nanoseconds.
    pub(crate) company_nsec: f64,
}

impl Alone {
    /// With so many in flight, in nanoseconds.
    pub(crate) fn with(&self, jobs: usize) -> f64 {
        let waits = usize::try_from(self.company).is_ok_and(|company| jobs < company);
        if waits { self.nsec + self.company_nsec } else { self.nsec }
    }

    /// The most operations a second that so many in flight can have.
    pub(crate) fn rate(&self, jobs: usize) -> f64 {
        as_f64(jobs) * 1e9 / self.with(jobs)
    }
}

/// The stations of a device and their rates, in operations a second, after a run in which it has executed
/// something: by its configuration, or by how long each was busy.
pub(crate) fn rates(config: &Config, stats: &DeviceStats) -> Vec<Ceiling> {
    let executed = as_f64(executed(stats));
    let per_second = |busy_nsec: u64| executed * 1e9 / as_f64(busy_nsec);
    let units = as_f64(config.compute_units()) * per_second(busy(stats));
    let mean_bytes = as_f64(stats.total.bytes) / executed;
    let stations = [
        ("limit", as_f64(config.ops_limit())),
        ("limit", as_f64(config.bytes_limit()) / mean_bytes),
        ("front", per_second(stats.front_busy_nsec)),
        ("link", per_second(stats.link_in_busy_nsec.max(stats.link_out_busy_nsec))),
        ("units", units),
    ];
    // A station that is not configured has no rate: 0 by configuration, none by what it has done.
    let stations = stations.map(|(of, ops_per_second)| Ceiling { of, ops_per_second });
    stations.into_iter().filter(|ceiling| is_rate(ceiling.ops_per_second)).collect()
}

/// The time of an operation that waits for no other. Where wakes are announced (`is_woken`), interrupts for
/// several at once hold up those who wait for company.
pub(crate) fn alone(config: &Config, stats: &DeviceStats, is_woken: bool) -> Alone {
    let executed = as_f64(executed(stats).max(1));
    // A batch serves all of its requests in one time.
    let served = if stats.batches > 0 { as_f64(stats.batches) } else { executed };
    let stages = as_f64(stats.front_busy_nsec + stats.link_in_busy_nsec + stats.link_out_busy_nsec);
    let travel = 2.0 * config.link().as_secs_f64() * 1e9;
    let batch = (config.batch(), config.batch_time().as_secs_f64() * 1e9);
    let interrupt = (config.intc_thresh(), config.intc().as_secs_f64() * 1e9);
    let waits = [Some(batch), is_woken.then_some(interrupt)].into_iter().flatten();
    let longest = waits.filter(|(company, nsec)| *company > 1 && *nsec > 0.0);
    let (company, company_nsec) = longest.max_by(|one, other| one.1.total_cmp(&other.1)).unwrap_or((1, 0.0));
    Alone { nsec: stages / executed + as_f64(busy(stats)) / served + travel, company, company_nsec }
}

/// What the jobs in flight allow, and the rings, where these hold fewer at once.
pub(crate) fn in_flight(alone: &Alone, jobs: usize, held: usize) -> Vec<Ceiling> {
    let mut ceilings = vec![Ceiling { of: "jobs", ops_per_second: alone.rate(jobs) }];
    if held < jobs {
        ceilings.push(Ceiling { of: "rings", ops_per_second: alone.rate(held) });
    }
    ceilings
}

pub(crate) fn executed(stats: &DeviceStats) -> u64 {
    stats.units.iter().map(|unit| unit.executed).sum()
}

pub(crate) fn busy(stats: &DeviceStats) -> u64 {
    stats.units.iter().map(|unit| unit.busy_nsec).sum()
}

#[expect(clippy::cast_precision_loss, reason = "a rate does not need the last digits of a count")]
fn as_f64(count: impl TryInto<u64>) -> f64 {
    count.try_into().unwrap_or(u64::MAX) as f64
}
