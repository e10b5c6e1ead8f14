//! The ways to await: a future of each, what it has to give, and what it holds.

use std::pin::Pin;
use std::sync::{Arc, LazyLock};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use simaccel::future::{
    Apart, CallFuture, Cancelled, Compared, InPlace, JobFuture, KeyFuture, OpFuture, Tagged,
};
use simaccel::{
    Aead, Engine, Error, Hash, KeyAlgorithm, KeyArguments, OpError, Operation, PrivateKey, SignatureScheme,
};

use crate::engine_helpers::{IV, KEY, ctr, message, software};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    InPlace,
    Apart,
    Tagged,
    Compared,
    Key,
    Call,
    Job,
}

pub(crate) const WAYS: [Way; 7] =
    [Way::InPlace, Way::Apart, Way::Tagged, Way::Compared, Way::Key, Way::Call, Way::Job];

pub(crate) enum Any {
    InPlace(OpFuture<InPlace>),
    Apart(OpFuture<Apart>),
    Tagged(OpFuture<Tagged>),
    Compared(OpFuture<Compared>),
    Key(KeyFuture),
    Call(CallFuture<Vec<u8>>),
}

type JobOfTest = JobFuture<Result<Vec<u8>, Error>, Box<dyn FnOnce() -> Result<Vec<u8>, Error>>>;

/// A future, which may go to another thread if it is not a job's.
pub(crate) enum Future {
    Operation(Box<Any>),
    Job(Box<JobOfTest>),
}

/// A value, or an error with the buffer that came back.
pub(crate) type Given = Result<Vec<u8>, (Error, Option<Vec<u8>>)>;

/// What a future has come to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    Right,
    /// With its input, where it has any.
    Failed(Error),
    TakenBack,
}

/// A future, and what is known of it.
pub(crate) struct Awaited {
    pub(crate) way: Way,
    pub(crate) future: Option<Future>,
    expected: Vec<u8>,
    input: Vec<u8>,
    /// What a call's function, and the closure of a job, own.
    held: Arc<()>,
}

static SIGNING: LazyLock<PrivateKey> =
    LazyLock::new(|| PrivateKey::from_raw(KeyAlgorithm::Ed25519, &[9; 32]).unwrap());

/// Computed without the device, once.
fn expected(way: Way) -> Vec<u8> {
    static EXPECTED: LazyLock<Vec<Vec<u8>>> = LazyLock::new(|| {
        software("offload_threshold=4294967295", |engine| {
            let input = || message(5, 90);
            let text = ctr(engine).encrypt(&IV, input()).unwrap();
            let aead = engine.aead(Aead::Aes128Gcm, &KEY[..16]).unwrap();
            let (mut sealed, tag) = aead.seal(&IV[..12], b"aad", input()).unwrap();
            sealed.extend_from_slice(tag.as_bytes());
            let signature =
                engine.private_key(&SIGNING).unwrap().sign(&SignatureScheme::Ed25519, &input()).unwrap();
            let turned = input().into_iter().rev().collect();
            vec![text.clone(), text.clone(), sealed, input(), signature, turned, text]
        })
    });
    EXPECTED[WAYS.iter().position(|other| *other == way).unwrap()].clone()
}

impl Awaited {
    /// A future of `engine` that was not polled yet.
    pub(crate) fn new(engine: &Engine, way: Way, limit: Option<Duration>) -> Self {
        let (input, held) = (message(5, 90), Arc::new(()));
        let owned = Arc::clone(&held);
        macro_rules! limited {
            ($future:expr) => {
                match limit {
                    Some(limit) => $future.with_timeout(limit),
                    None => $future,
                }
            };
        }
        let hmac = || engine.hmac(Hash::Sha256, &KEY).unwrap();
        let right_mac = || {
            static MAC: LazyLock<Vec<u8>> = LazyLock::new(|| {
                software("offload_threshold=4294967295", |engine| {
                    let hmac = engine.hmac(Hash::Sha256, &KEY).unwrap();
                    hmac.mac(&message(5, 90)).unwrap().as_bytes().to_vec()
                })
            });
            MAC.clone()
        };
        let future = match way {
            Way::InPlace => Any::InPlace(limited!(ctr(engine).encrypt_async(&IV, input.clone()))),
            Way::Apart => Any::Apart(limited!(ctr(engine).encrypt_to_async(&IV, input.clone(), vec![1; 7]))),
            Way::Tagged => {
                let aead = engine.aead(Aead::Aes128Gcm, &KEY[..16]).unwrap();
                Any::Tagged(limited!(aead.seal_async(&IV[..12], b"aad", input.clone())))
            }
            Way::Compared => Any::Compared(limited!(hmac().verify_async(input.clone(), &right_mac()))),
            Way::Key => {
                let session = engine.private_key(&SIGNING).unwrap();
                let arguments = KeyArguments::sign(SignatureScheme::Ed25519, &[]);
                Any::Key(limited!(session.run_async(Operation::Sign, arguments, &input)))
            }
            Way::Call => {
                let value = input.clone();
                Any::Call(limited!(engine.call_async("turn", 90, move || {
                    crate::run_inside();
                    drop(owned);
                    value.into_iter().rev().collect()
                })))
            }
            Way::Job => {
                assert_eq!(limit, None, "a job's operations have the engine's limit");
                let (session, value) = (ctr(engine), input.clone());
                let closure: Box<dyn FnOnce() -> Result<Vec<u8>, Error>> = Box::new(move || {
                    let _owned = owned;
                    session.encrypt(&IV, value).map_err(|failed| failed.into_parts().0)
                });
                let future = Some(Future::Job(Box::new(JobFuture::new(closure))));
                return Self { way, future, expected: expected(way), input, held };
            }
        };
        let future = Some(Future::Operation(Box::new(future)));
        Self { way, future, expected: expected(way), input, held }
    }

    /// Polls it; what is ready is checked, and dropped.
    pub(crate) fn poll(&mut self, waker: &Waker) -> Poll<Outcome> {
        let future = self.future.as_mut().expect("it is not over");
        let polled = future.poll(waker);
        polled.map(|result| {
            self.future = None;
            self.outcome(result)
        })
    }

    /// Takes a result apart: a buffer that comes with an error is the input.
    pub(crate) fn outcome(&self, result: Given) -> Outcome {
        match result {
            Ok(value) => {
                assert_eq!(value, self.expected, "{:?}: another result than without the device", self.way);
                Outcome::Right
            }
            Err((error, buffer)) => {
                if let Some(buffer) = buffer {
                    assert_eq!(buffer, self.input, "{:?}: {error}, with another buffer", self.way);
                }
                Outcome::Failed(error)
            }
        }
    }

    /// `None`: it cannot be cancelled. A function that comes back is run.
    pub(crate) fn cancel(&mut self) -> Option<Outcome> {
        let future = self.future.take().expect("it is not over");
        let Future::Operation(mut future) = future else { return None };
        let ended = match &mut *future {
            Any::InPlace(future) => self.ended(future.cancel(), |text| text),
            Any::Apart(future) => self.ended(future.cancel(), |(_, text)| text),
            Any::Tagged(future) => self.ended(future.cancel(), joined),
            Any::Compared(future) => self.ended(future.cancel(), |text| text),
            Any::Key(future) => match future.cancel() {
                Cancelled::TakenBack { buffer, destination } => {
                    assert_eq!((&*buffer, destination), (&self.input, None), "{:?}", self.way);
                    Outcome::TakenBack
                }
                Cancelled::Ended(result) => {
                    self.outcome(result.map(|value| value.to_vec()).map_err(|error| (error, None)))
                }
            },
            Any::Call(future) => match future.cancel() {
                Cancelled::TakenBack { buffer: unrun, .. } => {
                    assert_eq!(unrun.run(), self.expected, "{:?}: another function came back", self.way);
                    Outcome::TakenBack
                }
                Cancelled::Ended(result) => self.outcome(result.map_err(|error| (error, None))),
            },
        };
        Some(ended)
    }

    fn ended<T>(
        &self,
        cancelled: Cancelled<Result<T, OpError>, Vec<u8>>,
        value: impl FnOnce(T) -> Vec<u8>,
    ) -> Outcome {
        match cancelled {
            Cancelled::TakenBack { buffer, destination } => {
                assert_eq!(buffer, self.input, "{:?}: taken back with another buffer", self.way);
                let wiped = destination.is_none_or(|bytes| bytes.iter().all(|byte| *byte == 0));
                assert!(wiped, "{:?}: its destination is not wiped", self.way);
                Outcome::TakenBack
            }
            // What is out of reach has no buffer.
            Cancelled::Ended(Err(failed)) if failed.error() == &Error::Inside => {
                Outcome::Failed(failed.into_parts().0)
            }
            Cancelled::Ended(result) => self.outcome(result.map(value).map_err(parts)),
        }
    }

    /// What its function or closure owned is dropped.
    pub(crate) fn assert_dropped(&self) {
        assert_eq!(Arc::strong_count(&self.held), 1, "{:?}: its function is not dropped", self.way);
    }
}

fn joined((mut text, tag): (Vec<u8>, simaccel::Tag)) -> Vec<u8> {
    text.extend_from_slice(tag.as_bytes());
    text
}

fn parts(failed: OpError) -> (Error, Option<Vec<u8>>) {
    let (error, buffer) = failed.into_parts();
    (error, Some(buffer))
}

impl Future {
    fn poll(&mut self, waker: &Waker) -> Poll<Given> {
        match self {
            Self::Operation(future) => future.poll(waker),
            Self::Job(future) => {
                let polled = Pin::new(&mut **future).poll(&mut Context::from_waker(waker));
                polled.map(|ended| ended.unwrap().map_err(|error| (error, None)))
            }
        }
    }
}

impl Any {
    pub(crate) fn poll(&mut self, waker: &Waker) -> Poll<Given> {
        use std::future::Future;
        let context = &mut Context::from_waker(waker);
        match self {
            Self::InPlace(future) => Pin::new(future).poll(context).map(|done| done.map_err(parts)),
            Self::Apart(future) => {
                Pin::new(future).poll(context).map(|done| done.map(|(_, text)| text).map_err(parts))
            }
            Self::Tagged(future) => {
                Pin::new(future).poll(context).map(|done| done.map(joined).map_err(parts))
            }
            Self::Compared(future) => Pin::new(future).poll(context).map(|done| done.map_err(parts)),
            Self::Key(future) => Pin::new(future)
                .poll(context)
                .map(|done| done.map(|value| value.to_vec()).map_err(|error| (error, None))),
            Self::Call(future) => {
                Pin::new(future).poll(context).map(|done| done.map_err(|error| (error, None)))
            }
        }
    }
}
