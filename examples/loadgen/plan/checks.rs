//! What generated load and a file are both checked by.

use simaccel::grammar::Items;
use simaccel::{Config, DeliveryMode};
use simaccel_device::FaultKind;

use super::Output;
use crate::args::{Format, Mode, Options, StatsFormat};
use crate::failure::Failure;
use crate::units::short_size;

/// The limit of all buffers of a run together, in bytes: 4 GiB.
const MAX_BUFFERS: usize = 4 << 30;

/// Buffers of a run without `--jobs`, in bytes: 1 GiB; large messages get fewer jobs.
const DEFAULT_BUFFERS: usize = 1 << 30;

impl Options {
    pub(super) fn output(&self) -> Result<Output, Failure> {
        if (self.output_format, self.stats) == (Format::Json, Some(StatsFormat::Prometheus)) {
            let why = "prometheus is not allowed together with --output-format json, json is";
            return Err(Failure::option("--stats", why));
        }
        if self.output_format == Format::Json {
            refuse_given(&[("--wide", self.wide)], "not allowed together with --output-format json")?;
        }
        Ok(Output { format: self.output_format, stats: self.stats, wide: self.wide })
    }

    /// Refuses a mode that would have nothing to do.
    pub(super) fn check_mode(&self) -> Result<(), Failure> {
        let Some(mode) = self.mode else { return Ok(()) };
        if mode == Mode::Software {
            refuse_given(
                &[("--device", self.device.is_some())],
                "not allowed with --mode software, which has none",
            )?;
        }
        if !mode.has_many() && self.jobs.is_some_and(|jobs| jobs > 1) {
            let why = format!("--mode {} runs one operation at a time, allowed is 1", mode.name());
            return Err(Failure::option("--jobs", why));
        }
        Ok(())
    }
}

pub(crate) fn refuse_given(options: &[(&str, bool)], why: &str) -> Result<(), Failure> {
    match options.iter().find(|(_, given)| *given) {
        Some((name, _)) => Err(Failure::option(name, why)),
        None => Ok(()),
    }
}

/// The number of jobs: the given one if its buffers fit, otherwise the usual one, or as many as fit
/// comfortably, and one for each thread.
pub(super) fn jobs(
    asked: Option<usize>,
    threads: usize,
    usual: usize,
    size: usize,
    buffers: usize,
) -> Result<usize, Failure> {
    let jobs = asked.unwrap_or_else(|| (DEFAULT_BUFFERS / (size * buffers)).clamp(1, usual)).max(threads);
    let option = if asked == Some(jobs) { "--jobs" } else { "--threads" };
    if jobs * size * buffers > MAX_BUFFERS {
        let (size, needed) = (short_size(size), jobs.saturating_mul(size * buffers) >> 20);
        let allowed = MAX_BUFFERS >> 20;
        let why =
            format!("{jobs} jobs of {size} bytes need {needed} MiB of buffers, allowed are {allowed} MiB");
        return Err(Failure::option(option, why));
    }
    Ok(jobs)
}

pub(super) fn device(text: &str, mode: Option<Mode>) -> Result<Config, Failure> {
    let config = Config::parse(text).map_err(|error| Failure::option("--device", error))?;
    if let Some(why) = contradicts_mode(&config, says(text, "delivery"), mode) {
        return Err(Failure::option("--device", why));
    }
    check_that_it_ends(&config)?;
    Ok(config)
}

/// Whether this key is given, and not only the default.
pub(super) fn says(text: &str, key: &str) -> bool {
    Items::parse(text).is_ok_and(|items| items.has(key))
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
pub(crate) fn delivering(device: &Config, mode: Mode) -> Result<Config, Failure> {
    if mode != Mode::Poll {
        return Ok(device.clone());
    }
    let polling = device.to_builder().delivery(DeliveryMode::Poll).build();
    polling.map_err(|error| Failure::option("--device", error))
}
