//! Operations as futures on a thread with a reaper: what it wakes, what it keeps, and what becomes of a
//! future that is dropped, moved, forgotten or polled from within a wake.

mod captured;
mod engine_helpers;
mod future_helpers;

use std::future::Future;
use std::mem;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Wake, Waker};
use std::thread;

use simaccel::future::{Cancelled, InPlace, OpFuture, Reaper};
use simaccel::{Aead, Engine, Error, Hash};

use self::engine_helpers::{IV, KEY, assert_adds_up, ctr, expected_ctr, message, open, stepped};
use self::future_helpers::{Flag, block_on, drive, poll_once};

fn pending(future: &mut OpFuture<InPlace>) {
    assert!(poll_once(future).is_pending());
}

/// Polls with this flag's waker.
fn poll_as<F: Future + Unpin>(flag: &Arc<Flag>, future: &mut F) -> Poll<F::Output> {
    Pin::new(future).poll(&mut Context::from_waker(&Waker::from(Arc::clone(flag))))
}

/// A reaper that a test gives its turns.
struct Turns(Pin<Box<Reaper>>, Arc<Flag>);

impl Turns {
    fn of(engine: &Engine) -> Self {
        let mut turns = Self(Box::pin(engine.reaper().unwrap()), Arc::default());
        turns.give();
        turns
    }

    fn give(&mut self) {
        let waker = Waker::from(Arc::clone(&self.1));
        assert!(self.0.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
    }
}

/// With a reaper: the same results, by the straight way, and woken by it alone.
#[test]
fn a_reaper_wakes_what_was_submitted_on_its_thread() {
    for config in ["", "delivery=poll"] {
        let engine = stepped(config);
        let (session, aead) = (ctr(&engine), engine.aead(Aead::Aes128Gcm, &KEY[..16]).unwrap());
        let mut reaper = Box::pin(engine.reaper().unwrap());
        let polled = Arc::new(Flag::default());
        let reaper_waker = Waker::from(Arc::clone(&polled));
        let mut reap = || assert!(reaper.as_mut().poll(&mut Context::from_waker(&reaper_waker)).is_pending());
        reap();
        let mut sealing = aead.seal_async(&IV[..12], b"aad", message(3, 33));
        let mut futures: Vec<_> =
            (0..20).map(|index| session.encrypt_async(&IV, message(index, 64))).collect();
        let flags: Vec<_> = (0..20).map(|_| Arc::new(Flag::default())).collect();
        for (future, flag) in futures.iter_mut().zip(&flags) {
            let waker = Waker::from(Arc::clone(flag));
            assert!(std::pin::Pin::new(future).poll(&mut Context::from_waker(&waker)).is_pending());
        }
        assert!(poll_once(&mut sealing).is_pending());
        engine.device().run_until_idle();
        assert_eq!((flags[0].calls(), polled.calls()), (0, 1), "the device wakes the reaper");
        reap();
        assert!(flags.iter().all(|flag| flag.calls() == 1));
        for (index, future) in futures.iter_mut().enumerate() {
            let Poll::Ready(Ok(done)) = poll_once(future) else { panic!("{index}") };
            assert_eq!(done, expected_ctr(&message(index, 64)));
        }
        let Poll::Ready(Ok((text, tag))) = poll_once(&mut sealing) else { panic!() };
        assert_eq!(aead.open(&IV[..12], b"aad", text, tag.as_bytes()).unwrap(), message(3, 33));
        let mut opening = aead.open_async(&IV[..12], b"aad", message(3, 33), &[0; 16]);
        assert!(poll_once(&mut opening).is_pending());
        engine.device().run_until_idle();
        let Poll::Ready(Err(error)) = poll_once(&mut opening) else { panic!() };
        assert_eq!(error.into_parts(), (Error::AuthFailed, Vec::new()));
        drop(reaper);
        assert_eq!(engine.stats().device.total.in_flight, 0);
        assert_adds_up(&engine);
    }
}

#[test]
fn what_a_reaper_leaves_goes_on_without_it_on_any_thread() {
    let engine = stepped("");
    let session = ctr(&engine);
    let mut reaper = Box::pin(engine.reaper().unwrap());
    assert!(reaper.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
    let mut futures: Vec<_> = (0..4).map(|index| session.encrypt_async(&IV, message(index, 64))).collect();
    futures.iter_mut().for_each(pending);
    // One is dropped and one cancelled while the reaper is there.
    drop(futures.remove(0));
    let Cancelled::TakenBack { buffer, .. } = futures.remove(0).cancel() else { panic!() };
    assert_eq!(buffer, message(1, 64));
    drop(reaper);
    let mut last = futures.pop().unwrap();
    let flag = Arc::new(Flag::default());
    let waker = Waker::from(Arc::clone(&flag));
    assert!(std::pin::Pin::new(&mut last).poll(&mut Context::from_waker(&waker)).is_pending());
    engine.device().run_until_idle();
    assert_eq!(flag.calls(), 1, "the device wakes it");
    let done = thread::spawn(move || block_on(last)).join().unwrap();
    assert_eq!(done.unwrap(), expected_ctr(&message(3, 64)));
    let Poll::Ready(Ok(done)) = poll_once(&mut futures[0]) else { panic!() };
    assert_eq!(done, expected_ctr(&message(2, 64)));
    // What is submitted from now on needs no reaper.
    let after = drive(&engine, session.encrypt_async(&IV, message(9, 64)));
    assert_eq!(after.unwrap(), expected_ctr(&message(9, 64)));
    assert_eq!(engine.stats().device.total.in_flight, 0);
    assert_adds_up(&engine);
}

/// Where a request is when its future goes.
const SCENES: [&str; 4] = ["new", "in flight", "done", "reaped"];

/// A future in that state, with its reaper.
fn scene(engine: &Engine, name: &str) -> (Turns, OpFuture<InPlace>) {
    let mut turns = Turns::of(engine);
    let mut future = ctr(engine).encrypt_async(&IV, message(5, 90));
    if name != "new" {
        pending(&mut future);
    }
    if name == "done" || name == "reaped" {
        assert!(engine.device().run_until_idle() > 0);
    }
    if name == "reaped" {
        turns.give();
    }
    (turns, future)
}

/// Nothing of an earlier operation reaches the next one, which takes its cell.
fn next_is_untouched(engine: &Engine, turns: &mut Turns) {
    let flag = Arc::new(Flag::default());
    let mut next = ctr(engine).encrypt_async(&IV, message(6, 90));
    assert!(poll_as(&flag, &mut next).is_pending());
    turns.give();
    assert_eq!(flag.calls(), 0, "its request is not done");
    engine.device().run_until_idle();
    turns.give();
    assert_eq!(flag.calls(), 1);
    let Poll::Ready(Ok(done)) = poll_once(&mut next) else { panic!("it is done") };
    assert_eq!(done, expected_ctr(&message(6, 90)));
}

#[test]
fn a_future_is_dropped_at_each_point() {
    for name in SCENES {
        let engine = stepped("");
        let (mut turns, future) = scene(&engine, name);
        drop(future);
        assert_eq!(engine.stats().abandoned, u64::from(name != "new"), "{name}");
        next_is_untouched(&engine, &mut turns);
        drop(turns);
        engine.device().run_until_idle();
        assert_adds_up(&engine);
    }
}

#[test]
fn a_future_is_cancelled_at_each_point() {
    for name in SCENES {
        let engine = stepped("");
        let (mut turns, mut future) = scene(&engine, name);
        match future.cancel() {
            Cancelled::TakenBack { buffer, destination: None } if name == "new" || name == "in flight" => {
                assert_eq!(buffer, message(5, 90), "{name}");
            }
            Cancelled::Ended(Ok(buffer)) => assert_eq!(buffer, expected_ctr(&message(5, 90)), "{name}"),
            other => panic!("{name}: {other:?}"),
        }
        assert!(matches!(future.cancel(), Cancelled::Ended(Err(error)) if error.error() == &Error::Closed));
        next_is_untouched(&engine, &mut turns);
        drop((turns, future));
        engine.device().run_until_idle();
        assert_adds_up(&engine);
    }
}

#[test]
fn a_future_goes_on_in_another_thread_from_each_point() {
    for name in SCENES {
        let engine = Arc::new(open(""));
        let session = ctr(&engine);
        let mut turns = Turns::of(&engine);
        let mut future = session.encrypt_async(&IV, message(5, 90));
        if name != "new" {
            pending(&mut future);
            turns.give();
        }
        if name == "done" || name == "reaped" {
            engine.device().drain();
        }
        if name == "reaped" {
            turns.give();
        }
        let moved = thread::spawn(move || block_on(future));
        while !moved.is_finished() {
            turns.give();
            thread::yield_now();
        }
        assert_eq!(moved.join().unwrap().unwrap(), expected_ctr(&message(5, 90)), "{name}");
        drop(turns);
        assert_adds_up(&engine);
    }
}

#[test]
fn the_latest_waker_is_called_whichever_thread_has_polled() {
    let engine = stepped("");
    let session = ctr(&engine);
    for polls in
        [&["here", "there"][..], &["here", "there", "here"], &["here", "here"], &["here", "there", "there"]]
    {
        let mut turns = Turns::of(&engine);
        let mut future = session.encrypt_async(&IV, message(5, 90));
        let flags: Vec<_> = polls.iter().map(|_| Arc::new(Flag::default())).collect();
        for (place, flag) in polls.iter().zip(&flags) {
            if *place == "here" {
                assert!(poll_as(flag, &mut future).is_pending());
            } else {
                let flag = Arc::clone(flag);
                let there = thread::spawn(move || (poll_as(&flag, &mut future).is_pending(), future));
                let (is_pending, back) = there.join().unwrap();
                assert!(is_pending);
                future = back;
            }
        }
        engine.device().run_until_idle();
        turns.give();
        let calls: Vec<_> = flags.iter().map(|flag| flag.calls()).collect();
        let latest: Vec<_> = (0..polls.len()).map(|at| usize::from(at + 1 == polls.len())).collect();
        assert_eq!(calls, latest, "{polls:?}");
        let Poll::Ready(Ok(done)) = poll_once(&mut future) else { panic!("it is done") };
        assert_eq!(done, expected_ctr(&message(5, 90)));
    }
    assert_adds_up(&engine);
}

/// A waker may own its task, and a task what it awaits.
#[test]
fn a_waker_is_kept_for_the_next_operation_until_the_reaper_sleeps() {
    let engine = stepped("");
    let session = ctr(&engine);
    for ends_by in ["sleep", "drop"] {
        let mut turns = Turns::of(&engine);
        let flag = Arc::new(Flag::default());
        for index in 0..5 {
            let mut future = session.encrypt_async(&IV, message(index, 90));
            assert!(poll_as(&flag, &mut future).is_pending());
            engine.device().run_until_idle();
            turns.give();
            assert_eq!((flag.calls(), Arc::strong_count(&flag)), (index + 1, 2));
            assert!(poll_as(&flag, &mut future).is_ready());
        }
        if ends_by == "sleep" {
            turns.give();
        } else {
            drop(turns);
        }
        assert_eq!(Arc::strong_count(&flag), 1, "{ends_by}");
    }
}

#[test]
fn a_forgotten_future_harms_no_other() {
    let engine = stepped("");
    let (mut turns, future) = scene(&engine, "in flight");
    mem::forget(future);
    next_is_untouched(&engine, &mut turns);
    drop(turns);
    let done = drive(&engine, ctr(&engine).encrypt_async(&IV, message(1, 30)));
    assert_eq!(done.unwrap(), expected_ctr(&message(1, 30)));
}

/// The thread's end closes what its reaper has served.
#[test]
fn futures_outlive_a_thread_whose_reaper_is_forgotten() {
    let engine = Arc::new(stepped(""));
    let of_thread = Arc::clone(&engine);
    let (mut future, flag) = thread::spawn(move || {
        let turns = Turns::of(&of_thread);
        let flag = Arc::new(Flag::default());
        let mut future = ctr(&of_thread).encrypt_async(&IV, message(5, 90));
        assert!(poll_as(&flag, &mut future).is_pending());
        mem::forget(turns);
        (future, flag)
    })
    .join()
    .unwrap();
    assert_eq!(flag.calls(), 1, "it is told to look for itself");
    assert!(poll_as(&flag, &mut future).is_pending());
    engine.device().run_until_idle();
    assert_eq!(flag.calls(), 2, "the device wakes it");
    let Poll::Ready(Ok(done)) = poll_once(&mut future) else { panic!("it is done") };
    assert_eq!(done, expected_ctr(&message(5, 90)));
}

struct Panics;

impl Wake for Panics {
    fn wake(self: Arc<Self>) {
        panic!("deliberate");
    }
}

#[test]
fn a_waker_that_panics_keeps_no_other_from_being_called() {
    let engine = stepped("");
    let session = ctr(&engine);
    let mut turns = Turns::of(&engine);
    let mut futures: Vec<_> = (0..3).map(|index| session.encrypt_async(&IV, message(index, 40))).collect();
    let flag = Arc::new(Flag::default());
    assert!(poll_as(&flag, &mut futures[0]).is_pending());
    let panics = Waker::from(Arc::new(Panics));
    assert!(Pin::new(&mut futures[1]).poll(&mut Context::from_waker(&panics)).is_pending());
    assert!(poll_as(&flag, &mut futures[2]).is_pending());
    engine.device().run_until_idle();
    let panic = catch_unwind(AssertUnwindSafe(|| turns.give())).unwrap_err();
    assert_eq!(panic.downcast_ref(), Some(&"deliberate"));
    assert_eq!(flag.calls(), 2);
    for (index, future) in futures.iter_mut().enumerate() {
        let Poll::Ready(Ok(done)) = poll_once(future) else { panic!("{index}") };
        assert_eq!(done, expected_ctr(&message(index, 40)));
    }
}

/// Polls its operation where it is woken, and begins the next one there.
struct Inline {
    engine: Engine,
    future: Mutex<(OpFuture<InPlace>, usize)>,
}

impl Inline {
    fn poll(self: &Arc<Self>) {
        let waker = Waker::from(Arc::clone(self));
        let mut guard = self.future.lock().unwrap();
        let (future, done) = &mut *guard;
        while let Poll::Ready(text) = Pin::new(&mut *future).poll(&mut Context::from_waker(&waker)) {
            assert_eq!(text.unwrap(), expected_ctr(&message(*done, 64)));
            *done += 1;
            *future = ctr(&self.engine).encrypt_async(&IV, message(*done, 64));
        }
    }
}

impl Wake for Inline {
    fn wake(self: Arc<Self>) {
        self.poll();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.poll();
    }
}

#[test]
fn a_waker_may_poll_and_submit() {
    let engine = stepped("");
    let mut turns = Turns::of(&engine);
    let tasks: Vec<_> = (0..5)
        .map(|_| {
            let future = Mutex::new((ctr(&engine).encrypt_async(&IV, message(0, 64)), 0));
            let task = Arc::new(Inline { engine: engine.clone(), future });
            task.poll();
            task
        })
        .collect();
    for turn in 1..=20 {
        engine.device().run_until_idle();
        turns.give();
        assert!(tasks.iter().all(|task| task.future.lock().unwrap().1 == turn));
    }
    // Each owns what its waker owns.
    for task in &tasks {
        let _ = task.future.lock().unwrap().0.cancel();
    }
    drop(turns);
    assert!(tasks.iter().all(|task| Arc::strong_count(task) == 1));
    engine.device().run_until_idle();
    assert_adds_up(&engine);
}

#[test]
fn every_kind_of_operation_is_served() {
    let engine = stepped("");
    let mut turns = Turns::of(&engine);
    let hmac = engine.hmac(Hash::Sha256, &KEY).unwrap();
    let right = hmac.mac(&message(1, 70)).unwrap();
    let digest = engine.hash(Hash::Sha512).unwrap().digest(&message(1, 70)).unwrap();
    let mut mac = hmac.mac_async(message(1, 70));
    let mut verified = hmac.verify_async(message(1, 70), right.as_bytes());
    let mut refused = hmac.verify_async(message(1, 70), &[7; 32]);
    let mut hashed = engine.hash(Hash::Sha512).unwrap().digest_async(message(1, 70));
    let mut of_wrong_iv = ctr(&engine).encrypt_async(&IV[..9], message(1, 70));
    let mut of_long_iv = ctr(&engine).encrypt_async(&[7; 40], message(1, 70));
    assert!(poll_once(&mut mac).is_pending() && poll_once(&mut verified).is_pending());
    assert!(poll_once(&mut refused).is_pending() && poll_once(&mut hashed).is_pending());
    assert!(poll_once(&mut of_wrong_iv).is_pending() && poll_once(&mut of_long_iv).is_pending());
    engine.device().run_until_idle();
    turns.give();
    assert_eq!(poll_once(&mut mac).map(Result::unwrap), Poll::Ready((message(1, 70), right)));
    assert_eq!(poll_once(&mut verified).map(Result::unwrap), Poll::Ready(message(1, 70)));
    let Poll::Ready(Err(error)) = poll_once(&mut refused) else { panic!() };
    assert_eq!(error.into_parts(), (Error::AuthFailed, message(1, 70)));
    assert_eq!(poll_once(&mut hashed).map(Result::unwrap), Poll::Ready((message(1, 70), digest)));
    for (future, given) in [(&mut of_wrong_iv, "9"), (&mut of_long_iv, "40")] {
        let Poll::Ready(Err(error)) = poll_once(future) else { panic!() };
        let (error, buffer) = error.into_parts();
        assert!(matches!(error, Error::InvalidArgument(_)) && error.to_string().contains(given), "{error}");
        assert_eq!(buffer, message(1, 70));
    }
    drop(turns);
    assert_adds_up(&engine);
}

/// It goes from the call that makes it into the task that awaits it, by copying.
#[test]
fn a_future_is_small() {
    assert!(size_of::<OpFuture<InPlace>>() <= 56, "{} bytes", size_of::<OpFuture<InPlace>>());
}
