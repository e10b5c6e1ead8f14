//! A fence between two sides of which one is in a hurry: the other pays for both.
//!
//! ```text
//!   in a hurry                          about to sleep
//!   publish                             say so
//!   light()   the compiler's order      heavy()   every processor that runs this process passes a full fence
//!   asleep?                             anything published?
//! ```
//!
//! Two full fences would do (one of the two sides then sees the other), and where the system has no better they are what
//! is used. But a full fence waits until every store before it has reached the cache, and the lines of a submission come
//! from the other side's: that is most of what a submission costs. So the system is asked to fence on behalf of the one
//! in a hurry (`membarrier(2)`, Linux 4.14). It reaches whoever runs; whoever does not has passed a fence when it was
//! switched out.
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

    /// Whether the system fences for others. No lock around the question: a fork would leave it locked, and asking twice
    /// does no harm.
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
            // A system that has promised and does not keep it: the call was forbidden since. From here on all fence for
            // themselves; what others have stored before they know of it has reached the cache by then.
            ANSWER.store(NOT_ASKED, Ordering::SeqCst);
            thread::sleep(Duration::from_millis(10));
            ANSWER.store(SYMMETRIC, Ordering::SeqCst);
        }
    }

    fn register() -> bool {
        membarrier(libc::MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED)
    }

    fn membarrier(command: libc::c_int) -> bool {
        // SAFETY: the call takes numbers and touches no memory of ours.
        unsafe { libc::syscall(libc::SYS_membarrier, command, 0, 0) == 0 }
    }
}

/// Finds out what the system can do; to be called before either fence, by whoever makes something that has them.
pub(crate) fn ask() {
    #[cfg(not(any(loom, miri)))]
    system::ask();
}

/// The fence of the side in a hurry.
#[inline]
pub(crate) fn light() {
    system::light();
}

/// The fence of the other side.
pub(crate) fn heavy() {
    system::heavy();
}
