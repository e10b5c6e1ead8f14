//! Several workers of a modelled device: the first schedules and delivers, the others compute what is large
//! and the functions of calls, and nothing of a request's life changes by it.
#![cfg(not(loom))]

mod device_helpers;

use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;

use device_helpers::{Dice, ctr, expected, finish, is_done, open, request, submit, until};
use simaccel_device::{
    Call, Config, Delivery, Device, DeviceStats, QueuePair, Request, SessionId, Status, Ticket, TicketState,
};

/// Handed over, and not when all others have enough to do.
const LARGE: usize = 64 * 1024;
/// Never computed by the first worker.
const HUGE: usize = 512 * 1024;

fn checked(device: &Device) -> DeviceStats {
    let stats = device.stats();
    assert_eq!(stats.imbalances(), Vec::<String>::new());
    stats
}

fn now(device: &Device) -> u64 {
    u64::try_from(device.now().as_nanos()).unwrap()
}

fn pass(device: &Device, nsec: u64) {
    let then = now(device) + nsec;
    until("the time passes", || now(device) >= then);
}

/// A function that runs from when `begun` says so until `release` is dropped.
struct Running {
    ticket: Ticket,
    begun: Receiver<()>,
    release: Sender<()>,
}

fn call(pair: &mut QueuePair) -> Running {
    let (begins, begun) = channel();
    let (release, released) = channel::<()>();
    let call = Call::new("long", 0, move || {
        begins.send(()).unwrap();
        assert!(released.recv().is_err(), "nothing is sent");
    });
    let ticket = submit(pair, Request::of_call(call), Delivery::Silent);
    Running { ticket, begun, release }
}

/// A function that runs by now.
fn run(pair: &mut QueuePair) -> Running {
    let running = call(pair);
    running.begun.recv().unwrap();
    running
}

fn small(pair: &mut QueuePair, session: SessionId, fill: u8) -> Ticket {
    submit(pair, request(session, 16, fill), Delivery::Silent)
}

#[test]
fn every_result_is_right_whoever_computes_it() {
    let text = "queue_pairs=2;depth=64;compute_units=8;completion_nsec=20000;workers=3;timing=all";
    let (device, mut pairs) = open(text);
    let session = device.create_session(ctr());
    for round in 0..6 {
        let sizes = [16, LARGE, 300, HUGE, LARGE, 4_096, HUGE, LARGE];
        let mut tickets = Vec::new();
        for (n, size) in sizes.into_iter().enumerate() {
            let (index, fill) = (n % 2, u8::try_from(8 * round + n).unwrap());
            tickets.push((
                index,
                size,
                fill,
                submit(&mut pairs[index], request(session, size, fill), Delivery::Silent),
            ));
        }
        for (index, size, fill, ticket) in tickets {
            let (request, status) = finish(&mut pairs[index], ticket);
            assert_eq!((status, request.buffer == expected(size, fill)), (Status::Ok, true), "{size} {fill}");
        }
    }
    let stats = checked(&device);
    let computed: Vec<_> = stats.workers.iter().map(|worker| worker.computed).collect();
    assert_eq!((computed.len(), computed.iter().sum::<u64>()), (3, 48), "{computed:?}");
    assert!(computed[1] + computed[2] >= 12, "the huge ones at least: {computed:?}");
    assert_eq!(stats.timings.service.sum(), 48 * 20_000, "as the model says");
    assert_eq!(stats.completion_error.count(), 48);
}

#[test]
fn a_function_that_runs_long_holds_up_nothing_but_its_own_completion() {
    let (device, mut pairs) = open("queue_pairs=1;completion_nsec=1000;compute_units=4;workers=2;timing=all");
    let session = device.create_session(ctr());
    let long = run(&mut pairs[0]);
    for fill in 0..20 {
        let ticket = small(&mut pairs[0], session, fill);
        assert_eq!(finish(&mut pairs[0], ticket).0.buffer, expected(16, fill));
    }
    assert_eq!(pairs[0].remote().state(long.ticket), TicketState::InFlight, "due for long, and not computed");
    drop(long.release);
    assert_eq!(finish(&mut pairs[0], long.ticket).1, Status::Ok);
    let stats = checked(&device);
    assert_eq!((stats.completion_error.count(), stats.workers[1].computed), (21, 1));
    assert!(stats.host_bound_nsec >= stats.completion_error.max() / 100 * 99, "{stats:?}");
}

#[test]
fn completions_in_order_wait_for_the_one_that_is_computed() {
    for ordering in ["fifo", "reorder:50:2"] {
        let text = format!(
            "queue_pairs=2;completion_nsec=1000;compute_units=4;workers=2;seed=3;ordering={ordering}"
        );
        let (device, mut pairs) = open(&text);
        let session = device.create_session(ctr());
        let long = run(&mut pairs[0]);
        let behind: Vec<_> = (0..5).map(|fill| small(&mut pairs[0], session, fill)).collect();
        let beside = small(&mut pairs[1], session, 9);
        assert_eq!(finish(&mut pairs[1], beside).1, Status::Ok, "another queue pair has its own order");
        pass(&device, 1_000_000);
        let ended = behind.iter().filter(|ticket| is_done(pairs[0].remote(), **ticket)).count();
        assert_eq!(ended, 0, "{ordering}");
        drop(long.release);
        assert_eq!(finish(&mut pairs[0], long.ticket).1, Status::Ok);
        behind.into_iter().for_each(|ticket| assert_eq!(finish(&mut pairs[0], ticket).1, Status::Ok));
        checked(&device);
    }
}

#[test]
fn what_waits_for_another_worker_is_revoked_at_once_and_never_runs() {
    let (device, mut pairs) = open("queue_pairs=1;depth=16;completion_nsec=1000;compute_units=8;workers=2");
    let session = device.create_session(ctr());
    let long = run(&mut pairs[0]);
    // The first is on its way to the other worker, the rest in the backlog.
    let waiting: Vec<_> = (0..4).map(|_| call(&mut pairs[0])).collect();
    let huge = submit(&mut pairs[0], request(session, HUGE, 3), Delivery::Silent);
    let after = small(&mut pairs[0], session, 1);
    assert_eq!(finish(&mut pairs[0], after).1, Status::Ok, "all of them are scheduled");
    for waiting in waiting {
        let mut request = pairs[0].remote().revoke(waiting.ticket).unwrap();
        assert!(!request.call.as_mut().unwrap().has_run());
        drop(request);
        assert!(waiting.begun.recv().is_err(), "dropped, and not run");
    }
    let given_back = pairs[0].remote().revoke(huge).unwrap();
    assert_eq!(given_back.buffer, vec![3; HUGE], "not computed");
    assert_eq!(pairs[0].remote().state(long.ticket), TicketState::InFlight);
    drop(long.release);
    assert_eq!(finish(&mut pairs[0], long.ticket).1, Status::Ok);
    device.drain();
    let stats = checked(&device);
    assert_eq!((stats.total.revoked, stats.workers[1].computed), (5, 1));
    assert_eq!((stats.late_completions, stats.total.in_flight), (5, 0));
}

#[test]
fn submitting_and_revoking_behind_a_long_function_fills_no_memory_and_no_slot() {
    let (device, mut pairs) = open("queue_pairs=1;depth=4;completion_nsec=1000;compute_units=8;workers=2");
    let long = run(&mut pairs[0]);
    for _ in 0..5_000 {
        let mut waiting = Request::of_call(Call::new("waiting", 0, || panic!("it is revoked")));
        // The slot of one that was revoked before the device had met it is free when it meets it.
        let ticket = loop {
            match pairs[0].submit(waiting, Delivery::Silent) {
                Ok(ticket) => break ticket,
                Err(refused) => waiting = refused.request,
            }
            thread::yield_now();
        };
        drop(pairs[0].remote().revoke(ticket).unwrap());
    }
    drop(long.release);
    assert_eq!(finish(&mut pairs[0], long.ticket).1, Status::Ok);
    device.drain();
    assert_eq!(checked(&device).total.revoked, 5_000);
}

#[test]
fn a_reset_ends_what_is_computed_when_its_function_returns_and_all_else_at_once() {
    let (device, mut pairs) = open("queue_pairs=1;completion_nsec=3600000000000;compute_units=64;workers=2");
    let device = Arc::new(device);
    let session = device.create_session(ctr());
    let long = run(&mut pairs[0]);
    let (next, huge) =
        (call(&mut pairs[0]), submit(&mut pairs[0], request(session, HUGE, 3), Delivery::Silent));
    let tickets = [small(&mut pairs[0], session, 1), huge, next.ticket];
    let (resets, reset) = channel();
    let resetting = thread::spawn({
        let device = Arc::clone(&device);
        move || {
            device.reset();
            resets.send(()).unwrap();
        }
    });
    for ticket in tickets {
        assert_eq!(finish(&mut pairs[0], ticket).1, Status::Reset);
    }
    assert!(reset.try_recv().is_err(), "a wake is still to come");
    assert_eq!(pairs[0].remote().state(long.ticket), TicketState::InFlight);
    drop(long.release);
    reset.recv().unwrap();
    resetting.join().unwrap();
    assert!(is_done(pairs[0].remote(), long.ticket), "before the reset returns");
    let (mut request, status) = finish(&mut pairs[0], long.ticket);
    assert_eq!((status, request.call.as_mut().unwrap().has_run()), (Status::Reset, true));
    assert!(next.begun.recv().is_err(), "it has not run, and does not any more");
    let again = run(&mut pairs[0]);
    drop(again.release);
    assert_eq!(checked(&device).resets, 1);
}

#[test]
fn a_fault_resets_and_kills_while_a_function_runs() {
    for (fault, expected) in [("reset", Status::Reset), ("dead", Status::DeviceDead)] {
        let text = format!("queue_pairs=1;compute_units=4;workers=2;fault={fault}:op=encrypt,nth=1");
        let (device, mut pairs) = open(&text);
        let session = device.create_session(ctr());
        let long = run(&mut pairs[0]);
        let hit = small(&mut pairs[0], session, 1);
        assert_eq!(finish(&mut pairs[0], hit).1, expected, "at once");
        drop(long.release);
        assert_eq!(finish(&mut pairs[0], long.ticket).1, expected);
        device.reset();
        let ticket = small(&mut pairs[0], session, 2);
        assert_eq!(finish(&mut pairs[0], ticket).1, Status::Ok);
        checked(&device);
    }
}

#[test]
fn a_device_closes_when_the_function_that_runs_has_returned() {
    let (device, mut pairs) = open("queue_pairs=1;completion_nsec=3600000000000;compute_units=64;workers=3");
    let session = device.create_session(ctr());
    let running = [run(&mut pairs[0]), run(&mut pairs[0])];
    let (next, other) = (call(&mut pairs[0]), small(&mut pairs[0], session, 1));
    let closing = thread::spawn(move || drop(device));
    for ticket in [next.ticket, other] {
        assert_eq!(finish(&mut pairs[0], ticket).1, Status::Closed);
    }
    assert!(!closing.is_finished(), "it waits for both");
    for long in running {
        assert_eq!(pairs[0].remote().state(long.ticket), TicketState::InFlight);
        drop(long.release);
        assert_eq!(finish(&mut pairs[0], long.ticket).1, Status::Closed);
    }
    closing.join().unwrap();
    assert!(next.begun.recv().is_err());
}

#[test]
fn a_function_may_drop_and_reset_the_device_that_runs_it() {
    let device =
        Arc::new(Device::open(&Config::parse("queue_pairs=1;completion_nsec=1;workers=2").unwrap()).unwrap());
    let mut pair = device.take_queue_pairs().remove(0);
    let inside = Arc::clone(&device);
    let (dropped, is_dropped) = channel::<()>();
    let call = Call::new("last", 0, move || {
        let places = (inside.is_inside(), inside.is_worker());
        inside.reset();
        inside.drain();
        is_dropped.recv().unwrap_err();
        drop(inside);
        places
    });
    let ticket = submit(&mut pair, Request::of_call(call), Delivery::Silent);
    drop(device);
    drop(dropped);
    let (request, status) = finish(&mut pair, ticket);
    // The function may return before the device comes to what it has asked for.
    assert!(matches!(status, Status::Ok | Status::Reset | Status::Closed), "{status:?}");
    let places: (bool, bool) = request.call.unwrap().into_result().unwrap().unwrap();
    assert_eq!(places, (true, true));
}

#[test]
fn a_panic_on_another_worker_is_the_end_of_the_device_until_it_is_reset() {
    let (device, mut pairs) = open("queue_pairs=1;completion_nsec=1000;compute_units=8;workers=2");
    let (session, panics) = (device.create_session(ctr()), device.create_panicking_session());
    let ticket = submit(&mut pairs[0], request(panics, HUGE, 1), Delivery::Silent);
    assert_eq!(finish(&mut pairs[0], ticket).1, Status::DeviceDead);
    assert_eq!(checked(&device).deaths, 1);
    device.reset();
    for fill in 0..4 {
        let ticket = submit(&mut pairs[0], request(session, HUGE, fill), Delivery::Silent);
        let (request, status) = finish(&mut pairs[0], ticket);
        assert_eq!((status, request.buffer == expected(HUGE, fill)), (Status::Ok, true));
    }
    assert_eq!((checked(&device).deaths, device.stats().resets), (1, 1));
}

#[test]
fn faults_strike_what_another_worker_computes_as_they_strike_everything() {
    let text = "queue_pairs=1;compute_units=8;workers=2;fault=corrupt:bit=0,every=2;fault=short:bytes=5,every=3;fault=fail:nth=5";
    let (device, mut pairs) = open(text);
    let session = device.create_session(ctr());
    for n in 1..=6 {
        let ticket = submit(&mut pairs[0], request(session, HUGE, n), Delivery::Silent);
        let (request, status) = finish(&mut pairs[0], ticket);
        if n == 5 {
            assert_eq!(status, Status::DeviceError);
            continue;
        }
        let mut right = expected(HUGE, n);
        right[0] ^= u8::from(n % 2 == 0);
        let missing = if n % 3 == 0 { 5 } else { 0 };
        right.truncate(HUGE - missing);
        assert_eq!((status, request.residue), (Status::Ok, missing), "{n}");
        assert!(request.buffer == right, "{n}");
    }
    let faults = checked(&device).faults;
    let counts: Vec<_> = faults.iter().filter(|(_, count)| *count > 0).collect();
    assert_eq!(counts, [("corrupt", 3), ("fail", 1), ("short", 2)]);
}

#[test]
fn a_drain_waits_for_what_another_worker_computes() {
    let (device, mut pairs) = open("queue_pairs=1;completion_nsec=1000;workers=2");
    let device = Arc::new(device);
    let long = run(&mut pairs[0]);
    let draining = thread::spawn({
        let device = Arc::clone(&device);
        move || device.drain()
    });
    pass(&device, 2_000_000);
    assert!(!draining.is_finished());
    drop(long.release);
    draining.join().unwrap();
    assert!(is_done(pairs[0].remote(), long.ticket));
    drop(finish(&mut pairs[0], long.ticket));
}

/// Requests of all kinds, taken back, reset and closed at any moment: each ends once, its text is its own,
/// and the counts add up.
#[test]
fn whatever_is_taken_back_and_reset_at_any_moment_ends_once() {
    let orderings = ["unordered", "fifo", "reorder:20:3"].into_iter().cycle();
    for (seed, ordering) in (0..6).zip(orderings) {
        let text = format!(
            "queue_pairs=2;depth=16;compute_units=8;completion_nsec=5000;workers=3;ordering={ordering};\
             fault=timeout:every=37;fault=reset:every=211;fault=delay:nsec=300000,every=5"
        );
        let (device, pairs) = open(&text);
        let session = device.create_session(ctr());
        let device = Arc::new(device);
        let submitting: Vec<_> = pairs
            .into_iter()
            .map(|pair| {
                let device = Arc::clone(&device);
                thread::spawn(move || submit_and_take_back(&device, pair, session, 7 * seed + 1))
            })
            .collect();
        for _ in 0..20 {
            pass(&device, 300_000);
            device.reset();
        }
        for submitting in submitting {
            submitting.join().unwrap();
        }
        device.reset();
        let stats = checked(&device);
        assert_eq!(stats.total.in_flight, 0);
        assert!(stats.workers[1].computed + stats.workers[2].computed > 0, "{stats:?}");
    }
}

fn submit_and_take_back(device: &Device, mut pair: QueuePair, session: SessionId, seed: u64) {
    let mut dice = Dice(seed + pair.index() as u64);
    let mut in_flight: Vec<(Ticket, usize, u8)> = Vec::new();
    let mut submitted = 0_usize;
    while submitted < 300 {
        let n = submitted;
        let (size, fill) = ([16, 900, LARGE, HUGE][dice.roll(4)], u8::try_from(n % 251).unwrap());
        let request = match dice.roll(8) {
            0 => Request::of_call(Call::new("fill", 64, move || fill)),
            _ => request(session, size, fill),
        };
        let size = if request.call.is_some() { 0 } else { size };
        if let Ok(ticket) = pair.submit(request, Delivery::Silent) {
            in_flight.push((ticket, size, fill));
            submitted += 1;
        } else {
            thread::yield_now();
        }
        if in_flight.is_empty() || dice.roll(3) == 0 {
            continue;
        }
        let (ticket, size, fill) = in_flight.swap_remove(dice.roll(in_flight.len()));
        match dice.roll(20) {
            0 => drop(pair.remote().revoke(ticket).expect("it is nobody else's")),
            1 => check(pair.remote().take(ticket), ticket, &mut in_flight, size, fill),
            _ => {
                let taken = pair.take(ticket);
                check(taken, ticket, &mut in_flight, size, fill);
            }
        }
    }
    device.reset();
    for (ticket, size, fill) in in_flight {
        check(Some(finish(&mut pair, ticket)), ticket, &mut Vec::new(), size, fill);
    }
}

fn check(
    taken: Option<(Request, Status)>,
    ticket: Ticket,
    in_flight: &mut Vec<(Ticket, usize, u8)>,
    size: usize,
    fill: u8,
) {
    match taken {
        None => in_flight.push((ticket, size, fill)),
        Some((request, Status::Ok)) if size == 0 => {
            assert_eq!(request.call.unwrap().into_result::<u8>().unwrap().unwrap(), fill);
        }
        Some((request, Status::Ok)) => assert!(request.buffer == expected(size, fill), "{size} {fill}"),
        Some((_, status)) => assert_eq!(status, Status::Reset),
    }
}

/// As above, and the device is closed in the middle of it.
#[test]
fn whatever_is_under_way_when_the_device_closes_ends() {
    for seed in 0..40 {
        let (device, mut pairs) =
            open("queue_pairs=1;depth=16;compute_units=8;completion_nsec=5000;workers=3;timing=all");
        let session = device.create_session(ctr());
        let mut dice = Dice(seed);
        let tickets: Vec<_> = (0..12)
            .map(|fill| {
                submit(
                    &mut pairs[0],
                    request(session, [16, LARGE, HUGE][dice.roll(3)], fill),
                    Delivery::Silent,
                )
            })
            .collect();
        pass(&device, 50_000 * dice.roll(10) as u64);
        drop(device);
        for ticket in tickets {
            let (_, status) = pairs[0].take(ticket).expect("all has ended when the drop returns");
            assert!(matches!(status, Status::Ok | Status::Closed), "{status:?}");
        }
    }
}

/// A request that is large and does not take long never waits behind a function.
#[test]
fn what_is_large_is_computed_while_all_other_workers_run_functions() {
    let (device, mut pairs) = open("queue_pairs=1;completion_nsec=1000;compute_units=8;workers=3");
    let session = device.create_session(ctr());
    let running = [run(&mut pairs[0]), run(&mut pairs[0])];
    for fill in 0..8 {
        let ticket = submit(&mut pairs[0], request(session, LARGE, fill), Delivery::Silent);
        assert!(finish(&mut pairs[0], ticket).0.buffer == expected(LARGE, fill));
    }
    for long in running {
        drop(long.release);
        assert_eq!(finish(&mut pairs[0], long.ticket).1, Status::Ok);
    }
    let stats = checked(&device);
    assert_eq!(stats.workers.iter().map(|worker| worker.computed).collect::<Vec<_>>(), [8, 1, 1]);
}
