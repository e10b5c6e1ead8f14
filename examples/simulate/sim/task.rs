//! A task of the simulated executor: a future, the waker of its latest poll, and what it has to give.
//!
//! ```text
//!   Task ── poll ──► pending: under way for the recorder
//!     │       └────► ready ─► compared with software
//!     ├── cancel ──► taken back, with its buffer · or the result
//!     └── drop ────► given up
//! ```

use std::pin::Pin;
use std::rc::Rc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, LazyLock};
use std::task::{Context, Poll, Waker};
use std::thread;
use std::time::Duration;

use simaccel::future::{CallFuture as FunctionFuture, Cancelled, JobFuture, KeyFuture, Reaper};
use simaccel::simaccel_device::{Request, Session, SessionId, Status};
use simaccel::{
    Engine, Error, KeyAlgorithm, KeyArguments, KeySession, Operation, PrivateKey, SignatureScheme, Zeroizing,
};

use super::call::{Call, CallFuture, CallResult, Ended, words_for};
use super::random::Random;
use super::recorder::Recorder;
use super::script::{Item, run_script};
use super::signal::{Heard, Signal};

/// A task that has not ended.
pub(crate) struct Task {
    pub(crate) number: u64,
    pub(crate) signal: Arc<Signal>,
    waker: Waker,
    kind: Kind,
    /// The recorder's number of its operation, from its first poll on.
    under_way: Option<u64>,
    recorder: Rc<Recorder>,
}

enum Kind {
    /// One operation, which may change threads.
    Operation(Wanted, Box<Operating>),
    Job(JobFuture<(), Box<dyn FnOnce()>>),
    Reaper(Box<Reaper>),
    /// It is over.
    Nothing,
}

/// What an operation has to give.
enum Wanted {
    Call(Call),
    Key(Rc<KeyCall>),
    Function(FunctionCall),
}

enum Operating {
    Call(CallFuture),
    Key(KeyFuture),
    Function(FunctionFuture<Vec<u8>>),
}

enum Answer {
    Call(CallResult),
    Key(Result<Zeroizing<Vec<u8>>, Error>),
    Function(Result<Vec<u8>, Error>),
}

/// A function that the device calls.
struct FunctionCall {
    runs: Arc<AtomicU64>,
    /// The function, and its value, hold it too.
    held: Arc<()>,
    value: Vec<u8>,
}

/// An operation of a private key.
pub(crate) struct KeyCall {
    session: KeySession,
    operation: Operation,
    arguments: KeyArguments,
    input: Vec<u8>,
    expected: Vec<u8>,
}

/// What a poll has come to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Polled {
    Pending,
    Ready,
}

/// Keys whose operations are quick: they are asked for all the time.
static KEYS: LazyLock<[PrivateKey; 2]> = LazyLock::new(|| {
    [KeyAlgorithm::X25519, KeyAlgorithm::Ed25519]
        .map(|algorithm| PrivateKey::from_raw(algorithm, &[7; 32]).expect("any 32 bytes are one"))
});

impl KeyCall {
    /// A random operation of one of the keys. `None`: the engine has refused the key.
    pub(crate) fn new(engine: &Engine, random: &mut Random) -> Result<Rc<Self>, Error> {
        let key = &KEYS[random.index(KEYS.len())];
        let input = random.bytes(32);
        let (operation, arguments) = match key.algorithm() {
            KeyAlgorithm::X25519 => (Operation::Derive, KeyArguments::default()),
            _ => (Operation::Sign, KeyArguments::sign(SignatureScheme::Ed25519, &[])),
        };
        let mut request = Request::new(SessionId::NONE, operation, input.clone());
        request.arguments = Some(Box::new(arguments.clone()));
        let status = Session::private_key(key).execute(&mut request);
        let expected = if status == Status::Ok { request.buffer } else { Vec::new() };
        let session = engine.private_key(key)?;
        Ok(Rc::new(Self { session, operation, arguments, input, expected }))
    }

    fn future(&self) -> KeyFuture {
        self.session.run_async(self.operation, self.arguments.clone(), &self.input)
    }
}

impl FunctionCall {
    fn new(random: &mut Random) -> Self {
        let len = random.size(1, 40);
        Self { runs: Arc::default(), held: Arc::default(), value: random.bytes(len) }
    }

    fn future(&self, engine: &Engine) -> FunctionFuture<Vec<u8>> {
        let (runs, held, value) = (Arc::clone(&self.runs), Arc::clone(&self.held), self.value.clone());
        engine.call_async("turn", value.len(), move || {
            runs.fetch_add(1, Ordering::Relaxed);
            drop(held);
            value.into_iter().rev().collect()
        })
    }

    /// What the function gives.
    fn turned(&self) -> Vec<u8> {
        self.value.iter().rev().copied().collect()
    }

    /// It has run once for its value, and for an error at most once.
    fn check_over(&self, recorder: &Recorder, result: Result<&[u8], &Error>) {
        let runs = self.runs.load(Ordering::Relaxed);
        let right = result.map_or(runs <= 1, |value| runs == 1 && value == self.turned());
        recorder.check(right, || format!("a function ran {runs} times for {result:?}"));
        self.check_dropped(recorder);
    }

    fn check_dropped(&self, recorder: &Recorder) {
        let left = Arc::strong_count(&self.held) - 1;
        recorder.check(left == 0, || "a function that is over is not dropped".to_owned());
    }
}

impl Task {
    fn new(number: u64, recorder: &Rc<Recorder>, heard: &Arc<Heard>, kind: Kind) -> Self {
        let is_direct = matches!(kind, Kind::Operation(..));
        let signal = Signal::new(heard, is_direct);
        let waker = signal.waker();
        Self { number, signal, waker, kind, under_way: None, recorder: Rc::clone(recorder) }
    }

    pub(crate) fn of_call(
        number: u64,
        (recorder, heard): (&Rc<Recorder>, &Arc<Heard>),
        call: Call,
        limit: Option<Duration>,
    ) -> Self {
        let future = Operating::Call(call.future(limit));
        Self::new(number, recorder, heard, Kind::Operation(Wanted::Call(call), Box::new(future)))
    }

    pub(crate) fn of_key(
        number: u64,
        (recorder, heard): (&Rc<Recorder>, &Arc<Heard>),
        call: &Rc<KeyCall>,
        limit: Option<Duration>,
    ) -> Self {
        let future = call.future();
        let future = Operating::Key(match limit {
            Some(limit) => future.with_timeout(limit),
            None => future,
        });
        Self::new(number, recorder, heard, Kind::Operation(Wanted::Key(Rc::clone(call)), Box::new(future)))
    }

    pub(crate) fn of_function(
        number: u64,
        (recorder, heard): (&Rc<Recorder>, &Arc<Heard>),
        (engine, random): (&Engine, &mut Random),
        limit: Option<Duration>,
    ) -> Self {
        let call = FunctionCall::new(random);
        let future = call.future(engine);
        let future = Operating::Function(match limit {
            Some(limit) => future.with_timeout(limit),
            None => future,
        });
        Self::new(number, recorder, heard, Kind::Operation(Wanted::Function(call), Box::new(future)))
    }

    /// A job that runs this script, without nested jobs: one that waits for another would yield for ever.
    pub(crate) fn of_job(
        number: u64,
        (recorder, heard): (&Rc<Recorder>, &Arc<Heard>),
        items: Vec<Item>,
    ) -> Self {
        let in_job = Rc::clone(recorder);
        let script: Box<dyn FnOnce()> = Box::new(move || run_script(items, &in_job, None, 0));
        Self::new(number, recorder, heard, Kind::Job(JobFuture::new(script)))
    }

    pub(crate) fn of_reaper(
        number: u64,
        (recorder, heard): (&Rc<Recorder>, &Arc<Heard>),
        reaper: Reaper,
    ) -> Self {
        Self::new(number, recorder, heard, Kind::Reaper(Box::new(reaper)))
    }

    pub(crate) fn is_reaper(&self) -> bool {
        matches!(self.kind, Kind::Reaper(_))
    }

    pub(crate) fn is_job(&self) -> bool {
        matches!(self.kind, Kind::Job(_))
    }

    pub(crate) fn is_operation(&self) -> bool {
        matches!(self.kind, Kind::Operation(..))
    }

    /// Whether its operation waits for the device.
    pub(crate) fn is_under_way(&self) -> bool {
        self.under_way.is_some()
    }

    pub(crate) fn describe(&self) -> String {
        match &self.kind {
            Kind::Operation(Wanted::Call(call), _) => call.describe(),
            Kind::Operation(Wanted::Key(call), _) => format!("{} with a key", call.operation.name()),
            Kind::Operation(Wanted::Function(_), _) => "a function".to_owned(),
            Kind::Job(_) => "a job".to_owned(),
            Kind::Reaper(_) => "the reaper".to_owned(),
            Kind::Nothing => "nothing".to_owned(),
        }
    }

    /// Polls it, with a new waker or the last one, in this thread or (an operation) in another.
    pub(crate) fn poll(&mut self, has_new_waker: bool, elsewhere: bool) -> Polled {
        if has_new_waker {
            self.waker = self.signal.waker();
        }
        self.signal.take();
        let waker = self.waker.clone();
        match std::mem::replace(&mut self.kind, Kind::Nothing) {
            Kind::Operation(wanted, future) => self.poll_operation(wanted, future, waker, elsewhere),
            Kind::Job(mut job) => match Pin::new(&mut job).poll(&mut Context::from_waker(&waker)) {
                Poll::Pending => {
                    self.kind = Kind::Job(job);
                    Polled::Pending
                }
                Poll::Ready(outcome) => {
                    self.recorder.check(outcome.is_ok(), || format!("a job's future: {outcome:?}"));
                    Polled::Ready
                }
            },
            Kind::Reaper(mut reaper) => {
                let is_pending = Pin::new(&mut *reaper).poll(&mut Context::from_waker(&waker)).is_pending();
                self.kind = Kind::Reaper(reaper);
                if is_pending { Polled::Pending } else { Polled::Ready }
            }
            Kind::Nothing => Polled::Ready,
        }
    }

    fn poll_operation(
        &mut self,
        wanted: Wanted,
        future: Box<Operating>,
        waker: Waker,
        elsewhere: bool,
    ) -> Polled {
        if self.under_way.is_none() {
            self.under_way = Some(self.recorder.begin(None, 0));
        }
        let poll = move |mut future: Box<Operating>| {
            let polled = future.poll(&mut Context::from_waker(&waker));
            (future, polled)
        };
        let polled = if elsewhere { thread::spawn(move || poll(future)).join() } else { Ok(poll(future)) };
        let Ok((future, polled)) = polled else {
            self.recorder.fail(|| "a poll panicked".to_owned());
            return Polled::Ready;
        };
        match polled {
            Poll::Pending => {
                self.kind = Kind::Operation(wanted, future);
                Polled::Pending
            }
            Poll::Ready(answer) => {
                self.leave();
                // It is dropped before what it has given is looked at.
                drop(future);
                wanted.check(&self.recorder, answer);
                Polled::Ready
            }
        }
    }

    /// The operation has returned.
    fn leave(&mut self) {
        if let Some(number) = self.under_way.take() {
            self.recorder.leave(number);
            self.recorder.awaited.set(self.recorder.awaited.get() + 1);
        }
    }

    fn abandon(&mut self) {
        if let Some(number) = self.under_way.take() {
            self.recorder.abandon(number);
        }
    }

    /// Ends an operation now, and drops anything else; in another thread, if it can go there.
    pub(crate) fn cancel(mut self, engine: &Engine, elsewhere: bool) {
        let kind = std::mem::replace(&mut self.kind, Kind::Nothing);
        let Kind::Operation(wanted, mut future) = kind else {
            drop(kind);
            return;
        };
        let cancel = move || {
            let ended = future.cancel();
            drop(future);
            ended
        };
        let abandoned = engine.stats().abandoned;
        let ended = if elsewhere { thread::spawn(cancel).join() } else { Ok(cancel()) };
        self.signal.end();
        let waited = self.under_way.is_some();
        match ended {
            Ok(Ok(answer)) if waited => {
                // The value of a function that has run is the answer, even where its request was taken back.
                let is_abandoned = engine.stats().abandoned > abandoned;
                if is_abandoned {
                    self.abandon()
                } else {
                    self.leave()
                }
                wanted.check_cancelled(&self.recorder, answer);
            }
            Ok(Err(buffer)) => {
                self.abandon();
                wanted.check_taken_back(&self.recorder, &buffer);
            }
            Ok(Ok(_)) => self.recorder.fail(|| "it had ended before its first poll".to_owned()),
            Err(_) => self.recorder.fail(|| "cancelling panicked".to_owned()),
        }
    }

    /// Drops it; in another thread, if it can go there.
    pub(crate) fn give_up(mut self, elsewhere: bool) {
        match std::mem::replace(&mut self.kind, Kind::Nothing) {
            Kind::Operation(wanted, future) => {
                if elsewhere {
                    let dropped = thread::spawn(move || drop(future)).join();
                    self.recorder.check(dropped.is_ok(), || "a drop panicked".to_owned());
                } else {
                    drop(future);
                }
                self.abandon();
                self.signal.end();
                wanted.check_dropped(&self.recorder);
            }
            other => drop(other),
        }
    }

    /// Nobody asks for its result any more.
    pub(crate) fn forget(&self) {
        self.recorder.tally.borrow_mut().unseen += 1;
    }
}

impl Drop for Task {
    fn drop(&mut self) {
        drop(std::mem::replace(&mut self.kind, Kind::Nothing));
        self.abandon();
        self.signal.end();
    }
}

impl Operating {
    fn poll(&mut self, context: &mut Context<'_>) -> Poll<Answer> {
        match self {
            Self::Call(future) => future.poll(context).map(Answer::Call),
            Self::Key(future) => Pin::new(future).poll(context).map(Answer::Key),
            Self::Function(future) => Pin::new(future).poll(context).map(Answer::Function),
        }
    }

    /// The result, or the buffer of a request that was taken back; a function that comes back is run.
    fn cancel(&mut self) -> Result<Answer, Vec<u8>> {
        match self {
            Self::Call(future) => match future.cancel() {
                Ended::TakenBack(buffer) => Err(buffer),
                Ended::Result(result) => Ok(Answer::Call(result)),
            },
            Self::Key(future) => match future.cancel() {
                Cancelled::TakenBack { buffer, .. } => Err(buffer.to_vec()),
                Cancelled::Ended(result) => Ok(Answer::Key(result)),
            },
            Self::Function(future) => match future.cancel() {
                Cancelled::TakenBack { buffer: unrun, .. } => Err(unrun.run()),
                Cancelled::Ended(result) => Ok(Answer::Function(result)),
            },
        }
    }
}

impl Wanted {
    fn check(&self, recorder: &Recorder, answer: Answer) {
        match (self, answer) {
            (Self::Call(call), Answer::Call(result)) => call.check_awaited(recorder, result),
            (Self::Key(call), Answer::Key(result)) => {
                check_value(recorder, "key", result.as_deref(), &call.expected);
            }
            (Self::Function(call), Answer::Function(result)) => {
                check_value(recorder, "function", result.as_ref(), &call.turned());
                call.check_over(recorder, result.as_deref());
            }
            _ => recorder.fail(|| "the result is another operation's".to_owned()),
        }
    }

    fn check_taken_back(&self, recorder: &Recorder, buffer: &[u8]) {
        match self {
            Self::Call(call) => call.check_taken_back(recorder, buffer),
            Self::Key(call) => {
                recorder.check(buffer == call.input, || "key: taken back with another input".to_owned())
            }
            Self::Function(call) => call.check_over(recorder, Ok(buffer)),
        }
    }

    /// The answer of an operation that had ended before it was cancelled. A cancelled call has no line in the
    /// history.
    fn check_cancelled(&self, recorder: &Recorder, answer: Answer) {
        match (self, answer) {
            (Self::Function(call), Answer::Function(result)) => {
                call.check_over(recorder, result.as_deref());
            }
            (_, answer) => self.check(recorder, answer),
        }
    }

    /// A function that is over was dropped.
    fn check_dropped(&self, recorder: &Recorder) {
        if let Self::Function(call) = self {
            call.check_dropped(recorder);
        }
    }
}

/// Compares what an operation without a buffer has given.
fn check_value(recorder: &Recorder, what: &str, got: Result<&Vec<u8>, &Error>, wanted: &[u8]) {
    match got {
        Ok(value) => {
            let right = value == wanted;
            recorder.note(format_args!("      {what}: {}", if right { "right" } else { "WRONG" }));
            recorder.note_bytes(value);
            let mut tally = recorder.tally.borrow_mut();
            *(if right { &mut tally.right } else { &mut tally.wrong }) += 1;
        }
        Err(error) => {
            recorder.note(format_args!("      {what}: {}", words_for(error)));
            recorder.count_error(error);
        }
    }
}
