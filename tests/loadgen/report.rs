//! What the report shows: keys of the JSON, columns of the table, exact figures beside percentiles.

use std::time::Duration;

use serde_json::Value;

use super::latency::Latencies;
use super::load::{count, row, rows};
use super::{Folder, MODES, json, text};

/// Columns of a terminal that the table fits.
const WIDTH: usize = 100;

fn keys(value: &Value) -> String {
    value.as_object().unwrap().keys().cloned().collect::<Vec<_>>().join(" ")
}

#[test]
fn json_is_one_object_with_the_promised_keys() {
    let report = json(&Folder::new().succeed("--ops 20 --mode poll --output-format json").stdout);
    assert_eq!(keys(&report), "answer device interrupted rows schema_version seed");
    let row = &rows(&report)[0];
    assert_eq!(
        keys(row),
        "alg arrivals bytes_per_second cpu_ns_per_op device dropped dropped_late errors host_bound \
         in_flight_mean jobs late_sends late_us latency_us littles_law loop mismatches mix mode model ops \
         ops_per_second pauses rate resumes service_us size spurious_resumes stages steady threads wakes \
         warmup"
    );
    assert_eq!(keys(&row["latency_us"]), "max mean min p50 p90 p99 p999");
    assert_eq!(keys(&row["service_us"]), keys(&row["latency_us"]));
    assert_eq!(keys(&row["littles_law"]), "in_flight rate_by_latency");
    assert_eq!((&row["loop"], &report["schema_version"]), (&"closed".into(), &1.into()));
    assert_eq!(row["in_flight_mean"], row["littles_law"]["in_flight"]);
    assert!(row["model"].is_null() && row["late_us"].is_null(), "an ideal device models nothing");
    assert!(report["device"].is_string() && report["seed"].is_u64());
}

#[test]
fn the_curve_of_percentiles_ends_where_one_operation_is_beyond() {
    let mut latencies = Latencies::new();
    assert!(latencies.percentiles().is_empty());
    (1..=1000).for_each(|micros| latencies.record(micros * 1000));
    let curve = latencies.percentiles();
    let (share, last) = *curve.last().unwrap();
    assert!((share - 0.999).abs() < 1e-9, "{share}");
    assert!((last - 999.0).abs() < 2.0, "{last}");
    for (share, micros) in curve {
        // Three digits, and the next whole operation.
        assert!((micros - share * 1000.0).abs() < 2.0, "{micros} at {share}");
    }
}

#[test]
fn minimum_mean_and_maximum_are_exact_and_percentiles_lie_between() {
    let mut latencies = Latencies::new();
    assert_eq!(latencies.summary().max, 0.0);
    for nanos in 1..=1_000_001 {
        latencies.record(nanos);
    }
    let summary = latencies.summary();
    assert_eq!((summary.min, summary.mean, summary.max), (0.001, 500.001, 1000.001));
    for (percentile, exact) in
        [(summary.p50, 500.0), (summary.p90, 900.0), (summary.p99, 990.0), (summary.p999, 999.0)]
    {
        assert!((percentile / exact - 1.0).abs() < 0.001, "{percentile} for {exact}");
    }
    // A histogram alone would round this one up.
    let mut latencies = Latencies::new();
    latencies.record(123_456_789);
    let summary = latencies.summary();
    assert_eq!([summary.min, summary.p50, summary.p999, summary.max], [123_456.789; 4]);
    assert_eq!(summary.json()["p999"], 123_456.789);
    assert_eq!(latencies.total(), Duration::from_nanos(123_456_789));
    assert_eq!(latencies.extent(), (123_456_789, 123_456_789, 1));
    assert_eq!([1, 100_000_000, 200_000_000].map(|nanos| latencies.count_up_to(nanos)), [0, 0, 1]);
}

/// An HdrHistogram of the same bounds and digits is the independent result.
#[test]
fn counts_are_those_of_a_histogram_of_three_digits() {
    let mut latencies = Latencies::new();
    let mut expected = hdrhistogram::Histogram::<u64>::new_with_bounds(1, 3_600_000_000_000, 3).unwrap();
    let borders = (0..42).flat_map(|log| [(1_u64 << log) - 1, 1 << log, (1 << log) + 1]);
    let spread = (0..60_000_u64).map(|op| op * op * op % 3_599_999_999_989);
    for nanos in borders.chain(spread) {
        latencies.record(nanos);
        expected.saturating_record(nanos);
    }
    assert!(latencies.histogram().unwrap() == expected, "they differ");
    #[expect(clippy::cast_precision_loss, reason = "below 2^53")]
    let quantile = |share| expected.value_at_quantile(share) as f64 / 1e3;
    let summary = latencies.summary();
    let found = [summary.p50, summary.p90, summary.p99, summary.p999];
    assert_eq!(found, [0.5, 0.9, 0.99, 0.999].map(quantile));
    for nanos in [0, 1, 2047, 2048, 4095, 1 << 20, (1 << 33) + 12_345_678] {
        assert_eq!(latencies.count_up_to(nanos), expected.count_between(0, nanos), "{nanos}");
    }
    let count = expected.len();
    latencies.record(u64::MAX);
    let with_it = (latencies.extent(), latencies.histogram().unwrap().len());
    assert_eq!(with_it, ((0, u64::MAX, count + 1), count + 1), "what is longer counts as the longest");
}

/// What threads have recorded apart is, added up, what one thread records.
#[test]
fn latencies_of_threads_add_up_exactly() {
    let mut threads: Vec<Latencies> = (0..3).map(|_| Latencies::new()).collect();
    let mut all = Latencies::new();
    for op in 0..10_000_u64 {
        let took = 700 + op * op % 9_999_991;
        threads[usize::try_from(op * 7 % 3).unwrap()].record(took);
        all.record(took);
    }
    let mut sum = Latencies::new();
    threads.iter().for_each(|thread| sum.add(thread));
    assert_eq!((sum.summary(), sum.extent(), sum.total()), (all.summary(), all.extent(), all.total()));
    assert!(sum.histogram().unwrap() == all.histogram().unwrap(), "they differ");
    assert_eq!(sum.percentiles(), all.percentiles());
}

#[test]
fn a_row_has_ordered_percentiles_and_the_mean_of_littles_law() {
    for mode in MODES {
        let row = row(&format!("--mode {mode} --ops 400 --size 1000"));
        let latency = |key: &str| row["latency_us"][key].as_f64().unwrap();
        let ordered = ["min", "p50", "p90", "p99", "p999", "max"].map(latency);
        assert!(ordered.is_sorted() && ordered[0] > 0.0, "{mode}: {row}");
        assert!((ordered[0]..=ordered[5]).contains(&latency("mean")), "{mode}: {row}");
        let rate = row["ops_per_second"].as_f64().unwrap();
        let by_mean = rate * latency("mean") / 1e6;
        let law = row["littles_law"]["rate_by_latency"].as_f64().unwrap();
        assert!((by_mean / law - 1.0).abs() < 1e-6, "{mode}: {by_mean}, {row}");
        assert!(row["cpu_ns_per_op"].as_f64() > Some(0.0), "{mode}: {row}");
    }
    let row = row("--mode sync --ops 1");
    assert_eq!((count(&row, "ops"), &row["latency_us"]["p50"]), (1, &row["latency_us"]["max"]));
}

/// Software works in the calling thread, so its processor time is in the row; a device's is not.
#[test]
fn processor_time_is_that_of_the_calling_thread() {
    let cpu = |options: &str| row(options)["cpu_ns_per_op"].as_f64().unwrap();
    let (software, device) = (
        cpu("--alg sha256 --size 1m --ops 20 --mode software"),
        cpu("--alg sha256 --size 1m --ops 20 --mode sync"),
    );
    assert!(software > 2.0 * device, "{software} and {device}");
}

#[test]
fn only_a_device_that_models_nothing_is_called_ideal() {
    for (device, says) in [
        ("preset=ideal", "an ideal device"),
        ("fault=delay:nth=1000", "modelled, faults"),
        ("preset=qat-8950", "modelled"),
        ("preset=ipq40xx", "modelled"),
        ("firmware_nsec=1800", "modelled"),
        ("firmware_nsec=1800;completion_nsec=5000", "4 × 5 µs"),
        ("mbps=62.5", "4 × 62.5 MB/s"),
    ] {
        let report = text(&Folder::new().succeed(&format!("--mode poll --ops 2 --device {device}")).stdout);
        let named = format!("on {says}:");
        assert!(report.lines().any(|line| line.trim() == named), "{device}: {report}");
    }
}

/// The table and its legend, without the lines about the run around them.
fn table(options: &str) -> Vec<String> {
    let report = text(&Folder::new().succeed(options).stdout);
    let lines = report.lines().skip_while(|line| !line.starts_with(" mode"));
    lines.take_while(|line| !line.starts_with("checked: ")).map(str::to_owned).collect()
}

#[test]
fn the_table_fits_a_terminal_and_its_columns_are_explained() {
    let narrow = table("--ops 60");
    let crowded = table("--ops 3000 --size 64 --jobs 1000 --device fault=fail:every=2 --expect-errors");
    for line in narrow.iter().chain(&crowded) {
        assert!(line.chars().count() <= WIDTH, "{line}");
    }
    let wide = table("--ops 60 --wide");
    for (table, names, legend) in [(&narrow, 14, 11), (&wide, 23, 14)] {
        assert_eq!(table[0].split_whitespace().count(), names, "{}", table[0]);
        let explained = table.iter().filter(|line| line.starts_with("  "));
        // The units are a line of this shape, too.
        assert_eq!(explained.count(), legend + 1, "{table:#?}");
    }
    for name in ["device", "threads", "min", "mean", "pauses", "resumes", "wakes", "spurious"] {
        assert!(wide[0].contains(name) && !narrow[0].contains(name), "{name} in {}", wide[0]);
    }
    for name in ["mode", "loop", "op/s", "MiB/s", "p50", "p90", "p99.9", "max", "cpu", "errors", "wrong"] {
        assert!(narrow[0].contains(name), "{name} in {}", narrow[0]);
    }
    for unit in ["µs", "ns/op"] {
        assert!(narrow[1].contains(unit), "{}", narrow[1]);
    }
    let rows = narrow.iter().filter(|line| MODES.contains(&line.split(' ').nth(1).unwrap()));
    let closed = rows.filter(|line| line.split_whitespace().nth(1) == Some("closed"));
    assert_eq!(closed.count(), 8, "{narrow:#?}");
}

/// The text names what was set; the JSON names every number.
#[test]
fn the_device_is_named_by_what_differs_from_the_ideal_one() {
    for (device, named) in [("depth=64", "ideal"), ("workers=1;depth=8;spin_nsec=7", "depth=8;spin_nsec=7")] {
        let options = format!("--mode sync --ops 2 --device {device}");
        let told = text(&Folder::new().succeed(&options).stdout);
        assert_eq!(told.lines().nth(1), Some(&*format!("device {named}")));
        let report = json(&Folder::new().succeed(&format!("{options} --output-format json")).stdout);
        assert!(report["device"].as_str().unwrap().contains("workers=1"), "{report}");
    }
}
