//! Foreign code in futures: wakers that panic, re-enter the engine or drop what they wake, buffers whose
//! conversions panic, functions that panic. None of it loses another operation, its wake or its memory.

mod captured;
mod engine_helpers;
mod future_helpers;
#[path = "futures_foreign_code/wakers.rs"]
mod wakers;

use std::cell::RefCell;
use std::future::Future;
use std::panic::panic_any;
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Poll, Wake, Waker};
use std::thread;
use std::time::Duration;

use simaccel::future::{Buffer, CallFuture, Cancelled, InPlace, JobDriver, OpFuture};
use simaccel::{Aead, Error};

use self::engine_helpers::{
    IV, KEY, assert_adds_up, assert_at_rest, ctr, expected_ctr, message, open, stepped,
};
use self::future_helpers::{Flag, block_on, drive, flags, poll_once, poll_with, reaper, turn};
use self::wakers::{Fragile, in_next_call, in_next_clone, panicking, panics, runs};

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

/// In its call, its place gets the waker of the next operation, which has the same cell, so that the reaper
/// drops the one that it has called.
#[test]
fn a_waker_that_panics_when_the_reaper_drops_it_keeps_no_other_from_being_called() {
    let engine = stepped("");
    let (mut reaper, session) = (reaper(&engine), ctr(&engine));
    let first = Rc::new(RefCell::new(session.encrypt_async(&IV, message(0, 40))));
    let mut last = session.encrypt_async(&IV, message(1, 40));
    let (fragile, [flag, next]) = (Arc::new(Fragile::default()), flags());
    assert!(poll_with(&mut *first.borrow_mut(), &Fragile::waker(&fragile)).is_pending());
    assert!(poll_with(&mut last, &Waker::from(Arc::clone(&flag))).is_pending());
    engine.device().run_until_idle();
    let (again, data, waker) = (Rc::clone(&first), Arc::clone(&fragile), Waker::from(Arc::clone(&next)));
    in_next_call(move || {
        let mut future = again.borrow_mut();
        assert!(poll_with(&mut *future, &waker).is_ready());
        *future = session.encrypt_async(&IV, message(2, 40));
        assert!(poll_with(&mut *future, &waker).is_pending());
        data.drop.store(true, Ordering::SeqCst);
    });
    assert!(panics(|| turn(&mut reaper)), "it was dropped");
    assert_eq!((fragile.calls.load(Ordering::SeqCst), flag.calls()), (1, 1));
    engine.device().run_until_idle();
    turn(&mut reaper);
    assert_eq!(next.calls(), 1);
    for (future, at) in [(&mut *first.borrow_mut(), 2), (&mut last, 1)] {
        assert_eq!(poll_once(future).map(Result::unwrap), Poll::Ready(expected_ctr(&message(at, 40))));
    }
    assert_at_rest(&engine);
}

/// The first one's is kept for the next operation of its task, and goes with the reaper.
#[test]
fn a_waker_that_panics_when_the_reaper_ends_keeps_no_other_from_being_called() {
    let engine = stepped("");
    let (mut reaper, session) = (reaper(&engine), ctr(&engine));
    let [mut first, mut last] = [0, 1].map(|at| session.encrypt_async(&IV, message(at, 40)));
    let (fragile, [flag]) = (Arc::new(Fragile::default()), flags());
    assert!(poll_with(&mut first, &Fragile::waker(&fragile)).is_pending());
    engine.device().run_until_idle();
    turn(&mut reaper);
    // Its result is not taken, so this one has another place.
    assert!(poll_with(&mut last, &Waker::from(Arc::clone(&flag))).is_pending());
    fragile.drop.store(true, Ordering::SeqCst);
    assert!(!panics(|| drop(reaper)), "a drop may come while a panic is under way");
    assert_eq!(
        (fragile.drop.load(Ordering::SeqCst), flag.calls()),
        (false, 1),
        "it was dropped, and one called"
    );
    engine.device().run_until_idle();
    for (future, at) in [(&mut first, 0), (&mut last, 1)] {
        assert_eq!(poll_once(future).map(Result::unwrap), Poll::Ready(expected_ctr(&message(at, 40))));
    }
    assert_at_rest(&engine);
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
