//! A configuration, as both sides read it: the device as text, the simulator as numbers.

use std::fmt::Write;

use super::bucket::{Bucket, Rate};
use super::service::Service;
use super::stations::Arbiter;

/// A device's numbers. 0, or nothing: there is no such stage.
#[derive(Clone, Debug)]
pub(crate) struct Setup {
    pub(crate) queue_pairs: usize,
    pub(crate) units: usize,
    pub(crate) service: Service,
    pub(crate) firmware_nsec: u64,
    pub(crate) link: Link,
    pub(crate) batch: usize,
    pub(crate) batch_nsec: u64,
    /// A second, and at once.
    pub(crate) ops: (u64, u64),
    pub(crate) bytes: (u64, u64),
    pub(crate) limit: Limit,
    /// The weight of each queue pair; none: first come, first served.
    pub(crate) weights: Vec<u64>,
    pub(crate) fifo: bool,
}

#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Link {
    /// Thousandths of 10^6 bytes a second.
    pub(crate) rate: u64,
    pub(crate) nsec: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Limit {
    Delay,
    Busy,
}

impl Setup {
    /// One unit, and nothing else.
    pub(crate) fn plain(service: Service) -> Self {
        Self {
            queue_pairs: 1,
            units: 1,
            service,
            firmware_nsec: 0,
            link: Link::default(),
            batch: 1,
            batch_nsec: 0,
            ops: (0, 1),
            bytes: (0, 65_536),
            limit: Limit::Delay,
            weights: Vec::new(),
            fifo: false,
        }
    }

    /// The device's configuration: what differs from the default.
    pub(crate) fn text(&self) -> String {
        let mut text = format!("queue_pairs={};compute_units={}", self.queue_pairs, self.units);
        let mut set = |key: &str, value: &dyn std::fmt::Display, wanted: bool| {
            if wanted {
                write!(text, ";{key}={value}").expect("a string takes all");
            }
        };
        self.service.write(&mut set);
        set("firmware_nsec", &self.firmware_nsec, self.firmware_nsec > 0);
        set("link_mbps", &thousandths(self.link.rate), self.link.rate > 0);
        set("link_nsec", &self.link.nsec, self.link.nsec > 0);
        set("batch", &self.batch, self.batch > 1);
        set("batch_nsec", &self.batch_nsec, self.batch > 1);
        for (name, (rate, burst)) in [("ops", self.ops), ("bytes", self.bytes)] {
            set(&format!("{name}_limit"), &rate, rate > 0);
            set(&format!("{name}_burst"), &burst, rate > 0);
        }
        set("limit", &"busy", self.limit == Limit::Busy);
        let weights: Vec<String> = self.weights.iter().map(u64::to_string).collect();
        set("arbitration", &format!("weighted:{}", weights.join(":")), !weights.is_empty());
        set("ordering", &"fifo", self.fifo);
        text
    }

    pub(super) fn arbiter(&self) -> Option<Arbiter> {
        (!self.weights.is_empty()).then(|| Arbiter::new(self.weights.clone()))
    }

    /// The bucket, if it is for this.
    pub(super) fn bucket(&self, limit: Limit) -> Option<Bucket> {
        let rates = [(self.ops, false), (self.bytes, true)].into_iter().filter(|((rate, _), _)| *rate > 0);
        let rates: Vec<Rate> =
            rates.map(|((rate, burst), counts_bytes)| Rate::new(rate, burst, counts_bytes)).collect();
        (self.limit == limit && !rates.is_empty()).then(|| Bucket::new(rates))
    }
}

pub(super) fn thousandths(rate: u64) -> String {
    format!("{}.{:03}", rate / 1_000, rate % 1_000)
}
