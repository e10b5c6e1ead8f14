//! Warm-up: each row first runs its own load, unrecorded.
//!
//! ```text
//!   warm-up: a device of its own ──► checked, and not recorded ─┐
//!                                                               │ same thread, data, stacks, caches
//!   row:     another device ───────► checked and recorded ◄─────┘
//! ```
//!
//! The row's device starts anew, so that it counts the row's requests and nothing else, and a fault that is
//! to strike the twentieth request strikes the twentieth recorded one.

use std::time::Duration;

use serde_json::{Value, json};

use crate::failure::Failure;
use crate::meter::Meter;
use crate::plan::{Limit, refuse_given};
use crate::units::parse_duration;

/// What takes caches, page tables and the processor's frequency past their start, and keeps nine rows short.
const USUAL: Duration = Duration::from_millis(150);

#[derive(Clone, clap::Args)]
pub(crate) struct WarmUp {
    /// How long each row runs its load before anything is recorded, 0 for not at all; with --ops it ends
    /// after a tenth of them. Results are checked in warm-up, too [default: 150ms]
    #[arg(long = "warmup", value_name = "TIME", value_parser = parse, allow_hyphen_values = true)]
    time: Option<Duration>,
}

impl WarmUp {
    /// When the warm-up of a row with this limit ends; `None`: there is none. In virtual time nothing is
    /// cold.
    pub(crate) fn limit(&self, row: Limit, is_virtual: bool) -> Result<Option<Limit>, Failure> {
        if is_virtual {
            refuse_given(&[("--warmup", self.time.is_some())], "not allowed together with --virtual")?;
            return Ok(None);
        }
        let time = self.time.unwrap_or(USUAL);
        Ok(match row {
            _ if time.is_zero() => None,
            Limit::Time(_) => Some(Limit::Time(time)),
            Limit::Ops(ops) | Limit::Either { ops, .. } => {
                (ops >= 10).then_some(Limit::Either { time, ops: ops / 10 })
            }
        })
    }

    /// Warms up for this long where nothing else is asked for: many short rows have a short one each.
    pub(crate) fn by_default(&mut self, time: Duration) {
        self.time.get_or_insert(time);
    }

    /// Refuses it with a file, every byte of which counts.
    pub(crate) fn refuse_with(&self, option: &str) -> Result<(), Failure> {
        let given = [("--warmup", self.time.is_some())];
        refuse_given(&given, &format!("not allowed together with {option}"))
    }
}

fn parse(text: &str) -> Result<Duration, String> {
    if matches!(text, "0" | "0s" | "0ms") {
        return Ok(Duration::ZERO);
    }
    parse_duration(text).map_err(|_| "allowed are 0, and 1ms to 3600s, as in 150ms".to_owned())
}

/// What ran in a warm-up.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct WarmedUp {
    pub(crate) ops: u64,
    pub(crate) errors: u64,
    pub(crate) mismatches: u64,
}

impl WarmedUp {
    pub(crate) const fn of(meter: &Meter) -> Self {
        Self { ops: meter.ops, errors: meter.errors, mismatches: meter.mismatches }
    }

    pub(crate) fn json(&self) -> Value {
        json!({ "ops": self.ops, "errors": self.errors, "mismatches": self.mismatches })
    }
}
