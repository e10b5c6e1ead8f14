//! What a device of the model takes in a closed loop with constant times, in closed form.
//!
//! ```text
//!   N jobs ──► firmware F ──► link n·l, P ──► units C + n·r, c of them ──► link n·l, P ──► N jobs
//!
//!                                 F + P + C + P + n·(r + 2l)           C + n·r
//!   nanoseconds an operation = max( ────────────────────────── ,  F ,  ─────── ,  n·l )
//!                                            N                            c
//! ```
//!
//! A circle of N tokens through servers of constant times has no other limits, so this is exact. Each term is
//! linear in the five times, which is what the search for them lives on.

use super::points::Point;

/// How many times there are.
pub(super) const TIMES: usize = 5;

/// The index of each of them.
pub(super) const FIXED: usize = 0;
pub(super) const PER_BYTE: usize = 1;
pub(super) const FIRMWARE: usize = 2;
pub(super) const LINK_PER_BYTE: usize = 3;
pub(super) const LINK: usize = 4;

/// Nanoseconds, or nanoseconds a byte.
pub(super) type Times = [f64; TIMES];

/// What may decide how long a point takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Regime {
    /// One operation's way: there are too few jobs to keep a station busy.
    Way,
    /// A station that is never idle.
    Firmware,
    Units,
    Link,
}

impl Regime {
    pub(super) const ALL: [Self; 4] = [Self::Way, Self::Firmware, Self::Units, Self::Link];

    /// How many nanoseconds an operation takes for each nanosecond of the times.
    pub(super) fn row(self, point: &Point, units: f64) -> Times {
        let (n, jobs) = (point.size(), point.depth());
        match self {
            Self::Way => [1.0, n, 1.0, 2.0 * n, 2.0].map(|part| part / jobs),
            Self::Firmware => [0.0, 0.0, 1.0, 0.0, 0.0],
            Self::Units => [1.0 / units, n / units, 0.0, 0.0, 0.0],
            Self::Link => [0.0, 0.0, 0.0, n, 0.0],
        }
    }
}

/// What decides, and the nanoseconds an operation.
pub(super) fn slowest(point: &Point, units: f64, times: &Times) -> (Regime, f64) {
    let takes = |regime: Regime| {
        let row = regime.row(point, units);
        (regime, row.iter().zip(times).map(|(part, time)| part * time).sum::<f64>())
    };
    let all = Regime::ALL.map(takes);
    all.into_iter().reduce(|most, next| if next.1 > most.1 { next } else { most }).unwrap_or(all[0])
}

/// Errors, each as a share of what was measured.
pub(super) fn errors(points: &[Point], nsec_each: impl Fn(&Point) -> f64) -> Vec<f64> {
    points.iter().map(|point| nsec_each(point) / point.nsec_each - 1.0).collect()
}

/// The root of the mean square.
#[expect(clippy::cast_precision_loss, reason = "at most a thousand")]
pub(super) fn rms(errors: &[f64]) -> f64 {
    (errors.iter().map(|error| error * error).sum::<f64>() / errors.len().max(1) as f64).sqrt()
}

/// The largest.
pub(super) fn worst(errors: &[f64]) -> f64 {
    errors.iter().fold(0.0, |most, error| error.abs().max(most))
}
