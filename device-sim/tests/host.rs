//! What the host adds to the model: a stall of the worker is caught up, said, and laid to the host's charge.
//!
//! A function that runs on the worker and does not return is the stall. Every bound is one of the device's
//! own clock, never of the time that a test may take.
#![cfg(not(loom))]

mod device_helpers;

use std::sync::mpsc::{Sender, channel};

use device_helpers::{ctr, finish, open, park, request, submit, until};
use simaccel_device::{Call, Delivery, Device, DeviceStats, QueuePair, Request, SessionId, Ticket};

/// Nanoseconds of the device's clock.
fn now(device: &Device) -> u64 {
    u64::try_from(device.now().as_nanos()).unwrap()
}

fn pass(device: &Device, nsec: u64) {
    let until_then = now(device) + nsec;
    until("the time passes", || now(device) >= until_then);
}

/// Keeps the worker busy from here on until the sender is dropped.
fn stall(pair: &mut QueuePair) -> (Ticket, Sender<()>) {
    let (began, has_begun) = channel();
    let (release, released) = channel::<()>();
    let call = Call::new("stall", 0, move || {
        began.send(()).unwrap();
        assert!(released.recv().is_err(), "nothing is sent");
    });
    let ticket = pair.submit(Request::of_call(call), Delivery::Silent).unwrap();
    has_begun.recv().unwrap();
    (ticket, release)
}

fn small(pair: &mut QueuePair, session: SessionId) -> Ticket {
    submit(pair, request(session, 16, 1), Delivery::Silent)
}

fn checked(device: &Device) -> DeviceStats {
    let stats = device.stats();
    assert_eq!(stats.imbalances(), Vec::<String>::new());
    stats
}

const SERVICE: u64 = 100_000;
const STALL: u64 = 5_000_000;

#[test]
fn what_waits_behind_a_stall_of_the_host_is_late_and_has_waited_for_no_unit() {
    let (device, mut pairs) = open("queue_pairs=1;compute_units=64;completion_nsec=100000;timing=all");
    let session = device.create_session(ctr());
    let (call, release) = stall(&mut pairs[0]);
    let began = now(&device);
    let mut tickets: Vec<_> = (0..40).map(|_| small(&mut pairs[0], session)).collect();
    let submitted = now(&device);
    pass(&device, STALL);
    let stalled = now(&device) - submitted;
    drop(release);
    tickets.push(call);
    tickets.into_iter().for_each(|ticket| drop(finish(&mut pairs[0], ticket)));
    let stats = checked(&device);
    let (late, timings) = (&stats.completion_error, &stats.timings);
    assert_eq!((late.count(), timings.queue.count()), (41, 41), "every request");
    assert_eq!(timings.queue.max(), 0, "a unit was free for each");
    assert_eq!(timings.service.sum(), 41 * SERVICE, "as the model says");
    // A histogram is exact to 1 %.
    assert!(late.min() >= (stalled - SERVICE) / 100 * 99, "{late:?} after {stalled} ns");
    // What the host adds lies between the end of the service and the moment at which the result is taken.
    assert!(late.sum() <= timings.wake.sum(), "{late:?}, {:?}", timings.wake);
    assert_eq!(timings.total.sum(), timings.service.sum() + timings.wake.sum());
    assert!(stats.host_bound_nsec >= stalled - SERVICE, "{} of {stalled}", stats.host_bound_nsec);
    assert!(stats.host_bound_nsec <= stats.open_nsec, "{} of {}", stats.host_bound_nsec, stats.open_nsec);
    assert!(stats.workers[0].busy_nsec >= stalled, "{:?}", stats.workers);
    assert!(stats.workers[0].computed >= 41, "{:?}", stats.workers);
    assert!(began < submitted + stalled);
}

#[test]
fn a_device_that_is_late_for_more_than_a_twentieth_of_the_time_warns_in_one_line() {
    let (device, mut pairs) = open("queue_pairs=1;completion_nsec=1000");
    assert_eq!(checked(&device).host_bound_warning(), None);
    let (call, release) = stall(&mut pairs[0]);
    // Nine tenths of the time since the device was opened, and more.
    pass(&device, 9 * now(&device) + STALL);
    drop(release);
    drop(finish(&mut pairs[0], call));
    let warning = checked(&device).host_bound_warning().expect("the host decides");
    assert!(warning.starts_with("host-bound: for "), "{warning}");
    assert!(warning.contains("workers=N") && !warning.contains('\n'), "{warning}");
}

/// With one unit, the second to be admitted would wait for the first.
#[test]
fn after_a_stall_requests_of_two_queue_pairs_are_served_in_the_order_of_their_submission() {
    let (device, mut pairs) = open("queue_pairs=2;completion_nsec=100000;timing=all");
    let session = device.create_session(ctr());
    let (call, release) = stall(&mut pairs[0]);
    let mut tickets = Vec::new();
    for n in 0..20 {
        pass(&device, 2 * SERVICE);
        let index = [1, 0, 1, 1, 0][n % 5];
        tickets.push((index, small(&mut pairs[index], session)));
    }
    drop(release);
    drop(finish(&mut pairs[0], call));
    tickets.into_iter().for_each(|(index, ticket)| drop(finish(&mut pairs[index], ticket)));
    assert_eq!(checked(&device).timings.queue.max(), 0);
}

/// The slot of a parked request becomes free when the model has it free, not when the host comes to publish.
#[test]
fn what_is_parked_during_a_stall_waits_for_a_slot_as_long_as_the_model_says() {
    let (device, mut pairs) = open("queue_pairs=1;depth=2;compute_units=8;completion_nsec=100000;timing=all");
    let session = device.create_session(ctr());
    let (call, release) = stall(&mut pairs[0]);
    let mut tickets = vec![small(&mut pairs[0], session)];
    tickets.extend((0..3).map(|_| park(&mut pairs[0], request(session, 16, 1), Delivery::Silent)));
    pass(&device, STALL);
    drop(release);
    tickets.push(call);
    tickets.into_iter().for_each(|ticket| drop(finish(&mut pairs[0], ticket)));
    let stats = checked(&device);
    assert_eq!(stats.timings.queue.count(), 5);
    assert!(stats.timings.queue.max() <= 2 * SERVICE / 100 * 101, "{:?}", stats.timings.queue);
}
