//! Raw jobs: the statements of `docs/semantics.md` about what C code sees, one test each, named after it.
#![allow(unsafe_code, reason = "plays the part of C code")]

mod captured;
mod job_helpers;

use self::job_helpers::raw::{paused, pauses_for_ever, pauses_once, returns_seven, start_without_args};

use simaccel::job::raw::{self, Handle, RawFn, RawStep, SwitchHooks};
use simaccel::job::{self, Misuse, Pause, Release, StartError};
use simaccel::{Job, Step, WaitCtx};
use std::cell::{Cell, RefCell};
use std::ffi::{c_int, c_void};
use std::panic;
use std::ptr;
use std::thread;

/// Starts a job with the address of `args` as its arguments, as C code passes pointers.
fn start<T>(func: RawFn, args: &T, ctx: Option<&WaitCtx>) -> Result<RawStep, StartError> {
    let address = ptr::from_ref(args).expose_provenance().to_ne_bytes();
    // SAFETY: the functions below read an address from their arguments, and its target outlives the job. They
    // own nothing while they are paused.
    unsafe { raw::start(func, Some(&address), ctx) }
}

/// The target of `args`, as [`start`] passes it.
unsafe fn given<'a, T>(args: *mut c_void) -> &'a T {
    // SAFETY: `start` has passed the address of a `T` that is still there.
    unsafe { &*ptr::with_exposed_provenance(args.cast::<usize>().read()) }
}

#[test]
fn s28_arguments_are_copied() {
    unsafe extern "C-unwind" fn reads_late(args: *mut c_void) -> c_int {
        assert!(args.addr().is_multiple_of(16));
        assert_eq!(job::pause(), Pause::Resumed);
        // SAFETY: the arguments are five bytes.
        unsafe { args.cast::<[u8; 5]>().read() }.into_iter().map(c_int::from).sum()
    }
    unsafe extern "C-unwind" fn is_null(args: *mut c_void) -> c_int {
        c_int::from(args.is_null())
    }
    let mut bytes = [1, 2, 3, 4, 5];
    // SAFETY: the function reads as many bytes as it is given.
    let job = paused(unsafe { raw::start(reads_late, Some(&bytes), None) });
    bytes.fill(0);
    assert_eq!(raw::resume(job), Ok(RawStep::Finished(15)));
    for nothing in [None, Some(&[][..])] {
        // SAFETY: the function does not follow the pointer.
        assert_eq!(unsafe { raw::start(is_null, nothing, None) }, Ok(RawStep::Finished(1)));
    }
}

#[test]
fn s28_large_arguments_are_copied_too() {
    const SIZES: [usize; 6] = [1, 64, 65, 504, 505, 100_000];
    unsafe extern "C-unwind" fn checks(args: *mut c_void) -> c_int {
        // SAFETY: the arguments begin with their size, and are that long.
        let bytes = unsafe { std::slice::from_raw_parts(args.cast::<u8>(), args.cast::<usize>().read()) };
        assert_eq!(job::pause(), Pause::Resumed);
        let (sum, len) = (bytes[8..].iter().map(|byte| usize::from(*byte)).sum::<usize>(), bytes.len() - 8);
        c_int::from(sum == len * 3 && args.addr().is_multiple_of(16))
    }
    for size in SIZES.into_iter().chain(SIZES) {
        let mut args = vec![3_u8; size + 8];
        args[..8].copy_from_slice(&(size + 8).to_ne_bytes());
        // SAFETY: the arguments are as the function expects them.
        let job = paused(unsafe { raw::start(checks, Some(&args), None) });
        drop(args);
        assert_eq!(raw::resume(job), Ok(RawStep::Finished(1)), "{size} bytes");
    }
}

#[test]
fn s32_a_raw_job_gives_an_int_and_is_pooled() {
    let job = paused(start_without_args(pauses_once));
    assert_eq!(job::thread_stats().idle, 0);
    assert_eq!(raw::resume(job), Ok(RawStep::Finished(7)));
    assert_eq!(job::thread_stats().idle, 1);
    assert_eq!(start_without_args(returns_seven), Ok(RawStep::Finished(7)));
    assert_eq!(job::thread_stats().idle, 1);
}

#[test]
fn s34_a_raw_job_may_start_another() {
    unsafe extern "C-unwind" fn starts_another(_: *mut c_void) -> c_int {
        let outer = raw::current().unwrap();
        let inner = paused(start_without_args(pauses_once));
        assert_ne!(inner, outer);
        assert_eq!(raw::current(), Some(outer));
        match raw::resume(inner) {
            Ok(RawStep::Finished(ret)) => ret + 1,
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(start_without_args(starts_another), Ok(RawStep::Finished(8)));
    assert_eq!(raw::current(), None);
}

#[test]
fn s35_a_job_resumes_neither_itself_nor_its_resumer() {
    type Attempts = RefCell<Vec<Result<RawStep, Misuse>>>;
    unsafe extern "C-unwind" fn resumes_itself(args: *mut c_void) -> c_int {
        // SAFETY: started with the address of one.
        let attempts: &Attempts = unsafe { given(args) };
        let me = raw::current().unwrap();
        attempts.borrow_mut().push(raw::resume(me));
        // SAFETY: refused, as it is this job that is running.
        assert_eq!(unsafe { raw::discard(me) }, Err(Misuse::Running));
        let mut inner = Job::without_ctx(move || (raw::resume(me), raw::current().unwrap() != me)).unwrap();
        let Ok(Step::Finished((resumed, true))) = inner.resume() else { panic!("it does not pause") };
        attempts.borrow_mut().push(resumed);
        assert_eq!(raw::current(), Some(me));
        3
    }
    let attempts = Attempts::default();
    assert_eq!(start(resumes_itself, &attempts, None), Ok(RawStep::Finished(3)));
    assert_eq!(attempts.into_inner(), [Err(Misuse::Running), Err(Misuse::Running)]);
}

#[test]
fn s36_a_stale_handle_is_refused() {
    let job = paused(start_without_args(pauses_once));
    assert_eq!(raw::resume(job), Ok(RawStep::Finished(7)));
    assert_eq!(raw::resume(job), Err(Misuse::Stale));
    let next = paused(start_without_args(pauses_once));
    assert_ne!(job, next, "although it has the same stack");
    assert_eq!(raw::resume(job), Err(Misuse::Stale));
    // SAFETY: refused.
    assert_eq!(unsafe { raw::discard(job) }, Err(Misuse::Stale));
    assert!(matches!(raw::wait_ctx(job), Err(Misuse::Stale)));
    assert_eq!(raw::resume(next), Ok(RawStep::Finished(7)));
    for bits in [0, 1, u64::MAX, job.to_bits() ^ (1 << 40)] {
        assert_eq!(raw::resume(Handle::from_bits(bits)), Err(Misuse::Stale));
    }
    assert_eq!(Handle::from_bits(job.to_bits()), job);
}

#[test]
fn s36_the_handle_of_a_typed_job_is_refused() {
    let mut typed = Job::without_ctx(job::pause).unwrap();
    let handle = Handle::from_bits(typed.token());
    assert_eq!(raw::resume(handle), Err(Misuse::Stale));
    assert!(matches!(typed.resume(), Ok(Step::Paused)));
    assert_eq!(raw::resume(handle), Err(Misuse::Stale));
    // SAFETY: refused.
    assert_eq!(unsafe { raw::discard(handle) }, Err(Misuse::Stale));
    // SAFETY: there is no paused raw job.
    assert_eq!(unsafe { raw::discard_paused() }, 0);
    assert_eq!(typed.resume(), Ok(Step::Finished(Pause::Resumed)));
}

#[test]
fn s43_the_context_of_a_handle() {
    let ctx = WaitCtx::new();
    let with = paused(start(pauses_once, &(), Some(&ctx)));
    let without = paused(start_without_args(pauses_once));
    ctx.set_raw_fd(job::WaitKey::of(&ctx), 5, None, None);
    assert_eq!(raw::wait_ctx(with).unwrap().unwrap().all_raw_fds(), [5]);
    assert!(raw::wait_ctx(without).unwrap().is_none());
    drop(ctx);
    assert!(raw::wait_ctx(with).unwrap().is_none());
    assert_eq!(raw::resume(with), Ok(RawStep::Finished(7)));
    assert_eq!(raw::resume(without), Ok(RawStep::Finished(7)));
}

#[test]
fn s44_unblocking_stops_at_zero() {
    unsafe extern "C-unwind" fn blocks(_: *mut c_void) -> c_int {
        raw::unblock_pause();
        raw::block_pause();
        raw::block_pause();
        raw::unblock_pause();
        assert_eq!(job::pause(), Pause::Blocked);
        raw::unblock_pause();
        raw::unblock_pause();
        c_int::from(job::pause() == Pause::Resumed)
    }
    raw::block_pause();
    let job = paused(start_without_args(blocks));
    assert_eq!(raw::resume(job), Ok(RawStep::Finished(1)));
}

#[test]
fn s53_the_handle_of_another_thread_is_refused() {
    let job = paused(start_without_args(pauses_once));
    let elsewhere = thread::spawn(move || {
        let before = raw::resume(job);
        let own = paused(start_without_args(pauses_once));
        let after = raw::resume(job);
        assert_eq!(raw::resume(own), Ok(RawStep::Finished(7)));
        (before, after, own)
    });
    let (before, after, own) = elsewhere.join().unwrap();
    assert_eq!((before, after), (Err(Misuse::Stale), Err(Misuse::Stale)));
    assert_ne!(job, own, "although both are the first of their threads");
    assert_eq!(raw::resume(job), Ok(RawStep::Finished(7)));
}

thread_local! {
    /// Stands for libcrypto's default library context: a word of the thread.
    static DEFAULT: Cell<usize> = const { Cell::new(0) };
}

#[test]
fn pausing_as_c_does_pauses_and_keeps_registers() {
    unsafe extern "C-unwind" fn pauses_as_c_does(_: *mut c_void) -> c_int {
        let block = job::block_pause();
        assert_eq!(raw::pause(), 1, "blocked");
        drop(block);
        let (kept, sum) = (raw::current(), (0..10).map(|number| number * raw::pause()).sum::<c_int>());
        assert_eq!(raw::current(), kept);
        sum
    }
    assert_eq!(raw::pause(), 1, "outside");
    let job = paused(start_without_args(pauses_as_c_does));
    let mut resumes = 0;
    let ret = loop {
        resumes += 1;
        match raw::resume(job).unwrap() {
            RawStep::Paused(same) => assert_eq!(same, job),
            RawStep::Finished(ret) => break ret,
        }
    };
    assert_eq!((ret, resumes), (45, 10));
}

/// A Rust job that is dropped while C code has it paused cannot be unwound through that code. The C code gets
/// a return value instead.
#[test]
fn pausing_as_c_does_says_that_a_typed_job_is_dropped() {
    thread_local!(static SAID: Cell<c_int> = const { Cell::new(-1) });
    let mut typed = Job::without_ctx(|| SAID.set(raw::pause())).unwrap();
    assert_eq!(typed.resume(), Ok(Step::Paused));
    drop(typed);
    assert_eq!(SAID.get(), 0);
}

#[test]
fn paused_raw_jobs_can_be_listed() {
    let ctx = WaitCtx::new();
    let released = Cell::new(0);
    let one = paused(start(waits_for_a_request, &released, Some(&ctx)));
    let two = paused(start_without_args(pauses_once));
    assert_eq!(raw::unfinished_on(&ctx), [one]);
    assert_eq!(ctx.num_raw_jobs(), 1);
    let mut listed = raw::paused();
    listed.sort_by_key(|handle| handle.to_bits());
    let mut expected = [one, two];
    expected.sort_by_key(|handle| handle.to_bits());
    assert_eq!(listed, expected);
    // SAFETY: the functions own nothing.
    assert_eq!(unsafe { raw::discard_paused() }, 2);
    assert!(raw::paused().is_empty() && raw::unfinished_on(&ctx).is_empty());
    assert_eq!(ctx.num_raw_jobs(), 0);
}

#[test]
fn s55_hooks_keep_a_word_for_each_job() {
    unsafe extern "C" fn enter(job: usize) -> usize {
        let outer = DEFAULT.get();
        if job != 0 {
            DEFAULT.set(job);
        }
        outer
    }
    unsafe extern "C" fn leave(outer: usize) -> usize {
        DEFAULT.replace(outer)
    }
    unsafe extern "C-unwind" fn sets_its_own(args: *mut c_void) -> c_int {
        // SAFETY: the arguments are one word.
        let own = unsafe { args.cast::<usize>().read() };
        assert_eq!(DEFAULT.get(), 100, "a job begins with what its starter has");
        DEFAULT.set(own);
        assert_eq!(job::pause(), Pause::Resumed);
        c_int::from(DEFAULT.get() == own)
    }
    static HOOKS: SwitchHooks = SwitchHooks { enter, leave };

    job_helpers::passes_in_child("s55_hooks_keep_a_word_for_each_job", || {
        DEFAULT.set(100);
        let start = |own: usize| {
            // SAFETY: the function reads one word.
            paused(unsafe { raw::start(sets_its_own, Some(&own.to_ne_bytes()), None) })
        };
        // SAFETY: the hooks touch a thread-local and nothing else.
        unsafe { raw::set_switch_hooks(Some(&HOOKS)) };
        let (one, two) = (start(1), start(2));
        assert_eq!(DEFAULT.get(), 100);
        let mut typed = Job::without_ctx(|| {
            DEFAULT.set(3);
            assert_eq!(job::pause(), Pause::Resumed);
            DEFAULT.get()
        })
        .unwrap();
        assert_eq!(typed.resume(), Ok(Step::Paused));
        DEFAULT.set(200);
        assert_eq!(raw::resume(one), Ok(RawStep::Finished(1)));
        assert_eq!(raw::resume(two), Ok(RawStep::Finished(1)));
        assert_eq!(typed.resume(), Ok(Step::Finished(3)));
        assert_eq!(DEFAULT.get(), 200);
        // SAFETY: removes the hooks.
        unsafe { raw::set_switch_hooks(None) };
        DEFAULT.set(100);
        let job = start(5);
        assert_eq!(DEFAULT.get(), 5, "without hooks nothing is kept");
        assert_eq!(raw::resume(job), Ok(RawStep::Finished(1)));
    });
}

/// A program that sets its first default in a job: nothing recorded what was in force before, but the hooks
/// know.
#[test]
fn s55_hooks_may_come_while_a_job_runs() {
    const BEFORE_ANYBODY: usize = 100;
    unsafe extern "C" fn enter(job: usize) -> usize {
        let outer = DEFAULT.get();
        if job != 0 {
            DEFAULT.set(job);
        }
        outer
    }
    unsafe extern "C" fn leave(outer: usize) -> usize {
        DEFAULT.replace(if outer == 0 { BEFORE_ANYBODY } else { outer })
    }
    unsafe extern "C-unwind" fn sets_hooks_and_its_own(_: *mut c_void) -> c_int {
        let mut inner = Job::without_ctx(|| {
            // SAFETY: the hooks touch a thread-local and nothing else.
            unsafe { raw::set_switch_hooks(Some(&HOOKS)) };
            DEFAULT.set(7);
            assert_eq!(job::pause(), Pause::Resumed);
            DEFAULT.get()
        })
        .unwrap();
        assert_eq!(inner.resume(), Ok(Step::Paused));
        assert_eq!(DEFAULT.get(), BEFORE_ANYBODY, "the inner job has left, and so has its default");
        DEFAULT.set(8);
        assert_eq!(inner.resume(), Ok(Step::Finished(7)));
        assert_eq!(DEFAULT.get(), 8);
        assert_eq!(job::pause(), Pause::Resumed);
        c_int::try_from(DEFAULT.get()).unwrap()
    }
    static HOOKS: SwitchHooks = SwitchHooks { enter, leave };

    job_helpers::passes_in_child("s55_hooks_may_come_while_a_job_runs", || {
        DEFAULT.set(BEFORE_ANYBODY);
        let job = paused(start_without_args(sets_hooks_and_its_own));
        assert_eq!(DEFAULT.get(), BEFORE_ANYBODY);
        DEFAULT.set(200);
        assert_eq!(raw::resume(job), Ok(RawStep::Finished(8)));
        assert_eq!(DEFAULT.get(), 200);
    });
}

/// Threads that had jobs before the hooks were set, and threads that come after.
#[test]
fn s55_hooks_hold_in_every_thread_and_words_end_with_their_job() {
    thread_local!(static WORDS: RefCell<Vec<usize>> = const { RefCell::new(Vec::new()) });
    unsafe extern "C" fn enter(job: usize) -> usize {
        WORDS.with_borrow_mut(|words| words.push(job));
        1000
    }
    unsafe extern "C" fn leave(outer: usize) -> usize {
        assert!(outer == 1000 || outer == 0);
        WORDS.with_borrow(Vec::len)
    }
    static HOOKS: SwitchHooks = SwitchHooks { enter, leave };
    fn pausing() -> Job<()> {
        let mut job = Job::without_ctx(|| assert_eq!(job::pause(), Pause::Resumed)).unwrap();
        assert_eq!(job.resume(), Ok(Step::Paused));
        job
    }

    job_helpers::passes_in_child("s55_hooks_hold_in_every_thread_and_words_end_with_their_job", || {
        let mut before = pausing();
        let set = |hooks: Option<&'static SwitchHooks>| {
            // SAFETY: the hooks touch a thread-local and nothing else.
            thread::spawn(move || unsafe { raw::set_switch_hooks(hooks) }).join().unwrap();
        };
        set(Some(&HOOKS));
        assert_eq!(before.resume(), Ok(Step::Finished(())));
        assert_eq!(WORDS.take(), [0], "it has paused without hooks");
        let later = || {
            assert_eq!(pausing().resume(), Ok(Step::Finished(())));
            WORDS.take()
        };
        assert_eq!(thread::spawn(later).join().unwrap(), [0, 1]);
        assert_eq!(later(), [0, 1], "on the stack of another job");

        let mut without = pausing();
        set(None);
        assert_eq!(without.resume(), Ok(Step::Finished(())));
        let mut before = pausing();
        set(Some(&HOOKS));
        assert_eq!(before.resume(), Ok(Step::Finished(())));
        assert_eq!(
            WORDS.take(),
            [0, 0],
            "one begins with hooks, the other goes on with them; neither has a word"
        );
    });
}

/// Something that a paused frame would give back, as an engine gives back its request.
struct Request<'a>(&'a Cell<u32>);

impl Release for Request<'_> {
    fn release(&self) {
        self.0.set(self.0.get() + 1);
    }
}

unsafe extern "C-unwind" fn waits_for_a_request(args: *mut c_void) -> c_int {
    // SAFETY: started with the address of one.
    let released: &Cell<u32> = unsafe { given(args) };
    let request = Request(released);
    while job::pause_with(&request) == Pause::Resumed {}
    assert_eq!(job::pause(), Pause::Resumed);
    0
}

#[test]
fn discarding_runs_the_release_hook_and_frees_the_stack() {
    let released = Cell::new(0);
    let job = paused(start(waits_for_a_request, &released, None));
    assert_eq!(raw::resume(job), Ok(RawStep::Paused(job)));
    assert_eq!(released.get(), 0);
    // SAFETY: the function owns nothing.
    assert_eq!(unsafe { raw::discard(job) }, Ok(()));
    assert_eq!(released.get(), 1);
    // SAFETY: refused.
    assert_eq!(unsafe { raw::discard(job) }, Err(Misuse::Stale));
    assert_eq!(released.get(), 1);
    let stats = job::thread_stats();
    assert_eq!((stats.created, stats.discarded, stats.paused, stats.idle), (1, 1, 0, 1));
    assert_eq!(start_without_args(returns_seven), Ok(RawStep::Finished(7)), "the stack serves the next");
    assert_eq!(job::thread_stats().idle, 1);
}

#[test]
fn a_release_hook_is_for_the_pause_that_it_was_given_to() {
    unsafe extern "C-unwind" fn moves_on(args: *mut c_void) -> c_int {
        // SAFETY: started with the address of one.
        let released: &Cell<u32> = unsafe { given(args) };
        {
            let request = Request(released);
            assert_eq!(job::pause_with(&request), Pause::Resumed);
        }
        assert_eq!(job::pause(), Pause::Resumed);
        0
    }
    let released = Cell::new(0);
    let job = paused(start(moves_on, &released, None));
    assert_eq!(raw::resume(job), Ok(RawStep::Paused(job)));
    // SAFETY: the function owns nothing.
    assert_eq!(unsafe { raw::discard(job) }, Ok(()));
    assert_eq!(released.get(), 0);
}

#[test]
fn a_typed_job_unwinds_and_its_hook_is_not_called() {
    struct Owned(std::rc::Rc<Cell<u32>>);
    impl Release for Owned {
        fn release(&self) {
            self.0.set(100);
        }
    }
    impl Drop for Owned {
        fn drop(&mut self) {
            self.0.set(self.0.get() + 1);
        }
    }
    let count = std::rc::Rc::new(Cell::new(0));
    let request = Owned(std::rc::Rc::clone(&count));
    let mut job = Job::without_ctx(move || job::pause_with(&request)).unwrap();
    assert!(matches!(job.resume(), Ok(Step::Paused)));
    drop(job);
    assert_eq!(count.get(), 1);
}

#[test]
fn jobs_are_discarded_all_at_once_or_for_their_context() {
    let released = Cell::new(0);
    let (one, two) = (WaitCtx::new(), WaitCtx::new());
    let start_on = |ctx| paused(start(waits_for_a_request, &released, ctx));
    let jobs = [start_on(Some(&one)), start_on(Some(&one)), start_on(Some(&two)), start_on(None)];
    let finished = paused(start(pauses_once, &(), Some(&one)));
    assert_eq!(raw::resume(finished), Ok(RawStep::Finished(7)));
    // SAFETY: the functions own nothing.
    unsafe {
        assert_eq!(raw::discard_paused_on(&one), 2);
        assert_eq!(raw::discard_paused_on(&one), 0);
        assert_eq!(released.get(), 2);
        assert_eq!(raw::resume(jobs[0]), Err(Misuse::Stale));
        assert_eq!(raw::resume(jobs[2]), Ok(RawStep::Paused(jobs[2])));
        assert_eq!(raw::discard_paused(), 2);
    }
    assert_eq!(released.get(), 4);
    assert_eq!(job::thread_stats().idle, 5);
}

#[test]
fn a_hook_that_panics_still_lets_the_job_go() {
    struct Panics;
    impl Release for Panics {
        fn release(&self) {
            panic!("in the hook");
        }
    }
    unsafe extern "C-unwind" fn waits(_: *mut c_void) -> c_int {
        while job::pause_with(&Panics) == Pause::Resumed {}
        0
    }
    let job = paused(start_without_args(waits));
    // SAFETY: the function owns nothing.
    let discarded = panic::catch_unwind(|| unsafe { raw::discard(job) });
    assert_eq!(discarded.unwrap_err().downcast_ref::<&str>(), Some(&"in the hook"));
    assert_eq!(raw::resume(job), Err(Misuse::Stale));
    assert_eq!(job::thread_stats().idle, 1);
    let thread = thread::spawn(move || paused(start_without_args(waits)));
    assert!(thread.join().is_ok(), "nor does it harm the end of a thread");
}

#[test]
fn a_hook_meets_its_own_job_no_more() {
    struct Meddles<'a>(&'a Cell<Option<Handle>>, &'a Cell<u32>);
    impl Release for Meddles<'_> {
        fn release(&self) {
            let me = self.0.get().unwrap();
            assert_eq!(raw::resume(me), Err(Misuse::Stale));
            // SAFETY: refused.
            assert_eq!(unsafe { raw::discard(me) }, Err(Misuse::Stale));
            assert_eq!(start_without_args(returns_seven), Ok(RawStep::Finished(7)));
            job::cleanup_thread();
            self.1.set(1);
        }
    }
    unsafe extern "C-unwind" fn waits(args: *mut c_void) -> c_int {
        // SAFETY: started with the address of one.
        let (me, called): &(Cell<Option<Handle>>, Cell<u32>) = unsafe { given(args) };
        me.set(raw::current());
        while job::pause_with(&Meddles(me, called)) == Pause::Resumed {}
        0
    }
    let seen = (Cell::new(None::<Handle>), Cell::new(0_u32));
    let job = paused(start(waits, &seen, None));
    // SAFETY: the function owns nothing.
    assert_eq!(unsafe { raw::discard(job) }, Ok(()));
    assert_eq!(seen.1.get(), 1);
}

#[test]
fn a_panic_in_a_raw_job_reaches_its_resumer() {
    unsafe extern "C-unwind" fn panics_late(_: *mut c_void) -> c_int {
        assert_eq!(job::pause(), Pause::Resumed);
        panic!("late");
    }
    unsafe extern "C-unwind" fn panics_at_once(_: *mut c_void) -> c_int {
        panic!("at once");
    }
    let payload = panic::catch_unwind(|| start_without_args(panics_at_once)).unwrap_err();
    assert_eq!(payload.downcast_ref::<&str>(), Some(&"at once"));
    let job = paused(start_without_args(panics_late));
    let payload = panic::catch_unwind(|| raw::resume(job)).unwrap_err();
    assert_eq!(payload.downcast_ref::<&str>(), Some(&"late"));
    assert_eq!(raw::resume(job), Err(Misuse::Stale));
    assert_eq!(job::thread_stats().idle, 1);
}

#[test]
fn nothing_starts_or_resumes_while_the_thread_panics() {
    struct Tries(Handle, std::rc::Rc<Cell<bool>>);
    impl Drop for Tries {
        fn drop(&mut self) {
            assert_eq!(raw::resume(self.0), Err(Misuse::Panicking));
            assert_eq!(start_without_args(returns_seven), Err(StartError::Misuse(Misuse::Panicking)));
            // SAFETY: the function owns nothing. Discarding switches nowhere.
            assert_eq!(unsafe { raw::discard(self.0) }, Ok(()));
            self.1.set(true);
        }
    }
    let tried = std::rc::Rc::new(Cell::new(false));
    let tries = Tries(paused(start_without_args(pauses_for_ever)), std::rc::Rc::clone(&tried));
    let unwound = panic::catch_unwind(panic::AssertUnwindSafe(move || {
        let _tries = tries;
        panic!("outside");
    }));
    assert_eq!(unwound.unwrap_err().downcast_ref::<&str>(), Some(&"outside"));
    assert!(tried.get());
}
