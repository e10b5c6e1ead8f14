//! One direction of the link: a server that is busy for as long as a request's bytes take, and the way.

use super::arbitration::{Arbitration, Waiting};
use super::line::Line;
use super::requests::{Key, Passing, Requests};
use super::station::Station;
use crate::config::{Config, Mbps};
use crate::model::transfer::{Carry, PerByte};

/// One direction of the link. Where it is not configured, requests arrive as soon as they set out.
#[derive(Debug)]
pub(crate) struct Link {
    per_byte: PerByte,
    carry: Carry,
    /// `None`: bytes take no time.
    station: Option<Station>,
    nsec: u64,
    travelling: Line<Key>,
}

impl Link {
    pub(crate) fn new(config: &Config, arbitration: &Arbitration, ports: usize) -> Self {
        let is_limited = config.link_mbps != Mbps::NONE;
        Self {
            per_byte: PerByte::at(config.link_mbps),
            carry: Carry::default(),
            station: is_limited.then(|| Station::new(arbitration, ports)),
            nsec: config.link_nsec,
            travelling: Line::default(),
        }
    }

    /// Works by another configuration from here on. What travels arrives when it would have.
    pub(crate) fn change<T>(
        &mut self,
        config: &Config,
        arbitration: &Arbitration,
        ports: usize,
        requests: &Requests<T>,
    ) {
        (self.per_byte, self.nsec) = (PerByte::at(config.link_mbps), config.link_nsec);
        match &mut self.station {
            // Without a limit it serves in no time what waits there.
            Some(station) => station.change(arbitration, ports, requests),
            None if config.link_mbps != Mbps::NONE => self.station = Some(Station::new(arbitration, ports)),
            None => {}
        }
    }

    /// A request sets out.
    pub(crate) fn push<T>(&mut self, at: u64, key: Key, requests: &mut Requests<T>) {
        match &mut self.station {
            Some(station) => station.push(at, key, requests),
            None => self.travelling.push(at.saturating_add(self.nsec), key),
        }
    }

    /// The next request that has arrived at `now`, and when it did. `bytes` says how much it carries; `count`
    /// gets the time that its bytes take.
    pub(crate) fn serve<T>(
        &mut self,
        now: u64,
        requests: &Requests<T>,
        bytes: impl Fn(&Passing<T>) -> u64,
        mut count: impl FnMut(u64),
    ) -> Option<(u64, Key)> {
        let Self { per_byte, carry, station, nsec, travelling } = self;
        if let Some(station) = station {
            let mut time = |request: &Passing<T>| {
                let taken = carry.whole(per_byte.transfer(bytes(request)));
                count(taken);
                taken
            };
            while let Some((at, key)) = station.serve(now, requests, &mut time) {
                travelling.push(at.saturating_add(*nsec), key);
            }
        }
        travelling.pop(now)
    }

    /// When something happens next.
    pub(crate) fn next(&self) -> Option<u64> {
        let station = self.station.as_ref().and_then(Station::next);
        station.into_iter().chain(self.travelling.next()).min()
    }

    pub(crate) fn waiting(&mut self) -> Option<&mut Waiting<Key>> {
        self.station.as_mut().map(Station::waiting)
    }

    /// Nothing is here, and nothing is owed.
    pub(crate) fn clear(&mut self) {
        self.carry = Carry::default();
        self.station.iter_mut().for_each(Station::clear);
        self.travelling.clear();
    }
}
