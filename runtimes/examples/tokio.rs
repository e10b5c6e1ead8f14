//! Hundreds of requests at once on tokio's multi-thread runtime: awaited, with time limits, and cancelled.
//!
//! ```text
//!   cargo run --release --manifest-path runtimes/Cargo.toml --example tokio
//! ```
//!
//! A device with 16 units and 200 µs for a request, which never ends one in 50, of those to seal and of those
//! to open.

use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use simaccel::future::Cancelled;
use simaccel::{Aead, AeadSession, Config, Engine, Error};

const REQUESTS: usize = 500;
const DEVICE: &str = "compute_units=16;completion_nsec=200000;\
                      fault=stall:nsec=3600000000000,op=encrypt,every=50;\
                      fault=stall:nsec=3600000000000,op=decrypt,every=50";

#[derive(Debug, Default)]
struct Counts {
    sealed: AtomicUsize,
    late: AtomicUsize,
    cancelled: AtomicUsize,
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let engine = Engine::open(Config::parse(DEVICE)?)?;
    let session = engine.aead(Aead::Aes256Gcm, &[0x42; 32])?;
    let counts = Arc::new(Counts::default());
    let tasks: Vec<_> =
        (0..REQUESTS).map(|number| tokio::spawn(one(session.clone(), number, Arc::clone(&counts)))).collect();
    for task in tasks {
        task.await??;
    }
    let [sealed, late, cancelled] =
        [&counts.sealed, &counts.late, &counts.cancelled].map(|count| count.load(Ordering::Relaxed));
    writeln!(
        std::io::stdout(),
        "{REQUESTS} requests: {sealed} sealed and opened, {late} late, {cancelled} cancelled"
    )?;
    assert_eq!(sealed + late + cancelled, REQUESTS);
    assert_eq!(engine.stats().device.total.in_flight, 0, "nothing is left on the device");
    Ok(())
}

async fn one(session: AeadSession, number: usize, counts: Arc<Counts>) -> Result<(), Error> {
    let mut nonce = [0; 12];
    nonce[..8].copy_from_slice(&(number as u64).to_le_bytes());
    let message = format!("request {number}").into_bytes();
    // Tokio's time limit, by `select!`: the loser of the two is dropped or cancelled. The future is cancelled
    // here, and so gives its buffer back.
    let mut sealing = session.seal_async(&nonce, b"", message);
    let sealed = tokio::select! {
        sealed = &mut sealing => sealed,
        () = tokio::time::sleep(Duration::from_millis(100 + number as u64 % 2 * 100)) => match sealing.cancel() {
            Cancelled::Ended(sealed) => sealed,
            Cancelled::TakenBack { buffer, .. } => {
                assert_eq!(buffer, format!("request {number}").into_bytes());
                counts.cancelled.fetch_add(1, Ordering::Relaxed);
                return Ok(());
            }
        },
    };
    let (text, tag) = sealed?;
    // A limit of its own needs no runtime.
    let opening = session.open_async(&nonce, b"", text, tag.as_bytes());
    match opening.with_timeout(Duration::from_millis(200)).await {
        Ok(message) => {
            assert_eq!(message, format!("request {number}").into_bytes());
            counts.sealed.fetch_add(1, Ordering::Relaxed);
            Ok(())
        }
        Err(error) if error.error() == &Error::Timeout => {
            counts.late.fetch_add(1, Ordering::Relaxed);
            Ok(())
        }
        Err(error) => Err(error.into()),
    }
}
