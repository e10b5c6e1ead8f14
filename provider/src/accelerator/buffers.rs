//! Copies of an application's text: in before anything else, out when the operation has ended well.
//!
//! ```text
//!   in ── Buffer::copied ──► bytes of ours ── the request ──► bytes of ours ── copy_out ──► out
//!                               ▲                                   │
//!                               └──── kept for the thread, wiped ◄──┘ recycle
//! ```
//!
//! What was encrypted in place is ciphertext, which the application has: it is kept as it is, because wiping
//! it is a third of what a copy of 16 KiB costs.
//!
//! Pointers and no references: input and output may be the same memory, or overlap.
#![expect(unsafe_code, reason = "reads and writes the memory of applications")]

use std::cell::RefCell;

use zeroize::Zeroize;

use crate::error::{Failure, Reason};

/// Buffers kept for a thread: each of its paused jobs may use one.
const KEPT: usize = 64;
/// Bytes that are copied and wiped at a time.
const PIECE: usize = 2048;
/// The largest buffer to keep, in bytes.
const MOST_BYTES: usize = 64 * 1024;

thread_local! {
    static BUFFERS: RefCell<Vec<Vec<u8>>> = const { RefCell::new(Vec::new()) };
}

/// A text that the application has passed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Text {
    data: *const u8,
    len: usize,
}

/// Room for an output.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Room {
    data: *mut u8,
    size: usize,
}

/// Names of what is done with buffers of the thread.
pub(crate) struct Buffer;

impl Text {
    /// # Safety
    ///
    /// `data` has `len` bytes until the last copy of them is made.
    pub(crate) unsafe fn new(data: *const u8, len: usize) -> Result<Self, Failure> {
        if (data.is_null() && len > 0) || isize::try_from(len).is_err() {
            return Err(Failure::new(Reason::Parameter, "the input is NULL, or larger than any memory"));
        }
        Ok(Self { data, len })
    }

    pub(crate) const fn len(self) -> usize {
        self.len
    }

    /// The first `len` bytes, and the others.
    pub(crate) fn split_at(self, len: usize) -> (Self, Self) {
        let len = len.min(self.len);
        let rest = Self { data: self.data.wrapping_add(len), len: self.len - len };
        (Self { len, ..self }, rest)
    }

    /// Adds a copy to `bytes`, which have room for it.
    pub(crate) fn append_to(self, bytes: &mut Vec<u8>) {
        if self.len > 0 {
            bytes.reserve(self.len);
            // SAFETY: so many bytes, as was promised to `new`, into room of our own behind what is there.
            unsafe {
                bytes.as_mut_ptr().add(bytes.len()).copy_from_nonoverlapping(self.data, self.len);
                bytes.set_len(bytes.len() + self.len);
            }
        }
    }

    /// Reads it where it is. `read` writes nothing of the application's.
    pub(crate) fn read<R>(self, read: impl FnOnce(&[u8]) -> R) -> R {
        if self.len == 0 {
            return read(&[]);
        }
        // SAFETY: so many bytes, as was promised to `new`, which no code writes meanwhile.
        read(unsafe { std::slice::from_raw_parts(self.data, self.len) })
    }

    /// Copies it to the beginning of `place`, which is at least as long.
    pub(crate) fn copy_to(self, place: &mut [u8]) {
        assert!(self.len <= place.len());
        if self.len > 0 {
            // SAFETY: so many bytes, as was promised to `new`, into memory of our own.
            unsafe { place.as_mut_ptr().copy_from_nonoverlapping(self.data, self.len) };
        }
    }
}

impl Room {
    /// # Safety
    ///
    /// `data` is null or has room for `size` bytes until the output is written.
    pub(crate) const unsafe fn new(data: *mut u8, size: usize) -> Self {
        Self { data, size: if data.is_null() { 0 } else { size } }
    }

    /// The bytes that there is room for.
    pub(crate) const fn size(self) -> usize {
        self.size
    }

    /// Where it is, for a function that was promised the same.
    pub(crate) const fn as_ptr(self) -> *mut u8 {
        self.data
    }

    pub(crate) fn check(self, len: usize) -> Result<(), Failure> {
        if len <= self.size {
            return Ok(());
        }
        Err(Failure::new(Reason::OutputTooSmall, format!("{} bytes, the output has {len}", self.size)))
    }

    /// What is behind the first `len` bytes.
    pub(crate) const fn after(self, len: usize) -> Self {
        let len = if len < self.size { len } else { self.size };
        Self { data: self.data.wrapping_add(len), size: self.size - len }
    }

    /// Writes `len` zeros.
    pub(crate) fn put_zeros(self, len: usize) -> Result<(), Failure> {
        self.check(len)?;
        if len > 0 {
            // SAFETY: enough room, as was promised to `new`.
            unsafe { self.data.write_bytes(0, len) };
        }
        Ok(())
    }

    /// Copies `bytes` out.
    pub(crate) fn put(self, bytes: &[u8]) -> Result<(), Failure> {
        self.check(bytes.len())?;
        if !bytes.is_empty() {
            // SAFETY: enough room, as was promised to `new`; the bytes are ours.
            unsafe { self.data.copy_from_nonoverlapping(bytes.as_ptr(), bytes.len()) };
        }
        Ok(())
    }
}

impl Buffer {
    /// An empty buffer of the thread with this much room.
    pub(crate) fn with_room(room: usize) -> Result<Vec<u8>, Failure> {
        let kept = BUFFERS.try_with(|buffers| buffers.borrow_mut().pop());
        let mut buffer = kept.ok().flatten().unwrap_or_default();
        match buffer.try_reserve(room) {
            Ok(()) => Ok(buffer),
            Err(_) => Err(Failure::new(Reason::Failed, format!("no memory for {room} bytes"))),
        }
    }

    /// Copies a buffer out, and keeps it, wiped, for another text. A piece is wiped while the nearest cache
    /// has it.
    pub(crate) fn put(mut buffer: Vec<u8>, room: Room) -> Result<(), Failure> {
        if let Err(failure) = room.check(buffer.len()) {
            Self::recycle(buffer);
            return Err(failure);
        }
        for (index, piece) in buffer.chunks_mut(PIECE).enumerate() {
            // SAFETY: the room is as long as the buffer, as was checked, and the bytes are ours.
            unsafe { room.data.add(index * PIECE).copy_from_nonoverlapping(piece.as_ptr(), piece.len()) };
            piece.zeroize();
        }
        Self::keep(buffer);
        Ok(())
    }

    /// Copies out what was encrypted in place, and keeps the buffer with it.
    pub(crate) fn put_ciphertext(buffer: Vec<u8>, room: Room) -> Result<(), Failure> {
        let put = room.put(&buffer);
        Self::keep(buffer);
        put
    }

    /// Wipes a buffer, and keeps it for another text.
    pub(crate) fn recycle(mut buffer: Vec<u8>) {
        buffer.as_mut_slice().zeroize();
        Self::keep(buffer);
    }

    fn keep(mut buffer: Vec<u8>) {
        buffer.clear();
        if (1..=MOST_BYTES).contains(&buffer.capacity()) {
            let _ = BUFFERS.try_with(|buffers| {
                let mut buffers = buffers.borrow_mut();
                if buffers.len() < KEPT {
                    buffers.push(buffer);
                }
            });
        }
    }
}
