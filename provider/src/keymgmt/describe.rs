//! Which parameters keys have, for `EVP_PKEY_gettable_params` and the like: lists as those of the default
//! provider.

use std::ffi::{CStr, c_int};

use super::selection::Selection;
use crate::ossl::ids::{PARAM_INTEGER, PARAM_OCTET_STRING, PARAM_UNSIGNED_INTEGER, PARAM_UTF8_STRING};
use crate::ossl::keys;
use crate::ossl::types::Param;

const fn int(key: &'static CStr) -> Param {
    Param::described(key, PARAM_INTEGER, size_of::<c_int>())
}

const fn size(key: &'static CStr) -> Param {
    Param::described(key, PARAM_UNSIGNED_INTEGER, size_of::<usize>())
}

const fn big(key: &'static CStr) -> Param {
    Param::described(key, PARAM_UNSIGNED_INTEGER, 0)
}

const fn octets(key: &'static CStr) -> Param {
    Param::described(key, PARAM_OCTET_STRING, 0)
}

const fn text(key: &'static CStr) -> Param {
    Param::described(key, PARAM_UTF8_STRING, 0)
}

/// Joins lists, and ends the whole.
const fn joined<const N: usize>(lists: &[&[Param]]) -> [Param; N] {
    let mut joined = [Param::END; N];
    let (mut list, mut index, mut at) = (0, 0, 0);
    while list < lists.len() {
        if index < lists[list].len() {
            joined[at] = lists[list][index];
            (index, at) = (index + 1, at + 1);
        } else {
            (list, index) = (list + 1, 0);
        }
    }
    assert!(at + 1 == N);
    joined
}

static NONE: [Param; 1] = [Param::END];

const SIZES: [Param; 4] = [
    int(keys::PKEY_BITS),
    int(keys::PKEY_SECURITY_BITS),
    int(keys::PKEY_MAX_SIZE),
    int(keys::PKEY_SECURITY_CATEGORY),
];

// RSA.

const RSA_NUMBERS: [Param; 32] = {
    let mut numbers = [big(keys::PKEY_RSA_N); 32];
    numbers[1] = big(keys::PKEY_RSA_E);
    numbers[2] = big(keys::PKEY_RSA_D);
    let mut index = 0;
    while index < 10 {
        numbers[3 + index] = big(keys::RSA_FACTORS[index]);
        numbers[13 + index] = big(keys::RSA_EXPONENTS[index]);
        if index < 9 {
            numbers[23 + index] = big(keys::RSA_COEFFICIENTS[index]);
        }
        index += 1;
    }
    numbers
};
pub(super) static RSA: [Param; 33] = joined(&[&RSA_NUMBERS]);
pub(super) static RSA_GETTABLE: [Param; 38] =
    joined(&[&SIZES, &[text(keys::PKEY_DEFAULT_DIGEST)], &RSA_NUMBERS]);

const RSA_GENERATED: [Param; 3] = [size(keys::PKEY_BITS), size(keys::PKEY_RSA_PRIMES), big(keys::PKEY_RSA_E)];
const RESTRICTION: [Param; 5] = [
    text(keys::PKEY_DIGEST),
    text(keys::PKEY_PROPERTIES),
    text(keys::PKEY_MASKGENFUNC),
    text(keys::PKEY_MGF1_DIGEST),
    int(keys::PKEY_RSA_PSS_SALTLEN),
];
pub(super) static RSA_GENERATABLE: [Param; 4] = joined(&[&RSA_GENERATED]);
pub(super) static RSA_PSS_GENERATABLE: [Param; 9] = joined(&[&RSA_GENERATED, &RESTRICTION]);

// EC.

const GROUP: [Param; 12] = [
    text(keys::PKEY_GROUP_NAME),
    text(keys::PKEY_EC_ENCODING),
    text(keys::PKEY_EC_POINT_CONVERSION_FORMAT),
    text(keys::PKEY_EC_FIELD_TYPE),
    big(keys::PKEY_EC_P),
    big(keys::PKEY_EC_A),
    big(keys::PKEY_EC_B),
    octets(keys::PKEY_EC_GENERATOR),
    big(keys::PKEY_EC_ORDER),
    big(keys::PKEY_EC_COFACTOR),
    octets(keys::PKEY_EC_SEED),
    int(keys::PKEY_EC_DECODED_FROM_EXPLICIT_PARAMS),
];
const EC_PUBLIC: [Param; 1] = [octets(keys::PKEY_PUB_KEY)];
const EC_PRIVATE: [Param; 1] = [big(keys::PKEY_PRIV_KEY)];
const EC_OTHERS: [Param; 2] = [int(keys::PKEY_USE_COFACTOR_FLAG), int(keys::PKEY_EC_INCLUDE_PUBLIC)];

/// What is imported and exported, by the parts that are: private 1, public 2, group 4, others 8.
static EC: [&[Param]; 16] = [
    &NONE,
    &joined::<2>(&[&EC_PRIVATE]),
    &joined::<2>(&[&EC_PUBLIC]),
    &joined::<3>(&[&EC_PRIVATE, &EC_PUBLIC]),
    &joined::<13>(&[&GROUP]),
    &joined::<14>(&[&GROUP, &EC_PRIVATE]),
    &joined::<14>(&[&GROUP, &EC_PUBLIC]),
    &joined::<15>(&[&GROUP, &EC_PRIVATE, &EC_PUBLIC]),
    &joined::<3>(&[&EC_OTHERS]),
    &joined::<4>(&[&EC_OTHERS, &EC_PRIVATE]),
    &joined::<4>(&[&EC_OTHERS, &EC_PUBLIC]),
    &joined::<5>(&[&EC_OTHERS, &EC_PRIVATE, &EC_PUBLIC]),
    &joined::<15>(&[&EC_OTHERS, &GROUP]),
    &joined::<16>(&[&EC_OTHERS, &GROUP, &EC_PRIVATE]),
    &joined::<16>(&[&EC_OTHERS, &GROUP, &EC_PUBLIC]),
    &joined::<17>(&[&EC_OTHERS, &GROUP, &EC_PRIVATE, &EC_PUBLIC]),
];

pub(super) fn ec(selection: Selection) -> &'static [Param] {
    let bits =
        [selection.has_private(), selection.has_public(), selection.has_domain(), selection.has_others()];
    EC[bits.iter().rev().fold(0, |index, is_set| 2 * index + usize::from(*is_set))]
}

pub(super) static EC_GETTABLE: [Param; 26] = joined(&[
    &SIZES,
    &[
        int(keys::PKEY_EC_FIELD_DEGREE),
        text(keys::PKEY_DEFAULT_DIGEST),
        octets(keys::PKEY_ENCODED_PUBLIC_KEY),
    ],
    &GROUP,
    &EC_PUBLIC,
    &[big(keys::PKEY_EC_PUB_X), big(keys::PKEY_EC_PUB_Y)],
    &EC_PRIVATE,
    &EC_OTHERS,
]);
pub(super) static EC_SETTABLE: [Param; 8] = [
    int(keys::PKEY_USE_COFACTOR_FLAG),
    octets(keys::PKEY_ENCODED_PUBLIC_KEY),
    text(keys::PKEY_EC_ENCODING),
    text(keys::PKEY_EC_POINT_CONVERSION_FORMAT),
    octets(keys::PKEY_EC_SEED),
    int(keys::PKEY_EC_INCLUDE_PUBLIC),
    text(keys::PKEY_EC_GROUP_CHECK_TYPE),
    Param::END,
];
pub(super) static EC_GENERATABLE: [Param; 14] = joined(&[
    &[int(keys::PKEY_USE_COFACTOR_FLAG), octets(keys::PKEY_DHKEM_IKM)],
    // A group that is generated for was not decoded.
    &without_last(GROUP),
]);

const fn without_last(group: [Param; 12]) -> [Param; 11] {
    let mut first = [Param::END; 11];
    let mut index = 0;
    while index < first.len() {
        first[index] = group[index];
        index += 1;
    }
    first
}

// Strings of bytes.

const PAIR: [Param; 2] = [octets(keys::PKEY_PUB_KEY), octets(keys::PKEY_PRIV_KEY)];
const SEED: [Param; 1] = [octets(keys::PKEY_SEED)];
const ENCODED: [Param; 1] = [octets(keys::PKEY_ENCODED_PUBLIC_KEY)];
const PROPERTIES: [Param; 1] = [text(keys::PKEY_PROPERTIES)];

pub(super) static RAW: [Param; 3] = joined(&[&PAIR]);
pub(super) static SEEDED: [Param; 4] = joined(&[&SEED, &PAIR]);
pub(super) static RAW_GETTABLE: [Param; 8] = joined(&[&SIZES, &PAIR, &ENCODED]);
pub(super) static SIGNER_GETTABLE: [Param; 8] =
    joined(&[&SIZES, &PAIR, &[text(keys::PKEY_MANDATORY_DIGEST)]]);
pub(super) static SEEDED_GETTABLE: [Param; 9] = joined(&[&SIZES, &PAIR, &SEED, &ENCODED]);
pub(super) static SEEDED_SIGNER_GETTABLE: [Param; 9] =
    joined(&[&SIZES, &PAIR, &SEED, &[text(keys::PKEY_MANDATORY_DIGEST)]]);
pub(super) static RAW_SETTABLE: [Param; 3] = joined(&[&ENCODED, &PROPERTIES]);
pub(super) static CURVE_GENERATABLE: [Param; 3] =
    joined(&[&[text(keys::PKEY_GROUP_NAME), octets(keys::PKEY_DHKEM_IKM)]]);
pub(super) static RAW_GENERATABLE: [Param; 2] = joined(&[&PROPERTIES]);
pub(super) static SEEDED_GENERATABLE: [Param; 3] = joined(&[&SEED, &PROPERTIES]);

pub(super) const fn none() -> &'static [Param] {
    &NONE
}
