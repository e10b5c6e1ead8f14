//! The rows as comma-separated values (RFC 4180): the figures of the JSON report, one line a row.
//!
//! ```text
//!   row,mode,loop,..,latency_us_p99,..        a column is a key of the JSON row, a nested one joined by _
//!   1,software,closed,..,2.4,..               what is null there is empty here
//! ```

use serde_json::Value;

use crate::row::Row;

/// Keys of a JSON row, in the order of the columns.
const COLUMNS: &[&str] = &[
    "/mode",
    "/loop",
    "/arrivals",
    "/rate",
    "/device",
    "/alg",
    "/size",
    "/jobs",
    "/threads",
    "/ops",
    "/ops_per_second",
    "/bytes_per_second",
    "/latency_us/min",
    "/latency_us/mean",
    "/latency_us/p50",
    "/latency_us/p90",
    "/latency_us/p99",
    "/latency_us/p999",
    "/latency_us/max",
    "/service_us/min",
    "/service_us/mean",
    "/service_us/p50",
    "/service_us/p90",
    "/service_us/p99",
    "/service_us/p999",
    "/service_us/max",
    "/late_us/p50",
    "/late_us/p99",
    "/late_us/max",
    "/cpu_ns_per_op",
    "/in_flight_mean",
    "/late_sends",
    "/dropped",
    "/dropped_late",
    "/host_bound",
    "/pauses",
    "/resumes",
    "/wakes",
    "/spurious_resumes",
    "/errors",
    "/mismatches",
];

/// The head and a line for each row.
pub(crate) fn text(rows: &[Row]) -> String {
    let head = COLUMNS.iter().map(|key| key[1..].replace('/', "_"));
    let mut text = line(std::iter::once("row".to_owned()).chain(head));
    for (index, row) in rows.iter().enumerate() {
        let json = row.json(false);
        let cells = COLUMNS.iter().map(|key| json.pointer(key).map_or_else(String::new, cell));
        text += &line(std::iter::once((index + 1).to_string()).chain(cells));
    }
    text
}

fn cell(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

fn line(cells: impl Iterator<Item = String>) -> String {
    cells.map(quoted).collect::<Vec<_>>().join(",") + "\r\n"
}

/// In quotes where a reader would otherwise see more than one cell.
fn quoted(cell: String) -> String {
    if cell.contains([',', '"', '\r', '\n']) { format!("\"{}\"", cell.replace('"', "\"\"")) } else { cell }
}
