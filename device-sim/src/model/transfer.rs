//! How long bytes take, to fractions of a nanosecond, so that nothing is lost on average.
//!
//! ```text
//!   a byte       10^6 / (10^3 bytes a second), cut to 2^-64 ns                          PerByte
//!   a transfer   bytes times that, rounded up to 2^-24 ns                              Fine
//!   a time       whole nanoseconds; the rest is added to the next one of its stage     Carry
//! ```
//!
//! 64 bytes at 1,500 MB/s are 42, 43, 43, 42, ... ns: 42.67 on average. Integers only.
#![expect(clippy::cast_possible_truncation, reason = "a fraction has 24 bits, and whole nanoseconds 48")]

use crate::config::Mbps;

/// Fractions of a nanosecond: 2^-24.
pub(crate) const FINE_BITS: u32 = 24;

/// A time in 2^-24 ns. Times of more than 39 hours (2^47 ns) count as that.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Fine(u128);

impl Fine {
    pub(crate) const MOST: Self = Self(1 << (47 + FINE_BITS));

    pub(crate) fn nsec(nsec: u64) -> Self {
        Self::of(u128::from(nsec) << FINE_BITS)
    }

    /// This many 2^-24 ns.
    pub(crate) fn of(fine: u128) -> Self {
        Self(fine).min(Self::MOST)
    }

    pub(crate) const fn get(self) -> u128 {
        self.0
    }

    /// This many percent of it.
    #[inline]
    pub(crate) fn percent(self, percent: u32) -> Self {
        if percent == 100 { self } else { Self::of(self.0 * u128::from(percent) / 100) }
    }

    pub(crate) fn plus(self, other: Self) -> Self {
        Self::of(self.0 + other.0)
    }
}

/// The time of a byte, in 2^-64 ns.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PerByte(u128);

/// What has more counts as this, so that products fit: 8 tebibytes.
const MOST_BYTES: u64 = 1 << 43;

impl PerByte {
    /// At [`Mbps::NONE`] bytes take no time.
    pub(crate) fn at(rate: Mbps) -> Self {
        let thousandths = u128::from(rate.in_thousandths());
        Self((1_000_000_u128 << 64).checked_div(thousandths).unwrap_or(0))
    }

    /// The time of `bytes`. What is exact in 2^-24 ns is given exactly: the cut of the product is less than
    /// one.
    pub(crate) fn transfer(self, bytes: u64) -> Fine {
        Fine::of((self.0 * u128::from(bytes.min(MOST_BYTES))).div_ceil(1 << (64 - FINE_BITS)))
    }
}

/// The fraction of a nanosecond that a stage owes to its next request.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Carry(u32);

impl Carry {
    /// Whole nanoseconds of `time` and of what was owed; the rest is owed.
    pub(crate) fn whole(&mut self, time: Fine) -> u64 {
        const FRACTION: u128 = (1 << FINE_BITS) - 1;
        let all = time.0 + u128::from(self.0);
        self.0 = (all & FRACTION) as u32;
        (all >> FINE_BITS) as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn times(thousandths: u64, bytes: u64, count: usize) -> Vec<u64> {
        let (per_byte, mut carry) = (PerByte::at(Mbps::thousandths(thousandths)), Carry::default());
        (0..count).map(|_| carry.whole(per_byte.transfer(bytes))).collect()
    }

    #[test]
    fn nothing_is_lost_on_the_average() {
        assert_eq!(times(1_500_000, 64, 6), [42, 43, 43, 42, 43, 43]);
        for (thousandths, bytes) in
            [(1_500_000, 64), (1_000_000_000, 1), (67_000, 8_192), (1, 3), (999_999, 7)]
        {
            let total: u64 = times(thousandths, bytes, 100_000).iter().sum();
            let exact = u128::from(bytes) * 1_000_000 * 100_000 / u128::from(thousandths);
            // 100,000 requests, each rounded by less than 2^-24 ns.
            assert!(exact.abs_diff(total.into()) <= 1, "{bytes} at {thousandths}: {total}, not {exact}");
        }
    }

    #[test]
    fn a_size_does_not_matter_without_a_rate() {
        assert_eq!(times(0, u64::MAX, 2), [0, 0]);
    }

    #[test]
    fn large_times_stop_at_39_hours() {
        assert_eq!(times(1, u64::MAX, 2), [1 << 47; 2]);
        assert_eq!(Fine::nsec(u64::MAX).plus(Fine::MOST), Fine::MOST);
        assert_eq!(Carry(u32::MAX >> 8).whole(Fine::MOST), 1 << 47);
    }
}
