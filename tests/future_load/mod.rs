//! A mixed load of futures, and a census of what it could leave behind.
//!
//! ```text
//!   task ── awaits · drops · cancels · gives a limit · selects · calls a function · has a job driven, in turn
//!     └── its buffers have a length that no other allocation has: the allocator counts those that are there
//! ```

#![allow(dead_code, reason = "each test file uses its own share")]

#[path = "../alive/mod.rs"]
mod alive;
pub(crate) mod blocks;

use std::fs;
use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use simaccel::future::{Cancelled, JobDriver};
use simaccel::{Aead, Cipher, Config, Engine, Error, Hash};

use self::blocks::LEN;

/// What every delivery and model of the load is run with.
pub(crate) const CONFIGS: [&str; 4] =
    ["", "delivery=poll", "queue_pairs=2;depth=4", "compute_units=16;completion_nsec=3000"];

const KEY: [u8; 32] = [0x42; 32];
const IV: [u8; 16] = [0x24; 16];

pub(crate) fn open(config: &str) -> Engine {
    Engine::open(Config::parse(config).unwrap()).unwrap()
}

fn text(byte: usize) -> Vec<u8> {
    let mut text = Vec::with_capacity(LEN);
    text.resize(LEN, byte.to_le_bytes()[0]);
    text
}

/// One look at a future.
async fn look<F: Future + Unpin>(future: &mut F) -> Poll<F::Output> {
    std::future::poll_fn(|context| Poll::Ready(Pin::new(&mut *future).poll(context))).await
}

/// The first of two that is ready; the other is dropped.
async fn first<T>(one: impl Future<Output = T>, other: impl Future<Output = T>) -> T {
    let (mut one, mut other) = (pin!(one), pin!(other));
    std::future::poll_fn(move |context| match one.as_mut().poll(context) {
        Poll::Ready(value) => Poll::Ready(value),
        Poll::Pending => other.as_mut().poll(context),
    })
    .await
}

/// So many turns of one task, each in another way; every result is checked.
pub(crate) async fn mixed(engine: Engine, driver: Arc<JobDriver>, task: usize, turns: usize) {
    let cipher = engine.cipher(Cipher::Aes256Ctr, &KEY).unwrap();
    let aead = engine.aead(Aead::Aes256Gcm, &KEY).unwrap();
    let hmac = engine.hmac(Hash::Sha256, &KEY).unwrap();
    for turn in 0..turns {
        match (task + turn) % 9 {
            0 => {
                let sealed = cipher.encrypt_async(&IV, text(turn)).await.unwrap();
                assert_eq!(cipher.decrypt_async(&IV, sealed).await.unwrap(), text(turn));
            }
            1 => {
                let (sealed, tag) = aead.seal_async(&IV[..12], b"aad", text(turn)).await.unwrap();
                let opened = aead.open_async(&IV[..12], b"aad", sealed, tag.as_bytes()).await;
                assert_eq!(opened.unwrap(), text(turn));
            }
            2 => {
                let (message, mac) = hmac.mac_async(text(turn)).await.unwrap();
                assert_eq!(hmac.verify_async(message, mac.as_bytes()).await.unwrap(), text(turn));
                let refused = hmac.verify_async(text(turn), &[0; 32]).await.unwrap_err();
                assert_eq!(refused.into_parts(), (Error::AuthFailed, text(turn)));
            }
            3 => {
                let mut dropped = cipher.encrypt_async(&IV, text(turn));
                let _ = look(&mut dropped).await;
                drop(dropped);
                drop(cipher.encrypt_async(&IV, text(turn)));
            }
            4 => {
                let mut cancelled = cipher.encrypt_async(&IV, text(turn));
                if look(&mut cancelled).await.is_pending()
                    && let Cancelled::TakenBack { buffer, .. } = cancelled.cancel()
                {
                    assert_eq!(buffer, text(turn));
                }
            }
            5 => {
                let limited = cipher.encrypt_async(&IV, text(turn)).with_timeout(Duration::from_nanos(1));
                match limited.await {
                    Ok(sealed) => assert_ne!(sealed, text(turn)),
                    Err(failed) => assert_eq!(failed.into_parts(), (Error::Timeout, text(turn))),
                }
            }
            6 => {
                let (one, other) =
                    (cipher.encrypt_async(&IV, text(turn)), cipher.encrypt_async(&IV, text(turn)));
                assert_ne!(first(one, other).await.unwrap(), text(turn));
            }
            7 => {
                let owned = text(turn);
                let called = engine.call_async("first", LEN, move || owned[0]).await;
                assert_eq!(called, Ok(turn.to_le_bytes()[0]));
                let owned = text(turn);
                let mut dropped = engine.call_async("first", LEN, move || owned[0]);
                let _ = look(&mut dropped).await;
            }
            _ => {
                let in_job = cipher.clone();
                let job = driver.spawn(move || {
                    let sealed = in_job.encrypt(&IV, text(turn)).unwrap();
                    in_job.decrypt(&IV, sealed).unwrap()
                });
                assert_eq!(job.await.unwrap(), text(turn));
                let in_job = cipher.clone();
                drop(driver.spawn(move || in_job.encrypt(&IV, text(turn))));
            }
        }
    }
}

/// What there is of what a load could leave behind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Census {
    fds: usize,
    threads: usize,
    /// Allocations with the length of the load's buffers.
    buffers: usize,
}

impl Census {
    pub(crate) fn now() -> Self {
        let fds = fs::read_dir("/proc/self/fd").unwrap().count();
        Self { fds, threads: alive::threads(), buffers: blocks::count() }
    }
}

/// Nothing is under way on this engine, and its counters add up.
#[track_caller]
pub(crate) fn assert_rests(engine: &Engine) {
    let stats = engine.stats();
    assert_eq!(stats.device.total.in_flight, 0, "{stats:?}");
    assert_eq!(stats.imbalances(), Vec::<String>::new());
}
