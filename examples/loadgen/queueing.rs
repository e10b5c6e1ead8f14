//! The limits of the device's model, and how close the run came.

use serde_json::{Value, json};
use simaccel::{EngineStats, Histogram};

use crate::report::as_f64;
use crate::units::grouped;

/// A modelled device after a row.
pub(crate) struct Model {
    compute_units: usize,
    /// As counted by the compute units, in microseconds.
    mean_service_us: f64,
    /// How late completions were.
    error: Histogram,
    /// For which share of the time the host decided.
    host_bound: f64,
    host_bound_warning: Option<String>,
    /// For which share of the time each worker was at work.
    workers_busy: Vec<f64>,
}

impl Model {
    /// `None`: the device models no time, or has done nothing.
    pub(crate) fn of(config: &simaccel_device::Config, stats: &EngineStats) -> Option<Self> {
        let executed: u64 = stats.device.units.iter().map(|unit| unit.executed).sum();
        let open = as_f64(stats.device.open_nsec.max(1));
        let busy: u64 = stats.device.units.iter().map(|unit| unit.busy_nsec).sum();
        (executed > 0 && busy > 0).then(|| Self {
            compute_units: config.compute_units(),
            mean_service_us: as_f64(busy) / as_f64(executed) / 1e3,
            error: stats.device.completion_error.clone(),
            host_bound: stats.device.host_bound(),
            host_bound_warning: stats.device.host_bound_warning(),
            workers_busy: stats.device.workers.iter().map(|worker| as_f64(worker.busy_nsec) / open).collect(),
        })
    }

    /// The most operations a second that a device with these units can do.
    fn ceiling(&self) -> f64 {
        #[expect(clippy::cast_precision_loss, reason = "at most 1,024 units")]
        let units = self.compute_units as f64;
        units * 1e6 / self.mean_service_us
    }

    fn error_us(&self, share: f64) -> f64 {
        as_f64(self.error.quantile(share)) / 1e3
    }

    pub(crate) fn json(&self, ops_per_second: f64) -> Value {
        json!({
            "mean_service_us": self.mean_service_us,
            "ceiling_ops_per_second": self.ceiling(),
            "share_of_ceiling": ops_per_second / self.ceiling(),
            "completion_error_us": {
                "count": self.error.count(),
                "p50": self.error_us(0.50),
                "p99": self.error_us(0.99),
                "max": as_f64(self.error.max()) / 1e3,
            },
            "host_bound": self.host_bound,
            "host_bound_warning": self.host_bound_warning,
            "workers_busy": self.workers_busy,
        })
    }

    pub(crate) fn summary(&self, ops_per_second: f64) -> String {
        format!(
            "at most {} op/s, reached {:.1} %; late by p50 {:.1} µs, p99 {:.1} µs; host-bound {:.1} %",
            grouped(format_args!("{:.0}", self.ceiling())),
            100.0 * ops_per_second / self.ceiling(),
            self.error_us(0.50),
            self.error_us(0.99),
            100.0 * self.host_bound,
        )
    }

    /// One line, where the figures are those of this host and not those of the model.
    pub(crate) fn warning(&self) -> Option<&str> {
        self.host_bound_warning.as_deref()
    }
}
