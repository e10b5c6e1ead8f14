//! The switch for x86-64.
//!
//! ```text
//!   Turn, of the thread                        base ┌────────────────────────────┐
//!   ┌───────────────────┐                           │ the root, until it runs    │
//!   │ the resumer's rsp │ ◄─ stored by `enter`,     ├────────────────────────────┤
//!   │ the fiber         │    loaded by `leave`      │ root, run                  │
//!   └───────────────────┘                           │ begin, rbx, rbp            │ ◄── a new fiber
//!   Fiber, in its record                            ├─ or ───────────────────────┤
//!   ┌───────────────────┐                           │ frames ...                 │
//!   │ the fiber's rsp   │ ◄─ stored by `leave`,     │ continuation, rbx, rbp     │ ◄── a fiber that has left
//!   └───────────────────┘    loaded by `enter`      └────────────────────────────┘
//! ```
//!
//! The caller jumps to the switch with its continuation address in `rax`. The switch pushes it, exchanges the
//! stack pointer for the other side's, pops what lies there and jumps to it. The compiler saves the other
//! registers that are in use. Inline assembly cannot tell it to save `rbx` and `rbp`, so the switch pushes
//! them too.
//!
//! A profiler's signal may unwind the stack at any instruction. The call-frame information of code around
//! inline assembly is the compiler's, which knows nothing of a push in between. Therefore the inline part
//! touches no stack. The switch is a separate function, and its information is exact for each instruction:
//!
//! ```text
//!   lea rax, [cont]; jmp     the frame is the caller's                              compiler's
//!   push rax, rbx, rbp       return address in rax, then on the stack               ┐
//!   mov [ours], rsp                                                                 │ the switch's
//!   mov rsp, [theirs]        the same three words on the other stack: still true    │
//!   pop rbp, rbx, rcx; jmp   return address on the stack, then in rcx               ┘
//!   cont:                    the frame is the other side's                          compiler's
//! ```
//!
//! Each direction has its own function, because a processor predicts a jump by its address.
//!
//! The way back lies in the thread's one [`Turn`] and not in the fiber. A processor overlaps several
//! switches, as long as a later one does not wait for an earlier store. A stack pointer that is found through
//! a record, which is found through a popped word of the other stack, is four such waits in a row; in a fixed
//! place it is one. So `enter` is for callers outside of fibers: they have no turn to restore (two more
//! waits), and store a constant. The turn goes through the switch in `rdx`, where its address does not wait
//! for the stack.
//!
//! Backtraces end at the root: it tells unwinders that it has no caller.
#![expect(unsafe_code, reason = "switches stacks")]

#[path = "call.rs"]
mod call;

use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
use std::arch::{asm, naked_asm};
use std::cell::Cell;
use std::convert::Infallible;
use std::ffi::c_int;
use std::ptr::{self, NonNull};

use super::super::current;
use super::Signal;
pub(in super::super) use call::call;

/// The state of switches on a thread: the running fiber, and the way back to the side that entered it.
#[repr(C)]
pub(in super::super) struct Turn {
    resumer: Cell<usize>,
    fiber: Cell<*const Fiber>,
}

/// One saved execution: its stack pointer, 0 where there is none.
pub(in super::super) struct Fiber {
    sp: Cell<usize>,
}

/// The initial stack of a fiber: what the switch pops, then what `begin` pops.
#[repr(C)]
struct First {
    rbp: usize,
    rbx: usize,
    begin: usize,
    run: *const (),
    root: usize,
}

/// The first frame of every fiber: calls `run(root)`, which does not return. It is entered after the `nop`,
/// because unwinders look up a caller one byte before its return address.
#[unsafe(naked)]
unsafe extern "C" fn begin() {
    naked_asm!(
        ".cfi_startproc",
        ".cfi_def_cfa rsp, 16",
        ".cfi_undefined rip",
        "nop",
        "pop rax",
        ".cfi_adjust_cfa_offset -8",
        "pop rdi",
        ".cfi_adjust_cfa_offset -8",
        "call rax",
        "ud2",
        ".cfi_endproc",
    );
}

/// Bytes of the `nop` in `begin`.
const NOP: usize = 1;

/// The switch: continues on the other side now, and at `rax` later. `$store` saves this side's stack pointer,
/// `$load` loads the other side's.
macro_rules! switch {
    ($store:literal, $load:literal) => {
        naked_asm!(
            ".cfi_startproc",
            ".cfi_def_cfa rsp, 0",
            ".cfi_register rip, rax",
            "push rax",
            ".cfi_adjust_cfa_offset 8",
            ".cfi_offset rip, -8",
            "push rbx",
            ".cfi_adjust_cfa_offset 8",
            ".cfi_offset rbx, -16",
            "push rbp",
            ".cfi_adjust_cfa_offset 8",
            ".cfi_offset rbp, -24",
            $store,
            $load,
            "pop rbp",
            ".cfi_adjust_cfa_offset -8",
            ".cfi_restore rbp",
            "pop rbx",
            ".cfi_adjust_cfa_offset -8",
            ".cfi_restore rbx",
            "pop rcx",
            ".cfi_adjust_cfa_offset -8",
            ".cfi_register rip, rcx",
            "jmp rcx",
            ".cfi_endproc",
        )
    };
}

/// Switches to the fiber in `rsi`, with the turn in `rdx`. `rdi` passes through.
#[unsafe(naked)]
unsafe extern "C" fn switch_in() {
    switch!("mov [rdx], rsp", "mov rsp, [rsi]")
}

/// Switches from the fiber in `rsi` to the resumer of the turn in `rdx`.
#[unsafe(naked)]
unsafe extern "C" fn switch_out() {
    switch!("mov [rsi], rsp", "mov rsp, [rdx]")
}

impl Signal {
    const fn of(bits: usize) -> Self {
        if bits == Self::Continue as usize { Self::Continue } else { Self::Unwind }
    }
}

impl Turn {
    /// No fiber runs.
    pub(in super::super) const fn new() -> Self {
        Self { resumer: Cell::new(0), fiber: Cell::new(ptr::null()) }
    }

    /// The running fiber; null when there is none.
    #[inline]
    pub(in super::super) fn fiber(&self) -> *const Fiber {
        self.fiber.get()
    }

    /// No fiber runs any more, and there is no way back.
    fn end(&self) {
        self.fiber.set(ptr::null());
    }
}

impl Fiber {
    /// No execution: it must not be entered.
    pub(in super::super) const fn none() -> Self {
        Self { sp: Cell::new(0) }
    }

    /// Discards the execution and starts a new one, which will call `root`.
    ///
    /// # Safety
    ///
    /// The fiber is not running. The memory between `limit` and `base` stays mapped, and unused by others,
    /// until the execution is discarded. It has a guard at its low end, or the supplier of the memory answers
    /// for overflows. `base` is aligned to 16 bytes. `root` does not unwind.
    pub(in super::super) unsafe fn renew<F>(&self, base: usize, _limit: usize, root: F)
    where
        F: FnOnce() -> Infallible + 'static,
    {
        let place = (base - size_of::<F>()) & !(align_of::<F>().max(16) - 1);
        let first = ptr::with_exposed_provenance_mut::<First>(place - size_of::<First>());
        // SAFETY: both lie in the fiber's memory, one below the other and aligned.
        unsafe {
            ptr::with_exposed_provenance_mut::<F>(place).write(root);
            first.write(First {
                rbp: 0,
                rbx: 0,
                begin: begin as *const () as usize + NOP,
                run: run::<F> as *const (),
                root: place,
            });
        }
        self.sp.set(first.addr());
    }

    /// Discards the execution.
    ///
    /// # Safety
    ///
    /// It is not running, and no frame of it owns anything whose destructor must run.
    pub(in super::super) unsafe fn forget(&self) {
        self.sp.set(0);
    }

    /// Prefetches the frames that a fiber goes on with, a little before it is entered. Those of many fibers
    /// do not fit into the nearest cache.
    #[inline]
    pub(in super::super) fn prefetch(&self) {
        const LINES: usize = 6;
        const BYTES: usize = 64;
        for line in 0..LINES {
            let line = ptr::without_provenance(self.sp.get().wrapping_add(line * BYTES));
            // SAFETY: a hint, which reads nothing, at any address.
            unsafe { _mm_prefetch::<_MM_HINT_T0>(line) };
        }
    }

    /// Runs the fiber until it leaves.
    ///
    /// # Safety
    ///
    /// The fiber was renewed, was not discarded since, and is not running. `turn` is its thread's, has no
    /// running fiber, and is the one that `this` is entered by.
    #[inline(always)] // see fiber.rs on returns
    pub(in super::super) unsafe fn enter(this: NonNull<Self>, turn: &Turn, signal: Signal) {
        turn.fiber.set(this.as_ptr());
        // SAFETY: the fiber was left, or is new, so its stack pointer points to what the switch expects, and
        // its memory is mapped. It returns to the label with our stack pointer.
        unsafe {
            asm!(
                "lea rax, [rip + 2f]",
                "jmp {switch}",
                "2:",
                "mov qword ptr [rdx + 8], 0",
                switch = sym switch_in,
                in("rdx") turn,
                in("rsi") this.as_ptr(),
                inlateout("rdi") signal as usize => _,
                out("rax") _,
                lateout("r12") _,
                lateout("r13") _,
                lateout("r14") _,
                lateout("r15") _,
                clobber_abi("sysv64"),
            );
        }
    }

    /// Runs the fiber from within another fiber, and makes that one the running fiber again afterwards.
    ///
    /// # Safety
    ///
    /// As for [`enter`](Self::enter), except that another fiber is running.
    pub(in super::super) unsafe fn enter_from_fiber(this: NonNull<Self>, turn: &Turn, signal: Signal) {
        let (resumer, fiber) = (turn.resumer.get(), turn.fiber.get());
        // SAFETY: the caller's promise; the running fiber and its way back are kept.
        unsafe { Self::enter(this, turn, signal) };
        turn.resumer.set(resumer);
        turn.fiber.set(fiber);
    }

    /// Leaves the fiber. Returns when it is entered again.
    ///
    /// # Safety
    ///
    /// The fiber is the caller's, and `turn` its thread's.
    #[inline]
    pub(in super::super) unsafe fn leave(&self, turn: &Turn) -> Signal {
        let signal: usize;
        // SAFETY: the fiber is running, so the side that entered it waits at the stack pointer that is loaded
        // here. Later the fiber is entered at the label with its stack pointer, or its frames are discarded.
        unsafe {
            asm!(
                "lea rax, [rip + 2f]",
                "jmp {switch}",
                "2:",
                switch = sym switch_out,
                in("rdx") turn,
                in("rsi") self,
                lateout("rdi") signal,
                out("rax") _,
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

/// [`Fiber::leave`] as a C function that is called deep down: it also returns by a jump, because its return
/// would be mispredicted. `turn` returns the thread's turn, or null to return 1 at once; `back` gets the
/// signal, and its result is returned.
#[unsafe(naked)]
pub(in super::super) extern "C" fn leave_for_c() -> c_int {
    naked_asm!(
        ".cfi_startproc",
        "sub rsp, 8",
        ".cfi_adjust_cfa_offset 8",
        "call {turn}",
        "add rsp, 8",
        ".cfi_adjust_cfa_offset -8",
        "test rax, rax",
        "jz 3f",
        "push r12",
        ".cfi_adjust_cfa_offset 8",
        ".cfi_offset r12, -16",
        "push r13",
        ".cfi_adjust_cfa_offset 8",
        ".cfi_offset r13, -24",
        "push r14",
        ".cfi_adjust_cfa_offset 8",
        ".cfi_offset r14, -32",
        "push r15",
        ".cfi_adjust_cfa_offset 8",
        ".cfi_offset r15, -40",
        "sub rsp, 8",
        ".cfi_adjust_cfa_offset 8",
        "mov rdx, rax",
        "mov rsi, [rax + 8]",
        "lea rax, [rip + 2f]",
        "jmp {switch}",
        "2:",
        "call {back}",
        "add rsp, 8",
        ".cfi_adjust_cfa_offset -8",
        "pop r15",
        ".cfi_adjust_cfa_offset -8",
        ".cfi_restore r15",
        "pop r14",
        ".cfi_adjust_cfa_offset -8",
        ".cfi_restore r14",
        "pop r13",
        ".cfi_adjust_cfa_offset -8",
        ".cfi_restore r13",
        "pop r12",
        ".cfi_adjust_cfa_offset -8",
        ".cfi_restore r12",
        "pop rcx",
        ".cfi_adjust_cfa_offset -8",
        ".cfi_register rip, rcx",
        "jmp rcx",
        "3:",
        ".cfi_def_cfa_offset 8",
        ".cfi_offset rip, -8",
        "mov eax, 1",
        "ret",
        ".cfi_endproc",
        turn = sym turn,
        switch = sym switch_out,
        back = sym back,
    );
}

extern "C" fn turn() -> *const Turn {
    current::turn_for_c().map_or(ptr::null(), ptr::from_ref)
}

extern "C" fn back(signal: usize) -> c_int {
    current::back_for_c(Signal::of(signal))
}

/// The second frame of a fiber. Only a forced unwinding passes it (`call.rs`).
///
/// # Safety
///
/// `root` is called once.
unsafe extern "C-unwind" fn run<F: FnOnce() -> Infallible>(root: *mut F) -> ! {
    // SAFETY: the caller's promise.
    match unsafe { root.read() }() {}
}
