//! Work with private keys leaves nothing on the stack, however deep it went: on a painted stack nothing but
//! paint and zeros, on the stacks of workers nothing but zeros.
//!
//! ```text
//!   paint ──► work ──► paint | zeros | a few frames of the caller
//!                      ▲ the deepest byte that the work has used
//! ```
//!
//! The wiping itself leaves return addresses at its lowest end, each of which has two zeros.
#![cfg(not(loom))]

use std::fs::{self, File};
use std::hint::black_box;
use std::os::unix::fs::FileExt;
use std::sync::Arc;
use std::thread;

use simaccel_device::{
    Algorithm, Config, Delivery, Device, EcdsaForm, KeyAlgorithm, KeyArguments, KeyHash, Nonce, Operation,
    Parameters, PrivateKey, PublicKey, QueuePair, Request, RsaPadding, Salt, Session, SessionId,
    SignatureScheme, Status, with_wiped_stack,
};

/// More than any work takes, wiping it included.
const PAINTED: usize = 1024 * 1024;
const PAINT: u8 = 0xa5;
/// Frames between the caller and the work, and those that look.
const NEAR: usize = 6 * 1024;

#[inline(never)]
fn paint() {
    let mut paint = [PAINT; PAINTED];
    black_box(&mut paint);
}

#[inline(never)]
fn here() -> usize {
    let mark = black_box(0_u8);
    std::ptr::from_ref(&mark).addr()
}

#[inline(never)]
fn apart<R>(work: impl FnOnce() -> R) -> R {
    work()
}

/// The most bytes in a row of which none is zero or paint.
fn longest_run(bytes: &[u8]) -> usize {
    bytes.split(|&byte| matches!(byte, 0 | PAINT)).map(<[u8]>::len).max().unwrap_or(0)
}

/// Fails where there is more than an address.
#[track_caller]
fn assert_is_wiped(stack: &[u8], name: &str) {
    let longest = longest_run(stack);
    assert!(longest <= 6, "{name}: of {} bytes, {longest} in a row are not wiped", stack.len());
}

/// Runs `work`, and fails unless all of the stack that it has used is zeros.
#[inline(never)]
fn leaves_nothing<R>(name: &str, work: impl FnOnce() -> R) -> R {
    let memory = File::open("/proc/self/mem").unwrap();
    let mut stack = vec![0; PAINTED - 4096];
    let len = stack.len();
    paint();
    let lowest = here() - len;
    let result = apart(work);
    memory.read_exact_at(&mut stack, lowest as u64).unwrap();
    let untouched = stack.iter().take_while(|&&byte| byte == PAINT).count();
    assert_is_wiped(&stack[untouched.min(len - NEAR)..len - NEAR], name);
    result
}

struct Action {
    algorithm: KeyAlgorithm,
    session: Arc<Session>,
    operation: Operation,
    arguments: KeyArguments,
    input: Vec<u8>,
}

impl Action {
    fn name(&self) -> String {
        format!("{}, {}", self.algorithm, self.operation)
    }

    fn request(&self, session: SessionId) -> Request {
        let mut request = Request::new(session, self.operation, self.input.clone());
        request.arguments = Some(Box::new(self.arguments.clone()));
        request
    }

    /// In the calling thread.
    fn run(&self) -> Vec<u8> {
        let mut request = self.request(SessionId::NONE);
        assert_eq!(self.session.execute(&mut request), Status::Ok, "{}", self.name());
        request.buffer
    }
}

/// RSA of 4096 bits has deeper products than smaller keys; its key is read, since making one takes long.
fn keys() -> Vec<PrivateKey> {
    let made = |&algorithm: &KeyAlgorithm| {
        let arguments = generation(algorithm);
        PrivateKey::generate(algorithm, &arguments).unwrap()
    };
    let is_quick = |algorithm: &&KeyAlgorithm| {
        !matches!(algorithm, KeyAlgorithm::Rsa2048 | KeyAlgorithm::Rsa3072 | KeyAlgorithm::Rsa4096)
    };
    let large = PrivateKey::from_pem(include_str!("../../examples/loadgen/keys/rsa-4096.pem")).unwrap();
    KeyAlgorithm::ALL.iter().filter(is_quick).map(made).chain([large]).collect()
}

fn generation(algorithm: KeyAlgorithm) -> KeyArguments {
    KeyArguments::random(&vec![0x3c; algorithm.seed_len()]).with_modulus(1024, 0)
}

fn schemes(algorithm: KeyAlgorithm) -> Vec<SignatureScheme> {
    let (hash, mgf_hash) = (KeyHash::Sha256, KeyHash::Sha256);
    match algorithm {
        KeyAlgorithm::P256 | KeyAlgorithm::P384 | KeyAlgorithm::P521 => vec![
            SignatureScheme::Ecdsa { nonce: Nonce::Deterministic(KeyHash::Sha512), form: EcdsaForm::Fixed },
            SignatureScheme::Ecdsa { nonce: Nonce::Hedged(hash), form: EcdsaForm::Der },
        ],
        KeyAlgorithm::Ed25519 => vec![SignatureScheme::Ed25519],
        KeyAlgorithm::MlDsa44 | KeyAlgorithm::MlDsa65 => {
            vec![SignatureScheme::MlDsa { context: b"context".to_vec(), hedged: true }]
        }
        algorithm if algorithm.name().contains("rsa") => vec![
            SignatureScheme::Pkcs1v15 { hash: Some(hash) },
            SignatureScheme::Pss { hash, mgf_hash, salt: Salt::Len(32) },
        ],
        _ => Vec::new(),
    }
}

/// Every operation of a key.
fn actions(key: &PrivateKey) -> Vec<Action> {
    let (algorithm, public) = (key.algorithm(), key.public_key());
    let (own, others) = (Arc::new(Session::private_key(key)), Arc::new(Session::public_key(&public)));
    let action = |session: &Arc<Session>, operation, arguments, input: &[u8]| Action {
        algorithm,
        session: Arc::clone(session),
        operation,
        arguments,
        input: input.to_vec(),
    };
    let (digest, random) = ([0xd1; 32], [0x5a; 64]);
    let mut all = Vec::new();
    for scheme in schemes(algorithm) {
        let arguments = KeyArguments::sign(scheme.clone(), &random[..32]);
        let sign = action(&own, Operation::Sign, arguments, &digest);
        let verify = KeyArguments::verify(scheme, &sign.run());
        all.extend([sign, action(&others, Operation::Verify, verify.clone(), &digest)]);
        all.push(action(&own, Operation::Verify, verify, &digest));
    }
    if algorithm.operations().contains(&Operation::Decrypt) {
        let (hash, mgf_hash) = (KeyHash::Sha256, KeyHash::Sha256);
        let oaep = RsaPadding::Oaep { hash, mgf_hash, label: Vec::new() };
        for padding in [RsaPadding::Pkcs1 { implicit_rejection: true }, oaep] {
            let arguments = KeyArguments::padded(padding, &random[..32]);
            let encrypt = action(&others, Operation::Encrypt, arguments.clone(), &digest);
            let decrypt = action(&own, Operation::Decrypt, arguments, &encrypt.run());
            all.extend([encrypt, decrypt]);
        }
    }
    if algorithm.operations().contains(&Operation::Derive) {
        let peer = public.to_raw().unwrap();
        all.push(action(&own, Operation::Derive, KeyArguments::default(), &peer));
    }
    if algorithm.operations().contains(&Operation::Encapsulate) {
        let arguments = KeyArguments::random(&random[..algorithm.encapsulation_len()]);
        let encapsulate = action(&others, Operation::Encapsulate, arguments, &[]);
        let ciphertext = encapsulate.run()[..algorithm.ciphertext_len()].to_vec();
        all.push(encapsulate);
        all.push(action(&own, Operation::Decapsulate, KeyArguments::default(), &ciphertext));
    }
    if algorithm != KeyAlgorithm::Rsa4096 {
        let generator = Arc::new(Session::key_generator(algorithm));
        all.push(action(&generator, Operation::Generate, generation(algorithm), &[]));
    }
    all
}

/// On a thread with more stack than those of tests have.
fn with_room(body: impl FnOnce() + Send + 'static) {
    let builder = thread::Builder::new().stack_size(4 * PAINTED);
    builder.spawn(body).unwrap().join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
}

#[test]
fn operations_leave_nothing_on_the_stack() {
    with_room(|| {
        for action in keys().iter().flat_map(actions) {
            action.run(); // makes the tables of a curve
            leaves_nothing(&action.name(), || action.run());
        }
    });
}

#[test]
fn making_importing_and_exporting_keys_leaves_nothing_on_the_stack() {
    with_room(|| {
        for key in keys() {
            let algorithm = key.algorithm();
            let what = |what: &str| format!("{algorithm}, {what}");
            if algorithm != KeyAlgorithm::Rsa4096 {
                let arguments = generation(algorithm);
                leaves_nothing(&what("generate"), || drop(PrivateKey::generate(algorithm, &arguments)));
            }
            let parts = leaves_nothing(&what("parts"), || key.parts());
            let again = leaves_nothing(&what("from parts"), || PrivateKey::from_parts(algorithm, &parts));
            let again = again.unwrap();
            let public: PublicKey = leaves_nothing(&what("public key"), || again.public_key());
            assert_eq!(public, key.public_key());
            let Some(der) = leaves_nothing(&what("to DER"), || key.to_pkcs8_der()) else { continue };
            leaves_nothing(&what("from DER"), || drop(PrivateKey::from_pkcs8_der(&der).unwrap()));
            let new = || Session::new(Algorithm::Key(algorithm), &der, Parameters::default()).map(Arc::new);
            leaves_nothing(&what("session"), || drop(with_wiped_stack(new).unwrap()));
        }
    });
}

/// A sleeping thread: where its stack ends now, and the lowest address of the mapping that it lies in.
fn sleeping_stack(thread: &str) -> (usize, usize) {
    let address = |word: &str| usize::from_str_radix(word.trim_start_matches("0x"), 16).unwrap();
    let pointer = loop {
        let syscall = fs::read_to_string(format!("/proc/self/task/{thread}/syscall")).unwrap();
        // Its number, six arguments, stack pointer, program counter; or "running".
        let words: Vec<_> = syscall.split_whitespace().collect();
        if words.len() == 9 {
            break address(words[7]);
        }
        thread::yield_now();
    };
    let maps = fs::read_to_string("/proc/self/maps").unwrap();
    let ranges = maps.lines().map(|line| line.split_once(' ').unwrap().0.split_once('-').unwrap());
    let mut ranges = ranges.map(|(from, to)| address(from)..address(to));
    (pointer, ranges.find(|range| range.contains(&pointer)).unwrap().start)
}

/// The workers of the only device of this process.
fn workers() -> Vec<String> {
    let threads = fs::read_dir("/proc/self/task").unwrap().map(|thread| thread.unwrap());
    let is_worker = |thread: &fs::DirEntry| {
        fs::read_to_string(thread.path().join("comm")).unwrap().starts_with("device-sim-")
    };
    threads.filter(is_worker).map(|thread| thread.file_name().into_string().unwrap()).collect()
}

/// A worker's stack below what it uses now.
fn below(worker: &str, memory: &File) -> Vec<u8> {
    let (pointer, lowest) = sleeping_stack(worker);
    let mut stack = vec![0; pointer - lowest];
    memory.read_exact_at(&mut stack, lowest as u64).unwrap();
    stack.truncate(stack.len().saturating_sub(NEAR));
    stack
}

fn finish(pair: &mut QueuePair, request: Request) -> (Request, Status) {
    let ticket = pair.submit(request, Delivery::Silent).unwrap_or_else(|_| panic!("the ring has room"));
    loop {
        if let Some(done) = pair.take(ticket) {
            return done;
        }
        thread::yield_now();
    }
}

#[test]
fn operations_leave_nothing_on_the_stacks_of_workers() {
    with_room(|| {
        let memory = File::open("/proc/self/mem").unwrap();
        let keys = keys();
        for (config, count) in [("", 1), ("completion_nsec=1000;workers=2;compute_units=2", 2)] {
            let device = Device::open(&Config::parse(config).unwrap()).unwrap();
            let mut pair = device.take_queue_pairs().remove(0);
            for action in keys.iter().flat_map(actions) {
                action.run(); // makes the tables of a curve
                let session = device.create_session(Arc::clone(&action.session));
                assert_eq!(finish(&mut pair, action.request(session)).1, Status::Ok, "{}", action.name());
                device.remove_session(session);
                let workers = workers();
                assert_eq!(workers.len(), count);
                for worker in workers {
                    assert_is_wiped(&below(&worker, &memory), &format!("{config}: {}", action.name()));
                }
            }
        }
    });
}
