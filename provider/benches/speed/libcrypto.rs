//! The functions of libcrypto that the benchmark calls, loaded at run time.
#![expect(unsafe_code, reason = "functions of a library that is loaded at run time")]
#![allow(non_snake_case, reason = "libcrypto's names")]

use std::ffi::{CStr, CString, c_char, c_int, c_uchar, c_uint, c_void};
use std::path::Path;

/// An object of libcrypto.
pub(crate) type Object = *mut c_void;

macro_rules! functions {
    ($($name:ident: fn($($arg:ty),*) -> $result:ty;)*) => {
        /// Pointers to functions of one libcrypto, which is never unloaded.
        pub(crate) struct Libcrypto {
            $(pub(crate) $name: unsafe extern "C" fn($($arg),*) -> $result,)*
        }

        impl Libcrypto {
            /// Loads a library by its name, or says which function it lacks, and ends the process.
            pub(crate) fn load(name: &str) -> &'static Self {
                let library = open(name);
                Box::leak(Box::new(Self {
                    // SAFETY: the type is that of the function of this name in OpenSSL's headers.
                    $($name: unsafe { std::mem::transmute::<Object, unsafe extern "C" fn($($arg),*) -> $result>(
                        find(library, stringify!($name)),
                    ) },)*
                }))
            }
        }
    };
}

functions! {
    OSSL_LIB_CTX_new: fn() -> Object;
    OSSL_PROVIDER_set_default_search_path: fn(Object, *const c_char) -> c_int;
    OSSL_PROVIDER_load: fn(Object, *const c_char) -> Object;
    EVP_CIPHER_fetch: fn(Object, *const c_char, *const c_char) -> Object;
    EVP_CIPHER_CTX_new: fn() -> Object;
    EVP_CIPHER_CTX_set_padding: fn(Object, c_int) -> c_int;
    EVP_CIPHER_CTX_ctrl: fn(Object, c_int, c_int, Object) -> c_int;
    EVP_EncryptInit_ex: fn(Object, Object, Object, *const c_uchar, *const c_uchar) -> c_int;
    EVP_EncryptUpdate: fn(Object, *mut c_uchar, *mut c_int, *const c_uchar, c_int) -> c_int;
    EVP_EncryptFinal_ex: fn(Object, *mut c_uchar, *mut c_int) -> c_int;
    EVP_MD_fetch: fn(Object, *const c_char, *const c_char) -> Object;
    EVP_MD_CTX_new: fn() -> Object;
    EVP_DigestInit_ex: fn(Object, Object, Object) -> c_int;
    EVP_DigestUpdate: fn(Object, *const c_void, usize) -> c_int;
    EVP_DigestFinal_ex: fn(Object, *mut c_uchar, *mut c_uint) -> c_int;
    EVP_sha1: fn() -> Object;
    ERR_print_errors_cb: fn(extern "C" fn(*const c_char, usize, Object) -> c_int, Object) -> ();
    ENGINE_by_id: fn(*const c_char) -> Object;
    ENGINE_init: fn(Object) -> c_int;
    OPENSSL_init_crypto: fn(u64, Object) -> c_int;
    ASYNC_init_thread: fn(usize, usize) -> c_int;
    ASYNC_start_job: fn(*mut Object, Object, *mut c_int, extern "C" fn(Object) -> c_int, Object, usize) -> c_int;
    ASYNC_WAIT_CTX_new: fn() -> Object;
    ASYNC_WAIT_CTX_get_all_fds: fn(Object, *mut c_int, *mut usize) -> c_int;
    ASYNC_WAIT_CTX_set_callback: fn(Object, extern "C" fn(Object) -> c_int, Object) -> c_int;
}

pub(crate) const ASYNC_PAUSE: c_int = 2;
pub(crate) const ASYNC_FINISH: c_int = 3;
pub(crate) const EVP_CTRL_AEAD_GET_TAG: c_int = 0x10;
const OPENSSL_INIT_ENGINE_DYNAMIC: u64 = 0x400;

fn open(name: &str) -> Object {
    let c_name = CString::new(name).unwrap();
    // SAFETY: the name is a string, and libcrypto has no initialisation that must not run now.
    let library = unsafe { libc::dlopen(c_name.as_ptr(), libc::RTLD_NOW) };
    assert!(!library.is_null(), "{name} cannot be loaded");
    library
}

fn find(library: Object, name: &str) -> Object {
    let c_name = CString::new(name).unwrap();
    // SAFETY: the library is open, and the name is a string.
    let function = unsafe { libc::dlsym(library, c_name.as_ptr()) };
    assert!(!function.is_null(), "libcrypto has no {name}");
    function
}

/// Where libcrypto looks for engines. Called while the process has one thread.
pub(crate) fn set_engines_folder(folder: &Path) {
    // SAFETY: no other thread exists that reads the environment.
    unsafe { std::env::set_var("OPENSSL_ENGINES", folder) };
}

impl Libcrypto {
    /// Ends the benchmark with libcrypto's errors unless the result is a success.
    #[track_caller]
    pub(crate) fn check(&self, done: bool) {
        if !done {
            self.fail();
        }
    }

    #[cold]
    #[track_caller]
    fn fail(&self) -> ! {
        extern "C" fn print(text: *const c_char, _: usize, _: Object) -> c_int {
            // SAFETY: libcrypto passes a string that ends with a zero.
            eprint!("{}", unsafe { CStr::from_ptr(text) }.to_string_lossy());
            1
        }
        // SAFETY: the callback takes what it is documented to take.
        unsafe { (self.ERR_print_errors_cb)(print, std::ptr::null_mut()) };
        panic!("libcrypto has failed");
    }

    /// Engine dasync, initialised.
    pub(crate) fn dasync(&self) -> Object {
        // SAFETY: the settings may be NULL.
        unsafe { (self.OPENSSL_init_crypto)(OPENSSL_INIT_ENGINE_DYNAMIC, std::ptr::null_mut()) };
        // SAFETY: the name is a string.
        let engine = unsafe { (self.ENGINE_by_id)(c"dasync".as_ptr()) };
        self.check(!engine.is_null());
        // SAFETY: the engine was just found.
        self.check(unsafe { (self.ENGINE_init)(engine) } == 1);
        engine
    }

    /// A library context with the default provider, and the one of a path before it.
    pub(crate) fn library_ctx(&self, provider: Option<&Path>) -> Object {
        // SAFETY: no arguments.
        let ctx = unsafe { (self.OSSL_LIB_CTX_new)() };
        self.check(!ctx.is_null());
        if let Some(path) = provider {
            let folder = CString::new(path.parent().unwrap().to_str().unwrap()).unwrap();
            let name = CString::new(path.file_stem().unwrap().to_str().unwrap()).unwrap();
            // SAFETY: the context is new, and both are strings.
            self.check(unsafe { (self.OSSL_PROVIDER_set_default_search_path)(ctx, folder.as_ptr()) } == 1);
            // SAFETY: as above.
            self.check(!unsafe { (self.OSSL_PROVIDER_load)(ctx, name.as_ptr()) }.is_null());
        }
        // SAFETY: as above.
        self.check(!unsafe { (self.OSSL_PROVIDER_load)(ctx, c"default".as_ptr()) }.is_null());
        ctx
    }
}
