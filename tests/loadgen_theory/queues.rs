//! Poisson arrivals for units of exponential and of constant service: what the report says of them, against
//! closed forms.
//!
//! ```text
//!   rate λ ──► jobs, K at most ──► c units, mean service S, ρ = λ S / c
//!
//!   K large   mean latency = S + wait, mean in flight = λ latency      Erlang C; Crommelin
//!   K = c     dropped / intended                                       Erlang B, for any distribution
//!   K, c = 1  dropped / intended                                       M/M/1/K
//! ```
//!
//! The tolerance is computed. Each figure is the mean over [`RUNS`] independent runs, whose spread gives its
//! standard error; the figure is within four of these, and four of these are a few percent, so a wrong figure
//! is found. Seeds are fixed: what passes once passes always.

use super::erlang::erlang_c;
use super::formulas::{crommelin, erlang_b, full};
use super::{number, row};

/// Independent runs of a queue.
const RUNS: u32 = 16;
/// Intended operations of a run.
const OPS: u32 = 30_000;
/// Mean service time, in microseconds.
const SERVICE: f64 = 50.0;

struct Queue {
    dist: &'static str,
    units: u32,
    load: f64,
    jobs: u32,
}

/// What one run has reported.
struct Found {
    latency: f64,
    in_flight: f64,
    dropped: f64,
}

impl Queue {
    fn rate(&self) -> f64 {
        1e6 / SERVICE * f64::from(self.units) * self.load
    }

    fn run(&self, seed: u32) -> Found {
        let Self { dist, units, jobs, .. } = self;
        let device = format!("completion_nsec=50000;compute_units={units};latency_dist={dist};seed={seed}");
        let pace = format!("--rate {:.0} --ops {OPS} --jobs {jobs} --seed {seed}", self.rate());
        let row = row(&format!("--virtual --mode poll --alg sha256 --size 16 {pace} --device {device}"));
        let [ops, dropped] = ["ops", "dropped"].map(|key| number(&row, key));
        assert_eq!((ops + dropped, number(&row, "late_sends")), (f64::from(OPS), 0.0), "{row}");
        assert_eq!(number(&row, "dropped_late"), 0.0, "virtual time waits for the generator: {row}");
        // In virtual time both sides of Little's law are the same area.
        let [counted, by_latency] =
            ["in_flight", "rate_by_latency"].map(|key| number(&row, &format!("littles_law.{key}")));
        assert!((counted / by_latency - 1.0).abs() < 1e-9, "{row}");
        Found {
            latency: number(&row, "latency_us.mean"),
            in_flight: counted,
            dropped: dropped / f64::from(OPS),
        }
    }

    fn runs(&self) -> Vec<Found> {
        (1..=RUNS).map(|seed| self.run(seed)).collect()
    }
}

/// The mean of one figure over the runs, within four standard errors, which are `percent` at most.
#[track_caller]
fn assert_mean(runs: &[Found], figure: fn(&Found) -> f64, expected: f64, percent: f64, what: &str) {
    let count = f64::from(RUNS);
    let mean = runs.iter().map(figure).sum::<f64>() / count;
    let variance = runs.iter().map(|run| (figure(run) - mean).powi(2)).sum::<f64>() / (count - 1.0);
    let allowed = 4.0 * (variance / count).sqrt();
    println!("{what}: {mean:.4}, theory {expected:.4}, four standard errors {allowed:.4}");
    assert!(
        allowed <= expected * percent / 100.0,
        "{what}: too few operations to find {percent} %: {allowed}"
    );
    assert!((mean - expected).abs() <= allowed, "{what}: {mean}, not {expected} ± {allowed}");
}

/// Waits and the number in flight where nothing is dropped; `wait` is in units of the service time.
#[track_caller]
fn waits(dist: &'static str, units: u32, load: f64, wait: f64) {
    let queue = Queue { dist, units, load, jobs: 2000 };
    let (runs, what) = (queue.runs(), format!("{dist}, {units} units at {load}"));
    assert!(runs.iter().all(|run| run.dropped == 0.0), "{what}");
    let latency = SERVICE * (1.0 + wait);
    assert_mean(&runs, |run| run.latency - SERVICE, latency - SERVICE, 12.0, &format!("wait: {what}"));
    assert_mean(&runs, |run| run.in_flight, queue.rate() * latency / 1e6, 6.0, &format!("in flight: {what}"));
}

#[test]
fn exponential_service_waits_as_erlang_c_says() {
    waits("exponential", 1, 0.6, erlang_c(1, 0.6));
    waits("exponential", 4, 0.8, erlang_c(4, 0.8));
}

#[test]
fn constant_service_waits_as_crommelin_says() {
    waits("constant", 1, 0.7, crommelin(1, 0.7));
    waits("constant", 4, 0.8, crommelin(4, 0.8));
}

/// The share of sends that is dropped, where at most `jobs` are in flight.
#[track_caller]
fn drops(dist: &'static str, units: u32, load: f64, jobs: u32, expected: f64) {
    let (runs, what) =
        (Queue { dist, units, load, jobs }.runs(), format!("{dist}, {units} units, {jobs} jobs"));
    assert_mean(&runs, |run| run.dropped, expected, 6.0, &format!("dropped: {what}"));
    // Nothing waits for a unit where there are as many jobs as units.
    if jobs == units {
        assert_mean(&runs, |run| run.latency, SERVICE, 2.0, &format!("latency: {what}"));
    }
}

#[test]
fn as_many_jobs_as_units_lose_what_erlang_b_says() {
    for dist in ["exponential", "constant"] {
        drops(dist, 4, 0.9, 4, erlang_b(4, 0.9));
    }
}

#[test]
fn a_few_jobs_on_one_unit_lose_what_a_finite_queue_loses() {
    drops("exponential", 1, 0.9, 6, full(6, 0.9));
}
