//! A signal while a row runs. The test knows that one runs by what the process has used: its report comes at
//! the end.

use std::process::{Child, Stdio};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;

use super::folder::{Folder, json, text};

/// Starts a run that would never end, and waits until it has taken a handler for signals and used processor
/// time.
fn started(folder: &Folder, options: &str) -> Child {
    let mut command = folder.command(&format!("{options} --ops {}", u64::MAX));
    let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let read = |name: &str| std::fs::read_to_string(format!("/proc/{}/{name}", child.id())).unwrap();
    let catches = || {
        let status = read("status");
        let caught = status.lines().find_map(|line| line.strip_prefix("SigCgt:")).unwrap().trim().to_owned();
        u64::from_str_radix(&caught, 16).unwrap() & 1 << (Signal::SIGINT as u32 - 1) != 0
    };
    // User and system time, in ticks of 10 ms: fields 14 and 15 behind a name in parentheses.
    let ticks = || {
        let stat = read("stat");
        let fields: Vec<&str> = stat.rsplit(')').next().unwrap().split_whitespace().collect();
        fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap()
    };
    while !catches() {
        std::thread::yield_now();
    }
    let before = ticks();
    // Software is measured aside first, and the row warms up. On most hosts the row is under way after this,
    // and where it is not, the signal ends the rest all the same: the row then has its first operation.
    while ticks() < before + 50 {
        std::thread::yield_now();
    }
    child
}

fn signal(child: &Child, signal: Signal) {
    kill(Pid::from_raw(i32::try_from(child.id()).unwrap()), signal).unwrap();
}

/// What a signal leaves of a run.
fn interrupted(folder: &Folder, options: &str, by: Signal) -> (String, String) {
    let child = started(folder, options);
    signal(&child, by);
    let output = child.wait_with_output().unwrap();
    let (printed, told) = (text(&output.stdout), text(&output.stderr));
    assert_eq!(output.status.code(), Some(130), "{options}: {told}");
    assert_eq!(told, "loadgen: interrupted: the report is of what ran until then\n", "{options}");
    (printed, told)
}

#[test]
fn a_signal_ends_the_row_and_the_report_says_so() {
    let folder = Folder::new();
    for mode in ["software", "sync", "wake-fd", "callback", "poll"] {
        let options = format!("--mode {mode} --output-format json");
        let report = json(interrupted(&folder, &options, Signal::SIGINT).0.as_bytes());
        let row: &Value = &report["rows"][0];
        assert_eq!((&report["interrupted"], &row["mismatches"]), (&true.into(), &0.into()), "{mode}");
        assert!(row["ops"].as_u64() > Some(0) && row["ops"].as_u64() < Some(u64::MAX), "{mode}: {row}");
    }
    let finished = json(&folder.succeed("--mode sync --ops 1 --output-format json").stdout);
    assert_eq!(finished["interrupted"], false);
}

#[test]
fn an_open_loop_and_the_rows_behind_it_end_too() {
    let folder = Folder::new();
    let options = "--rate 50000 --csv rows.csv";
    let (printed, _) = interrupted(&folder, options, Signal::SIGTERM);
    assert!(
        printed.contains("interrupted: the last row is shorter") && printed.contains(", 2 further rows"),
        "{printed}"
    );
    assert_eq!(folder.read("rows.csv").lines().count(), 2, "the head, and the row that ran");
}

/// The first row of either never ends, so there is no point and no probe; the report is of that row.
#[test]
fn a_sweep_and_a_search_end_with_the_row_that_runs() {
    let folder = Folder::new();
    for (options, key, found) in [
        ("--sweep units=1..4 --svg pictures", "sweep", "points"),
        ("--sweep units=1..4 --sweep jobs=1..4", "sweep", "points"),
        ("--find-max p99<1s", "find_max", "probes"),
    ] {
        let (printed, _) = interrupted(&folder, options, Signal::SIGINT);
        assert!(printed.contains("\ninterrupted: "), "{options}: {printed}");
        let printed = interrupted(&folder, &format!("{options} --output-format json"), Signal::SIGTERM).0;
        let report = json(printed.as_bytes());
        assert_eq!((&report["interrupted"], report["rows"].as_array().unwrap().len()), (&true.into(), 1));
        assert_eq!(report[key][found], Value::Array(Vec::new()), "{options}: {report}");
    }
}

/// A baseline of half a run would be one that later runs are held to.
#[test]
fn an_interrupted_run_saves_no_baseline_and_judges_nothing() {
    let folder = Folder::new();
    let (printed, _) =
        interrupted(&folder, "--mode poll --save-baseline x --threshold p99<1ns", Signal::SIGINT);
    assert!(!printed.contains("threshold"), "{printed}");
    assert!(folder.names().is_empty(), "{:?}", folder.names());
}

#[test]
fn the_second_signal_kills() {
    use std::os::unix::process::ExitStatusExt;
    let folder = Folder::new();
    // Every operation takes so long that the first signal finds it under way.
    let mut command =
        folder.command("--mode sync --ops 2 --device completion_nsec=1000000000;timeout_msec=0");
    let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let caught = || {
        let status = std::fs::read_to_string(format!("/proc/{}/status", child.id())).unwrap();
        let caught = status.lines().find_map(|line| line.strip_prefix("SigCgt:")).unwrap().trim().to_owned();
        u64::from_str_radix(&caught, 16).unwrap() & 1 << (Signal::SIGINT as u32 - 1) != 0
    };
    while !caught() {
        std::thread::yield_now();
    }
    signal(&child, Signal::SIGINT);
    while caught() {
        std::thread::yield_now();
    }
    signal(&child, Signal::SIGINT);
    let status = child.wait().unwrap();
    assert!(status.signal() == Some(Signal::SIGINT as i32) || status.code() == Some(130), "{status}");
}
