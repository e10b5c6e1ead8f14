//! Statistics as JSON text: one object, numbers only, and one list.

use std::fmt::Write;

use simaccel::{EngineStats, QueuePairStats};

/// All counters of an engine and its device. The names are those of the fields.
pub(crate) fn json(stats: &EngineStats) -> String {
    let device = &stats.device;
    let pairs: Vec<String> = device.queue_pairs.iter().map(queue_pair).collect();
    let device = object(
        &[("worker_sleeps", device.worker_sleeps), ("deaths", device.deaths), ("resets", device.resets)],
        &[("total", &queue_pair(&device.total)), ("queue_pairs", &format!("[{}]", pairs.join(",")))],
    );
    object(
        &[
            ("operations", stats.operations),
            ("pauses", stats.pauses),
            ("resumes", stats.resumes),
            ("spurious_resumes", stats.spurious_resumes),
            ("blocked", stats.blocked),
            ("parked", stats.parked),
            ("fallbacks", stats.fallbacks),
            ("below_threshold", stats.below_threshold),
            ("abandoned", stats.abandoned),
            ("polled", stats.polled),
            ("faults_injected", stats.faults_injected),
        ],
        &[("device", &device)],
    )
}

fn queue_pair(stats: &QueuePairStats) -> String {
    object(
        &[
            ("submitted", stats.submitted),
            ("completed", stats.completed),
            ("failed", stats.failed),
            ("revoked", stats.revoked),
            ("in_flight", stats.in_flight),
            ("bytes", stats.bytes),
            ("full", stats.full),
            ("parked", stats.parked),
            ("doorbells_rung", stats.doorbells_rung),
            ("doorbells_suppressed", stats.doorbells_suppressed),
            ("interrupts", stats.interrupts),
            ("wakes_sent", stats.wakes_sent),
            ("wakes_cancelled", stats.wakes_cancelled),
            ("wake_panics", stats.wake_panics),
        ],
        &[],
    )
}

fn object(numbers: &[(&str, u64)], parts: &[(&str, &str)]) -> String {
    let mut text = String::from("{");
    for (name, number) in numbers {
        let _ = write!(text, "\"{name}\":{number},");
    }
    for (name, part) in parts {
        let _ = write!(text, "\"{name}\":{part},");
    }
    text.pop();
    text.push('}');
    text
}
