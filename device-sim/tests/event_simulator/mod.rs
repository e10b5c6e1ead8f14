//! A device's model of time, written a second time: a network of stations, simulated event by event.
//!
//! ```text
//!   arrivals ─► bucket ─► front ─► link in ─► propagation ─► batches ─► units ─► link out ─► propagation ─► order
//!              (delays)  (1 server) (1 server)  (no queue)   (collect)  (c servers) (1 server)  (no queue)  (fifo)
//!
//!   next event = the earliest among all stations;   at each:   front to back:  take ─► settle ─► hand over
//! ```
//!
//! It follows docs/model.md and shares no line with the device: stations hold queues and
//! look at them whenever something happens, where the device computes what it can in advance. A stage that is
//! not configured has no station. Times are nanoseconds, and whole.

#![allow(dead_code, reason = "each test file uses its part of it")]

mod bucket;
pub(crate) mod service;
mod setup;
mod stations;

pub(crate) use service::Service;
pub(crate) use setup::{Limit, Link, Setup};

use bucket::Bucket;
use stations::{Collector, Propagation, Servers, Station, Takes};

/// A request, as the network sees it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Arrival {
    /// When it is submitted.
    pub(crate) at: u64,
    pub(crate) pair: usize,
    /// Bytes that the link carries to the units.
    pub(crate) input: u64,
    /// Bytes that the link carries back.
    pub(crate) output: u64,
}

impl Arrival {
    /// The only operation here whose output is not as long as its input is a digest.
    pub(crate) fn operation(&self) -> &'static str {
        if self.output == self.input { "encrypt" } else { "digest" }
    }
}

/// A request in the network.
#[derive(Clone, Copy, Debug)]
struct Request {
    /// The order of admission.
    sequence: usize,
    arrival: Arrival,
}

/// What waits for a server and is served: a request, or a batch of them.
#[derive(Clone, Debug)]
struct Load {
    requests: Vec<Request>,
    /// The time on a unit.
    service: u64,
}

impl Load {
    fn sequence(&self) -> usize {
        self.requests[0].sequence
    }

    fn pair(&self) -> usize {
        self.requests[0].arrival.pair
    }

    fn input(&self) -> u64 {
        self.requests.iter().map(|request| request.arrival.input).sum()
    }

    fn output(&self) -> u64 {
        self.requests.iter().map(|request| request.arrival.output).sum()
    }
}

/// What became of an arrival.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// Complete at this time.
    Done(u64),
    /// Refused when it was submitted: no tokens.
    Busy,
}

/// One device.
pub(crate) struct Simulator {
    stations: Vec<Box<dyn Station>>,
    /// Of `limit=busy`.
    guard: Option<Bucket>,
    service: Service,
    fifo: bool,
    arrivals: Vec<Arrival>,
    /// When each left the last station; `None`: not yet.
    left: Vec<Option<u64>>,
    refused: Vec<bool>,
    admitted: usize,
}

impl Simulator {
    pub(crate) fn new(setup: &Setup) -> Self {
        let guard = setup.bucket(Limit::Busy);
        let (service, fifo) = (setup.service.clone(), setup.fifo);
        let (arrivals, left, refused) = (Vec::new(), Vec::new(), Vec::new());
        Self { stations: stations(setup), guard, service, fifo, arrivals, left, refused, admitted: 0 }
    }

    /// What becomes of these arrivals, which are in order of time. A group arrives after everything that
    /// happens at its time without it.
    pub(crate) fn run(setup: &Setup, groups: &[Vec<Arrival>]) -> Vec<Outcome> {
        let mut simulator = Self::new(setup);
        groups.iter().for_each(|group| simulator.arrive(group));
        simulator.advance(u64::MAX);
        simulator.outcomes()
    }

    /// These arrive at the same time.
    fn arrive(&mut self, group: &[Arrival]) {
        let now = group[0].at;
        self.advance(now);
        let loads = group.iter().filter_map(|arrival| self.admit(*arrival)).collect();
        self.settle(now, loads);
    }

    fn admit(&mut self, arrival: Arrival) -> Option<Load> {
        let Arrival { at, input, .. } = arrival;
        let refused = self.guard.as_mut().is_some_and(|bucket| !bucket.admits(at, at, input));
        let sequence = self.arrivals.len();
        self.arrivals.push(arrival);
        self.left.push(None);
        self.refused.push(refused);
        if refused {
            return None;
        }
        let service = self.service.of(self.admitted, &arrival, input);
        self.admitted += 1;
        Some(Load { requests: vec![Request { sequence, arrival }], service })
    }

    /// Everything that happens until then.
    fn advance(&mut self, until: u64) {
        while let Some(next) = self.stations.iter().filter_map(|station| station.next()).min()
            && next <= until
        {
            self.settle(next, Vec::new());
        }
    }

    /// Everything that happens at `now`. Nothing goes back to an earlier station.
    fn settle(&mut self, now: u64, arriving: Vec<Load>) {
        let pass_on = |moving: Vec<Load>, station: &mut Box<dyn Station>| {
            moving.into_iter().for_each(|load| station.take(now, load));
            station.settle(now)
        };
        let leaving = self.stations.iter_mut().fold(arriving, pass_on);
        for request in leaving.iter().flat_map(|load| &load.requests) {
            self.left[request.sequence] = Some(now);
        }
    }

    fn outcomes(&self) -> Vec<Outcome> {
        let mut latest = vec![0; 64];
        let outcome = |index: usize| {
            if self.refused[index] {
                return Outcome::Busy;
            }
            let left = self.left[index].expect("nothing stays in the network");
            let latest = &mut latest[self.arrivals[index].pair];
            *latest = left.max(*latest);
            Outcome::Done(if self.fifo { *latest } else { left })
        };
        (0..self.arrivals.len()).map(outcome).collect()
    }
}

/// The stations of a device, from front to back.
fn stations(setup: &Setup) -> Vec<Box<dyn Station>> {
    let mut stations: Vec<Box<dyn Station>> = Vec::new();
    let arbiter = || setup.arbiter();
    if let Some(bucket) = setup.bucket(Limit::Delay) {
        stations.push(Box::new(bucket));
    }
    if setup.firmware_nsec > 0 {
        stations.push(Box::new(Servers::new(1, arbiter(), Takes::Fixed(setup.firmware_nsec))));
    }
    let Link { rate, nsec } = setup.link;
    if rate > 0 {
        stations.push(Box::new(Servers::new(1, arbiter(), Takes::inward(rate))));
    }
    if nsec > 0 {
        stations.push(Box::new(Propagation::new(nsec)));
    }
    if setup.batch > 1 {
        stations.push(Box::new(Collector::new(setup.batch, setup.batch_nsec, setup.service.clone())));
    }
    let to_units = if setup.batch > 1 { None } else { arbiter() };
    stations.push(Box::new(Servers::new(setup.units, to_units, Takes::Service)));
    if rate > 0 {
        stations.push(Box::new(Servers::new(1, None, Takes::outward(rate))));
    }
    if nsec > 0 {
        stations.push(Box::new(Propagation::new(nsec)));
    }
    stations
}
