//! Multi-part operations for C: any number of updates, then one matching finish.
//!
//! ```text
//!   simaccel_stream ── busy ─── one call at a time; a paused job's counts until it returns or is discarded
//!                   ── parts ── the engine's stream: fresh, between parts, finished, poisoned
//! ```
#![expect(unsafe_code, reason = "the contracts of C functions, and their exported names")]

use std::cell::UnsafeCell;
use std::ffi::{c_int, c_void};
use std::fmt;
use std::ptr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use simaccel::{AeadOpener, AeadSealer, ArgumentError, CipherStream, Error, HashStream, MacStream, OpError};

use crate::copies::{self, Input, Output};
use crate::engine::{given, store};
use crate::guard::boundary;
use crate::held::Keep;
use crate::last_error::{Failure, SimaccelResult, reported};
use crate::session::{Kind, MAX_TAG, SimaccelSession, encrypts, given_tag, wiped};

/// How many bytes more than its input a part may return: what earlier parts held back.
/// `SIMACCEL_STREAM_OVERHEAD`.
const OVERHEAD: usize = 32;

/// A multi-part operation, as C sees it.
pub struct SimaccelStream {
    busy: AtomicBool,
    parts: UnsafeCell<Parts>,
}

// SAFETY: only the call that has set `busy` uses `parts`.
unsafe impl Sync for SimaccelStream {}

impl fmt::Debug for SimaccelStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SimaccelStream").field("busy", &self.busy).finish_non_exhaustive()
    }
}

enum Parts {
    Cipher(CipherStream),
    Sealer(AeadSealer),
    /// With the bytes of its tag.
    Opener(AeadOpener, usize),
    Hash(HashStream),
    Mac(MacStream),
}

impl Parts {
    /// Refuses now what the first part would be refused for.
    fn new(session: &Kind, direction: c_int, iv: Input, aad: Input) -> Result<Self, Failure> {
        session.check_iv(iv.len()).map_err(named)?;
        if !aad.is_empty() && !matches!(session, Kind::Aead(..)) {
            let given = aad.len();
            return Err(Failure::argument(&format!("aad_len is {given}: only AEADs have additional data")));
        }
        match session {
            Kind::Cipher(cipher) => {
                let (iv, encrypts) = (iv.owned()?, encrypts(direction)?);
                Ok(Self::Cipher(if encrypts { cipher.encryptor(&iv) } else { cipher.decryptor(&iv) }))
            }
            Kind::Aead(aead, tag_len) => {
                let (nonce, aad) = (iv.owned()?, aad.owned()?);
                Ok(if encrypts(direction)? {
                    Self::Sealer(aead.sealer_owned(nonce, aad))
                } else {
                    Self::Opener(aead.opener_owned(nonce, aad), *tag_len)
                })
            }
            Kind::Hash(hash, _) => Ok(Self::Hash(hash.stream())),
            Kind::Mac(mac, _) => Ok(Self::Mac(mac.stream())),
        }
    }

    fn update(&mut self, input: Input, output: Output) -> Result<(), Failure> {
        let part = input.copied(OVERHEAD)?;
        let done = match self {
            Self::Cipher(stream) => stream.update(part),
            Self::Sealer(stream) => stream.update(part),
            Self::Opener(stream, _) => stream.update(part),
            Self::Hash(stream) => return taken_in(stream.update(part), input, output),
            Self::Mac(stream) => return taken_in(stream.update(part), input, output),
        };
        text_out(done, input.len(), output)
    }

    fn gives_text(&self) -> bool {
        matches!(self, Self::Cipher(_) | Self::Sealer(_) | Self::Opener(..))
    }
}

/// Copies a part's output out, and wipes it here.
fn text_out(part: Result<Vec<u8>, OpError>, in_len: usize, output: Output) -> Result<(), Failure> {
    let text = part.map_err(refused)?;
    let put = output.put(&text);
    copies::recycle(text, in_len);
    put
}

fn taken_in(part: Result<Vec<u8>, OpError>, input: Input, output: Output) -> Result<(), Failure> {
    copies::recycle(part.map_err(refused)?, input.len());
    output.write_len(0);
    Ok(())
}

/// A refused length is that of the whole message, which the caller passes in parts.
fn refused(error: OpError) -> Failure {
    wiped(error).into()
}

/// Reports an initialisation vector or nonce that does not fit under the name of its parameter.
fn named(error: Error) -> Failure {
    match error {
        Error::InvalidArgument(ArgumentError::Length { given, algorithm, allowed, .. }) => {
            Failure::argument(&format!("iv_len is {given}: {algorithm} takes {allowed}"))
        }
        error => error.into(),
    }
}

/// A stream in use: what is held while its job is paused. Dropping it frees the stream.
struct Use {
    stream: Arc<SimaccelStream>,
}

impl Use {
    /// # Safety
    ///
    /// `stream` is null or valid.
    unsafe fn begin(stream: *mut SimaccelStream) -> Result<Self, Failure> {
        // SAFETY: the caller's promise.
        unsafe { given(stream, "stream") }?;
        // SAFETY: made from an `Arc` that the caller owns a share of.
        let stream = unsafe {
            Arc::increment_strong_count(stream);
            Arc::from_raw(stream)
        };
        if stream.busy.swap(true, Ordering::Acquire) {
            return Err(Failure::new(
                SimaccelResult::Busy,
                "the stream is in use by another call: of a paused job, or of another thread",
            ));
        }
        Ok(Self { stream })
    }
}

impl Drop for Use {
    fn drop(&mut self) {
        self.stream.busy.store(false, Ordering::Release);
    }
}

/// Runs one call on a stream.
///
/// # Safety
///
/// `stream` is null or valid when this is called.
unsafe fn operate(
    stream: *mut SimaccelStream,
    operation: impl FnOnce(&mut Parts) -> Result<(), Failure>,
) -> SimaccelResult {
    reported(|| {
        // SAFETY: the caller's promise.
        let in_use = unsafe { Use::begin(stream) }?;
        let parts = in_use.stream.parts.get();
        let _kept = Keep::begin(Arc::new(in_use).into());
        // SAFETY: this use is exclusive until it is dropped, and it is kept for as long as the parts are
        // used.
        operation(unsafe { &mut *parts })
    })
}

/// Starts a multi-part operation. Digests and MACs take no direction, and no initialisation vector.
///
/// # Safety
///
/// Handles are null or valid; memory is null or has the given size.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn simaccel_stream_new(
    session: *mut SimaccelSession,
    direction: c_int,
    iv: *const c_void,
    iv_len: usize,
    aad: *const c_void,
    aad_len: usize,
    stream: *mut *mut SimaccelStream,
) -> SimaccelResult {
    reported(|| {
        // SAFETY: the caller's promise.
        unsafe { store(stream, ptr::null_mut(), "stream") }?;
        // SAFETY: the caller's promise.
        let session = unsafe { given(session, "session") }?;
        // SAFETY: the caller's promises.
        let (iv, aad) = unsafe { (Input::new(iv, iv_len, "iv")?, Input::new(aad, aad_len, "aad")?) };
        let parts = Parts::new(&session.kind, direction, iv, aad)?;
        let made = SimaccelStream { busy: AtomicBool::new(false), parts: UnsafeCell::new(parts) };
        // SAFETY: the caller's promise.
        unsafe { store(stream, Arc::into_raw(Arc::new(made)).cast_mut(), "stream") }
    })
}

/// Frees a stream, finished or not. An operation that a job is paused in keeps what it needs.
///
/// # Safety
///
/// `stream` is null, or a stream that is not used again.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn simaccel_stream_free(stream: *mut SimaccelStream) {
    boundary(|| {
        if !stream.is_null() {
            // SAFETY: created by `simaccel_stream_new`, and freed by its owner.
            drop(unsafe { Arc::from_raw(stream) });
        }
    });
}

/// Processes the next part of the message and returns its output; digests and MACs return nothing. Ciphers
/// need room for `SIMACCEL_STREAM_OVERHEAD` bytes more than the input.
///
/// # Safety
///
/// Handles are null or valid; memory is null or has the given size.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn simaccel_stream_update(
    stream: *mut SimaccelStream,
    input: *const c_void,
    in_len: usize,
    out: *mut c_void,
    out_size: usize,
    out_len: *mut usize,
) -> SimaccelResult {
    // SAFETY: the caller's promises.
    unsafe {
        operate(stream, |parts| {
            let input = Input::new(input, in_len, "in")?;
            let output = Output::new(out, out_size, out_len, "out");
            if parts.gives_text() {
                // Before anything is done: output that does not fit would be lost.
                require_room(output, in_len.saturating_add(OVERHEAD))?;
            }
            parts.update(input, output)
        })
    }
}

/// The end of the message: the rest of the text of a cipher, a digest or a MAC.
///
/// # Safety
///
/// As for [`simaccel_stream_update`].
#[unsafe(no_mangle)]
pub unsafe extern "C" fn simaccel_stream_finish(
    stream: *mut SimaccelStream,
    out: *mut c_void,
    out_size: usize,
    out_len: *mut usize,
) -> SimaccelResult {
    // SAFETY: the caller's promises.
    unsafe {
        operate(stream, |parts| {
            let output = Output::new(out, out_size, out_len, "out");
            match parts {
                Parts::Cipher(stream) => {
                    require_room(output, OVERHEAD)?;
                    text_out(stream.finish_by_ref(), 0, output)
                }
                Parts::Hash(stream) => {
                    require_room(output, MAX_DIGEST)?;
                    output.put(stream.finish_by_ref().map_err(refused)?.as_bytes())
                }
                Parts::Mac(stream) => {
                    require_room(output, MAX_DIGEST)?;
                    output.put(stream.finish_by_ref().map_err(refused)?.as_bytes())
                }
                Parts::Sealer(_) | Parts::Opener(..) => Err(Failure::argument(
                    "an AEAD ends with simaccel_stream_finish_seal or simaccel_stream_finish_open",
                )),
            }
        })
    }
}

/// Bytes of the longest digest. `SIMACCEL_MAX_DIGEST`.
const MAX_DIGEST: usize = 64;

/// Requires the documented room.
fn require_room(output: Output, room: usize) -> Result<(), Failure> {
    output.check_room(room..=room)
}

/// The end of a message that was encrypted and authenticated: its tag.
///
/// # Safety
///
/// As for [`simaccel_stream_update`].
#[unsafe(no_mangle)]
pub unsafe extern "C" fn simaccel_stream_finish_seal(
    stream: *mut SimaccelStream,
    tag: *mut c_void,
    tag_size: usize,
    tag_len: *mut usize,
) -> SimaccelResult {
    // SAFETY: the caller's promises.
    unsafe {
        operate(stream, |parts| {
            let Parts::Sealer(stream) = parts else {
                return Err(Failure::argument("the stream does not encrypt with an AEAD"));
            };
            let output = Output::new(tag, tag_size, tag_len, "tag");
            require_room(output, MAX_TAG)?;
            let (_, tag) = stream.finish_by_ref().map_err(refused)?;
            output.put(tag.as_bytes())
        })
    }
}

/// The end of a message that an AEAD has decrypted: whether all of the output is authentic.
///
/// # Safety
///
/// As for [`simaccel_stream_update`].
#[unsafe(no_mangle)]
pub unsafe extern "C" fn simaccel_stream_finish_open(
    stream: *mut SimaccelStream,
    tag: *const c_void,
    tag_len: usize,
) -> SimaccelResult {
    // SAFETY: the caller's promises.
    unsafe {
        operate(stream, |parts| {
            let Parts::Opener(stream, own_tag_len) = parts else {
                return Err(Failure::argument("the stream does not decrypt with an AEAD"));
            };
            let tag = given_tag(Input::new(tag, tag_len, "tag")?, *own_tag_len)?;
            copies::recycle(stream.finish_by_ref(tag.as_bytes()).map_err(refused)?, 0);
            Ok(())
        })
    }
}
