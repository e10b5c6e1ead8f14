//! The picture of a sweep: a heat map over two axes, lines over one.
//!
//! ```text
//!   50 µs │ 0.4 │ 1.3 │ 2.6 │      a cell: operations a second, as a multiple of software's
//!    5 µs │ 1.1 │ 2.9 │ 2.9 │      blue: offload is ahead; orange: software is; pale: even
//!           1     8     64
//! ```
//!
//! In virtual time there is no software: a cell is operations a second, and blue is the most of them.

use super::axis::Axis;
use super::chart::{Chart, Series, WIDTH};
use super::svg::{Anchor, Escaped, Picture, Svg, fitting};
use crate::grid::{Grid, Point};
use crate::units::{grouped, time_us};

const LEFT: f64 = 84.0;
const RIGHT: f64 = 12.0;
const TOP: f64 = 56.0;
/// Of a cell, between these two.
const HEIGHTS: (f64, f64) = (14.0, 34.0);
/// Colours are full at this factor, and at its inverse.
const FULL: f64 = 8.0;

/// `None` where a grid has no axis or no point.
pub(super) fn draw(grid: &Grid) -> Option<Picture> {
    match &grid.axes[..] {
        _ if grid.points.is_empty() => None,
        [only] => Some(line(grid, only.values.iter().map(|value| only.key.label(*value)).collect())),
        [_, _] => Some(map(grid)),
        _ => None,
    }
}

/// Operations a second over one axis: offload and software.
fn line(grid: &Grid, labels: Vec<String>) -> Picture {
    let name = grid.axes[0].key.name;
    let of = |name: &str, figure: fn(&Point) -> Option<f64>| {
        let place = |point: &Point| {
            let index = grid.axes[0].values.iter().position(|value| point.at[..] == [*value]);
            index.zip(figure(point)).map(|(index, figure)| (count(index), figure))
        };
        Series { name: name.to_owned(), points: grid.points.iter().map(place).collect() }
    };
    let mut series = vec![of("on the device", |point| Some(point.offload.ops_per_second))];
    if grid.has_software() {
        let software = |point: &Point| Some(point.software?.ops_per_second);
        series.push(of("software, in the calling thread", software));
    }
    let values = series.iter().flat_map(|series| &series.points).flatten().map(|(_, y)| *y);
    let title = if grid.has_software() { "Offload and software by" } else { "Operations a second by" };
    Chart {
        title: format!("{title} {name}"),
        x: Axis::places(axis_title(grid, 0), labels),
        y: Axis::of_rates(values),
        series,
        height: 240.0,
    }
    .draw()
}

fn map(grid: &Grid) -> Picture {
    let (rows, columns) = (&grid.axes[0], &grid.axes[1]);
    let scale = Scale::of(grid);
    let title = format!("{} by {} and {}", scale.title(), rows.key.name, columns.key.name);
    let mut svg = Svg::new(WIDTH, &title);
    svg.text(12.0, 22.0, Anchor::Start, "t h", &fitting(&title, (WIDTH - 24.0) * 0.87));
    svg.text(12.0, TOP - 12.0, Anchor::Start, "t", &axis_title(grid, 0));
    let width = (WIDTH - LEFT - RIGHT) / count(columns.values.len());
    let height = (360.0 / count(rows.values.len())).clamp(HEIGHTS.0, HEIGHTS.1);
    let bottom = TOP + height * count(rows.values.len());
    svg.raw(format_args!(
        "<rect class=\"plot\" x=\"{LEFT:.1}\" y=\"{TOP:.1}\" width=\"{:.1}\" height=\"{:.1}\"/>",
        WIDTH - LEFT - RIGHT,
        bottom - TOP
    ));
    for (row, value) in rows.values.iter().enumerate() {
        // The first row is at the bottom, as on any axis.
        let y = bottom - height * count(row + 1);
        svg.text(LEFT - 6.0, y + height / 2.0 + 4.5, Anchor::End, "t", &rows.key.label(*value));
        for column in 0..columns.values.len() {
            if let Some(point) = grid.point(&[row, column]) {
                let place = (LEFT + width * count(column), y);
                draw_cell(&mut svg, point, place, (width, height), (grid, scale));
            }
        }
    }
    // Labels stand as close as the longest of them allows.
    let longest = columns.values.iter().map(|value| columns.key.label(*value).chars().count()).max();
    let every = ((count(longest.unwrap_or(1)) + 1.5) * 7.3 / width).ceil().max(1.0);
    for (column, value) in columns.values.iter().enumerate() {
        if count(column) % every < 0.5 {
            let x = LEFT + width * (count(column) + 0.5);
            svg.text(x, bottom + 18.0, Anchor::Middle, "t", &columns.key.label(*value));
        }
    }
    svg.text(f64::midpoint(LEFT, WIDTH - RIGHT), bottom + 38.0, Anchor::Middle, "t", &axis_title(grid, 1));
    draw_scale(&mut svg, bottom + 54.0, scale);
    svg.finish(bottom + 116.0)
}

/// What the colours of the cells are of.
#[derive(Clone, Copy)]
enum Scale {
    /// Factors against software.
    Factor,
    /// Operations a second: the fewest and the most. By their logarithm where these are far apart.
    Rate(f64, f64),
}

impl Scale {
    fn of(grid: &Grid) -> Self {
        if grid.has_software() {
            return Self::Factor;
        }
        let rates = || grid.points.iter().map(|point| point.offload.ops_per_second.max(1.0));
        let (least, most) = (rates().fold(f64::MAX, f64::min), rates().fold(1.0, f64::max));
        Self::Rate(if most > 10.0 * least { least } else { 0.0 }, most)
    }

    const fn title(self) -> &'static str {
        match self {
            Self::Factor => "Offload against software,",
            Self::Rate(..) => "Operations a second",
        }
    }

    /// From -1 to 1: how full the colour is, orange below 0 and blue above.
    fn strength(self, value: f64) -> f64 {
        match self {
            Self::Factor => (value.max(1e-9).ln() / FULL.ln()).clamp(-1.0, 1.0),
            Self::Rate(0.0, most) => (value / most).clamp(0.0, 1.0),
            Self::Rate(least, most) => ((value / least).ln() / (most / least).ln()).clamp(0.0, 1.0),
        }
    }

    /// The value at a share of the scale.
    fn at(self, share: f64) -> f64 {
        match self {
            Self::Factor => FULL.powf(share * 2.0 - 1.0),
            Self::Rate(0.0, most) => most * share,
            Self::Rate(least, most) => least * (most / least).powf(share),
        }
    }

    /// The value of a point, and its text.
    fn value(self, point: &Point) -> (f64, String) {
        match self {
            Self::Factor => {
                let factor = point.factor().unwrap_or_default();
                (factor, label(factor))
            }
            Self::Rate(..) => {
                let rate = point.offload.ops_per_second;
                (rate, rate_label(rate))
            }
        }
    }

    /// Texts at the beginning, the middle and the end of the scale, and below.
    fn legend(self) -> ([String; 3], &'static str) {
        match self {
            Self::Factor => (
                ["1/8", "1: even", "8 times"].map(str::to_owned),
                "operations/s on the device, as a multiple of software's",
            ),
            Self::Rate(..) => {
                ([0.0, 0.5, 1.0].map(|share| rate_label(self.at(share))), "operations/s, in virtual time")
            }
        }
    }
}

fn draw_cell(
    svg: &mut Svg,
    point: &Point,
    (x, y): (f64, f64),
    (width, height): (f64, f64),
    (grid, scale): (&Grid, Scale),
) {
    let (value, label) = scale.value(point);
    let place: Vec<_> = grid.axes.iter().zip(&point.at).map(|(axis, at)| axis.key.phrase(*at)).collect();
    let rate = |rate: f64| grouped(format_args!("{rate:.0}"));
    let software = point
        .software
        .map_or_else(String::new, |software| format!(", {} in software", rate(software.ops_per_second)));
    let told = format!(
        "{}: {} op/s on the device{software}, p99 {}",
        place.join(", "),
        rate(point.offload.ops_per_second),
        time_us(point.offload.p99)
    );
    let (fill, ink) = colours(scale.strength(value));
    svg.raw(format_args!(
        "<g class=\"cell\"><title>{}</title><rect x=\"{x:.1}\" y=\"{y:.1}\" width=\"{width:.1}\" \
         height=\"{height:.1}\" style=\"fill:{fill}\"/>",
        Escaped(&told)
    ));
    if count(label.chars().count()) * 7.3 < width {
        svg.raw(format_args!(
            "<text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"middle\" style=\"fill:{ink}\">{label}</text>",
            x + width / 2.0,
            y + height / 2.0 + 4.5
        ));
    }
    svg.raw(format_args!("</g>"));
}

/// What the colours mean.
fn draw_scale(svg: &mut Svg, y: f64, scale: Scale) {
    let (steps, width) = (24_u8, WIDTH - LEFT - RIGHT);
    let step = width / f64::from(steps);
    for index in 0..steps {
        let value = scale.at((f64::from(index) + 0.5) / f64::from(steps));
        svg.raw(format_args!(
            "<rect x=\"{:.1}\" y=\"{y:.1}\" width=\"{:.1}\" height=\"12\" style=\"fill:{}\"/>",
            LEFT + step * f64::from(index),
            step + 0.3,
            colours(scale.strength(value)).0
        ));
    }
    let (texts, told) = scale.legend();
    let places = [(0.0, Anchor::Start), (0.5, Anchor::Middle), (1.0, Anchor::End)];
    for ((at, anchor), text) in places.into_iter().zip(texts) {
        svg.text(LEFT + width * at, y + 28.0, anchor, "t", &text);
    }
    svg.text(f64::midpoint(LEFT, WIDTH - RIGHT), y + 48.0, Anchor::Middle, "t", told);
}

/// Of a cell and of its text. They are the same on a light and on a dark page.
fn colours(strength: f64) -> (String, &'static str) {
    const PALE: [f64; 3] = [244.0, 244.0, 244.0];
    let full = if strength < 0.0 { [213.0, 94.0, 0.0] } else { [0.0, 114.0, 178.0] };
    let [red, green, blue] = [0, 1, 2].map(|part| PALE[part] + (full[part] - PALE[part]) * strength.abs());
    let ink = if strength > 0.6 { "#fff" } else { "#111" };
    (format!("rgb({red:.0},{green:.0},{blue:.0})"), ink)
}

/// Operations a second in few characters: `80.0k`.
fn rate_label(rate: f64) -> String {
    match rate {
        ..999.5 => format!("{rate:.0}"),
        ..99_950.0 => format!("{:.1}k", rate / 1e3),
        ..999_500.0 => format!("{:.0}k", rate / 1e3),
        ..99_950_000.0 => format!("{:.1}M", rate / 1e6),
        _ => format!("{:.0}M", rate / 1e6),
    }
}

fn label(factor: f64) -> String {
    match factor {
        ..0.095 => format!("{factor:.2}"),
        ..9.95 => format!("{factor:.1}"),
        _ => grouped(format_args!("{factor:.0}")),
    }
}

fn axis_title(grid: &Grid, index: usize) -> String {
    let name = grid.axes[index].key.name;
    match name {
        "latency" => "service time of a compute unit".to_owned(),
        "units" => "compute units".to_owned(),
        "depth" => "entries of a ring".to_owned(),
        "jobs" => "jobs in flight".to_owned(),
        "size" => "bytes per operation".to_owned(),
        "rate" => "operations/s sent".to_owned(),
        name => name.to_owned(),
    }
}

#[expect(clippy::cast_precision_loss, reason = "at most some thousands")]
fn count(number: usize) -> f64 {
    number as f64
}
