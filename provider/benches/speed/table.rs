//! Contests, and their table.

use std::time::Duration;

use super::lanes::{Goal, Side};

#[derive(Debug)]
pub(crate) struct Effort {
    pub(crate) contests: u32,
    pub(crate) rounds: u32,
    pub(crate) slice: Duration,
}

/// What a side has shown: the medians of its contests.
#[derive(Debug)]
pub(crate) struct Outcome {
    name: &'static str,
    nanoseconds: f64,
    pauses_per_operation: f64,
    /// How many times as fast as the sides that it is compared with.
    ratios: Vec<(&'static str, f64)>,
}

/// What a side is compared with.
fn rivals(name: &str) -> &'static [&'static str] {
    match name {
        "provider-fd" => &["slices-fd", "engine-fd"],
        "provider-callback" => &["slices-callback", "engine-callback"],
        "provider" | "dasync-fd" | "dasync-callback" | "dasync" => &["default"],
        _ => &[],
    }
}

/// Lets the sides take turns.
pub(crate) fn measure(effort: &Effort, sides: &mut [(&'static str, Box<dyn Side>)]) -> Vec<Outcome> {
    let mut pauses = vec![0.0; sides.len()];
    let mut contests: Vec<Vec<f64>> = Vec::new();
    for _ in 0..effort.contests {
        let mut best = vec![f64::INFINITY; sides.len()];
        for _ in 0..effort.rounds {
            for (index, (_, side)) in sides.iter_mut().enumerate() {
                let run = side.drive(Goal::Time(effort.slice));
                best[index] = best[index].min(run.nanoseconds());
                pauses[index] = run.pauses as f64 / run.operations as f64;
            }
        }
        contests.push(best);
    }
    let index_of =
        |name: &str| sides.iter().position(|(known, _)| *known == name).expect("a side of this contest");
    sides
        .iter()
        .enumerate()
        .map(|(index, (name, _))| Outcome {
            name,
            nanoseconds: median(contests.iter().map(|best| best[index])),
            pauses_per_operation: pauses[index],
            ratios: (rivals(name).iter())
                .map(|rival| {
                    let other = index_of(rival);
                    (*rival, median(contests.iter().map(|best| best[other] / best[index])))
                })
                .collect(),
        })
        .collect()
}

fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<_> = values.collect();
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

pub(crate) fn head() {
    println!("key           side                  ns/op      op/s      MB/s  pauses  times as fast as");
}

pub(crate) fn print(key: &str, bytes: usize, outcomes: &[Outcome]) {
    for outcome in outcomes {
        let ratios: Vec<_> =
            outcome.ratios.iter().map(|(rival, ratio)| format!("{ratio:.2} {rival}")).collect();
        let ratio = ratios.join(", ");
        println!(
            "{key:13} {:18} {:8.0} {:9.0} {:9.0} {:7.2}  {ratio}",
            outcome.name,
            outcome.nanoseconds,
            1e9 / outcome.nanoseconds,
            bytes as f64 * 1e3 / outcome.nanoseconds,
            outcome.pauses_per_operation,
        );
    }
}
