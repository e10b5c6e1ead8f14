//! The smallest stack that a thread may ask for suffices for an operation of an engine, in every way, and for
//! a job that ends in the middle of one. In debug builds, too.

mod captured;
mod job_helpers;

use self::job_helpers::{Log, Noted, catch, pauses};

use simaccel::job::{self, InitError, PoolConfig};
use simaccel::{Aead, Cipher, Config, Engine, Hash, Job, Step, WaitCtx};
use std::hint::black_box;
use std::rc::Rc;
use std::time::Duration;

fn smallest() -> usize {
    match job::init_thread(PoolConfig { stack_size: 0, ..PoolConfig::default() }) {
        Err(InitError::StackSize { min, .. }) => min,
        other => panic!("no bytes are too few: {other:?}"),
    }
}

/// Runs a job to its end.
fn finish<T: 'static>(engine: &Engine, ctx: &WaitCtx, f: impl FnOnce() -> T + 'static) -> T {
    let mut job = Job::new(ctx, f).unwrap();
    loop {
        match job.resume().unwrap() {
            Step::Paused => engine.device().run_until_idle(),
            Step::Finished(result) => return result,
        };
    }
}

/// The same in a job that may not pause, and that prepares the keys itself.
fn every_operation_blocked(engine: &Engine) {
    let engine_in_job = engine.clone();
    finish(engine, &WaitCtx::new(), move || {
        let _blocked = job::block_pause();
        for cipher in [Cipher::Aes128Ecb, Cipher::Aes192Cbc, Cipher::Aes256Ctr, Cipher::Aes256Xts] {
            let key: Vec<u8> = (1..).take(cipher.key_len()).collect();
            let session = engine_in_job.cipher(cipher, &key).unwrap();
            let iv = vec![1; cipher.iv_len()];
            let sealed = session.encrypt(&iv, vec![7; 1000]).unwrap();
            let mut opened = vec![0; 1000];
            assert_eq!(session.decrypt_slice(&iv, &sealed, &mut opened).unwrap(), 1000);
            assert_eq!(opened, [7; 1000]);
        }
        let session = engine_in_job.aead(Aead::Aes256Gcm, &[1; 32]).unwrap();
        let (sealed, tag) = session.seal(&[2; 12], b"aad", vec![3; 1000]).unwrap();
        assert_eq!(session.open(&[2; 12], b"aad", sealed, tag.as_ref()).unwrap(), [3; 1000]);
        let mac = engine_in_job.hmac(Hash::Sha512, b"key").unwrap();
        assert_eq!(mac.mac(&[1; 1000]).unwrap().as_ref().len(), 64);
        assert_eq!(engine_in_job.call("deep", 1, || use_stack(100)), Ok(100 * 1024));
    });
}

/// Uses this many KiB of stack.
#[inline(never)]
fn use_stack(kib: usize) -> usize {
    let frame = black_box([1_u8; 1024]);
    if kib == 1 { frame.len() } else { frame.len() + use_stack(kib - 1) }
}

fn every_operation(engine: &Engine) {
    let ctx = WaitCtx::new();
    for cipher in [Cipher::Aes128Ecb, Cipher::Aes192Cbc, Cipher::Aes256Ctr, Cipher::Aes256Xts] {
        let key: Vec<u8> = (1..).take(cipher.key_len()).collect();
        let session = engine.cipher(cipher, &key).unwrap();
        let iv = vec![1; cipher.iv_len()];
        let out = finish(engine, &ctx, move || {
            let sealed = session.encrypt(&iv, vec![7; 64]).unwrap();
            session.decrypt(&iv, sealed).unwrap()
        });
        assert_eq!(out, [7; 64]);
    }
    let hash = engine.hash(Hash::Sha512).unwrap();
    assert_eq!(finish(engine, &ctx, move || hash.digest(&[1; 300]).unwrap()).as_ref().len(), 64);
    let mac = engine.hmac(Hash::Sha256, b"key").unwrap();
    assert_eq!(finish(engine, &ctx, move || mac.mac(&[1; 300]).unwrap()).as_ref().len(), 32);
    let session = engine.aead(Aead::Aes256Gcm, &[1; 32]).unwrap();
    let opened = finish(engine, &ctx, move || {
        let (mut sealed, mut opened) = (vec![0; 300], vec![0; 300]);
        let (_, tag) = session.seal_slice(&[2; 12], b"aad", &[3; 300], &mut sealed).unwrap();
        session.open_slice(&[2; 12], b"aad", &sealed, tag.as_ref(), &mut opened).unwrap();
        let mut stream = session.sealer(&[2; 12], b"aad");
        let part = stream.update(vec![3; 300]).unwrap();
        let (rest, same) = stream.finish().unwrap();
        assert_eq!((part.len() + rest.len(), same.as_ref()), (300, tag.as_ref()));
        opened
    });
    assert_eq!(opened, [3; 300]);
}

#[test]
fn the_smallest_stack_holds_every_operation() {
    job_helpers::passes_in_child("the_smallest_stack_holds_every_operation", || {
        job::init_thread(PoolConfig { stack_size: smallest(), ..PoolConfig::default() }).unwrap();
        for config in [
            "",
            "completion_nsec=1000;timing=all",
            "fault=fail:every=2;max_retries=3;fallback=on",
            "depth=2",
            "offload_threshold=1000",
        ] {
            let engine = Engine::stepped(Config::parse(config).unwrap()).unwrap();
            every_operation(&engine);
            every_operation_blocked(&engine);
        }
    });
}

#[test]
fn the_smallest_stack_holds_an_end_in_the_middle() {
    job_helpers::passes_in_child("the_smallest_stack_holds_an_end_in_the_middle", || {
        job::init_thread(PoolConfig { stack_size: smallest(), ..PoolConfig::default() }).unwrap();
        let engine = Engine::stepped(Config::parse("completion_nsec=1000").unwrap()).unwrap();
        let session = engine.cipher(Cipher::Aes128Ctr, &[1; 16]).unwrap();
        let (ctx, log) = (WaitCtx::new(), Log::default());
        let (noted, in_job) = (Noted(Rc::clone(&log), "dropped"), session.clone());
        let mut dropped = Job::new(&ctx, move || {
            let _noted = noted;
            in_job.encrypt(&[0; 16], vec![0; 64])
        })
        .unwrap();
        pauses(&mut dropped);
        drop(dropped);
        let in_job = session.clone();
        let mut panics = Job::new(&ctx, move || {
            let sealed = in_job.encrypt(&[0; 16], vec![0; 64]).unwrap();
            assert!(sealed.is_empty(), "a panic, with its message");
        })
        .unwrap();
        pauses(&mut panics);
        engine.device().advance(Duration::from_millis(1));
        let unwound = catch(|| panic!("resumed: {:?}", panics.resume())).unwrap_err();
        assert_eq!(unwound.downcast_ref::<&str>(), Some(&"a panic, with its message"));
        assert_eq!(*log.borrow(), ["dropped"]);
    });
}
