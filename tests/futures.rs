//! Operations as futures: their results, their buffers, and what becomes of them when they are dropped,
//! cancelled, late, refused or in line.

mod captured;
mod engine_helpers;
mod future_helpers;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::mpsc::channel;
use std::task::{Context, Poll, Waker};
use std::thread;
use std::time::Duration;

use simaccel::future::{CallFuture, Cancelled, InPlace, OpFuture};
use simaccel::{Aead, Cipher, Engine, Error, Hash, OpError};

use self::engine_helpers::{IV, KEY, assert_adds_up, ctr, expected_ctr, message, open, software, stepped};
use self::future_helpers::{Flag, block_on, drive, poll_once};

/// Never ends a request.
const NEVER: &str = "completion_nsec=3600000000000;queue_pairs=1;compute_units=64;";

fn pending(future: &mut OpFuture<InPlace>) {
    assert!(poll_once(future).is_pending());
}

fn is_send<T: Send + 'static>(_: &T) {}

/// A future of every operation, beside the blocking call of the same name in software.
#[test]
fn every_operation_gives_what_its_blocking_form_gives_and_its_buffer() {
    let device = open("");
    for len in [0, 1, 16, 64, 1_000, 70_000] {
        let data = message(len, len);
        let here = |engine: &Engine| {
            let cipher = engine.cipher(Cipher::Aes256Cbc, &KEY).unwrap();
            let aead = engine.aead(Aead::Aes256Gcm, &KEY).unwrap();
            let sealed = cipher.encrypt(&IV, data.clone()).unwrap();
            let (text, tag) = aead.seal(&IV[..12], b"aad", data.clone()).unwrap();
            let digest = engine.hash(Hash::Sha256).unwrap().digest(&data).unwrap();
            let mac = engine.hmac(Hash::Sha512, &KEY).unwrap().mac(&data).unwrap();
            (sealed, text, tag, digest, mac)
        };
        let (sealed, text, tag, digest, mac) = software("offload_threshold=4294967295", here);
        let before = device.stats().operations;
        block_on(async {
            let cipher = device.cipher(Cipher::Aes256Cbc, &KEY).unwrap();
            assert_eq!(cipher.encrypt_async(&IV, data.clone()).await.unwrap(), sealed);
            assert_eq!(cipher.decrypt_async(&IV, sealed.clone()).await.unwrap(), data);
            let (source, output) = cipher.encrypt_to_async(&IV, data.clone(), vec![9; 3]).await.unwrap();
            assert_eq!((source, output), (data.clone(), sealed.clone()));
            let (source, output) = cipher.decrypt_to_async(&IV, sealed.clone(), Vec::new()).await.unwrap();
            assert_eq!((source, output), (sealed.clone(), data.clone()));
            let aead = device.aead(Aead::Aes256Gcm, &KEY).unwrap();
            let given = aead.seal_async(&IV[..12], b"aad", data.clone()).await.unwrap();
            assert_eq!(given, (text.clone(), tag));
            let opened = aead.open_async(&IV[..12], b"aad", text.clone(), tag.as_bytes()).await.unwrap();
            assert_eq!(opened, data);
            let hash = device.hash(Hash::Sha256).unwrap();
            assert_eq!(hash.digest_async(data.clone()).await.unwrap(), (data.clone(), digest));
            let hmac = device.hmac(Hash::Sha512, &KEY).unwrap();
            assert_eq!(hmac.mac_async(data.clone()).await.unwrap(), (data.clone(), mac));
            assert_eq!(hmac.verify_async(data.clone(), &mac.as_bytes()[..32]).await.unwrap(), data);
        });
        assert_eq!(device.stats().operations - before, 9);
    }
    assert_adds_up(&device);
}

#[test]
fn boxes_are_buffers_too() {
    let engine = open("");
    let session = ctr(&engine);
    let text: Box<[u8]> = message(3, 100).into();
    let sealed: Box<[u8]> = block_on(session.encrypt_async(&IV, text.clone())).unwrap();
    assert_eq!(*sealed, *expected_ctr(&text));
    let cbc = engine.cipher(Cipher::Aes128Cbc, &KEY[..16]).unwrap();
    let sealed = block_on(cbc.encrypt_async(&IV, text.clone())).unwrap();
    assert_eq!((sealed.len(), block_on(cbc.decrypt_async(&IV, sealed)).unwrap()), (112, text));
}

#[cfg(feature = "bytes")]
#[test]
fn bytes_keep_their_allocation() {
    use bytes::BytesMut;
    let engine = open("");
    let mut text = BytesMut::with_capacity(200);
    text.extend_from_slice(&message(5, 100));
    let place = text.as_ptr();
    let sealed: BytesMut = block_on(ctr(&engine).encrypt_async(&IV, text)).unwrap();
    assert_eq!((sealed.as_ptr(), &sealed[..]), (place, &expected_ctr(&message(5, 100))[..]));
    assert!(sealed.capacity() >= 200);
}

#[test]
fn a_buffer_is_where_it_was() {
    let engine = open("");
    let mut text = message(1, 1_000);
    let place = text.as_ptr();
    for _ in 0..3 {
        text = block_on(ctr(&engine).encrypt_async(&IV, text)).unwrap();
        assert_eq!(text.as_ptr(), place);
    }
}

#[test]
fn every_refusal_gives_the_buffer_back_at_the_first_poll() {
    let engine = open("");
    let session = ctr(&engine);
    let (error, buffer) = block_on(session.encrypt_async(&IV[..7], message(0, 50))).unwrap_err().into_parts();
    assert!(matches!(error, Error::InvalidArgument(_)), "{error}");
    assert!(error.to_string().contains('7'), "it says what was given: {error}");
    assert_eq!(buffer, message(0, 50));
    let aead = engine.aead(Aead::Aes128Gcm, &KEY[..16]).unwrap();
    let long = aead.open_async(&IV[..12], b"", message(1, 50), &[0; 17]);
    let (error, buffer) = block_on(long).unwrap_err().into_parts();
    assert!(matches!(error, Error::InvalidArgument(_)), "{error}");
    assert_eq!(buffer, message(1, 50));
    let hmac = engine.hmac(Hash::Sha256, &KEY).unwrap();
    let (error, buffer) = block_on(hmac.verify_async(message(2, 9), &[0; 3])).unwrap_err().into_parts();
    assert!(matches!(error, Error::InvalidArgument(_)), "{error}");
    assert_eq!(buffer, message(2, 9));
    let before = engine.stats().device.total.submitted;
    assert!(block_on(hmac.verify_async(message(2, 9), &[0; 65])).is_err());
    assert!(block_on(hmac.verify_async(message(2, 9), &[0; 32])).is_err());
    assert_eq!(engine.stats().device.total.submitted, before + 2);
}

#[test]
fn what_is_not_authentic_is_wiped_and_comes_back_empty() {
    let engine = open("");
    let aead = engine.aead(Aead::Aes128Gcm, &KEY[..16]).unwrap();
    let opened = aead.open_async(&IV[..12], b"", message(1, 50), &[0; 16]);
    let (error, buffer) = block_on(opened).unwrap_err().into_parts();
    assert_eq!((error, buffer), (Error::AuthFailed, Vec::new()));
}

#[test]
fn every_failure_of_the_device_gives_the_buffers_back() {
    for (config, expected) in [
        ("fault=fail", Error::DeviceFailed),
        ("fault=nomem", Error::NoMemory),
        ("completion_nsec=1000;fault=fail", Error::DeviceFailed),
        ("fault=short:bytes=10", Error::ShortOutput { missing: 10 }),
        ("fault=stall:nsec=1000000000;timeout_msec=5", Error::Timeout),
    ] {
        let engine = stepped(config);
        let session = ctr(&engine);
        let failed = drive(&engine, session.encrypt_async(&IV, message(7, 40))).unwrap_err();
        let (error, buffer) = failed.into_parts();
        assert_eq!((error, buffer), (expected.clone(), message(7, 40)), "{config}");
        let failed = drive(&engine, session.encrypt_to_async(&IV, message(7, 40), vec![1; 60])).unwrap_err();
        let (error, source, destination) = failed.into_buffers();
        assert_eq!((error, source), (expected, message(7, 40)), "{config}");
        let destination = destination.unwrap();
        assert!(destination.iter().all(|byte| *byte == 0), "{config}: {destination:?}");
        assert_adds_up(&engine);
    }
}

#[test]
fn another_try_and_software_in_the_devices_place_are_the_engines_policy() {
    let engine = stepped("fault=fail:every=2,after=0;max_retries=1");
    for _ in 0..4 {
        let done = drive(&engine, ctr(&engine).encrypt_async(&IV, message(1, 30))).unwrap();
        assert_eq!(done, expected_ctr(&message(1, 30)));
    }
    assert!(engine.stats().retries > 0);
    let engine = stepped("fault=fail;fallback=on");
    let done = drive(&engine, ctr(&engine).encrypt_async(&IV, message(1, 30))).unwrap();
    assert_eq!((done, engine.stats().fallbacks), (expected_ctr(&message(1, 30)), 1));
}

#[test]
fn a_future_does_nothing_before_its_first_poll() {
    let engine = stepped("");
    let mut future = ctr(&engine).encrypt_async(&IV, message(1, 30));
    is_send(&future);
    assert_eq!(engine.stats().operations, 0);
    let Cancelled::TakenBack { buffer, destination: None } = future.cancel() else { panic!() };
    assert_eq!(buffer, message(1, 30));
    let Poll::Ready(Err(error)) = poll_once(&mut future) else { panic!("it is over") };
    assert_eq!(error.into_parts(), (Error::Closed, Vec::new()));
    assert_eq!(engine.stats().operations, 0);
}

#[test]
fn the_device_wakes_the_waker_of_the_latest_poll_once() {
    let engine = stepped("completion_nsec=1000");
    let mut future = ctr(&engine).encrypt_async(&IV, message(1, 30));
    let flags: Vec<_> = (0..3).map(|_| Arc::new(Flag::default())).collect();
    for flag in &flags {
        let waker = Waker::from(Arc::clone(flag));
        let polled = std::pin::Pin::new(&mut future).poll(&mut Context::from_waker(&waker));
        assert!(polled.is_pending());
    }
    engine.device().run_until_idle();
    assert_eq!(flags.iter().map(|flag| flag.calls()).collect::<Vec<_>>(), [0, 0, 1]);
    let Poll::Ready(Ok(done)) = poll_once(&mut future) else { panic!() };
    assert_eq!(done, expected_ctr(&message(1, 30)));
    let stats = engine.stats();
    assert_eq!((stats.pauses, stats.resumes, stats.spurious_resumes), (3, 3, 2));
}

/// What a request is doing when its future is dropped or cancelled.
const SCENES: [&str; 5] = ["queued", "scheduled", "done", "in line", "late"];

/// Futures in flight, the last of which is in that state; and the engine.
fn scene(name: &str) -> (Engine, Vec<OpFuture<InPlace>>) {
    let config = match name {
        "queued" => "",
        "scheduled" => NEVER,
        "done" => "completion_nsec=1000",
        "in line" => "completion_nsec=3600000000000;queue_pairs=1;depth=2",
        _ => "completion_nsec=3600000000000;queue_pairs=1;timeout_msec=10",
    };
    let engine = stepped(config);
    let count = if name == "in line" { 3 } else { 1 };
    let session = ctr(&engine);
    let mut futures: Vec<_> =
        (0..count).map(|index| session.encrypt_async(&IV, message(index, 90))).collect();
    futures.iter_mut().for_each(pending);
    match name {
        "scheduled" => assert!(engine.device().step()),
        "done" => assert!(engine.device().run_until_idle() > 0),
        "late" => engine.device().advance(Duration::from_millis(10)),
        _ => {}
    }
    (engine, futures)
}

#[test]
fn counters_add_up_while_futures_wait_and_after_they_were_leaked() {
    for name in SCENES {
        let (engine, mut futures) = scene(name);
        let adds_up = || assert_eq!(engine.stats().imbalances(), Vec::<String>::new(), "{name}");
        adds_up();
        // In vain, or not.
        let _ = poll_once(&mut futures[0]);
        adds_up();
        std::mem::forget(futures);
        engine.device().run_until_idle();
        adds_up();
    }
    for is_reaped in [false, true] {
        let engine = stepped("");
        let mut reaper = engine.reaper().unwrap();
        assert!(poll_once(&mut reaper).is_pending());
        let mut future = ctr(&engine).encrypt_async(&IV, message(1, 30));
        for _ in 0..2 {
            pending(&mut future);
            assert_eq!(engine.stats().imbalances(), Vec::<String>::new());
        }
        if is_reaped {
            engine.device().run_until_idle();
            assert!(poll_once(&mut future).is_ready());
        } else {
            drop(future);
        }
        let stats = engine.stats();
        assert_eq!(
            (stats.pauses, stats.resumes, stats.abandoned),
            (2, 2 - u64::from(!is_reaped), u64::from(!is_reaped))
        );
        assert_eq!(stats.imbalances(), Vec::<String>::new());
    }
}

#[test]
fn a_dropped_future_gives_its_request_up_wherever_it_is() {
    for name in SCENES {
        let (engine, mut futures) = scene(name);
        drop(futures.pop());
        assert_eq!(engine.stats().abandoned, 1, "{name}");
        // The slot is free again, and whatever comes late hits nothing.
        drop(futures);
        let mut again = ctr(&engine).encrypt_async(&IV, message(8, 90));
        pending(&mut again);
        engine.device().reset();
        engine.device().run_until_idle();
        let Poll::Ready(outcome) = poll_once(&mut again) else { panic!("{name}: it waits") };
        assert!(outcome.is_ok() || outcome.unwrap_err().error() == &Error::Reset, "{name}");
        assert_eq!(engine.stats().device.total.in_flight, 0, "{name}");
        assert_adds_up(&engine);
    }
}

#[test]
fn a_cancelled_future_gives_its_buffer_back_wherever_it_is() {
    for name in SCENES {
        let (engine, mut futures) = scene(name);
        let mut last = futures.pop().unwrap();
        let index = futures.len();
        match (name, last.cancel()) {
            ("done", Cancelled::Ended(Ok(buffer))) => assert_eq!(buffer, expected_ctr(&message(index, 90))),
            ("late", Cancelled::Ended(Err(error))) => {
                assert_eq!(error.into_parts(), (Error::Timeout, message(index, 90)));
            }
            (_, Cancelled::TakenBack { buffer, destination: None }) => {
                assert_eq!(buffer, message(index, 90), "{name}");
                assert_eq!(engine.stats().abandoned, 1, "{name}");
            }
            (_, other) => panic!("{name}: {other:?}"),
        }
        assert!(matches!(last.cancel(), Cancelled::Ended(Err(error)) if error.error() == &Error::Closed));
        drop(last);
        drop(futures);
        engine.device().run_until_idle();
        assert_eq!(engine.stats().device.total.in_flight, 0, "{name}");
        assert_adds_up(&engine);
    }
}

#[test]
fn a_full_ring_makes_futures_wait_in_line_in_their_order() {
    let engine = stepped("completion_nsec=1000;queue_pairs=1;depth=2");
    let session = ctr(&engine);
    let mut futures: Vec<_> = (0..6).map(|index| session.encrypt_async(&IV, message(index, 40))).collect();
    let flags: Vec<_> = futures
        .iter_mut()
        .map(|future| {
            let flag = Arc::new(Flag::default());
            let waker = Waker::from(Arc::clone(&flag));
            assert!(std::pin::Pin::new(future).poll(&mut Context::from_waker(&waker)).is_pending());
            flag
        })
        .collect();
    assert_eq!(engine.stats().parked, 4);
    let mut order = Vec::new();
    while order.len() < 6 {
        assert!(engine.device().step());
        let woken = (0..6).filter(|at| flags[*at].calls() > 0 && !order.contains(at)).collect::<Vec<_>>();
        order.extend(woken);
    }
    assert_eq!(order, [0, 1, 2, 3, 4, 5]);
    for (index, future) in futures.iter_mut().enumerate() {
        let Poll::Ready(Ok(done)) = poll_once(future) else { panic!() };
        assert_eq!(done, expected_ctr(&message(index, 40)));
    }
    // Each was polled twice: none span.
    assert_eq!((engine.stats().pauses, engine.stats().spurious_resumes), (6, 0));
}

#[test]
fn a_limit_of_its_own_ends_a_future_in_the_devices_time() {
    let engine = stepped(NEVER);
    let mut future = ctr(&engine).encrypt_async(&IV, message(1, 30)).with_timeout(Duration::from_millis(3));
    let flag = Arc::new(Flag::default());
    let waker = Waker::from(Arc::clone(&flag));
    assert!(std::pin::Pin::new(&mut future).poll(&mut Context::from_waker(&waker)).is_pending());
    engine.device().advance(Duration::from_millis(3) - Duration::from_nanos(1));
    assert_eq!(flag.calls(), 0);
    engine.device().advance(Duration::from_nanos(1));
    assert_eq!((flag.calls(), engine.stats().timeouts), (1, 1));
    let Poll::Ready(Err(error)) = poll_once(&mut future) else { panic!() };
    assert_eq!(error.into_parts(), (Error::Timeout, message(1, 30)));
    assert_adds_up(&engine);
}

#[test]
fn a_limit_of_its_own_needs_no_runtime_and_concerns_no_other() {
    let engine = open(NEVER);
    let limited = ctr(&engine).encrypt_async(&IV, message(1, 30)).with_timeout(Duration::from_millis(3));
    let mut other = ctr(&engine).encrypt_async(&IV, message(2, 30));
    pending(&mut other);
    let (error, buffer) = block_on(limited).unwrap_err().into_parts();
    assert_eq!((error, buffer), (Error::Timeout, message(1, 30)));
    pending(&mut other);
    assert!(matches!(other.cancel(), Cancelled::TakenBack { .. }));
}

#[test]
fn a_future_in_time_is_not_late() {
    let engine = open("");
    let future = ctr(&engine).encrypt_async(&IV, message(1, 30)).with_timeout(Duration::from_secs(3_600));
    assert_eq!(block_on(future).unwrap(), expected_ctr(&message(1, 30)));
    assert_eq!(engine.stats().timeouts, 0);
}

#[test]
fn each_poll_may_come_from_another_thread() {
    for config in ["", "delivery=poll"] {
        let engine = open(config);
        let mut future = ctr(&engine).encrypt_async(&IV, message(4, 200));
        pending(&mut future);
        let done = thread::spawn(move || block_on(future)).join().unwrap();
        assert_eq!(done.unwrap(), expected_ctr(&message(4, 200)));
        assert_adds_up(&engine);
    }
}

#[test]
fn a_call_gives_its_value_or_its_panic() {
    let engine = open("");
    let call: CallFuture<usize> = engine.call_async("sum", 8, || 6 * 7);
    is_send(&call);
    assert_eq!(block_on(call), Ok(42));
    let panics = engine.call_async("sum", 8, || -> usize { panic!("deliberate") });
    let panic = catch_unwind(AssertUnwindSafe(|| block_on(panics))).unwrap_err();
    assert_eq!(panic.downcast_ref(), Some(&"deliberate"));
    assert_eq!(engine.stats().device.calls[0].completed, 2);
}

#[test]
fn a_dropped_call_drops_its_function_once() {
    let engine = stepped("completion_nsec=1000");
    for steps in 0..4 {
        let owned = Arc::new(());
        let in_call = Arc::clone(&owned);
        let mut call = engine.call_async("keep", 0, move || in_call);
        assert!(poll_once(&mut call).is_pending());
        (0..steps).for_each(|_| _ = engine.device().step());
        drop(call);
        engine.device().run_until_idle();
        assert_eq!(Arc::strong_count(&owned), 1, "after {steps} steps");
    }
}

#[test]
fn a_cancelled_call_gives_its_function_back_or_its_value() {
    let engine = stepped("completion_nsec=1000");
    for steps in 0..4 {
        for runs in [false, true] {
            let owned = Arc::new(());
            let in_call = Arc::clone(&owned);
            let mut call = engine.call_async("keep", 0, move || in_call);
            assert!(poll_once(&mut call).is_pending());
            (0..steps).for_each(|_| _ = engine.device().step());
            match call.cancel() {
                Cancelled::TakenBack { buffer: unrun, destination: None } => {
                    assert_eq!((steps, unrun.name(), Arc::strong_count(&owned)), (0, "keep", 2));
                    if runs {
                        assert!(Arc::ptr_eq(&unrun.run(), &owned));
                    } else {
                        drop(unrun);
                    }
                }
                Cancelled::Ended(value) => {
                    assert!(steps > 0 && Arc::ptr_eq(&value.unwrap(), &owned), "after {steps} steps");
                }
                other => panic!("{other:?}"),
            }
            assert_eq!(Arc::strong_count(&owned), 1, "after {steps} steps");
            assert!(matches!(call.cancel(), Cancelled::Ended(Err(Error::Closed))));
            engine.device().run_until_idle();
            assert_adds_up(&engine);
        }
    }
}

#[test]
fn a_cancelled_call_goes_on_with_the_panic_of_its_function() {
    let engine = stepped("completion_nsec=1000");
    let mut call = engine.call_async("sum", 8, || -> usize { panic!("deliberate") });
    assert!(poll_once(&mut call).is_pending());
    assert!(engine.device().step());
    let panic = catch_unwind(AssertUnwindSafe(|| call.cancel())).unwrap_err();
    assert_eq!(panic.downcast_ref(), Some(&"deliberate"));
    assert_adds_up(&engine);
}

#[test]
fn a_call_that_is_cancelled_while_its_function_runs_gives_its_value() {
    for config in ["", "completion_nsec=1000"] {
        let engine = open(config);
        let ((started, has_started), (go_on, goes_on)) = (channel(), channel());
        let mut call = engine.call_async("waits", 0, move || {
            started.send(()).unwrap();
            goes_on.recv().unwrap();
            42
        });
        assert!(poll_once(&mut call).is_pending());
        has_started.recv().unwrap();
        let cancelled = thread::spawn(move || call.cancel());
        go_on.send(()).unwrap();
        assert!(matches!(cancelled.join().unwrap(), Cancelled::Ended(Ok(42))), "{config}");
        assert_adds_up(&engine);
    }
}

#[test]
fn a_dead_device_gives_the_buffer_back() {
    let engine = open("");
    let panicking = engine.panicking_hash(Hash::Sha256).unwrap();
    let failed = block_on(panicking.digest_async(message(1, 10)));
    assert_eq!(failed.unwrap_err().error(), &Error::DeviceDead);
    let refused: OpError = block_on(ctr(&engine).encrypt_async(&IV, message(1, 10))).unwrap_err();
    assert_eq!(refused.into_parts(), (Error::DeviceDead, message(1, 10)));
}

#[test]
fn the_engine_lives_as_long_as_its_futures() {
    let engine = open("");
    let mut future = ctr(&engine).encrypt_async(&IV, message(1, 100));
    let polled = poll_once(&mut future);
    drop(engine);
    let done = if let Poll::Ready(done) = polled { done } else { block_on(future) };
    assert_eq!(done.unwrap(), expected_ctr(&message(1, 100)));
}
