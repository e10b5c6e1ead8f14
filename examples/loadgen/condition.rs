//! A condition on a row, as in `p99<2ms`: what `--threshold` has to hold, and what `--find-max` searches by.
//!
//! ```text
//!   condition  METRIC ( "<" | ">" ) VALUE
//!   METRIC     min, mean, p50, p90, p99, p999, max    latency; VALUE is a time: 1ms, 1.5ms, 200us, 50ns, 1s
//!              ops                                    operations a second; VALUE is a number
//!              errors                                 operations that failed; VALUE is a number
//! ```
//!
//! Blanks around the parts are ignored. Numbers have up to three decimals.

use std::fmt;
use std::str::FromStr;

use simaccel::grammar;

/// A bound on one of a row's figures.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Condition {
    pub(crate) metric: Metric,
    comparison: Comparison,
    /// In microseconds where the metric is a latency.
    value: f64,
}

/// A figure of a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Metric {
    Min,
    Mean,
    P50,
    P90,
    P99,
    P999,
    Max,
    /// Operations a second.
    Ops,
    /// Operations that failed.
    Errors,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Comparison {
    Below,
    Above,
}

/// Units of time, the longest first, in microseconds; the first spelling of each is the one that is printed.
const UNITS: [(&str, f64); 5] = [("s", 1e6), ("ms", 1e3), ("us", 1.0), ("µs", 1.0), ("ns", 1e-3)];

impl Metric {
    const ALL: [Self; 9] = [
        Self::Min,
        Self::Mean,
        Self::P50,
        Self::P90,
        Self::P99,
        Self::P999,
        Self::Max,
        Self::Ops,
        Self::Errors,
    ];

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Min => "min",
            Self::Mean => "mean",
            Self::P50 => "p50",
            Self::P90 => "p90",
            Self::P99 => "p99",
            Self::P999 => "p999",
            Self::Max => "max",
            Self::Ops => "ops",
            Self::Errors => "errors",
        }
    }

    pub(crate) const fn is_latency(self) -> bool {
        !matches!(self, Self::Ops | Self::Errors)
    }
}

impl Condition {
    /// Whether a row with this figure holds the condition. A row without the figure, because nothing ended,
    /// does not.
    pub(crate) fn holds(&self, figure: Option<f64>) -> bool {
        figure.is_some_and(|figure| match self.comparison {
            Comparison::Below => figure < self.value,
            Comparison::Above => figure > self.value,
        })
    }

    /// Whether more load can only break it: an upper bound on a latency or on errors.
    pub(crate) fn bounds_load(&self) -> bool {
        self.comparison == Comparison::Below && self.metric != Metric::Ops
    }
}

impl FromStr for Condition {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let allowed = || {
            let names = Metric::ALL.map(Metric::name).join(", ");
            format!("allowed are METRIC<VALUE and METRIC>VALUE, as in p99<2ms; METRIC is one of {names}")
        };
        let at = text.find(['<', '>']).ok_or_else(allowed)?;
        let (name, value) = (text[..at].trim(), text[at + 1..].trim());
        let metric = Metric::ALL.into_iter().find(|metric| metric.name() == name).ok_or_else(allowed)?;
        let comparison = if text[at..].starts_with('<') { Comparison::Below } else { Comparison::Above };
        let parsed = if metric.is_latency() { time(value) } else { decimal(value) };
        let value = parsed.ok_or_else(|| {
            let value =
                if metric.is_latency() { "a time, as in 1.5ms, 200us, 50ns or 1s" } else { "a number" };
            format!("{name} is compared with {value}")
        })?;
        Ok(Self { metric, comparison, value })
    }
}

/// Microseconds.
fn time(text: &str) -> Option<f64> {
    let digits = text.trim_end_matches(|c: char| c.is_alphabetic());
    let unit = UNITS.iter().find(|(unit, _)| *unit == &text[digits.len()..])?;
    Some(decimal(digits.trim_end())? * unit.1)
}

#[expect(clippy::cast_precision_loss, reason = "a bound has few digits")]
fn decimal(text: &str) -> Option<f64> {
    grammar::thousandths(text).map(|thousandths| thousandths as f64 / 1e3)
}

impl fmt::Display for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.comparison == Comparison::Below { '<' } else { '>' };
        write!(f, "{}{sign}", self.metric.name())?;
        if !self.metric.is_latency() {
            return write!(f, "{}", self.value);
        }
        let fits = UNITS.iter().find(|(_, micros)| self.value >= *micros);
        let (unit, micros) = fits.unwrap_or(&UNITS[UNITS.len() - 1]);
        // What was read has three decimals at most, in its own unit; nanoseconds have them in microseconds.
        let digits = format!("{:.6}", self.value / micros);
        write!(f, "{}{unit}", digits.trim_end_matches('0').trim_end_matches('.'))
    }
}
