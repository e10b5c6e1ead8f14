//! What the scenes need of a job framework.

use std::sync::Arc;

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use simaccel::foreign::{Callback, OpenFd, WaitStatus};
use simaccel::{Cipher, CipherSession, Config, Engine, OpError};

pub(crate) const KEY: [u8; 32] = [0x42; 32];
pub(crate) const IV: [u8; 16] = [0x24; 16];

/// What a job of the scenes comes to.
pub(crate) type Output = Result<Vec<u8>, OpError>;

/// A job framework. Dropping a job that is paused discards it.
pub(crate) trait Framework: Sized + 'static {
    type Ctx: Ctx;
    type Job: Job;

    /// An engine on a stepped device, whose operations pause these jobs.
    fn stepped(config: Config) -> Engine;

    /// The same on a device with workers.
    fn open(config: Config) -> Engine;

    fn ctx() -> Self::Ctx;

    fn job(ctx: &Self::Ctx, body: impl FnOnce() -> Output + Send + 'static) -> Self::Job;

    /// Runs `body` so that the job that it runs in cannot pause.
    fn without_pauses(body: impl FnOnce() -> Output) -> Output;
}

pub(crate) trait Job {
    /// Runs the job until it pauses (`None`) or ends.
    fn resume(&mut self) -> Option<Output>;

    /// What polling hands out for it.
    fn number(&self) -> u64;
}

pub(crate) trait Ctx {
    fn fds(&self) -> Vec<OpenFd>;

    fn set_callback(&self, callback: Option<Callback>);

    fn status(&self) -> WaitStatus;
}

pub(crate) fn parse(config: &str) -> Config {
    Config::parse(config).unwrap()
}

/// A job that encrypts a message of its own.
pub(crate) fn encrypt<F: Framework>(engine: &Engine, ctx: &F::Ctx, index: usize) -> F::Job {
    let session = ctr(engine);
    F::job(ctx, move || session.encrypt(&IV, message(index)))
}

pub(crate) fn ctr(engine: &Engine) -> CipherSession {
    engine.cipher(Cipher::Aes256Ctr, &KEY).unwrap()
}

/// A message that no other index has.
pub(crate) fn message(index: usize) -> Vec<u8> {
    let byte = |at: usize| (index.wrapping_mul(31) ^ at.wrapping_mul(7)).to_le_bytes()[0];
    (0..100 + index % 400).map(byte).collect()
}

/// What is expected of [`encrypt`], computed without the device.
pub(crate) fn sealed(index: usize) -> Vec<u8> {
    let software = Engine::stepped(parse("offload_threshold=4294967295")).unwrap();
    ctr(&software).encrypt(&IV, message(index)).unwrap()
}

#[track_caller]
pub(crate) fn pauses(job: &mut impl Job) {
    if let Some(output) = job.resume() {
        panic!("the job was to pause, and gave {output:?}");
    }
}

#[track_caller]
pub(crate) fn gives(job: &mut impl Job, index: usize) {
    assert_eq!(job.resume().expect("the job has ended").unwrap(), sealed(index));
}

/// How many of the context's fds are readable now.
pub(crate) fn readable(ctx: &impl Ctx) -> usize {
    look(ctx, PollTimeout::ZERO)
}

/// Waits until one is.
pub(crate) fn wait(ctx: &impl Ctx) {
    assert!(look(ctx, PollTimeout::NONE) > 0);
}

fn look(ctx: &impl Ctx, timeout: PollTimeout) -> usize {
    let fds = ctx.fds();
    let mut polled: Vec<_> = fds.iter().map(|fd| PollFd::new(fd.as_fd(), PollFlags::POLLIN)).collect();
    usize::try_from(poll(&mut polled, timeout).unwrap()).unwrap()
}

/// What must hold at a quiet moment.
#[track_caller]
pub(crate) fn adds_up(engine: &Engine) {
    let stats = engine.stats();
    assert_eq!(stats.device.total.in_flight, 0, "{stats:?}");
    assert_eq!(stats.imbalances(), Vec::<String>::new(), "{stats:?}");
}

/// A callback that counts its calls.
pub(crate) fn counting() -> (Callback, Arc<std::sync::atomic::AtomicUsize>) {
    let calls = Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let counter = Arc::clone(&calls);
    let callback = Arc::new(move || {
        counter.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
    });
    (callback, calls)
}
