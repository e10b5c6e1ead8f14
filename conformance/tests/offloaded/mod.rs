//! What the programs of this package share: the ways through an engine, and a test for each set on each way.
//!
//! ```text
//!   all_sets! (each program's own)  ──functions!──►  sets(), for the program's `coverage`
//!                                   ──ways!───────►  mod blocking { #[test] fn set() } ..   one module a way
//! ```

use simaccel::{Config, Engine, Error, Job, Step, WaitCtx, wait_readable};

/// An engine, and how it is called.
#[derive(Debug)]
pub(crate) struct Offloaded {
    engine: Engine,
    in_job: bool,
}

impl Offloaded {
    /// Worker threads; the caller blocks.
    pub(crate) fn blocking() -> Self {
        Self { engine: Engine::open(Config::default()).unwrap(), in_job: false }
    }

    /// Worker threads; the caller is a job, which pauses and is resumed when its fd is readable.
    pub(crate) fn in_job() -> Self {
        Self { engine: Engine::open(Config::default()).unwrap(), in_job: true }
    }

    /// No threads; the caller blocks, and that advances a clock of modelled latency.
    pub(crate) fn stepped() -> Self {
        let config = Config::parse("completion_nsec=1000000").unwrap();
        Self { engine: Engine::stepped(config).unwrap(), in_job: false }
    }

    /// Calls the engine in this way; every operation goes through the device.
    pub(crate) fn call<R: 'static, E: From<Error>>(
        &self,
        call: impl FnOnce(&Engine) -> Result<R, Error> + 'static,
    ) -> Result<R, E> {
        let outcome = if self.in_job { self.run_in_job(call) } else { call(&self.engine) };
        let stats = self.engine.stats();
        assert_eq!(stats.below_threshold + stats.fallbacks, 0, "everything went through the device");
        Ok(outcome?)
    }

    fn run_in_job<R: 'static>(
        &self,
        call: impl FnOnce(&Engine) -> Result<R, Error> + 'static,
    ) -> Result<R, Error> {
        let ctx = WaitCtx::new();
        let engine = self.engine.clone();
        let offloaded = || self.engine.stats().device.total.submitted;
        let (before, mut pauses) = (offloaded(), 0);
        let mut job = Job::new(&ctx, move || call(&engine)).unwrap();
        loop {
            match job.resume().unwrap() {
                Step::Paused => {
                    pauses += 1;
                    wait_readable(&ctx.all_fds()).unwrap();
                }
                Step::Finished(outcome) => {
                    assert!(pauses >= offloaded() - before, "every offloaded request pauses");
                    return outcome;
                }
            }
        }
    }
}

/// For each way, a module with a test for each set.
macro_rules! ways {
    ($($name:ident => $way:expr;)+) => {$(
        mod $name {
            all_sets!(tests $way;);
        }
    )+};
}

macro_rules! tests {
    ($way:expr; $($module:ident::$set:ident,)+) => {$(
        #[test]
        fn $set() {
            crate::$module::$set(&$way);
        }
    )+};
}

macro_rules! functions {
    ($($module:ident::$set:ident,)+) => {
        /// Every set, to be run on one way.
        fn sets<W: way::Way>() -> Vec<fn(&W)> {
            vec![$($module::$set::<W>),+]
        }
    };
}
