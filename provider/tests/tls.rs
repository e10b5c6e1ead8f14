//! TLS of the system's openssl command: `s_server -async` with the provider, `s_client` without it, and bytes
//! in both directions.

mod programs;

use std::fs;
use std::io::{Read, Write};
use std::process::{Child, Command, Stdio};
use std::thread::{self, sleep};
use std::time::Duration;

use programs::certificates::{Certificate, Kind};
use programs::command;
use programs::configuration::Configuration;
use programs::counters::Counters;
use programs::openssl::{done, speed};
use programs::servers::free_port;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha12Rng;

/// A way to protect records, and which of our algorithms does it.
struct Suite {
    options: &'static [&'static str],
    cipher: &'static str,
}

const SUITES: [Suite; 7] = [
    Suite { options: &["-tls1_3", "-ciphersuites", "TLS_AES_256_GCM_SHA384"], cipher: "AES-256-GCM" },
    Suite { options: &["-tls1_3", "-ciphersuites", "TLS_AES_128_GCM_SHA256"], cipher: "AES-128-GCM" },
    Suite { options: &["-tls1_2", "-cipher", "ECDHE-RSA-AES256-GCM-SHA384"], cipher: "AES-256-GCM" },
    Suite { options: &["-tls1_2", "-cipher", "ECDHE-RSA-AES128-GCM-SHA256"], cipher: "AES-128-GCM" },
    // Encrypt-then-mac.
    Suite { options: &["-tls1_2", "-cipher", "ECDHE-RSA-AES256-SHA384"], cipher: "AES-256-CBC" },
    Suite { options: &["-tls1_2", "-cipher", "ECDHE-RSA-AES128-SHA256"], cipher: "AES-128-CBC" },
    // MAC-then-encrypt; with SHA-256 libssl takes a cipher that the default provider alone has.
    Suite { options: &["-tls1_2", "-no_etm", "-cipher", "ECDHE-RSA-AES256-SHA384"], cipher: "AES-256-CBC" },
];

/// A server for so many connections, with its input and output in the test's hands.
struct Server {
    child: Child,
    port: u16,
}

impl Server {
    fn start(mut command: Command, suite: &Suite, connections: u64, configuration: &Configuration) -> Self {
        let certificate = Certificate::new(&configuration.folder, Kind::Rsa);
        let port = free_port();
        command.args(["-async", "-quiet", "-accept", &format!("127.0.0.1:{port}")]);
        command.args(["-naccept", &connections.to_string()]).args(suite.options);
        command.arg("-key").arg(certificate.key).arg("-cert").arg(certificate.certificate);
        let child = piped(command);
        let mut server = Self { child, port };
        while !listens(port) {
            assert_eq!(server.child.try_wait().unwrap(), None, "the server has ended");
            sleep(Duration::from_millis(5));
        }
        server
    }

    /// One session: bytes go both ways at once, and arrive.
    fn session(&mut self, random: &mut ChaCha12Rng, most: usize) {
        let mut message = || -> Vec<u8> {
            let length = random.random_range(0..most);
            (0..length).map(|_| random.random()).collect()
        };
        let (up, down) = (message(), message());
        let mut client = command("openssl");
        client.args(["s_client", "-quiet", "-no_ign_eof", "-nocommands", "-connect"]);
        let mut client = piped({
            client.arg(format!("127.0.0.1:{}", self.port));
            client
        });
        let mut to_client = client.stdin.take().unwrap();
        let from_client = client.stdout.as_mut().unwrap();
        let (to_server, from_server) =
            (self.child.stdin.as_mut().unwrap(), self.child.stdout.as_mut().unwrap());
        thread::scope(|scope| {
            scope.spawn(|| to_client.write_all(&up).unwrap());
            scope.spawn(|| to_server.write_all(&down).unwrap());
            let arrives_below = scope.spawn(|| read(from_client, down.len()));
            assert!(read(from_server, up.len()) == up, "{} bytes to the server", up.len());
            assert!(arrives_below.join().unwrap() == down, "{} bytes to the client", down.len());
        });
        drop(to_client);
        assert!(client.wait().unwrap().success());
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn piped(mut command: Command) -> Child {
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap()
}

fn read(from: &mut impl Read, len: usize) -> Vec<u8> {
    let mut bytes = vec![0; len];
    from.read_exact(&mut bytes).unwrap_or_else(|error| panic!("{len} bytes: {error}"));
    bytes
}

/// Whether something accepts connections there. A connection to try it would be one of the server's.
fn listens(port: u16) -> bool {
    let address = format!("0100007F:{port:04X} 00000000:0000 0A");
    fs::read_to_string("/proc/net/tcp").unwrap().contains(&address)
}

/// Sessions of a suite, and what the server has counted.
fn sessions(suite: &Suite, connections: u64, most: usize, configuration: &Configuration) -> Counters {
    let mut server = Server::start(configuration.openssl(&["s_server"]), suite, connections, configuration);
    let mut random = ChaCha12Rng::seed_from_u64(connections);
    for _ in 0..connections {
        server.session(&mut random, most);
    }
    assert!(server.child.wait().unwrap().success());
    Counters::of(configuration, server.child.id())
}

/// Data arrive, and the operations on records pause and go on.
fn assert_works(connections: u64, most: usize) {
    for suite in &SUITES {
        let counters = sessions(suite, connections, most, &Configuration::new("s_server"));
        counters.assert_add_up();
        assert_eq!(counters.resumes(), counters.pauses(), "{}", counters.0);
        assert_eq!(counters.at(&["in_flight"]), 0, "{}", counters.0);
        let of_records = |what: &[&str]| counters.at(&[&["algorithms", suite.cipher], what].concat());
        // At least the two finished messages of each connection.
        assert!(of_records(&["pauses"]) >= 2 * connections, "{:?}: {}", suite.options, counters.0);
        assert_eq!(of_records(&["synchronous", "total"]), 0, "{:?}: {}", suite.options, counters.0);
        assert_eq!(of_records(&["operations"]), of_records(&["pauses"]), "{:?}", suite.options);
    }
}

#[test]
fn sessions_with_every_way_to_protect_records_carry_their_bytes() {
    assert_works(6, 60_000);
}

#[test]
#[ignore = "hundreds of connections"]
fn hundreds_of_sessions_with_every_way_to_protect_records() {
    assert_works(150, 100_000);
}

/// Additional data, text and tag are three calls, and one operation.
#[test]
fn a_record_of_gcm_is_one_operation_which_pauses_once() {
    for algorithm in ["aes-128-gcm", "aes-256-gcm"] {
        let configuration = Configuration::new("speed");
        let answer = speed(&mut configuration.openssl(&["speed", "-aead"]), algorithm).succeeded();
        let counters = Counters::of(&configuration, answer.pid);
        counters.assert_all_paused();
        assert_eq!(counters.operations(), done(&answer), "{algorithm}: {}", counters.0);
    }
}

#[test]
fn a_slow_device_carries_the_bytes_too() {
    let configuration = Configuration::new("s_server").key("completion_nsec", "300000");
    let counters = sessions(&SUITES[0], 3, 100_000, &configuration);
    counters.assert_add_up();
    assert_eq!(counters.resumes(), counters.pauses(), "{}", counters.0);
}
