//! The example of private keys as a process: what it signs, OpenSSL verifies.

mod built;
mod scratch;

use std::path::Path;
use std::process::Command;

use self::scratch::Folder;

#[test]
fn openssl_verifies_the_signature_of_the_example() {
    let output = Command::new(built::example("private_keys")).output().unwrap();
    let (stdout, stderr) =
        (String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap());
    assert_eq!((output.status.code(), stderr.as_str()), (Some(0), ""), "{stdout}");
    let lines: Vec<&str> = stdout.lines().collect();
    let [paused, signature, rest @ ..] = &lines[..] else { panic!("{stdout}") };
    assert_eq!(*paused, "paused: p-256 signs");
    assert_eq!(
        rest,
        ["verified", "refused for another message", "both sides derive the same secret: true"],
        "{stdout}"
    );

    let folder = Folder::new();
    let signature = hex::decode(signature.strip_prefix("signature: ").unwrap()).unwrap();
    folder.write("signature", signature);
    folder.write("message", "attack at dawn");
    let pem = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/keys/p-256.pem");
    let verified = folder
        .command("openssl")
        .args(["dgst", "-sha256", "-prverify"])
        .arg(pem)
        .args(["-signature", "signature", "message"])
        .output()
        .unwrap();
    assert_eq!(String::from_utf8_lossy(&verified.stdout), "Verified OK\n", "{verified:?}");
}
