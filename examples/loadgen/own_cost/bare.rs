//! A bare loop over the engine: what an application writes for the same operations, and nothing else. It
//! reads no clock, checks no result, counts nothing but what is left to do, and every operation takes its
//! data from the one that has ended.
//!
//! ```text
//!   start(slot):  Job::new(ctx of the slot, move || task.run()) ─► resume ─► paused
//!   poll          Engine::poll ─► token = slot ──┐
//!   wake-fd       epoll ─────────► slot ─────────┼─► resume ─► finished(task) ─► start(slot) again
//!   callback      a channel ─────► slot ─────────┘
//!   futures       task.awaited() is polled; its waker ─► a channel ─► slot ─► polled again
//!   sync          task.run(), one after the other
//! ```
//!
//! It waits as the generator does: the two differ in what the generator adds.

use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::task::{Context, Poll, Wake, Waker};

use nix::errno::Errno;
use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};
use simaccel::{AnySession, Engine, Error, Job, Step, WaitCtx, wait_readable};

use crate::args::Mode;
use crate::backend;
use crate::failure::Failure;
use crate::mix::Draw;
use crate::workload::{Lane, Workload};

/// Tokens and events taken at once, as many as the generator takes.
const AT_ONCE: usize = 256;

/// What a job takes and returns, boxed: nothing is allocated per operation, and only a pointer moves.
struct Task {
    session: Rc<AnySession>,
    lane: Box<Lane>,
    /// Whether the lane has a result of this loop.
    has_run: bool,
}

impl Task {
    fn run(mut self: Box<Self>) -> Box<Self> {
        self.lane.failed = backend::run(&self.session, &mut self.lane).err();
        self.has_run = true;
        self
    }

    async fn awaited(self: Box<Self>) -> Box<Self> {
        let Self { session, lane, .. } = *self;
        let lane = backend::awaited(Rc::clone(&session), lane).await;
        Box::new(Self { session, lane, has_run: true })
    }
}

struct Slot {
    /// Dropped before the context.
    flight: Option<Flight>,
    ctx: WaitCtx,
}

enum Flight {
    Job(Job<Box<Task>>),
    Future(Pin<Box<dyn Future<Output = Box<Task>>>>),
}

impl Flight {
    /// Goes on with it; the task, where it has ended.
    fn go_on(&mut self, waker: &Waker) -> Result<Option<Box<Task>>, Failure> {
        match self {
            Self::Job(job) => match job.resume() {
                Ok(Step::Finished(task)) => Ok(Some(task)),
                Ok(Step::Paused) => Ok(None),
                Err(misuse) => Err(Failure::engine(Error::from(misuse))),
            },
            Self::Future(future) => match future.as_mut().poll(&mut Context::from_waker(waker)) {
                Poll::Ready(task) => Ok(Some(task)),
                Poll::Pending => Ok(None),
            },
        }
    }
}

/// A loop and its jobs, for any number of runs.
pub(crate) struct Bare {
    wakes: Wakes,
    /// One for each slot with futures.
    wakers: Vec<Waker>,
    slots: Vec<Slot>,
    draw: Draw,
    /// What is not in flight, of each part of the mix.
    #[expect(clippy::vec_box, reason = "a task stays where it is when it is started")]
    idle: Vec<Vec<Box<Task>>>,
    /// Operations that have not started, and that have not finished.
    to_start: u64,
    to_finish: u64,
    /// Keeps the device open.
    engine: Engine,
}

/// How a paused job is woken.
enum Wakes {
    /// There are no jobs.
    Sync,
    Poll,
    WakeFd(Epoll, Vec<EpollEvent>),
    Callback(Receiver<usize>),
    Futures(Receiver<usize>),
}

impl Bare {
    /// A loop of so many jobs, with a session and all idle lanes of each part.
    pub(crate) fn new(
        mode: Mode,
        engine: &Engine,
        jobs: usize,
        (sessions, draw): (&[Rc<AnySession>], Draw),
        workload: &mut Workload,
    ) -> Result<Self, Failure> {
        let slots: Vec<Slot> = (0..jobs).map(|_| Slot { flight: None, ctx: WaitCtx::new() }).collect();
        let task = |session: &Rc<AnySession>, lane| {
            Box::new(Task { session: Rc::clone(session), lane, has_run: false })
        };
        let idle = sessions.iter().enumerate().map(|(part, session)| {
            let lanes = std::iter::from_fn(|| workload.take(part)).take(jobs);
            lanes.map(|lane| task(session, lane)).collect()
        });
        let idle = idle.collect();
        let mut wakers = Vec::new();
        let wakes = match mode {
            Mode::Software | Mode::Sync => Wakes::Sync,
            Mode::Poll => Wakes::Poll,
            Mode::WakeFd => {
                let epoll = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC).map_err(failed)?;
                Wakes::WakeFd(epoll, vec![EpollEvent::empty(); AT_ONCE])
            }
            Mode::Callback => Wakes::Callback(forwarded(&slots)),
            Mode::Futures => {
                let (sender, woken) = channel();
                wakers = (0..jobs).map(|slot| Waker::from(Arc::new(Sends(slot, sender.clone())))).collect();
                Wakes::Futures(woken)
            }
        };
        Ok(Self { wakes, wakers, slots, draw, idle, to_start: 0, to_finish: 0, engine: engine.clone() })
    }

    /// Does so many operations, with a job in flight on every slot as long as there are enough.
    pub(crate) fn run(&mut self, ops: u64) -> Result<(), Failure> {
        (self.to_start, self.to_finish) = (ops, ops);
        if matches!(self.wakes, Wakes::Sync) {
            return self.one_after_the_other();
        }
        for slot in 0..self.slots.len() {
            if self.to_start > 0 {
                let task = self.next()?;
                self.start(slot, task)?;
                self.go_on(slot)?;
            }
        }
        self.watch_new_fds()?;
        while self.to_finish > 0 {
            self.wait()?;
        }
        Ok(())
    }

    fn one_after_the_other(&mut self) -> Result<(), Failure> {
        let mut task = self.next()?;
        while self.to_finish > 0 {
            task = self.ended(task.run())?;
            self.to_finish -= 1;
        }
        self.put(task);
        Ok(())
    }

    /// Waits until some job may go on, and lets those go on that may.
    fn wait(&mut self) -> Result<(), Failure> {
        match &mut self.wakes {
            Wakes::Sync => Ok(()),
            Wakes::Poll => self.poll(),
            Wakes::WakeFd(epoll, events) => {
                let count = match epoll.wait(events, EpollTimeout::NONE) {
                    Ok(count) => count,
                    Err(Errno::EINTR) => 0,
                    Err(error) => return Err(failed(error)),
                };
                for at in 0..count {
                    let Wakes::WakeFd(_, events) = &self.wakes else { break };
                    self.go_on(usize::try_from(events[at].data()).unwrap_or(usize::MAX))?;
                }
                Ok(())
            }
            Wakes::Callback(woken) | Wakes::Futures(woken) => {
                let slot = woken.recv().map_err(failed)?;
                self.go_on(slot)?;
                while let Wakes::Callback(woken) | Wakes::Futures(woken) = &self.wakes
                    && let Ok(slot) = woken.try_recv()
                {
                    self.go_on(slot)?;
                }
                Ok(())
            }
        }
    }

    fn poll(&mut self) -> Result<(), Failure> {
        let mut outcome = Ok(());
        let engine = self.engine.clone();
        let go_on = |token| {
            if let Err(failure) = self.go_on(usize::try_from(token).unwrap_or(usize::MAX)) {
                outcome = Err(failure);
            }
        };
        let polled = engine.poll(AT_ONCE, go_on).map_err(Failure::engine)?;
        outcome?;
        if polled == 0 {
            wait_readable(&[engine.interrupt_fd().map_err(Failure::engine)?]).map_err(failed)?;
        }
        Ok(())
    }

    /// A job or a future for a slot that has none; it runs when it is resumed, or polled.
    fn start(&mut self, slot: usize, task: Box<Task>) -> Result<(), Failure> {
        self.to_start -= 1;
        let Slot { ctx, flight } = &mut self.slots[slot];
        *flight = Some(if self.wakers.is_empty() {
            let mut job = Job::new(ctx, move || task.run()).map_err(Failure::engine)?;
            job.set_token(slot as u64);
            Flight::Job(job)
        } else {
            Flight::Future(Box::pin(task.awaited()))
        });
        Ok(())
    }

    /// Goes on with what is on a slot. When it has finished, starts another one there, until one waits.
    fn go_on(&mut self, slot: usize) -> Result<(), Failure> {
        let waker = self.wakers.get(slot).cloned();
        let waker = waker.as_ref().unwrap_or(Waker::noop());
        while let Some(flight) = self.slots.get_mut(slot).and_then(|slot| slot.flight.as_mut()) {
            let Some(task) = flight.go_on(waker)? else { break };
            self.slots[slot].flight = None;
            self.to_finish -= 1;
            let task = self.ended(task)?;
            if self.to_start == 0 {
                self.put(task);
                break;
            }
            self.start(slot, task)?;
        }
        Ok(())
    }

    /// The task that follows one that has ended: itself, unless another part's turn is drawn.
    fn ended(&mut self, mut task: Box<Task>) -> Result<Box<Task>, Failure> {
        if let Some(error) = task.lane.failed.take() {
            return Err(Failure::engine(error));
        }
        if self.idle.len() == 1 {
            return Ok(task);
        }
        self.put(task);
        self.next()
    }

    fn next(&mut self) -> Result<Box<Task>, Failure> {
        let task = self.idle[self.draw.next()].pop();
        task.ok_or_else(|| Failure::Run("a bare loop has no data left".to_owned()))
    }

    fn put(&mut self, task: Box<Task>) {
        self.idle[task.lane.part].push(task);
    }

    /// A context reports its fd when its first job has paused, and only then: the fd stays the same.
    fn watch_new_fds(&self) -> Result<(), Failure> {
        let Wakes::WakeFd(epoll, _) = &self.wakes else { return Ok(()) };
        for (slot, Slot { ctx, .. }) in self.slots.iter().enumerate() {
            for fd in ctx.changed_fds().added {
                epoll.add(fd, EpollEvent::new(EpollFlags::EPOLLIN, slot as u64)).map_err(failed)?;
            }
        }
        Ok(())
    }

    /// Gives the lanes back. Returns how many hold another result than software's.
    pub(crate) fn end(self, workload: &mut Workload) -> u64 {
        let mut wrong = 0;
        for task in self.idle.into_iter().flatten() {
            wrong += u64::from(task.has_run && !task.lane.is_right());
            workload.put(task.lane);
        }
        wrong
    }
}

/// Each context's callback sends its slot to a channel.
fn forwarded(slots: &[Slot]) -> Receiver<usize> {
    let (sender, woken) = channel();
    for (slot, Slot { ctx, .. }) in slots.iter().enumerate() {
        let sender = sender.clone();
        ctx.set_callback(Some(Arc::new(move || {
            // At the end there is no receiver.
            let _ = sender.send(slot);
        })));
    }
    woken
}

/// A waker that sends its slot to a channel.
struct Sends(usize, Sender<usize>);

impl Wake for Sends {
    fn wake(self: Arc<Self>) {
        // At the end there is no receiver.
        let _ = self.1.send(self.0);
    }
}

fn failed(error: impl std::fmt::Display) -> Failure {
    Failure::Run(format!("a bare loop's wait: {error}"))
}
