//! A picture of curves: one panel each, points at equal distances, the axis from 0.

use std::fmt::Write;

/// A curve: labels and values, in order.
#[derive(Debug)]
pub(crate) struct Curve {
    /// What the values measure.
    pub(crate) what: &'static str,
    pub(crate) title: &'static str,
    pub(crate) points: Vec<(String, f64)>,
}

const WIDTH: f64 = 420.0;
const HEIGHT: f64 = 260.0;
const MARGIN: f64 = 50.0;
/// Labels that fit into one row; more go into two, in turns.
const IN_A_ROW: usize = 8;

/// Draws the curves side by side.
pub(crate) fn draw(curves: &[Curve]) -> String {
    let width = WIDTH * curves.len() as f64;
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {HEIGHT}\" \
         font-family=\"sans-serif\" font-size=\"12\">\n<rect width=\"{width}\" height=\"{HEIGHT}\" fill=\"white\"/>\n"
    );
    for (position, curve) in curves.iter().enumerate() {
        panel(&mut svg, curve, WIDTH * position as f64);
    }
    svg + "</svg>\n"
}

fn panel(svg: &mut String, curve: &Curve, left: f64) {
    let highest = curve.points.iter().map(|(_, value)| *value).fold(1.0, f64::max);
    let steps = curve.points.len().saturating_sub(1).max(1) as f64;
    let (x0, y0) = (left + MARGIN, HEIGHT - MARGIN);
    let x = |at: usize| x0 + at as f64 / steps * (WIDTH - 2.0 * MARGIN);
    let y = |value: f64| y0 - value / highest * (HEIGHT - 2.0 * MARGIN);
    let (right, top) = (left + WIDTH - MARGIN, MARGIN);
    let row = |at: usize| if curve.points.len() > IN_A_ROW { at % 2 } else { 0 } as f64;
    let mut add = |line: String| {
        svg.push_str(&line);
        svg.push('\n');
    };
    add(format!("<path d=\"M{x0} {top} V{y0} H{right}\" fill=\"none\" stroke=\"gray\"/>"));
    add(format!("<text x=\"{x0}\" y=\"{}\">{}, by {}</text>", top - 30.0, curve.what, curve.title));
    let mut line = String::new();
    for (at, (label, value)) in curve.points.iter().enumerate() {
        let (x, y) = (x(at), y(*value));
        let _ = write!(line, "{x},{y} ");
        add(format!("<circle cx=\"{x}\" cy=\"{y}\" r=\"3\"/>"));
        add(format!("<text x=\"{x}\" y=\"{}\" text-anchor=\"middle\">{value:.0}</text>", y - 8.0));
        add(format!(
            "<text x=\"{x}\" y=\"{}\" text-anchor=\"middle\">{label}</text>",
            y0 + 18.0 + 14.0 * row(at)
        ));
    }
    add(format!("<polyline points=\"{}\" fill=\"none\" stroke=\"black\"/>", line.trim_end()));
}
