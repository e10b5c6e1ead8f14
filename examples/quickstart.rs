//! The shortest whole cycle: a job asks for encryption, pauses, is woken through its wait fd, and finishes.

use std::io::Write;

use simaccel::{Cipher, Config, Engine, Job, Step, WaitCtx, wait_readable};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut out = std::io::stdout(); // println! would panic without a reader
    let engine = Engine::open(Config::default())?; // the built-in device and its worker thread
    let session = engine.cipher(Cipher::Aes256Ctr, &[0x42; 32])?;
    let (iv, message) = ([0x24; 16], b"attack at dawn".to_vec());

    let ctx = WaitCtx::new(); // one per connection
    let in_job = session.clone();
    let mut job = Job::new(&ctx, move || in_job.encrypt(&iv, message))?;
    let sealed = loop {
        match job.resume()? {
            Step::Paused => {
                writeln!(out, "paused; waiting for fd {:?}", ctx.all_fds())?;
                wait_readable(&ctx.all_fds())?;
            }
            Step::Finished(result) => break result?,
        }
    };
    writeln!(out, "finished: {}", hex::encode(&sealed))?;

    // Outside a job the same call blocks.
    let opened = session.decrypt(&iv, sealed)?;
    writeln!(out, "and back: {}", String::from_utf8_lossy(&opened))?;
    writeln!(out, "pauses {}, resumes {}", engine.stats().pauses, engine.stats().resumes)?;
    Ok(())
}
