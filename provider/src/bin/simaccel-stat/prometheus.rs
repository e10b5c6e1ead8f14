//! The counters in Prometheus' text exposition format, version 0.0.4.

use std::fmt::Write as _;

use simaccel_provider::counters::{Field, Total};

use super::summary::{REASONS, Summary, is_maximum};

/// What every name begins with.
const PREFIX: &str = "simaccel_provider_";

pub(crate) fn prometheus(now: &Summary) -> String {
    let mut text = String::new();
    let is_reason = |field: &Field| REASONS.iter().any(|(reason, _)| reason == field);
    for field in Field::ALL.iter().filter(|field| !is_reason(field)) {
        let samples = now.rows().map(|row| (label("algorithm", row.name), row.field(*field)));
        family(&mut text, &format!("{}_total", field.name()), "counter", field.meaning(), samples);
    }
    let synchronous = now.rows().flat_map(|row| {
        REASONS.iter().map(move |(field, reason)| {
            let labels = format!("{},{}", label("algorithm", row.name), label("reason", reason));
            (labels, row.field(*field))
        })
    });
    family(
        &mut text,
        "synchronous_total",
        "counter",
        "Operations that did not pause, by reason.",
        synchronous,
    );
    let one = |value| std::iter::once((String::new(), value));
    family(&mut text, "in_flight", "gauge", "Operations that have not ended.", one(now.in_flight()));
    family(&mut text, "fds", "gauge", "Eventfds that are registered in wait contexts now.", one(now.fds()));
    for total in Total::ALL {
        let is_gauge = *total == Total::PausedNow || is_maximum(*total);
        let (kind, suffix) = if is_gauge { ("gauge", "") } else { ("counter", "_total") };
        family(
            &mut text,
            &format!("{}{suffix}", total.name()),
            kind,
            total.meaning(),
            one(now.total(*total)),
        );
    }
    let late = now.not_resumed().map(|context| context.paused).sum();
    family(
        &mut text,
        "not_resumed",
        "gauge",
        "Paused jobs that were woken more than a second ago, or whose process has ended.",
        one(late),
    );
    wakes(&mut text, now);
    engine(&mut text, now);
    text
}

fn family(
    text: &mut String,
    name: &str,
    kind: &str,
    help: &str,
    samples: impl Iterator<Item = (String, u64)>,
) {
    let _ = writeln!(text, "# HELP {PREFIX}{name} {}\n# TYPE {PREFIX}{name} {kind}", help.trim());
    for (labels, value) in samples {
        let labels = if labels.is_empty() { String::new() } else { format!("{{{labels}}}") };
        let _ = writeln!(text, "{PREFIX}{name}{labels} {value}");
    }
}

fn label(name: &str, value: &str) -> String {
    let value = value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
    format!("{name}=\"{value}\"")
}

fn wakes(text: &mut String, now: &Summary) {
    if now.wakes() == 0 {
        return;
    }
    let name = format!("{PREFIX}wake_to_resume_seconds");
    let _ =
        writeln!(text, "# HELP {name} How long after their wakes jobs were resumed.\n# TYPE {name} summary");
    for (of_thousand, quantile) in [(500, "0.5"), (990, "0.99"), (1_000, "1")] {
        let nsec = now.wakes_quantile(of_thousand).unwrap_or(0);
        let _ = writeln!(text, "{name}{{quantile=\"{quantile}\"}} {}", seconds(nsec));
    }
    let _ = writeln!(text, "{name}_sum {}\n{name}_count {}", seconds(now.wakes_sum()), now.wakes());
}

fn engine(text: &mut String, now: &Summary) {
    if now.engine.is_none() {
        return;
    }
    let faults = now.engine_numbers(true).map(|(kind, count)| (label("kind", kind), count));
    family(text, "faults_injected_total", "counter", "Faults that were injected, by kind.", faults);
    for (name, value) in now.engine_numbers(false) {
        if name == "host_bound_ppm" {
            let name = format!("{PREFIX}host_bound_ratio");
            let _ = writeln!(
                text,
                "# HELP {name} The share of the time in which the host decided, and not the model."
            );
            let _ =
                writeln!(text, "# TYPE {name} gauge\n{name} {}.{:06}", value / 1_000_000, value % 1_000_000);
        } else {
            let help = "A counter of the engine.";
            family(
                text,
                &format!("engine_{name}_total"),
                "counter",
                help,
                std::iter::once((String::new(), value)),
            );
        }
    }
}

fn seconds(nsec: u64) -> String {
    format!("{}.{:09}", nsec / 1_000_000_000, nsec % 1_000_000_000)
}
