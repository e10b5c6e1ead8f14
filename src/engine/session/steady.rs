//! Sessions of callers that have no error to return: software computes what the device does not.
//!
//! ```text
//!   copy of the caller's bytes ──► the device ──► result
//!                                     └── any failure ──► another copy ──► software, in this thread ──► result
//! ```
//!
//! That is no fallback by configuration (`fallback`): it takes whatever the device and its engine report, a
//! timeout and a fork included. It counts in `fallbacks` of the engine, and in [`stood_in`].

use std::mem;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use simaccel_device::{
    Algorithm, Operation, Parameters, Part, Request, Rest, Session, SessionId, Status, StreamState, Tag,
    Tagged, with_wiped_stack,
};
use zeroize::Zeroize;

use super::SessionCore;
use crate::engine::wait::job;
use crate::engine::{Engine, table, trace};
use crate::error::Error;

static STOOD_IN: AtomicU64 = AtomicU64::new(0);

/// How many operations of this process software has computed because the device had failed.
pub(crate) fn stood_in() -> u64 {
    STOOD_IN.load(Ordering::Relaxed)
}

/// A session that always gives a result.
#[derive(Clone)]
pub(crate) struct Steady {
    session: Arc<Session>,
    /// `None`: there is no device, so software computes everything.
    core: Option<Arc<SessionCore>>,
}

/// What is kept of a message between its pieces.
pub(crate) type Between = Option<Box<StreamState>>;

impl Steady {
    /// # Errors
    /// As [`Engine::session`].
    pub(crate) fn on(
        engine: &Engine,
        algorithm: Algorithm,
        key: &[u8],
        parameters: Parameters,
    ) -> Result<Self, Error> {
        let core = engine.core(algorithm, key, parameters)?;
        Ok(Self { session: Arc::clone(core.session()), core: Some(core) })
    }

    /// A session without a device.
    ///
    /// # Errors
    /// [`Error::Session`].
    pub(crate) fn without_device(
        algorithm: Algorithm,
        key: &[u8],
        parameters: Parameters,
    ) -> Result<Self, Error> {
        let prepare = || with_wiped_stack(|| Session::new(algorithm, key, parameters).map(Arc::new));
        Ok(Self { session: job::outside(prepare)?, core: None })
    }

    /// The output of a cipher that keeps lengths, for as many zeros as `skipped` says and `data` behind them.
    /// Hand it back to [`recycle`](Self::recycle).
    pub(crate) fn text(&self, operation: Operation, iv: &[u8], skipped: usize, data: &[u8]) -> Vec<u8> {
        if let Some(done) = self.on_device(operation, iv, skipped, data, ()) {
            return done;
        }
        let mut request = Request::new(SessionId::NONE, operation, copy(Vec::new(), skipped, data));
        request.set_iv(iv);
        self.stand_in(&mut request);
        request.buffer
    }

    /// The digest or the MAC of a whole message.
    pub(crate) fn digest(&self, operation: Operation, data: &[u8]) -> Tag {
        match self.on_device(operation, &[], 0, data, Tagged::default()) {
            Some(done) => {
                self.recycle(done.buffer);
                done.tag
            }
            None => self.piece_in_software(operation, Part::Whole, None, data).1,
        }
    }

    /// `None`: there is no device, or it has failed.
    fn on_device<R: Rest>(
        &self,
        operation: Operation,
        iv: &[u8],
        skipped: usize,
        data: &[u8],
        rest: R,
    ) -> Option<R::Taken> {
        let core = self.core.as_ref()?;
        match core.run_whole(operation, iv, copy(room(core, skipped + data.len()), skipped, data), rest) {
            Ok(done) => Some(done),
            Err(error) => {
                core.recycle(error.into_parts().1);
                None
            }
        }
    }

    /// A piece of a message that is digested: the state after it, and the digest after the last.
    pub(crate) fn piece(
        &self,
        operation: Operation,
        part: Part,
        between: Between,
        data: &[u8],
    ) -> (Between, Tag) {
        let Some(core) = &self.core else { return self.piece_in_software(operation, part, between, data) };
        // The device takes the state with it, and keeps it where it fails.
        let before = self.copied_state(&between);
        let mut request = core.request(operation, copy(room(core, data.len()), 0, data));
        request.part = part;
        request.state = between;
        let outcome = core.run_here(&mut request);
        core.recycle(mem::take(&mut request.buffer));
        match outcome {
            Ok(()) => given(&mut request),
            Err(_) => self.piece_in_software(operation, part, before, data),
        }
    }

    /// A copy of the state between two pieces.
    pub(crate) fn copied_state(&self, between: &Between) -> Between {
        // Deep in an unoptimised build.
        between.as_ref().map(|state| self.outside(|| state.clone()))
    }

    fn piece_in_software(
        &self,
        operation: Operation,
        part: Part,
        between: Between,
        data: &[u8],
    ) -> (Between, Tag) {
        let mut request = Request::new(SessionId::NONE, operation, data.to_vec());
        request.part = part;
        request.state = between;
        self.stand_in(&mut request);
        let given = given(&mut request);
        request.wipe();
        given
    }

    /// Computes a request here.
    #[cold]
    fn stand_in(&self, request: &mut Request) {
        STOOD_IN.fetch_add(1, Ordering::Relaxed);
        self.outside(|| trace::stood_in(request.operation.name()));
        if let Some(engine) = self.core.as_ref().map(|core| core.engine())
            && !engine.is_inherited()
        {
            table::with(engine, |instance| instance.counters.fallbacks.add(1));
        }
        let status = self.outside(|| self.session.execute_and_wipe(&mut *request));
        // What else it could be is excluded by the types of keys, vectors and blocks.
        assert_eq!(status, Status::Ok, "a message above the length that its algorithm allows");
    }

    fn outside<R>(&self, work: impl FnOnce() -> R) -> R {
        match &self.core {
            Some(core) => core.engine().outside(work),
            None => job::outside(work),
        }
    }

    /// Wipes an output, and keeps its memory for another.
    pub(crate) fn recycle(&self, mut buffer: Vec<u8>) {
        match &self.core {
            Some(core) => core.recycle(buffer),
            None => buffer.zeroize(),
        }
    }
}

/// What a piece of a message leaves in its request: the state, and the digest after the last one.
fn given(request: &mut Request) -> (Between, Tag) {
    (request.state.take(), request.tag)
}

/// A buffer of the thread, or a new one.
fn room(core: &SessionCore, len: usize) -> Vec<u8> {
    core.copy_of(&[], len).unwrap_or_default()
}

fn copy(mut buffer: Vec<u8>, skipped: usize, data: &[u8]) -> Vec<u8> {
    buffer.reserve_exact(skipped + data.len());
    buffer.resize(skipped, 0);
    buffer.extend_from_slice(data);
    buffer
}
