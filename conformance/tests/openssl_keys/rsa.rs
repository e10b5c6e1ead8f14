//! RSA, with keys of many sizes.

use std::ffi::OsString;

use simaccel::{Engine, Error};
use simaccel_device::{
    KeyAlgorithm, KeyArguments, KeyError, KeyHash, PrivateKey, PublicKey, RsaPadding, Salt, SignatureScheme,
};

use crate::command::Openssl;
use crate::key::{Both, text, theirs, written};
use crate::words;

/// Bits of OpenSSL's keys, such that are no multiple of 8 or 64 too, and their public exponents. From 2048
/// bits on only a small exponent gives an odd number of bits.
const KEYS: [(u32, u32); 8] = [
    (512, 65_537),
    (1023, 3),
    (1024, 65_537),
    (1031, 17),
    (2048, 65_537),
    (2049, 3),
    (3072, 65_537),
    (4096, 65_537),
];

const HASHES: [(KeyHash, &str); 6] = [
    (KeyHash::Sha1, "sha1"),
    (KeyHash::Sha224, "sha224"),
    (KeyHash::Sha256, "sha256"),
    (KeyHash::Sha384, "sha384"),
    (KeyHash::Sha512, "sha512"),
    (KeyHash::Sha3_256, "sha3-256"),
];

fn generated(openssl: &Openssl, bits: u32, exponent: u32) -> Both {
    let (bits, exponent) = (format!("rsa_keygen_bits:{bits}"), format!("rsa_keygen_pubexp:{exponent}"));
    let both = theirs(openssl, "theirs", &["-algorithm", "RSA", "-pkeyopt", &bits, "-pkeyopt", &exponent]);
    assert!(bits.ends_with(&format!(":{}", both.key.bits())), "{bits}");
    both
}

fn options(options: &[String]) -> impl Iterator<Item = OsString> {
    options.iter().flat_map(|option| ["-pkeyopt".into(), option.into()])
}

/// Bytes that look like a digest.
fn digest(len: usize) -> Vec<u8> {
    (0..len).map(|at| (at * 59 + 11).to_le_bytes()[0]).collect()
}

#[test]
fn signatures_of_each_side_are_taken_by_the_other() {
    let (openssl, engine) = (Openssl::system(), Engine::open(Default::default()).unwrap());
    for (bits, exponent) in KEYS {
        let both = generated(&openssl, bits, exponent);
        let bytes = bits.div_ceil(8) as usize;
        for (hash, name) in HASHES {
            let digest = digest(hash.digest_len());
            let named = format!("digest:{name}");
            // DigestInfo has at most 19 bytes before the digest, and padding 11.
            if bytes >= digest.len() + 30 {
                let scheme = SignatureScheme::Pkcs1v15 { hash: Some(hash) };
                assert_signatures(
                    &openssl,
                    &engine,
                    &both,
                    &scheme,
                    &digest,
                    std::slice::from_ref(&named),
                    true,
                );
            }
            for (salt, said) in [(0, "0"), (hash.digest_len(), "digest"), (7, "7")] {
                if (bits as usize - 1).div_ceil(8) < hash.digest_len() + salt + 2 {
                    continue;
                }
                let options =
                    [named.clone(), "rsa_padding_mode:pss".into(), format!("rsa_pss_saltlen:{said}")];
                let scheme = SignatureScheme::Pss { hash, mgf_hash: hash, salt: Salt::Len(salt) };
                assert_signatures(&openssl, &engine, &both, &scheme, &digest, &options, salt == 0);
            }
        }
        for len in [1, 36, bytes - 11] {
            let scheme = SignatureScheme::Pkcs1v15 { hash: None };
            assert_raw_signatures(&openssl, &engine, &both, &scheme, &digest(len), "-pkcs");
        }
        let number = [&[0], &digest(bytes - 1)[..]].concat();
        assert_raw_signatures(&openssl, &engine, &both, &SignatureScheme::RawRsa, &number, "-raw");
    }
}

/// Signatures of any bytes, for which there is another command.
#[track_caller]
fn assert_raw_signatures(
    openssl: &Openssl,
    engine: &Engine,
    both: &Both,
    scheme: &SignatureScheme,
    input: &[u8],
    padding: &str,
) {
    let about = format!("{} bits, {scheme:?}, {} bytes", both.key.bits(), input.len());
    let file = openssl.file("input", input);
    let mut signature =
        openssl.output(words!["rsautl", "-sign", padding, "-inkey", both.private, "-in", file]);
    assert_eq!(engine.private_key(&both.key).unwrap().sign(scheme, input).unwrap(), signature, "{about}");
    let public = engine.public_key(&both.key.public_key()).unwrap();
    assert_eq!(public.verify(scheme, input, &signature), Ok(()), "{about}");
    *signature.last_mut().unwrap() ^= 1;
    assert_eq!(public.verify(scheme, input, &signature), Err(Error::AuthFailed), "{about}");
}

/// `same`: the signatures have nothing that is random.
#[track_caller]
fn assert_signatures(
    openssl: &Openssl,
    engine: &Engine,
    both: &Both,
    scheme: &SignatureScheme,
    digest: &[u8],
    given: &[String],
    same: bool,
) {
    let about = format!("{} bits, {scheme:?}, {} bytes", both.key.bits(), digest.len());
    let private = engine.private_key(&both.key).unwrap();
    let public = engine.public_key(&both.key.public_key()).unwrap();
    let input = openssl.file("digest", digest);
    let options: Vec<&str> = given.iter().flat_map(|option| ["-pkeyopt", option]).collect();
    let verifies = |signature: &[u8]| openssl.takes(&both.public, &input, signature, &options);
    let mut signature = openssl.signed(&both.private, &input, &options);
    let mut signed = private.sign(scheme, digest).unwrap_or_else(|error| panic!("{about}: {error}"));
    assert_eq!(signed == signature, same, "{about}");
    assert_eq!(public.verify(scheme, digest, &signature), Ok(()), "{about}");
    *signature.last_mut().unwrap() ^= 1;
    assert_eq!(public.verify(scheme, digest, &signature), Err(Error::AuthFailed), "{about}");
    assert!(verifies(&signed), "{about}");
    *signed.last_mut().unwrap() ^= 1;
    assert!(!verifies(&signed), "{about}");
}

/// Different hash functions for message and mask; a salt as long as fits, and of any length.
#[test]
fn other_forms_of_pss_agree() {
    let (openssl, engine) = (Openssl::system(), Engine::open(Default::default()).unwrap());
    let both = generated(&openssl, 2048, 65_537);
    let digest = digest(32);
    let options = |salt: &str| {
        ["digest:sha256", "rsa_padding_mode:pss", "rsa_mgf1_md:sha512", &format!("rsa_pss_saltlen:{salt}")]
            .map(str::to_owned)
    };
    let scheme = |salt| SignatureScheme::Pss { hash: KeyHash::Sha256, mgf_hash: KeyHash::Sha512, salt };
    assert_signatures(&openssl, &engine, &both, &scheme(Salt::Len(20)), &digest, &options("20"), false);
    assert_signatures(&openssl, &engine, &both, &scheme(Salt::Any), &digest, &options("auto"), false);
    assert_signatures(&openssl, &engine, &both, &scheme(Salt::Any), &digest, &options("max"), false);
}

#[test]
fn what_one_side_encrypts_the_other_decrypts() {
    let (openssl, engine) = (Openssl::system(), Engine::open(Default::default()).unwrap());
    for (bits, exponent) in KEYS {
        let both = generated(&openssl, bits, exponent);
        let bytes = bits.div_ceil(8) as usize;
        let pkcs1 = RsaPadding::Pkcs1 { implicit_rejection: false };
        for len in [0, 1, 48, bytes - 11] {
            assert_decrypts(
                &openssl,
                &engine,
                &both,
                &pkcs1,
                &digest(len),
                &["rsa_padding_mode:pkcs1".into()],
            );
        }
        let number = [&[0], &digest(bytes - 1)[..]].concat();
        assert_decrypts(
            &openssl,
            &engine,
            &both,
            &RsaPadding::None,
            &number,
            &["rsa_padding_mode:none".into()],
        );
        for ((hash, name), (mgf_hash, mgf_name)) in HASHES.into_iter().zip(HASHES.into_iter().rev()) {
            let Some(most) = bytes.checked_sub(2 * hash.digest_len() + 2) else { continue };
            for (label, len) in [("", most), ("6c6162656c", most / 2), ("00", 0)] {
                let mut options = vec![
                    "rsa_padding_mode:oaep".into(),
                    format!("rsa_oaep_md:{name}"),
                    format!("rsa_mgf1_md:{mgf_name}"),
                ];
                if !label.is_empty() {
                    options.push(format!("rsa_oaep_label:{label}"));
                }
                let padding = RsaPadding::Oaep { hash, mgf_hash, label: hex::decode(label).unwrap() };
                assert_decrypts(&openssl, &engine, &both, &padding, &digest(len), &options);
            }
        }
    }
}

#[track_caller]
fn assert_decrypts(
    openssl: &Openssl,
    engine: &Engine,
    both: &Both,
    padding: &RsaPadding,
    plaintext: &[u8],
    given: &[String],
) {
    let about = format!("{} bits, {padding:?}, {} bytes", both.key.bits(), plaintext.len());
    let input = openssl.file("plaintext", plaintext);
    let start = words!["pkeyutl", "-encrypt", "-pubin", "-inkey", both.public, "-in", input];
    let ciphertext = openssl.output(start.into_iter().chain(options(given)));
    let private = engine.private_key(&both.key).unwrap();
    assert_eq!(*private.decrypt(padding, &ciphertext).unwrap(), plaintext, "{about}");
    let public = engine.public_key(&both.key.public_key()).unwrap();
    let ciphertext = public.encrypt(padding, plaintext).unwrap_or_else(|error| panic!("{about}: {error}"));
    let input = openssl.file("ciphertext", ciphertext);
    let start = words!["pkeyutl", "-decrypt", "-inkey", both.private, "-in", input];
    assert_eq!(openssl.output(start.into_iter().chain(options(given))), plaintext, "{about}");
}

/// OpenSSL checks that the primes are primes and that all numbers belong together.
#[test]
fn openssl_takes_our_keys() {
    let (openssl, engine) = (Openssl::system(), Engine::open(Default::default()).unwrap());
    for algorithm in [KeyAlgorithm::Rsa2048, KeyAlgorithm::Rsa3072, KeyAlgorithm::Rsa4096] {
        let key = engine.generate_key(algorithm).unwrap();
        assert_taken(&openssl, key, algorithm.bits());
    }
    for (bits, exponent) in [(1024_u32, 3), (1031, 65_537), (2050, 17)] {
        let arguments = KeyArguments::random(&[bits.to_le_bytes()[0]; 32]).with_modulus(bits, exponent);
        let key = engine.key_generator(KeyAlgorithm::Rsa).unwrap().generate_with(arguments).unwrap();
        assert_taken(&openssl, key, bits);
    }
}

#[track_caller]
fn assert_taken(openssl: &Openssl, key: PrivateKey, bits: u32) {
    assert_eq!(key.bits(), bits);
    let both = written(openssl, "ours", key);
    let said = openssl.output(words!["rsa", "-in", both.private, "-check", "-noout"]);
    assert_eq!(text(&said).trim(), "RSA key ok", "{bits} bits");
}

/// PKCS#1 in PEM and DER; keys for PSS only.
#[test]
fn every_form_of_a_key_is_imported() {
    let openssl = Openssl::system();
    let both = generated(&openssl, 2048, 65_537);
    let expected = both.key.public_key();
    let pem = openssl.output(words!["pkey", "-in", both.private, "-traditional"]);
    assert!(text(&pem).contains("RSA PRIVATE KEY"), "{}", text(&pem));
    assert_eq!(PrivateKey::from_pem(text(&pem)).unwrap().public_key(), expected);
    let der = openssl.output(words!["rsa", "-in", both.private, "-outform", "DER", "-traditional"]);
    assert_eq!(PrivateKey::from_pkcs1_der(&der).unwrap().public_key(), expected);
    let pem = openssl.output(words!["rsa", "-in", both.private, "-RSAPublicKey_out"]);
    assert_eq!(PublicKey::from_pem(text(&pem)), Ok(expected.clone()));
    let der = openssl.output(words!["rsa", "-in", both.private, "-RSAPublicKey_out", "-outform", "DER"]);
    assert_eq!(PublicKey::from_pkcs1_der(&der), Ok(expected));
    theirs(&openssl, "pss", &["-algorithm", "RSA-PSS", "-pkeyopt", "rsa_keygen_bits:2048"]);
    theirs(
        &openssl,
        "pss",
        &[
            "-algorithm",
            "RSA-PSS",
            "-pkeyopt",
            "rsa_pss_keygen_md:sha256",
            "-pkeyopt",
            "rsa_pss_keygen_saltlen:32",
        ],
    );
}

#[test]
fn keys_of_three_primes_are_refused() {
    let pem =
        Openssl::system().output(words!["genpkey", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_primes:3"]);
    assert_eq!(PrivateKey::from_pem(text(&pem)).map(drop), Err(KeyError::MorePrimes));
}

/// What is made up in the place of a plaintext is the same (draft-irtf-cfrg-rsa-guidance), for ciphertexts by
/// chance and for such with too short a padding.
#[test]
#[ignore = "needs OpenSSL 3.5"]
fn implicit_rejection_gives_the_same_bytes() {
    let (openssl, engine) = (Openssl::next(), Engine::open(Default::default()).unwrap());
    let padding = RsaPadding::Pkcs1 { implicit_rejection: true };
    for (bits, exponent) in KEYS {
        let both = generated(&openssl, bits, exponent);
        let bytes = bits.div_ceil(8) as usize;
        let session = engine.private_key(&both.key).unwrap();
        for number in 0..16_u8 {
            let bytes: Vec<u8> = digest(bytes).iter().map(|byte| byte.wrapping_add(number)).collect();
            // Every second one is by chance, the others have padding that ends at once, or not at all.
            let ciphertext = if number % 2 == 0 {
                [&[0], &bytes[1..]].concat()
            } else {
                let ones: Vec<u8> = bytes[3..].iter().map(|byte| byte | 1).collect();
                let padded = [&[0, 2, number % 4 - 1], &ones[..]].concat();
                session.encrypt(&RsaPadding::None, &padded).unwrap()
            };
            if number % 2 == 1 {
                let refusing = RsaPadding::Pkcs1 { implicit_rejection: false };
                let refused = session.decrypt(&refusing, &ciphertext);
                assert_eq!(refused, Err(Error::AuthFailed), "{bits} bits, {number}");
            }
            let input = openssl.file("ciphertext", &ciphertext);
            let expected =
                openssl.output(words!["pkeyutl", "-decrypt", "-inkey", both.private, "-in", input]);
            assert_eq!(*session.decrypt(&padding, &ciphertext).unwrap(), expected, "{bits} bits, {number}");
        }
    }
}
