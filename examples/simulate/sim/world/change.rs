//! The application changes the device in the middle of its work.

use simaccel::{ChangeError, Error, Faults};

use super::World;

impl World {
    /// Another fault plan, or another model. An ideal device refuses both.
    pub(super) fn change(&mut self) {
        let (text, changed) = if self.random.chance(60) {
            let plan = self.plan.another_fault_plan(&mut self.random);
            let faults = Faults::parse(&plan).map_err(Error::from);
            (plan, faults.and_then(|faults| self.engine.set_faults(faults)))
        } else {
            let text = self.plan.another_model(&mut self.random);
            let changed = self.engine.reconfigure(&text);
            (text, changed)
        };
        self.note(format_args!("change to {text}: {}", if changed.is_ok() { "done" } else { "refused" }));
        let is_modelled = self.engine.config().device().is_modelled();
        let is_right = match &changed {
            Ok(()) => is_modelled,
            Err(Error::Change(error)) => !is_modelled && **error == ChangeError::Ideal,
            Err(_) => false,
        };
        self.recorder.check(is_right, || format!("a change to {text} gave {changed:?}"));
    }
}
