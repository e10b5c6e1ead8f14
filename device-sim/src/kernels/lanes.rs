//! Several messages at once, for modes that process one block after the other.
//!
//! ```text
//!   lane 0   P0 ─► P1 ─► P2 ─► P3        CBC encryption: every block waits for the one before it, and the processor
//!   lane 1   P0 ─► P1 ─► P2              with it. The blocks of other messages do not, whatever their keys are: all
//!   lane 2   P0 ─► P1 │ next lane        lanes go on by one block, then by the next. A lane that ends makes room.
//!            └──────┴── columns
//!
//!   many lanes of one key ──► OneKey:   a column is one call of the cipher
//!   the others            ──► ManyKeys: a column is a call for each lane; the processor overlaps them
//! ```
//!
//! A message's text is moved into its lane, and back when the lanes have run. Both loops run inside the
//! cipher's own backend (a closure that it calls where the processor's AES instructions may be used), so that
//! its rounds are part of the loop, and not a call from it.

use std::fmt;

use aes::cipher::array::ArraySize;
use aes::cipher::consts::{U8, U16};
use aes::cipher::typenum::Unsigned;
use aes::cipher::{
    Array, BlockCipherEncBackend, BlockCipherEncClosure, BlockCipherEncrypt, BlockSizeUser, KeySizeUser,
    ParBlocks,
};
use aes::{Aes128, Aes192, Aes256};
use zeroize::Zeroize;

use super::block::{Block, mix};
use crate::message::view::Message;

/// The number of lanes of one key from which they form their own group. With fewer, most of a call of the
/// cipher is idle, and overlapping calls for single blocks are as fast.
const GROUP: usize = 6;

/// Lanes of different keys that run together. Fewer leave the processor waiting, more do not fit into what it
/// looks ahead.
type Abreast = U8;

/// One message on its way: whole blocks, already padded.
pub(crate) struct Lane {
    text: Vec<u8>,
    iv: Block,
    /// The number of its session, from the code that started it.
    pub(crate) session: u32,
    /// Bytes of its key.
    key_len: usize,
    out_of_place: bool,
    /// Where the request is, for putting the text back.
    pub(crate) place: usize,
}

/// The key schedule of a session whose requests can be lanes.
pub(crate) enum LaneKey<'k> {
    Aes128(&'k Aes128),
    Aes192(&'k Aes192),
    Aes256(&'k Aes256),
}

/// A cipher whose messages can be lanes.
pub(crate) trait InLanes {
    fn lane_key(&self) -> LaneKey<'_>;
}

macro_rules! in_lanes {
    ($($cipher:ident),+) => {$(
        impl InLanes for $cipher {
            fn lane_key(&self) -> LaneKey<'_> {
                LaneKey::$cipher(self)
            }
        }
    )+};
}

in_lanes!(Aes128, Aes192, Aes256);

/// Prints the length, not the content.
impl fmt::Debug for Lane {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lane").field("text_len", &self.text.len()).finish_non_exhaustive()
    }
}

impl Lane {
    /// Moves the text out of a message: its input, or a copy in its destination.
    pub(super) fn of<C: KeySizeUser>(message: &mut Message<'_>, iv: Block) -> Self {
        let destination = message.take_destination();
        let out_of_place = destination.is_some();
        let (input, _) = message.texts();
        let text = match destination {
            Some(mut text) => {
                super::text::text((input, Some(&mut text)));
                text
            }
            None => std::mem::take(input),
        };
        Self { text, iv, session: 0, key_len: C::key_size(), out_of_place, place: usize::MAX }
    }

    pub(super) fn text(&mut self) -> &mut Vec<u8> {
        &mut self.text
    }

    /// The sort order of lanes: key length, session, length; in one number, which is faster.
    const fn rank(&self) -> u128 {
        let key = (self.key_len as u128) << 32 | self.session as u128;
        key << 64 | !self.text.len() as u64 as u128
    }

    /// Moves the text back to its origin.
    pub(crate) fn put_back(mut self, mut message: Message<'_>) {
        message.put_back(std::mem::take(&mut self.text), self.out_of_place);
    }
}

impl Drop for Lane {
    fn drop(&mut self) {
        // The text has been moved back, unless a panic prevented it.
        if self.text.capacity() > 0 {
            self.text.zeroize();
        }
    }
}

/// Encrypts all lanes in CBC, each with its key from `key`; their order changes.
pub(crate) fn encrypt_cbc<'k>(lanes: &mut [Lane], key: impl Fn(&Lane) -> LaneKey<'k>) {
    // For one key the longest first: the last one has no other to run with.
    lanes.sort_unstable_by_key(Lane::rank);
    macro_rules! by_key_length {
        ($lanes:ident: $($size:ident),+) => {
            match key(&$lanes[0]) {
                $(LaneKey::$size(_) => encrypt_alike($lanes, |lane| match key(lane) {
                    LaneKey::$size(key) => key,
                    _ => unreachable!("lanes are told apart by the lengths of their keys"),
                }),)+
            }
        };
    }
    for lanes in lanes.chunk_by_mut(|lane, next| lane.key_len == next.key_len) {
        by_key_length!(lanes: Aes128, Aes192, Aes256);
    }
}

/// Encrypts lanes whose ciphers are of one type.
fn encrypt_alike<'k, C>(lanes: &mut [Lane], key: impl Fn(&Lane) -> &'k C)
where
    C: BlockCipherEncrypt<BlockSize = U16> + 'k,
{
    let same = |lane: &Lane, next: &Lane| lane.session == next.session;
    for lanes in lanes.chunk_by_mut(same).filter(|lanes| lanes.len() >= GROUP) {
        key(&lanes[0]).encrypt_with_backend(OneKey { lanes });
    }
    let others = lanes.chunk_by_mut(same).filter(|lanes| lanes.len() < GROUP).flatten();
    let mut others = others.map(|lane| (key(lane), lane)).peekable();
    if let Some(&(first, _)) = others.peek() {
        first.encrypt_with_backend(ManyKeys { first, lanes: others });
    }
}

/// The lanes that run, at most `N` of them, at the front.
struct Rows<'t, K, N: ArraySize> {
    keys: Array<K, N>,
    /// The previous block of each chain. At the end it is ciphertext, and needs no wiping.
    chains: Array<Block, N>,
    /// The remaining texts.
    texts: Array<&'t mut [Block], N>,
    going: usize,
}

impl<'t, K: Copy, N: ArraySize> Rows<'t, K, N> {
    /// No lanes. Unused places hold `key`.
    fn new(key: K) -> Self {
        let texts = Array::from_fn(|_| Default::default());
        Self { keys: Array::from_fn(|_| key), chains: Array::default(), texts, going: 0 }
    }

    /// Fills up with lanes; `false`: there are none.
    fn load(&mut self, lanes: &mut impl Iterator<Item = (K, &'t mut Lane)>) -> bool {
        while self.going < N::USIZE {
            let Some((key, lane)) = lanes.next() else { break };
            let (text, _) = Array::slice_as_chunks_mut(&mut lane.text);
            if !text.is_empty() {
                self.keys[self.going] = key;
                self.chains[self.going] = lane.iv;
                self.texts[self.going] = text;
                self.going += 1;
            }
        }
        self.going > 0
    }

    /// Cuts off the columns that all running lanes have; the rest remains.
    fn cut(&mut self) -> (usize, Array<&'t mut [Block], N>) {
        let texts = &mut self.texts[..self.going];
        let columns = texts.iter().map(|text| text.len()).min().unwrap_or_default();
        let mut heads: Array<&'t mut [Block], N> = Array::from_fn(|_| Default::default());
        for (head, text) in heads.iter_mut().zip(texts) {
            (*head, *text) = std::mem::take(text).split_at_mut(columns);
        }
        (columns, heads)
    }

    /// Removes lanes without remaining text.
    fn retire(&mut self) {
        for row in (0..self.going).rev() {
            if self.texts[row].is_empty() {
                self.going -= 1;
                self.keys[row] = self.keys[self.going];
                self.chains.swap(row, self.going);
                self.texts.swap(row, self.going);
            }
        }
    }
}

/// Encrypts lanes of one key, as many at once as the backend takes.
struct OneKey<'a> {
    lanes: &'a mut [Lane],
}

impl BlockSizeUser for OneKey<'_> {
    type BlockSize = U16;
}

impl BlockCipherEncClosure for OneKey<'_> {
    #[inline(always)]
    fn call<B: BlockCipherEncBackend<BlockSize = U16>>(self, backend: &B) {
        let mut lanes = self.lanes.iter_mut().map(|lane| ((), lane));
        let mut rows = Rows::<(), B::ParBlocksSize>::new(());
        while rows.load(&mut lanes) {
            let (columns, mut heads) = rows.cut();
            let heads = &mut heads[..rows.going];
            if 2 * rows.going > B::ParBlocksSize::USIZE {
                // A separate variable, and a loop without a branch: otherwise the compiler's code is slower.
                let mut chains = std::mem::take(&mut rows.chains);
                encrypt_together(backend, &mut chains, heads, columns);
                rows.chains = chains;
            } else {
                encrypt_in_turn(backend, &mut rows.chains, heads, columns);
            }
            rows.retire();
        }
    }
}

/// One call of the cipher for each column.
#[inline(always)]
fn encrypt_together<B: BlockCipherEncBackend<BlockSize = U16>>(
    backend: &B,
    chains: &mut ParBlocks<B>,
    texts: &mut [&mut [Block]],
    columns: usize,
) {
    for column in 0..columns {
        for (chain, text) in chains.iter_mut().zip(&*texts) {
            if let Some(block) = text.get(column) {
                mix(chain, block);
            }
        }
        backend.encrypt_par_blocks(chains.into());
        for (chain, text) in chains.iter().zip(&mut *texts) {
            if let Some(block) = text.get_mut(column) {
                *block = *chain;
            }
        }
    }
}

/// One call of the cipher for each block, where a call for a column would waste more on idle rows.
#[inline(always)]
fn encrypt_in_turn<B: BlockCipherEncBackend<BlockSize = U16>>(
    backend: &B,
    chains: &mut [Block],
    texts: &mut [&mut [Block]],
    columns: usize,
) {
    for column in 0..columns {
        for (chain, text) in chains.iter_mut().zip(&mut *texts) {
            if let Some(block) = text.get_mut(column) {
                Link { chain, block }.call(backend);
            }
        }
    }
}

/// Encrypts lanes each with its own key.
struct ManyKeys<'k, C, I> {
    first: &'k C,
    lanes: I,
}

impl<C, I> BlockSizeUser for ManyKeys<'_, C, I> {
    type BlockSize = U16;
}

impl<'k, 't, C, I> BlockCipherEncClosure for ManyKeys<'k, C, I>
where
    C: BlockCipherEncrypt<BlockSize = U16>,
    I: Iterator<Item = (&'k C, &'t mut Lane)>,
{
    #[inline(always)]
    fn call<B: BlockCipherEncBackend<BlockSize = U16>>(self, _: &B) {
        let Self { first, mut lanes } = self;
        let mut rows = Rows::<&C, Abreast>::new(first);
        while rows.load(&mut lanes) {
            let (columns, mut heads) = rows.cut();
            let going = rows.going;
            for column in 0..columns {
                for row in 0..going {
                    if let Some(block) = heads[row].get_mut(column) {
                        let chain = &mut rows.chains[row];
                        rows.keys[row].encrypt_with_backend(Link { chain, block });
                    }
                }
            }
            rows.retire();
        }
    }
}

/// Encrypts one block of one chain.
struct Link<'a> {
    chain: &'a mut Block,
    block: &'a mut Block,
}

impl BlockSizeUser for Link<'_> {
    type BlockSize = U16;
}

impl BlockCipherEncClosure for Link<'_> {
    #[inline(always)]
    fn call<B: BlockCipherEncBackend<BlockSize = U16>>(self, backend: &B) {
        let mut block = *self.block;
        mix(&mut block, self.chain);
        backend.encrypt_block((&mut block).into());
        *self.block = block;
        *self.chain = block;
    }
}
