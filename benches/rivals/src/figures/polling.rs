//! 64 jobs of 64 bytes, completions polled, compared with every other way of handing 64 buffers to a worker.

use super::{Figure, JOBS, Run};
use crate::harness::{Outcome, Side, contest};
use crate::kernels::Ctr;
use crate::lanes::{Drive, Driven, Lanes};
use crate::libcrypto;
use crate::ours::{Algorithm, Polled, Sessions, open};
use crate::peers::{Channel, LibcryptoFd, LibcryptoRing, Pool, TokioOneshot, TokioPool};

pub(super) fn measure(run: &Run) -> Outcome<Vec<Figure>> {
    let placement = run.placement;
    let _pool = libcrypto::Pool::new(JOBS)?;
    let mut rivals: Vec<(&'static str, Box<dyn Side>)> = Vec::new();
    if run.wants("poll64_vs_libcrypto_ring") {
        rivals.push(("poll64_vs_libcrypto_ring", driven(LibcryptoRing::new(JOBS, placement)?)));
    }
    if run.wants("poll64_vs_libcrypto_fd") {
        rivals.push(("poll64_vs_libcrypto_fd", driven(LibcryptoFd::new(JOBS, placement)?)));
    }
    if run.wants("poll64_vs_crossbeam") {
        rivals.push(("poll64_vs_crossbeam", driven(Channel { placement })));
    }
    if run.wants("poll64_vs_tokio_oneshot") {
        rivals.push(("poll64_vs_tokio_oneshot", driven(TokioOneshot::new(placement)?)));
    }
    if run.wants("poll64_vs_spawn_blocking") {
        rivals.push(("poll64_vs_spawn_blocking", driven(TokioPool::new(Pool::AsItComes, placement)?)));
    }
    if run.wants("poll64_vs_blocking_pool") {
        rivals.push(("poll64_vs_blocking_pool", driven(TokioPool::new(Pool::OfOne, placement)?)));
    }
    if rivals.is_empty() && !run.wants("fd_writes_per_op") {
        return Ok(Vec::new());
    }

    let engine = open("delivery=poll;depth=128", &placement)?;
    let mut ours = Driven::new(Polled::new(engine, JOBS, Algorithm::Ctr, Sessions::One)?, lanes());
    let mut sides: Vec<&mut dyn Side> = vec![&mut ours];
    sides.extend(rivals.iter_mut().map(|(_, side)| &mut **side as &mut dyn Side));
    let taken = contest(run.effort, &mut sides)?;

    // An unlimited pool is this fast only by luck (see `tokio_pool.rs`), so its best round says nothing.
    let speed = |key: &str| match key {
        "poll64_vs_spawn_blocking" => Figure::typical_speed,
        _ => Figure::speed,
    };
    let mut figures: Vec<_> =
        rivals.iter().zip(&taken[1..]).map(|((key, _), rival)| speed(key)(key, taken[0], *rival)).collect();
    if run.wants("fd_writes_per_op") {
        figures.push(Figure::number("fd_writes_per_op", ours.driver.fastest.1, None, ""));
    }
    Ok(figures)
}

fn driven(driver: impl Drive + 'static) -> Box<dyn Side> {
    Box::new(Driven::new(driver, lanes()))
}

fn lanes() -> Lanes {
    Lanes::new(JOBS, 64, &Ctr::new())
}
