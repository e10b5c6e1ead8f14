//! Moving small values word by word.
//!
//! ```text
//!   store a │ store b      a value is put together, a register at a time
//!   load a+b               a move by the widest load there is, which is what the compiler makes of one, has to wait until
//!                          both stores have reached the cache: some 5 to 10 ns
//!   load a │ load b        gets them from the stores on their way
//! ```
//!
//! For values that are moved a moment after they were assembled, in code that runs millions of times a
//! second.
#![expect(unsafe_code, reason = "reads the words of any type")]

use std::mem::{ManuallyDrop, MaybeUninit};
use std::ptr;

/// The most words of a value that is moved this way.
const MOST_WORDS: usize = 8;
const WORD: usize = size_of::<usize>();

const fn is_of_words<T>() -> bool {
    size_of::<T>() <= MOST_WORDS * WORD && align_of::<T>() == WORD
}

/// [`ptr::read`], word by word for a value of a few words.
///
/// # Safety
///
/// As for [`ptr::read`].
#[cfg_attr(not(debug_assertions), inline(always))]
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
/// Not always inlined: without optimisation, the caller's frame would have room for one more value, however
/// large.
///
/// # Safety
///
/// As for [`ptr::read`].
#[inline]
unsafe fn read_words<T>(from: *const T) -> T {
    let (from, mut value) = (from.cast::<MaybeUninit<usize>>(), MaybeUninit::<T>::uninit());
    let to = value.as_mut_ptr().cast::<MaybeUninit<usize>>();
    for word in 0..size_of::<T>() / WORD {
        // SAFETY: both are valid for this many words, any byte of which may be padding. Volatile, so that
        // words are not read two at a time.
        unsafe { to.add(word).write(from.add(word).read_volatile()) };
    }
    // SAFETY: it is a copy of a value that is not used again.
    unsafe { value.assume_init() }
}

/// Takes a value that a function has returned in memory into registers, so that a value already in registers
/// need not go to memory where the two meet.
#[cfg_attr(not(debug_assertions), inline(always))]
pub(crate) fn in_registers<T>(value: T) -> T {
    let value = ManuallyDrop::new(value);
    // SAFETY: it is there, and not used again.
    unsafe { read(ptr::from_ref(&*value)) }
}
