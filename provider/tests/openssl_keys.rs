//! The openssl command with keys of the provider: certificates, requests, CMS and S/MIME, and keys that the
//! device does not have. What it signs or encrypts another command without the provider verifies or decrypts,
//! and the other way round.
//!
//! `openssl_pkeyutl.rs` has the algorithms, schemes and paddings one by one.

mod programs;

use std::fs;
use std::path::PathBuf;

use self::programs::configuration::Configuration;
use self::programs::counters::Counters;
use self::programs::openssl::Openssl;
use self::programs::{run, succeeds};

/// A folder in which commands run, with the provider and without.
struct Desk {
    openssl: Openssl,
    configuration: Configuration,
}

impl Desk {
    fn new(openssl: &Openssl) -> Self {
        let desk = Self { openssl: openssl.clone(), configuration: Configuration::new("keys") };
        fs::write(desk.path("message"), "what is signed\n").unwrap();
        fs::write(desk.path("short"), [7; 32]).unwrap();
        fs::write(desk.path("req.cnf"), REQUEST).unwrap();
        // OpenSSL 4.0 looks for extensions in the configuration that loads the provider, if it is given none.
        fs::write(desk.path("leaf.cnf"), "basicConstraints = CA:FALSE\n").unwrap();
        desk
    }

    fn path(&self, file: &str) -> PathBuf {
        self.configuration.folder.join(file)
    }

    /// The words of a line. What begins with `@` is a file here.
    fn words(&self, line: &str) -> Vec<String> {
        let word = |word: &str| match word.strip_prefix('@') {
            Some(file) => self.path(file).display().to_string(),
            None => word.to_owned(),
        };
        line.split_whitespace().map(word).collect()
    }

    #[track_caller]
    fn without(&self, line: &str) {
        let words = self.words(line);
        succeeds(&mut self.openssl.without(&words.iter().map(String::as_str).collect::<Vec<_>>()));
    }

    /// With the provider, which has to do so many operations of this kind.
    #[track_caller]
    fn with(&self, line: &str, (kind, times): (&str, u64)) {
        let operations = self.operations(line, kind);
        assert_eq!(operations, times, "{line}");
    }

    /// With the provider, which has to do operations of this kind: releases of the command differ in how
    /// many.
    #[track_caller]
    fn with_some(&self, line: &str, kind: &str) {
        let operations = self.operations(line, kind);
        assert_ne!(operations, 0, "{line}");
    }

    /// With the provider, which has the default provider do an operation of this kind.
    #[track_caller]
    fn elsewhere(&self, line: &str, kind: &str) {
        let counters = self.counters(line);
        let counted = |path: &[&str]| counters.at(&[&["algorithms", kind], path].concat());
        let both = (counted(&["operations"]), counted(&["synchronous", "elsewhere"]));
        assert_eq!(both, (1, 1), "{line}: {}", counters.0);
    }

    #[track_caller]
    fn counters(&self, line: &str) -> Counters {
        let words = self.words(line);
        let words: Vec<_> = words.iter().map(String::as_str).collect();
        let answer = run(&mut self.openssl.with(&self.configuration, &words)).succeeded();
        let counters = Counters::of(&self.configuration, answer.pid);
        counters.assert_none_paused();
        counters
    }

    #[track_caller]
    fn operations(&self, line: &str, kind: &str) -> u64 {
        let counters = self.counters(line);
        assert_eq!(
            counters.at(&["algorithms", kind, "synchronous", "elsewhere"]),
            0,
            "{line}: {}",
            counters.0
        );
        counters.at(&["algorithms", kind, "operations"])
    }

    /// A key, and its public half.
    fn key(&self, name: &str, options: &str) {
        self.without(&format!("genpkey {options} -out @{name}"));
        self.without(&format!("pkey -in @{name} -pubout -out @{name}.pub"));
    }
}

/// A release that was unpacked finds no configuration of its own.
const REQUEST: &str = "[req]\ndistinguished_name = name\nx509_extensions = ca\n[name]\n\
                       [ca]\nbasicConstraints = critical, CA:TRUE\nsubjectKeyIdentifier = hash\n";
const RSA: &str = "-algorithm RSA -pkeyopt rsa_keygen_bits:2048";

/// The device has no RSA keys of more than two primes. Their public keys are like all others.
fn assert_keys_of_three_primes_work(openssl: &Openssl) {
    let desk = Desk::new(openssl);
    desk.elsewhere(&format!("genpkey {RSA} -pkeyopt rsa_keygen_primes:3 -out @three"), "RSA/generate");
    desk.without("pkey -in @three -noout -text -out @text");
    assert!(fs::read_to_string(desk.path("text")).unwrap().contains("prime3:"));
    desk.without("pkey -in @three -pubout -out @three.pub");
    for options in ["-pkeyopt digest:sha256", "-pkeyopt digest:sha256 -pkeyopt rsa_padding_mode:pss"] {
        let sign = format!("pkeyutl -sign -inkey @three {options} -in @short -out @signature");
        let verify =
            format!("pkeyutl -verify -pubin -inkey @three.pub {options} -in @short -sigfile @signature");
        desk.elsewhere(&sign, "RSA/sign");
        desk.without(&verify);
        desk.without(&sign);
        desk.with(&verify, ("RSA/verify", 1));
    }
    for options in ["", "-pkeyopt rsa_padding_mode:oaep"] {
        let encrypt =
            format!("pkeyutl -encrypt -pubin -inkey @three.pub {options} -in @message -out @cipher");
        let decrypt = format!("pkeyutl -decrypt -inkey @three {options} -in @cipher -out @plain");
        desk.with(&encrypt, ("RSA/encrypt", 1));
        desk.elsewhere(&decrypt, "RSA/decrypt");
        assert_eq!(fs::read(desk.path("plain")).unwrap(), fs::read(desk.path("message")).unwrap());
    }
    let certificate = "req -new -x509 -config @req.cnf -subj /CN=three -key @three -out @three.crt";
    desk.elsewhere(certificate, "RSA/sign");
    desk.without("verify -CAfile @three.crt @three.crt");
}

fn assert_certifies_with_ml_dsa(openssl: &Openssl) {
    let desk = Desk::new(openssl);
    for kind in ["ML-DSA-44", "ML-DSA-65"] {
        desk.key(kind, &format!("-algorithm {kind}"));
        let request = format!("req -config @req.cnf -x509 -new -key @{kind} -subj /CN=pq -days 2 -out @crt");
        desk.with_some(&request, &format!("{kind}/sign"));
        desk.without("verify -CAfile @crt @crt");
    }
}

/// A CA whose key is the provider's makes certificates that the command without the provider verifies.
fn assert_makes_certificates(openssl: &Openssl) {
    for (options, kind, sign) in [
        (RSA, "RSA", ""),
        (RSA, "RSA", "-sigopt rsa_padding_mode:pss -sigopt rsa_pss_saltlen:32"),
        ("-algorithm EC -pkeyopt ec_paramgen_curve:P-256", "ECDSA", ""),
    ] {
        let desk = Desk::new(openssl);
        desk.key("ca.key", options);
        desk.key("leaf.key", options);
        let signs = format!("{kind}/sign");
        desk.with(
            &format!("req -config @req.cnf -x509 -new -key @ca.key -subj /CN=ca -days 2 -sha256 {sign} -out @ca.crt"),
            (&signs, 1),
        );
        desk.without("verify -CAfile @ca.crt @ca.crt");
        desk.with(
            &format!("req -config @req.cnf -new -key @leaf.key -subj /CN=leaf -sha256 {sign} -out @leaf.csr"),
            (&signs, 1),
        );
        desk.without("req -config @req.cnf -in @leaf.csr -verify -noout");
        desk.with_some("req -config @req.cnf -in @leaf.csr -verify -noout", &format!("{kind}/verify"));
        let x509 = format!(
            "x509 -req -extfile @leaf.cnf -in @leaf.csr -CA @ca.crt -CAkey @ca.key -set_serial 2 -days 2 -sha256 {sign} -out @leaf.crt"
        );
        desk.with(&x509, (&signs, 1));
        desk.without("verify -CAfile @ca.crt @leaf.crt");
        desk.with_some("verify -CAfile @ca.crt @leaf.crt", &format!("{kind}/verify"));
        // The same by way of `openssl ca`, with its database.
        fs::write(desk.path("index"), "").unwrap();
        fs::write(desk.path("serial"), "03\n").unwrap();
        let folder = desk.configuration.folder.display().to_string();
        let text = format!(
            "[ca]\ndefault_ca = here\n[here]\ndatabase = {folder}/index\nserial = {folder}/serial\nnew_certs_dir = \
             {folder}\ndefault_md = sha256\npolicy = any\ndefault_days = 2\n[any]\ncommonName = supplied\n"
        );
        fs::write(desk.path("ca.cnf"), text).unwrap();
        let ca =
            "ca -batch -notext -config @ca.cnf -cert @ca.crt -keyfile @ca.key -in @leaf.csr -out @leaf2.crt";
        desk.with(&format!("{ca} {sign}"), (&signs, 1));
        desk.without("verify -CAfile @ca.crt @leaf2.crt");
    }
}

fn assert_signs_and_encrypts_mail(openssl: &Openssl) {
    for (options, kind, decrypts) in
        [(RSA, "RSA", Some("RSA/decrypt")), ("-algorithm EC -pkeyopt ec_paramgen_curve:P-384", "ECDSA", None)]
    {
        let desk = Desk::new(openssl);
        desk.key("key", options);
        desk.without("req -config @req.cnf -x509 -new -key @key -subj /CN=mail -days 2 -sha256 -out @crt");
        let signs = format!("{kind}/sign");
        for command in ["cms", "smime"] {
            desk.with(
                &format!("{command} -sign -in @message -signer @crt -inkey @key -md sha256 -out @mail"),
                (&signs, 1),
            );
            desk.without(&format!("{command} -verify -in @mail -CAfile @crt -out @plain"));
            desk.without(&format!(
                "{command} -sign -in @message -signer @crt -inkey @key -md sha256 -out @mail"
            ));
            desk.with_some(
                &format!("{command} -verify -in @mail -CAfile @crt -out @plain"),
                &format!("{kind}/verify"),
            );
            let Some(decrypts) = decrypts else { continue };
            desk.with(
                &format!("{command} -encrypt -aes256 -in @message -out @mail @crt"),
                ("RSA/encrypt", 1),
            );
            desk.without(&format!("{command} -decrypt -in @mail -inkey @key -recip @crt -out @plain"));
            desk.without(&format!("{command} -encrypt -aes256 -in @message -out @mail @crt"));
            desk.with(
                &format!("{command} -decrypt -in @mail -inkey @key -recip @crt -out @plain"),
                (decrypts, 1),
            );
        }
    }
}

#[test]
fn keys_of_three_primes_work() {
    assert_keys_of_three_primes_work(&Openssl::system());
}

#[test]
fn certificates_and_requests_are_made_and_verified() {
    assert_makes_certificates(&Openssl::system());
}

#[test]
fn mail_is_signed_and_encrypted() {
    assert_signs_and_encrypts_mail(&Openssl::system());
}

/// What every release is asked, and ML-DSA, which that of this system may not have.
fn assert_all_but_mail(openssl: &Openssl) {
    assert_keys_of_three_primes_work(openssl);
    assert_certifies_with_ml_dsa(openssl);
    assert_makes_certificates(openssl);
}

#[test]
#[ignore = "needs OpenSSL 3.5, which .ci/applications unpacks"]
fn openssl_3_5_signs_encrypts_and_certifies_with_keys_of_the_provider() {
    assert_all_but_mail(&Openssl::next());
    assert_signs_and_encrypts_mail(&Openssl::next());
}

/// The command is built without CMS and S/MIME.
#[test]
#[ignore = "needs OpenSSL 4.0, which .ci/applications builds"]
fn openssl_4_signs_encrypts_and_certifies_with_keys_of_the_provider() {
    assert_all_but_mail(&Openssl::four());
}
