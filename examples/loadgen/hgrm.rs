//! A percentile distribution as HdrHistogram's own tools write it, and its plotter reads it.
//!
//! ```text
//!          Value     Percentile TotalCount 1/(1-Percentile)
//!
//!          5.123 0.000000000000          1           1.00
//!         56.703 0.500000000000        100           2.00      five steps to each halving of what is left
//!       7792.196 1.000000000000        200                     the last has no fourth column
//!   #[Mean    =  ..., StdDeviation = ...]
//! ```
//!
//! Values are microseconds with three digits, so a nanosecond counts.

use std::fmt::Write;

use hdrhistogram::CreationError;

use crate::latency::Latencies;

/// Steps to each halving of the distance to 100 %, as in the tools' default.
const STEPS: u32 = 5;

pub(crate) fn text(latencies: &Latencies) -> Result<String, CreationError> {
    let histogram = latencies.histogram()?;
    let summary = latencies.summary();
    let mut text =
        format!("{:>12} {:>14} {:>10} {:>14}\n\n", "Value", "Percentile", "TotalCount", "1/(1-Percentile)");
    let mut count = 0;
    for step in histogram.iter_quantiles(STEPS) {
        count += step.count_since_last_iteration();
        // A step ends where the histogram's does; no latency was longer than the longest.
        let value = micros(step.value_iterated_to()).min(summary.max);
        let quantile = step.quantile_iterated_to();
        let _ = write!(text, "{value:>12.3} {quantile:>2.12} {count:>10}");
        let _ =
            if quantile < 1.0 { writeln!(text, " {:>14.2}", 1.0 / (1.0 - quantile)) } else { writeln!(text) };
    }
    let deviation = histogram.stdev() / 1e3;
    let _ = writeln!(text, "#[Mean    = {:>12.3}, StdDeviation   = {deviation:>12.3}]", summary.mean);
    let _ = writeln!(text, "#[Max     = {:>12.3}, Total count    = {:>12}]", summary.max, histogram.len());
    let _ = writeln!(
        text,
        "#[Buckets = {:>12}, SubBuckets     = {:>12}]",
        histogram.buckets(),
        2_u64 << sub_bucket_bits(histogram.sigfig())
    );
    Ok(text)
}

/// Half the sub-buckets, as a power of two: enough to tell a unit apart at that many digits.
fn sub_bucket_bits(digits: u8) -> u32 {
    10_u64.pow(u32::from(digits)).next_power_of_two().trailing_zeros()
}

#[expect(clippy::cast_precision_loss, reason = "a hundred days in nanoseconds are below 2^53")]
fn micros(nanos: u64) -> f64 {
    nanos as f64 / 1e3
}
