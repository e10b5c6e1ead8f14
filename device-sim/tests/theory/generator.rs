//! Poisson arrivals at a stepped device, and what they measure.

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

/// The measurements of a run: means, in nanoseconds and requests.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Means {
    /// From the submission until a unit begins.
    pub(crate) wait: f64,
    /// From the submission until the completion.
    pub(crate) sojourn: f64,
    /// Requests in the system at an arrival: for Poisson arrivals, the mean over time.
    pub(crate) present: f64,
    pub(crate) arrivals_per_nsec: f64,
    /// The share of arrivals that were refused.
    pub(crate) refused: f64,
    /// The standard errors of `wait` and `sojourn`.
    pub(crate) error: f64,
    pub(crate) sojourn_error: f64,
}

/// A run is cut into this many parts. Their mean waits are nearly independent, and show the error of the
/// whole.
const PARTS: u32 = 32;

/// Counts completions, and adds up their times.
struct Done {
    device: Arc<Device>,
    count: AtomicU64,
    nsec: AtomicU64,
}

impl Wake for Done {
    fn wake(self: Arc<Self>) {
        self.count.fetch_add(1, Ordering::Relaxed);
        self.nsec.fetch_add(nsec(&self.device), Ordering::Relaxed);
    }
}

fn nsec(device: &Device) -> u64 {
    u64::try_from(device.now().as_nanos()).expect("a run has its end")
}

/// How many bytes the requests have.
#[derive(Clone, Copy)]
pub(crate) enum Sizes {
    /// One of these; each is as likely.
    OneOf(&'static [u32]),
    /// Exponential, with this mean.
    Exponential(u32),
}

/// Arrivals at a device, one after the other.
pub(crate) struct Generator {
    device: Arc<Device>,
    pairs: Vec<QueuePair>,
    session: SessionId,
    random: ChaCha8Rng,
    mean_gap: f64,
    /// When the next one arrives.
    due: f64,
    sizes: Sizes,
    /// Not yet taken, in order of arrival; some of them are done.
    live: VecDeque<(usize, Ticket)>,
    arrived: u64,
    arrived_nsec: u64,
    refused: u64,
    done: Arc<Done>,
    found: u64,
}

impl Generator {
    /// A mean of `mean_gap` nanoseconds between two arrivals.
    pub(crate) fn new(config: &str, mean_gap: f64, seed: u64) -> Self {
        let config = format!("{config};depth=262144;timing=all;seed={seed}");
        let device = Arc::new(Device::stepped(&Config::parse(&config).unwrap()).unwrap());
        let pairs = device.take_queue_pairs();
        let session = device.create_session(Session::hash(Hash::Sha256).unwrap());
        let random = ChaCha8Rng::seed_from_u64(!seed);
        let done = Done { device: Arc::clone(&device), count: AtomicU64::new(0), nsec: AtomicU64::new(0) };
        Self {
            device,
            pairs,
            session,
            random,
            mean_gap,
            due: 0.0,
            sizes: Sizes::OneOf(&[0]),
            live: VecDeque::new(),
            arrived: 0,
            arrived_nsec: 0,
            refused: 0,
            done: Arc::new(done),
            found: 0,
        }
    }

    pub(crate) fn with_sizes(self, sizes: Sizes) -> Self {
        Self { sizes, ..self }
    }

    /// In [0, 1).
    fn unit(&mut self) -> f64 {
        (self.random.next_u64() >> 11) as f64 / (1_u64 << 53) as f64
    }

    fn exponential(&mut self, mean: f64) -> f64 {
        -mean * (1.0 - self.unit()).ln()
    }

    fn choose(&mut self, among: usize) -> usize {
        if among == 1 { 0 } else { self.random.next_u32() as usize % among }
    }

    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a size, rounded")]
    fn size(&mut self) -> usize {
        match self.sizes {
            Sizes::OneOf(sizes) => sizes[self.choose(sizes.len())] as usize,
            Sizes::Exponential(mean) => self.exponential(mean.into()).round() as usize,
        }
    }

    /// Advances to the next arrival; everything that is due before it happens on the way.
    fn next_arrival(&mut self) {
        self.due += self.exponential(self.mean_gap);
        let wait = self.due - self.device.now().as_nanos() as f64;
        self.device.advance(Duration::from_secs_f64(wait.max(0.0) / 1e9));
    }

    fn arrive(&mut self) {
        self.next_arrival();
        let (size, pair) = (self.size(), self.choose(self.pairs.len()));
        let request = Request::new(self.session, Operation::Digest, vec![0; size]);
        let wake = Delivery::Wake(Waker::from(Arc::clone(&self.done)));
        let Ok(ticket) = self.pairs[pair].submit(request, wake) else {
            self.refused += 1;
            return;
        };
        self.found += self.arrived - self.done.count.load(Ordering::Relaxed);
        self.arrived += 1;
        self.arrived_nsec += nsec(&self.device);
        // The device sees it now, not at the next arrival.
        self.device.advance(Duration::ZERO);
        self.live.push_back((pair, ticket));
        self.take_done();
    }

    fn take_done(&mut self) {
        while let Some(&(pair, ticket)) = self.live.front()
            && let Some((_, status)) = self.pairs[pair].take(ticket)
        {
            assert_eq!(status, Status::Ok);
            self.live.pop_front();
        }
    }

    /// The mean wait and sojourn of one part: of the requests that were served in it, and that left in it.
    fn part(&mut self, requests: u32) -> (f64, f64) {
        let (waits, done) = (self.device.stats().timings.queue, self.done.count.load(Ordering::Relaxed));
        let present = self.present_nsec();
        (0..requests).for_each(|_| self.arrive());
        let after = self.device.stats().timings.queue;
        let wait = (after.sum() - waits.sum()) as f64 / (after.count() - waits.count()) as f64;
        let left = self.done.count.load(Ordering::Relaxed) - done;
        (wait, (self.present_nsec() - present) as f64 / left as f64)
    }

    /// How long all requests that have arrived were present, up to now.
    fn present_nsec(&self) -> u64 {
        let present = self.arrived - self.done.count.load(Ordering::Relaxed);
        self.done.nsec.load(Ordering::Relaxed) + present * nsec(&self.device) - self.arrived_nsec
    }

    pub(crate) fn run(mut self, requests: u32) -> Means {
        let parts: Vec<(f64, f64)> = (0..PARTS).map(|_| self.part(requests / PARTS)).collect();
        let arrivals_per_nsec = self.arrived as f64 / nsec(&self.device) as f64;
        self.device.run_until_idle();
        self.take_done();
        let stats = self.device.stats();
        assert_eq!((stats.timings.queue.count(), stats.total.in_flight), (self.arrived, 0));
        assert_eq!(stats.total.imbalances(), Vec::<String>::new());
        // A stepped device ends requests exactly when they are due.
        assert_eq!(stats.completion_error.max(), 0);
        let arrived = self.arrived as f64;
        let sojourn = self.present_nsec() as f64 / arrived;
        let refused = self.refused as f64 / (self.refused as f64 + arrived);
        Means {
            wait: stats.timings.queue.mean(),
            sojourn,
            present: self.found as f64 / arrived,
            arrivals_per_nsec,
            refused,
            error: standard_error(parts.iter().map(|(wait, _)| *wait)),
            sojourn_error: standard_error(parts.iter().map(|(_, sojourn)| *sojourn)),
        }
    }
}

/// Of the mean of these.
fn standard_error(parts: impl ExactSizeIterator<Item = f64> + Clone) -> f64 {
    let count = parts.len() as f64;
    let mean = parts.clone().sum::<f64>() / count;
    let variance = parts.map(|part| (part - mean).powi(2)).sum::<f64>() / (count - 1.0);
    (variance / count).sqrt()
}
