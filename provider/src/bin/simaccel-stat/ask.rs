//! Requests to a running process, through its file.
//!
//! ```text
//!   lock ──► text ──► number ......... the process's next operation ......... reply with the number ──► unlock
//! ```
//!
//! The lock is among commands: the process takes none.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use nix::fcntl::{Flock, FlockArg, OFlag};
use simaccel_provider::counters::layout::{REQUEST, REQUEST_TEXT, REQUEST_WORDS, words_of};
use simaccel_provider::counters::snapshot::{ReadError, Snapshot, State};

const WORD: u64 = 8;
/// The longest text that fits, in bytes.
const LONGEST: usize = REQUEST_WORDS * 8 - 1;
/// How often the reply is looked for.
const TURN: Duration = Duration::from_millis(2);

/// How a request has ended.
#[derive(Debug)]
pub(crate) enum Answer {
    /// The process works by it.
    Accepted,
    /// The engine's own words.
    Refused(String),
    /// The process had no operation meanwhile, and answers with its next one.
    Pending,
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum AskError {
    #[error(transparent)]
    Read(#[from] ReadError),
    #[error("{0}: cannot be changed: {1}")]
    Open(String, #[source] io::Error),
    #[error("{0}: the process has ended")]
    Ended(String),
    #[error("--set: {LONGEST} bytes at most, and no zero byte")]
    TooLong,
}

/// Asks a process for this change, and waits so long for the answer.
pub(crate) fn change(path: &Path, text: &str, patience: Duration) -> Result<Answer, AskError> {
    if text.len() > LONGEST || text.contains('\0') {
        return Err(AskError::TooLong);
    }
    let file = open(path)?;
    let request = send(path, &file, text)?;
    await_answer(path, request, patience)
}

/// Asks a process for a new copy of the engine's numbers, if nothing else is asked for and it can be asked.
pub(crate) fn refresh(path: &Path, patience: Duration) {
    let Ok(snapshot) = Snapshot::read(path) else { return };
    if snapshot.state() != State::Running || snapshot.reply(snapshot.request()).is_none() {
        return;
    }
    if let Ok(file) = open(path) {
        let _ = send(path, &file, "").and_then(|request| await_answer(path, request, patience));
    }
}

fn open(path: &Path) -> Result<Flock<File>, AskError> {
    let failed = |error| AskError::Open(path.display().to_string(), error);
    let flags = (OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK | OFlag::O_CLOEXEC).bits();
    // What is written to is looked at before.
    Snapshot::read(path)?;
    let file = OpenOptions::new().read(true).write(true).custom_flags(flags).open(path).map_err(failed)?;
    Flock::lock(file, FlockArg::LockExclusive).map_err(|(_, error)| failed(error.into()))
}

/// Writes the request: its text first, and then the number, which the process looks at.
fn send(path: &Path, file: &File, text: &str) -> Result<u64, AskError> {
    let snapshot = Snapshot::read(path)?;
    if snapshot.state() != State::Running {
        return Err(AskError::Ended(path.display().to_string()));
    }
    let request = snapshot.request().wrapping_add(1).max(1);
    let bytes: Vec<u8> = words_of(text, REQUEST_WORDS).flat_map(u64::to_ne_bytes).collect();
    let write = |at: usize, bytes: &[u8]| file.write_all_at(bytes, at as u64 * WORD);
    write(REQUEST_TEXT, &bytes)
        .and_then(|()| write(REQUEST, &request.to_ne_bytes()))
        .map_err(|error| AskError::Open(path.display().to_string(), error))?;
    Ok(request)
}

fn await_answer(path: &Path, request: u64, patience: Duration) -> Result<Answer, AskError> {
    let until = Instant::now() + patience;
    loop {
        let snapshot = Snapshot::read(path)?;
        match snapshot.reply(request) {
            Some(Ok(())) => return Ok(Answer::Accepted),
            Some(Err(reason)) => return Ok(Answer::Refused(reason)),
            None if snapshot.state() != State::Running => {
                return Err(AskError::Ended(path.display().to_string()));
            }
            None if Instant::now() >= until => return Ok(Answer::Pending),
            None => thread::sleep(TURN),
        }
    }
}
