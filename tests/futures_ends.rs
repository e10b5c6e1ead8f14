//! The end of a future at every point of its request's life: every way to await, every point, whatever has
//! become of the device by then, and every way to end it.
//!
//! ```text
//!   points:  new ─► in line ─► submitted ─► fetched ─► computing ─► computed ─► published ─► woken
//!                                 └── polled in vain                (unpublished)  (unwoken)   (unpolled)
//!   before:  nothing · a reset · the device's death · the engine's handle is gone
//!   ends:    awaited here · in another thread · dropped · cancelled · forgotten · too late
//! ```
//!
//! Whatever the cell: the result is right, or a failure that gives the input back; the waker is called no
//! more after the end; what comes later on this queue pair is neither woken nor completed by it; the counters
//! add up, and no slot, function or byte is left.

mod captured;
mod engine_helpers;
mod future_helpers;
#[path = "../examples/simulate/memory.rs"]
mod memory;
#[path = "futures_ends/ways.rs"]
mod ways;

use std::cell::{Cell, RefCell};
use std::panic::{self, AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::thread;
use std::time::Duration;

use simaccel::future::{Cancelled, InPlace, OpFuture};
use simaccel::{Engine, Error, Hash};

use self::engine_helpers::{IV, assert_adds_up, ctr, expected_ctr, message, stepped};
use self::future_helpers::{Flag, block_on, drive, poll_once};
use self::ways::{Any, Awaited, Future, Given, Outcome, WAYS, Way};

#[global_allocator]
static MEMORY: memory::Counting = memory::Counting;

/// Where the request is when its future ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Point {
    New,
    InLine,
    Submitted,
    /// Submitted, and polled once more with another waker.
    Repolled,
    /// In the batch that the device works on; it computes another request of it.
    Fetched,
    /// Claimed by the device, whose work it is: a function of its own. (Other ways: in threads, below.)
    Computing,
    /// Computed, and not due yet.
    Computed,
    /// Done, while its wake has not been sent.
    Published,
    Woken,
    /// In the completion ring, while the thread's reaper has had no turn.
    Unreaped,
    /// Woken by the reaper.
    Reaped,
}

const POINTS: [Point; 11] = [
    Point::New,
    Point::InLine,
    Point::Submitted,
    Point::Repolled,
    Point::Fetched,
    Point::Computing,
    Point::Computed,
    Point::Published,
    Point::Woken,
    Point::Unreaped,
    Point::Reaped,
];

/// What happens at that point, before the end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Before {
    Nothing,
    Reset,
    Death,
    EngineDropped,
}

const BEFORE: [Before; 4] = [Before::Nothing, Before::Reset, Before::Death, Before::EngineDropped];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    Awaited,
    /// In another thread.
    Moved,
    Dropped,
    DroppedElsewhere,
    Cancelled,
    Forgotten,
    /// Its limit is over.
    Late,
}

const ENDS: [End; 7] = [
    End::Awaited,
    End::Moved,
    End::Dropped,
    End::DroppedElsewhere,
    End::Cancelled,
    End::Forgotten,
    End::Late,
];

#[derive(Clone, Copy, Debug)]
struct Case {
    way: Way,
    point: Point,
    before: Before,
    end: End,
}

const LIMIT: Duration = Duration::from_millis(1);

impl Case {
    /// Whether there is such a case.
    fn is_possible(&self) -> bool {
        let Self { way, point, before, end } = *self;
        // A job belongs to its thread, and has no `cancel`; its limit is the engine's.
        let has_end = way != Way::Job || matches!(end, End::Awaited | End::Dropped | End::Forgotten);
        // The reaper serves whole messages of sessions; what has a limit goes without it.
        let is_served = matches!(way, Way::InPlace | Way::Tagged | Way::Compared) && end != End::Late;
        let has_point = match point {
            Point::Unreaped | Point::Reaped => is_served,
            Point::Computing => way == Way::Call,
            // What takes long is computed after the announcements of what was done before it.
            Point::Published => !matches!(way, Way::Key | Way::Call),
            _ => true,
        };
        // In the middle of an event nothing else happens on the device: the future is ended, or left.
        let is_inside = matches!(point, Point::Fetched | Point::Computing | Point::Published);
        let ends_inside = matches!(end, End::Dropped | End::Cancelled | End::Forgotten);
        let is_undisturbed = matches!(before, Before::Nothing);
        // Without a handle of the engine nothing steps its device.
        let ends_alone = matches!(end, End::Dropped | End::DroppedElsewhere | End::Cancelled);
        let is_stuck = before == Before::EngineDropped && !ends_alone;
        // What is forgotten keeps its engine for good, whatever became of the device.
        let is_forgotten = end == End::Forgotten && !is_undisturbed;
        has_end && has_point && (!is_inside || (ends_inside && is_undisturbed)) && !is_stuck && !is_forgotten
    }

    fn config(&self) -> &'static str {
        let waits =
            matches!(self.point, Point::InLine | Point::Submitted | Point::Repolled | Point::Computed);
        match (waits, self.end) {
            (false, _) => "queue_pairs=2;depth=8",
            (true, End::Late) => "queue_pairs=1;depth=8;compute_units=64;completion_nsec=3600000000000",
            (true, _) => "queue_pairs=1;depth=8;compute_units=64;completion_nsec=1000",
        }
    }

    /// Whether it is a call whose function has run, and which is not due yet.
    fn has_run(&self) -> bool {
        self.way == Way::Call && self.point == Point::Computed
    }

    /// What the future has come to.
    fn expected(&self) -> Option<Outcome> {
        let is_done = matches!(self.point, Point::Published | Point::Woken | Point::Unreaped | Point::Reaped);
        let is_new = self.point == Point::New;
        if matches!(self.end, End::Dropped | End::DroppedElsewhere | End::Forgotten) {
            return None;
        }
        Some(match (self.before, self.end) {
            (_, End::Cancelled) if is_new => Outcome::TakenBack,
            (Before::Death, _) if is_new => Outcome::Failed(Error::DeviceDead),
            _ if is_done || is_new => Outcome::Right,
            // What is in line is not in flight: a reset leaves it there. The death comes after the limit.
            (Before::Reset, _) if self.point != Point::InLine => Outcome::Failed(Error::Reset),
            (Before::Death, End::Late) if self.point == Point::InLine => Outcome::Failed(Error::Timeout),
            (Before::Death, _) => Outcome::Failed(Error::DeviceDead),
            (_, End::Cancelled) if self.point == Point::Computing => Outcome::Failed(Error::Inside),
            (_, End::Cancelled) if self.has_run() => Outcome::Right,
            (_, End::Cancelled) => Outcome::TakenBack,
            (_, End::Late) => Outcome::Failed(Error::Timeout),
            _ => Outcome::Right,
        })
    }
}

thread_local! {
    static INSIDE: RefCell<Option<Box<dyn FnOnce()>>> = const { RefCell::new(None) };
}

pub(crate) fn run_inside() {
    if let Some(body) = INSIDE.take() {
        body();
    }
}

/// A waker that ends another future.
struct EndsAnother;

impl Wake for EndsAnother {
    fn wake(self: Arc<Self>) {
        run_inside();
    }
}

/// One case, on an engine of its own.
struct Scene {
    case: Case,
    engine: Option<Engine>,
    target: Rc<RefCell<Awaited>>,
    flag: Arc<Flag>,
    /// Others that are in flight, and end as if there were no target.
    others: Vec<OpFuture<InPlace>>,
    outcome: Rc<Cell<Option<Outcome>>>,
}

impl Scene {
    fn new(case: Case) -> Self {
        let engine = stepped(case.config());
        let limit = (case.end == End::Late).then_some(LIMIT);
        let target = Rc::new(RefCell::new(Awaited::new(&engine, case.way, limit)));
        let (flag, outcome) = (Arc::default(), Rc::default());
        Self { case, engine: Some(engine), target, flag, others: Vec::new(), outcome }
    }

    fn engine(&self) -> &Engine {
        self.engine.as_ref().unwrap()
    }

    fn other(&mut self, index: usize, waker: &Waker) {
        let mut other = ctr(self.engine()).encrypt_async(&IV, message(index, 90));
        let polled = Pin::new(&mut other).poll(&mut Context::from_waker(waker));
        assert!(polled.is_pending());
        self.others.push(other);
    }

    fn poll(&self) {
        let polled = self.target.borrow_mut().poll(&Waker::from(Arc::clone(&self.flag)));
        assert_eq!(polled, Poll::Pending, "{:?}", self.case);
    }

    /// Takes the request to its point, and ends the future there.
    fn run(&mut self) {
        match self.case.point {
            Point::New => {}
            Point::InLine => {
                (0..8).for_each(|index| self.other(index, Waker::noop()));
                self.poll();
                assert_eq!(self.engine().stats().parked, 1);
            }
            Point::Submitted => self.poll(),
            Point::Repolled => {
                assert!(self.target.borrow_mut().poll(Waker::noop()).is_pending());
                self.poll();
            }
            Point::Fetched => return self.run_fetched(),
            Point::Computing => return self.run_computing(),
            Point::Computed => {
                self.poll();
                assert!(self.engine().device().step());
            }
            Point::Published => return self.run_published(),
            Point::Woken => {
                self.poll();
                self.engine().device().run_until_idle();
                assert_eq!(self.flag.calls(), 1);
            }
            Point::Unreaped | Point::Reaped => return self.run_reaped(),
        }
        self.before();
        end(self.case, self.engine.as_ref(), &self.target, &self.flag, &self.outcome);
    }

    /// Ends it in a function that the device runs, which is before it in the batch.
    fn run_fetched(&mut self) {
        let mut function = self.engine().call_async("ends another", 0, run_inside);
        assert!(poll_once(&mut function).is_pending());
        self.poll();
        self.inside();
        self.engine().device().run_until_idle();
        assert!(INSIDE.take().is_none(), "the function has run");
        assert_eq!(poll_once(&mut function), Poll::Ready(Ok(())));
    }

    /// Ends it in its own function.
    fn run_computing(&mut self) {
        self.poll();
        self.inside();
        self.engine().device().run_until_idle();
        assert!(INSIDE.take().is_none(), "the function has run");
    }

    /// Ends it in the waker of another one, which is before it in the batch.
    fn run_published(&mut self) {
        self.other(1, &Waker::from(Arc::new(EndsAnother)));
        self.poll();
        self.inside();
        self.engine().device().run_until_idle();
        assert!(INSIDE.take().is_none(), "the waker was called");
    }

    fn inside(&self) {
        let (case, target, outcome) = (self.case, Rc::clone(&self.target), Rc::clone(&self.outcome));
        let flag = Arc::clone(&self.flag);
        INSIDE.set(Some(Box::new(move || {
            assert_eq!(flag.calls(), 0);
            end(case, None, &target, &flag, &outcome);
        })));
    }

    fn run_reaped(&mut self) {
        let mut reaper = self.engine().reaper().unwrap();
        assert!(poll_once(&mut reaper).is_pending());
        self.poll();
        self.engine().device().run_until_idle();
        if self.case.point == Point::Reaped {
            assert!(poll_once(&mut reaper).is_pending());
        }
        let is_woken = usize::from(self.case.point == Point::Reaped);
        assert_eq!(self.flag.calls(), is_woken, "{:?}", self.case);
        self.before();
        end(self.case, self.engine.as_ref(), &self.target, &self.flag, &self.outcome);
        // It has its turn, and finds no future to wake.
        assert!(poll_once(&mut reaper).is_pending());
    }

    fn before(&mut self) {
        match self.case.before {
            Before::Nothing => {}
            Before::Reset => self.engine().device().reset(),
            Before::Death => {
                let panicking = self.engine().panicking_hash(Hash::Sha256).unwrap();
                let mut kills = panicking.digest_async(message(1, 10));
                let _ = poll_once(&mut kills);
                self.engine().device().run_until_idle();
                assert_eq!(self.engine().stats().device.deaths, 1);
            }
            Before::EngineDropped => self.engine = None,
        }
    }

    /// What comes after the end.
    fn finish(mut self) {
        let case = self.case;
        if case.point == Point::Computing {
            // What a function has given up of its own batch is dropped with the next call.
            self.engine().call("another", 0, || ()).unwrap();
        }
        let outcome = self.outcome.take();
        assert_eq!(outcome, case.expected(), "{case:?}");
        let calls = self.flag.calls();
        if case.end != End::Forgotten {
            // Nothing has the waker any more: it is not called, and its task is not kept.
            assert_eq!(Arc::strong_count(&self.flag), 1, "{case:?}: a waker is kept");
            self.target.borrow().assert_dropped();
        }
        let Some(engine) = self.engine.take() else { return };
        if case.before != Before::Death {
            let later = drive(&engine, ctr(&engine).encrypt_async(&IV, message(9, 70)));
            assert_eq!(later.unwrap(), expected_ctr(&message(9, 70)), "{case:?}");
            self.target.borrow().assert_stream(&engine, outcome.as_ref());
        }
        engine.device().run_until_idle();
        for (index, other) in self.others.iter_mut().enumerate() {
            // Those that never end are dropped.
            match (poll_once(other), case.before) {
                (Poll::Ready(Ok(_)), _) | (Poll::Ready(Err(_)), Before::Reset | Before::Death) => {}
                (Poll::Pending, _) if case.end == End::Late => {}
                (polled, _) => panic!("{case:?}: {index}: {polled:?}"),
            }
        }
        self.others.clear();
        if case.end == End::Forgotten {
            assert!(self.flag.calls() <= 1, "{case:?}");
        } else {
            assert_eq!(self.flag.calls(), calls, "{case:?}: woken after its end");
        }
        fills_the_ring(case, &engine);
        assert_adds_up(&engine);
        let given_up = match (case.expected(), case.point) {
            (Some(Outcome::Right), _) if case.end == End::Cancelled && case.has_run() => Some(1),
            (None, Point::New) | (Some(Outcome::Right), _) => Some(0),
            (None, _) if case.end != End::Forgotten => Some(1),
            (Some(Outcome::TakenBack), Point::New) => Some(0),
            (Some(Outcome::TakenBack), _) => Some(1),
            _ => None,
        };
        let late_others = if case.end == End::Late && case.point == Point::InLine { 8 } else { 0 };
        if let Some(given_up) = given_up.filter(|_| case.before != Before::Death) {
            let abandoned = engine.stats().abandoned;
            assert_eq!(abandoned, given_up + late_others, "{case:?}");
        }
    }
}

/// All slots are free.
fn fills_the_ring(case: Case, engine: &Engine) {
    if case.before == Before::Death {
        return;
    }
    let before = engine.stats();
    let mut all: Vec<_> = (0..8).map(|index| ctr(engine).encrypt_async(&IV, message(index, 30))).collect();
    all.iter_mut().for_each(|future| assert!(poll_once(future).is_pending(), "{case:?}"));
    assert_eq!(engine.stats().parked, before.parked, "{case:?}: a slot is not free");
    engine.device().run_until_idle();
    for (index, future) in all.iter_mut().enumerate() {
        let Poll::Ready(Ok(text)) = poll_once(future) else { panic!("{case:?}") };
        assert_eq!(text, expected_ctr(&message(index, 30)), "{case:?}");
    }
}

fn end(
    case: Case,
    engine: Option<&Engine>,
    target: &RefCell<Awaited>,
    flag: &Arc<Flag>,
    outcome: &Cell<Option<Outcome>>,
) {
    let mut target = target.borrow_mut();
    let waker = Waker::from(Arc::clone(flag));
    outcome.set(match case.end {
        End::Dropped => {
            target.future = None;
            None
        }
        End::DroppedElsewhere => {
            let Some(Future::Operation(future)) = target.future.take() else { panic!("it has gone") };
            thread::spawn(move || drop(future)).join().unwrap();
            None
        }
        End::Forgotten => {
            std::mem::forget(target.future.take());
            None
        }
        End::Cancelled => Some(target.cancel().unwrap()),
        End::Awaited | End::Late => Some(awaited(case, engine.unwrap(), &mut target, &waker)),
        End::Moved => {
            let Some(Future::Operation(mut future)) = target.future.take() else { panic!("it has gone") };
            // Its first look there may come before its end.
            let (future_back, first) = thread::spawn(move || {
                let first = future.poll(&waker);
                (future, first)
            })
            .join()
            .unwrap();
            future = future_back;
            let result = match first {
                Poll::Ready(result) => result,
                Poll::Pending => {
                    engine.unwrap().device().run_until_idle();
                    assert!(flag.calls() > 0, "{case:?}: it is not woken");
                    finished_elsewhere(future)
                }
            };
            Some(target.outcome(result))
        }
    });
}

fn finished_elsewhere(mut future: Box<Any>) -> Given {
    let last = thread::spawn(move || future.poll(Waker::noop())).join().unwrap();
    let Poll::Ready(result) = last else { panic!("it was woken, and is not done") };
    result
}

fn awaited(case: Case, engine: &Engine, target: &mut Awaited, waker: &Waker) -> Outcome {
    if case.end == End::Late {
        if case.point == Point::New {
            let _ = target.poll(waker).is_pending();
            if target.future.is_none() {
                return Outcome::Failed(Error::DeviceDead);
            }
        }
        engine.device().advance(LIMIT);
    }
    for _ in 0..3 {
        if let Poll::Ready(outcome) = target.poll(waker) {
            return outcome;
        }
        engine.device().run_until_idle();
    }
    panic!("{case:?}: it does not end");
}

fn cases() -> impl Iterator<Item = Case> {
    let ends = move |way, point, before| ENDS.into_iter().map(move |end| Case { way, point, before, end });
    let befores = move |way, point| BEFORE.into_iter().flat_map(move |before| ends(way, point, before));
    let points = move |way| POINTS.into_iter().flat_map(move |point| befores(way, point));
    WAYS.into_iter().flat_map(points).filter(Case::is_possible)
}

/// Runs all of them, and tells all that fail.
fn run_all(cases: &[Case]) {
    let lives = |case| {
        let mut scene = Scene::new(case);
        scene.run();
        scene.finish();
    };
    let fails = |case: &&Case| catch_unwind(AssertUnwindSafe(|| lives(**case))).is_err();
    let failed: Vec<_> = cases.iter().filter(fails).collect();
    assert!(failed.is_empty(), "{} of {} cases fail: {failed:#?}", failed.len(), cases.len());
}

/// The device and its fds, which a thread keeps until it uses another engine, are forgotten.
fn sweep() {
    let engine = stepped("queue_pairs=1;depth=2");
    let _ = engine.poll(0, |_| ());
    simaccel::free_spares();
}

/// The deaths are deliberate, and what is printed of them would be kept by the harness.
fn quiet_deaths() {
    let before = panic::take_hook();
    panic::set_hook(Box::new(move |info| {
        let text = info.payload().downcast_ref::<&str>();
        if text != Some(&"a session made to panic was used") {
            before(info);
        }
    }));
}

/// One test, because memory and fds belong to the process.
#[test]
fn every_end_at_every_point_leaves_nothing_and_harms_nothing() {
    quiet_deaths();
    let (forgotten, kept): (Vec<_>, Vec<_>) = cases().partition(|case| case.end == End::Forgotten);
    println!("{} cases", forgotten.len() + kept.len());
    let left = || {
        run_all(&kept);
        sweep();
        (memory::in_use(), engine_helpers::open_fds(), engine_helpers::threads())
    };
    // What is kept for good exists after the first time.
    let first = left();
    let second = left();
    let third = left();
    assert_eq!((first.1, first.2), (third.1, third.2), "fds, or threads");
    assert!(third.0 <= second.0, "{second:?}, {third:?}: memory is left");
    captured::leaking(move || run_all(&forgotten));
    while_the_device_computes();
}

/// In threads: the worker computes a function, and the next request of its batch is its own already.
fn while_the_device_computes() {
    for cancels in [false, true] {
        let engine = engine_helpers::open("queue_pairs=1;depth=8");
        let (started, has_started) = std::sync::mpsc::channel();
        let (go_on, goes_on) = std::sync::mpsc::channel();
        let mut function = engine.call_async("waits", 0, move || {
            started.send(()).unwrap();
            goes_on.recv().unwrap();
        });
        assert!(poll_once(&mut function).is_pending());
        has_started.recv().unwrap();
        let mut target = ctr(&engine).encrypt_async(&IV, message(1, 40));
        let flag = Arc::new(Flag::default());
        let waker = Waker::from(Arc::clone(&flag));
        assert!(Pin::new(&mut target).poll(&mut Context::from_waker(&waker)).is_pending());
        drop(waker);
        let ends = thread::spawn(move || cancels.then(|| target.cancel()));
        // It is taken back, or waits for the function; either way it comes to its end.
        go_on.send(()).unwrap();
        match ends.join().unwrap() {
            None => {}
            Some(Cancelled::TakenBack { buffer, .. }) => assert_eq!(buffer, message(1, 40)),
            Some(Cancelled::Ended(result)) => assert_eq!(result.unwrap(), expected_ctr(&message(1, 40))),
        }
        assert_eq!(block_on(function), Ok(()));
        let later = block_on(ctr(&engine).encrypt_async(&IV, message(3, 40)));
        assert_eq!(later.unwrap(), expected_ctr(&message(3, 40)));
        assert_eq!(Arc::strong_count(&flag), 1, "a waker is kept");
        assert_adds_up(&engine);
    }
}
