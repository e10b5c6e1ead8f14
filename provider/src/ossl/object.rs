//! Objects that libcrypto keeps for us behind a `void *`.
#![expect(unsafe_code, reason = "an object goes to C and back by address")]

use std::ffi::c_void;
use std::fmt;

/// An object that libcrypto has, and that one of its calls uses.
pub(crate) struct Object<T>(*mut T);

impl<T> Clone for Object<T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for Object<T> {}

impl<T> fmt::Debug for Object<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Object").field(&self.0).finish()
    }
}

impl<T> Object<T> {
    /// # Safety
    ///
    /// `object` was made by [`give`] from a `T`. It is not used elsewhere, and not freed, while this runs in
    /// the frame that makes it or in those that it calls; unless that frame is one of a paused job that is
    /// never resumed.
    pub(crate) const unsafe fn new(object: *mut c_void) -> Self {
        Self(object.cast())
    }

    /// Looks at the object. `look` does not pause the job, and does not look again.
    #[inline]
    pub(crate) fn with<R>(self, look: impl FnOnce(&mut T) -> R) -> R {
        // SAFETY: the promise to `new`: no other code uses it now.
        look(unsafe { &mut *self.0 })
    }
}

/// Gives an object to libcrypto.
pub(crate) fn give<T>(object: T) -> *mut c_void {
    Box::into_raw(Box::new(object)).cast()
}

/// An object that several threads may use at once, as a key is.
///
/// # Safety
///
/// `object` was made by [`give`] from a `T`, and is not freed while this is used; unless that is in frames of
/// a paused job that is never resumed.
pub(crate) unsafe fn shared<'o, T: Sync>(object: *const c_void) -> &'o T {
    // SAFETY: the caller's promise.
    unsafe { &*object.cast::<T>() }
}

/// Takes it back, and drops it.
///
/// # Safety
///
/// `object` is null, or was made by [`give`] from a `T`, and is not used again.
pub(crate) unsafe fn free<T>(object: *mut c_void) {
    if !object.is_null() {
        // SAFETY: the caller's promise.
        drop(unsafe { Box::from_raw(object.cast::<T>()) });
    }
}
