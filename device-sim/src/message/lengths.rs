//! Lengths: which are allowed, and how that is said.

use std::fmt;

/// Bytes of the blocks in [`Allowed::Blocks`] and [`Allowed::SomeBlocks`].
pub(crate) const BLOCK: usize = 16;

/// The lengths that are allowed, in bytes.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Allowed {
    /// None at all.
    Nothing,
    /// This one.
    Exactly(usize),
    /// This one and all above.
    AtLeast(usize),
    /// This one and all below.
    AtMost(u64),
    /// From the first to the second.
    Between(usize, usize),
    /// These, in ascending order.
    OneOf(&'static [usize]),
    /// Multiples of a block, where nothing is padded.
    Blocks,
    /// Multiples of a block, except 0: padded text is never empty.
    SomeBlocks,
}

impl Allowed {
    /// Whether `len` bytes are allowed.
    #[inline]
    pub fn contains(self, len: u64) -> bool {
        match self {
            Self::Nothing => len == 0,
            Self::Exactly(allowed) => len == allowed as u64,
            Self::AtLeast(least) => len >= least as u64,
            Self::AtMost(most) => len <= most,
            Self::Between(least, most) => (least as u64..=most as u64).contains(&len),
            Self::OneOf(allowed) => allowed.iter().any(|&allowed| len == allowed as u64),
            Self::Blocks => len.is_multiple_of(BLOCK as u64),
            Self::SomeBlocks => len > 0 && len.is_multiple_of(BLOCK as u64),
        }
    }

    /// Whether a message of `len` bytes or more may be allowed.
    pub(crate) fn reaches(self, len: u64) -> bool {
        match self {
            Self::Between(_, most) => len <= most as u64,
            Self::AtMost(most) => len <= most,
            _ => true,
        }
    }
}

impl fmt::Display for Allowed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Nothing => f.write_str("none"),
            Self::Exactly(len) => write!(f, "{len} bytes"),
            Self::AtLeast(0) => f.write_str("any number of bytes"),
            Self::AtLeast(1) => f.write_str("1 byte or more"),
            Self::AtLeast(len) => write!(f, "{len} bytes or more"),
            Self::AtMost(len) => write!(f, "at most {len} bytes"),
            Self::Between(least, most) => write!(f, "{least} to {most} bytes"),
            Self::OneOf(lens) => write!(f, "{} bytes", listed(lens)),
            Self::Blocks => write!(f, "whole blocks of {BLOCK} bytes without padding"),
            Self::SomeBlocks => write!(f, "one or more whole blocks of {BLOCK} bytes"),
        }
    }
}

/// Numbers in words, with three or more consecutive ones as a range: `4, 8 or 12 to 16`.
fn listed(numbers: &[usize]) -> String {
    let mut runs: Vec<String> = Vec::new();
    for run in numbers.chunk_by(|number, next| number + 1 == *next) {
        match run {
            [first, _, .., last] => runs.push(format!("{first} to {last}")),
            few => runs.extend(few.iter().map(usize::to_string)),
        }
    }
    match runs.split_last() {
        Some((last, [])) => last.clone(),
        Some((last, others)) => format!("{} or {last}", others.join(", ")),
        None => "no".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_allowed_is_said_in_words() {
        let said = [
            (Allowed::OneOf(&[4, 8, 12, 13, 14, 15, 16]), "4, 8 or 12 to 16 bytes"),
            (Allowed::OneOf(&[16]), "16 bytes"),
            (Allowed::OneOf(&[16, 17, 32]), "16, 17 or 32 bytes"),
            (Allowed::OneOf(&[16, 17, 18]), "16 to 18 bytes"),
            (Allowed::AtLeast(0), "any number of bytes"),
            (Allowed::Nothing, "none"),
        ];
        for (allowed, words) in said {
            assert_eq!(allowed.to_string(), words);
        }
    }

    #[test]
    fn what_is_allowed_contains_its_lengths_and_no_other() {
        let contained = |allowed: Allowed| (0..40).filter(|&len| allowed.contains(len)).collect::<Vec<u64>>();
        assert_eq!(contained(Allowed::Nothing), [0]);
        assert_eq!(contained(Allowed::Exactly(3)), [3]);
        assert_eq!(contained(Allowed::AtLeast(38)), [38, 39]);
        assert_eq!(contained(Allowed::AtMost(2)), [0, 1, 2]);
        assert_eq!(contained(Allowed::Between(16, 18)), [16, 17, 18]);
        assert_eq!(contained(Allowed::OneOf(&[4, 8])), [4, 8]);
        assert_eq!(contained(Allowed::Blocks), [0, 16, 32]);
        assert_eq!(contained(Allowed::SomeBlocks), [16, 32]);
    }
}
