//! The switch for x86-64.
//!
//! ```text
//!   Turn, of the thread                        base ┌────────────────────────────┐
//!   ┌───────────────────┐                           │ the root, until it runs    │
//!   │ the resumer's rsp │ ◄─ stored by `enter`,     ├────────────────────────────┤
//!   │ the fiber         │    loaded by `leave`      │ root, run, begin           │ ◄── a fiber that was never entered
//!   └───────────────────┘                           ├─ or ───────────────────────┤
//!   Fiber, in its record                            │ frames ...                 │
//!   ┌───────────────────┐                           │ rbx, rbp, where to go on   │ ◄── a fiber that was left
//!   │ the fiber's rsp   │ ◄─ stored by `leave`,     └────────────────────────────┘
//!   └───────────────────┘    loaded by `enter`
//! ```
//!
//! Whoever switches pushes where it wants to go on, gives up its stack pointer for the other's, and pops and jumps to
//! what lies there. All other registers are the compiler's to save, which knows which are in use; `rbx` and `rbp` are
//! not on offer to it, so they are pushed too.
//!
//! The way back lies in the thread's one [`Turn`] and not with the fiber. A processor works on several switches at a time,
//! as far as the next ones do not wait for what was just stored. A stack pointer that is found through a record, which is
//! found through what was just popped from the other stack, is four such waits in a row; in a fixed place it is one. So
//! `enter` is for those who are in no fiber and have no turn to restore (which would be two more), and stores a constant
//! instead; and a turn goes through the switch in `rdx`, where its address does not wait for the stack.
//!
//! Backtraces end at the root: it says to unwinders that nobody called it.
#![expect(unsafe_code, reason = "switches stacks")]

use std::arch::{asm, naked_asm};
use std::cell::Cell;
use std::convert::Infallible;
use std::ffi::c_int;
use std::ptr::{self, NonNull};

use super::super::current;
use super::Signal;

/// Whose turn it is on a thread: the running fiber, and the way back to whoever has entered it.
#[repr(C)]
pub(in super::super) struct Turn {
    resumer: Cell<usize>,
    fiber: Cell<*const Fiber>,
}

/// One execution, left: its stack pointer, 0 where there is none.
pub(in super::super) struct Fiber {
    sp: Cell<usize>,
}

/// What lies on the stack of a fiber that was never entered; `begin` takes it off.
#[repr(C)]
struct First {
    begin: unsafe extern "C" fn(),
    run: *const (),
    root: usize,
}

/// The first frame of every fiber: calls `run(root)`, which does not return.
#[unsafe(naked)]
unsafe extern "C" fn begin() {
    naked_asm!(
        ".cfi_startproc",
        ".cfi_undefined rip",
        "pop rax",
        "pop rdi",
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

impl Turn {
    /// Nobody's.
    pub(in super::super) const fn new() -> Self {
        Self { resumer: Cell::new(0), fiber: Cell::new(ptr::null()) }
    }

    /// The running fiber; null when there is none.
    #[inline]
    pub(in super::super) fn fiber(&self) -> *const Fiber {
        self.fiber.get()
    }
}

impl Fiber {
    /// No execution: it must not be entered.
    pub(in super::super) const fn none() -> Self {
        Self { sp: Cell::new(0) }
    }

    /// Forgets the execution, and has the fiber begin anew. It will call `root`.
    ///
    /// # Safety
    ///
    /// The fiber is not running. The memory between `limit` and `base` stays mapped and unused by others until the fiber
    /// is forgotten, with a guard at its low end (or the supplier of the memory answers for overflows). `base` is
    /// aligned to 16 bytes. `root` does not unwind.
    pub(in super::super) unsafe fn renew<F>(&self, base: usize, _limit: usize, root: F)
    where
        F: FnOnce() -> Infallible + 'static,
    {
        let place = (base - size_of::<F>()) & !(align_of::<F>().max(16) - 1);
        let first = ptr::with_exposed_provenance_mut::<First>(place - size_of::<First>());
        // SAFETY: both lie in the fiber's memory, one below the other and aligned.
        unsafe {
            ptr::with_exposed_provenance_mut::<F>(place).write(root);
            first.write(First { begin, run: run::<F> as *const (), root: place });
        }
        self.sp.set(first.addr());
    }

    /// Forgets the execution.
    ///
    /// # Safety
    ///
    /// It is not running, and no frame of it owns anything whose destructor must run.
    pub(in super::super) unsafe fn forget(&self) {
        self.sp.set(0);
    }

    /// Runs the fiber until it leaves.
    ///
    /// # Safety
    ///
    /// It was renewed, has not been forgotten since, and is not running. `turn` is its thread's, nobody's, and hands `this`
    /// out.
    #[inline(always)] // see fiber.rs on returns
    pub(in super::super) unsafe fn enter(this: NonNull<Self>, turn: &Turn, signal: Signal) {
        turn.fiber.set(this.as_ptr());
        // SAFETY: the fiber was left, or has just been made, so what lies at its stack pointer is as the switch expects;
        // its memory is there. It comes back at the label with our stack pointer.
        unsafe {
            asm!(
                "push rbx",
                "push rbp",
                "lea rax, [rip + 2f]",
                "push rax",
                "mov [rdx], rsp",
                "mov rsp, [{fiber}]",
                "pop rcx",
                "jmp rcx",
                "2:",
                "mov qword ptr [rdx + 8], 0",
                "pop rbp",
                "pop rbx",
                in("rdx") turn,
                fiber = in(reg) this.as_ptr(),
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

    /// The same from within another fiber, whose turn it is again afterwards.
    ///
    /// # Safety
    ///
    /// As for [`enter`](Self::enter), but that it is another's turn.
    pub(in super::super) unsafe fn enter_from_fiber(this: NonNull<Self>, turn: &Turn, signal: Signal) {
        let (resumer, fiber) = (turn.resumer.get(), turn.fiber.get());
        // SAFETY: the caller's promise; whose turn it was is kept.
        unsafe { Self::enter(this, turn, signal) };
        turn.resumer.set(resumer);
        turn.fiber.set(fiber);
    }

    /// Leaves the fiber. Comes back when it is entered again.
    ///
    /// # Safety
    ///
    /// It is the caller's, and `turn` its thread's.
    #[inline]
    pub(in super::super) unsafe fn leave(&self, turn: &Turn) -> Signal {
        let signal: usize;
        // SAFETY: the fiber is running, so whoever has entered it waits at the stack pointer that is loaded here. The
        // fiber is entered at the label, with its stack pointer, or its frames are forgotten.
        unsafe {
            asm!(
                "push rbx",
                "push rbp",
                "lea rax, [rip + 2f]",
                "push rax",
                "mov [{fiber}], rsp",
                "mov rsp, [rdx]",
                "pop rcx",
                "jmp rcx",
                "2:",
                "pop rbp",
                "pop rbx",
                in("rdx") turn,
                fiber = in(reg) self,
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

/// [`Fiber::leave`] as a C function that is called deep down: it also returns by a jump, for its return would be
/// mispredicted. `turn` says whose, or null to return 1 at once; `back` gets the signal, and its result is returned.
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
        "call {turn}",
        "test rax, rax",
        "jz 3f",
        "mov rdx, rax",
        "mov rax, [rdx + 8]",
        "lea rcx, [rip + 2f]",
        "push rcx",
        "mov [rax], rsp",
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
        turn = sym turn,
        back = sym back,
    );
}

extern "C" fn turn() -> *const Turn {
    current::turn_for_c().map_or(ptr::null(), ptr::from_ref)
}

extern "C" fn back(signal: usize) -> c_int {
    current::back_for_c(Signal::of(signal))
}

/// The second frame of a fiber.
///
/// # Safety
///
/// `root` is to be called once.
unsafe extern "C" fn run<F: FnOnce() -> Infallible>(root: *mut F) -> ! {
    // SAFETY: the caller's promise.
    match unsafe { root.read() }() {}
}
