//! Futures without a runtime: an executor of twenty lines, on which many operations and jobs run at once.
//!
//! ```text
//!   cargo run --release --example block_on
//! ```
//!
//! The device wakes the waker of whatever it has completed; here that is the thread's.

use std::future::Future;
use std::io::Write;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};

use simaccel::future::JobFuture;
use simaccel::{Cipher, CipherSession, Config, Engine, Error};

const OPERATIONS: u64 = 200;

struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

/// Polls until it is ready; the thread sleeps in between.
fn block_on<F: Future>(future: F) -> F::Output {
    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    let mut future = pin!(future);
    loop {
        match future.as_mut().poll(&mut Context::from_waker(&waker)) {
            Poll::Ready(done) => return done,
            Poll::Pending => thread::park(),
        }
    }
}

/// All of them at once.
async fn all<F: Future + Unpin>(mut futures: Vec<F>) -> Vec<F::Output> {
    let mut done: Vec<_> = futures.iter().map(|_| None).collect();
    std::future::poll_fn(|context| {
        for (future, done) in futures.iter_mut().zip(&mut done) {
            if done.is_none()
                && let Poll::Ready(output) = Pin::new(future).poll(context)
            {
                *done = Some(output);
            }
        }
        if done.iter().all(Option::is_some) { Poll::Ready(()) } else { Poll::Pending }
    })
    .await;
    done.into_iter().flatten().collect()
}

fn iv(number: u64) -> [u8; 16] {
    u128::from(number).to_be_bytes()
}

/// Code that knows nothing of futures.
fn round_trip(session: &CipherSession, number: u64, text: Vec<u8>) -> Result<Vec<u8>, Error> {
    let sealed = session.encrypt(&iv(number), text)?;
    Ok(session.decrypt(&iv(number), sealed)?)
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let engine = Engine::open(Config::parse("compute_units=16;completion_nsec=50000")?)?;
    let session = engine.cipher(Cipher::Aes256Ctr, &[0x42; 32])?;
    let texts: Vec<_> = (0..OPERATIONS).map(|number| format!("message {number}").into_bytes()).collect();

    // Operations: the more are under way, the better the device is used.
    let sealing =
        texts.iter().zip(0..).map(|(text, number)| session.encrypt_async(&iv(number), text.clone()));
    let sealed = block_on(all(sealing.collect())).into_iter().collect::<Result<Vec<_>, _>>()?;
    let opening = sealed.into_iter().zip(0..).map(|(text, number)| session.decrypt_async(&iv(number), text));
    let opened = block_on(all(opening.collect())).into_iter().collect::<Result<Vec<_>, _>>()?;
    assert_eq!(opened, texts);

    // Jobs: ordinary code, which pauses in the middle of its calls.
    let jobs = texts.iter().zip(0..).map(|(text, number)| {
        let (session, text) = (session.clone(), text.clone());
        JobFuture::new(move || round_trip(&session, number, text))
    });
    let done =
        block_on(all(jobs.collect())).into_iter().map(|done| done?).collect::<Result<Vec<_>, Error>>()?;
    assert_eq!(done, texts);
    writeln!(std::io::stdout(), "{} operations awaited, {OPERATIONS} jobs", 2 * OPERATIONS)?;
    Ok(())
}
