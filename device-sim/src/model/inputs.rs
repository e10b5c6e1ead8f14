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
//! out of place. An input whose request was revoked is wiped when the request would have been due, or with
//! the next request in its cell.

use zeroize::Zeroize;

use crate::config::RESTORABLE;
use crate::message::request::Request;

/// Bytes of the longest input that is kept.
const MOST: usize = RESTORABLE;

/// The inputs of one device.
#[derive(Debug, Default)]
pub(crate) struct Inputs {
    latest: Input,
    /// By port and cell.
    places: Vec<Vec<Input>>,
}

#[derive(Debug)]
struct Input {
    bytes: [u8; MOST],
    /// `None`: there is no input here.
    len: Option<u8>,
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

    /// The request that was kept last waits in this cell.
    #[inline]
    pub(crate) fn store(&mut self, port: usize, cell: u32) {
        let (places, cell) = (&mut self.places[port], cell as usize);
        if cell >= places.len() {
            grow(places, cell);
        }
        let Input { bytes, len } = &mut places[cell];
        (*bytes, *len) = (self.latest.bytes, self.latest.len);
        self.latest.wipe();
    }

    /// The request in this cell has completed, or is gone.
    #[inline]
    pub(crate) fn forget(&mut self, port: usize, cell: u32) {
        if let Some(input) = self.places[port].get_mut(cell as usize) {
            input.wipe();
        }
    }

    /// The request in this cell has failed: it gets its input back.
    #[cold]
    pub(crate) fn restore(&mut self, port: usize, cell: u32, request: &mut Request) {
        if let Some(input) = self.places[port].get_mut(cell as usize) {
            input.restore(request);
        }
    }

    /// The request that was kept last has failed, in the middle of the work.
    #[cold]
    pub(crate) fn restore_latest(&mut self, request: &mut Request) {
        self.latest.restore(request);
    }
}

#[cold]
fn grow(places: &mut Vec<Input>, cell: usize) {
    places.resize_with((cell + 1).next_power_of_two(), Input::default);
}

impl Drop for Inputs {
    fn drop(&mut self) {
        self.latest.wipe();
        self.places.iter_mut().flatten().for_each(Input::wipe);
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use crate::message::operation::Operation;
    use crate::message::session_id::SessionId;

    fn request(input: &[u8]) -> Request {
        Request::new(SessionId::NONE, Operation::Encrypt, input.to_vec())
    }

    #[test]
    fn an_input_of_any_length_comes_back_until_it_is_wiped() {
        let mut inputs = Inputs::new(2);
        for len in 0..=MOST {
            let input: Vec<u8> = (1..=len).map(|at| u8::try_from(at).unwrap()).collect();
            inputs.keep(&request(&input));
            inputs.store(1, 70);
            let mut computed = request(&[0xee; 80]);
            inputs.restore(0, 70, &mut computed);
            inputs.restore(1, 71, &mut computed);
            assert_eq!(computed.buffer, [0xee; 80], "another cell");
            inputs.restore(1, 70, &mut computed);
            assert_eq!(computed.buffer, input);
            assert!(inputs.places[1][70].len.is_none() && inputs.places[1][70].bytes == [0; MOST]);
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
