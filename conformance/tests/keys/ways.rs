//! The ways: a session in this thread, and through an engine: blocking, in a job that pauses, on the stepped
//! device.

use simaccel::{Config, Engine, Error, Job, Step, WaitCtx, wait_readable};
use simaccel_device::{KeyArguments, Operation, Request, Session, SessionId, Status};

use crate::way::{Key, Refused, Way};

/// A session that is called without a device.
#[derive(Debug)]
pub(crate) struct Direct;

impl Way for Direct {
    fn run(
        &self,
        key: &Key,
        operation: Operation,
        arguments: KeyArguments,
        input: &[u8],
    ) -> Result<Vec<u8>, Refused> {
        let session = match key {
            Key::Private(key) => Session::private_key(key),
            Key::Public(key) => Session::public_key(key),
            &Key::Generator(algorithm) => Session::key_generator(algorithm),
        };
        let mut request = Request::new(SessionId::NONE, operation, input.to_vec());
        request.arguments = Some(Box::new(arguments));
        match session.execute(&mut request) {
            Status::Ok if operation.output().has_text() => Ok(request.buffer),
            Status::Ok => Ok(Vec::new()),
            Status::InvalidArgs => Err(Refused::Arguments),
            Status::AuthFailed => Err(Refused::Wrong),
            other => panic!("{other:?}"),
        }
    }
}

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

    fn run_in_job(
        &self,
        call: impl FnOnce(&Engine) -> Result<Vec<u8>, Error> + 'static,
    ) -> Result<Vec<u8>, Error> {
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

impl Way for Offloaded {
    fn run(
        &self,
        key: &Key,
        operation: Operation,
        arguments: KeyArguments,
        input: &[u8],
    ) -> Result<Vec<u8>, Refused> {
        let (key, input) = (key.clone(), input.to_vec());
        let call = move |engine: &Engine| {
            let session = match &key {
                Key::Private(key) => engine.private_key(key)?,
                Key::Public(key) => engine.public_key(key)?,
                &Key::Generator(algorithm) => engine.key_generator(algorithm)?,
            };
            session.run(operation, arguments, &input).map(|output| output.to_vec())
        };
        let outcome = if self.in_job { self.run_in_job(call) } else { call(&self.engine) };
        let stats = self.engine.stats();
        assert_eq!(stats.below_threshold + stats.fallbacks, 0, "everything went through the device");
        Ok(outcome?)
    }
}

impl From<Error> for Refused {
    fn from(error: Error) -> Self {
        match error {
            Error::AuthFailed => Self::Wrong,
            Error::InvalidArgument(_) => Self::Arguments,
            other => panic!("{other}"),
        }
    }
}
