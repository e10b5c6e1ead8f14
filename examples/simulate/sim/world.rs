//! One seed's world: an engine on a stepped device, contexts, jobs, and random actions of an application.
//!
//! ```text
//!   act: one action ─► look: who was woken ─► check: everything that must hold ─► act ...
//!                                                                      │ enough
//!              orderly: everything is finished, and the ring is filled ◄┴► abrupt: everything is dropped
//! ```

use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use simaccel::{Config, Engine, EngineStats, Error, Job, Step, WaitCtx, job};

use self::awaiting::Awaiting;
use super::actions::{Actions, Part};
use super::call::{Keyed, Place};
use super::fds;
use super::plan::{Actor, Plan, Wakes};
use super::random::Random;
use super::recorder::Recorder;
use super::script::{Author, run_script};

pub(crate) mod awaiting;
mod change;
mod ending;

pub(crate) struct Context {
    /// `None`: it was dropped.
    pub(crate) ctx: Option<WaitCtx>,
    /// How often its callback was called, where it has one.
    pub(crate) calls: Option<Arc<AtomicU64>>,
    /// Calls that were handled.
    handled: u64,
    /// Whether its fd was readable at the last look.
    pub(crate) readable: bool,
}

struct Running {
    token: u64,
    job: Job<()>,
    ctx: Option<usize>,
    /// Whether polling has returned its token, or that of a job in it.
    called: bool,
    began: bool,
}

pub(crate) struct World {
    pub(crate) recorder: Rc<Recorder>,
    pub(crate) plan: Plan,
    pub(crate) engine: Engine,
    pub(crate) stats: EngineStats,
    pub(crate) contexts: Vec<Context>,
    random: Random,
    actions: Rc<Actions>,
    keyed: Vec<Rc<Keyed>>,
    jobs: Vec<Running>,
    next_job: u64,
    next_call: u64,
    /// Nothing more happens without an action.
    idle: bool,
    /// Operations that were found done without a wake.
    pub(crate) unannounced: u64,
    /// Wakes without a finished operation.
    pub(crate) spurious: u64,
    /// Operations under way in contexts that were dropped, with their callbacks.
    pub(crate) silenced: u64,
    /// Whether the resumed job is the only one that waits on its context, so that a wake there can only be
    /// its own.
    alone: bool,
    /// Whether the last poll has armed the interrupt.
    armed: bool,
    /// Completions that polling found, and that the interrupt had not announced.
    pub(crate) uninterrupted: u64,
    pub(crate) jobs_before: job::ThreadStats,
    pub(crate) awaiting: Awaiting,
}

impl World {
    pub(crate) fn new(seed: u64, print: bool, actions: &Rc<Actions>) -> Result<Self, Error> {
        let (mut random, mut beside) = (Random::new(seed), Random::beside(seed));
        let plan = Plan::new(&mut random, &mut beside);
        let jobs_before = job::thread_stats();
        let engine = Engine::stepped(Config::parse(&plan.text)?)?;
        let recorder = Recorder::new(print, 1 + plan.retries, actions);
        recorder.note(format_args!("seed {seed}: {}", plan.text));
        let keyed =
            (0..random.between(1, 3)).map(|_| Keyed::new(&engine, &mut random)).collect::<Result<_, _>>()?;
        Ok(Self {
            recorder,
            plan,
            stats: engine.stats(),
            engine,
            contexts: Vec::new(),
            random,
            actions: Rc::clone(actions),
            keyed,
            jobs: Vec::new(),
            next_job: 0,
            next_call: 0,
            idle: false,
            unannounced: 0,
            spurious: 0,
            silenced: 0,
            alone: false,
            armed: false,
            uninterrupted: 0,
            jobs_before,
            awaiting: Awaiting::new(beside),
        })
    }

    /// Lives to its end, or to the first thing that breaks. With some of the actions of a full history that
    /// was lived before, if these are named.
    pub(crate) fn live(&mut self, only: Option<&[usize]>) {
        match only {
            Some(only) => only.iter().all(|&number| {
                self.actions.repeat(Part::Action(number), [&mut self.random, &mut self.awaiting.random]);
                self.act_and_check(number)
            }),
            None => (0..self.plan.actions.len()).all(|number| {
                self.actions.go_on(Part::Action(number), [&self.random, &self.awaiting.random]);
                self.act_and_check(number)
            }),
        };
        if self.recorder.is_broken() {
            return;
        }
        match only {
            Some(_) => self.actions.repeat(Part::End, [&mut self.random, &mut self.awaiting.random]),
            None => self.actions.go_on(Part::End, [&self.random, &self.awaiting.random]),
        }
        if !self.plan.abrupt {
            self.end_in_order();
        }
    }

    /// `false`: something has broken.
    fn act_and_check(&mut self, number: usize) -> bool {
        self.idle = false;
        match self.plan.actions.get(number) {
            Some(Actor::Task) => self.await_something(),
            _ => self.act(),
        }
        self.check();
        !self.recorder.is_broken()
    }

    fn act(&mut self) {
        match self.random.below(100) {
            0..24 => self.begin_job(),
            24..44 => self.answer(),
            44..50 => self.resume_any(),
            50..54 => self.drop_job(),
            54..56 => self.drop_context(),
            56..61 => self.block(),
            61..78 => self.step(),
            78..88 => self.advance(),
            88..93 => self.poll(),
            93..95 => self.reset(),
            95..97 => self.change(),
            _ => self.run_until_quiet(),
        }
    }

    /// Creates a job, in a new context or in one that other jobs use.
    fn begin_job(&mut self) {
        if self.jobs.len() >= 8 {
            return;
        }
        let ctx = self.choose_context();
        self.next_job += 1;
        let token = self.next_job << 8;
        let (keyed, random, next_call) = (&self.keyed, &mut self.random, &mut self.next_call);
        let items = Author { keyed, random, next_call }.script(token, 0);
        let began = self.random.chance(90);
        let (recorder, in_job) = (Rc::clone(&self.recorder), ctx);
        let body = move || run_script(items, &recorder, in_job, token);
        let made = match ctx.and_then(|at| self.contexts[at].ctx.as_ref()) {
            Some(ctx) => Job::new(ctx, body),
            None => Job::without_ctx(body),
        };
        let Ok(mut job) = made else { return self.recorder.fail(|| "no job was to be had".to_owned()) };
        job.set_token(token);
        match ctx {
            Some(ctx) => self.note(format_args!("job {token} in context {ctx}")),
            None => self.note(format_args!("job {token} without context")),
        }
        self.jobs.push(Running { token, job, ctx, called: false, began: false });
        if began {
            self.resume(self.jobs.len() - 1, true);
        }
    }

    /// `None`: no context.
    fn choose_context(&mut self) -> Option<usize> {
        if self.random.chance(4) {
            return None;
        }
        let live: Vec<usize> =
            (0..self.contexts.len()).filter(|&at| self.contexts[at].ctx.is_some()).collect();
        if live.len() >= 4 || (!live.is_empty() && self.random.chance(50)) {
            return Some(self.random.pick(&live));
        }
        let ctx = WaitCtx::new();
        let by_callback = match self.plan.wakes {
            Wakes::Fds => false,
            Wakes::Callbacks => true,
            Wakes::Both => self.random.chance(50),
        };
        let calls = by_callback.then(Arc::<AtomicU64>::default);
        if let Some(calls) = &calls {
            let calls = Arc::clone(calls);
            ctx.set_callback(Some(Arc::new(move || {
                calls.fetch_add(1, Ordering::Relaxed);
            })));
        }
        self.contexts.push(Context { ctx: Some(ctx), calls, handled: 0, readable: false });
        Some(self.contexts.len() - 1)
    }

    /// The event loop's work: resumes a job that was woken, and the jobs that share its context.
    fn answer(&mut self) {
        let woken: Vec<u64> =
            (0..self.jobs.len()).filter(|&at| self.is_woken(at)).map(|at| self.jobs[at].token).collect();
        if woken.is_empty() {
            return self.step();
        }
        let token = self.random.pick(&woken);
        self.answer_one(token);
    }

    fn answer_one(&mut self, token: u64) {
        let Some(at) = self.position(token) else { return };
        let woken = self.jobs[at].ctx.filter(|&ctx| !self.plan.poll && self.contexts[ctx].is_woken());
        let together = match woken {
            Some(ctx) => {
                self.contexts[ctx].handle();
                self.jobs.iter().filter(|job| job.ctx == Some(ctx)).map(|job| job.token).collect()
            }
            None => vec![token],
        };
        let alone = woken.is_some_and(|ctx| self.recorder.under_way_on(ctx) == 1);
        for token in together {
            self.alone = alone;
            if let Some(at) = self.position(token) {
                self.resume(at, true);
            }
        }
    }

    /// Whether the application has a reason to resume this job.
    fn is_woken(&self, at: usize) -> bool {
        let running = &self.jobs[at];
        let waits = self.is_waiting(running.token);
        match running.ctx {
            _ if !running.began || !waits => true,
            None => true,
            Some(ctx) if self.contexts[ctx].ctx.is_none() => true,
            Some(_) if self.plan.poll => running.called,
            Some(ctx) => self.contexts[ctx].is_woken(),
        }
    }

    /// Whether this job, or one in it, waits for an operation.
    fn is_waiting(&self, token: u64) -> bool {
        (token..token + 256).any(|token| self.recorder.is_waiting(token))
    }

    /// A resume without a wake.
    fn resume_any(&mut self) {
        if self.jobs.is_empty() {
            return self.step();
        }
        let at = self.random.index(self.jobs.len());
        let woken = self.is_woken(at);
        if woken {
            let token = self.jobs[at].token;
            return self.answer_one(token);
        }
        self.resume(at, false);
    }

    /// Resumes a job; `woken`: it was woken before.
    fn resume(&mut self, at: usize, woken: bool) {
        let recorder = Rc::clone(&self.recorder);
        recorder.turn.set(recorder.turn.get() + 1);
        let (ended, spurious) = (recorder.ended_later.get(), self.stats.spurious_resumes);
        let running = &mut self.jobs[at];
        let (token, ctx) = (running.token, running.ctx);
        let had_begun = std::mem::replace(&mut running.began, true);
        running.called = false;
        let waiting = ctx.map_or(0, |ctx| recorder.under_way_on(ctx));
        let step = running.job.resume();
        self.note(format_args!(
            "{} {token}: {}",
            if woken { "resume job" } else { "resume, unasked, job" },
            if matches!(step, Ok(Step::Paused)) { "paused" } else { "finished" }
        ));
        match step {
            Ok(Step::Paused) => {}
            Ok(Step::Finished(())) => drop(self.jobs.remove(at)),
            Err(misuse) => recorder.fail(|| format!("job {token} was not resumed: {misuse}")),
        }
        self.stats = self.engine.stats();
        let Some(ctx) = ctx.filter(|&ctx| had_begun && self.contexts[ctx].ctx.is_some()) else { return };
        // A callback for a nested job may have found this one busy with its own operation.
        let sure = self.contexts[ctx].calls.is_none() || waiting == 1;
        if !woken && sure && !self.plan.poll && (self.idle || !self.plan.coalesces) {
            self.unannounced += recorder.ended_later.get() - ended;
        }
        let by_fd = self.contexts[ctx].calls.is_none() && !self.plan.poll;
        if woken && self.alone && by_fd && ended == recorder.ended_later.get() {
            self.spurious += self.stats.spurious_resumes - spurious;
        }
    }

    fn position(&self, token: u64) -> Option<usize> {
        self.jobs.iter().position(|running| running.token == token)
    }

    fn drop_job(&mut self) {
        if self.jobs.is_empty() {
            return;
        }
        let at = self.random.index(self.jobs.len());
        let running = self.jobs.remove(at);
        let token = running.token;
        drop(running);
        self.note(format_args!("drop job {token}"));
    }

    /// Its jobs go on without it, and block.
    fn drop_context(&mut self) {
        let live: Vec<usize> =
            (0..self.contexts.len()).filter(|&at| self.contexts[at].ctx.is_some()).collect();
        if live.is_empty() {
            return;
        }
        let at = self.random.pick(&live);
        self.silenced += self.recorder.under_way_on(at) as u64;
        self.contexts[at].ctx = None;
        self.note(format_args!("drop context {at}"));
    }

    /// A call outside of any job; now and then in another thread. Where it would wait for ever it returns an
    /// error.
    fn block(&mut self) {
        let elsewhere = self.random.chance(20);
        let (keyed, random, next_call) = (&self.keyed, &mut self.random, &mut self.next_call);
        let mut author = Author { keyed, random, next_call };
        let call = if elsewhere { author.owned_call() } else { author.call() };
        let recorder = Rc::clone(&self.recorder);
        if elsewhere {
            call.make_in_thread(&recorder);
        } else {
            call.make(Place { recorder: &recorder, ctx: None, token: 0 });
        }
        self.note(format_args!("block: {}", call.describe()));
    }

    fn step(&mut self) {
        let times = self.random.between(1, 4);
        let happened = (0..times).filter(|_| self.engine.device().step()).count();
        self.idle = happened < usize::try_from(times).unwrap_or(0);
        self.note(format_args!("{happened} steps"));
    }

    fn advance(&mut self) {
        let nsec = self.random.pick(&[0, 1, 700, 50_000, 400_000, 6_000_000]);
        self.engine.device().advance(Duration::from_nanos(nsec));
        self.note(format_args!("advance by {nsec} ns"));
    }

    fn poll(&mut self) {
        let max = self.random.pick(&[1, 2, 100]);
        self.poll_for(max);
    }

    /// Polls, under polling. The interrupt, if it was armed, must be readable.
    fn poll_for(&mut self, max: usize) {
        if !self.plan.poll {
            return;
        }
        let recorder = Rc::clone(&self.recorder);
        let before = self.interrupt();
        let mut tokens = Vec::new();
        // Some polls do not arm the interrupt.
        let asks = max != 2;
        let note = |token| tokens.push(token);
        let polled = if asks { self.engine.poll(max, note) } else { self.engine.reap(max, note) };
        match polled {
            Ok(count) => {
                recorder.check(count == tokens.len() && count <= max, || format!("poll({max}) said {count}"));
                if self.armed && before == Some(false) && (self.idle || !self.plan.coalesces) {
                    self.uninterrupted += tokens.len() as u64;
                }
                self.armed = asks && count < max;
                let quiet = !self.armed || self.interrupt() == Some(false);
                recorder.check(quiet, || {
                    "polling found nothing more, and the interrupt is still readable".to_owned()
                });
            }
            Err(error) => recorder.count_error(&error),
        }
        for &token in &tokens {
            recorder.handed_out(token);
            if let Some(at) = self.position(token & !0xff) {
                self.jobs[at].called = true;
            }
        }
        self.note(format_args!("poll for {max}: {tokens:?}"));
    }

    /// Whether the interrupt is readable; `None` when there is none.
    fn interrupt(&self) -> Option<bool> {
        match self.engine.interrupt_fd() {
            Ok(fd) => fds::readable(&[fd]).pop(),
            Err(error) => {
                self.recorder.count_error(&error);
                None
            }
        }
    }

    fn reset(&mut self) {
        self.engine.device().reset();
        self.note(format_args!("reset"));
    }

    /// Notes which contexts were woken.
    pub(crate) fn look(&mut self) {
        let mut polled = Vec::new();
        let mut at_of = Vec::new();
        for (at, context) in self.contexts.iter_mut().enumerate() {
            context.readable = false;
            let Some(ctx) = context.ctx.as_ref() else { continue };
            for fd in ctx.all_fds() {
                polled.push(fd);
                at_of.push(at);
            }
        }
        for (readable, at) in fds::readable(&polled).into_iter().zip(at_of) {
            self.contexts[at].readable |= readable;
        }
    }

    pub(crate) fn note(&self, what: std::fmt::Arguments<'_>) {
        self.recorder.note(format_args!("{:>12} ns  {what}", self.engine.device().now().as_nanos()));
    }

    /// How many jobs have not begun, and how many are paused, without nested ones.
    pub(crate) fn job_counts(&self) -> (u64, u64) {
        let fresh = self.jobs.iter().filter(|running| !running.began).count() as u64;
        (fresh, self.jobs.len() as u64 - fresh)
    }

    /// All counters, for the history.
    pub(crate) fn numbers(&self) -> impl std::fmt::Debug + use<> {
        let stats = self.engine.stats();
        let total: Vec<(&str, u64)> = stats.device.total.counters().collect();
        let faults: Vec<(&str, u64)> = stats.device.faults.iter().filter(|(_, count)| *count > 0).collect();
        let engine = [stats.operations, stats.pauses, stats.spurious_resumes, stats.parked, stats.fallbacks];
        (total, faults, engine, stats.device.late_completions, stats.device.resets, stats.device.deaths)
    }
}

impl Context {
    /// Whether it wakes a job.
    fn is_woken(&self) -> bool {
        match &self.calls {
            Some(calls) => calls.load(Ordering::Relaxed) > self.handled,
            None => self.readable,
        }
    }

    fn handle(&mut self) {
        if let Some(calls) = &self.calls {
            self.handled = calls.load(Ordering::Relaxed);
        }
    }
}
