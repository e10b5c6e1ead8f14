//! What a call of a trait does while the device works: it pauses its job, once for an operation, and blocks
//! outside of jobs.

use std::cell::Cell;
use std::rc::Rc;

use aead::{Aead, Payload};
use cipher::consts::U32;
use cipher::{BlockCipherEncrypt, BlockModeEncrypt, StreamCipher};
use digest::{Digest, Mac};
use simaccel::rustcrypto::{Aes256, Aes256Gcm, AesCtr, CbcEncryptor, HmacSha256, Sha256};
use simaccel::{Engine, Job, Step, WaitCtx};

use crate::engine_helpers::{assert_adds_up, finish, open, stepped};

const KEY: [u8; 32] = [0x42; 32];

/// The pauses of `f` in a job, and the operations of its engine.
fn pauses<T: 'static>(engine: &Engine, f: impl FnOnce() -> T + 'static) -> (T, usize) {
    let operations = engine.stats().operations;
    let ctx = WaitCtx::new();
    let mut job = Job::new(&ctx, f).unwrap();
    let (result, pauses) = finish(&ctx, &mut job);
    assert_eq!(engine.stats().operations - operations, pauses as u64, "one pause for an operation");
    (result, pauses)
}

#[test]
fn each_operation_pauses_its_job_once() {
    let engine = open("");
    let aead = Aes256Gcm::on(&engine, &KEY.into()).unwrap();
    let sealed = |text: &[u8]| aead.encrypt(&[7; 12].into(), Payload { msg: text, aad: b"header" }).unwrap();
    let outside = sealed(b"attack at dawn");
    let in_job = aead.clone();
    let seal = move || in_job.encrypt(&[7; 12].into(), Payload { msg: b"attack at dawn", aad: b"header" });
    assert_eq!(pauses(&engine, seal), (Ok(outside), 1));

    let aes = Aes256::on(&engine, &KEY.into()).unwrap();
    let one_by_one = aes.clone();
    let (many, count) = pauses(&engine, move || {
        let mut blocks = [cipher::Array::from([3; 16]); 64];
        aes.encrypt_blocks(&mut blocks);
        blocks
    });
    assert_eq!(count, 1, "blocks that are given together");
    let (single, count) = pauses(&engine, move || {
        let mut blocks = [cipher::Array::from([3; 16]); 64];
        blocks.iter_mut().for_each(|block| one_by_one.encrypt_block(block));
        blocks
    });
    assert_eq!((single, count), (many, 64));

    let mut cbc = CbcEncryptor::<U32>::on(&engine, &KEY.into(), &[1; 16].into()).unwrap();
    assert_eq!(pauses(&engine, move || cbc.encrypt_blocks(&mut [[0; 16].into(); 10])).1, 1);
    let mut ctr = AesCtr::<U32>::on(&engine, &KEY.into(), &[1; 16].into()).unwrap();
    assert_eq!(pauses(&engine, move || ctr.apply_keystream(&mut vec![0; (1 << 20) + 1])).1, 2);
    assert_adds_up(&engine);
}

#[test]
fn a_short_message_is_one_operation_and_a_long_one_few() {
    let engine = open("");
    let mut short = Sha256::on(&engine).unwrap();
    let (digest, count) = pauses(&engine, move || {
        (0..1_000).for_each(|_| Digest::update(&mut short, b"a little"));
        short.finalize()
    });
    assert_eq!((digest, count), (sha2::Sha256::digest(b"a little".repeat(1_000)), 1));

    let mut long = HmacSha256::on(&engine, &KEY).unwrap();
    let (mac, count) = pauses(&engine, move || {
        (0..100).for_each(|_| Mac::update(&mut long, &[5; 1_000]));
        long.finalize().into_bytes()
    });
    let mut software = hmac::Hmac::<sha2::Sha256>::new_from_slice(&KEY).unwrap();
    Mac::update(&mut software, &[5; 100_000]);
    // Pieces of 16 KiB, and the last.
    assert_eq!((mac, count), (software.finalize().into_bytes(), 100_000 / 16_384 + 1));
    let whole = Sha256::on(&engine).unwrap();
    let (digest, count) = pauses(&engine, move || whole.chain_update(vec![9; 3 << 20]).finalize());
    assert_eq!((digest, count), (sha2::Sha256::digest(vec![9; 3 << 20]), 4));
    assert_adds_up(&engine);
}

use aead::KeyInit;

/// Two places, many jobs: calls of the traits queue for a slot, and all of them get theirs.
#[test]
fn on_a_full_ring_the_jobs_queue() {
    let engine = stepped("depth=2;queue_pairs=1;completion_nsec=1000");
    let done = Rc::new(Cell::new(0));
    let mut jobs: Vec<_> = (0..20_u8)
        .map(|index| {
            let ctx = WaitCtx::new();
            let (engine, done) = (engine.clone(), Rc::clone(&done));
            let job = Job::new(&ctx, move || {
                let digest = Sha256::on(&engine).unwrap().chain_update([index; 100]).finalize();
                assert_eq!(digest, sha2::Sha256::digest([index; 100]));
                let mut block = [index; 16].into();
                Aes256::on(&engine, &KEY.into()).unwrap().encrypt_block(&mut block);
                done.set(done.get() + 1);
            });
            (job.unwrap(), ctx)
        })
        .collect();
    while !jobs.is_empty() {
        jobs.retain_mut(|(job, _)| matches!(job.resume().unwrap(), Step::Paused));
        engine.device().step();
    }
    let stats = engine.stats();
    assert_eq!((done.get(), stats.operations, stats.fallbacks), (20, 40, 0));
    assert!(stats.parked > 0, "{stats:?}");
    assert_adds_up(&engine);
}

/// The job is unwound in the middle of a call, and nothing of it is left.
#[test]
fn a_dropped_job_takes_its_request_back() {
    let engine = stepped("completion_nsec=1000");
    let ctx = WaitCtx::new();
    let mut hash = Sha256::on(&engine).unwrap();
    let mut job = Job::new(&ctx, move || {
        Digest::update(&mut hash, [1; 20_000]);
        hash.finalize()
    })
    .unwrap();
    assert!(matches!(job.resume().unwrap(), Step::Paused));
    drop(job);
    engine.device().run_until_idle();
    assert_eq!(engine.stats().abandoned, 1);
    assert_adds_up(&engine);
}
