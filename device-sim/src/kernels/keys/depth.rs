//! How deep work with keys goes on its stack, and wiping the stack as deep when the work has ended.
//!
//! ```text
//!   apart                              the same, a moment later
//!   └── set_apart_deep, a margin       └── wipe
//!       └── work                           └── zeros, over the frames of `work`
//! ```
//!
//! | KiB at most    | operations                | import |
//! |----------------|---------------------------|--------|
//! | RSA            | 24, 40, 96 by its bits    | same   |
//! | P-256 to P-521 | 32                        | same   |
//! | X25519         | 8                         | same   |
//! | Ed25519        | 16                        | same   |
//! | ML-KEM         | 48                        | same   |
//! | ML-DSA         | 128; to generate a key 256 | 288   |
//!
//! These are the depths of an optimised build. `device-sim/tests/key_stacks.rs` measures them, on a painted
//! stack and on those of workers. The work takes nearly as much itself, so a thread that has room for the
//! work has room for the zeros.
//!
//! What is first done with a curve computes tables of public numbers, as deep as 124 KiB for P-521. That one
//! time the tables' frames are not wiped; those that hold secrets lie above them.

use crate::kernels::wipe::{set_apart_deep, wipe};
use crate::message::key_algorithm::{Family, KeyAlgorithm};
use crate::message::operation::Operation;

const KIB: usize = 1024;

/// What copies a key, or converts it.
pub(crate) const COPY: usize = 8;

/// KiB that an operation takes at most. `bits`: of the modulus.
pub(crate) const fn of_operation(algorithm: KeyAlgorithm, bits: u32, operation: Operation) -> usize {
    match (algorithm.family(), operation) {
        (Family::Rsa, _) => of_rsa(bits),
        (Family::Ec, _) => 32,
        (Family::X25519, _) => 8,
        (Family::Ed25519, _) => 16,
        (Family::Kem, _) => 48,
        (Family::MlDsa, Operation::Generate) => 256,
        (Family::MlDsa, _) => 128,
    }
}

/// KiB that the import of a private key takes at most.
pub(crate) const fn of_import(algorithm: KeyAlgorithm, bits: u32) -> usize {
    match algorithm.family() {
        Family::MlDsa => 288,
        _ => of_operation(algorithm, bits, Operation::Generate),
    }
}

/// Its numbers lie on the heap, and its products of large numbers in frames.
const fn of_rsa(bits: u32) -> usize {
    match bits {
        ..=4096 => 24,
        4097..=8192 => 40,
        _ => 96,
    }
}

/// Runs `work`, and wipes the stack that it has used: so many KiB, one of the depths above.
#[inline(never)]
pub(crate) fn apart<R>(kib: usize, work: impl FnOnce() -> R) -> R {
    let result = set_apart_deep(work);
    match kib {
        ..=8 => wipe::<{ 8 * KIB }>(),
        9..=16 => wipe::<{ 16 * KIB }>(),
        17..=24 => wipe::<{ 24 * KIB }>(),
        25..=32 => wipe::<{ 32 * KIB }>(),
        33..=40 => wipe::<{ 40 * KIB }>(),
        41..=48 => wipe::<{ 48 * KIB }>(),
        49..=96 => wipe::<{ 96 * KIB }>(),
        97..=128 => wipe::<{ 128 * KIB }>(),
        129..=256 => wipe::<{ 256 * KIB }>(),
        _ => wipe::<{ 288 * KIB }>(),
    }
    result
}
