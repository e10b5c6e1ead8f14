//! Foreign code that a wait context runs: a cleanup that panics stops no other, and what a registration owns
//! may use the context as it goes.

use std::any::Any;
use std::cell::Cell;
use std::mem;
use std::panic::{self, AssertUnwindSafe};
use std::rc::Rc;
use std::sync::Arc;

use simaccel::WaitCtx;
use simaccel::job::{self, Cleanup};

use super::{A, B, C, Log, logs_to, pauses, set, stepping};

#[test]
fn a_panicking_cleanup_stops_no_other() {
    let log = Log::default();
    let ctx = WaitCtx::new();
    ctx.set_raw_fd(A, 1, None, logs_to(&log));
    ctx.set_raw_fd(B, 2, None, Some(Box::new(|_, _, _, _| panic!("second"))));
    ctx.set_raw_fd(A, 3, None, logs_to(&log));
    ctx.set_raw_fd(B, 4, None, Some(Box::new(|_, _, _, _| panic!("first"))));
    let payload = panic::catch_unwind(AssertUnwindSafe(|| drop(ctx))).unwrap_err();
    assert_eq!(payload.downcast_ref::<&str>(), Some(&"first"));
    assert_eq!(*log.borrow(), [3, 1]);
}

#[test]
fn a_panicking_cleanup_during_unwinding_does_not_abort() {
    let log = Log::default();
    let unwound = panic::catch_unwind(AssertUnwindSafe(|| {
        let ctx = WaitCtx::new();
        ctx.set_raw_fd(A, 1, None, logs_to(&log));
        ctx.set_raw_fd(A, 2, None, Some(Box::new(|_, _, _, _| panic!("in the cleanup"))));
        panic!("outside");
    }));
    assert_eq!(unwound.unwrap_err().downcast_ref::<&str>(), Some(&"outside"));
    assert_eq!(*log.borrow(), [1]);
}

/// The payload of a panic, whose destructor panics too.
struct Bomb;

impl Drop for Bomb {
    fn drop(&mut self) {
        panic!("the payload goes off");
    }
}

fn bomb() -> Option<Cleanup> {
    Some(Box::new(|_, _, _, _| panic::panic_any(Bomb)))
}

#[test]
fn a_payload_that_panics_stops_no_cleanup() {
    let log = Log::default();
    let ctx = WaitCtx::new();
    ctx.set_raw_fd(A, 1, None, logs_to(&log));
    ctx.set_raw_fd(B, 2, None, bomb());
    ctx.set_raw_fd(A, 3, None, logs_to(&log));
    ctx.set_raw_fd(B, 4, None, bomb());
    ctx.set_callback(Some(Arc::new({
        let last = Bomb;
        move || _ = &last
    })));
    let payload = panic::catch_unwind(AssertUnwindSafe(|| drop(ctx))).unwrap_err();
    assert!(payload.is::<Bomb>(), "the first goes on");
    mem::forget(payload);
    assert_eq!(*log.borrow(), [3, 1]);
}

#[test]
fn a_payload_that_panics_during_unwinding_does_not_abort() {
    let log = Log::default();
    let unwound = panic::catch_unwind(AssertUnwindSafe(|| {
        let ctx = WaitCtx::new();
        ctx.set_raw_fd(A, 1, None, logs_to(&log));
        ctx.set_raw_fd(A, 2, None, bomb());
        panic!("outside");
    }));
    assert_eq!(unwound.unwrap_err().downcast_ref::<&str>(), Some(&"outside"));
    assert_eq!(*log.borrow(), [1]);
}

/// Uses its context when it is dropped, as what a cleanup owns may.
struct Looker(job::WaitCtxRef);

impl Drop for Looker {
    fn drop(&mut self) {
        set(&self.0, C, 30);
    }
}

#[test]
fn a_cleanup_that_is_not_called_may_use_the_context_as_it_goes() {
    let ctx = WaitCtx::new();
    let looker = Looker(job::WaitCtxRef::from(&ctx));
    ctx.set_raw_fd(
        A,
        1,
        None,
        Some(Box::new(move |_, _, _, _| unreachable!("cleared: {}", looker.0.num_fds()))),
    );
    let mut job = stepping(&ctx, vec![|_| (), |_| ()]);
    (0..2).for_each(|_| pauses(&mut job));
    assert!(ctx.clear_fd(A), "kept until the next reset, being older");
    drop(ctx);
}

/// Uses its context when it is dropped, as custom data may.
struct Meddler(Rc<Cell<Option<Rc<WaitCtx>>>>);

impl Drop for Meddler {
    fn drop(&mut self) {
        if let Some(ctx) = self.0.take() {
            set(&ctx, C, 30);
            ctx.set_callback(None);
            assert!(ctx.num_fds() > 0);
        }
    }
}

#[test]
fn custom_data_may_use_the_context_as_it_goes() {
    let meddler = |ctx: &Rc<WaitCtx>| -> Option<Rc<dyn Any>> {
        let held = Rc::new(Cell::new(Some(Rc::clone(ctx))));
        Some(Rc::new(Meddler(held)))
    };
    let ctx = Rc::new(WaitCtx::new());
    ctx.set_raw_fd(A, 1, meddler(&ctx), None);
    assert!(ctx.clear_fd(A), "goes at once, being new");
    assert_eq!(ctx.all_raw_fds(), [30]);
    ctx.set_raw_fd(B, 2, meddler(&ctx), None);
    let mut job = stepping(&ctx, vec![|_| (), |ctx| assert!(ctx.clear_fd(B)), |_| ()]);
    (0..3).for_each(|_| pauses(&mut job));
    assert_eq!(ctx.all_raw_fds(), [30, 30], "goes with the reset, being older");
}
