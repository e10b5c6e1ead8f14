//! Calls outside of jobs: deep work that a job starts runs on the stack of the thread, and the job's own
//! stack stays small.
//!
//! ```text
//!   thread's stack   resume             ┌─► call ─┐
//!   job A              └─► resume       │         │
//!   job B                    └─► outside┘         └─► outside returns, and B goes on
//! ```
//!
//! The job leaves as for a pause, but stays Running, and its resumer finds the call instead of a pause. A
//! resumer that is a job itself passes the call on, so it runs below the frames of the code that has
//! resumed the outermost job. Then the jobs are entered again, from the outermost to the caller. No resume
//! returns meanwhile, and nothing is counted. The switches are those of every pause, so hooks, sanitizers
//! and the C++ runtime learn of them.
//!
//! During the call no job runs: [`current`](super::current) finds none, and the jobs that have left refuse
//! to be resumed because they are Running. Calls are strictly nested, unlike pauses, so they are possible
//! while the thread panics, too.
#![expect(unsafe_code, reason = "passes a call to the frame that has entered the job")]

use std::mem;
use std::panic::{self, AssertUnwindSafe};
use std::ptr::NonNull;

use super::front::Front;
use super::record::{Record, State};

/// A call that waits to be run outside.
pub(super) type Call = NonNull<dyn FnMut()>;

/// Runs `call` on the stack of the code that has resumed the outermost running job; right here, if no job
/// runs.
///
/// # Panics
///
/// With the panic of `call`.
pub(crate) fn outside<R>(call: impl FnOnce() -> R) -> R {
    let front = Front::here();
    match front.running() {
        None => call(),
        Some(record) => from_job(front, record, call),
    }
}

#[cold]
fn from_job<R>(front: &Front, record: &Record, call: impl FnOnce() -> R) -> R {
    let (mut call, mut outcome) = (Some(call), None);
    let mut run = || {
        if let Some(call) = call.take() {
            outcome = Some(panic::catch_unwind(AssertUnwindSafe(call)));
        }
    };
    leave(front, record, erase(&mut run));
    match outcome {
        Some(Ok(value)) => value,
        Some(Err(payload)) => panic::resume_unwind(payload),
        None => unreachable!("a job is entered again after its call"),
    }
}

/// Leaves the running job with a call. Returns when the call has returned.
fn leave(front: &Front, record: &Record, call: Call) {
    front.call.set(Some(call));
    // SAFETY: the running job is the caller.
    unsafe { record.leave(&front.turn, State::Running) };
}

/// Runs the call that a job has left with; in a job, passes it on.
pub(super) fn run(front: &Front) {
    let Some(mut call) = front.call.take() else { return };
    match front.running() {
        Some(record) => leave(front, record, call),
        // SAFETY: the caller of `outside` waits in its job for the end of the call, so what the call
        // borrows stays. It catches panics.
        None => unsafe { (call.as_mut())() },
    }
}

fn erase<'a>(call: &'a mut (dyn FnMut() + 'a)) -> Call {
    // SAFETY: only the lifetime changes: the pointer is followed while `from_job`, which owns the call,
    // waits.
    NonNull::from(unsafe {
        mem::transmute::<&'a mut (dyn FnMut() + 'a), &'static mut (dyn FnMut() + 'static)>(call)
    })
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;
    use std::ffi::{c_int, c_void};
    use std::panic::catch_unwind;
    use std::rc::Rc;

    use super::*;
    use crate::job::raw::{self, RawStep};
    use crate::job::{self, Job, Misuse, Pause, Step};

    #[test]
    fn outside_of_jobs_it_is_a_plain_call() {
        assert_eq!(outside(|| 5), 5);
    }

    #[test]
    #[cfg_attr(miri, ignore = "miri knows no switch between stacks")]
    fn no_job_runs_during_a_call_and_every_job_goes_on_after_it() {
        let log = Rc::new(RefCell::new(Vec::new()));
        let noted = Rc::clone(&log);
        let mut job = Job::without_ctx(move || {
            let mut inner = Job::without_ctx(move || {
                for turn in 0..3 {
                    let nobody = outside(|| job::current().is_none());
                    noted.borrow_mut().push((turn, nobody, job::current().is_some()));
                    assert_eq!(job::pause(), Pause::Resumed);
                }
                outside(|| 9)
            })
            .unwrap();
            loop {
                let step = inner.resume().unwrap();
                assert_eq!(outside(|| job::thread_stats().running), 1);
                assert_eq!(job::pause(), Pause::Resumed);
                if let Step::Finished(result) = step {
                    break result;
                }
            }
        })
        .unwrap();
        let steps: Vec<_> = (0..5).map(|_| job.resume().unwrap()).collect();
        assert_eq!(steps[..4], [Step::Paused; 4]);
        assert_eq!(steps[4], Step::Finished(9));
        assert_eq!(*log.borrow(), [(0, true, true), (1, true, true), (2, true, true)]);
    }

    #[test]
    #[cfg_attr(miri, ignore = "miri knows no switch between stacks")]
    fn a_panic_goes_on_in_the_job() {
        let mut job = Job::without_ctx(|| {
            let caught = catch_unwind(|| outside(|| panic!("outside")));
            assert!(job::current().is_some());
            *caught.unwrap_err().downcast::<&str>().unwrap()
        })
        .unwrap();
        assert_eq!(job.resume().unwrap(), Step::Finished("outside"));
    }

    #[test]
    #[cfg_attr(miri, ignore = "miri knows no switch between stacks")]
    fn a_job_that_has_left_is_running() {
        unsafe extern "C-unwind" fn leaves(_: *mut c_void) -> c_int {
            let me = raw::current().unwrap();
            // SAFETY: it is refused.
            let refused =
                outside(|| (raw::resume(me).unwrap_err(), unsafe { raw::discard(me) }.unwrap_err()));
            assert_eq!(refused, (Misuse::Running, Misuse::Running));
            let other = outside(|| Job::without_ctx(|| outside(|| 4)).unwrap().resume().unwrap());
            assert_eq!((other, raw::current()), (Step::Finished(4), Some(me)));
            11
        }
        job::set_strict_handler(Some(std::sync::Arc::new(|violation| eprintln!("{violation}"))));
        // SAFETY: it may be called, and is not discarded.
        assert_eq!(unsafe { raw::start(leaves, None, None) }, Ok(RawStep::Finished(11)));
    }
}
