//! What goes to the device and comes back: one request, and nothing else that the device may touch.
//!
//! A request owns every byte that the device reads or writes. It is moved into a cell at submit and moved out
//! when the caller takes the result, so no buffer is ever shared between the two sides.

use std::fmt;

use zeroize::Zeroize;

use crate::kernels::StreamState;
use crate::session::SessionId;

/// What to do. More operations will join (private-key operations among them).
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Operation {
    /// Encrypt [`Request::buffer`] (cipher and AEAD sessions; an AEAD leaves its tag in [`Request::tag`]).
    Encrypt,
    /// Decrypt [`Request::buffer`] (an AEAD compares against [`Request::tag`]).
    Decrypt,
    /// Hash [`Request::buffer`] into [`Request::tag`].
    Digest,
    /// Compute the HMAC of [`Request::buffer`] into [`Request::tag`].
    Mac,
}

impl Operation {
    /// All there are, in the order of [`Operation::number`].
    pub const ALL: [Self; 4] = [Self::Encrypt, Self::Decrypt, Self::Digest, Self::Mac];

    /// The operation's place in [`Operation::ALL`].
    pub const fn number(self) -> usize {
        match self {
            Self::Encrypt => 0,
            Self::Decrypt => 1,
            Self::Digest => 2,
            Self::Mac => 3,
        }
    }

    /// The name used in statistics, configuration and reports.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Encrypt => "encrypt",
            Self::Decrypt => "decrypt",
            Self::Digest => "digest",
            Self::Mac => "mac",
        }
    }
}

/// Which piece of its message a request carries.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Part {
    /// The whole message in one request.
    #[default]
    Whole,
    /// A piece of a multi-part message with more to come. [`Request::state`] is `None` on the first piece.
    Update,
    /// The last piece, which may be empty.
    Final,
}

/// An initialisation vector, counter block, XTS tweak or GCM nonce; up to 16 bytes need no allocation.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Iv(IvBytes);

#[derive(Clone, PartialEq, Eq)]
enum IvBytes {
    Inline { bytes: [u8; 16], len: u8 },
    Long(Box<[u8]>),
}

impl Default for IvBytes {
    fn default() -> Self {
        Self::Inline { bytes: [0; 16], len: 0 }
    }
}

impl Iv {
    /// Copies `iv`; any length, the session's kernel decides what it accepts.
    pub fn new(iv: &[u8]) -> Self {
        match u8::try_from(iv.len()) {
            Ok(len @ 0..=16) => {
                let mut bytes = [0; 16];
                bytes[..iv.len()].copy_from_slice(iv);
                Self(IvBytes::Inline { bytes, len })
            }
            _ => Self(IvBytes::Long(iv.into())),
        }
    }

    /// The bytes.
    pub fn as_bytes(&self) -> &[u8] {
        match &self.0 {
            IvBytes::Inline { bytes, len } => &bytes[..usize::from(*len)],
            IvBytes::Long(bytes) => bytes,
        }
    }
}

impl fmt::Debug for Iv {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Iv({} bytes)", self.as_bytes().len())
    }
}

/// A short result: an authentication tag, a MAC or a digest; at most [`Tag::MAX`] bytes.
///
/// `==` takes a time that depends on the lengths alone, never on the bytes.
#[derive(Clone, Copy)]
pub struct Tag {
    bytes: [u8; Self::MAX],
    len: u8,
}

impl Tag {
    /// Room for the longest digest, SHA-512's.
    pub const MAX: usize = 64;

    /// Copies `bytes`; `None` when there are more than [`Tag::MAX`].
    pub fn new(bytes: &[u8]) -> Option<Self> {
        let len = u8::try_from(bytes.len()).ok()?;
        let mut tag = Self::default();
        tag.bytes.get_mut(..bytes.len())?.copy_from_slice(bytes);
        tag.len = len;
        Some(tag)
    }

    /// The bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes[..usize::from(self.len)]
    }

    pub(crate) fn as_bytes_mut(&mut self) -> &mut [u8] {
        &mut self.bytes[..usize::from(self.len)]
    }

    /// Forgets all but the first `len` bytes.
    pub(crate) fn truncate(&mut self, len: usize) {
        if let Some(rest) = self.as_bytes_mut().get_mut(len..) {
            rest.zeroize();
            self.len = u8::try_from(len).unwrap_or(self.len);
        }
    }
}

impl Default for Tag {
    fn default() -> Self {
        Self { bytes: [0; Self::MAX], len: 0 }
    }
}

impl AsRef<[u8]> for Tag {
    fn as_ref(&self) -> &[u8] {
        self.as_bytes()
    }
}

impl PartialEq for Tag {
    fn eq(&self, other: &Self) -> bool {
        bool::from(subtle::ConstantTimeEq::ct_eq(self.as_bytes(), other.as_bytes()))
    }
}

impl Eq for Tag {}

impl fmt::Debug for Tag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.as_bytes().iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// One request. The device touches these fields and nothing else.
pub struct Request {
    /// The session that holds algorithm and key.
    pub session: SessionId,
    /// What to do.
    pub operation: Operation,
    /// Which piece of its message this is.
    pub part: Part,
    /// Initialisation vector; read on a whole message and on the first piece.
    pub iv: Iv,
    /// Additional authenticated data (AEAD); read on a whole message and on the first piece.
    pub aad: Vec<u8>,
    /// The input, and in place the output too. With PKCS#7 padding the caller reserves a block more, so that
    /// the device need not allocate.
    pub buffer: Vec<u8>,
    /// Out of place: the output goes here (its length is set by the device) and `buffer` stays as it is.
    pub destination: Option<Vec<u8>>,
    /// In: the tag to compare (AEAD decryption). Out: tag, MAC or digest.
    pub tag: Tag,
    /// The state of a multi-part message between its pieces; travels by value.
    pub state: Option<Box<StreamState>>,
    /// Opaque; comes back unchanged and is what reaping hands out.
    pub user_data: u64,
    /// Out: how many bytes at the end of the result the device did not deliver. 0, unless it fails in that way
    /// ([`FaultKind::Short`](crate::FaultKind::Short)), which its status does not say.
    pub residue: usize,
    /// Where the request is timed.
    pub(crate) stamp: Option<Box<Stamp>>,
}

/// When a timed request was submitted, and when its service ended, in nanoseconds since its device was opened.
#[derive(Debug)]
pub(crate) struct Stamp {
    pub(crate) submitted: u64,
    /// `None`: it was never served.
    pub(crate) served: Option<u64>,
}

impl Request {
    /// A whole-message request in place; the other fields are public.
    pub fn new(session: SessionId, operation: Operation, buffer: Vec<u8>) -> Self {
        Self {
            session,
            operation,
            part: Part::Whole,
            iv: Iv::default(),
            aad: Vec::new(),
            buffer,
            destination: None,
            tag: Tag::default(),
            state: None,
            user_data: 0,
            residue: 0,
            stamp: None,
        }
    }

    /// Overwrites everything that may hold plaintext; for requests whose result nobody will take.
    pub fn wipe(&mut self) {
        self.buffer.zeroize();
        if let Some(destination) = &mut self.destination {
            destination.zeroize();
        }
        self.aad.zeroize();
        self.state = None;
    }
}

/// Says how much there is, and nothing of what it is.
impl fmt::Debug for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Request")
            .field("session", &self.session)
            .field("operation", &self.operation)
            .field("part", &self.part)
            .field("buffer_len", &self.buffer.len())
            .field("user_data", &self.user_data)
            .finish_non_exhaustive()
    }
}

/// How a request ended.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Status {
    /// The output is there.
    Ok = 0,
    /// The tag, or the padding, was wrong. Nothing more is said, and no plaintext is given.
    AuthFailed = 1,
    /// The session is not (or no longer) known to the device.
    InvalidSession = 2,
    /// Lengths, IV or operation do not fit the session.
    InvalidArgs = 3,
    /// The device has no such operation.
    Unsupported = 4,
    /// The device failed this request; another try may succeed.
    DeviceError = 5,
    /// The device was reset while the request was in flight; another try may succeed.
    Reset = 6,
    /// The device died (a worker panicked); it takes no more work until it is reset.
    DeviceDead = 7,
    /// The device was closed while the request was in flight.
    Closed = 8,
}

impl Status {
    /// The name used in configuration and reports.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::AuthFailed => "auth_failed",
            Self::InvalidSession => "invalid_session",
            Self::InvalidArgs => "invalid_args",
            Self::Unsupported => "unsupported",
            Self::DeviceError => "device_error",
            Self::Reset => "reset",
            Self::DeviceDead => "device_dead",
            Self::Closed => "closed",
        }
    }

    /// The status with this number, as stored in a claim word.
    pub(crate) const fn from_code(code: u8) -> Self {
        match code {
            0 => Self::Ok,
            1 => Self::AuthFailed,
            2 => Self::InvalidSession,
            3 => Self::InvalidArgs,
            4 => Self::Unsupported,
            6 => Self::Reset,
            7 => Self::DeviceDead,
            8 => Self::Closed,
            _ => Self::DeviceError,
        }
    }
}
