//! The rows as text and as JSON.

use serde_json::{Value, json};

use crate::Options;
use crate::runs::Row;

pub(crate) fn head(options: &Options) -> String {
    format!(
        "TLS {}, certificate of ECDSA P-256, signatures of {} us on the device; a server with one event loop\n\n\
         connections  private key   handshakes/s  of synchronous  loop's processor time  each handshake  paused\n",
        options.tls,
        options.sign_nsec as f64 / 1e3,
    )
}

/// A line; `blocking` are the handshakes a second of the server that blocks, on as many connections.
pub(crate) fn line(row: &Row, blocking: Option<f64>) -> String {
    let times =
        blocking.map_or_else(String::new, |blocking| format!("{:.1} times", row.per_second() / blocking));
    let paused = match row.operations {
        0 => "none".to_owned(),
        operations => format!("{:.1} of {:.1}", each(row, row.pauses), each(row, operations)),
    };
    format!(
        "{:>11}  {:<12} {:>13.0}  {times:>14} {:>20.1} %  {:>11.0} us  {paused}\n",
        row.connections,
        row.server.name(),
        row.per_second(),
        row.busy_share() * 100.0,
        row.busy_microseconds_each(),
    )
}

fn each(row: &Row, count: u64) -> f64 {
    count as f64 / row.handshakes as f64
}

pub(crate) fn json(options: &Options, rows: &[Row]) -> String {
    let rows: Vec<Value> = rows.iter().map(of_row).collect();
    let all = json!({
        "tls": options.tls,
        "certificate": "ecdsa-p256",
        "sign_nsec": options.sign_nsec,
        "seconds": options.seconds,
        "runs": rows,
    });
    format!("{all}\n")
}

fn of_row(row: &Row) -> Value {
    json!({
        "connections": row.connections,
        "server": row.server.name(),
        "handshakes": row.handshakes,
        "seconds": row.seconds,
        "handshakes_per_second": row.per_second(),
        "loop_cpu_seconds": row.busy_seconds,
        "loop_cpu_nsec_per_handshake": row.busy_microseconds_each() * 1e3,
        "operations": row.operations,
        "pauses": row.pauses,
    })
}
