//! Replacing the waker of a request, in each state of its wake and against its sending.
#![cfg(not(loom))]

mod device_helpers;

use std::sync::{Arc, Barrier};
use std::thread;

use device_helpers::*;
use simaccel_device::{Delivery, Status, TicketState, WakeState};

#[test]
fn the_new_waker_is_called_and_the_old_one_is_gone() {
    let (device, mut pair) = stepped("queue_pairs=1;depth=2;completion_nsec=1_000");
    let session = device.create_session(ctr());
    let remote = pair.remote().clone();
    let [old, new] = [Count::new(), Count::new()];
    let mut tickets: Vec<_> =
        (0..2).map(|_| submit(&mut pair, request(session, 16, 1), old.delivery())).collect();
    // Parked, in the ring, and executed but not yet due.
    tickets.push(park(&mut pair, request(session, 16, 1), old.delivery()));
    assert!(remote.replace_waker(tickets[2], new.waker()));
    assert!(remote.replace_waker(tickets[0], new.waker()));
    assert!(device.step());
    assert!(remote.replace_waker(tickets[1], old.waker()), "and again");
    assert!(remote.replace_waker(tickets[1], new.waker()));
    assert_eq!(Arc::strong_count(&old), 1, "the old ones are gone");
    assert!(tickets.iter().all(|ticket| remote.wake_state(*ticket) == WakeState::Armed));
    device.run_until_idle();
    assert_eq!((old.calls(), new.calls()), (0, 3));
    for ticket in tickets {
        assert!(!remote.replace_waker(ticket, old.waker()), "it was sent");
        assert_eq!(pair.take(ticket).expect("done").1, Status::Ok);
        assert!(!remote.replace_waker(ticket, old.waker()), "it is stale");
    }
    assert_eq!((Arc::strong_count(&old), Arc::strong_count(&new)), (1, 1));
    let stats = remote.stats();
    assert_eq!((stats.wakes_sent, stats.wakes_cancelled), (3, 0));
}

#[test]
fn a_request_without_a_waker_gets_none() {
    let (device, mut pair) = stepped("queue_pairs=1;depth=4");
    let session = device.create_session(ctr());
    let remote = pair.remote().clone();
    let woken = Count::new();
    let silent = submit(&mut pair, request(session, 16, 1), Delivery::Silent);
    let polled = submit(&mut pair, request(session, 16, 2), Delivery::Reap { owner: 0 });
    let parked = park(&mut pair, request(session, 16, 3), Delivery::Reap { owner: 0 });
    for ticket in [silent, polled, parked] {
        let before = remote.wake_state(ticket);
        assert!(!remote.replace_waker(ticket, woken.waker()));
        assert_eq!(remote.wake_state(ticket), before, "nothing has changed");
    }
    assert_eq!(Arc::strong_count(&woken), 1, "the one that was not wanted is gone");
    device.run_until_idle();
    let mut reaped = Vec::new();
    pair.reap(9, &mut |completion| reaped.push(completion.ticket));
    assert_eq!(reaped, [polled, parked]);
    assert_eq!(woken.calls(), 0);
}

#[test]
fn a_cancelled_wake_stays_cancelled_and_a_revoked_one_takes_the_new_waker_along() {
    let (device, mut pair) = stepped("queue_pairs=1;depth=4");
    let session = device.create_session(ctr());
    let remote = pair.remote().clone();
    let [old, new] = [Count::new(), Count::new()];
    let cancelled = submit(&mut pair, request(session, 16, 1), old.delivery());
    assert!(remote.cancel_wake(cancelled));
    assert!(!remote.replace_waker(cancelled, new.waker()));
    let revoked = submit(&mut pair, request(session, 16, 1), old.delivery());
    assert!(remote.replace_waker(revoked, new.waker()));
    assert!(remote.revoke(revoked).is_some());
    assert!(!remote.replace_waker(revoked, new.waker()));
    device.run_until_idle();
    assert!(pair.take(cancelled).is_some());
    assert_eq!((old.calls(), new.calls()), (0, 0));
    assert_eq!((Arc::strong_count(&old), Arc::strong_count(&new)), (1, 1));
    assert_eq!(remote.stats().wakes_cancelled, 2);
}

#[test]
fn a_wake_that_is_being_sent_is_not_changed() {
    let (device, mut pairs) = open("queue_pairs=1");
    let session = device.create_session(ctr());
    let pair = &mut pairs[0];
    let (waker, entered, leave) = slow();
    let late = Count::new();
    let ticket = submit(pair, request(session, 16, 1), Delivery::Wake(waker));
    entered.recv().expect("the waker is called");
    assert!(!pair.remote().replace_waker(ticket, late.waker()));
    assert_eq!(pair.remote().state(ticket), TicketState::Done(Status::Ok), "the state says more");
    assert!(pair.take(ticket).is_some());
    assert!(!pair.remote().replace_waker(ticket, late.waker()), "taken, and still being sent");
    leave.send(()).expect("it waits for this");
    until("the end of the wake", || pair.remote().wake_state(ticket) == WakeState::Stale);
    assert_eq!((late.calls(), Arc::strong_count(&late)), (0, 1));
}

/// Two threads replace the waker while the device ends the request: the last one is called, exactly once.
#[test]
fn exactly_one_waker_is_called_in_every_race() {
    for text in ["queue_pairs=1;depth=4", "queue_pairs=1;depth=4;completion_nsec=3_000"] {
        let (device, mut pairs) = open(text);
        let session = device.create_session(ctr());
        let pair = &mut pairs[0];
        let (mut replaced, mut late) = (0, 0);
        let start = Barrier::new(2);
        let (give, tickets) = std::sync::mpsc::channel();
        let (told, tell) = std::sync::mpsc::channel();
        let remote = pair.remote().clone();
        thread::scope(|scope| {
            let start = &start;
            scope.spawn(move || {
                for (ticket, waker) in tickets {
                    start.wait();
                    let _ = told.send(remote.replace_waker(ticket, waker));
                }
            });
            for round in 0..6_000_u32 {
                let wakers = [Count::new(), Count::new(), Count::new()];
                let parks = round % 2 == 0;
                let delivery = wakers[0].delivery();
                let request = request(session, 16, 1);
                let ticket =
                    if parks { park(pair, request, delivery) } else { submit(pair, request, delivery) };
                give.send((ticket, wakers[1].waker())).expect("it listens");
                start.wait();
                let mine = pair.remote().replace_waker(ticket, wakers[2].waker());
                let others = tell.recv().expect("it answers");
                until("the one wake", || pair.remote().wake_state(ticket) == WakeState::Sent);
                let calls = wakers.each_ref().map(|waker| waker.calls());
                match (others, mine) {
                    (false, false) => assert_eq!(calls, [1, 0, 0]),
                    (true, false) => assert_eq!(calls, [0, 1, 0]),
                    (false, true) => assert_eq!(calls, [0, 0, 1]),
                    (true, true) => assert!([[0, 1, 0], [0, 0, 1]].contains(&calls), "{calls:?}"),
                }
                replaced += u32::from(mine);
                late += u32::from(!mine);
                assert_eq!(pair.take(ticket).expect("done").1, Status::Ok);
                assert!(wakers.iter().all(|waker| Arc::strong_count(waker) == 1), "no waker stays behind");
            }
            drop(give);
        });
        assert_eq!(replaced + late, 6_000);
        assert_eq!(pair.remote().stats().wakes_sent, 6_000);
    }
}

/// While nothing ends the wake, every replacement succeeds, however many there are.
#[test]
fn concurrent_replacements_do_not_disturb_each_other() {
    let (device, mut pair) = stepped("queue_pairs=1;depth=2");
    let session = device.create_session(ctr());
    let [first, others] = [Count::new(), Count::new()];
    let ticket = submit(&mut pair, request(session, 16, 1), first.delivery());
    let remote = pair.remote();
    thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                for _ in 0..20_000 {
                    assert!(remote.replace_waker(ticket, others.waker()), "it is armed all the time");
                    assert_eq!(remote.wake_state(ticket), WakeState::Armed);
                }
            });
        }
    });
    device.run_until_idle();
    assert_eq!((first.calls(), others.calls()), (0, 1));
    assert_eq!((Arc::strong_count(&first), Arc::strong_count(&others)), (1, 1));
}
