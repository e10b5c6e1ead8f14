//! The engine for C: opening, polling, counting, and driving a stepped device. `include/simaccel/engine.h` is
//! the reference, also for arguments.
//!
//! ```text
//!   simaccel_engine  (one owner: simaccel_engine_free) ──► simaccel::Engine ◄── sessions keep it open, too
//! ```
#![expect(unsafe_code, reason = "the contracts of C functions, and their exported names")]

use std::ffi::{CStr, c_char, c_int, c_void};
use std::os::fd::AsRawFd;
use std::ptr;
use std::sync::Arc;
use std::time::Duration;

use simaccel::job::raw::{self, Handle};
use simaccel::{Config, Engine, Faults};

use crate::guard::{boundary, caught};
use crate::jobs::{self, AsyncJob};
use crate::last_error::{Failure, SimaccelResult, reported};

/// An engine, as C sees it.
#[derive(Debug)]
pub struct SimaccelEngine {
    pub(crate) engine: Engine,
}

/// Called by [`simaccel_poll`] for each job that may go on. It must not throw.
pub type PollFn = unsafe extern "C" fn(job: *mut AsyncJob, arg: *mut c_void);

/// Called by [`simaccel_poll_data`] and [`simaccel_reap`], with what is attached to the job. It must not
/// throw.
pub type PollDataFn = unsafe extern "C" fn(job: *mut AsyncJob, data: *mut c_void, arg: *mut c_void);

/// The target of a handle.
///
/// # Safety
///
/// `handle` is null or valid for as long as the reference is used.
pub(crate) unsafe fn given<'a, T>(handle: *const T, name: &str) -> Result<&'a T, Failure> {
    // SAFETY: the caller's promise.
    unsafe { handle.as_ref() }.ok_or_else(|| Failure::argument(&format!("{name} is NULL")))
}

/// The text at `text`; empty for null.
///
/// # Safety
///
/// `text` is null or ends with 0, and stays for as long as the result is used.
pub(crate) unsafe fn text<'a>(text: *const c_char, name: &str) -> Result<&'a str, Failure> {
    if text.is_null() {
        return Ok("");
    }
    // SAFETY: the caller's promise.
    let text = unsafe { CStr::from_ptr(text) };
    text.to_str().map_err(|_| Failure::argument(&format!("{name} is not UTF-8")))
}

/// The caller's text in quotation marks, or its beginning.
pub(crate) fn quoted(text: &str) -> String {
    const MOST: usize = 60;
    match text.char_indices().nth(MOST) {
        Some((end, _)) => format!("{:?}...", &text[..end]),
        None => format!("{text:?}"),
    }
}

/// Stores an output.
///
/// # Safety
///
/// `place` is null or valid.
pub(crate) unsafe fn store<T>(place: *mut T, value: T, name: &str) -> Result<(), Failure> {
    if place.is_null() {
        return Err(Failure::argument(&format!("{name} is NULL")));
    }
    // SAFETY: not null, and the caller's promise.
    unsafe { place.write(value) };
    Ok(())
}

/// # Safety
///
/// `config` is null or ends with 0; `engine` is null or valid.
unsafe fn open(
    config: *const c_char,
    engine: *mut *mut SimaccelEngine,
    open: impl FnOnce(Config) -> Result<Engine, simaccel::Error>,
) -> SimaccelResult {
    reported(|| {
        // SAFETY: the caller's promise.
        unsafe { store(engine, ptr::null_mut(), "engine") }?;
        // SAFETY: the caller's promise.
        let config = Config::parse(unsafe { text(config, "config") }?).map_err(simaccel::Error::from)?;
        let opened = Arc::new(SimaccelEngine { engine: open(config)? });
        // SAFETY: not null, as was just seen.
        unsafe { store(engine, Arc::into_raw(opened).cast_mut(), "engine") }
    })
}

/// Opens the built-in device, driven by its own threads, with this configuration; null is the default.
///
/// # Safety
///
/// `config` is null or ends with 0; `engine` is null or valid.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn simaccel_engine_open(
    config: *const c_char,
    engine: *mut *mut SimaccelEngine,
) -> SimaccelResult {
    // SAFETY: the caller's promise.
    unsafe { open(config, engine, Engine::open) }
}

/// Opens the built-in device without threads, on a virtual clock that the program moves.
///
/// # Safety
///
/// As for [`simaccel_engine_open`].
#[unsafe(no_mangle)]
pub unsafe extern "C" fn simaccel_engine_open_stepped(
    config: *const c_char,
    engine: *mut *mut SimaccelEngine,
) -> SimaccelResult {
    // SAFETY: the caller's promise.
    unsafe { open(config, engine, Engine::stepped) }
}

/// Frees the engine. Sessions, and operations that jobs are paused in, keep its device open until they end.
///
/// # Safety
///
/// `engine` is null, or an engine that is not used again.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn simaccel_engine_free(engine: *mut SimaccelEngine) {
    boundary(|| {
        if !engine.is_null() {
            // SAFETY: created by `open`, and freed by its owner.
            drop(unsafe { Arc::from_raw(engine) });
        }
    });
}

/// Calls `resume` for jobs that may go on, at most `max` of them, for engines with `delivery=poll`.
///
/// # Safety
///
/// `engine` is null or valid until this returns; `resume` may be called with `arg`; `count` is null or valid.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn simaccel_poll(
    engine: *mut SimaccelEngine,
    max: usize,
    resume: Option<PollFn>,
    arg: *mut c_void,
    count: *mut usize,
) -> SimaccelResult {
    // SAFETY: the caller's promises.
    unsafe {
        hand_out(engine, resume, count, |engine, resume| {
            engine.poll(max, |token| resume(jobs::pointer(Handle::from_bits(token)), arg))
        })
    }
}

/// [`simaccel_poll`], with the pointer that [`simaccel_job_set_data`] has attached to each job.
///
/// # Safety
///
/// As for [`simaccel_poll`].
#[unsafe(no_mangle)]
pub unsafe extern "C" fn simaccel_poll_data(
    engine: *mut SimaccelEngine,
    max: usize,
    resume: Option<PollDataFn>,
    arg: *mut c_void,
    count: *mut usize,
) -> SimaccelResult {
    // SAFETY: the caller's promises.
    unsafe {
        hand_out(engine, resume, count, |engine, resume| {
            engine.poll(max, |token| resume_with_data(resume, token, arg))
        })
    }
}

/// [`simaccel_poll_data`] for a thread that will look again soon: the device writes no eventfd.
///
/// # Safety
///
/// As for [`simaccel_poll`].
#[unsafe(no_mangle)]
pub unsafe extern "C" fn simaccel_reap(
    engine: *mut SimaccelEngine,
    max: usize,
    resume: Option<PollDataFn>,
    arg: *mut c_void,
    count: *mut usize,
) -> SimaccelResult {
    // SAFETY: the caller's promises.
    unsafe {
        hand_out(engine, resume, count, |engine, resume| {
            engine.reap(max, |token| resume_with_data(resume, token, arg))
        })
    }
}

/// # Safety
///
/// `resume` may be called with `arg`.
#[inline]
unsafe fn resume_with_data(resume: PollDataFn, token: u64, arg: *mut c_void) {
    let job = Handle::from_bits(token);
    let data = raw::data_to_resume(job).unwrap_or(ptr::null_mut());
    // SAFETY: the caller's promise.
    unsafe { resume(jobs::pointer(job), data, arg) };
}

/// # Safety
///
/// `engine` is null or valid until this returns; `count` is null or valid.
unsafe fn hand_out<F>(
    engine: *mut SimaccelEngine,
    resume: Option<F>,
    count: *mut usize,
    poll: impl FnOnce(&Engine, F) -> Result<usize, simaccel::Error>,
) -> SimaccelResult {
    reported(|| {
        // SAFETY: the caller's promise.
        let engine = unsafe { given(engine, "engine") }?;
        let resume = resume.ok_or_else(|| Failure::argument("resume is NULL"))?;
        // Polling owns things on this stack, so a job that polls must not be discarded in `resume`.
        raw::block_pause();
        let polled = caught(|| poll(&engine.engine.clone(), resume));
        raw::unblock_pause();
        let polled =
            polled.ok_or_else(|| Failure::new(SimaccelResult::Internal, "a panic was stopped"))??;
        if !count.is_null() {
            // SAFETY: not null, and the caller's promise.
            unsafe { count.write(polled) };
        }
        Ok(())
    })
}

/// Attaches the caller's pointer to an unfinished job of the calling thread, in place of the earlier one; a
/// job starts with null.
#[unsafe(no_mangle)]
pub extern "C" fn simaccel_job_set_data(job: *mut AsyncJob, data: *mut c_void) -> SimaccelResult {
    reported(|| raw::set_data(jobs::handle(job), data).map_err(|_| no_job(job)))
}

/// What [`simaccel_job_set_data`] has attached to the job.
///
/// # Safety
///
/// `data` is null or valid.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn simaccel_job_data(job: *mut AsyncJob, data: *mut *mut c_void) -> SimaccelResult {
    reported(|| {
        let attached = raw::data(jobs::handle(job)).map_err(|_| no_job(job))?;
        // SAFETY: the caller's promise.
        unsafe { store(data, attached, "data") }
    })
}

#[cold]
fn no_job(job: *mut AsyncJob) -> Failure {
    Failure::argument(if job.is_null() {
        "job is NULL"
    } else {
        "job names no unfinished job of this thread"
    })
}

/// The fd that becomes readable when [`simaccel_poll`] has something for the calling thread again. The engine
/// owns it.
///
/// # Safety
///
/// `engine` and `fd` are null or valid.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn simaccel_interrupt_fd(
    engine: *mut SimaccelEngine,
    fd: *mut c_int,
) -> SimaccelResult {
    reported(|| {
        // SAFETY: the caller's promise.
        let engine = unsafe { given(engine, "engine") }?;
        // SAFETY: the caller's promise.
        unsafe { store(fd, engine.engine.interrupt_fd()?.as_raw_fd(), "fd") }
    })
}

/// A snapshot of all counters as JSON, terminated by 0. `len` gets its length without the 0.
///
/// # Safety
///
/// `engine` is null or valid; `json` is null or has room for `size` bytes; `len` is null or valid.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn simaccel_stats_json(
    engine: *mut SimaccelEngine,
    json: *mut c_char,
    size: usize,
    len: *mut usize,
) -> SimaccelResult {
    reported(|| {
        // SAFETY: the caller's promise.
        let text = unsafe { given(engine, "engine") }?.engine.stats().to_json();
        if !len.is_null() {
            // SAFETY: not null, and the caller's promise.
            unsafe { len.write(text.len()) };
        }
        if json.is_null() || size <= text.len() {
            let needed = text.len() + 1;
            return Err(Failure::new(
                SimaccelResult::OutputTooSmall,
                format!("the statistics need {needed} bytes, there are {size}"),
            ));
        }
        // SAFETY: there is room for the text and one more byte.
        unsafe {
            json.cast::<u8>().copy_from_nonoverlapping(text.as_ptr(), text.len());
            json.add(text.len()).write(0);
        }
        Ok(())
    })
}

/// One event of a stepped device; `happened` gets 1, or 0 when there was nothing to do.
///
/// # Safety
///
/// `engine` is null or valid; `happened` is null or valid.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn simaccel_device_step(
    engine: *mut SimaccelEngine,
    happened: *mut c_int,
) -> SimaccelResult {
    // SAFETY: the caller's promise.
    unsafe {
        with_stepped(engine, |engine| {
            let stepped = c_int::from(engine.device().step());
            if !happened.is_null() {
                happened.write(stepped);
            }
        })
    }
}

/// Moves the clock of a stepped device by this many nanoseconds, with everything that happens on the way.
///
/// # Safety
///
/// `engine` is null or valid.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn simaccel_device_advance(engine: *mut SimaccelEngine, nsec: u64) -> SimaccelResult {
    // SAFETY: the caller's promise.
    unsafe { with_stepped(engine, |engine| engine.device().advance(Duration::from_nanos(nsec))) }
}

/// Steps until nothing is left to do.
///
/// # Safety
///
/// `engine` is null or valid.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn simaccel_device_run_until_idle(engine: *mut SimaccelEngine) -> SimaccelResult {
    // SAFETY: the caller's promise.
    unsafe {
        with_stepped(engine, |engine| {
            engine.device().run_until_idle();
        })
    }
}

/// Replaces the fault plan: `fault=...;fault=...`, or `""` for none.
///
/// # Safety
///
/// `engine` is null or valid; `faults` is null or ends with 0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn simaccel_engine_set_faults(
    engine: *mut SimaccelEngine,
    faults: *const c_char,
) -> SimaccelResult {
    reported(|| {
        // SAFETY: the caller's promise.
        let (engine, faults) = unsafe { (given(engine, "engine")?, text(faults, "faults")?) };
        let faults = Faults::parse(faults).map_err(simaccel::Error::from)?;
        Ok(engine.engine.set_faults(faults)?)
    })
}

/// Changes keys of the model, and the fault plan if there is a `fault`.
///
/// # Safety
///
/// `engine` is null or valid; `changes` is null or ends with 0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn simaccel_engine_reconfigure(
    engine: *mut SimaccelEngine,
    changes: *const c_char,
) -> SimaccelResult {
    reported(|| {
        // SAFETY: the caller's promise.
        let (engine, changes) = unsafe { (given(engine, "engine")?, text(changes, "changes")?) };
        Ok(engine.engine.reconfigure(changes)?)
    })
}

/// Ends everything in flight with `SIMACCEL_ERR_RESET`, and revives a dead device.
///
/// # Safety
///
/// `engine` is null or valid.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn simaccel_device_reset(engine: *mut SimaccelEngine) -> SimaccelResult {
    reported(|| {
        // SAFETY: the caller's promise.
        unsafe { given(engine, "engine") }?.engine.device().reset();
        Ok(())
    })
}

/// # Safety
///
/// `engine` is null or valid.
unsafe fn with_stepped(engine: *mut SimaccelEngine, body: impl FnOnce(&Engine)) -> SimaccelResult {
    reported(|| {
        // SAFETY: the caller's promise.
        let engine = &unsafe { given(engine, "engine") }?.engine;
        if !engine.device().is_stepped() {
            return Err(Failure::argument("the device is not a stepped one"));
        }
        body(engine);
        Ok(())
    })
}
