//! Medians that are saved, edited, and compared with.

use serde_json::{Value, json as value};

use super::folder::{Folder, json, program, text};

/// One row, on a device that takes its time.
const ROW: &str = "--mode sync --ops 50 --size 64 --device completion_nsec=20000";

fn saved() -> (Folder, Value) {
    let folder = Folder::new();
    folder.succeed(&format!("{ROW} --save-baseline before"));
    let baseline = json(&folder.read("before"));
    assert_eq!((folder.names(), &baseline["runs"]), (vec!["before".to_owned()], &5.into()));
    (folder, baseline)
}

/// Multiplies a median.
fn scaled(baseline: &Value, metric: &str, by: f64) -> Value {
    let mut baseline = baseline.clone();
    let median = &mut baseline["rows"][0]["medians"][metric]["median"];
    *median = (median.as_f64().unwrap() * by).into();
    baseline
}

fn write(folder: &Folder, baseline: &Value) {
    folder.write("before", baseline.to_string());
}

#[test]
fn a_figure_that_is_worse_than_before_is_exit_code_4_where_that_is_asked_for() {
    let (folder, baseline) = saved();
    // Whatever this host's noise is, it is not a hundredfold, and the largest of --noise covers it.
    for (metric, by) in [("ops", 1e4), ("p50", 1e-4), ("p99", 1e-4), ("cpu", 1e-4)] {
        write(&folder, &scaled(&baseline, metric, by));
        let compare = format!("{ROW} --baseline before");
        let report = json(&folder.succeed(&format!("{compare} --output-format json")).stdout);
        let changes = report["baseline"]["rows"][0]["metrics"].as_array().unwrap();
        let verdict =
            |name: &str| changes.iter().find(|change| change["metric"] == name).unwrap()["verdict"].clone();
        assert_eq!(
            (verdict(metric), &report["baseline"]["regressed"]),
            ("worse".into(), &true.into()),
            "{report}"
        );
        let output = folder.end(4, &format!("{compare} --fail-on-regression"));
        let (printed, told) = (text(&output.stdout), text(&output.stderr));
        assert!(
            told.starts_with("loadgen: worse than before: 1-sync-closed ") && told.contains(metric),
            "{told}"
        );
        assert!(printed.contains("compared with before") && printed.contains(": worse\n"), "{printed}");
    }
}

#[test]
fn a_figure_that_is_better_or_within_the_noise_is_no_regression() {
    let (folder, baseline) = saved();
    let mut better = baseline;
    for (metric, by) in [("ops", 1e-4), ("p50", 1e4), ("p99", 1e4), ("cpu", 1e4)] {
        better = scaled(&better, metric, by);
    }
    write(&folder, &better);
    let options = format!("{ROW} --baseline before --fail-on-regression --output-format json");
    let report = json(&folder.succeed(&options).stdout);
    let changes = report["baseline"]["rows"][0]["metrics"].as_array().unwrap();
    assert_eq!(changes.len(), 4);
    for change in changes {
        let (before, now) = (change["before"].as_f64().unwrap(), change["now"].as_f64().unwrap());
        let percent = change["change_percent"].as_f64().unwrap();
        assert_eq!((&change["verdict"], percent > 0.0), (&"better".into(), now > before), "{change}");
        assert!((percent - 100.0 * (now - before) / before).abs() < 1e-6, "{change}");
    }
    // The spread that was measured is noise as well, however small --noise is.
    let mut noisy = better;
    for metric in ["ops", "p50", "p99", "cpu"] {
        noisy["rows"][0]["medians"][metric]["spread_percent"] = value!(1e9);
    }
    write(&folder, &noisy);
    let report = json(&folder.succeed(&format!("{options} --noise 0")).stdout);
    for change in report["baseline"]["rows"][0]["metrics"].as_array().unwrap() {
        assert_eq!((&change["verdict"], &change["noise_percent"]), (&"same".into(), &1e9.into()), "{change}");
    }
}

#[test]
fn what_is_not_comparable_is_refused_before_anything_runs() {
    let (folder, baseline) = saved();
    let endless = ROW.replace("--ops 50", &format!("--ops {}", u64::MAX));
    let cases = [
        (endless.replace("20000", "30000"), "device of row 1"),
        (endless.replace("--size 64", "--size 128"), "size"),
        (format!("{endless} --alg sha256"), "algorithm"),
        (endless.replace("sync", "callback"), "mode of row 1"),
        (endless.replace("--mode sync", ""), "the number of rows"),
    ];
    for (options, what) in cases {
        let told = folder.refuse(2, &format!("{options} --baseline before"));
        assert!(told.contains("--baseline: before: not comparable") && told.contains(what), "{told}");
    }
    for (text, why) in [("", "EOF"), ("[]", "not a baseline"), ("{\"baseline_version\":2}", "not a baseline")]
    {
        folder.write("before", text);
        let told = folder.refuse(2, &format!("{endless} --baseline before"));
        assert!(told.contains("--baseline") && told.contains(why), "{told}");
    }
    let mut elsewhere = baseline;
    elsewhere["machine"]["processors"] = value!(4096);
    write(&folder, &elsewhere);
    let printed = text(&folder.succeed(&format!("{ROW} --baseline before")).stdout);
    assert!(printed.contains("warning: the baseline is of another machine"), "{printed}");
}

#[test]
fn the_options_of_a_comparison_need_one() {
    let folder = Folder::new();
    for (options, names) in [
        ("--noise 5", "--baseline or --against"),
        ("--fail-on-regression", "--baseline or --against"),
        ("--baseline a --against b", "--baseline"),
        ("--baseline none", "No such file"),
        ("--against none", "No such file"),
        ("--baseline x --noise -1", "0 to 1000"),
        ("--alg sha256 --input x --baseline y", "--input"),
        ("--alg sha256 --input x --threshold ops>1", "--input"),
        ("--save-baseline none/x", "No such file"),
    ] {
        let told = folder.refuse(2, &format!("--ops 1 {options}").replace("--ops 1 --alg", "--alg"));
        assert!(told.contains(names), "{options}: {told}");
    }
}

/// The same program cannot be ten times better than itself.
#[test]
fn another_program_runs_in_turns_with_this_one() {
    let folder = Folder::new();
    let itself = program().display().to_string();
    let options = format!("{ROW} --noise 1000 --fail-on-regression --output-format json --csv rows.csv");
    let report = json(&folder.succeed(&format!("{options} --against={itself}")).stdout);
    assert_eq!(
        (&report["baseline"]["against"], &report["baseline"]["regressed"]),
        (&itself.into(), &false.into())
    );
    assert_eq!(report["baseline"]["rows"][0]["metrics"].as_array().unwrap().len(), 4);
    assert_eq!(folder.names(), ["rows.csv"]);
    let told = text(&folder.end(1, &format!("{ROW} --against /bin/false")).stderr);
    assert!(told.contains("--against") && told.contains("/bin/false"), "{told}");
}
