//! Copying in and out of a C program's memory.
//!
//! ```text
//!   in, iv, aad, tag ──Input───► bytes of ours      before anything else: from then on the caller may free or change it
//!   out, tag, *len   ◄──Output── bytes of ours      when the operation has ended well, after the last read of any input
//! ```
//!
//! Only pointers, and no reference. A reference would promise, as long as it is in scope, that nothing else
//! writes there. But output may overwrite the input, and while a job is paused the caller may write to its
//! memory. All input is read before any output is written, so the two may overlap in any way.
//!
//! Copied input lies in a buffer of the thread, which is wiped after use. Lack of memory for a copy is an
//! error. Nothing here knows a session or a job, so that miri can run the tests.
#![expect(unsafe_code, reason = "reads and writes the memory of C programs")]

use std::cell::RefCell;
use std::ffi::c_void;
use std::fmt;
use std::ops::{Deref, RangeInclusive};
use std::ptr;

use zeroize::Zeroize;

use crate::last_error::{Failure, SimaccelResult};

/// Buffers kept for a thread: each of its paused jobs may use one.
const POOLED_BUFFERS: usize = 64;

/// The largest buffer to keep, in bytes: one large message must not hold its memory for the thread's life.
const POOLED_BYTES: usize = 64 * 1024;

/// The caller's input: its address, and the name of its parameter.
#[derive(Clone, Copy)]
pub(crate) struct Input {
    data: *const u8,
    len: usize,
    name: &'static str,
}

impl Input {
    /// # Safety
    ///
    /// `data` is null or has `len` bytes, until the last copy of it is made.
    #[cfg_attr(not(debug_assertions), inline(always))]
    pub(crate) unsafe fn new(data: *const c_void, len: usize, name: &'static str) -> Result<Self, Failure> {
        if (len > 0 && data.is_null()) || isize::try_from(len).is_err() {
            return Err(refused(data.is_null(), len, name));
        }
        Ok(Self { data: data.cast(), len, name })
    }

    pub(crate) const fn len(self) -> usize {
        self.len
    }

    pub(crate) const fn is_empty(self) -> bool {
        self.len == 0
    }

    /// A copy in a buffer with room for `more` bytes. Pass it to [`recycle`] afterwards.
    #[cfg_attr(not(debug_assertions), inline(always))]
    pub(crate) fn copied(self, more: usize) -> Result<Vec<u8>, Failure> {
        let mut buffer = pooled();
        match self.len.checked_add(more).map(|len| buffer.try_reserve(len)) {
            Some(Ok(())) => {}
            _ => return Err(no_memory(self.len, self.name)),
        }
        // SAFETY: the buffer is local and empty, and has room for `len` bytes.
        unsafe {
            self.copy_to(buffer.as_mut_ptr());
            buffer.set_len(self.len);
        }
        Ok(buffer)
    }

    /// A copy in its own memory of exactly its size, which is not recycled.
    pub(crate) fn owned(self) -> Result<Vec<u8>, Failure> {
        let mut owned = Vec::new();
        owned.try_reserve_exact(self.len).map_err(|_| no_memory(self.len, self.name))?;
        // SAFETY: the vector is local and empty, and has room for `len` bytes.
        unsafe {
            self.copy_to(owned.as_mut_ptr());
            owned.set_len(self.len);
        }
        Ok(owned)
    }

    /// A copy on the stack, of at most `N` bytes.
    #[inline]
    pub(crate) fn short<const N: usize>(self) -> Result<Short<N>, Failure> {
        if self.len > N {
            return Err(too_long(self.len, self.name, N));
        }
        let mut short = Short { bytes: [0; N], len: self.len };
        // SAFETY: there is room for `N` bytes.
        unsafe { self.copy_to(short.bytes.as_mut_ptr()) };
        Ok(short)
    }

    /// A copy of exactly `N` bytes, if there are so many.
    #[cfg_attr(not(debug_assertions), inline(always))]
    pub(crate) fn exactly<const N: usize>(self) -> Option<[u8; N]> {
        // SAFETY: not null, and so many bytes, as was promised to `new`.
        (self.len == N && N > 0).then(|| unsafe { self.data.cast::<[u8; N]>().read_unaligned() })
    }

    /// # Safety
    ///
    /// `to` has room for `len` bytes, and is not the caller's memory.
    #[inline]
    unsafe fn copy_to(self, to: *mut u8) {
        if self.len > 0 {
            // SAFETY: not null and `len` bytes, as promised to `new`; and `to` has room for them.
            unsafe { copy(self.data, to, self.len) };
        }
    }
}

// What these are told comes one by one: a value of several words would have to lie in memory for them, in all
// that goes well, too.

#[cold]
fn refused(is_null: bool, len: usize, name: &str) -> Failure {
    Failure::argument(&if is_null {
        format!("{name} is NULL, and {name}_len is {len}")
    } else {
        format!("{name}_len is {len}: no memory is that large")
    })
}

#[cold]
fn too_long(len: usize, name: &str, most: usize) -> Failure {
    Failure::argument(&format!("{name}_len is {len}: at most {most} bytes"))
}

#[cold]
fn no_memory(len: usize, name: &str) -> Failure {
    Failure::new(SimaccelResult::NoMemory, format!("no memory for a copy of {name}: {len} bytes"))
}

/// `given`: bytes of room, if there is any at all.
#[cold]
fn too_small(given: Option<usize>, name: &str, least: usize, most: usize) -> Failure {
    let given = match given {
        Some(size) => format!("{name}_size is {size}"),
        None => format!("{name} is NULL"),
    };
    let needed = if least == most { most.to_string() } else { format!("{least} to {most}") };
    Failure::new(SimaccelResult::OutputTooSmall, format!("{given}: the output needs {needed} bytes"))
}

impl fmt::Debug for Input {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Input({}, {} bytes)", self.name, self.len)
    }
}

/// At most `N` bytes.
#[derive(Clone, Copy)]
pub(crate) struct Short<const N: usize> {
    bytes: [u8; N],
    len: usize,
}

impl<const N: usize> Deref for Short<N> {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.bytes[..self.len]
    }
}

/// The destination of an operation's output: nothing is written before the operation has succeeded.
#[derive(Clone, Copy)]
pub(crate) struct Output {
    into: *mut u8,
    size: usize,
    len: *mut usize,
    name: &'static str,
}

impl Output {
    /// # Safety
    ///
    /// `into` is null or has room for `size` bytes, `len` is null or valid, until the output is written.
    pub(crate) const unsafe fn new(
        into: *mut c_void,
        size: usize,
        len: *mut usize,
        name: &'static str,
    ) -> Self {
        Self { into: into.cast(), size, len, name }
    }

    /// Refuses room that is certainly too small: `needed` is the fewest and the most bytes of output. Sets
    /// `*len` to enough room.
    #[cfg_attr(not(debug_assertions), inline(always))]
    pub(crate) fn check_room(self, needed: RangeInclusive<usize>) -> Result<(), Failure> {
        let (least, most) = needed.into_inner();
        if least <= self.room() {
            return Ok(());
        }
        self.write_len(most);
        let given = (!self.into.is_null()).then_some(self.size);
        Err(too_small(given, self.name, least, most))
    }

    /// Copies `bytes` out. Sets `*len` to their number, whether they fit or not.
    #[cfg_attr(not(debug_assertions), inline(always))]
    pub(crate) fn put(self, bytes: &[u8]) -> Result<(), Failure> {
        self.check_room(bytes.len()..=bytes.len())?;
        self.write_len(bytes.len());
        if !bytes.is_empty() {
            // SAFETY: not null and enough room, as promised to `new`; `bytes` are local.
            unsafe { copy(bytes.as_ptr(), self.into, bytes.len()) };
        }
        Ok(())
    }

    #[inline]
    pub(crate) fn write_len(self, len: usize) {
        if !self.len.is_null() {
            // SAFETY: not null, as promised to `new`.
            unsafe { self.len.write(len) };
        }
    }

    fn room(self) -> usize {
        if self.into.is_null() { 0 } else { self.size }
    }
}

impl fmt::Debug for Output {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Output({}, {} bytes)", self.name, self.size)
    }
}

/// Bytes of half of a short text.
const HALF: usize = 32;
type Half = [u8; HALF];

/// Copies `len` bytes. A short text is copied inline, as two halves that may overlap: a call takes longer
/// than the copy.
///
/// # Safety
///
/// As for [`ptr::copy_nonoverlapping`].
#[cfg_attr(not(debug_assertions), inline(always))]
unsafe fn copy(from: *const u8, to: *mut u8, len: usize) {
    if !(HALF..=2 * HALF).contains(&len) {
        // SAFETY: the caller's promise.
        return unsafe { ptr::copy_nonoverlapping(from, to, len) };
    }
    let last = len - HALF;
    // SAFETY: both halves are within the `len` bytes of the caller's promise.
    unsafe {
        to.cast::<Half>().write_unaligned(from.cast::<Half>().read_unaligned());
        to.add(last).cast::<Half>().write_unaligned(from.add(last).cast::<Half>().read_unaligned());
    }
}

/// Wipes a text, a short one inline as it is copied.
#[cfg_attr(not(debug_assertions), inline(always))]
fn wipe(text: &mut [u8]) {
    if (HALF..=2 * HALF).contains(&text.len()) {
        text.first_chunk_mut::<HALF>().into_iter().for_each(|half| half.as_mut_slice().zeroize());
        text.last_chunk_mut::<HALF>().into_iter().for_each(|half| half.as_mut_slice().zeroize());
    } else {
        text.zeroize();
    }
}

thread_local! {
    static BUFFERS: RefCell<Vec<Vec<u8>>> = const { RefCell::new(Vec::new()) };
}

/// Calls `body` with the thread's buffers. A thread that is ending has none.
#[cfg_attr(not(debug_assertions), inline(always))]
fn with_buffers<R>(body: impl FnOnce(&mut Vec<Vec<u8>>) -> R) -> Option<R> {
    // Only the address comes from the closure: what is done with it is inlined then.
    let buffers = BUFFERS.try_with(ptr::from_ref).ok()?;
    // SAFETY: the thread's value is there until its destructor runs, which is not during this call.
    let buffers = unsafe { &*buffers };
    Some(body(&mut buffers.borrow_mut()))
}

/// An empty buffer.
#[cfg_attr(not(debug_assertions), inline(always))]
fn pooled() -> Vec<u8> {
    with_buffers(Vec::pop).flatten().unwrap_or_default()
}

/// Wipes a buffer, of which the first `used` bytes were used, and keeps it for another copy.
#[cfg_attr(not(debug_assertions), inline(always))]
pub(crate) fn recycle(mut buffer: Vec<u8>, used: usize) {
    if buffer.len() < used {
        // Includes what was cut off: padding, and ends of messages.
        buffer.resize(used.min(buffer.capacity()), 0);
    }
    wipe(&mut buffer);
    buffer.clear();
    if buffer.capacity() <= POOLED_BYTES {
        with_buffers(|buffers| {
            if buffers.len() < POOLED_BUFFERS {
                buffers.push(buffer);
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::mem::MaybeUninit;

    fn input(data: *const u8, len: usize) -> Result<Input, Failure> {
        // SAFETY: the tests pass this many bytes, or none and read none.
        unsafe { Input::new(data.cast(), len, "in") }
    }

    fn output(into: *mut u8, size: usize, len: *mut usize) -> Output {
        // SAFETY: the tests pass this much room.
        unsafe { Output::new(into.cast(), size, len, "out") }
    }

    /// The operation between the two copies.
    fn operation(mut buffer: Vec<u8>) -> Vec<u8> {
        buffer.iter_mut().for_each(|byte| *byte ^= 0xff);
        buffer
    }

    #[test]
    fn input_and_output_may_overlap_in_any_way() {
        const LEN: usize = 8;
        for (from, to) in (0..=2 * LEN).flat_map(|from| (0..=2 * LEN).map(move |to| (from, to))) {
            let mut memory: Vec<u8> = (0..24).collect();
            let mut expected = memory.clone();
            let inverted: Vec<u8> = memory[from..from + LEN].iter().map(|byte| byte ^ 0xff).collect();
            expected[to..to + LEN].copy_from_slice(&inverted);

            let base = memory.as_mut_ptr();
            let mut len = 0;
            // As in C: two pointers into the same memory.
            let (from, to) = (base.wrapping_add(from), base.wrapping_add(to));
            let (given, into) = (input(from, LEN).unwrap(), output(to, LEN, &raw mut len));
            let done = operation(given.copied(3).unwrap());
            into.put(&done).unwrap();
            recycle(done, LEN);
            assert_eq!((memory, len), (expected, LEN));
        }
    }

    #[test]
    fn input_may_go_once_it_was_copied_and_output_need_not_be_initialised() {
        let memory = Box::into_raw(Box::new([5_u8; 16]));
        let given = input(memory.cast(), 16).unwrap();
        let (buffer, short) = (given.copied(0).unwrap(), given.short::<16>().unwrap());
        assert_eq!(
            (&buffer[..], &short[..], given.owned().unwrap()),
            (&[5; 16][..], &[5; 16][..], vec![5; 16])
        );
        // SAFETY: made by `Box`, and not used again.
        drop(unsafe { Box::from_raw(memory) });
        let mut room = MaybeUninit::<[u8; 16]>::uninit();
        output(room.as_mut_ptr().cast(), 16, ptr::null_mut()).put(&operation(buffer)).unwrap();
        // SAFETY: all of it was written.
        assert_eq!(unsafe { room.assume_init() }, [!5; 16]);
    }

    #[test]
    fn what_was_in_a_buffer_is_wiped_and_its_memory_used_again() {
        let secret = [7_u8; 48];
        let mut buffer = input(secret.as_ptr(), 48).unwrap().copied(16).unwrap();
        let place = buffer.as_ptr();
        // As after an operation that removes padding.
        buffer.truncate(3);
        recycle(buffer, 48);
        let again = pooled();
        assert_eq!((again.as_ptr(), again.len(), again.capacity()), (place, 0, 64));
        // SAFETY: the first 48 bytes were written, by the copy and by wiping.
        assert_eq!(unsafe { std::slice::from_raw_parts(again.as_ptr(), 48) }, [0; 48]);
    }

    #[test]
    fn large_buffers_are_not_kept() {
        let large = vec![1_u8; POOLED_BYTES + 1];
        recycle(input(large.as_ptr(), large.len()).unwrap().copied(0).unwrap(), large.len());
        assert_eq!(pooled().capacity(), 0);
        (0..POOLED_BUFFERS + 9).for_each(|_| recycle(Vec::with_capacity(1), 0));
        assert_eq!(BUFFERS.with_borrow(Vec::len), POOLED_BUFFERS);
    }

    #[test]
    fn what_cannot_be_is_an_error_that_names_it() {
        let text = |failed: Result<(), Failure>| failed.unwrap_err().parts();
        assert!(input(ptr::null(), 0).unwrap().copied(0).unwrap().is_empty());
        let null = text(input(ptr::null(), 3).map(|_| ()));
        assert_eq!(null, (SimaccelResult::Argument, "in is NULL, and in_len is 3".to_owned()));
        let (byte, most) = (1_u8, isize::MAX.unsigned_abs());
        let (code, told) = text(input(&raw const byte, most + 1).map(|_| ()));
        assert_eq!((code, &told[..9]), (SimaccelResult::Argument, "in_len is"));

        let refused = text(input(&raw const byte, most).unwrap().copied(1).map(|_| ()));
        assert_eq!(refused, (SimaccelResult::NoMemory, format!("no memory for a copy of in: {most} bytes")));
        let long = text(input(&raw const byte, 17).unwrap().short::<16>().map(|_| ()));
        assert_eq!(long, (SimaccelResult::Argument, "in_len is 17: at most 16 bytes".to_owned()));
    }

    #[test]
    fn too_little_room_is_told_with_what_is_enough() {
        let (mut room, mut len) = ([9_u8; 4], 0);
        let small = output(room.as_mut_ptr(), 4, &raw mut len);
        let (code, text) = small.put(&[1; 5]).unwrap_err().parts();
        assert_eq!(
            (code, &text[..]),
            (SimaccelResult::OutputTooSmall, "out_size is 4: the output needs 5 bytes")
        );
        assert_eq!(len, 5);
        let (_, text) = small.check_room(16..=31).unwrap_err().parts();
        assert_eq!((&text[..], len), ("out_size is 4: the output needs 16 to 31 bytes", 31));
        assert!(small.check_room(4..=31).is_ok(), "it may do");
        let none = output(ptr::null_mut(), 4, ptr::null_mut());
        assert_eq!(none.check_room(1..=1).unwrap_err().parts().1, "out is NULL: the output needs 1 bytes");
        assert!(none.put(&[]).is_ok());
        assert_eq!(room, [9; 4]);
    }
}
