//! Conditions on every row.

use super::folder::{Folder, json, text};

#[test]
fn a_threshold_that_a_row_does_not_hold_is_exit_code_3() {
    let folder = Folder::new();
    let output =
        folder.end(3, "--mode sync --ops 40 --threshold p99<1ns --threshold errors<1 --threshold min>0ns");
    let (printed, told) = (text(&output.stdout), text(&output.stderr));
    assert!(printed.contains("threshold p99<1ns: not held by 1-sync-closed: "), "{printed}");
    assert!(printed.contains("threshold errors<1: held by all 1 rows\n"), "{printed}");
    assert!(told.starts_with("loadgen: threshold p99<1ns: not held by 1-sync-closed: "), "{told}");
    assert_eq!(told.lines().count(), 1, "{told}");
}

#[test]
fn thresholds_that_every_row_holds_cost_nothing() {
    let folder = Folder::new();
    let report =
        json(&folder.succeed("--ops 40 --threshold ops>1 --threshold max<1000s --output-format json").stdout);
    let thresholds = report["thresholds"].as_array().unwrap();
    assert_eq!((thresholds.len(), &thresholds[0]["condition"]), (2, &"ops>1".into()));
    for threshold in thresholds {
        assert_eq!(threshold["held"], true);
        assert_eq!(threshold["rows"].as_array().unwrap().len(), report["rows"].as_array().unwrap().len());
    }
    let found = &thresholds[1]["rows"][0];
    assert_eq!(
        (&found["found"], &found["row"]),
        (&report["rows"][0]["latency_us"]["max"], &"1-software-closed".into())
    );
}

/// Failed operations are the graver fault, and `--expect-errors` leaves them to a threshold.
#[test]
fn errors_are_exit_code_1_unless_they_are_expected() {
    let folder = Folder::new();
    let options = "--mode sync --ops 40 --device fault=fail:nth=3 --threshold errors<1";
    folder.end(1, options);
    folder.end(3, &format!("{options} --expect-errors"));
    for nonsense in ["p98<1ms", "p99=1ms", "p99<1", "ops>1ms", ""] {
        let output = folder.loadgen("--ops 1 --threshold").arg(nonsense).output().unwrap();
        let told = text(&output.stderr);
        assert_eq!((output.status.code(), told.lines().count()), (Some(2), 1), "{nonsense}: {told}");
        assert!(told.contains("--threshold"), "{nonsense}: {told}");
    }
}

/// Where other things run than rows there is nothing that they could judge; and a row that runs five times
/// for medians has neither one trace nor stages.
#[test]
fn options_that_judge_rows_are_refused_where_there_are_no_rows() {
    let folder = Folder::new();
    folder.write("input", "text");
    let judging = [
        ("--threshold", "--threshold p99<1s"),
        ("--save-baseline", "--save-baseline saved"),
        ("--baseline", "--baseline saved"),
        ("--against", "--against program"),
        ("--noise", "--noise 5"),
        ("--fail-on-regression", "--fail-on-regression"),
    ];
    let others =
        ["--sweep units=1..2", "--find-max p99<1ms", "--fit points.csv", "--alg sha256 --input input"];
    let refused = |options: &str, names: [&str; 2]| {
        let output = folder.end(2, options);
        let told = text(&output.stderr);
        assert_eq!((told.lines().count(), text(&output.stdout)), (1, String::new()), "{options}: {told}");
        assert!(names.iter().all(|name| told.contains(name)), "{options}: {told}");
    };
    for other in others {
        let name = other.split(' ').find(|word| word.starts_with("--") && *word != "--alg").unwrap();
        judging.iter().for_each(|(option, given)| refused(&format!("{other} {given}"), [option, name]));
    }
    for (option, given) in &judging[1..4] {
        refused(&format!("--trace out --mode poll {given}"), ["--trace", option]);
        refused(&format!("--stages 1s:10 {given}"), ["--stages", option]);
    }
    assert_eq!(folder.names(), ["input"]);
}
