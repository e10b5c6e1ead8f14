//! The source of a history's random decisions: one stream for callers and jobs, one for the tasks that
//! await, so that neither shifts the draws of the other.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

/// A stream that depends on the seed alone, on every machine.
pub(crate) struct Random(ChaCha8Rng);

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        let mut bytes = *b"........simaccel simulated story";
        bytes[..8].copy_from_slice(&seed.to_le_bytes());
        Self(ChaCha8Rng::from_seed(bytes))
    }

    /// Another stream of the same seed.
    pub(crate) fn beside(seed: u64) -> Self {
        let mut beside = Self::new(seed);
        beside.0.set_stream(1);
        beside
    }

    /// How far the stream has been read.
    pub(crate) fn place(&self) -> u128 {
        self.0.get_word_pos()
    }

    /// Goes on reading at a place.
    pub(crate) fn go_to(&mut self, place: u128) {
        self.0.set_word_pos(place);
    }

    pub(crate) fn number(&mut self) -> u64 {
        self.0.next_u64()
    }

    /// A number below `below`.
    pub(crate) fn below(&mut self, below: u64) -> u64 {
        // The high half of a wide product: the modulo bias is negligible.
        ((u128::from(self.number()) * u128::from(below)) >> 64) as u64
    }

    /// A number from `from` to `to`, both included.
    pub(crate) fn between(&mut self, from: u64, to: u64) -> u64 {
        from + self.below(to - from + 1)
    }

    pub(crate) fn index(&mut self, len: usize) -> usize {
        usize::try_from(self.below(len as u64)).unwrap_or(0)
    }

    pub(crate) fn size(&mut self, from: usize, to: usize) -> usize {
        from + self.index(to - from + 1)
    }

    pub(crate) fn chance(&mut self, percent: u64) -> bool {
        self.below(100) < percent
    }

    pub(crate) fn pick<T: Copy>(&mut self, of: &[T]) -> T {
        of[self.index(of.len())]
    }

    pub(crate) fn bytes(&mut self, len: usize) -> Vec<u8> {
        let mut bytes = vec![0; len];
        self.0.fill_bytes(&mut bytes);
        bytes
    }
}
