//! The stations, one by one and together; and both ways to compute them give the same times.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

use super::*;

/// Draws 100 ns for a byte of a batch, and keeps what is counted.
#[derive(Default)]
struct Book {
    drawn: Vec<Work>,
    counted: Vec<Counted>,
}

impl Surroundings for Book {
    fn service(&mut self, work: &Work) -> u64 {
        self.drawn.push(*work);
        100 * work.input
    }

    fn count(&mut self, counted: Counted) {
        self.counted.push(counted);
    }
}

fn config(text: &str) -> Config {
    Config::parse(text).unwrap()
}

fn request(port: usize, input: u64, service: u64) -> Arrival {
    let work = Work { input, ..Work::of_port(port) };
    Arrival { work, standstill: 0, service: Some(service), never: false }
}

/// Events, whatever the configuration.
fn events(text: &str) -> Events<usize> {
    let config = config(text);
    let limit = Limit::new(&config).filter(|_| config.limit == LimitMode::Delay);
    Events::new(&config, limit, config.queue_pairs)
}

/// When each of these requests, by its place in the list, begins and has left.
fn times(text: &str, arrivals: &[(u64, Arrival)]) -> Vec<Served> {
    let (mut events, mut book) = (events(text), Book::default());
    for (place, (at, arrival)) in arrivals.iter().enumerate() {
        events.enter(*at, *arrival, place, &mut book);
    }
    let mut left = Vec::new();
    events.advance(u64::MAX, &mut book, &mut left);
    assert_eq!((events.len(), events.next(), left.len()), (0, None, arrivals.len()), "{text}");
    left.sort_unstable_by_key(|left| left.content);
    left.into_iter().map(|left| left.served).collect()
}

/// The same for calls of the first pair, all there at the beginning: size and service time.
fn ends(text: &str, requests: &[(u64, u64)]) -> Vec<u64> {
    let arrivals: Vec<_> =
        requests.iter().map(|(input, service)| (0, request(0, *input, *service))).collect();
    times(text, &arrivals).into_iter().map(|served| served.ended).collect()
}

#[test]
fn each_station_takes_its_time() {
    assert_eq!(ends("compute_units=2", &[(8, 100), (8, 30), (8, 50)]), [100, 30, 80]);
    assert_eq!(ends("firmware_nsec=10;compute_units=4", &[(8, 100), (8, 100), (8, 5)]), [110, 120, 35]);
    assert_eq!(ends("link_nsec=7;compute_units=1", &[(8, 100), (8, 100)]), [114, 214]);
    // A byte a nanosecond each way: the second one's way in is under the first one's service.
    let link = "link_mbps=1000;link_nsec=7;compute_units=1";
    assert_eq!(ends(link, &[(50, 100), (50, 100)]), [50 + 7 + 100 + 50 + 7, 50 + 7 + 200 + 50 + 7]);
    // On the way out they wait for each other, in the order in which they left the units.
    assert_eq!(ends("link_mbps=1000;compute_units=2", &[(50, 100), (20, 10)]), [200, 100]);
    assert_eq!(ends("link_mbps=1000;compute_units=2", &[(50, 10), (20, 10)]), [110, 130]);
    assert_eq!(ends("ops_limit=1000000;ops_burst=2", &[(8, 100), (8, 100), (8, 100)]), [100, 100, 1_100]);
}

#[test]
fn fractions_of_a_nanosecond_are_carried_in_each_direction() {
    let ends = ends("link_mbps=1500;compute_units=1024", &[(64, 0); 6]);
    // 42.67 ns each, twice: the way in of one is the way out of the one before.
    assert_eq!(ends, [42 + 42, 85 + 43, 128 + 43, 170 + 43, 213 + 43, 256 + 43].map(|end| end));
}

#[test]
fn a_stall_occupies_the_unit_and_a_request_that_never_ends_stays_there() {
    let config = "compute_units=1;link_mbps=1000;link_nsec=7";
    let stalled = Arrival { standstill: 40, ..request(0, 10, 100) };
    let never = Arrival { never: true, ..request(0, 10, 100) };
    let served = times(config, &[(0, stalled), (0, never), (0, request(0, 10, 100))]);
    assert_eq!(served[0], Served { started: 17 + 40, ended: 157 + 17 });
    assert_eq!(served[1], Served { started: 157, ended: 257 }, "it is sent nowhere");
    assert_eq!(served[2], Served { started: 257, ended: 357 + 17 });
}

#[test]
fn a_batch_is_closed_when_it_is_full_or_its_time_is_over() {
    let text = "batch=3;batch_nsec=1000;compute_units=1";
    let arrivals: Vec<_> = [0, 10, 20, 30, 1_029, 1_030, 1_031].map(|at| (at, request(0, 1, 0))).into();
    let ends: Vec<_> =
        times(text, &arrivals).into_iter().map(|served| (served.started, served.ended)).collect();
    assert_eq!(ends[..3], [(20, 320); 3], "full at 20");
    // Opened at 30, it is full at 1,030: what arrives when its time is over still joins.
    assert_eq!(ends[3..6], [(1_030, 1_330); 3]);
    assert_eq!(ends[6], (2_031, 2_131));
}

#[test]
fn a_batch_is_one_service_of_all_its_bytes_drawn_for_its_first_request() {
    let (mut events, mut book) = (events("batch=2;batch_nsec=1000;compute_units=1"), Book::default());
    let first = Arrival { standstill: 5, ..request(1, 30, 7) };
    let second = Arrival { standstill: 6, never: true, ..request(2, 12, 7) };
    events.enter(0, first, 0, &mut book);
    events.enter(1, second, 1, &mut book);
    events.enter(2, request(3, 1, 7), 2, &mut book);
    let mut left = Vec::new();
    events.advance(u64::MAX, &mut book, &mut left);
    let drawn: Vec<_> = book.drawn.iter().map(|work| (work.port, work.input)).collect();
    assert_eq!(drawn, [(1, 42), (3, 1)]);
    let mut served: Vec<_> =
        left.iter().map(|left| (left.content, left.served.started, left.served.ended)).collect();
    served.sort_unstable();
    // The last one's batch is closed at 1,002, while the unit is busy.
    assert_eq!(served, [(0, 12, 4_212), (1, 12, 4_212), (2, 4_212, 4_312)]);
    let units = book.counted.iter().filter_map(|counted| match counted {
        Counted::Unit { requests, nsec, .. } => Some((*requests, *nsec)),
        _ => None,
    });
    assert_eq!(units.collect::<Vec<_>>(), [(2, 4_200), (1, 100)]);
}

/// In which order requests begin that arrive together behind one that is being served.
fn order(arbitration: &str, ports: &[usize]) -> Vec<usize> {
    let text = format!("queue_pairs=4;compute_units=1;arbitration={arbitration}");
    let mut arrivals = vec![(0, request(3, 0, 10))];
    arrivals.extend(ports.iter().map(|port| (1, request(*port, 0, 10))));
    let mut begun: Vec<_> = times(&text, &arrivals)
        .iter()
        .zip(&arrivals)
        .map(|(served, (_, of))| (served.started, of.work.port))
        .collect();
    begun.sort_unstable();
    begun.into_iter().skip(1).map(|(_, port)| port).collect()
}

#[test]
fn pairs_that_wait_are_served_in_turn() {
    assert_eq!(order("fcfs", &[0, 0, 1, 0, 1]), [0, 0, 1, 0, 1]);
    assert_eq!(order("round_robin", &[0, 0, 1, 0, 1]), [0, 1, 0, 1, 0]);
    assert_eq!(order("weighted:2:1", &[0, 0, 1, 0, 1]), [0, 0, 1, 0, 1]);
    assert_eq!(order("weighted:1:2", &[0, 0, 1, 0, 1]), [0, 1, 1, 0, 0]);
}

#[test]
fn a_server_chooses_among_all_that_has_arrived_by_then() {
    // At 5 the front stage is free, and two requests arrive; at 10 the unit is, and one of them comes there.
    let text = "queue_pairs=2;compute_units=1;firmware_nsec=5;arbitration=weighted:2:1";
    let arrivals =
        [(0, request(1, 0, 5)), (0, request(1, 0, 5)), (5, request(0, 0, 5)), (5, request(0, 0, 5))];
    let started: Vec<_> = times(text, &arrivals).iter().map(|served| served.started).collect();
    assert_eq!(started, [5, 20, 10, 15]);
}

/// The share of its service that a pair with `light` requests in flight has beside one with 64.
fn share(arbitration: &str, light: usize) -> f64 {
    let mut events = events(&format!("queue_pairs=2;compute_units=1;arbitration={arbitration}"));
    let (mut book, mut left, mut done) = (Book::default(), Vec::new(), [0_u32; 2]);
    let ports = std::iter::repeat_n(0, light).chain(std::iter::repeat_n(1, 64));
    ports.for_each(|port| events.enter(0, request(port, 0, 1_000), port, &mut book));
    while let Some(now) = events.next().filter(|now| *now < 100_000_000) {
        events.advance(now, &mut book, &mut left);
        for ended in left.drain(..) {
            done[ended.content] += 1;
            events.enter(ended.served.ended, request(ended.content, 0, 1_000), ended.content, &mut book);
        }
    }
    f64::from(done[0]) / f64::from(done[0] + done[1])
}

#[test]
fn a_light_pair_beside_a_heavy_one_has_what_the_arbitration_gives_it() {
    for (arbitration, light, expected) in [
        ("fcfs", 1, 1.0 / 65.0),
        ("fcfs", 8, 8.0 / 72.0),
        ("round_robin", 1, 0.5),
        ("weighted:3:1", 8, 0.75),
        ("weighted:1:4", 8, 0.2),
        // It has never two waiting.
        ("weighted:3:1", 1, 0.5),
    ] {
        let share = share(arbitration, light);
        assert!(
            (share - expected).abs() < 0.001,
            "{arbitration}, {light} in flight: {share}, not {expected}"
        );
    }
}

#[test]
fn both_ways_to_compute_give_the_same_times() {
    let random = &mut ChaCha8Rng::seed_from_u64(1);
    let mut among = |ends: std::ops::Range<u64>| ends.start + random.next_u64() % (ends.end - ends.start);
    for case in 0..400 {
        let mut text = format!("compute_units={}", among(1..7));
        for (key, most) in [("firmware_nsec", 30), ("link_nsec", 50), ("ops_limit", 100_000_000)] {
            if among(0..2) == 1 {
                text += &format!(";{key}={}", among(1..most));
            }
        }
        if among(0..2) == 1 {
            text += &format!(
                ";bytes_limit={};bytes_burst={}",
                among(1_000_000_000..9_000_000_000),
                among(1..200)
            );
        }
        let mut at = 0;
        let arrivals: Vec<_> = (0..200)
            .map(|_| {
                // Often the same time, and often a round one, so that there are ties.
                at += [0, 0, 10, among(0..60)][usize::try_from(among(0..4)).unwrap()];
                let service = [0, 10, among(0..200)][usize::try_from(among(0..3)).unwrap()];
                let standstill = if among(0..9) == 0 { 25 } else { 0 };
                let never = among(0..9) == 0;
                (
                    at,
                    Arrival {
                        standstill,
                        never,
                        ..request(usize::try_from(among(0..4)).unwrap(), among(0..100), service)
                    },
                )
            })
            .collect();
        let config = config(&text);
        let Network::Direct(mut direct) = Network::<()>::new(&config, 4) else { panic!("{text}") };
        let mut book = Book::default();
        let expected: Vec<_> =
            arrivals.iter().map(|(at, arrival)| direct.arrive(*at, arrival, &mut book)).collect();
        assert_eq!(times(&text, &arrivals), expected, "case {case}: {text}");
        assert_eq!(step_by_step(&text, &arrivals), expected, "case {case}: {text}");
    }
}

/// As [`times`], for a host that lets the time pass between its requests.
fn step_by_step(text: &str, arrivals: &[(u64, Arrival)]) -> Vec<Served> {
    let (mut events, mut book, mut left) = (events(text), Book::default(), Vec::new());
    for (place, (at, arrival)) in arrivals.iter().enumerate() {
        events.advance(*at, &mut book, &mut left);
        events.enter(*at, *arrival, place, &mut book);
    }
    while let Some(now) = events.next() {
        events.advance(now, &mut book, &mut left);
    }
    left.sort_unstable_by_key(|left| left.content);
    left.into_iter().map(|left| left.served).collect()
}

#[test]
fn what_is_removed_takes_no_time_and_what_is_cleared_is_gone() {
    let (mut events, mut book) = (events("queue_pairs=2;compute_units=1;firmware_nsec=10"), Book::default());
    for place in 0..6 {
        events.enter(0, request(place % 2, 0, 100), place, &mut book);
    }
    let mut left = Vec::new();
    events.advance(25, &mut book, &mut left);
    // The first is at the unit, the second waits for it, the third is at the front.
    let mut removed = events.retain(|place| ![1, 2, 4].contains(place));
    removed.sort_unstable();
    assert_eq!((removed, events.len()), (vec![1, 4], 4), "the third one is begun");
    events.advance(310, &mut book, &mut left);
    let ends: Vec<_> = left.iter().map(|left| (left.content, left.served.ended)).collect();
    assert_eq!(ends, [(0, 110), (2, 210), (3, 310)]);
    assert_eq!((events.clear(), events.len(), events.next()), (vec![5], 0, None));
    events.enter(400, request(0, 0, 100), 9, &mut book);
    left.clear();
    events.advance(510, &mut book, &mut left);
    assert_eq!((left[0].content, left[0].served.ended), (9, 510));
}
