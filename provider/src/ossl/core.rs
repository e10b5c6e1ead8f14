//! What libcrypto passes at the start: its error queue, and the provider's section of its configuration.
#![expect(unsafe_code, reason = "calls libcrypto's functions")]

use std::ffi::{CStr, CString, OsStr, OsString, c_char, c_int, c_void};
use std::mem;
use std::os::unix::ffi::OsStrExt;
use std::ptr;

use super::ids::{
    FUNC_CORE_GET_PARAMS, FUNC_CORE_NEW_ERROR, FUNC_CORE_SET_ERROR_DEBUG, FUNC_CORE_VSET_ERROR,
    FUNC_CRYPTO_MALLOC, PARAM_UTF8_PTR,
};
use super::types::{CoreHandle, Dispatch, Function, Param};

type GetParams = unsafe extern "C" fn(*const CoreHandle, *mut Param) -> c_int;
type NewError = unsafe extern "C" fn(*const CoreHandle);
type SetErrorDebug = unsafe extern "C" fn(*const CoreHandle, *const c_char, c_int, *const c_char);
type VSetError = unsafe extern "C" fn(*const CoreHandle, u32, *const c_char, *mut c_void);

/// What stands for a `va_list`: it is passed by address on x86-64, AArch64 and others with 64 bits, and is
/// not read where the format has no conversion. Larger than any of them.
type NoArguments = [u64; 8];

/// The functions that libcrypto has passed, and the handle that they ask for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Core {
    handle: *const CoreHandle,
    get_params: Option<GetParams>,
    new_error: Option<NewError>,
    set_error_debug: Option<SetErrorDebug>,
    vset_error: Option<VSetError>,
    /// Some function of the library that calls us.
    any: Option<Function>,
}

// SAFETY: libcrypto's functions may be called from any thread, and the handle is only passed back to them.
unsafe impl Send for Core {}
// SAFETY: the same.
unsafe impl Sync for Core {}

/// `OSSL_PROV_PARAM_CORE_VERSION`.
const CORE_VERSION: &CStr = c"openssl-version";

/// Where an error was raised.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place {
    pub(crate) file: &'static CStr,
    pub(crate) line: u32,
}

/// The place of its call.
macro_rules! here {
    () => {
        $crate::ossl::core::Place {
            file: const {
                match ::std::ffi::CStr::from_bytes_with_nul(concat!(file!(), "\0").as_bytes()) {
                    Ok(file) => file,
                    Err(_) => panic!(),
                }
            },
            line: line!(),
        }
    };
}
pub(crate) use here;

impl Core {
    /// # Safety
    ///
    /// `handle` and `table` are what libcrypto has passed to `OSSL_provider_init`.
    #[expect(clippy::missing_transmute_annotations, reason = "the fields have the types")]
    pub(crate) unsafe fn new(handle: *const CoreHandle, table: *const Dispatch) -> Self {
        let mut core = Self {
            handle,
            get_params: None,
            new_error: None,
            set_error_debug: None,
            vset_error: None,
            any: None,
        };
        let mut next = table;
        // SAFETY: a table of functions that ends with the id 0, which is not passed.
        while let Some(entry) = unsafe { next.as_ref() }.filter(|entry| entry.id != 0) {
            // SAFETY: `core_dispatch.h` gives the functions with these ids these types; an `Option` of one is
            // the same pointer.
            unsafe {
                match entry.id {
                    FUNC_CORE_GET_PARAMS => core.get_params = mem::transmute(entry.function),
                    FUNC_CORE_NEW_ERROR => core.new_error = mem::transmute(entry.function),
                    FUNC_CORE_SET_ERROR_DEBUG => core.set_error_debug = mem::transmute(entry.function),
                    FUNC_CORE_VSET_ERROR => core.vset_error = mem::transmute(entry.function),
                    FUNC_CRYPTO_MALLOC => core.any = entry.function,
                    _ => {}
                }
                next = next.add(1);
            }
        }
        core
    }

    /// A function of the library that calls us.
    pub(crate) const fn any(&self) -> Option<Function> {
        self.any
    }

    /// The value of a key in the provider's section of the configuration; `None` where it is not set.
    pub(crate) fn setting(&self, key: &CStr) -> Option<OsString> {
        let get_params = self.get_params?;
        let mut value = ptr::null::<c_char>();
        let asked = Param {
            key: key.as_ptr(),
            data_type: PARAM_UTF8_PTR,
            data: (&raw mut value).cast(),
            data_size: size_of::<*const c_char>(),
            return_size: usize::MAX,
        };
        let mut list = [asked, Param::END];
        // SAFETY: the handle is libcrypto's own, and the list has an end.
        if unsafe { get_params(self.handle, list.as_mut_ptr()) } == 0 || value.is_null() {
            return None;
        }
        // SAFETY: a C string of the configuration, which lives as long as the provider is loaded.
        let value = unsafe { CStr::from_ptr(value) };
        Some(OsStr::from_bytes(value.to_bytes()).to_owned())
    }

    /// libcrypto's major and minor number.
    pub(crate) fn release(&self) -> Option<(u32, u32)> {
        let version = self.setting(CORE_VERSION)?;
        let mut numbers = version.to_str()?.split('.').map(str::parse);
        Some((numbers.next()?.ok()?, numbers.next()?.ok()?))
    }

    /// Adds an error to the thread's queue.
    pub(crate) fn raise(&self, reason: u32, detail: &str, place: Place) {
        let (Some(new_error), Some(vset_error)) = (self.new_error, self.vset_error) else { return };
        // What would begin a conversion of the format.
        let format = CString::new(detail.replace('%', "%%")).unwrap_or_default();
        let format = if detail.is_empty() { ptr::null() } else { format.as_ptr() };
        let mut arguments: NoArguments = [0; 8];
        // SAFETY: the handle is libcrypto's own, the strings have an end, and the format has no conversion.
        unsafe {
            new_error(self.handle);
            if let Some(set_error_debug) = self.set_error_debug {
                let line = c_int::try_from(place.line).unwrap_or(0);
                set_error_debug(self.handle, place.file.as_ptr(), line, c"".as_ptr());
            }
            vset_error(self.handle, reason, format, arguments.as_mut_ptr().cast());
        }
    }
}
