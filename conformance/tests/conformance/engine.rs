//! The calls of the sets, made of an engine.

use simaccel::{Error, OpError};
use simaccel_device::Hash;

use crate::offloaded::Offloaded;
use crate::way::{AeadCall, CipherCall, Direction, Refused, Way};

impl Way for Offloaded {
    fn cipher(&self, call: &CipherCall<'_>) -> Result<Vec<u8>, Refused> {
        let CipherCall { cipher, padding, direction, .. } = *call;
        let (key, iv, text) = (call.key.to_vec(), call.iv.to_vec(), call.text.to_vec());
        self.call(move |engine| {
            let session = engine.cipher_with(cipher, &key, padding)?;
            match direction {
                Direction::Encrypt => Ok(session.encrypt(&iv, text)?),
                Direction::Decrypt => Ok(session.decrypt(&iv, text)?),
            }
        })
    }

    fn seal(&self, call: &AeadCall<'_>) -> Result<(Vec<u8>, Vec<u8>), Refused> {
        let AeadCall { aead, tag_len, .. } = *call;
        let (key, iv, aad, text) =
            (call.key.to_vec(), call.iv.to_vec(), call.aad.to_vec(), call.text.to_vec());
        self.call(move |engine| {
            let (text, tag) = engine.aead_with(aead, &key, tag_len)?.seal(&iv, &aad, text)?;
            Ok((text, tag.as_bytes().to_vec()))
        })
    }

    fn open(&self, call: &AeadCall<'_>, tag: &[u8]) -> Result<Vec<u8>, Refused> {
        let AeadCall { aead, tag_len, .. } = *call;
        let (key, iv, aad, text) =
            (call.key.to_vec(), call.iv.to_vec(), call.aad.to_vec(), call.text.to_vec());
        let tag = tag.to_vec();
        self.call(move |engine| {
            let session = engine.aead_with(aead, &key, tag_len)?;
            session.open(&iv, &aad, text, &tag).map_err(|error: OpError| {
                let (error, rest) = error.into_parts();
                assert!(error != Error::AuthFailed || rest.is_empty(), "no plaintext with a bad tag");
                error
            })
        })
    }

    fn digest(&self, hash: Hash, message: &[u8]) -> Result<Vec<u8>, Refused> {
        let message = message.to_vec();
        self.call(move |engine| Ok(engine.hash(hash)?.digest(&message)?.as_bytes().to_vec()))
    }

    fn mac(&self, hash: Hash, key: &[u8], message: &[u8]) -> Result<Vec<u8>, Refused> {
        let (key, message) = (key.to_vec(), message.to_vec());
        self.call(move |engine| Ok(engine.hmac(hash, &key)?.mac_owned(message)?.1.as_bytes().to_vec()))
    }
}

impl From<Error> for Refused {
    fn from(error: Error) -> Self {
        match error {
            Error::AuthFailed => Self::Authentication,
            Error::InvalidArgument(_) | Error::Session(_) => Self::Arguments,
            other => panic!("{other}"),
        }
    }
}
