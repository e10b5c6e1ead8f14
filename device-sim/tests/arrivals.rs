//! Completions that are taken off the ring in batches, and reaped one by one.
#![cfg(not(loom))]

mod device_helpers;

use device_helpers::*;
use simaccel_device::{
    Arrivals, Config, Delivery, Device, Operation, Plain, QueuePair, SessionId, Ticket, TicketState,
};

const REAP: Delivery = Delivery::Reap { owner: 5 };

/// Submits in one of two ways: a request of `submit` records that it was reaped, a plain one does not.
fn submit_as(pair: &mut QueuePair, plain: bool, session: SessionId, fill: u8) -> Ticket {
    if !plain {
        return submit(pair, request(session, 16, fill), REAP);
    }
    let (operation, buffer, user_data) = (Operation::Encrypt, vec![fill; 16], u64::from(fill));
    let plain = Plain { session, operation, iv: &[3; 16], buffer, user_data, rest: () };
    pair.submit_plain(plain, REAP).unwrap()
}

/// Takes the arrived completions, and reaps them.
fn reap_all(pair: &mut QueuePair) -> Vec<u64> {
    let arrivals = Arrivals::default();
    let mut reaped = Vec::new();
    while pair.arrivals(&arrivals) {
        while let Some(arrival) = arrivals.next() {
            assert_eq!(arrival.owner(), 5);
            reaped.extend(pair.remote().reap(arrival));
        }
    }
    reaped
}

#[test]
fn they_come_in_order_and_each_is_reaped_once() {
    for plain in [false, true] {
        let (device, mut pair) = stepped("queue_pairs=1;depth=64");
        let session = device.create_session(ctr());
        assert_eq!(reap_all(&mut pair), []);
        for count in [1_u8, 7, 8, 9, 64] {
            let tickets: Vec<_> =
                (1..=count).map(|fill| submit_as(&mut pair, plain, session, fill)).collect();
            device.run_until_idle();
            assert_eq!(reap_all(&mut pair), (1..=u64::from(count)).collect::<Vec<_>>());
            assert_eq!(reap_all(&mut pair), []);
            for (ticket, fill) in tickets.into_iter().zip(1..) {
                assert_eq!(pair.take_buffer(ticket), Some(expected(16, fill)));
            }
        }
        assert_balanced(&device);
    }
}

#[test]
fn slots_are_free_when_they_are_off_the_ring() {
    let (device, mut pair) = stepped("queue_pairs=1;depth=2");
    let session = device.create_session(ctr());
    let arrivals = Arrivals::default();
    for fill in [1, 2] {
        let _ = submit_as(&mut pair, true, session, fill);
    }
    device.run_until_idle();
    assert!(pair.arrivals(&arrivals));
    for fill in [3, 4] {
        let _ = submit_as(&mut pair, true, session, fill);
    }
    device.run_until_idle();
    let before = std::iter::from_fn(|| arrivals.next()).filter_map(|arrival| pair.remote().reap(arrival));
    assert_eq!(before.collect::<Vec<_>>(), [1, 2]);
    assert!(arrivals.is_empty());
    assert_eq!(reap_all(&mut pair), [3, 4]);
}

#[test]
fn what_is_gone_before_it_is_reaped_has_no_token() {
    for plain in [false, true] {
        // At most four cells, so that free ones are reused at once.
        let (device, mut pair) = stepped("queue_pairs=1;depth=4");
        let session = device.create_session(ctr());
        let arrivals = Arrivals::default();
        let tickets = [1, 2, 3, 4].map(|fill| submit_as(&mut pair, plain, session, fill));
        device.run_until_idle();
        assert!(pair.arrivals(&arrivals));
        // Taken back, taken early, and given up; by now the first two cells hold other requests.
        assert!(pair.remote().revoke(tickets[0]).is_some());
        assert!(pair.take(tickets[1]).is_some());
        assert!(pair.remote().cancel_wake(tickets[2]));
        let next = [5, 6].map(|fill| submit_as(&mut pair, plain, session, fill));
        let reaped = std::iter::from_fn(|| arrivals.next()).filter_map(|arrival| pair.remote().reap(arrival));
        assert_eq!(reaped.collect::<Vec<_>>(), [4]);
        device.run_until_idle();
        assert_eq!(reap_all(&mut pair), [5, 6]);
        assert_eq!(pair.take_buffer(tickets[2]), None, "that its wake was cancelled is for take to know");
        for ticket in [tickets[2], tickets[3], next[0], next[1]] {
            assert!(pair.take(ticket).is_some());
        }
        assert_balanced(&device);
    }
}

#[test]
fn a_completion_that_comes_twice_is_reaped_once() {
    let (device, mut pair) = stepped("queue_pairs=1;depth=4;fault=duplicate");
    let session = device.create_session(ctr());
    for round in 0..20 {
        let tickets = [1, 2, 3, 4].map(|fill| submit_as(&mut pair, round % 2 == 0, session, fill));
        device.run_until_idle();
        assert_eq!(reap_all(&mut pair), [1, 2, 3, 4]);
        tickets.into_iter().for_each(|ticket| assert!(pair.take(ticket).is_some()));
    }
    assert_balanced(&device);
}

#[test]
fn a_plain_one_is_not_reaped_any_more_when_its_wake_is_cancelled() {
    let (device, mut pair) = stepped("queue_pairs=1");
    let session = device.create_session(ctr());
    let tickets = [1, 2].map(|fill| submit_as(&mut pair, true, session, fill));
    device.run_until_idle();
    assert!(pair.remote().cancel_wake(tickets[0]));
    assert_eq!(reap_all(&mut pair), [2]);
    assert!(pair.remote().cancel_wake(tickets[1]), "that it was reaped is not known");
    for (ticket, fill) in tickets.into_iter().zip(1..) {
        assert_eq!(pair.take_buffer(ticket), None);
        assert_eq!(pair.take(ticket).unwrap().0.buffer, expected(16, fill));
    }
    assert_eq!(device.stats().total.wakes_cancelled, 2);
    assert_balanced(&device);
}

/// With a worker, more in flight than there are slots, and other requests parked.
#[test]
fn a_waiter_for_a_slot_gets_one_from_reaped_completions() {
    let config = Config::parse("queue_pairs=1;depth=4").unwrap();
    let device = Device::open(&config).unwrap();
    let mut pair = device.take_queue_pairs().pop().unwrap();
    let session = device.create_session(ctr());
    for _ in 0..200 {
        let mut tickets = Vec::new();
        for fill in 0..20 {
            tickets.push(match pair.submit(request(session, 16, fill), REAP) {
                Ok(ticket) => ticket,
                Err(refused) => pair.park(refused.request, REAP).unwrap(),
            });
        }
        let mut reaped = Vec::new();
        while reaped.len() < tickets.len() {
            reaped.extend(reap_all(&mut pair));
        }
        assert_eq!(reaped, (0..20).collect::<Vec<_>>(), "first come, first served");
        tickets.into_iter().for_each(|ticket| assert!(pair.take(ticket).is_some()));
    }
    drop(pair);
    assert_balanced(&device);
}

#[test]
fn a_plain_one_may_be_taken_before_it_is_reaped() {
    let (device, mut pair) = stepped("queue_pairs=1");
    let session = device.create_session(ctr());
    let ticket = submit_as(&mut pair, true, session, 1);
    device.run_until_idle();
    assert_eq!(pair.take_buffer(ticket), Some(expected(16, 1)));
    assert_eq!(pair.remote().state(ticket), TicketState::Stale);
    assert_eq!(reap_all(&mut pair), []);
    assert_balanced(&device);
}
