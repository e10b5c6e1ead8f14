//! A key and a certificate for loopback, made by the openssl command without the provider.

use std::fs;
use std::path::{Path, PathBuf};

use super::{command, succeeds};

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
    pub(crate) fn new(folder: &Path) -> Self {
        let new = Self {
            key: folder.join("server.key"),
            certificate: folder.join("server.crt"),
            both: folder.join("server.pem"),
        };
        let mut request = command("openssl");
        request.args([
            "req",
            "-x509",
            "-newkey",
            "rsa:2048",
            "-nodes",
            "-days",
            "2",
            "-subj",
            "/CN=localhost",
        ]);
        request.args(["-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"]);
        request.arg("-keyout").arg(&new.key).arg("-out").arg(&new.certificate);
        succeeds(&mut request);
        let both = fs::read_to_string(&new.certificate).unwrap() + &fs::read_to_string(&new.key).unwrap();
        fs::write(&new.both, both).unwrap();
        new
    }
}
