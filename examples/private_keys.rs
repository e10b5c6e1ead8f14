//! A private key on the device: imported from PEM, it signs in a job, which pauses until the signature is
//! there.
//!
//! ```text
//!   PEM ──► PrivateKey ──► engine.private_key ──► sign in a job ── paused, 2 ms ──► signature
//!              └─ public_key ──► engine.public_key ──────────────────────────────────► verify
//! ```

use std::io::Write;

use simaccel::{
    Config, Engine, Error, Hash, Job, KeyAlgorithm, KeyHash, PrivateKey, Step, WaitCtx, wait_readable,
};

/// A key of this example alone. Everybody has it, so it protects nothing.
const PEM: &str = include_str!("keys/p-256.pem");

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut out = std::io::stdout(); // println! would panic without a reader
    // A signature takes as long as in a slow module; other operations take no time.
    let engine = Engine::open(Config::parse("service=p-256/sign:nsec=2000000")?)?;
    let key = PrivateKey::from_pem(PEM)?;
    let session = engine.private_key(&key)?;
    let scheme = session.usual_scheme(KeyHash::Sha256).ok_or("such a key does not sign")?;
    let digest = engine.hash(Hash::Sha256)?.digest(b"attack at dawn")?;

    let ctx = WaitCtx::new(); // one per connection
    let (signer, by) = (session.clone(), scheme.clone());
    let mut job = Job::new(&ctx, move || signer.sign(&by, digest.as_bytes()))?;
    let signature = loop {
        match job.resume()? {
            Step::Paused => {
                writeln!(out, "paused: {} signs", key.algorithm())?;
                wait_readable(&ctx.all_fds())?;
            }
            Step::Finished(result) => break result?,
        }
    };
    writeln!(out, "signature: {}", hex::encode(&signature))?;

    // The public key verifies it, on the device, too.
    let public = engine.public_key(&key.public_key())?;
    public.verify(&scheme, digest.as_bytes(), &signature)?;
    writeln!(out, "verified")?;
    let other = engine.hash(Hash::Sha256)?.digest(b"attack at dusk")?;
    match public.verify(&scheme, other.as_bytes(), &signature) {
        Err(Error::AuthFailed) => writeln!(out, "refused for another message")?,
        verdict => return Err(format!("another message: {verdict:?}").into()),
    }

    // Two sides agree on a secret with keys that the device generates.
    let (ours, theirs) =
        (engine.generate_key(KeyAlgorithm::X25519)?, engine.generate_key(KeyAlgorithm::X25519)?);
    let value = |key: &PrivateKey| key.public_key().to_raw().ok_or("a value of 32 bytes");
    let (secret, same) = (
        engine.private_key(&ours)?.derive(&value(&theirs)?)?,
        engine.private_key(&theirs)?.derive(&value(&ours)?)?,
    );
    writeln!(out, "both sides derive the same secret: {}", *secret == *same)?;
    Ok(())
}
