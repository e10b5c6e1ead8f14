//! The most bytes that an operation gives, without the device.

use simaccel::{EcdsaForm, KeyArguments, Operation, OutputLen, RsaPadding, SignatureScheme};

use super::AnyKey;
use super::scheme::no_operation;
use crate::last_error::Failure;

/// Bytes of a premaster secret of TLS.
const PREMASTER: usize = 48;

/// Refuses an operation that the key does not have.
pub(super) fn check(key: &AnyKey, operation: Operation) -> Result<(), Failure> {
    let algorithm = key.algorithm();
    if operation == Operation::Generate || !algorithm.operations().contains(&operation) {
        return Err(no_operation(algorithm, operation));
    }
    let needs_private = !matches!(operation, Operation::Verify | Operation::Encrypt | Operation::Encapsulate);
    if needs_private && !key.is_private() {
        return Err(Failure::argument(&format!("{operation} needs a private key, and this is a public one")));
    }
    Ok(())
}

/// Of the first output, where there are two.
pub(super) fn most(key: &AnyKey, operation: Operation, arguments: &KeyArguments) -> usize {
    let algorithm = key.algorithm();
    let bytes = key.bits().div_ceil(8);
    match (operation, &arguments.scheme, &arguments.padding) {
        (Operation::Verify, ..) => 0,
        (Operation::Encapsulate, ..) => algorithm.ciphertext_len(),
        (Operation::Sign, Some(SignatureScheme::Ecdsa { form: EcdsaForm::Fixed, .. }), _) => 2 * bytes,
        (Operation::Sign, Some(scheme), _) if is_rsa(scheme) => bytes,
        (Operation::Encrypt, ..) => bytes,
        (Operation::Decrypt, _, Some(padding)) => text_of(bytes, padding),
        _ => match algorithm.output(operation) {
            Some(OutputLen::Fixed(len) | OutputLen::Variable(len)) => len,
            _ => 0,
        },
    }
}

const fn is_rsa(scheme: &SignatureScheme) -> bool {
    matches!(scheme, SignatureScheme::Pkcs1v15 { .. } | SignatureScheme::Pss { .. } | SignatureScheme::RawRsa)
}

/// RFC 8017, 7.1.1 and 7.2.1.
fn text_of(modulus: usize, padding: &RsaPadding) -> usize {
    match padding {
        RsaPadding::Pkcs1 { .. } => modulus.saturating_sub(11),
        RsaPadding::Oaep { hash, .. } => modulus.saturating_sub(2 * hash.digest_len() + 2),
        RsaPadding::TlsPremaster { .. } => PREMASTER,
        _ => modulus,
    }
}
