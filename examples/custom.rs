//! An operation of your own on the device: run-length packing, in many jobs, with a name in statistics and a
//! fault of its own.
//!
//! ```text
//!   pack(text) ──► engine.call("pack", bytes, f) ──► the job pauses ──► a worker runs f ──► its value
//!                        │                                   ▲
//!                        └── fault=fail:op=pack: not run ────┘ max_retries: another try, for f has not run
//! ```
//!
//! `cargo run --release --example custom`

use std::io::Write;

use simaccel::{Config, Engine, Error, Job, Step, WaitCtx, wait_readable};

type AnyError = Box<dyn std::error::Error>;

/// The device knows the operation by name: a rule may select it, and a byte takes it 10 ns.
const CONFIG: &str = "operation=pack; completion_nsec=20_000; mbps=100; compute_units=4; max_retries=5
    fault=fail:op=pack,every=4,times=5";
const JOBS: usize = 20;

fn main() -> Result<(), AnyError> {
    let mut out = std::io::stdout(); // println! would panic without a reader
    let engine = Engine::open(Config::parse(CONFIG)?)?;

    // A job for each text, all in flight at once.
    let mut jobs = Vec::new();
    for number in 0..JOBS {
        let (ctx, engine, text) = (WaitCtx::new(), engine.clone(), text(number));
        let mut job = Job::new(&ctx, move || pack(&engine, text))?;
        if let Step::Paused = job.resume()? {
            jobs.push((number, ctx, job));
        }
    }
    writeln!(out, "{} jobs are paused", jobs.len())?;

    let mut packed_len = 0;
    for (number, ctx, mut job) in jobs {
        let packed = loop {
            match job.resume()? {
                Step::Paused => wait_readable(&ctx.all_fds())?,
                Step::Finished(packed) => break packed?,
            };
        };
        packed_len += packed.len();
        if unpacked(&packed) != text(number) {
            return Err(format!("text {number} is not what it was").into());
        }
    }
    writeln!(out, "{} bytes are packed into {packed_len}", JOBS * text(0).len())?;

    // Outside a job the same call blocks. A panic would go on here, and the device would live.
    let longest = engine.call("longest run", 4_096, || text(1).chunk_by(u8::eq).map(<[u8]>::len).max())?;
    writeln!(out, "the longest run has {} bytes", longest.unwrap_or(0))?;

    let stats = engine.stats();
    for call in &stats.device.calls {
        let (completed, failed, bytes) = (call.completed, call.failed, call.bytes);
        writeln!(out, "{}: {completed} completed, {failed} failed, {bytes} bytes", call.name)?;
    }
    writeln!(out, "{} retries", stats.retries)?;
    let lines = stats.to_prometheus();
    lines
        .lines()
        .filter(|line| line.starts_with("simaccel_call_"))
        .try_for_each(|line| writeln!(out, "{line}"))?;
    Ok(())
}

/// Packs a text on the device.
fn pack(engine: &Engine, text: Vec<u8>) -> Result<Vec<u8>, Error> {
    engine.call("pack", text.len(), move || packed(&text))
}

/// Each run of equal bytes as its length and the byte.
fn packed(text: &[u8]) -> Vec<u8> {
    let runs = text.chunk_by(u8::eq).flat_map(|run| run.chunks(usize::from(u8::MAX)));
    runs.flat_map(|run| [u8::try_from(run.len()).unwrap_or(u8::MAX), run[0]]).collect()
}

fn unpacked(packed: &[u8]) -> Vec<u8> {
    let runs = packed.chunks_exact(2);
    runs.flat_map(|run| std::iter::repeat_n(run[1], usize::from(run[0]))).collect()
}

/// Long runs of letters: 4096 bytes.
fn text(number: usize) -> Vec<u8> {
    (0..4_096).map(|at| b'a' + u8::try_from(at / (40 + number) % 26).unwrap_or(0)).collect()
}
