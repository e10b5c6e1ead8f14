//! What crosses the submission ring beside an entry, on a device that stamps requests.
//!
//! ```text
//!   word 0 = when it was submitted, in nanoseconds
//!   word 1 = the text's first cache line (58) | timed (1) | unused (3) | lines to prefetch (2)
//! ```
//!
//! The device needs both before it claims a request, and a cell's first cache line has no room for them: here
//! four requests share a line, and what the host writes into the rest of the cell stays in its cache.

use crate::queue::ring::Note;
use crate::sync::prefetch;

/// Bytes of a cache line.
const LINE: u64 = 64;
/// The most lines of a text that are prefetched.
const MOST_LINES: u64 = 3;
const LINES: u64 = 0b11;
const TIMED: u64 = 1 << 5;

/// The address of a text's first cache line; and in its low bits, how many lines to prefetch.
#[inline]
pub(crate) fn text_hint(text: &[u8]) -> u64 {
    let first = text.as_ptr().addr() as u64;
    let lines = (first % LINE + text.len() as u64).div_ceil(LINE).min(MOST_LINES);
    if text.is_empty() { 0 } else { (first / LINE * LINE) | lines }
}

/// Prefetches the text that a hint says.
#[inline]
pub(crate) fn prefetch_text(hint: u64) {
    // Loom would look at every order of this.
    if !cfg!(loom) {
        let (first, lines) = (hint / LINE * LINE, hint & LINES);
        (0..lines).for_each(|line| prefetch::address_to_write(first + line * LINE));
    }
}

/// A note. `hint`: of the text.
#[inline]
pub(crate) const fn note(submitted: u64, is_timed: bool, hint: u64) -> Note {
    [submitted, hint | if is_timed { TIMED } else { 0 }]
}

/// Whether the request has a long text, or none, as a call has.
#[inline]
pub(crate) const fn may_take_long([_, text]: Note) -> bool {
    matches!(text & LINES, 0 | MOST_LINES)
}

/// When the request was submitted, if it is timed.
#[inline]
pub(crate) fn timed_from([submitted, text]: Note) -> Option<u64> {
    (text & TIMED != 0).then_some(submitted)
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn a_note_says_when_how_long_and_whether_it_is_timed() {
        let text = vec![0_u8; 400];
        // Within one cache line, over two, over more.
        let start = text.as_ptr().align_offset(64);
        for (len, lines, is_long) in
            [(1, 1, false), (64, 1, false), (65, 2, false), (128, 2, false), (129, 3, true)]
        {
            let hint = text_hint(&text[start..start + len]);
            assert_eq!((hint & LINES, hint / LINE * LINE), (lines, text[start..].as_ptr().addr() as u64));
            for is_timed in [false, true] {
                let note = note(77, is_timed, hint);
                assert_eq!((note[0], timed_from(note)), (77, is_timed.then_some(77)));
                assert_eq!((may_take_long(note), note[1] & !TIMED), (is_long, hint));
            }
        }
        assert!(may_take_long(note(0, true, text_hint(&[]))), "no text says nothing");
        assert_eq!(text_hint(&text[start + 60..start + 70]) & LINES, 2);
    }
}
