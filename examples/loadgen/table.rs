//! The table of a text report, and what its columns mean.
//!
//! ```text
//!   rows ──► COLUMNS ──► head, units, a line a row ──► legend
//!            (all of them with --wide, otherwise those that fit 100 columns)
//! ```
//!
//! Without `--wide` there is no column for the device: a line ahead of its rows names it.

use std::fmt::Write;

use comfy_table::{CellAlignment, LineStyle, Table, TableStyle};

use crate::row::{Row, short_device};
use crate::units::{grouped, short, short_us};

pub(crate) const MIB: f64 = 1_048_576.0;

/// Lines of the table ahead of its first row: names, units, and a rule.
const HEAD: usize = 3;

/// When a column is shown.
#[derive(PartialEq)]
enum Shown {
    Always,
    /// With `--wide`.
    Wide,
}

struct Column {
    shown: Shown,
    name: &'static str,
    unit: &'static str,
    cell: fn(&Row) -> String,
}

const fn column(name: &'static str, unit: &'static str, cell: fn(&Row) -> String) -> Column {
    Column { shown: Shown::Always, name, unit, cell }
}

const fn wide(name: &'static str, unit: &'static str, cell: fn(&Row) -> String) -> Column {
    Column { shown: Shown::Wide, name, unit, cell }
}

const COLUMNS: &[Column] = &[
    column("mode", "", |row| row.mode.name().to_owned()),
    wide("device", "", |row| row.device.as_ref().map_or_else(|| "-".to_owned(), short_device)),
    column("loop", "", |row| row.loop_name().to_owned()),
    column("jobs", "", |row| row.jobs.to_string()),
    wide("threads", "", |row| row.threads.to_string()),
    wide("ops", "", |row| grouped(row.ops)),
    column("op/s", "", |row| grouped(format_args!("{:.0}", row.ops_per_second))),
    column("MiB/s", "", |row| match row.size {
        0 => "-".to_owned(),
        _ => grouped(format_args!("{:.0}", row.bytes_per_second / MIB)),
    }),
    wide("min", "µs", |row| short_us(row.latency.min)),
    wide("mean", "µs", |row| short_us(row.latency.mean)),
    column("p50", "µs", |row| short_us(row.latency.p50)),
    column("p90", "µs", |row| short_us(row.latency.p90)),
    column("p99", "µs", |row| short_us(row.latency.p99)),
    column("p99.9", "µs", |row| short_us(row.latency.p999)),
    column("max", "µs", |row| short_us(row.latency.max)),
    column("cpu", "ns/op", |row| {
        row.cpu_ns_per_op().map_or_else(|| "-".to_owned(), |nanos| grouped(format_args!("{nanos:.0}")))
    }),
    column("in", "flight", |row| short(row.in_flight())),
    wide("pauses", "", |row| grouped(row.stats.pauses)),
    wide("resumes", "", |row| grouped(row.stats.resumes)),
    wide("wakes", "", |row| grouped(row.stats.device.total.wakes_sent)),
    wide("spurious", "", |row| grouped(row.stats.spurious_resumes)),
    column("errors", "", |row| grouped(row.errors)),
    column("wrong", "", |row| grouped(row.mismatches)),
];

/// The names of columns, what they mean, and when that is said.
const LEGEND: &[(&str, &str, Shown)] = &[
    (
        "loop",
        "closed: an operation starts when one ends, so a slow device slows the load: see max",
        Shown::Always,
    ),
    ("", "open: operations start by the clock, at a rate, whatever the device does", Shown::Always),
    ("jobs", "operations in flight at most", Shown::Always),
    ("threads", "that generated the load: jobs, cpu and in flight are those of all of them", Shown::Wide),
    ("op/s, MiB/s", "operations and bytes of input done per second", Shown::Always),
    (
        "p50 .. max",
        "latency: the time that 50 %, .. all do not exceed, from the start (open: from",
        Shown::Always,
    ),
    ("", "the intended time of sending) to the end", Shown::Always),
    ("cpu", "processor time of the application's thread per operation, the check included;", Shown::Always),
    ("", "open: what it spins for sends that are less than 20 µs apart, too", Shown::Always),
    ("in flight", "operations in flight, on average", Shown::Always),
    ("wakes", "sent by the device: a late one finds that its job has gone on", Shown::Wide),
    ("spurious", "resumes that found the job's operation still on the device: it pauses again", Shown::Wide),
    ("errors", "operations that failed", Shown::Always),
    ("wrong", "results that differ from software's", Shown::Always),
];

/// The table and its legend.
pub(crate) fn text(rows: &[Row], wide: bool) -> String {
    let columns: Vec<&Column> =
        COLUMNS.iter().filter(|column| wide || column.shown == Shown::Always).collect();
    let mut table = Table::new();
    table.load_style(TableStyle::new().header_separator(LineStyle::none().fill('─')));
    table.set_header(columns.iter().map(|column| format!("{}\n{}", column.name, column.unit)));
    table.add_rows(rows.iter().map(|row| columns.iter().map(|column| (column.cell)(row))));
    for (index, column) in table.column_iter_mut().enumerate() {
        column.set_padding((0, 1));
        column.set_cell_alignment(if is_text(columns[index]) {
            CellAlignment::Left
        } else {
            CellAlignment::Right
        });
    }
    let table = table.trim_fmt();
    let mut text = String::new();
    for (index, line) in table.lines().enumerate() {
        if !wide && let Some(device) = index.checked_sub(HEAD).and_then(|index| new_device(rows, index)) {
            let _ = writeln!(text, " {device}");
        }
        let _ = writeln!(text, " {}", line.trim_end());
    }
    for (name, meaning, _) in LEGEND.iter().filter(|(_, _, shown)| wide || *shown == Shown::Always) {
        let _ = writeln!(text, "{name:>13}  {meaning}");
    }
    text
}

/// The head of the table, each column with its unit and whether it is text, and the cells of all rows.
pub(crate) fn cells(rows: &[Row]) -> (Vec<Head>, Vec<Vec<String>>) {
    let head = COLUMNS.iter().map(|column| (column.name, column.unit, is_text(column)));
    let cells = rows.iter().map(|row| COLUMNS.iter().map(|column| (column.cell)(row)).collect());
    (head.collect(), cells.collect())
}

/// Name, unit, and whether it is text.
pub(crate) type Head = (&'static str, &'static str, bool);

/// What the columns mean; an entry may have several lines.
pub(crate) fn meanings() -> Vec<(String, String)> {
    let mut all: Vec<(String, String)> = Vec::new();
    for (name, meaning, _) in LEGEND {
        match all.last_mut() {
            Some((_, before)) if name.is_empty() => *before += &format!("\n{meaning}"),
            _ => all.push(((*name).to_owned(), (*meaning).to_owned())),
        }
    }
    all
}

fn is_text(column: &Column) -> bool {
    matches!(column.name, "mode" | "device" | "loop")
}

/// Names the device of a row, where the row before has another one.
fn new_device(rows: &[Row], index: usize) -> Option<String> {
    let device = short_device(rows.get(index)?.device.as_ref()?);
    let before = index.checked_sub(1).and_then(|before| rows[before].device.as_ref());
    let is_new = before.map(short_device).as_ref() != Some(&device);
    is_new.then(|| if device == "ideal" { "on an ideal device:".to_owned() } else { format!("on {device}:") })
}
