//! A closed loop: every job starts its next operation when the one before has ended.
//!
//! ```text
//!   slot 0   ├─ op ─┤├─ op ─┤├────── slow ──────┤├─ op ─┤
//!   slot 1   ├─ op ─┤├─ op ─┤├────── slow ──────┤├─ op ─┤      while the device is slow, nothing more is sent
//! ```
//!
//! It finds the most that a device can do. A halt of the device hits one operation of each slot, however long
//! it is, so it hardly shows in percentiles: the open loop is there for that.

use std::collections::VecDeque;
use std::time::Instant;

use crate::failure::Failure;
use crate::interrupt;
use crate::load::Run;
use crate::plan::Limit;

impl Run<'_> {
    pub(crate) fn run_closed(&mut self) -> Result<(), Failure> {
        self.meter.start(self.starts);
        let mut idle: VecDeque<usize> = (0..self.slots()).collect();
        loop {
            self.start_some(&mut idle)?;
            // All are in flight before the first look at what has ended.
            if !idle.is_empty() && !self.runner.has_finished() {
                continue;
            }
            if self.outstanding == 0 {
                return Ok(());
            }
            if !self.runner.has_finished() && self.runner.ready() == 0 {
                self.wait(None)?;
            }
            self.reap(&mut idle)?;
        }
    }

    /// Starts as many operations as may share a reading of the clock. One that ends at once has blocked the
    /// thread, so no other shares it.
    fn start_some(&mut self, idle: &mut VecDeque<usize>) -> Result<(), Failure> {
        if idle.is_empty() {
            return Ok(());
        }
        let now = self.meter.clock.now();
        self.begun = Some(now);
        for _ in 0..self.shared.most() {
            let Some(slot) = idle.pop_front() else { break };
            if self.wants_more(now) {
                self.start(slot, now.into())?;
            }
            if self.runner.has_finished() {
                break;
            }
        }
        Ok(())
    }

    /// The first operation always runs, however short the time. After a signal no other does.
    fn wants_more(&mut self, now: Instant) -> bool {
        if interrupt::is_requested() {
            return self.meter.ops + self.outstanding == 0;
        }
        match self.limit {
            Limit::Ops(ops) => self.meter.ops + self.outstanding < ops,
            Limit::Time(time) => self.meter.is_before(now, time) || self.meter.ops + self.outstanding == 0,
            Limit::Either { time, ops } => {
                self.meter.ops + self.outstanding < ops && self.meter.is_before(now, time)
            }
        }
    }
}
