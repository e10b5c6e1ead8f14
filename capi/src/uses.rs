//! Uses of sessions by operations, and sessions that are freed while operations use them.
//!
//! ```text
//!   the thread that made it     counts its uses without a locked instruction (see `simaccel::Uses`)
//!   another thread              takes a share
//!   .._free, in any thread      the owner's share goes: at once, or at the end of the last counted use, until
//!                               which it is in a list
//! ```
//!
//! The list belongs to a process: a forked child may inherit it locked, and begins its own. So what was in
//! the list at the fork stays in the child's memory. Processes are told apart by the forks between them: a
//! child in a PID namespace of its own may have its parent's number.
#![expect(unsafe_code, reason = "a use of a handle's target keeps the target")]

use std::ptr::{self, NonNull};
use std::sync::Arc;
use std::sync::atomic::{AtomicPtr, Ordering};

use simaccel::job::raw::{self, Held};
use simaccel::simaccel_device::process::fork;
use simaccel::{GivenUp, Used, Uses};

/// A handle's target, which C makes and frees, and whose uses are counted.
pub(crate) trait Counted: Send + Sync + 'static {
    /// The parameter's name in C.
    const NAME: &'static str;

    fn uses(&self) -> &Uses;
}

/// The owner's share of a target that was freed.
struct Freed {
    target: NonNull<()>,
    uses: NonNull<Uses>,
    drop_share: unsafe fn(NonNull<()>),
}

// SAFETY: all threads may use and drop a target, and this is a share of one.
unsafe impl Send for Freed {}

impl Used for Freed {
    fn uses(&self) -> &Uses {
        // SAFETY: a part of the target, which exists at least as long as this share of it.
        unsafe { self.uses.as_ref() }
    }
}

impl Freed {
    /// # Safety
    ///
    /// The owner's share of `target`, which is an `Arc`'s, becomes this one.
    unsafe fn new<T: Counted>(target: NonNull<T>) -> Self {
        // SAFETY: the caller's promise.
        let uses = NonNull::from(unsafe { target.as_ref() }.uses());
        Self { target: target.cast(), uses, drop_share: drop_share::<T> }
    }

    fn drop_share(self) {
        // SAFETY: it is the target's own function, and the share is given up with `self`.
        unsafe { (self.drop_share)(self.target) };
    }
}

/// # Safety
///
/// A share of `target` is given up by this.
unsafe fn drop_share<T: Counted>(target: NonNull<()>) {
    // SAFETY: the caller's promise.
    drop(unsafe { Arc::from_raw(target.cast::<T>().as_ptr()) });
}

/// A process's list.
struct List {
    /// As of [`fork::generation`].
    generation: u64,
    freed: GivenUp<Freed>,
}

/// The list of this process, or of the one that it was forked from. Null at first. A list is never dropped.
static LIST: AtomicPtr<List> = AtomicPtr::new(ptr::null_mut());

impl List {
    #[cfg_attr(not(debug_assertions), inline(always))]
    fn existing() -> Option<&'static Self> {
        // SAFETY: null, or a list that is never dropped.
        unsafe { LIST.load(Ordering::Acquire).as_ref() }
    }

    /// This process's.
    fn here() -> &'static Self {
        let generation = fork::generation();
        let before = Self::existing();
        match before {
            Some(list) if list.generation == generation => list,
            _ => Self::install(generation, before),
        }
    }

    fn install(generation: u64, before: Option<&'static Self>) -> &'static Self {
        let before = before.map_or(ptr::null_mut(), |list| ptr::from_ref(list).cast_mut());
        let list = Box::into_raw(Box::new(Self { generation, freed: GivenUp::new() }));
        match LIST.compare_exchange(before, list, Ordering::AcqRel, Ordering::Acquire) {
            // SAFETY: never dropped from here on.
            Ok(_) => unsafe { &*list },
            Err(winner) => {
                // SAFETY: made just now, and no other thread has seen it. The other list is another thread's
                // of this process, which is never dropped.
                unsafe {
                    drop(Box::from_raw(list));
                    &*winner
                }
            }
        }
    }
}

/// No use yet, by this thread.
pub(crate) fn of_this_thread() -> Uses {
    Uses::of_thread(raw::thread())
}

/// Begins a use of a handle's target, which ends when the result is dropped, in this thread.
///
/// # Safety
///
/// C has got `target` of an `Arc`, and has not freed it yet.
#[cfg_attr(not(debug_assertions), inline(always))] // see simaccel's fiber.rs on returns
pub(crate) unsafe fn begin<T: Counted>(target: NonNull<T>) -> Held {
    // SAFETY: the caller's promise.
    if unsafe { target.as_ref() }.uses().begin(raw::thread()) {
        // SAFETY: the use has begun in this thread, and keeps the target until it ends.
        unsafe { Held::new(target.cast(), end::<T>) }
    } else {
        // SAFETY: the caller's promise.
        unsafe { share(target) }
    }
}

/// # Safety
///
/// As for [`begin`].
#[cold]
unsafe fn share<T: Counted>(target: NonNull<T>) -> Held {
    // SAFETY: made from an `Arc`, and the owner has a share of it.
    let share = unsafe {
        Arc::increment_strong_count(target.as_ptr());
        Arc::from_raw(target.as_ptr())
    };
    share.into()
}

/// # Safety
///
/// A use of the target has begun in this thread, and has not ended.
unsafe fn end<T: Counted>(target: NonNull<()>) {
    // SAFETY: the use keeps the target until here.
    unsafe { target.cast::<T>().as_ref() }.uses().end();
    if List::existing().is_some_and(|list| list.freed.is_any()) {
        drop_unused();
    }
}

#[cold]
fn drop_unused() {
    List::here().freed.take_unused().into_iter().for_each(Freed::drop_share);
}

/// Gives up the owner's share of a handle's target: it goes at the end of the target's last use.
///
/// # Safety
///
/// `target` is null, or C has got it of an `Arc`, and has not freed it yet. No use of it begins from here on.
pub(crate) unsafe fn give_up<T: Counted>(target: *mut T) {
    let Some(target) = NonNull::new(target) else { return };
    // SAFETY: the caller's promise.
    let freed = unsafe { Freed::new(target) };
    if freed.uses().is_unused() {
        freed.drop_share();
    } else {
        List::here().freed.give_up(freed).into_iter().for_each(Freed::drop_share);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Runs `body` in a forked child; with `apart`, in a PID namespace of its own. Returns what the child
    /// exits with; `None`: the system makes no such namespaces.
    fn in_child(apart: bool, body: impl FnOnce() -> bool) -> Option<bool> {
        const NO_NAMESPACE: i32 = 3;
        let mut status = 0;
        // SAFETY: the child calls what a child may: system calls, this module, and `_exit`. No other thread
        // of this process holds a lock that it needs.
        unsafe {
            let child = libc::fork();
            assert!(child >= 0);
            if child == 0 {
                let fails = |spaces| libc::unshare(spaces) != 0;
                if apart && fails(libc::CLONE_NEWPID) && fails(libc::CLONE_NEWUSER | libc::CLONE_NEWPID) {
                    libc::_exit(NO_NAMESPACE);
                }
                libc::_exit(i32::from(!body()));
            }
            assert_eq!(libc::waitpid(child, &raw mut status, 0), child);
        }
        assert!(libc::WIFEXITED(status), "{status}");
        (libc::WEXITSTATUS(status) != NO_NAMESPACE).then(|| libc::WEXITSTATUS(status) == 0)
    }

    /// Two processes with the number 1, one the other's child.
    #[test]
    fn a_child_has_a_list_of_its_own_though_its_number_is_its_parents() {
        let is_own = || {
            let parents: *const List = List::here();
            let has_own = || !ptr::eq(parents, List::here());
            in_child(false, has_own) == Some(true)
        };
        assert!(is_own());
        let in_namespaces = in_child(true, || {
            in_child(true, || {
                let (parents, number) = (ptr::from_ref(List::here()), std::process::id());
                let has_own = || std::process::id() == number && !ptr::eq(parents, List::here());
                in_child(false, has_own) == Some(true)
            }) == Some(true)
        });
        if in_namespaces.is_none() {
            // Then processes have different numbers, and the first half is the whole test.
            println!("this system makes no PID namespaces for its users");
            return;
        }
        assert_eq!(in_namespaces, Some(true));
    }
}
