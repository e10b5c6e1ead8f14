//! A key that the device does not have: an object of the default provider, whose functions are called with
//! the arguments that libcrypto has passed to ours.
#![expect(unsafe_code, reason = "calls the default provider's functions")]

use std::ffi::{CStr, c_int, c_void};
use std::ptr::{self, NonNull};

use zeroize::Zeroizing;

use crate::ossl::default::{DefaultProvider, Functions};
use crate::ossl::ids::{
    FUNC_KEYMGMT_DUP, FUNC_KEYMGMT_EXPORT, FUNC_KEYMGMT_FREE, FUNC_KEYMGMT_GEN, FUNC_KEYMGMT_GEN_CLEANUP,
    FUNC_KEYMGMT_GEN_INIT, FUNC_KEYMGMT_GEN_SET_PARAMS, FUNC_KEYMGMT_GEN_SET_TEMPLATE,
    FUNC_KEYMGMT_GET_PARAMS, FUNC_KEYMGMT_HAS, FUNC_KEYMGMT_IMPORT, FUNC_KEYMGMT_MATCH, FUNC_KEYMGMT_NEW,
    FUNC_KEYMGMT_SET_PARAMS, FUNC_KEYMGMT_VALIDATE, OP_KEYMGMT, PARAM_OCTET_STRING,
};
use crate::ossl::list::List;
use crate::ossl::params::{Params, Requests};
use crate::ossl::types::{
    Callback, FreeCtx, GetCtxParams, KeyDup, KeyExport, KeyGen, KeyGenInit, KeyGenSetTemplate, KeyHas,
    KeyImport, KeyMatch, KeyValidate, NewCtx, Param, SetCtxParams,
};

/// A key of the default provider.
#[derive(Debug)]
pub(crate) struct TheirKey {
    functions: Functions,
    data: NonNull<c_void>,
}

// SAFETY: the default provider's keys may be used in any thread, by several at once: libcrypto does so.
unsafe impl Send for TheirKey {}
// SAFETY: the same.
unsafe impl Sync for TheirKey {}

/// A callback that libcrypto has passed, with its argument.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Passed {
    function: Option<Callback>,
    argument: *mut c_void,
}

impl Passed {
    /// # Safety
    ///
    /// `function` may be called with `argument` as long as this is used.
    pub(super) const unsafe fn new(function: Option<Callback>, argument: *mut c_void) -> Self {
        Self { function, argument }
    }

    /// What the callback says to this list.
    pub(super) fn call(self, list: &mut List) -> bool {
        // SAFETY: the promise to `new`; the list has an end.
        list.with(|list| self.function.is_some_and(|function| unsafe { function(list, self.argument) } != 0))
    }
}

/// Calls the function with this number, if there is one, and asks whether it has succeeded.
macro_rules! ask {
    ($functions:expr, $id:ident as $Type:ty, $($argument:expr),+) => {
        // SAFETY: the type of this number. The object is alive, and the other arguments are libcrypto's own,
        // or lists that have an end.
        unsafe { $functions.get::<$Type>($id).is_some_and(|function| function($($argument),+) > 0) }
    };
}

impl TheirKey {
    /// An empty one.
    fn new(theirs: &DefaultProvider, algorithm: &str) -> Option<Self> {
        let functions = theirs.functions(OP_KEYMGMT, algorithm)?;
        // SAFETY: the type of this number, and the provider's own context.
        let data = unsafe { functions.get::<NewCtx>(FUNC_KEYMGMT_NEW)?(theirs.provctx()) };
        Some(Self { functions, data: NonNull::new(data)? })
    }

    /// The key of these parameters.
    pub(super) fn imported(
        theirs: &DefaultProvider,
        algorithm: &str,
        selection: c_int,
        params: Params<'_>,
    ) -> Option<Self> {
        let key = Self::new(theirs, algorithm)?;
        let import = |key: &Self| {
            ask!(
                key.functions,
                FUNC_KEYMGMT_IMPORT as KeyImport,
                key.data.as_ptr(),
                selection,
                params.as_ptr()
            )
        };
        import(&key).then_some(key)
    }

    /// The same, of a list of ours.
    pub(super) fn imported_from(
        theirs: &DefaultProvider,
        algorithm: &str,
        selection: c_int,
        list: &mut List,
    ) -> Option<Self> {
        // SAFETY: the list has an end, and is there for the call.
        list.with(|list| Self::imported(theirs, algorithm, selection, unsafe { Params::new(list) }))
    }

    /// A new key, of the parameters that were set.
    pub(super) fn generated(
        theirs: &DefaultProvider,
        algorithm: &str,
        selection: c_int,
        set: &mut List,
        template: Option<&Self>,
        progress: Passed,
    ) -> Option<Self> {
        let functions = theirs.functions(OP_KEYMGMT, algorithm)?;
        // SAFETY: the type of this number, and the provider's own context.
        let data = unsafe {
            functions.get::<KeyGenInit>(FUNC_KEYMGMT_GEN_INIT)?(theirs.provctx(), selection, ptr::null())
        };
        let generator = Generator { functions, data: NonNull::new(data)? };
        let data = generator.data.as_ptr();
        if let Some(template) = template
            && !ask!(
                functions,
                FUNC_KEYMGMT_GEN_SET_TEMPLATE as KeyGenSetTemplate,
                data,
                template.data.as_ptr()
            )
        {
            return None;
        }
        let is_set = set.is_empty()
            || set.with(|list| ask!(functions, FUNC_KEYMGMT_GEN_SET_PARAMS as SetCtxParams, data, list));
        if !is_set {
            return None;
        }
        // SAFETY: the type of this number, an initialised generator, and a callback that may be called now.
        let key =
            unsafe { functions.get::<KeyGen>(FUNC_KEYMGMT_GEN)?(data, progress.function, progress.argument) };
        Some(Self { functions, data: NonNull::new(key)? })
    }

    /// The object, for other functions of the default provider. It is alive as long as this is.
    pub(crate) const fn as_ptr(&self) -> *mut c_void {
        self.data.as_ptr()
    }

    pub(super) fn has(&self, selection: c_int) -> bool {
        ask!(self.functions, FUNC_KEYMGMT_HAS as KeyHas, self.data.as_ptr(), selection)
    }

    pub(super) fn matches(&self, other: &Self, selection: c_int) -> bool {
        ask!(
            self.functions,
            FUNC_KEYMGMT_MATCH as KeyMatch,
            self.data.as_ptr(),
            other.data.as_ptr(),
            selection
        )
    }

    pub(super) fn is_valid(&self, selection: c_int, how: c_int) -> bool {
        ask!(self.functions, FUNC_KEYMGMT_VALIDATE as KeyValidate, self.data.as_ptr(), selection, how)
    }

    pub(super) fn export(&self, selection: c_int, to: Passed) -> bool {
        ask!(
            self.functions,
            FUNC_KEYMGMT_EXPORT as KeyExport,
            self.data.as_ptr(),
            selection,
            to.function,
            to.argument
        )
    }

    pub(super) fn give(&self, requests: &Requests<'_>) -> bool {
        ask!(self.functions, FUNC_KEYMGMT_GET_PARAMS as GetCtxParams, self.data.as_ptr(), requests.as_ptr())
    }

    /// A string of so many bytes that the key has.
    pub(super) fn octets(&self, key: &CStr, len: usize) -> Option<Zeroizing<Vec<u8>>> {
        let mut octets = Zeroizing::new(vec![0; len]);
        let wanted = Param {
            key: key.as_ptr(),
            data_type: PARAM_OCTET_STRING,
            data: octets.as_mut_ptr().cast(),
            data_size: len,
            return_size: usize::MAX,
        };
        let mut list = [wanted, Param::END];
        // SAFETY: the list has an end, and is there for the call.
        let is_given = self.give(&unsafe { Requests::new(list.as_mut_ptr()) });
        (is_given && list[0].return_size == len).then_some(octets)
    }

    /// Sets parameters of the key, which no other code uses at the time: libcrypto's promise about ours.
    pub(super) fn set(&self, params: Params<'_>) -> bool {
        ask!(self.functions, FUNC_KEYMGMT_SET_PARAMS as SetCtxParams, self.data.as_ptr(), params.as_ptr())
    }

    pub(super) fn copied(&self, selection: c_int) -> Option<Self> {
        // SAFETY: the type of this number, and an object that is alive.
        let data = unsafe { self.functions.get::<KeyDup>(FUNC_KEYMGMT_DUP)?(self.data.as_ptr(), selection) };
        Some(Self { functions: self.functions, data: NonNull::new(data)? })
    }
}

impl Drop for TheirKey {
    fn drop(&mut self) {
        // SAFETY: the type of this number, and an object that is not used again.
        unsafe {
            if let Some(free) = self.functions.get::<FreeCtx>(FUNC_KEYMGMT_FREE) {
                free(self.data.as_ptr());
            }
        }
    }
}

/// What makes a key.
struct Generator {
    functions: Functions,
    data: NonNull<c_void>,
}

impl Drop for Generator {
    fn drop(&mut self) {
        // SAFETY: the type of this number, and an object that is not used again.
        unsafe {
            if let Some(clean_up) = self.functions.get::<FreeCtx>(FUNC_KEYMGMT_GEN_CLEANUP) {
                clean_up(self.data.as_ptr());
            }
        }
    }
}
