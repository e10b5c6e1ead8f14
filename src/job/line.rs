//! The line for jobs of one thread: tasks wait for one to become idle, first come, first served.
//!
//! ```text
//!   wait ─► a job is idle, and no one is before ─► Ready
//!        └─► in line ◄── a job is put back: wakes the first ── wait ─► Ready: leaves the line, and wakes the next
//! ```
//!
//! While there is a line, [`Flags::WAITED`] keeps jobs from the fast path, so that each end of a job looks
//! here.

use std::collections::VecDeque;
use std::mem;
use std::panic::{self, AssertUnwindSafe};
use std::task::{Poll, Waker};

use super::front::Flags;
use super::misuse::NoJobs;
use super::pool::{Pool, drop_payload};

/// The tasks that wait, by their wakers.
#[derive(Default)]
pub(super) struct Line {
    waiting: VecDeque<(u64, Waker)>,
    next_number: u64,
}

/// A place in the line of this thread, or none. It is left when it is dropped.
#[derive(Debug, Default)]
pub(crate) struct Place {
    number: Option<u64>,
}

impl Place {
    /// Ensures that the next job of this thread can be made, as [`reserve`](super::reserve), or waits in line
    /// until it can.
    pub(crate) fn reserve(&mut self, waker: &Waker) -> Poll<Result<(), NoJobs>> {
        let Some(pool) = Pool::here() else { return Poll::Ready(Err(NoJobs::ThreadEnded)) };
        let is_next = match pool.line.borrow().waiting.front() {
            Some((first, _)) => Some(*first) == self.number,
            None => true,
        };
        let reserved = if is_next { pool.reserve() } else { Err(NoJobs::Limit { max: 0 }) };
        match reserved {
            Err(NoJobs::Limit { .. }) => {
                self.wait(pool, waker);
                Poll::Pending
            }
            reserved => {
                self.leave();
                Poll::Ready(reserved)
            }
        }
    }

    fn wait(&mut self, pool: &Pool, waker: &Waker) {
        // A waker is foreign code, when it is cloned and when it is dropped.
        let waker = waker.clone();
        let replaced = {
            let line = &mut *pool.line.borrow_mut();
            match line.waiting.iter_mut().find(|(number, _)| Some(*number) == self.number) {
                Some((_, old)) => Some(mem::replace(old, waker)),
                None => {
                    line.next_number += 1;
                    self.number = Some(line.next_number);
                    line.waiting.push_back((line.next_number, waker));
                    None
                }
            }
        };
        pool.front.flags.raise(Flags::WAITED);
        drop(replaced);
    }

    /// Leaves the line. If there is another job, the next one has its turn.
    fn leave(&mut self) {
        let Some(number) = self.number.take() else { return };
        let Some(pool) = Pool::existing() else { return };
        let left = {
            let line = &mut *pool.line.borrow_mut();
            let at = line.waiting.iter().position(|(other, _)| *other == number);
            at.and_then(|at| line.waiting.remove(at))
        };
        if pool.line.borrow().waiting.is_empty() {
            pool.front.flags.lower(Flags::WAITED);
        }
        drop(left);
        if pool.has_room() {
            pool.wake_line();
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.leave();
    }
}

impl Pool {
    /// Wakes the first in line: there may be a job for it.
    #[cold]
    pub(super) fn wake_line(&self) {
        let first = self.line.borrow().waiting.front().map(|(_, waker)| waker.clone());
        if let Some(waker) = first
            && let Err(payload) = panic::catch_unwind(AssertUnwindSafe(|| waker.wake()))
        {
            drop_payload(payload);
        }
    }
}
