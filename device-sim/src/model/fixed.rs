//! Logarithm, exponential and normal draws of integers: the same on every machine, and in every
//! floating-point rounding mode.
//!
//! ```text
//!   minus_ln(x)   x = m × 2^-(z+1),  m × c = 1 + r,  |r| < 2^-8     (z + 1) ln 2 + ln c - (r - r²/2 + ... + r⁵/5)
//!                                 └── the reciprocal of the middle of 1/128, from a table
//!   exp(y)        y = (k + i/64) ln 2 + r,  r < 0.011               2^k × 2^(i/64) × (1 + r + ... + r⁴/24)
//!   sine(t)       of t quarter turns                                the Taylor series up to x^15
//!   root(x)       1 / sqrt of 1/256, from a table                   two steps of Newton's, times x
//! ```
//!
//! `Q32` and the like say how many bits are behind the point. Absolute errors are below 2^-46 for the
//! logarithm, and relative ones below 2^-30 for the exponential, 2^-36 for the sine, 2^-28 for the root. The
//! compiler makes the tables, from series in 60 bits.
#![expect(clippy::cast_possible_truncation, reason = "a wide product is shifted to the width of its result")]

/// ln 2 in Q60, Q56 and Q64.
const LN_2_Q60: u128 = ln_ratio(2, 1);
const LN_2_Q56: u64 = (LN_2_Q60 >> 4) as u64;
const LN_2_Q64: u64 = (LN_2_Q60 << 4) as u64;
/// 1 / ln 2 in Q56.
const LOG2_E_Q56: i64 = ((1_u128 << 116) / LN_2_Q60) as i64;
/// pi / 2 in Q62.
const HALF_PI_Q62: u64 = 0x6487_ed51_10b4_611a;

/// For each 1/128 of [1, 2): the reciprocal of its middle in Q64, and the logarithm of the middle in Q56.
const MIDDLES: [(u64, u64); 128] = middles();
/// 2^(i/64) in Q62.
const ROOTS: [u64; 64] = roots();
/// 1 / sqrt of the middle of each 1/256 of [1/4, 1) in Q62; the first 64 are not used.
const INVERSE_ROOTS: [u64; 256] = inverse_roots();
/// 1/3!, 1/5!, ... 1/15! in Q62.
const SINE: [u64; 7] = sine_series();

/// ln(a / b) in Q60, for b <= a <= 2b: twice the area tangent of (a - b) / (a + b).
const fn ln_ratio(a: u128, b: u128) -> u128 {
    let t = ((a - b) << 60) / (a + b);
    let square = (t * t) >> 60;
    let (mut sum, mut power, mut n) = (0, t, 1);
    while power > 0 {
        sum += power / n;
        power = (power * square) >> 60;
        n += 2;
    }
    2 * sum
}

const fn middles() -> [(u64, u64); 128] {
    let (mut table, mut at) = ([(0, 0); 128], 0);
    while at < 128 {
        let middle = 257 + 2 * at as u128;
        table[at] = (((256 << 64) / middle) as u64, (ln_ratio(middle, 256) >> 4) as u64);
        at += 1;
    }
    table
}

const fn roots() -> [u64; 64] {
    let (mut table, mut at) = ([0; 64], 0);
    while at < 64 {
        let x = LN_2_Q60 * at as u128 / 64;
        let (mut sum, mut term, mut n) = (0, 1_u128 << 60, 1);
        while term > 0 {
            sum += term;
            term = ((term * x) >> 60) / n;
            n += 1;
        }
        table[at] = (sum << 2) as u64;
        at += 1;
    }
    table
}

const fn inverse_roots() -> [u64; 256] {
    let (mut table, mut at) = ([0; 256], 64);
    while at < 256 {
        // sqrt(512 / (2 at + 1)), of Q124.
        table[at] = (((512_u128 << 114) / (2 * at as u128 + 1)) << 10).isqrt() as u64;
        at += 1;
    }
    table
}

const fn sine_series() -> [u64; 7] {
    let (mut table, mut at, mut factorial) = ([0; 7], 0, 1_u64);
    while at < 7 {
        let n = 2 * at as u64 + 3;
        factorial *= n * (n - 1);
        table[at] = ((1 << 62) + factorial / 2) / factorial;
        at += 1;
    }
    table
}

/// -ln(x / 2^64) in Q56, for x above 0.
#[inline]
pub(crate) fn minus_ln(x: u64) -> u64 {
    let zeros = x.leading_zeros();
    let mantissa = x << zeros;
    let (reciprocal, ln_middle) = MIDDLES[(mantissa >> 56) as usize & 127];
    let product = ((u128::from(mantissa) * u128::from(reciprocal)) >> 64) as u64;
    // In Q63, and below 2^55.
    let r = product.cast_signed().wrapping_sub(i64::MIN);
    let square = times_q63(r, r);
    let cube = times_q63(square, r);
    let higher = times_q63(square, square) / 4 - times_q63(cube, square) / 5;
    let ln_1_plus_r = (r - square / 2 + cube / 3 - higher) >> 7;
    let exponent = (u64::from(zeros + 1) * LN_2_Q56).cast_signed();
    (exponent - ln_middle.cast_signed() - ln_1_plus_r).max(0).cast_unsigned()
}

#[inline]
fn times_q63(a: i64, b: i64) -> i64 {
    ((i128::from(a) * i128::from(b)) >> 63) as i64
}

/// ln(numerator / denominator) in Q56, for a ratio of 1 at least.
pub(crate) fn ln_of_ratio(numerator: u128, mut denominator: u128) -> u64 {
    let mut doublings = 0;
    while numerator >= 2 * denominator {
        denominator *= 2;
        doublings += 1;
    }
    ((doublings * LN_2_Q60 + ln_ratio(numerator, denominator)) >> 4) as u64
}

/// exp(y) of Q32 in Q32, for y from -44 to 22.
#[inline]
pub(crate) fn exp(y: i64) -> u64 {
    let binary = ((i128::from(y) * i128::from(LOG2_E_Q56)) >> 32) as i64;
    let (power, fraction) = ((binary >> 56) as i32, binary.cast_unsigned() & ((1 << 56) - 1));
    let root = ROOTS[(fraction >> 50) as usize];
    // In Q56.
    let r = high(fraction & ((1 << 50) - 1), LN_2_Q64);
    let square = times_q56(r, r);
    let (cube, fourth) = (times_q56(square, r), times_q56(square, square));
    // In Q62, from 1 to 2.
    let mantissa = times_q56(root, (1 << 56) + r + square / 2 + cube / 6 + fourth / 24);
    let doubled = mantissa.checked_shr((29 - power).max(0).cast_unsigned()).unwrap_or(0);
    (doubled + 1) >> 1
}

#[inline]
fn times_q56(a: u64, b: u64) -> u64 {
    ((u128::from(a) * u128::from(b)) >> 56) as u64
}

/// The upper half of a product.
#[inline]
fn high(a: u64, b: u64) -> u64 {
    ((u128::from(a) * u128::from(b)) >> 64) as u64
}

/// The square root of x, in half its bits behind the point, to within 2^-28 of itself. Two steps of Newton's
/// for 1 / sqrt, from a table.
#[inline]
fn root(x: u64) -> u64 {
    let zeros = x.leading_zeros() & !1;
    // From 1/4 to 1, in Q64.
    let scaled = x << (zeros & 63);
    let mut inverse = INVERSE_ROOTS[(scaled >> 56) as usize & 255];
    for _ in 0..2 {
        // Inverse in Q62, its square in Q60, x times that in Q60, near 1.
        let near_one = high(scaled, high(inverse, inverse));
        inverse = times_q62(inverse, (3 << 61) - (near_one << 1));
    }
    // In Q62.
    high(scaled, inverse) >> (30 + zeros / 2)
}

/// The sine of t / 2^64 quarter turns, in Q62.
#[inline]
fn sine(t: u64) -> u64 {
    let x = high(t, HALF_PI_Q62);
    let square = times_q62(x, x);
    let series = SINE.iter().rev().fold(0, |sum, term| *term - times_q62(square, sum));
    x - times_q62(x, times_q62(square, series))
}

#[inline]
fn times_q62(a: u64, b: u64) -> u64 {
    ((u128::from(a) * u128::from(b)) >> 62) as u64
}

/// A standard normal number in Q32, of two random ones (Box and Muller 1958; one of the two). Below 9.5.
#[inline]
pub(crate) fn normal(first: u64, second: u64) -> i64 {
    // In Q28: the root of Q56.
    let radius = root(2 * minus_ln(first | 1));
    let size = ((u128::from(radius) * u128::from(sine((second << 1) | 1))) >> 58) as i64;
    if second >> 63 == 0 { size } else { -size }
}

#[cfg(test)]
mod tests {
    use rand_chacha::ChaCha8Rng;
    use rand_chacha::rand_core::{Rng, SeedableRng};

    use super::*;

    fn real(value: u64, bits: i32) -> f64 {
        value as f64 / 2.0_f64.powi(bits)
    }

    /// Random numbers of every order of magnitude, and the ends.
    fn numbers() -> impl Iterator<Item = u64> {
        let mut random = ChaCha8Rng::seed_from_u64(1);
        let any = (0..1_000_000).map(move |n| (random.next_u64() >> (n % 64)) | 1);
        [1, 2, 3, u64::MAX - 1, u64::MAX, 1 << 63, (1 << 63) - 1].into_iter().chain(any)
    }

    #[test]
    fn logarithms_are_those_of_the_standard_library() {
        for x in numbers() {
            // Near 1 the logarithm is that of the small difference.
            let below_one = x.wrapping_neg();
            let expected = if x > 1 << 63 {
                -(-real(below_one, 64)).ln_1p()
            } else {
                64.0 * std::f64::consts::LN_2 - (x as f64).ln()
            };
            let found = real(minus_ln(x), 56);
            assert!((found - expected).abs() < 2.0_f64.powi(-46), "{x}: {found}, not {expected}");
        }
        for (numerator, denominator) in [(10_001, 10_000), (2, 1), (101, 1), (4, 1), (1, 1)] {
            let expected = (numerator as f64 / denominator as f64).ln();
            let found = real(ln_of_ratio(numerator, denominator), 56);
            assert!((found - expected).abs() < 1e-15, "{found}, not {expected}");
        }
    }

    #[test]
    fn exponentials_are_those_of_the_standard_library() {
        for y in numbers().map(|x| (x >> 26).cast_signed()).flat_map(|y| [y, -y]).filter(|y| *y >> 32 < 16) {
            let (found, expected) = (real(exp(y), 32), (y as f64 / 2.0_f64.powi(32)).exp());
            let allowed = 2.0_f64.powi(-33).max(expected * 2.0_f64.powi(-31)) * 1.01;
            assert!((found - expected).abs() <= allowed, "{y}: {found}, not {expected}");
        }
    }

    #[test]
    fn sines_are_those_of_the_standard_library() {
        for t in numbers() {
            let (found, expected) = (real(sine(t), 62), (real(t, 64) * std::f64::consts::FRAC_PI_2).sin());
            assert!((found - expected).abs() < 1e-11, "{t}: {found}, not {expected}");
        }
    }

    #[test]
    fn roots_are_those_of_the_standard_library() {
        for x in numbers() {
            let (found, expected) = (real(root(x), 0), (x as f64).sqrt());
            assert!(
                (found - expected).abs() <= 1.0 + expected * 2.0_f64.powi(-28),
                "{x}: {found}, not {expected}"
            );
        }
        assert_eq!(root(0), 0);
    }

    #[test]
    fn normal_draws_are_those_of_box_and_muller() {
        let mut random = ChaCha8Rng::seed_from_u64(2);
        for _ in 0..1_000_000 {
            let (first, second) = (random.next_u64(), random.next_u64());
            let radius = (-2.0 * real(first | 1, 64).ln()).sqrt();
            let turn = real(second & (u64::MAX >> 1), 63) * std::f64::consts::FRAC_PI_2;
            let expected = radius * turn.sin() * if second >> 63 == 0 { 1.0 } else { -1.0 };
            let found = normal(first, second) as f64 / 2.0_f64.powi(32);
            assert!((found - expected).abs() < 1e-8, "{first} {second}: {found}, not {expected}");
        }
        assert_eq!(normal(0, u64::MAX >> 1) >> 32, 9);
        assert_eq!(normal(u64::MAX, 5), 0);
    }
}
