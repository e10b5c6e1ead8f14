//! The table for people, and the object for programs.

use std::fmt::Display;
use std::io::Write;
use std::path::Path;
use std::{fs, io};

use comfy_table::{CellAlignment, LineStyle, Table, TableStyle};
use serde_json::{Map, Value};

use crate::figures::Figure;
use crate::harness::Outcome;
use crate::targets::{TARGETS, Target};

const HEADER: [&str; 9] = ["key", "what", "ours", "rival", "value", "half between", "reach", "aim", "met"];

/// Prints the figures, in the order of the targets.
pub(crate) fn print(figures: &[Figure]) -> Outcome<()> {
    let mut table = Table::new();
    let rule = LineStyle::none().fill('─');
    table.load_style(TableStyle::new().header_separator(rule)).set_header(HEADER);
    table.add_rows(rows(figures).map(|(target, figure)| cells(target, figure)));
    table
        .column_iter_mut()
        .skip(2)
        .take(6)
        .for_each(|column| column.set_cell_alignment(CellAlignment::Right));
    say(table.trim_fmt())?;
    say(
        "ours, rival: the best round of each in a contest (medians, where it says so); value: how many times as fast, or as it \
         says; each in the median of all contests; half between: the quartiles of the value; met: aim, reach, no. \
         Memory is measured in one contest, best of 7 processes; fd writes are those of its fastest run",
    )
}

/// Prints a line. A failed write is an error, not a panic.
pub(crate) fn say(line: impl Display) -> Outcome<()> {
    writeln!(io::stdout(), "{line}").map_err(|error| format!("standard output: {error}").into())
}

/// Prints a line on standard error. If that fails, the exit code must suffice.
pub(crate) fn complain(line: &dyn Display) {
    let _ = writeln!(io::stderr(), "rivals: {line}");
}

/// Writes the values by key.
pub(crate) fn write_json(figures: &[Figure], file: &Path) -> Outcome<()> {
    let values: Map<String, Value> =
        rows(figures).map(|(target, figure)| (target.key.to_owned(), figure.value.into())).collect();
    let text = serde_json::to_string_pretty(&values)?;
    fs::write(file, text + "\n").map_err(|error| format!("{}: {error}", file.display()).into())
}

fn rows(figures: &[Figure]) -> impl Iterator<Item = (&'static Target, &Figure)> {
    TARGETS.iter().filter_map(|target| {
        figures.iter().find(|figure| figure.key == target.key).map(|figure| (target, figure))
    })
}

fn cells(target: &Target, figure: &Figure) -> [String; 9] {
    let with_unit = |value: f64| format!("{} {}", short(value), figure.unit).trim_end().to_owned();
    let bound = |mark: f64| format!("{} {}", if target.smaller { "≤" } else { "≥" }, short(mark));
    [
        target.key.to_owned(),
        target.what.to_owned(),
        with_unit(figure.ours),
        figure.rival.map_or_else(|| "-".to_owned(), with_unit),
        short(figure.value),
        format!("{} {}", short(figure.half[0]), short(figure.half[1])),
        bound(target.reach),
        bound(target.aim),
        target.verdict(figure.value).to_owned(),
    ]
}

/// Prints about three digits.
fn short(value: f64) -> String {
    match value.abs() {
        large if large >= 100.0 => format!("{value:.0}"),
        medium if medium >= 10.0 => format!("{value:.1}"),
        small if small >= 0.1 || small == 0.0 => format!("{value:.2}"),
        _ => format!("{value:.4}"),
    }
}
