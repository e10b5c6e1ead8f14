//! TLS on a device that fails, stalls, resets and fills up: a connection fails cleanly or waits, and the
//! process lives.
//!
//! A rule of faults with `times` ends by itself, so the last word of each test is that connections work
//! again.

mod programs;

use serde_json::json;

use self::programs::applications::{self, From};
use self::programs::certificates::Kind;
use self::programs::clients::{Outcome, connect};
use self::programs::configuration::Configuration;
use self::programs::counters::Counters;
use self::programs::openssl::Openssl;
use self::programs::servers::Server;

/// A server that pauses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Program {
    Haproxy,
    OpensslServer,
}

const PROGRAMS: [Program; 2] = [Program::Haproxy, Program::OpensslServer];

impl Program {
    fn start(self, configuration: &Configuration) -> Server {
        match self {
            Self::Haproxy => applications::haproxy(configuration, From::System),
            Self::OpensslServer => {
                let openssl = Openssl::system().with(configuration, &[]);
                applications::s_server(configuration, openssl, &[])
            }
        }
    }

    fn connect(self, server: &Server, connections: u64) -> Outcome {
        match self {
            Self::Haproxy => connect(server.port, connections, json!({ "talk": "http" })),
            Self::OpensslServer => {
                connect(server.port, connections, json!({ "talk": "send", "lines": 100, "threads": 1 }))
            }
        }
    }
}

/// What connections do on a device with this trouble.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Expected {
    /// They wait or do not notice.
    AllWhole,
    /// Some fail, until the rule has ended.
    SomeFail,
}

fn assert_lives(keys: &[(&str, &str)], expected: Expected) {
    for program in PROGRAMS {
        let configuration =
            keys.iter().fold(Configuration::new("faults"), |made, (key, value)| made.key(key, value));
        let mut server = program.start(&configuration);
        let outcome = program.connect(&server, 100);
        match expected {
            Expected::AllWhole => outcome.assert_no_failure(),
            Expected::SomeFail => {
                assert!(!outcome.failures.is_empty(), "{program:?}, {keys:?}: nothing has failed");
            }
        }
        // A hundred connections have met every fault of the rule, and these meet none.
        let outcome = program.connect(&server, 20);
        outcome.assert_no_failure();
        server.assert_alive();
        let counters = Counters::settled(&configuration, server.pid());
        counters.assert_add_up();
        assert_ne!(counters.pauses(), 0, "{program:?}, {keys:?}: {}", counters.0);
    }
}

#[test]
#[ignore = "needs haproxy"]
fn operations_that_fail_fail_their_connections() {
    assert_lives(&[("fault", "fail:every=25,times=40")], Expected::SomeFail);
}

#[test]
#[ignore = "needs haproxy"]
fn results_that_are_wrong_fail_their_connections() {
    assert_lives(&[("fault", "corrupt:every=25,times=40")], Expected::SomeFail);
}

#[test]
#[ignore = "needs haproxy"]
fn failures_that_are_tried_again_are_not_noticed() {
    assert_lives(&[("fault", "fail:every=25"), ("max_retries", "3")], Expected::AllWhole);
}

#[test]
#[ignore = "needs haproxy"]
fn a_device_that_stalls_is_waited_for() {
    assert_lives(&[("fault", "stall:nsec=2000000,every=50")], Expected::AllWhole);
}

#[test]
#[ignore = "needs haproxy"]
fn a_device_that_resets_fails_what_is_in_flight() {
    assert_lives(&[("fault", "reset:every=50,times=10")], Expected::SomeFail);
}

#[test]
#[ignore = "needs haproxy"]
fn a_reset_with_another_try_is_not_noticed() {
    assert_lives(&[("fault", "reset:every=50"), ("max_retries", "5")], Expected::AllWhole);
}

#[test]
#[ignore = "needs haproxy"]
fn a_device_that_is_full_is_waited_for() {
    assert_lives(&[("depth", "2"), ("queue_pairs", "1"), ("completion_nsec", "50000")], Expected::AllWhole);
    assert_lives(&[("fault", "busy:every=3")], Expected::AllWhole);
}

#[test]
#[ignore = "needs haproxy"]
fn requests_that_never_end_are_taken_back() {
    assert_lives(&[("fault", "timeout:every=40,times=10"), ("timeout_msec", "500")], Expected::SomeFail);
}

#[test]
#[ignore = "needs haproxy"]
fn software_stands_in_for_a_dead_device() {
    assert_lives(&[("fault", "dead:nth=100"), ("fallback", "on")], Expected::AllWhole);
}

/// Each way that a signature can go wrong, on servers with keys of RSA and of ECDSA: so many of a hundred
/// connections fail, each for this reason, and no other does.
fn assert_fail(keys: &[(&str, &str)], expected: usize, reason: impl Fn(&str) -> bool) {
    for (program, kind) in PROGRAMS.into_iter().flat_map(|program| KINDS.map(|kind| (program, kind))) {
        let configuration = signing(keys, kind);
        let mut server = program.start(&configuration);
        let failures = program.connect(&server, 100).failures;
        assert_eq!(failures.len(), expected, "{program:?}, {kind:?}, {keys:?}: {failures:#?}");
        assert!(failures.iter().all(|failure| reason(failure)), "{program:?}, {kind:?}: {failures:#?}");
        program.connect(&server, 20).assert_no_failure();
        server.assert_alive();
        let counters = Counters::settled(&configuration, server.pid());
        counters.assert_add_up();
        let signatures = counters.row(kind.signatures());
        assert_eq!(signatures.all, 120, "{program:?}, {kind:?}, {keys:?}: {}", counters.0);
    }
}

const KINDS: [Kind; 2] = [Kind::Rsa, Kind::P256];

fn signing(keys: &[(&str, &str)], kind: Kind) -> Configuration {
    let configuration = Configuration::new("faults-sign").key("algorithms", "private-keys").certificate(kind);
    keys.iter().fold(configuration, |made, (key, value)| made.key(key, value))
}

#[test]
#[ignore = "needs haproxy"]
fn signatures_that_fail_fail_their_connections_alone() {
    assert_fail(&[("fault", "fail:op=sign,every=4,times=10")], 10, |_| true);
}

/// The client finds that the signature is wrong.
#[test]
#[ignore = "needs haproxy"]
fn a_wrong_signature_is_found_by_the_peer_and_ends_its_connection_alone() {
    let found = |failure: &str| {
        let failure = failure.to_lowercase();
        failure.contains("signature") || failure.contains("asn1")
    };
    assert_fail(&[("fault", "corrupt:op=sign,every=4,times=10")], 10, found);
}

#[test]
#[ignore = "needs haproxy"]
fn signatures_that_never_come_fail_their_connections_alone() {
    let keys = [("fault", "timeout:op=sign,every=10,times=5"), ("timeout_msec", "500")];
    assert_fail(&keys, 5, |_| true);
}

#[test]
#[ignore = "needs haproxy"]
fn signatures_that_are_tried_again_fail_no_connection() {
    let keys = [("fault", "fail:op=sign,every=4"), ("max_retries", "3")];
    assert_fail(&keys, 0, |_| true);
}

#[test]
#[ignore = "needs haproxy"]
fn software_signs_when_the_device_has_died() {
    assert_fail(&[("fault", "dead:op=sign,nth=30"), ("fallback", "on")], 0, |_| true);
}

/// Whatever is in flight is lost with the device that resets, which goes on.
#[test]
#[ignore = "needs haproxy"]
fn a_reset_in_a_signature_fails_what_is_in_flight() {
    let keys = [("algorithms", "private-keys"), ("fault", "reset:op=sign,every=20,times=3")];
    assert_lives(&keys, Expected::SomeFail);
}

/// Without software in its place every connection fails from then on, and the server goes on refusing.
#[test]
#[ignore = "needs haproxy"]
fn without_a_device_no_handshake_is_made_and_the_server_lives() {
    for program in PROGRAMS {
        let configuration = signing(&[("fault", "dead:op=sign,nth=30")], Kind::P256);
        let mut server = program.start(&configuration);
        let outcome = program.connect(&server, 100);
        assert!(outcome.whole < 30, "{program:?}: {outcome:?}");
        assert_eq!(program.connect(&server, 20).whole, 0, "{program:?}");
        server.assert_alive();
        Counters::settled(&configuration, server.pid()).assert_add_up();
    }
}

/// Where no fd can be had, the operation is done without a pause.
#[test]
#[ignore = "needs haproxy"]
fn without_an_fd_operations_do_not_pause() {
    assert_lives(&[("fault", "fd_fail:every=3")], Expected::AllWhole);
}
