//! The curves that the device has: P-256, P-384 and P-521 (FIPS 186-4, D.1.2), with the names and parameters
//! by which libcrypto knows them.

use std::ffi::CStr;

use simaccel::KeyAlgorithm;

/// A curve.
#[derive(Debug)]
pub(crate) struct Curve {
    pub(crate) algorithm: KeyAlgorithm,
    /// libcrypto's name of the group.
    pub(super) name: &'static CStr,
    /// NIST's name, which it takes, too.
    nist: &'static str,
    /// Bits of the field, and of the order.
    pub(super) bits: usize,
    pub(super) security_bits: usize,
    /// Bytes of the largest signature in DER.
    pub(super) signature_len: usize,
    pub(super) p: &'static [u8],
    pub(super) a: &'static [u8],
    pub(super) b: &'static [u8],
    pub(super) generator: &'static [u8],
    pub(super) order: &'static [u8],
    pub(super) seed: &'static [u8],
}

impl Curve {
    /// Bytes of a coordinate, and of a private key.
    pub(crate) const fn len(&self) -> usize {
        self.bits.div_ceil(8)
    }

    /// The curve that has this name.
    pub(super) fn named(name: &[u8]) -> Option<&'static Self> {
        let is = |curve: &&Self| {
            curve.name.to_bytes().eq_ignore_ascii_case(name)
                || curve.nist.as_bytes().eq_ignore_ascii_case(name)
        };
        CURVES.into_iter().find(is)
    }

    /// The curve of a key of the device.
    pub(super) fn of(algorithm: KeyAlgorithm) -> Option<&'static Self> {
        CURVES.into_iter().find(|curve| curve.algorithm == algorithm)
    }
}

static CURVES: [&Curve; 3] = [&P_256, &P_384, &P_521];

/// Bytes of their hexadecimal digits.
const fn hex<const N: usize>(digits: &str) -> [u8; N] {
    let (digits, mut bytes, mut index) = (digits.as_bytes(), [0; N], 0);
    assert!(digits.len() == 2 * N);
    while index < N {
        bytes[index] = nibble(digits[2 * index]) << 4 | nibble(digits[2 * index + 1]);
        index += 1;
    }
    bytes
}

const fn nibble(digit: u8) -> u8 {
    match digit {
        b'0'..=b'9' => digit - b'0',
        b'a'..=b'f' => digit - b'a' + 10,
        _ => panic!(),
    }
}

static P_256: Curve = Curve {
    algorithm: KeyAlgorithm::P256,
    name: c"prime256v1",
    nist: "P-256",
    bits: 256,
    security_bits: 128,
    signature_len: 72,
    p: &hex::<32>("ffffffff00000001000000000000000000000000ffffffffffffffffffffffff"),
    a: &hex::<32>("ffffffff00000001000000000000000000000000fffffffffffffffffffffffc"),
    b: &hex::<32>("5ac635d8aa3a93e7b3ebbd55769886bc651d06b0cc53b0f63bce3c3e27d2604b"),
    generator: &hex::<65>(concat!(
        "046b17d1f2e12c4247f8bce6e563a440f277037d812deb33a0f4a13945d898c2964fe342e2fe1a7f",
        "9b8ee7eb4a7c0f9e162bce33576b315ececbb6406837bf51f5",
    )),
    order: &hex::<32>("ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551"),
    seed: &hex::<20>("c49d360886e704936a6678e1139d26b7819f7e90"),
};

static P_384: Curve = Curve {
    algorithm: KeyAlgorithm::P384,
    name: c"secp384r1",
    nist: "P-384",
    bits: 384,
    security_bits: 192,
    signature_len: 104,
    p: &hex::<48>(concat!(
        "fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffeffffffff00000000",
        "00000000ffffffff",
    )),
    a: &hex::<48>(concat!(
        "fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffeffffffff00000000",
        "00000000fffffffc",
    )),
    b: &hex::<48>(concat!(
        "b3312fa7e23ee7e4988e056be3f82d19181d9c6efe8141120314088f5013875ac656398d8a2ed19d",
        "2a85c8edd3ec2aef",
    )),
    generator: &hex::<97>(concat!(
        "04aa87ca22be8b05378eb1c71ef320ad746e1d3b628ba79b9859f741e082542a385502f25dbf5529",
        "6c3a545e3872760ab73617de4a96262c6f5d9e98bf9292dc29f8f41dbd289a147ce9da3113b5f0b8",
        "c00a60b1ce1d7e819d7a431d7c90ea0e5f",
    )),
    order: &hex::<48>(concat!(
        "ffffffffffffffffffffffffffffffffffffffffffffffffc7634d81f4372ddf581a0db248b0a77a",
        "ecec196accc52973",
    )),
    seed: &hex::<20>("a335926aa319a27a1d00896a6773a4827acdac73"),
};

static P_521: Curve = Curve {
    algorithm: KeyAlgorithm::P521,
    name: c"secp521r1",
    nist: "P-521",
    bits: 521,
    security_bits: 256,
    signature_len: 139,
    p: &hex::<66>(concat!(
        "01ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
        "ffffffffffffffffffffffffffffffffffffffffffffffffffff",
    )),
    a: &hex::<66>(concat!(
        "01ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
        "fffffffffffffffffffffffffffffffffffffffffffffffffffc",
    )),
    b: &hex::<66>(concat!(
        "0051953eb9618e1c9a1f929a21a0b68540eea2da725b99b315f3b8b489918ef109e156193951ec7e",
        "937b1652c0bd3bb1bf073573df883d2c34f1ef451fd46b503f00",
    )),
    generator: &hex::<133>(concat!(
        "0400c6858e06b70404e9cd9e3ecb662395b4429c648139053fb521f828af606b4d3dbaa14b5e77ef",
        "e75928fe1dc127a2ffa8de3348b3c1856a429bf97e7e31c2e5bd66011839296a789a3bc0045c8a5f",
        "b42c7d1bd998f54449579b446817afbd17273e662c97ee72995ef42640c550b9013fad0761353c70",
        "86a272c24088be94769fd16650",
    )),
    order: &hex::<66>(concat!(
        "01fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffa51868783bf2f",
        "966b7fcc0148f709a5d03bb5c9b8899c47aebb6fb71e91386409",
    )),
    seed: &hex::<20>("d09e8800291cb85396cc6717393284aaa0da64ba"),
};
