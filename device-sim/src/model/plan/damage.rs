//! What faults do to a result: bits are flipped, and the end is cut off.
//!
//! ```text
//!   text or tag   ▒▒▒▒▒▒▒▒x▒▒▒▒▒▒▒▒▒▒▒▒▒▒x▒▒▒   a bit is found in the whole result, wherever it is cut
//!                 ▒▒▒▒▒▒▒▒x▒▒▒▒▒|----|--------   every cut begins where the one before ends
//!                                 residue        the second bit is gone with the end: no effect
//! ```

use zeroize::Zeroize;

use super::Verdict;
use crate::message::request::Request;
use crate::model::fault::{self, Target};

/// What a rule does to a result.
#[derive(Clone, Copy, Debug)]
pub(super) enum Damage {
    /// A bit is wrong.
    Flip { target: Target, bit: Bit },
    /// This many bytes at the end are missing.
    Cut { bytes: u64 },
}

/// Which bit.
#[derive(Clone, Copy, Debug)]
pub(super) enum Bit {
    /// Modulo the length.
    Number(u64),
    /// Drawn before the length is known.
    Drawn(u64),
}

/// How much damage had an effect.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Spoilt {
    pub(crate) corrupted: u32,
    pub(crate) shortened: u32,
}

/// The result of a request, or its part that suffers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Side {
    Text,
    Tag,
}

/// A bit of a result: its byte, and its number in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Place {
    side: Side,
    byte: usize,
    bit: u32,
}

/// Changes the result of a request that was computed and succeeded, as was decided before.
pub(crate) fn carry_out(request: &mut Request, verdict: &Verdict) -> Spoilt {
    let damage = &verdict.damage[..];
    if damage.is_empty() {
        return Spoilt::default();
    }
    let cut = Side::of(request, Target::Any).map(|side| Cut::new(request, side, damage));
    let mut spoilt = Spoilt { corrupted: 0, shortened: cut.map_or(0, |cut| cut.rules) };
    for (number, harm) in damage.iter().enumerate() {
        let Some(place) = place(request, harm) else { continue };
        let is_cut_off = cut.is_some_and(|cut| cut.side == place.side && place.byte >= cut.left);
        let is_wrong = damage[..number].iter().any(|other| self::place(request, other) == Some(place));
        if !is_cut_off && !is_wrong {
            place.side.bytes_mut(request)[place.byte] ^= 1 << place.bit;
            spoilt.corrupted += 1;
        }
    }
    if let Some(cut) = cut {
        cut.carry_out(request);
    }
    spoilt
}

/// The bit that a flip changes, if the request has such a result.
fn place(request: &Request, harm: &Damage) -> Option<Place> {
    let Damage::Flip { target, bit } = *harm else { return None };
    let side = Side::of(request, target)?;
    let bits = 8 * side.bytes(request).len() as u64;
    let bit = match bit {
        Bit::Number(number) => number % bits,
        Bit::Drawn(word) => fault::share(word, bits),
    };
    Some(Place { side, byte: usize::try_from(bit / 8).ok()?, bit: (bit % 8) as u32 })
}

impl Side {
    /// The result that `target` means, if the request has it.
    fn of(request: &Request, target: Target) -> Option<Self> {
        let output = request.operation.output();
        let has = |side: Self| {
            let is_given = if side == Self::Text { output.has_text() } else { output.has_tag() };
            is_given && !side.bytes(request).is_empty()
        };
        match target {
            Target::Text | Target::Any if has(Self::Text) => Some(Self::Text),
            Target::Tag | Target::Any if has(Self::Tag) => Some(Self::Tag),
            _ => None,
        }
    }

    fn bytes(self, request: &Request) -> &[u8] {
        match self {
            Self::Text => request.destination.as_ref().unwrap_or(&request.buffer),
            Self::Tag => request.tag.as_bytes(),
        }
    }

    fn bytes_mut(self, request: &mut Request) -> &mut [u8] {
        match self {
            Self::Text => request.destination.as_mut().unwrap_or(&mut request.buffer),
            Self::Tag => request.tag.as_bytes_mut(),
        }
    }
}

/// Where a result ends too early.
#[derive(Clone, Copy, Debug)]
struct Cut {
    side: Side,
    left: usize,
    missing: usize,
    /// How many rules have cut something off.
    rules: u32,
}

impl Cut {
    fn new(request: &Request, side: Side, damage: &[Damage]) -> Self {
        let len = side.bytes(request).len();
        let whole = Self { side, left: len, missing: 0, rules: 0 };
        damage.iter().fold(whole, |cut, harm| match *harm {
            Damage::Cut { bytes } if cut.left > 0 => {
                let left = cut.left.saturating_sub(usize::try_from(bytes).unwrap_or(usize::MAX));
                Self { left, missing: len - left, rules: cut.rules + 1, ..cut }
            }
            _ => cut,
        })
    }

    fn carry_out(self, request: &mut Request) {
        if self.missing == 0 {
            return;
        }
        request.use_rest();
        request.residue = self.missing;
        match self.side {
            Side::Text => {
                let text = request.destination.as_mut().unwrap_or(&mut request.buffer);
                text[self.left..].zeroize();
                text.truncate(self.left);
            }
            Side::Tag => request.tag.truncate(self.left),
        }
    }
}
