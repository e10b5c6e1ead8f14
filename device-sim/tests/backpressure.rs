//! A full queue pair, and the line of those who wait for a slot.
#![cfg(not(loom))]

mod common;

use std::collections::VecDeque;

use common::*;
use device_sim::{Delivery, RefusedReason, Status, SubmitParkedError, Ticket, TicketState};

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
fn slots_are_granted_in_order_and_nobody_overtakes() {
    let (device, mut pair) = stepped("queue_pairs=1;depth=2");
    let session = device.create_session(ctr());
    let remote = pair.remote().clone();
    for _ in 0..2 {
        let _ = submit(&mut pair, request(session, 16, 0), Delivery::Silent);
    }
    let mut line: VecDeque<Ticket> =
        (1..=5).map(|fill| pair.park(request(session, 16, fill), None)).collect();
    let mut fill = 1;
    while let Some(first) = line.pop_front() {
        device.run_until_idle();
        assert_eq!(remote.state(first), TicketState::Granted);
        if line.len() > 1 {
            assert_eq!(remote.state(line[1]), TicketState::Parked, "no more than two slots");
        }
        if !line.is_empty() {
            let refused = pair.submit(request(session, 16, 9), Delivery::Silent).expect_err("others wait");
            assert_eq!(refused.reason, RefusedReason::Full);
        }
        let ticket = pair.submit_parked(first, Delivery::Silent).expect("granted");
        device.run_until_idle();
        assert_eq!(pair.take(ticket).expect("done").0.buffer, expected(16, fill));
        fill += 1;
    }
    let _ = submit(&mut pair, request(session, 16, 9), Delivery::Silent);
    assert_eq!(remote.stats().parked, 5);
}

#[test]
fn parking_with_a_free_slot_is_granted_by_the_device() {
    let (device, mut pair) = stepped("queue_pairs=1;depth=2");
    let session = device.create_session(ctr());
    let woken = Count::new();
    let parked = pair.park(request(session, 16, 1), Some(woken.waker()));
    assert_eq!(woken.calls(), 0, "no waker is called while its owner parks");
    assert!(device.step());
    assert_eq!((pair.remote().state(parked), woken.calls()), (TicketState::Granted, 1));
    assert!(!device.step());
}

#[test]
fn what_is_not_granted_is_not_submitted() {
    let (device, mut pair) = stepped("queue_pairs=1;depth=2");
    let session = device.create_session(ctr());
    let in_flight = [1, 2].map(|fill| submit(&mut pair, request(session, 16, fill), Delivery::Silent));
    let parked = pair.park(request(session, 16, 3), None);
    for ticket in [parked, in_flight[0]] {
        let refused = pair.submit_parked(ticket, Delivery::Reap { owner: 4 });
        assert!(matches!(
            refused,
            Err(SubmitParkedError::NotGranted { delivery: Delivery::Reap { owner: 4 } })
        ));
    }
    device.run_until_idle();
    let ticket = pair.submit_parked(parked, Delivery::Silent).expect("granted");
    assert!(pair.submit_parked(parked, Delivery::Silent).is_err(), "once");
    device.run_until_idle();
    assert_eq!(pair.take(ticket).expect("done").0.buffer, expected(16, 3));
}

#[test]
fn a_dead_device_refuses_the_granted_and_passes_the_slot_on() {
    let (device, mut pair) = stepped("queue_pairs=1;depth=2");
    let (good, bad) = (device.create_session(ctr()), device.create_panicking_session());
    for _ in 0..2 {
        let _ = submit(&mut pair, request(bad, 16, 1), Delivery::Silent);
    }
    let parked: Vec<_> = (0..3).map(|fill| pair.park(request(good, 16, fill), None)).collect();
    device.run_until_idle();
    let refused = match pair.submit_parked(parked[0], Delivery::Silent) {
        Err(SubmitParkedError::Refused(refused)) => refused,
        other => panic!("{other:?}"),
    };
    assert_eq!((refused.reason, refused.request.user_data), (RefusedReason::DeviceDead, 0));
    device.run_until_idle();
    assert_eq!(pair.remote().state(parked[2]), TicketState::Granted);
    device.reset();
    let ticket = pair.submit_parked(parked[2], Delivery::Silent).expect("alive again");
    device.run_until_idle();
    assert_eq!(pair.take(ticket).expect("done").1, Status::Ok);
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
    let parked = pair.park(request(session, 16, 3), None);
    let mut reaped = Vec::new();
    assert_eq!(pair.reap(9, &mut |completion| reaped.push(completion.user_data)), 1);
    assert_eq!(reaped, [2]);
    device.run_until_idle();
    assert_eq!(pair.remote().state(parked), TicketState::Granted);
    let _ = submit(&mut pair, request(session, 16, 4), Delivery::Silent);
    assert!(pair.submit(request(session, 16, 5), Delivery::Silent).is_err(), "one is reserved, one used");
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
fn no_grant_is_lost_under_threads() {
    let (device, mut pairs) = open("queue_pairs=1;depth=4");
    let session = device.create_session(ctr());
    let pair = &mut pairs[0];
    let remote = pair.remote().clone();
    let mut dice = Dice(1);
    let (mut line, mut flying) = (VecDeque::new(), VecDeque::new());
    let (mut to_do, mut done, mut revoked) = (30_000, 0, 0);
    while to_do > 0 || !line.is_empty() || !flying.is_empty() {
        while line.len() < 12 && to_do > 0 {
            line.push_back(pair.park(request(session, 16, 1), None));
            to_do -= 1;
        }
        if dice.roll(5) == 0 && !line.is_empty() {
            let gone = line.remove(dice.roll(line.len())).expect("below the length");
            assert!(remote.revoke(gone).is_some());
            revoked += 1;
        }
        while let Some(ticket) =
            line.front().copied().filter(|first| remote.state(*first) == TicketState::Granted)
        {
            line.pop_front();
            flying.push_back(pair.submit_parked(ticket, Delivery::Silent).expect("granted"));
        }
        match flying.front() {
            Some(first) if is_done(&remote, *first) => {
                assert_eq!(pair.take(*first).expect("done").1, Status::Ok);
                flying.pop_front();
                done += 1;
            }
            Some(_) => std::thread::yield_now(),
            None => until("a slot for the first in line", || {
                line.front().is_none_or(|first| remote.state(*first) == TicketState::Granted)
            }),
        }
    }
    assert_eq!(done + revoked, 30_000);
    let stats = remote.stats();
    assert_eq!((stats.submitted, stats.parked), (done, 30_000));
}
