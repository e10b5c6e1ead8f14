//! The initialisation vector of GCM, and what it may still be used for.
//!
//! ```text
//!   None ── set, fix, made up ──► Set ── the message begins ──► Used ── it ends, or fails ──► Spent
//!                                  ▲                                                            │
//!                                  └──────────────── another IV is set ◄────────────────────────┘
//! ```
//!
//! A TLS record counts the last eight bytes up by itself, and begins its message with the count before that.

use crate::error::{Failure, Reason};
use crate::random;

/// The longest IV, in bytes: as the default provider.
pub(super) const MOST: usize = 128;
/// TLS 1.2: the part of an IV that a connection keeps, and the part that each record carries.
const FIXED: usize = 4;
pub(super) const EXPLICIT: usize = 8;
/// The shortest IV that may be made of random bytes (SP 800-38D, 8.2.2).
const LEAST_RANDOM: usize = 12;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    None,
    Set,
    Used,
    Spent,
}

#[derive(Clone, Debug)]
pub(super) struct Iv {
    bytes: [u8; MOST],
    len: usize,
    state: State,
    /// Whether a fixed part was set, so that records may count.
    counts: bool,
    /// Whether the provider has made it up.
    made_up: bool,
}

impl Iv {
    pub(super) const fn new() -> Self {
        Self { bytes: [0; MOST], len: FIXED + EXPLICIT, state: State::None, counts: false, made_up: false }
    }

    pub(super) const fn len(&self) -> usize {
        self.len
    }

    pub(super) const fn is_made_up(&self) -> bool {
        self.made_up
    }

    /// What is shown to the application. An encryption without an IV makes one up to show it, as OpenSSL 4.0
    /// does.
    pub(super) fn shown(&mut self, encrypts: bool) -> Result<&[u8], Failure> {
        if self.state == State::None {
            self.make_up(encrypts)?;
        }
        Ok(self.bytes())
    }

    fn bytes(&self) -> &[u8] {
        &self.bytes[..self.len]
    }

    /// What begins the next message.
    pub(super) fn set(&mut self, iv: &[u8]) -> Result<(), Failure> {
        check(iv.len())?;
        self.len = iv.len();
        self.replace(iv);
        Ok(())
    }

    /// Another length makes an IV that was set useless.
    pub(super) fn set_len(&mut self, len: usize) -> Result<(), Failure> {
        check(len)?;
        if len != self.len {
            self.len = len;
            if self.state != State::None {
                self.state = State::Spent;
            }
        }
        Ok(())
    }

    /// The part that a TLS connection keeps. The encrypting side makes up the rest.
    pub(super) fn fix(&mut self, fixed: &[u8], encrypts: bool) -> Result<(), Failure> {
        if fixed.len() < FIXED || fixed.len().saturating_add(EXPLICIT) > self.len {
            return Err(Failure::new(Reason::IvLength, format!("{} bytes are fixed", fixed.len())));
        }
        self.bytes[..fixed.len()].copy_from_slice(fixed);
        if encrypts {
            random::fill(&mut self.bytes[fixed.len()..self.len])?;
            self.made_up = true;
        }
        (self.state, self.counts) = (State::Set, true);
        Ok(())
    }

    /// A whole IV that records count on from; as many bytes as [`len`](Self::len).
    pub(super) fn restore(&mut self, iv: &[u8]) {
        self.replace(iv);
        self.counts = true;
    }

    fn replace(&mut self, iv: &[u8]) {
        self.bytes[..iv.len()].copy_from_slice(iv);
        self.state = State::Set;
    }

    /// The IV with which a message begins, if one begins here. An encryption without an IV makes one up.
    pub(super) fn begin(&mut self, encrypts: bool) -> Result<Option<Vec<u8>>, Failure> {
        match self.state {
            State::Spent => Err(Failure::new(Reason::NotNow, "this iv was used for a message")),
            State::Used => Ok(None),
            State::Set => Ok(Some(self.begun())),
            State::None => {
                self.make_up(encrypts)?;
                Ok(Some(self.begun()))
            }
        }
    }

    fn make_up(&mut self, encrypts: bool) -> Result<(), Failure> {
        if !encrypts || self.len < LEAST_RANDOM {
            return Err(Failure::new(Reason::NotNow, "no iv set"));
        }
        random::fill(&mut self.bytes[..self.len])?;
        (self.state, self.made_up) = (State::Set, true);
        Ok(())
    }

    fn begun(&mut self) -> Vec<u8> {
        self.state = State::Used;
        self.bytes().to_vec()
    }

    /// A message begins with the IV as it is, which is then counted up. The IV has to be counting.
    pub(super) fn count(&mut self) -> Result<Vec<u8>, Failure> {
        self.check_counts()?;
        let nonce = self.begun();
        for byte in self.bytes[self.len - EXPLICIT..self.len].iter_mut().rev() {
            *byte = byte.wrapping_add(1);
            if *byte != 0 {
                break;
            }
        }
        Ok(nonce)
    }

    /// A message begins with these last bytes of the IV, which came with it.
    pub(super) fn set_invocation(&mut self, last: &[u8]) -> Result<Vec<u8>, Failure> {
        self.check_counts()?;
        let before = self.len.checked_sub(last.len()).ok_or(Reason::IvLength)?;
        self.bytes[before..self.len].copy_from_slice(last);
        Ok(self.begun())
    }

    fn check_counts(&self) -> Result<(), Failure> {
        if self.counts && self.len >= EXPLICIT {
            return Ok(());
        }
        Err(Failure::new(Reason::NotNow, "no part of the iv is fixed"))
    }

    /// The message has ended: no other one uses this IV.
    pub(super) fn spend(&mut self) {
        self.state = State::Spent;
    }

    /// A message that has begun begins anew, with another key.
    pub(super) fn again(&mut self) {
        if self.state == State::Used {
            self.state = State::Set;
        }
    }
}

fn check(len: usize) -> Result<(), Failure> {
    if (1..=MOST).contains(&len) {
        return Ok(());
    }
    Err(Failure::new(Reason::IvLength, format!("{len} bytes, allowed are 1 to {MOST}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counting() -> Iv {
        let mut iv = Iv::new();
        iv.restore(&[1, 2, 3, 4, 0, 0, 0, 0, 0, 0, 0xff, 0xff]);
        iv
    }

    #[test]
    fn a_record_begins_with_the_count_before_its_own() {
        let mut iv = counting();
        assert_eq!(iv.count().unwrap()[8..], [0, 0, 0xff, 0xff]);
        assert_eq!(iv.count().unwrap()[8..], [0, 1, 0, 0]);
        assert_eq!(iv.shown(true).unwrap()[..4], [1, 2, 3, 4]);
    }

    #[test]
    fn the_count_wraps_within_its_eight_bytes() {
        let mut iv = Iv::new();
        iv.restore(&[9, 9, 9, 9, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff]);
        iv.count().unwrap();
        assert_eq!(iv.shown(true).unwrap(), [9, 9, 9, 9, 0, 0, 0, 0, 0, 0, 0, 0]);
    }

    #[test]
    fn a_fixed_part_leaves_room_for_the_count() {
        let mut iv = Iv::new();
        for len in [0, 3, 5, 12, 13, 200] {
            assert!(iv.fix(&vec![0; len], true).is_err(), "{len}");
        }
        assert!(iv.count().is_err());
        iv.fix(&[7; 4], true).unwrap();
        assert_eq!(iv.count().unwrap()[..4], [7; 4]);
    }

    #[test]
    fn a_spent_iv_begins_nothing() {
        let mut iv = Iv::new();
        assert!(iv.begin(false).is_err());
        iv.set(&[5; 12]).unwrap();
        assert_eq!(iv.begin(false).unwrap().unwrap(), [5; 12]);
        assert_eq!(iv.begin(false).unwrap(), None);
        iv.spend();
        assert!(iv.begin(true).is_err());
        iv.set_len(16).unwrap();
        assert!(iv.begin(true).is_err());
    }

    #[test]
    fn what_is_made_up_differs() {
        let made = || {
            let mut iv = Iv::new();
            iv.begin(true).unwrap().unwrap()
        };
        assert_ne!(made(), made());
        let mut shown = Iv::new();
        assert!(shown.shown(false).is_err());
        let iv = shown.shown(true).unwrap().to_vec();
        assert_eq!(shown.begin(true).unwrap().unwrap(), iv);
        let mut short = Iv::new();
        short.set_len(11).unwrap();
        assert!(short.begin(true).is_err());
    }
}
