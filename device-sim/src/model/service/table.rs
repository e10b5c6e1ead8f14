//! A table from sizes to times, with straight lines between its points.
//!
//! ```text
//!   time │            ╱ the last slope goes on, not below 0
//!        │        __●
//!        │     ●──
//!        │ ───●                      (16: 34480, 64: 34820, ...)
//!        └──────────── bytes
//! ```

use crate::model::transfer::{FINE_BITS, Fine};

/// Bits behind the point of a slope.
const SLOPE_BITS: u32 = 40;
/// What has more counts as this, so that products fit: 8 tebibytes.
const MOST_BYTES: u64 = 1 << 43;

/// Where a line begins, and how it goes on.
#[derive(Clone, Copy, Debug)]
struct Line {
    bytes: u64,
    nsec: u64,
    /// 2^-40 ns a byte.
    slope: i128,
}

/// Points that a configuration gives: at least one, in order.
#[derive(Debug)]
pub(super) struct Table(Vec<Line>);

impl Table {
    pub(super) fn new(points: &[(u64, u64)]) -> Self {
        let point = |(bytes, nsec): (u64, u64)| (bytes.min(MOST_BYTES), nsec);
        let slopes = points.windows(2).map(|pair| {
            let ((from, start), (to, end)) = (point(pair[0]), point(pair[1]));
            ((i128::from(end) - i128::from(start)) << SLOPE_BITS) / i128::from((to - from).max(1))
        });
        let mut slopes: Vec<i128> = slopes.collect();
        slopes.push(slopes.last().copied().unwrap_or(0));
        let lines = points.iter().zip(slopes).map(|(&given, slope)| {
            let (bytes, nsec) = point(given);
            Line { bytes, nsec, slope }
        });
        Self(lines.collect())
    }

    pub(super) fn at(&self, bytes: u64) -> Fine {
        let bytes = bytes.min(MOST_BYTES);
        match self.0[..self.0.partition_point(|line| line.bytes <= bytes)].last() {
            Some(line) => line.at(bytes),
            None => Fine::nsec(self.0.first().map_or(0, |first| first.nsec)),
        }
    }
}

impl Line {
    fn at(self, bytes: u64) -> Fine {
        let more = (self.slope * i128::from(bytes - self.bytes)) >> (SLOPE_BITS - FINE_BITS);
        let time = (i128::from(self.nsec) << FINE_BITS) + more;
        Fine::of(u128::try_from(time).unwrap_or(0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::transfer::Carry;

    #[track_caller]
    fn assert_times(points: &[(u64, u64)], expected: &[(u64, u64)]) {
        let table = Table::new(points);
        for (bytes, nsec) in expected {
            assert_eq!(Carry::default().whole(table.at(*bytes)), *nsec, "{bytes} bytes");
        }
    }

    #[test]
    fn a_time_between_two_points_lies_on_their_line() {
        let points = [(16, 1_000), (64, 1_480), (1_024, 1_480), (2_048, 456)];
        assert_times(
            &points,
            &[(16, 1_000), (17, 1_010), (40, 1_240), (64, 1_480), (100, 1_480), (1_024, 1_480)],
        );
        assert_times(&points, &[(1_025, 1_479), (1_536, 968), (2_048, 456)]);
    }

    #[test]
    fn the_first_point_holds_below_and_the_last_slope_goes_on_above() {
        assert_times(
            &[(16, 1_000), (64, 1_480)],
            &[(0, 1_000), (15, 1_000), (164, 2_480), (1_000_064, 10_001_480)],
        );
        assert_times(&[(16, 1_000), (1_016, 500)], &[(2_015, 0), (2_014, 1), (2_017, 0), (u64::MAX, 0)]);
        assert_times(&[(100, 7)], &[(0, 7), (100, 7), (1 << 30, 7)]);
        assert_times(&[(0, 0), (1, 3_600_000_000_000)], &[(u64::MAX, 1 << 47)]);
        assert_times(&[(5, 1), (u64::MAX - 1, 2), (u64::MAX, 3)], &[(5, 1), (u64::MAX, 3)]);
    }
}
