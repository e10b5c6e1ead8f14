//! A device's life: opened with its workers (or without, stepped by its user), controlled, and closed.

use std::cell::Cell;
use std::sync::Arc;
use std::task::Waker;
use std::thread::{self, JoinHandle};
use std::time::Duration;
use std::{io, mem};

use crate::config::{Change, ChangeError, Config, ConfigError};
use crate::kernels::session::Session;
use crate::message::operation::Operation;
use crate::message::session_id::SessionId;
use crate::model::fault::Fault;
use crate::model::installed::Installed;
use crate::model::sabotage::Sabotage;
use crate::process::cancel::uncancelled;
use crate::process::fork;
use crate::queue::cell::Slab;
use crate::queue::doorbell::Doorbell;
use crate::queue::hooks::Hooks;
use crate::queue::pair::Pair;
use crate::queue::port::{Coalescing, Port};
use crate::queue::queue_pair::QueuePair;
use crate::queue::ring::{noted_ring, ring};
use crate::run::admin::{Ack, Admin, Command, Done};
use crate::run::alarm::{self, Alarm};
use crate::run::clock::Clock;
use crate::run::driver::Driver;
use crate::run::hand_over::{Helper, hand_over};
use crate::run::hooks::{PairHooks, Plan};
use crate::run::stepped::{Apart, Stepped};
use crate::run::worker::Worker;
use crate::stats::services::Service;
use crate::stats::timing::Timings;
use crate::stats::{DeviceStats, ModelCounters};
use crate::sync::barrier;
use crate::sync::{Mutex, Ordering, lock};
use crate::trace;

thread_local! {
    /// The number of the device that this thread is a worker of; 0 for no worker. (The thread's handle would
    /// tell, too. But std creates one for a thread that it has not started, and never frees the main
    /// thread's.)
    static SERVES: Cell<usize> = const { Cell::new(0) };
}

/// Why a device could not be opened.
#[non_exhaustive]
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The configuration is out of range.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// No thread for a worker.
    #[error("no thread for a worker of the device: {0}")]
    Thread(#[source] io::Error),
}

/// A simulated crypto accelerator.
///
/// Dropping it closes it: everything in flight or parked ends with [`Status::Closed`](crate::Status::Closed),
/// later submissions are refused, and the workers have ended when the drop returns. The drop waits for
/// running wakers, unless one of them drops the device: then the workers end by themselves. Queue pairs, and
/// results in them, outlive it. In a forked child, dropping it does nothing.
#[derive(Debug)]
pub struct Device {
    config: Config,
    /// The one in force, if it was changed since.
    current: Mutex<Config>,
    clock: Clock,
    fork: u64,
    pairs: Vec<Arc<Pair>>,
    /// By queue pair.
    hooks: Vec<Option<Arc<PairHooks>>>,
    /// What they share.
    plan: Plan,
    ends: Mutex<Vec<QueuePair>>,
    doorbells: Vec<Arc<Doorbell>>,
    admin: Arc<Admin>,
    sessions: Mutex<SessionIds>,
    counters: Arc<ModelCounters>,
    stepped: Option<Stepped>,
    /// The user's alarm.
    alarm: Alarm,
    threads: Vec<JoinHandle<()>>,
}

impl Device {
    /// A device with worker threads and the real clock.
    ///
    /// # Errors
    ///
    /// [`OpenError`]: a configuration out of range, or no thread available.
    pub fn open(config: &Config) -> Result<Self, OpenError> {
        let (mut device, mut drivers) = Self::build(config, drivers(config), Clock::real())?;
        let helpers = device.employ(&mut drivers);
        for (number, driver) in drivers.into_iter().enumerate() {
            let doorbell = Arc::clone(&device.doorbells[number]);
            let worker =
                Worker::new(driver, device.pairs.clone(), doorbell, device.clock.clone(), &device.config);
            device.spawn(number, move || worker.run())?;
        }
        for helper in helpers {
            device.spawn(helper.number, move || helper.run())?;
        }
        Ok(device)
    }

    /// The other workers of a modelled device, which compute for the first one.
    fn employ(&self, drivers: &mut [Driver]) -> Vec<Helper> {
        let (Some(first), true) = (drivers.first_mut(), self.config.is_modelled()) else { return Vec::new() };
        let others = self.config.workers - 1;
        if others == 0 {
            return Vec::new();
        }
        let (end, helpers) = hand_over(others, &self.pairs, &self.doorbells[0], &self.clock, &self.counters);
        first.employ(end);
        helpers
    }

    /// Starts worker `worker`.
    fn spawn(&mut self, worker: usize, run: impl FnOnce() + Send + 'static) -> Result<(), OpenError> {
        let builder = thread::Builder::new().name(format!("device-sim-{worker}"));
        let number = self.number();
        let serve = move || {
            SERVES.set(number);
            run();
            SERVES.set(0);
        };
        self.threads.push(builder.spawn(serve).map_err(OpenError::Thread)?);
        Ok(())
    }

    /// A device without threads, whose virtual clock the caller moves: [`Device::step`], [`Device::advance`],
    /// [`Device::run_until_idle`].
    ///
    /// # Errors
    ///
    /// [`OpenError::Config`]: a configuration out of range.
    pub fn stepped(config: &Config) -> Result<Self, OpenError> {
        Self::stepped_apart(config, Box::new(|event| event()))
    }

    /// [`Device::stepped`] for callers on small stacks, such as coroutines: `apart` runs each event, with the
    /// wakers and functions that it calls.
    ///
    /// # Errors
    ///
    /// As for [`Device::stepped`].
    pub fn stepped_apart(config: &Config, apart: Apart) -> Result<Self, OpenError> {
        let (mut device, mut drivers) = Self::build(config, 1, Clock::stepped())?;
        let (pairs, clock) = (device.pairs.clone(), device.clock.clone());
        device.stepped = drivers.pop().map(|driver| Stepped::new(driver, pairs, clock, apart));
        device.alarm = device.alarm();
        Ok(device)
    }

    fn build(config: &Config, drivers: usize, clock: Clock) -> Result<(Self, Vec<Driver>), OpenError> {
        config.check()?;
        barrier::ask();
        let doorbells: Vec<_> = (0..drivers).map(|_| Arc::new(Doorbell::default())).collect();
        let units = if config.is_modelled() { config.compute_units } else { 0 };
        let workers = match clock {
            _ if units == 0 => 0,
            Clock::Virtual(_) => 1,
            Clock::Real(_) => config.workers,
        };
        let counters = Arc::new(ModelCounters::new(units, workers, &config.operations));
        let plan = Plan::new(config, &clock, &counters);
        let hooks: Vec<_> = (0..config.queue_pairs).map(|_| plan.hooks()).collect();
        let pair = |(index, hooks)| queue_pair(config, index, &doorbells, Option::clone(hooks));
        let (ends, ports): (Vec<_>, Vec<_>) = hooks.iter().enumerate().map(pair).unzip();
        let pairs = ports.iter().map(|port: &Port| Arc::clone(&port.pair)).collect();
        let (admin, receivers) = Admin::new(&doorbells);
        let admin = Arc::new(admin);
        let mut shares: Vec<Vec<Port>> = doorbells.iter().map(|_| Vec::new()).collect();
        for port in ports {
            shares[port.pair.index() % doorbells.len()].push(port);
        }
        let drivers = shares
            .into_iter()
            .zip(receivers)
            .enumerate()
            .map(|(number, (share, commands))| {
                Driver::new(config, share, number, commands, Arc::clone(&admin), &clock, &counters)
            })
            .collect();
        let device = Self {
            config: config.clone(),
            current: Mutex::new(config.clone()),
            clock,
            fork: fork::generation(),
            pairs,
            hooks,
            plan,
            ends: Mutex::new(ends),
            doorbells,
            admin,
            sessions: Mutex::default(),
            counters,
            stepped: None,
            alarm: alarm::never(),
            threads: Vec::new(),
        };
        Ok((device, drivers))
    }

    /// The configuration it was opened with.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// The configuration in force: the one that it was opened with, and what was changed since. In a forked
    /// child: the one that it was opened with.
    pub fn current_config(&self) -> Config {
        if self.forked() { self.config.clone() } else { lock(&self.current).clone() }
    }

    /// Replaces the fault plan of a modelled device. No rule of the plan before strikes any more; those of
    /// this one count from 0 and draw from the beginning of their streams, also where a rule has stayed the
    /// same. Requests that the device has met keep their faults.
    ///
    /// When this returns the device works by it; called by a waker on a worker, or by a call's function, it
    /// does not wait. On a stepped device it happens now, between two events.
    ///
    /// # Errors
    ///
    /// [`ChangeError`], and nothing has changed: the device is ideal, the process a forked child, or a rule
    /// does not fit the configuration.
    pub fn set_faults(&self, faults: &[Fault]) -> Result<(), ChangeError> {
        self.change(|config| config.with_faults(faults), || ())
    }

    /// Changes a modelled device: `key=value;key=value`, with the grammar of a configuration and those of its
    /// keys that [can be changed](Config::changeable). Keys that are not given keep their values. Rules
    /// (`fault`) take the place of all rules before, as by [`Device::set_faults`], and entries of `service`
    /// that of all entries; `fault=none` and `service=none` remove them.
    ///
    /// Requests that are scheduled keep their times; what waits in a station is served by the new numbers.
    /// Where a key of the service times changes, their random streams, traces and warm-up start again; where
    /// one of a limit does, its bucket is full. When this returns the device works by it, as with
    /// [`Device::set_faults`].
    ///
    /// # Errors
    ///
    /// [`ChangeError`], and nothing has changed.
    ///
    /// ```
    /// use simaccel_device::{Config, Device};
    ///
    /// let device = Device::stepped(&Config::parse("completion_nsec=20000")?)?;
    /// device.reconfigure("completion_nsec=500000; fault=fail:probability=0.01")?;
    /// device.reconfigure("completion_nsec=20000; fault=none")?;
    /// let refused = device.reconfigure("depth=128").unwrap_err().to_string();
    /// assert!(refused.starts_with("depth is decided when a device is opened"), "{refused}");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn reconfigure(&self, text: &str) -> Result<(), ChangeError> {
        self.reconfigure_with(text, || ())
    }

    /// [`Device::reconfigure`]; `with` is called when the change is in order, and changes of several threads
    /// come one after the other. It must not change this device.
    ///
    /// # Errors
    ///
    /// As [`Device::reconfigure`]; `with` is not called then.
    #[doc(hidden)]
    pub fn reconfigure_with(&self, text: &str, with: impl FnOnce()) -> Result<(), ChangeError> {
        self.change(|config| config.change(text), with)
    }

    fn change(
        &self,
        change: impl FnOnce(&Config) -> Result<Change, ChangeError>,
        with: impl FnOnce(),
    ) -> Result<(), ChangeError> {
        if self.forked() {
            return Err(ChangeError::Forked);
        }
        if !self.config.is_modelled() {
            return Err(ChangeError::Ideal);
        }
        // The lock puts changes of several threads in one order. It is not held while one waits: a waker on
        // the worker may ask for a change, too.
        let mut current = lock(&self.current);
        let change = Arc::new(change(&current)?);
        current.clone_from(&change.config);
        with();
        self.plan.change(&change);
        let done = self.admin.ask_all(|ack| Command::Change(Arc::clone(&change), ack));
        drop(current);
        self.wait_for(&done);
        Ok(())
    }

    /// Whether the caller moves its clock.
    pub fn is_stepped(&self) -> bool {
        self.stepped.is_some()
    }

    /// The submitting ends of all queue pairs, in order; only the first call gets them.
    pub fn take_queue_pairs(&self) -> Vec<QueuePair> {
        if self.forked() { Vec::new() } else { mem::take(&mut *lock(&self.ends)) }
    }

    /// Registers a session with the device, for every request that is submitted after this returns. In a
    /// forked child: [`SessionId::NONE`].
    pub fn create_session(&self, session: impl Into<Arc<Session>>) -> SessionId {
        self.install(&Installed::Session(session.into()))
    }

    /// A session whose use panics in the device.
    #[doc(hidden)]
    pub fn create_panicking_session(&self) -> SessionId {
        self.install(&Installed::Panics)
    }

    /// From here on, what its compute units serve is kept for [`Device::take_services`]: up to this many
    /// services, until they are taken. A device that models no time has no units.
    #[doc(hidden)]
    pub fn log_services(&self, most: usize) {
        if !self.forked() {
            self.counters.services.keep(most);
        }
    }

    /// What was kept since the last call, in the order in which the units began it, and how many services
    /// were not kept for lack of room.
    #[doc(hidden)]
    pub fn take_services(&self) -> (Vec<Service>, u64) {
        if self.forked() { (Vec::new(), 0) } else { self.counters.services.take() }
    }

    /// Makes a modelled device wrong from here on, for tests of checks that must detect it.
    #[doc(hidden)]
    pub fn sabotage(&self, sabotage: Sabotage) {
        if !self.forked() {
            self.admin.send_all(|| Command::Sabotage(sabotage));
        }
    }

    fn install(&self, installed: &Installed) -> SessionId {
        if self.forked() {
            return SessionId::NONE;
        }
        let mut sessions = lock(&self.sessions);
        let id = sessions.create();
        self.admin.send_all(|| Command::Install(id, installed.clone()));
        id
    }

    /// Removes a session, soon: requests that name it and are not executed by then end with
    /// [`Status::InvalidSession`](crate::Status::InvalidSession). Its keys are wiped when the last worker has
    /// removed it. Stale ids are ignored.
    pub fn remove_session(&self, id: SessionId) {
        if self.forked() {
            return;
        }
        let mut sessions = lock(&self.sessions);
        if sessions.remove(id) {
            self.admin.send_all(|| Command::Remove(id));
        }
    }

    /// Ends everything in flight with [`Status::Reset`](crate::Status::Reset), and brings a dead device back
    /// to work. Sessions stay, and so do parked requests, which are not in flight. When this returns all
    /// wakes have been sent; called by a waker on a worker, or by a call's function, it does not wait.
    pub fn reset(&self) {
        if self.forked() {
            return;
        }
        self.counters.resets.fetch_add(1, Ordering::Relaxed);
        trace::reset();
        self.ask(Command::Reset);
    }

    /// Waits until nothing is in flight and no parked request can be sent. While other threads submit, that
    /// may never happen. (Parked requests stay parked behind completions that are not reaped.) A
    /// stepped device runs until it is idle. Called by a waker on a worker, or by a call's function, it does
    /// not wait.
    pub fn drain(&self) {
        if self.stepped.is_some() {
            self.run_until_idle();
        } else if !self.forked() {
            self.ask(Command::Drain);
        }
    }

    fn ask(&self, command: impl Fn(Ack) -> Command) {
        self.wait_for(&self.admin.ask_all(command));
    }

    fn wait_for(&self, done: &Done) {
        match &self.stepped {
            Some(stepped) => stepped.run_commands(),
            None if !self.is_worker() => done.wait(),
            None => {}
        }
    }

    /// Runs one event of a stepped device: a batch of submissions, of all queue pairs in turn. Without
    /// submissions the clock advances to the next due request, which ends, or to the next alarm if that comes
    /// earlier, which goes off, or to the time at which a parked request has its tokens (`limit=busy`).
    /// Requests that go on from station to station on the way there are no event of their own, unless nothing
    /// else is left. `false`: nothing to do, or not a stepped device.
    pub fn step(&self) -> bool {
        self.steps().is_some_and(Stepped::step)
    }

    /// Moves the clock of a stepped device, with everything that happens on the way; does nothing on any
    /// other. The clock goes to 2^64 − 1 ns (584 years) and no further: there, whatever has a time is due at
    /// once.
    pub fn advance(&self, duration: Duration) {
        if let Some(stepped) = self.steps() {
            stepped.advance(duration);
        }
    }

    /// A separate alarm, which is not set. On a device with a real clock, and in a forked child, it never
    /// goes off.
    pub fn alarm(&self) -> Alarm {
        self.steps().map_or_else(alarm::never, Stepped::alarm)
    }

    /// [`Alarm::set`] of the one alarm that the device keeps for its user; `None` clears it. Users that share
    /// the device take a [separate alarm](Device::alarm) each.
    pub fn set_alarm(&self, at: Option<Duration>, waker: Waker) {
        match at {
            Some(at) => self.alarm.set(at, waker),
            None => drop(self.alarm.clear()),
        }
    }

    /// Steps until nothing is left to do, alarms included; returns the number of events.
    pub fn run_until_idle(&self) -> usize {
        std::iter::from_fn(|| self.step().then_some(())).count()
    }

    /// The device's clock, since it was opened: virtual or real.
    pub fn now(&self) -> Duration {
        Duration::from_nanos(self.clock.now())
    }

    /// All counters; zeros in a forked child. Reads every cell: not for hot loops.
    pub fn stats(&self) -> DeviceStats {
        if self.forked() {
            return DeviceStats::default();
        }
        let queue_pairs: Vec<_> = self.pairs.iter().map(|pair| pair.stats()).collect();
        let mut stats = DeviceStats {
            total: queue_pairs.iter().copied().sum(),
            queue_pairs,
            worker_sleeps: self.doorbells.iter().map(|doorbell| doorbell.sleeps()).sum(),
            deaths: self.admin.deaths(),
            open_nsec: self.clock.now(),
            ..DeviceStats::default()
        };
        self.counters.read_into(&mut stats);
        self.timings_into(&mut stats);
        stats
    }

    fn timings_into(&self, stats: &mut DeviceStats) {
        for hooks in &self.hooks {
            let mut of_pair = Timings::default();
            if let Some(hooks) = hooks {
                for operation in Operation::ALL {
                    let timings = hooks.timer.read(operation);
                    of_pair.add(&timings);
                    stats.timings_by_operation[operation.number()].add(&timings);
                }
            }
            stats.timings.add(&of_pair);
            stats.timings_by_pair.push(of_pair);
        }
    }

    fn steps(&self) -> Option<&Stepped> {
        self.stepped.as_ref().filter(|_| !self.forked())
    }

    fn forked(&self) -> bool {
        fork::since(self.fork)
    }

    /// Whether the calling thread works for the device at this moment: it is one of the workers, or in the
    /// middle of an event of a stepped device, as the function of a [`Call`](crate::Call) is. There, waiting
    /// for the device never ends, and stepping it does nothing.
    pub fn is_inside(&self) -> bool {
        self.stepped.as_ref().map_or_else(|| self.is_worker(), Stepped::is_inside)
    }

    /// Whether the calling thread is one of its workers, as in a waker or a callback.
    pub fn is_worker(&self) -> bool {
        SERVES.get() == self.number() && self.stepped.is_none()
    }

    /// A number that no other device with running workers has.
    fn number(&self) -> usize {
        Arc::as_ptr(&self.admin).addr()
    }
}

impl Drop for Device {
    fn drop(&mut self) {
        let threads = mem::take(&mut self.threads);
        if self.forked() {
            // The threads are the parent's, and their state may be locked: leave both as they are.
            mem::forget((threads, self.stepped.take()));
            return;
        }
        self.admin.send_all(|| Command::Stop);
        if let Some(stepped) = &self.stepped {
            stepped.run_commands();
        }
        if !self.is_worker() {
            // A worker catches its own panics: it ends in order.
            uncancelled(|| threads.into_iter().for_each(|worker| drop(worker.join())));
        }
    }
}

/// Workers with their own core. A modelled device is one core, which schedules for all queue pairs.
fn drivers(config: &Config) -> usize {
    if config.is_modelled() { 1 } else { config.workers.min(config.queue_pairs) }
}

/// The initial number of cells of a queue pair, if its depth is not less: more are created when needed.
const CELLS_AT_ONCE: usize = 1024;

/// Both ends of a queue pair, served by one of the workers.
fn queue_pair(
    config: &Config,
    index: usize,
    doorbells: &[Arc<Doorbell>],
    hooks: Option<Arc<PairHooks>>,
) -> (QueuePair, Port) {
    let (slab, cells) = Slab::new(config.depth.min(CELLS_AT_ONCE));
    let (submit, submitted) = if hooks.is_some() { noted_ring(config.depth) } else { ring(config.depth) };
    // A fault may complete requests twice; it need not be in the plan yet.
    let (complete, completed) = ring(if config.is_modelled() { 2 * config.depth } else { config.depth });
    let doorbell = Arc::clone(&doorbells[index % doorbells.len()]);
    let hooks = hooks.map(|hooks| hooks as Arc<dyn Hooks>);
    let pair = Arc::new(Pair::new(index, config.depth, slab, doorbell, complete.view(), hooks));
    let end = QueuePair::new(Arc::clone(&pair), cells, submit, completed);
    let coalescing = Coalescing { thresh: config.intc_thresh.into(), nsec: config.intc_nsec };
    (end, Port::new(coalescing, pair, submitted, complete))
}

/// Both ends of the one queue pair of a device that is never more than that, and the way to stop it.
#[cfg(all(test, loom))]
pub(crate) fn one_pair(depth: usize, completion_nsec: u64) -> (QueuePair, Driver, impl FnOnce()) {
    let config = Config { queue_pairs: 1, depth, completion_nsec, ..Config::default() };
    let doorbells = [Arc::new(Doorbell::default())];
    let counters = Arc::new(ModelCounters::new(config.compute_units, 1, &[]));
    let (end, port) = queue_pair(&config, 0, &doorbells, None);
    let (admin, mut receivers) = Admin::new(&doorbells);
    let admin = Arc::new(admin);
    let commands = receivers.pop().expect("there is one doorbell");
    let driver = Driver::new(&config, vec![port], 0, commands, Arc::clone(&admin), &Clock::real(), &counters);
    (end, driver, move || admin.send_all(|| Command::Stop))
}

/// Allocates session ids.
#[derive(Debug, Default)]
struct SessionIds {
    /// Which id is in use at each index.
    in_use: Vec<Option<SessionId>>,
    free: Vec<u32>,
}

impl SessionIds {
    fn create(&mut self) -> SessionId {
        let index = self.free.pop().unwrap_or_else(|| {
            let index = u32::try_from(self.in_use.len()).ok().filter(|index| *index < SessionId::MOST);
            self.in_use.push(None);
            index.expect("a device has fewer than 2^26 sessions at a time")
        });
        let id = SessionId::new(index);
        self.in_use[index as usize] = Some(id);
        id
    }

    /// `false`: the id is stale.
    fn remove(&mut self, id: SessionId) -> bool {
        let in_use = self
            .in_use
            .get_mut(id.index() as usize)
            .and_then(|in_use| in_use.take_if(|in_use| *in_use == id));
        self.free.extend(in_use.map(SessionId::index));
        in_use.is_some()
    }
}

#[cfg(all(test, not(loom)))]
mod tests;
