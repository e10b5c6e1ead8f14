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
}

impl Model {
    /// `None`: the device models no time, or has done nothing.
    pub(crate) fn of(config: &simaccel_device::Config, stats: &EngineStats) -> Option<Self> {
        let executed: u64 = stats.device.units.iter().map(|unit| unit.executed).sum();
        let busy: u64 = stats.device.units.iter().map(|unit| unit.busy_nsec).sum();
        (executed > 0 && busy > 0).then(|| Self {
            compute_units: config.compute_units(),
            mean_service_us: as_f64(busy) / as_f64(executed) / 1e3,
            error: stats.device.completion_error.clone(),
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
        })
    }

    pub(crate) fn summary(&self, ops_per_second: f64) -> String {
        format!(
            "at most {} op/s, reached {:.1} %; late by p50 {:.1} µs, p99 {:.1} µs",
            grouped(format_args!("{:.0}", self.ceiling())),
            100.0 * ops_per_second / self.ceiling(),
            self.error_us(0.50),
            self.error_us(0.99),
        )
    }
}
