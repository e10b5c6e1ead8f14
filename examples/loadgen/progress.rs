//! Progress on standard error, when that is a terminal: a bar, and what the row has come to so far.
//!
//! ```text
//!   wake-fd [=========>              ]  42 %  183,402 op/s, p99 412 µs, errors 0
//! ```
//!
//! The rate is that of the last tenth of a second; the percentile and the errors are the row's.

use std::io::IsTerminal;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::latency::Latencies;
use crate::meter::Meter;
use crate::plan::Limit;
use crate::row::as_f64;
use crate::units::{grouped, time_us};

/// How often the bar moves.
const PERIOD: Duration = Duration::from_millis(100);

/// A thread's hold on the bar that the threads of a row share.
#[derive(Clone)]
pub(crate) struct Progress {
    /// `None` without a terminal.
    board: Option<Arc<Mutex<Board>>>,
    thread: usize,
    /// When this thread says next how far it is.
    next: Instant,
}

impl Progress {
    /// A bar for a row that runs for a time or a number of operations, on so many threads.
    pub(crate) fn rows(name: &'static str, limit: Limit, threads: usize) -> Self {
        match limit {
            Limit::Ops(ops) | Limit::Either { ops, .. } => Self::new(name, Some(ops), false, threads),
            Limit::Time(time) => Self::new(name, u64::try_from(time.as_millis()).ok(), true, threads),
        }
    }

    /// A bar for a file of `len` bytes, if that is known.
    pub(crate) fn bytes(name: &'static str, len: Option<u64>) -> Self {
        Self::new(name, len, false, 1)
    }

    /// Nothing is shown.
    pub(crate) fn hidden() -> Self {
        Self { board: None, thread: 0, next: Instant::now() }
    }

    fn new(name: &'static str, total: Option<u64>, by_time: bool, threads: usize) -> Self {
        let board = std::io::stderr().is_terminal().then(|| Board::new(name, total, by_time, threads));
        Self {
            board: board.map(|board| Arc::new(Mutex::new(board))),
            thread: 0,
            next: Instant::now() + PERIOD,
        }
    }

    /// The same bar, for another thread.
    pub(crate) fn of_thread(&self, thread: usize) -> Self {
        Self { thread, ..self.clone() }
    }

    /// Takes the bar off the terminal, unless another thread has it still.
    pub(crate) fn end(&mut self) {
        self.board = None;
    }

    /// Shows that `done` operations or bytes are done at `now`. Usually costs one comparison.
    pub(crate) fn at(&mut self, now: Instant, done: u64, meter: &Meter) {
        let Some(board) = self.board.as_ref().filter(|_| now >= self.next) else { return };
        self.next = now + PERIOD;
        let mut board = board.lock().unwrap_or_else(PoisonError::into_inner);
        board.threads[self.thread] = Some(SoFar::of(meter, done));
        board.show(now);
    }
}

/// What a thread has come to.
struct SoFar {
    /// Operations or bytes.
    done: u64,
    ops: u64,
    failed: u64,
    latencies: Latencies,
}

impl SoFar {
    fn of(meter: &Meter, done: u64) -> Self {
        let failed = meter.errors + meter.mismatches;
        Self { done, ops: meter.ops, failed, latencies: meter.latencies().clone() }
    }
}

/// The bar, and what it shows.
struct Board {
    bar: ProgressBar,
    by_time: bool,
    started: Instant,
    /// `None`: nothing was said yet.
    threads: Vec<Option<SoFar>>,
    /// When it was shown last, and how many operations had ended by then.
    last: (Instant, u64),
}

impl Board {
    fn new(name: &'static str, total: Option<u64>, by_time: bool, threads: usize) -> Self {
        let bar = ProgressBar::with_draw_target(total, ProgressDrawTarget::stderr());
        // The template is a constant; if it does not parse, the default style will do.
        if let Ok(style) = ProgressStyle::with_template("{prefix:>9} [{bar:24}] {percent:>3} %  {msg}") {
            bar.set_style(style.progress_chars("=> "));
        }
        bar.set_prefix(name);
        let now = Instant::now();
        let threads = (0..threads).map(|_| None).collect();
        Self { bar, by_time, started: now, threads, last: (now, 0) }
    }

    /// Each thread asks for it once in a period; it is shown as often.
    fn show(&mut self, now: Instant) {
        if now < self.last.0 + PERIOD {
            return;
        }
        let said = || self.threads.iter().flatten();
        let mut latencies: Option<Latencies> = None;
        for thread in said() {
            match &mut latencies {
                Some(all) => all.add(&thread.latencies),
                None => latencies = Some(thread.latencies.clone()),
            }
        }
        let Some(latencies) = latencies else { return };
        let ops: u64 = said().map(|thread| thread.ops).sum();
        let failed: u64 = said().map(|thread| thread.failed).sum();
        let done: u64 = said().map(|thread| thread.done).sum();
        let since = now.duration_since(self.last.0).as_secs_f64();
        let rate = as_f64(ops.saturating_sub(self.last.1)) / since;
        let elapsed = u64::try_from(now.duration_since(self.started).as_millis()).unwrap_or(u64::MAX);
        // Ahead of the message, which is drawn beside it.
        self.bar.set_position(if self.by_time { elapsed } else { done });
        self.bar.set_message(so_far(rate, latencies.summary().p99, failed));
        self.last = (now, ops);
    }
}

impl Drop for Board {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}

/// What a row has come to, in a line; the percentile is in microseconds.
fn so_far(rate: f64, p99: f64, failed: u64) -> String {
    let rate = grouped(format_args!("{rate:.0}"));
    format!("{rate} op/s, p99 {}, errors {}", time_us(p99), grouped(failed))
}
