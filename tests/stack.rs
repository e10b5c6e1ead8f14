//! How much of its stack a job needs: less than 16 KiB for every operation that it waits for, in every
//! build.
//!
//! One test function, because the stacks are the process's.

mod captured;
mod painted;

use simaccel::job;
use simaccel::{
    Aead, Cipher, Config, DeliveryMode, Engine, Hash, Job, KeyAlgorithm, KeyArguments, KeyHash, PrivateKey,
    Step, WaitCtx, wait_readable,
};

const MOST: usize = 16 * 1024;
/// Other jobs fill its ring before the one that is measured.
const FULL: &str = "depth=2;queue_pairs=1";

type Body = Box<dyn FnOnce() + Send>;

/// How many bytes a job that runs `body` uses.
fn used(engine: &Engine, body: Body) -> usize {
    let engine = engine.clone();
    painted::most_used(move || {
        let ctx = WaitCtx::new();
        let full = Config::parse(FULL).unwrap().to_string() == engine.config().to_string();
        let mut others = if full { fill(&engine, &ctx) } else { Vec::new() };
        let mut job = Job::new(&ctx, body).unwrap();
        while job.resume().unwrap() == Step::Paused {
            if engine.device().is_stepped() {
                engine.device().step();
            } else if engine.config().delivery() == DeliveryMode::Poll {
                engine.poll(1, |_| ()).unwrap();
            } else {
                wait_readable(&ctx.all_fds()).unwrap();
            }
        }
        others.clear();
    })
}

/// Jobs that wait for as many requests as the ring holds.
fn fill(engine: &Engine, ctx: &WaitCtx) -> Vec<Job<()>> {
    let session = engine.hash(Hash::Sha256).unwrap();
    let other = || {
        let session = session.clone();
        let mut job = Job::new(ctx, move || drop(session.digest_owned(vec![1; 40]))).unwrap();
        assert_eq!(job.resume().unwrap(), Step::Paused);
        job
    };
    (0..engine.config().device().depth()).map(|_| other()).collect()
}

/// Every operation, by name.
fn operations(engine: &Engine) -> Vec<(&'static str, Body)> {
    fn text() -> Vec<u8> {
        vec![7; 1000]
    }
    let ctr = engine.cipher(Cipher::Aes256Ctr, &[1; 32]).unwrap();
    let gcm = engine.aead(Aead::Aes256Gcm, &[1; 32]).unwrap();
    let sha = engine.hash(Hash::Sha512).unwrap();
    let mac = engine.hmac(Hash::Sha512, &[1; 32]).unwrap();
    let mut all: Vec<(&'static str, Body)> = Vec::new();
    /// A name, what is cloned, and what is done with the clone.
    macro_rules! add {
        ($name:literal, $of:ident, $body:expr) => {{
            let $of = $of.clone();
            all.push(($name, Box::new(move || drop($body))));
        }};
    }
    let key: Vec<u8> = (0..64).collect();
    let cbc = engine.cipher(Cipher::Aes256Cbc, &key[..32]).unwrap();
    let xts = engine.cipher(Cipher::Aes256Xts, &key).unwrap();
    add!("cbc", cbc, cbc.encrypt(&[0; 16], text()).unwrap());
    add!("xts", xts, xts.encrypt(&[0; 16], text()).unwrap());
    add!("ctr", ctr, ctr.encrypt(&[0; 16], text()).unwrap());
    // The second time on a context takes another way.
    add!("ctr, twice", ctr, {
        drop(ctr.encrypt(&[0; 16], text()).unwrap());
        ctr.encrypt(&[0; 16], text()).unwrap()
    });
    add!("ctr slices", ctr, ctr.encrypt_slice(&[0; 16], &text(), &mut text()).unwrap().to_string());
    add!("ctr out of place", ctr, ctr.encrypt_to(&[0; 16], text(), text()).unwrap());
    add!("ctr stream", ctr, {
        let mut stream = ctr.encryptor(&[0; 16]);
        stream.update(text()).unwrap();
        stream.finish().unwrap()
    });
    add!("seal", gcm, gcm.seal(&[0; 12], b"aad", text()).unwrap());
    add!("seal, twice", gcm, {
        drop(gcm.seal(&[0; 12], b"aad", text()).unwrap());
        gcm.seal(&[0; 12], b"aad", text()).unwrap()
    });
    add!("open", gcm, gcm.open(&[0; 12], b"aad", text(), &[0; 16]).unwrap_err());
    // What has failed goes over from the straight way to the state machine.
    add!("open, twice", gcm, {
        drop(gcm.open(&[0; 12], b"aad", text(), &[0; 16]).unwrap_err());
        gcm.open(&[0; 12], b"aad", text(), &[0; 16]).unwrap_err()
    });
    add!("seal slices", gcm, vec![gcm.seal_slice(&[0; 12], b"aad", &text(), &mut text()).unwrap()]);
    add!("open slices", gcm, gcm.open_slice(&[0; 12], b"aad", &text(), &[0; 16], &mut text()).unwrap_err());
    add!("seal, long nonce", gcm, gcm.seal(&[0; 60], b"aad", text()).unwrap());
    add!("seal stream", gcm, {
        let mut stream = gcm.sealer(&[0; 12], b"aad");
        stream.update(text()).unwrap();
        stream.finish().unwrap()
    });
    add!("open stream", gcm, {
        let mut stream = gcm.opener(&[0; 12], b"aad");
        stream.update(text()).unwrap();
        stream.finish(&[0; 16]).unwrap_err()
    });
    add!("digest", sha, vec![sha.digest(&text()).unwrap()]);
    add!("digest owned", sha, sha.digest_owned(text()).unwrap());
    add!("digest stream", sha, {
        let mut stream = sha.stream();
        stream.update(text()).unwrap();
        vec![stream.finish().unwrap()]
    });
    add!("mac", mac, vec![mac.mac(&text()).unwrap()]);
    add!("verify", mac, mac.verify(&text(), &[0; 64]).unwrap_err());
    add!("verify owned", mac, mac.verify_owned(text(), &[0; 64]).unwrap_err());
    add!("mac stream", mac, {
        let mut stream = mac.stream();
        stream.update(text()).unwrap();
        vec![stream.finish().unwrap()]
    });
    keys(engine, &mut all);
    add!("call", engine, engine.call("sum", 8, || vec![1 + 1]).unwrap());
    add!("a new session", engine, engine.aead(Aead::Aes256Gcm, &[1; 32]).unwrap());
    all
}

/// Operations with keys need much more of a stack, but not of a job's.
fn keys(engine: &Engine, all: &mut Vec<(&'static str, Body)>) {
    const RSA: &[u8] = include_bytes!("../device-sim/tests/rsa/1024.der");
    let generated = |algorithm: KeyAlgorithm| {
        PrivateKey::generate(algorithm, &KeyArguments::random(&vec![7; algorithm.seed_len()])).unwrap()
    };
    let signers = [
        ("rsa", PrivateKey::from_pkcs1_der(RSA).unwrap()),
        ("p-521", generated(KeyAlgorithm::P521)),
        ("ed25519", generated(KeyAlgorithm::Ed25519)),
        ("ml-dsa-65", generated(KeyAlgorithm::MlDsa65)),
    ];
    for (name, key) in signers {
        let session = engine.private_key(&key).unwrap();
        let scheme = session.usual_scheme(KeyHash::Sha256).unwrap();
        all.push((name, Box::new(move || drop(session.sign(&scheme, &[1; 32]).unwrap()))));
    }
    let unfit = engine.private_key(&generated(KeyAlgorithm::P256)).unwrap();
    all.push(("an unfit peer", Box::new(move || drop(unfit.derive(&[4; 65]).unwrap_err()))));
    for (name, algorithm) in
        [("ml-kem-768", KeyAlgorithm::MlKem768), ("x25519mlkem768", KeyAlgorithm::X25519MlKem768)]
    {
        let session = engine.private_key(&generated(algorithm)).unwrap();
        all.push((name, Box::new(move || drop(session.encapsulate().unwrap()))));
    }
    for (name, algorithm) in [("a new key", KeyAlgorithm::MlDsa65), ("a new key, p-384", KeyAlgorithm::P384)]
    {
        let engine = engine.clone();
        all.push((name, Box::new(move || drop(engine.generate_key(algorithm).unwrap()))));
    }
    let engine = engine.clone();
    let import = move || engine.outside_job(|| PrivateKey::from_pkcs1_der(RSA).map(drop)).unwrap();
    all.push(("an import", Box::new(import)));
}

/// The same operations, while the job may not pause.
fn blocked((name, body): (&'static str, Body)) -> (String, Body) {
    let blocked = move || {
        let _blocked = job::block_pause();
        body();
    };
    (format!("{name}, blocked"), Box::new(blocked))
}

fn measure(engine: &Engine) -> Vec<(String, usize)> {
    let paused = operations(engine).into_iter().map(|(name, body)| (name.to_owned(), body));
    let all = paused.chain(operations(engine).into_iter().map(blocked));
    all.map(|(name, body)| (name, used(engine, body))).collect()
}

#[test]
fn an_operation_in_a_job_needs_less_than_16_kib_of_its_stack() {
    painted::install();
    let mut too_much = Vec::new();
    for config in [
        "",
        "delivery=poll",
        "completion_nsec=1000;timing=all",
        "timeout_msec=100000;max_retries=2;fallback=on",
        "fault=fail;fallback=on",
        FULL,
        "offload_threshold=100000",
    ] {
        let parsed = || Config::parse(config).unwrap();
        for (kind, engine) in
            [("workers", Engine::open(parsed()).unwrap()), ("stepped", Engine::stepped(parsed()).unwrap())]
        {
            let measured = measure(&engine);
            let (name, most) = measured.iter().max_by_key(|(_, used)| used).unwrap();
            println!("{kind}, {config:?}: up to {most} bytes ({name})");
            for (name, used) in &measured {
                assert!(*used > 1000, "{name}: a job has a record, and frames");
            }
            too_much.extend(
                measured.into_iter().filter(|(_, used)| *used >= MOST).map(|one| (kind, config, one)),
            );
        }
    }
    assert!(too_much.is_empty(), "{too_much:#?}");
}
