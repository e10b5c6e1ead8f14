//! The counters for people: 80 columns, and more where a name is long.

use std::fmt::Write as _;

use simaccel_provider::counters::snapshot::{PausedContext, State};
use simaccel_provider::counters::{Field, Total};

use super::summary::{REASONS, Summary};
use super::units::{bytes, count, rate, ratio, time};

/// How many contexts, and how many things that were wrong, are listed.
const LISTED: usize = 8;
const WIDTH: usize = 80;
/// What `host_bound_ppm` counts in.
const MILLION: u64 = 1_000_000;

/// All of it. `before` is the same some time ago: rates are those since then.
pub(crate) fn text(now: &Summary, before: Option<&Summary>) -> String {
    let mut page = Page::default();
    page.processes(now);
    page.operations(now, before);
    page.algorithms(now);
    page.conduct(now, before);
    page.engine(now);
    page.0
}

#[derive(Default)]
struct Page(String);

impl Page {
    /// A line of a name and what belongs to it, broken between words.
    fn line(&mut self, name: &str, text: &str) {
        let mut line = format!("  {name:<25} ");
        let indent = line.chars().count();
        for word in text.split(' ') {
            let is_empty = line.chars().count() <= indent;
            if !is_empty && line.chars().count() + 1 + word.chars().count() > WIDTH {
                self.push(&line);
                line = " ".repeat(indent);
            } else if !is_empty {
                line.push(' ');
            }
            line.push_str(word);
        }
        self.push(&line);
    }

    fn push(&mut self, line: &str) {
        let _ = writeln!(self.0, "{}", line.trim_end());
    }

    fn head(&mut self, text: &str) {
        self.push("");
        self.push(text);
    }

    fn processes(&mut self, now: &Summary) {
        for process in &now.processes {
            let state = match process.state {
                State::Running => format!("running, counts for {}", time(process.age)),
                State::Exited(_) => format!("exited after {}", time(process.age)),
                State::Gone => "ended without an exit: killed, or crashed".to_owned(),
            };
            let parent = process.forked_from.map_or_else(String::new, |pid| format!(", forked from {pid}"));
            self.push(&format!("{} (process {}{parent}): {state}", process.program, process.pid));
        }
    }

    fn operations(&mut self, now: &Summary, before: Option<&Summary>) {
        self.head("operations");
        let operations = now.field(Field::Operations);
        self.line(
            "operations",
            &format!("{} requests, {}", count(operations), bytes(now.field(Field::Bytes))),
        );
        if let Some(before) = before {
            let since = now.age().saturating_sub(before.age());
            let more = |field| now.field(field).saturating_sub(before.field(field));
            let (requests, of_bytes) =
                (rate(more(Field::Operations), since), rate(more(Field::Bytes), since) / 1e6);
            self.line("now", &format!("{requests:.0} requests/s, {of_bytes:.2} MB/s"));
        }
        self.line("paused", &format!("{} requests", count(now.field(Field::Pauses))));
        self.line("synchronous", &synchronous(now));
        self.line("in flight", &format!("{} requests", count(now.in_flight())));
        let resumes = format!(
            "{} final, {} spurious",
            count(now.field(Field::Resumes)),
            count(now.field(Field::SpuriousResumes))
        );
        self.line("resumes", &resumes);
        let (made, refused) = (now.total(Total::FdsOpened), now.total(Total::FdsRefused));
        self.line(
            "wait fds",
            &format!("{} open, of {} made; {} refused", count(now.fds()), count(made), count(refused)),
        );
    }

    fn algorithms(&mut self, now: &Summary) {
        if now.rows().next().is_none() {
            return self.push("  no operation yet: simaccel-stat --doctor says why");
        }
        self.push("");
        let columns = ["algorithm", "requests", "bytes", "paused", "synchronous", "spurious"];
        let [algorithm, requests, of_bytes, paused, synchronous, spurious] = columns;
        let width = now.rows().map(|row| row.name.len() + 1).fold(14, usize::max);
        self.push(&format!(
            "{algorithm:<width$}{requests:>13}{of_bytes:>12}{paused:>13}{synchronous:>13}{spurious:>13}"
        ));
        for row in now.rows() {
            let of = |field| count(row.field(field));
            self.push(&format!(
                "{:<width$}{:>13}{:>12}{:>13}{:>13}{:>13}",
                row.name,
                of(Field::Operations),
                bytes(row.field(Field::Bytes)),
                of(Field::Pauses),
                count(row.synchronous()),
                of(Field::SpuriousResumes),
            ));
        }
    }

    fn conduct(&mut self, now: &Summary, before: Option<&Summary>) {
        self.head("what the application does with its jobs");
        let (paused, most) = (now.total(Total::PausedNow), now.total(Total::PausedMost));
        self.line("jobs paused", &format!("{} now, {} at most at once", count(paused), count(most)));
        self.line(
            "wait contexts",
            &format!("{} there, of {} used", count(now.contexts()), count(now.total(Total::Contexts))),
        );
        self.line("wake to resume", &wakes(now));
        self.line("resumes without a wake", &early(now, before));
        self.line(
            "stack down to the pause",
            &format!("{} bytes at most", count(now.total(Total::StackMost))),
        );
        self.violations(now);
    }

    fn violations(&mut self, now: &Summary) {
        let freed = now.field(Field::Freed);
        self.line("freed while paused", &format!("{} jobs{}", count(freed), freed_by(now)));
        let late: Vec<_> = now.not_resumed().collect();
        self.line(
            "not resumed after a wake",
            &format!("{} jobs", count(late.iter().map(|one| one.paused).sum())),
        );
        for (name, total, unit) in [
            ("resumed after free", Total::ResumedAfterFree, "jobs"),
            ("wakes after free", Total::WakesAfterFree, "wakes"),
            ("in another thread", Total::OtherThread, "resumes"),
            ("contexts not listed", Total::ContextsUnlisted, "contexts, for the table is full"),
            ("children without a file", Total::ChildrenWithoutFile, "processes"),
        ] {
            if now.total(total) > 0 {
                self.line(name, &format!("{} {unit}", count(now.total(total))));
            }
        }
        let skipped = now.wrongs.len().saturating_sub(LISTED);
        for (pid, wrong) in &now.wrongs[skipped..] {
            self.line("  wrong", &format!("process {pid}: {wrong}"));
        }
        late.iter().take(LISTED).for_each(|context| self.line("  wrong", &not_resumed(context)));
    }

    fn engine(&mut self, now: &Summary) {
        let Some((_, age)) = now.engine else {
            return self.head("engine                    no numbers copied yet");
        };
        self.head(&format!("engine (as of {} before)", time(age)));
        for (name, value) in now.engine_numbers(false) {
            match name {
                "host_bound_ppm" => {
                    self.line("host-bound", &format!("{:.1} % of the time", ratio(value * 100, MILLION)));
                }
                _ if value > 0 => self.line(name, &count(value)),
                _ => {}
            }
        }
        let faults: Vec<_> = now.engine_numbers(true).filter(|(_, count)| *count > 0).collect();
        let faults: Vec<_> =
            faults.into_iter().map(|(kind, number)| format!("{kind} {}", count(number))).collect();
        self.line("faults injected", &if faults.is_empty() { "none".to_owned() } else { faults.join(", ") });
    }
}

fn synchronous(now: &Summary) -> String {
    let reasons = REASONS.iter().filter(|(field, _)| now.field(*field) > 0);
    let reasons: Vec<_> =
        reasons.map(|(field, name)| format!("{name} {}", count(now.field(*field)))).collect();
    let total = format!("{} requests", count(now.synchronous()));
    if reasons.is_empty() { total } else { format!("{total}: {}", reasons.join(", ")) }
}

fn wakes(now: &Summary) -> String {
    let (Some(median), Some(late)) = (now.wakes_quantile(500), now.wakes_quantile(990)) else {
        return "no time taken".to_owned();
    };
    format!("p50 {}, p99 {}, max {}", time(median), time(late), time(now.wakes_most()))
}

fn early(now: &Summary, before: Option<&Summary>) -> String {
    let of = |summary: Option<&Summary>| summary.map_or(0, |summary| summary.total(Total::EarlyResumes));
    let pauses = now.field(Field::Pauses)
        - before.map_or(0, |before| before.field(Field::Pauses)).min(now.field(Field::Pauses));
    let more = of(Some(now)).saturating_sub(of(before));
    let since = now.age().saturating_sub(before.map_or(0, Summary::age));
    let all = count(of(Some(now)));
    format!("{all}: {:.1} for each pause, {:.0}/s", ratio(more, pauses), rate(more, since))
}

fn freed_by(now: &Summary) -> String {
    let rows = now.rows().filter(|row| row.field(Field::Freed) > 0);
    let rows: Vec<_> = rows.map(|row| format!("{} {}", row.name, count(row.field(Field::Freed)))).collect();
    if rows.is_empty() { String::new() } else { format!(": {}", rows.join(", ")) }
}

fn not_resumed(context: &PausedContext) -> String {
    let PausedContext { pid, number, address, algorithm, bytes, thread, woken_for, .. } = context;
    let woken = match woken_for {
        None | Some(0) => "its wake was sent".to_owned(),
        Some(nsec) => format!("its wake was sent {} before", time(*nsec)),
    };
    format!(
        "process {pid}: not resumed: {algorithm} of {bytes} bytes, in wait context {number} at {address:#x}, thread {thread}; {woken}"
    )
}
