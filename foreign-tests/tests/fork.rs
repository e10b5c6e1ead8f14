//! A forked child that inherits operations: one that was started and not polled, one that waits. One test, in
//! its own process, because it forks.
#![expect(unsafe_code, reason = "fork is a foreign call")]

use std::task::{Poll, Waker};

use nix::libc;
use nix::sys::wait::{WaitStatus, waitpid};
use nix::unistd::{ForkResult, fork};
use simaccel::foreign::{Message, Started, start};
use simaccel::{AnySession, Config, Engine, Error, Operation, Parameters, Tag};

fn digest(session: &AnySession) -> Started {
    let (iv, aad, buffer, tag) = (Vec::new(), Vec::new(), vec![7; 100], Tag::default());
    start(session, Message { operation: Operation::Digest, iv, aad, buffer, tag }).unwrap()
}

/// 0: both have ended as forked.
fn use_up(mut inherited: [Started; 2]) -> i32 {
    let is_forked = |started: &mut Started| match started.poll(Waker::noop()) {
        Poll::Ready(Err(error)) => matches!(error.error(), Error::Forked),
        _ => false,
    };
    let are_forked = inherited.iter_mut().all(is_forked);
    drop(inherited);
    i32::from(!are_forked)
}

#[test]
fn operations_that_are_polled_end_in_a_forked_child_and_go_on_in_the_parent() {
    let engine = Engine::stepped(Config::default()).unwrap();
    let session = engine.session("SHA2-256".parse().unwrap(), b"", Parameters::default()).unwrap();
    let (new, mut waiting) = (digest(&session), digest(&session));
    assert!(waiting.poll(Waker::noop()).is_pending());
    let mut started = [new, waiting];
    // SAFETY: the child uses only this library and what the C library keeps usable after a fork, including
    // its allocator, and leaves by `_exit`.
    match unsafe { fork() }.unwrap() {
        ForkResult::Child => {
            // SAFETY: the signal ends a child that hangs, and its parent sees that.
            unsafe { libc::alarm(60) };
            let code = use_up(started);
            // SAFETY: ends the child without running the test harness's exit handlers.
            unsafe { libc::_exit(code) }
        }
        ForkResult::Parent { child } => {
            assert_eq!(waitpid(child, None).unwrap(), WaitStatus::Exited(child, 0));
        }
    }
    assert!(started[0].poll(Waker::noop()).is_pending());
    engine.device().run_until_idle();
    for started in &mut started {
        let Poll::Ready(Ok((data, digest))) = started.poll(Waker::noop()) else { panic!("it is done") };
        assert_eq!((data, digest.as_bytes().len()), (vec![7; 100], 32));
    }
    assert_eq!(engine.stats().imbalances(), Vec::<String>::new());
}
