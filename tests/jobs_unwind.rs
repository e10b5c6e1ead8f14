//! Unwinding as profilers do it: in a signal handler, at every instruction of a job's life.
//!
//! ```text
//!   raise(SIGTRAP) ─► handler sets the trap flag ─► one instruction ─► handler ─► one instruction ─► ...
//!                                                                       │
//!                        _Unwind_Backtrace from the interrupted frame ──┘
//!                        every address lies in code · it ends · with the outermost frame of the stack in use
//! ```
//!
//! The portable switch does not promise this (see `src/job/fiber.rs`).
#![cfg(all(target_arch = "x86_64", not(portable_switch)))]
#![allow(unsafe_code, reason = "steps through the process with signals, and unwinds it")]

mod captured;

use std::cell::UnsafeCell;
use std::ffi::{CStr, c_int, c_void};
use std::fs;
use std::mem::{self, MaybeUninit};
use std::panic::{self, AssertUnwindSafe};
use std::ptr;
use std::sync::Mutex;

use simaccel::job::raw::{self, RawStep};
use simaccel::job::{self, Release};
use simaccel::{Job, Step, WaitCtx};

unsafe extern "C" {
    fn _Unwind_Backtrace(visit: extern "C" fn(*mut c_void, *mut c_void) -> c_int, walk: *mut c_void)
    -> c_int;
    fn _Unwind_Find_FDE(address: *const c_void, bases: *mut [usize; 3]) -> *const c_void;
    fn _Unwind_GetIP(context: *mut c_void) -> usize;
    fn _Unwind_GetRegionStart(context: *mut c_void) -> usize;
}

const NO_REASON: c_int = 0;
const END_OF_STACK: c_int = 5;
const TRAP_FLAG: i64 = 0x100;
/// Far more frames than any stack here has.
const MOST_FRAMES: usize = 500;

/// What went wrong at an instruction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wrong {
    /// A frame's address is not code.
    NotCode(usize),
    /// It has more frames than are possible.
    Endless,
    /// The unwinder has given up with this code.
    Failed(c_int),
    /// The frames end in this function, but this stack does not begin there.
    EndsIn(usize),
    /// The interrupted function was not among the frames.
    NotMet,
}

/// All that the handler knows.
struct Stepper {
    active: bool,
    /// Address ranges that can be executed.
    code: Vec<(usize, usize)>,
    /// The unwinder's code.
    unwinder: (usize, usize),
    /// The thread's own stack.
    own: (usize, usize),
    /// The outermost functions of the thread's stack and of a job's.
    outermost: [Option<usize>; 2],
    in_job: bool,
    steps: usize,
    switches: usize,
    wrong: Vec<(usize, bool, Wrong)>,
}

struct Place(UnsafeCell<Option<Stepper>>);

// SAFETY: used by the thread that holds `ALONE`, and by the handler that interrupts it between two of its
// uses.
unsafe impl Sync for Place {}

static STEPPER: Place = Place(UnsafeCell::new(None));
static ALONE: Mutex<()> = Mutex::new(());

/// One backtrace.
struct Walk<'a> {
    code: &'a [(usize, usize)],
    /// Where the thread was interrupted.
    from: usize,
    met: bool,
    frames: usize,
    last: usize,
    wrong: Option<Wrong>,
}

extern "C" fn visit(context: *mut c_void, walk: *mut c_void) -> c_int {
    // SAFETY: both were handed to, or made by, the unwinder, for the duration of this call.
    let (walk, address, start) =
        unsafe { (&mut *walk.cast::<Walk<'_>>(), _Unwind_GetIP(context), _Unwind_GetRegionStart(context)) };
    walk.met |= address == walk.from;
    // The unwinder shows the end as a frame without an address.
    if !walk.met || address == 0 {
        return NO_REASON;
    }
    walk.frames += 1;
    walk.last = start;
    if !walk.code.iter().any(|&(low, high)| (low..high).contains(&address)) {
        walk.wrong = Some(Wrong::NotCode(address));
    } else if walk.frames > MOST_FRAMES {
        walk.wrong = Some(Wrong::Endless);
    }
    c_int::from(walk.wrong.is_some())
}

extern "C" fn on_trap(_: c_int, _: *mut libc::siginfo_t, context: *mut c_void) {
    // SAFETY: the kernel's; and the stepper, see `Place`.
    let (context, stepper) = unsafe { (&mut *context.cast::<libc::ucontext_t>(), &mut *STEPPER.0.get()) };
    let registers = &mut context.uc_mcontext.gregs;
    let flags = &mut registers[libc::REG_EFL as usize];
    let Some(stepper) = stepper.as_mut().filter(|stepper| stepper.active) else {
        *flags &= !TRAP_FLAG;
        return;
    };
    *flags |= TRAP_FLAG;
    let [address, stack] = [registers[libc::REG_RIP as usize], registers[libc::REG_RSP as usize]]
        .map(|register| usize::try_from(register).expect("user space has the lower half"));
    stepper.step(address, stack);
}

impl Stepper {
    fn new() -> Self {
        let code = code();
        let unwinder = _Unwind_Backtrace as *const () as usize;
        let unwinder = code.iter().copied().find(|&(low, high)| (low..high).contains(&unwinder)).unwrap();
        Self {
            active: false,
            code,
            unwinder,
            own: own_stack(),
            outermost: [None; 2],
            in_job: false,
            steps: 0,
            switches: 0,
            wrong: Vec::with_capacity(32),
        }
    }

    /// The thread is at this instruction, with this stack pointer.
    fn step(&mut self, address: usize, stack: usize) {
        let in_job = !(self.own.0..=self.own.1).contains(&stack);
        self.steps += 1;
        self.switches += usize::from(in_job != self.in_job);
        self.in_job = in_job;
        if self.is_others(address) {
            return;
        }
        let wrong = self.unwind(address, in_job);
        if let Some(wrong) = wrong.filter(|_| self.wrong.len() < self.wrong.capacity()) {
            self.wrong.push((address, in_job, wrong));
        }
    }

    /// Whether other code decides what is true of this instruction: the unwinder, which overwrites its own
    /// frames at the end, and the linker's jumps to other libraries, which have no call-frame information.
    fn is_others(&self, address: usize) -> bool {
        let (low, high) = self.unwinder;
        if (low..high).contains(&address) {
            return true;
        }
        let mut bases = [0_usize; 3];
        // SAFETY: writes three words; code can be read.
        unsafe {
            _Unwind_Find_FDE(ptr::without_provenance(address), &raw mut bases).is_null()
                && ptr::with_exposed_provenance::<[u8; 2]>(address).read() == [0xff, 0x25]
        }
    }

    fn unwind(&mut self, from: usize, in_job: bool) -> Option<Wrong> {
        let mut walk = Walk { code: &self.code, from, met: false, frames: 0, last: 0, wrong: None };
        // SAFETY: the walk outlives the call.
        let end = unsafe { _Unwind_Backtrace(visit, (&raw mut walk).cast()) };
        let Walk { met, last, wrong, .. } = walk;
        if wrong.is_some() {
            return wrong;
        }
        if end != END_OF_STACK {
            return Some(Wrong::Failed(end));
        }
        if !met {
            return Some(Wrong::NotMet);
        }
        let expected = *self.outermost[usize::from(in_job)].get_or_insert(last);
        (last != expected).then_some(Wrong::EndsIn(last))
    }
}

/// The ranges of addresses that can be executed.
fn code() -> Vec<(usize, usize)> {
    let maps = fs::read_to_string("/proc/self/maps").unwrap();
    let executable = |line: &str| {
        let (range, rest) = line.split_once(' ')?;
        let (low, high) = range.split_once('-')?;
        let number = |text| usize::from_str_radix(text, 16).unwrap();
        (rest.as_bytes()[2] == b'x').then(|| (number(low), number(high)))
    };
    maps.lines().filter_map(executable).collect()
}

/// This thread's stack: lowest and highest address.
fn own_stack() -> (usize, usize) {
    let mut attributes = MaybeUninit::<libc::pthread_attr_t>::uninit();
    let (mut low, mut size) = (ptr::null_mut(), 0);
    // SAFETY: the attributes are initialised by the first call, and then asked for, and destroyed.
    unsafe {
        assert_eq!(libc::pthread_getattr_np(libc::pthread_self(), attributes.as_mut_ptr()), 0);
        assert_eq!(libc::pthread_attr_getstack(attributes.as_ptr(), &raw mut low, &raw mut size), 0);
        libc::pthread_attr_destroy(attributes.as_mut_ptr());
    }
    (low.addr(), low.addr() + size)
}

/// Where an address lies: file, offset, and the nearest symbol that the file exports.
fn name(address: usize) -> String {
    let mut found = MaybeUninit::<libc::Dl_info>::zeroed();
    // SAFETY: writes to the place it is given, strings that live as long as the file is loaded.
    unsafe {
        if libc::dladdr(ptr::without_provenance(address), found.as_mut_ptr()) == 0 {
            return format!("{address:#x}");
        }
        let found = found.assume_init();
        let text = |text: *const libc::c_char| match text.is_null() {
            true => "?".into(),
            false => CStr::from_ptr(text).to_string_lossy().into_owned(),
        };
        let offset = address - found.dli_fbase.addr();
        format!("{}+{offset:#x} ({})", text(found.dli_fname), text(found.dli_sname))
    }
}

/// Runs `life` instruction by instruction; `switches` is how often it changes stacks.
fn step_through(switches: usize, life: impl FnOnce()) {
    let alone = ALONE.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
    let mut alternate = vec![0_u8; 1 << 18];
    let stack = libc::stack_t { ss_sp: alternate.as_mut_ptr().cast(), ss_flags: 0, ss_size: alternate.len() };
    let handler: extern "C" fn(c_int, *mut libc::siginfo_t, *mut c_void) = on_trap;
    // SAFETY: the handler and its stack are there until the stepping has ended; nothing else uses the
    // stepper.
    unsafe {
        *STEPPER.0.get() = Some(Stepper::new());
        let mut before: libc::stack_t = mem::zeroed();
        assert_eq!(libc::sigaltstack(&raw const stack, &raw mut before), 0);
        let mut action: libc::sigaction = mem::zeroed();
        action.sa_sigaction = handler as *const () as usize;
        action.sa_flags = libc::SA_SIGINFO | libc::SA_ONSTACK;
        assert_eq!(libc::sigaction(libc::SIGTRAP, &raw const action, ptr::null_mut()), 0);
        (*STEPPER.0.get()).as_mut().unwrap().active = true;
        libc::raise(libc::SIGTRAP);
        life();
        ptr::addr_of_mut!((*STEPPER.0.get()).as_mut().unwrap().active).write_volatile(false);
        libc::raise(libc::SIGTRAP);
        libc::sigaltstack(&raw const before, ptr::null_mut());
    }
    // SAFETY: as above.
    let stepper = unsafe { (*STEPPER.0.get()).take() }.unwrap();
    drop(alone);
    println!("{} instructions", stepper.steps);
    for (address, in_job, wrong) in &stepper.wrong {
        eprintln!("{} in_job={in_job}: {wrong:?}", name(*address));
    }
    assert!(stepper.wrong.is_empty());
    assert_eq!(stepper.switches, switches);
    assert_ne!(stepper.outermost[0], stepper.outermost[1]);
}

#[test]
fn a_job_that_pauses_and_finishes() {
    let ctx = WaitCtx::new();
    step_through(8, || {
        for _ in 0..2 {
            let mut job = Job::new(&ctx, || {
                let _ = job::pause();
                7
            })
            .unwrap();
            assert_eq!(job.resume(), Ok(Step::Paused));
            assert_eq!(job.resume(), Ok(Step::Finished(7)));
        }
    });
}

#[test]
fn a_paused_job_that_is_dropped() {
    step_through(4, || {
        let mut job = Job::without_ctx(|| {
            let _ = job::pause();
        })
        .unwrap();
        assert_eq!(job.resume(), Ok(Step::Paused));
        drop(job);
    });
}

#[test]
fn a_job_that_panics() {
    step_through(4, || {
        let mut job = Job::without_ctx(|| {
            let _ = job::pause();
            panic::resume_unwind(Box::new(5));
        })
        .unwrap();
        assert_eq!(job.resume(), Ok(Step::Paused));
        let panicked = panic::catch_unwind(AssertUnwindSafe(|| job.resume())).unwrap_err();
        assert_eq!(panicked.downcast_ref(), Some(&5));
    });
}

#[test]
fn a_job_in_a_job() {
    step_through(4, || {
        let mut outer = Job::without_ctx(|| {
            let mut inner = Job::without_ctx(|| {
                let _ = job::pause();
            })
            .unwrap();
            assert_eq!(inner.resume(), Ok(Step::Paused));
            let _ = job::pause();
            assert_eq!(inner.resume(), Ok(Step::Finished(())));
        })
        .unwrap();
        assert_eq!(outer.resume(), Ok(Step::Paused));
        assert_eq!(outer.resume(), Ok(Step::Finished(())));
    });
}

struct Nothing;

impl Release for Nothing {
    fn release(&self) {}
}

unsafe extern "C-unwind" fn pauses_as_c_does(_: *mut c_void) -> c_int {
    raw::block_pause();
    raw::pause();
    raw::unblock_pause();
    raw::pause();
    raw::pause() + 1
}

unsafe extern "C-unwind" fn pauses_in_an_operation(_: *mut c_void) -> c_int {
    let _ = job::pause_with(&Nothing);
    0
}

#[test]
fn a_raw_job_that_pauses_and_finishes() {
    let ctx = WaitCtx::new();
    step_through(12, || {
        for _ in 0..2 {
            // SAFETY: the function owns nothing.
            let step = unsafe { raw::start(pauses_as_c_does, Some(b"arguments"), Some(&ctx)) };
            let Ok(RawStep::Paused(job)) = step else { panic!("{step:?}") };
            assert_eq!(raw::resume(job), Ok(RawStep::Paused(job)));
            assert_eq!(raw::resume(job), Ok(RawStep::Finished(2)));
        }
        assert_eq!(raw::pause(), 1);
    });
}

#[test]
fn a_raw_job_that_is_discarded() {
    step_through(6, || {
        for func in [pauses_in_an_operation, pauses_as_c_does, pauses_in_an_operation] {
            // SAFETY: the functions own nothing.
            let step = unsafe { raw::start(func, None, None) };
            let Ok(RawStep::Paused(job)) = step else { panic!("{step:?}") };
            // SAFETY: as above.
            assert_eq!(unsafe { raw::discard(job) }, Ok(()));
        }
    });
}
