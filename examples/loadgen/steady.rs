//! Whether a row's throughput was steady: the rule by which storage devices are measured.
//!
//! ```text
//!   row       │ round 1 │ round 2 │ round 3 │ round 4 │ round 5 │
//!   done        ├── highest - lowest: at most 20 % of the mean ──┤
//!   best line   ├── from its start to its end: at most 10 % ─────┤
//! ```
//!
//! The rule is after the definition of steady state in SNIA's Solid State Storage Performance Test
//! Specification, version 2.0.1: the range of five rounds, and that of their best linear fit. There a round
//! is a run of the whole test, here a fifth of the row. In an open loop the schedule decides what is sent, so
//! there it is the share of what was intended that must be steady.

use std::time::Duration;

/// Rounds of a row.
const ROUNDS: usize = 5;

/// What the highest and the lowest round may differ by, in shares of the mean.
const RANGE: f64 = 0.20;

/// What the ends of the best-fit line may differ by, in shares of the mean.
const EXCURSION: f64 = 0.10;

/// With fewer in a round, a few more or less would be a tenth of it: nothing is said then.
const LEAST: f64 = 100.0;

/// Slices that events are counted in.
const SLICES: usize = 640;

/// Events over time, in slices that double when the row outgrows them.
#[derive(Clone)]
pub(crate) struct Counts {
    slices: Box<[u64]>,
    /// A slice has two to the power of this many nanoseconds.
    width: u32,
}

impl Counts {
    pub(crate) fn new() -> Self {
        Self { slices: vec![0; SLICES].into(), width: 10 }
    }

    /// Counts an event, so many nanoseconds after the start.
    pub(crate) fn record(&mut self, nanos: u64) {
        let mut index = nanos >> self.width;
        while index >= SLICES as u64 {
            self.double();
            index = nanos >> self.width;
        }
        self.slices[usize::try_from(index).unwrap_or(0)] += 1;
    }

    /// Adds those of another thread that began at the same time.
    pub(crate) fn add(&mut self, mut other: Self) {
        while other.width < self.width {
            other.double();
        }
        while self.width < other.width {
            self.double();
        }
        self.slices.iter_mut().zip(&other.slices).for_each(|(sum, count)| *sum += count);
    }

    fn double(&mut self) {
        for index in 0..SLICES / 2 {
            self.slices[index] = self.slices[2 * index] + self.slices[2 * index + 1];
        }
        self.slices[SLICES / 2..].fill(0);
        self.width += 1;
    }

    /// How many there were in each fifth of a row that took so long. What a border cuts is divided.
    fn rounds(&self, row: Duration) -> [f64; ROUNDS] {
        let slice = Duration::from_nanos(1 << self.width).as_secs_f64();
        let round = row.as_secs_f64() / 5.0;
        let mut rounds = [0.0; ROUNDS];
        for (index, count) in (0_u32..).zip(&self.slices) {
            let (from, to) = (f64::from(index) * slice, f64::from(index + 1) * slice);
            for (number, sum) in (0_u32..).zip(&mut rounds) {
                let (start, mut end) = (f64::from(number) * round, f64::from(number + 1) * round);
                if number == 4 {
                    end = f64::INFINITY;
                }
                let shared = (to.min(end) - from.max(start)).max(0.0);
                *sum += as_f64(*count) * shared / slice;
            }
        }
        rounds
    }
}

fn mean(rounds: &[f64; ROUNDS]) -> f64 {
    rounds.iter().sum::<f64>() / 5.0
}

#[expect(clippy::cast_precision_loss, reason = "a share does not need the last digits of a count")]
const fn as_f64(count: u64) -> f64 {
    count as f64
}

/// How a row's rounds differ.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Steadiness {
    /// From the lowest round to the highest one, in shares of the mean.
    pub(crate) range: f64,
    /// From the start of the best-fit line to its end, in shares of the mean.
    pub(crate) excursion: f64,
}

impl Steadiness {
    /// `intended` where a schedule decided. `None`: too little was done to tell.
    pub(crate) fn of(done: &Counts, intended: Option<&Counts>, row: Duration) -> Option<Self> {
        let mut rounds = done.rounds(row);
        let base = intended.map_or(rounds, |intended| intended.rounds(row));
        // A closed loop may have done next to nothing in one round, which tells a lot; a schedule does not.
        let told_by =
            if intended.is_some() { base.iter().copied().fold(f64::MAX, f64::min) } else { mean(&base) };
        if told_by < LEAST {
            return None;
        }
        if intended.is_some() {
            rounds.iter_mut().zip(base).for_each(|(done, intended)| *done /= intended);
        }
        let mean = mean(&rounds).max(f64::MIN_POSITIVE);
        let highest = rounds.iter().copied().fold(f64::MIN, f64::max);
        let lowest = rounds.iter().copied().fold(f64::MAX, f64::min);
        // Least squares over -2, -1, 0, 1, 2, whose squares sum up to 10; the line spans four steps.
        let slope = (2.0 * (rounds[4] - rounds[0]) + rounds[3] - rounds[1]) / 10.0;
        Some(Self { range: (highest - lowest) / mean, excursion: 4.0 * slope.abs() / mean })
    }

    pub(crate) fn is_steady(&self) -> bool {
        self.range <= RANGE && self.excursion <= EXCURSION
    }

    /// One line where it was not.
    pub(crate) fn warning(&self) -> Option<String> {
        (!self.is_steady()).then(|| {
            format!(
                "throughput was not steady: between fifths of the row it differs by {:.0} % (allowed are {:.0} \
                 %), its trend by {:.0} % (allowed are {:.0} %); a longer --duration or --warmup may help",
                100.0 * self.range,
                100.0 * RANGE,
                100.0 * self.excursion,
                100.0 * EXCURSION,
            )
        })
    }
}
