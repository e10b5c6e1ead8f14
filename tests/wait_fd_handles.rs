//! The fds that a wait context lists are handles: they keep what they name open, and an application with
//! handles needs no unsafe code.

mod captured;
mod engine_helpers;

use std::fs::File;
use std::io::{self, Write};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::sync::Arc;

use simaccel::job::{ChangedFds, Pause, WaitKey};
use simaccel::{Job, Step, WaitCtx, WaitFd, wait_readable};

use self::engine_helpers::{IV, ctr, message, stepped};

const A: WaitKey = WaitKey::from_addr(1);
const B: WaitKey = WaitKey::from_addr(2);

/// Something to wait for, and what makes it readable.
fn pipe() -> (Arc<io::PipeReader>, io::PipeWriter) {
    let (reader, writer) = io::pipe().unwrap();
    (Arc::new(reader), writer)
}

fn numbers(fds: &[WaitFd]) -> Vec<i32> {
    fds.iter().map(AsRawFd::as_raw_fd).collect()
}

#[test]
fn a_handle_keeps_its_fd_open_after_its_registration_and_its_context() {
    let (reader, mut writer) = pipe();
    writer.write_all(b"x").unwrap();
    let weak = Arc::downgrade(&reader);
    let ctx = WaitCtx::new();
    ctx.set_wait_fd(A, reader, None, None);
    let listed = ctx.all_fds();
    assert!(ctx.clear_fd(A));
    assert_eq!(wait_readable(&listed), Ok(1), "cleared");
    drop(ctx);
    assert_eq!(wait_readable(&listed), Ok(1), "freed");
    drop(listed);
    assert!(weak.upgrade().is_none(), "closed with the last handle");
}

#[test]
fn a_context_closes_what_it_alone_holds_after_its_cleanup() {
    let (reader, _writer) = pipe();
    let (weak, seen) = (Arc::downgrade(&reader), Arc::downgrade(&reader));
    let ctx = WaitCtx::new();
    let cleanup = move |_: &WaitCtx, _, number, _| {
        assert_eq!(seen.upgrade().map(|reader| reader.as_raw_fd()), Some(number), "open in its cleanup");
    };
    ctx.set_wait_fd(A, reader, None, Some(Box::new(cleanup)));
    assert!(weak.upgrade().is_some());
    drop(ctx);
    assert!(weak.upgrade().is_none());
}

#[test]
fn a_deleted_fd_is_open_until_the_next_resume() {
    let (reader, _writer) = pipe();
    let weak = Arc::downgrade(&reader);
    let ctx = WaitCtx::new();
    let mut reader = Some(reader);
    let mut job = Job::new(&ctx, move || {
        let current = simaccel::job::current().unwrap();
        current.wait_ctx().unwrap().set_wait_fd(A, reader.take().unwrap(), None, None);
        assert_eq!(simaccel::job::pause(), Pause::Resumed);
        assert!(current.wait_ctx().unwrap().clear_fd(A));
        assert_eq!(simaccel::job::pause(), Pause::Resumed);
    })
    .unwrap();
    assert!(matches!(job.resume(), Ok(Step::Paused)));
    assert_eq!(ctx.changed_fds().added.len(), 1);
    assert!(matches!(job.resume(), Ok(Step::Paused)));
    let changed = ctx.changed_fds();
    assert_eq!((changed.added.len(), changed.deleted.len()), (0, 1));
    drop(changed);
    assert!(weak.upgrade().is_some(), "so that it can be taken out of a poll set");
    assert!(matches!(job.resume(), Ok(Step::Finished(()))));
    assert!(weak.upgrade().is_none());
}

#[test]
fn the_fd_of_an_engine_stays_open_for_whom_has_a_handle_and_is_silent() {
    let engine = stepped("");
    let ctx = WaitCtx::new();
    let session = ctr(&engine);
    let mut job = Job::new(&ctx, move || session.encrypt(&IV, message(1, 40))).unwrap();
    assert!(matches!(job.resume(), Ok(Step::Paused)));
    let fd = ctx.all_fds().remove(0);
    let number = fd.as_raw_fd();
    drop((job, ctx));
    engine.device().run_until_idle();
    assert!(File::open("/dev/null").unwrap().as_raw_fd() != number, "its number is not used again");
    let mut count = [0; 8];
    let read = nix::unistd::read(&fd, &mut count).map_err(io::Error::from);
    assert_eq!(read.unwrap_err().kind(), io::ErrorKind::WouldBlock, "nothing writes to it any more");
}

#[test]
fn numbers_are_listed_as_numbers_only() {
    let (reader, _writer) = pipe();
    let ctx = WaitCtx::new();
    ctx.set_raw_fd(A, -1, None, None);
    ctx.set_wait_fd(B, Arc::clone(&reader), None, None);
    ctx.set_raw_fd(A, i32::MAX, None, None);
    let open = reader.as_raw_fd();
    assert_eq!(ctx.all_raw_fds(), [i32::MAX, open, -1]);
    assert_eq!((numbers(&ctx.all_fds()), ctx.num_fds()), (vec![open], 3));
    assert_eq!(ctx.changed_raw_fds().added, [i32::MAX, open, -1]);
    assert_eq!((numbers(&ctx.changed_fds().added), ctx.num_changed()), (vec![open], (3, 0)));
    let (number, there) = (ctx.fd(A).unwrap(), ctx.fd(B).unwrap());
    assert!(number.fd.is_none() && number.number == i32::MAX);
    assert_eq!((there.number, there.fd.map(|fd| fd.as_raw_fd())), (open, Some(open)));
}

#[test]
fn lists_of_the_caller_are_emptied_and_filled() {
    let (reader, _writer) = pipe();
    let ctx = WaitCtx::new();
    ctx.set_wait_fd(A, Arc::clone(&reader), None, None);
    let stale = WaitFd::from(io::stdin().as_fd().try_clone_to_owned().unwrap());
    let mut all = vec![stale.clone(), stale.clone()];
    ctx.all_fds_into(&mut all);
    assert_eq!(numbers(&all), [reader.as_raw_fd()]);
    let mut changed = ChangedFds { added: vec![stale.clone()], deleted: vec![stale] };
    ctx.changed_fds_into(&mut changed);
    assert_eq!((numbers(&changed.added), changed.deleted.len()), (vec![reader.as_raw_fd()], 0));
}

#[test]
fn a_handle_is_made_of_what_owns_shares_or_never_closes() {
    let owned: WaitFd = OwnedFd::from(File::open("/dev/null").unwrap()).into();
    let shared: WaitFd = Arc::new(File::open("/dev/null").unwrap()).into();
    let leaked: &'static File = Box::leak(Box::new(File::open("/dev/null").unwrap()));
    let forever: WaitFd = leaked.as_fd().into();
    assert!(owned.as_raw_fd() > 2 && shared.as_raw_fd() > 2);
    assert_eq!(format!("{owned:?}"), owned.as_raw_fd().to_string(), "shown as its number");
    let sent = std::thread::spawn(move || wait_readable(&[owned, shared, forever]));
    assert_eq!(sent.join().unwrap(), Ok(3));
}
