//! Operations through EVP: in jobs of libcrypto that pause, and called without a job.
#![expect(unsafe_code, reason = "calls of libcrypto")]

use std::ffi::{c_int, c_void};
use std::mem;
use std::os::fd::BorrowedFd;
use std::ptr::null_mut;
use std::sync::Arc;

use super::lanes::{Goal, Jobs, Progress, Run, Side, Step, Way, Woken};
use super::libcrypto::{ASYNC_FINISH, ASYNC_PAUSE, EVP_CTRL_AEAD_GET_TAG, Libcrypto, Object};
use super::{Algorithm, JOBS, programs};

/// Whose implementation is fetched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Source {
    Provider,
    Default,
    Dasync,
}

/// An operation with a context and a buffer, which are used again and again.
struct Operation {
    libcrypto: &'static Libcrypto,
    algorithm: Algorithm,
    /// The digest, for its next beginning.
    md: Object,
    engine: Object,
    ctx: Object,
    buffer: Vec<u8>,
    size: c_int,
}

impl Operation {
    /// One after the other: those of a side share what is fetched.
    fn several(
        count: usize,
        libcrypto: &'static Libcrypto,
        source: Source,
        algorithm: Algorithm,
        bytes: usize,
    ) -> Vec<Self> {
        let provider = programs::provider();
        let library = match source {
            Source::Provider => libcrypto.library_ctx(Some(&provider)),
            Source::Default => libcrypto.library_ctx(None),
            Source::Dasync => null_mut(),
        };
        let properties = if source == Source::Provider { c"provider=simaccel" } else { c"" };
        let size = c_int::try_from(bytes).expect("a size that EVP takes");
        let operation = |fetched: Object, engine: Object, ctx: Object| {
            libcrypto.check(!fetched.is_null() && !ctx.is_null());
            Self { libcrypto, algorithm, md: fetched, engine, ctx, buffer: vec![7; bytes], size }
        };
        match algorithm {
            Algorithm::Cbc | Algorithm::Gcm => {
                let name = if algorithm == Algorithm::Cbc { c"AES-128-CBC" } else { c"AES-128-GCM" };
                // SAFETY: the names are strings, and the library context lives for the process.
                let cipher =
                    unsafe { (libcrypto.EVP_CIPHER_fetch)(library, name.as_ptr(), properties.as_ptr()) };
                (0..count)
                    .map(|_| {
                        // SAFETY: no arguments.
                        let new = operation(cipher, null_mut(), unsafe { (libcrypto.EVP_CIPHER_CTX_new)() });
                        new.begin_cipher(cipher);
                        new
                    })
                    .collect()
            }
            Algorithm::Sha256 | Algorithm::Sha1 => {
                let engine = if source == Source::Dasync { libcrypto.dasync() } else { null_mut() };
                let name = if algorithm == Algorithm::Sha256 { c"SHA2-256" } else { c"SHA1" };
                let md = match source {
                    // SAFETY: no arguments.
                    Source::Dasync => unsafe { (libcrypto.EVP_sha1)() },
                    // SAFETY: as for the cipher.
                    _ => unsafe { (libcrypto.EVP_MD_fetch)(library, name.as_ptr(), properties.as_ptr()) },
                };
                // SAFETY: no arguments.
                (0..count).map(|_| operation(md, engine, unsafe { (libcrypto.EVP_MD_CTX_new)() })).collect()
            }
        }
    }

    fn begin_cipher(&self, cipher: Object) {
        let (key, iv) = ([1_u8; 16], [2_u8; 16]);
        // SAFETY: the context is new, and key and IV have at least the lengths of the algorithm.
        let begun = unsafe {
            (self.libcrypto.EVP_EncryptInit_ex)(self.ctx, cipher, null_mut(), key.as_ptr(), iv.as_ptr())
        };
        self.libcrypto.check(begun == 1);
        // SAFETY: the context has its cipher.
        self.libcrypto.check(unsafe { (self.libcrypto.EVP_CIPHER_CTX_set_padding)(self.ctx, 0) } == 1);
    }

    #[inline]
    fn run(&mut self) -> bool {
        match self.algorithm {
            Algorithm::Cbc => self.update(),
            Algorithm::Gcm => self.seal(),
            Algorithm::Sha256 | Algorithm::Sha1 => self.digest(),
        }
    }

    #[inline]
    fn update(&mut self) -> bool {
        let (size, data, mut written) = (self.size, self.buffer.as_mut_ptr(), 0);
        // SAFETY: the context is initialised, and whole blocks go in place.
        unsafe { (self.libcrypto.EVP_EncryptUpdate)(self.ctx, data, &mut written, data, size) == 1 }
    }

    /// A message with its own nonce, and its tag.
    #[inline]
    fn seal(&mut self) -> bool {
        let (nonce, mut tag, mut written) = ([3_u8; 12], [0_u8; 16], 0);
        let ctx = self.ctx;
        // SAFETY: the context has cipher and key; NULL keeps both.
        let begun = unsafe {
            (self.libcrypto.EVP_EncryptInit_ex)(ctx, null_mut(), null_mut(), null_mut(), nonce.as_ptr())
        };
        // SAFETY: the last block is empty, and the tag has room for 16 bytes.
        begun == 1
            && self.update()
            && unsafe {
                (self.libcrypto.EVP_EncryptFinal_ex)(ctx, tag.as_mut_ptr(), &mut written) == 1
                    && (self.libcrypto.EVP_CIPHER_CTX_ctrl)(
                        ctx,
                        EVP_CTRL_AEAD_GET_TAG,
                        16,
                        tag.as_mut_ptr().cast(),
                    ) == 1
            }
    }

    #[inline]
    fn digest(&mut self) -> bool {
        let (mut digest, mut size) = ([0_u8; 64], 0);
        // SAFETY: the digest has room for the largest of them.
        unsafe {
            (self.libcrypto.EVP_DigestInit_ex)(self.ctx, self.md, self.engine) == 1
                && (self.libcrypto.EVP_DigestUpdate)(self.ctx, self.buffer.as_ptr().cast(), self.buffer.len())
                    == 1
                && (self.libcrypto.EVP_DigestFinal_ex)(self.ctx, digest.as_mut_ptr(), &mut size) == 1
        }
    }
}

/// Operations without jobs, one after the other.
pub(crate) struct Calls {
    operation: Operation,
}

impl Calls {
    pub(crate) fn new(
        libcrypto: &'static Libcrypto,
        source: Source,
        algorithm: Algorithm,
        bytes: usize,
    ) -> Self {
        let operation = Operation::several(1, libcrypto, source, algorithm, bytes).remove(0);
        Self { operation }
    }
}

impl Side for Calls {
    fn drive(&mut self, goal: Goal) -> Run {
        let mut progress = Progress::new(goal);
        while progress.more() {
            let done = self.operation.run();
            self.operation.libcrypto.check(done);
        }
        progress.end(0)
    }
}

/// A lane: its operation runs in libcrypto's jobs, one after the other.
struct Lane {
    operation: Operation,
    job: Object,
    ctx: Object,
    number: usize,
    woken: Arc<Woken>,
}

extern "C" fn run_in_job(arg: Object) -> c_int {
    // SAFETY: libcrypto has copied the pointer to a lane, which no one else uses while its job runs.
    let lane = unsafe { &mut **arg.cast::<*mut Lane>() };
    c_int::from(lane.operation.run())
}

extern "C" fn wake(arg: Object) -> c_int {
    let lane = arg.cast::<Lane>();
    // SAFETY: the lanes live as long as the process, and these two fields are not changed any more.
    let (woken, number) = unsafe { (&(*lane).woken, (*lane).number) };
    woken.set(number);
    1
}

/// Lanes for the life of the process: libcrypto keeps pointers to them.
pub(crate) struct EvpJobs {
    libcrypto: &'static Libcrypto,
    lanes: &'static mut [Lane],
    woken: Arc<Woken>,
}

impl EvpJobs {
    pub(crate) fn new(
        libcrypto: &'static Libcrypto,
        source: Source,
        algorithm: Algorithm,
        bytes: usize,
        way: Way,
    ) -> Self {
        // SAFETY: a pool of jobs may be made in any thread; where there is one already, it stays.
        unsafe { (libcrypto.ASYNC_init_thread)(0, JOBS) };
        let woken = Woken::new();
        let operations = Operation::several(JOBS, libcrypto, source, algorithm, bytes);
        let lane = |(number, operation)| {
            // SAFETY: no arguments.
            let ctx = unsafe { (libcrypto.ASYNC_WAIT_CTX_new)() };
            libcrypto.check(!ctx.is_null());
            Lane { operation, job: null_mut(), ctx, number, woken: Arc::clone(&woken) }
        };
        let lanes: &'static mut [Lane] =
            Box::leak(operations.into_iter().enumerate().map(lane).collect::<Box<[_]>>());
        if way == Way::Callback {
            for lane in &mut *lanes {
                let arg = std::ptr::from_mut(lane).cast::<c_void>();
                // SAFETY: the context is new, and the lane lives as long as the process.
                let set = unsafe { (libcrypto.ASYNC_WAIT_CTX_set_callback)(lane.ctx, wake, arg) };
                libcrypto.check(set == 1);
            }
        }
        Self { libcrypto, lanes, woken }
    }
}

impl Jobs for EvpJobs {
    #[inline]
    fn start(&mut self, lane: usize) -> Step {
        self.resume(lane)
    }

    #[inline]
    fn resume(&mut self, lane: usize) -> Step {
        let lane: *mut Lane = &raw mut self.lanes[lane];
        let (mut arg, mut result) = (lane, 0);
        // SAFETY: the lane lives for ever; its job is new, or paused in this thread.
        let step = unsafe {
            let (job, ctx) = (&raw mut (*lane).job, (*lane).ctx);
            let arg = (&raw mut arg).cast();
            (self.libcrypto.ASYNC_start_job)(
                job,
                ctx,
                &mut result,
                run_in_job,
                arg,
                mem::size_of::<*mut Lane>(),
            )
        };
        match step {
            ASYNC_PAUSE => Step::Paused,
            _ => {
                self.libcrypto.check(step == ASYNC_FINISH && result == 1);
                // SAFETY: as above. The job has ended; the pointer is to a job of the pool.
                unsafe { (*lane).job = null_mut() };
                Step::Finished
            }
        }
    }

    fn with_fd(&self, lane: usize, watch: &mut dyn FnMut(BorrowedFd<'_>)) {
        let (mut fds, mut count) = ([-1; 4], 0);
        let ctx = self.lanes[lane].ctx;
        // SAFETY: NULL asks for the count.
        unsafe { (self.libcrypto.ASYNC_WAIT_CTX_get_all_fds)(ctx, null_mut(), &mut count) };
        assert_eq!(count, 1, "one fd in a wait context");
        // SAFETY: there is room for one.
        unsafe { (self.libcrypto.ASYNC_WAIT_CTX_get_all_fds)(ctx, fds.as_mut_ptr(), &mut count) };
        // SAFETY: the fd is open as long as its wait context, which lives for ever.
        watch(unsafe { BorrowedFd::borrow_raw(fds[0]) });
    }

    fn woken(&self) -> &Arc<Woken> {
        &self.woken
    }
}
