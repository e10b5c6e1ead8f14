//! The number of jobs a thread may have, and the size of their stacks.

use std::sync::atomic::{AtomicUsize, Ordering};

use super::misuse::InitError;
use super::stack::Geometry;

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
    /// The most jobs that the thread may have, idle and paused ones included; 0 for no limit (statements 26,
    /// 47).
    pub max_jobs: usize,
    /// Jobs to create in advance; fewer when memory runs out, which is no error (statement 48).
    pub initial_jobs: usize,
    /// Usable bytes of a job's stack, rounded up to pages; the job's record takes a few hundred of them. The
    /// minimum is 40 KiB in builds with debug assertions and 24 KiB in others: what an operation of an engine
    /// needs, or a panic that prints its backtrace.
    pub stack_size: usize,
    /// Bytes below the stack that fault when touched, rounded up to pages, at least one page. One page is
    /// enough for Rust code, which probes its stack; C code may jump over it.
    pub guard_size: usize,
}

/// The default size of a stack, in bytes.
pub(super) const DEFAULT_STACK: usize = 64 * 1024;
/// What an operation of an engine needs, or a panic with its backtrace; unoptimised frames are larger.
const MIN_STACK: usize = if cfg!(debug_assertions) { 40 * 1024 } else { 24 * 1024 };
const MAX_STACK: usize = 1 << 30;

/// The sizes in force until other sizes are set.
static STACK: AtomicUsize = AtomicUsize::new(DEFAULT_STACK);
static GUARD: AtomicUsize = AtomicUsize::new(1);

/// Sets the sizes of [`PoolConfig::default`].
pub(super) fn set_default_sizes(stack_size: usize, guard_size: usize) -> Result<(), InitError> {
    PoolConfig { stack_size, guard_size, ..PoolConfig::default() }.validate()?;
    STACK.store(stack_size, Ordering::Relaxed);
    GUARD.store(guard_size, Ordering::Relaxed);
    Ok(())
}

impl Default for PoolConfig {
    /// No limit, nothing in advance, stacks of 64 KiB with one guard page, or of the sizes that
    /// [`raw::set_default_sizes`](super::raw::set_default_sizes) has set.
    fn default() -> Self {
        let (stack_size, guard_size) = (STACK.load(Ordering::Relaxed), GUARD.load(Ordering::Relaxed));
        Self { max_jobs: 0, initial_jobs: 0, stack_size, guard_size }
    }
}

/// A validated configuration.
#[derive(Clone, Copy, Debug)]
pub(super) struct Settings {
    pub(super) max_jobs: usize,
    pub(super) initial_jobs: usize,
    pub(super) geometry: Geometry,
}

impl Default for Settings {
    fn default() -> Self {
        let PoolConfig { max_jobs, initial_jobs, stack_size, guard_size } = PoolConfig::default();
        Self { max_jobs, initial_jobs, geometry: Geometry::of(stack_size, guard_size) }
    }
}

impl PoolConfig {
    pub(super) fn validate(self) -> Result<Settings, InitError> {
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
        let geometry = Geometry::of(stack_size, guard_size);
        Ok(Settings { max_jobs: max, initial_jobs: initial, geometry })
    }
}
