//! The command line. A mistake is reported in one line that names the option and what is allowed.

use std::fs::File;
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::time::Duration;

use simaccel::grammar;

use crate::figures::Counted;
use crate::harness::Effort;
use crate::targets::{TARGETS, target};

/// The text of `--help`.
pub(crate) const HELP: &str = "\
Measures simaccel beside its rivals, in one process, in turns, the best of 7 rounds of each, over and over.

  --only KEY,...   only these figures (see the table's first column)
  --contests N     how often everything is compared, 1 to 200 (default 11)
  --quick          one contest of short rounds, unless --contests says more
  --json FILE      write the figures as a JSON object, too
  --curves FILE    measure how costs grow instead, best of 7 rounds for each of --contests: a table, and an SVG picture in
                   FILE
  --count-memory SIDE  pause jobs, print what they weigh, end (what the program calls itself with)
  --help           this

Exit code: 0, whatever was reached; 1 when something failed or a result was wrong; 2 for a bad option.";

/// Rounds of a contest.
const ROUNDS: usize = 7;
const CONTESTS: RangeInclusive<usize> = 1..=200;
const FILE: &str = "the name of a file that can be written";

/// What to do.
#[derive(Debug)]
pub(crate) enum Task {
    Help,
    Count(Counted),
    Curves(PathBuf, Effort),
    Measure { wanted: Vec<&'static str>, effort: Effort, contests: usize, json: Option<PathBuf> },
}

/// Parses the arguments after the program's name.
pub(crate) fn parse(arguments: impl IntoIterator<Item = String>) -> Result<Task, String> {
    let mut arguments = arguments.into_iter();
    let (mut wanted, mut contests, mut quick, mut json, mut curves) = (Vec::new(), None, false, None, None);
    let mut given = Vec::new();
    while let Some(option) = arguments.next() {
        if given.contains(&option) {
            return Err(format!("{option} is given twice; allowed: once"));
        }
        given.push(option.clone());
        let mut value = |allowed: &str| {
            arguments.next().ok_or_else(|| format!("{option} needs a value; allowed: {allowed}"))
        };
        match option.as_str() {
            "--help" | "-h" => return Ok(Task::Help),
            "--quick" => quick = true,
            "--only" => wanted = parse_keys(&value(&keys())?)?,
            "--contests" => contests = Some(parse_contests(&value("1 to 200")?)?),
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
    let contests = contests.unwrap_or(if quick { 1 } else { 11 });
    let effort = Effort { rounds: ROUNDS, slice: Duration::from_millis(if quick { 4 } else { 5 }) };
    if let Some(file) = curves {
        if let Some(other) = given.iter().find(|option| ["--only", "--json"].contains(&option.as_str())) {
            return Err(format!(
                "{other} is not allowed together with --curves, which measures something else"
            ));
        }
        // The growth curves include one comparison.
        return Ok(Task::Curves(file, Effort { rounds: ROUNDS * contests, ..effort }));
    }
    if wanted.is_empty() {
        wanted = TARGETS.iter().map(|target| target.key).collect();
    }
    Ok(Task::Measure { wanted, effort, contests, json })
}

fn parse_contests(text: &str) -> Result<usize, String> {
    grammar::within(text, CONTESTS).ok_or_else(|| refused("--contests", text, "1 to 200"))
}

fn parse_keys(text: &str) -> Result<Vec<&'static str>, String> {
    let key =
        |name: &str| target(name).map(|target| target.key).ok_or_else(|| refused("--only", name, &keys()));
    text.split(',').map(str::trim).map(key).collect()
}

fn keys() -> String {
    TARGETS.iter().map(|target| target.key).collect::<Vec<_>>().join(", ")
}

/// Checked now, and not after everything has been measured.
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
            ("--contests 0", "--contests", "1 to 200"),
            ("--contests", "--contests", "1 to 200"),
            ("--only cycle_2", "--only", "cycle_1, cycle_100"),
            ("--count-memory theirs", "--count-memory", "ours, libcrypto"),
            ("--fast", "--fast", "--help"),
            ("--json /nowhere/at/all", "--json", "a file that can be written"),
            ("--curves", "--curves", "a file that can be written"),
            ("--quick --quick", "--quick", "once"),
            ("--only cycle_1 --only pair", "--only", "once"),
            ("--curves /dev/null --only pair", "--only", "--curves"),
            ("--json /dev/null --curves /dev/null", "--json", "--curves"),
        ] {
            let message = parsed(line).unwrap_err();
            assert!(message.contains(names) && message.contains(allows), "{message}");
            assert_eq!(message.lines().count(), 1);
        }
    }

    /// The one of the page and of the README; FILE is a writable file.
    #[test]
    fn the_commands_that_are_shown_are_taken() {
        let mut seen = 0;
        for page in [include_str!("../../../docs/performance.md"), include_str!("../../../README.md")] {
            let command = "cargo run --release --manifest-path benches/rivals/Cargo.toml";
            for shown in page.split(command).skip(1) {
                let line = shown.lines().next().unwrap_or_default();
                let Some(line) = line.strip_prefix(" -- ") else { continue };
                let line = line.split("  ").next().unwrap_or_default().replace("FILE.svg", "FILE");
                let words =
                    line.split_whitespace().map(|word| if word == "FILE" { "/dev/null" } else { word });
                assert!(parse(words.map(str::to_owned)).is_ok(), "{line}");
                seen += 1;
            }
        }
        assert!(seen >= 3, "{seen}");
    }

    #[test]
    fn everything_is_measured_unless_some_is_asked_for() {
        let Ok(Task::Measure { wanted, contests, json: None, .. }) = parsed("") else {
            panic!("nothing asked")
        };
        assert_eq!((wanted.len(), contests), (TARGETS.len(), 11));
        let line = "--only pair,cycle_1 --quick --contests 9 --json /dev/null";
        let Ok(Task::Measure { wanted, contests, json: Some(_), .. }) = parsed(line) else { panic!("some") };
        assert_eq!((wanted, contests), (vec!["pair", "cycle_1"], 9));
    }
}
