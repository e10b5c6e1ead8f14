//! The running engine as the file of counters shows it: its numbers, and changes that readers ask for.

use super::place::engine_now as engine;
use crate::counters;

/// Answers for the engine of this process.
#[derive(Debug)]
pub(crate) struct Served;

impl counters::Served for Served {
    fn has_threads(&self) -> bool {
        engine().is_some_and(|engine| !engine.device().is_stepped())
    }

    fn change(&self, text: &str) -> Option<Result<(), String>> {
        // A new line would be another item, and an error in one line is one.
        engine().map(|engine| engine.reconfigure(text).map_err(|error| error.to_string().replace('\n', " ")))
    }

    fn numbers(&self, visit: &mut dyn FnMut(&str, u64)) {
        let Some(engine) = engine() else { return };
        let stats = engine.stats();
        let device = &stats.device;
        let share = u128::from(device.host_bound_nsec) * 1_000_000 / u128::from(device.open_nsec.max(1));
        visit("host_bound_ppm", u64::try_from(share).unwrap_or(u64::MAX));
        for (name, value) in stats.counters() {
            visit(name, value);
        }
        for (name, value) in device.total.counters() {
            visit(&format!("device_{name}"), value);
        }
        for (kind, value) in stats.faults() {
            visit(&format!("fault.{kind}"), value);
        }
    }
}
