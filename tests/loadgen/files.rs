//! Files through the device, compared with the output of other programs.

use std::fs::{File, Permissions};
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Stdio};

use super::{Folder, MODES, json, key, program, sample, text};

/// Around the size of blocks, and around the pieces of 4 KiB that these tests cut files into.
const SIZES: [usize; 11] = [0, 1, 15, 16, 17, 4095, 4096, 4097, 8192, 8208, 40_001];

/// A counter block that overflows all its 128 bits within these files.
const WRAPPING_IV: &str = "fffffffffffffffffffffffffffffffa";

#[test]
fn digests_are_printed_as_the_sum_tools_print_them() {
    let folder = Folder::new();
    for size in SIZES {
        folder.write("in", sample(size));
        for name in ["sha224", "sha256", "sha384", "sha512"] {
            let output = folder.succeed(&format!("--alg {name} --input in --size 4k"));
            assert_eq!(
                text(&output.stdout),
                text(&folder.tool(&format!("{name}sum"), &["in"])),
                "{name} {size}"
            );
            assert!(text(&output.stderr).contains(name), "the report is on standard error");
        }
        let printed = folder.succeed("--alg sha512-256 --input in --size 4k").stdout;
        let openssl = folder.tool("openssl", &["dgst", "-sha512-256", "-r", "in"]);
        assert_eq!(text(&printed), text(&openssl).replace(" *", "  "), "{size}");
    }
}

#[test]
fn odd_file_names_are_escaped_as_sha256sum_escapes_them() {
    let folder = Folder::new();
    for name in ["plain", "with blank", "back\\slash", "new\nline", "both\\\n", "trailing\\", "ünïcode", "-"]
    {
        let name = if name == "-" { "./-" } else { name };
        folder.write(name, b"content");
        let output = folder.run(&["--alg", "sha256", "--input", name]);
        assert_eq!(text(&output.stdout), text(&folder.tool("sha256sum", &[name])));
    }
}

#[test]
fn macs_agree_with_openssl() {
    let folder = Folder::new();
    for (size, key_len) in [(0, 1), (4096, 32), (40_001, 64), (17, 200)] {
        folder.write("in", sample(size));
        for hash in ["sha224", "sha256", "sha384", "sha512", "sha512-256"] {
            let key = key(key_len);
            let printed =
                folder.succeed(&format!("--alg hmac-{hash} --key {key} --input in --size 4k")).stdout;
            let (hash, hexkey) = (format!("-{hash}"), format!("hexkey:{key}"));
            let openssl =
                folder.tool("openssl", &["dgst", &hash, "-mac", "HMAC", "-macopt", &hexkey, "-r", "in"]);
            assert_eq!(text(&printed), text(&openssl).replace(" *", "  "), "{hash} {size}");
        }
    }
}

/// Encrypts `data` with `options`, compares with `expected`, and gets it back by decrypting.
#[track_caller]
fn there_and_back(folder: &Folder, options: &str, data: &[u8], expected: &[u8]) {
    folder.write("in", data);
    let printed = folder.succeed(&format!("{options} --input in --output out")).stdout;
    assert!(printed.is_empty(), "the report is on standard error");
    assert!(folder.read("out") == expected, "{options}: {} bytes encrypted differently", data.len());
    folder.succeed(&format!("{options} --decrypt --input out --output back"));
    assert!(folder.read("back") == data, "{options}: {} bytes came back differently", data.len());
    assert_eq!(folder.names(), ["back", "in", "out"]);
}

#[test]
fn ciphers_write_what_openssl_enc_writes() {
    for (bits, key) in [(128, key(16)), (192, key(24)), (256, key(32))] {
        for mode in ["ecb", "cbc", "ctr"] {
            let folder = Folder::new();
            for size in SIZES {
                let data = sample(size);
                let iv = if mode == "ecb" { "" } else { &format!("-iv {WRAPPING_IV}") };
                let expected = folder.openssl_enc(&format!("-aes-{bits}-{mode} -K {key} {iv}"), &data);
                let iv = iv.replace("-iv", "--iv");
                let options = format!("--alg aes-{bits}-{mode} --key {key} {iv} --size 4k");
                there_and_back(&folder, &options, &data, &expected);
            }
        }
    }
}

#[test]
fn every_mode_writes_the_same() {
    let (key, data) = (key(32), sample(300_001));
    for cipher in ["ecb", "cbc", "ctr"] {
        let folder = Folder::new();
        let iv = if cipher == "ecb" { "" } else { &format!("-iv {WRAPPING_IV}") };
        let expected = folder.openssl_enc(&format!("-aes-256-{cipher} -K {key} {iv}"), &data);
        let iv = iv.replace("-iv", "--iv");
        for mode in &MODES[..MODES.len() - 1] {
            // In CBC encryption pieces wait for each other, and outside of jobs all do.
            let jobs =
                if cipher == "cbc" || ["software", "sync"].contains(mode) { &[1][..] } else { &[1, 3, 100] };
            for jobs in jobs {
                let options =
                    format!("--alg aes-256-{cipher} --key {key} {iv} --size 2k --jobs {jobs} --mode {mode}");
                there_and_back(&folder, &options, &data, &expected);
            }
        }
    }
    let folder = Folder::new();
    folder.write("in", &data);
    for mode in &MODES[..MODES.len() - 1] {
        let printed = folder.succeed(&format!("--alg sha256 --input in --mode {mode}")).stdout;
        assert_eq!(printed, folder.tool("sha256sum", &["in"]), "{mode}");
    }
}

#[test]
fn gcm_writes_ciphertext_and_tag() {
    for (bits, key) in [(128, key(16)), (192, key(24)), (256, key(32))] {
        let folder = Folder::new();
        for size in SIZES {
            let data = sample(size);
            // A nonce of twelve bytes is used unchanged, any other length is hashed (SP 800-38D, 7.1).
            for nonce in [&sample(12)[..], &[7], &sample(60)] {
                let expected = folder.gcm(bits, &key, nonce, &data);
                let nonce = hex::encode(nonce);
                let options = format!("--alg aes-{bits}-gcm --key {key} --iv {nonce} --size 4k");
                there_and_back(&folder, &options, &data, &expected);
            }
        }
    }
}

#[test]
fn xts_goes_by_data_unit() {
    for (bits, len) in [(128, 16), (256, 32)] {
        let folder = Folder::new();
        let both = key(2 * len);
        let (first, second) = both.split_at(usize::from(len) * 2);
        for (size, unit) in
            [(0, 512), (16, 512), (31, 512), (512, 512), (1024, 512), (1553, 512), (5000, 4096)]
        {
            let data = sample(size);
            // The first unit's number overflows in its low byte, and in all of them.
            for number in [0_u128, 255, u128::MAX] {
                let expected = folder.xts(bits, (first, second), number, unit, &data);
                let iv = hex::encode(number.to_le_bytes());
                let options = format!("--alg aes-{bits}-xts --key {both} --iv {iv} --sector-size {unit}");
                there_and_back(&folder, &options, &data, &expected);
            }
        }
        folder.write("in", sample(520));
        let options = format!("--alg aes-{bits}-xts --key {both} --iv {}", "00".repeat(16));
        let told = folder.fail(2, &format!("{options} --input in --output short"));
        assert!(told.contains("8 bytes") && !folder.path("short").exists(), "{told}");
    }
}

/// An IV for ECB is no error, as for `openssl enc`.
#[test]
fn ecb_has_no_iv() {
    let (folder, key, data) = (Folder::new(), key(16), sample(100));
    let expected = folder.openssl_enc(&format!("-aes-128-ecb -K {key}"), &data);
    there_and_back(&folder, &format!("--alg aes-128-ecb --key {key}"), &data, &expected);
    assert!(
        folder
            .fail(2, &format!("--alg aes-128-ecb --key {key} --iv 00 --input in --output new"))
            .contains("--iv")
    );
}

/// Input that fails authentication: one line, exit code 1, and neither an output nor a trace of one.
#[test]
fn a_bad_tag_gives_no_output() {
    let folder = Folder::new();
    let options = format!("--alg aes-256-gcm --key {} --iv {} --size 4k", key(32), key(12));
    for size in [0, 16, 4096, 10_000] {
        let sealed = folder.gcm(256, &key(32), &hex::decode(key(12)).unwrap(), &sample(size));
        let mut bad_tag = sealed.clone();
        *bad_tag.last_mut().unwrap() ^= 1;
        let mut bad_text = sealed.clone();
        bad_text[0] ^= 0x80;
        for bad in [&bad_tag[..], &bad_text, &sealed[..sealed.len() - 1], &sealed[1..], &sealed[..15], &[]] {
            folder.write("in", bad);
            for mode in &MODES[..MODES.len() - 1] {
                let told =
                    folder.fail(1, &format!("{options} --decrypt --input in --output out --mode {mode}"));
                assert!(told.contains("tag"), "{told}");
                assert_eq!(folder.names(), ["in"]);
            }
        }
    }
}

#[test]
fn bad_padding_gives_no_output() {
    let folder = Folder::new();
    for mode in ["ecb", "cbc"] {
        let iv = if mode == "ecb" { "" } else { &format!("--iv {WRAPPING_IV}") };
        let options = format!("--alg aes-128-{mode} --key {} {iv} --size 4k", key(16));
        // Nothing, incomplete blocks, and whole blocks that do not end in padding.
        for size in [0, 1, 17, 4097, 4096, 8192] {
            folder.write("in", sample(size));
            let told = folder.fail(1, &format!("{options} --decrypt --input in --output out"));
            assert!(told.contains("padding"), "{told}");
            assert_eq!(folder.names(), ["in"]);
        }
    }
}

#[test]
fn a_failed_run_leaves_an_existing_output_alone() {
    let folder = Folder::new();
    folder.write("in", sample(5000));
    folder.write("out", b"before");
    let options = format!("--alg aes-256-gcm --key {} --iv 00", key(32));
    folder.fail(1, &format!("{options} --decrypt --input in --output out"));
    assert_eq!(folder.read("out"), b"before");
    folder.succeed(&format!("{options} --input in --output out"));
    assert_eq!(folder.read("out").len(), 5016);
    assert_eq!(folder.names(), ["in", "out"]);
}

#[test]
fn a_replaced_output_keeps_permissions_and_links() {
    let folder = Folder::new();
    folder.write("in", b"plaintext");
    folder.write("real", b"before, and longer than what comes");
    std::fs::set_permissions(folder.path("real"), Permissions::from_mode(0o640)).unwrap();
    std::os::unix::fs::symlink("real", folder.path("link")).unwrap();
    let options = format!("--alg aes-128-ctr --key {} --iv {WRAPPING_IV}", key(16));
    folder.succeed(&format!("{options} --input in --output link"));
    assert!(folder.path("link").is_symlink());
    assert_eq!(std::fs::metadata(folder.path("real")).unwrap().permissions().mode() & 0o777, 0o640);
    // In place: the input is read to its end before it is replaced.
    folder.succeed(&format!("{options} --decrypt --input real --output real"));
    assert_eq!(folder.read("real"), b"plaintext");
}

#[test]
fn a_killed_run_does_not_touch_the_output() {
    let folder = Folder::new();
    folder.write("out", b"before");
    folder.tool("mkfifo", &["fifo"]);
    let options = format!("--alg aes-128-ctr --key {} --iv {WRAPPING_IV} --input fifo --output out", key(16));
    let mut child = folder.command(program()).args(options.split_whitespace()).spawn().unwrap();
    // The program is in the middle of its input when it has taken more than a pipe holds.
    let mut fifo = File::create(folder.path("fifo")).unwrap();
    fifo.write_all(&sample(300_000)).unwrap();
    child.kill().unwrap();
    child.wait().unwrap();
    drop(fifo);
    assert_eq!(folder.read("out"), b"before");
}

#[test]
fn standard_input_is_a_file_named_dash() {
    let folder = Folder::new();
    let data = sample(100_000);
    let mut command = Command::new(program());
    let command =
        command.args(["--alg", "sha256", "--input", "-"]).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = command.stderr(Stdio::null()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(&data).unwrap();
    let printed = child.wait_with_output().unwrap().stdout;
    folder.write("in", &data);
    assert_eq!(text(&printed), text(&folder.tool("sha256sum", &["in"])).replace("  in", "  -"));
}

#[test]
fn json_about_a_file_goes_where_it_is_alone() {
    let folder = Folder::new();
    folder.write("in", sample(10_000));
    let options = format!("--alg aes-128-ctr --key {} --iv {WRAPPING_IV} --size 1k", key(16));
    let output = folder.succeed(&format!("{options} --input in --output out --output-format json"));
    let row = &json(&output.stdout)["rows"][0];
    assert_eq!(
        (row["ops"].as_u64(), row["size"].as_u64(), row["jobs"].as_u64()),
        (Some(10), Some(1024), Some(16))
    );
    assert!(row["pauses"].as_u64() >= Some(10));
    let output = folder.succeed("--alg sha256 --input in --output-format json");
    assert_eq!(output.stdout, folder.tool("sha256sum", &["in"]));
    assert_eq!(json(&output.stderr)["rows"][0]["alg"], "sha256");
}
