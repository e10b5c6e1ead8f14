//! What the linker has bound names to: whether the `ASYNC_*` functions that a program reaches are this
//! library's, and libcrypto's functions where libcrypto is linked with this library into one object.
//!
//! ```text
//!   -lsimaccel_async -lcrypto            ours are ahead: active
//!   -lcrypto -lsimaccel_async            libcrypto's are: not active
//!   libsimaccel_async.a libcrypto.a      libcrypto's start-up asks for async_init and async_deinit; their object has its ASYNC_*
//!                                        functions, a second time: an error. We have both names, weak, so that nothing
//!                                        asks for that object. (The archive's OSSL_LIB_CTX_set0_default is weak, too: its
//!                                        object is needed, and libcrypto's own function is the one that counts.)
//!   -lsimaccel_async libcrypto.a         the same object would take the place of ours in the program, in silence: a shared
//!                                        library does not export names as common as these. async.h defines them.
//! ```
#![expect(unsafe_code, reason = "names of C functions, and functions behind them that are called")]

use std::arch::global_asm;
use std::cell::Cell;
use std::ffi::{CStr, c_int, c_void};
use std::hint::black_box;
use std::ptr;

use crate::jobs::ASYNC_is_capable;
use crate::lib_ctx::{OSSL_LIB_CTX_set0_default, SetDefault};

type IsCapable = unsafe extern "C" fn() -> c_int;

thread_local! {
    /// Whether our `ASYNC_is_capable` was called.
    static CALLED: Cell<bool> = const { Cell::new(false) };
    /// Whether the next call of our `OSSL_LIB_CTX_set0_default` only asks whose function it is.
    static ASKED: Cell<bool> = const { Cell::new(false) };
}

// A shared library exports only names that have a Rust item.
global_asm!(
    ".weak async_init",
    ".set async_init, {nothing}",
    ".weak async_deinit",
    ".set async_deinit, {nothing}",
    nothing = sym nothing_to_do,
);

/// Replaces libcrypto's `async_init`, which returns 1 for success, and its `async_deinit`.
extern "C" fn nothing_to_do() -> c_int {
    1
}

/// Records a call of our `ASYNC_is_capable`.
pub(crate) fn note_call() {
    CALLED.set(true);
}

/// Whether the `ASYNC_*` functions that this process finds first are ours: 1 or 0.
#[unsafe(no_mangle)]
pub extern "C" fn simaccel_async_active() -> c_int {
    // Not called directly: the linker decides which function of this name it is.
    let found: IsCapable = black_box(ASYNC_is_capable);
    // SAFETY: every function of this name takes nothing and only returns.
    unsafe { simaccel_async_reached(Some(found)) }
}

/// Whether an `ASYNC_is_capable` is ours: 1 or 0. The address of a function does not tell, for it may be that
/// of the program's jump to it; so it is called.
///
/// # Safety
///
/// `is_capable` is null or a function of that name, of this library or libcrypto.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn simaccel_async_reached(is_capable: Option<IsCapable>) -> c_int {
    let Some(is_capable) = is_capable else { return 0 };
    CALLED.set(false);
    // SAFETY: the caller's promise.
    unsafe { is_capable() };
    c_int::from(CALLED.replace(false))
}

/// For our `OSSL_LIB_CTX_set0_default`: whether the call only asks whose function it is.
pub(crate) fn was_asked() -> bool {
    ASKED.replace(false)
}

macro_rules! weak_references {
    ($table:literal: $($name:literal),+ $(,)?) => {
        // The linker, static or dynamic, stores 0 if there is no such function. A weak reference pulls no
        // object out of an archive.
        global_asm!(
            ".pushsection .data.rel.ro.simaccel_linked,\"aw\"",
            ".balign 8",
            // Other objects of this library may look it up, too.
            concat!(".globl ", $table),
            concat!(".hidden ", $table),
            concat!($table, ":"),
            $(concat!(".weak ", $name), concat!(".quad ", $name),)+
            ".popsection",
        );
        /// The functions of the table, in its order.
        const NAMES: &[&str] = &[$($name),+];
    };
}

weak_references! {
    "simaccel_linked_functions":
    "OSSL_LIB_CTX_get0_global_default",
    "ERR_new",
    "ERR_set_debug",
    "ERR_set_error",
    "ERR_put_error",
    "ERR_add_error_data",
}

unsafe extern "C" {
    #[link_name = "simaccel_linked_functions"]
    static TABLE: [*mut c_void; NAMES.len()];
}

/// libcrypto's function of this name, if the linker has found one. (If it has not, libcrypto may still be
/// loaded, later or with local scope.)
pub(crate) fn function(name: &CStr) -> Option<*mut c_void> {
    if name == c"OSSL_LIB_CTX_set0_default" {
        return set_default();
    }
    let at = NAMES.iter().position(|known| known.as_bytes() == name.to_bytes())?;
    // SAFETY: the table has as many words as there are names, and nothing writes to it after it was
    // relocated.
    Some(unsafe { TABLE[at] }).filter(|address| !address.is_null())
}

/// The function that the linker has bound the name to, if it is not this library's.
fn set_default() -> Option<*mut c_void> {
    // Without libcrypto it is this library's.
    function(c"OSSL_LIB_CTX_get0_global_default")?;
    let found: SetDefault = black_box(OSSL_LIB_CTX_set0_default);
    ASKED.set(true);
    // SAFETY: null asks for the default and changes nothing.
    unsafe { found(ptr::null_mut()) };
    let is_theirs = ASKED.replace(false);
    is_theirs.then_some(found as *mut c_void)
}
