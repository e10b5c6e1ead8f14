//! Another rule in the plan shifts nothing: all ordered pairs of kinds.
//!
//! ```text
//!   one rule alone, one request at a time ──► which requests it hits, and where        (learnt)
//!   two rules, eight requests at a time   ──► what each request should look like then  (predicted from the two)
//!                                         ──► what it looks like                        (the same)
//! ```
//!
//! The prediction knows which effects hide others, and nothing of how a rule counts or draws. So a rule that
//! skips a request that another one has ended, and thereby shifts its count or its stream, hits other
//! requests than it does alone.
#![cfg(not(loom))]

mod device_helpers;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Wake, Waker};
use std::time::Duration;

use device_helpers::*;
use simaccel_device::{
    Aead, Delivery, Device, FaultKind, Hash, Operation, QueuePair, RefusedReason, Request, Session,
    SessionId, Status, Ticket, TicketState,
};

const REQUESTS: usize = 160;
/// As many as there are slots, and units.
const AT_ONCE: usize = 8;
const DELAY: u64 = 100_003;
const LATE: u64 = 700_001;
const STALL: u64 = 300_007;

/// The rules of a kind, with different ways to select.
fn rules(kind: &str) -> [String; 3] {
    let own = match kind {
        "delay" => format!("nsec={DELAY},"),
        "late" => format!("nsec={LATE},"),
        "stall" => format!("nsec={STALL},"),
        "short" => "bytes=7,".to_owned(),
        _ => String::new(),
    };
    let every = if matches!(kind, "reset" | "dead") { "every=11" } else { "every=3" };
    ["probability=0.3", every, "after=5,every=2,times=9"].map(|when| format!("fault={kind}:{own}{when}"))
}

/// The work: four kinds of requests, of several lengths, one in five without an announcement.
struct Work {
    sessions: [Session; 3],
}

impl Work {
    fn new() -> Self {
        let gcm = Session::aead(Aead::Aes128Gcm, &[4; 16], 16).expect("the key fits");
        Self { sessions: [gcm, ctr(), Session::hash(Hash::Sha256).expect("there is such a hash")] }
    }

    fn request(&self, number: usize, ids: [SessionId; 3]) -> Request {
        let text = vec![u8::try_from(number).expect("few"); 16 + 8 * (number % 5)];
        let new = |at: usize, operation, text| {
            let mut request = Request::new(ids[at], operation, text);
            request.set_iv(if at == 0 { &[3; 12] } else { &[3; 16] });
            request
        };
        match number % 4 {
            0 => new(0, Operation::Encrypt, text),
            1 => new(1, Operation::Encrypt, text),
            2 => Request::new(ids[2], Operation::Digest, text),
            _ => {
                let mut sealed = new(0, Operation::Encrypt, text);
                assert_eq!(self.sessions[0].execute(&mut sealed), Status::Ok);
                let mut request = new(0, Operation::Decrypt, sealed.buffer);
                request.tag = sealed.tag;
                request
            }
        }
    }

    /// Text and tag of the right result.
    fn right(&self, number: usize) -> (Vec<u8>, Vec<u8>) {
        let mut request = self.request(number, [SessionId::NONE; 3]);
        let session = &self.sessions[[0, 1, 2, 0][number % 4]];
        assert_eq!(session.execute(&mut request), Status::Ok);
        result(&request)
    }
}

fn result(request: &Request) -> (Vec<u8>, Vec<u8>) {
    let output = request.operation.output();
    let text = if output.has_text() { request.buffer.clone() } else { Vec::new() };
    let tag = if output.has_tag() { request.tag.as_bytes().to_vec() } else { Vec::new() };
    (text, tag)
}

const fn is_announced(number: usize) -> bool {
    number % 5 != 4
}

/// Counts wakes apart from spurious ones, which come by reference.
#[derive(Default)]
struct Wakes {
    sent: AtomicUsize,
    spurious: AtomicUsize,
}

impl Wake for Wakes {
    fn wake(self: Arc<Self>) {
        self.sent.fetch_add(1, Ordering::Relaxed);
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.spurious.fetch_add(1, Ordering::Relaxed);
    }
}

/// What a request looks like from outside.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Look {
    /// `None`: it never ended.
    status: Option<Status>,
    /// From its submission to its end.
    nsec: u64,
    /// Of a success.
    result: (Vec<u8>, Vec<u8>),
    residue: usize,
    wakes: usize,
    spurious: usize,
}

type Counts = BTreeMap<&'static str, u64>;

/// A device at work.
struct Run {
    device: Device,
    pair: QueuePair,
    ids: [SessionId; 3],
    work: Work,
    looks: Vec<Look>,
    /// Whether each submission was told that the ring is full.
    refused: Vec<bool>,
}

impl Run {
    fn new(plan: &str) -> Self {
        let (device, pair) = stepped(&format!(
            "queue_pairs=1;depth={AT_ONCE};compute_units={AT_ONCE};completion_nsec=10000;mbps=50;\
             latency_dist=exponential;seed=5;{plan}"
        ));
        let work = Work::new();
        let ids = [0, 1, 2].map(|_| SessionId::NONE);
        let mut run = Self { device, pair, ids, work, looks: Vec::new(), refused: Vec::new() };
        let Work { sessions: [gcm, ctr, sha] } = Work::new();
        run.ids = [gcm, ctr, sha].map(|session| run.device.create_session(session));
        run
    }

    /// The next `count` requests, at once, to their ends.
    fn burst(&mut self, count: usize) {
        // A dead device is brought back to work before the next.
        self.device.reset();
        let from = self.looks.len();
        let begun = self.device.now();
        let wakes: Vec<Arc<Wakes>> = (0..count).map(|_| Arc::default()).collect();
        let tickets: Vec<Ticket> = (0..count).map(|at| self.submit(from + at, &wakes[at])).collect();
        let mut ends = vec![None; count];
        while self.device.step() {
            for (end, &ticket) in ends.iter_mut().zip(&tickets) {
                let is_done = matches!(self.pair.remote().state(ticket), TicketState::Done(_));
                if end.is_none() && is_done {
                    *end = Some(self.device.now() - begun);
                }
            }
        }
        for (at, ticket) in tickets.into_iter().enumerate() {
            let taken = self.pair.take(ticket);
            if taken.is_none() {
                assert!(self.pair.remote().revoke(ticket).is_some(), "it can be taken back");
            }
            let success = taken.as_ref().filter(|(_, status)| *status == Status::Ok);
            self.looks.push(Look {
                status: taken.as_ref().map(|(_, status)| *status),
                nsec: ends[at].map_or(0, |end: Duration| u64::try_from(end.as_nanos()).expect("short")),
                result: success.map(|(request, _)| result(request)).unwrap_or_default(),
                residue: success.map_or(0, |(request, _)| request.residue),
                wakes: wakes[at].sent.load(Ordering::Relaxed),
                spurious: wakes[at].spurious.load(Ordering::Relaxed),
            });
        }
    }

    /// Submits until it is taken.
    fn submit(&mut self, number: usize, wakes: &Arc<Wakes>) -> Ticket {
        loop {
            let delivery = if is_announced(number) {
                Delivery::Wake(Waker::from(Arc::clone(wakes)))
            } else {
                Delivery::Silent
            };
            let submitted = self.pair.submit(self.work.request(number, self.ids), delivery);
            self.refused.push(submitted.is_err());
            match submitted {
                Ok(ticket) => return ticket,
                Err(refused) => assert_eq!(refused.reason, RefusedReason::Full),
            }
        }
    }

    fn counts(&self) -> Counts {
        self.device.stats().faults.iter().collect()
    }
}

/// What one rule does, alone.
struct Alone {
    kind: &'static str,
    /// By request.
    hits: Vec<bool>,
    /// Of `corrupt`: the changed byte and what it changed to, in text or tag.
    wrong: Vec<Option<(bool, usize, u8)>>,
    /// By submission.
    refused: Vec<bool>,
}

fn learn(kind: &'static str, rule: &str, work: &Work) -> Alone {
    let mut run = Run::new(rule);
    let (mut hits, mut wrong) = (Vec::new(), Vec::new());
    for number in 0..REQUESTS {
        let before = run.counts()[kind];
        run.burst(1);
        hits.push(run.counts()[kind] > before);
        let look = &run.looks[number];
        let changed = |is_text: bool, right: &[u8], got: &[u8]| {
            let differs = right.iter().zip(got).position(|(right, got)| right != got);
            differs.map(|byte| (is_text, byte, got[byte]))
        };
        let right = work.right(number);
        wrong.push(
            changed(true, &right.0, &look.result.0).or_else(|| changed(false, &right.1, &look.result.1)),
        );
    }
    assert!(hits.contains(&true), "{rule} hits something");
    Alone { kind, hits, wrong, refused: run.refused }
}

/// What the requests look like when each of two rules hits those that it hits alone, and what is counted.
fn predict(work: &Work, services: &[u64], rules: [&Alone; 2]) -> (Vec<Look>, Counts) {
    let mut counts: Counts = FaultKind::NAMES.into_iter().map(|name| (name, 0)).collect();
    let mut count = |kind: &'static str| *counts.get_mut(kind).expect("a kind") += 1;
    let hits = |kind: &str, number: usize| rules.iter().find(|rule| rule.kind == kind && rule.hits[number]);
    let mut looks = Vec::new();
    for from in (0..REQUESTS).step_by(AT_ONCE) {
        let burst = from..from + AT_ONCE;
        let ends = |number: usize| ["dead", "reset"].into_iter().find(|kind| hits(kind, number).is_some());
        let last = burst.clone().find(|&number| ends(number).is_some());
        let status =
            last.and_then(ends).map(|kind| if kind == "dead" { Status::DeviceDead } else { Status::Reset });
        for number in burst {
            let announced = is_announced(number);
            let is_decided = last.is_none_or(|last| number < last);
            let hit = |kind: &str| is_decided && hits(kind, number).is_some();
            let is_never = hit("timeout");
            let (text, tag) = work.right(number);
            let mut look = Look {
                status: Some(Status::Ok),
                nsec: services[number],
                result: (text, tag),
                residue: 0,
                wakes: usize::from(announced),
                spurious: 0,
            };
            if last == Some(number) {
                count(ends(number).expect("it is the last"));
            }
            if hit("spurious_wake") {
                count("spurious_wake");
                look.spurious = 1;
            }
            if hit("stall") {
                count("stall");
                look.nsec += STALL;
            }
            if is_never {
                count("timeout");
                look = Look { status: None, nsec: 0, result: Default::default(), wakes: 0, ..look };
            } else {
                for (kind, nsec) in [("delay", DELAY), ("late", LATE)] {
                    if hit(kind) {
                        count(kind);
                        look.nsec += nsec;
                    }
                }
                if hit("fail") {
                    count("fail");
                    look.status = Some(Status::DeviceError);
                    look.result = Default::default();
                } else {
                    let cut = if hit("short") { 7 } else { 0 };
                    let is_text = !look.result.0.is_empty();
                    let len = if is_text { look.result.0.len() } else { look.result.1.len() };
                    if cut > 0 {
                        count("short");
                    }
                    if let Some((wrong_text, byte, value)) =
                        hits("corrupt", number).filter(|_| is_decided).and_then(|rule| rule.wrong[number])
                        && !(wrong_text == is_text && byte >= len - cut)
                    {
                        count("corrupt");
                        let side = if wrong_text { &mut look.result.0 } else { &mut look.result.1 };
                        side[byte] = value;
                    }
                    let side = if is_text { &mut look.result.0 } else { &mut look.result.1 };
                    side.truncate(len - cut);
                    look.residue = cut;
                }
            }
            if let Some(status) = status {
                look = Look {
                    status: Some(status),
                    nsec: 0,
                    result: Default::default(),
                    residue: 0,
                    wakes: usize::from(announced),
                    ..look
                };
            } else if !is_never {
                if hit("drop_wake") {
                    count("drop_wake");
                    look.wakes = 0;
                } else if hit("duplicate") {
                    count("duplicate");
                }
            }
            looks.push(look);
        }
    }
    for rule in rules.iter().filter(|rule| rule.kind == "busy") {
        counts.insert("busy", rule.refused.iter().filter(|refused| **refused).count() as u64);
    }
    (looks, counts)
}

#[test]
fn no_rule_shifts_another_in_any_pair_of_kinds() {
    let work = Work::new();
    let services = {
        let mut run = Run::new("");
        (0..REQUESTS).for_each(|_| run.burst(1));
        run.looks.iter().map(|look| look.nsec).collect::<Vec<_>>()
    };
    let of_kind = |kind| rules(kind).map(|rule| (learn(kind, &rule, &work), rule));
    let all: Vec<_> = FaultKind::NAMES.into_iter().map(of_kind).collect();
    let mut pairs = 0;
    let mut shifted = Vec::new();
    for (first, of_first) in all.iter().enumerate() {
        for of_second in all.iter().enumerate().filter(|(second, _)| *second != first).map(|(_, rules)| rules)
        {
            pairs += 1;
            for (at, (first, first_text)) in of_first.iter().enumerate() {
                let (second, second_text) = &of_second[(at + pairs) % of_second.len()];
                let plan = format!("{first_text};{second_text}");
                let mut run = Run::new(&plan);
                (0..REQUESTS / AT_ONCE).for_each(|_| run.burst(AT_ONCE));
                let (looks, counts) = predict(&work, &services, [first, second]);
                let busy = [first, second].into_iter().find(|rule| rule.kind == "busy");
                let is_right = run.looks == looks
                    && run.counts() == counts
                    && busy.is_none_or(|busy| busy.refused == run.refused);
                if !is_right {
                    let number = looks.iter().zip(&run.looks).position(|(look, got)| look != got);
                    let differs = number.map(|number| (number, &looks[number], &run.looks[number]));
                    shifted.push(format!("{plan}: {differs:?}; counts {counts:?}, not {:?}", run.counts()));
                }
                assert_balanced(&run.device);
            }
        }
    }
    assert_eq!(pairs, 156);
    assert!(
        shifted.is_empty(),
        "{} plans, the first: {}",
        shifted.len(),
        shifted.iter().take(6).cloned().collect::<Vec<_>>().join("\n")
    );
}
