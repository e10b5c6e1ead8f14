//! TLS handshakes a second of a server with one event loop, whose private key is in a slow device: with calls
//! that block, and with calls that pause.
//!
//! ```text
//!   client, a process without the provider        server, one thread
//!     N connections at a time,                      handshake ──► ... ──► signature ──► ...
//!     each a handshake and its end                                            │
//!                                                     synchronous: the thread waits for the device
//!                                                     paused:      the thread has other handshakes meanwhile
//!                                                     software:    no device, the default provider signs
//! ```
//!
//! Server and client are those of `examples/async_tls`. The signature takes the same time on the device on
//! both ways, and the device has a compute unit for each of them: what differs is the server's thread. Its
//! certificate is of ECDSA P-256, so that what really computes beside the modelled time is short.
//!
//! A row counts only if it is right: the client has verified the certificate and each signature, no
//! connection has failed, and the provider has counted a signature for each handshake, all of them paused or
//! none.
//!
//! ```text
//! cargo bench -p simaccel-provider --bench handshakes
//! cargo bench -p simaccel-provider --bench handshakes -- --connections 1,64,1000 --sign-nsec 500000 --output-format json
//! ```

#[path = "../tests/dasync/mod.rs"]
#[allow(dead_code, reason = "the harness of the reference application knows this engine")]
mod dasync;
#[path = "../tests/async_tls/pair.rs"]
#[allow(dead_code, reason = "a part of the reference application's tests is used")]
mod pair;
#[path = "../tests/programs/mod.rs"]
mod programs;
#[path = "handshakes/runs.rs"]
mod runs;
#[path = "handshakes/table.rs"]
mod table;

use std::io::{self, ErrorKind, Write, stderr, stdout};
use std::process::ExitCode;

use clap::{Parser, ValueEnum};

use self::runs::Server;

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum OutputFormat {
    Text,
    Json,
}

/// TLS handshakes a second, and processor time of the server's thread, with signatures of a slow device.
#[derive(Debug, Parser)]
#[command(name = "handshakes")]
struct Options {
    /// Connections at a time: one run for each number
    #[arg(long, value_name = "N,...", value_delimiter = ',', default_value = "1,16,256",
          value_parser = clap::value_parser!(u32).range(1..=10_000))]
    connections: Vec<u32>,
    /// Nanoseconds that a signature takes on the device
    #[arg(long, value_name = "N", default_value_t = 2_000_000,
          value_parser = clap::value_parser!(u64).range(0..=1_000_000_000))]
    sign_nsec: u64,
    /// Seconds of a run
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=3_600))]
    seconds: u32,
    /// Version of TLS
    #[arg(long, default_value = "1.3", value_parser = ["1.2", "1.3"])]
    tls: String,
    /// A table, or one JSON object in one line
    #[arg(long, value_enum, default_value_t = OutputFormat::Text)]
    output_format: OutputFormat,
    /// Cargo passes it
    #[arg(long, hide = true)]
    bench: bool,
}

fn main() -> ExitCode {
    let options = match Options::try_parse() {
        Ok(options) => options,
        Err(said) if !said.use_stderr() => return exit_of(write(&said.render().to_string())),
        Err(mistake) => return refused(&mistake.render().to_string()),
    };
    exit_of(run(&options))
}

fn run(options: &Options) -> io::Result<()> {
    let text = options.output_format == OutputFormat::Text;
    if text {
        write(&table::head(options))?;
    }
    let mut rows = Vec::new();
    for &connections in &options.connections {
        let mut blocking = None;
        for server in [Server::Software, Server::Synchronous, Server::Paused] {
            let row = runs::run(options, connections, server);
            if server == Server::Synchronous {
                blocking = Some(row.per_second());
            }
            if text {
                write(&table::line(&row, blocking))?;
            }
            rows.push(row);
        }
    }
    if text { Ok(()) } else { write(&table::json(options, &rows)) }
}

fn write(text: &str) -> io::Result<()> {
    let mut out = stdout().lock();
    out.write_all(text.as_bytes())?;
    out.flush()
}

/// A reader that has seen enough is no failure.
fn exit_of(written: io::Result<()>) -> ExitCode {
    match written {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) if error.kind() == ErrorKind::BrokenPipe => ExitCode::SUCCESS,
        Err(error) => {
            let _ = stderr().write_all(format!("handshakes: cannot write: {error}\n").as_bytes());
            ExitCode::FAILURE
        }
    }
}

/// One line of what clap says, without the usage below it, and the exit code of a wrong command line.
fn refused(said: &str) -> ExitCode {
    let told = said.lines().map(str::trim).take_while(|line| !line.starts_with("Usage:"));
    let line =
        told.filter(|line| !line.is_empty() && !line.starts_with("For more")).collect::<Vec<_>>().join(" ");
    let line = line.strip_prefix("error: ").unwrap_or(&line);
    let _ = stderr().write_all(format!("handshakes: {line}; --help lists the options\n").as_bytes());
    ExitCode::from(2)
}
