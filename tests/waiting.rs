//! The simplest event loop: `wait_readable`, with and without a time limit, and `WaitCtx::is_woken`.

mod captured;
mod engine_helpers;
mod job_helpers;

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::time::Duration;

use nix::sys::resource::{Resource, getrlimit, setrlimit};
use simaccel::job::WaitKey;
use simaccel::{OsError, Step, WaitCtx, WaitError, WaitFd, wait_readable, wait_readable_timeout};

use self::engine_helpers::{LEN, expected_ctr, message, paused_job, result, stepped};
use self::job_helpers::passes_in_child;

/// Long enough that only a call that does not wait returns.
const FOR_EVER: Duration = Duration::MAX;

#[test]
fn a_wait_for_no_fd_is_an_error_that_says_so() {
    let fds: &[WaitFd] = &[];
    assert_eq!(wait_readable(fds), Err(WaitError::NoFds));
    assert_eq!(wait_readable_timeout(fds, FOR_EVER), Err(WaitError::NoFds));
    assert_eq!(wait_readable_timeout(fds, Duration::ZERO), Err(WaitError::NoFds));
    let line = WaitError::NoFds.to_string();
    assert!(line.contains("no fd") && line.contains("delivery=poll") && !line.contains('\n'), "{line}");
    assert_eq!(io::Error::from(WaitError::NoFds).kind(), io::ErrorKind::InvalidInput);
}

#[test]
fn a_polled_job_has_no_fd_to_wait_for() {
    let engine = stepped("delivery=poll");
    let ctx = WaitCtx::new();
    let mut job = paused_job(&engine, &ctx, 3);
    assert_eq!(wait_readable(&ctx.all_fds()), Err(WaitError::NoFds));
    assert!(!ctx.is_woken());
    assert_eq!(engine.poll(9, |token| panic!("{token} is not done")), Ok(0));
    engine.device().run_until_idle();
    // What the error says to do instead.
    assert_eq!(wait_readable(&[engine.interrupt_fd().unwrap()]), Ok(1));
    assert_eq!(engine.poll(9, |token| assert_eq!(token, job.token())), Ok(1));
    assert!(!ctx.is_woken(), "it asks fds");
    assert_eq!(result(&mut job).unwrap(), expected_ctr(&message(3, LEN)));
}

#[test]
fn a_missing_wake_is_seen_instead_of_waited_for() {
    for (config, woken) in [("", true), ("fault=drop_wake", false), ("fault=timeout", false)] {
        let engine = stepped(config);
        let ctx = WaitCtx::new();
        assert!(!ctx.is_woken(), "no job, no fd");
        let mut job = paused_job(&engine, &ctx, 3);
        assert!(!ctx.is_woken(), "{config}: nothing has happened yet");
        engine.device().run_until_idle();
        for _ in 0..2 {
            assert_eq!(ctx.is_woken(), woken, "{config}");
            assert_eq!(
                wait_readable_timeout(&ctx.all_fds(), Duration::from_millis(1)),
                Ok(woken),
                "{config}"
            );
        }
        if woken {
            assert!(matches!(job.resume(), Ok(Step::Finished(Ok(_)))));
            assert!(!ctx.is_woken(), "the wake was taken");
        }
    }
}

#[test]
fn each_fd_of_a_context_counts_and_so_does_what_a_resume_would_find() {
    let (ours, mut theirs) = UnixStream::pair().unwrap();
    let ours = Arc::new(ours);
    let ctx = WaitCtx::new();
    let (first, second) = (1_u8, 2_u8);
    ctx.set_raw_fd(WaitKey::of(&first), i32::MAX, None, None);
    assert!(!ctx.is_woken(), "a number is not looked at");
    ctx.set_wait_fd(WaitKey::of(&second), Arc::clone(&ours), None, None);
    assert!(!ctx.is_woken());
    theirs.write_all(b"x").unwrap();
    assert!(ctx.is_woken());
    assert_eq!(wait_readable_timeout(&ctx.all_fds(), FOR_EVER), Ok(true));
    (&*ours).read_exact(&mut [0]).unwrap();
    assert!(!ctx.is_woken());
    drop(theirs);
    assert!(ctx.is_woken(), "the other end has hung up");
    assert!(ctx.clear_fd(WaitKey::of(&second)) && !ctx.is_woken());
}

#[test]
fn more_fds_than_the_process_may_have_are_refused() {
    passes_in_child("more_fds_than_the_process_may_have_are_refused", || {
        let (_, hard) = getrlimit(Resource::RLIMIT_NOFILE).unwrap();
        setrlimit(Resource::RLIMIT_NOFILE, 64, hard).unwrap();
        assert_eq!(
            wait_readable(&[io::stdin().as_fd(); 65]),
            Err(WaitError::Poll(OsError::from_raw_os_error(libc::EINVAL)))
        );
        assert_eq!(
            wait_readable_timeout(&[io::stdin().as_fd(); 65], Duration::ZERO),
            Err(WaitError::Poll(OsError::from_raw_os_error(libc::EINVAL)))
        );
        let (ctx, keys) = (WaitCtx::new(), [0_u8; 65]);
        let null = Arc::new(File::open("/dev/null").unwrap());
        keys.iter().for_each(|key| ctx.set_wait_fd(WaitKey::of(key), Arc::clone(&null), None, None));
        assert!(ctx.is_woken(), "unknown, and resuming is allowed");
    });
}
