//! Operations with keys: those that pause or block, and the start of those that do neither.
//!
//! ```text
//!   arguments ──checked──► Prepared: operation, arguments with their randomness, input ──┬─► run: out ◄──copied──
//!              scheme, room for `out`                                                    └─► start: a handle
//! ```
//!
//! As for all operations the frames of one that pauses own nothing: what it needs is in its request, and the
//! key is [held](crate::held) for the job.
#![expect(unsafe_code, reason = "the contracts of C functions, and their exported names")]

use std::ffi::{c_char, c_int, c_void};
use std::ptr;
use std::sync::Arc;

use simaccel::{KeyArguments, Operation, Zeroizing};

use super::outputs::{Generator, Outputs, put_encapsulated};
use super::prepared::Prepared;
use super::started::{ReadyFn, SimaccelOperation};
use super::{AnyKey, SimaccelKey, scheme, sizes};
use crate::copies::{Input, Output};
use crate::engine::{SimaccelEngine, given, store, text};
use crate::held::Keep;
use crate::last_error::{Failure, SimaccelResult, reported};
use crate::session::operate_on;

/// What a function was given.
#[derive(Clone, Copy)]
struct Given {
    scheme: *const c_char,
    data: *const c_void,
    len: usize,
    /// Of the two.
    name: &'static str,
    signature: Option<(*const c_void, usize)>,
}

impl Given {
    const fn new(scheme: *const c_char, data: *const c_void, len: usize, name: &'static str) -> Self {
        Self { scheme, data, len, name, signature: None }
    }

    /// Copies everything, once it is certain that there is room.
    ///
    /// # Safety
    ///
    /// The scheme is null or ends with 0; memory is null or has the given size.
    unsafe fn prepared(
        self,
        key: &SimaccelKey,
        operation: Operation,
        has_room: impl FnOnce(usize) -> Result<(), Failure>,
    ) -> Result<Prepared, Failure> {
        sizes::check(&key.key, operation)?;
        // SAFETY: the caller's promise.
        let mut arguments = arguments(&key.key, operation, unsafe { text(self.scheme, "scheme") }?)?;
        has_room(sizes::most(&key.key, operation, &arguments))?;
        // SAFETY: the caller's promise.
        let input = unsafe { Input::new(self.data, self.len, self.name) }?;
        if let Some((signature, len)) = self.signature {
            // SAFETY: the caller's promise.
            arguments.signature = unsafe { Input::new(signature, len, "signature") }?.owned()?;
        }
        let input = Zeroizing::new(input.owned()?);
        Ok(Prepared { operation, arguments: key.session.with_randomness(operation, arguments)?, input })
    }
}

/// Scheme or padding, without randomness.
fn arguments(key: &AnyKey, operation: Operation, with: &str) -> Result<KeyArguments, Failure> {
    let mut arguments = KeyArguments::default();
    match operation {
        Operation::Sign | Operation::Verify => {
            arguments.scheme = Some(scheme::signature(with, key.algorithm())?);
        }
        Operation::Encrypt | Operation::Decrypt => {
            arguments.padding = Some(scheme::padding(with, key.algorithm())?);
        }
        _ => scheme::none(with)?,
    }
    Ok(arguments)
}

/// One of `simaccel_key_operation`.
fn numbered(operation: c_int) -> Result<Operation, Failure> {
    Ok(match operation {
        1 => Operation::Sign,
        2 => Operation::Verify,
        3 => Operation::Encrypt,
        4 => Operation::Decrypt,
        5 => Operation::Derive,
        6 => Operation::Encapsulate,
        7 => Operation::Decapsulate,
        8 => Operation::Generate,
        _ => {
            return Err(Failure::argument(&format!(
                "operation is {operation}: none of simaccel_key_operation"
            )));
        }
    })
}

/// The most bytes that an operation writes.
///
/// # Safety
///
/// `key` is null or valid; `scheme` is null or ends with 0; `size` is null or valid.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn simaccel_key_output_size(
    key: *mut SimaccelKey,
    operation: c_int,
    scheme: *const c_char,
    size: *mut usize,
) -> SimaccelResult {
    reported(|| {
        // SAFETY: the caller's promises.
        let (key, scheme) = unsafe { (given(key, "key")?, text(scheme, "scheme")?) };
        let operation = numbered(operation)?;
        sizes::check(&key.key, operation)?;
        let most = sizes::most(&key.key, operation, &arguments(&key.key, operation, scheme)?);
        // SAFETY: the caller's promise.
        unsafe { store(size, most, "size") }
    })
}

/// Runs an operation with one output.
///
/// # Safety
///
/// `key` is null or valid when this is called; what is given is as [`Given::prepared`] needs it.
unsafe fn whole(key: *mut SimaccelKey, operation: Operation, given: Given, output: Output) -> SimaccelResult {
    // SAFETY: the caller's promises.
    unsafe {
        operate_on(key, |key: &SimaccelKey| {
            let has_room = |most| output.check_room(most..=most);
            output.put(&given.prepared(key, operation, has_room)?.run(&key.session)?)
        })
    }
}

/// Signs.
///
/// # Safety
///
/// `key` is null or valid; `scheme` is null or ends with 0; memory is null or has the given size; `out_len`
/// is null or valid.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn simaccel_key_sign(
    key: *mut SimaccelKey,
    scheme: *const c_char,
    input: *const c_void,
    in_len: usize,
    out: *mut c_void,
    out_size: usize,
    out_len: *mut usize,
) -> SimaccelResult {
    let given = Given::new(scheme, input, in_len, "in");
    // SAFETY: the caller's promises.
    unsafe { whole(key, Operation::Sign, given, Output::new(out, out_size, out_len, "out")) }
}

/// Compares a signature.
///
/// # Safety
///
/// As for [`simaccel_key_sign`].
#[unsafe(no_mangle)]
pub unsafe extern "C" fn simaccel_key_verify(
    key: *mut SimaccelKey,
    scheme: *const c_char,
    input: *const c_void,
    in_len: usize,
    signature: *const c_void,
    signature_len: usize,
) -> SimaccelResult {
    let mut given = Given::new(scheme, input, in_len, "in");
    given.signature = Some((signature, signature_len));
    // SAFETY: the caller's promises.
    unsafe {
        operate_on(key, |key: &SimaccelKey| {
            given.prepared(key, Operation::Verify, |_| Ok(()))?.run(&key.session).map(drop)
        })
    }
}

/// Encrypts for an RSA key.
///
/// # Safety
///
/// As for [`simaccel_key_sign`].
#[unsafe(no_mangle)]
pub unsafe extern "C" fn simaccel_key_encrypt(
    key: *mut SimaccelKey,
    scheme: *const c_char,
    input: *const c_void,
    in_len: usize,
    out: *mut c_void,
    out_size: usize,
    out_len: *mut usize,
) -> SimaccelResult {
    let given = Given::new(scheme, input, in_len, "in");
    // SAFETY: the caller's promises.
    unsafe { whole(key, Operation::Encrypt, given, Output::new(out, out_size, out_len, "out")) }
}

/// Decrypts with an RSA key.
///
/// # Safety
///
/// As for [`simaccel_key_sign`].
#[unsafe(no_mangle)]
pub unsafe extern "C" fn simaccel_key_decrypt(
    key: *mut SimaccelKey,
    scheme: *const c_char,
    input: *const c_void,
    in_len: usize,
    out: *mut c_void,
    out_size: usize,
    out_len: *mut usize,
) -> SimaccelResult {
    let given = Given::new(scheme, input, in_len, "in");
    // SAFETY: the caller's promises.
    unsafe { whole(key, Operation::Decrypt, given, Output::new(out, out_size, out_len, "out")) }
}

/// The secret that a key and the peer's public value give.
///
/// # Safety
///
/// As for [`simaccel_key_sign`].
#[unsafe(no_mangle)]
pub unsafe extern "C" fn simaccel_key_derive(
    key: *mut SimaccelKey,
    peer: *const c_void,
    peer_len: usize,
    out: *mut c_void,
    out_size: usize,
    out_len: *mut usize,
) -> SimaccelResult {
    let given = Given::new(ptr::null(), peer, peer_len, "peer");
    // SAFETY: the caller's promises.
    unsafe { whole(key, Operation::Derive, given, Output::new(out, out_size, out_len, "out")) }
}

/// The secret in a ciphertext.
///
/// # Safety
///
/// As for [`simaccel_key_sign`].
#[unsafe(no_mangle)]
pub unsafe extern "C" fn simaccel_key_decapsulate(
    key: *mut SimaccelKey,
    input: *const c_void,
    in_len: usize,
    out: *mut c_void,
    out_size: usize,
    out_len: *mut usize,
) -> SimaccelResult {
    let given = Given::new(ptr::null(), input, in_len, "in");
    // SAFETY: the caller's promises.
    unsafe { whole(key, Operation::Decapsulate, given, Output::new(out, out_size, out_len, "out")) }
}

/// A ciphertext, and the secret in it.
///
/// # Safety
///
/// As for [`simaccel_key_sign`], for both outputs.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn simaccel_key_encapsulate(
    key: *mut SimaccelKey,
    out: *mut c_void,
    out_size: usize,
    out_len: *mut usize,
    secret: *mut c_void,
    secret_size: usize,
    secret_len: *mut usize,
) -> SimaccelResult {
    let given = Given::new(ptr::null(), ptr::null(), 0, "in");
    // SAFETY: the caller's promises.
    unsafe {
        let out = Output::new(out, out_size, out_len, "out");
        let secret = Output::new(secret, secret_size, secret_len, "secret");
        operate_on(key, |key: &SimaccelKey| {
            let secret_len = key.key.algorithm().secret_len();
            let has_room = |most| {
                out.check_room(most..=most)?;
                secret.check_room(secret_len..=secret_len)
            };
            let both = given.prepared(key, Operation::Encapsulate, has_room)?.run(&key.session)?;
            put_encapsulated(&both, key.key.algorithm().ciphertext_len(), out, secret)
        })
    }
}

/// Starts an operation that neither pauses nor blocks.
///
/// # Safety
///
/// `key` is null or valid; `scheme` is null or ends with 0; memory is null or has the given size; `ready` may
/// be called with `arg` in every thread until the operation is over; `started` is null or valid.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn simaccel_key_start(
    key: *mut SimaccelKey,
    operation: c_int,
    scheme: *const c_char,
    input: *const c_void,
    in_len: usize,
    ready: Option<ReadyFn>,
    arg: *mut c_void,
    started: *mut *mut SimaccelOperation,
) -> SimaccelResult {
    let given = Given::new(scheme, input, in_len, "in");
    // SAFETY: the caller's promises.
    unsafe {
        start(key, given, ready, arg, started, || match numbered(operation)? {
            Operation::Verify => Err(other_start("simaccel_key_start_verify")),
            Operation::Generate => Err(other_start("simaccel_key_start_generate")),
            operation => Ok(operation),
        })
    }
}

fn other_start(function: &str) -> Failure {
    Failure::argument(&format!("this operation is started with {function}"))
}

/// Starts to compare a signature.
///
/// # Safety
///
/// As for [`simaccel_key_start`].
#[unsafe(no_mangle)]
pub unsafe extern "C" fn simaccel_key_start_verify(
    key: *mut SimaccelKey,
    scheme: *const c_char,
    input: *const c_void,
    in_len: usize,
    signature: *const c_void,
    signature_len: usize,
    ready: Option<ReadyFn>,
    arg: *mut c_void,
    started: *mut *mut SimaccelOperation,
) -> SimaccelResult {
    let mut given = Given::new(scheme, input, in_len, "in");
    given.signature = Some((signature, signature_len));
    // SAFETY: the caller's promises.
    unsafe { start(key, given, ready, arg, started, || Ok(Operation::Verify)) }
}

/// # Safety
///
/// As for [`simaccel_key_start`].
unsafe fn start(
    key: *mut SimaccelKey,
    given: Given,
    ready: Option<ReadyFn>,
    arg: *mut c_void,
    started: *mut *mut SimaccelOperation,
    operation: impl FnOnce() -> Result<Operation, Failure>,
) -> SimaccelResult {
    // SAFETY: the caller's promises.
    unsafe {
        let is_place = reported(|| store(started, ptr::null_mut(), "started"));
        if is_place != SimaccelResult::Ok {
            return is_place;
        }
        operate_on(key, |key: &SimaccelKey| {
            let operation = operation()?;
            let prepared = given.prepared(key, operation, |_| Ok(()))?;
            let outputs = match operation {
                Operation::Verify => Outputs::Nothing,
                Operation::Encapsulate => Outputs::Encapsulated(key.key.algorithm().ciphertext_len()),
                _ => Outputs::Bytes,
            };
            SimaccelOperation::begin(prepared.start(&key.session), outputs, ready, arg, started)
        })
    }
}

/// Has the device generate a key.
///
/// # Safety
///
/// `engine` is null or valid; `algorithm` is null or ends with 0; `key` is null or valid.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn simaccel_key_generate(
    engine: *mut SimaccelEngine,
    algorithm: *const c_char,
    bits: usize,
    key: *mut *mut SimaccelKey,
) -> SimaccelResult {
    reported(|| {
        // SAFETY: the caller's promise.
        unsafe { store(key, ptr::null_mut(), "key") }?;
        // SAFETY: the caller's promises.
        let (engine, name) = unsafe { (given(engine, "engine")?, text(algorithm, "algorithm")?) };
        let generator = Arc::new(Generator::new(&engine.engine, name, bits)?);
        let prepared = generator.prepared()?;
        let borrowed = Arc::as_ptr(&generator);
        let _kept = Keep::begin(generator.into());
        // SAFETY: it is kept for as long as it is used.
        let generator = unsafe { &*borrowed };
        let bytes = prepared.run(&generator.session)?;
        // SAFETY: the caller's promise.
        unsafe { store(key, generator.key(&bytes)?, "key") }
    })
}

/// Starts to generate a key.
///
/// # Safety
///
/// As for [`simaccel_key_start`]; `engine` is null or valid, `algorithm` is null or ends with 0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn simaccel_key_start_generate(
    engine: *mut SimaccelEngine,
    algorithm: *const c_char,
    bits: usize,
    ready: Option<ReadyFn>,
    arg: *mut c_void,
    started: *mut *mut SimaccelOperation,
) -> SimaccelResult {
    reported(|| {
        // SAFETY: the caller's promise.
        unsafe { store(started, ptr::null_mut(), "started") }?;
        // SAFETY: the caller's promises.
        let (engine, name) = unsafe { (given(engine, "engine")?, text(algorithm, "algorithm")?) };
        let generator = Generator::new(&engine.engine, name, bits)?;
        let begun = generator.prepared()?.start(&generator.session);
        // SAFETY: the caller's promises.
        unsafe { SimaccelOperation::begin(begun, Outputs::Key(generator), ready, arg, started) }
    })
}
