//! The input, piece by piece, until it ends or a signal ends the run.

use std::fs::File;
use std::io::{self, Read};
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use crate::failure::Failure;
use crate::interrupt;
use crate::whole_file::file_failure;

/// A part of the input.
pub(super) struct Piece {
    pub(super) bytes: Vec<u8>,
    /// Nothing follows.
    pub(super) last: bool,
}

/// Cuts the input into pieces of one size; the last may be shorter. An empty input is one empty piece.
pub(super) struct Pieces {
    source: Source,
    path: PathBuf,
    input_len: Option<u64>,
    size: usize,
    /// Bytes at the end of the input that belong to no piece.
    tail_len: usize,
    /// The last bytes read; they are the tail if nothing follows.
    carry: Vec<u8>,
    begun: bool,
    ended: bool,
    /// Read one ahead, to know which piece is the last.
    next: Option<Vec<u8>>,
    spare: Vec<Vec<u8>>,
}

impl Pieces {
    pub(super) fn open(path: &Path, size: usize, tail_len: usize) -> Result<Self, Failure> {
        let (source, input_len) = source(path).map_err(|error| file_failure("--input", path, &error))?;
        Ok(Self {
            source,
            path: path.to_owned(),
            input_len,
            size,
            tail_len,
            carry: Vec::new(),
            begun: false,
            ended: false,
            next: None,
            spare: Vec::new(),
        })
    }

    /// Bytes of the input, if known.
    pub(super) const fn input_len(&self) -> Option<u64> {
        self.input_len
    }

    /// The next piece. After a signal there is none: [`Failure::Interrupted`].
    pub(super) fn next(&mut self) -> Result<Option<Piece>, Failure> {
        if interrupt::is_requested() {
            return Err(Failure::Interrupted);
        }
        if !self.begun {
            self.next = Some(self.read()?);
            self.begun = true;
        }
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
        read.map_err(|error| match error.kind() {
            io::ErrorKind::ConnectionAborted => Failure::Interrupted,
            _ => file_failure("--input", &self.path, &error),
        })?;
        self.ended = bytes.len() < wanted;
        self.carry = bytes.split_off(bytes.len().saturating_sub(self.tail_len));
        Ok(bytes)
    }
}

/// A file, or what standard input is. A wait for it ends with a signal: [`io::ErrorKind::ConnectionAborted`],
/// which no file has of itself.
struct Source(File);

impl Read for Source {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            if interrupt::is_requested() {
                return Err(io::ErrorKind::ConnectionAborted.into());
            }
            // A signal may come between the question above and the wait below.
            let again = PollTimeout::from(100_u8);
            match poll(&mut [PollFd::new(self.0.as_fd(), PollFlags::POLLIN)], again) {
                Ok(0) | Err(Errno::EINTR) => {}
                Ok(_) => return self.0.read(buffer),
                Err(error) => return Err(error.into()),
            }
        }
    }
}

fn source(path: &Path) -> io::Result<(Source, Option<u64>)> {
    if path == Path::new("-") {
        return Ok((Source(io::stdin().as_fd().try_clone_to_owned()?.into()), None));
    }
    let file = File::open(path)?;
    let metadata = file.metadata()?;
    if metadata.is_dir() {
        return Err(io::ErrorKind::IsADirectory.into());
    }
    Ok((Source(file), metadata.is_file().then_some(metadata.len())))
}
