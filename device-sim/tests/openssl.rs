//! The same results as the `openssl` command line, for the modes that it offers: `enc` for ECB, CBC and CTR,
//! `dgst` for SHA-2 and HMAC.

use std::io::Write;
use std::process::{Command, Stdio};
use std::thread;

use simaccel_device::{Algorithm, Cipher, Hash, Operation, Padding, Request, Session, SessionId, Status};

const LENGTHS: [usize; 6] = [0, 1, 16, 100, 4096, 100_003];

/// Feeds `input` to `openssl ARGS` and returns what it prints.
fn openssl(args: &[&str], input: &[u8]) -> Vec<u8> {
    let child = Command::new("openssl")
        .args(args)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn();
    let mut child = child.unwrap_or_else(|error| {
        panic!(
            "this test compares with the `openssl` command line, which cannot be run ({error}): install it"
        )
    });
    let mut stdin = child.stdin.take().unwrap();
    let output = thread::scope(|scope| {
        scope.spawn(move || stdin.write_all(input).unwrap());
        child.wait_with_output().unwrap()
    });
    assert!(output.status.success(), "openssl {args:?}: {}", String::from_utf8_lossy(&output.stderr));
    output.stdout
}

fn execute(session: &Session, operation: Operation, iv: &[u8], text: &[u8]) -> Request {
    let mut request = Request::new(SessionId::NONE, operation, text.to_vec());
    request.set_iv(iv);
    assert_eq!(session.execute(&mut request), Status::Ok);
    request
}

fn text(len: usize) -> Vec<u8> {
    (0..len).map(|i| (i * i / 7 + i).to_le_bytes()[0]).collect()
}

fn enc(cipher: Cipher, padding: Padding) {
    let (key, iv) = (text(cipher.key_len()), text(cipher.iv_len()));
    let session = Session::cipher(cipher, &key, padding).unwrap();
    let (name, key, hex_iv) = (format!("-{cipher}"), hex::encode(key), hex::encode(&iv));
    let mut args = vec!["enc", name.as_str(), "-K", key.as_str()];
    if !iv.is_empty() {
        args.extend(["-iv", hex_iv.as_str()]);
    }
    if cipher.pads() && padding == Padding::None {
        args.push("-nopad");
    }
    for len in LENGTHS.into_iter().filter(|len| !args.contains(&"-nopad") || len % 16 == 0) {
        let text = text(len);
        let encrypted = execute(&session, Operation::Encrypt, &iv, &text).buffer;
        assert!(encrypted == openssl(&args, &text), "{cipher} {padding:?}, {len} bytes");
        let decrypted = execute(&session, Operation::Decrypt, &iv, &encrypted).buffer;
        let theirs = openssl(&[&args[..], &["-d"]].concat(), &encrypted);
        assert!(decrypted == theirs && theirs == text, "{cipher} {padding:?}, {len} bytes");
    }
}

fn all_of(mode: &str, padding: Padding) {
    let ciphers: Vec<Cipher> =
        Cipher::ALL.iter().copied().filter(|cipher| cipher.name().ends_with(mode)).collect();
    assert_eq!(ciphers.len(), 3);
    ciphers.into_iter().for_each(|cipher| enc(cipher, padding));
}

#[test]
fn ecb() {
    all_of("ecb", Padding::Pkcs7);
    all_of("ecb", Padding::None);
}

#[test]
fn cbc() {
    all_of("cbc", Padding::Pkcs7);
    all_of("cbc", Padding::None);
}

#[test]
fn ctr() {
    all_of("ctr", Padding::Pkcs7);
}

#[test]
fn digests() {
    for &hash in Hash::ALL {
        let session = Session::hash(hash).unwrap();
        let name = format!("-{hash}");
        for len in LENGTHS {
            let text = text(len);
            let ours = execute(&session, Operation::Digest, &[], &text).tag;
            assert_eq!(ours.as_bytes(), openssl(&["dgst", &name, "-binary"], &text), "{hash}, {len} bytes");
        }
    }
}

#[test]
fn hmacs() {
    for &hash in Hash::ALL {
        let name = format!("-{hash}");
        for key_len in [1, hash.digest_len(), hash.block_len(), hash.block_len() + 1, 1000] {
            let key = text(key_len);
            let session = Session::hmac(hash, &key).unwrap();
            let option = format!("hexkey:{}", hex::encode(&key));
            for len in [0, 1, 1000] {
                let text = text(len);
                let ours = execute(&session, Operation::Mac, &[], &text).tag;
                let theirs = openssl(&["dgst", &name, "-mac", "HMAC", "-macopt", &option, "-binary"], &text);
                assert_eq!(ours.as_bytes(), theirs, "{hash}, key of {key_len}, {len} bytes");
            }
        }
    }
}

/// The names of each algorithm that `openssl list WHAT` prints:
/// `{ 2.16.840.1.101.3.4.1.2, AES-128-CBC, AES128 } @ default`, or for objects
/// `hmacWithSHA256 = 1.2.840.113549.2.9`.
fn listed(what: &str) -> Vec<Vec<String>> {
    let printed = String::from_utf8(openssl(&["list", what], &[])).unwrap();
    let lines = printed.lines().filter(|line| line.contains(" @ ") || line.contains(" = "));
    let names = lines.map(|line| {
        let names = line.split(" @ ").next().unwrap().replace(['{', '}', '='], ",");
        names.split(',').map(|name| name.trim().to_owned()).filter(|name| !name.is_empty()).collect()
    });
    names.collect()
}

/// Every OpenSSL name of an algorithm is understood, and no other name is taken for one.
#[test]
fn names() {
    let lists = ["-cipher-algorithms", "-digest-algorithms", "-objects"].map(listed).concat();
    for &algorithm in Algorithm::SYMMETRIC {
        let is_it = |name: &String| name.parse() == Ok(algorithm);
        let ours: Vec<_> = lists.iter().filter(|names| names.iter().any(is_it)).collect();
        for names in &ours {
            assert!(names.iter().all(is_it), "{algorithm} is one of {names:?}");
        }
        let theirs: Vec<String> = ours.into_iter().flatten().map(|name| name.to_lowercase()).collect();
        let name = algorithm.name().to_owned();
        let own = if matches!(algorithm, Algorithm::Hmac(_)) { vec![] } else { vec![name] };
        for name in own.into_iter().chain(algorithm.aliases().iter().map(|alias| alias.to_lowercase())) {
            assert!(theirs.contains(&name), "{name} is none of {theirs:?}");
        }
    }
}
