//! A chart of lines: title, plot with its grid, axes, legend.
//!
//! ```text
//!   title
//!   ┌────────────┐ ◄── TOP
//!   │            │
//!   └────────────┘ ◄── TOP + the plot's height
//!    ticks
//!    x axis' title
//!   ── a line     ◄── the legend, an entry a line: none overlaps, however many there are
//! ```
//!
//! It is narrow, so that its text can be read on a phone; a wide screen shows several side by side.

use super::axis::Axis;
use super::svg::{Anchor, COLOURS, Escaped, Picture, Svg, fitting};

pub(super) const WIDTH: f64 = 480.0;
const LEFT: f64 = 68.0;
const RIGHT: f64 = 32.0;
const TOP: f64 = 56.0;
/// Of an entry of the legend.
const ENTRY: f64 = 20.0;

/// A line; `None` interrupts it.
pub(super) struct Series {
    pub(super) name: String,
    pub(super) points: Vec<Option<(f64, f64)>>,
}

pub(super) struct Chart {
    pub(super) title: String,
    pub(super) x: Axis,
    pub(super) y: Axis,
    pub(super) series: Vec<Series>,
    /// Of the plot.
    pub(super) height: f64,
}

impl Chart {
    pub(super) fn draw(&self) -> Picture {
        let mut svg = Svg::new(WIDTH, &self.title);
        svg.text(12.0, 22.0, Anchor::Start, "t h", &fitting(&self.title, (WIDTH - 24.0) * 0.87));
        self.draw_axes(&mut svg);
        for (index, series) in self.series.iter().enumerate() {
            self.draw_series(&mut svg, index, series);
        }
        let mut y = TOP + self.height + 62.0;
        for (index, series) in self.series.iter().enumerate() {
            svg.raw(format_args!(
                "<line class=\"s {}\"{} x1=\"12\" y1=\"{:.1}\" x2=\"44\" y2=\"{:.1}\"/>",
                colour(index),
                dashes(index),
                y - 4.0,
                y - 4.0
            ));
            svg.text(52.0, y, Anchor::Start, "t", &fitting(&series.name, WIDTH - 60.0));
            y += ENTRY;
        }
        svg.finish(y - 4.0)
    }

    fn draw_axes(&self, svg: &mut Svg) {
        let (right, bottom) = (WIDTH - RIGHT, TOP + self.height);
        svg.text(12.0, TOP - 12.0, Anchor::Start, "t", &self.y.title);
        for tick in &self.y.ticks {
            let y = self.y(tick.at);
            svg.line(if tick.label.is_some() { "grid" } else { "minor" }, (LEFT, y), (right, y));
            if let Some(label) = &tick.label {
                svg.text(LEFT - 6.0, y + 4.5, Anchor::End, "t", label);
            }
        }
        for tick in &self.x.ticks {
            let x = self.x(tick.at);
            svg.line("grid", (x, TOP), (x, bottom));
            if let Some(label) = &tick.label {
                svg.text(x, bottom + 18.0, Anchor::Middle, "t", label);
            }
        }
        svg.text(f64::midpoint(LEFT, right), bottom + 38.0, Anchor::Middle, "t", &self.x.title);
        svg.raw(format_args!(
            "<rect class=\"plot\" x=\"{LEFT:.1}\" y=\"{TOP:.1}\" width=\"{:.1}\" height=\"{:.1}\"/>",
            right - LEFT,
            self.height
        ));
    }

    /// Lines between neighbours; a point without neighbours is a dot.
    fn draw_series(&self, svg: &mut Svg, index: usize, series: &Series) {
        let (colour, dashes) = (colour(index), dashes(index));
        svg.raw(format_args!("<g class=\"series\"><title>{}</title>", Escaped(&series.name)));
        for run in series.points.split(Option::is_none) {
            let points: Vec<_> = run.iter().flatten().map(|(x, y)| (self.x(*x), self.y(*y))).collect();
            match &points[..] {
                [] => {}
                [(x, y)] => svg.raw(format_args!(
                    "<circle class=\"s {colour}\" cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"1.5\"/>"
                )),
                points => {
                    let points: Vec<_> = points.iter().map(|(x, y)| format!("{x:.1},{y:.1}")).collect();
                    svg.raw(format_args!(
                        "<polyline class=\"s {colour}\"{dashes} points=\"{}\"/>",
                        points.join(" ")
                    ));
                }
            }
        }
        svg.raw(format_args!("</g>"));
    }

    fn x(&self, value: f64) -> f64 {
        LEFT + self.x.position(value) * (WIDTH - RIGHT - LEFT)
    }

    fn y(&self, value: f64) -> f64 {
        TOP + (1.0 - self.y.position(value)) * self.height
    }
}

fn colour(index: usize) -> String {
    format!("c{}", index % COLOURS)
}

/// Neighbours in the legend differ in more than colour.
fn dashes(index: usize) -> &'static str {
    const DASHES: [&str; 5] = [
        "",
        " stroke-dasharray=\"7 3\"",
        " stroke-dasharray=\"2 3\"",
        " stroke-dasharray=\"10 3 2 3\"",
        " stroke-dasharray=\"4 2\"",
    ];
    DASHES[index % DASHES.len()]
}
