//! The cells of one queue pair: a table of chunks that only grows, and two lists of free cells.
//!
//! ```text
//!   first:   [ as many as the pair is deep ]                   no chunk moves, and all live as long as the slab
//!   chunks:  [ 64 cells ][ 128 cells ][ 256 cells ] ...        for those beyond: parked, or done and not taken
//!
//!   the submitting side's list  ◄── take everything ──  the shared list  ◄── one at a time ── any other thread
//!   (plain, no atomics)             (one swap)          (linked through the cells)
//! ```
//!
//! The shared list is pushed one by one and emptied as a whole, so an unchanged head means that no relevant
//! change has happened in between.

use std::sync::{Arc, OnceLock};

use super::{Cell, SlabTag, Ticket, Vacant};
use crate::process::fork;
use crate::sync::{AtomicU32, Ordering, Padded};

/// Loom looks at every cell of a chunk.
const FIRST_CHUNK: usize = if cfg!(loom) { 2 } else { 64 };
const CHUNKS: usize = 25;
const NIL: u32 = u32::MAX;

/// Numbers every slab of the process, so that a key fits only the slab that created it.
static NEXT_ID: std::sync::atomic::AtomicU64 = std::sync::atomic::AtomicU64::new(1);

/// The cells of one queue pair.
#[derive(Debug)]
pub(crate) struct Slab {
    id: u64,
    tag: SlabTag,
    fork: u64,
    first: Box<[Cell]>,
    chunks: [OnceLock<Box<[Cell]>>; CHUNKS],
    freed: Padded<AtomicU32>,
}

impl Slab {
    /// A slab with this many cells, and the only allocator that grows it.
    pub(crate) fn new(first: usize) -> (Arc<Self>, Allocator) {
        let free =
            (0..u32::try_from(first).expect("a slab begins with fewer than 2^32 cells")).rev().collect();
        let id = NEXT_ID.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let slab = Arc::new(Self {
            id,
            tag: SlabTag::new(id),
            fork: fork::generation(),
            first: new_cells(first),
            chunks: [const { OnceLock::new() }; CHUNKS],
            freed: Padded(AtomicU32::new(NIL)),
        });
        (Arc::clone(&slab), Allocator { slab, free, chunks: 0 })
    }

    /// Gives a cell back from any thread.
    pub(crate) fn put(&self, vacant: Vacant) {
        assert_eq!(vacant.slab, self.id, "a free cell goes back to its own slab");
        let cell = self.cell_at(vacant.index);
        let mut head = self.freed.load(Ordering::Relaxed);
        loop {
            cell.next_free.store(head, Ordering::Relaxed);
            let pushed =
                self.freed.compare_exchange(head, vacant.index, Ordering::Release, Ordering::Relaxed);
            match pushed {
                Ok(_) => return,
                Err(other) => head = other,
            }
        }
    }

    /// Whether this is a forked child's copy: threads that were in the middle of something do not exist any
    /// more.
    pub(super) fn is_inherited(&self) -> bool {
        fork::since(self.fork)
    }

    #[inline]
    pub(super) fn id(&self) -> u64 {
        self.id
    }

    /// What tickets carry of the id.
    #[inline]
    pub(super) const fn tag(&self) -> SlabTag {
        self.tag
    }

    #[cfg_attr(not(debug_assertions), inline(always))]
    pub(super) fn cell(&self, ticket: Ticket) -> Option<&Cell> {
        if !self.tag.is_of(ticket) {
            return None;
        }
        self.cell_of_index(ticket.index())
    }

    #[cfg_attr(not(debug_assertions), inline(always))]
    pub(super) fn cell_of_index(&self, index: u32) -> Option<&Cell> {
        self.first.get(index as usize).or_else(|| self.cell_beyond(index))
    }

    /// The cell of an index, if it is one of the first cells.
    #[inline]
    pub(super) fn cell_if_first(&self, index: u32) -> Option<&Cell> {
        self.first.get(index as usize)
    }

    /// The cell of an index that came from this slab.
    #[cfg_attr(not(debug_assertions), inline(always))]
    pub(super) fn cell_at(&self, index: u32) -> &Cell {
        self.cell_of_index(index).expect("an index in use lies in a chunk that exists")
    }

    #[cold]
    fn cell_beyond(&self, index: u32) -> Option<&Cell> {
        let (chunk, offset) = place_of(index as usize - self.first.len());
        self.chunks.get(chunk)?.get()?.get(offset)
    }

    pub(super) fn cells(&self) -> impl Iterator<Item = &Cell> {
        self.first.iter().chain(self.chunks.iter().map_while(OnceLock::get).flatten())
    }
}

fn new_cells(count: usize) -> Box<[Cell]> {
    (0..count).map(|_| Cell::new()).collect()
}

/// The chunk of an index beyond the first cells, and the position there: chunk `k` begins at
/// `64 * (2^k - 1)`.
fn place_of(index: usize) -> (usize, usize) {
    let shifted = index + FIRST_CHUNK;
    let chunk = (shifted.ilog2() - FIRST_CHUNK.ilog2()) as usize;
    (chunk, shifted - (FIRST_CHUNK << chunk))
}

/// Allocates cells; there is one per slab, and it belongs to the submitting side.
#[derive(Debug)]
pub(crate) struct Allocator {
    slab: Arc<Slab>,
    free: Vec<u32>,
    chunks: usize,
}

impl Allocator {
    /// A free cell; allocates only when more requests are alive than ever before.
    #[inline]
    pub(crate) fn get(&mut self) -> Vacant {
        Vacant { index: self.take_index(), slab: self.slab.id }
    }

    #[inline]
    pub(super) fn take_index(&mut self) -> u32 {
        self.free.pop().unwrap_or_else(|| self.refill())
    }

    #[inline]
    pub(super) fn put_index(&mut self, index: u32) {
        self.free.push(index);
    }

    #[inline]
    pub(super) fn slab(&self) -> &Slab {
        &self.slab
    }

    /// Gives a cell back without an atomic instruction.
    #[inline]
    pub(crate) fn put(&mut self, vacant: Vacant) {
        assert_eq!(vacant.slab, self.slab.id, "a free cell goes back to its own slab");
        self.put_index(vacant.index);
    }

    #[cold]
    fn refill(&mut self) -> u32 {
        let mut index = self.slab.freed.swap(NIL, Ordering::Acquire);
        while index != NIL {
            self.free.push(index);
            index = self.slab.cell_at(index).next_free.load(Ordering::Relaxed);
        }
        self.free.pop().unwrap_or_else(|| self.grow())
    }

    fn grow(&mut self) -> u32 {
        assert!(self.chunks < CHUNKS, "two thousand million requests are alive on one queue pair");
        let len = FIRST_CHUNK << self.chunks;
        let first = self.slab.first.len() + len - FIRST_CHUNK;
        let first = u32::try_from(first).expect("the last chunk ends below 2^32");
        let count = u32::try_from(len).expect("the last chunk is shorter than 2^32");
        self.slab.chunks[self.chunks].set(new_cells(len)).expect("the allocator alone adds chunks");
        self.chunks += 1;
        self.free.extend((first..first + count).rev());
        self.free.pop().expect("a new chunk is not empty")
    }
}
