//! What is printed: the configuration for `--device`, and the error at each point.

use std::path::Path;

use serde_json::json;
use simaccel::grammar::Shown;

use super::Fitted;
use super::model::{rms, worst};
use crate::units::{grouped, short_size};

pub(super) struct Report<'a> {
    pub(super) path: &'a Path,
    pub(super) fitted: &'a Fitted,
}

/// Errors over all points, in percent.
struct Errors {
    worst: f64,
    mean: f64,
    rms: f64,
}

impl Errors {
    #[expect(clippy::cast_precision_loss, reason = "at most a thousand")]
    fn of(errors: &[f64]) -> Self {
        let mean = errors.iter().map(|error| error.abs()).sum::<f64>() / errors.len().max(1) as f64;
        Self { worst: 100.0 * worst(errors), mean: 100.0 * mean, rms: 100.0 * rms(errors) }
    }
}

impl Report<'_> {
    pub(super) fn text(&self) -> String {
        let Self { path, fitted } = self;
        let (points, errors) = (&fitted.points, fitted.errors());
        let unit = points.measure.name();
        let mut text = format!(
            "{}: {} points\n--device '{}'\n\n{:>8} {:>8} {:>14} {:>14} {:>8}\n",
            Shown(&path.display().to_string()),
            points.list.len(),
            fitted.config,
            "bytes",
            "jobs",
            format!("measured {unit}"),
            format!("device {unit}"),
            "error"
        );
        for ((point, nsec), error) in points.list.iter().zip(&fitted.nsec_each).zip(&errors) {
            text += &format!(
                "{:>8} {:>8} {:>14} {:>14} {:>+7.1}%\n",
                short_size(point.bytes),
                grouped(point.jobs),
                number(point.value),
                number(points.measure.of(point, *nsec)),
                100.0 * error,
            );
        }
        let all = Errors::of(&errors);
        text += &format!("\nerror: {:.1} % at the worst point, {:.1} % on average\n", all.worst, all.mean);
        text.extend(fitted.open_questions().iter().map(|what| format!("note: {what}\n")));
        text
    }

    pub(super) fn json(&self) -> String {
        let Self { path, fitted } = self;
        let (points, errors) = (&fitted.points, fitted.errors());
        let all = Errors::of(&errors);
        let unit = points.measure.name();
        let each = points.list.iter().zip(&fitted.nsec_each).zip(&errors).map(|((point, nsec), error)| {
            json!({
                "size": point.bytes,
                "depth": point.jobs,
                "measured": point.value,
                "device": points.measure.of(point, *nsec),
                "formula": points.measure.of(point, fitted.found.nsec_each(point)),
                "error_percent": 100.0 * error,
            })
        });
        let json = json!({
            "schema_version": 1,
            "fit": {
                "file": path.display().to_string(),
                "unit": unit,
                "device": fitted.config,
                "worst_percent": all.worst,
                "mean_percent": all.mean,
                "rms_percent": all.rms,
                "points": each.collect::<Vec<_>>(),
                "notes": fitted.open_questions(),
            }
        });
        format!("{json}\n")
    }
}

/// A number in as many digits as a measurement has.
fn number(value: f64) -> String {
    if value >= 1_000.0 { grouped(format_args!("{value:.0}")) } else { format!("{value:.3}") }
}
