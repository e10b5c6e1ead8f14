//! The limits of the device's model, and how close the run came.

use serde_json::{Value, json};
use simaccel::{DeviceStats, EngineStats, Histogram};

use crate::row::as_f64;
use crate::units::grouped;

/// A modelled device after a row.
pub(crate) struct Model {
    /// As counted by the compute units, in microseconds.
    mean_service_us: f64,
    /// The station that limits the device, and the most operations a second that it can do.
    limit: (&'static str, f64),
    /// How late completions were.
    error: Histogram,
    /// For which share of the time the host decided.
    pub(crate) host_bound: f64,
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
        let limit = limit(config, &stats.device).filter(|_| executed > 0)?;
        Some(Self {
            limit,
            mean_service_us: as_f64(busy) / as_f64(executed) / 1e3,
            error: stats.device.completion_error.clone(),
            host_bound: stats.device.host_bound(),
            host_bound_warning: stats.device.host_bound_warning(),
            workers_busy: stats.device.workers.iter().map(|worker| as_f64(worker.busy_nsec) / open).collect(),
        })
    }

    /// The most operations a second that the device can do.
    const fn ceiling(&self) -> f64 {
        self.limit.1
    }

    fn error_us(&self, share: f64) -> f64 {
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
            "ceiling_of": self.limit.0,
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
            self.limit.0,
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

/// The station with the lowest rate, in operations a second: by its configuration, or by how long it was busy
/// with those that it has served.
fn limit(config: &simaccel_device::Config, stats: &DeviceStats) -> Option<(&'static str, f64)> {
    let executed = as_f64(stats.units.iter().map(|unit| unit.executed).sum());
    let per_second = |busy_nsec: u64| executed * 1e9 / as_f64(busy_nsec);
    let busy = stats.units.iter().map(|unit| unit.busy_nsec).sum();
    #[expect(clippy::cast_precision_loss, reason = "at most 1,024 units")]
    let units = config.compute_units() as f64 * per_second(busy);
    let mean_bytes = as_f64(stats.total.bytes) / executed;
    let stations = [
        ("limit", as_f64(config.ops_limit())),
        ("limit", as_f64(config.bytes_limit()) / mean_bytes),
        ("front", per_second(stats.front_busy_nsec)),
        ("link", per_second(stats.link_in_busy_nsec.max(stats.link_out_busy_nsec))),
        ("units", units),
    ];
    // A station that is not configured has no rate: 0 by configuration, none by what it has done.
    let limits = stations.into_iter().filter(|(_, rate)| rate.is_finite() && *rate > 0.0);
    limits.min_by(|one, other| one.1.total_cmp(&other.1))
}
