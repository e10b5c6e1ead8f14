//! From where on offload pays, in words: what a grid says, once in operations a second and once in the
//! processor time of the caller.
//!
//! ```text
//!   pays along an axis    . . x x x   from 8 jobs in flight on
//!                         x x . . .   up to a latency of 5 µs
//!                         . x x . .   from 512 to 4k bytes
//!                         x x x x x   everywhere        . . . . .   nowhere
//! ```
//!
//! Of two axes one is told along, jobs if it is there, for each value of the other; neighbours that say the
//! same are told together.

use crate::axis::{Axis, Sets};
use crate::grid::{Grid, Point};
use crate::units::{grouped, time_us};

/// A measure by which offload may pay.
type Pays = fn(&Point) -> Option<bool>;

const MEASURES: [(&str, Pays); 2] =
    [("in operations a second", Point::pays), ("in the caller's processor time", Point::pays_in_cpu)];

/// One line or more for each measure; without software the best points.
pub(crate) fn words(grid: &Grid) -> Vec<String> {
    if !grid.has_software() {
        return best(grid);
    }
    MEASURES.iter().flat_map(|(measure, pays)| told(grid, measure, *pays)).collect()
}

/// The most operations a second, and the lowest p99: of equal ones the first.
fn best(grid: &Grid) -> Vec<String> {
    let by = |figure: fn(&Point) -> f64| {
        grid.points.iter().min_by(|one, other| figure(one).total_cmp(&figure(other)))
    };
    let place = |point: &Point| {
        let phrases = grid.axes.iter().zip(&point.at).map(|(axis, at)| axis.key.phrase(*at));
        phrases.collect::<Vec<_>>().join(", ")
    };
    let most = by(|point| -point.offload.ops_per_second).map(|point| {
        let ops = grouped(format_args!("{:.0}", point.offload.ops_per_second));
        format!("the most operations a second are {ops}: {}", place(point))
    });
    let quickest = by(|point| point.offload.p99)
        .map(|point| format!("the lowest p99 is {}: {}", time_us(point.offload.p99), place(point)));
    most.into_iter().chain(quickest).collect()
}

fn told(grid: &Grid, measure: &str, pays: Pays) -> Vec<String> {
    let Some(pays) = grid.points.iter().map(pays).collect::<Option<Vec<bool>>>() else {
        return vec![format!("offload is not compared {measure}, which was not measured at every point")];
    };
    if !pays.contains(&true) {
        return vec![format!("offload pays {measure} nowhere in this grid")];
    }
    if !pays.contains(&false) {
        return vec![format!("offload pays {measure} everywhere in this grid")];
    }
    let along = grid.axes.iter().position(|axis| axis.key.sets == Sets::Jobs).unwrap_or(grid.axes.len() - 1);
    let inner = &grid.axes[along];
    let Some(outer) = grid.axes.iter().enumerate().find(|(at, _)| *at != along).map(|(_, axis)| axis) else {
        return vec![format!("offload pays {measure} {}", stretch(inner, &pays))];
    };
    let places = grid.points.iter().map(|point| point.at[1 - along]);
    let of = |value: u64| {
        let chosen = places.clone().zip(&pays).filter(|(at, _)| *at == value);
        stretch(inner, &chosen.map(|(_, pays)| *pays).collect::<Vec<_>>())
    };
    let mut lines = vec![format!("offload pays {measure}")];
    let said: Vec<(u64, String)> = outer.values.iter().map(|value| (*value, of(*value))).collect();
    for same in said.chunk_by(|one, other| one.1 == other.1) {
        let (first, last) = (same[0].0, same[same.len() - 1].0);
        lines.push(format!("  {} with {}", same[0].1, span(outer, first, last)));
    }
    lines
}

/// Where along an axis offload pays.
fn stretch(axis: &Axis, pays: &[bool]) -> String {
    let paying: Vec<u64> =
        axis.values.iter().zip(pays).filter(|(_, pays)| **pays).map(|(value, _)| *value).collect();
    let (Some(first), Some(last)) = (paying.first().copied(), paying.last().copied()) else {
        return "nowhere".to_owned();
    };
    let from_the_start = pays.first() == Some(&true);
    let to_the_end = pays.last() == Some(&true);
    let changes = pays.windows(2).filter(|pair| pair[0] != pair[1]).count();
    match (from_the_start, to_the_end, changes) {
        (true, true, 0) => everywhere(axis),
        (false, true, 1) => format!("from {} on", axis.key.phrase(first)),
        (true, false, 1) => format!("up to {}", axis.key.phrase(last)),
        (false, false, 2) if first == last => format!("at {}", axis.key.phrase(first)),
        (false, false, 2) => format!("from {}", range(axis, first, last)),
        // Not one stretch: near the limit noise decides.
        _ => {
            let labels: Vec<String> = paying.iter().map(|value| axis.key.label(*value)).collect();
            format!(
                "at {} {} of {} values, not in one stretch ({})",
                paying.len(),
                axis.key.name,
                pays.len(),
                labels.join(", ")
            )
        }
    }
}

/// `every value`, as far as the axis goes.
fn everywhere(axis: &Axis) -> String {
    match axis.values[..] {
        [only] => format!("at {}", axis.key.phrase(only)),
        [first, .., last] => format!("everywhere from {}", range(axis, first, last)),
        [] => String::new(),
    }
}

fn span(axis: &Axis, first: u64, last: u64) -> String {
    if first == last { axis.key.phrase(first) } else { range(axis, first, last) }
}

/// `1 to 64 jobs in flight`.
fn range(axis: &Axis, first: u64, last: u64) -> String {
    let (label, phrase) = (axis.key.label(first), axis.key.phrase(last));
    let unit = |text: &str| text.split_once(' ').map(|(_, unit)| unit.to_owned());
    let last_label = axis.key.label(last);
    // 5 µs to 50 µs: the unit once.
    let label = if unit(&label).is_some() && unit(&label) == unit(&last_label) {
        label.split(' ').next().unwrap_or(&label).to_owned()
    } else {
        label
    };
    phrase.replacen(&last_label, &format!("{label} to {last_label}"), 1)
}
