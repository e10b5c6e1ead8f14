//! What a session's id refers to, and the work that it does.

use std::sync::Arc;

use crate::kernels::session::Session;
use crate::message::operation::Operation;
use crate::message::request::Request;
use crate::message::status::Status;

/// What a session id refers to.
#[derive(Clone, Debug)]
pub(crate) enum Installed {
    Session(Arc<Session>),
    /// A kernel that panics, for tests.
    Panics,
}

/// Computes a request with its session.
pub(crate) fn execute_by(installed: Option<&Installed>, request: &mut Request) -> Status {
    match installed {
        Some(Installed::Session(session)) => session.execute(request),
        Some(Installed::Panics) => panic!("a session made to panic was used"),
        None if request.operation == Operation::Call => request.run_call(),
        None => {
            request.drop_state();
            Status::InvalidSession
        }
    }
}
