//! Independent pieces: a job each, many in flight, written in the input's order.
//!
//! ```text
//!   next_out ──────────────► next_in          piece n runs on slot n % window
//!   [ done ][ running ][ done ][ running ]    the front is written as soon as it is done
//! ```

use std::rc::Rc;

use simaccel::{CipherSession, Error, Padding};
use simaccel_device::Cipher;

use super::Transfer;
use super::pieces::Piece;
use crate::alg::Shape;
use crate::failure::Failure;
use crate::limits;
use crate::meter::Sent;
use crate::runner::Runner;

/// Sends everything through.
pub(super) fn run(transfer: &mut Transfer<'_>, cipher: Cipher, shape: Shape) -> Result<(), Failure> {
    let plan = transfer.plan;
    let window = if plan.mode.has_many() { limits::in_flight(plan.mode, plan.jobs, 1)? } else { 1 };
    transfer.in_flight = window;
    let session = |padding| transfer.engine.cipher_with(cipher, &plan.key, padding).map(Rc::new);
    let parallel = Parallel {
        runner: Runner::new(plan.mode, &transfer.engine, window)?,
        inner: session(Padding::None).map_err(Failure::engine)?,
        last: session(Padding::Pkcs7).map_err(Failure::engine)?,
        positions: Positions::new(shape, &plan.iv),
        window: (0..window).map(|_| Slot::idle()).collect(),
        next_in: 0,
        next_out: 0,
        pads: cipher.pads(),
        transfer,
    };
    parallel.run_through()
}

struct Parallel<'a, 'b> {
    runner: Runner<Result<Vec<u8>, Error>>,
    /// For every piece but the last; these are whole blocks.
    inner: Rc<CipherSession>,
    /// For the last piece, which has the padding.
    last: Rc<CipherSession>,
    positions: Positions,
    window: Vec<Slot>,
    next_in: usize,
    next_out: usize,
    pads: bool,
    transfer: &'a mut Transfer<'b>,
}

/// A piece in flight, or done and waiting for the pieces before it.
struct Slot {
    asked: Sent,
    input_len: usize,
    done: Option<Vec<u8>>,
}

impl Slot {
    fn idle() -> Self {
        Self { asked: Sent::default(), input_len: 0, done: None }
    }
}

impl Parallel<'_, '_> {
    /// After a signal the pieces in flight end, and are the last.
    fn run_through(mut self) -> Result<(), Failure> {
        let (mut more, mut ended) = (true, Ok(()));
        while more || self.next_out < self.next_in {
            while more && self.next_in - self.next_out < self.window.len() {
                match self.transfer.pieces.next() {
                    Ok(Some(piece)) => self.start(piece)?,
                    Ok(None) => more = false,
                    Err(Failure::Interrupted) => (more, ended) = (false, Err(Failure::Interrupted)),
                    Err(failure) => return Err(failure),
                }
            }
            self.collect()?;
            if !self.write_front()? && self.next_out < self.next_in {
                self.runner.wait(None)?;
                self.runner.resume_ready(usize::MAX)?;
            }
        }
        ended
    }

    fn start(&mut self, piece: Piece) -> Result<(), Failure> {
        self.check(&piece)?;
        if piece.bytes.is_empty() && !self.pads {
            return Ok(());
        }
        let slot = self.next_in % self.window.len();
        let session = Rc::clone(if piece.last { &self.last } else { &self.inner });
        let iv = self.positions.next(&piece.bytes);
        let decrypt = self.transfer.plan.decrypt;
        let asked = self.transfer.meter.ask_now();
        self.window[slot] = Slot { asked, input_len: piece.bytes.len(), done: None };
        self.next_in += 1;
        self.runner.start(slot, move || {
            let done = if decrypt {
                session.decrypt(iv.as_bytes(), piece.bytes)
            } else {
                session.encrypt(iv.as_bytes(), piece.bytes)
            };
            Ok(done?)
        })
    }

    /// Refuses what the mode cannot take, in terms of the file.
    fn check(&self, piece: &Piece) -> Result<(), Failure> {
        let len = piece.bytes.len();
        if matches!(self.positions, Positions::DataUnit(_)) && (1..16).contains(&len) {
            let name = self.transfer.plan.input.display();
            let why = format!("{name}: the last data unit has {len} bytes, XTS takes 16 or more");
            return Err(Failure::option("--input", why));
        }
        let padded = self.pads && self.transfer.plan.decrypt && piece.last;
        if padded && (len == 0 || !len.is_multiple_of(16)) {
            return Err(self.transfer.incomplete("not whole blocks with padding"));
        }
        Ok(())
    }

    /// Takes finished pieces from the runner.
    fn collect(&mut self) -> Result<(), Failure> {
        while let Some((slot, result)) = self.runner.pop_finished() {
            let place = &mut self.window[slot];
            self.transfer.record(place.asked, place.input_len, result.as_ref().err());
            place.done = Some(result.map_err(|error| self.transfer.failure(&error))?);
        }
        Ok(())
    }

    /// Writes the finished pieces at the front of the window. Returns whether there were any.
    fn write_front(&mut self) -> Result<bool, Failure> {
        let before = self.next_out;
        while self.next_out < self.next_in {
            let slot = self.next_out % self.window.len();
            let Some(bytes) = self.window[slot].done.take() else { break };
            self.transfer.write(&bytes)?;
            self.transfer.pieces.recycle(bytes);
            self.next_out += 1;
        }
        Ok(self.next_out > before)
    }
}

/// The initialisation vector of each piece, from its position and the piece before it.
enum Positions {
    /// ECB has none.
    None,
    /// CTR: the counter block continues, 128 bits big-endian (SP 800-38A, 6.5 and B.1).
    Counter(u128),
    /// CBC decryption: the previous ciphertext block (SP 800-38A, 6.2).
    PreviousBlock([u8; 16]),
    /// XTS: the number of the data unit, little-endian (IEEE 1619, 5.1).
    DataUnit(u128),
}

impl Positions {
    fn new(shape: Shape, iv: &[u8]) -> Self {
        let block = <[u8; 16]>::try_from(iv).unwrap_or_default();
        match shape {
            Shape::Blocks => Self::None,
            Shape::Counter => Self::Counter(u128::from_be_bytes(block)),
            Shape::Chain => Self::PreviousBlock(block),
            Shape::DataUnits => Self::DataUnit(u128::from_le_bytes(block)),
        }
    }

    /// The vector of this piece; advances past it.
    fn next(&mut self, piece: &[u8]) -> PieceIv {
        match self {
            Self::None => PieceIv(None),
            Self::Counter(counter) => {
                let block = counter.to_be_bytes();
                *counter = counter.wrapping_add(piece.len() as u128 / 16);
                PieceIv(Some(block))
            }
            Self::PreviousBlock(previous) => {
                let block = *previous;
                if let Some(last) = piece.last_chunk() {
                    *previous = *last;
                }
                PieceIv(Some(block))
            }
            Self::DataUnit(number) => {
                let block = number.to_le_bytes();
                *number = number.wrapping_add(1);
                PieceIv(Some(block))
            }
        }
    }
}

/// A block, or nothing.
struct PieceIv(Option<[u8; 16]>);

impl PieceIv {
    fn as_bytes(&self) -> &[u8] {
        self.0.as_ref().map_or(&[], |block| block)
    }
}
