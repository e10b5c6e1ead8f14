//! The stations are changed while requests are in them.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

use super::*;

/// Draws 100 ns for a byte.
struct Hundred;

impl Surroundings for Hundred {
    fn service(&mut self, work: &Work) -> u64 {
        100 * work.input
    }

    fn count(&mut self, _: Counted) {}
}

/// Stations, with the times of the requests that have left, by number.
struct Bench {
    network: Network<usize>,
    sent: usize,
    left: Vec<(usize, Served)>,
}

impl Bench {
    fn new(text: &str) -> Self {
        let config = Config::parse(text).unwrap();
        Self { network: Network::new(&config, config.queue_pairs), sent: 0, left: Vec::new() }
    }

    fn send(&mut self, at: u64, port: usize, input: u64) {
        let work = Work { input, ..Work::of_port(port) };
        let service = (!self.network.has_batches()).then(|| Hundred.service(&work));
        let arrival = Arrival { work, standstill: 0, service, never: false };
        match &mut self.network {
            Network::Direct(direct) => self.left.push((self.sent, direct.arrive(at, &arrival, &mut Hundred))),
            Network::Events(events) => events.enter(at, arrival, self.sent, &mut Hundred),
        }
        self.sent += 1;
    }

    fn advance(&mut self, now: u64) {
        let mut left = Vec::new();
        if let Network::Events(events) = &mut self.network {
            events.advance(now, &mut Hundred, &mut left);
        }
        self.left.extend(left.into_iter().map(|left| (left.content, left.served)));
    }

    fn change(&mut self, now: u64, text: &str) {
        self.advance(now);
        let config = Config::parse(text).unwrap();
        self.network.change(&config, config.queue_pairs, true, now, &mut Hundred);
    }

    /// When each request began and ended.
    fn times(mut self) -> Vec<(u64, u64)> {
        self.advance(u64::MAX);
        self.left.sort_unstable_by_key(|(number, _)| *number);
        assert_eq!((self.left.len(), self.network.len()), (self.sent, 0), "each leaves once");
        self.left.into_iter().map(|(_, served)| (served.started, served.ended)).collect()
    }
}

#[test]
fn requests_that_are_scheduled_keep_their_times_and_occupy_their_servers() {
    let mut bench = Bench::new("compute_units=1;firmware_nsec=10");
    [0, 0].into_iter().for_each(|at| bench.send(at, 0, 1));
    // The front is busy until 20, and the unit until 210.
    bench.change(5, "compute_units=1;firmware_nsec=30;arbitration=round_robin;link_nsec=7");
    bench.send(6, 0, 1);
    assert_eq!(bench.times(), [(10, 110), (110, 210), (210, 317)]);

    let mut bench = Bench::new("compute_units=1;firmware_nsec=10");
    bench.send(0, 0, 1);
    bench.change(5, "compute_units=1;firmware_nsec=300");
    bench.send(6, 0, 1);
    assert_eq!(bench.times(), [(10, 110), (310, 410)], "the front is free at 10");
}

#[test]
fn a_pair_that_comes_while_old_requests_are_served_gets_its_turn() {
    let mut bench = Bench::new("compute_units=1;queue_pairs=2");
    bench.send(0, 1, 10);
    bench.change(0, "compute_units=1;queue_pairs=2;arbitration=round_robin");
    [1, 2].into_iter().for_each(|at| bench.send(at, 1, 1));
    bench.send(3, 0, 1);
    // The unit is free at 1,000, and the turn is the first pair's.
    assert_eq!(bench.times(), [(0, 1_000), (1_100, 1_200), (1_200, 1_300), (1_000, 1_100)]);
}

#[test]
fn what_waits_is_served_by_the_new_numbers() {
    let stations = "compute_units=9;firmware_nsec=10;link_mbps=1000";
    let mut bench = Bench::new(stations);
    [0, 0, 0].into_iter().for_each(|at| bench.send(at, 0, 4));
    bench.advance(12);
    // The second is at the front until 20, and the first on the link until 14: both by the old numbers, and
    // then by the new ones.
    bench.change(12, "compute_units=9;firmware_nsec=50;link_mbps=500;link_nsec=100");
    assert_eq!(bench.times(), [(114, 622), (128, 636), (178, 686)]);
}

#[test]
fn a_batch_that_is_full_by_the_new_number_is_closed() {
    let mut bench = Bench::new("compute_units=1;batch=8;batch_nsec=5000;firmware_nsec=10");
    [0, 0, 0, 0].into_iter().for_each(|at| bench.send(at, 0, 1));
    // Two are in the open batch, and the third and the fourth on the way there.
    bench.change(25, "compute_units=1;batch=2;batch_nsec=5000;firmware_nsec=10");
    assert_eq!(bench.times(), [(25, 225), (25, 225), (225, 425), (225, 425)]);

    let mut bench = Bench::new("compute_units=1;batch=8;batch_nsec=5000;firmware_nsec=10");
    [0, 0, 0].into_iter().for_each(|at| bench.send(at, 0, 1));
    bench.change(25, "compute_units=1;firmware_nsec=10");
    bench.send(26, 0, 1);
    // Each is served alone again; the third has no service time yet.
    assert_eq!(bench.times(), [(25, 225), (25, 225), (225, 325), (325, 425)]);
}

#[test]
fn waiting_requests_go_on_by_the_new_arbitration() {
    let fcfs = "compute_units=1;queue_pairs=2;link_mbps=1000000";
    let mut bench = Bench::new(fcfs);
    [1, 1, 1, 0, 0].into_iter().for_each(|port| bench.send(0, port, 1));
    bench.change(50, &format!("{fcfs};arbitration=round_robin"));
    let started =
        |bench: Bench| bench.times().into_iter().map(|(started, _)| started / 100).collect::<Vec<_>>();
    assert_eq!(started(bench), [0, 2, 4, 1, 3]);
    let mut bench = Bench::new(&format!("{fcfs};arbitration=round_robin"));
    [1, 1, 1, 0, 0].into_iter().for_each(|port| bench.send(0, port, 1));
    bench.change(50, fcfs);
    assert_eq!(started(bench), [1, 2, 3, 0, 4], "in the order of their arrival");
}

#[test]
fn a_limit_and_its_tokens_are_new() {
    let mut bench = Bench::new("compute_units=9;ops_limit=1000000");
    [0, 0].into_iter().for_each(|at| bench.send(at, 0, 1));
    bench.change(10, "compute_units=9;ops_limit=10000000;ops_burst=2");
    [10, 10, 10].into_iter().for_each(|at| bench.send(at, 0, 1));
    bench.change(20, "compute_units=9");
    bench.send(20, 0, 1);
    let started: Vec<u64> = bench.times().into_iter().map(|(started, _)| started).collect();
    assert_eq!(started, [0, 1_000, 10, 10, 110, 20]);
}

/// Requests and changes at random: every request leaves once, begins after it has come, and no more are
/// served at a time than there are units.
#[test]
fn no_request_is_lost_and_no_unit_serves_two_in_any_sequence_of_changes() {
    const CHOICES: [&[&str]; 6] = [
        &["firmware_nsec=0", "firmware_nsec=70", "firmware_nsec=900"],
        &["link_mbps=0", "link_mbps=10", "link_mbps=1000"],
        &["link_nsec=0", "link_nsec=300"],
        &["batch=1;batch_nsec=0", "batch=3;batch_nsec=400", "batch=9;batch_nsec=90"],
        &["arbitration=fcfs", "arbitration=round_robin", "arbitration=weighted:3:1"],
        &["ops_limit=0", "ops_limit=2000000;ops_burst=4"],
    ];
    for seed in 0..400 {
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        let mut below = |count: usize| random.next_u32() as usize % count;
        let any = |below: &mut dyn FnMut(usize) -> usize| {
            let keys: Vec<_> = CHOICES.iter().map(|values| values[below(values.len())]).collect();
            format!("compute_units=2;queue_pairs=3;{}", keys.join(";"))
        };
        let mut bench = Bench::new(&any(&mut below));
        let (mut now, mut came, mut batches) = (0, Vec::new(), false);
        for _ in 0..120 {
            now += below(400) as u64;
            bench.advance(now);
            if below(8) == 0 {
                bench.change(now, &any(&mut below));
            } else {
                let input = 1 + below(9) as u64;
                bench.send(now, below(3), input);
                came.push((now, input));
            }
            batches |= bench.network.has_batches();
        }
        let times = bench.times();
        let mut served = Vec::new();
        for (&(started, ended), &(came, input)) in times.iter().zip(&came) {
            assert!(started >= came && ended >= started + 100, "seed {seed}: {came}, {started}, {ended}");
            served.push(started..started + 100 * input);
        }
        if !batches {
            let at_once = |time: u64| served.iter().filter(|other| other.contains(&time)).count();
            assert!(served.iter().all(|one| at_once(one.start) <= 2), "seed {seed}");
        }
    }
}
