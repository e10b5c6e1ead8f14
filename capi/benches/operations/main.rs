//! The cost of an operation through the C functions, compared with Rust and with libcrypto's jobs on the same
//! ring (`libcrypto.rs`): 64 polled jobs that encrypt 64 bytes each with AES-256-CTR, repeatedly, in turns,
//! in one process.
//!
//! ```text
//!   capi64_vs_rust_owned        how many times the cost of Rust's owned buffer
//!   capi64_vs_libcrypto_ring    how many times as fast as libcrypto's jobs
//! ```
//!
//! First on a stepped device, in processor time of the one thread that does everything, the device's work
//! too: other processes matter little, and the difference is the interface's. Then with a worker thread, in
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

mod libcrypto;

use self::libcrypto::{Functions, Memory, Ring};

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
    // Before libcrypto is loaded: see there.
    in_c_once();
    let libcrypto = Functions::load();
    if libcrypto.is_none() {
        println!("libcrypto.so.3 cannot be loaded: nothing is compared with it");
    }
    println!("one thread, its processor time:");
    compare(libcrypto, true, processor_time);
    println!("with a worker thread:");
    let start = Instant::now();
    compare(libcrypto, false, || start.elapsed());
}

fn in_c_once() {
    C::new(CONFIG, true).round(simaccel_poll_data, true);
}

const CONFIG: &str = "delivery=poll;depth=1024";

/// A name, and a round of it.
type Way<'a> = (&'static str, Box<dyn Fn() + 'a>);

fn compare(libcrypto: Option<Functions>, stepped: bool, now: impl Fn() -> Duration) {
    let parsed = Config::parse(CONFIG).unwrap();
    let engine = if stepped { Engine::stepped(parsed) } else { Engine::open(parsed) }.unwrap();
    let c = C::new(CONFIG, stepped);
    let ring = libcrypto.map(|functions| Ring::new(functions, CONFIG, stepped));
    let mut ways: Vec<Way<'_>> = vec![
        ("Rust, owned buffer, poll", Box::new(|| in_rust(&engine))),
        ("C, out of place, poll_data", Box::new(|| c.round(simaccel_poll_data, false))),
        ("C, in place, poll_data", Box::new(|| c.round(simaccel_poll_data, true))),
        ("C, in place, reap", Box::new(|| c.round(simaccel_reap, true))),
    ];
    if let Some(ring) = &ring {
        ways.push(("libcrypto's jobs, the ring's memory", Box::new(|| ring.round(Memory::Rings))));
        ways.push(("libcrypto's jobs, copies in and out", Box::new(|| ring.round(Memory::Callers))));
    }
    let mut times = vec![Vec::new(); ways.len()];
    for _ in 0..ROUNDS {
        for ((_, round), times) in ways.iter().zip(&mut times) {
            times.push(timed(&now, round));
        }
    }
    for ((name, _), of_this) in ways.iter().zip(&times) {
        let (time, ratio) = (median(of_this.iter().copied()), ratio(of_this, &times[0]));
        println!("  {name:<36} {time:7.1} ns  {ratio:5.2} times Rust");
    }
    println!("  capi64_vs_rust_owned {:.2}", ratio(&times[2], &times[0]));
    if ring.is_some() {
        println!("  capi64_vs_libcrypto_ring {:.2}", ratio(&times[4], &times[3]));
        println!("  capi64_vs_libcrypto_ring_with_copies {:.2}", ratio(&times[5], &times[3]));
    }
}

/// The median ratio of consecutive turns: other processes affect both alike.
fn ratio(of: &[f64], to: &[f64]) -> f64 {
    median(of.iter().zip(to).map(|(of, to)| of / to))
}

fn median(of: impl Iterator<Item = f64>) -> f64 {
    let mut sorted: Vec<f64> = of.collect();
    sorted.sort_by(f64::total_cmp);
    sorted[sorted.len() / 2]
}
