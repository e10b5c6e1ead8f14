//! Secrets do not stay in freed memory.
//!
//! The allocator inspects every block that is freed, so this file has one test function.
#![expect(unsafe_code, reason = "an allocator is unsafe to write")]

mod captured;
mod engine_helpers;

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use simaccel::{Aead, Cipher, CipherSession, Engine, Hash, Job, Step, WaitCtx};

use self::engine_helpers::{IV, stepped};

/// Looks for [`SECRET`] in what is freed.
struct Looking;

static LOOKS: AtomicBool = AtomicBool::new(false);
static FOUND: AtomicUsize = AtomicUsize::new(0);

const SECRET: &[u8; 32] = b"a plaintext that must never leak";

// SAFETY: everything is passed on to the system's allocator unchanged; the memory it returned is initialised.
unsafe impl GlobalAlloc for Looking {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller's promise. Zeroed, so that it may be read later.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        if LOOKS.load(Ordering::Relaxed) {
            // SAFETY: the block is the caller's, of this size, and was initialised when it was allocated.
            let bytes = unsafe { std::slice::from_raw_parts(block, layout.size()) };
            FOUND.fetch_add(
                bytes.windows(SECRET.len()).filter(|bytes| bytes == SECRET).count(),
                Ordering::Relaxed,
            );
        }
        // SAFETY: the caller's promise.
        unsafe { System.dealloc(block, layout) }
    }
}

#[global_allocator]
static LOOKING: Looking = Looking;

/// The secret several times over, in a buffer without spare capacity.
fn secret(times: usize) -> Vec<u8> {
    let mut secret = SECRET.repeat(times);
    secret.shrink_to_fit();
    secret
}

/// Reports where `body` has freed the secret.
#[track_caller]
fn keeps<R>(what: &str, body: impl FnOnce() -> R) -> R {
    FOUND.store(0, Ordering::Relaxed);
    LOOKS.store(true, Ordering::Relaxed);
    let result = body();
    LOOKS.store(false, Ordering::Relaxed);
    assert_eq!(FOUND.load(Ordering::Relaxed), 0, "{what}");
    result
}

fn job_dropped(engine: &Engine, session: &CipherSession, steps: usize) {
    let (ctx, session, plain) = (WaitCtx::new(), session.clone(), secret(4));
    let mut job = Job::new(&ctx, move || session.encrypt(&IV, plain).map(drop)).unwrap();
    assert!(matches!(job.resume().unwrap(), Step::Paused));
    for _ in 0..steps {
        engine.device().step();
    }
    drop(job);
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
    for steps in 0..3 {
        keeps(&format!("{label}: dropped after {steps} steps"), || job_dropped(engine, &cbc, steps));
    }
}

/// A secret that is never freed.
fn secret_slice(times: usize) -> &'static [u8] {
    secret(times).leak()
}

#[test]
fn nothing_secret_is_in_memory_that_is_given_back() {
    for config in ["", "completion_nsec=1000", "fallback=on", "delivery=poll", "offload_threshold=100"] {
        let engine = stepped(config);
        everything(&engine, config);
        keeps("the thread's buffers", || drop(engine));
    }
}
