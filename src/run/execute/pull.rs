//! Pulling a phase towards its base: what that needs is fetched when it is first asked for.
//!
//! The base's weights and the Fisher information are pure functions of the base's checkpoint, the plan and the data, so
//! whoever resumes or replays a run has the same bits. The Fisher information is kept beside the checkpoints of the phase
//! (`fisher`), to save the time of measuring it.

use super::phase::PhaseRun;
use super::{prefix, start};
use crate::learn::{PrefixSettings, Pull, Strengths};
use crate::model::Decoder;
use crate::ops::Precision;
use crate::run::checkpoint;
use crate::{Error, Result};
use std::path::Path;
use std::sync::Arc;

impl PhaseRun<'_, '_> {
    /// Has at hand what pulls of these strengths need. Without a base it is an error, and nothing has changed.
    pub(super) fn prepare_pull(&mut self, strengths: Strengths) -> Result<()> {
        if !strengths.is_on() {
            return Ok(());
        }
        if self.base.is_none() {
            return Err(Error::new("there is nothing to pull to")
                .because(format!("the phase {} started from new weights", self.plan.name))
                .next("pull a phase that starts from another, or from a checkpoint"));
        }
        if strengths.ewc != 0.0 && self.consolidation.data.is_none() {
            return Err(Error::new("elastic weight consolidation needs the data that the base learned from")
                .because("no phase of this run comes before this one")
                .next("use l2-sp, which needs no data"));
        }
        let weights = size_of::<f32>() as u64 * self.learner.decoder.parameters.count() as u64;
        let base = if self.base_weights.is_none() { weights } else { 0 };
        // The sums, the gradients of a row, and the model that they are of.
        let fisher = if strengths.ewc != 0.0 && self.consolidation.fisher.is_none() { 3 * weights } else { 0 };
        let is_new = strengths.kl != 0.0 && self.learner.pulled().is_none_or(|pull| !pull.teaches());
        let kept = self.teacher_cache().filter(|_| is_new).map_or(0, |cache| cache.budget.memory);
        self.check(base + fisher + kept, "a pull towards the base")?;
        let base = self.pull_base()?;
        if strengths.ewc != 0.0 {
            self.find_fisher(&base)?;
        }
        Ok(())
    }

    /// Pulls as the settings say.
    pub(super) fn apply_pull(&mut self) -> Result<()> {
        let strengths = self.steering.settings().pull;
        if !strengths.is_on() {
            self.learner.set_pull(None);
            return Ok(());
        }
        self.prepare_pull(strengths)?;
        let base = self.pull_base()?;
        let pull = Pull::new(strengths, base, self.consolidation.fisher.clone());
        self.learner.set_pull(Some(pull.teaching(self.plan.pull.temperature, self.teacher_cache())));
        Ok(())
    }

    /// What may be kept of the base's hidden states where rows come again: as much as the prefix cache may take. In f32,
    /// so that it changes nothing.
    fn teacher_cache(&self) -> Option<PrefixSettings> {
        let settings = prefix::settings(self.plan, &self.data, self.steps, self.run.request.home);
        settings.map(|settings| PrefixSettings { precision: Precision::F32, ..settings })
    }

    /// The weights that the phase started from, as they were stored then.
    pub(super) fn pull_base(&mut self) -> Result<Arc<Decoder>> {
        if let Some(base) = &self.base_weights {
            return Ok(base.clone());
        }
        let path = self.base.clone().unwrap_or_default();
        let decoder = checkpoint::weights(Path::new(&path), self.run.request.device)
            .map_err(|error| error.within("the weights to pull to cannot be read"))?;
        let decoder = self.run.scoring(self.index, decoder)?;
        let base = Arc::new(start::stored_as_planned(self.as_trained(decoder), self.plan)?);
        self.base_weights = Some(base.clone());
        Ok(base)
    }
}

#[cfg(test)]
#[path = "pull_tests.rs"]
mod tests;
