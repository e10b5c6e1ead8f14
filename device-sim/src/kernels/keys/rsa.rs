//! rsa.

use std::sync::Arc;

use super::parts::RsaNumbers;
use super::{Public, Refusal, Secret};
use crate::message::key_algorithm::KeyAlgorithm;
use crate::message::key_arguments::KeyArguments;
use crate::message::key_error::{KeyError, Unfit};
use crate::message::operation::Operation;

/// A new key.
pub(super) fn generate(_: KeyAlgorithm, _: &KeyArguments) -> Result<Arc<dyn Secret>, Refusal> {
    Err(Unfit::Operation(Operation::Generate).into())
}

/// A private key from its numbers.
pub(super) fn private(_: &RsaNumbers) -> Result<Arc<dyn Secret>, KeyError> {
    Err(KeyError::Unsupported)
}

/// A public key from its numbers.
pub(super) fn public(_: &[u8], _: &[u8]) -> Result<Arc<dyn Public>, KeyError> {
    Err(KeyError::Unsupported)
}
