//! The events of a row, from what was recorded.
//!
//! ```text
//!   process "1 wake-fd, closed loop: application"
//!     row          |── aes-256-ctr ...                                                          ──|
//!     event loop        |─ sleep ─|        |──── sleep ────|                                          slices
//!     job slot 0   |── operation ────────────────────────────|
//!                  |─ submit ─|                    |─ resume ─|
//!                  ●───────────────────────────────●                                                  a flow
//!     in flight    ▁▂▃▃▂▁                                                                             counter
//!   process "1 wake-fd, closed loop: device"
//!     requests in the rings                                                                           counter
//!     compute unit 0   |─ service ─||─ service ─|         ▼ fault corrupt                             instants
//! ```

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::recorder::{Mark, Operation, Recorder, Served};
use super::sampled::Counts;

/// Tracks of the application.
const ROW: usize = 1;
const LOOP: usize = 2;
/// The first slot's.
const SLOTS: usize = 10;

/// Tracks of the device.
const DEVICE: usize = 1;
/// The first unit's.
const UNITS: usize = 10;

/// Gives out the events of row number `number`, and returns what there is to know of it.
pub(super) fn of_row(
    name: &str,
    number: usize,
    recorder: &Recorder,
    flows: &mut u64,
    give: &mut dyn FnMut(Value),
) -> Value {
    let (application, device) = (2 * number + 1, 2 * number + 2);
    let row = Row { recorder, application, device };
    row.names(name, give);
    row.operations(flows, give);
    row.sleeps(give);
    row.marks(give);
    if recorder.has_device {
        row.services(give);
        row.rings(give);
    }
    row.about(name)
}

struct Row<'a> {
    recorder: &'a Recorder,
    /// The ids of the two processes.
    application: usize,
    device: usize,
}

impl Row<'_> {
    fn names(&self, name: &str, give: &mut dyn FnMut(Value)) {
        let process = |pid: usize, name: String| json!({ "ph": "M", "name": "process_name", "pid": pid, "args": { "name": name } });
        let thread = |pid: usize, tid: usize, name: String| json!({ "ph": "M", "name": "thread_name", "pid": pid, "tid": tid, "args": { "name": name } });
        give(process(self.application, format!("{name}: application")));
        give(thread(self.application, ROW, "row".to_owned()));
        give(thread(self.application, LOOP, "event loop".to_owned()));
        let slots: BTreeSet<usize> =
            self.recorder.operations.kept().map(|operation| operation.slot).collect();
        for slot in slots {
            give(thread(self.application, SLOTS + slot, format!("job slot {slot}")));
        }
        let Recorder { began, ended, .. } = *self.recorder;
        give(slice(self.application, ROW, name, began, ended));
        if self.recorder.has_device {
            give(process(self.device, format!("{name}: device")));
            let units: BTreeSet<usize> = self.recorder.services.kept().map(|served| served.unit).collect();
            for unit in units {
                give(thread(self.device, UNITS + unit, format!("compute unit {unit}")));
            }
        }
    }

    fn operations(&self, flows: &mut u64, give: &mut dyn FnMut(Value)) {
        let pid = self.application;
        for operation in self.recorder.operations.kept() {
            let Operation { slot, sent, submitted, woken, ended, in_flight: [at_start, at_end] } = *operation;
            let tid = SLOTS + slot;
            give(slice(pid, tid, "operation", sent, ended));
            // One that has not paused was not resumed.
            if let Some(submitted) = submitted {
                *flows += 1;
                give(slice(pid, tid, "submit", sent, submitted));
                give(slice(pid, tid, "resume", woken, ended));
                let flow = |ph: &str, at: u64| {
                    json!({ "ph": ph, "name": "operation", "cat": "operation", "id": *flows, "bp": "e",
                            "pid": pid, "tid": tid, "ts": micros(at) })
                };
                give(flow("s", sent));
                give(flow("f", woken));
            }
            give(counter(pid, "in flight", "operations", sent, at_start));
            give(counter(pid, "in flight", "operations", ended, at_end));
        }
    }

    fn sleeps(&self, give: &mut dyn FnMut(Value)) {
        for (begun, ended) in self.recorder.sleeps.kept() {
            give(slice(self.application, LOOP, "sleep", *begun, *ended));
        }
    }

    /// Errors stand where the operation was, faults at the look at the statistics that found them.
    fn marks(&self, give: &mut dyn FnMut(Value)) {
        let instant = |mark: &Mark, pid: usize, tid: usize, scope: &str, name: String| {
            json!({ "ph": "i", "s": scope, "name": name, "pid": pid, "tid": tid, "ts": micros(mark.at),
                    "args": { "count": mark.count } })
        };
        let has_track = |slot: &usize| *slot < self.recorder.room.tracks;
        for error in self.recorder.errors.kept() {
            let tid = error.slot.filter(has_track).map_or(ROW, |slot| SLOTS + slot);
            give(instant(error, self.application, tid, "t", format!("error: {}", error.what)));
        }
        for fault in self.recorder.faults.kept() {
            give(instant(fault, self.device, DEVICE, "p", format!("fault: {}", fault.what)));
        }
    }

    /// A service of which a reset has taken the end, or that outlives the row, ends there.
    fn services(&self, give: &mut dyn FnMut(Value)) {
        let Recorder { began, ended: end, .. } = *self.recorder;
        let mut services: Vec<Served> = self.recorder.services.kept().copied().collect();
        services.sort_by_key(|served| (served.unit, served.started, served.ended));
        for at in 0..services.len() {
            let Served { unit, requests, started, ended } = services[at];
            let next = services.get(at + 1).filter(|next| next.unit == unit).map_or(end, |next| next.started);
            let started = started.clamp(began, end);
            let ended = ended.min(next).clamp(started, end);
            let mut event = slice(self.device, UNITS + unit, "service", started, ended);
            event["args"] = json!({ "requests": requests });
            give(event);
        }
    }

    fn rings(&self, give: &mut dyn FnMut(Value)) {
        for sample in self.recorder.samples.kept() {
            give(counter(self.device, "requests in the rings", "requests", sample.at, sample.in_rings));
        }
    }

    fn about(&self, name: &str) -> Value {
        let Recorder { began, ended, .. } = *self.recorder;
        let of = |counts: Counts, elsewhere: u64| {
            let Counts { seen, kept, first, then_every } = counts;
            json!({ "seen": seen + elsewhere, "kept": kept, "left_out": seen + elsewhere - kept,
                    "without_track": elsewhere, "first": first, "then_every": then_every })
        };
        let recorder = self.recorder;
        json!({
            "name": name,
            "application_pid": self.application,
            "device_pid": recorder.has_device.then_some(self.device),
            "began_us": micros(began),
            "ended_us": micros(ended),
            "operations": of(recorder.operations.counts(), recorder.elsewhere),
            "sleeps": of(recorder.sleeps.counts(), 0),
            "services": of(recorder.services.counts(), recorder.services_elsewhere),
            "samples": of(recorder.samples.counts(), 0),
            "faults": of(recorder.faults.counts(), 0),
            "errors": of(recorder.errors.counts(), 0),
        })
    }
}

fn slice(pid: usize, tid: usize, name: &str, begun: u64, ended: u64) -> Value {
    json!({ "ph": "X", "name": name, "pid": pid, "tid": tid, "ts": micros(begun),
            "dur": micros(ended.saturating_sub(begun)) })
}

fn counter(pid: usize, name: &str, of: &str, at: u64, value: u64) -> Value {
    json!({ "ph": "C", "name": name, "pid": pid, "ts": micros(at), "args": { of: value } })
}

/// The format has microseconds.
#[expect(clippy::cast_precision_loss, reason = "a hundred days in nanoseconds are below 2^53")]
fn micros(nanos: u64) -> f64 {
    nanos as f64 / 1_000.0
}
