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

/// Threads whose rows are cut into slices of other lengths, and that end at other times.
#[test]
fn samples_of_threads_add_up_slice_by_slice() {
    let [mut sum, mut all] = [Timeline::new(), Timeline::new()];
    let thread = |number: u64, millis: u64| {
        let ends = (1..=millis * 20).map(move |op| Duration::from_micros(op * 50));
        ends.map(move |at| {
            (at, Duration::from_nanos(number * 1000 + at.subsec_nanos() as u64 % 977), number == 1)
        })
    };
    let threads = [(0, 900), (1, 70), (2, 300), (3, 0)];
    let mut merged: Vec<_> = threads.iter().flat_map(|(number, millis)| thread(*number, *millis)).collect();
    merged.sort();
    let area = |at: Duration, millis: u64| at.as_secs_f64().min(Duration::from_millis(millis).as_secs_f64());
    for (at, took, failed) in merged {
        all.record(at, took, failed, threads.iter().map(|(_, millis)| area(at, *millis)).sum());
    }
    for (number, millis) in threads {
        let mut timeline = Timeline::new();
        thread(number, millis)
            .for_each(|(at, took, failed)| timeline.record(at, took, failed, area(at, millis)));
        sum.add(&timeline);
    }
    let [sum, all] = [sum.samples(), all.samples()];
    assert_eq!((sum.period(), sum.ended()), (all.period(), all.ended()));
    assert_eq!(sum.iter().count(), all.iter().count());
    for ((at, one), (_, other)) in sum.iter().zip(all.iter()) {
        let of = |sample: &crate::timeline::Sample| {
            (sample.ops, sample.errors, sample.max(), [0.5, 0.99].map(|share| sample.quantile(share)))
        };
        assert_eq!(of(one), of(other), "at {at} s");
    }
    for ((at, one), (_, other)) in sum.in_flight().zip(all.in_flight()) {
        assert!((one - other).abs() < 1e-6, "{one} and {other} at {at} s");
    }
}
