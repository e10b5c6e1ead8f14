//! How a request ends.

/// How a request ended.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Status {
    /// The output is complete.
    Ok = 0,
    /// The tag, or the padding, was wrong. The status says no more, and there is no plaintext.
    AuthFailed = 1,
    /// The session is not (or no longer) known to the device.
    InvalidSession = 2,
    /// Lengths, IV or operation do not fit the session.
    InvalidArgs = 3,
    /// The device has no such operation.
    Unsupported = 4,
    /// The device failed this request; another try may succeed.
    DeviceError = 5,
    /// The device was reset while the request was in flight; another try may succeed.
    Reset = 6,
    /// The device died (a worker panicked); it takes no more work until it is reset.
    DeviceDead = 7,
    /// The device was closed while the request was in flight.
    Closed = 8,
}

impl Status {
    /// The name used in configuration and reports.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::AuthFailed => "auth_failed",
            Self::InvalidSession => "invalid_session",
            Self::InvalidArgs => "invalid_args",
            Self::Unsupported => "unsupported",
            Self::DeviceError => "device_error",
            Self::Reset => "reset",
            Self::DeviceDead => "device_dead",
            Self::Closed => "closed",
        }
    }

    /// The status with this number, as stored in a claim word.
    pub(crate) const fn from_code(code: u8) -> Self {
        match code {
            0 => Self::Ok,
            1 => Self::AuthFailed,
            2 => Self::InvalidSession,
            3 => Self::InvalidArgs,
            4 => Self::Unsupported,
            6 => Self::Reset,
            7 => Self::DeviceDead,
            8 => Self::Closed,
            _ => Self::DeviceError,
        }
    }
}
