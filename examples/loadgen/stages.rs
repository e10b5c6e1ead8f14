//! Stages: an open loop whose rate changes while it runs.
//!
//! ```text
//!   rate   2s:1000        2s:1000..5000        1s:0    1s:5000
//!                              ____----|
//!          ______________..----        |               |-------|
//!                                      |_______________|
//! ```
//!
//! Arrivals come from a process of rate 1, whose time is the number of operations to be expected so far; its
//! inverse says when that many are (Çinlar's method). So each way of spreading arrivals keeps its nature
//! while the rate changes, and a seed gives the same times again.

use std::time::Duration;

use serde_json::{Value, json};
use simaccel::grammar;

use crate::arrivals::Schedule;
use crate::open::Sends;
use crate::units::{grouped, parse_duration, short_time};

/// The longest run of a row, in seconds.
const MOST_SECONDS: u64 = 3600;

/// The highest rate.
const MOST_RATE: u32 = 1_000_000_000;

/// For a time the rate goes from one value to another, in operations a second.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Stage {
    pub(crate) time: Duration,
    pub(crate) from: u32,
    pub(crate) to: u32,
}

impl Stage {
    fn ops(&self) -> f64 {
        (f64::from(self.from) + f64::from(self.to)) / 2.0 * self.time.as_secs_f64()
    }

    /// When so many operations of the stage were to be sent, after its start: the root of
    /// `from t + (to - from) / 2 time t² = ops`, in the form that takes a slope of zero.
    fn at(&self, ops: f64) -> Duration {
        let from = f64::from(self.from);
        let bend = (f64::from(self.to) - from) / (2.0 * self.time.as_secs_f64());
        let under = 4.0_f64.mul_add(bend * ops, from * from).max(0.0);
        let seconds = 2.0 * ops / (from + under.sqrt()).max(f64::MIN_POSITIVE);
        Duration::try_from_secs_f64(seconds).unwrap_or(self.time).min(self.time)
    }

    /// As the option takes it.
    fn text(&self) -> String {
        let (time, from) = (short_time(self.time).replace(' ', ""), self.from);
        if from == self.to { format!("{time}:{from}") } else { format!("{time}:{from}..{}", self.to) }
    }
}

/// The stages of a row, in their order.
#[derive(Clone, Debug)]
pub(crate) struct Stages(Vec<Stage>);

impl Stages {
    /// `TIME:RATE` or `TIME:RATE..RATE`, with commas in between.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let stages: Option<Vec<Stage>> = text.split(',').map(parse_stage).collect();
        let stages = Self(stages.ok_or_else(|| {
            format!(
                "allowed are stages TIME:RATE or TIME:RATE..RATE, as in 2s:1000,500ms:1000..5000,1s:0, with \
                 rates of 0 to {MOST_RATE} operations a second"
            )
        })?);
        if stages.ops() <= 0.0 {
            return Err("needs a stage with a rate above 0".to_owned());
        }
        if stages.time() > Duration::from_secs(MOST_SECONDS) {
            return Err(format!("allowed are {MOST_SECONDS}s together"));
        }
        Ok(stages)
    }

    pub(crate) fn time(&self) -> Duration {
        self.0.iter().map(|stage| stage.time).sum()
    }

    fn ops(&self) -> f64 {
        self.0.iter().map(Stage::ops).sum()
    }

    /// In operations a second, over all of them.
    pub(crate) fn mean_rate(&self) -> f64 {
        self.ops() / self.time().as_secs_f64()
    }

    /// Which stage a time after the start is in.
    pub(crate) fn index_at(&self, at: Duration) -> usize {
        let mut end = Duration::ZERO;
        let ended = |stage: &Stage| {
            end += stage.time;
            end <= at
        };
        self.0.iter().copied().take_while(ended).count().min(self.0.len() - 1)
    }

    pub(crate) const fn len(&self) -> usize {
        self.0.len()
    }

    /// Each stage with what became of its sends.
    pub(crate) fn json(&self, sends: &[Sends]) -> Value {
        let stage = |(stage, sends): (&Stage, &Sends)| {
            json!({
                "seconds": stage.time.as_secs_f64(),
                "rate_from": stage.from,
                "rate_to": stage.to,
                "intended": sends.intended,
                "late_sends": sends.late,
                "dropped": sends.dropped(),
                "dropped_late": sends.dropped_late,
            })
        };
        self.0.iter().zip(sends).map(stage).collect()
    }

    /// A line for each stage.
    pub(crate) fn summary(&self, sends: &[Sends]) -> impl Iterator<Item = String> {
        let line = |(stage, sends): (&Stage, &Sends)| {
            format!(
                "stage {}: {} to send, {} late, {} dropped",
                stage.text(),
                grouped(sends.intended),
                grouped(sends.late),
                grouped(sends.dropped()),
            )
        };
        self.0.iter().zip(sends).map(line)
    }
}

fn parse_stage(text: &str) -> Option<Stage> {
    let (time, rate) = text.trim().split_once(':')?;
    let number = |text: &str| grammar::within(text, 0..=MOST_RATE);
    let (from, to) = match rate.split_once("..") {
        Some((from, to)) => (number(from)?, number(to)?),
        None => (number(rate)?, number(rate)?),
    };
    Some(Stage { time: parse_duration(time).ok()?, from, to })
}

/// The intended times of sending, counted from the start.
pub(crate) enum Times {
    /// At one rate, without an end.
    Even(Schedule),
    /// By stages, with the end of the last one.
    Staged {
        /// Of rate 1: its time, in seconds, is a number of operations.
        units: Schedule,
        stages: Stages,
        index: usize,
        /// Operations and time of the stages before.
        before: (f64, Duration),
    },
}

impl Times {
    /// `units` has the rate 1.
    pub(crate) const fn staged(units: Schedule, stages: Stages) -> Self {
        Self::Staged { units, stages, index: 0, before: (0.0, Duration::ZERO) }
    }
}

impl Iterator for Times {
    type Item = Duration;

    fn next(&mut self) -> Option<Duration> {
        match self {
            Self::Even(schedule) => schedule.next(),
            Self::Staged { units, stages, index, before } => {
                let ops = units.next()?.as_secs_f64();
                loop {
                    let stage = stages.0.get(*index)?;
                    if ops - before.0 < stage.ops() {
                        return Some(before.1 + stage.at(ops - before.0));
                    }
                    *before = (before.0 + stage.ops(), before.1 + stage.time);
                    *index += 1;
                }
            }
        }
    }
}
