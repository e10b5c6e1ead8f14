//! Sweeps and searches as processes: what they print, and how they refuse what cannot be run.

use serde_json::Value;

use crate::loadgen_helpers::{number, run};

/// The report of a run that succeeds, and says nothing on standard error.
#[track_caller]
fn text(options: &str) -> String {
    let output = run(options);
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!((output.status.code(), errors.as_str()), (Some(0), ""), "{options}");
    String::from_utf8(output.stdout).unwrap()
}

#[track_caller]
fn json(options: &str) -> Value {
    serde_json::from_str(&text(&format!("{options} --output-format json"))).unwrap()
}

#[test]
fn a_sweep_of_two_axes_has_a_row_for_each_point() {
    let report = json("--sweep latency=1us,20us --sweep size=512,1k --ops 40 --jobs 3");
    assert_eq!(report["schema_version"], 1);
    let software = report["rows"].as_array().unwrap();
    assert_eq!(software.iter().map(|row| row["size"].as_u64().unwrap()).collect::<Vec<_>>(), [512, 1024]);
    assert!(software.iter().all(|row| row["mode"] == "software" && row["ops"] == 40));
    let sweep = &report["sweep"];
    assert_eq!(sweep["axes"][0]["values"], serde_json::json!([1_000, 20_000]));
    assert_eq!(sweep["axes"][1]["key"], "size");
    let points = sweep["points"].as_array().unwrap();
    let at =
        |point: &Value| (point["at"]["latency"].as_u64().unwrap(), point["at"]["size"].as_u64().unwrap());
    let places: Vec<_> = points.iter().map(at).collect();
    assert_eq!(places, [(1_000, 512), (1_000, 1024), (20_000, 512), (20_000, 1024)]);
    for point in points {
        let (latency, size) = at(point);
        let row = &point["row"];
        assert!(row["device"].as_str().unwrap().contains(&format!("completion_nsec={latency};")), "{row}");
        assert_eq!((&row["size"], &row["mode"], &row["jobs"]), (&size.into(), &"wake-fd".into(), &3.into()));
        assert_eq!((&row["ops"], &row["errors"], &row["mismatches"]), (&40.into(), &0.into(), &0.into()));
        let reference = software.iter().find(|row| row["size"] == size).unwrap();
        assert_eq!(point["software_ops_per_second"], reference["ops_per_second"]);
        let factor = number(&row["ops_per_second"]) / number(&reference["ops_per_second"]);
        assert!((number(&point["factor"]) / factor - 1.0).abs() < 1e-9, "{point}");
        let cpu = number(&row["cpu_ns_per_op"]) / number(&reference["cpu_ns_per_op"]);
        assert!((number(&point["cpu_factor"]) / cpu - 1.0).abs() < 1e-9, "{point}");
        // The device keeps its latency, so an axis without effect would be seen.
        assert!(number(&row["latency_us"]["min"]) * 1e3 >= number(&point["at"]["latency"]), "{row}");
    }
    let words = sweep["words"].as_array().unwrap();
    assert!(words.iter().all(|line| line.as_str().unwrap().contains("with a latency of")
        || line.as_str().unwrap().starts_with("offload pays in ")));
}

#[test]
fn each_key_sets_what_it_is_named_after() {
    for (axis, jobs) in
        [("jobs=2,5", true), ("units=1,2", false), ("depth=2,4", false), ("firmware_nsec=5,7us", false)]
    {
        let report = json(&format!("--sweep {axis} --ops 20 --mode poll"));
        let values = report["sweep"]["axes"][0]["values"].as_array().unwrap().clone();
        for (point, value) in report["sweep"]["points"].as_array().unwrap().iter().zip(values) {
            let row = &point["row"];
            let key = axis.split('=').next().unwrap();
            let device_key = if key == "units" { "compute_units" } else { key };
            let device = row["device"].as_str().unwrap();
            let is_set =
                if jobs { row["jobs"] == value } else { device.contains(&format!("{device_key}={value};")) };
            assert!(is_set && row["mode"] == "poll", "{axis}: {row}");
        }
    }
}

#[test]
fn a_swept_rate_is_an_open_loop_with_that_rate() {
    let report = json("--sweep rate=2000,4000 --ops 20 --arrivals linear");
    let points = report["sweep"]["points"].as_array().unwrap();
    assert_eq!(
        points.iter().map(|point| number(&point["row"]["rate"])).collect::<Vec<_>>(),
        [2000.0, 4000.0]
    );
    assert!(points.iter().all(|point| point["row"]["loop"] == "open" && point["cpu_factor"].is_number()));
    assert!(report["rows"].as_array().unwrap().iter().all(|row| row["loop"] == "closed"));
}

/// Software runs in as many threads as offload is called from.
#[test]
fn a_sweep_of_threads_compares_with_software_in_as_many() {
    let report = json("--sweep threads=1,3 --sweep size=64,128 --ops 60 --mode poll --jobs 6");
    let software = report["rows"].as_array().unwrap();
    let kinds = software.iter().map(|row| (row["size"].as_u64().unwrap(), row["threads"].as_u64().unwrap()));
    assert_eq!(kinds.collect::<Vec<_>>(), [(64, 1), (64, 3), (128, 1), (128, 3)]);
    let points = report["sweep"]["points"].as_array().unwrap();
    assert_eq!(points.len(), 4);
    for point in points {
        let row = &point["row"];
        assert_eq!((&row["threads"], &row["jobs"]), (&point["at"]["threads"], &6.into()), "{point}");
        let reference = software
            .iter()
            .find(|software| (&software["size"], &software["threads"]) == (&row["size"], &row["threads"]));
        assert_eq!(point["software_ops_per_second"], reference.unwrap()["ops_per_second"], "{point}");
    }
}

/// Four units of a time: a closed loop with fewer jobs is limited by these, one with more by the units, to
/// the nanosecond; and the same again whenever it runs.
#[test]
fn a_sweep_in_virtual_time_is_exact() {
    let options = "--virtual --sweep latency=5us,50us --sweep jobs=1,4,32 --size 16 --ops 6400 --mode poll";
    let report = json(options);
    assert_eq!((&report["clock"], report["rows"].as_array().unwrap().len()), (&"virtual".into(), 0));
    let points = report["sweep"]["points"].as_array().unwrap();
    assert_eq!(points.len(), 6);
    for point in points {
        let (latency, jobs) = (number(&point["at"]["latency"]), number(&point["at"]["jobs"]));
        let expected = jobs.min(4.0) * 1e9 / latency;
        assert!((number(&point["row"]["ops_per_second"]) / expected - 1.0).abs() < 1e-9, "{point}");
        // The last ones wait for all the others that were sent with them.
        let longest = (jobs / 4.0).max(1.0) * latency / 1e3;
        assert!((number(&point["row"]["latency_us"]["max"]) / longest - 1.0).abs() < 1e-9, "{point}");
        for key in ["factor", "cpu_factor", "software_ops_per_second", "software_cpu_ns_per_op"] {
            assert!(point[key].is_null(), "{key} of {point}");
        }
    }
    let words = serde_json::json!([
        "the most operations a second are 800,000: a latency of 5 µs, 4 jobs in flight",
        "the lowest p99 is 5.0 µs: a latency of 5 µs, 1 job in flight",
    ]);
    assert_eq!(report["sweep"]["words"], words);
    let told = text(options);
    assert_eq!(told, text(options), "it is the same again");
    let cells = |name: &str| {
        let lines = told.lines().skip_while(|line| !line.trim().starts_with(name)).skip(2).take(3);
        lines.map(|line| line.split_whitespace().map(str::to_owned).collect()).collect::<Vec<Vec<_>>>()
    };
    assert!(told.lines().next().unwrap().ends_with(", in virtual time"), "{told}");
    assert_eq!(
        cells("op/s, jobs"),
        [["1", "200,000", "20,000"], ["4", "800,000", "80,000"], ["32", "800,000", "80,000"]]
    );
    assert_eq!(cells("p99 in µs, jobs"), [["1", "5.0", "50.0"], ["4", "5.0", "50.0"], ["32", "40.0", "400"]]);
    assert!(!told.contains('*') && !told.contains("software"), "{told}");
}

/// Along one axis a line a point, without what compares with software; the default is a number of operations.
#[test]
fn a_sweep_of_rates_in_virtual_time_shows_where_the_device_ends() {
    let report = json("--virtual --sweep rate=40000,200000 --size 16 --mode poll --arrivals linear");
    let points = report["sweep"]["points"].as_array().unwrap();
    let of = |index: usize, key: &str| number(&points[index]["row"][key]);
    // Below the rate of the units nothing waits, above it they are busy without a break.
    assert_eq!(number(&points[0]["row"]["latency_us"]["max"]), 50.0);
    assert_eq!([0, 1].map(|index| of(index, "ops") + of(index, "dropped")), [20_000.0; 2]);
    assert!((of(1, "ops_per_second") / 80_000.0 - 1.0).abs() < 0.001, "{}", points[1]);
    let told = text("--virtual --sweep rate=40000,200000 --size 16 --mode poll --arrivals linear");
    let line = told.lines().find(|line| line.trim().starts_with("40,000")).unwrap();
    assert_eq!(line.split_whitespace().skip(2).collect::<Vec<_>>(), ["50.0", "50.0"], "{told}");
    // A time is virtual, too, and is shared out.
    let report = json("--virtual --sweep jobs=1,2 --size 16 --duration 20ms");
    let ops: Vec<u64> = report["sweep"]["points"]
        .as_array()
        .unwrap()
        .iter()
        .map(|point| point["row"]["ops"].as_u64().unwrap())
        .collect();
    assert_eq!(ops, [200, 400], "10 ms each");
}

/// The parts of a mix keep their weights, and each has the size of the point.
#[test]
fn a_sweep_of_a_mix_varies_the_size_of_its_parts() {
    let mix = "--mix sha256/1k:1,aes-256-ctr/64k:3 --ops 400 --jobs 4";
    let report = json(&format!("--sweep size=64,256 {mix}"));
    assert_eq!(report["rows"].as_array().unwrap().len(), 2);
    for point in report["sweep"]["points"].as_array().unwrap() {
        let (row, size) = (&point["row"], &point["at"]["size"]);
        assert_eq!(&row["size"], size, "{point}");
        let parts = row["mix"].as_array().unwrap();
        assert!(parts.iter().all(|part| &part["size"] == size), "{point}");
        let ops: Vec<u64> = parts.iter().map(|part| part["ops"].as_u64().unwrap()).collect();
        assert!(ops.iter().sum::<u64>() == 400 && (60..140).contains(&ops[0]), "{point}");
    }
    let told = text(&format!("--sweep size=64,256 {mix}"));
    assert!(told.starts_with("sha256:1,aes-256-ctr:3, mode wake-fd, "), "{told}");
    // With another axis the mix stays as it is, for software, too.
    let report = json(&format!("--sweep jobs=1,2 {mix}").replace("--jobs 4", ""));
    let all = report["sweep"]["points"].as_array().unwrap().iter().map(|point| &point["row"]);
    for row in all.chain(report["rows"].as_array().unwrap()) {
        assert_eq!((&row["mix"][0]["size"], &row["mix"][1]["size"]), (&1024.into(), &65536.into()), "{row}");
    }
}

#[test]
fn a_sweep_in_text_has_a_table_and_words() {
    let text = text("--sweep jobs=1,2,3 --ops 20 --device completion_nsec=1000;compute_units=2");
    let lines: Vec<&str> = text.lines().collect();
    assert!(lines[0].starts_with("aes-256-ctr, 4k bytes per operation, mode wake-fd, seed 1"), "{text}");
    assert!(lines[1].starts_with("device compute_units=2;completion_nsec=1000"), "{text}");
    assert!(lines[2].starts_with("software, 4k bytes: "), "{text}");
    for (line, jobs) in lines[6..9].iter().zip(["1", "2", "3"]) {
        assert_eq!(line.split_whitespace().next(), Some(jobs), "{text}");
    }
    assert_eq!(text.matches("offload pays in ").count(), 2, "{text}");
    assert!(lines.iter().all(|line| line.chars().count() <= 100), "{text}");
}

#[test]
fn a_search_prints_every_rate_that_it_tried() {
    // Nothing fails at this bound within so few operations, unless sends are late or dropped.
    let report = json("--find-max p50<1s --ops 10 --jobs 64");
    let found = &report["find_max"];
    assert_eq!((&found["condition"], &found["resolution"]), (&"p50<1s".into(), &0.02.into()));
    let probes = found["probes"].as_array().unwrap();
    assert!(!probes.is_empty());
    let holding = probes.iter().filter(|probe| probe["holds"] == true).map(|probe| number(&probe["rate"]));
    assert_eq!(found["rate"].as_f64(), holding.reduce(f64::max));
    for probe in probes {
        let row = &probe["row"];
        assert_eq!((&row["loop"], &row["rate"]), (&"open".into(), &number(&probe["rate"]).into()));
        assert_eq!(probe["holds"] == true, probe["why"] == Value::Null, "{probe}");
        if probe["holds"] == true {
            assert!(row["dropped"] == 0 && number(&row["late_sends"]) < 0.01 * 10.0, "{probe}");
        }
    }
    assert_eq!(report["rows"][0]["loop"], "closed");
}

#[test]
fn a_search_that_nothing_holds_says_so() {
    // The device alone takes 50 µs.
    let text = text("--virtual --find-max p50<40us --ops 100");
    assert!(text.contains("p50<40us holds at no rate that was tried: at "), "{text}");
    assert!(text.contains("the lowest of them, p50 is beyond it"), "{text}");
}

/// The rate that a search in virtual time finds on one compute unit of 50 µs: 20,000 requests a second.
#[track_caller]
fn virtual_limit(options: &str) -> f64 {
    let device = "--device compute_units=1;completion_nsec=50000";
    let report = json(&format!("--virtual --size 16 {device}{options}"));
    let found = &report["find_max"];
    assert_eq!((&report["clock"], &found["limited_by"]), (&"virtual".into(), &"condition".into()));
    let (rate, fails_at) = (number(&found["rate"]), number(&found["fails_at"]));
    assert!(rate < fails_at && fails_at <= rate * 1.02, "{found}");
    // In virtual time a second try would be the first one again.
    let mut rates: Vec<u64> =
        found["probes"].as_array().unwrap().iter().map(|probe| probe["rate"].as_u64().unwrap()).collect();
    let count = rates.len();
    rates.dedup();
    assert_eq!(rates.len(), count, "{found}");
    rate
}

#[test]
fn evenly_spaced_requests_wait_only_above_the_rate_of_the_unit() {
    let rate = virtual_limit(" --arrivals linear --ops 2000 --find-max p99<51us");
    // After 2,000 requests at 20,020 a second the last one waits 100 µs.
    assert!((20_000.0 / 1.02..20_020.0).contains(&rate), "{rate}");
}

/// M/M/1: the time in the system is exponential, with the mean 1 / (μ - λ); its 99th percentile is ln 100
/// times that. 60,000 requests are within 5 % of both.
#[test]
fn the_highest_rate_is_that_of_the_closed_form_of_a_single_exponential_server() {
    let mu = 20_000.0;
    for (condition, limit) in [("mean<200us", mu - 1.0 / 200e-6), ("p99<1ms", mu - 100_f64.ln() / 1e-3)] {
        let rate = virtual_limit(&format!(";latency_dist=exponential --ops 60000 --find-max {condition}"));
        assert!((rate / limit - 1.0).abs() < 0.05, "{condition}: {rate}, {limit} in theory");
    }
}

#[test]
fn what_cannot_be_searched_is_refused_in_one_line() {
    for (options, names) in [
        ("--sweep jobs", &["--sweep", "KEY=A..B", "jobs=1..64"][..]),
        ("--sweep colour=1..2", &["--sweep", "latency, units, depth, jobs, size, rate, threads"]),
        ("--sweep jobs=4..1", &["--sweep", "has to go up"]),
        ("--sweep jobs=0,1", &["--sweep", "jobs=0", "1 to 100000"]),
        ("--sweep depth=3,4", &["--sweep", "depth=3", "power of two"]),
        ("--sweep units=1,2000", &["--sweep", "units=2000", "1 to 1024"]),
        ("--sweep rate=0,1", &["--sweep", "rate=0", "1 to 1000000000"]),
        ("--sweep size=8,16 --alg aes-128-xts", &["--sweep", "size=8", "16 to 16m"]),
        ("--sweep latency=1us,2us --sweep completion_nsec=1,2", &["--sweep", "are the same"]),
        ("--sweep jobs=1,2 --sweep units=1,2 --sweep size=1,2", &["--sweep", "one or two, not 3"]),
        ("--sweep jobs=1,2 --sweep latency=1us..90us:13", &["--sweep", "12 values"]),
        ("--sweep jobs=1,2 --jobs 3", &["--jobs", "--sweep jobs"]),
        ("--sweep size=1,2 --size 3", &["--size", "--sweep size"]),
        ("--sweep rate=1,2 --rate 3", &["--rate", "--sweep rate"]),
        ("--sweep threads=1,2 --threads 3", &["--threads", "--sweep threads"]),
        ("--sweep threads=1,257", &["--sweep", "threads=257", "1 to 256"]),
        ("--sweep threads=1..8 --jobs 4", &["--sweep", "threads=5", "--jobs 4"]),
        (
            "--sweep size=8,16 --mix sha256/1k:1,aes-128-xts/64:1",
            &["--sweep", "size=8", "--mix", "16 to 16m"],
        ),
        ("--sweep jobs=1,2 --stages 1s:5", &["--stages", "--sweep"]),
        ("--sweep jobs=1,2 --csv out", &["--csv", "--sweep"]),
        ("--sweep jobs=1,2 --hgrm out", &["--hgrm", "--sweep"]),
        ("--sweep jobs=1,2 --trace out", &["--trace", "--sweep"]),
        ("--find-max p99<1ms --log out", &["--log", "--find-max"]),
        ("--find-max p99<1ms --stages 1s:5", &["--stages", "--find-max"]),
        ("--sweep jobs=1,2 --mode sync", &["--sweep", "jobs=2", "allowed is 1"]),
        ("--sweep jobs=1,2 --mode software", &["--sweep", "--mode software"]),
        ("--sweep jobs=1,2 --virtual --mode sync", &["--sweep", "jobs=1", "--virtual"]),
        ("--sweep threads=1,2 --virtual", &["--sweep", "threads=2", "--virtual"]),
        ("--sweep jobs=1,2 --report -", &["--report", "standard output"]),
        ("--sweep jobs=1,2 --wide", &["--wide", "--sweep"]),
        ("--sweep jobs=1,2 --stats json", &["--stats", "--sweep", "--output-format json"]),
        ("--sweep jobs=1,2 --duration 5ms", &["--duration", "3 rows", "30ms"]),
        ("--sweep jobs=1,2 --ops 5 --duration 1s", &["--ops", "--duration"]),
        ("--sweep jobs=1,2 --find-max p99<1ms", &["--find-max", "--sweep"]),
        ("--sweep jobs=1,2 --device colour=blue", &["--device", "colour"]),
        ("--input in --alg sha256 --sweep jobs=1,2", &["--sweep", "--input"]),
        ("--find-max p98<1ms", &["--find-max", "p50, p90, p99"]),
        ("--find-max p99>1ms", &["--find-max", "upper bound", "p99<1ms"]),
        ("--find-max ops<5", &["--find-max", "upper bound"]),
        ("--find-max p99<1ms --rate 5", &["--rate", "--find-max"]),
        ("--find-max p99<1ms --mode software", &["--find-max", "--mode software"]),
        ("--find-max p99<1ms --svg pictures", &["--svg", "--find-max"]),
        ("--find-max p99<1ms --wide", &["--wide", "--find-max"]),
        ("--find-max p99<1ms --find-max p50<1ms", &["--find-max"]),
        ("--input in --alg sha256 --find-max p99<1ms", &["--find-max", "--input"]),
    ] {
        let output = run(options);
        let line = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{options}: {line}");
        assert!(output.stdout.is_empty(), "{options}");
        assert_eq!(line.lines().count(), 1, "{options}: {line}");
        assert!(names.iter().all(|name| line.contains(name)), "{options}: {line}");
    }
}
