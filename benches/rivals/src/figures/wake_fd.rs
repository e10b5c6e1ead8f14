//! 64 jobs of 64 bytes, each woken by the eventfd of its wait context: written, found with epoll, and read
//! for every request. System calls are most of it, on both sides.
//!
//! And one job whose device shares its processor: the worker is preempted in the very write that wakes the
//! job, and a resume that waits for the worker waits for the end of a time slice. A callback has no such
//! moment, so it is the rival.

use super::{Figure, JOBS, Run};
use crate::harness::{Outcome, contest};
use crate::kernels::Ctr;
use crate::lanes::{Driven, Lanes};
use crate::libcrypto;
use crate::ours::{Algorithm, Callback, WakeFd, open, open_here};
use crate::peers::LibcryptoFd;

/// Service times that leave the processor to the application.
const FOUR_UNITS: &str = "compute_units=4;completion_nsec=50000";

pub(super) fn measure(run: &Run) -> Outcome<Vec<Figure>> {
    let figures = [against_libcrypto(run), against_callbacks(run)];
    figures.into_iter().filter_map(Result::transpose).collect()
}

fn against_libcrypto(run: &Run) -> Outcome<Option<Figure>> {
    const KEY: &str = "wakefd_vs_libcrypto";
    if !run.wants(KEY) {
        return Ok(None);
    }
    let lanes = || Lanes::new(JOBS, 64, &Ctr::new());
    let _pool = libcrypto::Pool::new(JOBS)?;
    let engine = open("", &run.placement)?;
    let mut ours = Driven::new(WakeFd::new(engine, JOBS, Algorithm::Ctr)?, lanes());
    let mut rival = Driven::new(LibcryptoFd::new(JOBS, run.placement)?, lanes());
    let taken = contest(run.effort, &mut [&mut ours, &mut rival])?;
    Ok(Some(Figure::speed(KEY, taken[0], taken[1])))
}

fn against_callbacks(run: &Run) -> Outcome<Option<Figure>> {
    const KEY: &str = "wakefd_one_cpu_vs_callback";
    if !run.wants(KEY) {
        return Ok(None);
    }
    let lanes = || Lanes::new(1, 64, &Ctr::new());
    let engine = || open_here(FOUR_UNITS, &run.placement);
    let mut by_fd = Driven::new(WakeFd::new(engine()?, 1, Algorithm::Ctr)?, lanes());
    let mut by_callback = Driven::new(Callback::new(engine()?, 1, Algorithm::Ctr)?, lanes());
    let taken = contest(run.effort, &mut [&mut by_fd, &mut by_callback])?;
    // The best round is one that was never preempted.
    Ok(Some(Figure::typical_speed(KEY, taken[0], taken[1])))
}
