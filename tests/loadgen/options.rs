//! Nonsense on the command line: one clear line, exit code 2, and no file.

use super::{Folder, key};

/// Options, and what the message has to name.
const NONSENSE: &[(&str, &[&str])] = &[
    ("--colour blue", &["--colour", "--help"]),
    ("file.txt", &["file.txt"]),
    ("--alg rot13", &["--alg", "rot13", "aes-256-ctr", "sha512-256"]),
    ("--alg hmac-md5", &["--alg", "hmac-sha256"]),
    ("--alg", &["--alg"]),
    ("--size 0", &["--size", "1 to 64m"]),
    ("--size -1", &["--size", "1 to 64m"]),
    ("--size 65m", &["--size", "1 to 64m"]),
    ("--size 4g", &["--size", "suffix k or m"]),
    ("--size 1.5k", &["--size", "1 to 64m"]),
    ("--size k", &["--size", "1 to 64m"]),
    ("--size 99999999999999999999", &["--size", "1 to 64m"]),
    ("--size 99999999999999999m", &["--size", "1 to 64m"]),
    ("--size 4k --size 8k", &["--size"]),
    ("--alg aes-128-xts --size 15", &["--size", "16 to 16m"]),
    ("--alg aes-128-xts --size 17m", &["--size", "16 to 16m"]),
    ("--jobs 0", &["--jobs", "1 to 100000"]),
    ("--jobs 100001", &["--jobs", "1 to 100000"]),
    ("--jobs many", &["--jobs", "1 to 100000"]),
    ("--jobs 100000 --size 1m", &["--jobs", "4096 MiB"]),
    ("--duration 2", &["--duration", "500ms or 2s"]),
    ("--duration 0s", &["--duration", "500ms or 2s"]),
    ("--duration 2h", &["--duration", "500ms or 2s"]),
    ("--duration -2s", &["--duration", "500ms or 2s"]),
    ("--duration 99999999999s", &["--duration", "3600s"]),
    ("--ops 0", &["--ops", "1 to"]),
    ("--ops -3", &["--ops", "1 to"]),
    ("--ops 5 --duration 1s", &["--ops", "--duration"]),
    ("--mode turbo", &["--mode", "wake-fd", "poll"]),
    ("--device colour=blue", &["--device", "colour", "completion_nsec"]),
    ("--device depth=65", &["--device", "depth", "power of two"]),
    ("--device depth", &["--device", "depth"]),
    ("--device delivery=poll --mode wake-fd", &["--device", "delivery", "--mode poll"]),
    ("--device delivery=poll", &["--device", "--mode poll"]),
    ("--device delivery=wake --mode poll", &["--device", "delivery=wake", "--mode poll"]),
    ("--device delivery=wake", &["--device", "delivery=wake", "--mode"]),
    ("--device completion_nsec=1 --mode software", &["--device", "--mode software"]),
    ("--device depth=2;depth=4", &["--device", "depth is given twice"]),
    ("--device fault=fail:op=mac,op=digest --mode sync", &["--device", "op is given twice", "once"]),
    ("--device fault=nomem:every=2,every=3 --mode sync", &["--device", "every is given twice"]),
    ("--device fault=fail:size=9..3 --mode sync", &["--device", "size=9..3", "N not above M"]),
    ("--device latency_dist=normal:34", &["--device", "latency_dist=normal:34"]),
    ("--rate 0", &["--rate", "1 to 1000000000", "1% to 1000%"]),
    ("--rate 2000000000", &["--rate", "1 to 1000000000"]),
    ("--rate 0%", &["--rate", "1% to 1000%"]),
    ("--rate 1001%", &["--rate", "1% to 1000%"]),
    ("--rate 7.5%", &["--rate", "1% to 1000%"]),
    ("--rate -5", &["--rate", "1 to 1000000000"]),
    ("--rate fast", &["--rate", "1 to 1000000000"]),
    ("--rate 5 --stages 1s:5", &["--rate", "--stages"]),
    ("--arrivals poisson", &["--arrivals", "--rate"]),
    ("--rate 5 --arrivals steady", &["--arrivals", "linear", "poisson", "bursty"]),
    ("--input in --alg sha256 --rate 5", &["--rate", "--input"]),
    ("--input in --alg sha256 --arrivals linear", &["--arrivals", "--input"]),
    ("--wide --output-format json", &["--wide", "--output-format json"]),
    ("--input in --alg sha256 --wide", &["--wide", "--input"]),
    ("--jobs 2 --mode sync", &["--jobs", "--mode sync", "allowed is 1"]),
    ("--jobs 64 --mode software", &["--jobs", "--mode software", "allowed is 1"]),
    ("--mode sync --mode poll", &["--mode"]),
    ("--input in --alg sha256 --mode futures", &["--mode", "futures", "--input"]),
    ("--input in --alg sha256 --seed 7", &["--seed", "--input"]),
    ("--input in --alg sha256 --jobs 2", &["--jobs", "sha256", "allowed is 1"]),
    ("--input in --alg sha256 --mode sync --jobs 2", &["--jobs", "--mode sync"]),
    ("--input in --alg sha256 --mode software --device depth=2", &["--device", "--mode software"]),
    ("--input in --alg sha256 --device delivery=poll", &["--device", "--mode poll"]),
    ("--device fault=timeout:nth=3 --mode sync", &["--device", "fault=timeout:nth=3", "timeout_msec"]),
    ("--device fault=drop_wake --mode poll", &["--device", "fault=drop_wake", "timeout_msec"]),
    ("--device fault=fire --mode sync", &["--device", "spurious_wake", "nomem"]),
    ("--device preset=fast --mode sync", &["--device", "saturated"]),
    ("--stats prometheus --output-format json", &["--stats", "--output-format"]),
    ("--stats xml", &["--stats", "prometheus"]),
    ("--input in --alg sha256 --expect-errors", &["--expect-errors", "--input"]),
    ("--seed -1", &["--seed", "0 to"]),
    ("--output-format xml", &["--output-format", "text", "json"]),
    ("--key 00", &["--key", "--input"]),
    ("--iv 00", &["--iv", "--input"]),
    ("--output out", &["--output", "--input"]),
    ("--decrypt", &["--decrypt", "--input"]),
    ("--sector-size 512", &["--sector-size", "--input"]),
    ("--input in", &["--alg", "--input"]),
    ("--input in --alg sha256 --ops 5", &["--ops", "--input"]),
    ("--input in --alg sha256 --duration 1s", &["--duration", "--input"]),
    ("--input in --alg sha256 --output out", &["--output", "cipher"]),
    ("--input in --alg sha256 --decrypt", &["--decrypt", "cipher"]),
    ("--input in --alg sha256 --key 00", &["--key", "sha256"]),
    ("--input in --alg sha256 --iv 00", &["--iv", "cipher"]),
    ("--input in --alg hmac-sha256", &["--key", "hmac-sha256"]),
    ("--input in --alg hmac-sha256 --key=", &["--key", "one byte"]),
    ("--input none --alg sha256", &["--input", "none", "No such file"]),
    ("--input . --alg sha256", &["--input", "directory"]),
    ("--input in --alg sha256 --sector-size 512", &["--sector-size", "XTS"]),
];

/// The same, after a cipher with a matching key and IV.
const NONSENSE_WITH_CIPHER: &[(&str, &[&str])] = &[
    ("", &["--output", "required"]),
    ("--output .", &["--output", "directory"]),
    ("--output ..", &["--output", "directory"]),
    ("--output -", &["--output", "standard output"]),
    ("--output /", &["--output", "directory"]),
    ("--output none/out", &["--output", "none/out", "No such file"]),
    ("--output in/out", &["--output", "in/out"]),
    ("--output /dev/null", &["--output", "not a regular file"]),
    ("--output out --sector-size 512", &["--sector-size", "XTS"]),
];

#[test]
fn nonsense_is_refused_in_one_line_that_names_it() {
    let folder = Folder::new();
    folder.write("in", b"input");
    let cipher = format!("--input in --alg aes-128-ctr --key {} --iv {}", key(16), key(16));
    let plain = NONSENSE.iter().map(|(options, names)| ((*options).to_owned(), names));
    let with_cipher = NONSENSE_WITH_CIPHER.iter().map(|(more, names)| (format!("{cipher} {more}"), names));
    for (options, names) in plain.chain(with_cipher) {
        let told = folder.fail(2, &options);
        for name in *names {
            assert!(told.contains(name), "{options}: {name} in {told}");
        }
        assert_eq!(folder.names(), ["in"], "{options} left a file behind");
    }
}

#[test]
fn keys_and_ivs_must_fit_and_are_not_repeated() {
    let folder = Folder::new();
    folder.write("in", b"input");
    let (k16, k17, k32) = (key(16), key(17), key(32));
    let cases = [
        (format!("--alg aes-128-ctr --iv {k16}"), "--key: required"),
        (format!("--alg aes-128-ctr --key {k16}"), "--iv: required"),
        (format!("--alg aes-128-gcm --key {k16}"), "--iv: required"),
        (format!("--alg aes-128-gcm --key {k16} --iv="), "--iv: at least one byte"),
        (
            format!("--alg aes-256-ctr --key {k16} --iv {k16}"),
            "--key: aes-256-ctr takes a key of 32 bytes, not 16",
        ),
        (
            format!("--alg aes-128-ctr --key {k17} --iv {k16}"),
            "--key: aes-128-ctr takes a key of 16 bytes, not 17",
        ),
        (format!("--alg aes-128-xts --key {k16} --iv {k16}"), "--key: aes-128-xts takes a key of 32 bytes"),
        (format!("--alg aes-128-xts --key {k16}{k16} --iv {k16}"), "halves"),
        (format!("--alg aes-128-cbc --key {k16} --iv {k17}"), "--iv: aes-128-cbc takes 16 bytes"),
        (
            format!("--alg aes-128-cbc --key {k16}f --iv {k16}"),
            "--key: allowed are pairs of hexadecimal digits",
        ),
        (
            format!("--alg aes-128-cbc --key {k16} --iv 0x{k16}"),
            "--iv: allowed are pairs of hexadecimal digits",
        ),
        (format!("--alg aes-128-ecb --key {k16} --iv {k16}"), "--iv: aes-128-ecb takes none"),
        (
            format!("--alg aes-128-gcm --key {k16} --iv {k16} --jobs 3"),
            "--jobs: the pieces of aes-128-gcm wait",
        ),
        (
            format!("--alg aes-128-cbc --key {k16} --iv {k16} --jobs 3"),
            "--jobs: the pieces of aes-128-cbc wait",
        ),
        (format!("--alg aes-128-xts --key {k32} --iv {k16} --size 4k"), "--size"),
        (format!("--alg aes-128-xts --key {k32} --iv {k16} --sector-size 8"), "--sector-size"),
    ];
    for (options, expected) in cases {
        let told = folder.fail(2, &format!("--input in --output out {options}"));
        assert!(told.contains(expected), "{options}: {told}");
        assert!(!told.contains(&k16), "a key was repeated: {told}");
        assert_eq!(folder.names(), ["in"]);
    }
}

/// A value may be as long as the message that states what is allowed says.
#[test]
fn what_is_much_too_long_is_repeated_in_part() {
    let folder = Folder::new();
    folder.write("in", b"input");
    let (long, digits) = ("x".repeat(5_000), "7".repeat(5_000));
    for (options, names) in [
        (format!("--{long}"), &["xxx... (5002 characters)", "--help"][..]),
        (long.clone(), &["xxx... (5000 characters)", "--help"]),
        (format!("--alg {long}"), &["--alg", "sha512-256"]),
        (format!("--size {digits}"), &["--size", "1 to 64m"]),
        (format!("--seed {digits}"), &["--seed", "0 to"]),
        (format!("--mode {long}"), &["--mode", "wake-fd"]),
        (format!("--device {long}"), &["--device", "key=value"]),
        (format!("--device {long}=1"), &["--device", "unknown key", "completion_nsec"]),
        (format!("--device depth={digits}"), &["--device", "depth", "power of two"]),
        (format!("--device fault={long}"), &["--device", "spurious_wake"]),
        (format!("--device fault=fail:{long}=1"), &["--device", "the fields status"]),
        (format!("--input {long} --alg sha256"), &["--input", "too long"]),
        (format!("--input in --alg sha256 --key {digits}"), &["--key", "takes none"]),
        (
            format!("--input in --alg aes-128-ecb --output out --key {digits}"),
            &["--key", "16 bytes, not 2500"],
        ),
        (
            format!("--input in --alg aes-128-ctr --output out --key {} --iv {digits}", key(16)),
            &["--iv", "16 bytes"],
        ),
        (
            format!("--input in --alg aes-128-ecb --key {} --output {long}", key(16)),
            &["--output", "too long"],
        ),
    ] {
        let told = folder.fail(2, &options);
        assert!(told.len() < 1_000, "{told}");
        names.iter().for_each(|name| assert!(told.contains(name), "{name} in {told}"));
    }
}

#[test]
fn a_name_that_would_break_the_line_is_escaped() {
    let folder = Folder::new();
    let output = folder.run(&["--alg", "sha256", "--input", "two\nlines"]);
    let told = super::text(&output.stderr);
    assert_eq!((output.status.code(), told.lines().count()), (Some(2), 1), "{told}");
    assert!(told.contains("two\\nlines"), "{told}");
    for options in [&["--device", "depth=\n\u{1b}[31m2"], &["--mode", "po\nll\r"], &["--two\nlines", "1"]] {
        let output = folder.run(options);
        let told = super::text(&output.stderr);
        assert_eq!((output.status.code(), told.lines().count()), (Some(2), 1), "{told}");
        assert!(!told.trim_end().contains(|c: char| c.is_control()), "{told:?}");
    }
}

/// The lists are those of the library.
#[test]
fn what_there_is_to_choose_from_is_listed() {
    let list = super::text(&Folder::new().succeed("--list").stdout);
    let listed =
        |name: &str| list.lines().filter_map(|line| line.split_whitespace().next()).any(|word| word == name);
    let stats = simaccel::EngineStats::default();
    let faults = stats.faults().map(|(kind, _)| kind.to_owned());
    let presets = simaccel::Preset::ALL.map(|preset| preset.to_string());
    let algorithms = simaccel::Algorithm::SYMMETRIC.iter().map(|algorithm| algorithm.name().to_owned());
    let others = ["wake-fd", "poisson", "bursty"].map(str::to_owned);
    for name in faults.chain(presets).chain(algorithms).chain(others) {
        assert!(listed(&name), "{name} in\n{list}");
    }
    for dist in ["constant", "exponential", "lognormal", "bimodal"] {
        assert!(list.contains(dist), "{dist} in\n{list}");
    }
}

/// What is printed can be given back, and then prints itself.
#[test]
fn a_printed_configuration_is_one_that_the_option_takes() {
    let printed =
        |options: &str| super::text(&Folder::new().succeed(&format!("{options} --print-config")).stdout);
    for mode in ["", "--mode sync", "--mode wake-fd", "--mode poll"] {
        let full = printed(&format!("{mode} --device preset=saturated;depth=8;fault=fail:every=7"));
        for pair in ["depth=8", "compute_units=1", "fault=fail:every=7", "queue_pairs=4"] {
            assert!(full.trim_end().split(';').any(|other| other == pair), "{pair} in {full}");
        }
        assert_eq!(full.lines().count(), 1);
        assert_eq!(printed(&format!("{mode} --device {}", full.trim_end())), full, "{mode}");
    }
    assert!(printed("--mode poll").contains("delivery=poll"));
    Folder::new().fail(2, "--print-config --device depth=3");
}

#[test]
fn help_and_version_are_answers_not_errors() {
    let help = super::text(&Folder::new().succeed("--help").stdout);
    for option in ["--alg", "--size", "--jobs", "--duration", "--ops", "--mode", "--device", "--seed"] {
        assert!(help.contains(option), "{option}");
    }
    for option in ["--expect-errors", "--stats", "--wide", "--rate", "--arrivals", "--list", "--print-config"]
    {
        assert!(help.contains(option), "{option}");
    }
    let stats = simaccel::EngineStats::default();
    let kinds = stats.faults().map(|(kind, _)| kind.to_owned());
    let presets = simaccel::Preset::ALL.map(|preset| preset.to_string());
    let keys = [simaccel::simaccel_device::Config::KEYS, simaccel::Config::KEYS].concat();
    let keys = keys.iter().map(|key| key.name.to_owned());
    for word in keys.chain(kinds).chain(presets) {
        assert!(help.contains(&word), "{word}");
    }
    assert!(super::text(&Folder::new().succeed("--version").stdout).starts_with("loadgen "));
}
