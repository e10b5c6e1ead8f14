//! A fence between a fast and a slow side: the slow side pays for both.
//!
//! ```text
//!   in a hurry                          about to sleep
//!   publish                             say so
//!   light()   the compiler's order      heavy()   every processor that runs this process passes a full fence
//!   asleep?                             anything published?
//! ```
//!
//! Two full fences would do (one of the two sides then sees the other), and are used where the system has
//! nothing better. But a full fence waits until every earlier store has reached the cache, and the lines of a
//! submission come from the other side's cache: that is most of the cost of a submission. So the slow side
//! asks the system to fence on behalf of the fast one (`membarrier(2)`, Linux 4.14). It reaches every running
//! thread; a thread that does not run has passed a fence when it was switched out.
#![cfg_attr(
    not(any(loom, miri)),
    expect(unsafe_code, reason = "membarrier is a system call without a safe wrapper")
)]

#[cfg(any(loom, miri))]
mod system {
    use crate::sync::{Ordering, fence};

    pub(super) fn light() {
        fence(Ordering::SeqCst);
    }

    pub(super) fn heavy() {
        fence(Ordering::SeqCst);
    }
}

#[cfg(not(any(loom, miri)))]
mod system {
    use std::sync::atomic::{AtomicU8, Ordering, compiler_fence, fence};
    use std::thread;
    use std::time::Duration;

    const NOT_ASKED: u8 = 0;
    const SYMMETRIC: u8 = 1;
    const ASYMMETRIC: u8 = 2;

    /// Whether the system fences for others. No lock around the question: a fork would leave it locked, and
    /// asking twice does no harm.
    static ANSWER: AtomicU8 = AtomicU8::new(NOT_ASKED);

    pub(super) fn ask() {
        if ANSWER.load(Ordering::Acquire) == NOT_ASKED {
            let answer = if register() { ASYMMETRIC } else { SYMMETRIC };
            let _ = ANSWER.compare_exchange(NOT_ASKED, answer, Ordering::AcqRel, Ordering::Acquire);
        }
    }

    #[inline]
    pub(super) fn light() {
        if ANSWER.load(Ordering::Relaxed) == ASYMMETRIC {
            compiler_fence(Ordering::SeqCst);
        } else {
            fence(Ordering::SeqCst);
        }
    }

    pub(super) fn heavy() {
        fence(Ordering::SeqCst);
        if ANSWER.load(Ordering::Relaxed) == SYMMETRIC {
            return;
        }
        let fenced = || membarrier(libc::MEMBARRIER_CMD_PRIVATE_EXPEDITED);
        if !(fenced() || register() && fenced()) {
            // The system has promised and does not deliver: the call was forbidden since. From here on all
            // sides fence for themselves; what others have stored before they know of it has reached the
            // cache by then.
            ANSWER.store(NOT_ASKED, Ordering::SeqCst);
            thread::sleep(Duration::from_millis(10));
            ANSWER.store(SYMMETRIC, Ordering::SeqCst);
        }
    }

    fn register() -> bool {
        membarrier(libc::MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED)
    }

    fn membarrier(command: libc::c_int) -> bool {
        // SAFETY: the call takes numbers and touches no memory of this process.
        unsafe { libc::syscall(libc::SYS_membarrier, command, 0, 0) == 0 }
    }
}

/// Finds out what the system can do; called before either fence, by the code that creates objects with them.
pub(crate) fn ask() {
    #[cfg(not(any(loom, miri)))]
    system::ask();
}

/// The fence of the fast side.
#[inline]
pub(crate) fn light() {
    system::light();
}

/// The fence of the slow side.
pub(crate) fn heavy() {
    system::heavy();
}
