//! The plan: the options checked against each other, with all defaults filled in.
//!
//! This happens before a device is opened or a file is touched: `load.rs` plans generated load, `file.rs` a
//! file through the device, and `checks.rs` has what both are checked by.

mod checks;
mod file;
mod load;

pub(crate) use checks::{delivering, refuse_given};
pub(crate) use load::MODELLED;

use std::path::PathBuf;
use std::time::Duration;

use simaccel::Config;
use simaccel_device::{Algorithm, Timing};

use crate::args::{Format, Mode, Options, StatsFormat};
use crate::arrivals::Arrivals;
use crate::failure::Failure;
use crate::files::Files;
use crate::find_max::FindMax;
use crate::judging::Judging;
use crate::limits;
use crate::mix::Mix;
use crate::pictures::PictureOptions;
use crate::stages::Stages;
use crate::sweep::Sweep;
use crate::trace::TracePlan;

/// When a row ends.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Limit {
    Time(Duration),
    Ops(u64),
    /// Whichever comes first.
    Either {
        time: Duration,
        ops: u64,
    },
}

impl Limit {
    /// A time: this one, or the row's if that is shorter.
    pub(crate) fn at_most(self, most: Duration) -> Self {
        match self {
            Self::Time(time) | Self::Either { time, .. } => Self::Time(time.min(most)),
            Self::Ops(_) => Self::Time(most),
        }
    }
}

/// What the run does.
pub(crate) enum Plan {
    Load(Box<Load>),
    File(Box<File>),
    Sweep(Sweep),
    FindMax(Box<FindMax>),
    OwnCost(Box<Load>),
}

/// Generated load.
pub(crate) struct Load {
    pub(crate) mix: Mix,
    pub(crate) jobs: usize,
    /// That generate the load.
    pub(crate) threads: usize,
    pub(crate) limit: Limit,
    /// When a row's warm-up ends; `None`: there is none.
    pub(crate) warm_up: Option<Limit>,
    pub(crate) seed: u64,
    pub(crate) output: Output,
    pub(crate) files: Files,
    pub(crate) judging: Judging,
    pub(crate) expected: Expected,
    /// The configuration that the report names.
    pub(crate) device: Config,
    /// The most in flight in an open loop.
    pub(crate) open_jobs: usize,
    /// Of an open loop.
    pub(crate) stages: Option<Stages>,
    pub(crate) rows: Vec<PlannedRow>,
    pub(crate) pictures: PictureOptions,
    pub(crate) trace: Option<TracePlan>,
    /// The device is stepped, and its time the run's.
    pub(crate) is_virtual: bool,
    /// `timing` is configured, on or off.
    pub(crate) says_timing: bool,
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
    /// That of stages, on average.
    Mean(f64),
    /// Of what the closed loop in the row before has reached.
    Percent(u32),
}

impl Rate {
    /// In operations a second, where the closed loop has reached so many.
    pub(crate) fn of(self, closed: f64) -> f64 {
        match self {
            Self::PerSecond(rate) => f64::from(rate),
            Self::Mean(rate) => rate,
            Self::Percent(share) => (closed * f64::from(share) / 100.0).max(1.0),
        }
    }
}

impl Load {
    /// The device, and where it models time a few of its requests are timed, unless `timing` says something:
    /// the answer tells where the time went.
    pub(crate) fn timed(&self, device: &Config) -> Result<Config, Failure> {
        if self.says_timing || !device.device().is_modelled() {
            return Ok(device.clone());
        }
        let timed = device.to_builder().timing(Timing::Sampled).build();
        timed.map_err(|error| Failure::option("--device", error))
    }

    /// Operations of a row that are in flight at most.
    pub(crate) const fn in_flight(&self, row: &PlannedRow) -> usize {
        match row.pace {
            _ if !row.mode.has_many() => self.threads,
            Pace::Closed => self.jobs,
            Pace::Open { .. } => self.open_jobs,
        }
    }

    /// Refuses more jobs than there is memory for, in the thread that will run them if there is one.
    pub(crate) fn check_memory(&self) -> Result<(), Failure> {
        let with_jobs = self.rows.iter().filter(|row| row.mode.has_jobs());
        let Some(jobs) = with_jobs.map(|row| self.in_flight(row)).max() else { return Ok(()) };
        limits::make_stacks(jobs, limits::REST + self.threads * limits::REST_OF_A_THREAD)?;
        if self.threads > 1 {
            simaccel::job::cleanup_thread();
        }
        Ok(())
    }

    /// Lanes of data that its rows use.
    pub(crate) fn most_lanes(&self) -> usize {
        self.rows.iter().map(|row| self.lanes(row)).max().unwrap_or(1)
    }

    /// Lanes of data that a row uses; one at a time has more than one, too, in turn.
    pub(crate) fn lanes(&self, row: &PlannedRow) -> usize {
        if row.mode.has_many() { self.in_flight(row) } else { self.jobs.min(64).max(self.threads) }
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
            Some(input) => options.into_file(input).map(|plan| Self::File(Box::new(plan))),
            None if options.own_cost.own_cost => {
                options.into_own_cost().map(|plan| Self::OwnCost(Box::new(plan)))
            }
            None if !options.searches.sweep.is_empty() => Sweep::plan(options).map(Self::Sweep),
            None if options.searches.find_max.is_some() => {
                FindMax::plan(options).map(|plan| Self::FindMax(Box::new(plan)))
            }
            None => options.into_load().map(|plan| Self::Load(Box::new(plan))),
        }
    }

    /// A line with every key of the device and its engine, as `--device` takes it. Without a mode each mode
    /// has the delivery that it needs, and the line has none.
    pub(crate) fn config(&self, says_mode: bool) -> String {
        let device = match self {
            Self::Load(plan) | Self::OwnCost(plan) => {
                plan.rows.first().filter(|_| says_mode).map_or(&plan.device, |row| &row.device)
            }
            Self::File(plan) => &plan.device,
            Self::Sweep(plan) => &plan.first().device,
            Self::FindMax(plan) => &plan.closed.device,
        };
        let text = device.to_string();
        let kept = |pair: &&str| says_mode || !pair.starts_with("delivery=");
        format!("{}\n", text.split(';').filter(kept).collect::<Vec<_>>().join(";"))
    }
}
