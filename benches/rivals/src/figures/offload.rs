//! Larger requests, polled, against the bare kernel in the calling thread, on as many buffers and on the same
//! processor.

use super::{Figure, JOBS, Run};
use crate::harness::{Outcome, contest};
use crate::kernels::{Bare, Cbc, Ctr, Kernel, Xts};
use crate::lanes::{Driven, Lanes};
use crate::ours::{Algorithm, Polled, Sessions, open};

pub(super) fn measure(run: &Run) -> Outcome<Vec<Figure>> {
    use Sessions::{One, OnePerJob};
    let figures = [
        one(run, "bulk16k_vs_kernel", Algorithm::Ctr, One, 16 << 10, Ctr::new),
        one(run, "ctr1k_vs_kernel", Algorithm::Ctr, One, 1 << 10, Ctr::new),
        one(run, "cbc1k_vs_kernel", Algorithm::Cbc, OnePerJob, 1 << 10, Cbc::new),
        one(run, "cbc_batch_1k", Algorithm::Cbc, One, 1 << 10, Cbc::new),
        one(run, "cbc_batch_16k", Algorithm::Cbc, One, 16 << 10, Cbc::new),
        one(run, "xts_vs_crate", Algorithm::Xts, One, 16 << 10, Xts::new),
    ];
    figures.into_iter().filter_map(Result::transpose).collect()
}

fn one<K: Kernel>(
    run: &Run,
    key: &'static str,
    algorithm: Algorithm,
    sessions: Sessions,
    size: usize,
    kernel: fn() -> K,
) -> Outcome<Option<Figure>> {
    if !run.wants(key) {
        return Ok(None);
    }
    let engine = open("delivery=poll;depth=128", &run.placement)?;
    let lanes = Lanes::new(JOBS, size, &kernel());
    let mut ours = Driven::new(Polled::new(engine, JOBS, algorithm, sessions)?, lanes);
    let mut bare = Bare::new(kernel(), JOBS, size, run.placement);
    let taken = contest(run.effort, &mut [&mut ours, &mut bare])?;
    Ok(Some(Figure::speed(key, taken[0], taken[1])))
}
