//! The samples of a row, from operations that end at known times.

use std::time::Duration;

use crate::timeline::{Samples, Timeline};

const US: Duration = Duration::from_micros(1);
const MS: Duration = Duration::from_millis(1);

/// An operation every 100 µs for `time`, each taking 50 µs, with two in flight throughout.
fn steady(time: Duration) -> Samples {
    let mut timeline = Timeline::new();
    let count = u32::try_from(time.as_micros() / 100).unwrap();
    for at in (1..=count).map(|op| US * 100 * op) {
        timeline.record(at, US * 50, false, at.as_secs_f64() * 2.0);
    }
    timeline.samples()
}

fn ops(samples: &Samples) -> u64 {
    samples.iter().map(|(_, sample)| sample.ops).sum()
}

#[test]
fn a_row_of_any_length_has_50_to_100_samples_and_loses_no_operation() {
    for millis in [75, 99, 100, 101, 1000, 5000, 12_345] {
        let samples = steady(MS * millis);
        let count = samples.iter().count();
        assert!((50..=100).contains(&count), "{millis} ms: {count}");
        assert_eq!(ops(&samples), u64::from(millis) * 10, "{millis} ms");
        assert_eq!(samples.ended(), MS * millis);
    }
}

#[test]
fn a_steady_load_has_the_same_rate_and_number_in_flight_in_every_sample() {
    let samples = steady(MS * 1003);
    // An operation at the border of two slices belongs to the second one.
    let one = 1.0 / samples.period().as_secs_f64();
    for (at, rate) in samples.rates().take(samples.iter().count() - 1) {
        assert!((rate - 10_000.0).abs() <= one + 1e-6, "{rate} at {at} s");
    }
    for (at, in_flight) in samples.in_flight().take(samples.iter().count() - 1) {
        assert!((in_flight - 2.0).abs() < 1e-6, "{in_flight} at {at} s");
    }
}

#[test]
fn a_halt_is_samples_without_operations_and_the_latency_behind_it() {
    let mut timeline = Timeline::new();
    timeline.record(US * 500, US * 10, false, 0.000_5);
    timeline.record(US * 20_500, US * 20_000, false, 0.020_5);
    let samples = timeline.samples();
    let empty = samples.iter().filter(|(_, sample)| sample.ops == 0).count();
    assert_eq!((samples.iter().count(), empty), (21, 19));
    assert!(samples.iter().filter(|(_, sample)| sample.ops == 0).all(|(_, sample)| sample.max().is_none()));
    assert_eq!(samples.iter().last().unwrap().1.max(), Some(20_000.0));
    // The operation was in flight all the time.
    assert!(samples.in_flight().all(|(_, in_flight)| (in_flight - 1.0).abs() < 1e-6));
}

#[test]
fn percentiles_are_exact_to_a_thirty_second_and_the_maximum_exactly() {
    for scale in [1, 37, 1_000, 123_456, 1_000_000_000] {
        let mut timeline = Timeline::new();
        for op in 1..=1000_u64 {
            timeline.record(Duration::ZERO, Duration::from_nanos(op * scale), op % 10 == 0, 0.0);
        }
        let samples = timeline.samples();
        let (_, sample) = samples.iter().next().unwrap();
        let exact = |share: f64| share * 1000.0 * f64::from(u32::try_from(scale).unwrap()) / 1000.0;
        for share in [0.001, 0.5, 0.99] {
            let found = sample.quantile(share).unwrap();
            assert!((exact(share)..=exact(share) * (1.0 + 1.0 / 32.0)).contains(&found), "{share}: {found}");
        }
        assert_eq!(sample.max(), Some(exact(1.0)));
        assert_eq!(sample.quantile(1.0), sample.max());
        assert_eq!(sample.errors, 100);
    }
}
