//! Placement of threads: the measuring thread on the first processor, workers on the others.
//!
//! A thread inherits the processors of its creator, so a device is opened, and a rival's worker started,
//! [`beside`] the measuring thread. With one processor all threads share it, and the figures of polling mean
//! little.

use nix::sched::{CpuSet, sched_getaffinity, sched_setaffinity};
use nix::unistd::Pid;

use crate::harness::Outcome;

/// The processors that the process was given.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Placement {
    all: CpuSet,
    first: CpuSet,
    others: CpuSet,
}

impl Placement {
    /// Moves the calling thread to the first processor that it may use.
    pub(crate) fn take() -> Outcome<Self> {
        let all = sched_getaffinity(this_thread())?;
        let (mut first, mut others) = (CpuSet::new(), CpuSet::new());
        let usable = (0..CpuSet::count()).filter(|cpu| all.is_set(*cpu).unwrap_or(false));
        for (position, cpu) in usable.enumerate() {
            if position == 0 { first.set(cpu)? } else { others.set(cpu)? }
        }
        if others == CpuSet::new() {
            others = first;
        }
        sched_setaffinity(this_thread(), &first)?;
        Ok(Self { all, first, others })
    }

    /// Calls `f` where workers run; threads that it starts stay there.
    pub(crate) fn beside<R>(&self, f: impl FnOnce() -> R) -> Outcome<R> {
        self.on(&self.others, f)
    }

    /// Calls `f` on the measuring thread's processor; threads that it starts share it.
    pub(crate) fn here<R>(&self, f: impl FnOnce() -> R) -> Outcome<R> {
        self.on(&self.first, f)
    }

    /// Calls `f` wherever the system runs it; threads that it starts run anywhere, too.
    pub(crate) fn anywhere<R>(&self, f: impl FnOnce() -> R) -> Outcome<R> {
        self.on(&self.all, f)
    }

    fn on<R>(&self, set: &CpuSet, f: impl FnOnce() -> R) -> Outcome<R> {
        sched_setaffinity(this_thread(), set)?;
        let result = f();
        sched_setaffinity(this_thread(), &self.first)?;
        Ok(result)
    }
}

fn this_thread() -> Pid {
    Pid::from_raw(0)
}
