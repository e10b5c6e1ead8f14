//! Sessions for C: one kind of handle for ciphers, AEADs, digests and MACs; operations on borrowed memory.
//!
//! ```text
//!   arguments ──checked──► in ──copied──► request ──► out ◄──copied── when the function returns
//!              lengths, room for `out`;  the engine's while it is in flight; the caller may free or change `in`
//!              nothing is done before
//! ```
//!
//! [`copies`] copies memory. While an operation pauses, its frames own nothing (see `held`): a job may be
//! discarded in it.
#![expect(unsafe_code, reason = "the contracts of C functions, and their exported names")]

use std::ffi::{c_char, c_int, c_void};
use std::ptr::{self, NonNull};
use std::sync::Arc;

use simaccel::{
    AeadSession, AnySession, Argument, ArgumentError, CipherSession, Engine, Error, HashSession, MacSession,
    OpError, Operation, OutputLen, Parameters, SessionError, Tag, UnknownName, Uses,
};
use zeroize::Zeroizing;

use crate::copies::{self, Input, Output};
use crate::engine::{SimaccelEngine, given, quoted, store, text};
use crate::guard::boundary;
use crate::held::Keep;
use crate::last_error::{Failure, SimaccelResult, reported};
use crate::options::parameters;
use crate::uses::{self, Counted};

/// Bytes of the longest tag. `SIMACCEL_MAX_TAG`.
pub(crate) const MAX_TAG: usize = 16;
/// Bytes of the longest initialisation vector of a cipher.
const MAX_IV: usize = 16;
/// How many bytes encryption may return beyond its input: a block of padding, and what an engine needs in
/// addition.
const GROWTH: usize = 32;

/// A session, as C sees it.
#[derive(Debug)]
pub struct SimaccelSession {
    pub(crate) kind: Kind,
    uses: Uses,
}

impl Counted for SimaccelSession {
    const NAME: &'static str = "session";

    #[inline]
    fn uses(&self) -> &Uses {
        &self.uses
    }
}

#[derive(Debug)]
pub(crate) enum Kind {
    Cipher(CipherSession),
    /// With the bytes of its tags.
    Aead(AeadSession, usize),
    /// With the bytes of a digest, or MAC.
    Hash(HashSession, usize),
    Mac(MacSession, usize),
}

impl Kind {
    /// Creates a session by the algorithm's name: `aes-256-ctr`, `aes-128-gcm`, `sha256`, `hmac-sha256`.
    fn new(engine: &Engine, name: &str, key: &[u8], parameters: Parameters) -> Result<Self, Failure> {
        let algorithm = name.parse().map_err(|error| unknown(name, &error))?;
        let session = engine.session(algorithm, key, parameters).map_err(no_session)?;
        // Besides a text, an operation returns a digest, a MAC or a tag.
        let outputs = algorithm.operations().iter().filter_map(|&operation| session.output(operation));
        let lens = outputs.map(|output| match output {
            OutputLen::Tagged(len) | OutputLen::Fixed(len) => len,
            _ => 0,
        });
        let len = lens.max().unwrap_or_default();
        Ok(match session {
            AnySession::Cipher(session) => Self::Cipher(session),
            AnySession::Aead(session) => Self::Aead(session, len),
            AnySession::Hash(session) => Self::Hash(session, len),
            AnySession::Mac(session) => Self::Mac(session, len),
            AnySession::Key(_) => {
                let text =
                    format!("{algorithm}: keys have functions of their own, simaccel_key_import and others");
                return Err(Failure::new(SimaccelResult::Session, text));
            }
            AnySession::Other(_) => {
                let text = format!("no function for C runs {algorithm}");
                return Err(Failure::new(SimaccelResult::Session, text));
            }
        })
    }
}

impl Kind {
    pub(crate) fn check_iv(&self, len: usize) -> Result<(), Error> {
        match self {
            Self::Cipher(session) => session.check_iv(len),
            Self::Aead(session, _) => session.check_iv(len),
            Self::Hash(session, _) => session.check_iv(len),
            Self::Mac(session, _) => session.check_iv(len),
        }
    }
}

pub(crate) fn unknown(name: &str, error: &UnknownName) -> Failure {
    let known = error.known().join(", ");
    Failure::new(SimaccelResult::Session, format!("{} is none of {known}", quoted(name)))
}

/// A wrong key length is reported under the name of its parameter.
fn no_session(error: Error) -> Failure {
    match error {
        Error::Session(error @ SessionError::KeyLength { given, .. }) => {
            Failure::new(SimaccelResult::Session, format!("key_len is {given}: {error}"))
        }
        error => error.into(),
    }
}

fn wrong_kind(function: &str) -> Failure {
    Failure::argument(&format!("{function} does not fit this kind of session"))
}

/// A session of the algorithm with this name, key and options; null options are the defaults.
///
/// # Safety
///
/// `engine` is null or valid; `algorithm` and `options` are null or end with 0; `key` is null or has
/// `key_len` bytes; `session` is null or valid.
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
        let (key, options) = unsafe { (Input::new(key, key_len, "key")?, text(options, "options")?) };
        let key = Zeroizing::new(key.owned()?);
        let kind = Kind::new(&engine.engine, algorithm, &key, parameters(options)?)?;
        let made = Arc::into_raw(Arc::new(SimaccelSession { kind, uses: uses::of_this_thread() })).cast_mut();
        // SAFETY: the caller's promise.
        unsafe { store(session, made, "session") }
    })
}

/// Frees a session. Streams of it, and operations that jobs are paused in, keep what they need.
///
/// # Safety
///
/// `session` is null, or a session that is not used again.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn simaccel_session_free(session: *mut SimaccelSession) {
    boundary(|| {
        // SAFETY: null, or created by `simaccel_session_new`; freed by its owner, and not used again.
        unsafe { uses::give_up(session) };
    });
}

/// Runs an operation on what C has a handle of, which is kept during it.
///
/// # Safety
///
/// `handle` is null or valid when this is called.
#[cfg_attr(not(debug_assertions), inline(always))] // see simaccel's fiber.rs on returns
pub(crate) unsafe fn operate_on<T: Counted>(
    handle: *mut T,
    operation: impl FnOnce(&T) -> Result<(), Failure>,
) -> SimaccelResult {
    reported(|| {
        // SAFETY: the caller's promise; after that, the target is held for as long as it is used.
        let borrowed = unsafe { given(handle, T::NAME) }?;
        // SAFETY: not null, as was just seen, and the caller's promise. (The reference does not reach the
        // counts of the `Arc` beside it.)
        let kept = Keep::begin(unsafe { uses::begin(NonNull::new_unchecked(handle)) });
        let result = operation(borrowed);
        kept.end();
        result
    })
}

/// A cipher's operation, in three steps: check, compute on a copy, copy out.
#[cfg_attr(not(debug_assertions), inline(always))] // see simaccel's fiber.rs on returns
fn cipher(
    cipher: &CipherSession,
    operation: Operation,
    iv: Input,
    input: Input,
    output: Output,
) -> Result<(), Failure> {
    let (full, short);
    let iv: &[u8] = match iv.exactly::<MAX_IV>() {
        Some(iv) if cipher.keeps_len() => {
            output.check_room(input.len()..=input.len())?;
            full = iv;
            &full
        }
        _ => {
            cipher.check(operation, iv.len(), input.len()).map_err(named)?;
            output.check_room(cipher.output_len(operation, input.len()))?;
            short = iv.short::<MAX_IV>()?;
            &short
        }
    };
    let buffer = input.copied(GROWTH)?;
    let done = match operation {
        Operation::Encrypt => cipher.encrypt(iv, buffer),
        _ => cipher.decrypt(iv, buffer),
    };
    put(done, input, output)
}

/// Copies text out, and wipes it here.
#[cfg_attr(not(debug_assertions), inline(always))]
fn put(done: Result<Vec<u8>, OpError>, input: Input, output: Output) -> Result<(), Failure> {
    let text = done.map_err(refused)?;
    let put = output.put(&text);
    copies::recycle(text, input.len());
    put
}

/// The error only; the buffers that come with it are wiped.
#[cold]
pub(crate) fn wiped(error: OpError) -> Error {
    let (error, buffer, destination) = error.into_buffers();
    drop((Zeroizing::new(buffer), Zeroizing::new(destination.unwrap_or_default())));
    error
}

fn refused(error: OpError) -> Failure {
    named(wiped(error))
}

/// Renames the arguments of an error to their names in C.
#[cold]
fn named(error: Error) -> Failure {
    let Error::InvalidArgument(ArgumentError::Length { argument, given, algorithm, allowed }) = error else {
        return error.into();
    };
    let name = match argument {
        Argument::Iv => "iv",
        Argument::Nonce => "nonce",
        Argument::Message => "in",
        Argument::Tag => "tag",
        Argument::Mac => "expected",
        _ => return error.into(),
    };
    Failure::argument(&format!("{name}_len is {given}: {algorithm} takes {allowed}"))
}

/// Runs a cipher's operation, for the function of this name.
///
/// # Safety
///
/// The session is null or valid; memory is null or has the given size.
#[cfg_attr(not(debug_assertions), inline(always))] // see simaccel's fiber.rs on returns
unsafe fn by_cipher(
    function: &str,
    session: *mut SimaccelSession,
    operation: Operation,
    (iv, iv_len): (*const c_void, usize),
    (input, in_len): (*const c_void, usize),
    output: Output,
) -> SimaccelResult {
    // SAFETY: the caller's promises.
    unsafe {
        operate_on(session, |SimaccelSession { kind, .. }| {
            let Kind::Cipher(session) = kind else { return Err(wrong_kind(function)) };
            let (iv, input) = (Input::new(iv, iv_len, "iv")?, Input::new(input, in_len, "in")?);
            cipher(session, operation, iv, input, output)
        })
    }
}

/// Encrypts in one request: ciphers without authentication.
///
/// # Safety
///
/// Handles are null or valid; memory is null or has the given size; `out_len` is null or valid.
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
        let output = Output::new(out, out_size, out_len, "out");
        by_cipher("simaccel_encrypt", session, Operation::Encrypt, (iv, iv_len), (input, in_len), output)
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
        let output = Output::new(out, out_size, out_len, "out");
        by_cipher("simaccel_decrypt", session, Operation::Decrypt, (iv, iv_len), (input, in_len), output)
    }
}

/// An AEAD's operation on copies of everything; its text goes to `output`, and the tag where that is asked
/// for.
///
/// Its steps are functions of their own, as in `simaccel`: without optimisation that keeps the frames of a
/// paused job small.
#[cfg_attr(not(debug_assertions), inline(always))] // see simaccel's fiber.rs on returns
fn aead(
    session: &AeadSession,
    operation: Operation,
    [nonce, aad, input]: [Input; 3],
    tag: Option<&Tag>,
    output: Output,
    tag_output: Option<Output>,
) -> Result<(), Failure> {
    let copies = copied_texts(aad, input)?;
    let done = if nonce.len() <= MAX_IV {
        let nonce = nonce.short::<MAX_IV>()?;
        session.whole_owned(operation, &nonce, copies.0, copies.1, tag)
    } else {
        session.whole_with_long_nonce(operation, nonce.owned()?, copies.0, copies.1, tag)
    };
    done.map_err(refused).and_then(|done| {
        if !aad.is_empty() {
            copies::recycle(done.aad, aad.len());
        }
        put(Ok(done.buffer), input, output)?;
        tag_output.map_or(Ok(()), |output| output.put(done.tag.as_bytes()))
    })
}

#[cfg_attr(not(debug_assertions), inline(always))]
fn copied_texts(aad: Input, input: Input) -> Result<(Vec<u8>, Vec<u8>), Failure> {
    let aad = if aad.is_empty() { Vec::new() } else { aad.copied(0)? };
    Ok((aad, input.copied(0)?))
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
        operate_on(session, |SimaccelSession { kind, .. }| {
            let &Kind::Aead(ref session, own_tag_len) = kind else {
                return Err(wrong_kind("simaccel_seal"));
            };
            let (nonce, aad) = (Input::new(nonce, nonce_len, "nonce")?, Input::new(aad, aad_len, "aad")?);
            let input = Input::new(input, in_len, "in")?;
            let output = Output::new(out, out_size, out_len, "out");
            let tag_output = Output::new(tag, tag_size, tag_len, "tag");
            session.check(Operation::Encrypt, nonce.len(), input.len()).map_err(named)?;
            output.check_room(session.output_len(Operation::Encrypt, input.len()))?;
            // Both are checked before either is written.
            tag_output.check_room(own_tag_len..=own_tag_len)?;
            aead(session, Operation::Encrypt, [nonce, aad, input], None, output, Some(tag_output))
        })
    }
}

/// Decrypts in one request if the tag is right: AEADs. Otherwise nothing is written.
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
        operate_on(session, |SimaccelSession { kind, .. }| {
            let &Kind::Aead(ref session, own_tag_len) = kind else {
                return Err(wrong_kind("simaccel_open"));
            };
            let (nonce, aad) = (Input::new(nonce, nonce_len, "nonce")?, Input::new(aad, aad_len, "aad")?);
            let (input, tag) = (Input::new(input, in_len, "in")?, Input::new(tag, tag_len, "tag")?);
            let output = Output::new(out, out_size, out_len, "out");
            let tag = check_open(session, [nonce, input], tag, own_tag_len, output)?;
            aead(session, Operation::Decrypt, [nonce, aad, input], Some(&tag), output, None)
        })
    }
}

/// Refuses arguments that do not fit. Returns the tag to compare with.
#[cfg_attr(not(debug_assertions), inline(always))]
fn check_open(
    session: &AeadSession,
    [nonce, input]: [Input; 2],
    tag: Input,
    own_tag_len: usize,
    output: Output,
) -> Result<Tag, Failure> {
    session.check(Operation::Decrypt, nonce.len(), input.len()).map_err(named)?;
    let tag = given_tag(tag, own_tag_len)?;
    output.check_room(session.output_len(Operation::Decrypt, input.len()))?;
    Ok(tag)
}

/// A tag to compare with, of the session's length.
pub(crate) fn given_tag(tag: Input, session_len: usize) -> Result<Tag, Failure> {
    if tag.len() != session_len {
        let given = tag.len();
        let text = format!("tag_len is {given}: the session's tags have {session_len} bytes");
        return Err(Failure::argument(&text));
    }
    Ok(Tag::new(&tag.short::<MAX_TAG>()?).unwrap_or_default())
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
        operate_on(session, |SimaccelSession { kind, .. }| {
            let &Kind::Hash(ref hash, digest_len) = kind else { return Err(wrong_kind("simaccel_digest")) };
            let input = Input::new(input, in_len, "in")?;
            let output = Output::new(out, out_size, out_len, "out");
            output.check_room(digest_len..=digest_len)?;
            put_tag(hash.digest_owned(input.copied(0)?), in_len, output)
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
        operate_on(session, |SimaccelSession { kind, .. }| {
            let &Kind::Mac(ref mac, mac_len) = kind else { return Err(wrong_kind("simaccel_hmac")) };
            let input = Input::new(input, in_len, "in")?;
            let output = Output::new(out, out_size, out_len, "out");
            output.check_room(mac_len..=mac_len)?;
            put_tag(mac.mac_owned(input.copied(0)?), in_len, output)
        })
    }
}

/// Copies a digest or a MAC out. The message was a copy.
#[cfg_attr(not(debug_assertions), inline(always))]
fn put_tag(done: Result<(Vec<u8>, Tag), OpError>, in_len: usize, output: Output) -> Result<(), Failure> {
    let (message, tag) = done.map_err(refused)?;
    copies::recycle(message, in_len);
    output.put(tag.as_bytes())
}

/// Whether the HMAC of a message equals this one, or begins with it (at least 4 bytes): compared in constant
/// time.
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
        operate_on(session, |SimaccelSession { kind, .. }| {
            let &Kind::Mac(ref mac, mac_len) = kind else { return Err(wrong_kind("simaccel_hmac_verify")) };
            let input = Input::new(input, in_len, "in")?;
            let expected = Input::new(expected, expected_len, "expected")?;
            if expected_len > mac_len {
                let text = format!("expected_len is {expected_len}: the session's MACs have {mac_len} bytes");
                return Err(Failure::argument(&text));
            }
            let expected = expected.short::<{ Tag::MAX }>()?;
            let message = mac.verify_owned(input.copied(0)?, &expected).map_err(refused)?;
            copies::recycle(message, in_len);
            Ok(())
        })
    }
}

/// The direction of a stream.
pub(crate) fn encrypts(direction: c_int) -> Result<bool, Failure> {
    match direction {
        0 => Ok(false),
        1 => Ok(true),
        _ => Err(Failure::argument(&format!(
            "direction is {direction}: neither SIMACCEL_ENCRYPT nor SIMACCEL_DECRYPT"
        ))),
    }
}
