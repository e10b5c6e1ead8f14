//! The same operations on the engine from Rust, in its own jobs.

use std::mem;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Arc;

use simaccel::{
    Aead, AeadSession, Cipher, CipherSession, Config, Engine, Hash, HashSession, Job, Padding, WaitCtx,
};

use super::lanes::{Jobs, Step, Way, Woken};
use super::{Algorithm, JOBS};

#[derive(Clone)]
enum Session {
    Cbc(CipherSession),
    Gcm(AeadSession),
    Sha256(HashSession),
}

impl Session {
    fn new(engine: &Engine, algorithm: Algorithm) -> Self {
        let key = [1; 16];
        match algorithm {
            Algorithm::Cbc => Self::Cbc(engine.cipher_with(Cipher::Aes128Cbc, &key, Padding::None).unwrap()),
            Algorithm::Gcm => Self::Gcm(engine.aead(Aead::Aes128Gcm, &key).unwrap()),
            Algorithm::Sha256 => Self::Sha256(engine.hash(Hash::Sha256).unwrap()),
            Algorithm::Sha1 => panic!("the device has no SHA-1"),
        }
    }

    #[inline]
    fn run(&self, buffer: Vec<u8>) -> Vec<u8> {
        match self {
            Self::Cbc(session) => session.encrypt(&[2; 16], buffer).unwrap(),
            Self::Gcm(session) => session.seal(&[3; 12], &[], buffer).unwrap().0,
            Self::Sha256(session) => session.digest_owned(buffer).unwrap().0,
        }
    }

    #[inline]
    fn run_borrowed(&self, input: &[u8], output: &mut [u8]) {
        match self {
            Self::Cbc(session) => {
                session.encrypt_slice(&[2; 16], input, output).unwrap();
            }
            Self::Gcm(session) => {
                session.seal_slice(&[3; 12], &[], input, output).unwrap();
            }
            Self::Sha256(session) => {
                session.digest(input).unwrap();
            }
        }
    }
}

/// Whose memory an operation works on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Memory {
    /// A buffer that is given to the device, and comes back: nothing is copied.
    Owned,
    /// The caller's own, as with EVP: it is copied in and out.
    Borrowed,
}

/// What a job takes and returns, boxed: only a pointer moves, and nothing is allocated for an operation.
struct Task {
    session: Session,
    memory: Memory,
    buffer: Vec<u8>,
    output: Vec<u8>,
}

impl Task {
    #[inline]
    fn run(&mut self) {
        match self.memory {
            Memory::Owned => self.buffer = self.session.run(mem::take(&mut self.buffer)),
            Memory::Borrowed => self.session.run_borrowed(&self.buffer, &mut self.output),
        }
    }
}

struct Lane {
    /// Dropped before the context.
    job: Option<Job<Box<Task>>>,
    ctx: WaitCtx,
    task: Option<Box<Task>>,
}

pub(crate) struct EngineJobs {
    lanes: Vec<Lane>,
    woken: Arc<Woken>,
    /// Keeps the device open.
    _engine: Engine,
}

impl EngineJobs {
    pub(crate) fn new(algorithm: Algorithm, bytes: usize, way: Way, memory: Memory) -> Self {
        let engine = Engine::open(Config::default()).unwrap();
        let session = Session::new(&engine, algorithm);
        let woken = Woken::new();
        let lane = |number| {
            let ctx = WaitCtx::new();
            if way == Way::Callback {
                let woken = Arc::clone(&woken);
                ctx.set_callback(Some(Arc::new(move || woken.set(number))));
            }
            let (session, buffer) = (session.clone(), vec![7; bytes]);
            let task = Box::new(Task { session, memory, output: buffer.clone(), buffer });
            Lane { job: None, ctx, task: Some(task) }
        };
        let lanes = (0..JOBS).map(lane).collect();
        Self { lanes, woken, _engine: engine }
    }
}

impl Jobs for EngineJobs {
    #[inline]
    fn start(&mut self, lane: usize) -> Step {
        let Lane { job, ctx, task } = &mut self.lanes[lane];
        let mut task = task.take().expect("a lane has one operation at a time");
        let body = move || {
            task.run();
            task
        };
        *job = Some(Job::new(ctx, body).unwrap());
        self.resume(lane)
    }

    #[inline]
    fn resume(&mut self, lane: usize) -> Step {
        let Lane { job, task, .. } = &mut self.lanes[lane];
        match job.as_mut().expect("a lane that is under way has a job").resume().unwrap() {
            simaccel::Step::Paused => Step::Paused,
            simaccel::Step::Finished(done) => {
                *task = Some(done);
                *job = None;
                Step::Finished
            }
        }
    }

    fn with_fd(&self, lane: usize, watch: &mut dyn FnMut(BorrowedFd<'_>)) {
        for fd in self.lanes[lane].ctx.all_fds() {
            watch(fd.as_fd());
        }
    }

    fn woken(&self) -> &Arc<Woken> {
        &self.woken
    }
}
