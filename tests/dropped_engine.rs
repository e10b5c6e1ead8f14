//! A dropped engine frees its memory and its fds, even while threads that have used it go on.
//!
//! The allocator counts for the whole process, so this file has one test function.

mod captured;
mod engine_helpers;
#[path = "../examples/simulate/memory.rs"]
mod memory;

use std::sync::mpsc::channel;
use std::thread;

use simaccel::{Engine, Job, Step, WaitCtx};

use self::engine_helpers::{IV, ctr, message, open, open_fds};
use self::memory::in_use;

#[global_allocator]
static MEMORY: memory::Counting = memory::Counting;

/// The two rings alone take this much; more than one thread has its own pair.
const DEPTH: i64 = 1 << 15;
const LARGE: i64 = 2 * 16 * DEPTH;

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

#[test]
fn a_dropped_engine_leaves_neither_memory_nor_fds_to_threads_that_live_on() {
    // Whatever is created once exists after this.
    use_it(&engine());
    let (fds, memory) = (open_fds(), in_use());

    let of_this_thread = engine();
    use_it(&of_this_thread);
    assert!(in_use() > memory + LARGE, "it does take memory");
    drop(of_this_thread);
    assert_eq!(open_fds(), fds);
    assert!(in_use() < memory + LARGE / 16, "{} bytes are left", in_use() - memory);

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
    let both = in_use();
    drop(first);
    assert!(in_use() + 3 * LARGE < both, "the other thread holds what it has used");
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
    assert!(in_use() < memory + LARGE / 16, "{} bytes are left", in_use() - memory);
}
