//! One or several processes, added up.

use simaccel_provider::counters::layout::wake_longest;
use simaccel_provider::counters::snapshot::{PausedContext, Snapshot, State};
use simaccel_provider::counters::{Field, Head, Total, Violation};

/// How long after its wake, in nanoseconds, a job that was not resumed is worth a word.
pub(crate) const LATE: u64 = 1_000_000_000;

/// The reasons of operations that did not pause, with their names.
pub(crate) const REASONS: [(Field, &str); 6] = [
    (Field::NoJob, "no_job"),
    (Field::NeverPause, "never_pause"),
    (Field::TooSmall, "too_small"),
    (Field::NoAsync, "no_async"),
    (Field::Fallback, "fallback"),
    (Field::Elsewhere, "elsewhere"),
];

/// A process.
#[derive(Clone, Debug)]
pub(crate) struct Process {
    pub(crate) path: String,
    pub(crate) pid: u64,
    pub(crate) program: String,
    pub(crate) release: String,
    pub(crate) state: State,
    /// In nanoseconds.
    pub(crate) age: u64,
    /// In nanoseconds since 1970.
    pub(crate) began_at: u64,
    pub(crate) forked_from: Option<u64>,
}

/// One or several processes.
#[derive(Clone, Debug, Default)]
pub(crate) struct Summary {
    pub(crate) processes: Vec<Process>,
    rows: Vec<(String, Vec<u64>)>,
    totals: Vec<u64>,
    wakes: Vec<u64>,
    wakes_sum: u64,
    wakes_most: u64,
    /// The engine's numbers, and how old the oldest copy is, in nanoseconds.
    pub(crate) engine: Option<(Vec<(String, u64)>, u64)>,
    pub(crate) paused: Vec<PausedContext>,
    /// The newest things that were wrong, with the process.
    pub(crate) wrongs: Vec<(u64, Violation)>,
    /// How many there were.
    pub(crate) wrong: u64,
}

impl Summary {
    pub(crate) fn of(snapshots: &[Snapshot]) -> Self {
        let mut all = Self { totals: vec![0; Total::ALL.len()], ..Self::default() };
        snapshots.iter().for_each(|snapshot| all.add(snapshot));
        // An algorithm that was not used has nothing to say.
        all.rows.retain(|(_, fields)| fields.iter().any(|field| *field > 0));
        all
    }

    fn add(&mut self, snapshot: &Snapshot) {
        self.processes.push(Process::of(snapshot));
        for (name, fields) in snapshot.rows() {
            match self.rows.iter_mut().find(|(known, _)| *known == name) {
                Some((_, sums)) => {
                    sums.iter_mut().zip(fields).for_each(|(sum, more)| *sum = sum.wrapping_add(more))
                }
                None => self.rows.push((name, fields)),
            }
        }
        for total in Total::ALL {
            let (sum, more) = (&mut self.totals[*total as usize], snapshot.total(*total));
            *sum = if is_maximum(*total) { (*sum).max(more) } else { sum.wrapping_add(more) };
        }
        let (wakes, sum, most) = snapshot.wakes();
        self.wakes.resize(wakes.len(), 0);
        self.wakes.iter_mut().zip(wakes).for_each(|(sum, more)| *sum = sum.wrapping_add(*more));
        self.wakes_sum = self.wakes_sum.wrapping_add(sum);
        self.wakes_most = self.wakes_most.max(most);
        self.add_engine(snapshot);
        self.paused.extend(snapshot.paused());
        let (wrongs, count) = snapshot.wrongs();
        self.wrongs.extend(wrongs.into_iter().map(|wrong| (snapshot.pid(), wrong)));
        self.wrong = self.wrong.wrapping_add(count);
    }

    fn add_engine(&mut self, snapshot: &Snapshot) {
        let Some((numbers, age)) = snapshot.engine() else { return };
        let Some((sums, oldest)) = &mut self.engine else {
            self.engine = Some((numbers, age));
            return;
        };
        *oldest = age.max(*oldest);
        for (name, more) in numbers {
            match sums.iter_mut().find(|(known, _)| *known == name) {
                Some((_, sum)) if is_share(&name) => *sum = more.max(*sum),
                Some((_, sum)) => *sum = sum.wrapping_add(more),
                None => sums.push((name, more)),
            }
        }
    }

    /// The algorithms that were used.
    pub(crate) fn rows(&self) -> impl Iterator<Item = Row<'_>> {
        self.rows.iter().map(|(name, fields)| Row { name, fields })
    }

    /// A field of all algorithms.
    pub(crate) fn field(&self, field: Field) -> u64 {
        self.rows().fold(0, |sum, row| sum.wrapping_add(row.field(field)))
    }

    pub(crate) fn total(&self, total: Total) -> u64 {
        self.totals[total as usize]
    }

    /// Operations that did not pause.
    pub(crate) fn synchronous(&self) -> u64 {
        REASONS.iter().fold(0, |sum, (field, _)| sum.wrapping_add(self.field(*field)))
    }

    /// Operations that have not ended: their jobs are paused, or their threads wait.
    pub(crate) fn in_flight(&self) -> u64 {
        let ended = self.field(Field::Resumes) + self.synchronous() + self.field(Field::Freed);
        (self.field(Field::Operations) + self.total(Total::ResumedAfterFree)).saturating_sub(ended)
    }

    /// Eventfds that are registered now.
    pub(crate) fn fds(&self) -> u64 {
        self.total(Total::FdsOpened).saturating_sub(self.total(Total::FdsClosed))
    }

    /// Wait contexts that are there now.
    pub(crate) fn contexts(&self) -> u64 {
        self.total(Total::Contexts).saturating_sub(self.total(Total::ContextsEnded))
    }

    /// The contexts whose jobs were woken long ago; where the process has ended, also a moment ago.
    pub(crate) fn not_resumed(&self) -> impl Iterator<Item = &PausedContext> {
        let has_ended =
            |pid: u64| self.processes.iter().any(|one| one.pid == pid && one.state != State::Running);
        self.paused
            .iter()
            .filter(move |one| one.woken_for.is_some_and(|nsec| nsec >= LATE || has_ended(one.pid)))
    }

    /// How many times from wakes to resumes were taken.
    pub(crate) fn wakes(&self) -> u64 {
        self.wakes.iter().fold(0, |sum, more| sum.wrapping_add(*more))
    }

    /// Their sum, in nanoseconds.
    pub(crate) const fn wakes_sum(&self) -> u64 {
        self.wakes_sum
    }

    /// The longest of them, in nanoseconds.
    pub(crate) const fn wakes_most(&self) -> u64 {
        self.wakes_most
    }

    /// The time that this many of a thousand do not exceed, in nanoseconds and to within an eighth.
    pub(crate) fn wakes_quantile(&self, of_thousand: u64) -> Option<u64> {
        let count = self.wakes();
        let rank = count.saturating_mul(of_thousand).div_ceil(1_000).max(1);
        let mut sum = 0_u64;
        let place = self.wakes.iter().position(|count| {
            sum = sum.wrapping_add(*count);
            sum >= rank
        })?;
        (count > 0).then(|| wake_longest(place).min(self.wakes_most))
    }

    /// The engine's faults by kind, and what is not one of them.
    pub(crate) fn engine_numbers(&self, faults: bool) -> impl Iterator<Item = (&str, u64)> {
        let numbers = self.engine.iter().flat_map(|(numbers, _)| numbers);
        numbers.filter_map(move |(name, value)| match name.strip_prefix("fault.") {
            Some(kind) => faults.then_some((kind, *value)),
            None => (!faults).then_some((name.as_str(), *value)),
        })
    }

    /// How long all processes together have counted, in nanoseconds: the longest of them.
    pub(crate) fn age(&self) -> u64 {
        self.processes.iter().map(|process| process.age).max().unwrap_or(0)
    }

    /// Whether one of the processes still runs.
    pub(crate) fn runs(&self) -> bool {
        self.processes.iter().any(|process| process.state == State::Running)
    }
}

/// An algorithm.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Row<'s> {
    pub(crate) name: &'s str,
    fields: &'s [u64],
}

impl Row<'_> {
    pub(crate) fn field(&self, field: Field) -> u64 {
        self.fields[field as usize]
    }

    pub(crate) fn synchronous(&self) -> u64 {
        REASONS.iter().fold(0, |sum, (field, _)| sum.wrapping_add(self.field(*field)))
    }
}

impl Process {
    fn of(snapshot: &Snapshot) -> Self {
        Self {
            path: snapshot.path().display().to_string(),
            pid: snapshot.pid(),
            program: snapshot.program(),
            release: snapshot.release(),
            state: snapshot.state(),
            age: snapshot.age(),
            began_at: snapshot.head(Head::BeganAt),
            forked_from: Some(snapshot.head(Head::ForkedFrom)).filter(|pid| *pid != 0),
        }
    }
}

/// What is the most of something, and not a count of it.
pub(crate) const fn is_maximum(total: Total) -> bool {
    matches!(total, Total::PausedMost | Total::StackMost)
}

/// What is a share of time.
fn is_share(name: &str) -> bool {
    name.ends_with("_ppm")
}
