//! The default provider's own functions: for keys that the device does not have.
//!
//! ```text
//!   OSSL_LIB_CTX_new ──► a library context of ours: nothing is configured there
//!     OSSL_PROVIDER_load("default") ── OSSL_PROVIDER_query_operation ──► OSSL_ALGORITHM[] ──► OSSL_DISPATCH[]
//!                                   └─ OSSL_PROVIDER_get0_provider_ctx ─► what its constructors take
//! ```
//!
//! An algorithm is preferred as a whole, never for a single key (`provider(7)`): a provider with EC keys of
//! P-256 is asked for those of every curve. So this provider has keys of the others as the default provider's
//! objects, and hands every call on. What happens in that library context is between libcrypto and itself:
//! nothing there is fetched from us, and nothing pauses.
//!
//! The functions are those that a program would call through `EVP_*`, with libcrypto's promises about
//! arguments handed on unchanged. The context stays for ever, one for each libcrypto: objects of it may
//! outlive us.
#![expect(unsafe_code, reason = "calls the default provider's functions")]

use std::ffi::{CStr, c_char, c_int, c_void};
use std::mem;
use std::ptr::NonNull;
use std::sync::{Mutex, PoisonError};

use super::library::Library;
use super::types::{Algorithm, Callback, Dispatch, Function};

type LibCtxNew = unsafe extern "C" fn() -> *mut c_void;
type Load = unsafe extern "C" fn(*mut c_void, *const c_char) -> *mut c_void;
type Query = unsafe extern "C" fn(*const c_void, c_int, *mut c_int) -> *const Algorithm;
type Capabilities =
    unsafe extern "C" fn(*const c_void, *const c_char, Option<Callback>, *mut c_void) -> c_int;
type ProviderCtx = unsafe extern "C" fn(*const c_void) -> *mut c_void;

/// The default provider of a libcrypto.
#[derive(Debug)]
pub(crate) struct DefaultProvider {
    library: Library,
    provider: NonNull<c_void>,
    provctx: *mut c_void,
    query: Query,
    capabilities: Capabilities,
}

// SAFETY: libcrypto's functions take a provider in any thread.
unsafe impl Send for DefaultProvider {}
// SAFETY: the same.
unsafe impl Sync for DefaultProvider {}

/// The functions of one of its algorithms.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Functions(*const Dispatch);

// SAFETY: a table that never changes.
unsafe impl Send for Functions {}
// SAFETY: the same.
unsafe impl Sync for Functions {}

impl DefaultProvider {
    /// That of the libcrypto that has this function. `None`: it does not show the functions that are needed,
    /// or lacks memory.
    pub(crate) fn of(of_libcrypto: Function) -> Option<&'static Self> {
        static FOUND: Mutex<Vec<&DefaultProvider>> = Mutex::new(Vec::new());
        let library = Library::of(of_libcrypto)?;
        let mut found = FOUND.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(same) = found.iter().find(|same| same.library == library) {
            return Some(same);
        }
        let new = &*Box::leak(Box::new(Self::load(library)?));
        found.push(new);
        Some(new)
    }

    fn load(library: Library) -> Option<Self> {
        let function = |name| library.function(name);
        // SAFETY: `crypto.h` and `provider.h` give the functions with these names these types.
        let (new, load, query, ctx, capabilities) = unsafe {
            (
                mem::transmute::<Function, LibCtxNew>(function(c"OSSL_LIB_CTX_new")?),
                mem::transmute::<Function, Load>(function(c"OSSL_PROVIDER_load")?),
                mem::transmute::<Function, Query>(function(c"OSSL_PROVIDER_query_operation")?),
                mem::transmute::<Function, ProviderCtx>(function(c"OSSL_PROVIDER_get0_provider_ctx")?),
                mem::transmute::<Function, Capabilities>(function(c"OSSL_PROVIDER_get_capabilities")?),
            )
        };
        // SAFETY: a new context, which is null without memory; the name has an end.
        let provider = unsafe {
            let context = NonNull::new(new())?;
            NonNull::new(load(context.as_ptr(), c"default".as_ptr()))?
        };
        // SAFETY: a loaded provider.
        let provctx = unsafe { ctx(provider.as_ptr()) };
        Some(Self { library, provider, provctx, query, capabilities })
    }

    /// What its constructors take.
    pub(crate) const fn provctx(&self) -> *mut c_void {
        self.provctx
    }

    /// Passes each of its capabilities of this name to the callback; whether that has taken all.
    pub(crate) fn capabilities(&self, name: &CStr, callback: Callback, argument: *mut c_void) -> bool {
        // SAFETY: a loaded provider, a text with an end, and a callback that takes this argument.
        unsafe { (self.capabilities)(self.provider.as_ptr(), name.as_ptr(), Some(callback), argument) != 0 }
    }

    /// The functions of the algorithm that has this name.
    pub(crate) fn functions(&self, operation: c_int, name: &str) -> Option<Functions> {
        let mut no_cache = 0;
        // SAFETY: a loaded provider, which is never unloaded.
        let mut next = unsafe { (self.query)(self.provider.as_ptr(), operation, &raw mut no_cache) };
        // SAFETY: null, or a table that ends with null names, which is not passed.
        while let Some(algorithm) = unsafe { next.as_ref() } {
            let Some(names) = algorithm.names() else { break };
            if names.split(|byte| *byte == b':').any(|known| known.eq_ignore_ascii_case(name.as_bytes())) {
                return Some(Functions(algorithm.functions()));
            }
            // SAFETY: not the last one.
            next = unsafe { next.add(1) };
        }
        None
    }
}

impl Functions {
    /// The function with this number.
    ///
    /// # Safety
    ///
    /// `F` is the type of the functions with this number in the table's operation.
    pub(crate) unsafe fn get<F: Copy>(self, id: c_int) -> Option<F> {
        const { assert!(size_of::<F>() == size_of::<Function>()) };
        let mut next = self.0;
        // SAFETY: a table that ends with the number 0, which is not passed.
        while let Some(entry) = unsafe { next.as_ref() }.filter(|entry| entry.id != 0) {
            if entry.id == id {
                // SAFETY: the caller's promise.
                return entry
                    .function
                    .map(|function| unsafe { mem::transmute_copy::<Function, F>(&function) });
            }
            // SAFETY: not the last one.
            next = unsafe { next.add(1) };
        }
        None
    }
}

impl Algorithm {
    fn names(&self) -> Option<&[u8]> {
        // SAFETY: null, or a text with an end that lives as long as the table.
        (!self.names_ptr().is_null()).then(|| unsafe { CStr::from_ptr(self.names_ptr()) }.to_bytes())
    }
}
