//! The gate of a wait context that several threads use, as in C programs: one thread at a time is inside.
//!
//! ```text
//!   a job is started, resumed, discarded; the context ends     work: another thread is refused meanwhile
//!   a call that looks at the context, or changes it            brief: another thread waits
//!   the same thread                                            is inside already (a call of the running job,
//!                                                              of a cleanup)
//! ```
//!
//! The thread inside has everything in a context except its status: the lists, the engines' registrations,
//! and the reference counts, which are not atomic. So an owner gives up its reference inside. The store that
//! opens the gate is the last access to the context, because another thread may free it from then on.
//!
//! How threads come and go is in the [device's crate](simaccel_device::gate): the first thread that runs a
//! job on the context does so without a locked instruction.
//!
//! A context of Rust code has no gate: the compiler keeps it on its thread.
#![expect(unsafe_code, reason = "opens a gate whose context may be freed right after")]

use std::mem;
use std::ptr::NonNull;
use std::rc::Rc;
use std::thread;

use super::front::Front;
use super::wait_ctx::Shared;
pub(super) use crate::sync::gate::InUse;
use crate::sync::gate::{self, Entry, Stay};

#[derive(Debug)]
pub(super) struct Gate(gate::Gate);

/// A stay inside a gate. Dropping it ends the stay.
#[derive(Debug)]
pub struct Inside {
    gate: NonNull<gate::Gate>,
    entry: Entry,
}

impl Default for Gate {
    /// No gate.
    fn default() -> Self {
        Self(gate::Gate::none())
    }
}

impl Gate {
    pub(super) fn open() -> Self {
        Self(gate::Gate::open())
    }

    /// Enters until the stay is dropped.
    #[inline]
    pub(super) fn enter(&self) -> Result<Inside, InUse> {
        Ok(self.inside(self.0.enter(Front::thread(), Stay::Work)?))
    }

    /// Enters for a call that leaves at once and runs no foreign code.
    pub(super) fn enter_briefly(&self) -> Result<Inside, InUse> {
        Ok(self.inside(self.0.enter(Front::thread(), Stay::Brief)?))
    }

    /// Takes over the stay of a frame of this thread that will not end it.
    pub(super) fn inherit(&self) -> Inside {
        self.inside(self.0.entry_of(Front::thread()))
    }

    /// Enters as soon as no other thread is inside. Does not wait in a forked child, where that may be a
    /// thread of the parent.
    pub(super) fn enter_waiting(&self) -> Result<Inside, InUse> {
        loop {
            match self.enter() {
                Err(InUse) if !self.0.is_inherited() => thread::yield_now(),
                entered => return entered,
            }
        }
    }

    #[inline]
    fn inside(&self, entry: Entry) -> Inside {
        Inside { gate: NonNull::from(&self.0), entry }
    }
}

impl Inside {
    /// A stay that needs no end.
    pub(super) const fn nothing() -> Self {
        Self { gate: NonNull::dangling(), entry: Entry::Nothing }
    }

    /// Gives up a reference to a context and leaves it. The last owner frees the context, gate and all; any
    /// other owner gives up its reference while it is inside.
    #[inline]
    pub(super) fn leave_with(self, ctx: Option<Rc<Shared>>) {
        match ctx {
            Some(ctx) if Rc::strong_count(&ctx) == 1 => {
                mem::forget(self);
                drop(ctx);
            }
            ctx => {
                drop(ctx);
                drop(self);
            }
        }
    }
}

impl Drop for Inside {
    #[inline]
    fn drop(&mut self) {
        if self.entry != Entry::Nothing {
            // SAFETY: the gate of a context that has an owner: an owner gives up its reference only inside,
            // and only this stay is inside.
            unsafe { self.gate.as_ref() }.leave(self.entry);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::cell::UnsafeCell;
    use std::sync::atomic::{AtomicBool, Ordering};

    use super::*;

    /// A count that only the thread inside may touch. It is plain memory: miri reports two threads that are
    /// inside at once.
    struct Guarded {
        gate: Gate,
        count: UnsafeCell<usize>,
    }

    // SAFETY: the count is touched inside the gate only.
    unsafe impl Sync for Guarded {}

    impl Guarded {
        fn new() -> Self {
            Self { gate: Gate::open(), count: UnsafeCell::new(0) }
        }

        fn count_up(&self, inside: &Inside) {
            assert_ne!(inside.entry, Entry::Nothing);
            // SAFETY: this thread is inside, and a stay ends after this call.
            unsafe { *self.count.get() += 1 };
        }
    }

    #[test]
    fn one_thread_at_a_time_is_inside() {
        const TURNS: usize = if cfg!(miri) { 30 } else { 20_000 };
        let guarded = Guarded::new();
        thread::scope(|scope| {
            for briefly in [true, true, false] {
                let guarded = &guarded;
                scope.spawn(move || {
                    for _ in 0..TURNS {
                        // A brief call is refused where a job runs, and comes again.
                        let inside = loop {
                            match if briefly { guarded.gate.enter_briefly() } else { guarded.gate.enter() } {
                                Ok(inside) => break inside,
                                Err(InUse) => thread::yield_now(),
                            }
                        };
                        guarded.count_up(&inside);
                    }
                });
            }
        });
        assert_eq!(guarded.count.into_inner(), 3 * TURNS);
    }

    #[test]
    fn the_same_thread_is_inside_already_and_another_is_refused() {
        let gate = Gate::open();
        let outer = gate.enter().unwrap();
        let inner = gate.enter_briefly().unwrap();
        assert_eq!(inner.entry, Entry::Nothing, "the outer stay ends it");
        drop(inner);
        thread::scope(|scope| {
            let other = scope.spawn(|| (gate.enter().is_err(), gate.enter_briefly().is_err()));
            assert_eq!(other.join().unwrap(), (true, true));
        });
        drop(outer);
        thread::scope(|scope| scope.spawn(|| drop(gate.enter().unwrap())).join().unwrap());
    }

    #[test]
    fn a_thread_that_waits_comes_in_when_the_stay_ends() {
        let guarded = Guarded::new();
        let waits = AtomicBool::new(false);
        thread::scope(|scope| {
            let inside = guarded.gate.enter().unwrap();
            let other = scope.spawn(|| {
                waits.store(true, Ordering::Release);
                guarded.count_up(&guarded.gate.enter_waiting().unwrap());
            });
            while !waits.load(Ordering::Acquire) {
                thread::yield_now();
            }
            guarded.count_up(&inside);
            drop(inside);
            other.join().unwrap();
        });
        assert_eq!(guarded.count.into_inner(), 2);
    }

    #[test]
    fn without_a_gate_every_thread_comes_in() {
        let gate = Gate::default();
        let inside = gate.enter().unwrap();
        assert_eq!(inside.entry, Entry::Nothing);
        thread::scope(|scope| assert!(scope.spawn(|| gate.enter().is_ok()).join().unwrap()));
    }
}
