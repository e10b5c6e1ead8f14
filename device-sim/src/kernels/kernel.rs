//! The interface of a kernel, and how a message goes through one.

use aes::cipher::KeyInit;

use crate::kernels::block::Block;
use crate::kernels::lanes::{Lane, LaneKey};
use crate::kernels::wipe::{set_apart, wipe_stack};
use crate::message::algorithm::Algorithm;
use crate::message::key_error::KeyError;
use crate::message::operation::Operation;
use crate::message::parameters::Padding;
use crate::message::piece::{Part, Stream, StreamState};
use crate::message::status::Status;
use crate::message::view::Message;

/// The options of a kernel besides its key: chosen values, or the defaults.
#[derive(Clone, Copy)]
pub(crate) struct Options {
    pub(crate) padding: Padding,
    /// Bytes of a tag; 0 where there are none.
    pub(crate) tag_len: usize,
    /// Whether an XTS key may have halves that are the same.
    pub(crate) takes_equal_halves: bool,
}

/// Why a kernel cannot be made from a key.
pub(crate) enum BadKey {
    /// Its length is not in the table.
    Length,
    /// Both its halves are the same, which breaks the mode.
    EqualHalves,
    /// It is a private or a public key, and refused.
    Key(KeyError),
}

/// The key schedule of a block cipher.
pub(super) fn scheduled<C: KeyInit>(key: &[u8]) -> Result<C, BadKey> {
    C::new_from_slice(key).map_err(|_| BadKey::Length)
}

/// One algorithm with its prepared key.
pub(crate) trait Kernel: Sized {
    /// The state between the pieces of a message; it wipes itself on drop.
    type Stream: Clone + Send + Sync + 'static;

    /// Prepares a key.
    fn prepare(key: &[u8], options: Options) -> Result<Self, BadKey>;

    /// Checks operation, IV and additional data, and starts a message.
    fn begin(&self, message: &Message<'_>) -> Result<Self::Stream, Status>;

    /// Processes one piece; [`Part::Whole`] and [`Part::Final`] end the message.
    fn piece(&self, stream: &mut Self::Stream, message: &mut Message<'_>) -> Result<(), Status>;

    /// Starts a message that is faster together with others; `None`: run it alone.
    #[inline]
    fn lane(&self, _message: &mut Message<'_>) -> Option<Result<Lane, Status>> {
        None
    }

    /// The key of the lanes that are started here; `None`: there are none.
    fn lane_key(&self) -> Option<LaneKey<'_>> {
        None
    }
}

/// Keeps a stream between pieces, in its own box.
#[derive(Clone)]
struct Kept<S>(S);

impl<S: Clone + Send + Sync + 'static> Stream for Kept<S> {
    fn copied(&self) -> Box<dyn Stream> {
        // On its way into a box the copy lies on the stack.
        let copy = set_apart(|| Box::new(self.clone()));
        wipe_stack();
        copy
    }
}

/// Runs one message on its kernel.
pub(crate) fn run<K: Kernel>(kernel: &K, algorithm: Algorithm, mut message: Message<'_>) -> Status {
    match try_run(kernel, algorithm, &mut message) {
        Ok(()) => Status::Ok,
        Err(status) => status,
    }
}

fn try_run<K: Kernel>(kernel: &K, algorithm: Algorithm, message: &mut Message<'_>) -> Result<(), Status> {
    if message.part() == Part::Whole && !message.has_state() {
        let mut stream = kernel.begin(message)?;
        return kernel.piece(&mut stream, message);
    }
    let state = match (message.part(), message.take_state()) {
        (Part::Whole, _) => return Err(Status::InvalidArgs),
        (Part::Update | Part::Final, Some(state)) => state,
        (Part::Update | Part::Final, None) => {
            let stream = Box::new(Kept(kernel.begin(message)?));
            Box::new(StreamState::new(algorithm, message.operation(), stream))
        }
    };
    next_piece(kernel, algorithm, message, state)
}

fn next_piece<K: Kernel>(
    kernel: &K,
    algorithm: Algorithm,
    message: &mut Message<'_>,
    mut state: Box<StreamState>,
) -> Result<(), Status> {
    let kept: Option<&mut Kept<K::Stream>> = state.stream(algorithm, message.operation());
    let Kept(stream) = kept.ok_or(Status::InvalidArgs)?;
    kernel.piece(stream, message)?;
    if message.part() == Part::Update {
        message.set_state(state);
    }
    Ok(())
}

/// The rules that all ciphers without additional data share, but for the IV's.
#[inline]
pub(super) fn check_cipher(message: &Message<'_>) -> Result<(), Status> {
    let direction = matches!(message.operation(), Operation::Encrypt | Operation::Decrypt);
    let fits = direction && message.aad().is_empty();
    fits.then_some(()).ok_or(Status::InvalidArgs)
}

/// The rules that digests and MACs share: no IV, no additional data.
pub(super) fn check_hash(message: &Message<'_>, operation: Operation) -> Result<(), Status> {
    let fits = message.operation() == operation && message.iv().is_empty() && message.aad().is_empty();
    fits.then_some(()).ok_or(Status::InvalidArgs)
}

/// The IV of a cipher whose IVs are blocks; the [rules](check_cipher) of all are checked too.
#[inline]
pub(super) fn iv_block(message: &Message<'_>) -> Result<Block, Status> {
    check_cipher(message)?;
    Block::try_from(message.iv()).map_err(|_| Status::InvalidArgs)
}
