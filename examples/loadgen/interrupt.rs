#![expect(unsafe_code, reason = "sigaction")]
//! Ctrl-C, and a request to terminate: the row ends, and the report of what there is goes out.
//!
//! ```text
//!   SIGINT, SIGTERM ──► note(): a flag ──► loops start no further operation ──► report, exit code 130
//!                       the same signal again finds no handler and kills
//! ```

use std::sync::atomic::{AtomicBool, Ordering};

use nix::sys::signal::{SaFlags, SigAction, SigHandler, SigSet, Signal, sigaction};

static REQUESTED: AtomicBool = AtomicBool::new(false);

/// Whether the run is to end now.
pub(crate) fn is_requested() -> bool {
    REQUESTED.load(Ordering::Relaxed)
}

extern "C" fn note(_signal: nix::libc::c_int) {
    REQUESTED.store(true, Ordering::Relaxed);
}

/// From here on the first signal is noted, and the second of its kind kills. One that is ignored, as in a
/// background job of a shell, stays ignored.
pub(crate) fn watch() {
    let flags = SaFlags::SA_RESETHAND | SaFlags::SA_RESTART;
    let noted = SigAction::new(SigHandler::Handler(note), flags, SigSet::empty());
    for signal in [Signal::SIGINT, Signal::SIGTERM] {
        // SAFETY: the handler stores to an atomic and does nothing else, which is safe in a signal handler.
        let before = unsafe { sigaction(signal, &noted) };
        if let Ok(before) = before
            && matches!(before.handler(), SigHandler::SigIgn)
        {
            // SAFETY: the disposition is the one that this process was started with; no code of it runs.
            let _ = unsafe { sigaction(signal, &before) };
        }
    }
}
