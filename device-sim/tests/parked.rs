//! The FIFO of parked requests: its order, its counters, and its end when the device resets, dies or closes.
#![cfg(not(loom))]

mod device_helpers;

use std::sync::{Arc, Barrier, Mutex};
use std::thread;
use std::time::Duration;

use device_helpers::*;
use simaccel_device::{Delivery, Device, QueuePair, RefusedReason, Status, Ticket, TicketState, WakeState};

/// A service time longer than any test.
const AN_HOUR: &str = "queue_pairs=1;depth=2;completion_nsec=3_600_000_000_000";

/// The same device twice: threaded, and stepped.
fn both(text: &str) -> [Device; 2] {
    [Device::open(&config(text)), Device::stepped(&config(text))].map(|device| device.expect("it opens"))
}

/// Parks three requests, one for each delivery, `user_data` 1 to 3.
fn park_each(pair: &mut QueuePair, session: simaccel_device::SessionId, woken: &Arc<Count>) -> [Ticket; 3] {
    let deliveries = [Delivery::Silent, woken.delivery(), Delivery::Reap { owner: 5 }];
    let mut fill = 0;
    deliveries.map(|delivery| {
        fill += 1;
        park(pair, request(session, 64, fill), delivery)
    })
}

/// The wakers of a history, which records their names in the order of their calls.
fn named(history: &Arc<Mutex<Vec<usize>>>, name: usize) -> Delivery {
    let history = Arc::clone(history);
    Delivery::Wake(once(move || history.lock().expect("not poisoned").push(name)))
}

#[test]
fn a_leaked_request_delays_no_other_and_its_slot_is_used_once() {
    for device in both("queue_pairs=1;depth=2") {
        let mut pair = device.take_queue_pairs().remove(0);
        let session = device.create_session(ctr());
        let woken = Count::new();
        for _ in 0..100 {
            for _ in 0..3 {
                let _ = park(&mut pair, request(session, 64, 1), Delivery::Silent);
                let _ = park(&mut pair, request(session, 64, 1), woken.delivery());
            }
            let ticket = park(&mut pair, request(session, 64, 2), Delivery::Silent);
            device.drain();
            assert_eq!(finish(&mut pair, ticket).0.buffer, expected(64, 2));
        }
        let stats = pair.remote().stats();
        assert_eq!((stats.parked, stats.submitted, stats.completed, stats.wakes_sent), (700, 700, 700, 300));
        assert_adds_up(&stats);
        // Both slots are free, and there is no third.
        let bad = simaccel_device::SessionId::NONE;
        for _ in 0..2 {
            let _ = submit(&mut pair, request(bad, 64, 1), Delivery::Reap { owner: 0 });
        }
        device.drain();
        assert!(pair.submit(request(bad, 64, 1), Delivery::Silent).is_err());
    }
}

#[test]
fn parked_requests_are_served_in_order_without_the_revoked() {
    for device in both("queue_pairs=1;depth=2;compute_units=1;completion_nsec=10_000") {
        let mut pair = device.take_queue_pairs().remove(0);
        let session = device.create_session(ctr());
        let remote = pair.remote().clone();
        let history = Arc::new(Mutex::new(Vec::new()));
        let tickets: Vec<_> =
            (0..200).map(|name| park(&mut pair, request(session, 16, 1), named(&history, name))).collect();
        let mut still_parked = 0;
        let mut revoked = Vec::new();
        for (name, ticket) in tickets.iter().enumerate().rev().filter(|(name, _)| name % 3 == 1) {
            still_parked += usize::from(remote.state(*ticket) == TicketState::Parked);
            assert!(remote.revoke(*ticket).is_some());
            revoked.push(name);
        }
        let last = park(&mut pair, request(session, 16, 1), named(&history, 200));
        device.drain();
        assert_eq!(remote.state(last), TicketState::Done(Status::Ok));
        let history = history.lock().expect("not poisoned");
        assert!(history.is_sorted(), "none overtakes: {history:?}");
        for name in 0..=200 {
            // On the threaded device some of those had ended before they were revoked.
            assert!(history.contains(&name) || revoked.contains(&name), "{name} was forgotten");
        }
        if device.is_stepped() {
            assert_eq!((still_parked, history.len()), (67, 134));
        }
        assert_adds_up(&remote.stats());
    }
}

#[test]
fn on_a_stepped_device_the_queue_moves_at_the_times_of_the_model() {
    let (device, mut pair) = stepped("queue_pairs=1;depth=2;compute_units=1;completion_nsec=10_000");
    let session = device.create_session(ctr());
    let device = Arc::new(device);
    let ends = Arc::new(Mutex::new(Vec::new()));
    for _ in 0..4 {
        let (clock, ends) = (Arc::clone(&device), Arc::clone(&ends));
        let waker = once(move || ends.lock().expect("not poisoned").push(clock.now()));
        let _ = park(&mut pair, request(session, 16, 1), Delivery::Wake(waker));
    }
    device.advance(Duration::from_micros(25));
    assert_eq!(ends.lock().expect("not poisoned").len(), 2);
    assert_eq!((pair.remote().stats().submitted, pair.remote().stats().in_flight), (4, 2));
    assert_eq!(device.run_until_idle(), 2, "two ends");
    assert_eq!(*ends.lock().expect("not poisoned"), [10, 20, 30, 40].map(Duration::from_micros));
}

#[test]
fn one_run_serves_a_long_queue() {
    let (device, mut pair) = stepped("queue_pairs=1;depth=2");
    let session = device.create_session(ctr());
    let woken = Count::new();
    for _ in 0..5_000 {
        let _ = park(&mut pair, request(session, 16, 1), woken.delivery());
    }
    device.run_until_idle();
    assert_eq!(woken.calls(), 5_000);
    assert_eq!(pair.remote().stats().completed, 5_000);
    assert!(!device.step());
}

/// A request that is revoked in the middle of a long queue leaves nothing behind.
#[test]
fn revoked_waiters_do_not_count_as_waiting() {
    let (device, mut pair) = stepped("queue_pairs=1;depth=2");
    let session = device.create_session(ctr());
    let running = [0; 2].map(|_| submit(&mut pair, request(session, 16, 1), Delivery::Silent));
    for _ in 0..1_000 {
        let parked = park(&mut pair, request(session, 16, 1), Delivery::Reap { owner: 0 });
        assert!(pair.remote().revoke(parked).is_some());
    }
    device.run_until_idle();
    assert!(running.iter().all(|ticket| pair.take(*ticket).is_some()));
    let next = submit(&mut pair, request(session, 16, 2), Delivery::Silent);
    device.run_until_idle();
    assert_eq!(pair.take(next).expect("done").0.buffer, expected(16, 2));
    let stats = pair.remote().stats();
    assert_eq!((stats.submitted, stats.revoked, stats.parked, stats.wakes_cancelled), (3, 0, 1_000, 1_000));
    assert_adds_up(&stats);
}

#[test]
fn closing_ends_many_parked_requests_with_every_delivery() {
    for device in both(AN_HOUR) {
        let mut pair = device.take_queue_pairs().remove(0);
        let session = device.create_session(ctr());
        let woken = Count::new();
        let in_flight =
            [0, 1].map(|_| submit(&mut pair, request(session, 64, 7), Delivery::Reap { owner: 5 }));
        let parked: Vec<_> = (0..100).flat_map(|_| park_each(&mut pair, session, &woken)).collect();
        let gone = parked.iter().step_by(7).filter_map(|ticket| pair.remote().revoke(*ticket)).count();
        let waking = parked.iter().skip(1).step_by(3);
        let waking = waking.filter(|ticket| pair.remote().state(**ticket) == TicketState::Parked).count();
        assert_eq!(pair.remote().stats().in_flight, 2);
        drop(device);
        assert_eq!(woken.calls(), waking);
        let mut reaped = Vec::new();
        pair.reap(usize::MAX, &mut |completion| reaped.push(completion.ticket));
        assert_eq!(reaped, in_flight, "a parked request has no completion");
        let stats = pair.remote().stats();
        assert_eq!((stats.submitted, stats.failed), (302 - gone as u64, 302 - gone as u64));
        assert_adds_up(&stats);
        for (place, ticket) in parked.into_iter().enumerate() {
            match pair.take(ticket) {
                Some((request, status)) => {
                    assert_eq!((status, request.buffer.len()), (Status::Closed, 64));
                    let fill = u8::try_from(request.user_data).expect("1 to 3");
                    assert_eq!(request.buffer, [fill; 64], "it was not worked on");
                }
                None => assert_eq!(place % 7, 0),
            }
        }
        assert_eq!(Arc::strong_count(&woken), 1, "no waker stays behind");
    }
}

#[test]
fn reset_leaves_parked_requests_which_get_the_slots() {
    for device in both("queue_pairs=1;depth=4;completion_nsec=3_600_000_000_000") {
        let mut pair = device.take_queue_pairs().remove(0);
        let session = device.create_session(ctr());
        let woken = Count::new();
        let first = [0; 4].map(|_| submit(&mut pair, request(session, 64, 7), Delivery::Silent));
        let parked = park_each(&mut pair, session, &woken);
        device.step();
        device.reset();
        for ticket in first {
            assert_eq!(pair.take(ticket).expect("done").1, Status::Reset);
        }
        device.step();
        until("the parked requests' turn", || {
            parked.iter().all(|ticket| pair.remote().state(*ticket) == TicketState::InFlight)
        });
        // Now they are in flight, and end as such.
        device.reset();
        assert_eq!(woken.calls(), 1);
        let mut reaped = 0;
        pair.reap(9, &mut |completion| reaped = completion.user_data);
        assert_eq!(reaped, 3);
        for ticket in parked {
            assert_eq!(pair.take(ticket).expect("done").1, Status::Reset);
        }
        let stats = pair.remote().stats();
        assert_eq!((stats.submitted, stats.failed, stats.in_flight), (7, 7, 0));
        assert_adds_up(&stats);
    }
}

/// Parked requests of a dead device do not get stuck: each ends as dead when it has a slot; under polling,
/// that is at a reap.
#[test]
fn a_dead_device_works_its_line_off() {
    for device in both("queue_pairs=1;depth=2") {
        let mut pair = device.take_queue_pairs().remove(0);
        let (good, bad) = (device.create_session(ctr()), device.create_panicking_session());
        let woken = Count::new();
        for round in 1..=5 {
            let reap = Delivery::Reap { owner: 5 };
            let fatal = park(&mut pair, request(bad, 64, 9), reap.clone());
            let parked: Vec<_> = (0..5).flat_map(|_| park_each_or_none(&mut pair, good, &woken)).collect();
            let mut reaped = Vec::new();
            until("the end of the parked requests", || {
                device.run_until_idle();
                pair.reap(1, &mut |completion| reaped.push(completion.user_data));
                parked.iter().all(|ticket| is_done(pair.remote(), *ticket))
            });
            device.drain();
            pair.reap(usize::MAX, &mut |completion| reaped.push(completion.user_data));
            assert_eq!(reaped[0], 9);
            assert_eq!(reaped.len(), 1 + parked.len() / 3);
            assert_eq!(finish(&mut pair, fatal).1, Status::DeviceDead);
            for ticket in parked {
                assert_eq!(pair.take(ticket).expect("done").1, Status::DeviceDead);
            }
            let refused = pair.park(request(good, 64, 1), reap).expect_err("it is dead");
            assert_eq!((refused.reason, refused.request.user_data), (RefusedReason::DeviceDead, 1));
            assert_eq!(device.stats().deaths, round);
            device.reset();
            let next = park(&mut pair, request(good, 64, 1), Delivery::Silent);
            device.drain();
            assert_eq!(pair.take(next).expect("done").0.buffer, expected(64, 1));
        }
        let stats = pair.remote().stats();
        assert_eq!((stats.submitted, stats.parked, stats.in_flight), (stats.parked, stats.submitted, 0));
        assert_eq!(stats.wakes_sent, woken.calls() as u64);
        assert_adds_up(&stats);
    }
}

/// As [`park_each`], all three or none: the device may die in between.
fn park_each_or_none(
    pair: &mut QueuePair,
    session: simaccel_device::SessionId,
    woken: &Arc<Count>,
) -> Vec<Ticket> {
    let deliveries = [Delivery::Silent, woken.delivery(), Delivery::Reap { owner: 5 }];
    let parked = deliveries.map(|delivery| pair.park(request(session, 64, 1), delivery).ok());
    match parked {
        [Some(silent), Some(waking), Some(reaped)] => vec![silent, waking, reaped],
        some => {
            some.into_iter().flatten().for_each(|ticket| assert!(pair.remote().revoke(ticket).is_some()));
            Vec::new()
        }
    }
}

#[test]
fn reaping_admits_parked_requests() {
    for text in ["queue_pairs=1;depth=2", "queue_pairs=1;depth=2;compute_units=2;completion_nsec=1_000"] {
        for device in both(text) {
            let mut pair = device.take_queue_pairs().remove(0);
            let session = device.create_session(ctr());
            let mut tickets = Vec::new();
            for user_data in 0..1_000 {
                let mut request = request(session, 16, 1);
                request.user_data = user_data;
                tickets.push(park(&mut pair, request, Delivery::Reap { owner: 5 }));
            }
            let mut reaped = Vec::new();
            until("the end of the parked requests", || {
                device.run_until_idle();
                let most = if reaped.len() % 2 == 0 { 1 } else { usize::MAX };
                let count = pair.reap(most, &mut |completion| reaped.push(completion.ticket));
                assert!(count <= 2, "no more than there are slots");
                reaped.len() == tickets.len()
            });
            assert_eq!(reaped, tickets);
            assert!(tickets.iter().all(|ticket| pair.take(*ticket).is_some()));
            let stats = pair.remote().stats();
            assert_eq!((stats.submitted, stats.completed), (1_000, 1_000));
            assert_adds_up(&stats);
        }
    }
}

/// With nothing in flight and no reap, a drain does not wait for requests that are parked behind unreaped
/// completions.
#[test]
fn drain_waits_for_parked_requests_that_can_move() {
    for text in ["queue_pairs=2;workers=2;depth=2", "queue_pairs=2;depth=2;completion_nsec=20_000"] {
        for device in both(text) {
            let mut pairs = device.take_queue_pairs();
            let session = device.create_session(ctr());
            for _ in 0..300 {
                let tickets: Vec<_> = (0..7)
                    .map(|place| {
                        (place % 2, park(&mut pairs[place % 2], request(session, 64, 1), Delivery::Silent))
                    })
                    .collect();
                device.drain();
                for (pair, ticket) in tickets {
                    assert_eq!(pairs[pair].take(ticket).expect("drained").1, Status::Ok);
                }
            }
            let stuck =
                [0; 3].map(|_| park(&mut pairs[0], request(session, 64, 1), Delivery::Reap { owner: 0 }));
            device.drain();
            let states = stuck.map(|ticket| pairs[0].remote().state(ticket));
            let done = TicketState::Done(Status::Ok);
            assert_eq!(states, [done, done, TicketState::Parked]);
            assert_eq!(pairs[0].reap(1, &mut |_| {}), 1);
            device.drain();
            assert_eq!(pairs[0].remote().state(stuck[2]), done);
            assert_adds_up(&device.stats().total);
        }
    }
}

/// As in the submission ring: a command that names a session comes after the requests that were parked before
/// it.
#[test]
fn a_session_is_known_to_the_first_parked_request_that_names_it() {
    let (device, mut pairs) = open("queue_pairs=1;depth=4");
    let first = device.create_session(ctr());
    for round in 0..5_000 {
        let before = park(&mut pairs[0], request(first, 4_096, 1), Delivery::Silent);
        let session = device.create_session(ctr());
        let ticket = park(&mut pairs[0], request(session, 16, 1), Delivery::Silent);
        assert_eq!(finish(&mut pairs[0], ticket).1, Status::Ok, "in round {round}");
        assert_eq!(finish(&mut pairs[0], before).1, Status::Ok);
        device.remove_session(session);
    }
}

/// Parking races with the close: each is refused, or ends as closed or done.
#[test]
fn nothing_parked_while_closing_stays_behind() {
    for round in 0..300 {
        let (device, mut pairs) = open("queue_pairs=2;workers=2;depth=2");
        let session = device.create_session(ctr());
        let together = Barrier::new(3);
        let mut tickets = vec![Vec::new(), Vec::new()];
        let woken = [Count::new(), Count::new()];
        thread::scope(|scope| {
            for ((pair, tickets), woken) in pairs.iter_mut().zip(&mut tickets).zip(&woken) {
                let together = &together;
                scope.spawn(move || {
                    together.wait();
                    while let Ok(ticket) = pair.park(request(session, 16, 1), woken.delivery()) {
                        tickets.push(ticket);
                    }
                });
            }
            together.wait();
            drop(device);
        });
        for ((pair, tickets), woken) in pairs.iter().zip(tickets).zip(woken) {
            let stats = pair.remote().stats();
            let parked = tickets.len() as u64;
            assert_eq!(
                (stats.parked, stats.submitted, stats.in_flight),
                (parked, parked, 0),
                "in round {round}"
            );
            assert_eq!((stats.wakes_sent, stats.wakes_cancelled), (parked, 0), "the refused one has no wake");
            assert!(tickets.iter().all(|ticket| is_done(pair.remote(), *ticket)));
            assert_eq!(woken.calls(), tickets.len());
            assert_eq!(Arc::strong_count(&woken), 1);
            assert_adds_up(&stats);
        }
    }
}

/// The entry in the ring goes with the slot: a request that is revoked while the rest of its batch is
/// computed makes room.
#[test]
fn a_slot_given_back_in_the_middle_of_a_batch_has_room_in_the_ring() {
    let (device, mut pairs) = open("queue_pairs=1;depth=4;completion_nsec=3_600_000_000_000");
    let session = device.create_session(ctr());
    let pair = &mut pairs[0];
    let remote = pair.remote().clone();
    for _ in 0..3_000 {
        let small = submit(pair, request(session, 16, 1), Delivery::Silent);
        let large = [0; 3].map(|_| submit(pair, request(session, 5_000, 1), Delivery::Silent));
        assert!(remote.revoke(small).is_some());
        let mut more = None;
        until("a slot", || {
            more = pair.submit(request(session, 16, 1), Delivery::Silent).ok();
            more.is_some()
        });
        for ticket in large.into_iter().chain(more) {
            assert!(remote.revoke(ticket).is_some());
        }
        until("the discarded ones", || {
            more = pair.submit(request(session, 16, 1), Delivery::Silent).ok();
            more.is_some_and(|ticket| remote.revoke(ticket).is_some())
        });
        device.reset();
    }
    assert_eq!(remote.stats().in_flight, 0);
    assert_adds_up(&remote.stats());
}

#[test]
fn a_wake_is_cancelled_while_parked_and_after() {
    let (device, mut pair) = stepped("queue_pairs=1;depth=2");
    let session = device.create_session(ctr());
    let woken = Count::new();
    let parked = [0; 3].map(|_| park(&mut pair, request(session, 16, 1), woken.delivery()));
    let reaped = park(&mut pair, request(session, 16, 1), Delivery::Reap { owner: 0 });
    assert!(pair.remote().cancel_wake(parked[1]));
    assert!(pair.remote().cancel_wake(reaped));
    device.run_until_idle();
    assert_eq!(woken.calls(), 2);
    assert_eq!(pair.remote().wake_state(parked[1]), WakeState::Cancelled);
    assert_eq!(pair.remote().state(parked[1]), TicketState::Done(Status::Ok));
    assert_eq!(pair.reap(9, &mut |_| {}), 0, "what was cancelled is not handed out, and its slot is free");
    for _ in 0..2 {
        let _ = submit(&mut pair, request(session, 16, 1), Delivery::Silent);
    }
}
