//! 64 operations of 64 bytes awaited by 64 tasks of one thread, or by one task, beside the same in polled
//! jobs, and beside tasks that give the work to a blocking thread.

use super::{Figure, JOBS, Run};
use crate::awaited::{Awaited, By};
use crate::harness::{Outcome, contest};
use crate::kernels::Ctr;
use crate::lanes::{Driven, Lanes};
use crate::ours::{Algorithm, Polled, Sessions, open};
use crate::peers::{Pool, TokioPool};

const AGAINST_JOBS: &str = "await64_vs_poll64";
const TOGETHER_AGAINST_JOBS: &str = "await64_one_task_vs_poll64";
const AGAINST_POOL: &str = "await64_vs_blocking_pool";

/// Room for all, and one interrupt for many completions.
const CONFIG: &str = "delivery=poll;depth=128";

pub(super) fn measure(run: &Run) -> Outcome<Vec<Figure>> {
    let lanes = || Lanes::new(JOBS, 64, &Ctr::new());
    let awaited = |by| -> Outcome<_> {
        let engine = open(CONFIG, &run.placement)?;
        Ok(Driven::new(Awaited::new(&engine, by)?, lanes()))
    };
    let polled = || -> Outcome<_> {
        let engine = open(CONFIG, &run.placement)?;
        Ok(Driven::new(Polled::new(engine, JOBS, Algorithm::Ctr, Sessions::One)?, lanes()))
    };
    let mut figures = Vec::new();
    for (key, by) in [(AGAINST_JOBS, By::Tasks), (TOGETHER_AGAINST_JOBS, By::Together)] {
        if run.wants(key) {
            let taken = contest(run.effort, &mut [&mut awaited(by)?, &mut polled()?])?;
            figures.push(Figure::cost(key, taken[0], taken[1]));
        }
    }
    if run.wants(AGAINST_POOL) {
        let mut rival = Driven::new(TokioPool::new(Pool::OfOne, run.placement)?, lanes());
        let taken = contest(run.effort, &mut [&mut awaited(By::Tasks)?, &mut rival])?;
        figures.push(Figure::speed(AGAINST_POOL, taken[0], taken[1]));
    }
    Ok(figures)
}
