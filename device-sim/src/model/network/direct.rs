//! The stations as recurrences: every time of a request is known when it arrives.
//!
//! ```text
//!   front: free := max(free, at) + firmware_nsec          units: the one that is free first
//! ```

use super::limit::Limit;
use super::units::Units;
use super::{Arrival, Counted, Served, Surroundings};
use crate::config::Config;

/// First come, first served; no batches, and no bytes on the link.
#[derive(Debug)]
pub(crate) struct Direct {
    pub(super) limit: Option<Limit>,
    front_nsec: u64,
    pub(super) front_free_at: u64,
    link_nsec: u64,
    pub(super) units: Units,
}

impl Direct {
    pub(crate) fn new(config: &Config, limit: Option<Limit>) -> Self {
        Self {
            limit,
            front_nsec: config.firmware_nsec,
            front_free_at: 0,
            link_nsec: config.link_nsec,
            units: Units::new(config.compute_units),
        }
    }

    /// Works by another configuration from here on. `limit`: there is another one, or none.
    pub(crate) fn change(&mut self, config: &Config, limit: Option<Option<Limit>>) {
        (self.front_nsec, self.link_nsec) = (config.firmware_nsec, config.link_nsec);
        if let Some(limit) = limit {
            self.limit = limit;
        }
    }

    /// Sends a request that is there at `at` through all stations.
    #[inline]
    pub(crate) fn arrive(&mut self, at: u64, arrival: &Arrival, around: &mut impl Surroundings) -> Served {
        let at = self.reach_units(at, arrival, around);
        let Some((free_at, unit)) = self.units.take() else { return Served { started: at, ended: at } };
        let started = free_at.max(at).saturating_add(arrival.standstill);
        let until = started.saturating_add(arrival.service.unwrap_or(0));
        self.units.put(until, unit);
        around.count(Counted::Unit { unit, requests: 1, at: started, nsec: until - started });
        let ended = if arrival.never { until } else { until.saturating_add(self.link_nsec) };
        Served { started, ended }
    }

    fn reach_units(&mut self, at: u64, arrival: &Arrival, around: &mut impl Surroundings) -> u64 {
        let mut at = at;
        if let Some(limit) = &mut self.limit {
            at = limit.delay(at, arrival.work.input, around);
        }
        if self.front_nsec > 0 {
            at = self.front_free_at.max(at).saturating_add(self.front_nsec);
            self.front_free_at = at;
            around.count(Counted::Front { nsec: self.front_nsec });
        }
        at.saturating_add(self.link_nsec)
    }

    /// Frees all servers.
    pub(crate) fn clear(&mut self) {
        self.front_free_at = 0;
        self.units.clear();
    }
}
