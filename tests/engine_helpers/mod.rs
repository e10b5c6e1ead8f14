//! What the engine's tests share: small ways to drive jobs, and software results to compare with.

#![allow(dead_code, reason = "each test file uses its own share")]

#[path = "../alive/mod.rs"]
mod alive;

use std::cell::Cell;
use std::sync::Arc;
use std::sync::mpsc::channel;

use simaccel::{Cipher, CipherSession, Config, Engine, Job, OpError, Step, WaitCtx, wait_readable};

pub(crate) const KEY: [u8; 32] = [0x42; 32];
pub(crate) const IV: [u8; 16] = [0x24; 16];

pub(crate) fn open(config: &str) -> Engine {
    Engine::open(Config::parse(config).unwrap()).unwrap()
}

pub(crate) fn stepped(config: &str) -> Engine {
    Engine::stepped(Config::parse(config).unwrap()).unwrap()
}

pub(crate) fn ctr(engine: &Engine) -> CipherSession {
    engine.cipher(Cipher::Aes256Ctr, &KEY).unwrap()
}

/// A message that no other index has.
pub(crate) fn message(index: usize, len: usize) -> Vec<u8> {
    let byte = |at: usize| (index.wrapping_mul(31) ^ at.wrapping_mul(7) ^ (at >> 8)).to_le_bytes()[0];
    (0..len).map(byte).collect()
}

/// The CTR result for `message` under [`KEY`] and [`IV`], computed without the device.
pub(crate) fn expected_ctr(message: &[u8]) -> Vec<u8> {
    software("offload_threshold=4294967295", |engine| ctr(engine).encrypt(&IV, message.to_vec()).unwrap())
}

/// A job that encrypts a message.
pub(crate) type CipherJob = Job<Result<Vec<u8>, OpError>>;

/// Bytes of what [`encrypt_job`] encrypts.
pub(crate) const LEN: usize = 90;

/// A job that encrypts `message(index, LEN)`; its token is the index.
pub(crate) fn encrypt_job(engine: &Engine, ctx: &WaitCtx, index: usize) -> CipherJob {
    let session = ctr(engine);
    let mut job = Job::new(ctx, move || session.encrypt(&IV, message(index, LEN))).unwrap();
    job.set_token(index as u64);
    job
}

/// The same, which has submitted its request and is paused.
#[track_caller]
pub(crate) fn paused_job(engine: &Engine, ctx: &WaitCtx, index: usize) -> CipherJob {
    let mut job = encrypt_job(engine, ctx, index);
    assert!(matches!(job.resume().unwrap(), Step::Paused));
    job
}

/// What a job has finished with, when it does not pause again.
#[track_caller]
pub(crate) fn result<T>(job: &mut Job<T>) -> T {
    match job.resume().unwrap() {
        Step::Finished(result) => result,
        Step::Paused => panic!("the job pauses"),
    }
}

/// One operation in each way of waiting, with its result: in a job that sleeps on its fd, in a job with a
/// callback, in a job without a context, blocking. Their messages are those of 0 to 3.
pub(crate) fn each_way(engine: &Engine) -> Vec<Result<Vec<u8>, OpError>> {
    let ctx = WaitCtx::new();
    let mut results = vec![finish(&ctx, &mut encrypt_job(engine, &ctx, 0)).0];

    let (sender, receiver) = channel();
    let ctx = WaitCtx::new();
    ctx.set_callback(Some(Arc::new(move || sender.send(()).unwrap())));
    let mut job = paused_job(engine, &ctx, 1);
    results.push(loop {
        receiver.recv().unwrap();
        if let Step::Finished(result) = job.resume().unwrap() {
            break result;
        }
    });

    let ctx = WaitCtx::new();
    let mut job = paused_job(engine, &ctx, 2);
    drop(ctx);
    results.push(result(&mut job));
    results.push(ctr(engine).encrypt(&IV, message(3, LEN)));
    results
}

/// Runs `body` on an engine that sends nothing to its device.
pub(crate) fn software<R>(config: &str, body: impl FnOnce(&Engine) -> R) -> R {
    let engine = stepped(config);
    let result = body(&engine);
    assert_eq!(engine.stats().device.total.submitted, 0);
    result
}

/// Resumes `job` until it has finished, and waits on its fds in between. Returns the result and the number of
/// pauses.
pub(crate) fn finish<T>(ctx: &WaitCtx, job: &mut Job<T>) -> (T, usize) {
    let mut pauses = 0;
    loop {
        match job.resume().unwrap() {
            Step::Finished(result) => return (result, pauses),
            Step::Paused => {
                pauses += 1;
                assert!(wait_readable(&ctx.all_fds()).unwrap() > 0, "a paused job has an fd to wait on");
            }
        }
    }
}

/// Runs `body` inside a callback on this thread, which steps a stepped device.
pub(crate) fn inside_a_callback(body: impl FnOnce() + 'static) {
    thread_local!(static BODY: Cell<Option<Box<dyn FnOnce()>>> = const { Cell::new(None) });
    BODY.set(Some(Box::new(body)));
    let engine = stepped("");
    let ctx = WaitCtx::new();
    ctx.set_callback(Some(Arc::new(|| BODY.take().expect("called once")())));
    let session = ctr(&engine);
    let mut job = Job::new(&ctx, move || session.encrypt(&IV, message(0, 30)).map(drop)).unwrap();
    assert!(matches!(job.resume().unwrap(), Step::Paused));
    engine.device().run_until_idle();
    assert!(matches!(job.resume().unwrap(), Step::Finished(Ok(()))));
}

/// Checks the counters that must add up while nothing runs.
#[track_caller]
pub(crate) fn assert_adds_up(engine: &Engine) {
    let stats = engine.stats();
    assert_eq!(stats.device.total.in_flight, 0, "{stats:?}");
    assert_eq!(stats.imbalances(), Vec::<String>::new(), "{stats:?}");
}

/// Nothing is left with the stepped device.
#[track_caller]
pub(crate) fn assert_at_rest(engine: &Engine) {
    engine.device().run_until_idle();
    assert_adds_up(engine);
}

/// How many fds this process has open.
pub(crate) fn open_fds() -> usize {
    std::fs::read_dir("/proc/self/fd").unwrap().count()
}

/// How many threads of this process live.
pub(crate) fn threads() -> usize {
    alive::threads()
}

/// How many mappings this process has.
pub(crate) fn mappings() -> usize {
    std::fs::read_to_string("/proc/self/maps").unwrap().lines().count()
}
