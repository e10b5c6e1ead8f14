//! Opening, resetting, dying, draining and closing; sessions; drops in any order.
#![cfg(not(loom))]

mod device_helpers;

use std::sync::{Arc, Barrier, Mutex};
use std::thread;

use device_helpers::*;
use simaccel_device::{Config, Delivery, Device, OpenError, RefusedReason, Status, Ticket, TicketState};

/// A service time longer than any test.
const AN_HOUR: &str = "queue_pairs=2;completion_nsec=3_600_000_000_000";

#[test]
fn what_may_cross_threads_does() {
    fn shared<T: Send + Sync>() {}
    fn moved<T: Send>() {}
    shared::<Device>();
    shared::<simaccel_device::Remote>();
    shared::<simaccel_device::Interrupt>();
    shared::<Ticket>();
    moved::<simaccel_device::QueuePair>();
}

#[test]
fn queue_pairs_are_handed_out_once() {
    let (device, pairs) = open("queue_pairs=3");
    assert_eq!(pairs.iter().map(|pair| pair.index()).collect::<Vec<_>>(), [0, 1, 2]);
    assert!(device.take_queue_pairs().is_empty());
    assert!(!device.is_stepped());
    assert!(!device.step(), "only a stepped device is stepped");
}

#[test]
fn keys_that_do_not_go_together_open_nothing() {
    let mut config = Config::default();
    assert_eq!(config.set("intc_thresh", "2"), Ok(true));
    assert!(matches!(Device::open(&config), Err(OpenError::Config(_))));
    assert!(matches!(Device::stepped(&config), Err(OpenError::Config(_))));
}

#[test]
fn a_session_is_known_to_the_first_request_that_names_it() {
    let (device, mut pairs) = open("queue_pairs=2;workers=2");
    for round in 0..500 {
        let session = device.create_session(ctr());
        for pair in &mut pairs {
            let ticket = submit(pair, request(session, 16, 1), Delivery::Silent);
            assert_eq!(finish(pair, ticket).1, Status::Ok, "in round {round}");
        }
        device.remove_session(session);
    }
}

#[test]
fn a_removed_session_is_refused_and_its_number_is_used_again() {
    let (device, mut pair) = stepped("");
    let removed = device.create_session(ctr());
    device.remove_session(removed);
    device.remove_session(removed);
    let session = device.create_session(ctr());
    let [stale, live] =
        [removed, session].map(|session| submit(&mut pair, request(session, 16, 1), Delivery::Silent));
    device.run_until_idle();
    assert_eq!(pair.take(stale).expect("done").1, Status::InvalidSession);
    assert_eq!(pair.take(live).expect("done").1, Status::Ok);
}

#[test]
fn a_session_of_another_device_is_refused() {
    let (other, _ends) = stepped("");
    let (device, mut pair) = stepped("");
    let foreign = other.create_session(ctr());
    let _own = device.create_session(ctr());
    let ticket = submit(&mut pair, request(foreign, 16, 1), Delivery::Silent);
    device.run_until_idle();
    assert_eq!(pair.take(ticket).expect("done").1, Status::InvalidSession);
}

/// One device more than a 16-bit number counts.
#[test]
fn a_session_of_another_device_is_refused_however_many_there_were() {
    let (other, _ends) = stepped("queue_pairs=1;depth=2");
    let foreign = other.create_session(ctr());
    drop(other);
    for _ in 0..=1 << 16 {
        let device = Device::stepped(&config("queue_pairs=1;depth=2")).expect("the device opens");
        let own = device.create_session(ctr());
        assert_ne!(own, foreign);
    }
}

/// A device that does not finish without help, on either clock.
fn device_of(stepped: bool) -> Device {
    let device = if stepped { Device::stepped(&config(AN_HOUR)) } else { Device::open(&config(AN_HOUR)) };
    device.expect("the device opens")
}

/// Submits to every pair and every delivery.
fn fill(
    pairs: &mut [simaccel_device::QueuePair],
    session: simaccel_device::SessionId,
    woken: &Arc<Count>,
) -> Vec<(usize, Ticket)> {
    let mut tickets = Vec::new();
    for (index, pair) in pairs.iter_mut().enumerate() {
        for delivery in [Delivery::Silent, woken.delivery(), Delivery::Reap { owner: 1 }] {
            tickets.push((index, submit(pair, request(session, 64, 1), delivery)));
        }
    }
    tickets
}

#[test]
fn reset_ends_everything_in_flight_and_the_device_goes_on() {
    for stepped in [false, true] {
        let device = device_of(stepped);
        let mut pairs = device.take_queue_pairs();
        let session = device.create_session(ctr());
        let woken = Count::new();
        let tickets = fill(&mut pairs, session, &woken);
        device.step();
        device.reset();
        assert_eq!(woken.calls(), pairs.len(), "all wakes were sent when reset returns");
        for (index, ticket) in tickets {
            assert_eq!(pairs[index].take(ticket).expect("done").1, Status::Reset);
        }
        assert_eq!(pairs[0].reap(9, &mut |_| {}), 0, "what was taken is not reaped");
        let next = submit(&mut pairs[0], request(session, 64, 1), Delivery::Silent);
        assert_eq!(pairs[0].remote().state(next), TicketState::InFlight, "sessions and slots are there");
        let stats = device.stats();
        assert_eq!((stats.resets, stats.total.failed, stats.total.in_flight), (1, 6, 1));
        assert_adds_up(&stats.total);
    }
}

#[test]
fn closing_ends_everything_in_flight_and_later_submissions_are_refused() {
    for stepped in [false, true] {
        let device = device_of(stepped);
        let mut pairs = device.take_queue_pairs();
        let session = device.create_session(ctr());
        let woken = Count::new();
        let tickets = fill(&mut pairs, session, &woken);
        drop(device);
        assert_eq!(woken.calls(), pairs.len());
        for (index, ticket) in tickets {
            assert_eq!(pairs[index].remote().take(ticket).expect("done").1, Status::Closed);
        }
        let refused = pairs[1].submit(request(session, 64, 9), woken.delivery()).expect_err("closed");
        assert_eq!(refused.reason, RefusedReason::Closed);
        assert_eq!(refused.request.buffer, [9; 64]);
        assert!(matches!(refused.delivery, Delivery::Wake(_)));
        pairs.iter().for_each(|pair| assert_adds_up(&pair.remote().stats()));
    }
}

#[test]
fn a_kernel_that_panics_leaves_the_device_dead_until_reset() {
    for modelled in [false, true] {
        let nsec = if modelled { 200_000_000 } else { 0 };
        let (device, mut pairs) = open(&format!("queue_pairs=4;workers=2;completion_nsec={nsec}"));
        let (good, bad) = (device.create_session(ctr()), device.create_panicking_session());
        for round in 1..=3 {
            let before = submit(&mut pairs[0], request(good, 64, 1), Delivery::Silent);
            let fatal = submit(&mut pairs[0], request(bad, 64, 1), Delivery::Silent);
            assert_eq!(finish(&mut pairs[0], fatal).1, Status::DeviceDead);
            let ended = if modelled { Status::DeviceDead } else { Status::Ok };
            assert_eq!(finish(&mut pairs[0], before).1, ended, "it was not due yet, or it was");
            // The whole device is dead, including the queue pairs of the other worker.
            for pair in &mut pairs {
                until("the death of every pair", || {
                    match pair.submit(request(good, 64, 1), Delivery::Silent) {
                        Ok(ticket) => {
                            finish(pair, ticket);
                            false
                        }
                        Err(refused) => refused.reason == RefusedReason::DeviceDead,
                    }
                });
            }
            assert_eq!(device.stats().deaths, round);
            device.reset();
        }
        for pair in &mut pairs {
            let ticket = submit(pair, request(good, 64, 1), Delivery::Silent);
            assert_eq!(finish(pair, ticket).0.buffer, expected(64, 1));
        }
        assert_adds_up(&device.stats().total);
    }
}

#[test]
fn a_dead_stepped_device_completes_everything_as_dead() {
    let (device, mut pair) = stepped("queue_pairs=1;completion_nsec=1_000");
    let (good, bad) = (device.create_session(ctr()), device.create_panicking_session());
    let tickets =
        [good, bad, good].map(|session| submit(&mut pair, request(session, 64, 1), Delivery::Silent));
    assert!(device.step());
    let statuses = tickets.map(|ticket| pair.take(ticket).expect("done").1);
    assert_eq!(statuses, [Status::DeviceDead; 3], "the first was not due yet");
    let refused = pair.submit(request(good, 64, 1), Delivery::Silent).expect_err("dead");
    assert_eq!(refused.reason, RefusedReason::DeviceDead);
    device.reset();
    let ticket = submit(&mut pair, request(good, 64, 1), Delivery::Silent);
    device.run_until_idle();
    assert_eq!(pair.take(ticket).expect("done").0.buffer, expected(64, 1));
}

#[test]
fn drain_returns_when_nothing_is_in_flight() {
    let (device, mut pairs) = open("queue_pairs=2;depth=64;completion_nsec=200_000;compute_units=8");
    let session = device.create_session(ctr());
    for _ in 0..3 {
        let tickets: Vec<_> = (0..50)
            .map(|round| {
                let pair = round % 2;
                (pair, submit(&mut pairs[pair], request(session, 64, 1), Delivery::Silent))
            })
            .collect();
        device.drain();
        assert_eq!(device.stats().total.in_flight, 0);
        for (pair, ticket) in tickets {
            assert_eq!(pairs[pair].take(ticket).expect("done").1, Status::Ok);
        }
    }
    device.drain();
}

#[test]
fn a_waker_may_reset_and_drain_its_own_device() {
    let (device, mut pairs) = open("queue_pairs=1");
    let device = Arc::new(device);
    let session = device.create_session(ctr());
    let done = Count::new();
    let waker = once({
        let (device, done) = (Arc::clone(&device), done.waker());
        move || {
            device.reset();
            device.drain();
            done.wake();
        }
    });
    let ticket = submit(&mut pairs[0], request(session, 64, 1), Delivery::Wake(waker));
    until("the waker's end", || done.calls() == 1);
    assert_eq!(finish(&mut pairs[0], ticket).1, Status::Ok);
    device.drain();
}

#[test]
fn the_last_reference_may_drop_on_the_worker() {
    let (device, mut pairs) = open("queue_pairs=2;workers=2");
    let session = device.create_session(ctr());
    let mut pair = pairs.remove(0);
    let rest = Mutex::new(Some((device, pairs)));
    let closed = Count::new();
    let told = closed.waker();
    let waker = once(move || {
        drop(rest.lock().expect("not poisoned").take());
        told.wake();
    });
    let ticket = submit(&mut pair, request(session, 64, 1), Delivery::Wake(waker));
    until("the drop", || closed.calls() == 1);
    assert_eq!(finish(&mut pair, ticket).1, Status::Ok);
    until("the end of the device", || match pair.submit(request(session, 64, 1), Delivery::Silent) {
        Ok(ticket) => {
            until("the request's end", || is_done(pair.remote(), ticket));
            let _ = pair.take(ticket);
            false
        }
        Err(refused) => refused.reason == RefusedReason::Closed,
    });
}

#[test]
fn a_queue_pair_may_drop_on_the_worker() {
    let (device, mut pairs) = open("queue_pairs=1");
    let session = device.create_session(ctr());
    let pair = Arc::new(Mutex::new(Some(pairs.remove(0))));
    let waker = once({
        let pair = Arc::clone(&pair);
        move || drop(pair.lock().expect("not poisoned").take())
    });
    let ticket = {
        let mut pair = pair.lock().expect("not poisoned");
        submit(pair.as_mut().expect("still there"), request(session, 64, 1), Delivery::Wake(waker))
    };
    until("the drop", || pair.lock().expect("not poisoned").is_none());
    let _ = ticket;
    device.drain();
}

#[test]
fn drops_in_every_order_and_on_any_thread_are_harmless() {
    const ORDERS: [[usize; 3]; 6] = [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]];
    for text in [
        "queue_pairs=1",
        "queue_pairs=1;completion_nsec=1_000_000",
        "queue_pairs=1;completion_nsec=3_600_000_000_000",
    ] {
        for order in ORDERS {
            let (device, mut pairs) = open(text);
            let session = device.create_session(ctr());
            let woken = Count::new();
            let remote = pairs[0].remote().clone();
            for round in 0..60 {
                let delivery = if round % 2 == 0 { woken.delivery() } else { Delivery::Reap { owner: 0 } };
                let _ = submit(&mut pairs[0], request(session, 256, 1), delivery);
            }
            for _ in 0..3 {
                let _ = park(&mut pairs[0], request(session, 256, 1), woken.delivery());
            }
            let mut things: Vec<Option<Box<dyn Send>>> =
                vec![Some(Box::new(device)), Some(Box::new(pairs)), Some(Box::new(remote))];
            let together = Barrier::new(2);
            thread::scope(|scope| {
                let first = things[order[0]].take();
                scope.spawn(|| {
                    together.wait();
                    drop(first);
                });
                together.wait();
                drop(things[order[1]].take());
                drop(things[order[2]].take());
            });
            drop(things);
            until("the end of every waker", || Arc::strong_count(&woken) == 1);
        }
    }
}

#[test]
fn a_waker_that_panics_is_counted_and_the_device_lives() {
    let (device, mut pairs) = open("queue_pairs=1");
    let session = device.create_session(ctr());
    let waker = once(|| panic!("a waker that panics, for the test"));
    let ticket = submit(&mut pairs[0], request(session, 64, 1), Delivery::Wake(waker));
    until("the panic", || device.stats().total.wake_panics == 1);
    assert_eq!(finish(&mut pairs[0], ticket).1, Status::Ok);
    let next = submit(&mut pairs[0], request(session, 64, 1), Delivery::Silent);
    assert_eq!(finish(&mut pairs[0], next).1, Status::Ok);
    let stats = device.stats();
    assert_eq!((stats.total.wakes_sent, stats.total.wake_panics, stats.deaths), (1, 1, 0));
}

/// Submissions and parking race with the close; each is refused, or ends.
#[test]
fn nothing_submitted_while_closing_stays_in_flight() {
    for round in 0..300 {
        let (device, mut pairs) = open("queue_pairs=2;workers=2;depth=16");
        let session = device.create_session(ctr());
        let together = Barrier::new(3);
        let mut tickets = vec![Vec::new(), Vec::new()];
        thread::scope(|scope| {
            for (pair, tickets) in pairs.iter_mut().zip(&mut tickets) {
                let together = &together;
                scope.spawn(move || {
                    together.wait();
                    loop {
                        match pair.submit(request(session, 16, 1), Delivery::Silent) {
                            Ok(ticket) => tickets.push(ticket),
                            Err(refused) if refused.reason == RefusedReason::Full => {
                                tickets.extend(pair.park(refused.request, refused.delivery));
                                thread::yield_now();
                            }
                            Err(_) => break,
                        }
                    }
                });
            }
            together.wait();
            drop(device);
        });
        for (pair, tickets) in pairs.iter().zip(tickets) {
            let stats = pair.remote().stats();
            assert_eq!((stats.submitted, stats.in_flight), (tickets.len() as u64, 0), "in round {round}");
            assert!(tickets.iter().all(|ticket| is_done(pair.remote(), *ticket)));
            assert_adds_up(&stats);
        }
    }
}
