//! Everything at once, on threads, many times over. In any interleaving each request ends once, slots and
//! counters add up, and results are right.
#![cfg(not(loom))]

mod device_helpers;

use std::sync::mpsc::{Receiver, channel};
use std::thread;

use device_helpers::*;
use simaccel_device::{Delivery, Device, QueuePair, Remote, SessionId, Status, Ticket, TicketState};

const LENGTHS: [usize; 4] = [16, 64, 100, 20_000];

/// How many requests ended in each way.
#[derive(Debug, Default)]
struct Tally {
    right: u64,
    reset: u64,
    revoked: u64,
}

impl Tally {
    fn count(&mut self, request: &simaccel_device::Request, status: Status, results: &[Vec<u8>]) {
        match status {
            Status::Ok => {
                let length = LENGTHS.iter().position(|length| *length == request.buffer.len());
                assert_eq!(request.buffer, results[length.expect("one of them")]);
                self.right += 1;
            }
            Status::Reset => self.reset += 1,
            other => panic!("{other:?}"),
        }
    }

    fn add(&mut self, other: &Self) {
        self.right += other.right;
        self.reset += other.reset;
        self.revoked += other.revoked;
    }
}

/// Submits in every way, parks when the ring is full, and shares every other ticket with an interfering
/// thread.
fn drive(pair: &mut QueuePair, session: SessionId, seed: u64, requests: usize) -> Tally {
    let results: Vec<_> = LENGTHS.iter().map(|length| expected(*length, 1)).collect();
    let (mut dice, mut tally, woken) = (Dice(seed), Tally::default(), Count::new());
    let (share, tickets) = channel();
    let interferer = {
        let (remote, results) = (pair.remote().clone(), results.clone());
        thread::spawn(move || interfere(&remote, &tickets, &results, seed + 1))
    };
    let mut live = Vec::new();
    for _ in 0..requests {
        let delivery = match dice.roll(3) {
            0 => Delivery::Silent,
            1 => woken.delivery(),
            _ => Delivery::Reap { owner: 7 },
        };
        let ticket = match pair.submit(request(session, LENGTHS[dice.roll(4)], 1), delivery) {
            Ok(ticket) => ticket,
            Err(refused) => park(pair, refused.request, refused.delivery),
        };
        match dice.roll(4) {
            0 => share.send((ticket, true)).expect("it listens"),
            1 => {
                share.send((ticket, false)).expect("it listens");
                live.push(ticket);
            }
            _ => live.push(ticket),
        }
        if dice.roll(8) == 0 {
            pair.reap(dice.roll(6), &mut |completion| {
                assert_eq!((completion.owner, completion.user_data), (7, 1))
            });
        }
        while live.len() > 20 {
            collect(pair, live.swap_remove(dice.roll(live.len())), &results, &mut tally);
        }
    }
    live.into_iter().for_each(|ticket| collect(pair, ticket, &results, &mut tally));
    drop(share);
    tally.add(&interferer.join().expect("no panic"));
    tally
}

/// Takes a result, unless the other thread has taken it. Under polling, only a reap frees slots.
fn collect(pair: &mut QueuePair, ticket: Ticket, results: &[Vec<u8>], tally: &mut Tally) {
    let remote = pair.remote().clone();
    until("the end", || {
        pair.reap(usize::MAX, &mut |_| {});
        !matches!(remote.state(ticket), TicketState::InFlight | TicketState::Parked)
    });
    if let Some((request, status)) = pair.take(ticket) {
        tally.count(&request, status, results);
    }
}

/// Cancels, looks, revokes and takes; ends the requests that are its own.
fn interfere(remote: &Remote, tickets: &Receiver<(Ticket, bool)>, results: &[Vec<u8>], seed: u64) -> Tally {
    let (mut dice, mut tally) = (Dice(seed), Tally::default());
    for (ticket, mine) in tickets {
        for _ in 0..dice.roll(3) {
            remote.cancel_wake(ticket);
            remote.wake_state(ticket);
        }
        if mine && dice.roll(2) == 0 && remote.state(ticket) == TicketState::InFlight {
            until("the end", || is_done(remote, ticket));
        }
        match remote.take(ticket) {
            Some((request, status)) => tally.count(&request, status, results),
            None if mine || dice.roll(2) == 0 => tally.revoked += u64::from(remote.revoke(ticket).is_some()),
            None => {}
        }
    }
    tally
}

fn run(device: &Device, requests: usize, resets: bool) {
    let mut pairs = device.take_queue_pairs();
    let session = device.create_session(ctr());
    let count = pairs.len() as u64;
    let mut tally = Tally::default();
    thread::scope(|scope| {
        let drivers: Vec<_> = pairs
            .iter_mut()
            .enumerate()
            .map(|(seed, pair)| scope.spawn(move || drive(pair, session, seed as u64, requests)))
            .collect();
        while resets && drivers.iter().any(|driver| !driver.is_finished()) {
            device.reset();
            thread::yield_now();
        }
        for driver in drivers {
            tally.add(&driver.join().expect("no panic"));
        }
    });
    device.drain();
    let total = device.stats().total;
    assert!(total.submitted <= count * requests as u64, "some left the line before");
    assert_eq!(total.in_flight, 0);
    assert_adds_up(&total);
    assert_eq!(tally.right + tally.reset + tally.revoked, count * requests as u64, "each came back once");
    // Every slot is free again.
    for pair in &mut pairs {
        pair.reap(usize::MAX, &mut |_| {});
        for _ in 0..device.config().depth() {
            let _ = submit(pair, request(session, 16, 1), Delivery::Silent);
        }
    }
}

#[test]
fn ideal_device() {
    let device = Device::open(&config("queue_pairs=3;depth=8;workers=2")).expect("it opens");
    run(&device, 6_000, false);
}

#[test]
fn modelled_device() {
    let text = "queue_pairs=3;depth=8;workers=2;compute_units=8;completion_nsec=5_000";
    run(&Device::open(&config(text)).expect("it opens"), 3_000, false);
}

#[test]
fn device_that_is_reset_all_the_time() {
    let text = "queue_pairs=3;depth=8;workers=2;compute_units=8;completion_nsec=20_000";
    run(&Device::open(&config(text)).expect("it opens"), 2_000, true);
    run(&Device::open(&config("queue_pairs=2;depth=2;workers=2")).expect("it opens"), 4_000, true);
}
