//! The sizes of the stacks of C jobs, and of the guards below them: 64 KiB each, or as the environment or the
//! program sets them.
//!
//! ```text
//!   SIMACCEL_STACK_SIZE=262144 SIMACCEL_GUARD_SIZE=65536 program     read before the first job; for preloaded programs, too
//!   simaccel_set_stack_size(262144, 0)                               for threads whose first job comes later
//! ```
#![expect(unsafe_code, reason = "exported names")]

use std::env;
use std::io::{self, Write};
use std::sync::Once;

use simaccel::grammar::{self, Shown};
use simaccel::job::{PoolConfig, raw};

use crate::last_error::{Failure, SimaccelResult, reported};

/// Bytes of guard below each stack: frames of a C function may jump over a page.
const GUARD: usize = 64 * 1024;

/// Called before the first job of the process.
pub(crate) fn prepare() {
    static PREPARED: Once = Once::new();
    PREPARED.call_once(|| {
        let stack = PoolConfig::default().stack_size;
        let _ = raw::set_default_sizes(stack, GUARD);
        for (key, of) in [
            ("SIMACCEL_STACK_SIZE", (|size| (size, GUARD)) as fn(usize) -> (usize, usize)),
            ("SIMACCEL_GUARD_SIZE", |size| (PoolConfig::default().stack_size, size)),
        ] {
            let Some(value) = env::var_os(key) else { continue };
            let value = value.to_string_lossy();
            if let Err(why) = adopt(value.trim(), of) {
                // One write, so that lines do not mix. If standard error is closed, the line is lost.
                let line =
                    format!("simaccel: {key}={}: {why}; the default of 64 KiB is used\n", Shown(&value));
                let _ = io::stderr().write_all(line.as_bytes());
            }
        }
    });
}

fn adopt(value: &str, sizes: fn(usize) -> (usize, usize)) -> Result<(), String> {
    let bytes = grammar::number(value).ok_or("must be a number of bytes")?;
    let (stack_size, guard_size) = sizes(bytes);
    raw::set_default_sizes(stack_size, guard_size).map_err(|error| error.to_string())
}

/// Sets the sizes, in bytes, of the stacks of jobs and of the guards below them, for threads that create
/// their first job, or call [`ASYNC_init_thread`](crate::ASYNC_init_thread), later. 0 leaves that size as it
/// is.
#[unsafe(no_mangle)]
pub extern "C" fn simaccel_set_stack_size(stack_size: usize, guard_size: usize) -> SimaccelResult {
    reported(|| {
        prepare();
        let now = PoolConfig::default();
        let or = |size, before| if size == 0 { before } else { size };
        raw::set_default_sizes(or(stack_size, now.stack_size), or(guard_size, now.guard_size))
            .map_err(|error| Failure::argument(&error.to_string()))
    })
}
