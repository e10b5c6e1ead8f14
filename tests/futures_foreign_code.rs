//! Foreign code in futures: wakers that panic, re-enter the engine or drop what they wake, buffers whose
//! conversions panic, functions that panic. None of it loses another operation, its wake or its memory.

mod captured;
mod engine_helpers;
mod future_helpers;
#[path = "futures_foreign_code/wakers.rs"]
mod wakers;

use std::future::Future;
use std::panic::panic_any;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Wake, Waker};
use std::thread;
use std::time::Duration;

use simaccel::future::{
    Buffer, CallFuture, Cancelled, DrivenJob, InPlace, JobDriver, JobFuture, KeyFuture, OpFuture, Reaper,
    Tagged,
};
use simaccel::{Aead, Engine, Error};

use self::engine_helpers::{IV, KEY, assert_adds_up, ctr, expected_ctr, message, open, stepped};
use self::future_helpers::{Flag, block_on, drive, poll_once};
use self::wakers::{Fragile, in_next_clone, panicking, panics, poll_with, runs};

/// A reaper that has had its first turn.
fn reaper(engine: &Engine) -> Pin<Box<Reaper>> {
    let mut reaper = Box::pin(engine.reaper().unwrap());
    turn(&mut reaper);
    reaper
}

fn turn(reaper: &mut Pin<Box<Reaper>>) {
    assert!(reaper.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
}

fn flags<const N: usize>() -> [Arc<Flag>; N] {
    [(); N].map(|()| Arc::new(Flag::default()))
}

/// Nothing is left with the device.
fn assert_at_rest(engine: &Engine) {
    engine.device().run_until_idle();
    assert_eq!(engine.stats().device.total.in_flight, 0);
    assert_adds_up(engine);
}

#[test]
fn a_waker_that_panics_in_a_reaper_keeps_no_other_from_being_called() {
    for is_dropped in [false, true] {
        let engine = stepped("");
        let mut reaper = reaper(&engine);
        let mut futures: Vec<_> = (0..3).map(|at| ctr(&engine).encrypt_async(&IV, message(at, 40))).collect();
        let [first, last] = flags();
        let wakers = [Waker::from(Arc::clone(&first)), panicking(), Waker::from(Arc::clone(&last))];
        for (future, waker) in futures.iter_mut().zip(&wakers) {
            assert!(poll_with(future, waker).is_pending());
        }
        engine.device().run_until_idle();
        if is_dropped {
            assert!(!panics(|| drop(reaper)), "a drop may come while a panic is under way");
        } else {
            // The panic may come, when all were called, and does not come again.
            let _ = panics(|| turn(&mut reaper));
            assert!(!panics(|| turn(&mut reaper)));
        }
        assert_eq!((first.calls(), last.calls()), (1, 1), "dropped: {is_dropped}");
        for (at, future) in futures.iter_mut().enumerate() {
            assert_eq!(poll_once(future).map(Result::unwrap), Poll::Ready(expected_ctr(&message(at, 40))));
        }
        assert_at_rest(&engine);
    }
}

/// A blocked call reaps the completions of its thread's futures and wakes them; a job's token is behind.
#[test]
fn a_waker_that_panics_in_a_blocked_call_loses_no_other_completion() {
    let engine = stepped("delivery=poll");
    let reaper = reaper(&engine);
    let mut futures: Vec<_> = (0..2).map(|at| ctr(&engine).encrypt_async(&IV, message(at, 40))).collect();
    let [flag] = flags();
    assert!(poll_with(&mut futures[0], &panicking()).is_pending());
    assert!(poll_with(&mut futures[1], &Waker::from(Arc::clone(&flag))).is_pending());
    let mut blocked = Ok(Vec::new());
    assert!(!panics(|| blocked = ctr(&engine).encrypt(&IV, message(7, 40))));
    assert_eq!(blocked.unwrap(), expected_ctr(&message(7, 40)));
    // What the call has not reaped is the reaper's.
    drop(reaper);
    assert_eq!(flag.calls(), 1);
    for (at, future) in futures.iter_mut().enumerate() {
        assert_eq!(poll_once(future).map(Result::unwrap), Poll::Ready(expected_ctr(&message(at, 40))));
    }
    assert_at_rest(&engine);
}

/// At the first poll and at a later one, with and without a reaper.
#[test]
fn a_waker_that_panics_when_it_is_cloned_or_dropped_leaves_nothing_with_the_device() {
    for with_reaper in [true, false] {
        for (polls, in_clone) in [(0, true), (1, true), (1, false)] {
            let engine = stepped("queue_pairs=2");
            let reaper = with_reaper.then(|| reaper(&engine));
            let data = Arc::new(Fragile::default());
            let mut future = ctr(&engine).encrypt_async(&IV, message(1, 40));
            let waker = Fragile::waker(&data);
            (0..polls).for_each(|_| assert!(poll_with(&mut future, &waker).is_pending()));
            let which = if in_clone { &data.clone } else { &data.drop };
            which.store(true, Ordering::SeqCst);
            let other = Fragile::waker(&Arc::default());
            let second = if in_clone { &waker } else { &other };
            assert!(panics(|| poll_with(&mut future, second)), "{with_reaper} {polls} {in_clone}");
            which.store(false, Ordering::SeqCst);
            drop(future);
            let stats = engine.stats();
            assert_eq!(stats.pauses, stats.resumes + stats.abandoned, "{with_reaper} {polls} {in_clone}");
            engine.device().run_until_idle();
            drop(reaper);
            drop((waker, other));
            assert_eq!(Arc::strong_count(&data), 1, "{with_reaper} {polls} {in_clone}");
            assert_at_rest(&engine);
        }
    }
}

/// What the reaper does in the clone comes before the clone is in its place.
#[test]
fn a_waker_whose_clone_has_the_reaper_run_or_dropped_is_called() {
    for drops in [true, false] {
        let engine = stepped("");
        let mut reaper = reaper(&engine);
        let mut future = ctr(&engine).encrypt_async(&IV, message(1, 64));
        let device = engine.clone();
        in_next_clone(move || {
            if drops {
                return drop(reaper);
            }
            device.device().run_until_idle();
            turn(&mut reaper);
            // It is asleep from here on.
            std::mem::forget(reaper);
        });
        let data = Arc::new(Fragile::default());
        let waker = Fragile::waker(&data);
        let mut calls = 0;
        while poll_with(&mut future, &waker).is_pending() {
            engine.device().run_until_idle();
            let before = std::mem::replace(&mut calls, data.calls.load(Ordering::SeqCst));
            assert!(calls > before, "no wake came: {drops}");
        }
        assert_at_rest(&engine);
    }
}

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

/// A buffer whose conversions panic when they are told to.
#[derive(Debug)]
struct Reluctant<const INTO: bool, const FROM: bool>(Vec<u8>);

impl<const INTO: bool, const FROM: bool> AsRef<[u8]> for Reluctant<INTO, FROM> {
    fn as_ref(&self) -> &[u8] {
        panic!("nothing looks before the conversion")
    }
}

impl<const INTO: bool, const FROM: bool> Buffer for Reluctant<INTO, FROM> {
    fn into_vec(self) -> Vec<u8> {
        assert!(!INTO, "deliberate");
        self.0
    }

    fn from_vec(vec: Vec<u8>) -> Self {
        assert!(!FROM, "deliberate");
        Self(vec)
    }
}

#[test]
fn a_buffer_whose_conversion_panics_ends_its_operation_alone() {
    for with_reaper in [true, false] {
        let engine = stepped("");
        let session = ctr(&engine);
        let _reaper = with_reaper.then(|| reaper(&engine));
        let mut beside = session.encrypt_async(&IV, message(1, 40));
        assert!(poll_once(&mut beside).is_pending());
        assert!(panics(|| session.encrypt_async(&IV, Reluctant::<true, false>(message(2, 40)))));
        let reluctant = || Reluctant::<false, true>(message(2, 40));
        let mut done = session.encrypt_async(&IV, reluctant());
        let mut apart = session.encrypt_to_async(&IV, reluctant(), reluctant());
        let mut cancelled = session.encrypt_async(&IV, reluctant());
        let aead = engine.aead(Aead::Aes128Gcm, &KEY[..16]).unwrap();
        let mut refused = aead.open_async(&IV[..12], b"", reluctant(), &[0; 17]);
        assert!(poll_once(&mut apart).is_pending());
        for future in [&mut done, &mut cancelled] {
            assert!(poll_once(future).is_pending());
        }
        assert!(panics(|| cancelled.cancel()));
        engine.device().run_until_idle();
        assert!(panics(|| poll_once(&mut done)));
        assert!(panics(|| poll_once(&mut apart)));
        assert!(panics(|| poll_once(&mut refused)));
        for future in [&mut done, &mut cancelled, &mut refused] {
            assert!(panics(|| poll_once(future)), "it is over, and has a buffer to convert");
        }
        let Poll::Ready(Ok(text)) = poll_once(&mut beside) else { panic!() };
        assert_eq!(text, expected_ctr(&message(1, 40)));
        drop((done, apart, cancelled, refused));
        assert_at_rest(&engine);
    }
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

/// Its owner is its waker, which drops it when it is woken: on the device's thread, on the reaper's, on the
/// watchdog's.
#[test]
fn a_waker_may_drop_the_future_that_it_wakes() {
    type Slot<F> = Arc<Mutex<Option<F>>>;
    fn begin<F: Future + Unpin + Send + 'static>(future: F) -> Slot<F> {
        let slot = Arc::new(Mutex::new(None));
        let in_waker = Arc::clone(&slot);
        let waker = runs(move || {
            let owned = in_waker.lock().unwrap().take();
            drop(owned);
        });
        let mut future = future;
        assert!(poll_with(&mut future, &waker).is_pending());
        *slot.lock().unwrap() = Some(future);
        slot
    }
    for config in ["", "completion_nsec=1000", "completion_nsec=1000;timeout_msec=1", "delivery=poll"] {
        for with_reaper in [true, false] {
            let engine = stepped(config);
            let mut reaper = with_reaper.then(|| reaper(&engine));
            let cipher = begin(ctr(&engine).encrypt_async(&IV, message(1, 40)));
            let call = begin(engine.call_async("sum", 8, || 5));
            let limited =
                ctr(&engine).encrypt_async(&IV, message(1, 40)).with_timeout(Duration::from_nanos(10));
            let late = begin(limited);
            engine.device().run_until_idle();
            engine.device().advance(Duration::from_millis(2));
            reaper.iter_mut().for_each(turn);
            for is_gone in [cipher.lock().unwrap().is_none(), call.lock().unwrap().is_none()] {
                assert!(is_gone, "{config}, with a reaper: {with_reaper}");
            }
            assert!(late.lock().unwrap().is_none());
            assert_at_rest(&engine);
        }
    }
}

/// Polls, blocks and reaps in a waker, which runs on the thread that steps.
#[test]
fn a_waker_may_use_the_engine_again() {
    for with_reaper in [true, false] {
        let engine = Arc::new(stepped(""));
        let mut reaper = with_reaper.then(|| reaper(&engine));
        let again = Arc::new(Mutex::new(Some(ctr(&engine).encrypt_async(&IV, message(2, 40)))));
        let (in_waker, in_engine) = (Arc::clone(&again), Arc::clone(&engine));
        let waker = runs(move || {
            let mut second = in_waker.lock().unwrap().take().expect("woken once");
            assert!(poll_once(&mut second).is_pending());
            let blocked = ctr(&in_engine).encrypt(&IV, message(3, 40)).unwrap();
            assert_eq!(blocked, expected_ctr(&message(3, 40)));
            let _ = in_engine.poll(10, |_| ());
            *in_waker.lock().unwrap() = Some(second);
        });
        let mut first = ctr(&engine).encrypt_async(&IV, message(1, 40));
        assert!(poll_with(&mut first, &waker).is_pending());
        engine.device().run_until_idle();
        reaper.iter_mut().for_each(turn);
        engine.device().run_until_idle();
        reaper.iter_mut().for_each(turn);
        let Poll::Ready(Ok(text)) = poll_once(&mut first) else { panic!("with a reaper: {with_reaper}") };
        assert_eq!(text, expected_ctr(&message(1, 40)));
        let mut second = again.lock().unwrap().take().unwrap();
        let Poll::Ready(Ok(text)) = poll_once(&mut second) else { panic!("with a reaper: {with_reaper}") };
        assert_eq!(text, expected_ctr(&message(2, 40)));
        drop((reaper, waker));
        assert_at_rest(&engine);
    }
}

/// The worker waits in the first waker, and goes on when it returns.
#[test]
fn a_waker_that_blocks_holds_up_the_device_and_loses_nothing() {
    let engine = open("queue_pairs=2");
    let (entered, left) = (Arc::new(Flag::default()), Arc::new(Flag::default()));
    let (in_waker, leaves) = (Arc::clone(&entered), Arc::clone(&left));
    let waker = runs(move || {
        in_waker.wake_by_ref();
        leaves.sleep();
    });
    let mut blocking = ctr(&engine).encrypt_async(&IV, message(1, 40));
    assert!(poll_with(&mut blocking, &waker).is_pending());
    entered.sleep();
    let mut behind = ctr(&engine).encrypt_async(&IV, message(2, 40));
    assert!(poll_once(&mut behind).is_pending(), "the worker is in the waker");
    // Neither waits for the waker.
    let Poll::Ready(Ok(text)) = poll_once(&mut blocking) else { panic!("it is done when it is woken") };
    assert_eq!(text, expected_ctr(&message(1, 40)));
    assert!(matches!(behind.cancel(), Cancelled::TakenBack { .. }));
    left.wake_by_ref();
    assert_eq!(
        block_on(ctr(&engine).encrypt_async(&IV, message(3, 40))).unwrap(),
        expected_ctr(&message(3, 40))
    );
    assert_adds_up(&engine);
}

#[test]
fn an_executor_may_run_inside_of_a_poll() {
    let engine = open("");
    let outer = async {
        let session = ctr(&engine);
        let first = session.encrypt_async(&IV, message(1, 40)).await.unwrap();
        let inner = block_on(async {
            let sealed = session.encrypt_async(&IV, message(2, 40)).await.unwrap();
            block_on(session.decrypt_async(&IV, sealed)).unwrap()
        });
        (first, inner)
    };
    assert_eq!(block_on(outer), (expected_ctr(&message(1, 40)), message(2, 40)));
    assert_adds_up(&engine);
}

#[test]
fn a_function_of_a_call_that_awaits_its_own_device_is_refused() {
    for engine in [open("queue_pairs=2"), stepped("")] {
        let session = ctr(&engine);
        let inside = move || {
            let (error, buffer) =
                block_on(session.encrypt_async(&IV, message(1, 40))).unwrap_err().into_parts();
            (error, buffer == message(1, 40))
        };
        let call = engine.call_async("inside", 8, inside);
        let outcome = if engine.device().is_stepped() { drive(&engine, call) } else { block_on(call) };
        assert_eq!(outcome, Ok((Error::Inside, true)));
        assert_adds_up(&engine);
    }
}

/// Those that are in its own batch, too, which is computed while it runs.
#[test]
fn a_function_of_a_call_may_drop_futures() {
    for engine in [stepped(""), open("queue_pairs=2")] {
        let others = Arc::new(Mutex::new(Vec::<OpFuture<InPlace>>::new()));
        let in_call = Arc::clone(&others);
        let mut call: CallFuture<usize> = engine.call_async("drops", 8, move || {
            let dropped = std::mem::take(&mut *in_call.lock().unwrap());
            dropped.len()
        });
        {
            // The function waits for the lock.
            let mut held = others.lock().unwrap();
            assert!(poll_once(&mut call).is_pending());
            held.extend((0..3).map(|at| ctr(&engine).encrypt_async(&IV, message(at, 40))));
            held.iter_mut().for_each(|future| assert!(poll_once(future).is_pending()));
        }
        let outcome = if engine.device().is_stepped() { drive(&engine, call) } else { block_on(call) };
        assert_eq!(outcome, Ok(3));
        // What was left in the batch is taken back after it.
        assert_eq!(ctr(&engine).encrypt(&IV, message(9, 40)).unwrap(), expected_ctr(&message(9, 40)));
        engine.device().run_until_idle();
        assert_adds_up(&engine);
    }
}

/// A value whose drop panics.
struct PanicsInDrop;

impl Drop for PanicsInDrop {
    fn drop(&mut self) {
        if !thread::panicking() {
            panic_any("deliberate");
        }
    }
}

#[test]
fn foreign_code_that_panics_leaves_a_drivers_thread_alive() {
    let (driver, go) = (JobDriver::new().unwrap(), Arc::new(AtomicBool::new(false)));
    let waits = |value: usize| {
        let go = Arc::clone(&go);
        move || {
            while !go.load(Ordering::SeqCst) {
                thread::yield_now();
            }
            value
        }
    };
    // The first holds up the thread; the others end with a waker that panics, and with a value that does.
    let mut first = driver.spawn(waits(1));
    let mut second = driver.spawn(|| 2);
    let third = driver.spawn(|| PanicsInDrop);
    assert!(poll_with(&mut first, &panicking()).is_pending());
    assert!(poll_with(&mut second, &panicking()).is_pending());
    drop(third);
    let fourth = driver.spawn(|| 4);
    go.store(true, Ordering::SeqCst);
    assert_eq!(block_on(fourth), Ok(4), "its thread lives");
    assert_eq!((poll_once(&mut first), poll_once(&mut second)), (Poll::Ready(Ok(1)), Poll::Ready(Ok(2))));
}

#[test]
fn a_waker_that_panics_when_it_is_cloned_loses_no_value() {
    let (driver, go) = (JobDriver::new().unwrap(), Arc::new(AtomicBool::new(false)));
    let in_job = Arc::clone(&go);
    let mut driven = driver.spawn(move || {
        while !in_job.load(Ordering::SeqCst) {
            thread::yield_now();
        }
        5
    });
    let data = Arc::new(Fragile::default());
    let waker = Fragile::waker(&data);
    for which in [&data.clone, &data.drop] {
        assert!(poll_with(&mut driven, &waker).is_pending());
        which.store(true, Ordering::SeqCst);
        assert!(panics(|| poll_with(&mut driven, &waker)));
        which.store(false, Ordering::SeqCst);
    }
    go.store(true, Ordering::SeqCst);
    assert_eq!(block_on(driven), Ok(5));
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
