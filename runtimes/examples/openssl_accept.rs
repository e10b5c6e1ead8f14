//! `SSL_accept` in jobs of libcrypto, as futures on tokio: many handshakes on one thread, none of which
//! blocks it while the device works.
//!
//! ```text
//!   OPENSSL_CONF=openssl.cnf cargo run --manifest-path runtimes/Cargo.toml --example openssl_accept
//! ```
//!
//! Without a provider that pauses (see `docs/provider.md`), the same handshakes run without a pause.

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::thread;

use openssl::asn1::Asn1Time;
use openssl::ec::{EcGroup, EcKey};
use openssl::hash::MessageDigest;
use openssl::nid::Nid;
use openssl::pkey::PKey;
use openssl::ssl::{HandshakeError, Ssl, SslConnector, SslContext, SslMethod, SslStream, SslVerifyMode};
use openssl::x509::{X509, X509Name};
use simaccel_runtimes::AsyncJob;
use tokio::io::Interest;
use tokio::net::TcpListener;
use tokio::task::LocalSet;

const CONNECTIONS: usize = 16;
type Outcome<T> = Result<T, Box<dyn std::error::Error>>;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Outcome<()> {
    let context = context()?;
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    let clients: Vec<_> = (0..CONNECTIONS)
        .map(|_| thread::spawn(move || greet(address).map_err(|error| error.to_string())))
        .collect();
    let local = LocalSet::new();
    let pauses = local.run_until(async {
        let mut servers = Vec::new();
        for _ in 0..CONNECTIONS {
            let (stream, _) = listener.accept().await?;
            let context = context.clone();
            servers.push(tokio::task::spawn_local(async move {
                let stream = stream.into_std().map_err(|error| error.to_string())?;
                serve(context, stream).await.map_err(|error| error.to_string())
            }));
        }
        let mut pauses = 0;
        for server in servers {
            pauses += server.await??;
        }
        Outcome::Ok(pauses)
    });
    let pauses = pauses.await?;
    for client in clients {
        client.join().map_err(|_| "a client has panicked")??;
    }
    writeln!(io::stdout(), "{CONNECTIONS} handshakes on one thread, {pauses} pauses")?;
    Ok(())
}

/// One connection: the handshake, each step of it in a job; then an echo. Returns the number of pauses.
async fn serve(context: SslContext, stream: TcpStream) -> Outcome<usize> {
    let socket = tokio::net::TcpStream::from_std(stream.try_clone()?)?;
    let ssl = Ssl::new(&context)?;
    let mut pauses = 0;
    let mut step = in_job(move || ssl.accept(stream), &mut pauses).await?;
    let mut stream = loop {
        match step {
            Ok(stream) => break stream,
            Err(HandshakeError::WouldBlock(middle)) => {
                readable(&socket).await?;
                step = in_job(move || middle.handshake(), &mut pauses).await?;
            }
            Err(error) => return Err(error.to_string().into()),
        }
    };
    let mut message = [0; 5];
    while let Err(error) = read(&mut stream, &mut message) {
        if error.kind() != io::ErrorKind::WouldBlock {
            return Err(error.into());
        }
        readable(&socket).await?;
    }
    stream.write_all(&message)?;
    Ok(pauses)
}

/// Waits until there is more to read. What was read before this has ended with "would block", so tokio's edge
/// is used up.
async fn readable(socket: &tokio::net::TcpStream) -> io::Result<()> {
    socket.readable().await?;
    let used_up = || Err::<(), _>(io::ErrorKind::WouldBlock.into());
    let _ = socket.try_io(Interest::READABLE, used_up);
    Ok(())
}

async fn in_job<T>(f: impl FnOnce() -> T, pauses: &mut usize) -> io::Result<T> {
    let mut job = AsyncJob::new(f);
    let done = (&mut job).await;
    *pauses += job.pauses();
    done
}

fn read(stream: &mut SslStream<TcpStream>, message: &mut [u8]) -> io::Result<()> {
    stream.read_exact(message)
}

/// A client, in a thread of its own.
fn greet(address: std::net::SocketAddr) -> Outcome<()> {
    let mut builder = SslConnector::builder(SslMethod::tls())?;
    builder.set_verify(SslVerifyMode::NONE);
    let mut stream = builder.build().configure()?.connect("localhost", TcpStream::connect(address)?)?;
    stream.write_all(b"hello")?;
    let mut answer = [0; 5];
    stream.read_exact(&mut answer)?;
    if &answer != b"hello" {
        return Err("another answer".into());
    }
    Ok(())
}

/// A certificate of its own for each run.
fn context() -> Outcome<SslContext> {
    let group = EcGroup::from_curve_name(Nid::X9_62_PRIME256V1)?;
    let key = PKey::from_ec_key(EcKey::generate(&group)?)?;
    let mut name = X509Name::builder()?;
    name.append_entry_by_text("CN", "localhost")?;
    let name = name.build();
    let mut certificate = X509::builder()?;
    certificate.set_version(2)?;
    certificate.set_subject_name(&name)?;
    certificate.set_issuer_name(&name)?;
    certificate.set_pubkey(&key)?;
    certificate.set_not_before(&*Asn1Time::days_from_now(0)?)?;
    certificate.set_not_after(&*Asn1Time::days_from_now(1)?)?;
    certificate.sign(&key, MessageDigest::sha256())?;
    let mut context = SslContext::builder(SslMethod::tls_server())?;
    context.set_certificate(&certificate.build())?;
    context.set_private_key(&key)?;
    Ok(context.build())
}
