//! The real work: one file per mode, each with the same two functions.
//!
//! ```text
//!                       begin(request)                    piece(stream, request)
//!   Part::Whole   ───►  stream, on the stack  ─────────►  the only piece; the stream is dropped, wiped
//!   first Update  ───►  stream, in a box      ─────────►  its output;  ──► Request::state
//!   Update                Request::state      ─────────►  its output;  ──► Request::state
//!   Final                 Request::state      ─────────►  the rest; the stream is dropped, wiped
//! ```
//!
//! A whole message is thus a stream of one piece, and there is one code for both. A kernel checks lengths
//! before it touches anything: after [`Status::InvalidArgs`] the buffers are as they were.
//!
//! | file     | what                                                | standard                     |
//! |----------|-----------------------------------------------------|------------------------------|
//! | `ecb`    | AES-ECB                                             | SP 800-38A, 6.1              |
//! | `cbc`    | AES-CBC                                             | SP 800-38A, 6.2              |
//! | `ctr`    | AES-CTR, 128-bit big-endian counter                 | SP 800-38A, 6.5              |
//! | `gcm`    | AES-GCM                                             | SP 800-38D                   |
//! | `xts`    | AES-XTS                                             | SP 800-38E, IEEE 1619        |
//! | `hash`   | SHA-2                                               | FIPS 180-4                   |
//! | `hmac`   | HMAC over SHA-2                                     | FIPS 198-1, RFC 2104         |
//! | `blocks` | what ECB and CBC share: padding, multi-part         | RFC 5652, 6.3 (PKCS#7)       |
//! | `text`   | where the output goes, and bytes held back          |                              |
//! | `lanes`  | several messages at once, where a mode is serial    |                              |

pub(crate) mod arguments;
mod blocks;
pub(crate) mod cbc;
pub(crate) mod ctr;
pub(crate) mod ecb;
pub(crate) mod gcm;
pub(crate) mod hash;
pub(crate) mod hmac;
pub(crate) mod lanes;
pub(crate) mod session;
mod text;
pub(crate) mod wipe;
pub(crate) mod xts;

use std::fmt;

use aes::cipher::KeyInit;
use sha2::{Sha224, Sha256, Sha384, Sha512, Sha512_256};

use self::lanes::{Lane, LaneKey};
use crate::kernels::wipe::{set_apart, wipe_stack};
use crate::message::algorithm::Algorithm;
use crate::message::lengths::BLOCK;
use crate::message::operation::Operation;
use crate::message::parameters::Padding;
use crate::message::piece::Part;
use crate::message::request::Request;
use crate::message::status::Status;

/// An AES block.
pub(crate) type Block = aes::Block;

/// The state of a multi-part message between its pieces: chaining value, counter, running hash, and the bytes
/// that wait for the rest of their block. It holds no key, and is wiped when it is dropped.
///
/// It belongs to the algorithm and the operation that began it; others refuse it with
/// [`Status::InvalidArgs`].
pub struct StreamState {
    algorithm: Algorithm,
    operation: Operation,
    stream: Stream,
}

impl Clone for StreamState {
    fn clone(&self) -> Self {
        // On its way into a box the copy lies on the stack.
        let stream = set_apart(|| self.stream.clone());
        wipe_stack();
        Self { stream, ..*self }
    }
}

impl fmt::Debug for StreamState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "StreamState({} {})", self.algorithm, self.operation.name())
    }
}

/// What a kernel is told besides its key: what was chosen, or else the defaults.
#[derive(Clone, Copy)]
pub(crate) struct Options {
    pub(crate) padding: Padding,
    /// Bytes of a tag; 0 where there are none.
    pub(crate) tag_len: usize,
}

/// Why a kernel cannot be made from a key.
pub(crate) enum BadKey {
    /// It has another length than the table says.
    Length,
    /// Both its halves are the same, which breaks the mode.
    EqualHalves,
}

/// The key schedule of a block cipher.
fn scheduled<C: KeyInit>(key: &[u8]) -> Result<C, BadKey> {
    C::new_from_slice(key).map_err(|_| BadKey::Length)
}

/// One algorithm with its prepared key.
pub(crate) trait Kernel: Sized {
    /// What is kept between the pieces of a message.
    type Stream: InStream;

    /// Prepares a key.
    fn prepare(key: &[u8], options: Options) -> Result<Self, BadKey>;

    /// Checks operation, IV and additional data, and starts a message.
    fn begin(&self, request: &Request) -> Result<Self::Stream, Status>;

    /// Works through one piece; [`Part::Whole`] and [`Part::Final`] end the message.
    fn piece(&self, stream: &mut Self::Stream, request: &mut Request) -> Result<(), Status>;

    /// Starts a request that is quicker together with others; `None`: run it by itself.
    #[inline]
    fn lane(&self, _request: &mut Request) -> Option<Result<Lane, Status>> {
        None
    }

    /// The key of the lanes that are started here; `None`: there are none.
    fn lane_key(&self) -> Option<LaneKey<'_>> {
        None
    }
}

/// Runs one request on its kernel.
pub(crate) fn run<K: Kernel>(kernel: &K, algorithm: Algorithm, request: &mut Request) -> Status {
    match try_run(kernel, algorithm, request) {
        Ok(()) => Status::Ok,
        Err(status) => status,
    }
}

fn try_run<K: Kernel>(kernel: &K, algorithm: Algorithm, request: &mut Request) -> Result<(), Status> {
    if request.part == Part::Whole && !request.has_state() {
        let mut stream = kernel.begin(request)?;
        return kernel.piece(&mut stream, request);
    }
    let state = match (request.part, request.take_state()) {
        (Part::Whole, _) => return Err(Status::InvalidArgs),
        (Part::Update | Part::Final, Some(state)) => state,
        (Part::Update | Part::Final, None) => {
            let stream = kernel.begin(request)?.wrap();
            Box::new(StreamState { algorithm, operation: request.operation, stream })
        }
    };
    next_piece(kernel, algorithm, request, state)
}

fn next_piece<K: Kernel>(
    kernel: &K,
    algorithm: Algorithm,
    request: &mut Request,
    mut state: Box<StreamState>,
) -> Result<(), Status> {
    if state.algorithm != algorithm || state.operation != request.operation {
        return Err(Status::InvalidArgs);
    }
    let stream = K::Stream::unwrap(&mut state.stream).ok_or(Status::InvalidArgs)?;
    kernel.piece(stream, request)?;
    if request.part == Part::Update {
        request.set_state(state);
    }
    Ok(())
}

/// Whether the request ends its message.
fn is_last(request: &Request) -> bool {
    request.part != Part::Update
}

/// The rules that all ciphers without additional data share, but for the IV's.
#[inline]
fn check_cipher(request: &Request) -> Result<(), Status> {
    let direction = matches!(request.operation, Operation::Encrypt | Operation::Decrypt);
    let fits = direction && !request.has_aad();
    fits.then_some(()).ok_or(Status::InvalidArgs)
}

/// The rules that digests and MACs share: no IV, no additional data.
fn check_hash(request: &Request, operation: Operation) -> Result<(), Status> {
    let fits = request.operation == operation && request.iv().is_empty() && !request.has_aad();
    fits.then_some(()).ok_or(Status::InvalidArgs)
}

/// The IV of a cipher whose IVs are blocks; the [rules](check_cipher) of all are checked too.
#[inline]
fn iv_block(request: &Request) -> Result<Block, Status> {
    check_cipher(request)?;
    Block::try_from(request.iv()).map_err(|_| Status::InvalidArgs)
}

/// `block` ⊕ `other`.
#[inline(always)]
fn mix(block: &mut Block, other: &Block) {
    // As one number each: byte by byte, it is left to chance whether the compiler takes a whole register.
    let mixed = u128::from_ne_bytes((*block).into()) ^ u128::from_ne_bytes((*other).into());
    *block = mixed.to_ne_bytes().into();
}

/// A type that one variant of [`Stream`] holds.
pub(crate) trait InStream: Sized {
    fn wrap(self) -> Stream;
    fn unwrap(stream: &mut Stream) -> Option<&mut Self>;
}

macro_rules! streams {
    ($($variant:ident($stream:ty)),+ $(,)?) => {
        /// All that may be kept between pieces. Every variant wipes itself on drop.
        ///
        /// Each in a box of its own: what a smaller variant does not use of a place for the largest would be filled with
        /// what happened to lie on the stack, plaintext too, and is wiped by nobody.
        #[derive(Clone)]
        pub(crate) enum Stream {
            $($variant(Box<$stream>)),+
        }

        $(impl InStream for $stream {
            fn wrap(self) -> Stream {
                Stream::$variant(Box::new(self))
            }

            fn unwrap(stream: &mut Stream) -> Option<&mut Self> {
                match stream {
                    Stream::$variant(stream) => Some(stream),
                    _ => None,
                }
            }
        })+
    };
}

streams! {
    Blocks(blocks::BlockStream),
    Ctr(ctr::CtrStream),
    Gcm(gcm::GcmStream),
    Xts(xts::XtsStream),
    Sha224(Sha224),
    Sha256(Sha256),
    Sha384(Sha384),
    Sha512(Sha512),
    Sha512_256(Sha512_256),
    HmacSha224(::hmac::Hmac<Sha224>),
    HmacSha256(::hmac::Hmac<Sha256>),
    HmacSha384(::hmac::Hmac<Sha384>),
    HmacSha512(::hmac::Hmac<Sha512>),
    HmacSha512_256(::hmac::Hmac<Sha512_256>),
}

#[cfg(test)]
mod tests;
