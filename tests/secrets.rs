//! Secrets do not outlive their use. When everything that used it is gone, no key, subkey or plaintext is
//! found in the writable memory of the process, including freed memory and the stacks of dead and living
//! threads.
//!
//! The test keeps its secrets masked, and unmasks them only to pass them on. One test function, because it
//! searches the whole process.

mod captured;
mod engine_helpers;

use std::collections::HashMap;
use std::fmt::Write;
use std::fs::{self, File};
use std::io::{Read, Seek, SeekFrom};
use std::ops::Range;

use simaccel::{Aead, Cipher, DeliveryMode, Engine, Hash, Job, Padding, Step, WaitCtx};

use self::engine_helpers::{IV, finish, open, stepped};

const MASK: u8 = 0x5a;
const NONCE: [u8; 12] = [9; 12];
const TEXT: usize = 93;
/// This many equal bytes in a row are no coincidence.
const NEEDLE: usize = 16;

/// Bytes that are only ever kept masked.
struct Secret {
    name: String,
    masked: Vec<u8>,
}

impl Secret {
    fn random(name: String, len: usize) -> Self {
        let mut masked = vec![0; len];
        File::open("/dev/urandom").unwrap().read_exact(&mut masked).unwrap();
        Self { name, masked }
    }

    /// This secret XORed with `pad`: the block with which HMAC begins its inner or outer hash.
    fn padded(&self, pad: u8) -> Self {
        let masked = self.masked.iter().map(|byte| byte ^ pad).collect();
        Self { name: format!("{} ^ {pad:#x}", self.name), masked }
    }

    /// Takes `bytes`, which are in the clear.
    fn of(name: String, bytes: Vec<u8>) -> Self {
        let mut masked = bytes;
        masked.iter_mut().for_each(|byte| *byte ^= MASK);
        Self { name, masked }
    }

    /// A copy that its owner has to [wipe].
    fn clear(&self) -> Vec<u8> {
        self.masked.iter().map(|byte| byte ^ MASK).collect()
    }

    fn with<R>(&self, f: impl FnOnce(&[u8]) -> R) -> R {
        let clear = self.clear();
        let result = f(&clear);
        wipe(clear);
        result
    }
}

fn wipe(mut bytes: Vec<u8>) {
    bytes.fill(0);
    std::hint::black_box(&bytes);
}

/// The algorithms that sessions are created for.
#[derive(Clone, Copy, Debug)]
enum Algorithm {
    Cipher(Cipher),
    Aead(Aead),
    Hmac(Hash),
}

impl Algorithm {
    fn all() -> impl Iterator<Item = Self> {
        let ciphers = Cipher::ALL.iter().copied().map(Self::Cipher);
        let aeads = Aead::ALL.iter().copied().map(Self::Aead);
        ciphers.chain(aeads).chain(Hash::ALL.iter().copied().map(Self::Hmac))
    }

    const fn key_len(self) -> usize {
        match self {
            Self::Cipher(cipher) => cipher.key_len(),
            Self::Aead(aead) => aead.key_len(),
            Self::Hmac(_) => 48,
        }
    }
}

/// Uses an algorithm in every way, and drops all of it.
fn use_up(engine: &Engine, algorithm: Algorithm, key: &Secret, text: &Secret) {
    match algorithm {
        Algorithm::Cipher(cipher) => use_cipher(engine, cipher, key, text),
        Algorithm::Aead(aead) => use_aead(engine, aead, key, text),
        Algorithm::Hmac(hash) => use_hmac(engine, hash, key, text),
    }
}

fn use_cipher(engine: &Engine, cipher: Cipher, key: &Secret, text: &Secret) {
    let session = key.with(|key| engine.cipher(cipher, key).unwrap());
    let iv = &IV[..cipher.iv_len()];
    let sealed = session.encrypt(iv, text.clear()).unwrap();
    wipe(session.decrypt(iv, sealed.clone()).unwrap());
    let mut out = vec![0; sealed.len() + 32];
    text.with(|text| session.encrypt_slice(iv, text, &mut out).unwrap());
    session.decrypt_slice(iv, &sealed, &mut out).unwrap();
    wipe(out);
    let mut stream = session.encryptor(iv);
    stream.update(text.clear()).unwrap();
    stream.finish().unwrap();
    let mut stream = session.encryptor(iv);
    stream.update(text.clear()).unwrap();
    drop(stream);
    let ctx = WaitCtx::new();
    let in_job = |iv: &[u8]| {
        let (session, iv, text) = (session.clone(), iv.to_vec(), text.clear());
        Job::new(&ctx, move || session.encrypt(&iv, text).unwrap()).unwrap()
    };
    let mut dropped = in_job(iv);
    let _ = dropped.resume().unwrap();
    drop(dropped);
    let mut job = in_job(iv);
    if engine.device().is_stepped() || engine.config().delivery() == DeliveryMode::Poll {
        while matches!(job.resume().unwrap(), Step::Paused) {
            engine.device().step();
        }
    } else {
        finish(&ctx, &mut job);
    }
}

fn use_aead(engine: &Engine, aead: Aead, key: &Secret, text: &Secret) {
    let session = key.with(|key| engine.aead(aead, key).unwrap());
    let (sealed, tag) = session.seal(&NONCE, b"", text.clear()).unwrap();
    wipe(session.open(&NONCE, b"", sealed.clone(), tag.as_bytes()).unwrap());
    let _ = session.open(&NONCE, b"other", sealed, tag.as_bytes()).unwrap_err();
    let _ = session.seal(&[7; 20], b"a longer nonce", text.clear()).unwrap();
    let mut stream = session.sealer(&NONCE, b"");
    stream.update(text.clear()).unwrap();
    stream.finish().unwrap();
}

fn use_hmac(engine: &Engine, hash: Hash, key: &Secret, text: &Secret) {
    let session = key.with(|key| engine.hmac(hash, key).unwrap());
    text.with(|text| session.mac(text).unwrap());
    let mut stream = session.stream();
    wipe(stream.update(text.clear()).unwrap());
    stream.finish().unwrap();
    let mut stream = session.stream();
    wipe(stream.update(text.clear()).unwrap());
    drop(stream);
}

/// The hash subkey of GCM: a block of zeros, encrypted.
fn hash_subkey(aead: Aead, key: &Secret) -> Secret {
    let ecb = match aead {
        Aead::Aes128Gcm => Cipher::Aes128Ecb,
        Aead::Aes192Gcm => Cipher::Aes192Ecb,
        Aead::Aes256Gcm => Cipher::Aes256Ecb,
        _ => unreachable!("there is no other"),
    };
    let engine = open("");
    let session = key.with(|key| engine.cipher_with(ecb, key, Padding::None).unwrap());
    Secret::of(format!("the hash subkey of {aead}"), session.encrypt(&[], vec![0; 16]).unwrap())
}

/// Where each window of each secret is found, in the clear.
struct Search<'s> {
    windows: HashMap<[u8; NEEDLE], &'s str>,
    /// Whether a window may begin with these two bytes, masked.
    begins: Vec<bool>,
    report: String,
}

impl<'s> Search<'s> {
    fn of(secrets: &'s [Secret]) -> Self {
        let windows: HashMap<[u8; NEEDLE], _> = secrets
            .iter()
            .flat_map(|secret| secret.masked.windows(NEEDLE).map(|window| (window, secret.name.as_str())))
            .map(|(window, name)| (window.try_into().unwrap(), name))
            .collect();
        let mut begins = vec![false; 1 << 16];
        windows
            .keys()
            .for_each(|window| begins[usize::from(u16::from_ne_bytes([window[0], window[1]]))] = true);
        Self { windows, begins, report: String::new() }
    }

    /// Searches all memory that this process can write.
    fn run(&mut self) {
        let maps = fs::read_to_string("/proc/self/maps").unwrap();
        let mut memory = File::open("/proc/self/mem").unwrap();
        let mut page = vec![0; (1 << 16) + NEEDLE];
        for line in maps.lines() {
            let (range, rest) = line.split_once(' ').unwrap();
            if rest.starts_with("rw") {
                let (from, to) = range.split_once('-').unwrap();
                let [from, to] = [from, to].map(|address| usize::from_str_radix(address, 16).unwrap());
                self.look_through(&mut memory, from..to, rest, &mut page);
            }
        }
    }

    fn look_through(&mut self, memory: &mut File, range: Range<usize>, what: &str, page: &mut [u8]) {
        let own = page.as_ptr_range();
        let own = own.start.addr()..own.end.addr();
        let step = page.len() - NEEDLE;
        for at in range.clone().step_by(step) {
            let len = page.len().min(range.end - at);
            let bytes = &mut page[..len];
            if memory.seek(SeekFrom::Start(at as u64)).is_err() || memory.read_exact(bytes).is_err() {
                continue;
            }
            if bytes.iter().all(|byte| *byte == 0) {
                continue;
            }
            for (offset, window) in bytes.windows(NEEDLE).enumerate() {
                let address = at + offset;
                let first = u16::from_ne_bytes([window[0] ^ MASK, window[1] ^ MASK]);
                if self.begins[usize::from(first)] && !own.contains(&address) {
                    self.compare(window, address, what);
                }
            }
            bytes.fill(0);
        }
    }

    fn compare(&mut self, window: &[u8], address: usize, what: &str) {
        let masked: Vec<u8> = window.iter().map(|byte| byte ^ MASK).collect();
        if let Some(name) = self.windows.get(&masked[..]) {
            let place = what.split_whitespace().last().unwrap_or_default();
            writeln!(self.report, "{name} at {address:#x}, {place}").unwrap();
        }
    }
}

#[test]
fn no_secret_outlives_what_used_it() {
    what_is_there_is_found();
    let configs = [
        "",
        "completion_nsec=1000;fallback=on;timeout_msec=10000",
        "delivery=poll",
        "offload_threshold=100000",
    ];
    let mut report = String::new();
    for algorithm in Algorithm::all() {
        for (config, stepping) in
            configs.iter().map(|config| (config, false)).chain([(&"compute_units=2", true)])
        {
            let name = |what: &str| format!("{what} of {algorithm:?} under {config:?}");
            let (key, text) =
                (Secret::random(name("key"), algorithm.key_len()), Secret::random(name("text"), TEXT));
            let engine = if stepping { stepped(config) } else { open(config) };
            use_up(&engine, algorithm, &key, &text);
            drop(engine);
            let mut secrets = Vec::new();
            if let Algorithm::Aead(aead) = algorithm {
                secrets.push(hash_subkey(aead, &key));
            }
            if let Algorithm::Hmac(_) = algorithm {
                secrets.extend([0x36, 0x5c].map(|pad| key.padded(pad)));
            }
            secrets.extend([key, text]);
            let mut search = Search::of(&secrets);
            search.run();
            report += &search.report;
        }
    }
    assert!(report.is_empty(), "{report}");
}

/// The search finds what is there, and only that.
fn what_is_there_is_found() {
    let secret = Secret::random("a secret".to_owned(), 40);
    let secrets = [secret];
    let clear = secrets[0].clear();
    let mut search = Search::of(&secrets);
    search.run();
    assert!(search.report.lines().count() > 40 - NEEDLE, "{}", search.report);
    wipe(clear);
    let mut search = Search::of(&secrets);
    search.run();
    assert_eq!(search.report, "");
}
