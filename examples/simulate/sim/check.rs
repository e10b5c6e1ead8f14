//! The checks: after every action, and at the end.
//!
//! No check knows of the sabotage: each compares two accounts of the same thing, one of which the history
//! keeps itself.

use std::sync::atomic::Ordering;

use super::plan::Wakes;
use super::world::World;

impl World {
    /// Runs after every action.
    pub(crate) fn check(&mut self) {
        self.look();
        self.stats = self.engine.stats();
        self.check_books();
        self.check_engine();
        self.check_wakes();
        self.check_errors();
        self.check_jobs();
    }

    fn injected(&self, kind: &str) -> u64 {
        self.stats.device.faults.get(kind).unwrap_or(0)
    }

    /// The counters of the device, the engine and this thread's jobs add up.
    fn check_books(&self) {
        for imbalance in self.stats.imbalances() {
            self.recorder.fail(|| format!("it does not add up: {imbalance}"));
        }
        let total = &self.stats.device.total;
        let ended = total.wakes_sent + total.wakes_cancelled;
        let given = total.submitted + total.parked;
        self.recorder.check(ended <= given, || format!("{ended} wakes for {given} requests"));
    }

    /// The engine has counted what the history has seen.
    fn check_engine(&self) {
        let (stats, recorder) = (&self.stats, &self.recorder);
        let (begun, dropped) = (recorder.begun.get(), recorder.dropped.get());
        recorder
            .check(stats.operations == begun, || format!("{} operations, begun {begun}", stats.operations));
        // Between two actions every waiting job is paused. What is awaited counts when it is over.
        let paused = recorder.under_way() - self.awaiting.under_way() + dropped;
        recorder.check(stats.pauses == stats.resumes + paused, || {
            format!("{} pauses, {} resumes, {paused} paused or dropped", stats.pauses, stats.resumes)
        });
        recorder.check(stats.abandoned == dropped, || {
            format!("{} abandoned, dropped {dropped}", stats.abandoned)
        });
        let has_limits = self.plan.timeout || self.awaiting.has_limits;
        recorder.check(stats.timeouts == 0 || has_limits, || "a timeout without a limit".to_owned());
        recorder.check(stats.retries == 0 || self.plan.retries > 0, || "retries without leave".to_owned());
        recorder.check(stats.fallbacks == 0 || self.plan.fallback, || "fallbacks without leave".to_owned());
    }

    /// Nothing is lost, nothing comes twice, and nothing is left for the next operation.
    fn check_wakes(&self) {
        let recorder = &self.recorder;
        let total = &self.stats.device.total;
        for (at, context) in self.contexts.iter().enumerate() {
            let owed = recorder.under_way_on(at) > 0 && context.calls.is_none() && !self.plan.poll;
            recorder.check(!context.readable || owed, || {
                format!("the fd of context {at} is readable, and no job waits on it")
            });
        }
        let dropped = self.injected("drop_wake");
        let unannounced = self.unannounced + self.awaiting.unwoken;
        recorder.check(unannounced <= dropped, || {
            format!("{unannounced} operations were done without a wake, by {dropped} faults")
        });
        self.awaiting.check(recorder);
        recorder.check(self.uninterrupted <= dropped, || {
            format!("the interrupt has not announced {} completions, by {dropped} faults", self.uninterrupted)
        });
        let spurious = total.wakes_spurious;
        recorder.check(self.spurious <= spurious, || {
            format!("{} wakes without a finished operation, by {spurious} faults", self.spurious)
        });
        if self.plan.wakes == Wakes::Callbacks && !self.plan.poll && !self.awaiting.has_reaper {
            let calls = self.contexts.iter().filter_map(|context| context.calls.as_ref());
            let calls = calls.map(|calls| calls.load(Ordering::Relaxed)).sum::<u64>() + self.awaiting.calls();
            let sent = total.wakes_sent + spurious;
            // A spurious wake may be for a silenced operation, too.
            let silent = if self.silenced > 0 { self.silenced + spurious } else { 0 };
            let woken = sent.saturating_sub(silent)..=sent + self.stats.timeouts;
            recorder.check(woken.contains(&calls), || format!("{calls} calls back, and {sent} wakes sent"));
        }
    }

    /// Each error is explained by a fault, or by an action on the device.
    fn check_errors(&self) {
        let tally = *self.recorder.tally.borrow();
        let (stats, fail) = (&self.stats, self.injected("fail"));
        let unlike = fail + self.injected("corrupt");
        let (resets, deaths) = (stats.device.resets, stats.device.deaths);
        let accounts = [
            ("wrong results", tally.wrong, self.injected("corrupt")),
            ("failures of authentication", tally.auth_failed, fail),
            ("MACs that were not equal", tally.unequal, unlike),
            ("device failures", tally.failed, fail),
            ("invalid arguments", tally.invalid, fail),
            ("short outputs", tally.short, self.injected("short")),
            ("timeouts", tally.timeout, stats.timeouts),
            ("refusals for want of memory", tally.no_memory, stats.nomems),
            ("refusals for want of an fd", tally.wake_fd, stats.fd_fails),
        ];
        for (what, seen, injected) in accounts {
            self.recorder.check(seen <= injected, || format!("{seen} {what}, by {injected} faults"));
        }
        // By its own fault, or by faults of requests that keep the slots from it.
        let can_be_endless = self.injected("timeout") > 0 && !self.plan.timeout;
        self.recorder.check(tally.never_ends == 0 || can_be_endless, || {
            "an operation never ends, of nothing".to_owned()
        });
        self.recorder.check(tally.never_ends == stats.never_ended, || {
            format!(
                "{} operations never end, and {} were given up for that",
                tally.never_ends, stats.never_ended
            )
        });
        self.recorder
            .check(tally.reset == 0 || resets > 0, || "an operation was reset without a reset".to_owned());
        self.recorder.check(tally.dead == 0 || deaths > 0, || "the device is dead, of nothing".to_owned());
    }

    /// The jobs are the ones that the history has created.
    fn check_jobs(&self) {
        let stats = &self.stats.jobs;
        let (fresh, paused) = self.job_counts();
        let before = &self.jobs_before;
        let seen = (stats.fresh - before.fresh, stats.running, stats.ending);
        self.recorder.check(seen == (fresh, 0, 0), || {
            format!("{seen:?} jobs are fresh, running, ending, not {fresh}")
        });
        self.recorder.check(stats.paused - before.paused >= paused, || {
            format!("{} jobs are paused, of {paused} at least", stats.paused - before.paused)
        });
    }

    /// A request that is in flight when nothing happens any more never ends.
    pub(crate) fn check_endless(&self) {
        let (in_flight, endless) = (self.stats.device.total.in_flight, self.injected("timeout"));
        self.recorder
            .check(in_flight <= endless, || format!("{in_flight} requests never end, by {endless} faults"));
    }

    /// At the end of a history in which every result was checked.
    pub(crate) fn check_exactly(&self) {
        let tally = *self.recorder.tally.borrow();
        let stats = &self.stats;
        let refusals = [("memory", tally.no_memory, stats.nomems), ("an fd", tally.wake_fd, stats.fd_fails)];
        for (what, seen, injected) in refusals.into_iter().filter(|_| !self.plan.fallback) {
            self.recorder.check(seen == injected, || {
                format!("{seen} refusals for want of {what}, by {injected} faults")
            });
        }
        let lost = stats.abandoned
            + stats.never_ended
            + stats.timeouts
            + stats.device.resets
            + stats.device.deaths
            + tally.unequal
            + tally.unseen;
        if lost == 0 && self.injected("short") == 0 && self.plan.rules("corrupt") <= 1 {
            let (wrong, corrupt) = (tally.wrong, self.injected("corrupt"));
            self.recorder.check(wrong == corrupt, || format!("{wrong} wrong results, by {corrupt} faults"));
        }
    }
}
