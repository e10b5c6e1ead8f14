//! The ways to await: a future of each, what it has to give, and what it holds.

use std::future::poll_fn;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, LazyLock, Mutex};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use simaccel::future::{
    Apart, CallFuture, Cancelled, Compared, FinishFuture, InPlace, JobFuture, KeyFuture, OpFuture, Tagged,
};
use simaccel::{
    Aead, Cipher, CipherStream, Engine, Error, Hash, KeyAlgorithm, KeyArguments, OpError, Operation,
    PrivateKey, SignatureScheme,
};

use crate::engine_helpers::{IV, KEY, ctr, message, software};
use crate::future_helpers::drive;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    InPlace,
    Apart,
    Tagged,
    Compared,
    Key,
    Call,
    /// A piece in the middle of a message.
    Update,
    /// The end of a message.
    Finish,
    Job,
}

pub(crate) const WAYS: [Way; 9] = [
    Way::InPlace,
    Way::Apart,
    Way::Tagged,
    Way::Compared,
    Way::Key,
    Way::Call,
    Way::Update,
    Way::Finish,
    Way::Job,
];

pub(crate) enum Any {
    InPlace(OpFuture<InPlace>),
    Apart(OpFuture<Apart>),
    Tagged(OpFuture<Tagged>),
    Compared(OpFuture<Compared>),
    Key(KeyFuture),
    Call(CallFuture<Vec<u8>>),
    Update(Updating),
    Finish(FinishFuture<CipherStream>),
}

/// A piece with its stream, which it borrows.
pub(crate) struct Updating {
    cancels: Arc<AtomicBool>,
    future: Pin<Box<dyn std::future::Future<Output = Updated> + Send>>,
}

type Updated = Cancelled<Result<Vec<u8>, OpError>, Vec<u8>>;

/// The stream of a piece that has ended, or of a finish that was taken back.
type Left = Arc<Mutex<Option<CipherStream>>>;

impl Updating {
    fn new(mut stream: CipherStream, piece: Vec<u8>, limit: Option<Duration>, left: Left) -> Self {
        let cancels = Arc::new(AtomicBool::new(false));
        let is_cancelled = Arc::clone(&cancels);
        let future = Box::pin(async move {
            let mut part = stream.update_async(piece);
            if let Some(limit) = limit {
                part = part.with_timeout(limit);
            }
            let ended = poll_fn(|context| match is_cancelled.load(Ordering::Relaxed) {
                true => Poll::Ready(part.cancel()),
                false => std::future::Future::poll(Pin::new(&mut part), context).map(Cancelled::Ended),
            })
            .await;
            drop(part);
            *left.lock().unwrap() = Some(stream);
            ended
        });
        Self { cancels, future }
    }

    fn poll(&mut self, context: &mut Context<'_>) -> Poll<Updated> {
        self.future.as_mut().poll(context)
    }

    fn cancel(&mut self) -> Updated {
        self.cancels.store(true, Ordering::Relaxed);
        match self.poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(ended) => ended,
            Poll::Pending => panic!("a cancelled piece waits"),
        }
    }
}

/// What comes before the piece, or the end.
fn begun(mut stream: CipherStream, engine: &Engine) -> CipherStream {
    drive(engine, stream.update_async(message(4, 21))).unwrap();
    stream
}

fn cbc(engine: &Engine) -> CipherStream {
    engine.cipher(Cipher::Aes256Cbc, &KEY).unwrap().encryptor(&IV)
}

/// The text of a piece behind another one.
fn behind(first: &[u8], piece: Vec<u8>) -> Vec<u8> {
    crate::engine_helpers::expected_ctr(&[first, &piece].concat()).split_off(first.len())
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
    left: Left,
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
            let part = behind(&message(4, 21), input());
            let mut stream = cbc(engine);
            stream.update(message(4, 21)).unwrap();
            let rest = stream.finish().unwrap();
            vec![text.clone(), text.clone(), sealed, input(), signature, turned, part, rest, text]
        })
    });
    EXPECTED[WAYS.iter().position(|other| *other == way).unwrap()].clone()
}

impl Awaited {
    /// A future of `engine` that was not polled yet.
    pub(crate) fn new(engine: &Engine, way: Way, limit: Option<Duration>) -> Self {
        let input = if way == Way::Finish { Vec::new() } else { message(5, 90) };
        let (held, left) = (Arc::new(()), Left::default());
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
            Way::Update => {
                let stream = begun(ctr(engine).encryptor(&IV), engine);
                Any::Update(Updating::new(stream, input.clone(), limit, Arc::clone(&left)))
            }
            Way::Finish => Any::Finish(limited!(begun(cbc(engine), engine).finish_async())),
            Way::Job => {
                assert_eq!(limit, None, "a job's operations have the engine's limit");
                let (session, value) = (ctr(engine), input.clone());
                let closure: Box<dyn FnOnce() -> Result<Vec<u8>, Error>> = Box::new(move || {
                    let _owned = owned;
                    session.encrypt(&IV, value).map_err(|failed| failed.into_parts().0)
                });
                let future = Some(Future::Job(Box::new(JobFuture::new(closure))));
                return Self { way, future, expected: expected(way), input, held, left };
            }
        };
        let future = Some(Future::Operation(Box::new(future)));
        Self { way, future, expected: expected(way), input, held, left }
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
            Any::Update(future) => self.ended(future.cancel(), |text| text),
            Any::Finish(future) => match future.cancel() {
                Cancelled::TakenBack { buffer: stream, .. } => {
                    *self.left.lock().unwrap() = Some(stream);
                    Outcome::TakenBack
                }
                Cancelled::Ended(result) => self.outcome(result.map_err(parts)),
            },
        };
        Some(ended)
    }

    /// The stream of a part that has ended is what its outcome says.
    pub(crate) fn assert_stream(&self, engine: &Engine, outcome: Option<&Outcome>) {
        let Some(mut stream) = self.left.lock().unwrap().take() else {
            let has_stream = match self.way {
                Way::Update => outcome.is_some(),
                Way::Finish => outcome == Some(&Outcome::TakenBack),
                _ => false,
            };
            return assert!(!has_stream, "{:?}: {outcome:?}, and no stream", self.way);
        };
        if self.way == Way::Finish {
            return assert_eq!(drive(engine, stream.finish_async()).unwrap(), self.expected);
        }
        let before = [message(4, 21), self.input.clone()].concat();
        match outcome {
            Some(Outcome::TakenBack) => {
                let again = drive(engine, stream.update_async(self.input.clone()));
                assert_eq!(again.unwrap(), self.expected, "another text after it was taken back");
            }
            Some(Outcome::Right) => {
                let next = drive(engine, stream.update_async(message(6, 33)));
                assert_eq!(next.unwrap(), behind(&before, message(6, 33)));
            }
            _ => {
                let failed = drive(engine, stream.update_async(message(6, 33))).unwrap_err();
                assert_eq!(failed.into_parts(), (Error::StreamPoisoned, message(6, 33)));
            }
        }
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
            Self::Update(future) => future.poll(context).map(|ended| match ended {
                Cancelled::Ended(done) => done.map_err(parts),
                taken_back => panic!("it was not cancelled: {taken_back:?}"),
            }),
            Self::Finish(future) => Pin::new(future).poll(context).map(|done| done.map_err(parts)),
        }
    }
}
