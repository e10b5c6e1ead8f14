//! Nobody sleeps on an interrupt that a busy worker holds back: not when the device closes, not while it
//! computes something long, and not under load.
#![cfg(not(loom))]

mod device_helpers;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use device_helpers::*;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use simaccel_device::{Call, Delivery, Interrupt, QueuePair, Request, SessionId, Status};

const POLLED: Delivery = Delivery::Reap { owner: 0 };

fn attached(pair: &QueuePair) -> Arc<Interrupt> {
    let interrupt = Arc::new(Interrupt::new().expect("an eventfd"));
    pair.remote().attach(Arc::clone(&interrupt));
    interrupt
}

/// The device closes while some requests become due, and others come in.
#[test]
fn whoever_sleeps_is_told_of_the_last_completions_of_a_device_that_closes() {
    for round in 0..1_500_u32 {
        let (device, mut pairs) = open("queue_pairs=1;depth=64;compute_units=1;completion_nsec=200");
        let session = device.create_session(ctr());
        let interrupt = attached(&pairs[0]);
        interrupt.arm();
        let requests = 1 + round % 60;
        for _ in 0..requests {
            let _ = submit(&mut pairs[0], request(session, 16, 1), POLLED);
        }
        let remote = pairs[0].remote().clone();
        for _ in 0..(round % 7) * 10 {
            std::hint::spin_loop();
        }
        drop(device);
        assert!(remote.completions_pending());
        assert!(!interrupt.is_armed(), "round {round}: {requests} requests have ended, and nobody is told");
    }
}

/// A function that runs until the sleeper was told of what has completed before.
#[test]
fn whoever_sleeps_is_told_before_a_function_is_run() {
    let (device, mut pairs) = open("queue_pairs=1;depth=128;compute_units=8;completion_nsec=1");
    let session = device.create_session(ctr());
    let interrupt = attached(&pairs[0]);
    for round in 0..2_000_u32 {
        interrupt.clear();
        interrupt.arm();
        let before = round % 60;
        for _ in 0..before {
            let _ = submit(&mut pairs[0], request(session, 16, 1), POLLED);
        }
        let (waits, remote) = (Arc::clone(&interrupt), pairs[0].remote().clone());
        let call = Call::new("waits", 0, move || {
            // Those of its own batch are published after it.
            if remote.completions_pending() {
                until("the interrupt", || !waits.is_armed());
            }
        });
        let _ = submit(&mut pairs[0], Request::of_call(call), POLLED);
        let mut reaped = 0;
        until("all have ended", || {
            reaped += pairs[0].reap(128, &mut |_| ());
            reaped == before as usize + 1
        });
    }
    assert_balanced(&device);
}

/// Sleeps whenever there is nothing to reap, until all its requests have ended.
fn sleeps_between(pair: &mut QueuePair, session: SessionId, requests: usize, at_once: usize) -> u64 {
    let interrupt = attached(pair);
    let (mut sleeps, mut tickets, mut reaped) = (0, Vec::new(), 0);
    while reaped < requests {
        while tickets.len() < at_once && reaped + tickets.len() < requests {
            tickets.push(submit(pair, request(session, 16, 1), POLLED));
        }
        interrupt.arm();
        if !pair.remote().completions_pending() {
            let mut fds = [PollFd::new(interrupt.fd().unwrap(), PollFlags::POLLIN)];
            assert_eq!(poll(&mut fds, PollTimeout::from(60_000_u16)).unwrap(), 1, "it is never woken");
            sleeps += 1;
        }
        interrupt.disarm();
        interrupt.clear();
        let mut ended = Vec::new();
        reaped += pair.reap(at_once, &mut |completion| ended.push(completion.ticket));
        for ticket in ended {
            assert_eq!(pair.take(ticket).expect("it is done").1, Status::Ok);
            tickets.retain(|other| *other != ticket);
        }
    }
    sleeps
}

/// The other queue pair keeps the worker busy, pass after pass.
#[test]
fn whoever_sleeps_under_load_is_woken() {
    let (device, mut pairs) = open("queue_pairs=2;depth=64;compute_units=16;completion_nsec=100");
    let session = device.create_session(ctr());
    let (mut busy, mut sleepy) = (pairs.pop().unwrap(), pairs.pop().unwrap());
    let ends = AtomicBool::new(false);
    let sleeps = thread::scope(|scope| {
        scope.spawn(|| {
            while !ends.load(Ordering::Relaxed) {
                let _ = busy.submit(request(session, 16, 2), POLLED);
                let mut ended = Vec::new();
                busy.reap(64, &mut |completion| ended.push(completion.ticket));
                ended.into_iter().for_each(|ticket| drop(busy.take(ticket)));
            }
            until("it is idle", || {
                let mut ended = Vec::new();
                busy.reap(64, &mut |completion| ended.push(completion.ticket));
                ended.into_iter().for_each(|ticket| drop(busy.take(ticket)));
                busy.remote().stats().in_flight == 0
            });
        });
        let counts = [1, 2, 7, 40].map(|at_once| sleeps_between(&mut sleepy, session, 4_000, at_once));
        ends.store(true, Ordering::Relaxed);
        counts.iter().sum::<u64>()
    });
    let raised = sleepy.remote().stats().interrupts;
    assert!(sleeps <= raised, "{sleeps} sleeps, {raised} interrupts");
    assert_balanced(&device);
}
