//! Private keys in TLS: `openssl s_server -async` with the provider, for every kind of certificate and every
//! group; resumption, certificates of clients, renegotiation.
//!
//! The client is the same release without the provider, and verifies the certificate and the signature. The
//! provider's counters have to name what the protocol says:
//!
//! | | a handshake has |
//! |---|---|
//! | TLS 1.3, TLS 1.2 ECDHE | a key and a secret of the group, and a signature of the certificate's key |
//! | TLS 1.3, ML-KEM | an encapsulated secret instead |
//! | TLS 1.2 RSA | a decryption by the certificate's key, and no signature |
//! | resumed | no signature; in TLS 1.3 a secret all the same |

mod programs;

use std::fs;

use self::programs::applications::s_server;
use self::programs::certificates::{Certificate, Kind};
use self::programs::configuration::Configuration;
use self::programs::counters::{Counters, Operations};
use self::programs::openssl::Openssl;
use self::programs::s_client::Client;
use self::programs::servers::Server;

const TLS: [&str; 2] = ["-tls1_2", "-tls1_3"];

/// Kinds of certificates of every release.
const KINDS: [Kind; 6] = [Kind::Rsa, Kind::RsaPss, Kind::P256, Kind::P384, Kind::P521, Kind::Ed25519];

/// Groups of every release.
const GROUPS: [&str; 4] = ["P-256", "P-384", "P-521", "X25519"];

/// The rows of the counters in which a server's handshake with this group has one operation each.
fn of_group(group: &str) -> &'static [&'static str] {
    match group {
        "X25519" => &["X25519/generate", "X25519/derive"],
        "X25519MLKEM768" => &["X25519MLKEM768/encapsulate"],
        "MLKEM768" => &["ML-KEM-768/encapsulate"],
        _ => &["EC/generate", "ECDH/derive"],
    }
}

/// A server's settings, and the rows in which each of its handshakes has one operation.
struct Case<'a> {
    kind: Kind,
    tls: &'a str,
    /// Of the server alone: a client of TLS 1.2 that has one group takes no other curve in a certificate.
    options: Vec<&'a str>,
    rows: Vec<&'a str>,
}

impl<'a> Case<'a> {
    fn new(kind: Kind, tls: &'a str, group: &'a str) -> Self {
        let rows = [of_group(group), &[kind.signatures()]].concat();
        Self { kind, tls, options: vec!["-groups", group], rows }
    }

    fn start(&self, openssl: &Openssl, configuration: &Configuration) -> Server {
        let options = [&[self.tls], self.options.as_slice()].concat();
        s_server(configuration, openssl.with(configuration, &[]), &options)
    }

    fn of_client(&self) -> Vec<&'a str> {
        // What clients do not offer by themselves.
        let asked = if self.options.contains(&"MLKEM768") { self.options.as_slice() } else { &[] };
        [&[self.tls], asked].concat()
    }

    /// Handshakes, each of which has paused in the operations of the rows, and in no others of private keys.
    fn assert_pauses(&self, openssl: &Openssl, connections: u64) {
        let configuration = Configuration::new("tls_keys").certificate(self.kind);
        let mut server = self.start(openssl, &configuration);
        for _ in 0..connections {
            Client::new(openssl, &server, &self.of_client()).succeeds();
        }
        server.assert_alive();
        let counters = Counters::settled(&configuration, server.pid());
        counters.assert_add_up();
        let found = operations_of_keys(&counters);
        let expected: Vec<_> =
            sorted(self.rows.iter().map(|row| ((*row).to_owned(), Operations::all_paused(connections))));
        assert_eq!(found, expected, "{} {:?} {:?}: {}", self.tls, self.kind, self.options, counters.0);
        fs::remove_dir_all(&configuration.folder).unwrap();
    }
}

fn sorted(rows: impl Iterator<Item = (String, Operations)>) -> Vec<(String, Operations)> {
    let mut rows: Vec<_> = rows.collect();
    rows.sort_by(|one, other| one.0.cmp(&other.0));
    rows
}

/// The rows of operations with private and public keys: their names have a slash.
fn operations_of_keys(counters: &Counters) -> Vec<(String, Operations)> {
    let all = counters.0["algorithms"].as_object().unwrap().keys();
    let of_keys = all.filter(|name| name.contains('/')).map(|name| (name.clone(), counters.row(name)));
    sorted(of_keys.filter(|(_, operations)| operations.all > 0))
}

/// Every kind of certificate with one group, and every group with one kind.
fn assert_all_pause(openssl: &Openssl, connections: u64) {
    for tls in TLS {
        for kind in KINDS {
            Case::new(kind, tls, "X25519").assert_pauses(openssl, connections);
        }
        for group in GROUPS {
            Case::new(Kind::P256, tls, group).assert_pauses(openssl, connections);
        }
    }
    let decryption = Case {
        kind: Kind::Rsa,
        tls: "-tls1_2",
        options: vec!["-cipher", "AES128-GCM-SHA256"],
        rows: vec!["RSA/decrypt"],
    };
    decryption.assert_pauses(openssl, connections);
}

/// A key that the device does not have signs and decrypts without a pause; the rest of the handshake pauses.
fn assert_keys_of_three_primes_do_not_pause(openssl: &Openssl) {
    const CONNECTIONS: u64 = 3;
    let kind = Kind::RsaOfThreePrimes;
    let decryption = Case {
        kind,
        tls: "-tls1_2",
        options: vec!["-cipher", "AES128-GCM-SHA256"],
        rows: vec!["RSA/decrypt"],
    };
    let signatures = TLS.map(|tls| Case::new(kind, tls, "X25519"));
    for case in signatures.into_iter().chain([decryption]) {
        let configuration = Configuration::new("three_primes").certificate(kind);
        let server = case.start(openssl, &configuration);
        for _ in 0..CONNECTIONS {
            Client::new(openssl, &server, &case.of_client()).succeeds();
        }
        let counters = Counters::settled(&configuration, server.pid());
        counters.assert_add_up();
        let expected = sorted(case.rows.iter().map(|row| {
            let pauses = if row.starts_with("RSA") { 0 } else { CONNECTIONS };
            ((*row).to_owned(), Operations { all: CONNECTIONS, pauses })
        }));
        assert_eq!(operations_of_keys(&counters), expected, "{} {:?}", case.tls, case.options);
        assert_eq!(counters.at(&["synchronous", "elsewhere"]), CONNECTIONS, "{}", counters.0);
        fs::remove_dir_all(&configuration.folder).unwrap();
    }
}

/// What OpenSSL has from 3.5 on.
fn assert_post_quantum_pauses(openssl: &Openssl, connections: u64) {
    for kind in [Kind::MlDsa44, Kind::MlDsa65] {
        Case::new(kind, "-tls1_3", "X25519").assert_pauses(openssl, connections);
    }
    for group in ["X25519MLKEM768", "MLKEM768"] {
        Case::new(Kind::P256, "-tls1_3", group).assert_pauses(openssl, connections);
    }
    // What is agreed on without a word.
    let default = Case {
        kind: Kind::Rsa,
        tls: "-tls1_3",
        options: vec![],
        rows: vec!["X25519MLKEM768/encapsulate", "RSA/sign"],
    };
    default.assert_pauses(openssl, connections);
}

/// A session that is resumed needs no signature.
fn assert_resumes(openssl: &Openssl) {
    for tls in TLS {
        let case = Case::new(Kind::P256, tls, "X25519");
        let configuration = Configuration::new("resumed").certificate(case.kind);
        let server = case.start(openssl, &configuration);
        let session = configuration.folder.join("session");
        Client::new(openssl, &server, &[tls]).keep_session(&session);
        let resuming = [tls, "-sess_in", session.to_str().unwrap()];
        for _ in 0..5 {
            let answer = Client::new(openssl, &server, &resuming).succeeds();
            assert!(answer.stdout().contains("Reused, TLSv"), "{}", answer.stdout());
        }
        let counters = Counters::settled(&configuration, server.pid());
        counters.assert_add_up();
        assert_eq!(counters.row("ECDSA/sign"), Operations::all_paused(1), "{tls}: {}", counters.0);
        let secrets = if tls == "-tls1_3" { 6 } else { 1 };
        assert_eq!(counters.row("X25519/derive"), Operations::all_paused(secrets), "{tls}: {}", counters.0);
    }
}

/// The server verifies the client's signature, on the device, too.
fn assert_verifies_clients(openssl: &Openssl, kinds: &[Kind]) {
    for (tls, &kind) in TLS.iter().flat_map(|tls| kinds.iter().map(move |kind| (tls, kind))) {
        if kind == Kind::MlDsa65 && *tls == "-tls1_2" {
            continue; // TLS 1.3 alone has it
        }
        let mut configuration = Configuration::new("clients").certificate(kind);
        if !openssl.resumes_after_failure() {
            configuration = configuration.key("async_min_bytes", "16"); // an alert does not pause
        }
        let of_client = Certificate::new(&configuration.folder, kind);
        let file = |path: &std::path::Path| path.to_str().unwrap().to_owned();
        let (certificate, key) = (file(&of_client.certificate), file(&of_client.key));
        let mut case = Case::new(kind, tls, "X25519");
        // Of the groups of TLS 1.2 are the curves of certificates.
        case.options = vec!["-groups", "X25519:P-256:P-384:P-521"];
        case.options.extend(["-Verify", "1", "-verify_return_error", "-CAfile", &certificate]);
        let server = case.start(openssl, &configuration);
        for _ in 0..3 {
            Client::new(openssl, &server, &[tls, "-cert", &certificate, "-key", &key]).succeeds();
        }
        let counters = Counters::settled(&configuration, server.pid());
        counters.assert_add_up();
        assert_eq!(counters.row(kind.signatures()), Operations::all_paused(3), "{kind:?}: {}", counters.0);
        let verified = kind.signatures().replace("/sign", "/verify");
        assert_eq!(counters.row(&verified).all, 3, "{tls} {kind:?}: {}", counters.0);
        // One without a certificate is not let in: in TLS 1.3 it learns that when it reads.
        Client::new(openssl, &server, &[tls]).attempt();
        let after = Counters::settled(&configuration, server.pid());
        assert_eq!(after.row(&verified), counters.row(&verified), "{tls} {kind:?}: {}", after.0);
        assert!(server.said().contains("peer did not return a certificate"), "{}", server.said());
    }
}

/// A second handshake within a connection of TLS 1.2 pauses as the first one.
fn assert_renegotiates(openssl: &Openssl) {
    for kind in [Kind::Rsa, Kind::P256] {
        let mut case = Case::new(kind, "-tls1_2", "X25519");
        case.options.push("-client_renegotiation");
        let configuration = Configuration::new("renegotiated").certificate(kind);
        let server = case.start(openssl, &configuration);
        let mut talk = Client::new(openssl, &server, &["-tls1_2"]).begin();
        talk.until("Verify return code: 0 (ok)");
        talk.say("R");
        talk.until("RENEGOTIATING");
        talk.say("a line");
        while !server.said().contains("a line") {
            std::thread::yield_now();
        }
        talk.end();
        let counters = Counters::settled(&configuration, server.pid());
        counters.assert_add_up();
        for row in case.rows {
            assert_eq!(counters.row(row), Operations::all_paused(2), "{kind:?}: {}", counters.0);
        }
    }
}

#[test]
fn every_kind_of_certificate_and_every_group_pauses() {
    assert_all_pause(&Openssl::system(), 2);
}

#[test]
fn a_key_of_three_primes_does_not_pause() {
    assert_keys_of_three_primes_do_not_pause(&Openssl::system());
}

#[test]
fn a_resumed_session_needs_no_signature() {
    assert_resumes(&Openssl::system());
}

#[test]
fn signatures_of_clients_are_verified() {
    assert_verifies_clients(&Openssl::system(), &KINDS);
}

#[test]
fn a_renegotiated_handshake_pauses_as_the_first() {
    assert_renegotiates(&Openssl::system());
}

#[test]
#[ignore = "hundreds of connections"]
fn hundreds_of_handshakes_pause() {
    assert_all_pause(&Openssl::system(), 25);
}

fn assert_all(openssl: &Openssl) {
    assert_all_pause(openssl, 10);
    assert_post_quantum_pauses(openssl, 10);
    assert_keys_of_three_primes_do_not_pause(openssl);
    assert_resumes(openssl);
    assert_verifies_clients(openssl, &[KINDS.as_slice(), &[Kind::MlDsa65]].concat());
    assert_renegotiates(openssl);
}

#[test]
#[ignore = "needs OpenSSL 3.5"]
fn all_of_it_in_3_5() {
    assert_all(&Openssl::next());
}

#[test]
#[ignore = "needs OpenSSL 4.0"]
fn all_of_it_in_4_0() {
    assert_all(&Openssl::four());
}
