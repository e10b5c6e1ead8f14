//! What an RSA-PSS key restricts its signatures to (RFC 8017, A.2.3), as `rsa_backend.c` of OpenSSL has it.

use std::ffi::{CStr, c_int};

use super::refusal::Refusal;
use crate::ossl::keys;
use crate::ossl::list::List;
use crate::ossl::params::{Given, Mismatch, Params, Wanted};

/// A hash function that the standard allows there: its names, the first of which is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Md(usize);

static MDS: [(&CStr, &[&str]); 7] = [
    (c"SHA1", &["SHA-1", "SSL3-SHA1", "1.3.14.3.2.26"]),
    (c"SHA2-224", &["SHA-224", "SHA224", "2.16.840.1.101.3.4.2.4"]),
    (c"SHA2-256", &["SHA-256", "SHA256", "2.16.840.1.101.3.4.2.1"]),
    (c"SHA2-384", &["SHA-384", "SHA384", "2.16.840.1.101.3.4.2.2"]),
    (c"SHA2-512", &["SHA-512", "SHA512", "2.16.840.1.101.3.4.2.3"]),
    (c"SHA2-512/224", &["SHA-512/224", "SHA512-224", "2.16.840.1.101.3.4.2.5"]),
    (c"SHA2-512/256", &["SHA-512/256", "SHA512-256", "2.16.840.1.101.3.4.2.6"]),
];

impl Md {
    /// What is meant where none is named.
    const SHA1: Self = Self(0);

    /// The name that is written.
    pub(crate) fn name(self) -> &'static CStr {
        MDS[self.0].0
    }

    fn named(name: &[u8]) -> Option<Self> {
        let is = |(first, others): &(&CStr, &[&str])| {
            first.to_bytes().eq_ignore_ascii_case(name)
                || others.iter().any(|other| other.as_bytes().eq_ignore_ascii_case(name))
        };
        MDS.iter().position(is).map(Self)
    }
}

/// What signatures have to be like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Restriction {
    pub(crate) digest: Md,
    pub(crate) mgf1_digest: Md,
    /// Bytes of salt, at least.
    pub(crate) salt_len: c_int,
}

impl Default for Restriction {
    fn default() -> Self {
        Self { digest: Md::SHA1, mgf1_digest: Md::SHA1, salt_len: 20 }
    }
}

impl Restriction {
    /// What a list restricts, beyond what was restricted before. `None`: nothing.
    pub(super) fn by(before: Option<Self>, params: Params<'_>) -> Result<Option<Self>, Refusal> {
        let mut restriction = before;
        for given in params.each() {
            let key = given.key();
            let is_one = key == keys::PKEY_DIGEST
                || key == keys::PKEY_MASKGENFUNC
                || key == keys::PKEY_MGF1_DIGEST
                || key == keys::PKEY_RSA_PSS_SALTLEN;
            if is_one {
                restriction.get_or_insert_default().set(given)?;
            }
        }
        Ok(restriction)
    }

    fn set(&mut self, given: Given<'_>) -> Result<(), Refusal> {
        let md = |given: Given<'_>| Md::named(given.as_text()?).ok_or(Refusal::Elsewhere);
        match given.key() {
            key if key == keys::PKEY_DIGEST => self.digest = md(given)?,
            key if key == keys::PKEY_MGF1_DIGEST => self.mgf1_digest = md(given)?,
            key if key == keys::PKEY_RSA_PSS_SALTLEN => self.salt_len = given.as_int()?,
            // The function that makes masks is MGF1.
            _ if !given.as_text()?.eq_ignore_ascii_case(b"MGF1") => return Err(Refusal::Elsewhere),
            _ => {}
        }
        Ok(())
    }

    /// Defaults are left out, but for one, so that the receiver sees that there is a restriction.
    pub(super) fn export(&self, list: &mut List) {
        if self.digest != Md::SHA1 {
            list.text(keys::PKEY_DIGEST, self.digest.name());
        }
        if self.mgf1_digest != Md::SHA1 {
            list.text(keys::PKEY_MGF1_DIGEST, self.mgf1_digest.name());
        }
        list.int(keys::PKEY_RSA_PSS_SALTLEN, self.salt_len);
    }

    pub(super) fn give(&self, wanted: &mut Wanted<'_>) -> Result<(), Mismatch> {
        match wanted.key() {
            key if key == keys::PKEY_MANDATORY_DIGEST => wanted.give_text(self.digest.name()),
            key if key == keys::PKEY_DIGEST && self.digest != Md::SHA1 => {
                wanted.give_text(self.digest.name())
            }
            key if key == keys::PKEY_MGF1_DIGEST && self.mgf1_digest != Md::SHA1 => {
                wanted.give_text(self.mgf1_digest.name())
            }
            key if key == keys::PKEY_RSA_PSS_SALTLEN => {
                wanted.give_number(u64::try_from(self.salt_len).map_err(|_| Mismatch)?, size_of::<c_int>())
            }
            _ => Ok(()),
        }
    }
}
