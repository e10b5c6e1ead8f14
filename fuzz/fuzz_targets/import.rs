//! Importing a key: no bytes make it panic. `device-sim/tests/import.rs` runs the same over damaged keys.
#![no_main]

use libfuzzer_sys::fuzz_target;
use simaccel_device::{KeyAlgorithm, PrivateKey, PublicKey};

fuzz_target!(|bytes: &[u8]| {
    let text = String::from_utf8_lossy(bytes);
    let private = [
        PrivateKey::from_pkcs8_der(bytes),
        PrivateKey::from_pkcs1_der(bytes),
        PrivateKey::from_sec1_der(bytes),
        PrivateKey::from_pem(&text),
    ];
    let raw = KeyAlgorithm::ALL.iter().filter_map(|&algorithm| PrivateKey::from_raw(algorithm, bytes).ok());
    for key in private.into_iter().flatten().chain(raw) {
        let again = PrivateKey::from_parts(key.algorithm(), &key.parts()).expect("what was taken is taken again");
        assert_eq!(again.public_key(), key.public_key());
    }
    let public = [PublicKey::from_spki_der(bytes), PublicKey::from_pkcs1_der(bytes), PublicKey::from_pem(&text)];
    let raw = KeyAlgorithm::ALL.iter().filter_map(|&algorithm| PublicKey::from_raw(algorithm, bytes).ok());
    for key in public.into_iter().flatten().chain(raw) {
        assert_eq!(PublicKey::from_parts(key.algorithm(), &key.parts()).expect("the same"), key);
    }
});
