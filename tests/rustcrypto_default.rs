//! The default engine of RustCrypto's constructors, in a process of its own: it is set once, and an engine of
//! the parent's does not work in a child.

#![expect(unsafe_code, reason = "fork is a foreign call")]

mod captured;

use std::panic::{AssertUnwindSafe, catch_unwind};

use aead::Aead;
use cipher::BlockCipherEncrypt;
use digest::{Digest, KeyInit, Mac};
use nix::libc;
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use nix::sys::wait::{WaitStatus, waitpid};
use nix::unistd::{ForkResult, fork};
use simaccel::rustcrypto::{
    Aes256, Aes256Gcm, HmacSha256, Sha256, default_engine, set_default_engine, stood_in,
};
use simaccel::{Config, Engine, Error};

fn digest_is_right() {
    assert_eq!(Sha256::digest(b"abc")[..4], [0xba, 0x78, 0x16, 0xbf]);
}

#[test]
fn it_is_opened_when_needed_set_once_and_not_inherited() {
    in_a_child(a_failure_to_open_it_is_not_for_good);
    let engine = Engine::open(Config::parse("workers=1;seed=7").unwrap()).unwrap();
    set_default_engine(engine.clone()).unwrap();
    digest_is_right();
    let aead = Aes256Gcm::new(&[1; 32].into());
    aead.encrypt(&[2; 12].into(), &b"text"[..]).unwrap();
    assert_eq!(engine.stats().operations, 2);
    assert_eq!(default_engine().unwrap().config().to_string(), engine.config().to_string());
    let late = Engine::stepped(Config::default()).unwrap();
    set_default_engine(late).unwrap_err();

    in_a_child(|| {
        let before = stood_in();
        // Inherited, and newly constructed.
        digest_is_right();
        aead.encrypt(&[2; 12].into(), &b"text"[..]).unwrap_err();
        Aes256Gcm::new(&[1; 32].into()).encrypt(&[2; 12].into(), &b"text"[..]).unwrap_err();
        let mut block = [3; 16].into();
        Aes256::new(&[1; 32].into()).encrypt_block(&mut block);
        let mut expected = [3; 16].into();
        aes::Aes256::new(&[1; 32].into()).encrypt_block(&mut expected);
        assert_eq!(block, expected);
        let mac = HmacSha256::new_from_slice(b"key").unwrap().chain_update([5; 50_000]).finalize();
        let software = hmac::Hmac::<sha2::Sha256>::new_from_slice(b"key").unwrap();
        assert_eq!(mac.into_bytes(), software.chain_update([5; 50_000]).finalize().into_bytes());
        assert!(stood_in() - before >= 3);
        // A child opens its own.
        let own = Engine::open(Config::default()).unwrap();
        Sha256::on(&own).unwrap().finalize();
        assert_eq!(own.stats().device.total.completed, 1);
    });
    digest_is_right();
}

/// A process that may have no thread at first: what is constructed meanwhile has software, and no more.
fn a_failure_to_open_it_is_not_for_good() {
    let (soft, hard) = getrlimit(Resource::RLIMIT_AS).unwrap();
    setrlimit(Resource::RLIMIT_AS, 1, hard).unwrap();
    let refused = default_engine().err();
    digest_is_right();
    let mut early = Sha256::new();
    setrlimit(Resource::RLIMIT_AS, soft, hard).unwrap();
    assert!(matches!(refused, Some(Error::Thread(_))), "{refused:?}");
    assert_eq!(stood_in(), 1);

    digest_is_right();
    assert_eq!((stood_in(), default_engine().unwrap().stats().operations), (1, 1));
    // It has no session, and needs none.
    early.update(b"abc");
    assert_eq!(early.finalize()[..4], [0xba, 0x78, 0x16, 0xbf]);
    assert_eq!((stood_in(), default_engine().unwrap().stats().operations), (2, 1));
}

/// Runs `body` in a child of a fork, and fails where it does, or hangs.
fn in_a_child(body: impl FnOnce()) {
    // SAFETY: the child uses only this library and what the C library keeps usable after a fork.
    match unsafe { fork() }.unwrap() {
        ForkResult::Child => {
            // SAFETY: the signal ends a child that hangs, and its parent sees that.
            unsafe { libc::alarm(60) };
            let failed = catch_unwind(AssertUnwindSafe(body)).is_err();
            // SAFETY: ends the child without running the test harness's exit handlers.
            unsafe { libc::_exit(failed.into()) }
        }
        ForkResult::Parent { child } => {
            assert_eq!(waitpid(child, None).unwrap(), WaitStatus::Exited(child, 0));
        }
    }
}
