//! An operation of the user's own: a function with a name and a size, which travels in a request and runs on
//! the device.
//!
//! ```text
//!   Call::new ──► to be run ──── run ────► has run: its value, or its panic ──── into_result ──► the caller
//!                     │                                   │
//!                     └── dropped unrun                   └── dropped, where it is not taken
//! ```
//!
//! The owner of the request owns the function and its result, and drops them once. The device only runs it.

use std::any::Any;
use std::fmt;
use std::mem;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Mutex, PoisonError};

/// A value of a type that its owner knows, or what a panic carries.
type Value = Box<dyn Any + Send>;

/// A function of the user's own, to be run on the device ([`Request::of_call`](crate::Request::of_call)).
pub struct Call {
    name: Box<str>,
    size: u64,
    // Never locked: a function need not be `Sync`, and a request is.
    work: Mutex<Work>,
}

enum Work {
    ToBeRun(Box<dyn FnOnce() -> Value + Send>),
    HasRun(Result<Value, Value>),
    Gone,
}

/// The largest size that there is: a tebibyte.
const MAX_SIZE: u64 = 1 << 40;

impl Call {
    /// A call of `f`. `name` is what statistics and the rules of faults know it by (see
    /// [`DeviceStats::calls`](crate::DeviceStats::calls)); `size` stands for the bytes of input in the model
    /// of time, in rules and in statistics. A size above 2^40 counts as that.
    pub fn new<T: Send + 'static>(name: &str, size: u64, f: impl FnOnce() -> T + Send + 'static) -> Self {
        let work = Work::ToBeRun(Box::new(|| Box::new(f())));
        Self { name: name.into(), size: size.min(MAX_SIZE), work: Mutex::new(work) }
    }

    /// As it was given.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// As it was given, 2^40 at the most.
    pub const fn size(&self) -> u64 {
        self.size
    }

    /// Whether the function has been run, to its end or into a panic.
    pub fn has_run(&mut self) -> bool {
        matches!(self.work(), Work::HasRun(_))
    }

    /// Whether it has panicked.
    pub fn has_panicked(&mut self) -> bool {
        matches!(self.work(), Work::HasRun(Err(_)))
    }

    /// Runs the function here and now, if it has not been run. A panic is kept for the caller.
    pub fn run(&mut self) {
        let work = self.work();
        match mem::replace(work, Work::Gone) {
            Work::ToBeRun(f) => *work = Work::HasRun(catch_unwind(AssertUnwindSafe(f))),
            other => *work = other,
        }
    }

    /// What the function gave, or what its panic carries. `None`: it has not been run, or its type is
    /// another.
    pub fn into_result<T: 'static>(self) -> Option<Result<T, Box<dyn Any + Send>>> {
        match self.work.into_inner().unwrap_or_else(PoisonError::into_inner) {
            Work::HasRun(Ok(value)) => Some(Ok(*value.downcast().ok()?)),
            Work::HasRun(Err(panic)) => Some(Err(panic)),
            Work::ToBeRun(_) | Work::Gone => None,
        }
    }

    fn work(&mut self) -> &mut Work {
        self.work.get_mut().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Call").field("name", &self.name).field("size", &self.size).finish_non_exhaustive()
    }
}

/// How many names statistics keep apart, and a configuration can declare.
pub(crate) const MAX_NAMES: usize = 64;
/// The longest name that a rule can select and statistics keep, in bytes.
pub(crate) const MAX_NAME: usize = 64;

/// Whether this can be declared in a configuration as the name of a call: letters, digits, `_`, `-` and `.`.
pub(crate) fn is_name(text: &str) -> bool {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"_-.".contains(&byte);
    (1..=MAX_NAME).contains(&text.len()) && text.bytes().all(is_plain)
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn a_function_runs_once_and_its_value_is_taken() {
        let mut call = Call::new("double", 3, || 42_u16);
        assert!(!call.has_run() && !call.has_panicked());
        call.run();
        call.run();
        assert!(call.has_run() && !call.has_panicked());
        assert_eq!((call.name(), call.size()), ("double", 3));
        assert_eq!(call.into_result::<u16>().unwrap().unwrap(), 42);
    }

    #[test]
    fn a_panic_is_kept_with_what_it_carries() {
        let mut call = Call::new("fails", u64::MAX, || std::panic::resume_unwind(Box::new(7_u8)));
        assert_eq!(call.size(), MAX_SIZE);
        call.run();
        assert!(call.has_run() && call.has_panicked());
        let panic = call.into_result::<()>().unwrap().unwrap_err();
        assert_eq!(panic.downcast_ref::<u8>(), Some(&7));
    }

    #[test]
    fn what_has_not_run_or_has_another_type_has_no_result() {
        assert!(Call::new("", 0, || ()).into_result::<()>().is_none());
        let mut call = Call::new("", 0, || 1_u8);
        call.run();
        assert!(call.into_result::<u16>().is_none());
    }

    #[test]
    fn names_are_plain() {
        assert!(["a", "run-length.2_X", &"x".repeat(MAX_NAME)].into_iter().all(is_name));
        assert!(!["", "a b", "a,b", "a;b", "ä", "\"", &"x".repeat(MAX_NAME + 1)].into_iter().any(is_name));
    }
}
