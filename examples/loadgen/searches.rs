//! The options that run a load many times: `--sweep` over a grid, `--find-max` along the rate.
//!
//! ```text
//!   options ──► a copy for each point, with the point's values ──► the plan of one load, checked as any other
//! ```
//!
//! So a point that cannot run is refused before the first one runs.

use simaccel::grammar::Items;

use crate::args::{Format, MAX_JOBS, Mode, Options};
use crate::axis::{Axis, Given, Sets};
use crate::condition::Condition;
use crate::failure::Failure;
use crate::plan::{Load, MODELLED, Rate, refuse_given};
use crate::threads::MOST as MAX_THREADS;

/// A group of options: one `#[command(flatten)]` in `Options`.
#[derive(Clone, clap::Args)]
pub(crate) struct Searches {
    /// Runs a grid, and says from where on offload pays: KEY=A..B[:STEPS] or KEY=VALUE,VALUE,... once or
    /// twice, with KEY latency (times with units), units, depth, jobs, size, rate (an open loop), threads, or
    /// a key of CONFIG that is a number. STEPS is 8 by default, 6 with two axes. All points together run for
    /// --duration [default: 12s], or each for --ops [default with --virtual: 20000]; --mode is wake-fd and
    /// --device completion_nsec=50000 by default
    #[arg(
        long,
        value_name = "KEY=A..B[:STEPS]",
        value_parser = Given::parse,
        allow_hyphen_values = true
    )]
    pub(crate) sweep: Vec<Given>,
    /// Finds the highest rate of an open loop at which this holds, to 2 %: METRIC<VALUE, with METRIC min,
    /// mean, p50, p90, p99, p999, max (VALUE is a time) or errors. Nothing may be dropped, and less than 1 %
    /// of the sends may be late. Each rate that is tried runs for --duration [default: 500ms] or --ops;
    /// --mode is wake-fd and --device completion_nsec=50000 by default
    #[arg(long, value_name = "CONDITION", allow_hyphen_values = true)]
    pub(crate) find_max: Option<Condition>,
}

impl Searches {
    pub(crate) fn refuse_with_input(&self) -> Result<(), Failure> {
        let given = [("--sweep", !self.sweep.is_empty()), ("--find-max", self.find_max.is_some())];
        refuse_given(&given, "not allowed together with --input")
    }
}

/// What both searches do not take, and what they take by default.
pub(crate) fn prepare(mut options: Options, search: &str) -> Result<Options, Failure> {
    let with = |why: &str| format!("not allowed together with {search}{why}");
    refuse_given(&[("--wide", options.wide)], &with(""))?;
    options.files.refuse_with(search)?;
    options.judging.refuse_with(search)?;
    options.trace.refuse_with(search)?;
    refuse_given(&[("--stages", options.pacing.stages.is_some())], &with(""))?;
    let text_statistics = options.stats.is_some() && options.output_format == Format::Text;
    refuse_given(&[("--stats", text_statistics)], &with(", but for --output-format json"))?;
    if options.mode == Some(Mode::Software) {
        return Err(Failure::option(search, "--mode software has no device, allowed are the other modes"));
    }
    options.mode.get_or_insert(Mode::WakeFd);
    options.device.get_or_insert_with(|| MODELLED.to_owned());
    options.searches = Searches { sweep: Vec::new(), find_max: None };
    Ok(options)
}

/// The options of one point.
pub(crate) fn options_at(base: &Options, axes: &[Axis], at: &[u64]) -> Result<Options, Failure> {
    let mut options = base.clone();
    for (axis, value) in axes.iter().zip(at) {
        set(&mut options, axis, *value)?;
    }
    Ok(options)
}

/// The plan of one point.
pub(crate) fn point(base: &Options, axes: &[Axis], at: &[u64]) -> Result<Load, Failure> {
    options_at(base, axes, at)?.into_load().map_err(|failure| {
        let values = axes.iter().zip(at).map(|(axis, value)| format!("{}={value}", axis.key.name));
        Failure::option("--sweep", format_args!("{}: {failure}", values.collect::<Vec<_>>().join(" ")))
    })
}

fn set(options: &mut Options, axis: &Axis, value: u64) -> Result<(), Failure> {
    let name = axis.key.name;
    let allowed =
        |most: u64| Failure::option("--sweep", format_args!("{name}={value}: allowed are 1 to {most}"));
    match axis.key.sets {
        Sets::Config(key) => {
            let text = options.device.as_deref().unwrap_or_default();
            options.device = Some(replaced(text, key, value)?);
        }
        Sets::Jobs => {
            let jobs = usize::try_from(value).ok().filter(|jobs| (1..=MAX_JOBS).contains(jobs));
            options.jobs = Some(jobs.ok_or_else(|| allowed(MAX_JOBS as u64))?);
        }
        Sets::Size => {
            // An axis of sizes has none that is too large.
            let size = usize::try_from(value).ok();
            match (&mut options.mixing.mix, size) {
                (Some(mix), Some(size)) => *mix = mix.of_size(size),
                _ => options.size = size,
            }
        }
        Sets::Threads => {
            let threads = usize::try_from(value).ok().filter(|threads| (1..=MAX_THREADS).contains(threads));
            options.threads.given = Some(threads.ok_or_else(|| allowed(MAX_THREADS as u64))?);
        }
        Sets::Rate => {
            let rate = u32::try_from(value).ok().filter(|rate| (1..=1_000_000_000).contains(rate));
            options.pacing.rate = Some(Rate::PerSecond(rate.ok_or_else(|| allowed(1_000_000_000))?));
        }
    }
    Ok(())
}

/// The configuration with another value for a key, and otherwise as it was given.
fn replaced(text: &str, key: &str, value: u64) -> Result<String, Failure> {
    let mut items = Items::parse(text).map_err(|error| Failure::option("--device", error))?;
    items.replace(key, value);
    Ok(items.iter().map(|(key, value)| format!("{key}={value}")).collect::<Vec<_>>().join(";"))
}
