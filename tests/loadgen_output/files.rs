//! CSV, percentile distribution and interval log.

use std::process::Output;

use hdrhistogram::Histogram;
use hdrhistogram::serialization::Deserializer;
use hdrhistogram::serialization::interval_log::{IntervalLogIterator, LogEntry};
use serde_json::Value;

use super::folder::{Folder, json, text};

/// A reader of RFC 4180, written from its grammar.
fn parse_csv(text: &str) -> Vec<Vec<String>> {
    let (mut rows, mut row, mut cell) = (Vec::new(), Vec::new(), String::new());
    let mut chars = text.chars().peekable();
    let mut is_quoted = false;
    while let Some(c) = chars.next() {
        match c {
            '"' if is_quoted && chars.peek() == Some(&'"') => cell.extend(chars.next()),
            '"' => is_quoted = !is_quoted,
            ',' if !is_quoted => row.push(std::mem::take(&mut cell)),
            '\r' if !is_quoted => {
                assert_eq!(chars.next(), Some('\n'), "a line ends with CRLF");
                row.push(std::mem::take(&mut cell));
                rows.push(std::mem::take(&mut row));
            }
            '\n' if !is_quoted => panic!("a line break without CR"),
            c => cell.push(c),
        }
    }
    assert!(row.is_empty() && cell.is_empty(), "the last line has no end");
    rows
}

/// A number may differ in its last digit: a JSON reader is allowed to round.
#[track_caller]
fn assert_same(cell: &str, expected: &str, column: &str) {
    match (cell.parse::<f64>(), expected.parse::<f64>()) {
        (Ok(cell), Ok(expected)) => assert!((cell - expected).abs() <= expected.abs() * 1e-12, "{column}"),
        _ => assert_eq!(cell, expected, "{column}"),
    }
}

/// The JSON value that a cell stands for.
fn value(json: &Value, column: &str) -> String {
    let nested = ["latency_us", "service_us", "late_us"]
        .into_iter()
        .find_map(|key| column.strip_prefix(key)?.strip_prefix('_').map(|rest| &json[key][rest]));
    match nested.unwrap_or_else(|| &json[column]) {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        number => number.to_string(),
    }
}

#[test]
fn the_csv_has_the_figures_of_the_json_report() {
    let folder = Folder::new();
    // The device's text has a comma in it.
    let device = "compute_units=2;completion_nsec=1000;fault=fail:nth=3,op=encrypt";
    let options = format!("--ops 60 --device {device} --expect-errors --csv rows.csv --output-format json");
    let report = json(&folder.succeed(&options).stdout);
    let csv = parse_csv(&folder.read_text("rows.csv"));
    let (head, lines) = csv.split_first().unwrap();
    let rows = report["rows"].as_array().unwrap();
    assert_eq!((lines.len(), head[0].as_str()), (rows.len(), "row"));
    for key in ["mode", "loop", "latency_us_p999", "service_us_max", "late_us_p99", "host_bound", "dropped"] {
        assert!(head.iter().any(|column| column == key), "{key} in {head:?}");
    }
    for (index, (line, json)) in lines.iter().zip(rows).enumerate() {
        assert_eq!((line.len(), line[0].clone()), (head.len(), (index + 1).to_string()));
        for (column, cell) in head.iter().zip(line).skip(1) {
            assert_same(cell, &value(json, column), column);
        }
    }
    assert!(lines[1].iter().any(|cell| cell.contains("nth=3,op=encrypt")), "{:?}", lines[1]);
    assert_eq!(folder.names(), ["rows.csv"]);
}

#[test]
fn csv_takes_standard_output_from_the_report() {
    let folder = Folder::new();
    let output = folder.succeed("--ops 60 --mode sync --csv -");
    let csv = parse_csv(&text(&output.stdout));
    assert_eq!((csv.len(), csv[1][1].as_str()), (2, "sync"));
    assert!(folder.names().is_empty());
    for other in ["--output-format json", "--stats json", "--wide"] {
        let told = folder.refuse(2, &format!("--ops 1 --mode sync --csv - {other}"));
        assert!(told.contains(other.split(' ').next().unwrap()) && told.contains("--csv -"), "{told}");
    }
}

/// Value, percentile and count of each line.
fn parse_hgrm(text: &str) -> (Vec<(f64, f64, u64)>, Vec<f64>) {
    let mut lines = text.lines();
    let head: Vec<&str> = lines.next().unwrap().split_whitespace().collect();
    assert_eq!(head, ["Value", "Percentile", "TotalCount", "1/(1-Percentile)"]);
    assert_eq!(lines.next(), Some(""));
    let (comments, steps): (Vec<&str>, Vec<&str>) = lines.partition(|line| line.starts_with("#["));
    let steps = steps.iter().map(|line| {
        let cells: Vec<f64> = line.split_whitespace().map(|cell| cell.parse().unwrap()).collect();
        match cells[..] {
            [_, percentile, _, inverse] => {
                assert!((1.0 / (1.0 - percentile) - inverse).abs() <= inverse / 100.0, "{line}");
            }
            [_, percentile, _] => assert!(percentile >= 1.0, "{line}"),
            _ => panic!("{line}"),
        }
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a small count")]
        let count = cells[2] as u64;
        (cells[0], cells[1], count)
    });
    let numbers = comments
        .iter()
        .flat_map(|line| line.split(['=', ',', ']']))
        .filter_map(|part| part.trim().parse().ok());
    (steps.collect(), numbers.collect())
}

#[test]
fn the_percentile_distribution_is_that_of_the_report() {
    let folder = Folder::new();
    let report = json(&folder.succeed("--ops 500 --mode sync --hgrm out.hgrm --output-format json").stdout);
    let (steps, numbers) = parse_hgrm(&folder.read_text("out.hgrm"));
    let latency = |key: &str| report["rows"][0]["latency_us"][key].as_f64().unwrap();
    assert!(steps.is_sorted(), "{steps:?}");
    let close = |one: f64, other: f64| (one - other).abs() <= other / 500.0 + 0.002;
    for (share, key) in [(0.5, "p50"), (0.9, "p90"), (0.99, "p99")] {
        let below = steps.iter().rfind(|step| step.1 < share - 1e-6).unwrap().0;
        let above = steps.iter().find(|step| step.1 > share + 1e-6).unwrap().0;
        assert!(below <= latency(key) * 1.002 && latency(key) <= above, "{key}: {below} {above} {report}");
    }
    let (first, last) = (steps[0].0, steps[steps.len() - 1].0);
    assert!(close(first, latency("min")) && close(last, latency("max")), "{first} {last}");
    assert_eq!((steps[steps.len() - 1].1, steps[steps.len() - 1].2), (1.0, 500));
    let [mean, _, max, count, _, sub_buckets] = numbers[..] else { panic!("{numbers:?}") };
    assert!(close(mean, latency("mean")) && close(max, latency("max")), "{numbers:?}");
    assert_eq!((count, sub_buckets), (500.0, 2048.0));
}

#[test]
fn each_of_several_rows_has_a_distribution_of_its_own() {
    let folder = Folder::new();
    let options = "--ops 70 --hgrm out.v1.hgrm --mode poll --rate 50% --output-format json";
    let report = json(&folder.succeed(options).stdout);
    assert_eq!(folder.names(), ["out.v1-1-poll-closed.hgrm", "out.v1-2-poll-open.hgrm"]);
    for (name, row) in folder.names().iter().zip(report["rows"].as_array().unwrap()) {
        let counted = parse_hgrm(&folder.read_text(name)).0.last().unwrap().2;
        assert_eq!(Some(counted), row["ops"].as_u64(), "{name}");
    }
    let folder = Folder::new();
    folder.succeed("--ops 10 --hgrm out");
    assert_eq!(folder.names().len(), 9);
    assert!(folder.names().contains(&"out-9-wake-fd-open".to_owned()), "{:?}", folder.names());
}

#[test]
fn the_log_holds_the_histogram_of_each_row() {
    let folder = Folder::new();
    let report = json(&folder.succeed("--ops 300 --log out.hlog --output-format json").stdout);
    let log = folder.read_text("out.hlog");
    assert!(log.contains("[Histogram log format version 1.3]") && log.contains("#[StartTime: "), "{log}");
    let intervals: Vec<_> = IntervalLogIterator::new(log.as_bytes())
        .filter_map(|entry| match entry.unwrap() {
            LogEntry::Interval(interval) => Some(interval),
            _ => None,
        })
        .collect();
    let rows = report["rows"].as_array().unwrap();
    assert_eq!(intervals.len(), rows.len());
    assert!(intervals.iter().map(|interval| interval.start_timestamp()).is_sorted());
    for (index, (interval, row)) in intervals.iter().zip(rows).enumerate() {
        let name =
            format!("{}-{}-{}", index + 1, row["mode"].as_str().unwrap(), row["loop"].as_str().unwrap());
        assert_eq!(interval.tag().unwrap().as_str(), name);
        let bytes = decode_base64(interval.encoded_histogram());
        let histogram: Histogram<u64> = Deserializer::new().deserialize(&mut &bytes[..]).unwrap();
        assert_eq!(Some(histogram.len()), row["ops"].as_u64(), "{name}");
        let seconds = row["ops"].as_f64().unwrap() / row["ops_per_second"].as_f64().unwrap();
        assert!(
            (interval.duration().as_secs_f64() - seconds).abs() < 0.002,
            "{name}: {:?}",
            interval.duration()
        );
        for (share, key) in [(0.5, "p50"), (0.99, "p99"), (1.0, "max")] {
            let latency = row["latency_us"][key].as_f64().unwrap() * 1e3;
            #[expect(clippy::cast_precision_loss, reason = "nanoseconds")]
            let recorded = histogram.value_at_quantile(share) as f64;
            assert!(
                (recorded - latency).abs() <= latency / 500.0 + 2.0,
                "{name} {key}: {recorded} {latency}"
            );
        }
    }
}

/// RFC 4648, without another crate.
fn decode_base64(text: &str) -> Vec<u8> {
    const ALPHABET: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let (mut bits, mut held, mut bytes) = (0_u32, 0, Vec::new());
    for c in text.bytes().filter(|c| *c != b'=') {
        let digit = ALPHABET.iter().position(|digit| *digit == c).unwrap();
        bits = bits << 6 | u32::try_from(digit).unwrap();
        held += 6;
        if held >= 8 {
            held -= 8;
            bytes.push(u8::try_from(bits >> held & 0xff).unwrap());
        }
    }
    bytes
}

#[test]
fn a_file_that_cannot_be_written_is_named_before_anything_runs() {
    let folder = Folder::new();
    for option in ["--csv", "--hgrm", "--log"] {
        for (path, why) in
            [("none/out", "No such file"), ("/dev/full", "not a regular file"), (".", "directory")]
        {
            // So many would never end.
            let told = folder.refuse(2, &format!("--mode sync --ops {} {option} {path}", u64::MAX));
            assert!(told.contains(option) && told.contains(why), "{told}");
        }
        assert!(folder.names().is_empty());
        let told = folder.refuse(2, &format!("--alg sha256 --input x {option} out"));
        assert!(told.contains(option) && told.contains("--input"), "{told}");
    }
    for option in ["--hgrm", "--log"] {
        assert!(folder.refuse(2, &format!("--ops 1 {option} -")).contains("standard output"));
    }
}

/// A limit of the file's size is a full disk.
fn on_a_full_disk(folder: &Folder, options: &str) -> Output {
    let script = "trap '' XFSZ; ulimit -f 0; exec \"$0\" \"$@\"";
    let mut command = folder.command("sh");
    command.arg("-c").arg(script).arg(super::folder::program());
    command.args(options.split_whitespace()).output().unwrap()
}

/// The file that was there stays as it was.
#[test]
fn a_full_disk_costs_the_file_and_not_the_report() {
    let folder = Folder::new();
    for option in ["--csv", "--hgrm", "--log", "--report", "--trace", "--save-baseline"] {
        folder.write("out", "before");
        let output = on_a_full_disk(&folder, &format!("--ops 20 --mode sync {option} out"));
        let told = text(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{told}");
        assert!(told.starts_with(&format!("loadgen: {option}: out: File too large")), "{told}");
        assert_eq!(told.lines().count(), 1, "{told}");
        assert!(text(&output.stdout).contains("checked: "), "{option}: {}", text(&output.stdout));
        assert_eq!((folder.read_text("out").as_str(), folder.names()), ("before", vec!["out".to_owned()]));
    }
}

#[test]
fn a_full_disk_is_the_same_for_pictures_of_sweeps_and_for_the_output_of_a_file() {
    let folder = Folder::new();
    std::fs::create_dir(folder.path("in")).unwrap();
    for (options, names) in [
        ("--ops 20 --mode sync --svg in", "--svg: in/percentiles.svg"),
        ("--sweep jobs=1,2 --ops 5 --size 64 --svg in", "--svg: in/sweep.svg"),
        ("--sweep jobs=1,2 --ops 5 --size 64 --report out", "--report: out"),
        ("--ops 20 --mode sync --report out --svg in --csv table --trace t", "--report: out"),
    ] {
        let output = on_a_full_disk(&folder, options);
        let told = text(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{options}: {told}");
        assert_eq!(told, format!("loadgen: {names}: File too large (os error 27)\n"), "{options}");
        assert!(!output.stdout.is_empty(), "{options}");
    }
    folder.write("plain", "text");
    let key = format!("--key {} --iv {}", "00".repeat(16), "00".repeat(16));
    let output = on_a_full_disk(&folder, &format!("--alg aes-128-ctr {key} --input plain --output out"));
    let told = text(&output.stderr);
    assert_eq!((output.status.code(), told.lines().count()), (Some(1), 1), "{told}");
    assert!(told.starts_with("loadgen: --output: out: File too large"), "{told}");
    assert_eq!(folder.names(), ["in", "plain"]);
}
