//! A wake while everything sleeps: one request of 64 bytes on an idle device, from the submission until its
//! job has finished, against two threads that pass a token back and forth through eventfds and epoll.
//!
//! ```text
//!   ours:   resume ─► doorbell wakes the worker ─► eventfd ─► epoll_wait returns ─► resume
//!   bare:   write  ─► epoll_wait returns, read, write back ─► epoll_wait returns ─► read
//! ```
//!
//! Before each round trip the thread waits, awake, until the other thread must be asleep. A run's result is
//! its median.

use std::hint::spin_loop;
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::eventfd::{EfdFlags, EventFd};
use simaccel::{CipherSession, Engine, Job, Step, WaitCtx};

use super::{Figure, Run};
use crate::epoll::Epoll;
use crate::harness::{Outcome, Side, contest};
use crate::ours::{Algorithm, open, session};
use crate::placement::Placement;

/// Longer than any worker looks for work before it sleeps.
const UNTIL_ASLEEP: Duration = Duration::from_micros(150);

pub(super) fn measure(run: &Run) -> Outcome<Vec<Figure>> {
    if !run.wants("idle_wake") {
        return Ok(Vec::new());
    }
    let mut bare = Bare { placement: run.placement };
    let taken = contest(run.effort, &mut [&mut Ours::new(&run.placement)?, &mut bare])?;
    Ok(vec![Figure::cost("idle_wake", taken[0], taken[1])])
}

/// The median of this many round trips, in nanoseconds.
fn median(ops: u64, mut round_trip: impl FnMut() -> Outcome<()>) -> Outcome<f64> {
    let mut taken = Vec::new();
    for _ in 0..ops {
        let idle = Instant::now();
        while idle.elapsed() < UNTIL_ASLEEP {
            spin_loop();
        }
        let started = Instant::now();
        round_trip()?;
        taken.push(started.elapsed().as_nanos());
    }
    taken.sort_unstable();
    Ok(taken[taken.len() / 2] as f64)
}

struct Ours {
    ctx: WaitCtx,
    session: CipherSession,
    epoll: Epoll,
    buffer: Vec<u8>,
    _engine: Engine,
}

impl Ours {
    fn new(placement: &Placement) -> Outcome<Self> {
        let engine = open("", placement)?;
        let session = session(&engine, Algorithm::Ctr)?;
        Ok(Self { ctx: WaitCtx::new(), session, epoll: Epoll::new()?, buffer: vec![0; 64], _engine: engine })
    }

    fn round_trip(&mut self) -> Outcome<()> {
        let (session, buffer) = (self.session.clone(), std::mem::take(&mut self.buffer));
        let mut job = Job::new(&self.ctx, move || session.encrypt(&[0; 16], buffer))?;
        loop {
            match job.resume()? {
                Step::Finished(result) => {
                    self.buffer = result?;
                    return Ok(());
                }
                Step::Paused => {
                    for fd in self.ctx.changed_fds().added {
                        self.epoll.add(fd, 0)?;
                    }
                    self.epoll.wait()?.for_each(drop);
                }
            }
        }
    }
}

impl Side for Ours {
    fn run(&mut self, ops: u64) -> Outcome<f64> {
        median(ops, || self.round_trip())
    }
}

struct Bare {
    placement: Placement,
}

impl Side for Bare {
    fn run(&mut self, ops: u64) -> Outcome<f64> {
        let (question, mut questions) = watched_eventfd()?;
        let (answer, mut answers) = watched_eventfd()?;
        thread::scope(|scope| {
            let answer_all = || {
                let all = (0..ops).try_for_each(|_| pass(&mut questions, &question, &answer));
                all.expect("epoll and eventfds that were made can be used");
            };
            self.placement.beside(|| scope.spawn(answer_all))?;
            median(ops, || {
                question.write(1)?;
                answers.wait()?.for_each(drop);
                answer.read()?;
                Ok(())
            })
        })
    }
}

fn watched_eventfd() -> Outcome<(EventFd, Epoll)> {
    let (fd, epoll) = (EventFd::from_flags(EfdFlags::EFD_NONBLOCK | EfdFlags::EFD_CLOEXEC)?, Epoll::new()?);
    epoll.add(&fd, 0)?;
    Ok((fd, epoll))
}

/// Waits for a question, and answers it.
fn pass(questions: &mut Epoll, question: &EventFd, answer: &EventFd) -> Outcome<()> {
    questions.wait()?.for_each(drop);
    question.read()?;
    answer.write(1)?;
    Ok(())
}
