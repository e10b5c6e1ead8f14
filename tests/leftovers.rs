//! What a failure must not leave behind for later operations: a state, a wake, an output. (Found by the
//! simulation.)

mod captured;
mod engine_helpers;

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use simaccel::{Cipher, Error, Job, Step, WaitCtx};
use std::os::fd::AsFd;

use self::engine_helpers::{IV, assert_adds_up, ctr, expected_ctr, message, stepped};

fn is_readable(ctx: &WaitCtx) -> bool {
    let fds = ctx.all_fds();
    poll(&mut [PollFd::new(fds[0].as_fd(), PollFlags::POLLIN)], PollTimeout::ZERO).unwrap() == 1
}

#[test]
fn a_piece_whose_output_was_short_is_done_again_from_where_it_began() {
    for mended_by in ["max_retries=1", "fallback=on"] {
        let engine = stepped(&format!("completion_nsec=1000;fault=short:nth=2;{mended_by}"));
        let mut stream = ctr(&engine).encryptor(&IV);
        let plain = message(1, 90);
        let mut sealed = Vec::new();
        for piece in plain.chunks(30) {
            sealed.extend(stream.update(piece.to_vec()).unwrap());
        }
        sealed.extend(stream.finish().unwrap());
        assert_eq!(sealed, expected_ctr(&plain), "{mended_by}");
        assert_eq!(engine.stats().device.faults.get("short"), Some(1));
        assert_eq!(engine.stats().retries + engine.stats().fallbacks, 1);
    }
}

#[test]
fn a_dropped_job_takes_its_spurious_wake_along() {
    let engine = stepped("completion_nsec=1000;fault=spurious_wake:nth=1");
    let ctx = WaitCtx::new();
    let session = ctr(&engine);
    let mut job = Job::new(&ctx, move || session.encrypt(&IV, message(1, 50)).map(drop)).unwrap();
    assert!(matches!(job.resume().unwrap(), Step::Paused));
    assert!(engine.device().step());
    assert!(is_readable(&ctx), "woken, and nothing is done");
    drop(job);
    assert!(!is_readable(&ctx), "the next operation on this context is not woken by it");
    engine.device().run_until_idle();
    assert!(!is_readable(&ctx));
    assert_adds_up(&engine);
}

#[test]
fn no_output_of_an_earlier_try_is_given_out_with_the_error_of_a_later_one() {
    let engine =
        stepped("completion_nsec=1000;max_retries=1;fault=short:nth=1;fault=fail:nth=2,status=auth_failed");
    let session = engine.cipher(Cipher::Aes128Cbc, &[7; 16]).unwrap();
    let (error, source, destination) =
        session.encrypt_to(&IV, message(1, 64), vec![9; 3]).unwrap_err().into_buffers();
    assert_eq!((error, source), (Error::AuthFailed, message(1, 64)));
    assert_eq!(destination, Some(Vec::new()));
}
