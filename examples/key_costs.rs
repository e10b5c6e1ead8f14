//! What operations with keys cost on this processor, beside libcrypto: the table of `docs/keys.md`.
//!
//!     cargo run --release --example key_costs
//!
//! Ours are run in this thread, without a device, as its worker runs them; theirs by `openssl speed`. Both
//! count processor time, so that other programs disturb little. The command lacks what its release lacks.

use std::collections::HashMap;
use std::error::Error;
use std::process::Command;
use std::time::Duration;

use nix::time::{ClockId, clock_gettime};
use simaccel::simaccel_device::{Request, Session, SessionId, Status};
use simaccel::{
    EcdsaForm, Family, KeyAlgorithm, KeyArguments, KeyHash, Nonce, Operation, PrivateKey, RsaPadding,
    SignatureScheme,
};

/// How long each operation is run, in processor time.
const ENOUGH: Duration = Duration::from_millis(700);

fn main() -> Result<(), Box<dyn Error>> {
    let theirs = libcrypto();
    println!("| operation | simaccel | libcrypto | ratio |");
    println!("|---|---|---|---|");
    for &algorithm in KeyAlgorithm::ALL {
        let Some(key) = key(algorithm)? else { continue };
        let session = Session::private_key(&key);
        for &operation in algorithm.operations().iter().filter(|&&operation| operation != Operation::Generate)
        {
            let name = format!("{algorithm} {operation}");
            let ours = measured(&session, &key, operation)?;
            let (other, ratio) = match theirs.get(&name) {
                Some(other) => (micros(*other), format!("{:.1}", ours.as_secs_f64() / other.as_secs_f64())),
                None => ("".to_owned(), "".to_owned()),
            };
            println!("| {name} | {} | {other} | {ratio} |", micros(ours));
        }
    }
    Ok(())
}

fn micros(time: Duration) -> String {
    format!("{:.1} µs", 1e6 * time.as_secs_f64())
}

/// The processor time of this thread.
fn now() -> Duration {
    clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID).map_or(Duration::ZERO, Duration::from)
}

/// A new key; `None` for RSA of any other size.
fn key(algorithm: KeyAlgorithm) -> Result<Option<PrivateKey>, Box<dyn Error>> {
    if algorithm == KeyAlgorithm::Rsa {
        return Ok(None);
    }
    Ok(Some(PrivateKey::generate(algorithm, &KeyArguments::random(&vec![7; algorithm.seed_len()]))?))
}

/// The time of one, on average.
fn measured(session: &Session, key: &PrivateKey, operation: Operation) -> Result<Duration, Box<dyn Error>> {
    let (arguments, input) = message(session, key, operation)?;
    run(session, operation, arguments(), &input)?;
    let (start, mut count) = (now(), 0);
    while now().saturating_sub(start) < ENOUGH {
        run(session, operation, arguments(), &input)?;
        count += 1;
    }
    Ok(now().saturating_sub(start) / count)
}

type Arguments = Box<dyn Fn() -> KeyArguments>;

/// What an operation is run on: made by its counterpart, where it has one.
fn message(
    session: &Session,
    key: &PrivateKey,
    operation: Operation,
) -> Result<(Arguments, Vec<u8>), Box<dyn Error>> {
    let scheme = scheme(key.algorithm());
    let padding = RsaPadding::Pkcs1 { implicit_rejection: true };
    let counterpart = |operation| {
        let (arguments, input) = message(session, key, operation)?;
        run(session, operation, arguments(), &input)
    };
    Ok(match operation {
        Operation::Sign => (Box::new(move || KeyArguments::sign(scheme.clone(), &[5; 32])), vec![9; 32]),
        Operation::Verify => {
            let signature = counterpart(Operation::Sign)?;
            (Box::new(move || KeyArguments::verify(scheme.clone(), &signature)), vec![9; 32])
        }
        Operation::Encrypt => {
            (Box::new(move || KeyArguments::padded(padding.clone(), &[5; 32])), vec![9; 48])
        }
        Operation::Decrypt => {
            let ciphertext = counterpart(Operation::Encrypt)?;
            (Box::new(move || KeyArguments::padded(padding.clone(), &[5; 32])), ciphertext)
        }
        Operation::Derive => (Box::new(KeyArguments::default), key.public_key().to_raw().unwrap_or_default()),
        Operation::Encapsulate => {
            let len = key.algorithm().encapsulation_len();
            (Box::new(move || KeyArguments::random(&vec![5; len])), Vec::new())
        }
        _ => {
            let mut both = counterpart(Operation::Encapsulate)?;
            both.truncate(key.algorithm().ciphertext_len());
            (Box::new(KeyArguments::default), both)
        }
    })
}

fn scheme(algorithm: KeyAlgorithm) -> SignatureScheme {
    match algorithm.family() {
        Family::Rsa => SignatureScheme::Pkcs1v15 { hash: Some(KeyHash::Sha256) },
        Family::Ed25519 => SignatureScheme::Ed25519,
        Family::MlDsa => SignatureScheme::MlDsa { context: Vec::new(), hedged: false },
        _ => SignatureScheme::Ecdsa { nonce: Nonce::Deterministic(KeyHash::Sha256), form: EcdsaForm::Der },
    }
}

fn run(
    session: &Session,
    operation: Operation,
    arguments: KeyArguments,
    input: &[u8],
) -> Result<Vec<u8>, Box<dyn Error>> {
    let mut request = Request::new(SessionId::NONE, operation, input.to_vec());
    request.arguments = Some(Box::new(arguments));
    match session.execute(&mut request) {
        Status::Ok => Ok(request.buffer),
        status => Err(format!("{} {operation}: {}", session.algorithm(), status.name()).into()),
    }
}

/// What `openssl speed` says of the same operations, by name. Empty, where it cannot be run.
fn libcrypto() -> HashMap<String, Duration> {
    let mut found = HashMap::new();
    let algorithms = ["rsa2048", "rsa3072", "rsa4096", "ecdsap256", "ecdsap384", "ecdsap521"];
    let exchanges = ["ecdhp256", "ecdhp384", "ecdhp521", "ecdhx25519", "ed25519"];
    for algorithm in algorithms.into_iter().chain(exchanges) {
        read(&speed(&[algorithm]), &mut found);
    }
    for name in ["ML-KEM-768", "X25519MLKEM768", "ML-DSA-44", "ML-DSA-65"] {
        read_named(&name.to_lowercase(), &speed(&[name]), &mut found);
    }
    found
}

fn speed(what: &[&str]) -> String {
    let command = std::env::var("OPENSSL").unwrap_or_else(|_| "openssl".to_owned());
    let output = Command::new(command).args(["speed", "-mr", "-seconds", "1"]).args(what).output();
    output.map(|output| String::from_utf8_lossy(&output.stdout).into_owned()).unwrap_or_default()
}

/// Reads the lines of algorithms whose names are not in them: key generation and two operations, each a
/// second.
fn read_named(name: &str, printed: &str, found: &mut HashMap<String, Duration>) {
    for line in printed.lines() {
        let fields: Vec<&str> = line.split(':').collect();
        let operations = match fields[0] {
            "+F9" => ["encapsulate", "decapsulate"],
            "+F10" => ["sign", "verify"],
            _ => continue,
        };
        for (operation, field) in operations.into_iter().zip(fields.iter().skip(3)) {
            if let Some(rate) = field.parse::<f64>().ok().filter(|rate| *rate > 0.0) {
                found.insert(format!("{name} {operation}"), Duration::from_secs_f64(1.0 / rate));
            }
        }
    }
}

/// Reads the lines for machines: a letter and a number for what was run, and operations a second.
fn read(printed: &str, found: &mut HashMap<String, Duration>) {
    for line in printed.lines() {
        let fields: Vec<&str> = line.split(':').collect();
        let rate = |place: usize| fields.get(place).and_then(|field| field.parse::<f64>().ok());
        let each = |place: usize| {
            rate(place).filter(|rate| *rate > 0.0).map(|rate| Duration::from_secs_f64(1.0 / rate))
        };
        let bits = fields.get(2).copied().unwrap_or_default();
        let mut note = |name: String, time: Option<Duration>| {
            if let Some(time) = time {
                found.insert(name, time);
            }
        };
        match fields[0] {
            "+F2" => {
                note(format!("rsa-{bits} sign"), each(3));
                note(format!("rsa-{bits} verify"), each(4));
                note(format!("rsa-{bits} encrypt"), each(5));
                note(format!("rsa-{bits} decrypt"), each(6));
            }
            "+F4" => {
                note(format!("p-{bits} sign"), each(3));
                note(format!("p-{bits} verify"), each(4));
            }
            "+F5" if bits == "253" => note("x25519 derive".to_owned(), each(3)),
            "+F5" => note(format!("p-{bits} derive"), each(3)),
            "+F6" => {
                note("ed25519 sign".to_owned(), each(4));
                note("ed25519 verify".to_owned(), each(5));
            }
            _ => {}
        }
    }
}
