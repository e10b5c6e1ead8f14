//! The stations of a device as its user sees them: times on a stepped clock, faults, revocations and resets
//! on the way, the limit that refuses submissions, and what is counted.
#![cfg(not(loom))]

mod device_helpers;

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use device_helpers::*;
use simaccel_device::{
    Config, Delivery, Device, QueuePair, RefusedReason, SessionId, Status, Ticket, TicketState,
};

/// A device with two queue pairs, and a session.
fn two_pairs(text: &str) -> (Arc<Device>, Vec<QueuePair>, SessionId) {
    let device = Device::stepped(&config(&format!("queue_pairs=2;{text}"))).expect("the device opens");
    let (pairs, session) = (device.take_queue_pairs(), device.create_session(ctr()));
    (Arc::new(device), pairs, session)
}

/// The numbers of requests, and when they were complete.
type Ends = Arc<Mutex<Vec<(u64, u64)>>>;

fn submit_noted(device: &Arc<Device>, pair: &mut QueuePair, session: SessionId, number: u64, ends: &Ends) {
    let (clock, ends) = (Arc::clone(device), Arc::clone(ends));
    let waker = once(move || ends.lock().expect("not poisoned").push((number, nsec(clock.now()))));
    let _ = submit(pair, request(session, 64, 1), Delivery::Wake(waker));
}

fn nsec(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).expect("a short test")
}

/// When requests of 64 bytes end that are submitted together.
fn ends(text: &str, count: u64) -> Vec<(u64, u64)> {
    let (device, mut pairs, session) = two_pairs(text);
    let ends = Ends::default();
    for number in 0..count {
        submit_noted(&device, &mut pairs[0], session, number, &ends);
    }
    device.run_until_idle();
    assert_balanced(&device);
    ends.lock().expect("not poisoned").clone()
}

#[test]
fn requests_go_from_station_to_station() {
    let whole = "compute_units=2;completion_nsec=1000;firmware_nsec=100;link_mbps=64;link_nsec=50";
    // 64 bytes take 1,000 ns on the link: the front stage is never the limit, and the second unit never
    // works.
    assert_eq!(ends(whole, 3), [(0, 3_200), (1, 4_200), (2, 5_200)]);
    assert_eq!(ends("compute_units=1;completion_nsec=1000;firmware_nsec=3000", 2), [(0, 4_000), (1, 7_000)]);
    assert_eq!(
        ends("batch=4;batch_nsec=500;completion_nsec=1000;compute_units=1", 5)[3..],
        [(3, 1_000), (4, 2_000)]
    );
    assert_eq!(ends("ops_limit=1000000;ops_burst=2;completion_nsec=10", 3), [(0, 10), (1, 10), (2, 1_010)]);
}

#[test]
fn a_step_goes_on_until_a_request_is_complete() {
    let (device, mut pairs, session) =
        two_pairs("compute_units=1;completion_nsec=1000;firmware_nsec=100;link_mbps=64;link_nsec=50");
    let ticket = submit(&mut pairs[0], request(session, 64, 1), Delivery::Silent);
    assert!(device.step(), "it is admitted");
    assert_eq!(device.now(), Duration::ZERO);
    assert!(device.step());
    assert_eq!(
        (device.now().as_nanos(), pairs[0].remote().state(ticket)),
        (3_200, TicketState::Done(Status::Ok))
    );
    assert!(!device.step());
    // An advance that ends on the way stops there.
    let ticket = submit(&mut pairs[0], request(session, 64, 1), Delivery::Silent);
    device.advance(Duration::from_nanos(1_500));
    assert_eq!((device.now().as_nanos(), pairs[0].remote().state(ticket)), (4_700, TicketState::InFlight));
    device.run_until_idle();
    assert_eq!(device.now().as_nanos(), 6_400);
}

#[test]
fn counters_say_what_the_stations_have_done() {
    let (device, mut pairs, session) = two_pairs(
        "batch=2;batch_nsec=500;completion_nsec=1000;firmware_nsec=100;link_mbps=640;ops_limit=2000000;compute_units=1",
    );
    for number in 0..5_usize {
        let _ = submit(&mut pairs[number % 2], request(session, 64, 1), Delivery::Silent);
    }
    device.run_until_idle();
    let stats = device.stats();
    assert_eq!((stats.front_busy_nsec, stats.link_in_busy_nsec, stats.link_out_busy_nsec), (500, 500, 500));
    // One each 500 ns: the second waits for 500 ns, the third for 1,000 and so on; and each is alone in its
    // batch, or joins the one before.
    assert_eq!((stats.limited, stats.limited_nsec), (4, 5_000));
    assert_eq!((stats.batches, stats.units[0].executed), (3, 5));
    assert_eq!(stats.units[0].busy_nsec, 3_000);
    assert_balanced(&device);
}

/// The share of the unit that a pair with this many requests in flight has beside one with 64.
fn share(arbitration: &str, light: u64) -> f64 {
    let text = format!("depth=64;compute_units=1;completion_nsec=1000;arbitration={arbitration}");
    let (device, mut pairs, session) = two_pairs(&text);
    let ends = Ends::default();
    let submit = |pairs: &mut Vec<QueuePair>, number: u64| {
        let pair = &mut pairs[usize::try_from(number).expect("0 or 1")];
        submit_noted(&device, pair, session, number, &ends);
    };
    (0..light).for_each(|_| submit(&mut pairs, 0));
    (0..64).for_each(|_| submit(&mut pairs, 1));
    let mut done = [0_u32; 2];
    while device.now() < Duration::from_millis(2) {
        assert!(device.step());
        let ended = std::mem::take(&mut *ends.lock().expect("not poisoned"));
        for (number, _) in ended {
            done[usize::try_from(number).expect("0 or 1")] += 1;
            submit(&mut pairs, number);
        }
    }
    f64::from(done[0]) / f64::from(done[0] + done[1])
}

#[test]
fn a_light_pair_beside_a_heavy_one_has_its_turn() {
    for (arbitration, light, expected) in [
        ("fcfs", 1, 1.0 / 65.0),
        ("round_robin", 1, 0.5),
        ("weighted:3:1", 8, 0.75),
        ("weighted:1:4", 8, 0.2),
    ] {
        let share = share(arbitration, light);
        assert!((share - expected).abs() < 0.01, "{arbitration}, {light} in flight: {share}, not {expected}");
    }
}

/// Configurations of both ways to compute, which give the same times here.
const BOTH_WAYS: [&str; 2] = ["arbitration=fcfs", "arbitration=round_robin"];

#[test]
fn faults_strike_on_the_way_as_they_do_without_stations() {
    for way in BOTH_WAYS {
        let text = |fault: &str| {
            format!("compute_units=1;completion_nsec=1000;firmware_nsec=10;{way};fault={fault}")
        };
        assert_eq!(ends(&text("stall:nsec=500,nth=1"), 3), [(0, 1_510), (1, 2_510), (2, 3_510)], "{way}");
        assert_eq!(ends(&text("delay:nsec=700,nth=1"), 3), [(0, 1_710), (1, 2_010), (2, 3_010)], "{way}");
        assert_eq!(ends(&text("late:nsec=9000,nth=1"), 3), [(1, 2_010), (2, 3_010), (0, 10_010)], "{way}");
        assert_eq!(ends(&text("timeout:nth=2"), 3), [(0, 1_010), (2, 3_010)], "{way}: it occupies its unit");
    }
}

#[test]
fn the_order_of_a_pair_is_kept_where_its_requests_leave_the_units_in_another() {
    for way in BOTH_WAYS {
        let text = format!("compute_units=4;mbps=64;ordering=fifo;{way}");
        let (device, mut pairs, session) = two_pairs(&text);
        let tickets: Vec<Ticket> = [640, 64, 320, 64]
            .map(|len| submit(&mut pairs[0], request(session, len, 1), Delivery::Silent))
            .into();
        device.advance(Duration::from_nanos(9_999));
        let states =
            |pair: &QueuePair| tickets.iter().map(|ticket| pair.remote().state(*ticket)).collect::<Vec<_>>();
        assert_eq!(states(&pairs[0]), [TicketState::InFlight; 4], "{way}");
        device.advance(Duration::from_nanos(1));
        assert_eq!(states(&pairs[0]), [TicketState::Done(Status::Ok); 4], "{way}");
    }
}

#[test]
fn a_reset_empties_the_stations() {
    for way in BOTH_WAYS {
        let (device, mut pairs, session) =
            two_pairs(&format!("compute_units=1;completion_nsec=1000;firmware_nsec=10;ordering=fifo;{way}"));
        let tickets: Vec<_> =
            (0..6).map(|_| submit(&mut pairs[0], request(session, 64, 1), Delivery::Silent)).collect();
        device.advance(Duration::from_nanos(1_500));
        device.reset();
        let ended = tickets.into_iter().map(|ticket| pairs[0].take(ticket).expect("it ended").1);
        let expected =
            [Status::Ok, Status::Reset, Status::Reset, Status::Reset, Status::Reset, Status::Reset];
        assert_eq!(ended.collect::<Vec<_>>(), expected, "{way}");
        let ticket = submit(&mut pairs[0], request(session, 64, 1), Delivery::Silent);
        device.run_until_idle();
        assert_eq!(device.now().as_nanos(), 2_510, "{way}: all servers are free");
        assert_eq!(pairs[0].take(ticket).expect("it ended").1, Status::Ok);
        assert_balanced(&device);
    }
}

#[test]
fn revoked_requests_keep_their_time_until_there_are_too_many() {
    for way in BOTH_WAYS {
        let (device, mut pairs, session) = two_pairs(&format!("compute_units=1;completion_nsec=1000;{way}"));
        let first = submit(&mut pairs[0], request(session, 64, 1), Delivery::Silent);
        let second = submit(&mut pairs[0], request(session, 64, 1), Delivery::Silent);
        assert!(device.step());
        assert!(pairs[0].remote().revoke(first).is_some());
        device.run_until_idle();
        assert_eq!(device.now().as_nanos(), 2_000, "{way}");
        assert_eq!(pairs[0].take(second).expect("it ended").1, Status::Ok);
        assert_eq!(device.stats().late_completions, 1, "{way}");
    }
    // What is revoked by the thousand takes no memory, and so no time.
    let (device, mut pairs, session) =
        two_pairs("compute_units=1;completion_nsec=1000000;ordering=fifo;arbitration=round_robin");
    let first = submit(&mut pairs[0], request(session, 64, 1), Delivery::Silent);
    for _ in 0..10_000 {
        let ticket = submit(&mut pairs[0], request(session, 64, 1), Delivery::Silent);
        assert!(device.step());
        assert!(pairs[0].remote().revoke(ticket).is_some());
    }
    let last = submit(&mut pairs[0], request(session, 64, 1), Delivery::Silent);
    device.run_until_idle();
    assert!(device.now() < Duration::from_millis(600), "{:?}", device.now());
    assert_eq!(pairs[0].take(first).expect("it ended").1, Status::Ok);
    assert_eq!(pairs[0].take(last).expect("it ended").1, Status::Ok);
    assert_balanced(&device);
}

#[test]
fn a_submission_without_tokens_is_refused_and_takes_none() {
    let (device, mut pairs, session) = two_pairs("ops_limit=1000;ops_burst=2;limit=busy");
    let mut tickets = Vec::new();
    for pair in &mut pairs {
        tickets.push(submit(pair, request(session, 64, 1), Delivery::Silent));
    }
    for pair in [1, 0, 1] {
        let refused = pairs[pair].submit(request(session, 64, 1), Delivery::Silent).expect_err("no tokens");
        assert_eq!(refused.reason, RefusedReason::Full);
    }
    device.advance(Duration::from_nanos(999_999));
    assert!(pairs[0].submit(request(session, 64, 1), Delivery::Silent).is_err());
    device.advance(Duration::from_nanos(1));
    assert!(pairs[0].submit(request(session, 64, 1), Delivery::Silent).is_ok());
    assert!(pairs[1].submit(request(session, 64, 1), Delivery::Silent).is_err());
    device.run_until_idle();
    let stats = device.stats();
    assert_eq!((stats.total.full, stats.total.submitted, stats.total.completed), (5, 3, 3));
    assert_eq!(
        device.now(),
        Duration::from_millis(1),
        "a refused request that is not parked is nothing to wait for"
    );
    assert_balanced(&device);
}

#[test]
fn a_parked_request_is_admitted_when_it_has_its_tokens() {
    let (device, mut pairs, session) = two_pairs("ops_limit=1000;limit=busy;completion_nsec=10");
    let _ = submit(&mut pairs[0], request(session, 64, 1), Delivery::Silent);
    let parked: Vec<_> = (0..3)
        .map(|_| pairs[0].park(request(session, 64, 1), Delivery::Silent).expect("an open device"))
        .collect();
    // The first one is revoked, and costs nothing.
    assert!(pairs[0].remote().revoke(parked[0]).is_some());
    let mut times = Vec::new();
    while device.step() {
        times.push(device.now().as_nanos());
    }
    // Admitted, complete; its tokens, admitted, complete; and once more.
    let expected = [0, 10, 1_000_000, 1_000_000, 1_000_010, 2_000_000, 2_000_000, 2_000_010];
    assert_eq!(times, expected);
    assert_eq!(pairs[0].take(parked[2]).expect("it ended").1, Status::Ok);
    assert_balanced(&device);
}

#[test]
fn a_request_waits_for_its_bytes() {
    let (device, mut pairs, session) =
        two_pairs("bytes_limit=64000000;bytes_burst=64;limit=busy;completion_nsec=10");
    let _ = submit(&mut pairs[0], request(session, 64, 1), Delivery::Silent);
    let small = pairs[0].park(request(session, 16, 1), Delivery::Silent).expect("an open device");
    let large = pairs[0].park(request(session, 640, 1), Delivery::Silent).expect("an open device");
    device.advance(Duration::from_nanos(259));
    assert_eq!(pairs[0].remote().state(small), TicketState::InFlight);
    device.advance(Duration::from_nanos(1));
    assert_eq!(pairs[0].remote().state(small), TicketState::Done(Status::Ok));
    device.run_until_idle();
    // It waits for the full bucket.
    assert_eq!(device.now().as_nanos(), 1_260);
    assert_eq!(pairs[0].take(large).expect("it ended").1, Status::Ok);
}

/// Commands make the worker look all the time whether it is idle, and some tokens come during a look.
#[test]
fn a_drain_waits_for_a_request_that_gets_its_tokens_during_a_look() {
    let text = "queue_pairs=1;ops_limit=100000;limit=busy";
    let device = Device::open(&config(text)).expect("the device opens");
    let mut pair = device.take_queue_pairs().remove(0);
    let session = device.create_session(ctr());
    let ends = AtomicBool::new(false);
    // Acknowledged, so that commands do not pile up.
    let command = || device.set_faults(&[]).expect("a modelled device");
    let mut drain = || {
        let park = |_| pair.park(request(session, 64, 1), Delivery::Silent).expect("an open device");
        let tickets: Vec<_> = (0..40).map(park).collect();
        device.drain();
        tickets.into_iter().all(|ticket| pair.take(ticket).is_some())
    };
    let have_waited = thread::scope(|scope| {
        scope.spawn(|| {
            while !ends.load(Ordering::Relaxed) {
                command()
            }
        });
        let have_waited = (0..200).all(|_| drain());
        ends.store(true, Ordering::Relaxed);
        have_waited
    });
    assert!(have_waited, "a drain has left parked requests behind");
    assert_balanced(&device);
}

#[test]
fn a_worker_admits_what_waits_for_tokens_and_a_drain_waits_for_it() {
    let device = Device::open(&config("queue_pairs=1;ops_limit=2000;limit=busy")).expect("the device opens");
    let mut pair = device.take_queue_pairs().remove(0);
    let session = device.create_session(ctr());
    let mut tickets = vec![submit(&mut pair, request(session, 64, 1), Delivery::Silent)];
    for _ in 0..20 {
        tickets.push(pair.park(request(session, 64, 1), Delivery::Silent).expect("an open device"));
    }
    device.drain();
    for ticket in tickets {
        assert_eq!(pair.take(ticket).expect("the drain has waited for it").1, Status::Ok);
    }
    assert!(device.now() >= Duration::from_millis(10), "20 of them had to wait for 500 µs each");
    assert_balanced(&device);
}

/// The worker goes from event to event of the stations; nothing but its own clock moves requests on.
#[test]
fn a_worker_moves_requests_from_station_to_station() {
    let text = "queue_pairs=2;depth=16;compute_units=2;completion_nsec=2000;firmware_nsec=500;link_mbps=640;\
        link_nsec=1000;batch=4;batch_nsec=20000;ops_limit=500000;arbitration=round_robin;ordering=fifo";
    let device = Device::open(&config(text)).expect("the device opens");
    let mut pairs = device.take_queue_pairs();
    let session = device.create_session(ctr());
    let mut tickets = [Vec::new(), Vec::new()];
    for number in 0..400_usize {
        let (pair, tickets) = (&mut pairs[number % 2], &mut tickets[number % 2]);
        tickets.push(match pair.submit(request(session, 64, 1), Delivery::Silent) {
            Ok(ticket) => ticket,
            Err(full) => pair.park(full.request, Delivery::Silent).expect("an open device"),
        });
    }
    device.drain();
    for (pair, tickets) in pairs.iter_mut().zip(tickets) {
        for ticket in tickets {
            assert_eq!(pair.take(ticket).expect("the drain has waited for it").1, Status::Ok);
        }
    }
    let stats = device.stats();
    assert_eq!(stats.units.iter().map(|unit| unit.executed).sum::<u64>(), 400);
    assert_eq!(
        (stats.front_busy_nsec, stats.link_in_busy_nsec, stats.link_out_busy_nsec),
        (200_000, 40_000, 40_000)
    );
    assert!(device.now() >= Duration::from_nanos(399 * 2_000), "two microseconds each");
    assert_balanced(&device);
}

#[test]
fn a_configuration_says_how_stations_are_computed() {
    assert!(Config::parse("arbitration=weighted:2:1").is_ok_and(|config| !config.is_modelled()));
    for text in [
        "link_nsec=1",
        "link_mbps=0.5",
        "batch=2;batch_nsec=1",
        "ops_limit=1",
        "bytes_limit=1",
        "firmware_nsec=1",
    ] {
        assert!(Config::parse(text).is_ok_and(|config| config.is_modelled()), "{text}");
    }
}
