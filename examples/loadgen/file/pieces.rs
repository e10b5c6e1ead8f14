//! The input, piece by piece.

use std::io::{self, Read};
use std::path::{Path, PathBuf};

use crate::failure::Failure;
use crate::whole_file::file_failure;

/// A part of the input.
pub(super) struct Piece {
    pub(super) bytes: Vec<u8>,
    /// Nothing follows.
    pub(super) last: bool,
}

/// Cuts the input into pieces of one size; the last may be shorter. An empty input is one empty piece.
pub(super) struct Pieces {
    source: Box<dyn Read>,
    path: PathBuf,
    input_len: Option<u64>,
    size: usize,
    /// Bytes at the end of the input that belong to no piece.
    tail_len: usize,
    /// The last bytes read; they are the tail if nothing follows.
    carry: Vec<u8>,
    ended: bool,
    /// Read one ahead, to know which piece is the last.
    next: Option<Vec<u8>>,
    spare: Vec<Vec<u8>>,
}

impl Pieces {
    pub(super) fn open(path: &Path, size: usize, tail_len: usize) -> Result<Self, Failure> {
        let (source, input_len) = source(path).map_err(|error| file_failure("--input", path, &error))?;
        let mut pieces = Self {
            source,
            path: path.to_owned(),
            input_len,
            size,
            tail_len,
            carry: Vec::new(),
            ended: false,
            next: None,
            spare: Vec::new(),
        };
        pieces.next = Some(pieces.read()?);
        Ok(pieces)
    }

    /// Bytes of the input, if known.
    pub(super) const fn input_len(&self) -> Option<u64> {
        self.input_len
    }

    /// The next piece.
    pub(super) fn next(&mut self) -> Result<Option<Piece>, Failure> {
        let Some(bytes) = self.next.take() else { return Ok(None) };
        if !self.ended {
            self.next = Some(self.read()?).filter(|following| !following.is_empty());
        }
        Ok(Some(Piece { bytes, last: self.next.is_none() }))
    }

    /// The bytes after the last piece; `None` when the input was too short.
    pub(super) fn tail(&self) -> Option<&[u8]> {
        (self.carry.len() == self.tail_len).then_some(&self.carry[..])
    }

    /// Takes a buffer back for reuse.
    pub(super) fn recycle(&mut self, buffer: Vec<u8>) {
        self.spare.push(buffer);
    }

    fn read(&mut self) -> Result<Vec<u8>, Failure> {
        let mut bytes = self.spare.pop().unwrap_or_default();
        let wanted = self.size + self.tail_len;
        bytes.clear();
        bytes.reserve(wanted + 16);
        bytes.append(&mut self.carry);
        let missing = (wanted - bytes.len()) as u64;
        let read = self.source.by_ref().take(missing).read_to_end(&mut bytes);
        read.map_err(|error| file_failure("--input", &self.path, &error))?;
        self.ended = bytes.len() < wanted;
        self.carry = bytes.split_off(bytes.len().saturating_sub(self.tail_len));
        Ok(bytes)
    }
}

fn source(path: &Path) -> io::Result<(Box<dyn Read>, Option<u64>)> {
    if path == Path::new("-") {
        return Ok((Box::new(io::stdin()), None));
    }
    let file = std::fs::File::open(path)?;
    let metadata = file.metadata()?;
    if metadata.is_dir() {
        return Err(io::ErrorKind::IsADirectory.into());
    }
    Ok((Box::new(file), metadata.is_file().then_some(metadata.len())))
}
