//! Every operation in three ways (in a job, blocking, and on the stepped device), against software.

mod captured;
mod engine_helpers;

use sha2::{Digest, Sha256};
use simaccel::simaccel_device::Trial;
use simaccel::{
    Aead, Algorithm, AnySession, ArgumentError, Cipher, Engine, Error, Hash, Job, OpError, Operation,
    OsError, OtherSession, Padding, Parameters, Tag, WaitCtx,
};

use self::engine_helpers::{IV, assert_adds_up, ctr, expected_ctr, finish, message, open, stepped};

const ALL_SOFTWARE: &str = "offload_threshold=4294967295";

/// Runs `body` in the three ways and in software, and compares.
fn everywhere<R: PartialEq + std::fmt::Debug + 'static>(body: fn(&Engine) -> R) {
    let wanted = engine_helpers::software(ALL_SOFTWARE, body);
    for config in ["", "delivery=poll", "completion_nsec=30000;compute_units=2"] {
        let engine = open(config);
        assert_eq!(body(&engine), wanted, "blocking, {config}");
        assert_adds_up(&engine);
    }
    let engine = stepped("completion_nsec=1000000000");
    assert_eq!(body(&engine), wanted, "stepped");
    assert_adds_up(&engine);

    let engine = open("");
    let ctx = WaitCtx::new();
    let in_job = engine.clone();
    let (result, pauses) = finish(&ctx, &mut Job::new(&ctx, move || body(&in_job)).unwrap());
    assert_eq!(result, wanted, "in a job");
    let operations = engine.stats().operations;
    assert!(pauses as u64 >= operations && operations > 0, "{operations} operations paused {pauses} times");
    assert_adds_up(&engine);
}

fn key_of(len: usize) -> Vec<u8> {
    (0..).take(len).collect()
}

fn iv_of(cipher: Cipher) -> &'static [u8] {
    &IV[..cipher.iv_len()]
}

#[test]
fn ciphers_encrypt_and_decrypt() {
    everywhere(|engine| {
        let mut outputs = Vec::new();
        for cipher in Cipher::ALL.iter().copied() {
            let session = engine.cipher(cipher, &key_of(cipher.key_len())).unwrap();
            for len in [16, 100, 4096, 5001] {
                let plain = message(len, len);
                let sealed = session.encrypt(iv_of(cipher), plain.clone()).unwrap();
                assert_eq!(session.decrypt(iv_of(cipher), sealed.clone()).unwrap(), plain, "{cipher} {len}");
                outputs.push(sealed);
            }
        }
        outputs
    });
}

#[test]
fn ciphers_work_out_of_place_and_on_slices() {
    everywhere(|engine| {
        let session = engine.cipher(Cipher::Aes192Cbc, &key_of(24)).unwrap();
        let plain = message(1, 77);
        let (source, sealed) = session.encrypt_to(&IV, plain.clone(), vec![1, 2, 3]).unwrap();
        assert_eq!(source, plain, "the source stays as it is");
        let mut slice = [0; 96];
        assert_eq!(session.encrypt_slice(&IV, &plain, &mut slice).unwrap(), 80);
        assert_eq!(slice[..80], sealed);
        let (_, opened) = session.decrypt_to(&IV, sealed.clone(), Vec::new()).unwrap();
        assert_eq!(opened, plain);
        let mut small = [0; 76];
        let error = session.decrypt_slice(&IV, &sealed, &mut small).unwrap_err();
        assert_eq!(error, Error::OutputTooSmall { needed: 77, given: 76 });
        sealed
    });
}

#[test]
fn multi_part_gives_what_one_shot_gives() {
    everywhere(|engine| {
        let mut outputs = Vec::new();
        for cipher in [Cipher::Aes128Ecb, Cipher::Aes256Cbc, Cipher::Aes192Ctr, Cipher::Aes256Xts] {
            let session = engine.cipher(cipher, &key_of(cipher.key_len())).unwrap();
            let plain = message(3, 300);
            let mut stream = session.encryptor(iv_of(cipher));
            let mut sealed = Vec::new();
            for piece in plain.chunks(37) {
                sealed.extend(stream.update(piece.to_vec()).unwrap());
            }
            sealed.extend(stream.finish().unwrap());
            assert_eq!(sealed, session.encrypt(iv_of(cipher), plain.clone()).unwrap(), "{cipher}");
            let mut stream = session.decryptor(iv_of(cipher));
            let mut opened = stream.update(sealed.clone()).unwrap();
            opened.extend(stream.finish().unwrap());
            assert_eq!(opened, plain, "{cipher}");
            outputs.push(sealed);
        }
        outputs
    });
}

#[test]
fn gcm_seals_and_opens() {
    everywhere(|engine| {
        let mut outputs = Vec::new();
        for (aead, tag_len) in [(Aead::Aes128Gcm, 16), (Aead::Aes192Gcm, 12), (Aead::Aes256Gcm, 4)] {
            let session = engine.aead_with(aead, &key_of(aead.key_len()), tag_len).unwrap();
            for nonce in [&IV[..12], &IV[..1], &[7; 60][..]] {
                let plain = message(2, 1000);
                let (sealed, tag) = session.seal(nonce, b"header", plain.clone()).unwrap();
                assert_eq!(tag.as_bytes().len(), tag_len);
                let opened = session.open(nonce, b"header", sealed.clone(), tag.as_bytes()).unwrap();
                assert_eq!(opened, plain);

                let mut sealer = session.sealer(nonce, b"header");
                let mut in_parts = sealer.update(plain[..333].to_vec()).unwrap();
                in_parts.extend(sealer.update(plain[333..].to_vec()).unwrap());
                let (rest, part_tag) = sealer.finish().unwrap();
                in_parts.extend(rest);
                assert_eq!((&in_parts, part_tag), (&sealed, tag));
                let mut opener = session.opener(nonce, b"header");
                assert_eq!(opener.update(sealed.clone()).unwrap(), plain);
                assert!(opener.finish(tag.as_bytes()).unwrap().is_empty());
                outputs.push((sealed, tag.as_bytes().to_vec()));
            }
        }
        outputs
    });
}

#[test]
fn a_bad_tag_gives_one_opaque_error_and_no_plaintext() {
    everywhere(|engine| {
        let session = engine.aead(Aead::Aes256Gcm, &key_of(32)).unwrap();
        let (sealed, tag) = session.seal(&IV[..12], b"aad", message(1, 200)).unwrap();
        let mut bad_tag = tag.as_bytes().to_vec();
        bad_tag[15] ^= 1;
        let mut bad_text = sealed.clone();
        bad_text[100] ^= 0x80;
        let attempts: [(&[u8], &[u8], &[u8]); 4] = [
            (b"aad", &sealed, &bad_tag),
            (b"aad", &bad_text, tag.as_bytes()),
            (b"aae", &sealed, tag.as_bytes()),
            (b"aad", &sealed, &tag.as_bytes()[..12]),
        ];
        for (aad, text, tag) in attempts {
            let error: OpError = session.open(&IV[..12], aad, text.to_vec(), tag).unwrap_err();
            let (error, buffer) = error.into_parts();
            assert_eq!((error, buffer.len()), (Error::AuthFailed, 0));
        }
        let mut opener = session.opener(&IV[..12], b"aad");
        opener.update(sealed).unwrap();
        assert_eq!(opener.finish(&bad_tag).unwrap_err().error(), &Error::AuthFailed);
    });
}

#[test]
fn digests_and_macs() {
    everywhere(|engine| {
        let mut outputs: Vec<Tag> = Vec::new();
        for hash in Hash::ALL.iter().copied() {
            let (digest, mac) = (engine.hash(hash).unwrap(), engine.hmac(hash, b"a key").unwrap());
            let data = message(6, 1234);
            let plain = digest.digest(&data).unwrap();
            let (back, owned) = digest.digest_owned(data.clone()).unwrap();
            assert_eq!((&back, owned), (&data, plain));
            let mut stream = digest.stream();
            for piece in data.chunks(100) {
                assert_eq!(stream.update(piece.to_vec()).unwrap(), piece);
            }
            assert_eq!(stream.finish().unwrap(), plain);

            let keyed = mac.mac(&data).unwrap();
            mac.verify(&data, keyed.as_bytes()).unwrap();
            mac.verify(&data, &keyed.as_bytes()[..10]).unwrap();
            assert_eq!(mac.verify(&data[1..], keyed.as_bytes()), Err(Error::AuthFailed));
            assert!(matches!(mac.verify(&data, &keyed.as_bytes()[..3]), Err(Error::InvalidArgument(_))));
            let mut stream = mac.stream();
            stream.update(data).unwrap();
            assert_eq!(stream.finish().unwrap(), keyed);
            outputs.extend([plain, keyed]);
        }
        outputs
    });
}

#[test]
fn what_does_not_fit_is_refused_and_the_buffer_comes_back() {
    everywhere(|engine| {
        let session = engine.cipher_with(Cipher::Aes128Cbc, &key_of(16), Padding::None).unwrap();
        for (iv, len) in [(&IV[..], 17), (&IV[..15], 16), (&[][..], 32)] {
            let (error, buffer) = session.encrypt(iv, message(1, len)).unwrap_err().into_parts();
            assert!(matches!(error, Error::InvalidArgument(_)) && !error.is_retryable(), "{error}");
            assert_eq!(buffer, message(1, len));
        }
        let xts = engine.cipher(Cipher::Aes128Xts, &key_of(32)).unwrap();
        let (error, source, destination) =
            xts.encrypt_to(&IV, message(1, 15), vec![9]).unwrap_err().into_buffers();
        assert!(matches!(error, Error::InvalidArgument(_)));
        assert_eq!((source, destination.is_some()), (message(1, 15), true));
        assert!(engine.cipher(Cipher::Aes128Ctr, &[0; 15]).is_err());
        assert!(engine.aead_with(Aead::Aes128Gcm, &[0; 16], 5).is_err());
        // Something must have been offloaded for the three ways to be compared.
        ctr(engine).encrypt(&IV, message(1, 8)).unwrap()
    });
}

fn error_text(error: &Error) -> String {
    error.to_string().replace("invalid argument: ", "")
}

#[test]
fn a_wrong_length_is_named_with_what_is_allowed() {
    everywhere(|engine| {
        let bare = engine.cipher_with(Cipher::Aes128Cbc, &key_of(16), Padding::None).unwrap();
        let blocks = "message of 17 bytes: aes-128-cbc takes whole blocks of 16 bytes without padding";
        let iv = "initialisation vector of 15 bytes: aes-128-cbc takes 16 bytes";
        assert_eq!(error_text(bare.encrypt(&IV, message(1, 17)).unwrap_err().error()), blocks);
        assert_eq!(error_text(bare.encrypt(&IV[1..], message(1, 17)).unwrap_err().error()), iv);
        assert_eq!(error_text(&bare.decrypt_slice(&IV, &message(1, 17), &mut []).unwrap_err()), blocks);
        assert_eq!(error_text(bare.encrypt_to(&IV, message(1, 17), Vec::new()).unwrap_err().error()), blocks);
        assert_eq!(error_text(&bare.check(Operation::Decrypt, 16, 17).unwrap_err()), blocks);
        assert_eq!(error_text(&bare.check_iv(15).unwrap_err()), iv);
        assert_eq!(bare.check(Operation::Encrypt, 16, 32), Ok(()));
        assert_eq!(bare.output_len(Operation::Encrypt, 32), 32..=32);

        let mut stream = bare.encryptor(&IV);
        for _ in 0..3 {
            stream.update(message(1, 7)).unwrap();
        }
        let total = "message of 21 bytes: aes-128-cbc takes whole blocks of 16 bytes without padding";
        assert_eq!(error_text(stream.finish_by_ref().unwrap_err().error()), total);
        assert_eq!(stream.finish_by_ref().unwrap_err().error(), &Error::StreamPoisoned);
        let mut stream = bare.encryptor(&IV[1..]);
        assert_eq!(error_text(stream.update(message(1, 7)).unwrap_err().error()), iv);

        let gcm = engine.aead(Aead::Aes128Gcm, &key_of(16)).unwrap();
        let nonce = "nonce of 0 bytes: aes-128-gcm takes 1 byte or more";
        let tag = "tag of 17 bytes: aes-128-gcm takes at most 16 bytes";
        assert_eq!(error_text(gcm.seal(&[], b"", message(1, 3)).unwrap_err().error()), nonce);
        assert_eq!(error_text(gcm.open(&IV, b"", message(1, 3), &[0; 17]).unwrap_err().error()), tag);
        assert_eq!(error_text(&gcm.open_slice(&IV, b"", b"", &[0; 17], &mut []).unwrap_err()), tag);
        assert_eq!(error_text(gcm.opener(&IV, b"").finish(&[0; 17]).unwrap_err().error()), tag);
        let mac = engine.hmac(Hash::Sha256, b"a key").unwrap();
        let short = "MAC of 3 bytes: hmac-sha256 takes 4 bytes or more";
        assert_eq!(error_text(&mac.verify(b"", &[0; 3]).unwrap_err()), short);
        assert_eq!(error_text(mac.verify_owned(message(1, 3), &[0; 3]).unwrap_err().error()), short);
        // Something must have been offloaded for the three ways to be compared.
        ctr(engine).encrypt(&IV, message(1, 8)).unwrap()
    });
}

#[test]
fn arguments_that_fit_and_are_refused_all_the_same_are_said_to_be() {
    let engine = stepped("fault=fail:every=1,status=invalid_args");
    let error = ctr(&engine).encrypt(&IV, message(1, 8)).unwrap_err();
    assert_eq!(error.error(), &Error::InvalidArgument(ArgumentError::Refused));
}

#[test]
fn a_finished_stream_says_so() {
    let engine = stepped("");
    let mut stream = engine.cipher(Cipher::Aes128Ctr, &key_of(16)).unwrap().encryptor(&IV);
    stream.update(message(1, 20)).unwrap();
    stream.finish_by_ref().unwrap();
    for _ in 0..2 {
        let (error, buffer) = stream.update(message(1, 20)).unwrap_err().into_parts();
        assert_eq!((error, buffer), (Error::StreamFinished, message(1, 20)));
        assert_eq!(stream.finish_by_ref().unwrap_err().error(), &Error::StreamFinished);
    }
    assert!(format!("{stream:?}").contains("finished"));
}

#[test]
fn a_mac_of_an_owned_buffer_is_compared() {
    let engine = stepped("");
    let mac = engine.hmac(Hash::Sha256, b"a key").unwrap();
    let expected = mac.mac(&message(1, 20)).unwrap();
    assert_eq!(mac.verify_owned(message(1, 20), expected.as_bytes()).unwrap(), message(1, 20));
    assert_eq!(mac.verify_owned(message(1, 20), &expected.as_bytes()[..4]).unwrap(), message(1, 20));
    let (error, buffer) = mac.verify_owned(message(2, 20), expected.as_bytes()).unwrap_err().into_parts();
    assert_eq!((error, buffer), (Error::AuthFailed, message(2, 20)));
}

#[test]
fn a_failed_part_poisons_its_stream() {
    let engine = stepped("");
    let session = engine.cipher(Cipher::Aes128Ctr, &key_of(16)).unwrap();
    let mut stream = session.encryptor(&IV[..3]);
    assert!(matches!(stream.update(message(1, 20)).unwrap_err().error(), Error::InvalidArgument(_)));
    let (error, buffer) = stream.update(message(1, 20)).unwrap_err().into_parts();
    assert_eq!((error, buffer), (Error::StreamPoisoned, message(1, 20)));
    assert_eq!(stream.finish().unwrap_err().error(), &Error::StreamPoisoned);
}

#[test]
fn small_requests_stay_in_software_and_are_counted() {
    let engine = open("offload_threshold=100");
    let plain = message(1, 99);
    assert_eq!(ctr(&engine).encrypt(&IV, plain.clone()).unwrap(), expected_ctr(&plain));
    assert_eq!((engine.stats().below_threshold, engine.stats().device.total.submitted), (1, 0));
    let plain = message(1, 100);
    assert_eq!(ctr(&engine).encrypt(&IV, plain.clone()).unwrap(), expected_ctr(&plain));
    assert_eq!((engine.stats().below_threshold, engine.stats().device.total.submitted), (1, 1));
}

#[test]
fn a_failing_allocation_gives_the_buffer_back_and_can_be_retried() {
    let engine = open("fault=nomem:every=2");
    let session = ctr(&engine);
    session.encrypt(&IV, message(1, 40)).unwrap();
    let (error, buffer) = session.encrypt(&IV, message(2, 40)).unwrap_err().into_parts();
    assert!(error == Error::NoMemory && error.is_retryable());
    assert_eq!(session.encrypt(&IV, buffer).unwrap(), expected_ctr(&message(2, 40)));
    assert_eq!(engine.stats().faults_injected, 1);
}

#[test]
fn a_failing_eventfd_is_an_error_by_default_and_software_where_that_is_on() {
    for (fallback, succeeds) in [("off", false), ("on", true)] {
        let engine = open(&format!("fault=fd_fail:nth=1;fallback={fallback}"));
        let ctx = WaitCtx::new();
        let run = || {
            let session = ctr(&engine);
            let mut job = Job::new(&ctx, move || session.encrypt(&IV, message(1, 40))).unwrap();
            finish(&ctx, &mut job)
        };
        let (first, pauses) = run();
        assert_eq!(pauses, 0, "there was nothing to wait on");
        match first {
            Ok(output) => assert!(succeeds && output == expected_ctr(&message(1, 40))),
            Err(error) => {
                let (error, buffer) = error.into_parts();
                assert_eq!(
                    (error, buffer),
                    (Error::WakeFd(OsError::from_raw_os_error(libc::EMFILE)), message(1, 40))
                );
                assert!(!succeeds);
            }
        }
        let (second, pauses) = run();
        assert!(second.is_ok() && pauses > 0, "the fault was only once");
        assert_eq!(engine.stats().fallbacks, u64::from(succeeds));
    }
}

#[test]
fn a_reset_fails_what_is_in_flight_and_the_input_comes_back() {
    let engine = stepped("completion_nsec=1000000");
    let ctx = WaitCtx::new();
    let session = ctr(&engine);
    for steps in 0..2 {
        let in_job = session.clone();
        let mut job = Job::new(&ctx, move || in_job.encrypt(&IV, message(8, 64))).unwrap();
        assert!(matches!(job.resume().unwrap(), simaccel::Step::Paused));
        for _ in 0..steps {
            engine.device().step();
        }
        engine.device().reset();
        let simaccel::Step::Finished(result) = job.resume().unwrap() else { panic!("a reset ends it") };
        let (error, buffer) = result.unwrap_err().into_parts();
        assert!(error == Error::Reset && error.is_retryable());
        assert_eq!(buffer, message(8, 64), "reset after {steps} steps: the input, not half an output");
    }
    assert_eq!(session.encrypt(&IV, message(8, 64)).unwrap(), expected_ctr(&message(8, 64)), "usable again");
    assert_adds_up(&engine);
}

#[test]
fn with_fallback_on_a_reset_is_survived_in_software() {
    let engine = stepped("completion_nsec=1000000;fallback=on");
    let ctx = WaitCtx::new();
    let session = ctr(&engine);
    let mut job = Job::new(&ctx, move || {
        let mut stream = session.encryptor(&IV);
        let mut output = stream.update(message(8, 50)).unwrap();
        output.extend(stream.update(message(9, 14)).unwrap());
        output.extend(stream.finish().unwrap());
        output
    })
    .unwrap();
    assert!(matches!(job.resume().unwrap(), simaccel::Step::Paused));
    engine.device().run_until_idle();
    assert!(matches!(job.resume().unwrap(), simaccel::Step::Paused), "the second part");
    engine.device().step();
    engine.device().reset();
    assert!(matches!(job.resume().unwrap(), simaccel::Step::Paused), "the second in software, the last part");
    engine.device().run_until_idle();
    let simaccel::Step::Finished(output) = job.resume().unwrap() else { panic!("all parts done") };
    let plain = [message(8, 50), message(9, 14)].concat();
    assert_eq!(output, expected_ctr(&plain));
    assert_eq!(engine.stats().fallbacks, 1);
}

/// Every kind of operation and of part, with outputs, tags and errors.
fn a_bit_of_everything(engine: &Engine) -> Vec<Vec<u8>> {
    let (plain, mut outputs) = (message(4, 300), Vec::new());
    for cipher in Cipher::ALL.iter().copied() {
        let session = engine.cipher(cipher, &key_of(cipher.key_len())).unwrap();
        let iv = iv_of(cipher);
        let sealed = session.encrypt(iv, plain.clone()).unwrap();
        assert_eq!(session.decrypt(iv, sealed.clone()).unwrap(), plain);
        let (source, to) = session.encrypt_to(iv, plain.clone(), vec![9; 7]).unwrap();
        assert_eq!((&source, &to), (&plain, &sealed));
        let (mut encryptor, mut in_parts) = (session.encryptor(iv), Vec::new());
        for piece in plain.chunks(47) {
            in_parts.extend(encryptor.update(piece.to_vec()).unwrap());
        }
        in_parts.extend(encryptor.finish().unwrap());
        let (mut decryptor, mut opened) = (session.decryptor(iv), Vec::new());
        for piece in in_parts.chunks(61) {
            opened.extend(decryptor.update(piece.to_vec()).unwrap());
        }
        opened.extend(decryptor.finish().unwrap());
        assert_eq!((&in_parts, &opened), (&sealed, &plain), "{cipher}");
        outputs.push(sealed);
    }
    let cbc = engine.cipher(Cipher::Aes128Cbc, &key_of(16)).unwrap();
    let (error, buffer) = cbc.decrypt(&IV, plain[..32].to_vec()).unwrap_err().into_parts();
    assert_eq!((error, buffer.len()), (Error::AuthFailed, 0), "wrong padding");
    let (error, buffer) = cbc.decrypt(&IV, plain[..33].to_vec()).unwrap_err().into_parts();
    assert!(matches!(error, Error::InvalidArgument(_)) && buffer == plain[..33]);

    let gcm = engine.aead(Aead::Aes192Gcm, &key_of(24)).unwrap();
    let (sealed, tag) = gcm.seal(&IV[..12], b"header", plain.clone()).unwrap();
    assert_eq!(gcm.open(&IV[..12], b"header", sealed.clone(), tag.as_bytes()).unwrap(), plain);
    let (error, buffer) = gcm.open(&IV, b"header", sealed.clone(), tag.as_bytes()).unwrap_err().into_parts();
    assert_eq!((error, buffer.len()), (Error::AuthFailed, 0));
    let mut sealer = gcm.sealer(&IV[..12], b"header");
    let in_parts =
        [sealer.update(plain[..99].to_vec()).unwrap(), sealer.update(plain[99..].to_vec()).unwrap()];
    assert_eq!((in_parts.concat(), sealer.finish().unwrap().1), (sealed.clone(), tag));
    let mut opener = gcm.opener(&IV[..12], b"header");
    assert_eq!(opener.update(sealed.clone()).unwrap(), plain);
    opener.finish(tag.as_bytes()).unwrap();

    let (hash, mac) = (engine.hash(Hash::Sha384).unwrap(), engine.hmac(Hash::Sha256, b"key").unwrap());
    let (mut digests, mut macs) = (hash.stream(), mac.stream());
    for piece in plain.chunks(70) {
        assert_eq!(digests.update(piece.to_vec()).unwrap(), piece);
        assert_eq!(macs.update(piece.to_vec()).unwrap(), piece);
    }
    let tags = [hash.digest(&plain).unwrap(), mac.mac(&plain).unwrap()];
    assert_eq!([digests.finish().unwrap(), macs.finish().unwrap()], tags);
    outputs.extend([sealed, tag.as_bytes().to_vec()]);
    outputs.extend(tags.map(|tag| tag.as_bytes().to_vec()));
    outputs
}

#[test]
fn with_fallback_or_retries_every_operation_survives_a_reset_at_every_point() {
    let wanted = engine_helpers::software(ALL_SOFTWARE, a_bit_of_everything);
    let cures = ["fallback=on", "max_retries=100"];
    for (config, phase) in [("", 0), ("", 1), ("completion_nsec=1000", 0), ("completion_nsec=1000", 1)] {
        for (threshold, cure) in [(0, cures[0]), (40, cures[0]), (0, cures[1]), (40, cures[1])] {
            let engine = stepped(&format!("{cure};offload_threshold={threshold};{config}"));
            let ctx = WaitCtx::new();
            let in_job = engine.clone();
            let mut job = Job::new(&ctx, move || a_bit_of_everything(&in_job)).unwrap();
            let mut pauses = 0;
            let outputs = loop {
                match job.resume().unwrap() {
                    simaccel::Step::Finished(outputs) => break outputs,
                    simaccel::Step::Paused => pauses += 1,
                }
                match (pauses + phase) % 3 {
                    0 => engine.device().reset(),
                    1 => {
                        engine.device().step();
                        engine.device().reset();
                    }
                    _ => {
                        engine.device().run_until_idle();
                    }
                }
            };
            assert_eq!(outputs, wanted, "{cure}, {config}, {threshold}");
            let stats = engine.stats();
            let (used, unused) = (stats.fallbacks.max(stats.retries), stats.fallbacks.min(stats.retries));
            assert!(used > 0 && unused == 0 && (threshold == 0) == (stats.below_threshold == 0));
            assert_eq!((stats.pauses, stats.spurious_resumes), (stats.resumes, 0));
            assert_adds_up(&engine);
        }
    }
}

fn other(engine: &Engine, trial: Trial) -> OtherSession {
    let session = engine.session(Algorithm::Trial(trial), &[], Parameters::default()).unwrap();
    let AnySession::Other(session) = session else { panic!("{session:?}") };
    session
}

/// MGF1 over SHA-256 (RFC 8017, B.2.1).
fn mask(message: &[u8]) -> Vec<u8> {
    let hashes =
        (0..19_u32).map(|counter| Sha256::new().chain_update(message).chain_update(counter.to_be_bytes()));
    let mut mask: Vec<u8> = hashes.flat_map(|hash| hash.finalize().to_vec()).collect();
    mask.truncate(600);
    mask
}

#[test]
fn outputs_may_be_longer_than_a_tag_and_as_long_as_the_message_makes_them() {
    everywhere(|engine| {
        let (masks, runs) = (other(engine, Trial::Mask), other(engine, Trial::Runs));
        for len in [0, 5, 600, 5000] {
            let text = message(len, len);
            assert_eq!(masks.run(Operation::Encrypt, text.clone()).unwrap(), mask(&text));
            let (source, apart) = masks.run_to(Operation::Encrypt, text.clone(), vec![1; 3]).unwrap();
            assert_eq!((source, apart), (text.clone(), mask(&text)));
        }
        let mut lens = Vec::new();
        for text in [vec![], vec![7; 10_000], message(3, 999), [vec![1; 300], vec![2; 5]].concat()] {
            let packed = runs.run(Operation::Encrypt, text.clone()).unwrap();
            lens.push(packed.len());
            assert_eq!(runs.run(Operation::Decrypt, packed).unwrap(), text);
        }
        assert_eq!((lens[1], lens[3]), (2 * 40, 2 * 3));
        let error = runs.run(Operation::Decrypt, vec![1, 2, 3]).unwrap_err();
        assert_eq!(error.into_parts(), (Error::InvalidArgument(ArgumentError::Refused), vec![1, 2, 3]));
        let error = masks.run(Operation::Decrypt, vec![1]).unwrap_err();
        assert_eq!(error.into_parts(), (Error::InvalidArgument(ArgumentError::Operation), vec![1]));
        lens
    });
}

#[test]
fn long_outputs_that_come_short_are_errors_and_are_computed_again() {
    let engine = stepped("fault=short:bytes=100");
    let error = other(&engine, Trial::Mask).run(Operation::Encrypt, message(1, 9)).unwrap_err();
    assert_eq!(*error.error(), Error::ShortOutput { missing: 100 });
    assert_adds_up(&engine);

    for again in ["max_retries=1;fault=short:nth=1", "fallback=on;fault=short"] {
        let engine = stepped(again);
        let found = other(&engine, Trial::Mask).run(Operation::Encrypt, message(1, 9)).unwrap();
        assert_eq!(found, mask(&message(1, 9)), "{again}");
        let stats = engine.stats();
        assert_eq!((stats.retries, stats.fallbacks), if again.starts_with('m') { (1, 0) } else { (0, 1) });
        assert_adds_up(&engine);
    }
}
