//! The same work in the calling thread: for small requests, and for the device's failures if configured.

use std::sync::Arc;

use simaccel_device::{ArgumentError, Request, Session, Status};

use super::offload::{Failed, Hold};
use crate::error::Error;

/// How many bytes more than its input an operation may return: one block of padding.
pub(crate) const EXPANSION: usize = 16;

/// What computes a request in the device's place.
pub(crate) trait Software {
    /// Computes `request` in this thread.
    fn execute(&self, request: &mut Request) -> Status;

    /// The algorithm, where there is one.
    fn algorithm(&self, _hold: &impl Hold) -> Option<simaccel_device::Algorithm> {
        None
    }

    /// The same for an operation that holds this.
    fn execute_for(&self, _hold: &impl Hold, request: &mut Request) -> Status {
        self.execute(request)
    }
}

/// The session that the operation holds.
pub(crate) struct HeldSession;

impl Software for HeldSession {
    /// Without a hold there is no session.
    fn execute(&self, _: &mut Request) -> Status {
        Status::InvalidSession
    }

    fn algorithm(&self, hold: &impl Hold) -> Option<simaccel_device::Algorithm> {
        Some(hold.held_session()?.algorithm())
    }

    fn execute_for(&self, hold: &impl Hold, request: &mut Request) -> Status {
        hold.held_session().map_or(Status::InvalidSession, |session| session.execute_and_wipe(request))
    }
}

impl Software for Session {
    fn execute(&self, request: &mut Request) -> Status {
        self.execute_and_wipe(request)
    }

    fn algorithm(&self, _: &impl Hold) -> Option<simaccel_device::Algorithm> {
        Some(Self::algorithm(self))
    }
}

impl<S: Software> Software for &S {
    fn execute(&self, request: &mut Request) -> Status {
        (**self).execute(request)
    }

    fn algorithm(&self, hold: &impl Hold) -> Option<simaccel_device::Algorithm> {
        (**self).algorithm(hold)
    }
}

impl<S: Software> Software for Arc<S> {
    fn execute(&self, request: &mut Request) -> Status {
        (**self).execute(request)
    }

    fn algorithm(&self, hold: &impl Hold) -> Option<simaccel_device::Algorithm> {
        (**self).algorithm(hold)
    }
}

/// Computes `request` now, in this thread; not on the stack of a job.
pub(crate) fn run(hold: &impl Hold, software: &impl Software, request: &mut Request) -> Result<(), Failed> {
    match error_of(hold.engine().outside(|| software.execute_for(hold, request))) {
        None => Ok(()),
        Some(error) => Err(Failed::with_request(error)),
    }
}

/// Whether software can stand in after `error`: the device or the path to it failed, not the request.
pub(crate) const fn can_replace(error: &Error) -> bool {
    error.is_device_failure() || matches!(error, Error::NoMemory | Error::WakeFd(_))
}

/// The caller's error for a status; `None` for success.
pub(crate) const fn error_of(status: Status) -> Option<Error> {
    match status {
        Status::Ok => None,
        Status::AuthFailed => Some(Error::AuthFailed),
        // The session says which argument, and what is allowed.
        Status::InvalidArgs => Some(Error::InvalidArgument(ArgumentError::Refused)),
        Status::InvalidSession | Status::Unsupported => {
            Some(Error::InvalidArgument(ArgumentError::Operation))
        }
        Status::Reset => Some(Error::Reset),
        Status::DeviceDead => Some(Error::DeviceDead),
        Status::Closed => Some(Error::Closed),
        _ => Some(Error::DeviceFailed),
    }
}
