//! How the end of a request is announced: wakers, the completion ring and its interrupt; fairness between
//! queue pairs.
#![cfg(not(loom))]

mod device_helpers;

use std::sync::Arc;
use std::thread;

use device_helpers::*;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use simaccel_device::{Completion, Delivery, Interrupt, QueuePair, Status, TicketState, WakeState};

fn is_readable(interrupt: &Interrupt) -> bool {
    let mut fds = [PollFd::new(interrupt.fd().unwrap(), PollFlags::POLLIN)];
    poll(&mut fds, PollTimeout::ZERO).expect("poll works") == 1
}

fn wait_readable(interrupt: &Interrupt) {
    let mut fds = [PollFd::new(interrupt.fd().unwrap(), PollFlags::POLLIN)];
    assert_eq!(poll(&mut fds, PollTimeout::from(60_000_u16)).expect("poll works"), 1, "it never came");
}

fn reap(pair: &mut QueuePair, max: usize) -> Vec<Completion> {
    let mut completions = Vec::new();
    let count = pair.reap(max, &mut |completion| completions.push(completion));
    assert_eq!(count, completions.len());
    completions
}

#[test]
fn a_waker_is_called_once_after_its_request_is_done() {
    let (device, mut pairs) = open("queue_pairs=1");
    let session = device.create_session(ctr());
    for _ in 0..500 {
        let caller = thread::current();
        let (remote, woken) = (pairs[0].remote().clone(), Count::new());
        let waker = once({
            let woken = woken.waker();
            move || {
                woken.wake();
                caller.unpark();
            }
        });
        let ticket = submit(&mut pairs[0], request(session, 64, 1), Delivery::Wake(waker));
        while woken.calls() == 0 {
            thread::park();
        }
        assert_eq!(remote.state(ticket), TicketState::Done(Status::Ok));
        until("the end of the wake", || remote.wake_state(ticket) == WakeState::Sent);
        assert!(!remote.cancel_wake(ticket), "the token is there");
        assert_eq!(pairs[0].take(ticket).expect("done").1, Status::Ok);
        assert_eq!(woken.calls(), 1);
    }
    assert_eq!(device.stats().total.wakes_sent, 500);
}

#[test]
fn completions_are_reaped_in_order_with_owner_and_user_data() {
    let (device, mut pair) = stepped("queue_pairs=1;depth=8");
    let session = device.create_session(ctr());
    let tickets: Vec<_> = (0..8)
        .map(|fill| {
            let delivery = Delivery::Reap { owner: u32::MAX - u32::from(fill) };
            submit(&mut pair, request(session, 16, fill), delivery)
        })
        .collect();
    assert!(!pair.remote().completions_pending());
    device.run_until_idle();
    assert!(pair.remote().completions_pending());
    let mut completions = reap(&mut pair, 3);
    completions.extend(reap(&mut pair, 99));
    let seen: Vec<_> =
        completions.iter().map(|completion| (u32::MAX - completion.owner, completion.user_data)).collect();
    assert_eq!(seen, (0..8).map(|fill| (fill, u64::from(fill))).collect::<Vec<_>>());
    assert_eq!(completions.iter().map(|completion| completion.ticket).collect::<Vec<_>>(), tickets);
    assert!(!pair.remote().completions_pending());
    for (completion, fill) in completions.into_iter().zip(0..) {
        assert_eq!(pair.remote().wake_state(completion.ticket), WakeState::Sent, "reaping took the wake");
        assert_eq!(pair.take(completion.ticket).expect("done").0.buffer, expected(16, fill));
    }
}

#[test]
fn a_cancelled_completion_is_not_handed_out() {
    let (device, mut pair) = stepped("queue_pairs=1;depth=4");
    let session = device.create_session(ctr());
    let tickets: [_; 4] =
        [0, 1, 2, 3].map(|fill| submit(&mut pair, request(session, 16, fill), Delivery::Reap { owner: 0 }));
    assert!(pair.remote().cancel_wake(tickets[0]), "before it is done");
    device.run_until_idle();
    assert!(pair.remote().cancel_wake(tickets[1]), "after");
    assert!(pair.remote().revoke(tickets[2]).is_some());
    assert_eq!(reap(&mut pair, 1).len(), 1, "those that are dropped do not count");
    assert!(pair.take(tickets[0]).is_some(), "the results are there");
    assert!(pair.take(tickets[1]).is_some());
    assert_eq!(pair.remote().stats().wakes_cancelled, 3);
    for fill in 0..4 {
        let _ = submit(&mut pair, request(session, 16, fill), Delivery::Silent);
    }
}

#[test]
fn a_panic_while_reaping_loses_no_slot() {
    let (device, mut pair) = stepped("queue_pairs=1;depth=2");
    let session = device.create_session(ctr());
    for fill in 0..2 {
        let _ = submit(&mut pair, request(session, 16, fill), Delivery::Reap { owner: 0 });
    }
    device.run_until_idle();
    let panicked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        pair.reap(9, &mut |_| panic!("a reaper that panics, for the test"));
    }));
    assert!(panicked.is_err());
    assert_eq!(reap(&mut pair, 9).len(), 1);
    for fill in 0..2 {
        let _ = submit(&mut pair, request(session, 16, fill), Delivery::Silent);
    }
}

#[test]
fn an_interrupt_is_raised_once_when_armed() {
    let (device, mut pair) = stepped("queue_pairs=1;depth=8");
    let session = device.create_session(ctr());
    let interrupt = Arc::new(Interrupt::new().expect("an eventfd"));
    pair.remote().attach(Arc::clone(&interrupt));
    let mut publish = |delivery: Delivery| {
        for _ in 0..2 {
            let _ = submit(&mut pair, request(session, 16, 1), delivery.clone());
        }
        device.run_until_idle();
        pair.reap(9, &mut |_| {});
        pair.remote().clone()
    };
    publish(Delivery::Reap { owner: 0 });
    assert!(!is_readable(&interrupt), "nobody asked");
    interrupt.arm();
    publish(Delivery::Silent);
    assert!(!is_readable(&interrupt), "nothing to reap");
    publish(Delivery::Reap { owner: 0 });
    assert!(is_readable(&interrupt));
    assert!(interrupt.clear());
    assert!(!interrupt.clear());
    publish(Delivery::Reap { owner: 0 });
    assert!(!is_readable(&interrupt), "it was asked for once");
    interrupt.arm();
    interrupt.disarm();
    publish(Delivery::Reap { owner: 0 });
    assert!(!is_readable(&interrupt));
    interrupt.arm();
    let remote = publish(Delivery::Silent);
    assert!(remote.detach(&interrupt));
    assert!(!remote.detach(&interrupt));
    publish(Delivery::Reap { owner: 0 });
    assert!(!is_readable(&interrupt), "detached");
    assert_eq!(Arc::strong_count(&interrupt), 1);
    assert_eq!(remote.stats().interrupts, 1);
}

/// Polling with sleep: arm, look again, wait for the fd. No completion is missed.
#[test]
fn a_poller_that_sleeps_misses_nothing() {
    let (device, mut pairs) = open("queue_pairs=1;depth=16");
    let session = device.create_session(ctr());
    let pair = &mut pairs[0];
    let interrupt = Arc::new(Interrupt::new().expect("an eventfd"));
    pair.remote().attach(Arc::clone(&interrupt));
    let (mut submitted, mut done) = (0, 0);
    let mut dice = Dice(3);
    while done < 20_000 {
        for _ in 0..=dice.roll(16) {
            let taken = pair.submit(request(session, 64, 1), Delivery::Reap { owner: 0 });
            submitted += usize::from(taken.is_ok());
        }
        let mut completions = reap(pair, usize::MAX);
        if completions.is_empty() && done < submitted {
            interrupt.arm();
            if !pair.remote().completions_pending() {
                wait_readable(&interrupt);
            }
            interrupt.disarm();
            interrupt.clear();
            completions = reap(pair, usize::MAX);
        }
        done += completions.len();
        for completion in completions {
            assert_eq!(pair.take(completion.ticket).expect("done").1, Status::Ok);
        }
    }
}

#[test]
fn queue_pairs_take_turns() {
    let device = simaccel_device::Device::stepped(&config("queue_pairs=3;depth=128")).expect("it opens");
    let mut pairs = device.take_queue_pairs();
    let session = device.create_session(ctr());
    for (index, pair) in pairs.iter_mut().enumerate() {
        for _ in 0..[128, 128, 1][index] {
            let _ = submit(pair, request(session, 16, 1), Delivery::Silent);
        }
    }
    assert!(device.step());
    let done = |index: usize| device.stats().queue_pairs[index].completed;
    assert_eq!(done(2), 1, "a short queue is not behind long ones");
    assert_eq!(done(0), done(1), "and the long ones share alike");
    assert!(done(0) < 128);
}

#[test]
fn counters_name_what_happened() {
    let (device, mut pairs) = open("queue_pairs=2;workers=2");
    let session = device.create_session(ctr());
    let bad = simaccel_device::SessionId::NONE;
    for pair in &mut pairs {
        for (session, len) in [(session, 100), (session, 28), (bad, 1)] {
            let ticket = submit(pair, request(session, len, 1), Delivery::Silent);
            finish(pair, ticket);
        }
    }
    let stats = device.stats();
    assert_eq!(stats.queue_pairs[0], pairs[0].remote().stats());
    let total = stats.total;
    assert_eq!((total.submitted, total.completed, total.failed, total.bytes), (6, 4, 2, 258));
    assert_eq!(total.doorbells_rung + total.doorbells_suppressed, 6);
    assert_adds_up(&total);
}

#[test]
fn large_requests_are_shown_one_by_one_or_four_at_a_time_where_many_wait() {
    let (device, mut pair) = stepped("queue_pairs=1;depth=64");
    let session = device.create_session(ctr());
    for fill in 0..20 {
        let _ = submit(&mut pair, request(session, 16 << 10, fill), Delivery::Reap { owner: 0 });
    }
    let batches: Vec<_> = std::iter::from_fn(|| {
        device.step();
        Some(pair.reap(usize::MAX, &mut |_| ())).filter(|shown| *shown > 0)
    })
    .collect();
    assert_eq!(batches, [&[4, 4][..], &[1; 12]].concat());
}
