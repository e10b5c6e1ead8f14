//! Kernels and definitions agree.

use aes::cipher::KeyInit;

use super::reference::{self, Aes};
use super::{Subject, bytes};
use crate::kernels::ctr::CtrStream;
use crate::{Aead, Cipher, Operation, Padding, Part, Status, Tag};

/// Around blocks, around what the ciphers take at once (8, 30 or 64 blocks) and around GCM's chunks (4096).
fn lengths() -> impl Iterator<Item = usize> {
    (0..=130).chain(470..=490).chain(950..=970).chain([1935, 1936, 4095, 4096, 4097, 8191, 8192, 10_000])
}

fn iv(subject: &Subject) -> reference::Block {
    subject.iv.as_slice().try_into().unwrap()
}

#[test]
fn ecb() {
    let subject = Subject::cipher(Cipher::Aes128Ecb, Padding::None);
    let aes = Aes::new(&bytes(16, 1));
    for len in lengths().filter(|len| len % 16 == 0) {
        let text = bytes(len, 4);
        let expected: Vec<u8> =
            reference::blocks(&text).into_iter().flat_map(|block| aes.encrypt(block)).collect();
        assert_eq!(subject.whole(&text, &[]).unwrap().text, expected, "{len} bytes");
    }
}

#[test]
fn cbc_in_both_directions() {
    let encrypt = Subject::cipher(Cipher::Aes128Cbc, Padding::None);
    let decrypt = Subject::cipher(Cipher::Aes128Cbc, Padding::None).reversed().unwrap();
    for len in lengths().filter(|len| len % 16 == 0) {
        let text = bytes(len, 4);
        let encrypted = reference::cbc_encrypt(&bytes(16, 1), iv(&encrypt), &text);
        let decrypted = reference::cbc_decrypt(&bytes(16, 1), iv(&decrypt), &text);
        assert_eq!(encrypt.whole(&text, &[]).unwrap().text, encrypted, "{len} bytes");
        assert_eq!(decrypt.whole(&text, &[]).unwrap().text, decrypted, "{len} bytes");
    }
}

#[test]
fn padding_is_that_of_rfc_5652() {
    let padded = Subject::cipher(Cipher::Aes128Cbc, Padding::Pkcs7);
    let plain = Subject::cipher(Cipher::Aes128Cbc, Padding::None);
    for len in lengths() {
        let mut text = bytes(len, 4);
        let output = padded.whole(&text, &[]).unwrap().text;
        let padding = 16 - len % 16;
        text.resize(len + padding, u8::try_from(padding).unwrap());
        assert_eq!(output, plain.whole(&text, &[]).unwrap().text, "{len} bytes");
    }
}

#[test]
fn ctr_and_its_carries() {
    let mut subject = Subject::cipher(Cipher::Aes128Ctr, Padding::default());
    let carries = [bytes(16, 2), vec![0xff; 16], [vec![7; 8], vec![0xff; 7], vec![0xf0]].concat()];
    for iv in carries {
        subject.iv = iv;
        for len in lengths() {
            let text = bytes(len, 4);
            let counter = subject.iv.as_slice().try_into().unwrap();
            let expected = reference::ctr(&bytes(16, 1), counter, 128, &text);
            assert_eq!(subject.whole(&text, &[]).unwrap().text, expected, "{len} bytes");
        }
    }
}

/// Every position of a wrap in a group of blocks, of the low half and of the whole counter; in one piece and
/// in two.
#[test]
fn ctr_wherever_the_counter_wraps() {
    for before in 0..70_u64 {
        let low = u128::from(u64::MAX - before);
        for counter in [low, low | 0x1234_5678 << 64, u128::MAX - u128::from(before)] {
            counts::<128>(counter);
            counts::<32>(counter);
        }
        counts::<32>((u128::from(u32::MAX) - u128::from(before)) | 7 << 64);
    }
}

fn counts<const BITS: u32>(counter: u128) {
    let text = bytes(16 * 140 + 5, 4);
    let expected = reference::ctr(&bytes(16, 1), counter.to_be_bytes(), BITS, &text);
    let cipher = aes::Aes128Enc::new_from_slice(&bytes(16, 1)).unwrap();
    for cut in [0, 16 * 69 + 3] {
        let mut stream = CtrStream::new(counter.to_be_bytes().into());
        let mut found = text.clone();
        let (first, second) = found.split_at_mut(cut);
        stream.apply::<_, BITS>(&cipher, first);
        stream.apply::<_, BITS>(&cipher, second);
        assert!(found == expected, "{BITS} bits from {counter:#x}, cut at {cut}");
    }
}

#[test]
fn xts() {
    let encrypt = Subject::cipher(Cipher::Aes128Xts, Padding::default());
    let decrypt = Subject::cipher(Cipher::Aes128Xts, Padding::default()).reversed().unwrap();
    for len in lengths().filter(|&len| len >= 16) {
        let text = bytes(len, 4);
        let expected = reference::xts_encrypt(&bytes(32, 1), iv(&encrypt), &text);
        assert_eq!(encrypt.whole(&text, &[]).unwrap().text, expected, "{len} bytes");
        assert_eq!(decrypt.whole(&expected, &[]).unwrap().text, text, "{len} bytes");
    }
}

#[test]
fn gcm_for_every_length() {
    let encrypt = Subject::aead(Aead::Aes128Gcm, 12, 16);
    for len in lengths() {
        gcm_agrees(&encrypt, &bytes(len, 4));
    }
}

#[test]
fn gcm_for_every_iv_length() {
    for iv_len in (1..=130).chain([255, 256, 4096]) {
        gcm_agrees(&Subject::aead(Aead::Aes128Gcm, iv_len, 16), &bytes(100, 4));
    }
}

#[test]
fn gcm_for_every_length_of_additional_data() {
    for aad_len in (0..=130).chain([4096, 4097]) {
        let mut subject = Subject::aead(Aead::Aes128Gcm, 12, 16);
        subject.aad = bytes(aad_len, 3);
        gcm_agrees(&subject, &bytes(33, 4));
    }
}

#[test]
fn gcm_for_every_tag_length() {
    for tag_len in [4, 8, 12, 13, 14, 15, 16] {
        gcm_agrees(&Subject::aead(Aead::Aes128Gcm, 12, tag_len), &bytes(100, 4));
    }
}

#[test]
fn gcm_when_its_32_bit_counter_wraps() {
    // Such an IV is found by trying: its first counter block is a hash, and one in 70,000 fits.
    let h = Aes::new(&bytes(16, 1)).encrypt([0; 16]);
    let wraps = |iv: &Vec<u8>| {
        let first = reference::gcm_first_counter(h, iv);
        u32::from_be_bytes(first[12..].try_into().unwrap()) > u32::MAX - 60_000
    };
    let mut subject = Subject::aead(Aead::Aes128Gcm, 16, 16);
    subject.iv = (0..).map(|seed| bytes(16, seed)).find(wraps).unwrap();
    gcm_agrees(&subject, &bytes(16 * 60_002, 4));
}

fn gcm_agrees(subject: &Subject, text: &[u8]) {
    let (ciphertext, tag) = reference::gcm_encrypt(&bytes(16, 1), &subject.iv, &subject.aad, text);
    let outcome = subject.whole(text, &[]).unwrap();
    assert_eq!(outcome.text, ciphertext, "{} bytes", text.len());
    assert_eq!(outcome.tag, tag[..outcome.tag.len()], "{} bytes", text.len());

    let mut request = subject.request(Part::Whole, &ciphertext);
    request.operation = Operation::Decrypt;
    request.tag = Tag::new(&outcome.tag).unwrap();
    assert_eq!(subject.session.execute(&mut request), Status::Ok);
    assert_eq!(request.buffer, text);
}
