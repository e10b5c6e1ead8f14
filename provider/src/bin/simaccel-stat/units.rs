//! Numbers with their units, for people.

/// `1,234,567`.
pub(crate) fn count(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// `1.23 MB`, in powers of ten.
pub(crate) fn bytes(number: u64) -> String {
    scaled(
        number,
        &[(1_000_000_000_000, "TB"), (1_000_000_000, "GB"), (1_000_000, "MB"), (1_000, "kB"), (1, "B")],
    )
}

/// `1.23 ms`.
pub(crate) fn time(nsec: u64) -> String {
    scaled(nsec, &[(1_000_000_000, "s"), (1_000_000, "ms"), (1_000, "us"), (1, "ns")])
}

fn scaled(number: u64, units: &[(u64, &str)]) -> String {
    let fits = units.iter().find(|(scale, _)| number >= *scale).or_else(|| units.last());
    let (scale, unit) = fits.copied().unwrap_or((1, ""));
    if scale == 1 {
        return format!("{} {unit}", count(number));
    }
    let whole = number / scale;
    let decimals = 2_usize.saturating_sub(whole.checked_ilog10().unwrap_or(0) as usize);
    #[expect(clippy::cast_precision_loss, reason = "three digits are shown")]
    let value = number as f64 / scale as f64;
    if whole >= 1_000 { format!("{} {unit}", count(whole)) } else { format!("{value:.decimals$} {unit}") }
}

/// `12.3`: a number of things for each other thing, or for each second.
pub(crate) fn ratio(number: u64, of: u64) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "three digits are shown")]
    if of == 0 { 0.0 } else { number as f64 / of as f64 }
}

/// How many a second, in so many nanoseconds.
pub(crate) fn rate(number: u64, nsec: u64) -> f64 {
    ratio(number, nsec) * 1e9
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_their_units() {
        for (number, text) in [(0, "0"), (999, "999"), (1_000, "1,000"), (1_234_567, "1,234,567")] {
            assert_eq!(count(number), text);
        }
        for (number, text) in [(0, "0 B"), (999, "999 B"), (1_230, "1.23 kB"), (45_600_000, "45.6 MB")] {
            assert_eq!(bytes(number), text);
        }
        for (nsec, text) in
            [(7, "7 ns"), (12_340, "12.3 us"), (123_400_000, "123 ms"), (3_600_000_000_000, "3,600 s")]
        {
            assert_eq!(time(nsec), text);
        }
        assert!((rate(10, 500_000_000) - 20.0).abs() < 1e-9 && ratio(1, 0) == 0.0);
    }
}
