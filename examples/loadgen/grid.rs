//! The grid of a sweep: axes, and at each point what the device did and what software does.
//!
//! ```text
//!                jobs  1     8     64          points lie in this order: the last axis varies first
//!   latency  5 µs      0 ──► 1 ──► 2
//!           50 µs      3 ──► 4 ──► 5
//! ```

use serde_json::{Value, json};

use crate::axis::Axis;

/// A grid of one or two axes.
pub(crate) struct Grid {
    pub(crate) axes: Vec<Axis>,
    /// One for each combination of values; a sweep that a signal has ended has fewer.
    pub(crate) points: Vec<Point>,
}

/// A point: its place on each axis, and the figures there.
pub(crate) struct Point {
    /// A value for each axis.
    pub(crate) at: Vec<u64>,
    pub(crate) offload: Figures,
    /// In as many calling threads, with the same algorithm and size; `None` in virtual time.
    pub(crate) software: Option<Figures>,
    /// The device's row in full.
    pub(crate) row: Value,
}

/// What a row came to.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Figures {
    pub(crate) ops_per_second: f64,
    /// Latencies, in microseconds.
    pub(crate) p50: f64,
    pub(crate) p99: f64,
    /// Processor time of the calling thread; `None` where it was not measured.
    pub(crate) cpu_ns_per_op: Option<f64>,
}

impl Point {
    /// Operations a second, as a multiple of software's.
    pub(crate) fn factor(&self) -> Option<f64> {
        let software = self.software?.ops_per_second.max(f64::MIN_POSITIVE);
        Some(self.offload.ops_per_second / software)
    }

    /// Processor time of the caller per operation, as a multiple of software's: below 1 offload saves some.
    pub(crate) fn cpu_factor(&self) -> Option<f64> {
        let software = self.software?.cpu_ns_per_op?.max(f64::MIN_POSITIVE);
        self.offload.cpu_ns_per_op.map(|offload| offload / software)
    }

    /// Whether offload does more operations a second than software.
    pub(crate) fn pays(&self) -> Option<bool> {
        self.factor().map(|factor| factor > 1.0)
    }

    /// Whether offload takes less of the caller's processor time than software.
    pub(crate) fn pays_in_cpu(&self) -> Option<bool> {
        self.cpu_factor().map(|factor| factor < 1.0)
    }
}

impl Grid {
    /// The places of all points, in their order.
    pub(crate) fn places(axes: &[Axis]) -> Vec<Vec<u64>> {
        axes.iter().fold(vec![Vec::new()], |places, axis| {
            let extend =
                |place: Vec<u64>| axis.values.iter().map(move |value| [&place[..], &[*value]].concat());
            places.into_iter().flat_map(extend).collect()
        })
    }

    /// The point at these indices, one for each axis.
    pub(crate) fn point(&self, indices: &[usize]) -> Option<&Point> {
        let at = self.axes.iter().zip(indices).map(|(axis, at)| axis.values.get(*at).copied());
        let at = at.collect::<Option<Vec<u64>>>()?;
        self.points.iter().find(|point| point.at == at)
    }

    /// Whether there is software to compare with.
    pub(crate) fn has_software(&self) -> bool {
        self.points.iter().any(|point| point.software.is_some())
    }

    pub(crate) fn json(&self) -> Value {
        let axes = self
            .axes
            .iter()
            .map(|axis| json!({ "key": axis.key.name, "unit": axis.key.unit(), "values": axis.values }));
        let points = self.points.iter().map(|point| {
            let at = self.axes.iter().zip(&point.at).map(|(axis, at)| (axis.key.name.to_owned(), json!(at)));
            json!({
                "at": Value::Object(at.collect()),
                "factor": point.factor(),
                "cpu_factor": point.cpu_factor(),
                "software_ops_per_second": point.software.map(|software| software.ops_per_second),
                "software_cpu_ns_per_op": point.software.and_then(|software| software.cpu_ns_per_op),
                "row": point.row,
            })
        });
        json!({ "axes": axes.collect::<Vec<_>>(), "points": points.collect::<Vec<_>>() })
    }
}
