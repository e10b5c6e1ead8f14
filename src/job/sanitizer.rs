//! What AddressSanitizer and ThreadSanitizer need to know of jobs, in programs that are built with one of
//! them.
//!
//! ```text
//!   resumer: enter ──► announce the job ──► switch ··· the job runs ··· switch ──► announce the resumer
//!   a job that did not end by returning: the marks of its frames are cleared, and its root's frames go, too
//! ```
//!
//! AddressSanitizer marks the memory between the variables of a frame, and the frame clears its marks when it
//! returns. Frames that are discarded, or unwound, leave their marks behind, and the next job on their stack
//! trips over them. It also keeps the bounds of the running stack, and ThreadSanitizer the open calls on it,
//! so both learn of each switch. The resumer tells them on its own stack, before it enters a job and after
//! the job has left. No code of the program runs between that and the switch, and a job pays nothing for
//! leaving.
//!
//! The functions are those of the sanitizers' common interface, found by weak symbols: where the program is
//! linked with neither, each is null. Rust cannot declare a weak symbol; the assembler can.
#![expect(unsafe_code, reason = "calls what a sanitizer has, if there is one")]

use std::cell::Cell;
use std::ffi::{c_uint, c_void};
use std::ptr;

type Unpoison = unsafe extern "C" fn(*const c_void, usize);
type StartSwitch = unsafe extern "C" fn(save: *mut *mut c_void, bottom: *const c_void, size: usize);
type FinishSwitch = unsafe extern "C" fn(saved: *mut c_void, bottom: *mut *const c_void, size: *mut usize);
type GetFiber = unsafe extern "C" fn() -> *mut c_void;
type CreateFiber = unsafe extern "C" fn(flags: c_uint) -> *mut c_void;
type DestroyFiber = unsafe extern "C" fn(*mut c_void);
type SwitchToFiber = unsafe extern "C" fn(*mut c_void, flags: c_uint);

#[derive(Clone, Copy)]
struct AddressSanitizer {
    unpoison: Unpoison,
    start: StartSwitch,
    finish: FinishSwitch,
}

#[derive(Clone, Copy)]
struct ThreadSanitizer {
    current: GetFiber,
    create: CreateFiber,
    destroy: DestroyFiber,
    switch_to: SwitchToFiber,
}

#[cfg(all(target_pointer_width = "64", not(miri)))]
mod linked {
    use super::{
        AddressSanitizer, CreateFiber, DestroyFiber, FinishSwitch, GetFiber, StartSwitch, SwitchToFiber,
        ThreadSanitizer, Unpoison,
    };

    /// A word for each function, with its address.
    macro_rules! weak {
        ($($place:ident: $function:literal as $type:ty;)*) => {
            std::arch::global_asm!(
                ".pushsection .data.rel.ro.simaccel_weak, \"aw\"",
                ".p2align 3",
                $(
                    concat!(".weak ", $function),
                    concat!(".weak ", stringify!($place)),
                    concat!(".hidden ", stringify!($place)),
                    concat!(stringify!($place), ":"),
                    concat!(".quad ", $function),
                )*
                ".popsection",
            );

            unsafe extern "C" {
                $(static $place: Option<$type>;)*
            }
        };
    }

    weak! {
        simaccel_weak_unpoison: "__asan_unpoison_memory_region" as Unpoison;
        simaccel_weak_start: "__sanitizer_start_switch_fiber" as StartSwitch;
        simaccel_weak_finish: "__sanitizer_finish_switch_fiber" as FinishSwitch;
        simaccel_weak_current: "__tsan_get_current_fiber" as GetFiber;
        simaccel_weak_create: "__tsan_create_fiber" as CreateFiber;
        simaccel_weak_destroy: "__tsan_destroy_fiber" as DestroyFiber;
        simaccel_weak_switch_to: "__tsan_switch_to_fiber" as SwitchToFiber;
    }

    #[inline]
    pub(super) fn address_sanitizer() -> Option<AddressSanitizer> {
        // SAFETY: the words hold addresses of functions of these types, as the sanitizers' headers declare
        // them, or null.
        let (unpoison, start, finish) =
            unsafe { (simaccel_weak_unpoison, simaccel_weak_start, simaccel_weak_finish) };
        Some(AddressSanitizer { unpoison: unpoison?, start: start?, finish: finish? })
    }

    #[inline]
    pub(super) fn thread_sanitizer() -> Option<ThreadSanitizer> {
        // SAFETY: as above.
        let (current, create) = unsafe { (simaccel_weak_current, simaccel_weak_create) };
        // SAFETY: as above.
        let (destroy, switch_to) = unsafe { (simaccel_weak_destroy, simaccel_weak_switch_to) };
        Some(ThreadSanitizer { current: current?, create: create?, destroy: destroy?, switch_to: switch_to? })
    }
}

#[cfg(not(all(target_pointer_width = "64", not(miri))))]
mod linked {
    pub(super) fn address_sanitizer() -> Option<super::AddressSanitizer> {
        None
    }

    pub(super) fn thread_sanitizer() -> Option<super::ThreadSanitizer> {
        None
    }
}

use linked::{address_sanitizer, thread_sanitizer};

/// Whether the program is linked with a sanitizer.
pub(super) fn is_linked() -> bool {
    address_sanitizer().is_some() || thread_sanitizer().is_some()
}

/// What the sanitizers keep for a job; null until the job is entered for the first time.
#[derive(Debug)]
pub(super) struct Marks {
    /// Frames that AddressSanitizer keeps apart, to find uses after return.
    fake_stack: Cell<*mut c_void>,
    /// ThreadSanitizer's state of the job's execution.
    fiber: Cell<*mut c_void>,
}

/// What the sanitizers need for the way back.
pub(super) struct Resumer {
    fake_stack: *mut c_void,
    bottom: *const c_void,
    size: usize,
    fiber: *mut c_void,
}

/// The memory of a job's stack, from its lowest address.
#[derive(Clone, Copy)]
pub(super) struct Region {
    pub(super) bottom: usize,
    pub(super) size: usize,
}

impl Region {
    fn bottom(self) -> *const c_void {
        ptr::with_exposed_provenance(self.bottom)
    }
}

impl Marks {
    pub(super) const fn none() -> Self {
        Self { fake_stack: Cell::new(ptr::null_mut()), fiber: Cell::new(ptr::null_mut()) }
    }

    /// Announces that the job with this stack is entered next.
    #[inline(always)] // no call may be open in one execution and end in another
    pub(super) fn entering(&self, stack: Region) -> Resumer {
        let null = ptr::null_mut();
        let mut resumer = Resumer { fake_stack: null, bottom: null, size: 0, fiber: null };
        if let Some(AddressSanitizer { start, finish, .. }) = address_sanitizer() {
            // SAFETY: a switch that is announced and done, for a stack that is mapped; what the job had is
            // its own.
            unsafe {
                start(&raw mut resumer.fake_stack, stack.bottom(), stack.size);
                finish(self.fake_stack.get(), &raw mut resumer.bottom, &raw mut resumer.size);
            }
        }
        if let Some(ThreadSanitizer { current, create, switch_to, .. }) = thread_sanitizer() {
            // SAFETY: the fiber is made once for each execution, and is not running.
            unsafe {
                if self.fiber.get().is_null() {
                    self.fiber.set(create(0));
                }
                resumer.fiber = current();
                switch_to(self.fiber.get(), 0);
            }
        }
        resumer
    }

    /// Announces that the job has left.
    #[inline(always)] // as above
    pub(super) fn left(&self, resumer: Resumer) {
        if let Some(ThreadSanitizer { switch_to, .. }) = thread_sanitizer() {
            // SAFETY: the resumer is back where it was.
            unsafe { switch_to(resumer.fiber, 0) };
        }
        if let Some(AddressSanitizer { start, finish, .. }) = address_sanitizer() {
            let mut fake_stack = ptr::null_mut();
            // SAFETY: as in `entering`, the other way round, with what that returned.
            unsafe {
                start(&raw mut fake_stack, resumer.bottom, resumer.size);
                finish(resumer.fake_stack, ptr::null_mut(), ptr::null_mut());
            }
            self.fake_stack.set(fake_stack);
        }
    }

    /// Clears the marks of a job that is not running, has no frames any more, and has not returned from all
    /// of them.
    #[cold]
    pub(super) fn forget(&self, stack: Region) {
        if let Some(sanitizer) = address_sanitizer() {
            // SAFETY: nothing lies on the stack that is to be marked.
            unsafe { (sanitizer.unpoison)(stack.bottom(), stack.size) };
            sanitizer.destroy(self.fake_stack.replace(ptr::null_mut()));
        }
        if let Some(ThreadSanitizer { current, destroy, .. }) = thread_sanitizer() {
            let fiber = self.fiber.replace(ptr::null_mut());
            // SAFETY: it is destroyed once. It is not the current fiber, unless the job has ended its thread,
            // and that is excluded.
            unsafe {
                if !fiber.is_null() && fiber != current() {
                    destroy(fiber);
                }
            }
        }
    }
}

impl AddressSanitizer {
    /// Destroys the frames that AddressSanitizer keeps apart for an execution. It does that when an execution
    /// is left for good, so this enters the execution and leaves it.
    fn destroy(self, fake_stack: *mut c_void) {
        if fake_stack.is_null() {
            return;
        }
        let (mut own, mut bottom, mut size) = (ptr::null_mut(), ptr::null(), 0);
        // SAFETY: two switches, each announced and done; the bounds are wrong only between them, and nothing
        // reads them there.
        unsafe {
            (self.start)(&raw mut own, fake_stack, 1);
            (self.finish)(fake_stack, &raw mut bottom, &raw mut size);
            (self.start)(ptr::null_mut(), bottom, size);
            (self.finish)(own, ptr::null_mut(), ptr::null_mut());
        }
    }
}
