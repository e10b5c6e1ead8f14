//! Leases: how a thread uses a queue pair that its engine owns.
//!
//! ```text
//!   engine ──owns──► queue pairs, remotes         gone with the engine, even if an instance is left
//!     ▲ weak              ▲ pointers
//!     └──── instance ── Lease                     in a thread's table, which learns of the engine's end later
//! ```
//!
//! The rule: only code that holds the engine uses a lease. An instance is found for an engine and used on its
//! behalf. Other entries of a table are read only to see which engine they belong to.
#![expect(unsafe_code, reason = "follows pointers into the engine, which outlives their use")]

use std::cell::{RefCell, RefMut};
use std::fmt;
use std::ptr::NonNull;
use std::sync::{Mutex, MutexGuard, PoisonError};

use simaccel_device::{Completion, QueuePair, Remote};

/// The queue pairs of an engine.
#[derive(Debug)]
pub(crate) struct Pairs {
    /// All but the last, each for one thread at a time.
    own: Box<[Place]>,
    /// The indices that no thread has.
    free: Mutex<Free>,
    /// The last one, for all threads that find no other.
    shared: Mutex<QueuePair>,
    /// The operations on their requests that any thread may use, by index.
    remotes: Box<[Remote]>,
}

/// The indices of pairs that no thread has.
#[derive(Debug)]
struct Free {
    /// The last one is used next.
    idle: Vec<usize>,
    /// What the thread that has ended has in flight there is reaped by others, so none gets the pair before.
    orphaned: Vec<usize>,
}

/// A queue pair for one thread at a time.
struct Place(RefCell<QueuePair>);

/// Printing an engine does not look into any thread's pair.
impl fmt::Debug for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Place")
    }
}

// SAFETY: a place is accessed through its lease, or by the holder of the lock of the free ones, if its index
// is among those. There is one lease at a time, while the index is not among the free ones; a lease stays on
// its thread; and indices go from thread to thread through that lock.
unsafe impl Sync for Place {}

impl Pairs {
    /// `None` when there is no pair at all.
    pub(crate) fn new(mut pairs: Vec<QueuePair>) -> Option<Self> {
        let remotes = pairs.iter().map(|pair| pair.remote().clone()).collect();
        let shared = Mutex::new(pairs.pop()?);
        let own: Box<[_]> = pairs.into_iter().map(|pair| Place(RefCell::new(pair))).collect();
        let free = Mutex::new(Free { idle: (0..own.len()).rev().collect(), orphaned: Vec::new() });
        Some(Self { own, free, shared, remotes })
    }

    /// A pair for the calling thread.
    pub(super) fn lease(&self) -> Lease {
        let own = self.next_free();
        let (index, access) = match own {
            Some(index) => (index, Access::Own(NonNull::from(&self.own[index]))),
            None => (self.own.len(), Access::Shared(NonNull::from(&self.shared))),
        };
        self.leased(index, access)
    }

    /// The same in a forked child, where the lock may have been inherited locked, and no pair is of use.
    pub(super) fn lease_inherited(&self) -> Lease {
        self.leased(self.own.len(), Access::Inherited)
    }

    fn leased(&self, index: usize, access: Access) -> Lease {
        Lease { index, access, remote: NonNull::from(&self.remotes[index]) }
    }

    fn next_free(&self) -> Option<usize> {
        let Free { idle, orphaned } = &mut *lock(&self.free);
        idle.pop().or_else(|| {
            let at = orphaned.iter().position(|&index| self.remotes[index].is_idle())?;
            Some(orphaned.swap_remove(at))
        })
    }

    /// Takes back a lease of [`Pairs::lease`]. `is_orphaned`: [`Pairs::reap_orphan`] is called while
    /// something is in flight.
    pub(super) fn give_back(&self, lease: &mut Lease, is_orphaned: bool) {
        if !lease.is_own() {
            return;
        }
        lease.with_pair(|pair| {
            pair.hold_back(false);
            pair.flush();
        });
        lease.access = Access::Returned;
        let Free { idle, orphaned } = &mut *lock(&self.free);
        if is_orphaned { orphaned } else { idle }.push(lease.index);
    }

    /// Reaps an orphaned pair, and frees the slots; `false`: a thread has it.
    pub(super) fn reap_orphan(&self, index: usize, f: &mut dyn FnMut(Completion)) -> bool {
        // Held until the end: no thread gets the pair meanwhile.
        let free = lock(&self.free);
        let is_orphaned = free.orphaned.contains(&index);
        if is_orphaned {
            self.own[index].0.borrow_mut().reap(usize::MAX, f);
        }
        is_orphaned
    }
}

/// One thread's use of a queue pair.
pub(super) struct Lease {
    index: usize,
    access: Access,
    remote: NonNull<Remote>,
}

enum Access {
    Own(NonNull<Place>),
    Shared(NonNull<Mutex<QueuePair>>),
    /// It was given back: the thread is ending.
    Returned,
    /// The engine is the parent's, and so are its pairs.
    Inherited,
}

impl Lease {
    /// The device's index of the pair.
    pub(super) const fn index(&self) -> usize {
        self.index
    }

    /// Whether the pair is this thread's own.
    pub(super) const fn is_own(&self) -> bool {
        matches!(self.access, Access::Own(_))
    }

    /// The operations on the pair's requests that any thread may use.
    #[inline]
    pub(super) const fn remote(&self) -> &Remote {
        // SAFETY: the remotes lie in a box of the engine that never changes, and by the rule of this file it
        // is there.
        unsafe { self.remote.as_ref() }
    }

    #[inline]
    pub(super) fn with_pair<R>(&self, body: impl FnOnce(&mut QueuePair) -> R) -> R {
        match self.access {
            // SAFETY: the places lie in a box of the engine, which by the rule of this file is there, and
            // this is the only lease of this place, which is not among the free ones.
            Access::Own(place) => body(&mut unsafe { place.as_ref() }.0.borrow_mut()),
            // SAFETY: the shared pair lies in the engine, which is not moved, and by the rule of this file is
            // there.
            Access::Shared(pair) => body(&mut lock(unsafe { pair.as_ref() })),
            Access::Returned => unreachable!("an instance is out of the table before its pair goes back"),
            Access::Inherited => unreachable!("nothing of an inherited engine reaches a pair"),
        }
    }

    /// The queue pair, if it is this thread's own.
    #[cfg_attr(not(debug_assertions), inline(always))]
    pub(super) fn own_pair(&self) -> Option<RefMut<'_, QueuePair>> {
        match self.access {
            // SAFETY: as in `with_pair`.
            Access::Own(place) => Some(unsafe { place.as_ref() }.0.borrow_mut()),
            Access::Shared(_) | Access::Returned | Access::Inherited => None,
        }
    }

    /// The queue pair, if it is this thread's own and not in use.
    pub(super) fn idle_pair(&self) -> Option<RefMut<'_, QueuePair>> {
        match self.access {
            // SAFETY: as in `with_pair`.
            Access::Own(place) => unsafe { place.as_ref() }.0.try_borrow_mut().ok(),
            Access::Shared(_) | Access::Returned | Access::Inherited => None,
        }
    }
}

/// Printing does not need the engine.
impl fmt::Debug for Lease {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lease").field("index", &self.index).field("own", &self.is_own()).finish()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
