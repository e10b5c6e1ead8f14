//! How two sides are compared: in one process, in turns, the best round of each.
//!
//! ```text
//!   a contest:   round 1:  A B C      round 2:  B C A      round 3:  C A B      ...
//!                            └─ each a slice of time, as many operations as fit, found out beforehand
//!   its result:  the fewest nanoseconds per operation that each side has needed in any round
//! ```
//!
//! A busy machine only ever slows a round down, so the best round says most. Taking turns spreads slow and
//! fast phases of the machine (clock rate, neighbours) over all sides. Phases last for seconds, and the best
//! rounds of two sides may come from different ones; so a contest is short, and there are several (see
//! `figures`). Results are checked before the first round and after the last, outside of the timed part (see
//! `lanes`).

use std::hint::spin_loop;
use std::time::{Duration, Instant};

use nix::time::{ClockId, clock_gettime};

/// Any error that ends the program.
pub(crate) type Outcome<T> = Result<T, Box<dyn std::error::Error>>;

/// One of the sides of a comparison.
pub(crate) trait Side {
    /// Does about this many operations, at least one. Returns nanoseconds per operation.
    fn run(&mut self, ops: u64) -> Outcome<f64>;

    /// Does every operation once and checks its result.
    fn check(&mut self) -> Outcome<()> {
        Ok(())
    }
}

/// How much to measure.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Effort {
    pub(crate) rounds: usize,
    /// How long each side runs in each round.
    pub(crate) slice: Duration,
}

/// Nanoseconds per operation, of all rounds of a side.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Taken {
    pub(crate) best: f64,
    pub(crate) median: f64,
}

impl Taken {
    fn in_rounds(mut rounds: Vec<f64>) -> Self {
        rounds.sort_by(f64::total_cmp);
        Self { best: rounds[0], median: rounds[rounds.len() / 2] }
    }
}

/// The times of each side.
pub(crate) fn contest(effort: Effort, sides: &mut [&mut dyn Side]) -> Outcome<Vec<Taken>> {
    sides.iter_mut().try_for_each(|side| side.check())?;
    let ops = sides.iter_mut().map(|side| calibrate(*side, effort.slice)).collect::<Outcome<Vec<_>>>()?;
    let mut rounds = vec![Vec::with_capacity(effort.rounds); sides.len()];
    for round in 0..effort.rounds {
        for turn in 0..sides.len() {
            let at = (round + turn) % sides.len();
            cool_down();
            rounds[at].push(sides[at].run(ops[at])?);
        }
    }
    sides.iter_mut().try_for_each(|side| side.check())?;
    Ok(rounds.into_iter().map(Taken::in_rounds).collect())
}

/// Longer than the previous side's worker looks for work before it sleeps.
const SETTLING: Duration = Duration::from_micros(200);

/// Waits until the previous side's worker sleeps, so that the next side has the processor.
fn cool_down() {
    let begun = Instant::now();
    while begun.elapsed() < SETTLING {
        spin_loop();
    }
}

/// How many operations fit into `slice`, undisturbed. Also warms a side up.
fn calibrate(side: &mut dyn Side, slice: Duration) -> Outcome<u64> {
    let slice = slice.as_nanos() as f64;
    let mut ops = 16_u64;
    loop {
        let tries = (0..3).map(|_| side.run(ops)).collect::<Outcome<Vec<_>>>()?;
        let each = tries.into_iter().fold(f64::INFINITY, f64::min).max(0.01);
        if each * ops as f64 >= slice / 4.0 {
            return Ok(((slice / each) as u64).max(1));
        }
        ops *= 2;
    }
}

/// Nanoseconds per operation, by the wall clock: for work of several threads.
pub(crate) fn by_wall(ops: u64, body: impl FnOnce() -> Outcome<()>) -> Outcome<f64> {
    let started = Instant::now();
    body()?;
    Ok(per_op(started.elapsed(), ops))
}

/// Nanoseconds per operation, by the calling thread's processor time: for work of this thread alone.
pub(crate) fn by_cpu(ops: u64, body: impl FnOnce() -> Outcome<()>) -> Outcome<f64> {
    let started = cpu_time()?;
    body()?;
    Ok(per_op(cpu_time()?.saturating_sub(started), ops))
}

fn cpu_time() -> Outcome<Duration> {
    Ok(clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID)?.into())
}

fn per_op(time: Duration, ops: u64) -> f64 {
    time.as_nanos() as f64 / ops as f64
}
