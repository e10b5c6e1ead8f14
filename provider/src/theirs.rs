//! A context of the default provider, which our calls are handed on to with the arguments that libcrypto has
//! passed: for a signature, an encryption or an exchange that the device does not do.
//!
//! ```text
//!   a key of another curve ───────────────────► at its initialisation ──┐
//!   a setting that the device does not have ──► the calls so far again ─┴─► Theirs ──► every later call
//! ```
#![expect(unsafe_code, reason = "calls the default provider's functions")]

use std::ffi::{c_int, c_void};
use std::ptr::{self, NonNull};
use std::sync::Arc;

use crate::error::{Failure, Reason};
use crate::instance::Instance;
use crate::keymgmt::TheirKey;
use crate::ossl::default::Functions;
use crate::ossl::ids::{
    FUNC_ASYM_CIPHER_DUPCTX, FUNC_ASYM_CIPHER_FREECTX, FUNC_ASYM_CIPHER_NEWCTX, FUNC_KEYEXCH_DUPCTX,
    FUNC_KEYEXCH_FREECTX, FUNC_KEYEXCH_NEWCTX, FUNC_SIGNATURE_DUPCTX, FUNC_SIGNATURE_FREECTX,
    FUNC_SIGNATURE_NEWCTX, OP_ASYM_CIPHER, OP_KEYEXCH, OP_SIGNATURE,
};
use crate::ossl::types::{DupCtx, FreeCtx, NewCtx, SignatureNewCtx};

/// A context of the default provider, and the key in it.
#[derive(Debug)]
pub(crate) struct Theirs {
    functions: Functions,
    data: NonNull<c_void>,
    key: Arc<TheirKey>,
    free: c_int,
    dup: c_int,
}

impl Theirs {
    /// A new signature, to be initialised with this key.
    pub(crate) fn signature(
        instance: &Instance,
        algorithm: &str,
        key: Arc<TheirKey>,
    ) -> Result<Self, Failure> {
        let numbers = (OP_SIGNATURE, FUNC_SIGNATURE_FREECTX, FUNC_SIGNATURE_DUPCTX);
        // SAFETY: the type of this number, the provider's own context, and no properties.
        Self::new(instance, algorithm, key, numbers, |functions, provctx| unsafe {
            Some(functions.get::<SignatureNewCtx>(FUNC_SIGNATURE_NEWCTX)?(provctx, ptr::null()))
        })
    }

    /// A new asymmetric cipher, to be initialised with this key.
    pub(crate) fn asym_cipher(
        instance: &Instance,
        algorithm: &str,
        key: Arc<TheirKey>,
    ) -> Result<Self, Failure> {
        let numbers = (OP_ASYM_CIPHER, FUNC_ASYM_CIPHER_FREECTX, FUNC_ASYM_CIPHER_DUPCTX);
        // SAFETY: the type of this number, and the provider's own context.
        Self::new(instance, algorithm, key, numbers, |functions, provctx| unsafe {
            Some(functions.get::<NewCtx>(FUNC_ASYM_CIPHER_NEWCTX)?(provctx))
        })
    }

    /// A new exchange, to be initialised with this key.
    pub(crate) fn exchange(
        instance: &Instance,
        algorithm: &str,
        key: Arc<TheirKey>,
    ) -> Result<Self, Failure> {
        let numbers = (OP_KEYEXCH, FUNC_KEYEXCH_FREECTX, FUNC_KEYEXCH_DUPCTX);
        // SAFETY: the type of this number, and the provider's own context.
        Self::new(instance, algorithm, key, numbers, |functions, provctx| unsafe {
            Some(functions.get::<NewCtx>(FUNC_KEYEXCH_NEWCTX)?(provctx))
        })
    }

    /// A context that `make` makes of the functions and the provider's own context.
    fn new(
        instance: &Instance,
        algorithm: &str,
        key: Arc<TheirKey>,
        (operation, free, dup): (c_int, c_int, c_int),
        make: impl FnOnce(Functions, *mut c_void) -> Option<*mut c_void>,
    ) -> Result<Self, Failure> {
        let theirs = instance.default_provider().ok_or(Reason::Elsewhere)?;
        let functions = theirs.functions(operation, algorithm).ok_or(Reason::Elsewhere)?;
        let data = make(functions, theirs.provctx()).and_then(NonNull::new).ok_or(Reason::Elsewhere)?;
        Ok(Self { functions, data, key, free, dup })
    }

    pub(crate) const fn functions(&self) -> Functions {
        self.functions
    }

    /// The context itself. It is alive as long as this is.
    pub(crate) const fn data(&self) -> *mut c_void {
        self.data.as_ptr()
    }

    /// The key that it is initialised with.
    pub(crate) fn key(&self) -> &TheirKey {
        &self.key
    }

    /// Puts another key in the place of the one that is there.
    pub(crate) fn take_key(&mut self, key: Arc<TheirKey>) {
        self.key = key;
    }

    /// A copy, in the middle of whatever it does.
    pub(crate) fn copied(&self) -> Result<Self, Failure> {
        // SAFETY: the type of every number that this may be, and a context that is alive.
        let data = unsafe { self.functions.get::<DupCtx>(self.dup).ok_or(Reason::Elsewhere)?(self.data()) };
        let data = NonNull::new(data).ok_or(Reason::Elsewhere)?;
        Ok(Self { data, key: Arc::clone(&self.key), ..*self })
    }
}

impl Drop for Theirs {
    fn drop(&mut self) {
        // SAFETY: the type of every number that this may be, and a context that is not used again; its key
        // outlives it.
        unsafe {
            if let Some(free) = self.functions.get::<FreeCtx>(self.free) {
                free(self.data());
            }
        }
    }
}
