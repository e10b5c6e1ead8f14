//! Keys of every kind and size in the openssl command: `speed`, `dgst`, `pkeyutl` and `genpkey`, with the
//! provider and without.
//!
//! ```text
//!   key, made without ──► sign with ──► verify without      and the other way round;
//!                         where the signature is determined, the bytes are compared
//! ```
//!
//! Counts are those of two independent parties: what `openssl speed` says it has done, and what the provider
//! has counted.

mod programs;

#[path = "openssl_pkeyutl/files.rs"]
mod files;

use self::files::{Files, Key};
use self::programs::key_speed::{NAMES, POST_QUANTUM, assert_keys_pause};
use self::programs::openssl::Openssl;

/// What a key is made with, and the row of its signatures.
struct Signing {
    key: &'static [&'static str],
    row: &'static str,
    ways: &'static [Way],
}

/// A way to sign.
struct Way {
    digest: &'static str,
    options: &'static [&'static str],
    /// The same bytes each time.
    determined: bool,
}

const fn pkcs1(digest: &'static str) -> Way {
    Way { digest, options: &[], determined: true }
}

const fn pss(digest: &'static str, salt: &'static str) -> Way {
    // The options of dgst stand in pairs.
    let options: &[&str] = match salt.as_bytes() {
        b"max" => &["rsa_padding_mode:pss", "rsa_pss_saltlen:max"],
        b"auto" => &["rsa_padding_mode:pss", "rsa_pss_saltlen:auto"],
        b"0" => &["rsa_padding_mode:pss", "rsa_pss_saltlen:0"],
        b"17" => &["rsa_padding_mode:pss", "rsa_pss_saltlen:17"],
        _ => &["rsa_padding_mode:pss", "rsa_pss_saltlen:digest"],
    };
    Way { digest, options, determined: matches!(salt.as_bytes(), b"0") }
}

const fn plain(digest: &'static str) -> Way {
    Way { digest, options: &[], determined: false }
}

const RSA: &[Way] = &[
    pkcs1("sha1"),
    pkcs1("sha224"),
    pkcs1("sha256"),
    pkcs1("sha384"),
    pkcs1("sha512"),
    pkcs1("sha3-256"),
    pkcs1("sha512-256"),
    pkcs1("md5"),
    pss("sha256", "digest"),
    pss("sha1", "digest"),
    pss("sha256", "max"),
    pss("sha256", "auto"),
    pss("sha256", "17"),
    pss("sha384", "0"),
    Way {
        digest: "sha256",
        options: &["rsa_padding_mode:pss", "rsa_mgf1_md:sha384", "rsa_pss_saltlen:20"],
        determined: false,
    },
    Way { digest: "sha384", options: &["rsa_padding_mode:pss", "rsa_mgf1_md:sha512"], determined: false },
];

const RSA_PSS: &[Way] =
    &[pss("sha256", "digest"), pss("sha256", "max"), pss("sha256", "auto"), pss("sha256", "17")];

const EC: &[Way] = &[
    plain("sha1"),
    plain("sha224"),
    plain("sha256"),
    plain("sha384"),
    plain("sha512"),
    plain("sha3-256"),
    plain("sha3-512"),
];

const SIGNING: [Signing; 13] = [
    Signing { key: &["RSA", "rsa_keygen_bits:2048"], row: "RSA/sign", ways: RSA },
    Signing { key: &["RSA", "rsa_keygen_bits:512"], row: "RSA/sign", ways: &[pkcs1("sha256")] },
    Signing {
        key: &["RSA", "rsa_keygen_bits:1031"],
        row: "RSA/sign",
        ways: &[pkcs1("sha256"), pss("sha256", "max")],
    },
    Signing { key: &["RSA", "rsa_keygen_bits:3072"], row: "RSA/sign", ways: &[pkcs1("sha256")] },
    Signing { key: &["RSA", "rsa_keygen_bits:4096"], row: "RSA/sign", ways: &[pss("sha512", "digest")] },
    Signing { key: &["RSA-PSS", "rsa_keygen_bits:2048"], row: "RSA/sign", ways: RSA_PSS },
    // The key says how it signs.
    Signing {
        key: &[
            "RSA-PSS",
            "rsa_keygen_bits:2048",
            "rsa_pss_keygen_md:sha256",
            "rsa_pss_keygen_mgf1_md:sha256",
            "rsa_pss_keygen_saltlen:32",
        ],
        row: "RSA/sign",
        ways: &[plain("sha256")],
    },
    Signing { key: &["EC", "ec_paramgen_curve:P-256"], row: "ECDSA/sign", ways: EC },
    Signing { key: &["EC", "ec_paramgen_curve:P-384"], row: "ECDSA/sign", ways: EC },
    Signing { key: &["EC", "ec_paramgen_curve:P-521"], row: "ECDSA/sign", ways: EC },
    // What the device does not have goes on in the default provider.
    Signing { key: &["EC", "ec_paramgen_curve:secp256k1"], row: "", ways: EC },
    Signing { key: &["EC", "ec_paramgen_curve:brainpoolP256r1"], row: "", ways: &[plain("sha256")] },
    Signing { key: &["EC", "ec_paramgen_curve:P-224"], row: "", ways: &[plain("sha256")] },
];

fn assert_signatures_agree(openssl: &Openssl) {
    let files = Files::new(openssl);
    for Signing { key, row, ways } in &SIGNING {
        let key = files.key(key);
        for (number, way) in ways.iter().enumerate() {
            let message = files.message(number);
            let hash = format!("-{}", way.digest);
            let signing: Vec<_> = way.options.iter().flat_map(|option| ["-sigopt", option]).collect();
            let sign = [&["dgst", &hash, "-sign", &key.private], signing.as_slice(), &[&message]].concat();
            let (ours, theirs) = (files.with(&sign, row), files.without(&sign));
            if way.determined {
                assert_eq!(ours, theirs, "{sign:?}");
            }
            let verify = |signature: &str, message: &str| {
                let words = ["dgst", &hash, "-verify", &key.public, "-signature", signature];
                [&words, signing.as_slice(), &[message]].concat().into_iter().map(str::to_owned).collect()
            };
            let verified = row.replace("/sign", "/verify");
            assert_verified(&files, &verify, &verified, &message, [&ours, &theirs]);
        }
    }
}

/// Signatures of either side are verified by the other, and are not those of another message.
fn assert_verified(
    files: &Files<'_>,
    verify: &dyn Fn(&str, &str) -> Vec<String>,
    row: &str,
    message: &str,
    [ours, theirs]: [&[u8]; 2],
) {
    let (ours, theirs) = (files.file("ours", ours), files.file("theirs", theirs));
    files.without(&words(&verify(&ours, message)));
    files.with(&words(&verify(&theirs, message)), row);
    let other = files.file("other", b"another message, as long as is a digest"[..32].as_ref());
    files.refused_with(&words(&verify(&theirs, &other)), row);
}

fn words(words: &[String]) -> Vec<&str> {
    words.iter().map(String::as_str).collect()
}

/// Signatures of whole messages, by `pkeyutl -rawin`.
fn assert_messages_are_signed(openssl: &Openssl, algorithms: &[(&'static str, bool)]) {
    let files = Files::new(openssl);
    for &(algorithm, determined) in algorithms {
        let key = files.key(&[algorithm]);
        // An empty one is refused by the command.
        for number in 1..4 {
            let message = files.message(number);
            let sign = ["pkeyutl", "-sign", "-rawin", "-inkey", &key.private, "-in", &message];
            let ours = files.with(&sign, &format!("{algorithm}/sign"));
            let theirs = files.without(&sign);
            if determined {
                assert_eq!(ours, theirs, "{sign:?}");
            }
            let verify = |signature: &str, message: &str| {
                let words = ["pkeyutl", "-verify", "-rawin", "-pubin", "-inkey", &key.public];
                let rest = ["-in", message, "-sigfile", signature];
                words.iter().chain(&rest).map(|word| (*word).to_owned()).collect()
            };
            assert_verified(&files, &verify, &format!("{algorithm}/verify"), &message, [&ours, &theirs]);
        }
    }
}

/// Signatures of digests that the caller has made, by `pkeyutl`; and a digest that comes back out of one.
fn assert_digests_are_signed(openssl: &Openssl) {
    let files = Files::new(openssl);
    let (rsa, ec) =
        (files.key(&["RSA", "rsa_keygen_bits:2048"]), files.key(&["EC", "ec_paramgen_curve:P-256"]));
    for options in [&["digest:sha256"][..], &[], &["digest:sha256", "rsa_padding_mode:pss"]] {
        assert_a_digest_is_signed(&files, &rsa, "RSA", options);
    }
    for options in [&["digest:sha256"][..], &[]] {
        assert_a_digest_is_signed(&files, &ec, "ECDSA", options);
    }
    assert_recovers(&files, &rsa);
}

const DIGEST: [u8; 32] = [7; 32];

fn assert_a_digest_is_signed(files: &Files<'_>, key: &Key, algorithm: &str, options: &[&str]) {
    let digest = files.file("digest", &DIGEST);
    let options: Vec<_> = options.iter().flat_map(|option| ["-pkeyopt", option]).collect();
    let sign = ["pkeyutl", "-sign", "-inkey", &key.private, "-in", &digest];
    let sign = [&sign, options.as_slice()].concat();
    let (ours, theirs) = (files.with(&sign, &format!("{algorithm}/sign")), files.without(&sign));
    let verify = |signature: &str, digest: &str| {
        let words =
            ["pkeyutl", "-verify", "-pubin", "-inkey", &key.public, "-in", digest, "-sigfile", signature];
        words.iter().chain(&options).map(|word| (*word).to_owned()).collect()
    };
    assert_verified(files, &verify, &format!("{algorithm}/verify"), &digest, [&ours, &theirs]);
}

fn assert_recovers(files: &Files<'_>, key: &Key) {
    let digest = files.file("digest", &DIGEST);
    let options = ["-pkeyopt", "digest:sha256"];
    let sign = ["pkeyutl", "-sign", "-inkey", &key.private, "-in", &digest];
    let signature = files.file("signature", &files.without(&[sign.as_slice(), &options].concat()));
    let recover = ["pkeyutl", "-verifyrecover", "-pubin", "-inkey", &key.public, "-in", &signature];
    assert_eq!(files.with(&[recover.as_slice(), &options].concat(), "RSA/verify"), DIGEST);
}

/// Secrets of two keys.
fn assert_secrets_agree(openssl: &Openssl) {
    let files = Files::new(openssl);
    let kinds: [(&[&str], &str); 5] = [
        (&["EC", "ec_paramgen_curve:P-256"], "ECDH/derive"),
        (&["EC", "ec_paramgen_curve:P-384"], "ECDH/derive"),
        (&["EC", "ec_paramgen_curve:P-521"], "ECDH/derive"),
        (&["X25519"], "X25519/derive"),
        (&["EC", "ec_paramgen_curve:brainpoolP384r1"], ""),
    ];
    for (kind, row) in kinds {
        let (one, other) = (files.key(kind), files.key(kind));
        let derive = |key: &Key, peer: &Key| {
            ["pkeyutl", "-derive", "-inkey", &key.private, "-peerkey", &peer.public].map(str::to_owned)
        };
        let ours = files.with(&words(&derive(&one, &other)), row);
        assert_eq!(ours, files.without(&words(&derive(&one, &other))), "{kind:?}");
        assert_eq!(ours, files.without(&words(&derive(&other, &one))), "{kind:?}");
    }
}

/// What one side has encrypted the other decrypts.
fn assert_decryptions_agree(openssl: &Openssl) {
    let files = Files::new(openssl);
    let key = files.key(&["RSA", "rsa_keygen_bits:2048"]);
    let paddings: [&[&str]; 5] = [
        &["rsa_padding_mode:pkcs1"],
        &["rsa_padding_mode:oaep"],
        &["rsa_padding_mode:oaep", "rsa_oaep_md:sha256"],
        &["rsa_padding_mode:oaep", "rsa_oaep_md:sha512", "rsa_mgf1_md:sha1"],
        &["rsa_padding_mode:oaep", "rsa_oaep_md:sha256", "rsa_oaep_label:00ff7f"],
    ];
    let message = files.file("secret", b"forty-eight bytes, as many as a premaster secret");
    for padding in paddings {
        let options: Vec<_> = padding.iter().flat_map(|option| ["-pkeyopt", option]).collect();
        let encrypt = ["pkeyutl", "-encrypt", "-pubin", "-inkey", &key.public, "-in", &message];
        let encrypt = [&encrypt, options.as_slice()].concat();
        let sealed = [
            files.file("ours", &files.with(&encrypt, "RSA/encrypt")),
            files.file("theirs", &files.without(&encrypt)),
        ];
        for sealed in &sealed {
            let decrypt = ["pkeyutl", "-decrypt", "-inkey", &key.private, "-in", sealed];
            let decrypt = [&decrypt, options.as_slice()].concat();
            let opened = files.with(&decrypt, "RSA/decrypt");
            assert_eq!(opened, std::fs::read(&message).unwrap(), "{padding:?}");
            assert_eq!(opened, files.without(&decrypt), "{padding:?}");
        }
    }
    assert_raw_agrees(&files, &key);
}

/// Without padding: a number below the modulus, and what becomes of it.
fn assert_raw_agrees(files: &Files<'_>, key: &Key) {
    let number = files.file("number", &[&[0], [7; 255].as_slice()].concat());
    let none = ["-pkeyopt", "rsa_padding_mode:none"];
    let decrypt = ["pkeyutl", "-decrypt", "-inkey", &key.private, "-in", &number];
    let decrypt = [&decrypt, none.as_slice()].concat();
    assert_eq!(files.with(&decrypt, "RSA/decrypt"), files.without(&decrypt));
    let encrypt = ["pkeyutl", "-encrypt", "-pubin", "-inkey", &key.public, "-in", &number];
    let encrypt = [&encrypt, none.as_slice()].concat();
    assert_eq!(files.with(&encrypt, "RSA/encrypt"), files.without(&encrypt));
}

/// Secrets that one side has encapsulated, and the other decapsulates.
fn assert_encapsulations_agree(openssl: &Openssl) {
    let files = Files::new(openssl);
    let key = files.key(&["ML-KEM-768"]);
    for ours_encapsulates in [true, false] {
        let (secret, sealed) = (files.path("secret"), files.path("sealed"));
        let encapsulate =
            ["pkeyutl", "-encap", "-pubin", "-inkey", &key.public, "-secret", &secret, "-out", &sealed];
        let decapsulate = ["pkeyutl", "-decap", "-inkey", &key.private, "-in", &sealed, "-secret"];
        let opened = files.path("opened");
        let decapsulate = [decapsulate.as_slice(), &[&opened]].concat();
        if ours_encapsulates {
            files.with(&encapsulate, "ML-KEM-768/encapsulate");
            files.without(&decapsulate);
        } else {
            files.without(&encapsulate);
            files.with(&decapsulate, "ML-KEM-768/decapsulate");
        }
        assert_eq!(std::fs::read(&secret).unwrap(), std::fs::read(&opened).unwrap());
    }
}

/// Keys that were made with the provider: a certificate that one signs for itself is verified without it.
fn assert_keys_are_made(openssl: &Openssl, kinds: &[(&[&str], &str)]) {
    let files = Files::new(openssl);
    for (kind, row) in kinds {
        let key = files.key_made_with(kind, row);
        let certificate = files.path("certificate");
        let subject = files.request_for_a_certificate();
        let request = ["req", "-x509", "-config", &subject, "-key", &key.private, "-out", &certificate];
        files.without(&request);
        files.with(&["verify", "-CAfile", &certificate, "-check_ss_sig", &certificate], "");
        files.with(&request, "");
        files.without(&["verify", "-CAfile", &certificate, "-check_ss_sig", &certificate]);
    }
}

const MADE: &[(&[&str], &str)] = &[
    (&["RSA", "rsa_keygen_bits:2048"], "RSA/generate"),
    (&["RSA-PSS", "rsa_keygen_bits:1024"], "RSA/generate"),
    (&["EC", "ec_paramgen_curve:P-256"], "EC/generate"),
    (&["EC", "ec_paramgen_curve:P-384"], "EC/generate"),
    (&["EC", "ec_paramgen_curve:P-521"], "EC/generate"),
    (&["EC", "ec_paramgen_curve:secp256k1"], ""),
    (&["ED25519"], "ED25519/generate"),
];

const MADE_POST_QUANTUM: &[(&[&str], &str)] =
    &[(&["ML-DSA-44"], "ML-DSA-44/generate"), (&["ML-DSA-65"], "ML-DSA-65/generate")];

#[test]
fn every_operation_of_a_key_pauses_once() {
    assert_keys_pause(&Openssl::system(), &NAMES);
}

#[test]
fn signatures_agree_with_those_of_the_default_provider() {
    assert_signatures_agree(&Openssl::system());
    assert_messages_are_signed(&Openssl::system(), &[("ED25519", true)]);
    assert_digests_are_signed(&Openssl::system());
}

#[test]
fn secrets_and_decryptions_agree_with_those_of_the_default_provider() {
    assert_secrets_agree(&Openssl::system());
    assert_decryptions_agree(&Openssl::system());
}

#[test]
fn keys_that_are_made_here_work_in_the_default_provider() {
    assert_keys_are_made(&Openssl::system(), MADE);
}

fn assert_agrees(openssl: &Openssl) {
    assert_signatures_agree(openssl);
    assert_messages_are_signed(openssl, &[("ED25519", true), ("ML-DSA-44", false), ("ML-DSA-65", false)]);
    assert_digests_are_signed(openssl);
    assert_secrets_agree(openssl);
    assert_decryptions_agree(openssl);
    assert_encapsulations_agree(openssl);
    assert_keys_are_made(openssl, &[MADE, MADE_POST_QUANTUM].concat());
}

#[test]
#[ignore = "needs OpenSSL 3.5"]
fn every_operation_of_a_key_pauses_once_in_3_5() {
    assert_keys_pause(&Openssl::next(), &[NAMES.as_slice(), &POST_QUANTUM].concat());
}

#[test]
#[ignore = "needs OpenSSL 3.5"]
fn all_agree_in_3_5() {
    assert_agrees(&Openssl::next());
}

#[test]
#[ignore = "needs OpenSSL 4.0"]
fn every_operation_of_a_key_pauses_once_in_4_0() {
    assert_keys_pause(&Openssl::four(), &[NAMES.as_slice(), &POST_QUANTUM].concat());
}

#[test]
#[ignore = "needs OpenSSL 4.0"]
fn all_agree_in_4_0() {
    assert_agrees(&Openssl::four());
}
