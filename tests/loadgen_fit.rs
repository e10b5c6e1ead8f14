//! `loadgen --fit`: points that a known device gives come back as that device; public figures within a bound.
//!
//! What a point of a known device takes is computed here, from the rules in docs/model.md for constant times:
//! a station that is never idle decides, or the way of a single operation.

mod built;
mod loadgen_helpers;
mod scratch;

use std::fmt::Write as _;
use std::path::Path;
use std::process::{Command, Output};

use serde_json::Value;

use self::loadgen_helpers::program;
use self::scratch::Folder;

fn loadgen(arguments: &[&str]) -> Output {
    Command::new(program()).args(arguments).output().unwrap()
}

/// The `fit` of the JSON report.
#[track_caller]
fn fit(path: &Path) -> Value {
    let output = loadgen(&["--fit", path.to_str().unwrap(), "--output-format", "json"]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let json: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(json["schema_version"], 1);
    json["fit"].clone()
}

/// The same of these points.
#[track_caller]
fn fit_points(points: &str) -> Value {
    let folder = Folder::new();
    folder.write("points.csv", points);
    fit(&folder.path("points.csv"))
}

/// The value of a key of the configuration that was found; `None`: it has none.
fn key(fit: &Value, key: &str) -> Option<f64> {
    let device = fit["device"].as_str().unwrap();
    let pairs = device.split(';').filter_map(|pair| pair.split_once('='));
    pairs.filter(|(name, _)| *name == key).map(|(_, value)| value.parse().unwrap()).next()
}

/// A known device with constant times.
#[derive(Clone, Copy, Debug, Default)]
struct Known {
    units: f64,
    nsec: f64,
    mbps: f64,
    firmware: f64,
    link_mbps: f64,
    link_nsec: f64,
}

impl Known {
    /// Nanoseconds an operation with this many in flight.
    fn nsec_each(self, bytes: f64, jobs: f64) -> f64 {
        let by_byte = |mbps: f64| if mbps > 0.0 { bytes * 1e3 / mbps } else { 0.0 };
        let (service, link) = (self.nsec + by_byte(self.mbps), by_byte(self.link_mbps));
        let way = self.firmware + 2.0 * (link + self.link_nsec) + service;
        (way / jobs).max(self.firmware).max(service / self.units).max(link)
    }

    fn points(self, measure: &str, sizes: &[u32], depths: &[u32]) -> String {
        let mut text = format!("# a known device\nsize,depth,{measure}\n");
        for &size in sizes {
            for &depth in depths {
                let (bytes, jobs) = (f64::from(size), f64::from(depth));
                let nsec = self.nsec_each(bytes, jobs);
                let value = match measure {
                    "ops" => 1e9 / nsec,
                    "mbps" => bytes * 1e3 / nsec,
                    _ => nsec * jobs / 1e3,
                };
                writeln!(text, "{size},{depth},{value:.6}").unwrap();
            }
        }
        text
    }
}

const SIZES: [u32; 5] = [64, 1_024, 4_096, 16_384, 65_536];
const DEPTHS: [u32; 7] = [1, 2, 4, 8, 16, 64, 256];

/// Fits the points of a known device, checks the errors at each, and returns the fit.
#[track_caller]
fn fit_of(known: Known, measure: &str) -> Value {
    let fit = fit_points(&known.points(measure, &SIZES, &DEPTHS));
    println!(
        "{known:?}, {measure}: {}, worst {:.3} %",
        fit["device"],
        fit["worst_percent"].as_f64().unwrap()
    );
    assert_eq!(fit["points"].as_array().unwrap().len(), SIZES.len() * DEPTHS.len());
    assert_eq!(fit["unit"], measure);
    for point in fit["points"].as_array().unwrap() {
        assert!(point["error_percent"].as_f64().unwrap().abs() < 1.0, "{known:?}, {measure}: {fit}");
        // The formula is exact for constant times: the device differs by the rounding of its keys' numbers.
        let [formula, device] = ["formula", "device"].map(|key| point[key].as_f64().unwrap());
        assert!((device / formula - 1.0).abs() < 0.003, "{known:?}, {measure}: {point}");
    }
    fit
}

#[test]
fn fixed_time_rate_and_units_come_back() {
    let known = Known { units: 4.0, nsec: 50_000.0, mbps: 500.0, ..Known::default() };
    for measure in ["ops", "mbps", "latency_us"] {
        let fit = fit_of(known, measure);
        assert_eq!(key(&fit, "compute_units"), Some(4.0), "{fit}");
        assert!((key(&fit, "completion_nsec").unwrap() - 50_000.0).abs() <= 1.0, "{fit}");
        assert!((key(&fit, "mbps").unwrap() - 500.0).abs() < 0.01, "{fit}");
        assert_eq!([key(&fit, "firmware_nsec"), key(&fit, "link_mbps"), key(&fit, "link_nsec")], [None; 3]);
    }
}

#[test]
fn many_units_come_back() {
    let known = Known { units: 29.0, nsec: 433_000.0, ..Known::default() };
    let fit = fit_of(known, "ops");
    assert_eq!(fit["device"], "compute_units=29;completion_nsec=433000");
}

#[test]
fn a_serial_stage_comes_back() {
    let known = Known { units: 16.0, nsec: 40_000.0, mbps: 250.0, firmware: 5_000.0, ..Known::default() };
    let fit = fit_of(known, "ops");
    assert!((key(&fit, "firmware_nsec").unwrap() - 5_000.0).abs() <= 1.0, "{fit}");
    assert_eq!(key(&fit, "compute_units"), Some(16.0), "{fit}");
}

/// 8 units of 20 µs behind 30 µs of the link each way, and 32 units of 80 µs, take the same time at every
/// point: the fewest keys win.
#[test]
fn a_link_comes_back_and_what_cannot_be_told_takes_the_fewest_keys() {
    let known =
        Known { units: 8.0, nsec: 20_000.0, link_mbps: 1_000.0, link_nsec: 30_000.0, ..Known::default() };
    let fit = fit_of(known, "latency_us");
    assert_eq!(fit["device"], "compute_units=32;completion_nsec=80000;link_mbps=1000");
    // With a rate, the two differ: the longer the message, the less of its time is the link's.
    let fit = fit_of(Known { mbps: 2_000.0, ..known }, "latency_us");
    assert!((key(&fit, "link_mbps").unwrap() - 1_000.0).abs() < 0.1, "{fit}");
    assert!((key(&fit, "link_nsec").unwrap() - 30_000.0).abs() <= 1.0, "{fit}");
    assert_eq!(key(&fit, "compute_units"), Some(8.0), "{fit}");
}

/// Figures that are off by up to 2 % cost no key of their own: the device that gave them is found all the
/// same, with its numbers off by less than that.
#[test]
fn figures_with_errors_give_the_keys_of_the_device() {
    let known = Known { units: 4.0, nsec: 50_000.0, mbps: 500.0, ..Known::default() };
    let mut text = "size,depth,ops\n".to_owned();
    for (number, line) in known.points("ops", &SIZES, &DEPTHS).lines().skip(2).enumerate() {
        let (before, value) = line.rsplit_once(',').unwrap();
        let off = [0.98, 1.01, 1.0, 1.02, 0.99][number * 3 % 5];
        writeln!(text, "{before},{}", value.parse::<f64>().unwrap() * off).unwrap();
    }
    let fit = fit_points(&text);
    assert_eq!(key(&fit, "compute_units"), Some(4.0), "{fit}");
    assert!((key(&fit, "completion_nsec").unwrap() / 50_000.0 - 1.0).abs() < 0.02, "{fit}");
    assert!((key(&fit, "mbps").unwrap() / 500.0 - 1.0).abs() < 0.02, "{fit}");
    assert_eq!(
        [key(&fit, "firmware_nsec"), key(&fit, "link_mbps"), key(&fit, "link_nsec")],
        [None; 3],
        "{fit}"
    );
    assert!(fit["worst_percent"].as_f64().unwrap() < 3.0, "{fit}");
}

/// Public tables, and a bound for the error at the worst point in percent. A preset's numbers for the same
/// table are no better, by the mean of the squares.
#[test]
fn public_figures_are_reproduced() {
    let tables = [
        ("eip93-ecb", 2.0, Some(Known { nsec: 33_700.0, mbps: 67.0, units: 1.0, ..Known::default() })),
        ("eip93-cbc", 1.0, Some(Known { nsec: 41_100.0, mbps: 46.0, units: 1.0, ..Known::default() })),
        ("cesa", 5.2, Some(Known { nsec: 12_500.0, mbps: 107.0, units: 1.0, ..Known::default() })),
        ("ipq40xx", 0.1, None),
        ("qat-rsa2048", 1.6, Some(Known { nsec: 433_000.0, units: 29.0, ..Known::default() })),
        ("qat-bulk", 0.1, Some(Known { nsec: 52_200.0, mbps: 313.793, units: 29.0, ..Known::default() })),
    ];
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/loadgen/points");
    assert_eq!(std::fs::read_dir(&folder).unwrap().count(), tables.len());
    for (name, bound, preset) in tables {
        let path = folder.join(format!("{name}.csv"));
        assert!(std::fs::read_to_string(&path).unwrap().contains("# https://"), "{name} names no source");
        let fit = fit(&path);
        let [worst, rms] = ["worst_percent", "rms_percent"].map(|key| fit[key].as_f64().unwrap());
        println!("{name}: {}, worst {worst:.2} %, rms {rms:.2} %", fit["device"]);
        assert!(worst < bound, "{name}: {fit}");
        if name == "qat-rsa2048" {
            assert_eq!(key(&fit, "compute_units"), Some(29.0), "{fit}");
        }
        if let Some(preset) = preset {
            let squares = fit["points"].as_array().unwrap().iter().map(|point| {
                let [size, depth, measured] =
                    ["size", "depth", "measured"].map(|key| point[key].as_f64().unwrap());
                let nsec = preset.nsec_each(size, depth);
                let value = if fit["unit"] == "ops" { 1e9 / nsec } else { nsec * depth / 1e3 };
                (value / measured - 1.0).powi(2)
            });
            let squares: Vec<f64> = squares.collect();
            let of_preset = 100.0 * (squares.iter().sum::<f64>() / squares.len() as f64).sqrt();
            println!("{name}: the preset's numbers: rms {of_preset:.2} %");
            assert!(rms <= of_preset + 0.05, "{name}: {rms} %, by the preset {of_preset} %");
        }
    }
}

/// Twice the same text, which `--device` takes.
#[test]
fn the_configuration_is_one_that_device_takes() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/loadgen/points/cesa.csv");
    let text = || {
        let output = loadgen(&["--fit", path.to_str().unwrap()]);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    };
    let report = text();
    assert_eq!(report, text(), "it is the same each time");
    let line = report.lines().find(|line| line.starts_with("--device '")).unwrap();
    let device = line.split('\'').nth(1).unwrap();
    let taken = loadgen(&["--device", device, "--print-config"]);
    assert!(taken.status.success(), "{}", String::from_utf8_lossy(&taken.stderr));
    for pair in device.split(';') {
        assert!(String::from_utf8_lossy(&taken.stdout).contains(pair), "{pair}");
    }
    assert_eq!(report.lines().filter(|line| line.ends_with('%')).count(), 6, "{report}");
    assert!(report.contains("they do not tell how many units there are"), "{report}");
}

#[test]
fn bad_points_are_told_with_their_line() {
    let header = "# comment\n\nsize,depth,ops\n";
    let bad = [
        (String::new(), "no header"),
        ("# nothing\n".to_owned(), "no header"),
        (header.to_owned(), "no points"),
        ("size,ops\n".to_owned(), "line 1: size,ops: allowed are the columns"),
        ("size,depth,speed\n".to_owned(), "line 1: size,depth,speed: allowed are the columns"),
        ("size,depth,ops,mbps\n".to_owned(), "line 1: "),
        (format!("{header}16,1,10\n16,1\n"), "line 5: 2 fields, allowed are 3"),
        (format!("{header}16,1,10,9\n"), "line 4: 4 fields, allowed are 3"),
        (format!("{header}0,1,10\n"), "line 4: size=0: allowed are"),
        (format!("{header}16,0,10\n"), "line 4: depth=0: allowed are"),
        (format!("{header}16,1.5,10\n"), "line 4: depth=1.5: allowed are"),
        (format!("{header}16,1,0\n"), "line 4: ops=0: allowed are"),
        (format!("{header}16,1,-3\n"), "line 4: ops=-3: allowed are"),
        (format!("{header}16,1,nan\n"), "line 4: ops=nan: allowed are"),
        (format!("{header}16,1,inf\n"), "line 4: ops=inf: allowed are"),
        (format!("{header}16,1,1e5\n"), "line 4: ops=1e5: allowed are"),
        (format!("{header}16,1,\n"), "line 4: ops="),
        (format!("{header}16,1,0.0000001\n"), "line 4: ops=0.0000001: an operation takes"),
    ];
    for (number, (text, expected)) in bad.iter().enumerate() {
        let (folder, name) = (Folder::new(), format!("bad-{number}.csv"));
        folder.write(&name, text);
        let path = folder.path(name);
        let path = path.to_str().unwrap();
        told(&["--fit", path], &[expected, path]);
    }
    told(&["--fit", "/nowhere/points.csv"], &["/nowhere/points.csv"]);
}

/// Exit code 2, and one line that says all of this.
#[track_caller]
fn told(arguments: &[&str], expected: &[&str]) {
    let output = loadgen(arguments);
    let line = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{arguments:?}: {line}");
    assert!(output.stdout.is_empty(), "{arguments:?}");
    assert!(line.starts_with("loadgen: --") && line.lines().count() == 1, "{arguments:?}: {line}");
    expected.iter().for_each(|part| assert!(line.contains(part), "{arguments:?}: {part}: {line}"));
}

#[test]
fn a_fit_runs_nothing_else() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/loadgen/points/cesa.csv");
    let path = path.to_str().unwrap();
    for other in [&["--mode", "poll"][..], &["--input", "x"], &["--wide"], &["--list"], &["--seed", "1"]] {
        told(&[&["--fit", path], other].concat(), &[other[0], "not allowed together with --fit"]);
    }
}
