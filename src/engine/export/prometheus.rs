//! Prometheus' text exposition format, version 0.0.4: families of samples, each with one HELP and one TYPE.
//!
//! ```text
//!   # HELP simaccel_unit_busy_seconds_total How long the unit was busy with requests, in seconds of modelled time.
//!   # TYPE simaccel_unit_busy_seconds_total counter
//!   simaccel_unit_busy_seconds_total{unit="0"} 0.00125
//! ```

use std::fmt::Write;

use simaccel_device::{
    CallStats, DeviceStats, Histogram, Operation, OperationStats, QueuePairStats, UnitStats, WorkerStats,
};

use super::super::ThreadStats;
use crate::engine::stats::EngineStats;

/// Counters that also go down.
const GAUGES: &[&str] = &["in_flight", "fresh", "running", "ending", "paused", "idle"];

/// The engine's counter that is the sum of the faults of all kinds.
const ALL_KINDS: &str = "faults_injected";

/// The upper bounds of the histograms' buckets, in nanoseconds: 1, 2, 5 and so on, from a microsecond to ten
/// seconds.
const BOUNDS: [u64; 22] = {
    let mut bounds = [0; 22];
    let (mut at, mut decade) = (0, 1_000);
    while at < bounds.len() {
        bounds[at] = decade * [1, 2, 5][at % 3];
        if at % 3 == 2 {
            decade *= 10;
        }
        at += 1;
    }
    bounds
};

/// Names with their values, in the order of their meanings.
type Counters = Vec<(&'static str, u64)>;

pub(super) fn text(stats: &EngineStats) -> String {
    let mut text = Text(String::new());
    let device = &stats.device;
    text.engine(stats);
    text.counters("jobs_", ThreadStats::meanings(), &[(String::new(), stats.jobs.counters().collect())]);
    text.faults(stats);
    text.counters("device_", DeviceStats::meanings(), &[(String::new(), device.counters().collect())]);
    text.pairs(device);
    text.calls(device);
    text.units(device);
    text.workers(device);
    text.timings(device);
    text.0
}

struct Text(String);

impl Text {
    fn engine(&mut self, stats: &EngineStats) {
        // Counters of faults are among the faults by kind.
        let own = |name: &str| name != ALL_KINDS && !EngineStats::OF_FAULTS.contains(&name);
        let counters: Counters = stats.counters().filter(|(name, _)| own(name)).collect();
        let meanings = stats.counters().zip(EngineStats::meanings());
        let meanings = meanings.filter(|((name, _), _)| own(name)).map(|(_, meaning)| meaning);
        self.counters("", meanings, &[(String::new(), counters)]);
    }

    fn faults(&mut self, stats: &EngineStats) {
        let name = "simaccel_faults_injected_total";
        self.family(name, "counter", "Faults that were injected, by kind.");
        for (kind, count) in stats.faults() {
            self.sample(name, &label("kind", kind), &count.to_string());
        }
    }

    fn pairs(&mut self, device: &DeviceStats) {
        let labelled = |(index, pair): (usize, &QueuePairStats)| {
            (label("queue_pair", &index.to_string()), pair.counters().collect())
        };
        let rows: Vec<_> = device.queue_pairs.iter().enumerate().map(labelled).collect();
        self.counters("queue_pair_", QueuePairStats::meanings(), &rows);
        let rows: Vec<_> = device.queue_pairs.iter().enumerate().flat_map(by_operation).collect();
        self.counters("operation_", OperationStats::meanings(), &rows);
    }

    fn calls(&mut self, device: &DeviceStats) {
        let labelled = |call: &CallStats| (label("op", &call.name), call.counters().collect());
        let rows: Vec<_> = device.calls.iter().map(labelled).collect();
        self.counters("call_", CallStats::meanings(), &rows);
    }

    fn units(&mut self, device: &DeviceStats) {
        let labelled = |(index, unit): (usize, &UnitStats)| {
            (label("unit", &index.to_string()), unit.counters().collect())
        };
        let rows: Vec<_> = device.units.iter().enumerate().map(labelled).collect();
        self.counters("unit_", UnitStats::meanings(), &rows);
    }

    fn workers(&mut self, device: &DeviceStats) {
        let labelled = |(index, worker): (usize, &WorkerStats)| {
            (label("worker", &index.to_string()), worker.counters().collect())
        };
        let rows: Vec<_> = device.workers.iter().enumerate().map(labelled).collect();
        self.counters("worker_", WorkerStats::meanings(), &rows);
    }

    fn timings(&mut self, device: &DeviceStats) {
        for (at, (name, _)) in device.timings.histograms().into_iter().enumerate() {
            let of_operation = Operation::ALL.into_iter().zip(&device.timings_by_operation);
            let of_operation = of_operation
                .map(|(operation, timings)| (label("op", operation.name()), timings.histograms()[at].1));
            self.histograms(&format!("operation_{name}"), &of_operation.collect::<Vec<_>>());
            let of_call = device.calls.iter();
            let of_call = of_call.map(|call| (label("op", &call.name), call.timings.histograms()[at].1));
            self.histograms(&format!("call_{name}"), &of_call.collect::<Vec<_>>());
            let of_pair = device.timings_by_pair.iter().enumerate();
            let of_pair = of_pair.map(|(index, timings)| {
                (label("queue_pair", &index.to_string()), timings.histograms()[at].1)
            });
            self.histograms(&format!("queue_pair_{name}"), &of_pair.collect::<Vec<_>>());
        }
        self.histograms("completion_error", &[(String::new(), &device.completion_error)]);
    }

    /// A family for each counter, with a sample for each row.
    fn counters(
        &mut self,
        prefix: &str,
        meanings: impl Iterator<Item = &'static str>,
        rows: &[(String, Counters)],
    ) {
        let Some((_, first)) = rows.first() else { return };
        for (at, (&(name, _), meaning)) in first.iter().zip(meanings).enumerate() {
            let seconds = name.strip_suffix("_nsec");
            let name = seconds.map_or_else(|| name.to_owned(), |name| format!("{name}_seconds"));
            let (kind, suffix) =
                if GAUGES.contains(&name.as_str()) { ("gauge", "") } else { ("counter", "_total") };
            let name = format!("simaccel_{prefix}{name}{suffix}");
            self.family(&name, kind, meaning);
            for (labels, counters) in rows {
                let value = counters[at].1;
                let value = if seconds.is_some() { in_seconds(value) } else { value.to_string() };
                self.sample(&name, labels, &value);
            }
        }
    }

    /// A family of histograms, of those that have recorded anything.
    fn histograms(&mut self, name: &str, rows: &[(String, &Histogram)]) {
        if rows.iter().all(|(_, histogram)| histogram.count() == 0) {
            return;
        }
        let meaning = meaning_of(name);
        let name = format!("simaccel_{name}_seconds");
        self.family(&name, "histogram", meaning);
        for (labels, histogram) in rows.iter().filter(|(_, histogram)| histogram.count() > 0) {
            let bucket = |bound: &str| {
                let comma = if labels.is_empty() { "" } else { "," };
                format!("{labels}{comma}{}", label("le", bound))
            };
            for bound in BOUNDS {
                let count = histogram.count_up_to(bound);
                self.sample(&format!("{name}_bucket"), &bucket(&in_seconds(bound)), &count.to_string());
            }
            let count = histogram.count().to_string();
            self.sample(&format!("{name}_bucket"), &bucket("+Inf"), &count);
            self.sample(&format!("{name}_sum"), labels, &in_seconds(histogram.sum()));
            self.sample(&format!("{name}_count"), labels, &count);
        }
    }

    fn family(&mut self, name: &str, kind: &str, meaning: &str) {
        let help = meaning.trim().replace(['`', '[', ']'], "").replace("in nanoseconds", "in seconds");
        let help = help.replace('\\', "\\\\").replace('\n', "\\n");
        self.line(format_args!("# HELP {name} {help}"));
        self.line(format_args!("# TYPE {name} {kind}"));
    }

    fn sample(&mut self, name: &str, labels: &str, value: &str) {
        let (open, close) = if labels.is_empty() { ("", "") } else { ("{", "}") };
        self.line(format_args!("{name}{open}{labels}{close} {value}"));
    }

    fn line(&mut self, line: std::fmt::Arguments<'_>) {
        // Writing to a string does not fail.
        let _ = writeln!(self.0, "{line}");
    }
}

fn by_operation((index, pair): (usize, &QueuePairStats)) -> impl Iterator<Item = (String, Counters)> + '_ {
    pair.by_operation().map(move |(operation, stats)| {
        let labels = format!("{},{}", label("queue_pair", &index.to_string()), label("op", operation.name()));
        (labels, stats.counters().collect())
    })
}

/// What a histogram measures, by the end of its name.
fn meaning_of(name: &str) -> &'static str {
    match name.rsplit('_').next() {
        Some("queue") => "Time from the submission until a compute unit, or a worker, begins.",
        Some("service") => "Time from the beginning of the work until its end.",
        Some("wake") => "Time from the end of the work until the host takes the result.",
        Some("total") => "Time from the submission until the host takes the result.",
        _ => "By how much requests completed later than the model of time asked for.",
    }
}

/// A label; the names of calls are the user's, and escaped.
fn label(name: &str, value: &str) -> String {
    let value = value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
    format!("{name}=\"{value}\"")
}

/// Nanoseconds as seconds, exactly, in the fewest digits.
fn in_seconds(nsec: u64) -> String {
    let (whole, part) = (nsec / 1_000_000_000, nsec % 1_000_000_000);
    let text = format!("{whole}.{part:09}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seconds_are_exact_and_short() {
        let cases = [(0, "0"), (1, "0.000000001"), (1_000, "0.000001"), (10_000_000_000, "10")];
        for (nsec, text) in cases {
            assert_eq!(in_seconds(nsec), text);
        }
        assert_eq!(in_seconds(u64::MAX), "18446744073.709551615");
        assert_eq!((BOUNDS[0], BOUNDS[1], BOUNDS[2], BOUNDS[21]), (1_000, 2_000, 5_000, 10_000_000_000));
    }
}
