//! 64 operations of 64 bytes awaited by tasks of one thread, beside the same in polled jobs, and beside tasks
//! that give the work to a blocking thread.

use super::{Figure, JOBS, Run};
use crate::awaited::Awaited;
use crate::harness::{Outcome, Side, contest};
use crate::kernels::Ctr;
use crate::lanes::{Driven, Lanes};
use crate::ours::{Algorithm, Polled, Sessions, open};
use crate::peers::{Pool, TokioPool};

const AGAINST_JOBS: &str = "await64_vs_poll64";
const AGAINST_POOL: &str = "await64_vs_blocking_pool";

/// Room for all, and one interrupt for many completions.
const CONFIG: &str = "delivery=poll;depth=128";

pub(super) fn measure(run: &Run) -> Outcome<Vec<Figure>> {
    let (jobs, pool) = (run.wants(AGAINST_JOBS), run.wants(AGAINST_POOL));
    if !jobs && !pool {
        return Ok(Vec::new());
    }
    let lanes = || Lanes::new(JOBS, 64, &Ctr::new());
    let engine = open(CONFIG, &run.placement)?;
    let mut ours = Driven::new(Awaited::new(&engine)?, lanes());
    let mut figures = Vec::new();
    if jobs {
        let engine = open(CONFIG, &run.placement)?;
        let mut rival = Driven::new(Polled::new(engine, JOBS, Algorithm::Ctr, Sessions::One)?, lanes());
        let taken = contest(run.effort, &mut [&mut ours, &mut rival])?;
        figures.push(Figure::cost(AGAINST_JOBS, taken[0], taken[1]));
    }
    if pool {
        let mut rival = Driven::new(TokioPool::new(Pool::OfOne, run.placement)?, lanes());
        let sides: &mut [&mut dyn Side] = &mut [&mut ours, &mut rival];
        let taken = contest(run.effort, sides)?;
        figures.push(Figure::speed(AGAINST_POOL, taken[0], taken[1]));
    }
    Ok(figures)
}
