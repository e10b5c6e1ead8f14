//! Operations that C starts now and takes later.
//!
//! ```text
//!   start ──► Running ── take: polls ──► Pending ... the device calls ready(arg) ... take ──► Ended ──► Taken
//!                └── cancel, free: the request is given up, the calls of ready are over
//! ```
//!
//! One thread at a time looks: it holds the state's lock, and another one finds it busy instead of waiting.
//! The other may be a call of `ready` that came while the first was about to say that nothing is there. So it
//! leaves a mark, and the first one looks again. `cancel`, which comes from any thread, leaves a mark, too:
//! the thread that has the lock, or gets it, ends the operation.
//!
//! No call of `ready` begins, and none runs in another thread, once an operation is over: see
//! [`Announcer`](simaccel::foreign::Announcer). So it is retired before the result is handed out, and never
//! under the lock, which the call may want.
#![expect(unsafe_code, reason = "the contracts of C functions, and their exported names")]

use std::ffi::c_void;
use std::fmt;
use std::mem;
use std::ptr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, TryLockError};
use std::task::{Poll, Waker};

use simaccel::foreign::{self, Announcer, StartedKey};
use simaccel::{Error, Zeroizing};

use super::SimaccelKey;
use super::outputs::{Outputs, put_encapsulated};
use crate::copies::Output;
use crate::engine::{given, store};
use crate::guard::boundary;
use crate::last_error::{Failure, SimaccelResult, reported};

/// Says that it is time to look. It must not throw.
pub type ReadyFn = unsafe extern "C" fn(arg: *mut c_void);

/// An operation that was started, as C sees it.
pub struct SimaccelOperation {
    state: Mutex<State>,
    is_cancelled: AtomicBool,
    /// Another thread has found the lock taken, and may know more.
    look_again: AtomicBool,
    /// Calls `ready`, if there is one.
    announcer: Option<Announcer>,
    outputs: Outputs,
    /// As of [`foreign::forks`].
    born: u64,
}

enum State {
    Running(Box<StartedKey>),
    /// It has ended well.
    Ended(Zeroizing<Vec<u8>>),
    Failed(Failure),
    Taken,
}

impl fmt::Debug for SimaccelOperation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SimaccelOperation").field("cancelled", &self.is_cancelled).finish_non_exhaustive()
    }
}

/// The callback and its argument, which go to the device's threads.
struct Ready {
    call: ReadyFn,
    arg: *mut c_void,
}

// SAFETY: the caller of `start` promises that the callback may be called with its argument in every thread.
unsafe impl Send for Ready {}
// SAFETY: as above.
unsafe impl Sync for Ready {}

impl Ready {
    fn call(&self) {
        // SAFETY: the promise of the caller of `start`, until the announcer is retired.
        unsafe { (self.call)(self.arg) };
    }
}

impl SimaccelOperation {
    /// Submits `started`, and gives it to C.
    ///
    /// # Safety
    ///
    /// `ready` may be called with `arg` in every thread until the operation is over; `place` is null or
    /// valid.
    pub(super) unsafe fn begin(
        started: StartedKey,
        outputs: Outputs,
        ready: Option<ReadyFn>,
        arg: *mut c_void,
        place: *mut *mut Self,
    ) -> Result<(), Failure> {
        let announcer = ready.map(|call| {
            let ready = Ready { call, arg };
            Announcer::new(Arc::new(move || ready.call()))
        });
        let operation = Self {
            state: Mutex::new(State::Running(Box::new(started))),
            is_cancelled: AtomicBool::new(false),
            look_again: AtomicBool::new(false),
            announcer,
            outputs,
            born: foreign::forks(),
        };
        let operation = Arc::into_raw(Arc::new(operation)).cast_mut();
        // Before the device can call: the callback may use the handle.
        // SAFETY: the caller's promise.
        unsafe { store(place, operation, "started") }?;
        // SAFETY: the share that C has got; the call below may free it.
        let operation = unsafe {
            Arc::increment_strong_count(operation);
            Arc::from_raw(operation)
        };
        if operation.poll() == Some(true) {
            // Computed in software, or refused: nothing else will say so.
            operation.waker().wake();
        }
        Ok(())
    }

    /// Goes on with it. Whether it is over; `None`: another thread looks, and looks again.
    fn poll(&self) -> Option<bool> {
        let waker = self.waker();
        loop {
            let mut state = self.lock().or_else(|| {
                self.look_again.store(true, Ordering::SeqCst);
                self.lock()
            })?;
            self.look_again.store(false, Ordering::SeqCst);
            let is_over = state.poll(&waker);
            drop(state);
            if self.end_if_cancelled() || is_over {
                return Some(true);
            }
            if !self.look_again.swap(false, Ordering::SeqCst) {
                return Some(false);
            }
        }
    }

    fn waker(&self) -> Waker {
        self.announcer.as_ref().map_or_else(|| Waker::noop().clone(), Announcer::waker)
    }

    /// Hands the output out, if it is over; an error of `hand_out` leaves it for another take.
    fn take(&self, hand_out: impl FnOnce(&[u8]) -> Result<(), Failure>) -> Result<(), Failure> {
        if foreign::forks() != self.born {
            // Another thread of the parent may have had the lock.
            return Err(Error::Forked.into());
        }
        if !self.poll().ok_or_else(busy)? {
            return Err(Failure::new(SimaccelResult::Pending, "the operation is not over"));
        }
        self.retire();
        let mut state = self.lock().ok_or_else(busy)?;
        let taken = state.take(hand_out);
        drop(state);
        self.end_if_cancelled();
        taken
    }

    fn cancel(&self) {
        if foreign::forks() != self.born {
            return;
        }
        self.retire();
        self.is_cancelled.store(true, Ordering::SeqCst);
        self.end_if_cancelled();
    }

    fn retire(&self) {
        self.announcer.iter().for_each(Announcer::retire);
    }

    /// Whether it is cancelled. Where another thread looks, it ends it after it has let go.
    fn end_if_cancelled(&self) -> bool {
        if !self.is_cancelled.load(Ordering::SeqCst) {
            return false;
        }
        let given_up = self.lock().map(|mut state| mem::replace(&mut *state, State::Taken));
        // The device may be waited for, without the lock.
        drop(given_up);
        true
    }

    /// `None`: another thread has it.
    fn lock(&self) -> Option<MutexGuard<'_, State>> {
        match self.state.try_lock() {
            Ok(state) => Some(state),
            Err(TryLockError::Poisoned(poisoned)) => Some(poisoned.into_inner()),
            Err(TryLockError::WouldBlock) => None,
        }
    }
}

impl State {
    /// Whether it is over.
    fn poll(&mut self, waker: &Waker) -> bool {
        if let Self::Running(started) = self {
            let Poll::Ready(outcome) = started.poll(waker) else { return false };
            *self = match outcome {
                Ok(output) => Self::Ended(output),
                Err(error) => Self::Failed(error.into()),
            };
        }
        true
    }

    /// Hands the result out, of one that is over.
    fn take(&mut self, hand_out: impl FnOnce(&[u8]) -> Result<(), Failure>) -> Result<(), Failure> {
        if let Self::Ended(output) = self {
            hand_out(output)?;
            *self = Self::Taken;
            return Ok(());
        }
        match mem::replace(self, Self::Taken) {
            Self::Failed(failure) => Err(failure),
            _ => Err(Failure::new(
                SimaccelResult::Taken,
                "the result was taken before, or the operation was cancelled",
            )),
        }
    }
}

fn busy() -> Failure {
    Failure::new(SimaccelResult::Busy, "another thread takes the result of the operation")
}

/// Takes the result of an operation, in a use of its handle.
///
/// # Safety
///
/// `operation` is null or valid.
unsafe fn take(
    operation: *mut SimaccelOperation,
    take: impl FnOnce(&SimaccelOperation) -> Result<(), Failure>,
) -> SimaccelResult {
    reported(|| {
        // SAFETY: the caller's promise.
        let operation = unsafe { shared(operation) }?;
        take(&operation)
    })
}

/// A share: the handle may be freed meanwhile, in a callback.
///
/// # Safety
///
/// `operation` is null or valid.
unsafe fn shared(operation: *mut SimaccelOperation) -> Result<Arc<SimaccelOperation>, Failure> {
    // SAFETY: the caller's promise.
    unsafe { given(operation, "operation") }?;
    // SAFETY: not null, and made from an `Arc` that C owns a share of.
    unsafe {
        Arc::increment_strong_count(operation);
        Ok(Arc::from_raw(operation))
    }
}

/// The output of an operation that is over.
///
/// # Safety
///
/// `operation` is null or valid; `out` is null or has room for `out_size` bytes; `out_len` is null or valid.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn simaccel_operation_take(
    operation: *mut SimaccelOperation,
    out: *mut c_void,
    out_size: usize,
    out_len: *mut usize,
) -> SimaccelResult {
    // SAFETY: the caller's promises.
    unsafe {
        let output = Output::new(out, out_size, out_len, "out");
        take(operation, |operation| match operation.outputs {
            Outputs::Bytes => operation.take(|bytes| output.put(bytes)),
            Outputs::Nothing => operation.take(|_| {
                output.write_len(0);
                Ok(())
            }),
            Outputs::Encapsulated(_) => Err(other_take("simaccel_operation_take_encapsulated")),
            Outputs::Key(..) => Err(other_take("simaccel_operation_take_key")),
        })
    }
}

/// Both outputs of an encapsulation that is over.
///
/// # Safety
///
/// As for [`simaccel_operation_take`], for both outputs.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn simaccel_operation_take_encapsulated(
    operation: *mut SimaccelOperation,
    out: *mut c_void,
    out_size: usize,
    out_len: *mut usize,
    secret: *mut c_void,
    secret_size: usize,
    secret_len: *mut usize,
) -> SimaccelResult {
    // SAFETY: the caller's promises.
    unsafe {
        let out = Output::new(out, out_size, out_len, "out");
        let secret = Output::new(secret, secret_size, secret_len, "secret");
        take(operation, |operation| match operation.outputs {
            Outputs::Encapsulated(ciphertext_len) => {
                operation.take(|both| put_encapsulated(both, ciphertext_len, out, secret))
            }
            _ => Err(Failure::argument("the operation is no encapsulation")),
        })
    }
}

/// The key of a generation that is over.
///
/// # Safety
///
/// `operation` and `key` are null or valid.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn simaccel_operation_take_key(
    operation: *mut SimaccelOperation,
    key: *mut *mut SimaccelKey,
) -> SimaccelResult {
    // SAFETY: the caller's promises.
    unsafe {
        take(operation, |operation| {
            store(key, ptr::null_mut(), "key")?;
            let Outputs::Key(generated) = &operation.outputs else {
                return Err(Failure::argument("the operation generates no key"));
            };
            operation.take(|bytes| store(key, generated.key(bytes)?, "key"))
        })
    }
}

fn other_take(function: &str) -> Failure {
    Failure::argument(&format!("the result of this operation is taken with {function}"))
}

/// Gives an operation up. Where another thread takes its result, that ends it.
///
/// # Safety
///
/// `operation` is null or valid.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn simaccel_operation_cancel(operation: *mut SimaccelOperation) -> SimaccelResult {
    reported(|| {
        // SAFETY: the caller's promise.
        unsafe { shared(operation) }?.cancel();
        Ok(())
    })
}

/// Gives an operation up that is not over, and frees it.
///
/// # Safety
///
/// `operation` is null, or an operation that is not used again.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn simaccel_operation_free(operation: *mut SimaccelOperation) {
    boundary(|| {
        if operation.is_null() {
            return;
        }
        // SAFETY: created by `begin`, and freed by its owner.
        let operation = unsafe { Arc::from_raw(operation) };
        operation.cancel();
        if foreign::forks() != operation.born && operation.lock().is_none() {
            // A thread of the parent was about it at the fork. What it has left behind is left alone.
            mem::forget(operation);
        }
    });
}
