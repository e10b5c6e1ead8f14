//! The engine: sessions in front, a device behind, and callers that wait in between.
//!
//! ```text
//!    CipherSession  AeadSession  HashSession  MacSession      session, stream: what a caller holds
//!                 \       |        |       /                   (started: an operation that is kept and polled)
//!                  offload: submit → parked → in flight → over      one state machine, all policy;
//!                      and a straight way (plain) past it            for requests that no policy concerns
//!                  /          |               \
//!        wait: the seam    instance: one      software: fallback,
//!        (job, foreign,    queue pair in use, small requests
//!        blocked, waker)   found in table
//!            |                |
//!         wake_fd, poller     device          watchdog: what does not end in time
//! ```

use std::cell::Cell;
use std::fmt;
use std::rc::Rc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::thread;
use std::time::Duration;

use simaccel_device::{Apart, Device, Occasion, OpenError, Remote, Request};

use self::fault::{FaultKind, FaultPlan, FaultRule};
use self::instance::Instance;
use self::lease::Pairs;
use self::offload::Route;
use self::poller::{Poller, Pollers};
use self::stats::Registry;
use self::wait::foreign::{ForeignJobs, Framework};
use self::wait::job::{self, ThreadStats, WaitFd};
use self::watchdog::Watchdog;
use crate::error::Error;
use crate::process::fork;

mod aloft;
mod any_session;
mod awaited;
mod call;
mod catching;
mod config;
mod export;
mod fault;
mod function;
mod group;
mod handles;
mod instance;
#[cfg(feature = "private-keys")]
mod keys;
mod lease;
mod marking;
mod offload;
mod orphan;
mod places;
mod poller;
mod random;
mod reaping;
mod sabotage;
mod session;
mod sessions;
mod software;
mod spare;
mod spare_kept;
mod started;
mod stats;
mod stream;
mod table;
mod thread_waker;
mod trace;
mod wait;
mod wake_fd;
mod watch;
mod watchdog;

/// What the futures of the crate are made of.
pub(crate) mod future {
    pub(crate) use super::Inner;
    pub(crate) use super::awaited::{Awaited, Back, Landed};
    pub(crate) use super::call::{OfCall, call_request, take_back_left};
    pub(crate) use super::marking::mark;
    pub(crate) use super::reaping::Reaping;
    pub(crate) use super::session::{SessionCore, expected_mac, make_room, set_iv};
    pub(crate) use super::software::{EXPANSION, HeldSession};
    pub(crate) use super::spare::Spare;
    pub(crate) use super::started::{Ended, Kept, explained};
    pub(crate) use super::stream::{MORE, Stream};
}

/// What RustCrypto's traits are implemented with.
#[cfg(feature = "rustcrypto")]
pub(crate) mod traits {
    pub(crate) use super::session::steady::{Between, Steady, stood_in};
}

pub use any_session::AnySession;
pub use config::{Config, ConfigBuilder, DeliveryMode};
pub use fault::Faults;
pub use sabotage::{Sabotage, sabotage};

/// Frees the memory that this thread keeps for futures, so that it can be counted what they leave.
#[doc(hidden)]
pub fn free_spares() {
    spare::free();
    spare_kept::free();
}
pub use session::{AeadSession, CipherSession, HashSession, KeySession, MacSession, OtherSession};
pub use started::{Message, Started, StartedKey};
pub use stats::EngineStats;
pub use stream::{AeadOpener, AeadSealer, CipherStream, HashStream, MacStream};
pub(crate) use wait::foreign;

/// Ids are never reused, so a thread's table cannot take a new engine for an old one.
static NEXT_ID: AtomicU64 = AtomicU64::new(1);

/// The state that all handles of one engine share.
#[derive(Debug)]
pub(crate) struct Inner {
    id: u64,
    born: u64,
    config: Config,
    /// What every operation needs of the configuration, and of the fault plan.
    keeps_input: bool,
    /// Bytes of the longest input in place that the device restores when it fails a request late.
    restorable: usize,
    may_repeat: bool,
    polled: bool,
    /// How plain requests go: see `offload::plain`.
    route: Route,
    /// Whose jobs an operation pauses, in place of ours.
    foreign: Option<ForeignJobs>,
    faults: FaultPlan,
    registry: Registry,
    pollers: Arc<Pollers>,
    /// Its address is the key of this engine's wake fds; every registration keeps it alive.
    identity: Arc<Identity>,
    pairs: Pairs,
    /// By pair index.
    remotes: Vec<Remote>,
    /// What functions of calls have given up.
    left: call::Left,
    /// How long a request may take; `None`: without a limit.
    limit: Option<Duration>,
    /// Begins when a request has a limit.
    watchdog: OnceLock<Watchdog>,
    /// The watchdog's thread has it too, if it is the one that drops the engine.
    device: Arc<Device>,
}

impl Drop for Inner {
    fn drop(&mut self) {
        if !self.is_inherited() {
            trace::closed(self.id);
        }
        table::forget(self);
    }
}

/// An object with its own address.
#[derive(Debug)]
struct Identity(#[expect(dead_code, reason = "gives the identity a size, and so an address of its own")] u8);

impl Inner {
    #[inline]
    fn wait_key(&self) -> usize {
        Arc::as_ptr(&self.identity).addr()
    }

    /// Whether the fault plan makes a thing fail that concerns this request, or none.
    fn fails(&self, kind: FaultKind, request: Option<&Request>) -> bool {
        if !self.faults.has(kind) {
            return false;
        }
        let now = u64::try_from(self.device.now().as_nanos()).unwrap_or(u64::MAX);
        let of_nothing = Occasion { operation: None, call: None, size: 0, now };
        let hits = self.faults.hits(kind, &request.map_or(of_nothing, |request| Occasion::of(request, now)));
        if hits {
            trace::fault(self, kind.name());
        }
        hits
    }

    /// The watchdog, which begins at first use.
    #[cold]
    fn watchdog(&self) -> Result<&Watchdog, Error> {
        if let Some(watchdog) = self.watchdog.get() {
            return Ok(watchdog);
        }
        // Of two threads that are here at once, one drops its own again.
        let watchdog = Watchdog::start(&self.device, &self.remotes, &self.pollers)?;
        Ok(self.watchdog.get_or_init(|| watchdog))
    }

    /// Replaces the rules of the engine's side.
    fn set_own_faults(&self, rules: &[FaultRule]) {
        self.faults.set(rules);
        self.route.set(&self.config, rules.is_empty(), self.foreign.is_some());
    }

    /// Runs deep work outside of the job that runs here, whose stack is small.
    fn outside<R>(&self, work: impl FnOnce() -> R) -> R {
        match &self.foreign {
            Some(jobs) => jobs.outside(work),
            None => job::outside(work),
        }
    }

    pub(crate) fn is_stepped(&self) -> bool {
        self.device.is_stepped()
    }

    /// Whether this process inherited the engine across a fork.
    #[inline]
    fn is_inherited(&self) -> bool {
        fork::since(self.born)
    }
}

/// An open accelerator: creates sessions, returns polled completions, counts.
///
/// Cheap to clone; the device closes with the last handle, session or stream. Any thread may use it. Threads
/// get their own queue pairs while there are any (all but the last); further threads share the last one.
///
/// After a `fork` the child's operations fail with [`Error::Forked`]; a child opens its own engine.
#[derive(Clone)]
pub struct Engine {
    inner: Arc<Inner>,
}

impl Engine {
    /// Opens the built-in device, driven by its own worker threads on the real clock.
    ///
    /// # Errors
    /// [`Error::Thread`] when a worker, or the watchdog's thread, cannot be started.
    pub fn open(config: Config) -> Result<Self, Error> {
        // Deep, in an unoptimised build deeper than a job's stack.
        let device = job::outside(|| Device::open(config.device()))?;
        Self::with_device(device, config, None)
    }

    /// Opens the built-in device without threads, on a virtual clock that its callers drive: by
    /// [`Device::step`], [`Device::advance`] and [`Device::run_until_idle`] on [`Engine::device`], and by
    /// every blocking operation. A blocking operation that has not ended when nothing is left to happen
    /// returns [`Error::NeverEnds`] at once. It does not wait for what another thread might still do (reset
    /// the device, drop a job that holds a slot).
    ///
    /// # Errors
    /// As [`Engine::open`].
    pub fn stepped(config: Config) -> Result<Self, Error> {
        Self::with_device(stepped_device(&config, None)?, config, None)
    }

    /// An engine whose operations pause the jobs of this framework.
    pub(crate) fn for_framework(
        config: Config,
        framework: Arc<dyn Framework>,
        stepped: bool,
    ) -> Result<Self, Error> {
        let foreign = Some(ForeignJobs(framework));
        let device =
            if stepped { stepped_device(&config, foreign.clone())? } else { Device::open(config.device())? };
        Self::with_device(device, config, foreign)
    }

    fn with_device(device: Device, config: Config, foreign: Option<ForeignJobs>) -> Result<Self, Error> {
        let pairs = device.take_queue_pairs();
        let remotes: Vec<_> = pairs.iter().map(|pair| pair.remote().clone()).collect();
        let pairs = Pairs::new(pairs).ok_or(Error::Closed)?;
        if let Some(strict) = config.strict() {
            job::set_strict(strict);
        }
        let (device, pollers) = (Arc::new(device), Arc::new(Pollers::default()));
        let limit = config.timeout();
        let inner = Inner {
            id: NEXT_ID.fetch_add(1, Ordering::Relaxed),
            born: fork::generation(),
            keeps_input: config.keeps_input(),
            restorable: config.device().restorable(),
            may_repeat: config.may_repeat(),
            polled: config.delivery() == DeliveryMode::Poll,
            route: Route::new(&config, true, foreign.is_some()),
            foreign,
            faults: FaultPlan::new(config.faults(), config.device().seed()),
            config,
            registry: Registry::default(),
            pollers,
            identity: Arc::new(Identity(0)),
            pairs,
            remotes,
            left: call::Left::default(),
            limit,
            watchdog: OnceLock::new(),
            device,
        };
        if limit.is_some() {
            inner.watchdog()?;
        }
        trace::opened(inner.id, &inner.config, inner.device.is_stepped());
        Ok(Self { inner: Arc::new(inner) })
    }

    pub(crate) const fn inner(&self) -> &Arc<Inner> {
        &self.inner
    }

    /// Reaps completions for the calling thread and calls `f` with the token of each job that may go on, at
    /// most `max` times. Returns the number of calls.
    ///
    /// For engines with `delivery=poll`. A job's token is `Job::token`. A result below `max` means that there
    /// is nothing more now, and that [`Engine::interrupt_fd`] becomes readable when there is.
    ///
    /// `f` may resume jobs, start operations on this engine, and poll it. Requests that jobs submit in it
    /// reach the device in batches: after 32, when the thread blocks in the engine or calls
    /// [`Engine::device`], when a job is resumed in vain, and at the latest when this returns. So do no long
    /// work in `f`. After a panic of `f` the remaining tokens make the interrupt readable.
    ///
    /// # Errors
    /// [`Error::WakeFd`] when the thread's interrupt cannot be created, [`Error::Forked`] in a forked child,
    /// also when `f` has forked and returns there.
    pub fn poll(&self, max: usize, mut f: impl FnMut(u64)) -> Result<usize, Error> {
        let instance = self.polling()?;
        let poller = instance.poller(&self.inner)?;
        instance.disarm(poller);
        let unfinished = Unfinished::begin(&self.inner, &instance);
        loop {
            let handed_out = unfinished.hand_out(poller, max, &mut f);
            if handed_out == max {
                return Ok(handed_out);
            }
            if self.inner.is_inherited() {
                // `f` has forked: this process will not reap what has completed.
                return Err(Error::Forked);
            }
            instance.end_poll(poller, handed_out == 0);
            if instance.arm(poller) {
                return Ok(handed_out);
            }
            instance.disarm(poller);
        }
    }

    /// [`Engine::poll`] for a thread that will look again soon: a result below `max` says nothing about
    /// [`Engine::interrupt_fd`]. The device then writes no eventfd, and saves a system call that costs as
    /// much as 2 or 3 KiB of AES.
    ///
    /// Before the thread sleeps it calls [`Engine::poll`], and sleeps if that finds nothing either.
    ///
    /// # Errors
    /// As [`Engine::poll`].
    pub fn reap(&self, max: usize, mut f: impl FnMut(u64)) -> Result<usize, Error> {
        let instance = self.polling()?;
        let poller = instance.poller(&self.inner)?;
        instance.disarm(poller);
        let unfinished = Unfinished::begin(&self.inner, &instance);
        Ok(unfinished.hand_out(poller, max, &mut f))
    }

    /// What this thread polls with.
    fn polling(&self) -> Result<Rc<Instance>, Error> {
        if self.inner.is_inherited() {
            return Err(Error::Forked);
        }
        Ok(table::of_thread(&self.inner))
    }

    /// The fd that becomes readable when [`Engine::poll`] has something for the calling thread again: the
    /// same one at every call in a thread. The engine uses it as long as the thread and the engine live; the
    /// handle keeps it open.
    ///
    /// # Errors
    /// As [`Engine::poll`].
    pub fn interrupt_fd(&self) -> Result<WaitFd, Error> {
        if self.inner.is_inherited() {
            return Err(Error::Forked);
        }
        let instance = table::of_thread(&self.inner);
        instance.with_poller(&self.inner, |poller| Arc::clone(poller.interrupt()).into())
    }

    /// The device: step it, reset it, drain it. The device sees all that this thread has submitted, also
    /// inside a poll.
    pub fn device(&self) -> &Device {
        if let Some(instance) = table::existing(&self.inner) {
            instance.flush();
        }
        call::take_back_left(&self.inner);
        &self.inner.device
    }

    /// Replaces the fault plan, of the device and of the engine. No rule of the plan before strikes any more;
    /// those of this one count from 0, and draw from the beginning of their streams. Requests that the device
    /// has met keep their faults. [`Faults::none`] removes all.
    ///
    /// When this returns the device works by it; called on one of the device's own threads (by a callback, or
    /// by the function of a [call](Engine::call)), it does not wait. On a stepped device it happens now,
    /// between two events.
    ///
    /// # Errors
    /// [`Error::Change`] where the device is ideal: [`model=on`](crate::ModelMode) makes it one that can be
    /// changed. [`Error::Config`] for a rule that does not fit, [`Error::Forked`] in a forked child. Nothing
    /// has changed then.
    ///
    /// ```
    /// use simaccel::{Config, Engine, Faults, Hash, Selection};
    ///
    /// let engine = Engine::stepped(Config::parse("completion_nsec=20000")?)?;
    /// let session = engine.hash(Hash::Sha256)?;
    /// session.digest(b"well")?;
    /// engine.set_faults(Faults::parse("fault=fail")?)?;
    /// assert!(session.digest(b"not so").is_err());
    /// engine.set_faults(Faults::none().nomem(Selection::default().every(2)))?;
    /// session.digest(b"well again")?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn set_faults(&self, faults: impl Into<Faults>) -> Result<(), Error> {
        // As text: typed values are checked by the rules that hold for text.
        let text = faults.into().to_string();
        self.reconfigure(if text.is_empty() { "fault=none" } else { &text })
    }

    /// Changes the model of the device: `key=value;key=value`, with the keys of the device that
    /// [can be changed](simaccel_device::Config::changeable) while it runs. Keys that are not given keep
    /// their values. Rules (`fault`) take the place of all rules before, of both sides, as by
    /// [`Engine::set_faults`]; `fault=none` removes them.
    ///
    /// Requests that are scheduled keep their times. When this returns the device works by it, as with
    /// [`Engine::set_faults`]. [`Device::current_config`] tells what is in force.
    ///
    /// # Errors
    /// As [`Engine::set_faults`]; and [`Error::Change`] for a key that is decided when an engine is opened.
    pub fn reconfigure(&self, text: &str) -> Result<(), Error> {
        let (rules, device) = self.inner.config.change(text)?;
        let of_engine = || {
            if let Some(rules) = &rules {
                self.inner.set_own_faults(rules);
            }
        };
        self.inner.device.reconfigure_with(&device, of_engine)?;
        trace::changed(self.inner.id, text);
        Ok(())
    }

    /// The configuration that the engine was opened with.
    pub fn config(&self) -> &Config {
        &self.inner.config
    }

    /// A snapshot of all counters; zeros in a forked child, where threads that the child does not have may
    /// hold the locks. Reads every live request: not for hot loops. The jobs in it are those of the calling
    /// thread.
    pub fn stats(&self) -> EngineStats {
        if self.inner.is_inherited() {
            return EngineStats::default();
        }
        let mut others = EngineStats {
            timeouts: self.inner.watchdog.get().map_or(0, Watchdog::timeouts),
            jobs: job::thread_stats(),
            device: self.inner.device.stats(),
            ..EngineStats::default()
        };
        for kind in FaultKind::ALL {
            *others.of_fault_mut(kind) = self.inner.faults.injected(kind);
        }
        others.faults_injected = others.all_faults();
        self.inner.registry.snapshot(others)
    }
}

/// A device that is stepped outside of jobs, whose stacks are small.
fn stepped_device(config: &Config, foreign: Option<ForeignJobs>) -> Result<Device, OpenError> {
    let apart: Apart = match foreign {
        Some(jobs) => Box::new(move |event| jobs.outside(event)),
        None => Box::new(|event| job::outside(event)),
    };
    job::outside(|| Device::stepped_apart(config.device(), apart))
}

/// A poll that has not returned. When it ends, slots are freed, the device sees all submissions, and tokens
/// left by a panic are announced.
struct Unfinished<'a> {
    engine: &'a Inner,
    instance: &'a Instance,
    /// The setting before, if it was changed.
    held_back: Option<bool>,
    /// Tokens so far; counted at the end.
    handed_out: Cell<usize>,
}

impl<'a> Unfinished<'a> {
    #[inline]
    fn begin(engine: &'a Inner, instance: &'a Instance) -> Self {
        // Not where another thread may step the device at any moment. Not in a job either, because it may
        // pause in the poll: only polls that end in the reverse order of their beginnings restore the
        // setting.
        let may_hold_back = !engine.device.is_stepped() && !job::is_running();
        let held_back = may_hold_back.then(|| instance.hold_back(true));
        Self { engine, instance, held_back, handed_out: Cell::new(0) }
    }

    /// Calls `f` with tokens until there were `max`, or there are no more. Returns their number.
    #[inline]
    fn hand_out(&self, poller: &Poller, max: usize, f: &mut impl FnMut(u64)) -> usize {
        while self.handed_out.get() < max
            && let Some(token) = self.instance.next_token(self.engine, poller)
        {
            self.handed_out.set(self.handed_out.get() + 1);
            f(token);
        }
        self.handed_out.get()
    }
}

impl Drop for Unfinished<'_> {
    fn drop(&mut self) {
        if self.engine.is_inherited() {
            // In a forked child locks may have been inherited locked.
            return;
        }
        self.instance.counters.polled.add(self.handed_out.get() as u64);
        self.instance.release_reaped();
        if let Some(before) = self.held_back {
            self.instance.hold_back(before);
        }
        self.instance.flush();
        if thread::panicking() {
            self.instance.announce();
        }
    }
}

impl fmt::Debug for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Engine").field("config", &self.inner.config.to_string()).finish_non_exhaustive()
    }
}
