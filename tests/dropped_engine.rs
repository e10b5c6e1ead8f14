//! A dropped engine frees its memory and its fds, even while threads that have used it go on.
//!
//! The allocator counts for the whole process, so this file has one test function.
#![expect(unsafe_code, reason = "an allocator is unsafe to write")]

mod captured;
mod engine_helpers;

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::channel;
use std::thread;

use simaccel::{Engine, Job, Step, WaitCtx};

use self::engine_helpers::{IV, ctr, message, open, open_fds};

/// Counts the bytes that are in use.
struct Counting;

static LIVE: AtomicUsize = AtomicUsize::new(0);

// SAFETY: everything is passed on to the system's allocator as it came.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        LIVE.fetch_add(layout.size(), Ordering::Relaxed);
        // SAFETY: the caller's promise.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        LIVE.fetch_sub(layout.size(), Ordering::Relaxed);
        // SAFETY: the caller's promise.
        unsafe { System.dealloc(block, layout) }
    }
}

#[global_allocator]
static COUNTING: Counting = Counting;

/// The two rings alone take this much; more than one thread has its own pair.
const DEPTH: usize = 1 << 15;
const LARGE: usize = 2 * 16 * DEPTH;

fn engine() -> Engine {
    open(&format!("delivery=poll;queue_pairs=3;depth={DEPTH}"))
}

/// Runs one polled job, which creates an instance with an eventfd.
fn use_it(engine: &Engine) {
    let (ctx, session) = (WaitCtx::new(), ctr(engine));
    let mut job = Job::new(&ctx, move || session.encrypt(&IV, message(1, 40)).map(drop)).unwrap();
    engine.interrupt_fd().unwrap();
    assert!(matches!(job.resume(), Ok(Step::Paused)));
    while !matches!(job.resume(), Ok(Step::Finished(Ok(())))) {}
    engine.poll(1, |_| ()).unwrap();
}

fn live() -> usize {
    LIVE.load(Ordering::Relaxed)
}

#[test]
fn a_dropped_engine_leaves_neither_memory_nor_fds_to_threads_that_live_on() {
    // Whatever is created once exists after this.
    use_it(&engine());
    let (fds, memory) = (open_fds(), live());

    let of_this_thread = engine();
    use_it(&of_this_thread);
    assert!(live() > memory + LARGE, "it does take memory");
    drop(of_this_thread);
    assert_eq!(open_fds(), fds);
    assert!(live() < memory + LARGE / 16, "{} bytes are left", live() - memory);

    let (engines, of_others) = channel::<Engine>();
    let (done, used) = channel::<()>();
    let other = thread::spawn(move || {
        for engine in of_others {
            use_it(&engine);
            drop(engine);
            done.send(()).unwrap();
        }
    });
    let (first, second) = (engine(), engine());
    engines.send(first.clone()).unwrap();
    used.recv().unwrap();
    let both = live();
    drop(first);
    assert!(live() + 3 * LARGE < both, "the other thread holds what it has used");
    let held = open_fds();
    use_it(&second);
    engines.send(second.clone()).unwrap();
    used.recv().unwrap();
    assert_eq!(
        open_fds(),
        held + 1,
        "its next call lets the old eventfd go, and this thread has made another"
    );
    drop(second);
    drop(engines);
    other.join().unwrap();
    assert_eq!(open_fds(), fds);
    assert!(live() < memory + LARGE / 16, "{} bytes are left", live() - memory);
}
