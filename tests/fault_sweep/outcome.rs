//! How the operations of a sweep end.

use simaccel::Error;

/// How an operation ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Outcome {
    Right,
    Wrong,
    DeviceDead,
    DeviceFailed,
    NoMemory,
    Reset,
    ShortOutput,
    Timeout,
    WakeFd,
}

impl Outcome {
    pub(crate) fn of_error(error: &Error) -> Self {
        match error {
            Error::DeviceDead => Self::DeviceDead,
            Error::DeviceFailed => Self::DeviceFailed,
            Error::NoMemory => Self::NoMemory,
            Error::Reset => Self::Reset,
            Error::ShortOutput { .. } => Self::ShortOutput,
            Error::Timeout => Self::Timeout,
            Error::WakeFd(_) => Self::WakeFd,
            other => panic!("no fault of these ends in {other:?}"),
        }
    }
}

pub(crate) type Work = Box<dyn FnOnce() -> Outcome>;
