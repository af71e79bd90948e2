//! An order of unfreezing going on while a phase runs.

use super::phase::PhaseRun;
use crate::Result;

impl PhaseRun<'_, '_> {
    /// What is due about the order after a step. It follows from the step alone, so that no journal needs to tell it.
    pub(super) fn advance(&mut self) -> Result<()> {
        let Some(what) = self.steering.advance(self.done) else { return Ok(()) };
        let steering = &self.steering;
        self.learner.set_trainable(|group| steering.trains(group))?;
        if self.done < self.steps {
            self.notice(what);
        }
        Ok(())
    }

    /// Says before the first step that the phase is too short for the plan's order.
    pub(super) fn foresee_unfreezing(&mut self) {
        let Some(unfreezing) = self.steering.settings().unfreezing else { return };
        let needed = self.steering.steps_of(unfreezing.unfreeze);
        if needed >= self.steps {
            self.notice(format!(
                "unfreezing ({}) comes to its end after {needed} steps, and the phase has {}: not everything will train; \
                 give its stages fewer steps than {}",
                unfreezing.unfreeze.order, self.steps, unfreezing.unfreeze.every
            ));
        }
    }
}

#[cfg(test)]
#[path = "unfreeze_tests.rs"]
mod tests;
