//! What is kept of a row while it runs: bounded, sampled, in nanoseconds since the trace began.

use std::time::{Duration, Instant};

use nix::sys::resource::{UsageWho, getrusage};
use simaccel::Engine;
use simaccel_device::Service;

use super::sampled::Sampled;
use crate::clock::Clock;

/// Statistics are looked at no more often than this.
const PERIOD: Duration = Duration::from_millis(1);

/// And take no more than this share of the time.
const SHARE: u32 = 50;

/// Services that the device keeps between two looks.
const SERVICES: usize = 1 << 16;

/// Tracks of slots and of units at most.
const TRACKS: usize = 64;

/// How many of what there is room for, in shares of the row's events.
pub(super) struct Room {
    pub(super) tracks: usize,
    operations: usize,
    sleeps: usize,
    services: usize,
    samples: usize,
    marks: usize,
}

/// The most events of an operation: itself, its two ends, both ends of the flow, two counters.
pub(super) const EVENTS_OF_OPERATION: usize = 7;

impl Room {
    const fn of(events: usize) -> Self {
        Self {
            tracks: if events / 16 < TRACKS { events / 16 } else { TRACKS },
            operations: events * 33 / 100 / EVENTS_OF_OPERATION,
            sleeps: events / 10,
            services: events / 5,
            samples: events / 10,
            marks: events / 20,
        }
    }
}

/// An operation that has ended.
#[derive(Clone, Copy, Debug)]
pub(super) struct Operation {
    pub(super) slot: usize,
    pub(super) sent: u64,
    /// When the call that started it returned; `None`: it has ended before.
    pub(super) submitted: Option<u64>,
    /// When the group of jobs that it was resumed with had its turn.
    pub(super) woken: u64,
    pub(super) ended: u64,
    /// In flight when it was sent, itself included, and when it has ended.
    pub(super) in_flight: [u64; 2],
}

/// An operation that runs.
#[derive(Clone, Copy, Debug, Default)]
struct Begun {
    sent: u64,
    submitted: Option<u64>,
    in_flight: u64,
}

/// A wait of the event loop.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Wait {
    begun: Instant,
    ended: Instant,
    /// Whether the thread gave up the processor.
    slept: bool,
}

/// A wait that has begun.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Waiting {
    begun: Instant,
    sleeps: i64,
}

impl Waiting {
    pub(crate) fn begin(clock: &Clock) -> Self {
        Self { begun: clock.now(), sleeps: sleeps() }
    }

    /// In virtual time, a wait that takes any is a sleep.
    pub(crate) fn end(self, clock: &Clock) -> Wait {
        let ended = clock.now();
        let slept = if clock.is_virtual() { ended > self.begun } else { sleeps() > self.sleeps };
        Wait { begun: self.begun, ended, slept }
    }
}

/// How often this thread has given up the processor of its own accord. A thread can always read it.
fn sleeps() -> i64 {
    getrusage(UsageWho::RUSAGE_THREAD).map_or(0, |usage| usage.voluntary_context_switches())
}

/// Something that happened at a moment.
#[derive(Clone, Debug)]
pub(super) struct Mark {
    pub(super) at: u64,
    pub(super) what: String,
    /// `None`: the device's.
    pub(super) slot: Option<usize>,
    pub(super) count: u64,
}

/// A look at the statistics.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sample {
    pub(super) at: u64,
    /// Requests in the rings: submitted, and neither finished nor revoked.
    pub(super) in_rings: u64,
}

/// A service of a unit, on the trace's clock.
#[derive(Clone, Copy, Debug)]
pub(super) struct Served {
    pub(super) unit: usize,
    pub(super) requests: u64,
    pub(super) started: u64,
    pub(super) ended: u64,
}

/// What is known of a row.
pub(crate) struct Recorder {
    epoch: Instant,
    clock: Clock,
    engine: Engine,
    /// Whether the mode has a device.
    pub(super) has_device: bool,
    pub(super) began: u64,
    pub(super) ended: u64,
    pub(super) room: Room,
    pub(super) operations: Sampled<Operation>,
    /// On slots without a track.
    pub(super) elsewhere: u64,
    pub(super) sleeps: Sampled<(u64, u64)>,
    pub(super) services: Sampled<Served>,
    /// The device had no room for them, or their units have no track.
    pub(super) services_elsewhere: u64,
    pub(super) samples: Sampled<Sample>,
    pub(super) faults: Sampled<Mark>,
    pub(super) errors: Sampled<Mark>,
    running: Vec<Begun>,
    /// When the last jobs were resumed.
    woken: u64,
    next_sample: Instant,
    faults_before: Vec<u64>,
    /// The trace's clock minus the device's, in nanoseconds.
    device_offset: i128,
}

impl Recorder {
    /// For a row that begins, with these slots and at most so many events on a trace that began at `epoch`.
    pub(crate) fn new(
        (epoch, events): (Instant, usize),
        clock: &Clock,
        engine: &Engine,
        has_device: bool,
        slots: usize,
    ) -> Self {
        let room = Room::of(events);
        let device = engine.device();
        let shown = slots.min(room.tracks);
        if has_device {
            device.log_services(SERVICES);
        }
        let now = clock.now();
        Self {
            epoch,
            clock: clock.clone(),
            has_device,
            began: nanoseconds(now.saturating_duration_since(epoch)),
            ended: 0,
            operations: Sampled::new(room.operations),
            elsewhere: 0,
            sleeps: Sampled::new(room.sleeps),
            services: Sampled::new(room.services),
            services_elsewhere: 0,
            samples: Sampled::new(room.samples),
            faults: Sampled::new(room.marks),
            errors: Sampled::new(room.marks),
            running: vec![Begun::default(); shown],
            woken: 0,
            next_sample: now,
            faults_before: engine.stats().faults().map(|(_, count)| count).collect(),
            device_offset: offset(epoch, clock, || device.now()),
            room,
            engine: engine.clone(),
        }
    }

    fn at(&self, now: Instant) -> u64 {
        nanoseconds(now.saturating_duration_since(self.epoch))
    }

    /// An operation was started on this slot; `is_paused`: it has not ended yet.
    pub(crate) fn started(&mut self, slot: usize, sent: Instant, in_flight: u64, is_paused: bool) {
        let sent = self.at(sent);
        let submitted = is_paused.then(|| self.at(self.clock.now()));
        if let Some(running) = self.running.get_mut(slot) {
            *running = Begun { sent, submitted, in_flight };
        }
        self.look_if_due(self.clock.now(), true);
    }

    /// The operation on this slot has ended; `in_flight`: of the others.
    pub(crate) fn finished(&mut self, slot: usize, now: Instant, in_flight: u64, error: Option<String>) {
        let ended = self.at(now);
        match self.running.get(slot) {
            Some(&Begun { sent, submitted, in_flight: before }) => {
                let woken = self.woken.max(submitted.unwrap_or(sent)).min(ended);
                let in_flight = [before, in_flight];
                self.operations.offer(Operation { slot, sent, submitted, woken, ended, in_flight });
            }
            None => self.elsewhere += 1,
        }
        if let Some(error) = error {
            self.errors.offer(Mark { at: ended, what: error, slot: Some(slot), count: 1 });
        }
        self.look_if_due(now, false);
    }

    /// Jobs are resumed from here on.
    pub(crate) fn resuming(&mut self, now: Instant) {
        self.woken = self.at(now);
    }

    /// The event loop has waited.
    pub(crate) fn waited(&mut self, wait: Option<Wait>) {
        let Some(Wait { begun, ended, slept }) = wait else { return };
        if slept {
            self.sleeps.offer((self.at(begun), self.at(ended)));
        }
    }

    /// Every other look is taken when an operation has been sent, the rest when one has ended: the rings are
    /// fuller than they are on average there, and emptier here.
    fn look_if_due(&mut self, now: Instant, has_sent: bool) {
        if now >= self.next_sample && has_sent == self.samples.counts().seen.is_multiple_of(2) {
            self.look(now);
        }
    }

    /// Looks at the statistics and takes the device's log.
    fn look(&mut self, now: Instant) {
        let (at, begun) = (self.at(now), Instant::now());
        if self.has_device {
            let stats = self.engine.stats();
            let in_rings = stats.device.queue_pairs.iter().map(|pair| pair.in_flight).sum();
            self.samples.offer(Sample { at, in_rings });
            for ((kind, count), before) in stats.faults().zip(&mut self.faults_before) {
                let more = count.saturating_sub(*before);
                *before = count;
                if more > 0 {
                    self.faults.offer(Mark { at, what: kind.to_owned(), slot: None, count: more });
                }
            }
            let (services, lost) = self.engine.device().take_services();
            self.services_elsewhere += lost;
            services.into_iter().for_each(|service| self.serve(service));
        }
        let took = if self.clock.is_virtual() { Duration::ZERO } else { begun.elapsed() };
        self.next_sample = now + took + PERIOD.max(took * SHARE);
    }

    fn serve(&mut self, Service { unit, requests, started, ended }: Service) {
        if unit >= self.room.tracks {
            self.services_elsewhere += 1;
            return;
        }
        let on_trace = |time: Duration| {
            let time = self.device_offset + i128::try_from(time.as_nanos()).unwrap_or(i128::MAX / 2);
            u64::try_from(time.max(0)).unwrap_or(u64::MAX)
        };
        let (started, ended) = (on_trace(started), on_trace(ended));
        self.services.offer(Served { unit, requests, started, ended });
    }

    /// The row is over, and its device idle.
    pub(crate) fn finish(&mut self) {
        self.look(self.clock.now());
        if self.has_device {
            self.engine.device().log_services(0);
        }
        self.ended = self.at(self.clock.now());
    }
}

/// The nanoseconds by which the trace's clock is ahead of the device's: the best of some readings of the one
/// between two of the other.
fn offset(epoch: Instant, clock: &Clock, device: impl Fn() -> Duration) -> i128 {
    let reading = |_| {
        let before = clock.now();
        let there = device();
        let took = clock.now().saturating_duration_since(before);
        let here = before.saturating_duration_since(epoch) + took / 2;
        let signed = |time: Duration| i128::try_from(time.as_nanos()).unwrap_or(0);
        (took, signed(here) - signed(there))
    };
    (0..16).map(reading).min().map_or(0, |(_, offset)| offset)
}

fn nanoseconds(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}
