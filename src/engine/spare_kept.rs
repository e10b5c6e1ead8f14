//! Memory for what the state machine needs of a session's operation, used again. A future that goes the
//! straight way does without it, and is small.

use std::cell::RefCell;
use std::ops::{Deref, DerefMut};
use std::sync::Arc;

use super::session::SessionCore;
use super::software::HeldSession;
use super::started::Kept;

/// How much a thread keeps.
const KEPT: usize = 1_024;

thread_local! {
    #[expect(clippy::vec_box, reason = "the memory moves from the list to a future")]
    static SPARE: RefCell<Vec<Box<Option<OfSession>>>> = const { RefCell::new(Vec::new()) };
}

/// A session's operation with the state machine.
type OfSession = Kept<Arc<SessionCore>, HeldSession>;

/// An operation in memory that goes back to the list of the thread that drops it.
pub(crate) struct SpareKept(Option<Box<Option<OfSession>>>);

impl SpareKept {
    pub(crate) fn new(kept: OfSession) -> Self {
        let spare = SPARE.try_with(|spare| spare.borrow_mut().pop());
        let mut place = spare.ok().flatten().unwrap_or_default();
        *place = Some(kept);
        Self(Some(place))
    }

    pub(crate) fn into_inner(mut self) -> OfSession {
        self.0.as_deref_mut().and_then(Option::take).expect(THERE)
    }
}

const THERE: &str = "it is there until it is taken out or dropped";

impl Deref for SpareKept {
    type Target = OfSession;

    fn deref(&self) -> &OfSession {
        self.0.as_deref().and_then(Option::as_ref).expect(THERE)
    }
}

impl DerefMut for SpareKept {
    fn deref_mut(&mut self) -> &mut OfSession {
        self.0.as_deref_mut().and_then(Option::as_mut).expect(THERE)
    }
}

/// Frees what the thread keeps.
pub(super) fn free() {
    drop(SPARE.take());
}

impl Drop for SpareKept {
    fn drop(&mut self) {
        let Some(mut place) = self.0.take() else { return };
        // It may give its request up, outside of the list.
        drop(place.take());
        let kept = SPARE.try_with(|spare| {
            let mut spare = spare.borrow_mut();
            if spare.len() < KEPT { spare.push(place) } else { drop(place) }
        });
        // The thread is ending: it was dropped.
        let _ = kept;
    }
}
