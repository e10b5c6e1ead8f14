//! The stations: each holds what is in it, and says when something will happen there by itself.

use std::collections::VecDeque;

use super::setup::{Carry, Service};
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
    /// With the time of their arrival here.
    waiting: Vec<(u64, Load)>,
    /// With the time of their end.
    served: Vec<(u64, Load)>,
}

/// How long a service is.
pub(crate) enum Takes {
    Fixed(u64),
    Inward(Carry),
    Outward(Carry),
    /// What the load brings along.
    Service,
}

impl Takes {
    pub(crate) fn inward(rate: u64) -> Self {
        Self::Inward(Carry::new(rate))
    }

    pub(crate) fn outward(rate: u64) -> Self {
        Self::Outward(Carry::new(rate))
    }

    fn of(&mut self, load: &Load) -> u64 {
        match self {
            Self::Fixed(nsec) => *nsec,
            Self::Inward(carry) => carry.transfer(load.input()),
            Self::Outward(carry) => carry.transfer(load.output()),
            Self::Service => load.service,
        }
    }
}

impl Servers {
    /// Without an arbiter: first come, first served.
    pub(crate) fn new(count: usize, arbiter: Option<Arbiter>, takes: Takes) -> Self {
        Self { count, takes, arbiter, waiting: Vec::new(), served: Vec::new() }
    }

    /// Takes the next from the queue.
    fn choose(&mut self) -> Option<Load> {
        let queues: Vec<usize> = self.waiting.iter().map(|(_, load)| load.pair()).collect();
        let pair = match &mut self.arbiter {
            Some(arbiter) => Some(arbiter.turn(&queues)?),
            None => None,
        };
        let candidates = (0..self.waiting.len()).filter(|&at| pair.is_none_or(|pair| queues[at] == pair));
        let first = candidates.min_by_key(|&at| (self.waiting[at].0, self.waiting[at].1.sequence()))?;
        Some(self.waiting.remove(first).1)
    }
}

impl Station for Servers {
    fn take(&mut self, now: u64, load: Load) {
        self.waiting.push((now, load));
    }

    fn settle(&mut self, now: u64) -> Vec<Load> {
        let mut left = Vec::new();
        loop {
            left.extend(take_ended(&mut self.served, now));
            if self.served.len() == self.count {
                break;
            }
            let Some(load) = self.choose() else { break };
            self.served.push((now.saturating_add(self.takes.of(&load)), load));
        }
        singly(left)
    }

    fn next(&self) -> Option<u64> {
        self.served.iter().map(|(end, _)| *end).min()
    }
}

/// Takes those whose time has come.
fn take_ended(timed: &mut Vec<(u64, Load)>, now: u64) -> Vec<Load> {
    timed.extract_if(.., |(end, _)| *end <= now).map(|(_, load)| load).collect()
}

/// A batch ends with its service; its requests go on one by one.
fn singly(loads: Vec<Load>) -> Vec<Load> {
    let of = |load: Load| {
        let service = load.service;
        load.requests.into_iter().map(move |request| Load { requests: vec![request], service })
    };
    let mut singles: Vec<Load> = loads.into_iter().flat_map(of).collect();
    singles.sort_by_key(Load::sequence);
    singles
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
            load.service = self.service.of(self.batches, load.input());
            self.batches += 1;
            load
        };
        self.closed.drain(..).map(&mut batch).collect()
    }

    fn next(&self) -> Option<u64> {
        (!self.open.is_empty()).then(|| self.since.saturating_add(self.patience))
    }
}
