//! Lanes whose jobs pause, and the event loop that resumes them: the same for libcrypto's jobs and for ours.
//!
//! ```text
//!   Way::Fd        epoll: each lane's eventfd ─────────────────────────────► resume
//!   Way::Callback  the device's thread sets the lane's bit, and writes one eventfd if no bit was set
//!                  epoll: that eventfd ─► read ─► all bits ────────────────► resume
//! ```

use std::os::fd::BorrowedFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};
use nix::sys::eventfd::{EfdFlags, EventFd};

use super::JOBS;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    Fd,
    Callback,
}

/// When to start no more operations.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Goal {
    Operations(u64),
    Time(Duration),
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Run {
    pub(crate) operations: u64,
    pub(crate) pauses: u64,
    pub(crate) taken: Duration,
}

impl Run {
    pub(crate) fn nanoseconds(&self) -> f64 {
        self.taken.as_nanos() as f64 / self.operations as f64
    }
}

/// One side of a contest.
pub(crate) trait Side {
    fn drive(&mut self, goal: Goal) -> Run;
}

/// Counts the operations that were started, and looks at the clock now and then.
#[derive(Debug)]
pub(crate) struct Progress {
    goal: Goal,
    begun: Instant,
    started: u64,
}

impl Progress {
    pub(crate) fn new(goal: Goal) -> Self {
        Self { goal, begun: Instant::now(), started: 0 }
    }

    /// Whether one more is to be started. That one is counted.
    #[inline]
    pub(crate) fn more(&mut self) -> bool {
        let more = match self.goal {
            Goal::Operations(operations) => self.started < operations,
            Goal::Time(time) => !self.started.is_multiple_of(16) || self.begun.elapsed() < time,
        };
        self.started += u64::from(more);
        more
    }

    pub(crate) fn end(&self, pauses: u64) -> Run {
        Run { operations: self.started, pauses, taken: self.begun.elapsed() }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    Paused,
    Finished,
}

/// What the callbacks of lanes set.
#[derive(Debug)]
pub(crate) struct Woken {
    lanes: AtomicU64,
    event: EventFd,
}

const _: () = assert!(JOBS == 64, "a bit for each lane");

impl Woken {
    pub(crate) fn new() -> Arc<Self> {
        let event = EventFd::from_flags(EfdFlags::EFD_NONBLOCK | EfdFlags::EFD_CLOEXEC).unwrap();
        Arc::new(Self { lanes: AtomicU64::new(0), event })
    }

    /// Called in the device's thread.
    #[inline]
    pub(crate) fn set(&self, lane: usize) {
        if self.lanes.fetch_or(1 << lane, Ordering::AcqRel) == 0 {
            let _ = self.event.write(1);
        }
    }
}

/// Lanes with a job each.
pub(crate) trait Jobs {
    fn start(&mut self, lane: usize) -> Step;
    fn resume(&mut self, lane: usize) -> Step;
    /// Shows the lane's fd, when its first job has paused.
    fn with_fd(&self, lane: usize, watch: &mut dyn FnMut(BorrowedFd<'_>));
    fn woken(&self) -> &Arc<Woken>;
}

/// The loop of an application.
pub(crate) struct Driven<J> {
    jobs: J,
    way: Way,
    epoll: Epoll,
    watched: u64,
}

impl<J: Jobs> Driven<J> {
    pub(crate) fn new(jobs: J, way: Way) -> Self {
        let epoll = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC).unwrap();
        if way == Way::Callback {
            epoll.add(&jobs.woken().event, EpollEvent::new(EpollFlags::EPOLLIN, 0)).unwrap();
        }
        Self { jobs, way, epoll, watched: 0 }
    }

    #[inline]
    fn paused(&mut self, lane: usize) {
        if self.way == Way::Fd && self.watched & (1 << lane) == 0 {
            self.watched |= 1 << lane;
            let event = EpollEvent::new(EpollFlags::EPOLLIN, lane as u64);
            self.jobs.with_fd(lane, &mut |fd| self.epoll.add(fd, event).unwrap());
        }
    }

    /// The lanes that were woken, as bits.
    fn wait(&self) -> u64 {
        let mut events = [EpollEvent::empty(); JOBS];
        let count = match self.epoll.wait(&mut events, EpollTimeout::NONE) {
            Err(Errno::EINTR) => 0,
            count => count.unwrap(),
        };
        match self.way {
            Way::Fd => events[..count].iter().fold(0, |lanes, event| lanes | 1 << event.data()),
            Way::Callback => {
                let woken = self.jobs.woken();
                let _ = woken.event.read();
                woken.lanes.swap(0, Ordering::AcqRel)
            }
        }
    }
}

impl<J: Jobs> Side for Driven<J> {
    fn drive(&mut self, goal: Goal) -> Run {
        let mut progress = Progress::new(goal);
        let (mut pauses, mut under_way) = (0, 0_u64);
        // A lane's job, or the one after it, until one has paused. False where no more are to be started.
        let mut lane_goes_on = |this: &mut Self, lane, mut step: Option<Step>| loop {
            match step {
                Some(Step::Paused) => {
                    pauses += 1;
                    this.paused(lane);
                    return true;
                }
                None | Some(Step::Finished) if !progress.more() => return false,
                None | Some(Step::Finished) => step = Some(this.jobs.start(lane)),
            }
        };
        for lane in 0..JOBS {
            under_way |= u64::from(lane_goes_on(self, lane, None)) << lane;
        }
        while under_way != 0 {
            let mut lanes = self.wait() & under_way;
            while lanes != 0 {
                let lane = lanes.trailing_zeros() as usize;
                lanes &= lanes - 1;
                let step = self.jobs.resume(lane);
                under_way &= !(u64::from(!lane_goes_on(self, lane, Some(step))) << lane);
            }
        }
        progress.end(pauses)
    }
}
