//! The fault plan at work: which faults strike a request, and what they do to its result.

use std::sync::Arc;

use zeroize::Zeroize;

use crate::config::Config;
use crate::message::request::Request;
use crate::message::status::Status;
use crate::model::fault::{self, Armed, FaultKind, Occasion, Target};
use crate::queue::entry::Announce;
use crate::queue::ready::Flags;
use crate::stats::ModelCounters;

/// The rules that strike requests. (`busy` strikes submissions, on the other side of the ring.)
#[derive(Debug)]
pub(crate) struct Plan {
    faults: Vec<Armed>,
    counters: Arc<ModelCounters>,
}

/// The faults of a request that are decided before it is computed.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Verdict {
    /// It is not computed, and ends with this status.
    pub(crate) fail: Option<Status>,
    /// It is not computed, and the device ends with it.
    pub(crate) ending: Option<Ending>,
    /// An extra wake is sent at once.
    pub(crate) spurious_wake: bool,
    /// Additional time on its unit, and after it.
    pub(crate) before: u64,
    pub(crate) delay: u64,
    pub(crate) late: u64,
    pub(crate) never: bool,
    pub(crate) flags: Flags,
}

/// How a fault ends everything in flight.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ending {
    /// The device is reset, and goes on.
    Reset,
    /// The device is dead until it is reset.
    Dead,
}

impl Ending {
    pub(crate) const fn status(self) -> Status {
        match self {
            Self::Reset => Status::Reset,
            Self::Dead => Status::DeviceDead,
        }
    }
}

impl Plan {
    pub(crate) fn new(config: &Config, counters: &Arc<ModelCounters>) -> Self {
        let faults = fault::arm(&config.faults, config.seed, |kind| kind != FaultKind::Busy);
        Self { faults, counters: Arc::clone(counters) }
    }

    /// Decides everything about a request that is decided before it is computed.
    pub(crate) fn decide(&mut self, request: &Request, announce: Announce, now: u64) -> Verdict {
        let mut verdict = Verdict::default();
        if self.faults.is_empty() {
            return verdict;
        }
        let occasion = Occasion::of(request, now);
        for armed in &mut self.faults {
            if verdict.may(armed.kind, announce) && armed.hits(&occasion) {
                verdict.add(armed.kind);
                self.counters.injected(armed.kind);
            }
        }
        verdict
    }

    /// Corrupts the result of a successful request.
    pub(crate) fn corrupt(&mut self, request: &mut Request, input: u64, now: u64) {
        let occasion = Occasion { operation: Some(request.operation), call: None, size: input, now };
        for armed in &mut self.faults {
            let (target, kind) = match armed.kind {
                FaultKind::Corrupt { target, .. } => (target, armed.kind),
                FaultKind::Short { .. } => (Target::Any, armed.kind),
                _ => continue,
            };
            let Some(corrupted_part) = corrupted_part(request, target) else { continue };
            if armed.hits(&occasion) {
                self.counters.injected(kind);
                match kind {
                    FaultKind::Corrupt { bit, .. } => flip(request, corrupted_part, bit, armed),
                    FaultKind::Short { bytes } => cut(request, corrupted_part, bytes),
                    _ => {}
                }
            }
        }
    }
}

impl Verdict {
    /// Whether a fault of this kind can act on a request with this announcement, and is decided here.
    fn may(&self, kind: FaultKind, announce: Announce) -> bool {
        match kind {
            FaultKind::Busy | FaultKind::Corrupt { .. } | FaultKind::Short { .. } => false,
            FaultKind::DropWake | FaultKind::SpuriousWake => announce != Announce::Silent,
            _ => true,
        }
    }

    fn add(&mut self, kind: FaultKind) {
        match kind {
            FaultKind::Dead => self.ending = Some(Ending::Dead),
            FaultKind::Reset => self.ending = self.ending.or(Some(Ending::Reset)),
            FaultKind::Fail { status } => self.fail = self.fail.or(Some(status)),
            FaultKind::Delay { nsec } => self.delay = self.delay.saturating_add(nsec),
            FaultKind::Late { nsec } => self.late = self.late.saturating_add(nsec),
            FaultKind::Stall { nsec } => self.before = self.before.saturating_add(nsec),
            FaultKind::Timeout => self.never = true,
            FaultKind::DropWake => self.flags.drop_wake = true,
            FaultKind::Duplicate => self.flags.duplicate = true,
            FaultKind::SpuriousWake => self.spurious_wake = true,
            FaultKind::Busy | FaultKind::Corrupt { .. } | FaultKind::Short { .. } => {}
        }
    }
}

/// The result of a request that a fault corrupts.
#[derive(Clone, Copy, Debug)]
enum Corrupted {
    Text,
    Tag,
}

/// The result that `target` means, if the request has it.
fn corrupted_part(request: &Request, target: Target) -> Option<Corrupted> {
    let output = request.operation.output();
    let text = output.has_text() && !request.destination.as_ref().unwrap_or(&request.buffer).is_empty();
    let tag = output.has_tag() && !request.tag.as_bytes().is_empty();
    match target {
        Target::Text | Target::Any if text => Some(Corrupted::Text),
        Target::Tag | Target::Any if tag => Some(Corrupted::Tag),
        _ => None,
    }
}

fn flip(request: &mut Request, corrupted_part: Corrupted, bit: Option<u64>, armed: &mut Armed) {
    let result = match corrupted_part {
        Corrupted::Text => request.destination.as_mut().unwrap_or(&mut request.buffer).as_mut_slice(),
        Corrupted::Tag => request.tag.as_bytes_mut(),
    };
    let bits = 8 * result.len() as u64;
    let bit = bit.map_or_else(|| armed.draw(bits), |bit| bit % bits);
    let byte = usize::try_from(bit / 8).ok().and_then(|byte| result.get_mut(byte));
    if let Some(byte) = byte {
        *byte ^= 1 << (bit % 8);
    }
}

fn cut(request: &mut Request, corrupted_part: Corrupted, bytes: u64) {
    let missing = usize::try_from(bytes).unwrap_or(usize::MAX);
    let left = match corrupted_part {
        Corrupted::Text => {
            let text = request.destination.as_mut().unwrap_or(&mut request.buffer);
            let left = text.len().saturating_sub(missing);
            request.residue = text.len() - left;
            text[left..].zeroize();
            text.truncate(left);
            return;
        }
        Corrupted::Tag => request.tag.as_bytes().len().saturating_sub(missing),
    };
    request.residue = request.tag.as_bytes().len() - left;
    request.tag.truncate(left);
}
