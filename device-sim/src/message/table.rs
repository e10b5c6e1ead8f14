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
