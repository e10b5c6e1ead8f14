//! The threads of a row: each runs its share of the load, and what they have measured is added up.
//!
//! ```text
//!              warm-up                    row
//!   thread 0   prepare ─┐                 prepare ─┐
//!   thread 1   prepare ─┼─► load ─► sum   prepare ─┼─► load ─► sum
//!   thread 2   prepare ─┘                 prepare ─┘
//!                     all start at one moment, when the last is ready
//! ```
//!
//! A thread keeps its job stacks and its data from the warm-up for the row. One thread is the calling one.

use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::{Builder, Scope};
use std::time::{Duration, Instant};

use crate::failure::Failure;
use crate::load::{Measured, Run, Task};
use crate::plan::{Load, PlannedRow};
use crate::threads::Share;
use crate::workload::Workload;

/// From the moment when the last thread is ready to the start: all are awake by then.
const NOTICE: Duration = Duration::from_millis(1);

/// Runs a task on all threads of a row.
pub(crate) type RunTask<'a> = dyn FnMut(Task) -> Result<Measured, Failure> + 'a;

/// Gives `body` what runs tasks on the threads of the row.
pub(crate) fn with<R>(
    plan: &Load,
    planned: &PlannedRow,
    workload: &mut Workload,
    body: impl FnOnce(&mut RunTask<'_>) -> Result<R, Failure>,
) -> Result<R, Failure> {
    if plan.threads == 1 {
        return body(&mut |task| {
            Run::prepare(plan, planned, &task, Share::ALL, workload)?.run_through(plan, planned, &task, None)
        });
    }
    let mut parts = workload.split(plan.threads);
    let result = std::thread::scope(|scope| {
        let shares = (0..plan.threads).map(|thread| Share { thread, of: plan.threads });
        let members =
            shares.zip(&mut parts).map(|(share, part)| Member::start(scope, plan, planned, share, part));
        let members = members.collect::<Result<Vec<_>, _>>()?;
        body(&mut |task| together(&members, &task))
    });
    workload.join(parts);
    result
}

/// A thread that waits for tasks; it ends when this is dropped.
struct Member {
    tell: Sender<(Task, Ticket)>,
    given: Receiver<Result<Option<Measured>, Failure>>,
}

impl Member {
    fn start<'scope>(
        scope: &'scope Scope<'scope, '_>,
        plan: &'scope Load,
        planned: &'scope PlannedRow,
        share: Share,
        workload: &'scope mut Workload,
    ) -> Result<Self, Failure> {
        let (tell, told) = channel::<(Task, Ticket)>();
        let (give, given) = channel();
        let work = move || {
            while let Ok((task, ticket)) = told.recv() {
                let measured = part(plan, planned, &task, share, workload, ticket);
                // The last handle of the engine is then the one that has waited for this.
                drop(task);
                if give.send(measured).is_err() {
                    break;
                }
            }
        };
        let started = Builder::new().name(format!("loadgen {}", share.thread)).spawn_scoped(scope, work);
        let failed =
            |error| Failure::Run(format!("--threads: thread {} of {}: {error}", share.thread + 1, share.of));
        started.map(|_| Self { tell, given }).map_err(failed)
    }
}

/// A thread's share of a task; `None`: another thread could not begin.
fn part(
    plan: &Load,
    planned: &PlannedRow,
    task: &Task,
    share: Share,
    workload: &mut Workload,
    ticket: Ticket,
) -> Result<Option<Measured>, Failure> {
    let prepared = Run::prepare(plan, planned, task, share, workload);
    let starts = ticket.arrive(prepared.is_ok());
    let run = prepared?;
    starts.map(|starts| run.run_through(plan, planned, task, Some(starts))).transpose()
}

/// Runs a task on all threads, and adds up what they have measured.
fn together(members: &[Member], task: &Task) -> Result<Measured, Failure> {
    let gate = Arc::new(Gate::new(members.len()));
    for member in members {
        // A ticket that does not arrive says so to the others.
        let _ = member.tell.send((task.clone(), Ticket { gate: Some(Arc::clone(&gate)) }));
    }
    let (mut sum, mut failure): (Option<Measured>, _) = (None, None);
    for member in members {
        match member.given.recv() {
            Ok(Ok(Some(measured))) => match &mut sum {
                Some(sum) => sum.add(measured),
                None => sum = Some(measured),
            },
            Ok(Ok(None)) => {}
            Ok(Err(error)) => {
                failure.get_or_insert(error);
            }
            Err(ended) => {
                failure.get_or_insert_with(|| Failure::Run(format!("--threads: {ended}")));
            }
        }
    }
    match (failure, sum) {
        (None, Some(sum)) => Ok(sum),
        (failure, _) => Err(failure.unwrap_or_else(|| Failure::Run("--threads: no thread began".to_owned()))),
    }
}

/// Where threads wait for each other.
struct Gate {
    state: Mutex<State>,
    all_here: Condvar,
}

struct State {
    missing: usize,
    failed: bool,
    starts: Option<Instant>,
}

impl Gate {
    fn new(threads: usize) -> Self {
        let state = Mutex::new(State { missing: threads, failed: false, starts: None });
        Self { state, all_here: Condvar::new() }
    }
}

/// A thread's right to pass the gate once; dropped it counts as a thread that cannot begin.
struct Ticket {
    gate: Option<Arc<Gate>>,
}

impl Ticket {
    /// Waits for the others, where this thread can begin. Returns the moment at which all start; `None`: one
    /// of them cannot.
    fn arrive(mut self, can_begin: bool) -> Option<Instant> {
        let gate = self.gate.take()?;
        let mut state = gate.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.missing -= 1;
        state.failed |= !can_begin;
        if state.missing == 0 {
            state.starts = (!state.failed).then(|| Instant::now() + NOTICE);
            gate.all_here.notify_all();
        }
        if !can_begin {
            return None;
        }
        let here = gate.all_here.wait_while(state, |state| state.missing > 0);
        here.unwrap_or_else(PoisonError::into_inner).starts
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        if let Some(gate) = self.gate.take() {
            Self { gate: Some(gate) }.arrive(false);
        }
    }
}
