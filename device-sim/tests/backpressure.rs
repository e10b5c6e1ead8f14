//! A full queue pair, and the requests that are parked for a slot.
#![cfg(not(loom))]

mod device_helpers;

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use device_helpers::*;
use simaccel_device::{Delivery, RefusedReason, Status, TicketState};

#[test]
fn a_full_pair_gives_everything_back() {
    let (device, mut pair) = stepped("queue_pairs=1;depth=2");
    let session = device.create_session(ctr());
    let woken = Count::new();
    for _ in 0..2 {
        let _ = submit(&mut pair, request(session, 16, 1), Delivery::Silent);
    }
    let refused = pair.submit(request(session, 16, 8), woken.delivery()).expect_err("full");
    assert_eq!(refused.reason, RefusedReason::Full);
    assert_eq!((refused.request.buffer, refused.request.user_data), (vec![8; 16], 8));
    assert!(matches!(refused.delivery, Delivery::Wake(_)));
    device.run_until_idle();
    let _ = submit(&mut pair, request(session, 16, 1), Delivery::Silent);
    let stats = pair.remote().stats();
    assert_eq!((stats.submitted, stats.full), (3, 1));
}

#[test]
fn parked_requests_are_served_in_order_and_none_overtakes() {
    let (device, mut pair) = stepped("queue_pairs=1;depth=2;compute_units=1;completion_nsec=1_000");
    let session = device.create_session(ctr());
    let remote = pair.remote().clone();
    let served = Arc::new(Mutex::new(Vec::new()));
    let note = |fill: u8| {
        let served = Arc::clone(&served);
        Delivery::Wake(once(move || served.lock().expect("not poisoned").push(fill)))
    };
    for fill in 0..2 {
        let _ = submit(&mut pair, request(session, 16, fill), note(fill));
    }
    let parked: Vec<_> = (2..7).map(|fill| park(&mut pair, request(session, 16, fill), note(fill))).collect();
    while remote.state(parked[4]) == TicketState::Parked {
        let refused = pair.submit(request(session, 16, 9), Delivery::Silent).expect_err("others wait");
        assert_eq!(refused.reason, RefusedReason::Full);
        assert!(remote.stats().in_flight <= 2, "no more than two slots");
        assert!(device.step());
    }
    device.run_until_idle();
    let _ = submit(&mut pair, request(session, 16, 9), Delivery::Silent);
    assert_eq!(*served.lock().expect("not poisoned"), [0, 1, 2, 3, 4, 5, 6]);
    assert_eq!(pair.take(parked[4]).expect("done").0.buffer, expected(16, 6));
    assert_eq!((remote.stats().submitted, remote.stats().parked), (8, 5));
}

#[test]
fn parking_with_a_free_slot_is_a_submission() {
    let (device, mut pair) = stepped("queue_pairs=1;depth=2");
    let session = device.create_session(ctr());
    let woken = Count::new();
    let parked = park(&mut pair, request(session, 16, 1), woken.delivery());
    assert_eq!(pair.remote().state(parked), TicketState::Parked);
    assert_eq!(woken.calls(), 0, "no waker is called while its owner parks");
    device.run_until_idle();
    assert_eq!(woken.calls(), 1);
    assert_eq!(pair.take(parked).expect("done").0.buffer, expected(16, 1));
}

#[test]
fn an_abandoned_parked_request_delays_no_other() {
    let (device, mut pair) = stepped("queue_pairs=1;depth=2");
    let session = device.create_session(ctr());
    for _ in 0..100 {
        let _abandoned = park(&mut pair, request(session, 16, 1), Delivery::Silent);
    }
    let last = park(&mut pair, request(session, 16, 2), Delivery::Silent);
    device.run_until_idle();
    assert_eq!(pair.take(last).expect("done").1, Status::Ok);
}

#[test]
fn a_dead_device_ends_parked_requests_and_takes_no_more() {
    let (device, mut pair) = stepped("queue_pairs=1;depth=2");
    let (good, bad) = (device.create_session(ctr()), device.create_panicking_session());
    for _ in 0..2 {
        let _ = submit(&mut pair, request(bad, 16, 1), Delivery::Silent);
    }
    let parked: Vec<_> = (0..5).map(|_| park(&mut pair, request(good, 16, 1), Delivery::Silent)).collect();
    device.run_until_idle();
    for ticket in parked {
        assert_eq!(pair.take(ticket).expect("done").1, Status::DeviceDead);
    }
    let refused = pair.park(request(good, 16, 7), Delivery::Reap { owner: 4 }).expect_err("dead");
    assert_eq!((refused.reason, refused.request.user_data), (RefusedReason::DeviceDead, 7));
    assert!(matches!(refused.delivery, Delivery::Reap { owner: 4 }));
    device.reset();
    let ticket = park(&mut pair, request(good, 16, 1), Delivery::Silent);
    device.run_until_idle();
    assert_eq!(pair.take(ticket).expect("done").1, Status::Ok);
    assert_adds_up(&pair.remote().stats());
}

#[test]
fn closing_ends_parked_requests_too() {
    let (device, mut pair) = stepped("queue_pairs=1;depth=2;completion_nsec=1_000");
    let session = device.create_session(ctr());
    let woken = Count::new();
    for _ in 0..2 {
        let _ = submit(&mut pair, request(session, 16, 1), Delivery::Reap { owner: 0 });
    }
    let parked = [woken.delivery(), Delivery::Reap { owner: 0 }]
        .map(|delivery| park(&mut pair, request(session, 16, 1), delivery));
    drop(device);
    for ticket in parked {
        assert_eq!(pair.take(ticket).expect("done").1, Status::Closed);
    }
    assert_eq!(woken.calls(), 1);
    assert_eq!(pair.reap(9, &mut |_| {}), 2, "those that had a slot");
    let refused = pair.park(request(session, 16, 1), Delivery::Silent).expect_err("closed");
    assert_eq!(refused.reason, RefusedReason::Closed);
    assert_adds_up(&pair.remote().stats());
}

#[test]
fn under_polling_a_slot_is_free_when_its_completion_is_reaped() {
    let (device, mut pair) = stepped("queue_pairs=1;depth=2");
    let session = device.create_session(ctr());
    let tickets =
        [1, 2].map(|fill| submit(&mut pair, request(session, 16, fill), Delivery::Reap { owner: 0 }));
    device.run_until_idle();
    assert!(pair.take(tickets[0]).is_some(), "the result can be taken first");
    assert!(pair.submit(request(session, 16, 3), Delivery::Silent).is_err(), "and the slot is still used");
    let parked = park(&mut pair, request(session, 16, 3), Delivery::Silent);
    assert!(!device.step(), "nor is it free for a parked request");
    assert_eq!(pair.remote().state(parked), TicketState::Parked);
    let mut reaped = Vec::new();
    assert_eq!(pair.reap(9, &mut |completion| reaped.push(completion.user_data)), 1);
    assert_eq!(reaped, [2]);
    device.run_until_idle();
    assert_eq!(pair.take(parked).expect("done").0.buffer, expected(16, 3));
}

/// Abandoned requests must not exhaust the ring, whatever state they are revoked in.
#[test]
fn revoked_requests_leave_no_slot_behind() {
    for deliver in [Delivery::Silent, Delivery::Reap { owner: 0 }] {
        let (device, mut pair) = stepped("queue_pairs=1;depth=4;completion_nsec=1_000");
        let session = device.create_session(ctr());
        let mut dice = Dice(7);
        for _ in 0..2_000 {
            let Ok(ticket) = pair.submit(request(session, 16, 1), deliver.clone()) else {
                device.run_until_idle();
                pair.reap(9, &mut |_| {});
                continue;
            };
            for _ in 0..dice.roll(3) {
                device.step();
            }
            assert!(pair.remote().revoke(ticket).is_some());
        }
        device.run_until_idle();
        pair.reap(9, &mut |_| {});
        for fill in 0..4 {
            let _ = submit(&mut pair, request(session, 16, fill), Delivery::Silent);
        }
        assert!(pair.submit(request(session, 16, 9), Delivery::Silent).is_err(), "four, and not one more");
        assert_eq!(pair.remote().stats().in_flight, 4);
        assert_adds_up(&pair.remote().stats());
    }
}

/// Many requests wait for few slots on a threaded device, and some are abandoned; all others make progress.
#[test]
fn no_free_slot_is_overlooked_under_threads() {
    for deliver in [Delivery::Silent, Delivery::Reap { owner: 0 }] {
        let (device, mut pairs) = open("queue_pairs=1;depth=4");
        let session = device.create_session(ctr());
        let pair = &mut pairs[0];
        let remote = pair.remote().clone();
        let mut dice = Dice(1);
        let mut parked = VecDeque::new();
        let (mut to_do, mut done, mut revoked) = (20_000, 0, 0);
        while to_do > 0 || !parked.is_empty() {
            while parked.len() < 12 && to_do > 0 {
                parked.push_back(park(pair, request(session, 16, 1), deliver.clone()));
                to_do -= 1;
            }
            if dice.roll(5) == 0 {
                let gone = parked.remove(dice.roll(parked.len())).expect("below the length");
                assert!(remote.revoke(gone).is_some());
                revoked += 1;
            }
            let Some(first) = parked.pop_front() else { continue };
            until("the turn of the first parked request", || {
                pair.reap(usize::MAX, &mut |_| {});
                is_done(&remote, first)
            });
            assert_eq!(pair.take(first).expect("done").1, Status::Ok);
            done += 1;
        }
        assert_eq!(done + revoked, 20_000);
        device.drain();
        assert_eq!(remote.stats().parked, 20_000);
        assert_adds_up(&remote.stats());
    }
}
