//! The rules of [`Session::execute`], for every algorithm at once. Published vectors are in
//! `tests/vectors.rs`.
//!
//! | file        | what it holds                                                               |
//! |-------------|-----------------------------------------------------------------------------|
//! | `reference` | the modes once more, block by block from their definitions                  |
//! | `agree`     | kernels and definitions agree, for every length, IV length and tag length   |
//! | `pieces`    | a message in pieces, in place or not, is the message in one                 |
//! | `refuse`    | bad tags, bad padding and wrong arguments                                   |

mod agree;
mod pieces;
mod reference;
mod refuse;

use std::sync::Arc;

use crate::{
    Aead, Algorithm, Cipher, Hash, Operation, Padding, Part, Request, Session, SessionId, Status, Tag,
};

/// A session with everything that its requests need besides the text.
#[derive(Clone)]
struct Subject {
    session: Arc<Session>,
    padding: Padding,
    operation: Operation,
    iv: Vec<u8>,
    aad: Vec<u8>,
}

/// The result of a message: the text (none for digests and MACs), and the tag (empty for ciphers).
#[derive(Debug, PartialEq)]
struct Outcome {
    text: Vec<u8>,
    tag: Vec<u8>,
}

impl Subject {
    /// Every algorithm, with both paddings where they matter, in the direction that makes text unreadable.
    fn all() -> Vec<Self> {
        let mut all = Vec::new();
        for &cipher in Cipher::ALL {
            all.push(Self::cipher(cipher, Padding::Pkcs7));
            if cipher.pads() {
                all.push(Self::cipher(cipher, Padding::None));
            }
        }
        all.extend(Aead::ALL.iter().map(|&aead| Self::aead(aead, 12, 16)));
        for &hash in Hash::ALL {
            all.push(Self::keyless(Session::hash(hash).unwrap(), Operation::Digest));
            all.push(Self::keyless(Session::hmac(hash, &bytes(77, 9)).unwrap(), Operation::Mac));
        }
        all
    }

    fn cipher(cipher: Cipher, padding: Padding) -> Self {
        Self {
            session: Arc::new(Session::cipher(cipher, &bytes(cipher.key_len(), 1), padding).unwrap()),
            padding,
            operation: Operation::Encrypt,
            iv: bytes(cipher.iv_len(), 2),
            aad: Vec::new(),
        }
    }

    fn aead(aead: Aead, iv_len: usize, tag_len: usize) -> Self {
        Self {
            session: Arc::new(Session::aead(aead, &bytes(aead.key_len(), 1), tag_len).unwrap()),
            padding: Padding::default(),
            operation: Operation::Encrypt,
            iv: bytes(iv_len, 2),
            aad: bytes(21, 3),
        }
    }

    fn keyless(session: Session, operation: Operation) -> Self {
        Self {
            session: Arc::new(session),
            padding: Padding::default(),
            operation,
            iv: Vec::new(),
            aad: Vec::new(),
        }
    }

    fn pads(&self) -> bool {
        matches!(self.session.algorithm(), Algorithm::Cipher(cipher) if cipher.pads())
    }

    fn is_xts(&self) -> bool {
        matches!(self.session.algorithm(), Algorithm::Cipher(Cipher::Aes128Xts | Cipher::Aes256Xts))
    }

    /// Whether a message of `len` bytes can be encrypted, digested or authenticated.
    fn takes(&self, len: usize) -> bool {
        match self.session.algorithm() {
            _ if self.pads() && self.padding == Padding::None => len.is_multiple_of(16),
            _ => !self.is_xts() || len >= 16,
        }
    }

    /// The opposite direction; `None` for digests and MACs.
    fn reversed(&self) -> Option<Self> {
        let reversed = Self { operation: Operation::Decrypt, ..self.clone() };
        matches!(self.session.algorithm(), Algorithm::Cipher(_) | Algorithm::Aead(_)).then_some(reversed)
    }

    fn request(&self, part: Part, piece: &[u8]) -> Request {
        let mut request = Request::new(SessionId::NONE, self.operation, piece.to_vec());
        request.part = part;
        request.set_iv(&self.iv);
        request.aad.clone_from(&self.aad);
        request
    }

    /// The message in one piece.
    fn whole(&self, text: &[u8], tag: &[u8]) -> Result<Outcome, Status> {
        let mut request = self.request(Part::Whole, text);
        request.tag = Tag::new(tag).unwrap();
        match self.session.execute(&mut request) {
            Status::Ok => Ok(self.outcome(request.buffer, &request.tag)),
            status => Err(status),
        }
    }

    fn outcome(&self, text: Vec<u8>, tag: &Tag) -> Outcome {
        let has_text = matches!(self.operation, Operation::Encrypt | Operation::Decrypt);
        let has_tag = match self.session.algorithm() {
            Algorithm::Cipher(_) => false,
            _ => self.operation != Operation::Decrypt,
        };
        let tag = if has_tag { tag.as_bytes().to_vec() } else { Vec::new() };
        Outcome { text: if has_text { text } else { Vec::new() }, tag }
    }
}

/// `len` bytes that look random; the same for the same `seed`.
fn bytes(len: usize, seed: u64) -> Vec<u8> {
    let mut random = Random::new(seed);
    (0..len).map(|_| random.next().to_le_bytes()[0]).collect()
}

/// Splitmix64.
struct Random(u64);

impl Random {
    fn new(seed: u64) -> Self {
        Self(seed)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut value = self.0;
        value = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        value ^ (value >> 31)
    }

    fn below(&mut self, limit: usize) -> usize {
        usize::try_from(self.next() % limit as u64).unwrap()
    }
}
