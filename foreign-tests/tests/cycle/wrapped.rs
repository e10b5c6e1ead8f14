//! simaccel's jobs as if they were foreign: the engine sees them through `simaccel::foreign` alone.

use std::any::Any;
use std::cell::Cell;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use simaccel::foreign::{self, Callback, OpenFd, Paused, Release, WaitFds, WaitStatus, WakeWatch};
use simaccel::job::{self, Pause, WaitCtxRef, WaitKey};
use simaccel::{Config, Engine, WaitCtx};

use crate::framework::{Framework, Output, encrypt, gives, parse, pauses, readable};
use crate::ours::Ours;

pub(crate) struct Wrapped;

impl Framework for Wrapped {
    type Ctx = WaitCtx;
    type Job = simaccel::Job<Output>;

    fn stepped(config: Config) -> Engine {
        foreign::stepped(config, Arc::new(Jobs)).unwrap()
    }

    fn open(config: Config) -> Engine {
        foreign::open(config, Arc::new(Jobs)).unwrap()
    }

    fn ctx() -> WaitCtx {
        Ours::ctx()
    }

    fn job(ctx: &WaitCtx, body: impl FnOnce() -> Output + Send + 'static) -> Self::Job {
        Ours::job(ctx, body)
    }

    fn without_pauses(body: impl FnOnce() -> Output) -> Output {
        Ours::without_pauses(body)
    }
}

#[derive(Debug)]
struct Jobs;

struct Ctx {
    ctx: WaitCtxRef,
    number: u64,
}

impl foreign::Framework for Jobs {
    fn with_ctx(&self, visit: &mut dyn FnMut(&dyn foreign::Ctx)) {
        LOOKS.set(LOOKS.get() + 1);
        let Some(job) = job::current().filter(|_| job::can_pause()) else { return };
        if let Some(ctx) = job.wait_ctx() {
            visit(&Ctx { ctx, number: job.token() });
        }
    }

    fn pause(&self, release: &dyn Release) -> Paused {
        match job::pause_with(release) {
            Pause::Resumed if job::current().and_then(|job| job.wait_ctx()).is_none() => Paused::WithoutCtx,
            Pause::Resumed => Paused::Resumed,
            _ => Paused::Refused,
        }
    }
}

/// How often the fds of this thread's contexts were made readable.
#[derive(Debug, Default)]
struct Wakes(AtomicUsize);

impl WakeWatch for Wakes {
    fn waking(&self) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

thread_local! {
    /// How often the engine has asked for the context of this thread's job.
    static LOOKS: Cell<usize> = const { Cell::new(0) };
    static WAKES: Arc<Wakes> = Arc::default();
}

#[test]
fn each_wake_of_an_fd_is_told_before_it_is_sent() {
    for (config, wakes) in [("", 3), ("fault=spurious_wake:nth=1", 4)] {
        let engine = Wrapped::stepped(parse(config));
        let ctx = Wrapped::ctx();
        let before = WAKES.with(|wakes| wakes.0.load(Ordering::SeqCst));
        for index in 0..3 {
            let mut job = encrypt::<Wrapped>(&engine, &ctx, index);
            pauses(&mut job);
            assert_eq!(readable(&ctx), 0);
            engine.device().run_until_idle();
            gives(&mut job, index);
        }
        assert_eq!(WAKES.with(|wakes| wakes.0.load(Ordering::SeqCst)) - before, wakes, "{config}");
    }
}

/// The straight path asks once for each operation, the state machine several times. Only the first operation
/// of a context has to register an fd, and only one with a callback, or with a policy about it, takes the
/// long way.
#[test]
fn an_operation_asks_for_its_context_once_when_the_fd_is_registered() {
    let looks_of = |config, callback: Option<Callback>| {
        let engine = Wrapped::stepped(parse(config));
        let ctx = Wrapped::ctx();
        ctx.set_callback(callback);
        let looks = |index| {
            let before = LOOKS.get();
            let mut job = encrypt::<Wrapped>(&engine, &ctx, index);
            pauses(&mut job);
            engine.device().run_until_idle();
            gives(&mut job, index);
            LOOKS.get() - before
        };
        [0, 1, 2].map(looks)
    };
    let [first, second, third] = looks_of("", None);
    assert!(first > 1, "{first}");
    assert_eq!([second, third], [1, 1]);
    assert!(looks_of("timeout_msec=1000000", None).into_iter().all(|looks| looks > 1));
    assert!(looks_of("", Some(Arc::new(|| {}))).into_iter().all(|looks| looks > 1));
}

impl WaitFds for Ctx {
    fn wake_watch(&self) -> Option<Arc<dyn WakeWatch>> {
        Some(WAKES.with(|wakes| Arc::clone(wakes) as Arc<dyn WakeWatch>))
    }

    fn find(&self, key: usize) -> Option<Rc<dyn Any>> {
        self.ctx.fd(WaitKey::from_addr(key))?.data
    }

    fn register(&self, key: usize, fd: OpenFd, data: Rc<dyn Any>, on_end: Box<dyn FnOnce()>) {
        let cleanup: job::Cleanup = Box::new(|_, _, _, _| on_end());
        self.ctx.set_wait_fd(WaitKey::from_addr(key), fd, Some(data), Some(cleanup));
    }
}

impl foreign::Ctx for Ctx {
    fn callback(&self) -> Option<Callback> {
        self.ctx.callback()
    }

    fn set_status(&self, status: WaitStatus) {
        self.ctx.set_status(status);
    }

    fn job_number(&self) -> u64 {
        self.number
    }
}
