//! The facts in sentences: a label and a text of a few lines each.

use std::time::Duration;

use super::{ASIDE, Answer, about, bars, calling, device, jobs};
use crate::stations::Ceiling;
use crate::units::{grouped, short_time, time_us};
use crate::wrap::{labelled, wrapped};

impl Answer<'_> {
    pub(crate) fn text(&self) -> String {
        let row = self.row();
        let mut text =
            wrapped("answer: ", &format!("does offload pay, by {} on {}?", about(row), device(row)));
        let lines = [
            ("operations", self.operations()),
            ("processor", self.processor()),
            ("break-even", self.break_even_jobs()),
            ("", self.break_even_cpu()),
            ("limit", self.limits()),
            ("generator", self.generator()),
            ("pausing", self.pausing_gain()),
            ("late", self.late()),
            ("time", self.where_time_went()),
            ("latency", self.latencies()),
        ];
        for (label, sentence) in lines.into_iter().filter(|(_, sentence)| !sentence.is_empty()) {
            text += &labelled(label, &sentence);
        }
        text + &bars::text(&row.bins, "      ", short_nsec)
    }

    fn operations(&self) -> String {
        let ratio = self.ratio();
        let measured = if self.software.is_aside {
            format!(", measured aside for {}", hold(ASIDE))
        } else {
            String::new()
        };
        if let Some(paced) = &self.row().paced {
            return format!(
                "an open loop does what it is asked for: {} op/s of {}; software does {} op/s in \
                 {}{measured}",
                per_second(self.row().ops_per_second),
                per_second(paced.rate),
                per_second(self.software.ops_per_second),
                calling(self.row()),
            );
        }
        format!(
            "offload is {}: {} op/s, {} times software's {} op/s in {}{measured}",
            if ratio > 1.0 { "ahead of software" } else { "behind software" },
            per_second(self.row().ops_per_second),
            times(ratio),
            per_second(self.software.ops_per_second),
            calling(self.row()),
        )
    }

    fn processor(&self) -> String {
        let Some(cheapest) = &self.cheapest else {
            return "not known: in an open loop the caller spins until the next send".to_owned();
        };
        let (cpu, software) = (cheapest.cpu_ns, self.software.cpu_ns);
        format!(
            "offload is {}: at least {} of the caller's processor time per operation ({}), {} times \
             software's {}; the check of each result is part of both",
            if cpu < software { "ahead of software" } else { "behind software" },
            time(cpu),
            about(cheapest.row),
            times(cpu / software),
            time(software),
        )
    }

    fn break_even_jobs(&self) -> String {
        let even = &self.break_even;
        let rows = match even.by_rows {
            None => "not measured: no closed loop ran".to_owned(),
            Some(None) if even.by_model.is_some_and(|jobs| jobs.is_some()) => {
                "measured: behind in every closed loop, because this host, which plays the device, is slower \
                 than it"
                    .to_owned()
            }
            Some(None) => "measured: behind in every closed loop".to_owned(),
            Some(Some(1)) => "measured: ahead with 1 job".to_owned(),
            Some(Some(jobs)) => format!("measured: ahead from about {jobs} jobs on"),
        };
        let (Some(model), Some(ceiling), Some(alone)) = (even.by_model, even.ceiling, self.alone()) else {
            return format!("an ideal device has no times to compute it from; {rows}");
        };
        let ceiling = format!("{} op/s ({})", per_second(ceiling.ops_per_second), short_name(ceiling.of));
        match model {
            None => format!(
                "never by the model: the device's ceiling of {ceiling} is not above software's {} op/s; {rows}",
                per_second(self.software.ops_per_second)
            ),
            Some(1) => format!(
                "with any number of jobs in flight, by the model: one takes {alone}, and the ceiling is \
                 {ceiling}; {rows}"
            ),
            Some(jobs) => format!(
                "from {jobs} jobs in flight on, by the model: one takes {alone}, and the ceiling is \
                 {ceiling}; {rows}"
            ),
        }
    }

    fn break_even_cpu(&self) -> String {
        match self.break_even.by_cpu {
            None => String::new(),
            Some(None) => "in processor time of the caller: with none of the numbers measured".to_owned(),
            Some(Some(1)) => "in processor time of the caller: with 1 job".to_owned(),
            Some(Some(jobs)) => format!("in processor time of the caller: with {jobs} jobs"),
        }
    }

    /// The time of an operation that waits for no other.
    fn alone(&self) -> Option<String> {
        self.row().model.as_ref().map(|model| time(model.alone.with(1)))
    }

    fn limits(&self) -> String {
        let (Some(limit), Some(reached)) = (self.limit(), self.reached()) else { return String::new() };
        let share = share(reached);
        let rest = if reached < 0.8 {
            "; the rest of the time, threads waited for each other or for a processor"
        } else {
            ""
        };
        format!("{}, of which {share} were reached{rest}", self.limit_in_words(limit))
    }

    fn limit_in_words(&self, limit: Ceiling) -> String {
        let row = self.row();
        let most = format!("at most {} op/s", per_second(limit.ops_per_second));
        let config = row.device.as_ref().map(|device| device.device());
        match limit.of {
            "units" => {
                let units = config.map_or(0, |config| config.compute_units());
                format!("the device's compute units, {units}: {most}")
            }
            "front" => format!("the device's firmware stage, one request at a time: {most}"),
            "link" => format!("the link to the device: {most}"),
            "limit" => format!("the device's token bucket (ops_limit, bytes_limit): {most}"),
            "rings" => {
                format!("{}: {most}", self.rings())
            }
            "jobs" => {
                format!("the jobs in flight, {}, whose operations take {}: {most}", row.jobs, self.one())
            }
            "worker" => format!("the worker, a thread of this host: {most}"),
            "caller" if row.threads > 1 => {
                format!("the callers' {} threads, by their processor time: {most}", row.threads)
            }
            "caller" => format!("the caller's thread, by its processor time: {most}"),
            "generator" => format!("the load generator itself, in {}: {most}", calling(row)),
            _ => format!("the rate that was asked for: {most}"),
        }
    }

    /// The rings, and what fits them.
    fn rings(&self) -> String {
        let (alone, row) = (self.alone().unwrap_or_default(), self.row());
        match row.rings() {
            Some(rings) if rings.used() > 1 => format!(
                "the rings of {} queue pairs, where {} requests of {alone} fit (depth, queue_pairs)",
                rings.used(),
                rings.hold(row.jobs),
            ),
            rings => {
                let depth = rings.map_or(0, |rings| rings.depth);
                format!("the ring, where {depth} requests of {alone} fit (depth)")
            }
        }
    }

    /// The time of an operation that waits for no other, by the model, or else of the quickest.
    fn one(&self) -> String {
        let row = self.row();
        let nsec = row.model.as_ref().map(|model| model.alone.with(row.jobs));
        time(nsec.unwrap_or(row.latency.min * 1e3))
    }

    fn generator(&self) -> String {
        let Some(own) = &self.own_cost else { return "its own cost was not measured".to_owned() };
        let added = |share: f64| format!("{:.0}\u{a0}%", 100.0 * share);
        format!(
            "adds {} to the time of an operation in a bare loop over the engine ({} with {}, an ideal device: \
             {}), {} without the check of results; in processor time {} on top of {}, {} of it for the check",
            added(own.added()),
            own.mode.name(),
            jobs(own.jobs),
            time(own.bare.time),
            added(own.added_unchecked()),
            time(own.cpu_ns()),
            time(own.bare.cpu),
            time(own.check_cpu_ns()),
        )
    }

    fn pausing_gain(&self) -> String {
        self.pausing.map_or_else(String::new, |gain| {
            format!("{gain:.1} times the operations of one at a time, on {}", device(self.row()))
        })
    }

    fn late(&self) -> String {
        let Some(model) = &self.row().model else { return String::new() };
        let of = |share| time_us(model.error_us(share));
        hold_units(&format!(
            "completions came later than by the model: p50 {}, p99 {}; for {} of the time this host decided, \
             not the model",
            of(0.50),
            of(0.99),
            share(model.host_bound)
        ))
    }

    fn where_time_went(&self) -> String {
        let Some(of) = &self.times else {
            return "not timed: --device timing=sampled tells where it went".to_owned();
        };
        format!(
            "mean of {} timed: queue {} (until a unit begins), service {}, wake {} (until the host knows), \
             resume {} (until the job has it){}",
            grouped(of.timed),
            time(of.queue),
            time(of.service),
            time(of.wake),
            time(of.resume),
            of.caller.map_or_else(String::new, |caller| format!(", caller {}", time(caller))),
        )
    }

    fn latencies(&self) -> String {
        if self.row().bins.is_empty() { String::new() } else { format!("of {}:", about(self.row())) }
    }
}

/// A number and its unit stay in one line.
fn hold_units(text: &str) -> String {
    [" µs", " ns", " %", " op/s"]
        .iter()
        .fold(text.to_owned(), |text, unit| text.replace(unit, &format!("\u{a0}{}", &unit[1..])))
}

fn hold(time: Duration) -> String {
    hold_units(&short_time(time)).replace(' ', "\u{a0}")
}

fn per_second(rate: f64) -> String {
    if rate < 9.95 { format!("{rate:.1}") } else { grouped(format_args!("{rate:.0}")) }
}

/// Nanoseconds with their unit, held together.
fn time(nsec: f64) -> String {
    let text = if nsec < 999.5 { format!("{nsec:.0} ns") } else { time_us(nsec / 1e3) };
    text.replace(' ', "\u{a0}")
}

fn times(ratio: f64) -> String {
    match ratio {
        ..0.0095 => "less than 0.01".to_owned(),
        ..9.95 => format!("{ratio:.2}"),
        _ => format!("{ratio:.0}"),
    }
}

fn share(share: f64) -> String {
    format!("{:.1}\u{a0}%", 100.0 * share)
}

fn short_name(of: &str) -> &str {
    match of {
        "front" => "firmware",
        "limit" => "token bucket",
        other => other,
    }
}

#[expect(clippy::cast_precision_loss, reason = "a hundred days in nanoseconds are below 2^53")]
fn short_nsec(nsec: u64) -> String {
    if nsec < 1000 { format!("{nsec} ns") } else { time_us(nsec as f64 / 1e3) }
}
