//! The load generator on a terminal: what it shows while it runs, and what is left when it has ended.

mod built;
mod captured;
mod scratch;

use std::fs::File;
use std::io::Read;
use std::process::{Command, Stdio};

use nix::pty::{Winsize, openpty};

use self::scratch::Folder;

/// What a run has written to the terminal of its standard error, byte by byte, and to its standard output.
fn on_a_terminal(options: &str) -> (String, String) {
    let size = Winsize { ws_row: 30, ws_col: 100, ws_xpixel: 0, ws_ypixel: 0 };
    let terminal = openpty(&size, None).unwrap();
    let mut command = Command::new(built::example("loadgen"));
    command.args(options.split_whitespace()).env("TERM", "xterm").env_remove("NO_COLOR");
    let command = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(terminal.slave);
    let child = command.spawn().unwrap();
    // The last handle of the slave is then the child's.
    command.stderr(Stdio::null());
    let reader = std::thread::spawn(move || {
        let (mut master, mut shown, mut part) = (File::from(terminal.master), Vec::new(), [0; 4096]);
        // Linux has an error where other systems have an end.
        while let Ok(length @ 1..) = master.read(&mut part) {
            shown.extend_from_slice(&part[..length]);
        }
        shown
    });
    let output = child.wait_with_output().unwrap();
    let shown = String::from_utf8_lossy(&reader.join().unwrap()).into_owned();
    assert_eq!(output.status.code(), Some(0), "{options}: {shown}");
    (shown, String::from_utf8(output.stdout).unwrap())
}

/// What the terminal shows in the end: carriage returns, erased lines and moves up and down.
fn left(shown: &str) -> Vec<String> {
    let (mut lines, mut at, mut column) = (vec![Vec::<char>::new()], 0, 0);
    let mut chars = shown.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '\r' => column = 0,
            '\n' => {
                at += 1;
                if at == lines.len() {
                    lines.push(Vec::new());
                }
            }
            '\u{1b}' => {
                assert_eq!(chars.next(), Some('['), "{shown:?}");
                let mut number = String::new();
                let command = loop {
                    match chars.next() {
                        Some(digit @ ('0'..='9' | ';' | '?')) => number.push(digit),
                        other => break other,
                    }
                };
                match command {
                    Some('A') => at -= number.parse::<usize>().unwrap_or(1).min(at),
                    Some('B') => at += number.parse::<usize>().unwrap_or(1),
                    Some('K') if number == "2" => lines[at].clear(),
                    Some('K') => lines[at].truncate(column),
                    // Colours, and whether the cursor is shown.
                    Some('m' | 'h' | 'l') => {}
                    other => panic!("{other:?} in {shown:?}"),
                }
            }
            c => {
                let line = &mut lines[at];
                line.resize(line.len().max(column + 1), ' ');
                line[column] = c;
                column += 1;
            }
        }
    }
    let lines = lines.iter().map(|line| line.iter().collect::<String>().trim_end().to_owned());
    lines.filter(|line| !line.is_empty()).collect()
}

/// The bars that were drawn, each as a whole.
fn bars(shown: &str) -> Vec<&str> {
    let parts = shown.split(['\r', '\n', '\u{1b}']).map(|part| part.trim_start_matches("[2K").trim());
    parts.filter(|part| part.contains("op/s, p99 ")).collect()
}

/// A row runs for long enough that its bar has moved, and the report is on standard output alone.
#[test]
fn a_row_shows_its_rate_its_p99_and_its_errors() {
    for (options, mode) in [
        ("--mode poll", "poll"),
        ("--mode callback --threads 3", "callback"),
        ("--mode sync --rate 500", "sync"),
        ("--mode software", "software"),
    ] {
        let (shown, printed) = on_a_terminal(&format!("{options} --size 64 --duration 700ms"));
        // Software is measured aside first.
        let is_rows = |bar: &&str| bar.starts_with(&format!("{mode} ["));
        let bars: Vec<&str> = bars(&shown).into_iter().filter(is_rows).collect();
        assert!(!bars.is_empty(), "{options}: {shown:?}");
        for bar in bars {
            let words: Vec<&str> = bar.split_whitespace().collect();
            let has = |word: &str| words.iter().any(|found| found.trim_end_matches(',') == word);
            assert!(has("%") && has("op/s") && has("p99"), "{bar:?}");
            assert!(bar.contains(", errors 0") && bar.chars().count() <= 100, "{bar:?}");
            let rate = words[words.iter().position(|word| *word == "op/s,").unwrap() - 1];
            assert!(rate.replace(',', "").parse::<u64>().is_ok(), "{bar:?}");
        }
        assert!(left(&shown).is_empty(), "{options}: nothing is left of it: {:?}", left(&shown));
        assert!(printed.contains("checked: "), "{printed}");
    }
}

#[test]
fn errors_are_shown_while_the_row_runs() {
    let device = "--device fault=fail:every=1 --expect-errors";
    let (shown, _) = on_a_terminal(&format!("--mode poll --size 64 --duration 700ms {device}"));
    let errors = bars(&shown).into_iter().filter_map(|bar| bar.split("errors ").nth(1));
    let errors: Vec<u64> = errors.map(|text| text.trim().replace(',', "").parse().unwrap()).collect();
    assert!(errors.last() > Some(&0), "{shown:?}");
}

/// A sweep says where it is, a search what it has found, and both leave that on the terminal.
#[test]
fn a_sweep_and_a_search_say_how_far_they_are() {
    let (shown, _) = on_a_terminal("--sweep jobs=1,2 --ops 30 --mode poll");
    assert_eq!(
        left(&shown),
        ["point 1 of 2: 1 job in flight", "point 2 of 2: 2 jobs in flight"],
        "{shown:?}"
    );
    let (shown, _) = on_a_terminal("--virtual --find-max p50<40us --ops 30 --mode poll");
    let lines = left(&shown);
    assert!(!lines.is_empty() && lines.iter().all(|line| line.ends_with("op/s: does not hold")), "{shown:?}");
}

/// The report of a file is the only thing that is left.
#[test]
fn a_file_shows_how_far_it_is_and_then_its_report() {
    let folder = Folder::new();
    folder.write("in", vec![0; 100 << 10]);
    let path = folder.path("in");
    // Each piece takes so long that the bar is drawn.
    let device = "--device completion_nsec=60000000";
    let (shown, _) = on_a_terminal(&format!("--input {} --alg sha256 --size 8k {device}", path.display()));
    assert!(!bars(&shown).is_empty(), "{shown:?}");
    let lines = left(&shown).join(" ");
    assert!(lines.starts_with("sha256 by wake-fd, 1 in flight: 14 pieces, "), "{lines:?} of {shown:?}");
    assert!(!lines.contains("[=") && lines.ends_with("wakes"), "{lines:?}");
}
