//! One call of a session, and its expected result.
//!
//! ```text
//!   random input ──► software, now ──► what each request must return
//!        │                                       │
//!        └────────► the engine, later ───────────┴──► right · wrong (explained by a fault `corrupt`)
//!                                                     · an error (explained too), with the buffers unchanged
//! ```

use std::rc::Rc;

use nix::errno::Errno;
use simaccel::{
    Aead, AeadSession, Cipher, CipherSession, Engine, Error, Hash, HashSession, MacSession, OpError, Padding,
    Tag, simaccel_device,
};
use simaccel_device::{Operation, Part, Request, SessionId, Status};

use super::random::Random;
use super::recorder::Recorder;

mod awaited;

pub(crate) use awaited::{CallFuture, Ended};

/// Where a call runs.
#[derive(Clone, Copy)]
pub(crate) struct Place<'a> {
    pub(crate) recorder: &'a Recorder,
    /// The context of the job; `None`: the call blocks.
    pub(crate) ctx: Option<usize>,
    pub(crate) token: u64,
}

/// A session of the engine, and the same session in software.
pub(crate) struct Keyed {
    name: &'static str,
    session: Session,
    software: simaccel_device::Session,
    iv_len: usize,
    min_len: usize,
}

enum Session {
    Cipher(CipherSession),
    Aead(AeadSession),
    Hash(HashSession),
    Mac(MacSession),
}

/// How input and output are passed.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Form {
    Owned,
    OutOfPlace,
    /// Into a slice that is this many bytes too short.
    Slice(usize),
    /// In pieces of these lengths.
    Stream(Vec<usize>),
    /// The engine compares the MAC with one that is right, or wrong.
    Compared(bool),
}

/// The result of one request.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Output {
    text: Vec<u8>,
    tag: Vec<u8>,
}

pub(crate) struct Call {
    number: u64,
    keyed: Rc<Keyed>,
    operation: Operation,
    form: Form,
    iv: Vec<u8>,
    aad: Vec<u8>,
    input: Vec<u8>,
    tag: Vec<u8>,
    /// The result of each request, up to the first that fails.
    expected: Vec<Result<Output, Status>>,
}

impl Keyed {
    /// A random session of `engine`.
    pub(crate) fn new(engine: &Engine, random: &mut Random) -> Result<Rc<Self>, Error> {
        let keyed = match random.below(6) {
            0 | 1 => Self::cipher(engine, random)?,
            2 | 3 => Self::aead(engine, random)?,
            4 => {
                let hash = random.pick(Hash::ALL);
                let (session, software) = (engine.hash(hash)?, simaccel_device::Session::hash(hash)?);
                Self { name: hash.name(), session: Session::Hash(session), software, iv_len: 0, min_len: 0 }
            }
            _ => {
                let (hash, len) = (random.pick(Hash::ALL), random.size(1, 40));
                let key = random.bytes(len);
                let (session, software) =
                    (engine.hmac(hash, &key)?, simaccel_device::Session::hmac(hash, &key)?);
                Self { name: "hmac", session: Session::Mac(session), software, iv_len: 0, min_len: 0 }
            }
        };
        Ok(Rc::new(keyed))
    }

    fn cipher(engine: &Engine, random: &mut Random) -> Result<Self, Error> {
        let cipher = random.pick(Cipher::ALL);
        let key = random.bytes(cipher.key_len());
        let session = engine.cipher(cipher, &key)?;
        let software = simaccel_device::Session::cipher(cipher, &key, Padding::Pkcs7)?;
        let min_len = if matches!(cipher, Cipher::Aes128Xts | Cipher::Aes256Xts) { 16 } else { 0 };
        let (name, iv_len) = (cipher.name(), cipher.iv_len());
        Ok(Self { name, session: Session::Cipher(session), software, iv_len, min_len })
    }

    fn aead(engine: &Engine, random: &mut Random) -> Result<Self, Error> {
        let aead = random.pick(Aead::ALL);
        let (key, tag_len) = (random.bytes(aead.key_len()), random.pick(&[16, 16, 12, 4]));
        let session = engine.aead_with(aead, &key, tag_len)?;
        let software = simaccel_device::Session::aead(aead, &key, tag_len)?;
        let iv_len = random.pick(&[12, 12, 1, 20]);
        Ok(Self { name: aead.name(), session: Session::Aead(session), software, iv_len, min_len: 0 })
    }

    fn gives_text(&self) -> bool {
        matches!(self.session, Session::Cipher(_) | Session::Aead(_))
    }
}

impl Call {
    pub(crate) fn new(number: u64, keyed: &Rc<Keyed>, random: &mut Random) -> Self {
        let mut call = Self::owned(number, keyed, random);
        call.form = call.random_form(random);
        call.expected = call.in_software();
        call
    }

    /// A call with an owned buffer, in place.
    pub(crate) fn owned(number: u64, keyed: &Rc<Keyed>, random: &mut Random) -> Self {
        let len = random.pick(&[0, 1, 16, 33, 64, 200]) + random.index(40);
        let operation = match keyed.session {
            Session::Cipher(_) | Session::Aead(_) => random.pick(&[Operation::Encrypt, Operation::Decrypt]),
            Session::Hash(_) => Operation::Digest,
            Session::Mac(_) => Operation::Mac,
        };
        let aad_len = if matches!(keyed.session, Session::Aead(_)) { random.index(30) } else { 0 };
        let mut call = Self {
            number,
            keyed: Rc::clone(keyed),
            operation,
            form: Form::Owned,
            iv: random.bytes(keyed.iv_len),
            aad: random.bytes(aad_len),
            input: random.bytes(len.max(keyed.min_len)),
            tag: Vec::new(),
            expected: Vec::new(),
        };
        if operation == Operation::Decrypt {
            call.become_decryption(random);
        }
        call.expected = call.in_software();
        call
    }

    /// The text to decrypt was encrypted before, or is a little wrong.
    fn become_decryption(&mut self, random: &mut Random) {
        self.operation = Operation::Encrypt;
        let sealed = self.in_software().pop();
        self.operation = Operation::Decrypt;
        if let Some(Ok(Output { text, tag })) = sealed {
            (self.input, self.tag) = (text, tag);
        }
        if random.chance(10) && !self.input.is_empty() {
            let at = random.index(self.input.len());
            self.input[at] ^= 1 << random.below(8);
        }
    }

    fn random_form(&self, random: &mut Random) -> Form {
        match (&self.keyed.session, random.below(5)) {
            (_, 0) => {
                let mut left = self.input.len();
                let mut pieces = Vec::new();
                while left > 0 && pieces.len() < 3 {
                    let piece = random.size(1, left);
                    pieces.push(piece);
                    left -= piece;
                }
                Form::Stream(pieces)
            }
            (Session::Cipher(_), 1) => Form::OutOfPlace,
            (Session::Cipher(_), 2) => Form::Slice(if random.chance(20) { 1 } else { 0 }),
            (Session::Hash(_) | Session::Mac(_), 1 | 2) => Form::Slice(0),
            _ => Form::Owned,
        }
    }

    /// The pieces of the input, each with its part of the message.
    fn pieces(&self) -> Vec<(Part, &[u8])> {
        let Form::Stream(lens) = &self.form else { return vec![(Part::Whole, &self.input)] };
        let mut rest = self.input.as_slice();
        let mut pieces = Vec::new();
        for &len in lens {
            let (piece, left) = rest.split_at(len);
            pieces.push((Part::Update, piece));
            rest = left;
        }
        pieces.push((Part::Final, &[]));
        pieces
    }

    /// The results of the same requests in software.
    fn in_software(&self) -> Vec<Result<Output, Status>> {
        let mut outputs = Vec::new();
        let mut state = None;
        for (part, input) in self.pieces() {
            let mut buffer = Vec::with_capacity(input.len() + 64);
            buffer.extend_from_slice(input);
            let mut request = Request::new(SessionId::NONE, self.operation, buffer);
            (request.part, request.state) = (part, state.take());
            request.set_iv(&self.iv);
            request.aad = self.aad.clone();
            request.tag = Tag::new(&self.tag).unwrap_or_default();
            let status = self.keyed.software.execute(&mut request);
            if status != Status::Ok {
                outputs.push(Err(status));
                break;
            }
            state = request.state.take();
            let gives_tag = self.operation != Operation::Decrypt;
            let tag = if gives_tag { request.tag.as_bytes().to_vec() } else { Vec::new() };
            outputs.push(Ok(Output { text: request.buffer, tag }));
        }
        outputs
    }

    pub(crate) fn describe(&self) -> String {
        let (name, len) = (self.keyed.name, self.input.len());
        format!("call {} ({name} {} {len} bytes, {:?})", self.number, self.operation.name(), self.form)
    }

    /// Makes the call and checks its result.
    pub(crate) fn make(&self, place: Place<'_>) {
        match &self.form {
            Form::Stream(_) => self.make_stream(place),
            Form::Slice(missing) => self.make_slice(place, *missing),
            Form::Owned | Form::OutOfPlace | Form::Compared(_) => {
                let entered = place.recorder.enter(place.ctx, place.token);
                let got = self.run_owned();
                entered.leave();
                self.check_result(place.recorder, 0, got);
            }
        }
    }

    /// [`Call::make`] for an [`Call::owned`] call, in its own thread, which blocks and has another queue
    /// pair.
    pub(crate) fn make_in_thread(&self, recorder: &Recorder) {
        let Session::Cipher(session) = &self.keyed.session else {
            return self.make(Place { recorder, ctx: None, token: 0 });
        };
        let (session, iv, input) = (session.clone(), self.iv.clone(), self.input.clone());
        let encrypts = self.operation == Operation::Encrypt;
        let entered = recorder.enter(None, 0);
        let got = std::thread::spawn(move || {
            if encrypts { session.encrypt(&iv, input) } else { session.decrypt(&iv, input) }
        });
        let Ok(got) = got.join() else { return recorder.fail(|| "a thread panicked".to_owned()) };
        entered.leave();
        self.check_result(recorder, 0, CallResult::text(got));
    }

    fn run_owned(&self) -> CallResult {
        let (iv, input, encrypts) = (&self.iv, self.input.clone(), self.operation == Operation::Encrypt);
        match &self.keyed.session {
            Session::Cipher(session) if self.form == Form::OutOfPlace => {
                let destination = vec![0xee; 5];
                CallResult::both(match encrypts {
                    true => session.encrypt_to(iv, input, destination),
                    false => session.decrypt_to(iv, input, destination),
                })
            }
            Session::Cipher(session) if encrypts => CallResult::text(session.encrypt(iv, input)),
            Session::Cipher(session) => CallResult::text(session.decrypt(iv, input)),
            Session::Aead(session) if encrypts => CallResult::sealed(session.seal(iv, &self.aad, input)),
            Session::Aead(session) => CallResult::text(session.open(iv, &self.aad, input, &self.tag)),
            Session::Hash(session) => CallResult::sealed(session.digest_owned(input)),
            Session::Mac(session) => CallResult::sealed(session.mac_owned(input)),
        }
    }

    /// Borrowed input and output: copied in, copied out.
    fn make_slice(&self, place: Place<'_>, missing: usize) {
        let text = self
            .expected
            .first()
            .and_then(|output| output.as_ref().ok())
            .map_or(0, |output| output.text.len());
        let missing = missing.min(text);
        let mut into = vec![0xee; text - missing];
        let (iv, input) = (&self.iv, &self.input);
        let entered = place.recorder.enter(place.ctx, place.token);
        let result = match &self.keyed.session {
            Session::Cipher(session) if self.operation == Operation::Encrypt => {
                session.encrypt_slice(iv, input, &mut into).map(|len| (len, Tag::default()))
            }
            Session::Cipher(session) => {
                session.decrypt_slice(iv, input, &mut into).map(|len| (len, Tag::default()))
            }
            Session::Hash(session) => session.digest(input).map(|tag| (0, tag)),
            Session::Mac(session) => session.mac(input).map(|tag| (0, tag)),
            Session::Aead(_) => Ok((0, Tag::default())),
        };
        entered.leave();
        match result {
            Ok((_, tag)) => {
                let text = if self.keyed.gives_text() { into } else { self.input.clone() };
                self.check_result(
                    place.recorder,
                    0,
                    CallResult::Output { text, tag: tag.as_bytes().to_vec() },
                );
            }
            Err(error) => {
                let untouched = into.iter().all(|&byte| byte == 0xee);
                place.recorder.check(untouched, || format!("{}: {error} touched the slice", self.describe()));
                let too_small = Error::OutputTooSmall { needed: text, given: text - missing };
                if missing > 0 && error == too_small {
                    place.recorder.note(format_args!("      call {}: too small a slice", self.number));
                    place.recorder.tally.borrow_mut().unseen += 1;
                } else {
                    self.check_result(
                        place.recorder,
                        0,
                        CallResult::Error { error, back: self.input.clone() },
                    );
                }
            }
        }
    }

    /// In pieces; after a failed piece the stream must return errors.
    fn make_stream(&self, place: Place<'_>) {
        let mut stream = Stream::new(self);
        for (index, (part, input)) in self.pieces().into_iter().enumerate() {
            let entered = place.recorder.enter(place.ctx, place.token);
            let got = match part {
                Part::Final => stream.finish(&self.tag),
                _ => stream.update(input.to_vec()),
            };
            entered.leave();
            if !self.check_result(place.recorder, index, got) {
                if part != Part::Final {
                    let after = stream.finish(&self.tag);
                    let poisoned = matches!(after, CallResult::Error { error: Error::StreamPoisoned, .. });
                    place
                        .recorder
                        .check(poisoned, || format!("{}: went on after a failed piece", self.describe()));
                }
                return;
            }
        }
    }

    /// Compares the result of one request with the expected one. Returns `false` when the request failed.
    fn check_result(&self, recorder: &Recorder, index: usize, got: CallResult) -> bool {
        let number = self.number;
        match (self.expected.get(index), got) {
            (Some(Ok(wanted)), CallResult::Output { text, tag }) => {
                let right = wanted.text == text && wanted.tag == tag;
                recorder.note(format_args!("      call {number}: {}", if right { "right" } else { "WRONG" }));
                recorder.note_bytes(&text);
                recorder.note_bytes(&tag);
                let mut tally = recorder.tally.borrow_mut();
                *(if right { &mut tally.right } else { &mut tally.wrong }) += 1;
                true
            }
            (Some(Err(status)), CallResult::Output { .. }) => {
                recorder.fail(|| format!("{} went well, and is {}", self.describe(), status.name()));
                true
            }
            (wanted, CallResult::Error { error, back }) => {
                recorder.note(format_args!("      call {number}: {}", words_for(&error)));
                let expected = matches!(
                    (wanted, &error),
                    (Some(Err(Status::AuthFailed)), Error::AuthFailed)
                        | (Some(Err(Status::InvalidArgs)), Error::InvalidArgument(_))
                );
                if !expected && matches!(self.form, Form::Compared(_)) && error == Error::AuthFailed {
                    // The device's result was another one, or it has said so.
                    recorder.tally.borrow_mut().unequal += 1;
                } else if !expected {
                    recorder.count_error(&error);
                }
                recorder.check(self.keeps_buffer(&error, &back, index), || {
                    format!("{}: {error}, and the buffer came back changed", self.describe())
                });
                false
            }
            (None, CallResult::Output { .. }) => {
                recorder.fail(|| format!("{}: more output than there can be", self.describe()));
                true
            }
        }
    }

    /// Whether an error returned the caller's buffer unchanged; text that may not be authentic must be gone.
    fn keeps_buffer(&self, error: &Error, back: &[u8], index: usize) -> bool {
        let pieces = self.pieces();
        let Some(&(part, piece)) = pieces.get(index) else { return false };
        match (error, &self.form) {
            // Borrowed slices, and the end of a stream, have no buffer of the caller's.
            (_, Form::Slice(_)) => true,
            _ if part == Part::Final => true,
            (Error::AuthFailed, _) if self.keyed.gives_text() => back.is_empty(),
            _ => back == piece,
        }
    }
}

/// The result of one request.
pub(crate) enum CallResult {
    Output { text: Vec<u8>, tag: Vec<u8> },
    Error { error: Error, back: Vec<u8> },
}

/// An error in the words of a history: those of the system are other ones in another C library.
pub(crate) fn words_for(error: &Error) -> String {
    match error {
        Error::WakeFd(system) => {
            format!("wake fd: {}", Errno::from_raw(system.raw_os_error().unwrap_or_default()))
        }
        other => other.to_string(),
    }
}

impl CallResult {
    fn text(result: Result<Vec<u8>, OpError>) -> Self {
        Self::sealed(result.map(|text| (text, Tag::default())))
    }

    fn sealed(result: Result<(Vec<u8>, Tag), OpError>) -> Self {
        match result {
            Ok((text, tag)) => Self::Output { text, tag: tag.as_bytes().to_vec() },
            Err(error) => {
                let (error, back) = error.into_parts();
                Self::Error { error, back }
            }
        }
    }

    /// Out of place: the source must be unchanged, and both buffers must be there.
    fn both(result: Result<(Vec<u8>, Vec<u8>), OpError>) -> Self {
        match result {
            Ok((_, text)) => Self::Output { text, tag: Vec::new() },
            Err(error) => {
                let (error, back, destination) = error.into_buffers();
                // As in place: a failed authentication leaves nothing, here in the destination.
                let emptied = error == Error::AuthFailed && destination.is_some_and(|text| text.is_empty());
                Self::Error { error, back: if emptied { Vec::new() } else { back } }
            }
        }
    }
}

/// A multi-part operation of any kind.
enum Stream {
    Cipher(Option<simaccel::CipherStream>),
    Sealer(Option<simaccel::AeadSealer>),
    Opener(Option<simaccel::AeadOpener>),
    Hash(Option<simaccel::HashStream>),
    Mac(Option<simaccel::MacStream>),
}

impl Stream {
    fn new(call: &Call) -> Self {
        let (iv, aad, encrypts) = (&call.iv, &call.aad, call.operation == Operation::Encrypt);
        match &call.keyed.session {
            Session::Cipher(session) if encrypts => Self::Cipher(Some(session.encryptor(iv))),
            Session::Cipher(session) => Self::Cipher(Some(session.decryptor(iv))),
            Session::Aead(session) if encrypts => Self::Sealer(Some(session.sealer(iv, aad))),
            Session::Aead(session) => Self::Opener(Some(session.opener(iv, aad))),
            Session::Hash(session) => Self::Hash(Some(session.stream())),
            Session::Mac(session) => Self::Mac(Some(session.stream())),
        }
    }

    fn update(&mut self, piece: Vec<u8>) -> CallResult {
        let result = match self {
            Self::Cipher(Some(stream)) => stream.update(piece),
            Self::Sealer(Some(stream)) => stream.update(piece),
            Self::Opener(Some(stream)) => stream.update(piece),
            Self::Hash(Some(stream)) => stream.update(piece),
            Self::Mac(Some(stream)) => stream.update(piece),
            _ => Ok(Vec::new()),
        };
        CallResult::text(result)
    }

    fn finish(&mut self, tag: &[u8]) -> CallResult {
        let digest = |result: Result<Tag, OpError>| CallResult::sealed(result.map(|tag| (Vec::new(), tag)));
        let nothing = CallResult::Error { error: Error::StreamPoisoned, back: Vec::new() };
        match self {
            Self::Cipher(stream) => stream.take().map_or(nothing, |stream| CallResult::text(stream.finish())),
            Self::Sealer(stream) => {
                stream.take().map_or(nothing, |stream| CallResult::sealed(stream.finish()))
            }
            Self::Opener(stream) => {
                stream.take().map_or(nothing, |stream| CallResult::text(stream.finish(tag)))
            }
            Self::Hash(stream) => stream.take().map_or(nothing, |stream| digest(stream.finish())),
            Self::Mac(stream) => stream.take().map_or(nothing, |stream| digest(stream.finish())),
        }
    }
}
