//! How much of its stack a C job needs: less than 16 KiB for every operation of the engine, besides what
//! the program's own functions use.
//!
//! One test function, because the stacks are the process's.
#![allow(unsafe_code, reason = "calls the library as C programs do")]

#[path = "../../tests/painted/mod.rs"]
mod painted;

use std::ffi::{CStr, c_int, c_void};
use std::ptr::{null, null_mut};
use std::sync::OnceLock;

use simaccel_async::*;

const MOST: usize = 16 * 1024;

/// The arguments of every job: a session, and what it is used for.
#[derive(Clone, Copy)]
struct Given {
    session: *mut SimaccelSession,
    run: fn(*mut SimaccelSession),
    blocked: bool,
}

/// For a thread that ends before the session does.
struct Sent<T>(T);

// SAFETY: any thread may use engines and sessions.
unsafe impl<T> Send for Sent<T> {}

impl<T> Sent<T> {
    fn take(self) -> T {
        self.0
    }
}

unsafe extern "C-unwind" fn job(given: *mut c_void) -> c_int {
    // SAFETY: a copy of the arguments.
    let Given { session, run, blocked } = unsafe { given.cast::<Given>().read_unaligned() };
    if blocked {
        ASYNC_block_pause();
    }
    run(session);
    if blocked {
        ASYNC_unblock_pause();
    }
    1
}

fn is_ok(result: SimaccelResult) {
    assert_eq!(result, SimaccelResult::Ok);
}

fn pointer<T>(bytes: &[T]) -> *const c_void {
    bytes.as_ptr().cast()
}

const IV: [u8; 16] = [3; 16];
const TEXT: [u8; 300] = [7; 300];

fn encrypts(session: *mut SimaccelSession) {
    let (mut out, mut len) = (vec![0_u8; 320], 0);
    let (iv, out_len) = (pointer(&IV), &raw mut len);
    // SAFETY: all are there for as long as the call.
    is_ok(unsafe {
        simaccel_encrypt(session, iv, 16, pointer(&TEXT), 300, out.as_mut_ptr().cast(), 320, out_len)
    });
}

fn seals(session: *mut SimaccelSession) {
    let (mut out, mut len, mut tag, mut tag_len) = (vec![0_u8; 320], 0, [0_u8; 16], 0);
    let (iv, text, out) = (pointer(&IV), pointer(&TEXT), out.as_mut_ptr().cast());
    let (out_len, tag, tag_len) = (&raw mut len, tag.as_mut_ptr().cast(), &raw mut tag_len);
    // SAFETY: as above.
    is_ok(unsafe {
        simaccel_seal(session, iv, 12, text, 20, text, 300, out, 320, out_len, tag, 16, tag_len)
    });
}

fn does_not_open(session: *mut SimaccelSession) {
    let (mut out, mut len, tag) = (vec![0_u8; 320], 0, [0_u8; 16]);
    let (iv, text, out, out_len) = (pointer(&IV), pointer(&TEXT), out.as_mut_ptr().cast(), &raw mut len);
    // SAFETY: as above.
    let result =
        unsafe { simaccel_open(session, iv, 12, text, 20, text, 300, pointer(&tag), 16, out, 320, out_len) };
    assert_eq!(result, SimaccelResult::AuthFailed);
}

fn digests(session: *mut SimaccelSession) {
    let (mut out, mut len) = (vec![0_u8; 64], 0);
    // SAFETY: as above.
    is_ok(unsafe {
        simaccel_digest(session, pointer(&TEXT), 300, out.as_mut_ptr().cast(), 64, &raw mut len)
    });
}

fn macs(session: *mut SimaccelSession) {
    let (mut out, mut len) = (vec![0_u8; 64], 0);
    // SAFETY: as above.
    is_ok(unsafe { simaccel_hmac(session, pointer(&TEXT), 300, out.as_mut_ptr().cast(), 64, &raw mut len) });
}

fn does_not_verify(session: *mut SimaccelSession) {
    // SAFETY: as above.
    let result = unsafe { simaccel_hmac_verify(session, pointer(&TEXT), 300, pointer(&TEXT), 32) };
    assert_eq!(result, SimaccelResult::AuthFailed);
}

fn streams(session: *mut SimaccelSession) {
    let (mut stream, mut out, mut len, mut tag, mut tag_len) =
        (null_mut(), vec![0_u8; 640], 0, [0_u8; 16], 0);
    let (iv, text, out_at, out_len) = (pointer(&IV), pointer(&TEXT), out.as_mut_ptr().cast(), &raw mut len);
    // SAFETY: as above, and the stream is freed once.
    unsafe {
        is_ok(simaccel_stream_new(session, 1, iv, 12, null(), 0, &raw mut stream));
        is_ok(simaccel_stream_update(stream, text, 300, out_at, 640, out_len));
        is_ok(simaccel_stream_finish_seal(stream, tag.as_mut_ptr().cast(), 16, &raw mut tag_len));
        simaccel_stream_free(stream);
    }
}

const DIGEST: [u8; 32] = [9; 32];

/// The scheme that keys of RSA sign with, and the others' own one.
fn signs(key: *mut SimaccelKey, scheme: &CStr) {
    let (mut out, mut len) = (vec![0_u8; 4096], 0);
    let (scheme, digest, room) = (scheme.as_ptr(), pointer(&DIGEST), out.as_mut_ptr().cast());
    // SAFETY: as above.
    unsafe {
        is_ok(simaccel_key_sign(key, scheme, digest, 32, room, 4096, &raw mut len));
        is_ok(simaccel_key_verify(key, scheme, digest, 32, room, len));
    }
}

fn signs_as_it_does(key: *mut SimaccelSession) {
    signs(key.cast(), c"");
}

fn signs_with_rsa(key: *mut SimaccelSession) {
    signs(key.cast(), c"padding=pss;hash=sha256");
}

fn decrypts(key: *mut SimaccelSession) {
    let (key, scheme) = (key.cast(), c"padding=oaep;hash=sha1".as_ptr());
    let (mut sealed, mut out, mut len) = (vec![0_u8; 256], vec![0_u8; 256], 0);
    let (sealed, out) = (sealed.as_mut_ptr().cast::<c_void>(), out.as_mut_ptr().cast());
    // SAFETY: as above.
    unsafe {
        is_ok(simaccel_key_encrypt(key, scheme, pointer(&DIGEST), 32, sealed, 256, &raw mut len));
        is_ok(simaccel_key_decrypt(key, scheme, sealed, len, out, 256, &raw mut len));
    }
}

fn derives(key: *mut SimaccelSession) {
    let (mut value, mut out, mut len) = (vec![0_u8; 200], vec![0_u8; 66], 0);
    let (value, out) = (value.as_mut_ptr().cast::<c_void>(), out.as_mut_ptr().cast());
    // SAFETY: as above.
    unsafe {
        is_ok(simaccel_key_export(key.cast(), c"public".as_ptr(), value, 200, &raw mut len));
        is_ok(simaccel_key_derive(key.cast(), value, len, out, 66, &raw mut len));
    }
}

fn encapsulates(key: *mut SimaccelSession) {
    let (mut out, mut secret, mut len, mut secret_len) = (vec![0_u8; 1200], vec![0_u8; 64], 0, 0);
    let (out, secret) = (out.as_mut_ptr().cast::<c_void>(), secret.as_mut_ptr().cast());
    let (len_at, secret_at) = (&raw mut len, &raw mut secret_len);
    // SAFETY: as above.
    unsafe {
        is_ok(simaccel_key_encapsulate(key.cast(), out, 1200, len_at, secret, 64, secret_at));
        is_ok(simaccel_key_decapsulate(key.cast(), out, len, secret, 64, secret_at));
    }
}

/// Written, read and freed, and its public key: all without the device.
fn is_written(key: *mut SimaccelSession) {
    let (mut out, mut len, mut public_key) = (vec![0_u8; 8192], 0, null_mut());
    // SAFETY: as above, and the key is freed once.
    unsafe {
        is_ok(simaccel_key_export(
            key.cast(),
            c"pkcs8".as_ptr(),
            out.as_mut_ptr().cast(),
            8192,
            &raw mut len,
        ));
        is_ok(simaccel_key_public(key.cast(), &raw mut public_key));
        simaccel_key_free(public_key);
    }
}

/// Of an engine: the key is generated, and written.
fn generates(engine: *mut SimaccelSession) {
    let mut key = null_mut();
    // SAFETY: as above, and the key is freed once.
    unsafe {
        is_ok(simaccel_key_generate(engine.cast(), c"ml-dsa-65".as_ptr(), 0, &raw mut key));
        is_written(key.cast());
        simaccel_key_free(key);
    }
}

fn starts(key: *mut SimaccelSession) {
    let (mut operation, mut out) = (null_mut(), vec![0_u8; 4096]);
    let (digest, out) = (pointer(&DIGEST), out.as_mut_ptr().cast());
    // SAFETY: as above, and the operation is freed once.
    unsafe {
        is_ok(simaccel_key_start(key.cast(), 1, null(), digest, 32, None, null_mut(), &raw mut operation));
        let taken = simaccel_operation_take(operation, out, 4096, null_mut());
        assert!(matches!(taken, SimaccelResult::Ok | SimaccelResult::Pending), "{taken:?}");
        simaccel_operation_free(operation);
    }
}

/// A key of this algorithm. RSA keys are the same one: to find its primes takes long without optimisation.
fn key_of(engine: *mut SimaccelEngine, algorithm: &CStr) -> *mut SimaccelKey {
    static RSA: OnceLock<Vec<u8>> = OnceLock::new();
    let (mut key, is_rsa) = (null_mut(), algorithm == c"rsa");
    // SAFETY: engine and texts are there, and so is the place; the first key is freed once.
    unsafe {
        if !is_rsa {
            is_ok(simaccel_key_generate(engine, algorithm.as_ptr(), 0, &raw mut key));
            return key;
        }
        let der = RSA.get_or_init(|| {
            let (mut key, mut der, mut len) = (null_mut(), vec![0; 4096], 0);
            is_ok(simaccel_key_generate(engine, algorithm.as_ptr(), 1024, &raw mut key));
            is_ok(simaccel_key_export(key, c"pkcs8".as_ptr(), der.as_mut_ptr().cast(), 4096, &raw mut len));
            simaccel_key_free(key);
            der.truncate(len);
            der
        });
        is_ok(simaccel_key_import(engine, c"pkcs8".as_ptr(), pointer(der), der.len(), &raw mut key));
    }
    key
}

/// An operation of a key of this algorithm; null: of the engine.
type KeyOperation = (&'static str, Option<&'static CStr>, fn(*mut SimaccelSession));

const KEY_OPERATIONS: [KeyOperation; 11] = [
    ("sign rsa", Some(c"rsa"), signs_with_rsa),
    ("decrypt rsa", Some(c"rsa"), decrypts),
    ("write rsa", Some(c"rsa"), is_written),
    ("sign p-521", Some(c"p-521"), signs_as_it_does),
    ("derive p-384", Some(c"p-384"), derives),
    ("derive x25519", Some(c"x25519"), derives),
    ("sign ed25519", Some(c"ed25519"), signs_as_it_does),
    ("sign ml-dsa-65", Some(c"ml-dsa-65"), signs_as_it_does),
    ("encapsulate", Some(c"x25519mlkem768"), encapsulates),
    ("start ml-dsa-44", Some(c"ml-dsa-44"), starts),
    ("generate", None, generates),
];

/// An operation: its name, its algorithm, and the bytes of the key.
type Operation = (&'static str, &'static CStr, usize, fn(*mut SimaccelSession));

const OPERATIONS: [Operation; 9] = [
    ("encrypt ctr", c"AES-256-CTR", 32, encrypts),
    ("encrypt cbc", c"AES-256-CBC", 32, encrypts),
    ("encrypt xts", c"AES-256-XTS", 64, encrypts),
    ("seal", c"AES-256-GCM", 32, seals),
    ("open", c"AES-256-GCM", 32, does_not_open),
    ("digest", c"SHA2-512", 0, digests),
    ("hmac", c"HMAC-SHA2-512", 32, macs),
    ("hmac_verify", c"HMAC-SHA2-512", 32, does_not_verify),
    ("stream", c"AES-256-GCM", 32, streams),
];

/// Runs a job to its end, on this thread, twice on the same context.
fn runs(engine: *mut SimaccelEngine, given: Given) {
    let ctx = ASYNC_WAIT_CTX_new();
    for _ in 0..2 {
        let (mut running, mut ret, mut given) = (null_mut(), 0, given);
        let args = (&raw mut given).cast();
        // SAFETY: the context is there, and the arguments are copied.
        let mut step = || unsafe {
            ASYNC_start_job(&raw mut running, ctx, &raw mut ret, Some(job), args, size_of::<Given>())
        };
        while step() == ASYNC_PAUSE {
            // SAFETY: the engine is there.
            is_ok(unsafe { simaccel_device_run_until_idle(engine) });
        }
        assert_eq!(ret, 1);
    }
    // SAFETY: no job is left on it.
    unsafe { ASYNC_WAIT_CTX_free(ctx) };
}

type TooMuch = (&'static CStr, &'static str, bool, usize);

/// What the job used, if that is too much.
fn uses_too_much(
    engine: *mut SimaccelEngine,
    (config, name): (&'static CStr, &'static str),
    given: Given,
) -> Option<TooMuch> {
    let (blocked, sent) = (given.blocked, Sent((engine, given)));
    let used = painted::most_used(move || {
        let (engine, given) = sent.take();
        runs(engine, given);
    });
    assert!(used > 1000, "{name}: a job has a record, and frames");
    println!("{config:?} {name}, blocked: {blocked}: {used} bytes");
    (used >= MOST).then_some((config, name, blocked, used))
}

#[test]
fn an_operation_in_a_c_job_needs_less_than_16_kib_of_its_stack() {
    painted::install();
    let mut too_much = Vec::new();
    for config in
        [c"", c"delivery=poll", c"timeout_msec=100000;max_retries=2;fallback=on", c"offload_threshold=1000"]
    {
        let mut engine = null_mut();
        // SAFETY: the text is there, and so is the place.
        is_ok(unsafe { simaccel_engine_open_stepped(config.as_ptr(), &raw mut engine) });
        for (name, algorithm, key_len, run) in OPERATIONS {
            for blocked in [false, true] {
                let key: Vec<u8> = (1..).take(key_len).collect();
                let (mut session, place) = (null_mut(), null());
                // SAFETY: as above.
                is_ok(unsafe {
                    let (algorithm, key) = (algorithm.as_ptr(), pointer(&key));
                    simaccel_session_new(engine, algorithm, key, key_len, place, &raw mut session)
                });
                too_much.extend(uses_too_much(engine, (config, name), Given { session, run, blocked }));
                // SAFETY: no job uses it any more.
                unsafe { simaccel_session_free(session) };
            }
        }
        for (name, algorithm, run) in KEY_OPERATIONS {
            let mut key = null_mut();
            if let Some(algorithm) = algorithm {
                key = key_of(engine, algorithm);
            }
            let session = if key.is_null() { engine.cast() } else { key.cast() };
            for blocked in [false, true] {
                too_much.extend(uses_too_much(engine, (config, name), Given { session, run, blocked }));
            }
            // SAFETY: no job uses it any more.
            unsafe { simaccel_key_free(key) };
        }
        // SAFETY: no session of it is left.
        unsafe { simaccel_engine_free(engine) };
    }
    assert!(too_much.is_empty(), "{too_much:#?}");
}
