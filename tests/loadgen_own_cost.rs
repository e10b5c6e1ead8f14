//! What the load generator says of its own cost: the three loops do the same operations, and their figures go
//! together. How large they are is a benchmark's business, and no test's.

mod built;
mod loadgen_helpers;

use serde_json::Value;

use self::loadgen_helpers::{number, run};

#[track_caller]
fn json(options: &str) -> Value {
    let output = run(&format!("{options} --output-format json"));
    assert_eq!(output.status.code(), Some(0), "{options}: {}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

/// Times are positive, and what is added follows from them.
#[track_caller]
fn check(cost: &Value) {
    for side in ["bare_ns", "unchecked_ns", "checked_ns"] {
        for clock in ["time", "cpu"] {
            assert!(number(&cost[side][clock]) > 0.0, "{side} {clock}: {cost}");
        }
    }
}

#[test]
fn every_way_of_waiting_has_the_three_loops() {
    let report = json("--own-cost --ops 200 --size 300 --jobs 5");
    let costs = report["own_cost"].as_array().unwrap();
    let found: Vec<_> =
        costs.iter().map(|cost| (cost["mode"].as_str().unwrap(), cost["jobs"].as_u64().unwrap())).collect();
    assert_eq!(found, [("sync", 1), ("wake-fd", 5), ("callback", 5), ("poll", 5), ("futures", 5)]);
    for cost in costs {
        check(cost);
        let [lower, upper] = [0, 1].map(|at| number(&cost["added_half"][at]));
        assert!((lower..=upper).contains(&number(&cost["added"])), "{cost}");
    }
    let text = run("--own-cost --mode poll --ops 100").stdout;
    let text = String::from_utf8(text).unwrap();
    assert!(text.lines().all(|line| line.chars().count() <= 132), "{text}");
    assert!(
        text.starts_with("aes-256-ctr, 4k bytes per operation, seed 1, an ideal device\nmode "),
        "{text}"
    );
}

/// A tag, a mix of sizes and a chain go through the bare loop, too; it ends when a result is wrong.
#[test]
fn the_bare_loop_takes_every_load() {
    for load in
        ["--alg aes-256-gcm", "--alg sha256", "--alg hmac-sha256", "--mix aes-256-ctr/4k:3,sha256/100:1"]
    {
        let report = json(&format!("--own-cost --mode callback --ops 150 {load}"));
        report["own_cost"].as_array().unwrap().iter().for_each(check);
    }
}

#[test]
fn an_answer_has_the_cost_in_the_way_of_its_row() {
    for mode in ["sync", "wake-fd", "callback", "poll", "futures"] {
        let answer = &json(&format!("--mode {mode} --ops 100"))["answer"];
        let cost = &answer["generator"];
        check(cost);
        assert_eq!(cost["mode"], mode);
        let [bare, unchecked, checked] =
            ["bare_ns", "unchecked_ns", "checked_ns"].map(|side| number(&cost[side]["time"]));
        let share = |time: f64| (time / bare - 1.0).max(0.0);
        let added = ["added", "added_unchecked"].map(|key| number(&cost[key]));
        let expected = [share(checked), share(unchecked)];
        let differs = added.iter().zip(&expected).any(|(one, other)| (one - other).abs() > 1e-9);
        assert!(!differs, "{expected:?}: {cost}");
        let more = number(&cost["checked_ns"]["cpu"]) - number(&cost["bare_ns"]["cpu"]);
        assert!((number(&answer["generator_ns_per_op"]) - more.max(0.0)).abs() < 1e-6, "{answer}");
    }
    let text = String::from_utf8(run("--mode poll --ops 100").stdout).unwrap();
    assert!(text.contains("in a bare loop over the engine (poll with 64"), "{text}");
}

#[test]
fn what_has_no_rows_refuses_the_options_of_rows() {
    for (options, names) in [
        ("--device depth=8", "--device"),
        ("--duration 1s", "--duration"),
        ("--warmup 0", "--warmup"),
        ("--rate 100", "--rate"),
        ("--threads 2", "--threads"),
        ("--virtual", "--virtual"),
        ("--sweep jobs=1..4", "--sweep"),
        ("--find-max p99<1ms", "--find-max"),
        ("--report x.html", "--report"),
        ("--csv x.csv", "--csv"),
        ("--trace x.json", "--trace"),
        ("--threshold p99<1s", "--threshold"),
        ("--mode software", "--own-cost"),
        ("--input Cargo.toml --alg sha256", "--own-cost"),
    ] {
        let output = run(&format!("--own-cost {options}"));
        let told = String::from_utf8(output.stderr).unwrap();
        assert_eq!((output.status.code(), told.lines().count()), (Some(2), 1), "{options}: {told}");
        assert!(told.starts_with(&format!("loadgen: {names}: ")), "{options}: {told}");
    }
}
