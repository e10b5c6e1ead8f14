//! The stepped device: a virtual clock, a model of time, and the same history for the same calls.
#![cfg(not(loom))]

mod device_helpers;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use device_helpers::*;
use simaccel_device::{Delivery, Device, QueuePair, Status, TicketState};

fn micros(micros: u64) -> Duration {
    Duration::from_micros(micros)
}

#[test]
fn service_times_queue_up_on_the_compute_units() {
    let (device, mut pair) = stepped("queue_pairs=1;compute_units=2;completion_nsec=10_000");
    let session = device.create_session(ctr());
    let ends = Arc::new(Mutex::new(Vec::new()));
    let device = Arc::new(device);
    for fill in 0..5_usize {
        let (clock, ends) = (Arc::clone(&device), Arc::clone(&ends));
        let waker = once(move || ends.lock().expect("not poisoned").push((fill, clock.now())));
        let _ = submit(&mut pair, request(session, 16, 1), Delivery::Wake(waker));
    }
    let events = device.run_until_idle();
    let expected = [(0, 10), (1, 10), (2, 20), (3, 20), (4, 30)].map(|(fill, end)| (fill, micros(end)));
    assert_eq!(*ends.lock().expect("not poisoned"), expected);
    assert_eq!(events, 4, "one to admit all, and one for each time at which something is due");
    assert_eq!(device.now(), micros(30));
}

#[test]
fn advancing_moves_the_clock_as_far_as_asked() {
    let (device, mut pair) = stepped("queue_pairs=1;compute_units=1;completion_nsec=10_000");
    let session = device.create_session(ctr());
    device.advance(micros(7));
    assert_eq!(device.now(), micros(7));
    let [first, second] = [1, 2].map(|fill| submit(&mut pair, request(session, 16, fill), Delivery::Silent));
    device.advance(micros(9));
    assert_eq!(pair.remote().state(first), TicketState::InFlight);
    device.advance(micros(1));
    assert_eq!(device.now(), micros(17));
    assert_eq!(pair.remote().state(first), TicketState::Done(Status::Ok));
    assert_eq!(pair.remote().state(second), TicketState::InFlight);
    assert!(device.step(), "the clock goes on to the next");
    assert_eq!(device.now(), micros(27));
    assert_eq!(pair.remote().state(second), TicketState::Done(Status::Ok));
    assert!(!device.step());
    assert_eq!(device.now(), micros(27), "with nothing to do time stands still");
}

#[test]
fn an_ideal_stepped_device_takes_no_time() {
    let (device, mut pair) = stepped("");
    let session = device.create_session(ctr());
    let ticket = submit(&mut pair, request(session, 16, 1), Delivery::Silent);
    assert!(device.is_stepped());
    assert_eq!(pair.remote().state(ticket), TicketState::InFlight, "nothing happens by itself");
    assert_eq!(device.run_until_idle(), 1);
    assert_eq!(pair.take(ticket).expect("done").0.buffer, expected(16, 1));
    assert_eq!(device.now(), Duration::ZERO);
    device.drain();
}

/// A waker may submit, and the device continues with that request at that time.
#[test]
fn wakers_may_submit_and_step() {
    let (device, pair) = stepped("queue_pairs=1;completion_nsec=10_000");
    let session = device.create_session(ctr());
    let device = Arc::new(device);
    let pair = Arc::new(Mutex::new(pair));
    chain(&device, &pair, session, 5);
    device.step();
    device.step();
    assert_eq!(device.now(), micros(50), "each waker stepped to the end of the next");
    assert_eq!(pair.lock().expect("not poisoned").remote().stats().completed, 5);
}

fn chain(device: &Arc<Device>, pair: &Arc<Mutex<QueuePair>>, session: simaccel_device::SessionId, left: u32) {
    let waker = once({
        let (device, pair) = (Arc::clone(device), Arc::clone(pair));
        move || {
            if left > 1 {
                chain(&device, &pair, session, left - 1);
                device.step();
                device.step();
            }
        }
    });
    let mut pair = pair.lock().expect("not poisoned");
    let _ = submit(&mut pair, request(session, 16, 1), Delivery::Wake(waker));
}

/// The events in order: (user data, time) of every waker, and the reaped completions.
fn history(seed: u64) -> Vec<(u64, Duration)> {
    let device = Device::stepped(&config("queue_pairs=3;depth=8;compute_units=3;completion_nsec=700"));
    let device = Arc::new(device.expect("the device opens"));
    let mut pairs = device.take_queue_pairs();
    let session = device.create_session(ctr());
    let history = Arc::new(Mutex::new(Vec::new()));
    let mut dice = Dice(seed);
    let mut live = Vec::new();
    for number in 0..2_000_u64 {
        let index = dice.roll(3);
        let mut request = request(session, 16 * dice.roll(20), 1);
        request.user_data = number;
        let waker = once({
            let (device, history) = (Arc::clone(&device), Arc::clone(&history));
            move || history.lock().expect("not poisoned").push((number, device.now()))
        });
        let delivery = match dice.roll(3) {
            0 => Delivery::Reap { owner: 0 },
            _ => Delivery::Wake(waker),
        };
        match pairs[index].submit(request, delivery) {
            Ok(ticket) => live.push((index, ticket)),
            Err(_) => {
                device.step();
                let now = device.now();
                pairs[index].reap(4, &mut |completion| {
                    history.lock().expect("not poisoned").push((completion.user_data, now));
                });
            }
        }
        match dice.roll(8) {
            0 => device.advance(Duration::from_nanos(dice.roll(1_500) as u64)),
            1 if !live.is_empty() => {
                let (index, ticket) = live.swap_remove(dice.roll(live.len()));
                pairs[index].remote().revoke(ticket);
            }
            _ => {}
        }
    }
    device.run_until_idle();
    pairs.iter().for_each(|pair| assert_adds_up(&pair.remote().stats()));
    drop((pairs, device));
    Arc::into_inner(history).expect("every waker is gone").into_inner().expect("not poisoned")
}

#[test]
fn the_same_calls_make_the_same_history() {
    let first = history(11);
    assert!(first.len() > 500);
    assert_eq!(first, history(11));
    assert_ne!(first, history(12));
}

/// The model holds on a threaded device too: nothing is done before its time.
#[test]
fn modelled_time_is_kept_by_workers() {
    let (device, mut pairs) = open("queue_pairs=2;workers=2;compute_units=2;completion_nsec=300_000");
    let session = device.create_session(ctr());
    let start = std::time::Instant::now();
    let tickets: Vec<_> = (0..8)
        .map(|round| (round % 2, submit(&mut pairs[round % 2], request(session, 16, 1), Delivery::Silent)))
        .collect();
    for (index, ticket) in tickets {
        assert_eq!(finish(&mut pairs[index], ticket).1, Status::Ok);
    }
    assert!(start.elapsed() >= 4 * micros(300), "eight requests on the two units of the whole device");
}
