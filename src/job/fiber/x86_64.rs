//! The switch for x86-64.
//!
//! ```text
//!   base ┌────────────────────────────┐
//!        │ Exit: the resumer's rsp    │ ◄── stored by `enter`, loaded by `leave`
//!        │ the root, until it runs    │
//!        ├────────────────────────────┤
//!        │ exit, root, run, begin     │ ◄── rsp of a fiber that was never entered
//!        ├─ or ───────────────────────┤
//!        │ frames ...                 │
//!        │ rbx, rbp, where to go on   │ ◄── rsp of a fiber that was left
//!        └────────────────────────────┘
//! ```
//!
//! Whoever switches pushes where it wants to go on, gives up its stack pointer for the other's, and pops and jumps to
//! what lies there. All other registers are the compiler's to save, which knows which are in use; `rbx` and `rbp` are
//! not on offer to it, so they are pushed too.
//!
//! Backtraces end at the root: it says to unwinders that nobody called it.
#![expect(unsafe_code, reason = "switches stacks")]

use std::arch::{asm, naked_asm};
use std::cell::Cell;
use std::convert::Infallible;
use std::ffi::c_int;
use std::ptr;

use super::super::current;
use super::Signal;

/// The way out of a running fiber, at the top of its stack: the stack pointer of whoever has entered it.
pub(in super::super) struct Exit {
    resumer: Cell<usize>,
}

/// One execution, left.
pub(in super::super) struct Fiber {
    sp: usize,
    exit: *const Exit,
}

/// What lies on the stack of a fiber that was never entered; `begin` takes it off.
#[repr(C)]
struct First {
    begin: unsafe extern "C" fn(),
    run: *const (),
    root: usize,
    exit: *const Exit,
}

/// The first frame of every fiber: calls `run(root, exit)`, which does not return.
#[unsafe(naked)]
unsafe extern "C" fn begin() {
    naked_asm!(
        ".cfi_startproc",
        ".cfi_undefined rip",
        "pop rax",
        "pop rdi",
        "pop rsi",
        "xor ebp, ebp",
        "call rax",
        "ud2",
        ".cfi_endproc",
    );
}

impl Signal {
    const fn of(bits: usize) -> Self {
        if bits == Self::Continue as usize { Self::Continue } else { Self::Unwind }
    }
}

impl Fiber {
    /// A fiber that has not been entered. It will call `root`.
    ///
    /// # Safety
    ///
    /// The memory between `limit` and `base` stays mapped and unused by others until the fiber is dropped, with a
    /// guard at its low end (or the supplier of the memory answers for overflows). `base` is aligned to 16 bytes.
    /// `root` does not unwind.
    pub(in super::super) unsafe fn new<F>(base: usize, _limit: usize, root: F) -> Self
    where
        F: FnOnce(&Exit) -> Infallible + 'static,
    {
        let exit = ptr::with_exposed_provenance_mut::<Exit>(base - 16);
        let place = (base - 16 - size_of::<F>()) & !(align_of::<F>().max(16) - 1);
        let first = ptr::with_exposed_provenance_mut::<First>(place - size_of::<First>());
        // SAFETY: all three lie in the fiber's memory, one below the other and aligned.
        unsafe {
            exit.write(Exit { resumer: Cell::new(0) });
            ptr::with_exposed_provenance_mut::<F>(place).write(root);
            first.write(First { begin, run: run::<F> as *const (), root: place, exit });
        }
        Self { sp: first.addr(), exit }
    }

    /// Runs the fiber until it leaves.
    #[inline]
    pub(in super::super) fn enter(&mut self, signal: Signal) {
        // SAFETY: the fiber was left, or has just been made, so what lies at its stack pointer is as the switch expects;
        // its memory is there. It comes back at the label with our stack pointer, and with its own in `rsi`.
        unsafe {
            asm!(
                "push rbx",
                "push rbp",
                "lea rax, [rip + 2f]",
                "push rax",
                "mov [rdx], rsp",
                "mov rsp, rsi",
                "pop rcx",
                "jmp rcx",
                "2:",
                "pop rbp",
                "pop rbx",
                in("rdx") self.exit,
                inlateout("rsi") self.sp,
                inlateout("rdi") signal as usize => _,
                lateout("r12") _,
                lateout("r13") _,
                lateout("r14") _,
                lateout("r15") _,
                clobber_abi("sysv64"),
            );
        }
    }
}

impl Exit {
    /// Leaves the fiber, which has to be the running one. Comes back when it is entered again.
    #[inline]
    pub(in super::super) fn leave(&self) -> Signal {
        let signal: usize;
        // SAFETY: the fiber is running, so whoever has entered it waits at the stack pointer that is stored here. It is
        // entered at the label, with its stack pointer, or its frames are forgotten.
        unsafe {
            asm!(
                "push rbx",
                "push rbp",
                "lea rax, [rip + 2f]",
                "push rax",
                "mov rsi, rsp",
                "mov rsp, [rdx]",
                "pop rcx",
                "jmp rcx",
                "2:",
                "pop rbp",
                "pop rbx",
                in("rdx") self.resumer.as_ptr(),
                lateout("rdi") signal,
                lateout("r12") _,
                lateout("r13") _,
                lateout("r14") _,
                lateout("r15") _,
                clobber_abi("sysv64"),
            );
        }
        Signal::of(signal)
    }
}

/// [`Exit::leave`] as a C function that is called deep down: it also returns by a jump, for its return would be
/// mispredicted. `way_out` says where to leave, or null to return 1 at once; `back` gets the signal, and its result is
/// returned.
#[unsafe(naked)]
pub(in super::super) extern "C" fn leave_for_c() -> c_int {
    naked_asm!(
        ".cfi_startproc",
        "push rbp",
        "push rbx",
        "push r12",
        "push r13",
        "push r14",
        "push r15",
        "sub rsp, 8",
        ".cfi_def_cfa_offset 64",
        "call {way_out}",
        "test rax, rax",
        "jz 3f",
        "mov rdx, rax",
        "lea rax, [rip + 2f]",
        "push rax",
        "mov rsi, rsp",
        "mov rsp, [rdx]",
        "pop rcx",
        "jmp rcx",
        "2:",
        "call {back}",
        "add rsp, 8",
        "pop r15",
        "pop r14",
        "pop r13",
        "pop r12",
        "pop rbx",
        "pop rbp",
        "pop rcx",
        "jmp rcx",
        "3:",
        "mov eax, 1",
        "add rsp, 56",
        "ret",
        ".cfi_endproc",
        way_out = sym way_out,
        back = sym back,
    );
}

extern "C" fn way_out() -> *const Exit {
    current::way_out_for_c().unwrap_or(ptr::null())
}

extern "C" fn back(signal: usize) -> c_int {
    current::back_for_c(Signal::of(signal))
}

/// The second frame of a fiber.
///
/// # Safety
///
/// `root` is to be called once, and `exit` is the fiber's.
unsafe extern "C" fn run<F: FnOnce(&Exit) -> Infallible>(root: *mut F, exit: *const Exit) -> ! {
    // SAFETY: the caller's promise; `exit` lies above the fiber's frames, and as long as they do.
    let (root, exit) = unsafe { (root.read(), &*exit) };
    match root(exit) {}
}
