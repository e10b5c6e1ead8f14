//! Requests that other workers compute: scheduled like all the others, and complete when they are due *and*
//! computed.
//!
//! ```text
//!                           ┌─ computed ─────────────────────────────────► order ─► ready
//!   due queue ── it is due ─┤                                                ▲
//!                           └─ not yet ─► overdue ── another worker is done ─┘
//!
//!   the device ends all: those that are computed at that moment end when the worker is done with them
//! ```
//!
//! Where completions have an order, those of the queue pair that come after an overdue one wait behind it.

use std::collections::{BTreeMap, VecDeque};
use std::mem;

use crate::message::status::Status;
use crate::model::due::Due;
use crate::queue::cell::{Slab, Ticket};

/// The requests of one device that are out at other workers and whose time has come.
#[derive(Debug)]
pub(crate) struct Handed {
    /// Due and not computed, by queue pair and cell, where completions have no order.
    overdue: BTreeMap<(usize, u32), Due>,
    /// By queue pair, where they have one: the first is not computed.
    blocked: Vec<VecDeque<Due>>,
    is_ordered: bool,
    /// Being computed when the device ended everything, and the status that each ends with.
    ending: Vec<(Due, Status)>,
}

impl Handed {
    pub(crate) fn new(ports: usize, is_ordered: bool) -> Self {
        let blocked = (0..ports).map(|_| VecDeque::new()).collect();
        Self { overdue: BTreeMap::new(), blocked, is_ordered, ending: Vec::new() }
    }

    /// Keeps a request that is due, if it is not computed or waits behind one that is not. Gives back any
    /// other.
    pub(crate) fn keep(&mut self, due: Due, slab: &Slab) -> Option<Due> {
        let has_order = self.is_ordered && !due.late;
        let blocked = &mut self.blocked[due.port];
        if has_order && (!blocked.is_empty() || slab.is_out(due.ticket)) {
            blocked.push_back(due);
            return None;
        }
        if !slab.is_out(due.ticket) {
            return Some(due);
        }
        self.overdue.insert((due.port, due.ticket.index()), due);
        None
    }

    /// Another worker is done with a request, or has not found it any more. What can complete now is taken by
    /// calling [`Handed::next`] until there is nothing.
    pub(crate) fn returned(&mut self, port: usize, ticket: Ticket) -> Option<Due> {
        let place = (port, ticket.index());
        let is_it = |due: &&Due| due.ticket == ticket;
        self.overdue.get(&place).filter(is_it)?;
        self.overdue.remove(&place)
    }

    /// The next request of a queue pair that waited behind one that was not computed, and now waits no more.
    pub(crate) fn next(&mut self, port: usize, slab: &Slab) -> Option<Due> {
        let first = self.blocked[port].front()?;
        if slab.is_out(first.ticket) { None } else { self.blocked[port].pop_front() }
    }

    /// Keeps a request that another worker computes while the device ends everything.
    pub(crate) fn end_later(&mut self, due: Due, status: Status) {
        self.ending.push((due, status));
    }

    /// One of these that another worker is done with.
    pub(crate) fn ended(&mut self, ticket: Ticket) -> Option<(Due, Status)> {
        let place = self.ending.iter().position(|(due, _)| due.ticket == ticket)?;
        Some(self.ending.swap_remove(place))
    }

    /// Whether something ends only when another worker is done with it.
    pub(crate) fn is_ending(&self) -> bool {
        !self.ending.is_empty()
    }

    /// Whether nothing waits for another worker.
    pub(crate) fn is_empty(&self) -> bool {
        self.overdue.is_empty() && self.ending.is_empty() && self.blocked.iter().all(VecDeque::is_empty)
    }

    /// Takes all whose time has come.
    pub(crate) fn drain(&mut self) -> Vec<Due> {
        let blocked = self.blocked.iter_mut().flat_map(mem::take);
        mem::take(&mut self.overdue).into_values().chain(blocked).collect()
    }
}
