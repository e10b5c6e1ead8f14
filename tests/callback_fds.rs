//! A context with a callback costs no descriptor. Alone in its program, because the limit belongs to the
//! process.

mod captured;
mod engine_helpers;

use std::sync::Arc;
use std::sync::mpsc::channel;

use nix::sys::resource::{Resource, getrlimit, setrlimit};
use simaccel::{Job, Step, WaitCtx};

use self::engine_helpers::{IV, assert_adds_up, ctr, expected_ctr, message, open, open_fds};

#[test]
fn four_hundred_jobs_with_callbacks_need_no_descriptors() {
    let engine = open("");
    let (_, hard) = getrlimit(Resource::RLIMIT_NOFILE).unwrap();
    setrlimit(Resource::RLIMIT_NOFILE, 64, hard).unwrap();
    let before = open_fds();
    let (sender, receiver) = channel();
    let contexts: Vec<WaitCtx> = (0..400).map(|_| WaitCtx::new()).collect();
    let mut jobs: Vec<_> = contexts
        .iter()
        .enumerate()
        .map(|(index, ctx)| {
            let (session, sender) = (ctr(&engine), sender.clone());
            ctx.set_callback(Some(Arc::new(move || sender.send(index).unwrap())));
            let mut job = Job::new(ctx, move || session.encrypt(&IV, message(index, 100))).unwrap();
            assert!(matches!(job.resume().unwrap(), Step::Paused));
            assert_eq!(ctx.all_raw_fds(), []);
            job
        })
        .collect();
    assert_eq!(open_fds(), before);
    for _ in 0..jobs.len() {
        let index = receiver.recv().unwrap();
        let Step::Finished(output) = jobs[index].resume().unwrap() else { panic!("called back when done") };
        assert_eq!(output.unwrap(), expected_ctr(&message(index, 100)));
    }
    assert_adds_up(&engine);
}
