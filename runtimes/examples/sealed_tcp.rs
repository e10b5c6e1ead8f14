//! A file's worth of bytes over TCP, sealed and opened by the device on its way: two tasks of tokio, and
//! between them a connection on which only sealed frames are seen.
//!
//! ```text
//!   cargo run --release --manifest-path runtimes/Cargo.toml --example sealed_tcp
//!
//!   sends ─► SealWriter ─► frames of 16 KiB, 8 on the device ─► TCP ─► frames, 8 on the device ─► OpenReader ─► receives
//! ```
//!
//! The construction is STREAM with 32-bit big-endian counters. Its prefix of seven bytes is random, and goes
//! before the frames. A connection that breaks is no end of the stream: the reader says `UnexpectedEof`.

use std::io::{self, Write};

use simaccel::future::{Frames, OpenReader, SealWriter};
use simaccel::{Aead, AeadSession, Config, Engine, Hash, Tag};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

const BYTES: usize = 8 << 20;
const FRAME: usize = 16 << 10;
const DEVICE: &str = "compute_units=8;completion_nsec=50000";

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let engine = Engine::open(Config::parse(DEVICE)?)?;
    let session = engine.aead(Aead::Aes256Gcm, &[0x42; 32])?;
    let frames = Frames::new(FRAME, 8)?;
    let text: Vec<u8> = (0..BYTES).map(|at| (at ^ (at >> 11)).to_le_bytes()[0]).collect();
    let digest = engine.hash(Hash::Sha256)?.digest(&text)?;

    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    let sender = tokio::spawn(sends(session.clone(), frames, text, TcpStream::connect(address).await?));
    let received = receives(session, frames, listener.accept().await?.0).await?;
    sender.await??;

    assert_eq!(engine.hash(Hash::Sha256)?.digest_async(received).await?.1, digest);
    assert_eq!(engine.stats().device.total.in_flight, 0);
    writeln!(
        io::stdout(),
        "{BYTES} bytes in {} sealed frames; what arrived is what was sent",
        BYTES / FRAME
    )?;
    writeln!(io::stdout(), "SHA-256 {}", hex(&digest))?;
    Ok(())
}

async fn sends(session: AeadSession, frames: Frames, text: Vec<u8>, mut socket: TcpStream) -> io::Result<()> {
    let prefix = random()?;
    socket.write_all(&prefix).await?;
    let mut writer = SealWriter::with_frames(session, prefix, socket, frames);
    writer.write_all(&text).await?;
    // Without it the stream has no end.
    writer.shutdown().await
}

async fn receives(session: AeadSession, frames: Frames, mut socket: TcpStream) -> io::Result<Vec<u8>> {
    let mut prefix = [0; 7];
    socket.read_exact(&mut prefix).await?;
    let mut reader = OpenReader::with_frames(session, prefix, socket, frames);
    let mut text = Vec::new();
    // What comes before the end is authentic, but the end alone says that it is all.
    reader.read_to_end(&mut text).await?;
    Ok(text)
}

/// Another prefix for each stream under one key.
fn random() -> io::Result<[u8; 7]> {
    let mut prefix = [0; 7];
    io::Read::read_exact(&mut std::fs::File::open("/dev/urandom")?, &mut prefix)?;
    Ok(prefix)
}

fn hex(digest: &Tag) -> String {
    digest.as_bytes().iter().map(|byte| format!("{byte:02x}")).collect()
}
