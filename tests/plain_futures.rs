//! Futures and blocking callers without jobs, in operations so few and small that an interpreter runs them:
//! with a worker thread and on a stepped device, from one thread and from several.
//!
//! ```text
//!   cargo +nightly miri test --test plain_futures        MIRIFLAGS=-Zmiri-disable-isolation, for the eventfds
//! ```
//!
//! It checks what references promise and which accesses race. Jobs switch stacks, which no interpreter knows;
//! what they have in common with futures (the state machine, the flight, the device) runs here.

mod captured;
mod engine_helpers;
mod future_helpers;

use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Wake, Waker};
use std::thread;
use std::time::Duration;

use simaccel::future::{Cancelled, OpFuture, Tagged};
use simaccel::{Aead, Engine, Error, Hash, HashSession};

use self::engine_helpers::{IV, KEY, assert_adds_up, ctr, open, stepped};
use self::future_helpers::{Executor, Flag, block_on, drive, poll_once};

/// SHA-256 of `abc`: FIPS 180-2, appendix B.1.
const DIGEST_OF_ABC: [u8; 32] = [
    0xba, 0x78, 0x16, 0xbf, 0x8f, 0x01, 0xcf, 0xea, 0x41, 0x41, 0x40, 0xde, 0x5d, 0xae, 0x22, 0x23, 0xb0,
    0x03, 0x61, 0xa3, 0x96, 0x17, 0x7a, 0x9c, 0xb4, 0x10, 0xff, 0x61, 0xf2, 0x00, 0x15, 0xad,
];

/// One queue pair with few places: a device that is soon made.
const SMALL: &str = "queue_pairs=2;depth=4";
/// Never ends a request.
const NEVER: &str = "completion_nsec=3600000000000;queue_pairs=1;depth=4";

fn sha(engine: &Engine) -> HashSession {
    engine.hash(Hash::Sha256).unwrap()
}

fn digest(session: &HashSession) -> OpFuture<Tagged> {
    session.digest_async(b"abc".to_vec())
}

type Outcome = Result<(Vec<u8>, simaccel::Tag), simaccel::OpError>;

#[track_caller]
fn assert_right(outcome: Outcome) {
    let (message, tag) = outcome.unwrap();
    assert_eq!((&message[..], tag.as_bytes()), (&b"abc"[..], &DIGEST_OF_ABC[..]));
}

#[track_caller]
fn assert_at_rest(engine: &Engine) {
    engine.device().run_until_idle();
    assert_adds_up(engine);
}

#[test]
fn a_blocked_caller_has_its_result_from_a_worker() {
    for delivery in ["", ";delivery=poll"] {
        let engine = open(&format!("{SMALL}{delivery}"));
        let session = sha(&engine);
        for _ in 0..2 {
            assert_right(session.digest_owned(b"abc".to_vec()));
            assert_eq!(session.digest(b"abc").unwrap().as_bytes(), DIGEST_OF_ABC);
        }
        assert_eq!(engine.call("sum", 8, || 6 * 7), Ok(42));
        assert_adds_up(&engine);
    }
}

#[test]
fn blocked_callers_of_several_threads_share_a_queue_pair() {
    let engine = open("queue_pairs=1;depth=2");
    let callers: Vec<_> = (0..3)
        .map(|_| {
            let session = sha(&engine);
            thread::spawn(move || (0..2).for_each(|_| assert_right(session.digest_owned(b"abc".to_vec()))))
        })
        .collect();
    callers.into_iter().for_each(|caller| caller.join().unwrap());
    assert_adds_up(&engine);
}

#[test]
fn a_blocked_caller_steps_its_device() {
    let engine = stepped("queue_pairs=1;depth=2;completion_nsec=1000");
    let (session, cipher) = (sha(&engine), ctr(&engine));
    assert_right(session.digest_owned(b"abc".to_vec()));
    let sealed = cipher.encrypt(&IV, b"abc".to_vec()).unwrap();
    assert_ne!(sealed, b"abc");
    let (source, text) = cipher.decrypt_to(&IV, sealed.clone(), vec![7; 1]).unwrap();
    assert_eq!((source, &text[..]), (sealed, &b"abc"[..]));
    assert_adds_up(&engine);
}

#[test]
fn a_blocked_caller_is_late() {
    let engine = stepped(&format!("{NEVER};timeout_msec=1"));
    let (error, message) = sha(&engine).digest_owned(b"abc".to_vec()).unwrap_err().into_parts();
    assert_eq!((error, &message[..]), (Error::Timeout, &b"abc"[..]));
    assert_adds_up(&engine);
}

#[test]
fn operations_are_awaited_from_a_worker() {
    let engine = open(SMALL);
    block_on(async {
        let session = sha(&engine);
        for _ in 0..2 {
            assert_right(digest(&session).await);
        }
        let cipher = ctr(&engine);
        let sealed = cipher.encrypt_async(&IV, b"abc".to_vec()).await.unwrap();
        let (source, text) = cipher.decrypt_to_async(&IV, sealed.clone(), Vec::new()).await.unwrap();
        assert_eq!((source, &text[..]), (sealed, &b"abc"[..]));
        assert_eq!(engine.call_async("sum", 8, || 6 * 7).await, Ok(42));
    });
    assert_adds_up(&engine);
}

#[test]
fn an_aead_is_awaited_on_a_stepped_device() {
    let engine = stepped(SMALL);
    let aead = engine.aead(Aead::Aes128Gcm, &KEY[..16]).unwrap();
    let (text, tag) = drive(&engine, aead.seal_async(&IV[..12], b"aad", b"abc".to_vec())).unwrap();
    let opened = drive(&engine, aead.open_async(&IV[..12], b"aad", text, tag.as_bytes()));
    assert_eq!(opened.unwrap(), b"abc");
    let forged = drive(&engine, aead.open_async(&IV[..12], b"aad", vec![1; 3], tag.as_bytes()));
    assert_eq!(forged.unwrap_err().into_parts(), (Error::AuthFailed, Vec::new()));
    assert_adds_up(&engine);
}

/// Polls once. A future that has ended makes room for the next one.
fn poll_on(session: &HashSession, mut future: OpFuture<Tagged>) -> OpFuture<Tagged> {
    match poll_once(&mut future) {
        Poll::Ready(outcome) => {
            assert_right(outcome);
            digest(session)
        }
        Poll::Pending => future,
    }
}

#[test]
fn each_poll_comes_from_another_thread() {
    let engine = open(SMALL);
    let session = sha(&engine);
    let mut future = poll_on(&session, digest(&session));
    for _ in 0..2 {
        let session = session.clone();
        future = thread::spawn(move || poll_on(&session, future)).join().unwrap();
    }
    thread::spawn(move || assert_right(block_on(future))).join().unwrap();
    assert_adds_up(&engine);
}

#[test]
fn more_futures_than_slots_are_awaited_at_once() {
    let engine = open("queue_pairs=1;depth=2");
    let mut executor = Executor::new();
    for _ in 0..4 {
        let session = sha(&engine);
        executor.spawn(async move { assert_right(digest(&session).await) });
    }
    executor.run();
    assert_adds_up(&engine);
}

/// The state of a request on a stepped device by the number of steps: queued, scheduled, done.
#[test]
fn a_future_is_dropped_or_cancelled_wherever_it_is() {
    for is_dropped in [true, false] {
        for steps in 0..3 {
            let engine = stepped("queue_pairs=1;depth=2;completion_nsec=1000");
            let mut future = digest(&sha(&engine));
            assert!(poll_once(&mut future).is_pending());
            (0..steps).for_each(|_| _ = engine.device().step());
            if is_dropped {
                drop(future);
            } else {
                match future.cancel() {
                    Cancelled::TakenBack { buffer, destination: None } => assert_eq!(buffer, b"abc"),
                    Cancelled::Ended(outcome) => assert_right(outcome),
                    cancelled => panic!("{cancelled:?}"),
                }
            }
            assert_at_rest(&engine);
        }
    }
}

/// Whatever the worker is doing with the request.
#[test]
fn a_future_is_dropped_or_cancelled_beside_a_worker() {
    let engine = open(SMALL);
    let session = sha(&engine);
    for turn in 0..4 {
        let mut future = digest(&session);
        let polled = poll_once(&mut future);
        (0..turn).for_each(|_| thread::yield_now());
        match polled {
            Poll::Ready(outcome) => assert_right(outcome),
            Poll::Pending if turn % 2 == 0 => drop(future),
            Poll::Pending => match future.cancel() {
                Cancelled::TakenBack { buffer, .. } => assert_eq!(buffer, b"abc"),
                Cancelled::Ended(outcome) => assert_right(outcome),
            },
        }
    }
    assert_right(block_on(digest(&session)));
    assert_adds_up(&engine);
}

#[test]
fn a_future_ends_late_with_its_buffer() {
    let engine = stepped(NEVER);
    let mut future = digest(&sha(&engine)).with_timeout(Duration::from_millis(3));
    let flag = Arc::new(Flag::default());
    let waker = Waker::from(Arc::clone(&flag));
    assert!(Pin::new(&mut future).poll(&mut Context::from_waker(&waker)).is_pending());
    engine.device().advance(Duration::from_millis(3));
    assert_eq!(flag.calls(), 1);
    let Poll::Ready(Err(error)) = poll_once(&mut future) else { panic!("it is late") };
    assert_eq!(error.into_parts(), (Error::Timeout, b"abc".to_vec()));
    assert_adds_up(&engine);
}

/// The limit is over while the worker computes, or never: either outcome has the buffer.
#[test]
fn a_limit_races_the_end_beside_a_worker() {
    let engine = open(SMALL);
    let session = sha(&engine);
    for limit in [Duration::ZERO, Duration::from_nanos(1), Duration::from_secs(3_600)] {
        match block_on(digest(&session).with_timeout(limit)) {
            Err(error) => assert_eq!(error.into_parts(), (Error::Timeout, b"abc".to_vec())),
            outcome => assert_right(outcome),
        }
    }
    assert_adds_up(&engine);
}

#[test]
fn a_call_gives_its_value_its_panic_or_nothing() {
    let engine = open(SMALL);
    let text = "a value of its own".to_owned();
    assert_eq!(block_on(engine.call_async("text", 8, move || text)).unwrap(), "a value of its own");
    let panics = engine.call_async("text", 8, || -> usize { panic!("deliberate") });
    let panic = catch_unwind(AssertUnwindSafe(|| block_on(panics))).unwrap_err();
    assert_eq!(panic.downcast_ref(), Some(&"deliberate"));
    let owned = Arc::new(());
    for _ in 0..2 {
        let in_call = Arc::clone(&owned);
        let mut call = engine.call_async("keep", 8, move || in_call);
        drop(poll_once(&mut call));
        drop(call);
        assert_eq!(Arc::strong_count(&owned), 1);
    }
    assert_adds_up(&engine);
}

/// Owns the future that it wakes, and drops it in its wake: on the device's thread.
#[derive(Default)]
struct Owner(Mutex<Option<OpFuture<Tagged>>>);

impl Wake for Owner {
    fn wake(self: Arc<Self>) {
        let owned = self.0.lock().unwrap().take();
        drop(owned);
    }
}

#[test]
fn a_waker_drops_the_future_that_it_wakes_and_the_last_handle_of_the_engine() {
    for _ in 0..2 {
        let engine = open(SMALL);
        let owner = Arc::new(Owner::default());
        let mut future = digest(&sha(&engine));
        let waker = Waker::from(Arc::clone(&owner));
        let polled = Pin::new(&mut future).poll(&mut Context::from_waker(&waker));
        *owner.0.lock().unwrap() = polled.is_pending().then_some(future);
        drop(waker);
        drop(engine);
        // It may have been woken before it was put there: then it is dropped here.
        while Arc::strong_count(&owner) > 1 {
            thread::yield_now();
        }
        let left = owner.0.lock().unwrap().take();
        drop(left);
    }
}

#[test]
fn a_reaper_wakes_what_its_thread_awaits() {
    let engine = open(SMALL);
    let mut executor = Executor::new();
    let mut reaper = engine.reaper().unwrap();
    let sessions = [sha(&engine), sha(&engine)];
    executor.spawn(async move {
        let mut both = pin!(async {
            for session in &sessions {
                assert_right(digest(session).await);
            }
        });
        std::future::poll_fn(|context| {
            let polled = both.as_mut().poll(context);
            if polled.is_pending() {
                let _ = Pin::new(&mut reaper).poll(context);
            }
            polled
        })
        .await;
    });
    executor.run();
    assert_adds_up(&engine);
}

/// One is dropped, one cancelled and one goes on elsewhere; and then the reaper is gone.
#[test]
fn what_a_reaper_leaves_goes_on_in_other_threads() {
    for with_worker in [false, true] {
        let engine = if with_worker { open(SMALL) } else { stepped(SMALL) };
        let session = sha(&engine);
        let mut reaper = engine.reaper().unwrap();
        let mut context = Context::from_waker(Waker::noop());
        assert!(Pin::new(&mut reaper).poll(&mut context).is_pending());
        let mut futures: Vec<_> = (0..4).map(|_| digest(&session)).collect();
        for future in &mut futures {
            assert!(Pin::new(future).poll(&mut context).is_pending());
        }
        let (mut cancelled, moved) = (futures.remove(0), futures.remove(0));
        drop(futures.remove(0));
        let mut last = futures.remove(0);
        if let Cancelled::Ended(outcome) = cancelled.cancel() {
            assert_right(outcome);
        }
        if with_worker {
            let moved = thread::spawn(move || block_on(moved));
            // The mover may need the reaper until the end.
            let mut looks = 0;
            while !moved.is_finished() || looks < 2 {
                let _ = Pin::new(&mut reaper).poll(&mut context);
                thread::yield_now();
                looks += 1;
            }
            assert_right(moved.join().unwrap());
            drop(reaper);
            assert_right(block_on(last));
        } else {
            drop(reaper);
            let moved = thread::spawn(move || {
                let mut moved = moved;
                assert!(poll_once(&mut moved).is_pending());
                moved
            });
            let moved = moved.join().unwrap();
            assert!(poll_once(&mut last).is_pending());
            engine.device().run_until_idle();
            assert!(matches!(poll_once(&mut last), Poll::Ready(Ok(_))));
            thread::spawn(move || assert_right(block_on(moved))).join().unwrap();
        }
        assert_at_rest(&engine);
    }
}
