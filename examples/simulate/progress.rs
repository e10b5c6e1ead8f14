//! A progress bar on standard error, when that is a terminal.

use std::io::IsTerminal;
use std::ops::Range;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// The bar moves every this many seeds.
const EVERY: u64 = 64;

pub(crate) struct Progress {
    /// `None` without a terminal.
    bar: Option<ProgressBar>,
}

impl Progress {
    pub(crate) fn new(seeds: &Range<u64>) -> Self {
        let total = seeds.end - seeds.start;
        let bar = (total > 1 && std::io::stderr().is_terminal()).then(|| {
            let bar = ProgressBar::with_draw_target(Some(total), ProgressDrawTarget::stderr());
            // The template is a constant; if it does not parse, the default style will do.
            let template = "seeds [{bar:40}] {pos}/{len}  {per_sec}  {msg}";
            if let Ok(style) = ProgressStyle::with_template(template) {
                bar.set_style(style.progress_chars("=> "));
            }
            bar
        });
        Self { bar }
    }

    /// Shows that this many seeds are done.
    pub(crate) fn at(&mut self, done: u64, failures: u64) {
        let Some(bar) = self.bar.as_ref().filter(|_| done.is_multiple_of(EVERY)) else { return };
        bar.set_position(done);
        bar.set_message(format!("{failures} failures"));
    }

    /// Hides the bar while `body` writes to the terminal.
    pub(crate) fn pause<R>(&self, body: impl FnOnce() -> R) -> R {
        match &self.bar {
            Some(bar) => bar.suspend(body),
            None => body(),
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}
