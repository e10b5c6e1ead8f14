//! An awaited operation allocates nothing besides its buffer, with a reaper and without one.
//!
//! The allocator counts, for its thread, so this file has one test function.
#![expect(unsafe_code, reason = "an allocator is unsafe to write")]

mod captured;
mod engine_helpers;
mod future_helpers;

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use simaccel::{Aead, Engine, Hash};

use self::engine_helpers::{IV, KEY, ctr, message, stepped};
use self::future_helpers::Flag;

thread_local!(static COUNT: Cell<u64> = const { Cell::new(0) });

struct Counting;

// SAFETY: everything is passed on to the system's allocator unchanged.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        COUNT.set(COUNT.get() + 1);
        // SAFETY: the caller's promise.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        // SAFETY: the caller's promise.
        unsafe { System.dealloc(block, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Futures that are polled, stepped to their end, and polled again.
fn ended<F: Future + Unpin, const N: usize>(
    engine: &Engine,
    waker: &Waker,
    reap: &mut dyn FnMut(),
    mut futures: [F; N],
) -> [F::Output; N] {
    let mut context = Context::from_waker(waker);
    for future in &mut futures {
        assert!(Pin::new(future).poll(&mut context).is_pending());
    }
    engine.device().run_until_idle();
    reap();
    futures.map(|mut future| match Pin::new(&mut future).poll(&mut context) {
        Poll::Ready(done) => done,
        Poll::Pending => panic!("it is done"),
    })
}

/// One operation on a text, with what gives the reaper a turn.
type Each<'e> = &'e mut dyn FnMut(Vec<u8>, &mut dyn FnMut()) -> Vec<u8>;

/// Allocations of a hundred rounds, after some in which memory is kept for later ones.
fn allocations(mut round: impl FnMut()) -> u64 {
    (0..10).for_each(|_| round());
    let before = COUNT.get();
    (0..100).for_each(|_| round());
    COUNT.get() - before
}

#[test]
fn an_operation_allocates_nothing_besides_its_buffer() {
    for has_reaper in [false, true] {
        for config in ["", "completion_nsec=1000", "max_retries=2"] {
            let engine = stepped(config);
            let (cipher, hash) = (ctr(&engine), engine.hash(Hash::Sha256).unwrap());
            let aead = engine.aead(Aead::Aes256Gcm, &KEY).unwrap();
            let waker = Waker::from(Arc::new(Flag::default()));
            let mut reaper = has_reaper.then(|| Box::pin(engine.reaper().unwrap()));
            let mut reap = || {
                if let Some(reaper) = &mut reaper {
                    assert!(reaper.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
                }
            };
            reap();
            let mut allocations_of = |name: &str, each: Each<'_>| {
                let mut text = Some(message(0, 64));
                let count = allocations(|| text = text.take().map(|text| each(text, &mut reap)));
                assert_eq!(count, 0, "{name}, {config:?}, reaper: {has_reaper}");
            };
            allocations_of("cipher", &mut |text, reap| {
                let [done] = ended(&engine, &waker, reap, [cipher.encrypt_async(&IV, text)]);
                done.unwrap()
            });
            allocations_of("aead", &mut |text, reap| {
                let [done] = ended(&engine, &waker, reap, [aead.seal_async(&IV[..12], b"aad", text)]);
                done.unwrap().0
            });
            allocations_of("hash", &mut |text, reap| {
                let [done] = ended(&engine, &waker, reap, [hash.digest_async(text)]);
                done.unwrap().0
            });
        }
    }
}
