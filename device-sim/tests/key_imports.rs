//! Keys that are refused, each with its reason, and keys that nobody has made: no bytes are a panic.

use std::panic::{AssertUnwindSafe, catch_unwind};

use rand_chacha::ChaCha12Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use simaccel_device::{
    Allowed, EcdsaForm, KeyAlgorithm, KeyArguments, KeyError, KeyForm, KeyHash, KeyPart, Nonce, Operation,
    PrivateKey, PublicKey, Request, Session, SessionId, SignatureScheme, Status,
};

const CURVES: [KeyAlgorithm; 3] = [KeyAlgorithm::P256, KeyAlgorithm::P384, KeyAlgorithm::P521];
const ML_DSA: [KeyAlgorithm; 2] = [KeyAlgorithm::MlDsa44, KeyAlgorithm::MlDsa65];

/// One key of each algorithm but RSA.
fn key(algorithm: KeyAlgorithm) -> PrivateKey {
    let seed: Vec<u8> = (0..algorithm.seed_len()).map(|at| at.to_le_bytes()[0] ^ 0x3c).collect();
    PrivateKey::generate(algorithm, &KeyArguments::random(&seed)).unwrap()
}

fn others() -> impl Iterator<Item = KeyAlgorithm> {
    KeyAlgorithm::ALL
        .iter()
        .copied()
        .filter(|algorithm| algorithm.bits() > 0 && !algorithm.name().contains("rsa"))
}

/// The first one of the published vectors.
fn expanded(algorithm: KeyAlgorithm) -> Vec<u8> {
    let file = match algorithm {
        KeyAlgorithm::MlKem768 => include_str!("../../conformance/vectors/ml_kem_768.txt"),
        KeyAlgorithm::MlDsa44 => include_str!("../../conformance/vectors/ml_dsa_44.txt"),
        _ => include_str!("../../conformance/vectors/ml_dsa_65.txt"),
    };
    let line = file.lines().find_map(|line| line.strip_prefix("sk = ")).unwrap();
    hex::decode(line).unwrap()
}

#[test]
fn other_lengths_than_the_standards_are_refused() {
    for algorithm in others().filter(|algorithm| !CURVES.contains(algorithm)) {
        let length = |part, allowed, given| KeyError::Length { algorithm, part, allowed, given };
        let (public, private): (usize, &[usize]) = match algorithm {
            KeyAlgorithm::MlKem768 => (1184, &[64, 2400]),
            KeyAlgorithm::X25519MlKem768 => (1216, &[96, 2432]),
            KeyAlgorithm::MlDsa44 => (1312, &[32, 2560]),
            KeyAlgorithm::MlDsa65 => (1952, &[32, 4032]),
            _ => (32, &[32]),
        };
        let allowed = if private.len() == 1 { Allowed::Exactly(32) } else { Allowed::OneOf(private) };
        let near = |lens: &[usize]| lens.iter().flat_map(|&len| [0, 1, len - 1, len + 1]).collect::<Vec<_>>();
        for given in near(private) {
            let refused = PrivateKey::from_raw(algorithm, &vec![1; given]).unwrap_err();
            assert_eq!(refused.to_string(), length(KeyPart::Private, allowed, given).to_string());
            assert_eq!(refused, length(KeyPart::Private, allowed, given));
        }
        for given in near(&[public]) {
            let refused = PublicKey::from_raw(algorithm, &vec![1; given]).unwrap_err();
            assert_eq!(refused, length(KeyPart::Public, Allowed::Exactly(public), given));
        }
        assert_eq!(key(algorithm).public_key().to_raw().unwrap().len(), public, "{algorithm}");
    }
}

#[test]
fn scalars_are_from_1_to_below_the_order() {
    for algorithm in CURVES {
        let len = algorithm.secret_len();
        let scalar = |bytes: &[u8]| PrivateKey::from_scalar(algorithm, bytes, None).map(drop);
        let refused = Err(KeyError::Scalar(algorithm));
        for zeros in [0, 1, len, len + 1, 200] {
            assert_eq!(scalar(&vec![0; zeros]), refused, "{algorithm}, {zeros} zeros");
            assert_eq!(scalar(&[vec![0; zeros], vec![1]].concat()), Ok(()), "{algorithm}, {zeros} zeros");
        }
        assert_eq!(scalar(&vec![0xff; len]), refused, "{algorithm}");
        assert_eq!(scalar(&[vec![1], vec![0; len]].concat()), refused, "{algorithm}");
    }
}

#[test]
fn points_are_on_the_curve_and_not_at_infinity() {
    for algorithm in CURVES {
        let own = key(algorithm);
        let point = own.public_key().to_raw().unwrap();
        let other = PrivateKey::from_scalar(algorithm, &[9], None).unwrap().public_key().to_raw().unwrap();
        let refused = KeyError::Point(algorithm);
        let mut off = point.clone();
        *off.last_mut().unwrap() ^= 1;
        let (odd, len) = (point.last().unwrap() & 1, algorithm.secret_len());
        let with = |form, coordinates: &[u8]| [&[form], coordinates].concat();
        let wrong_hybrid = with(7 ^ odd, &point[1..]);
        for bad in [
            vec![],
            vec![0],
            vec![4],
            vec![6],
            off.clone(),
            point[..point.len() - 1].to_vec(),
            with(5, &point[1..]),
            wrong_hybrid,
            with(4, &vec![0; 2 * len]),
            with(4, &vec![0xff; 2 * len]),
            with(2, &vec![0xff; len]),
        ] {
            assert_eq!(PublicKey::from_raw(algorithm, &bad), Err(refused), "{algorithm}, {bad:02x?}");
            let imported = PrivateKey::from_scalar(algorithm, &[9], Some(&bad)).map(drop);
            assert_eq!(imported, Err(refused), "{algorithm}, {bad:02x?}");
            let session = Session::private_key(&own);
            let mut request = Request::new(SessionId::NONE, Operation::Derive, bad.clone());
            assert_eq!(session.execute(&mut request), Status::InvalidArgs, "{algorithm}, {bad:02x?}");
            assert_eq!(request.buffer, bad, "the input is untouched");
        }
        for form in [with(2 + odd, &point[1..=len]), with(6 + odd, &point[1..]), point.clone()] {
            assert_eq!(PublicKey::from_raw(algorithm, &form), Ok(own.public_key()), "{form:02x?}");
        }
        assert!(PrivateKey::from_scalar(algorithm, &[9], Some(&other)).is_ok());
        let mismatch = PrivateKey::from_scalar(algorithm, &[9], Some(&point)).map(drop);
        assert_eq!(mismatch, Err(KeyError::Mismatch), "{algorithm}");
    }
}

#[test]
fn expanded_keys_of_ml_kem_are_checked() {
    let algorithm = KeyAlgorithm::MlKem768;
    let whole = expanded(algorithm);
    let refused = |change: &dyn Fn(&mut [u8])| {
        let mut bytes = whole.clone();
        change(&mut bytes);
        PrivateKey::from_raw(algorithm, &bytes).unwrap_err()
    };
    assert!(PrivateKey::from_raw(algorithm, &whole).is_ok());
    let encoding = |part| KeyError::Encoding { algorithm, part };
    // A coefficient of `s`, the first and the last, is 4095.
    assert_eq!(refused(&|bytes| bytes[..2].fill(0xff)), encoding(KeyPart::Private));
    assert_eq!(refused(&|bytes| bytes[1150..1152].fill(0xff)), encoding(KeyPart::Private));
    // The public key does not have the hash; and a coefficient of it is 4095.
    assert_eq!(refused(&|bytes| bytes[2400 - 40] ^= 1), encoding(KeyPart::Private));
    assert_eq!(refused(&|bytes| bytes[2400 - 100] ^= 1), encoding(KeyPart::Private));
    assert_eq!(refused(&|bytes| bytes[1152..1154].fill(0xff)), encoding(KeyPart::Private));
    // The secret vector is another one, with all of the rest in order.
    let reversed = |bytes: &mut [u8]| bytes[..1152].copy_from_slice(&whole[1152..2304]);
    assert_eq!(refused(&reversed), KeyError::Mismatch);
    let mut public = whole[1152..2336].to_vec();
    assert!(PublicKey::from_raw(algorithm, &public).is_ok());
    public[..2].fill(0xff);
    assert_eq!(PublicKey::from_raw(algorithm, &public), Err(encoding(KeyPart::Public)));
    let hybrid = [whole, vec![1; 32]].concat();
    assert!(PrivateKey::from_raw(KeyAlgorithm::X25519MlKem768, &hybrid).is_ok());
}

#[test]
fn expanded_keys_of_ml_dsa_are_checked() {
    for algorithm in ML_DSA {
        let whole = expanded(algorithm);
        let refused = |change: &dyn Fn(&mut [u8])| {
            let mut bytes = whole.clone();
            change(&mut bytes);
            PrivateKey::from_raw(algorithm, &bytes).unwrap_err()
        };
        assert!(PrivateKey::from_raw(algorithm, &whole).is_ok());
        // Bits of a coefficient, and polynomials of both secret vectors.
        let (bits, secrets) = if algorithm == KeyAlgorithm::MlDsa44 { (3, 8) } else { (4, 11) };
        let end = 128 + secrets * 256 * bits / 8;
        let encoding = KeyError::Encoding { algorithm, part: KeyPart::Private };
        assert_eq!(refused(&|bytes| bytes[128] = 0xff), encoding);
        assert_eq!(refused(&|bytes| bytes[end - 1] = 0xff), encoding);
        // Coefficients of `s1` in range, but not those of the public key; `rho`; the hash of the public key.
        assert_eq!(refused(&|bytes| bytes[128..140].fill(0)), KeyError::Mismatch);
        assert_eq!(refused(&|bytes| bytes[0] ^= 1), KeyError::Mismatch);
        assert_eq!(refused(&|bytes| bytes[64] ^= 1), KeyError::Mismatch);
    }
}

/// Seed and expanded key in one file (RFC 9935, 6 and RFC 9881, 6) have to be the same key.
#[test]
fn a_seed_and_an_expanded_key_belong_together() {
    for (algorithm, names) in
        [(KeyAlgorithm::MlKem768, ["d = ", "z = "]), (KeyAlgorithm::MlDsa44, ["xi = ", "none"])]
    {
        let file = match algorithm {
            KeyAlgorithm::MlKem768 => include_str!("../../conformance/vectors/ml_kem_768.txt"),
            _ => include_str!("../../conformance/vectors/ml_dsa_44.txt"),
        };
        let value = |name| file.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_default();
        let seed = hex::decode(names.map(value).concat()).unwrap();
        let expanded = expanded(algorithm);
        let oid = if algorithm == KeyAlgorithm::MlKem768 { [4, 2] } else { [3, 17] };
        let oid = [&[0x30, 11, 6, 9, 0x60, 0x86, 0x48, 1, 0x65, 3, 4], &oid[..]].concat();
        let pkcs8 = |inner: &[u8]| der(0x30, &[&[2, 1, 0], &oid[..], &der(4, inner)].concat());
        let both = |seed: &[u8], expanded: &[u8]| der(0x30, &[der(4, seed), der(4, expanded)].concat());
        let expected = PrivateKey::from_raw(algorithm, &seed).unwrap().public_key();
        for inner in [der(0x80, &seed), der(4, &expanded), both(&seed, &expanded)] {
            let key = PrivateKey::from_pkcs8_der(&pkcs8(&inner)).unwrap();
            assert_eq!(key.public_key(), expected, "{algorithm}");
        }
        let mut other = seed.clone();
        other[5] ^= 1;
        let mismatch = PrivateKey::from_pkcs8_der(&pkcs8(&both(&other, &expanded))).map(drop);
        assert_eq!(mismatch, Err(KeyError::Mismatch), "{algorithm}");
        for inner in [vec![], vec![5, 0], der(0x81, &seed), der(0x30, &der(4, &seed)), seed.clone()] {
            let refused = PrivateKey::from_pkcs8_der(&pkcs8(&inner)).map(drop);
            assert_eq!(refused, Err(KeyError::Der(KeyForm::Pkcs8)), "{algorithm}, {inner:02x?}");
        }
    }
}

fn der(tag: u8, value: &[u8]) -> Vec<u8> {
    let [high, low] = u16::try_from(value.len()).unwrap().to_be_bytes();
    let header = match value.len() {
        0..0x80 => vec![tag, low],
        0x80..0x100 => vec![tag, 0x81, low],
        _ => vec![tag, 0x82, high, low],
    };
    [&header, value].concat()
}

/// Keys with some bytes changed, left out or added: whatever is taken can be used, too.
#[test]
fn no_bytes_are_a_panic() {
    let mut random = ChaCha12Rng::seed_from_u64(0x1b);
    for algorithm in others() {
        let own = key(algorithm);
        let parts: Vec<Vec<u8>> = [
            own.to_pkcs8_der().map(|der| der.to_vec()),
            own.public_key().to_spki_der(),
            own.public_key().to_raw(),
            matches!(algorithm.name(), "ml-kem-768" | "ml-dsa-44" | "ml-dsa-65").then(|| expanded(algorithm)),
            Some(Vec::new()),
        ]
        .into_iter()
        .flatten()
        .collect();
        let mut taken = 0;
        for number in 0..600 {
            let mut bytes = parts[number % parts.len()].clone();
            change(&mut bytes, &mut random);
            let tried = catch_unwind(AssertUnwindSafe(|| taken += usize::from(uses(algorithm, &bytes))));
            assert!(tried.is_ok(), "{algorithm}: {}", hex::encode(&bytes));
        }
        assert!(taken > 0, "{algorithm}: none was near enough to be one");
    }
}

fn change(bytes: &mut Vec<u8>, random: &mut ChaCha12Rng) {
    for _ in 0..=random.next_u32() % 3 {
        let at = random.next_u32() as usize % (bytes.len() + 1);
        let byte = random.next_u32().to_le_bytes()[0];
        match random.next_u32() % 8 {
            0 => bytes.insert(at, byte),
            1 if at < bytes.len() => drop(bytes.remove(at)),
            2 => bytes.truncate(at),
            3 if at < bytes.len() => bytes[at] = byte,
            _ if at < bytes.len() => bytes[at] ^= 1 << (byte % 8),
            _ => {}
        }
    }
}

/// Imports these bytes as everything that they may be, and runs all operations of what is taken.
fn uses(algorithm: KeyAlgorithm, bytes: &[u8]) -> bool {
    let private = [
        PrivateKey::from_pkcs8_der(bytes),
        PrivateKey::from_pkcs1_der(bytes),
        PrivateKey::from_sec1_der(bytes),
        PrivateKey::from_pem(&String::from_utf8_lossy(bytes)),
        PrivateKey::from_raw(algorithm, bytes),
        PrivateKey::from_scalar(algorithm, bytes, Some(bytes)),
        PrivateKey::from_generated(algorithm, bytes),
    ];
    let public = [
        PublicKey::from_spki_der(bytes),
        PublicKey::from_pkcs1_der(bytes),
        PublicKey::from_pem(&String::from_utf8_lossy(bytes)),
        PublicKey::from_raw(algorithm, bytes),
        PublicKey::from_rsa(bytes, bytes),
    ];
    let sessions: Vec<(KeyAlgorithm, Session)> = private
        .iter()
        .flatten()
        .map(|key| (key.algorithm(), Session::private_key(key)))
        .chain(public.iter().flatten().map(|key| (key.algorithm(), Session::public_key(key))))
        .collect();
    for (algorithm, session) in &sessions {
        for &operation in algorithm.operations() {
            for input in [&[7; 32][..], bytes] {
                let mut request = Request::new(SessionId::NONE, operation, input.to_vec());
                request.arguments = Some(Box::new(arguments(*algorithm, operation, bytes)));
                session.execute(&mut request);
            }
        }
    }
    !sessions.is_empty()
}

fn arguments(algorithm: KeyAlgorithm, operation: Operation, bytes: &[u8]) -> KeyArguments {
    let scheme = match algorithm {
        KeyAlgorithm::Ed25519 => SignatureScheme::Ed25519,
        KeyAlgorithm::MlDsa44 | KeyAlgorithm::MlDsa65 => {
            SignatureScheme::MlDsa { context: Vec::new(), hedged: false }
        }
        _ => SignatureScheme::Ecdsa { nonce: Nonce::Deterministic(KeyHash::Sha256), form: EcdsaForm::Der },
    };
    match operation {
        Operation::Sign => KeyArguments::sign(scheme, &[]),
        Operation::Verify => KeyArguments::verify(scheme, bytes),
        Operation::Encapsulate => KeyArguments::random(&vec![3; algorithm.encapsulation_len()]),
        _ => KeyArguments::random(bytes),
    }
}
