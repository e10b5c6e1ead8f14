//! Statistics for programs: the output contains what the snapshot contains, and keeps to its format.

mod captured;
mod engine_helpers;

#[path = "statistics/exposition.rs"]
mod exposition;

use serde_json::Value;
use simaccel::{Cipher, Engine, FaultKind, Hash, Job, Operation, OperationStats, Step, WaitCtx};

use self::engine_helpers::{IV, KEY, assert_adds_up, ctr, message, stepped};
use self::exposition::{Exposition, Kind};

/// An engine that has seen a bit of everything: jobs and callers that block, full rings, faults, a dropped
/// job.
fn busy_engine() -> Engine {
    let engine = stepped(
        "queue_pairs=2;depth=4;compute_units=2;completion_nsec=50000;mbps=100;timing=all;seed=5;\
         fault=fail:op=encrypt,every=7;fault=spurious_wake:every=5;fault=nomem:nth=11",
    );
    let session = ctr(&engine);
    let contexts: Vec<WaitCtx> = std::iter::repeat_with(WaitCtx::new).take(20).collect();
    let mut jobs = Vec::new();
    for (index, ctx) in contexts.iter().enumerate() {
        let session = session.clone();
        let mut job =
            Job::new(ctx, move || session.encrypt(&IV, message(index, 100 + index)).is_ok()).unwrap();
        let paused = matches!(job.resume().unwrap(), Step::Paused);
        jobs.extend(paused.then_some(job));
    }
    drop(jobs.remove(1));
    assert!(matches!(jobs[0].resume().unwrap(), Step::Paused), "woken by mistake");
    engine.device().run_until_idle();
    for job in &mut jobs {
        while matches!(job.resume().unwrap(), Step::Paused) {
            engine.device().run_until_idle();
        }
    }
    assert!(engine.hash(Hash::Sha256).unwrap().digest(b"abc").is_ok());
    assert!(engine.cipher(Cipher::Aes256Cbc, &KEY).unwrap().decrypt(&IV, vec![0; 32]).is_err());
    assert_adds_up(&engine);
    engine
}

fn number(value: &Value) -> u64 {
    value.as_u64().unwrap_or_else(|| panic!("{value} is no count"))
}

#[test]
fn json_says_what_the_snapshot_says() {
    let stats = busy_engine().stats();
    let text = stats.to_json();
    assert!(!text.contains('\n'));
    let json: Value = serde_json::from_str(&text).unwrap();
    let device = &json["device"];
    let mut counted = 0;
    let mut compare = |value: &Value, name: &str, count: u64| {
        assert_eq!(number(&value[name]), count, "{name}");
        counted += count;
    };
    stats.counters().for_each(|(name, count)| compare(&json["engine"], name, count));
    stats.jobs.counters().for_each(|(name, count)| compare(&json["jobs"], name, count));
    stats.faults().for_each(|(name, count)| compare(&json["faults"], name, count));
    stats.device.counters().for_each(|(name, count)| compare(device, name, count));
    stats.device.total.counters().for_each(|(name, count)| compare(&device["total"], name, count));
    for (index, pair) in stats.device.queue_pairs.iter().enumerate() {
        let json = &device["queue_pairs"][index];
        pair.counters().for_each(|(name, count)| compare(json, name, count));
        for (operation, done) in pair.by_operation() {
            let json = &json["operations"][operation.name()];
            done.counters().for_each(|(name, count)| compare(json, name, count));
        }
    }
    for (index, unit) in stats.device.units.iter().enumerate() {
        unit.counters().for_each(|(name, count)| compare(&device["units"][index], name, count));
    }
    for (index, worker) in stats.device.workers.iter().enumerate() {
        worker.counters().for_each(|(name, count)| compare(&device["workers"][index], name, count));
    }
    assert!(counted > 0);
    assert_eq!(device["host_bound"].as_f64(), Some(0.0), "a stepped device has no host that could be late");
    for (name, histogram) in stats.device.timings.histograms() {
        let json = &device["total"]["timings"][format!("{name}_nsec")];
        assert_eq!((number(&json["count"]), number(&json["sum"])), (histogram.count(), histogram.sum()));
        assert_eq!(number(&json["p99"]), histogram.quantile(0.99));
        assert!(histogram.count() > 0, "{name}");
    }
    assert_eq!(number(&device["completion_error_nsec"]["max"]), 0, "a stepped device is exact");
}

#[test]
fn every_part_of_the_snapshot_is_there_and_not_zero() {
    let stats = busy_engine().stats();
    let json: Value = serde_json::from_str(&stats.to_json()).unwrap();
    let (engine, jobs, total) = (&json["engine"], &json["jobs"], &json["device"]["total"]);
    for name in ["operations", "pauses", "resumes", "spurious_resumes", "blocked", "parked", "abandoned"] {
        assert!(number(&engine[name]) > 0, "{name} in {engine}");
    }
    for name in ["created", "pauses", "resumes", "finished", "dropped"] {
        assert!(number(&jobs[name]) > 0, "{name} in {jobs}");
    }
    for name in ["completed", "failed", "revoked", "bytes", "full", "wakes_sent", "wakes_spurious"] {
        assert!(number(&total[name]) > 0, "{name} in {total}");
    }
    for kind in ["fail", "spurious_wake", "nomem"] {
        assert!(number(&json["faults"][kind]) > 0, "{kind} in {}", json["faults"]);
    }
    for operation in ["encrypt", "decrypt", "digest"] {
        let done = &total["operations"][operation];
        assert!(number(&done["completed"]) + number(&done["failed"]) > 0, "{operation} in {total}");
    }
    let workers = json["device"]["workers"].as_array().unwrap();
    assert!(workers.len() == 1 && number(&workers[0]["computed"]) > 0, "{workers:?}");
    assert!(number(&json["device"]["open_nsec"]) > 0, "{}", json["device"]["open_nsec"]);
    for unit in json["device"]["units"].as_array().unwrap() {
        assert!(number(&unit["executed"]) > 0 && number(&unit["busy_nsec"]) > 0, "{unit}");
    }
}

#[test]
fn prometheus_text_is_valid_and_says_the_same() {
    let stats = busy_engine().stats();
    let text = stats.to_prometheus();
    let exposition = Exposition::parse(&text).unwrap_or_else(|error| panic!("{error}\n{text}"));
    let value = |name: &str, labels: &[(&str, &str)]| exposition.value(name, labels);
    assert_eq!(value("simaccel_operations_total", &[]), Some(as_f64(stats.operations)));
    assert_eq!(value("simaccel_jobs_dropped_total", &[]), Some(as_f64(stats.jobs.dropped)));
    assert_eq!(value("simaccel_faults_injected_total", &[("kind", "nomem")]), Some(1.0));
    for (kind, count) in stats.faults() {
        assert_eq!(value("simaccel_faults_injected_total", &[("kind", kind)]), Some(as_f64(count)));
    }
    for (index, pair) in stats.device.queue_pairs.iter().enumerate() {
        let index = index.to_string();
        let pair_label = ("queue_pair", index.as_str());
        for (name, count) in pair.counters() {
            let suffix = if name == "in_flight" { "" } else { "_total" };
            let name = format!("simaccel_queue_pair_{name}{suffix}");
            assert_eq!(value(&name, &[pair_label]), Some(as_f64(count)), "{name}");
        }
        for (operation, done) in pair.by_operation() {
            let labels = [pair_label, ("op", operation.name())];
            assert_eq!(value("simaccel_operation_bytes_total", &labels), Some(as_f64(done.bytes)));
        }
    }
    for (index, unit) in stats.device.units.iter().enumerate() {
        let seconds = value("simaccel_unit_busy_seconds_total", &[("unit", &index.to_string())]).unwrap();
        assert!((seconds * 1e9 - as_f64(unit.busy_nsec)).abs() < 1.0);
    }
    for (index, worker) in stats.device.workers.iter().enumerate() {
        let label = index.to_string();
        let computed = value("simaccel_worker_computed_total", &[("worker", &label)]);
        assert_eq!(computed, Some(as_f64(worker.computed)));
    }
    assert_eq!(value("simaccel_device_host_bound_seconds_total", &[]), Some(0.0));
}

/// What there is none of yet is there all the same, so that a dashboard finds it.
#[test]
fn every_operation_and_every_kind_of_fault_is_in_both_texts() {
    let stats = stepped("timing=all").stats();
    let json: Value = serde_json::from_str(&stats.to_json()).unwrap();
    let device = &json["device"];
    let exposition = Exposition::parse(&stats.to_prometheus()).unwrap();
    for operation in Operation::NAMES {
        let places = [&device["total"]["operations"], &device["queue_pairs"][0]["operations"]];
        assert!(places.iter().all(|place| place[operation]["completed"] == 0), "{operation} in {device}");
        assert!(device["timings_by_operation"].get(operation).is_some(), "{operation} in {device}");
        let labels = [("queue_pair", "0"), ("op", operation)];
        for (name, _) in OperationStats::default().counters() {
            let name = format!("simaccel_operation_{name}_total");
            assert_eq!(exposition.value(&name, &labels), Some(0.0), "{name}, {operation}");
        }
    }
    let own = stats.faults().map(|(kind, _)| kind).filter(|kind| stats.device.faults.get(kind).is_none());
    let kinds: Vec<_> = FaultKind::NAMES.into_iter().chain(own).collect();
    assert!(kinds.len() > FaultKind::COUNT, "the engine has kinds of its own");
    for kind in kinds {
        assert_eq!(json["faults"][kind], 0, "{kind}");
        assert_eq!(
            exposition.value("simaccel_faults_injected_total", &[("kind", kind)]),
            Some(0.0),
            "{kind}"
        );
    }
}

#[test]
fn histograms_are_cumulative_in_seconds() {
    let stats = busy_engine().stats();
    let exposition = Exposition::parse(&stats.to_prometheus()).unwrap();
    let name = "simaccel_queue_pair_service_seconds";
    assert_eq!(exposition.kind(name), Some(Kind::Histogram));
    let count = |le| exposition.value(&format!("{name}_bucket"), &[("queue_pair", "0"), ("le", le)]).unwrap();
    assert_eq!(count("0.00002"), 0.0, "a service takes 50 µs and more");
    let service = &stats.device.timings_by_pair[0].service;
    assert_eq!(count("0.0001"), as_f64(service.count()));
    let sum = exposition.value(&format!("{name}_sum"), &[("queue_pair", "0")]).unwrap();
    assert!((sum * 1e9 - as_f64(service.sum())).abs() < 1.0);
    // Without timing there is nothing to show.
    let text = stepped("").stats().to_prometheus();
    assert!(Exposition::parse(&text).is_ok() && !text.contains("histogram"));
}

/// One number of a snapshot that is changed.
type Change = fn(&mut simaccel::EngineStats);

#[test]
fn books_that_were_cooked_do_not_balance() {
    let stats = busy_engine().stats();
    assert_eq!(stats.imbalances(), Vec::<String>::new());
    let changes: [(Change, &str); 15] = [
        (|stats| stats.device.queue_pairs[0].submitted += 1, "queue pair 0: submitted"),
        (|stats| stats.device.queue_pairs[0].operations[0].bytes += 1, "bytes == the sum over operations"),
        (|stats| stats.device.queue_pairs[0].wakes_sent += 1_000, "wakes_sent"),
        (|stats| stats.device.total.full += 1, "total == the sum over queue pairs"),
        (|stats| stats.device.units[0].executed += 1_000, "executed by the units"),
        (|stats| stats.device.units[1].executed = 0, "completed <= executed by the units"),
        (|stats| stats.device.timings = simaccel::Timings::default(), "timings == the sum over operations"),
        (|stats| stats.nomems += 1, "faults_injected"),
        (|stats| stats.pauses += 1, "pauses <= resumes + abandoned"),
        (|stats| stats.resumes += 1, "resumes + abandoned <= pauses"),
        (|stats| stats.spurious_resumes += 1_000, "spurious_resumes"),
        (|stats| stats.parked += 1, "parked"),
        (|stats| stats.operations = 1, "submitted + nomems"),
        (|stats| stats.polled = 1_000, "polled"),
        (|stats| stats.jobs.created += 1, "jobs: created"),
    ];
    for (change, told) in changes {
        let mut stats = stats.clone();
        change(&mut stats);
        let imbalances = stats.imbalances();
        assert!(imbalances.iter().any(|line| line.contains(told)), "{told}: {imbalances:?}");
    }
}

#[expect(clippy::cast_precision_loss, reason = "small counts")]
fn as_f64(count: u64) -> f64 {
    count as f64
}
