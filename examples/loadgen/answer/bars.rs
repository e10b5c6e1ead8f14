//! A histogram of latencies in a few lines: bins that grow by the same factor, and a bar for each.

use std::fmt::Write;

/// Lines of a histogram.
const BINS: u32 = 10;

/// Characters of the longest bar.
const LONGEST: u32 = 48;

/// Parts of a character that a bar can end with.
const EIGHTHS: [char; 8] = ['▏', '▎', '▍', '▌', '▋', '▊', '▉', '█'];

/// How many operations took longer than `from` and at most `to` nanoseconds; the first bin has its `from`,
/// too.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Bin {
    pub(crate) from: u64,
    pub(crate) to: u64,
    pub(crate) count: u64,
}

/// Bins from the shortest to the longest time, where `count_up_to` says how many took at most so long.
pub(crate) fn bins(min: u64, max: u64, count: u64, count_up_to: impl Fn(u64) -> u64) -> Vec<Bin> {
    if count == 0 {
        return Vec::new();
    }
    let mut bins = Vec::new();
    let (mut from, mut below) = (min, 0);
    for number in 1..=BINS {
        let to = edge(min, max, number);
        if to <= from && number < BINS {
            continue;
        }
        let up_to = if number == BINS { count } else { count_up_to(to).clamp(below, count) };
        bins.push(Bin { from, to, count: up_to - below });
        (from, below) = (to, up_to);
    }
    bins
}

/// The end of a bin.
#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "an edge may lie a nanosecond beside"
)]
fn edge(min: u64, max: u64, number: u32) -> u64 {
    if number == BINS {
        return max;
    }
    let least = min.max(1) as f64;
    let growth = (max.max(1) as f64 / least).powf(f64::from(number) / f64::from(BINS));
    ((least * growth) as u64).min(max)
}

/// A line each, with `indent` ahead of it and times as `time` prints them.
pub(crate) fn text(bins: &[Bin], indent: &str, time: impl Fn(u64) -> String) -> String {
    let most = bins.iter().map(|bin| bin.count).max().unwrap_or(1).max(1);
    let all = bins.iter().map(|bin| bin.count).sum::<u64>().max(1);
    let mut text = String::new();
    for bin in bins {
        let times = format!("{:>9} to {:>9}", time(bin.from), time(bin.to));
        let bar = bar(bin.count, most);
        let line = format!("{indent}{times} {:>6} {bar}", share(bin.count, all));
        let _ = writeln!(text, "{}", line.trim_end());
    }
    text
}

/// `0 %` stands for none alone.
fn share(count: u64, all: u64) -> String {
    let tenths = u128::from(count) * 1000 / u128::from(all);
    match tenths {
        0 if count > 0 => "<0.1 %".to_owned(),
        0 => "0 %".to_owned(),
        _ => format!("{}.{} %", tenths / 10, tenths % 10),
    }
}

/// Something is never shown as nothing.
fn bar(count: u64, most: u64) -> String {
    let eighths = (u128::from(count) * u128::from(LONGEST) * 8).div_ceil(u128::from(most));
    let eighths = usize::try_from(eighths).unwrap_or(usize::MAX);
    let mut bar = "█".repeat(eighths / 8);
    if !eighths.is_multiple_of(8) {
        bar.push(EIGHTHS[eighths % 8 - 1]);
    }
    bar
}
