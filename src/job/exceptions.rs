//! What the C++ runtime keeps about a thread's exceptions: the ones being handled, and how many are in
//! flight. A job that pauses in a `catch` block, or in a destructor that an exception runs, has its own.
//!
//! ```text
//!   __cxa_get_globals() ──► caught, uncaught     of the thread: two words, by the Itanium C++ ABI
//!                              ▲▼ exchanged before and after each switch, on the resumer's stack
//!   Exceptions, in the job's record              the job's; its resumer's while it runs
//! ```
//!
//! Programs without a C++ runtime pay nothing. The search for the runtime runs when a job begins with a new
//! function and an object was loaded since the last search. Switches take the path of [`hooks`](super::hooks)
//! only once the runtime is found. So a runtime that is loaded while jobs run is found by the first job whose
//! function was loaded along with it. The runtime then stays loaded.
#![expect(unsafe_code, reason = "looks for the C++ runtime, and exchanges words with it")]

use std::cell::Cell;
use std::ffi::{CStr, c_int, c_void};
use std::mem::{self, MaybeUninit};
use std::ptr::{self, NonNull};
use std::sync::atomic::{AtomicPtr, AtomicU64, AtomicUsize, Ordering};

use super::hooks;

/// `__cxa_eh_globals`: a pointer, and a count with its padding.
type State = [usize; 2];
/// `__cxa_get_globals`.
type GetGlobals = unsafe extern "C" fn() -> *mut State;

/// The [`GetGlobals`] function, once found.
static GET_GLOBALS: AtomicPtr<c_void> = AtomicPtr::new(ptr::null_mut());
/// How many objects the dynamic linker had loaded at the last search.
static LOADED: AtomicU64 = AtomicU64::new(0);
/// Functions that jobs have begun with, by address.
static SEEN: [AtomicUsize; 64] = [const { AtomicUsize::new(0) }; 64];

/// Runtimes that may be loaded with local scope: GNU's and LLVM's.
const RUNTIMES: [&CStr; 2] = [c"libstdc++.so.6", c"libc++abi.so.1"];
const NAME: &CStr = c"__cxa_get_globals";

/// What is kept for a job.
#[derive(Debug, Default)]
pub(super) struct Exceptions {
    state: Cell<State>,
    /// The thread's globals while the job runs.
    globals: Cell<Option<NonNull<State>>>,
}

impl Exceptions {
    /// Called before the first switch into a job.
    pub(super) fn begin(&self) {
        self.state.set(State::default());
    }

    /// Called before each switch into the job.
    pub(super) fn enter(&self) {
        let get_globals = GET_GLOBALS.load(Ordering::Acquire);
        if get_globals.is_null() {
            return;
        }
        // SAFETY: `look` stores nothing else, and the runtime is not unloaded.
        let globals = unsafe { mem::transmute::<*mut c_void, GetGlobals>(get_globals)() };
        self.globals.set(NonNull::new(globals));
        self.exchange();
    }

    /// Called after each switch. Does nothing if the runtime was found during the switch.
    pub(super) fn leave(&self) {
        self.exchange();
        self.globals.set(None);
    }

    fn exchange(&self) {
        if let Some(globals) = self.globals.get() {
            // SAFETY: the thread's own, of this size, and no C++ code runs in the thread now.
            unsafe { globals.write(self.state.replace(globals.read())) };
        }
    }
}

/// Called before a job begins with this function.
#[inline]
pub(super) fn note(function: usize) {
    let place = &SEEN[function.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 58];
    if place.load(Ordering::Acquire) != function {
        look();
        // Stored after the search: another thread that sees it does not search.
        place.store(function, Ordering::Release);
    }
}

/// Searches for the C++ runtime, if an object was loaded since the last search.
#[cold]
pub(super) fn look() {
    if !GET_GLOBALS.load(Ordering::Acquire).is_null() {
        return;
    }
    let loaded = loaded();
    if LOADED.load(Ordering::Acquire) == loaded {
        return;
    }
    if let Some(get_globals) = linked().or_else(find) {
        // First: a thread that sees the stored function must already switch on the watched path.
        hooks::watch();
        GET_GLOBALS.store(get_globals.as_ptr(), Ordering::Release);
    }
    // Last, for the same reason: several threads may search at a time.
    LOADED.store(loaded, Ordering::Release);
}

/// How many objects were ever loaded.
fn loaded() -> u64 {
    unsafe extern "C" fn visit(object: *mut libc::dl_phdr_info, _: usize, adds: *mut c_void) -> c_int {
        // SAFETY: `object` is the linker's and `adds` is the place that the caller passed.
        unsafe { adds.cast::<u64>().write((*object).dlpi_adds) };
        1
    }
    let mut adds = 0_u64;
    // SAFETY: the function writes to a place that is there, and ends the iteration.
    unsafe { libc::dl_iterate_phdr(Some(visit), (&raw mut adds).cast()) };
    adds
}

/// The runtime that this code is linked with: the only one that a statically linked program shows.
#[cfg(target_arch = "x86_64")]
fn linked() -> Option<NonNull<c_void>> {
    let get_globals: *mut c_void;
    // SAFETY: reads a pointer that the linker has filled in, with null where there is no such function.
    unsafe {
        std::arch::asm!(
            ".weak __cxa_get_globals",
            "mov {}, qword ptr [rip + __cxa_get_globals@GOTPCREL]",
            out(reg) get_globals,
            options(nostack, preserves_flags, readonly),
        );
    }
    NonNull::new(get_globals)
}

#[cfg(not(target_arch = "x86_64"))]
fn linked() -> Option<NonNull<c_void>> {
    None
}

/// The loaded runtime, with global or local scope.
fn find() -> Option<NonNull<c_void>> {
    // SAFETY: asks for a symbol by name.
    let global = NonNull::new(unsafe { libc::dlsym(libc::RTLD_DEFAULT, NAME.as_ptr()) });
    global.inspect(|get_globals| keep_loaded(*get_globals)).or_else(|| RUNTIMES.into_iter().find_map(find_in))
}

/// Keeps the object that contains this address loaded.
pub(super) fn keep_loaded(address: NonNull<c_void>) {
    let Some(object) = object_of(address.as_ptr()) else { return };
    // SAFETY: asks for a constant.
    let entry = usize::try_from(unsafe { libc::getauxval(libc::AT_ENTRY) }).unwrap_or_default();
    // The program itself cannot be unloaded, and has no name to open.
    let program = object_of(ptr::with_exposed_provenance(entry));
    if program.is_none_or(|program| program.dli_fbase != object.dli_fbase) {
        // SAFETY: loads nothing: the name is that of an object which is loaded, and stays so because its
        // handle is never closed.
        unsafe { libc::dlopen(object.dli_fname, libc::RTLD_LAZY | libc::RTLD_NOLOAD) };
    }
}

fn object_of(address: *const c_void) -> Option<libc::Dl_info> {
    let mut object = MaybeUninit::uninit();
    // SAFETY: asks which object this address lies in, if any; there is room for the answer.
    let found = unsafe { libc::dladdr(address, object.as_mut_ptr()) };
    // SAFETY: filled in, where there is one.
    (found != 0).then(|| unsafe { object.assume_init() })
}

fn find_in(runtime: &CStr) -> Option<NonNull<c_void>> {
    // SAFETY: loads nothing; what is loaded stays so, because the handle is never closed.
    let handle =
        NonNull::new(unsafe { libc::dlopen(runtime.as_ptr(), libc::RTLD_LAZY | libc::RTLD_NOLOAD) })?;
    // SAFETY: the handle is valid.
    NonNull::new(unsafe { libc::dlsym(handle.as_ptr(), NAME.as_ptr()) })
}
