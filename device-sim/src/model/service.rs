//! How long the work on a request takes.

use crate::config::Config;
use crate::message::algorithm::Algorithm;
use crate::message::operation::Operation;
use crate::message::shape::OutputLen;
use crate::model::service::source::Source;

mod source;

/// What the model knows of a request.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Work {
    /// The queue pair that it came through.
    pub(crate) port: usize,
    pub(crate) operation: Operation,
    /// The algorithm of its session, if it has one.
    pub(crate) algorithm: Option<Algorithm>,
    /// Bytes of input.
    pub(crate) input: u64,
}

impl Work {
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
    general: Source,
}

impl ServiceTimes {
    pub(crate) fn new(config: &Config) -> Self {
        let mut stream = *b"........device-sim service times";
        stream[..8].copy_from_slice(&config.seed.to_le_bytes());
        Self { general: Source::linear(config.completion_nsec, config.mbps, config.latency_dist, stream) }
    }

    /// The service time of the next request, in nanoseconds.
    pub(crate) fn next(&mut self, work: &Work) -> u64 {
        self.general.next(work.input)
    }
}
