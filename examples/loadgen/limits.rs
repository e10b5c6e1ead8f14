//! What the system has for jobs: file descriptors, and memory for stacks and buffers.
//!
//! ```text
//!   wake-fd      a job in flight has a wake fd     too few: fewer are in flight, and standard error says so
//!   with jobs    a job has a stack                 too few: refused, before anything has run
//!   all          a job has buffers                 no memory: refused, before anything has run
//! ```
//!
//! Jobs could share wait contexts, and so fds. But the wake of a shared fd does not say whose it is, so all
//! jobs of the context would be resumed for each operation that ends: in all, the square of their number.

use nix::sys::resource::{RLIM_INFINITY, Resource, getrlimit, setrlimit};
use simaccel::job::{self, PoolConfig};

use crate::args::Mode;
use crate::failure::{self, Failure};
use crate::shortage::{self, Limits};
use crate::units::grouped;

/// File descriptors for everything else in the process ...
const RESERVE: u64 = 64;
/// ... and for the event loop of a thread.
const OF_A_THREAD: u64 = 4;

/// Memory of the program but for stacks and buffers, in bytes ...
pub(crate) const REST: usize = 64 << 20;
/// ... of a thread ...
pub(crate) const REST_OF_A_THREAD: usize = 4 << 20;
/// ... and of a job.
const REST_OF_A_JOB: usize = 1 << 10;

/// How many of so many jobs can be in flight: each has a wake fd, where it is woken by one. The limit of open
/// files is raised as far as it can be.
pub(crate) fn in_flight(mode: Mode, jobs: usize, threads: usize) -> Result<usize, Failure> {
    if mode != Mode::WakeFd {
        return Ok(jobs);
    }
    let taken = RESERVE + OF_A_THREAD * threads as u64 + open_now();
    let (limit, hard) = raise(taken + jobs as u64)?;
    let room = usize::try_from(limit.saturating_sub(taken)).unwrap_or(usize::MAX);
    if room >= jobs {
        return Ok(jobs);
    }
    let (got, of) = (grouped(room), grouped(jobs));
    let advice = format!(
        "raise ulimit -n, whose hard limit is {hard}, or take --mode callback, poll or futures, which need none"
    );
    if room < threads {
        let why =
            format!("there is room for the file descriptors of {got} of {of} jobs by wake-fd; {advice}");
        return Err(Failure::option("--jobs", why));
    }
    failure::say(&format!(
        "--jobs: there is room for the file descriptors of {got} of {of} jobs, so {got} are in flight by \
         wake-fd; {advice}"
    ));
    Ok(room)
}

/// Raises the soft limit to `wanted` if the hard limit allows it, to the hard limit otherwise. Returns both.
fn raise(wanted: u64) -> Result<(u64, u64), Failure> {
    let failed = |errno| Failure::Run(format!("limit of open files: {errno}"));
    let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE).map_err(failed)?;
    let raised = wanted.min(hard);
    if raised <= soft {
        return Ok((soft, hard));
    }
    setrlimit(Resource::RLIMIT_NOFILE, raised, hard).map_err(failed)?;
    Ok((raised, hard))
}

fn open_now() -> u64 {
    std::fs::read_dir("/proc/self/fd").map_or(0, |fds| fds.count() as u64)
}

/// Creates the stacks of so many jobs of this thread, where so many bytes are left for the rest of the
/// program. Idle jobs keep them, so no operation of a run maps one.
pub(crate) fn make_stacks(jobs: usize, rest: usize) -> Result<(), Failure> {
    let pool = PoolConfig { max_jobs: jobs, initial_jobs: jobs, ..PoolConfig::default() };
    let rest = has_room_for(rest + jobs * REST_OF_A_JOB);
    job::init_thread(pool).map_err(|error| Failure::Run(error.to_string()))?;
    let idle = usize::try_from(job::thread_stats().idle).unwrap_or(usize::MAX);
    // Without memory for the rest none is of use.
    let got = if rest.is_some() { idle.min(jobs) } else { 0 };
    if got == jobs {
        return Ok(());
    }
    drop(rest);
    let advice = limits().advice();
    // What is left of the program needs some of it.
    job::cleanup_thread();
    let (got, of) = (grouped(got), grouped(jobs));
    let each = (pool.stack_size + pool.guard_size) >> 10;
    let why = format!("there is memory for the stacks of {got} of {of} jobs ({each} KiB each); {advice}");
    Err(Failure::option("--jobs", why))
}

/// Refuses buffers of so many bytes together, where there is no memory for them.
pub(crate) fn check_buffers(jobs: usize, bytes: usize) -> Result<(), Failure> {
    if has_room_for(bytes + REST).is_some() {
        return Ok(());
    }
    let why = format!(
        "there is no memory for the buffers of {} jobs, {} MiB; {}",
        grouped(jobs),
        grouped(bytes.div_ceil(1 << 20)),
        limits().advice()
    );
    Err(Failure::option("--jobs", why))
}

/// Address space, while it is held.
fn has_room_for(bytes: usize) -> Option<Vec<u8>> {
    let mut room = Vec::new();
    room.try_reserve_exact(bytes).is_ok().then_some(room)
}

fn limits() -> Limits {
    let limit = |resource| {
        let soft = getrlimit(resource).map_or(RLIM_INFINITY, |(soft, _)| soft);
        (soft != RLIM_INFINITY).then_some(soft)
    };
    Limits {
        mappings: shortage::mappings(),
        most_mappings: shortage::most_mappings(),
        address_space: limit(Resource::RLIMIT_AS),
        data: limit(Resource::RLIMIT_DATA),
    }
}
