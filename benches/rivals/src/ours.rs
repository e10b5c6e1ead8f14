//! simaccel's side: one job per operation, through the public interface, with owned buffers.
//!
//! ```text
//!   start(slot):   Job::new(ctx of the slot, move || session.encrypt(iv, buffer)) ─► resume ─► Paused
//!   Polled:        Engine::poll ─► token = slot ─► resume ─► Finished(work) ─► start(slot) again
//!   WakeFd:        epoll_wait   ─► slot         ─► resume ─► Finished(work) ─► start(slot) again
//!   Callback:      a channel    ─► slot         ─► resume ─► Finished(work) ─► start(slot) again
//! ```

use std::hint::spin_loop;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, channel};

use simaccel::{Cipher, CipherSession, Config, Engine, Error, Job, Padding, Step, WaitCtx, wait_readable};

use crate::epoll::Epoll;
use crate::harness::{Outcome, by_wall};
use crate::kernels::{KEY, xts_key};
use crate::lanes::{Drive, Lanes, Work};
use crate::placement::Placement;

/// Tokens taken per poll.
const TOKENS: usize = 64;
/// Polls without a token before the thread sleeps on the engine's interrupt.
const DRY_POLLS: u32 = 500;

/// Opens an engine whose workers share the calling thread's processor.
pub(crate) fn open_here(config: &str, placement: &Placement) -> Outcome<Engine> {
    let config = Config::parse(config)?;
    Ok(placement.here(|| Engine::open(config))??)
}

/// The algorithm of a session.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Algorithm {
    Ctr,
    Cbc,
    Xts,
}

/// How many sessions the jobs use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sessions {
    One,
    OnePerJob,
}

/// Opens an engine whose workers run on the other processors.
pub(crate) fn open(config: &str, placement: &Placement) -> Outcome<Engine> {
    let config = Config::parse(config)?;
    Ok(placement.beside(|| Engine::open(config))??)
}

pub(crate) fn session(engine: &Engine, algorithm: Algorithm) -> Outcome<CipherSession> {
    let (cipher, key) = match algorithm {
        Algorithm::Ctr => (Cipher::Aes128Ctr, KEY.to_vec()),
        Algorithm::Cbc => (Cipher::Aes128Cbc, KEY.to_vec()),
        Algorithm::Xts => (Cipher::Aes128Xts, xts_key()),
    };
    Ok(engine.cipher_with(cipher, &key, Padding::None)?)
}

/// What a job takes and returns, boxed: its work, the session that does it, and the error, if any. Nothing is
/// cloned or allocated per operation, and only a pointer moves.
struct Task {
    session: CipherSession,
    work: Work,
    failed: Option<Error>,
}

impl Task {
    #[inline]
    fn run(mut self: Box<Self>) -> Box<Self> {
        let buffer = std::mem::take(&mut self.work.buffer);
        match self.session.encrypt(&self.work.iv, buffer) {
            Ok(buffer) => self.work.buffer = buffer,
            Err(error) => self.failed = Some(error.into()),
        }
        self
    }
}

/// As many slots as operations in flight, each with a wait context.
struct Runner {
    slots: Vec<Slot>,
    /// Operations that have not started, and that have not finished.
    to_start: u64,
    to_finish: u64,
}

struct Slot {
    /// Dropped before the context.
    job: Option<Job<Box<Task>>>,
    ctx: WaitCtx,
    session: Option<CipherSession>,
}

impl Runner {
    fn new(engine: &Engine, slots: usize, algorithm: Algorithm, sessions: Sessions) -> Outcome<Self> {
        let shared = session(engine, algorithm)?;
        let slots = (0..slots).map(|_| {
            let session = match sessions {
                Sessions::One => shared.clone(),
                Sessions::OnePerJob => session(engine, algorithm)?,
            };
            Ok(Slot { ctx: WaitCtx::new(), session: Some(session), job: None })
        });
        Ok(Self { slots: slots.collect::<Outcome<_>>()?, to_start: 0, to_finish: 0 })
    }

    fn start_all(&mut self, lanes: &mut Lanes, ops: u64) -> Outcome<()> {
        (self.to_start, self.to_finish) = (ops, ops);
        for slot in 0..self.slots.len() {
            if self.to_start > 0 {
                let session = self.slots[slot].session.take().ok_or("a slot has one operation at a time")?;
                self.start(slot, Box::new(Task { session, work: *lanes.take(slot), failed: None }))?;
            }
        }
        Ok(())
    }

    #[inline]
    fn start(&mut self, slot: usize, task: Box<Task>) -> Outcome<()> {
        self.to_start -= 1;
        let Slot { ctx, job, .. } = &mut self.slots[slot];
        let started = job.insert(Job::new(ctx, move || task.run())?);
        started.set_token(slot as u64);
        match started.resume()? {
            Step::Paused => Ok(()),
            Step::Finished(_) => Err("an operation has not paused".into()),
        }
    }

    /// Resumes the job of a slot. When it has finished, starts another one there, or returns its work.
    #[inline]
    fn go_on(&mut self, slot: usize, lanes: &mut Lanes) -> Outcome<()> {
        let Slot { session, job, .. } = &mut self.slots[slot];
        let Some(running) = job else { return Ok(()) };
        let Step::Finished(task) = running.resume()? else { return Ok(()) };
        *job = None;
        if let Some(error) = task.failed {
            return Err(error.into());
        }
        self.to_finish -= 1;
        if self.to_start > 0 {
            return self.start(slot, task);
        }
        *session = Some(task.session);
        lanes.put(Box::new(task.work));
        Ok(())
    }
}

/// Jobs whose completions are polled.
pub(crate) struct Polled {
    runner: Runner,
    engine: Engine,
    /// The fastest run: nanoseconds, and eventfd writes, per operation.
    pub(crate) fastest: (f64, f64),
}

impl Polled {
    pub(crate) fn new(
        engine: Engine,
        slots: usize,
        algorithm: Algorithm,
        sessions: Sessions,
    ) -> Outcome<Self> {
        let runner = Runner::new(&engine, slots, algorithm, sessions)?;
        Ok(Self { runner, engine, fastest: (f64::INFINITY, f64::NAN) })
    }

    fn loop_until_done(&mut self, lanes: &mut Lanes, ops: u64) -> Outcome<()> {
        let Self { runner, engine, .. } = self;
        runner.start_all(lanes, ops)?;
        let mut dry = 0;
        while runner.to_finish > 0 {
            let mut outcome = Ok(());
            let go_on = |token| {
                if let Err(error) = runner.go_on(token as usize, lanes) {
                    outcome = Err(error);
                }
            };
            let patient = dry > DRY_POLLS;
            let polled = if patient { engine.poll(TOKENS, go_on) } else { engine.reap(TOKENS, go_on) }?;
            outcome?;
            dry = if polled > 0 { 0 } else { dry + 1 };
            if polled == 0 {
                spin_loop();
            }
            if patient && polled == 0 {
                wait_readable(&[engine.interrupt_fd()?])?;
            }
        }
        Ok(())
    }
}

impl Drive for Polled {
    fn drive(&mut self, lanes: &mut Lanes, ops: u64) -> Outcome<f64> {
        let before = self.engine.stats().device.total.interrupts;
        let taken = by_wall(ops, || self.loop_until_done(lanes, ops))?;
        let writes = self.engine.stats().device.total.interrupts - before;
        if taken < self.fastest.0 {
            self.fastest = (taken, writes as f64 / ops as f64);
        }
        Ok(taken)
    }
}

/// Jobs that are woken by their contexts' eventfds.
pub(crate) struct WakeFd {
    runner: Runner,
    epoll: Epoll,
    /// Keeps the device open.
    _engine: Engine,
}

impl WakeFd {
    pub(crate) fn new(engine: Engine, slots: usize, algorithm: Algorithm) -> Outcome<Self> {
        let runner = Runner::new(&engine, slots, algorithm, Sessions::One)?;
        Ok(Self { runner, epoll: Epoll::new()?, _engine: engine })
    }

    /// A context reports its fd when its first job has paused, and only then: the fd stays the same.
    fn watch_new_fds(&self) -> Outcome<()> {
        for (slot, Slot { ctx, .. }) in self.runner.slots.iter().enumerate() {
            for fd in ctx.changed_fds().added {
                self.epoll.add(fd, slot)?;
            }
        }
        Ok(())
    }

    fn loop_until_done(&mut self, lanes: &mut Lanes, ops: u64) -> Outcome<()> {
        self.runner.start_all(lanes, ops)?;
        self.watch_new_fds()?;
        let Self { runner, epoll, .. } = self;
        while runner.to_finish > 0 {
            for slot in epoll.wait()? {
                runner.go_on(slot, lanes)?;
            }
        }
        Ok(())
    }
}

impl Drive for WakeFd {
    fn drive(&mut self, lanes: &mut Lanes, ops: u64) -> Outcome<f64> {
        by_wall(ops, || self.loop_until_done(lanes, ops))
    }
}

/// Jobs that are woken by their contexts' callbacks, which forward the wake through a channel.
pub(crate) struct Callback {
    runner: Runner,
    woken: Receiver<usize>,
    /// Keeps the device open.
    _engine: Engine,
}

impl Callback {
    pub(crate) fn new(engine: Engine, slots: usize, algorithm: Algorithm) -> Outcome<Self> {
        let runner = Runner::new(&engine, slots, algorithm, Sessions::One)?;
        let (sender, woken) = channel();
        for (slot, Slot { ctx, .. }) in runner.slots.iter().enumerate() {
            let sender = sender.clone();
            ctx.set_callback(Some(Arc::new(move || {
                // At the end there is no receiver.
                let _ = sender.send(slot);
            })));
        }
        Ok(Self { runner, woken, _engine: engine })
    }

    fn loop_until_done(&mut self, lanes: &mut Lanes, ops: u64) -> Outcome<()> {
        self.runner.start_all(lanes, ops)?;
        while self.runner.to_finish > 0 {
            let slot = self.woken.recv()?;
            self.runner.go_on(slot, lanes)?;
        }
        Ok(())
    }
}

impl Drive for Callback {
    fn drive(&mut self, lanes: &mut Lanes, ops: u64) -> Outcome<f64> {
        by_wall(ops, || self.loop_until_done(lanes, ops))
    }
}
