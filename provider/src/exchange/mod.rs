//! Key exchange: ECDH on P-256, P-384 and P-521, and X25519, as `ecdh_exch.c` and `ecx_exch.c` of OpenSSL
//! have it.
//!
//! ```text
//!   NEWCTX ─► INIT(key) ─► SET_PEER(key) ─► DERIVE(no room): the length of the secret
//!                                        └► DERIVE: one operation, with the key and a copy of the peer's value
//!                                             │ pauses
//!                                             ▼
//!                                           the secret, or what X9.63's function makes of it
//! ```
//!
//! With a key that is the default provider's every call goes to its exchange.

mod entry;
mod kdf;
mod theirs;

use std::ffi::{CString, c_int};
use std::sync::Arc;

use zeroize::Zeroizing;

pub(crate) use entry::{ECDH, X25519};

use crate::accelerator::{self, Pass, Room};
use crate::context::{Context, CopyContext};
use crate::error::{Failure, Reason};
use crate::instance::Instance;
use crate::keymgmt::{Held, Key};
use crate::kinds::Kind;
use crate::ossl::keys;
use crate::ossl::object::Object;
use crate::ossl::params::{Mismatch, Params, Requests, Wanted};
use kdf::Kdf;
use theirs::TheirExchange;

/// What is different between the algorithms.
#[derive(Debug)]
struct Spec {
    name: &'static str,
    derives: Kind,
    /// Whether a secret may be cut to the room for it, and go through a function: so it is with ECDH.
    is_ecdh: bool,
}

/// `EVP_PKEY_CTX`'s part of an exchange.
#[derive(Debug)]
struct Exchange {
    instance: Arc<Instance>,
    spec: &'static Spec,
    with: With,
    kdf: Kdf,
    /// -1: as the key says. No cofactor here is more than 1, so it changes nothing.
    cofactor_mode: c_int,
}

/// Whose keys are exchanged.
#[derive(Debug)]
enum With {
    Nothing,
    Ours { key: Arc<Key>, peer: Option<Arc<Key>> },
    Theirs(TheirExchange),
}

impl Context for Exchange {
    fn instance(&self) -> &Instance {
        &self.instance
    }
}

impl CopyContext for Exchange {
    fn copied(&mut self) -> Result<Self, Failure> {
        let with = match &self.with {
            With::Nothing => With::Nothing,
            With::Ours { key, peer } => With::Ours { key: Arc::clone(key), peer: peer.clone() },
            With::Theirs(exchange) => With::Theirs(exchange.copied()?),
        };
        let (instance, kdf) = (Arc::clone(&self.instance), self.kdf.clone());
        Ok(Self { instance, spec: self.spec, with, kdf, cofactor_mode: self.cofactor_mode })
    }
}

impl Exchange {
    const fn new(instance: Arc<Instance>, spec: &'static Spec) -> Self {
        Self { instance, spec, with: With::Nothing, kdf: Kdf::none(), cofactor_mode: -1 }
    }

    fn init(&mut self, key: Held, params: Params<'_>) -> Result<(), Failure> {
        (self.kdf, self.cofactor_mode) = (Kdf::none(), -1);
        self.with = match key {
            Held::Empty => return Err(Reason::NoKey.into()),
            Held::Ours(key) => With::Ours { key, peer: None },
            Held::Theirs(key) => {
                With::Theirs(TheirExchange::begin(&self.instance, self.spec.name, key, params)?)
            }
        };
        self.set(params)
    }

    fn set_peer(&mut self, theirs: Held) -> Result<(), Failure> {
        match (&mut self.with, theirs) {
            (With::Nothing, _) | (_, Held::Empty) => Err(Reason::NoKey.into()),
            (With::Ours { key, peer }, Held::Ours(theirs)) => {
                if key.algorithm() != theirs.algorithm() {
                    return Err(Failure::new(Reason::BadKey, "the peer's key is of another group"));
                }
                *peer = Some(theirs);
                Ok(())
            }
            (With::Theirs(exchange), Held::Theirs(peer)) => done(exchange.set_peer(peer)),
            // The same group by another spelling.
            (With::Theirs(exchange), Held::Ours(peer)) => {
                done(exchange.set_peer(Arc::new(peer.as_theirs(&self.instance)?)))
            }
            (With::Ours { key, .. }, Held::Theirs(peer)) => {
                let key = Arc::new(key.as_theirs(&self.instance)?);
                let mut settings = self.kdf.as_list(self.cofactor_mode);
                let mut exchange =
                    TheirExchange::begin_with(&self.instance, self.spec.name, key, &mut settings)?;
                done(exchange.set_peer(peer))?;
                self.with = With::Theirs(exchange);
                Ok(())
            }
        }
    }

    /// The length of the secret: what `DERIVE` says without room for it.
    fn len(&self) -> Result<usize, Failure> {
        match &self.with {
            With::Ours { key, peer: Some(_) } if self.kdf.is_none() => {
                Ok(key.curve().map_or_else(|| key.max_size(), crate::keymgmt::Curve::len))
            }
            With::Ours { peer: Some(_), .. } => Ok(self.kdf.out_len()),
            With::Theirs(exchange) => exchange.len().ok_or_else(|| Reason::Elsewhere.into()),
            _ => Err(Reason::NoKey.into()),
        }
    }

    /// Writes the secret; returns its bytes. Nothing of the context is borrowed while the device computes.
    fn derive(exchange: Object<Self>, room: Room) -> Result<usize, Failure> {
        let theirs = |exchange: &mut Self| match &exchange.with {
            With::Theirs(theirs) => Some(accelerator::elsewhere(
                Pass::of_key(&exchange.instance, exchange.spec.derives, 0),
                || theirs.derive(room).ok_or_else(|| Reason::Elsewhere.into()),
            )),
            _ => None,
        };
        if let Some(derived) = exchange.with(theirs) {
            return derived;
        }
        let (pass, held) = exchange.with(|exchange| exchange.request(room))?;
        let secret = accelerator::run_key(pass, held, |(session, peer)| session.derive(peer))?;
        exchange.with(|exchange| exchange.give(&secret, room))
    }

    /// What the device is to derive, after all has been checked that can be.
    fn request(&self, room: Room) -> Result<(Pass, (simaccel::KeySession, Vec<u8>)), Failure> {
        let With::Ours { key, peer: Some(peer) } = &self.with else { return Err(Reason::NoKey.into()) };
        if !self.spec.is_ecdh || !self.kdf.is_none() {
            room.check(self.len()?)?;
        }
        let peer = peer.public_value().ok_or(Reason::NoKey)?.to_vec();
        let session = key.private_session(&self.instance)?;
        Ok((Pass::of_key(&self.instance, self.spec.derives, peer.len()), (session, peer)))
    }

    fn give(&self, secret: &Zeroizing<Vec<u8>>, room: Room) -> Result<usize, Failure> {
        if self.kdf.is_none() {
            let len = secret.len().min(room.size());
            room.put(&secret[..len])?;
            return Ok(len);
        }
        let made = self.kdf.made_of(&self.instance, secret)?;
        room.put(&made)?;
        Ok(made.len())
    }

    fn set(&mut self, params: Params<'_>) -> Result<(), Failure> {
        if let With::Theirs(exchange) = &self.with {
            return done(exchange.set(params));
        }
        if let Some(mode) = params.find(keys::EXCHANGE_EC_ECDH_COFACTOR_MODE) {
            let mode = mode.as_int()?;
            if !(-1..=1).contains(&mode) {
                return Err(Reason::Parameter.into());
            }
            self.cofactor_mode = mode;
        }
        self.kdf.set(&self.instance, params)
    }

    fn get(&self, requests: Requests<'_>) -> Result<(), Failure> {
        if let With::Theirs(exchange) = &self.with {
            return done(exchange.give(&requests));
        }
        Ok(requests.each().try_for_each(|mut wanted| self.give_one(&mut wanted))?)
    }

    fn give_one(&self, wanted: &mut Wanted<'_>) -> Result<(), Mismatch> {
        match wanted.key() {
            key if key == keys::EXCHANGE_EC_ECDH_COFACTOR_MODE => wanted.give_flag(self.cofactor_mode == 1),
            _ => self.kdf.give(wanted),
        }
    }
}

fn done(is_done: bool) -> Result<(), Failure> {
    if is_done { Ok(()) } else { Err(Reason::Elsewhere.into()) }
}

/// A text as C has it.
fn c_string(text: &[u8]) -> Result<CString, Mismatch> {
    CString::new(text).map_err(|_| Mismatch)
}
