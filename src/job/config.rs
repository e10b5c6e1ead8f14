//! How many jobs a thread may have, and how large their stacks are.

use std::sync::atomic::{AtomicUsize, Ordering};

use super::misuse::InitError;
use super::stack::{Geometry, page_size};

/// The limits and sizes of a thread's pool ([`init_thread`](super::init_thread)).
///
/// # Examples
///
/// ```
/// use simaccel::job::{self, PoolConfig};
///
/// job::init_thread(PoolConfig { max_jobs: 1000, initial_jobs: 10, ..PoolConfig::default() })?;
/// # Ok::<(), job::InitError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PoolConfig {
    /// The most jobs that the thread may have, idle and paused ones counted; 0 for no limit (statements 26, 47).
    pub max_jobs: usize,
    /// Jobs to make in advance; fewer when memory runs out, which is no error (statement 48).
    pub initial_jobs: usize,
    /// Usable bytes of a job's stack, rounded up to pages; a few hundred of them hold the job itself.
    pub stack_size: usize,
    /// Bytes below the stack that fault when touched, rounded up to pages, at least one. One page is enough for Rust
    /// code, which probes its stack; C code may jump over it.
    pub guard_size: usize,
}

/// The default size of a stack, in bytes.
pub(super) const DEFAULT_STACK: usize = 64 * 1024;
const MIN_STACK: usize = 16 * 1024;
const MAX_STACK: usize = 1 << 30;

/// Bytes of guard where nobody has called `init_thread`.
static DEFAULT_GUARD: AtomicUsize = AtomicUsize::new(1);

pub(super) fn set_default_guard(size: usize) {
    DEFAULT_GUARD.store(size.clamp(1, MAX_STACK), Ordering::Relaxed);
}

impl Default for PoolConfig {
    /// No limit, nothing in advance, stacks of 64 KiB, one guard page.
    fn default() -> Self {
        Self { max_jobs: 0, initial_jobs: 0, stack_size: DEFAULT_STACK, guard_size: 1 }
    }
}

/// A configuration that can be used.
#[derive(Clone, Copy, Debug)]
pub(super) struct Settings {
    pub(super) max_jobs: usize,
    pub(super) initial_jobs: usize,
    pub(super) geometry: Geometry,
}

impl Default for Settings {
    fn default() -> Self {
        let page = page_size();
        let guard = DEFAULT_GUARD.load(Ordering::Relaxed).next_multiple_of(page);
        let geometry = Geometry { size: DEFAULT_STACK.next_multiple_of(page), guard };
        Self { max_jobs: 0, initial_jobs: 0, geometry }
    }
}

impl PoolConfig {
    pub(super) fn settle(self) -> Result<Settings, InitError> {
        let Self { max_jobs: max, initial_jobs: initial, stack_size, guard_size } = self;
        if initial > max {
            return Err(InitError::InitialAboveMax { initial, max });
        }
        if i32::try_from(max).is_err() {
            return Err(InitError::MaxTooLarge { max });
        }
        if !(MIN_STACK..=MAX_STACK).contains(&stack_size) {
            return Err(InitError::StackSize { size: stack_size, min: MIN_STACK, max: MAX_STACK });
        }
        if guard_size > MAX_STACK {
            return Err(InitError::GuardSize { size: guard_size, max: MAX_STACK });
        }
        let page = page_size();
        let size = stack_size.next_multiple_of(page);
        let guard = guard_size.max(1).next_multiple_of(page);
        Ok(Settings { max_jobs: max, initial_jobs: initial, geometry: Geometry { size, guard } })
    }
}
