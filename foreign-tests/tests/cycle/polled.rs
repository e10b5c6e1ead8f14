//! Operations that are polled: kept in a struct without a lifetime, moved between threads, woken by wakers.
#![expect(unsafe_code, reason = "a waker whose clone panics has a table of its own functions")]

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::ptr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::channel;
use std::sync::{Arc, Condvar, Mutex};
use std::task::{Poll, RawWaker, RawWakerVTable, Wake, Waker};
use std::thread;

use simaccel::foreign::{Announcer, Message, Started, start, start_key};
use simaccel::{
    Algorithm, AnySession, Config, Engine, Error, Job, KeyAlgorithm, KeyArguments, OpError, Operation,
    Parameters, PrivateKey, Step, Tag, WaitCtx, wait_readable,
};

use crate::framework::{IV, KEY, adds_up, message, parse, sealed};

type Output = Result<(Vec<u8>, Tag), OpError>;

fn stepped(config: &str) -> Engine {
    Engine::stepped(parse(config)).unwrap()
}

fn session(engine: &Engine) -> AnySession {
    let algorithm: Algorithm = "AES-256-CTR".parse().unwrap();
    engine.session(algorithm, &KEY, Parameters::default()).unwrap()
}

fn encrypt(session: &AnySession, index: usize) -> Started {
    let message = Message {
        operation: Operation::Encrypt,
        iv: IV.to_vec(),
        aad: Vec::new(),
        buffer: message(index),
        tag: Tag::default(),
    };
    start(session, message).unwrap()
}

/// A waker that counts its calls, and that a thread can wait for.
#[derive(Default)]
struct Bell {
    calls: AtomicUsize,
    rung: Mutex<bool>,
    changed: Condvar,
}

impl Bell {
    fn new() -> (Arc<Self>, Waker) {
        let bell = Arc::new(Self::default());
        let waker = Waker::from(Arc::clone(&bell));
        (bell, waker)
    }

    fn calls(&self) -> usize {
        self.calls.load(Ordering::SeqCst)
    }

    fn wait(&self) {
        let mut rung = self.changed.wait_while(self.rung.lock().unwrap(), |rung| !*rung).unwrap();
        *rung = false;
    }
}

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.calls.fetch_add(1, Ordering::SeqCst);
        *self.rung.lock().unwrap() = true;
        self.changed.notify_all();
    }
}

fn block_on(mut started: Started) -> Output {
    let (bell, waker) = Bell::new();
    loop {
        match started.poll(&waker) {
            Poll::Ready(output) => return output,
            Poll::Pending => bell.wait(),
        }
    }
}

#[track_caller]
fn is_pending(started: &mut Started, waker: &Waker) {
    assert!(started.poll(waker).is_pending());
}

#[track_caller]
fn ready(started: &mut Started, waker: &Waker) -> Output {
    match started.poll(waker) {
        Poll::Ready(output) => output,
        Poll::Pending => panic!("it was to be ready"),
    }
}

#[test]
fn a_started_operation_is_send_and_has_no_lifetime() {
    fn is_kept<T: Send + Future<Output = Output> + Unpin + 'static>() {}
    is_kept::<Started>();
}

#[test]
fn it_is_pending_at_first_and_its_waker_is_called_once() {
    let engine = stepped("");
    let session = session(&engine);
    let (bell, waker) = Bell::new();
    for calls in 0..3 {
        let mut started = encrypt(&session, 1);
        assert_eq!(engine.stats().operations, calls, "nothing begins before the first poll");
        is_pending(&mut started, &waker);
        engine.device().run_until_idle();
        assert_eq!(bell.calls(), usize::try_from(calls).unwrap() + 1);
        assert_eq!(ready(&mut started, &waker).unwrap().0, sealed(1));
        let again = ready(&mut started, &waker).unwrap_err();
        assert!(matches!(again.error(), Error::Closed), "{again}");
    }
    assert_eq!((engine.stats().pauses, engine.stats().resumes), (3, 3));
    adds_up(&engine);
}

#[test]
fn the_waker_of_the_latest_poll_is_called() {
    for timeout in ["", "timeout_msec=1000"] {
        let engine = stepped(timeout);
        let mut started = encrypt(&session(&engine), 1);
        let (first, first_waker) = Bell::new();
        let (second, second_waker) = Bell::new();
        is_pending(&mut started, &first_waker);
        is_pending(&mut started, &second_waker);
        assert_eq!(engine.stats().spurious_resumes, 1);
        engine.device().run_until_idle();
        assert_eq!((first.calls(), second.calls()), (0, 1));
        assert_eq!(ready(&mut started, &first_waker).unwrap().0, sealed(1));
        drop((started, first_waker, second_waker));
        assert_eq!((Arc::strong_count(&first), Arc::strong_count(&second)), (1, 1), "nothing keeps one");
        adds_up(&engine);
    }
}

/// As a task of an executor does.
#[test]
fn a_waker_that_owns_its_operation_is_let_go_of_when_it_is_called() {
    struct Task(Mutex<Started>);
    impl Wake for Task {
        fn wake(self: Arc<Self>) {}
    }
    for timeout in ["", "timeout_msec=1000"] {
        let engine = stepped(timeout);
        let task = Arc::new(Task(Mutex::new(encrypt(&session(&engine), 1))));
        is_pending(&mut task.0.lock().unwrap(), &Waker::from(Arc::clone(&task)));
        engine.device().run_until_idle();
        assert_eq!(Arc::strong_count(&task), 1);
        drop(task);
        assert_eq!(engine.stats().abandoned, 1, "the operation went with its task");
        adds_up(&engine);
    }
}

/// On a device with modelled time the input is kept beside the output. What was begun is not begun again.
#[test]
fn an_operation_that_a_panic_of_its_waker_has_left_does_not_go_on() {
    fn clone(_: *const ()) -> RawWaker {
        resume_unwind(Box::new("clone"))
    }
    const TABLE: RawWakerVTable = RawWakerVTable::new(clone, |_| (), |_| (), |_| ());
    // SAFETY: the functions of the table use no data.
    let panicking = unsafe { Waker::from_raw(RawWaker::new(ptr::null(), &TABLE)) };
    let engine = stepped("completion_nsec=1000");
    for polls in 0..2 {
        let mut started = encrypt(&session(&engine), 1);
        (0..polls).for_each(|_| is_pending(&mut started, Waker::noop()));
        assert!(catch_unwind(AssertUnwindSafe(|| started.poll(&panicking))).is_err());
        engine.device().run_until_idle();
        let error = ready(&mut started, Waker::noop()).unwrap_err();
        assert!(matches!(error.error(), Error::Closed), "{error}");
        drop(started);
        adds_up(&engine);
    }
}

#[test]
fn it_goes_from_thread_to_thread_between_polls() {
    let engine = Engine::open(Config::parse("completion_nsec=20000").unwrap()).unwrap();
    let session = session(&engine);
    let started: Vec<_> = (0..20)
        .map(|index| {
            let mut started = encrypt(&session, index);
            let submitter = thread::spawn(move || {
                let _ = started.poll(Waker::noop());
                started
            });
            submitter.join().unwrap()
        })
        .collect();
    let waiters: Vec<_> =
        started.into_iter().map(|started| thread::spawn(move || block_on(started))).collect();
    for (index, waiter) in waiters.into_iter().enumerate() {
        assert_eq!(waiter.join().unwrap().unwrap().0, sealed(index));
    }
    adds_up(&engine);
}

#[test]
fn many_at_a_time_find_the_ring_full_and_all_end() {
    for config in ["depth=4;queue_pairs=2;workers=2", "depth=4;queue_pairs=2;completion_nsec=5000"] {
        let engine = Engine::open(Config::parse(config).unwrap()).unwrap();
        let session = session(&engine);
        let mut started: Vec<_> = (0..40).map(|index| encrypt(&session, index)).collect();
        let (bell, waker) = Bell::new();
        let mut left = started.len();
        let mut ended = vec![false; left];
        loop {
            for (index, started) in
                started.iter_mut().enumerate().filter(|(index, _)| !ended[*index]).collect::<Vec<_>>()
            {
                if let Poll::Ready(output) = started.poll(&waker) {
                    assert_eq!(output.unwrap().0, sealed(index));
                    ended[index] = true;
                    left -= 1;
                }
            }
            if left == 0 {
                break;
            }
            bell.wait();
        }
        assert!(engine.stats().parked > 0, "{config}");
        adds_up(&engine);
    }
}

#[test]
fn a_failure_is_tried_again_and_then_computed_in_software() {
    let engine = stepped("max_retries=1;fallback=on;fault=fail:every=1");
    let mut started = encrypt(&session(&engine), 1);
    let (bell, waker) = Bell::new();
    for calls in 1..=2 {
        is_pending(&mut started, &waker);
        engine.device().run_until_idle();
        assert_eq!(bell.calls(), calls);
    }
    assert_eq!(ready(&mut started, &waker).unwrap().0, sealed(1));
    let stats = engine.stats();
    assert_eq!((stats.retries, stats.fallbacks, stats.pauses, stats.spurious_resumes), (1, 1, 2, 0));
    adds_up(&engine);
}

#[test]
fn a_small_message_is_ready_at_once() {
    let engine = stepped("offload_threshold=1000");
    let mut started = encrypt(&session(&engine), 1);
    assert_eq!(ready(&mut started, Waker::noop()).unwrap().0, sealed(1));
    assert_eq!((engine.stats().below_threshold, engine.stats().device.total.submitted), (1, 0));
}

#[test]
fn a_request_that_never_ends_times_out_with_its_buffer() {
    let engine = stepped("timeout_msec=5;fault=timeout:nth=1");
    let mut started = encrypt(&session(&engine), 1);
    let (bell, waker) = Bell::new();
    is_pending(&mut started, &waker);
    engine.device().run_until_idle();
    assert_eq!(bell.calls(), 1);
    let error = ready(&mut started, &waker).unwrap_err();
    assert!(matches!(error.error(), Error::Timeout), "{error}");
    assert_eq!(error.into_parts().1, message(1));
    adds_up(&engine);
}

#[test]
fn what_is_dropped_gives_its_request_up() {
    for config in ["", "completion_nsec=1000", "fault=timeout:every=1", "timeout_msec=5"] {
        let engine = stepped(config);
        let session = session(&engine);
        let (bell, waker) = Bell::new();
        let mut fresh = encrypt(&session, 1);
        let mut waiting = encrypt(&session, 2);
        is_pending(&mut waiting, &waker);
        drop(waiting);
        is_pending(&mut fresh, &waker);
        engine.device().run_until_idle();
        drop(fresh);
        drop(encrypt(&session, 3));
        drop(waker);
        assert_eq!(Arc::strong_count(&bell), 1, "{config}: nothing keeps the waker");
        assert_eq!((engine.stats().operations, engine.stats().abandoned), (2, 2), "{config}");
        adds_up(&engine);
    }
}

/// The waker is called below the device's step: what it polls takes its result there.
/// The worker owns it until the function, which is computed after it, has returned.
#[test]
fn a_function_on_a_worker_drops_an_operation_of_its_own_batch() {
    let engine = Engine::open(Config::default()).unwrap();
    let ((begun, has_begun), (release, released)) = (channel(), channel());
    let calling = engine.clone();
    let busy = thread::spawn(move || {
        calling.call("waits", 1, move || {
            begun.send(()).unwrap();
            released.recv().unwrap();
        })
    });
    has_begun.recv().unwrap();
    let mut started = encrypt(&session(&engine), 1);
    is_pending(&mut started, Waker::noop());
    let (ctx, calling) = (WaitCtx::new(), engine.clone());
    let mut job = Job::new(&ctx, move || calling.call("drops", 1, move || drop(started))).unwrap();
    assert!(matches!(job.resume(), Ok(Step::Paused)));
    release.send(()).unwrap();
    wait_readable(&ctx.all_fds()).unwrap();
    assert!(matches!(job.resume(), Ok(Step::Finished(Ok(())))));
    busy.join().unwrap().unwrap();
    engine.device().drain();
    assert_eq!(engine.stats().abandoned, 1);
    adds_up(&engine);
}

#[test]
fn a_waker_that_polls_in_its_call_has_the_result() {
    struct Polls(Mutex<Option<Started>>, Mutex<Option<Vec<u8>>>);

    impl Wake for Polls {
        fn wake(self: Arc<Self>) {
            let mut started = self.0.lock().unwrap().take().expect("called once");
            *self.1.lock().unwrap() = Some(ready(&mut started, Waker::noop()).unwrap().0);
        }
    }

    let engine = stepped("");
    let mut started = encrypt(&session(&engine), 1);
    let polls = Arc::new(Polls(Mutex::new(None), Mutex::new(None)));
    is_pending(&mut started, &Waker::from(Arc::clone(&polls)));
    *polls.0.lock().unwrap() = Some(started);
    engine.device().run_until_idle();
    assert_eq!(polls.1.lock().unwrap().take(), Some(sealed(1)));
    adds_up(&engine);
}

/// Its result is secret, and its refusal says what does not fit the key.
#[test]
fn an_operation_of_a_key_is_polled() {
    let engine = stepped("completion_nsec=1000");
    let key = PrivateKey::from_scalar(KeyAlgorithm::P256, &[3; 32], None).unwrap();
    let (session, peer) = (engine.private_key(&key).unwrap(), key.public_key().to_raw().unwrap());
    let (bell, waker) = Bell::new();
    for (calls, peer) in [(1, &peer[..]), (2, &peer[1..])] {
        let mut started = start_key(&session, Operation::Derive, KeyArguments::default(), peer.to_vec());
        assert!(started.poll(&waker).is_pending());
        engine.device().run_until_idle();
        assert_eq!(bell.calls(), calls);
        let Poll::Ready(secret) = started.poll(&waker) else { panic!("it was to be ready") };
        match secret {
            Ok(secret) => assert_eq!((calls, secret.len()), (1, 32)),
            Err(error) => assert!(calls == 2 && error.to_string().contains("peer"), "{error}"),
        }
        let Poll::Ready(again) = started.poll(&waker) else { panic!("it is over") };
        assert_eq!(again, Err(Error::Closed));
    }
    adds_up(&engine);
}

/// A callback that is called while its announcer goes: the drop returns after the call.
#[test]
fn a_dropped_announcer_waits_for_its_call_and_is_not_called_again() {
    let ((begun, has_begun), (release, released)) = (channel(), channel());
    let (released, has_returned) = (Mutex::new(released), Arc::new(AtomicUsize::new(0)));
    let returned = Arc::clone(&has_returned);
    let announcer = Announcer::new(Arc::new(move || {
        begun.send(()).unwrap();
        released.lock().unwrap().recv().unwrap();
        returned.fetch_add(1, Ordering::SeqCst);
    }));
    let late = announcer.waker();
    let engine = Engine::open(Config::parse("completion_nsec=1000").unwrap()).unwrap();
    let mut started = encrypt(&session(&engine), 1);
    is_pending(&mut started, &announcer.waker());
    has_begun.recv().unwrap();
    let calls = Arc::clone(&has_returned);
    let (about, is_about) = channel();
    let dropping = thread::spawn(move || {
        about.send(()).unwrap();
        drop(announcer);
        calls.load(Ordering::SeqCst)
    });
    is_about.recv().unwrap();
    // Room for a drop that would not wait.
    (0..1_000).for_each(|_| thread::yield_now());
    release.send(()).unwrap();
    assert_eq!(dropping.join().unwrap(), 1, "the call has returned before the drop");
    late.wake();
    assert_eq!(has_returned.load(Ordering::SeqCst), 1);
    drop(started);
    engine.device().drain();
    adds_up(&engine);
}

/// What its own callback drops, with its operation: there the drop does not wait for that call.
#[test]
fn an_announcer_is_dropped_in_its_own_call() {
    type Kept = Mutex<Option<(Started, Announcer)>>;
    let kept: Arc<Kept> = Arc::default();
    let own = Arc::clone(&kept);
    let announcer = Announcer::new(Arc::new(move || {
        let (mut started, announcer) = own.lock().unwrap().take().expect("called once");
        assert_eq!(ready(&mut started, &announcer.waker()).unwrap().0, sealed(1));
    }));
    let engine = stepped("completion_nsec=1000");
    let mut started = encrypt(&session(&engine), 1);
    is_pending(&mut started, &announcer.waker());
    *kept.lock().unwrap() = Some((started, announcer));
    engine.device().run_until_idle();
    assert!(kept.lock().unwrap().is_none());
    assert_eq!(Arc::strong_count(&kept), 1, "nothing keeps the callback");
    adds_up(&engine);
}

/// Tags, additional data and padding take the same way.
#[test]
fn every_kind_of_session_has_its_operations_polled() {
    let engine = Engine::open(Config::default()).unwrap();
    let of =
        |name: &str, key: &[u8]| engine.session(name.parse().unwrap(), key, Parameters::default()).unwrap();
    let run = |session: &AnySession, operation, iv: &[u8], aad: &[u8], buffer: Vec<u8>, tag| {
        let (iv, aad) = (iv.to_vec(), aad.to_vec());
        block_on(start(session, Message { operation, iv, aad, buffer, tag }).unwrap())
    };
    let none = Tag::default();

    let gcm = of("AES-256-GCM", &KEY);
    let (text, tag) = run(&gcm, Operation::Encrypt, &IV[..12], b"head", message(5), none).unwrap();
    let AnySession::Aead(blocking) = &gcm else { panic!("an AEAD") };
    assert_eq!(blocking.open(&IV[..12], b"head", text.clone(), tag.as_bytes()).unwrap(), message(5));
    let (opened, _) = run(&gcm, Operation::Decrypt, &IV[..12], b"head", text.clone(), tag).unwrap();
    assert_eq!(opened, message(5));
    let forged = run(&gcm, Operation::Decrypt, &IV[..12], b"tail", text, tag).unwrap_err();
    assert!(matches!(forged.error(), Error::AuthFailed), "{forged}");

    let cbc = of("AES-256-CBC", &KEY);
    let (padded, _) = run(&cbc, Operation::Encrypt, &IV, b"", message(3), none).unwrap();
    assert_eq!(run(&cbc, Operation::Decrypt, &IV, b"", padded, none).unwrap().0, message(3));
    let refused = run(&cbc, Operation::Encrypt, &IV[..3], b"", message(3), none).unwrap_err();
    assert!(matches!(refused.error(), Error::InvalidArgument(_)), "{refused}");
    assert!(refused.to_string().contains('3'), "it names the length: {refused}");

    let hash = of("SHA2-256", b"");
    let AnySession::Hash(blocking) = &hash else { panic!("a hash function") };
    let (data, digest) = run(&hash, Operation::Digest, b"", b"", message(7), none).unwrap();
    assert_eq!((data, digest), (message(7), blocking.digest(&message(7)).unwrap()));
    adds_up(&engine);
}
