//! The command line. A mistake is reported in one line that names the option and what is allowed.

use std::ffi::OsString;
use std::ops::Range;

use clap::Parser;
use clap::error::ErrorKind;
use simaccel::grammar;

use crate::sim::Sabotage;
use crate::usage;

/// Runs random histories of jobs, wait contexts, engine and stepped device, and checks every step of them.
///
/// Standard output ends with one line: seeds N, failures N, history HASH. Before it there is a line for each
/// seed that failed: in which action, what broke, and the command that shows its history.
#[derive(Parser)]
#[command(
    name = "simulate",
    version,
    after_help = "Exit code: 0 without failures; 1 with, or when standard output cannot be written; 2 for a bad option."
)]
struct Options {
    /// The seeds to run, as in 0..100000 (the end is excluded) [default: 0..1000]
    #[arg(long, value_name = "FROM..TO", value_parser = parse_seeds, allow_hyphen_values = true, conflicts_with = "seed")]
    seeds: Option<Range<u64>>,
    /// One seed
    #[arg(long, value_name = "NUMBER", value_parser = parse_seed, allow_hyphen_values = true)]
    seed: Option<u64>,
    /// Print what happens, each line behind the number of its action
    #[arg(long)]
    history: bool,
    /// Leave out the seed's other actions, as in 0..4,7 (4 is not among them), or none: leave out all
    #[arg(long, value_name = "ACTIONS", value_parser = parse_actions, allow_hyphen_values = true, requires = "seed")]
    only: Option<Actions>,
    /// Find the fewest actions that break each seed that fails in the same way
    #[arg(long, conflicts_with = "only")]
    shrink: bool,
    /// Break the device or the engine on purpose: the checks have to find out
    #[arg(long, value_name = "WHAT", value_parser = parse_sabotage, allow_hyphen_values = true)]
    sabotage: Option<Sabotage>,
}

/// The result of the command line.
pub(crate) enum Parsed {
    /// Help or version, to print.
    Text(String),
    Run(Run),
}

pub(crate) struct Run {
    pub(crate) seeds: Range<u64>,
    pub(crate) history: bool,
    /// The numbers of the actions, in their order.
    pub(crate) only: Option<Vec<usize>>,
    pub(crate) shrink: bool,
    pub(crate) sabotage: Option<Sabotage>,
}

pub(crate) fn parse(arguments: impl IntoIterator<Item = OsString>) -> Result<Parsed, String> {
    match Options::try_parse_from(arguments) {
        Ok(Options { seeds, seed, history, only, shrink, sabotage }) => {
            let only = only.map(|Actions(numbers)| numbers);
            let one = seed.map(|seed| seed..seed + 1);
            let seeds = one.or(seeds).unwrap_or(0..1_000);
            Ok(Parsed::Run(Run { seeds, history, only, shrink, sabotage }))
        }
        Err(error) if matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion) => {
            Ok(Parsed::Text(error.render().to_string()))
        }
        Err(error) => Err(usage::condense(&error)),
    }
}

fn parse_seed(text: &str) -> Result<u64, String> {
    grammar::within(text, 0..=u64::MAX - 1).ok_or_else(|| format!("allowed are 0 to {}", u64::MAX - 1))
}

fn parse_seeds(text: &str) -> Result<Range<u64>, String> {
    let ends =
        text.split_once("..").and_then(|(from, to)| Some((grammar::number(from)?, grammar::number(to)?)));
    let seeds = ends.map(|(from, to)| from..to).filter(|seeds: &Range<u64>| !seeds.is_empty());
    seeds.ok_or_else(|| "allowed is FROM..TO with FROM below TO, as in 0..100000".to_owned())
}

/// Numbers of actions. (A type of its own: clap takes a plain list for one value of many.)
#[derive(Clone, Debug)]
struct Actions(Vec<usize>);

/// No seed has as many actions.
const TOO_MANY: usize = 1_000;

fn parse_actions(text: &str) -> Result<Actions, String> {
    if text == "none" {
        return Ok(Actions(Vec::new()));
    }
    let part = |part: &str| -> Option<Range<usize>> {
        let (from, to) = match part.split_once("..") {
            Some((from, to)) => (from.parse().ok()?, to.parse().ok()?),
            None => part.parse().ok().map(|number: usize| (number, number.saturating_add(1)))?,
        };
        (from < to && to <= TOO_MANY).then_some(from..to)
    };
    let numbers: Option<Vec<usize>> = text.split(',').try_fold(Vec::new(), |mut numbers, text| {
        numbers.extend(part(text)?);
        Some(numbers)
    });
    let rising = numbers.filter(|numbers| numbers.is_sorted_by(|one, next| one < next));
    let allowed =
        "allowed are numbers and FROM..TO in rising order, separated by commas, as in 0..4,7, or none";
    rising.map(Actions).ok_or_else(|| allowed.to_owned())
}

fn parse_sabotage(text: &str) -> Result<Sabotage, String> {
    let found = Sabotage::ALL.into_iter().find(|sabotage| sabotage.name() == text);
    found.ok_or_else(|| format!("allowed are {}", Sabotage::ALL.map(Sabotage::name).join(", ")))
}
