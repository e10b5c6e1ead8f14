//! A full queue pair, and the line of those who wait for a slot.
#![cfg(not(loom))]

mod common;

use std::collections::VecDeque;

use common::*;
use device_sim::{Delivery, RefusedReason, Status, TicketState};

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
fn parking_with_a_free_slot_is_a_submission_that_the_device_makes() {
    let (device, mut pair) = stepped("queue_pairs=1;depth=2");
    let session = device.create_session(ctr());
    let woken = Count::new();
    let parked = park(&mut pair, request(session, 16, 1), woken.delivery());
    assert_eq!(woken.calls(), 0, "no waker is called while its owner parks");
    let refused = pair.submit(request(session, 16, 2), Delivery::Silent).expect_err("somebody waits");
    assert_eq!(refused.reason, RefusedReason::Full);
    assert_eq!((pair.remote().stats().parked, pair.remote().stats().submitted), (1, 0));
    assert!(device.step());
    assert_eq!((pair.remote().state(parked), woken.calls()), (TicketState::Done(Status::Ok), 1));
    assert!(!device.step());
    assert_eq!(pair.take(parked).expect("done").0.buffer, expected(16, 1));
    let stats = pair.remote().stats();
    assert_eq!((stats.parked, stats.submitted, stats.completed), (1, 1, 1));
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
    let parked = park(&mut pair, request(session, 16, 3), Delivery::Reap { owner: 0 });
    assert!(!device.step(), "no slot, nothing to do");
    let mut reaped = Vec::new();
    assert_eq!(pair.reap(9, &mut |completion| reaped.push(completion.user_data)), 1);
    assert_eq!(reaped, [2]);
    device.run_until_idle();
    assert_eq!(pair.remote().state(parked), TicketState::Done(Status::Ok));
    let _ = submit(&mut pair, request(session, 16, 4), Delivery::Silent);
    assert!(
        pair.submit(request(session, 16, 5), Delivery::Silent).is_err(),
        "one is not reaped, one in flight"
    );
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

/// Many wait for few slots on a threaded device, some lose patience; everybody gets on, in order.
#[test]
fn no_slot_is_lost_under_threads() {
    const REQUESTS: u64 = 30_000;
    let (device, mut pairs) = open("queue_pairs=1;depth=4");
    let session = device.create_session(ctr());
    let pair = &mut pairs[0];
    let remote = pair.remote().clone();
    let mut dice = Dice(1);
    let mut line = VecDeque::new();
    let (mut to_do, mut done, mut revoked, mut left_the_line) = (REQUESTS, 0, 0, 0);
    while to_do > 0 || !line.is_empty() {
        while line.len() < 12 && to_do > 0 {
            line.push_back(park(pair, request(session, 16, 1), Delivery::Silent));
            to_do -= 1;
        }
        if dice.roll(5) == 0 {
            let gone = line.remove(dice.roll(line.len())).expect("below the length");
            let before = remote.stats().revoked;
            let in_line = remote.state(gone) == TicketState::Parked;
            assert!(remote.revoke(gone).is_some());
            // Only what was met in the line can have left it there.
            left_the_line += u64::from(in_line && remote.stats().revoked == before);
            revoked += 1;
        }
        let Some(first) = line.pop_front() else { continue };
        if let Some(behind) = line.front() {
            let behind = remote.state(*behind);
            let overtaken = behind != TicketState::Parked && remote.state(first) == TicketState::Parked;
            assert!(!overtaken, "who is behind came in first");
        }
        assert_eq!(finish(pair, first).1, Status::Ok);
        done += 1;
    }
    assert_eq!(done + revoked, REQUESTS);
    device.drain();
    let stats = remote.stats();
    assert_eq!(stats.parked, REQUESTS);
    assert!(stats.submitted >= REQUESTS - left_the_line, "{stats:?}");
    assert!(stats.submitted <= REQUESTS);
    assert_adds_up(&stats);
}
