//! Draws configurations and arrivals.

use crate::bench::{Bench, DIGEST};
use crate::device_helpers::Dice;
use crate::event_simulator::service::Entry;
use crate::event_simulator::{Arrival, Limit, Service, Setup};

/// Draws a case: stages that are there with some probability, times that often coincide.
pub(crate) struct Author {
    dice: Dice,
    /// All times are multiples of it, so that much happens at the same time.
    grain: u64,
    /// Pauses go on to the end of the clock.
    extreme: bool,
}

const HOUR: u64 = 3_600_000_000_000;
/// In thousandths of 10^6 bytes a second.
const FASTEST: u64 = 1_000_000_000;

impl Author {
    pub(crate) fn new(case: u64) -> Self {
        let mut dice = Dice(case.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ 0x5eed);
        let grain = [1, 1, 10, 100][dice.roll(4)];
        Self { dice, grain, extreme: false }
    }

    fn below(&mut self, end: u64) -> u64 {
        self.dice.roll(usize::try_from(end).expect("small")) as u64
    }

    pub(crate) fn chance(&mut self, percent: u64) -> bool {
        self.below(100) < percent
    }

    fn pick<T: Clone>(&mut self, all: &[T]) -> T {
        all[self.dice.roll(all.len())].clone()
    }

    /// A time below this.
    fn time(&mut self, below: u64) -> u64 {
        self.below(below) / self.grain * self.grain
    }

    /// Thousandths of a megabyte a second: from slower than the rest to much quicker.
    fn rate(&mut self) -> u64 {
        match self.below(4) {
            0 => 1_000 * (1 + self.below(2_000)),
            1 => 1 + self.below(30_000),
            2 => self.pick(&[1_000_000, 500_000, 10_000, 1_500_000, 1_000_000_000]),
            _ => 1_000 + self.below(4_000_000),
        }
    }

    fn entry(&mut self) -> Entry {
        if self.chance(40) {
            let (nsec, rate) = (self.time(3_000), self.rate());
            return Entry::linear(nsec, rate);
        }
        let (count, mut bytes) = (self.pick(&[1, 2, 5]), 0);
        let point = |_| {
            bytes += 1 + self.below(500);
            (bytes, self.time(3_000))
        };
        Entry::points((0..count).map(point).collect())
    }

    pub(crate) fn setup(&mut self) -> Setup {
        let nsec = self.time(3_000);
        let rate = if self.chance(40) { self.rate() } else { 0 };
        let mut setup = Setup::plain(Service::linear(nsec, rate));
        if let Service::Computed(computed) = &mut setup.service {
            for what in ["encrypt", "digest"] {
                if self.chance(20) {
                    computed.entries.push((what, self.entry()));
                }
            }
            if self.chance(10) {
                computed.warm_up = (1 + self.below(60), self.pick(&[100, 133, 1_000]));
            }
        }
        setup.queue_pairs = self.pick(&[1, 2, 3, 5]);
        setup.units = self.pick(&[1, 1, 2, 3, 8]);
        setup.fifo = self.chance(25);
        if self.chance(40) {
            setup.firmware_nsec = self.time(1_500);
        }
        if self.chance(40) {
            setup.link.rate = self.rate();
        }
        if self.chance(40) {
            setup.link.nsec = self.time(2_000);
        }
        if self.chance(30) {
            setup.batch = self.pick(&[2, 3, 8]);
            setup.batch_nsec = self.grain + self.time(6_000);
        }
        if self.chance(40) {
            setup.weights = self.weights(setup.queue_pairs);
        }
        if self.chance(30) {
            self.limit(&mut setup);
        }
        setup
    }

    /// Puts numbers at the ends of their ranges.
    pub(crate) fn stretch(&mut self, setup: &mut Setup) {
        self.extreme = true;
        let (nsec, rate) = (self.pick(&[0, 1, HOUR]), self.pick(&[0, 1, FASTEST]));
        setup.service = Service::linear(nsec, rate);
        if let Service::Computed(computed) = &mut setup.service {
            computed.warm_up = self.pick(&[(0, 100), (3, 100_000), (1_000_000_000, 100_000)]);
        }
        setup.units = self.pick(&[1, 2, 1_024]);
        setup.firmware_nsec = self.pick(&[0, setup.firmware_nsec, HOUR]);
        setup.link.rate = self.pick(&[0, setup.link.rate, 1, FASTEST]);
        setup.link.nsec = self.pick(&[0, setup.link.nsec, HOUR]);
        if setup.batch > 1 {
            setup.batch = self.pick(&[2, 65_536]);
            setup.batch_nsec = self.pick(&[1, HOUR]);
        }
        if !setup.weights.is_empty() {
            setup.weights[0] = 1_000;
        }
        if setup.ops.0 > 0 {
            setup.ops = (self.pick(&[1, 1_000_000_000]), self.pick(&[1, 1_000_000]));
        }
        if setup.bytes.0 > 0 {
            setup.bytes = (self.pick(&[1, 1_000_000_000_000]), self.pick(&[1, 1_000_000_000_000]));
        }
    }

    fn weights(&mut self, pairs: usize) -> Vec<u64> {
        if self.chance(50) {
            return vec![1; pairs];
        }
        (0..pairs).map(|_| 1 + self.below(4)).collect()
    }

    fn limit(&mut self, setup: &mut Setup) {
        setup.limit = self.pick(&[Limit::Delay, Limit::Delay, Limit::Busy]);
        let which = self.below(3);
        if which != 0 {
            setup.ops =
                (self.pick(&[500_000, 1_000_000, 333_333, 7_777_777, 1_000]), self.pick(&[1, 1, 2, 10]));
        }
        if which != 1 {
            setup.bytes =
                (self.pick(&[50_000_000, 777_777_777, 12_345]), self.pick(&[1, 100, 2_048, 65_536]));
        }
    }

    /// Service times that are spread: the simulator gets them from a device that has one request at a time.
    pub(crate) fn drawn(&mut self, groups: &[Vec<Arrival>]) -> Service {
        let dist = self.pick(&["uniform", "exponential", "normal:20", "lognormal:80", "bimodal:900"]);
        let text =
            format!("completion_nsec={};latency_dist={dist};seed={}", 1 + self.below(3_000), self.below(100));
        let mut setup = Setup::plain(Service::Drawn { text, nsec: Vec::new() });
        let nsec = Bench::new(&setup).one_at_a_time(groups);
        if let Service::Drawn { nsec: drawn, .. } = &mut setup.service {
            *drawn = nsec;
        }
        setup.service
    }

    /// Groups of arrivals at the same time.
    pub(crate) fn arrivals(&mut self, setup: &Setup) -> Vec<Vec<Arrival>> {
        let sizes = self.pick(&[&[0_u64, 16, 64, 100][..], &[64], &[1, 2_048, 333], &[1_024, 2_048]]);
        let gap = self.pick(&[100, 500, 2_000, 8_000]);
        let digests = self.pick(&[0, 0, 50]);
        let heavy = self.pick(&[0, 0, 80]);
        let mut at = 0_u64;
        let mut group = |_| {
            // Bursts, and pauses in which all becomes idle.
            let pause = match self.below(10) {
                0..3 => 0,
                3..9 => self.time(gap),
                _ if self.extreme => self.pick(&[HOUR, 10 * HOUR, u64::MAX / 4]),
                _ => self.time(20 * gap),
            };
            at = at.saturating_add(pause);
            let count = if self.chance(80) { 1 } else { 1 + self.below(5) };
            let mut pairs: Vec<usize> = (0..count).map(|_| self.pair(setup.queue_pairs, heavy)).collect();
            // The order in which the device looks at them.
            pairs.sort_unstable();
            let arrival = |pair| {
                let input = self.pick(sizes);
                let output = if self.chance(digests) { DIGEST } else { input };
                Arrival { at, pair, input, output }
            };
            pairs.into_iter().map(arrival).collect()
        };
        (0..120).map(&mut group).collect()
    }

    /// One of these, the first with this probability in addition.
    fn pair(&mut self, count: usize, heavy: u64) -> usize {
        if self.chance(heavy) { 0 } else { self.dice.roll(count) }
    }
}
