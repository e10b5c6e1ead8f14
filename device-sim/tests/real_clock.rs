//! A device with the real clock against the event simulator: it serves every request when the model says,
//! counted from its submission, however late the worker looks at it.
//!
//! ```text
//!   submit ─► stamp ───────────────────┬─► event_simulator/ ─► served, by the model ─┐
//!             (read back at once)      └─► a worker, when it is scheduled ─► served ─┴─► equal
//! ```
//!
//! The host may be as slow as it likes: no test here measures how long anything takes.
#![cfg(not(loom))]

mod device_helpers;
mod event_simulator;

use device_helpers::{Dice, assert_balanced, config, ctr, finish, request, submit, until};
use event_simulator::{Arrival, Link, Outcome, Service, Setup, Simulator};
use simaccel_device::{Delivery, Device, QueuePair, SessionId, Status, Ticket, TicketState};

/// A device of its own thread, and what was submitted to it.
struct Bench {
    device: Device,
    pair: QueuePair,
    session: SessionId,
    arrivals: Vec<Arrival>,
    tickets: Vec<Ticket>,
}

impl Bench {
    fn new(setup: &Setup, workers: usize) -> Self {
        let text = format!("{};workers={workers};depth=256;timing=all;spin_nsec=0", setup.text());
        let device = Device::open(&config(&text)).expect("the device opens");
        let pair = device.take_queue_pairs().remove(0);
        let session = device.create_session(ctr());
        Self { device, pair, session, arrivals: Vec::new(), tickets: Vec::new() }
    }

    fn submit(&mut self, bytes: usize) {
        let ticket = submit(&mut self.pair, request(self.session, bytes, 1), Delivery::Silent);
        let at = self.pair.remote().submitted_at(ticket);
        let bytes = bytes as u64;
        self.arrivals.push(Arrival { at, pair: 0, input: bytes, output: bytes });
        self.tickets.push(ticket);
    }

    /// From the submission of each request until its service had ended, by the device.
    fn take_all(mut self) -> (Vec<Arrival>, Vec<u64>) {
        let mut before = self.sums();
        let mut served = Vec::new();
        for ticket in std::mem::take(&mut self.tickets) {
            assert_eq!(finish(&mut self.pair, ticket).1, Status::Ok);
            let after = self.sums();
            // The host took it after this long, and this much of that was after the service.
            served.push((after.0 - before.0) - (after.1 - before.1));
            before = after;
        }
        assert_balanced(&self.device);
        (self.arrivals, served)
    }

    /// Of all requests that were taken.
    fn sums(&self) -> (u64, u64) {
        let timings = self.device.stats().timings;
        (timings.total.sum(), timings.wake.sum())
    }
}

/// From the submission until the last station is left, by the model alone.
fn simulated(setup: &Setup, arrivals: &[Arrival]) -> Vec<u64> {
    let groups: Vec<Vec<Arrival>> = arrivals.iter().map(|arrival| vec![*arrival]).collect();
    let outcomes = Simulator::run(setup, &groups);
    let took = |(arrival, outcome): (&Arrival, Outcome)| match outcome {
        Outcome::Done(at) => at - arrival.at,
        Outcome::Busy => panic!("nothing is refused"),
    };
    arrivals.iter().zip(outcomes).map(took).collect()
}

#[track_caller]
fn assert_served_as_simulated(setup: &Setup, workers: usize) {
    let mut bench = Bench::new(setup, workers);
    let mut dice = Dice(5);
    for _ in 0..200 {
        bench.submit(16 * dice.roll(40));
        // Now a burst, now a device that has become idle.
        if dice.roll(10) == 0 {
            let (remote, last) = (bench.pair.remote().clone(), *bench.tickets.last().expect("submitted"));
            until("the last", || matches!(remote.state(last), TicketState::Done(_)));
        }
    }
    let (arrivals, served) = bench.take_all();
    assert_eq!(served, simulated(setup, &arrivals), "{}", setup.text());
}

#[test]
fn requests_are_served_when_the_simulator_says_for_their_stamps() {
    let one = Setup::plain(Service::linear(40_000, 0));
    let three = Setup { units: 3, ..Setup::plain(Service::linear(100_000, 2_500)) };
    let link = Link { rate: 0, nsec: 3_000 };
    let behind_a_front = Setup { firmware_nsec: 7_000, link, ops: (50_000, 3), ..three.clone() };
    for setup in [one, three, behind_a_front] {
        assert_served_as_simulated(&setup, 1);
        assert_served_as_simulated(&setup, 3);
    }
}

/// One large request in front of small ones: the worker is busy with its work, and the units, on which
/// nothing takes that long, serve the small ones in the meantime.
#[test]
fn work_that_takes_the_host_long_delays_no_service() {
    let setup = Setup { units: 2, ..Setup::plain(Service::linear(20_000, 0)) };
    for workers in [1, 3] {
        let mut bench = Bench::new(&setup, workers);
        bench.submit(8 << 20);
        (0..60).for_each(|_| bench.submit(64));
        let (arrivals, served) = bench.take_all();
        assert_eq!(served, simulated(&setup, &arrivals));
    }
}
