//! The shortest whole cycle: a job asks for encryption, pauses, is woken through its wait fd, and finishes.

use simaccel::{Cipher, Config, Engine, Job, Step, WaitCtx, wait_readable};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let engine = Engine::open(Config::default())?; // the built-in device and its worker thread
    let session = engine.cipher(Cipher::Aes256Ctr, &[0x42; 32])?;
    let (iv, message) = ([0x24; 16], b"attack at dawn".to_vec());

    let ctx = WaitCtx::new(); // one per connection
    let in_job = session.clone();
    let mut job = Job::new(&ctx, move || in_job.encrypt(&iv, message))?;
    let sealed = loop {
        match job.resume()? {
            Step::Paused => {
                println!("paused; waiting for fd {:?}", ctx.all_fds());
                wait_readable(&ctx.all_fds())?;
            }
            Step::Finished(result) => break result?,
        }
    };
    println!("finished: {}", hex::encode(&sealed));

    // Outside a job the same call blocks.
    let opened = session.decrypt(&iv, sealed)?;
    println!("and back: {}", String::from_utf8_lossy(&opened));
    println!("pauses {}, resumes {}", engine.stats().pauses, engine.stats().resumes);
    Ok(())
}
