//! A deeper stack, one for each thread: a job of libcrypto has 32 KiB, of which the application has used
//! some. Keys of ML-DSA take hundreds of KiB, which a thread of the application may not have either.
//!
//! ```text
//!   stack of the job              the thread's deep stack: a guard page, 1 MiB
//!   run(work) ── swapcontext ───► begin: work(); what it panics with is kept
//!             ◄─ swapcontext ───┘
//! ```
//!
//! Work here does not pause, so a thread needs one such stack. It is made when it is first needed, and given
//! back when the thread ends.
#![expect(unsafe_code, reason = "maps a stack, and switches to it")]

use std::any::Any;
use std::cell::{Cell, RefCell};
use std::ffi::c_void;
use std::mem::MaybeUninit;
use std::panic::{self, AssertUnwindSafe};
use std::ptr::{self, NonNull};

/// Bytes of a stack without its guard. Memory is taken as far as it is used.
const SIZE: usize = 1024 * 1024;
/// Bytes of the guard: at least a page of any machine.
const GUARD: usize = 64 * 1024;

thread_local! {
    static STACK: RefCell<Option<Stack>> = const { RefCell::new(None) };
    /// Whether the code here runs on a deep stack.
    static IS_DEEP: Cell<bool> = const { Cell::new(false) };
    /// What is passed to `begin`.
    static PASSED: Cell<*mut Passed<'static>> = const { Cell::new(ptr::null_mut()) };
}

/// Memory for a stack, behind a guard that may not be touched; and where the two sides of a switch are kept,
/// each of which is too large for the stack of a job.
struct Stack {
    memory: NonNull<c_void>,
    begun: Box<MaybeUninit<libc::ucontext_t>>,
    caller: Box<MaybeUninit<libc::ucontext_t>>,
}

impl Stack {
    /// `None`: there is no memory.
    fn map() -> Option<Self> {
        let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_STACK;
        // SAFETY: it maps new memory, which may not be touched at first.
        let memory = unsafe { libc::mmap(ptr::null_mut(), GUARD + SIZE, libc::PROT_NONE, flags, -1, 0) };
        if memory == libc::MAP_FAILED {
            return None;
        }
        let memory = NonNull::new(memory)?;
        let stack = Self { memory, begun: Box::new_uninit(), caller: Box::new_uninit() };
        // SAFETY: within what was mapped.
        let refused = unsafe { libc::mprotect(stack.lowest(), SIZE, libc::PROT_READ | libc::PROT_WRITE) };
        (refused == 0).then_some(stack)
    }

    /// The lowest address of the stack itself.
    fn lowest(&self) -> *mut c_void {
        self.memory.as_ptr().wrapping_byte_add(GUARD)
    }
}

impl Drop for Stack {
    fn drop(&mut self) {
        // SAFETY: it was mapped, and nothing runs on it.
        unsafe { libc::munmap(self.memory.as_ptr(), GUARD + SIZE) };
    }
}

/// Work, and where it goes back to.
struct Passed<'w> {
    work: &'w mut dyn FnMut(),
    panic: Option<Box<dyn Any + Send>>,
    caller: *mut libc::ucontext_t,
}

/// Runs `work` on the thread's deep stack, and returns when it has. Where there is none, or it is in use,
/// `work` runs here.
pub(super) fn run(work: &mut dyn FnMut()) {
    if IS_DEEP.get() {
        return work();
    }
    // The stack is out of its place while it is used.
    let stack = STACK.try_with(|kept| kept.borrow_mut().take()).ok().flatten();
    let Some(mut stack) = stack.or_else(Stack::map) else { return work() };
    let panicked = switch(&mut stack, work);
    let _ = STACK.try_with(|kept| *kept.borrow_mut() = Some(stack));
    if let Some(payload) = panicked {
        panic::resume_unwind(payload);
    }
}

/// The panic of `work`, if it has panicked.
fn switch(stack: &mut Stack, work: &mut dyn FnMut()) -> Option<Box<dyn Any + Send>> {
    let (context, caller) = (stack.begun.as_mut_ptr(), stack.caller.as_mut_ptr());
    let mut passed = Passed { work, panic: None, caller };
    IS_DEEP.set(true);
    PASSED.set((&raw mut passed).cast());
    // SAFETY: the context is made from the current one and given a stack of its own, on which nothing runs;
    // `begin` goes back to `caller` and never returns. What both sides use lies in this frame, and in boxes.
    unsafe {
        if libc::getcontext(context) == 0 {
            (*context).uc_stack.ss_sp = stack.lowest();
            (*context).uc_stack.ss_size = SIZE;
            (*context).uc_link = ptr::null_mut();
            libc::makecontext(context, begin, 0);
            libc::swapcontext(caller, context);
        }
    }
    IS_DEEP.set(false);
    passed.panic.take()
}

/// The first function on a deep stack.
extern "C" fn begin() {
    let passed = PASSED.get();
    // SAFETY: set by `switch`, which waits.
    let outcome = panic::catch_unwind(AssertUnwindSafe(|| unsafe { ((*passed).work)() }));
    // SAFETY: the same; and the caller's context was stored when it came here.
    unsafe {
        (*passed).panic = outcome.err();
        libc::setcontext((*passed).caller);
    }
}
