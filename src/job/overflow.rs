//! Stack overflow: a job that runs into its guard is named in one line before the process dies.
//!
//! ```text
//!   fault ──► caught ──┬─ in the guard of a job that runs on this thread: one line on standard error ─┐
//!                      └─ anywhere else ──────────────────────────────────────────────────────────────┤
//!                                                                                                     ▼
//!                             the previous action: a handler (Rust's, the application's), or the default
//!
//!   WATCHED ─► a page of entries ─► ···      one per chunk of stacks: its guards, and their thread
//! ```
//!
//! The handler runs on the thread's alternate signal stack, because the job's stack has no room left. Threads
//! of Rust's standard library have one. Any other thread gets one with its first job, and loses it when it
//! ends. The process's first pool installs the handler in front of any existing one. A handler that the
//! application installs later replaces it.
//!
//! The handler takes no lock, allocates nothing, and reads no thread-local (a thread's first access may
//! allocate it). Each entry in the list is written by the thread that owns the stacks, so that thread finds
//! it complete.
//!
//! Stacks from the memory functions of the process have no guard of ours, so nothing is known of their ends.
#![expect(unsafe_code, reason = "handles faults, on a stack that it maps")]

use std::cell::UnsafeCell;
use std::ffi::{c_int, c_void};
use std::fmt::{self, Write};
use std::mem::MaybeUninit;
use std::ptr::{self, NonNull};
use std::sync::atomic::{AtomicBool, AtomicPtr, AtomicUsize, Ordering};

use super::exceptions::keep_loaded;
use super::record::{Record, State};
use super::stack::{Geometry, page_size};

/// The stacks of one chunk.
#[derive(Debug)]
struct Watched {
    /// The thread that owns them; 0: none.
    owner: AtomicUsize,
    start: AtomicUsize,
    len: AtomicUsize,
    size: AtomicUsize,
    guard: AtomicUsize,
}

/// Entries, initially all zero. They are reused and stay mapped for ever, because the handler may be reading
/// them.
struct Block {
    next: AtomicPtr<Self>,
    entries: [Watched; 64],
}

static WATCHED: AtomicPtr<Block> = AtomicPtr::new(ptr::null_mut());

/// Registers the stacks of a chunk with the handler until this is dropped; `None` when there was no memory
/// for that.
#[derive(Debug)]
pub(super) struct Watch(Option<&'static Watched>);

impl Watch {
    /// Registers stacks of this thread, one after the other in `len` bytes from `start`.
    pub(super) fn new(start: usize, len: usize, geometry: Geometry) -> Self {
        let owner = this_thread();
        let claim = || {
            entries().find(|entry| {
                entry.owner.load(Ordering::Relaxed) == 0
                    && entry.owner.compare_exchange(0, owner, Ordering::Relaxed, Ordering::Relaxed).is_ok()
            })
        };
        let mut claimed = claim();
        while claimed.is_none() && Block::add() {
            claimed = claim();
        }
        let Some(entry) = claimed else { return Self(None) };
        entry.start.store(start, Ordering::Relaxed);
        entry.len.store(len, Ordering::Relaxed);
        entry.size.store(geometry.size, Ordering::Relaxed);
        entry.guard.store(geometry.guard, Ordering::Relaxed);
        Self(Some(entry))
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        if let Some(entry) = self.0 {
            entry.owner.store(0, Ordering::Relaxed);
        }
    }
}

impl Block {
    /// Adds a block to the list. Returns `false` when there is no memory.
    fn add() -> bool {
        let Some(mapping) = map(size_of::<Self>().next_multiple_of(page_size())) else { return false };
        let block = mapping.cast::<Self>();
        // SAFETY: a fresh mapping of that size, which stays; zeros are a block of entries that belong to no
        // thread.
        let next = unsafe { &block.as_ref().next };
        let mut first = WATCHED.load(Ordering::Relaxed);
        loop {
            next.store(first, Ordering::Relaxed);
            match WATCHED.compare_exchange_weak(first, block.as_ptr(), Ordering::Release, Ordering::Relaxed) {
                Ok(_) => return true,
                Err(now) => first = now,
            }
        }
    }
}

impl Watched {
    /// The top of the stack whose guard contains this address.
    fn top_above(&self, address: usize) -> Option<usize> {
        let (size, guard) = (self.size.load(Ordering::Relaxed), self.guard.load(Ordering::Relaxed));
        let offset = address.checked_sub(self.start.load(Ordering::Relaxed))?;
        if offset >= self.len.load(Ordering::Relaxed) || offset % (size + guard) >= guard {
            return None;
        }
        Some(address - offset % (size + guard) + guard + size)
    }
}

fn entries() -> impl Iterator<Item = &'static Watched> {
    // SAFETY: blocks stay for ever, and were complete when they were published.
    let follow = |block: &AtomicPtr<Block>| unsafe { block.load(Ordering::Acquire).as_ref() };
    std::iter::successors(follow(&WATCHED), move |block| follow(&block.next)).flat_map(|block| &block.entries)
}

/// This thread, by a number that a fork does not change.
fn this_thread() -> usize {
    // SAFETY: reads a register.
    let thread = unsafe { libc::pthread_self() };
    usize::try_from(thread).unwrap_or(usize::MAX)
}

/// The running job of this thread whose guard contains `address`, and the size of its stack.
fn overflowed(address: usize) -> Option<(&'static Record, usize)> {
    let me = this_thread();
    let own = entries().filter(|entry| entry.owner.load(Ordering::Relaxed) == me);
    let (top, size) = own
        .filter_map(|entry| Some((entry.top_above(address)?, entry.size.load(Ordering::Relaxed))))
        .next()?;
    // SAFETY: a guard that faults belongs to a stack that was handed out, with a record at its top. Only this
    // thread maps and unmaps its stacks, and it is here.
    let record = unsafe { Record::at_top_of(top).as_ref() };
    (record.state.get() == State::Running).then_some((record, size))
}

const SIGNALS: [c_int; 2] = [libc::SIGSEGV, libc::SIGBUS];

/// The previous action of each signal.
static BEFORE: [Before; 2] = [const { Before::unknown() }; 2];

struct Before {
    known: AtomicBool,
    action: UnsafeCell<MaybeUninit<libc::sigaction>>,
}

// SAFETY: `install` writes the action once, before `known` is set; after that it is only read.
unsafe impl Sync for Before {}

impl Before {
    const fn unknown() -> Self {
        Self { known: AtomicBool::new(false), action: UnsafeCell::new(MaybeUninit::uninit()) }
    }

    fn get(&self) -> Option<&libc::sigaction> {
        // SAFETY: it is known, and not written any more.
        self.known.load(Ordering::Acquire).then(|| unsafe { (*self.action.get()).assume_init_ref() })
    }
}

/// Installs the handler, once for the process.
pub(super) fn install() {
    static INSTALLED: AtomicBool = AtomicBool::new(false);
    if !INSTALLED.swap(true, Ordering::Relaxed) {
        // The handler outlives the library that contains it.
        if let Some(handler) = NonNull::new(caught as *mut c_void) {
            keep_loaded(handler);
        }
        SIGNALS.iter().zip(&BEFORE).for_each(|(signal, before)| install_for(*signal, before));
    }
}

fn install_for(signal: c_int, before: &Before) {
    // SAFETY: reads the action in force; there is room for it, and it is not read before it is known.
    if unsafe { libc::sigaction(signal, ptr::null(), before.action.get().cast()) } != 0 {
        return;
    }
    before.known.store(true, Ordering::Release);
    let Some(mut action) = before.get().copied() else { return };
    // The mask is that of the previous handler, which runs under it.
    action.sa_sigaction = caught as unsafe extern "C" fn(c_int, *mut libc::siginfo_t, *mut c_void) as usize;
    action.sa_flags =
        libc::SA_SIGINFO | libc::SA_ONSTACK | (action.sa_flags & (libc::SA_NODEFER | libc::SA_RESTART));
    // SAFETY: the handler keeps the rules of signal handlers, and forwards every other signal.
    unsafe { libc::sigaction(signal, &raw const action, ptr::null_mut()) };
}

/// # Safety
///
/// The kernel calls it.
unsafe extern "C" fn caught(signal: c_int, info: *mut libc::siginfo_t, context: *mut c_void) {
    // SAFETY: the kernel passes the signal's information; for a fault it contains an address.
    let (is_fault, address) = unsafe { ((*info).si_code > 0, (*info).si_addr().addr()) };
    if is_fault && let Some((record, size)) = overflowed(address) {
        report(record, size);
    }
    // SAFETY: the arguments are the handler's own.
    unsafe { hand_on(signal, info, context, is_fault) };
}

/// Does what would have happened without this handler.
///
/// # Safety
///
/// The arguments are those of the handler, on its stack.
unsafe fn hand_on(signal: c_int, info: *mut libc::siginfo_t, context: *mut c_void, is_fault: bool) {
    let place = SIGNALS.iter().position(|known| *known == signal).unwrap_or(0);
    let Some(before) = BEFORE[place].get() else { return };
    match before.sa_sigaction {
        // A fault happens again on return and then ends the process, with its original registers.
        libc::SIG_DFL => {
            reset(signal);
            if !is_fault {
                // SAFETY: allowed in handlers; it is delivered on return.
                unsafe { libc::raise(signal) };
            }
        }
        // A sent signal may be ignored. A fault is not, even if the program asks for that.
        libc::SIG_IGN if is_fault => reset(signal),
        libc::SIG_IGN => {}
        handler => {
            if before.sa_flags & libc::SA_RESETHAND != 0 {
                reset(signal);
            }
            if before.sa_flags & libc::SA_SIGINFO != 0 {
                // SAFETY: a handler that is installed with this flag is a function of this type.
                let handler = unsafe {
                    std::mem::transmute::<usize, unsafe extern "C" fn(c_int, *mut libc::siginfo_t, *mut c_void)>(
                        handler,
                    )
                };
                // SAFETY: it is called as the kernel would.
                unsafe { handler(signal, info, context) };
            } else {
                // SAFETY: a handler that is installed without the flag is a function of this type.
                let handler = unsafe { std::mem::transmute::<usize, unsafe extern "C" fn(c_int)>(handler) };
                // SAFETY: it is called as the kernel would.
                unsafe { handler(signal) };
            }
        }
    }
}

/// Restores the default action.
fn reset(signal: c_int) {
    // SAFETY: all zero is the default action without flags.
    let default: libc::sigaction = unsafe { MaybeUninit::zeroed().assume_init() };
    // SAFETY: allowed in handlers.
    unsafe { libc::sigaction(signal, &raw const default, ptr::null_mut()) };
}

/// Names the job; only once, in case a previous handler returns into the same fault.
fn report(record: &Record, size: usize) {
    static REPORTED: AtomicUsize = AtomicUsize::new(0);
    let address = ptr::from_ref(record).addr();
    if REPORTED.swap(address, Ordering::Relaxed) == address {
        return;
    }
    let kind = record.kind();
    let key = if kind.raw {
        "SIMACCEL_STACK_SIZE in the environment, or simaccel_set_stack_size (Rust: raw::set_default_sizes)"
    } else {
        "PoolConfig::stack_size, with job::init_thread"
    };
    let mut line = LineBuffer::default();
    let _ = write!(
        line,
        "simaccel: a job has overflowed its stack of {size} bytes: raise {key} (job: {}, token {}",
        (kind.name)(),
        record.token.get(),
    );
    if kind.raw {
        let _ = write!(line, ", function {:p}", record.call.get().0 as *const c_void);
    }
    line.finish(b")\n");
}

/// One line, truncated if too long, and written with one call.
struct LineBuffer {
    bytes: [u8; 480],
    len: usize,
}

impl Default for LineBuffer {
    fn default() -> Self {
        Self { bytes: [0; 480], len: 0 }
    }
}

impl LineBuffer {
    const END: usize = 2;

    fn append(&mut self, bytes: &[u8], room: usize) {
        let len = bytes.len().min(room - self.len);
        self.bytes[self.len..][..len].copy_from_slice(&bytes[..len]);
        self.len += len;
    }

    fn finish(&mut self, end: &[u8; Self::END]) {
        self.append(end, self.bytes.len());
        // SAFETY: the bytes are there, and writing is allowed in handlers. If standard error is closed, the
        // line is lost. The interrupted job does not go on, so its `errno` does not matter.
        let _ = unsafe { libc::write(libc::STDERR_FILENO, self.bytes.as_ptr().cast(), self.len) };
    }
}

impl Write for LineBuffer {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.append(text.as_bytes(), self.bytes.len() - Self::END);
        Ok(())
    }
}

/// An alternate signal stack of ours, in force for the thread that created it until that thread drops it.
#[derive(Debug)]
pub(super) struct SignalStack {
    mapping: NonNull<c_void>,
    len: usize,
}

impl SignalStack {
    /// Enough for a handler of the application that expects a whole stack, besides what the kernel saves
    /// there.
    const SIZE: usize = 64 * 1024;

    /// Installs one for this thread; `None` when the thread has one already, or there is no memory.
    pub(super) fn install() -> Option<Self> {
        if current_signal_stack()?.ss_flags & libc::SS_DISABLE == 0 {
            return None;
        }
        let page = page_size();
        let len = (Self::SIZE + saved_by_the_kernel()).next_multiple_of(page) + page;
        let (protection, flags) = (
            libc::PROT_READ | libc::PROT_WRITE,
            libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE,
        );
        // SAFETY: a fresh anonymous mapping at an address of the kernel's choice touches no other memory.
        let mapping = unsafe { libc::mmap(ptr::null_mut(), len, protection, flags, -1, 0) };
        if mapping == libc::MAP_FAILED {
            return None;
        }
        let this = Self { mapping: NonNull::new(mapping)?, len };
        // SAFETY: the lowest page of our own fresh mapping.
        unsafe { libc::mprotect(mapping, page, libc::PROT_NONE) };
        let stack = libc::stack_t { ss_sp: this.lowest(), ss_flags: 0, ss_size: len - page };
        // SAFETY: the memory is ours, and stays mapped until it is not in force any more.
        (unsafe { libc::sigaltstack(&raw const stack, ptr::null_mut()) } == 0).then_some(this)
    }

    fn lowest(&self) -> *mut c_void {
        self.mapping.as_ptr().wrapping_byte_add(page_size())
    }
}

impl Drop for SignalStack {
    fn drop(&mut self) {
        let in_force = current_signal_stack().is_some_and(|stack| stack.ss_sp == self.lowest());
        let none = libc::stack_t { ss_sp: ptr::null_mut(), ss_flags: libc::SS_DISABLE, ss_size: 0 };
        // SAFETY: takes it out of force; the kernel refuses that while a handler runs on it.
        if in_force && unsafe { libc::sigaltstack(&raw const none, ptr::null_mut()) } != 0 {
            return;
        }
        // SAFETY: the mapping is ours, and not in force.
        unsafe { libc::munmap(self.mapping.as_ptr(), self.len) };
    }
}

/// Zeroed memory outside the heap, so that it may stay for ever without being reported as a leak.
fn map(len: usize) -> Option<NonNull<c_void>> {
    let protection = libc::PROT_READ | libc::PROT_WRITE;
    let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE;
    // SAFETY: a fresh anonymous mapping at an address of the kernel's choice touches no other memory.
    let mapping = unsafe { libc::mmap(ptr::null_mut(), len, protection, flags, -1, 0) };
    if mapping == libc::MAP_FAILED { None } else { NonNull::new(mapping) }
}

fn current_signal_stack() -> Option<libc::stack_t> {
    let mut stack = MaybeUninit::uninit();
    // SAFETY: asks for the one in force; there is room for it.
    let asked = unsafe { libc::sigaltstack(ptr::null(), stack.as_mut_ptr()) };
    // SAFETY: filled in, where the call has succeeded.
    (asked == 0).then(|| unsafe { stack.assume_init() })
}

/// Bytes for the registers of this processor. Older constants do not count some of them (AVX-512, AMX).
fn saved_by_the_kernel() -> usize {
    // SAFETY: asks for a constant.
    let size = unsafe { libc::getauxval(libc::AT_MINSIGSTKSZ) };
    usize::try_from(size).unwrap_or(0)
}
