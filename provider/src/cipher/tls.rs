//! Records of TLS up to 1.2 and of DTLS in CBC: each update is one, with its padding, and is in place.
//!
//! ```text
//!   explicit iv (16; TLS 1.1 and later) ‖ text ‖ MAC (MAC-then-encrypt alone) ‖ padding ‖ length of the padding
//!
//!   seal  adds the padding             one request
//!   open  one request, takes the padding off, and cuts the MAC out ──► tls-mac
//! ```
//!
//! Where a MAC is inside, what is wrong with the padding must not be learnt, from an error or from the time
//! that it takes (RFC 5246, 6.2.3.2; "Lucky Thirteen", 2013): the MAC is then random bytes, so that the
//! application's own comparison fails. Which bytes are looked at depends on the length of the record alone,
//! and what is done with them on no secret. With encrypt-then-mac the record was authenticated before, and a
//! wrong padding is an error.

use std::hint::black_box;

use super::blocks;
use super::spec::BLOCK;
use super::state::State;
use crate::accelerator::{Buffer, Room, Text};
use crate::error::{Failure, Reason};
use crate::ossl::object::Object;
use crate::random;

/// The longest MAC, in bytes.
const MOST_MAC: usize = 64;
/// The longest padding, in bytes, with the byte that has its length.
const MOST_PADDING: usize = 256;

const SSL_3: u32 = 0x0300;
const TLS_1: u32 = 0x0301;
const TLS_1_1: u32 = 0x0302;
const TLS_1_2: u32 = 0x0303;
const DTLS_1: u32 = 0xfeff;
const DTLS_1_2: u32 = 0xfefd;
/// DTLS 1 as OpenSSL 0.9.8 and Cisco's client had it.
const DTLS_1_OLD: u32 = 0x0100;

/// One record; returns the bytes of output: of the whole record, or of what is left without explicit
/// initialisation vector, MAC and padding.
pub(super) fn update(
    object: Object<State>,
    input: Text,
    room: Room,
    in_place: bool,
) -> Result<usize, Failure> {
    let (encrypts, pads, version) = object.with(|state| (state.encrypts, state.pads, state.tls_version));
    if !in_place || !pads {
        return Err(Failure::new(Reason::NotNow, "a record is processed in place, and padded"));
    }
    let mut text = Buffer::with_room(input.len().saturating_add(BLOCK))?;
    input.append_to(&mut text);
    if encrypts {
        add_padding(&mut text, version);
    }
    if let Err(failure) = check(&text, room) {
        Buffer::recycle(text);
        return Err(failure);
    }
    let output = blocks::output(object, text)?;
    let len = if encrypts { Ok(output.len()) } else { object.with(|state| state.open_record(&output)) };
    let put = len.and_then(|len| room.put(&output).map(|()| len));
    Buffer::recycle(output);
    put
}

fn check(text: &[u8], room: Room) -> Result<(), Failure> {
    if text.is_empty() || !text.len().is_multiple_of(BLOCK) {
        return Err(Failure::new(Reason::FinalBlockLength, format!("a record of {} bytes", text.len())));
    }
    room.check(text.len())
}

/// Bytes of the padding's length but one, the last of which is that length. SSL 3 leaves the others open.
fn add_padding(text: &mut Vec<u8>, version: u32) {
    let len = BLOCK - text.len() % BLOCK;
    let last = u8::try_from(len - 1).unwrap_or_default();
    let others = if version == SSL_3 { 0 } else { last };
    text.resize(text.len() + len - 1, others);
    text.push(last);
}

impl State {
    /// Finds where the text of a deciphered record ends, and keeps its MAC.
    fn open_record(&mut self, record: &[u8]) -> Result<usize, Failure> {
        let (explicit_iv, is_ssl_3) = match self.tls_version {
            SSL_3 => (0, true),
            TLS_1 => (0, false),
            TLS_1_1 | TLS_1_2 | DTLS_1 | DTLS_1_2 | DTLS_1_OLD => (BLOCK, false),
            other => return Err(Failure::new(Reason::NotNow, format!("no records of version {other:#x}"))),
        };
        let mac_size = self.tls_mac_size;
        let record = record.get(explicit_iv..).unwrap_or_default();
        if mac_size > MOST_MAC || record.len() < mac_size + 1 {
            return Err(Failure::new(Reason::FinalBlockLength, format!("{} bytes with a MAC", record.len())));
        }
        let (good, len) = without_padding(record, mac_size, is_ssl_3);
        if mac_size == 0 {
            return if good.is_set() { Ok(len) } else { Err(Reason::BadDecrypt.into()) };
        }
        let mut mac = vec![0; mac_size];
        random::fill(&mut mac)?;
        cut_mac(record, len, good, &mut mac);
        self.tls_mac = mac;
        Ok(len - mac_size)
    }
}

/// All bits, or none: a condition that is computed with, and never jumped on.
#[derive(Clone, Copy)]
struct Mask(usize);

impl Mask {
    /// Of a bit.
    fn of(bit: usize) -> Self {
        Self(black_box(bit & 1).wrapping_neg())
    }

    /// Whether `left < right`; both are far from the largest number.
    fn less(left: usize, right: usize) -> Self {
        Self::of(left.wrapping_sub(right) >> (usize::BITS - 1))
    }

    fn equal(left: usize, right: usize) -> Self {
        let difference = left ^ right;
        Self::of(!(difference | difference.wrapping_neg()) >> (usize::BITS - 1))
    }

    fn not(self) -> Self {
        Self(!self.0)
    }

    fn and(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    fn or(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    fn number(self, number: usize) -> usize {
        self.0 & number
    }

    fn byte(self, byte: u8) -> u8 {
        self.0.to_le_bytes()[0] & byte
    }

    /// Whether it is set, as a condition to jump on: for what is no secret.
    fn is_set(self) -> bool {
        self.0 != 0
    }
}

/// Whether the padding is right, and the length without it; the whole length, if it is not.
fn without_padding(record: &[u8], mac_size: usize, is_ssl_3: bool) -> (Mask, usize) {
    let len = record.len();
    let padding = usize::from(record.last().copied().unwrap_or_default());
    let mut good = Mask::less(len, padding + 1 + mac_size).not();
    if is_ssl_3 {
        good = good.and(Mask::less(padding, BLOCK));
    } else {
        // As many bytes as a padding may have: fewer would tell how many there are.
        let ends = record.iter().rev().take(MOST_PADDING).enumerate();
        for (index, &byte) in ends {
            let is_outside = Mask::less(padding, index);
            good = good.and(is_outside.or(Mask::equal(padding, byte.into())));
        }
    }
    (good, len - good.number(padding + 1))
}

/// Copies the MAC that ends at `mac_end` into `mac`, unless the padding was wrong.
///
/// The MAC is read as a ring: byte `n` of what may be part of it goes to place `n mod size`. The ring is then
/// turned by every number, of which one counts.
fn cut_mac(record: &[u8], mac_end: usize, good: Mask, mac: &mut [u8]) {
    let size = mac.len();
    let mac_start = mac_end - size;
    // Where it may begin depends on the padding by less than this.
    let first = record.len().saturating_sub(size + MOST_PADDING);
    let (mut ring, mut turn, mut place) = ([0; MOST_MAC], 0, 0);
    for (index, &byte) in record.iter().enumerate().skip(first) {
        let starts = Mask::equal(index, mac_start);
        let is_inside = Mask::less(index, mac_start).not().and(Mask::less(index, mac_end));
        turn |= starts.number(place);
        ring[place] |= is_inside.byte(byte);
        place = if place + 1 == size { 0 } else { place + 1 };
    }
    for (to, byte) in mac.iter_mut().enumerate() {
        let mut cut = 0;
        for (from, &ringed) in ring[..size].iter().enumerate() {
            // `to + turn`, within the ring.
            let at = to + turn;
            let at = at - Mask::less(at, size).not().number(size);
            cut |= Mask::equal(from, at).byte(ringed);
        }
        *byte = good.byte(cut) | good.not().byte(*byte);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Text, MAC and padding, and what is left of them.
    fn opened(text: usize, mac_size: usize, padding: usize, spoil: Option<usize>) -> (bool, usize, Vec<u8>) {
        let mut record: Vec<u8> = (0..text + mac_size).map(|at| at.to_le_bytes()[0] ^ 0x5a).collect();
        let mac = record[text..].to_vec();
        record.resize(text + mac_size + padding + 1, u8::try_from(padding).unwrap());
        if let Some(from_end) = spoil {
            let at = record.len() - 1 - from_end;
            record[at] ^= 0x10;
        }
        let (good, len) = without_padding(&record, mac_size, false);
        let mut cut = vec![0xee; mac_size];
        if mac_size > 0 {
            cut_mac(&record, len, good, &mut cut);
        }
        assert!(!good.is_set() || mac_size == 0 || cut == mac);
        (good.is_set(), len, cut)
    }

    #[test]
    fn the_mac_is_cut_out_wherever_it_ends() {
        for mac_size in [0, 1, 20, 32, 48, 64] {
            for text in [0, 1, 15, 16, 300, 1000] {
                for padding in [0, 1, 15, 16, 100, 254, 255] {
                    let (good, len, _) = opened(text, mac_size, padding, None);
                    assert_eq!((good, len), (true, text + mac_size), "{mac_size} {text} {padding}");
                }
            }
        }
    }

    #[test]
    fn each_byte_of_the_padding_counts_and_none_before_it() {
        for padding in [1, 15, 255] {
            for spoilt in 1..=padding {
                let (good, len, mac) = opened(40, 20, padding, Some(spoilt));
                assert_eq!((good, len), (false, 60 + padding + 1), "{padding} {spoilt}");
                assert_eq!(mac, [0xee; 20], "the caller's random bytes stay");
            }
            let before = padding + 1 + 20;
            assert!(opened(40, 20, padding, Some(before)).0, "{padding}");
        }
    }

    #[test]
    fn a_padding_longer_than_the_record_is_wrong() {
        let (good, len) = without_padding(&[40; 40], 0, false);
        assert_eq!((good.is_set(), len), (false, 40));
        let (good, len) = without_padding(&[39; 40], 0, false);
        assert_eq!((good.is_set(), len), (true, 0));
        assert!(!without_padding(&[39; 40], 1, false).0.is_set());
    }

    #[test]
    fn ssl_3_looks_at_the_length_alone_and_takes_no_whole_block_more() {
        let mut record = [7; 64];
        record[63] = 15;
        assert!(without_padding(&record, 0, true).0.is_set());
        record[63] = 16;
        assert!(!without_padding(&record, 0, true).0.is_set());
    }

    #[test]
    fn masks() {
        for (left, right) in [(0, 0), (0, 1), (1, 0), (255, 256), (70_000, 69_999)] {
            assert_eq!(Mask::less(left, right).is_set(), left < right, "{left} {right}");
            assert_eq!(Mask::equal(left, right).is_set(), left == right, "{left} {right}");
        }
    }
}
