//! Each fault of a device, and how the engine handles it: a tour in short scenes.
//!
//! Each scene encrypts one message in a job, on a device that takes 50 µs for it and misbehaves in one way.
//! The device is *stepped*: its clock is virtual and moves only when nothing else is left to do, so the
//! output is the same on every machine.
//!
//! ```text
//!   resume ──► the job pauses ──► step, step, ... ──► the device wakes the job ──► resume ─► ... ─► finished
//! ```
//!
//! `cargo run --example faults` prints what `docs/faults.md` shows and explains.

use std::error::Error;
use std::io::Write;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use simaccel::grammar::Shown;
use simaccel::{Cipher, CipherSession, Config, Engine, Job, OpError, Step, WaitCtx};

const MESSAGE: &[u8] = b"attack at dawn";
const KEY: [u8; 32] = [0x42; 32];
const IV: [u8; 16] = [0x24; 16];
/// The encrypted message, by `openssl enc -aes-256-ctr`.
const EXPECTED: &str = "92c9712899c7b4c56e7e70581a47";

const HELP: &str = "usage: faults

Exit code: 0 when the tour is complete; 1 for an error, or a standard output that cannot be written; 2 for an argument:
there are none.
";

fn main() -> ExitCode {
    let ended = match std::env::args_os().nth(1) {
        None => tour(),
        Some(help) if help == "--help" || help == "-h" => print(HELP).map_err(From::from),
        Some(other) => {
            let other = other.to_string_lossy();
            say(&format!("{} is an argument, and there are none; --help says more", Shown(&other)));
            return ExitCode::from(2);
        }
    };
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            say(&error.to_string());
            ExitCode::FAILURE
        }
    }
}

/// `print!` would panic without a reader.
fn print(text: &str) -> Result<(), String> {
    std::io::stdout().write_all(text.as_bytes()).map_err(|error| format!("standard output: {error}"))
}

/// Prints a line on standard error. If that fails, the exit code must suffice.
fn say(line: &str) {
    let _ = writeln!(std::io::stderr(), "faults: {line}");
}

fn tour() -> Result<(), Box<dyn Error>> {
    Scene::open("nothing goes wrong", "")?.encrypt()?;

    Scene::open(
        "an error: it is typed, it says whether to try again, and it gives the input back",
        "fault=fail",
    )?
    .encrypt()?;

    Scene::open("retry: the engine tries again by itself", "fault=fail:times=2;max_retries=2")?
        .encrypt()?
        .count("retries", |engine| engine.stats().retries)?;

    Scene::open("timeout: a request that never ends is taken back", "fault=timeout:nth=1;timeout_msec=2")?
        .encrypt()?
        .encrypt()?
        .count("timeouts", |engine| engine.stats().timeouts)?;

    Scene::open("a lost wake: the request is done, and no wake is sent", "fault=drop_wake:nth=1")?
        .encrypt()?;

    Scene::open(
        "the same with a timeout and another try",
        "fault=drop_wake:nth=1;timeout_msec=2;max_retries=1",
    )?
    .encrypt()?
    .count("timeouts", |engine| engine.stats().timeouts)?;

    Scene::open("a spurious wake: the job looks, and pauses again", "fault=spurious_wake:nth=1")?
        .encrypt()?
        .count("spurious resumes", |engine| engine.stats().spurious_resumes)?;

    Scene::open("reset: everything in flight fails; the next try works", "fault=reset:nth=1;max_retries=1")?
        .encrypt()?
        .count("resets", |engine| engine.stats().device.resets)?;

    Scene::open("a dead device: nothing works until it is reset", "fault=dead:nth=1")?
        .encrypt()?
        .encrypt()?
        .reset()?
        .encrypt()?;

    Scene::open(
        "fallback: software stands in for a dead device, and is counted",
        "fault=dead:nth=1;fallback=on",
    )?
    .encrypt()?
    .count("fallbacks", |engine| engine.stats().fallbacks)?;

    Scene::open(
        "corruption: the device says that all is well; only a tag or a comparison finds out",
        "fault=corrupt:bit=3",
    )?
    .encrypt()?;

    Scene::open("a short output", "fault=short:bytes=4")?.encrypt()?;

    Scene::open("a service that is slow for ten seconds: the device is changed while it runs", "")?
        .encrypt()?
        .change("completion_nsec=4000000000")?
        .encrypt_until(Duration::from_secs(10))?
        .change("completion_nsec=50000")?
        .encrypt()?;
    Ok(())
}

/// An engine whose device has one fault.
struct Scene {
    engine: Engine,
    session: CipherSession,
}

impl Scene {
    fn open(title: &str, config: &str) -> Result<Self, Box<dyn Error>> {
        print(&format!("\n{title}\n    {}\n", if config.is_empty() { "no fault" } else { config }))?;
        let engine = Engine::stepped(Config::parse(&format!("completion_nsec=50000;{config}"))?)?;
        let session = engine.cipher(Cipher::Aes256Ctr, &KEY)?;
        Ok(Self { engine, session })
    }

    /// Encrypts the message in a job: resumes it, and runs the device whenever it pauses.
    fn encrypt(self) -> Result<Self, Box<dyn Error>> {
        let ctx = WaitCtx::new();
        let woken = Arc::new(AtomicBool::new(false));
        let wake = Arc::clone(&woken);
        ctx.set_callback(Some(Arc::new(move || wake.store(true, Ordering::Relaxed))));

        let session = self.session.clone();
        let mut job = Job::new(&ctx, move || session.encrypt(&IV, MESSAGE.to_vec()))?;
        loop {
            match job.resume()? {
                Step::Paused => self.note("the job pauses, its request is with the device")?,
                Step::Finished(result) => {
                    self.print_outcome(result)?;
                    return Ok(self);
                }
            }
            while !woken.load(Ordering::Relaxed) {
                if !self.engine.device().step() {
                    self.note("nothing is left to happen: this job would wait for ever, so it is dropped")?;
                    return Ok(self);
                }
            }
            woken.store(false, Ordering::Relaxed);
            self.note("the job is woken")?;
        }
    }

    fn print_outcome(&self, result: Result<Vec<u8>, OpError>) -> Result<(), String> {
        match result {
            Ok(output) if hex::encode(&output) == EXPECTED => self.note("finished, and the result is right"),
            Ok(_) => self.note("finished, and the result is WRONG"),
            Err(error) => {
                let (error, input) = error.into_parts();
                let again =
                    if error.is_retryable() { "another try may help" } else { "another try is no use" };
                assert_eq!(input, MESSAGE, "an error gives the input back");
                self.note(&format!("error: {error} ({again}; the input is back)"))
            }
        }
    }

    /// Encrypts again and again, until the device's clock says so.
    fn encrypt_until(mut self, end: Duration) -> Result<Self, Box<dyn Error>> {
        while self.engine.device().now() < end {
            self = self.encrypt()?;
        }
        Ok(self)
    }

    fn change(self, text: &str) -> Result<Self, Box<dyn Error>> {
        self.engine.reconfigure(text)?;
        self.note(&format!("engine.reconfigure({text:?})"))?;
        Ok(self)
    }

    fn reset(self) -> Result<Self, String> {
        self.engine.device().reset();
        self.note("engine.device().reset()")?;
        Ok(self)
    }

    fn count(self, name: &str, count: impl Fn(&Engine) -> u64) -> Result<Self, String> {
        print(&format!("    {name}: {}\n", count(&self.engine)))?;
        Ok(self)
    }

    /// A line of the tour, with the device's time.
    fn note(&self, what: &str) -> Result<(), String> {
        print(&format!("    {:>5} µs  {what}\n", self.engine.device().now().as_micros()))
    }
}
