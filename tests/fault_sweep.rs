//! Every kind of fault at every point where it can strike, in every way of waiting.
//!
//! ```text
//!   for each kind, for each way:    fault=KIND:nth=1, nth=2, ...  until a run is clean
//!      each run: the same operations, all in flight at once where the way allows it
//!           ─► the outcome that belongs to the kind, and no other ─► counters add up, nothing kept
//! ```
//!
//! The printed table shows how many points each cell has and their outcomes; no cell may be empty.

mod captured;
#[path = "fault_sweep/drive.rs"]
mod drive;
mod engine_helpers;
#[path = "fault_sweep/outcome.rs"]
mod outcome;
#[path = "fault_sweep/work.rs"]
mod work;

use std::collections::BTreeMap;

use comfy_table::{LineStyle, Table, TableStyle};
use simaccel::{Config, Engine, EngineStats};

use drive::Way;
use engine_helpers::open_fds;
use outcome::Outcome;

/// More points than any kind has here.
const TOO_MANY: u64 = 200;

/// The subject of one cell of the table.
#[derive(Clone, Copy, Debug)]
struct Place {
    kind: &'static str,
    way: Way,
}

/// The results of a cell: its number of points, and how often operations ended in each way.
#[derive(Debug, Default)]
struct Cell {
    points: u64,
    outcomes: BTreeMap<Outcome, u64>,
}

#[test]
fn every_fault_at_every_point_ends_as_it_must_on_every_way_of_waiting() {
    let kinds: Vec<&str> = EngineStats::default().faults().map(|(kind, _)| kind).collect();
    let mut table = Table::new();
    let rule = LineStyle::none().fill('─');
    table.load_style(TableStyle::new().header_separator(rule).row_separator(rule));
    table.set_header(std::iter::once("fault").chain(Way::ALL.map(Way::name)));
    let mut empty = Vec::new();
    for kind in kinds {
        let mut row = vec![kind.to_owned()];
        for way in Way::ALL {
            let cell = sweep(Place { kind, way });
            // A callback needs no fd.
            if cell.points == 0 && (kind, way) != ("fd_fail", Way::Callback) {
                empty.push(format!("{kind}, {}", way.name()));
            }
            row.push(cell.to_string());
        }
        table.add_row(row);
    }
    println!("points, and how the operations of all runs ended\n{table}");
    assert!(empty.is_empty(), "no fault struck in: {empty:?}");
}

/// Runs with the fault at the first point, the second, and so on, until it no longer strikes.
fn sweep(place: Place) -> Cell {
    let mut cell = Cell::default();
    for nth in 1..TOO_MANY {
        let fds = open_fds();
        // In a thread of its own: its end releases what the thread keeps for its engine.
        let ran = std::thread::spawn(move || run(place, nth)).join();
        let (outcomes, struck) = ran.unwrap_or_else(|_| panic!("{place:?}, point {nth}: see above"));
        assert_eq!(open_fds(), fds, "{place:?}, point {nth}: fds are left open");
        if !struck {
            assert_eq!(outcomes, vec![Outcome::Right; outcomes.len()], "{place:?}: a clean run");
            return cell;
        }
        cell.points += 1;
        for outcome in outcomes {
            *cell.outcomes.entry(outcome).or_default() += 1;
        }
    }
    panic!("{place:?}: there is always another point");
}

/// One run with the fault at point `nth`. Returns whether it struck.
fn run(place: Place, nth: u64) -> (Vec<Outcome>, bool) {
    let engine = open(place, nth);
    let outcomes = drive::run(&engine, place.way);
    engine.device().drain();
    if place.way == Way::Poll {
        engine.poll(1_000, |token| panic!("{place:?}, point {nth}: token {token} came for nothing")).unwrap();
    }
    let stats = engine.stats();
    let struck = stats.faults_injected == 1;
    let context = format!("{place:?}, point {nth}: {outcomes:?}");
    assert_balanced(&stats, &context);
    if struck {
        assert_ended_as_it_must(place, &outcomes, &stats, &context);
    } else {
        assert_eq!(stats.faults_injected, 0, "{context}");
    }
    (outcomes, struck)
}

/// A small slow device with a timeout. A blocking caller on a stepped device needs no wake and no fd, so for
/// faults about these the device is a real one.
fn open(place: Place, nth: u64) -> Engine {
    let Place { kind, way } = place;
    let real = way == Way::Block && matches!(kind, "drop_wake" | "duplicate" | "spurious_wake" | "fd_fail");
    let delivery = if way == Way::Poll || (real && kind == "fd_fail") { "poll" } else { "wake" };
    // Real: slow enough for the caller to sleep, with a timeout that is long enough for that, although a
    // dropped wake waits for it.
    let (nsec, timeout) = if real { (5_000_000, 1_000) } else { (1_000, 50) };
    let text = format!(
        "queue_pairs=1;depth=4;compute_units=2;completion_nsec={nsec};delivery={delivery};timeout_msec={timeout};\
         fault={kind}:nth={nth}"
    );
    let config = Config::parse(&text).unwrap();
    if real { Engine::open(config).unwrap() } else { Engine::stepped(config).unwrap() }
}

fn assert_balanced(stats: &EngineStats, context: &str) {
    let total = &stats.device.total;
    assert_eq!(total.imbalances(), Vec::<String>::new(), "{context}");
    assert_eq!(total.in_flight, 0, "{context}");
    assert_eq!(stats.pauses, stats.resumes, "{context}");
    assert_eq!((stats.abandoned, stats.fallbacks, stats.retries), (0, 0, 0), "{context}");
}

/// The fault has struck once: which operations may feel it, and how.
fn assert_ended_as_it_must(place: Place, outcomes: &[Outcome], stats: &EngineStats, context: &str) {
    let felt: Vec<Outcome> = outcomes.iter().copied().filter(|outcome| *outcome != Outcome::Right).collect();
    let one = |outcome| assert_eq!(felt, [outcome], "{context}");
    let none = || assert_eq!(felt, [], "{context}");
    let some = |outcome| {
        assert!(!felt.is_empty() && felt.iter().all(|other| *other == outcome), "{context}");
    };
    let total = &stats.device.total;
    match place.kind {
        "busy" => {
            none();
            assert!(total.full >= 1 && total.parked >= 1, "{context}: {total:?}");
        }
        "delay" | "stall" | "duplicate" => none(),
        "spurious_wake" => {
            none();
            assert!(total.wakes_spurious <= 1, "{context}: {total:?}");
            assert!(total.wakes_spurious == 1 || place.way == Way::Poll, "{context}: {total:?}");
        }
        "corrupt" => one(Outcome::Wrong),
        "fail" => one(Outcome::DeviceFailed),
        "short" => one(Outcome::ShortOutput),
        "nomem" => one(Outcome::NoMemory),
        "fd_fail" => one(Outcome::WakeFd),
        "timeout" => one(Outcome::Timeout),
        "late" => {
            one(Outcome::Timeout);
            assert_eq!(stats.device.late_completions, 1, "{context}: it comes, and hits nothing");
        }
        // Under polling the completion is in the ring, and is found there when another one's interrupt comes.
        // A blocking caller that looks before it sleeps needs no wake.
        "drop_wake" if matches!(place.way, Way::Poll | Way::Block) && felt.is_empty() => {}
        "drop_wake" => one(Outcome::Timeout),
        "reset" => some(Outcome::Reset),
        "dead" => some(Outcome::DeviceDead),
        other => panic!("{other} has no row here"),
    }
    assert_eq!(stats.timeouts, felt.iter().filter(|outcome| **outcome == Outcome::Timeout).count() as u64);
}

impl std::fmt::Display for Cell {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} points", self.points)?;
        self.outcomes.iter().try_for_each(|(outcome, count)| write!(f, "\n{count} {outcome:?}"))
    }
}
