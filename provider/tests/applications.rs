//! Servers and clients as people run them, with the provider in them: those that pause, and those that do not
//! know how.
//!
//! `.ci/applications` gets the programs.

mod programs;

use std::fs;

use serde_json::json;

use self::programs::applications::{self, From};
use self::programs::certificates::Kind;
use self::programs::clients::{Outcome, connect};
use self::programs::configuration::Configuration;
use self::programs::counters::{Counters, Operations};
use self::programs::servers::Server;
use self::programs::{run, succeeds};

/// Connections of a run; every third is dropped in the middle of its handshake.
const CONNECTIONS: u64 = 1_000;
const DROP_EVERY: u64 = 3;

/// Memory that a server itself keeps, in bytes.
#[derive(Clone, Copy, Default)]
struct Leak {
    of_each_connection: u64,
    of_each_drop: u64,
}

/// What libcrypto keeps of a job that is never resumed: its stack, and a part of a handshake.
const A_JOB: u64 = 100_000;

/// HAProxy frees a connection that is reset with its job paused, and never resumes the job.
const HAPROXY: Leak = Leak { of_each_connection: 0, of_each_drop: A_JOB };

/// dnsdist leaves one job of each connection paused.
const DNSDIST: Leak = Leak { of_each_connection: A_JOB, of_each_drop: A_JOB };

const TRAFFIC_SERVER: Leak = Leak { of_each_connection: 0, of_each_drop: 0 };

/// What an allocator and caches take by and by: less than 16 KiB a connection, so that a job for each would
/// be seen.
const SLACK: u64 = 16_000_000;

/// Hundreds of handshakes and drops: no connection fails, no fd stays, memory is flat but for the server's
/// own leaks, every pause is accounted for.
fn assert_survives_drops(
    configuration: &Configuration,
    mut server: Server,
    talk: &serde_json::Value,
    leak: Leak,
) {
    // What a server opens once is open after this.
    let mut with_drops = talk.clone();
    with_drops["drop_every"] = json!(DROP_EVERY);
    connect(server.port, 50, with_drops.clone()).assert_no_failure();
    let mut before = settled_fds(&server, talk, usize::MAX);
    let resident = server.resident();

    let Outcome { whole, dropped, .. } = {
        let outcome = connect(server.port, CONNECTIONS, with_drops);
        outcome.assert_no_failure();
        outcome
    };
    assert_eq!((whole, dropped), (CONNECTIONS - CONNECTIONS / DROP_EVERY, CONNECTIONS / DROP_EVERY));
    server.assert_alive();
    // One of the server's own may have been closed at first.
    before += 1;
    let after = settled_fds(&server, talk, before);
    assert!(after <= before, "{before} fds before, {after} after");
    let grown = server.resident().saturating_sub(resident);
    let allowed = leak.of_each_connection * whole + leak.of_each_drop * dropped + SLACK;
    assert!(grown <= allowed, "{grown} bytes more than before, {allowed} are allowed");

    let counters = Counters::settled(configuration, server.pid());
    counters.assert_add_up();
    assert!(counters.pauses() > whole, "{}", counters.0);
    let signatures = counters.row(configuration.certificate.signatures());
    assert!(signatures.all > whole, "{}", counters.0);
    assert_eq!(signatures.pauses, signatures.all, "{}", counters.0);
}

/// Fds of a server after some quiet connections; as many more as it takes to see `wanted` or fewer, up to a
/// hundred.
fn settled_fds(server: &Server, talk: &serde_json::Value, wanted: usize) -> usize {
    let mut fds = usize::MAX;
    for _ in 0..100 {
        connect(server.port, 1, talk.clone()).assert_no_failure();
        fds = fds.min(server.fds());
        if fds <= wanted {
            break;
        }
    }
    fds
}

fn http(tls: &str) -> serde_json::Value {
    json!({ "talk": "http", "tls": tls })
}

#[test]
#[ignore = "needs haproxy"]
fn haproxy_survives_dropped_handshakes_with_tls_1_3() {
    let configuration = Configuration::new("haproxy-1.3");
    let server = applications::haproxy(&configuration, From::System);
    assert_survives_drops(&configuration, server, &http("1.3"), HAPROXY);
}

#[test]
#[ignore = "needs haproxy"]
fn haproxy_survives_dropped_handshakes_with_tls_1_2() {
    let configuration = Configuration::new("haproxy-1.2");
    let server = applications::haproxy(&configuration, From::System);
    assert_survives_drops(&configuration, server, &http("1.2"), HAPROXY);
}

/// Operations that take their time overlap, and connections are dropped while theirs are in flight.
#[test]
#[ignore = "needs haproxy"]
fn haproxy_survives_dropped_handshakes_on_a_slow_device() {
    let configuration = Configuration::new("haproxy-slow").key("completion_nsec", "300000");
    let server = applications::haproxy(&configuration, From::System);
    assert_survives_drops(&configuration, server, &http("1.3"), HAPROXY);
}

#[test]
#[ignore = "needs haproxy 3.0"]
fn haproxy_3_0_survives_dropped_handshakes() {
    let configuration = Configuration::new("haproxy-3.0");
    let server = applications::haproxy(&configuration, From::Next);
    assert_survives_drops(&configuration, server, &http("1.3"), HAPROXY);
}

/// Private keys of ECDSA are all that pauses.
fn ecdsa_alone(name: &str) -> Configuration {
    Configuration::new(name).key("algorithms", "private-keys").certificate(Kind::P256)
}

#[test]
#[ignore = "needs haproxy"]
fn haproxy_survives_dropped_handshakes_with_ecdsa() {
    let configuration = ecdsa_alone("haproxy-ecdsa");
    let server = applications::haproxy(&configuration, From::System);
    assert_survives_drops(&configuration, server, &http("1.3"), HAPROXY);
}

#[test]
#[ignore = "needs haproxy 3.0"]
fn haproxy_3_0_survives_dropped_handshakes_with_ecdsa() {
    let configuration = ecdsa_alone("haproxy-3.0-ecdsa");
    let server = applications::haproxy(&configuration, From::Next);
    assert_survives_drops(&configuration, server, &http("1.2"), HAPROXY);
}

/// A session that is resumed needs no signature.
#[test]
#[ignore = "needs haproxy"]
fn haproxy_resumes_sessions() {
    for tls in ["1.2", "1.3"] {
        let configuration = ecdsa_alone("haproxy-resumed");
        let server = applications::haproxy(&configuration, From::System);
        let talk = json!({ "talk": "http", "tls": tls, "threads": 2, "resume": true });
        let outcome = connect(server.port, 100, talk);
        outcome.assert_no_failure();
        assert_eq!((outcome.whole, outcome.resumed), (100, 98), "{tls}");
        let counters = Counters::settled(&configuration, server.pid());
        counters.assert_add_up();
        assert_eq!(counters.row("ECDSA/sign"), Operations::all_paused(2), "{tls}: {}", counters.0);
    }
}

/// Handshakes that the server gives up: their signatures take longer than it waits.
const TOO_SLOW: u64 = 80;

/// Seconds that a server waits.
const PATIENCE: u32 = 2;

fn too_slow(name: &str) -> Configuration {
    // Some before them are not slow.
    ecdsa_alone(name).key("fault", &format!("delay:op=sign,nsec=5000000000,after=20,times={TOO_SLOW}"))
}

/// A server that gives up handshakes whose operation is on its way: the process lives, has its fds back, and
/// serves the next connections.
fn assert_survives_timeouts(configuration: &Configuration, mut server: Server, talk: &serde_json::Value) {
    connect(server.port, 20, talk.clone()).assert_no_failure();
    let before = server.fds() + 1; // one of the server's own
    let mut at_once = talk.clone();
    at_once["threads"] = json!(TOO_SLOW);
    let slow = connect(server.port, TOO_SLOW, at_once.clone());
    assert_ne!(slow.failures.len(), 0, "no signature was slow");
    // One that was given up before its signature has left a slow one to a later connection.
    while !connect(server.port, TOO_SLOW, at_once.clone()).failures.is_empty() {
        server.assert_alive();
    }
    let counters = Counters::settled(configuration, server.pid());
    counters.assert_add_up();
    assert!(counters.row("ECDSA/sign").pauses >= 20 + 2 * TOO_SLOW, "{}", counters.0);
    let after = settled_fds(&server, talk, before);
    assert!(after <= before, "{before} fds before, {after} after");
}

#[test]
#[ignore = "needs haproxy"]
fn haproxy_gives_up_handshakes_that_take_too_long() {
    let configuration = too_slow("haproxy-timeout");
    let server = applications::patient_haproxy(&configuration, From::System, PATIENCE);
    assert_survives_timeouts(&configuration, server, &http("1.3"));
}

#[test]
#[ignore = "needs trafficserver"]
fn traffic_server_gives_up_handshakes_that_take_too_long() {
    let configuration = too_slow("trafficserver-timeout");
    let server = applications::patient_traffic_server(&configuration, PATIENCE);
    assert_survives_timeouts(&configuration, server, &json!({ "talk": "http", "tls": "1.3", "status": 404 }));
}

/// Digests that do not pause, as Traffic Server needs it for TLS 1.3. Its server sends its flight and goes on
/// with digests; what the client then sends may come while one of them is paused. Traffic Server takes that
/// event for the operation's, and never looks at the socket again: the connection hangs until it is idle for
/// too long.
const WITHOUT_DIGESTS: &str = "AES-256-CTR,AES-256-ECB,SHA2-224,SHA2-256,SHA2-384,SHA2-512";

#[test]
#[ignore = "needs trafficserver"]
fn traffic_server_survives_dropped_handshakes_with_tls_1_2() {
    let configuration = Configuration::new("trafficserver-1.2");
    let server = applications::traffic_server(&configuration);
    let talk = json!({ "talk": "http", "tls": "1.2", "status": 404 });
    assert_survives_drops(&configuration, server, &talk, TRAFFIC_SERVER);
}

#[test]
#[ignore = "needs trafficserver"]
fn traffic_server_survives_dropped_handshakes_with_tls_1_3() {
    let configuration = Configuration::new("trafficserver-1.3").key("never_pause", WITHOUT_DIGESTS);
    let server = applications::traffic_server(&configuration);
    let talk = json!({ "talk": "http", "tls": "1.3", "status": 404 });
    assert_survives_drops(&configuration, server, &talk, TRAFFIC_SERVER);
}

/// Where private keys alone pause, TLS 1.3 needs no list of what does not.
#[test]
#[ignore = "needs trafficserver"]
fn traffic_server_survives_dropped_handshakes_with_ecdsa() {
    let configuration = ecdsa_alone("trafficserver-ecdsa");
    let server = applications::traffic_server(&configuration);
    let talk = json!({ "talk": "http", "tls": "1.3", "status": 404 });
    assert_survives_drops(&configuration, server, &talk, TRAFFIC_SERVER);
}

#[test]
#[ignore = "needs dnsdist"]
fn dnsdist_survives_dropped_handshakes_with_ecdsa() {
    let configuration = ecdsa_alone("dnsdist-ecdsa");
    let server = applications::dnsdist(&configuration);
    assert_survives_drops(&configuration, server, &json!({ "talk": "dns" }), DNSDIST);
}

#[test]
#[ignore = "needs dnsdist"]
fn dnsdist_survives_dropped_handshakes() {
    let configuration = Configuration::new("dnsdist");
    let server = applications::dnsdist(&configuration);
    assert_survives_drops(&configuration, server, &json!({ "talk": "dns" }), DNSDIST);
}

/// A connection's records pause, too. Each query that is answered was one record that came and one that went;
/// what a connection does after its last answer may or may not be counted when the client has gone.
#[test]
#[ignore = "needs dnsdist"]
fn dnsdist_pauses_for_data() {
    const QUERIES: u64 = 100;
    let configuration = Configuration::new("dnsdist-data");
    let server = applications::dnsdist(&configuration);
    let records = || Counters::of(&configuration, server.pid()).row("AES-256-GCM").pauses;
    connect(server.port, 1, json!({ "talk": "dns", "queries": 1 })).assert_no_failure();
    let handshake_and_one = records();
    assert!(handshake_and_one < 2 * QUERIES, "{handshake_and_one}");
    connect(server.port, 1, json!({ "talk": "dns", "queries": QUERIES })).assert_no_failure();
    let pauses = records() - handshake_and_one;
    assert!(pauses >= 2 * QUERIES, "{pauses} pauses for {QUERIES} queries");
}

/// Bytes that no compression and no accident makes.
fn body() -> Vec<u8> {
    (0..3_000_000_u32).map(|index| index.wrapping_mul(2_654_435_761).to_le_bytes()[3]).collect()
}

/// The workers are forked after the provider has been loaded, with an empty environment.
#[test]
#[ignore = "needs nginx and curl"]
fn nginx_workers_use_it_without_pausing() {
    let configuration = Configuration::new("nginx");
    let mut server = applications::nginx(&configuration, &body());
    let workers = server.workers();
    assert_eq!(workers.len(), 2);
    // A connection goes to the worker that takes it first.
    let mut counted = 0;
    for tls in ["1.2", "1.3"] {
        connect(server.port, 200, http(tls)).assert_no_failure();
        assert_eq!(fetch(&Configuration::new("curl"), &server, "/file"), body());
    }
    for worker in workers {
        let file = configuration.counters_file(worker);
        if file.exists() {
            let counters = Counters::settled_in(&file);
            counters.assert_none_paused();
            counted += counters.operations();
        }
    }
    assert!(counted > 400, "{counted} operations for 402 connections");
    server.assert_alive();
}

/// What curl fetches with a configuration, which it has to use.
fn fetch(configuration: &Configuration, server: &Server, path: &str) -> Vec<u8> {
    let mut curl = configuration.program("curl");
    curl.args(["--silent", "--show-error", "--fail", "--insecure", "--noproxy", "*"]);
    let answer = run(curl.arg(format!("https://127.0.0.1:{}{path}", server.port))).succeeded();
    Counters::of(configuration, answer.pid).assert_none_paused();
    answer.output.stdout
}

#[test]
#[ignore = "needs stunnel"]
fn stunnel_uses_it_without_pausing() {
    let configuration = Configuration::new("stunnel");
    let mut server = applications::stunnel(&configuration);
    for tls in ["1.2", "1.3"] {
        connect(server.port, 100, http(tls)).assert_no_failure();
    }
    server.assert_alive();
    let counters = Counters::settled(&configuration, server.pid());
    counters.assert_none_paused();
    assert!(counters.operations() > 200, "{}", counters.0);
}

/// `hashlib` and `ssl` in one process: digests of three ways to split a message, and a page by TLS.
const PYTHON: &str = "
import hashlib, ssl, sys, urllib.request
data = bytes(range(256)) * 1000
for name in ('sha224', 'sha256', 'sha384', 'sha512'):
    made = hashlib.new(name)
    for start in range(0, len(data), 7919):
        made.update(data[start:start + 7919])
    copy = made.copy()
    print(name, made.hexdigest(), copy.hexdigest())
unverified = ssl._create_unverified_context()
opener = urllib.request.build_opener(
    urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=unverified))
body = opener.open('https://127.0.0.1:%s/file' % sys.argv[1]).read()
print(hashlib.sha256(body).hexdigest(), len(body))
";

#[test]
#[ignore = "needs nginx and python3"]
fn python_uses_it_without_pausing() {
    let server = applications::nginx(&Configuration::new("nginx-for-python"), &body());
    let port = server.port.to_string();
    let configuration = Configuration::new("python");
    let answer = run(configuration.program("python3").args(["-c", PYTHON, &port])).succeeded();
    let alone = succeeds(programs::command("python3").args(["-c", PYTHON, &port]));
    assert_eq!(answer.stdout(), String::from_utf8(alone).unwrap());
    let counters = Counters::of(&configuration, answer.pid);
    counters.assert_none_paused();
    // Five digests, some of many updates, and the records of three million bytes.
    assert!(counters.at(&["bytes"]) > 3_000_000 + 4 * 256_000, "{}", counters.0);
    fs::remove_dir_all(configuration.folder).unwrap();
}
