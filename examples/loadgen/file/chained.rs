//! Pieces of one chain: a multi-part operation, one piece in flight while the next one is read.

use simaccel::{
    AeadOpener, AeadSealer, AnySession, CipherStream, Error, HashStream, MacStream, OpError, Parameters, Tag,
};

use super::Transfer;
use crate::failure::Failure;
use crate::meter::Sent;
use crate::runner::Runner;

/// Sends everything through. Returns the digest of a digest operation.
pub(super) fn run(transfer: &mut Transfer<'_>) -> Result<Option<Tag>, Failure> {
    let plan = transfer.plan;
    let session = transfer.engine.session(plan.algorithm, &plan.key, Parameters::default());
    let chain = Chain::start(&session.map_err(Failure::engine)?, &plan.iv, plan.decrypt);
    let runner = Runner::new(plan.mode, &transfer.engine, 1)?;
    Chained { runner, transfer }.run_through(chain)
}

/// A multi-part operation of any kind.
enum Chain {
    Cipher(CipherStream),
    Seal(AeadSealer),
    Open(AeadOpener),
    Hash(HashStream),
    Mac(MacStream),
}

impl Chain {
    fn start(session: &AnySession, iv: &[u8], decrypt: bool) -> Self {
        match session {
            AnySession::Cipher(session) if decrypt => Self::Cipher(session.decryptor(iv)),
            AnySession::Cipher(session) => Self::Cipher(session.encryptor(iv)),
            AnySession::Aead(session) if decrypt => Self::Open(session.opener(iv, &[])),
            AnySession::Aead(session) => Self::Seal(session.sealer(iv, &[])),
            AnySession::Hash(session) => Self::Hash(session.stream()),
            AnySession::Mac(session) => Self::Mac(session.stream()),
            AnySession::Key(_) | AnySession::Other(_) => unreachable!("the plan refuses them"),
        }
    }

    /// The next piece's output; for a digest its buffer.
    fn update(&mut self, piece: Vec<u8>) -> Result<Vec<u8>, OpError> {
        match self {
            Self::Cipher(stream) => stream.update(piece),
            Self::Seal(stream) => stream.update(piece),
            Self::Open(stream) => stream.update(piece),
            Self::Hash(stream) => stream.update(piece),
            Self::Mac(stream) => stream.update(piece),
        }
    }

    /// The rest of the output, and the tag or digest; `tag` is the tag after a sealed input.
    fn finish(self, tag: &[u8]) -> Result<End, Error> {
        Ok(match self {
            Self::Cipher(stream) => End { rest: stream.finish()?, tag: None },
            Self::Open(stream) => End { rest: stream.finish(tag)?, tag: None },
            Self::Seal(stream) => {
                let (mut rest, tag) = stream.finish()?;
                rest.extend_from_slice(tag.as_bytes());
                End { rest, tag: None }
            }
            Self::Hash(stream) => End { rest: Vec::new(), tag: Some(stream.finish()?) },
            Self::Mac(stream) => End { rest: Vec::new(), tag: Some(stream.finish()?) },
        })
    }

    /// Whether updates produce output.
    const fn gives_text(&self) -> bool {
        !matches!(self, Self::Hash(_) | Self::Mac(_))
    }
}

struct End {
    rest: Vec<u8>,
    /// The digest or MAC.
    tag: Option<Tag>,
}

/// What a job returns.
enum Done {
    Piece(Chain, Result<Vec<u8>, Error>),
    End(Result<End, Error>),
}

struct Chained<'a, 'b> {
    runner: Runner<Done>,
    transfer: &'a mut Transfer<'b>,
}

impl Chained<'_, '_> {
    fn run_through(mut self, mut chain: Chain) -> Result<Option<Tag>, Failure> {
        let mut next = self.transfer.pieces.next()?;
        while let Some(piece) = next.take() {
            let (asked, len) = (self.transfer.meter.ask_now(), piece.bytes.len());
            self.runner.start(0, move || {
                let result = chain.update(piece.bytes).map_err(Error::from);
                Done::Piece(chain, result)
            })?;
            // The device works on this piece while the next one is read. It ends in any case.
            let following = self.transfer.pieces.next();
            chain = self.piece_done(asked, len)?;
            next = following?;
        }
        self.finish(chain)
    }

    fn piece_done(&mut self, asked: Sent, len: usize) -> Result<Chain, Failure> {
        let Done::Piece(chain, result) = self.done()? else { unreachable!("a piece was started") };
        self.transfer.record(asked, len, result.as_ref().err());
        let bytes = result.map_err(|error| self.transfer.failure(&error))?;
        if chain.gives_text() {
            self.transfer.write(&bytes)?;
        }
        self.transfer.pieces.recycle(bytes);
        Ok(chain)
    }

    fn finish(&mut self, chain: Chain) -> Result<Option<Tag>, Failure> {
        let tail = self.transfer.pieces.tail().map(<[u8]>::to_vec);
        let tag = tail.ok_or_else(|| self.transfer.incomplete("shorter than its 16-byte tag"))?;
        let asked = self.transfer.meter.ask_now();
        self.runner.start(0, move || Done::End(chain.finish(&tag)))?;
        let Done::End(result) = self.done()? else { unreachable!("the end was started") };
        self.transfer.record(asked, 0, result.as_ref().err());
        let end = result.map_err(|error| self.transfer.failure(&error))?;
        self.transfer.write(&end.rest)?;
        Ok(end.tag)
    }

    /// The result of the one job in flight.
    fn done(&mut self) -> Result<Done, Failure> {
        loop {
            if let Some((_, done)) = self.runner.pop_finished() {
                return Ok(done);
            }
            self.runner.wait(None)?;
            self.runner.resume_ready(usize::MAX)?;
        }
    }
}
