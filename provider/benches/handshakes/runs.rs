//! One run: a server, a client, and what both and the provider have counted.

use crate::Options;
use crate::pair::{Engine, Pair, Report};
use crate::programs::certificates::{Certificate, Kind};
use crate::programs::configuration::Configuration;
use crate::programs::counters::{Counters, Operations};
use crate::programs::scratch;

/// What signs for the server, and what its thread does meanwhile.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Server {
    /// The default provider, in the thread.
    Software,
    /// The device, and the thread waits.
    Synchronous,
    /// The device, and the thread has other connections.
    Paused,
}

impl Server {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Software => "software",
            Self::Synchronous => "synchronous",
            Self::Paused => "paused",
        }
    }

    fn engine(self, options: &Options) -> Engine {
        if self == Self::Software {
            return Engine::none();
        }
        let configuration = Configuration::new("handshakes")
            .key("algorithms", "private-keys")
            .key("service", &format!("sign:nsec={}", options.sign_nsec))
            .key("compute_units", "1024")
            .key("depth", "4096");
        Engine::provider(configuration)
    }
}

/// What a run has shown.
#[derive(Debug)]
pub(crate) struct Row {
    pub(crate) connections: u32,
    pub(crate) server: Server,
    pub(crate) handshakes: u64,
    /// Of the server, from its first connection on.
    pub(crate) seconds: f64,
    /// Of the server's thread, on a processor.
    pub(crate) busy_seconds: f64,
    /// Operations on the device, and how many of them have paused.
    pub(crate) operations: u64,
    pub(crate) pauses: u64,
}

impl Row {
    pub(crate) fn per_second(&self) -> f64 {
        self.handshakes as f64 / self.seconds
    }

    pub(crate) fn busy_microseconds_each(&self) -> f64 {
        self.busy_seconds * 1e6 / self.handshakes as f64
    }

    pub(crate) fn busy_share(&self) -> f64 {
        self.busy_seconds / self.seconds
    }
}

/// Runs a server and its client, and panics where one of their results is wrong.
pub(crate) fn run(options: &Options, connections: u32, server: Server) -> Row {
    let engine = server.engine(options);
    let none = Engine::none();
    let certificate = Certificate::new(&scratch("handshakes"), Kind::P256);
    let pair = Pair::new(&engine).client_with(&none).both(&format!("--tls {}", options.tls));
    let of_client = format!(
        "--bytes 0 --connections {connections} --seconds {} --ca {}",
        options.seconds,
        certificate.certificate.display()
    );
    let of_server = format!(
        "--connections {connections} --cert {} --key {}{}",
        certificate.certificate.display(),
        certificate.key.display(),
        if server == Server::Synchronous { " --sync" } else { "" }
    );
    let (client, of_server) = pair.until_the_client_ends(&of_client, &of_server);
    row(connections, server, &client, &of_server, &engine.counters())
}

fn row(connections: u32, server: Server, client: &Report, of_server: &Report, counters: &[Counters]) -> Row {
    let handshakes = of_server["handshakes"];
    assert_eq!(of_server["connections ended well"], handshakes, "{of_server}");
    assert_eq!(client["connections ended well"], handshakes, "{client}{of_server}");
    assert_eq!(client["failed"] + of_server["failed"], 0, "{client}{of_server}");
    let (busy_seconds, seconds) = of_server.loop_seconds();
    let operations = counters.iter().map(Counters::operations).sum();
    let pauses = counters.iter().map(Counters::pauses).sum();
    assert_signed(server, handshakes, counters);
    Row { connections, server, handshakes, seconds, busy_seconds, operations, pauses }
}

/// The device has signed once for each handshake: always in a job, or never.
fn assert_signed(server: Server, handshakes: u64, counters: &[Counters]) {
    if server == Server::Software {
        assert!(counters.is_empty(), "the default provider was wanted");
        return;
    }
    let [counters] = counters else { panic!("the provider was loaded in {} processes", counters.len()) };
    counters.assert_add_up();
    let pauses = if server == Server::Paused { handshakes } else { 0 };
    assert_eq!(
        counters.row(Kind::P256.signatures()),
        Operations { all: handshakes, pauses },
        "{}",
        counters.0
    );
}
