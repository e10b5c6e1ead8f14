//! Operations with keys: names, every result checked, sizes refused, in every mode and loop.

use serde_json::Value;

use super::load::{count, row, rows};
use super::{Folder, MODES, json, text};

/// The names that `--list` has for operations with keys.
fn names() -> Vec<String> {
    let list = text(&Folder::new().succeed("--list").stdout);
    let listed = list.lines().skip_while(|line| !line.starts_with("algorithms")).skip(1);
    let names: Vec<String> =
        listed.take_while(|line| line.starts_with(' ')).map(|line| line.trim().to_owned()).collect();
    let bytes = simaccel::Algorithm::SYMMETRIC.len();
    assert!(names.len() > bytes, "{list}");
    names[bytes..].to_vec()
}

/// What a name's operation is called in the device's statistics.
fn operation(name: &str) -> &'static str {
    let ends = [
        ("sign", "sign"),
        ("verify", "verify"),
        ("decrypt", "decrypt"),
        ("encrypt", "encrypt"),
        ("encaps", "encapsulate"),
        ("decaps", "decapsulate"),
        ("keygen", "generate"),
    ];
    ends.iter().find(|(end, _)| name.ends_with(end)).map_or("derive", |(_, operation)| operation)
}

/// How many operations of a kind the device has done.
fn done(row: &Value, operation: &str) -> (u64, u64) {
    let pairs = row["stats"]["device"]["queue_pairs"].as_array().unwrap();
    let sum = |key: &str| pairs.iter().map(|pair| count(&pair["operations"][operation], key)).sum();
    (sum("completed"), sum("failed"))
}

/// Each mode runs each of them, and the device has done exactly that operation. A signature that is wrong is
/// refused, which is the right result.
#[test]
fn every_operation_with_a_key_gives_what_software_gives_in_every_mode() {
    for name in names() {
        let options = format!("--alg {name} --ops 24 --jobs 8 --warmup 0 --output-format json --stats json");
        let report = json(&Folder::new().succeed(&options).stdout);
        let modes: Vec<&str> =
            rows(&report).iter().take(MODES.len()).map(|row| row["mode"].as_str().unwrap()).collect();
        assert_eq!(modes, MODES, "{name}");
        for row in rows(&report) {
            assert_eq!(row["alg"], name.as_str());
            assert_eq!((count(row, "errors"), count(row, "mismatches")), (0, 0), "{name}: {row}");
            assert_eq!((count(row, "size"), row["bytes_per_second"].as_f64()), (0, Some(0.0)), "{name}");
            // An open loop drops what finds no free job.
            if row["loop"] == "open" {
                continue;
            }
            let (completed, failed) = done(row, operation(&name));
            let offloaded = if row["mode"] == "software" { 0 } else { 24 };
            assert_eq!((count(row, "ops"), completed + failed), (24, offloaded), "{name}: {row}");
            // The order of the lanes is that in which they end, so one in eight is not exact.
            let refused = if operation(&name) == "verify" && offloaded > 0 { 1..=6 } else { 0..=0 };
            assert!(refused.contains(&failed), "{name}: {row}");
        }
    }
}

/// A damaged result of each is found; verification has none that could be damaged.
#[test]
fn a_damaged_result_of_every_operation_with_a_key_is_found() {
    for name in names().iter().filter(|name| operation(name) != "verify") {
        let options = format!(
            "--alg {name} --ops 12 --jobs 4 --warmup 0 --mode wake-fd --output-format json \
             --device fault=corrupt:every=4"
        );
        let options: Vec<&str> = options.split_whitespace().collect();
        let output = Folder::new().run(&options);
        assert_eq!(output.status.code(), Some(1), "{name}: {}", text(&output.stderr));
        let report = json(&output.stdout);
        assert_eq!(
            (count(&rows(&report)[0], "mismatches"), count(&rows(&report)[0], "errors")),
            (3, 0),
            "{name}"
        );
    }
}

#[test]
fn other_names_of_a_key_are_taken() {
    for (given, name) in [
        ("ECDSA-P256-SIGN", "ecdsa-p256-sign"),
        ("prime256v1-sign", "ecdsa-p256-sign"),
        ("P-384-verify", "ecdsa-p384-verify"),
        ("secp521r1-derive", "ecdh-p521"),
        ("p-256-keygen", "p256-keygen"),
        ("p-256-generate", "p256-keygen"),
    ] {
        assert_eq!(row(&format!("--alg {given} --mode sync --ops 1"))["alg"], name);
    }
}

/// A size is refused wherever it could be given, in one line that names what is refused.
#[test]
fn sizes_do_not_apply_to_operations_with_keys() {
    for (options, words) in [
        ("--alg ecdh-p256 --size 4k", ["--size", "do not apply to ecdh-p256"]),
        ("--mix ecdh-p256/4k:1", ["--mix", "allowed is ecdh-p256:WEIGHT"]),
        ("--mix sha256:1", ["--mix", "rsa2048-sign:5"]),
        ("--alg ecdh-p256 --sweep size=1..4", ["--sweep", "size does not apply to ecdh-p256"]),
        ("--mix sha256/1k:1,ecdh-p256:1 --sweep size=1..4", ["--sweep", "does not apply to ecdh-p256"]),
        ("--alg ecdh-p256 --input in", ["--alg", "ecdh-p256 takes no file"]),
        ("--alg p256-encrypt", ["--alg", "ecdsa-p256-{sign,verify}, ecdh-p256, p256-keygen"]),
        ("--alg x448", ["--alg", "x25519, x25519-keygen"]),
        ("--alg rsa-sign", ["--alg", "rsa2048-{sign,verify,decrypt,encrypt}"]),
    ] {
        let line = Folder::new().fail(2, options);
        assert_eq!(line.lines().count(), 1, "{options}: {line}");
        assert!(words.iter().all(|word| line.contains(word)), "{options}: {line}");
    }
}

#[test]
fn keys_and_bytes_are_mixed() {
    let row = row("--mix ecdsa-p256-sign:1,aes-256-ctr/4k:2,ecdh-p384:1 --mode callback --ops 400 --jobs 8");
    assert_eq!(
        (&row["alg"], count(&row, "size")),
        (&"ecdsa-p256-sign:1,aes-256-ctr/4k:2,ecdh-p384:1".into(), 2048)
    );
    let parts = row["mix"].as_array().unwrap();
    let of = |key: &str| parts.iter().map(|part| count(part, key)).collect::<Vec<_>>();
    assert_eq!(of("size"), [0, 4096, 0]);
    assert_eq!(of("ops").iter().sum::<u64>(), 400);
    assert!(of("ops").iter().all(|ops| *ops > 60), "{parts:?}");
}

/// In virtual time an operation takes exactly what the device says of it, and of no other.
#[test]
fn an_operation_with_a_key_takes_what_the_device_says_of_it() {
    let device =
        "compute_units=1;completion_nsec=1000;service=p-256/sign:nsec=5000000;service=p-256:nsec=70000";
    for (name, usec) in [("ecdsa-p256-sign", 5_000.0), ("ecdh-p256", 70.0), ("ecdh-p384", 1.0)] {
        let row = row(&format!("--virtual --alg {name} --mode poll --jobs 1 --ops 20 --device {device}"));
        let [min, max] = ["min", "max"].map(|key| row["latency_us"][key].as_f64().unwrap());
        assert_eq!((min, max), (usec, usec), "{name}");
    }
}

#[test]
fn open_loops_threads_and_searches_run_operations_with_keys() {
    let paced =
        row("--alg ecdh-p256 --mode wake-fd --rate 400 --arrivals linear --ops 40 --threads 2 --jobs 8");
    assert_eq!((&paced["loop"], count(&paced, "threads")), (&"open".into(), 2));
    let found = Folder::new().succeed(
        "--virtual --alg ecdsa-p256-sign --find-max p99<3ms --mode poll --arrivals linear --ops 300 \
         --device compute_units=2;completion_nsec=2000000 --output-format json",
    );
    let rate = json(&found.stdout)["find_max"]["rate"].as_f64().unwrap();
    assert!((900.0..=1_020.0).contains(&rate), "two units of 2 ms: {rate}");
}
