//! The model of time against queueing theory, in virtual time.
//!
//! Poisson arrivals at load rho on c compute units. Exponential service: the mean wait is Erlang C's.
//! Constant service on one unit: half of the exponential case (Pollaczek and Khinchine). Little's law holds
//! for all.
//!
//! The higher the load, the more the waits are correlated. At load 0.9 the mean of a million waits has a
//! standard error of 2 %, so there are four million, in four runs with a seed each. On sixteen units at load
//! 0.5 hardly one request in a hundred waits at all, and a million waits have a standard error of 5 %: so
//! there are sixteen million.
#![cfg(not(loom))]

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Wake, Waker};
use std::time::Duration;

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use simaccel_device::{
    Config, Delivery, Device, Hash, Operation, QueuePair, Request, Session, SessionId, Status, Ticket,
};

/// Mean service time, in nanoseconds.
const SERVICE: u32 = 100_000;
const REQUESTS: u32 = 1_000_000;

/// The measurements of a run: means, in nanoseconds and requests.
#[derive(Clone, Copy, Default)]
struct Means {
    wait: f64,
    sojourn: f64,
    /// Requests in the system at an arrival: for Poisson arrivals, the mean over time.
    present: f64,
    arrivals_per_nsec: f64,
}

/// Counts finished requests.
#[derive(Default)]
struct Done(AtomicU64);

impl Wake for Done {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

/// Arrivals at a device, one after the other.
struct Generator {
    device: Device,
    pair: QueuePair,
    session: SessionId,
    random: ChaCha8Rng,
    mean_gap: f64,
    /// When the next one arrives.
    due: f64,
    /// Not yet taken, in order of arrival; some of them are done.
    live: VecDeque<Ticket>,
    arrived: u64,
    done: Arc<Done>,
    found: u64,
}

impl Generator {
    fn new(dist: &str, units: u32, load: f64, seed: u64) -> Self {
        let config = format!(
            "queue_pairs=1;depth=262144;compute_units={units};completion_nsec={SERVICE};latency_dist={dist};\
             timing=all;seed={seed}"
        );
        let device = Device::stepped(&Config::parse(&config).unwrap()).unwrap();
        let pair = device.take_queue_pairs().remove(0);
        let session = device.create_session(Session::hash(Hash::Sha256).unwrap());
        let mean_gap = f64::from(SERVICE) / (load * f64::from(units));
        let random = ChaCha8Rng::seed_from_u64(!seed);
        let (live, done) = (VecDeque::new(), Arc::default());
        Self { device, pair, session, random, mean_gap, due: 0.0, live, arrived: 0, done, found: 0 }
    }

    /// Advances to the next arrival; everything that is due before it happens on the way.
    fn next_arrival(&mut self) {
        let unit = (self.random.next_u64() >> 11) as f64 / (1_u64 << 53) as f64;
        self.due -= self.mean_gap * (1.0 - unit).ln();
        let wait = self.due - self.device.now().as_nanos() as f64;
        self.device.advance(Duration::from_secs_f64(wait.max(0.0) / 1e9));
    }

    fn arrive(&mut self) {
        self.next_arrival();
        self.found += self.arrived - self.done.0.load(Ordering::Relaxed);
        self.arrived += 1;
        let request = Request::new(self.session, Operation::Digest, Vec::new());
        let ticket = self.pair.submit(request, Delivery::Wake(Waker::from(Arc::clone(&self.done))));
        let ticket = ticket.expect("deep enough");
        // The device sees it now, not at the next arrival.
        self.device.advance(Duration::ZERO);
        self.live.push_back(ticket);
        self.take_done();
    }

    fn take_done(&mut self) {
        while let Some((_, status)) = self.live.front().and_then(|ticket| self.pair.take(*ticket)) {
            assert_eq!(status, Status::Ok);
            self.live.pop_front();
        }
    }

    fn run(mut self) -> Means {
        (0..REQUESTS).for_each(|_| self.arrive());
        let requests = f64::from(REQUESTS);
        let arrivals_per_nsec = requests / self.device.now().as_nanos() as f64;
        self.device.run_until_idle();
        self.take_done();
        let stats = self.device.stats();
        assert_eq!((stats.timings.queue.count(), stats.total.in_flight), (REQUESTS.into(), 0));
        assert_eq!(stats.total.imbalances(), Vec::<String>::new());
        // A stepped device ends requests exactly when they are due, so queue and service are all of the
        // latency.
        assert_eq!(stats.completion_error.max(), 0);
        let wait = stats.timings.queue.mean();
        let sojourn = wait + stats.timings.service.mean();
        Means { wait, sojourn, present: self.found as f64 / requests, arrivals_per_nsec }
    }
}

/// The mean wait over this many runs.
fn mean_wait(dist: &str, units: u32, load: f64, runs: u32) -> f64 {
    let waits = (0..runs).map(|run| Generator::new(dist, units, load, u64::from(run) + 1).run().wait);
    waits.sum::<f64>() / f64::from(runs)
}

/// The mean wait with exponential service (Erlang 1917), in units of the mean service time.
fn erlang_c(units: u32, load: f64) -> f64 {
    let offered = load * f64::from(units);
    let mut blocking = 1.0;
    for unit in 1..=units {
        blocking = offered * blocking / offered.mul_add(blocking, f64::from(unit));
    }
    let waiting = blocking / (1.0 - load * (1.0 - blocking));
    waiting / (f64::from(units) * (1.0 - load))
}

#[track_caller]
fn assert_within(percent: f64, found: f64, expected: f64, what: &str) {
    let off = 100.0 * (found / expected - 1.0);
    println!("{what}: {found:.2}, theory {expected:.2} ({off:+.2} %)");
    assert!(off.abs() <= percent, "{what}: {found:.2}, not {expected:.2} ({off:+.2} %)");
}

fn exponential_service_on(units: u32) {
    let rare = if units == 16 { 16 } else { 1 };
    for (load, runs) in [(0.5, rare), (0.7, 1), (0.9, 4)] {
        let found = mean_wait("exponential", units, load, runs);
        let expected = erlang_c(units, load) * f64::from(SERVICE);
        assert_within(3.0, found, expected, &format!("M/M/{units} at {load}"));
    }
}

#[test]
fn exponential_service_on_one_unit_waits_as_erlang_c_says() {
    exponential_service_on(1);
}

#[test]
fn exponential_service_on_four_units_waits_as_erlang_c_says() {
    exponential_service_on(4);
}

#[test]
fn exponential_service_on_sixteen_units_waits_as_erlang_c_says() {
    exponential_service_on(16);
}

#[test]
fn constant_service_on_one_unit_waits_half_as_long() {
    for (load, runs) in [(0.5, 1), (0.7, 1), (0.9, 4)] {
        let expected = load / (2.0 * (1.0 - load)) * f64::from(SERVICE);
        let found = mean_wait("constant", 1, load, runs);
        assert_within(3.0, found, expected, &format!("M/D/1 at {load}"));
    }
}

#[test]
fn littles_law_holds() {
    for (dist, units, load) in [("lognormal:100", 4, 0.8), ("exponential", 1, 0.7), ("bimodal:1000", 16, 0.9)]
    {
        let means = Generator::new(dist, units, load, 1).run();
        let expected = means.arrivals_per_nsec * means.sojourn;
        assert_within(1.0, means.present, expected, &format!("L = lambda W, {dist}"));
    }
}
