//! A forked child that inherits operations with keys: one in a paused job, one that is polled, one to begin.
//! One test, in its own process, because it forks.
#![expect(unsafe_code, reason = "fork is a foreign call")]

mod captured;
#[path = "private_keys/operations.rs"]
mod operations;

use std::task::{Poll, Waker};

use nix::libc;
use nix::sys::wait::{WaitStatus, waitpid};
use nix::unistd::{ForkResult, fork};
use simaccel::foreign::{StartedKey, start_key};
use simaccel::{Config, Engine, Error, Job, Step, WaitCtx};

use self::operations::{Action, Output, all};

/// What the child inherits of one operation.
struct Inherited {
    action: Action,
    job: Job<Output>,
    ctx: WaitCtx,
    polled: StartedKey,
}

fn begin(engine: &Engine, action: &Action) -> Inherited {
    let (ctx, in_job, session) = (WaitCtx::new(), action.clone(), action.session(engine));
    let mut job = Job::new(&ctx, move || in_job.run(&session)).unwrap();
    assert!(matches!(job.resume().unwrap(), Step::Paused));
    let (operation, arguments, input) = action.parts();
    let mut polled = start_key(&action.session(engine), operation, arguments, input);
    assert!(polled.poll(Waker::noop()).is_pending());
    Inherited { action: action.clone(), job, ctx, polled }
}

impl Inherited {
    fn ends(self, is_right: impl Fn(&Action, Output) -> bool) -> bool {
        let Self { action, mut job, ctx, mut polled } = self;
        let in_job = match job.resume().unwrap() {
            Step::Finished(output) => is_right(&action, output),
            Step::Paused => false,
        };
        let when_polled = match polled.poll(Waker::noop()) {
            Poll::Ready(output) => is_right(&action, output),
            Poll::Pending => false,
        };
        drop((polled, job, ctx));
        in_job && when_polled
    }
}

/// 0: everything has ended as forked, and an engine of the child's own works with the same keys.
fn use_up(inherited: Vec<Inherited>, engine: &Engine) -> i32 {
    let is_forked = |_: &Action, output: Output| output == Err(Error::Forked);
    let key = simaccel::PrivateKey::from_scalar(simaccel::KeyAlgorithm::P256, &[1], None).unwrap();
    if !matches!(engine.private_key(&key), Err(Error::Forked)) {
        return 1;
    }
    if !inherited.into_iter().all(|inherited| inherited.ends(is_forked)) {
        return 2;
    }
    let own = Engine::stepped(Config::default()).unwrap();
    let is_right =
        |action: &Action| action.run(&action.session(&own)).is_ok_and(|output| action.is_right(&output));
    if all().iter().all(is_right) { 0 } else { 3 }
}

#[test]
fn operations_with_keys_end_in_a_forked_child_and_go_on_in_the_parent() {
    let engine = Engine::stepped(Config::parse("completion_nsec=1000").unwrap()).unwrap();
    let begun: Vec<Inherited> = all().iter().map(|action| begin(&engine, action)).collect();
    // SAFETY: the child uses only this library and what the C library keeps usable after a fork, including
    // its allocator, and leaves by `_exit`.
    match unsafe { fork() }.unwrap() {
        ForkResult::Child => {
            // SAFETY: the signal ends a child that hangs, and its parent sees that.
            unsafe { libc::alarm(60) };
            let code = use_up(begun, &engine);
            // SAFETY: ends the child without running the test harness's exit handlers.
            unsafe { libc::_exit(code) }
        }
        ForkResult::Parent { child } => {
            assert_eq!(waitpid(child, None).unwrap(), WaitStatus::Exited(child, 0));
        }
    }
    engine.device().run_until_idle();
    let is_right = |action: &Action, output: Output| output.is_ok_and(|output| action.is_right(&output));
    assert!(begun.into_iter().all(|begun| begun.ends(is_right)));
    assert_eq!(engine.stats().imbalances(), Vec::<String>::new());
}
