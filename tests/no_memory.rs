//! Too little memory for copies of the caller's data is an error that gives the caller's buffers back.
//!
//! The allocator refuses large blocks while the test asks it to, so this file has one test function.
#![expect(unsafe_code, reason = "an allocator is unsafe to write")]

mod captured;
mod engine_helpers;

use std::alloc::{GlobalAlloc, Layout, System};
use std::ptr;
use std::sync::atomic::{AtomicUsize, Ordering};

use simaccel::{Aead, Cipher, Error, Hash, OpError};

use self::engine_helpers::{IV, KEY, message, open, stepped};

/// Refuses blocks of this many bytes or more.
static LIMIT: AtomicUsize = AtomicUsize::new(usize::MAX);

const LARGE: usize = 1 << 20;

struct Limited;

// SAFETY: what is not refused is passed on to the system's allocator unchanged.
unsafe impl GlobalAlloc for Limited {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        if layout.size() >= LIMIT.load(Ordering::Relaxed) {
            return ptr::null_mut();
        }
        // SAFETY: the caller's promise.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        // SAFETY: the caller's promise.
        unsafe { System.dealloc(block, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Limited = Limited;

/// Runs `operation` while large blocks are refused.
fn scarce<R>(operation: impl FnOnce() -> R) -> R {
    LIMIT.store(LARGE, Ordering::Relaxed);
    let result = operation();
    LIMIT.store(usize::MAX, Ordering::Relaxed);
    result
}

fn gives_back<R: std::fmt::Debug>(result: Result<R, OpError>, given: &[u8]) {
    let (error, buffer) = result.unwrap_err().into_parts();
    assert_eq!(error, Error::NoMemory);
    assert!(buffer == given, "{} bytes", buffer.len());
}

#[test]
fn a_copy_that_there_is_no_memory_for_is_an_error() {
    let text = message(1, LARGE);
    let mut room = vec![0; LARGE + 16];
    // With modelled latency the device keeps the input until the end, which takes a copy of every message.
    // Without it, borrowed slices are copied, and outputs that outgrow their buffer.
    for (engine, keeps_input) in [
        (open(""), false),
        (stepped("completion_nsec=1000"), true),
        // Software computes instead, and needs no copy.
        (stepped("completion_nsec=1000;fallback=on"), false),
    ] {
        let ctr = engine.cipher(Cipher::Aes256Ctr, &KEY).unwrap();
        let cbc = engine.cipher(Cipher::Aes256Cbc, &KEY).unwrap();
        let gcm = engine.aead(Aead::Aes256Gcm, &KEY).unwrap();
        let (hash, mac) = (engine.hash(Hash::Sha256).unwrap(), engine.hmac(Hash::Sha256, &KEY).unwrap());

        assert_eq!(scarce(|| ctr.encrypt_slice(&IV, &text, &mut room)), Err(Error::NoMemory));
        assert_eq!(scarce(|| gcm.seal_slice(&IV, b"", &text, &mut room)), Err(Error::NoMemory));
        assert_eq!(scarce(|| gcm.open_slice(&IV, b"", &text, &[0; 16], &mut room)), Err(Error::NoMemory));
        assert_eq!(scarce(|| hash.digest(&text)), Err(Error::NoMemory));
        assert_eq!(scarce(|| mac.verify(&text, &[0; 32])), Err(Error::NoMemory));
        let given = text.clone();
        gives_back(scarce(|| gcm.seal(&IV, &text, given)), &text);
        let given = message(2, 30);
        gives_back(scarce(|| gcm.seal(&text, b"", given)), &message(2, 30));
        let given = text.clone();
        gives_back(scarce(|| ctr.encrypt_to(&IV, given, Vec::new())), &text);
        // Padding needs room that an exact buffer does not have.
        let given = text.clone();
        gives_back(scarce(|| cbc.encrypt(&IV, given)), &text);
        let (given, mut stream) = (text.clone(), cbc.encryptor(&IV));
        gives_back(scarce(|| stream.update(given)), &text);
        assert!(!stream.update(text.clone()).unwrap().is_empty(), "the stream goes on");

        let given = text.clone();
        let in_place = scarce(|| ctr.encrypt(&IV, given));
        if keeps_input {
            gives_back(in_place, &text);
        } else {
            assert_eq!(in_place.unwrap().len(), LARGE);
        }
        assert_eq!(ctr.encrypt(&IV, text.clone()).unwrap().len(), LARGE, "there is memory again");
        assert_eq!(engine.stats().imbalances(), Vec::<String>::new());
    }
}
