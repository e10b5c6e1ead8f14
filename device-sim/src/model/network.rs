//! The stations that a request goes through, one after the other, and what it waits for there.
//!
//! ```text
//!   limit ─► front ─► link in ─► batch ─► units ─► link out         docs/model.md has the rules, to the nanosecond
//!
//!   direct    all times follow from the arrival: each station is a recurrence on when it is free
//!   events    requests wait in stations (with arbitration, batches or a shared link)
//! ```
//!
//! A pure structure: times come in with arrivals, and with `advance`. It says what to count to its
//! [`Surroundings`], and asks them for a service time where one is drawn late.

use crate::config::{Config, Mbps};
use crate::model::network::arbitration::Arbitration;
use crate::model::network::direct::Direct;
use crate::model::network::events::Events;
use crate::model::network::limit::Limit;
use crate::model::network::limit_mode::LimitMode;
use crate::model::service::Work;

pub(crate) mod arbitration;
#[cfg(test)]
mod changed;
mod direct;
mod events;
pub(crate) mod limit;
pub(crate) mod limit_mode;
mod line;
mod link;
mod requests;
mod station;
#[cfg(test)]
mod tests;
mod units;

/// The stations of one device. `T` is what belongs to a request that waits in them.
#[derive(Debug)]
pub(crate) enum Network<T> {
    Direct(Direct),
    Events(Box<Events<T>>),
}

/// A request, as the stations see it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Arrival {
    pub(crate) work: Work,
    /// Its unit stands still for this long before it begins.
    pub(crate) standstill: u64,
    /// How long it takes there; `None` where batches are drawn for.
    pub(crate) service: Option<u64>,
    /// It ends at its unit, and is sent nowhere.
    pub(crate) never: bool,
}

/// When a request was served: its unit began, and it has left the last station.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Served {
    pub(crate) started: u64,
    pub(crate) ended: u64,
}

/// A request that has left the stations.
#[derive(Debug)]
pub(crate) struct Left<T> {
    pub(crate) served: Served,
    pub(crate) content: T,
}

/// What a station has begun to do.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Counted {
    /// A request has waited for its tokens.
    Limit {
        nsec: u64,
    },
    Front {
        nsec: u64,
    },
    LinkIn {
        nsec: u64,
    },
    LinkOut {
        nsec: u64,
    },
    /// A batch was closed.
    Batch,
    Unit {
        unit: usize,
        requests: u64,
        at: u64,
        nsec: u64,
    },
}

/// What is around the stations.
pub(crate) trait Surroundings {
    /// The service time of a batch.
    fn service(&mut self, work: &Work) -> u64;

    fn count(&mut self, counted: Counted);
}

/// Whether all times of a request are known when it arrives.
fn is_direct(config: &Config) -> bool {
    config.arbitration == Arbitration::Fcfs && config.batch == 1 && config.link_mbps == Mbps::NONE
}

/// The limit that makes requests wait.
fn delaying(config: &Config) -> Option<Limit> {
    Limit::new(config).filter(|_| config.limit == LimitMode::Delay)
}

impl<T> Network<T> {
    pub(crate) fn new(config: &Config, ports: usize) -> Self {
        let limit = delaying(config);
        if is_direct(config) {
            Self::Direct(Direct::new(config, limit))
        } else {
            Self::Events(Box::new(Events::new(config, limit, ports)))
        }
    }

    /// Whether the service time of a batch is drawn when it is closed, and none when a request arrives.
    /// Calls `f` with what is known of each request that is in a station.
    pub(crate) fn each(&mut self, mut f: impl FnMut(&mut Work)) {
        if let Self::Events(events) = self {
            events.requests().for_each(|request| f(&mut request.work));
        }
    }

    /// Works by another configuration from here on: everything up to now has happened. `limits`: the buckets
    /// are others, and full.
    ///
    /// What has begun at a station ends there as it would have; what waits is served by the new numbers.
    pub(crate) fn change(
        &mut self,
        config: &Config,
        ports: usize,
        limits: bool,
        now: u64,
        around: &mut impl Surroundings,
    ) {
        let limit = limits.then(|| delaying(config));
        match self {
            Self::Direct(direct) if is_direct(config) => direct.change(config, limit),
            Self::Direct(direct) => {
                direct.change(config, limit);
                *self = Self::Events(Box::new(Events::after(direct, config, ports)));
            }
            // Both give the same numbers. Requests that wait need events.
            Self::Events(events) => events.change(config, ports, limit, now, around),
        }
    }

    pub(crate) fn has_batches(&self) -> bool {
        matches!(self, Self::Events(events) if events.has_batches())
    }

    /// How many requests wait here.
    pub(crate) fn len(&self) -> usize {
        match self {
            Self::Direct(_) => 0,
            Self::Events(events) => events.len(),
        }
    }

    /// Empties all stations and frees their servers; returns what belongs to the requests that were there.
    pub(crate) fn clear(&mut self) -> Vec<T> {
        match self {
            Self::Direct(direct) => {
                direct.clear();
                Vec::new()
            }
            Self::Events(events) => events.clear(),
        }
    }
}
