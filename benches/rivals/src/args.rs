//! The command line: small, and a mistake in it is one line that names the option and what is allowed.

use std::fs::File;
use std::path::PathBuf;
use std::time::Duration;

use crate::figures::Counted;
use crate::harness::Effort;
use crate::targets::{TARGETS, target};

/// What `--help` prints.
pub(crate) const HELP: &str = "\
Measures simaccel beside its rivals, in one process, in turns, the best round of each.

  --only KEY,...   only these figures (see the table's first column)
  --rounds N       rounds of each comparison, 7 to 1000 (default 75)
  --quick          7 short rounds, unless --rounds says more
  --json FILE      write the figures as a JSON object, too
  --curves FILE    measure how costs grow instead: a table, and an SVG picture in FILE
  --count-memory SIDE  pause jobs, print what they weigh, end (what the program calls itself with)
  --help           this

Exit code: 0, whatever was reached; 1 when something failed or a result was wrong; 2 for a bad option.";

/// The fewest rounds that a best one can be taken of.
const MIN_ROUNDS: usize = 7;
const MAX_ROUNDS: usize = 1_000;
const FILE: &str = "the name of a file that can be written";

/// What to do.
#[derive(Debug)]
pub(crate) enum Task {
    Help,
    Count(Counted),
    Curves(PathBuf, Effort),
    Measure { wanted: Vec<&'static str>, effort: Effort, json: Option<PathBuf> },
}

/// Reads the arguments behind the program's name.
pub(crate) fn parse(arguments: impl IntoIterator<Item = String>) -> Result<Task, String> {
    let mut arguments = arguments.into_iter();
    let (mut wanted, mut rounds, mut quick, mut json, mut curves) = (Vec::new(), None, false, None, None);
    while let Some(option) = arguments.next() {
        let mut value = |allowed: &str| {
            arguments.next().ok_or_else(|| format!("{option} needs a value; allowed: {allowed}"))
        };
        match option.as_str() {
            "--help" | "-h" => return Ok(Task::Help),
            "--quick" => quick = true,
            "--only" => wanted = parse_keys(&value(&keys())?)?,
            "--rounds" => rounds = Some(parse_rounds(&value("7 to 1000")?)?),
            "--json" | "--curves" => {
                let file = writable(&option, &value(FILE)?)?;
                if option == "--json" { json = Some(file) } else { curves = Some(file) }
            }
            "--count-memory" => {
                let name = value(Counted::NAMES)?;
                let side = Counted::parse(&name);
                return side.map(Task::Count).ok_or_else(|| refused("--count-memory", &name, Counted::NAMES));
            }
            other => return Err(format!("unknown option '{other}'; --help lists the options")),
        }
    }
    let effort = effort(rounds, quick);
    Ok(match curves {
        Some(file) => Task::Curves(file, effort),
        None if wanted.is_empty() => {
            Task::Measure { wanted: TARGETS.iter().map(|target| target.key).collect(), effort, json }
        }
        None => Task::Measure { wanted, effort, json },
    })
}

fn effort(rounds: Option<usize>, quick: bool) -> Effort {
    let (default, slice) = if quick { (MIN_ROUNDS, 4) } else { (75, 5) };
    Effort { rounds: rounds.unwrap_or(default), slice: Duration::from_millis(slice) }
}

fn parse_rounds(text: &str) -> Result<usize, String> {
    let rounds = text.parse().ok().filter(|rounds| (MIN_ROUNDS..=MAX_ROUNDS).contains(rounds));
    rounds.ok_or_else(|| refused("--rounds", text, "7 to 1000"))
}

fn parse_keys(text: &str) -> Result<Vec<&'static str>, String> {
    let key =
        |name: &str| target(name).map(|target| target.key).ok_or_else(|| refused("--only", name, &keys()));
    text.split(',').map(str::trim).map(key).collect()
}

fn keys() -> String {
    TARGETS.iter().map(|target| target.key).collect::<Vec<_>>().join(", ")
}

/// Found out now, and not when everything has been measured.
fn writable(option: &str, name: &str) -> Result<PathBuf, String> {
    match File::options().create(true).append(true).open(name) {
        Ok(_) => Ok(PathBuf::from(name)),
        Err(error) => Err(format!("{option}: {name}: {error}; allowed: {FILE}")),
    }
}

fn refused(option: &str, value: &str, allowed: &str) -> String {
    format!("{option}: '{value}' is not allowed; allowed: {allowed}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(line: &str) -> Result<Task, String> {
        parse(line.split_whitespace().map(str::to_owned))
    }

    #[test]
    fn a_bad_option_is_named_with_what_is_allowed() {
        for (line, names, allows) in [
            ("--rounds 6", "--rounds", "7 to 1000"),
            ("--rounds", "--rounds", "7 to 1000"),
            ("--only cycle_2", "--only", "cycle_1, cycle_100"),
            ("--count-memory theirs", "--count-memory", "ours, libcrypto"),
            ("--fast", "--fast", "--help"),
            ("--json /nowhere/at/all", "--json", "a file that can be written"),
            ("--curves", "--curves", "a file that can be written"),
        ] {
            let message = parsed(line).unwrap_err();
            assert!(message.contains(names) && message.contains(allows), "{message}");
            assert_eq!(message.lines().count(), 1);
        }
    }

    #[test]
    fn everything_is_measured_unless_some_is_asked_for() {
        let Ok(Task::Measure { wanted, effort, json: None }) = parsed("") else { panic!("nothing asked") };
        assert_eq!((wanted.len(), effort.rounds), (TARGETS.len(), 75));
        let line = "--only pair,cycle_1 --quick --rounds 9 --json /dev/null";
        let Ok(Task::Measure { wanted, effort, json: Some(_) }) = parsed(line) else { panic!("some") };
        assert_eq!((wanted, effort.rounds), (vec!["pair", "cycle_1"], 9));
    }
}
