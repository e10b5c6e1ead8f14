//! Parameters of signatures: what may be asked for and set, and the values that several schemes have.

use std::ffi::c_int;

use crate::error::{Failure, Reason};
use crate::md::Md;
use crate::ossl::ids::{PARAM_INTEGER, PARAM_OCTET_STRING, PARAM_UNSIGNED_INTEGER, PARAM_UTF8_STRING};
use crate::ossl::keys;
use crate::ossl::types::Param;

/// `RSA_PSS_SALTLEN_*` of `rsa.h`.
pub(super) const SALT_DIGEST: c_int = -1;
pub(super) const SALT_AUTO: c_int = -2;
pub(super) const SALT_MAX: c_int = -3;
pub(super) const SALT_AUTO_DIGEST_MAX: c_int = -4;

/// `OSSL_MAX_NAME_SIZE`, with the end.
const MAX_NAME: usize = 50;

/// A hash function, and how the application calls it.
#[derive(Clone, Debug, Default)]
pub(super) struct Named {
    pub(super) md: Option<Md>,
    name: Vec<u8>,
}

impl Named {
    pub(super) fn new(md: Md, name: &[u8]) -> Result<Self, Failure> {
        if name.len() >= MAX_NAME {
            return Err(Failure::new(Reason::Digest, "its name is too long"));
        }
        Ok(Self { md: Some(md), name: name.to_vec() })
    }

    pub(super) fn name(&self) -> &[u8] {
        &self.name
    }

    pub(super) fn is_called(&self, name: &[u8]) -> bool {
        self.md.is_some() && self.name.eq_ignore_ascii_case(name)
    }
}

#[cold]
pub(super) fn no_such_digest(name: &[u8]) -> Failure {
    let name = String::from_utf8_lossy(name);
    Failure::new(Reason::NotOurs, format!("no signatures with {name}"))
}

/// What `atoi` makes of a text.
pub(super) fn leading_number(text: &[u8]) -> c_int {
    let (sign, digits) = match text {
        [b'-', digits @ ..] => (-1, digits),
        [b'+', digits @ ..] => (1, digits),
        digits => (1, digits),
    };
    let digits = digits.iter().take_while(|byte| byte.is_ascii_digit());
    let number = digits
        .fold(0, |number: c_int, digit| number.saturating_mul(10).saturating_add((digit - b'0').into()));
    sign * number
}

macro_rules! described {
    ($($key:ident $type:ident $size:expr,)*) => {
        &[$(Param::described(keys::$key, $type, $size),)* Param::END]
    };
}

const INT: usize = size_of::<c_int>();

pub(super) static RSA_GETTABLE: &[Param] = described! {
    SIGNATURE_ALGORITHM_ID PARAM_OCTET_STRING 0,
    SIGNATURE_PAD_MODE PARAM_UTF8_STRING 0,
    SIGNATURE_PAD_MODE PARAM_INTEGER INT,
    SIGNATURE_DIGEST PARAM_UTF8_STRING 0,
    SIGNATURE_MGF1_DIGEST PARAM_UTF8_STRING 0,
    SIGNATURE_PSS_SALTLEN PARAM_UTF8_STRING 0,
    SIGNATURE_PSS_SALTLEN PARAM_INTEGER INT,
};

pub(super) static RSA_SETTABLE: &[Param] = described! {
    SIGNATURE_DIGEST PARAM_UTF8_STRING 0,
    SIGNATURE_PROPERTIES PARAM_UTF8_STRING 0,
    SIGNATURE_PAD_MODE PARAM_UTF8_STRING 0,
    SIGNATURE_PAD_MODE PARAM_INTEGER INT,
    SIGNATURE_MGF1_DIGEST PARAM_UTF8_STRING 0,
    SIGNATURE_MGF1_PROPERTIES PARAM_UTF8_STRING 0,
    SIGNATURE_PSS_SALTLEN PARAM_UTF8_STRING 0,
    SIGNATURE_PSS_SALTLEN PARAM_INTEGER INT,
};

pub(super) static RSA_SETTABLE_WITHOUT_DIGEST: &[Param] = described! {
    SIGNATURE_PAD_MODE PARAM_UTF8_STRING 0,
    SIGNATURE_PAD_MODE PARAM_INTEGER INT,
    SIGNATURE_MGF1_DIGEST PARAM_UTF8_STRING 0,
    SIGNATURE_MGF1_PROPERTIES PARAM_UTF8_STRING 0,
    SIGNATURE_PSS_SALTLEN PARAM_UTF8_STRING 0,
    SIGNATURE_PSS_SALTLEN PARAM_INTEGER INT,
};

pub(super) static ECDSA_GETTABLE: &[Param] = described! {
    SIGNATURE_ALGORITHM_ID PARAM_OCTET_STRING 0,
    SIGNATURE_DIGEST_SIZE PARAM_UNSIGNED_INTEGER size_of::<usize>(),
    SIGNATURE_DIGEST PARAM_UTF8_STRING 0,
    SIGNATURE_NONCE_TYPE PARAM_UNSIGNED_INTEGER INT,
};

pub(super) static ECDSA_SETTABLE: &[Param] = described! {
    SIGNATURE_DIGEST PARAM_UTF8_STRING 0,
    SIGNATURE_PROPERTIES PARAM_UTF8_STRING 0,
    SIGNATURE_DIGEST_SIZE PARAM_UNSIGNED_INTEGER size_of::<usize>(),
    SIGNATURE_NONCE_TYPE PARAM_UNSIGNED_INTEGER INT,
};

pub(super) static ALGORITHM_ID_GETTABLE: &[Param] = described! {
    SIGNATURE_ALGORITHM_ID PARAM_OCTET_STRING 0,
};

pub(super) static EDDSA_SETTABLE: &[Param] = described! {
    SIGNATURE_INSTANCE PARAM_UTF8_STRING 0,
    SIGNATURE_CONTEXT_STRING PARAM_OCTET_STRING 0,
};

pub(super) static ML_DSA_SETTABLE: &[Param] = described! {
    SIGNATURE_CONTEXT_STRING PARAM_OCTET_STRING 0,
    SIGNATURE_TEST_ENTROPY PARAM_OCTET_STRING 0,
    SIGNATURE_DETERMINISTIC PARAM_INTEGER INT,
    SIGNATURE_MESSAGE_ENCODING PARAM_INTEGER INT,
    SIGNATURE_MU PARAM_INTEGER INT,
};

pub(super) static ML_DSA_SETTABLE_TO_VERIFY: &[Param] = described! {
    SIGNATURE_CONTEXT_STRING PARAM_OCTET_STRING 0,
    SIGNATURE_TEST_ENTROPY PARAM_OCTET_STRING 0,
    SIGNATURE_DETERMINISTIC PARAM_INTEGER INT,
    SIGNATURE_MESSAGE_ENCODING PARAM_INTEGER INT,
    SIGNATURE_MU PARAM_INTEGER INT,
    SIGNATURE_SIGNATURE PARAM_OCTET_STRING 0,
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_a_number_as_far_as_it_is_one() {
        for (text, number) in [("32", 32), ("-1", -1), ("20 bytes", 20), ("salt", 0), ("", 0), ("+7", 7)] {
            assert_eq!(leading_number(text.as_bytes()), number, "{text}");
        }
        assert_eq!(leading_number(b"99999999999"), c_int::MAX);
    }
}
