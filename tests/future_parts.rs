//! The parts of messages as futures: what they give, and what becomes of their stream when they fail, are
//! dropped or are cancelled.

mod captured;
mod engine_helpers;
mod future_helpers;

use std::future::Future;
use std::time::Duration;

use simaccel::future::Cancelled;
use simaccel::{Aead, Cipher, CipherStream, Engine, Error, Hash, Padding};

use self::engine_helpers::{IV, KEY, assert_adds_up, ctr, expected_ctr, message, open, stepped};
use self::future_helpers::{block_on, drive, poll_once};

/// Where a message of 1,000 bytes is cut.
const CUTS: [&[usize]; 5] = [&[], &[1, 2, 3], &[16, 32, 500], &[999], &[0, 0, 17, 17, 400, 1_000]];

fn pieces(text: &[u8], cuts: &[usize]) -> Vec<Vec<u8>> {
    let ends = cuts.iter().copied().chain([text.len()]);
    let mut from = 0;
    ends.map(|end| text[std::mem::replace(&mut from, end)..end].to_vec()).collect()
}

fn is_send<T: Future + Send + Unpin>(future: T) -> T {
    future
}

async fn through(mut stream: CipherStream, pieces: Vec<Vec<u8>>) -> Vec<u8> {
    let mut output = Vec::new();
    for piece in pieces {
        output.extend(is_send(stream.update_async(piece)).await.unwrap());
    }
    output.extend(is_send(stream.finish_async()).await.unwrap());
    output
}

async fn every_kind(engine: &Engine) {
    let text = message(3, 1_000);
    let cbc = engine.cipher(Cipher::Aes256Cbc, &KEY).unwrap();
    let gcm = engine.aead(Aead::Aes256Gcm, &KEY).unwrap();
    let hash = engine.hash(Hash::Sha512).unwrap();
    let hmac = engine.hmac(Hash::Sha256, &KEY).unwrap();
    let sealed = cbc.encrypt_async(&IV, text.clone()).await.unwrap();
    let (gcm_sealed, tag) = gcm.seal_async(&IV[..12], b"head", text.clone()).await.unwrap();
    let (_, digest) = hash.digest_async(text.clone()).await.unwrap();
    let (_, mac) = hmac.mac_async(text.clone()).await.unwrap();
    for cuts in CUTS {
        assert_eq!(through(cbc.encryptor(&IV), pieces(&text, cuts)).await, sealed);
        assert_eq!(through(cbc.decryptor(&IV), pieces(&sealed, cuts)).await, text);
        let (mut sealer, mut opener) = (gcm.sealer(&IV[..12], b"head"), gcm.opener(&IV[..12], b"head"));
        let (mut digesting, mut macing) = (hash.stream(), hmac.stream());
        let (mut there, mut back) = (Vec::new(), Vec::new());
        for piece in pieces(&text, cuts) {
            let part = is_send(sealer.update_async(piece.clone())).await.unwrap();
            there.extend_from_slice(&part);
            back.extend(opener.update_async(part).await.unwrap());
            assert_eq!(digesting.update_async(piece.clone()).await.unwrap(), piece);
            let boxed: Box<[u8]> = piece.clone().into();
            assert_eq!(*macing.update_async(boxed).await.unwrap(), *piece);
        }
        let (rest, its_tag) = is_send(sealer.finish_async()).await.unwrap();
        assert!(there == gcm_sealed && rest.is_empty() && its_tag == tag);
        assert!(opener.finish_async(tag.as_bytes()).await.unwrap().is_empty() && back == text);
        assert_eq!(is_send(digesting.finish_async()).await.unwrap(), digest);
        assert_eq!(macing.finish_async().await.unwrap(), mac);
    }
}

#[test]
fn parts_give_what_the_whole_message_gives() {
    for config in ["", "delivery=poll", "queue_pairs=1;depth=2", "offload_threshold=300"] {
        let engine = open(config);
        block_on(every_kind(&engine));
        assert_adds_up(&engine);
    }
    for config in
        ["completion_nsec=1000", "fault=fail:every=3;max_retries=2", "fault=fail:every=2;fallback=on"]
    {
        let engine = stepped(config);
        drive(&engine, every_kind(&engine));
        assert_adds_up(&engine);
    }
}

#[test]
fn a_wrong_tag_is_an_error_and_a_long_one_too() {
    let engine = open("");
    let gcm = engine.aead(Aead::Aes128Gcm, &KEY[..16]).unwrap();
    let mut opener = gcm.opener(&IV[..12], b"");
    block_on(opener.update_async(message(0, 40))).unwrap();
    let error = block_on(opener.finish_async(&[0; 16])).unwrap_err();
    assert_eq!(error.into_parts().0, Error::AuthFailed);
    let error = block_on(gcm.opener(&IV[..12], b"").finish_async(&[0; 17])).unwrap_err();
    assert!(matches!(error.error(), Error::InvalidArgument(_)), "{error}");
}

#[test]
fn a_refusal_names_what_is_wrong_and_gives_the_buffer_back() {
    let engine = open("");
    let mut stream = ctr(&engine).encryptor(&IV[..7]);
    let (error, buffer) = block_on(stream.update_async(message(1, 30))).unwrap_err().into_parts();
    assert!(matches!(error, Error::InvalidArgument(_)) && error.to_string().contains('7'), "{error}");
    assert_eq!(buffer, message(1, 30));
    let (error, buffer) = block_on(stream.update_async(message(1, 30))).unwrap_err().into_parts();
    assert_eq!((error, buffer), (Error::StreamPoisoned, message(1, 30)));
    let cbc = engine.cipher_with(Cipher::Aes256Cbc, &KEY, Padding::None).unwrap();
    let mut stream = cbc.encryptor(&IV);
    block_on(stream.update_async(message(1, 30))).unwrap();
    let (error, _) = block_on(stream.finish_async()).unwrap_err().into_parts();
    assert!(matches!(error, Error::InvalidArgument(_)) && error.to_string().contains("30"), "{error}");
}

#[test]
fn a_part_that_fails_gives_its_buffer_back_and_poisons_the_stream() {
    let engine = stepped("fault=fail:nth=2");
    let mut stream = ctr(&engine).encryptor(&IV);
    drive(&engine, stream.update_async(message(1, 30))).unwrap();
    let failed = drive(&engine, stream.update_async(message(2, 30))).unwrap_err();
    assert_eq!(failed.into_parts(), (Error::DeviceFailed, message(2, 30)));
    let failed = drive(&engine, stream.finish_async()).unwrap_err();
    assert_eq!(failed.into_parts().0, Error::StreamPoisoned);
    assert_adds_up(&engine);
}

#[test]
fn a_part_that_is_dropped_before_its_first_poll_has_changed_nothing() {
    let engine = open("");
    let mut stream = ctr(&engine).encryptor(&IV);
    let mut output = block_on(stream.update_async(message(5, 21))).unwrap();
    drop(stream.update_async(message(9, 21)));
    let mut cancelled = stream.update_async(message(9, 21));
    let Cancelled::TakenBack { buffer, destination: None } = cancelled.cancel() else { panic!() };
    assert_eq!(buffer, message(9, 21));
    let (error, _) = block_on(cancelled).unwrap_err().into_parts();
    assert_eq!(error, Error::Closed);
    output.extend(block_on(stream.update_async(message(6, 21))).unwrap());
    block_on(stream.finish_async()).unwrap();
    assert_eq!(output, expected_ctr(&[message(5, 21), message(6, 21)].concat()));
}

#[test]
fn a_part_that_is_dropped_later_poisons_the_stream() {
    let engine = stepped("completion_nsec=1000");
    let mut stream = ctr(&engine).encryptor(&IV);
    let mut part = stream.update_async(message(5, 21));
    assert!(poll_once(&mut part).is_pending());
    assert_eq!(engine.stats().device.total.in_flight, 1);
    drop(part);
    let stats = engine.stats();
    assert_eq!((stats.device.total.in_flight, stats.abandoned), (0, 1));
    let failed = drive(&engine, stream.update_async(message(5, 21))).unwrap_err();
    assert_eq!(failed.into_parts(), (Error::StreamPoisoned, message(5, 21)));
    assert_adds_up(&engine);
}

/// A device, how far it goes before parts are cancelled, and how many were taken back.
struct Cancelling {
    engine: Engine,
    steps: usize,
    taken_back: usize,
}

impl Cancelling {
    /// Polls a part and cancels it after some steps.
    fn part<F: Future + Unpin, C>(&self, part: &mut F, cancel: impl FnOnce(&mut F) -> C) -> C {
        assert!(poll_once(part).is_pending());
        (0..self.steps).for_each(|_| _ = self.engine.device().step());
        cancel(part)
    }
}

/// A part, and the same again where it was taken back.
macro_rules! update {
    ($with:ident, $stream:ident, $piece:expr) => {{
        let mut part = $stream.update_async($piece.to_vec());
        match $with.part(&mut part, |part| part.cancel()) {
            Cancelled::TakenBack { buffer, destination: None } => {
                assert_eq!(buffer, $piece);
                $with.taken_back += 1;
                drive(&$with.engine, $stream.update_async(buffer)).unwrap()
            }
            Cancelled::Ended(output) => output.unwrap(),
            other => panic!("{other:?}"),
        }
    }};
}

/// The last part, and the same again where it was taken back.
macro_rules! finish {
    ($with:ident, $stream:ident $(, $tag:expr)?) => {{
        let mut finish = $stream.finish_async($($tag)?);
        match $with.part(&mut finish, |finish| finish.cancel()) {
            Cancelled::TakenBack { buffer: stream, destination: None } => {
                $with.taken_back += 1;
                drive(&$with.engine, stream.finish_async($($tag)?)).unwrap()
            }
            Cancelled::Ended(output) => output.unwrap(),
            other => panic!("{other:?}"),
        }
    }};
}

/// Every part of every kind of stream is cancelled, the first one and the last one too.
fn cancel_every_part(with: &mut Cancelling) {
    let text = message(3, 1_000);
    let cbc = with.engine.cipher(Cipher::Aes256Cbc, &KEY).unwrap();
    let gcm = with.engine.aead(Aead::Aes256Gcm, &KEY).unwrap();
    let (hash, hmac) =
        (with.engine.hash(Hash::Sha512).unwrap(), with.engine.hmac(Hash::Sha256, &KEY).unwrap());
    let (mut encryptor, mut decryptor) = (cbc.encryptor(&IV), cbc.decryptor(&IV));
    let (mut sealer, mut opener) = (gcm.sealer(&IV, b"head"), gcm.opener(&IV, b"head"));
    let (mut digesting, mut macing) = (hash.stream(), hmac.stream());
    let (mut sealed, mut back, mut opened) = (Vec::new(), Vec::new(), Vec::new());
    for piece in pieces(&text, &[5, 16, 401]) {
        let part = update!(with, encryptor, piece);
        back.extend(update!(with, decryptor, part));
        let part = update!(with, sealer, piece);
        opened.extend(update!(with, opener, part));
        sealed.extend(part);
        assert_eq!(update!(with, digesting, piece), piece);
        assert_eq!(update!(with, macing, piece), piece);
    }
    let rest = finish!(with, encryptor);
    back.extend(update!(with, decryptor, rest));
    back.extend(finish!(with, decryptor));
    let (_, tag) = finish!(with, sealer);
    finish!(with, opener, tag.as_bytes());
    assert!(back == text && opened == text);
    let whole = drive(&with.engine, gcm.seal_async(&IV, b"head", text.clone())).unwrap();
    assert_eq!((sealed, tag), whole);
    assert_eq!(finish!(with, digesting), drive(&with.engine, hash.digest_async(text.clone())).unwrap().1);
    assert_eq!(finish!(with, macing), drive(&with.engine, hmac.mac_async(text)).unwrap().1);
}

#[test]
fn a_stream_goes_on_after_a_part_that_was_cancelled_wherever_it_was() {
    const PARTS: usize = 6 * 4 + 1 + 6;
    for config in
        ["", "completion_nsec=1000", "completion_nsec=1000;max_retries=1", "timeout_msec=1000", "mbps=1"]
    {
        for steps in 0..3 {
            let mut with = Cancelling { engine: stepped(config), steps, taken_back: 0 };
            cancel_every_part(&mut with);
            let is_modelled = config.contains("completion_nsec") || config.contains("mbps");
            let wanted = if steps == 0 || (is_modelled && steps == 1) { PARTS } else { 0 };
            assert_eq!(with.taken_back, wanted, "{config}, after {steps} steps");
            assert_eq!(with.engine.stats().abandoned, wanted as u64);
            assert_adds_up(&with.engine);
        }
    }
}

#[test]
fn a_finish_that_is_cancelled_before_its_first_poll_gives_the_stream_back() {
    let engine = open("");
    let mut stream = ctr(&engine).encryptor(&IV);
    let mut output = block_on(stream.update_async(message(5, 21))).unwrap();
    let mut finish = stream.finish_async();
    let Cancelled::TakenBack { buffer: mut stream, destination: None } = finish.cancel() else { panic!() };
    assert!(matches!(finish.cancel(), Cancelled::Ended(Err(error)) if error.error() == &Error::Closed));
    assert_eq!(block_on(finish).unwrap_err().into_parts().0, Error::Closed);
    output.extend(block_on(stream.update_async(message(6, 21))).unwrap());
    block_on(stream.finish_async()).unwrap();
    assert_eq!(output, expected_ctr(&[message(5, 21), message(6, 21)].concat()));
}

#[test]
fn a_part_that_has_ended_before_it_is_cancelled_gives_its_result() {
    let engine = stepped("completion_nsec=1000");
    let mut stream = ctr(&engine).encryptor(&IV);
    let mut part = stream.update_async(message(5, 21));
    assert!(poll_once(&mut part).is_pending());
    engine.device().run_until_idle();
    let Cancelled::Ended(Ok(mut output)) = part.cancel() else { panic!() };
    drop(part);
    output.extend(drive(&engine, stream.update_async(message(6, 21))).unwrap());
    assert_eq!(output, expected_ctr(&[message(5, 21), message(6, 21)].concat()));
}

#[test]
fn a_part_has_a_limit_of_its_own() {
    let engine = stepped("completion_nsec=3600000000000");
    let mut stream = ctr(&engine).encryptor(&IV);
    let limit = Duration::from_millis(3);
    let late = drive(&engine, stream.update_async(message(5, 21)).with_timeout(limit)).unwrap_err();
    assert_eq!(late.into_parts(), (Error::Timeout, message(5, 21)));
    let late = drive(&engine, ctr(&engine).encryptor(&IV).finish_async().with_timeout(limit)).unwrap_err();
    assert_eq!(late.into_parts().0, Error::Timeout);
    assert_adds_up(&engine);
}

/// On the stepped device, CTR of many streams side by side: the state of each travels with its parts.
#[test]
fn streams_side_by_side_keep_apart() {
    let engine = stepped("completion_nsec=1000;queue_pairs=1;depth=2;compute_units=4");
    let mut streams: Vec<_> = (0..8).map(|_| ctr(&engine).encryptor(&IV)).collect();
    let mut outputs = vec![Vec::new(); 8];
    for round in 0..5 {
        let mut parts: Vec<_> = streams
            .iter_mut()
            .enumerate()
            .map(|(index, stream)| Some(stream.update_async(message(index + round, 19))))
            .collect();
        while parts.iter().any(Option::is_some) {
            for (part, output) in parts.iter_mut().zip(&mut outputs) {
                if let Some(future) = part
                    && let std::task::Poll::Ready(done) = poll_once(future)
                {
                    output.extend(done.unwrap());
                    *part = None;
                }
            }
            engine.device().step();
        }
    }
    for (index, output) in outputs.iter().enumerate() {
        let text: Vec<_> = (0..5).flat_map(|round| message(index + round, 19)).collect();
        assert_eq!(*output, expected_ctr(&text), "{index}");
    }
    drop(streams);
    assert_adds_up(&engine);
}
