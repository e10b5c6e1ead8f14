//! AES-GCM (SP 800-38D): CTR with a 32-bit counter, and GHASH over additional data and ciphertext.
//!
//! ```text
//!   J0 = IV ‖ 1  (12 bytes)   or   GHASH(IV ‖ 0… ‖ len)  (any other length)
//!
//!   counter   J0+1      J0+2            J0
//!              │         │               │
//!   text   ──► ⊕ ──► … ──⊕──► ciphertext │        GHASH(aad ‖ 0… ‖ ciphertext ‖ 0… ‖ lengths) ──► ⊕ ──► tag
//!                                        └───────────────────────────────────────────────────────┘
//! ```
//!
//! When decrypting, the last piece (the whole message, if it is in one piece) is deciphered after the tag has
//! been verified, never before.
//!
//! A piece before that one returns the tag of the message so far, if it comes with any tag. A caller that
//! learns only afterwards which piece was the last one needs no further request for the tag then.

use aes::cipher::{Array, BlockCipherEncrypt, KeyInit, consts::U16};
use ghash::GHash;
use ghash::universal_hash::UniversalHash;
use subtle::ConstantTimeEq;
use zeroize::Zeroize;

use super::block::{BLOCK, Block};
use super::ctr::CtrStream;
use super::kernel::{BadKey, Kernel, Options, scheduled};
use super::text::text;
use crate::message::mode::MAX_GCM_TEXT;
use crate::message::operation::Operation;
use crate::message::status::Status;
use crate::message::tag::Tag;
use crate::message::view::Message;

/// Bytes that are enciphered before they are hashed; both passes over them stay in the first-level cache.
const CHUNK: usize = 4096;

/// A key, GHASH with its key, and the length of the tags.
pub(crate) struct Gcm<C> {
    cipher: C,
    ghash: GHash,
    tag_len: usize,
}

impl<C: BlockCipherEncrypt<BlockSize = U16>> Gcm<C> {
    fn new(cipher: C, tag_len: usize) -> Self {
        let mut h = Block::default();
        cipher.encrypt_block(&mut h);
        let ghash = GHash::new(&h);
        h.zeroize();
        Self { cipher, ghash, tag_len }
    }

    /// J0 of SP 800-38D, 7.1, step 2.
    fn first_counter(&self, iv: &[u8]) -> Block {
        if iv.len() == 12 {
            let mut block = Block::default();
            block[..12].copy_from_slice(iv);
            block[15] = 1;
            return block;
        }
        let mut ghash = self.ghash.clone();
        ghash.update_padded(iv);
        ghash.update(&[lengths(0, iv.len() as u64)]);
        ghash.finalize()
    }

    fn encrypt(&self, stream: &mut GcmStream, text: &mut [u8]) {
        for chunk in text.chunks_mut(CHUNK) {
            stream.ctr.apply::<_, 32>(&self.cipher, chunk);
            stream.absorb(chunk);
        }
    }

    fn decrypt(&self, stream: &mut GcmStream, text: &mut [u8]) {
        for chunk in text.chunks_mut(CHUNK) {
            stream.absorb(chunk);
            stream.ctr.apply::<_, 32>(&self.cipher, chunk);
        }
    }

    /// The end of a decryption: the rest of the ciphertext, then the tag, and only then the plaintext.
    fn verify_and_decrypt(
        &self,
        stream: &mut GcmStream,
        text: &mut Vec<u8>,
        tag: &Tag,
    ) -> Result<(), Status> {
        stream.absorb(text);
        let expected = stream.tag();
        if bool::from(expected[..self.tag_len].ct_eq(tag.as_bytes())) {
            stream.ctr.apply::<_, 32>(&self.cipher, text);
            Ok(())
        } else {
            text.zeroize();
            Err(Status::AuthFailed)
        }
    }
}

impl<C: BlockCipherEncrypt<BlockSize = U16> + KeyInit> Kernel for Gcm<C> {
    type Stream = GcmStream;

    fn prepare(key: &[u8], options: Options) -> Result<Self, BadKey> {
        Ok(Self::new(scheduled(key)?, options.tag_len))
    }

    fn begin(&self, message: &Message<'_>) -> Result<GcmStream, Status> {
        let iv = message.iv();
        if !matches!(message.operation(), Operation::Encrypt | Operation::Decrypt) || iv.is_empty() {
            return Err(Status::InvalidArgs);
        }
        let mut mask = self.first_counter(iv);
        let ctr = CtrStream::new(incremented(mask));
        self.cipher.encrypt_block(&mut mask);
        let mut ghash = self.ghash.clone();
        ghash.update_padded(message.aad());
        let aad_len = message.aad().len() as u64;
        Ok(GcmStream { ctr, ghash, partial: Block::default(), filled: 0, mask, aad_len, text_len: 0 })
    }

    fn piece(&self, stream: &mut GcmStream, message: &mut Message<'_>) -> Result<(), Status> {
        let last = message.is_last();
        if message.input().len() as u64 > MAX_GCM_TEXT - stream.text_len {
            return Err(Status::InvalidArgs);
        }
        let (operation, tag) = (message.operation(), message.tag());
        let text = text(message.texts());
        match (operation, last) {
            (Operation::Encrypt, _) => self.encrypt(stream, text),
            (_, false) => self.decrypt(stream, text),
            (_, true) => self.verify_and_decrypt(stream, text, &tag)?,
        }
        let gives_tag = if last { operation == Operation::Encrypt } else { !tag.as_bytes().is_empty() };
        if gives_tag {
            let tag = if last { stream.tag() } else { stream.clone().tag() };
            message.set_tag(Tag::new(&tag[..self.tag_len]).ok_or(Status::DeviceError)?);
        }
        Ok(())
    }
}

/// A message between its pieces. Wiped on drop (counter and GHASH wipe themselves).
#[derive(Clone)]
pub(crate) struct GcmStream {
    ctr: CtrStream,
    ghash: GHash,
    /// Ciphertext that does not fill a block yet, `filled` bytes of it.
    partial: Block,
    filled: usize,
    /// The encrypted first counter block, which covers the tag.
    mask: Block,
    aad_len: u64,
    text_len: u64,
}

impl GcmStream {
    /// Hashes ciphertext.
    fn absorb(&mut self, text: &[u8]) {
        let rest = self.fill_partial(text);
        let (blocks, tail) = Array::slice_as_chunks(rest);
        self.ghash.update(blocks);
        self.partial[..tail.len()].copy_from_slice(tail);
        self.filled += tail.len();
        self.text_len += text.len() as u64;
    }

    /// Completes the block that an earlier piece began, as far as `text` reaches; returns the rest.
    fn fill_partial<'t>(&mut self, text: &'t [u8]) -> &'t [u8] {
        if self.filled == 0 {
            return text;
        }
        let (head, rest) = text.split_at(text.len().min(BLOCK - self.filled));
        self.partial[self.filled..][..head.len()].copy_from_slice(head);
        self.filled = (self.filled + head.len()) % BLOCK;
        if self.filled == 0 {
            self.ghash.update(std::slice::from_ref(&self.partial));
        }
        rest
    }

    /// The full tag; ends the message.
    fn tag(&mut self) -> Block {
        self.ghash.update_padded(&self.partial[..self.filled]);
        self.ghash.update(&[lengths(self.aad_len, self.text_len)]);
        let mut tag = self.ghash.clone().finalize();
        tag.iter_mut().zip(&self.mask).for_each(|(byte, mask)| *byte ^= mask);
        tag
    }
}

impl Drop for GcmStream {
    fn drop(&mut self) {
        self.partial.zeroize();
        self.mask.zeroize();
    }
}

/// The last block under GHASH: two lengths, given in bytes, written in bits.
fn lengths(first: u64, second: u64) -> Block {
    let mut block = Block::default();
    block[..8].copy_from_slice(&(first * 8).to_be_bytes());
    block[8..].copy_from_slice(&(second * 8).to_be_bytes());
    block
}

/// The counter block after this one: only its last 32 bits count.
fn incremented(mut block: Block) -> Block {
    let (_, counter) = block.split_at_mut(12);
    let next = counter.iter().fold(0u32, |value, &byte| value << 8 | u32::from(byte)).wrapping_add(1);
    counter.copy_from_slice(&next.to_be_bytes());
    block
}

#[cfg(test)]
mod tests {
    use aes::Aes128Enc;
    use aes::cipher::KeyInit;

    use super::*;
    use crate::message::piece::Part;
    use crate::message::request::Request;
    use crate::message::session_id::SessionId;

    #[test]
    fn no_text_beyond_the_limit() {
        let gcm = Gcm::new(Aes128Enc::new(&[7; 16].into()), 16);
        let mut request = Request::new(SessionId::NONE, Operation::Encrypt, vec![0; 33]);
        request.part = Part::Update;
        request.set_iv(&[1; 12]);
        let mut stream = gcm.begin(&request.message()).unwrap();
        stream.text_len = MAX_GCM_TEXT - 32;
        assert_eq!(gcm.piece(&mut stream, &mut request.message()), Err(Status::InvalidArgs));
        assert_eq!(request.buffer, [0; 33]);
        request.buffer.pop();
        assert_eq!(gcm.piece(&mut stream, &mut request.message()), Ok(()));
    }
}
