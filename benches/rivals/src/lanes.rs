//! The operations' data: as many buffers as operations in flight, each with its own IV.
//!
//! ```text
//!   buffers:  [ text | unused ] [ text | unused ] ...     a worker's processor reads and writes texts
//!   work:     [ slot, IV, where the buffer is ] ...       the calling thread's writes this
//! ```
//!
//! Work and expected result share no cache line, and neither do two lanes (except the first text, with what
//! the allocator has put before it). A shared line would travel between processors with every operation, on
//! the side where it happens to lie.
//!
//! Before and after the rounds of a contest, every lane goes through its side once and is compared with the
//! kernel's result. Where a second encryption with the same IV undoes the first, as in CTR, the lanes after
//! the rounds are checked too.

use crate::harness::Outcome;
use crate::kernels::Kernel;

/// One operation's input, and later its output. Boxed, so that handing it on moves one pointer.
#[derive(Clone, Debug)]
#[repr(align(64))]
pub(crate) struct Work {
    pub(crate) slot: usize,
    pub(crate) iv: [u8; 16],
    pub(crate) buffer: Vec<u8>,
}

/// Lanes whose work is here or in flight.
#[derive(Debug)]
pub(crate) struct Lanes {
    work: Vec<Option<Box<Work>>>,
    size: usize,
    expected: Vec<Vec<u8>>,
    /// Whether a second encryption restores the plain text.
    toggles: bool,
}

impl Lanes {
    /// This many lanes of `size` bytes each; `kernel` computes the expected results.
    pub(crate) fn new(count: usize, size: usize, kernel: &impl Kernel) -> Self {
        // All of them first, so that they are adjacent.
        let buffers: Vec<_> = (0..count).map(|slot| plain(slot, size)).collect();
        let work: Vec<_> = buffers
            .into_iter()
            .enumerate()
            .map(|(slot, buffer)| {
                let iv = std::array::from_fn(|at| (7 * slot + 13 * at) as u8);
                Some(Box::new(Work { slot, iv, buffer }))
            })
            .collect();
        let encrypted = |work: &Work| {
            let mut text = work.buffer.clone();
            kernel.encrypt(&work.iv, &mut text);
            text
        };
        let expected: Vec<_> = work.iter().flatten().map(|work| encrypted(work)).collect();
        let toggles = work.iter().flatten().zip(&expected).all(|(work, expected)| {
            let mut text = expected.clone();
            kernel.encrypt(&work.iv, &mut text);
            text == work.buffer
        });
        Self { work, size, expected, toggles }
    }

    pub(crate) fn len(&self) -> usize {
        self.work.len()
    }

    /// The work of a lane that is not in flight.
    pub(crate) fn at(&mut self, slot: usize) -> &mut Work {
        self.work[slot].as_mut().expect("it is not taken yet")
    }

    pub(crate) fn take(&mut self, slot: usize) -> Box<Work> {
        self.work[slot].take().expect("a lane has one operation at a time")
    }

    pub(crate) fn put(&mut self, work: Box<Work>) {
        let slot = work.slot;
        self.work[slot] = Some(work);
    }

    /// Restores the plain text.
    pub(crate) fn reset(&mut self) {
        for work in self.work.iter_mut().flatten() {
            fill(&mut work.buffer, work.slot, self.size);
        }
    }

    /// Checks that every lane holds a possible result of any number of encryptions.
    pub(crate) fn check_what_is_left(&self) -> Outcome<()> {
        for (slot, (work, expected)) in self.work.iter().zip(&self.expected).enumerate() {
            let Some(work) = work else { return Err(format!("lane {slot} has not come home").into()) };
            if self.toggles && work.buffer != *expected && work.buffer != plain(slot, self.size) {
                return Err(format!("lane {slot} holds what no encryption leaves").into());
            }
        }
        Ok(())
    }

    /// Checks that every lane holds its plain text, encrypted once.
    pub(crate) fn check(&self) -> Outcome<()> {
        for (slot, (work, expected)) in self.work.iter().zip(&self.expected).enumerate() {
            if work.as_ref().map(|work| &work.buffer) != Some(expected) {
                return Err(format!("lane {slot} holds another result than the kernel's").into());
            }
        }
        Ok(())
    }
}

/// Unused bytes after a text, more than the padding of CBC needs: no buffer is ever moved, and none is small
/// enough to be placed between other data.
const UNUSED: usize = 192;

fn plain(slot: usize, size: usize) -> Vec<u8> {
    let mut text = Vec::with_capacity(size + UNUSED);
    fill(&mut text, slot, size);
    text
}

fn fill(text: &mut Vec<u8>, slot: usize, size: usize) {
    text.clear();
    text.extend((0..size).map(|at| (31 * slot + at) as u8));
}

/// A side that drives lanes, with checked results.
pub(crate) trait Drive {
    /// Does `ops` operations, the first ones on lanes 0, 1, 2 and so on, with every lane in flight as long as
    /// there are enough; returns nanoseconds for each.
    fn drive(&mut self, lanes: &mut Lanes, ops: u64) -> Outcome<f64>;
}

/// A driver with its lanes.
#[derive(Debug)]
pub(crate) struct Driven<D> {
    pub(crate) driver: D,
    lanes: Lanes,
}

impl<D: Drive> Driven<D> {
    pub(crate) fn new(driver: D, lanes: Lanes) -> Self {
        Self { driver, lanes }
    }
}

impl<D: Drive> crate::harness::Side for Driven<D> {
    fn run(&mut self, ops: u64) -> Outcome<f64> {
        self.driver.drive(&mut self.lanes, ops)
    }

    fn check(&mut self) -> Outcome<()> {
        self.lanes.check_what_is_left()?;
        self.lanes.reset();
        self.run(self.lanes.len() as u64)?;
        self.lanes.check()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernels::{Cbc, Ctr};

    #[test]
    fn a_lane_that_was_spoiled_is_noticed() {
        let kernel = Ctr::new();
        let mut lanes = Lanes::new(3, 64, &kernel);
        for _ in 0..3 {
            lanes.check_what_is_left().unwrap();
            let work = lanes.at(1);
            kernel.encrypt(&work.iv, &mut work.buffer);
        }
        assert!(lanes.check().is_err(), "the others are still plain");
        lanes.at(2).buffer[40] ^= 1;
        assert!(lanes.check_what_is_left().is_err());
        lanes.reset();
        lanes.check_what_is_left().unwrap();
        let _away = lanes.take(0);
        assert!(lanes.check_what_is_left().is_err());
    }

    #[test]
    fn what_is_left_says_something_only_of_kernels_that_toggle() {
        assert!(Lanes::new(2, 64, &Ctr::new()).toggles);
        assert!(!Lanes::new(2, 64, &Cbc::new()).toggles);
    }
}
