//! Where a cipher's output goes, and the bytes that a piece holds back for the next one.
//!
//! All ciphers work in place on one vector. Out of place that vector is the destination, filled from the
//! buffer first, like a device's DMA; so one code serves both, and `buffer` is unchanged.
//!
//! ```text
//!   held back │ buffer            ──►  text                         ──►  output │ held back
//!   (carry)   │ (this piece)           (buffer, or destination)                 │ (carry)
//! ```

use zeroize::Zeroize;

/// The most that a kernel holds back: XTS needs a block and the bytes that it may steal from.
pub(super) const CARRY: usize = 31;

/// Bytes that wait for the rest of their block. Wiped on drop.
#[derive(Clone, Default)]
pub(super) struct Carry {
    bytes: [u8; CARRY],
    len: usize,
}

impl Carry {
    pub(super) const fn len(&self) -> usize {
        self.len
    }

    /// Takes the last `len` bytes of `text`; at most [`CARRY`].
    pub(super) fn hold_back(&mut self, text: &mut Vec<u8>, len: usize) {
        let rest = text.len() - len;
        self.bytes[..len].copy_from_slice(&text[rest..]);
        self.len = len;
        // The caller gets the capacity after the output, too.
        text[rest..].zeroize();
        text.truncate(rest);
    }

    /// The text to work on in place: the held-back bytes, then this piece.
    pub(super) fn text<'t>(
        &mut self,
        (buffer, destination): (&'t mut Vec<u8>, Option<&'t mut Vec<u8>>),
    ) -> &'t mut Vec<u8> {
        let text = match destination {
            None => {
                self.prepend(buffer);
                buffer
            }
            Some(destination) => {
                destination.clear();
                reserve(destination, self.len + buffer.len());
                destination.extend_from_slice(&self.bytes[..self.len]);
                destination.extend_from_slice(buffer);
                destination
            }
        };
        self.wipe();
        text
    }

    fn wipe(&mut self) {
        self.bytes[..self.len].zeroize();
        self.len = 0;
    }

    fn prepend(&self, text: &mut Vec<u8>) {
        if self.len == 0 {
            return;
        }
        let len = text.len();
        reserve(text, self.len);
        text.resize(len + self.len, 0);
        text.copy_within(..len, self.len);
        text[..self.len].copy_from_slice(&self.bytes[..self.len]);
    }
}

impl Drop for Carry {
    fn drop(&mut self) {
        self.wipe();
    }
}

/// The text of a cipher that never holds anything back.
pub(super) fn text<'t>((buffer, destination): (&'t mut Vec<u8>, Option<&'t mut Vec<u8>>)) -> &'t mut Vec<u8> {
    let Some(destination) = destination else { return buffer };
    destination.clear();
    reserve(destination, buffer.len());
    destination.extend_from_slice(buffer);
    destination
}

/// Makes room without leaving a copy of the text in freed memory.
pub(super) fn reserve(text: &mut Vec<u8>, additional: usize) {
    if text.capacity() - text.len() >= additional {
        return;
    }
    let mut larger = Vec::with_capacity(text.len() + additional);
    larger.extend_from_slice(text);
    text.zeroize();
    *text = larger;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_stays_of_what_was_handed_on() {
        let mut carry = Carry::default();
        carry.hold_back(&mut vec![7; 40], CARRY);
        assert_eq!(carry.text((&mut vec![8], None)), &[vec![7; CARRY], vec![8]].concat());
        assert_eq!((carry.bytes, carry.len()), ([0; CARRY], 0));
    }

    #[test]
    fn text_is_moved_to_where_there_is_room() {
        let mut text = vec![7; 40];
        reserve(&mut text, 1000);
        assert!(text.capacity() >= 1040);
        assert_eq!(text, [7; 40]);
    }
}
