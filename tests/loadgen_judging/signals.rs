//! A signal while a row runs. The test knows that one runs by what the process has used: its report comes at
//! the end.

use std::io::Write;
use std::process::{Child, Stdio};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;

use super::folder::{Folder, json, text};

/// Starts a run that would never end, and waits until it has taken a handler for signals and used processor
/// time.
fn started(folder: &Folder, options: &str) -> Child {
    let mut command = folder.loadgen(&format!("{options} --ops {}", u64::MAX));
    let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let read = |name: &str| std::fs::read_to_string(format!("/proc/{}/{name}", child.id())).unwrap();
    // User and system time, in ticks of 10 ms: fields 14 and 15 behind a name in parentheses.
    let ticks = || {
        let stat = read("stat");
        let fields: Vec<&str> = stat.rsplit(')').next().unwrap().split_whitespace().collect();
        fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap()
    };
    while !catches(&child) {
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

/// Whether it has taken a handler for signals.
fn catches(child: &Child) -> bool {
    let status = std::fs::read_to_string(format!("/proc/{}/status", child.id())).unwrap();
    let caught = status.lines().find_map(|line| line.strip_prefix("SigCgt:")).unwrap().trim().to_owned();
    u64::from_str_radix(&caught, 16).unwrap() & 1 << (Signal::SIGINT as u32 - 1) != 0
}

/// Where this process ignores the signal, a child keeps to that, and would never end.
fn signal(child: &Child, signal: Signal) {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let ignored = status.lines().find_map(|line| line.strip_prefix("SigIgn:")).unwrap().trim().to_owned();
    let is_ignored = u64::from_str_radix(&ignored, 16).unwrap() & 1 << (signal as u32 - 1) != 0;
    assert!(!is_ignored, "{signal} is ignored here: start the tests in the foreground");
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
    for mode in [
        "software",
        "sync",
        "wake-fd",
        "callback",
        "poll",
        "futures",
        "futures --threads 3",
        "poll --threads 3",
        "software --threads 3",
    ] {
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
        printed.contains("interrupted: the last row is shorter") && printed.contains(", 3 further rows"),
        "{printed}"
    );
    assert_eq!(folder.read_text("rows.csv").lines().count(), 2, "the head, and the row that ran");
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
        folder.loadgen("--mode sync --ops 2 --device completion_nsec=1000000000;timeout_msec=0");
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

const CTR: &str =
    "--alg aes-128-ctr --key 00112233445566778899aabbccddeeff --iv 00112233445566778899aabbccddeeff";

/// Starts a transfer of standard input that waits for more of it when a megabyte has gone in.
fn transferring(folder: &Folder, options: &str) -> Child {
    let mut command = folder.loadgen(&format!("--input - {options}"));
    let command = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    // More than a pipe holds, so pieces are through or under way when all is written.
    child.stdin.as_mut().unwrap().write_all(&vec![7; 1 << 20]).unwrap();
    child
}

/// No piece starts after a signal, those in flight end, and neither a digest nor an output is left.
#[test]
fn a_signal_ends_a_transfer_with_a_report_and_nothing_else() {
    for options in
        ["--alg sha256".to_owned(), format!("{CTR} --output out"), format!("{CTR} --output out --mode sync")]
    {
        let folder = Folder::new();
        let mut child = transferring(&folder, &format!("{options} --output-format json"));
        signal(&child, Signal::SIGINT);
        let input = child.stdin.take();
        let output = child.wait_with_output().unwrap();
        drop(input);
        let told = text(&output.stderr);
        assert_eq!(output.status.code(), Some(130), "{options}: {told}");
        let is_sum = options.contains("sha256");
        let (printed, lines) = (text(&output.stdout), if is_sum { 2 } else { 1 });
        assert_eq!(told.lines().count(), lines, "{options}: {told}");
        assert!(told.ends_with("loadgen: interrupted: the report is of what ran until then\n"), "{told}");
        let report = json(if is_sum { told.lines().next().unwrap() } else { &printed }.as_bytes());
        let (row, whole) = (&report["rows"][0], (1 << 20) / (64 << 10));
        assert_eq!((&report["interrupted"], &row["errors"]), (&true.into(), &0.into()), "{report}");
        assert!(row["ops"].as_u64() > Some(0) && row["ops"].as_u64() <= Some(whole), "{options}: {row}");
        assert!(!is_sum || printed.is_empty(), "no digest: {printed}");
        assert!(folder.names().is_empty(), "{options}: {:?}", folder.names());
    }
}

#[test]
fn a_signal_ends_an_endless_file_too() {
    let folder = Folder::new();
    let mut command = folder.loadgen("--input /dev/zero --alg sha512");
    let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    while !catches(&child) {
        std::thread::yield_now();
    }
    signal(&child, Signal::SIGINT);
    let output = child.wait_with_output().unwrap();
    let (printed, told) = (text(&output.stdout), text(&output.stderr));
    assert_eq!((output.status.code(), printed.as_str()), (Some(130), ""), "{told}");
    assert!(
        told.starts_with("sha512 by wake-fd, 1 in flight: ") && told.contains("loadgen: interrupted"),
        "{told}"
    );
}
