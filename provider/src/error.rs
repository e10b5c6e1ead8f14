//! Why a function of the provider fails: a reason for libcrypto's error queue, and what else there is to say.

use std::borrow::Cow;
use std::ffi::CStr;

use simaccel::{Error, OpError};

use crate::ossl::params::Mismatch;
use crate::ossl::types::Item;

/// Declares reasons with their texts, and the table of both that libcrypto asks for.
macro_rules! reasons {
    ($($(#[$doc:meta])* $Reason:ident = $number:literal, $text:literal;)+) => {
        /// The reason of an error, as applications may compare it (`ERR_GET_REASON`).
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(crate) enum Reason { $($(#[$doc])* $Reason = $number,)+ }

        /// What each means; ends with [`Item::END`].
        pub(crate) static REASONS: &[Item] = &[
            $(Item { id: $number, text: ($text as &CStr).as_ptr() },)+
            Item::END,
        ];
    };
}

reasons! {
    /// The configuration has a mistake; the provider is not loaded.
    Configuration = 1, c"invalid configuration";
    /// The device cannot be opened.
    Device = 2, c"the device cannot be opened";
    /// The device has failed the operation.
    Failed = 3, c"the operation failed";
    /// An operation before a key was set.
    NoKey = 4, c"no key set";
    /// A key of another length.
    KeyLength = 5, c"invalid key length";
    /// An initialisation vector of another length.
    IvLength = 6, c"invalid iv length";
    /// No room for the output.
    OutputTooSmall = 7, c"output buffer too small";
    /// A message that is no multiple of the block, without padding.
    FinalBlockLength = 8, c"wrong final block length";
    /// Wrong padding: the key is wrong, or the message was changed.
    BadDecrypt = 9, c"bad decrypt";
    /// A parameter of another type, or one that is not allowed.
    Parameter = 10, c"failed to get or set a parameter";
    /// XTS: more than 2^20 blocks in a data unit.
    DataUnit = 11, c"xts data unit is too large";
    /// XTS: both halves of the key are the same.
    DuplicatedKeys = 12, c"xts duplicated keys";
    /// A call that makes no sense now.
    NotNow = 13, c"the call is not allowed in this state";
    /// A key that the device does not have, and the default provider does not have, or not for us.
    Elsewhere = 14, c"the device does not have this key, and the default provider could not help";
    /// A key that no provider would have.
    BadKey = 15, c"invalid key";
    /// A hash function that does not go with key or scheme, or another than before.
    Digest = 16, c"digest not allowed";
    /// A digest of another length than its hash function gives.
    DigestLength = 17, c"invalid digest length";
    /// A padding that does not go with key or operation.
    PaddingMode = 18, c"illegal or unsupported padding mode";
    /// A length of salt that does not go with the key.
    SaltLength = 19, c"invalid salt length";
    /// A signature of something else.
    BadSignature = 20, c"bad signature";
    /// Bytes that are no signature at all.
    SignatureForm = 21, c"the bytes are no signature";
    /// What the device does not do, and the default provider did not do in its place.
    NotOurs = 22, c"the device does not do this, and the default provider could not help";
}

/// A failure of one call.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) reason: Reason,
    pub(crate) detail: Cow<'static, str>,
}

impl Failure {
    pub(crate) fn new(reason: Reason, detail: impl Into<Cow<'static, str>>) -> Self {
        Self { reason, detail: detail.into() }
    }
}

impl From<Reason> for Failure {
    fn from(reason: Reason) -> Self {
        Self { reason, detail: Cow::Borrowed("") }
    }
}

impl From<Mismatch> for Failure {
    fn from(_: Mismatch) -> Self {
        Reason::Parameter.into()
    }
}

impl From<Error> for Failure {
    #[cold]
    fn from(error: Error) -> Self {
        if error == Error::AuthFailed {
            return Reason::BadDecrypt.into();
        }
        Self::new(Reason::Failed, error.to_string())
    }
}

impl From<OpError> for Failure {
    #[cold]
    fn from(error: OpError) -> Self {
        error.into_parts().0.into()
    }
}
