//! The schedule of a device against an independent event simulator: random configurations and arrivals, and every
//! completion time compared, to the nanosecond.
//!
//! ```text
//!   seed ─► configuration, arrivals ─┬─► stepped device ──────► completion times ─┐
//!                                    └─► event_simulator/ ────► completion times ─┴─► equal
//! ```
//!
//! A case that differs prints its configuration, its arrivals up to the first difference, and the number with
//! which `SCHEDULE_CASE=NUMBER` runs it alone.
#![cfg(not(loom))]

mod device_helpers;
mod event_simulator;

use std::sync::{Arc, Mutex};
use std::task::{Wake, Waker};
use std::time::Duration;

use device_helpers::{Dice, assert_balanced, config};
use event_simulator::{Arrival, Outcome, Service, Setup, Simulator};
use simaccel_device::{
    Cipher, Delivery, Device, Hash, Operation, Padding, QueuePair, RefusedReason, Request, Session, SessionId,
};

/// What completed, and when.
type Log = Arc<Mutex<Vec<(usize, u64)>>>;

/// Notes when a request is complete.
struct Note {
    log: Log,
    clock: Arc<Device>,
    number: usize,
}

impl Wake for Note {
    fn wake(self: Arc<Self>) {
        let now = nsec(self.clock.now());
        self.log.lock().expect("not poisoned").push((self.number, now));
    }
}

fn nsec(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).expect("the clock has 64 bits")
}

/// A stepped device, and one session for each relation between input and output.
struct Bench {
    device: Arc<Device>,
    pairs: Vec<QueuePair>,
    cipher: SessionId,
    hash: SessionId,
    log: Log,
}

impl Bench {
    fn new(setup: &Setup) -> Self {
        let text = format!("{};depth=4096", setup.text());
        let device = Arc::new(Device::stepped(&config(&text)).expect("the device opens"));
        let pairs = device.take_queue_pairs();
        let cipher = Session::cipher(Cipher::Aes128Ctr, &[7; 16], Padding::None).expect("a key");
        let cipher = device.create_session(cipher);
        let hash = device.create_session(Session::hash(Hash::Sha256).expect("no key"));
        Self { device, pairs, cipher, hash, log: Log::default() }
    }

    /// A digest has an output of its own length; a cipher's is as long as its input.
    fn request(&self, arrival: &Arrival) -> Request {
        let text = vec![0; usize::try_from(arrival.input).expect("it fits")];
        if arrival.output == arrival.input {
            let mut request = Request::new(self.cipher, Operation::Encrypt, text);
            request.set_iv(&[3; 16]);
            return request;
        }
        assert_eq!(arrival.output, DIGEST);
        Request::new(self.hash, Operation::Digest, text)
    }

    /// How long each takes when it is alone.
    fn one_at_a_time(mut self, groups: &[Vec<Arrival>]) -> Vec<u64> {
        let alone = |arrival: &Arrival| {
            let (request, before) = (self.request(arrival), self.device.now());
            let _ = device_helpers::submit(&mut self.pairs[0], request, Delivery::Silent);
            self.device.run_until_idle();
            nsec(self.device.now() - before)
        };
        groups.iter().flatten().map(alone).collect()
    }

    /// What becomes of these; the device admits each group at once.
    fn run(mut self, groups: &[Vec<Arrival>]) -> Vec<Outcome> {
        let mut outcomes = Vec::new();
        for group in groups {
            let wait = group[0].at - nsec(self.device.now());
            self.device.advance(Duration::from_nanos(wait));
            for arrival in group {
                let refused = self.submit(outcomes.len(), arrival);
                outcomes.push(refused.then_some(Outcome::Busy));
            }
            // They are admitted now, and not at the next arrival.
            self.device.advance(Duration::ZERO);
        }
        self.device.run_until_idle();
        assert_balanced(&self.device);
        for (number, at) in self.log.lock().expect("not poisoned").drain(..) {
            assert_eq!(outcomes[number].replace(Outcome::Done(at)), None, "request {number} completes once");
        }
        outcomes.into_iter().map(|outcome| outcome.expect("every request has an end")).collect()
    }

    /// `true`: it is refused.
    fn submit(&mut self, number: usize, arrival: &Arrival) -> bool {
        let note = Note { log: Arc::clone(&self.log), clock: Arc::clone(&self.device), number };
        let request = self.request(arrival);
        match self.pairs[arrival.pair].submit(request, Delivery::Wake(Waker::from(Arc::new(note)))) {
            Ok(_) => false,
            Err(refused) if refused.reason == RefusedReason::Full => true,
            Err(other) => panic!("{other:?}"),
        }
    }
}

const DIGEST: u64 = 32;

/// Draws a case: stages that are there with some probability, times that often coincide.
struct Author {
    dice: Dice,
    /// All times are multiples of it, so that much happens at the same time.
    grain: u64,
}

impl Author {
    fn new(case: u64) -> Self {
        let mut dice = Dice(case.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ 0x5eed);
        let grain = [1, 1, 10, 100][dice.roll(4)];
        Self { dice, grain }
    }

    fn below(&mut self, end: u64) -> u64 {
        self.dice.roll(usize::try_from(end).expect("small")) as u64
    }

    fn chance(&mut self, percent: u64) -> bool {
        self.below(100) < percent
    }

    fn pick<T: Clone>(&mut self, all: &[T]) -> T {
        all[self.dice.roll(all.len())].clone()
    }

    /// A time below this.
    fn time(&mut self, below: u64) -> u64 {
        self.below(below) / self.grain * self.grain
    }

    /// Thousandths of a megabyte a second: from slower than the rest to much quicker.
    fn rate(&mut self) -> u64 {
        match self.below(4) {
            0 => 1_000 * (1 + self.below(2_000)),
            1 => 1 + self.below(30_000),
            2 => self.pick(&[1_000_000, 500_000, 10_000, 1_500_000, 1_000_000_000]),
            _ => 1_000 + self.below(4_000_000),
        }
    }

    fn setup(&mut self) -> Setup {
        let nsec = self.time(3_000);
        let rate = if self.chance(40) { self.rate() } else { 0 };
        let mut setup = Setup::plain(Service::linear(nsec, rate));
        setup.queue_pairs = self.pick(&[1, 2, 3, 5]);
        setup.units = self.pick(&[1, 1, 2, 3, 8]);
        setup.fifo = self.chance(25);
        setup
    }

    /// Service times that are spread: the simulator gets them from a device that has one request at a time.
    fn drawn(&mut self, groups: &[Vec<Arrival>]) -> Service {
        let dist = self.pick(&["uniform", "exponential", "normal:20", "lognormal:80", "bimodal:900"]);
        let text =
            format!("completion_nsec={};latency_dist={dist};seed={}", 1 + self.below(3_000), self.below(100));
        let mut setup = Setup::plain(Service::Drawn { text, nsec: Vec::new() });
        let nsec = Bench::new(&setup).one_at_a_time(groups);
        if let Service::Drawn { nsec: drawn, .. } = &mut setup.service {
            *drawn = nsec;
        }
        setup.service
    }

    /// Groups of arrivals at the same time.
    fn arrivals(&mut self, setup: &Setup) -> Vec<Vec<Arrival>> {
        let sizes = self.pick(&[&[0_u64, 16, 64, 100][..], &[64], &[1, 2_048, 333], &[1_024, 2_048]]);
        let gap = self.pick(&[100, 500, 2_000, 8_000]);
        let digests = self.pick(&[0, 0, 50]);
        let heavy = self.pick(&[0, 0, 80]);
        let mut at = 0;
        let mut group = |_| {
            // Bursts, and pauses in which all becomes idle.
            at += match self.below(10) {
                0..3 => 0,
                3..9 => self.time(gap),
                _ => self.time(20 * gap),
            };
            let count = if self.chance(80) { 1 } else { 1 + self.below(5) };
            let mut pairs: Vec<usize> = (0..count).map(|_| self.pair(setup.queue_pairs, heavy)).collect();
            // The order in which the device looks at them.
            pairs.sort_unstable();
            let arrival = |pair| {
                let input = self.pick(sizes);
                let output = if self.chance(digests) { DIGEST } else { input };
                Arrival { at, pair, input, output }
            };
            pairs.into_iter().map(arrival).collect()
        };
        (0..120).map(&mut group).collect()
    }

    /// One of these, the first with this probability in addition.
    fn pair(&mut self, count: usize, heavy: u64) -> usize {
        if self.chance(heavy) { 0 } else { self.dice.roll(count) }
    }
}

fn compare(case: u64) {
    let mut author = Author::new(case);
    let mut setup = author.setup();
    let groups = author.arrivals(&setup);
    if author.chance(30) {
        setup.service = author.drawn(&groups);
    }
    let expected = Simulator::run(&setup, &groups);
    let found = Bench::new(&setup).run(&groups);
    let arrivals = groups.concat();
    let Some(first) = (0..arrivals.len()).find(|&number| found[number] != expected[number]) else { return };
    let lines = (0..arrivals.len()).map(|number| {
        let Arrival { at, pair, input, output } = arrivals[number];
        let (expected, found) = (expected[number], found[number]);
        format!("  {number}: at {at}, pair {pair}, {input} -> {output} bytes: simulator {expected:?}, device {found:?}\n")
    });
    panic!("SCHEDULE_CASE={case}: request {first} differs\n{}\n{}", setup.text(), lines.collect::<String>());
}

const CASES: u64 = 400;

#[test]
fn every_completion_is_when_the_simulator_says() {
    match std::env::var("SCHEDULE_CASE") {
        Ok(case) => compare(case.parse().expect("SCHEDULE_CASE is a number")),
        Err(_) => (0..CASES).for_each(compare),
    }
}
