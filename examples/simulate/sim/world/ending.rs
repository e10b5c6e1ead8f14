//! How a seed's world comes to rest, and how it ends.
//!
//! ```text
//!   run_until_quiet   run the device ─► resume and poll what was woken ─► ... ─► and what still waits: nothing happens
//!   end_in_order      quiet ─► reset, for what never ends ─► quiet ─► ... ─► the ring is filled: all slots are free
//!   end               engine, contexts, jobs and tasks are dropped, in an order that the seed decides
//! ```

use std::rc::Rc;

use simaccel::{Job, WaitCtx};

use super::{Context, Running, World};
use crate::sim::script::{Author, Item, run_script};

/// What has not ended after this many rounds never will.
const PATIENCE: usize = 200;

impl World {
    /// Runs the device and resumes woken jobs until nothing more happens. Jobs that still wait are then
    /// resumed too: their request never ends, or a fault has suppressed its wake.
    pub(super) fn run_until_quiet(&mut self) {
        for _ in 0..PATIENCE {
            let before = self.recorder.progress();
            let events = self.run_until_idle();
            let woken: Vec<u64> =
                (0..self.jobs.len()).filter(|&at| self.is_woken(at)).map(|at| self.jobs[at].token).collect();
            for &token in &woken {
                if self.position(token).is_some_and(|at| self.is_woken(at)) {
                    self.answer_one(token);
                }
                self.look();
            }
            self.poll_woken();
            // A job that waits for ever in its own operation never gets to its nested job, which is done.
            if events == 0
                && self.recorder.progress() == before
                && !self.probe()
                && !self.probe_tasks()
                && self.run_until_idle() == 0
                && !self.is_any_task_woken()
            {
                return;
            }
            if self.recorder.is_broken() {
                return;
            }
        }
        self.recorder.fail(|| format!("{} jobs, or tasks, go on and on", self.jobs.len()));
    }

    fn run_until_idle(&mut self) -> usize {
        let mut events = self.engine.device().run_until_idle();
        if self.plan.poll {
            self.idle = true;
            self.poll_for(1_000);
            // Slots that polling has freed may admit waiting requests.
            events += self.engine.device().run_until_idle();
            self.poll_for(1_000);
        }
        self.idle = true;
        self.look();
        self.note(format_args!("idle after {events} events"));
        events
    }

    /// Resumes all waiting jobs without a wake. Returns whether an operation had ended.
    fn probe(&mut self) -> bool {
        let ended = self.recorder.ended_later.get();
        let tokens: Vec<u64> = self.jobs.iter().map(|running| running.token).collect();
        for token in tokens {
            self.look();
            if let Some(at) = self.position(token).filter(|&at| self.jobs[at].began && !self.is_woken(at)) {
                self.resume(at, false);
            }
        }
        let found = self.recorder.ended_later.get() - ended;
        if self.plan.poll {
            // Everything that is done is in the completion ring, and polling has read it.
            self.recorder
                .check(found == 0, || format!("polling has not announced {found} operations that were done"));
        }
        found > 0
    }

    /// Finishes everything.
    pub(super) fn end_in_order(&mut self) {
        for _ in 0..PATIENCE {
            self.run_until_quiet();
            self.check();
            if self.recorder.is_broken() {
                return;
            }
            let waiting = self.recorder.under_way() - self.awaiting.forgotten();
            if waiting > 0 && self.stats.device.total.in_flight == 0 && !self.drop_deaf_jobs() {
                self.recorder.fail(|| format!("{waiting} operations wait for nothing"));
            }
            if self.jobs.is_empty() && self.awaiting.is_empty() {
                return self.fill_the_ring();
            }
            // What is left never ends.
            self.check_endless();
            self.engine.device().reset();
            self.note(format_args!("reset, for what never ends"));
        }
        self.recorder.fail(|| format!("{} jobs, or tasks, never end", self.jobs.len()));
    }

    /// All slots are free again: as many requests as the ring holds are submitted without a wait.
    fn fill_the_ring(&mut self) {
        self.check_exactly();
        self.engine.device().reset();
        let (faults, full) = (self.stats.device.faults.get("busy"), self.stats.device.total.full);
        for _ in 0..self.plan.depth {
            let ctx = WaitCtx::new();
            self.next_job += 1;
            let token = self.next_job << 8;
            let (keyed, random, next_call) = (&self.keyed, &mut self.random, &mut self.next_call);
            let items = vec![Item::Call(Author { keyed, random, next_call }.owned_call())];
            let at = self.contexts.len();
            let recorder = Rc::clone(&self.recorder);
            let Ok(mut job) = Job::new(&ctx, move || run_script(items, &recorder, Some(at), token)) else {
                return self.recorder.fail(|| "no job was to be had".to_owned());
            };
            job.set_token(token);
            self.contexts.push(Context { ctx: Some(ctx), calls: None, handled: 0, readable: false });
            self.jobs.push(Running { token, job, ctx: Some(at), called: false, began: false });
            self.resume(self.jobs.len() - 1, true);
        }
        self.stats = self.engine.stats();
        let busy = self.stats.device.faults.get("busy").unwrap_or(0) - faults.unwrap_or(0);
        let refused = self.stats.device.total.full - full;
        // Each `busy` is one refusal, and makes later requests wait; so does a want of tokens.
        self.recorder.check(refused == 0 || busy > 0 || self.plan.refuses, || {
            format!("{refused} slots are not free at the end")
        });
        self.note(format_args!("the ring is filled"));
        self.jobs.clear();
        self.engine.device().run_until_idle();
        self.poll_for(1_000);
        self.check();
        let left = self.stats.device.total.in_flight;
        self.recorder.check(left == 0, || format!("{left} requests are in flight at the end"));
    }

    /// Drops everything, in an order that the seed decides.
    pub(crate) fn end(mut self) {
        let (mut random, mut jobs) = (self.random, self.jobs);
        let mut engine = Some(self.engine);
        while !jobs.is_empty() || !self.contexts.is_empty() {
            match random.below(5) {
                0 => drop(engine.take()),
                1 | 2 if !self.contexts.is_empty() => {
                    drop(self.contexts.swap_remove(random.index(self.contexts.len())))
                }
                _ if !jobs.is_empty() => drop(jobs.swap_remove(random.index(jobs.len()))),
                _ => {}
            }
            self.awaiting.drop_one();
        }
    }
}
