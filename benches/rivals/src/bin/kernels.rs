//! The device's kernels on one thread, compared with RustCrypto's crates for the same modes: the cost of a
//! request alone, and through a device that the same thread uses, with one session or many.
//!
//! ```text
//!   cargo run --release --manifest-path benches/rivals/Cargo.toml --bin kernels [WORD ..]
//!                                              only lines with these words
//!
//!   crate     the `ctr`, `cbc` or `xts-mode` crate, one buffer after the other
//!   execute   `Session::execute`, one request after the other
//!   device    64 requests submitted, executed and taken: includes the gain from batching them, and about
//!             130 ns for the way there and back
//! ```
//!
//! In turns, 100 rounds, the best of each; 64 buffers, AES-128. Before the first round all results are
//! compared with the crate's.

use std::error::Error;
use std::io::Write;
use std::time::Instant;

use aes::Aes128;
use aes::cipher::{
    Array, BlockModeEncrypt, InnerIvInit, KeyInit, StreamCipher, StreamCipherCoreWrapper, consts::U16,
};
use ctr::{CtrCore, flavors::Ctr128BE};
use simaccel_device::{
    Cipher, Config, Delivery, Device, Operation, Padding, QueuePair, Request, Session, SessionId, Status,
    Ticket,
};
use xts_mode::Xts128;

const REQUESTS: usize = 64;
const ROUNDS: usize = 100;
const IV: [u8; 16] = [9; 16];

fn main() -> Result<(), Box<dyn Error>> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let head =
        format!("{:<34}{:>12}{:>12}{:>12}   times as fast as the crate", "", "crate", "execute", "device");
    writeln!(std::io::stdout(), "{head}")?;
    // Only CBC's lanes depend on whose they are.
    let modes: [(&str, Cipher, &[usize]); 3] = [
        ("ctr", Cipher::Aes128Ctr, &[1]),
        ("cbc", Cipher::Aes128Cbc, &[1, 8, REQUESTS]),
        ("xts", Cipher::Aes128Xts, &[1]),
    ];
    for (name, cipher, counts) in modes {
        for size in [64, 256, 1 << 10, 16 << 10] {
            for &sessions in counts {
                let line = format!("{name}, {size} bytes, sessions: {sessions}");
                if words.iter().all(|word| line.contains(word)) {
                    measure(&line, cipher, size, sessions)?;
                }
            }
        }
    }
    Ok(())
}

/// One line of the table.
fn measure(line: &str, cipher: Cipher, size: usize, sessions: usize) -> Result<(), Box<dyn Error>> {
    let mut bare = Bare::new(cipher, size, sessions);
    let mut alone = Alone::new(cipher, size, sessions)?;
    let mut together = Together::new(cipher, size, sessions)?;
    bare.run()?;
    alone.run()?;
    together.run()?;
    let agree = |requests: &[Request]| {
        requests.iter().zip(&bare.texts).all(|(request, text)| request.buffer == *text)
    };
    if !agree(&alone.requests) || !agree(&together.requests) {
        return Err(format!("{line}: other results than the crate's").into());
    }

    let mut best = [f64::INFINITY; 3];
    for _ in 0..ROUNDS {
        best[0] = best[0].min(timed(|| bare.run())?);
        best[1] = best[1].min(timed(|| alone.run())?);
        best[2] = best[2].min(timed(|| together.run())?);
    }
    let [bare, alone, together] = best;
    writeln!(
        std::io::stdout(),
        "{line:<34}{bare:>9.1} ns{alone:>9.1} ns{together:>9.1} ns{:>9.2}{:>9.2}",
        bare / alone,
        bare / together
    )?;
    Ok(())
}

/// Nanoseconds per request.
fn timed(body: impl FnOnce() -> Result<(), Box<dyn Error>>) -> Result<f64, Box<dyn Error>> {
    let started = Instant::now();
    body()?;
    Ok(started.elapsed().as_nanos() as f64 / REQUESTS as f64)
}

/// The text of a request, at an irregular distance from the next.
fn text(number: usize, size: usize) -> Vec<u8> {
    let mut text = Vec::with_capacity(size + 32 + 64 * (number % 3));
    text.resize(size, number as u8);
    text
}

/// The key of a session; the halves of an XTS key differ.
fn key(session: usize, len: usize) -> Vec<u8> {
    (0..len).map(|at| (session + at) as u8).collect()
}

/// The crates' ciphers.
enum Kernel {
    Ctr(Aes128),
    Cbc(Aes128),
    Xts(Box<Xts128<Aes128>>),
}

impl Kernel {
    fn new(cipher: Cipher, session: usize) -> Self {
        let key = key(session, 32);
        let half = |half: &[u8]| Aes128::new_from_slice(half).expect("half of a key of 32 bytes");
        let (first, second) = key.split_at(16);
        match cipher {
            Cipher::Aes128Ctr => Self::Ctr(half(first)),
            Cipher::Aes128Cbc => Self::Cbc(half(first)),
            _ => Self::Xts(Box::new(Xts128::new(half(first), half(second)))),
        }
    }

    fn encrypt(&self, text: &mut [u8]) {
        match self {
            Self::Ctr(aes) => {
                let core = CtrCore::<&Aes128, Ctr128BE>::inner_iv_init(aes, &IV.into());
                StreamCipherCoreWrapper::from_core(core).apply_keystream(text);
            }
            Self::Cbc(aes) => {
                let (blocks, _) = Array::<u8, U16>::slice_as_chunks_mut(text);
                cbc::Encryptor::<&Aes128>::inner_iv_init(aes, &IV.into()).encrypt_blocks(blocks);
            }
            Self::Xts(xts) => xts.encrypt_sector(text, IV.into()),
        }
    }
}

struct Bare {
    kernels: Vec<Kernel>,
    texts: Vec<Vec<u8>>,
}

impl Bare {
    fn new(cipher: Cipher, size: usize, sessions: usize) -> Self {
        let kernels = (0..sessions).map(|session| Kernel::new(cipher, session)).collect();
        Self { kernels, texts: (0..REQUESTS).map(|number| text(number, size)).collect() }
    }

    fn run(&mut self) -> Result<(), Box<dyn Error>> {
        let keys = self.kernels.iter().cycle();
        self.texts.iter_mut().zip(keys).for_each(|(text, kernel)| kernel.encrypt(text));
        Ok(())
    }
}

fn requests(size: usize, session: impl Fn(usize) -> SessionId) -> Vec<Request> {
    let request = |number| {
        let mut request = Request::new(session(number), Operation::Encrypt, text(number, size));
        request.set_iv(&IV);
        request
    };
    (0..REQUESTS).map(request).collect()
}

fn session(cipher: Cipher, number: usize) -> Result<Session, Box<dyn Error>> {
    Ok(Session::cipher(cipher, &key(number, cipher.key_len()), Padding::None)?)
}

struct Alone {
    sessions: Vec<Session>,
    requests: Vec<Request>,
}

impl Alone {
    fn new(cipher: Cipher, size: usize, sessions: usize) -> Result<Self, Box<dyn Error>> {
        let sessions = (0..sessions).map(|number| session(cipher, number)).collect::<Result<_, _>>()?;
        Ok(Self { sessions, requests: requests(size, |_| SessionId::NONE) })
    }

    fn run(&mut self) -> Result<(), Box<dyn Error>> {
        for (request, session) in self.requests.iter_mut().zip(self.sessions.iter().cycle()) {
            done(session.execute(request))?;
        }
        Ok(())
    }
}

struct Together {
    device: Device,
    pair: QueuePair,
    requests: Vec<Request>,
    tickets: Vec<Ticket>,
}

impl Together {
    fn new(cipher: Cipher, size: usize, sessions: usize) -> Result<Self, Box<dyn Error>> {
        let device = Device::stepped(&Config::parse("queue_pairs=1;depth=128")?)?;
        let pair = device.take_queue_pairs().remove(0);
        let ids = (0..sessions)
            .map(|number| Ok(device.create_session(session(cipher, number)?)))
            .collect::<Result<Vec<_>, Box<dyn Error>>>()?;
        let requests = requests(size, |number| ids[number % ids.len()]);
        Ok(Self { device, pair, requests, tickets: Vec::new() })
    }

    fn run(&mut self) -> Result<(), Box<dyn Error>> {
        for request in self.requests.drain(..) {
            let submitted = self.pair.submit(request, Delivery::Silent);
            self.tickets.push(submitted.map_err(|_| "the ring has room for all")?);
        }
        self.device.run_until_idle();
        for ticket in self.tickets.drain(..) {
            let (request, status) = self.pair.take(ticket).ok_or("the device is done")?;
            done(status)?;
            self.requests.push(request);
        }
        Ok(())
    }
}

fn done(status: Status) -> Result<(), Box<dyn Error>> {
    if status == Status::Ok { Ok(()) } else { Err(format!("it has ended with {}", status.name()).into()) }
}
