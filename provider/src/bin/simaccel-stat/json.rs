//! The counters as one JSON object, in one line.

use serde_json::{Map, Value, json};
use simaccel_provider::counters::snapshot::State;
use simaccel_provider::counters::{Field, Total};

use super::summary::{Process, REASONS, Row, Summary};

/// Changes when a key is renamed or removed.
const FORMAT: u64 = 1;

pub(crate) fn json(now: &Summary) -> Value {
    let mut object = counts(&now.rows().map(|row| (row.name.to_owned(), row)).collect::<Vec<_>>(), now);
    object.insert("format".to_owned(), json!(FORMAT));
    object.insert("processes".to_owned(), now.processes.iter().map(process).collect());
    object.insert("in_flight".to_owned(), json!(now.in_flight()));
    object.insert("fds".to_owned(), json!(now.fds()));
    let totals = Total::ALL.iter().map(|total| (total.name().to_owned(), json!(now.total(*total))));
    object.insert("totals".to_owned(), Value::Object(totals.collect()));
    object.insert("wake_to_resume_nsec".to_owned(), wakes(now));
    object.insert("paused".to_owned(), now.paused.iter().map(|one| {
        json!({
            "pid": one.pid, "context": one.number, "address": one.address, "jobs": one.paused,
            "algorithm": one.algorithm, "bytes": one.bytes, "thread": one.thread, "woken_for_nsec": one.woken_for,
        })
    }).collect());
    object.insert("not_resumed".to_owned(), json!(now.not_resumed().map(|one| one.paused).sum::<u64>()));
    object.insert("wrong".to_owned(), json!(now.wrong));
    object.insert("newest_wrongs".to_owned(), now.wrongs.iter().map(|(pid, one)| {
        json!({
            "pid": pid, "kind": one.kind.name(), "context": one.context, "address": one.address,
            "algorithm": one.algorithm, "bytes": one.bytes, "thread": one.thread, "woken_for_nsec": one.woken_for,
        })
    }).collect());
    object.insert("engine".to_owned(), engine(now));
    Value::Object(object)
}

/// The fields, added up over all algorithms, and by algorithm.
fn counts(rows: &[(String, Row<'_>)], now: &Summary) -> Map<String, Value> {
    let mut object = fields(|field| now.field(field));
    let rows = rows.iter().map(|(name, row)| (name.clone(), Value::Object(fields(|field| row.field(field)))));
    object.insert("algorithms".to_owned(), Value::Object(rows.collect()));
    object
}

fn fields(of: impl Fn(Field) -> u64) -> Map<String, Value> {
    let is_reason = |field: &Field| REASONS.iter().any(|(reason, _)| reason == field);
    let plain = Field::ALL.iter().filter(|field| !is_reason(field));
    let mut object: Map<_, _> = plain.map(|field| (field.name().to_owned(), json!(of(*field)))).collect();
    let mut reasons: Map<_, _> =
        REASONS.iter().map(|(field, name)| ((*name).to_owned(), json!(of(*field)))).collect();
    reasons.insert("total".to_owned(), json!(REASONS.iter().map(|(field, _)| of(*field)).sum::<u64>()));
    object.insert("synchronous".to_owned(), Value::Object(reasons));
    object
}

fn process(process: &Process) -> Value {
    let (state, exited_at) = match process.state {
        State::Running => ("running", None),
        State::Exited(at) => ("exited", Some(at)),
        State::Gone => ("gone", None),
    };
    json!({
        "file": process.path, "pid": process.pid, "program": process.program, "release": process.release,
        "state": state, "began_at_nsec": process.began_at, "exited_at_nsec": exited_at,
        "age_nsec": process.age, "forked_from": process.forked_from,
    })
}

fn wakes(now: &Summary) -> Value {
    let count = now.wakes();
    if count == 0 {
        return Value::Null;
    }
    json!({
        "count": count, "sum": now.wakes_sum(), "p50": now.wakes_quantile(500), "p99": now.wakes_quantile(990),
        "max": now.wakes_most(),
    })
}

fn engine(now: &Summary) -> Value {
    let Some((_, age)) = now.engine else { return Value::Null };
    let object = |faults| -> Map<String, Value> {
        now.engine_numbers(faults).map(|(name, value)| (name.to_owned(), json!(value))).collect()
    };
    json!({"age_nsec": age, "numbers": object(false), "faults": object(true)})
}
