//! Several messages through one key schedule at once, where a mode works on one block after the other.
//!
//! ```text
//!   lane 0   P0 ─► P1 ─► P2 ─► P3        CBC encryption: every block waits for the one before it, and the processor
//!   lane 1   P0 ─► P1 ─► P2              with it. The blocks of other messages do not: a column of the lanes is one
//!   lane 2   P0 ─► P1                    call of the cipher.
//!            └──────┴── one call each
//! ```
//!
//! A request's text is moved into its lane, and back when the lanes have been run.

use aes::cipher::{Array, BlockCipherEncrypt, consts::U16};
use zeroize::Zeroize;

use super::{Block, mix};
use crate::request::Request;

/// The most lanes that are run at once: what the `aes` crate's widest path takes in one go.
pub(crate) const LANES: usize = 30;

/// One message on its way: whole blocks, padded already.
#[derive(Debug)]
pub(crate) struct Lane {
    text: Vec<u8>,
    chain: Block,
    out_of_place: bool,
}

impl Lane {
    /// Moves the text out of a request: its buffer, or a copy in its destination.
    pub(super) fn of(request: &mut Request, chain: Block) -> Self {
        match request.take_destination() {
            Some(mut text) => {
                text.clear();
                super::text::reserve(&mut text, request.buffer.len());
                text.extend_from_slice(&request.buffer);
                Self { text, chain, out_of_place: true }
            }
            None => Self { text: std::mem::take(&mut request.buffer), chain, out_of_place: false },
        }
    }

    pub(super) fn text(&mut self) -> &mut Vec<u8> {
        &mut self.text
    }

    /// Moves the text back to where it came from.
    pub(crate) fn put_back(mut self, request: &mut Request) {
        let text = std::mem::take(&mut self.text);
        if self.out_of_place {
            request.destination = Some(text);
        } else {
            request.buffer = text;
        }
    }

    fn blocks(&mut self) -> &mut [Block] {
        Array::slice_as_chunks_mut(&mut self.text).0
    }
}

impl Drop for Lane {
    fn drop(&mut self) {
        self.chain.zeroize();
        // Empty, unless a panic has kept it from going back.
        self.text.zeroize();
    }
}

/// Encrypts all lanes in CBC, column by column.
pub(super) fn encrypt_cbc<C: BlockCipherEncrypt<BlockSize = U16>>(cipher: &C, lanes: &mut [Lane]) {
    for lanes in lanes.chunks_mut(LANES) {
        encrypt_columns(cipher, lanes);
    }
}

fn encrypt_columns<C: BlockCipherEncrypt<BlockSize = U16>>(cipher: &C, lanes: &mut [Lane]) {
    // The longest first: those that go on are always the first ones.
    let mut lanes: Vec<&mut Lane> = lanes.iter_mut().collect();
    lanes.sort_by_key(|lane| std::cmp::Reverse(lane.text.len()));
    let mut column = [Block::default(); LANES];
    column.iter_mut().zip(&lanes).for_each(|(chain, lane)| *chain = lane.chain);
    let mut rows: Vec<&mut [Block]> = lanes.iter_mut().map(|lane| lane.blocks()).collect();
    let longest = rows.first().map_or(0, |row| row.len());
    let mut going = rows.len();
    for at in 0..longest {
        while rows[going - 1].len() <= at {
            going -= 1;
        }
        let column = &mut column[..going];
        for (chain, row) in column.iter_mut().zip(&rows) {
            mix(chain, &row[at]);
        }
        cipher.encrypt_blocks(column);
        for (block, row) in column.iter().zip(&mut rows) {
            row[at] = *block;
        }
    }
    column.zeroize();
}
