//! What is set for an encryption with RSA, and what follows from it.

use std::ffi::{c_int, c_uint};
use std::sync::Arc;

use simaccel::{KeyArguments, Operation as Asked, RsaPadding};

use crate::accelerator::{Text, Work};
use crate::error::{Failure, Reason};
use crate::instance::Instance;
use crate::keymgmt::Key;
use crate::kinds;
use crate::md::Md;
use crate::ossl::ids::{
    PARAM_INTEGER, PARAM_OCTET_PTR, PARAM_OCTET_STRING, PARAM_UNSIGNED_INTEGER, PARAM_UTF8_STRING,
};
use crate::ossl::keys;
use crate::ossl::params::{Given, Mismatch, Params, Wanted};
use crate::ossl::types::Param;
use crate::random;

/// `RSA_*_PADDING` of `rsa.h`. As in OpenSSL, another number is refused when it is used, and not when it is
/// set.
mod padding {
    use std::ffi::c_int;

    pub(super) const PKCS1: c_int = 1;
    pub(super) const NONE: c_int = 3;
    pub(super) const OAEP: c_int = 4;
    pub(super) const PSS: c_int = 6;
    pub(super) const TLS_PREMASTER: c_int = 7;
    /// What an unknown word is.
    pub(super) const UNKNOWN: c_int = 0;
}

/// Bytes of a premaster secret.
const PREMASTER: usize = 48;

/// The state of an encryption or a decryption.
#[derive(Clone, Debug)]
pub(super) struct Rsa {
    pub(super) key: Option<Arc<Key>>,
    padding: c_int,
    oaep: Option<Md>,
    mgf1: Option<Md>,
    label: Vec<u8>,
    client_version: c_uint,
    negotiated_version: c_uint,
    implicit_rejection: c_uint,
}

impl Default for Rsa {
    fn default() -> Self {
        Self {
            key: None,
            padding: padding::PKCS1,
            oaep: None,
            mgf1: None,
            label: Vec::new(),
            client_version: 0,
            negotiated_version: 0,
            implicit_rejection: 1,
        }
    }
}

impl Rsa {
    pub(super) fn init(&mut self, key: Arc<Key>, params: Params<'_>) -> Result<(), Failure> {
        if key.is_pss() {
            return Err(Failure::new(Reason::PaddingMode, "an RSA-PSS key is for signatures alone"));
        }
        self.key = Some(key);
        (self.padding, self.implicit_rejection) = (padding::PKCS1, 1);
        self.set(params)
    }

    fn key(&self) -> Result<&Arc<Key>, Failure> {
        self.key.as_ref().ok_or_else(|| Reason::NoKey.into())
    }

    /// Bytes of an output, at most.
    pub(super) fn size(&self, decrypts: bool) -> Result<usize, Failure> {
        if decrypts && self.padding == padding::TLS_PREMASTER {
            return Ok(PREMASTER);
        }
        Ok(self.key()?.max_size())
    }

    fn check_room(&self, room: usize, decrypts: bool) -> Result<(), Failure> {
        let size = self.size(decrypts)?;
        if room < size {
            return Err(Failure::new(Reason::OutputTooSmall, format!("{room} bytes, {size} are needed")));
        }
        Ok(())
    }

    pub(super) fn encrypt(&self, instance: &Instance, input: Text, room: usize) -> Result<Work, Failure> {
        self.check_room(room, false)?;
        let key = self.key()?;
        let mut randomness = [0; 32];
        random::fill(&mut randomness)?;
        if self.padding == padding::TLS_PREMASTER {
            return Err(Failure::new(Reason::PaddingMode, "it is for decryption alone"));
        }
        let padding = self.padding()?;
        let mut bytes = Vec::with_capacity(input.len());
        input.append_to(&mut bytes);
        Ok(Work {
            kind: kinds::RSA_ENCRYPT,
            session: key.public_session(instance)?,
            operation: Asked::Encrypt,
            arguments: KeyArguments::padded(padding, &randomness),
            input: bytes.into(),
        })
    }

    pub(super) fn decrypt(&self, instance: &Instance, input: Text, room: usize) -> Result<Work, Failure> {
        self.check_room(room, true)?;
        let key = self.key()?;
        let len = key.max_size();
        if input.len() > len {
            return Err(Failure::new(
                Reason::BadDecrypt,
                format!("{} bytes, ciphertexts have {len}", input.len()),
            ));
        }
        let mut randomness = [0; PREMASTER];
        random::fill(&mut randomness)?;
        let of_padding = if self.padding == padding::TLS_PREMASTER { PREMASTER } else { 32 };
        // A number that is shorter than the modulus.
        let mut bytes = vec![0; len - input.len()];
        input.append_to(&mut bytes);
        Ok(Work {
            kind: kinds::RSA_DECRYPT,
            session: key.private_session(instance)?,
            operation: Asked::Decrypt,
            arguments: KeyArguments::padded(self.padding()?, &randomness[..of_padding]),
            input: bytes.into(),
        })
    }

    /// The same for the device.
    fn padding(&self) -> Result<RsaPadding, Failure> {
        match self.padding {
            padding::NONE => Ok(RsaPadding::None),
            padding::PKCS1 => Ok(RsaPadding::Pkcs1 { implicit_rejection: self.implicit_rejection != 0 }),
            padding::OAEP => {
                let md = self.oaep.unwrap_or(Md::SHA1);
                let hashes = md.key_hash().zip(self.mgf1.unwrap_or(md).key_hash());
                let (hash, mgf_hash) = hashes.ok_or_else(no_oaep)?;
                Ok(RsaPadding::Oaep { hash, mgf_hash, label: self.label.clone() })
            }
            padding::TLS_PREMASTER => {
                let version = |version: c_uint| u16::try_from(version & 0xffff).unwrap_or(0);
                if self.client_version == 0 {
                    return Err(Failure::new(Reason::Parameter, "the client's version of TLS is not set"));
                }
                let alt_version = Some(version(self.negotiated_version)).filter(|version| *version > 0);
                Ok(RsaPadding::TlsPremaster { client_version: version(self.client_version), alt_version })
            }
            _ => Err(Failure::new(Reason::PaddingMode, "no such padding for encryption")),
        }
    }

    /// Whether OpenSSL says −1, and not 0, where an encryption fails.
    pub(super) const fn fails_below_0(&self) -> bool {
        self.padding != padding::OAEP
    }

    pub(super) fn set(&mut self, params: Params<'_>) -> Result<(), Failure> {
        if let Some(given) = params.find(keys::ASYM_CIPHER_OAEP_DIGEST) {
            self.oaep = Some(md(given)?);
        }
        if let Some(given) = params.find(keys::ASYM_CIPHER_PAD_MODE) {
            self.padding = padding_of(given)?;
            if self.padding == padding::OAEP {
                self.oaep.get_or_insert(Md::SHA1);
            }
        }
        if let Some(given) = params.find(keys::ASYM_CIPHER_MGF1_DIGEST) {
            self.mgf1 = Some(md(given)?);
        }
        if let Some(given) = params.find(keys::ASYM_CIPHER_OAEP_LABEL) {
            self.label = given.as_octets()?.to_vec();
        }
        let set = |key, place: &mut c_uint| {
            params.find(key).map_or(Ok(()), |given| given.as_uint().map(|number| *place = number))
        };
        set(keys::ASYM_CIPHER_TLS_CLIENT_VERSION, &mut self.client_version)?;
        set(keys::ASYM_CIPHER_TLS_NEGOTIATED_VERSION, &mut self.negotiated_version)?;
        set(keys::ASYM_CIPHER_IMPLICIT_REJECTION, &mut self.implicit_rejection)?;
        Ok(())
    }

    pub(super) fn give(&self, wanted: &mut Wanted<'_>) -> Result<(), Mismatch> {
        let name = |md: Option<Md>| md.map_or("", Md::name).as_bytes();
        match wanted.key() {
            key if key == keys::ASYM_CIPHER_PAD_MODE => self.give_padding(wanted),
            key if key == keys::ASYM_CIPHER_OAEP_DIGEST => wanted.give_name(name(self.oaep)),
            key if key == keys::ASYM_CIPHER_MGF1_DIGEST => wanted.give_name(name(self.mgf1.or(self.oaep))),
            key if key == keys::ASYM_CIPHER_OAEP_LABEL => {
                let label = if self.label.is_empty() { std::ptr::null() } else { self.label.as_ptr() };
                wanted.give_octets_pointer(label, self.label.len())
            }
            key if key == keys::ASYM_CIPHER_TLS_CLIENT_VERSION => wanted.give_uint(self.client_version),
            key if key == keys::ASYM_CIPHER_TLS_NEGOTIATED_VERSION => {
                wanted.give_uint(self.negotiated_version)
            }
            key if key == keys::ASYM_CIPHER_IMPLICIT_REJECTION => wanted.give_uint(self.implicit_rejection),
            _ => Ok(()),
        }
    }

    fn give_padding(&self, wanted: &mut Wanted<'_>) -> Result<(), Mismatch> {
        if !wanted.is_text() {
            return wanted.give_int(self.padding);
        }
        match self.padding {
            padding::PKCS1 => wanted.give_name(b"pkcs1"),
            padding::NONE => wanted.give_name(b"none"),
            padding::OAEP => wanted.give_name(b"oaep"),
            // The others have no name.
            _ => Ok(()),
        }
    }
}

#[cold]
fn no_oaep() -> Failure {
    Failure::new(Reason::NotOurs, "the device has no OAEP with this hash function")
}

fn md(given: Given<'_>) -> Result<Md, Failure> {
    let md = Md::named(given.as_text()?).ok_or_else(no_oaep)?;
    md.key_hash().map(|_| md).ok_or_else(no_oaep)
}

fn padding_of(given: Given<'_>) -> Result<c_int, Failure> {
    match given.as_text() {
        Ok(b"pkcs1") => Ok(padding::PKCS1),
        Ok(b"none") => Ok(padding::NONE),
        // The second is how OpenSSL once wrote it.
        Ok(b"oaep" | b"oeap") => Ok(padding::OAEP),
        Ok(_) => Ok(padding::UNKNOWN),
        Err(Mismatch) => match given.as_int()? {
            padding::PSS => Err(Failure::new(Reason::PaddingMode, "PSS is for signatures")),
            number => Ok(number),
        },
    }
}

macro_rules! described {
    ($($key:ident $type:ident $size:expr,)*) => {
        &[$(Param::described(keys::$key, $type, $size),)* Param::END]
    };
}

const INT: usize = size_of::<c_int>();

pub(super) static GETTABLE: &[Param] = described! {
    ASYM_CIPHER_OAEP_DIGEST PARAM_UTF8_STRING 0,
    ASYM_CIPHER_PAD_MODE PARAM_UTF8_STRING 0,
    ASYM_CIPHER_PAD_MODE PARAM_INTEGER INT,
    ASYM_CIPHER_MGF1_DIGEST PARAM_UTF8_STRING 0,
    ASYM_CIPHER_OAEP_LABEL PARAM_OCTET_PTR 0,
    ASYM_CIPHER_TLS_CLIENT_VERSION PARAM_UNSIGNED_INTEGER INT,
    ASYM_CIPHER_TLS_NEGOTIATED_VERSION PARAM_UNSIGNED_INTEGER INT,
    ASYM_CIPHER_IMPLICIT_REJECTION PARAM_UNSIGNED_INTEGER INT,
};

pub(super) static SETTABLE: &[Param] = described! {
    ASYM_CIPHER_OAEP_DIGEST PARAM_UTF8_STRING 0,
    ASYM_CIPHER_OAEP_DIGEST_PROPS PARAM_UTF8_STRING 0,
    ASYM_CIPHER_PAD_MODE PARAM_UTF8_STRING 0,
    ASYM_CIPHER_PAD_MODE PARAM_INTEGER INT,
    ASYM_CIPHER_MGF1_DIGEST PARAM_UTF8_STRING 0,
    ASYM_CIPHER_MGF1_DIGEST_PROPS PARAM_UTF8_STRING 0,
    ASYM_CIPHER_OAEP_LABEL PARAM_OCTET_STRING 0,
    ASYM_CIPHER_TLS_CLIENT_VERSION PARAM_UNSIGNED_INTEGER INT,
    ASYM_CIPHER_TLS_NEGOTIATED_VERSION PARAM_UNSIGNED_INTEGER INT,
    ASYM_CIPHER_IMPLICIT_REJECTION PARAM_UNSIGNED_INTEGER INT,
};
