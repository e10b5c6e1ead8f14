//! Strict mode's reports, collected and sorted by thread: the switch and the handler belong to the process.

use std::sync::{Arc, Mutex, Once};
use std::thread::{self, ThreadId};

use simaccel::job::{self, Pause, Violation};
use simaccel::{Job, Step, WaitCtx};

static REPORTS: Mutex<Vec<Violation>> = Mutex::new(Vec::new());

pub(crate) fn collect() {
    job::set_strict(true);
    job::set_strict_handler(Some(Arc::new(|violation| REPORTS.lock().unwrap().push(violation.clone()))));
}

/// The reports of `thread` since the last call.
pub(crate) fn reports_of(thread: ThreadId) -> Vec<Violation> {
    REPORTS.lock().unwrap().extract_if(.., |violation| violation.thread == thread).collect()
}

/// The reports while `body` runs in this thread.
pub(crate) fn reports(body: impl FnOnce()) -> Vec<Violation> {
    static COLLECT: Once = Once::new();
    COLLECT.call_once(collect);
    let me = thread::current().id();
    reports_of(me);
    body();
    reports_of(me)
}

/// The reports of a new thread that runs `body`, up to its end.
pub(crate) fn reports_of_thread(body: impl FnOnce() + Send + 'static) -> Vec<Violation> {
    let mut of_thread = Vec::new();
    let of_me = reports(|| {
        let thread = thread::spawn(body);
        let id = thread.thread().id();
        thread.join().unwrap();
        of_thread = reports_of(id);
    });
    assert_silent(&of_me);
    of_thread
}

#[track_caller]
pub(crate) fn assert_silent(reports: &[Violation]) {
    assert!(reports.is_empty(), "{reports:?}");
}

pub(crate) fn pauses_once_in(ctx: &WaitCtx, token: u64) -> Job<()> {
    let mut job = Job::new(ctx, || assert_eq!(job::pause(), Pause::Resumed)).unwrap();
    job.set_token(token);
    assert_eq!(job.resume(), Ok(Step::Paused));
    job
}
