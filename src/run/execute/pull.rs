//! Pulling a phase towards its base: what that needs is fetched when it is first asked for.
//!
//! The base's weights and the Fisher information are pure functions of the base's checkpoint, the plan and the data, so
//! whoever resumes or replays a run has the same bits; nothing of it is on the disk besides the checkpoint.

use super::phase::PhaseRun;
use super::start;
use crate::learn::{Fisher, Pull, Strengths};
use crate::model::Decoder;
use crate::run::checkpoint;
use crate::run::data::PhaseData;
use crate::{Error, Result};
use std::path::Path;
use std::sync::Arc;

/// What elastic weight consolidation needs besides the base.
pub(super) struct Consolidation {
    /// The data of the phase that this one stands on.
    data: Option<Arc<PhaseData>>,
    fisher: Option<Arc<Fisher>>,
}

impl Consolidation {
    /// Of a phase that stands on one with this data.
    pub fn on(data: Option<Arc<PhaseData>>) -> Self {
        Self { data, fisher: None }
    }
}

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
        self.check(base + fisher, "a pull towards the base")?;
        let base = self.pull_base()?;
        if strengths.ewc != 0.0 {
            self.measure_fisher(&base)?;
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
        self.learner.set_pull(Some(Pull::new(strengths, base, self.consolidation.fisher.clone())));
        Ok(())
    }

    /// The weights that the phase started from, as they were stored then.
    fn pull_base(&mut self) -> Result<Arc<Decoder>> {
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

    /// On the first rows that the phase before trained on, mixed as its plan has it.
    fn measure_fisher(&mut self, base: &Decoder) -> Result<()> {
        let Some(data) = self.consolidation.data.clone().filter(|_| self.consolidation.fisher.is_none()) else {
            return Ok(());
        };
        if !data.batches.sources().is_empty() {
            data.batches.mix(&[])?;
        }
        // No row counts twice.
        // Texts that were scored are judged by the head that they trained, which this phase may have replaced.
        let own = match data.score.is_none() || data.score == self.data.score {
            true => None,
            false => Some(self.as_trained(checkpoint::weights(
                Path::new(self.base.as_deref().unwrap_or_default()),
                self.run.request.device,
            )?)),
        };
        let base = own.as_ref().unwrap_or(base);
        let (rows, all) = (self.plan.pull.fisher_rows, data.batches.batches_per_epoch());
        let batches = (0..all).map(|step| data.batches.batch(step));
        let fisher = Fisher::measure(base, batches, rows)?;
        self.consolidation.fisher = Some(Arc::new(fisher));
        Ok(())
    }
}

#[cfg(test)]
#[path = "pull_tests.rs"]
mod tests;
