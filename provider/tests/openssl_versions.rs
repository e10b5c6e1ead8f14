//! The same file in OpenSSL 3.5 and 4.0, and how libssl itself differs.

mod programs;

use std::path::Path;
use std::process::Command;

use self::programs::applications::s_server;
use self::programs::clients::connect;
use self::programs::configuration::Configuration;
use self::programs::counters::Counters;
use self::programs::openssl::{
    Openssl, assert_ciphers_pause, assert_digests_pause, assert_same_ciphertexts, assert_same_digests, speed,
};
use self::programs::servers::{Server, free_port};
use self::programs::{command, compiled, fetched, succeeds};

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
    let counters = Counters::settled(&configuration, server.pid());
    counters.assert_add_up();
    assert!(counters.pauses() >= 20, "{}", counters.0);
}

/// What `alerts.c` says, in which no provider pauses but a callback: whether libssl resumes the job that
/// sends the alert of a failed handshake.
fn alerts(command: &mut Command) -> String {
    String::from_utf8(succeeds(command)).unwrap().trim().to_owned()
}

const RESUMED: &str = "resumed 1 waiting 0 calls 1";

#[test]
fn a_failed_connection_resumes_its_job() {
    let program = compiled("alerts.c", &["-lssl", "-lcrypto"]);
    assert_eq!(alerts(&mut command(&program)), RESUMED);
}

#[test]
#[ignore = "needs OpenSSL 3.5"]
fn a_failed_connection_resumes_its_job_in_3_5() {
    let program = compiled("alerts.c", &["-lssl", "-lcrypto"]);
    assert_eq!(alerts(command(fetched("next/run")).arg(&program)), RESUMED);
}

/// Every call refuses the connection first. Where this changes, the documentation's limit has gone, and
/// [`Openssl::resumes_after_failure`] and rule 11 of the example with it.
#[test]
#[ignore = "needs OpenSSL 4.0"]
fn a_failed_connection_never_resumes_its_job_in_4_0() {
    let folder = fetched("openssl-4").display().to_string();
    let (linked, loaded) = (format!("-L{folder}"), format!("-Wl,-rpath,{folder}"));
    let program = compiled("alerts.c", &[&linked, "-l:libssl.so.4", "-l:libcrypto.so.4", &loaded]);
    assert_eq!(alerts(&mut command(&program)), "resumed 0 waiting 1 calls 100");
}

/// The example's server ends every connection that fails in the middle, whether its job can be resumed or
/// not.
fn assert_the_example_ends_failed_connections(libraries: &[&str]) {
    const CONNECTIONS: u64 = 20;
    let configuration = Configuration::new("example");
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/async_tls");
    let program = configuration.folder.join("async_tls_server");
    let sources = ["server", "connection", "loop", "tls", "options"];
    let sources = sources.map(|source| folder.join(source).with_extension("c"));
    succeeds(command("cc").arg("-o").arg(&program).args(sources).args(libraries));
    let port = free_port();
    let mut example = configuration.program(&program);
    // The connection that finds out whether it listens counts, too.
    let serve = (CONNECTIONS + 1).to_string();
    example.args(["--port", &port.to_string(), "--serve", &serve]);
    let mut server = Server::start(&mut example, port, &configuration.folder.join("log"));
    connect(port, CONNECTIONS, serde_json::json!({ "talk": "garbage", "tls": "1.3" })).assert_no_failure();
    assert!(server.ended().success(), "{}", server.said());
    let said = server.said();
    assert!(said.contains(&format!("0 ended well, {} failed, 0 dropped", CONNECTIONS + 1)), "{said}");
    let counters = Counters::of(&configuration, server.pid());
    assert!(counters.pauses() > CONNECTIONS, "{}", counters.0);
}

#[test]
fn the_example_ends_failed_connections() {
    assert_the_example_ends_failed_connections(&["-lssl", "-lcrypto"]);
}

#[test]
#[ignore = "needs OpenSSL 4.0"]
fn the_example_ends_failed_connections_in_4_0() {
    let folder = fetched("openssl-4").display().to_string();
    let (linked, loaded) = (format!("-L{folder}"), format!("-Wl,-rpath,{folder}"));
    let libraries = [&linked, "-l:libssl.so.4", "-l:libcrypto.so.4", &loaded];
    assert_the_example_ends_failed_connections(&libraries);
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
