//! The stations: each holds what is in it, and says when something will happen there by itself.

use std::collections::VecDeque;

use super::service::{Entry, Service};
use super::{Load, Request};

pub(crate) trait Station {
    /// Something arrives.
    fn take(&mut self, now: u64, load: Load);
    /// Ends what ends at `now`, starts what can start, and gives what leaves.
    fn settle(&mut self, now: u64) -> Vec<Load>;
    /// When it has to settle, if nothing arrives before.
    fn next(&self) -> Option<u64>;
}

/// Servers with one queue, or one for each queue pair.
pub(crate) struct Servers {
    count: usize,
    takes: Takes,
    arbiter: Option<Arbiter>,
    /// In the order of their arrival.
    waiting: Vec<Load>,
    /// With the time of their end.
    served: Vec<(u64, Load)>,
}

/// How long a service is.
pub(crate) enum Takes {
    Fixed(u64),
    Inward(Entry),
    Outward(Entry),
    /// What the load brings along.
    Service,
}

impl Takes {
    pub(crate) fn inward(rate: u64) -> Self {
        Self::Inward(Entry::linear(0, rate))
    }

    pub(crate) fn outward(rate: u64) -> Self {
        Self::Outward(Entry::linear(0, rate))
    }

    fn of(&mut self, load: &Load) -> u64 {
        match self {
            Self::Fixed(nsec) => *nsec,
            Self::Inward(bytes) => bytes.next(load.input(), 100),
            Self::Outward(bytes) => bytes.next(load.output(), 100),
            Self::Service => load.service,
        }
    }
}

impl Servers {
    /// Without an arbiter: first come, first served.
    pub(crate) fn new(count: usize, arbiter: Option<Arbiter>, takes: Takes) -> Self {
        Self { count, takes, arbiter, waiting: Vec::new(), served: Vec::new() }
    }

    /// Free servers take what waits.
    fn start(&mut self, now: u64) {
        while self.served.len() < self.count
            && let Some(load) = self.choose()
        {
            self.served.push((now.saturating_add(self.takes.of(&load)), load));
        }
    }

    /// Takes the next from the queue: the first of all, or of the pair whose turn it is.
    fn choose(&mut self) -> Option<Load> {
        let next = match &mut self.arbiter {
            None => 0,
            Some(arbiter) => {
                let pairs: Vec<usize> = self.waiting.iter().map(Load::pair).collect();
                let turn = arbiter.turn(&pairs)?;
                pairs.iter().position(|pair| *pair == turn)?
            }
        };
        (next < self.waiting.len()).then(|| self.waiting.remove(next))
    }
}

impl Station for Servers {
    fn take(&mut self, _: u64, load: Load) {
        self.waiting.push(load);
    }

    fn settle(&mut self, now: u64) -> Vec<Load> {
        let mut left = Vec::new();
        loop {
            left.extend(singly(take_ended(&mut self.served, now)));
            let before = self.waiting.len();
            self.start(now);
            if self.waiting.len() == before {
                return left;
            }
        }
    }

    fn next(&self) -> Option<u64> {
        self.served.iter().map(|(end, _)| *end).min()
    }
}

/// Takes those whose time has come.
fn take_ended(timed: &mut Vec<(u64, Load)>, now: u64) -> Vec<Load> {
    timed.extract_if(.., |(end, _)| *end <= now).map(|(_, load)| load).collect()
}

/// What ends at the same time goes on in the order of admission, a batch by its first request; and the
/// requests of a batch in the order in which they came together.
fn singly(mut loads: Vec<Load>) -> Vec<Load> {
    loads.sort_by_key(Load::sequence);
    let of = |load: Load| {
        let service = load.service;
        load.requests.into_iter().map(move |request| Load { requests: vec![request], service })
    };
    loads.into_iter().flat_map(of).collect()
}

/// Whose turn it is: the queue pairs one after the other, each for as many requests as its weight.
pub(crate) struct Arbiter {
    weights: Vec<u64>,
    pair: usize,
    /// What is left of its turn.
    left: u64,
}

impl Arbiter {
    pub(crate) fn new(weights: Vec<u64>) -> Self {
        let left = weights[0];
        Self { weights, pair: 0, left }
    }

    /// The queue pair of the next request, of those that wait. `None`: none waits.
    fn turn(&mut self, waiting: &[usize]) -> Option<usize> {
        if waiting.is_empty() {
            return None;
        }
        while self.left == 0 || !waiting.contains(&self.pair) {
            self.pair = (self.pair + 1) % self.weights.len();
            self.left = self.weights[self.pair];
        }
        self.left -= 1;
        Some(self.pair)
    }
}

/// A way that everything takes at the same time.
pub(crate) struct Propagation {
    nsec: u64,
    under_way: Vec<(u64, Load)>,
}

impl Propagation {
    pub(crate) fn new(nsec: u64) -> Self {
        Self { nsec, under_way: Vec::new() }
    }
}

impl Station for Propagation {
    fn take(&mut self, now: u64, load: Load) {
        self.under_way.push((now.saturating_add(self.nsec), load));
    }

    fn settle(&mut self, now: u64) -> Vec<Load> {
        take_ended(&mut self.under_way, now)
    }

    fn next(&self) -> Option<u64> {
        self.under_way.iter().map(|(end, _)| *end).min()
    }
}

/// Collects requests until there are enough, or until the first of them has waited long enough.
pub(crate) struct Collector {
    enough: usize,
    patience: u64,
    service: Service,
    /// Since the first of them has arrived.
    since: u64,
    open: Vec<Request>,
    closed: VecDeque<Vec<Request>>,
    batches: usize,
}

impl Collector {
    pub(crate) fn new(enough: usize, patience: u64, service: Service) -> Self {
        Self { enough, patience, service, since: 0, open: Vec::new(), closed: VecDeque::new(), batches: 0 }
    }

    fn close(&mut self) {
        self.closed.push_back(std::mem::take(&mut self.open));
    }
}

impl Station for Collector {
    fn take(&mut self, now: u64, load: Load) {
        if self.open.is_empty() {
            self.since = now;
        }
        self.open.extend(load.requests);
        if self.open.len() == self.enough {
            self.close();
        }
    }

    fn settle(&mut self, now: u64) -> Vec<Load> {
        if self.next().is_some_and(|end| end <= now) {
            self.close();
        }
        let mut batch = |requests: Vec<Request>| {
            let mut load = Load { requests, service: 0 };
            load.service = self.service.of(self.batches, &load.requests[0].arrival, load.input());
            self.batches += 1;
            load
        };
        self.closed.drain(..).map(&mut batch).collect()
    }

    fn next(&self) -> Option<u64> {
        (!self.open.is_empty()).then(|| self.since.saturating_add(self.patience))
    }
}
