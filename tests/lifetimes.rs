//! Everything dropped at every point of a request's life: wait context, job, session, engine.
//!
//! Nothing may hang, crash, leak an fd that epoll still reports, or lose count.

mod captured;
mod engine_helpers;

use std::cell::RefCell;
use std::os::fd::RawFd;
use std::rc::Rc;
use std::sync::Arc;

use simaccel::{Engine, Job, Step, WaitCtx};

use self::engine_helpers::{
    CipherJob, IV, LEN, assert_adds_up, ctr, encrypt_job, expected_ctr, finish, inside_a_callback, message,
    open, stepped,
};

/// The points of a request's life at which a stepped device can be stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Point {
    /// The job was created, but has not run.
    Created,
    /// In the ring, not yet seen by the device.
    Queued,
    /// Executed, its modelled time not over; without modelled time, done and not yet polled.
    Executed,
    /// Done, the wake sent, the job not resumed.
    Done,
    /// Waiting for a slot.
    Parked,
    /// Waiting for a slot, while a slot is free.
    SlotFree,
    /// The job has its result.
    Finished,
}

const POINTS: [Point; 7] = [
    Point::Created,
    Point::Queued,
    Point::Executed,
    Point::Done,
    Point::Parked,
    Point::SlotFree,
    Point::Finished,
];

/// A job at a point of its life, and all that belongs to it. Fields are options so that a test can drop each.
struct Scene {
    engine: Option<Engine>,
    ctx: Option<WaitCtx>,
    job: Option<CipherJob>,
    /// Jobs that fill the ring.
    others: Vec<(WaitCtx, CipherJob)>,
}

/// A whole operation: the next one finds everything created.
fn warm_up(engine: &Engine, ctx: &WaitCtx) {
    let mut job = encrypt_job(engine, ctx, 1);
    assert!(matches!(job.resume().unwrap(), Step::Paused));
    engine.device().run_until_idle();
    engine.poll(10, |_| ()).unwrap();
    assert!(matches!(job.resume().unwrap(), Step::Finished(Ok(_))));
}

fn scene(point: Point, config: &str) -> Scene {
    let engine = stepped(&format!("depth=2;queue_pairs=2;{config}"));
    let ctx = WaitCtx::new();
    warm_up(&engine, &ctx);
    let mut others = Vec::new();
    if matches!(point, Point::Parked | Point::SlotFree) {
        for index in 0..2 {
            let ctx = WaitCtx::new();
            let mut job = encrypt_job(&engine, &ctx, index);
            assert!(matches!(job.resume().unwrap(), Step::Paused));
            others.push((ctx, job));
        }
    }
    let mut job = encrypt_job(&engine, &ctx, 7);
    if point != Point::Created {
        assert!(matches!(job.resume().unwrap(), Step::Paused));
    }
    match point {
        Point::Created | Point::Queued | Point::Parked => {}
        Point::Executed => assert!(engine.device().step()),
        Point::SlotFree => drop(others.pop()),
        Point::Done | Point::Finished => {
            engine.device().run_until_idle();
            engine.poll(10, |_| ()).unwrap();
        }
    }
    if point == Point::Finished {
        assert!(matches!(job.resume().unwrap(), Step::Finished(Ok(_))));
    }
    Scene { engine: Some(engine), ctx: Some(ctx), job: Some(job), others }
}

/// Ends what is left of the scene and checks the counters.
fn wind_up(mut scene: Scene, point: Point) {
    if let (Some(engine), Some(job)) = (&scene.engine, &mut scene.job)
        && point != Point::Finished
    {
        let mut tries = 0;
        loop {
            engine.device().run_until_idle();
            engine.poll(10, |_| ()).unwrap();
            if let Step::Finished(result) = job.resume().unwrap() {
                assert_eq!(result.unwrap(), expected_ctr(&message(7, LEN)));
                break;
            }
            for (_, other) in &mut scene.others {
                let _ = other.resume();
            }
            tries += 1;
            assert!(tries < 10, "{point:?}: the job never finishes");
        }
    }
    scene.job = None;
    scene.others.clear();
    if let Some(engine) = &scene.engine {
        engine.device().run_until_idle();
        engine.poll(10, |_| ()).unwrap();
        assert_adds_up(engine);
    }
}

fn at_every_point(mut drop_something: impl FnMut(&mut Scene)) {
    let modelled = "completion_nsec=1000";
    for config in
        ["delivery=wake", "delivery=poll"].map(|way| [way.to_owned(), format!("{way};{modelled}")]).concat()
    {
        for point in POINTS {
            let mut scene = scene(point, &config);
            drop_something(&mut scene);
            wind_up(scene, point);
        }
    }
}

#[test]
fn the_job_may_be_dropped_at_every_point() {
    at_every_point(|scene| scene.job = None);
}

#[test]
fn the_wait_context_may_be_freed_at_every_point() {
    at_every_point(|scene| scene.ctx = None);
}

#[test]
fn the_engine_handle_may_be_dropped_at_every_point() {
    // The job's session keeps the device open. Without the handle nothing steps the device, so the job is
    // dropped too.
    at_every_point(|scene| {
        scene.engine = None;
        scene.job = None;
    });
}

#[test]
fn everything_may_be_dropped_in_any_order_at_every_point() {
    type Drop = fn(&mut Scene);
    let drops: [Drop; 3] = [|scene| scene.engine = None, |scene| scene.ctx = None, |scene| scene.job = None];
    for order in [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]] {
        at_every_point(|scene| order.iter().for_each(|&which| drops[which](scene)));
    }
}

#[test]
fn on_a_real_device_drops_race_with_the_worker() {
    ["", "completion_nsec=20000"].iter().for_each(|model| drops_race_with_the_worker(model));
}

fn drops_race_with_the_worker(model: &str) {
    let engine = open(&format!("depth=8;{model}"));
    let mut kept = WaitCtx::new();
    for round in 0..2_000_usize {
        // One that has been used before, or a new one.
        let ctx = if round % 3 == 0 { WaitCtx::new() } else { std::mem::take(&mut kept) };
        let mut job = encrypt_job(&engine, &ctx, round);
        assert!(matches!(job.resume().unwrap(), Step::Paused));
        for _ in 0..(round % 7) * 300 {
            std::hint::spin_loop();
        }
        if round % 2 == 0 {
            drop(ctx);
            drop(job);
        } else {
            drop(job);
            kept = ctx;
        }
    }
    engine.device().drain();
    assert_adds_up(&engine);
    let stats = engine.stats();
    assert_eq!(stats.abandoned, 2_000);
}

#[test]
fn a_freed_context_has_no_open_fd_left() {
    let engine = stepped("completion_nsec=1000");
    let ctx = WaitCtx::new();
    let mut job = encrypt_job(&engine, &ctx, 1);
    assert!(matches!(job.resume().unwrap(), Step::Paused));
    // A number far above those that the other tests of this process open and close at the same time.
    let fd = nix::fcntl::fcntl(&ctx.all_fds()[0], nix::fcntl::FcntlArg::F_DUPFD_CLOEXEC(900)).unwrap();
    let same_eventfd = || {
        let link = |fd: RawFd| std::fs::read_to_string(format!("/proc/self/fdinfo/{fd}")).unwrap();
        let id = |text: String| text.lines().find(|line| line.starts_with("eventfd-id")).map(str::to_owned);
        let wanted = id(link(fd));
        let fds = std::fs::read_dir("/proc/self/fdinfo").unwrap().map(|entry| entry.unwrap().path());
        let texts = fds.filter_map(|path| std::fs::read_to_string(path).ok());
        texts.filter(|text| id(text.clone()) == wanted).count()
    };
    assert_eq!(same_eventfd(), 2, "the context's and our duplicate");
    drop(ctx);
    assert_eq!(same_eventfd(), 1, "closed with its context, request in flight or not");
    nix::unistd::close(fd).unwrap();
}

#[test]
fn a_job_whose_context_is_gone_finishes_by_blocking() {
    let engine = open("completion_nsec=300000");
    let ctx = WaitCtx::new();
    let mut job = encrypt_job(&engine, &ctx, 3);
    assert!(matches!(job.resume().unwrap(), Step::Paused));
    drop(ctx);
    let Step::Finished(result) = job.resume().unwrap() else { panic!("no job could be woken: it blocks") };
    assert_eq!(result.unwrap(), expected_ctr(&message(3, LEN)));
}

#[test]
fn a_job_may_be_dropped_while_its_thread_unwinds() {
    let engine = open("completion_nsec=50000");
    let unwound = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        let ctx = WaitCtx::new();
        let mut job = encrypt_job(&engine, &ctx, 1);
        assert!(matches!(job.resume().unwrap(), Step::Paused));
        panic!("with a paused job on the stack");
    }));
    assert!(unwound.is_err());
    // The next job operation of the thread unwinds what was deferred.
    let ctx = WaitCtx::new();
    let (result, _) = finish(&ctx, &mut encrypt_job(&engine, &ctx, 2));
    assert_eq!(result.unwrap(), expected_ctr(&message(2, LEN)));
    engine.device().drain();
    assert_adds_up(&engine);
    assert_eq!(engine.stats().abandoned, 1);
}

#[test]
fn an_operation_in_a_destructor_of_an_unwinding_thread_blocks() {
    struct EncryptOnDrop(Engine, Rc<RefCell<Option<Vec<u8>>>>);
    impl Drop for EncryptOnDrop {
        fn drop(&mut self) {
            *self.1.borrow_mut() = Some(ctr(&self.0).encrypt(&IV, message(4, 50)).unwrap());
        }
    }
    let engine = open("");
    let ctx = WaitCtx::new();
    let output = Rc::new(RefCell::new(None));
    let guard = EncryptOnDrop(engine.clone(), Rc::clone(&output));
    let mut job = Job::new(&ctx, move || {
        let _guard = guard;
        panic!("and the guard still has work to do");
    })
    .unwrap();
    let payload =
        std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| job.resume().map(|_: Step<()>| ())));
    assert!(payload.is_err(), "the panic reaches the thread that resumed");
    assert_eq!(output.take().unwrap(), expected_ctr(&message(4, 50)));
    assert_eq!((engine.stats().pauses, engine.stats().blocked), (0, 1));
}

#[test]
fn a_dropped_job_runs_the_destructors_on_its_stack_once() {
    let engine = stepped("");
    let ctx = WaitCtx::new();
    let token = Arc::new(());
    let (held, session) = (Arc::clone(&token), ctr(&engine));
    let mut job = Job::new(&ctx, move || {
        let _held = held;
        session.encrypt(&IV, message(1, LEN)).map(drop)
    })
    .unwrap();
    assert!(matches!(job.resume().unwrap(), Step::Paused));
    assert_eq!(Arc::strong_count(&token), 2);
    drop(job);
    assert_eq!(Arc::strong_count(&token), 1);
    engine.device().run_until_idle();
    assert_adds_up(&engine);
}

#[test]
fn the_last_handle_of_an_engine_may_drop_on_its_own_worker() {
    for _ in 0..50 {
        let engine = open("completion_nsec=10000");
        let ctx = WaitCtx::new();
        let (sender, receiver) = std::sync::mpsc::channel();
        let mut job = {
            let session = ctr(&engine);
            Job::new(&ctx, move || session.encrypt(&IV, message(1, 30)).map(drop)).unwrap()
        };
        // The callback owns the engine; it is dropped where it was called: on the worker.
        let last = Arc::new(std::sync::Mutex::new(Some(engine)));
        ctx.set_callback(Some(Arc::new(move || {
            drop(last.lock().unwrap().take());
            let _ = sender.send(());
        })));
        assert!(matches!(job.resume().unwrap(), Step::Paused));
        // Outside a callback, the job's end would wait for the running callback, and the job's session would
        // be the last owner.
        inside_a_callback(move || drop((job, ctx)));
        // Either the wake came first and the worker released the engine, or the drop came first and nothing
        // is sent.
        let _ = receiver.recv();
    }
}

#[test]
fn jobs_of_a_thread_that_ends_do_not_hurt_the_device() {
    let engine = open("completion_nsec=20000;depth=8");
    std::thread::scope(|scope| {
        for thread in 0..8 {
            let engine = &engine;
            scope.spawn(move || {
                let ctx = WaitCtx::new();
                for index in 0..10 {
                    let mut job = encrypt_job(engine, &ctx, thread * 10 + index);
                    assert!(matches!(job.resume().unwrap(), Step::Paused));
                    std::mem::forget(job);
                }
                std::mem::forget(ctx);
            });
        }
    });
    let plain = message(1, 64);
    assert_eq!(ctr(&engine).encrypt(&IV, plain.clone()).unwrap(), expected_ctr(&plain));
}

#[test]
fn jobs_kept_in_a_thread_local_are_dropped_with_the_thread() {
    thread_local! {
        static KEPT: RefCell<Vec<(CipherJob, WaitCtx)>> = const { RefCell::new(Vec::new()) };
    }
    let engine = open("completion_nsec=100000");
    std::thread::scope(|scope| {
        let thread = scope.spawn(|| {
            for index in 0..5 {
                let ctx = WaitCtx::new();
                let mut job = encrypt_job(&engine, &ctx, index);
                assert!(matches!(job.resume().unwrap(), Step::Paused));
                KEPT.with_borrow_mut(|kept| kept.push((job, ctx)));
            }
        });
        // The end of a scope would not wait for the destructors of thread-locals.
        thread.join().unwrap();
    });
    engine.device().drain();
    assert_adds_up(&engine);
}
