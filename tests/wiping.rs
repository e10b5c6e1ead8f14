//! Secrets do not stay in freed memory.
//!
//! The allocator inspects every block that is freed, so this file has one test function.

mod captured;
mod engine_helpers;
mod freed;

use simaccel::{Aead, Cipher, Engine, Hash, Job, Step, WaitCtx};

use self::engine_helpers::{IV, stepped};
use self::freed::{SECRET, keeps};

/// The secret several times over, in a buffer without spare capacity.
fn secret(times: usize) -> Vec<u8> {
    let mut secret = SECRET.repeat(times);
    secret.shrink_to_fit();
    secret
}

/// A job is dropped in its second operation: the first makes what the straight path needs of a thread and a
/// context.
fn job_dropped(engine: &Engine, steps: usize, operation: impl Fn() + 'static) {
    let ctx = WaitCtx::new();
    let mut job = Job::new(&ctx, move || (0..2).for_each(|_| operation())).unwrap();
    assert!(matches!(job.resume().unwrap(), Step::Paused));
    engine.device().run_until_idle();
    let _ = engine.poll(1, |_| ());
    assert!(matches!(job.resume().unwrap(), Step::Paused));
    for _ in 0..steps {
        engine.device().step();
    }
    drop(job);
}

/// Jobs that are dropped while they wait for whole messages of each kind.
fn jobs_dropped(engine: &Engine, label: &str) {
    let cbc = engine.cipher(Cipher::Aes128Cbc, &[1; 16]).unwrap();
    let gcm = engine.aead(Aead::Aes128Gcm, &[1; 16]).unwrap();
    let mac = engine.hmac(Hash::Sha256, &[1; 16]).unwrap();
    let (sealed, tag) = gcm.seal(&IV, b"", secret(4)).unwrap();
    for steps in 0..3 {
        let in_place = {
            let cbc = cbc.clone();
            move || cbc.encrypt(&IV, secret(4)).map(drop).unwrap()
        };
        keeps(&format!("{label}: in place, {steps} steps"), || job_dropped(engine, steps, in_place));
        let elsewhere = {
            let cbc = cbc.clone();
            move || cbc.encrypt_to(&IV, secret(4), Vec::new()).map(|(source, _)| wiped(source)).unwrap()
        };
        keeps(&format!("{label}: out of place, {steps} steps"), || job_dropped(engine, steps, elsewhere));
        let slices = {
            let (gcm, from) = (gcm.clone(), secret_slice(4));
            move || gcm.seal_slice(&IV, SECRET, from, &mut [0; 160]).map(drop).unwrap()
        };
        keeps(&format!("{label}: sealed slices, {steps} steps"), || job_dropped(engine, steps, slices));
        let opened = {
            let (gcm, sealed) = (gcm.clone(), sealed.clone());
            move || gcm.open(&IV, b"", sealed.clone(), tag.as_bytes()).map(wiped).unwrap()
        };
        keeps(&format!("{label}: opened, {steps} steps"), || job_dropped(engine, steps, opened));
        let authenticated = {
            let (mac, from) = (mac.clone(), secret_slice(4));
            move || mac.mac(from).map(drop).unwrap()
        };
        keeps(&format!("{label}: a MAC, {steps} steps"), || job_dropped(engine, steps, authenticated));
    }
}

/// Jobs with small secrets, many at once: a modelled device computes them in place and keeps the inputs.
/// Some are dropped after `steps` events; the others end, or are ended by a reset.
fn small_jobs(engine: &Engine, label: &str) {
    let cbc = engine.cipher(Cipher::Aes128Cbc, &[1; 16]).unwrap();
    let gcm = engine.aead(Aead::Aes128Gcm, &[1; 16]).unwrap();
    for (times, steps, is_reset) in [(1, 0, false), (2, 1, false), (1, 40, true), (2, 40, true)] {
        keeps(&format!("{label}: {times} times, {steps} steps, reset: {is_reset}"), || {
            let ctx = WaitCtx::new();
            let mut jobs: Vec<_> = (0..30)
                .map(|n| {
                    let (cbc, gcm, from) = (cbc.clone(), gcm.clone(), secret_slice(times));
                    let operation = move || {
                        if n % 2 == 0 {
                            let failed = cbc.encrypt(&IV, secret(times)).err();
                            failed.map(|failed| wiped(failed.into_parts().1))
                        } else {
                            let mut sealed = [0; 64];
                            gcm.seal_slice(&IV, b"", from, &mut sealed).err().map(drop)
                        }
                    };
                    let mut job = Job::new(&ctx, operation).unwrap();
                    assert!(matches!(job.resume().unwrap(), Step::Paused));
                    job
                })
                .collect();
            for _ in 0..steps {
                engine.device().step();
            }
            jobs.truncate(20);
            if is_reset {
                engine.device().reset();
            }
            engine.device().run_until_idle();
            let _ = engine.poll(100, |_| ());
            jobs.truncate(10);
            jobs.iter_mut().for_each(|job| assert!(matches!(job.resume().unwrap(), Step::Finished(_))));
        });
    }
}

fn everything(engine: &Engine, label: &str) {
    let cbc = engine.cipher(Cipher::Aes128Cbc, &[1; 16]).unwrap();
    let gcm = engine.aead(Aead::Aes128Gcm, &[1; 16]).unwrap();
    let hash = engine.hash(Hash::Sha256).unwrap();
    for times in [1, 3, 40_000] {
        let plain = secret(times);
        let sealed = keeps(&format!("{label}: encrypt, grown"), || cbc.encrypt(&IV, plain).unwrap());
        let mut into = secret(times + 1);
        keeps(&format!("{label}: slices"), || {
            cbc.encrypt_slice(&IV, secret_slice(times), &mut into).unwrap();
            cbc.decrypt_slice(&IV, &sealed, &mut into).unwrap();
            hash.digest(&into).unwrap();
            cbc.decrypt_slice(&IV, &sealed, &mut into[..1]).unwrap_err();
        });
        let mut stream = cbc.encryptor(&IV);
        let piece = secret(times);
        let piece = keeps(&format!("{label}: a piece"), || stream.update(piece).unwrap());
        keeps(&format!("{label}: a stream"), || stream.finish().unwrap());
        assert_eq!(piece, sealed[..piece.len()]);
        let plain = secret(times);
        let (text, tag) = keeps(&format!("{label}: seal"), || gcm.seal(&IV, b"", plain).unwrap());
        keeps(&format!("{label}: a bad tag"), || {
            gcm.open(&IV, b"no", text, tag.as_bytes()).unwrap_err();
        });
    }
    if !label.contains("threshold") {
        jobs_dropped(engine, label);
        small_jobs(engine, label);
    }
}

/// What the caller does with a text that is its own again.
fn wiped(mut text: Vec<u8>) {
    text.fill(0);
}

/// A secret that is never freed.
fn secret_slice(times: usize) -> &'static [u8] {
    secret(times).leak()
}

#[test]
fn nothing_secret_is_in_memory_that_is_given_back() {
    let modelled = ["completion_nsec=1000", "completion_nsec=1000;delivery=poll;ordering=fifo"];
    for config in ["", modelled[0], modelled[1], "fallback=on", "delivery=poll", "offload_threshold=100"] {
        let engine = stepped(config);
        everything(&engine, config);
        keeps("the thread's buffers", || drop(engine));
    }
}
