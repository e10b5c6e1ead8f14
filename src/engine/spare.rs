//! Requests of kept operations, used again: a future owns one of some three hundred bytes, which is neither
//! allocated nor moved for each.
//!
//! ```text
//!   Spare::new ──► from the thread's list, or allocated ──► in a future ──► dropped: wiped, and back on the list
//! ```

use std::borrow::{Borrow, BorrowMut};
use std::cell::RefCell;
use std::ops::{Deref, DerefMut};

use simaccel_device::{Operation, Request, SessionId};

/// Requests that a thread keeps.
const KEPT: usize = 1_024;

thread_local! {
    #[expect(clippy::vec_box, reason = "a request moves from the list to a future, and is not copied")]
    static SPARE: RefCell<Vec<Box<Request>>> = const { RefCell::new(Vec::new()) };
}

/// A request that goes back to the list of the thread that drops it.
pub(crate) struct Spare(Option<Box<Request>>);

impl Spare {
    /// A request in place.
    #[inline]
    pub(crate) fn new(session: SessionId, operation: Operation, buffer: Vec<u8>) -> Self {
        match SPARE.try_with(|spare| spare.borrow_mut().pop()) {
            Ok(Some(mut request)) => {
                request.renew(session, operation, buffer);
                Self(Some(request))
            }
            _ => Self(Some(Box::new(Request::new(session, operation, buffer)))),
        }
    }
}

impl From<Request> for Spare {
    fn from(request: Request) -> Self {
        let mut spare = Self::new(SessionId::NONE, request.operation, Vec::new());
        *spare.borrow_mut() = request;
        spare
    }
}

impl Borrow<Request> for Spare {
    #[inline]
    fn borrow(&self) -> &Request {
        self.0.as_deref().expect("it is there until it is dropped")
    }
}

impl BorrowMut<Request> for Spare {
    #[inline]
    fn borrow_mut(&mut self) -> &mut Request {
        self.0.as_deref_mut().expect("it is there until it is dropped")
    }
}

impl Deref for Spare {
    type Target = Request;

    #[inline]
    fn deref(&self) -> &Request {
        self.borrow()
    }
}

impl DerefMut for Spare {
    #[inline]
    fn deref_mut(&mut self) -> &mut Request {
        self.borrow_mut()
    }
}

/// Frees what the thread keeps.
pub(super) fn free() {
    drop(SPARE.take());
}

impl Drop for Spare {
    #[inline]
    fn drop(&mut self) {
        let Some(mut request) = self.0.take() else { return };
        if !request.is_blank() {
            clear(&mut request);
        }
        let kept = SPARE.try_with(|spare| {
            let mut spare = spare.borrow_mut();
            if spare.len() < KEPT { spare.push(request) } else { drop(request) }
        });
        // The thread is ending: it was dropped.
        let _ = kept;
    }
}

/// A call in it is foreign code, and runs outside of the list.
#[cold]
fn clear(request: &mut Request) {
    request.wipe();
    *request = Request::new(SessionId::NONE, request.operation, Vec::new());
}
