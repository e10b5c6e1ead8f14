//! The loops of the load generator: warm-up, open loops of every kind, stages, mixes.
//!
//! What is asserted are counts; times are this host's.

mod built;
mod captured;
mod loadgen_helpers;

use std::process::Output;

use serde_json::Value;

use self::loadgen_helpers::{count, run, text};

/// The rows of a JSON report, whatever the exit code.
#[track_caller]
fn rows(output: &Output) -> Vec<Value> {
    let report: Value = serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|error| panic!("{error}: {} {}", text(&output.stdout), text(&output.stderr)));
    report["rows"].as_array().unwrap().clone()
}

/// The one row of a run in which all is well.
#[track_caller]
fn row(options: &str) -> Value {
    let output = run(&format!("{options} --output-format json"));
    assert_eq!(output.status.code(), Some(0), "{options}: {}", text(&output.stderr));
    let rows = rows(&output);
    assert_eq!(rows.len(), 1, "{options}");
    let row = rows[0].clone();
    assert_eq!((count(&row["errors"]), count(&row["mismatches"])), (0, 0), "{options}: {row}");
    row
}

/// Expects exit code 2 and one line that names the option.
#[track_caller]
fn is_refused(options: &str, option: &str, why: &str) {
    let output = run(options);
    let told = text(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{options}: {told}");
    assert!(
        told.starts_with("loadgen: ") && told.contains(option) && told.contains(why),
        "{options}: {told}"
    );
    assert_eq!(told.lines().count(), 1, "{options}: {told}");
}

mod warm_up {
    use super::{count, is_refused, row, rows, run, text};

    /// What runs in warm-up is in no figure of the row: not in its operations, nor in those that its engine,
    /// its device and its jobs have counted.
    #[test]
    fn a_row_counts_nothing_of_its_warm_up() {
        let row = row("--mode wake-fd --ops 500 --jobs 8 --warmup 60s --stats json");
        assert_eq!((count(&row["ops"]), count(&row["warmup"]["ops"])), (500, 50));
        let stats = &row["stats"];
        assert_eq!(count(&stats["engine"]["operations"]), 500);
        assert_eq!(count(&stats["device"]["total"]["submitted"]), 500);
        assert_eq!(count(&stats["jobs"]["finished"]), 500);
    }

    #[test]
    fn every_way_of_running_warms_up() {
        let report = rows(&run("--ops 100 --warmup 60s --output-format json"));
        for row in report {
            assert!(count(&row["warmup"]["ops"]) > 0, "{row}");
            assert!(count(&row["warmup"]["ops"]) <= 10, "{row}");
        }
    }

    #[test]
    fn zero_is_no_warm_up_and_few_operations_have_none() {
        for options in ["--ops 100 --warmup 0", "--ops 100 --warmup 0s", "--ops 9"] {
            assert_eq!(count(&row(&format!("--mode sync {options}"))["warmup"]["ops"]), 0, "{options}");
        }
        assert!(count(&row("--mode sync --duration 20ms --warmup 20ms")["warmup"]["ops"]) > 0);
    }

    /// A fault strikes the same recorded requests, with or without a warm-up.
    #[test]
    fn a_fault_strikes_in_warm_up_and_again_in_the_row() {
        let options = "--mode sync --ops 200 --device fault=fail:nth=15 --output-format json";
        // On a busy host the warm-up's usual time may be too short for all of its operations.
        let output = run(&format!("{options} --warmup 60s"));
        let row = &rows(&output)[0];
        assert_eq!((count(&row["errors"]), count(&row["warmup"]["errors"])), (1, 1), "{row}");
        assert_eq!(output.status.code(), Some(1));
        assert!(text(&output.stderr).contains("1 operations failed; in warm-up 0 differ, 1 failed"));
        let row = &rows(&run(&format!("{options} --warmup 0")))[0];
        assert_eq!((count(&row["errors"]), count(&row["warmup"]["errors"])), (1, 0), "{row}");
    }

    /// A wrong result in warm-up alone fails the run.
    #[test]
    fn results_are_checked_in_warm_up() {
        let options = "--mode sync --ops 200 --warmup 60s --device fault=corrupt:every=1";
        let output = run(&format!("{options} --output-format json"));
        let row = &rows(&output)[0];
        assert_eq!((count(&row["mismatches"]), count(&row["warmup"]["mismatches"])), (200, 20), "{row}");
        assert!(text(&output.stderr).contains("in warm-up 20 differ, 0 failed"));
        assert_eq!(output.status.code(), Some(1));
    }

    #[test]
    fn a_time_that_is_none_is_refused() {
        is_refused("--warmup 150", "--warmup", "1ms to 3600s");
        is_refused("--warmup 0 --virtual", "--warmup", "not allowed together with --virtual");
        is_refused("--warmup 0 --input x --alg sha256", "--warmup", "not allowed together with --input");
    }
}

mod open_loops {
    use super::{count, row, rows, run, text};

    /// Whatever is intended is done or dropped, where the thread that sends is blocked, too.
    #[test]
    fn one_at_a_time_runs_an_open_loop() {
        for mode in ["software", "sync"] {
            for arrivals in ["linear", "poisson", "bursty"] {
                let options = format!("--mode {mode} --rate 4000 --arrivals {arrivals} --ops 300 --size 64");
                let row = row(&options);
                assert_eq!((&row["loop"], count(&row["jobs"])), (&"open".into(), 1), "{row}");
                assert_eq!(count(&row["ops"]) + count(&row["dropped"]), 300, "{row}");
                assert!(count(&row["ops"]) > 0, "{row}");
                assert!(row["in_flight_mean"].as_f64() <= Some(1.0), "{row}");
            }
        }
    }

    /// A burst of 16 to a device that takes 5 ms for each: the last waits for 15 others, which is its latency
    /// and not its service. The wait is the backlog's, so nothing is late or dropped for it.
    #[test]
    fn what_waits_in_the_backlog_counts_from_its_intended_time() {
        let device = "--device completion_nsec=5000000;compute_units=1";
        let row = row(&format!("--mode sync {device} --rate 1000 --arrivals bursty --ops 16 --size 64"));
        assert_eq!(count(&row["ops"]) + count(&row["dropped_late"]), 16, "{row}");
        let of = |times: &str, key: &str| row[times][key].as_f64().unwrap();
        assert!(of("service_us", "min") >= 5000.0 && of("latency_us", "max") >= 5000.0, "{row}");
        if count(&row["ops"]) == 16 {
            assert!(of("latency_us", "max") >= 80_000.0, "{row}");
            assert!(of("latency_us", "mean") - of("service_us", "mean") >= 30_000.0, "{row}");
        }
    }

    /// What finds the backlog full is dropped, and the report says why.
    #[test]
    fn a_full_backlog_drops() {
        let options = "--mode sync --device completion_nsec=200000;compute_units=1 --rate 100000000 --ops 3000 --size 64";
        let row = row(options);
        let full = count(&row["dropped"]) - count(&row["dropped_late"]);
        assert!(full > 0 && count(&row["ops"]) + count(&row["dropped"]) == 3000, "{row}");
        let told = text(&run(options).stdout);
        assert!(told.contains("because one was in flight and 512 waited"), "{told}");
    }

    /// The thread sleeps between sends, so a mostly idle loop does not cost a processor: a share of its own
    /// row, which other processes only make smaller.
    #[test]
    fn a_slow_open_loop_does_not_spin() {
        for mode in ["software", "sync", "wake-fd", "callback", "poll", "futures"] {
            let row =
                row(&format!("--mode {mode} --rate 50 --arrivals linear --ops 10 --size 64 --warmup 0"));
            // On a busy host all may be dropped; the schedule takes its 180 ms all the same.
            let cpu_nsec = row["cpu_ns_per_op"].as_f64().unwrap() * row["ops"].as_f64().unwrap().max(1.0);
            let busy = cpu_nsec / 180e6;
            assert!(busy > 0.0 && busy < 0.5, "{mode}: {busy} of a processor: {row}");
        }
    }

    #[test]
    fn a_rate_with_a_mode_without_jobs_may_be_a_share() {
        let rows = rows(&run("--mode sync --rate 50% --ops 200 --output-format json"));
        let loops: Vec<&str> = rows.iter().map(|row| row["loop"].as_str().unwrap()).collect();
        assert_eq!(loops, ["closed", "open"]);
    }
}

mod stages {
    use super::{count, is_refused, row, run, text};

    #[test]
    fn stages_send_at_their_rates_in_one_row() {
        for mode in ["callback", "sync"] {
            let stages = "100ms:1000,100ms:2000..4000,50ms:0,50ms:1000";
            let row = row(&format!("--mode {mode} --stages {stages} --arrivals linear --size 64"));
            let stages = row["stages"].as_array().unwrap();
            let intended: Vec<u64> = stages.iter().map(|stage| count(&stage["intended"])).collect();
            assert_eq!(intended, [100, 300, 0, 50], "{row}");
            let dropped: u64 = stages.iter().map(|stage| count(&stage["dropped"])).sum();
            assert_eq!(dropped, count(&row["dropped"]), "{row}");
            assert_eq!(count(&row["ops"]) + dropped, 450, "{row}");
            assert_eq!(row["rate"].as_f64(), Some(1500.0), "450 in 300 ms");
            assert_eq!(
                (stages[1]["rate_from"].as_u64(), stages[1]["rate_to"].as_u64(), &stages[1]["seconds"]),
                (Some(2000), Some(4000), &0.1.into())
            );
        }
    }

    /// A ramp from zero: the k-th of n operations is due at the square root of k / n.
    #[test]
    fn a_ramp_starts_from_nothing() {
        let row = row("--mode callback --stages 100ms:0..2000,100ms:2000..0 --arrivals linear --size 64");
        let intended = |stage: usize| count(&row["stages"][stage]["intended"]);
        assert_eq!((intended(0), intended(1)), (100, 100), "{row}");
    }

    #[test]
    fn a_seed_gives_the_same_stages_again() {
        let intended = |seed: u32| {
            let options = format!("--mode callback --stages 50ms:2000,50ms:8000 --size 64 --seed {seed}");
            let row = row(&options);
            [0, 1].map(|stage| count(&row["stages"][stage]["intended"]))
        };
        assert_eq!(intended(3), intended(3));
        assert_ne!(intended(3), intended(4));
    }

    #[test]
    fn the_report_names_each_stage() {
        let told = text(&run("--mode callback --stages 50ms:2000,50ms:2000..4000 --arrivals linear").stdout);
        assert!(told.contains("stage 50ms:2000: 100 to send, "), "{told}");
        assert!(told.contains("stage 50ms:2000..4000: 150 to send, "), "{told}");
    }

    #[test]
    fn stages_that_make_no_sense_are_refused() {
        for stages in ["1s", "1s:", "1s:x", "1:5", "1s:5..", "1s:5,,1s:5", ",", "1s:-1", "0s:5"] {
            is_refused(&format!("--stages {stages}"), "--stages", "TIME:RATE");
        }
        is_refused("--stages 1s:0,1s:0..0", "--stages", "a rate above 0");
        is_refused("--stages 3600s:1,1s:1", "--stages", "3600s");
        is_refused("--stages 1s:5 --ops 5", "--ops", "not allowed together with --stages");
        is_refused("--stages 1s:5 --duration 5s", "--duration", "not allowed together with --stages");
        is_refused("--stages 1s:5 --rate 5", "--rate", "not allowed together with --stages");
        is_refused("--stages 1s:5 --input x --alg sha256", "--stages", "not allowed together with --input");
    }
}

mod mix {
    use super::{count, is_refused, row, rows, run, text};

    /// 70 and 30 of a hundred, within what chance allows; the counts add up, and a seed repeats them.
    #[test]
    fn parts_are_drawn_by_weight_from_the_seed() {
        let options = "--mix aes-256-ctr/1k:70,sha256/2k:30 --ops 2000 --jobs 8 --mode callback";
        let of = |seed: u32| {
            let row = row(&format!("{options} --seed {seed}"));
            let parts = row["mix"].as_array().unwrap();
            let ops: Vec<u64> = parts.iter().map(|part| count(&part["ops"])).collect();
            assert_eq!((ops.len(), ops.iter().sum::<u64>()), (2, 2000), "{row}");
            assert_eq!((&parts[1]["alg"], count(&parts[1]["size"])), (&"sha256".into(), 2048), "{row}");
            assert_eq!((&row["alg"], count(&row["size"])), (&"aes-256-ctr/1k:70,sha256/2k:30".into(), 1331));
            ops
        };
        let first = of(1);
        assert!((1300..1500).contains(&first[0]), "{first:?}");
        assert_eq!(first, of(1));
        assert_ne!(first, of(2));
    }

    /// Every mode, closed and open, with results of each kind: a text, a tag, both.
    #[test]
    fn every_mode_runs_a_mix_and_checks_it() {
        let mix = "--mix aes-128-cbc/333:1,aes-256-gcm/64:1,hmac-sha512/5k:1";
        for row in rows(&run(&format!("{mix} --ops 120 --output-format json"))) {
            let parts = row["mix"].as_array().unwrap();
            let ops: u64 = parts.iter().map(|part| count(&part["ops"])).sum();
            assert_eq!(
                (ops, count(&row["errors"]), count(&row["mismatches"])),
                (count(&row["ops"]), 0, 0),
                "{row}"
            );
            assert!(parts.iter().all(|part| count(&part["ops"]) > 0) || row["loop"] == "open", "{row}");
        }
        let output =
            run(&format!("{mix} --ops 120 --mode sync --output-format json --device fault=fail:every=4"));
        let row = &rows(&output)[0];
        let failed: u64 = row["mix"].as_array().unwrap().iter().map(|part| count(&part["errors"])).sum();
        assert_eq!((failed, count(&row["errors"]), output.status.code()), (30, 30, Some(1)), "{row}");
        assert!(text(&run(&format!("{mix} --ops 9")).stdout).starts_with("aes-128-cbc/333:1,"));
        assert!(super::row("--mode sync --ops 5")["mix"].is_null());
    }

    #[test]
    fn mixes_that_make_no_sense_are_refused() {
        for mix in ["", "sha256", "sha256/1k", "sha256:3", "sha256/1k:3,"] {
            is_refused(&format!("--mix={mix}"), "--mix", "NAME/BYTES:WEIGHT");
        }
        is_refused("--mix sha256/1k:0", "--mix", "weights of 1 to 1000000");
        is_refused("--mix sha255/1k:1", "--mix", "sha255");
        is_refused("--mix sha256/0:1", "--mix", "1 to 64m bytes");
        is_refused("--mix sha256/1k:1,aes-128-xts/15:1", "--mix", "aes-128-xts");
        is_refused("--mix sha256/1k:1 --alg sha512", "--alg", "not allowed together with --mix");
        is_refused("--mix sha256/1k:1 --size 5", "--size", "not allowed together with --mix");
        is_refused("--mix sha256/1k:1 --input x --alg sha256", "--mix", "not allowed together with --input");
    }
}

mod steady {
    use super::{row, run, text};

    /// A device that halts for a fifth of the row and more, after two thirds of the operations.
    #[test]
    fn a_row_with_a_halt_is_not_steady() {
        let options = "--mode sync --size 64 --ops 1500 --warmup 0 --device \
                       completion_nsec=20000;compute_units=1;fault=stall:nsec=1000000000,nth=1000";
        assert_eq!(row(options)["steady"], false);
        let told = text(&run(options).stdout);
        let warnings =
            told.lines().filter(|line| line.starts_with("warning: sync: throughput was not steady: "));
        assert_eq!(warnings.count(), 1, "{told}");
    }

    #[test]
    fn nothing_is_said_of_few_operations() {
        let row = row("--mode sync --ops 20");
        assert!(row["steady"].is_null(), "{row}");
    }
}

/// The rule by itself, on times that are given.
#[path = "../examples/loadgen/steady.rs"]
mod rule;

mod rule_of_steadiness {
    use std::time::Duration;

    use super::rule::{Counts, Steadiness};

    fn nanos(time: Duration) -> u64 {
        time.as_nanos().try_into().unwrap()
    }

    /// Events at even distances in each fifth of five seconds.
    fn counts(rounds: [u32; 5]) -> Counts {
        let mut counts = Counts::new();
        for (round, count) in (0_u32..).zip(rounds) {
            for event in 0..count {
                let at = f64::from(round) + (f64::from(event) + 0.5) / f64::from(count);
                counts.record(nanos(Duration::from_secs_f64(at)));
            }
        }
        counts
    }

    fn of(rounds: [u32; 5], intended: Option<[u32; 5]>) -> Option<Steadiness> {
        Steadiness::of(&counts(rounds), intended.map(counts).as_ref(), Duration::from_secs(5))
    }

    #[test]
    fn range_and_trend_are_those_of_the_rounds() {
        let steady = of([1000, 1090, 1000, 920, 1000], None).unwrap();
        assert!((steady.range - 0.17).abs() < 0.01 && steady.is_steady(), "{steady:?}");
        let trend = of([940, 970, 1000, 1030, 1060], None).unwrap();
        assert!((trend.excursion - 0.12).abs() < 0.01 && trend.range < 0.15, "{trend:?}");
        assert!(!trend.is_steady() && trend.warning().unwrap().contains("its trend by 12 %"), "{trend:?}");
        assert!(!of([1000, 1000, 700, 1000, 1000], None).unwrap().is_steady());
    }

    /// Threads that count with slices of other widths count together as one.
    #[test]
    fn counts_of_threads_add_up() {
        let [mut sum, mut all] = [Counts::new(), Counts::new()];
        for (thread, seconds) in [(0_u32, 0.01), (1, 5.0), (2, 0.3)] {
            let mut counts = Counts::new();
            for event in 0..1000 {
                let at = nanos(Duration::from_secs_f64(
                    seconds * f64::from(event) / 1000.0 + f64::from(thread) / 1e6,
                ));
                counts.record(at);
                all.record(at);
            }
            sum.add(counts);
        }
        let [sum, all] =
            [sum, all].map(|counts| format!("{:?}", Steadiness::of(&counts, None, Duration::from_secs(5))));
        assert_eq!(sum, all);
    }

    /// A schedule that changes its rate is steady where what it sends is done.
    #[test]
    fn an_open_loop_is_judged_by_what_was_intended() {
        let ramp = [200, 400, 600, 800, 1000];
        assert!(of(ramp, Some(ramp)).unwrap().is_steady());
        assert!(!of([200, 400, 600, 400, 500], Some(ramp)).unwrap().is_steady());
    }

    #[test]
    fn too_few_tell_nothing() {
        assert!(of([99, 1000, 1000, 1000, 1000], None).is_some_and(|steady| !steady.is_steady()));
        assert!(of([20, 20, 20, 20, 20], None).is_none());
        assert!(of([1000; 5], Some([50, 1000, 1000, 1000, 1000])).is_none());
    }
}
