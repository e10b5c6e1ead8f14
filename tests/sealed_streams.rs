//! Streams of bytes that are sealed in frames: the layout is that of the crate `aead-stream`, whatever the
//! chunks and whatever the inner reader and writer do; what is changed, moved, added or cut off is found; and
//! no fault of the device costs a byte.

mod captured;
mod engine_helpers;
mod future_helpers;

use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, Waker, ready};

use aead_stream::{DecryptorBE32, EncryptorBE32};
use aes_gcm::{Aes256Gcm, KeyInit};
use futures_io::{AsyncBufRead, AsyncRead, AsyncWrite};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use simaccel::future::{FrameError, Frames, OpenReader, SealWriter};
use simaccel::{Aead, AeadSession, Engine, Error, Hash};

use self::engine_helpers::{KEY, assert_adds_up, message, open, stepped};
use self::future_helpers::{block_on, drive};

const PREFIX: [u8; 7] = [9, 8, 7, 6, 5, 4, 3];
const TAG: usize = 16;

/// Does a part of what it is asked for, or nothing and says so later, or fails, as its seed wants.
struct Flaky {
    random: ChaCha8Rng,
    /// Fails so often in a hundred calls.
    fails: u32,
    data: Vec<u8>,
    at: usize,
    flushes: usize,
    closes: usize,
}

impl Flaky {
    fn new(seed: u64, data: Vec<u8>) -> Self {
        Self { random: ChaCha8Rng::seed_from_u64(seed), fails: 0, data, at: 0, flushes: 0, closes: 0 }
    }

    /// How much of `len` bytes it does.
    fn poll(&mut self, context: &Context<'_>, len: usize) -> Poll<io::Result<usize>> {
        if self.random.random_range(0..4) == 0 {
            context.waker().wake_by_ref();
            return Poll::Pending;
        }
        if self.random.random_range(0..100) < self.fails {
            return Poll::Ready(Err(io::ErrorKind::ConnectionReset.into()));
        }
        Poll::Ready(Ok(if len == 0 { 0 } else { self.random.random_range(1..=len) }))
    }
}

impl AsyncWrite for Flaky {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        data: &[u8],
    ) -> Poll<io::Result<usize>> {
        let count = ready!(self.poll(context, data.len()))?;
        self.data.extend_from_slice(&data[..count]);
        Poll::Ready(Ok(count))
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll(context, 0))?;
        self.flushes += 1;
        Poll::Ready(Ok(()))
    }

    fn poll_close(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll(context, 0))?;
        self.closes += 1;
        Poll::Ready(Ok(()))
    }
}

impl AsyncRead for Flaky {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        into: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        let left = self.data.len() - self.at;
        let count = ready!(self.poll(context, left.min(into.len())))?;
        let from = self.at;
        into[..count].copy_from_slice(&self.data[from..from + count]);
        self.at += count;
        Poll::Ready(Ok(count))
    }
}

/// Takes everything at once, or gives it.
fn plain(data: Vec<u8>) -> io::Cursor<Vec<u8>> {
    io::Cursor::new(data)
}

/// [`plain`], with the traits.
struct Plain(io::Cursor<Vec<u8>>);

impl AsyncWrite for Plain {
    fn poll_write(mut self: Pin<&mut Self>, _: &mut Context<'_>, data: &[u8]) -> Poll<io::Result<usize>> {
        Poll::Ready(io::Write::write(&mut self.0, data))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_close(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

impl AsyncRead for Plain {
    fn poll_read(mut self: Pin<&mut Self>, _: &mut Context<'_>, into: &mut [u8]) -> Poll<io::Result<usize>> {
        Poll::Ready(io::Read::read(&mut self.0, into))
    }
}

fn gcm(engine: &Engine) -> AeadSession {
    engine.aead(Aead::Aes256Gcm, &KEY).unwrap()
}

fn frames(len: usize, in_flight: usize) -> Frames {
    Frames::new(len, in_flight).unwrap()
}

/// By `aead-stream`, frame by frame.
fn sealed_elsewhere(text: &[u8], frame: usize) -> Vec<u8> {
    let mut sealing = EncryptorBE32::from_aead(Aes256Gcm::new(&KEY.into()), &PREFIX.into());
    let whole = text.len().saturating_sub(1) / frame * frame;
    let mut sealed = Vec::new();
    for next in text[..whole].chunks(frame) {
        sealed.extend(sealing.encrypt_next(next).unwrap());
    }
    sealed.extend(sealing.encrypt_last(&text[whole..]).unwrap());
    sealed
}

/// By `aead-stream`, frame by frame.
fn opened_elsewhere(sealed: &[u8], frame: usize) -> Vec<u8> {
    let mut opening = DecryptorBE32::from_aead(Aes256Gcm::new(&KEY.into()), &PREFIX.into());
    let whole = (sealed.len() - 1) / (frame + TAG) * (frame + TAG);
    let mut text = Vec::new();
    for next in sealed[..whole].chunks(frame + TAG) {
        text.extend(opening.decrypt_next(next).unwrap());
    }
    text.extend(opening.decrypt_last(&sealed[whole..]).unwrap());
    text
}

async fn write<W: AsyncWrite + Unpin>(writer: &mut W, data: &[u8]) -> io::Result<usize> {
    poll_fn(|context| Pin::new(&mut *writer).poll_write(context, data)).await
}

async fn flush<W: AsyncWrite + Unpin>(writer: &mut W) -> io::Result<()> {
    poll_fn(|context| Pin::new(&mut *writer).poll_flush(context)).await
}

async fn close<W: AsyncWrite + Unpin>(writer: &mut W) -> io::Result<()> {
    poll_fn(|context| Pin::new(&mut *writer).poll_close(context)).await
}

async fn read<R: AsyncRead + Unpin>(reader: &mut R, into: &mut [u8]) -> io::Result<usize> {
    poll_fn(|context| Pin::new(&mut *reader).poll_read(context, into)).await
}

/// Whether the same call goes on after this error.
fn goes_on(error: &io::Error) -> bool {
    match frame_error(error) {
        Some(FrameError::Device { error, .. }) => error.is_retryable(),
        Some(_) => false,
        None => error.kind() == io::ErrorKind::ConnectionReset,
    }
}

fn frame_error(error: &io::Error) -> Option<&FrameError> {
    error.get_ref()?.downcast_ref()
}

/// Writes in chunks of any size, flushes now and then, closes; goes on after what allows it. How often it had
/// to.
async fn write_all<W: AsyncWrite + Unpin>(writer: &mut W, text: &[u8], seed: u64) -> io::Result<usize> {
    let (mut random, mut at, mut errors) = (ChaCha8Rng::seed_from_u64(!seed), 0, 0);
    let largest = 1 << random.random_range(0..12);
    let mut went_on = |outcome: io::Result<usize>| match outcome {
        Ok(count) => Ok(count),
        Err(error) if goes_on(&error) => {
            errors += 1;
            Ok(0)
        }
        Err(error) => Err(error),
    };
    while at < text.len() {
        let end = text.len().min(at + random.random_range(1..=largest));
        at += went_on(write(writer, &text[at..end]).await)?;
        if random.random_range(0..20) == 0 {
            went_on(flush(writer).await.map(|()| 0))?;
        }
    }
    while !matches!(went_on(close(writer).await.map(|()| 1))?, 1) {}
    Ok(errors)
}

/// Reads to the end in pieces of any size. What came, how often it went on, and the error that ended it.
async fn read_all<R: AsyncRead + Unpin>(reader: &mut R, seed: u64) -> (Vec<u8>, usize, Option<io::Error>) {
    let (mut random, mut text, mut errors) = (ChaCha8Rng::seed_from_u64(!seed), Vec::new(), 0);
    let largest = 1 << random.random_range(0..12);
    loop {
        let mut into = vec![0; random.random_range(1..=largest)];
        match read(reader, &mut into).await {
            Ok(0) => return (text, errors, None),
            Ok(count) => text.extend_from_slice(&into[..count]),
            Err(error) if goes_on(&error) => errors += 1,
            Err(error) => return (text, errors, Some(error)),
        }
    }
}

async fn seal(engine: &Engine, text: &[u8], frames: Frames) -> Vec<u8> {
    let inner = Plain(plain(Vec::new()));
    let mut writer = SealWriter::with_frames(gcm(engine), PREFIX, inner, frames);
    write_all(&mut writer, text, 1).await.unwrap();
    writer.into_inner().0.into_inner()
}

async fn unseal(engine: &Engine, sealed: &[u8], frames: Frames) -> (Vec<u8>, Option<io::Error>) {
    let inner = Plain(plain(sealed.to_vec()));
    let mut reader = OpenReader::with_frames(gcm(engine), PREFIX, inner, frames);
    let (text, _, error) = read_all(&mut reader, 2).await;
    (text, error)
}

#[test]
fn the_layout_is_that_of_aead_stream_in_both_directions() {
    let engine = open("");
    block_on(async {
        for frame in [1, 16, 100, 4_096] {
            for len in [0, 1, frame - 1, frame, frame + 1, 3 * frame, 7 * frame + 5] {
                let (text, frames) = (message(len, len), frames(frame, 3));
                let sealed = seal(&engine, &text, frames).await;
                assert_eq!(sealed, sealed_elsewhere(&text, frame), "{len} bytes in frames of {frame}");
                assert_eq!(opened_elsewhere(&sealed, frame), text);
                let (opened, error) = unseal(&engine, &sealed, frames).await;
                assert!(error.is_none() && opened == text, "{len} bytes in frames of {frame}: {error:?}");
            }
        }
    });
    assert_adds_up(&engine);
}

#[test]
fn a_last_frame_that_is_empty_ends_a_stream_too() {
    let engine = open("");
    let mut sealing = EncryptorBE32::from_aead(Aes256Gcm::new(&KEY.into()), &PREFIX.into());
    let mut sealed = sealing.encrypt_next(&message(1, 50)[..]).unwrap();
    sealed.extend(sealing.encrypt_last(&b""[..]).unwrap());
    let (opened, error) = block_on(unseal(&engine, &sealed, frames(50, 2)));
    assert!(error.is_none() && opened == message(1, 50), "{error:?}");
}

#[test]
fn chunks_partial_writes_and_waits_change_nothing() {
    for config in ["", "delivery=poll;queue_pairs=1;depth=2", "compute_units=8;completion_nsec=2000"] {
        let engine = open(config);
        for seed in 0..60 {
            let mut random = ChaCha8Rng::seed_from_u64(seed);
            let frame = random.random_range(1..=600);
            let text = message(3, random.random_range(0..=12_000));
            let frames = frames(frame, random.random_range(1..=9));
            block_on(async {
                let mut inner = Flaky::new(seed, Vec::new());
                inner.fails = 2;
                let mut writer = SealWriter::with_frames(gcm(&engine), PREFIX, inner, frames);
                write_all(&mut writer, &text, seed).await.unwrap();
                let inner = writer.into_inner();
                assert_eq!(inner.closes, 1);
                assert_eq!(inner.data, sealed_elsewhere(&text, frame), "seed {seed}");
                let mut inner = Flaky::new(seed, inner.data);
                inner.fails = 2;
                let mut reader = OpenReader::with_frames(gcm(&engine), PREFIX, inner, frames);
                let (opened, _, error) = read_all(&mut reader, seed).await;
                assert!(error.is_none() && opened == text, "seed {seed}: {error:?}");
            });
        }
        assert_adds_up(&engine);
    }
}

/// Of every kind: those that another try mends, also where the engine tries again or computes itself.
#[test]
fn a_fault_of_the_device_costs_no_byte() {
    let faults = [
        "fault=fail:every=5",
        "fault=nomem:every=4",
        "fault=short:bytes=7,every=6",
        "fault=stall:nsec=5000000,every=7;timeout_msec=2;compute_units=4",
        "fault=fail:every=3;max_retries=1",
        "fault=fail;fallback=on",
        "fault=dead:nth=3;fallback=on",
        "fault=busy:every=2",
        "queue_pairs=1;depth=2",
        "completion_nsec=5000;compute_units=4",
    ];
    let text = message(8, 5_000);
    for fault in faults {
        let engine = stepped(fault);
        let (wrote, read) = drive(&engine, async {
            let inner = Flaky::new(4, Vec::new());
            let mut writer = SealWriter::with_frames(gcm(&engine), PREFIX, inner, frames(256, 4));
            let wrote = write_all(&mut writer, &text, 4).await.unwrap();
            let sealed = writer.into_inner().data;
            assert_eq!(sealed, sealed_elsewhere(&text, 256), "{fault}");
            let inner = Flaky::new(5, sealed);
            let mut reader = OpenReader::with_frames(gcm(&engine), PREFIX, inner, frames(256, 4));
            let (opened, read, error) = read_all(&mut reader, 5).await;
            assert!(error.is_none() && opened == text, "{fault}: {error:?}");
            (wrote, read)
        });
        let is_seen = ["fail:every=5", "nomem", "short", "stall"].iter().any(|kind| fault.contains(kind));
        assert_eq!(wrote > 0 && read > 0, is_seen, "{fault}: {wrote} errors, {read}");
        assert_adds_up(&engine);
    }
}

#[test]
fn a_dead_device_ends_both_directions_for_good() {
    let engine = open("");
    let sealed = block_on(seal(&engine, &message(1, 300), frames(100, 2)));
    let session = engine.panicking_hash(Hash::Sha256).unwrap();
    assert_eq!(session.digest(b"boom"), Err(Error::DeviceDead));
    block_on(async {
        let dead = Some(FrameError::Device { frame: 0, error: Error::DeviceDead });
        let inner = Plain(plain(Vec::new()));
        let mut writer = SealWriter::with_frames(gcm(&engine), PREFIX, inner, frames(100, 2));
        let error = write_all(&mut writer, &message(1, 300), 1).await.unwrap_err();
        assert_eq!(frame_error(&error), dead.as_ref());
        let written = write(&mut writer, &[1]).await.map(drop);
        for outcome in [written, close(&mut writer).await, flush(&mut writer).await] {
            assert_eq!(frame_error(&outcome.unwrap_err()), dead.as_ref());
        }
        let (text, error) = unseal(&engine, &sealed, frames(100, 2)).await;
        assert!(text.is_empty() && frame_error(&error.unwrap()) == dead.as_ref());
    });
}

/// Whatever is missing, what came before is given out, and the end is not taken for one.
#[test]
fn a_stream_that_is_cut_off_anywhere_says_so() {
    let engine = open("");
    let (text, frames) = (message(2, 120), frames(40, 3));
    block_on(async {
        let sealed = seal(&engine, &text, frames).await;
        assert_eq!(sealed.len(), 3 * (40 + TAG));
        for len in 0..sealed.len() {
            let (opened, error) = unseal(&engine, &sealed[..len], frames).await;
            let error = error.unwrap_or_else(|| panic!("{len} bytes are taken for the whole"));
            assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof, "{len}: {error}");
            assert_eq!(frame_error(&error), Some(&FrameError::Truncated), "{len}");
            let whole = len.saturating_sub(1) / (40 + TAG) * 40;
            assert_eq!(opened, text[..whole], "{len}");
        }
    });
}

#[test]
fn a_changed_bit_anywhere_is_found_in_its_frame() {
    let engine = open("");
    let (text, frames) = (message(2, 100), frames(40, 2));
    block_on(async {
        let sealed = seal(&engine, &text, frames).await;
        for at in 0..sealed.len() {
            let mut changed = sealed.clone();
            changed[at] ^= 1 << (at % 8);
            let (opened, error) = unseal(&engine, &changed, frames).await;
            let frame = at / (40 + TAG);
            assert_eq!(opened, text[..40 * frame], "{at}");
            let expected = match frame {
                2 => FrameError::Truncated,
                other => FrameError::Unauthentic { frame: other as u64 },
            };
            assert_eq!(frame_error(&error.unwrap()), Some(&expected), "{at}");
        }
    });
}

#[test]
fn frames_that_are_moved_doubled_left_out_or_added_are_found() {
    let engine = open("");
    let (text, frames) = (message(2, 150), frames(40, 2));
    block_on(async {
        let sealed = seal(&engine, &text, frames).await;
        let frame = |at: usize| sealed[at * (40 + TAG)..].chunks(40 + TAG).next().unwrap();
        let unauthentic = |frame| Some(FrameError::Unauthentic { frame });
        for (order, expected, given) in [
            (&[1, 0, 2, 3][..], unauthentic(0), 0),
            (&[0, 2, 1, 3], unauthentic(1), 40),
            (&[0, 0, 1, 2, 3], unauthentic(1), 40),
            (&[0, 1, 2, 2, 3], unauthentic(3), 120),
            (&[0, 2, 3], unauthentic(1), 40),
            (&[0, 1, 3], Some(FrameError::Truncated), 80),
            (&[3], Some(FrameError::Truncated), 0),
            (&[0, 1, 2, 3, 0], unauthentic(3), 120),
            (&[0, 1, 2, 3, 3], unauthentic(3), 120),
            (&[0, 1, 2, 3], None, 150),
        ] {
            let moved: Vec<_> = order.iter().flat_map(|at| frame(*at)).copied().collect();
            let (opened, error) = unseal(&engine, &moved, frames).await;
            assert_eq!(error.as_ref().and_then(frame_error), expected.as_ref(), "{order:?}");
            assert_eq!(opened, text[..given], "{order:?}");
        }
        let other_prefix = [1; 7];
        let inner = Plain(plain(sealed.clone()));
        let mut reader = OpenReader::with_frames(gcm(&engine), other_prefix, inner, frames);
        let (_, _, error) = read_all(&mut reader, 1).await;
        assert_eq!(error.as_ref().and_then(frame_error), unauthentic(0).as_ref());
        let (_, error) = unseal(&engine, &sealed, self::frames(41, 2)).await;
        assert_eq!(error.as_ref().and_then(frame_error), unauthentic(0).as_ref());
    });
}

#[test]
fn an_error_stays() {
    let engine = open("");
    block_on(async {
        let mut sealed = seal(&engine, &message(2, 500), frames(40, 4)).await;
        sealed[60] ^= 1;
        let inner = Plain(plain(sealed));
        let mut reader = OpenReader::with_frames(gcm(&engine), PREFIX, inner, frames(40, 4));
        for _ in 0..3 {
            let (text, _, error) = read_all(&mut reader, 1).await;
            assert!(text.len() <= 40);
            assert_eq!(frame_error(&error.unwrap()), Some(&FrameError::Unauthentic { frame: 1 }));
        }
    });
}

/// Never more than so many frames are on the device; then the writer waits.
#[test]
fn as_many_frames_are_in_flight_as_it_says() {
    let engine = stepped("completion_nsec=3600000000000;queue_pairs=1;compute_units=64");
    let inner = Plain(plain(Vec::new()));
    let mut writer = SealWriter::with_frames(gcm(&engine), PREFIX, inner, frames(10, 3));
    let mut context = Context::from_waker(Waker::noop());
    let mut taken = 0;
    while let Poll::Ready(count) = Pin::new(&mut writer).poll_write(&mut context, &[5; 7]) {
        taken += count.unwrap();
        assert!(engine.stats().device.total.in_flight <= 3);
    }
    assert_eq!((taken, engine.stats().device.total.in_flight), (40, 3));
    drop(writer);
    let stats = engine.stats();
    assert_eq!((stats.device.total.in_flight, stats.abandoned), (0, 3));

    let sealed = sealed_elsewhere(&message(1, 100), 10);
    let inner = Plain(plain(sealed));
    let mut reader = OpenReader::with_frames(gcm(&engine), PREFIX, inner, frames(10, 3));
    assert!(Pin::new(&mut reader).poll_read(&mut context, &mut [0; 5]).is_pending());
    assert_eq!(engine.stats().device.total.in_flight, 3);
    drop(reader);
    assert_eq!(engine.stats().abandoned, 6);
    assert_adds_up(&engine);
}

#[test]
fn a_flush_writes_whole_frames_that_something_follows() {
    let engine = open("");
    block_on(async {
        let mut writer =
            SealWriter::with_frames(gcm(&engine), PREFIX, Flaky::new(1, Vec::new()), frames(10, 3));
        for (bytes, written) in [(9, 0), (1, 0), (1, 26), (19, 52)] {
            let mut left = &vec![3; bytes][..];
            while !left.is_empty() {
                left = &left[write(&mut writer, left).await.unwrap()..];
            }
            flush(&mut writer).await.unwrap();
            assert_eq!(writer.get_ref().data.len(), written);
        }
        assert_eq!(writer.get_ref().flushes, 4);
        assert_eq!(write(&mut writer, &[]).await.unwrap(), 0);
        close(&mut writer).await.unwrap();
        close(&mut writer).await.unwrap();
        assert_eq!(writer.get_ref().closes, 1);
        let error = write(&mut writer, &[1]).await.unwrap_err();
        assert_eq!(
            (error.kind(), frame_error(&error)),
            (io::ErrorKind::BrokenPipe, Some(&FrameError::Closed))
        );
        flush(&mut writer).await.unwrap();
        assert_eq!(writer.into_inner().data, sealed_elsewhere(&[3; 30], 10));
    });
}

#[test]
fn lines_are_read_from_the_opened_text_itself() {
    let engine = open("");
    block_on(async {
        let sealed = seal(&engine, &message(4, 25), frames(10, 3)).await;
        let inner = Plain(plain(sealed));
        let mut reader = OpenReader::with_frames(gcm(&engine), PREFIX, inner, frames(10, 3));
        let mut text = Vec::new();
        loop {
            let part = poll_fn(|context| Pin::new(&mut reader).poll_fill_buf(context).map_ok(<[u8]>::to_vec));
            let part = part.await.unwrap();
            let Some(first) = part.first() else { break };
            text.push(*first);
            Pin::new(&mut reader).consume(1);
        }
        assert_eq!(text, message(4, 25));
    });
}

#[test]
fn both_ends_tell_their_frames_and_what_they_hold() {
    let engine = open("");
    let text = message(3, 250);
    let mut writer = SealWriter::with_frames(gcm(&engine), PREFIX, Plain(plain(Vec::new())), frames(100, 3));
    assert_eq!((writer.frames(), writer.buffered()), (frames(100, 3), 0));
    assert_eq!(block_on(write(&mut writer, &text[..70])).unwrap(), 70);
    assert_eq!(writer.buffered(), 70);
    assert_eq!(block_on(write(&mut writer, &text[70..])).unwrap(), 30);
    assert_eq!(writer.buffered(), 100);
    // A frame that is full waits for what follows, and is lost.
    assert!(writer.into_inner().0.into_inner().is_empty());

    let sealed = block_on(seal(&engine, &text, frames(100, 3)));
    let inner = Plain(plain(sealed));
    let mut reader = OpenReader::with_frames(gcm(&engine), PREFIX, inner, frames(100, 3));
    assert_eq!((reader.frames(), reader.buffer()), (frames(100, 3), &[][..]));
    assert_eq!(block_on(read(&mut reader, &mut [0; 10])).unwrap(), 10);
    assert_eq!(reader.buffer(), &text[10..100]);
    // All of it was read ahead.
    assert_eq!(reader.into_inner().0.position(), 250 + 3 * TAG as u64);
    let usual = SealWriter::new(gcm(&engine), PREFIX, Plain(plain(Vec::new()))).frames();
    assert_eq!((usual.len(), usual.in_flight()), (64 << 10, 8));
}

#[test]
fn sizes_that_are_not_possible_are_named() {
    for (len, in_flight) in [(0, 1), (1, 0), (Frames::MAX_LEN + 1, 1), (1, Frames::MAX_IN_FLIGHT + 1)] {
        let error = Frames::new(len, in_flight).unwrap_err();
        assert_eq!(error, FrameError::Frames { len, in_flight });
        assert!(error.to_string().contains("1 to 16777216 bytes and 1 to 1024 frames"), "{error}");
        assert_eq!(io::Error::from(error).kind(), io::ErrorKind::InvalidInput);
    }
    assert!(Frames::new(Frames::MAX_LEN, Frames::MAX_IN_FLIGHT).is_ok());
}
