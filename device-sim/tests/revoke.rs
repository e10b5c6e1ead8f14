//! Revoking requests at every moment of their lives.
#![cfg(not(loom))]

mod device_helpers;

use std::sync::mpsc::channel;
use std::thread;
use std::time::Duration;

use device_helpers::*;
use simaccel_device::{Delivery, Device, Status, TicketState, WakeState};

/// 10 µs of service on one unit.
const MODEL: &str = "queue_pairs=1;depth=2;compute_units=1;completion_nsec=10_000";

#[test]
fn a_queued_request_comes_back_untouched_and_its_slot_when_the_device_meets_it() {
    let (device, mut pair) = stepped(MODEL);
    let session = device.create_session(ctr());
    let woken = Count::new();
    let first = submit(&mut pair, request(session, 64, 1), woken.delivery());
    let _second = submit(&mut pair, request(session, 64, 2), Delivery::Silent);
    let back = pair.remote().revoke(first).expect("it is there");
    assert_eq!(back.buffer, [1; 64]);
    assert_eq!(pair.remote().state(first), TicketState::Stale);
    assert!(pair.remote().revoke(first).is_none(), "once");
    assert!(pair.submit(request(session, 64, 3), Delivery::Silent).is_err(), "the entry is in the ring");
    assert!(device.step());
    let third = submit(&mut pair, request(session, 64, 3), Delivery::Silent);
    device.run_until_idle();
    assert_eq!(pair.take(third).expect("done").1, Status::Ok);
    assert_eq!(woken.calls(), 0);
    let stats = pair.remote().stats();
    assert_eq!((stats.submitted, stats.completed, stats.revoked, stats.wakes_cancelled), (3, 2, 1, 1));
    assert_adds_up(&stats);
}

#[test]
fn an_executed_request_gives_its_slot_back_at_once_and_its_late_completion_hits_nothing() {
    let (device, mut pair) = stepped(MODEL);
    let session = device.create_session(ctr());
    let first = submit(&mut pair, request(session, 64, 1), Delivery::Silent);
    assert!(device.step());
    let _second = submit(&mut pair, request(session, 64, 2), Delivery::Silent);
    assert_eq!(pair.remote().state(first), TicketState::InFlight);
    let back = pair.remote().revoke(first).expect("it waits for its time");
    assert_eq!(back.buffer, expected(64, 1), "it has been worked on");
    // The next request gets the same cell and the free slot.
    let next = submit(&mut pair, request(session, 64, 3), Delivery::Silent);
    device.advance(Duration::from_nanos(10_000));
    assert_eq!(pair.remote().state(next), TicketState::InFlight, "what is due now is the revoked one");
    device.run_until_idle();
    assert_eq!(pair.take(next).expect("done").0.buffer, expected(64, 3));
    assert_eq!(device.now(), Duration::from_nanos(30_000), "its unit worked all the same");
    assert_adds_up(&pair.remote().stats());
}

#[test]
fn a_done_request_is_taken_by_the_first_comer() {
    let (device, mut pair) = stepped(MODEL);
    let session = device.create_session(ctr());
    let ticket = submit(&mut pair, request(session, 64, 1), Delivery::Silent);
    device.run_until_idle();
    assert_eq!(pair.remote().state(ticket), TicketState::Done(Status::Ok));
    assert!(pair.remote().revoke(ticket).is_some());
    assert!(pair.take(ticket).is_none());
    assert!(pair.remote().take(ticket).is_none());
    let stats = pair.remote().stats();
    assert_eq!((stats.completed, stats.revoked), (1, 0), "it was completed before");
}

#[test]
fn parked_requests_leave_the_queue() {
    let (device, mut pair) = stepped(MODEL);
    let session = device.create_session(ctr());
    let remote = pair.remote().clone();
    for fill in 1..=2 {
        let _ = submit(&mut pair, request(session, 16, fill), Delivery::Silent);
    }
    let woken = [Count::new(), Count::new(), Count::new()];
    let parked: Vec<_> =
        woken.iter().map(|woken| park(&mut pair, request(session, 16, 9), woken.delivery())).collect();
    assert_eq!(remote.revoke(parked[0]).expect("it is parked").buffer, [9; 16]);
    device.run_until_idle();
    assert!(remote.revoke(parked[1]).is_some(), "done by now");
    assert_eq!(pair.take(parked[2]).expect("done").1, Status::Ok);
    assert_eq!(woken.each_ref().map(|woken| woken.calls()), [0, 1, 1]);
    let stats = remote.stats();
    assert_eq!((stats.submitted, stats.revoked), (4, 0), "what leaves the line was never submitted");
    assert_adds_up(&stats);
}

#[test]
fn revoking_waits_for_a_request_being_executed_and_returns_it_whole() {
    let (device, mut pairs) = open("queue_pairs=1;depth=4");
    let session = device.create_session(ctr());
    let len = 1 << 20;
    let done = expected(len, 5);
    for _ in 0..40 {
        let ticket = submit(&mut pairs[0], request(session, len, 5), Delivery::Silent);
        let remote = pairs[0].remote().clone();
        let back = thread::spawn(move || remote.revoke(ticket)).join().expect("no panic");
        let back = back.expect("only one revokes").buffer;
        assert!(back == done || back.iter().all(|byte| *byte == 5), "either all of the work or none");
        // A revoked request that the device has not met yet keeps its slot until then.
        device.drain();
    }
    device.drain();
    assert_adds_up(&pairs[0].remote().stats());
}

#[test]
fn a_cell_is_not_used_again_while_its_wake_is_being_sent() {
    let (device, mut pairs) = open("queue_pairs=1;depth=4");
    let session = device.create_session(ctr());
    let pair = &mut pairs[0];
    let (waker, entered, leave) = slow();
    let ticket = submit(pair, request(session, 64, 1), Delivery::Wake(waker));
    entered.recv().expect("the waker is called");
    assert_eq!(pair.remote().wake_state(ticket), WakeState::Sending);
    assert!(!pair.remote().cancel_wake(ticket), "too late");
    assert!(pair.remote().revoke(ticket).is_some(), "a waker in progress holds up no revocation");
    assert_eq!(pair.remote().state(ticket), TicketState::Stale);
    assert_eq!(pair.remote().wake_state(ticket), WakeState::Sending, "until it has returned");
    let others: Vec<_> =
        (0..3).map(|fill| submit(pair, request(session, 64, fill), Delivery::Silent)).collect();
    leave.send(()).expect("it waits for this");
    until("the end of the wake", || pair.remote().wake_state(ticket) == WakeState::Stale);
    for (other, fill) in others.into_iter().zip(0..) {
        assert_eq!(finish(pair, other).0.buffer, expected(64, fill));
    }
    assert_eq!(pair.remote().stats().wakes_sent, 1);
}

#[test]
fn a_cancelled_wake_is_never_sent() {
    let (device, mut pair) = stepped(MODEL);
    let session = device.create_session(ctr());
    let woken = Count::new();
    let ticket = submit(&mut pair, request(session, 64, 1), woken.delivery());
    assert_eq!(pair.remote().wake_state(ticket), WakeState::Armed);
    assert!(pair.remote().cancel_wake(ticket));
    assert!(pair.remote().cancel_wake(ticket), "still cancelled");
    device.run_until_idle();
    assert_eq!(pair.remote().wake_state(ticket), WakeState::Cancelled);
    assert_eq!(pair.take(ticket).expect("done all the same").1, Status::Ok);
    assert_eq!(woken.calls(), 0);
    assert_eq!(std::sync::Arc::strong_count(&woken), 1, "the waker is gone");
    let stats = pair.remote().stats();
    assert_eq!((stats.wakes_sent, stats.wakes_cancelled), (0, 1));
}

#[test]
fn tickets_of_another_pair_and_forged_copies_are_refused() {
    let (device, mut pairs) = open("queue_pairs=2");
    let session = device.create_session(ctr());
    let [mut one, other] = [pairs.remove(0), pairs.remove(0)];
    let ticket = submit(&mut one, request(session, 64, 1), Delivery::Silent);
    let wrong = other.remote();
    assert_eq!(wrong.state(ticket), TicketState::Stale);
    assert_eq!(wrong.wake_state(ticket), WakeState::Stale);
    assert!(!wrong.cancel_wake(ticket));
    assert!(wrong.revoke(ticket).is_none());
    assert!(wrong.take(ticket).is_none());
    let copy = ticket;
    assert_eq!(finish(&mut one, ticket).1, Status::Ok);
    assert!(one.take(copy).is_none());
    let next = submit(&mut one, request(session, 64, 2), Delivery::Silent);
    assert!(one.remote().revoke(copy).is_none(), "the next request in the same cell is not hit");
    assert_eq!(finish(&mut one, next).1, Status::Ok);
}

/// One pair more than a 16-bit number counts: each has a request in the same place as the first's.
#[test]
fn a_ticket_hits_no_other_pair_however_many_there_were() {
    let (device, mut pair) = stepped(MODEL);
    let session = device.create_session(ctr());
    let ticket = submit(&mut pair, request(session, 16, 1), Delivery::Silent);
    drop((pair, device));
    for _ in 0..=(1 << 16) / 64 {
        let device = Device::stepped(&config("queue_pairs=64;depth=2")).expect("the device opens");
        for mut pair in device.take_queue_pairs() {
            let own = submit(&mut pair, request(session, 16, 1), Delivery::Silent);
            assert_eq!(format!("{own:?}"), format!("{ticket:?}"));
            assert_eq!(pair.remote().state(ticket), TicketState::Stale);
            assert!(pair.remote().revoke(ticket).is_none() && own != ticket);
        }
    }
}

/// Submitting and revoking during a whole long service time stays within bounds, and stays right.
#[test]
fn revoked_requests_do_not_pile_up() {
    let (device, mut pair) = stepped("queue_pairs=1;depth=2;completion_nsec=3_600_000_000_000");
    let session = device.create_session(ctr());
    let kept = submit(&mut pair, request(session, 16, 1), Delivery::Silent);
    for _ in 0..2_000 {
        let ticket = submit(&mut pair, request(session, 16, 2), Delivery::Silent);
        assert!(device.step());
        assert!(pair.remote().revoke(ticket).is_some());
    }
    assert_eq!(pair.remote().state(kept), TicketState::InFlight);
    device.run_until_idle();
    assert_eq!(pair.take(kept).expect("done").1, Status::Ok);
    let stats = pair.remote().stats();
    assert_eq!((stats.completed, stats.revoked, stats.in_flight), (1, 2_000, 0));
}

/// Several threads race for every request; each request goes to exactly one of them.
#[test]
fn many_revokers_and_takers_get_each_request_once() {
    let (device, mut pairs) = open("queue_pairs=1;depth=64");
    let session = device.create_session(ctr());
    let pair = &mut pairs[0];
    let mut fighters = Vec::new();
    let senders: Vec<_> = (0..3)
        .map(|fighter| {
            let (sender, tickets) = channel();
            let remote = pair.remote().clone();
            fighters.push(thread::spawn(move || {
                let mut won = 0;
                for ticket in tickets {
                    let got = match fighter {
                        0 => remote.take(ticket).is_some(),
                        1 => remote.cancel_wake(ticket) && remote.revoke(ticket).is_some(),
                        _ => remote.revoke(ticket).is_some(),
                    };
                    won += usize::from(got);
                }
                won
            }));
            sender
        })
        .collect();
    let (mut submitted, mut mine) = (0, 0);
    let woken = Count::new();
    for round in 0..20_000 {
        let Ok(ticket) = pair.submit(request(session, 64, 1), woken.delivery()) else { continue };
        submitted += 1;
        senders.iter().for_each(|sender| sender.send(ticket).expect("the thread listens"));
        if round % 3 == 0 {
            mine += usize::from(pair.take(ticket).is_some());
        }
    }
    drop(senders);
    let won: usize = fighters.into_iter().map(|fighter| fighter.join().expect("no panic")).sum();
    device.drain();
    assert_eq!(won + mine, submitted);
    let stats = pair.remote().stats();
    assert_eq!((stats.submitted, stats.in_flight), (submitted as u64, 0));
    assert_eq!(stats.wakes_sent + stats.wakes_cancelled, stats.submitted, "every wake ended one way");
    assert_eq!(stats.wakes_sent, woken.calls() as u64);
    assert_adds_up(&stats);
}
