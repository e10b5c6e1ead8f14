//! What a kernel sees of a request: its message, and nothing of its sender and its delivery.

use zeroize::{Zeroize, Zeroizing};

#[cfg(feature = "private-keys")]
use crate::message::key_arguments::KeyArguments;
use crate::message::operation::Operation;
use crate::message::piece::{Part, StreamState};
use crate::message::request::Request;
use crate::message::tag::Tag;

/// A message on its way through a kernel: text, initialisation vector, additional data, tag and the state
/// between pieces. Every `&mut Request` is one.
pub struct Message<'r>(&'r mut Request);

impl Request {
    /// What a kernel sees of it.
    #[inline]
    pub(crate) const fn message(&mut self) -> Message<'_> {
        Message::new(self)
    }
}

impl<'r> From<&'r mut Request> for Message<'r> {
    #[inline]
    fn from(request: &'r mut Request) -> Self {
        Self(request)
    }
}

/// Prints lengths, not content.
impl std::fmt::Debug for Message<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Message")
            .field("operation", &self.operation())
            .field("part", &self.part())
            .field("input_len", &self.input().len())
            .finish_non_exhaustive()
    }
}

impl<'r> Message<'r> {
    #[inline]
    pub(super) const fn new(request: &'r mut Request) -> Self {
        Self(request)
    }

    /// What to do.
    #[inline]
    pub const fn operation(&self) -> Operation {
        self.0.operation
    }

    /// Which piece of the whole this is.
    #[inline]
    pub const fn part(&self) -> Part {
        self.0.part
    }

    /// Whether the message ends with this piece.
    #[inline]
    pub fn is_last(&self) -> bool {
        self.0.part != Part::Update
    }

    /// The initialisation vector, counter block, tweak or nonce.
    #[inline]
    pub fn iv(&self) -> &[u8] {
        self.0.iv()
    }

    /// The additional data.
    #[inline]
    pub fn aad(&self) -> &[u8] {
        if self.0.plain { &[] } else { &self.0.aad }
    }

    /// The input text.
    #[inline]
    pub fn input(&self) -> &[u8] {
        &self.0.buffer
    }

    /// The input tag, to compare with.
    #[inline]
    pub const fn tag(&self) -> Tag {
        self.0.tag
    }

    /// What an operation with a key has besides its input.
    #[cfg(feature = "private-keys")]
    pub(crate) fn arguments(&self) -> Option<&KeyArguments> {
        if self.0.plain { None } else { self.0.arguments.as_deref() }
    }

    /// The input, and the separate destination, if there is one.
    #[inline]
    pub(crate) const fn texts(&mut self) -> (&mut Vec<u8>, Option<&mut Vec<u8>>) {
        let destination = if self.0.plain { None } else { self.0.destination.as_mut() };
        (&mut self.0.buffer, destination)
    }

    /// Takes the separate destination out.
    pub(crate) fn take_destination(&mut self) -> Option<Vec<u8>> {
        if self.0.plain { None } else { self.0.destination.take() }
    }

    /// Puts an output back: into the destination, or in place.
    pub(crate) fn put_back(&mut self, text: Vec<u8>, is_destination: bool) {
        if is_destination {
            self.0.destination = Some(text);
        } else {
            self.0.buffer = text;
        }
    }

    /// Gives a text of any length. It goes to the destination or, where there is none, takes the place of the
    /// input, which is wiped.
    pub(crate) fn set_text(&mut self, text: Vec<u8>) {
        let (input, destination) = self.texts();
        let place = destination.unwrap_or(input);
        // All of it, for the caller gets the room behind the output, too.
        place.zeroize();
        if text.len() <= place.capacity() {
            // What the caller has reserved is the caller's own to keep.
            place.extend_from_slice(&text);
            drop(Zeroizing::new(text));
        } else {
            *place = text;
        }
    }

    /// Sets tag, MAC or digest.
    #[inline]
    pub(crate) fn set_tag(&mut self, tag: Tag) {
        self.0.plain = false;
        self.0.tag = tag;
    }

    pub(crate) fn set_state(&mut self, state: Box<StreamState>) {
        self.0.plain = false;
        self.0.state = Some(state);
    }

    #[inline]
    pub(crate) fn take_state(&mut self) -> Option<Box<StreamState>> {
        if self.0.plain { None } else { self.0.state.take() }
    }

    #[inline]
    pub(crate) fn has_state(&self) -> bool {
        !self.0.plain && self.0.state.is_some()
    }

    pub(crate) fn drop_state(&mut self) {
        drop(self.take_state());
    }
}
