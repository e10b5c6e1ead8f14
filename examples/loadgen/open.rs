//! An open loop: operations are sent by the clock, whether or not those before have ended.
//!
//! ```text
//!   intended        |      |      |      |      |      |
//!   sent            |      |      | late |      × dropped: no job is free, or more than 1 ms late
//!                   ├──────┤ service time: from the sending
//!                         ├┴──────┤ latency: from the intended time, so what waits to be sent counts, too
//! ```
//!
//! What the generator misses it does not send later in a burst, which would be another load than the one that
//! was asked for. It counts it.

use std::time::{Duration, Instant};

use crate::arrivals::Schedule;
use crate::failure::Failure;
use crate::load::Run;
use crate::plan::Limit;

/// A send is late when it is this much later than intended.
pub(crate) const LATE: Duration = Duration::from_micros(100);

/// A send that would be later than this is dropped.
pub(crate) const TOO_LATE: Duration = Duration::from_millis(1);

/// Sends between two looks at what has ended.
const SENDS: usize = 8;

/// A sleep ends so much ahead of the next send; for less than this nothing sleeps, because a sleep may end
/// late.
const AHEAD: Duration = Duration::from_millis(1);

/// What became of the intended sends.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Sends {
    pub(crate) intended: u64,
    /// Sent, but more than [`LATE`] after the intended time.
    pub(crate) late: u64,
    /// Not sent, because more than [`TOO_LATE`] had passed.
    pub(crate) dropped_late: u64,
    /// Not sent, because all jobs were in flight.
    pub(crate) dropped_full: u64,
}

impl Sends {
    pub(crate) const fn dropped(&self) -> u64 {
        self.dropped_late + self.dropped_full
    }

    /// Whether more than one in a hundred was late, or dropped for that: the generator does not keep up.
    pub(crate) const fn fall_behind(&self) -> bool {
        (self.late + self.dropped_late) * 100 > self.intended
    }
}

/// The sender's side while a row runs.
struct Sender {
    started: Instant,
    schedule: Schedule,
    /// The next intended time, counted from the start; `None`: there is no further one.
    next: Option<Duration>,
    free: Vec<usize>,
    sends: Sends,
}

impl Run<'_> {
    pub(crate) fn run_open(&mut self, schedule: Schedule) -> Result<Sends, Failure> {
        let free = (0..self.slots()).rev().collect();
        let started = self.meter.start();
        let mut sender = Sender { started, schedule, next: None, free, sends: Sends::default() };
        sender.advance(self.limit);
        while sender.next.is_some() || self.outstanding > 0 {
            self.send_due(&mut sender)?;
            while let Some((slot, done)) = self.runner.pop_finished() {
                self.finish(slot, done);
                sender.free.push(slot);
            }
            self.wait_for(&sender)?;
        }
        Ok(sender.sends)
    }

    /// Sends what is due, at most [`SENDS`].
    fn send_due(&mut self, sender: &mut Sender) -> Result<(), Failure> {
        for _ in 0..SENDS {
            let Some(intended) = sender.next.map(|next| sender.started + next) else { break };
            let Some(lag) = self.meter.clock.now().checked_duration_since(intended) else { break };
            if lag > TOO_LATE {
                sender.sends.dropped_late += 1;
            } else if let Some(slot) = sender.free.pop() {
                sender.sends.late += u64::from(lag > LATE);
                self.start(slot, Some(intended))?;
            } else {
                sender.sends.dropped_full += 1;
            }
            sender.advance(self.limit);
        }
        Ok(())
    }

    /// Looks for what has ended; sleeps while there is enough time until the next send.
    fn wait_for(&mut self, sender: &Sender) -> Result<(), Failure> {
        let Some(next) = sender.next else {
            return if self.outstanding > 0 { self.runner.wait(None) } else { Ok(()) };
        };
        let left = (sender.started + next).saturating_duration_since(self.meter.clock.now());
        if self.meter.clock.is_virtual() {
            return self.runner.wait(Some(left));
        }
        let sleeps = left.saturating_sub(AHEAD);
        self.runner.wait(Some(sleeps))?;
        if sleeps < AHEAD {
            // On one processor the device's worker needs the time.
            std::thread::yield_now();
        }
        Ok(())
    }
}

impl Sender {
    /// Goes on to the next intended time, unless the row is over.
    fn advance(&mut self, limit: Limit) {
        let intended = self.sends.intended;
        let in_time = |next: &Duration| match limit {
            Limit::Ops(ops) => intended < ops,
            Limit::Time(time) => *next < time,
        };
        self.next = self.schedule.next().filter(in_time);
        self.sends.intended += u64::from(self.next.is_some());
    }
}
