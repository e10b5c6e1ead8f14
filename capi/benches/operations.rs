//! The cost of an operation through the C functions, compared with Rust: 64 polled jobs that encrypt 64 bytes
//! each with AES-256-CTR, repeatedly, in turns, in one process.
//!
//! First on a stepped device, in processor time of the one thread that does everything, the device's work
//! too: other processes matter little, and the difference is the interface's. Then with worker threads, in
//! time.
#![expect(unsafe_code, reason = "plays the part of a C program")]

use std::ffi::{c_int, c_void};
use std::hint::black_box;
use std::ptr;
use std::time::{Duration, Instant};

use simaccel::{Cipher, Config, Engine, Job, Step, WaitCtx};
use simaccel_async::{
    ASYNC_FINISH, ASYNC_PAUSE, ASYNC_WAIT_CTX_free, ASYNC_WAIT_CTX_new, ASYNC_start_job, AsyncJob,
    AsyncWaitCtx, PollDataFn, SimaccelEngine, SimaccelResult, SimaccelSession,
    simaccel_device_run_until_idle, simaccel_encrypt, simaccel_engine_free, simaccel_engine_open,
    simaccel_engine_open_stepped, simaccel_job_set_data, simaccel_poll_data, simaccel_reap,
    simaccel_session_free, simaccel_session_new,
};

const JOBS: usize = 64;
const BYTES: usize = 64;
/// Operations of each job in a round.
const OPERATIONS: usize = 2_000;
const ROUNDS: usize = 31;
const KEY: [u8; 32] = [7; 32];
const IV: [u8; 16] = [9; 16];

/// Nanoseconds of one operation, by this clock.
fn timed(now: impl Fn() -> Duration, round: impl FnOnce()) -> f64 {
    let start = now();
    round();
    (now() - start).as_secs_f64() * 1e9 / (JOBS * OPERATIONS) as f64
}

fn processor_time() -> Duration {
    let mut now = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: there is room for the result.
    let failed = unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &raw mut now) };
    assert_eq!(failed, 0);
    Duration::new(now.tv_sec.try_into().unwrap(), now.tv_nsec.try_into().unwrap())
}

/// Typed jobs and owned buffers.
fn in_rust(engine: &Engine) {
    let session = engine.cipher(Cipher::Aes256Ctr, &KEY).unwrap();
    let ctx = WaitCtx::new();
    let mut jobs: Vec<_> = (0..JOBS)
        .map(|index| {
            let session = session.clone();
            let mut job = Job::new(&ctx, move || {
                let mut buffer = vec![1; BYTES];
                for _ in 0..OPERATIONS {
                    buffer = session.encrypt(&IV, buffer).unwrap();
                }
                buffer
            })
            .unwrap();
            job.set_token(index as u64);
            job
        })
        .collect();
    for job in &mut jobs {
        assert!(matches!(job.resume().unwrap(), Step::Paused));
    }
    let mut finished = 0;
    while finished < JOBS {
        if engine.device().is_stepped() {
            engine.device().run_until_idle();
        }
        let resume = |token| {
            let index = usize::try_from(token).unwrap();
            finished += usize::from(matches!(jobs[index].resume().unwrap(), Step::Finished(_)));
        };
        engine.poll(JOBS, resume).unwrap();
    }
}

/// What a C program keeps for each connection.
struct Connection {
    session: *mut SimaccelSession,
    job: *mut AsyncJob,
    buffer: [u8; BYTES],
    in_place: bool,
}

unsafe extern "C-unwind" fn encrypts(args: *mut c_void) -> c_int {
    // SAFETY: the arguments are the address of a connection that outlives its job.
    let connection = unsafe { args.cast::<*mut Connection>().read() };
    let mut apart = [0_u8; BYTES];
    for _ in 0..OPERATIONS {
        let mut len = 0;
        // SAFETY: the handles are valid, and the memory has the given sizes.
        let result = unsafe {
            let text = (&raw mut (*connection).buffer).cast::<c_void>();
            let out = if (*connection).in_place { text } else { apart.as_mut_ptr().cast() };
            let iv = IV.as_ptr().cast();
            black_box(simaccel_encrypt)((*connection).session, iv, 16, text, BYTES, out, BYTES, &raw mut len)
        };
        assert!(result == SimaccelResult::Ok && len == BYTES);
    }
    1
}

unsafe extern "C" fn resume(_: *mut AsyncJob, data: *mut c_void, finished: *mut c_void) {
    let mut ret = 0;
    // SAFETY: the data of a job is its connection, and the argument counts the finished ones.
    unsafe {
        let job = &raw mut (*data.cast::<Connection>()).job;
        let step = ASYNC_start_job(job, ptr::null_mut(), &raw mut ret, None, ptr::null_mut(), 0);
        *finished.cast::<usize>() += usize::from(step == ASYNC_FINISH);
    }
}

type Poll = unsafe extern "C" fn(
    *mut SimaccelEngine,
    usize,
    Option<PollDataFn>,
    *mut c_void,
    *mut usize,
) -> SimaccelResult;

/// The C functions.
struct C {
    engine: *mut SimaccelEngine,
    session: *mut SimaccelSession,
    ctx: *mut AsyncWaitCtx,
    stepped: bool,
}

impl C {
    fn new(config: &str, stepped: bool) -> Self {
        let config = std::ffi::CString::new(config).unwrap();
        let ctx = ASYNC_WAIT_CTX_new();
        let mut c = Self { engine: ptr::null_mut(), session: ptr::null_mut(), ctx, stepped };
        let open = if stepped { simaccel_engine_open_stepped } else { simaccel_engine_open };
        // SAFETY: valid pointers, and texts that end with 0.
        unsafe {
            let opened = open(config.as_ptr(), &raw mut c.engine);
            assert_eq!(opened, SimaccelResult::Ok);
            let (name, key) = (c"aes-256-ctr".as_ptr(), KEY.as_ptr().cast());
            let made = simaccel_session_new(c.engine, name, key, 32, ptr::null(), &raw mut c.session);
            assert_eq!(made, SimaccelResult::Ok);
        }
        c
    }

    fn round(&self, poll: Poll, in_place: bool) {
        let (job, buffer) = (ptr::null_mut(), [1; BYTES]);
        let mut connections: Vec<Connection> =
            (0..JOBS).map(|_| Connection { session: self.session, job, buffer, in_place }).collect();
        for connection in &mut connections {
            let mut address = ptr::from_mut(connection);
            let (mut ret, args) = (0, (&raw mut address).cast());
            // SAFETY: the context is valid; the function reads an address, of a connection that outlives the
            // job.
            unsafe {
                let job = &raw mut (*address).job;
                let step =
                    ASYNC_start_job(job, self.ctx, &raw mut ret, Some(encrypts), args, size_of::<usize>());
                assert_eq!(step, ASYNC_PAUSE);
                assert_eq!(simaccel_job_set_data(*job, address.cast()), SimaccelResult::Ok);
            }
        }
        let mut finished = 0_usize;
        while finished < JOBS {
            let counter = (&raw mut finished).cast();
            if self.stepped {
                // SAFETY: the engine is valid.
                assert_eq!(unsafe { simaccel_device_run_until_idle(self.engine) }, SimaccelResult::Ok);
            }
            // SAFETY: the engine is valid, and the argument is the counter of `resume`.
            let polled = unsafe { poll(self.engine, JOBS, Some(resume), counter, ptr::null_mut()) };
            assert_eq!(polled, SimaccelResult::Ok);
        }
    }
}

impl Drop for C {
    fn drop(&mut self) {
        // SAFETY: they are not used again.
        unsafe {
            ASYNC_WAIT_CTX_free(self.ctx);
            simaccel_session_free(self.session);
            simaccel_engine_free(self.engine);
        }
    }
}

fn main() {
    println!("one thread, its processor time:");
    compare(true, processor_time);
    println!("with worker threads:");
    let start = Instant::now();
    compare(false, || start.elapsed());
}

fn compare(stepped: bool, now: impl Fn() -> Duration) {
    let config = "delivery=poll;depth=1024";
    let parsed = Config::parse(config).unwrap();
    let engine = if stepped { Engine::stepped(parsed) } else { Engine::open(parsed) }.unwrap();
    let c = C::new(config, stepped);
    let ways: [(&str, &dyn Fn()); 4] = [
        ("Rust, owned buffer, poll", &|| in_rust(&engine)),
        ("C, out of place, poll_data", &|| c.round(simaccel_poll_data, false)),
        ("C, in place, poll_data", &|| c.round(simaccel_poll_data, true)),
        ("C, in place, reap", &|| c.round(simaccel_reap, true)),
    ];
    let mut times = [const { Vec::new() }; 4];
    for _ in 0..ROUNDS {
        for ((_, round), times) in ways.iter().zip(&mut times) {
            times.push(timed(&now, round));
        }
    }
    // From consecutive turns: other processes affect both alike.
    let rust = times[0].clone();
    for ((name, _), times) in ways.iter().zip(&times) {
        let ratios = times.iter().zip(&rust).map(|(time, rust)| time / rust);
        println!("  {name:<28} {:7.1} ns  {:5.2} times Rust", median(times.iter().copied()), median(ratios));
    }
}

fn median(of: impl Iterator<Item = f64>) -> f64 {
    let mut sorted: Vec<f64> = of.collect();
    sorted.sort_by(f64::total_cmp);
    sorted[sorted.len() / 2]
}
