//! How long requests occupy a unit.
//!
//! ```text
//!   bytes ─► fixed + bytes / rate, or a line between two points ─► warm-up ─► whole nanoseconds
//!                                                                              └─► the rest: to the next request
//! ```

use std::fmt::{Display, Write};

use super::Arrival;
use super::setup::thousandths;

/// Parts of a nanosecond.
const PARTS: u128 = 1 << 24;
/// No time is longer.
const LONGEST: u128 = PARTS << 47;

/// The service times of a device.
#[derive(Clone, Debug)]
pub(crate) enum Service {
    Computed(Computed),
    /// As a device draws them that has this in its configuration, request by request.
    Drawn {
        text: String,
        nsec: Vec<u64>,
    },
}

/// Times without chance.
#[derive(Clone, Debug)]
pub(crate) struct Computed {
    /// The general keys.
    pub(crate) general: Entry,
    /// With an entry of its own, and what that is for.
    pub(crate) entries: Vec<(&'static str, Entry)>,
    /// This many requests take this many percent.
    pub(crate) warm_up: (u64, u64),
}

impl Service {
    /// This long, and the time of the bytes at this many thousandths of 10^6 bytes a second; 0: they take no
    /// time.
    pub(crate) fn linear(nsec: u64, rate: u64) -> Self {
        Self::Computed(Computed {
            general: Entry::linear(nsec, rate),
            entries: Vec::new(),
            warm_up: (0, 100),
        })
    }

    /// Of the request (or batch) with this number, which is of this kind and has this many bytes.
    pub(super) fn of(&mut self, number: usize, kind: &Arrival, bytes: u64) -> u64 {
        match self {
            Self::Computed(computed) => computed.of(kind, bytes),
            Self::Drawn { nsec, .. } => nsec[number],
        }
    }

    pub(super) fn write(&self, set: &mut dyn FnMut(&str, &dyn Display, bool)) {
        match self {
            Self::Computed(computed) => computed.write(set),
            Self::Drawn { text, .. } => {
                for (key, value) in text.split(';').filter_map(|item| item.split_once('=')) {
                    set(key, &value, true);
                }
            }
        }
    }
}

impl Computed {
    fn of(&mut self, kind: &Arrival, bytes: u64) -> u64 {
        let percent = if self.warm_up.0 > 0 { self.warm_up.1 } else { 100 };
        self.warm_up.0 = self.warm_up.0.saturating_sub(1);
        match self.entries.iter_mut().find(|(what, _)| *what == kind.operation()) {
            None => self.general.next(bytes, percent),
            Some((_, entry)) => {
                // It could have served it.
                self.general.next(bytes, 100);
                entry.next(bytes, percent)
            }
        }
    }

    fn write(&self, set: &mut dyn FnMut(&str, &dyn Display, bool)) {
        let Mean::Linear { nsec, rate } = self.general.mean else {
            panic!("the general keys have no points")
        };
        set("completion_nsec", &nsec, nsec > 0);
        set("mbps", &thousandths(rate), rate > 0);
        for (what, entry) in &self.entries {
            set("service", &format!("{what}:{}", entry.mean.text()), true);
        }
        let (requests, percent) = self.warm_up;
        set("warmup", &format!("{requests}:{percent}"), requests > 0);
    }
}

/// Where times come from, and what is left of them.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    mean: Mean,
    rest: u128,
}

#[derive(Clone, Debug)]
enum Mean {
    Linear {
        nsec: u64,
        rate: u64,
    },
    /// Bytes and nanoseconds.
    Points(Vec<(u64, u64)>),
}

impl Entry {
    pub(crate) fn linear(nsec: u64, rate: u64) -> Self {
        Self { mean: Mean::Linear { nsec, rate }, rest: 0 }
    }

    pub(crate) fn points(points: Vec<(u64, u64)>) -> Self {
        Self { mean: Mean::Points(points), rest: 0 }
    }

    pub(super) fn next(&mut self, bytes: u64, percent: u64) -> u64 {
        let mean = match &self.mean {
            Mean::Linear { nsec, rate } => u128::from(*nsec) * PARTS + transfer(bytes, *rate),
            Mean::Points(points) => on_line(points, bytes),
        };
        let warm = mean.min(LONGEST) * u128::from(percent) / 100;
        let all = warm.min(LONGEST) + self.rest;
        self.rest = all % PARTS;
        u64::try_from(all / PARTS).unwrap_or(u64::MAX)
    }
}

impl Mean {
    fn text(&self) -> String {
        match self {
            Self::Linear { nsec, rate } => format!("nsec={nsec},mbps={}", thousandths(*rate)),
            Self::Points(points) => {
                let mut text = "points=".to_owned();
                for (number, (bytes, nsec)) in points.iter().enumerate() {
                    let separator = if number > 0 { "/" } else { "" };
                    write!(text, "{separator}{bytes}:{nsec}").expect("a string takes all");
                }
                text
            }
        }
    }
}

/// In parts of a nanosecond, rounded up, of a byte's time in 2^-64 ns, which is cut.
fn transfer(bytes: u64, rate: u64) -> u128 {
    let a_byte = (1_000_000_u128 << 64).checked_div(u128::from(rate)).unwrap_or(0);
    (a_byte * u128::from(bytes)).div_ceil(1 << 40)
}

/// In parts of a nanosecond, cut, of a slope in 2^-40 ns a byte, which is cut towards 0.
fn on_line(points: &[(u64, u64)], bytes: u64) -> u128 {
    let (first, nsec) = points[0];
    if bytes < first || points.len() == 1 {
        return u128::from(nsec) * PARTS;
    }
    let line = points.windows(2).rev().find(|line| line[0].0 <= bytes).expect("the first point is below");
    let [(from, start), (to, end)] =
        [line[0], line[1]].map(|(bytes, nsec)| (i128::from(bytes), i128::from(nsec)));
    let slope = ((end - start) << 40) / (to - from);
    // From the last point at or below it.
    let (from, start) = if i128::from(bytes) >= to { (to, end) } else { (from, start) };
    let parts = (start << 24) + ((slope * (i128::from(bytes) - from)) >> 16);
    u128::try_from(parts).unwrap_or(0)
}
