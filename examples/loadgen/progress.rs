//! Progress on standard error, when that is a terminal: a bar, and what the row has come to so far.
//!
//! ```text
//!   wake-fd [=========>              ]  42 %  183,402 op/s, p99 412 µs, errors 0
//! ```
//!
//! The rate is that of the last tenth of a second; the percentile and the errors are the row's.

use std::io::IsTerminal;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::meter::Meter;
use crate::plan::Limit;
use crate::row::as_f64;
use crate::units::{grouped, time_us};

/// How often the bar moves.
const PERIOD: Duration = Duration::from_millis(100);

pub(crate) struct Progress {
    /// `None` without a terminal.
    bar: Option<ProgressBar>,
    by_time: bool,
    started: Instant,
    /// When it was shown last, and how many operations had ended by then.
    last: (Instant, u64),
}

impl Progress {
    /// A bar for a row that runs for a time or a number of operations.
    pub(crate) fn rows(name: &'static str, limit: Limit) -> Self {
        match limit {
            Limit::Ops(ops) | Limit::Either { ops, .. } => Self::new(name, Some(ops), false),
            Limit::Time(time) => Self::new(name, u64::try_from(time.as_millis()).ok(), true),
        }
    }

    /// A bar for a file of `len` bytes, if that is known.
    pub(crate) fn bytes(name: &'static str, len: Option<u64>) -> Self {
        Self::new(name, len, false)
    }

    fn new(name: &'static str, total: Option<u64>, by_time: bool) -> Self {
        let now = Instant::now();
        let bar = std::io::stderr().is_terminal().then(|| {
            let bar = ProgressBar::with_draw_target(total, ProgressDrawTarget::stderr());
            // The template is a constant; if it does not parse, the default style will do.
            if let Ok(style) = ProgressStyle::with_template("{prefix:>9} [{bar:24}] {percent:>3} %  {msg}") {
                bar.set_style(style.progress_chars("=> "));
            }
            bar.set_prefix(name);
            bar
        });
        Self { bar, by_time, started: now, last: (now, 0) }
    }

    /// Shows that `done` operations or bytes are done at `now`. Usually costs one comparison.
    pub(crate) fn at(&mut self, now: Instant, done: u64, meter: &Meter) {
        let Some(bar) = self.bar.as_ref().filter(|_| now >= self.last.0 + PERIOD) else { return };
        let since = now.duration_since(self.last.0).as_secs_f64();
        bar.set_message(so_far(as_f64(meter.ops - self.last.1) / since, meter));
        self.last = (now, meter.ops);
        let elapsed = u64::try_from(now.duration_since(self.started).as_millis()).unwrap_or(u64::MAX);
        bar.set_position(if self.by_time { elapsed } else { done });
    }
}

/// What a row has come to, in a line.
fn so_far(rate: f64, meter: &Meter) -> String {
    let rate = grouped(format_args!("{rate:.0}"));
    let failed = grouped(meter.errors + meter.mismatches);
    format!("{rate} op/s, p99 {}, errors {failed}", time_us(meter.latency().p99))
}

impl Drop for Progress {
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}
