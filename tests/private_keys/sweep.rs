//! The operations with keys as a sweep of faults runs them.

use simaccel::{Engine, Operation};

use super::operations::{Action, few};
use super::outcome::{Outcome, Work};

/// One of each operation. `is_few`: only those that matter where each fault costs real time.
pub(crate) fn all(engine: &Engine, is_few: bool) -> Vec<Work> {
    let work = |action: Action| -> Work {
        let session = action.session(engine);
        Box::new(move || outcome(&action, action.run(&session)))
    };
    actions(is_few).into_iter().map(work).collect()
}

/// The device's output is damaged where there is some: first those that have one.
pub(crate) fn actions(is_few: bool) -> Vec<Action> {
    let mut actions = few();
    actions.sort_by_key(|action| action.operation == Operation::Verify);
    actions.truncate(if is_few { 3 } else { actions.len() });
    actions
}

pub(crate) fn outcome(action: &Action, output: super::operations::Output) -> Outcome {
    match output {
        Ok(output) if action.is_right(&output) => Outcome::Right,
        Ok(_) => Outcome::Wrong,
        Err(error) => Outcome::of_error(&error),
    }
}
