//! libcrypto's jobs on the same ring: what a lean engine costs that a program writes itself, with
//! `ASYNC_start_job` and `ASYNC_pause_job` of the real libcrypto around a request of the same device.
//!
//! ```text
//!   job       submit into the queue pair ─► ASYNC_pause_job ─► take
//!   program   arrivals off the completion ring ─► ASYNC_start_job of each      no fd, no wait context's status, no errors
//! ```
//!
//! Nothing is checked, counted or held, and no memory is copied unless [`Memory::Callers`] says so: less than
//! an engine has to do, so a lead over it is one over any engine.
#![expect(unsafe_code, reason = "plays the part of a C program")]

use std::cell::{Cell, RefCell};
use std::ffi::{CStr, c_int, c_void};
use std::hint::spin_loop;
use std::mem;
use std::ptr;

use simaccel::{Cipher, Config, Operation, Padding};
use simaccel_device::{Arrivals, Delivery, Device, Plain, QueuePair, Remote, Session, SessionId};

use super::{BYTES, IV, JOBS, KEY, OPERATIONS};

const PAUSE: c_int = 2;
const FINISH: c_int = 3;

#[repr(C)]
struct Job([u8; 0]);
#[repr(C)]
struct WaitCtx([u8; 0]);

type Body = unsafe extern "C" fn(*mut c_void) -> c_int;
type StartJob =
    unsafe extern "C" fn(*mut *mut Job, *mut WaitCtx, *mut c_int, Option<Body>, *mut c_void, usize) -> c_int;
type PauseJob = unsafe extern "C" fn() -> c_int;
type NewCtx = unsafe extern "C" fn() -> *mut WaitCtx;
type FreeCtx = unsafe extern "C" fn(*mut WaitCtx);

/// libcrypto's functions.
#[derive(Clone, Copy)]
pub(crate) struct Functions {
    start: StartJob,
    pause: PauseJob,
    new_ctx: NewCtx,
    free_ctx: FreeCtx,
}

impl Functions {
    /// Loads libcrypto where its calls of itself stay within it. `None`: there is none.
    ///
    /// To be called after this process has had a job of ours: what is loaded before makes our switches keep
    /// libcrypto's default library context, which a program that is linked with both does not pay for until
    /// it sets one.
    pub(crate) fn load() -> Option<Self> {
        let flags = libc::RTLD_NOW | libc::RTLD_LOCAL | libc::RTLD_DEEPBIND;
        // SAFETY: a name that ends with 0; what libcrypto does when it is loaded it does in every program.
        let library = unsafe { libc::dlopen(c"libcrypto.so.3".as_ptr(), flags) };
        if library.is_null() {
            return None;
        }
        let find = |name: &CStr| {
            // SAFETY: the handle is valid and is never closed, and the name ends with 0.
            let found = unsafe { libc::dlsym(library, name.as_ptr()) };
            (!found.is_null()).then_some(found)
        };
        // SAFETY: libcrypto's functions of these names have these types.
        unsafe {
            Some(Self {
                start: mem::transmute::<*mut c_void, StartJob>(find(c"ASYNC_start_job")?),
                pause: mem::transmute::<*mut c_void, PauseJob>(find(c"ASYNC_pause_job")?),
                new_ctx: mem::transmute::<*mut c_void, NewCtx>(find(c"ASYNC_WAIT_CTX_new")?),
                free_ctx: mem::transmute::<*mut c_void, FreeCtx>(find(c"ASYNC_WAIT_CTX_free")?),
            })
        }
    }
}

/// Whose memory an operation works on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Memory {
    /// The ring's: a buffer that moves.
    Rings,
    /// The caller's, which is copied in and out, as for `simaccel_encrypt`.
    Callers,
}

/// The device, and what the program and its jobs share of it.
pub(crate) struct Ring {
    functions: Functions,
    ctx: *mut WaitCtx,
    pair: RefCell<QueuePair>,
    remote: Remote,
    session: SessionId,
    device: Device,
}

/// What a job gets.
struct Lane {
    ring: *const Ring,
    memory: Memory,
    job: Cell<*mut Job>,
    token: u64,
    text: Cell<[u8; BYTES]>,
}

impl Ring {
    pub(crate) fn new(functions: Functions, config: &str, stepped: bool) -> Self {
        let config = Config::parse(config).unwrap();
        let open = if stepped { Device::stepped } else { Device::open };
        let device = open(config.device()).unwrap();
        let pair = device.take_queue_pairs().swap_remove(0);
        let session =
            device.create_session(Session::cipher(Cipher::Aes256Ctr, &KEY, Padding::default()).unwrap());
        // SAFETY: takes nothing.
        let ctx = unsafe { (functions.new_ctx)() };
        let remote = pair.remote().clone();
        Self { functions, ctx, pair: RefCell::new(pair), remote, session, device }
    }

    pub(crate) fn round(&self, memory: Memory) {
        let lanes: Vec<_> = (0..)
            .take(JOBS)
            .map(|token| Lane {
                ring: self,
                memory,
                job: Cell::new(ptr::null_mut()),
                token,
                text: Cell::new([1; BYTES]),
            })
            .collect();
        for lane in &lanes {
            assert_eq!(self.go_on(lane), PAUSE);
        }
        let (mut finished, arrivals) = (0, Arrivals::default());
        while finished < JOBS {
            if self.device.is_stepped() {
                self.device.run_until_idle();
            }
            let mut found = false;
            self.pair.borrow_mut().hold_back(!self.device.is_stepped());
            while self.pair.borrow_mut().arrivals(&arrivals) {
                found = true;
                while let Some(arrival) = arrivals.next() {
                    let token = self.remote.reap(arrival).expect("no wake was cancelled");
                    let lane = &lanes[usize::try_from(token).unwrap()];
                    finished += usize::from(self.go_on(lane) == FINISH);
                }
            }
            let mut pair = self.pair.borrow_mut();
            pair.release_reaped();
            pair.flush();
            if !found {
                spin_loop();
            }
        }
    }

    /// Starts or resumes a job.
    #[inline]
    fn go_on(&self, lane: &Lane) -> c_int {
        let (mut ret, mut address) = (0, ptr::from_ref(lane));
        let args = (&raw mut address).cast();
        let body = Some(encrypts as Body);
        // SAFETY: the context is there, the arguments are an address that is copied, and what it points to
        // outlives the job.
        unsafe {
            (self.functions.start)(lane.job.as_ptr(), self.ctx, &raw mut ret, body, args, size_of::<usize>())
        }
    }

    fn encrypt(&self, token: u64, buffer: Vec<u8>) -> Vec<u8> {
        let (session, operation) = (self.session, Operation::Encrypt);
        let plain = Plain { session, operation, iv: &IV, buffer, user_data: token, rest: () };
        let submitted = self.pair.borrow_mut().submit_plain(plain, Delivery::Reap { owner: 0 });
        let ticket = submitted.expect("the ring has a slot for every job");
        // SAFETY: takes nothing; the thread that has started the job resumes it.
        assert_eq!(unsafe { (self.functions.pause)() }, 1);
        self.pair.borrow_mut().take_buffer(ticket).expect("the job is resumed when its request is done")
    }
}

impl Drop for Ring {
    fn drop(&mut self) {
        // SAFETY: no job is left that uses it.
        unsafe { (self.functions.free_ctx)(self.ctx) };
    }
}

unsafe extern "C" fn encrypts(args: *mut c_void) -> c_int {
    // SAFETY: the arguments are the address of a lane that outlives its job, as does the ring.
    let (lane, ring) = unsafe {
        let lane = &*args.cast::<*const Lane>().read();
        (lane, &*lane.ring)
    };
    let mut buffer = vec![1; BYTES];
    for _ in 0..OPERATIONS {
        if lane.memory == Memory::Callers {
            buffer.copy_from_slice(&lane.text.get());
        }
        buffer = ring.encrypt(lane.token, buffer);
        if lane.memory == Memory::Callers {
            let output = buffer[..].try_into().expect("a stream cipher keeps lengths");
            lane.text.set(output);
            buffer.fill(0);
        }
    }
    1
}
