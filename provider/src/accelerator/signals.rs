//! The device's threads take none of the application's signals.
//!
//! A thread inherits the mask of the thread that starts it, and the system gives a process's signal to any
//! thread that has it unblocked. An application that has blocked SIGTERM to read it from a signalfd, after
//! the provider has started its threads, would be ended by it.

use nix::sys::signal::{SigSet, SigmaskHow, Signal};

/// Raised by what a thread does itself; a debugger or a sanitizer waits for these.
const OWN: [Signal; 6] =
    [Signal::SIGSEGV, Signal::SIGBUS, Signal::SIGFPE, Signal::SIGILL, Signal::SIGTRAP, Signal::SIGABRT];

/// Runs `body`; threads that it starts have the application's signals blocked.
pub(super) fn without<R>(body: impl FnOnce() -> R) -> R {
    let mut blocked = SigSet::all();
    OWN.into_iter().for_each(|signal| blocked.remove(signal));
    let _restored = blocked.thread_swap_mask(SigmaskHow::SIG_BLOCK).ok().map(Restored);
    body()
}

struct Restored(SigSet);

impl Drop for Restored {
    fn drop(&mut self) {
        // It fails for a mask that is none.
        let _ = self.0.thread_set_mask();
    }
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;

    fn takes(signal: Signal) -> bool {
        !SigSet::thread_get_mask().unwrap().contains(signal)
    }

    #[test]
    fn a_thread_that_starts_inside_takes_no_signal_of_the_application() {
        let inside = without(|| thread::spawn(|| (takes(Signal::SIGTERM), takes(Signal::SIGSEGV))));
        assert_eq!(inside.join().unwrap(), (false, true));
        assert!(takes(Signal::SIGTERM), "the caller has its own mask again");
    }
}
