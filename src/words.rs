//! Moving small values word by word.
//!
//! ```text
//!   store a │ store b      a value is put together, a register at a time
//!   load a+b               a move by the widest load there is, which is what the compiler makes of one, has to wait until
//!                          both stores have reached the cache: some 5 to 10 ns
//!   load a │ load b        gets them from the stores on their way
//! ```
//!
//! For what is moved a moment after it was put together, in code that is gone through some million times a second.
#![expect(unsafe_code, reason = "reads the words of any type")]

use std::mem::{ManuallyDrop, MaybeUninit};
use std::ptr;

/// The most words of a value that is moved so.
const MOST_WORDS: usize = 8;
const WORD: usize = size_of::<usize>();

const fn is_of_words<T>() -> bool {
    size_of::<T>() <= MOST_WORDS * WORD && align_of::<T>() == WORD
}

/// [`ptr::read`], of a value of a few words by words.
///
/// # Safety
///
/// As for that.
#[inline(always)]
pub(crate) unsafe fn read<T>(from: *const T) -> T {
    if is_of_words::<T>() {
        // SAFETY: the caller's promise, and it is made of words.
        unsafe { read_words(from) }
    } else {
        // SAFETY: the caller's promise.
        unsafe { from.read() }
    }
}

/// [`read`], of a value that [is made of words](is_of_words).
///
/// Not inlined always: where nothing is optimised, room for one more value, be it never so large, would lie in the caller's
/// frame.
///
/// # Safety
///
/// As for [`ptr::read`].
#[inline]
unsafe fn read_words<T>(from: *const T) -> T {
    let (from, mut value) = (from.cast::<MaybeUninit<usize>>(), MaybeUninit::<T>::uninit());
    let to = value.as_mut_ptr().cast::<MaybeUninit<usize>>();
    for word in 0..size_of::<T>() / WORD {
        // SAFETY: both are valid for so many words, of which any byte may be padding. Volatile, so that words are not read
        // two at a time.
        unsafe { to.add(word).write(from.add(word).read_volatile()) };
    }
    // SAFETY: it is a copy of a value that is not used again.
    unsafe { value.assume_init() }
}

/// A value that a function has returned in memory, taken into registers: so that where it meets one that is there, that one
/// need not go to memory.
#[inline(always)]
pub(crate) fn in_registers<T>(value: T) -> T {
    let value = ManuallyDrop::new(value);
    // SAFETY: it is there, and not used again.
    unsafe { read(ptr::from_ref(&*value)) }
}
