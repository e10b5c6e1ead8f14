//! The examples of this package, as processes.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Where cargo puts what it builds for this test.
fn built(below: &str) -> PathBuf {
    let test = env::current_exe().unwrap();
    let path = test.parent().and_then(Path::parent).unwrap().join(below);
    assert!(
        path.exists(),
        "{} is not built: cargo build --manifest-path runtimes/Cargo.toml --all-targets",
        path.display()
    );
    path
}

fn output(command: &mut Command) -> String {
    let output = command.output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{text}{}", String::from_utf8_lossy(&output.stderr));
    text
}

#[test]
fn tokios_requests_end_in_one_way_each() {
    let text = output(&mut Command::new(built("examples/tokio")));
    let [requests, sealed, late, cancelled] =
        ["requests:", "sealed", "late,", "cancelled"].map(|word| number_before(&text, word));
    assert_eq!((requests, sealed + late + cancelled), (500, requests), "{text}");
    // The device never ends each fiftieth: one to seal is cancelled, one to open is late. A slow host adds to
    // both.
    assert!(sealed > 0 && cancelled >= 500 / 50 && late >= (sealed + late) / 50, "{text}");
}

#[test]
fn a_stream_over_tcp_is_sealed_and_opened() {
    let text = output(&mut Command::new(built("examples/sealed_tcp")));
    assert_eq!(number_before(&text, "bytes"), 8 << 20);
    assert_eq!(number_before(&text, "sealed"), 512);
    assert!(text.contains("what arrived is what was sent"), "{text}");
}

/// The number before a word.
fn number_before(text: &str, word: &str) -> usize {
    let words: Vec<_> = text.split_whitespace().collect();
    let at = words.iter().position(|other| *other == word).unwrap();
    words[at - 1].parse().unwrap()
}

#[test]
fn handshakes_of_openssl_pause_in_jobs_on_tokio() {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("openssl_accept");
    fs::create_dir_all(&folder).unwrap();
    let provider = built("deps/libsimaccel_provider.so");
    let configuration = format!(
        "openssl_conf = openssl_init\n\n[openssl_init]\nproviders = provider_sect\nalg_section = algorithm_sect\n\
         random = random_sect\n\n[provider_sect]\nsimaccel = simaccel_sect\ndefault = default_sect\n\n\
         [default_sect]\nactivate = 1\n\n[simaccel_sect]\nmodule = {}\nactivate = 1\n\
         config = \"completion_nsec=50000\"\n\n[algorithm_sect]\ndefault_properties = ?simaccel.hw=yes\n\n\
         [random_sect]\nrandom = CTR-DRBG\nproperties = provider=default\n",
        provider.display()
    );
    let file = folder.join("openssl.cnf");
    fs::write(&file, configuration).unwrap();
    let paused = output(Command::new(built("examples/openssl_accept")).env("OPENSSL_CONF", &file));
    assert!(number_before(&paused, "pauses") >= 16, "{paused}");
    let without = output(Command::new(built("examples/openssl_accept")).env("OPENSSL_CONF", "/dev/null"));
    assert_eq!((number_before(&without, "handshakes"), number_before(&without, "pauses")), (16, 0));
}
