//! How much of its stack a C job needs: less than 16 KiB for every operation of the engine, besides what
//! the program's own functions use.
//!
//! One test function, because the stacks are the process's.
#![allow(unsafe_code, reason = "calls the library as C programs do")]

#[path = "../../tests/painted/mod.rs"]
mod painted;

use std::ffi::{CStr, c_int, c_void};
use std::ptr::{null, null_mut};

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
                let sent = Sent((engine, Given { session, run, blocked }));
                let used = painted::most_used(move || {
                    let (engine, given) = sent.take();
                    runs(engine, given);
                });
                assert!(used > 1000, "{name}: a job has a record, and frames");
                println!("{config:?} {name}, blocked: {blocked}: {used} bytes");
                if used >= MOST {
                    too_much.push((config, name, blocked, used));
                }
                // SAFETY: no job uses it any more.
                unsafe { simaccel_session_free(session) };
            }
        }
        // SAFETY: no session of it is left.
        unsafe { simaccel_engine_free(engine) };
    }
    assert!(too_much.is_empty(), "{too_much:#?}");
}
