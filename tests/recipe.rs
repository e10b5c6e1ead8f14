//! The README's recipe for a crate that wants to test its asynchronous crypto path without hardware.

use std::time::Duration;

use simaccel::{Cipher, Config, Engine, Job, Step, WaitCtx};

#[test]
fn a_slow_accelerator_and_a_spurious_wake() {
    // Two slots, 50 µs each, on a clock that stands still until the test moves it.
    let config = Config::parse("compute_units=2;completion_nsec=50000").unwrap();
    let engine = Engine::stepped(config).unwrap();
    let session = engine.cipher(Cipher::Aes128Cbc, &[7; 16]).unwrap();

    // Your code under test: whatever calls the session inside of a job.
    let ctx = WaitCtx::new();
    let in_job = session.clone();
    let mut job = Job::new(&ctx, move || in_job.encrypt(&[0; 16], b"hello".to_vec())).unwrap();

    assert!(matches!(job.resume().unwrap(), Step::Paused));
    assert!(matches!(job.resume().unwrap(), Step::Paused), "woken by mistake: it pauses again");
    engine.device().advance(Duration::from_nanos(49_999));
    assert!(!ctx.is_woken(), "one nanosecond is missing");
    engine.device().advance(Duration::from_nanos(1));
    assert!(ctx.is_woken(), "a missing wake fails the test here; `wait_readable` would wait for it");
    let Step::Finished(sealed) = job.resume().unwrap() else { panic!("the device is done") };

    assert_eq!(session.decrypt(&[0; 16], sealed.unwrap()).unwrap(), b"hello");
    assert_eq!((engine.stats().pauses, engine.stats().spurious_resumes), (2, 1));
    assert_eq!(engine.device().now(), Duration::from_micros(100));
}
