//! Devices that fail: traits without an error go on in software, counted; the others say so, and keep their
//! buffers.

use aead::{Aead, AeadInOut};
use cipher::consts::U32;
use cipher::{BlockCipherDecrypt, BlockCipherEncrypt, BlockModeEncrypt, KeyIvInit, StreamCipher};
use digest::{Digest, KeyInit, Mac};
use simaccel::rustcrypto::{Aes256, Aes256Gcm, AesCtr, CbcEncryptor, HmacSha256, Sha256, stood_in};
use simaccel::{Engine, Hash, Job, WaitCtx};

use crate::engine_helpers::{assert_adds_up, finish, open, stepped};

const KEY: [u8; 32] = [0x42; 32];
const IV: [u8; 16] = [0x24; 16];

/// Every trait without an error, with messages of several operations; compared with RustCrypto's own types.
fn all_are_right(engine: &Engine) {
    let text = vec![0x5a; 100_000];
    let mut hash = Sha256::on(engine).unwrap();
    let mut mac = HmacSha256::on(engine, &KEY).unwrap();
    for piece in text.chunks(9_999) {
        Digest::update(&mut hash, piece);
        Mac::update(&mut mac, piece);
    }
    assert_eq!(hash.finalize(), sha2::Sha256::digest(&text));
    let software = hmac::Hmac::<sha2::Sha256>::new_from_slice(&KEY).unwrap();
    mac.verify(&software.chain_update(&text).finalize().into_bytes()).unwrap();

    let (mut ours, mut theirs) = ([[3; 16].into(); 50], [[3; 16].into(); 50]);
    let aes = Aes256::on(engine, &KEY.into()).unwrap();
    aes.encrypt_blocks(&mut ours);
    aes::Aes256::new(&KEY.into()).encrypt_blocks(&mut theirs);
    assert_eq!(ours, theirs);
    aes.decrypt_blocks(&mut ours);
    assert!(ours.iter().all(|block| block[..] == [3; 16]));

    let mut cbc = CbcEncryptor::<U32>::on(engine, &KEY.into(), &IV.into()).unwrap();
    let mut software = cbc::Encryptor::<aes::Aes256>::new(&KEY.into(), &IV.into());
    for _ in 0..5 {
        let (mut ours, mut theirs) = ([[3; 16].into(); 7], [[3; 16].into(); 7]);
        cbc.encrypt_blocks(&mut ours);
        software.encrypt_blocks(&mut theirs);
        assert_eq!(ours, theirs);
    }
    let mut ctr = AesCtr::<U32>::on(engine, &KEY.into(), &IV.into()).unwrap();
    let mut software = ctr::Ctr128BE::<aes::Aes256>::new(&KEY.into(), &IV.into());
    for len in [5, 16, 27, 1_000] {
        let (mut ours, mut theirs) = (vec![1; len], vec![1; len]);
        ctr.apply_keystream(&mut ours);
        software.apply_keystream(&mut theirs);
        assert_eq!(ours, theirs);
    }
}

/// The operations of [`all_are_right`].
fn operations() -> u64 {
    let engine = open("");
    all_are_right(&engine);
    assert_eq!(engine.stats().fallbacks, 0);
    engine.stats().operations
}

#[test]
fn where_all_fail_software_has_done_all_and_it_is_counted() {
    let before = stood_in();
    let engine = open("fault=fail:every=1");
    all_are_right(&engine);
    let stats = engine.stats();
    assert_eq!((stats.operations, stats.fallbacks), (operations(), operations()));
    assert!(stood_in() - before >= stats.fallbacks);
    assert_adds_up(&engine);
}

#[test]
fn where_some_fail_software_has_done_these() {
    for rule in ["fail:every=3", "short:every=2", "nomem:every=3", "reset:every=5", "dead:after=10"] {
        for model in ["", "completion_nsec=100;"] {
            let engine = stepped(&format!("{model}fault={rule}"));
            all_are_right(&engine);
            let stats = engine.stats();
            assert!(stats.fallbacks > 0 && stats.fallbacks < stats.operations, "{rule}: {stats:?}");
            assert_adds_up(&engine);
        }
    }
}

/// Retries and fallback by configuration come first.
#[test]
fn what_the_engine_mends_is_not_mended_again() {
    let before = stood_in();
    let engine = open("fault=fail:every=2;max_retries=3");
    all_are_right(&engine);
    assert_eq!(engine.stats().fallbacks, 0);
    let engine = open("fault=fail;fallback=on");
    all_are_right(&engine);
    assert_eq!(engine.stats().fallbacks, engine.stats().operations);
    // Other tests run beside this one; what these engines have done is in their own counters.
    assert!(stood_in() >= before);
}

#[test]
fn a_request_that_never_ends_is_taken_back() {
    let engine = stepped("fault=timeout:every=2");
    all_are_right(&engine);
    assert!(engine.stats().never_ended > 0);
    let engine = stepped("fault=timeout:every=2;timeout_msec=1");
    all_are_right(&engine);
    assert!(engine.stats().timeouts > 0);
    assert_adds_up(&engine);
}

#[test]
fn in_a_job_too() {
    let engine = open("fault=fail:every=2");
    let ctx = WaitCtx::new();
    let in_job = engine.clone();
    let mut job = Job::new(&ctx, move || all_are_right(&in_job)).unwrap();
    assert!(finish(&ctx, &mut job).1 > 0);
    assert!(engine.stats().fallbacks > 0);
    assert_adds_up(&engine);
}

#[test]
fn a_dead_device() {
    let engine = open("");
    engine.panicking_hash(Hash::Sha256).unwrap().digest(b"dies").unwrap_err();
    all_are_right(&engine);
    assert_eq!(engine.stats().fallbacks, operations());
}

#[test]
fn aeads_say_so_and_keep_their_buffers() {
    let engine = open("fault=fail:every=1");
    let aead = Aes256Gcm::on(&engine, &KEY.into()).unwrap();
    let mut text = b"attack at dawn".to_vec();
    assert_eq!(aead.encrypt(&[7; 12].into(), &text[..]), Err(aead::Error));
    assert_eq!(aead.encrypt_in_place(&[7; 12].into(), b"", &mut text), Err(aead::Error));
    assert_eq!(text, b"attack at dawn");
    let mut sealed =
        Aes256Gcm::on(&open(""), &KEY.into()).unwrap().encrypt(&[7; 12].into(), &text[..]).unwrap();
    let as_it_was = sealed.clone();
    assert_eq!(aead.decrypt_in_place(&[7; 12].into(), b"", &mut sealed), Err(aead::Error));
    assert_eq!(sealed, as_it_was);
    assert_eq!(engine.stats().fallbacks, 0);
    assert_adds_up(&engine);
}
