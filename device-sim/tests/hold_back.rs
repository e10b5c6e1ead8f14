//! Held-back submissions: what the device sees of them, and when.
#![cfg(not(loom))]

mod device_helpers;

use device_helpers::*;
use simaccel_device::{Delivery, Status, TicketState};

#[test]
fn what_is_held_back_is_shown_by_flush() {
    let (device, mut pair) = stepped("queue_pairs=1;depth=16");
    let session = device.create_session(ctr());
    assert!(!pair.hold_back(true), "it was not before");
    let tickets: Vec<_> =
        (0..3).map(|fill| submit(&mut pair, request(session, 16, fill), Delivery::Silent)).collect();
    device.run_until_idle();
    let states = |pair: &simaccel_device::QueuePair| {
        tickets.iter().map(|ticket| pair.remote().state(*ticket)).collect::<Vec<_>>()
    };
    assert_eq!(states(&pair), [TicketState::InFlight; 3], "submitted, and the device has not met them");
    assert_eq!(device.stats().total.in_flight, 3);
    pair.flush();
    device.run_until_idle();
    assert_eq!(states(&pair), [TicketState::Done(Status::Ok); 3]);
    for (fill, ticket) in (0..).zip(tickets) {
        assert_eq!(pair.take(ticket).unwrap().0.buffer, expected(16, fill));
    }
    assert_balanced(&device);
}

#[test]
fn no_more_than_32_are_held_back() {
    let (device, mut pair) = stepped("queue_pairs=1;depth=64");
    let session = device.create_session(ctr());
    pair.hold_back(true);
    let tickets: Vec<_> =
        (0..33).map(|fill| submit(&mut pair, request(session, 16, fill), Delivery::Silent)).collect();
    device.run_until_idle();
    let done = |pair: &simaccel_device::QueuePair| {
        tickets.iter().filter(|ticket| pair.remote().state(**ticket) == TicketState::Done(Status::Ok)).count()
    };
    assert_eq!(done(&pair), 32);
    // The next one that is not held back also shows the earlier ones, in order.
    pair.hold_back(false);
    let last = submit(&mut pair, request(session, 16, 99), Delivery::Silent);
    device.run_until_idle();
    assert_eq!((done(&pair), pair.remote().state(last)), (33, TicketState::Done(Status::Ok)));
}

#[test]
fn one_that_is_revoked_before_it_is_shown_frees_its_slot() {
    let (device, mut pair) = stepped("queue_pairs=1;depth=2");
    let session = device.create_session(ctr());
    pair.hold_back(true);
    for _ in 0..10 {
        let ticket = submit(&mut pair, request(session, 16, 1), Delivery::Reap { owner: 0 });
        assert!(pair.remote().revoke(ticket).is_some());
        pair.flush();
        device.run_until_idle();
    }
    assert_balanced(&device);
    assert_eq!(device.stats().total.revoked, 10);
}

#[test]
fn what_the_closing_device_has_not_met_ends_at_flush() {
    let (device, mut pair) = stepped("queue_pairs=1;depth=16");
    let session = device.create_session(ctr());
    let count = Count::new();
    pair.hold_back(true);
    let woken = submit(&mut pair, request(session, 16, 1), count.delivery());
    let reaped = submit(&mut pair, request(session, 16, 2), Delivery::Reap { owner: 0 });
    drop(device);
    assert_eq!(pair.remote().state(woken), TicketState::InFlight);
    pair.flush();
    for ticket in [woken, reaped] {
        assert_eq!(pair.remote().state(ticket), TicketState::Done(Status::Closed));
    }
    assert_eq!(count.calls(), 1);
    let (request, status) = pair.take(woken).unwrap();
    assert_eq!((request.buffer, status), (vec![1; 16], Status::Closed), "untouched");
    assert!(pair.take(reaped).is_some());
    let total = pair.remote().stats();
    assert_eq!((total.submitted, total.in_flight, total.imbalances()), (0, 0, vec![]));
}

#[test]
fn a_pair_that_is_dropped_shows_them() {
    let (device, mut pair) = stepped("queue_pairs=1;depth=16");
    let session = device.create_session(ctr());
    let count = Count::new();
    pair.hold_back(true);
    let _ = submit(&mut pair, request(session, 16, 1), count.delivery());
    let remote = pair.remote().clone();
    drop(pair);
    device.run_until_idle();
    assert_eq!((count.calls(), remote.stats().completed), (1, 1));
}
