//! The directory of all jobs of the process: resolves a handle in any thread.
//!
//! ```text
//!   handle = generation · index ──► entry { job, ctx, pool, record }
//!
//!   the job's thread     start: ctx, job           end: job            by plain stores, in this order
//!   any other            job? ctx. job still?      the context's user data, if the job is unfinished
//! ```
//!
//! An index belongs to one job in the whole process, so handles differ between threads. Entries are never
//! unmapped: a stale handle leads to an entry that shows it is stale, in any thread and at any time. Entries
//! do not come from the heap, because leak checkers would report them as lost.
#![expect(unsafe_code, reason = "entries lie in mappings that stay")]

use std::io;
use std::ptr::{self, NonNull};
use std::sync::atomic::{AtomicPtr, AtomicU32, AtomicU64, AtomicUsize, Ordering};

use super::pool::Pool;
use super::raw::Handle;
use super::record::Record;

/// Entries of the first bucket: one page. Each later bucket has twice as many as the one before.
const FIRST: u32 = 128;
const BUCKETS: usize = 26;

/// An entry for a job. All zero: never used.
#[repr(C, align(32))]
struct Entry {
    /// The handle of the unfinished raw job whose context any thread may ask for. In other entries: the next
    /// generation, above an index that no job has.
    job: AtomicU64,
    /// The user data of that context; in a free entry, one more than the next free index.
    ctx: AtomicUsize,
    /// The pool that owns the record; null in a free entry.
    pool: AtomicPtr<Pool>,
    record: AtomicPtr<Record>,
}

static PLACES: [AtomicPtr<Entry>; BUCKETS] = [const { AtomicPtr::new(ptr::null_mut()) }; BUCKETS];
/// How many indices were ever handed out.
static USED: AtomicU32 = AtomicU32::new(0);
/// One more than the index of the first free entry, below a count of changes, because the same entry may
/// return between a load and a store (ABA).
static FREE: AtomicU64 = AtomicU64::new(0);

/// Takes an entry for a new record. Returns its index, and the first generation of the record.
pub(super) fn take() -> io::Result<(u32, u32)> {
    if let Some(index) = pop() {
        let entry = entry(index).expect("a free entry is there");
        return Ok((index, Handle::from_bits(entry.job.load(Ordering::Relaxed)).generation()));
    }
    let index = USED.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |used| used.checked_add(1));
    let index = index.map_err(|_| io::ErrorKind::OutOfMemory)?;
    // When there is no memory, the index stays unused.
    map_for(index)?;
    // Numbers that programs are unlikely to make up.
    Ok((index, index.wrapping_add(1).wrapping_mul(0x9E37_79B9)))
}

/// Stores a record in its entry.
pub(super) fn put(index: u32, pool: &Pool, record: NonNull<Record>) {
    let entry = entry(index).expect("an entry that was taken is there");
    entry.record.store(record.as_ptr(), Ordering::Relaxed);
    entry.pool.store(ptr::from_ref(pool).cast_mut(), Ordering::Relaxed);
}

/// Gives an entry back, with the first generation of the next record.
pub(super) fn give_back(index: u32, generation: u32) {
    let entry = entry(index).expect("an entry that was taken is there");
    entry.pool.store(ptr::null_mut(), Ordering::Relaxed);
    entry.record.store(ptr::null_mut(), Ordering::Relaxed);
    entry.job.store(u64::from(generation) << 32, Ordering::Relaxed);
    push(index, entry);
}

/// The record with this index, if it belongs to this pool.
#[inline]
pub(super) fn record(index: u32, pool: &Pool) -> Option<NonNull<Record>> {
    let entry = entry(index)?;
    // Only the pool's own thread stores the pool there.
    if !ptr::eq(entry.pool.load(Ordering::Relaxed), pool) {
        return None;
    }
    NonNull::new(entry.record.load(Ordering::Relaxed))
}

/// Publishes a raw job that begins: from here on every thread finds the user data of its context.
#[inline]
pub(super) fn publish(job: Handle, ctx: usize) {
    let Some(entry) = entry(job.index()) else { return };
    entry.ctx.store(ctx, Ordering::Release);
    entry.job.store(job.to_bits(), Ordering::Release);
}

/// Withdraws a job that has ended, or whose context is gone: no thread finds it any more.
#[inline]
pub(super) fn withdraw(job: Handle) {
    let Some(entry) = entry(job.index()) else { return };
    // Every thread that sees what is stored in the entry after this also sees this store.
    entry.job.store(0, Ordering::Relaxed);
}

/// The user data of the context of an unfinished raw job of any thread.
pub(super) fn ctx(job: Handle) -> Option<usize> {
    let entry = entry(job.index())?;
    let is_it = |order| entry.job.load(order) == job.to_bits();
    // A thread that sees what was stored for a later job also sees this job's end.
    let ctx = is_it(Ordering::Acquire).then(|| entry.ctx.load(Ordering::Acquire))?;
    is_it(Ordering::Relaxed).then_some(ctx)
}

/// The entry with this index, if the index was ever used.
#[inline]
fn entry(index: u32) -> Option<&'static Entry> {
    let (bucket, at) = place(index);
    let first = PLACES.get(bucket)?.load(Ordering::Acquire);
    if first.is_null() {
        return None;
    }
    // SAFETY: a bucket is mapped for ever, zeros are valid entries, and `at` is less than its length.
    Some(unsafe { &*first.add(at) })
}

/// The bucket of an index, and the position in it.
#[inline]
#[expect(
    clippy::cast_possible_truncation,
    reason = "an offset in a bucket is less than its length, below 2^32"
)]
const fn place(index: u32) -> (usize, usize) {
    let shifted = index as u64 + FIRST as u64;
    let bucket = shifted.ilog2() - FIRST.ilog2();
    (bucket as usize, (shifted - ((FIRST as u64) << bucket)) as usize)
}

#[cold]
fn map_for(index: u32) -> io::Result<()> {
    let (bucket, _) = place(index);
    let first = &PLACES[bucket];
    if !first.load(Ordering::Acquire).is_null() {
        return Ok(());
    }
    let size = ((FIRST as usize) << bucket) * size_of::<Entry>();
    let (access, kind) = (libc::PROT_READ | libc::PROT_WRITE, libc::MAP_PRIVATE | libc::MAP_ANONYMOUS);
    // SAFETY: a new mapping, which touches none that is there.
    let mapped = unsafe { libc::mmap(ptr::null_mut(), size, access, kind, -1, 0) };
    if mapped == libc::MAP_FAILED {
        return Err(io::Error::last_os_error());
    }
    let won = first.compare_exchange(ptr::null_mut(), mapped.cast(), Ordering::AcqRel, Ordering::Acquire);
    if won.is_err() {
        // SAFETY: mapped above with this size, and no other thread has its address: another thread's bucket
        // is in use.
        unsafe { libc::munmap(mapped, size) };
    }
    Ok(())
}

fn pop() -> Option<u32> {
    let mut head = FREE.load(Ordering::Acquire);
    loop {
        let index = first_of(head)?;
        let next = entry(index)?.ctx.load(Ordering::Relaxed);
        match FREE.compare_exchange_weak(head, changed(head, next), Ordering::AcqRel, Ordering::Acquire) {
            Ok(_) => return Some(index),
            Err(now) => head = now,
        }
    }
}

fn push(index: u32, entry: &Entry) {
    let mut head = FREE.load(Ordering::Relaxed);
    loop {
        entry.ctx.store(first_of(head).map_or(0, |first| first as usize + 1), Ordering::Release);
        let new = changed(head, index as usize + 1);
        match FREE.compare_exchange_weak(head, new, Ordering::AcqRel, Ordering::Relaxed) {
            Ok(_) => return,
            Err(now) => head = now,
        }
    }
}

#[expect(clippy::cast_possible_truncation, reason = "the lower half is meant")]
const fn first_of(head: u64) -> Option<u32> {
    (head as u32).checked_sub(1)
}

/// The head of the list after one more change; `first` is one more than an index, or 0.
const fn changed(head: u64, first: usize) -> u64 {
    (((head >> 32) + 1) << 32) | first as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_index_has_a_place_of_its_own() {
        let mut expected = (0, 0);
        for index in 0..100_000 {
            assert_eq!(place(index), expected, "{index}");
            expected.1 += 1;
            if expected.1 == (FIRST as usize) << expected.0 {
                expected = (expected.0 + 1, 0);
            }
        }
        assert_eq!(place(u32::MAX).0, BUCKETS - 1);
    }

    #[test]
    fn entries_come_back_with_their_generation() {
        let (index, generation) = take().unwrap();
        give_back(index, generation.wrapping_add(5));
        // Other tests take entries too.
        let mut taken = Vec::new();
        let found = loop {
            let (other, generation) = take().unwrap();
            if other == index {
                break generation;
            }
            taken.push((other, generation));
        };
        assert_eq!(found, generation.wrapping_add(5));
        taken.push((index, found));
        taken.into_iter().for_each(|(index, generation)| give_back(index, generation));
    }

    #[test]
    fn a_context_is_found_for_as_long_as_its_job_has_it() {
        let (index, generation) = take().unwrap();
        let (job, next) = (Handle::new(index, generation), Handle::new(index, generation).next());
        assert_eq!(ctx(job), None);
        publish(job, 7);
        assert_eq!((ctx(job), ctx(next)), (Some(7), None));
        withdraw(job);
        assert_eq!(ctx(job), None);
        publish(next, 8);
        assert_eq!((ctx(job), ctx(next)), (None, Some(8)));
        withdraw(next);
        assert_eq!(ctx(Handle::from_bits(0)), None);
        assert_eq!(ctx(Handle::from_bits(u64::MAX)), None);
        give_back(index, next.next().generation());
    }
}
