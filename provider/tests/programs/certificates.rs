//! A key and a certificate for loopback, made by the openssl command without the provider.

use std::fs;
use std::path::{Path, PathBuf};

use super::openssl::Openssl;
use super::succeeds;

/// What a certificate's key is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Rsa,
    /// A key of three primes, which the device does not have.
    RsaOfThreePrimes,
    /// A key that signs by PSS alone.
    RsaPss,
    P256,
    P384,
    P521,
    Ed25519,
    /// OpenSSL 3.5 and later.
    MlDsa44,
    MlDsa65,
}

impl Kind {
    /// An OpenSSL that knows the kind.
    pub(crate) fn release(self) -> Openssl {
        match self {
            Self::MlDsa44 | Self::MlDsa65 => Openssl::next(),
            _ => Openssl::system(),
        }
    }

    /// The row of the counters that has the signatures of such a key.
    pub(crate) fn signatures(self) -> &'static str {
        match self {
            Self::Rsa | Self::RsaOfThreePrimes | Self::RsaPss => "RSA/sign",
            Self::P256 | Self::P384 | Self::P521 => "ECDSA/sign",
            Self::Ed25519 => "ED25519/sign",
            Self::MlDsa44 => "ML-DSA-44/sign",
            Self::MlDsa65 => "ML-DSA-65/sign",
        }
    }

    /// How `openssl genpkey` makes the key.
    pub(crate) fn options(self) -> &'static [&'static str] {
        match self {
            Self::Rsa => &["-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048"],
            Self::RsaOfThreePrimes => {
                &["-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048", "-pkeyopt", "rsa_keygen_primes:3"]
            }
            Self::RsaPss => &["-algorithm", "RSA-PSS", "-pkeyopt", "rsa_keygen_bits:2048"],
            Self::P256 => &["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256"],
            Self::P384 => &["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-384"],
            Self::P521 => &["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-521"],
            Self::Ed25519 => &["-algorithm", "ED25519"],
            Self::MlDsa44 => &["-algorithm", "ML-DSA-44"],
            Self::MlDsa65 => &["-algorithm", "ML-DSA-65"],
        }
    }
}

/// Files in PEM.
#[derive(Debug)]
pub(crate) struct Certificate {
    pub(crate) key: PathBuf,
    pub(crate) certificate: PathBuf,
    /// Certificate and key in one file, as HAProxy and stunnel read them.
    pub(crate) both: PathBuf,
}

impl Certificate {
    /// Makes the files in a folder.
    pub(crate) fn new(folder: &Path, kind: Kind) -> Self {
        let openssl = kind.release();
        let new = Self {
            key: folder.join("server.key"),
            certificate: folder.join("server.crt"),
            both: folder.join("server.pem"),
        };
        succeeds(openssl.without(&["genpkey"]).args(kind.options()).arg("-out").arg(&new.key));
        // A release that was unpacked finds no configuration of its own.
        let configuration = folder.join("request.cnf");
        fs::write(&configuration, REQUEST).unwrap();
        let mut request = openssl.without(&["req", "-new", "-x509", "-days", "2"]);
        request.arg("-config").arg(&configuration);
        request.arg("-key").arg(&new.key).arg("-out").arg(&new.certificate);
        succeeds(&mut request);
        let both = fs::read_to_string(&new.certificate).unwrap() + &fs::read_to_string(&new.key).unwrap();
        fs::write(&new.both, both).unwrap();
        new
    }
}

/// What `openssl req` makes a certificate by.
pub(crate) const REQUEST: &str = "[req]
prompt = no
distinguished_name = name
x509_extensions = extensions
[name]
CN = localhost
[extensions]
subjectAltName = DNS:localhost, IP:127.0.0.1
basicConstraints = critical, CA:TRUE
";
