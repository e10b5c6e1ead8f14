//! Every kind of fault in every operation with a key, in every way of waiting; alone, with another try, and
//! with software in the device's place.
//!
//! ```text
//!   for each policy, kind, way:    fault=KIND:nth=1, nth=2, ...  until a run is clean
//!      each run: one of each operation, all in flight at once where the way allows it
//!           ─► the outcome that kind and policy have, and no other ─► counters add up
//! ```
//!
//! `fault_sweep.rs` has the other kinds of session, and the ways of waiting.

mod captured;
#[path = "fault_sweep/drive.rs"]
mod drive;
mod future_helpers;
#[path = "private_keys/operations.rs"]
mod operations;
#[path = "fault_sweep/outcome.rs"]
mod outcome;
#[path = "private_keys/sweep.rs"]
mod work;

use std::sync::Arc;
use std::task::{Poll, Waker};

use simaccel::foreign::{StartedKey, start_key};
use simaccel::{Config, Engine, EngineStats};

use drive::Way;
use future_helpers::Flag;
use outcome::Outcome;

/// More points than any kind has here.
const TOO_MANY: u64 = 60;

/// What the engine makes of a failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Policy {
    Alone,
    Retry,
    Fallback,
}

/// The ways of a job and of a blocked caller, and an operation that is polled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum AnyWay {
    Drive(Way),
    Polled,
}

impl AnyWay {
    const fn name(self) -> &'static str {
        match self {
            Self::Drive(way) => way.name(),
            Self::Polled => "polled operation",
        }
    }
}

#[derive(Clone, Copy, Debug)]
struct Place {
    policy: Policy,
    kind: &'static str,
    way: AnyWay,
}

fn sweep_all(policy: Policy) {
    let ways = Way::ALL.map(AnyWay::Drive).into_iter().chain([AnyWay::Polled]);
    let kinds = EngineStats::default().faults().map(|(kind, _)| kind).collect::<Vec<_>>();
    for way in ways {
        for &kind in &kinds {
            let points = sweep(Place { policy, kind, way });
            // Where nothing is waited for by an fd, none fails.
            let has_fd = matches!(way, AnyWay::Drive(Way::Fd | Way::Poll));
            let name = way.name();
            assert!(
                points > 0 || kind == "fd_fail" && !has_fd,
                "{policy:?}, {kind}, {name}: no fault struck"
            );
        }
    }
}

#[test]
fn every_fault_ends_an_operation_with_a_key_as_it_must() {
    sweep_all(Policy::Alone);
}

#[test]
fn another_try_helps_an_operation_with_a_key() {
    sweep_all(Policy::Retry);
}

#[test]
fn software_stands_in_for_an_operation_with_a_key() {
    sweep_all(Policy::Fallback);
}

/// The number of points where it struck.
fn sweep(place: Place) -> u64 {
    for nth in 1..TOO_MANY {
        // In a thread of its own: its end releases what the thread keeps for its engine.
        let ran = std::thread::spawn(move || run(place, nth)).join();
        if !ran.unwrap_or_else(|_| panic!("{place:?}, point {nth}: see above")) {
            return nth - 1;
        }
    }
    panic!("{place:?}: there is always another point");
}

/// One run with the fault at point `nth`. Returns whether it struck.
fn run(place: Place, nth: u64) -> bool {
    let engine = open(place, nth);
    let outcomes = match place.way {
        AnyWay::Drive(way) => drive::run(&engine, way),
        AnyWay::Polled => polled(&engine),
    };
    engine.device().drain();
    let stats = engine.stats();
    let struck = stats.faults_injected > 0;
    let context = format!("{place:?}, point {nth}: {outcomes:?}");
    assert_eq!(stats.imbalances(), Vec::<String>::new(), "{context}");
    assert_eq!((stats.device.total.in_flight, stats.abandoned), (0, 0), "{context}");
    assert_eq!(stats.pauses, stats.resumes, "{context}");
    if struck {
        assert_eq!(stats.faults_injected, 1, "{context}");
        assert_ended_as_it_must(place, &outcomes, &stats, &context);
    } else {
        assert_eq!(outcomes, vec![Outcome::Right; outcomes.len()], "{context}");
        assert_eq!((stats.retries, stats.fallbacks), (0, 0), "{context}");
    }
    struck
}

/// Blocked callers need neither wake nor fd on a stepped device; faults about these strike nothing there.
fn open(place: Place, nth: u64) -> Engine {
    let Place { policy, kind, way } = place;
    let is_real =
        way == AnyWay::Drive(Way::Block) && matches!(kind, "drop_wake" | "duplicate" | "spurious_wake");
    let delivery = if way == AnyWay::Drive(Way::Poll) { "poll" } else { "wake" };
    let (nsec, timeout) = if is_real { (5_000_000, 1_000) } else { (1_000, 50) };
    let policy = match policy {
        Policy::Alone => "",
        Policy::Retry => "max_retries=1;",
        Policy::Fallback => "fallback=on;",
    };
    let text = format!(
        "queue_pairs=1;depth=4;compute_units=2;completion_nsec={nsec};delivery={delivery};timeout_msec={timeout};\
         {policy}fault={kind}:nth={nth}"
    );
    let config = Config::parse(&text).unwrap();
    if is_real { Engine::open(config).unwrap() } else { Engine::stepped(config).unwrap() }
}

/// Polls each operation when its waker was called, and no sooner.
fn polled(engine: &Engine) -> Vec<Outcome> {
    let actions = work::actions(false);
    let mut started: Vec<(StartedKey, Arc<Flag>, usize)> = actions
        .iter()
        .map(|action| {
            let (operation, arguments, input) = action.parts();
            (start_key(&action.session(engine), operation, arguments, input), Arc::default(), 0)
        })
        .collect();
    let mut outcomes = vec![None; actions.len()];
    let mut is_first = true;
    while outcomes.contains(&None) {
        let mut told = false;
        for (at, (started, calls, seen)) in started.iter_mut().enumerate() {
            let is_told = calls.calls() > *seen;
            if outcomes[at].is_some() || !(is_told || is_first) {
                continue;
            }
            told = true;
            *seen = calls.calls();
            if let Poll::Ready(output) = started.poll(&Waker::from(Arc::clone(calls))) {
                outcomes[at] = Some(work::outcome(&actions[at], output));
            }
        }
        is_first = false;
        assert!(told || engine.device().step(), "an operation waits, and nothing happens any more");
    }
    outcomes.into_iter().flatten().collect()
}

/// The fault has struck once: which operations may feel it, and how.
fn assert_ended_as_it_must(place: Place, outcomes: &[Outcome], stats: &EngineStats, context: &str) {
    let felt: Vec<Outcome> = outcomes.iter().copied().filter(|outcome| *outcome != Outcome::Right).collect();
    let one = match place.kind {
        // A result that looks right is handed on: no policy sees that it is not.
        "corrupt" => return assert_eq!(felt, [Outcome::Wrong], "{context}"),
        "busy" | "delay" | "stall" | "duplicate" | "spurious_wake" => None,
        "fail" => Some(Outcome::DeviceFailed),
        "short" => Some(Outcome::ShortOutput),
        "nomem" => Some(Outcome::NoMemory),
        "fd_fail" => Some(Outcome::WakeFd),
        "timeout" | "late" => Some(Outcome::Timeout),
        // The completion may be found without its wake, when the caller looks for another reason.
        "drop_wake" if felt.is_empty() && stats.timeouts == 0 => None,
        "drop_wake" => Some(Outcome::Timeout),
        "reset" => Some(Outcome::Reset),
        "dead" => Some(Outcome::DeviceDead),
        other => panic!("{other} has no row here"),
    };
    let is_many = matches!(place.kind, "reset" | "dead");
    match (one, place.policy) {
        (None, _) => assert_eq!((felt, stats.retries, stats.fallbacks), (Vec::new(), 0, 0), "{context}"),
        (Some(outcome), Policy::Alone) => {
            assert!(felt.iter().all(|felt| *felt == outcome), "{context}");
            assert!(if is_many { !felt.is_empty() } else { felt.len() == 1 }, "{context}");
            assert_eq!((stats.retries, stats.fallbacks), (0, 0), "{context}");
        }
        // A dead device stays dead, and what this process lacks is no failure of the device.
        (Some(outcome @ (Outcome::DeviceDead | Outcome::NoMemory | Outcome::WakeFd)), Policy::Retry) => {
            assert!(!felt.is_empty() && felt.iter().all(|felt| *felt == outcome), "{context}");
            assert_eq!(stats.retries, 0, "{context}");
        }
        (Some(_), Policy::Retry) => {
            assert_eq!(felt, [], "{context}");
            assert!(stats.retries >= 1 && (is_many || stats.retries == 1), "{context}: {}", stats.retries);
        }
        (Some(_), Policy::Fallback) => {
            assert_eq!(felt, [], "{context}");
            assert!(
                stats.fallbacks >= 1 && (is_many || stats.fallbacks == 1),
                "{context}: {}",
                stats.fallbacks
            );
        }
    }
}
