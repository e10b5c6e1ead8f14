//! The table of a sweep: a line a point for one axis, a matrix of factors for two.
//!
//! ```text
//!   latency   op/s .. x software              latency \ jobs    1      8     64
//!   5 µs      …          1.40 *               5 µs              0.30   1.40 * 1.70 *
//!   50 µs     …          0.20                 50 µs             0.04   0.20   0.90
//! ```
//!
//! Without software, in virtual time, there are no factors: a line ends with p99, and two matrices have
//! operations a second and p99.

use std::fmt::Write;

use comfy_table::{CellAlignment, LineStyle, Table, TableStyle};

use crate::grid::{Grid, Point};
use crate::units::{grouped, short_us};

/// Width of the legend's names.
const LEGEND_PAD: usize = 13;

/// The table and a legend of what is not obvious.
pub(crate) fn text(grid: &Grid) -> String {
    match &grid.axes[..] {
        [_] => lines(grid),
        _ if grid.has_software() => {
            let mut text = matrix(grid, "", |point| point.factor().map(|of| marked(factor(of), of > 1.0)));
            let of = "operations a second, as a multiple of software's in the calling thread";
            legend(&mut text, "a number", of);
            legend(&mut text, "*", "offload pays in operations a second");
            text
        }
        _ => {
            let ops = matrix(grid, "op/s, ", |point| Some(whole(point.offload.ops_per_second)));
            ops + "\n" + &matrix(grid, "p99 in µs, ", |point| Some(short_us(point.offload.p99)))
        }
    }
}

fn lines(grid: &Grid) -> String {
    let axis = &grid.axes[0];
    let with_software = grid.has_software();
    let columns = if with_software { 7 } else { 4 };
    let head = [
        format!("{}\n", axis.key.name),
        "op/s\n".to_owned(),
        "p50\nµs".to_owned(),
        "p99\nµs".to_owned(),
        "cpu\nns/op".to_owned(),
        "x software\nin op/s".to_owned(),
        "x software\nin cpu".to_owned(),
    ];
    let rows = grid.points.iter().map(|point| {
        let mut cells = vec![
            axis.key.label(point.at[0]),
            whole(point.offload.ops_per_second),
            short_us(point.offload.p50),
            short_us(point.offload.p99),
            point.offload.cpu_ns_per_op.map_or_else(|| "-".to_owned(), whole),
            point.factor().map_or_else(String::new, |of| marked(factor(of), of > 1.0)),
            point.cpu_factor().map_or_else(|| "-".to_owned(), |cpu| marked(factor(cpu), cpu < 1.0)),
        ];
        cells.truncate(columns);
        cells
    });
    let mut text = drawn(&head[..columns], rows.collect());
    if !with_software {
        return text;
    }
    legend(&mut text, "x software", "operations a second, and processor time of the calling thread per");
    legend(&mut text, "", "operation, as multiples of software's in the calling thread; * offload pays");
    text
}

/// A cell for each point, and in the corner what they are of.
fn matrix(grid: &Grid, of: &str, cell: fn(&Point) -> Option<String>) -> String {
    // What has more values goes down, where there is room.
    let across = usize::from(grid.axes[0].values.len() >= grid.axes[1].values.len());
    let (down, wide) = (&grid.axes[1 - across], &grid.axes[across]);
    let mut head = vec![format!("{of}{} \\ {}", down.key.name, wide.key.name)];
    // Above the numbers, behind which a mark has its place.
    let behind = if grid.has_software() { "  " } else { "" };
    head.extend(wide.values.iter().map(|value| format!("{}{behind}", wide.key.label(*value))));
    let rows = down.values.iter().enumerate().map(|(row, value)| {
        let cells = (0..wide.values.len()).map(|column| {
            let indices = if across == 1 { [row, column] } else { [column, row] };
            grid.point(&indices).and_then(cell).unwrap_or_default()
        });
        std::iter::once(down.key.label(*value)).chain(cells).collect()
    });
    drawn(&head, rows.collect())
}

fn drawn(head: &[String], rows: Vec<Vec<String>>) -> String {
    let mut table = Table::new();
    table.load_style(TableStyle::new().header_separator(LineStyle::none().fill('─')));
    table.set_header(head);
    table.add_rows(rows);
    for column in table.column_iter_mut() {
        column.set_padding((0, 2));
        column.set_cell_alignment(CellAlignment::Right);
    }
    table.trim_fmt().lines().map(|line| format!(" {}\n", line.trim_end())).collect()
}

fn legend(text: &mut String, name: &str, meaning: &str) {
    let _ = writeln!(text, "{name:>LEGEND_PAD$}  {meaning}");
}

/// The mark has its place in every cell, so that the numbers stand below each other.
fn marked(number: String, pays: bool) -> String {
    format!("{number}{}", if pays { " *" } else { "  " })
}

fn factor(factor: f64) -> String {
    match factor {
        ..0.0995 => format!("{factor:.3}"),
        ..99.95 => format!("{factor:.2}"),
        _ => whole(factor),
    }
}

fn whole(number: f64) -> String {
    grouped(format_args!("{number:.0}"))
}
