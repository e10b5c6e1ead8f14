//! simaccel's jobs, as programs use them.

use std::sync::Arc;

use simaccel::foreign::{Callback, OpenFd, WaitStatus};
use simaccel::{Config, Engine, Step, WaitCtx, job};

use crate::framework::{Ctx, Framework, Job, Output};

pub(crate) struct Ours;

impl Framework for Ours {
    type Ctx = WaitCtx;
    type Job = simaccel::Job<Output>;

    fn stepped(config: Config) -> Engine {
        Engine::stepped(config).unwrap()
    }

    fn open(config: Config) -> Engine {
        Engine::open(config).unwrap()
    }

    fn ctx() -> WaitCtx {
        // A job outlives its context on purpose in one scene; strict mode would say so past the harness.
        job::set_strict_handler(Some(Arc::new(|violation| eprintln!("simaccel: {violation}"))));
        WaitCtx::new()
    }

    fn job(ctx: &WaitCtx, body: impl FnOnce() -> Output + Send + 'static) -> Self::Job {
        simaccel::Job::new(ctx, body).unwrap()
    }

    fn without_pauses(body: impl FnOnce() -> Output) -> Output {
        let _block = job::block_pause();
        body()
    }
}

impl Job for simaccel::Job<Output> {
    fn resume(&mut self) -> Option<Output> {
        match Self::resume(self).unwrap() {
            Step::Paused => None,
            Step::Finished(output) => Some(output),
        }
    }

    fn number(&self) -> u64 {
        self.token()
    }
}

impl Ctx for WaitCtx {
    fn fds(&self) -> Vec<OpenFd> {
        self.all_fds().into_iter().map(|fd| Arc::new(fd) as OpenFd).collect()
    }

    fn set_callback(&self, callback: Option<Callback>) {
        Self::set_callback(self, callback);
    }

    fn status(&self) -> WaitStatus {
        Self::status(self)
    }
}
