//! The ways through an engine: blocking, on the stepped device, in a job that pauses.

use simaccel::{Config, Engine, Error, Job, OpError, Step, WaitCtx, wait_readable};
use simaccel_device::Hash;

use crate::way::{AeadCall, CipherCall, Direction, Refused, Way};

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

    fn run<R: 'static>(
        &self,
        call: impl FnOnce(&Engine) -> Result<R, Error> + 'static,
    ) -> Result<R, Refused> {
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

impl Way for Offloaded {
    fn cipher(&self, call: &CipherCall<'_>) -> Result<Vec<u8>, Refused> {
        let CipherCall { cipher, padding, direction, .. } = *call;
        let (key, iv, text) = (call.key.to_vec(), call.iv.to_vec(), call.text.to_vec());
        self.run(move |engine| {
            let session = engine.cipher_with(cipher, &key, padding)?;
            match direction {
                Direction::Encrypt => Ok(session.encrypt(&iv, text)?),
                Direction::Decrypt => Ok(session.decrypt(&iv, text)?),
            }
        })
    }

    fn seal(&self, call: &AeadCall<'_>) -> Result<(Vec<u8>, Vec<u8>), Refused> {
        let AeadCall { aead, tag_len, .. } = *call;
        let (key, iv, aad, text) =
            (call.key.to_vec(), call.iv.to_vec(), call.aad.to_vec(), call.text.to_vec());
        self.run(move |engine| {
            let (text, tag) = engine.aead_with(aead, &key, tag_len)?.seal(&iv, &aad, text)?;
            Ok((text, tag.as_bytes().to_vec()))
        })
    }

    fn open(&self, call: &AeadCall<'_>, tag: &[u8]) -> Result<Vec<u8>, Refused> {
        let AeadCall { aead, tag_len, .. } = *call;
        let (key, iv, aad, text) =
            (call.key.to_vec(), call.iv.to_vec(), call.aad.to_vec(), call.text.to_vec());
        let tag = tag.to_vec();
        self.run(move |engine| {
            let session = engine.aead_with(aead, &key, tag_len)?;
            session.open(&iv, &aad, text, &tag).map_err(|error: OpError| {
                let (error, rest) = error.into_parts();
                assert!(error != Error::AuthFailed || rest.is_empty(), "no plaintext with a bad tag");
                error
            })
        })
    }

    fn digest(&self, hash: Hash, message: &[u8]) -> Result<Vec<u8>, Refused> {
        let message = message.to_vec();
        self.run(move |engine| Ok(engine.hash(hash)?.digest(&message)?.as_bytes().to_vec()))
    }

    fn mac(&self, hash: Hash, key: &[u8], message: &[u8]) -> Result<Vec<u8>, Refused> {
        let (key, message) = (key.to_vec(), message.to_vec());
        self.run(move |engine| Ok(engine.hmac(hash, &key)?.mac_owned(message)?.1.as_bytes().to_vec()))
    }
}

impl From<Error> for Refused {
    fn from(error: Error) -> Self {
        match error {
            Error::AuthFailed => Self::Authentication,
            Error::InvalidArgument(_) | Error::Session(_) => Self::Arguments,
            other => panic!("{other}"),
        }
    }
}
