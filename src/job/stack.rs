//! Stacks: how they are allocated, guarded and freed.
//!
//! ```text
//!   low                                                                              high
//!   ┌───────┬─────────────────┬───────┬─────────────────┬─ ─ ─ ─ ┬───────┬──────────┐
//!   │ guard │ stack 0         │ guard │ stack 1         │        │ guard │ stack n  │  one mapping
//!   └───────┴────────────────▲┴───────┴────────────────▲┴─ ─ ─ ─ ┴───────┴─────────▲┘
//!                            └ top, where the job's record lies                    └
//! ```
//!
//! Stacks are cut from chunks that grow with the number of jobs. A guard is a range that faults when touched.
//! `MADV_GUARD_INSTALL` (Linux 6.13) marks it in the page tables without splitting the mapping, so that
//! 100,000 guarded stacks are a few dozen mappings. Older kernels get `mprotect`, which costs two mappings
//! each.
//!
//! A chunk is unmapped when it has been retired and its last stack has been given back. A stack that is never
//! given back, because its job was leaked, keeps its chunk mapped for ever: there may be pointers into it.
#![expect(
    unsafe_code,
    reason = "maps, guards and unmaps memory, and calls the memory functions of C programs"
)]

use std::ffi::c_void;
use std::io;
use std::ptr::{self, NonNull};

use corosensei::stack::valgrind::ValgrindStackRegistration;

use super::memory;
use super::overflow::Watch;

/// Sizes of a stack, in bytes, multiples of the page size.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Geometry {
    /// Usable bytes.
    pub(super) size: usize,
    /// Bytes below them that fault.
    pub(super) guard: usize,
}

/// One stack. Dropping it leaks it: it is given back to its [`Slab`] instead.
#[derive(Debug)]
pub(super) struct Stack {
    /// One past the highest usable address, aligned to 64 bytes.
    pub(super) top: usize,
    /// The lowest address, guard included.
    pub(super) limit: usize,
    origin: Origin,
    valgrind: ValgrindStackRegistration,
}

#[derive(Debug)]
enum Origin {
    Chunk { index: usize, slot: usize },
    Foreign { memory: NonNull<c_void>, free: memory::FreeFn },
}

/// The stacks of one thread.
#[derive(Debug, Default)]
pub(super) struct Slab {
    /// The entries of unmapped chunks are reused; indices stay.
    chunks: Vec<Option<Chunk>>,
    /// The chunk that still has unused stacks.
    open: Option<usize>,
}

#[derive(Debug)]
struct Chunk {
    start: usize,
    len: usize,
    geometry: Geometry,
    /// Lets the overflow handler name the job.
    _watch: Watch,
    /// The chunk's stacks; how many were handed out so far; how many are out now.
    slots: usize,
    used: usize,
    out: usize,
    /// Slots whose stacks were given back and still hold memory.
    back: Vec<usize>,
    retired: bool,
}

const MIN_CHUNK: usize = 16;
const MAX_CHUNK: usize = 4096;
/// Linux 6.13; missing in the headers of older systems.
const MADV_GUARD_INSTALL: libc::c_int = 102;

impl Slab {
    /// A stack that is not in use. `have` is how many stacks the thread has: the next chunk doubles them.
    pub(super) fn take(&mut self, geometry: Geometry, have: usize, most: usize) -> io::Result<Stack> {
        if let Some(functions) = memory::custom_for_new_stack() {
            return foreign(functions, memory::wanted(geometry.size));
        }
        let index = match self.open_chunk(geometry) {
            Some(index) => index,
            None => self.grow(geometry, have.clamp(MIN_CHUNK, MAX_CHUNK).min(most))?,
        };
        let chunk = self.chunks[index].as_mut().expect("the open chunk is mapped");
        let stack = chunk.cut(index)?;
        if chunk.used == chunk.slots {
            self.open = None;
        }
        Ok(stack)
    }

    /// Retires all chunks: no stack that is out now is reused after it is given back.
    pub(super) fn retire_all(&mut self) {
        self.open = None;
        self.chunks.iter_mut().flatten().for_each(|chunk| chunk.retired = true);
    }

    /// Takes back a stack that is not in use. [`trim`](Self::trim) frees its memory.
    pub(super) fn give_back(&mut self, stack: Stack) {
        let Stack { origin, valgrind, .. } = stack;
        drop(valgrind);
        match origin {
            // SAFETY: the memory came from the matching allocation function and nothing runs on it any more.
            Origin::Foreign { memory, free } => unsafe { free(memory.as_ptr()) },
            Origin::Chunk { index, slot } => {
                let chunk = self.chunks[index].as_mut().expect("a chunk with a stack out is mapped");
                chunk.out -= 1;
                chunk.back.push(slot);
            }
        }
    }

    /// Returns the memory of stacks that were given back to the kernel, and unmaps whole chunks.
    pub(super) fn trim(&mut self) {
        for place in &mut self.chunks {
            match place {
                Some(chunk) if chunk.retired && chunk.out == 0 => *place = None,
                Some(chunk) => chunk.release_pages(),
                None => {}
            }
        }
    }

    fn open_chunk(&mut self, geometry: Geometry) -> Option<usize> {
        let index = self.open?;
        self.chunks[index].as_ref().is_some_and(|chunk| chunk.geometry == geometry).then_some(index)
    }

    fn grow(&mut self, geometry: Geometry, slots: usize) -> io::Result<usize> {
        let chunk = Chunk::map(geometry, slots)?;
        let index = self.chunks.iter().position(Option::is_none).unwrap_or(self.chunks.len());
        if index == self.chunks.len() {
            self.chunks.push(None);
        }
        self.chunks[index] = Some(chunk);
        self.open = Some(index);
        Ok(index)
    }
}

impl Chunk {
    /// Maps room for `slots` stacks, or for as many as there is memory for.
    fn map(geometry: Geometry, slots: usize) -> io::Result<Self> {
        let mut slots = slots.max(1);
        loop {
            match map(slots * geometry.stride()) {
                Ok(start) => {
                    let len = slots * geometry.stride();
                    return Ok(Self {
                        start,
                        len,
                        geometry,
                        _watch: Watch::new(start, len, geometry),
                        slots,
                        used: 0,
                        out: 0,
                        back: Vec::new(),
                        retired: false,
                    });
                }
                Err(error) if slots == 1 => return Err(error),
                Err(_) => slots /= 2,
            }
        }
    }

    /// Cuts off the next stack, and installs its guard.
    fn cut(&mut self, index: usize) -> io::Result<Stack> {
        let slot = self.used;
        let limit = self.start + slot * self.geometry.stride();
        let top = limit + self.geometry.stride();
        install_guard(limit, self.geometry.guard)?;
        self.used += 1;
        self.out += 1;
        Ok(Stack::new(top, limit, limit + self.geometry.guard, Origin::Chunk { index, slot }))
    }

    /// Keeps the addresses of the stacks that were given back, but not their memory.
    fn release_pages(&mut self) {
        for slot in self.back.drain(..) {
            let usable = self.start + slot * self.geometry.stride() + self.geometry.guard;
            let usable = ptr::with_exposed_provenance_mut(usable);
            // SAFETY: the range is a stack of ours that is not in use; its contents are garbage.
            unsafe { libc::madvise(usable, self.geometry.size, libc::MADV_DONTNEED) };
        }
    }
}

impl Drop for Chunk {
    fn drop(&mut self) {
        if self.out > 0 {
            return;
        }
        // SAFETY: the mapping is ours, and none of its stacks is out, so nothing refers to it.
        unsafe { libc::munmap(ptr::with_exposed_provenance_mut(self.start), self.len) };
    }
}

impl Geometry {
    /// The sizes that were asked for, rounded up to pages.
    pub(super) fn of(stack_size: usize, guard_size: usize) -> Self {
        let page = page_size();
        Self { size: stack_size.next_multiple_of(page), guard: guard_size.max(1).next_multiple_of(page) }
    }

    fn stride(self) -> usize {
        self.size + self.guard
    }
}

impl Stack {
    fn new(top: usize, limit: usize, usable: usize, origin: Origin) -> Self {
        let valgrind = ValgrindStackRegistration::new(ptr::with_exposed_provenance_mut(usable), top - usable);
        Self { top, limit, origin, valgrind }
    }
}

/// The size of a page in bytes.
pub(super) fn page_size() -> usize {
    // SAFETY: asks for a constant.
    let size = unsafe { libc::sysconf(libc::_SC_PAGESIZE) };
    usize::try_from(size).unwrap_or(4096)
}

fn map(len: usize) -> io::Result<usize> {
    let protection = libc::PROT_READ | libc::PROT_WRITE;
    let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE | libc::MAP_STACK;
    // SAFETY: a fresh anonymous mapping at an address of the kernel's choice touches no other memory.
    let start = unsafe { libc::mmap(ptr::null_mut(), len, protection, flags, -1, 0) };
    if start == libc::MAP_FAILED {
        return Err(io::Error::last_os_error());
    }
    // With huge pages, the first touch of one stack would cost the memory of thirty. SAFETY: advice on our
    // own fresh mapping; a refusal (no huge pages in this kernel) is just as good.
    unsafe { libc::madvise(start, len, libc::MADV_NOHUGEPAGE) };
    Ok(start.expose_provenance())
}

fn install_guard(start: usize, len: usize) -> io::Result<()> {
    mark_guard(start, len).or_else(|_| protect_guard(start, len))
}

fn mark_guard(start: usize, len: usize) -> io::Result<()> {
    // SAFETY: the range is the guard of a stack of ours that is not in use yet.
    result(unsafe { libc::madvise(ptr::with_exposed_provenance_mut(start), len, MADV_GUARD_INSTALL) })
}

fn protect_guard(start: usize, len: usize) -> io::Result<()> {
    // SAFETY: as in `mark_guard`.
    result(unsafe { libc::mprotect(ptr::with_exposed_provenance_mut(start), len, libc::PROT_NONE) })
}

fn result(returned: libc::c_int) -> io::Result<()> {
    if returned == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// A stack from the memory functions of the process (statements 58 to 60).
fn foreign(functions: memory::Functions, size: usize) -> io::Result<Stack> {
    let mut size = size;
    // SAFETY: the caller that installed the functions promised that they work like this
    // (`raw::set_mem_functions`).
    let memory = NonNull::new(unsafe { (functions.alloc)(&raw mut size) });
    let Some(memory) = memory.filter(|_| size >= memory::MIN_FOREIGN) else {
        // SAFETY: as above; the free function accepts NULL (statement 60).
        unsafe { (functions.free)(memory.map_or(ptr::null_mut(), NonNull::as_ptr)) };
        return Err(io::ErrorKind::OutOfMemory.into());
    };
    let limit = memory.as_ptr().expose_provenance();
    let top = (limit + size) & !63;
    Ok(Stack::new(top, limit, limit, Origin::Foreign { memory, free: functions.free }))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whether the kernel refuses to read this byte.
    fn faults(address: usize) -> bool {
        let mut pipe = [0; 2];
        // SAFETY: the array has room for both ends.
        assert_eq!(unsafe { libc::pipe(pipe.as_mut_ptr()) }, 0);
        // SAFETY: the kernel checks the address, and answers instead of faulting.
        let written = unsafe { libc::write(pipe[1], ptr::with_exposed_provenance(address), 1) };
        let refused = written == -1 && io::Error::last_os_error().raw_os_error() == Some(libc::EFAULT);
        for end in pipe {
            // SAFETY: both ends are ours.
            unsafe { libc::close(end) };
        }
        refused
    }

    #[test]
    #[cfg_attr(miri, ignore = "miri knows no guard pages")]
    fn both_kinds_of_guard_fault_and_leave_the_stack_alone() {
        let page = page_size();
        for (guard, kernel_may_lack_it) in
            [(mark_guard as fn(usize, usize) -> _, true), (protect_guard, false)]
        {
            let start = map(4 * page).unwrap();
            if guard(start, 2 * page).is_err() {
                assert!(kernel_may_lack_it);
                continue;
            }
            assert!(faults(start) && faults(start + 2 * page - 1));
            assert!(!faults(start + 2 * page) && !faults(start + 4 * page - 1));
        }
    }

    #[test]
    #[cfg_attr(miri, ignore = "miri knows no guard pages")]
    fn a_chunk_goes_with_its_last_stack() {
        let page = page_size();
        let geometry = Geometry { size: 4 * page, guard: page };
        let mut slab = Slab::default();
        let (one, two) = (slab.take(geometry, 0, 2).unwrap(), slab.take(geometry, 1, 1).unwrap());
        assert_eq!(two.limit, one.top, "neighbours, with a guard between them");
        assert!(faults(one.limit) && faults(two.limit) && !faults(one.top - 1));
        slab.retire_all();
        let three = slab.take(geometry, 2, 1).unwrap();
        assert_eq!(slab.chunks.len(), 2, "stacks of a retired chunk are not handed out");
        slab.give_back(one);
        slab.trim();
        assert!(slab.chunks[0].is_some(), "the other one still needs the chunk");
        slab.give_back(two);
        slab.trim();
        assert!(slab.chunks[0].is_none());
        drop(slab);
        assert!(!faults(three.top - 1), "a stack that does not come back stays mapped");
    }
}
