//! Text of sealed streams does not stay in freed memory, wherever a stream ends.
//!
//! The allocator inspects every block that is freed, so this file has one test function.

mod captured;
mod engine_helpers;
mod freed;
mod future_helpers;

use std::future::poll_fn;
use std::io;
use std::pin::Pin;

use futures_io::{AsyncBufRead, AsyncWrite};
use simaccel::future::{Frames, OpenReader, SealWriter};
use simaccel::{Aead, AeadSession, Engine};

use self::engine_helpers::{KEY, open};
use self::freed::{SECRET, keeps};
use self::future_helpers::block_on;

const PREFIX: [u8; 7] = [7; 7];
const FRAME: usize = 8 * SECRET.len();
const SEALED: usize = FRAME + 16;

fn gcm(engine: &Engine) -> AeadSession {
    engine.aead(Aead::Aes256Gcm, &KEY).unwrap()
}

fn frames() -> Frames {
    Frames::new(FRAME, 2).unwrap()
}

/// A writer that was given the text.
fn written(engine: &Engine, mut text: &[u8]) -> SealWriter<Vec<u8>> {
    let mut writer = SealWriter::with_frames(gcm(engine), PREFIX, Vec::new(), frames());
    while !text.is_empty() {
        let taken = block_on(poll_fn(|context| Pin::new(&mut writer).poll_write(context, text))).unwrap();
        text = &text[taken..];
    }
    writer
}

fn sealed(engine: &Engine, text: &[u8]) -> Vec<u8> {
    let mut writer = written(engine, text);
    block_on(poll_fn(|context| Pin::new(&mut writer).poll_close(context))).unwrap();
    writer.into_inner()
}

/// Reads a stream in place, `most` times: how many bytes there were, and what it ended with.
fn read(engine: &Engine, sealed: &[u8], most: usize) -> (usize, Option<io::ErrorKind>) {
    let mut reader = OpenReader::with_frames(gcm(engine), PREFIX, sealed, frames());
    let mut count = 0;
    for _ in 0..most {
        let filled =
            poll_fn(|context| Pin::new(&mut reader).poll_fill_buf(context).map(|text| text.map(<[u8]>::len)));
        match block_on(filled) {
            Ok(0) => break,
            Ok(len) => {
                Pin::new(&mut reader).consume(len);
                count += len;
            }
            Err(error) => return (count, Some(error.kind())),
        }
    }
    (count, None)
}

#[test]
fn no_text_of_a_stream_is_in_memory_that_is_given_back() {
    let engine = open("");
    let text: &[u8] = SECRET.repeat(100).leak();
    let all = keeps("a stream that is sealed", || sealed(&engine, text));
    keeps("a writer that is dropped", || drop(written(&engine, &text[..3 * FRAME + 40])));
    keeps("a stream that is read", || assert_eq!(read(&engine, &all, usize::MAX), (text.len(), None)));
    keeps("a reader that is dropped", || assert_eq!(read(&engine, &all, 3), (3 * FRAME, None)));
    let cut_off = Some(io::ErrorKind::UnexpectedEof);
    for (whole, more) in [(6, 5), (6, 100), (6, 0)] {
        let cut = &all[..whole * SEALED + more];
        // A frame of full length that nothing follows is taken for the last one.
        let authentic = if more == 0 { whole - 1 } else { whole };
        keeps(&format!("{whole} frames and {more} bytes"), || {
            assert_eq!(read(&engine, cut, usize::MAX), (authentic * FRAME, cut_off));
        });
    }
    let mut changed = all;
    changed[4 * SEALED] ^= 1;
    keeps("a changed frame", || {
        let ended = read(&engine, &changed, usize::MAX);
        assert_eq!(ended, (4 * FRAME, Some(io::ErrorKind::InvalidData)));
    });
    keeps("the thread's buffers", || drop(engine));
}
