//! The input of a plain request in place, kept in its job's frame, on a device that may still fail the
//! request when it has computed it.
//!
//! Small inputs only: a copy of a cache line costs less than to work out of place, as the state machine does
//! (see `rescue`).

use std::cell::RefCell;

use zeroize::Zeroize;

/// Bytes of the longest input that is kept.
pub(super) const MOST: usize = 64;
const WORD: usize = size_of::<u64>();
const WORDS: usize = MOST / WORD;

/// Where an input is kept.
pub(super) trait Keep: Copy {
    fn keep(self, input: &[u8]);

    /// Restores the input.
    fn put_back(self, buffer: &mut Vec<u8>);

    /// Empties the buffer of a request whose input was not authentic, whether or not the device has changed
    /// it.
    fn discard(self, buffer: &mut Vec<u8>);

    fn wipe(self);
}

/// Nowhere: the device does not change the input, or ends every request at once.
impl Keep for () {
    #[inline(always)]
    fn keep(self, _: &[u8]) {}

    fn put_back(self, _: &mut Vec<u8>) {}

    fn discard(self, _: &mut Vec<u8>) {}

    #[inline(always)]
    fn wipe(self) {}
}

/// Room for an input. In words, which are wiped faster than bytes.
#[derive(Default)]
pub(super) struct Kept {
    input: RefCell<([u64; WORDS], usize)>,
}

impl Keep for &Kept {
    #[inline]
    fn keep(self, input: &[u8]) {
        let (words, len) = &mut *self.input.borrow_mut();
        *len = input.len();
        match <&[u8; MOST]>::try_from(input) {
            // The most frequent length, and copied by a few instructions.
            Ok(all) => words.iter_mut().zip(all.chunks_exact(WORD)).for_each(store),
            Err(_) => keep_some(words, input),
        }
    }

    #[cold]
    fn put_back(self, buffer: &mut Vec<u8>) {
        let (words, len) = &*self.input.borrow();
        buffer.clear();
        buffer.extend(words.iter().flat_map(|word| word.to_ne_bytes()).take(*len));
    }

    #[cold]
    fn discard(self, buffer: &mut Vec<u8>) {
        buffer.zeroize();
    }

    #[inline]
    fn wipe(self) {
        self.input.borrow_mut().0.zeroize();
    }
}

fn store((word, bytes): (&mut u64, &[u8])) {
    *word = u64::from_ne_bytes(bytes.try_into().unwrap_or_default());
}

fn keep_some(words: &mut [u64; WORDS], input: &[u8]) {
    words.iter_mut().zip(input.chunks(WORD)).for_each(|(word, bytes)| {
        let mut padded = [0; WORD];
        padded[..bytes.len()].copy_from_slice(bytes);
        *word = u64::from_ne_bytes(padded);
        padded.zeroize();
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_input_of_any_length_comes_back_until_it_is_wiped() {
        for len in 0..=MOST {
            let input: Vec<u8> = (1..=len).map(|at| u8::try_from(at).unwrap()).collect();
            let kept = Kept::default();
            (&kept).keep(&input);
            let mut buffer = vec![0xee; 7];
            (&kept).put_back(&mut buffer);
            assert_eq!(buffer, input);
            (&kept).wipe();
            (&kept).put_back(&mut buffer);
            assert_eq!(buffer, vec![0; len]);
        }
    }
}
