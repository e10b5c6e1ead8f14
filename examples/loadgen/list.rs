//! What there is to choose from, for `--list`: read from the tables that the engine itself goes by.

use std::fmt::Write;

use clap::ValueEnum;
use simaccel::EngineStats;
use simaccel_device::{Config, Preset};

use crate::args::{Mode, numbers};
use crate::arrivals::Arrivals;
use crate::work::Work;

/// One name a line, below the option or key that takes it.
pub(crate) fn text() -> String {
    let stats = EngineStats::default();
    let dists = Config::KEYS.iter().filter(|key| key.name == "latency_dist");
    let modes = Mode::ALL.map(|mode| mode.name().to_owned());
    let arrivals = Arrivals::value_variants().iter().map(|arrivals| arrivals.name().to_owned());
    let sections: [(&str, Vec<String>); 6] = [
        ("algorithms (--alg)", Work::all().map(|work| work.to_string()).collect()),
        ("modes (--mode)", modes.to_vec()),
        ("arrivals (--arrivals)", arrivals.collect()),
        ("presets (--device preset=NAME)", Preset::ALL.map(numbers).to_vec()),
        ("distributions (--device latency_dist=NAME)", dists.map(|key| key.allowed.to_owned()).collect()),
        (
            "faults (--device fault=NAME:FIELD=VALUE,...)",
            stats.faults().map(|(kind, _)| kind.to_owned()).collect(),
        ),
    ];
    let mut text = String::new();
    for (title, names) in sections {
        let _ = writeln!(text, "{title}");
        for name in names {
            let _ = writeln!(text, "  {name}");
        }
    }
    text
}
