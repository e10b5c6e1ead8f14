//! Published vectors and Wycheproof, through every way into the device.
//!
//! ```text
//!   sets (published, wycheproof)  ──►  trait Way  ──►  a session in this thread, in one piece or in many
//!                                                 ──►  an engine: blocking, in a job, on the stepped device
//! ```
//!
//! Every set counts its cases and compares with its known number, so that an empty set fails.

mod coverage;
mod direct;
mod engine;
#[macro_use]
#[path = "../offloaded/mod.rs"]
mod offloaded;
#[path = "../../../device-sim/tests/published/mod.rs"]
mod published;
mod standards;
mod way;
mod wycheproof;

/// Hands all sets to a macro.
macro_rules! all_sets {
    ($each:ident $($more:tt)*) => {
        $each! {
            $($more)*
            standards::sp_800_38a,
            standards::ieee_1619,
            standards::gcm,
            standards::fips_180,
            standards::rfc_4231,
            wycheproof::aes_gcm,
            wycheproof::aes_cbc_pkcs5,
            wycheproof::aes_xts,
            wycheproof::hmac_sha224,
            wycheproof::hmac_sha256,
            wycheproof::hmac_sha384,
            wycheproof::hmac_sha512,
            wycheproof::hmac_sha512_256,
        }
    };
}

all_sets!(functions);

ways! {
    in_place => crate::direct::Direct::InPlace;
    out_of_place => crate::direct::Direct::OutOfPlace;
    in_pieces => crate::direct::Direct::InPieces(7);
    blocking => crate::offloaded::Offloaded::blocking();
    in_job => crate::offloaded::Offloaded::in_job();
    stepped => crate::offloaded::Offloaded::stepped();
}
