//! The command line: each option checked alone. The plan checks how they go together.
//!
//! A mistake is reported in one line that names the option and what is allowed.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use clap::error::ErrorKind;
use clap::{CommandFactory, FromArgMatches, Parser, ValueEnum};
use simaccel::EngineStats;
use simaccel::grammar::{self, Key};
use simaccel_device::Preset;

use crate::alg;
use crate::completions::{self, Shell};
use crate::failure::Failure;
use crate::files::Files;
use crate::fit::FitOptions;
use crate::judging::Judging;
use crate::list;
use crate::mix::Mixing;
use crate::own_cost::OwnCostOption;
use crate::pacing::Pacing;
use crate::pictures::PictureOptions;
use crate::plan::{Plan, Rate};
use crate::searches::Searches;
use crate::threads::Threads;
use crate::trace::TraceOptions;
use crate::units::{parse_duration, parse_size};
use crate::usage;
use crate::virtual_time::VirtualTime;
use crate::warmup::WarmUp;
use crate::work::Work;

/// Most jobs in flight.
pub(crate) const MAX_JOBS: usize = 100_000;

/// Runs the pause and wake cycle of a simulated crypto accelerator on real data, and measures it.
///
/// Without --input: generated load, every result compared with software, one row per mode. With --input: a
/// file goes through the device; a digest is printed as sha256sum prints it, a cipher writes --output as
/// openssl enc does (GCM: ciphertext, then the 16-byte tag).
#[derive(Clone, Parser)]
#[command(name = "loadgen", version, after_help = help_tail())]
pub(crate) struct Options {
    /// Cipher, AEAD or digest by its OpenSSL name, hmac-DIGEST, or an operation with a key, as rsa2048-sign
    /// [default: aes-256-ctr]
    #[arg(long, value_name = "NAME", value_parser = Work::parse)]
    pub(crate) alg: Option<Work>,
    /// Bytes per operation, 1 to 64m, which those with a key have not; with --input bytes per piece, rounded
    /// up to whole blocks of 16 [default: 4k; with --input 64k]
    #[arg(long, value_name = "BYTES[k|m]", value_parser = parse_size, allow_hyphen_values = true)]
    pub(crate) size: Option<usize>,
    /// Jobs in flight, 1 to 100000; software and sync have one a thread, and a file whose pieces are a chain
    /// (CBC encryption, GCM, digests, HMAC) has one [default: 64; with --input 16]
    #[arg(long, value_name = "COUNT", value_parser = parse_jobs, allow_hyphen_values = true)]
    pub(crate) jobs: Option<usize>,
    /// How long each row runs, as in 500ms or 2s [default: 900ms]
    #[arg(long, value_name = "TIME", value_parser = parse_duration, allow_hyphen_values = true)]
    pub(crate) duration: Option<Duration>,
    /// How many operations each row runs, instead of --duration
    #[arg(long, value_name = "COUNT", value_parser = parse_ops, allow_hyphen_values = true)]
    pub(crate) ops: Option<u64>,
    #[command(flatten)]
    pub(crate) threads: Threads,
    #[command(flatten)]
    pub(crate) mixing: Mixing,
    #[command(flatten)]
    pub(crate) warm_up: WarmUp,
    #[command(flatten)]
    pub(crate) pacing: Pacing,
    #[command(flatten)]
    pub(crate) pictures: PictureOptions,
    #[command(flatten)]
    pub(crate) virtual_time: VirtualTime,
    #[command(flatten)]
    pub(crate) searches: Searches,
    #[command(flatten)]
    pub(crate) own_cost: OwnCostOption,
    /// How operations are run and awaited [default: every one; with --input wake-fd]
    #[arg(long, value_enum)]
    pub(crate) mode: Option<Mode>,
    /// Configuration of the device and the engine, as in `completion_nsec=50000;compute_units=4` [default:
    /// ideal]
    #[arg(long, value_name = "CONFIG", allow_hyphen_values = true)]
    pub(crate) device: Option<String>,
    /// Seed of all generated data [default: 1]
    #[arg(long, value_name = "NUMBER", value_parser = parse_seed, allow_hyphen_values = true)]
    pub(crate) seed: Option<u64>,
    /// Failed operations are what is asked for: they are reported, and do not make the exit code 1; nor do
    /// wrong results where the device is told to corrupt them
    #[arg(long)]
    pub(crate) expect_errors: bool,
    /// The engine's statistics too: in a text report those of the last row, behind it; in a JSON report in
    /// each row
    #[arg(long, value_enum, value_name = "FORMAT")]
    pub(crate) stats: Option<StatsFormat>,
    /// What the report looks like
    #[arg(long, value_enum, default_value = "text")]
    pub(crate) output_format: Format,
    /// All columns in a text report, however wide
    #[arg(long)]
    pub(crate) wide: bool,
    #[command(flatten)]
    pub(crate) trace: TraceOptions,
    #[command(flatten)]
    pub(crate) fit: FitOptions,
    /// Prints the algorithms, modes, arrivals, presets, distributions and faults, and runs nothing
    #[arg(long)]
    pub(crate) list: bool,
    /// Prints the configuration of the device in full, as --device takes it, and runs nothing
    #[arg(long)]
    pub(crate) print_config: bool,
    #[command(flatten)]
    pub(crate) files: Files,
    #[command(flatten)]
    pub(crate) judging: Judging,
    /// Prints what makes a shell complete these options, and runs nothing
    #[arg(long, value_enum, value_name = "SHELL")]
    pub(crate) completions: Option<Shell>,
    /// File to send through the device; - is standard input
    #[arg(long, value_name = "FILE")]
    pub(crate) input: Option<PathBuf>,
    /// File to write, replaced only when all went well
    #[arg(long, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,
    /// Key for --input, in hexadecimal
    #[arg(long, value_name = "HEX", allow_hyphen_values = true)]
    pub(crate) key: Option<String>,
    /// Initialisation vector, counter block, nonce or first tweak for --input, in hexadecimal
    #[arg(long, value_name = "HEX", allow_hyphen_values = true)]
    pub(crate) iv: Option<String>,
    /// Decrypt --input instead of encrypting it
    #[arg(long)]
    pub(crate) decrypt: bool,
    /// Bytes per XTS data unit of --input, 16 to 16m [default: 512]; unit n has the tweak --iv + n,
    /// little-endian
    #[arg(long, value_name = "BYTES[k|m]", value_parser = parse_sector, allow_hyphen_values = true)]
    pub(crate) sector_size: Option<usize>,
}

/// How an operation runs, and how its end is announced.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Mode {
    /// In the calling thread, without the device
    Software,
    /// On the device, one at a time, blocking
    Sync,
    /// Jobs in flight, woken by epoll on their wait fds
    WakeFd,
    /// Jobs in flight, woken by their wait contexts' callbacks
    Callback,
    /// Jobs in flight, found by polling the engine
    Poll,
    /// Operations in flight that are awaited, without jobs, by an executor for one thread
    Futures,
}

impl Mode {
    pub(crate) const ALL: [Self; 6] =
        [Self::Software, Self::Sync, Self::WakeFd, Self::Callback, Self::Poll, Self::Futures];

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Software => "software",
            Self::Sync => "sync",
            Self::WakeFd => "wake-fd",
            Self::Callback => "callback",
            Self::Poll => "poll",
            Self::Futures => "futures",
        }
    }

    /// Whether many operations are in flight at once.
    pub(crate) const fn has_many(self) -> bool {
        !matches!(self, Self::Software | Self::Sync)
    }

    /// Whether each operation runs in a job, with a stack of its own.
    pub(crate) const fn has_jobs(self) -> bool {
        self.has_many() && !matches!(self, Self::Futures)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    Text,
    Json,
}

/// How the engine's statistics are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum StatsFormat {
    /// One JSON object
    Json,
    /// Prometheus' text exposition format
    Prometheus,
}

/// The result of the command line.
pub(crate) enum Parsed {
    /// To print: help, version, a list or a configuration.
    Text(String),
    Plan(Box<Plan>),
}

pub(crate) fn parse(arguments: impl IntoIterator<Item = OsString>) -> Result<Parsed, Failure> {
    let parsed = Options::command().try_get_matches_from(arguments);
    match parsed.and_then(|matches| Ok((Options::from_arg_matches(&matches)?, matches))) {
        Ok((options, matches)) => {
            if let Some(report) = options.fit.run(&matches, options.output_format)? {
                return Ok(Parsed::Text(report));
            }
            if options.list {
                return Ok(Parsed::Text(list::text()));
            }
            if let Some(shell) = options.completions {
                return Ok(Parsed::Text(completions::text(shell)));
            }
            let (prints, says_mode) = (options.print_config, options.mode.is_some());
            let plan = Plan::new(options)?;
            Ok(if prints { Parsed::Text(plan.config(says_mode)) } else { Parsed::Plan(Box::new(plan)) })
        }
        Err(error) => match error.kind() {
            ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => {
                Ok(Parsed::Text(error.render().to_string()))
            }
            _ => Err(Failure::Usage(usage::condense(&error))),
        },
    }
}

fn help_tail() -> String {
    format!(
        "Algorithms: {}.\n\n\
         CONFIG is key=value;key=value; docs/configuration.md explains it.\n\
         Device: {}.\n\
         Engine: {}.\n\
         Faults: fault=KIND:FIELD=VALUE,..., repeatable, with KIND {}.\n\
         Presets: {}. A text report names what differs from the ideal device, a JSON report every number.\n\n\
         The report goes to standard output; with --input to standard error, but for JSON with a cipher.\n\
         Exit code: 0 when all went well; 1 for a mismatch, an error of an operation (see --expect-errors), a bad tag or \
         padding, or a report that cannot be written; 2 for an option, an input or an output that cannot be used; 3 when a \
         --threshold is not held; 4 for a regression with --fail-on-regression; 130 when SIGINT (Ctrl-C) or SIGTERM ended \
         generated load early, whose report was printed as far as it had come.",
        Work::names(),
        Key::names(simaccel_device::Config::KEYS),
        Key::names(simaccel::Config::KEYS),
        EngineStats::default().faults().map(|(kind, _)| kind).collect::<Vec<_>>().join(", "),
        Preset::ALL.map(numbers).join(", "),
    )
}

/// A preset, and the values it sets.
pub(crate) fn numbers(preset: Preset) -> String {
    let (ideal, changed) = (Preset::Ideal.config().to_string(), preset.config().to_string());
    let pairs = changed.split(';').zip(ideal.split(';'));
    let numbers: Vec<&str> = pairs.filter(|(new, old)| new != old).map(|(new, _)| new).collect();
    if numbers.is_empty() { preset.to_string() } else { format!("{preset} ({})", numbers.join(";")) }
}

fn parse_jobs(text: &str) -> Result<usize, String> {
    grammar::within(text, 1..=MAX_JOBS).ok_or_else(|| format!("allowed are 1 to {MAX_JOBS}"))
}

fn parse_ops(text: &str) -> Result<u64, String> {
    grammar::within(text, 1..=u64::MAX).ok_or_else(|| format!("allowed are 1 to {}", u64::MAX))
}

pub(crate) fn parse_rate(text: &str) -> Result<Rate, String> {
    let rate = match text.strip_suffix('%') {
        Some(share) => grammar::within(share, 1..=1_000_u32).map(Rate::Percent),
        None => grammar::within(text, 1..=1_000_000_000_u32).map(Rate::PerSecond),
    };
    rate.ok_or_else(|| "allowed are 1 to 1000000000 operations a second, or 1% to 1000%".to_owned())
}

fn parse_seed(text: &str) -> Result<u64, String> {
    grammar::number(text).ok_or_else(|| format!("allowed are 0 to {}", u64::MAX))
}

fn parse_sector(text: &str) -> Result<usize, String> {
    let size = parse_size(text).ok().filter(|size| alg::data_unit_lens().contains(*size as u64));
    size.ok_or_else(|| "allowed are 16 to 16m bytes, with a suffix k or m".to_owned())
}
