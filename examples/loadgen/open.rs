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
//!
//! Without jobs an operation blocks the thread that would send the next one. What is due meanwhile waits in a
//! backlog and is sent in turn, so one is in flight; late is then what the generator itself has lost, from
//! the end of the operation ahead.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use nix::sys::prctl;

use crate::failure::Failure;
use crate::interrupt;
use crate::load::Run;
use crate::meter::{Asked, Meter};
use crate::plan::Limit;
use crate::stages::{Stages, Times};

/// A send is late when it is this much later than intended.
pub(crate) const LATE: Duration = Duration::from_micros(100);

/// A send that would be later than this is dropped.
pub(crate) const TOO_LATE: Duration = Duration::from_millis(1);

/// Sends between two looks at what has ended.
const SENDS: usize = 8;

/// The most that wait where one is in flight; what is due then is dropped.
pub(crate) const BACKLOG: usize = 512;

/// Intended times that are looked at between two operations of a backlog.
const LOOKS: usize = 1024;

/// A sleep ends so much ahead of the next send, and for less than this nothing sleeps: a sleep ends some
/// microseconds late, and the rest is spun.
const AHEAD: Duration = Duration::from_micros(20);

/// After so long without a sleep the thread yields. On a busy host that costs it more than a send, so it does
/// not where sleeps are possible.
const RESTLESS: Duration = Duration::from_micros(200);

/// The longest sleep: a request to end the run is seen that soon.
const NAP: Duration = Duration::from_millis(100);

/// What became of the intended sends.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Sends {
    pub(crate) intended: u64,
    /// Sent, but more than [`LATE`] after the time when that was possible.
    pub(crate) late: u64,
    /// Not sent, because more than [`TOO_LATE`] had passed.
    pub(crate) dropped_late: u64,
    /// Not sent, because all jobs were in flight, or the backlog was full.
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

    pub(crate) const fn add(&mut self, other: &Self) {
        self.intended += other.intended;
        self.late += other.late;
        self.dropped_late += other.dropped_late;
        self.dropped_full += other.dropped_full;
    }
}

/// The sender's side while a row runs.
struct Sender {
    started: Instant,
    times: Times,
    stages: Option<Stages>,
    /// The next intended time, counted from the start, and its stage; `None`: there is no further one.
    next: Option<(Duration, usize)>,
    intended: u64,
    free: Vec<usize>,
    /// A stage each; one where there are none.
    sends: Vec<Sends>,
    /// What is due and waits for the operation in flight, where that blocks the thread.
    backlog: VecDeque<(Instant, usize)>,
    /// When the last operation ended that has blocked the thread.
    unblocked: Instant,
    /// When the thread has left the processor to others last.
    rested: Instant,
}

impl Run<'_> {
    /// Sends by `times` until the limit. Returns what became of each stage's sends.
    pub(crate) fn run_open(&mut self, times: Times, stages: Option<Stages>) -> Result<Vec<Sends>, Failure> {
        let _fine = FineSleep::begin();
        let free = (0..self.slots()).rev().collect();
        let started = self.meter.start(self.starts);
        let mut sender = Sender {
            started,
            times,
            sends: vec![Sends::default(); stages.as_ref().map_or(1, Stages::len)],
            stages,
            next: None,
            intended: 0,
            free,
            backlog: VecDeque::new(),
            unblocked: started,
            rested: started,
        };
        sender.advance(self.limit, &mut self.meter);
        while sender.next.is_some() || self.outstanding > 0 || !sender.backlog.is_empty() {
            if interrupt::is_requested() {
                sender.stop();
            }
            if self.runner.has_many() {
                self.send_due(&mut sender)?
            } else {
                self.send_in_turn(&mut sender)?
            }
            if let Some(ended) = self.reap(&mut sender.free)? {
                sender.unblocked = ended;
            }
            if self.runner.ready() == 0 {
                self.wait_for(&mut sender)?;
            }
        }
        Ok(sender.sends)
    }

    /// Sends what is due, at most [`SENDS`].
    fn send_due(&mut self, sender: &mut Sender) -> Result<(), Failure> {
        for _ in 0..SENDS {
            let now = self.meter.clock.now();
            let Some((intended, stage)) = sender.due(now) else { break };
            let lag = now.duration_since(intended);
            if lag > TOO_LATE {
                sender.sends[stage].dropped_late += 1;
            } else if let Some(slot) = sender.free.pop() {
                sender.sends[stage].late += u64::from(lag > LATE);
                self.start(slot, Asked { intended, sent: now })?;
            } else {
                sender.sends[stage].dropped_full += 1;
            }
            sender.advance(self.limit, &mut self.meter);
        }
        Ok(())
    }

    /// Puts what is due into the backlog, and sends the first of that.
    fn send_in_turn(&mut self, sender: &mut Sender) -> Result<(), Failure> {
        for _ in 0..LOOKS {
            let now = self.meter.clock.now();
            let Some((intended, stage)) = sender.due(now) else { break };
            if sender.lag(intended, now) > TOO_LATE {
                sender.sends[stage].dropped_late += 1;
            } else if sender.backlog.len() < BACKLOG {
                sender.backlog.push_back((intended, stage));
            } else {
                sender.sends[stage].dropped_full += 1;
            }
            sender.advance(self.limit, &mut self.meter);
        }
        let Some((intended, stage)) = sender.backlog.pop_front() else { return Ok(()) };
        let now = self.meter.clock.now();
        sender.sends[stage].late += u64::from(sender.lag(intended, now) > LATE);
        self.start(0, Asked { intended, sent: now })
    }

    /// Looks for what has ended; sleeps while there is enough time until the next send.
    fn wait_for(&mut self, sender: &mut Sender) -> Result<(), Failure> {
        if !sender.backlog.is_empty() {
            return Ok(());
        }
        let Some((next, _)) = sender.next else {
            return if self.outstanding > 0 { self.wait(None) } else { Ok(()) };
        };
        let now = self.meter.clock.now();
        let left = (sender.started + next).saturating_duration_since(now);
        if self.meter.clock.is_virtual() {
            return self.wait(Some(left));
        }
        let sleeps = left.saturating_sub(AHEAD).min(NAP);
        if self.runner.has_many() {
            self.wait(Some(sleeps))?;
        } else if !sleeps.is_zero() {
            std::thread::sleep(sleeps);
        }
        if !sleeps.is_zero() {
            sender.rested = now;
        } else if now.duration_since(sender.rested) > RESTLESS {
            // On one processor the device's worker needs the time.
            std::thread::yield_now();
            sender.rested = now;
        }
        Ok(())
    }
}

impl Sender {
    /// Sends nothing more: what was not sent was not intended.
    fn stop(&mut self) {
        for (_, stage) in self.backlog.drain(..) {
            self.sends[stage].intended -= 1;
        }
        if let Some((_, stage)) = self.next.take() {
            self.sends[stage].intended -= 1;
        }
    }

    /// The next send, if its time has come.
    fn due(&self, now: Instant) -> Option<(Instant, usize)> {
        let (next, stage) = self.next?;
        let intended = self.started + next;
        (intended <= now).then_some((intended, stage))
    }

    /// How long a blocked sender could have sent an operation by now, and has not.
    fn lag(&self, intended: Instant, now: Instant) -> Duration {
        now.saturating_duration_since(intended.max(self.unblocked))
    }

    /// Goes on to the next intended time, unless the row is over.
    fn advance(&mut self, limit: Limit, meter: &mut Meter) {
        let intended = self.intended;
        let in_time = |next: &Duration| match limit {
            Limit::Ops(ops) => intended < ops,
            Limit::Time(time) => *next < time,
            Limit::Either { time, ops } => intended < ops && *next < time,
        };
        let next = self.times.next().filter(in_time);
        self.next = next.map(|at| (at, self.stages.as_ref().map_or(0, |stages| stages.index_at(at))));
        if let Some((at, stage)) = self.next {
            self.intended += 1;
            self.sends[stage].intended += 1;
            meter.intend(at);
        }
    }
}

/// The kernel may end a thread's sleeps up to 50 µs late, to end several at once. While this lives it does
/// not.
struct FineSleep {
    before: Option<i32>,
}

impl FineSleep {
    fn begin() -> Self {
        let before = prctl::get_timerslack().ok();
        // Where it cannot be set, sends are late, which is counted.
        let _ = prctl::set_timerslack(1);
        Self { before }
    }
}

impl Drop for FineSleep {
    fn drop(&mut self) {
        if let Some(before) = self.before.and_then(|before| before.try_into().ok()) {
            let _ = prctl::set_timerslack(before);
        }
    }
}
