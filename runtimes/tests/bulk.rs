//! Many operations of one task, and streams sealed in frames, on tokio and smol.

use std::io::{self, ErrorKind};
use std::sync::Arc;

use bytes::BytesMut;
use futures_lite::{StreamExt as _, stream};
use simaccel::future::{Buffered, FrameError, Frames, InFlight, OpenReader, SealWriter};
use simaccel::{Aead, AeadSession, Cipher, CipherSession, Config, Engine};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt};
use tokio::runtime::Builder;

const PREFIX: [u8; 7] = *b"stream0";

fn open(config: &str) -> Engine {
    Engine::open(Config::parse(config).unwrap()).unwrap()
}

fn ctr(engine: &Engine) -> CipherSession {
    engine.cipher(Cipher::Aes256Ctr, &[0x42; 32]).unwrap()
}

fn gcm(engine: &Engine) -> AeadSession {
    engine.aead(Aead::Aes256Gcm, &[0x42; 32]).unwrap()
}

/// A text for each number.
fn text(number: usize, len: usize) -> Vec<u8> {
    (0..len).map(|at| (number ^ at ^ (at >> 9)).to_le_bytes()[0]).collect()
}

/// Seals and opens many texts, a bounded number at once.
async fn toggles(session: CipherSession, task: usize) {
    for ordered in [true, false] {
        let mut set = if ordered { InFlight::ordered(16) } else { InFlight::unordered(16) };
        let mut sealed = Vec::new();
        for number in 0..300 {
            let buffer = BytesMut::from(&text(task + number, 64)[..]);
            sealed.extend(set.send(session.encrypt_async(&[1; 16], buffer)).await);
        }
        while let Some(last) = set.next().await {
            sealed.push(last);
        }
        let operations = sealed.into_iter().map(|sealed| session.decrypt_async(&[1; 16], sealed.unwrap()));
        let set = if ordered { InFlight::ordered(7) } else { InFlight::unordered(7) };
        let opened: Vec<_> = Buffered::new(stream::iter(operations), set).collect().await;
        let mut opened: Vec<_> = opened.into_iter().map(|opened| opened.unwrap().to_vec()).collect();
        let mut expected: Vec<_> = (0..300).map(|number| text(task + number, 64)).collect();
        if !ordered {
            opened.sort();
            expected.sort();
        }
        assert!(opened == expected, "task {task}");
    }
}

#[test]
fn sets_of_operations_on_tokio() {
    for config in ["", "delivery=poll", "queue_pairs=1;depth=4", "compute_units=32;completion_nsec=5000"] {
        for threads in [1, 4] {
            let engine = open(config);
            let runtime = Builder::new_multi_thread().worker_threads(threads).build().unwrap();
            runtime.block_on(async {
                let tasks: Vec<_> = (0..8).map(|task| tokio::spawn(toggles(ctr(&engine), task))).collect();
                for task in tasks {
                    task.await.unwrap();
                }
            });
            let stats = engine.stats();
            assert_eq!((stats.operations, stats.abandoned), (8 * 1_200, 0));
            assert_eq!(stats.device.total.in_flight, 0);
        }
    }
}

#[test]
fn sets_of_operations_on_smol() {
    let engine = open("");
    let executor = Arc::new(smol::Executor::new());
    let tasks: Vec<_> = (0..8).map(|task| executor.spawn(toggles(ctr(&engine), task))).collect();
    smol::block_on(executor.run(async {
        for task in tasks {
            task.await;
        }
    }));
    assert_eq!(engine.stats().operations, 8 * 1_200);
}

/// One task seals, and another one opens, with a pipe of 1,000 bytes between them.
#[test]
fn a_stream_between_two_tasks_of_tokio() {
    for config in ["", "queue_pairs=1;depth=2", "compute_units=16;completion_nsec=20000"] {
        let engine = open(config);
        let runtime = Builder::new_multi_thread().worker_threads(2).build().unwrap();
        runtime.block_on(async {
            let frames = Frames::new(4_000, 5).unwrap();
            let (near, far) = tokio::io::duplex(1_000);
            let (writes, reads) = (gcm(&engine), gcm(&engine));
            let sends = tokio::spawn(async move {
                let mut writer = SealWriter::with_frames(writes, PREFIX, near, frames);
                tokio::io::copy(&mut &text(7, 300_000)[..], &mut writer).await?;
                AsyncWriteExt::shutdown(&mut writer).await?;
                AsyncWriteExt::shutdown(&mut writer).await
            });
            let mut reader = OpenReader::with_frames(reads, PREFIX, far, frames);
            let mut received = Vec::new();
            AsyncReadExt::read_to_end(&mut reader, &mut received).await.unwrap();
            sends.await.unwrap().unwrap();
            assert!(received == text(7, 300_000), "{config}");
        });
        assert_eq!(engine.stats().device.total.in_flight, 0);
    }
}

#[test]
fn a_connection_that_breaks_is_no_end() {
    let engine = open("");
    let runtime = Builder::new_current_thread().build().unwrap();
    runtime.block_on(async {
        let frames = Frames::new(100, 2).unwrap();
        let (near, far) = tokio::io::duplex(10_000);
        let mut writer = SealWriter::with_frames(gcm(&engine), PREFIX, near, frames);
        AsyncWriteExt::write_all(&mut writer, &text(1, 350)).await.unwrap();
        AsyncWriteExt::flush(&mut writer).await.unwrap();
        drop(writer);
        let mut reader = OpenReader::with_frames(gcm(&engine), PREFIX, far, frames);
        let mut received = Vec::new();
        let error = AsyncReadExt::read_to_end(&mut reader, &mut received).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::UnexpectedEof);
        let inner = error.get_ref().and_then(|inner| inner.downcast_ref::<FrameError>());
        assert_eq!(inner, Some(&FrameError::Truncated));
        // The third frame may be the last one, so it is not opened.
        assert_eq!(received, text(1, 200));
    });
}

#[test]
fn opened_text_is_read_by_lines() {
    let engine = open("");
    let runtime = Builder::new_current_thread().build().unwrap();
    runtime.block_on(async {
        let mut sealed = Vec::new();
        let frames = Frames::new(10, 2).unwrap();
        let mut writer = SealWriter::with_frames(gcm(&engine), PREFIX, &mut sealed, frames);
        AsyncWriteExt::write_all(&mut writer, b"one\ntwo and more\nthree\n").await.unwrap();
        AsyncWriteExt::shutdown(&mut writer).await.unwrap();
        let mut lines = OpenReader::with_frames(gcm(&engine), PREFIX, &sealed[..], frames).lines();
        for expected in ["one", "two and more", "three"] {
            assert_eq!(lines.next_line().await.unwrap().as_deref(), Some(expected));
        }
        assert_eq!(lines.next_line().await.unwrap(), None);
    });
}

#[test]
fn a_stream_between_two_tasks_of_smol() {
    let engine = open("compute_units=16;completion_nsec=20000");
    smol::block_on(async {
        let listener = smol::net::TcpListener::bind("127.0.0.1:0").await?;
        let socket = smol::net::TcpStream::connect(listener.local_addr()?).await?;
        let session = gcm(&engine);
        let sends = smol::spawn(async move {
            let mut writer = SealWriter::new(session, PREFIX, socket);
            futures_lite::AsyncWriteExt::write_all(&mut writer, &text(9, 500_000)).await?;
            futures_lite::AsyncWriteExt::close(&mut writer).await
        });
        let mut reader = OpenReader::new(gcm(&engine), PREFIX, listener.accept().await?.0);
        let mut received = Vec::new();
        futures_lite::AsyncReadExt::read_to_end(&mut reader, &mut received).await?;
        sends.await?;
        assert!(received == text(9, 500_000));
        io::Result::Ok(())
    })
    .unwrap();
    assert_eq!(engine.stats().device.total.in_flight, 0);
}
