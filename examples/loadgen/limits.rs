//! File descriptors: each wait context has one, and most limits do not allow 100,000.

use nix::sys::resource::{Resource, getrlimit, setrlimit};

use crate::failure::{self, Failure};

/// Reserved for everything else in the process.
const RESERVE: u64 = 64;

/// How many wait contexts `jobs` jobs get: one each where the limit can be raised far enough. Otherwise jobs
/// share as many as there can be fds, and standard error says so.
pub(crate) fn contexts_for(jobs: usize) -> Result<usize, Failure> {
    let room =
        usize::try_from(raise(jobs as u64 + RESERVE + open_now())?.saturating_sub(RESERVE + open_now()))
            .unwrap_or(usize::MAX)
            .max(1);
    if room < jobs {
        failure::say(&format!(
            "room for {room} more file descriptors (ulimit -Hn): {jobs} jobs share {room} wait contexts"
        ));
    }
    Ok(jobs.min(room))
}

/// Raises the soft limit to `wanted` if the hard limit allows it, to the hard limit otherwise; returns it.
fn raise(wanted: u64) -> Result<u64, Failure> {
    let failed = |errno| Failure::Run(format!("limit of open files: {errno}"));
    let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE).map_err(failed)?;
    let raised = wanted.min(hard);
    if raised <= soft {
        return Ok(soft);
    }
    setrlimit(Resource::RLIMIT_NOFILE, raised, hard).map_err(failed)?;
    Ok(raised)
}

fn open_now() -> u64 {
    std::fs::read_dir("/proc/self/fd").map_or(0, |fds| fds.count() as u64)
}
