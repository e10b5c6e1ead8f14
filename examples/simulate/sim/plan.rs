//! The plan of a seed: one configuration of engine and device, and what the workload may do with it.

use std::fmt::Write;
use std::sync::LazyLock;

use simaccel::{EngineStats, Operation};

use super::random::Random;

/// How the contexts of a history are woken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wakes {
    Fds,
    Callbacks,
    Both,
}

/// Whose turn an action is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Actor {
    /// Jobs, blocking callers, and the device.
    Job,
    /// Those who await.
    Task,
}

pub(crate) struct Plan {
    /// For `Config::parse`.
    pub(crate) text: String,
    pub(crate) poll: bool,
    pub(crate) wakes: Wakes,
    pub(crate) depth: usize,
    /// Whether a completion may be taken before it is announced.
    pub(crate) coalesces: bool,
    /// Whether submissions are refused that have no tokens.
    pub(crate) refuses: bool,
    pub(crate) timeout: bool,
    pub(crate) retries: u32,
    pub(crate) fallback: bool,
    /// The kinds of its faults, one for each rule.
    pub(crate) faults: Vec<&'static str>,
    pub(crate) actions: Vec<Actor>,
    /// Whether plain requests take the straight way: no model of time, no faults, no policy.
    pub(crate) is_straight: bool,
    /// Everything is dropped in the middle, instead of being brought to its end.
    pub(crate) abrupt: bool,
}

/// The names of all kinds of faults, the device's and the engine's. Which is drawn goes by their order.
static KINDS: LazyLock<Vec<&'static str>> =
    LazyLock::new(|| EngineStats::default().faults().map(|(kind, _)| kind).collect());

/// The operations that the workload asks for. Which is drawn goes by their order.
const OPERATIONS: [Operation; 4] =
    [Operation::Encrypt, Operation::Decrypt, Operation::Digest, Operation::Mac];

const DISTRIBUTIONS: [&str; 7] =
    ["constant", "uniform", "exponential", "normal:20", "lognormal:80", "bimodal:900", "bimodal:300:12.5"];

/// What a history changes while its device runs.
const CHANGES: [&str; 12] = [
    "completion_nsec=0;mbps=0",
    "completion_nsec=2000000",
    "mbps=0.5;latency_dist=exponential",
    "firmware_nsec=0",
    "firmware_nsec=90000",
    "link_mbps=0;link_nsec=0",
    "link_mbps=1.5;link_nsec=700",
    "batch=1;batch_nsec=0",
    "batch=3;batch_nsec=20000",
    "arbitration=weighted:2:1;service=mac:nsec=7000;warmup=3:500",
    "ops_limit=0;bytes_limit=0;service=none",
    "ops_limit=40000;limit=busy",
];

impl Plan {
    /// `beside`: the stream of the tasks that await.
    pub(crate) fn new(random: &mut Random, beside: &mut Random) -> Self {
        let poll = random.chance(35);
        let wakes = random.pick(&[Wakes::Fds, Wakes::Fds, Wakes::Callbacks, Wakes::Both]);
        let depth = random.pick(&[2, 2, 4, 8]);
        let coalesces = random.chance(25);
        let retries = if random.chance(20) { random.pick(&[1, 2]) } else { 0 };
        let (fallback, timeout) = (random.chance(20), random.chance(40));
        let mut plan = Self {
            text: String::new(),
            poll,
            wakes,
            depth,
            coalesces,
            refuses: false,
            timeout,
            retries,
            fallback,
            faults: Vec::new(),
            actions: vec![Actor::Job; random.size(12, 40)],
            is_straight: false,
            abrupt: random.chance(15),
        };
        plan.write_device(random);
        plan.write_engine(random);
        for _ in 0..random.pick(&[0, 1, 1, 1, 2, 2, 3]) {
            let kind = random.pick(&KINDS);
            plan.write_fault(kind, random);
        }
        if beside.chance(8) {
            plan.become_straight(beside);
        }
        for _ in 0..beside.pick(&[0, 6, 12, 24]) {
            let at = beside.index(plan.actions.len() + 1);
            plan.actions.insert(at, Actor::Task);
        }
        plan
    }

    /// Takes an ideal device in place of all that was drawn.
    fn become_straight(&mut self, beside: &mut Random) {
        self.text.clear();
        (self.coalesces, self.refuses, self.timeout, self.fallback) = (false, false, false, false);
        (self.retries, self.is_straight) = (0, true);
        self.faults.clear();
        self.set("queue_pairs", beside.between(1, 3));
        self.set("depth", self.depth);
        self.set("delivery", if self.poll { "poll" } else { "wake" });
    }

    /// How many rules have this kind.
    pub(crate) fn rules(&self, kind: &str) -> usize {
        self.faults.iter().filter(|other| **other == kind).count()
    }

    fn set(&mut self, key: &str, value: impl std::fmt::Display) {
        let separator = if self.text.is_empty() { "" } else { ";" };
        // Writing to a string does not fail.
        let _ = write!(self.text, "{separator}{key}={value}");
    }

    fn write_device(&mut self, random: &mut Random) {
        self.set("queue_pairs", random.between(1, 3));
        self.set("depth", self.depth);
        self.set("compute_units", random.pick(&[1, 1, 2, 4]));
        self.set("completion_nsec", random.pick(&[0, 1, 1_000, 50_000]));
        self.set("firmware_nsec", random.pick(&[0, 0, 700]));
        self.set("mbps", random.pick(&["0", "0", "100", "62.5"]));
        self.set("latency_dist", random.pick(&DISTRIBUTIONS));
        self.set(
            "ordering",
            random.pick(&["unordered", "unordered", "fifo", "reorder:50:1", "reorder:20:3"]),
        );
        self.write_stations(random);
        if self.coalesces {
            self.set("intc_thresh", random.pick(&[2, 3, 8]));
            self.set("intc_nsec", random.pick(&[1, 2_000, 100_000]));
        }
        if random.chance(10) {
            self.set("timing", random.pick(&["sampled", "all"]));
        }
        if random.chance(25) {
            self.write_services(random);
        }
        if random.chance(10) {
            self.set("warmup", random.pick(&["1:100", "3:1000", "20:150"]));
        }
        if random.chance(10) {
            self.set("model", "on");
        }
        self.set("seed", random.below(1_000));
    }

    /// Service times by what a request is, each at most once.
    fn write_services(&mut self, random: &mut Random) {
        for what in ["all", "mac", "encrypt", "aes-128-gcm", "aes-128-ctr/encrypt"] {
            if random.chance(35) {
                let times = random.pick(&[
                    "nsec=2500",
                    "nsec=0,mbps=0.25",
                    "dist=exponential",
                    "points=16:900/64:1000/200:40000",
                    "points=1:5000,dist=bimodal:300:20",
                ]);
                self.set("service", format_args!("{what}:{times}"));
            }
        }
    }

    /// What requests go through before and after the units.
    fn write_stations(&mut self, random: &mut Random) {
        if random.chance(20) {
            self.set("link_mbps", random.pick(&["0.5", "133.7", "9000"]));
        }
        if random.chance(20) {
            self.set("link_nsec", random.pick(&[1, 400, 30_000]));
        }
        if random.chance(15) {
            self.set("batch", random.pick(&[2, 3, 8]));
            self.set("batch_nsec", random.pick(&[1, 5_000, 300_000]));
        }
        if random.chance(20) {
            self.write_limit(random);
        }
        if random.chance(25) {
            self.set("arbitration", random.pick(&["round_robin", "weighted:3", "weighted:1:4:2"]));
        }
    }

    fn write_limit(&mut self, random: &mut Random) {
        let both = random.below(3);
        if both != 0 {
            self.set("ops_limit", random.pick(&[2_000, 50_000, 3_000_000]));
            self.set("ops_burst", random.pick(&[1, 2, 5]));
        }
        if both != 1 {
            self.set("bytes_limit", random.pick(&[300_000, 77_777_777]));
            self.set("bytes_burst", random.pick(&[1, 64, 65_536]));
        }
        self.refuses = random.chance(50);
        self.set("limit", if self.refuses { "busy" } else { "delay" });
    }

    fn write_engine(&mut self, random: &mut Random) {
        self.set("delivery", if self.poll { "poll" } else { "wake" });
        if self.fallback {
            self.set("fallback", "on");
        }
        if random.chance(15) {
            self.set("offload_threshold", random.between(1, 64));
        }
        if self.timeout {
            self.set("timeout_msec", random.pick(&[1, 5, 2_000]));
        }
        if self.retries > 0 {
            self.set("max_retries", self.retries);
        }
    }

    fn write_fault(&mut self, kind: &'static str, random: &mut Random) {
        let rule = self.rule(kind, random);
        self.set("fault", rule);
    }

    /// A rule of this kind.
    fn rule(&mut self, kind: &'static str, random: &mut Random) -> String {
        self.faults.push(kind);
        let mut fields: Vec<String> = own_field(kind, random).into_iter().collect();
        for _ in 0..random.pick(&[1, 1, 2]) {
            fields.extend(selection(kind, &fields, random));
        }
        format!("{kind}:{}", fields.join(","))
    }

    /// Faults that take the place of those before.
    pub(crate) fn another_fault_plan(&mut self, random: &mut Random) -> String {
        let rules = (0..random.pick(&[0, 1, 1, 2])).map(|_| {
            let kind = random.pick(&KINDS);
            format!("fault={}", self.rule(kind, random))
        });
        rules.collect::<Vec<_>>().join(";")
    }

    /// Other numbers for the model, or other stations.
    pub(crate) fn another_model(&mut self, random: &mut Random) -> String {
        let change = random.pick(&CHANGES);
        self.refuses |= change.contains("limit=busy");
        change.to_owned()
    }
}

/// A field that only this kind has.
fn own_field(kind: &str, random: &mut Random) -> Option<String> {
    match kind {
        "corrupt" if random.chance(50) => Some(format!("target={}", random.pick(&["any", "text", "tag"]))),
        "corrupt" if random.chance(30) => Some(format!("bit={}", random.below(10_000))),
        "fail" => {
            let statuses = [
                "device_error",
                "device_error",
                "auth_failed",
                "invalid_session",
                "invalid_args",
                "unsupported",
            ];
            Some(format!("status={}", random.pick(&statuses)))
        }
        "short" => Some(format!("bytes={}", random.between(1, 40))),
        "delay" | "stall" | "late" => Some(format!("nsec={}", random.pick(&[500, 60_000, 3_000_000]))),
        _ => None,
    }
}

/// One field of a selection, unless it excludes fields that are there.
fn selection(kind: &str, fields: &[String], random: &mut Random) -> Option<String> {
    let field = random.pick(&["every", "nth", "probability", "times", "after", "window", "op", "size"]);
    let has = |name: &str| fields.iter().any(|field| field.starts_with(name));
    // An eventfd has no operation, not every operation has a text and a tag, and an unreachable nth selects
    // nothing. All that is refused.
    let excluded = match field {
        "op" => kind == "fd_fail" || has("target=t"),
        "size" => kind == "fd_fail",
        "nth" => has("every") || has("after"),
        "every" | "after" => has("nth"),
        _ => false,
    };
    if excluded || has(field) {
        return None;
    }
    Some(match field {
        "every" => format!("every={}", random.between(1, 6)),
        "nth" => format!("nth={}", random.between(1, 12)),
        "probability" => format!("probability=0.{}", random.between(1, 6)),
        "times" => format!("times={}", random.between(1, 3)),
        "after" => format!("after={}", random.between(1, 8)),
        "window" => format!("window={}:{}", random.between(0, 90_000), random.between(1, 60_000)),
        "op" => format!("op={}", random.pick(&OPERATIONS)),
        _ => format!("size={}..", random.between(1, 200)),
    })
}
