//! Every way to await, with every delivery, on 1, 2 and 8 threads: 10,000 operations a cell, each result
//! checked.
//!
//! ```text
//!   ways:        one at a time · many on an executor · the same with a reaper · a set of one task, and with a reaper
//!                jobs · jobs on a driver's thread
//!                every kind of operation · functions · keys
//!   deliveries:  wake · poll · a ring that is always full · a modelled device
//! ```

mod captured;
mod engine_helpers;
mod future_helpers;

use std::cell::Cell;
use std::future::Future;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::thread;

use sha2::{Digest, Sha256};
use simaccel::future::{InFlight, JobDriver, JobFuture};
use simaccel::{Aead, CipherSession, Engine, Hash, KeyAlgorithm, PrivateKey, SignatureScheme};

use self::engine_helpers::{KEY, assert_adds_up, ctr, message, open};
use self::future_helpers::{Executor, block_on};

const OPERATIONS: usize = 10_000;
const TASKS: usize = 16;

const DELIVERIES: [&str; 4] =
    ["", "delivery=poll", "queue_pairs=2;depth=2", "compute_units=16;completion_nsec=2000"];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    One,
    Many,
    Reaped,
    Set,
    ReapedSet,
    Jobs,
    Driven,
    /// AEAD, digests, MACs, and ciphers out of place, in turn.
    Kinds,
    Functions,
    Keys,
}

const WAYS: [Way; 10] = [
    Way::One,
    Way::Many,
    Way::Reaped,
    Way::Set,
    Way::ReapedSet,
    Way::Jobs,
    Way::Driven,
    Way::Kinds,
    Way::Functions,
    Way::Keys,
];

/// CTR twice gives the text back, so each pair of operations is checked by the text.
fn iv(at: usize) -> [u8; 16] {
    (at as u128).to_be_bytes()
}

async fn awaited(session: &CipherSession, from: usize, count: usize) {
    for at in (from..from + count).step_by(2) {
        let text = message(at, 64);
        let sealed = session.encrypt_async(&iv(at), text.clone()).await.unwrap();
        assert_ne!(sealed, text);
        assert_eq!(session.decrypt_async(&iv(at), sealed).await.unwrap(), text);
    }
}

/// In sets of 16.
async fn in_sets(session: &CipherSession, from: usize, count: usize) {
    let texts = (from..from + count / 2).map(|at| message(at, 64));
    let mut set = InFlight::ordered(TASKS);
    let (mut sealed, mut opened) = (Vec::new(), Vec::new());
    for (at, text) in (from..).zip(texts.clone()) {
        sealed.extend(set.send(session.encrypt_async(&iv(at), text)).await);
    }
    while let Some(last) = set.next().await {
        sealed.push(last);
    }
    for (at, text) in (from..).zip(sealed) {
        opened.extend(set.send(session.decrypt_async(&iv(at), text.unwrap())).await);
    }
    while let Some(last) = set.next().await {
        opened.push(last);
    }
    assert!(opened.into_iter().map(Result::unwrap).eq(texts));
}

/// Seven operations a turn.
async fn of_all_kinds(engine: &Engine, from: usize, count: usize) {
    let aead = engine.aead(Aead::Aes128Gcm, &KEY[..16]).unwrap();
    let (hash, hmac) = (engine.hash(Hash::Sha256).unwrap(), engine.hmac(Hash::Sha256, &KEY).unwrap());
    let cipher = ctr(engine);
    let digests: Vec<_> = (0..4).map(|at| Sha256::digest(message(at, 64))).collect();
    for at in from..from + count.div_ceil(7) {
        let text = message(at, 64);
        let (sealed, tag) = aead.seal_async(&iv(at)[4..], b"aad", text.clone()).await.unwrap();
        assert_ne!(sealed, text);
        let opened = aead.open_async(&iv(at)[4..], b"aad", sealed, tag.as_bytes()).await.unwrap();
        assert_eq!(opened, text);
        let (same, mac) = hmac.mac_async(text).await.unwrap();
        assert_eq!(hmac.verify_async(same, mac.as_bytes()).await.unwrap(), opened);
        let (_, digest) = hash.digest_async(message(at % 4, 64)).await.unwrap();
        assert_eq!(digest.as_bytes(), &digests[at % 4][..]);
        let (source, sealed) = cipher.encrypt_to_async(&iv(at), opened, Vec::new()).await.unwrap();
        let (_, opened) = cipher.decrypt_to_async(&iv(at), sealed, Vec::new()).await.unwrap();
        assert_eq!(opened, source);
    }
}

async fn of_functions(engine: &Engine, from: usize, count: usize) {
    for at in from..from + count {
        assert_eq!(engine.call_async("double", 8, move || 2 * at).await, Ok(2 * at));
    }
}

/// X25519 and Ed25519: whatever the key, the operation takes the same way.
async fn of_keys(engine: &Engine, from: usize, count: usize) {
    let key = |algorithm, byte| PrivateKey::from_raw(algorithm, &[byte; 32]).unwrap();
    let (own, peer) = (key(KeyAlgorithm::X25519, 1), key(KeyAlgorithm::X25519, 2));
    let signing = engine.private_key(&key(KeyAlgorithm::Ed25519, 3)).unwrap();
    let verifying = engine.public_key(&key(KeyAlgorithm::Ed25519, 3).public_key()).unwrap();
    let secret = engine.private_key(&peer).unwrap().derive(&own.public_key().to_raw().unwrap()).unwrap();
    let derives = engine.private_key(&own).unwrap();
    let value = peer.public_key().to_raw().unwrap();
    let scheme = SignatureScheme::Ed25519;
    for at in (from..from + count).step_by(4) {
        let signature = signing.sign_async(&scheme, &message(at, 64)).await.unwrap();
        assert!(verifying.verify_async(&scheme, &message(at, 64), &signature).await.is_ok());
        assert!(verifying.verify_async(&scheme, &message(at + 1, 64), &signature).await.is_err());
        assert_eq!(derives.derive_async(&value).await.unwrap(), secret);
    }
}

fn called(session: &CipherSession, from: usize, count: usize) {
    for at in (from..from + count).step_by(2) {
        let text = message(at, 64);
        let sealed = session.encrypt(&iv(at), text.clone()).unwrap();
        assert_ne!(sealed, text);
        assert_eq!(session.decrypt(&iv(at), sealed).unwrap(), text);
    }
}

/// The future, with another beside it that is polled as often, and dropped at its end.
async fn beside<F: Future>(other: impl Future<Output = ()>, future: F) -> F::Output {
    let (mut other, mut future) = (pin!(other), pin!(future));
    std::future::poll_fn(move |context: &mut Context<'_>| {
        let polled = future.as_mut().poll(context);
        if polled.is_pending() {
            let _ = Pin::as_mut(&mut other).poll(context);
        }
        polled
    })
    .await
}

/// All that one thread does of a cell.
fn of_thread(engine: &Engine, way: Way, thread: usize, count: usize) {
    let session = ctr(engine);
    let each = count / TASKS;
    let from = move |task: usize| thread * OPERATIONS + task * each;
    let (done, last) = (Rc::new(Cell::new(0)), Rc::new(Cell::new(None::<Waker>)));
    let mut executor = Executor::new();
    match way {
        Way::Kinds | Way::Functions | Way::Keys => {
            for task in 0..TASKS {
                let (engine, done) = (engine.clone(), Rc::clone(&done));
                executor.spawn(async move {
                    match way {
                        Way::Kinds => of_all_kinds(&engine, from(task), each).await,
                        Way::Functions => of_functions(&engine, from(task), each).await,
                        _ => of_keys(&engine, from(task), each.next_multiple_of(4)).await,
                    }
                    done.set(done.get() + 1);
                });
            }
        }
        Way::One => return block_on(awaited(&session, from(0), each * TASKS)),
        Way::Set => return block_on(in_sets(&session, from(0), each * TASKS)),
        Way::Many | Way::Reaped | Way::ReapedSet => {
            for task in 0..TASKS {
                let (session, done, last) = (session.clone(), Rc::clone(&done), Rc::clone(&last));
                executor.spawn(async move {
                    match way {
                        Way::ReapedSet => in_sets(&session, from(task), each).await,
                        _ => awaited(&session, from(task), each).await,
                    }
                    done.set(done.get() + 1);
                    last.take().into_iter().for_each(Waker::wake);
                });
            }
            if way != Way::Many {
                let (reaper, done, last) = (engine.reaper().unwrap(), Rc::clone(&done), Rc::clone(&last));
                executor.spawn(beside(
                    reaper,
                    std::future::poll_fn(move |context| {
                        last.set(Some(context.waker().clone()));
                        if done.get() == TASKS { Poll::Ready(()) } else { Poll::Pending }
                    }),
                ));
            }
        }
        Way::Jobs => {
            for task in 0..TASKS {
                let (session, done) = (session.clone(), Rc::clone(&done));
                executor.spawn(async move {
                    JobFuture::new(move || called(&session, from(task), each)).await.unwrap();
                    done.set(done.get() + 1);
                });
            }
        }
        Way::Driven => {
            let driver = JobDriver::new().unwrap();
            let jobs: Vec<_> = (0..TASKS)
                .map(|task| {
                    let session = session.clone();
                    driver.spawn(move || called(&session, from(task), each))
                })
                .collect();
            jobs.into_iter().for_each(|job| block_on(job).unwrap());
            return;
        }
    }
    executor.run();
    assert_eq!(done.get(), TASKS);
}

fn cells(delivery: &str) {
    for way in WAYS {
        for threads in [1, 2, 8] {
            let engine = Arc::new(open(delivery));
            let each = OPERATIONS.div_ceil(threads).next_multiple_of(2 * TASKS);
            let running: Vec<_> = (0..threads)
                .map(|thread| {
                    let engine = Arc::clone(&engine);
                    thread::spawn(move || of_thread(&engine, way, thread, each))
                })
                .collect();
            running.into_iter().for_each(|thread| thread.join().unwrap());
            let stats = engine.stats();
            assert!(stats.operations >= OPERATIONS as u64, "{way:?}, {delivery}, {threads} threads");
            assert_eq!((stats.device.total.in_flight, stats.abandoned), (0, 0));
            assert_adds_up(&engine);
        }
    }
}

#[test]
fn every_way_with_wakes() {
    cells(DELIVERIES[0]);
}

#[test]
fn every_way_with_polling() {
    cells(DELIVERIES[1]);
}

#[test]
fn every_way_on_a_full_ring() {
    cells(DELIVERIES[2]);
}

#[test]
fn every_way_on_a_modelled_device() {
    cells(DELIVERIES[3]);
}
