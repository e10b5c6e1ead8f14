//! Sessions: algorithm, key and options, prepared once and used by many requests.
//!
//! ```text
//!   algorithm, key, parameters ──► Session::new ──► key schedules, GHASH powers, HMAC states   (wiped on drop)
//!                                                       │
//!                                 Request ──► execute ──┴──► one match ──► the kernel of that mode ──► Status
//! ```

use std::fmt;
use std::hint::black_box;

use ::hmac::Hmac;
use aes::{Aes128, Aes128Enc, Aes192, Aes192Enc, Aes256, Aes256Enc};
use sha2::{Sha224, Sha256, Sha384, Sha512, Sha512_256};

use crate::kernels::cbc::Cbc;
use crate::kernels::ctr::Ctr;
use crate::kernels::ecb::Ecb;
use crate::kernels::gcm::Gcm;
use crate::kernels::hash::Hashing;
use crate::kernels::hmac::Keyed;
use crate::kernels::kernel::{BadKey, Kernel, Options, run};
#[cfg(feature = "private-keys")]
use crate::kernels::keys::{self, AnyKey};
use crate::kernels::lanes::{Lane, LaneKey};
use crate::kernels::trial::{Mask, Runs};
use crate::kernels::wipe::{set_apart, wipe_stack};
use crate::kernels::xts::Xts;
use crate::message::algorithm::{Aead, Algorithm, Cipher, Hash, Trial};
use crate::message::argument::ArgumentError;
use crate::message::key_algorithm::KeyAlgorithm;
use crate::message::key_error::KeyError;
use crate::message::lengths::Allowed;
use crate::message::parameters::{Padding, Parameter, Parameters};
use crate::message::status::Status;
use crate::message::view::Message;
use crate::message::with_algorithms;

/// Why a session cannot be created.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SessionError {
    /// The key has the wrong length.
    #[error("{}", key_length(*algorithm, *allowed, *given))]
    KeyLength {
        /// The algorithm of the session.
        algorithm: Algorithm,
        /// Allowed lengths of the key, in bytes.
        allowed: Allowed,
        /// The given length.
        given: usize,
    },
    /// Both halves of an XTS key are the same, which breaks the mode (SP 800-38E; FIPS 140 IG, C.I).
    #[error("the two halves of an {algorithm} key must differ")]
    EqualHalves {
        /// The algorithm of the session.
        algorithm: Algorithm,
    },
    /// A private or a public key is refused.
    #[error("{algorithm}: {reason}")]
    Key {
        /// The algorithm of the session.
        algorithm: Algorithm,
        /// Why.
        reason: KeyError,
    },
    /// No tag may have that length.
    #[error("{algorithm} tags have {allowed}, not {given}")]
    TagLength {
        /// The algorithm of the session.
        algorithm: Algorithm,
        /// Allowed lengths of a tag, in bytes.
        allowed: Allowed,
        /// The given length.
        given: usize,
    },
    /// A parameter was chosen that the algorithm does not have.
    #[error("{parameter} does not fit {algorithm}, which takes {}", parameters_of(*algorithm))]
    Parameter {
        /// The algorithm of the session.
        algorithm: Algorithm,
        /// The first parameter that does not fit.
        parameter: Parameter,
    },
}

fn key_length(algorithm: Algorithm, allowed: Allowed, given: usize) -> String {
    match allowed {
        Allowed::Nothing => format!("{algorithm} takes no key, and was given {given} bytes"),
        allowed => format!("{algorithm} takes a key of {allowed}, not {given}"),
    }
}

fn parameters_of(algorithm: Algorithm) -> String {
    let fitting = Parameter::ALL.iter().filter(|parameter| parameter.fits(algorithm));
    let names: Vec<&str> = fitting.map(|parameter| parameter.name()).collect();
    if names.is_empty() { "no option".to_owned() } else { names.join(", ") }
}

/// Algorithm, prepared key and options. All of it is wiped on drop; `Debug` prints nothing of the key.
///
/// A session is moved by value, and a move leaves a copy where it was. Make it, and put it where it is to
/// stay, inside of one [`with_wiped_stack`](crate::with_wiped_stack):
///
/// ```
/// use std::sync::Arc;
/// use simaccel_device::{Cipher, Padding, Session, with_wiped_stack};
///
/// let key = [7; 32];
/// let session = with_wiped_stack(|| Session::cipher(Cipher::Aes256Ctr, &key, Padding::None).map(Arc::new))?;
/// # Ok::<(), simaccel_device::SessionError>(())
/// ```
pub struct Session {
    algorithm: Algorithm,
    options: Options,
    /// Whether a request is best executed alone, and takes no longer than its length lets expect.
    is_simple: bool,
    kernel: AnyKernel,
}

macro_rules! kernels {
    (
        ciphers { $($(#[$cipher_doc:meta])+ $cipher:ident {
            name: $cipher_name:literal, also: $cipher_also:tt,
            key: $cipher_key:literal, mode: $cipher_mode:ident, kernel: $cipher_kernel:ty
        })+ }
        aeads { $($(#[$aead_doc:meta])+ $aead:ident {
            name: $aead_name:literal, also: $aead_also:tt,
            key: $aead_key:literal, mode: $aead_mode:ident, kernel: $aead_kernel:ty
        })+ }
        hashes { $($(#[$hash_doc:meta])+ $hash:ident {
            name: $hash_name:literal, also: $hash_also:tt,
            digest: $digest:literal, block: $block:literal, kernel: $hash_kernel:ty
        })+ }
        hmacs { $($hmac:ident {
            name: $hmac_name:literal, also: $hmac_also:tt,
            hash: $hmac_hash:ident, kernel: $hmac_kernel:ty
        })+ }
        keys $keys:tt
        trials { $($(#[$trial_doc:meta])+ $trial:ident {
            name: $trial_name:literal, takes: $takes:ident($lens:literal),
            gives: $gives:tt, kernel: $trial_kernel:ty
        })+ }
    ) => {
        kernels! {
            $($cipher($cipher_kernel): Algorithm::Cipher(Cipher::$cipher),)+
            $($aead($aead_kernel): Algorithm::Aead(Aead::$aead),)+
            $($hash($hash_kernel): Algorithm::Hash(Hash::$hash),)+
            $($hmac($hmac_kernel): Algorithm::Hmac(Hash::$hmac_hash),)+
            $($trial($trial_kernel): Algorithm::Trial(Trial::$trial),)+
        }
    };
    ($($variant:ident($kernel:ty): $algorithm:pat),+ $(,)?) => {
        /// All kernels, so that a request costs one match. In place and not in a box, which every request
        /// would have to follow.
        enum AnyKernel {
            $($variant($kernel)),+,
            /// The operations of private and public keys are long, so it does not matter where they lie.
            #[cfg(feature = "private-keys")]
            Key(AnyKey),
            /// What remains when the session is dropped.
            Wiped(#[expect(dead_code, reason = "its size is what it is for")] [u8; PLACE]),
        }

        const LARGEST: usize = largest(&[$(size_of::<$kernel>()),+]);
        const STRICTEST: usize = largest(&[$(align_of::<$kernel>()),+]);

        impl AnyKernel {
            /// The kernel of an algorithm, with its key. Each is created in its own frame.
            fn new(algorithm: Algorithm, key: &[u8], options: Options) -> Result<Self, BadKey> {
                match algorithm {
                    $($algorithm => set_apart(|| <$kernel>::prepare(key, options).map(Self::$variant)),)+
                    Algorithm::Key(algorithm) => Self::of_der(algorithm, key),
                }
            }

            fn run(&self, algorithm: Algorithm, message: Message<'_>) -> Status {
                match self {
                    $(Self::$variant(kernel) => run(kernel, algorithm, message)),+,
                    #[cfg(feature = "private-keys")]
                    Self::Key(key) => keys::run(key, message),
                    Self::Wiped(_) => Status::InvalidSession,
                }
            }

            fn lane(&self, message: &mut Message<'_>) -> Option<Result<Lane, Status>> {
                match self {
                    $(Self::$variant(kernel) => kernel.lane(message)),+,
                    #[cfg(feature = "private-keys")]
                    Self::Key(_) => None,
                    Self::Wiped(_) => None,
                }
            }

            fn lane_key(&self) -> Option<LaneKey<'_>> {
                match self {
                    $(Self::$variant(kernel) => kernel.lane_key()),+,
                    #[cfg(feature = "private-keys")]
                    Self::Key(_) => None,
                    Self::Wiped(_) => None,
                }
            }
        }
    };
}

with_algorithms!(kernels);

impl AnyKernel {
    /// The algorithm of a private or a public key.
    fn key_algorithm(&self) -> Option<KeyAlgorithm> {
        match self {
            #[cfg(feature = "private-keys")]
            Self::Key(key) => Some(key.algorithm()),
            _ => None,
        }
    }

    /// The kernel of a private or a public key in DER.
    #[cfg(feature = "private-keys")]
    fn of_der(algorithm: KeyAlgorithm, der: &[u8]) -> Result<Self, BadKey> {
        set_apart(|| keys::from_der(algorithm, der)).map(Self::Key).map_err(BadKey::Key)
    }

    #[cfg(not(feature = "private-keys"))]
    const fn of_der(_: KeyAlgorithm, _: &[u8]) -> Result<Self, BadKey> {
        Err(BadKey::Key(KeyError::NotBuilt))
    }
}

impl Session {
    /// A session for every operation of the algorithm. The key is prepared, and need not be kept. A private
    /// or a public key is DER: PKCS#8, PKCS#1, SEC 1 or SubjectPublicKeyInfo.
    ///
    /// # Errors
    ///
    /// [`SessionError::KeyLength`] unless the key has one of the [`Algorithm::key_lens`];
    /// [`SessionError::Key`] for a private or a public key that is refused; [`SessionError::EqualHalves`] for
    /// an XTS key with equal halves; [`SessionError::Parameter`] for a parameter that does not fit the
    /// algorithm; [`SessionError::TagLength`] for a length that is not in [`Algorithm::tag_lens`].
    pub fn new(algorithm: Algorithm, key: &[u8], parameters: Parameters) -> Result<Self, SessionError> {
        if let Some(parameter) = parameters.unfit(algorithm) {
            return Err(SessionError::Parameter { algorithm, parameter });
        }
        let tag_lens = algorithm.tag_lens();
        let default = tag_lens.last().copied().unwrap_or_default();
        let tag_len = parameters.tag_len.unwrap_or(default);
        if tag_len != default && !tag_lens.contains(&tag_len) {
            let allowed = Allowed::OneOf(tag_lens);
            return Err(SessionError::TagLength { algorithm, allowed, given: tag_len });
        }
        let allowed = algorithm.key_lens();
        if !allowed.contains(key.len() as u64) {
            return Err(SessionError::KeyLength { algorithm, allowed, given: key.len() });
        }
        let default = if algorithm.pads() { Padding::Pkcs7 } else { Padding::None };
        let padding = parameters.padding.unwrap_or(default);
        let takes_equal_halves = parameters.takes_equal_halves;
        let options = Options { padding, tag_len, takes_equal_halves };
        let kernel = AnyKernel::new(algorithm, key, options).map_err(|bad| match bad {
            BadKey::Length => SessionError::KeyLength { algorithm, allowed, given: key.len() },
            BadKey::EqualHalves => SessionError::EqualHalves { algorithm },
            BadKey::Key(reason) => SessionError::Key { algorithm, reason },
        })?;
        // Its size may be said by the key alone.
        let algorithm = kernel.key_algorithm().map_or(algorithm, Algorithm::Key);
        let is_simple = kernel.lane_key().is_none() && !matches!(algorithm, Algorithm::Key(_));
        Ok(Self { algorithm, options, is_simple, kernel })
    }

    /// A session for both directions of a cipher. A cipher that does not [pad](Cipher::pads) ignores
    /// `padding`.
    ///
    /// # Errors
    ///
    /// As [`Session::new`].
    pub fn cipher(cipher: Cipher, key: &[u8], padding: Padding) -> Result<Self, SessionError> {
        let padding = cipher.pads().then_some(padding);
        Self::new(cipher.into(), key, Parameters { padding, ..Parameters::default() })
    }

    /// A session for both directions of an AEAD whose tags have `tag_len` bytes.
    ///
    /// # Errors
    ///
    /// As [`Session::new`].
    pub fn aead(aead: Aead, key: &[u8], tag_len: usize) -> Result<Self, SessionError> {
        Self::new(aead.into(), key, Parameters::default().with_tag_len(tag_len))
    }

    /// A session for a hash function.
    ///
    /// # Errors
    ///
    /// None today.
    pub fn hash(hash: Hash) -> Result<Self, SessionError> {
        Self::new(Algorithm::Hash(hash), &[], Parameters::default())
    }

    /// A session for HMAC over a hash function; the key may have any length.
    ///
    /// # Errors
    ///
    /// None today.
    pub fn hmac(hash: Hash, key: &[u8]) -> Result<Self, SessionError> {
        Self::new(Algorithm::Hmac(hash), key, Parameters::default())
    }

    /// A session of a private or a public key.
    #[cfg(feature = "private-keys")]
    pub(crate) fn of_key(key: AnyKey) -> Self {
        let algorithm = key.algorithm().into();
        let options = Options { padding: Padding::None, tag_len: 0, takes_equal_halves: false };
        Self { algorithm, options, is_simple: false, kernel: AnyKernel::Key(key) }
    }

    /// Why the device has refused a message of a private or a public key, if it was the message. It is
    /// computed once more for that, in the calling thread.
    pub fn explain<'m>(&self, message: impl Into<Message<'m>>) -> Option<ArgumentError> {
        match &self.kernel {
            #[cfg(feature = "private-keys")]
            AnyKernel::Key(key) => keys::explain(key, &message.into()),
            _ => {
                drop(message.into());
                None
            }
        }
    }

    /// What this session computes.
    pub const fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// What happens to the last block, in a mode that [pads](Cipher::pads).
    pub(crate) const fn padding(&self) -> Padding {
        self.options.padding
    }

    /// Bytes of a tag; 0 where there are none.
    pub(crate) const fn tag_len(&self) -> usize {
        self.options.tag_len
    }

    /// Bytes by which the output of one request may exceed its input: padding (up to 16), and what a
    /// multi-part message held back before (up to 15, for XTS up to 31). A caller that reserves this many
    /// saves the device an allocation.
    pub const fn max_growth(&self) -> usize {
        self.algorithm.growth()
    }

    /// Executes `request` in the calling thread. The id in the request is ignored.
    ///
    /// | session | takes | gives |
    /// |---|---|---|
    /// | cipher, AEAD | `buffer`, `iv`; AEAD: `aad`, and decrypting `tag` | the text in `destination` where there is one (and `buffer` stays), in `buffer` otherwise; AEAD encrypting: `tag` |
    /// | hash, HMAC | `buffer` | `tag`, full length; `buffer` stays |
    /// | key | `buffer`, `arguments` | as a cipher; verifying: the status alone, and `buffer` stays |
    ///
    /// Lengths: ECB takes no IV, CBC, CTR and XTS 16 bytes, GCM any from 1 byte on. ECB and CBC without
    /// padding take whole blocks; XTS 16 bytes to 2^20 blocks, which are one data unit; GCM up to 2^36 - 32
    /// bytes.
    ///
    /// A message may come in pieces of any length ([`crate::Part`]). A piece's output may be shorter or
    /// longer than the piece, because ECB, CBC and XTS hold bytes back until they know what follows. GCM
    /// returns the plaintext of [`crate::Part::Update`] *unverified*: act on none of it before the last piece
    /// ended with [`Status::Ok`].
    ///
    /// # Errors
    ///
    /// [`Status::InvalidArgs`]: lengths, operation, IV or additional data do not fit, or the state is another
    /// algorithm's; nothing has been touched but the state, which is gone. [`Status::AuthFailed`]: the tag
    /// (also one of the wrong length) or the padding is wrong; the text is wiped and empty.
    #[inline]
    pub fn execute<'m>(&self, message: impl Into<Message<'m>>) -> Status {
        self.kernel.run(self.algorithm, message.into())
    }

    /// [`Session::execute`], after which nothing of the key and of the message is left on the stack of the
    /// calling thread: 12 KiB below the caller are wiped, 16 KiB with debug assertions. With a private or a
    /// public key, up to 256 KiB are (the depth of the operation), as after every execution.
    pub fn execute_and_wipe<'m>(&self, message: impl Into<Message<'m>>) -> Status {
        let status = set_apart(|| self.execute(message));
        wipe_stack();
        status
    }

    /// Starts a request that is faster together with others; [`lanes::encrypt_cbc`] and [`Lane::put_back`]
    /// end it. `None`: use [`Session::execute`].
    ///
    /// [`lanes::encrypt_cbc`]: crate::kernels::lanes::encrypt_cbc
    pub(crate) fn lane(&self, mut message: Message<'_>) -> Option<Result<Lane, Status>> {
        self.kernel.lane(&mut message)
    }

    /// Whether [`Session::lane`] is not worth calling, and no request takes long whatever its length is.
    #[inline]
    pub(crate) const fn is_simple(&self) -> bool {
        self.is_simple
    }

    /// The key of the lanes that are started here; `None`: there are none.
    pub(crate) fn lane_key(&self) -> Option<LaneKey<'_>> {
        self.kernel.lane_key()
    }
}

/// A kernel wipes its own state. Moves may have left more in its place, in padding and in the rest of the
/// largest variant; that is wiped here.
impl Drop for Session {
    fn drop(&mut self) {
        self.kernel = AnyKernel::Wiped([0; PLACE]);
        black_box(&mut self.kernel);
    }
}

/// Bytes after the tag, so that zeros there leave none of a kernel, wherever its alignment has put it.
const PLACE: usize = STRICTEST - 1 + LARGEST;

const _: () = assert!(size_of::<AnyKernel>() == 1 + PLACE, "the zeros reach from the tag to the end");

const fn largest(sizes: &[usize]) -> usize {
    let (mut largest, mut at) = (0, 0);
    while at < sizes.len() {
        largest = if sizes[at] > largest { sizes[at] } else { largest };
        at += 1;
    }
    largest
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Session({})", self.algorithm)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Operation, Request, SessionId};

    #[test]
    fn keys_of_another_length_are_refused_with_the_right_one() {
        for &cipher in Cipher::ALL {
            for len in (0..=80).filter(|&len| len != cipher.key_len()) {
                let key = vec![3; len];
                let error = Session::cipher(cipher, &key, Padding::default()).unwrap_err();
                let allowed = Allowed::Exactly(cipher.key_len());
                let algorithm = Algorithm::Cipher(cipher);
                assert_eq!(error, SessionError::KeyLength { algorithm, allowed, given: len });
            }
        }
        let error = Session::aead(Aead::Aes192Gcm, &[0; 16], 16).unwrap_err();
        assert_eq!(error.to_string(), "aes-192-gcm takes a key of 24 bytes, not 16");
    }

    #[test]
    fn xts_keys_with_equal_halves_are_taken_where_that_is_asked_for() {
        // IEEE 1619, vector 1.
        let parameters = Parameters { takes_equal_halves: true, ..Parameters::default() };
        let session = Session::new(Cipher::Aes128Xts.into(), &[0; 32], parameters).unwrap();
        let text = [
            0x91, 0x7c, 0xf6, 0x9e, 0xbd, 0x68, 0xb2, 0xec, 0x9b, 0x9f, 0xe9, 0xa3, 0xea, 0xdd, 0xa6, 0x92,
            0xcd, 0x43, 0xd2, 0xf5, 0x95, 0x98, 0xed, 0x85, 0x8c, 0x02, 0xc2, 0x65, 0x2f, 0xbf, 0x92, 0x2e,
        ];
        let mut request = Request::new(SessionId::NONE, Operation::Decrypt, text.to_vec());
        request.set_iv(&[0; 16]);
        assert_eq!(session.execute_and_wipe(&mut request), Status::Ok);
        assert_eq!(request.buffer, [0; 32]);
    }

    #[test]
    fn xts_keys_with_equal_halves_are_refused() {
        for cipher in [Cipher::Aes128Xts, Cipher::Aes256Xts] {
            let mut key = vec![5; cipher.key_len()];
            let error = Session::cipher(cipher, &key, Padding::default()).unwrap_err();
            assert_eq!(error, SessionError::EqualHalves { algorithm: Algorithm::Cipher(cipher) });
            key[0] ^= 1;
            assert!(Session::cipher(cipher, &key, Padding::default()).is_ok());
        }
    }

    #[test]
    fn only_the_tag_lengths_of_sp_800_38d() {
        let taken: Vec<usize> =
            (0..=64).filter(|&len| Session::aead(Aead::Aes128Gcm, &[0; 16], len).is_ok()).collect();
        assert_eq!(taken, [4, 8, 12, 13, 14, 15, 16]);
        let error = Session::aead(Aead::Aes128Gcm, &[0; 16], 17).unwrap_err();
        assert_eq!(error.to_string(), "aes-128-gcm tags have 4, 8 or 12 to 16 bytes, not 17");
    }

    #[test]
    fn debug_shows_the_algorithm_and_no_key() {
        let session = Session::hmac(Hash::Sha512_256, b"secret").unwrap();
        assert_eq!(format!("{session:?}"), "Session(hmac-sha512-256)");
    }

    /// The crates wipe only with a feature; without it this does not compile. (HMAC consists of the hash
    /// functions, GHASH wipes without the marker.)
    #[test]
    fn schedules_and_states_are_wiped_on_drop() {
        fn wiped<T: zeroize::ZeroizeOnDrop>() {}
        wiped::<(Aes128, Aes128Enc)>();
        wiped::<(Aes192, Aes192Enc)>();
        wiped::<(Aes256, Aes256Enc)>();
        wiped::<cbc::Encryptor<Aes128>>();
        wiped::<cbc::Decryptor<Aes128>>();
        wiped::<(Sha256, Sha512)>();
    }

    #[test]
    fn sessions_go_to_other_threads() {
        fn everywhere<T: Send + Sync + 'static>() {}
        everywhere::<Session>();
        everywhere::<crate::Request>();
    }
}
