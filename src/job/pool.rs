//! The pool: the jobs of one thread.
//!
//! ```text
//!   FRONT (thread-local) ─► Pool ─ front.turn ► record of the running job; `enter` keeps its resumer's
//!                                ─ idle ─────► record ─► record ─► ···      newest first: warm stacks
//!                                ─ deferred ─► record ─► ···                dropped in a panic
//!                                ─ table ────► all records, in no order
//! ```
//!
//! The thread's first job creates the pool (statement 25), and the end of the thread frees it. Then idle
//! stacks are unmapped, and paused raw jobs are discarded. Paused typed jobs are leaked, because they may
//! refer to thread-locals that are gone: they are neither resumed nor unwound from then on, and their stacks
//! stay mapped. A release hook of a raw job may own typed jobs. The caller that promised that the raw job may
//! be discarded answers for them.
#![expect(unsafe_code, reason = "follows the records and the pool of the thread")]

mod deferred;
mod end;

use std::cell::{Cell, RefCell};
use std::mem;
use std::panic::{self, AssertUnwindSafe};
use std::ptr::NonNull;
use std::rc::Rc;
use std::thread;

use super::WaitCtx;
use super::config::{PoolConfig, Settings};
use super::exceptions;
use super::front::{Flags, Front};
use super::gate::{InUse, Inside};
use super::line::Line;
use super::misuse::{InitError, Misuse, NoJobs};
use super::overflow::{self, SignalStack};
use super::raw::Handle;
use super::record::{Panic, Record, State};
use super::stack::Slab;
use super::stats::{self, LeakReason, ThreadStats};
use super::strict::{self, Call, Rule, Suspect};
use super::table::Table;
use super::wait_ctx::Shared;
use super::{directory, hooks, sanitizer};
use crate::process::fork::Lock;
use deferred::Raised;
pub(super) use deferred::last_call;

#[repr(C)]
pub(super) struct Pool {
    pub(super) front: Front,
    idle: Cell<Option<NonNull<Record>>>,
    deferred: Cell<Option<NonNull<Record>>>,
    settings: Cell<Settings>,
    /// Records that exist: idle, in use, and leaked.
    records: Cell<usize>,
    /// The count of resumes at the last registration of the thread's last call.
    last_call: Cell<Option<u64>>,
    /// Jobs are being unwound. The loop that unwinds them also takes the jobs that are deferred in the
    /// process.
    unwinding: Cell<bool>,
    /// The signal stack for overflows, if the thread had none.
    signal_stack: Cell<Option<SignalStack>>,
    table: RefCell<Table>,
    slab: RefCell<Slab>,
    /// Raw jobs whose context another thread has freed.
    orphans: Lock<Vec<Handle>>,
    /// The tasks that wait for an idle job.
    pub(super) line: RefCell<Line>,
}

impl Pool {
    /// This thread's pool, if there is one.
    #[inline]
    pub(super) fn existing<'a>() -> Option<&'a Self> {
        Self::existing_without(0)
    }

    /// This thread's pool, if none of these flags is set either.
    #[inline]
    fn existing_without<'a>(flags: u8) -> Option<&'a Self> {
        let place = Front::place();
        // SAFETY: a thread's front is always there.
        if unsafe { place.as_ref() }.flags.has(Flags::ABSENT | flags) {
            return None;
        }
        // SAFETY: every front without `ABSENT` is the first field of a pool, which ends with its thread.
        Some(unsafe { place.cast().as_ref() })
    }

    /// This thread's pool, created if need be; `None` when the thread's thread-locals have gone.
    #[inline]
    pub(super) fn here<'a>() -> Option<&'a Self> {
        Self::existing_without(Flags::LATE).or_else(Self::make_in_time)
    }

    /// [`here`](Self::here) for raw jobs, which are possible for as long as the thread runs any code.
    #[inline]
    pub(super) fn here_for_raw<'a>() -> Option<&'a Self> {
        Self::existing().or_else(Self::make_at_any_time)
    }

    /// [`here`](Self::here), after unwinding the deferred jobs.
    #[inline]
    pub(super) fn here_and_ready<'a>() -> Option<&'a Self> {
        Self::existing_without(Flags::DEFERRED | Flags::LATE).or_else(Self::here_and_ready_slow)
    }

    #[cold]
    fn here_and_ready_slow<'a>() -> Option<&'a Self> {
        let pool = Self::here()?;
        pool.run_deferred();
        Some(pool)
    }

    #[cold]
    fn make_in_time<'a>() -> Option<&'a Self> {
        let in_time = Self::existing().is_none() && !Front::has_ended() && end::end_with_the_thread_locals();
        in_time.then(|| Self::make(0))
    }

    #[cold]
    fn make_at_any_time<'a>() -> Option<&'a Self> {
        // Always with the keys too: a key's destructor may create thread-locals, and those are never
        // destroyed.
        let has_keys = end::end_with_the_keys();
        Self::make_in_time().or_else(|| has_keys.then(|| Self::make(Flags::LATE)))
    }

    fn make<'a>(flags: u8) -> &'a Self {
        overflow::install();
        if sanitizer::is_linked() {
            hooks::watch();
        }
        let pool = NonNull::from(Box::leak(Box::new(Self {
            front: Front::new(flags),
            idle: Cell::new(None),
            deferred: Cell::new(None),
            settings: Cell::new(Settings::default()),
            records: Cell::new(0),
            last_call: Cell::new(None),
            unwinding: Cell::new(false),
            signal_stack: Cell::new(SignalStack::install()),
            table: RefCell::default(),
            slab: RefCell::default(),
            orphans: Lock::default(),
            line: RefCell::default(),
        })));
        Front::begin(pool.cast());
        // SAFETY: just created.
        unsafe { pool.as_ref() }
    }

    /// Takes a job from the pool, or creates one. Its state is Fresh and the caller fills in its work.
    /// Nothing is deferred.
    #[inline]
    pub(super) fn claim<'a>(&self, ctx: Option<&WaitCtx>) -> Result<&'a Record, NoJobs> {
        let record = match self.idle.get() {
            // SAFETY: records in the idle list are there, and nothing else uses them.
            Some(record) => unsafe { record.as_ref() },
            None => self.add_record()?,
        };
        self.idle.set(record.next.get());
        record.begin(ctx.map(WaitCtx::share));
        self.front.counters.created.bump();
        Ok(record)
    }

    /// Puts back the record of a job that was given no work.
    #[cold]
    pub(super) fn give_up_fresh(&self, record: &Record) {
        self.front.counters.dropped.bump();
        self.put_back(record);
    }

    /// Puts back the record of a job whose outcome has been taken, or that had none.
    #[inline]
    pub(super) fn release(&self, record: &Record) {
        detach(record);
        self.put_back(record);
    }

    /// Puts back a record from inside its context, and leaves the context with it.
    #[inline]
    pub(super) fn release_inside(&self, record: &Record, inside: Inside) {
        detach(record);
        self.put_back_inside(record, inside);
    }

    /// [`release`](Self::release) for a job that its context does not list (any more), and that has nothing
    /// on the heap.
    #[inline]
    pub(super) fn put_back(&self, record: &Record) {
        self.put_back_inside(record, Inside::nothing());
    }

    #[inline]
    fn put_back_inside(&self, record: &Record, inside: Inside) {
        let ctx = record.end();
        if record.is_retired() {
            self.remove_retired(NonNull::from(record));
        } else {
            record.next.set(self.idle.replace(Some(NonNull::from(record))));
        }
        inside.leave_with(ctx);
        if self.front.flags.has(Flags::WAITED) {
            self.wake_line();
        }
    }

    /// Whether putting back this [plain](Record::is_plain) record runs no foreign code and needs no other
    /// work.
    #[inline]
    pub(super) fn can_put_back_fast(&self, record: &Record) -> bool {
        let keeps_ctx = record.with_ctx(|ctx| Rc::strong_count(ctx) > 1) != Some(false);
        keeps_ctx && !self.front.flags.any()
    }

    /// [`put_back`](Self::put_back) for such a record.
    #[inline]
    pub(super) fn put_back_fast(&self, record: &Record) {
        drop(record.end());
        record.next.set(self.idle.replace(Some(NonNull::from(record))));
    }

    #[cold]
    fn remove_retired(&self, record: NonNull<Record>) {
        self.remove(record);
        self.slab.borrow_mut().trim();
    }

    /// Ends a job whose owner was dropped.
    pub(super) fn abandon(&self, record: &Record) {
        match record.state.get() {
            State::Fresh => self.drop_unstarted(record),
            // Already found and counted at the end of the thread.
            State::Paused if self.front.flags.has(Flags::ENDED | Flags::LATE) => {}
            // Unwinding would end the process.
            State::Paused if cfg!(panic = "abort") => self.give_up(record, strict::DROP),
            State::Paused if thread::panicking() => self.defer(record),
            State::Paused => {
                let panic = self.unwind(record, strict::DROP);
                self.run_deferred();
                raise(panic);
            }
            // A job that is dropped while it runs has ended its thread, or the process, from inside.
            State::Running => {}
            State::Idle | State::Finished | State::GivenUp | State::Abandoned => {}
        }
    }

    /// Unwinds the jobs that were dropped in a panic, now that it does not.
    #[inline]
    pub(super) fn run_deferred(&self) {
        if self.front.flags.has(Flags::DEFERRED) && !thread::panicking() {
            self.run_deferred_slow();
        }
    }

    /// Whether a job may be entered here and now. Unwinds deferred jobs first.
    #[inline]
    pub(super) fn ready_to_switch(&self) -> Result<(), Misuse> {
        if thread::panicking() {
            return Err(Misuse::Panicking);
        }
        if self.front.flags.has(Flags::DEFERRED | Flags::ORPHANED | Flags::ENDED) {
            return self.ready_slow();
        }
        Ok(())
    }

    #[cold]
    pub(super) fn ready_slow(&self) -> Result<(), Misuse> {
        if self.front.flags.has(Flags::ENDED) {
            return Err(Misuse::ThreadEnded);
        }
        self.run_deferred();
        self.discard_orphans();
        Ok(())
    }

    /// Notes, from any thread, that these raw jobs of the pool will not be resumed, because their context was
    /// freed.
    ///
    /// The caller is inside that context, so its jobs and this pool stay.
    pub(super) fn leave_orphans(&self, jobs: Vec<Handle>) {
        // `None` in a forked child: there the pool's thread does not come for them, either.
        let Some(mut orphans) = self.orphans.lock() else { return };
        orphans.extend(jobs);
        drop(orphans);
        self.front.flags.raise(Flags::ORPHANED);
    }

    /// Discards the raw jobs whose context another thread has freed.
    pub(super) fn discard_orphans(&self) {
        if self.front.flags.has(Flags::ORPHANED) {
            self.discard_orphans_slow();
        }
    }

    #[cold]
    fn discard_orphans_slow(&self) {
        self.front.flags.lower(Flags::ORPHANED);
        let orphans =
            self.orphans.lock().map(|mut orphans| std::mem::take(&mut *orphans)).unwrap_or_default();
        for handle in orphans {
            // SAFETY: the caller of `start` promises that a raw job may be discarded when its context is
            // freed.
            let reclaim =
                || unsafe { self.reclaim(handle, Suspect::rule_of_freed_ctx, strict::FREED_ELSEWHERE) };
            // The context was freed in another thread, so a panic of a release hook has no caller to go to.
            drop(panic::catch_unwind(AssertUnwindSafe(reclaim)));
        }
    }

    /// The unfinished job that a handle names.
    #[inline]
    pub(super) fn find<'a>(&self, handle: Handle) -> Option<&'a Record> {
        let record = directory::record(handle.index(), self)?;
        // SAFETY: the directory lists it for this pool, and only this thread would remove it.
        let record = unsafe { record.as_ref() };
        (record.handle.get() == handle && record.state.get() != State::Idle).then_some(record)
    }

    /// The paused raw job that a handle names.
    #[inline]
    pub(super) fn find_paused_raw<'a>(&self, handle: Handle) -> Result<&'a Record, Misuse> {
        let record = self.find(handle).filter(|record| record.kind().raw).ok_or(Misuse::Stale)?;
        match record.state.get() {
            State::Paused => Ok(record),
            State::Running => Err(Misuse::Running),
            State::Idle | State::Fresh | State::Finished | State::GivenUp | State::Abandoned => {
                Err(Misuse::Stale)
            }
        }
    }

    /// The handles of all paused raw jobs.
    pub(super) fn paused_raw(&self) -> Vec<Handle> {
        self.records_where(|record| record.kind().raw && record.state.get() == State::Paused)
    }

    /// The jobs that are paused with this context, except dropped jobs that have yet to be unwound.
    pub(super) fn paused_on(&self, ctx: &Rc<Shared>) -> Vec<Suspect> {
        let table = self.table.borrow();
        let holds = |record: &&Record| {
            record.state.get() == State::Paused
                && record.with_ctx(|own| Rc::ptr_eq(own, ctx)) == Some(true)
                && !self.is_deferred(record)
        };
        table.records().filter(holds).map(Suspect::of).collect()
    }

    /// Discards a paused raw job that its program has left behind, and reports it. Returns `false` when the
    /// job is gone.
    ///
    /// # Safety
    ///
    /// As for [`discard`](Self::discard).
    pub(super) unsafe fn reclaim(&self, handle: Handle, rule: fn(Suspect) -> Rule, call: Call) -> bool {
        if let Ok(record) = self.find_paused_raw(handle) {
            let suspect = Suspect::of(record);
            strict::report(rule(suspect), suspect, call);
        }
        // SAFETY: the caller's promise.
        unsafe { self.discard(handle) }.is_ok()
    }

    /// Ends a paused raw job without unwinding it, and runs its release hook.
    ///
    /// # Safety
    ///
    /// No frame of the job owns anything whose destructor must run, and nothing refers to its frames.
    pub(super) unsafe fn discard(&self, handle: Handle) -> Result<(), Misuse> {
        let record = self.find_paused_raw(handle)?;
        let inside = record.enter_ctx_waiting().map_err(|InUse| Misuse::CtxElsewhere)?;
        let hook = record.release.take();
        // A job that is being discarded must not be resumed by its hook.
        record.state.set(State::Finished);
        self.front.counters.ending.bump();
        // SAFETY: the hook was borrowed for as long as the job is paused in `pause_with`, which it still is.
        let hook = hook.map(|hook| panic::catch_unwind(AssertUnwindSafe(|| unsafe { &*hook }.release())));
        detach(record);
        // SAFETY: the caller's promise.
        unsafe { record.forget_frames() };
        self.front.counters.ending.take_back();
        self.front.counters.discarded.bump();
        // Dropped only now, because the hook may use it. It may be the last owner of an engine, whose end
        // takes a while.
        let held = record.held.take();
        self.put_back_inside(record, inside);
        drop(held);
        raise(hook.and_then(Result::err));
        Ok(())
    }

    /// Ensures that there is an idle job.
    pub(super) fn reserve(&self) -> Result<(), NoJobs> {
        self.run_deferred();
        if self.idle.get().is_none() {
            self.idle.set(Some(NonNull::from(self.add_record()?)));
        }
        Ok(())
    }

    /// Whether a job is idle, or one more may be made.
    pub(super) fn has_room(&self) -> bool {
        let max = self.settings.get().max_jobs;
        self.idle.get().is_some() || max == 0 || self.records.get() < max
    }

    /// Adopts a configuration: limits at once, stack sizes for stacks that are created from now on.
    pub(super) fn configure(&self, config: PoolConfig) -> Result<(), InitError> {
        let settings = config.validate()?;
        exceptions::look();
        self.run_deferred();
        self.discard_orphans();
        let too_many = settings.max_jobs != 0 && self.records.get() > settings.max_jobs;
        if too_many || settings.geometry != self.settings.get().geometry {
            self.drop_idle();
        }
        self.settings.set(settings);
        while self.records.get() < settings.initial_jobs {
            let Ok(record) = self.add_record() else { break };
            record.next.set(self.idle.replace(Some(NonNull::from(record))));
        }
        // The limit may be a larger one.
        if self.front.flags.has(Flags::WAITED) {
            self.wake_line();
        }
        Ok(())
    }

    /// Frees everything that no unfinished job needs, and forgets the configuration (statement 50).
    pub(super) fn clean_up(&self) {
        self.run_deferred();
        self.drop_idle();
        self.settings.set(Settings::default());
        if self.front.flags.has(Flags::WAITED) {
            self.wake_line();
        }
    }

    pub(super) fn stats(&self) -> ThreadStats {
        let mut stats = self.front.counters.totals();
        for record in self.table.borrow().records() {
            match record.state.get() {
                State::Idle => stats.idle += 1,
                State::Fresh => stats.fresh += 1,
                State::Running | State::Finished | State::Abandoned => stats.running += 1,
                State::Paused => stats.paused += 1,
                State::GivenUp => {}
            }
        }
        stats
    }

    #[cold]
    fn add_record<'a>(&self) -> Result<&'a Record, NoJobs> {
        let Settings { max_jobs, geometry, .. } = self.settings.get();
        let have = self.records.get();
        let most = if max_jobs == 0 { usize::MAX } else { max_jobs.saturating_sub(have) };
        if most == 0 {
            return Err(NoJobs::Limit { max: max_jobs });
        }
        self.table.borrow_mut().reserve().map_err(|_| NoJobs::NoStack)?;
        let stack = self.slab.borrow_mut().take(geometry, have, most).map_err(|_| NoJobs::NoStack)?;
        let Ok((index, generation)) = directory::take() else {
            self.slab.borrow_mut().give_back(stack);
            return Err(NoJobs::NoStack);
        };
        let record = Record::install(stack, NonNull::from(self), Handle::new(index, generation));
        directory::put(index, self, record);
        self.table.borrow_mut().add(record);
        self.records.set(have + 1);
        // SAFETY: just installed.
        Ok(unsafe { record.as_ref() })
    }

    /// Removes an idle record and gives its stack back.
    fn remove(&self, record: NonNull<Record>) {
        // SAFETY: the record is idle and in no list, so this is its last use.
        let idle = unsafe { record.as_ref() };
        let handle = idle.handle.get();
        self.table.borrow_mut().remove(idle);
        directory::give_back(handle.index(), handle.generation());
        self.records.set(self.records.get() - 1);
        // SAFETY: as above.
        let stack = unsafe { Record::uninstall(record) };
        self.slab.borrow_mut().give_back(stack);
    }

    /// Removes all idle records, and marks the records in use for removal at their release.
    fn drop_idle(&self) {
        self.table.borrow().records().for_each(Record::retire);
        self.slab.borrow_mut().retire_all();
        let mut next = self.idle.take();
        while let Some(record) = next {
            // SAFETY: records in the idle list are there.
            next = unsafe { record.as_ref() }.next.take();
            self.remove(record);
        }
        self.slab.borrow_mut().trim();
    }

    fn drop_unstarted(&self, record: &Record) {
        // SAFETY: the job was never resumed, so its arguments are where its creator put them.
        let drop_arguments = || unsafe { (record.kind().drop_unstarted)(record.args().as_ptr()) };
        let dropped = panic::catch_unwind(AssertUnwindSafe(drop_arguments));
        self.front.counters.dropped.bump();
        self.release(record);
        raise(dropped.err());
    }

    /// Unwinds a paused job. Returns the panic that replaced the unwinding, if there was one.
    fn unwind(&self, record: &Record, call: Call) -> Option<Panic> {
        let suspect = Suspect::of(record);
        let _unwinding = Raised::new(&self.unwinding);
        self.front.counters.ending.bump();
        let Some(swallowed) = record.unwind() else {
            self.front.counters.ending.take_back();
            strict::report(Rule::UnwindSwallowed, suspect, call);
            self.give_up(record, call);
            return None;
        };
        let panic = record.take_panic();
        let obeyed = swallowed == 0 && panic.as_ref().is_some_and(|payload| payload.is::<super::Unwinding>());
        let outcome = match panic {
            Some(payload) if payload.is::<super::Unwinding>() => None,
            Some(payload) => Some(payload),
            // The job has swallowed the unwinding and returned a result that no caller waits for.
            None => {
                // SAFETY: a job that has finished without a panic has left its result in place of its
                // arguments.
                let drop_result = || unsafe { (record.kind().drop_result)(record.args().as_ptr()) };
                panic::catch_unwind(AssertUnwindSafe(drop_result)).err()
            }
        };
        self.front.counters.ending.take_back();
        self.front.counters.dropped.bump();
        self.release(record);
        if !obeyed {
            strict::report(Rule::UnwindSwallowed, suspect, call);
        }
        outcome
    }

    fn give_up(&self, record: &Record, call: Call) {
        record.state.set(State::GivenUp);
        self.front.counters.given_up.bump();
        report_lost(Suspect::of(record), LeakReason::GivenUp, call);
    }

    fn records_where(&self, keep: impl Fn(&Record) -> bool) -> Vec<Handle> {
        self.table
            .borrow()
            .records()
            .filter(|record| keep(record))
            .map(|record| record.handle.get())
            .collect()
    }
}

/// Frees what a job has besides its stack.
#[inline]
fn detach(record: &Record) {
    record.free_args();
    if record.kind().raw {
        let handle = record.handle.get();
        record.with_ctx(|ctx| {
            directory::withdraw(handle);
            ctx.remove_raw_job(handle);
        });
    }
}

/// Reports a lost job, to the list of leaks and to strict mode.
fn report_lost(suspect: Suspect, reason: LeakReason, call: Call) {
    stats::report_leak(suspect.job.unwrap_or_default(), suspect.token, reason);
    strict::report(Rule::JobLeaked, suspect, call);
}

/// Continues a caught panic. Drops it instead when the thread panics already, because a second panic would
/// abort.
pub(super) fn raise(panic: Option<Panic>) {
    match panic {
        Some(payload) if thread::panicking() => drop_payload(payload),
        Some(payload) => panic::resume_unwind(payload),
        None => {}
    }
}

/// Drops the payload of a panic that goes no further. A payload of a user's type may panic in its destructor,
/// and the payload of that panic may do the same: the first panic is stopped, the second payload is leaked.
pub(super) fn drop_payload(payload: Panic) {
    if let Err(again) = panic::catch_unwind(AssertUnwindSafe(|| drop(payload))) {
        mem::forget(again);
    }
}
