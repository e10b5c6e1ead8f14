//! Sessions for C: one kind of handle for ciphers, AEADs, digests and MACs; operations on borrowed memory.
//!
//! ```text
//!   in  ──copied──► request (owned by the engine while it is in flight)      the caller may free or change `in`
//!   out ◄──copied── when the function returns                                while the job is paused
//! ```
//!
//! While an operation pauses, its frames own nothing (see `held`): a job may be discarded in it.
#![expect(unsafe_code, reason = "the contracts of C functions, and their exported names")]

use std::ffi::{c_char, c_int, c_void};
use std::fmt;
use std::ptr;
use std::slice;
use std::sync::Arc;

use simaccel::{
    Aead, AeadSession, Cipher, CipherSession, Engine, Error, Hash, HashSession, MacSession, Padding,
};

use crate::engine::{SimaccelEngine, given, store, text};
use crate::guard::boundary;
use crate::held;
use crate::last_error::{Failure, SimaccelResult, reported};

/// A session, as C sees it.
#[derive(Debug)]
pub struct SimaccelSession {
    pub(crate) kind: Kind,
}

#[derive(Debug)]
pub(crate) enum Kind {
    Cipher(CipherSession),
    Aead(AeadSession),
    Hash(HashSession),
    Mac(MacSession),
}

impl Kind {
    /// By the algorithm's name: `aes-256-ctr`, `aes-128-gcm`, `sha256`, `hmac-sha256`.
    fn new(engine: &Engine, algorithm: &str, key: &[u8], options: Options) -> Result<Self, Failure> {
        let Options { padding, tag_len } = options;
        if let Ok(cipher) = algorithm.parse::<Cipher>() {
            options.only(&[("padding", padding.is_some())])?;
            return Ok(Self::Cipher(engine.cipher_with(cipher, key, padding.unwrap_or_default())?));
        }
        if let Ok(aead) = algorithm.parse::<Aead>() {
            options.only(&[("tag_len", tag_len.is_some())])?;
            return Ok(Self::Aead(engine.aead_with(aead, key, tag_len.unwrap_or(16))?));
        }
        options.only(&[])?;
        let lower = algorithm.to_ascii_lowercase();
        if let Some(hash) = lower.strip_prefix("hmac-").and_then(|hash| hash.parse::<Hash>().ok()) {
            return Ok(Self::Mac(engine.hmac(hash, key)?));
        }
        let hash = algorithm.parse::<Hash>().map_err(|_| unknown(algorithm))?;
        if !key.is_empty() {
            return Err(Failure::new(SimaccelResult::Session, format!("{hash} takes no key")));
        }
        Ok(Self::Hash(engine.hash(hash)?))
    }
}

fn unknown(algorithm: &str) -> Failure {
    let names = Cipher::ALL.iter().map(|cipher| cipher.name());
    let names = names.chain(Aead::ALL.iter().map(|aead| aead.name()));
    let names = names.chain(Hash::ALL.iter().map(|hash| hash.name()));
    let names = names.collect::<Vec<_>>().join(", ");
    Failure::new(
        SimaccelResult::Session,
        format!("{algorithm:?} is none of {names}, or hmac- and a hash function"),
    )
}

/// What may be said of a session: `padding=pkcs7` or `padding=none`, `tag_len=N`, separated by `;`.
#[derive(Clone, Copy, Default)]
struct Options {
    padding: Option<Padding>,
    tag_len: Option<usize>,
}

impl Options {
    fn parse(text: &str) -> Result<Self, Failure> {
        let mut options = Self::default();
        for pair in text.split(';').map(str::trim).filter(|pair| !pair.is_empty()) {
            let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
            match (key.trim(), value.trim()) {
                ("padding", "pkcs7") => options.padding = Some(Padding::Pkcs7),
                ("padding", "none") => options.padding = Some(Padding::None),
                ("tag_len", value) => {
                    let len = value.parse().map_err(|_| Self::refused(pair))?;
                    options.tag_len = Some(len);
                }
                _ => return Err(Self::refused(pair)),
            }
        }
        Ok(options)
    }

    /// Refuses what was given and does not fit the algorithm.
    fn only(self, fitting: &[(&str, bool)]) -> Result<(), Failure> {
        let given = usize::from(self.padding.is_some()) + usize::from(self.tag_len.is_some());
        if fitting.iter().filter(|(_, given)| *given).count() == given {
            return Ok(());
        }
        let fitting: Vec<&str> = fitting.iter().map(|(name, _)| *name).collect();
        Err(Failure::new(
            SimaccelResult::Session,
            format!("an option does not fit the algorithm, which takes {fitting:?}"),
        ))
    }

    fn refused(pair: &str) -> Failure {
        Failure::new(
            SimaccelResult::Session,
            format!("{pair:?} is none of padding=pkcs7, padding=none, tag_len=BYTES"),
        )
    }
}

/// Borrowed input, as a pointer and a length.
///
/// # Safety
///
/// `data` is null or has `len` bytes, for as long as the result is used: until the operation has copied them.
pub(crate) unsafe fn bytes<'a>(data: *const c_void, len: usize, name: &str) -> Result<&'a [u8], Failure> {
    if len == 0 {
        return Ok(&[]);
    }
    if data.is_null() || isize::try_from(len).is_err() {
        return Err(Failure::argument(&format!("{name} is NULL, or too long")));
    }
    // SAFETY: the caller's promise.
    Ok(unsafe { slice::from_raw_parts(data.cast(), len) })
}

/// Where an operation's output goes, once there is one: nothing is written before the operation has ended well.
pub(crate) struct Output {
    into: *mut u8,
    size: usize,
    len: *mut usize,
    name: &'static str,
}

impl Output {
    /// # Safety
    ///
    /// `into` is null or has room for `size` bytes, `len` is null or valid, until the output is put there.
    pub(crate) const unsafe fn new(
        into: *mut c_void,
        size: usize,
        len: *mut usize,
        name: &'static str,
    ) -> Self {
        Self { into: into.cast(), size, len, name }
    }

    /// Whether it has room for so many bytes.
    pub(crate) fn has_room(&self, needed: usize) -> Result<(), Failure> {
        let given = if self.into.is_null() { 0 } else { self.size };
        if needed <= given {
            return Ok(());
        }
        Err(Error::OutputTooSmall { needed, given }.into())
    }

    /// Copies `bytes` out. The length is told in either case.
    pub(crate) fn put(&self, bytes: &[u8]) -> Result<(), Failure> {
        self.tell(bytes.len());
        self.has_room(bytes.len())?;
        if !bytes.is_empty() {
            // SAFETY: there is room, as was promised to `new`; `bytes` are ours.
            unsafe { self.into.copy_from_nonoverlapping(bytes.as_ptr(), bytes.len()) };
        }
        Ok(())
    }

    pub(crate) fn tell(&self, len: usize) {
        if !self.len.is_null() {
            // SAFETY: not null, as was promised to `new`.
            unsafe { self.len.write(len) };
        }
    }

    /// The place as a slice, for operations that copy out themselves.
    fn room(&mut self) -> &mut [u8] {
        if self.into.is_null() || isize::try_from(self.size).is_err() {
            return &mut [];
        }
        // SAFETY: there is room, as was promised to `new`, for the caller's use alone.
        unsafe { slice::from_raw_parts_mut(self.into, self.size) }
    }

    /// Runs an operation that copies out itself, and tells the length, that which is needed included.
    fn fill(&mut self, operation: impl FnOnce(&mut [u8]) -> Result<usize, Error>) -> Result<(), Failure> {
        match operation(self.room()) {
            Ok(len) => {
                self.tell(len);
                Ok(())
            }
            Err(error) => {
                if let Error::OutputTooSmall { needed, .. } = error {
                    self.tell(needed);
                }
                Err(error.into())
            }
        }
    }
}

impl fmt::Debug for Output {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Output({}, {} bytes)", self.name, self.size)
    }
}

fn wrong_kind(function: &str) -> Failure {
    Failure::argument(&format!("{function} does not fit this kind of session"))
}

/// A session of the algorithm with this name, key and options; null options are the defaults.
///
/// # Safety
///
/// `engine` is null or valid; `algorithm` and `options` are null or end with 0; `key` is null or has `key_len` bytes;
/// `session` is null or valid.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn simaccel_session_new(
    engine: *mut SimaccelEngine,
    algorithm: *const c_char,
    key: *const c_void,
    key_len: usize,
    options: *const c_char,
    session: *mut *mut SimaccelSession,
) -> SimaccelResult {
    reported(|| {
        // SAFETY: the caller's promise.
        unsafe { store(session, ptr::null_mut(), "session") }?;
        // SAFETY: the caller's promises.
        let (engine, algorithm) = unsafe { (given(engine, "engine")?, text(algorithm, "algorithm")?) };
        // SAFETY: the caller's promises.
        let (key, options) = unsafe { (bytes(key, key_len, "key")?, text(options, "options")?) };
        let kind = Kind::new(&engine.engine, algorithm, key, Options::parse(options)?)?;
        let made = Arc::into_raw(Arc::new(SimaccelSession { kind })).cast_mut();
        // SAFETY: the caller's promise.
        unsafe { store(session, made, "session") }
    })
}

/// Gives a session up. Streams of it, and operations that jobs are paused in, keep what they need.
///
/// # Safety
///
/// `session` is null, or a session that nobody uses again.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn simaccel_session_free(session: *mut SimaccelSession) {
    boundary(|| {
        if !session.is_null() {
            // SAFETY: made by `simaccel_session_new`, and given up by its owner.
            drop(unsafe { Arc::from_raw(session) });
        }
    });
}

/// Runs an operation on a session that is kept meanwhile.
///
/// # Safety
///
/// `session` is null or valid when this is called.
unsafe fn operate(
    session: *mut SimaccelSession,
    operation: impl FnOnce(&Kind) -> Result<(), Failure>,
) -> SimaccelResult {
    reported(|| {
        // SAFETY: the caller's promise; then, the session is held for as long as it is looked at.
        let borrowed = unsafe { given(session, "session") }?;
        // SAFETY: made from an `Arc` that the caller owns a share of.
        let keep = unsafe {
            Arc::increment_strong_count(session);
            Arc::from_raw(session)
        };
        held::while_held(keep, || operation(&borrowed.kind))
    })
}

/// Encrypts in one request: ciphers without authentication.
///
/// # Safety
///
/// Handles are null or valid; memory is null or as large as is said; `out_len` is null or valid.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn simaccel_encrypt(
    session: *mut SimaccelSession,
    iv: *const c_void,
    iv_len: usize,
    input: *const c_void,
    in_len: usize,
    out: *mut c_void,
    out_size: usize,
    out_len: *mut usize,
) -> SimaccelResult {
    // SAFETY: the caller's promises.
    unsafe {
        operate(session, |kind| {
            let Kind::Cipher(cipher) = kind else { return Err(wrong_kind("simaccel_encrypt")) };
            let (iv, input) = (bytes(iv, iv_len, "iv")?, bytes(input, in_len, "in")?);
            Output::new(out, out_size, out_len, "out").fill(|into| cipher.encrypt_slice(iv, input, into))
        })
    }
}

/// Decrypts in one request: ciphers without authentication.
///
/// # Safety
///
/// As for [`simaccel_encrypt`].
#[unsafe(no_mangle)]
pub unsafe extern "C" fn simaccel_decrypt(
    session: *mut SimaccelSession,
    iv: *const c_void,
    iv_len: usize,
    input: *const c_void,
    in_len: usize,
    out: *mut c_void,
    out_size: usize,
    out_len: *mut usize,
) -> SimaccelResult {
    // SAFETY: the caller's promises.
    unsafe {
        operate(session, |kind| {
            let Kind::Cipher(cipher) = kind else { return Err(wrong_kind("simaccel_decrypt")) };
            let (iv, input) = (bytes(iv, iv_len, "iv")?, bytes(input, in_len, "in")?);
            Output::new(out, out_size, out_len, "out").fill(|into| cipher.decrypt_slice(iv, input, into))
        })
    }
}

/// Encrypts and authenticates in one request: AEADs. The tag has the session's length.
///
/// # Safety
///
/// As for [`simaccel_encrypt`]; `tag` is null or has room for `tag_size` bytes, `tag_len` is null or valid.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn simaccel_seal(
    session: *mut SimaccelSession,
    nonce: *const c_void,
    nonce_len: usize,
    aad: *const c_void,
    aad_len: usize,
    input: *const c_void,
    in_len: usize,
    out: *mut c_void,
    out_size: usize,
    out_len: *mut usize,
    tag: *mut c_void,
    tag_size: usize,
    tag_len: *mut usize,
) -> SimaccelResult {
    // SAFETY: the caller's promises.
    unsafe {
        operate(session, |kind| {
            let Kind::Aead(aead) = kind else { return Err(wrong_kind("simaccel_seal")) };
            let (nonce, aad) = (bytes(nonce, nonce_len, "nonce")?, bytes(aad, aad_len, "aad")?);
            let input = bytes(input, in_len, "in")?;
            let mut computed = None;
            Output::new(out, out_size, out_len, "out").fill(|into| {
                let (len, tag) = aead.seal_slice(nonce, aad, input, into)?;
                computed = Some(tag);
                Ok(len)
            })?;
            let computed = computed.unwrap_or_default();
            Output::new(tag, tag_size, tag_len, "tag").put(computed.as_bytes())
        })
    }
}

/// Decrypts in one request if the tag is right: AEADs. Else nothing is written.
///
/// # Safety
///
/// As for [`simaccel_encrypt`]; `tag` is null or has `tag_len` bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn simaccel_open(
    session: *mut SimaccelSession,
    nonce: *const c_void,
    nonce_len: usize,
    aad: *const c_void,
    aad_len: usize,
    input: *const c_void,
    in_len: usize,
    tag: *const c_void,
    tag_len: usize,
    out: *mut c_void,
    out_size: usize,
    out_len: *mut usize,
) -> SimaccelResult {
    // SAFETY: the caller's promises.
    unsafe {
        operate(session, |kind| {
            let Kind::Aead(aead) = kind else { return Err(wrong_kind("simaccel_open")) };
            let (nonce, aad) = (bytes(nonce, nonce_len, "nonce")?, bytes(aad, aad_len, "aad")?);
            let (input, tag) = (bytes(input, in_len, "in")?, bytes(tag, tag_len, "tag")?);
            Output::new(out, out_size, out_len, "out")
                .fill(|into| aead.open_slice(nonce, aad, input, tag, into))
        })
    }
}

/// The digest of a message: hash functions.
///
/// # Safety
///
/// As for [`simaccel_encrypt`].
#[unsafe(no_mangle)]
pub unsafe extern "C" fn simaccel_digest(
    session: *mut SimaccelSession,
    input: *const c_void,
    in_len: usize,
    out: *mut c_void,
    out_size: usize,
    out_len: *mut usize,
) -> SimaccelResult {
    // SAFETY: the caller's promises.
    unsafe {
        operate(session, |kind| {
            let Kind::Hash(hash) = kind else { return Err(wrong_kind("simaccel_digest")) };
            let digest = hash.digest(bytes(input, in_len, "in")?)?;
            Output::new(out, out_size, out_len, "out").put(digest.as_bytes())
        })
    }
}

/// The HMAC of a message.
///
/// # Safety
///
/// As for [`simaccel_encrypt`].
#[unsafe(no_mangle)]
pub unsafe extern "C" fn simaccel_hmac(
    session: *mut SimaccelSession,
    input: *const c_void,
    in_len: usize,
    out: *mut c_void,
    out_size: usize,
    out_len: *mut usize,
) -> SimaccelResult {
    // SAFETY: the caller's promises.
    unsafe {
        operate(session, |kind| {
            let Kind::Mac(mac) = kind else { return Err(wrong_kind("simaccel_hmac")) };
            let mac = mac.mac(bytes(input, in_len, "in")?)?;
            Output::new(out, out_size, out_len, "out").put(mac.as_bytes())
        })
    }
}

/// Whether the HMAC of a message is this one, or begins with it (4 bytes at least): compared in constant time.
///
/// # Safety
///
/// As for [`simaccel_encrypt`].
#[unsafe(no_mangle)]
pub unsafe extern "C" fn simaccel_hmac_verify(
    session: *mut SimaccelSession,
    input: *const c_void,
    in_len: usize,
    expected: *const c_void,
    expected_len: usize,
) -> SimaccelResult {
    // SAFETY: the caller's promises.
    unsafe {
        operate(session, |kind| {
            let Kind::Mac(mac) = kind else { return Err(wrong_kind("simaccel_hmac_verify")) };
            let (input, expected) = (bytes(input, in_len, "in")?, bytes(expected, expected_len, "expected")?);
            Ok(mac.verify(input, expected)?)
        })
    }
}

/// Which way a stream goes.
pub(crate) fn encrypts(direction: c_int) -> Result<bool, Failure> {
    match direction {
        0 => Ok(false),
        1 => Ok(true),
        _ => Err(Failure::argument("direction is neither SIMACCEL_ENCRYPT nor SIMACCEL_DECRYPT")),
    }
}
