//! Raw jobs that are discarded while they wait in the engine: their frames vanish, and nothing is left
//! behind.
//!
//! A counting allocator finds what a frame would have dropped. It counts per thread, because the test harness
//! allocates too. Fds belong to the process, so this file has one test function.
#![expect(unsafe_code, reason = "raw jobs are C's, and an allocator is unsafe to write")]

mod captured;
mod engine_helpers;

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::ffi::{c_int, c_void};
use std::ptr;

use simaccel::job::raw::{self, Handle, RawFn, RawStep};
use simaccel::{Aead, AeadSession, CipherSession, CipherStream, Engine, HashSession, MacSession, WaitCtx};

use self::engine_helpers::{IV, assert_adds_up, ctr, message, open_fds, stepped};

/// Counts the live blocks that this thread has allocated.
struct Counting;

thread_local! {
    static LIVE: Cell<isize> = const { Cell::new(0) };
}

// SAFETY: everything is passed on to the system's allocator as it came.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        LIVE.set(LIVE.get() + 1);
        // SAFETY: the caller's promise.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        LIVE.set(LIVE.get() - 1);
        // SAFETY: the caller's promise.
        unsafe { System.dealloc(block, layout) }
    }
}

#[global_allocator]
static COUNTING: Counting = Counting;

/// The target of `args`, as [`start`] passes it.
unsafe fn given<'a, T>(args: *mut c_void) -> &'a mut T {
    // SAFETY: `start` has passed the address of a `T` that is still there and has no other user.
    unsafe { &mut *ptr::with_exposed_provenance_mut(args.cast::<usize>().read()) }
}

fn start<T>(func: RawFn, args: &mut T, ctx: &WaitCtx) -> Handle {
    let address = ptr::from_mut(args).expose_provenance().to_ne_bytes();
    // SAFETY: the functions below read an address from their arguments, and its target outlives the job. They
    // own nothing while they are paused.
    match unsafe { raw::start(func, Some(&address), Some(ctx)) }.unwrap() {
        RawStep::Paused(job) => job,
        RawStep::Finished(ret) => panic!("the job has finished with {ret}"),
    }
}

unsafe extern "C-unwind" fn encrypts(args: *mut c_void) -> c_int {
    // SAFETY: started with a session.
    let session = unsafe { given::<CipherSession>(args) };
    c_int::from(session.encrypt(&IV, message(1, 500)).is_ok())
}

unsafe extern "C-unwind" fn encrypts_slices(args: *mut c_void) -> c_int {
    // SAFETY: started with a session.
    let session = unsafe { given::<CipherSession>(args) };
    c_int::from(session.encrypt_slice(&IV, &[7; 64], &mut [0; 64]).is_ok())
}

unsafe extern "C-unwind" fn digests(args: *mut c_void) -> c_int {
    // SAFETY: started with a session.
    let session = unsafe { given::<HashSession>(args) };
    c_int::from(session.digest(&[7; 64]).is_ok())
}

unsafe extern "C-unwind" fn encrypts_elsewhere(args: *mut c_void) -> c_int {
    // SAFETY: started with a session.
    let session = unsafe { given::<CipherSession>(args) };
    c_int::from(session.encrypt_to(&IV, message(1, 500), Vec::new()).is_ok())
}

unsafe extern "C-unwind" fn seals(args: *mut c_void) -> c_int {
    // SAFETY: started with a session.
    let session = unsafe { given::<AeadSession>(args) };
    c_int::from(session.seal(&[1; 12], b"header", message(1, 500)).is_ok())
}

unsafe extern "C-unwind" fn opens_slices(args: *mut c_void) -> c_int {
    // SAFETY: started with a session.
    let session = unsafe { given::<AeadSession>(args) };
    c_int::from(session.open_slice(&[1; 60], b"header", &[7; 64], &[0; 16], &mut [0; 64]).is_ok())
}

unsafe extern "C-unwind" fn verifies(args: *mut c_void) -> c_int {
    // SAFETY: started with a session.
    let session = unsafe { given::<MacSession>(args) };
    c_int::from(session.verify_owned(message(1, 500), &[0; 32]).is_ok())
}

unsafe extern "C-unwind" fn updates(args: *mut c_void) -> c_int {
    // SAFETY: started with a stream.
    let stream = unsafe { given::<CipherStream>(args) };
    c_int::from(stream.update(message(1, 500)).is_ok())
}

unsafe extern "C-unwind" fn calls(args: *mut c_void) -> c_int {
    // SAFETY: started with an engine.
    let engine = unsafe { given::<Engine>(args) };
    let owned = message(1, 500);
    c_int::from(engine.call("raw", 500, move || owned.repeat(2)).is_ok())
}

/// How far the device gets before the job is discarded.
fn proceed(engine: &Engine, round: usize) {
    match round % 3 {
        0 => {}
        1 => assert!(engine.device().step()),
        _ => {
            engine.device().run_until_idle();
            engine.poll(10, |_| ()).unwrap();
        }
    }
}

fn discard(engine: &Engine, job: Handle, round: usize) {
    proceed(engine, round);
    // SAFETY: the frames of the job own nothing: that is the claim.
    unsafe { raw::discard(job) }.unwrap();
    engine.device().run_until_idle();
    assert_eq!(engine.poll(10, |token| panic!("a stale token: {token}")).unwrap(), 0);
}

fn discard_some_of_each(engine: &Engine) {
    let (mut cipher, mut hash) = (ctr(engine), engine.hash(simaccel::Hash::Sha256).unwrap());
    let mut aead = engine.aead(Aead::Aes128Gcm, &[2; 16]).unwrap();
    let mut mac = engine.hmac(simaccel::Hash::Sha256, &[2; 16]).unwrap();
    for round in 0..12 {
        let ctx = WaitCtx::new();
        discard(engine, start(encrypts, &mut cipher, &ctx), round);
        discard(engine, start(encrypts_slices, &mut cipher, &ctx), round);
        discard(engine, start(digests, &mut hash, &ctx), round);
        discard(engine, start(encrypts_elsewhere, &mut cipher, &ctx), round);
        discard(engine, start(seals, &mut aead, &ctx), round);
        discard(engine, start(opens_slices, &mut aead, &ctx), round);
        discard(engine, start(verifies, &mut mac, &ctx), round);
        let mut stream = cipher.encryptor(&IV);
        stream.update(message(2, 20)).unwrap();
        discard(engine, start(updates, &mut stream, &ctx), round);
        discard(engine, start(calls, &mut engine.clone(), &ctx), round);
    }
}

#[test]
fn a_raw_job_discarded_in_the_engine_leaves_nothing_behind() {
    for config in [
        "",
        "delivery=poll",
        "completion_nsec=1000",
        "fallback=on",
        "fallback=on;completion_nsec=1000",
        "max_retries=3;timeout_msec=10",
        // Where the device runs until it is idle, the job's request is taken back before the job is
        // discarded.
        "completion_nsec=3600000000000;timeout_msec=10;fallback=on",
        "completion_nsec=3600000000000;timeout_msec=10;fallback=on;delivery=poll",
    ] {
        let engine = stepped(&format!("queue_pairs=1;depth=2;{config}"));
        // What is created once stays: pools, tables, the thread's instance.
        discard_some_of_each(&engine);
        let before = (LIVE.get(), open_fds());
        for _ in 0..10 {
            discard_some_of_each(&engine);
        }
        let after = (LIVE.get(), open_fds());
        assert_eq!(after, before, "{config}: blocks and fds in use");
        assert_adds_up(&engine);
        assert_eq!(engine.stats().abandoned, 11 * 12 * 9);
    }
}
