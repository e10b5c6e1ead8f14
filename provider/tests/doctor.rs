//! `simaccel-stat --doctor`: each thing that keeps programs from offloading is found, with what mends it.

mod programs;

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::process::Command;

use programs::configuration::Configuration;
use programs::{Answer, command, provider, run, scratch, stat};

fn examined(configuration: &Configuration) -> Answer {
    run(configuration.program(stat()).arg("--doctor"))
}

/// The verdict of a check, and what it says.
#[track_caller]
fn of<'t>(text: &'t str, check: &str) -> (&'t str, &'t str) {
    let line = text.lines().find(|line| line.get(6..).is_some_and(|rest| rest.starts_with(check)));
    let line = line.unwrap_or_else(|| panic!("{check} is missing:\n{text}"));
    (line[..6].trim(), line[6 + 15..].trim())
}

/// Fails the test unless this check fails, the others do not, and the fix is said.
#[track_caller]
fn assert_finds(answer: &Answer, check: &str, fix: &str) {
    let text = answer.stdout();
    assert_eq!(of(&text, check).0, "FAIL", "{text}");
    let failed = text.lines().filter(|line| line.starts_with("FAIL")).count();
    assert_eq!(failed, 1, "{text}");
    let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(text.contains(fix), "{fix} is missing: {text}");
    assert_eq!(answer.output.status.code(), Some(1));
}

#[test]
fn a_configuration_as_documented_is_well() {
    let answer = examined(&Configuration::new("doctor"));
    let text = answer.stdout();
    for check in
        ["library", "configuration", "loaded", "wins the fetch", "random numbers", "TLS groups", "pauses"]
    {
        assert_eq!(of(&text, check).0, "ok", "{text}");
    }
    assert!(text.lines().all(|line| line.chars().count() <= 80 || line.contains('/')), "{text}");
    assert_eq!((answer.output.status.code(), answer.stderr().as_str()), (Some(0), ""));
}

#[test]
fn the_users_counters_are_left_alone_and_nothing_stays_behind() {
    let configuration = Configuration::new("doctor");
    let temporary = scratch("doctor");
    run(configuration.program(stat()).arg("--doctor").env("TMPDIR", &temporary)).succeeded();
    assert_eq!(fs::read_dir(temporary).unwrap().count(), 0);
    assert_eq!(configuration.counters_files(), Vec::<std::path::PathBuf>::new());
}

#[test]
fn a_file_of_counters_in_the_variable_is_no_obstacle() {
    let mut command = Configuration::new("doctor").program(stat());
    run(command.arg("--doctor").env("SIMACCEL_CONFIG", "stats_file=/tmp/never; never_pause=none"))
        .succeeded();
    assert!(!std::path::Path::new("/tmp/never").exists());
}

#[test]
fn a_variable_that_is_no_text_fails_the_load_and_is_told() {
    let mut command = Configuration::new("doctor").program(stat());
    let variable = OsStr::from_bytes(b"stats_file=/tmp/\xff");
    let answer = run(command.arg("--doctor").env("SIMACCEL_CONFIG", variable));
    assert_finds(&answer, "loaded", "must be UTF-8");
}

#[test]
fn a_device_that_never_answers_is_found() {
    for (key, value) in [("completion_nsec", "3600000000000"), ("fault", "drop_wake")] {
        assert_finds(&examined(&Configuration::new("doctor").key(key, value)), "pauses", "fault=none");
    }
}

#[test]
fn a_provider_that_does_not_win_is_told_how() {
    let answer = examined(&Configuration::new("doctor").preferring("?provider=default"));
    assert_finds_most(&answer, "wins the fetch", "default_properties = ?simaccel.hw=yes");
    let text = answer.stdout();
    assert!(of(&text, "wins the fetch").1.contains("algorithms do not come from it"), "{text}");
}

/// The same where what follows fails, too.
#[track_caller]
fn assert_finds_most(answer: &Answer, check: &str, fix: &str) {
    let text = answer.stdout();
    assert_eq!(of(&text, check).0, "FAIL", "{text}");
    let words = text.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(words.contains(fix), "{fix} is missing: {text}");
    assert_eq!(answer.output.status.code(), Some(1));
}

#[test]
fn a_configuration_that_does_not_load_it_is_completed_and_the_completion_works() {
    let folder = scratch("doctor");
    let other = folder.join("other.cnf");
    fs::write(&other, "openssl_conf = init\n[init]\n").unwrap();
    let with = |file: &std::path::Path| -> Command {
        let mut command = command(stat());
        command.arg("--doctor").arg(provider()).env("OPENSSL_CONF", file);
        command
    };
    let answer = run(&mut with(&other));
    assert_finds(&answer, "loaded", "by hand it loads");
    // What it says is a whole configuration.
    let text = answer.stdout();
    let lines = text.lines().skip_while(|line| !line.contains("openssl_conf = init"));
    let lines: Vec<_> = lines.map(|line| line.trim().replace("to mend it:", "")).collect();
    fs::write(folder.join("mended.cnf"), lines.join("\n")).unwrap();
    run(&mut with(&folder.join("mended.cnf"))).succeeded();
}

#[test]
fn a_file_of_configuration_that_is_not_there_is_said() {
    let answer = run(command(stat()).arg("--doctor").env("OPENSSL_CONF", "/nonexistent/openssl.cnf"));
    assert_finds_most(&answer, "configuration", "set OPENSSL_CONF to a file with");
}

#[test]
fn a_mistake_in_the_configuration_is_said_with_its_key() {
    // libcrypto goes on without the provider, and forgets why.
    for (key, value, said) in [
        ("depth", "65", "depth=65: must be a power of two"),
        ("config", "never_pause=none; colour=red", "unknown key colour"),
    ] {
        assert_finds(&examined(&Configuration::new("doctor").key(key, value)), "loaded", said);
    }
    let mut command = Configuration::new("doctor").program(stat());
    assert_finds(
        &run(command.arg("--doctor").env("SIMACCEL_CONFIG", "speed=high")),
        "loaded",
        "unknown key speed",
    );
}

#[test]
fn a_module_that_is_not_there_is_said_with_its_name() {
    let configuration = Configuration::new("doctor");
    let text = configuration.text().replace("libsimaccel_provider.so", "libsimacel_provider.so");
    let file = configuration.folder.join("misspelt.cnf");
    fs::write(&file, text).unwrap();
    let answer = run(command(stat()).arg("--doctor").env("OPENSSL_CONF", file));
    assert_finds_most(&answer, "loaded", "libsimacel_provider.so: cannot open shared object file");
}

#[test]
fn a_value_of_the_section_that_is_no_text_is_said_with_its_key() {
    let configuration = Configuration::new("doctor").key("depth", "HERE");
    let text = configuration.text();
    let (head, tail) = text.split_once("HERE").unwrap();
    let file = configuration.folder.join("bytes.cnf");
    fs::write(&file, [head.as_bytes(), b"\xff", tail.as_bytes()].concat()).unwrap();
    let answer = run(command(stat()).arg("--doctor").env("OPENSSL_CONF", file));
    assert_finds_most(&answer, "loaded", "depth: must be UTF-8");
}

#[test]
fn a_section_of_the_name_default_is_said() {
    let folder = scratch("doctor");
    let file = folder.join("openssl.cnf");
    let text = format!(
        "openssl_conf = init\n[init]\nproviders = providers\n[providers]\nsimaccel = simaccel\ndefault = default\n\
         [default]\nactivate = 1\n[simaccel]\nmodule = {}\nactivate = 1\n",
        provider().display()
    );
    fs::write(&file, text).unwrap();
    let answer = run(command(stat()).arg("--doctor").env("OPENSSL_CONF", file));
    // Where libcrypto takes it, there is nothing to say of it.
    let text = answer.stdout();
    if of(&text, "configuration").0 == "FAIL" {
        assert_finds_most(&answer, "configuration", "call no section [default]");
    }
}

#[test]
fn a_generator_that_uses_the_device_is_told_how_to_be_pinned() {
    let answer = examined(&Configuration::new("doctor").without_pinned_random());
    let text = answer.stdout();
    // OpenSSL 4.0 pins it by itself.
    if of(&text, "library").1.starts_with("OpenSSL 3.") {
        assert_finds(&answer, "random numbers", "[random] random = CTR-DRBG properties = provider=default");
    } else {
        assert_eq!(of(&text, "random numbers").0, "ok", "{text}");
    }
}

#[test]
fn an_operation_that_does_not_pause_is_told_with_the_reason() {
    for (key, value, fix) in [
        ("async_min_bytes", "5000", "async_min_bytes is larger than 4096"),
        ("never_pause", "AES-128-CBC", "never_pause names AES-128-CBC"),
        ("fault", "fd_fail", "no wait fd could be made"),
    ] {
        let answer = examined(&Configuration::new("doctor").key(key, value));
        assert_finds(&answer, "pauses", fix);
    }
    let answer = examined(&Configuration::new("doctor").key("fault", "fail"));
    assert_finds(&answer, "pauses", "does a fault of the device strike?");
}

/// Where it offers keys alone, a signature is tried.
#[test]
fn a_provider_of_private_keys_alone_is_tried_with_a_signature() {
    for (algorithms, row) in
        [("private-keys", "ECDSA/sign"), ("RSA", "RSA/sign"), ("ED25519", "ED25519/sign")]
    {
        let answer = examined(&Configuration::new("doctor").key("algorithms", algorithms)).succeeded();
        let text = answer.stdout();
        assert!(of(&text, "pauses").1.contains(row), "{text}");
        assert_eq!(of(&text, "wins the fetch").0, "ok", "{text}");
    }
    let never = Configuration::new("doctor").key("algorithms", "private-keys").key("never_pause", "ECDSA");
    assert_finds(&examined(&never), "pauses", "never_pause names ECDSA/sign");
    let neither = examined(&Configuration::new("doctor").key("algorithms", "SHA2-256")).succeeded();
    assert!(of(&neither.stdout(), "pauses").1.starts_with("not looked at"), "{}", neither.stdout());
}

#[test]
fn a_file_that_is_no_provider_is_said() {
    let text = scratch("doctor").join("libsimaccel_provider.so");
    fs::write(&text, "text").unwrap();
    for (file, said) in [
        (text.to_str().unwrap(), "build it for this machine"),
        ("/nonexistent/libsimaccel_provider.so", "build it for this machine"),
        ("libcrypto.so.3", "it is no provider"),
    ] {
        let answer = run(command(stat()).args(["--doctor", file]));
        assert_finds(&answer, "file", said);
    }
    let answer = run(command(stat()).args(["--doctor", "--libcrypto", "/nonexistent/libcrypto.so"]));
    assert_finds(&answer, "library", "--libcrypto PATH");
}
