//! Whether an operation may pause, and where it is counted.

use crate::counters::{Row, Synchronous};
use crate::instance::Instance;
use crate::kinds::Kind;
use crate::ossl::jobs::Jobs;

/// What an operation has to know of the instance that it is called in.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pass {
    pub(super) jobs: Option<&'static Jobs>,
    /// Whether it may pause its job.
    pub(super) allowed: Result<(), Synchronous>,
    pub(super) row: Row,
    pub(super) bytes: usize,
}

impl Pass {
    /// For an operation on so many bytes.
    pub(crate) fn new(instance: &Instance, kind: Kind, bytes: usize) -> Self {
        let settings = instance.settings();
        let allowed = if settings.never_pause.has(kind) {
            Err(Synchronous::NeverPause)
        } else if bytes < usize::try_from(settings.async_min_bytes).unwrap_or(usize::MAX) {
            Err(Synchronous::TooSmall)
        } else {
            Ok(())
        };
        Self { jobs: instance.jobs(), allowed, row: kind.row, bytes }
    }

    /// For an operation with a private or public key. How long it takes does not depend on its few bytes, so
    /// none is too small to pause.
    pub(crate) fn of_key(instance: &Instance, kind: Kind, bytes: usize) -> Self {
        let never = instance.settings().never_pause.has(kind);
        let allowed = if never { Err(Synchronous::NeverPause) } else { Ok(()) };
        Self { jobs: instance.jobs(), allowed, row: kind.row, bytes }
    }
}
