//! What several test files of jobs need.
#![allow(dead_code, reason = "each test file is a program of its own and uses a part of this")]

pub(crate) mod raw;
pub(crate) mod reports;

use std::cell::RefCell;
use std::env;
use std::panic::{self, AssertUnwindSafe};
use std::process::{Command, ExitStatus, Output};
use std::rc::Rc;
use std::thread;

use simaccel::job::{self, NoJobs, Pause};
use simaccel::{Job, Step};

/// Tells at run time whether a type is `Send`, so that a test can say that it is not.
#[macro_export]
macro_rules! is_send {
    ($type:ty) => {{
        struct Probe<T>(std::marker::PhantomData<T>);
        #[allow(dead_code, reason = "used for the types that are not `Send`")]
        trait No {
            fn answer(&self) -> bool {
                false
            }
        }
        impl<T> No for &Probe<T> {}
        impl<T: Send> Probe<T> {
            #[allow(dead_code, reason = "used for the types that are `Send`")]
            fn answer(&self) -> bool {
                true
            }
        }
        (&Probe::<$type>(std::marker::PhantomData)).answer()
    }};
}

const CHILD: &str = "SIMACCEL_TEST_CHILD";

/// Runs `body` in a child process that runs only the test of this name. Returns how the child ended; `None`
/// in the child.
pub(crate) fn in_child(test: &str, body: impl FnOnce()) -> Option<ExitStatus> {
    child_output(test, body).map(|output| output.status)
}

/// Like [`in_child`], but returns the child's output too.
pub(crate) fn child_output(test: &str, body: impl FnOnce()) -> Option<Output> {
    if env::var(CHILD).is_ok_and(|child| child == test) {
        body();
        return None;
    }
    let program = env::current_exe().expect("a test knows its program");
    let mut command = Command::new(program);
    command.args([test, "--exact", "--nocapture", "--test-threads=1"]).env(CHILD, test);
    let output = command.output().expect("the test program runs again");
    println!("{}", String::from_utf8_lossy(&output.stdout));
    println!("{}", String::from_utf8_lossy(&output.stderr));
    Some(output)
}

/// Like [`in_child`], for a body that succeeds.
pub(crate) fn passes_in_child(test: &str, body: impl FnOnce()) {
    if let Some(status) = in_child(test, body) {
        assert!(status.success(), "{test} ended with {status}");
    }
}

/// Checks the counters of this thread's jobs, which add up at any moment.
#[track_caller]
pub(crate) fn assert_balanced() {
    let stats = job::thread_stats();
    assert_eq!(stats.imbalances(), Vec::<String>::new(), "{stats:?}");
}

pub(crate) type Log = Rc<RefCell<Vec<&'static str>>>;

/// Logs its name when it is dropped.
pub(crate) struct Noted(pub(crate) Log, pub(crate) &'static str);

impl Drop for Noted {
    fn drop(&mut self) {
        self.0.borrow_mut().push(self.1);
    }
}

/// A job that owns a [`Noted`] on its stack and pauses for ever.
pub(crate) fn holding(log: &Log, name: &'static str) -> Job<()> {
    let log = Rc::clone(log);
    let mut job = Job::without_ctx(move || {
        let _noted = Noted(log, name);
        while job::pause() == Pause::Resumed {}
    })
    .unwrap();
    assert_eq!(job.resume(), Ok(Step::Paused));
    job
}

pub(crate) fn catch(f: impl FnOnce()) -> thread::Result<()> {
    panic::catch_unwind(AssertUnwindSafe(f))
}

/// A job that pauses `times` and then returns that number.
pub(crate) fn pausing(times: u32) -> Job<u32> {
    try_pausing(times).unwrap()
}

pub(crate) fn try_pausing(times: u32) -> Result<Job<u32>, NoJobs> {
    Job::without_ctx(move || {
        for _ in 0..times {
            assert_eq!(job::pause(), Pause::Resumed);
        }
        times
    })
}

pub(crate) fn pauses<T>(job: &mut Job<T>) {
    assert!(matches!(job.resume(), Ok(Step::Paused)));
}

pub(crate) fn run<T: 'static>(f: impl FnOnce() -> T + 'static) -> T {
    match Job::without_ctx(f).unwrap().resume().unwrap() {
        Step::Finished(result) => result,
        Step::Paused => panic!("this job does not pause"),
    }
}

/// A paused job that swallows its unwinding so many times.
pub(crate) fn swallowing(times: u32, token: u64) -> Job<()> {
    let mut job = Job::without_ctx(move || {
        for _ in 0..times {
            let _swallowed = catch(|| while job::pause() == Pause::Resumed {});
        }
    })
    .unwrap();
    job.set_token(token);
    assert_eq!(job.resume(), Ok(Step::Paused));
    job
}
