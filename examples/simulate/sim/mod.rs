//! The simulation: one seed, one history, with everything checked on the way.
//!
//! ```text
//!   seed ─► Plan: configuration, faults ─► World: actions at random ─► checks after each
//!             ▲                              │   ▲
//!          Random                            ▼   │ outcomes
//!                                   jobs, contexts, calls, tasks ─► Recorder: history, calls under way
//!
//!   afterwards: no fd, no job, and no more memory than before
//! ```

mod actions;
mod call;
mod check;
mod fds;
mod history;
mod plan;
mod random;
mod recorder;
mod script;
mod shrink;
mod signal;
mod task;
mod world;

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use sha2::{Digest, Sha256};
use simaccel::job::{self, Rule};
use simaccel::{Config, Engine};

use crate::memory;
use actions::{Actions, Part};
pub(crate) use history::Hash;
pub(crate) use shrink::Shrunk;
use world::World;

/// Broken rules of strict mode that the histories do not break on purpose.
static VIOLATIONS: AtomicU64 = AtomicU64::new(0);

/// The outcome of one seed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Outcome {
    pub(crate) hash: Hash,
    /// What broke, in one line.
    pub(crate) broken: Option<String>,
    /// What was under way when it broke, or at last.
    pub(crate) part: Part,
    /// Whether its history is on standard output, where that was asked for.
    pub(crate) printed: Result<(), io::ErrorKind>,
}

impl Outcome {
    /// Of a seed that did not come to a history.
    const fn without_history(broken: String, part: Part) -> Self {
        Self { hash: [0; 32], broken: Some(broken), part, printed: Ok(()) }
    }
}

/// Runs seeds one after the other, and checks that none leaves anything behind.
pub(crate) struct Simulation {
    sabotage: Option<Sabotage>,
    print: bool,
    actions: Rc<Actions>,
    all: Sha256,
    before: Left,
}

/// What a history could leave behind.
#[derive(Clone, Copy, Debug)]
struct Left {
    bytes: i64,
    fds: usize,
    leaked_jobs: u64,
}

impl Simulation {
    /// Runs a seed once, so that everything that is kept for good (stacks, tables of the thread) exists.
    pub(crate) fn new(sabotage: Option<Sabotage>, print: bool) -> Self {
        job::set_strict(true);
        job::set_strict_handler(Some(Arc::new(|violation| {
            let dropped_on_purpose =
                matches!(violation.rule, Rule::WaitCtxFreedInFlight | Rule::WaitCtxFreedUnderJob);
            VIOLATIONS.fetch_add(u64::from(!dropped_on_purpose), Ordering::Relaxed);
        })));
        let (actions, all) = (Rc::new(Actions::new()), Sha256::new());
        let simulation = Self { sabotage: None, print: false, actions, all, before: Left::now() };
        for seed in 0..3 {
            simulation.live(seed, None);
        }
        Self { sabotage, print, before: Left::now(), ..simulation }
    }

    /// Runs a seed.
    pub(crate) fn run(&mut self, seed: u64) -> Outcome {
        let outcome = self.attempt(seed, None);
        self.add_to_hash(seed, &outcome);
        outcome
    }

    /// Runs only these actions of a seed. `Err`: it has only so many.
    pub(crate) fn run_only(&mut self, seed: u64, only: &[usize]) -> Result<Outcome, usize> {
        let print = std::mem::replace(&mut self.print, false);
        self.attempt(seed, None);
        self.print = print;
        let count = self.actions.count();
        if only.iter().any(|&number| number >= count) {
            return Err(count);
        }
        let outcome = self.attempt(seed, Some(only));
        self.add_to_hash(seed, &outcome);
        Ok(outcome)
    }

    fn add_to_hash(&mut self, seed: u64, outcome: &Outcome) {
        self.all.update(seed.to_le_bytes());
        self.all.update(outcome.hash);
    }

    /// Runs a seed, or only some of its actions. What it leaves behind may be a table that has grown for
    /// good; then the same seed grows nothing when it is run again. (And it has the same history.)
    fn attempt(&mut self, seed: u64, only: Option<&[usize]>) -> Outcome {
        let mut outcome = self.run_once(seed, only);
        if outcome.broken.is_none() && Left::now().exceeds(&self.before) {
            let first = self.before;
            self.before = Left::now();
            outcome = self.run_again(seed, only, &outcome);
            let left = Left::now();
            if outcome.broken.is_none() && left.exceeds(&self.before) {
                outcome.broken =
                    Some(format!("it leaves something behind: {first:?}, {:?}, {left:?}", self.before));
            }
        }
        self.before = Left::now();
        outcome
    }

    /// [`Simulation::run`], twice: both histories must be the same.
    pub(crate) fn run_twice(&mut self, seed: u64) -> Outcome {
        let outcome = self.run(seed);
        let again = self.run_again(seed, None, &outcome);
        self.before = Left::now();
        again
    }

    fn run_again(&mut self, seed: u64, only: Option<&[usize]>, first: &Outcome) -> Outcome {
        let print = std::mem::replace(&mut self.print, false);
        let mut outcome = self.run_once(seed, only);
        self.print = print;
        if outcome.broken.is_none() && outcome.hash != first.hash {
            outcome.broken = Some("its history is another when it is run again".to_owned());
        }
        Outcome { broken: first.broken.clone().or(outcome.broken), ..*first }
    }

    /// The hash over all seeds so far, in their order.
    pub(crate) fn hash(&self) -> Hash {
        self.all.clone().finalize().into()
    }

    fn run_once(&self, seed: u64, only: Option<&[usize]>) -> Outcome {
        // A panic is a failure of the seed as any other.
        let lived = catch_unwind(AssertUnwindSafe(|| self.live(seed, only)));
        lived.unwrap_or_else(|payload| {
            let text = payload.downcast_ref::<String>().map(String::as_str);
            let text = text.or_else(|| payload.downcast_ref::<&str>().copied()).unwrap_or("of something");
            Outcome::without_history(format!("panic: {text}"), self.actions.current())
        })
    }

    fn live(&self, seed: u64, only: Option<&[usize]>) -> Outcome {
        self.actions.restart();
        let violations = VIOLATIONS.load(Ordering::Relaxed);
        let mut world = match World::new(seed, self.print, &self.actions) {
            Ok(world) => world,
            Err(error) => return Outcome::without_history(format!("no engine: {error}"), Part::Beginning),
        };
        if let Some(sabotage) = self.sabotage {
            sabotage.apply(&world.engine);
        }
        world.live(only);
        let recorder = std::rc::Rc::clone(&world.recorder);
        recorder.note(format_args!("{:?}", world.numbers()));
        world.end();
        Sabotage::stop();
        recorder.check(VIOLATIONS.load(Ordering::Relaxed) == violations, || {
            "a rule about jobs was broken".to_owned()
        });
        recorder
            .check(recorder.under_way() == 0, || format!("{} operations never ended", recorder.under_way()));
        sweep();
        let (hash, broken, printed) = (recorder.hash(), recorder.verdict(), recorder.printed());
        Outcome { hash, broken, part: self.actions.current(), printed }
    }
}

/// Makes the thread forget its last engine and device, which it keeps until it uses another engine: the
/// smallest possible.
fn sweep() {
    if let Ok(config) = Config::parse("queue_pairs=1;depth=2")
        && let Ok(engine) = Engine::stepped(config)
    {
        // The cheapest use of it.
        let _ = engine.poll(0, |_| ());
    }
    simaccel::free_spares();
}

impl Left {
    fn now() -> Self {
        Self { bytes: memory::in_use(), fds: fds::open(), leaked_jobs: job::leaks().total }
    }

    /// Less memory is none that was left.
    fn exceeds(&self, before: &Self) -> bool {
        let Self { bytes, fds, leaked_jobs } = *self;
        bytes > before.bytes || (fds, leaked_jobs) != (before.fds, before.leaked_jobs)
    }
}

/// The deliberate fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sabotage {
    LostCompletion,
    DoubleCompletion,
    StaleWake,
    LeakedBuffer,
    WrongByte,
    LeakedFd,
    LostWaker,
}

impl Sabotage {
    pub(crate) const ALL: [Self; 7] = [
        Self::LostCompletion,
        Self::DoubleCompletion,
        Self::StaleWake,
        Self::LeakedBuffer,
        Self::WrongByte,
        Self::LeakedFd,
        Self::LostWaker,
    ];

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::LostCompletion => "lost-completion",
            Self::DoubleCompletion => "double-completion",
            Self::StaleWake => "stale-wake",
            Self::LeakedBuffer => "leaked-buffer",
            Self::WrongByte => "wrong-byte",
            Self::LeakedFd => "leaked-fd",
            Self::LostWaker => "lost-waker",
        }
    }

    fn apply(self, engine: &Engine) {
        use simaccel::simaccel_device::Sabotage as OfDevice;
        use simaccel::{Sabotage as OfEngine, sabotage};
        match self {
            Self::LostCompletion => engine.device().sabotage(OfDevice::LostCompletion),
            Self::DoubleCompletion => engine.device().sabotage(OfDevice::DoubleCompletion),
            Self::WrongByte => engine.device().sabotage(OfDevice::WrongByte),
            Self::StaleWake => sabotage(Some(OfEngine::StaleWake)),
            Self::LeakedBuffer => sabotage(Some(OfEngine::LeakedBuffer)),
            Self::LeakedFd => sabotage(Some(OfEngine::LeakedFd)),
            Self::LostWaker => sabotage(Some(OfEngine::LostWaker)),
        }
    }

    fn stop() {
        simaccel::sabotage(None);
    }
}
