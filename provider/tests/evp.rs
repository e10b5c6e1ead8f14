//! Programs in C that use EVP as applications do: random calls, signatures and TLS records beside the default
//! provider, jobs whose contexts end while they are paused, and contexts with callbacks.

mod programs;

use std::path::{Path, PathBuf};
use std::process::Command;

use programs::configuration::preload;
use programs::counters::Counters;
use programs::{Answer, command, compiled, fetched, provider, run, scratch};

/// A program of `tests/c` with the provider, and what that has counted.
struct Run {
    said: String,
    counters: Counters,
}

/// The program, told where the provider is.
fn with_provider(program: &Path, numbers: &[u64], keys: &str, folder: &Path) -> Command {
    let mut command = command(program);
    command.args(numbers.iter().map(u64::to_string));
    command.arg(provider().parent().unwrap()).arg("libsimaccel_provider");
    command.env("SIMACCEL_CONFIG", format!("stats_file={};{keys}", folder.join("counters").display()));
    preload(&mut command);
    command
}

fn run_with_provider(program: &Path, numbers: &[u64], keys: &str) -> Run {
    let folder = scratch("evp");
    counted(&mut with_provider(program, numbers, keys, &folder), &folder)
}

/// Runs a command that leaves its counters in a folder.
#[track_caller]
fn counted(command: &mut Command, folder: &Path) -> Run {
    let answer = run(command).succeeded();
    let counters = Counters::read(&folder.join(format!("counters.{}", answer.pid)));
    counters.assert_add_up();
    Run { said: answer.stdout(), counters }
}

/// A number that a program has printed after a word.
fn number(said: &str, word: &str) -> u64 {
    let mut words = said.split_whitespace().skip_while(|&said| said != word);
    words.nth(1).and_then(|number| number.parse().ok()).unwrap_or_else(|| panic!("no {word} in {said}"))
}

fn alone(program: &Path, numbers: &[u64]) -> Answer {
    run(command(program).args(numbers.iter().map(u64::to_string)))
}

fn random() -> PathBuf {
    compiled("random.c", &["-lcrypto"])
}

fn records() -> PathBuf {
    compiled("records.c", &["-lcrypto"])
}

fn signatures() -> PathBuf {
    compiled("signatures.c", &["-lcrypto"])
}

fn keys() -> PathBuf {
    compiled("keys.c", &["-lcrypto"])
}

/// Each sequence runs outside of a job and in one. Every operation in one pauses, and no other does.
#[track_caller]
fn assert_same_as_the_default_provider(program: &Path, first: u64, count: u64, keys: &str) {
    let folder = scratch("evp");
    assert_counted(&mut with_provider(program, &[first, count], keys, &folder), count, &folder);
}

#[track_caller]
fn assert_counted(command: &mut Command, count: u64, folder: &Path) {
    let Run { said, counters } = counted(command, folder);
    assert_eq!(number(&said, "sequences"), 2 * count);
    assert_eq!(counters.at(&["in_flight"]), 0, "{}", counters.0);
    assert_eq!(counters.resumes(), counters.pauses(), "{}", counters.0);
    assert_eq!(counters.pauses(), counters.at(&["synchronous", "no_job"]), "{}", counters.0);
    // The program counts every pause of a job, the early resumes among them.
    assert_eq!(counters.pauses() + counters.at(&["spurious_resumes"]), number(&said, "pauses"));
}

#[test]
fn the_programs_find_no_difference_between_the_default_provider_and_itself() {
    for (program, count) in [(random(), 10_000), (records(), 10_000), (signatures(), 1000), (keys(), 300)] {
        let said = alone(&program, &[0, count]).succeeded().stdout();
        assert_eq!((number(&said, "sequences"), number(&said, "pauses")), (2 * count, 0));
    }
}

#[test]
fn random_calls_give_what_they_give_with_the_default_provider() {
    assert_same_as_the_default_provider(&random(), 0, 10_000, "never_pause=none");
}

#[test]
fn random_records_of_tls_1_2_are_those_of_the_default_provider() {
    assert_same_as_the_default_provider(&records(), 0, 10_000, "never_pause=none");
}

#[test]
fn random_signatures_and_encryptions_are_those_of_the_default_provider() {
    assert_same_as_the_default_provider(&signatures(), 0, 3000, "never_pause=none");
}

#[test]
fn random_calls_on_keys_give_what_they_give_with_the_default_provider() {
    assert_same_as_the_default_provider(&keys(), 0, 500, "");
}

/// Whatever the device does with an operation, its result is the same, or there is an error: the program ends
/// then.
#[test]
fn keys_are_the_same_however_operations_end() {
    let ways =
        ["clock=resumes:3", "offload_threshold=64", "never_pause=private-keys", "async_min_bytes=100000"];
    for (first, keys_of) in ways.iter().enumerate() {
        let Run { said, counters } = run_with_provider(&keys(), &[5000 + 100 * first as u64, 100], keys_of);
        assert_eq!(number(&said, "sequences"), 200, "{keys_of}");
        assert_eq!(counters.resumes(), counters.pauses(), "{keys_of}: {}", counters.0);
        let never = keys_of.starts_with("never_pause");
        assert_eq!(counters.pauses() == 0, never, "{keys_of}: {}", counters.0);
        assert_eq!(counters.at(&["synchronous", "too_small"]), 0, "{keys_of}: {}", counters.0);
    }
}

/// What the device does not have is made and used all the same, and counted as done elsewhere.
#[test]
fn keys_that_the_device_does_not_have_are_the_default_providers() {
    let Run { said, counters } = run_with_provider(&keys(), &[7000, 200], "");
    for group in ["P-224", "secp256k1", "brainpoolP256r1"] {
        assert_ne!(number(&said, group), 0, "{said}");
    }
    assert_ne!(counters.at(&["synchronous", "elsewhere"]), 0, "{}", counters.0);
    let operations = counters.pauses()
        + counters.at(&["synchronous", "no_job"])
        + counters.at(&["synchronous", "elsewhere"]);
    assert_eq!(counters.operations(), operations, "{}", counters.0);
}

#[test]
fn results_are_the_same_however_operations_end() {
    let ways = [
        "never_pause=none;clock=resumes:3",
        "never_pause=none;async_min_bytes=100",
        "never_pause=none;offload_threshold=64",
        "never_pause=none;completion_nsec=50000;compute_units=2",
        "",
    ];
    let programs = [random(), records(), signatures()];
    for (program, keys) in programs.iter().flat_map(|program| ways.map(|keys| (program, keys))) {
        let Run { said, counters } = run_with_provider(program, &[20_000, 300], keys);
        assert_eq!(number(&said, "sequences"), 600, "{keys}");
        assert_ne!(counters.pauses(), 0, "{keys}");
        assert_eq!(counters.resumes(), counters.pauses(), "{keys}: {}", counters.0);
        assert_eq!(counters.at(&["in_flight"]), 0, "{keys}: {}", counters.0);
    }
}

#[test]
fn contexts_that_end_while_their_job_is_paused_leave_nothing_behind() {
    let program = compiled("teardown.c", &["-lcrypto"]);
    let Run { said, counters } =
        run_with_provider(&program, &[20], "never_pause=none;completion_nsec=1000000");
    let abandoned = number(&said, "abandoned");
    assert_eq!(counters.at(&["freed_while_paused"]), abandoned, "{}", counters.0);
    assert_eq!(counters.pauses() - counters.resumes(), abandoned, "{}", counters.0);
    assert_eq!((counters.at(&["in_flight"]), counters.at(&["fds"])), (0, 0), "{}", counters.0);
    assert_eq!(counters.at(&["totals", "wakes_after_free"]), 0, "{}", counters.0);
}

#[test]
fn a_callback_announces_every_end_and_no_fd_is_spent() {
    let program = compiled("callbacks.c", &["-lcrypto"]);
    let Run { said, counters } =
        run_with_provider(&program, &[20], "never_pause=none;completion_nsec=100000");
    assert_eq!(number(&said, "calls"), counters.resumes(), "{}", counters.0);
    assert_eq!((counters.at(&["in_flight"]), counters.at(&["fds"])), (0, 0), "{}", counters.0);
    assert_eq!(counters.at(&["totals", "fds_opened"]), 0, "{}", counters.0);
}

/// The vectors of a file are right with the provider, but for those of algorithms that it does not have.
#[track_caller]
fn assert_vectors_are_right(file: &str, least: u64, others: &[&str]) {
    let program = compiled("vectors.c", &["-lcrypto"]);
    let folder = scratch("vectors");
    let mut command = command(&program);
    command.arg(fetched("vectors").join(file)).arg(provider().parent().unwrap()).arg("libsimaccel_provider");
    command
        .env("SIMACCEL_CONFIG", format!("stats_file={};never_pause=none", folder.join("counters").display()));
    preload(&mut command);
    let answer = run(&mut command).succeeded();
    let said = answer.stdout();
    let skipped = said.lines().filter_map(|line| line.strip_prefix("skipped "));
    let unexpected: Vec<_> =
        skipped.filter(|name| !others.iter().any(|other| name.to_lowercase().contains(other))).collect();
    assert_eq!(unexpected, [""; 0], "{said}");
    assert!(number(&said, "ran") >= least, "{said}");
    let counters = Counters::read(&folder.join(format!("counters.{}", answer.pid)));
    counters.assert_add_up();
    assert_eq!(counters.pauses(), number(&said, "pauses"));
    assert_eq!(counters.pauses(), counters.at(&["synchronous", "no_job"]), "{}", counters.0);
}

#[test]
#[ignore = "needs the vectors that .ci/openssl-vectors fetches"]
fn the_vectors_of_openssl_are_right_for_ciphers() {
    // One of XTS is the FIPS provider's.
    assert_vectors_are_right("evpciph_aes_common.txt", 125, &["cfb", "ofb", "ccm", "aes-128-xts"]);
}

#[test]
#[ignore = "needs the vectors that .ci/openssl-vectors fetches"]
fn the_vectors_of_openssl_are_right_for_digests() {
    assert_vectors_are_right("evpmd_sha.txt", 13, &["sha1", "sha3", "shake", "sha512-2"]);
}

#[test]
#[ignore = "needs the vectors that .ci/openssl-vectors fetches"]
fn the_vectors_of_openssl_are_right_for_keys() {
    let program = compiled("key_vectors.c", &["-lcrypto"]);
    // Those that are left out are the FIPS provider's, of other keys (X448, ED448), or of MDC2.
    for (file, least) in [
        ("evppkey_rsa_common.txt", 135),
        ("evppkey_rsa.txt", 55),
        ("evppkey_ecdsa.txt", 15),
        ("evppkey_ecx.txt", 25),
        ("evppkey_ecdh.txt", 150),
    ] {
        let folder = scratch("vectors");
        let mut command = command(&program);
        command.arg(fetched("vectors").join(file));
        command.arg(provider().parent().unwrap()).arg("libsimaccel_provider");
        let counters = folder.join("counters");
        command.env("SIMACCEL_CONFIG", format!("stats_file={};never_pause=none", counters.display()));
        preload(&mut command);
        let Run { said, counters } = counted(&mut command, &folder);
        assert!(number(&said, "ran") >= least, "{file}: {said}");
        assert_eq!(counters.pauses(), number(&said, "pauses"), "{file}");
        assert_eq!(counters.pauses(), counters.at(&["synchronous", "no_job"]), "{file}: {}", counters.0);
    }
}

#[test]
#[ignore = "needs OpenSSL 3.5, which .ci/applications unpacks"]
fn random_calls_and_records_are_those_of_openssl_3_5() {
    for (program, count) in [(random(), 5000), (records(), 5000), (signatures(), 2000), (keys(), 500)] {
        let folder = scratch("evp");
        let direct = with_provider(&program, &[0, count], "never_pause=none", &folder);
        let mut through = command(fetched("next/run"));
        through.arg(direct.get_program()).args(direct.get_args());
        through.envs(direct.get_envs().filter_map(|(name, value)| Some((name, value?))));
        assert_counted(&mut through, count, &folder);
    }
}

#[test]
#[ignore = "needs OpenSSL 4.0, which .ci/applications builds"]
fn random_calls_and_records_are_those_of_openssl_4() {
    let folder = fetched("openssl-4").display().to_string();
    let libraries = [format!("-L{folder}"), "-l:libcrypto.so.4".to_owned(), format!("-Wl,-rpath,{folder}")];
    let libraries: Vec<_> = libraries.iter().map(String::as_str).collect();
    for (source, count) in [("random.c", 5000), ("records.c", 5000), ("signatures.c", 2000), ("keys.c", 500)]
    {
        assert_same_as_the_default_provider(&compiled(source, &libraries), 0, count, "never_pause=none");
    }
}
