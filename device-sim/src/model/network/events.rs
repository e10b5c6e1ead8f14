//! The stations, event by event: requests wait in them, and go on when time comes to an event.
//!
//! ```text
//!   enter ─► entering ─► front ─► link in ─► travelling ─► collector ─► waiting ─► units ─► link out ─► leaving ─► left
//!            (limit)                                       (batch)
//!
//!   advance(now):  while the next event is not after now: look at every station once, in this order
//! ```
//!
//! What `docs/model.md` says of one look holds here; the files beside this one have the parts.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use super::arbitration::{Arbitration, Waiting};
use super::direct::Direct;
use super::limit::Limit;
use super::line::Line;
use super::link::Link;
use super::requests::{Key, Passing, Requests};
use super::station::Station;
use super::units::Units;
use super::{Arrival, Counted, Left, Served, Surroundings};
use crate::config::Config;
use crate::model::service::Work;

/// The stations of one device. `T` is what belongs to a request.
#[derive(Debug)]
pub(crate) struct Events<T> {
    requests: Requests<T>,
    number: u64,
    limit: Option<Limit>,
    /// What the limit delays.
    entering: Line<Key>,
    front_nsec: u64,
    front: Option<Station>,
    link_in: Link,
    collector: Option<Collector>,
    /// For a unit; batches by their first request.
    waiting: Waiting<Key>,
    units: Units,
    /// By when they end, and by number.
    serving: BinaryHeap<Reverse<Serving>>,
    link_out: Link,
}

/// When a unit is free again, the number of the request that it serves, the request, and the unit. A request
/// that is not known here was sent through directly.
type Serving = (u64, u64, Option<Key>, usize);

/// Where batches come together.
#[derive(Debug)]
struct Collector {
    most: u32,
    nsec: u64,
    open: Option<Open>,
}

/// A batch that is not closed.
#[derive(Debug)]
struct Open {
    first: Key,
    last: Key,
    count: u32,
    bytes: u64,
    standstill: u64,
    closes: u64,
}

impl<T> Events<T> {
    pub(crate) fn new(config: &Config, limit: Option<Limit>, ports: usize) -> Self {
        let arbitration = &config.arbitration;
        let collects = config.batch > 1;
        Self {
            requests: Requests::default(),
            number: 0,
            limit,
            entering: Line::default(),
            front_nsec: config.firmware_nsec,
            front: (config.firmware_nsec > 0).then(|| Station::new(arbitration, ports)),
            link_in: Link::new(config, arbitration, ports),
            collector: collects.then_some(Collector {
                most: config.batch,
                nsec: config.batch_nsec,
                open: None,
            }),
            waiting: Waiting::new(if collects { &Arbitration::Fcfs } else { arbitration }, ports),
            units: Units::new(config.compute_units),
            serving: BinaryHeap::new(),
            link_out: Link::new(config, &Arbitration::Fcfs, ports),
        }
    }

    /// The same after requests were sent through the stations directly, and occupy their servers.
    pub(crate) fn after(direct: &mut Direct, config: &Config, ports: usize) -> Self {
        let mut events = Self::new(config, direct.limit, ports);
        let front = Station::new(&config.arbitration, ports);
        events.front = Some(front.busy_until(direct.front_free_at));
        for number in 0..config.compute_units as u64 {
            if let Some((free_at, unit)) = direct.units.take() {
                events.serving.push(Reverse((free_at, number, None, unit)));
            }
        }
        events.units = Units::empty(config.compute_units);
        events
    }

    /// Works by another configuration from here on. `limit`: there is another one, or none.
    pub(crate) fn change(
        &mut self,
        config: &Config,
        ports: usize,
        limit: Option<Option<Limit>>,
        now: u64,
        around: &mut impl Surroundings,
    ) {
        let arbitration = &config.arbitration;
        if let Some(limit) = limit {
            self.limit = limit;
        }
        self.front_nsec = config.firmware_nsec;
        match &mut self.front {
            Some(front) => front.change(arbitration, ports, &self.requests),
            None if config.firmware_nsec > 0 => self.front = Some(Station::new(arbitration, ports)),
            None => {}
        }
        self.link_in.change(config, arbitration, ports, &self.requests);
        self.link_out.change(config, &Arbitration::Fcfs, ports, &self.requests);
        self.change_batches(config, now, around);
        let requests = &self.requests;
        let at_units = if config.batch > 1 { &Arbitration::Fcfs } else { arbitration };
        self.waiting.change(at_units, ports, |key| requests.place(*key));
    }

    /// An open batch that is full by the new number is closed; others keep their time.
    fn change_batches(&mut self, config: &Config, now: u64, around: &mut impl Surroundings) {
        let (most, nsec) = (config.batch, config.batch_nsec);
        let collector = self.collector.get_or_insert(Collector { most, nsec, open: None });
        (collector.most, collector.nsec) = (most, nsec);
        let is_full = |open: &Open| open.count >= most;
        if collector.open.as_ref().is_some_and(is_full) {
            self.close(now, around);
        }
        if most == 1 {
            self.collector = None;
        }
    }

    /// A request that is there at `at`. Nothing happens before [`Events::advance`].
    pub(crate) fn enter(&mut self, at: u64, arrival: Arrival, content: T, around: &mut impl Surroundings) {
        let Arrival { work, standstill, service, never } = arrival;
        let passes = self.limit.as_mut().map_or(at, |limit| limit.delay(at, work.input, around));
        let number = self.number;
        self.number += 1;
        let (arrived, started, next) = (at, at, None);
        let passing = Passing { number, work, standstill, service, never, arrived, started, next, content };
        let key = self.requests.add(passing);
        self.entering.push(passes, key);
    }

    pub(crate) fn requests(&mut self) -> impl Iterator<Item = &mut Passing<T>> {
        self.requests.iter_mut()
    }

    pub(crate) fn has_batches(&self) -> bool {
        self.collector.is_some()
    }

    /// How many requests are here.
    pub(crate) fn len(&self) -> usize {
        self.requests.len()
    }

    /// When something happens next.
    pub(crate) fn next(&self) -> Option<u64> {
        let closes = self.collector.as_ref().and_then(|collector| collector.open.as_ref()?.closes.into());
        let served = self.serving.peek().map(|Reverse((until, ..))| *until);
        let front = self.front.as_ref().and_then(Station::next);
        let links = [self.link_in.next(), self.link_out.next()];
        [self.entering.next(), front, closes, served].into_iter().chain(links).flatten().min()
    }

    /// Everything up to `now` happens; `left` gets the requests that have left.
    pub(crate) fn advance(&mut self, now: u64, around: &mut impl Surroundings, left: &mut Vec<Left<T>>) {
        while let Some(at) = self.next().filter(|at| *at <= now) {
            self.look(at, around, left);
        }
    }

    fn look(&mut self, now: u64, around: &mut impl Surroundings, left: &mut Vec<Left<T>>) {
        while let Some((at, key)) = self.entering.pop(now) {
            match &mut self.front {
                Some(front) => front.push(at, key, &mut self.requests),
                None => self.link_in.push(at, key, &mut self.requests),
            }
        }
        self.serve_front(now, around);
        self.serve_link_in(now, around);
        self.close(now, around);
        self.serve_units(now, around, left);
        self.serve_link_out(now, around, left);
    }

    fn serve_front(&mut self, now: u64, around: &mut impl Surroundings) {
        let Some(front) = &mut self.front else { return };
        let nsec = self.front_nsec;
        let mut time = |_: &Passing<T>| {
            around.count(Counted::Front { nsec });
            nsec
        };
        while let Some((at, key)) = front.serve(now, &self.requests, &mut time) {
            self.link_in.push(at, key, &mut self.requests);
        }
    }

    fn serve_link_in(&mut self, now: u64, around: &mut impl Surroundings) {
        let bytes = |request: &Passing<T>| request.work.input;
        loop {
            let count = |nsec| around.count(Counted::LinkIn { nsec });
            let Some((at, key)) = self.link_in.serve(now, &self.requests, bytes, count) else { return };
            self.collect(at, key, around);
        }
    }

    fn serve_link_out(&mut self, now: u64, around: &mut impl Surroundings, left: &mut Vec<Left<T>>) {
        let bytes = |request: &Passing<T>| request.work.output();
        loop {
            let count = |nsec| around.count(Counted::LinkOut { nsec });
            let Some((at, key)) = self.link_out.serve(now, &self.requests, bytes, count) else { return };
            self.leave(at, key, left);
        }
    }

    /// A request arrives where batches come together, if they do; else at the units.
    fn collect(&mut self, at: u64, key: Key, around: &mut impl Surroundings) {
        let request = self.requests.at(key);
        request.arrived = at;
        let Some(collector) = &mut self.collector else {
            let work = request.work;
            // It came when there were batches.
            request.service.get_or_insert_with(|| around.service(&work));
            return self.waiting.push(work.port, key);
        };
        let (bytes, standstill) = (request.work.input, request.standstill);
        let closes = at.saturating_add(collector.nsec);
        let empty = || Open { first: key, last: key, count: 0, bytes: 0, standstill: 0, closes };
        let open = collector.open.get_or_insert_with(empty);
        open.count += 1;
        open.bytes = open.bytes.saturating_add(bytes);
        open.standstill = open.standstill.saturating_add(standstill);
        if open.last != key {
            self.requests.at(open.last).next = Some(key);
            open.last = key;
        }
        if open.count == collector.most {
            self.close(at, around);
        }
    }

    /// Closes the batch that is full, or whose time is over.
    fn close(&mut self, now: u64, around: &mut impl Surroundings) {
        let Some(collector) = &mut self.collector else { return };
        let most = collector.most;
        let ended = collector.open.take_if(|open| open.count >= most || open.closes <= now);
        let Some(Open { first, count, bytes, standstill, closes, .. }) = ended else { return };
        let request = self.requests.at(first);
        request.arrived = if count >= most { now } else { closes };
        request.standstill = standstill;
        request.service = Some(around.service(&Work { input: bytes, ..request.work }));
        self.waiting.push(0, first);
        around.count(Counted::Batch);
    }

    fn serve_units(&mut self, now: u64, around: &mut impl Surroundings, left: &mut Vec<Left<T>>) {
        loop {
            while let Some((until, key, unit)) = self.ended(now) {
                self.units.put(until, unit);
                if let Some(key) = key {
                    self.leave_unit(until, key, left);
                }
            }
            while self.start(around) {}
            if self.serving.peek().is_none_or(|Reverse((until, ..))| *until > now) {
                return;
            }
        }
    }

    fn ended(&mut self, now: u64) -> Option<(u64, Option<Key>, usize)> {
        let Reverse((until, _, key, unit)) = *self.serving.peek().filter(|next| next.0.0 <= now)?;
        self.serving.pop();
        Some((until, key, unit))
    }

    /// A unit that is free takes what waits; `false`: there is none, or nothing.
    fn start(&mut self, around: &mut impl Surroundings) -> bool {
        let Some((free_at, unit)) = self.units.take() else { return false };
        let Some(key) = self.waiting.next() else {
            self.units.put(free_at, unit);
            return false;
        };
        let &mut Passing { arrived, standstill, service, number, .. } = self.requests.at(key);
        let started = free_at.max(arrived).saturating_add(standstill);
        let until = started.saturating_add(service.unwrap_or(0));
        self.serving.push(Reverse((until, number, Some(key), unit)));
        let mut requests = 0;
        let mut next = Some(key);
        while let Some(key) = next {
            let request = self.requests.at(key);
            request.started = started;
            next = request.next;
            requests += 1;
        }
        around.count(Counted::Unit { unit, requests, at: started, nsec: until - started });
        true
    }

    /// A request, or all of a batch, goes on.
    fn leave_unit(&mut self, at: u64, first: Key, left: &mut Vec<Left<T>>) {
        let mut next = Some(first);
        while let Some(key) = next {
            let request = self.requests.at(key);
            next = request.next.take();
            if request.never {
                self.leave(at, key, left)
            } else {
                self.link_out.push(at, key, &mut self.requests)
            }
        }
    }

    fn leave(&mut self, ended: u64, key: Key, left: &mut Vec<Left<T>>) {
        let Passing { started, content, .. } = self.requests.remove(key);
        left.push(Left { served: Served { started, ended }, content });
    }

    /// Removes the requests that wait and for which `keep` is false; returns what belongs to them.
    pub(crate) fn retain(&mut self, keep: impl Fn(&T) -> bool) -> Vec<T> {
        let Self { requests, entering, front, link_in, waiting, link_out, .. } = self;
        let mut removed = Vec::new();
        let mut keeps = |first: &Key| {
            let kept = requests.chain(*first).any(|request| keep(&request.content));
            if !kept {
                removed.push(*first);
            }
            kept
        };
        entering.retain(&mut keeps);
        let stations =
            [front.as_mut().map(Station::waiting), link_in.waiting(), Some(waiting), link_out.waiting()];
        stations.into_iter().flatten().for_each(|waiting| waiting.retain(&mut keeps));
        removed.into_iter().flat_map(|first| requests.remove_chain(first)).collect()
    }

    /// Empties all stations and frees all servers; returns what belongs to the requests, by number.
    pub(crate) fn clear(&mut self) -> Vec<T> {
        self.entering.clear();
        self.front.iter_mut().for_each(Station::clear);
        self.link_in.clear();
        self.collector.iter_mut().for_each(|collector| collector.open = None);
        self.waiting.clear();
        self.units.clear();
        self.serving.clear();
        self.link_out.clear();
        self.requests.drain().into_iter().map(|request| request.content).collect()
    }
}
