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
    use std::sync::OnceLock;
    use std::sync::atomic::{AtomicBool, Ordering, compiler_fence, fence};

    /// Whether the system fences for others. Once false again it stays so.
    static ASYMMETRIC: AtomicBool = AtomicBool::new(false);
    static ASKED: OnceLock<()> = OnceLock::new();

    pub(super) fn ask() {
        ASKED.get_or_init(|| {
            ASYMMETRIC.store(register(), Ordering::Release);
        });
    }

    #[inline]
    pub(super) fn light() {
        if ASYMMETRIC.load(Ordering::Relaxed) {
            compiler_fence(Ordering::SeqCst);
        } else {
            fence(Ordering::SeqCst);
        }
    }

    pub(super) fn heavy() {
        fence(Ordering::SeqCst);
        let fenced = || membarrier(libc::MEMBARRIER_CMD_PRIVATE_EXPEDITED);
        if ASYMMETRIC.load(Ordering::Relaxed) && !fenced() && !(register() && fenced()) {
            // A system that has promised and does not keep it: the call was forbidden since. From here on all fence for
            // themselves; what was stored before reaches the cache in less than this.
            ASYMMETRIC.store(false, Ordering::SeqCst);
            std::thread::sleep(std::time::Duration::from_millis(10));
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
