//! A closed loop: every job starts its next operation when the one before has ended.
//!
//! ```text
//!   slot 0   ├─ op ─┤├─ op ─┤├────── slow ──────┤├─ op ─┤
//!   slot 1   ├─ op ─┤├─ op ─┤├────── slow ──────┤├─ op ─┤      while the device is slow, nothing more is sent
//! ```
//!
//! It finds the most that a device can do. A halt of the device hits one operation of each slot, however long
//! it is, so it hardly shows in percentiles: the open loop is there for that.

use std::time::Instant;

use crate::failure::Failure;
use crate::interrupt;
use crate::load::Run;
use crate::plan::Limit;

impl Run<'_> {
    pub(crate) fn run_closed(&mut self) -> Result<(), Failure> {
        let started = self.meter.start();
        for slot in 0..self.slots() {
            if self.wants_more(started) {
                self.start(slot, None)?;
            }
        }
        while self.outstanding > 0 {
            while let Some((slot, done)) = self.runner.pop_finished() {
                let now = self.finish(slot, done);
                if self.wants_more(now) {
                    self.start(slot, None)?;
                }
            }
            if self.outstanding > 0 {
                self.wait(None)?;
            }
        }
        Ok(())
    }

    /// The first operation always runs, however short the time. After a signal no other does.
    fn wants_more(&self, now: Instant) -> bool {
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
