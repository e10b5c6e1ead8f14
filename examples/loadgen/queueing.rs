//! The limits of the device's model, and how close the run came.

use serde_json::{Value, json};
use simaccel::{EngineStats, Histogram};

use crate::row::as_f64;
use crate::stations::{self, Alone, Ceiling};
use crate::units::grouped;

/// A modelled device after a row.
pub(crate) struct Model {
    /// As counted by the compute units, in microseconds.
    mean_service_us: f64,
    /// What each station can do.
    pub(crate) stations: Vec<Ceiling>,
    /// The station that limits the device.
    limit: Ceiling,
    /// How long an operation takes that waits for no other.
    pub(crate) alone: Alone,
    /// How late completions were.
    pub(crate) error: Histogram,
    /// For which share of the time the host decided.
    pub(crate) host_bound: f64,
    host_bound_warning: Option<String>,
    /// For which share of the time each worker was at work.
    pub(crate) workers_busy: Vec<f64>,
}

impl Model {
    /// `None`: the device models no time, or has done nothing. `is_woken`: the host is told of completions.
    pub(crate) fn of(config: &simaccel_device::Config, stats: &EngineStats, is_woken: bool) -> Option<Self> {
        let executed = stations::executed(&stats.device);
        let open = as_f64(stats.device.open_nsec.max(1));
        let stations = stations::rates(config, &stats.device);
        let limit = stations::lowest(&stations).filter(|_| executed > 0)?;
        Some(Self {
            stations,
            limit,
            alone: stations::alone(config, &stats.device, is_woken),
            mean_service_us: as_f64(stations::busy(&stats.device)) / as_f64(executed) / 1e3,
            error: stats.device.completion_error.clone(),
            host_bound: stats.device.host_bound(),
            host_bound_warning: stats.device.host_bound_warning(),
            workers_busy: stats.device.workers.iter().map(|worker| as_f64(worker.busy_nsec) / open).collect(),
        })
    }

    /// The most operations a second that the device can do.
    const fn ceiling(&self) -> f64 {
        self.limit.ops_per_second
    }

    pub(crate) fn error_us(&self, share: f64) -> f64 {
        as_f64(self.error.quantile(share)) / 1e3
    }

    /// How much later completions came than the model says, in microseconds.
    pub(crate) fn late_json(&self) -> Value {
        json!({
            "count": self.error.count(),
            "p50": self.error_us(0.50),
            "p99": self.error_us(0.99),
            "max": as_f64(self.error.max()) / 1e3,
        })
    }

    pub(crate) fn json(&self, ops_per_second: f64) -> Value {
        json!({
            "mean_service_us": self.mean_service_us,
            "ceiling_ops_per_second": self.ceiling(),
            "ceiling_of": self.limit.of,
            "share_of_ceiling": ops_per_second / self.ceiling(),
            "completion_error_us": self.late_json(),
            "host_bound": self.host_bound,
            "host_bound_warning": self.host_bound_warning,
            "workers_busy": self.workers_busy,
        })
    }

    pub(crate) fn summary(&self, ops_per_second: f64) -> String {
        format!(
            "at most {} op/s ({}), reached {:.1} %; late by p50 {:.1} µs, p99 {:.1} µs; host-bound {:.1} %",
            grouped(format_args!("{:.0}", self.ceiling())),
            self.limit.of,
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
