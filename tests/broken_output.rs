//! Programs whose standard output or standard error is closed, full, or without a reader: none panics, and
//! each exits with the code that the README gives.
//!
//! ```text
//!   stdout:  closed  counts as /dev/null     stderr:  lines that cannot be written are lost;
//!            full    1, one line says so              a report that stands there is part of the result: 1
//!            broken  1, one line says so
//! ```

mod built;

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// The state of a standard stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stream {
    Read,
    Closed,
    Full,
    /// A pipe without a reader, as behind `| head -1`.
    Broken,
}

use Stream::{Broken, Closed, Full, Read as Whole};

const BAD: [Stream; 3] = [Closed, Full, Broken];

/// A command, and how it ends when its streams work.
struct Run {
    program: &'static str,
    options: &'static str,
    code: i32,
    /// Whether a report goes to standard error.
    reports_aside: bool,
}

const fn run(program: &'static str, options: &'static str, code: i32) -> Run {
    Run { program, options, code, reports_aside: false }
}

const fn aside(program: &'static str, options: &'static str) -> Run {
    Run { program, options, code: 0, reports_aside: true }
}

const PRINTING: &[Run] = &[
    run("quickstart", "", 0),
    run("custom", "", 0),
    run("private_keys", "", 0),
    run("event_loop", "20 2", 0),
    run("event_loop", "--help", 0),
    run("faults", "", 0),
    run("faults", "--help", 0),
    run("loadgen", "--ops 20 --size 64 --jobs 4", 0),
    run("loadgen", "--ops 20 --size 64 --mode sync --output-format json", 0),
    run("loadgen", "--ops 20 --size 64 --mode sync --stats prometheus", 0),
    run("loadgen", "--ops 20 --size 64 --mode sync --device fault=fail", 1),
    run("loadgen", "--ops 20 --size 64 --mode sync --csv -", 0),
    run("loadgen", "--own-cost --ops 20 --size 64 --mode sync", 0),
    run("loadgen", "--own-cost --ops 20 --size 64 --mode sync --output-format json", 0),
    run("loadgen", "--sweep jobs=1,2 --ops 5 --size 64", 0),
    run("loadgen", "--sweep jobs=1,2 --ops 5 --size 64 --output-format json", 0),
    run("loadgen", "--find-max errors<1 --ops 100 --size 64 --virtual", 0),
    run("loadgen", "--fit examples/loadgen/points/cesa.csv", 0),
    run("loadgen", "--list", 0),
    run("loadgen", "--print-config", 0),
    run("loadgen", "--completions bash", 0),
    run("loadgen", "--help", 0),
    run("loadgen", "--version", 0),
    aside("loadgen", "--alg sha256 --input Cargo.toml"),
    aside("loadgen", "--alg sha256 --input Cargo.toml --stats json"),
    aside("loadgen", "--alg sha256 --input Cargo.toml --output-format json"),
    run("simulate", "--seeds 0..3", 0),
    run("simulate", "--seed 7 --history", 0),
    run("simulate", "--seeds 0..40 --sabotage wrong-byte", 1),
    run("simulate", "--help", 0),
];

const REFUSED: &[Run] = &[
    run("event_loop", "many", 2),
    run("event_loop", "1 2 3", 2),
    run("faults", "--fast", 2),
    run("loadgen", "--colour blue", 2),
    run("loadgen", "--input none --alg sha256", 2),
    run("simulate", "--fast", 2),
];

fn program(name: &str) -> PathBuf {
    built::example(name)
}

/// A shell closes the streams, may ignore SIGPIPE, and becomes the program.
fn command(program: &Path, options: &str, streams: (Stream, Stream), before: &str) -> Command {
    let closed = |stream, fd| if stream == Closed { format!(" {fd}>&-") } else { String::new() };
    let mut shell = Command::new("sh");
    let script = format!("{before}exec \"$0\" \"$@\"{}{}", closed(streams.0, 1), closed(streams.1, 2));
    shell.arg("-c").arg(script).arg(program).args(options.split_whitespace());
    shell.current_dir(env!("CARGO_MANIFEST_DIR")).stdin(Stdio::null());
    shell
}

/// Returns the exit code, and what could be read from standard output and standard error.
fn ended(run: &Run, streams: (Stream, Stream), before: &str) -> (i32, String, String) {
    let mut command = command(&program(run.program), run.options, streams, before);
    let mut readers = Vec::new();
    let mut stdio = |stream| match stream {
        Full => Stdio::from(File::options().write(true).open("/dev/full").unwrap()),
        Closed => Stdio::null(),
        Whole | Broken => {
            let (reader, writer) = io::pipe().unwrap();
            readers.push((stream == Whole).then_some(reader));
            Stdio::from(writer)
        }
    };
    let (stdout, stderr) = (stdio(streams.0), stdio(streams.1));
    let mut child = command.stdout(stdout).stderr(stderr).spawn().unwrap();
    // Closes the command's own ends of the pipes, so that the readers see an end.
    drop(command);
    let mut texts = readers.into_iter();
    let mut read = |stream| {
        let mut text = String::new();
        if matches!(stream, Whole | Broken)
            && let Some(mut reader) = texts.next().flatten()
        {
            reader.read_to_string(&mut text).unwrap();
        }
        text
    };
    let (stdout, stderr) = (read(streams.0), read(streams.1));
    let status = child.wait().unwrap();
    (status.code().unwrap_or_else(|| panic!("{}: {status}", run.program)), stdout, stderr)
}

#[test]
fn an_output_that_cannot_be_written_is_reported_in_one_line() {
    for run in PRINTING {
        for stream in BAD {
            let (code, _, told) = ended(run, (stream, Whole), "");
            let Run { program, options, .. } = run;
            let expected = if stream == Closed { run.code } else { 1 };
            assert_eq!(code, expected, "{program} {options}, {stream:?}: {told}");
            assert!(!told.contains("panicked"), "{program} {options}, {stream:?}: {told}");
            let is_about_output = |line: &str| line.starts_with(&format!("{program}: standard output: "));
            if stream != Closed && !["quickstart", "custom", "private_keys"].contains(program) {
                assert_eq!(told.lines().filter(|line| is_about_output(line)).count(), 1, "{options}: {told}");
            }
        }
    }
}

#[test]
fn a_standard_error_that_cannot_be_written_costs_its_lines_only() {
    for run in PRINTING {
        let (_, printed, _) = ended(run, (Whole, Whole), "");
        for stream in BAD {
            let (code, stdout, _) = ended(run, (Whole, stream), "");
            let Run { program, options, .. } = run;
            let expected = if stream != Closed && run.reports_aside { 1 } else { run.code };
            assert_eq!(code, expected, "{program} {options}, {stream:?}");
            // Times and rates differ from run to run, and with them where long lines are wrapped, and whether
            // the host is too slow.
            let is_head = |line: &&str| !line.starts_with("warning: ") && !line.starts_with("      ");
            let lines = |text: &str| text.lines().filter(is_head).count();
            assert_eq!(lines(&stdout), lines(&printed), "{program} {options}, {stream:?}");
        }
    }
}

#[test]
fn a_wrong_command_line_exits_with_2_wherever_it_is_reported() {
    for run in REFUSED {
        for streams in BAD.into_iter().flat_map(|bad| [(bad, Whole), (Whole, bad), (bad, bad)]) {
            let (code, stdout, told) = ended(run, streams, "");
            let Run { program, options, .. } = run;
            assert_eq!((code, stdout.as_str()), (2, ""), "{program} {options}, {streams:?}: {told}");
            let lines = usize::from(streams.1 == Whole);
            assert_eq!(told.lines().count(), lines, "{program} {options}, {streams:?}: {told}");
        }
    }
}

/// Some shells and service managers pass on an ignored SIGPIPE, others do not.
#[test]
fn it_is_the_same_where_sigpipe_is_ignored_and_where_nothing_can_be_written() {
    for run in PRINTING {
        let Run { program, options, .. } = run;
        for before in ["", "trap '' PIPE; "] {
            let (code, _, _) = ended(run, (Broken, Broken), before);
            assert_eq!(code, 1, "{program} {options}, {before:?}");
            let (code, _, _) = ended(run, (Full, Full), before);
            assert_eq!(code, 1, "{program} {options}, {before:?}");
            let (code, _, _) = ended(run, (Closed, Closed), before);
            assert_eq!(code, run.code, "{program} {options}, {before:?}");
        }
    }
}
