//! The frame below a raw job's function: it stops Rust panics, and nothing else.
//!
//! ```text
//!   func                    throws                      what `catching` does (by its personality routine)
//!   catching   (naked)      a Rust panic                stops and returns it
//!   serve, begin            a forced unwinding          passes it on: the root ends the stack, where glibc's
//!                                                       `pthread_exit` jumps to the thread's start
//!                           a C++ exception             finds no handler: C++ calls `std::terminate`
//! ```
//!
//! Rust's `catch_unwind` stops a Rust panic, but ends the process for anything else. So this frame stops the
//! panic's exception and raises it once more, into a `catch_unwind` that a forced unwinding does not meet and
//! that sees no other exception. The frames from here to the root own nothing and catch nothing, as Rust
//! requires of frames that a forced unwinding passes.
#![expect(unsafe_code, reason = "calls raw functions, and speaks to the unwinder")]

use std::arch::naked_asm;
use std::convert::Infallible;
use std::ffi::{c_int, c_void};
use std::panic::{self, AssertUnwindSafe};
use std::process;
use std::ptr;

use super::super::super::front::Front;
use super::super::super::raw::RawFn;
use super::super::super::record::{Panic, State};

/// From the Itanium C++ ABI, level 1, on personality routines.
mod abi {
    use super::{c_int, c_void};

    pub(super) const SEARCH_PHASE: c_int = 1;
    pub(super) const FORCE_UNWIND: c_int = 8;
    pub(super) const HANDLER_FOUND: c_int = 6;
    pub(super) const INSTALL_CONTEXT: c_int = 7;
    pub(super) const CONTINUE_UNWIND: c_int = 8;
    /// The numbers of registers in the psABI.
    pub(super) const RAX: c_int = 0;
    pub(super) const RBX: c_int = 3;

    unsafe extern "C-unwind" {
        pub(super) fn _Unwind_RaiseException(exception: *mut c_void) -> c_int;
    }

    unsafe extern "C" {
        pub(super) fn _Unwind_GetGR(context: *mut c_void, register: c_int) -> usize;
        pub(super) fn _Unwind_SetGR(context: *mut c_void, register: c_int, value: usize);
        pub(super) fn _Unwind_SetIP(context: *mut c_void, address: usize);
    }
}

/// Whether an exception of this class is a C++ exception, from any compiler: these bytes of the class name
/// the language.
#[expect(clippy::cast_possible_truncation, reason = "the lower half is meant")]
const fn is_cxx(class: u64) -> bool {
    class as u32 & !0xff == u32::from_be_bytes(*b"C++\0")
}

/// Calls a raw job's function. Returns a Rust panic as an error. Does not return from a forced unwinding: the
/// job then counts as over.
///
/// # Safety
///
/// `func` may be called with `args`, in a job.
pub(in super::super::super) unsafe fn call(func: RawFn, args: *mut c_void) -> Result<c_int, Panic> {
    let mut exception = ptr::null_mut();
    // SAFETY: the caller's promise about `func`; `exception` is a place for the third argument.
    let ret = unsafe { catching(args, func, &raw mut exception) };
    if exception.is_null() { Ok(ret) } else { Err(payload(exception)) }
}

/// Calls `func(args)`. Stops a Rust panic and writes its exception to `caught`.
#[unsafe(naked)]
#[allow(named_asm_labels, reason = "the name holds the function's, of which there is one")]
unsafe extern "C-unwind" fn catching(args: *mut c_void, func: RawFn, caught: *mut *mut c_void) -> c_int {
    naked_asm!(
        ".cfi_startproc",
        ".cfi_personality 0x1b, .L{catching}.personality",
        "push rbx",
        ".cfi_adjust_cfa_offset 8",
        ".cfi_offset rbx, -16",
        "push r12",
        ".cfi_adjust_cfa_offset 8",
        ".cfi_offset r12, -24",
        "sub rsp, 8",
        ".cfi_adjust_cfa_offset 8",
        "lea rbx, [rip + 2f]",
        "mov r12, rdx",
        "call rsi",
        ".cfi_remember_state",
        "3:",
        "add rsp, 8",
        ".cfi_adjust_cfa_offset -8",
        "pop r12",
        ".cfi_adjust_cfa_offset -8",
        ".cfi_restore r12",
        "pop rbx",
        ".cfi_adjust_cfa_offset -8",
        ".cfi_restore rbx",
        "ret",
        "2:",
        ".cfi_restore_state",
        "mov [r12], rax",
        "jmp 3b",
        ".cfi_endproc",
        // Beside the frame that names it, so that linking cannot separate the two.
        ".cfi_startproc",
        ".L{catching}.personality:",
        "jmp {personality}",
        ".cfi_endproc",
        catching = sym catching,
        personality = sym personality,
    );
}

/// The personality routine of [`catching`]: tells the unwinder whether it handles the exception, and where
/// execution continues, which `rbx` holds.
unsafe extern "C" fn personality(
    _version: c_int,
    actions: c_int,
    class: u64,
    exception: *mut c_void,
    context: *mut c_void,
) -> c_int {
    if actions & abi::FORCE_UNWIND != 0 {
        abandon();
        return abi::CONTINUE_UNWIND;
    }
    if is_cxx(class) {
        return abi::CONTINUE_UNWIND;
    }
    if actions & abi::SEARCH_PHASE != 0 {
        return abi::HANDLER_FOUND;
    }
    // SAFETY: the unwinder's own context, for the frame that handles the exception: `rbx` is as `catching`
    // has set it.
    unsafe {
        abi::_Unwind_SetGR(context, abi::RAX, exception.addr());
        abi::_Unwind_SetIP(context, abi::_Unwind_GetGR(context, abi::RBX));
    }
    abi::INSTALL_CONTEXT
}

/// Ends the running job and every job that waits for it: their thread is about to end.
fn abandon() {
    let front = Front::here();
    if let Some(record) = front.running() {
        record.state.set(State::Abandoned);
    }
    front.turn.end();
}

/// The payload of a stopped panic.
#[cold]
fn payload(exception: *mut c_void) -> Panic {
    let raised = panic::catch_unwind(AssertUnwindSafe(|| -> Infallible {
        // SAFETY: the exception was stopped, and has no other owner.
        unsafe { abi::_Unwind_RaiseException(exception) };
        // Reached only without a handler, and the next frame has one.
        process::abort()
    }));
    match raised {
        Err(payload) => payload,
        Ok(never) => match never {},
    }
}
