//! How long the work on a request takes.
//!
//! ```text
//!   a request ─► class: ALGORITHM × OPERATION, or a name that has an entry
//!                  └─► the sources that could serve it, the most specific first:  entry, entry, general keys
//!                        └─► the first serves; the others draw, and their time is dropped
//!   source:  mean (fixed + bytes / rate, a table, a trace) ─► spread ─► warm-up ─► whole nanoseconds, with a carry
//! ```
//!
//! Without entries there are no classes, and the general keys serve all.

use crate::config::{Config, Served, ServiceTime, WarmUp};
use crate::message::algorithm::Algorithm;
use crate::message::operation::Operation;
use crate::message::shape::OutputLen;
use crate::model::service::source::Source;

mod source;
mod table;

/// What the model knows of a request.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Work {
    /// The queue pair that it came through.
    pub(crate) port: usize,
    pub(crate) operation: Operation,
    /// The algorithm of its session, if it has one.
    pub(crate) algorithm: Option<Algorithm>,
    /// Which service times apply to it.
    pub(crate) class: Class,
    /// Bytes of input.
    pub(crate) input: u64,
}

impl Work {
    /// Nothing yet, of this port.
    pub(crate) fn of_port(port: usize) -> Self {
        Self { port, operation: Operation::Call, algorithm: None, class: Class::default(), input: 0 }
    }

    /// Bytes of output, which the link carries back: by the algorithm's rule for a whole message, without
    /// padding, and as many as the input for a call. What is known before the work is done.
    pub(crate) fn output(&self) -> u64 {
        match self.algorithm.and_then(|algorithm| algorithm.output(self.operation)) {
            None | Some(OutputLen::Same | OutputLen::Padded) => self.input,
            Some(OutputLen::Fixed(bytes) | OutputLen::Variable(bytes)) => bytes as u64,
            Some(OutputLen::Tagged(tag)) => self.input.saturating_add(tag as u64),
        }
    }
}

/// The service times of one device, request after request.
#[derive(Debug)]
pub(crate) struct ServiceTimes {
    /// The general keys, and then the entries of `service`.
    sources: Vec<Source>,
    /// For each class of requests the sources that could serve it, the most specific first. Without entries
    /// there is none.
    classes: Vec<Box<[usize]>>,
    /// The names that have an entry; their classes are the last.
    names: Vec<String>,
    warm_up: Option<WarmUp>,
}

/// A kind of requests whose service times come from the same source: a number that is found once for a
/// request.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Class(usize);

/// Algorithms, and none.
const ALGORITHMS: usize = Algorithm::ALL.len() + 1;
const OPERATIONS: usize = Operation::ALL.len();

impl ServiceTimes {
    pub(crate) fn new(config: &Config) -> Self {
        let entries = &config.services;
        let of_entries = entries.iter().map(|entry| Source::of(entry, config));
        let sources = std::iter::once(Source::general(config)).chain(of_entries).collect();
        let name = |entry: &ServiceTime| match entry.served() {
            Served::Call(name) => Some(name.clone()),
            _ => None,
        };
        let names: Vec<String> = entries.iter().filter_map(name).collect();
        let classes = if entries.is_empty() { Vec::new() } else { classes(entries, &names) };
        Self { sources, classes, names, warm_up: config.warm_up }
    }

    /// The class of a request; `name` is that of its call.
    pub(crate) fn class(
        &self,
        operation: Operation,
        algorithm: Option<Algorithm>,
        name: Option<&str>,
    ) -> Class {
        if self.classes.is_empty() {
            return Class::default();
        }
        let named = name.and_then(|name| self.names.iter().position(|known| known == name));
        let number = algorithm.map_or(ALGORITHMS - 1, |algorithm| algorithm.number().min(ALGORITHMS - 1));
        Class(match named {
            Some(named) => ALGORITHMS * OPERATIONS + named,
            None => number * OPERATIONS + operation.number(),
        })
    }

    /// The class of a request whose class was found for other service times. (The name of a call that had no
    /// entry there is not known any more.)
    pub(crate) fn class_after(&self, other: &Self, work: &Work) -> Class {
        let named = work.class.0.checked_sub(ALGORITHMS * OPERATIONS);
        let name = named.and_then(|named| other.names.get(named));
        self.class(work.operation, work.algorithm, name.map(String::as_str))
    }

    /// The service time of the next request, in nanoseconds. What could serve it, and does not, draws as
    /// well, so that an entry shifts no random numbers of others.
    pub(crate) fn next(&mut self, work: &Work) -> u64 {
        let percent = if self.warm_up.is_some() { self.warm() } else { 100 };
        let Some(sources) = self.classes.get(work.class.0) else {
            return self.sources[GENERAL].next(work.input, percent);
        };
        let (serves, could) = (sources[0], &sources[1..]);
        could.iter().for_each(|source| self.sources[*source].pass(work.input));
        self.sources[serves].next(work.input, percent)
    }

    /// How many percent of its time the next request takes, while there is a warm-up.
    fn warm(&mut self) -> u32 {
        let Some(warm_up) = &mut self.warm_up else { return 100 };
        let percent = warm_up.percent;
        warm_up.requests -= 1;
        if warm_up.requests == 0 {
            self.warm_up = None;
        }
        percent
    }
}

/// The place of the general keys among the sources.
const GENERAL: usize = 0;

/// The sources of each class, by number.
fn classes(entries: &[ServiceTime], names: &[String]) -> Vec<Box<[usize]>> {
    let algorithms = Algorithm::ALL.iter().copied().map(Some).chain([None]);
    let built_in = algorithms.flat_map(|algorithm| {
        Operation::ALL.into_iter().map(move |operation| sources(entries, operation, algorithm, None))
    });
    let named = names.iter().map(|name| sources(entries, Operation::Call, None, Some(name)));
    built_in.chain(named).collect()
}

/// What could serve a request, the most specific first.
fn sources(
    entries: &[ServiceTime],
    operation: Operation,
    algorithm: Option<Algorithm>,
    name: Option<&str>,
) -> Box<[usize]> {
    let could =
        entries.iter().enumerate().filter(|(_, entry)| entry.served().serves(operation, algorithm, name));
    let mut could: Vec<(u8, usize)> = could.map(|(at, entry)| (entry.served().rank(), at + 1)).collect();
    could.sort_by_key(|(rank, _)| std::cmp::Reverse(*rank));
    could.into_iter().map(|(_, source)| source).chain([GENERAL]).collect()
}

#[cfg(test)]
mod tests;
