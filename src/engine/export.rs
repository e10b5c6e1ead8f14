//! Statistics for programs: one JSON object, or Prometheus text. The names are those of the counters' fields.
//!
//! ```text
//!   EngineStats ──► counters() + meanings(), of the engine, jobs, device, pairs, units, operations
//!                     ├──► to_json         {"engine": {..}, "jobs": {..}, "faults": {..}, "device": {..}}
//!                     └──► to_prometheus   # HELP, # TYPE, samples with labels
//! ```

use simaccel_device::{CallStats, Histogram, Operation, QueuePairStats, Timings};

use self::json::Value;
use super::fault::FaultKind;
use super::stats::EngineStats;

mod json;
mod prometheus;

impl EngineStats {
    /// Everything as one JSON object, in one line.
    ///
    /// | key | what it holds |
    /// |---|---|
    /// | `engine` | the counters of [`EngineStats::counters`] |
    /// | `jobs` | those of the calling thread's jobs |
    /// | `faults` | how often each kind was injected, the engine's kinds too |
    /// | `device` | counters; `total`, and in order `queue_pairs`, `units` and `workers`, each with its counters |
    /// | `device.host_bound` | the share of the time in which the host and not the model decided ([`DeviceStats::host_bound`](crate::DeviceStats::host_bound)) |
    /// | `device.*.operations` | counters by the [name](Operation::name) of the operation |
    /// | `device.*.timings`, `device.timings_by_operation` | histograms: `queue_nsec`, `service_nsec`, `wake_nsec`, `total_nsec` |
    /// | `device.calls` | by name, the counters and timings of [calls](crate::Engine::call) |
    /// | `device.completion_error_nsec` | a histogram |
    ///
    /// A histogram that has recorded nothing (`timing=off`) is `null`. Any other is `count`, `sum`, `min`,
    /// `mean`, `max` and the quantiles `p50`, `p90`, `p99`, `p999`, in nanoseconds.
    pub fn to_json(&self) -> String {
        let parts = [
            ("engine", Value::counts(self.counters())),
            ("jobs", Value::counts(self.jobs.counters())),
            ("faults", Value::counts(self.faults())),
            ("device", self.device_json()),
        ];
        Value::object(parts).to_string()
    }

    /// Everything in Prometheus' text exposition format, version 0.0.4
    /// (`Content-Type: text/plain; version=0.0.4`).
    ///
    /// Names begin with `simaccel_`; counters end in `_total`, times are in seconds. Samples of a queue pair
    /// carry the label `queue_pair`, those of a compute unit `unit`, of a worker `worker`, of an operation
    /// `op`, faults injected `kind`. What was done of [calls](crate::Engine::call) of a name is in
    /// `simaccel_call_*`, with the name as `op`, and once more in `simaccel_operation_*` with `op="call"`,
    /// where all names are added up. Histograms have buckets from a microsecond to ten seconds; one that has
    /// no samples (`timing=off`) is left out.
    pub fn to_prometheus(&self) -> String {
        prometheus::text(self)
    }

    /// Every kind of fault, of the device and of the engine, with its number of injections.
    pub fn faults(&self) -> impl Iterator<Item = (&'static str, u64)> + '_ {
        let own = FaultKind::ALL.into_iter().map(|kind| (kind.name(), self.of_fault(kind)));
        self.device.faults.iter().chain(own)
    }

    fn device_json(&self) -> Value {
        let device = &self.device;
        let pairs = device.queue_pairs.iter().enumerate();
        let pairs = pairs.map(|(index, pair)| pair_json(pair, device.timings_by_pair.get(index)));
        let by_operation = Operation::ALL.into_iter().zip(&device.timings_by_operation);
        let by_operation = by_operation.map(|(operation, timings)| (operation.name(), timings_json(timings)));
        let workers = device.workers.iter().map(|worker| Value::counts(worker.counters()));
        Value::counts(device.counters()).with([
            ("total", pair_json(&device.total, Some(&device.timings))),
            ("queue_pairs", Value::List(pairs.collect())),
            ("units", Value::List(device.units.iter().map(|unit| Value::counts(unit.counters())).collect())),
            ("workers", Value::List(workers.collect())),
            ("host_bound", Value::Mean(device.host_bound())),
            ("timings_by_operation", Value::object(by_operation)),
            ("calls", Value::object(device.calls.iter().map(call_json))),
            ("completion_error_nsec", histogram_json(&device.completion_error)),
        ])
    }
}

fn pair_json(pair: &QueuePairStats, timings: Option<&Timings>) -> Value {
    let operations = pair.by_operation();
    let operations = operations.map(|(operation, stats)| (operation.name(), Value::counts(stats.counters())));
    Value::counts(pair.counters())
        .with([("operations", Value::object(operations))])
        .with(timings.map(|timings| ("timings", timings_json(timings))))
}

fn call_json(call: &CallStats) -> (String, Value) {
    (call.name.clone(), Value::counts(call.counters()).with([("timings", timings_json(&call.timings))]))
}

fn timings_json(timings: &Timings) -> Value {
    let Timings { queue, service, wake, total, .. } = timings;
    let histograms =
        [("queue_nsec", queue), ("service_nsec", service), ("wake_nsec", wake), ("total_nsec", total)];
    Value::object(histograms.map(|(name, histogram)| (name, histogram_json(histogram))))
}

fn histogram_json(histogram: &Histogram) -> Value {
    if histogram.count() == 0 {
        return Value::Null;
    }
    let quantiles = [("p50", 0.5), ("p90", 0.9), ("p99", 0.99), ("p999", 0.999)];
    Value::counts([("count", histogram.count()), ("sum", histogram.sum())])
        .with([("min", Value::Count(histogram.min())), ("mean", Value::Mean(histogram.mean()))])
        .with([("max", Value::Count(histogram.max()))])
        .with(quantiles.map(|(name, share)| (name, Value::Count(histogram.quantile(share)))))
}
