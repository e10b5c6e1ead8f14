//! `--fit`: the configuration that reproduces what was measured on a real card.
//!
//! ```text
//!   FILE ──► points ──► search: the fewest keys, in closed form (model) ──► rounded to what a key holds
//!                                                                              │
//!                report: the configuration, and the error at each point ◄── replay: each point on the stepped
//!                                                                           device, in virtual time
//! ```

mod model;
mod points;
mod replay;
mod report;
mod search;

use std::path::PathBuf;

use clap::parser::ValueSource;
use clap::{ArgMatches, Args, CommandFactory};

use crate::args::{Format, Options};
use crate::failure::Failure;
use model::{FIRMWARE, FIXED, LINK, LINK_PER_BYTE, PER_BYTE};
use points::Points;
use report::Report;
use search::Found;

#[derive(Clone, Args)]
pub(crate) struct FitOptions {
    /// Points measured on a real device, size,depth,ops (or mbps, or latency_us) in a line each: prints the
    /// configuration that reproduces them best, and the error at each; runs nothing else
    #[arg(long, value_name = "FILE")]
    pub(crate) fit: Option<PathBuf>,
}

impl FitOptions {
    /// The report, where one is asked for.
    pub(crate) fn run(&self, matches: &ArgMatches, format: Format) -> Result<Option<String>, Failure> {
        let Some(path) = &self.fit else { return Ok(None) };
        check_alone(matches)?;
        let points = Points::read(path)?;
        let fitted = Fitted::new(points)?;
        let report = Report { path, fitted: &fitted };
        Ok(Some(match format {
            Format::Text => report.text(),
            Format::Json => report.json(),
        }))
    }
}

/// Every other option is about a run.
fn check_alone(matches: &ArgMatches) -> Result<(), Failure> {
    let command = Options::command();
    let given = |id: &str| matches.value_source(id) == Some(ValueSource::CommandLine);
    let names = command.get_arguments().filter(|argument| given(argument.get_id().as_str()));
    let others =
        names.filter_map(clap::Arg::get_long).filter(|name| !["fit", "output-format"].contains(name));
    match others.last() {
        Some(name) => {
            let why = "not allowed together with --fit, which runs nothing; --output-format is";
            Err(Failure::option(&format!("--{name}"), why))
        }
        None => Ok(()),
    }
}

/// A device, and how it does at each point.
struct Fitted {
    points: Points,
    found: Found,
    /// As `--device` takes it.
    config: String,
    /// Nanoseconds an operation on the stepped device.
    nsec_each: Vec<f64>,
}

impl Fitted {
    fn new(points: Points) -> Result<Self, Failure> {
        let none = || Failure::option("--fit", "no device of the model explains these points");
        let found = search::best(&points).ok_or_else(none)?;
        let config = config(&found).ok_or_else(none)?;
        let nsec_each = points.list.iter().map(|point| replay::nsec_each(&config, point));
        let nsec_each = nsec_each.collect::<Result<_, _>>()?;
        Ok(Self { points, found, config, nsec_each })
    }

    /// The errors of the device, each as a share of what was measured.
    fn errors(&self) -> Vec<f64> {
        let Points { measure, list } = &self.points;
        let figures = list.iter().zip(&self.nsec_each);
        figures.map(|(point, nsec)| measure.of(point, *nsec) / point.value - 1.0).collect()
    }

    /// What the points leave open, a sentence each.
    fn open_questions(&self) -> Vec<&'static str> {
        let points = &self.points;
        let most = points.deepest();
        let of_one = most == 1;
        let never_alone =
            points.depths().first().is_some_and(|depth| *depth > 1) && points.depths().len() == 1;
        let fills_units = self.found.says_units && self.found.units >= most;
        let said = [
            (of_one, "all points have one operation in flight: they do not tell how many units there are"),
            (
                never_alone,
                "all points have the same number in flight: they do not tell units from their speed",
            ),
            (fills_units, "no point has more in flight than there are units: there may be more units"),
            (
                points.sizes().len() == 1,
                "all points have the same size: they do not tell a rate from a fixed time",
            ),
            (
                self.found.table.is_some(),
                "the times by size are those of the points: between them they are guesses",
            ),
        ];
        said.into_iter().filter_map(|(is_so, what)| is_so.then_some(what)).collect()
    }
}

/// The configuration, its numbers rounded to what a key holds. `None`: a number is out of range.
fn config(found: &Found) -> Option<String> {
    let mut keys = vec![format!("compute_units={}", found.units)];
    let mut nanoseconds = |key: &str, time: f64| {
        if (1.0..=3.6e12).contains(&time.round()) {
            keys.push(format!("{key}={time:.0}"));
        }
    };
    nanoseconds("completion_nsec", found.times[FIXED]);
    nanoseconds("firmware_nsec", found.times[FIRMWARE]);
    nanoseconds("link_nsec", found.times[LINK]);
    for (key, time) in [("mbps", found.times[PER_BYTE]), ("link_mbps", found.times[LINK_PER_BYTE])] {
        if time > 0.0 {
            keys.push(format!("{key}={}", megabytes(1_000.0 / time)?));
        }
    }
    if let Some(table) = &found.table {
        let points = table.iter().map(|(size, time)| format!("{size}:{time:.0}"));
        keys.push(format!("service=all:points={}", points.collect::<Vec<_>>().join("/")));
    }
    Some(keys.join(";"))
}

/// 10^6 bytes a second, with up to three decimals.
fn megabytes(rate: f64) -> Option<String> {
    let text = format!("{rate:.3}");
    let text = text.trim_end_matches('0').trim_end_matches('.');
    (0.001..=1_000_000.0).contains(&rate).then(|| text.to_owned())
}
