//! The default library context of libcrypto, kept for each job (statement 55), if libcrypto is in the
//! process.
//!
//! ```text
//!   program ── OSSL_LIB_CTX_set0_default ──► ours ──► libcrypto's own (found at run time)
//!                                              └─ first time with a context: sets the switch hooks
//!   switch  ── enter(word) ──► outer = default now; the job's own goes in, where it has one
//!           ── leave(outer) ─► the job's default comes out as its word; outer goes back
//! ```
//!
//! libcrypto saves and restores at every switch, for every program. Here a program pays nothing until it sets
//! a default: this library is ahead of libcrypto (that is how it replaces the `ASYNC_*` functions), so it
//! sees the program's call. If it is not ahead (for example loaded later by `dlopen`, or linked with a static
//! libcrypto, whose own function the program then calls), it would not see the first call; then the hooks are
//! there from the first job on.
#![expect(unsafe_code, reason = "calls functions of libcrypto, found at run time")]

use std::ffi::{CStr, c_char, c_int, c_void};
use std::mem;
use std::ptr;
use std::sync::OnceLock;

use simaccel::job::raw::{self, SwitchHooks};

use crate::guard::boundary;
use crate::linked;

pub(crate) type SetDefault = unsafe extern "C" fn(ctx: *mut c_void) -> *mut c_void;
type GetGlobal = unsafe extern "C" fn() -> *mut c_void;

/// The functions needed from libcrypto.
#[derive(Clone, Copy)]
struct Functions {
    set_default: SetDefault,
    /// The context that is the default until another is set.
    global: GetGlobal,
}

static HOOKS: SwitchHooks = SwitchHooks { enter, leave };
const SET_DEFAULT: &CStr = c"OSSL_LIB_CTX_set0_default";
const GLOBAL: &CStr = c"OSSL_LIB_CTX_get0_global_default";

/// Stands in for libcrypto's function of this name: sets the default library context of the thread (of the
/// job, in a job) and returns the previous one; null only asks. Without libcrypto in the process it returns
/// null.
///
/// # Safety
///
/// `ctx` is null, or a context of libcrypto that stays until another is set.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn OSSL_LIB_CTX_set0_default(ctx: *mut c_void) -> *mut c_void {
    boundary(|| {
        if linked::was_asked() {
            return ptr::null_mut();
        }
        let Some(functions) = functions() else { return ptr::null_mut() };
        if !ctx.is_null() {
            // SAFETY: the hooks call two functions of libcrypto that do not unwind and do not use jobs.
            unsafe { raw::set_switch_hooks(Some(&HOOKS)) };
        }
        // SAFETY: the caller's promise is the one that libcrypto asks for.
        unsafe { (functions.set_default)(ctx) }
    })
}

/// Called before the first job: sets the hooks where the program's calls would not come through here.
pub(crate) fn prepare() {
    // SAFETY: the name ends with 0.
    let first = unsafe { libc::dlsym(libc::RTLD_DEFAULT, SET_DEFAULT.as_ptr()) };
    let comes_through_here = linked::function(SET_DEFAULT).is_none() && is_ours(first);
    if !comes_through_here && functions().is_some() {
        // SAFETY: as above.
        unsafe { raw::set_switch_hooks(Some(&HOOKS)) };
    }
}

unsafe extern "C" fn enter(job: usize) -> usize {
    let Some(functions) = functions() else { return 0 };
    let job = ptr::with_exposed_provenance_mut(job);
    // SAFETY: null asks for the default and changes nothing; otherwise the word is a default that the job had
    // in force.
    unsafe { (functions.set_default)(job) }.expose_provenance()
}

unsafe extern "C" fn leave(outer: usize) -> usize {
    let Some(functions) = functions() else { return 0 };
    let outer = match outer {
        // The job was entered before any default was set. SAFETY: it asks for a constant.
        0 => unsafe { (functions.global)() },
        outer => ptr::with_exposed_provenance_mut(outer),
    };
    // SAFETY: a default that was in force before the job was entered.
    unsafe { (functions.set_default)(outer) }.expose_provenance()
}

/// libcrypto's functions.
fn functions() -> Option<Functions> {
    static FOUND: OnceLock<Functions> = OnceLock::new();
    once_found(&FOUND, find)
}

#[cold]
fn find() -> Option<Functions> {
    let (set_default, global) = (address(SET_DEFAULT)?, address(GLOBAL)?);
    // SAFETY: libcrypto's functions of these names have these types.
    Some(unsafe {
        Functions {
            set_default: mem::transmute::<*mut c_void, SetDefault>(set_default),
            global: mem::transmute::<*mut c_void, GetGlobal>(global),
        }
    })
}

/// Whether a function belongs to the object that contains this code. (The address of a function of this
/// library would not tell: the linker returns whichever function of that name comes first.)
fn is_ours(function: *mut c_void) -> bool {
    let object_of = |address: *const c_void| {
        let mut info = mem::MaybeUninit::<libc::Dl_info>::uninit();
        // SAFETY: any address may be asked for, and there is room for the answer.
        let known = unsafe { libc::dladdr(address, info.as_mut_ptr()) } != 0;
        // SAFETY: it was written.
        known.then(|| unsafe { info.assume_init() }.dli_fbase)
    };
    !function.is_null() && object_of(function) == object_of((&raw const HOOKS).cast())
}

/// The result of `find`. It is called until it finds something, because libcrypto may be loaded later.
pub(crate) fn once_found<T: Copy>(found: &OnceLock<T>, find: impl FnOnce() -> Option<T>) -> Option<T> {
    if let Some(found) = found.get() {
        return Some(*found);
    }
    let first = find()?;
    Some(*found.get_or_init(|| first))
}

/// The address of one of libcrypto's functions, not of this library's function of the same name.
pub(crate) fn address(name: &CStr) -> Option<*mut c_void> {
    linked::function(name).or_else(|| found(name))
}

/// The same, in a loaded library.
fn found(name: &CStr) -> Option<*mut c_void> {
    let is_other = |found: &*mut c_void| !found.is_null() && !is_ours(*found);
    // SAFETY: the name ends with 0.
    let next = unsafe { libc::dlsym(libc::RTLD_NEXT, name.as_ptr()) };
    // SAFETY: as above.
    let from_anywhere = || Some(unsafe { libc::dlsym(libc::RTLD_DEFAULT, name.as_ptr()) });
    Some(next).filter(is_other).or_else(|| from_anywhere().filter(is_other)).or_else(|| loaded(name))
}

/// The same, in a libcrypto that was loaded with local scope.
fn loaded(name: &CStr) -> Option<*mut c_void> {
    unsafe extern "C" fn look(object: *mut libc::dl_phdr_info, _: usize, found: *mut c_void) -> c_int {
        // SAFETY: the linker passes a description whose name ends with 0, and what `loaded` gave it.
        let (path, found) = unsafe { ((*object).dlpi_name, &mut *found.cast::<*const c_char>()) };
        if path.is_null() {
            return 0;
        }
        // SAFETY: as above.
        let bytes = unsafe { CStr::from_ptr(path) }.to_bytes();
        let file = bytes.rsplit(|byte| *byte == b'/').next().unwrap_or_default();
        if file.starts_with(b"libcrypto.so") {
            *found = path;
            return 1;
        }
        0
    }
    let mut path: *const c_char = ptr::null();
    // SAFETY: the callback uses only its arguments.
    unsafe { libc::dl_iterate_phdr(Some(look), (&raw mut path).cast()) };
    if path.is_null() {
        return None;
    }
    // SAFETY: the object is loaded; this only returns a handle to it, which stays.
    let object = unsafe { libc::dlopen(path, libc::RTLD_LAZY | libc::RTLD_NOLOAD) };
    if object.is_null() {
        return None;
    }
    // SAFETY: the handle is valid, the name ends with 0.
    let found = unsafe { libc::dlsym(object, name.as_ptr()) };
    (!found.is_null()).then_some(found)
}
