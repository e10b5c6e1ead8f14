//! TLS on a device that fails, stalls, resets and fills up: a connection fails cleanly or waits, and the
//! process lives.
//!
//! A rule of faults with `times` ends by itself, so the last word of each test is that connections work
//! again.

mod programs;

use serde_json::json;

use self::programs::applications::{self, From};
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
        let counters = Counters::of(&configuration, server.pid());
        counters.assert_add_up();
        assert_ne!(counters.pauses(), 0, "{program:?}, {keys:?}: {}", counters.0);
        assert_eq!(counters.at(&["in_flight"]), 0, "{program:?}, {keys:?}: {}", counters.0);
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
    assert_lives(&[("fault", "reset:every=50,times=20")], Expected::SomeFail);
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

/// Where no fd can be had, the operation is done without a pause.
#[test]
#[ignore = "needs haproxy"]
fn without_an_fd_operations_do_not_pause() {
    assert_lives(&[("fault", "fd_fail:every=3")], Expected::AllWhole);
}
