//! The plan: the options checked against each other, with all defaults filled in.
//!
//! This happens before a device is opened or a file is touched.

use std::path::{Path, PathBuf};
use std::time::Duration;

use simaccel::grammar::Items;
use simaccel::{Config, DeliveryMode};
use simaccel_device::{Algorithm, Allowed, Cipher, FaultKind};

use crate::alg;
use crate::args::{Format, Mode, Options, StatsFormat};
use crate::arrivals::Arrivals;
use crate::failure::Failure;
use crate::units::short_size;

/// The limit of all buffers of a run together, in bytes: 4 GiB.
const MAX_BUFFERS: usize = 4 << 30;

/// Buffers of a run without `--jobs`, in bytes: 1 GiB; large messages get fewer jobs.
const DEFAULT_BUFFERS: usize = 1 << 30;

/// The modelled device of the run without options: it shows what pausing gains.
const MODELLED: &str = "completion_nsec=50000;compute_units=4";

/// The open loop of the run without options.
const MODELLED_RATE: Rate = Rate::Percent(70);

/// The most in flight in an open loop without `--jobs`.
const OPEN_JOBS: usize = 512;

/// The default duration of a row: eight rows stay below ten seconds.
const ROW: Duration = Duration::from_secs(1);

/// When a row ends.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Limit {
    Time(Duration),
    Ops(u64),
}

/// What the run does.
pub(crate) enum Plan {
    Load(Load),
    File(File),
}

/// Generated load.
pub(crate) struct Load {
    pub(crate) algorithm: Algorithm,
    pub(crate) size: usize,
    pub(crate) jobs: usize,
    pub(crate) limit: Limit,
    pub(crate) seed: u64,
    pub(crate) output: Output,
    pub(crate) expected: Expected,
    /// The configuration that the report names.
    pub(crate) device: Config,
    /// The most in flight in an open loop.
    pub(crate) open_jobs: usize,
    pub(crate) rows: Vec<PlannedRow>,
}

/// One row: a mode on a device, in a closed or an open loop.
pub(crate) struct PlannedRow {
    pub(crate) mode: Mode,
    pub(crate) device: Config,
    pub(crate) pace: Pace,
}

/// What decides when the next operation is sent.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Pace {
    /// The end of one before.
    Closed,
    /// A clock.
    Open { rate: Rate, arrivals: Arrivals },
}

impl Pace {
    pub(crate) const fn is_open(self) -> bool {
        matches!(self, Self::Open { .. })
    }
}

/// The rate of an open loop.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Rate {
    /// In operations a second.
    PerSecond(u32),
    /// Of what the closed loop in the row before has reached.
    Percent(u32),
}

impl Rate {
    /// In operations a second, where the closed loop has reached so many.
    pub(crate) fn of(self, closed: f64) -> f64 {
        match self {
            Self::PerSecond(rate) => f64::from(rate),
            Self::Percent(share) => (closed * f64::from(share) / 100.0).max(1.0),
        }
    }
}

impl Load {
    /// Operations of a row that are in flight at most.
    pub(crate) const fn in_flight(&self, row: &PlannedRow) -> usize {
        match row.pace {
            _ if !row.mode.has_jobs() => 1,
            Pace::Closed => self.jobs,
            Pace::Open { .. } => self.open_jobs,
        }
    }

    /// Lanes of data that a row uses; one at a time has more than one, too, in turn.
    pub(crate) fn lanes(&self, row: &PlannedRow) -> usize {
        if row.mode.has_jobs() { self.in_flight(row) } else { self.jobs.min(64) }
    }
}

/// A file through the device.
pub(crate) struct File {
    pub(crate) algorithm: Algorithm,
    pub(crate) key: Vec<u8>,
    pub(crate) iv: Vec<u8>,
    pub(crate) decrypt: bool,
    pub(crate) input: PathBuf,
    /// Present exactly when the algorithm produces a text.
    pub(crate) output: Option<PathBuf>,
    /// Bytes per piece: a multiple of the block where blocks matter, a data unit for XTS.
    pub(crate) piece: usize,
    pub(crate) jobs: usize,
    pub(crate) mode: Mode,
    pub(crate) device: Config,
    pub(crate) output_as: Output,
}

/// What is printed at the end.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Output {
    pub(crate) format: Format,
    pub(crate) stats: Option<StatsFormat>,
    /// All columns of the table.
    pub(crate) wide: bool,
}

/// What may go wrong without failing the run.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Expected {
    pub(crate) errors: bool,
    pub(crate) mismatches: bool,
}

impl Plan {
    pub(crate) fn new(options: Options) -> Result<Self, Failure> {
        match options.input.clone() {
            Some(input) => options.into_file(input).map(Self::File),
            None => options.into_load().map(Self::Load),
        }
    }

    /// A line with every key of the device and its engine, as `--device` takes it. Without a mode each mode
    /// has the delivery that it needs, and the line has none.
    pub(crate) fn config(&self, says_mode: bool) -> String {
        let device = match self {
            Self::Load(plan) => {
                plan.rows.first().filter(|_| says_mode).map_or(&plan.device, |row| &row.device)
            }
            Self::File(plan) => &plan.device,
        };
        let text = device.to_string();
        let kept = |pair: &&str| says_mode || !pair.starts_with("delivery=");
        format!("{}\n", text.split(';').filter(kept).collect::<Vec<_>>().join(";"))
    }
}

impl Options {
    fn into_load(self) -> Result<Load, Failure> {
        let file_only = [
            ("--output", self.output.is_some()),
            ("--key", self.key.is_some()),
            ("--iv", self.iv.is_some()),
            ("--decrypt", self.decrypt),
            ("--sector-size", self.sector_size.is_some()),
        ];
        refuse_given(&file_only, "only allowed together with --input")?;
        self.check_mode()?;
        self.check_rate()?;
        let algorithm = self.alg.unwrap_or(Algorithm::Cipher(Cipher::Aes256Ctr));
        let size = self.size.unwrap_or(4 << 10);
        check_message(algorithm, size)?;
        let device = device(self.device.as_deref().unwrap_or(""), self.mode)?;
        let corrupts = |fault: &simaccel_device::Fault| matches!(fault.kind, FaultKind::Corrupt { .. });
        let mismatches = self.expect_errors && device.device().faults().iter().any(corrupts);
        let buffers = if alg::gives_text(algorithm) { 3 } else { 1 };
        Ok(Load {
            algorithm,
            size,
            jobs: jobs(self.jobs, 64, size, buffers)?,
            open_jobs: jobs(self.jobs, OPEN_JOBS, size, buffers)?,
            limit: self.limit()?,
            seed: self.seed.unwrap_or(1),
            output: self.output()?,
            expected: Expected { errors: self.expect_errors, mismatches },
            rows: self.rows(&device)?,
            device,
        })
    }

    fn output(&self) -> Result<Output, Failure> {
        if (self.output_format, self.stats) == (Format::Json, Some(StatsFormat::Prometheus)) {
            let why = "prometheus is not allowed together with --output-format json, json is";
            return Err(Failure::option("--stats", why));
        }
        if self.output_format == Format::Json {
            refuse_given(&[("--wide", self.wide)], "not allowed together with --output-format json")?;
        }
        Ok(Output { format: self.output_format, stats: self.stats, wide: self.wide })
    }

    fn limit(&self) -> Result<Limit, Failure> {
        match (self.duration, self.ops) {
            (Some(_), Some(_)) => Err(Failure::option("--ops", "not allowed together with --duration")),
            (duration, None) => Ok(Limit::Time(duration.unwrap_or(ROW))),
            (None, Some(ops)) => Ok(Limit::Ops(ops)),
        }
    }

    /// Rows for `--mode`, otherwise for all of them; without `--device`, more on a modelled device.
    fn rows(&self, device: &Config) -> Result<Vec<PlannedRow>, Failure> {
        let row = |mode| Ok(PlannedRow { mode, device: delivering(device, mode)?, pace: Pace::Closed });
        if let Some(rate) = self.rate {
            let modes = self.mode.map_or_else(|| Mode::ALL.to_vec(), |mode| vec![mode]);
            let with_jobs = modes.into_iter().filter(|mode| mode.has_jobs());
            let closed = with_jobs.map(row).collect::<Result<Vec<_>, Failure>>()?;
            return Ok(self.open_rows(rate, closed));
        }
        if let Some(mode) = self.mode {
            return Ok(vec![row(mode)?]);
        }
        let mut rows = Mode::ALL.into_iter().map(row).collect::<Result<Vec<_>, Failure>>()?;
        if self.device.is_none() {
            let modelled = Config::parse(MODELLED).map_err(|error| Failure::option("--device", error))?;
            let open = Pace::Open { rate: MODELLED_RATE, arrivals: Arrivals::Poisson };
            let paced = [(Mode::Sync, Pace::Closed), (Mode::WakeFd, Pace::Closed), (Mode::WakeFd, open)];
            rows.extend(paced.map(|(mode, pace)| PlannedRow { mode, device: modelled.clone(), pace }));
        }
        Ok(rows)
    }

    /// An open loop for each row, behind its closed one where the rate is a share of that.
    fn open_rows(&self, rate: Rate, closed: Vec<PlannedRow>) -> Vec<PlannedRow> {
        let pace = Pace::Open { rate, arrivals: self.arrivals.unwrap_or(Arrivals::Poisson) };
        let rows = closed.into_iter().map(|row| {
            let open = PlannedRow { mode: row.mode, device: row.device.clone(), pace };
            [matches!(rate, Rate::Percent(_)).then_some(row), Some(open)]
        });
        rows.flatten().flatten().collect()
    }

    /// Refuses an open loop that nothing could run.
    fn check_rate(&self) -> Result<(), Failure> {
        if self.rate.is_none() {
            return refuse_given(
                &[("--arrivals", self.arrivals.is_some())],
                "only allowed together with --rate",
            );
        }
        match self.mode {
            Some(mode) if !mode.has_jobs() => {
                let why = format!(
                    "--mode {} sends one at a time, allowed are wake-fd, callback and poll",
                    mode.name()
                );
                Err(Failure::option("--rate", why))
            }
            _ => Ok(()),
        }
    }

    fn into_file(self, input: PathBuf) -> Result<File, Failure> {
        let Some(algorithm) = self.alg else {
            return Err(Failure::option("--alg", "required together with --input"));
        };
        let load_only = [
            ("--duration", self.duration.is_some()),
            ("--ops", self.ops.is_some()),
            ("--expect-errors", self.expect_errors),
            ("--seed", self.seed.is_some()),
            ("--wide", self.wide),
            ("--rate", self.rate.is_some()),
            ("--arrivals", self.arrivals.is_some()),
        ];
        refuse_given(&load_only, "not allowed together with --input")?;
        self.check_mode()?;
        self.check_chain(algorithm)?;
        let mode = self.mode.unwrap_or(Mode::WakeFd);
        let piece = self.piece(algorithm)?;
        Ok(File {
            algorithm,
            key: self.file_key(algorithm)?,
            iv: self.file_iv(algorithm)?,
            decrypt: self.decrypt,
            input,
            output: self.file_output(algorithm)?,
            piece,
            jobs: jobs(self.jobs, 16, piece, 2)?,
            mode,
            device: delivering(&device(self.device.as_deref().unwrap_or(""), Some(mode))?, mode)?,
            output_as: self.output()?,
        })
    }

    /// Refuses a mode that would have nothing to do.
    fn check_mode(&self) -> Result<(), Failure> {
        let Some(mode) = self.mode else { return Ok(()) };
        if mode == Mode::Software {
            refuse_given(
                &[("--device", self.device.is_some())],
                "not allowed with --mode software, which has none",
            )?;
        }
        if !mode.has_jobs() && self.jobs.is_some_and(|jobs| jobs > 1) {
            let why = format!("--mode {} runs one operation at a time, allowed is 1", mode.name());
            return Err(Failure::option("--jobs", why));
        }
        Ok(())
    }

    /// Pieces of a chain wait for each other.
    fn check_chain(&self, algorithm: Algorithm) -> Result<(), Failure> {
        let is_chain = alg::parallel_shape(algorithm, self.decrypt).is_none();
        if is_chain && self.jobs.is_some_and(|jobs| jobs > 1) {
            let why = format!("the pieces of {algorithm} wait for each other, allowed is 1");
            return Err(Failure::option("--jobs", why));
        }
        Ok(())
    }

    fn file_key(&self, algorithm: Algorithm) -> Result<Vec<u8>, Failure> {
        let key = match (&self.key, algorithm) {
            (Some(_), Algorithm::Hash(_)) => {
                return Err(Failure::option("--key", format_args!("{algorithm} takes none")));
            }
            (None, Algorithm::Hash(_)) => Vec::new(),
            (None, _) => {
                return Err(Failure::option("--key", format_args!("required with {algorithm} and --input")));
            }
            (Some(hex), _) => from_hex("--key", hex)?,
        };
        if key.is_empty() && matches!(algorithm, Algorithm::Hmac(_)) {
            return Err(Failure::option("--key", "at least one byte"));
        }
        alg::software(algorithm, &key).map_err(|error| Failure::option("--key", error))?;
        Ok(key)
    }

    fn file_iv(&self, algorithm: Algorithm) -> Result<Vec<u8>, Failure> {
        if !alg::gives_text(algorithm) {
            refuse_given(&[("--iv", self.iv.is_some())], "only allowed with a cipher")?;
            return Ok(Vec::new());
        }
        let len = algorithm.usual_iv_len();
        match (&self.iv, algorithm) {
            (Some(hex), Algorithm::Aead(_)) => {
                let iv = from_hex("--iv", hex)?;
                if iv.is_empty() { Err(Failure::option("--iv", "at least one byte")) } else { Ok(iv) }
            }
            (Some(_), _) if len == 0 => Err(Failure::option("--iv", format_args!("{algorithm} takes none"))),
            (None, _) if len == 0 => Ok(Vec::new()),
            (Some(hex), _) => {
                let iv = from_hex("--iv", hex)?;
                let wrong =
                    || format!("{algorithm} takes {len} bytes ({} digits), not {}", 2 * len, iv.len());
                if iv.len() == len { Ok(iv) } else { Err(Failure::option("--iv", wrong())) }
            }
            (None, _) => Err(Failure::option("--iv", format_args!("required with {algorithm} and --input"))),
        }
    }

    fn file_output(&self, algorithm: Algorithm) -> Result<Option<PathBuf>, Failure> {
        if !alg::gives_text(algorithm) {
            let cipher_only = [("--output", self.output.is_some()), ("--decrypt", self.decrypt)];
            refuse_given(&cipher_only, "only allowed with a cipher; a digest is printed")?;
            return Ok(None);
        }
        match &self.output {
            Some(output) if output == Path::new("-") => {
                Err(Failure::option("--output", "has to be a file, which standard output is not"))
            }
            Some(output) => Ok(Some(output.clone())),
            None => Err(Failure::option("--output", format_args!("required with {algorithm} and --input"))),
        }
    }

    /// Pieces are whole blocks, so that the input alone determines positions and chains.
    fn piece(&self, algorithm: Algorithm) -> Result<usize, Failure> {
        if alg::is_xts(algorithm) {
            refuse_given(&[("--size", self.size.is_some())], "XTS goes by data unit; see --sector-size")?;
            return Ok(self.sector_size.unwrap_or(512));
        }
        refuse_given(&[("--sector-size", self.sector_size.is_some())], "only allowed with XTS")?;
        Ok(self.size.unwrap_or(64 << 10).next_multiple_of(16))
    }
}

fn refuse_given(options: &[(&str, bool)], why: &str) -> Result<(), Failure> {
    match options.iter().find(|(_, given)| *given) {
        Some((name, _)) => Err(Failure::option(name, why)),
        None => Ok(()),
    }
}

fn from_hex(option: &str, text: &str) -> Result<Vec<u8>, Failure> {
    // The text is not repeated: it may be a key.
    hex::decode(text).map_err(|_| Failure::option(option, "allowed are pairs of hexadecimal digits"))
}

fn check_message(algorithm: Algorithm, size: usize) -> Result<(), Failure> {
    match algorithm.message_lens() {
        // What is padded takes any length.
        allowed if allowed.contains(size as u64) => Ok(()),
        Allowed::Between(least, most) => {
            let (least, most) = (short_size(least), short_size(most));
            let why = format!("allowed with {algorithm} are {least} to {most} bytes");
            Err(Failure::option("--size", why))
        }
        allowed => Err(Failure::option("--size", format_args!("allowed with {algorithm} are {allowed}"))),
    }
}

/// The number of jobs: the given one if its buffers fit, otherwise the usual one, or as many as fit
/// comfortably.
fn jobs(asked: Option<usize>, usual: usize, size: usize, buffers: usize) -> Result<usize, Failure> {
    let Some(jobs) = asked else {
        return Ok((DEFAULT_BUFFERS / (size * buffers)).clamp(1, usual));
    };
    if jobs * size * buffers > MAX_BUFFERS {
        let (size, needed) = (short_size(size), jobs.saturating_mul(size * buffers) >> 20);
        let allowed = MAX_BUFFERS >> 20;
        let why =
            format!("{jobs} jobs of {size} bytes need {needed} MiB of buffers, allowed are {allowed} MiB");
        return Err(Failure::option("--jobs", why));
    }
    Ok(jobs)
}

fn device(text: &str, mode: Option<Mode>) -> Result<Config, Failure> {
    let config = Config::parse(text).map_err(|error| Failure::option("--device", error))?;
    if let Some(why) = contradicts_mode(&config, says_delivery(text), mode) {
        return Err(Failure::option("--device", why));
    }
    check_that_it_ends(&config)?;
    Ok(config)
}

/// Whether the delivery is given, and not only the default.
fn says_delivery(text: &str) -> bool {
    Items::parse(text).is_ok_and(|items| items.has("delivery"))
}

/// The error when the given delivery is not the mode's.
fn contradicts_mode(config: &Config, is_said: bool, mode: Option<Mode>) -> Option<&'static str> {
    let takes_either = matches!(mode, Some(Mode::Sync));
    if !is_said || takes_either {
        return None;
    }
    let polls = mode == Some(Mode::Poll);
    match config.delivery() {
        DeliveryMode::Poll if !polls => Some("delivery=poll is only allowed with --mode poll or sync"),
        DeliveryMode::Wake if polls => Some("delivery=wake is not allowed with --mode poll"),
        DeliveryMode::Wake if mode.is_none() => Some(
            "delivery is given by the mode, and every mode runs; delivery=wake needs a --mode of its own",
        ),
        _ => None,
    }
}

/// A request that never ends, or whose wake never comes, would hold up the run for ever.
fn check_that_it_ends(config: &Config) -> Result<(), Failure> {
    let endless =
        |fault: &&simaccel_device::Fault| matches!(fault.kind, FaultKind::Timeout | FaultKind::DropWake);
    match config.device().faults().iter().find(endless) {
        Some(fault) if config.timeout().is_none() => Err(Failure::option(
            "--device",
            format_args!("with fault={fault} a run never ends; it needs timeout_msec=MILLISECONDS, too"),
        )),
        _ => Ok(()),
    }
}

/// `device` with the delivery that `mode` needs.
fn delivering(device: &Config, mode: Mode) -> Result<Config, Failure> {
    if mode != Mode::Poll {
        return Ok(device.clone());
    }
    let polling = device.to_builder().delivery(DeliveryMode::Poll).build();
    polling.map_err(|error| Failure::option("--device", error))
}
