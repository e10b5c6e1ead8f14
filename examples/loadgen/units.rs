//! Parses and prints numbers with units.

use std::time::Duration;

use simaccel::grammar::number;

/// The largest message, in bytes: 64 MiB.
pub(crate) const MAX_SIZE: usize = 64 << 20;

/// The longest run of one row.
const MAX_DURATION: Duration = Duration::from_secs(3600);

/// A size in bytes: digits and an optional `k` or `m`.
pub(crate) fn parse_size(text: &str) -> Result<usize, String> {
    let (digits, unit) = match text.strip_suffix(['k', 'K']) {
        Some(digits) => (digits, 1 << 10),
        None => text.strip_suffix(['m', 'M']).map_or((text, 1), |digits| (digits, 1 << 20)),
    };
    let bytes = number::<u64>(digits).and_then(|n| usize::try_from(n).ok()?.checked_mul(unit));
    bytes
        .filter(|bytes| (1..=MAX_SIZE).contains(bytes))
        .ok_or_else(|| "allowed are 1 to 64m bytes, with a suffix k or m".to_owned())
}

/// A duration: digits and `ms` or `s`.
pub(crate) fn parse_duration(text: &str) -> Result<Duration, String> {
    let parsed = match text.strip_suffix("ms") {
        Some(digits) => number::<u64>(digits).map(Duration::from_millis),
        None => text.strip_suffix('s').and_then(number).map(Duration::from_secs),
    };
    parsed
        .filter(|duration| !duration.is_zero() && *duration <= MAX_DURATION)
        .ok_or_else(|| "allowed are 1ms to 3600s, as in 500ms or 2s".to_owned())
}

/// `1234567` as `1,234,567`.
pub(crate) fn grouped(number: impl std::fmt::Display) -> String {
    let digits = number.to_string();
    let mut out = String::with_capacity(digits.len() * 4 / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// `4096` as `4k`, `65` as `65`.
pub(crate) fn short_size(bytes: usize) -> String {
    match bytes {
        _ if bytes.is_multiple_of(1 << 20) && bytes > 0 => format!("{}m", bytes >> 20),
        _ if bytes.is_multiple_of(1 << 10) && bytes > 0 => format!("{}k", bytes >> 10),
        _ => bytes.to_string(),
    }
}

/// A time as the shortest exact text: 50,000 ns are `50 µs`.
pub(crate) fn short_time(time: Duration) -> String {
    let nanos = time.as_nanos();
    match nanos {
        _ if nanos.is_multiple_of(1_000_000_000) => format!("{} s", nanos / 1_000_000_000),
        _ if nanos.is_multiple_of(1_000_000) => format!("{} ms", nanos / 1_000_000),
        _ if nanos.is_multiple_of(1_000) => format!("{} µs", nanos / 1_000),
        _ => format!("{nanos} ns"),
    }
}

/// A number in few characters: a digit behind the point below 100, none from there on.
pub(crate) fn short(number: f64) -> String {
    if number < 99.95 { format!("{number:.1}") } else { grouped(format_args!("{number:.0}")) }
}

/// Microseconds in few characters, and another unit for what would be longer: `669ms`.
pub(crate) fn short_us(micros: f64) -> String {
    match micros {
        ..99_999.5 => short(micros),
        ..99_999_500.0 => format!("{:.0}ms", micros / 1e3),
        _ => format!("{:.0}s", micros / 1e6),
    }
}

/// The same with its unit, where no column's head names it.
pub(crate) fn time_us(micros: f64) -> String {
    let short = short_us(micros);
    if short.ends_with('s') { short } else { format!("{short} µs") }
}
