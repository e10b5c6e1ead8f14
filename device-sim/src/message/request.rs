//! One request, as it goes to the device and comes back. The device may touch nothing else.
//!
//! A request owns every byte that the device reads or writes. It is moved into a cell at submit and moved out
//! when the caller takes the result, so no buffer is ever shared between the two sides.

use std::fmt;
use std::mem;

use zeroize::{Zeroize, Zeroizing};

use crate::message::call::Call;
use crate::message::key_arguments::KeyArguments;
use crate::message::operation::Operation;
use crate::message::piece::{Part, StreamState};
use crate::message::session_id::SessionId;
use crate::message::status::Status;
use crate::message::tag::Tag;

/// Bytes of an IV that a request holds without an allocation.
const SHORT_IV: usize = 16;
/// The value of `iv_len` for an IV that uses all of them.
const FULL_IV: u8 = 16;

/// One request. The device touches these fields and nothing else.
//
// The order matters: the parts of a plain request lie, with its cell's claim word, on one cache line, and
// only that line travels.
#[repr(C)]
pub struct Request {
    /// The input, and in place the output too. With PKCS#7 padding the caller reserves one more block, so
    /// that the device need not allocate.
    pub buffer: Vec<u8>,
    /// The session that holds algorithm and key.
    pub session: SessionId,
    short_iv: [u8; SHORT_IV],
    /// How much of `short_iv` is used; above [`SHORT_IV`]: see `long_iv`.
    iv_len: u8,
    /// What to do.
    pub operation: Operation,
    /// Which piece of its message this is.
    pub part: Part,
    /// Whether nothing from here on is in use. Set on the device only, where it saves a look at the other
    /// cache lines.
    pub(super) plain: bool,
    /// Out: how long after its submission it was served, on a device that times it. 0: it does not say; else
    /// one nanosecond more.
    served_after: u32,
    /// Additional authenticated data (AEAD); read on a whole message and on the first piece.
    pub aad: Vec<u8>,
    /// Out of place: the output goes here (its length is set by the device) and `buffer` stays as it is.
    pub destination: Option<Vec<u8>>,
    /// In: the tag to compare (AEAD decryption). Out: tag, MAC or digest. [`Part::Update`] of an AEAD that
    /// comes with a tag, which may be any, returns that of the message so far.
    pub tag: Tag,
    long_iv: Option<Vec<u8>>,
    /// The state of a multi-part message between its pieces; travels by value.
    pub state: Option<Box<StreamState>>,
    /// What [`Operation::Call`] runs; comes back with what it gave.
    pub call: Option<Box<Call>>,
    /// What an operation with a private or a public key has besides its input.
    pub arguments: Option<Box<KeyArguments>>,
    /// Opaque; returned unchanged, by reaping too.
    pub user_data: u64,
    /// Out: how many bytes at the end of the result the device did not deliver. 0, except for that kind of
    /// fault ([`FaultKind::Short`](crate::FaultKind::Short)), which the status does not show.
    pub residue: usize,
    /// Out: the input, if it was a small one that was worked on in place, and the result is incomplete or
    /// never comes.
    input: Option<Zeroizing<Vec<u8>>>,
}

/// How many bytes at the beginning of a request belong to a plain one.
pub(crate) const PLAIN_BYTES: usize = mem::offset_of!(Request, aad);

/// The parts of nearly every request, to be assembled where the device finds them
/// ([`QueuePair::submit_plain`](crate::QueuePair::submit_plain)): a whole message, and what its kind of
/// operation needs besides.
pub struct Plain<'a, R = ()> {
    /// As [`Request::session`].
    pub session: SessionId,
    /// As [`Request::operation`].
    pub operation: Operation,
    /// As for [`Request::set_iv`].
    pub iv: &'a [u8],
    /// As [`Request::buffer`].
    pub buffer: Vec<u8>,
    /// As [`Request::user_data`].
    pub user_data: u64,
    /// Everything else.
    pub rest: R,
}

/// What a plain request has besides its text, and the result of a successful one.
pub trait Rest: Sized {
    /// The text, and everything else in the result.
    type Taken;

    /// Whether the output is apart from the input, which stays as it is.
    const IS_APART: bool = false;

    /// Stores it in a request without these parts. Returns whether there was anything.
    fn load_into(self, request: &mut Request) -> bool;

    /// Takes the result out of a request, which is empty then: the rest is wiped.
    fn take_from(request: &mut Request) -> Self::Taken;
}

/// A cipher in place: a text, and nothing else.
impl Rest for () {
    type Taken = Vec<u8>;

    #[cfg_attr(not(debug_assertions), inline(always))]
    fn load_into(self, _: &mut Request) -> bool {
        false
    }

    #[cfg_attr(not(debug_assertions), inline(always))]
    fn take_from(request: &mut Request) -> Vec<u8> {
        let buffer = mem::take(&mut request.buffer);
        request.clear_rest();
        buffer
    }
}

/// An AEAD, a digest or a MAC.
#[derive(Default)]
pub struct Tagged<'a> {
    /// As [`Request::aad`].
    pub aad: Vec<u8>,
    /// The tag to compare with, as in [`Request::tag`].
    pub tag: Option<&'a Tag>,
}

/// The result of a request with [such a rest](Tagged).
#[derive(Default)]
pub struct TaggedText {
    /// As [`Request::buffer`].
    pub buffer: Vec<u8>,
    /// As [`Request::tag`].
    pub tag: Tag,
    /// As [`Request::aad`], unchanged.
    pub aad: Vec<u8>,
}

impl Rest for Tagged<'_> {
    type Taken = TaggedText;

    #[inline]
    fn load_into(self, request: &mut Request) -> bool {
        let is_something = self.aad.capacity() > 0 || self.tag.is_some();
        if self.aad.capacity() > 0 {
            request.aad = self.aad;
        }
        if let Some(tag) = self.tag {
            request.tag = *tag;
        }
        is_something
    }

    #[inline]
    fn take_from(request: &mut Request) -> TaggedText {
        let buffer = mem::take(&mut request.buffer);
        if request.plain {
            return TaggedText { buffer, ..TaggedText::default() };
        }
        let (tag, aad) = (mem::take(&mut request.tag), mem::take(&mut request.aad));
        request.clear_unused_rest();
        TaggedText { buffer, tag, aad }
    }
}

/// A cipher with a separate output.
pub struct Elsewhere {
    /// As [`Request::destination`].
    pub destination: Vec<u8>,
}

impl Rest for Elsewhere {
    /// The input and the output.
    type Taken = (Vec<u8>, Vec<u8>);

    const IS_APART: bool = true;

    #[inline]
    fn load_into(self, request: &mut Request) -> bool {
        request.destination = Some(self.destination);
        true
    }

    #[inline]
    fn take_from(request: &mut Request) -> (Vec<u8>, Vec<u8>) {
        let taken =
            (mem::take(&mut request.buffer), request.message().take_destination().unwrap_or_default());
        if !request.plain {
            request.clear_unused_rest();
        }
        taken
    }
}

/// Print whether they are present, not their content.
impl fmt::Debug for Tagged<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tagged").finish_non_exhaustive()
    }
}

impl fmt::Debug for TaggedText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TaggedText").finish_non_exhaustive()
    }
}

impl fmt::Debug for Elsewhere {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Elsewhere").finish_non_exhaustive()
    }
}

/// Prints lengths, not content.
impl<R> fmt::Debug for Plain<'_, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Plain")
            .field("session", &self.session)
            .field("operation", &self.operation)
            .field("buffer_len", &self.buffer.len())
            .field("user_data", &self.user_data)
            .finish_non_exhaustive()
    }
}

impl<R: Rest> Plain<'_, R> {
    /// Stores it in `cell`, which is empty; the user data are stored elsewhere in it.
    #[cfg_attr(not(debug_assertions), inline(always))]
    pub(crate) fn load_into(self, cell: &mut Request) {
        // The old buffer is empty, so there is nothing to drop.
        mem::forget(mem::replace(&mut cell.buffer, self.buffer));
        (cell.session, cell.operation, cell.part) = (self.session, self.operation, Part::Whole);
        cell.set_iv(self.iv);
        let has_rest = self.rest.load_into(cell);
        cell.plain = !has_rest && cell.iv_len != u8::MAX;
        cell.served_after = 0;
    }

    /// What is returned when it is refused.
    #[cfg_attr(not(debug_assertions), inline(always))]
    pub(crate) fn into_given(self) -> (Vec<u8>, R) {
        (self.buffer, self.rest)
    }
}

impl Request {
    /// A whole-message request in place; the other fields are public.
    #[inline]
    pub fn new(session: SessionId, operation: Operation, buffer: Vec<u8>) -> Self {
        Self {
            buffer,
            session,
            short_iv: [0; SHORT_IV],
            iv_len: 0,
            operation,
            part: Part::Whole,
            plain: false,
            served_after: 0,
            aad: Vec::new(),
            destination: None,
            tag: Tag::default(),
            long_iv: None,
            state: None,
            call: None,
            arguments: None,
            user_data: 0,
            residue: 0,
            input: None,
        }
    }

    /// A request that runs a function of the user's own. It needs no session.
    pub fn of_call(call: Call) -> Self {
        Self { call: Some(Box::new(call)), ..Self::new(SessionId::NONE, Operation::Call, Vec::new()) }
    }

    /// Bytes of input, as the model of time, the rules of faults and statistics see them; those that a call
    /// was given.
    pub fn size(&self) -> u64 {
        match &self.call {
            Some(call) if !self.plain => call.size(),
            _ => self.buffer.len() as u64,
        }
    }

    /// Whether it takes long, however short its input is: a call, or an operation with a key.
    #[inline]
    pub(crate) const fn takes_long(&self) -> bool {
        !self.plain && (self.call.is_some() || self.arguments.is_some())
    }

    /// The name of its call, if it has one.
    pub fn call_name(&self) -> Option<&str> {
        self.call.as_ref().filter(|_| !self.plain).map(|call| call.name())
    }

    /// Runs its call.
    pub(crate) fn run_call(&mut self) -> Status {
        match &mut self.call {
            Some(call) if !self.plain => call.run(),
            _ => return Status::InvalidArgs,
        }
        Status::Ok
    }

    /// Sets an initialisation vector, counter block, XTS tweak or GCM nonce, which is read on a whole message
    /// and on the first piece. Any length: the session decides which it accepts. Up to 16 bytes need no
    /// allocation.
    #[inline]
    pub fn set_iv(&mut self, iv: &[u8]) {
        match <&[u8; SHORT_IV]>::try_from(iv) {
            // By far the most frequent length, and copied by one instruction.
            Ok(iv) => (self.short_iv, self.iv_len) = (*iv, FULL_IV),
            Err(_) => self.set_iv_of_any_length(iv),
        }
    }

    fn set_iv_of_any_length(&mut self, iv: &[u8]) {
        match u8::try_from(iv.len()) {
            Ok(len) if iv.len() <= SHORT_IV => {
                self.short_iv[..iv.len()].copy_from_slice(iv);
                self.iv_len = len;
            }
            _ => {
                self.set_iv_owned(iv.to_vec());
            }
        }
    }

    /// [`Request::set_iv`] with an owned vector: a long one is moved, and nothing is allocated.
    pub fn set_iv_owned(&mut self, iv: Vec<u8>) {
        if iv.len() <= SHORT_IV {
            return self.set_iv(&iv);
        }
        self.long_iv = Some(iv);
        self.iv_len = u8::MAX;
    }

    /// The vector of [`Request::set_iv`]; empty before that.
    #[inline]
    pub fn iv(&self) -> &[u8] {
        match self.short_iv.get(..usize::from(self.iv_len)) {
            Some(short) => short,
            None => self.long_iv.as_deref().unwrap_or_default(),
        }
    }

    /// The content of a cell without a request.
    pub(crate) fn empty() -> Self {
        Self { plain: true, ..Self::new(SessionId::NONE, Operation::Encrypt, Vec::new()) }
    }

    /// Moves the caller's request into `cell`, which is empty; no buffers stay behind.
    #[inline]
    pub(crate) fn load_into(&mut self, cell: &mut Self) {
        self.move_front(cell);
        cell.served_after = 0;
        cell.plain = self.needs_front_only();
        if !cell.plain {
            self.move_rest(cell);
        }
    }

    /// Moves the result to the caller, out of a cell; the user data are stored elsewhere in it.
    #[inline]
    pub(crate) fn unload_into(&mut self, to: &mut Self) {
        self.move_front(to);
        to.served_after = self.served_after;
        to.plain = false;
        if !mem::replace(&mut self.plain, true) {
            self.move_rest(to);
        }
    }

    #[inline]
    fn move_front(&mut self, to: &mut Self) {
        to.buffer = mem::take(&mut self.buffer);
        (to.short_iv, to.iv_len) = (self.short_iv, self.iv_len);
        (to.session, to.operation, to.part) = (self.session, self.operation, self.part);
    }

    /// It was served so long after its submission, in nanoseconds; `false`: that is too long to be kept here.
    #[inline]
    pub(crate) fn note_served(&mut self, after: u64) -> bool {
        let kept = u32::try_from(after).ok().and_then(|after| after.checked_add(1));
        self.served_after = kept.unwrap_or(0);
        kept.is_some()
    }

    /// How long after its submission it was served, in nanoseconds, if that was kept.
    #[inline]
    pub(crate) fn served_after(&self) -> Option<u64> {
        self.served_after.checked_sub(1).map(u64::from)
    }

    /// Wipes and drops everything except the buffer of a cell's request.
    #[inline]
    pub(crate) fn clear_rest(&mut self) {
        if !self.plain {
            self.clear_some();
        }
    }

    /// The same after the usual parts were taken, so that nothing else is there.
    #[inline]
    fn clear_unused_rest(&mut self) {
        if self.needs_front_only() {
            self.plain = true;
        } else {
            self.clear_some();
        }
    }

    #[cold]
    fn clear_some(&mut self) {
        self.wipe();
        *self = Self::empty();
    }

    #[inline(never)]
    fn move_rest(&mut self, to: &mut Self) {
        to.aad = mem::take(&mut self.aad);
        to.destination = self.destination.take();
        to.tag = mem::take(&mut self.tag);
        to.long_iv = self.long_iv.take();
        to.state = self.state.take();
        to.call = self.call.take();
        to.arguments = self.arguments.take();
        to.residue = mem::take(&mut self.residue);
        to.input = self.input.take();
    }

    /// Whether nothing is left in it. Exempt from semantic versioning.
    #[doc(hidden)]
    #[inline]
    pub fn is_blank(&self) -> bool {
        self.buffer.capacity() == 0 && self.needs_front_only()
    }

    /// Makes a [blank](Request::is_blank) request one like [`Request::new`]. Exempt from semantic versioning.
    #[doc(hidden)]
    #[inline]
    pub fn renew(&mut self, session: SessionId, operation: Operation, buffer: Vec<u8>) {
        (self.buffer, self.session, self.operation) = (buffer, session, operation);
        (self.part, self.plain, self.iv_len) = (Part::Whole, false, 0);
        (self.user_data, self.served_after) = (0, 0);
    }

    fn needs_front_only(&self) -> bool {
        self.aad.capacity() == 0
            && self.destination.is_none()
            && self.tag.is_empty()
            && self.long_iv.is_none()
            && self.state.is_none()
            && self.call.is_none()
            && self.arguments.is_none()
            && self.residue == 0
            && self.input.is_none()
    }

    /// Marks the rest as in use.
    pub(crate) const fn use_rest(&mut self) {
        self.plain = false;
    }

    pub(crate) fn drop_state(&mut self) {
        self.message().drop_state();
    }

    /// Whether the device did not deliver all of the result.
    pub(crate) const fn is_short(&self) -> bool {
        !self.plain && self.residue > 0
    }

    /// Starts again with what the device did not deliver.
    pub(crate) const fn forget_residue(&mut self) {
        if !self.plain {
            self.residue = 0;
        }
    }

    pub(crate) fn give_back_input(&mut self, input: Vec<u8>) {
        if self.plain {
            self.use_rest();
            self.residue = 0;
        }
        self.input = Some(input.into());
    }

    /// The input of a request whose result is incomplete or never comes, if the device has kept it. Exempt
    /// from semantic versioning.
    #[doc(hidden)]
    pub fn take_input(&mut self) -> Option<Vec<u8>> {
        self.input.take().map(|mut input| mem::take(&mut *input))
    }

    /// Overwrites everything that may hold plaintext, and the tag, and drops a call with what it gave; for
    /// requests whose result will not be taken.
    pub fn wipe(&mut self) {
        self.buffer.zeroize();
        if let Some(destination) = &mut self.destination {
            destination.zeroize();
        }
        self.input = None;
        self.aad.zeroize();
        self.tag.wipe();
        self.state = None;
        self.call = None;
        self.arguments = None;
    }
}

/// Prints lengths, not content.
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
