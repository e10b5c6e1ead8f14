//! x25519.

use std::sync::Arc;

use super::{Public, Refusal, Secret};
use crate::message::key_arguments::KeyArguments;
use crate::message::key_error::{KeyError, Unfit};
use crate::message::operation::Operation;

/// A new key.
pub(super) fn generate(_: &KeyArguments) -> Result<Arc<dyn Secret>, Refusal> {
    Err(Unfit::Operation(Operation::Generate).into())
}

/// A private key from its bytes.
pub(super) fn private(_: &[u8]) -> Result<Arc<dyn Secret>, KeyError> {
    Err(KeyError::Unsupported)
}

/// A public key from its bytes.
pub(super) fn public(_: &[u8]) -> Result<Arc<dyn Public>, KeyError> {
    Err(KeyError::Unsupported)
}
