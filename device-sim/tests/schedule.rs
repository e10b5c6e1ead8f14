//! The schedule of a device against an independent event simulator: random configurations and arrivals, and
//! every completion time compared, to the nanosecond.
//!
//! ```text
//!   seed ─► configuration, arrivals ─┬─► stepped device ──────► completion times ─┐
//!                                    └─► event_simulator/ ────► completion times ─┴─► equal
//! ```
//!
//! A case that differs prints its configuration, its arrivals up to the first difference, and the number with
//! which `SCHEDULE_CASE=NUMBER` runs it alone.
#![cfg(not(loom))]

mod device_helpers;
mod event_simulator;

#[path = "schedule/author.rs"]
mod author;
#[path = "schedule/bench.rs"]
mod bench;

use author::Author;
use bench::Bench;
use event_simulator::{Arrival, Simulator};

fn compare(case: u64) {
    let mut author = Author::new(case);
    let mut setup = author.setup();
    if author.chance(10) {
        author.stretch(&mut setup);
    }
    let groups = author.arrivals(&setup);
    if author.chance(30) {
        setup.service = author.drawn(&groups);
    }
    let expected = Simulator::run(&setup, &groups);
    let found = Bench::new(&setup).run(&groups);
    let arrivals = groups.concat();
    let Some(first) = (0..arrivals.len()).find(|&number| found[number] != expected[number]) else { return };
    let lines = (0..arrivals.len()).map(|number| {
        let Arrival { at, pair, input, output } = arrivals[number];
        let (expected, found) = (expected[number], found[number]);
        format!("  {number}: at {at}, pair {pair}, {input} -> {output} bytes: simulator {expected:?}, device {found:?}\n")
    });
    panic!("SCHEDULE_CASE={case}: request {first} differs\n{}\n{}", setup.text(), lines.collect::<String>());
}

const CASES: u64 = 400;

#[test]
fn every_completion_is_when_the_simulator_says() {
    match std::env::var("SCHEDULE_CASE") {
        Ok(case) => compare(case.parse().expect("SCHEDULE_CASE is a number")),
        Err(_) => (0..CASES).for_each(compare),
    }
}
