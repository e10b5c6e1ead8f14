//! A progress bar on standard error, when that is a terminal.

use std::io::IsTerminal;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::plan::Limit;

/// How often the bar moves.
const PERIOD: Duration = Duration::from_millis(100);

pub(crate) struct Progress {
    /// `None` without a terminal.
    bar: Option<ProgressBar>,
    by_time: bool,
    started: Instant,
    next: Instant,
}

impl Progress {
    /// A bar for a row that runs for a time or a number of operations.
    pub(crate) fn rows(name: &'static str, limit: Limit) -> Self {
        match limit {
            Limit::Ops(ops) => Self::new(name, Some(ops), false),
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
            if let Ok(style) = ProgressStyle::with_template("{prefix:>9} [{bar:40}] {percent:>3} %  {msg}") {
                bar.set_style(style.progress_chars("=> "));
            }
            bar.set_prefix(name);
            bar
        });
        Self { bar, by_time, started: now, next: now + PERIOD }
    }

    /// Shows that `done` operations or bytes are done at `now`. Usually costs one comparison.
    pub(crate) fn at(&mut self, now: Instant, done: u64) {
        let Some(bar) = self.bar.as_ref().filter(|_| now >= self.next) else { return };
        self.next = now + PERIOD;
        let elapsed = u64::try_from(now.duration_since(self.started).as_millis()).unwrap_or(u64::MAX);
        bar.set_position(if self.by_time { elapsed } else { done });
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}
