//! A worker that panics leaves the device dead: everything ends with an error, nothing hangs, and a reset
//! revives it.

mod captured;
mod engine_helpers;

use simaccel::{Engine, Error, Hash, Job, Step, WaitCtx};

use self::engine_helpers::{IV, assert_adds_up, ctr, expected_ctr, finish, message, open, stepped};

/// Kills the device by a blocking operation.
fn kill(engine: &Engine) {
    let session = engine.panicking_hash(Hash::Sha256).unwrap();
    assert_eq!(session.digest(b"boom"), Err(Error::DeviceDead));
    assert_eq!(engine.stats().device.deaths, 1);
}

#[test]
fn what_is_in_flight_when_a_worker_panics_ends_with_device_dead() {
    let engine = stepped("completion_nsec=1000000;depth=4");
    let ctx = WaitCtx::new();
    let mut jobs: Vec<_> = (0..6)
        .map(|index| {
            let session = ctr(&engine);
            let mut job = Job::new(&ctx, move || session.encrypt(&IV, message(index, 50))).unwrap();
            assert!(matches!(job.resume().unwrap(), Step::Paused));
            job
        })
        .collect();
    kill(&engine);
    engine.device().run_until_idle();
    for (index, job) in jobs.iter_mut().enumerate() {
        let Step::Finished(result) = job.resume().unwrap() else { panic!("job {index} hangs") };
        // Requests that were due before the device died have their result.
        match result.map_err(simaccel::OpError::into_parts) {
            Ok(output) => assert_eq!(output, expected_ctr(&message(index, 50))),
            Err(lost) => assert_eq!(lost, (Error::DeviceDead, message(index, 50)), "the input comes back"),
        }
    }
    assert_adds_up(&engine);
}

#[test]
fn a_dead_device_fails_every_operation_at_once_until_it_is_reset() {
    for engine in [open(""), open("delivery=poll;workers=2"), stepped("")] {
        kill(&engine);
        let session = ctr(&engine);
        let (error, buffer) = session.encrypt(&IV, message(1, 70)).unwrap_err().into_parts();
        assert_eq!((&error, buffer), (&Error::DeviceDead, message(1, 70)));
        assert!(error.is_device_failure() && !error.is_retryable(), "retrying alone does not help");
        engine.device().reset();
        assert_eq!(session.encrypt(&IV, message(1, 70)).unwrap(), expected_ctr(&message(1, 70)));
        assert_adds_up(&engine);
    }
}

#[test]
fn a_job_whose_own_request_kills_the_worker_is_woken_with_the_error() {
    let engine = open("");
    let ctx = WaitCtx::new();
    let session = engine.panicking_hash(Hash::Sha512).unwrap();
    let (result, pauses) = finish(&ctx, &mut Job::new(&ctx, move || session.digest(b"boom")).unwrap());
    assert_eq!((result, pauses >= 1), (Err(Error::DeviceDead), true));
    assert_adds_up(&engine);
}

#[test]
fn with_fallback_on_software_takes_over_and_it_is_counted() {
    let engine = open("fallback=on");
    let session = engine.panicking_hash(Hash::Sha256).unwrap();
    let digest = session.digest(b"abc").unwrap();
    assert_eq!(hex::encode(digest), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    assert_eq!(ctr(&engine).encrypt(&IV, message(2, 99)).unwrap(), expected_ctr(&message(2, 99)));
    assert_eq!((engine.stats().fallbacks, engine.stats().device.deaths), (2, 1));
}
