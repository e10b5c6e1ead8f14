//! Result codes of the `simaccel_*` functions, and the text of the thread's last error.
#![expect(unsafe_code, reason = "exported names")]

use std::cell::RefCell;
use std::ffi::{CString, c_char, c_int};

use simaccel::Error;

use crate::guard::boundary;

/// The result of a `simaccel_*` function: `enum simaccel_result` of `engine.h`. The numbers never change.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SimaccelResult {
    /// Success.
    Ok = 0,
    /// A null pointer, a length or an initialisation vector that does not fit, a session of another kind.
    Argument = 1,
    /// The configuration text has a mistake.
    Config = 2,
    /// No algorithm of that name, or not with that key or those options.
    Session = 3,
    /// The tag, the signature or the padding is wrong.
    AuthFailed = 4,
    /// The output does not fit.
    OutputTooSmall = 5,
    /// The stream is being used by another call, of a paused job or another thread.
    Busy = 6,
    /// The stream has been finished, or an earlier part of it failed or was given up.
    Stream = 7,
    /// The device failed the request.
    DeviceFailed = 8,
    /// The device is dead and needs a reset.
    DeviceDead = 9,
    /// The device was reset while the request was in flight.
    Reset = 10,
    /// The engine was closed while the operation was in flight.
    Closed = 11,
    /// The engine, or the operation, belongs to the parent process.
    Forked = 12,
    /// No memory for the request.
    NoMemory = 13,
    /// The eventfd that announces completions could not be created or read.
    WakeFd = 14,
    /// A worker thread of the device could not be started.
    Thread = 15,
    /// A panic was stopped at the boundary: a bug in this library.
    Internal = 16,
    /// The device did not end the request in time (`timeout_msec`).
    Timeout = 17,
    /// The device returned too little output.
    ShortOutput = 18,
    /// The call blocked on a stepped device with nothing left to happen.
    NeverEnds = 19,
    /// The operation that was started is not over.
    Pending = 20,
    /// The result of the operation was taken before, or it was cancelled.
    Taken = 21,
    /// The system has no random bytes.
    Random = 22,
}

impl SimaccelResult {
    const ALL: [Self; 23] = [
        Self::Ok,
        Self::Argument,
        Self::Config,
        Self::Session,
        Self::AuthFailed,
        Self::OutputTooSmall,
        Self::Busy,
        Self::Stream,
        Self::DeviceFailed,
        Self::DeviceDead,
        Self::Reset,
        Self::Closed,
        Self::Forked,
        Self::NoMemory,
        Self::WakeFd,
        Self::Thread,
        Self::Internal,
        Self::Timeout,
        Self::ShortOutput,
        Self::NeverEnds,
        Self::Pending,
        Self::Taken,
        Self::Random,
    ];

    const fn of(error: &Error) -> Self {
        match error {
            Error::AuthFailed => Self::AuthFailed,
            Error::Closed => Self::Closed,
            Error::Config(_) | Error::Change(_) => Self::Config,
            Error::DeviceDead => Self::DeviceDead,
            Error::DeviceFailed => Self::DeviceFailed,
            Error::Forked => Self::Forked,
            Error::InvalidArgument(_) | Error::Misuse(_) | Error::Inside => Self::Argument,
            Error::NeverEnds => Self::NeverEnds,
            Error::NoMemory | Error::NoJobs(_) => Self::NoMemory,
            Error::OutputTooSmall { .. } => Self::OutputTooSmall,
            Error::Random(_) => Self::Random,
            Error::Reset => Self::Reset,
            Error::Session(_) => Self::Session,
            Error::StreamPoisoned | Error::StreamFinished => Self::Stream,
            Error::ShortOutput { .. } => Self::ShortOutput,
            Error::Thread(_) => Self::Thread,
            Error::Timeout => Self::Timeout,
            Error::WakeFd(_) => Self::WakeFd,
            _ => Self::Internal,
        }
    }

    const fn name(self) -> &'static std::ffi::CStr {
        match self {
            Self::Ok => c"SIMACCEL_OK",
            Self::Argument => c"SIMACCEL_ERR_ARGUMENT",
            Self::Config => c"SIMACCEL_ERR_CONFIG",
            Self::Session => c"SIMACCEL_ERR_SESSION",
            Self::AuthFailed => c"SIMACCEL_ERR_AUTH_FAILED",
            Self::OutputTooSmall => c"SIMACCEL_ERR_OUTPUT_TOO_SMALL",
            Self::Busy => c"SIMACCEL_ERR_BUSY",
            Self::Stream => c"SIMACCEL_ERR_STREAM",
            Self::DeviceFailed => c"SIMACCEL_ERR_DEVICE_FAILED",
            Self::DeviceDead => c"SIMACCEL_ERR_DEVICE_DEAD",
            Self::Reset => c"SIMACCEL_ERR_RESET",
            Self::Closed => c"SIMACCEL_ERR_CLOSED",
            Self::Forked => c"SIMACCEL_ERR_FORKED",
            Self::NoMemory => c"SIMACCEL_ERR_NO_MEMORY",
            Self::WakeFd => c"SIMACCEL_ERR_WAKE_FD",
            Self::Thread => c"SIMACCEL_ERR_THREAD",
            Self::Internal => c"SIMACCEL_ERR_INTERNAL",
            Self::Timeout => c"SIMACCEL_ERR_TIMEOUT",
            Self::ShortOutput => c"SIMACCEL_ERR_SHORT_OUTPUT",
            Self::NeverEnds => c"SIMACCEL_ERR_NEVER_ENDS",
            Self::Pending => c"SIMACCEL_ERR_PENDING",
            Self::Taken => c"SIMACCEL_ERR_TAKEN",
            Self::Random => c"SIMACCEL_ERR_RANDOM",
        }
    }

    const fn is_retryable(self) -> bool {
        matches!(
            self,
            Self::Busy
                | Self::DeviceFailed
                | Self::NoMemory
                | Self::Pending
                | Self::Reset
                | Self::ShortOutput
                | Self::Thread
                | Self::Timeout
                | Self::WakeFd
        )
    }
}

/// Why an operation of the engine for C failed: the code, and the message. Boxed, so that successful results
/// are small.
#[derive(Debug)]
pub(crate) struct Failure(Box<Reason>);

#[derive(Debug)]
struct Reason {
    code: SimaccelResult,
    text: String,
}

impl Failure {
    #[cold]
    pub(crate) fn new(code: SimaccelResult, text: impl Into<String>) -> Self {
        Self(Box::new(Reason { code, text: text.into() }))
    }

    pub(crate) fn argument(text: &str) -> Self {
        Self::new(SimaccelResult::Argument, text)
    }

    #[cold]
    fn report(self) -> SimaccelResult {
        set(&self.0.text);
        self.0.code
    }

    #[cfg(test)]
    pub(crate) fn parts(self) -> (SimaccelResult, String) {
        (self.0.code, self.0.text)
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::new(SimaccelResult::of(&error), error.to_string())
    }
}

/// Runs a function of the engine for C behind the boundary; its failure becomes the thread's last error.
#[cfg_attr(not(debug_assertions), inline(always))] // see simaccel's fiber.rs on returns
pub(crate) fn reported(body: impl FnOnce() -> Result<(), Failure>) -> SimaccelResult {
    boundary(|| match body() {
        Ok(()) => SimaccelResult::Ok,
        Err(failure) => failure.report(),
    })
}

thread_local! {
    static LAST: RefCell<CString> = RefCell::default();
}

/// Records why a function failed. A thread that is ending keeps no last error.
#[cold]
pub(crate) fn set(text: &str) {
    let text = CString::new(text.replace('\0', "?")).unwrap_or_default();
    let _ = LAST.try_with(|last| *last.borrow_mut() = text);
}

/// Describes the thread's last failure: of the `simaccel_*` functions, and of the `ASYNC_*` functions where
/// libcrypto would crash. Never null; empty when none has failed. Valid until the thread's next failure or
/// end.
#[unsafe(no_mangle)]
pub extern "C" fn simaccel_last_error() -> *const c_char {
    LAST.try_with(|last| last.borrow().as_ptr()).unwrap_or(c"".as_ptr())
}

/// The name of a result code, as in `engine.h`; "unknown" for other numbers. Static.
#[unsafe(no_mangle)]
pub extern "C" fn simaccel_result_name(code: c_int) -> *const c_char {
    find(code).map_or(c"unknown", SimaccelResult::name).as_ptr()
}

/// Returns 1 when the same call may succeed later without any other change by the caller, else 0.
#[unsafe(no_mangle)]
pub extern "C" fn simaccel_is_retryable(code: c_int) -> c_int {
    c_int::from(find(code).is_some_and(SimaccelResult::is_retryable))
}

/// The version of the library. Static.
#[unsafe(no_mangle)]
pub extern "C" fn simaccel_version() -> *const c_char {
    const VERSION: &str = concat!(env!("CARGO_PKG_VERSION"), "\0");
    VERSION.as_ptr().cast()
}

fn find(code: c_int) -> Option<SimaccelResult> {
    SimaccelResult::ALL.into_iter().find(|known| *known as c_int == code)
}
