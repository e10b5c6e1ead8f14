//! What a wait context has of us: an fd, what the engine keeps with it, and the operations that are paused in
//! it.
#![expect(unsafe_code, reason = "a registration is owned by its wait context, through a pointer of C")]

use std::any::Any;
use std::cell::RefCell;
use std::ffi::{c_int, c_void};
use std::fmt;
use std::os::fd::AsRawFd;
use std::ptr::{self, NonNull};
use std::rc::Rc;
use std::sync::Arc;

use nix::sys::eventfd::{EfdFlags, EventFd};
use simaccel::foreign::{self, Lock, OpenFd};

use super::operation::Operation;
use crate::conduct::Watched;
use crate::ossl::fence::fence;
use crate::ossl::jobs::{Ctx, WaitCtx};

/// Owned by its wait context until that ends.
pub(super) struct Registration {
    key: usize,
    /// Kept open as long as the context has it.
    fd: OpenFd,
    /// What the engine keeps with it; `None` for one that only tells the context's end.
    data: Option<Rc<dyn Any>>,
    on_end: Option<Box<dyn FnOnce()>>,
    /// How the application uses the context; `None` for a probe.
    watched: Option<Arc<Watched>>,
    /// The operations whose jobs are paused: nearly always one.
    paused: RefCell<Vec<NonNull<Operation>>>,
}

impl fmt::Debug for Registration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Registration").field("paused", &self.paused).finish_non_exhaustive()
    }
}

impl Registration {
    /// The registration under `key`.
    pub(super) fn find(ctx: Ctx, key: usize) -> Option<NonNull<Self>> {
        ctx.find(key).map(NonNull::cast)
    }

    /// Registers an fd. Where there is no memory for it the context counts as ended.
    pub(super) fn make(
        ctx: Ctx,
        key: usize,
        fd: OpenFd,
        data: Option<Rc<dyn Any>>,
        on_end: Option<Box<dyn FnOnce()>>,
        watched: Option<Arc<Watched>>,
    ) -> Option<NonNull<Self>> {
        let number = fd.as_fd().as_raw_fd();
        let registration = Box::new(Self { key, fd, data, on_end, watched, paused: RefCell::default() });
        let registration = NonNull::from(Box::leak(registration));
        // SAFETY: the context owns the registration from here on, and its cleanup frees it.
        if unsafe { ctx.register(key, number, registration.cast(), cleanup) } {
            return Some(registration);
        }
        // SAFETY: leaked above, and the context has refused it, so no other code has the pointer.
        unsafe { Box::from_raw(registration.as_ptr()) }.end();
        None
    }

    /// Takes it from its context before that ends.
    ///
    /// # Safety
    ///
    /// It was made in this context, which has it, and no operation is paused in it.
    pub(super) unsafe fn withdraw(ctx: Ctx, registration: NonNull<Self>) {
        // SAFETY: the caller's promise. From here on the context does not have it.
        let registration = unsafe {
            ctx.clear(registration.as_ref().key);
            Box::from_raw(registration.as_ptr())
        };
        registration.end();
    }

    /// What the engine keeps with it.
    pub(super) fn data(&self) -> Option<Rc<dyn Any>> {
        self.data.clone()
    }

    /// Makes its fd readable, for one more resume.
    pub(super) fn make_readable(&self) {
        if let Some(watched) = &self.watched {
            watched.woken();
        }
        // The only possible error is a counter at its maximum, and then the fd is readable.
        let _ = nix::unistd::write(self.fd.as_fd(), &foreign::SPURIOUS_WAKE.to_ne_bytes());
    }

    /// How the application uses the context.
    pub(super) fn watched(&self) -> Option<&Arc<Watched>> {
        self.watched.as_ref()
    }

    pub(super) fn add(&self, operation: NonNull<Operation>) {
        self.paused.borrow_mut().push(operation);
    }

    pub(super) fn remove(&self, operation: NonNull<Operation>) {
        self.paused.borrow_mut().retain(|other| *other != operation);
    }

    /// The context has ended: what is paused there never goes on.
    fn end(self) {
        if let Some(watched) = &self.watched {
            watched.end();
        }
        for operation in self.paused.take() {
            // SAFETY: it is paused, and its job does not go on.
            unsafe { Operation::give_up(operation) };
        }
        if let Some(on_end) = self.on_end {
            on_end();
        }
        drop(self.fd);
    }
}

/// The cleanup that a context calls when it ends.
unsafe extern "C" fn cleanup(_: *mut WaitCtx, _: *const c_void, _: c_int, data: *mut c_void) {
    fence(|| {
        // SAFETY: the data of a registration that was made with this cleanup, which is called once.
        let registration = unsafe { Box::from_raw(data.cast::<Registration>()) };
        registration.end();
    });
}

/// The key of the registration that tells the end of a context with a callback.
static END: u8 = 0;

/// The registration that tells the end of this context, and whether it was made now. `None`: there is no fd
/// for it.
pub(super) fn of_end(ctx: Ctx) -> Option<(NonNull<Registration>, bool)> {
    let key = ptr::from_ref(&END).addr();
    if let Some(found) = Registration::find(ctx, key) {
        return Some((found, false));
    }
    let watched = Some(Watched::begin(ctx.address()));
    Some((Registration::make(ctx, key, never_readable()?, None, None, watched)?, true))
}

/// An fd that never becomes readable: one for the process, and another for a child of it, which may have
/// closed the parent's.
pub(super) fn never_readable() -> Option<OpenFd> {
    static FD: Lock<Option<(u64, OpenFd)>> = Lock::new(None);
    let forks = foreign::forks();
    let mut kept = FD.lock();
    if let Some((born, fd)) = kept.as_deref().and_then(Option::as_ref)
        && *born == forks
    {
        return Some(Arc::clone(fd));
    }
    let fd: OpenFd =
        Arc::new(EventFd::from_value_and_flags(0, EfdFlags::EFD_CLOEXEC | EfdFlags::EFD_NONBLOCK).ok()?);
    // Not kept in a child that has inherited the lock locked.
    let Some(kept) = &mut kept else { return Some(fd) };
    if let Some(of_parent) = kept.replace((forks, Arc::clone(&fd))) {
        // Its number may be another file's by now.
        std::mem::forget(of_parent);
    }
    Some(fd)
}
