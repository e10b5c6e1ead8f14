//! The same calls as futures: one operation each, with an owned buffer.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use simaccel::future::{Apart, Cancelled, Compared, InPlace, OpFuture, Tagged};
use simaccel::{OpError, Tag};

use super::{Call, CallResult, Form, Keyed, Output, Session};
use crate::sim::random::Random;
use crate::sim::recorder::Recorder;
use simaccel::simaccel_device::Operation;
use std::rc::Rc;

/// The future of a [`Call`]. It goes from thread to thread.
pub(crate) enum CallFuture {
    InPlace(OpFuture<InPlace>),
    Tagged(OpFuture<Tagged>),
    Apart(OpFuture<Apart>),
    /// With the tag that is right.
    Compared(OpFuture<Compared>, Tag),
}

/// What a cancelled call has come to.
pub(crate) enum Ended {
    /// With the buffer.
    TakenBack(Vec<u8>),
    Result(CallResult),
}

impl Call {
    /// A call that is awaited.
    pub(crate) fn awaited(number: u64, keyed: &Rc<Keyed>, random: &mut Random) -> Self {
        let mut call = Self::owned(number, keyed, random);
        call.form = match &call.keyed.session {
            Session::Cipher(_) if random.chance(25) => Form::OutOfPlace,
            Session::Mac(_) if random.chance(50) => Form::Compared(random.chance(80)),
            _ => Form::Owned,
        };
        if call.form == Form::Compared(false) {
            // What is compared is wrong.
            call.tag = call.tag_of_software();
            call.tag[0] ^= 1;
            call.expected = vec![Err(simaccel::simaccel_device::Status::AuthFailed)];
        }
        call
    }

    fn tag_of_software(&self) -> Vec<u8> {
        match self.expected.first() {
            Some(Ok(Output { tag, .. })) => tag.clone(),
            _ => vec![0; 16],
        }
    }

    /// Its future, which was not polled yet.
    pub(crate) fn future(&self, limit: Option<Duration>) -> CallFuture {
        let (iv, input, encrypts) = (&self.iv, self.input.clone(), self.operation == Operation::Encrypt);
        macro_rules! limited {
            ($future:expr) => {{
                let future = $future;
                match limit {
                    Some(limit) => future.with_timeout(limit),
                    None => future,
                }
            }};
        }
        match &self.keyed.session {
            Session::Cipher(session) if self.form == Form::OutOfPlace => {
                let destination = vec![0xee; 5];
                CallFuture::Apart(limited!(if encrypts {
                    session.encrypt_to_async(iv, input, destination)
                } else {
                    session.decrypt_to_async(iv, input, destination)
                }))
            }
            Session::Cipher(session) if encrypts => {
                CallFuture::InPlace(limited!(session.encrypt_async(iv, input)))
            }
            Session::Cipher(session) => CallFuture::InPlace(limited!(session.decrypt_async(iv, input))),
            Session::Aead(session) if encrypts => {
                CallFuture::Tagged(limited!(session.seal_async(iv, &self.aad, input)))
            }
            Session::Aead(session) => {
                CallFuture::InPlace(limited!(session.open_async(iv, &self.aad, input, &self.tag)))
            }
            Session::Hash(session) => CallFuture::Tagged(limited!(session.digest_async(input))),
            Session::Mac(session) => match self.form {
                Form::Compared(_) => {
                    let right = self.tag_of_software();
                    let wanted = if self.tag.is_empty() { &right } else { &self.tag };
                    let future = limited!(session.verify_async(input, wanted));
                    CallFuture::Compared(future, Tag::new(&right).unwrap_or_default())
                }
                _ => CallFuture::Tagged(limited!(session.mac_async(input))),
            },
        }
    }

    /// Checks what its future has given.
    pub(crate) fn check_awaited(&self, recorder: &Recorder, got: CallResult) {
        self.check_result(recorder, 0, got);
    }

    /// A request that was taken back has its input unchanged.
    pub(crate) fn check_taken_back(&self, recorder: &Recorder, buffer: &[u8]) {
        recorder.note(format_args!("      call {}: taken back", self.number));
        recorder.check(buffer == self.input, || format!("{}: taken back with another text", self.describe()));
    }
}

impl CallFuture {
    pub(crate) fn poll(&mut self, context: &mut Context<'_>) -> Poll<CallResult> {
        match self {
            Self::InPlace(future) => Pin::new(future).poll(context).map(CallResult::text),
            Self::Tagged(future) => Pin::new(future).poll(context).map(CallResult::sealed),
            Self::Apart(future) => Pin::new(future).poll(context).map(CallResult::both),
            Self::Compared(future, tag) => {
                Pin::new(future).poll(context).map(|result| CallResult::compared(result, *tag))
            }
        }
    }

    pub(crate) fn cancel(&mut self) -> Ended {
        match self {
            Self::InPlace(future) => Ended::of(future.cancel(), CallResult::text),
            Self::Tagged(future) => Ended::of(future.cancel(), CallResult::sealed),
            Self::Apart(future) => Ended::of(future.cancel(), CallResult::both),
            Self::Compared(future, tag) => {
                Ended::of(future.cancel(), |result| CallResult::compared(result, *tag))
            }
        }
    }
}

impl Ended {
    fn of<T>(
        cancelled: Cancelled<Result<T, OpError>, Vec<u8>>,
        result: impl FnOnce(Result<T, OpError>) -> CallResult,
    ) -> Self {
        match cancelled {
            Cancelled::TakenBack { buffer, .. } => Self::TakenBack(buffer),
            Cancelled::Ended(ended) => Self::Result(result(ended)),
        }
    }
}

impl CallResult {
    fn compared(result: Result<Vec<u8>, OpError>, tag: Tag) -> Self {
        Self::sealed(result.map(|text| (text, tag)))
    }
}
