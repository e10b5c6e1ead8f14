//! Statistics for programs: one JSON object, or Prometheus text. The names are those of the counters' fields.
//!
//! ```text
//!   EngineStats ──► counters() + meanings(), of the engine, jobs, device, pairs, units, operations
//!                     ├──► to_json         {"engine": {..}, "jobs": {..}, "faults": {..}, "device": {..}}
//!                     └──► to_prometheus   # HELP, # TYPE, samples with labels
//! ```

use device_sim::{Histogram, Operation, QueuePairStats, Timings};
use serde_json::{Map, Value, json};

use super::fault::FaultKind;
use super::stats::EngineStats;

mod prometheus;

impl EngineStats {
    /// Everything as one JSON object, in one line.
    ///
    /// | key | what it holds |
    /// |---|---|
    /// | `engine` | the counters of [`EngineStats::counters`] |
    /// | `jobs` | those of the calling thread's jobs |
    /// | `faults` | how often each kind was injected, the engine's two kinds too |
    /// | `device` | counters; `total`, and in order `queue_pairs` and `units`, each with its counters |
    /// | `device.*.operations` | counters by operation: `encrypt`, `decrypt`, `digest`, `mac` |
    /// | `device.*.timings`, `device.timings_by_operation` | histograms: `queue_nsec`, `service_nsec`, `wake_nsec`, `total_nsec` |
    /// | `device.completion_error_nsec` | a histogram |
    ///
    /// A histogram that has recorded nothing (`timing=off`) is `null`. Any other is `count`, `sum`, `min`, `mean`, `max` and the quantiles `p50`, `p90`, `p99`, `p999`, in
    /// nanoseconds.
    pub fn to_json(&self) -> String {
        json!({
            "engine": object(self.counters()),
            "jobs": object(self.jobs.counters()),
            "faults": object(self.faults()),
            "device": self.device_json(),
        })
        .to_string()
    }

    /// Everything in Prometheus' text exposition format, version 0.0.4
    /// (`Content-Type: text/plain; version=0.0.4`).
    ///
    /// Names begin with `simaccel_`; counters end in `_total`, times are in seconds. Samples of a queue pair carry
    /// the label `queue_pair`, those of a compute unit `unit`, of an operation `op`, faults injected `kind`. Histograms
    /// have buckets from a microsecond to ten seconds; one that has no samples (`timing=off`) is left out.
    pub fn to_prometheus(&self) -> String {
        prometheus::text(self)
    }

    /// Every kind of fault, the device's and the engine's, with how often it was injected.
    pub fn faults(&self) -> impl Iterator<Item = (&'static str, u64)> + '_ {
        let own = [(FaultKind::FdFail.name(), self.fd_fails), (FaultKind::NoMem.name(), self.nomems)];
        self.device.faults.iter().chain(own)
    }

    fn device_json(&self) -> Value {
        let device = &self.device;
        let pairs = device.queue_pairs.iter().enumerate();
        let pairs = pairs.map(|(index, pair)| pair_json(pair, device.timings_by_pair.get(index)));
        let by_operation = Operation::ALL.into_iter().zip(&device.timings_by_operation);
        let by_operation = by_operation.map(|(operation, timings)| (operation.name(), timings_json(timings)));
        let mut json = object(device.counters());
        json.insert("total".to_owned(), pair_json(&device.total, Some(&device.timings)));
        json.insert("queue_pairs".to_owned(), pairs.collect());
        json.insert("units".to_owned(), device.units.iter().map(|unit| object(unit.counters())).collect());
        json.insert("timings_by_operation".to_owned(), by_operation.collect());
        json.insert("completion_error_nsec".to_owned(), histogram_json(&device.completion_error));
        Value::Object(json)
    }
}

fn object(counters: impl Iterator<Item = (&'static str, u64)>) -> Map<String, Value> {
    counters.map(|(name, value)| (name.to_owned(), Value::from(value))).collect()
}

fn pair_json(pair: &QueuePairStats, timings: Option<&Timings>) -> Value {
    let operations = pair.by_operation();
    let operations = operations.map(|(operation, stats)| (operation.name(), object(stats.counters())));
    let mut json = object(pair.counters());
    json.insert("operations".to_owned(), operations.collect());
    json.extend(timings.map(|timings| ("timings".to_owned(), timings_json(timings))));
    Value::Object(json)
}

fn timings_json(timings: &Timings) -> Value {
    let histograms = timings.histograms().into_iter();
    histograms.map(|(name, histogram)| (format!("{name}_nsec"), histogram_json(histogram))).collect()
}

fn histogram_json(histogram: &Histogram) -> Value {
    if histogram.count() == 0 {
        return Value::Null;
    }
    json!({
        "count": histogram.count(),
        "sum": histogram.sum(),
        "min": histogram.min(),
        "mean": histogram.mean(),
        "max": histogram.max(),
        "p50": histogram.quantile(0.5),
        "p90": histogram.quantile(0.9),
        "p99": histogram.quantile(0.99),
        "p999": histogram.quantile(0.999),
    })
}
