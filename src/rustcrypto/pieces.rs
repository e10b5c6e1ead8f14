//! A message that comes in pieces of any size, and goes to the device in pieces that are worth it.
//!
//! ```text
//!   update ──► held (up to 16 KiB) ── full ──► a piece of the message: one operation, with the state
//!   finish ──► nothing was sent: the whole message in one operation; else the last piece
//! ```

use simaccel_device::{Operation, Part, Tag};
use zeroize::Zeroizing;

use super::block_cipher::MOST;
use crate::engine::traits::{Between, Steady};

/// Bytes that are held back: what costs the device about as much as the way there.
const HELD: usize = 16 << 10;

/// A message of a digest or a MAC.
pub(super) struct Pieces {
    steady: Steady,
    operation: Operation,
    between: Between,
    held: Zeroizing<Vec<u8>>,
}

impl Pieces {
    pub(super) fn new(steady: Steady, operation: Operation) -> Self {
        Self { steady, operation, between: None, held: Zeroizing::default() }
    }

    pub(super) fn update(&mut self, mut data: &[u8]) {
        while self.held.len() + data.len() > HELD {
            if self.held.is_empty() {
                let (piece, rest) = data.split_at(data.len().min(MOST));
                self.between = self.send(Part::Update, piece).0;
                data = rest;
            } else {
                let (fitting, rest) = data.split_at(HELD - self.held.len());
                self.hold(fitting);
                data = rest;
                self.between = self.send_held(Part::Update).0;
            }
        }
        self.hold(data);
    }

    /// The result; what follows is another message.
    pub(super) fn finish(&mut self) -> Tag {
        if self.between.is_some() {
            return self.send_held(Part::Final).1;
        }
        let tag = self.steady.digest(self.operation, &self.held);
        self.held.clear();
        tag
    }

    pub(super) fn reset(&mut self) {
        self.between = None;
        self.held.clear();
    }

    fn hold(&mut self, data: &[u8]) {
        // All of it at once: growing would leave copies behind.
        if self.held.capacity() < self.held.len() + data.len() {
            let room = if self.held.is_empty() { data.len() } else { HELD };
            let mut larger = Zeroizing::new(Vec::with_capacity(room));
            larger.extend_from_slice(&self.held);
            self.held = larger;
        }
        self.held.extend_from_slice(data);
    }

    fn send_held(&mut self, part: Part) -> (Between, Tag) {
        let held = std::mem::take(&mut self.held);
        let sent = self.send(part, &held);
        self.held = held;
        self.held.clear();
        sent
    }

    fn send(&mut self, part: Part, piece: &[u8]) -> (Between, Tag) {
        self.steady.piece(self.operation, part, self.between.take(), piece)
    }
}

impl Clone for Pieces {
    fn clone(&self) -> Self {
        let between = self.steady.copied_state(&self.between);
        Self { steady: self.steady.clone(), operation: self.operation, between, held: self.held.clone() }
    }
}

/// The traits that digests and MACs have in common, for a type that is its [`Pieces`].
macro_rules! in_pieces {
    ($name:ident, $output:ident, $block:ident) => {
        impl digest::OutputSizeUser for $name {
            type OutputSize = $output;
        }

        impl digest::common::BlockSizeUser for $name {
            type BlockSize = $block;
        }

        impl digest::Update for $name {
            fn update(&mut self, data: &[u8]) {
                self.0.update(data);
            }
        }

        impl digest::Reset for $name {
            fn reset(&mut self) {
                self.0.reset();
            }
        }

        impl digest::FixedOutput for $name {
            fn finalize_into(mut self, out: &mut digest::Output<Self>) {
                out.copy_from_slice(self.0.finish().as_bytes());
            }
        }

        impl digest::FixedOutputReset for $name {
            fn finalize_into_reset(&mut self, out: &mut digest::Output<Self>) {
                out.copy_from_slice(self.0.finish().as_bytes());
            }
        }

        impl std::fmt::Debug for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.debug_struct(stringify!($name)).finish_non_exhaustive()
            }
        }
    };
}

pub(super) use in_pieces;
