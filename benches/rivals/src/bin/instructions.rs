//! For counting instructions: job cycles or requests, and nothing that waits.
//!
//! ```text
//!   cargo build --release --manifest-path benches/rivals/Cargo.toml
//!   valgrind --tool=callgrind benches/rivals/target/release/instructions request 10000
//!   ... await 10000                        the same requests, awaited by tasks of tokio's on one thread, with a reaper
//!   ... modelled 10000                     the same requests on a device with a model of time, a fault rule, and timing
//! ```
//!
//! Run it with two counts: the difference of the totals, divided by the difference of the counts, is the
//! price of one. The stepped device works on the calling thread, so a request's price covers both sides; the
//! functions of `simaccel_device`'s `driver`, `core` and `kernels` are the device's.

use std::fmt::Display;
use std::io::Write;
use std::process::ExitCode;

use simaccel::{Cipher, CipherSession, Config, Engine, Error, Job, Step, WaitCtx, job};

/// Requests in flight.
const JOBS: u64 = 64;

/// What makes the device a modelled one; as in `rivals`, whose figure this explains.
const MODEL: &str = "compute_units=1024;completion_nsec=1000;fault=fail:every=1000000000;timing=all";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let outcome = match arguments[..] {
        ["cycle", count] => count.parse().map(cycles),
        ["request", count] => count.parse().map(|count| requests(count, "")),
        ["await", count] => count.parse().map(awaited),
        ["modelled", count] => count.parse().map(|count| requests(count, MODEL)),
        _ => {
            complain(&"allowed: cycle COUNT, request COUNT, await COUNT, modelled COUNT");
            return ExitCode::from(2);
        }
    };
    match outcome {
        Ok(Ok(())) => ExitCode::SUCCESS,
        Ok(Err(error)) => {
            complain(&error);
            ExitCode::FAILURE
        }
        Err(error) => {
            complain(&format_args!("COUNT: {error}; allowed: a number"));
            ExitCode::from(2)
        }
    }
}

/// If standard error cannot be written, the exit code must suffice.
fn complain(line: &dyn Display) {
    let _ = writeln!(std::io::stderr(), "instructions: {line}");
}

fn cycles(count: u64) -> Result<(), Error> {
    let ctx = WaitCtx::new();
    for number in 0..count {
        let mut job = Job::new(&ctx, move || {
            let _ = job::pause();
            number
        })?;
        assert!(matches!(job.resume()?, Step::Paused));
        assert_eq!(job.resume()?, Step::Finished(number));
    }
    Ok(())
}

/// What a job uses, and returns.
type Lane = (CipherSession, Vec<u8>);

fn requests(count: u64, model: &str) -> Result<(), Error> {
    let engine = Engine::stepped(Config::parse(&format!("delivery=poll;depth=128;{model}"))?)?;
    let ctx = WaitCtx::new();
    let session = engine.cipher(Cipher::Aes128Ctr, &[1; 16])?;
    let mut lanes: Vec<Lane> = (0..JOBS).map(|_| (session.clone(), vec![0; 64])).collect();
    for _ in 0..count.div_ceil(JOBS) {
        let mut jobs = lanes.drain(..).map(|lane| start(&ctx, lane)).collect::<Result<Vec<_>, _>>()?;
        engine.device().run_until_idle();
        let mut done = 0;
        while done < jobs.len() {
            done += engine.poll(jobs.len(), |_| ())?;
        }
        for job in &mut jobs {
            if let Step::Finished(lane) = job.resume()? {
                lanes.push(lane?);
            }
        }
    }
    assert_eq!(lanes.len() as u64, JOBS, "every request was done when its job was resumed");
    Ok(())
}

fn start(ctx: &WaitCtx, (session, buffer): Lane) -> Result<Job<Result<Lane, Error>>, Error> {
    let mut job = Job::new(ctx, move || {
        let buffer = session.encrypt(&[2; 16], buffer)?;
        Ok((session, buffer))
    })?;
    assert!(matches!(job.resume()?, Step::Paused));
    Ok(job)
}

/// Sixty-four tasks; one that steps the device when all of them wait; and the reaper.
fn awaited(count: u64) -> Result<(), Error> {
    let engine = Engine::stepped(Config::parse("delivery=poll;depth=128")?)?;
    let session = engine.cipher(Cipher::Aes128Ctr, &[1; 16])?;
    let (runtime, local) = match tokio::runtime::Builder::new_current_thread().build() {
        Ok(runtime) => (runtime, tokio::task::LocalSet::new()),
        Err(error) => return Err(Error::Thread(error.into())),
    };
    local.spawn_local(engine.reaper()?);
    let left = std::rc::Rc::new(std::cell::Cell::new(count));
    local.block_on(&runtime, async {
        let tasks: Vec<_> = (0..JOBS)
            .map(|slot| {
                let (session, left) = (session.clone(), std::rc::Rc::clone(&left));
                tokio::task::spawn_local(async move {
                    let mut buffer = vec![slot as u8; 64];
                    while left.get() > 0 {
                        left.set(left.get() - 1);
                        buffer = session.encrypt_async(&[2; 16], buffer).await?;
                    }
                    Ok::<_, Error>(())
                })
            })
            .collect();
        while !tasks.iter().all(|task| task.is_finished()) {
            engine.device().run_until_idle();
            tokio::task::yield_now().await;
        }
        for task in tasks {
            task.await.map_err(|_| Error::Closed)??;
        }
        Ok(())
    })
}
