//! The ends of futures, their threads and their engines, in every order: what is over says so, what is left
//! or leaked costs others nothing, and nothing keeps a waker.

mod captured;
mod engine_helpers;
mod future_helpers;

use std::sync::{Arc, Mutex};
use std::task::{Poll, Waker};
use std::thread;
use std::time::Duration;

use simaccel::future::{
    CallFuture, Cancelled, DrivenJob, InPlace, JobDriver, JobFuture, KeyFuture, OpFuture, Reaper, Tagged,
};
use simaccel::{Aead, Error};

use self::engine_helpers::{
    IV, KEY, assert_adds_up, assert_at_rest, ctr, expected_ctr, message, open, stepped,
};
use self::future_helpers::{block_on, drive, flags, poll_once, poll_with, reaper, turn};

#[test]
fn a_future_that_is_gone_keeps_no_waker() {
    for ends in ["dropped", "cancelled", "taken unwoken"] {
        for with_reaper in [true, false] {
            let engine = stepped("");
            let mut reaper = with_reaper.then(|| reaper(&engine));
            let [flag] = flags();
            let mut future = ctr(&engine).encrypt_async(&IV, message(1, 40));
            assert!(poll_with(&mut future, &Waker::from(Arc::clone(&flag))).is_pending());
            match ends {
                "dropped" => drop(future),
                "cancelled" => assert!(matches!(future.cancel(), Cancelled::TakenBack { .. })),
                _ => {
                    engine.device().run_until_idle();
                    assert!(poll_once(&mut future).is_ready());
                }
            }
            // A reaper keeps wakers for the next operations of their tasks, until it sleeps.
            engine.device().run_until_idle();
            reaper.iter_mut().for_each(turn);
            assert_eq!(Arc::strong_count(&flag), 1, "{ends}, with a reaper: {with_reaper}");
            assert_at_rest(&engine);
        }
    }
}

/// The thread of a reaper ends, with its reaper dropped, leaked, or dropped by a thread-local's destructor.
#[test]
fn futures_outlive_the_thread_of_their_reaper() {
    thread_local!(static KEPT: std::cell::RefCell<Option<Reaper>> = const { std::cell::RefCell::new(None) });
    for end in ["dropped", "leaked", "kept"] {
        for engine in [stepped("queue_pairs=2"), stepped("queue_pairs=3;delivery=poll")] {
            let engine = Arc::new(engine);
            let in_thread = Arc::clone(&engine);
            let begun = thread::spawn(move || {
                if end == "kept" {
                    // Before the engine's own thread-locals, so that it is dropped after them.
                    KEPT.with(|_| ());
                }
                let mut reaper = in_thread.reaper().unwrap();
                assert!(poll_once(&mut reaper).is_pending());
                let session = ctr(&in_thread);
                let mut begun: Vec<_> =
                    (0..3).map(|at| session.encrypt_async(&IV, message(at, 40))).collect();
                begun.iter_mut().for_each(|future| assert!(poll_once(future).is_pending()));
                match end {
                    "dropped" => drop(reaper),
                    "leaked" => std::mem::forget(reaper),
                    _ => KEPT.set(Some(reaper)),
                }
                begun
            });
            let begun = begun.join().unwrap();
            for (at, future) in begun.into_iter().enumerate() {
                assert_eq!(drive(&engine, future).unwrap(), expected_ctr(&message(at, 40)), "{end}");
            }
            assert_at_rest(&engine);
        }
    }
}

#[test]
fn a_refused_future_that_is_cancelled_is_over() {
    let engine = open("");
    let aead = engine.aead(Aead::Aes128Gcm, &KEY[..16]).unwrap();
    let mut future = aead.open_async(&IV[..12], b"", message(0, 50), &[0; 17]);
    let Cancelled::Ended(Err(error)) = future.cancel() else { panic!("it was refused") };
    let (error, buffer) = error.into_parts();
    assert!(matches!(error, Error::InvalidArgument(_)), "{error}");
    assert_eq!(buffer, message(0, 50));
    let Poll::Ready(Err(error)) = poll_once(&mut future) else { panic!("it is over") };
    assert_eq!(error.into_parts(), (Error::Closed, Vec::new()));
    assert!(matches!(future.cancel(), Cancelled::Ended(Err(error)) if error.error() == &Error::Closed));
    assert_eq!(engine.stats().operations, 0, "the device has seen nothing of it");
}

#[test]
fn a_future_that_is_over_says_so() {
    let engine = open("");
    let mut call = engine.call_async("sum", 8, || 5);
    assert_eq!(block_on(&mut call), Ok(5));
    assert_eq!(poll_once(&mut call), Poll::Ready(Err(Error::Closed)));
    let mut job = JobFuture::new(|| 5);
    assert_eq!(poll_once(&mut job), Poll::Ready(Ok(5)));
    assert_eq!(poll_once(&mut job), Poll::Ready(Err(Error::Closed)));
    let mut driven = JobDriver::new().unwrap().spawn(|| 5);
    while poll_once(&mut driven).is_pending() {
        thread::yield_now();
    }
    assert_eq!(poll_once(&mut driven), Poll::Ready(Err(Error::Closed)));
    assert_adds_up(&engine);
}

#[test]
fn a_leaked_future_in_any_state_costs_its_own_memory_alone() {
    for config in ["", "completion_nsec=1000;", "delivery=poll;"] {
        for with_reaper in [true, false] {
            let engine = stepped(&format!("{config}queue_pairs=2;depth=2"));
            let session = ctr(&engine);
            let mut reaper = with_reaper.then(|| reaper(&engine));
            for leak in 0..40 {
                let mut future = session.encrypt_async(&IV, message(leak, 40));
                if leak % 4 > 0 {
                    let _ = poll_once(&mut future);
                }
                match leak % 4 {
                    2 => _ = engine.device().step(),
                    3 => _ = engine.device().run_until_idle(),
                    _ => {}
                }
                std::mem::forget(future);
                engine.device().run_until_idle();
                reaper.iter_mut().for_each(turn);
            }
            let mut next = session.encrypt_async(&IV, message(50, 40));
            assert!(poll_once(&mut next).is_pending());
            engine.device().run_until_idle();
            reaper.iter_mut().for_each(turn);
            let Poll::Ready(Ok(text)) = poll_once(&mut next) else { panic!("{config} {with_reaper}") };
            assert_eq!(text, expected_ctr(&message(50, 40)));
        }
    }
}

#[test]
fn everything_may_be_dropped_before_its_futures() {
    for with_reaper in [true, false] {
        let engine = open("queue_pairs=2");
        let session = ctr(&engine);
        let reaper = with_reaper.then(|| reaper(&engine));
        let mut futures: Vec<_> = (0..3).map(|at| session.encrypt_async(&IV, message(at, 40))).collect();
        futures.iter_mut().for_each(|future| assert!(poll_once(future).is_pending()));
        drop((session, engine, reaper));
        let last = futures.pop().unwrap();
        drop(futures);
        assert_eq!(block_on(last).unwrap(), expected_ctr(&message(2, 40)));
    }
}

/// Drops the driver in a job of its own, and with jobs in every state.
#[test]
fn a_driver_that_is_dropped_by_its_own_job_ends_the_others() {
    let driver = Arc::new(Mutex::new(Some(JobDriver::new().unwrap())));
    let engine = stepped("completion_nsec=1000");
    let session = ctr(&engine);
    let spawn = |at| {
        let session = session.clone();
        driver.lock().unwrap().as_ref().unwrap().spawn(move || session.encrypt(&IV, message(at, 40)).is_ok())
    };
    let paused = spawn(1);
    let in_job = Arc::clone(&driver);
    let drops = driver.lock().unwrap().as_ref().unwrap().spawn(move || {
        let owned = in_job.lock().unwrap().take();
        drop(owned);
    });
    assert!(matches!(block_on(drops), Ok(()) | Err(Error::Closed)));
    assert_eq!(block_on(paused), Err(Error::Closed));
    assert_at_rest(&engine);
}

/// Counts in what both sides see: a time limit and the end of a request meet in every order.
#[test]
fn a_limit_and_an_end_that_meet_wake_once_and_give_one_result() {
    for steps in 0..4 {
        for with_waker in [true, false] {
            let engine = stepped("completion_nsec=1000");
            let mut future =
                ctr(&engine).encrypt_async(&IV, message(1, 40)).with_timeout(Duration::from_nanos(1_000));
            let [flag] = flags();
            let waker = if with_waker { Waker::from(Arc::clone(&flag)) } else { Waker::noop().clone() };
            assert!(poll_with(&mut future, &waker).is_pending());
            (0..steps).for_each(|_| _ = engine.device().step());
            engine.device().advance(Duration::from_nanos(1_000));
            assert_eq!(flag.calls(), usize::from(with_waker), "after {steps} steps");
            match poll_once(&mut future) {
                Poll::Ready(Ok(text)) => assert_eq!(text, expected_ctr(&message(1, 40))),
                Poll::Ready(Err(error)) => assert_eq!(error.into_parts(), (Error::Timeout, message(1, 40))),
                Poll::Pending => panic!("it was woken for nothing"),
            }
            assert_at_rest(&engine);
        }
    }
}

/// Fails to compile where the type is `Send`: there would be two implementations to choose from.
macro_rules! assert_not_send {
    ($($type:ty),*) => {$(
        const _: fn() = || {
            trait Either<A> {
                fn chosen() {}
            }
            struct IfSend;
            impl<T: ?Sized> Either<()> for T {}
            impl<T: ?Sized + Send> Either<IfSend> for T {}
            let _ = <$type as Either<_>>::chosen;
        };
    )*};
}

type NotSend = *mut u8;

assert_not_send!(JobFuture<usize, fn() -> usize>, Reaper, DrivenJob<NotSend>);

const _: fn() = || {
    fn is_send<T: Send + Unpin + 'static>() {}
    is_send::<OpFuture<InPlace>>();
    is_send::<OpFuture<Tagged, Box<[u8]>>>();
    is_send::<CallFuture<usize>>();
    is_send::<KeyFuture>();
    is_send::<JobDriver>();
    is_send::<DrivenJob<usize>>();
};
