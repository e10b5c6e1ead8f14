//! The straight path and the state machine give the same: every kind of whole message, by every way of
//! waiting, on owned buffers, on slices and through C.
//!
//! ```text
//!   {polled job, job with a wake fd, blocked thread} × {owned, slices, C} × {straight, max_retries=1: the state machine}
//!       same outputs, same errors, same counters
//! ```
#![expect(unsafe_code, reason = "plays the part of a C program")]

use std::ffi::{CStr, CString, c_int, c_void};
use std::ptr;

use serde_json::Value;
use simaccel::{Aead, Cipher, Config, Engine, Error, Hash, Job, Step, WaitCtx};
use simaccel_async::{
    ASYNC_FINISH, ASYNC_PAUSE, ASYNC_WAIT_CTX_free, ASYNC_WAIT_CTX_new, ASYNC_start_job, AsyncJob,
    SimaccelEngine, SimaccelResult, SimaccelSession, simaccel_decrypt, simaccel_device_run_until_idle,
    simaccel_digest, simaccel_encrypt, simaccel_engine_free, simaccel_engine_open_stepped, simaccel_hmac,
    simaccel_hmac_verify, simaccel_last_error, simaccel_open, simaccel_poll, simaccel_seal,
    simaccel_session_free, simaccel_session_new, simaccel_stats_json,
};

/// The halves of an XTS key differ.
const KEY: [u8; 64] = {
    let mut key = [3; 64];
    key[0] = 7;
    key
};
const NONCE: [u8; 60] = [0x24; 60];
const HEADER: &[u8] = b"what is authenticated, too";
/// The first of a thread is never a straight one: it makes what the others use.
const TIMES: usize = 3;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Operation {
    Encrypt,
    Decrypt,
    Seal,
    /// With the right tag, or with a wrong one.
    Open(bool),
    Digest,
    Mac,
    Verify,
}

#[derive(Clone, Copy, Debug)]
struct Case {
    algorithm: &'static str,
    key: usize,
    iv: usize,
    operation: Operation,
    /// Bytes of the message before it was encrypted.
    len: usize,
}

const fn case(algorithm: &'static str, key: usize, iv: usize, operation: Operation, len: usize) -> Case {
    Case { algorithm, key, iv, operation, len }
}

const CASES: [Case; 17] = [
    case("aes-256-ctr", 32, 16, Operation::Encrypt, 64),
    case("aes-256-ctr", 32, 16, Operation::Decrypt, 0),
    case("aes-128-cbc", 16, 16, Operation::Encrypt, 33),
    case("aes-128-cbc", 16, 16, Operation::Decrypt, 33),
    case("aes-192-ecb", 24, 0, Operation::Encrypt, 16),
    case("aes-256-xts", 64, 16, Operation::Decrypt, 50),
    // Refused by the device: an XTS message has 16 bytes at least.
    case("aes-128-xts", 32, 16, Operation::Encrypt, 7),
    case("aes-128-gcm", 16, 12, Operation::Seal, 100),
    case("aes-128-gcm", 16, 16, Operation::Open(true), 100),
    case("aes-256-gcm", 32, 12, Operation::Open(true), 0),
    case("aes-256-gcm", 32, 12, Operation::Open(false), 100),
    case("aes-256-gcm", 32, 60, Operation::Seal, 31),
    case("aes-256-gcm", 32, 60, Operation::Open(true), 31),
    case("sha256", 0, 0, Operation::Digest, 200),
    case("sha512", 0, 0, Operation::Digest, 0),
    case("hmac-sha384", 20, 0, Operation::Mac, 77),
    case("hmac-sha256", 20, 0, Operation::Verify, 77),
];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Shape {
    Owned,
    Slices,
    C,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    Polled,
    WakeFd,
    Blocked,
}

/// Text and tag, or what the error says.
type Output = Result<(Vec<u8>, Vec<u8>), String>;

/// What a case works on: the input, and the tag or MAC to compare with.
fn input(case: Case) -> (Vec<u8>, Vec<u8>) {
    let engine = Engine::stepped(Config::parse("offload_threshold=4294967295").unwrap()).unwrap();
    let message: Vec<u8> = (0..=255).cycle().take(case.len).collect();
    let made_by = |operation| in_rust(&engine, Case { operation, ..case }, Shape::Owned, &message, &[]);
    match case.operation {
        Operation::Decrypt => made_by(Operation::Encrypt).unwrap(),
        Operation::Open(is_right) => {
            let (text, mut tag) = made_by(Operation::Seal).unwrap();
            tag[3] ^= u8::from(!is_right);
            (text, tag)
        }
        Operation::Verify => (message.clone(), made_by(Operation::Mac).unwrap().1),
        _ => (message, Vec::new()),
    }
}

fn in_rust(engine: &Engine, case: Case, shape: Shape, input: &[u8], tag: &[u8]) -> Output {
    let (key, iv) = (&KEY[..case.key], &NONCE[..case.iv]);
    let is_owned = shape == Shape::Owned;
    let mut into = vec![0; input.len() + 32];
    let said = |error: Error| error.to_string();
    let cut = |(len, tag): (usize, Vec<u8>), mut into: Vec<u8>| {
        into.truncate(len);
        (into, tag)
    };
    match case.operation {
        Operation::Encrypt | Operation::Decrypt => {
            let session = engine.cipher(case.algorithm.parse::<Cipher>().unwrap(), key).unwrap();
            let output = match (case.operation, is_owned) {
                (Operation::Encrypt, true) => return owned(session.encrypt(iv, input.to_vec())),
                (Operation::Encrypt, false) => session.encrypt_slice(iv, input, &mut into),
                (_, true) => return owned(session.decrypt(iv, input.to_vec())),
                (_, false) => session.decrypt_slice(iv, input, &mut into),
            };
            output.map(|len| cut((len, Vec::new()), into)).map_err(said)
        }
        Operation::Seal => {
            let session = engine.aead(case.algorithm.parse::<Aead>().unwrap(), key).unwrap();
            if is_owned {
                let sealed = session.seal(iv, HEADER, input.to_vec());
                return sealed
                    .map(|(text, tag)| (text, tag.as_bytes().to_vec()))
                    .map_err(|error| said(error.into()));
            }
            let sealed = session.seal_slice(iv, HEADER, input, &mut into);
            sealed.map(|(len, tag)| cut((len, tag.as_bytes().to_vec()), into)).map_err(said)
        }
        Operation::Open(_) => {
            let session = engine.aead(case.algorithm.parse::<Aead>().unwrap(), key).unwrap();
            if is_owned {
                return owned(session.open(iv, HEADER, input.to_vec(), tag));
            }
            let opened = session.open_slice(iv, HEADER, input, tag, &mut into);
            opened.map(|len| cut((len, Vec::new()), into)).map_err(said)
        }
        Operation::Digest => {
            let session = engine.hash(case.algorithm.parse::<Hash>().unwrap()).unwrap();
            let digest = match is_owned {
                true => session.digest_owned(input.to_vec()).map(|(_, digest)| digest).map_err(Error::from),
                false => session.digest(input),
            };
            digest.map(|digest| (digest.as_bytes().to_vec(), Vec::new())).map_err(said)
        }
        Operation::Mac | Operation::Verify => {
            let hash = case.algorithm.strip_prefix("hmac-").unwrap().parse::<Hash>().unwrap();
            let session = engine.hmac(hash, key).unwrap();
            let mac = match (case.operation, is_owned) {
                (Operation::Mac, true) => session.mac_owned(input.to_vec()).map(|(_, mac)| Some(mac)),
                (Operation::Mac, false) => return session.mac(input).map(mac_only).map_err(said),
                (_, true) => session.verify_owned(input.to_vec(), tag).map(|_| None),
                (_, false) => return session.verify(input, tag).map(|()| Default::default()).map_err(said),
            };
            mac.map(|mac| mac.map(mac_only).unwrap_or_default()).map_err(|error| said(error.into()))
        }
    }
}

fn owned(output: Result<Vec<u8>, simaccel::OpError>) -> Output {
    output.map(|text| (text, Vec::new())).map_err(|error| Error::from(error).to_string())
}

fn mac_only(mac: simaccel::Tag) -> (Vec<u8>, Vec<u8>) {
    (Vec::new(), mac.as_bytes().to_vec())
}

/// An engine as a C program has it.
#[derive(Clone, Copy)]
struct C(*mut SimaccelEngine);

fn in_c(engine: C, case: Case, input: &[u8], tag: &[u8]) -> Output {
    let (name, mut session) = (CString::new(case.algorithm).unwrap(), ptr::null_mut());
    let (iv, iv_len, text, len) = (NONCE.as_ptr().cast(), case.iv, input.as_ptr().cast(), input.len());
    let (aad, aad_len) = (HEADER.as_ptr().cast(), HEADER.len());
    let (mut out, mut out_len, mut out_tag, mut out_tag_len) = (vec![0_u8; len + 64], 0, [0_u8; 64], 0);
    let (into, size, into_tag) = (out.as_mut_ptr().cast::<c_void>(), len + 64, out_tag.as_mut_ptr().cast());
    // SAFETY: the handles are valid, the text ends with 0, and the memory is as large as is said.
    let result = unsafe {
        let made = simaccel_session_new(
            engine.0,
            name.as_ptr(),
            KEY.as_ptr().cast(),
            case.key,
            ptr::null(),
            &raw mut session,
        );
        assert_eq!(made, SimaccelResult::Ok);
        let session: *mut SimaccelSession = session;
        let (out_len, tag_len) = (&raw mut out_len, &raw mut out_tag_len);
        let result = match case.operation {
            Operation::Encrypt => simaccel_encrypt(session, iv, iv_len, text, len, into, size, out_len),
            Operation::Decrypt => simaccel_decrypt(session, iv, iv_len, text, len, into, size, out_len),
            Operation::Seal => simaccel_seal(
                session, iv, iv_len, aad, aad_len, text, len, into, size, out_len, into_tag, 64, tag_len,
            ),
            Operation::Open(_) => {
                let tag_in = tag.as_ptr().cast();
                simaccel_open(
                    session,
                    iv,
                    iv_len,
                    aad,
                    aad_len,
                    text,
                    len,
                    tag_in,
                    tag.len(),
                    into,
                    size,
                    out_len,
                )
            }
            Operation::Digest => simaccel_digest(session, text, len, into, size, out_len),
            Operation::Mac => simaccel_hmac(session, text, len, into_tag, 64, tag_len),
            Operation::Verify => simaccel_hmac_verify(session, text, len, tag.as_ptr().cast(), tag.len()),
        };
        simaccel_session_free(session);
        result
    };
    if result != SimaccelResult::Ok {
        // SAFETY: a text that ends with 0, of this thread's last failure.
        return Err(unsafe { CStr::from_ptr(simaccel_last_error()) }.to_str().unwrap().to_owned());
    }
    out.truncate(out_len);
    Ok((out, out_tag[..out_tag_len].to_vec()))
}

/// What is told apart nowhere between the straight path and the state machine.
fn counters(json: &str) -> Vec<(String, u64)> {
    let stats: Value = serde_json::from_str(json).unwrap();
    let of = |part: &Value, names: &[&str]| -> Vec<(String, u64)> {
        names.iter().map(|name| ((*name).to_owned(), part[*name].as_u64().unwrap())).collect()
    };
    let mut all = of(
        &stats["engine"],
        &["operations", "pauses", "resumes", "spurious_resumes", "blocked", "parked", "polled", "abandoned"],
    );
    all.extend(of(&stats["device"]["total"], &["submitted", "completed", "failed", "full"]));
    all
}

fn run(case: Case, way: Way, shape: Shape, config: &str) -> (Vec<Output>, Vec<(String, u64)>) {
    let delivery = if way == Way::Polled { "poll" } else { "wake" };
    let config = format!("delivery={delivery};{config}");
    let (input, tag) = input(case);
    if shape == Shape::C {
        return run_in_c(case, way, &config, (input, tag));
    }
    let engine = Engine::stepped(Config::parse(&config).unwrap()).unwrap();
    let inner = engine.clone();
    let body = move || -> Vec<_> { (0..TIMES).map(|_| in_rust(&inner, case, shape, &input, &tag)).collect() };
    let outputs = if way == Way::Blocked {
        body()
    } else {
        let ctx = WaitCtx::new();
        let mut job = Job::new(&ctx, body).unwrap();
        loop {
            match job.resume().unwrap() {
                Step::Finished(outputs) => break outputs,
                Step::Paused => engine.device().run_until_idle(),
            };
            if way == Way::Polled {
                assert_eq!(engine.poll(9, |_| ()), Ok(1));
            }
        }
    };
    let stats = engine.stats();
    assert_eq!(stats.imbalances(), Vec::<String>::new());
    (outputs, counters(&stats.to_json()))
}

/// What a C job is given, and gives.
struct Task {
    engine: C,
    case: Case,
    given: (Vec<u8>, Vec<u8>),
    outputs: Vec<Output>,
}

impl Task {
    fn run(&mut self) {
        for _ in 0..TIMES {
            self.outputs.push(in_c(self.engine, self.case, &self.given.0, &self.given.1));
        }
    }
}

unsafe extern "C-unwind" fn runs(args: *mut c_void) -> c_int {
    // SAFETY: the arguments are the address of a task that outlives its job and that nobody else uses
    // meanwhile.
    unsafe { &mut *args.cast::<*mut Task>().read() }.run();
    1
}

unsafe extern "C" fn nothing(_: *mut AsyncJob, _: *mut c_void) {}

fn run_in_c(
    case: Case,
    way: Way,
    config: &str,
    given: (Vec<u8>, Vec<u8>),
) -> (Vec<Output>, Vec<(String, u64)>) {
    let (config, mut engine) = (CString::new(config).unwrap(), ptr::null_mut());
    // SAFETY: valid pointers, and a text that ends with 0.
    assert_eq!(unsafe { simaccel_engine_open_stepped(config.as_ptr(), &raw mut engine) }, SimaccelResult::Ok);
    let task = Box::into_raw(Box::new(Task { engine: C(engine), case, given, outputs: Vec::new() }));
    if way == Way::Blocked {
        // SAFETY: nobody else uses it.
        unsafe { &mut *task }.run();
    } else {
        let (mut job, mut address, mut ret) = (ptr::null_mut(), task, 0);
        let ctx = ASYNC_WAIT_CTX_new();
        loop {
            let args = (&raw mut address).cast();
            // SAFETY: the context is valid, and the function reads an address of what outlives the job.
            let step = unsafe {
                let size = size_of::<usize>();
                ASYNC_start_job(&raw mut job, ctx, &raw mut ret, Some(runs), args, size)
            };
            if step == ASYNC_FINISH {
                break;
            }
            assert_eq!(step, ASYNC_PAUSE);
            // SAFETY: the engine is valid.
            unsafe {
                assert_eq!(simaccel_device_run_until_idle(engine), SimaccelResult::Ok);
                if way == Way::Polled {
                    let mut count = 0;
                    simaccel_poll(engine, 9, Some(nothing), ptr::null_mut(), &raw mut count);
                    assert_eq!(count, 1);
                }
            }
        }
        // SAFETY: no job is left that has it.
        unsafe { ASYNC_WAIT_CTX_free(ctx) };
    }
    let (mut json, mut len) = (vec![0_u8; 1 << 16], 0);
    // SAFETY: the engine is valid and not used again after this, there is so much room, and the task was a
    // box.
    let task = unsafe {
        let told = simaccel_stats_json(engine, json.as_mut_ptr().cast(), json.len(), &raw mut len);
        assert_eq!(told, SimaccelResult::Ok);
        simaccel_engine_free(engine);
        Box::from_raw(task)
    };
    json.truncate(len);
    (task.outputs, counters(std::str::from_utf8(&json).unwrap()))
}

#[test]
fn the_straight_path_gives_what_the_state_machine_gives() {
    for case in CASES {
        let (expected, _) = run(case, Way::Blocked, Shape::Owned, "max_retries=1");
        for way in [Way::Polled, Way::WakeFd, Way::Blocked] {
            for shape in [Shape::Owned, Shape::Slices, Shape::C] {
                let (outputs, counted) = run(case, way, shape, "");
                let (with_policy, counted_with_policy) = run(case, way, shape, "max_retries=1");
                assert_eq!(outputs, with_policy, "{case:?}, {way:?}, {shape:?}");
                assert_eq!(counted, counted_with_policy, "{case:?}, {way:?}, {shape:?}");
                compare(case, shape, &outputs, &expected);
            }
        }
    }
}

/// C says more where it refuses an argument by itself, before the device sees it; and gives a digest as its
/// output.
#[track_caller]
fn compare(case: Case, shape: Shape, outputs: &[Output], expected: &[Output]) {
    if shape == Shape::C && expected[0].is_err() && !matches!(case.operation, Operation::Open(_)) {
        return assert!(outputs.iter().all(Result::is_err), "{case:?}");
    }
    assert_eq!(outputs, expected, "{case:?}, {shape:?}");
}
