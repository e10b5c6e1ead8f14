//! The same file in OpenSSL 3.5 and 4.0.

mod programs;

use self::programs::applications::s_server;
use self::programs::clients::connect;
use self::programs::configuration::Configuration;
use self::programs::counters::Counters;
use self::programs::openssl::{
    Openssl, assert_ciphers_pause, assert_digests_pause, assert_same_ciphertexts, assert_same_digests, speed,
};
use self::programs::succeeds;

/// Lengths by chance, for each algorithm.
const BY_CHANCE: usize = 1;

#[track_caller]
fn assert_version(openssl: &Openssl, version: &str) {
    let said = String::from_utf8(succeeds(&mut openssl.without(&["version"]))).unwrap();
    assert!(said.starts_with(&format!("OpenSSL {version}.")), "{said}");
}

/// Handshakes and some data, in a server of one connection at a time.
fn assert_server_pauses(openssl: &Openssl, tls: &str) {
    let configuration = Configuration::new("s_server");
    let command = openssl.with(&configuration, &[]);
    let mut server = s_server(&configuration, command, &[]);
    let outcome = connect(server.port, 20, serde_json::json!({ "talk": "send", "tls": tls, "threads": 1 }));
    outcome.assert_no_failure();
    assert_eq!(outcome.whole, 20);
    server.assert_alive();
    let counters = Counters::of(&configuration, server.pid());
    counters.assert_add_up();
    assert!(counters.pauses() >= 20, "{}", counters.0);
}

#[test]
#[ignore = "needs OpenSSL 3.5"]
fn every_operation_pauses_once_in_3_5() {
    assert_version(&Openssl::next(), "3.5");
    assert_ciphers_pause(&Openssl::next());
    assert_digests_pause(&Openssl::next());
}

#[test]
#[ignore = "needs OpenSSL 3.5"]
fn the_bytes_are_the_same_in_3_5() {
    assert_same_ciphertexts(&Openssl::next(), BY_CHANCE);
    assert_same_digests(&Openssl::next(), BY_CHANCE);
}

#[test]
#[ignore = "needs OpenSSL 3.5"]
fn servers_pause_in_3_5() {
    assert_server_pauses(&Openssl::next(), "1.2");
    assert_server_pauses(&Openssl::next(), "1.3");
}

#[test]
#[ignore = "needs OpenSSL 4.0"]
fn every_operation_pauses_once_in_4_0() {
    assert_version(&Openssl::four(), "4.0");
    assert_ciphers_pause(&Openssl::four());
    assert_digests_pause(&Openssl::four());
}

#[test]
#[ignore = "needs OpenSSL 4.0"]
fn the_bytes_are_the_same_in_4_0() {
    assert_same_ciphertexts(&Openssl::four(), BY_CHANCE);
    assert_same_digests(&Openssl::four(), BY_CHANCE);
}

#[test]
#[ignore = "needs OpenSSL 4.0"]
fn servers_pause_in_4_0() {
    assert_server_pauses(&Openssl::four(), "1.2");
    assert_server_pauses(&Openssl::four(), "1.3");
}

/// libcrypto is inside of the program and not exported: its jobs cannot be paused, and the operations are
/// done.
#[test]
#[ignore = "needs OpenSSL 4.0"]
fn a_program_with_a_libcrypto_of_its_own_is_served_without_pausing() {
    assert_version(&Openssl::four_static(), "4.0");
    let configuration = Configuration::new("static");
    let answer =
        speed(&mut Openssl::four_static().with(&configuration, &["speed"]), "aes-128-cbc").succeeded();
    let counters = Counters::of(&configuration, answer.pid);
    counters.assert_none_paused();
    assert_same_digests(&Openssl::four_static(), BY_CHANCE);
}
