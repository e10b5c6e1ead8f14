//! Importing a key: no bytes make it panic, and a key that is taken works.
//!
//! The same body as the fuzz target `import` (`fuzz/`), over damaged copies of keys of every kind and form.

use simaccel_device::{KeyAlgorithm, KeyArguments, PrivateKey, PublicKey, Session};

/// Everything that takes bytes from outside.
fn import(bytes: &[u8]) -> usize {
    let text = String::from_utf8_lossy(bytes);
    let private = [
        PrivateKey::from_pkcs8_der(bytes),
        PrivateKey::from_pkcs1_der(bytes),
        PrivateKey::from_sec1_der(bytes),
        PrivateKey::from_pem(&text),
    ];
    let public =
        [PublicKey::from_spki_der(bytes), PublicKey::from_pkcs1_der(bytes), PublicKey::from_pem(&text)];
    let raw = KeyAlgorithm::ALL.iter().filter_map(|&algorithm| PrivateKey::from_raw(algorithm, bytes).ok());
    let raw_public =
        KeyAlgorithm::ALL.iter().filter_map(|&algorithm| PublicKey::from_raw(algorithm, bytes).ok());
    let scalars =
        KeyAlgorithm::ALL.iter().filter_map(|&curve| PrivateKey::from_scalar(curve, bytes, Some(bytes)).ok());
    let private = private.into_iter().flatten().chain(raw).chain(scalars);
    let public = public.into_iter().flatten().chain(raw_public);
    let taken = private.map(|key| {
        assert!(key.bits() > 0);
        let again = PrivateKey::from_parts(key.algorithm(), &key.parts()).unwrap();
        assert_eq!(again.public_key(), key.public_key());
        drop(Session::private_key(&key));
    });
    let shared =
        public.map(|key| assert_eq!(PublicKey::from_parts(key.algorithm(), &key.parts()).unwrap(), key));
    taken.chain(shared).count()
}

/// Keys of every kind, as DER and as their standard's bytes.
fn keys() -> Vec<Vec<u8>> {
    let mut all: Vec<Vec<u8>> = vec![include_bytes!("rsa/1031.der").to_vec()];
    for &algorithm in
        KeyAlgorithm::ALL.iter().filter(|&&algorithm| algorithm.family() != simaccel_device::Family::Rsa)
    {
        let seed = vec![7; algorithm.seed_len()];
        let key = PrivateKey::generate(algorithm, &KeyArguments::random(&seed)).unwrap();
        all.extend(key.public_key().to_raw());
        all.extend(key.to_pkcs8_der().map(|der| der.to_vec()));
        all.extend(key.public_key().to_spki_der());
    }
    all
}

#[test]
fn no_damaged_key_makes_an_import_panic() {
    let mut taken = 0;
    for key in keys() {
        assert!(import(&key) > 0, "{}", hex::encode(&key));
        let step = 1 + key.len() / 60;
        for at in (0..key.len()).step_by(step).chain(0..key.len().min(24)) {
            let mut damaged = key.clone();
            damaged[at] ^= 1 << (at % 8);
            taken += import(&damaged);
            taken += import(&key[..at]);
            damaged[at] = 0xff;
            taken += import(&damaged);
        }
    }
    assert!(taken > 0, "some damage does not show");
    assert_eq!(import(&[]), 0);
}
