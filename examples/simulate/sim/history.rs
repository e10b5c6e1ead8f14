//! The history of a seed: one line for each event, hashed, and printed on request.
//!
//! A line contains only numbers that the seed decides: no address, no fd, no time of this machine.

use std::fmt::{self, Write as _};
use std::io::{self, Write as _};
use std::rc::Rc;

use sha2::{Digest, Sha256};

use super::actions::{Actions, Part};

pub(crate) type Hash = [u8; 32];

pub(crate) struct History {
    hash: Sha256,
    line: String,
    print: bool,
    /// Says before each printed line which action it belongs to.
    actions: Rc<Actions>,
    /// Why printing ended early.
    printed: Result<(), io::ErrorKind>,
}

impl History {
    pub(crate) fn new(print: bool, actions: Rc<Actions>) -> Self {
        Self { hash: Sha256::new(), line: String::new(), print, actions, printed: Ok(()) }
    }

    pub(crate) fn note(&mut self, what: fmt::Arguments<'_>) {
        self.line.clear();
        // Writing to a string does not fail.
        let _ = self.line.write_fmt(what);
        self.line.push('\n');
        self.hash.update(&self.line);
        if self.print && self.printed.is_ok() {
            // The seed goes on to its end: its checks need no reader.
            let mut out = io::stdout();
            let margin = match self.actions.current() {
                Part::Beginning => Ok(()),
                Part::Action(number) => write!(out, "{number:>3} "),
                Part::End => write!(out, "end "),
            };
            let printed = margin.and_then(|()| out.write_all(self.line.as_bytes()));
            self.printed = printed.map_err(|error| error.kind());
        }
    }

    /// Hashes bytes that belong to the last line, without printing them.
    pub(crate) fn note_bytes(&mut self, bytes: &[u8]) {
        self.hash.update((bytes.len() as u64).to_le_bytes());
        self.hash.update(bytes);
    }

    /// Whether every line was printed, as requested.
    pub(crate) const fn printed(&self) -> Result<(), io::ErrorKind> {
        self.printed
    }

    pub(crate) fn hash(&self) -> Hash {
        self.hash.clone().finalize().into()
    }
}
