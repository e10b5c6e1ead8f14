//! Inputs of requests that are computed in place and not yet due: a reset may still fail these, and their
//! submitters get the inputs back.
//!
//! ```text
//!   before the work    latest ◄── a small input
//!   overdue already    latest is wiped
//!   not yet due        latest ──► the place of its cell ──► wiped when it completes
//!                                                      └──► restored when it is failed
//! ```
//!
//! Small inputs only: the copy of a cache line costs little. What is longer and must not be lost is computed
//! out of place. An input whose request was revoked is wiped when the request would have been due, when the
//! due queue is swept, or with the next input in its cell.

use std::mem;

use zeroize::Zeroize;

use crate::config::RESTORABLE;
use crate::message::request::Request;
use crate::queue::cell::Ticket;

/// Bytes of the longest input that is kept.
const MOST: usize = RESTORABLE;

/// The inputs of one device.
#[derive(Debug, Default)]
pub(crate) struct Inputs {
    latest: Input,
    /// By port and cell.
    places: Vec<Vec<Place>>,
}

#[derive(Debug)]
struct Input {
    bytes: [u8; MOST],
    /// `None`: there is no input here.
    len: Option<u8>,
}

/// The input of the request that was postponed last in a cell.
#[derive(Debug, Default)]
struct Place {
    input: Input,
    /// Of that request: one that was revoked is due all the same, when another may have its cell.
    generation: u64,
}

impl Default for Input {
    fn default() -> Self {
        Self { bytes: [0; MOST], len: None }
    }
}

impl Input {
    #[inline]
    fn wipe(&mut self) {
        if self.len.take().is_some() {
            self.bytes.as_mut_slice().zeroize();
        }
    }

    fn restore(&mut self, request: &mut Request) {
        if let Some(len) = self.len {
            request.buffer.zeroize();
            request.buffer.extend_from_slice(&self.bytes[..usize::from(len)]);
            self.wipe();
        }
    }
}

impl Inputs {
    pub(crate) fn new(ports: usize) -> Self {
        Self { latest: Input::default(), places: (0..ports).map(|_| Vec::new()).collect() }
    }

    /// Keeps the input of a request that is about to be computed, if that changes it and it is small.
    #[inline]
    pub(crate) fn keep(&mut self, request: &Request) {
        let changes_input = request.operation.output().has_text() && request.destination.is_none();
        let Some(bytes) = self.latest.bytes.get_mut(..request.buffer.len()).filter(|_| changes_input) else {
            return;
        };
        bytes.copy_from_slice(&request.buffer);
        self.latest.len = u8::try_from(request.buffer.len()).ok();
    }

    /// Gives the request that was kept last its input, beside an incomplete result.
    #[cold]
    pub(crate) fn add_latest(&self, request: &mut Request) {
        if let Some(len) = self.latest.len {
            request.give_back_input(self.latest.bytes[..usize::from(len)].to_vec());
        }
    }

    /// The request that was kept last has completed.
    #[inline]
    pub(crate) fn forget_latest(&mut self) {
        self.latest.wipe();
    }

    /// The request that was kept last waits in its cell.
    #[inline]
    pub(crate) fn store(&mut self, port: usize, ticket: Ticket) {
        let (places, cell) = (&mut self.places[port], ticket.index() as usize);
        if cell >= places.len() {
            grow(places, cell);
        }
        let Place { input: Input { bytes, len }, generation } = &mut places[cell];
        (*bytes, *len, *generation) = (self.latest.bytes, self.latest.len, ticket.generation());
        self.latest.wipe();
    }

    /// The request has completed, or is gone.
    #[inline]
    pub(crate) fn forget(&mut self, port: usize, ticket: Ticket) {
        if let Some(input) = self.of(port, ticket) {
            input.wipe();
        }
    }

    /// The request has failed: it gets its input back.
    #[cold]
    pub(crate) fn restore(&mut self, port: usize, ticket: Ticket, request: &mut Request) {
        if let Some(input) = self.of(port, ticket) {
            input.restore(request);
        }
    }

    /// `None`: the place has the input of another request, or there is none yet.
    #[inline]
    fn of(&mut self, port: usize, ticket: Ticket) -> Option<&mut Input> {
        let place = self.places[port].get_mut(ticket.index() as usize)?;
        (place.generation == ticket.generation()).then_some(&mut place.input)
    }

    /// How many there are.
    #[cfg(all(test, not(loom)))]
    pub(crate) fn count(&self) -> usize {
        let inputs = self.places.iter().flatten().map(|place| &place.input);
        inputs.chain([&self.latest]).filter(|input| input.len.is_some()).count()
    }

    /// The request that was kept last has failed, in the middle of the work.
    #[cold]
    pub(crate) fn restore_latest(&mut self, request: &mut Request) {
        self.latest.restore(request);
    }
}

/// Leaves no input in the memory that it gives back.
#[cold]
fn grow(places: &mut Vec<Place>, cell: usize) {
    let mut grown: Vec<Place> = (0..(cell + 1).next_power_of_two()).map(|_| Place::default()).collect();
    places.iter_mut().zip(&mut grown).for_each(|(old, new)| mem::swap(old, new));
    *places = grown;
}

impl Drop for Inputs {
    fn drop(&mut self) {
        self.latest.wipe();
        self.places.iter_mut().flatten().for_each(|place| place.input.wipe());
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use crate::message::operation::Operation;
    use crate::message::session_id::SessionId;
    use crate::queue::cell::Slab;

    fn ticket(cell: u32, generation: u64) -> Ticket {
        Slab::new(1).0.ticket(cell, generation)
    }

    fn request(input: &[u8]) -> Request {
        Request::new(SessionId::NONE, Operation::Encrypt, input.to_vec())
    }

    #[test]
    fn an_input_of_any_length_comes_back_until_it_is_wiped() {
        let mut inputs = Inputs::new(2);
        for len in 0..=MOST {
            let input: Vec<u8> = (1..=len).map(|at| u8::try_from(at).unwrap()).collect();
            inputs.keep(&request(&input));
            inputs.store(1, ticket(70, 5));
            let mut computed = request(&[0xee; 80]);
            for (port, other) in [(0, ticket(70, 5)), (1, ticket(71, 5)), (1, ticket(70, 4))] {
                inputs.forget(port, other);
                inputs.restore(port, other, &mut computed);
            }
            assert_eq!(computed.buffer, [0xee; 80], "another cell, or another request");
            inputs.restore(1, ticket(70, 5), &mut computed);
            assert_eq!(computed.buffer, input);
            let Input { bytes, len } = &inputs.places[1][70].input;
            assert!(len.is_none() && *bytes == [0; MOST]);
        }
    }

    #[test]
    fn places_that_are_added_leave_the_others_their_inputs() {
        let mut inputs = Inputs::new(1);
        for cell in 0..100 {
            inputs.keep(&request(&[u8::try_from(cell).unwrap(); 5]));
            inputs.store(0, ticket(cell, 1));
        }
        for cell in 0..100 {
            let mut computed = request(&[0xee; 5]);
            inputs.restore(0, ticket(cell, 1), &mut computed);
            assert_eq!(computed.buffer, [u8::try_from(cell).unwrap(); 5]);
        }
    }

    #[test]
    fn what_is_long_or_apart_is_not_kept() {
        let mut inputs = Inputs::new(1);
        inputs.keep(&request(&[1; MOST + 1]));
        let mut apart = request(&[1]);
        apart.destination = Some(Vec::new());
        inputs.keep(&apart);
        inputs.keep(&Request::new(SessionId::NONE, Operation::Digest, vec![1]));
        assert!(inputs.latest.len.is_none());
        inputs.keep(&request(&[1; MOST]));
        inputs.forget_latest();
        assert!(inputs.latest.len.is_none() && inputs.latest.bytes == [0; MOST]);
    }
}
