//! Those who await: tasks on an executor whose order the seed decides, with a random stream of their own.
//!
//! ```text
//!   begin_task ─► Task ── answer_task: one that was woken ─► poll ─► pending, or over
//!                  ├───── poll_any: without a wake; a finished operation that was not announced is a lost wake
//!                  ├───── in this thread, or in another · with the last waker, or a new one
//!                  └───── drop_task · cancel_task · forget_task: not looked at again until the end
//! ```

use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use simaccel::Engine;

use super::World;
use crate::sim::call::{Call, Keyed};
use crate::sim::plan::Plan;
use crate::sim::random::Random;
use crate::sim::recorder::Recorder;
use crate::sim::script::Author;
use crate::sim::signal::Heard;
use crate::sim::task::{KeyCall, Polled, Task};

/// So many tasks at a time.
const MOST: usize = 8;
/// So many forgotten ones in a history.
const MOST_FORGOTTEN: usize = 2;

/// All tasks of a history.
pub(crate) struct Awaiting {
    pub(super) random: Random,
    tasks: Vec<Task>,
    /// Nobody polls or drops these until the end.
    forgotten: Vec<Task>,
    key: Option<Rc<KeyCall>>,
    heard: Arc<Heard>,
    next: u64,
    /// Whether an operation had a limit of its own.
    pub(crate) has_limits: bool,
    /// Whether there was a reaper: then not the device, but its turn announces an end.
    pub(crate) has_reaper: bool,
    /// Operations that were found done, and their tasks were not woken.
    pub(crate) unwoken: u64,
}

impl Awaiting {
    pub(super) fn new(random: Random) -> Self {
        Self {
            random,
            tasks: Vec::new(),
            forgotten: Vec::new(),
            key: None,
            heard: Arc::default(),
            next: 0,
            has_limits: false,
            has_reaper: false,
            unwoken: 0,
        }
    }

    /// Wakes of tasks by the device.
    pub(crate) fn calls(&self) -> u64 {
        self.heard.calls.load(Ordering::Relaxed)
    }

    /// Whether nothing is awaited any more.
    pub(super) fn is_empty(&self) -> bool {
        self.tasks.iter().all(Task::is_reaper)
    }

    /// How many forgotten operations count as under way.
    pub(super) fn forgotten(&self) -> u64 {
        self.forgotten.len() as u64
    }

    /// Operations of tasks that wait for the device.
    pub(crate) fn under_way(&self) -> u64 {
        self.tasks.iter().chain(&self.forgotten).filter(|task| task.is_under_way()).count() as u64
    }

    fn is_any_woken(&self) -> bool {
        self.tasks.iter().any(|task| task.signal.is_woken())
    }

    /// One of those that were woken.
    fn pick_woken(&mut self) -> Option<usize> {
        let woken: Vec<usize> =
            (0..self.tasks.len()).filter(|&at| self.tasks[at].signal.is_woken()).collect();
        (!woken.is_empty()).then(|| self.random.pick(&woken))
    }

    /// Wakers keep to their tasks.
    pub(crate) fn check(&self, recorder: &Recorder) {
        let Heard { outdated, late, .. } = &*self.heard;
        let (outdated, late) = (outdated.load(Ordering::Relaxed), late.load(Ordering::Relaxed));
        recorder.check(outdated == 0, || format!("{outdated} wakes of wakers that had been replaced"));
        recorder.check(late == 0, || format!("{late} wakes of tasks that were over"));
    }

    /// A task with a random operation.
    fn make(&mut self, engine: &Engine, (plan, keyed): (&Plan, &[Rc<Keyed>]), of: Of<'_>) -> Option<Task> {
        let random = &mut self.random;
        self.next += 1;
        let (number, kind) = (self.next, random.below(100));
        let limit = random.chance(20).then(|| Duration::from_nanos(random.pick(&[1, 40_000, 3_000_000])));
        let of_all = (of.recorder, &self.heard);
        if (55..70).contains(&kind) {
            let items = Author { keyed, random, next_call: of.next_call }.script(0, 2);
            return Some(Task::of_job(number, of_all, items));
        }
        if (70..75).contains(&kind) || (plan.is_straight && (75..90).contains(&kind)) {
            if self.tasks.iter().any(Task::is_reaper) {
                return None;
            }
            self.has_reaper = true;
            return engine.reaper().ok().map(|reaper| Task::of_reaper(number, of_all, reaper));
        }
        self.has_limits |= limit.is_some();
        if !(55..90).contains(&kind) {
            let at = random.index(keyed.len());
            *of.next_call += 1;
            let call = Call::awaited(*of.next_call, &keyed[at], random);
            return Some(Task::of_call(number, of_all, call, limit));
        }
        if kind < 82 {
            return Some(Task::of_function(number, of_all, (engine, random), limit));
        }
        if self.key.is_none() {
            self.key = KeyCall::new(engine, random).ok();
        }
        self.key.as_ref().map(|key| Task::of_key(number, of_all, key, limit))
    }

    /// Drops one, for the end of a history.
    pub(super) fn drop_one(&mut self) {
        if !self.tasks.is_empty() && self.random.chance(60) {
            let at = self.random.index(self.tasks.len());
            drop(self.tasks.swap_remove(at));
        }
    }
}

/// What tasks share with the rest of the world.
struct Of<'a> {
    recorder: &'a Rc<Recorder>,
    next_call: &'a mut u64,
}

impl World {
    pub(super) fn await_something(&mut self) {
        match self.awaiting.random.below(100) {
            0..40 => self.begin_task(),
            40..66 => self.answer_task(),
            66..76 => self.poll_any_task(),
            76..86 => self.end_task("drop", |task, _, elsewhere| task.give_up(elsewhere)),
            86..96 => self.end_task("cancel", Task::cancel),
            _ => self.forget_task(),
        }
    }

    /// Makes a task. Most are polled at once.
    fn begin_task(&mut self) {
        if self.awaiting.tasks.len() >= MOST {
            return self.answer_task();
        }
        let of = Of { recorder: &self.recorder, next_call: &mut self.next_call };
        let Some(task) = self.awaiting.make(&self.engine, (&self.plan, &self.keyed), of) else { return };
        self.note(format_args!("task {}: {}", task.number, task.describe()));
        self.awaiting.tasks.push(task);
        if self.awaiting.random.chance(85) {
            self.poll_task(self.awaiting.tasks.len() - 1);
        }
    }

    /// The executor's work.
    fn answer_task(&mut self) {
        match self.awaiting.pick_woken() {
            Some(at) => self.poll_task(at),
            None => self.step(),
        }
    }

    /// Polls, perhaps without a wake.
    fn poll_any_task(&mut self) {
        if self.awaiting.tasks.is_empty() {
            return self.step();
        }
        let at = self.awaiting.random.index(self.awaiting.tasks.len());
        self.poll_task(at);
    }

    /// Polls all that were woken.
    pub(super) fn poll_woken(&mut self) {
        for _ in 0..self.awaiting.tasks.len() {
            let Some(at) = self.awaiting.pick_woken() else { return };
            self.poll_task(at);
        }
    }

    pub(super) fn is_any_task_woken(&self) -> bool {
        self.awaiting.is_any_woken()
    }

    /// Polls all that wait without a wake. Returns whether one was over.
    pub(super) fn probe_tasks(&mut self) -> bool {
        let before = self.recorder.progress();
        for at in (0..self.awaiting.tasks.len()).rev() {
            if !self.awaiting.tasks[at].signal.is_woken() {
                self.poll_task(at);
            }
        }
        self.recorder.progress() > before
    }

    /// A job that is awaited is resumed by its wake alone, so one whose wake has got lost stays paused: drops
    /// all of these. Returns whether there was one.
    pub(super) fn drop_deaf_jobs(&mut self) -> bool {
        let (deaf, rest): (Vec<_>, _) =
            std::mem::take(&mut self.awaiting.tasks).into_iter().partition(Task::is_job);
        self.awaiting.tasks = rest;
        self.awaiting.unwoken += deaf.len() as u64;
        self.note(format_args!("{} jobs are not woken any more, and dropped", deaf.len()));
        !deaf.is_empty()
    }

    /// Polls a task, and accounts for what that says about its wakes.
    fn poll_task(&mut self, at: usize) {
        let before = self.engine.stats();
        let ended = self.recorder.ended_later.get();
        let awaiting = &mut self.awaiting;
        let (has_new_waker, elsewhere) = (awaiting.random.chance(50), awaiting.random.chance(4));
        let task = &mut awaiting.tasks[at];
        let (woken, waited, number) = (task.signal.is_woken(), task.is_under_way(), task.number);
        let (is_operation, elsewhere) = (task.is_operation(), elsewhere && task.is_operation());
        let polled = task.poll(has_new_waker, elsewhere);
        if polled == Polled::Ready {
            drop(awaiting.tasks.remove(at));
        }
        self.note(format_args!(
            "poll{} task {number}{}: {}",
            if woken { "" } else { ", unasked," },
            if elsewhere { " elsewhere" } else { "" },
            if polled == Polled::Ready { "ready" } else { "pending" }
        ));
        self.stats = self.engine.stats();
        if !is_operation {
            // Its operations have a wait context, whose callback the history does not see.
            self.silenced += self.stats.pauses - before.pauses;
        }
        let is_over = polled == Polled::Ready || self.recorder.ended_later.get() > ended;
        let is_announced = self.idle || !self.plan.coalesces;
        if !woken && is_over && is_announced && (waited || !is_operation) && !self.awaiting.has_reaper {
            self.awaiting.unwoken += 1;
        }
        if woken && polled == Polled::Pending && is_operation && waited && !self.awaiting.has_reaper {
            self.spurious += self.stats.spurious_resumes - before.spurious_resumes;
        }
    }

    /// Ends a task from outside.
    fn end_task(&mut self, what: &str, end: impl FnOnce(Task, &Engine, bool)) {
        let awaiting = &mut self.awaiting;
        if awaiting.tasks.is_empty() {
            return self.step();
        }
        let (at, elsewhere) = (awaiting.random.index(awaiting.tasks.len()), awaiting.random.chance(10));
        let task = awaiting.tasks.remove(at);
        let (number, elsewhere) = (task.number, elsewhere && task.is_operation());
        self.note(format_args!("{what}{} task {number}", if elsewhere { " elsewhere" } else { "" }));
        end(task, &self.engine, elsewhere);
    }

    /// Leaves an operation that is under way to itself, as `mem::forget` does. (It would keep the engine, so
    /// it is dropped at the very end.)
    fn forget_task(&mut self) {
        let at = self.awaiting.tasks.iter().position(Task::is_under_way);
        let Some(at) = at.filter(|_| self.awaiting.forgotten.len() < MOST_FORGOTTEN) else {
            return self.answer_task();
        };
        let task = self.awaiting.tasks.remove(at);
        task.forget();
        self.note(format_args!("forget task {}", task.number));
        self.awaiting.forgotten.push(task);
    }
}
