//! RSA beside the `openssl` command: keys of every size, every scheme and padding, both ways.
//!
//! ```text
//!   openssl genpkey ─► key.pem ─┬─► PrivateKey ─► sign, decrypt ─► openssl verifies, has encrypted
//!                               └─► openssl ─► signs, decrypts ─► we verify, have encrypted
//! ```

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use simaccel_device::{
    Hash, KeyAlgorithm, KeyArguments, KeyError, KeyHash, KeyPart, Operation, PrivateKey, PrivateParts,
    PublicKey, Request, RsaNumbers, RsaPadding, Salt, Session, SessionId, SignatureScheme, Status,
};

/// A folder of this test, with a key in it.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str, bits: u32) -> Self {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("rsa-{name}-{bits}"));
        fs::create_dir_all(&folder).unwrap();
        let folder = Self(folder);
        let size = format!("rsa_keygen_bits:{bits}");
        folder.openssl(&["genpkey", "-algorithm", "RSA", "-pkeyopt", &size, "-out", "key.pem"]);
        folder.openssl(&["pkey", "-in", "key.pem", "-pubout", "-out", "public.pem"]);
        folder
    }

    fn openssl(&self, args: &[&str]) -> bool {
        let output = Command::new("openssl").args(args).current_dir(&self.0).output();
        let output = output.unwrap_or_else(|error| {
            panic!("this test compares with the `openssl` command line, which cannot be run ({error})")
        });
        if !output.status.success() && args[0] == "genpkey" {
            panic!("openssl {args:?}: {}", String::from_utf8_lossy(&output.stderr));
        }
        output.status.success()
    }

    fn write(&self, name: &str, bytes: &[u8]) {
        fs::write(self.0.join(name), bytes).unwrap();
    }

    fn read(&self, name: &str) -> Vec<u8> {
        fs::read(self.0.join(name)).unwrap()
    }

    fn private(&self) -> PrivateKey {
        PrivateKey::from_pem(&String::from_utf8(self.read("key.pem")).unwrap()).unwrap()
    }

    fn public(&self) -> PublicKey {
        PublicKey::from_pem(&String::from_utf8(self.read("public.pem")).unwrap()).unwrap()
    }
}

fn run(
    session: &Session,
    operation: Operation,
    arguments: KeyArguments,
    input: &[u8],
) -> Result<Vec<u8>, Status> {
    let mut request = Request::new(SessionId::NONE, operation, input.to_vec());
    request.arguments = Some(Box::new(arguments));
    match session.execute(&mut request) {
        Status::Ok => Ok(request.buffer),
        status => Err(status),
    }
}

const HASHES: [KeyHash; 6] = [
    KeyHash::Sha1,
    KeyHash::Sha256,
    KeyHash::Sha384,
    KeyHash::Sha512,
    KeyHash::Sha512_256,
    KeyHash::Sha3_256,
];

fn digest(hash: KeyHash) -> Vec<u8> {
    (0..hash.digest_len()).map(|at| at.to_le_bytes()[0] ^ 0x5a).collect()
}

/// Signs and verifies, against openssl with these options.
fn agree(folder: &Folder, scheme: &SignatureScheme, digest: &[u8], options: &[&str]) {
    let (private, public) = (Session::private_key(&folder.private()), Session::public_key(&folder.public()));
    folder.write("digest", digest);
    let options: Vec<&str> = options.iter().flat_map(|option| ["-pkeyopt", option]).collect();
    let signature = run(&private, Operation::Sign, KeyArguments::sign(scheme.clone(), &[9; 32]), digest);
    let command =
        [&["pkeyutl", "-sign", "-inkey", "key.pem", "-in", "digest", "-out", "theirs"][..], &options]
            .concat();
    let is_signed = folder.openssl(&command);
    assert_eq!(signature.is_ok(), is_signed, "{scheme:?}");
    let Ok(signature) = signature else { return };
    folder.write("ours", &signature);
    let verify = [
        &["pkeyutl", "-verify", "-pubin", "-inkey", "public.pem", "-in", "digest", "-sigfile", "ours"][..],
        &options,
    ]
    .concat();
    assert!(folder.openssl(&verify), "{scheme:?}");
    let theirs = folder.read("theirs");
    let verified = |signature: &[u8], digest: &[u8]| {
        run(&public, Operation::Verify, KeyArguments::verify(scheme.clone(), signature), digest)
    };
    assert_eq!(verified(&theirs, digest), Ok(digest.to_vec()), "{scheme:?}");
    assert_eq!(verified(&signature, digest), Ok(digest.to_vec()), "{scheme:?}");
    let mut other = digest.to_vec();
    other[0] ^= 1;
    assert_eq!(verified(&theirs, &other), Err(Status::AuthFailed));
    let mut bent = theirs.clone();
    *bent.last_mut().unwrap() ^= 1;
    assert_eq!(verified(&bent, digest), Err(Status::AuthFailed));
    assert_eq!(verified(&theirs[1..], digest), Err(Status::AuthFailed));
}

const SIZES: [u32; 8] = [512, 768, 1023, 1024, 1031, 2048, 3072, 4096];

#[test]
fn signatures_agree() {
    for bits in SIZES {
        let folder = Folder::new("sign", bits);
        for hash in HASHES {
            let digest = digest(hash);
            let name = format!("digest:{}", hash.name());
            let scheme = SignatureScheme::Pkcs1v15 { hash: Some(hash) };
            agree(&folder, &scheme, &digest, &["rsa_padding_mode:pkcs1", &name]);
            for salt in [0, 7, hash.digest_len()] {
                let scheme = SignatureScheme::Pss { hash, mgf_hash: hash, salt: Salt::Len(salt) };
                let len = format!("rsa_pss_saltlen:{salt}");
                agree(&folder, &scheme, &digest, &["rsa_padding_mode:pss", &name, &len]);
            }
        }
        let mixed = SignatureScheme::Pss { hash: KeyHash::Sha256, mgf_hash: KeyHash::Sha1, salt: Salt::Any };
        let options = ["rsa_padding_mode:pss", "digest:sha256", "rsa_mgf1_md:sha1", "rsa_pss_saltlen:max"];
        agree(&folder, &mixed, &digest(KeyHash::Sha256), &options);
        let bare = SignatureScheme::Pkcs1v15 { hash: None };
        agree(&folder, &bare, &[3; 36], &["rsa_padding_mode:pkcs1"]);
        raw(&folder, bits.div_ceil(8) as usize);
    }
}

/// Without padding, signing is what decrypting is; the command signs nothing that is longer than a digest.
fn raw(folder: &Folder, size: usize) {
    let (private, public) = (Session::private_key(&folder.private()), Session::public_key(&folder.public()));
    let text = [&[0][..], &vec![5; size - 1]].concat();
    folder.write("text", &text);
    let scheme = SignatureScheme::RawRsa;
    let signature =
        run(&private, Operation::Sign, KeyArguments::sign(scheme.clone(), &[9; 32]), &text).unwrap();
    let none = ["-pkeyopt", "rsa_padding_mode:none"];
    let decrypt = ["pkeyutl", "-decrypt", "-inkey", "key.pem", "-in", "text", "-out", "theirs"];
    assert!(folder.openssl(&[&decrypt[..], &none].concat()));
    assert_eq!(folder.read("theirs"), signature);
    let verify = KeyArguments::verify(scheme.clone(), &signature);
    assert_eq!(run(&public, Operation::Verify, verify, &text), Ok(text.clone()));
    let verify = KeyArguments::verify(scheme.clone(), &text);
    assert_eq!(run(&public, Operation::Verify, verify, &text), Err(Status::AuthFailed));
    for unfit in [&text[1..], &vec![0xff; size]] {
        let sign = KeyArguments::sign(scheme.clone(), &[9; 32]);
        assert_eq!(run(&private, Operation::Sign, sign, unfit), Err(Status::InvalidArgs));
    }
}

fn encrypts(folder: &Folder, padding: &RsaPadding, text: &[u8], options: &[&str]) {
    let (private, public) = (Session::private_key(&folder.private()), Session::public_key(&folder.public()));
    let options: Vec<&str> = options.iter().flat_map(|option| ["-pkeyopt", option]).collect();
    folder.write("text", text);
    let arguments = || KeyArguments::padded(padding.clone(), &[7; 32]);
    let ours = run(&public, Operation::Encrypt, arguments(), text);
    let encrypt = [
        &["pkeyutl", "-encrypt", "-pubin", "-inkey", "public.pem", "-in", "text", "-out", "theirs"][..],
        &options,
    ];
    assert_eq!(ours.is_ok(), folder.openssl(&encrypt.concat()), "{padding:?} {}", text.len());
    let Ok(ours) = ours else { return };
    assert_eq!(run(&private, Operation::Decrypt, arguments(), &folder.read("theirs")).unwrap(), text);
    folder.write("ours", &ours);
    let decrypt =
        [&["pkeyutl", "-decrypt", "-inkey", "key.pem", "-in", "ours", "-out", "back"][..], &options];
    assert!(folder.openssl(&decrypt.concat()), "{padding:?} {}", text.len());
    assert_eq!(folder.read("back"), text);
}

#[test]
fn encryption_agrees() {
    for bits in SIZES {
        let folder = Folder::new("encrypt", bits);
        let size = bits.div_ceil(8) as usize;
        for len in [0, 1, 20, size - 11, size - 10] {
            for implicit_rejection in [false, true] {
                let padding = RsaPadding::Pkcs1 { implicit_rejection };
                encrypts(&folder, &padding, &vec![6; len], &["rsa_padding_mode:pkcs1"]);
            }
        }
        for (hash, mgf_hash) in [
            (KeyHash::Sha1, KeyHash::Sha1),
            (KeyHash::Sha256, KeyHash::Sha256),
            (KeyHash::Sha512, KeyHash::Sha1),
        ] {
            for label in [vec![], vec![0xab; 5]] {
                let most = size.saturating_sub(2 * hash.digest_len() + 2);
                for len in [0, most / 2, most, most + 1] {
                    let mut options = vec![
                        "rsa_padding_mode:oaep".to_owned(),
                        format!("rsa_oaep_md:{hash}"),
                        format!("rsa_mgf1_md:{mgf_hash}"),
                    ];
                    if !label.is_empty() {
                        options.push(format!("rsa_oaep_label:{}", hex::encode(&label)));
                    }
                    let options: Vec<&str> = options.iter().map(String::as_str).collect();
                    let padding = RsaPadding::Oaep { hash, mgf_hash, label: label.clone() };
                    encrypts(&folder, &padding, &vec![8; len], &options);
                }
            }
        }
        let raw = [&[0][..], &vec![1; size - 1]].concat();
        encrypts(&folder, &RsaPadding::None, &raw, &["rsa_padding_mode:none"]);
    }
}

fn numbers(key: &PrivateKey) -> RsaNumbers {
    match key.parts() {
        PrivateParts::Rsa(numbers) => numbers,
        parts => panic!("{parts:?}"),
    }
}

#[test]
fn numbers_are_computed_where_they_are_not_given() {
    for exponent in ["3", "65537"] {
        let folder = Folder::new(exponent, 1024);
        let option = format!("rsa_keygen_pubexp:{exponent}");
        folder.openssl(&[
            "genpkey",
            "-algorithm",
            "RSA",
            "-pkeyopt",
            "rsa_keygen_bits:1024",
            "-pkeyopt",
            &option,
            "-out",
            "key.pem",
        ]);
        let key = folder.private();
        let all = numbers(&key);
        let bare = RsaNumbers::new(&all.n, &all.e, &all.d);
        let from_d = PrivateKey::from_rsa_numbers(&bare).unwrap();
        let mut primes = [numbers(&from_d).p.to_vec(), numbers(&from_d).q.to_vec()];
        primes.sort();
        let mut expected = [all.p.to_vec(), all.q.to_vec()];
        expected.sort();
        assert_eq!(primes, expected);
        let from_primes = RsaNumbers::new(&all.n, &all.e, &[]).with_primes(&all.p, &all.q);
        let from_primes = numbers(&PrivateKey::from_rsa_numbers(&from_primes).unwrap());
        assert_eq!((from_primes.dp, from_primes.qinv), (all.dp.clone(), all.qinv.clone()));
        let whole = bare.with_primes(&all.p, &all.q).with_crt(&all.dp, &all.dq, &all.qinv);
        assert_eq!(numbers(&PrivateKey::from_rsa_numbers(&whole).unwrap()).d, all.d);
        assert_eq!(PrivateKey::from_rsa_numbers(&whole).unwrap().public_key(), key.public_key());
    }
}

#[test]
fn numbers_that_do_not_fit_are_refused_with_the_reason() {
    let all = numbers(&Folder::new("refused", 1024).private());
    let refused = |change: &dyn Fn(&mut RsaNumbers)| {
        let mut numbers = all.clone();
        change(&mut numbers);
        PrivateKey::from_rsa_numbers(&numbers).unwrap_err()
    };
    let last = |bytes: &mut [u8]| *bytes.last_mut().unwrap() ^= 2;
    assert_eq!(refused(&|key| *key.n.last_mut().unwrap() ^= 1), KeyError::ModulusEven);
    assert_eq!(refused(&|key| key.n.truncate(60)), KeyError::ModulusBits { bits: 480 });
    assert_eq!(refused(&|key| last(&mut key.n)), KeyError::Primes);
    assert_eq!(refused(&|key| key.e = vec![4]), KeyError::PublicExponent);
    assert_eq!(refused(&|key| key.e = vec![1]), KeyError::PublicExponent);
    assert_eq!(refused(&|key| key.e = vec![]), KeyError::PublicExponent);
    assert_eq!(refused(&|key| key.e = vec![3; 33]), KeyError::PublicExponent);
    assert_eq!(refused(&|key| key.e = vec![5]), KeyError::PrivateExponent);
    assert_eq!(refused(&|key| last(&mut key.d)), KeyError::PrivateExponent);
    assert_eq!(refused(&|key| key.d.insert(0, 1)), KeyError::PrivateExponent);
    assert_eq!(refused(&|key| key.p.clear()), KeyError::OnePrime);
    assert_eq!(refused(&|key| last(&mut key.q)), KeyError::Primes);
    assert_eq!(refused(&|key| key.q.insert(0, 1)), KeyError::Primes);
    assert_eq!(refused(&|key| last(&mut key.dp)), KeyError::Crt(KeyPart::Dp));
    assert_eq!(refused(&|key| last(&mut key.dq)), KeyError::Crt(KeyPart::Dq));
    assert_eq!(refused(&|key| last(&mut key.qinv)), KeyError::Crt(KeyPart::Qinv));
    let without_primes = |d: &[u8]| PrivateKey::from_rsa_numbers(&RsaNumbers::new(&all.n, &all.e, d));
    assert_eq!(without_primes(&[]).unwrap_err(), KeyError::PrivateExponent);
    assert_eq!(without_primes(&[7]).unwrap_err(), KeyError::PrivateExponent);
    let mut bent = all.d.clone();
    last(&mut bent);
    assert_eq!(without_primes(&bent).unwrap_err(), KeyError::PrivateExponent);
    assert_eq!(PublicKey::from_rsa(&[0x80; 64], &[3]).unwrap_err(), KeyError::ModulusEven);
}

#[test]
fn a_generated_key_works_and_follows_from_its_seed() {
    for (algorithm, bits) in
        [(KeyAlgorithm::Rsa, 512), (KeyAlgorithm::Rsa, 1025), (KeyAlgorithm::Rsa2048, 2048)]
    {
        let arguments = |seed| KeyArguments::random(&[seed; 32]).with_modulus(bits, 0);
        let session = Session::key_generator(algorithm);
        let bytes = run(&session, Operation::Generate, arguments(1), &[]).unwrap();
        let key = PrivateKey::from_generated(algorithm, &bytes).unwrap();
        assert_eq!((key.bits(), key.algorithm()), (bits, algorithm));
        assert_eq!(key.public_key(), PrivateKey::generate(algorithm, &arguments(1)).unwrap().public_key());
        assert_ne!(key.public_key(), PrivateKey::generate(algorithm, &arguments(2)).unwrap().public_key());
        let folder = Folder::new("generated", bits);
        folder.write("key.der", &bytes);
        assert!(folder.openssl(&["pkey", "-inform", "DER", "-in", "key.der", "-check", "-noout"]));
    }
    for (bits, exponent) in [(511, 0), (16_385, 0), (1024, 2), (1024, 1)] {
        let arguments = KeyArguments::random(&[1; 32]).with_modulus(bits, exponent);
        assert!(PrivateKey::generate(KeyAlgorithm::Rsa, &arguments).is_err());
    }
}

/// SHA-256 over the plaintexts of sixty ciphertexts that decrypt to no padding, each behind its length (two
/// bytes), as `openssl pkeyutl -decrypt` of OpenSSL 3.5.9 gives them with these keys.
const MADE_UP: [(&[u8], &str); 3] = [
    (include_bytes!("rsa/1024.der"), "58e7e1ba40e606462202355e435787c0996b5866aa4bba66154d49b93f48bd58"),
    (include_bytes!("rsa/1031.der"), "13a3fb9513f23db781fc570212df9f04da54656b619ecf4614eb3ce76e144bea"),
    (include_bytes!("rsa/2048.der"), "f04708d2c030ed997187895a4b0d4508d95bd26639d7a80c90071ca684695c34"),
];

#[test]
fn wrong_padding_gives_the_plaintext_that_openssl_makes_up() {
    for (der, expected) in MADE_UP {
        let key = PrivateKey::from_pkcs1_der(der).unwrap();
        let session = Session::private_key(&key);
        let size = key.bits().div_ceil(8);
        let mut texts = Vec::new();
        for number in 0..60_u32 {
            let byte = |at: u32| (number * 131 + at * (at + 7) * (number + 1)).to_le_bytes()[0];
            let ciphertext: Vec<u8> = (0..size).map(|at| if at == 0 { 0 } else { byte(at) }).collect();
            let padded = |implicit_rejection, seed| {
                let arguments = KeyArguments::padded(RsaPadding::Pkcs1 { implicit_rejection }, &[seed; 32]);
                run(&session, Operation::Decrypt, arguments, &ciphertext)
            };
            let text = padded(true, 1).unwrap();
            assert_eq!(padded(true, 2).unwrap(), text, "whatever blinds it");
            assert_eq!(padded(false, 1), Err(Status::AuthFailed));
            let premaster = RsaPadding::TlsPremaster { client_version: 0x303, alt_version: None };
            let random = vec![number.to_le_bytes()[0]; 48];
            let premaster = KeyArguments::padded(premaster, &random);
            assert_eq!(run(&session, Operation::Decrypt, premaster, &ciphertext), Ok(random));
            texts.extend(u16::try_from(text.len()).unwrap().to_be_bytes());
            texts.extend(text);
        }
        let mut request = Request::new(SessionId::NONE, Operation::Digest, texts);
        assert_eq!(Session::hash(Hash::Sha256).unwrap().execute(&mut request), Status::Ok);
        assert_eq!(hex::encode(request.tag.as_bytes()), expected);
    }
}

#[test]
fn a_premaster_secret_is_right_in_every_byte_or_replaced() {
    let key = PrivateKey::from_pkcs1_der(include_bytes!("rsa/1024.der")).unwrap();
    let session = Session::private_key(&key);
    let encrypted = |text: &[u8]| {
        let padding = RsaPadding::Pkcs1 { implicit_rejection: true };
        run(&session, Operation::Encrypt, KeyArguments::padded(padding, &[4; 32]), text).unwrap()
    };
    let opened = |text: &[u8], client_version, alt_version| {
        let padding = RsaPadding::TlsPremaster { client_version, alt_version };
        let arguments = KeyArguments::padded(padding, &[0xee; 48]);
        run(&session, Operation::Decrypt, arguments, &encrypted(text)).unwrap()
    };
    let secret: Vec<u8> = [&[3, 3][..], &[7; 46]].concat();
    assert_eq!(opened(&secret, 0x303, None), secret);
    assert_eq!(opened(&secret, 0x304, Some(0x303)), secret);
    let replaced = vec![0xee; 48];
    assert_eq!(opened(&secret, 0x304, None), replaced, "another version");
    assert_eq!(opened(&secret[..47], 0x303, None), replaced, "too short");
    assert_eq!(opened(&[&secret[..], &[7]].concat(), 0x303, None), replaced, "too long");
    assert_eq!(opened(&[], 0x303, None), replaced);
    let short =
        KeyArguments::padded(RsaPadding::TlsPremaster { client_version: 3, alt_version: None }, &[1; 32]);
    assert_eq!(run(&session, Operation::Decrypt, short, &encrypted(&secret)), Err(Status::InvalidArgs));
}

/// The first byte of an OAEP block is 0 (RFC 8017, 7.1.2, 3g).
#[test]
fn a_block_whose_first_byte_is_not_zero_is_refused() {
    let key = PrivateKey::from_pkcs1_der(include_bytes!("rsa/1031.der")).unwrap();
    let session = Session::private_key(&key);
    let oaep = RsaPadding::Oaep { hash: KeyHash::Sha1, mgf_hash: KeyHash::Sha1, label: vec![] };
    let decrypt = |ciphertext: &[u8]| {
        run(&session, Operation::Decrypt, KeyArguments::padded(oaep.clone(), &[1; 32]), ciphertext)
    };
    let ciphertext =
        run(&session, Operation::Encrypt, KeyArguments::padded(oaep.clone(), &[2; 32]), b"x").unwrap();
    assert_eq!(decrypt(&ciphertext).unwrap(), b"x");
    let raw = |operation, text: &[u8]| {
        run(&session, operation, KeyArguments::padded(RsaPadding::None, &[3; 32]), text).unwrap()
    };
    let mut block = raw(Operation::Decrypt, &ciphertext);
    assert_eq!(block[0], 0);
    block[0] = 1;
    assert_eq!(decrypt(&raw(Operation::Encrypt, &block)), Err(Status::AuthFailed));
}
