//! An axis: from where to where, and the places that have a label.
//!
//! ```text
//!   linear   0      0.5      1.0      1.5        steps of 1, 2 or 5 times a power of ten
//!   log      1 µs    10 µs   100 µs   1 ms       decades; 2 and 5 where there are few of them
//!   share    0    50     90     99     99.9  %    log of one in how many is beyond
//! ```

/// A place on an axis; without a label only a faint line.
pub(super) struct Tick {
    pub(super) at: f64,
    pub(super) label: Option<String>,
}

pub(super) struct Axis {
    /// What it shows, with the unit where labels have none.
    pub(super) title: String,
    is_log: bool,
    from: f64,
    to: f64,
    pub(super) ticks: Vec<Tick>,
}

/// How a label says its number.
#[derive(Clone, Copy)]
pub(super) enum Unit {
    /// Microseconds, said in ns, µs, ms or s.
    Time,
    /// With k, M, G.
    Count,
}

impl Axis {
    /// From 0 to at least `most`, in about five steps.
    pub(super) fn linear(title: impl Into<String>, most: f64, unit: Unit) -> Self {
        let most = if most.is_finite() && most > 0.0 { most } else { 1.0 };
        let step = nice_step(most / 5.0);
        let steps = (most / step - 1e-9).ceil().max(1.0);
        Self::stepped(title.into(), step, steps, step * steps, unit)
    }

    /// The same, but it ends at `most`.
    pub(super) fn linear_until(title: impl Into<String>, most: f64) -> Self {
        let most = if most.is_finite() && most > 0.0 { most } else { 1.0 };
        let step = nice_step(most / 5.0);
        Self::stepped(title.into(), step, (most / step + 1e-9).floor(), most, Unit::Count)
    }

    fn stepped(title: String, step: f64, steps: f64, to: f64, unit: Unit) -> Self {
        let places = std::iter::successors(Some(0.0), |at| Some(at + 1.0)).take_while(|at| *at <= steps);
        let ticks = places.map(|at| at * step).map(|at| Tick { at, label: Some(unit.label(at)) });
        Self { title, is_log: false, from: 0.0, to, ticks: ticks.collect() }
    }

    /// Whole decades around `least` and `most`.
    pub(super) fn log(title: impl Into<String>, least: f64, most: f64, unit: Unit) -> Self {
        let least = if least.is_finite() && least > 0.0 { least } else { 1.0 };
        let most = if most.is_finite() { most.max(least) } else { least };
        let low = (least.log10() + 1e-9).floor();
        let high = (most.log10() - 1e-9).ceil().max(low + 1.0);
        let decades = std::iter::successors(Some(low), |at| Some(at + 1.0)).take_while(|at| *at <= high);
        let few = high - low < 2.5;
        let every = ((high - low) / 8.0).ceil();
        let ticks = decades.flat_map(|decade| {
            (1..10).map(move |digit| {
                let shown = match digit {
                    1 => ((decade - low) % every) < 0.5,
                    2 | 5 => few,
                    _ => false,
                };
                let at = f64::from(digit) * 10_f64.powf(decade);
                Tick { at, label: shown.then(|| unit.label(at)) }
            })
        });
        let to = 10_f64.powf(high);
        let ticks = ticks.filter(|tick| tick.at <= to * (1.0 + 1e-9)).collect();
        Self { title: title.into(), is_log: true, from: 10_f64.powf(low), to, ticks }
    }

    /// Shares of 0 to 99.99 %. A point is the inverse of the share that is beyond: 99 % are at 100.
    pub(super) fn shares(title: impl Into<String>) -> Self {
        let labels = [(1.0, "0"), (2.0, "50"), (10.0, "90"), (1e2, "99"), (1e3, "99.9"), (1e4, "99.99")];
        let ticks = labels.map(|(at, label)| Tick { at, label: Some(label.to_owned()) });
        Self { title: title.into(), is_log: true, from: 1.0, to: 1e4, ticks: ticks.into() }
    }

    /// Values that have a name each, at 0, 1, 2 and so on. Where there are many, not every one is shown.
    pub(super) fn places(title: impl Into<String>, labels: Vec<String>) -> Self {
        let every = labels.len().div_ceil(8).max(1);
        let last = u16::try_from(labels.len().saturating_sub(1)).unwrap_or(u16::MAX).max(1);
        let ticks = labels.into_iter().zip(0_u16..);
        let ticks = ticks.map(|(label, index)| Tick {
            at: f64::from(index),
            label: usize::from(index).is_multiple_of(every).then_some(label),
        });
        Self { title: title.into(), is_log: false, from: 0.0, to: f64::from(last), ticks: ticks.collect() }
    }

    /// A log axis of times in microseconds.
    pub(super) fn of_latencies(values: impl Iterator<Item = f64>) -> Self {
        let (least, most) = ends(values);
        Self::log("latency (log scale)", least, most, Unit::Time)
    }

    /// A linear axis of rates where they are alike, a log one otherwise.
    pub(super) fn of_rates(values: impl Iterator<Item = f64>) -> Self {
        let (least, most) = ends(values);
        if most < least * 12.0 {
            Self::linear("operations/s", most, Unit::Count)
        } else {
            Self::log("operations/s (log scale; none: at the lower edge)", least, most, Unit::Count)
        }
    }

    /// Where a value is: 0 at the start of the axis, 1 at its end, and never beyond them. So 0 stands at the
    /// edge of a log axis.
    pub(super) fn position(&self, value: f64) -> f64 {
        let at = if self.is_log {
            (value / self.from).log10() / (self.to / self.from).log10()
        } else {
            (value - self.from) / (self.to - self.from)
        };
        // The logarithm of a negative number is none.
        if at.is_nan() { 0.0 } else { at.clamp(0.0, 1.0) }
    }
}

/// The least and the most of what is not 0.
fn ends(values: impl Iterator<Item = f64>) -> (f64, f64) {
    let known = values.filter(|value| value.is_finite() && *value > 0.0);
    known.fold((f64::INFINITY, 0.0), |(least, most), value| (value.min(least), value.max(most)))
}

/// 1, 2 or 5 times a power of ten, at least `least`.
fn nice_step(least: f64) -> f64 {
    let decade = 10_f64.powf(least.log10().floor());
    let times = [1.0, 2.0, 5.0, 10.0].into_iter().find(|times| times * decade >= least * (1.0 - 1e-9));
    times.unwrap_or(10.0) * decade
}

impl Unit {
    pub(super) fn label(self, value: f64) -> String {
        let units: &[(f64, &str)] = match self {
            Self::Time => &[(1e6, " s"), (1e3, " ms"), (1.0, " µs"), (1e-3, " ns")],
            Self::Count => &[(1e9, "G"), (1e6, "M"), (1e3, "k"), (1.0, "")],
        };
        let (scale, unit) = *units
            .iter()
            .find(|(scale, _)| value >= scale * (1.0 - 1e-9))
            .unwrap_or(if value == 0.0 || matches!(self, Self::Count) { &(1.0, "") } else { &units[3] });
        format!("{}{unit}", short(value / scale))
    }
}

/// As few digits as a label needs.
fn short(value: f64) -> String {
    let text = format!("{value:.3}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}
