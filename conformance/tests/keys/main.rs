//! Private and public keys against what others have computed: published vectors and Wycheproof.
//!
//! ```text
//!   sets (published, Wycheproof)  ──►  trait Way  ──►  a session in this thread
//!                                                 ──►  an engine: blocking, in a job, on the stepped device
//! ```
//!
//! Every set counts its cases and compares with its known numbers, with what it leaves out by its reason: an
//! empty set fails, and so does one that leaves out more than before.

mod count;
mod coverage;
mod ec;
mod ed25519;
mod hash;
mod ml_dsa;
mod ml_kem;
#[macro_use]
#[path = "../offloaded/mod.rs"]
mod offloaded;
mod records;
mod rsa_encryption;
mod rsa_signatures;
mod way;
mod ways;
mod x25519;

/// Hands all sets to a macro.
macro_rules! all_sets {
    ($each:ident $($more:tt)*) => {
        $each! {
            $($more)*
            ec::ecdsa_wycheproof,
            ec::ecdsa_cavp_sign,
            ec::ecdsa_cavp_verify,
            ec::ecdsa_rfc_6979,
            ec::ecdsa_digests_of_any_length,
            ec::ecdh_wycheproof,
            ec::ecdh_cavp,
            ec::keys_from_randomness,
            x25519::x25519_wycheproof,
            x25519::x25519_rfc_7748,
            x25519::x25519_rfc_7748_iterated,
            ed25519::ed25519_wycheproof,
            ed25519::ed25519_rfc_8032,
            ml_kem::ml_kem_wycheproof,
            ml_kem::ml_kem_known_answers,
            ml_kem::x25519_ml_kem_is_both,
            ml_dsa::ml_dsa_wycheproof_verify,
            ml_dsa::ml_dsa_wycheproof_sign,
            ml_dsa::ml_dsa_known_answers,
            rsa_signatures::rsa_pkcs1_wycheproof_verify,
            rsa_signatures::rsa_pkcs1_wycheproof_sign,
            rsa_signatures::rsa_pkcs1_rsa_laboratories,
            rsa_signatures::rsa_pkcs1_cavp_verify,
            rsa_signatures::rsa_pss_wycheproof,
            rsa_signatures::rsa_pss_rsa_laboratories,
            rsa_signatures::rsa_pss_cavp_verify,
            rsa_encryption::rsa_oaep_wycheproof,
            rsa_encryption::rsa_oaep_rsa_laboratories,
            rsa_encryption::rsa_pkcs1_encryption_wycheproof,
            rsa_encryption::rsa_pkcs1_encryption_rsa_laboratories,
        }
    };
}

all_sets!(functions);

ways! {
    direct => crate::ways::Direct;
    blocking => crate::offloaded::Offloaded::blocking();
    in_job => crate::offloaded::Offloaded::in_job();
    stepped => crate::offloaded::Offloaded::stepped();
}
