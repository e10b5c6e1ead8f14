//! The stations that a request goes through, one after the other, and what it waits for there.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use crate::config::Config;

/// The stations of one device.
#[derive(Debug)]
pub(crate) struct Network {
    /// When each unit is free again, and its number.
    units: BinaryHeap<Reverse<(u64, usize)>>,
}

/// Where and when a request was served.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Served {
    pub(crate) unit: usize,
    pub(crate) started: u64,
    pub(crate) ended: u64,
}

impl Network {
    pub(crate) fn new(config: &Config) -> Self {
        Self { units: (0..config.compute_units).map(|unit| Reverse((0, unit))).collect() }
    }

    /// A request that arrives at `at` occupies the unit that is free first.
    pub(crate) fn arrive(&mut self, at: u64, before: u64, service: u64) -> Served {
        let Some(Reverse((free_at, unit))) = self.units.pop() else {
            return Served { unit: 0, started: at, ended: at };
        };
        let started = free_at.max(at).saturating_add(before);
        let ended = started.saturating_add(service);
        self.units.push(Reverse((ended, unit)));
        Served { unit, started, ended }
    }

    /// Frees everything.
    pub(crate) fn clear(&mut self) {
        self.units = (0..self.units.len()).map(|unit| Reverse((0, unit))).collect();
    }
}
