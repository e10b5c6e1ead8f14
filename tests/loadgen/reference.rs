//! GCM and XTS, which `openssl enc` does not offer, built from its ECB and CTR.

use super::{Folder, text};

impl Folder {
    /// `openssl enc` of `data` with options that hold no blanks.
    #[track_caller]
    pub(crate) fn openssl_enc(&self, options: &str, data: &[u8]) -> Vec<u8> {
        self.write("enc.in", data);
        let mut arguments = vec!["enc", "-in", "enc.in", "-out", "enc.out"];
        arguments.extend(options.split_whitespace());
        self.tool("openssl", &arguments);
        let output = self.read("enc.out");
        std::fs::remove_file(self.path("enc.in")).unwrap();
        std::fs::remove_file(self.path("enc.out")).unwrap();
        output
    }

    fn ecb(&self, bits: usize, key: &str, blocks: &[u8]) -> Vec<u8> {
        self.openssl_enc(&format!("-aes-{bits}-ecb -nopad -K {key}"), blocks)
    }

    /// Ciphertext and tag (SP 800-38D, 7.1) without additional data.
    pub(crate) fn gcm(&self, bits: usize, key: &str, nonce: &[u8], data: &[u8]) -> Vec<u8> {
        let h = block(&self.ecb(bits, key, &[0; 16]));
        let j0 = if nonce.len() == 12 {
            block(&[nonce, &[0, 0, 0, 1]].concat())
        } else {
            ghash(h, nonce, 0, nonce.len())
        };
        // OpenSSL's counter has 128 bits, GCM's 32: they agree until these overflow, which takes an unlucky
        // nonce.
        assert!((j0 & 0xffff_ffff) + data.len().div_ceil(16) as u128 + 1 < 1 << 32, "choose another nonce");
        let counter = hex::encode((j0 + 1).to_be_bytes());
        let mut sealed = self.openssl_enc(&format!("-aes-{bits}-ctr -K {key} -iv {counter}"), data);
        let mask = block(&self.ecb(bits, key, &j0.to_be_bytes()));
        let tag = ghash(h, &sealed, 0, sealed.len()) ^ mask;
        sealed.extend_from_slice(&tag.to_be_bytes());
        sealed
    }

    /// Data units of `unit` bytes (IEEE 1619, 5.3), the last with ciphertext stealing where it needs it; the
    /// first has the tweak `first`.
    pub(crate) fn xts(
        &self,
        bits: usize,
        keys: (&str, &str),
        first: u128,
        unit: usize,
        data: &[u8],
    ) -> Vec<u8> {
        let count = data.len().div_ceil(unit) as u128;
        let numbers: Vec<u8> = (0..count).flat_map(|n| first.wrapping_add(n).to_le_bytes()).collect();
        let starts = self.ecb(bits, keys.1, &numbers);
        let units = data.chunks(unit).zip(starts.chunks(16));
        units.flat_map(|(unit, start)| self.xts_unit(bits, keys.0, tweak(start), unit)).collect()
    }

    fn xts_unit(&self, bits: usize, key: &str, start: u128, unit: &[u8]) -> Vec<u8> {
        let tweaks = tweaks(start, unit.len().div_ceil(16));
        let whole = unit.len() / 16 * 16;
        let mut out = self.xor_ecb(bits, key, &unit[..whole], &tweaks);
        let rest = &unit[whole..];
        if !rest.is_empty() {
            let stolen = out.split_off(whole - 16);
            let last = [rest, &stolen[rest.len()..]].concat();
            out.extend(self.xor_ecb(bits, key, &last, &tweaks[whole / 16..]));
            out.extend_from_slice(&stolen[..rest.len()]);
        }
        out
    }

    fn xor_ecb(&self, bits: usize, key: &str, blocks: &[u8], tweaks: &[u128]) -> Vec<u8> {
        xor(&self.ecb(bits, key, &xor(blocks, tweaks)), tweaks)
    }
}

fn xor(blocks: &[u8], tweaks: &[u128]) -> Vec<u8> {
    blocks
        .chunks(16)
        .zip(tweaks)
        .flat_map(|(chunk, tweak)| (self::tweak(chunk) ^ tweak).to_le_bytes())
        .collect()
}

/// The first 16 bytes, as XTS reads them.
fn tweak(bytes: &[u8]) -> u128 {
    u128::from_le_bytes(bytes.try_into().unwrap_or_else(|_| panic!("{}", text(bytes))))
}

/// The tweaks of consecutive blocks: each the double of the one before in GF(2^128).
fn tweaks(start: u128, count: usize) -> Vec<u128> {
    let double = |tweak: &u128| Some((tweak << 1) ^ (if tweak >> 127 == 1 { 0x87 } else { 0 }));
    std::iter::successors(Some(start), double).take(count).collect()
}

fn block(bytes: &[u8]) -> u128 {
    u128::from_be_bytes(bytes.try_into().unwrap())
}

/// GHASH (SP 800-38D, 6.4) of padded `data` and the block of two lengths in bits.
fn ghash(h: u128, data: &[u8], aad_len: usize, data_len: usize) -> u128 {
    let padded = data.chunks(16).map(|chunk| {
        let mut bytes = [0; 16];
        bytes[..chunk.len()].copy_from_slice(chunk);
        u128::from_be_bytes(bytes)
    });
    let lengths = (aad_len as u128 * 8) << 64 | (data_len as u128 * 8);
    padded.chain([lengths]).fold(0, |y, x| multiply(y ^ x, h))
}

/// The product in GCM's field, bit by bit (SP 800-38D, 6.3).
fn multiply(x: u128, y: u128) -> u128 {
    let (mut z, mut v) = (0, y);
    for bit in (0..128).rev() {
        if x >> bit & 1 == 1 {
            z ^= v;
        }
        v = (v >> 1) ^ (if v & 1 == 1 { 0xe1 << 120 } else { 0 });
    }
    z
}

/// Checks the reference itself against the published cases: SP 800-38D's test case 15, and vector 15 of IEEE
/// 1619.
#[test]
fn the_reference_agrees_with_published_vectors() {
    let folder = Folder::new();
    let key = "feffe9928665731c6d6a8f9467308308".repeat(2);
    let text = "d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a72\
                1c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba637b391aafd255";
    let nonce = hex::decode("cafebabefacedbaddecaf888").unwrap();
    let sealed = folder.gcm(256, &key, &nonce, &hex::decode(text).unwrap());
    assert_eq!(hex::encode(&sealed[64..]), "b094dac5d93471bdec1a502270e3cc6c");

    let keys = ("fffefdfcfbfaf9f8f7f6f5f4f3f2f1f0", "bfbebdbcbbbab9b8b7b6b5b4b3b2b1b0");
    let unit = hex::decode("000102030405060708090a0b0c0d0e0f10").unwrap();
    let number = 0x12_3456_789a;
    let stolen = folder.xts(128, keys, number, 512, &unit);
    assert_eq!(hex::encode(stolen), "6c1625db4671522d3d7599601de7ca09ed");
}
