//! The same generic code on RustCrypto's own types and on ours: equal results for random inputs.

use aead::{Aead, AeadInOut, Key, KeyInit, KeySizeUser, Nonce, Payload};
use cipher::consts::{U7, U12, U13, U16, U24, U32};
use cipher::inout::InOutBuf;
use cipher::{
    AlgorithmName, Array, Block, BlockCipherDecrypt, BlockCipherEncrypt, BlockModeDecrypt, BlockModeEncrypt,
    KeyIvInit, StreamCipher, StreamCipherSeek,
};
use digest::{Digest, DynDigest, FixedOutputReset, Mac, Reset};
use rand::{Rng, RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use simaccel::rustcrypto as ours;

fn random(seed: u64) -> ChaCha8Rng {
    ChaCha8Rng::seed_from_u64(seed)
}

fn bytes(random: &mut impl Rng, len: usize) -> Vec<u8> {
    let mut bytes = vec![0; len];
    random.fill_bytes(&mut bytes);
    bytes
}

fn array<N: cipher::array::ArraySize>(random: &mut impl Rng) -> Array<u8, N> {
    let mut array = Array::default();
    random.fill_bytes(&mut array);
    array
}

/// Lengths that stop at, before and behind what matters to blocks, held bytes and operations.
const LENGTHS: &[usize] =
    &[0, 1, 15, 16, 17, 63, 64, 65, 1_000, 16_383, 16_384, 16_385, 40_000, (1 << 20) + 17];

fn sealed_and_opened<A: AeadInOut + KeyInit>(seed: u64) -> Vec<Vec<u8>> {
    let mut random = random(seed);
    let mut results = Vec::new();
    for &len in LENGTHS {
        let aead = A::new(&array(&mut random));
        let nonce: Nonce<A> = array(&mut random);
        let (text, aad) = (bytes(&mut random, len), bytes(&mut random, len % 40));
        let sealed = aead.encrypt(&nonce, Payload { msg: &text, aad: &aad }).unwrap();
        assert_eq!(aead.decrypt(&nonce, Payload { msg: &sealed, aad: &aad }).unwrap(), text);

        let mut in_place = text.clone();
        aead.encrypt_in_place(&nonce, &aad, &mut in_place).unwrap();
        assert_eq!(in_place, sealed);
        in_place[len / 2] ^= 1;
        let before = in_place.clone();
        aead.decrypt_in_place(&nonce, &aad, &mut in_place).unwrap_err();
        assert_eq!(in_place.len(), before.len());
        results.push(sealed);
    }
    results
}

#[test]
fn aeads_give_what_software_gives() {
    use aes_gcm::{Aes128Gcm, Aes256Gcm, AesGcm, aes};
    assert_eq!(sealed_and_opened::<ours::Aes128Gcm>(1), sealed_and_opened::<Aes128Gcm>(1));
    assert_eq!(sealed_and_opened::<ours::Aes256Gcm>(2), sealed_and_opened::<Aes256Gcm>(2));
    assert_eq!(sealed_and_opened::<ours::Aes192Gcm>(3), sealed_and_opened::<AesGcm<aes::Aes192, U12>>(3));
    // Other nonces, and other tags.
    assert_eq!(
        sealed_and_opened::<ours::AesGcm<U16, U7>>(4),
        sealed_and_opened::<AesGcm<aes::Aes128, U7>>(4)
    );
    assert_eq!(
        sealed_and_opened::<ours::AesGcm<U32, U24, U13>>(5),
        sealed_and_opened::<AesGcm<aes::Aes256, U24, U13>>(5)
    );
}

fn blocks_both_ways<C>(seed: u64) -> Vec<Block<C>>
where
    C: BlockCipherEncrypt + BlockCipherDecrypt + KeyInit + Clone,
{
    let mut random = random(seed);
    let cipher = C::new(&array(&mut random)).clone();
    let mut results = Vec::new();
    for count in [0, 1, 2, 31, 32, 33, 100, 70_000] {
        let text: Vec<Block<C>> = (0..count).map(|_| array(&mut random)).collect();
        let (mut there, mut back) = (text.clone(), text.clone());
        cipher.encrypt_blocks(&mut there);
        cipher.decrypt_blocks_b2b(&there, &mut back).unwrap();
        assert_eq!(text, back);
        let mut into = vec![Block::<C>::default(); count];
        cipher.encrypt_blocks_inout(InOutBuf::new(&text, &mut into).unwrap());
        assert_eq!(there, into);
        if let (Some(first), Some(one)) = (there.first(), text.first()) {
            let mut alone = one.clone();
            cipher.encrypt_block(&mut alone);
            assert_eq!(&alone, first);
            cipher.decrypt_block(&mut alone);
            assert_eq!(&alone, one);
        }
        results.extend(there);
    }
    results
}

#[test]
fn block_ciphers_give_what_software_gives() {
    assert_eq!(blocks_both_ways::<ours::Aes128>(1), blocks_both_ways::<aes::Aes128>(1));
    assert_eq!(blocks_both_ways::<ours::Aes192>(2), blocks_both_ways::<aes::Aes192>(2));
    assert_eq!(blocks_both_ways::<ours::Aes256>(3), blocks_both_ways::<aes::Aes256>(3));
}

/// Calls of random lengths that go on with one chain.
fn chained<E, D>(seed: u64) -> Vec<u8>
where
    E: BlockModeEncrypt + KeyIvInit,
    D: BlockModeDecrypt<BlockSize = E::BlockSize> + KeyIvInit<KeySize = E::KeySize, IvSize = E::IvSize>,
{
    let mut random = random(seed);
    let (key, iv) = (array(&mut random), array(&mut random));
    let (mut encryptor, mut decryptor) = (E::new(&key, &iv), D::new(&key, &iv));
    let mut result = Vec::new();
    for count in [1, 0, 3, 32, 33, 64, 70_000, 5] {
        let text: Vec<Block<E>> = (0..count).map(|_| array(&mut random)).collect();
        let mut there = text.clone();
        encryptor.encrypt_blocks(&mut there);
        let mut back = there.clone();
        let (head, tail) = back.split_at_mut(count / 2);
        decryptor.decrypt_blocks(head);
        decryptor.decrypt_blocks(tail);
        assert_eq!(text, back);
        result.extend(there.iter().flatten());
    }
    result
}

#[test]
fn cbc_gives_what_software_gives() {
    use cbc::{Decryptor, Encryptor};
    let software = chained::<Encryptor<aes::Aes128>, Decryptor<aes::Aes128>>(1);
    assert_eq!(chained::<ours::CbcEncryptor<U16>, ours::CbcDecryptor<U16>>(1), software);
    let software = chained::<Encryptor<aes::Aes192>, Decryptor<aes::Aes192>>(2);
    assert_eq!(chained::<ours::CbcEncryptor<U24>, ours::CbcDecryptor<U24>>(2), software);
    let software = chained::<Encryptor<aes::Aes256>, Decryptor<aes::Aes256>>(3);
    assert_eq!(chained::<ours::CbcEncryptor<U32>, ours::CbcDecryptor<U32>>(3), software);
    // RustCrypto's mode on our blocks, which it asks for one at a time or in groups.
    let software = chained::<Encryptor<aes::Aes256>, Decryptor<aes::Aes256>>(4);
    assert_eq!(chained::<Encryptor<ours::Aes256>, Decryptor<ours::Aes256>>(4), software);
}

/// Calls of random lengths, from random positions.
fn stream<C: StreamCipher + StreamCipherSeek + KeyIvInit>(seed: u64, iv: &[u8]) -> Vec<u8> {
    let mut random = random(seed);
    let mut cipher = C::new_from_slices(&bytes(&mut random, C::KeySize::to_usize_()), iv).unwrap();
    let mut result = Vec::new();
    for &len in LENGTHS {
        let mut text = bytes(&mut random, len);
        cipher.apply_keystream(&mut text);
        result.extend_from_slice(&text);
        let position = random.random_range(0..1_u64 << 40);
        cipher.seek(position);
        assert_eq!(cipher.current_pos::<u64>(), position);
        let mut keystream = vec![0xff; len % 100];
        cipher.write_keystream(&mut keystream);
        result.extend_from_slice(&keystream);
    }
    result
}

/// The number of a size.
trait ToUsize {
    fn to_usize_() -> usize;
}

impl<N: cipher::array::ArraySize> ToUsize for N {
    fn to_usize_() -> usize {
        N::USIZE
    }
}

#[test]
fn ctr_gives_what_software_gives() {
    // The second counter wraps round within a text.
    for iv in [[0x24; 16], [0xff; 16]] {
        assert_eq!(stream::<ours::AesCtr<U16>>(1, &iv), stream::<ctr::Ctr128BE<aes::Aes128>>(1, &iv));
        assert_eq!(stream::<ours::AesCtr<U24>>(2, &iv), stream::<ctr::Ctr128BE<aes::Aes192>>(2, &iv));
        assert_eq!(stream::<ours::AesCtr<U32>>(3, &iv), stream::<ctr::Ctr128BE<aes::Aes256>>(3, &iv));
        assert_eq!(
            stream::<ctr::Ctr128BE<ours::Aes256>>(4, &iv),
            stream::<ctr::Ctr128BE<aes::Aes256>>(4, &iv)
        );
    }
}

#[test]
fn a_position_that_no_number_can_say_is_an_error() {
    let mut cipher = ours::AesCtr::<U16>::new(&[1; 16].into(), &[2; 16].into());
    // The last two blocks whose positions `u128` can say.
    cipher.seek(u128::MAX - 31);
    cipher.apply_keystream(&mut [0; 16]);
    assert_eq!(cipher.current_pos::<u128>(), u128::MAX - 15);
    cipher.apply_keystream(&mut [0; 1]);
    assert!(cipher.try_current_pos::<u128>().is_err());
    assert!(cipher.try_current_pos::<u32>().is_err());
}

fn digests<D: Digest + FixedOutputReset + Reset + Clone>(seed: u64) -> Vec<Vec<u8>> {
    let mut random = random(seed);
    let mut results = Vec::new();
    for &len in LENGTHS {
        let message = bytes(&mut random, len);
        let whole = D::digest(&message);
        let mut pieces = D::new();
        let mut rest = &message[..];
        while !rest.is_empty() {
            let (piece, behind) = rest.split_at(random.random_range(1..=rest.len().min(50_000)));
            Digest::update(&mut pieces, piece);
            rest = behind;
        }
        // A copy goes on by itself.
        let mut copy = pieces.clone();
        Digest::update(&mut copy, b"more");
        assert_ne!(copy.finalize(), whole);
        assert_eq!(pieces.finalize_reset(), whole);
        Digest::update(&mut pieces, b"forgotten");
        Digest::reset(&mut pieces);
        assert_eq!(pieces.finalize(), D::new().finalize());
        results.push(whole.to_vec());
    }
    results
}

#[test]
fn digests_give_what_software_gives() {
    assert_eq!(digests::<ours::Sha224>(1), digests::<sha2::Sha224>(1));
    assert_eq!(digests::<ours::Sha256>(2), digests::<sha2::Sha256>(2));
    assert_eq!(digests::<ours::Sha384>(3), digests::<sha2::Sha384>(3));
    assert_eq!(digests::<ours::Sha512>(4), digests::<sha2::Sha512>(4));
    assert_eq!(digests::<ours::Sha512_256>(5), digests::<sha2::Sha512_256>(5));
}

fn macs<M: Mac + KeyInit + FixedOutputReset + Clone>(seed: u64) -> Vec<Vec<u8>> {
    let mut random = random(seed);
    let mut results = Vec::new();
    for &len in LENGTHS {
        let mut mac = M::new_from_slice(&bytes(&mut random, len % 300)).unwrap();
        let message = bytes(&mut random, len);
        for piece in message.chunks(7_000) {
            Mac::update(&mut mac, piece);
        }
        let result = mac.clone().finalize().into_bytes();
        mac.clone().verify(&result).unwrap();
        mac.clone().verify_truncated_left(&result[..8]).unwrap();
        mac.clone().verify_slice(&[0; 3]).unwrap_err();
        assert_eq!(Mac::finalize_reset(&mut mac).into_bytes(), result);
        results.push(result.to_vec());
    }
    results
}

#[test]
fn macs_give_what_software_gives() {
    use hmac::HmacReset;
    assert_eq!(macs::<ours::HmacSha224>(1), macs::<HmacReset<sha2::Sha224>>(1));
    assert_eq!(macs::<ours::HmacSha256>(2), macs::<HmacReset<sha2::Sha256>>(2));
    assert_eq!(macs::<ours::HmacSha384>(3), macs::<HmacReset<sha2::Sha384>>(3));
    assert_eq!(macs::<ours::HmacSha512>(4), macs::<HmacReset<sha2::Sha512>>(4));
    assert_eq!(macs::<ours::HmacSha512_256>(5), macs::<HmacReset<sha2::Sha512_256>>(5));
    // RustCrypto's HMAC on our hash function.
    assert_eq!(macs::<hmac::SimpleHmacReset<ours::Sha256>>(6), macs::<HmacReset<sha2::Sha256>>(6));
}

#[test]
fn digests_as_objects() {
    let mut all: Vec<Box<dyn DynDigest>> =
        vec![Box::new(ours::Sha256::default()), Box::new(sha2::Sha256::default())];
    let mut results = Vec::new();
    for digest in &mut all {
        digest.update(b"abc");
        let mut out = vec![0; digest.output_size()];
        digest.finalize_into_reset(&mut out).unwrap();
        results.push(out);
    }
    assert_eq!(results[0], results[1]);
}

/// Nothing of a key is shown.
#[test]
fn names() {
    struct Name<A>(std::marker::PhantomData<A>);
    impl<A: AlgorithmName> std::fmt::Display for Name<A> {
        fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            A::write_alg_name(f)
        }
    }
    let name = Name::<ours::Aes192>(std::marker::PhantomData).to_string();
    assert_eq!(name, "Aes192");
    assert_eq!(Name::<ours::Sha512_256>(std::marker::PhantomData).to_string(), "Sha512_256");
    let key: Key<ours::Aes256Gcm> = [0x42; 32].into();
    assert_eq!(<ours::Aes256Gcm as KeySizeUser>::key_size(), 32);
    assert_eq!(format!("{:?}", ours::Aes256Gcm::new(&key)), "Aes256Gcm { .. }");
    assert_eq!(format!("{:?}", ours::Aes256::new(&key)), "Aes256 { .. }");
    assert_eq!(format!("{:?}", ours::HmacSha256::new(&[1; 64].into())), "HmacSha256 { .. }");
    assert_eq!(
        format!("{:?}", ours::CbcEncryptor::<U32>::new(&key, &[0; 16].into())),
        "CbcEncryptor<Aes256> { .. }"
    );
    assert_eq!(format!("{:?}", ours::AesCtr::<U32>::new(&key, &[0; 16].into())), "AesCtr<Aes256> { .. }");
}
