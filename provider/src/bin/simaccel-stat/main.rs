//! Shows and changes what the provider does in a process, and finds out why it does nothing.
//!
//! ```text
//!   FILE... ──► Snapshot of each ──► Summary ──► text, json, prometheus; once, or every so often
//!   --set ────► ask: a request in the file, and its reply
//!   --doctor ─► doctor: libcrypto in a child, with the user's own configuration
//! ```

use std::io::{self, IsTerminal, Write, stderr, stdout};
use std::path::PathBuf;
use std::process::ExitCode;
use std::thread;
use std::time::Duration;

use clap::{ArgGroup, Parser};
use simaccel_provider::counters::snapshot::{ReadError, Snapshot};

use self::ask::Answer;
use self::doctor::Patient;
use self::summary::Summary;

mod ask;
mod doctor;
mod json;
mod prometheus;
mod summary;
mod text;
mod units;

/// How long a process is given for a new copy of the engine's numbers.
const MOMENT: Duration = Duration::from_millis(50);
/// How often a file is read again that was read in the middle of a copy.
const TRIES: usize = 5;

/// Shows the counters of processes that use the provider, and changes its faults and service times.
#[derive(Debug, Parser)]
#[command(version, group = ArgGroup::new("form").args(["json", "prometheus"]))]
struct Options {
    /// The files of the counters, `P.<pid>` where the configuration says `stats_file=P`; several are added up
    #[arg(required_unless_present = "doctor", value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Write one JSON object, in one line
    #[arg(long)]
    json: bool,
    /// Write Prometheus' text format
    #[arg(long)]
    prometheus: bool,
    /// Repeat it, until the processes have ended
    #[arg(long, value_name = "SECONDS", num_args = 0..=1, default_missing_value = "1", value_parser = seconds)]
    watch: Option<Duration>,
    /// Change the running processes: faults and service times, as in a configuration
    #[arg(long, value_name = "KEY=VALUE;...", value_parser = items, conflicts_with_all = ["json", "prometheus", "watch"])]
    set: Option<String>,
    /// How long to wait for a process that has no operation
    #[arg(long, value_name = "SECONDS", default_value = "10", value_parser = seconds, requires = "set")]
    patience: Duration,
    /// Find out whether programs offload to the device, with this environment; and of a provider that no
    /// configuration loads, whether it could be
    #[arg(long, value_name = "PROVIDER.so", num_args = 0..=1, conflicts_with_all = ["files", "form", "watch", "set"])]
    doctor: Option<Option<PathBuf>>,
    /// The libcrypto of the programs
    #[arg(long, value_name = "PATH", requires = "doctor")]
    libcrypto: Option<PathBuf>,
    /// The libssl of the programs
    #[arg(long, value_name = "PATH", requires = "doctor")]
    libssl: Option<PathBuf>,
}

/// A change that says something.
fn items(text: &str) -> Result<String, String> {
    let is_empty = text.split([';', '\n']).all(|item| item.trim().is_empty());
    if is_empty { Err("KEY=VALUE;... with at least one key".to_owned()) } else { Ok(text.to_owned()) }
}

/// A time that a sleep can take.
fn seconds(text: &str) -> Result<Duration, String> {
    let number = text.parse::<f64>().ok().filter(|number| (0.01..=86_400.0).contains(number));
    number
        .map(Duration::from_secs_f64)
        .ok_or_else(|| "a number of seconds from 0.01 to 86400; the files stand before --watch".to_owned())
}

fn main() -> ExitCode {
    let options = match Options::try_parse() {
        Ok(options) => options,
        Err(said) if !said.use_stderr() => {
            return write(&said.render().to_string())
                .map_or_else(|error| closed(&error), |()| ExitCode::SUCCESS);
        }
        Err(mistake) => return refused(&in_one_line(&mistake.render().to_string())),
    };
    if let Some(provider) = options.doctor {
        let Options { libcrypto, libssl, .. } = options;
        return doctor::doctor(&Patient { provider, libcrypto, libssl });
    }
    match &options.set {
        Some(text) => set(&options, text),
        None => show(&options),
    }
}

/// What clap says of a mistake, without the usage below it.
fn in_one_line(said: &str) -> String {
    let told = said.lines().map(str::trim);
    let told =
        told.take_while(|line| !line.starts_with("Usage:") && !line.starts_with("For more information"));
    let line = told.filter(|line| !line.is_empty()).collect::<Vec<_>>().join(" ");
    format!("{}; --help lists the options", line.strip_prefix("error: ").unwrap_or(&line))
}

/// One line on standard error. A full disk or a missing reader loses it.
fn message(line: &dyn std::fmt::Display) {
    let _ = stderr().write_all(format!("simaccel-stat: {line}\n").as_bytes());
}

/// One line, and the exit code of a wrong command line or file.
fn refused(error: &dyn std::fmt::Display) -> ExitCode {
    message(error);
    ExitCode::from(2)
}

fn set(options: &Options, text: &str) -> ExitCode {
    let mut exit = ExitCode::SUCCESS;
    for path in &options.files {
        let answer = match ask::change(path, text, options.patience) {
            Ok(answer) => answer,
            Err(error @ ask::AskError::Ended(_)) => {
                message(&error);
                exit = ExitCode::FAILURE;
                continue;
            }
            Err(error) => return refused(&error),
        };
        let (line, is_done) = match answer {
            Answer::Accepted => ("accepted".to_owned(), true),
            Answer::Refused(reason) => (format!("refused: {reason}"), false),
            Answer::Pending => ("no operation yet: it is changed with the next one".to_owned(), false),
        };
        if !is_done {
            exit = ExitCode::FAILURE;
        }
        if write(&format!("{}: {line}\n", path.display())).is_err() {
            return ExitCode::FAILURE;
        }
    }
    exit
}

fn show(options: &Options) -> ExitCode {
    let mut before: Option<Summary> = None;
    loop {
        let now = match read(&options.files) {
            Ok(now) => now,
            Err(error) => return refused(&error),
        };
        let text = if options.json {
            format!("{}\n", json::json(&now))
        } else if options.prometheus {
            prometheus::prometheus(&now)
        } else {
            text::text(&now, before.as_ref())
        };
        let is_screen =
            options.watch.is_some() && !options.json && !options.prometheus && stdout().is_terminal();
        // To the upper left corner, and what is below it erased.
        let erase = if is_screen { "\x1b[H\x1b[J" } else { "" };
        if let Err(error) = write(&format!("{erase}{text}")) {
            return closed(&error);
        }
        match options.watch {
            Some(period) if now.runs() => thread::sleep(period),
            _ => return ExitCode::SUCCESS,
        }
        before = Some(now);
    }
}

fn read(files: &[PathBuf]) -> Result<Summary, ReadError> {
    let read = |path: &PathBuf| {
        ask::refresh(path, MOMENT);
        let mut snapshot = Snapshot::read(path)?;
        for _ in 0..TRIES {
            if !snapshot.is_torn() {
                break;
            }
            thread::sleep(Duration::from_millis(1));
            snapshot = Snapshot::read(path)?;
        }
        Ok(snapshot)
    };
    let snapshots = files.iter().map(read).collect::<Result<Vec<_>, ReadError>>()?;
    Ok(Summary::of(&snapshots))
}

fn write(text: &str) -> io::Result<()> {
    let mut out = stdout().lock();
    out.write_all(text.as_bytes())?;
    out.flush()
}

/// The reader has gone, which it knows, or the disk is full.
fn closed(error: &io::Error) -> ExitCode {
    if error.kind() != io::ErrorKind::BrokenPipe {
        message(&format_args!("the output cannot be written: {error}"));
    }
    ExitCode::FAILURE
}
