//! The table of algorithms: their names, and the kernels that compute them. A new algorithm is one entry
//! here.
//!
//! ```text
//!                          ┌─► message::algorithm   enums, names, parsing, lengths, output, cost
//!   with_algorithms! ──────┤
//!                          └─► kernels::session     the kernels: how one is made from a key, how a request reaches it
//! ```
//!
//! The macro passes all entries to the given macro, which takes the columns it needs. The column `kernel` is
//! a type of `kernels`; nothing here knows it.
//!
//! | column | what |
//! |---|---|
//! | `name` | OpenSSL's main name, in lower case; it is what is shown |
//! | `also` | OpenSSL's other names, and the object identifier |
//! | `key` | bytes of key |
//! | `mode` | what says all that keys of another length have in common; see [`Mode`](super::algorithm::Mode) |
//! | `digest`, `block` | bytes of a digest, and bytes that the function takes in at a time |
//! | `hash` | the function below an HMAC, whose lengths it has; its key may have any length |
//! | `family` | what says all that private keys of one kind have in common; see [`Family`](super::key_algorithm::Family) |
//! | `bits` | OpenSSL's number of bits of such a key; 0: the key says it |
//! | `takes`, `gives` | bytes of a message; the operations, and what each gives |
//! | `kernel` | what computes it |
//!
//! `trials` are algorithms for tests: they give what no other does, outputs that are longer than a tag or as
//! long as the message makes them. They are hidden, and no name stands for one.

macro_rules! with_algorithms {
    ($each:ident) => {
        $each! {
            ciphers {
                /// AES-128 in ECB (SP 800-38A).
                Aes128Ecb { name: "aes-128-ecb", also: ["2.16.840.1.101.3.4.1.1"], key: 16, mode: Ecb, kernel: Ecb<Aes128> }
                /// AES-192 in ECB (SP 800-38A).
                Aes192Ecb { name: "aes-192-ecb", also: ["2.16.840.1.101.3.4.1.21"], key: 24, mode: Ecb, kernel: Ecb<Aes192> }
                /// AES-256 in ECB (SP 800-38A).
                Aes256Ecb { name: "aes-256-ecb", also: ["2.16.840.1.101.3.4.1.41"], key: 32, mode: Ecb, kernel: Ecb<Aes256> }
                /// AES-128 in CBC (SP 800-38A).
                Aes128Cbc {
                    name: "aes-128-cbc", also: ["AES128", "2.16.840.1.101.3.4.1.2"],
                    key: 16, mode: Cbc, kernel: Cbc<Aes128>
                }
                /// AES-192 in CBC (SP 800-38A).
                Aes192Cbc {
                    name: "aes-192-cbc", also: ["AES192", "2.16.840.1.101.3.4.1.22"],
                    key: 24, mode: Cbc, kernel: Cbc<Aes192>
                }
                /// AES-256 in CBC (SP 800-38A).
                Aes256Cbc {
                    name: "aes-256-cbc", also: ["AES256", "2.16.840.1.101.3.4.1.42"],
                    key: 32, mode: Cbc, kernel: Cbc<Aes256>
                }
                /// AES-128 in CTR, a 128-bit big-endian counter (SP 800-38A).
                Aes128Ctr { name: "aes-128-ctr", also: [], key: 16, mode: Ctr, kernel: Ctr<Aes128Enc> }
                /// AES-192 in CTR, a 128-bit big-endian counter (SP 800-38A).
                Aes192Ctr { name: "aes-192-ctr", also: [], key: 24, mode: Ctr, kernel: Ctr<Aes192Enc> }
                /// AES-256 in CTR, a 128-bit big-endian counter (SP 800-38A).
                Aes256Ctr { name: "aes-256-ctr", also: [], key: 32, mode: Ctr, kernel: Ctr<Aes256Enc> }
                /// AES-128 in XTS (SP 800-38E); the key is two AES-128 keys.
                Aes128Xts {
                    name: "aes-128-xts", also: ["1.3.111.2.1619.0.1.1"],
                    key: 32, mode: Xts, kernel: Xts<Aes128, Aes128Enc>
                }
                /// AES-256 in XTS (SP 800-38E); the key is two AES-256 keys.
                Aes256Xts {
                    name: "aes-256-xts", also: ["1.3.111.2.1619.0.1.2"],
                    key: 64, mode: Xts, kernel: Xts<Aes256, Aes256Enc>
                }
            }
            aeads {
                /// AES-128 in GCM (SP 800-38D).
                Aes128Gcm {
                    name: "aes-128-gcm", also: ["id-aes128-GCM", "2.16.840.1.101.3.4.1.6"],
                    key: 16, mode: Gcm, kernel: Gcm<Aes128Enc>
                }
                /// AES-192 in GCM (SP 800-38D).
                Aes192Gcm {
                    name: "aes-192-gcm", also: ["id-aes192-GCM", "2.16.840.1.101.3.4.1.26"],
                    key: 24, mode: Gcm, kernel: Gcm<Aes192Enc>
                }
                /// AES-256 in GCM (SP 800-38D).
                Aes256Gcm {
                    name: "aes-256-gcm", also: ["id-aes256-GCM", "2.16.840.1.101.3.4.1.46"],
                    key: 32, mode: Gcm, kernel: Gcm<Aes256Enc>
                }
            }
            hashes {
                /// SHA-224 (FIPS 180-4).
                Sha224 {
                    name: "sha224", also: ["SHA-224", "SHA2-224", "2.16.840.1.101.3.4.2.4"],
                    digest: 28, block: 64, kernel: Hashing<Sha224>
                }
                /// SHA-256 (FIPS 180-4).
                Sha256 {
                    name: "sha256", also: ["SHA-256", "SHA2-256", "2.16.840.1.101.3.4.2.1"],
                    digest: 32, block: 64, kernel: Hashing<Sha256>
                }
                /// SHA-384 (FIPS 180-4).
                Sha384 {
                    name: "sha384", also: ["SHA-384", "SHA2-384", "2.16.840.1.101.3.4.2.2"],
                    digest: 48, block: 128, kernel: Hashing<Sha384>
                }
                /// SHA-512 (FIPS 180-4).
                Sha512 {
                    name: "sha512", also: ["SHA-512", "SHA2-512", "2.16.840.1.101.3.4.2.3"],
                    digest: 64, block: 128, kernel: Hashing<Sha512>
                }
                /// SHA-512/256 (FIPS 180-4, 6.7).
                Sha512_256 {
                    name: "sha512-256", also: ["SHA-512/256", "SHA2-512/256", "2.16.840.1.101.3.4.2.6"],
                    digest: 32, block: 128, kernel: Hashing<Sha512_256>
                }
            }
            hmacs {
                HmacSha224 {
                    name: "hmac-sha224", also: ["hmacWithSHA224", "1.2.840.113549.2.8"],
                    hash: Sha224, kernel: Keyed<Hmac<Sha224>>
                }
                HmacSha256 {
                    name: "hmac-sha256", also: ["hmacWithSHA256", "1.2.840.113549.2.9"],
                    hash: Sha256, kernel: Keyed<Hmac<Sha256>>
                }
                HmacSha384 {
                    name: "hmac-sha384", also: ["hmacWithSHA384", "1.2.840.113549.2.10"],
                    hash: Sha384, kernel: Keyed<Hmac<Sha384>>
                }
                HmacSha512 {
                    name: "hmac-sha512", also: ["hmacWithSHA512", "1.2.840.113549.2.11"],
                    hash: Sha512, kernel: Keyed<Hmac<Sha512>>
                }
                HmacSha512_256 {
                    name: "hmac-sha512-256", also: ["hmacWithSHA512-256", "1.2.840.113549.2.13"],
                    hash: Sha512_256, kernel: Keyed<Hmac<Sha512_256>>
                }
            }
            keys {
                /// RSA with a modulus of 2048 bits (RFC 8017).
                Rsa2048 { name: "rsa-2048", also: ["rsa2048"], family: Rsa, bits: 2048 }
                /// RSA with a modulus of 3072 bits (RFC 8017).
                Rsa3072 { name: "rsa-3072", also: ["rsa3072"], family: Rsa, bits: 3072 }
                /// RSA with a modulus of 4096 bits (RFC 8017).
                Rsa4096 { name: "rsa-4096", also: ["rsa4096"], family: Rsa, bits: 4096 }
                /// RSA with a modulus of any other size, 512 to 16384 bits (RFC 8017).
                Rsa {
                    name: "rsa", also: ["rsaEncryption", "1.2.840.113549.1.1.1"],
                    family: Rsa, bits: 0
                }
                /// ECDSA and ECDH on P-256 (FIPS 186-5, SP 800-56A).
                P256 {
                    name: "p-256", also: ["p256", "prime256v1", "secp256r1", "1.2.840.10045.3.1.7"],
                    family: Ec, bits: 256
                }
                /// ECDSA and ECDH on P-384 (FIPS 186-5, SP 800-56A).
                P384 {
                    name: "p-384", also: ["p384", "secp384r1", "1.3.132.0.34"],
                    family: Ec, bits: 384
                }
                /// ECDSA and ECDH on P-521 (FIPS 186-5, SP 800-56A).
                P521 {
                    name: "p-521", also: ["p521", "secp521r1", "1.3.132.0.35"],
                    family: Ec, bits: 521
                }
                /// X25519 (RFC 7748).
                X25519 { name: "x25519", also: ["1.3.101.110"], family: X25519, bits: 253 }
                /// Ed25519 (RFC 8032, FIPS 186-5).
                Ed25519 { name: "ed25519", also: ["1.3.101.112"], family: Ed25519, bits: 256 }
                /// ML-KEM-768 (FIPS 203).
                MlKem768 {
                    name: "ml-kem-768",
                    also: ["mlkem768", "id-alg-ml-kem-768", "2.16.840.1.101.3.4.4.2"],
                    family: Kem, bits: 768
                }
                /// X25519MLKEM768: ML-KEM-768 and X25519 together, as TLS 1.3 uses them
                /// (draft-ietf-tls-ecdhe-mlkem).
                X25519MlKem768 { name: "x25519mlkem768", also: [], family: Kem, bits: 768 }
                /// ML-DSA-44 (FIPS 204).
                MlDsa44 {
                    name: "ml-dsa-44", also: ["mldsa44", "id-ml-dsa-44", "2.16.840.1.101.3.4.3.17"],
                    family: MlDsa, bits: 44
                }
                /// ML-DSA-65 (FIPS 204).
                MlDsa65 {
                    name: "ml-dsa-65", also: ["mldsa65", "id-ml-dsa-65", "2.16.840.1.101.3.4.3.18"],
                    family: MlDsa, bits: 65
                }
            }
            trials {
                /// 600 bytes of any message: the mask generation function of RFC 8017, B.2.1, over SHA-256.
                Mask {
                    name: "trial-mask", takes: AtLeast(0),
                    gives: [Encrypt => Fixed(600)], kernel: Mask
                }
                /// Runs of equal bytes as pairs of their length, 1 to 255, and the byte; and back.
                Runs {
                    name: "trial-runs", takes: AtMost(65_536),
                    gives: [Encrypt => Variable(131_072), Decrypt => Variable(8_355_840)], kernel: Runs
                }
            }
        }
    };
}

pub(crate) use with_algorithms;
