//! Private and public keys for C: `include/simaccel/keys.h` is the reference, also for arguments.
//!
//! ```text
//!   import, numbers, bytes, generate ──► simaccel_key ──┬── sign, derive ...   `operations`: pause or block
//!                                          │            └── start ──► take     `started`:    neither
//!                                          ├── KeySession  (the device has it under its id)
//!                                          └── PrivateKey or PublicKey  (to compare and to write it)
//!
//!   scheme, as text ──► `scheme`      room for the output ──► `sizes`      what it is written as ──► `forms`
//! ```
//!
//! Importing a key takes more of a stack than a job may have, so it takes place outside the job
//! ([`Engine::outside_job`]); it does not pause.
#![expect(unsafe_code, reason = "the contracts of C functions, and their exported names")]

mod forms;
mod operations;
mod outputs;
mod prepared;
mod scheme;
mod sizes;
mod started;

use std::ffi::{c_char, c_int, c_void};
use std::ptr;
use std::sync::Arc;

use simaccel::{
    Engine, KeyAlgorithm, KeyError, KeySession, PrivateKey, PublicKey, RsaNumbers, Uses, Zeroizing,
};

use crate::copies::{Input, Output};
use crate::engine::{SimaccelEngine, given, store, text};
use crate::guard::boundary;
use crate::last_error::{Failure, SimaccelResult, reported};
use crate::session::unknown;
use crate::uses::{self, Counted};

pub use operations::*;
pub use started::{
    ReadyFn, SimaccelOperation, simaccel_operation_cancel, simaccel_operation_free, simaccel_operation_take,
    simaccel_operation_take_encapsulated, simaccel_operation_take_key,
};

/// A key, as C sees it.
#[derive(Debug)]
pub struct SimaccelKey {
    engine: Engine,
    session: KeySession,
    key: AnyKey,
    uses: Uses,
}

#[derive(Debug)]
enum AnyKey {
    Private(PrivateKey),
    Public(PublicKey),
}

impl Counted for SimaccelKey {
    const NAME: &'static str = "key";

    #[inline]
    fn uses(&self) -> &Uses {
        &self.uses
    }
}

impl AnyKey {
    fn algorithm(&self) -> KeyAlgorithm {
        match self {
            Self::Private(key) => key.algorithm(),
            Self::Public(key) => key.algorithm(),
        }
    }

    fn bits(&self) -> usize {
        let bits = match self {
            Self::Private(key) => key.bits(),
            Self::Public(key) => key.bits(),
        };
        bits as usize
    }

    fn public(&self) -> PublicKey {
        match self {
            Self::Private(key) => key.public_key(),
            Self::Public(key) => key.clone(),
        }
    }

    const fn is_private(&self) -> bool {
        matches!(self, Self::Private(_))
    }
}

impl SimaccelKey {
    /// A handle for C.
    fn make(engine: &Engine, key: AnyKey) -> Result<*mut Self, Failure> {
        let session = match &key {
            AnyKey::Private(key) => engine.private_key(key),
            AnyKey::Public(key) => engine.public_key(key),
        }?;
        let made = Self { engine: engine.clone(), session, key, uses: uses::of_this_thread() };
        Ok(Arc::into_raw(Arc::new(made)).cast_mut())
    }
}

/// A key that is refused.
fn bad_key(error: KeyError) -> Failure {
    Failure::new(SimaccelResult::Session, error.to_string())
}

fn algorithm(name: &str) -> Result<KeyAlgorithm, Failure> {
    name.parse().map_err(|error| unknown(name, &error))
}

/// Imports a key, outside the job that runs here.
///
/// # Safety
///
/// `engine` is null or valid; `key` is null or valid.
unsafe fn import(
    engine: *mut SimaccelEngine,
    key: *mut *mut SimaccelKey,
    read: impl FnOnce() -> Result<Box<dyn FnOnce() -> Result<AnyKey, Failure>>, Failure>,
) -> SimaccelResult {
    reported(|| {
        // SAFETY: the caller's promise.
        unsafe { store(key, ptr::null_mut(), "key") }?;
        // SAFETY: the caller's promise.
        let engine = unsafe { given(engine, "engine") }?;
        let make = read()?;
        let made = engine.engine.outside_job(|| SimaccelKey::make(&engine.engine, make()?))?;
        // SAFETY: the caller's promise.
        unsafe { store(key, made, "key") }
    })
}

/// Imports a key that is written in this form.
///
/// # Safety
///
/// `engine` is null or valid; `form` is null or ends with 0; `data` is null or has `len` bytes; `key` is null
/// or valid.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn simaccel_key_import(
    engine: *mut SimaccelEngine,
    form: *const c_char,
    data: *const c_void,
    len: usize,
    key: *mut *mut SimaccelKey,
) -> SimaccelResult {
    // SAFETY: the caller's promises.
    unsafe {
        import(engine, key, || {
            let (form, data) = (forms::Form::named(text(form, "form")?)?, owned(data, len, "data")?);
            Ok(Box::new(move || form.read(&data).map_err(bad_key)))
        })
    }
}

/// # Safety
///
/// `data` is null or has `len` bytes.
unsafe fn owned(data: *const c_void, len: usize, name: &'static str) -> Result<Zeroizing<Vec<u8>>, Failure> {
    // SAFETY: the caller's promise.
    Ok(Zeroizing::new(unsafe { Input::new(data, len, name) }?.owned()?))
}

/// Imports a key of bare bytes.
///
/// # Safety
///
/// As for [`simaccel_key_import`]; `algorithm` is null or ends with 0.
unsafe fn import_raw(
    engine: *mut SimaccelEngine,
    algorithm: *const c_char,
    (data, len): (*const c_void, usize),
    key: *mut *mut SimaccelKey,
    read: fn(KeyAlgorithm, &[u8]) -> Result<AnyKey, Failure>,
) -> SimaccelResult {
    // SAFETY: the caller's promises.
    unsafe {
        import(engine, key, || {
            let algorithm = self::algorithm(text(algorithm, "algorithm")?)?;
            let data = owned(data, len, "data")?;
            Ok(Box::new(move || read(algorithm, &data)))
        })
    }
}

/// A private key of bare bytes.
///
/// # Safety
///
/// As for [`simaccel_key_import`]; `algorithm` is null or ends with 0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn simaccel_key_from_private(
    engine: *mut SimaccelEngine,
    algorithm: *const c_char,
    data: *const c_void,
    len: usize,
    key: *mut *mut SimaccelKey,
) -> SimaccelResult {
    // SAFETY: the caller's promises.
    unsafe {
        import_raw(engine, algorithm, (data, len), key, |algorithm, data| {
            forms::private(algorithm, data).map(AnyKey::Private).map_err(bad_key)
        })
    }
}

/// A public key of bare bytes.
///
/// # Safety
///
/// As for [`simaccel_key_from_private`].
#[unsafe(no_mangle)]
pub unsafe extern "C" fn simaccel_key_from_public(
    engine: *mut SimaccelEngine,
    algorithm: *const c_char,
    data: *const c_void,
    len: usize,
    key: *mut *mut SimaccelKey,
) -> SimaccelResult {
    // SAFETY: the caller's promises.
    unsafe {
        import_raw(engine, algorithm, (data, len), key, |algorithm, data| {
            PublicKey::from_raw(algorithm, data).map(AnyKey::Public).map_err(bad_key)
        })
    }
}

/// A number in big-endian order.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct SimaccelNumber {
    /// Null where there is none.
    pub data: *const c_void,
    /// Bytes.
    pub len: usize,
}

/// The numbers of an RSA key: `simaccel_rsa_numbers` of `keys.h`.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
#[expect(missing_docs, reason = "the numbers have the names of RFC 8017")]
pub struct SimaccelRsaNumbers {
    /// The size of the caller's structure.
    pub size: usize,
    pub n: SimaccelNumber,
    pub e: SimaccelNumber,
    pub d: SimaccelNumber,
    pub p: SimaccelNumber,
    pub q: SimaccelNumber,
    pub dp: SimaccelNumber,
    pub dq: SimaccelNumber,
    pub qi: SimaccelNumber,
}

/// An RSA key of its numbers.
///
/// # Safety
///
/// `engine` is null or valid; `numbers` is null or valid, and its numbers have as many bytes as they say;
/// `key` is null or valid.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn simaccel_key_from_rsa(
    engine: *mut SimaccelEngine,
    numbers: *const SimaccelRsaNumbers,
    key: *mut *mut SimaccelKey,
) -> SimaccelResult {
    // SAFETY: the caller's promises.
    unsafe {
        import(engine, key, || {
            let size = given(numbers.cast::<usize>(), "numbers")?;
            if *size != size_of::<SimaccelRsaNumbers>() {
                let text = format!("numbers: size is {size}, not sizeof(simaccel_rsa_numbers)");
                return Err(Failure::argument(&text));
            }
            let given = &*numbers;
            let read = |number: SimaccelNumber, name| owned(number.data, number.len, name);
            let (n, e, d) = (read(given.n, "n")?, read(given.e, "e")?, read(given.d, "d")?);
            let (p, q) = (read(given.p, "p")?, read(given.q, "q")?);
            let (dp, dq, qi) = (read(given.dp, "dp")?, read(given.dq, "dq")?, read(given.qi, "qi")?);
            Ok(Box::new(move || {
                if d.is_empty() {
                    return PublicKey::from_rsa(&n, &e).map(AnyKey::Public).map_err(bad_key);
                }
                let numbers = RsaNumbers::new(&n, &e, &d).with_primes(&p, &q).with_crt(&dp, &dq, &qi);
                PrivateKey::from_rsa_numbers(&numbers).map(AnyKey::Private).map_err(bad_key)
            }))
        })
    }
}

/// The public key that belongs to a key.
///
/// # Safety
///
/// `key` and `public_key` are null or valid.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn simaccel_key_public(
    key: *mut SimaccelKey,
    public_key: *mut *mut SimaccelKey,
) -> SimaccelResult {
    reported(|| {
        // SAFETY: the caller's promise.
        unsafe { store(public_key, ptr::null_mut(), "public_key") }?;
        // SAFETY: the caller's promise.
        let key = unsafe { given(key, "key") }?;
        let make = || SimaccelKey::make(&key.engine, AnyKey::Public(key.key.public()));
        // SAFETY: not null, as was just seen.
        unsafe { store(public_key, key.engine.outside_job(make)?, "public_key") }
    })
}

/// Frees a key. Operations that use it keep what they need.
///
/// # Safety
///
/// `key` is null, or a key that is not used again.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn simaccel_key_free(key: *mut SimaccelKey) {
    boundary(|| {
        // SAFETY: null, or created by `make`; freed by its owner, and not used again.
        unsafe { uses::give_up(key) };
    });
}

/// The name of the key's algorithm, static; null for null.
///
/// # Safety
///
/// `key` is null or valid.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn simaccel_key_algorithm(key: *mut SimaccelKey) -> *const c_char {
    // SAFETY: the caller's promise.
    unsafe { key.as_ref() }.map_or(ptr::null(), |key| forms::c_name(key.key.algorithm()).as_ptr())
}

/// The size of a key in bits, as libcrypto counts them; 0 for null.
///
/// # Safety
///
/// `key` is null or valid.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn simaccel_key_bits(key: *mut SimaccelKey) -> usize {
    // SAFETY: the caller's promise.
    unsafe { key.as_ref() }.map_or(0, |key| key.key.bits())
}

/// Whether it is a private key; 0 for null.
///
/// # Safety
///
/// `key` is null or valid.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn simaccel_key_is_private(key: *mut SimaccelKey) -> c_int {
    // SAFETY: the caller's promise.
    c_int::from(unsafe { key.as_ref() }.is_some_and(|key| key.key.is_private()))
}

/// Whether two keys have the same public key; 0 where one is null.
///
/// # Safety
///
/// Both are null or valid.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn simaccel_key_equal(key: *mut SimaccelKey, other: *mut SimaccelKey) -> c_int {
    boundary(|| {
        // SAFETY: the caller's promises.
        let (Some(key), Some(other)) = (unsafe { key.as_ref() }, unsafe { other.as_ref() }) else { return 0 };
        let are_equal = || key.key.public() == other.key.public();
        c_int::from(key.engine.outside_job(are_equal))
    })
}

/// Writes a key in a form.
///
/// # Safety
///
/// `key` is null or valid; `form` is null or ends with 0; `out` is null or has room for `out_size` bytes;
/// `out_len` is null or valid.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn simaccel_key_export(
    key: *mut SimaccelKey,
    form: *const c_char,
    out: *mut c_void,
    out_size: usize,
    out_len: *mut usize,
) -> SimaccelResult {
    reported(|| {
        // SAFETY: the caller's promises.
        let (key, form) = unsafe { (given(key, "key")?, text(form, "form")?) };
        let written = key.engine.outside_job(|| forms::written(&key.key, form))?;
        // SAFETY: the caller's promises.
        unsafe { Output::new(out, out_size, out_len, "out") }.put(&written)
    })
}
