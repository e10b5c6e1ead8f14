//! What a thread's reaper leaves: wakers of futures that are over, slots of requests that are done, and a
//! thread that blocks.

mod captured;
mod engine_helpers;
mod future_helpers;

use std::sync::Arc;
use std::task::{Context, Waker};
use std::thread;

use simaccel::future::{Cancelled, InPlace, OpFuture};

use self::engine_helpers::{IV, assert_adds_up, ctr, expected_ctr, message, open, stepped};
use self::future_helpers::{Flag, drive, poll_once};

fn pending(future: &mut OpFuture<InPlace>) {
    assert!(poll_once(future).is_pending());
}

/// A waker belongs to a task, which lives as long as something has it.
#[test]
fn no_waker_of_a_future_that_is_over_is_called_or_kept_by_a_reaper() {
    let engine = stepped("");
    let session = ctr(&engine);
    let mut reaper = engine.reaper().unwrap();
    assert!(poll_once(&mut reaper).is_pending());
    let flags: Vec<_> = (0..3).map(|_| Arc::new(Flag::default())).collect();
    let mut futures: Vec<_> = (0..3).map(|index| session.encrypt_async(&IV, message(index, 64))).collect();
    for (future, flag) in futures.iter_mut().zip(&flags) {
        let waker = Waker::from(Arc::clone(flag));
        assert!(std::pin::Pin::new(future).poll(&mut Context::from_waker(&waker)).is_pending());
    }
    // Polled without a wake, once it is done; cancelled; dropped.
    engine.device().run_until_idle();
    assert!(poll_once(&mut futures[0]).is_ready());
    assert!(matches!(futures[1].cancel(), Cancelled::Ended(Ok(_))));
    drop(futures);
    assert_eq!((Arc::strong_count(&flags[1]), Arc::strong_count(&flags[2])), (1, 1), "kept");
    drop(reaper);
    assert_eq!(flags.iter().map(|flag| flag.calls()).collect::<Vec<_>>(), [0, 0, 0]);
    assert_eq!(Arc::strong_count(&flags[0]), 1, "kept");
}

#[test]
fn a_dropped_reaper_leaves_no_slot_taken() {
    for takes_elsewhere in [false, true] {
        let engine = stepped("queue_pairs=2;depth=2");
        let session = ctr(&engine);
        let mut reaper = engine.reaper().unwrap();
        assert!(poll_once(&mut reaper).is_pending());
        let mut futures: Vec<_> =
            (0..2).map(|index| session.encrypt_async(&IV, message(index, 64))).collect();
        futures.iter_mut().for_each(pending);
        drop(reaper);
        engine.device().run_until_idle();
        let mut take = move || futures.iter_mut().all(|future| poll_once(future).is_ready());
        assert!(if takes_elsewhere { thread::spawn(take).join().unwrap() } else { take() });
        let mut later: Vec<_> = (0..2).map(|index| session.encrypt_async(&IV, message(index, 64))).collect();
        later.iter_mut().for_each(pending);
        engine.device().run_until_idle();
        later.iter_mut().for_each(|future| assert!(poll_once(future).is_ready()));
        assert_eq!(engine.stats().parked > 0, takes_elsewhere);
        assert_adds_up(&engine);
    }
}

#[test]
fn the_end_of_a_thread_leaves_no_slot_taken() {
    for (ends_before, forgets) in [(false, false), (false, true), (true, false), (true, true)] {
        let engine = stepped("queue_pairs=2;depth=2");
        let session = ctr(&engine);
        let device = engine.clone();
        let in_thread = thread::spawn(move || {
            let mut reaper = device.reaper().unwrap();
            assert!(poll_once(&mut reaper).is_pending());
            let mut futures: Vec<_> =
                (0..5).map(|index| session.encrypt_async(&IV, message(index, 64))).collect();
            // Two have a slot, the others wait for one.
            futures.iter_mut().for_each(pending);
            if forgets {
                std::mem::forget(reaper);
            } else {
                drop(reaper);
            }
            if !ends_before {
                device.device().run_until_idle();
            }
            futures
        });
        for (index, future) in in_thread.join().unwrap().into_iter().enumerate() {
            assert_eq!(drive(&engine, future).unwrap(), expected_ctr(&message(index, 64)));
        }
        assert_adds_up(&engine);
    }
}

/// A thread that blocks gives its reaper no turn.
#[test]
fn a_blocked_call_reaps_for_the_futures_of_its_thread() {
    let engine = stepped("queue_pairs=2;depth=2");
    let session = ctr(&engine);
    let mut reaper = engine.reaper().unwrap();
    for is_open in [true, false] {
        assert!(!is_open || poll_once(&mut reaper).is_pending());
        let mut futures: Vec<_> =
            (0..2).map(|index| session.encrypt_async(&IV, message(index, 64))).collect();
        futures.iter_mut().for_each(pending);
        if !is_open {
            reaper = engine.reaper().unwrap();
        }
        assert_eq!(session.encrypt(&IV, message(7, 64)).unwrap(), expected_ctr(&message(7, 64)));
        futures.iter_mut().for_each(|future| assert!(poll_once(future).is_ready()));
    }
    drop(reaper);
    // In threads, where it sleeps.
    let engine = open("queue_pairs=2;depth=2");
    let session = ctr(&engine);
    let mut reaper = engine.reaper().unwrap();
    for turn in 0..500 {
        let _ = poll_once(&mut reaper);
        let futures: Vec<_> = (0..2)
            .map(|index| {
                let mut future = session.encrypt_async(&IV, message(index, 64));
                let _ = poll_once(&mut future).is_pending();
                future
            })
            .collect();
        assert_eq!(session.encrypt(&IV, message(turn, 64)).unwrap(), expected_ctr(&message(turn, 64)));
        drop(futures);
    }
    drop(reaper);
    assert_adds_up(&engine);
}
