//! 64 jobs of 64 bytes, each woken by the eventfd of its wait context: written, found with epoll, and read for every
//! request. The system calls are most of it, on both sides.

use super::{Figure, JOBS, Run};
use crate::harness::{Outcome, contest};
use crate::kernels::Ctr;
use crate::lanes::{Driven, Lanes};
use crate::libcrypto;
use crate::ours::{Algorithm, WakeFd, open};
use crate::peers::LibcryptoFd;

pub(super) fn measure(run: &Run) -> Outcome<Vec<Figure>> {
    if !run.wants("wakefd_vs_libcrypto") {
        return Ok(Vec::new());
    }
    let lanes = || Lanes::new(JOBS, 64, &Ctr::new());
    let _pool = libcrypto::Pool::new(JOBS)?;
    let engine = open("", &run.placement)?;
    let mut ours = Driven::new(WakeFd::new(engine, JOBS, Algorithm::Ctr)?, lanes());
    let mut rival = Driven::new(LibcryptoFd::new(JOBS, run.placement)?, lanes());
    let taken = contest(run.effort, &mut [&mut ours, &mut rival])?;
    Ok(vec![Figure::speed("wakefd_vs_libcrypto", taken[0], taken[1])])
}
