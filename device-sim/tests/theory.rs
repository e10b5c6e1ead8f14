//! The model of time against queueing theory, in virtual time: what a simulator says is worth what its model is.
//!
//! Poisson arrivals at load rho on c compute units. Exponential service: the mean wait is Erlang C's. Constant service
//! on one unit: half of what exponential service gives (Pollaczek and Khinchine). And Little's law for all.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Wake, Waker};
use std::time::Duration;

use device_sim::{
    Config, Delivery, Device, Hash, Operation, QueuePair, Request, Session, SessionId, Status, Ticket,
};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

/// Mean service time, in nanoseconds.
const SERVICE: u32 = 10_000;
const REQUESTS: u32 = 400_000;

/// Notes the device's time when it is woken.
struct Stamp {
    device: Arc<Device>,
    done: Arc<AtomicU64>,
    at: AtomicU64,
}

impl Wake for Stamp {
    fn wake(self: Arc<Self>) {
        self.at.store(nanos(self.device.now()), Ordering::Relaxed);
        self.done.fetch_add(1, Ordering::Relaxed);
    }
}

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap()
}

/// A run: what it measured, in nanoseconds and requests.
struct Run {
    mean_wait: f64,
    /// Requests that an arrival finds in the system: for Poisson arrivals, the mean over time.
    mean_present: f64,
    mean_sojourn: f64,
    arrivals_per_nsec: f64,
}

struct Generator {
    device: Arc<Device>,
    pair: QueuePair,
    session: SessionId,
    random: ChaCha8Rng,
    mean_gap: f64,
    due: f64,
    done: Arc<AtomicU64>,
}

impl Generator {
    fn new(dist: &str, units: u32, load: f64) -> Self {
        let config = format!(
            "queue_pairs=1;depth=262144;compute_units={units};completion_nsec={SERVICE};latency_dist={dist};seed=11"
        );
        let device = Arc::new(Device::stepped(&Config::parse(&config).unwrap()).unwrap());
        let pair = device.take_queue_pairs().remove(0);
        let session = device.create_session(Session::hash(Hash::Sha256).unwrap());
        let mean_gap = f64::from(SERVICE) / (load * f64::from(units));
        let (random, done) = (ChaCha8Rng::seed_from_u64(5), Arc::default());
        Self { device, pair, session, random, mean_gap, due: 0.0, done }
    }

    /// Goes on to the next arrival; everything that is due before it happens on the way.
    fn next_arrival(&mut self) -> u64 {
        let unit = f64::from(self.random.next_u32()) / f64::from(u32::MAX).mul_add(1.0, 1.0);
        self.due -= self.mean_gap * (1.0 - unit).ln();
        let wait = (self.due - nanos(self.device.now()) as f64).max(0.0);
        self.device.advance(Duration::from_secs_f64(wait / 1e9));
        nanos(self.device.now())
    }

    fn submit(&mut self) -> (Ticket, Arc<Stamp>) {
        let (device, done) = (Arc::clone(&self.device), Arc::clone(&self.done));
        let stamp = Arc::new(Stamp { device, done, at: AtomicU64::new(0) });
        let request = Request::new(self.session, Operation::Digest, Vec::new());
        let waker = Waker::from(Arc::clone(&stamp));
        let ticket = self.pair.submit(request, Delivery::Wake(waker)).expect("deep enough");
        // The device meets it now, not at the next arrival.
        self.device.advance(Duration::ZERO);
        (ticket, stamp)
    }

    fn run(mut self) -> Run {
        let mut arrivals = Vec::new();
        let mut found = 0;
        for _ in 0..REQUESTS {
            let arrived = self.next_arrival();
            found += arrivals.len() as u64 - self.done.load(Ordering::Relaxed);
            arrivals.push((arrived, self.submit()));
        }
        self.device.run_until_idle();
        let end = nanos(self.device.now()) as f64;
        let mut sojourn = 0.0;
        for (arrived, (ticket, stamp)) in arrivals {
            assert_eq!(self.pair.take(ticket).unwrap().1, Status::Ok);
            sojourn += (stamp.at.load(Ordering::Relaxed) - arrived) as f64;
        }
        let requests = f64::from(REQUESTS);
        Run {
            mean_wait: sojourn / requests - f64::from(SERVICE),
            mean_present: found as f64 / requests,
            mean_sojourn: sojourn / requests,
            arrivals_per_nsec: requests / end,
        }
    }
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
    assert!(off.abs() <= percent, "{what}: {found:.1}, not {expected:.1} ({off:+.2} %)");
}

#[test]
fn exponential_service_waits_as_erlang_c_says() {
    // About three standard errors of a run: waits hang together the longer, the higher the load.
    for (units, load, percent) in
        [(1, 0.5, 3.0), (1, 0.7, 3.0), (4, 0.7, 3.0), (4, 0.9, 10.0), (16, 0.9, 10.0)]
    {
        let run = Generator::new("exponential", units, load).run();
        let expected = erlang_c(units, load) * f64::from(SERVICE);
        assert_within(percent, run.mean_wait, expected, &format!("M/M/{units} at {load}"));
    }
}

#[test]
fn constant_service_on_one_unit_waits_half_as_long() {
    for load in [0.5, 0.7] {
        let run = Generator::new("constant", 1, load).run();
        let expected = load / (2.0 * (1.0 - load)) * f64::from(SERVICE);
        assert_within(3.0, run.mean_wait, expected, &format!("M/D/1 at {load}"));
    }
}

#[test]
fn littles_law_holds() {
    let run = Generator::new("lognormal:100", 4, 0.8).run();
    let expected = run.arrivals_per_nsec * run.mean_sojourn;
    assert_within(1.0, run.mean_present, expected, "L = lambda W");
}
