//! Key encapsulation: ML-KEM-768 and X25519MLKEM768, as `ml_kem_kem.c` and `mlx_kem.c` of OpenSSL have it.
//!
//! ```text
//!   NEWCTX ─► ENCAPSULATE_INIT(public key) ─► ENCAPSULATE(no room): both lengths
//!          │                               └► ENCAPSULATE: one operation, which pauses ─► ciphertext, secret
//!          └► DECAPSULATE_INIT(private key) ► DECAPSULATE(no room): the length of the secret
//!                                          └► DECAPSULATE: one operation, which pauses ─► secret
//! ```

mod entry;

use std::sync::Arc;

use simaccel::{KeyAlgorithm, KeySession};
use zeroize::Zeroizing;

pub(crate) use entry::{ML_KEM_768, X25519_ML_KEM_768};

use crate::accelerator::{self, Pass, Room, Text};
use crate::context::{Context, CopyContext};
use crate::error::{Failure, Reason};
use crate::instance::Instance;
use crate::keymgmt::{Held, Key};
use crate::kinds::Kind;
use crate::ossl::keys;
use crate::ossl::object::Object;
use crate::ossl::params::Params;
use crate::random;

/// What is different between the algorithms.
#[derive(Debug)]
struct Spec {
    algorithm: KeyAlgorithm,
    encapsulates: Kind,
    decapsulates: Kind,
    /// Bytes of what an encapsulation may be given in place of random ones; 0: it is not.
    given_len: usize,
}

/// `EVP_PKEY_CTX`'s part of an encapsulation.
#[derive(Clone, Debug)]
struct Kem {
    instance: Arc<Instance>,
    spec: &'static Spec,
    key: Option<Arc<Key>>,
    /// In place of random bytes, for one encapsulation.
    given: Option<Zeroizing<Vec<u8>>>,
}

/// A session with a public key, and random bytes.
type Encapsulation = (KeySession, Zeroizing<Vec<u8>>);

impl Context for Kem {
    fn instance(&self) -> &Instance {
        &self.instance
    }
}

impl CopyContext for Kem {
    fn copied(&mut self) -> Result<Self, Failure> {
        Ok(self.clone())
    }
}

impl Kem {
    const fn new(instance: Arc<Instance>, spec: &'static Spec) -> Self {
        Self { instance, spec, key: None, given: None }
    }

    fn init(&mut self, key: Held, is_private: bool, params: Params<'_>) -> Result<(), Failure> {
        // The default provider has no other keys of these algorithms than the device.
        let Held::Ours(key) = key else { return Err(Reason::NoKey.into()) };
        let is_there = if is_private { key.has_private() } else { key.has_public() };
        if !is_there {
            return Err(Reason::NoKey.into());
        }
        (self.key, self.given) = (Some(key), None);
        if is_private { Ok(()) } else { self.set(params) }
    }

    fn set(&mut self, params: Params<'_>) -> Result<(), Failure> {
        if let Some(given) = params.find(keys::KEM_IKME).filter(|_| self.spec.given_len > 0) {
            let given = given.as_octets_or_pointed()?;
            if given.len() != self.spec.given_len {
                return Err(Failure::new(Reason::Parameter, "ikme has another length"));
            }
            self.given = Some(Zeroizing::new(given.to_vec()));
        }
        Ok(())
    }

    const fn ciphertext_len(&self) -> usize {
        self.spec.algorithm.ciphertext_len()
    }

    const fn secret_len(&self) -> usize {
        self.spec.algorithm.secret_len()
    }

    /// Writes a ciphertext and the secret in it. Nothing of the context is borrowed while the device
    /// computes.
    fn encapsulate(kem: Object<Self>, ciphertext: Room, secret: Room) -> Result<(), Failure> {
        let begin = |kem: &mut Self| {
            ciphertext.check(kem.ciphertext_len())?;
            secret.check(kem.secret_len())?;
            kem.encapsulation()
        };
        let (pass, held) = kem.with(begin)?;
        let encapsulate = |held: &mut Encapsulation| held.0.encapsulate_with(&held.1);
        let (out, shared) = accelerator::run_key(pass, held, encapsulate)?;
        ciphertext.put(&out)?;
        secret.put(&shared)
    }

    /// What the device is to do, with its random bytes.
    fn encapsulation(&mut self) -> Result<(Pass, Encapsulation), Failure> {
        let key = self.key.as_ref().ok_or(Reason::NoKey)?;
        let session = key.public_session(&self.instance)?;
        let randomness = match self.given.take() {
            Some(given) => given,
            None => {
                let mut bytes = Zeroizing::new(vec![0; self.spec.algorithm.encapsulation_len()]);
                random::fill(&mut bytes)?;
                bytes
            }
        };
        Ok((Pass::of_key(&self.instance, self.spec.encapsulates, 0), (session, randomness)))
    }

    /// Writes the secret in a ciphertext.
    fn decapsulate(kem: Object<Self>, ciphertext: Text, secret: Room) -> Result<(), Failure> {
        let begin = |kem: &mut Self| {
            secret.check(kem.secret_len())?;
            kem.decapsulation(ciphertext)
        };
        let (pass, held) = kem.with(begin)?;
        let decapsulate = |held: &mut (KeySession, Vec<u8>)| held.0.decapsulate(&held.1);
        let shared = accelerator::run_key(pass, held, decapsulate)?;
        secret.put(&shared)
    }

    fn decapsulation(&self, ciphertext: Text) -> Result<(Pass, (KeySession, Vec<u8>)), Failure> {
        let key = self.key.as_ref().ok_or(Reason::NoKey)?;
        if ciphertext.len() != self.ciphertext_len() {
            return Err(Failure::new(Reason::Parameter, "a ciphertext of this key has another length"));
        }
        let session = key.private_session(&self.instance)?;
        let mut copy = Vec::with_capacity(ciphertext.len());
        ciphertext.append_to(&mut copy);
        let pass = Pass::of_key(&self.instance, self.spec.decapsulates, copy.len());
        Ok((pass, (session, copy)))
    }
}
