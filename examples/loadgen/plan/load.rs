//! The plan of generated load: its rows, and how their options go together.

use std::time::Duration;

use simaccel::Config;
use simaccel_device::{Algorithm, Allowed, Cipher, FaultKind};

use super::checks::{delivering, device, jobs, refuse_given, says};
use super::{Expected, Limit, Load, Output, Pace, PlannedRow, Rate};
use crate::args::{Mode, Options};
use crate::arrivals::Arrivals;
use crate::failure::Failure;
use crate::mix::{Mix, Part};
use crate::units::short_size;
use crate::work::Work;

/// The modelled device of the run without options: it shows what pausing gains.
pub(crate) const MODELLED: &str = "completion_nsec=50000;compute_units=4";

/// The same for operations with keys, which take this host a millisecond.
const MODELLED_FOR_KEYS: &str = "completion_nsec=2000000;compute_units=4";

/// The open loop of the run without options.
const MODELLED_RATE: Rate = Rate::Percent(70);

/// The most in flight in an open loop without `--jobs`.
const OPEN_JOBS: usize = 512;

/// The default duration of a row: nine rows, each with its warm-up, stay below ten seconds.
const ROW: Duration = Duration::from_millis(900);

impl Options {
    pub(crate) fn into_load(self) -> Result<Load, Failure> {
        let output = self.check()?;
        let limit = self.judging.share_of(self.limit()?);
        let mix = self.mix()?;
        let modelled = if mix.with_key().is_some() { MODELLED_FOR_KEYS } else { MODELLED };
        let usual = if self.virtual_time.is_virtual { modelled } else { "" };
        let device = device(self.device.as_deref().unwrap_or(usual), self.mode)?;
        self.virtual_time.check(self.mode, &device)?;
        let corrupts = |fault: &simaccel_device::Fault| matches!(fault.kind, FaultKind::Corrupt { .. });
        let mismatches = self.expect_errors && device.device().faults().iter().any(corrupts);
        let (size, buffers) = (mix.buffers(), if mix.gives_text() { 3 } else { 1 });
        let threads = self.threads.count();
        let jobs = |usual| jobs(self.jobs, threads, usual, size, buffers);
        Ok(Load {
            mix,
            jobs: jobs(64)?,
            threads,
            stages: self.pacing.stages.clone(),
            open_jobs: jobs(OPEN_JOBS)?,
            limit,
            warm_up: self.warm_up.limit(limit, self.virtual_time.is_virtual)?,
            seed: self.seed.unwrap_or(1),
            output,
            files: self.files.clone(),
            judging: self.judging.clone(),
            expected: Expected { errors: self.expect_errors, mismatches },
            rows: self.rows(&device, modelled)?,
            trace: self.trace.plan(threads)?,
            pictures: self.pictures,
            is_virtual: self.virtual_time.is_virtual,
            says_timing: says(self.device.as_deref().unwrap_or(""), "timing"),
            device,
        })
    }

    /// Refuses what cannot go together. Returns the form of the report.
    fn check(&self) -> Result<Output, Failure> {
        let file_only = [
            ("--output", self.output.is_some()),
            ("--key", self.key.is_some()),
            ("--iv", self.iv.is_some()),
            ("--decrypt", self.decrypt),
            ("--sector-size", self.sector_size.is_some()),
        ];
        refuse_given(&file_only, "only allowed together with --input")?;
        self.check_mode()?;
        self.check_threads()?;
        self.pacing.check()?;
        self.pictures.check()?;
        let output = self.output()?;
        self.files.check(output)?;
        self.judging.check()?;
        if let Some(option) = self.judging.runs_often() {
            self.trace.refuse_with(option)?;
            let stages = ("--stages", self.pacing.stages.is_some());
            refuse_given(&[stages], &format!("not allowed together with {option}"))?;
        }
        Ok(output)
    }

    /// What the operations are, whose messages have lengths that the algorithms take.
    fn mix(&self) -> Result<Mix, Failure> {
        self.mixing.check(self.alg.is_some(), self.size.is_some())?;
        let work = self.alg.unwrap_or(Work::usual(Algorithm::Cipher(Cipher::Aes256Ctr)));
        if let (Some(_), None) = (work.key(), &self.mixing.mix) {
            let given = [("--size", self.size.is_some())];
            refuse_given(
                &given,
                &format!("sizes do not apply to {work}, whose input has a length of its own"),
            )?;
        }
        let one = || Mix::one(work).of_size(self.size.unwrap_or(4 << 10));
        let (mix, option) = self.mixing.mix.clone().map_or_else(|| (one(), "--size"), |mix| (mix, "--mix"));
        mix.parts().iter().try_for_each(|part| check_message(option, part))?;
        Ok(mix)
    }

    fn limit(&self) -> Result<Limit, Failure> {
        if let Some(stages) = &self.pacing.stages {
            let given = [("--duration", self.duration.is_some()), ("--ops", self.ops.is_some())];
            refuse_given(&given, "not allowed together with --stages, which say how long a row runs")?;
            return Ok(Limit::Time(stages.time()));
        }
        match (self.duration, self.ops) {
            (Some(_), Some(_)) => Err(Failure::option("--ops", "not allowed together with --duration")),
            (duration, None) => Ok(Limit::Time(duration.unwrap_or(ROW))),
            (None, Some(ops)) => Ok(Limit::Ops(ops)),
        }
    }

    /// Rows for `--mode`, otherwise for all of them; without `--device`, more on a modelled device.
    fn rows(&self, device: &Config, modelled: &str) -> Result<Vec<PlannedRow>, Failure> {
        let row = |mode| Ok(PlannedRow { mode, device: delivering(device, mode)?, pace: Pace::Closed });
        if let Some(rate) = self.pacing.rate() {
            let modes = self.mode.map_or_else(|| Mode::ALL.to_vec(), |mode| vec![mode]);
            // Those without jobs send one at a time, which --mode asks for by name.
            let runs = |mode: &Mode| mode.has_many() || self.mode.is_some();
            let closed = modes.into_iter().filter(runs).map(row).collect::<Result<Vec<_>, Failure>>()?;
            return Ok(self.open_rows(rate, closed));
        }
        if let Some(mode) = self.mode {
            return Ok(vec![row(mode)?]);
        }
        if self.virtual_time.is_virtual {
            return self.virtual_rows(device);
        }
        let mut rows = Mode::ALL.into_iter().map(row).collect::<Result<Vec<_>, Failure>>()?;
        if self.device.is_none() {
            let modelled = Config::parse(modelled).map_err(|error| Failure::option("--device", error))?;
            let open = Pace::Open { rate: MODELLED_RATE, arrivals: Arrivals::Poisson };
            let paced = [(Mode::Sync, Pace::Closed), (Mode::WakeFd, Pace::Closed), (Mode::WakeFd, open)];
            rows.extend(paced.map(|(mode, pace)| PlannedRow { mode, device: modelled.clone(), pace }));
        }
        Ok(rows)
    }

    /// The modes that have jobs, then an open loop.
    fn virtual_rows(&self, device: &Config) -> Result<Vec<PlannedRow>, Failure> {
        let closed = Mode::ALL.into_iter().filter(|mode| mode.has_many()).map(|mode| (mode, Pace::Closed));
        let open = Pace::Open { rate: MODELLED_RATE, arrivals: Arrivals::Poisson };
        let paced = closed.chain([(Mode::Poll, open)]);
        paced.map(|(mode, pace)| Ok(PlannedRow { mode, device: delivering(device, mode)?, pace })).collect()
    }

    /// An open loop for each row, behind its closed one where the rate is a share of that.
    fn open_rows(&self, rate: Rate, closed: Vec<PlannedRow>) -> Vec<PlannedRow> {
        let pace = Pace::Open { rate, arrivals: self.pacing.arrivals.unwrap_or(Arrivals::Poisson) };
        let rows = closed.into_iter().map(|row| {
            let open = PlannedRow { mode: row.mode, device: row.device.clone(), pace };
            [matches!(rate, Rate::Percent(_)).then_some(row), Some(open)]
        });
        rows.flatten().flatten().collect()
    }
}

fn check_message(option: &str, part: &Part) -> Result<(), Failure> {
    let Part { work: Work { algorithm, .. }, size, .. } = *part;
    if part.work.key().is_some() {
        return Ok(());
    }
    match algorithm.message_lens() {
        // What is padded takes any length.
        allowed if allowed.contains(size as u64) => Ok(()),
        Allowed::Between(least, most) => {
            let (least, most) = (short_size(least), short_size(most));
            let why = format!("allowed with {algorithm} are {least} to {most} bytes");
            Err(Failure::option(option, why))
        }
        allowed => Err(Failure::option(option, format_args!("allowed with {algorithm} are {allowed}"))),
    }
}
