//! The modes once more, written for reading: block by block from their definitions, over AES in ECB.

use aes::Aes128;
use aes::cipher::{BlockCipherDecrypt, BlockCipherEncrypt, KeyInit};

pub(super) type Block = [u8; 16];

/// AES-128, one block at a time.
pub(super) struct Aes(Aes128);

impl Aes {
    pub(super) fn new(key: &[u8]) -> Self {
        Self(Aes128::new_from_slice(key).unwrap())
    }

    pub(super) fn encrypt(&self, block: Block) -> Block {
        let mut block = block.into();
        self.0.encrypt_block(&mut block);
        block.into()
    }

    pub(super) fn decrypt(&self, block: Block) -> Block {
        let mut block = block.into();
        self.0.decrypt_block(&mut block);
        block.into()
    }
}

pub(super) fn xor(left: Block, right: Block) -> Block {
    std::array::from_fn(|i| left[i] ^ right[i])
}

pub(super) fn blocks(text: &[u8]) -> Vec<Block> {
    assert!(text.len().is_multiple_of(16));
    text.chunks(16).map(|block| block.try_into().unwrap()).collect()
}

/// SP 800-38A, 6.2.
pub(super) fn cbc_encrypt(key: &[u8], iv: Block, text: &[u8]) -> Vec<u8> {
    let aes = Aes::new(key);
    let mut chain = iv;
    let step = |block| {
        chain = aes.encrypt(xor(block, chain));
        chain
    };
    blocks(text).into_iter().flat_map(step).collect()
}

/// SP 800-38A, 6.2.
pub(super) fn cbc_decrypt(key: &[u8], iv: Block, text: &[u8]) -> Vec<u8> {
    let aes = Aes::new(key);
    let mut chain = iv;
    let step = |block| xor(aes.decrypt(block), std::mem::replace(&mut chain, block));
    blocks(text).into_iter().flat_map(step).collect()
}

/// SP 800-38A, 6.5, the last `bits / 8` bytes of the block counting.
pub(super) fn ctr(key: &[u8], mut counter: Block, bits: u32, text: &[u8]) -> Vec<u8> {
    let aes = Aes::new(key);
    let mut output = Vec::new();
    for piece in text.chunks(16) {
        output.extend(piece.iter().zip(aes.encrypt(counter)).map(|(byte, key)| byte ^ key));
        counter = counted(counter, bits);
    }
    output
}

pub(super) fn counted(block: Block, bits: u32) -> Block {
    let mask = u128::MAX >> (128 - bits);
    let value = u128::from_be_bytes(block);
    ((value & !mask) | (value.wrapping_add(1) & mask)).to_be_bytes()
}

/// SP 800-38D, 7.1: ciphertext and full tag.
pub(super) fn gcm_encrypt(key: &[u8], iv: &[u8], aad: &[u8], text: &[u8]) -> (Vec<u8>, Block) {
    let aes = Aes::new(key);
    let h = aes.encrypt([0; 16]);
    let first = gcm_first_counter(h, iv);
    let output = ctr(key, counted(first, 32), 32, text);
    let hashed = [padded(aad), padded(&output), lengths(aad.len(), output.len())].concat();
    (output, xor(ghash(h, &hashed), aes.encrypt(first)))
}

/// SP 800-38D, 7.1, step 2.
pub(super) fn gcm_first_counter(h: Block, iv: &[u8]) -> Block {
    if iv.len() == 12 {
        let mut block = [0; 16];
        block[..12].copy_from_slice(iv);
        block[15] = 1;
        return block;
    }
    ghash(h, &[padded(iv), lengths(0, iv.len())].concat())
}

fn padded(text: &[u8]) -> Vec<u8> {
    let mut text = text.to_vec();
    text.resize(text.len().next_multiple_of(16), 0);
    text
}

fn lengths(first: usize, second: usize) -> Vec<u8> {
    [first, second].iter().flat_map(|&bytes| (bytes as u64 * 8).to_be_bytes()).collect()
}

/// SP 800-38D, 6.4.
fn ghash(h: Block, text: &[u8]) -> Block {
    blocks(text).into_iter().fold([0; 16], |hash, block| gf_multiply(xor(hash, block), h))
}

/// SP 800-38D, 6.3: the first bit of a block is the coefficient of x^0.
fn gf_multiply(x: Block, y: Block) -> Block {
    let (x, mut v) = (u128::from_be_bytes(x), u128::from_be_bytes(y));
    let mut product = 0;
    for bit in (0..128).rev() {
        if x >> bit & 1 == 1 {
            product ^= v;
        }
        v = v >> 1 ^ if v & 1 == 1 { 0xe1 << 120 } else { 0 };
    }
    product.to_be_bytes()
}

/// IEEE 1619, 5.3.2: encryption of a data unit, with ciphertext stealing.
pub(super) fn xts_encrypt(key: &[u8], tweak: Block, text: &[u8]) -> Vec<u8> {
    let (data, tweaks) = (Aes::new(&key[..16]), Aes::new(&key[16..]));
    let mut tweak = tweaks.encrypt(tweak);
    let mut output = Vec::new();
    for piece in text.chunks(16) {
        let mut block = [0; 16];
        block[..piece.len()].copy_from_slice(piece);
        if piece.len() < 16 {
            let last = output.split_off(output.len() - 16);
            block[piece.len()..].copy_from_slice(&last[piece.len()..]);
            output.extend(xor(data.encrypt(xor(block, tweak)), tweak));
            output.extend(&last[..piece.len()]);
        } else {
            output.extend(xor(data.encrypt(xor(block, tweak)), tweak));
        }
        tweak = times_x(tweak);
    }
    output
}

/// IEEE 1619, 5.2: byte by byte, carrying from each to the next.
fn times_x(tweak: Block) -> Block {
    let mut carry = 0;
    let mut product = tweak.map(|byte| {
        let next = byte << 1 | carry;
        carry = byte >> 7;
        next
    });
    product[0] ^= if carry == 1 { 0x87 } else { 0 };
    product
}

#[test]
fn the_reference_knows_test_case_4_of_gcm() {
    let key = hex::decode("feffe9928665731c6d6a8f9467308308").unwrap();
    let iv = hex::decode("cafebabefacedbaddecaf888").unwrap();
    let aad = hex::decode("feedfacedeadbeeffeedfacedeadbeefabaddad2").unwrap();
    let text = hex::decode(
        "d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a72\
         1c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba637b39",
    );
    let (_, tag) = gcm_encrypt(&key, &iv, &aad, &text.unwrap());
    assert_eq!(hex::encode(tag), "5bc94fbc3221a5db94fae95ae7121a47");
}
